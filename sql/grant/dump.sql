-- The way back: a declaration of what the catalog has, so that adopting a database is: dump, review, and the plan is empty.

CREATE OR REPLACE FUNCTION unsecure.dumped_roles(_role_names text[])
RETURNS SETOF unsecure.planned_role
LANGUAGE sql
STABLE
AS $function$
    SELECT r.rolname::text, r.oid, false, false, d.role_name IS NOT NULL, coalesce(d.user_id IS NOT NULL OR d.state <> 'active', false), false, true, r.rolcanlogin, r.rolinherit, r.rolconnlimit,
           nullif(r.rolvaliduntil, 'infinity'), NULL::jsonb, '{}'::oid[], 'error', NULL, true, NULL, false
    FROM pg_roles r
    LEFT JOIN auth.database_role d ON d.role_oid = r.oid AND d.role_kind = 'login' AND d.state <> 'deleted'
    WHERE CASE WHEN _role_names IS NOT NULL THEN r.rolname = ANY (_role_names)
               ELSE NOT r.rolsuper AND unsecure.role_refusal(r.rolname) IS NULL AND unsecure.role_name_problem(r.rolname) IS NULL END;
$function$;

COMMENT ON FUNCTION unsecure.dumped_roles(text[]) IS 'These roles; NULL: all that could be declared, without superusers.';

-- Every privilege once, also where several gave it; what one owns comes with the ownership, unless it is less or more than usual.
CREATE OR REPLACE FUNCTION unsecure.dumped_privileges(_roles unsecure.planned_role[])
RETURNS TABLE (role_name text, kind text, label text, column_name text, subid bigint, privileges text[], is_grantable boolean, via text)
LANGUAGE sql
STABLE
AS $function$
    WITH intermediate AS MATERIALIZED (
        SELECT m.member, i.role_oid
        FROM unsecure.known_intermediate i
        JOIN pg_auth_members m ON m.roleid = i.role_oid
        JOIN unsecure.membership o ON o.roleid = m.roleid AND o.member = m.member AND o.grantor = m.grantor AND o.inherit_option
    ), grantee AS MATERIALIZED (
        SELECT r.role_name, r.role_oid AS oid, NULL AS via FROM unnest(_roles) AS r
        UNION
        SELECT r.role_name, i.role_oid, 'group' FROM unnest(_roles) AS r JOIN intermediate i ON i.member = r.role_oid
    ), entry AS MATERIALIZED (
        SELECT g.role_name, o.kind, o.label, o.column_name, o.subid, g.via, x.privilege_type, bool_or(x.is_grantable) AND o.owner <> g.oid AS is_grantable,
               o.owner = g.oid AS is_owner, o.object_oid
        FROM unsecure.objects_of(ARRAY(SELECT n.oid FROM grantee n)) AS o
        CROSS JOIN LATERAL aclexplode(o.acl) AS x
        JOIN grantee g ON g.oid = x.grantee
        WHERE o.is_here
        GROUP BY 1, 2, 3, 4, 5, 6, 7, o.owner, g.oid, o.object_oid
    )
    SELECT e.role_name, e.kind, e.label, e.column_name, e.subid, array_agg(e.privilege_type ORDER BY e.privilege_type COLLATE "C"), e.is_grantable, e.via
    FROM entry e
    GROUP BY e.role_name, e.kind, e.label, e.column_name, e.object_oid, e.subid, e.is_grantable, e.via, e.is_owner
    HAVING NOT e.is_owner
        OR e.kind NOT LIKE 'default %' AND e.column_name IS NULL
           AND array_agg(e.privilege_type ORDER BY e.privilege_type COLLATE "C")
               <> ARRAY(SELECT p FROM unnest(unsecure.kind_privileges(e.kind)) AS p ORDER BY p COLLATE "C");
$function$;

COMMENT ON FUNCTION unsecure.dumped_privileges(unsecure.planned_role[]) IS 'What these roles have been granted in this database, directly or through an intermediate role (via: group).';

CREATE OR REPLACE FUNCTION unsecure.dumped_name(
    _kind  text,
    _label text
)
RETURNS jsonb
LANGUAGE sql
IMMUTABLE
AS $function$
    SELECT CASE
        WHEN _kind IN ('function', 'procedure') THEN jsonb_build_object('type', _kind, 'schema', p.parts[1], 'name', substr(_label, length(quote_ident(p.parts[1])) + 2))
        WHEN k.in_schema THEN jsonb_build_object('type', _kind, 'schema', p.parts[1], 'name', p.parts[2])
        WHEN _kind = 'large_object' THEN jsonb_build_object('type', _kind, 'name', _label)
        ELSE jsonb_build_object('type', _kind, 'name', array_to_string(p.parts, '.'))
    END
    FROM unsecure.grant_kinds() AS k
    CROSS JOIN LATERAL (SELECT CASE WHEN _kind <> 'large_object' THEN parse_ident(_label, false) END AS parts) AS p
    WHERE k.kind = _kind;
$function$;

COMMENT ON FUNCTION unsecure.dumped_name(text, text) IS 'The keys of a grant that name an object (label: as in unsecure.grant_object), except default privileges.';

CREATE OR REPLACE FUNCTION auth.dump_roles(_role_names text[] DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
SET enable_nestloop = off
SET quote_all_identifiers = off
AS $function$
DECLARE
    v_roles   unsecure.planned_role[] := ARRAY(SELECT r FROM unsecure.dumped_roles(_role_names) AS r);
    v_missing text := (SELECT n FROM unnest(_role_names) AS n WHERE NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = n) LIMIT 1);
