-- Carrying a plan out. The work is done with the rights of the caller (SECURITY INVOKER, so that it can SET ROLE to a grantor): auth.sync_roles runs
-- what auth.begin_role_sync gives it under the lock, and auth.finish_role_sync looks whether the roles can do now what was declared, and nothing else.

CREATE OR REPLACE FUNCTION unsecure.require_possible(_steps unsecure.grant_step[])
RETURNS void
LANGUAGE plpgsql
STABLE
AS $function$
BEGIN
    IF EXISTS (SELECT FROM unnest(_steps) AS s WHERE s.problem IS NOT NULL) THEN
        RAISE EXCEPTION 'some roles cannot become what is declared'
            USING ERRCODE = 'RW522',
                  DETAIL  = (SELECT string_agg(format('%s: %s%s%s.', quote_ident(c.role_name), coalesce(c.object || ': ', ''), c.reason,
                                                      '; it would take: ' || c.statement), E'\n' ORDER BY c.ordinal)
                             FROM (SELECT * FROM unsecure.shown_steps(_steps) AS p WHERE p.action = 'conflict' ORDER BY p.ordinal LIMIT 100) AS c),
                  HINT    = 'Nothing was changed. Do what the DETAIL says, as a superuser or as the role that it names, and try again.';
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.require_possible(unsecure.grant_step[]) IS 'RW522 with all that cannot be done, and why.';

CREATE OR REPLACE FUNCTION unsecure.require_role_oid(_role_name text)
RETURNS oid
LANGUAGE plpgsql
STABLE
AS $function$
DECLARE
    v_oid oid := (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = _role_name);
BEGIN
    IF v_oid IS NULL THEN
        RAISE EXCEPTION 'role % does not exist', coalesce(quote_ident(_role_name), 'NULL') USING ERRCODE = 'RW019', HINT = 'pg_roles lists the roles.';
    END IF;
    RETURN v_oid;
END;
$function$;

COMMENT ON FUNCTION unsecure.require_role_oid(text) IS 'The oid of a role. RW019: there is none of this name.';

CREATE OR REPLACE FUNCTION auth.planned_changes(
    _declaration jsonb,
    _caller      text
)
RETURNS SETOF auth.change
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $function$
BEGIN
    RETURN QUERY
    SELECT * FROM unsecure.shown_steps(ARRAY(SELECT s FROM unsecure.plan_grants(_declaration, unsecure.require_role_oid(_caller)) AS s));
END;
$function$;

COMMENT ON FUNCTION auth.planned_changes(jsonb, text) IS 'auth.plan_roles for somebody else: what _caller, a role, would do. No row: nothing.';

CREATE OR REPLACE FUNCTION auth.begin_role_sync(
    _declaration   jsonb,
    _caller        text,
    OUT changes    auth.change[],
    OUT statements text[],
    OUT actors     text[],
    OUT verifiers  jsonb,
    OUT moved      jsonb
)
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $function$
DECLARE
    v_caller   oid := unsecure.require_role_oid(_caller);
    v_snapshot text := pg_current_snapshot()::text;
    v_steps    unsecure.grant_step[];
    v_hash     text := _declaration -> 'options' ->> 'plan_hash';
    v_role     text;
