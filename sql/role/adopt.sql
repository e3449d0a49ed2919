-- Taking existing roles under management, letting them go, and keeping roles out of it. An operator could reach with these what nobody gave
-- him, so they need an administrator.

CREATE OR REPLACE FUNCTION auth.adopt_role(
    _role_name text,
    _role_kind text DEFAULT NULL,
    _user_id   uuid DEFAULT NULL
)
RETURNS SETOF auth.change
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_is_16   boolean := current_setting('server_version_num')::integer >= 160000;
    v_owner   pg_roles;
    v_actual  pg_roles;
    v_kind    text;
    v_old     auth.database_role;
BEGIN
    PERFORM unsecure.require_administrator(concat('adopt role ', quote_ident(_role_name)));
    IF _user_id IS NOT NULL THEN
        PERFORM unsecure.require_user(_user_id);
    END IF;
    PERFORM unsecure.lock_person(_user_id);
    SELECT * INTO v_owner FROM pg_roles r WHERE r.oid = unsecure.rolewright_owner();
    SELECT * INTO v_actual FROM pg_roles r WHERE r.rolname = _role_name;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'role % does not exist', coalesce(quote_ident(_role_name), 'NULL')
            USING ERRCODE = 'RW019', HINT = 'auth.bind_user_role and auth.bind_group_role make new roles.';
    END IF;
    v_kind := coalesce(_role_kind, CASE WHEN v_actual.rolcanlogin OR _user_id IS NOT NULL THEN 'login' ELSE 'group' END);
    -- Who may administer Rolewright can be decided by a group like any other membership.
    IF NOT (v_kind = 'group' AND _role_name IN ('rolewright_app', 'rolewright_operator', 'rolewright_auditor')) THEN
        PERFORM unsecure.require_touchable(_role_name);
    END IF;

    SELECT * INTO v_old FROM auth.database_role r WHERE r.role_name = _role_name AND r.state <> 'deleted';
    IF NOT FOUND THEN
        INSERT INTO auth.database_role (role_name, role_oid, role_kind, user_id, requires_identity)
        VALUES (_role_name, v_actual.oid, v_kind, _user_id, EXISTS (SELECT FROM auth.user_identity i WHERE i.user_id = _user_id));
    ELSE
        IF _role_kind <> v_old.role_kind OR _user_id <> coalesce(v_old.user_id, _user_id) THEN
            RAISE EXCEPTION 'role % is managed already, as another one', quote_ident(_role_name)
                USING ERRCODE = 'RW502',
                      DETAIL  = format('It is a %s role of %s.', v_old.role_kind, coalesce('user ' || v_old.user_id, 'nobody')),
                      HINT    = 'auth.release_role lets it go first. Nothing was changed.';
        END IF;
        -- Somebody may have bound it before it was managed, or before it was elevated.
        IF unsecure.is_elevated(v_actual.oid) AND v_old.role_oid IS DISTINCT FROM v_actual.oid
           AND (v_old.user_id IS DISTINCT FROM _user_id OR EXISTS (SELECT FROM auth.group_role b WHERE b.database_role_id = v_old.database_role_id))
        THEN
            RAISE EXCEPTION 'elevated role % is bound already', quote_ident(_role_name)
                USING ERRCODE = 'RW502',
                      DETAIL  = concat_ws(' ', 'It would belong to user ' || v_old.user_id || '.',
                                          (SELECT format('Groups would give it: %s.', string_agg(g.code, ', ' ORDER BY g.code))
                                           FROM auth.group_role b JOIN auth.user_group g ON g.user_group_id = b.user_group_id
                                           WHERE b.database_role_id = v_old.database_role_id HAVING count(*) > 0)),
                      HINT    = 'Unbind it first, adopt it, and bind it again if that is meant. Nothing was changed.';
        END IF;
        UPDATE auth.database_role
        SET role_oid = v_actual.oid, user_id = coalesce(v_old.user_id, _user_id), updated_at = now()
        WHERE database_role_id = v_old.database_role_id
          AND (role_oid, user_id) IS DISTINCT FROM (v_actual.oid, coalesce(v_old.user_id, _user_id));
    END IF;

    RETURN QUERY
    SELECT row_number() OVER ()::integer, 'conflict', _role_name, NULL::text, n.statement, n.reason
    FROM (
        SELECT format('GRANT %I TO %I WITH ADMIN OPTION', _role_name, v_owner.rolname) AS statement,
               format('%I, the owner of Rolewright, needs ADMIN OPTION to change it', v_owner.rolname) AS reason
        WHERE NOT v_owner.rolsuper AND NOT v_actual.rolsuper AND v_is_16
          AND NOT pg_has_role(v_owner.oid, v_actual.oid, 'MEMBER WITH ADMIN OPTION')
        UNION ALL
        SELECT NULL, 'it is a superuser: while it is one, only a superuser can change it, so Rolewright''s owner cannot'
        WHERE NOT v_owner.rolsuper AND v_actual.rolsuper
        UNION ALL
        SELECT format('ALTER ROLE %I NOREPLICATION', _role_name), 'PostgreSQL 15 and older let only superusers change a role with REPLICATION'
        WHERE NOT v_owner.rolsuper AND NOT v_is_16 AND v_actual.rolreplication AND NOT v_actual.rolsuper
    ) AS n;