BEGIN
    IF v_missing IS NOT NULL THEN
        RAISE EXCEPTION 'role % does not exist', quote_ident(v_missing) USING ERRCODE = 'RW019', HINT = 'pg_roles lists the roles.';
    END IF;
    RETURN (
        WITH role AS (
            SELECT * FROM unnest(v_roles)
        ), privilege AS MATERIALIZED (
            SELECT * FROM unsecure.dumped_privileges(v_roles)
        ), dumped (role_name, place, name, element) AS (
            SELECT r.role_name, 1, NULL, jsonb_strip_nulls(jsonb_build_object(
                       'type', 'login', 'connection_limit', nullif(r.connection_limit, -1),
                       'valid_until', to_json(r.valid_until AT TIME ZONE 'UTC') #>> '{}' || '+00:00'))
            FROM role r
            WHERE r.can_login AND NOT r.is_person
            UNION ALL
            SELECT r.role_name, 2, h.rolname, jsonb_strip_nulls(jsonb_build_object(
                       'type', 'membership', 'role', h.rolname,
                       'inherit', CASE WHEN bool_or(m.inherit_option) <> r.inherits THEN bool_or(m.inherit_option) END,
                       'set', CASE WHEN NOT bool_or(m.set_option) THEN false END,
                       'admin', CASE WHEN bool_or(m.admin_option) THEN true END))
            FROM role r
            JOIN unsecure.membership m ON m.member = r.role_oid
            JOIN pg_roles h ON h.oid = m.roleid
            WHERE NOT (m.grantor = 10 AND m.admin_option AND NOT m.inherit_option AND NOT m.set_option AND h.oid >= 16384
                       AND current_setting('server_version_num')::integer >= 160000)
              AND NOT starts_with(h.rolname, 'rolewright_via_')
              AND NOT (r.is_managed AND EXISTS (SELECT FROM auth.database_role d WHERE d.role_oid = h.oid AND d.role_kind = 'group' AND d.state <> 'deleted'))
            GROUP BY r.role_name, r.inherits, h.rolname
            UNION ALL
            SELECT r.role_name, 3, o.label, unsecure.dumped_name(o.kind, o.label) || '{"owner": true}'
            FROM unsecure.objects_of(ARRAY(SELECT r.role_oid FROM role r)) AS o
            JOIN role r ON r.role_oid = o.owner
            JOIN unsecure.grant_kinds() AS k ON k.kind = o.kind AND k.owner_word IS NOT NULL
            WHERE o.subid = 0 AND o.is_here AND NOT (o.kind = 'sequence' AND unsecure.table_of_sequence(o.object_oid) IS NOT NULL)
            UNION ALL
            SELECT p.role_name, 4, p.label, unsecure.dumped_name(p.kind, p.label) || jsonb_strip_nulls(jsonb_build_object(
                       'privileges', p.privileges, 'grant_option', CASE WHEN p.is_grantable THEN true END, 'via', p.via))
            FROM privilege p
            WHERE p.kind NOT LIKE 'default %' AND p.column_name IS NULL
            UNION ALL
            -- Columns with the same privileges stand together.
            SELECT p.role_name, 5, p.label, unsecure.dumped_name(p.kind, p.label) || jsonb_strip_nulls(jsonb_build_object(
                       'columns', jsonb_agg(p.column_name ORDER BY p.subid), 'privileges', p.privileges, 'grant_option', CASE WHEN p.is_grantable THEN true END,
                       'via', p.via))
            FROM privilege p
            WHERE p.kind = 'table' AND p.column_name IS NOT NULL
            GROUP BY p.role_name, p.kind, p.label, p.privileges, p.is_grantable, p.via
            UNION ALL
            SELECT p.role_name, 6, p.label || coalesce('.' || p.column_name, ''), jsonb_strip_nulls(jsonb_build_object(
                       'type', 'default', 'creator', (parse_ident(p.label, false))[1], 'schema', p.column_name, 'objects', substr(p.kind, 9),
                       'privileges', p.privileges, 'grant_option', CASE WHEN p.is_grantable THEN true END, 'via', p.via))
            FROM privilege p
            WHERE p.kind LIKE 'default %'
        )
        SELECT jsonb_build_object('roles', coalesce(jsonb_object_agg(g.role_name, jsonb_build_object('grants', g.grants)), '{}'))
        FROM (
            SELECT r.role_name,
                   coalesce(jsonb_agg(d.element ORDER BY d.place, d.element ->> 'type' COLLATE "C", d.name COLLATE "C", d.element::text COLLATE "C")
                                FILTER (WHERE d.role_name IS NOT NULL), '[]') AS grants
            FROM role r
            LEFT JOIN dumped d ON d.role_name = r.role_name
            GROUP BY r.role_name
        ) AS g
    );
END;
$function$;

COMMENT ON FUNCTION auth.dump_roles(text[]) IS
    'A declaration, as auth.sync_roles takes it, of what these roles can do in this database (NULL: all roles but superusers, PostgreSQL''s and '
    'Rolewright''s own, protected ones and the caller): auth.plan_roles of it is empty. Passwords are not in it, nor what can not be declared. '
    'RW019: no such role.';

REVOKE ALL ON FUNCTION
    unsecure.dumped_roles(text[]),
    unsecure.dumped_privileges(unsecure.planned_role[]),
    unsecure.dumped_name(text, text),
    auth.dump_roles(text[])
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.dump_roles(text[]) TO rolewright_operator, rolewright_auditor;