BEGIN
    PERFORM unsecure.require_administrator('change what roles may do');
    v_steps := ARRAY(SELECT s FROM unsecure.plan_grants(_declaration, v_caller) AS s);
    -- Nothing to do takes no lock.
    IF v_steps <> '{}' THEN
        PERFORM unsecure.lock_roles();
        IF _declaration -> 'options' ? 'lock_key' THEN
            PERFORM pg_advisory_xact_lock((_declaration -> 'options' ->> 'lock_key')::numeric::bigint);
        END IF;
        -- What was planned before we had the locks may be outdated, unless nobody has done anything since.
        IF pg_current_snapshot()::text <> v_snapshot THEN
            v_steps := ARRAY(SELECT s FROM unsecure.plan_grants(_declaration, v_caller) AS s);
        END IF;
    END IF;
    changes := ARRAY(SELECT c FROM unsecure.shown_steps(v_steps) AS c);
    IF v_hash IS NOT NULL AND v_hash <> auth.plan_hash(changes) THEN
        RAISE EXCEPTION 'the plan is not the one that was reviewed'
            USING ERRCODE = 'RW523',
                  DETAIL  = format('It has %s changes and the hash %s; reviewed was %s.', cardinality(changes), auth.plan_hash(changes), v_hash),
                  HINT    = 'Something has changed since: look at the plan again. Nothing was changed.';
    END IF;
    PERFORM unsecure.require_possible(v_steps);
    -- What another database's sync was to make.
    v_role := (SELECT min(m.name)
               FROM (SELECT s.grantee AS name FROM unnest(v_steps) AS s WHERE s.grantee <> 'public'
                     EXCEPT SELECT r.rolname FROM pg_roles r
                     EXCEPT SELECT c.role_name FROM unnest(v_steps) AS c WHERE c.action = 'create' AND c.object IS NULL) AS m);
    IF v_role IS NOT NULL THEN
        RAISE EXCEPTION 'role % does not exist', quote_ident(v_role)
            USING ERRCODE = 'RW521', HINT = 'With the scope database no roles are made: sync the database that makes them first. Nothing was changed.';
    END IF;

    verifiers := '{}';
    FOR v_role IN SELECT s.role_name FROM unnest(v_steps) AS s WHERE s.action = 'alter' AND s.object = 'password' LOOP
        verifiers := verifiers || (
            SELECT jsonb_build_object(v_role, unsecure.password_verifier(coalesce(g.element ->> 'verifier', g.element ->> 'password')))
            FROM unsecure.declared_grants(_declaration) AS g
            WHERE g.role_name = v_role AND g.element ->> 'type' = 'login');
    END LOOP;
    PERFORM unsecure.hold_roles(ARRAY(
        SELECT r.rolname FROM unnest(v_steps) AS s JOIN pg_roles r ON r.rolname = s.grantee WHERE s.phase IN (44, 46)
        UNION
        SELECT r.rolname FROM unnest(v_steps) AS s JOIN pg_roles r ON quote_ident(r.rolname) = s.object WHERE s.phase IN (44, 46)));
    moved := (SELECT coalesce(jsonb_agg(jsonb_build_object('kind', s.moved_kind, 'oid', s.moved_oid, 'object', s.object, 'is_careful', s.is_careful)), '[]')
              FROM unnest(v_steps) AS s WHERE s.moved_oid IS NOT NULL);
    SELECT coalesce(array_agg(c.statement ORDER BY c.nth), '{}'), coalesce(array_agg(c.actor ORDER BY c.nth), '{}')
    INTO statements, actors
    FROM unsecure.grant_script(v_steps, v_caller, verifiers) WITH ORDINALITY AS c (statement, actor, nth);
END;
$function$;

COMMENT ON FUNCTION auth.begin_role_sync(jsonb, text) IS
    'The first half of auth.sync_roles: takes the locks, and returns what is to be done and the statements for it, each with the role to SET '
    'ROLE to (NULL: none). _caller: with whose rights. RW513, RW501, RW520 to RW523.';

-- What an intermediate role stands for is what it has now.
CREATE OR REPLACE FUNCTION unsecure.register_intermediates(_role_names text[])
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $function$
BEGIN
    IF _role_names = '{}' THEN
        RETURN;
    END IF;
    INSERT INTO auth.intermediate_role AS i (role_name, role_oid, object_kind, object_oid, object_subid, privileges)
    SELECT r.rolname, r.oid, o.kind, o.object_oid, o.subid, array_agg(x.privilege_type ORDER BY x.privilege_type COLLATE "C")
    FROM pg_roles r
    CROSS JOIN LATERAL unsecure.objects_of(ARRAY[r.oid]) AS o
    CROSS JOIN LATERAL aclexplode(o.acl) AS x
    WHERE r.rolname = ANY (_role_names) AND x.grantee = r.oid
    GROUP BY r.rolname, r.oid, o.kind, o.object_oid, o.subid
    ON CONFLICT (object_kind, object_oid, object_subid, privileges) DO UPDATE
        SET role_name = excluded.role_name, role_oid = excluded.role_oid;
END;
$function$;

COMMENT ON FUNCTION unsecure.register_intermediates(text[]) IS 'Writes down what the intermediate roles that were just made are for.';

