-- Which roles Rolewright touches at all, and who may ask for what.

CREATE OR REPLACE FUNCTION unsecure.rolewright_owner()
RETURNS oid
LANGUAGE sql
STABLE
RETURN (SELECT n.nspowner FROM pg_catalog.pg_namespace n WHERE n.nspname = 'auth');

COMMENT ON FUNCTION unsecure.rolewright_owner() IS 'The role that owns Rolewright, with whose rights it changes roles.';

CREATE VIEW unsecure.untouchable_role AS
SELECT DISTINCT ON (u.role_name) u.role_name, u.why
FROM (
    SELECT r.rolname::text COLLATE "C" AS role_name, 1 AS nth, 'it is the bootstrap superuser' AS why FROM pg_catalog.pg_roles r WHERE r.oid = 10
    UNION ALL
    SELECT r.rolname, 2, 'it owns Rolewright' FROM pg_catalog.pg_roles r WHERE r.oid = unsecure.rolewright_owner()
    UNION ALL
    SELECT session_user, 3, 'it is the caller'
    UNION ALL
    SELECT c.name, 4, 'it carries Rolewright''s own grants'
    FROM (VALUES ('rolewright_app'), ('rolewright_operator'), ('rolewright_auditor'), ('rolewright_code_owner')) AS c (name)
    UNION ALL
    SELECT p.role_name, 5, 'it is protected' FROM auth.protected_role p
) AS u
ORDER BY u.role_name, u.nth;

COMMENT ON VIEW unsecure.untouchable_role IS 'Roles that nobody changes through Rolewright, and why; beside pg_*.';

REVOKE ALL ON unsecure.untouchable_role FROM PUBLIC;

CREATE OR REPLACE FUNCTION unsecure.role_refusal(_role_name text)
RETURNS text
LANGUAGE sql
STABLE
RETURN CASE WHEN starts_with(_role_name, 'pg_') THEN 'it is one of PostgreSQL''s predefined roles'
            ELSE (SELECT u.why FROM unsecure.untouchable_role u WHERE u.role_name = _role_name) END;

COMMENT ON FUNCTION unsecure.role_refusal(text) IS 'Why nobody changes this role through Rolewright; NULL: one may.';

-- A plain login cannot do harm with these; whoever sets the password of a role that has them, has them too.
CREATE OR REPLACE FUNCTION unsecure.is_elevated(_role_oid oid)
RETURNS boolean
LANGUAGE sql
STABLE
AS $function$
    WITH RECURSIVE reached (oid) AS (
        SELECT _role_oid
        UNION
        SELECT m.roleid
        FROM reached r
        JOIN pg_catalog.pg_auth_members m ON m.member = r.oid
    )
    SELECT EXISTS (
        SELECT
        FROM reached d
        JOIN pg_catalog.pg_roles r ON r.oid = d.oid
        WHERE r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls
           OR r.oid = unsecure.rolewright_owner()
           OR starts_with(r.rolname, 'pg_'));
$function$;

COMMENT ON FUNCTION unsecure.is_elevated(oid) IS
    'Whether a role has, or is directly or indirectly a member of one that has, SUPERUSER, CREATEROLE, CREATEDB, REPLICATION or BYPASSRLS, '
    'or of a predefined role, or of Rolewright''s owner.';

-- An operator looks after people. What would make an operator more than that needs the owner, one of its members, or a superuser.
CREATE OR REPLACE FUNCTION unsecure.is_administrator()
RETURNS boolean
LANGUAGE sql
STABLE
RETURN pg_has_role(session_user, unsecure.rolewright_owner(), 'MEMBER');

COMMENT ON FUNCTION unsecure.is_administrator() IS 'Whether the session user is a superuser, Rolewright''s owner, or a member of it.';

CREATE OR REPLACE FUNCTION unsecure.require_administrator(_what text)
RETURNS void
LANGUAGE plpgsql
STABLE
AS $function$
BEGIN
    IF NOT unsecure.is_administrator() THEN
        RAISE EXCEPTION 'only an administrator may %', _what
            USING ERRCODE = 'RW513',
                  DETAIL  = format('Session user %I is neither a superuser nor a member of %I, the owner of Rolewright.', session_user,
                                   (SELECT r.rolname FROM pg_roles r WHERE r.oid = unsecure.rolewright_owner())),
                  HINT    = 'Log in as one. Nothing was changed.';
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.require_administrator(text) IS 'RW513 unless the session user is a superuser, the owner, or a member of it.';

