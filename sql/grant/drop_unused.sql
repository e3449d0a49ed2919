-- Intermediate roles that nothing uses any more. They are dropped by a plan like any other: auth.sync_roles('{"drop_unused": true}').

CREATE OR REPLACE FUNCTION unsecure.unused_roles()
RETURNS TABLE (role_name text, role_oid oid)
LANGUAGE sql
STABLE
AS $function$
    SELECT a.rolname::text, a.oid
    FROM pg_roles a
    LEFT JOIN unsecure.known_intermediate i ON i.role_oid = a.oid
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE d.dbid IN (0, b.oid)) AS here, count(*) FILTER (WHERE d.dbid NOT IN (0, b.oid)) AS elsewhere
        FROM pg_shdepend d
        CROSS JOIN pg_database b
        WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = a.oid AND d.classid <> 'pg_auth_members'::regclass AND b.datname = current_database()
    ) AS u
    WHERE a.rolname ~ '^rolewright_via_[0-9a-f]{20}$'
      AND u.elsewhere = 0
      -- It gives nothing to anybody: what it was for is gone, or the database was; or nobody is a member. Who made it administers it, and no more.
      AND (u.here = 0
           OR i.role_name IS NOT NULL AND NOT EXISTS (
               SELECT FROM unsecure.membership m WHERE m.roleid = a.oid AND NOT (m.admin_option AND NOT m.inherit_option AND NOT m.set_option)));
$function$;

COMMENT ON FUNCTION unsecure.unused_roles() IS 'Intermediate roles that nothing uses, in this database or, as far as pg_shdepend knows, in another.';

REVOKE ALL ON FUNCTION unsecure.unused_roles() FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.drop_unused_roles()
RETURNS SETOF auth.change
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN QUERY SELECT * FROM auth.sync_roles('{"drop_unused": true}');
END;
$function$;

COMMENT ON FUNCTION auth.drop_unused_roles() IS
    'Drops the intermediate roles (auth.intermediate_role) that nothing uses: nobody is a member, or what they were for is gone; none that another '
    'database still uses. Returns what was done. Errors: as auth.sync_roles.';

REVOKE ALL ON FUNCTION auth.drop_unused_roles() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.drop_unused_roles() TO rolewright_operator;
