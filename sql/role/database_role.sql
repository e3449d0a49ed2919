-- The registry of the database roles that Rolewright manages. What is not in it, no plan touches.
--
-- A login role belongs to a user, or to nobody (then only the four actions change it). A group role is what groups are bound to: of
-- memberships, those of managed login roles in managed group roles are planned; others are left alone, until somebody leaves.

CREATE TABLE auth.database_role (
    database_role_id  uuid        NOT NULL DEFAULT gen_random_uuid(),
    role_name         text        COLLATE "C" NOT NULL,
    role_oid          oid,
    role_kind         text        NOT NULL DEFAULT 'login',
    user_id           uuid,
    last_user_id      uuid,
    provider_id       uuid,
    state             text        NOT NULL DEFAULT 'active',
    requires_identity boolean     NOT NULL DEFAULT false,
    strips_elevated   boolean     NOT NULL DEFAULT false,
    recorded          jsonb,
    reason            text,
    state_changed_at  timestamptz NOT NULL DEFAULT now(),
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT database_role_pkey PRIMARY KEY (database_role_id),
    CONSTRAINT database_role_user_id_fkey FOREIGN KEY (user_id) REFERENCES auth.user_info,
    CONSTRAINT database_role_provider_id_fkey FOREIGN KEY (provider_id) REFERENCES auth.provider,
    CONSTRAINT database_role_role_name_check CHECK (unsecure.role_name_problem(role_name) IS NULL),
    CONSTRAINT database_role_role_kind_check CHECK (role_kind IN ('login', 'group')),
    CONSTRAINT database_role_state_check CHECK (state IN ('active', 'suspended', 'disabled', 'deleted')),
    CONSTRAINT database_role_group_check CHECK (role_kind = 'login' OR user_id IS NULL AND state IN ('active', 'deleted'))
);

CREATE UNIQUE INDEX database_role_role_name_key ON auth.database_role (role_name) WHERE state <> 'deleted';
CREATE UNIQUE INDEX database_role_user_id_key ON auth.database_role (user_id) WHERE state <> 'deleted';
CREATE INDEX database_role_role_name_idx ON auth.database_role (role_name, (state = 'deleted'), state_changed_at DESC);
CREATE INDEX database_role_user_id_idx ON auth.database_role (user_id);
CREATE INDEX database_role_group_idx ON auth.database_role (role_name) WHERE role_kind = 'group';
CREATE INDEX database_role_provider_id_idx ON auth.database_role (provider_id);

COMMENT ON TABLE auth.database_role IS
    'The database roles that Rolewright manages, and those that it deleted. A user has at most one.';
COMMENT ON COLUMN auth.database_role.role_oid IS
    'The role in pg_roles. NULL: it is to be created, or was deleted. A role of the same name with another oid is another role.';
COMMENT ON COLUMN auth.database_role.role_kind IS 'login: somebody''s; group: memberships in it are given by groups.';
COMMENT ON COLUMN auth.database_role.user_id IS 'Whose it is; NULL: nobody''s, or of a user who was deleted.';
COMMENT ON COLUMN auth.database_role.last_user_id IS 'Whose it was when it was unbound: it is not handed to somebody else unnoticed. No foreign key: it outlives the user.';
COMMENT ON COLUMN auth.database_role.provider_id IS 'The provider that it was created for, whose role_attributes it has.';
COMMENT ON COLUMN auth.database_role.state IS
    'active: can log in as far as its user can; suspended (leave of absence) and disabled (left): cannot log in and has no '
    'memberships until auth.restore_identity; deleted: a tombstone, so that the name is not handed to somebody else unnoticed.';
COMMENT ON COLUMN auth.database_role.requires_identity IS
    'The user has, or had, an identity: without an active one at an active provider the role cannot log in.';
COMMENT ON COLUMN auth.database_role.strips_elevated IS 'While not active, it has no elevated attribute either.';
COMMENT ON COLUMN auth.database_role.recorded IS
    'The role as it was when it last lost its login: attributes, memberships (with options and grantors), settings. No password.';
COMMENT ON COLUMN auth.database_role.reason IS 'Why it is in this state, as was said.';

