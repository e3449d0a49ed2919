-- Memberships that somebody gives by hand, beside those that come from groups.

CREATE OR REPLACE FUNCTION auth.manage_relationship(
    _role_name  text,
    _group_role text,
    _action     text,
    _inherit    boolean DEFAULT NULL,
    _set        boolean DEFAULT true,
    _admin      boolean DEFAULT false
)
RETURNS SETOF auth.change
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_role    auth.database_role;
    v_group   auth.database_role;
    v_done    auth.change[];
    v_sources text;
    v_source  uuid;
BEGIN
    IF _action IS DISTINCT FROM 'add' AND _action IS DISTINCT FROM 'remove' THEN
        RAISE EXCEPTION 'a membership is added or removed'
            USING ERRCODE = 'RW519', DETAIL = format('_action is %s.', coalesce(to_json(_action)::text, 'NULL')), HINT = 'Pass add or remove.';
    END IF;
    PERFORM unsecure.require_known_options(_inherit, coalesce(_set, true));
    PERFORM unsecure.require_touchable(_role_name);
    v_role := unsecure.require_managed_role(_role_name, 'login');
    PERFORM unsecure.lock_person(v_role.user_id);
    v_source := v_role.user_id;
    v_role   := unsecure.require_managed_role(_role_name, 'login');
    IF v_role.user_id IS DISTINCT FROM v_source THEN
        RAISE EXCEPTION 'role % was just given to another user', quote_ident(_role_name)
            USING ERRCODE = '40001', HINT = 'Try again. Nothing was changed.';
    END IF;
    v_group := unsecure.require_managed_role(_group_role, 'group');

    IF _action = 'add' THEN
        IF v_role.state <> 'active' THEN
            RAISE EXCEPTION 'role % is %', quote_ident(_role_name), v_role.state
                USING ERRCODE = 'RW511', DETAIL = 'It has no memberships.', HINT = 'auth.restore_identity brings it back. Nothing was changed.';
        END IF;
        IF unsecure.is_elevated(v_group.role_oid) THEN
            PERFORM unsecure.require_administrator(format('give memberships in the elevated role %I', _group_role));
        END IF;
        INSERT INTO auth.role_membership AS m (database_role_id, group_role_id, inherit_option, set_option, admin_option, by_administrator)
        VALUES (v_role.database_role_id, v_group.database_role_id, _inherit, coalesce(_set, true), coalesce(_admin, false), unsecure.is_administrator())
        ON CONFLICT (database_role_id, group_role_id) DO UPDATE
            SET inherit_option   = excluded.inherit_option,
                set_option       = excluded.set_option,
                admin_option     = excluded.admin_option,
                by_administrator = excluded.by_administrator OR m.by_administrator
            WHERE (m.inherit_option, m.set_option, m.admin_option, m.by_administrator)
                  IS DISTINCT FROM
                  (excluded.inherit_option, excluded.set_option, excluded.admin_option, excluded.by_administrator OR m.by_administrator);
    ELSE
        SELECT string_agg(g.code, ', ' ORDER BY g.code) INTO v_sources
        FROM unsecure.bound_groups(ARRAY[v_role.user_id]) AS u
        JOIN auth.group_role b ON b.user_group_id = u.user_group_id AND b.database_role_id = v_group.database_role_id
        JOIN auth.user_group g ON g.user_group_id = u.user_group_id
        WHERE v_role.state = 'active';
        IF v_sources IS NOT NULL THEN
            RAISE EXCEPTION 'role % is a member of % because of a group', quote_ident(_role_name), quote_ident(_group_role)
                USING ERRCODE = 'RW510',
                      DETAIL  = format('Its user is in: %s.', v_sources),
                      HINT    = 'Take the user out of the group, or unbind the group (auth.unbind_group_role). Nothing was changed.';
        END IF;
        DELETE FROM auth.role_membership
        WHERE database_role_id = v_role.database_role_id AND group_role_id = v_group.database_role_id;
    END IF;

    v_done := ARRAY(SELECT a FROM unsecure.apply_roles(NULL, ARRAY[_role_name], true) AS a);
    -- What else is wrong with the role is for its plan; this membership, or the whole role, is for us.
    PERFORM unsecure.require_no_conflict(ARRAY(
        SELECT c FROM unnest(v_done) AS c
        WHERE c.role_name = _group_role OR c.role_name = _role_name AND coalesce(c.object, _group_role) = _group_role));
    RETURN QUERY SELECT (c).* FROM unnest(v_done) AS c;
END;
$function$;

COMMENT ON FUNCTION auth.manage_relationship(text, text, text, boolean, boolean, boolean) IS
    'Makes a managed login role a member of a managed group role (_action add, with these options: see auth.bind_group_role), or ends '
    'that (remove). It stays so whatever the user''s groups are. Returns what was done; no rows: it was so already. RW019: not managed; '
    'RW505: not a login role, not a group role; RW503: not for Rolewright; RW506: PostgreSQL does not let Rolewright''s owner do it, with the '
    'statement for a superuser; RW510: the membership comes from a group; RW511: the role is suspended or disabled; RW513: only an administrator gives memberships in an elevated role; RW518: an option '
    'that this server does not have; RW519: another action; RW501: not READ COMMITTED.';

REVOKE ALL ON FUNCTION auth.manage_relationship(text, text, text, boolean, boolean, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.manage_relationship(text, text, text, boolean, boolean, boolean) TO rolewright_operator;
