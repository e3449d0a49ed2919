-- Making, changing and removing groups.

CREATE OR REPLACE FUNCTION unsecure.require_group(_user_group_id uuid)
RETURNS void
LANGUAGE plpgsql
STABLE
AS $function$
BEGIN
    IF NOT EXISTS (SELECT FROM auth.user_group WHERE user_group_id = _user_group_id) THEN
        RAISE EXCEPTION 'group does not exist'
            USING ERRCODE = 'RW013',
                  DETAIL  = format('user_group_id %s', coalesce(_user_group_id::text, 'NULL')),
                  HINT    = 'auth.user_group lists them.';
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.require_group(uuid) IS 'RW013 unless the group exists.';

REVOKE ALL ON FUNCTION unsecure.require_group(uuid) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.create_user_group(
    _code        text,
    _name        text,
    _group_type  text DEFAULT 'internal',
    _description text DEFAULT NULL,
    _tenant_id   uuid DEFAULT NULL
)
RETURNS uuid
LANGUAGE sql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
    INSERT INTO auth.user_group (code, name, group_type, description, tenant_id)
    VALUES (_code, _name, _group_type, _description, _tenant_id)
    RETURNING user_group_id;
$function$;

COMMENT ON FUNCTION auth.create_user_group(text, text, text, text, uuid) IS
    'Creates a group and returns its user_group_id. _group_type: internal, external, hybrid. _tenant_id: it gives permissions in that '
    'tenant alone; NULL: in all. 23505: the code is taken; 23503: no such tenant; 23514: a value that auth.user_group does not allow.';

