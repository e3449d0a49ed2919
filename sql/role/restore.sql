-- Coming back: what was recorded, cut to what the rules allow today.

-- Memberships that were recorded and that no binding decides about. What may not come back has no statement.
CREATE OR REPLACE FUNCTION unsecure.plan_recorded_memberships(_database_role_id uuid)
RETURNS SETOF auth.change
LANGUAGE sql
STABLE
AS $function$
    WITH recorded AS (
        -- One grant takes the place of several grantors' that nobody but a superuser can make again.
        SELECT r.role_name, r.role_oid, m.role AS group_name, h.oid AS group_oid,
               bool_or(m.admin) AS admin, bool_or(m.inherit) AS inherit, bool_or(m."set") AS "set", min(m.grantor) AS grantor, a.rolinherit,
               EXISTS (SELECT FROM auth.database_role g
                       WHERE g.role_oid = h.oid AND g.role_kind = 'group' AND g.state <> 'deleted') AS is_managed
        FROM auth.database_role r
        JOIN pg_catalog.pg_roles a ON a.oid = r.role_oid
        CROSS JOIN LATERAL jsonb_to_recordset(r.recorded -> 'memberships')
            AS m (role text, role_oid oid, grantor text, admin boolean, inherit boolean, "set" boolean)
        LEFT JOIN pg_catalog.pg_roles h ON h.oid = m.role_oid AND h.rolname = m.role
        WHERE r.database_role_id = _database_role_id
        GROUP BY r.role_name, r.role_oid, m.role, h.oid, a.rolinherit
    ), owner AS (
        SELECT o.oid, o.rolname, o.rolsuper, current_setting('server_version_num')::integer >= 160000 AS is_16
        FROM pg_catalog.pg_roles o
        WHERE o.oid = unsecure.rolewright_owner()
    ), judged AS (
        SELECT c.*, o.is_16,
               -- The grantor may be gone, or not allowed to any more; then it is granted by who does it.
               EXISTS (SELECT
                       FROM pg_catalog.pg_roles g
                       WHERE g.rolname = c.grantor AND (g.oid = 10 OR EXISTS (SELECT FROM pg_catalog.pg_auth_members m
                                                                              WHERE m.member = g.oid AND m.roleid = c.group_oid AND m.admin_option))) AS can_grant,
               CASE
                   WHEN c.group_oid IS NULL THEN 'that role is gone'
                   WHEN c.is_managed THEN 'nothing gives this membership any more'
                   WHEN unsecure.is_elevated(c.group_oid) THEN 'it would elevate the role'
                   WHEN pg_has_role(c.group_oid, c.role_oid, 'MEMBER') THEN 'that role is a member of this one now'
                   WHEN unsecure.role_refusal(c.group_name) IS NOT NULL THEN unsecure.role_refusal(c.group_name)
               END AS cut,
               CASE
                   WHEN o.rolsuper THEN NULL
                   WHEN o.is_16 AND NOT pg_has_role(o.oid, c.group_oid, 'MEMBER WITH ADMIN OPTION')
                       THEN format('%I lacks ADMIN OPTION on role %I', o.rolname, c.group_name)
               END AS obstacle
        FROM recorded c
        CROSS JOIN owner o
        WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_auth_members m WHERE m.member = c.role_oid AND m.roleid = c.group_oid)
    )
    SELECT row_number() OVER (ORDER BY j.group_name, j.grantor)::integer,
           CASE WHEN j.cut IS NULL AND j.obstacle IS NULL THEN 'grant' ELSE 'conflict' END,
           j.role_name, j.group_name,
           CASE WHEN j.cut IS NULL THEN
               unsecure.grant_statement(j.group_name, j.role_name, j.rolinherit, j.inherit, j."set", j.admin)
               || CASE WHEN j.obstacle IS NOT NULL AND j.is_16 AND j.can_grant THEN format(' GRANTED BY %I', j.grantor) ELSE '' END
           END,
           'recorded membership' || coalesce('; ' || j.cut, '') || coalesce('; ' || j.obstacle, '')
    FROM judged j;
$function$;

