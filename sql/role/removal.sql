-- Removing what depends on a person's role, in this database: who may be deleted, the deed, and its rehearsal.

CREATE OR REPLACE FUNCTION unsecure.dependency_list(_role_oid oid, _elsewhere boolean DEFAULT false)
RETURNS text
LANGUAGE sql
STABLE
AS $function$
    SELECT string_agg(concat(d.database || ': ', d.kind || ' ' || nullif(d.database, current_database()) || ' ', d.object, ': ', d.dependency,
                             ', granted by ' || quote_ident(d.grantor)), E'\n')
    FROM unsecure.role_dependencies(_role_oid) AS d
    WHERE d.kind <> 'membership'
      AND (NOT _elsewhere OR d.database <> current_database());
$function$;

COMMENT ON FUNCTION unsecure.dependency_list(oid, boolean) IS
    'What keeps a role from being dropped, a line each (_elsewhere: in other databases); NULL: nothing. Not the memberships that it gave: those are given anew.';

CREATE OR REPLACE FUNCTION unsecure.require_no_dependencies(
    _role_oid  oid,
    _elsewhere boolean
)
RETURNS void
LANGUAGE plpgsql
STABLE
AS $function$
DECLARE
    v_list text := unsecure.dependency_list(_role_oid, _elsewhere);
BEGIN
    IF v_list IS NOT NULL THEN
        RAISE EXCEPTION 'role % cannot be dropped: % objects depend on it%',
                (SELECT quote_ident(r.rolname) FROM pg_roles r WHERE r.oid = _role_oid),
                (SELECT count(*) FROM regexp_split_to_table(v_list, E'\n')),
                CASE WHEN _elsewhere THEN ' in other databases' ELSE '' END
            USING ERRCODE = 'RW514',
                  DETAIL  = v_list,
                  HINT    = CASE WHEN _elsewhere
                                 THEN format('Objects are removed in the database that they are in: "rolewright delete" goes through all of them (%s); or '
                                             'connect to each and run what auth.removal_script returns.',
                                             (SELECT string_agg(DISTINCT quote_ident(d.database), ', ')
                                              FROM unsecure.role_dependencies(_role_oid) AS d WHERE d.database <> current_database()))
                                 ELSE 'Pass _reassign_to => ''somebody'' to give them away, or _drop_owned => true to drop them.' END;
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.require_no_dependencies(oid, boolean) IS 'RW514 with the full list of what depends on a role.';

CREATE OR REPLACE FUNCTION unsecure.require_deletable(
    _username text,
    OUT user_id          uuid,
    OUT database_role_id uuid,
    OUT role_name        text,
    OUT role_oid         oid,
    OUT actual_name      text,
    OUT state            text
)
LANGUAGE plpgsql
STABLE
AS $function$
BEGIN
    SELECT l.user_id, l.database_role_id, l.role_name, l.role_oid, l.actual_name, l.state
    INTO user_id, database_role_id, role_name, role_oid, actual_name, state
    FROM unsecure.find_leaver(_username) AS l;
    IF role_name IS NULL OR state = 'deleted' THEN
        RETURN;
    END IF;
    PERFORM unsecure.require_touchable(role_name);
    PERFORM unsecure.require_touchable(role_name);
    -- It has the other name after a deletion that did not come to its end.
    IF coalesce(actual_name <> unsecure.doomed_role_name(role_oid), true) THEN
        PERFORM unsecure.require_managed_role(role_name, 'login');
        IF actual_name <> role_name THEN
            RAISE EXCEPTION 'somebody renamed role % to %', quote_ident(role_name), quote_ident(actual_name)
                USING ERRCODE = 'RW019', HINT = 'Rename it back, or let it go with auth.release_role. Nothing was changed.';
        END IF;
    END IF;
    PERFORM unsecure.require_not_last_administrator(role_oid);
END;
$function$;

COMMENT ON FUNCTION unsecure.require_deletable(text) IS
    'Whose role is to be deleted; state deleted: it is, and nothing was checked. RW011, RW512: as unsecure.find_person; RW019: not managed, '
    'or renamed; RW503: not for Rolewright; RW515: the last administrator.';

CREATE OR REPLACE FUNCTION unsecure.require_successor(
    _role_name     text,
    _reassign_to   text,
    _reassign_code boolean
)
RETURNS void
LANGUAGE plpgsql
STABLE
AS $function$
DECLARE
    v_successor pg_roles;
