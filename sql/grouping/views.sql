-- External groups and roles that somebody has and no mapping names.

CREATE VIEW auth.unmapped_external_group AS
SELECT p.provider_id, p.code AS provider_code, e.external_kind, e.external_name, count(*) AS identities
FROM auth.provider p
JOIN auth.user_identity i ON i.provider_id = p.provider_id
CROSS JOIN LATERAL (
    SELECT 'group' AS external_kind, g.name AS external_name
    FROM unnest(i.provider_groups) AS g (name)
    WHERE NOT EXISTS (
        SELECT FROM auth.user_group_mapping m
        WHERE m.provider_id = p.provider_id
          AND m.is_active
          AND lower(m.external_group_name) = lower(g.name)
          AND (p.group_match = 'ignore_case' OR m.external_group_name = g.name))
    UNION
    SELECT 'role', r.name
    FROM unnest(i.provider_roles) AS r (name)
    WHERE NOT EXISTS (
        SELECT FROM auth.user_group_mapping m
        WHERE m.provider_id = p.provider_id
          AND m.is_active
          AND lower(m.external_role_name) = lower(r.name)
          AND (p.group_match = 'ignore_case' OR m.external_role_name = r.name))
) AS e
WHERE i.is_active
  AND p.is_active
GROUP BY p.provider_id, p.code, e.external_kind, e.external_name;

COMMENT ON VIEW auth.unmapped_external_group IS
    'Groups and roles of active identities that make nobody a member, with the number of identities that have them.';

REVOKE ALL ON auth.unmapped_external_group FROM PUBLIC;
GRANT SELECT ON auth.unmapped_external_group TO rolewright_operator, rolewright_auditor;
