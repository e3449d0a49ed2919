CREATE TABLE auth.user_identity (
    user_identity_id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
    user_id uuid NOT NULL REFERENCES auth.user_info(user_id),
    provider_id uuid NOT NULL REFERENCES auth.provider(provider_id),
    provider_user_id text NOT NULL, -- External provider's user ID
    provider_groups text[], -- Groups from provider
    provider_roles text[], -- Roles from provider
    provider_data jsonb, -- Additional provider data
    is_active boolean DEFAULT true,
    is_last_used boolean DEFAULT false, -- Most recent login
    last_login_at timestamptz,
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now(),
    UNIQUE (provider_id, provider_user_id)
);
