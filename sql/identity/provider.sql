-- An identity provider: a directory, an OIDC or SAML issuer, an HR feed; and what it is trusted to do here.

CREATE TABLE auth.provider (
    provider_id       uuid        NOT NULL DEFAULT gen_random_uuid(),
    code              text        NOT NULL,
    name              text        NOT NULL,
    provider_type     text        NOT NULL,
    is_active         boolean     NOT NULL DEFAULT true,
    creates_users     boolean     NOT NULL DEFAULT true,
    link_by           text        NOT NULL DEFAULT 'none',
    groups_path       jsonpath    NOT NULL DEFAULT '$.groups[*]',
    roles_path        jsonpath    NOT NULL DEFAULT '$.roles[*]',
    group_match       text        NOT NULL DEFAULT 'exact',
    max_disable_share numeric     NOT NULL DEFAULT 0.20,
    max_disable_count integer,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT provider_pkey PRIMARY KEY (provider_id),
    CONSTRAINT provider_code_key UNIQUE (code),
    CONSTRAINT provider_code_check CHECK (code ~ '^[[:alnum:]][[:alnum:]_.-]{0,99}$'),
    CONSTRAINT provider_name_check CHECK (btrim(name) <> ''),
    CONSTRAINT provider_provider_type_check CHECK (provider_type ~ '^[a-z][a-z0-9_-]*$'),
    CONSTRAINT provider_link_by_check CHECK (link_by IN ('none', 'username', 'email')),
    CONSTRAINT provider_group_match_check CHECK (group_match IN ('exact', 'ignore_case')),
    CONSTRAINT provider_max_disable_share_check CHECK (max_disable_share BETWEEN 0 AND 1),
    CONSTRAINT provider_max_disable_count_check CHECK (max_disable_count >= 0)
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
