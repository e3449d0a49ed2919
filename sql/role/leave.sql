-- Leaving, in steps that are committed one by one: no login any more, committed; then the sessions that are still open, until two looks in a row
-- find none; then memberships and elevated attributes, which an open transaction of the person could hold. Whatever fails on the way, the person is out.
--
-- The procedure has no rights of its own (it must be able to COMMIT); the steps have, and each can be called by itself.

CREATE OR REPLACE FUNCTION unsecure.require_reason(_reason text)
RETURNS void
LANGUAGE plpgsql
IMMUTABLE
AS $function$
BEGIN
    IF btrim(coalesce(_reason, '')) = '' THEN
        RAISE EXCEPTION 'a reason is needed' USING ERRCODE = 'RW519', HINT = 'It is kept with the role and in the audit trail. Nothing was changed.';
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.require_reason(text) IS 'RW519 unless a reason is given.';

CREATE OR REPLACE FUNCTION unsecure.require_not_last_administrator(_role_oid oid)
RETURNS void
LANGUAGE plpgsql
STABLE
AS $function$
BEGIN
    IF unsecure.is_last_administrator(_role_oid) THEN
        RAISE EXCEPTION 'role % is the last administrator', (SELECT quote_ident(r.rolname) FROM pg_roles r WHERE r.oid = _role_oid)
            USING ERRCODE = 'RW515',
                  DETAIL  = 'No other superuser, or no other member of rolewright_operator, can log in.',
                  HINT    = 'Make somebody else one first. Nothing was changed.';
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.require_not_last_administrator(oid) IS 'RW515: nobody else could administer what is left.';

REVOKE ALL ON FUNCTION unsecure.require_reason(text), unsecure.require_not_last_administrator(oid) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.begin_deprovision(
    _username       text,
    _reason         text,
    _strip_elevated boolean DEFAULT true,
    _kind           text    DEFAULT 'disable',
    _is_blocked     boolean DEFAULT false
)
RETURNS SETOF auth.change
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_person record;
    v_role   auth.database_role;
    v_active boolean;
    v_done   auth.change[];
BEGIN
    PERFORM unsecure.require_reason(_reason);
    IF _kind IS NULL OR _kind NOT IN ('disable', 'suspend') THEN
        RAISE EXCEPTION 'there is no such kind of leaving'
            USING ERRCODE = 'RW519', DETAIL = format('_kind is %s.', coalesce(to_json(_kind)::text, 'NULL')),
                  HINT    = 'disable: left; suspend: a leave of absence. Nothing was changed.';
    END IF;
    v_person := unsecure.lock_named_person(_username);

    IF v_person.database_role_id IS NOT NULL THEN
        PERFORM unsecure.require_touchable(v_person.role_name);
        v_role := unsecure.require_managed_role(v_person.role_name, 'login');
        PERFORM unsecure.require_not_last_administrator(v_role.role_oid);
    END IF;
    UPDATE auth.user_info SET is_active = false, updated_at = now() WHERE user_id = v_person.user_id AND is_active;
    v_active := FOUND;

    UPDATE auth.database_role r
    SET state            = CASE _kind WHEN 'suspend' THEN 'suspended' ELSE 'disabled' END,
        reason           = _reason,
        strips_elevated  = _strip_elevated,
        state_changed_at = now(),
        updated_at       = now(),
        -- Who is out already, because of the user, keeps what was recorded then.
        recorded         = CASE WHEN r.state = 'active' AND NOT coalesce((r.recorded ->> 'is_out')::boolean, false)
                                THEN unsecure.describe_role(r.role_oid) || '{"is_out": true}' ELSE r.recorded END
    WHERE r.database_role_id = v_person.database_role_id
      AND (r.state, r.reason, r.strips_elevated)
          IS DISTINCT FROM (CASE _kind WHEN 'suspend' THEN 'suspended' ELSE 'disabled' END, _reason, _strip_elevated);

    IF v_role.role_oid IS NOT NULL AND NOT coalesce(_is_blocked, false) THEN
        v_done := ARRAY(SELECT a FROM unsecure.apply_roles(NULL, ARRAY[v_person.role_name], true, true) AS a);
        -- A superuser who calls the procedure does himself what the owner may not.
        IF NOT (SELECT u.rolsuper FROM pg_roles u WHERE u.rolname = session_user) THEN
            PERFORM unsecure.require_no_conflict(v_done);
        END IF;
        RETURN QUERY SELECT (c).* FROM unnest(v_done) AS c;
    END IF;
    -- So that coming back does not enable a user who was disabled before.
    UPDATE auth.database_role r
    SET recorded = coalesce(r.recorded, '{}') || jsonb_build_object('user_active', v_active)
    WHERE r.database_role_id = v_person.database_role_id AND v_role.state = 'active';
