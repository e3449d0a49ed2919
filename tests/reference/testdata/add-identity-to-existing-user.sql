-- Create Azure AD identity for existing user
SELECT auth.create_user_identity(
    _user_id := 'existing-user-uuid',
    _provider_id := 'azure-ad-provider-uuid',
    _provider_user_id := 'azure-ad-object-id',
    _provider_groups := ARRAY['Domain Users', 'Engineering', 'Senior Developers'],
    _provider_roles := ARRAY['Developer', 'TeamLead'],
    _provider_data := '{
        "email": "john.doe@company.com",
        "department": "Engineering",
        "title": "Senior Software Developer",
        "manager": "jane.manager@company.com"
    }'::jsonb
);
