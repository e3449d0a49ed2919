-- Carrying out what the plan says.
--
-- Locks come in one order: the permission model, then providers, groups, users, identities, members, then the bindings' lock,
-- then the roles' one, then the rows of the registry, which nobody writes without it.
--
-- The bindings' lock: who changes a user (a login, a sync) holds it shared from before he looks what is bound, and has the user's row; who plans
-- for others (apply_database_roles, a mapping) holds it alone. So nobody gives a membership because of what somebody else is just taking away.

CREATE OR REPLACE FUNCTION unsecure.lock_bindings(_alone boolean)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $function$
BEGIN
    IF _alone THEN
        LOCK TABLE unsecure.bindings_lock IN EXCLUSIVE MODE;
    ELSE
        LOCK TABLE unsecure.bindings_lock IN ROW SHARE MODE;
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.lock_bindings(boolean) IS 'Until the end of the transaction: alone, or beside others who change users.';

CREATE OR REPLACE FUNCTION unsecure.describe_role(_role_oid oid)
RETURNS jsonb
LANGUAGE sql
STABLE
AS $function$
    SELECT jsonb_build_object(
        'attributes', jsonb_build_object(
            'login', r.rolcanlogin, 'superuser', r.rolsuper, 'createdb', r.rolcreatedb, 'createrole', r.rolcreaterole,
            'inherit', r.rolinherit, 'replication', r.rolreplication, 'bypassrls', r.rolbypassrls,
            'connection_limit', r.rolconnlimit,
            -- With its offset, whatever the session's TimeZone and DateStyle are.
            'valid_until', to_jsonb(nullif(r.rolvaliduntil, 'infinity'))),
        'memberships', (
            SELECT coalesce(jsonb_agg(jsonb_build_object(
                       'role', h.rolname, 'role_oid', h.oid, 'grantor', coalesce(g.rolname, m.grantor::text), 'admin', m.admin_option,
                       'inherit', m.inherit_option, 'set', m.set_option) ORDER BY h.rolname, m.grantor), '[]')
            FROM unsecure.membership m
            JOIN pg_roles h ON h.oid = m.roleid
            LEFT JOIN pg_roles g ON g.oid = m.grantor
            WHERE m.member = r.oid),
        'settings', (
            SELECT coalesce(jsonb_agg(jsonb_build_object('database', d.datname, 'setting', c) ORDER BY d.datname, c), '[]')
            FROM pg_db_role_setting s
            LEFT JOIN pg_database d ON d.oid = s.setdatabase
            CROSS JOIN LATERAL unnest(s.setconfig) AS c
            WHERE s.setrole = r.oid))
    FROM pg_roles r
    WHERE r.oid = _role_oid;
$function$;

COMMENT ON FUNCTION unsecure.describe_role(oid) IS
    'Attributes, memberships (with grantors and options) and settings of a role; what is recorded when somebody leaves. No password.';

