-- Logging in: what a provider said about an account becomes its identity, its user and the last-used mark.
--
-- Locks are taken in the order provider, user, identity, here and in sync, so that nothing deadlocks. The usual login, known and
-- with nothing new, takes only the lock of the identity's row.

CREATE OR REPLACE FUNCTION unsecure.require_login_allowed(
    _provider_active boolean,
    _identity_active boolean,
    _user_active     boolean,
    _user_locked     boolean,
    _user_id         uuid
)
RETURNS void
LANGUAGE plpgsql
STABLE -- not IMMUTABLE: a call with constants would raise when it is planned
AS $function$
BEGIN
    IF NOT _provider_active THEN
        RAISE EXCEPTION 'identity provider is disabled'
            USING ERRCODE = 'RW111', HINT = 'auth.enable_provider lets its identities in again.';
    ELSIF NOT _identity_active THEN
        RAISE EXCEPTION 'identity is disabled'
            USING ERRCODE = 'RW112', DETAIL = format('user_id %s', _user_id), HINT = 'auth.enable_user_identity lets it in again.';
    ELSIF NOT _user_active THEN
        RAISE EXCEPTION 'user is disabled'
            USING ERRCODE = 'RW113', DETAIL = format('user_id %s', _user_id), HINT = 'auth.enable_user lets the user in again.';
    ELSIF _user_locked THEN
        RAISE EXCEPTION 'user is locked'
            USING ERRCODE = 'RW114', DETAIL = format('user_id %s', _user_id), HINT = 'auth.unlock_user takes the lock off.';
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.require_login_allowed(boolean, boolean, boolean, boolean, uuid) IS
    'RW111 provider disabled, RW112 identity disabled, RW113 user disabled, RW114 user locked.';

-- A provider that is trusted for addresses (link_by email) is believed in both directions: what it no longer vouches for is no
-- longer verified, so that whoever gets a recycled address joins nobody. Of other providers, no statement replaces a verified one.
CREATE OR REPLACE FUNCTION unsecure.set_user_attributes(
    _user_id        uuid,
    _display_name   text,
    _email          text,
    _email_verified boolean,
    _is_trusted     boolean
)
RETURNS void
LANGUAGE sql
VOLATILE
AS $function$
    UPDATE auth.user_info u
    SET display_name   = n.display_name,
        email          = n.email,
        email_verified = n.email_verified,
        updated_at     = now()
    FROM (
        SELECT coalesce(_display_name, o.display_name) AS display_name,
               CASE WHEN _is_trusted OR NOT o.email_verified THEN coalesce(_email, o.email) ELSE o.email END AS email,
               CASE WHEN _is_trusted AND _email IS NOT NULL THEN coalesce(_email_verified, false)
                    ELSE o.email_verified END AS email_verified
        FROM auth.user_info o
        WHERE o.user_id = _user_id
    ) AS n
    WHERE u.user_id = _user_id
      AND (u.display_name, u.email, u.email_verified) IS DISTINCT FROM (n.display_name, n.email, n.email_verified);
$function$;

COMMENT ON FUNCTION unsecure.set_user_attributes(uuid, text, text, boolean, boolean) IS
    'What a provider newly says about a user; NULL keeps. _is_trusted: for addresses. The caller holds the user''s lock.';

