-- Which mappings the groups and roles of an identity match. Inlined into the queries that use it.

CREATE OR REPLACE FUNCTION unsecure.matching_mappings(
    _provider_id uuid,
    _groups      text[],
    _roles       text[]
)
RETURNS TABLE (user_group_mapping_id uuid, user_group_id uuid, mapping_no bigint, external_name text, is_active boolean)
LANGUAGE sql
STABLE
PARALLEL SAFE
AS $function$
    SELECT m.user_group_mapping_id, m.user_group_id, m.mapping_no, e.name, m.is_active
    FROM auth.provider p
    CROSS JOIN LATERAL unnest(_groups) AS e (name)
    JOIN auth.user_group_mapping m
        ON m.provider_id = _provider_id
       AND lower(m.external_group_name) = lower(e.name)
       AND (p.group_match = 'ignore_case' OR m.external_group_name = e.name)
    WHERE p.provider_id = _provider_id
    UNION ALL
    SELECT m.user_group_mapping_id, m.user_group_id, m.mapping_no, e.name, m.is_active
    FROM auth.provider p
    CROSS JOIN LATERAL unnest(_roles) AS e (name)
    JOIN auth.user_group_mapping m
        ON m.provider_id = _provider_id
       AND lower(m.external_role_name) = lower(e.name)
       AND (p.group_match = 'ignore_case' OR m.external_role_name = e.name)
    WHERE p.provider_id = _provider_id;
$function$;

COMMENT ON FUNCTION unsecure.matching_mappings(uuid, text[], text[]) IS
    'The mappings, active or not, that groups and roles at a provider match, and by which name.';

REVOKE ALL ON FUNCTION unsecure.matching_mappings(uuid, text[], text[]) FROM PUBLIC;
