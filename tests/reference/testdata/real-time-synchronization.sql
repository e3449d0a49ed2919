-- Process identity claims from JWT token or SAML assertion
CREATE OR REPLACE FUNCTION auth.process_identity_claims(
    _user_id uuid,
    _provider_id uuid,
    _claims jsonb
) RETURNS void AS $$
DECLARE
    v_groups text[];
    v_roles text[];
BEGIN
    -- Extract groups and roles from claims
    v_groups := ARRAY(SELECT jsonb_array_elements_text(_claims->'groups'));
    v_roles := ARRAY(SELECT jsonb_array_elements_text(_claims->'roles'));
    -- Update identity
    UPDATE auth.user_identity
    SET
        provider_groups = v_groups,
        provider_roles = v_roles,
        provider_data = _claims,
        is_last_used = true,
        last_login_at = now(),
        updated_at = now()
    WHERE user_id = _user_id
        AND provider_id = _provider_id;
    -- Clear last_used from other identities
    UPDATE auth.user_identity
    SET is_last_used = false
    WHERE user_id = _user_id
        AND provider_id != _provider_id;
    -- Clear permission cache
    PERFORM unsecure.clear_permission_cache(_user_id);
END;
$$ LANGUAGE plpgsql;
