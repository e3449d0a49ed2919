-- A person (or service) as the applications know it, whatever it logs in with.

CREATE TABLE auth.user_info (
    user_id           uuid        NOT NULL DEFAULT gen_random_uuid(),
    username          text        NOT NULL,
    username_verified boolean     NOT NULL DEFAULT true,
    display_name      text        NOT NULL,
    email             text,
    email_verified    boolean     NOT NULL DEFAULT false,
    is_active         boolean     NOT NULL DEFAULT true,
    is_locked         boolean     NOT NULL DEFAULT false,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT user_info_pkey PRIMARY KEY (user_id),
    -- 2,048 bytes: what fits into an index entry, and more than 500 characters of any script.
    CONSTRAINT user_info_username_check CHECK (btrim(username) <> '' AND octet_length(username) <= 2048),
    CONSTRAINT user_info_email_check CHECK (octet_length(email) BETWEEN 1 AND 2048),
    CONSTRAINT user_info_email_verified_check CHECK (email IS NOT NULL OR NOT email_verified)
);

CREATE UNIQUE INDEX user_info_username_key ON auth.user_info (lower(username));
CREATE INDEX user_info_email_idx ON auth.user_info (lower(email)) WHERE email_verified;

COMMENT ON TABLE auth.user_info IS 'Application users. Usernames are unique without regard to case.';
COMMENT ON COLUMN auth.user_info.username_verified IS
    'Whether somebody trusted vouches for the username: an administrator, or a provider with link_by username. '
    'An account never joins a user by a username that is not verified.';
COMMENT ON COLUMN auth.user_info.email_verified IS
    'Whether an administrator, or a provider with link_by email, vouches for the address. '
    'An account never joins a user by an address that is not verified.';
COMMENT ON COLUMN auth.user_info.is_active IS 'A disabled user cannot log in through any provider and has no groups.';
COMMENT ON COLUMN auth.user_info.is_locked IS 'A locked user cannot log in through any provider and has no groups, until unlocked.';

CREATE TRIGGER user_info_audit_insert
    AFTER INSERT ON auth.user_info
    REFERENCING NEW TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_insert_user();

CREATE TRIGGER user_info_audit_update
    AFTER UPDATE ON auth.user_info
    FOR EACH ROW WHEN (OLD IS DISTINCT FROM NEW)
    EXECUTE FUNCTION unsecure.audit_update('user', 'user_id');

CREATE TRIGGER user_info_audit_delete
    AFTER DELETE ON auth.user_info
    REFERENCING OLD TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_delete('user', 'user_id');

CREATE TRIGGER user_info_audit_truncate
    AFTER TRUNCATE ON auth.user_info
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_truncate('user');

REVOKE ALL ON auth.user_info FROM PUBLIC;
GRANT SELECT ON auth.user_info TO rolewright_operator, rolewright_auditor;
