-- What a role can do although no declaration of its own says so: a declaration takes away grants, not what PUBLIC has, what the role owns, or is.

-- What PUBLIC has on what people made, and of PostgreSQL's own objects on those whose privileges somebody changed.
CREATE OR REPLACE FUNCTION unsecure.public_privileges()
RETURNS TABLE (object unsecure.named_object, grantor oid, privileges text[])
LANGUAGE sql
STABLE
ROWS 1000
SET search_path = pg_catalog, pg_temp
AS $function$
    WITH item AS MATERIALIZED (
        SELECT o.kind, o.classid, o.objid, 0 AS objsubid, o.schema_oid, o.schema_name, o.name, NULL::text AS column_name, o.label, o.owner, o.acl, o.acl_code,
               coalesce(o.schema_name IN ('pg_catalog', 'information_schema', 'pg_toast')
                        OR o.kind = 'schema' AND o.name IN ('pg_catalog', 'information_schema', 'pg_toast')
                        OR o.kind = 'language' AND o.objid < 16384, false) AS is_system
        FROM unsecure.acl_object o
        -- Nobody connects to such a one.
        LEFT JOIN pg_database d ON o.kind = 'database' AND d.oid = o.objid
        WHERE d.datallowconn IS NOT FALSE
        UNION ALL
        SELECT 'column', o.classid, o.objid, a.attnum, o.schema_oid, o.schema_name, o.name, a.attname, o.label, o.owner, a.attacl, NULL,
               o.schema_name IN ('pg_catalog', 'information_schema', 'pg_toast')
        FROM pg_attribute a
        JOIN unsecure.acl_object o ON o.classid = 'pg_class'::regclass AND o.objid = a.attrelid
        WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
    )
    SELECT ROW(i.kind, i.classid, i.objid, i.objsubid, i.schema_oid, i.schema_name, i.name, i.column_name, i.label, i.owner, i.acl,
               NULL)::unsecure.named_object,
           g.grantor, g.privileges
    FROM item i
    CROSS JOIN LATERAL (
        SELECT x.grantor, array_agg(x.privilege_type ORDER BY x.privilege_type) AS privileges
        FROM aclexplode(coalesce(i.acl, acldefault(i.acl_code, i.owner))) AS x
        WHERE x.grantee = 0
          AND (NOT i.is_system OR NOT EXISTS (
                  SELECT
                  FROM aclexplode(coalesce((SELECT p.initprivs FROM pg_init_privs p WHERE p.classoid = i.classid AND p.objoid = i.objid AND p.objsubid = i.objsubid),
                                           acldefault(i.acl_code, i.owner))) AS n
                  WHERE n.grantee = 0 AND n.privilege_type = x.privilege_type)
              -- initdb writes down what it granted before it makes this schema.
              AND NOT (i.kind IN ('table', 'schema') AND i.objid < 16384 AND 'information_schema' IN (i.schema_name, i.name)
                       AND x.privilege_type IN ('SELECT', 'USAGE')))
        GROUP BY x.grantor
    ) AS g
    WHERE NOT i.is_system OR i.acl IS NOT NULL;
$function$;

COMMENT ON FUNCTION unsecure.public_privileges() IS
    'What PUBLIC has in this database and on what all databases share, except what PostgreSQL gives it on its own objects.';

-- From the catalog's own words for an object to the ones of ALTER … OWNER TO.
CREATE OR REPLACE FUNCTION unsecure.take_over_statement(
    _type     text,
    _identity text,
    _owner    text
)
RETURNS text
LANGUAGE sql
IMMUTABLE
RETURN CASE
    WHEN _type IN ('operator', 'operator class', 'operator family', 'conversion', 'collation', 'text search dictionary', 'text search configuration',
                   'event trigger', 'publication', 'subscription', 'statistics object')
    THEN format('ALTER %s %s OWNER TO CURRENT_USER', CASE _type WHEN 'statistics object' THEN 'STATISTICS' ELSE upper(_type) END, _identity)
    ELSE format('REASSIGN OWNED BY %I TO CURRENT_USER', _owner)
END;

COMMENT ON FUNCTION unsecure.take_over_statement(text, text, text) IS 'The statement by which the caller takes over an object that has no privileges (type and identity as in pg_identify_object).';

CREATE OR REPLACE FUNCTION auth.remaining_access(_role_name text)
RETURNS TABLE (
    way       text,
    object    text,
    privilege text,
    path      text,
    statement text
)
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off
SET jit = off
SET work_mem = '64MB'
AS $function$
DECLARE
    v_oid    oid := (SELECT r.oid FROM pg_roles r WHERE r.rolname = _role_name);
    v_grants jsonb := coalesce((SELECT d.grants FROM auth.role_declaration d WHERE d.role_name = _role_name), '[]');
    v_here   oid := (SELECT d.oid FROM pg_database d WHERE d.datname = current_database());