CREATE TABLE auth.group_role (
    user_group_id    uuid        NOT NULL,
    database_role_id uuid        NOT NULL,
    inherit_option   boolean,
    set_option       boolean     NOT NULL DEFAULT true,
    admin_option     boolean     NOT NULL DEFAULT false,
    by_administrator boolean     NOT NULL DEFAULT false,
    created_at       timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT group_role_pkey PRIMARY KEY (user_group_id, database_role_id),
    CONSTRAINT group_role_user_group_id_fkey FOREIGN KEY (user_group_id) REFERENCES auth.user_group,
    CONSTRAINT group_role_database_role_id_fkey FOREIGN KEY (database_role_id) REFERENCES auth.database_role
);

CREATE INDEX group_role_database_role_id_idx ON auth.group_role (database_role_id);

COMMENT ON TABLE auth.group_role IS 'Whose users are in the group, their login roles are members of the role.';
COMMENT ON COLUMN auth.group_role.inherit_option IS 'WITH INHERIT (PostgreSQL 16 and later); NULL: as the member''s INHERIT attribute says.';
COMMENT ON COLUMN auth.group_role.set_option IS 'WITH SET (PostgreSQL 16 and later): whether the member may SET ROLE.';
COMMENT ON COLUMN auth.group_role.admin_option IS 'WITH ADMIN: whether the member may give the membership to others.';

CREATE TABLE auth.role_membership (
    database_role_id uuid        NOT NULL,
    group_role_id    uuid        NOT NULL,
    inherit_option   boolean,
    set_option       boolean     NOT NULL DEFAULT true,
    admin_option     boolean     NOT NULL DEFAULT false,
    by_administrator boolean     NOT NULL DEFAULT false,
    created_at       timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT role_membership_pkey PRIMARY KEY (database_role_id, group_role_id),
    CONSTRAINT role_membership_database_role_id_fkey FOREIGN KEY (database_role_id) REFERENCES auth.database_role,
    CONSTRAINT role_membership_group_role_id_fkey FOREIGN KEY (group_role_id) REFERENCES auth.database_role
);

CREATE INDEX role_membership_group_role_id_idx ON auth.role_membership (group_role_id);

COMMENT ON COLUMN auth.group_role.by_administrator IS
    'An administrator bound it, or bound it again: it gives memberships also when the role is, or becomes, elevated.';

COMMENT ON TABLE auth.role_membership IS 'Memberships that auth.manage_relationship gave, beside those that come from groups.';
COMMENT ON COLUMN auth.role_membership.group_role_id IS 'The role that it is a member of (auth.database_role).';
COMMENT ON COLUMN auth.role_membership.inherit_option IS 'As in auth.group_role.';
COMMENT ON COLUMN auth.role_membership.set_option IS 'As in auth.group_role.';
COMMENT ON COLUMN auth.role_membership.admin_option IS 'As in auth.group_role.';
COMMENT ON COLUMN auth.role_membership.by_administrator IS 'As in auth.group_role.';

CREATE TABLE auth.protected_role (
    role_name  text        COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT protected_role_pkey PRIMARY KEY (role_name)
);

COMMENT ON TABLE auth.protected_role IS
    'Roles that Rolewright does not touch, whoever asks; beside the bootstrap superuser, its own owner and pg_*, which need no row.';

CREATE TRIGGER database_role_audit_insert
    AFTER INSERT ON auth.database_role
    REFERENCING NEW TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_insert('database_role', 'database_role_id');

CREATE TRIGGER database_role_audit_update
    AFTER UPDATE OF role_name, user_id, state, strips_elevated, reason ON auth.database_role
    FOR EACH ROW WHEN (
        (OLD.role_name, OLD.user_id, OLD.state, OLD.strips_elevated, OLD.reason)
        IS DISTINCT FROM (NEW.role_name, NEW.user_id, NEW.state, NEW.strips_elevated, NEW.reason))
    EXECUTE FUNCTION unsecure.audit_update('database_role', 'database_role_id');

CREATE TRIGGER database_role_audit_delete
    AFTER DELETE ON auth.database_role
    REFERENCING OLD TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_delete('database_role', 'database_role_id');

CREATE TRIGGER database_role_audit_truncate
    AFTER TRUNCATE ON auth.database_role
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_truncate('database_role');

CREATE TRIGGER group_role_audit_insert
    AFTER INSERT ON auth.group_role
    REFERENCING NEW TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_insert('group_role', 'user_group_id');

CREATE TRIGGER group_role_audit_update
    AFTER UPDATE ON auth.group_role
    FOR EACH ROW WHEN (OLD IS DISTINCT FROM NEW)
    EXECUTE FUNCTION unsecure.audit_update('group_role', 'user_group_id');

