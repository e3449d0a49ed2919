-- Members put in by hand.

CREATE OR REPLACE FUNCTION auth.add_group_member(
    _user_group_id uuid,
    _user_id       uuid,
    _valid_until   timestamptz DEFAULT NULL
)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_group auth.user_group;
BEGIN
    -- The type stays as it is until we are done.
    SELECT * INTO v_group FROM auth.user_group WHERE user_group_id = _user_group_id FOR SHARE;
    IF NOT FOUND THEN
        PERFORM unsecure.require_group(_user_group_id);
    END IF;
    PERFORM unsecure.lock_role_user(_user_id);
    PERFORM unsecure.require_user(_user_id);
    IF v_group.group_type = 'external' THEN
        RAISE EXCEPTION 'external group % takes no manual members', to_json(v_group.code)
            USING ERRCODE = 'RW301',
                  DETAIL  = format('Its members come from its mappings; user %s was not added.', _user_id),
                  HINT    = 'Make it hybrid to have both: auth.update_user_group(_group_type => ''hybrid'').';
    END IF;

    INSERT INTO auth.user_group_member AS m (user_group_id, user_id, valid_until)
    VALUES (_user_group_id, _user_id, _valid_until)
    ON CONFLICT (user_group_id, user_id) DO UPDATE
        SET valid_until = excluded.valid_until
        WHERE m.valid_until IS DISTINCT FROM excluded.valid_until;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM unsecure.follow_member(_user_group_id, _user_id);
    RETURN true;
END;
$function$;

COMMENT ON FUNCTION auth.add_group_member(uuid, uuid, timestamptz) IS
    'Puts a user into a group until _valid_until (NULL: without end); for a member, changes the end. Returns whether anything changed. '
    'RW011: no such user; RW013: no such group; RW301: the group is external.';

REVOKE ALL ON FUNCTION auth.add_group_member(uuid, uuid, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.add_group_member(uuid, uuid, timestamptz) TO rolewright_operator;

CREATE OR REPLACE FUNCTION auth.remove_group_member(
    _user_group_id uuid,
    _user_id       uuid
)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM unsecure.lock_role_user(_user_id);
    DELETE FROM auth.user_group_member WHERE user_group_id = _user_group_id AND user_id = _user_id;
    IF NOT FOUND THEN
        PERFORM unsecure.require_group(_user_group_id);
        PERFORM unsecure.require_user(_user_id);
        RETURN false;
    END IF;
    PERFORM unsecure.follow_member(_user_group_id, _user_id);
    RETURN true;
END;
$function$;

COMMENT ON FUNCTION auth.remove_group_member(uuid, uuid) IS
    'Takes a manual member out of a group. Returns whether anything changed: a user who is in it through a mapping only, stays. '
    'RW011: no such user; RW013: no such group.';

REVOKE ALL ON FUNCTION auth.remove_group_member(uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.remove_group_member(uuid, uuid) TO rolewright_operator;
