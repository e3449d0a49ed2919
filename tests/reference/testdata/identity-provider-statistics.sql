-- Provider usage statistics
SELECT
    p.name as provider_name,
    COUNT(DISTINCT ui.user_id) as total_users,
    COUNT(DISTINCT ui.user_id) FILTER (WHERE ui.is_last_used = true) as active_users,
    COUNT(DISTINCT ui.user_id) FILTER (WHERE ui.last_login_at > now() - interval '30 days') as recent_logins,
    MAX(ui.last_login_at) as most_recent_login
FROM auth.provider p
LEFT JOIN auth.user_identity ui ON p.provider_id = ui.provider_id AND ui.is_active = true
WHERE p.is_active = true
GROUP BY p.provider_id
ORDER BY active_users DESC;
