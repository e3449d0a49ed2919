-- Declared groups, with their mappings and assignments. See ensure.sql.

CREATE OR REPLACE FUNCTION unsecure.group_problems(_groups jsonb)
RETURNS SETOF text
LANGUAGE sql
STABLE
AS $function$
    SELECT format('group %s: %s', to_json(e ->> 'code'), p.problem)
    FROM jsonb_array_elements(_groups) AS e
    CROSS JOIN LATERAL (
        SELECT format('%s is not an array', k) AS problem
        FROM unnest('{mappings,assignments}'::text[]) AS k
        WHERE jsonb_typeof(e -> k) <> 'array'
        UNION ALL
        SELECT format('tenant %s does not exist', e -> 'tenant')
        WHERE e ->> 'tenant' IS NOT NULL AND NOT EXISTS (SELECT FROM auth.tenant t WHERE t.code = e ->> 'tenant')
        UNION ALL
        SELECT 'type is not internal, external or hybrid' WHERE e ->> 'type' NOT IN ('internal', 'external', 'hybrid')
    ) AS p
    UNION ALL
    SELECT format('group %s: mapping %s: %s', to_json(m.code), m.item, p.problem)
    FROM unsecure.listed(_groups, 'mappings') AS m
    CROSS JOIN LATERAL (
        SELECT 'not an object' AS problem WHERE jsonb_typeof(m.item) <> 'object'
        UNION ALL
        SELECT 'provider does not exist'
        WHERE jsonb_typeof(m.item) = 'object' AND NOT EXISTS (SELECT FROM auth.provider p WHERE p.code = m.item ->> 'provider')
        UNION ALL
        SELECT 'says neither group nor role'
        WHERE jsonb_typeof(m.item) = 'object' AND num_nonnulls(m.item ->> 'group', m.item ->> 'role') = 0
        UNION ALL
        SELECT 'unknown key ' || to_json(k)
        FROM jsonb_object_keys(CASE jsonb_typeof(m.item) WHEN 'object' THEN m.item ELSE '{}' END) AS k
        WHERE k NOT IN ('provider', 'group', 'role')
    ) AS p
    UNION ALL
    SELECT format('group %s: assignment %s: %s', to_json(a.code), a.item, p.problem)
    FROM unsecure.listed(_groups, 'assignments') AS a
    CROSS JOIN LATERAL (
        SELECT 'not an object' AS problem WHERE jsonb_typeof(a.item) <> 'object'
        UNION ALL
        SELECT 'says not exactly one of permission and set'
        WHERE jsonb_typeof(a.item) = 'object' AND num_nonnulls(a.item ->> 'permission', a.item ->> 'set') <> 1
        UNION ALL
        SELECT 'permission does not exist'
        WHERE a.item ->> 'permission' IS NOT NULL
          AND NOT EXISTS (SELECT FROM auth.permission p WHERE p.code = (a.item ->> 'permission') COLLATE "C")
        UNION ALL
        SELECT 'set does not exist'
        WHERE a.item ->> 'set' IS NOT NULL AND NOT EXISTS (SELECT FROM auth.perm_set s WHERE s.code = a.item ->> 'set')
        UNION ALL
        SELECT format('the group belongs to tenant %s', to_json(own.code))
        FROM jsonb_array_elements(_groups) AS e
        LEFT JOIN auth.user_group g ON g.code = a.code
        JOIN auth.tenant own ON own.code = e ->> 'tenant' OR e ->> 'tenant' IS NULL AND own.tenant_id = g.tenant_id
        WHERE e ->> 'code' = a.code AND a.item ->> 'tenant' <> own.code
        UNION ALL
        SELECT 'tenant does not exist'
        WHERE a.item ->> 'tenant' IS NOT NULL AND NOT EXISTS (SELECT FROM auth.tenant t WHERE t.code = a.item ->> 'tenant')
        UNION ALL
        SELECT 'unknown key ' || to_json(k)
        FROM jsonb_object_keys(CASE jsonb_typeof(a.item) WHEN 'object' THEN a.item ELSE '{}' END) AS k
        WHERE k NOT IN ('permission', 'set', 'tenant', 'valid_until')
    ) AS p;
$function$;

