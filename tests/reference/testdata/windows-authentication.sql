-- Windows AD identity
SELECT auth.create_user_identity(
    _user_id := 'user-uuid',
    _provider_id := 'windows-ad-provider-uuid',
    _provider_user_id := 'S-1-5-21-1234567890-1234567890-1234567890-1001', -- Windows SID
    _provider_groups := ARRAY['Domain Users', 'COMPANY\\Developers', 'COMPANY\\Engineering'],
    _provider_roles := ARRAY[], -- Windows typically uses groups, not roles
    _provider_data := '{
        "domain": "COMPANY",
        "username": "john.doe",
        "computer": "WORKSTATION01"
    }'::jsonb
);
