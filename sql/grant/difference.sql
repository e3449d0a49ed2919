-- The one query of the plan: what the declaration says minus what the catalog says, as steps.
--
-- Roles are told apart by name, since some do not exist yet; objects by kind, oid and subid. All of it is reckoned with the owners that there will
-- be: whoever becomes the owner of something takes over the privileges of the old one.

CREATE OR REPLACE FUNCTION unsecure.plan_difference(
    _elements unsecure.grant_element[],
    _targets  unsecure.grant_target[],
    _roles    unsecure.planned_role[],
    _objects  unsecure.grant_object[],
    _members  jsonb,
    _caller   oid
)
RETURNS SETOF unsecure.grant_step
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_is_16  boolean := current_setting('server_version_num')::integer >= 160000;
    v_caller pg_roles;
    v_crowd  record := unsecure.crowded_acl();
BEGIN
    SELECT * INTO v_caller FROM pg_roles r WHERE r.oid = _caller;
    RETURN QUERY
    WITH role AS MATERIALIZED (
        SELECT * FROM unnest(_roles)
    ), object AS MATERIALIZED (
        SELECT o.kind, o.object_oid, o.subid, o.schema_oid, o.label, o.column_name, o.owner, o.acl, o.is_here,
               coalesce(w.rolname::text, o.owner::text) AS old_owner, k.words, k.owner_word, k.is_local
        FROM unnest(_objects) AS o
        JOIN unsecure.grant_kinds() AS k ON k.kind = o.kind
        LEFT JOIN pg_roles w ON w.oid = o.owner
    ), granted AS MATERIALIZED (
        SELECT n.role_name, t.kind, t.object_oid, t.subid, e.privileges, e.is_owner, e.is_grantable, e.via, e.schema_name, e.name
        FROM unnest(_elements) AS e
        JOIN unnest(_targets) AS t ON t.element_no = e.element_no
        CROSS JOIN LATERAL unnest(e.role_names) AS n (role_name)
        LEFT JOIN role r ON r.role_name = n.role_name
        WHERE (t.problem IS NULL OR t.label IS NOT NULL AND r.missing = 'create')
          AND (r.is_all_scope OR r.role_name IS NULL OR t.kind NOT IN ('tablespace', 'parameter')
                                                        AND NOT (t.kind = 'database' AND e.name <> current_database()))
    ), owner_wanted AS MATERIALIZED (
        SELECT DISTINCT g.kind, g.object_oid, g.role_name FROM granted g WHERE g.is_owner
    ), owner_change AS MATERIALIZED (
        SELECT o.kind, o.object_oid, w.role_name AS new_owner, w.role_name, 'declared' AS reason,
               CASE WHEN EXISTS (SELECT FROM owner_wanted x WHERE x.kind = w.kind AND x.object_oid = w.object_oid AND x.role_name <> w.role_name)
                    THEN 'several roles are declared to own it'
                    WHEN o.kind = 'sequence' AND unsecure.belongs_to_table(o.object_oid) THEN 'it belongs to a table, and follows the owner of that' END AS problem
        FROM owner_wanted w
        JOIN object o ON o.kind = w.kind AND o.object_oid = w.object_oid AND o.subid = 0
        WHERE o.old_owner <> w.role_name
        UNION ALL
        SELECT o.kind, o.object_oid, r.new_owner, r.role_name, 'ownership is not declared',
               CASE WHEN r.is_default_owner AND unsecure.is_elevated(_caller) AND unsecure.runs_as_owner(o.kind, o.object_oid)
                    THEN format('it runs with the rights of its owner, and %I has many: say whose it shall be by the option new_owner', r.new_owner) END
        FROM object o
        JOIN role r ON r.role_oid = o.owner
        WHERE o.subid = 0
          AND o.owner_word IS NOT NULL
          AND o.is_here
          AND (o.kind = 'schema' OR o.schema_oid IS NULL OR o.schema_oid <> ALL (r.preserved))
          AND r.new_owner <> r.role_name
          AND NOT EXISTS (SELECT FROM owner_wanted w WHERE w.kind = o.kind AND w.object_oid = o.object_oid)
          AND NOT (o.kind = 'sequence' AND unsecure.belongs_to_table(o.object_oid))
    ), future AS MATERIALIZED (
        SELECT o.*, coalesce(c.new_owner, o.old_owner) AS owner_name
        FROM object o
        LEFT JOIN (SELECT DISTINCT ON (c.kind, c.object_oid) * FROM owner_change c ORDER BY c.kind, c.object_oid, c.reason) AS c
            ON c.kind = o.kind AND c.object_oid = o.object_oid
    ), entry AS MATERIALIZED (
        SELECT f.kind, f.object_oid, f.subid, x.privilege_type AS privilege, bool_or(x.is_grantable) AS is_grantable,
               CASE WHEN x.grantee = 0 THEN 'public' WHEN x.grantee = f.owner THEN f.owner_name ELSE coalesce(e.rolname::text, x.grantee::text) END AS grantee,
               CASE WHEN x.grantor = f.owner THEN f.owner_name ELSE coalesce(g.rolname::text, x.grantor::text) END AS grantor
        FROM future f
        CROSS JOIN LATERAL aclexplode(f.acl) AS x
        LEFT JOIN pg_roles e ON e.oid = x.grantee
        LEFT JOIN pg_roles g ON g.oid = x.grantor
        GROUP BY 1, 2, 3, 4, 6, 7
    ), wished AS MATERIALIZED (
        SELECT g.role_name, g.kind, g.object_oid, g.subid, p AS privilege, bool_or(g.is_grantable) AS is_grantable,
               bool_or(g.via = 'direct') AS is_direct, bool_or(g.via = 'group') AS is_group
        FROM granted g
        CROSS JOIN LATERAL unnest(g.privileges) AS p
        WHERE NOT g.is_owner AND g.role_name <> 'none'
        GROUP BY 1, 2, 3, 4, 5
    ), package AS MATERIALIZED (
        SELECT w.role_name, w.kind, w.object_oid, w.subid, array_agg(w.privilege ORDER BY w.privilege COLLATE "C") AS privileges,
               bool_or(w.is_group) AS is_group, bool_or(h.grantee IS NOT NULL) AS is_held
        FROM wished w
        LEFT JOIN (SELECT DISTINCT e.kind, e.object_oid, e.subid, e.grantee FROM entry e) AS h
            ON h.kind = w.kind AND h.object_oid = w.object_oid AND h.subid = w.subid AND h.grantee = w.role_name
        WHERE NOT w.is_grantable AND w.role_name <> 'public'
        GROUP BY 1, 2, 3, 4
        HAVING NOT bool_or(w.is_direct)
    ), crowd AS (
        SELECT p.kind, p.object_oid, p.subid, coalesce(max(cardinality(f.acl)), 0) AS entries, coalesce(max(cardinality(f.acl)), 0) + count(*) FILTER (WHERE NOT p.is_held) AS entries_then
        FROM package p
        JOIN future f ON f.kind = p.kind AND f.object_oid = p.object_oid AND f.subid = p.subid
        GROUP BY p.kind, p.object_oid, p.subid
    ), known AS MATERIALIZED (
        SELECT * FROM auth.intermediate_role
    ), via AS MATERIALIZED (
        -- Through an intermediate role: who is told to, who already is, and where the ACL is crowded.
        SELECT p.role_name, p.kind, p.object_oid, p.subid, p.privileges,
               coalesce(k.role_name, unsecure.intermediate_name(p.kind, p.object_oid, p.subid, p.privileges)) AS group_name
        FROM package p
        JOIN crowd c ON c.kind = p.kind AND c.object_oid = p.object_oid AND c.subid = p.subid
        JOIN future f ON f.kind = p.kind AND f.object_oid = p.object_oid AND f.subid = p.subid
        JOIN role r ON r.role_name = p.role_name
        LEFT JOIN known k ON k.object_kind = p.kind AND k.object_oid = p.object_oid AND k.object_subid = p.subid AND k.privileges = p.privileges
        WHERE (v_is_16 OR r.inherits)
          AND f.owner_name <> p.role_name
          AND (p.is_group
               OR NOT p.is_held AND c.entries_then > v_crowd.for_new
               OR p.is_held AND c.entries > v_crowd.for_all
               OR k.role_oid IS NOT NULL AND EXISTS (SELECT FROM pg_auth_members m WHERE m.roleid = k.role_oid AND m.member = r.role_oid))
    ), intermediate AS MATERIALIZED (
        SELECT v.group_name, v.kind, v.object_oid, v.subid, v.privileges FROM via v
        UNION
        SELECT k.role_name, k.object_kind, k.object_oid, k.object_subid, k.privileges
        FROM known k
        JOIN role r ON r.role_name = k.role_name AND r.is_intermediate
    ), wanted AS MATERIALIZED (
        SELECT w.role_name, w.kind, w.object_oid, w.subid, w.privilege, w.is_grantable, 'declared' AS reason
        FROM wished w
        LEFT JOIN via v ON v.role_name = w.role_name AND v.kind = w.kind AND v.object_oid = w.object_oid AND v.subid = w.subid
        WHERE w.is_grantable OR v.role_name IS NULL
        UNION ALL
        SELECT i.group_name, i.kind, i.object_oid, i.subid, p, false, 'for those who have it through this role'
        FROM intermediate i
        JOIN future f ON f.kind = i.kind AND f.object_oid = i.object_oid AND f.subid = i.subid
        CROSS JOIN LATERAL unnest(i.privileges) AS p
    ), surplus AS MATERIALIZED (
        SELECT e.kind, e.object_oid, e.subid, e.privilege, e.is_grantable, e.grantee, e.grantor, w.privilege IS NOT NULL AS is_option_only
        FROM entry e
        JOIN role r ON r.role_name = e.grantee
        JOIN future f ON f.kind = e.kind AND f.object_oid = e.object_oid AND f.subid = e.subid
        LEFT JOIN wanted w
            ON w.role_name = e.grantee AND w.kind = e.kind AND w.object_oid = e.object_oid AND w.subid = e.subid AND w.privilege = e.privilege
        WHERE NOT r.is_public
          AND f.is_here
          AND (f.is_local OR r.is_all_scope OR f.kind = 'database')
          AND (f.kind = 'schema' OR f.schema_oid IS NULL OR f.schema_oid <> ALL (r.preserved))
          AND CASE WHEN e.grantee <> f.owner_name THEN w.privilege IS NULL OR e.is_grantable AND NOT w.is_grantable
                   -- Owners keep what they have, unless something else is declared.
                   ELSE w.privilege IS NULL AND EXISTS (SELECT FROM wished x WHERE x.role_name = e.grantee AND x.kind = e.kind
                                                        AND x.object_oid = e.object_oid AND x.subid = e.subid) END
        UNION ALL
        SELECT e.kind, e.object_oid, e.subid, e.privilege, e.is_grantable, e.grantee, e.grantor, false
        FROM entry e
        WHERE e.grantee = 'public'
          AND EXISTS (SELECT FROM granted g WHERE g.role_name = 'none' AND g.kind = e.kind AND g.object_oid = e.object_oid AND g.subid = e.subid
                      AND e.privilege = ANY (g.privileges))
    ), lost AS MATERIALIZED (
        -- What those had given on who may not give any more: it goes with the right to do so.
        SELECT d.*, s.grantee AS because
        FROM surplus s
        JOIN entry d ON d.kind = s.kind AND d.object_oid = s.object_oid AND d.subid = s.subid AND d.privilege = s.privilege AND d.grantor = s.grantee
        JOIN future f ON f.kind = s.kind AND f.object_oid = s.object_oid AND f.subid = s.subid
        WHERE s.is_grantable AND s.grantee <> f.owner_name
    ), present AS (
        SELECT e.kind, e.object_oid, e.subid, e.privilege, e.grantee, bool_or(e.is_grantable) AS is_grantable
        FROM entry e
        WHERE NOT EXISTS (SELECT FROM lost l WHERE l.kind = e.kind AND l.object_oid = e.object_oid AND l.subid = e.subid
                          AND l.privilege = e.privilege AND l.grantee = e.grantee AND l.grantor = e.grantor)
        GROUP BY 1, 2, 3, 4, 5
    ), missing AS MATERIALIZED (
        SELECT w.role_name, w.kind, w.object_oid, w.subid, w.privilege, w.is_grantable, w.reason
        FROM wanted w
        LEFT JOIN present p
            ON p.grantee = w.role_name AND p.kind = w.kind AND p.object_oid = w.object_oid AND p.subid = w.subid AND p.privilege = w.privilege
        WHERE p.privilege IS NULL
           OR w.is_grantable AND NOT p.is_grantable
           -- REVOKE on a table takes the privilege from its columns too.
           OR w.subid <> 0 AND w.kind = 'table'
              AND EXISTS (SELECT FROM surplus s WHERE s.kind = 'table' AND s.object_oid = w.object_oid AND s.subid = 0 AND s.grantee = w.role_name
                          AND s.privilege = w.privilege AND NOT s.is_option_only)
        UNION
        SELECT l.grantee, l.kind, l.object_oid, l.subid, l.privilege, l.is_grantable, format('%I had given it', l.because)
        FROM lost l
        LEFT JOIN present p
            ON p.grantee = l.grantee AND p.kind = l.kind AND p.object_oid = l.object_oid AND p.subid = l.subid AND p.privilege = l.privilege
        LEFT JOIN role r ON r.role_name = l.grantee
        WHERE r.role_name IS NULL AND (p.privilege IS NULL OR l.is_grantable AND NOT p.is_grantable)
    ), privilege_row AS MATERIALIZED (
        -- Columns of one table are named together: SELECT (a, b), UPDATE (a).
        SELECT c.action, c.role_name, c.kind, c.object_oid, c.is_column, c.is_option, c.actor, c.reason,
               string_agg(c.privilege || coalesce(' (' || c.columns || ')', ''), ', ' ORDER BY c.privilege COLLATE "C") AS privileges,
               string_agg(DISTINCT c.columns, '; ') AS columns, array_agg(c.privilege) AS privilege_names, min(c.subid) AS subid,
               bool_or(c.has_dependents) AS has_dependents
        FROM (
            SELECT m.action, m.role_name, m.kind, m.object_oid, m.is_column, m.is_option, m.actor, m.reason, m.privilege, m.has_dependents,
                   min(m.subid) AS subid, string_agg(quote_ident(m.column_name), ', ' ORDER BY m.subid) AS columns
            FROM (
                SELECT 'grant' AS action, m.role_name, m.kind, m.object_oid, f.column_name IS NOT NULL AND f.kind = 'table' AS is_column,
                       m.is_grantable AS is_option, NULL AS actor, m.reason, m.privilege, CASE WHEN f.kind = 'table' THEN f.column_name END AS column_name, m.subid, false AS has_dependents
                FROM missing m
                JOIN future f ON f.kind = m.kind AND f.object_oid = m.object_oid AND f.subid = m.subid
                UNION ALL
                SELECT 'revoke', s.grantee, s.kind, s.object_oid, f.column_name IS NOT NULL AND f.kind = 'table', s.is_option_only,
                       CASE WHEN s.grantor <> f.owner_name AND f.kind NOT LIKE 'default %'
                                 AND NOT EXISTS (SELECT FROM lost l WHERE l.kind = s.kind AND l.object_oid = s.object_oid AND l.subid = s.subid
                                                 AND l.privilege = s.privilege AND l.grantee = s.grantee AND l.grantor = s.grantor) THEN s.grantor END,
                       concat_ws('; ', CASE s.grantee WHEN 'public' THEN 'declared' ELSE 'not declared' END, CASE WHEN s.grantor <> f.owner_name AND f.kind NOT LIKE 'default %' THEN quote_ident(s.grantor) || ' gave it' END), s.privilege, CASE WHEN f.kind = 'table' THEN f.column_name END, s.subid,
                       EXISTS (SELECT FROM lost l WHERE l.kind = s.kind AND l.object_oid = s.object_oid AND l.subid = s.subid
                               AND l.privilege = s.privilege AND l.because = s.grantee)
                FROM surplus s
                JOIN future f ON f.kind = s.kind AND f.object_oid = s.object_oid AND f.subid = s.subid
            ) AS m
            GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, CASE WHEN m.is_column THEN 0 ELSE m.subid END
        ) AS c
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, CASE WHEN c.is_column THEN 0 ELSE c.subid END
    ), acting AS MATERIALIZED (
        SELECT n.name, coalesce(a.rolname::text, n.name) AS actor,
               CASE WHEN r.oid IS NULL THEN CASE WHEN v_caller.rolsuper THEN 'own' WHEN v_caller.rolcreaterole THEN 'borrow' END
                    ELSE unsecure.way_to_act(_caller, unsecure.acting_owner(r.oid)) END AS way
        FROM (
            SELECT f.owner_name AS name FROM future f UNION SELECT f.old_owner FROM future f
            UNION SELECT p.actor FROM privilege_row p WHERE p.actor IS NOT NULL
        ) AS n
        LEFT JOIN pg_roles r ON r.rolname = n.name
        LEFT JOIN pg_roles a ON a.oid = unsecure.acting_owner(r.oid)
    ), privilege_step AS (
        SELECT CASE WHEN p.action = 'revoke' THEN 50 WHEN p.is_column THEN 60 ELSE 40 END AS phase, p.action, p.role_name,
               CASE WHEN f.kind LIKE 'default %'
                    THEN format('default privileges of %s on %s%s', f.label, f.words, coalesce(' in schema ' || quote_ident(f.column_name), ''))
                    ELSE format('%s %s%s', lower(f.words), f.label, ' (' || p.columns || ')') END AS object,
               CASE WHEN f.kind LIKE 'default %'
                    THEN format('ALTER DEFAULT PRIVILEGES FOR ROLE %s%s ', f.label, coalesce(' IN SCHEMA ' || quote_ident(f.column_name), '')) ELSE '' END
               || CASE p.action WHEN 'grant' THEN 'GRANT ' ELSE 'REVOKE ' || CASE WHEN p.is_option THEN 'GRANT OPTION FOR ' ELSE '' END END
               || p.privileges || ' ON ' || f.words AS head,
               CASE WHEN f.kind NOT LIKE 'default %' THEN f.label END AS target,
               CASE p.action WHEN 'grant' THEN ' TO ' ELSE ' FROM ' END AS preposition, p.role_name AS grantee,
               CASE WHEN p.action = 'grant' AND p.is_option THEN ' WITH GRANT OPTION' WHEN p.has_dependents THEN ' CASCADE' ELSE '' END AS tail,
               p.reason,
               CASE WHEN p.actor IS NOT NULL THEN nullif(p.actor, v_caller.rolname) WHEN a.way IN ('set', 'borrow') THEN a.actor END AS actor,
               CASE WHEN a.way = 'borrow' THEN ARRAY[a.actor] END AS borrowed,
               CASE
                   WHEN p.actor IS NOT NULL AND (a.way IS NULL OR NOT EXISTS (SELECT FROM pg_roles g WHERE g.rolname = p.actor))
                       THEN format('%s gave it, and %I cannot act as that role', quote_ident(p.actor), v_caller.rolname)
                   -- PostgreSQL would take who acts for the owner.
                   WHEN p.actor IS NOT NULL AND EXISTS (SELECT FROM pg_roles g JOIN pg_roles o ON o.rolname = f.owner_name
                                                        WHERE g.rolname = p.actor AND pg_has_role(g.oid, o.oid, 'USAGE'))
                       THEN format('%s gave it, and is a member of the owner now, so that PostgreSQL finds no way to revoke it: end that membership first, or revoke the grant option with CASCADE', quote_ident(p.actor))
                   WHEN a.way IS NULL AND NOT (p.action = 'grant' AND NOT EXISTS (
                            SELECT
                            FROM unnest(p.privilege_names) AS n (privilege)
                            WHERE NOT EXISTS (SELECT
                                              FROM entry e
                                              JOIN pg_roles g ON g.rolname = e.grantee
                                              WHERE e.kind = f.kind AND e.object_oid = f.object_oid AND e.subid = f.subid AND e.privilege = n.privilege
                                                AND e.is_grantable AND pg_has_role(_caller, g.oid, 'USAGE'))))
                       THEN format('%s owns it, and %I cannot act as that role', quote_ident(f.owner_name), v_caller.rolname)
               END AS problem
        FROM privilege_row p
        JOIN future f ON f.kind = p.kind AND f.object_oid = p.object_oid AND f.subid = p.subid
        LEFT JOIN acting a ON a.name = coalesce(p.actor, f.owner_name)
    ), owner_step AS (
        SELECT 30, 'alter', c.role_name, lower(f.words) || ' ' || f.label,
               format('ALTER %s %s OWNER TO %I', CASE WHEN f.kind = 'table' THEN (SELECT CASE l.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END
                                                                                 FROM pg_class l WHERE l.oid = f.object_oid)
                                                      ELSE f.owner_word END, f.label, c.new_owner),
               NULL::text, NULL::text, NULL::text, NULL::text, c.reason, NULL::text,
               ARRAY(SELECT x.actor FROM acting x WHERE x.name IN (f.old_owner, c.new_owner) AND x.way IN ('set', 'borrow')
                     UNION SELECT c.new_owner
                     WHERE NOT v_caller.rolsuper
                       AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = c.new_owner AND unsecure.may_set_role(_caller, r.oid))),
               CASE
                   WHEN c.problem IS NOT NULL THEN c.problem
                   WHEN v_caller.rolsuper THEN NULL
                   WHEN o.way IS NULL THEN format('%s owns it, and %I cannot act as that role', quote_ident(f.old_owner), v_caller.rolname)
                   WHEN n.way IS NULL THEN format('%I cannot act as %s, who shall own it', v_caller.rolname, quote_ident(c.new_owner))
                   WHEN f.kind = 'database' AND NOT v_caller.rolcreatedb THEN format('%I needs CREATEDB for that', v_caller.rolname)
                   WHEN f.kind = 'schema' AND NOT has_database_privilege(_caller, current_database(), 'CREATE') THEN format('%I needs CREATE on the database for that', v_caller.rolname)
               END
        FROM owner_change c
        JOIN future f ON f.kind = c.kind AND f.object_oid = c.object_oid AND f.subid = 0
        LEFT JOIN acting o ON o.name = f.old_owner
        LEFT JOIN acting n ON n.name = c.new_owner
    ), create_right AS MATERIALIZED (
        -- Who shall own something in a schema has to be able to create it there.
        SELECT DISTINCT n.oid AS schema_oid, n.nspname, c.new_owner, w.rolname AS schema_owner, unsecure.way_to_act(_caller, unsecure.acting_owner(n.nspowner)) AS way,
               (SELECT a.rolname FROM pg_roles a WHERE a.oid = unsecure.acting_owner(n.nspowner)) AS actor
        FROM owner_change c
        JOIN object o ON o.kind = c.kind AND o.object_oid = c.object_oid AND o.subid = 0
        JOIN pg_namespace n ON n.oid = o.schema_oid
        JOIN pg_roles w ON w.oid = n.nspowner
        WHERE o.kind <> 'schema' AND c.problem IS NULL AND NOT v_caller.rolsuper
          AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = c.new_owner AND has_schema_privilege(r.oid, n.oid, 'CREATE'))
          AND NOT EXISTS (SELECT FROM owner_change s WHERE s.kind = 'schema' AND s.object_oid = n.oid)
    ), create_right_step AS (
        SELECT s.phase, CASE WHEN r.way IS NULL THEN 'conflict' END, r.new_owner, format('schema %I', r.nspname),
               format('%s CREATE ON SCHEMA %I %s %I', s.verb, r.nspname, s.preposition, r.new_owner), NULL, NULL, NULL, NULL,
               'who shall own something in it has to have that', CASE WHEN r.way IN ('set', 'borrow') THEN r.actor END,
               CASE WHEN r.way = 'borrow' THEN ARRAY[r.actor::text] END,
               CASE WHEN r.way IS NULL THEN format('%I shall own something in it and has no CREATE on it; %s owns it, and %I cannot act as that role', r.new_owner, quote_ident(r.schema_owner), v_caller.rolname) END
        FROM create_right r
        CROSS JOIN (VALUES (29, 'GRANT', 'TO'), (31, 'REVOKE', 'FROM')) AS s (phase, verb, preposition)
        WHERE s.phase = 29 OR r.way IS NOT NULL
    ), step AS (
        SELECT * FROM privilege_step
        UNION ALL
        SELECT * FROM owner_step
        UNION ALL
        SELECT * FROM create_right_step
        UNION ALL
        SELECT 25, 'create', g.role_name, 'schema ' || quote_ident(g.name), format('CREATE SCHEMA %I', g.name), NULL, NULL, NULL, NULL, 'declared', NULL, NULL,
               CASE WHEN NOT has_database_privilege(_caller, current_database(), 'CREATE') THEN format('%I needs CREATE on the database for that', v_caller.rolname) END
        FROM (
            SELECT g.name, min(g.role_name) AS role_name
            FROM granted g
            WHERE g.kind = 'schema' AND g.role_name <> 'none' AND NOT EXISTS (SELECT FROM pg_namespace n WHERE n.nspname = g.name)
            GROUP BY g.name
        ) AS g
        UNION ALL
        SELECT s.* FROM unsecure.plan_logins(_roles, _members, _caller) AS s
        UNION ALL
        SELECT s.*
        FROM unsecure.plan_memberships(
            _roles, _members, coalesce((SELECT jsonb_agg(jsonb_build_object('role_name', v.role_name, 'role', v.group_name)) FROM via v), '[]'),
            ARRAY(SELECT i.group_name FROM intermediate i), _caller) AS s
    )
    SELECT s.* FROM step s ORDER BY s.phase, s.role_name COLLATE "C", s.object COLLATE "C", s.head COLLATE "C";
END;
$function$;

COMMENT ON FUNCTION unsecure.plan_difference(unsecure.grant_element[], unsecure.grant_target[], unsecure.planned_role[], unsecure.grant_object[], jsonb, oid) IS
    'The steps from what the catalog says to what the declaration says, in their order.';

REVOKE ALL ON FUNCTION
    unsecure.plan_difference(unsecure.grant_element[], unsecure.grant_target[], unsecure.planned_role[], unsecure.grant_object[], jsonb, oid)
FROM PUBLIC;
