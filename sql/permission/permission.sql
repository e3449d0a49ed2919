-- Permissions: a tree of dotted codes (orders.invoice.approve). Who is granted a node has everything below it.
-- Codes are the keys here: the trail, the sets and the assignments stay readable. COLLATE "C": the nodes below one are a range.

CREATE OR REPLACE FUNCTION unsecure.is_permission_code(_code text)
RETURNS boolean
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN _code ~ '^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$' AND octet_length(_code) <= 500;

COMMENT ON FUNCTION unsecure.is_permission_code(text) IS 'Letters, digits, _ and -, in parts joined by dots; up to 500.';

REVOKE ALL ON FUNCTION unsecure.is_permission_code(text) FROM PUBLIC;

CREATE TABLE auth.permission (
    permission_id uuid        NOT NULL DEFAULT gen_random_uuid(),
    code          text        COLLATE "C" NOT NULL,
    description   text,
    is_declared   boolean     NOT NULL DEFAULT false,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT permission_pkey PRIMARY KEY (permission_id),
    CONSTRAINT permission_code_key UNIQUE (code),
    CONSTRAINT permission_code_check CHECK (unsecure.is_permission_code(code))
);

CREATE TABLE auth.perm_set (
    perm_set_id uuid        NOT NULL DEFAULT gen_random_uuid(),
    code        text        NOT NULL,
    name        text        NOT NULL,
    is_declared boolean     NOT NULL DEFAULT false,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT perm_set_pkey PRIMARY KEY (perm_set_id),
    CONSTRAINT perm_set_code_key UNIQUE (code),
    CONSTRAINT perm_set_code_check CHECK (btrim(code) <> '' AND octet_length(code) <= 500),
    CONSTRAINT perm_set_name_check CHECK (btrim(name) <> '')
);

CREATE TABLE auth.perm_set_permission (
    perm_set_id     uuid        NOT NULL,
    permission_code text        COLLATE "C" NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT perm_set_permission_pkey PRIMARY KEY (perm_set_id, permission_code),
    CONSTRAINT perm_set_permission_perm_set_id_fkey FOREIGN KEY (perm_set_id) REFERENCES auth.perm_set,
    CONSTRAINT perm_set_permission_permission_code_fkey FOREIGN KEY (permission_code) REFERENCES auth.permission (code)
);

CREATE INDEX perm_set_permission_permission_code_idx ON auth.perm_set_permission (permission_code);

CREATE TABLE auth.permission_assignment (
    assignment_id   uuid        NOT NULL DEFAULT gen_random_uuid(),
    tenant_id       uuid        NOT NULL DEFAULT unsecure.default_tenant_id(),
    user_group_id   uuid,
    user_id         uuid,
    permission_code text        COLLATE "C",
    perm_set_id     uuid,
    valid_until     timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT permission_assignment_pkey PRIMARY KEY (assignment_id),
    CONSTRAINT permission_assignment_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES auth.tenant,
    CONSTRAINT permission_assignment_user_group_id_fkey FOREIGN KEY (user_group_id) REFERENCES auth.user_group,
    CONSTRAINT permission_assignment_user_id_fkey FOREIGN KEY (user_id) REFERENCES auth.user_info,
    CONSTRAINT permission_assignment_permission_code_fkey FOREIGN KEY (permission_code) REFERENCES auth.permission (code),
    CONSTRAINT permission_assignment_perm_set_id_fkey FOREIGN KEY (perm_set_id) REFERENCES auth.perm_set,
    CONSTRAINT permission_assignment_who_check CHECK (num_nonnulls(user_group_id, user_id) = 1),
    CONSTRAINT permission_assignment_what_check CHECK (num_nonnulls(permission_code, perm_set_id) = 1)
);

CREATE UNIQUE INDEX permission_assignment_key ON auth.permission_assignment
    (tenant_id, coalesce(user_group_id, user_id), coalesce(perm_set_id::text, permission_code));
CREATE INDEX permission_assignment_user_group_id_idx ON auth.permission_assignment (user_group_id);
CREATE INDEX permission_assignment_user_id_idx ON auth.permission_assignment (user_id, tenant_id);
CREATE INDEX permission_assignment_permission_code_idx ON auth.permission_assignment (permission_code);
CREATE INDEX permission_assignment_perm_set_id_idx ON auth.permission_assignment (perm_set_id);

