-- What roles may do, as somebody declared it; auth.drift compares it with the catalog without the file that it came from.

CREATE TABLE auth.role_declaration (
    role_name        text        COLLATE "C" NOT NULL,
    grants           jsonb       NOT NULL,
    preserve_schemas text[]      NOT NULL DEFAULT '{}',
    options          jsonb       NOT NULL DEFAULT '{}',
    declared_by      text        NOT NULL DEFAULT session_user,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT role_declaration_pkey PRIMARY KEY (role_name),
    CONSTRAINT role_declaration_role_name_check CHECK (role_name = 'public' OR unsecure.role_name_problem(role_name) IS NULL)
);

COMMENT ON TABLE auth.role_declaration IS
    'What roles may do in this database, and nothing else. No password and no verifier is in it.';
COMMENT ON COLUMN auth.role_declaration.role_name IS 'The role; public: rules for PUBLIC, which say what is granted and revoked and leave the rest alone.';
COMMENT ON COLUMN auth.role_declaration.grants IS 'An array of grants, as auth.sync_role takes it.';
COMMENT ON COLUMN auth.role_declaration.preserve_schemas IS 'Schemas whose contents are left as they are.';
COMMENT ON COLUMN auth.role_declaration.options IS 'missing, new_owner and scope, as auth.sync_role takes them.';

-- A table's ACL ends at some 2,400 grantees. Beyond that a privilege goes to a role of its own, and who has it is a member of that.
CREATE TABLE auth.intermediate_role (
    role_name     text        COLLATE "C" NOT NULL,
    role_oid      oid         NOT NULL,
    object_kind   text        NOT NULL,
    object_oid    oid         NOT NULL,
    object_subid  bigint      NOT NULL DEFAULT 0,
    privileges    text[]      NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT intermediate_role_pkey PRIMARY KEY (role_name),
    CONSTRAINT intermediate_role_object_key UNIQUE (object_kind, object_oid, object_subid, privileges)
);

COMMENT ON TABLE auth.intermediate_role IS
    'Roles that hold privileges on one object each, for as many members as need them; auth.drop_unused_roles drops those without members.';
COMMENT ON COLUMN auth.intermediate_role.role_oid IS 'The role in pg_roles. A role of the same name with another oid is another role.';
COMMENT ON COLUMN auth.intermediate_role.object_kind IS 'As in grants: table, function, …; default TABLES, … for default privileges.';
COMMENT ON COLUMN auth.intermediate_role.object_oid IS 'The object''s oid; of default privileges the creator''s.';
COMMENT ON COLUMN auth.intermediate_role.object_subid IS 'The column''s number; of default privileges the oid of the schema; 0: none.';

CREATE TRIGGER role_declaration_audit_insert
    AFTER INSERT ON auth.role_declaration
    REFERENCING NEW TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_insert('role_declaration', 'role_id');

CREATE TRIGGER role_declaration_audit_update
    AFTER UPDATE ON auth.role_declaration
    FOR EACH ROW WHEN (OLD IS DISTINCT FROM NEW)
    EXECUTE FUNCTION unsecure.audit_update('role_declaration', 'role_id');

CREATE TRIGGER role_declaration_audit_delete
    AFTER DELETE ON auth.role_declaration
    REFERENCING OLD TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_delete('role_declaration', 'role_id');

CREATE TRIGGER role_declaration_audit_truncate
    AFTER TRUNCATE ON auth.role_declaration
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_truncate('role_declaration');

-- Whoever gets the name of a deleted role gets nothing that was declared for that one.
CREATE OR REPLACE FUNCTION unsecure.forget_declaration()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    DELETE FROM auth.role_declaration d WHERE d.role_name = OLD.role_name;
    DELETE FROM unsecure.declared_password p WHERE p.role_oid = OLD.role_oid;
    RETURN NULL;
END;
$function$;

COMMENT ON FUNCTION unsecure.forget_declaration() IS 'Row trigger: with a role goes what was declared for it.';

REVOKE ALL ON FUNCTION unsecure.forget_declaration() FROM PUBLIC;

CREATE TRIGGER database_role_declaration
    AFTER UPDATE OF state ON auth.database_role
    FOR EACH ROW WHEN (NEW.state = 'deleted' AND OLD.state <> 'deleted')
    EXECUTE FUNCTION unsecure.forget_declaration();

REVOKE ALL ON auth.role_declaration, auth.intermediate_role FROM PUBLIC;
GRANT SELECT ON auth.role_declaration, auth.intermediate_role TO rolewright_operator, rolewright_auditor;
