-- Who is acting, for the audit trail: stated by the application, for one transaction.

CREATE OR REPLACE FUNCTION auth.set_audit_context(
    _user_id        uuid DEFAULT NULL,
    _correlation_id text DEFAULT NULL
)
RETURNS void
LANGUAGE sql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT set_config('rolewright.user_id', coalesce(_user_id::text, ''), true),
           set_config('rolewright.correlation_id', coalesce(_correlation_id, ''), true);
$function$;

COMMENT ON FUNCTION auth.set_audit_context(uuid, text) IS
    'Until the end of the transaction, audit rows carry this application user (actor_user_id) and correlation id '
    '(a request or trace id). It is what the caller says; session_user_name is what PostgreSQL knows.';

REVOKE ALL ON FUNCTION auth.set_audit_context(uuid, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.set_audit_context(uuid, text) TO rolewright_app, rolewright_operator;