CREATE TRIGGER group_role_audit_delete
    AFTER DELETE ON auth.group_role
    REFERENCING OLD TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_delete('group_role', 'user_group_id');

CREATE TRIGGER group_role_audit_truncate
    AFTER TRUNCATE ON auth.group_role
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_truncate('group_role');

CREATE TRIGGER role_membership_audit_insert
    AFTER INSERT ON auth.role_membership
    REFERENCING NEW TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_insert('role_membership', 'database_role_id');

CREATE TRIGGER role_membership_audit_update
    AFTER UPDATE ON auth.role_membership
    FOR EACH ROW WHEN (OLD IS DISTINCT FROM NEW)
    EXECUTE FUNCTION unsecure.audit_update('role_membership', 'database_role_id');

CREATE TRIGGER role_membership_audit_delete
    AFTER DELETE ON auth.role_membership
    REFERENCING OLD TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_delete('role_membership', 'database_role_id');

CREATE TRIGGER role_membership_audit_truncate
    AFTER TRUNCATE ON auth.role_membership
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_truncate('role_membership');

CREATE TRIGGER protected_role_audit_insert
    AFTER INSERT ON auth.protected_role
    REFERENCING NEW TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_insert('protected_role', 'role_id');

CREATE TRIGGER protected_role_audit_delete
    AFTER DELETE ON auth.protected_role
    REFERENCING OLD TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_delete('protected_role', 'role_id');

CREATE TRIGGER protected_role_audit_truncate
    AFTER TRUNCATE ON auth.protected_role
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.audit_truncate('protected_role');

-- Who once had an identity needs one, so that deleting the last one takes the login away instead of the condition.
CREATE OR REPLACE FUNCTION unsecure.user_identity_deleted()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF EXISTS (SELECT FROM auth.database_role r JOIN changed_row c ON c.user_id = r.user_id WHERE NOT r.requires_identity) THEN
        PERFORM unsecure.lock_bindings(false);
        PERFORM unsecure.lock_roles();
        UPDATE auth.database_role r
        SET requires_identity = true
        FROM changed_row c
        WHERE r.user_id = c.user_id AND NOT r.requires_identity;
    END IF;
    RETURN NULL;
END;
$function$;

CREATE OR REPLACE FUNCTION unsecure.user_identity_moved()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF EXISTS (SELECT FROM auth.database_role r WHERE r.user_id = OLD.user_id AND NOT r.requires_identity) THEN
        PERFORM unsecure.lock_bindings(false);
        PERFORM unsecure.lock_roles();
        UPDATE auth.database_role r SET requires_identity = true WHERE r.user_id = OLD.user_id;
    END IF;
    RETURN NULL;
END;
$function$;

CREATE OR REPLACE FUNCTION unsecure.user_identity_truncated()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM unsecure.lock_bindings(false);
    PERFORM unsecure.lock_roles();
    UPDATE auth.database_role r
    SET requires_identity = true
    WHERE NOT r.requires_identity AND EXISTS (SELECT FROM auth.user_identity i WHERE i.user_id = r.user_id);
    RETURN NULL;
END;
$function$;

COMMENT ON FUNCTION unsecure.user_identity_deleted() IS 'Statement trigger: a user who had an identity cannot log in to the database without one.';
COMMENT ON FUNCTION unsecure.user_identity_moved() IS 'Row trigger: neither can one whose identity was given to somebody else.';
COMMENT ON FUNCTION unsecure.user_identity_truncated() IS 'Statement trigger, before: nor can anybody when all identities go.';

REVOKE ALL ON FUNCTION
    unsecure.user_identity_deleted(),
    unsecure.user_identity_moved(),
    unsecure.user_identity_truncated()
FROM PUBLIC;

CREATE TRIGGER user_identity_role_delete
    AFTER DELETE ON auth.user_identity
    REFERENCING OLD TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.user_identity_deleted();

CREATE TRIGGER user_identity_role_update
    AFTER UPDATE OF user_id ON auth.user_identity
    FOR EACH ROW WHEN (OLD.user_id <> NEW.user_id)
    EXECUTE FUNCTION unsecure.user_identity_moved();

CREATE TRIGGER user_identity_role_truncate
    BEFORE TRUNCATE ON auth.user_identity
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.user_identity_truncated();

REVOKE ALL ON auth.database_role, auth.group_role, auth.role_membership, auth.protected_role FROM PUBLIC;
GRANT SELECT ON auth.database_role, auth.group_role, auth.role_membership, auth.protected_role TO rolewright_operator, rolewright_auditor;
