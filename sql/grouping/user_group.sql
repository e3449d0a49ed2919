-- A group of users. Members are put in by hand (direct), or come from what their providers say (external mapping).

CREATE TABLE auth.user_group (
    user_group_id uuid        NOT NULL DEFAULT gen_random_uuid(),
    code          text        NOT NULL,
    name          text        NOT NULL,
    description   text,
    group_type    text        NOT NULL DEFAULT 'internal',
    tenant_id     uuid,
    is_active     boolean     NOT NULL DEFAULT true,
    is_declared   boolean     NOT NULL DEFAULT false,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT user_group_pkey PRIMARY KEY (user_group_id),
    CONSTRAINT user_group_code_key UNIQUE (code),
    CONSTRAINT user_group_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES auth.tenant,
    CONSTRAINT user_group_code_check CHECK (btrim(code) <> '' AND octet_length(code) <= 2048),
    CONSTRAINT user_group_name_check CHECK (btrim(name) <> ''),
    CONSTRAINT user_group_group_type_check CHECK (group_type IN ('internal', 'external', 'hybrid'))
);

CREATE INDEX user_group_tenant_id_idx ON auth.user_group (tenant_id);

CREATE TABLE auth.user_group_member (
    user_group_id uuid        NOT NULL,
    user_id       uuid        NOT NULL,
    valid_until   timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT user_group_member_pkey PRIMARY KEY (user_group_id, user_id),
    CONSTRAINT user_group_member_user_group_id_fkey FOREIGN KEY (user_group_id) REFERENCES auth.user_group,
    CONSTRAINT user_group_member_user_id_fkey FOREIGN KEY (user_id) REFERENCES auth.user_info
);

CREATE INDEX user_group_member_user_id_idx ON auth.user_group_member (user_id);

CREATE TABLE auth.user_group_mapping (
    user_group_mapping_id uuid        NOT NULL DEFAULT gen_random_uuid(),
    user_group_id         uuid        NOT NULL,
    provider_id           uuid        NOT NULL,
    external_group_name   text,
    external_role_name    text,
    is_active             boolean     NOT NULL DEFAULT true,
    mapping_no            bigint      GENERATED ALWAYS AS IDENTITY,
    created_at            timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT user_group_mapping_pkey PRIMARY KEY (user_group_mapping_id),
    CONSTRAINT user_group_mapping_mapping_no_key UNIQUE (mapping_no),
    CONSTRAINT user_group_mapping_user_group_id_fkey FOREIGN KEY (user_group_id) REFERENCES auth.user_group,
    CONSTRAINT user_group_mapping_provider_id_fkey FOREIGN KEY (provider_id) REFERENCES auth.provider,
    CONSTRAINT user_group_mapping_name_check CHECK (num_nonnulls(external_group_name, external_role_name) > 0),
    CONSTRAINT user_group_mapping_name_length_check
        CHECK (octet_length(external_group_name) <= 2048 AND octet_length(external_role_name) <= 2048)
);

CREATE UNIQUE INDEX user_group_mapping_key ON auth.user_group_mapping
    (user_group_id, provider_id, md5(external_group_name), md5(external_role_name))
    WHERE external_group_name IS NOT NULL AND external_role_name IS NOT NULL;
CREATE UNIQUE INDEX user_group_mapping_group_key ON auth.user_group_mapping (user_group_id, provider_id, external_group_name)
    WHERE external_role_name IS NULL;
CREATE UNIQUE INDEX user_group_mapping_role_key ON auth.user_group_mapping (user_group_id, provider_id, external_role_name)
    WHERE external_group_name IS NULL;
CREATE INDEX user_group_mapping_user_group_id_idx ON auth.user_group_mapping (user_group_id);
CREATE INDEX user_group_mapping_group_name_idx ON auth.user_group_mapping (provider_id, lower(external_group_name));
CREATE INDEX user_group_mapping_role_name_idx ON auth.user_group_mapping (provider_id, lower(external_role_name));

