-- Which mappings the groups and roles of an identity match. Inlined into the queries that use it.

CREATE OR REPLACE FUNCTION unsecure.matching_mappings(
    _provider_id uuid,
    _groups      text[],
    _roles       text[]
)
RETURNS TABLE (user_group_mapping_id uuid, user_group_id uuid, mapping_no bigint, external_kind text, external_name text,
               is_active boolean)
LANGUAGE sql
STABLE
PARALLEL SAFE
AS $function$
    SELECT m.user_group_mapping_id, m.user_group_id, m.mapping_no, e.kind, e.name, m.is_active
    FROM auth.provider p
    CROSS JOIN LATERAL (
        SELECT unnest(_groups) AS name, 'group' AS kind
        UNION ALL
        SELECT unnest(_roles), 'role'
    ) AS e
    -- OFFSET 0: by the index, name by name. Joined freely, all mappings are read where the plan cannot know how few the names are.
    CROSS JOIN LATERAL (
        SELECT g.* FROM auth.user_group_mapping g
        WHERE e.kind = 'group' AND g.provider_id = _provider_id AND lower(g.external_group_name) = lower(e.name)
        UNION ALL
        SELECT r.* FROM auth.user_group_mapping r
        WHERE e.kind = 'role' AND r.provider_id = _provider_id AND lower(r.external_role_name) = lower(e.name)
        OFFSET 0
    ) AS m
    WHERE p.provider_id = _provider_id
      AND (p.group_match = 'ignore_case' OR e.name = CASE e.kind WHEN 'role' THEN m.external_role_name ELSE m.external_group_name END);
$function$;

COMMENT ON FUNCTION unsecure.matching_mappings(uuid, text[], text[]) IS
    'The mappings, active or not, that groups and roles at a provider match, and by which name.';

REVOKE ALL ON FUNCTION unsecure.matching_mappings(uuid, text[], text[]) FROM PUBLIC;
