-- Deleting a role, in steps that are committed one by one and can be taken up again after any of them failed: the person is put out
-- (leave.sql); what depends on the role in this database is given away or dropped (removal.sql); the role gets a name that nobody knows; then
-- it is dropped, and a tombstone stays.

CREATE OR REPLACE FUNCTION auth.require_deletable(
    _username      text,
    _reason        text,
    _reassign_to   text    DEFAULT NULL,
    _reassign_code boolean DEFAULT false
)
RETURNS jsonb
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_leaver record := unsecure.require_deletable(_username);
BEGIN
    IF v_leaver.state IS DISTINCT FROM 'deleted' THEN
        PERFORM unsecure.require_reason(_reason);
        PERFORM unsecure.require_successor(v_leaver.role_name, _reassign_to, _reassign_code);
    END IF;
    RETURN jsonb_build_object(
        'role_name', v_leaver.role_name, 'role_oid', v_leaver.role_oid, 'state', v_leaver.state,
        'exists', v_leaver.actual_name IS NOT NULL,
        'is_doomed', coalesce(v_leaver.actual_name = unsecure.doomed_role_name(v_leaver.role_oid), false),
        'is_out', v_leaver.state = 'disabled' AND NOT EXISTS (
            SELECT FROM auth.leaver_proof(_username) AS p WHERE p.way IN ('membership', 'session', 'credential')));
END;
$function$;

COMMENT ON FUNCTION auth.require_deletable(text, text, text, boolean) IS
    'The refusals of auth.delete_identity before it changes anything, but for RW514, and what it starts from: role_name (null: the user has none), '
    'role_oid, state, exists, is_doomed, is_out.';

CREATE OR REPLACE FUNCTION auth.require_removable(_username text, _is_removed boolean)
RETURNS void
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_leaver record := unsecure.find_leaver(_username);
BEGIN
    IF v_leaver.actual_name IS NOT NULL THEN
        PERFORM unsecure.require_no_dependencies(v_leaver.role_oid, coalesce(_is_removed, false));
    END IF;
END;
$function$;

COMMENT ON FUNCTION auth.require_removable(text, boolean) IS
    'RW514 with the list of what depends on a person''s role; _is_removed: what is in this database goes, so that only other databases count.';

