-- Find internal groups user belongs to via external mappings
WITH user_external_groups AS (
    SELECT
        ui.user_id,
        unnest(ui.provider_groups) as external_group,
        unnest(ui.provider_roles) as external_role,
        ui.provider_id
    FROM auth.user_identity ui
    WHERE ui.user_id = 'user-uuid'
        AND ui.is_last_used = true
        AND ui.is_active = true
)
SELECT DISTINCT
    ug.user_group_id,
    ug.code,
    ug.name,
    'external_mapping' as membership_source
FROM user_external_groups ueg
JOIN auth.user_group_mapping ugm ON (
    ugm.provider_id = ueg.provider_id AND (
        ugm.external_group_name = ueg.external_group OR
        ugm.external_role_name = ueg.external_role
    )
)
JOIN auth.user_group ug ON ugm.user_group_id = ug.user_group_id
WHERE ugm.is_active = true;
