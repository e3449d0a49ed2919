-- Azure AD identity with rich claims
SELECT auth.create_user_identity(
    _user_id := 'user-uuid',
    _provider_id := 'azure-ad-provider-uuid',
    _provider_user_id := '12345678-1234-1234-1234-123456789012', -- Azure object ID
    _provider_groups := ARRAY['All Company', 'Engineering', 'Senior Staff'],
    _provider_roles := ARRAY['Application Developer', 'Team Lead'],
    _provider_data := '{
        "email": "john.doe@company.com",
        "upn": "john.doe@company.com",
        "department": "Engineering",
        "title": "Senior Software Developer",
        "office_location": "Seattle",
        "manager": "jane.manager@company.com",
        "employee_id": "E123456"
    }'::jsonb
);
