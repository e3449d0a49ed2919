-- Attributes, expiry, password, comment and settings of one login role: a document says what they shall be, and what it does not name stays.

CREATE OR REPLACE FUNCTION unsecure.attribute_instant(_value text)
RETURNS timestamptz
LANGUAGE plpgsql
STABLE
AS $function$
BEGIN
    -- Without an offset it would be another instant in another session. Years have four digits at least, so DateStyle makes no difference.
    IF _value ~* '^-?infinity$'
       OR _value ~* ('^[0-9]{4,6}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?'
                     || ' ?(Z|[+-][0-9]{2}(:?[0-9]{2}(:?[0-9]{2})?)?)( BC)?$')
    THEN
        RETURN _value::timestamptz;
    END IF;
    RETURN NULL;
EXCEPTION
    WHEN datetime_field_overflow OR invalid_datetime_format OR invalid_time_zone_displacement_value THEN
        RETURN NULL;
END;
$function$;

COMMENT ON FUNCTION unsecure.attribute_instant(text) IS 'The instant of a timestamp with an offset or Z, or infinity; NULL: it is none.';

CREATE OR REPLACE FUNCTION unsecure.attribute_settings(_attributes jsonb)
RETURNS TABLE (database_name text, setting_name text, setting_value jsonb)
LANGUAGE sql
IMMUTABLE
AS $function$
    WITH scope (database_name, settings) AS (
        SELECT NULL, _attributes -> 'settings'
        UNION ALL
        SELECT d.key, d.value
        FROM jsonb_each(CASE jsonb_typeof(_attributes -> 'database_settings') WHEN 'object' THEN _attributes -> 'database_settings' ELSE '{}' END) AS d
    )
    SELECT s.database_name, e.key, e.value
    FROM scope s
    CROSS JOIN LATERAL jsonb_each(CASE jsonb_typeof(s.settings) WHEN 'object' THEN s.settings ELSE '{}' END) AS e;
$function$;

COMMENT ON FUNCTION unsecure.attribute_settings(jsonb) IS
    'The settings in a document of attributes; database_name NULL: in all databases. What has another shape is left out.';

CREATE OR REPLACE FUNCTION unsecure.setting_problem(
    _name  text,
    _value jsonb
)
RETURNS text
LANGUAGE plpgsql
STABLE
AS $function$
DECLARE
    v_context text := (SELECT s.context FROM pg_settings s WHERE lower(s.name) = lower(_name));
BEGIN
    IF _name !~ '^[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)*$' OR octet_length(_name) > 63 THEN
        RETURN 'it cannot be the name of a setting';
    ELSIF jsonb_typeof(_value) = 'object'
          OR jsonb_typeof(_value) = 'array'
             AND (_value = '[]' OR EXISTS (SELECT FROM jsonb_array_elements(_value) AS e WHERE jsonb_typeof(e) IN ('object', 'array', 'null')))
    THEN
        RETURN 'a string, a number, true, false, a list of those that is not empty, or null is needed';
    ELSIF v_context NOT IN ('user', 'superuser') THEN
        RETURN format('roles cannot have it: its context is %s', v_context);
    ELSIF v_context IS NULL AND strpos(_name, '.') = 0 AND current_setting(_name, true) IS NULL THEN
        RETURN 'this server does not know it';
    END IF;
    RETURN NULL;
EXCEPTION
    -- It exists, but is shown to superusers only: unsecure.may_set_parameter says that.
    WHEN insufficient_privilege THEN
        RETURN NULL;
END;
$function$;

COMMENT ON FUNCTION unsecure.setting_problem(text, jsonb) IS 'Why no role can have this setting with such a value; NULL: PostgreSQL decides.';

