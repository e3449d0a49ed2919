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
    v_is_via boolean; -- whether intermediate roles may be needed at all
BEGIN
    SELECT * INTO v_caller FROM pg_roles r WHERE r.oid = _caller;
    v_is_via := EXISTS (SELECT FROM unsecure.known_intermediate)
        OR EXISTS (SELECT FROM unnest(_elements) AS e WHERE e.via = 'group')
        OR EXISTS (SELECT FROM unnest(_objects) AS o WHERE cardinality(o.acl) > v_crowd.for_new)
        OR EXISTS (SELECT
                   FROM unnest(_elements) AS e
                   JOIN unnest(_targets) AS t ON t.element_no = e.element_no
                   LEFT JOIN unnest(_objects) AS o ON o.kind = t.kind AND o.object_oid = t.object_oid AND o.subid = t.subid
                   GROUP BY t.kind, t.object_oid, t.subid
                   HAVING sum(cardinality(e.role_names)) + max(coalesce(cardinality(o.acl), 0)) > v_crowd.for_new);
    RETURN QUERY
    WITH role AS MATERIALIZED (
        SELECT * FROM unnest(_roles)
    ), object AS MATERIALIZED (
        SELECT o.object_no, o.kind, o.object_oid, o.subid, o.schema_oid, o.label, o.column_name, o.owner, o.acl, o.is_here,
               o.kind = 'table' AND o.subid <> 0 AS is_column, o.kind LIKE 'default %' AS is_default,
               coalesce(w.rolname::text, CASE WHEN o.kind LIKE 'default %' THEN (parse_ident(o.label))[1] ELSE o.owner::text END) AS old_owner, k.words, k.owner_word, k.is_local,
               CASE WHEN o.kind = 'sequence' THEN unsecure.table_of_sequence(o.object_oid) END AS table_oid
        FROM unnest(_objects) WITH ORDINALITY AS o (kind, object_oid, subid, schema_oid, label, column_name, owner, acl, is_here, object_no)
        JOIN unsecure.grant_kinds() AS k ON k.kind = o.kind
        LEFT JOIN pg_roles w ON w.oid = o.owner
    ), named AS MATERIALIZED (
        SELECT n.role_name, t.problem, o.object_no, o.is_local, o.is_default, o.kind = 'database' AND o.is_here AS is_database, o.owner,
               e.privileges, e.is_owner, e.is_grantable, e.via, e.name IS NOT NULL AS is_named
        FROM unnest(_elements) AS e
        JOIN unnest(_targets) AS t ON t.element_no = e.element_no
        JOIN object o ON o.kind = t.kind AND o.object_oid = t.object_oid AND o.subid = t.subid
        CROSS JOIN LATERAL unnest(e.role_names) AS n (role_name)
        WHERE t.problem IS NULL OR t.label IS NOT NULL
    ), granted AS MATERIALIZED (
        SELECT n.role_name, n.object_no, n.privileges, n.is_owner, n.is_grantable, n.via, n.is_named
        FROM named n
        LEFT JOIN role r ON r.role_name = n.role_name
        WHERE (n.problem IS NULL OR r.missing = 'create' OR n.is_default AND NOT EXISTS (SELECT FROM pg_roles a WHERE a.oid = n.owner))
          AND (r.is_all_scope OR r.role_name IS NULL OR n.is_local OR n.is_database)
    ), owner_wanted AS MATERIALIZED (
        SELECT g.object_no, g.role_name, bool_or(g.is_named) AS is_named FROM granted g WHERE g.is_owner GROUP BY g.object_no, g.role_name
    ), owner_change AS MATERIALIZED (
        SELECT o.object_no, w.role_name AS new_owner, w.role_name,
               'declared' || CASE WHEN unsecure.runs_as_owner(o.kind, o.object_oid) THEN '; it runs with the rights of its owner' ELSE '' END AS reason, NOT w.is_named AS is_careful,
               CASE WHEN EXISTS (SELECT FROM owner_wanted x WHERE x.object_no = w.object_no AND x.role_name <> w.role_name)
                    THEN 'several roles are declared to own it'
                    WHEN o.table_oid IS NOT NULL THEN 'it belongs to a table, and follows the owner of that'
                    -- Or whoever may create something in the schema, has it run as the role.
                    WHEN NOT w.is_named AND unsecure.runs_as_owner(o.kind, o.object_oid) THEN format('it would run with the rights of %I: name it, if that is meant', w.role_name)
               END AS problem
        FROM owner_wanted w
        JOIN object o ON o.object_no = w.object_no
        WHERE o.old_owner <> w.role_name
        UNION ALL
        SELECT o.object_no, r.new_owner, r.role_name,
               'ownership is not declared' || CASE WHEN unsecure.runs_as_owner(o.kind, o.object_oid) THEN '; it runs with the rights of its owner' ELSE '' END, r.is_default_owner AND unsecure.is_elevated(_caller),
               CASE WHEN r.is_default_owner AND unsecure.is_elevated(_caller)
                         AND (unsecure.runs_as_owner(o.kind, o.object_oid)
                              -- Who gets these could make it run something.
                              OR EXISTS (SELECT FROM granted g JOIN object x ON x.object_no = g.object_no
                                         WHERE o.kind = 'table' AND x.kind = 'table' AND x.object_oid = o.object_oid AND g.privileges && '{REFERENCES,TRIGGER}'
                                           AND g.role_name NOT IN (r.new_owner, 'none')))
                    THEN format('it runs with the rights of its owner, and %I has many: say whose it shall be by the option new_owner', r.new_owner) END
        FROM object o
        JOIN role r ON r.role_oid = o.owner
        WHERE o.subid = 0
          AND o.owner_word IS NOT NULL
          AND o.is_here
          AND o.table_oid IS NULL
          AND (o.kind = 'schema' OR o.schema_oid IS NULL OR o.schema_oid <> ALL (r.preserved))
          AND r.new_owner <> r.role_name
          AND NOT EXISTS (SELECT FROM owner_wanted w WHERE w.object_no = o.object_no)
    ), future AS MATERIALIZED (
        -- Columns, and the sequences of columns, have the owner of their table.
        SELECT o.*, coalesce(c.new_owner, o.old_owner) AS owner_name
        FROM object o
        LEFT JOIN (
            SELECT DISTINCT ON (x.kind, x.object_oid) x.kind, x.object_oid, c.new_owner
            FROM owner_change c
            JOIN object x ON x.object_no = c.object_no
            ORDER BY x.kind, x.object_oid, c.reason
        ) AS c ON c.kind = CASE WHEN o.table_oid IS NULL THEN o.kind ELSE 'table' END AND c.object_oid = coalesce(o.table_oid, o.object_oid)
    ), entry AS MATERIALIZED (
        SELECT f.object_no, x.privilege_type AS privilege, bool_or(x.is_grantable) AS is_grantable,
               CASE WHEN x.grantee = 0 THEN 'public' WHEN x.grantee = f.owner THEN f.owner_name ELSE coalesce(e.rolname::text, unsecure.dropped_role(x.grantee)) END AS grantee,
               CASE WHEN x.grantor = f.owner THEN f.owner_name ELSE coalesce(g.rolname::text, unsecure.dropped_role(x.grantor)) END AS grantor
        FROM future f
        CROSS JOIN LATERAL aclexplode(f.acl) AS x
        LEFT JOIN pg_roles e ON e.oid = x.grantee
        LEFT JOIN pg_roles g ON g.oid = x.grantor
        GROUP BY 1, 2, 4, 5
    ), wished AS MATERIALIZED (
        SELECT g.role_name, g.object_no, p AS privilege, bool_or(g.is_grantable) AS is_grantable, bool_or(g.via = 'direct') AS is_direct,
               bool_or(g.via = 'group') AS is_group
        FROM granted g
        CROSS JOIN LATERAL unnest(g.privileges) AS p
        WHERE NOT g.is_owner AND g.role_name <> 'none'
        GROUP BY 1, 2, 3
    ), package AS MATERIALIZED (
        SELECT w.role_name, w.object_no, array_agg(w.privilege ORDER BY w.privilege COLLATE "C") AS privileges, bool_or(w.is_group) AS is_group,
               bool_or(h.grantee IS NOT NULL) AS is_held
        FROM wished w
        LEFT JOIN (SELECT DISTINCT e.object_no, e.grantee FROM entry e) AS h ON h.object_no = w.object_no AND h.grantee = w.role_name
        WHERE v_is_via AND NOT w.is_grantable AND w.role_name <> 'public'
        GROUP BY w.role_name, w.object_no
        HAVING NOT bool_or(w.is_direct)
    ), crowd AS (
        SELECT p.object_no, coalesce(max(cardinality(f.acl)), 0) AS entries,
               coalesce(max(cardinality(f.acl)), 0) + count(*) FILTER (WHERE NOT p.is_held) AS entries_then
        FROM package p
        JOIN future f ON f.object_no = p.object_no
        GROUP BY p.object_no
    ), via AS MATERIALIZED (
        -- Through an intermediate role: who is told to, who already is, and where the ACL is crowded.
        SELECT p.role_name, p.object_no, p.privileges,
               unsecure.intermediate_name(f.kind, f.object_oid, f.subid, p.privileges) AS group_name
        FROM package p
        JOIN crowd c ON c.object_no = p.object_no
        JOIN future f ON f.object_no = p.object_no
        JOIN role r ON r.role_name = p.role_name
        LEFT JOIN unsecure.known_intermediate k
            ON k.object_kind = f.kind AND k.object_oid = f.object_oid AND k.object_subid = f.subid AND k.privileges = p.privileges
        WHERE (v_is_16 OR r.inherits)
          AND f.owner_name <> p.role_name
          AND (p.is_group
               OR NOT p.is_held AND c.entries_then > v_crowd.for_new
               OR p.is_held AND c.entries > v_crowd.for_all
               OR EXISTS (SELECT FROM pg_auth_members m WHERE m.roleid = k.role_oid AND m.member = r.role_oid))
    ), intermediate AS MATERIALIZED (
        SELECT v.group_name, v.object_no, v.privileges FROM via v
        UNION
        SELECT k.role_name, f.object_no, k.privileges
        FROM unsecure.known_intermediate k
        JOIN role r ON r.role_name = k.role_name AND r.is_intermediate
        JOIN future f ON f.kind = k.object_kind AND f.object_oid = k.object_oid AND f.subid = k.object_subid
    ), wanted AS MATERIALIZED (
        SELECT w.role_name, w.object_no, w.privilege, w.is_grantable, 'declared' AS reason
        FROM wished w
        LEFT JOIN via v ON v.role_name = w.role_name AND v.object_no = w.object_no
        WHERE w.is_grantable OR v.role_name IS NULL
        UNION ALL
        SELECT i.group_name, i.object_no, p, false, 'for those who have it through this role'
        FROM intermediate i
        CROSS JOIN LATERAL unnest(i.privileges) AS p
    ), surplus AS MATERIALIZED (
        SELECT e.object_no, e.privilege, e.is_grantable, e.grantee, e.grantor, w.privilege IS NOT NULL AS is_option_only
        FROM entry e
        JOIN role r ON r.role_name = e.grantee
        JOIN future f ON f.object_no = e.object_no
        LEFT JOIN wanted w ON w.role_name = e.grantee AND w.object_no = e.object_no AND w.privilege = e.privilege
        WHERE NOT r.is_public
          AND f.is_here
          AND (f.is_local OR r.is_all_scope OR f.kind = 'database')
          AND (f.kind = 'schema' OR f.schema_oid IS NULL OR f.schema_oid <> ALL (r.preserved))
          AND CASE WHEN e.grantee <> f.owner_name THEN w.privilege IS NULL OR e.is_grantable AND NOT w.is_grantable
                   -- Owners keep what they have, unless something else is declared.
                   ELSE w.privilege IS NULL AND EXISTS (SELECT FROM wished x WHERE x.role_name = e.grantee AND x.object_no = e.object_no) END
        UNION ALL
        SELECT e.object_no, e.privilege, e.is_grantable, e.grantee, e.grantor, false
        FROM entry e
        WHERE e.grantee = 'public'
          AND EXISTS (SELECT FROM granted g WHERE g.role_name = 'none' AND g.object_no = e.object_no AND e.privilege = ANY (g.privileges))
    ), cleared AS (
        -- REVOKE on a table takes the privilege from its columns too.
        SELECT e.object_no, e.privilege, e.is_grantable, e.grantee
        FROM entry e
        JOIN future f ON f.object_no = e.object_no AND f.is_column
        JOIN future t ON t.kind = 'table' AND t.object_oid = f.object_oid AND t.subid = 0
        JOIN surplus s ON s.object_no = t.object_no AND s.grantee = e.grantee AND s.privilege = e.privilege
        WHERE e.is_grantable
    ), lost AS MATERIALIZED (
        -- What those had given on who may not give any more: it goes with the right to do so.
        SELECT d.object_no, d.privilege, d.is_grantable, d.grantee, d.grantor
        FROM (
            SELECT s.object_no, s.privilege, s.is_grantable, s.grantee FROM surplus s
            UNION
            SELECT * FROM cleared
        ) AS s
        JOIN entry d ON d.object_no = s.object_no AND d.privilege = s.privilege AND d.grantor = s.grantee
        JOIN future f ON f.object_no = s.object_no
        WHERE s.is_grantable AND s.grantee <> f.owner_name
    ), present AS MATERIALIZED (
        SELECT e.object_no, e.privilege, e.grantee, bool_or(e.is_grantable) AS is_grantable
        FROM entry e
        WHERE NOT EXISTS (SELECT FROM lost l WHERE l.object_no = e.object_no AND l.privilege = e.privilege AND l.grantee = e.grantee AND l.grantor = e.grantor)
        GROUP BY e.object_no, e.privilege, e.grantee
    ), missing AS MATERIALIZED (
        SELECT w.role_name, w.object_no, w.privilege, w.is_grantable, w.reason
        FROM wanted w
        JOIN future f ON f.object_no = w.object_no
        LEFT JOIN present p ON p.grantee = w.role_name AND p.object_no = w.object_no AND p.privilege = w.privilege
        WHERE p.privilege IS NULL
           OR w.is_grantable AND NOT p.is_grantable
           -- REVOKE on a table takes the privilege from its columns too.
           OR f.is_column
              AND EXISTS (SELECT
                          FROM surplus s
                          JOIN future t ON t.object_no = s.object_no AND t.kind = 'table' AND t.subid = 0
                          WHERE t.object_oid = f.object_oid AND s.grantee = w.role_name AND s.privilege = w.privilege
                            AND (NOT s.is_option_only OR w.is_grantable))
        UNION ALL
        -- Of PUBLIC, what no rule names.
        SELECT e.grantee, e.object_no, e.privilege, false, 'REVOKE on the table takes it from the columns too'
        FROM entry e
        JOIN future f ON f.object_no = e.object_no AND f.is_column
        WHERE e.grantee = 'public'
          AND EXISTS (SELECT
                      FROM surplus s
                      JOIN future t ON t.object_no = s.object_no AND t.kind = 'table' AND t.subid = 0
                      WHERE t.object_oid = f.object_oid AND s.grantee = 'public' AND s.privilege = e.privilege)
          AND NOT EXISTS (SELECT FROM surplus s WHERE s.object_no = e.object_no AND s.grantee = 'public' AND s.privilege = e.privilege)
          AND NOT EXISTS (SELECT FROM wanted w WHERE w.object_no = e.object_no AND w.role_name = 'public' AND w.privilege = e.privilege)
        UNION ALL
        SELECT DISTINCT l.grantee, l.object_no, l.privilege, l.is_grantable, format('%I had given it', l.grantor)
        FROM lost l
        LEFT JOIN present p ON p.grantee = l.grantee AND p.object_no = l.object_no AND p.privilege = l.privilege
        WHERE (p.privilege IS NULL OR l.is_grantable AND NOT p.is_grantable)
          -- Who shall not have it, does not get it anew; who wants it, has it from above.
          AND NOT EXISTS (SELECT FROM surplus s WHERE s.object_no = l.object_no AND s.privilege = l.privilege AND s.grantee = l.grantee AND s.grantor = l.grantor)
          AND NOT EXISTS (SELECT FROM wanted w WHERE w.object_no = l.object_no AND w.privilege = l.privilege AND w.role_name = l.grantee)
    ), cell AS (
        SELECT 'grant' AS action, m.role_name, m.object_no, m.is_grantable AS is_option, NULL AS giver, m.reason, m.privilege, false AS has_dependents
        FROM missing m
        UNION ALL
        -- What goes with somebody's right to give it needs nobody to act as the giver.
        SELECT 'revoke', s.grantee, s.object_no, s.is_option_only,
               CASE WHEN s.grantor <> f.owner_name AND NOT f.is_default
                         AND NOT EXISTS (SELECT FROM lost l WHERE l.object_no = s.object_no AND l.privilege = s.privilege AND l.grantee = s.grantee AND l.grantor = s.grantor)
                    THEN s.grantor END,
               concat_ws('; ', CASE s.grantee WHEN 'public' THEN 'declared' ELSE 'not declared' END,
                         CASE WHEN s.grantor <> f.owner_name AND NOT f.is_default THEN quote_ident(s.grantor) || ' gave it' END),
               s.privilege,
               EXISTS (SELECT FROM lost l WHERE l.object_no = s.object_no AND l.privilege = s.privilege AND l.grantor = s.grantee)
               OR f.kind = 'table' AND f.subid = 0
                  AND EXISTS (SELECT
                              FROM lost l
                              JOIN future c ON c.object_no = l.object_no AND c.is_column
                              WHERE c.object_oid = f.object_oid AND l.privilege = s.privilege AND l.grantor = s.grantee)
        FROM surplus s
        JOIN future f ON f.object_no = s.object_no
    ), privilege_row AS MATERIALIZED (
        SELECT c.action, c.role_name, c.object_no, c.is_option, c.giver, c.reason, NULL AS columns, array_agg(c.privilege) AS privilege_names,
               string_agg(c.privilege, ', ' ORDER BY c.privilege COLLATE "C") AS privileges, bool_or(c.has_dependents) AS has_dependents
        FROM cell c
        JOIN future f ON f.object_no = c.object_no AND NOT f.is_column
        GROUP BY c.action, c.role_name, c.object_no, c.is_option, c.giver, c.reason
        UNION ALL
        -- Columns of one table are named together: SELECT (a, b), UPDATE (a).
        SELECT c.action, c.role_name, min(c.object_no), c.is_option, c.giver, c.reason, string_agg(DISTINCT c.columns, '; '), array_agg(c.privilege),
               string_agg(format('%s (%s)', c.privilege, c.columns), ', ' ORDER BY c.privilege COLLATE "C"), bool_or(c.has_dependents)
        FROM (
            SELECT c.action, c.role_name, f.object_oid, c.is_option, c.giver, c.reason, c.privilege, min(c.object_no) AS object_no,
                   string_agg(quote_ident(f.column_name), ', ' ORDER BY f.subid) AS columns, bool_or(c.has_dependents) AS has_dependents
            FROM cell c
            JOIN future f ON f.object_no = c.object_no AND f.is_column
            GROUP BY c.action, c.role_name, f.object_oid, c.is_option, c.giver, c.reason, c.privilege
        ) AS c
        GROUP BY c.action, c.role_name, c.object_oid, c.is_option, c.giver, c.reason
    ), acting AS MATERIALIZED (
        SELECT n.name, coalesce(a.rolname::text, n.name) AS actor,
               CASE WHEN r.oid IS NULL THEN CASE WHEN v_caller.rolsuper THEN 'own' WHEN v_caller.rolcreaterole THEN 'borrow' END
                    ELSE unsecure.way_to_act(_caller, unsecure.acting_owner(r.oid)) END AS way
        FROM (
            SELECT f.owner_name AS name FROM future f
            UNION SELECT f.old_owner FROM future f
            UNION SELECT p.giver FROM privilege_row p WHERE p.giver IS NOT NULL
        ) AS n
        LEFT JOIN pg_roles r ON r.rolname = n.name
        LEFT JOIN pg_roles a ON a.oid = unsecure.acting_owner(r.oid)
    ), privilege_step AS (
        -- Schemas last: who may look into one has to until then.
        SELECT CASE WHEN f.kind = 'schema' THEN CASE p.action WHEN 'grant' THEN 65 ELSE 66 END WHEN p.action = 'revoke' THEN 50 WHEN f.is_column THEN 60 ELSE 40 END AS phase, p.action, p.role_name,
               CASE WHEN f.is_default THEN format('default privileges of %s on %s%s', f.label, f.words, coalesce(' in schema ' || quote_ident(f.column_name), ''))
                    ELSE format('%s %s%s', lower(f.words), f.label, ' (' || p.columns || ')') END AS object,
               CASE WHEN f.is_default THEN format('ALTER DEFAULT PRIVILEGES FOR ROLE %s%s ', f.label, coalesce(' IN SCHEMA ' || quote_ident(f.column_name), '')) ELSE '' END
               || CASE p.action WHEN 'grant' THEN 'GRANT ' ELSE 'REVOKE ' || CASE WHEN p.is_option THEN 'GRANT OPTION FOR ' ELSE '' END END
               || p.privileges || ' ON ' || f.words AS head,
               CASE WHEN NOT f.is_default THEN f.label END AS target,
               CASE p.action WHEN 'grant' THEN ' TO ' ELSE ' FROM ' END AS preposition, p.role_name AS grantee,
               CASE WHEN p.action = 'grant' AND p.is_option THEN ' WITH GRANT OPTION' WHEN p.has_dependents THEN ' CASCADE' ELSE '' END AS tail,
               p.reason,
               CASE WHEN p.giver IS NOT NULL THEN nullif(p.giver, v_caller.rolname) WHEN a.way IN ('set', 'borrow') THEN a.actor END AS actor,
               CASE WHEN a.way = 'borrow' THEN ARRAY[a.actor] END AS borrowed,
               CASE
                   WHEN f.kind = 'language' AND p.action = 'grant' AND EXISTS (SELECT FROM pg_language l WHERE l.oid = f.object_oid AND NOT l.lanpltrusted)
                       THEN 'the language is not trusted: PostgreSQL lets superusers alone use it'
                   WHEN p.giver IS NOT NULL AND (a.way IS NULL OR NOT EXISTS (SELECT FROM pg_roles g WHERE g.rolname = p.giver))
                       THEN format('%s gave it, and %I cannot act as that role', quote_ident(p.giver), v_caller.rolname)
                   WHEN p.giver IS NOT NULL AND EXISTS (
                            SELECT
                            FROM unnest(p.privilege_names) AS n (privilege)
                            WHERE NOT EXISTS (SELECT
                                              FROM entry e
                                              JOIN future o ON o.object_no = e.object_no
                                              WHERE (e.object_no = f.object_no OR f.is_column AND o.kind = 'table' AND o.object_oid = f.object_oid AND o.subid = 0)
                                                AND e.grantee = p.giver AND e.privilege = n.privilege AND e.is_grantable))
                       THEN format('%s gave it and has no right any more to do so, nor to revoke it: GRANT it to that role WITH GRANT OPTION, and REVOKE that with CASCADE',
                                   quote_ident(p.giver))
                   -- PostgreSQL would take who acts for the owner.
                   WHEN p.giver IS NOT NULL AND EXISTS (SELECT FROM pg_roles g JOIN pg_roles o ON o.rolname = f.owner_name
                                                        WHERE g.rolname = p.giver AND pg_has_role(g.oid, o.oid, 'USAGE'))
                       THEN format('%s gave it, and has the rights of the owner now, so that PostgreSQL finds no way to revoke it: end that first, or revoke '
                                   'the grant option with CASCADE', quote_ident(p.giver))
                   WHEN a.way IS NULL AND NOT (p.action = 'grant' AND NOT EXISTS (
                            SELECT
                            FROM unnest(p.privilege_names) AS n (privilege)
                            WHERE NOT EXISTS (SELECT
                                              FROM entry e
                                              JOIN pg_roles g ON g.rolname = e.grantee
                                              WHERE e.object_no = f.object_no AND e.privilege = n.privilege AND e.is_grantable
                                                AND pg_has_role(_caller, g.oid, 'USAGE'))))
                       THEN format('%s owns it, and %I cannot act as that role', quote_ident(f.owner_name), v_caller.rolname)
               END AS problem,
               NULL::text, NULL::oid, NULL::boolean
        FROM privilege_row p
        JOIN future f ON f.object_no = p.object_no
        LEFT JOIN acting a ON a.name = coalesce(p.giver, f.owner_name)
    ), owner_step AS (
        -- What is in a schema before the schema: its owner can look into it.
        SELECT CASE f.kind WHEN 'schema' THEN 64 ELSE 30 END, 'alter', c.role_name, lower(f.words) || ' ' || f.label,
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
                   -- Not by SET ROLE: it takes the rights of both.
                   WHEN o.way <> 'own' AND NOT (unsecure.may_administer(_caller, unsecure.acting_owner(f.owner)) AND (v_is_16 OR v_caller.rolinherit))
                       THEN format('%s owns it, and %I does not inherit the rights of that role', quote_ident(f.old_owner), v_caller.rolname)
                   WHEN n.way IS NULL OR EXISTS (SELECT FROM pg_roles r WHERE r.rolname = c.new_owner AND NOT unsecure.may_set_role(_caller, r.oid) AND NOT unsecure.may_administer(_caller, r.oid))
                       THEN format('%I cannot act as %s, who shall own it', v_caller.rolname, quote_ident(c.new_owner))
                   WHEN f.kind = 'database' AND NOT v_caller.rolcreatedb THEN format('%I needs CREATEDB for that', v_caller.rolname)
                   WHEN f.kind = 'schema' AND NOT has_database_privilege(_caller, current_database(), 'CREATE') THEN format('%I needs CREATE on the database for that', v_caller.rolname)
               END,
               -- What this plan itself makes, nobody can exchange.
               f.kind, CASE WHEN f.object_oid <> unsecure.virtual_oid((parse_ident(f.label, false))[1]) THEN f.object_oid END, c.is_careful
        FROM owner_change c
        JOIN future f ON f.object_no = c.object_no
        LEFT JOIN acting o ON o.name = f.old_owner
        LEFT JOIN acting n ON n.name = c.new_owner
    ), right_needed AS (
        -- Who shall own something in a schema has to be able to create it there, and whoever names it needs USAGE.
        SELECT o.schema_oid, c.new_owner AS role_name, 'CREATE' AS privilege
        FROM owner_change c
        JOIN object o ON o.object_no = c.object_no AND o.kind <> 'schema'
        WHERE NOT v_caller.rolsuper
        UNION
        SELECT o.schema_oid, v_caller.rolname, 'USAGE' FROM owner_change c JOIN object o ON o.object_no = c.object_no AND o.kind <> 'schema'
        UNION
        SELECT f.schema_oid, CASE WHEN p.giver IS NULL AND a.way = 'own' THEN v_caller.rolname ELSE a.actor END, 'USAGE'
        FROM privilege_row p
        JOIN future f ON f.object_no = p.object_no AND f.kind <> 'schema' AND NOT f.is_default
        JOIN acting a ON a.name = coalesce(p.giver, f.owner_name)
    ), right_missing AS MATERIALIZED (
        SELECT m.*, unsecure.way_to_act(_caller, unsecure.acting_owner(m.owner)) AS way,
               (SELECT a.rolname FROM pg_roles a WHERE a.oid = unsecure.acting_owner(m.owner)) AS actor
        FROM (
            SELECT n.role_name, n.privilege, s.oid AS schema_oid, s.nspname, s.nspowner AS owner, w.rolname AS now_owner,
                   coalesce((SELECT f.owner_name FROM future f WHERE f.kind = 'schema' AND f.object_oid = s.oid), w.rolname) AS then_owner
            FROM right_needed n
            JOIN pg_namespace s ON s.oid = n.schema_oid
            JOIN pg_roles w ON w.oid = s.nspowner
            LEFT JOIN pg_roles r ON r.rolname = n.role_name
            WHERE r.oid IS NULL OR NOT has_schema_privilege(r.oid, s.oid, n.privilege)
        ) AS m
    ), right_step AS (
        SELECT 29, CASE WHEN m.way IS NULL THEN 'conflict' END, m.role_name, format('schema %I', m.nspname),
               format('GRANT %s ON SCHEMA %I TO %I', m.privilege, m.nspname, m.role_name), NULL, NULL, NULL, NULL,
               'for the work', CASE WHEN m.way IN ('set', 'borrow') THEN m.actor END, CASE WHEN m.way = 'borrow' THEN ARRAY[m.actor::text] END,
               CASE WHEN m.way IS NULL THEN format('%I needs %s on it for the work; its owner could give that, as whom %I cannot act', m.role_name, m.privilege, v_caller.rolname) END,
               NULL::text, NULL::oid, NULL::boolean
        FROM right_missing m
        UNION ALL
        SELECT CASE m.privilege WHEN 'CREATE' THEN 31 ELSE 85 END, NULL, m.role_name, NULL,
               format('REVOKE %s ON SCHEMA %I FROM %I', m.privilege, m.nspname, m.role_name), NULL, NULL, NULL, NULL,
               NULL,
               CASE WHEN m.privilege = 'USAGE' AND a.way IN ('set', 'borrow') THEN a.actor
                    WHEN (m.privilege = 'CREATE' OR a.name IS NULL) AND m.way IN ('set', 'borrow') THEN m.actor END,
               NULL, NULL, NULL, NULL, NULL
        FROM right_missing m
        LEFT JOIN acting a ON a.name = m.then_owner
        WHERE m.way IS NOT NULL
          -- Who becomes the owner of the schema has it anyway.
          AND NOT (m.privilege = 'USAGE' AND m.then_owner = m.role_name AND m.now_owner <> m.role_name)
          -- What is declared stays.
          AND NOT EXISTS (SELECT FROM wanted w JOIN future f ON f.object_no = w.object_no
                          WHERE f.kind = 'schema' AND f.object_oid = m.schema_oid AND w.role_name = m.role_name AND w.privilege = m.privilege AND m.privilege = 'USAGE')
    ), step AS (
        SELECT * FROM privilege_step
        UNION ALL
        SELECT * FROM owner_step
        UNION ALL
        SELECT * FROM right_step
        UNION ALL
        SELECT 25, 'create', g.role_name, 'schema ' || g.label, 'CREATE SCHEMA ' || g.label, NULL, NULL, NULL, NULL, 'declared', NULL, NULL,
               CASE WHEN starts_with(g.label, 'pg_') OR starts_with(g.label, '"pg_') THEN 'the name is reserved by PostgreSQL'
                    WHEN NOT has_database_privilege(_caller, current_database(), 'CREATE') THEN format('%I needs CREATE on the database for that', v_caller.rolname) END,
               NULL, NULL, NULL
        FROM (
            SELECT o.label, min(g.role_name) AS role_name
            FROM granted g
            JOIN object o ON o.object_no = g.object_no
            WHERE o.kind = 'schema' AND g.role_name <> 'none' AND NOT EXISTS (SELECT FROM pg_namespace n WHERE n.oid = o.object_oid)
            GROUP BY o.label
        ) AS g
        UNION ALL
        SELECT DISTINCT 0, 'conflict', 'public', lower(f.words) || ' ' || f.label, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL::text[],
               format('%s is both granted and revoked', w.privilege), NULL::text, NULL::oid, NULL::boolean
        FROM wished w
        JOIN granted g ON g.role_name = 'none' AND g.object_no = w.object_no AND w.privilege = ANY (g.privileges)
        JOIN future f ON f.object_no = w.object_no
        WHERE w.role_name = 'public'
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
