-- Update identity during login (typical SSO flow)
SELECT auth.update_user_identity_on_login(
    _provider_id := 'azure-ad-provider-uuid',
    _provider_user_id := 'azure-object-id',
    _provider_groups := ARRAY['Engineering', 'Senior Developers', 'Architects'], -- Updated groups
    _provider_roles := ARRAY['TechLead', 'Architect'], -- New role
    _provider_data := '{
        "title": "Principal Software Architect",
        "last_promotion": "2024-01-01"
    }'::jsonb
);