CREATE OR REPLACE FUNCTION unsecure.may_set_parameter(_name text)
RETURNS boolean
LANGUAGE plpgsql
STABLE
AS $function$
DECLARE
    v_may boolean := EXISTS (SELECT FROM pg_settings s WHERE lower(s.name) = lower(_name) AND s.context = 'user')
                     OR EXISTS (SELECT FROM pg_roles r WHERE r.oid = unsecure.rolewright_owner() AND r.rolsuper);
BEGIN
    -- Dynamic: PostgreSQL 14 has no GRANT SET ON PARAMETER.
    IF NOT v_may AND current_setting('server_version_num')::integer >= 150000 THEN
        EXECUTE 'SELECT has_parameter_privilege($1, $2, ''SET'')' INTO v_may USING unsecure.rolewright_owner(), _name;
    END IF;
    RETURN v_may;
END;
$function$;

COMMENT ON FUNCTION unsecure.may_set_parameter(text) IS
    'Whether Rolewright''s owner may give this setting to roles: what users may set, or what it was granted; not what no loaded module knows.';

-- Everything that is wrong with the document, in its own words; the password is never among them.
CREATE OR REPLACE FUNCTION unsecure.attribute_problems(_attributes jsonb)
RETURNS text[]
LANGUAGE sql
STABLE
AS $function$
    WITH problem (place, what) AS (
        SELECT NULL, 'the attributes have to be an object'
        WHERE jsonb_typeof(_attributes) IS DISTINCT FROM 'object'
        UNION ALL
        SELECT to_json(a.key)::text, CASE
            WHEN a.key IN ('login', 'superuser', 'createdb', 'createrole', 'inherit', 'replication', 'bypassrls')
                THEN CASE WHEN a.type <> 'boolean' THEN 'true or false is needed' END
            WHEN a.key = 'connection_limit'
                THEN CASE WHEN a.type <> 'number' OR (a.value #>> '{}')::numeric NOT BETWEEN -1 AND 2147483647
                               OR (a.value #>> '{}')::numeric <> trunc((a.value #>> '{}')::numeric)
                          THEN 'an integer is needed; -1: no limit' END
            WHEN a.key = 'valid_until'
                THEN CASE WHEN a.type <> 'null' AND (a.type <> 'string' OR unsecure.attribute_instant(a.value #>> '{}') IS NULL)
                          THEN 'a timestamp with an offset is needed, as in 2030-12-31T23:59:59+01:00; or "infinity" or null: no end' END
            WHEN a.key = 'password'
                THEN CASE WHEN a.type NOT IN ('string', 'null') OR a.value = '""' THEN 'a string that is not empty is needed, or null: none' END
            WHEN a.key = 'comment'
                THEN CASE WHEN a.type NOT IN ('string', 'null') THEN 'a string is needed, or null: none' END
            WHEN a.key IN ('settings', 'database_settings')
                THEN CASE WHEN a.type <> 'object' THEN 'an object is needed' END
            ELSE 'there is no such attribute'
        END
        FROM (
            SELECT e.key, e.value, jsonb_typeof(e.value) AS type
            FROM jsonb_each(CASE jsonb_typeof(_attributes) WHEN 'object' THEN _attributes ELSE '{}' END) AS e
        ) AS a
        UNION ALL
        SELECT 'database ' || to_json(d.key), CASE
            WHEN NOT EXISTS (SELECT FROM pg_database b WHERE b.datname = d.key) THEN 'it does not exist'
            WHEN jsonb_typeof(d.value) <> 'object' THEN 'an object is needed'
        END
        FROM jsonb_each(CASE jsonb_typeof(_attributes -> 'database_settings') WHEN 'object' THEN _attributes -> 'database_settings' ELSE '{}' END) AS d
        UNION ALL
        SELECT 'setting ' || to_json(s.setting_name) || coalesce(' in database ' || to_json(s.database_name), ''),
               unsecure.setting_problem(s.setting_name, s.setting_value)
        FROM unsecure.attribute_settings(_attributes) AS s
        UNION ALL
        SELECT 'setting ' || to_json(min(s.setting_name COLLATE "C")) || coalesce(' in database ' || to_json(s.database_name), ''),
               'it is given twice: case makes no difference'
        FROM unsecure.attribute_settings(_attributes) AS s
        GROUP BY s.database_name, lower(s.setting_name)
        HAVING count(*) > 1
    )
    SELECT coalesce(array_agg(concat_ws(': ', p.place, p.what) ORDER BY p.place COLLATE "C", p.what COLLATE "C"), '{}')
    FROM problem p
    WHERE p.what IS NOT NULL;
$function$;

COMMENT ON FUNCTION unsecure.attribute_problems(jsonb) IS 'What is wrong with a document for auth.sync_identity; {}: nothing.';

CREATE OR REPLACE FUNCTION unsecure.require_attributes(_attributes jsonb)
RETURNS void
LANGUAGE plpgsql
STABLE
AS $function$
DECLARE
    v_problems text[] := unsecure.attribute_problems(_attributes);
BEGIN
    IF v_problems <> '{}' THEN
        RAISE EXCEPTION 'these attributes cannot be given to a role'
            USING ERRCODE = 'RW508',
                  DETAIL  = array_to_string(v_problems, E'.\n') || '.',
                  HINT    = 'The COMMENT of auth.sync_identity says what can. Nothing was changed.';
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.require_attributes(jsonb) IS 'RW508 with all that is wrong with a document of attributes.';

-- Whose login follows a user is created as the user is.
CREATE OR REPLACE FUNCTION unsecure.is_login(_role_name text)
RETURNS boolean
LANGUAGE sql
STABLE
AS $function$
    SELECT coalesce(
        (SELECT r.rolcanlogin FROM pg_roles r WHERE r.rolname = _role_name),
        (SELECT l.can_login
         FROM unsecure.desired_logins(ARRAY(SELECT r.database_role_id FROM auth.database_role r
                                            WHERE r.role_name = _role_name AND r.state <> 'deleted'), '{}') AS l),
        true);
$function$;

COMMENT ON FUNCTION unsecure.is_login(text) IS 'Whether the role can log in; of one that does not exist, whether it would when it is created.';

CREATE OR REPLACE FUNCTION unsecure.plan_attributes(
    _role_name  text,
    _attributes jsonb
)
RETURNS SETOF auth.change
LANGUAGE plpgsql
STABLE
AS $function$
DECLARE
    v_is_16 boolean := current_setting('server_version_num')::integer >= 160000;
    v_owner pg_roles;
    v_role  pg_roles;
    v_login boolean := unsecure.is_login(_role_name);
    v_until timestamptz := nullif(unsecure.attribute_instant(_attributes ->> 'valid_until'), 'infinity');
BEGIN
    SELECT * INTO v_owner FROM pg_roles r WHERE r.oid = unsecure.rolewright_owner();
    SELECT * INTO v_role FROM pg_roles r WHERE r.rolname = _role_name;

    RETURN QUERY
    WITH wanted AS (
        SELECT 1 AS phase, 'create' AS action, NULL AS object,
               format('CREATE ROLE %I ', _role_name) || CASE WHEN coalesce((_attributes ->> 'login')::boolean, v_login) THEN 'LOGIN' ELSE 'NOLOGIN' END
                   AS statement
        WHERE v_role.oid IS NULL
        UNION ALL
        SELECT 2, 'alter', b.name, format('ALTER ROLE %I ', _role_name) || CASE WHEN (_attributes ->> b.name)::boolean THEN '' ELSE 'NO' END || upper(b.name)
        FROM (VALUES
            ('login', coalesce(v_role.rolcanlogin, (_attributes ->> 'login')::boolean)),
            ('superuser', coalesce(v_role.rolsuper, false)),
            ('createdb', coalesce(v_role.rolcreatedb, false)),
            ('createrole', coalesce(v_role.rolcreaterole, false)),
            ('inherit', coalesce(v_role.rolinherit, true)),
            ('replication', coalesce(v_role.rolreplication, false)),
            ('bypassrls', coalesce(v_role.rolbypassrls, false))) AS b (name, has_it)
        WHERE (_attributes ->> b.name)::boolean <> b.has_it
        UNION ALL
        SELECT 3, 'alter', 'connection_limit', format('ALTER ROLE %I CONNECTION LIMIT %s', _role_name, n.connection_limit)
        FROM (SELECT (_attributes ->> 'connection_limit')::numeric::integer) AS n (connection_limit)
        WHERE n.connection_limit <> coalesce(v_role.rolconnlimit, -1)
        UNION ALL
        SELECT 4, 'alter', 'valid_until', format('ALTER ROLE %I VALID UNTIL ', _role_name) || unsecure.until_literal(v_until)
        WHERE _attributes ? 'valid_until'
          AND v_until IS DISTINCT FROM nullif(v_role.rolvaliduntil, 'infinity')
        UNION ALL
        SELECT 5, 'alter', 'setting ' || s.name || coalesce(' in database ' || s.database_name, ''),
               unsecure.setting_statement(_role_name, s.database_name, s.name, s.setting_value)
        FROM (
            SELECT w.database_name, w.setting_value, coalesce(h.name, p.name, w.setting_name) AS name, h.value AS held
            FROM unsecure.attribute_settings(_attributes) AS w
            LEFT JOIN pg_settings p ON lower(p.name) = lower(w.setting_name)
            LEFT JOIN pg_database d ON d.datname = w.database_name
            LEFT JOIN LATERAL (
                SELECT split_part(c, '=', 1) AS name, substr(c, strpos(c, '=') + 1) AS value
                FROM pg_db_role_setting r
                CROSS JOIN LATERAL unnest(r.setconfig) AS c
                WHERE r.setrole = v_role.oid
                  AND r.setdatabase = coalesce(d.oid, 0)
                  AND lower(split_part(c, '=', 1)) = lower(w.setting_name)
            ) AS h ON true
        ) AS s
        WHERE unsecure.setting_value(s.name, s.setting_value) IS DISTINCT FROM s.held
        UNION ALL
        SELECT 6, 'alter', 'comment', format('COMMENT ON ROLE %I IS %L', _role_name, nullif(_attributes ->> 'comment', ''))
        WHERE _attributes ? 'comment'
          AND nullif(_attributes ->> 'comment', '') IS DISTINCT FROM shobj_description(v_role.oid, 'pg_authid')
        UNION ALL
        -- Who is no superuser cannot read what is there, so it is always set; unsecure.execute_changes puts the verifier in.
        SELECT 7, 'alter', 'password', format('ALTER ROLE %I PASSWORD ', _role_name) || CASE WHEN _attributes -> 'password' = 'null' THEN 'NULL' ELSE '''********''' END
        WHERE _attributes ? 'password'
    ), judged AS (
        SELECT w.*, CASE
            WHEN v_owner.rolsuper THEN NULL
            WHEN NOT v_owner.rolcreaterole THEN format('%I, the owner of Rolewright, lacks CREATEROLE', v_owner.rolname)
            WHEN v_role.rolsuper THEN 'it is a superuser, which only a superuser may change'
            WHEN w.object = 'superuser' THEN 'only a superuser may give or take SUPERUSER'
            WHEN v_is_16 AND v_role.oid IS NOT NULL AND NOT pg_has_role(v_owner.oid, v_role.oid, 'MEMBER WITH ADMIN OPTION')
                THEN format('%I, the owner of Rolewright, lacks ADMIN OPTION on it: GRANT %I TO %1$I WITH ADMIN OPTION', v_owner.rolname, _role_name)
            WHEN NOT v_is_16 AND w.object IN ('replication', 'bypassrls')
                THEN format('before PostgreSQL 16 only a superuser may give or take %s', upper(w.object))
            WHEN NOT v_is_16 AND v_role.rolreplication AND w.object <> 'comment' AND w.phase <> 5
                THEN 'before PostgreSQL 16 only a superuser may change a role with REPLICATION'
            WHEN v_is_16 AND (w.object = 'createdb' AND NOT v_owner.rolcreatedb
                              OR w.object = 'replication' AND NOT v_owner.rolreplication
                              OR w.object = 'bypassrls' AND NOT v_owner.rolbypassrls)
                THEN format('%I, the owner of Rolewright, lacks %s itself: ALTER ROLE %1$I %2$s', v_owner.rolname, upper(w.object))
            WHEN w.phase = 5 AND NOT unsecure.may_set_parameter(split_part(w.object, ' ', 2))
                THEN format('%I, the owner of Rolewright, may not set this; from PostgreSQL 15 on: GRANT SET ON PARAMETER %s TO %1$I',
                            v_owner.rolname, split_part(w.object, ' ', 2))
        END AS obstacle
        FROM wanted w
    )
    SELECT row_number() OVER (ORDER BY j.obstacle IS NULL, j.phase, j.object COLLATE "C")::integer,
           CASE WHEN j.obstacle IS NULL THEN j.action ELSE 'conflict' END,
           _role_name, j.object, j.statement, coalesce(j.obstacle, 'given to auth.sync_identity')
    FROM judged j
    ORDER BY 1;
END;
$function$;

COMMENT ON FUNCTION unsecure.plan_attributes(text, jsonb) IS
    'What would make a login role have these attributes (which unsecure.require_attributes let pass), one row per attribute; object NULL: '
    'creates it. Conflicts come first: a right that Rolewright''s owner lacks, with the statement for a superuser.';

CREATE OR REPLACE FUNCTION unsecure.require_syncable(
    _role_name      text,
    _create_allowed boolean
)
RETURNS auth.database_role
LANGUAGE plpgsql
STABLE
AS $function$
DECLARE
    v_role   auth.database_role;
    v_exists boolean := EXISTS (SELECT FROM pg_roles r WHERE r.rolname = _role_name);
BEGIN
    IF v_exists OR EXISTS (SELECT FROM auth.database_role r WHERE r.role_name = _role_name AND r.state <> 'deleted') THEN
        v_role := unsecure.require_managed_role(_role_name, 'login');
    END IF;
    IF NOT v_exists THEN
        IF _create_allowed IS NOT TRUE THEN
            RAISE EXCEPTION 'role % does not exist', quote_ident(_role_name)
                USING ERRCODE = 'RW019', HINT = 'Pass _create_allowed => true to create it. Nothing was changed.';
        ELSIF v_role.database_role_id IS NULL THEN
            PERFORM unsecure.require_free_name(_role_name, NULL, false);
        END IF;
    END IF;
    RETURN v_role;
END;
$function$;

COMMENT ON FUNCTION unsecure.require_syncable(text, boolean) IS
    'The role in the registry; NULL: it is to be created. RW019: not managed, or missing and not to be created; RW505: a group role; '
    'RW516: the name was somebody else''s.';

-- What the registry, the role's provider and the caller's place leave open to change.
CREATE OR REPLACE FUNCTION unsecure.require_attributes_allowed(
    _role_name  text,
    _role       auth.database_role,
    _attributes jsonb,
    _plan       auth.change[]
)
RETURNS void
LANGUAGE plpgsql
STABLE
AS $function$
DECLARE
    v_elevates text := (
        SELECT string_agg(upper(c.object), ', ' ORDER BY c.object)
        FROM unnest(_plan) AS c
        WHERE c.object IN ('superuser', 'createdb', 'createrole', 'replication', 'bypassrls') AND (_attributes ->> c.object)::boolean);
    v_declared text;
BEGIN
    IF _role.state <> 'active' AND ((_attributes ->> 'login')::boolean OR v_elevates IS NOT NULL) THEN
        RAISE EXCEPTION 'role % is %', quote_ident(_role_name), _role.state
            USING ERRCODE = 'RW511',
                  DETAIL  = format('It cannot be given %s: %s.', coalesce(v_elevates, 'LOGIN'), coalesce(_role.reason, 'no reason was said')),
                  HINT    = 'auth.restore_identity lets it in again. Nothing was changed.';
    ELSIF _role.user_id IS NOT NULL AND (_attributes ->> 'login')::boolean <> unsecure.is_login(_role_name) THEN
        RAISE EXCEPTION 'whether role % can log in follows its user', quote_ident(_role_name)
            USING ERRCODE = 'RW510',
                  DETAIL  = format('It belongs to user %s.', _role.user_id),
                  HINT    = 'Disable, lock or enable the user, auth.deprovision_identity, or auth.unbind_user_role. Nothing was changed.';
    END IF;

    SELECT string_agg(coalesce('setting ' || s.setting_name, c.object), ', ' ORDER BY c.ordinal)
    INTO v_declared
    FROM auth.provider p
    CROSS JOIN unnest(_plan) AS c
    LEFT JOIN unsecure.attribute_settings(_attributes - 'database_settings') AS s ON lower(c.object) = 'setting ' || lower(s.setting_name)
    LEFT JOIN unsecure.attribute_settings(p.role_attributes) AS d ON lower(d.setting_name) = lower(s.setting_name)
    WHERE p.provider_id = _role.provider_id
      AND p.creates_roles
      AND (s.setting_name IS NULL AND p.role_attributes -> c.object <> _attributes -> c.object
           OR unsecure.setting_value(d.setting_name, d.setting_value) IS DISTINCT FROM unsecure.setting_value(s.setting_name, s.setting_value)
              AND d.setting_name IS NOT NULL);
    IF v_declared IS NOT NULL THEN
        RAISE EXCEPTION 'the provider of role % says what it has', quote_ident(_role_name)
            USING ERRCODE = 'RW510',
                  DETAIL  = format('Other values are declared there: %s.', v_declared),
                  HINT    = 'auth.provider.role_attributes is what it declares; auth.update_provider changes that. Nothing was changed.';
    END IF;

    IF v_elevates IS NOT NULL THEN
        PERFORM unsecure.require_administrator(format('give %s to role %I', v_elevates, _role_name));
    ELSIF _plan <> '{}' AND unsecure.is_elevated(_role.role_oid) THEN
        PERFORM unsecure.require_administrator(format('change role %I, which has elevated rights', _role_name));
    END IF;

    IF EXISTS (SELECT FROM unnest(_plan) AS c WHERE c.object IN ('login', 'superuser') AND NOT (_attributes ->> c.object)::boolean)
       AND unsecure.is_last_administrator(_role.role_oid)
    THEN
        RAISE EXCEPTION 'role % is the last administrator', quote_ident(_role_name)
            USING ERRCODE = 'RW515',
                  DETAIL  = 'No other superuser, or no other member of rolewright_operator, can log in.',
                  HINT    = 'Let somebody else in first. Nothing was changed.';
    ELSIF EXISTS (SELECT FROM unnest(_plan) AS c WHERE c.action = 'conflict') THEN
        RAISE EXCEPTION 'Rolewright lacks the right to change role % like this', quote_ident(_role_name)
            USING ERRCODE = 'RW506',
                  DETAIL  = (SELECT string_agg(format('%s: %s; as a superuser: %s.', coalesce(c.object, 'create'), c.reason, c.statement), E'\n'
                                               ORDER BY c.ordinal)
                             FROM unnest(_plan) AS c WHERE c.action = 'conflict'),
                  HINT    = 'Nothing was changed. A superuser can do what the DETAIL says.';
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.require_attributes_allowed(text, auth.database_role, jsonb, auth.change[]) IS
    'RW511: not active, and it would be let in; RW510: follows its user, or its provider declares it; RW513: only for administrators; '
    'RW515: the last one; RW506: a right that Rolewright''s owner lacks.';

-- Under the locks, what was planned before may be outdated; who waited plans again.
CREATE OR REPLACE FUNCTION unsecure.apply_attributes(
    _role_name      text,
    _user_id        uuid,
    _attributes     jsonb,
    _verifier       text,
    _create_allowed boolean
)
RETURNS auth.change[]
LANGUAGE plpgsql
VOLATILE
AS $function$
DECLARE
    v_role auth.database_role;
    v_plan auth.change[];
BEGIN
    PERFORM unsecure.lock_person(_user_id);
    v_role := unsecure.require_syncable(_role_name, _create_allowed);
    IF v_role.user_id IS DISTINCT FROM _user_id THEN
        -- Bound or unbound meanwhile: it is another user's row that must be locked.
        RAISE EXCEPTION 'role % changed hands meanwhile', quote_ident(_role_name) USING ERRCODE = 'serialization_failure';
    END IF;
    v_plan := ARRAY(SELECT p FROM unsecure.plan_attributes(_role_name, _attributes) AS p ORDER BY p.ordinal);
    PERFORM unsecure.require_attributes_allowed(_role_name, v_role, _attributes, v_plan);

    IF v_role.database_role_id IS NULL THEN
        INSERT INTO auth.database_role (role_name) VALUES (_role_name);
    END IF;
    PERFORM unsecure.execute_changes(v_plan, _verifier);
    -- A declaration's password is not the one that was set last any more.
    IF _verifier IS NOT NULL OR EXISTS (SELECT FROM unnest(v_plan) AS c WHERE c.object = 'password') THEN
        DELETE FROM unsecure.declared_password p USING pg_roles r WHERE r.rolname = _role_name AND r.oid = p.role_oid;
    END IF;
    UPDATE auth.database_role r
    SET role_oid = a.oid, updated_at = now()
    FROM pg_roles a
    WHERE r.role_name = _role_name AND r.state <> 'deleted' AND a.rolname = r.role_name AND r.role_oid IS DISTINCT FROM a.oid;
    RETURN v_plan;
END;
$function$;

COMMENT ON FUNCTION unsecure.apply_attributes(text, uuid, jsonb, text, boolean) IS
    'Plans and does it under the locks for the role of this user (NULL: of nobody). 40001: it is not this user''s role any more.';

REVOKE ALL ON FUNCTION
    unsecure.attribute_instant(text),
    unsecure.attribute_settings(jsonb),
    unsecure.setting_problem(text, jsonb),
    unsecure.may_set_parameter(text),
    unsecure.attribute_problems(jsonb),
    unsecure.require_attributes(jsonb),
    unsecure.is_login(text),
    unsecure.plan_attributes(text, jsonb),
    unsecure.require_syncable(text, boolean),
    unsecure.require_attributes_allowed(text, auth.database_role, jsonb, auth.change[]),
    unsecure.apply_attributes(text, uuid, jsonb, text, boolean)
FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.sync_identity(
    _role_name      text,
    _attributes     jsonb,
    _create_allowed boolean DEFAULT true
)
RETURNS SETOF auth.change
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off
AS $function$
DECLARE
    v_attributes jsonb := _attributes;
    v_verifier   text;
    v_role       auth.database_role;
    v_plan       auth.change[];
    v_done       auth.change[] := ARRAY[]::auth.change[];
    v_attempts   integer := 0;
BEGIN
    PERFORM unsecure.require_read_committed();
    PERFORM unsecure.require_touchable(_role_name);
    PERFORM unsecure.require_attributes(_attributes);
    IF _attributes ->> 'password' IS NOT NULL THEN
        -- From here on nothing has the plaintext any more.
        v_verifier := unsecure.password_verifier(_attributes ->> 'password');
        v_attributes := _attributes || '{"password": "********"}';
    END IF;

    LOOP
        v_role := unsecure.require_syncable(_role_name, _create_allowed);
        v_plan := ARRAY(SELECT p FROM unsecure.plan_attributes(_role_name, v_attributes) AS p ORDER BY p.ordinal);
        PERFORM unsecure.require_attributes_allowed(_role_name, v_role, v_attributes, v_plan);
        EXIT WHEN v_plan = '{}'; -- which takes no lock
        BEGIN
            v_done := v_done || unsecure.apply_attributes(_role_name, v_role.user_id, v_attributes, v_verifier, _create_allowed);
            v_attributes := v_attributes - 'password';
        EXCEPTION
            -- Somebody else's psql changed or made the same role meanwhile: look again.
            WHEN internal_error OR unique_violation OR duplicate_object OR serialization_failure THEN
                IF v_attempts >= 5 THEN
                    RAISE;
                END IF;
            WHEN insufficient_privilege THEN
                RAISE EXCEPTION 'Rolewright lacks the right to change role % like this', quote_ident(_role_name)
                    USING ERRCODE = 'RW506', DETAIL = format('PostgreSQL says: %s.', SQLERRM), HINT = 'Nothing was changed. A superuser can do it.';
            WHEN invalid_parameter_value OR undefined_object OR cant_change_runtime_param OR invalid_name THEN
                RAISE EXCEPTION 'these attributes cannot be given to a role'
                    USING ERRCODE = 'RW508', DETAIL = format('PostgreSQL says: %s.', SQLERRM), HINT = 'Nothing was changed.';
        END;
        v_attempts := v_attempts + 1;
        IF v_attempts > 9 THEN
            RAISE EXCEPTION 'role % does not become what it should be', quote_ident(_role_name)
                USING ERRCODE = 'RW506',
                      DETAIL  = format('After several rounds still planned: %s.', v_plan[1].statement),
                      HINT    = 'Nothing was changed.';
        END IF;
    END LOOP;

    RETURN QUERY
    SELECT d.n::integer, d.action, d.role_name, d.object, d.statement, d.reason
    FROM unnest(v_done) WITH ORDINALITY AS d (ordinal, action, role_name, object, statement, reason, n)
    ORDER BY d.n;
END;
$function$;

COMMENT ON FUNCTION auth.sync_identity(text, jsonb, boolean) IS
    'Makes a login role have these attributes, and creates it when it does not exist (_create_allowed); what is not named stays as it is. '
    'login, superuser, createdb, createrole, inherit, replication, bypassrls: true or false; connection_limit: -1: none; valid_until: a timestamp '
    'with an offset or Z, in which VALID UNTIL then means the same instant in every session, infinity or null: no end; password: a '
    'SCRAM-SHA-256 verifier, or a plaintext that one is made of, or null: none; comment: null: none; settings: an object of parameter and value '
    '(a string, a number, true, false, a list; null: RESET); database_settings: such objects by database. '
    'Returns what was done, one row per change; no rows: nothing, and nothing was written. A password is always set, since nobody but a '
    'superuser could compare it. Of a plaintext, Rolewright leaves nothing in statements, logs, errors or the audit trail, but '
    'PostgreSQL may log the statement that calls this (log_statement, log_min_duration_statement): pass a verifier, or use the command line. '
    'RW019: not managed, or missing; RW503: not for Rolewright; RW504: no possible name; RW505: a group role; RW506: a right '
    'that Rolewright''s owner lacks, with the statement for a superuser; RW508: bad attributes, all of them; RW509: malformed verifier, or an md5 '
    'hash; RW510: login follows the user, or the provider declares it; RW511: the role is suspended or disabled; RW513: elevated '
    'attributes, and roles that have them, are for administrators; RW515: the last administrator; RW516: the name was somebody else''s; '
    'RW501: not in a READ COMMITTED transaction.';

REVOKE ALL ON FUNCTION auth.sync_identity(text, jsonb, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.sync_identity(text, jsonb, boolean) TO rolewright_operator;
