-- Generic SAML provider (Okta, Auth0, etc.)
SELECT auth.create_user_identity(
    _user_id := 'user-uuid',
    _provider_id := 'saml-okta-provider-uuid',
    _provider_user_id := 'john.doe@company.com', -- SAML NameID
    _provider_groups := ARRAY['Everyone', 'Engineering', 'Admins'],
    _provider_roles := ARRAY['SystemAdmin', 'Developer'],
    _provider_data := '{
        "name_id": "john.doe@company.com",
        "session_index": "session123",
        "department": "IT",
        "cost_center": "CC001"
    }'::jsonb
);
