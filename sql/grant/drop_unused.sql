-- Intermediate roles that nothing uses any more. They are dropped by a plan like any other: auth.sync_roles('{"drop_unused": true}').

CREATE OR REPLACE FUNCTION unsecure.unused_roles(_steps unsecure.grant_step[])
RETURNS TABLE (role_name text, role_oid oid)
LANGUAGE sql
STABLE
AS $function$
    SELECT a.rolname::text, a.oid
    FROM (SELECT r.rolname, r.oid FROM pg_roles r WHERE unsecure.database_of_intermediate(r.rolname) IS NOT NULL) AS a
    LEFT JOIN unsecure.known_intermediate i ON i.role_oid = a.oid
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE d.dbid IN (0, b.oid)) AS here, count(*) FILTER (WHERE d.dbid NOT IN (0, b.oid)) AS elsewhere
        FROM pg_shdepend d
        CROSS JOIN pg_database b
        WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = a.oid AND d.classid <> 'pg_auth_members'::regclass AND b.datname = current_database()
    ) AS u
    WHERE u.elsewhere = 0
      AND CASE WHEN i.role_name IS NULL
               -- Its database is gone.
               THEN u.here = 0 AND NOT EXISTS (SELECT FROM pg_database d WHERE d.oid = unsecure.database_of_intermediate(a.rolname))
                    AND unsecure.is_foreign_intermediate(a.oid)
               -- What it was for is gone, or nobody is a member. Who made it administers it, and no more.
               ELSE NOT EXISTS (SELECT FROM unnest(_steps) AS s WHERE s.object = quote_ident(a.rolname) AND s.action = 'grant')
                    AND (u.here = 0
                         OR NOT EXISTS (
                             SELECT
                             FROM unsecure.membership m
                             JOIN pg_roles r ON r.oid = m.member
                             WHERE m.roleid = a.oid AND NOT (m.admin_option AND NOT m.inherit_option AND NOT m.set_option)
                               AND NOT EXISTS (SELECT FROM unnest(_steps) AS s
                                               WHERE s.object = quote_ident(a.rolname) AND s.action = 'revoke' AND s.role_name = r.rolname))) END;
$function$;

COMMENT ON FUNCTION unsecure.unused_roles(unsecure.grant_step[]) IS 'Intermediate roles that nothing uses, in this database or, as far as pg_shdepend knows, in another, when these steps are done.';

REVOKE ALL ON FUNCTION unsecure.unused_roles(unsecure.grant_step[]) FROM PUBLIC;

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
