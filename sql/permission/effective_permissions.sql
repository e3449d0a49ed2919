-- Who has what: lists, from the tables.

CREATE OR REPLACE FUNCTION auth.effective_permissions(
    _user_id   uuid,
    _tenant_id uuid DEFAULT NULL
)
RETURNS TABLE (permission_code text, valid_until timestamptz)
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
SET plan_cache_mode = force_generic_plan -- planning takes longer than running
AS $function$
#variable_conflict use_column
DECLARE
    v_tenant_id uuid := coalesce(_tenant_id, unsecure.default_tenant_id());
BEGIN
    IF NOT EXISTS (SELECT FROM auth.user_info u WHERE u.user_id = _user_id AND u.is_active AND NOT u.is_locked) THEN
        RETURN;
    END IF;
    RETURN QUERY
        WITH way AS MATERIALIZED (
            SELECT m.user_group_id, m.valid_until
            FROM auth.user_group_member m
            JOIN unsecure.group_way w ON w.user_group_id = m.user_group_id AND w.mapping_no = 0
            WHERE m.user_id = _user_id
              AND (m.valid_until IS NULL OR m.valid_until > statement_timestamp())
            UNION
            SELECT w.user_group_id, NULL
            FROM unsecure.mapped_ways(_user_id) AS y
            JOIN unsecure.group_way w ON w.mapping_no = y::bigint
        ), assigned AS (
            SELECT g.permission_code, least(g.valid_until, y.valid_until) AS valid_until
            FROM way y
            -- OFFSET 0: group by group, and not all that all groups have.
            CROSS JOIN LATERAL (
                SELECT p.permission_code, p.valid_until
                FROM unsecure.group_permission p
                WHERE p.user_group_id = y.user_group_id AND p.tenant_id = v_tenant_id
                OFFSET 0
            ) AS g
            WHERE g.valid_until IS NULL OR g.valid_until > statement_timestamp()
            UNION ALL
            SELECT a.permission_code, a.valid_until
            FROM unsecure.assigned_permission a
            WHERE a.user_id = _user_id
              AND a.tenant_id = v_tenant_id
              AND (a.valid_until IS NULL OR a.valid_until > statement_timestamp())
        )
        SELECT a.permission_code::text, CASE WHEN bool_and(a.valid_until IS NOT NULL) THEN max(a.valid_until) END
        FROM assigned a
        GROUP BY a.permission_code
        ORDER BY a.permission_code;
END;
$function$;

COMMENT ON FUNCTION auth.effective_permissions(uuid, uuid) IS
    'The permissions that a user has in a tenant (NULL: the default one) at this moment, one row each, sorted: every code to which '
    'auth.has_permission says yes. valid_until: when the last assignment or membership that gives it ends; NULL: it does not.';

REVOKE ALL ON FUNCTION auth.effective_permissions(uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.effective_permissions(uuid, uuid) TO rolewright_app, rolewright_operator, rolewright_auditor;

CREATE OR REPLACE FUNCTION auth.users_with_permission(
    _permission_code text,
    _tenant_id       uuid DEFAULT NULL
)
RETURNS TABLE (user_id uuid, username text, valid_until timestamptz)
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $function$
DECLARE
    v_tenant_id uuid := coalesce(_tenant_id, unsecure.default_tenant_id());
BEGIN
    PERFORM unsecure.require_permission_codes(ARRAY[_permission_code]);
    RETURN QUERY
        WITH giving AS MATERIALIZED (
            SELECT g.user_group_id, g.valid_until
            FROM unsecure.group_permission g
            WHERE g.permission_code = _permission_code COLLATE "C"
              AND g.tenant_id = v_tenant_id
              AND (g.valid_until IS NULL OR g.valid_until > statement_timestamp())
        ), holder AS (
            SELECT m.user_id, least(g.valid_until, m.valid_until) AS valid_until
            FROM giving g
            JOIN unsecure.group_way w ON w.user_group_id = g.user_group_id AND w.mapping_no = 0
            JOIN auth.user_group_member m ON m.user_group_id = g.user_group_id
            WHERE m.valid_until IS NULL OR m.valid_until > statement_timestamp()
            UNION ALL
            SELECT i.user_id, g.valid_until
            FROM giving g
            JOIN unsecure.group_way w ON w.user_group_id = g.user_group_id
            JOIN auth.user_group_mapping m ON m.mapping_no = w.mapping_no
            JOIN auth.provider p ON p.provider_id = m.provider_id
            JOIN auth.user_identity i ON i.provider_id = m.provider_id
            WHERE i.is_active
              AND (i.is_last_used OR NOT EXISTS (SELECT FROM auth.user_identity l WHERE l.user_id = i.user_id AND l.is_last_used))
              AND CASE p.group_match
                      WHEN 'exact' THEN m.external_group_name = ANY (i.provider_groups) OR m.external_role_name = ANY (i.provider_roles)
                      ELSE EXISTS (SELECT FROM unnest(i.provider_groups) AS e WHERE lower(e) = lower(m.external_group_name))
                           OR EXISTS (SELECT FROM unnest(i.provider_roles) AS e WHERE lower(e) = lower(m.external_role_name))
                  END
            UNION ALL
            SELECT a.user_id, a.valid_until
            FROM unsecure.assigned_permission a
            WHERE a.user_id IS NOT NULL
              AND a.tenant_id = v_tenant_id
              AND a.permission_code = _permission_code COLLATE "C"
              AND (a.valid_until IS NULL OR a.valid_until > statement_timestamp())
        )
        SELECT u.user_id, u.username, CASE WHEN bool_and(h.valid_until IS NOT NULL) THEN max(h.valid_until) END
        FROM holder h
        JOIN auth.user_info u ON u.user_id = h.user_id
        WHERE u.is_active AND NOT u.is_locked
        GROUP BY u.user_id
        ORDER BY u.username;
END;
$function$;

COMMENT ON FUNCTION auth.users_with_permission(text, uuid) IS
    'The users who have a permission in a tenant (NULL: the default one) at this moment, by username: everybody for whom '
    'auth.has_permission says yes. valid_until: when the last assignment or membership that gives it ends; NULL: it does not. '
    'RW016: no such permission.';

REVOKE ALL ON FUNCTION auth.users_with_permission(text, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.users_with_permission(text, uuid) TO rolewright_app, rolewright_operator, rolewright_auditor;
