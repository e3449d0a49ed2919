-- Which identity of a user is meant, where a provider alone does not say it.

CREATE OR REPLACE FUNCTION unsecure.find_identity(
    _user_id          uuid,
    _provider_id      uuid,
    _user_identity_id uuid
)
RETURNS auth.user_identity
LANGUAGE plpgsql
STABLE
AS $function$
DECLARE
    v_found auth.user_identity[] := ARRAY(
        SELECT i
        FROM auth.user_identity i
        WHERE i.user_id = _user_id
          AND i.provider_id = _provider_id
          AND (_user_identity_id IS NULL OR i.user_identity_id = _user_identity_id)
        ORDER BY i.provider_user_id);
BEGIN
    IF cardinality(v_found) = 1 THEN
        RETURN v_found[1];
    END IF;

    PERFORM unsecure.require_user(_user_id);
    PERFORM unsecure.require_provider(_provider_id);
    IF cardinality(v_found) = 0 THEN
        RAISE EXCEPTION 'user has no such identity at this provider'
            USING ERRCODE = 'RW102',
                  DETAIL  = format('User %s, provider %s%s.', _user_id, _provider_id, ', identity ' || _user_identity_id),
                  HINT    = 'Link the account with auth.create_user_identity. Nothing was changed.';
    END IF;
    RAISE EXCEPTION 'user has several identities at this provider'
        USING ERRCODE = 'RW103',
              DETAIL  = (SELECT string_agg(format('%s (%s)', f.user_identity_id, to_json(f.provider_user_id)), ', ')
                         FROM unnest(v_found) AS f),
              HINT    = 'Say which: auth.switch_active_identity(_user_identity_id), auth.update_user_identity_on_login(_provider_user_id).';
END;
$function$;

COMMENT ON FUNCTION unsecure.find_identity(uuid, uuid, uuid) IS
    'The user''s identity at a provider. RW010, RW011: no such provider, user; RW102: none there; RW103: several, and not said which.';

REVOKE ALL ON FUNCTION unsecure.find_identity(uuid, uuid, uuid) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.process_identity_claims(
    _user_id     uuid,
    _provider_id uuid,
    _claims      jsonb
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_identity auth.user_identity;
    v_provider auth.provider;
BEGIN
    -- Where the user has several accounts, the token says which it is about (oid: Entra ID).
    v_identity := unsecure.find_identity(_user_id, _provider_id, (
        SELECT i.user_identity_id
        FROM auth.user_identity i
        WHERE i.user_id = _user_id
          AND i.provider_id = _provider_id
          AND i.provider_user_id IN (_claims ->> 'oid', _claims ->> 'sub')
        ORDER BY i.provider_user_id = _claims ->> 'oid' DESC
        LIMIT 1));
    IF jsonb_typeof(_claims) IS DISTINCT FROM 'object' THEN
        RAISE EXCEPTION 'claims are not a JSON object'
            USING ERRCODE = 'RW105',
                  DETAIL  = format('They are %s.', coalesce(jsonb_typeof(_claims), 'NULL')),
                  HINT    = 'Pass the decoded payload of the token, or the assertion''s attributes as an object.';
    END IF;
    SELECT * INTO v_provider FROM auth.provider WHERE provider_id = _provider_id;

    PERFORM unsecure.login_identity(
        _provider_id, v_identity.provider_user_id, _claims ->> 'email', _claims ->> 'name',
        unsecure.claim_strings(_claims, v_provider.groups_path), unsecure.claim_strings(_claims, v_provider.roles_path), _claims);
END;
$function$;

COMMENT ON FUNCTION auth.process_identity_claims(uuid, uuid, jsonb) IS
    'The login of a user by the claims of a token or assertion, already validated by the caller; stored as provider_data. Groups and '
    'roles stand where the provider says (groups_path, roles_path); one string counts as an array of one; absent, null, or left out '
    'for their number (_claim_names, hasgroups): the known ones stay. Reads email, email_verified and name (OIDC Core 1.0, 5.1). '
    'Of several identities there, the claims oid or sub say which. '
    'RW102: no identity there; RW103: several, and the claims do not say which; RW105: malformed; RW111 to RW114: refused.';

REVOKE ALL ON FUNCTION auth.process_identity_claims(uuid, uuid, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.process_identity_claims(uuid, uuid, jsonb) TO rolewright_app, rolewright_operator;

CREATE OR REPLACE FUNCTION auth.switch_active_identity(
    _user_id          uuid,
    _provider_id      uuid,
    _user_identity_id uuid DEFAULT NULL
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_identity auth.user_identity := unsecure.find_identity(_user_id, _provider_id, _user_identity_id);
BEGIN
    -- Says nothing about groups, so it leaves them, and whether they are complete, as they are.
    PERFORM unsecure.refresh_identity(
        _user_id, v_identity.user_identity_id, NULL, NULL,
        CASE WHEN v_identity.is_complete THEN v_identity.provider_groups END, NULL, NULL);
END;
$function$;

COMMENT ON FUNCTION auth.switch_active_identity(uuid, uuid, uuid) IS
    'Makes the user''s identity at a provider the last used one, whose groups count. '
    'RW102: no identity there; RW103: several, and _user_identity_id not given; RW111 to RW114: it could not log in.';

REVOKE ALL ON FUNCTION auth.switch_active_identity(uuid, uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.switch_active_identity(uuid, uuid, uuid) TO rolewright_app, rolewright_operator;
