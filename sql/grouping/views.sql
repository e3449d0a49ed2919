-- External groups and roles that somebody has and no mapping names.

CREATE VIEW auth.unmapped_external_group AS
SELECT p.provider_id, p.code AS provider_code, e.external_kind, e.external_name, count(*) AS identities
FROM auth.provider p
JOIN auth.user_identity i ON i.provider_id = p.provider_id
CROSS JOIN LATERAL (
    SELECT 'group' AS external_kind, t.name AS external_name FROM unnest(i.provider_groups) AS t (name)
    UNION
    SELECT 'role', t.name FROM unnest(i.provider_roles) AS t (name)
) AS e
WHERE i.is_active
  AND p.is_active
  AND NOT EXISTS (
      SELECT FROM auth.user_group_mapping m
      WHERE m.provider_id = p.provider_id
        AND m.is_active
        AND CASE e.external_kind WHEN 'group' THEN
                lower(m.external_group_name) = lower(e.external_name)
                AND (p.group_match = 'ignore_case' OR m.external_group_name = e.external_name)
            ELSE
                lower(m.external_role_name) = lower(e.external_name)
                AND (p.group_match = 'ignore_case' OR m.external_role_name = e.external_name)
            END)
GROUP BY p.provider_id, p.code, e.external_kind, e.external_name;

COMMENT ON VIEW auth.unmapped_external_group IS
    'Groups and roles of active identities that make nobody a member, with the number of identities that have them.';

REVOKE ALL ON auth.unmapped_external_group FROM PUBLIC;
GRANT SELECT ON auth.unmapped_external_group TO rolewright_operator, rolewright_auditor;