COMMENT ON TABLE auth.permission IS 'Permissions, a tree by their dotted codes: a.b is below a.';
COMMENT ON COLUMN auth.permission.code IS 'Letters, digits, _ and -, in parts joined by dots; case matters.';
COMMENT ON COLUMN auth.permission.is_declared IS 'auth.ensure_permissions listed it, so its _prune may remove it.';
COMMENT ON TABLE auth.perm_set IS 'Named sets of permissions, to be assigned as one.';
COMMENT ON COLUMN auth.perm_set.is_declared IS 'auth.ensure_perm_sets listed it, so its _prune may remove it.';
COMMENT ON TABLE auth.perm_set_permission IS 'What is in a set: nodes of the tree, each with everything below it.';
COMMENT ON TABLE auth.permission_assignment IS
    'Who has what in which tenant: a group or a user, a permission or a set. A group of one tenant has nothing in another.';
COMMENT ON COLUMN auth.permission_assignment.valid_until IS
    'The assignment ends at this moment, with no job running; NULL: it does not.';

CREATE TRIGGER permission_audit_insert
    AFTER INSERT ON auth.permission
    REFERENCING NEW TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_insert('permission', 'permission_id');

CREATE TRIGGER permission_audit_update
    AFTER UPDATE ON auth.permission
    FOR EACH ROW WHEN (OLD IS DISTINCT FROM NEW)
    EXECUTE FUNCTION unsecure.audit_update('permission', 'permission_id');

CREATE TRIGGER permission_audit_delete
    AFTER DELETE ON auth.permission
    REFERENCING OLD TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_delete('permission', 'permission_id');

CREATE TRIGGER permission_audit_truncate
    AFTER TRUNCATE ON auth.permission
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_truncate('permission');

CREATE TRIGGER perm_set_audit_insert
    AFTER INSERT ON auth.perm_set
    REFERENCING NEW TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_insert('perm_set', 'perm_set_id');

CREATE TRIGGER perm_set_audit_update
    AFTER UPDATE ON auth.perm_set
    FOR EACH ROW WHEN (OLD IS DISTINCT FROM NEW)
    EXECUTE FUNCTION unsecure.audit_update('perm_set', 'perm_set_id');

CREATE TRIGGER perm_set_audit_delete
    AFTER DELETE ON auth.perm_set
    REFERENCING OLD TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_delete('perm_set', 'perm_set_id');

CREATE TRIGGER perm_set_audit_truncate
    AFTER TRUNCATE ON auth.perm_set
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_truncate('perm_set');

CREATE TRIGGER perm_set_permission_audit_insert
    AFTER INSERT ON auth.perm_set_permission
    REFERENCING NEW TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_insert('set_permission', 'perm_set_id');

CREATE TRIGGER perm_set_permission_audit_update
    AFTER UPDATE ON auth.perm_set_permission
    FOR EACH ROW WHEN (OLD IS DISTINCT FROM NEW)
    EXECUTE FUNCTION unsecure.audit_update('set_permission', 'perm_set_id');

CREATE TRIGGER perm_set_permission_audit_delete
    AFTER DELETE ON auth.perm_set_permission
    REFERENCING OLD TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_delete('set_permission', 'perm_set_id');

CREATE TRIGGER perm_set_permission_audit_truncate
    AFTER TRUNCATE ON auth.perm_set_permission
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_truncate('set_permission');

CREATE TRIGGER permission_assignment_audit_insert
    AFTER INSERT ON auth.permission_assignment
    REFERENCING NEW TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_insert('assignment', 'assignment_id');

CREATE TRIGGER permission_assignment_audit_update
    AFTER UPDATE ON auth.permission_assignment
    FOR EACH ROW WHEN (OLD IS DISTINCT FROM NEW)
    EXECUTE FUNCTION unsecure.audit_update('assignment', 'assignment_id');

CREATE TRIGGER permission_assignment_audit_delete
    AFTER DELETE ON auth.permission_assignment
    REFERENCING OLD TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_delete('assignment', 'assignment_id');

CREATE TRIGGER permission_assignment_audit_truncate
    AFTER TRUNCATE ON auth.permission_assignment
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_truncate('assignment');

REVOKE ALL ON auth.permission, auth.perm_set, auth.perm_set_permission, auth.permission_assignment FROM PUBLIC;
GRANT SELECT ON auth.permission, auth.perm_set, auth.perm_set_permission, auth.permission_assignment
    TO rolewright_operator, rolewright_auditor;
