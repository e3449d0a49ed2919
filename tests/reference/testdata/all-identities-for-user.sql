-- Complete identity overview
SELECT
    u.username,
    u.display_name,
    p.name as provider_name,
    p.provider_type,
    ui.provider_user_id,
    ui.provider_groups,
    ui.provider_roles,
    ui.is_active,
    ui.is_last_used,
    ui.last_login_at,
    ui.created_at
FROM auth.user_info u
JOIN auth.user_identity ui ON u.user_id = ui.user_id
JOIN auth.provider p ON ui.provider_id = p.provider_id
WHERE u.username = 'john.doe'
ORDER BY ui.last_login_at DESC NULLS LAST;
