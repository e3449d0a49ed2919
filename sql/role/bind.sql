-- Telling Rolewright what to manage. Binding changes what should be there; auth.apply_database_roles (or the user's next login or sync)
-- makes it so.

CREATE OR REPLACE FUNCTION unsecure.lock_person(_user_id uuid)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $function$
BEGIN
    PERFORM unsecure.require_read_committed();
    PERFORM 1 FROM auth.user_info WHERE user_id = _user_id FOR NO KEY UPDATE;
    PERFORM unsecure.lock_bindings(false);
    PERFORM unsecure.lock_roles();
END;
$function$;

COMMENT ON FUNCTION unsecure.lock_person(uuid) IS
    'For a change of one user''s role: nobody changes the user or any role meanwhile. NULL: a role of nobody. RW501: not READ COMMITTED.';

CREATE OR REPLACE FUNCTION unsecure.require_free_name(
    _role_name  text,
    _user_id    uuid,
    _reuse_name boolean
)
RETURNS void
LANGUAGE plpgsql
STABLE
AS $function$
DECLARE
    v_last auth.database_role;
BEGIN
    SELECT * INTO v_last
    FROM auth.database_role r
    WHERE r.role_name = _role_name AND r.state = 'deleted'
    ORDER BY r.state_changed_at DESC
    LIMIT 1;
    IF FOUND AND NOT coalesce(_reuse_name, false) AND (v_last.user_id IS NULL OR v_last.user_id IS DISTINCT FROM _user_id) THEN
        RAISE EXCEPTION 'role name % was somebody else''s', quote_ident(_role_name)
            USING ERRCODE = 'RW516',
                  DETAIL  = format('It belonged to %s and was deleted at %s: %s.', coalesce('user ' || v_last.user_id, 'nobody known'),
                                   v_last.state_changed_at, v_last.reason),
                  HINT    = 'What still names it (pg_hba.conf, logs, audit trails) would mean somebody else. If that is meant: auth.bind_user_role(_reuse_name => true).';
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.require_free_name(text, uuid, boolean) IS
    'RW516: the name belonged to somebody else, who was deleted, and it was not said that it may be used again.';

REVOKE ALL ON FUNCTION unsecure.lock_person(uuid), unsecure.require_free_name(text, uuid, boolean) FROM PUBLIC;

-- A role that was somebody's: without the password that he knows, and what was his.
CREATE OR REPLACE FUNCTION unsecure.hand_on_role(
    _role       auth.database_role,
    _reuse_name boolean
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $function$
BEGIN
    IF NOT coalesce(_reuse_name, false) THEN
        RAISE EXCEPTION 'role % was somebody else''s', quote_ident(_role.role_name)
            USING ERRCODE = 'RW516',
                  DETAIL  = format('It belonged to user %s.', _role.last_user_id),
                  HINT    = 'With _reuse_name => true it is handed on, without its password and what was recorded. Nothing was changed.';
    END IF;
    IF EXISTS (SELECT FROM pg_roles r WHERE r.oid = _role.role_oid) THEN
        PERFORM unsecure.execute_changes(ARRAY[row(
            1, 'alter', _role.role_name, 'password', format('ALTER ROLE %I PASSWORD NULL', _role.role_name), 'handed on to another user')::auth.change]);
    END IF;
    DELETE FROM auth.role_membership WHERE database_role_id = _role.database_role_id;
    UPDATE auth.database_role SET recorded = NULL WHERE database_role_id = _role.database_role_id;
END;
$function$;

COMMENT ON FUNCTION unsecure.hand_on_role(auth.database_role, boolean) IS
    'Takes from a role what was its last user''s. RW516: it was not said that it may be handed on.';

REVOKE ALL ON FUNCTION unsecure.hand_on_role(auth.database_role, boolean) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.bind_user_role(
    _user_id    uuid,
    _role_name  text,
    _reuse_name boolean DEFAULT false
)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_role auth.database_role;
    v_old  text;
BEGIN
    PERFORM unsecure.require_user(_user_id);
    -- A feed, and who disables a provider, ask who has a role: either they see this one, or we wait for them.
    PERFORM unsecure.require_read_committed();
    PERFORM 1
    FROM auth.provider p
    WHERE p.provider_id IN (SELECT i.provider_id FROM auth.user_identity i WHERE i.user_id = _user_id)
    ORDER BY p.provider_id
    FOR SHARE;
    PERFORM 1 FROM auth.user_info WHERE user_id = _user_id FOR NO KEY UPDATE;
    PERFORM unsecure.lock_bindings(true);
    PERFORM unsecure.lock_roles();
    PERFORM unsecure.require_touchable(_role_name);

    SELECT * INTO v_role FROM auth.database_role r WHERE r.role_name = _role_name AND r.state <> 'deleted';
    IF v_role.user_id = _user_id THEN
        RETURN false;
    END IF;
    SELECT r.role_name INTO v_old FROM auth.database_role r WHERE r.user_id = _user_id AND r.state <> 'deleted';
    IF v_old IS NOT NULL OR v_role.user_id IS NOT NULL OR v_role.role_kind = 'group' THEN
        RAISE EXCEPTION 'role % cannot be bound to this user', quote_ident(_role_name)
            USING ERRCODE = 'RW502',
                  DETAIL  = CASE WHEN v_role.role_kind = 'group' THEN 'It is a group role.'
                                 WHEN v_role.user_id IS NOT NULL THEN format('It belongs to user %s.', v_role.user_id)
                                 ELSE format('User %s has role %I already.', _user_id, v_old) END,
                  HINT    = 'A role belongs to one user, and a user has one; auth.unbind_user_role takes it away first. Nothing was changed.';
    END IF;

    IF unsecure.is_elevated((SELECT r.oid FROM pg_roles r WHERE r.rolname = _role_name)) THEN
        PERFORM unsecure.require_administrator(format('give somebody the elevated role %I', _role_name));
    END IF;

    -- Written, so that a REPEATABLE READ transaction that does not see the binding fails when it changes the user or an identity.
    UPDATE auth.user_info SET updated_at = updated_at WHERE user_id = _user_id;
    UPDATE auth.user_identity SET updated_at = updated_at WHERE user_id = _user_id;
    IF v_role.database_role_id IS NULL THEN
        PERFORM unsecure.require_free_name(_role_name, _user_id, _reuse_name);
        INSERT INTO auth.database_role (role_name, user_id, requires_identity)
        VALUES (_role_name, _user_id, EXISTS (SELECT FROM auth.user_identity i WHERE i.user_id = _user_id));
    ELSE
        IF v_role.last_user_id <> _user_id THEN
            PERFORM unsecure.hand_on_role(v_role, _reuse_name);
        END IF;
        UPDATE auth.database_role
        SET user_id           = _user_id,
            last_user_id      = _user_id,
            requires_identity = EXISTS (SELECT FROM auth.user_identity i WHERE i.user_id = _user_id),
            updated_at        = now()
        WHERE database_role_id = v_role.database_role_id;
    END IF;
    RETURN true;
END;
$function$;

COMMENT ON FUNCTION auth.bind_user_role(uuid, text, boolean) IS
    'The user''s login role shall be this one, created when it does not exist. It can log in as long as the user can: active, not '
    'locked and, when the user has or had identities, with an active one at an active provider. An existing role must be taken under '
    'management first (auth.adopt_role), else it is a conflict of the plan. Returns whether anything changed; auth.apply_database_roles, '
    'or the user''s next login or sync, makes it so. RW011: no such user; RW502: the role is somebody else''s, or the user has another; '
    'RW503: not for Rolewright; RW504: no possible name; RW513: only an administrator binds an elevated role; RW516: the name was somebody '
    'else''s, see _reuse_name; RW501: not READ COMMITTED.';

REVOKE ALL ON FUNCTION auth.bind_user_role(uuid, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.bind_user_role(uuid, text, boolean) TO rolewright_operator;

CREATE OR REPLACE FUNCTION auth.unbind_user_role(
    _user_id uuid,
    _reason  text DEFAULT NULL
)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM unsecure.require_user(_user_id);
    PERFORM unsecure.lock_person(_user_id);
    DELETE FROM auth.role_membership m
    USING auth.database_role r
    WHERE m.database_role_id = r.database_role_id AND r.user_id = _user_id AND r.role_oid IS NULL AND r.state <> 'deleted';
    DELETE FROM auth.database_role r WHERE r.user_id = _user_id AND r.role_oid IS NULL AND r.state <> 'deleted';
    IF FOUND THEN
        RETURN true; -- it was never created
    END IF;

    UPDATE auth.database_role r
    SET user_id          = NULL,
        last_user_id     = r.user_id,
        provider_id      = NULL,
        state            = CASE r.state WHEN 'active' THEN 'disabled' ELSE r.state END,
        reason           = coalesce(_reason, 'unbound from user ' || _user_id),
        state_changed_at = now(),
        updated_at       = now()
    WHERE r.user_id = _user_id AND r.state <> 'deleted';
    RETURN FOUND;
END;
$function$;

COMMENT ON FUNCTION auth.unbind_user_role(uuid, text) IS
    'The user shall have no login role any more. The role stays managed, disabled: without login and memberships, until '
    'auth.restore_identity or auth.delete_identity. Returns whether anything changed; auth.apply_database_roles makes it so. '
    'RW011: no such user; RW501: not READ COMMITTED.';

REVOKE ALL ON FUNCTION auth.unbind_user_role(uuid, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.unbind_user_role(uuid, text) TO rolewright_operator;

CREATE OR REPLACE FUNCTION unsecure.require_known_options(
    _inherit boolean,
    _set     boolean
)
RETURNS void
LANGUAGE plpgsql
STABLE
AS $function$
BEGIN
    IF current_setting('server_version_num')::integer < 160000 AND (NOT coalesce(_inherit, true) OR NOT _set) THEN
        RAISE EXCEPTION 'PostgreSQL % has no memberships without INHERIT or SET', current_setting('server_version')
            USING ERRCODE = 'RW518',
                  HINT    = 'They came with PostgreSQL 16. Before, INHERIT is an attribute of the member: auth.sync_identity.';
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.require_known_options(boolean, boolean) IS 'RW518: an option of memberships that this server does not have.';

REVOKE ALL ON FUNCTION unsecure.require_known_options(boolean, boolean) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.bind_group_role(
    _user_group_id uuid,
    _role_name     text,
    _inherit       boolean DEFAULT NULL,
    _set           boolean DEFAULT true,
    _admin         boolean DEFAULT false
)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_role auth.database_role;
BEGIN
    PERFORM unsecure.require_group(_user_group_id);
    PERFORM unsecure.require_known_options(_inherit, coalesce(_set, true));
    PERFORM unsecure.require_read_committed();
    PERFORM unsecure.lock_permission_model();
    PERFORM unsecure.lock_bindings(true);
    PERFORM unsecure.lock_roles();

    SELECT * INTO v_role FROM auth.database_role r WHERE r.role_name = _role_name AND r.state <> 'deleted';
    IF NOT FOUND THEN
        PERFORM unsecure.require_touchable(_role_name);
        PERFORM unsecure.require_free_name(_role_name, NULL, false);
        INSERT INTO auth.database_role (role_name, role_kind)
        VALUES (_role_name, 'group')
        RETURNING * INTO v_role;
    ELSIF v_role.role_kind <> 'group' THEN
        PERFORM unsecure.require_managed_role(_role_name, 'group');
    END IF;
    IF unsecure.is_elevated((SELECT r.oid FROM pg_roles r WHERE r.rolname = _role_name)) THEN
        PERFORM unsecure.require_administrator(format('bind the elevated role %I', _role_name));
    END IF;

    INSERT INTO auth.group_role AS b (user_group_id, database_role_id, inherit_option, set_option, admin_option, by_administrator)
    VALUES (_user_group_id, v_role.database_role_id, _inherit, coalesce(_set, true), coalesce(_admin, false), unsecure.is_administrator())
    ON CONFLICT (user_group_id, database_role_id) DO UPDATE
        SET inherit_option   = excluded.inherit_option,
            set_option       = excluded.set_option,
            admin_option     = excluded.admin_option,
            by_administrator = excluded.by_administrator OR b.by_administrator
        WHERE (b.inherit_option, b.set_option, b.admin_option, b.by_administrator)
              IS DISTINCT FROM (excluded.inherit_option, excluded.set_option, excluded.admin_option, excluded.by_administrator OR b.by_administrator);
    RETURN FOUND;
END;
$function$;

COMMENT ON FUNCTION auth.bind_group_role(uuid, text, boolean, boolean, boolean) IS
    'Who is in the group shall be a member of this role, created (NOLOGIN) when it does not exist; an existing one must be taken under '
    'management first (auth.adopt_role), else it is a conflict of the plan. _inherit, _set, _admin: the options of the membership '
    '(PostgreSQL manual: GRANT); _inherit NULL: as the member''s INHERIT attribute says; _inherit and _set from PostgreSQL 16 on. '
    'All managed login roles'' memberships in the role are managed from then on. Returns whether anything changed; '
    'auth.apply_database_roles makes it so. RW013: no such group; RW503: not for Rolewright; RW504: no possible name; RW505: it is a '
    'login role; RW513: only an administrator binds an elevated role; RW516: the name was a role''s that was deleted; RW518: an option that this server does not have; RW501: not READ COMMITTED.';

REVOKE ALL ON FUNCTION auth.bind_group_role(uuid, text, boolean, boolean, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.bind_group_role(uuid, text, boolean, boolean, boolean) TO rolewright_operator;

CREATE OR REPLACE FUNCTION auth.unbind_group_role(
    _user_group_id uuid,
    _role_name     text
)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM unsecure.require_group(_user_group_id);
    PERFORM unsecure.require_read_committed();
    PERFORM unsecure.lock_permission_model();
    PERFORM unsecure.lock_bindings(true);
    PERFORM unsecure.lock_roles();
    DELETE FROM auth.group_role b
    USING auth.database_role r
    WHERE b.user_group_id = _user_group_id
      AND r.database_role_id = b.database_role_id
      AND r.role_name = _role_name
      AND r.state <> 'deleted';
    RETURN FOUND;
END;
$function$;

COMMENT ON FUNCTION auth.unbind_group_role(uuid, text) IS
    'The group shall give no membership in this role any more. The role stays managed, so auth.apply_database_roles ends the memberships '
    'that nothing else gives; auth.release_role stops managing it. Returns whether anything changed. RW013: no such group; RW501: not '
    'READ COMMITTED.';

REVOKE ALL ON FUNCTION auth.unbind_group_role(uuid, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.unbind_group_role(uuid, text) TO rolewright_operator;
