-- Why a user has a permission, or what is missing.

CREATE OR REPLACE FUNCTION auth.explain_permission(
    _user_id         uuid,
    _permission_code text,
    _tenant_id       uuid DEFAULT NULL
)
RETURNS TABLE (
    is_granted       boolean,
    source           text,
    provider_code    text,
    provider_user_id text,
    external_kind    text,
    external_name    text,
    group_code       text,
    perm_set_code    text,
    granted_code     text,
    valid_until      timestamptz,
    ends_with        text,
    missing          text[]
)
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $function$
DECLARE
    v_tenant_id uuid := coalesce(_tenant_id, unsecure.default_tenant_id());
BEGIN
    PERFORM unsecure.require_user(_user_id);
    PERFORM unsecure.require_permission_codes(ARRAY[_permission_code]);
    PERFORM unsecure.require_tenant(v_tenant_id);

    RETURN QUERY
        WITH assigned AS MATERIALIZED (
            SELECT a.*, s.code AS set_code, coalesce(a.permission_code, sp.permission_code) AS node
            FROM auth.permission_assignment a
            LEFT JOIN auth.perm_set s ON s.perm_set_id = a.perm_set_id
            LEFT JOIN auth.perm_set_permission sp ON sp.perm_set_id = a.perm_set_id
            WHERE a.tenant_id = v_tenant_id
              AND (a.user_id IS NULL OR a.user_id = _user_id)
              AND unsecure.is_at_or_below(_permission_code COLLATE "C", coalesce(a.permission_code, sp.permission_code))
        ), way AS MATERIALIZED (
            SELECT m.user_group_id, 'member' AS source, NULL::text AS provider_code, NULL::text AS provider_user_id,
                   NULL::text AS external_kind, NULL::text AS external_name, m.valid_until, 'external' AS not_in_type,
                   ARRAY[CASE WHEN m.valid_until <= statement_timestamp() THEN format('the membership ended at %s', m.valid_until) END]
                       AS missing
            FROM auth.user_group_member m
            WHERE m.user_id = _user_id
            UNION ALL
            SELECT x.user_group_id, 'mapping', p.code, i.provider_user_id, x.external_kind, x.external_name, NULL, 'internal',
                   ARRAY[
                       CASE WHEN NOT x.is_active THEN 'the mapping is disabled' END,
                       CASE WHEN NOT p.is_active THEN format('provider %s is disabled', p.code) END,
                       CASE WHEN NOT i.is_active THEN 'the identity is disabled' END,
                       CASE WHEN NOT i.is_last_used
                                 AND EXISTS (SELECT FROM auth.user_identity l WHERE l.user_id = _user_id AND l.is_last_used)
                            THEN 'the user logged in last with another identity' END]
            FROM auth.user_identity i
            JOIN auth.provider p ON p.provider_id = i.provider_id
            CROSS JOIN LATERAL unsecure.matching_mappings(i.provider_id, i.provider_groups, i.provider_roles) AS x
            WHERE i.user_id = _user_id
        ), path AS (
            SELECT CASE WHEN a.user_id IS NOT NULL THEN 'direct' ELSE coalesce(w.source, 'none') END AS source,
                   w.provider_code, w.provider_user_id, w.external_kind, w.external_name, g.code AS group_code, a.set_code, a.node,
                   least(a.valid_until, w.valid_until) AS valid_until,
                   CASE WHEN least(a.valid_until, w.valid_until) = a.valid_until THEN 'assignment'
                        WHEN w.valid_until IS NOT NULL THEN 'membership' END AS ends_with,
                   array_remove(
                       ARRAY[
                           CASE WHEN NOT u.is_active THEN 'the user is disabled' END,
                           CASE WHEN u.is_locked THEN 'the user is locked' END,
                           CASE WHEN NOT t.is_active THEN format('tenant %s is disabled', t.code) END,
                           CASE WHEN a.valid_until <= statement_timestamp() THEN format('the assignment ended at %s', a.valid_until) END,
                           CASE WHEN NOT g.is_active THEN format('group %s is disabled', g.code) END,
                           CASE WHEN g.tenant_id <> v_tenant_id THEN format('group %s belongs to another tenant', g.code) END,
                           CASE WHEN g.group_type = w.not_in_type
                                THEN format('group %s is %s, where %s do not count', g.code, g.group_type,
                                            CASE w.source WHEN 'member' THEN 'members put in by hand' ELSE 'mappings' END) END,
                           CASE WHEN a.user_group_id IS NOT NULL AND w.source IS NULL THEN format('the user is not in group %s', g.code) END]
                       || w.missing, NULL) AS missing
            FROM assigned a
            JOIN auth.user_info u ON u.user_id = _user_id
            JOIN auth.tenant t ON t.tenant_id = a.tenant_id
            LEFT JOIN auth.user_group g ON g.user_group_id = a.user_group_id
            LEFT JOIN way w ON w.user_group_id = a.user_group_id
        ), answer AS (
            SELECT EXISTS (SELECT FROM path p WHERE p.missing = '{}') AS is_granted
        )
        SELECT n.is_granted, p.source, p.provider_code, p.provider_user_id, p.external_kind, p.external_name, p.group_code, p.set_code,
               p.node::text,
               p.valid_until, p.ends_with, p.missing
        FROM path p
        CROSS JOIN answer n
        WHERE NOT n.is_granted OR p.missing = '{}'
        UNION ALL
        SELECT false, 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, ARRAY['nothing assigns it in this tenant']
        WHERE NOT EXISTS (SELECT FROM path)
        -- The path that lasts longest, or lacks least, comes first.
        ORDER BY 10 DESC NULLS FIRST, 12, 7, 6, 8;
END;
$function$;

COMMENT ON FUNCTION auth.explain_permission(uuid, text, uuid) IS
    'Why a user has a permission in a tenant (NULL: the default one), or what is missing: one row per path. source: mapping (identity '
    'provider_user_id at provider_code has external_name, an external_kind (group or role) that is mapped to group_code), member (put '
    'into group_code by hand), direct (assigned to the user), none (no way in). granted_code: the node that is assigned, in perm_set_code or by itself. valid_until and '
    'ends_with: when the path ends, and with what (assignment, membership); NULL: it does not. When is_granted, the paths that give it; '
    'else all that would, and what each one misses. RW011: no such user; RW015: no such tenant; RW016: no such permission.';

REVOKE ALL ON FUNCTION auth.explain_permission(uuid, text, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.explain_permission(uuid, text, uuid) TO rolewright_app, rolewright_operator, rolewright_auditor;