BEGIN
    IF _reassign_to IS NULL THEN
        RETURN;
    END IF;
    SELECT * INTO v_successor FROM pg_roles r WHERE r.rolname = _reassign_to;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'role % does not exist', quote_ident(_reassign_to)
            USING ERRCODE = 'RW019', DETAIL = 'It was to own what the deleted role owns.', HINT = 'Nothing was changed.';
    ELSIF _reassign_to = _role_name OR starts_with(_reassign_to, 'pg_') THEN
        RAISE EXCEPTION 'role % cannot own what role % owns', quote_ident(_reassign_to), quote_ident(_role_name)
            USING ERRCODE = 'RW503',
                  DETAIL  = CASE WHEN _reassign_to = _role_name THEN 'It is the role that is deleted.'
                                 ELSE 'It is one of PostgreSQL''s predefined roles.' END,
                  HINT    = 'Name another role. Nothing was changed.';
    ELSIF coalesce(_reassign_code, false) AND unsecure.is_elevated(v_successor.oid) THEN
        -- The leaver's functions would run with rights that the leaver did not have.
        PERFORM unsecure.require_administrator(format('give code to the elevated role %I', _reassign_to));
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.require_successor(text, text, boolean) IS
    'RW019: there is no such role; RW503: it cannot be that one; RW513: only an administrator gives code to an elevated role.';

CREATE OR REPLACE FUNCTION unsecure.require_out(_role_name text, _is_out boolean)
RETURNS void
LANGUAGE plpgsql
IMMUTABLE
AS $function$
BEGIN
    IF NOT _is_out THEN
        RAISE EXCEPTION 'role % is active', quote_ident(_role_name)
            USING ERRCODE = 'RW511', HINT = 'auth.deprovision_identity comes first. Nothing was changed.';
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.require_out(text, boolean) IS 'RW511: the person was not put out.';

REVOKE ALL ON FUNCTION
    unsecure.dependency_list(oid, boolean),
    unsecure.require_no_dependencies(oid, boolean),
    unsecure.require_deletable(text),
    unsecure.require_successor(text, text, boolean),
    unsecure.require_out(text, boolean)
FROM PUBLIC;

CREATE OR REPLACE FUNCTION unsecure.begin_object_removal(
    _username      text,
    _reassign_to   text,
    _drop_owned    boolean,
    _force         boolean,
    _reassign_code boolean,
    _rehearse      boolean
)
RETURNS text
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_leaver record := unsecure.require_deletable(_username);
BEGIN
    PERFORM unsecure.lock_person(v_leaver.user_id);
    v_leaver := unsecure.require_deletable(_username);
    IF v_leaver.actual_name IS NULL THEN
        RETURN 'BEGIN END';
    END IF;
    PERFORM unsecure.require_successor(v_leaver.role_name, _reassign_to, _reassign_code);
    IF _reassign_to IS NULL AND NOT coalesce(_drop_owned, false) THEN
        PERFORM unsecure.require_no_dependencies(v_leaver.role_oid, false);
    END IF;
    IF NOT coalesce(_rehearse, false) THEN
        PERFORM unsecure.require_out(v_leaver.role_name, v_leaver.state IN ('disabled', 'suspended'));
        -- Whatever else somebody grants it, nobody manages the role that is to have no rights.
        INSERT INTO auth.protected_role (role_name)
        SELECT 'rolewright_code_owner' WHERE _reassign_to IS NOT NULL AND NOT coalesce(_reassign_code, false)
        ON CONFLICT DO NOTHING;
        INSERT INTO auth.audit_event (event_code, user_id, subject_type, subject_id, before, after)
        SELECT 'role.emptied', v_leaver.user_id, 'role', v_leaver.database_role_id,
               jsonb_build_object('database', current_database(), 'dependencies', l.list),
               jsonb_build_object('role_name', v_leaver.role_name, 'reassign_to', _reassign_to, 'drop_owned', _drop_owned, 'force', _force,
                                  'reassign_code', _reassign_code)
        FROM (SELECT unsecure.dependency_list(v_leaver.role_oid) AS list) AS l
        WHERE l.list IS NOT NULL;
    END IF;
    RETURN unsecure.removal_body(v_leaver.actual_name, _reassign_to, _drop_owned, _force, _reassign_code, _rehearse);
END;
$function$;

COMMENT ON FUNCTION unsecure.begin_object_removal(text, text, boolean, boolean, boolean, boolean) IS
    'For a caller with rights of his own: checks and locks, writes the audit row, and returns the body of the DO statement that he executes in '
    'the same transaction (auth.removal_script). RW511: the role is active (unless _rehearse); others as auth.delete_identity.';