COMMENT ON FUNCTION unsecure.plan_recorded_memberships(uuid) IS
    'Memberships as recorded that are not there now; conflict: not allowed any more (no statement), or for a superuser to grant.';

CREATE OR REPLACE FUNCTION unsecure.recorded_attributes(
    _recorded jsonb,
    _elevated text[],
    _login    boolean
)
RETURNS jsonb
LANGUAGE sql
STABLE
AS $function$
    SELECT jsonb_strip_nulls(jsonb_build_object(
               'login', CASE WHEN _login THEN _recorded #> '{attributes,login}' END,
               'inherit', _recorded #> '{attributes,inherit}',
               'connection_limit', _recorded #> '{attributes,connection_limit}'))
        || jsonb_build_object('valid_until', _recorded #> '{attributes,valid_until}')
        || coalesce((SELECT jsonb_object_agg(e, true) FROM unnest(_elevated) AS e WHERE (_recorded #>> ARRAY['attributes', e])::boolean), '{}')
        || jsonb_build_object('settings', coalesce((
               SELECT jsonb_object_agg(split_part(s ->> 'setting', '=', 1), substr(s ->> 'setting', strpos(s ->> 'setting', '=') + 1))
               FROM jsonb_array_elements(_recorded -> 'settings') AS s
               WHERE s ->> 'database' IS NULL), '{}'))
        || jsonb_build_object('database_settings', coalesce((
               SELECT jsonb_object_agg(d.database, d.settings)
               FROM (
                   SELECT s ->> 'database' AS database,
                          jsonb_object_agg(split_part(s ->> 'setting', '=', 1),
                                           substr(s ->> 'setting', strpos(s ->> 'setting', '=') + 1)) AS settings
                   FROM jsonb_array_elements(_recorded -> 'settings') AS s
                   JOIN pg_catalog.pg_database b ON b.datname = s ->> 'database'
                   GROUP BY 1
               ) AS d), '{}'));
$function$;

COMMENT ON FUNCTION unsecure.recorded_attributes(jsonb, text[], boolean) IS
    'What was recorded, as auth.sync_identity takes it; of elevated attributes those that are named.';

REVOKE ALL ON FUNCTION
    unsecure.plan_recorded_memberships(uuid),
    unsecure.recorded_attributes(jsonb, text[], boolean)
FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.restore_role(
    _username text,
    _reason   text,
    _elevated text[] DEFAULT '{}'
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
    v_plan   auth.change[];
    v_todo   auth.change[];
    v_done   auth.change[];
BEGIN
    PERFORM unsecure.require_reason(_reason);
    IF NOT coalesce(_elevated, '{}') <@ '{superuser,createdb,createrole,replication,bypassrls}'::text[] THEN
        RAISE EXCEPTION 'there is no such elevated attribute'
            USING ERRCODE = 'RW519', DETAIL = format('_elevated is %s.', _elevated),
                  HINT    = 'superuser, createdb, createrole, replication, bypassrls. Nothing was changed.';
    END IF;
    v_person := unsecure.lock_named_person(_username);
    IF cardinality(_elevated) > 0 THEN
        PERFORM unsecure.require_administrator(format('restore elevated attributes of %I', _username));
    END IF;

    IF v_person.database_role_id IS NULL THEN
        PERFORM auth.enable_user(v_person.user_id);
        RETURN;
    END IF;
    PERFORM unsecure.require_touchable(v_person.role_name);
    v_role := unsecure.require_managed_role(v_person.role_name, 'login');
    IF coalesce((v_role.recorded ->> 'user_active')::boolean, false) THEN
        UPDATE auth.user_info SET is_active = true, updated_at = now() WHERE user_id = v_person.user_id AND NOT is_active;
    END IF;
    UPDATE auth.database_role r
    SET state            = 'active',
        reason           = _reason,
        strips_elevated  = false,
        state_changed_at = now(),
        updated_at       = now()
    WHERE r.database_role_id = v_role.database_role_id AND r.state <> 'active';

    v_done := ARRAY(SELECT a FROM unsecure.apply_roles(NULL, ARRAY[v_role.role_name], true) AS a);
    -- Whoever may not log in today stays out, with nothing.
    IF EXISTS (SELECT FROM unsecure.desired_logins(ARRAY[v_role.database_role_id], '{}') AS l WHERE NOT l.can_login) THEN
        RETURN QUERY
        SELECT (c).* FROM unnest(v_done) AS c
        UNION ALL
        SELECT cardinality(v_done) + 1, 'conflict', v_role.role_name, 'login', NULL, l.reason
        FROM unsecure.desired_logins(ARRAY[v_role.database_role_id], '{}') AS l;
        RETURN;
    END IF;

    -- Of a role that is active the attributes may have been changed since; its lost memberships still come back.
    v_plan := ARRAY(
        SELECT p FROM unsecure.plan_attributes(
            v_role.role_name, unsecure.recorded_attributes(v_role.recorded, _elevated, v_role.user_id IS NULL)) AS p
        WHERE v_role.recorded IS NOT NULL AND v_role.state <> 'active')
        || ARRAY(SELECT p FROM unsecure.plan_recorded_memberships(v_role.database_role_id) AS p);
    v_todo := ARRAY(SELECT c FROM unnest(v_plan) AS c WHERE c.action <> 'conflict');
    PERFORM unsecure.execute_changes(v_todo);
    -- What only a superuser can grant can be asked for again.
    UPDATE auth.database_role r
    SET recorded = CASE WHEN EXISTS (SELECT FROM unnest(v_plan) AS c WHERE c.action = 'conflict' AND c.statement IS NOT NULL)
                        THEN r.recorded - 'is_out' END
    WHERE r.database_role_id = v_role.database_role_id AND r.recorded IS NOT NULL;

    RETURN QUERY
    SELECT row_number() OVER (ORDER BY c.nth)::integer, c.action, c.role_name, c.object, c.statement, c.reason
    FROM unnest(v_done || v_plan) WITH ORDINALITY AS c (ordinal, action, role_name, object, statement, reason, nth);
END;
$function$;

COMMENT ON FUNCTION auth.restore_role(text, text, text[]) IS
    'auth.restore_identity as a function, for use in a transaction. Returns what was done; conflicts: what did not come back, and why. '
    'RW011: nobody of that name; RW019: the role is not managed; RW503: not for Rolewright; RW512: two of that name; RW513: only an '
    'administrator restores elevated attributes; RW519: no reason, or no such attribute; RW501: not READ COMMITTED.';

REVOKE ALL ON FUNCTION auth.restore_role(text, text, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.restore_role(text, text, text[]) TO rolewright_operator;

CREATE OR REPLACE PROCEDURE auth.restore_identity(
    _username     text,
    _reason       text,
    _elevated     text[] DEFAULT '{}',
    INOUT _report jsonb  DEFAULT NULL
)
LANGUAGE plpgsql
AS $procedure$
DECLARE
    v_path text := pg_catalog.current_setting('search_path');
    v_done auth.change[];
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    v_done := ARRAY(SELECT r FROM auth.restore_role(_username, _reason, _elevated) AS r);
    IF (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user) THEN
        v_done := ARRAY(SELECT d FROM unnest(unsecure.execute_conflicts(v_done)) AS d WHERE d.action <> 'conflict')
                  || ARRAY(SELECT r FROM auth.restore_role(_username, _reason, _elevated) AS r); -- what is not allowed
    END IF;
    _report := jsonb_build_object('changes', to_jsonb(v_done));
    PERFORM set_config('search_path', v_path, true);
END;
$procedure$;

COMMENT ON PROCEDURE auth.restore_identity(text, text, text[], jsonb) IS
    'Brings a person back as recorded when leaving, as far as it is allowed today: the user enabled (if it was), the role''s login, expiry, limit, '
    'INHERIT and settings, the memberships that groups give today, and the others that were recorded. Of elevated attributes those '
    'that _elevated names and that were recorded; memberships that would elevate do not come back. _report: changes, with a conflict for each '
    'thing that did not come back, and why. Errors: as auth.restore_role. Again: no change.';

REVOKE ALL ON PROCEDURE auth.restore_identity(text, text, text[], jsonb) FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE auth.restore_identity(text, text, text[], jsonb) TO rolewright_operator;