-- Roles that a provider's users were given are new to the registry; the others waited there for their oid.
CREATE OR REPLACE FUNCTION unsecure.register_created(
    _created    text[],
    _user_ids   uuid[],
    _role_names text[]
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $function$
DECLARE
    v_concerned record;
BEGIN
    IF _created = '{}' THEN
        RETURN;
    END IF;
    UPDATE auth.database_role r
    SET role_oid = a.oid, updated_at = now()
    FROM pg_roles a
    WHERE a.rolname = r.role_name AND r.role_name = ANY (_created) AND r.state <> 'deleted';

    v_concerned := unsecure.concerned_roles(_user_ids, _role_names);
    INSERT INTO auth.database_role (role_name, role_oid, user_id, provider_id, requires_identity)
    SELECT l.role_name, (SELECT a.oid FROM pg_roles a WHERE a.rolname = l.role_name), l.user_id, l.provider_id, true
    FROM unsecure.desired_logins('{}', v_concerned.new_users) AS l
    WHERE l.problem IS NULL AND l.role_name = ANY (_created);
END;
$function$;

COMMENT ON FUNCTION unsecure.register_created(text[], uuid[], text[]) IS 'Writes into the registry which roles apply_roles has just created.';

CREATE OR REPLACE FUNCTION unsecure.apply_roles(
    _user_ids       uuid[],
    _role_names     text[],
    _skip_conflicts boolean,
    _logins_alone   boolean DEFAULT false
)
RETURNS SETOF auth.change
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $function$
DECLARE
    v_plan     auth.change[];
    v_todo     auth.change[];
    v_done     integer := 0;
    v_attempts integer := 0;
BEGIN
    PERFORM unsecure.lock_roles();
    FOR v_round IN 1 .. 10 LOOP
        -- What was planned before we had the lock may be outdated.
        v_plan := ARRAY(SELECT p FROM unsecure.plan_roles(_user_ids, _role_names) AS p
                        WHERE NOT _logins_alone OR p.object = 'login' OR p.object IS NULL);
        v_todo := ARRAY(SELECT c FROM unnest(v_plan) AS c WHERE c.action <> 'conflict' ORDER BY c.ordinal);
        IF NOT _skip_conflicts THEN
            PERFORM unsecure.require_no_conflict(v_plan);
        END IF;
        IF v_todo = '{}' THEN
            RETURN QUERY
            SELECT v_done + row_number() OVER (ORDER BY c.ordinal)::integer, c.action, c.role_name, c.object, c.statement, c.reason
            FROM unnest(v_plan) AS c;
            RETURN;
        END IF;

        BEGIN
            -- Recorded once for each time out: what somebody does to the role meanwhile is no part of it.
            UPDATE auth.database_role r
            SET recorded   = unsecure.describe_role(r.role_oid)
                             || jsonb_strip_nulls(jsonb_build_object('is_out', true, 'user_active', r.recorded -> 'user_active')),
                updated_at = now()
            FROM unnest(v_todo) AS c
            WHERE c.action = 'alter' AND c.object = 'login' AND c.statement LIKE '% NOLOGIN'
              AND r.role_name = c.role_name AND r.state <> 'deleted'
              AND NOT coalesce((r.recorded ->> 'is_out')::boolean, false);

            UPDATE auth.database_role r
            SET recorded = r.recorded - 'is_out'
            FROM unnest(v_todo) AS c
            WHERE c.action = 'alter' AND c.object = 'login' AND c.statement NOT LIKE '% NOLOGIN'
              AND r.role_name = c.role_name AND r.state <> 'deleted' AND r.recorded ? 'is_out';

            PERFORM unsecure.run_statements(v_todo, NULL);
            PERFORM unsecure.register_created(
                ARRAY(SELECT c.role_name FROM unnest(v_todo) AS c WHERE c.action = 'create'), _user_ids, _role_names);
            PERFORM unsecure.audit_changes(v_todo);

            RETURN QUERY
            SELECT v_done + c.ordinal - v_todo[1].ordinal + 1, c.action, c.role_name, c.object, c.statement, c.reason
            FROM unnest(v_todo) AS c;
            v_done := v_done + cardinality(v_todo);
        EXCEPTION
            -- Somebody else's psql changed the same role or membership meanwhile: look again.
            WHEN internal_error OR unique_violation OR serialization_failure OR undefined_object THEN
                v_attempts := v_attempts + 1;
                IF v_attempts > 5 THEN
                    RAISE;
                END IF;
        END;
    END LOOP;

    RAISE EXCEPTION 'the roles do not become what they should be'
        USING ERRCODE = 'RW506',
              DETAIL  = format('After several rounds still planned: %s (%s).', v_todo[1].statement, v_todo[1].reason),
              HINT    = 'Nothing was changed. auth.plan_database_roles shows the whole plan.';
END;
$function$;

COMMENT ON FUNCTION unsecure.apply_roles(uuid[], text[], boolean, boolean) IS
    'Carries out unsecure.plan_roles until nothing is left of it but conflicts, and returns what was done and then those. RW506: '
    'conflicts, unless they are to be skipped. _logins_alone: no memberships and other attributes.';

CREATE OR REPLACE FUNCTION unsecure.require_no_conflict(_plan auth.change[])
RETURNS void
LANGUAGE plpgsql
STABLE
AS $function$
BEGIN
    IF EXISTS (SELECT FROM unnest(_plan) AS c WHERE c.action = 'conflict') THEN
        RAISE EXCEPTION 'some roles cannot become what they should be'
            USING ERRCODE = 'RW506',
                  DETAIL  = (SELECT string_agg(format('%s: %s%s.', quote_ident(c.role_name), c.reason, '; as a superuser: ' || c.statement), E'\n'
                                               ORDER BY c.ordinal)
                             FROM (SELECT * FROM unnest(_plan) AS p WHERE p.action = 'conflict' ORDER BY p.ordinal LIMIT 100) AS c),
                  HINT    = 'Nothing was changed. Resolve what the DETAIL says, or pass _skip_conflicts => true to do the rest.';
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.require_no_conflict(auth.change[]) IS 'RW506 with all conflicts of a plan.';

REVOKE ALL ON FUNCTION
    unsecure.lock_bindings(boolean),
    unsecure.describe_role(oid),
    unsecure.register_created(text[], uuid[], text[]),
    unsecure.apply_roles(uuid[], text[], boolean, boolean),
    unsecure.require_no_conflict(auth.change[])
FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.plan_database_roles(_user_ids uuid[] DEFAULT NULL)
RETURNS SETOF auth.change
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT * FROM unsecure.plan_roles(_user_ids);
$function$;

COMMENT ON FUNCTION auth.plan_database_roles(uuid[]) IS
    'What auth.apply_database_roles would do for these users (NULL: all managed roles), in its order; conflicts first. '
    'No rows: the roles are as they should be.';

REVOKE ALL ON FUNCTION auth.plan_database_roles(uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.plan_database_roles(uuid[]) TO rolewright_operator, rolewright_auditor;

CREATE OR REPLACE FUNCTION auth.apply_database_roles(
    _user_ids       uuid[]  DEFAULT NULL,
    _skip_conflicts boolean DEFAULT false
)
RETURNS SETOF auth.change
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM unsecure.require_read_committed();
    -- Nothing to do takes no lock.
    IF NOT EXISTS (SELECT FROM unsecure.plan_roles(_user_ids)) THEN
        RETURN;
    END IF;
    PERFORM unsecure.lock_bindings(true);
    RETURN QUERY SELECT * FROM unsecure.apply_roles(_user_ids, NULL, _skip_conflicts);
END;
$function$;

COMMENT ON FUNCTION auth.apply_database_roles(uuid[], boolean) IS
    'Creates, changes and takes from database roles until they are what they should be, for these users (NULL: all managed roles), and returns '
    'what was done, one row per change; no rows: nothing. Conflicts are an error (RW506) that changes nothing, or with '
    '_skip_conflicts rows of the result. RW501: not in a READ COMMITTED transaction; RW507: PostgreSQL only warned.';

REVOKE ALL ON FUNCTION auth.apply_database_roles(uuid[], boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.apply_database_roles(uuid[], boolean) TO rolewright_operator;
