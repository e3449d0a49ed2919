-- Linking, disabling and removing accounts of users.

-- Two first logins of one account, a sync of its provider, and an administrator who links it by hand: whoever may create an
-- identity takes this lock and then looks again. Sync locks the whole provider instead (FOR NO KEY UPDATE).
CREATE OR REPLACE FUNCTION unsecure.lock_account(
    _provider_id      uuid,
    _provider_user_id text
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $function$
BEGIN
    PERFORM 1 FROM auth.provider WHERE provider_id = _provider_id FOR SHARE;
    PERFORM unsecure.require_provider(_provider_id);
    PERFORM pg_advisory_xact_lock(hashtextextended(_provider_user_id, hashtextextended(_provider_id::text, 0)));
END;
$function$;

COMMENT ON FUNCTION unsecure.lock_account(uuid, text) IS
    'Until the end of the transaction, nobody else creates this identity. RW010: no such provider.';

REVOKE ALL ON FUNCTION unsecure.lock_account(uuid, text) FROM PUBLIC;

-- Definer: applications hold no rights on auth.user_identity itself.
CREATE OR REPLACE FUNCTION auth.create_user_identity(
    _user_id          uuid,
    _provider_id      uuid,
    _provider_user_id text,
    _provider_groups  text[] DEFAULT NULL,
    _provider_roles   text[] DEFAULT NULL,
    _provider_data    jsonb  DEFAULT NULL
)
RETURNS uuid
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_groups           text[] := unsecure.known_groups(_provider_groups, _provider_data);
    v_user_identity_id uuid;
    v_user_id          uuid;
BEGIN
    PERFORM unsecure.require_user(_user_id);
    PERFORM unsecure.require_account(_provider_user_id);
    PERFORM unsecure.lock_account(_provider_id, _provider_user_id);
    PERFORM 1 FROM auth.user_info WHERE user_id = _user_id FOR NO KEY UPDATE;

    SELECT i.user_identity_id, i.user_id
    INTO v_user_identity_id, v_user_id
    FROM auth.user_identity i
    WHERE i.provider_id = _provider_id AND i.provider_user_id = _provider_user_id;

    IF NOT FOUND THEN
        INSERT INTO auth.user_identity
            (user_id, provider_id, provider_user_id, provider_groups, provider_roles, provider_data, is_complete)
        VALUES
            (_user_id, _provider_id, _provider_user_id, v_groups, _provider_roles, _provider_data, v_groups IS NOT NULL)
        RETURNING user_identity_id INTO v_user_identity_id;
    ELSIF v_user_id <> _user_id THEN
        RAISE EXCEPTION 'account is linked to another user'
            USING ERRCODE = 'RW101',
                  DETAIL  = format('Provider %s, account %s, user %s.', _provider_id, to_json(_provider_user_id), v_user_id),
                  HINT    = 'Delete that identity first (auth.delete_user_identity), if it is wrong.';
    ELSE
        UPDATE auth.user_identity i
        SET provider_groups = coalesce(v_groups, i.provider_groups),
            provider_roles  = coalesce(_provider_roles, i.provider_roles),
            provider_data   = coalesce(_provider_data, i.provider_data),
            is_complete     = v_groups IS NOT NULL,
            updated_at      = now()
        WHERE i.user_identity_id = v_user_identity_id
          AND NOT (unsecure.same_set(coalesce(v_groups, i.provider_groups), i.provider_groups)
                   AND unsecure.same_set(coalesce(_provider_roles, i.provider_roles), i.provider_roles)
                   AND coalesce(_provider_data, i.provider_data) IS NOT DISTINCT FROM i.provider_data
                   AND i.is_complete = (v_groups IS NOT NULL));
    END IF;

    PERFORM unsecure.follow_users(ARRAY[_user_id]);
    RETURN v_user_identity_id;
END;
$function$;

COMMENT ON FUNCTION auth.create_user_identity(uuid, uuid, text, text[], text[], jsonb) IS
    'Links an account at a provider to a user, or refreshes its claims when it is linked to this user already; returns its '
    'user_identity_id. NULL groups, roles or data keep what is known. It is no login. '
    'RW010: no such provider; RW011: no such user; RW101: linked to another user; RW105: no account given.';

REVOKE ALL ON FUNCTION auth.create_user_identity(uuid, uuid, text, text[], text[], jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.create_user_identity(uuid, uuid, text, text[], text[], jsonb) TO rolewright_app, rolewright_operator;

CREATE OR REPLACE FUNCTION auth.enable_user_identity(_user_identity_id uuid)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_user_id uuid;
BEGIN
    PERFORM 1
    FROM auth.user_info
    WHERE user_id = (SELECT user_id FROM auth.user_identity WHERE user_identity_id = _user_identity_id)
    FOR NO KEY UPDATE;

    UPDATE auth.user_identity
    SET is_active = true, is_disabled_by_feed = false, updated_at = now()
    WHERE user_identity_id = _user_identity_id AND NOT is_active
    RETURNING user_id INTO v_user_id;
    IF NOT FOUND THEN
        PERFORM unsecure.require_identity(_user_identity_id);
        RETURN false;
    END IF;
    PERFORM unsecure.follow_users(ARRAY[v_user_id]);
    RETURN true;
END;
$function$;

COMMENT ON FUNCTION auth.enable_user_identity(uuid) IS
    'Lets an identity log in and contribute groups again. Returns whether anything changed. RW012: no such identity.';

REVOKE ALL ON FUNCTION auth.enable_user_identity(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.enable_user_identity(uuid) TO rolewright_operator;

CREATE OR REPLACE FUNCTION auth.disable_user_identity(_user_identity_id uuid)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_user_id uuid;
BEGIN
    PERFORM 1
    FROM auth.user_info
    WHERE user_id = (SELECT user_id FROM auth.user_identity WHERE user_identity_id = _user_identity_id)
    FOR NO KEY UPDATE;

    UPDATE auth.user_identity
    SET is_active = false, is_disabled_by_feed = false, updated_at = now()
    WHERE user_identity_id = _user_identity_id AND (is_active OR is_disabled_by_feed)
    RETURNING user_id INTO v_user_id;
    IF NOT FOUND THEN
        PERFORM unsecure.require_identity(_user_identity_id);
        RETURN false;
    END IF;
    PERFORM unsecure.follow_users(ARRAY[v_user_id]);
    RETURN true;
END;
$function$;

COMMENT ON FUNCTION auth.disable_user_identity(uuid) IS
    'The identity neither logs in nor contributes groups until auth.enable_user_identity; a feed does not bring it back. '
    'Returns whether anything changed. RW012: no such identity.';

REVOKE ALL ON FUNCTION auth.disable_user_identity(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.disable_user_identity(uuid) TO rolewright_operator;

CREATE OR REPLACE FUNCTION auth.delete_user_identity(_user_identity_id uuid)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_user_id       uuid;
    v_was_last_used boolean;
BEGIN
    PERFORM 1
    FROM auth.user_info
    WHERE user_id = (SELECT user_id FROM auth.user_identity WHERE user_identity_id = _user_identity_id)
    FOR NO KEY UPDATE;

    DELETE FROM auth.user_identity
    WHERE user_identity_id = _user_identity_id
    RETURNING user_id, is_last_used INTO v_user_id, v_was_last_used;
    IF NOT FOUND THEN
        PERFORM unsecure.require_identity(_user_identity_id);
    END IF;

    -- Nobody last used would mean the groups of all identities together: the one used before takes its place.
    IF v_was_last_used THEN
        UPDATE auth.user_identity
        SET is_last_used = true
        WHERE user_identity_id = (
            SELECT user_identity_id
            FROM auth.user_identity
            WHERE user_id = v_user_id AND last_login_at IS NOT NULL
            ORDER BY last_login_at DESC, user_identity_id
            LIMIT 1);
    END IF;

    PERFORM unsecure.follow_users(ARRAY[v_user_id]);
    RETURN true;
END;
$function$;

COMMENT ON FUNCTION auth.delete_user_identity(uuid) IS
    'Unlinks an account from its user. When it was the last used one, the identity used before it takes its place. '
    'RW012: no such identity.';

REVOKE ALL ON FUNCTION auth.delete_user_identity(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.delete_user_identity(uuid) TO rolewright_operator;

CREATE OR REPLACE FUNCTION auth.validate_identity_access(
    _user_id     uuid,
    _identity_id uuid
)
RETURNS boolean
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT EXISTS (
        SELECT FROM auth.user_identity
        WHERE user_identity_id = _identity_id AND user_id = _user_id);
$function$;

COMMENT ON FUNCTION auth.validate_identity_access(uuid, uuid) IS
    'Whether the identity (active or not) is the user''s own.';

REVOKE ALL ON FUNCTION auth.validate_identity_access(uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.validate_identity_access(uuid, uuid) TO rolewright_app, rolewright_operator;
