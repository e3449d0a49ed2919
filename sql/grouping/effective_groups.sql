-- Which groups a user is in at this moment, and why.

CREATE OR REPLACE FUNCTION auth.effective_groups(_user_id uuid)
RETURNS TABLE (
    user_group_id     uuid,
    code              text,
    name              text,
    membership_source text,
    user_identity_id  uuid,
    provider_code     text
)
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT g.user_group_id, g.code, g.name, s.membership_source, s.user_identity_id, s.provider_code
    FROM auth.user_info u
    CROSS JOIN LATERAL (
        SELECT m.user_group_id, 'direct' AS membership_source, NULL::uuid AS user_identity_id, NULL::text AS provider_code,
               'external' AS not_in_type
        FROM auth.user_group_member m
        WHERE m.user_id = u.user_id
          AND (m.valid_until IS NULL OR m.valid_until > statement_timestamp())

        UNION

        -- The last used identity alone, or before any login all of them: groups of one do not leak into a login through another.
        SELECT m.user_group_id, 'external_mapping', i.user_identity_id, p.code, 'internal'
        FROM auth.user_identity i
        JOIN auth.provider p ON p.provider_id = i.provider_id
        CROSS JOIN LATERAL unsecure.matching_mappings(i.provider_id, i.provider_groups, i.provider_roles) AS m
        WHERE i.user_id = u.user_id
          AND i.is_active
          AND p.is_active
          AND m.is_active
          AND (i.is_last_used
               OR NOT EXISTS (SELECT FROM auth.user_identity l WHERE l.user_id = u.user_id AND l.is_last_used))
    ) AS s
    JOIN auth.user_group g ON g.user_group_id = s.user_group_id
    WHERE u.user_id = _user_id
      AND u.is_active
      AND NOT u.is_locked
      AND g.is_active
      AND g.group_type <> s.not_in_type;
$function$;

COMMENT ON FUNCTION auth.effective_groups(uuid) IS
    'The groups that a user is in at this moment, one row per way in. membership_source: direct (put in by hand), or external_mapping '
    '(through user_identity_id, an identity at provider_code: the last used one; before any login, every active one). '
    'A disabled or locked user has none; disabled providers, identities, mappings and groups contribute nothing.';

REVOKE ALL ON FUNCTION auth.effective_groups(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.effective_groups(uuid) TO rolewright_app, rolewright_operator, rolewright_auditor;