BEGIN
    IF v_oid IS NULL THEN
        RAISE EXCEPTION 'role % does not exist', coalesce(quote_ident(_role_name), 'NULL')
            USING ERRCODE = 'RW019', HINT = 'pg_roles lists the roles.';
    END IF;

    RETURN QUERY
    WITH RECURSIVE link AS MATERIALIZED (
        SELECT l.* FROM unsecure.membership_link l
    ), own AS MATERIALIZED (
        SELECT l.*, r.rolname,
               EXISTS (SELECT FROM jsonb_array_elements(v_grants) AS e WHERE e ->> 'type' = 'membership' AND e ->> 'role' = r.rolname)
               OR EXISTS (SELECT FROM unsecure.known_intermediate i WHERE i.role_oid = l.roleid) AS is_declared
        FROM link l
        JOIN pg_roles r ON r.oid = l.roleid
        WHERE l.member = v_oid
    ), above (oid, acts_at, can_set, members) AS (
        -- As in auth.explain_access; the shortest way of each kind to each role.
        SELECT v_oid, 0, true, ARRAY[v_oid]
        UNION ALL
        SELECT n.roleid, n.acts_at, n.can_set, n.members
        FROM (
            SELECT l.roleid, CASE WHEN l.inherit_option THEN a.acts_at ELSE cardinality(a.members) END AS acts_at,
                   a.can_set AND l.set_option AS can_set, a.members || l.roleid AS members,
                   row_number() OVER (PARTITION BY l.roleid, l.inherit_option AND a.acts_at = 0, a.can_set AND l.set_option) AS nth
            FROM above a
            JOIN link l ON l.member = a.oid AND l.roleid <> ALL (a.members)
            WHERE l.inherit_option OR a.can_set AND l.set_option
        ) AS n
        WHERE n.nth = 1
    ), reached AS MATERIALIZED (
        SELECT DISTINCT ON (a.oid) a.oid, a.members, r.rolname, a.acts_at = 0 AS is_inherited, r.rolsuper, r.rolcreaterole, r.rolcreatedb, r.rolreplication, r.rolbypassrls,
               (SELECT string_agg(CASE WHEN m.nth > 1 AND m.nth = a.acts_at + 1 THEN 'SET ROLE ' ELSE '' END || quote_ident(o.rolname), ' → ' ORDER BY m.nth)
                FROM unnest(a.members) WITH ORDINALITY AS m (oid, nth)
                JOIN pg_roles o ON o.oid = m.oid) AS path
        FROM above a
        JOIN pg_roles r ON r.oid = a.oid
        WHERE a.oid <> v_oid
        ORDER BY a.oid, a.acts_at = 0 DESC, cardinality(a.members)
    ), settable AS MATERIALIZED (
        SELECT DISTINCT ON (a.oid) a.oid, r.rolname, a.members
        FROM above a
        JOIN pg_roles r ON r.oid = a.oid
        WHERE a.can_set
        ORDER BY a.oid, cardinality(a.members)
    ), usable AS MATERIALIZED (
        -- What PUBLIC has in a schema that the role cannot use, it does not reach.
        SELECT n.oid
        FROM pg_namespace n
        WHERE EXISTS (SELECT FROM settable s WHERE has_schema_privilege(s.oid, n.oid, 'USAGE'))
    ), rest (nth, way, object, privilege, path, statement) AS (
        SELECT 1, 'attribute', format('role %I', _role_name), a.name, quote_ident(_role_name),
               CASE WHEN v_oid <> 10 OR a.name <> 'SUPERUSER' THEN format('ALTER ROLE %I NO%s', _role_name, a.name) END
        FROM pg_roles r
        CROSS JOIN LATERAL (VALUES ('SUPERUSER', r.rolsuper), ('CREATEROLE', r.rolcreaterole), ('CREATEDB', r.rolcreatedb), ('REPLICATION', r.rolreplication),
                                   ('BYPASSRLS', r.rolbypassrls)) AS a (name, has_it)
        WHERE r.oid = v_oid AND a.has_it
        UNION ALL
        -- Attributes are not inherited: such a role has to be become.
        SELECT 1, 'attribute', format('role %I', r.rolname), a.name,
               (SELECT string_agg(CASE WHEN m.nth = cardinality(s.members) THEN 'SET ROLE ' ELSE '' END || quote_ident(o.rolname), ' → ' ORDER BY m.nth)
                FROM unnest(s.members) WITH ORDINALITY AS m (oid, nth)
                JOIN pg_roles o ON o.oid = m.oid),
               unsecure.end_of_membership(s.members[2], s.members[1])
        FROM settable s
        JOIN pg_roles r ON r.oid = s.oid
        CROSS JOIN LATERAL (VALUES ('SUPERUSER', r.rolsuper), ('CREATEROLE', r.rolcreaterole), ('CREATEDB', r.rolcreatedb), ('REPLICATION', r.rolreplication),
                                   ('BYPASSRLS', r.rolbypassrls)) AS a (name, has_it)
        WHERE s.oid <> v_oid AND a.has_it
        UNION ALL
        SELECT 2, 'predefined', format('role %I', r.rolname), CASE WHEN r.is_inherited THEN 'INHERIT' ELSE 'SET' END, r.path,
               unsecure.end_of_membership(r.members[2], r.members[1])
        FROM reached r
        WHERE starts_with(r.rolname, 'pg_')
          AND NOT EXISTS (SELECT FROM own o WHERE o.roleid = r.oid AND o.is_declared)
        UNION ALL
        SELECT 3, 'membership', format('role %I', o.rolname),
               coalesce(nullif(concat_ws(', ', CASE WHEN o.inherit_option THEN 'INHERIT' END, CASE WHEN o.set_option THEN 'SET' END, CASE WHEN o.admin_option THEN 'ADMIN' END), ''),
                        'nothing'),
               format('%I → %I', _role_name, o.rolname), unsecure.end_of_membership(o.roleid, v_oid)
        FROM own o
        WHERE NOT o.is_declared AND NOT starts_with(o.rolname, 'pg_')
        UNION ALL
        SELECT 4, 'owner', CASE WHEN o.objid IS NULL THEN d.type || ' ' || d.identity ELSE unsecure.object_text(n.object) END, 'OWNER', quote_ident(_role_name),
               CASE WHEN o.objid IS NULL THEN unsecure.take_over_statement(d.type, d.identity, _role_name) ELSE unsecure.new_owner_statement(n.object) END
        FROM (
            SELECT s.classid, s.objid, i.type, i.identity
            FROM pg_shdepend s
            CROSS JOIN LATERAL pg_identify_object(s.classid, s.objid, s.objsubid) AS i
            WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = v_oid AND s.deptype = 'o' AND s.dbid IN (0, v_here) AND i.identity IS NOT NULL
              -- Neither is something that one can own.
              AND s.classid NOT IN ('pg_default_acl'::regclass, 'pg_user_mapping'::regclass)
              AND NOT (s.classid = 'pg_class'::regclass AND unsecure.table_of_sequence(s.objid) IS NOT NULL)
        ) AS d
        LEFT JOIN unsecure.acl_object o ON o.classid = d.classid AND o.objid = d.objid
        CROSS JOIN LATERAL (
            SELECT unsecure.as_named_object(o) AS object
        ) AS n
        WHERE o.objid IS NULL OR NOT unsecure.is_declared(v_grants, n.object, 'OWNER')
        UNION ALL
        -- Their names are only known there.
        SELECT 5, 'owner', format('database %I: %s in %s', d.datname, count(*), s.classid::regclass), 'OWNER', quote_ident(_role_name),
               format('REASSIGN OWNED BY %I TO CURRENT_USER', _role_name)
        FROM pg_shdepend s
        JOIN pg_database d ON d.oid = s.dbid
        WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = v_oid AND s.deptype = 'o' AND s.dbid NOT IN (0, v_here)
          AND s.classid NOT IN ('pg_default_acl'::regclass, 'pg_user_mapping'::regclass)
        GROUP BY d.datname, s.classid
        UNION ALL
        SELECT 6, 'public', t.object,
               array_to_string(ARRAY(SELECT DISTINCT e.p FROM unnest(array_agg(t.privileges)) AS a (list), unnest(string_to_array(a.list, ', ')) AS e (p)
                                     ORDER BY 1), ', '),
               'PUBLIC', string_agg(t.statement, '; ' ORDER BY t.statement)
        FROM (
            SELECT unsecure.object_text(p.object) AS object, array_to_string(l.list, ', ') AS privileges,
                   unsecure.revoke_statement(p.object, l.list, 0, p.grantor,
                                             CASE WHEN (p.object).kind = 'column' THEN ARRAY[(p.object).column_name] END) AS statement
            FROM unsecure.public_privileges() AS p
            CROSS JOIN LATERAL (
                SELECT CASE v_grants WHEN '[]' THEN p.privileges
                                     ELSE ARRAY(SELECT e FROM unnest(p.privileges) AS e WHERE NOT unsecure.is_declared(v_grants, p.object, e)) END AS list
            ) AS l
            WHERE ((p.object).schema_oid IS NULL OR (p.object).schema_oid IN (SELECT u.oid FROM usable u))
              AND l.list <> '{}'
        ) AS t
        GROUP BY t.object
    )
    SELECT r.way, r.object, r.privilege, r.path, r.statement
    FROM rest r
    ORDER BY r.nth, r.object COLLATE "C", r.privilege;
END;
$function$;

COMMENT ON FUNCTION auth.remaining_access(text) IS
    'What a role can do that its stored declaration does not give it, and that no plan takes away, grants to the role itself apart. way: '
    'attribute (SUPERUSER, CREATEROLE, CREATEDB, REPLICATION, BYPASSRLS: its own, and those of roles that it can become), predefined (pg_* '
    'roles, through any membership; privilege: INHERIT, or SET when it has to say SET ROLE), membership (in another role, that is not declared; '
    'privilege: its options), owner (in other databases only counted), public (what PUBLIC has on anything but PostgreSQL''s own objects, and on '
    'those where somebody changed it, in schemas that the role can use). path: through what. statement: what ends it, for the owner or a '
    'superuser; of another database: there. RW019: no such role.';

REVOKE ALL ON FUNCTION
    unsecure.public_privileges(),
    unsecure.take_over_statement(text, text, text),
    auth.remaining_access(text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.remaining_access(text) TO rolewright_operator, rolewright_auditor;