-- A login that brings something new, or that comes through another identity than the last one.
CREATE OR REPLACE FUNCTION unsecure.refresh_identity(
    _user_id          uuid,
    _user_identity_id uuid,
    _email            text,
    _display_name     text,
    _groups           text[],
    _roles            text[],
    _data             jsonb
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $function$
DECLARE
    v_user       record;
    v_provider   record;
    v_old        auth.user_identity;
    v_new        auth.user_identity;
    v_email_said boolean;
BEGIN
    -- One such login of a user at a time; what was read before the lock may be outdated.
    SELECT u.is_active, u.is_locked INTO v_user FROM auth.user_info u WHERE u.user_id = _user_id FOR NO KEY UPDATE;
    SELECT * INTO v_old FROM auth.user_identity WHERE user_identity_id = _user_identity_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM unsecure.require_identity(_user_identity_id);
    END IF;
    SELECT p.is_active, p.link_by INTO v_provider FROM auth.provider p WHERE p.provider_id = v_old.provider_id;
    PERFORM unsecure.require_login_allowed(v_provider.is_active, v_old.is_active, v_user.is_active, v_user.is_locked, _user_id);

    v_new := v_old;
    v_new.is_complete := _groups IS NOT NULL;
    IF NOT unsecure.same_set(coalesce(_groups, v_old.provider_groups), v_old.provider_groups) THEN
        v_new.provider_groups := _groups;
    END IF;
    IF NOT unsecure.same_set(coalesce(_roles, v_old.provider_roles), v_old.provider_roles) THEN
        v_new.provider_roles := _roles;
    END IF;
    v_new.provider_data         := coalesce(_data, v_old.provider_data);
    v_new.provider_display_name := coalesce(_display_name, v_old.provider_display_name);
    v_new.provider_email        := coalesce(_email, v_old.provider_email);
    IF v_new.provider_email IS DISTINCT FROM v_old.provider_email OR _data ? 'email_verified' THEN
        v_new.provider_email_verified := v_new.provider_email IS NOT NULL AND coalesce(unsecure.claims_email_verified(_data), false);
    END IF;

    -- The user follows what is new; what one provider only repeats does not overwrite what another one said since.
    v_email_said := (v_new.provider_email, v_new.provider_email_verified)
                    IS DISTINCT FROM (v_old.provider_email, v_old.provider_email_verified);
    IF v_email_said OR v_new.provider_display_name IS DISTINCT FROM v_old.provider_display_name THEN
        PERFORM unsecure.set_user_attributes(
            _user_id,
            nullif(v_new.provider_display_name, v_old.provider_display_name),
            CASE WHEN v_email_said THEN v_new.provider_email END,
            v_new.provider_email_verified,
            v_provider.link_by = 'email');
    END IF;

    UPDATE auth.user_identity
    SET provider_groups         = v_new.provider_groups,
        provider_roles          = v_new.provider_roles,
        provider_data           = v_new.provider_data,
        provider_email          = v_new.provider_email,
        provider_email_verified = v_new.provider_email_verified,
        provider_display_name   = v_new.provider_display_name,
        is_complete             = v_new.is_complete,
        feed_digest             = CASE WHEN v_new = v_old THEN v_old.feed_digest END,
        is_last_used            = true,
        last_login_at           = now(),
        updated_at              = CASE WHEN v_new = v_old THEN v_old.updated_at ELSE now() END
    WHERE user_identity_id = _user_identity_id
    RETURNING mapped_ways, mapped_until INTO v_new.mapped_ways, v_new.mapped_until;

    IF (v_new.provider_groups, v_new.provider_roles) IS DISTINCT FROM (v_old.provider_groups, v_old.provider_roles) THEN
        PERFORM unsecure.follow_login(_user_id, v_old.mapped_ways, v_old.mapped_until, v_new.mapped_ways, v_new.mapped_until);
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.refresh_identity(uuid, uuid, text, text, text[], text[], jsonb) IS
    'Stores what a login says and makes the identity the last used one; NULL keeps. RW012, RW111 to RW114.';

-- The login of a known account.
CREATE OR REPLACE FUNCTION unsecure.login_identity(
    _provider_id      uuid,
    _provider_user_id text,
    _email            text,
    _display_name     text,
    _provider_groups  text[],
    _provider_roles   text[],
    _provider_data    jsonb,
    OUT user_id          uuid,
    OUT user_identity_id uuid
)
LANGUAGE plpgsql
VOLATILE
AS $function$
DECLARE
    v_groups text[] := unsecure.known_groups(_provider_groups, _provider_data);
    v_active boolean;
    v_cold   boolean;
BEGIN
    -- The usual login: known, allowed, through the same identity as before, with nothing new. One statement does it.
    -- The conditions stand in a subquery so that PostgreSQL does not ask them again after waiting for the row: a login that then
    -- gave way would hold the identity's lock while it asks for the user's, and deadlock with one that holds the user's.
    WITH login AS (
        UPDATE auth.user_identity i
        SET last_login_at = now()
        WHERE i.user_identity_id = (
            SELECT k.user_identity_id
            FROM auth.user_identity k
            JOIN auth.user_info u ON u.user_id = k.user_id
            JOIN auth.provider p ON p.provider_id = k.provider_id
            WHERE k.provider_id = _provider_id
              AND k.provider_user_id = _provider_user_id
              AND k.is_active AND k.is_last_used AND u.is_active AND NOT u.is_locked AND p.is_active
              AND k.is_complete = (v_groups IS NOT NULL)
              AND (v_groups IS NULL OR v_groups = k.provider_groups)
              AND (_provider_roles IS NULL OR _provider_roles = k.provider_roles)
              AND (_provider_data IS NULL OR _provider_data = k.provider_data)
              AND (_email IS NULL OR _email = k.provider_email)
              AND (_display_name IS NULL OR _display_name = k.provider_display_name))
        RETURNING i.user_id, i.user_identity_id, i.is_active, i.mapped_ways IS NULL AS is_cold, i.mapped_until
    ), audit AS (
        INSERT INTO auth.audit_event (event_code, user_id, subject_type, subject_id)
        SELECT 'login.succeeded', l.user_id, 'identity', l.user_identity_id FROM login l
    )
    SELECT l.user_id, l.user_identity_id, l.is_active,
           l.is_cold OR l.mapped_until < (SELECT max(m.mapping_no) FROM auth.user_group_mapping m)
    INTO user_id, user_identity_id, v_active, v_cold
    FROM login l;
    IF FOUND THEN
        -- False when it was disabled while this login waited for the row.
        IF NOT v_active THEN
            PERFORM unsecure.require_login_allowed(true, false, true, false, user_id);
        END IF;
        -- The permission checks of this session begin warm. Groups that changed come with their ways by a trigger.
        IF v_cold THEN
            UPDATE auth.user_identity i
            SET mapped_ways = '{}', mapped_until = -1
            WHERE i.user_identity_id = login_identity.user_identity_id;
        END IF;
        RETURN;
    END IF;

    SELECT i.user_id, i.user_identity_id
    INTO user_id, user_identity_id
    FROM auth.user_identity i
    WHERE i.provider_id = _provider_id AND i.provider_user_id = _provider_user_id;
    IF NOT FOUND THEN
        RETURN;
    END IF;

    PERFORM unsecure.refresh_identity(
        user_id, user_identity_id, nullif(btrim(_email), ''), nullif(btrim(_display_name), ''),
        v_groups, _provider_roles, _provider_data);
    INSERT INTO auth.audit_event (event_code, user_id, subject_type, subject_id)
    VALUES ('login.succeeded', user_id, 'identity', user_identity_id);
END;
$function$;

COMMENT ON FUNCTION unsecure.login_identity(uuid, text, text, text, text[], text[], jsonb) IS
    'Logs a known account in. Both results are NULL when the account is unknown. RW111 to RW114: refused.';

-- An unknown account becomes the identity of the user whom it may join, else of a new one. The caller holds the account's lock.
CREATE OR REPLACE FUNCTION unsecure.create_account(
    _provider_id      uuid,
    _provider_user_id text,
    _email            text,
    _display_name     text,
    _groups           text[],
    _roles            text[],
    _data             jsonb
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $function$
DECLARE
    v_provider auth.provider;
    v_claimed  text    := unsecure.claimed_username(NULL, _data, _provider_user_id);
    v_base     text    := unsecure.base_username(NULL, _email, _data, _provider_user_id);
    v_verified boolean := _email IS NOT NULL AND coalesce(unsecure.claims_email_verified(_data), false);
    v_user_id  uuid;
    v_username text;
BEGIN
    SELECT * INTO v_provider FROM auth.provider WHERE provider_id = _provider_id;
    IF NOT v_provider.is_active THEN
        PERFORM unsecure.require_login_allowed(false, true, true, false, NULL);
    END IF;

    -- ON CONFLICT waits for whoever is just taking the same name; then that may be the user to join.
    FOR v_round IN 0 .. 1000 LOOP
        SELECT j.user_id INTO v_user_id
        FROM unsecure.joinable_user(_provider_id, v_provider.link_by, v_claimed, _email, v_verified) AS j;
        EXIT WHEN v_user_id IS NOT NULL;

        IF NOT v_provider.creates_users THEN
            RAISE EXCEPTION 'provider may not create users'
                USING ERRCODE = 'RW104',
                      DETAIL  = format('Provider %s, account %s.', v_provider.code, to_json(_provider_user_id)),
                      HINT    = 'Link the account with auth.create_user_identity, or allow it: '
                                'auth.update_provider(_creates_users => true).';
        END IF;

        v_username := unsecure.username_candidate(v_base, v_provider.code, _provider_user_id, v_round);
        INSERT INTO auth.user_info (username, username_verified, display_name, email, email_verified)
        VALUES (v_username, v_provider.link_by = 'username' AND v_username = v_claimed, coalesce(_display_name, v_base),
                _email, v_verified AND v_provider.link_by = 'email')
        ON CONFLICT (lower(username)) DO NOTHING
        RETURNING user_info.user_id INTO v_user_id;
        IF v_user_id IS NOT NULL THEN
            IF v_round > 0 THEN
                RAISE NOTICE 'username % is taken: account % is user %',
                    to_json(v_base), to_json(_provider_user_id), to_json(v_username);
            END IF;
            EXIT;
        END IF;
    END LOOP;

    PERFORM 1 FROM auth.user_info u WHERE u.user_id = v_user_id FOR NO KEY UPDATE;
    INSERT INTO auth.user_identity
        (user_id, provider_id, provider_user_id, provider_groups, provider_roles, provider_data, is_complete,
         provider_username, provider_email, provider_email_verified, provider_display_name)
    VALUES
        (v_user_id, _provider_id, _provider_user_id, _groups, _roles, _data, _groups IS NOT NULL,
         nullif(v_claimed, _provider_user_id), _email, v_verified, _display_name);
    PERFORM unsecure.follow_users(ARRAY[v_user_id]);
END;
$function$;

COMMENT ON FUNCTION unsecure.create_account(uuid, text, text, text, text[], text[], jsonb) IS
    'Creates the identity of an unknown account, and a user when it joins none. RW104: it may not; RW111: provider disabled.';

REVOKE ALL ON FUNCTION
    unsecure.require_login_allowed(boolean, boolean, boolean, boolean, uuid),
    unsecure.set_user_attributes(uuid, text, text, boolean, boolean),
    unsecure.refresh_identity(uuid, uuid, text, text, text[], text[], jsonb),
    unsecure.login_identity(uuid, text, text, text, text[], text[], jsonb),
    unsecure.create_account(uuid, text, text, text, text[], text[], jsonb)
FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.update_user_identity_on_login(
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
    v_login record := unsecure.login_identity(
        _provider_id, _provider_user_id, NULL, NULL, _provider_groups, _provider_roles, _provider_data);
BEGIN
    IF v_login.user_identity_id IS NULL THEN
        PERFORM unsecure.require_provider(_provider_id);
        RAISE EXCEPTION 'account is unknown'
            USING ERRCODE = 'RW012',
                  DETAIL  = format('Provider %s, account %s.', _provider_id, coalesce(to_json(_provider_user_id)::text, 'NULL')),
                  HINT    = 'auth.ensure_user_from_provider creates users of unknown accounts.';
    END IF;
    RETURN v_login.user_identity_id;
END;
$function$;

COMMENT ON FUNCTION auth.update_user_identity_on_login(uuid, text, text[], text[], jsonb) IS
    'The login of a known account: stores its claims, makes it the user''s last used identity, and returns its user_identity_id. '
    'NULL groups (also an empty array beside a group overage marker), roles or data keep what is known. '
    'RW010: no such provider; RW012: unknown account; refused: RW111 provider, RW112 identity, RW113 user disabled, RW114 user locked.';

REVOKE ALL ON FUNCTION auth.update_user_identity_on_login(uuid, text, text[], text[], jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.update_user_identity_on_login(uuid, text, text[], text[], jsonb)
    TO rolewright_app, rolewright_operator;

CREATE OR REPLACE FUNCTION auth.ensure_user_from_provider(
    _provider_id      uuid,
    _provider_user_id text,
    _email            text   DEFAULT NULL,
    _display_name     text   DEFAULT NULL,
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
    v_login record := unsecure.login_identity(
        _provider_id, _provider_user_id, _email, _display_name, _provider_groups, _provider_roles, _provider_data);
BEGIN
    IF v_login.user_id IS NOT NULL THEN
        RETURN v_login.user_id;
    END IF;

    PERFORM unsecure.require_account(_provider_user_id);
    PERFORM unsecure.lock_account(_provider_id, _provider_user_id);
    -- Another first login may have been faster: only who holds the lock knows.
    IF NOT EXISTS (SELECT FROM auth.user_identity i
                   WHERE i.provider_id = _provider_id AND i.provider_user_id = _provider_user_id)
    THEN
        PERFORM unsecure.create_account(
            _provider_id, _provider_user_id, nullif(btrim(_email), ''), nullif(btrim(_display_name), ''),
            unsecure.known_groups(_provider_groups, _provider_data), _provider_roles, _provider_data);
    END IF;

    v_login := unsecure.login_identity(
        _provider_id, _provider_user_id, _email, _display_name, _provider_groups, _provider_roles, _provider_data);
    RETURN v_login.user_id;
END;
$function$;

COMMENT ON FUNCTION auth.ensure_user_from_provider(uuid, text, text, text, text[], text[], jsonb) IS
    'Just-in-time provisioning: logs an account in and returns its user_id; an unknown account joins the user that the provider is '
    'trusted to link it to (auth.provider.link_by), else becomes a new user, with another username when its own is taken. '
    'NULL groups, roles or data keep what is known. The claims username, preferred_username and email_verified are read from '
    '_provider_data. RW010: no such provider; RW104: provider may not create users; RW105: no account given; '
    'refused: RW111 provider, RW112 identity, RW113 user disabled, RW114 user locked.';

REVOKE ALL ON FUNCTION auth.ensure_user_from_provider(uuid, text, text, text, text[], text[], jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.ensure_user_from_provider(uuid, text, text, text, text[], text[], jsonb)
    TO rolewright_app, rolewright_operator;

CREATE OR REPLACE FUNCTION auth.try_login(
    _provider_id      uuid,
    _provider_user_id text,
    _email            text   DEFAULT NULL,
    _display_name     text   DEFAULT NULL,
    _provider_groups  text[] DEFAULT NULL,
    _provider_roles   text[] DEFAULT NULL,
    _provider_data    jsonb  DEFAULT NULL,
    OUT user_id  uuid,
    OUT sqlstate text,
    OUT reason   text
)
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    user_id := auth.ensure_user_from_provider(
        _provider_id, _provider_user_id, _email, _display_name, _provider_groups, _provider_roles, _provider_data);
EXCEPTION
    WHEN SQLSTATE 'RW010' OR SQLSTATE 'RW104' OR SQLSTATE 'RW105'
      OR SQLSTATE 'RW111' OR SQLSTATE 'RW112' OR SQLSTATE 'RW113' OR SQLSTATE 'RW114' THEN
        -- Qualified: in a handler, plain sqlstate is the constant that is assigned here.
        try_login.sqlstate := SQLSTATE;
        try_login.reason   := SQLERRM;

        INSERT INTO auth.audit_event (event_code, user_id, subject_type, subject_id, after)
        SELECT 'login.refused', i.user_id, 'identity', i.user_identity_id,
               jsonb_build_object('sqlstate', SQLSTATE, 'reason', SQLERRM,
                                  'provider_id', _provider_id, 'provider_user_id', left(_provider_user_id, 2048))
        FROM (VALUES (1)) AS one
        LEFT JOIN auth.user_identity i ON i.provider_id = _provider_id AND i.provider_user_id = _provider_user_id;
END;
$function$;

COMMENT ON FUNCTION auth.try_login(uuid, text, text, text, text[], text[], jsonb) IS
    'auth.ensure_user_from_provider for callers that want a refusal recorded: it comes back as a row (user_id NULL, sqlstate, reason) '
    'instead of an error, so its audit row (login.refused) is committed with the caller''s transaction.';

REVOKE ALL ON FUNCTION auth.try_login(uuid, text, text, text, text[], text[], jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.try_login(uuid, text, text, text, text[], text[], jsonb) TO rolewright_app, rolewright_operator;
