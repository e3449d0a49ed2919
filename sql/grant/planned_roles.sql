-- The roles that a plan is about: those of the declaration, PUBLIC, and the intermediate roles that they are members of.

CREATE TYPE unsecure.planned_role AS (
    role_name        text,
    role_oid         oid,
    is_public        boolean,
    is_intermediate  boolean,
    is_managed       boolean,
    is_person        boolean,
    is_out           boolean,
    is_all_scope     boolean,
    can_login        boolean,
    inherits         boolean,
    connection_limit integer,
    valid_until      timestamptz,
    login            jsonb,
    preserved        oid[],
    missing          text,
    new_owner        text,
    is_default_owner boolean,
    name_problem     text,
    is_unused        boolean
);

COMMENT ON TYPE unsecure.planned_role IS
    'A role of a plan, as it is and as its options say. role_oid: NULL: it does not exist. is_managed: it is a login role of the registry. is_person: its '
    'login follows a person. is_out: who may not log in. login: as declared. is_unused: an intermediate role to drop. preserved: schemas whose contents are left alone.';

CREATE OR REPLACE FUNCTION unsecure.planned_roles(
    _declaration jsonb,
    _caller      oid
)
RETURNS SETOF unsecure.planned_role
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_managed uuid[] := ARRAY(
        SELECT d.database_role_id
        FROM auth.database_role d
        JOIN jsonb_object_keys(coalesce(_declaration -> 'roles', '{}')) AS k ON k = d.role_name
        WHERE d.role_kind = 'login' AND d.state <> 'deleted');
BEGIN
    RETURN QUERY
    WITH declared AS MATERIALIZED (
        SELECT r.key AS role_name, r.value,
               coalesce(_declaration -> 'options', '{}') || coalesce(r.value -> 'options', '{}') AS options,
               coalesce(r.value -> 'preserve_schemas', _declaration -> 'preserve_schemas', '[]') AS preserved
        FROM jsonb_each(coalesce(_declaration -> 'roles', '{}')) AS r
    ), login AS MATERIALIZED (
        SELECT g.role_name, g.element FROM unsecure.declared_grants(_declaration) AS g WHERE g.element ->> 'type' = 'login'
    ), outside AS MATERIALIZED (
        SELECT l.role_name, l.can_login IS NOT NULL AS is_person, coalesce(NOT l.can_login, false) AS is_out FROM unsecure.desired_logins(v_managed, '{}') AS l
    ), registered AS (
        SELECT DISTINCT ON (d.role_name) d.role_name, d.role_oid, d.state, d.last_user_id, d.user_id, d.state_changed_at
        FROM auth.database_role d
        ORDER BY d.role_name, d.state = 'deleted', d.state_changed_at DESC
    ), preserved AS MATERIALIZED (
        SELECT p.preserved, ARRAY(SELECT n.oid FROM pg_namespace n JOIN jsonb_array_elements_text(p.preserved) AS s ON s = n.nspname) AS oids
        FROM (SELECT DISTINCT d.preserved FROM declared d) AS p
    )
    SELECT d.role_name, a.oid, false, false, o.role_name IS NOT NULL, coalesce(o.is_person, false), coalesce(o.is_out, false),
           coalesce(d.options ->> 'scope', 'all') = 'all',
           a.rolcanlogin, coalesce(a.rolinherit, true), a.rolconnlimit, nullif(a.rolvaliduntil, 'infinity'), l.element, p.oids,
           coalesce(d.options ->> 'missing', 'error'),
           coalesce(d.options ->> 'new_owner', (SELECT c.rolname::text FROM pg_roles c WHERE c.oid = _caller)),
           NOT d.options ? 'new_owner',
           CASE WHEN t.state <> 'deleted' AND t.role_oid IS NULL
                THEN 'it is managed, and yet to be made: auth.apply_database_roles does that'
                -- Being deleted, dropped by somebody, or another role by now.
                WHEN t.state <> 'deleted' AND t.role_oid IS DISTINCT FROM a.oid
                THEN coalesce(unsecure.role_mismatch(d.role_name, t.role_oid, (SELECT x.rolname::text FROM pg_roles x WHERE x.oid = t.role_oid), a.oid),
                              'it is managed, and is being deleted or was dropped: auth.sync_identity makes it anew, auth.release_role forgets it')
                WHEN a.oid IS NULL AND t.state = 'deleted' AND NOT coalesce((d.options ->> 'reuse_name')::boolean, false)
                THEN format('the name was %s''s until %s; option reuse_name hands it on', coalesce('user ' || coalesce(t.user_id, t.last_user_id), 'somebody'), t.state_changed_at)
                WHEN o.is_person AND l.element IS NOT NULL
                THEN 'its login follows a person: auth.sync_identity sets what can be set' END,
           false
    FROM declared d
    JOIN preserved p ON p.preserved = d.preserved
    LEFT JOIN pg_roles a ON a.rolname = d.role_name
    LEFT JOIN login l ON l.role_name = d.role_name
    LEFT JOIN outside o ON o.role_name = d.role_name
    LEFT JOIN registered t ON t.role_name = d.role_name
    UNION ALL
    SELECT 'public', NULL, true, false, false, false, false, coalesce(_declaration -> 'options' ->> 'scope', 'all') = 'all', false, true, -1, NULL, NULL, '{}',
           coalesce(_declaration -> 'options' ->> 'missing', 'error'), NULL, false, NULL, false
    WHERE _declaration ? 'public';