END;
$function$;

COMMENT ON FUNCTION auth.begin_deprovision(text, text, boolean, text, boolean) IS
    'The first step of auth.deprovision_identity: the application user is disabled, the role recorded and NOLOGIN. _username: a user''s '
    'username or user_id, or the name of a managed role. _kind: disable (left) or suspend (leave of absence). _is_blocked: the role itself is not touched yet, because a session '
    'holds it; auth.end_identity_sessions ends that of the person, and then this is called again. Returns what was done to '
    'the role. RW011: nobody of that name; RW019: the role is not managed; RW503: not for Rolewright; RW506: PostgreSQL does not let Rolewright''s owner '
    'do it, with the statement for a superuser; RW512: two of that name; RW515: the last administrator; RW519: no reason, or another kind; '
    'RW501: not READ COMMITTED.';

CREATE OR REPLACE FUNCTION auth.finish_deprovision(_username text)
RETURNS SETOF auth.change
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_person record := unsecure.lock_named_person(_username);
BEGIN
    IF v_person.database_role_id IS NULL THEN
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM auth.database_role r WHERE r.database_role_id = v_person.database_role_id AND r.state = 'active') THEN
        RAISE EXCEPTION 'role % is active', quote_ident(v_person.role_name)
            USING ERRCODE = 'RW511', HINT = 'auth.begin_deprovision comes first. Nothing was changed.';
    END IF;
    RETURN QUERY SELECT * FROM unsecure.apply_roles(NULL, ARRAY[v_person.role_name], true);
END;
$function$;

COMMENT ON FUNCTION auth.finish_deprovision(text) IS
    'The second step of auth.deprovision_identity: ends the memberships, and strips the elevated attributes. Returns what was done; '
    'conflicts: what only a superuser can do, with the statement. RW511: the role is active.';

CREATE OR REPLACE FUNCTION auth.end_identity_sessions(_username text)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET client_min_messages = error
AS $function$
DECLARE
    v_person record := unsecure.find_person(_username);
    v_oid    oid;
    v_seen   integer;
BEGIN
    -- Also of whom a feed, or disabling the user, has put out.
    SELECT r.role_oid INTO v_oid
    FROM auth.database_role r
    WHERE r.database_role_id = v_person.database_role_id
      AND (r.state <> 'active' OR NOT EXISTS (SELECT FROM pg_roles a WHERE a.oid = r.role_oid AND a.rolcanlogin));
    IF NOT FOUND THEN
        IF v_person.database_role_id IS NULL THEN
            RETURN 0;
        END IF;
        RAISE EXCEPTION 'role % can log in', quote_ident(v_person.role_name)
            USING ERRCODE = 'RW511', HINT = 'auth.begin_deprovision comes first: ended sessions would come back.';
    END IF;
    SELECT count(*) INTO v_seen FROM pg_stat_activity a WHERE a.usesysid = v_oid;
    IF v_seen = 0 THEN
        RETURN 0;
    END IF;

    -- Ending a session needs the rights of its role. They are taken back by rolling back to here, which leaves no trace of them.
    BEGIN
        IF NOT pg_has_role(v_oid, 'USAGE') AND NOT pg_has_role('pg_signal_backend', 'USAGE') THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', (SELECT r.rolname FROM pg_roles r WHERE r.oid = v_oid))
                || CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN ' WITH INHERIT TRUE, SET FALSE' ELSE '' END;
        END IF;
        PERFORM pg_terminate_backend(a.pid) FROM pg_stat_activity a WHERE a.usesysid = v_oid AND a.pid <> pg_backend_pid();
        RAISE EXCEPTION USING ERRCODE = 'RW599';
    EXCEPTION
        WHEN SQLSTATE 'RW599' THEN NULL;
        -- Superusers' sessions, and roles that the owner may not administer, or that are members of the owner: the caller sees that they are left.
        WHEN insufficient_privilege OR invalid_grant_operation THEN NULL;
    END;
    RETURN v_seen;
