-- An identity provider: a directory, an OIDC or SAML issuer, an HR feed; and what it is trusted to do here.

CREATE TABLE auth.provider (
    provider_id        uuid        NOT NULL DEFAULT gen_random_uuid(),
    code               text        NOT NULL,
    name               text        NOT NULL,
    provider_type      text        NOT NULL,
    is_active          boolean     NOT NULL DEFAULT true,
    creates_users      boolean     NOT NULL DEFAULT true,
    link_by            text        NOT NULL DEFAULT 'none',
    groups_path        jsonpath    NOT NULL DEFAULT '$.groups[*]',
    roles_path         jsonpath    NOT NULL DEFAULT '$.roles[*]',
    group_match        text        NOT NULL DEFAULT 'exact',
    max_disable_share  numeric     NOT NULL DEFAULT 0.20,
    max_disable_count  integer,
    creates_roles      boolean     NOT NULL DEFAULT false,
    role_name_template text        NOT NULL DEFAULT '{username}',
    role_attributes    jsonb       NOT NULL DEFAULT '{}',
    created_at         timestamptz NOT NULL DEFAULT now(),
    updated_at         timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT provider_pkey PRIMARY KEY (provider_id),
    CONSTRAINT provider_code_key UNIQUE (code),
    CONSTRAINT provider_code_check CHECK (code ~ '^[[:alnum:]][[:alnum:]_.-]{0,99}$'),
    CONSTRAINT provider_name_check CHECK (btrim(name) <> ''),
    CONSTRAINT provider_provider_type_check CHECK (provider_type ~ '^[a-z][a-z0-9_-]*$'),
    CONSTRAINT provider_link_by_check CHECK (link_by IN ('none', 'username', 'email')),
    CONSTRAINT provider_group_match_check CHECK (group_match IN ('exact', 'ignore_case')),
    CONSTRAINT provider_max_disable_share_check CHECK (max_disable_share BETWEEN 0 AND 1),
    CONSTRAINT provider_max_disable_count_check CHECK (max_disable_count >= 0),
    CONSTRAINT provider_role_name_template_check CHECK (
        role_name_template ~ '\{' AND
        role_name_template ~ '^([^{}]|\{(username|provider_username|email|email_local|provider_user_id|provider)(:keep)?\})+$'),
    -- What elevates a role, and what its user decides (login, password), no provider gives.
    CONSTRAINT provider_role_attributes_check CHECK (
        role_attributes - '{connection_limit,inherit,settings}'::text[] = '{}'
        AND coalesce(jsonb_typeof(role_attributes -> 'connection_limit'), 'number') = 'number'
        AND (role_attributes ->> 'connection_limit')::numeric BETWEEN -1 AND 2147483647
        AND coalesce(jsonb_typeof(role_attributes -> 'inherit'), 'boolean') = 'boolean'
        AND coalesce(jsonb_typeof(role_attributes -> 'settings'), 'object') = 'object')
);

COMMENT ON TABLE auth.provider IS 'Identity providers, and what each is trusted to do.';
COMMENT ON COLUMN auth.provider.code IS 'Short name for the command line and for scripts; cannot be changed.';
COMMENT ON COLUMN auth.provider.provider_type IS
    'A lower-case word: windows, ldap, entra, okta, google, saml, oidc, github, hr, custom, …';
COMMENT ON COLUMN auth.provider.is_active IS
    'A disabled provider lets nobody in and contributes no groups; both are back when it is enabled.';
COMMENT ON COLUMN auth.provider.creates_users IS 'Whether an unknown account may become a new user.';
COMMENT ON COLUMN auth.provider.link_by IS
    'How an unknown account may join an existing user: none; username (the provider''s usernames are trusted, and only users '
    'whose own username is verified are joined); email (addresses that the provider says are verified are trusted, likewise).';
COMMENT ON COLUMN auth.provider.groups_path IS 'jsonpath of the group names within a claim set.';
COMMENT ON COLUMN auth.provider.roles_path IS 'jsonpath of the role names within a claim set.';
COMMENT ON COLUMN auth.provider.group_match IS 'How group mappings compare names: exact, or ignore_case (Windows, LDAP).';
COMMENT ON COLUMN auth.provider.max_disable_share IS
    'Brake: the largest share (0 to 1) of the active identities that one sync may disable.';
COMMENT ON COLUMN auth.provider.max_disable_count IS
    'Brake: the largest number of identities that one sync may disable; NULL: only the share counts.';

COMMENT ON COLUMN auth.provider.creates_roles IS
    'Whether users with an active identity here get a login role in the database, if they have none.';
COMMENT ON COLUMN auth.provider.role_name_template IS
    'The name of such a role: {username} (the user''s), {provider_username}, {email}, {email_local} (before the @), {provider_user_id}, '
    '{provider} (the code), in lower case; as it is spelt with :keep, as in {username:keep}.';
COMMENT ON COLUMN auth.provider.role_attributes IS
    'What such roles have, and keep: connection_limit (-1: none), inherit, settings (an object of parameter and value).';

CREATE TRIGGER provider_audit_insert
    AFTER INSERT ON auth.provider
    REFERENCING NEW TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_insert('provider', 'provider_id');

CREATE TRIGGER provider_audit_update
    AFTER UPDATE ON auth.provider
    FOR EACH ROW WHEN (OLD::text <> NEW::text) -- as text: jsonpath has no equality
    EXECUTE FUNCTION unsecure.audit_update('provider', 'provider_id');

CREATE TRIGGER provider_audit_delete
    AFTER DELETE ON auth.provider
    REFERENCING OLD TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_delete('provider', 'provider_id');

CREATE TRIGGER provider_audit_truncate
    AFTER TRUNCATE ON auth.provider
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_truncate('provider');

REVOKE ALL ON auth.provider FROM PUBLIC;
GRANT SELECT ON auth.provider TO rolewright_operator, rolewright_auditor;