CREATE OR REPLACE FUNCTION unsecure.plan_groups(
    _groups jsonb,
    _prune  boolean
)
RETURNS TABLE (action text, user_group_id uuid, code text, name text, group_type text, description text, tenant_id uuid)
LANGUAGE sql
STABLE
AS $function$
    WITH listed AS (
        SELECT e.code, e.name, e.type, e.description, t.tenant_id
        FROM jsonb_to_recordset(_groups) AS e (code text, name text, type text, description text, tenant text)
        LEFT JOIN auth.tenant t ON t.code = e.tenant
    )
    SELECT CASE WHEN g.code IS NULL THEN 'create'
                WHEN g.is_declared
                     OR (coalesce(l.name, g.name), coalesce(l.type, g.group_type), coalesce(l.description, g.description),
                         coalesce(l.tenant_id, g.tenant_id))
                        IS DISTINCT FROM (g.name, g.group_type, g.description, g.tenant_id) THEN 'update'
                ELSE 'declare' END,
           g.user_group_id, l.code, l.name, l.type, l.description, l.tenant_id
    FROM listed l
    LEFT JOIN auth.user_group g ON g.code = l.code
    WHERE g.code IS NULL
       OR NOT g.is_declared
       OR (coalesce(l.name, g.name), coalesce(l.type, g.group_type), coalesce(l.description, g.description),
           coalesce(l.tenant_id, g.tenant_id))
          IS DISTINCT FROM (g.name, g.group_type, g.description, g.tenant_id)
    UNION ALL
    SELECT 'delete', g.user_group_id, g.code, NULL, NULL, NULL, NULL
    FROM auth.user_group g
    WHERE _prune
      AND g.is_declared
      AND NOT EXISTS (SELECT FROM listed l WHERE l.code = g.code);
$function$;

CREATE OR REPLACE FUNCTION unsecure.plan_group_mappings(
    _groups jsonb,
    _prune  boolean
)
RETURNS TABLE (
    action                text,
    code                  text,
    user_group_mapping_id uuid,
    provider_id           uuid,
    provider_code         text,
    external_group_name   text,
    external_role_name    text
)
LANGUAGE sql
STABLE
AS $function$
    WITH listed AS (
        SELECT DISTINCT m.code, p.provider_id, p.code AS provider_code,
               m.item ->> 'group' AS external_group_name, m.item ->> 'role' AS external_role_name
        FROM unsecure.listed(_groups, 'mappings') AS m
        JOIN auth.provider p ON p.code = m.item ->> 'provider'
    ), actual AS (
        SELECT g.code, m.*, p.code AS provider_code
        FROM auth.user_group g
        JOIN auth.user_group_mapping m ON m.user_group_id = g.user_group_id
        JOIN auth.provider p ON p.provider_id = m.provider_id
    )
    SELECT 'map', l.code, NULL::uuid, l.provider_id, l.provider_code, l.external_group_name, l.external_role_name
    FROM listed l
    WHERE NOT EXISTS (
        SELECT FROM actual a
        WHERE (a.code, a.provider_id, a.external_group_name, a.external_role_name)
              IS NOT DISTINCT FROM (l.code, l.provider_id, l.external_group_name, l.external_role_name))
    UNION ALL
    SELECT 'unmap', a.code, a.user_group_mapping_id, a.provider_id, a.provider_code, a.external_group_name, a.external_role_name
    FROM actual a
    JOIN jsonb_array_elements(_groups) AS e ON e ->> 'code' = a.code AND e ? 'mappings'
    WHERE _prune
      AND NOT EXISTS (
        SELECT FROM listed l
        WHERE (a.code, a.provider_id, a.external_group_name, a.external_role_name)
              IS NOT DISTINCT FROM (l.code, l.provider_id, l.external_group_name, l.external_role_name));
$function$;

