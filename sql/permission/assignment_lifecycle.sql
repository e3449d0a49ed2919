-- Giving permissions and sets to groups and users, and taking them away.

CREATE OR REPLACE FUNCTION auth.assign_permission(
    _permission    text        DEFAULT NULL,
    _perm_set      text        DEFAULT NULL,
    _user_group_id uuid        DEFAULT NULL,
    _user_id       uuid        DEFAULT NULL,
    _tenant_id     uuid        DEFAULT NULL,
    _valid_until   timestamptz DEFAULT NULL
)
RETURNS uuid
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_tenant_id     uuid := coalesce(_tenant_id, unsecure.default_tenant_id());
    v_perm_set_id   uuid;
    v_group         auth.user_group;
    v_assignment_id uuid;
BEGIN
    IF num_nonnulls(_permission, _perm_set) <> 1 OR num_nonnulls(_user_group_id, _user_id) <> 1 THEN
        RAISE EXCEPTION 'an assignment gives one thing to one grantee'
            USING ERRCODE = 'RW311',
                  DETAIL  = format('_permission %s, _perm_set %s, _user_group_id %s, _user_id %s.',
                                   coalesce(to_json(_permission)::text, 'NULL'), coalesce(to_json(_perm_set)::text, 'NULL'),
                                   coalesce(_user_group_id::text, 'NULL'), coalesce(_user_id::text, 'NULL')),
                  HINT    = 'Pass _permission or _perm_set, and _user_group_id or _user_id.';
    END IF;
    PERFORM unsecure.require_tenant(v_tenant_id);
    IF _permission IS NOT NULL THEN
        PERFORM unsecure.require_permission_codes(ARRAY[_permission]);
    ELSE
        v_perm_set_id := unsecure.require_perm_set(_perm_set);
    END IF;
    IF _user_id IS NOT NULL THEN
        PERFORM unsecure.require_user(_user_id);
    ELSE
        PERFORM unsecure.lock_permission_model();
        SELECT * INTO v_group FROM auth.user_group WHERE user_group_id = _user_group_id FOR SHARE;
        IF NOT FOUND THEN
            PERFORM unsecure.require_group(_user_group_id);
        END IF;
        IF v_group.tenant_id <> v_tenant_id THEN
            RAISE EXCEPTION 'group % belongs to another tenant', to_json(v_group.code)
                USING ERRCODE = 'RW313',
                      DETAIL  = format('It belongs to tenant %s; the assignment is in tenant %s.', v_group.tenant_id, v_tenant_id),
                      HINT    = format('Assign it in its own: _tenant_id => %L (--tenant %s).', v_group.tenant_id, v_group.tenant_id);
        END IF;
    END IF;

    INSERT INTO auth.permission_assignment AS a (tenant_id, user_group_id, user_id, permission_code, perm_set_id, valid_until)
    VALUES (v_tenant_id, _user_group_id, _user_id, _permission, v_perm_set_id, _valid_until)
    ON CONFLICT (tenant_id, (coalesce(user_group_id, user_id)), (coalesce(perm_set_id::text, permission_code))) DO UPDATE
        SET valid_until = excluded.valid_until
        WHERE a.valid_until IS DISTINCT FROM excluded.valid_until
    RETURNING a.assignment_id INTO v_assignment_id;

    IF v_assignment_id IS NULL THEN
        SELECT a.assignment_id
        INTO v_assignment_id
        FROM auth.permission_assignment a
        WHERE a.tenant_id = v_tenant_id
          AND coalesce(a.user_group_id, a.user_id) = coalesce(_user_group_id, _user_id)
          AND coalesce(a.perm_set_id::text, a.permission_code) = coalesce(v_perm_set_id::text, _permission);
    END IF;
    RETURN v_assignment_id;
END;
$function$;

COMMENT ON FUNCTION auth.assign_permission(text, text, uuid, uuid, uuid, timestamptz) IS
    'Gives a permission (with everything below it) or a set to a group or a user in a tenant (NULL: the default one), until _valid_until '
    '(NULL: without end), and returns the assignment_id. What is assigned already gets the new end. '
    'RW011: no such user; RW013: no such group; RW015: no such tenant; RW016: no such permission; RW017: no such set; '
    'RW311: not exactly one of each pair; RW313: the group belongs to another tenant.';

REVOKE ALL ON FUNCTION auth.assign_permission(text, text, uuid, uuid, uuid, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.assign_permission(text, text, uuid, uuid, uuid, timestamptz) TO rolewright_operator;

CREATE OR REPLACE FUNCTION auth.unassign_permission(_assignment_id uuid)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF EXISTS (SELECT FROM auth.permission_assignment WHERE assignment_id = _assignment_id AND user_group_id IS NOT NULL) THEN
        PERFORM unsecure.lock_permission_model();
    END IF;
    DELETE FROM auth.permission_assignment WHERE assignment_id = _assignment_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'assignment does not exist'
            USING ERRCODE = 'RW018',
                  DETAIL  = format('assignment_id %s', coalesce(_assignment_id::text, 'NULL')),
                  HINT    = 'auth.permission_assignment lists them.';
    END IF;
    RETURN true;
END;
$function$;

COMMENT ON FUNCTION auth.unassign_permission(uuid) IS
    'Takes an assignment away: whoever had something through it alone, has not at the next question. Always true. '
    'RW018: no such assignment.';

REVOKE ALL ON FUNCTION auth.unassign_permission(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.unassign_permission(uuid) TO rolewright_operator;
