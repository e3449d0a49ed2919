-- An account of a user at a provider, with what the provider last said about it.
-- fillfactor: logins update last_login_at in place (HOT), which wants room on the page.

CREATE TABLE auth.user_identity (
    user_identity_id        uuid        NOT NULL DEFAULT gen_random_uuid(),
    user_id                 uuid        NOT NULL,
    provider_id             uuid        NOT NULL,
    provider_user_id        text        NOT NULL,
    provider_groups         text[],
    provider_roles          text[],
    provider_data           jsonb,
    is_active               boolean     NOT NULL DEFAULT true,
    is_complete             boolean     NOT NULL DEFAULT true,
    is_last_used            boolean     NOT NULL DEFAULT false,
    is_disabled_by_feed     boolean     NOT NULL DEFAULT false,
    last_login_at           timestamptz,
    created_at              timestamptz NOT NULL DEFAULT now(),
    updated_at              timestamptz NOT NULL DEFAULT now(),
    provider_username       text,
    provider_email          text,
    provider_email_verified boolean,
    provider_display_name   text,
    feed_digest             bytea,
    mapped_ways             text[],
    mapped_until            bigint      NOT NULL DEFAULT -2,
    CONSTRAINT user_identity_pkey PRIMARY KEY (user_identity_id),
    CONSTRAINT user_identity_provider_user_id_key UNIQUE (provider_id, provider_user_id),
    CONSTRAINT user_identity_user_id_fkey FOREIGN KEY (user_id) REFERENCES auth.user_info,
    CONSTRAINT user_identity_provider_id_fkey FOREIGN KEY (provider_id) REFERENCES auth.provider,
    CONSTRAINT user_identity_provider_user_id_check CHECK (octet_length(provider_user_id) BETWEEN 1 AND 2048),
    CONSTRAINT user_identity_provider_groups_check CHECK (array_position(provider_groups, NULL) IS NULL),
    CONSTRAINT user_identity_provider_roles_check CHECK (array_position(provider_roles, NULL) IS NULL),
    CONSTRAINT user_identity_provider_data_check CHECK (jsonb_typeof(provider_data) = 'object'),
    CONSTRAINT user_identity_is_disabled_by_feed_check CHECK (NOT (is_active AND is_disabled_by_feed))
) WITH (fillfactor = 85);

CREATE INDEX user_identity_user_id_idx ON auth.user_identity (user_id);
CREATE UNIQUE INDEX user_identity_last_used_key ON auth.user_identity (user_id) WHERE is_last_used;

COMMENT ON TABLE auth.user_identity IS 'Accounts of users at providers. At most one per user is the last used.';
COMMENT ON COLUMN auth.user_identity.provider_user_id IS
    'The account''s immutable id at the provider: SID, object id, sub, NameID. Compared exactly.';
COMMENT ON COLUMN auth.user_identity.provider_groups IS 'Groups as last known; NULL: never said; empty: none.';
COMMENT ON COLUMN auth.user_identity.provider_roles IS 'Roles as last known; NULL: never said; empty: none.';
COMMENT ON COLUMN auth.user_identity.is_complete IS
    'False when the provider did not say the groups the last time (absent, null, or a group overage): the known ones were kept.';
COMMENT ON COLUMN auth.user_identity.is_disabled_by_feed IS
    'Disabled because a feed left it out or said so: a feed may enable it again. What an operator disabled, no feed enables.';
COMMENT ON COLUMN auth.user_identity.provider_username IS 'The username as the provider says it; the user keeps its own.';
COMMENT ON COLUMN auth.user_identity.feed_digest IS
    'Digest of the feed element that this row agrees with; NULL once something else changed the row.';
COMMENT ON COLUMN auth.user_identity.mapped_ways IS
    'For permission checks: the numbers (mapping_no) of the group mappings that the groups and roles match; of the last used, active '
    'identity of a usable user only. NULL: not worked out, so that checks ask the tables. Kept by a trigger, whoever changes the row.';
COMMENT ON COLUMN auth.user_identity.mapped_until IS 'mapped_ways knows the mappings up to this number. -2: they were never worked out for this user; -1: work them out.';

-- Setting is_last_used clears it on the user's other identities, whoever sets it. (A statement that sets it on one and clears it
-- on another of the same user's may fail with 27000: PostgreSQL does not let both change one row. Setting it is enough.)
CREATE OR REPLACE FUNCTION unsecure.user_identity_clear_last_used()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    UPDATE auth.user_identity
    SET is_last_used = false
    WHERE user_id = NEW.user_id AND is_last_used AND user_identity_id <> NEW.user_identity_id;
    RETURN NEW;
END;
$function$;

