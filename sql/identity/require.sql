-- "Does not exist" said the same way everywhere.

CREATE OR REPLACE FUNCTION unsecure.require_provider(_provider_id uuid)
RETURNS void
LANGUAGE plpgsql
STABLE
AS $function$
BEGIN
    IF NOT EXISTS (SELECT FROM auth.provider WHERE provider_id = _provider_id) THEN
        RAISE EXCEPTION 'provider does not exist'
            USING ERRCODE = 'RW010',
                  DETAIL  = format('provider_id %s', coalesce(_provider_id::text, 'NULL')),
                  HINT    = 'auth.provider lists them.';
    END IF;
END;
$function$;

CREATE OR REPLACE FUNCTION unsecure.require_user(_user_id uuid)
RETURNS void
LANGUAGE plpgsql
STABLE
AS $function$
BEGIN
    IF NOT EXISTS (SELECT FROM auth.user_info WHERE user_id = _user_id) THEN
        RAISE EXCEPTION 'user does not exist'
            USING ERRCODE = 'RW011',
                  DETAIL  = format('user_id %s', coalesce(_user_id::text, 'NULL')),
                  HINT    = 'auth.user_info lists them.';
    END IF;
END;
$function$;

CREATE OR REPLACE FUNCTION unsecure.require_identity(_user_identity_id uuid)
RETURNS void
LANGUAGE plpgsql
STABLE
AS $function$
BEGIN
    IF NOT EXISTS (SELECT FROM auth.user_identity WHERE user_identity_id = _user_identity_id) THEN
        RAISE EXCEPTION 'identity does not exist'
            USING ERRCODE = 'RW012',
                  DETAIL  = format('user_identity_id %s', coalesce(_user_identity_id::text, 'NULL')),
                  HINT    = 'auth.identity_overview lists them.';
    END IF;
END;
$function$;

CREATE OR REPLACE FUNCTION unsecure.require_account(_provider_user_id text)
RETURNS void
LANGUAGE plpgsql
IMMUTABLE
AS $function$
BEGIN
    IF btrim(coalesce(_provider_user_id, '')) = '' OR octet_length(_provider_user_id) > 2048 THEN
        RAISE EXCEPTION 'provider_user_id is missing or too long'
            USING ERRCODE = 'RW105',
                  DETAIL  = format('It has %s bytes; 1 to 2,048 are allowed, not all of them spaces.',
                                   coalesce(octet_length(_provider_user_id), 0)),
                  HINT    = 'Pass the account''s immutable id: sub, object id, SID, NameID.';
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.require_account(text) IS 'RW105 unless it can be an account''s id at a provider.';
COMMENT ON FUNCTION unsecure.require_provider(uuid) IS 'RW010 unless the provider exists.';
COMMENT ON FUNCTION unsecure.require_user(uuid) IS 'RW011 unless the user exists.';
COMMENT ON FUNCTION unsecure.require_identity(uuid) IS 'RW012 unless the identity exists.';

REVOKE ALL ON FUNCTION
    unsecure.require_account(text),
    unsecure.require_provider(uuid),
    unsecure.require_user(uuid),
    unsecure.require_identity(uuid)
FROM PUBLIC;
