-- A verifier made with another salt is another verifier: who makes one of a password that was set already needs the salt of then. It is no secret,
-- PostgreSQL tells it to everybody who tries to log in.

CREATE OR REPLACE FUNCTION auth.password_salts(_role_names text[])
RETURNS TABLE (
    role_name  text,
    salt       bytea,
    iterations integer
)
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT r.rolname::text, p.salt, p.iterations
    FROM unsecure.declared_password p
    JOIN pg_roles r ON r.oid = p.role_oid
    WHERE r.rolname = ANY (_role_names)
    ORDER BY r.rolname COLLATE "C";
$function$;

COMMENT ON FUNCTION auth.password_salts(text[]) IS
    'Salt and iterations of the verifiers that declarations have set last: the same password with them makes the same verifier, and is no change.';

REVOKE ALL ON FUNCTION auth.password_salts(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.password_salts(text[]) TO rolewright_operator, rolewright_auditor;