-- What the feed said no longer describes the row once somebody else has changed it; and an operator's decision about
-- is_active is not the feed's.
CREATE OR REPLACE FUNCTION unsecure.user_identity_changed_elsewhere()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    NEW.feed_digest := NULL;
    IF NEW.is_active <> OLD.is_active AND NEW.is_disabled_by_feed = OLD.is_disabled_by_feed THEN
        NEW.is_disabled_by_feed := false;
    END IF;
    RETURN NEW;
END;
$function$;

COMMENT ON FUNCTION unsecure.user_identity_clear_last_used() IS 'Row trigger: one last-used identity per user.';
COMMENT ON FUNCTION unsecure.user_identity_changed_elsewhere() IS
    'Row trigger: forgets the feed digest, and that a feed disabled the identity, when something else changed the row.';

REVOKE ALL ON FUNCTION unsecure.user_identity_clear_last_used(), unsecure.user_identity_changed_elsewhere() FROM PUBLIC;

CREATE TRIGGER user_identity_last_used_insert
    BEFORE INSERT ON auth.user_identity
    FOR EACH ROW WHEN (NEW.is_last_used)
    EXECUTE FUNCTION unsecure.user_identity_clear_last_used();

CREATE TRIGGER user_identity_last_used_update
    BEFORE UPDATE OF is_last_used, user_id ON auth.user_identity
    FOR EACH ROW WHEN (NEW.is_last_used AND (NOT OLD.is_last_used OR NEW.user_id <> OLD.user_id))
    EXECUTE FUNCTION unsecure.user_identity_clear_last_used();

CREATE TRIGGER user_identity_changed_elsewhere
    BEFORE UPDATE OF
        user_id, provider_id, provider_user_id, provider_groups, provider_roles, provider_data, is_active, is_complete,
        provider_username, provider_email, provider_email_verified, provider_display_name
    ON auth.user_identity
    FOR EACH ROW WHEN (
        NEW.is_active <> OLD.is_active AND NEW.is_disabled_by_feed = OLD.is_disabled_by_feed
        OR NEW.feed_digest = OLD.feed_digest
        AND (OLD.user_id, OLD.provider_id, OLD.provider_user_id, OLD.provider_groups, OLD.provider_roles, OLD.provider_data,
             OLD.is_active, OLD.is_complete, OLD.provider_username, OLD.provider_email, OLD.provider_email_verified,
             OLD.provider_display_name)
        IS DISTINCT FROM
            (NEW.user_id, NEW.provider_id, NEW.provider_user_id, NEW.provider_groups, NEW.provider_roles, NEW.provider_data,
             NEW.is_active, NEW.is_complete, NEW.provider_username, NEW.provider_email, NEW.provider_email_verified,
             NEW.provider_display_name))
    EXECUTE FUNCTION unsecure.user_identity_changed_elsewhere();

CREATE TRIGGER user_identity_audit_insert
    AFTER INSERT ON auth.user_identity
    REFERENCING NEW TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_insert_identity();

-- A login sets last_login_at alone, which is not listed: it has an audit row of its own.
CREATE TRIGGER user_identity_audit_update
    AFTER UPDATE OF
        user_id, provider_id, provider_user_id, provider_groups, provider_roles, provider_data, is_active, is_complete,
        is_last_used, is_disabled_by_feed, provider_username, provider_email, provider_email_verified, provider_display_name
    ON auth.user_identity
    FOR EACH ROW WHEN (
        NEW.is_last_used AND NOT OLD.is_last_used
        OR (OLD.user_id, OLD.provider_id, OLD.provider_user_id, OLD.provider_groups, OLD.provider_roles, OLD.provider_data,
            OLD.is_active, OLD.is_complete, OLD.is_disabled_by_feed, OLD.provider_username, OLD.provider_email,
            OLD.provider_email_verified, OLD.provider_display_name)
        IS DISTINCT FROM
           (NEW.user_id, NEW.provider_id, NEW.provider_user_id, NEW.provider_groups, NEW.provider_roles, NEW.provider_data,
            NEW.is_active, NEW.is_complete, NEW.is_disabled_by_feed, NEW.provider_username, NEW.provider_email,
            NEW.provider_email_verified, NEW.provider_display_name))
    EXECUTE FUNCTION unsecure.audit_update('identity', 'user_identity_id');

CREATE TRIGGER user_identity_audit_delete
    AFTER DELETE ON auth.user_identity
    REFERENCING OLD TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_delete('identity', 'user_identity_id');

CREATE TRIGGER user_identity_audit_truncate
    AFTER TRUNCATE ON auth.user_identity
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_truncate('identity');

REVOKE ALL ON auth.user_identity FROM PUBLIC;
GRANT SELECT ON auth.user_identity TO rolewright_operator, rolewright_auditor;
