-- What one asks about identities.

CREATE VIEW auth.identity_overview AS
SELECT u.user_id, u.username, u.display_name, p.provider_id, p.code AS provider_code, p.name AS provider_name, p.provider_type,
       i.user_identity_id, i.provider_user_id, i.provider_groups, i.provider_roles, i.is_active, i.is_complete, i.is_last_used,
       i.last_login_at, i.created_at
FROM auth.user_info u
JOIN auth.user_identity i ON i.user_id = u.user_id
JOIN auth.provider p ON p.provider_id = i.provider_id;

CREATE VIEW auth.provider_statistics AS
SELECT p.provider_id, p.code AS provider_code, p.name AS provider_name, p.is_active,
       count(DISTINCT i.user_id)                                                                        AS total_users,
       count(DISTINCT i.user_id) FILTER (WHERE i.is_last_used)                                          AS active_users,
       count(DISTINCT i.user_id) FILTER (WHERE i.last_login_at > statement_timestamp() - interval '30 days') AS recent_logins,
       max(i.last_login_at)                                                                             AS most_recent_login
FROM auth.provider p
LEFT JOIN auth.user_identity i ON i.provider_id = p.provider_id AND i.is_active
GROUP BY p.provider_id;

CREATE VIEW auth.stale_identity AS
SELECT u.user_id, u.username, p.code AS provider_code, p.name AS provider, i.user_identity_id, i.last_login_at,
       statement_timestamp() - i.last_login_at AS time_since_login
FROM auth.user_identity i
JOIN auth.user_info u ON u.user_id = i.user_id
JOIN auth.provider p ON p.provider_id = i.provider_id
WHERE i.last_login_at < statement_timestamp() - interval '90 days'
   OR i.last_login_at IS NULL;

COMMENT ON VIEW auth.identity_overview IS 'Every identity with its user and provider.';
COMMENT ON VIEW auth.provider_statistics IS
    'Per provider, over active identities: users, users who used it last, users who logged in through it within 30 days.';
COMMENT ON VIEW auth.stale_identity IS 'Identities that have not logged in for 90 days, or never (last_login_at NULL).';

REVOKE ALL ON auth.identity_overview, auth.provider_statistics, auth.stale_identity FROM PUBLIC;
GRANT SELECT ON auth.identity_overview, auth.provider_statistics, auth.stale_identity TO rolewright_operator, rolewright_auditor;