END;
$function$;

COMMENT ON FUNCTION unsecure.planned_roles(jsonb, oid) IS 'The roles of a declaration, and PUBLIC where it has rules.';

CREATE OR REPLACE FUNCTION unsecure.planned_drops(
    _steps  unsecure.grant_step[],
    _caller oid
)
RETURNS SETOF unsecure.planned_role
LANGUAGE sql
STABLE
AS $function$
    SELECT u.role_name, u.role_oid, false, false, false, false, false, true, false, true, -1, NULL::timestamptz, NULL::jsonb, '{}'::oid[], 'error',
           (SELECT c.rolname::text FROM pg_roles c WHERE c.oid = _caller), true, NULL, true
    FROM unsecure.unused_roles(_steps) AS u
    LEFT JOIN unsecure.known_intermediate k ON k.role_oid = u.role_oid
    WHERE k.role_oid IS NOT NULL OR unsecure.may_administer(_caller, u.role_oid);
$function$;

COMMENT ON FUNCTION unsecure.planned_drops(unsecure.grant_step[], oid) IS 'The intermediate roles that nothing will use when these steps are done.';

CREATE OR REPLACE FUNCTION unsecure.planned_intermediates(
    _roles   unsecure.planned_role[],
    _targets unsecure.grant_target[],
    _caller  oid
)
RETURNS SETOF unsecure.planned_role
LANGUAGE sql
STABLE
AS $function$
    SELECT a.rolname::text, a.oid, false, k.role_oid IS NOT NULL, false, false, false, k.role_oid IS NOT NULL, a.rolcanlogin, true, -1, NULL::timestamptz, NULL::jsonb, '{}'::oid[], 'error',
           (SELECT c.rolname::text FROM pg_roles c WHERE c.oid = _caller), true, NULL, false
    FROM pg_roles a
    LEFT JOIN unsecure.known_intermediate k ON k.role_oid = a.oid
    WHERE a.rolname LIKE 'rolewright\_via\_%'
      AND a.oid NOT IN (SELECT r.role_oid FROM unnest(_roles) AS r WHERE r.role_oid IS NOT NULL)
      AND CASE WHEN k.role_oid IS NOT NULL
               THEN EXISTS (SELECT FROM unnest(_targets) AS t WHERE t.kind = k.object_kind AND t.object_oid = k.object_oid AND t.subid = k.object_subid)
                    OR EXISTS (SELECT FROM pg_auth_members m JOIN unnest(_roles) AS r ON r.role_oid = m.member WHERE m.roleid = a.oid)
               -- A copied database has privileges of the original's roles.
               ELSE unsecure.is_foreign_intermediate(a.oid)
                    AND EXISTS (SELECT FROM pg_auth_members m JOIN unnest(_roles) AS r ON r.role_oid = m.member WHERE m.roleid = a.oid) END;
$function$;

COMMENT ON FUNCTION unsecure.planned_intermediates(unsecure.planned_role[], unsecure.grant_target[], oid) IS
    'The intermediate roles that these roles are in or may come into; and those of other databases (not is_intermediate), which shall have nothing here.';

REVOKE ALL ON FUNCTION
    unsecure.planned_roles(jsonb, oid),
    unsecure.planned_drops(unsecure.grant_step[], oid),
    unsecure.planned_intermediates(unsecure.planned_role[], unsecure.grant_target[], oid)
FROM PUBLIC;
