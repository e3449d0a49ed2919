-- Find stale identities
SELECT
    u.username,
    p.name as provider,
    ui.last_login_at,
    now() - ui.last_login_at as time_since_login
FROM auth.user_identity ui
JOIN auth.user_info u ON ui.user_id = u.user_id
JOIN auth.provider p ON ui.provider_id = p.provider_id
WHERE ui.last_login_at < now() - interval '90 days'
    OR ui.last_login_at IS NULL
ORDER BY ui.last_login_at NULLS FIRST;
