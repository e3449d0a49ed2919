-- Create user and identity from external provider
SELECT auth.ensure_user_from_provider(
    _provider_id := 'azure-ad-provider-uuid',
    _provider_user_id := 'new-user-object-id',
    _email := 'newuser@company.com',
    _display_name := 'New User',
    _provider_groups := ARRAY['Domain Users', 'Marketing'],
    _provider_roles := ARRAY['Employee'],
    _provider_data := '{
        "department": "Marketing",
        "hire_date": "2024-01-15",
        "employee_id": "EMP123"
    }'::jsonb
);