COMMENT ON TABLE auth.user_group IS 'Groups of users, in the application''s own words.';
COMMENT ON COLUMN auth.user_group.group_type IS
    'internal: members are put in by hand; external: they come from mappings; hybrid: both.';
COMMENT ON COLUMN auth.user_group.tenant_id IS 'The group gives permissions in this tenant alone; NULL: in all.';
COMMENT ON COLUMN auth.user_group.is_active IS 'Nobody is in a disabled group; its members and mappings are back when it is enabled.';
COMMENT ON COLUMN auth.user_group.is_declared IS 'auth.ensure_groups listed it, so its _prune may remove it.';
COMMENT ON TABLE auth.user_group_member IS 'Members put in by hand. They do not count in an external group.';
COMMENT ON COLUMN auth.user_group_member.valid_until IS 'The membership ends at this moment, with no job running; NULL: it does not.';
COMMENT ON TABLE auth.user_group_mapping IS
    'Who has this group or this role at the provider is in this group. They do not count in an internal group.';
COMMENT ON COLUMN auth.user_group_mapping.external_group_name IS
    'Compared with provider_groups as the provider says: exact, or ignoring case (auth.provider.group_match).';
COMMENT ON COLUMN auth.user_group_mapping.external_role_name IS
    'Compared with provider_roles likewise. Where both names are given, either is enough.';
COMMENT ON COLUMN auth.user_group_mapping.mapping_no IS
    'Of what the mapping matches: another name or provider, another number. Never used again.';

CREATE TRIGGER user_group_audit_insert
    AFTER INSERT ON auth.user_group
    REFERENCING NEW TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_insert('group', 'user_group_id');

CREATE TRIGGER user_group_audit_update
    AFTER UPDATE ON auth.user_group
    FOR EACH ROW WHEN (OLD IS DISTINCT FROM NEW)
    EXECUTE FUNCTION unsecure.audit_update('group', 'user_group_id');

CREATE TRIGGER user_group_audit_delete
    AFTER DELETE ON auth.user_group
    REFERENCING OLD TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_delete('group', 'user_group_id');

CREATE TRIGGER user_group_member_audit_insert
    AFTER INSERT ON auth.user_group_member
    REFERENCING NEW TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_insert('member', 'user_group_id');

CREATE TRIGGER user_group_member_audit_update
    AFTER UPDATE ON auth.user_group_member
    FOR EACH ROW WHEN (OLD IS DISTINCT FROM NEW)
    EXECUTE FUNCTION unsecure.audit_update('member', 'user_group_id');

CREATE TRIGGER user_group_member_audit_delete
    AFTER DELETE ON auth.user_group_member
    REFERENCING OLD TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_delete('member', 'user_group_id');

CREATE TRIGGER user_group_mapping_audit_insert
    AFTER INSERT ON auth.user_group_mapping
    REFERENCING NEW TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_insert('mapping', 'user_group_mapping_id');

CREATE TRIGGER user_group_mapping_audit_update
    AFTER UPDATE OF user_group_id, provider_id, external_group_name, external_role_name, is_active ON auth.user_group_mapping
    FOR EACH ROW WHEN (OLD IS DISTINCT FROM NEW)
    EXECUTE FUNCTION unsecure.audit_update('mapping', 'user_group_mapping_id');

CREATE TRIGGER user_group_mapping_audit_delete
    AFTER DELETE ON auth.user_group_mapping
    REFERENCING OLD TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_delete('mapping', 'user_group_mapping_id');

CREATE TRIGGER user_group_audit_truncate
    AFTER TRUNCATE ON auth.user_group
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_truncate('group');

CREATE TRIGGER user_group_member_audit_truncate
    AFTER TRUNCATE ON auth.user_group_member
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_truncate('member');

CREATE TRIGGER user_group_mapping_audit_truncate
    AFTER TRUNCATE ON auth.user_group_mapping
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_truncate('mapping');

REVOKE ALL ON auth.user_group, auth.user_group_member, auth.user_group_mapping FROM PUBLIC;
GRANT SELECT ON auth.user_group, auth.user_group_member, auth.user_group_mapping TO rolewright_operator, rolewright_auditor;
