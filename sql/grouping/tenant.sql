-- A tenant: a customer, a subsidiary, a site. Permissions are held in one; the built-in default tenant is meant where none is said.

CREATE TABLE auth.tenant (
    tenant_id  uuid        NOT NULL DEFAULT gen_random_uuid(),
    code       text        NOT NULL,
    name       text        NOT NULL,
    is_active  boolean     NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT tenant_pkey PRIMARY KEY (tenant_id),
    CONSTRAINT tenant_code_key UNIQUE (code),
    CONSTRAINT tenant_code_check CHECK (code ~ '^[[:alnum:]][[:alnum:]_.-]{0,99}$'),
    CONSTRAINT tenant_name_check CHECK (btrim(name) <> '')
);

COMMENT ON TABLE auth.tenant IS 'Tenants. The default one (code default) is built in.';
COMMENT ON COLUMN auth.tenant.is_active IS 'Nobody has a permission in a disabled tenant; all are back when it is enabled.';

CREATE OR REPLACE FUNCTION unsecure.default_tenant_id()
RETURNS uuid
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN '00000000-0000-0000-0000-000000000001'::uuid;

COMMENT ON FUNCTION unsecure.default_tenant_id() IS 'The tenant that is meant where _tenant_id is NULL.';

REVOKE ALL ON FUNCTION unsecure.default_tenant_id() FROM PUBLIC;

-- Before the triggers: installing is nothing that the trail tells of.
INSERT INTO auth.tenant (tenant_id, code, name) VALUES (unsecure.default_tenant_id(), 'default', 'Default tenant');

CREATE TRIGGER tenant_audit_insert
    AFTER INSERT ON auth.tenant
    REFERENCING NEW TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_insert('tenant', 'tenant_id');

CREATE TRIGGER tenant_audit_update
    AFTER UPDATE ON auth.tenant
    FOR EACH ROW WHEN (OLD IS DISTINCT FROM NEW)
    EXECUTE FUNCTION unsecure.audit_update('tenant', 'tenant_id');

CREATE TRIGGER tenant_audit_delete
    AFTER DELETE ON auth.tenant
    REFERENCING OLD TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_delete('tenant', 'tenant_id');

CREATE TRIGGER tenant_audit_truncate
    AFTER TRUNCATE ON auth.tenant
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_truncate('tenant');

REVOKE ALL ON auth.tenant FROM PUBLIC;
GRANT SELECT ON auth.tenant TO rolewright_operator, rolewright_auditor;
