-- What stands between a role and its DROP ROLE. PostgreSQL's own message ends after 100 objects and only counts those of other
-- databases; pg_shdepend has all of them.

-- A text, because the lists of privileges differ from version to version, and because the script that removes them (removal_script.sql) runs
-- where there is no Rolewright. The columns are found in the catalog itself. $1: the role's oid.
CREATE OR REPLACE FUNCTION unsecure.role_acl_query()
RETURNS text
LANGUAGE sql
STABLE
AS $function$
    SELECT format($query$
        SELECT d.classid, d.objid, d.objsubid, x.grantor, x.grantee, x.privilege_type, x.is_grantable, o.acl
        FROM pg_catalog.pg_shdepend d
        CROSS JOIN LATERAL (
            SELECT a.attacl AS acl
            FROM pg_catalog.pg_attribute a
            WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objsubid <> 0 AND a.attrelid = d.objid AND a.attnum = d.objsubid
            %s) AS o
        CROSS JOIN LATERAL pg_catalog.aclexplode(o.acl) AS x
        WHERE d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
          AND d.refobjid = $1
          AND d.deptype = 'a'
          AND d.dbid IN (0, (SELECT b.oid FROM pg_catalog.pg_database b WHERE b.datname = pg_catalog.current_database()))
          AND $1 IN (x.grantee, x.grantor)$query$,
        string_agg(format('
            UNION ALL SELECT a.%I FROM pg_catalog.%I a WHERE d.classid = %s AND d.objsubid = 0 AND a.oid = d.objid',
                          a.attname, c.relname,
                          -- Who depends on large objects names the table of their pages.
                          CASE c.relname WHEN 'pg_largeobject_metadata' THEN 'pg_catalog.pg_largeobject'::regclass::oid ELSE c.oid END),
                   '' ORDER BY c.relname))
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'pg_catalog'::regnamespace
      AND c.relkind = 'r'
      AND a.atttypid = 'aclitem[]'::regtype
      AND EXISTS (SELECT FROM pg_catalog.pg_attribute k WHERE k.attrelid = c.oid AND k.attname = 'oid');
$function$;

COMMENT ON FUNCTION unsecure.role_acl_query() IS
    'The text of a query: the privileges on objects of the connected database and on shared objects that role $1 holds or gave, and '
    'the whole acl that each is in.';

REVOKE ALL ON FUNCTION unsecure.role_acl_query() FROM PUBLIC;

