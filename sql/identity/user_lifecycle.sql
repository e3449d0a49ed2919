-- Making, changing and removing users by hand. Providers make them too: login.sql and sync.sql.

CREATE OR REPLACE FUNCTION auth.create_user(
    _username       text,
    _display_name   text    DEFAULT NULL,
    _email          text    DEFAULT NULL,
    _email_verified boolean DEFAULT false
)
RETURNS uuid
LANGUAGE sql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
    INSERT INTO auth.user_info (username, display_name, email, email_verified)
    VALUES (_username, coalesce(_display_name, _username), _email, _email_verified)
    RETURNING user_id;
$function$;

COMMENT ON FUNCTION auth.create_user(text, text, text, boolean) IS
    'Creates a user and returns its user_id. _email_verified: you vouch for the address, so an account at a provider with link_by '
    'email may join this user. 23505: the username is taken (without regard to case); 23514: blank, or over 2,048 bytes.';

REVOKE ALL ON FUNCTION auth.create_user(text, text, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.create_user(text, text, text, boolean) TO rolewright_operator;

CREATE OR REPLACE FUNCTION auth.update_user(
    _user_id           uuid,
    _username          text    DEFAULT NULL,
    _display_name      text    DEFAULT NULL,
    _email             text    DEFAULT NULL,
    _email_verified    boolean DEFAULT NULL,
    _username_verified boolean DEFAULT NULL
)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    UPDATE auth.user_info AS u
    SET username          = n.username,
        username_verified = n.username_verified,
        display_name      = n.display_name,
        email             = n.email,
        email_verified    = n.email_verified,
        updated_at        = now()
    FROM (
        SELECT coalesce(_username, o.username)                   AS username,
               coalesce(_username_verified, o.username_verified) AS username_verified,
               coalesce(_display_name, o.display_name)           AS display_name,
               coalesce(_email, o.email)                         AS email,
               -- Another address is not verified unless the caller says so.
               coalesce(_email_verified, o.email_verified AND coalesce(_email = o.email, true)) AS email_verified
        FROM auth.user_info o
        WHERE o.user_id = _user_id
    ) AS n
    WHERE u.user_id = _user_id
      AND (u.username, u.username_verified, u.display_name, u.email, u.email_verified)
          IS DISTINCT FROM (n.username, n.username_verified, n.display_name, n.email, n.email_verified);
    IF NOT FOUND THEN
        PERFORM unsecure.require_user(_user_id);
        RETURN false;
    END IF;
    RETURN true;
END;
$function$;

COMMENT ON FUNCTION auth.update_user(uuid, text, text, text, boolean, boolean) IS
    'Changes a user; NULL keeps. Returns whether anything changed. A new address counts as unverified unless _email_verified says '
    'otherwise. RW011: no such user; 23505: the username is taken.';

REVOKE ALL ON FUNCTION auth.update_user(uuid, text, text, text, boolean, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.update_user(uuid, text, text, text, boolean, boolean) TO rolewright_operator;

CREATE OR REPLACE FUNCTION auth.enable_user(_user_id uuid)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    UPDATE auth.user_info
    SET is_active = true, updated_at = now()
    WHERE user_id = _user_id AND NOT is_active;
    IF NOT FOUND THEN
        PERFORM unsecure.require_user(_user_id);
        RETURN false;
    END IF;
    PERFORM unsecure.follow_users(ARRAY[_user_id]);
    RETURN true;
END;
$function$;

COMMENT ON FUNCTION auth.enable_user(uuid) IS
    'Lets a disabled user log in again. Returns whether anything changed. RW011: no such user.';

REVOKE ALL ON FUNCTION auth.enable_user(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.enable_user(uuid) TO rolewright_operator;

CREATE OR REPLACE FUNCTION auth.disable_user(_user_id uuid)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    UPDATE auth.user_info
    SET is_active = false, updated_at = now()
    WHERE user_id = _user_id AND is_active;
    IF NOT FOUND THEN
        PERFORM unsecure.require_user(_user_id);
        RETURN false;
    END IF;
    PERFORM unsecure.follow_users(ARRAY[_user_id]);
    RETURN true;
END;
$function$;

COMMENT ON FUNCTION auth.disable_user(uuid) IS
    'Refuses every login of a user, through any provider, and takes its groups away until it is enabled. '
    'Returns whether anything changed. RW011: no such user.';

REVOKE ALL ON FUNCTION auth.disable_user(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.disable_user(uuid) TO rolewright_operator;

CREATE OR REPLACE FUNCTION auth.lock_user(_user_id uuid)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    UPDATE auth.user_info
    SET is_locked = true, updated_at = now()
    WHERE user_id = _user_id AND NOT is_locked;
    IF NOT FOUND THEN
        PERFORM unsecure.require_user(_user_id);
        RETURN false;
    END IF;
    PERFORM unsecure.follow_users(ARRAY[_user_id]);
    RETURN true;
END;
$function$;

COMMENT ON FUNCTION auth.lock_user(uuid) IS
    'Refuses every login of a user until it is unlocked; for incidents, where disabling is for leavers. '
    'Returns whether anything changed. RW011: no such user.';

REVOKE ALL ON FUNCTION auth.lock_user(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.lock_user(uuid) TO rolewright_operator;

CREATE OR REPLACE FUNCTION auth.unlock_user(_user_id uuid)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    UPDATE auth.user_info
    SET is_locked = false, updated_at = now()
    WHERE user_id = _user_id AND is_locked;
    IF NOT FOUND THEN
        PERFORM unsecure.require_user(_user_id);
        RETURN false;
    END IF;
    PERFORM unsecure.follow_users(ARRAY[_user_id]);
    RETURN true;
END;
$function$;

COMMENT ON FUNCTION auth.unlock_user(uuid) IS
    'Takes the lock off a user. Returns whether anything changed. RW011: no such user.';

REVOKE ALL ON FUNCTION auth.unlock_user(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.unlock_user(uuid) TO rolewright_operator;

CREATE OR REPLACE FUNCTION auth.delete_user(_user_id uuid)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM unsecure.lock_permission_model();
    -- The user first: logins lock in this order too.
    PERFORM 1 FROM auth.user_info WHERE user_id = _user_id FOR UPDATE;
    PERFORM unsecure.require_user(_user_id);
    PERFORM unsecure.orphan_role(_user_id);
    DELETE FROM auth.permission_assignment WHERE user_id = _user_id;
    DELETE FROM auth.user_group_member WHERE user_id = _user_id;
    DELETE FROM auth.user_identity WHERE user_id = _user_id;
    DELETE FROM auth.user_info WHERE user_id = _user_id;
    RETURN true;
END;
$function$;

COMMENT ON FUNCTION auth.delete_user(uuid) IS
    'Deletes a user with its identities, group memberships and assignments; the audit trail stays. A person whom a provider still lists comes '
    'back as a new user: disable the user to keep somebody out. RW011: no such user.';

REVOKE ALL ON FUNCTION auth.delete_user(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.delete_user(uuid) TO rolewright_operator;
