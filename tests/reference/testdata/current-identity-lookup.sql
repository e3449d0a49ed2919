-- Get user's current identity and groups
SELECT
    u.username,
    u.display_name,
    p.name as current_provider,
    ui.provider_groups,
    ui.provider_roles,
    ui.last_login_at
FROM auth.user_info u
JOIN auth.user_identity ui ON u.user_id = ui.user_id AND ui.is_last_used = true
JOIN auth.provider p ON ui.provider_id = p.provider_id
WHERE u.user_id = 'user-uuid';