CREATE VIEW unsecure.operator_login AS
WITH RECURSIVE reached (oid) AS (
    SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = 'rolewright_operator'
    UNION
    SELECT m.member
    FROM reached d
    JOIN pg_catalog.pg_auth_members m ON m.roleid = d.oid
)
SELECT r.oid, r.rolname
FROM reached d
JOIN pg_catalog.pg_roles r ON r.oid = d.oid
WHERE r.rolcanlogin
  AND coalesce(r.rolvaliduntil > statement_timestamp(), true)
  AND r.oid <> unsecure.rolewright_owner();

-- Roles that can run Rolewright, or everything: after the last one nobody could let anybody in again. Rolewright's owner is not counted:
-- often nobody logs in as it.
CREATE OR REPLACE FUNCTION unsecure.is_last_administrator(_role_oid oid)
RETURNS boolean
LANGUAGE sql
STABLE
AS $function$
    SELECT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = _role_oid AND r.rolcanlogin AND r.rolsuper)
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles o WHERE o.oid <> _role_oid AND o.rolcanlogin AND o.rolsuper
                               AND coalesce(o.rolvaliduntil > statement_timestamp(), true))
        OR EXISTS (SELECT FROM unsecure.operator_login l WHERE l.oid = _role_oid)
               AND NOT EXISTS (SELECT FROM unsecure.operator_login o WHERE o.oid <> _role_oid);
$function$;

COMMENT ON VIEW unsecure.operator_login IS 'Login roles that are members of rolewright_operator, directly or through others.';
COMMENT ON FUNCTION unsecure.is_last_administrator(oid) IS
    'Whether it is the only superuser, or the only member of rolewright_operator, that can log in.';

CREATE OR REPLACE FUNCTION unsecure.require_touchable(_role_name text)
RETURNS void
LANGUAGE plpgsql
STABLE
AS $function$
DECLARE
    v_problem text := unsecure.role_name_problem(_role_name);
    v_refusal text := unsecure.role_refusal(_role_name);
BEGIN
    IF v_refusal IS NOT NULL THEN
        RAISE EXCEPTION 'role % is not for Rolewright to change: %', quote_ident(_role_name), v_refusal
            USING ERRCODE = 'RW503',
                  HINT    = 'Nothing was changed. auth.protected_role lists the protected ones.';
    ELSIF v_problem IS NOT NULL THEN
        RAISE EXCEPTION 'no role can be named %', coalesce(to_json(_role_name)::text, 'NULL')
            USING ERRCODE = 'RW504', DETAIL = v_problem || '.', HINT = 'Choose another name. Nothing was changed.';
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.require_touchable(text) IS
    'RW503: the caller itself, the bootstrap superuser, Rolewright''s owner, pg_*, protected; RW504: no possible name.';

CREATE OR REPLACE FUNCTION unsecure.require_managed_role(
    _role_name text,
    _role_kind text DEFAULT NULL
)
RETURNS auth.database_role
LANGUAGE plpgsql
STABLE
AS $function$
DECLARE
    v_role   auth.database_role;
    v_actual record;
BEGIN
    SELECT * INTO v_role FROM auth.database_role r WHERE r.role_name = _role_name AND r.state <> 'deleted';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'role % is not managed', coalesce(quote_ident(_role_name), 'NULL')
            USING ERRCODE = 'RW019',
                  DETAIL  = CASE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = _role_name)
                                 THEN 'It exists, but Rolewright was not told to manage it.' ELSE 'It does not exist.' END,
                  HINT    = 'auth.database_role lists the managed ones; auth.adopt_role takes an existing one under management. '
                            'Nothing was changed.';
    END IF;
    IF _role_kind <> v_role.role_kind THEN
        RAISE EXCEPTION 'role % is a % role', quote_ident(_role_name), v_role.role_kind
            USING ERRCODE = 'RW505',
                  DETAIL  = format('What was asked for needs a %s role.', _role_kind),
                  HINT    = 'auth.database_role.role_kind says what each is. Nothing was changed.';
    END IF;
    SELECT r.oid, r.rolname INTO v_actual FROM pg_roles r WHERE r.rolname = _role_name;
    IF v_actual.oid <> coalesce(v_role.role_oid, 0) THEN
        RAISE EXCEPTION 'role % is not the role that was managed', quote_ident(_role_name)
            USING ERRCODE = 'RW019',
                  DETAIL  = 'Somebody else made a role of this name.',
                  HINT    = 'auth.adopt_role takes it under management, if it is meant. Nothing was changed.';
    END IF;
    RETURN v_role;
END;
$function$;

COMMENT ON FUNCTION unsecure.require_managed_role(text, text) IS
    'The role in the registry. RW019: not managed, or another role has the name now; RW505: of the other kind.';

-- Whom the life cycle's procedures mean: a managed role by its name, or a user by username or id.
CREATE OR REPLACE FUNCTION unsecure.find_person(
    _username text,
    OUT user_id          uuid,
    OUT database_role_id uuid,
    OUT role_name        text
)
LANGUAGE plpgsql
STABLE
AS $function$
DECLARE
    v_role auth.database_role;
    v_user auth.user_info;