CREATE OR REPLACE FUNCTION auth.finish_role_sync(
    _declaration jsonb,
    _caller      text,
    _changes     auth.change[],
    _verifiers   jsonb,
    _moved       jsonb
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET client_min_messages = error
SET jit = off
AS $function$
DECLARE
    v_left  auth.change;
    v_moved record;
BEGIN
    PERFORM unsecure.require_administrator('change what roles may do');
    -- While we waited for a lock somebody may have put something else in the place of what was planned. Now it is ours, and nobody can.
    FOR v_moved IN SELECT * FROM jsonb_to_recordset(_moved) AS m (kind text, oid oid, object text, is_careful boolean) LOOP
        IF v_moved.is_careful AND unsecure.runs_as_owner(v_moved.kind, v_moved.oid)
           OR NOT EXISTS (SELECT
                          FROM unsecure.grant_kinds() AS k
                          CROSS JOIN LATERAL unsecure.grant_objects(
                              ARRAY[CASE WHEN k.kind IN ('table', 'sequence') THEN 'pg_class'::regclass WHEN k.kind IN ('function', 'procedure') THEN 'pg_proc'::regclass
                                         WHEN k.kind = 'type' THEN 'pg_type'::regclass WHEN k.kind = 'schema' THEN 'pg_namespace'::regclass ELSE 'pg_database'::regclass END::oid],
                              ARRAY[v_moved.oid], ARRAY[0]) AS o
                          WHERE k.kind = v_moved.kind AND lower(k.words) || ' ' || o.label = v_moved.object)
        THEN
            RAISE EXCEPTION '% is not any more what it was', v_moved.object
                USING ERRCODE = 'serialization_failure', DETAIL = 'Somebody replaced it, or made it run with the rights of its owner, meanwhile.',
                      HINT = 'Try again. Nothing was changed.';
        END IF;
    END LOOP;
    PERFORM unsecure.require_kept(ARRAY(SELECT c.role_name FROM unnest(_changes) AS c WHERE c.action = 'grant'));
    PERFORM unsecure.register_intermediates(ARRAY(
        SELECT c.role_name FROM unnest(_changes) AS c WHERE c.action = 'create' AND c.object IS NULL AND starts_with(c.role_name, 'rolewright_via_')));
    INSERT INTO unsecure.declared_password AS p (role_oid, salt, iterations, digest)
    SELECT r.oid, decode(split_part(split_part(v.value, '$', 2), ':', 2), 'base64'), split_part(split_part(v.value, '$', 2), ':', 1)::integer,
           sha256(convert_to(v.value, 'UTF8'))
    FROM jsonb_each_text(_verifiers) AS v
    JOIN pg_roles r ON r.rolname = v.key
    ON CONFLICT (role_oid) DO UPDATE SET salt = excluded.salt, iterations = excluded.iterations, digest = excluded.digest;

    DELETE FROM auth.intermediate_role i
    WHERE EXISTS (SELECT FROM unnest(_changes) AS c WHERE c.action = 'drop' AND c.role_name = i.role_name);

    -- A GRANT or REVOKE without authority may only warn; and somebody's psql may have been there meanwhile.
    SELECT * INTO v_left
    FROM unsecure.shown_steps(ARRAY(SELECT s FROM unsecure.plan_grants(_declaration, unsecure.require_role_oid(_caller), true) AS s)) AS c
    ORDER BY c.ordinal
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'PostgreSQL did not do what it was told about %', quote_ident(v_left.role_name)
            USING ERRCODE = 'RW507',
                  DETAIL  = format('Still to be done: %s (%s).', v_left.statement, concat_ws(': ', v_left.object, v_left.reason)),
                  HINT    = 'Nothing was changed.';
    END IF;
    PERFORM unsecure.audit_changes(_changes);
END;
$function$;

COMMENT ON FUNCTION auth.finish_role_sync(jsonb, text, auth.change[], jsonb, jsonb) IS
    'The second half of auth.sync_roles: looks whether everything is done (RW507: it is not), and writes one audit row per change. RW513.';

CREATE OR REPLACE FUNCTION auth.sync_roles(_declaration jsonb)
RETURNS SETOF auth.change
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off
SET jit = off
AS $function$
DECLARE
    v_role   text := current_setting('role');
    v_self   text := current_setting('createrole_self_grant', true);
    v_notice text := current_setting('client_min_messages');
    v_wait   text := current_setting('lock_timeout');
    v_work   record;
    v_step   record;
    v_actor  text;
BEGIN
    FOR v_attempt IN 1 .. 6 LOOP
        v_work := auth.begin_role_sync(_declaration, current_user::text);
        EXIT WHEN v_work.changes = '{}';
        BEGIN
            -- PostgreSQL 16 and later: the caller's setting would make him a member of what he creates.
            IF v_self <> '' THEN
                PERFORM set_config('createrole_self_grant', '', true);
            END IF;
            PERFORM set_config('client_min_messages', 'error', true);
            -- Others wait for our lock: somebody who holds one on a table of his does not keep them from leaving.
            IF v_wait = '0' THEN
                PERFORM set_config('lock_timeout', '5s', true);
            END IF;
            v_actor := NULL;
            FOR v_step IN SELECT * FROM unnest(v_work.statements, v_work.actors) AS u (statement, actor) LOOP
                IF v_step.actor IS DISTINCT FROM v_actor THEN
                    v_actor := v_step.actor;
                    PERFORM set_config('role', coalesce(v_actor, v_role), true);
                END IF;
                IF v_work.verifiers <> '{}' AND v_step.statement LIKE 'ALTER ROLE % PASSWORD %' THEN
                    -- PostgreSQL puts a statement that fails into the error's CONTEXT.
                    BEGIN
                        EXECUTE v_step.statement;
                    EXCEPTION
                        WHEN OTHERS THEN
                            RAISE EXCEPTION '%', SQLERRM USING ERRCODE = SQLSTATE;
                    END;
                ELSE
                    EXECUTE v_step.statement;
                END IF;
            END LOOP;
            IF v_actor IS NOT NULL THEN
                PERFORM set_config('role', v_role, true);
            END IF;
            PERFORM set_config('client_min_messages', v_notice, true), set_config('lock_timeout', v_wait, true);
            IF v_self <> '' THEN
                PERFORM set_config('createrole_self_grant', v_self, true);
            END IF;
            PERFORM auth.finish_role_sync(_declaration, current_user::text, v_work.changes, v_work.verifiers, v_work.moved);
            EXIT;
        EXCEPTION
            WHEN lock_not_available OR deadlock_detected THEN
                RAISE EXCEPTION 'somebody holds a lock on what shall be changed'
                    USING ERRCODE = 'RW524', DETAIL = format('PostgreSQL says: %s.', SQLERRM),
                          HINT = 'Nothing was changed. pg_locks and pg_blocking_pids tell who; or set lock_timeout, to wait for longer.';
            -- Somebody else's psql changed the same object, role or membership meanwhile: look again.
            WHEN internal_error OR unique_violation OR duplicate_object OR duplicate_schema OR serialization_failure OR undefined_object OR undefined_table
                 OR undefined_column OR undefined_function OR invalid_schema_name OR insufficient_privilege OR SQLSTATE 'RW507' THEN
                IF v_attempt = 6 AND SQLSTATE = '42501' THEN
                    RAISE EXCEPTION 'PostgreSQL refuses to make the roles what is declared'
                        USING ERRCODE = 'RW522', DETAIL = format('It says: %s.', SQLERRM),
                              HINT = 'Nothing was changed. auth.plan_script shows the statements.';
                ELSIF v_attempt = 6 THEN
                    RAISE;
                END IF;
            -- The last one: a row that is too big, where so many were told to have it directly.
            WHEN invalid_grant_operation OR wrong_object_type OR dependent_objects_still_exist OR feature_not_supported OR program_limit_exceeded THEN
                RAISE EXCEPTION 'PostgreSQL refuses to make the roles what is declared'
                    USING ERRCODE = 'RW522', DETAIL = format('It says: %s.', SQLERRM),
                          HINT = 'Nothing was changed. auth.plan_script shows the statements.';
        END;
    END LOOP;
    RETURN QUERY SELECT * FROM unnest(v_work.changes);
END;
$function$;

COMMENT ON FUNCTION auth.sync_roles(jsonb) IS
    'Makes roles able to do what is declared, and nothing else, in this database; returns what was done, one row per change; no rows: nothing was to '
    'be done. _declaration: an object with roles (an object: name → {"grants": […], "preserve_schemas": […], "options": {…}}, as in auth.sync_role), '
    'public (rules for PUBLIC: grants with "action": "grant" or "revoke"; what no rule names stays), drop_unused (true: as auth.drop_unused_roles), preserve_schemas and options (for roles that have '
    'none; and lock_key, an advisory lock to take too, and plan_hash: see auth.plan_hash). It is done with the caller''s rights; memberships that he gives '
    'himself for the work are gone afterwards. RW513: not an administrator; RW501: not in READ COMMITTED; RW503, RW504: not a role for Rolewright to '
    'change; RW520: not understood; RW521: something does not exist; RW522: the caller cannot do it; RW523: not the reviewed plan; RW507: '
    'PostgreSQL only warned.';

CREATE OR REPLACE FUNCTION auth.plan_roles(_declaration jsonb)
RETURNS SETOF auth.change
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT * FROM auth.planned_changes(_declaration, current_user::text);
$function$;

COMMENT ON FUNCTION auth.plan_roles(jsonb) IS
    'What auth.sync_roles would do, in its order, after what it cannot do (conflict: it would refuse). No rows: nothing. Errors: as there.';

CREATE OR REPLACE FUNCTION auth.plan_script(_declaration jsonb)
RETURNS SETOF text
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_step  record;
    v_made  text[];
    v_actor text;
    v_back  text := CASE current_setting('role') WHEN 'none' THEN 'SET LOCAL ROLE NONE' ELSE format('SET LOCAL ROLE %I', current_setting('role')) END;
BEGIN
    FOR v_step IN SELECT * FROM auth.planned_statements(_declaration, current_user::text) LOOP
        IF v_step.actor IS DISTINCT FROM v_actor THEN
            v_actor := v_step.actor;
            RETURN NEXT CASE WHEN v_actor IS NULL THEN v_back ELSE format('SET LOCAL ROLE %I', v_actor) END;
        END IF;
        RETURN NEXT v_step.statement;
    END LOOP;
    IF v_actor IS NOT NULL THEN
        RETURN NEXT v_back;
    END IF;
    v_made := ARRAY(SELECT c.role_name FROM auth.planned_changes(_declaration, current_user::text) AS c
                    WHERE c.action = 'create' AND starts_with(c.role_name, 'rolewright_via_') ORDER BY c.role_name);
    IF v_made <> '{}' THEN
        RETURN NEXT format('SELECT auth.register_intermediate_roles(%L)', v_made);
    END IF;
END;
$function$;

COMMENT ON FUNCTION auth.plan_script(jsonb) IS
    'The statements that auth.sync_roles would run, in order, for one transaction of psql as the same user; without a semicolon, and without '
    'passwords (a comment stands for them). Errors: as there; RW522: not all of it can be done.';

CREATE OR REPLACE FUNCTION auth.register_intermediate_roles(_role_names text[])
RETURNS void
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM unsecure.require_administrator('register roles');
    PERFORM unsecure.register_intermediates(_role_names);
END;
$function$;

COMMENT ON FUNCTION auth.register_intermediate_roles(text[]) IS
    'What a script of auth.plan_script that makes intermediate roles ends with: writes down what they are for. RW513: not an administrator.';

CREATE OR REPLACE FUNCTION auth.planned_statements(
    _declaration jsonb,
    _caller      text
)
RETURNS TABLE (statement text, actor text)
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $function$
DECLARE
    v_caller oid := unsecure.require_role_oid(_caller);
    v_steps  unsecure.grant_step[] := ARRAY(SELECT s FROM unsecure.plan_grants(_declaration, v_caller) AS s);
BEGIN
    PERFORM unsecure.require_possible(v_steps);
    RETURN QUERY SELECT * FROM unsecure.grant_script(v_steps, v_caller, NULL);
END;
$function$;

COMMENT ON FUNCTION auth.planned_statements(jsonb, text) IS 'auth.plan_script for somebody else, with the role to SET ROLE to for each statement.';

CREATE OR REPLACE FUNCTION auth.single_declaration(
    _role_name        text,
    _grants           jsonb,
    _preserve_schemas text[] DEFAULT '{}',
    _options          jsonb DEFAULT '{}'
)
RETURNS jsonb
LANGUAGE sql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT jsonb_build_object(
        'roles', jsonb_build_object(coalesce(_role_name, ''), jsonb_build_object('grants', coalesce(_grants, 'null'))),
        'preserve_schemas', to_jsonb(coalesce(_preserve_schemas, '{}')),
        'options', coalesce(_options, '{}'));
$function$;

COMMENT ON FUNCTION auth.single_declaration(text, jsonb, text[], jsonb) IS 'The declaration of one role, as auth.sync_roles takes it.';

CREATE OR REPLACE FUNCTION auth.sync_role(
    _role_name        text,
    _grants           jsonb,
    _preserve_schemas text[] DEFAULT '{}',
    _options          jsonb DEFAULT '{}'
)
RETURNS SETOF auth.change
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN QUERY SELECT * FROM auth.sync_roles(auth.single_declaration(_role_name, _grants, _preserve_schemas, _options));
END;
$function$;

COMMENT ON FUNCTION auth.sync_role(text, jsonb, text[], jsonb) IS
    'Makes one role able to do what _grants says in this database, and nothing else; it is created where it is missing. Returns what was done, one row '
    'per change. _grants: an array of objects, each with a type: login (password or verifier: absent, it stays; valid_until with an offset; '
    'connection_limit), without which the role cannot log in (sessions that are open stay); membership (role, inherit, set, admin); database, schema, language, foreign_server, '
    'foreign_data_wrapper, tablespace, parameter, large_object (name); table (views too; columns), sequence, function (name or signature), procedure, type (schema, '
    'and name, pattern, a regular expression for the whole name, or "all": true); default (creator, schema, objects: TABLES, SEQUENCES, FUNCTIONS, TYPES, SCHEMAS). '
    'All but the first two with privileges (or ["ALL"]), "grant_option": true, via (auto, direct, group: through a role of its own, which auto does where an '
    'ACL gets long), or "owner": true instead. _preserve_schemas: their contents are left as they are. _options: missing (error, skip, create: schemas and '
    'parent roles), lock_key, new_owner (of what the role owns and is not declared to; the caller), scope (all, database: nothing that databases share), '
    'reuse_name. Errors: as auth.sync_roles.';

CREATE OR REPLACE FUNCTION auth.plan_role(
    _role_name        text,
    _grants           jsonb,
    _preserve_schemas text[] DEFAULT '{}',
    _options          jsonb DEFAULT '{}'
)
RETURNS SETOF auth.change
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT * FROM auth.planned_changes(auth.single_declaration(_role_name, _grants, _preserve_schemas, _options), current_user::text);
$function$;

COMMENT ON FUNCTION auth.plan_role(text, jsonb, text[], jsonb) IS 'What auth.sync_role would do; as auth.plan_roles.';

REVOKE ALL ON FUNCTION
    unsecure.require_possible(unsecure.grant_step[]),
    unsecure.require_role_oid(text),
    unsecure.register_intermediates(text[]),
    auth.planned_changes(jsonb, text),
    auth.begin_role_sync(jsonb, text),
    auth.finish_role_sync(jsonb, text, auth.change[], jsonb, jsonb),
    auth.register_intermediate_roles(text[]),
    auth.sync_roles(jsonb),
    auth.plan_roles(jsonb),
    auth.plan_script(jsonb),
    auth.planned_statements(jsonb, text),
    auth.single_declaration(text, jsonb, text[], jsonb),
    auth.sync_role(text, jsonb, text[], jsonb),
    auth.plan_role(text, jsonb, text[], jsonb)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    auth.begin_role_sync(jsonb, text),
    auth.finish_role_sync(jsonb, text, auth.change[], jsonb, jsonb),
    auth.register_intermediate_roles(text[]),
    auth.sync_roles(jsonb),
    auth.sync_role(text, jsonb, text[], jsonb)
TO rolewright_operator;
GRANT EXECUTE ON FUNCTION
    auth.planned_changes(jsonb, text),
    auth.plan_roles(jsonb),
    auth.plan_script(jsonb),
    auth.planned_statements(jsonb, text),
    auth.single_declaration(text, jsonb, text[], jsonb),
    auth.plan_role(text, jsonb, text[], jsonb)
TO rolewright_operator, rolewright_auditor;