REVOKE ALL ON FUNCTION auth.create_user_group(text, text, text, text, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.create_user_group(text, text, text, text, uuid) TO rolewright_operator;

CREATE OR REPLACE FUNCTION auth.update_user_group(
    _user_group_id uuid,
    _name          text    DEFAULT NULL,
    _group_type    text    DEFAULT NULL,
    _description   text    DEFAULT NULL,
    _drop          boolean DEFAULT false
)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_old      auth.user_group;
    v_members  bigint := 0;
    v_mappings bigint := 0;
BEGIN
    PERFORM unsecure.lock_permission_model();
    -- FOR UPDATE: nobody adds a member or a mapping meanwhile.
    SELECT * INTO v_old FROM auth.user_group WHERE user_group_id = _user_group_id FOR UPDATE;
    IF NOT FOUND THEN
        PERFORM unsecure.require_group(_user_group_id);
    END IF;

    IF _group_type = 'external' THEN
        SELECT count(*) INTO v_members FROM auth.user_group_member WHERE user_group_id = _user_group_id;
    ELSIF _group_type = 'internal' THEN
        SELECT count(*) INTO v_mappings FROM auth.user_group_mapping WHERE user_group_id = _user_group_id;
    END IF;

    IF v_members + v_mappings > 0 THEN
        IF NOT coalesce(_drop, false) THEN
            RAISE EXCEPTION 'changing the type of group % to % would drop what such a group does not have', to_json(v_old.code), _group_type
                USING ERRCODE = 'RW302',
                      DETAIL  = concat_ws(' ',
                          (SELECT format('%s manual members: %s.', v_members, string_agg(m.username, ', '))
                           FROM (SELECT to_json(u.username)::text AS username
                                 FROM auth.user_group_member g
                                 JOIN auth.user_info u ON u.user_id = g.user_id
                                 WHERE g.user_group_id = _user_group_id
                                 ORDER BY u.username LIMIT 100) AS m
                           WHERE v_members > 0 HAVING count(*) > 0),
                          (SELECT format('%s mappings: %s.', v_mappings, string_agg(m.mapping, ', '))
                           FROM (SELECT format('%s %s', p.code, to_json(coalesce(g.external_group_name, g.external_role_name))) AS mapping
                                 FROM auth.user_group_mapping g
                                 JOIN auth.provider p ON p.provider_id = g.provider_id
                                 WHERE g.user_group_id = _user_group_id
                                 ORDER BY 1 LIMIT 100) AS m
                           WHERE v_mappings > 0 HAVING count(*) > 0)),
                      HINT    = 'Nothing was changed. Pass _drop => true to drop them.';
        END IF;
        DELETE FROM auth.user_group_member WHERE user_group_id = _user_group_id AND _group_type = 'external';
        DELETE FROM auth.user_group_mapping WHERE user_group_id = _user_group_id AND _group_type = 'internal';
    END IF;

    UPDATE auth.user_group
    SET name        = coalesce(_name, name),
        group_type  = coalesce(_group_type, group_type),
        description = coalesce(_description, description),
        updated_at  = now()
    WHERE user_group_id = _user_group_id
      AND (coalesce(_name, name), coalesce(_group_type, group_type), coalesce(_description, description))
          IS DISTINCT FROM (name, group_type, description);
    IF NOT FOUND AND v_members + v_mappings = 0 THEN
        RETURN false;
    END IF;
    PERFORM unsecure.follow_groups(ARRAY[_user_group_id]);
    RETURN true;
END;
$function$;

COMMENT ON FUNCTION auth.update_user_group(uuid, text, text, text, boolean) IS
    'Changes a group; NULL keeps. Returns whether anything changed. An external group has no manual members and an internal one no '
    'mappings: RW302 says what a change of type would drop, and _drop drops it. RW013: no such group.';

REVOKE ALL ON FUNCTION auth.update_user_group(uuid, text, text, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.update_user_group(uuid, text, text, text, boolean) TO rolewright_operator;

CREATE OR REPLACE FUNCTION auth.enable_user_group(_user_group_id uuid)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    UPDATE auth.user_group
    SET is_active = true, updated_at = now()
    WHERE user_group_id = _user_group_id AND NOT is_active;
    IF NOT FOUND THEN
        PERFORM unsecure.require_group(_user_group_id);
        RETURN false;
    END IF;
    PERFORM unsecure.follow_groups(ARRAY[_user_group_id]);
    RETURN true;
END;
$function$;

COMMENT ON FUNCTION auth.enable_user_group(uuid) IS
    'Brings a group''s members back. Returns whether anything changed. RW013: no such group.';

REVOKE ALL ON FUNCTION auth.enable_user_group(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.enable_user_group(uuid) TO rolewright_operator;

CREATE OR REPLACE FUNCTION auth.disable_user_group(_user_group_id uuid)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    UPDATE auth.user_group
    SET is_active = false, updated_at = now()
    WHERE user_group_id = _user_group_id AND is_active;
    IF NOT FOUND THEN
        PERFORM unsecure.require_group(_user_group_id);
        RETURN false;
    END IF;
    PERFORM unsecure.follow_groups(ARRAY[_user_group_id]);
    RETURN true;
END;
$function$;

COMMENT ON FUNCTION auth.disable_user_group(uuid) IS
    'Nobody is in the group until it is enabled. Returns whether anything changed. RW013: no such group.';

REVOKE ALL ON FUNCTION auth.disable_user_group(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.disable_user_group(uuid) TO rolewright_operator;

CREATE OR REPLACE FUNCTION auth.delete_user_group(_user_group_id uuid)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM unsecure.lock_permission_model();
    PERFORM 1 FROM auth.user_group WHERE user_group_id = _user_group_id FOR UPDATE;
    PERFORM unsecure.require_group(_user_group_id);
    -- Without members first, so that the database roles lose what it gave.
    IF EXISTS (SELECT FROM auth.group_role WHERE user_group_id = _user_group_id) THEN
        PERFORM auth.disable_user_group(_user_group_id);
        DELETE FROM auth.group_role WHERE user_group_id = _user_group_id;
    END IF;
    DELETE FROM auth.permission_assignment WHERE user_group_id = _user_group_id;
    DELETE FROM auth.user_group_mapping WHERE user_group_id = _user_group_id;
    DELETE FROM auth.user_group_member WHERE user_group_id = _user_group_id;
    DELETE FROM auth.user_group WHERE user_group_id = _user_group_id;
    RETURN true;
END;
$function$;

COMMENT ON FUNCTION auth.delete_user_group(uuid) IS
    'Deletes a group with its assignments, manual members, mappings and bindings to database roles; the audit trail stays. RW013: no such group.';

REVOKE ALL ON FUNCTION auth.delete_user_group(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.delete_user_group(uuid) TO rolewright_operator;
