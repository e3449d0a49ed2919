-- External groups and roles that make somebody a member.

CREATE OR REPLACE FUNCTION auth.create_group_mapping(
    _user_group_id       uuid,
    _provider_id         uuid,
    _external_group_name text DEFAULT NULL,
    _external_role_name  text DEFAULT NULL
)
RETURNS uuid
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_group                 auth.user_group;
    v_user_group_mapping_id uuid;
BEGIN
    PERFORM unsecure.lock_permission_model();
    -- The type stays as it is until we are done.
    SELECT * INTO v_group FROM auth.user_group WHERE user_group_id = _user_group_id FOR SHARE;
    IF NOT FOUND THEN
        PERFORM unsecure.require_group(_user_group_id);
    END IF;
    PERFORM unsecure.require_provider(_provider_id);
    IF v_group.group_type = 'internal' THEN
        RAISE EXCEPTION 'internal group % takes no mappings', to_json(v_group.code)
            USING ERRCODE = 'RW303',
                  DETAIL  = 'Its members are put in by hand.',
                  HINT    = 'Make it hybrid to have both: auth.update_user_group(_group_type => ''hybrid'').';
    END IF;

    INSERT INTO auth.user_group_mapping (user_group_id, provider_id, external_group_name, external_role_name)
    VALUES (_user_group_id, _provider_id, _external_group_name, _external_role_name)
    RETURNING user_group_mapping_id INTO v_user_group_mapping_id;

    PERFORM unsecure.follow_groups(ARRAY[_user_group_id]);
    RETURN v_user_group_mapping_id;
END;
$function$;

COMMENT ON FUNCTION auth.create_group_mapping(uuid, uuid, text, text) IS
    'Whoever has that group or that role at the provider is in the group, from the next question on; returns the '
    'user_group_mapping_id. RW010: no such provider; RW013: no such group; RW303: the group is internal; 23505: it is there already; '
    '23514: neither name given.';

REVOKE ALL ON FUNCTION auth.create_group_mapping(uuid, uuid, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.create_group_mapping(uuid, uuid, text, text) TO rolewright_operator;

CREATE OR REPLACE FUNCTION auth.delete_group_mapping(_user_group_mapping_id uuid)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_user_group_id uuid;
BEGIN
    DELETE FROM auth.user_group_mapping WHERE user_group_mapping_id = _user_group_mapping_id
    RETURNING user_group_id INTO v_user_group_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'group mapping does not exist'
            USING ERRCODE = 'RW014',
                  DETAIL  = format('user_group_mapping_id %s', coalesce(_user_group_mapping_id::text, 'NULL')),
                  HINT    = 'auth.user_group_mapping lists them.';
    END IF;

    PERFORM unsecure.follow_groups(ARRAY[v_user_group_id]);
    RETURN true;
END;
$function$;

COMMENT ON FUNCTION auth.delete_group_mapping(uuid) IS
    'Removes a mapping: whoever was in the group through it alone is out at the next question. RW014: no such mapping.';

REVOKE ALL ON FUNCTION auth.delete_group_mapping(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.delete_group_mapping(uuid) TO rolewright_operator;