CREATE OR REPLACE FUNCTION auth.remove_role_objects(
    _username      text,
    _reassign_to   text    DEFAULT NULL,
    _drop_owned    boolean DEFAULT false,
    _force         boolean DEFAULT false,
    _reassign_code boolean DEFAULT false,
    _rehearse      boolean DEFAULT false
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    EXECUTE format('DO %L', unsecure.begin_object_removal(_username, _reassign_to, _drop_owned, _force, _reassign_code, _rehearse));
END;
$function$;

COMMENT ON FUNCTION auth.remove_role_objects(text, text, boolean, boolean, boolean, boolean) IS
    'Removes what keeps a person''s role from being dropped, in this database, with the rights of Rolewright''s owner. Arguments and '
    'errors: auth.removal_script, auth.delete_identity; RW511: the role is active.';

REVOKE ALL ON FUNCTION
    unsecure.begin_object_removal(text, text, boolean, boolean, boolean, boolean),
    auth.remove_role_objects(text, text, boolean, boolean, boolean, boolean)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.remove_role_objects(text, text, boolean, boolean, boolean, boolean) TO rolewright_operator;

-- Does it all and takes it back: what PostgreSQL would refuse is refused before anything is changed. Invoker: a superuser, and Rolewright's owner, do it
-- with their own rights, since only they can SET ROLE to who granted something.
CREATE OR REPLACE FUNCTION auth.rehearse_removal(
    _username      text,
    _reassign_to   text    DEFAULT NULL,
    _drop_owned    boolean DEFAULT false,
    _force         boolean DEFAULT false,
    _reassign_code boolean DEFAULT false
)
RETURNS text[]
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $function$
DECLARE
    v_done text;
BEGIN
    IF (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user)
       OR current_user = (SELECT r.rolname FROM pg_roles r JOIN pg_namespace n ON n.nspowner = r.oid WHERE n.nspname = 'auth')
    THEN
        EXECUTE format('DO %L', unsecure.begin_object_removal(_username, _reassign_to, _drop_owned, _force, _reassign_code, true));
    ELSE
        PERFORM auth.remove_role_objects(_username, _reassign_to, _drop_owned, _force, _reassign_code, true);
    END IF;
    RETURN ARRAY[]::text[];
EXCEPTION
    WHEN SQLSTATE 'RW599' THEN
        GET STACKED DIAGNOSTICS v_done = PG_EXCEPTION_DETAIL;
        RETURN ARRAY(SELECT jsonb_array_elements_text(v_done::jsonb));
    -- Sessions of the leaver, who is not out yet, or memberships, may be in the way of the rehearsal, and will not be in the way of the deed.
    WHEN lock_not_available OR invalid_grant_operation OR deadlock_detected OR internal_error THEN
        RETURN NULL;
    WHEN insufficient_privilege OR dependent_objects_still_exist THEN
        GET STACKED DIAGNOSTICS v_done = PG_EXCEPTION_DETAIL;
        RAISE EXCEPTION 'what depends on % cannot be removed: %', to_json(_username), SQLERRM
            USING ERRCODE = 'RW514',
                  DETAIL  = coalesce(v_done, ''),
                  HINT    = CASE SQLSTATE WHEN '42501' THEN 'As a superuser, CALL auth.delete_identity with the same arguments. Nothing was changed.'
                                          ELSE 'Pass _force => true to drop what others made of it too. Nothing was changed.' END;
END;
$function$;

COMMENT ON FUNCTION auth.rehearse_removal(text, text, boolean, boolean, boolean) IS
    'The statements that would remove what keeps a person''s role from being dropped, in this database; NULL: it could not be tried, because somebody '
    'holds a lock. RW514: what cannot be removed, and why.';

REVOKE ALL ON FUNCTION auth.rehearse_removal(text, text, boolean, boolean, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.rehearse_removal(text, text, boolean, boolean, boolean) TO rolewright_operator;

CREATE OR REPLACE FUNCTION auth.record_removal(
    _username text,
    _database text,
    _removed  jsonb
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_leaver record := unsecure.find_leaver(_username);
BEGIN
    IF v_leaver.database_role_id IS NULL THEN
        RAISE EXCEPTION 'user % has no role', to_json(_username)
            USING ERRCODE = 'RW019', HINT = 'auth.database_role lists the managed roles. Nothing was changed.';
    ELSIF _database IS NULL OR jsonb_typeof(_removed) IS DISTINCT FROM 'array' THEN
        RAISE EXCEPTION 'no database, or no list of statements'
            USING ERRCODE = 'RW519', HINT = '_removed is the JSON array that the setting rolewright.removal has. Nothing was changed.';
    END IF;
    INSERT INTO auth.audit_event (event_code, user_id, subject_type, subject_id, before, after)
    SELECT 'role.emptied', v_leaver.user_id, 'role', v_leaver.database_role_id,
           jsonb_build_object('database', _database),
           jsonb_build_object('role_name', v_leaver.role_name, 'reported', _removed)
    WHERE _removed <> '[]';
END;
$function$;

COMMENT ON FUNCTION auth.record_removal(text, text, jsonb) IS
    'Writes the audit row (role.emptied) of what auth.removal_script removed in another database. It is the caller''s word: nothing here can '
    'see what happened there. _removed: the JSON array that the setting rolewright.removal has then; an empty one writes nothing. RW011, RW512: as '
    'auth.leaver_proof; RW019: the user has no role; RW519: no database, or no array.';

REVOKE ALL ON FUNCTION auth.record_removal(text, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.record_removal(text, text, jsonb) TO rolewright_operator;