END;
$function$;

COMMENT ON FUNCTION auth.end_identity_sessions(text) IS
    'The third step of auth.deprovision_identity: ends the sessions of the person''s role, in all databases, and returns how many there '
    'were. Call it until it returns 0 twice. Also for whom a feed put out: an open session outlives that. RW511: the role can log in.';

REVOKE ALL ON FUNCTION
    auth.begin_deprovision(text, text, boolean, text, boolean),
    auth.finish_deprovision(text),
    auth.end_identity_sessions(text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    auth.begin_deprovision(text, text, boolean, text, boolean),
    auth.finish_deprovision(text),
    auth.end_identity_sessions(text)
TO rolewright_operator;

-- What only a superuser can do of a plan, done by one: with the rights of whoever calls.
CREATE OR REPLACE FUNCTION unsecure.execute_conflicts(_plan auth.change[])
RETURNS auth.change[]
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_todo auth.change[] := ARRAY(
        SELECT row(c.ordinal, lower(split_part(c.statement, ' ', 1)), c.role_name, c.object, c.statement, c.reason)::auth.change
        FROM unnest(_plan) AS c
        WHERE c.action = 'conflict' AND c.statement IS NOT NULL
        ORDER BY c.ordinal);
BEGIN
    IF v_todo = '{}' THEN
        RETURN _plan;
    END IF;
    PERFORM unsecure.lock_roles();
    PERFORM unsecure.execute_changes(v_todo);
    RETURN ARRAY(SELECT c FROM unnest(_plan) AS c WHERE c.action <> 'conflict' OR c.statement IS NULL) || v_todo;
END;
$function$;

COMMENT ON FUNCTION unsecure.execute_conflicts(auth.change[]) IS
    'Carries out the statements of a plan''s conflicts, with the caller''s rights, and returns the plan with them as done.';

REVOKE ALL ON FUNCTION unsecure.execute_conflicts(auth.change[]) FROM PUBLIC;

CREATE OR REPLACE PROCEDURE auth.deprovision_identity(
    _username       text,
    _reason         text,
    _strip_elevated boolean DEFAULT true,
    _terminate      boolean DEFAULT true,
    _kind           text    DEFAULT 'disable',
    INOUT _report   jsonb   DEFAULT NULL
)
LANGUAGE plpgsql
AS $procedure$
DECLARE
    v_is_super boolean;
    v_begun    auth.change[];
    v_finished auth.change[];
    v_sessions integer := 0;
    v_seen     integer := 0;
    v_quiet    integer := 0;
    v_until    timestamptz;
    v_left     text;
BEGIN
    COMMIT; -- where that is not possible, in a transaction block, it fails before anything is changed
    -- Both last until the next COMMIT, which a procedure with a SET clause could not do.
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    v_is_super := (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user);
    -- One of the person's own sessions can hold the role (ALTER ROLE CURRENT_USER …, not committed). Then the sessions go first.
    IF current_setting('lock_timeout') = '0' THEN
        PERFORM set_config('lock_timeout', '3s', true);
    END IF;
    BEGIN
        v_begun := ARRAY(SELECT b FROM auth.begin_deprovision(_username, _reason, _strip_elevated, _kind) AS b);
    EXCEPTION
        WHEN lock_not_available THEN
            PERFORM set_config('lock_timeout', '0', true);
            PERFORM auth.begin_deprovision(_username, _reason, _strip_elevated, _kind, _is_blocked => true);
    END;
    IF v_is_super AND v_begun IS NOT NULL THEN
        v_begun := unsecure.execute_conflicts(v_begun);
    ELSIF EXISTS (SELECT FROM unnest(v_begun) AS c WHERE c.action = 'conflict') THEN
        RAISE EXCEPTION '% cannot be put out', to_json(_username)
            USING ERRCODE = 'RW506', DETAIL = (SELECT string_agg(c.reason, E'\n') FROM unnest(v_begun) AS c WHERE c.action = 'conflict'),
                  HINT    = 'Nothing was changed. A superuser can call this.';
    END IF;
    COMMIT;
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);

    -- Twice, when some are left: sessions of who is a member of the owner can only be ended when that is over.
    FOR v_pass IN 1 .. 2 LOOP
        v_until := clock_timestamp() + interval '10 seconds';
        v_quiet := 0;
        WHILE v_quiet < 2 AND (_terminate OR v_begun IS NULL) LOOP
            v_seen := auth.end_identity_sessions(_username);
            IF v_is_super THEN
                PERFORM pg_terminate_backend(a.pid)
                FROM pg_stat_activity a
                JOIN auth.database_role r ON r.role_oid = a.usesysid
                WHERE r.database_role_id = (SELECT p.database_role_id FROM unsecure.find_person(_username) AS p);
            END IF;
            v_sessions := greatest(v_sessions, v_seen);
            v_quiet    := CASE WHEN clock_timestamp() > v_until THEN 2 WHEN v_seen = 0 THEN v_quiet + 1 ELSE 0 END;
            PERFORM pg_sleep(0.05);
            COMMIT; -- pg_stat_activity is read once per transaction
            SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
            PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
            IF v_begun IS NULL AND v_quiet >= 1 THEN
                v_begun := ARRAY(SELECT b FROM auth.begin_deprovision(_username, _reason, _strip_elevated, _kind) AS b);
                v_quiet := 0;
            END IF;
        END LOOP;
        IF v_pass = 1 THEN
            v_finished := ARRAY(SELECT f FROM auth.finish_deprovision(_username) AS f);
            IF v_is_super THEN
                v_finished := unsecure.execute_conflicts(v_finished) || ARRAY(SELECT f FROM auth.finish_deprovision(_username) AS f);
            END IF;
            COMMIT;
            SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
            PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        END IF;
        EXIT WHEN v_seen = 0;
    END LOOP;

    _report := jsonb_build_object(
        'changes', (SELECT coalesce(jsonb_agg(c), '[]') FROM unnest(v_begun || v_finished) AS c),
        'sessions_ended', v_sessions - v_seen,
        'left', (SELECT coalesce(jsonb_agg(p), '[]') FROM auth.leaver_proof(_username) AS p));
    SELECT string_agg(concat_ws(' ', p.way, p.object, 'granted by ' || p.grantor), E'\n') INTO v_left
    FROM auth.leaver_proof(_username) AS p
    WHERE p.way IN ('membership', 'credential') OR p.way = 'session' AND _terminate;
    IF v_left IS NOT NULL THEN
        RAISE EXCEPTION '% is put out as far as PostgreSQL lets the caller, but ways in are left', to_json(_username)
            USING ERRCODE = 'RW517',
                  DETAIL  = v_left,
                  HINT    = 'What could be done is committed. auth.finish_deprovision shows the statements for a superuser; a superuser can also call this procedure.';
    END IF;
END;
$procedure$;

COMMENT ON PROCEDURE auth.deprovision_identity(text, text, boolean, boolean, text, jsonb) IS
    'Puts a person out: NOLOGIN and the application user disabled, committed; every membership gone whoever granted it; SUPERUSER, CREATEDB, '
    'CREATEROLE, REPLICATION and BYPASSRLS gone unless _strip_elevated is false; sessions ended (_terminate) until two looks find '
    'none. Attributes, memberships, expiry, limit and settings are recorded for auth.restore_identity; the role, what it owns and '
    'what it was granted directly stay. _username, _kind and errors: as auth.begin_deprovision. _report: changes, sessions_ended, and what '
    'auth.leaver_proof finds left (ownership, direct privileges). RW517: memberships or sessions are left that PostgreSQL '
    'lets only a superuser end; what was done stays done. Not within a transaction block (2D000).';

REVOKE ALL ON PROCEDURE auth.deprovision_identity(text, text, boolean, boolean, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE auth.deprovision_identity(text, text, boolean, boolean, text, jsonb) TO rolewright_operator;