CREATE OR REPLACE FUNCTION unsecure.role_dependencies(_role_oid oid)
RETURNS TABLE (database text, kind text, object text, dependency text, grantor text, grantee_oid oid)
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $function$
BEGIN
    FOR database, kind, object, dependency, grantor, grantee_oid IN EXECUTE format($query$
        WITH acl AS MATERIALIZED (%s),
        entry AS (
            SELECT d.dbid, d.classid, d.objid, d.objsubid,
                   CASE d.deptype WHEN 'o' THEN 'owner' WHEN 'a' THEN 'privilege' WHEN 'r' THEN 'policy' WHEN 'i' THEN 'initial privilege'
                                  ELSE format('dependency of type %%s', d.deptype) END AS dependency,
                   NULL::oid AS grantor, CASE WHEN d.deptype IN ('a', 'i') THEN $1 END AS grantee
            FROM pg_shdepend d
            WHERE d.refclassid = 'pg_authid'::regclass
              AND d.refobjid = $1
              -- Those are told below, with who has the membership.
              AND d.classid <> 'pg_auth_members'::regclass
              AND NOT EXISTS (SELECT FROM acl x WHERE d.deptype = 'a' AND d.dbid IN (0, $2)
                              AND (x.classid, x.objid, x.objsubid) = (d.classid, d.objid, d.objsubid))
            UNION ALL
            SELECT d.dbid, x.classid, x.objid, x.objsubid,
                   CASE WHEN x.grantee = $1 THEN '' ELSE 'granted ' END
                   || CASE WHEN x.classid = 'pg_default_acl'::regclass THEN 'default ' ELSE '' END || 'privilege ' || x.privilege_type
                   || CASE WHEN x.is_grantable THEN ' with grant option' ELSE '' END
                   || CASE WHEN x.grantee = $1 THEN '' WHEN x.grantee = 0 THEN ' to PUBLIC'
                           ELSE coalesce(' to ' || quote_ident((SELECT r.rolname FROM pg_roles r WHERE r.oid = x.grantee)), '') END,
                   x.grantor, x.grantee
            FROM acl x
            CROSS JOIN LATERAL (SELECT CASE WHEN EXISTS (
                SELECT FROM pg_shdepend s
                WHERE s.dbid = $2 AND s.classid = x.classid AND s.objid = x.objid AND s.objsubid = x.objsubid AND s.refobjid = $1)
                THEN $2 ELSE 0::oid END AS dbid) AS d
        )
        SELECT b.datname::text,
               CASE WHEN e.dbid IN (0, $2) THEN coalesce((pg_identify_object(e.classid, e.objid, e.objsubid)).type, c.relname::text) ELSE c.relname::text END,
               CASE WHEN e.dbid IN (0, $2) THEN coalesce(pg_describe_object(e.classid, e.objid, e.objsubid), e.objid::text) ELSE e.objid::text END,
               e.dependency, g.rolname::text, e.grantee
        FROM entry e
        JOIN pg_class c ON c.oid = e.classid
        LEFT JOIN pg_database b ON b.oid = e.dbid
        LEFT JOIN pg_roles g ON g.oid = e.grantor
        UNION ALL
        SELECT NULL, 'membership', format('role %%I', h.rolname), format('granted membership to %%I', m.rolname), g.rolname::text, a.member
        FROM pg_auth_members a
        JOIN pg_roles h ON h.oid = a.roleid
        JOIN pg_roles m ON m.oid = a.member
        JOIN pg_roles g ON g.oid = a.grantor
        WHERE a.grantor = $1 AND a.member <> $1
        ORDER BY 1 NULLS FIRST, 2, 3, 4, 5$query$, unsecure.role_acl_query())
    USING _role_oid, (SELECT b.oid FROM pg_database b WHERE b.datname = current_database())
    LOOP
        RETURN NEXT;
    END LOOP;
END;
$function$;

COMMENT ON FUNCTION unsecure.role_dependencies(oid) IS
    'auth.role_dependencies of an oid; grantee_oid: who holds the privilege or the membership.';

REVOKE ALL ON FUNCTION unsecure.role_dependencies(oid) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.role_dependencies(_role_name text)
RETURNS TABLE (database text, kind text, object text, dependency text, grantor text)
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_oid oid := (SELECT r.oid FROM pg_roles r WHERE r.rolname = _role_name);
BEGIN
    IF v_oid IS NULL THEN
        RAISE EXCEPTION 'role % does not exist', coalesce(quote_ident(_role_name), 'NULL')
            USING ERRCODE = 'RW019', HINT = 'pg_roles lists the roles.';
    END IF;
    RETURN QUERY
    SELECT d.database, d.kind, d.object, d.dependency, d.grantor FROM unsecure.role_dependencies(v_oid) AS d;
END;
$function$;

COMMENT ON FUNCTION auth.role_dependencies(text) IS
    'All that keeps a role, managed or not, from being dropped, in all databases and without a limit. database: NULL for what all '
    'databases share; kind: table, function, …; object: as PostgreSQL describes it (in other databases than the connected one: kind is the '
    'catalog and object the oid, since names are only known there); dependency: owner, policy, privilege SELECT, default privilege SELECT, '
    'initial privilege (of an extension), granted privilege SELECT to X, granted membership to X; grantor: who gave it, one row each. '
    'RW019: no such role.';

REVOKE ALL ON FUNCTION auth.role_dependencies(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.role_dependencies(text) TO rolewright_operator, rolewright_auditor;
