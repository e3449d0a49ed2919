-- Bulk update identities from external system
CREATE OR REPLACE FUNCTION auth.sync_provider_identities(
    _provider_id uuid,
    _identity_data jsonb[]
) RETURNS void AS $$
DECLARE
    v_data jsonb;
BEGIN
    FOREACH v_data IN ARRAY _identity_data
    LOOP
        UPDATE auth.user_identity
        SET
            provider_groups = ARRAY(SELECT jsonb_array_elements_text(v_data->'groups')),
            provider_roles = ARRAY(SELECT jsonb_array_elements_text(v_data->'roles')),
            provider_data = v_data->'data',
            updated_at = now()
        WHERE provider_id = _provider_id
            AND provider_user_id = v_data->>'provider_user_id';
    END LOOP;
    -- Clear all permission caches for this provider
    PERFORM unsecure.clear_permission_cache_by_provider(_provider_id);
END;
$$ LANGUAGE plpgsql;