CREATE OR REPLACE FUNCTION unsecure.plan_group_assignments(
    _groups jsonb,
    _prune  boolean
)
RETURNS TABLE (
    action        text,
    code          text,
    assignment_id uuid,
    tenant_id     uuid,
    tenant_code   text,
    permission    text,
    perm_set      text,
    valid_until   timestamptz
)
LANGUAGE sql
STABLE
AS $function$
    WITH listed AS (
        SELECT DISTINCT a.code, t.tenant_id, t.code AS tenant_code, a.item ->> 'permission' AS permission, a.item ->> 'set' AS perm_set,
               a.item ? 'valid_until' AS says_end, (a.item ->> 'valid_until')::timestamptz AS valid_until
        FROM unsecure.listed(_groups, 'assignments') AS a
        JOIN jsonb_array_elements(_groups) AS e ON e ->> 'code' = a.code
        LEFT JOIN auth.user_group g ON g.code = a.code
        -- Without a tenant of its own: the group's, else the default one.
        LEFT JOIN auth.tenant own ON own.code = coalesce(a.item ->> 'tenant', e ->> 'tenant')
        JOIN auth.tenant t ON t.tenant_id = coalesce(own.tenant_id, g.tenant_id, unsecure.default_tenant_id())
    ), actual AS (
        SELECT g.code, a.assignment_id, a.tenant_id, t.code AS tenant_code, a.permission_code::text AS permission, s.code AS perm_set,
               a.valid_until
        FROM auth.permission_assignment a
        JOIN auth.user_group g ON g.user_group_id = a.user_group_id
        JOIN auth.tenant t ON t.tenant_id = a.tenant_id
        LEFT JOIN auth.perm_set s ON s.perm_set_id = a.perm_set_id
    )
    SELECT 'assign', l.code, NULL::uuid, l.tenant_id, l.tenant_code, l.permission, l.perm_set, l.valid_until
    FROM listed l
    WHERE NOT EXISTS (
        SELECT FROM actual a
        WHERE (a.code, a.tenant_id, a.permission, a.perm_set) IS NOT DISTINCT FROM (l.code, l.tenant_id, l.permission, l.perm_set)
          AND (NOT l.says_end OR a.valid_until IS NOT DISTINCT FROM l.valid_until))
    UNION ALL
    SELECT 'unassign', a.code, a.assignment_id, a.tenant_id, a.tenant_code, a.permission, a.perm_set, a.valid_until
    FROM actual a
    JOIN jsonb_array_elements(_groups) AS e ON e ->> 'code' = a.code AND e ? 'assignments'
    WHERE _prune
      AND NOT EXISTS (
        SELECT FROM listed l
        WHERE (a.code, a.tenant_id, a.permission, a.perm_set) IS NOT DISTINCT FROM (l.code, l.tenant_id, l.permission, l.perm_set));
$function$;

COMMENT ON FUNCTION unsecure.group_problems(jsonb) IS 'What is wrong with the groups of a declaration.';
COMMENT ON FUNCTION unsecure.plan_groups(jsonb, boolean) IS 'What auth.ensure_groups would do to groups.';
COMMENT ON FUNCTION unsecure.plan_group_mappings(jsonb, boolean) IS 'What auth.ensure_groups would do to their mappings.';
COMMENT ON FUNCTION unsecure.plan_group_assignments(jsonb, boolean) IS 'What auth.ensure_groups would do to their assignments.';

REVOKE ALL ON FUNCTION
    unsecure.group_problems(jsonb),
    unsecure.plan_groups(jsonb, boolean),
    unsecure.plan_group_mappings(jsonb, boolean),
    unsecure.plan_group_assignments(jsonb, boolean)
FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.ensure_groups(
    _groups jsonb,
    _prune  boolean DEFAULT false
)
RETURNS TABLE (action text, object text)
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $function$
#variable_conflict use_column
DECLARE
    v_group record;