REVOKE ALL ON FUNCTION auth.require_deletable(text, text, text, boolean), auth.require_removable(text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.require_deletable(text, text, text, boolean), auth.require_removable(text, boolean) TO rolewright_operator;

CREATE OR REPLACE FUNCTION auth.plan_delete(
    _username      text,
    _reassign_to   text    DEFAULT NULL,
    _drop_owned    boolean DEFAULT false,
    _force         boolean DEFAULT false,
    _reassign_code boolean DEFAULT false
)
RETURNS SETOF auth.change
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_role    jsonb;
    v_name    text;
    v_objects text[] := ARRAY[]::text[];
    v_plan    auth.change[] := ARRAY[]::auth.change[];
    v_reason  text;
    v_list    text;
    v_step    text;
    v_is_removed CONSTANT boolean := _reassign_to IS NOT NULL OR coalesce(_drop_owned, false);
BEGIN
    v_role := auth.require_deletable(_username, 'plan', _reassign_to, _reassign_code);
    IF v_role ->> 'state' IS NULL OR v_role ->> 'state' = 'deleted' THEN
        RETURN;
    END IF;
    v_name := v_role ->> 'role_name';
    IF (v_role ->> 'exists')::boolean THEN
        -- What is in other databases, and what cannot be removed here: both are told.
        FOREACH v_step IN ARRAY ARRAY['elsewhere', 'here'] LOOP
            BEGIN
                CASE v_step
                    WHEN 'elsewhere' THEN PERFORM auth.require_removable(_username, v_is_removed);
                    ELSE v_objects := auth.rehearse_removal(_username, _reassign_to, _drop_owned, _force, _reassign_code);
                END CASE;
            EXCEPTION
                WHEN SQLSTATE 'RW514' THEN
                    GET STACKED DIAGNOSTICS v_reason = MESSAGE_TEXT, v_list = PG_EXCEPTION_DETAIL;
                    v_plan := v_plan || ARRAY(SELECT row(0, 'conflict', v_name, l, NULL, v_reason)::auth.change
                                              FROM regexp_split_to_table(v_list, E'\n') AS l);
                    EXIT WHEN NOT v_is_removed; -- the list is of all databases
            END;
        END LOOP;
        v_plan := v_plan || row(0, 'alter', v_name, 'login', format('ALTER ROLE %I NOLOGIN', v_name), 'it is deleted')::auth.change
                  || ARRAY(SELECT row(0, 'revoke', v_name, p.object, format('REVOKE %s FROM %I', p.object, v_name), 'it is deleted')::auth.change
                           FROM auth.leaver_proof(_username) AS p WHERE p.way = 'membership')
                  || ARRAY(SELECT row(0, 'alter', v_name, 'objects', o, 'it is deleted')::auth.change FROM unnest(v_objects) AS o)
                  || row(0, 'drop', v_name, NULL, format('DROP ROLE %I', v_name), 'it is deleted')::auth.change;
    END IF;
    RETURN QUERY
    SELECT row_number() OVER (ORDER BY c.action = 'conflict' DESC, p.n)::integer, c.action, c.role_name, c.object, c.statement, c.reason
    FROM unnest(v_plan) WITH ORDINALITY AS p (ordinal, action, role_name, object, statement, reason, n)
    CROSS JOIN LATERAL (SELECT p.action, p.role_name, p.object, p.statement, p.reason) AS c
    ORDER BY 1;
END;
$function$;

COMMENT ON FUNCTION auth.plan_delete(text, text, boolean, boolean, boolean) IS
    'What auth.delete_identity would do, in this database, and first as conflicts what keeps it from that, in other databases too. Arguments '
    'and errors as there, but RW514 is rows. No rows: the role was deleted already, or the user has none. Whoever owns nothing is tried out and taken back, which locks for a moment what it changes.';

REVOKE ALL ON FUNCTION auth.plan_delete(text, text, boolean, boolean, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.plan_delete(text, text, boolean, boolean, boolean) TO rolewright_operator;

-- DROP ROLE and a GRANT at the same time do not wait for each other, and leave the membership of a role that is not there. So the role
-- gets another name first; when that is committed, no new GRANT can name it; and those that did before hold a lock until they end.
CREATE OR REPLACE FUNCTION auth.begin_role_drop(_username text, _reason text)
RETURNS SETOF auth.change
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_leaver record := unsecure.require_deletable(_username);
    v_done   auth.change[];
BEGIN
    PERFORM unsecure.require_reason(_reason);
    PERFORM unsecure.lock_person(v_leaver.user_id);
    v_leaver := unsecure.require_deletable(_username);
    IF v_leaver.actual_name IS NULL OR v_leaver.actual_name = unsecure.doomed_role_name(v_leaver.role_oid) THEN
        RETURN;
    END IF;
    PERFORM unsecure.require_out(v_leaver.role_name, v_leaver.state IN ('disabled', 'suspended')
        AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = v_leaver.role_oid AND r.rolcanlogin));
    PERFORM unsecure.require_no_dependencies(v_leaver.role_oid, false);
    v_done := ARRAY[row(1, 'alter', v_leaver.role_name, 'name',
                        format('ALTER ROLE %I RENAME TO %I', v_leaver.role_name, unsecure.doomed_role_name(v_leaver.role_oid)), _reason)::auth.change];
    PERFORM unsecure.execute_changes(v_done);
    UPDATE auth.database_role r
    SET recorded = coalesce(r.recorded, '{}') || jsonb_build_object('doomed_in', pg_current_xact_id()::text), updated_at = now()
    WHERE r.database_role_id = v_leaver.database_role_id;
    RETURN QUERY SELECT (c).* FROM unnest(v_done) AS c;
END;
$function$;

COMMENT ON FUNCTION auth.begin_role_drop(text, text) IS
    'Gives a role that nothing depends on the name of one that is to be dropped, so that from the end of the transaction on nobody grants it anything. '
    'RW511: the role is active; RW514: something depends on it; others as auth.delete_identity.';

CREATE OR REPLACE FUNCTION unsecure.await_role_grants()
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $function$
DECLARE
    v_until timestamptz := clock_timestamp() + interval '30 seconds';
    v_open  text[];
BEGIN
    -- Twice: who had looked the name up may have been just about to take the lock.
    FOR v_look IN 1 .. 2 LOOP
        v_open := ARRAY(SELECT DISTINCT l.virtualtransaction
                        FROM pg_locks l
                        WHERE l.locktype = 'relation' AND l.database = 0 AND l.relation = 'pg_auth_members'::regclass
                          AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')
                          AND l.pid IS DISTINCT FROM pg_backend_pid());
        WHILE EXISTS (SELECT FROM pg_locks l
                      WHERE l.locktype = 'relation' AND l.database = 0 AND l.relation = 'pg_auth_members'::regclass
                        AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')
                        AND l.virtualtransaction = ANY (v_open))
        LOOP
            IF clock_timestamp() > v_until THEN
                RAISE EXCEPTION 'an open transaction changed memberships, and may have granted the role one'
                    USING ERRCODE = 'RW517',
                          DETAIL  = coalesce((SELECT string_agg(DISTINCT coalesce('pid ' || l.pid, 'prepared transaction'), ', ')
                                              FROM pg_locks l
                                              WHERE l.locktype = 'relation' AND l.database = 0 AND l.relation = 'pg_auth_members'::regclass
                                                AND l.virtualtransaction = ANY (v_open)), 'It has ended just now.'),
                          HINT    = 'End that transaction, and call this again. The role can log in no more.';
            END IF;
            PERFORM pg_sleep(0.01);
        END LOOP;
        PERFORM pg_sleep(0.02);
    END LOOP;
END;
$function$;

COMMENT ON FUNCTION unsecure.await_role_grants() IS
    'Waits for the transactions that have changed memberships so far, in any database. RW517: after half a minute one is still open.';

REVOKE ALL ON FUNCTION unsecure.await_role_grants() FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.finish_role_drop(_username text, _reason text)
RETURNS SETOF auth.change
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_leaver record := unsecure.require_deletable(_username);
    v_done   auth.change[] := ARRAY[]::auth.change[];
BEGIN
    PERFORM unsecure.require_reason(_reason);
    PERFORM unsecure.require_read_committed();
    IF v_leaver.state = 'deleted' THEN
        RETURN;
    ELSIF v_leaver.actual_name <> unsecure.doomed_role_name(v_leaver.role_oid)
          OR EXISTS (SELECT FROM auth.database_role r
                     WHERE r.database_role_id = v_leaver.database_role_id
                       AND r.recorded ->> 'doomed_in' = pg_current_xact_id_if_assigned()::text)
    THEN
        RAISE EXCEPTION 'role % may still be granted something', quote_ident(v_leaver.role_name)
            USING ERRCODE = 'RW511', HINT = 'auth.begin_role_drop comes first, and must be committed. Nothing was changed.';
    END IF;
    PERFORM unsecure.require_out(v_leaver.role_name, v_leaver.state IN ('disabled', 'suspended'));

    -- Before the locks: one of those who are waited for may wait for them.
    IF v_leaver.actual_name IS NOT NULL THEN
        PERFORM unsecure.await_role_grants();
    END IF;
    PERFORM unsecure.lock_person(v_leaver.user_id);
    v_leaver := unsecure.require_deletable(_username);
    IF v_leaver.state = 'deleted' THEN
        RETURN; -- somebody else was faster
    END IF;
    IF v_leaver.actual_name IS NOT NULL THEN
        v_done := ARRAY[row(1, 'drop', v_leaver.role_name, NULL, format('DROP ROLE %I', v_leaver.actual_name), _reason)::auth.change];
        BEGIN
            PERFORM unsecure.execute_changes(v_done);
        EXCEPTION
            WHEN dependent_objects_still_exist THEN
                -- Granted meanwhile. What is said is what is there now.
                PERFORM unsecure.require_no_dependencies(v_leaver.role_oid, false);
                RAISE;
        END;
    END IF;
    DELETE FROM auth.role_membership m WHERE m.database_role_id = v_leaver.database_role_id;
    UPDATE auth.database_role r
    SET state            = 'deleted',
        role_oid         = NULL,
        reason           = _reason,
        recorded         = (coalesce(r.recorded, '{}') - 'doomed_in') || jsonb_build_object('role_oid', v_leaver.role_oid),
        state_changed_at = now(),
        updated_at       = now()
    WHERE r.database_role_id = v_leaver.database_role_id;
    RETURN QUERY SELECT (c).* FROM unnest(v_done) AS c;
END;
$function$;

COMMENT ON FUNCTION auth.finish_role_drop(text, text) IS
    'The last step of auth.delete_identity: waits for who may have granted the role something, drops it, and leaves the tombstone. '
    'RW511: auth.begin_role_drop was not committed before; RW514: something depends on it again; RW517: an open transaction may have granted it '
    'a membership.';

REVOKE ALL ON FUNCTION auth.begin_role_drop(text, text), auth.finish_role_drop(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.begin_role_drop(text, text), auth.finish_role_drop(text, text) TO rolewright_operator;

CREATE OR REPLACE PROCEDURE auth.delete_identity(
    _username      text,
    _reason        text,
    _reassign_to   text    DEFAULT NULL,
    _drop_owned    boolean DEFAULT false,
    _force         boolean DEFAULT false,
    _reassign_code boolean DEFAULT false,
    INOUT _report  jsonb   DEFAULT NULL
)
LANGUAGE plpgsql
AS $procedure$
DECLARE
    v_role     jsonb;
    v_left     jsonb;
    v_removed  jsonb := jsonb_build_array();
    v_attempt  integer := 0;
    v_is_again boolean;
    v_is_own   boolean; -- has the rights himself
    v_admin    text;
    v_step     text;
BEGIN
    COMMIT; -- where that is not possible, in a transaction block, it fails before anything is changed
    -- Both end with every COMMIT: a procedure with a SET clause could not COMMIT.
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    v_role   := auth.require_deletable(_username, _reason, _reassign_to, _reassign_code);
    v_is_own := (SELECT r.rolsuper OR r.oid = n.nspowner FROM pg_roles r, pg_namespace n WHERE r.rolname = current_user AND n.nspname = 'auth');
    IF v_role ->> 'state' = 'deleted' THEN
        RAISE NOTICE 'role % is deleted already', quote_ident(v_role ->> 'role_name');
        _report := jsonb_build_object('role_name', v_role ->> 'role_name', 'state', 'deleted', 'already_deleted', true);
        RETURN;
    END IF;
    IF (v_role ->> 'exists')::boolean THEN
        PERFORM auth.require_removable(_username, _reassign_to IS NOT NULL OR coalesce(_drop_owned, false));
        PERFORM auth.rehearse_removal(_username, _reassign_to, _drop_owned, _force, _reassign_code);
    END IF;
    COMMIT;
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);

    IF NOT coalesce((v_role ->> 'is_out')::boolean, false) AND NOT (v_role ->> 'is_doomed')::boolean THEN
        CALL auth.deprovision_identity(_username, _reason, true, true, 'disable', _report);
        COMMIT;
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    END IF;
    IF v_role ->> 'role_name' IS NULL THEN
        _report := coalesce(_report, '{}') || '{"role_name": null, "state": null}';
        RETURN; -- a user without a role is disabled now, and there is nothing to drop
    END IF;

    LOOP
        v_attempt  := v_attempt + 1;
        v_is_again := false;
        v_admin    := NULL;
        IF v_is_own THEN
            -- What only a superuser may administer, he lets the owner drop. It goes with the role.
            SELECT format('GRANT %I TO %I WITH ADMIN TRUE, INHERIT FALSE, SET FALSE', r.rolname, o.rolname) INTO v_admin
            FROM pg_roles r, pg_roles o, pg_namespace n, pg_roles me
            WHERE r.oid = (v_role ->> 'role_oid')::oid AND n.nspname = 'auth' AND o.oid = n.nspowner AND me.rolname = current_user AND me.rolsuper
              AND NOT pg_has_role(o.oid, r.oid, 'MEMBER WITH ADMIN OPTION')
              AND current_setting('server_version_num')::integer >= 160000;
            EXECUTE format('DO %L', unsecure.begin_object_removal(_username, _reassign_to, _drop_owned, _force, _reassign_code, false));
        ELSE
            PERFORM auth.remove_role_objects(_username, _reassign_to, _drop_owned, _force, _reassign_code);
        END IF;
        IF v_admin IS NOT NULL THEN
            EXECUTE v_admin;
        END IF;
        v_removed := v_removed || coalesce(nullif(current_setting('rolewright.removal', true), ''), '[]')::jsonb;
        COMMIT;
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        FOREACH v_step IN ARRAY ARRAY['begin', 'finish'] LOOP
            BEGIN
                IF v_step = 'begin' THEN
                    PERFORM auth.begin_role_drop(_username, _reason);
                ELSE
                    PERFORM auth.finish_role_drop(_username, _reason);
                END IF;
            EXCEPTION
                -- Somebody granted it something in the meantime.
                WHEN SQLSTATE 'RW514' THEN
                    IF v_attempt >= 3 THEN
                        RAISE;
                    END IF;
                    v_is_again := true;
            END;
            COMMIT;
            SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
            PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
            EXIT WHEN v_is_again;
        END LOOP;
        EXIT WHEN NOT v_is_again;
    END LOOP;

    SELECT jsonb_agg(p) INTO v_left FROM auth.leaver_proof(_username) AS p;
    IF v_left IS NOT NULL THEN
        RAISE EXCEPTION 'role % was dropped, but ways in are left', quote_ident(v_role ->> 'role_name')
            USING ERRCODE = 'RW517', DETAIL = v_left::text, HINT = 'See auth.leaver_proof.';
    END IF;
    _report := coalesce(_report, '{}') || jsonb_build_object(
        'role_name', v_role ->> 'role_name', 'role_oid', v_role -> 'role_oid', 'state', 'deleted', 'already_deleted', false,
        'removed', v_removed, 'left', '[]'::jsonb);
END;
$procedure$;

COMMENT ON PROCEDURE auth.delete_identity(text, text, text, boolean, boolean, boolean, jsonb) IS
    'Deletes a person''s role for good: puts the person out as auth.deprovision_identity does, removes what depends on the role in this '
    'database, drops it, and leaves a tombstone in auth.database_role, so that the name is not somebody else''s unnoticed. _reassign_to: who owns then what '
    'it owned; code (functions, views, tables with triggers, policies, rules or expressions) goes to rolewright_code_owner, which has no rights, unless '
    '_reassign_code. _drop_owned: what it owned is dropped. _force: also what others made of that, or were granted by it. _report: what was '
    'done. Can be called again after any failure. Refused before anything is changed: RW514: something depends on the role and '
    'neither is given, or it is in another database, or cannot be removed (the DETAIL lists all of it); RW011: nobody of that name; RW019: not managed; RW503: '
    'not for Rolewright; RW512: two of that name; RW515: the last administrator; RW519: no reason; RW506: as auth.begin_deprovision. After the person was put '
    'out: RW517: a session, or a transaction that may have granted the role something, does not end. Not within a transaction block (2D000).';

REVOKE ALL ON PROCEDURE auth.delete_identity(text, text, text, boolean, boolean, boolean, jsonb) FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE auth.delete_identity(text, text, text, boolean, boolean, boolean, jsonb) TO rolewright_operator;