END;
$function$;

COMMENT ON FUNCTION auth.adopt_role(text, text, uuid) IS
    'Takes an existing role under management: _role_kind login (of _user_id, or of nobody) or group; NULL: as its LOGIN attribute says. '
    'Also after somebody dropped a managed role and made it anew. Changes nothing about the role. Rows: what Rolewright''s owner still lacks, '
    'with the statement that a superuser must run; none: nothing. RW019: no such role; RW502: managed as another one already; '
    'RW503: not for Rolewright; RW513: the session user is no administrator.';

REVOKE ALL ON FUNCTION auth.adopt_role(text, text, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.adopt_role(text, text, uuid) TO rolewright_operator;

CREATE OR REPLACE FUNCTION auth.release_role(_role_name text)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_id uuid;
BEGIN
    PERFORM unsecure.require_administrator(concat('release role ', quote_ident(_role_name)));
    PERFORM unsecure.lock_roles();
    SELECT r.database_role_id INTO v_id FROM auth.database_role r WHERE r.role_name = _role_name AND r.state <> 'deleted';
    IF NOT FOUND THEN
        PERFORM unsecure.require_managed_role(_role_name);
    END IF;
    DELETE FROM auth.role_membership WHERE database_role_id = v_id;
    DELETE FROM auth.database_role WHERE database_role_id = v_id;
    RETURN true;
END;
$function$;

COMMENT ON FUNCTION auth.release_role(text) IS
    'Stops managing a role; the role itself stays as it is. RW019: not managed; RW513: the session user is no administrator; '
    '23503: groups are bound to it, or auth.manage_relationship gave memberships in it.';

REVOKE ALL ON FUNCTION auth.release_role(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.release_role(text) TO rolewright_operator;

CREATE OR REPLACE FUNCTION auth.protect_role(_role_name text)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM unsecure.require_administrator(concat('protect role ', quote_ident(_role_name)));
    INSERT INTO auth.protected_role (role_name) VALUES (_role_name) ON CONFLICT DO NOTHING;
    RETURN FOUND;
END;
$function$;

COMMENT ON FUNCTION auth.protect_role(text) IS
    'Keeps a role, also one to come, from being changed through Rolewright, whoever asks. Returns whether anything changed. '
    'RW513: the session user is no administrator.';

REVOKE ALL ON FUNCTION auth.protect_role(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.protect_role(text) TO rolewright_operator;

CREATE OR REPLACE FUNCTION auth.unprotect_role(_role_name text)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM unsecure.require_administrator(concat('take the protection off role ', quote_ident(_role_name)));
    DELETE FROM auth.protected_role WHERE role_name = _role_name;
    RETURN FOUND;
END;
$function$;

COMMENT ON FUNCTION auth.unprotect_role(text) IS
    'Takes the protection off a role. Returns whether anything changed. RW513: the session user is no administrator.';

REVOKE ALL ON FUNCTION auth.unprotect_role(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.unprotect_role(text) TO rolewright_operator;