BEGIN
    PERFORM unsecure.require_declaration(ARRAY(
        SELECT unsecure.element_problems(_groups, '{code,name,type,description,tenant,mappings,assignments}')));
    PERFORM unsecure.require_declaration(ARRAY(SELECT unsecure.group_problems(_groups)));
    IF NOT EXISTS (SELECT FROM unsecure.plan_groups(_groups, _prune))
       AND NOT EXISTS (SELECT FROM unsecure.plan_group_mappings(_groups, _prune))
       AND NOT EXISTS (SELECT FROM unsecure.plan_group_assignments(_groups, _prune))
    THEN
        RETURN;
    END IF;
    PERFORM unsecure.lock_permission_model();

    RETURN QUERY
        WITH plan AS MATERIALIZED (
            SELECT * FROM unsecure.plan_groups(_groups, _prune) AS p WHERE p.action = 'create'
        ), made AS (
            INSERT INTO auth.user_group (code, name, group_type, description, tenant_id, is_declared)
            SELECT n.code, coalesce(n.name, n.code), coalesce(n.group_type, 'hybrid'), n.description, n.tenant_id, true FROM plan n
        )
        SELECT n.action, 'group ' || n.code FROM plan n ORDER BY 2;

    -- One at a time: a change of type asks what it would drop, and a deletion takes much with it.
    FOR v_group IN SELECT * FROM unsecure.plan_groups(_groups, _prune) AS p ORDER BY p.code LOOP
        IF v_group.action = 'delete' THEN
            PERFORM auth.delete_user_group(v_group.user_group_id);
        ELSE
            PERFORM auth.update_user_group(v_group.user_group_id, v_group.name, v_group.group_type, v_group.description,
                                           coalesce(_prune, false));
            UPDATE auth.user_group g
            SET is_declared = true, tenant_id = coalesce(v_group.tenant_id, g.tenant_id)
            WHERE g.user_group_id = v_group.user_group_id;
        END IF;
        action := v_group.action;
        object := 'group ' || v_group.code;
        RETURN NEXT;
    END LOOP;

    RETURN QUERY
        WITH plan AS MATERIALIZED (
            SELECT * FROM unsecure.plan_group_mappings(_groups, _prune)
        ), gone AS (
            DELETE FROM auth.user_group_mapping m USING plan n WHERE n.action = 'unmap' AND m.user_group_mapping_id = n.user_group_mapping_id
        ), made AS (
            INSERT INTO auth.user_group_mapping (user_group_id, provider_id, external_group_name, external_role_name)
            SELECT g.user_group_id, n.provider_id, n.external_group_name, n.external_role_name
            FROM plan n
            JOIN auth.user_group g ON g.code = n.code
            WHERE n.action = 'map'
        )
        SELECT n.action, format('%s of %s %s group %s', concat_ws(', ', 'group ' || to_json(n.external_group_name),
                                                                   'role ' || to_json(n.external_role_name)),
                                n.provider_code, CASE n.action WHEN 'map' THEN 'to' ELSE 'from' END, n.code)
        FROM plan n
        ORDER BY 2;

    RETURN QUERY
        WITH plan AS MATERIALIZED (
            SELECT * FROM unsecure.plan_group_assignments(_groups, _prune)
        ), gone AS (
            DELETE FROM auth.permission_assignment a USING plan n WHERE n.action = 'unassign' AND a.assignment_id = n.assignment_id
        ), made AS (
            INSERT INTO auth.permission_assignment (tenant_id, user_group_id, permission_code, perm_set_id, valid_until)
            SELECT n.tenant_id, g.user_group_id, n.permission, s.perm_set_id, n.valid_until
            FROM plan n
            JOIN auth.user_group g ON g.code = n.code
            LEFT JOIN auth.perm_set s ON s.code = n.perm_set
            WHERE n.action = 'assign'
            ON CONFLICT (tenant_id, (coalesce(user_group_id, user_id)), (coalesce(perm_set_id::text, permission_code))) DO UPDATE
                SET valid_until = excluded.valid_until
        )
        SELECT n.action, format('%s %s group %s in tenant %s%s', coalesce('set ' || n.perm_set, 'permission ' || n.permission),
                                CASE n.action WHEN 'assign' THEN 'to' ELSE 'from' END, n.code, n.tenant_code,
                                CASE n.action WHEN 'assign' THEN ' until ' || n.valid_until END)
        FROM plan n
        ORDER BY 2;

    PERFORM unsecure.follow_groups(ARRAY(SELECT b.user_group_id FROM auth.group_role b));
END;
$function$;

COMMENT ON FUNCTION auth.ensure_groups(jsonb, boolean) IS
    'Makes sure that groups exist with what is listed: an array of objects with code, name, type (hybrid), description, tenant (a code; '
    'left out: all), mappings (objects with provider, and group or role) and assignments (objects with permission or set, tenant, '
    'valid_until). Returns one row per difference (create, update, declare: it was made by hand, map, assign, and with _prune unmap, '
    'unassign, delete); none when there is none. _prune: mappings and assignments that a listed group has beyond its lists go, and groups '
    'that a call listed once and this one does not, with their members. RW302: a change of type would drop members or mappings (without '
    '_prune); RW314: malformed, with every problem.';

REVOKE ALL ON FUNCTION auth.ensure_groups(jsonb, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.ensure_groups(jsonb, boolean) TO rolewright_operator;