BEGIN
    SELECT * INTO v_role FROM auth.database_role r WHERE r.role_name = _username AND r.state <> 'deleted' AND r.role_kind = 'login';
    SELECT * INTO v_user
    FROM auth.user_info u
    WHERE lower(u.username) = lower(_username);
    IF _username ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' AND EXISTS (SELECT FROM auth.user_info u WHERE u.user_id = _username::uuid) THEN
        IF v_user.user_id <> _username::uuid THEN
            RAISE EXCEPTION 'two are named %: a user''s username is another one''s user_id', to_json(_username)
                USING ERRCODE = 'RW512', DETAIL = format('The username is that of user %s.', v_user.user_id),
                      HINT    = 'Name the person by role, or change that username. Nothing was changed.';
        END IF;
        SELECT * INTO v_user FROM auth.user_info u WHERE u.user_id = _username::uuid;
    END IF;

    -- Also when a user has that name: whoever names the role would think that it was meant.
    IF v_role.database_role_id IS NULL AND (v_user.user_id IS NULL OR unsecure.role_refusal(_username) IS NOT NULL) THEN
        PERFORM unsecure.require_touchable(_username);
    END IF;
    IF v_role.database_role_id IS NULL AND v_user.user_id IS NULL THEN
        RAISE EXCEPTION 'there is neither a user nor a managed role %', coalesce(to_json(_username)::text, 'NULL')
            USING ERRCODE = 'RW011',
                  DETAIL  = CASE WHEN EXISTS (SELECT FROM pg_roles r WHERE r.rolname = _username)
                                 THEN 'A role of this name exists, but Rolewright was not told to manage it.'
                                 ELSE 'No role of this name exists either.' END,
                  HINT    = 'auth.user_info and auth.database_role list them; auth.adopt_role takes an existing role under management.';
    ELSIF v_role.database_role_id IS NOT NULL AND v_user.user_id IS NOT NULL AND v_role.user_id IS DISTINCT FROM v_user.user_id THEN
        RAISE EXCEPTION 'two are named %: a user, and a role of somebody else', to_json(_username)
            USING ERRCODE = 'RW512',
                  DETAIL  = format('The user is %s; the role belongs to %s.', v_user.user_id, coalesce('user ' || v_role.user_id, 'nobody')),
                  HINT    = 'Name the person by user_id, or bind the role to the user: auth.bind_user_role. Nothing was changed.';
    END IF;

    user_id := coalesce(v_user.user_id, v_role.user_id);
    IF v_role.database_role_id IS NULL THEN
        SELECT * INTO v_role FROM auth.database_role r WHERE r.user_id = find_person.user_id AND r.state <> 'deleted';
    END IF;
    database_role_id := v_role.database_role_id;
    role_name        := v_role.role_name;
END;
$function$;

COMMENT ON FUNCTION unsecure.find_person(text) IS
    'The user and the managed login role (one of them may be NULL) of a role name, a username or a user_id. RW011: neither; RW503: a role that is not for Rolewright has the name; '
    'RW512: two.';

-- Found, locked, and found again: who waited for the lock may have waited for a binding.
CREATE OR REPLACE FUNCTION unsecure.lock_named_person(
    _username text,
    OUT user_id          uuid,
    OUT database_role_id uuid,
    OUT role_name        text
)
LANGUAGE plpgsql
VOLATILE
AS $function$
DECLARE
    v_person record;
    v_again  record := unsecure.find_person(_username);
BEGIN
    LOOP
        v_person := v_again;
        PERFORM unsecure.lock_person(v_person.user_id);
        v_again := unsecure.find_person(_username);
        EXIT WHEN v_again.user_id IS NOT DISTINCT FROM v_person.user_id;
    END LOOP;
    user_id          := v_again.user_id;
    database_role_id := v_again.database_role_id;
    role_name        := v_again.role_name;
END;
$function$;

COMMENT ON FUNCTION unsecure.lock_named_person(text) IS 'unsecure.find_person and unsecure.lock_person. RW501, RW011, RW512: as there.';

REVOKE ALL ON FUNCTION unsecure.lock_named_person(text) FROM PUBLIC;
REVOKE ALL ON unsecure.operator_login FROM PUBLIC;
REVOKE ALL ON FUNCTION
    unsecure.rolewright_owner(),
    unsecure.role_refusal(text),
    unsecure.is_elevated(oid),
    unsecure.is_administrator(),
    unsecure.require_administrator(text),
    unsecure.is_last_administrator(oid),
    unsecure.require_touchable(text),
    unsecure.require_managed_role(text, text),
    unsecure.find_person(text)
FROM PUBLIC;
