-- Which user an unknown account belongs to, and what a new user is called.
-- Nobody takes over an account: both ends of a join must be vouched for, and one account per provider joins a user; a second
-- one (a recycled username, a second account) needs an administrator (auth.create_user_identity).

CREATE OR REPLACE FUNCTION unsecure.joinable_user(
    _provider_id    uuid,
    _link_by        text,
    _username       text,
    _email          text,
    _email_verified boolean
)
RETURNS TABLE (user_id uuid)
LANGUAGE sql
STABLE
AS $function$
    SELECT (array_agg(c.user_id))[1]
    FROM (
        SELECT u.user_id
        FROM auth.user_info u
        WHERE _link_by = 'username' AND lower(u.username) = lower(_username) AND u.username_verified
        UNION ALL
        SELECT u.user_id
        FROM auth.user_info u
        WHERE _link_by = 'email' AND _email_verified AND lower(u.email) = lower(_email) AND u.email_verified
    ) AS c
    -- An address that two users share says nothing about which of them it is.
    HAVING count(*) = 1
       AND NOT EXISTS (
            SELECT FROM auth.user_identity i
            WHERE i.user_id = (array_agg(c.user_id))[1] AND i.provider_id = _provider_id);
$function$;

COMMENT ON FUNCTION unsecure.joinable_user(uuid, text, text, text, boolean) IS
    'The user whom an unknown account of a provider may join: one row, or none. _link_by as in auth.provider.';

-- What to call a new user: the name that the provider states, else that name with the provider's code, else with a digest of the
-- account too, another one each round.
CREATE OR REPLACE FUNCTION unsecure.username_candidate(
    _base             text,
    _provider_code    text,
    _provider_user_id text,
    _round            integer
)
RETURNS text
LANGUAGE sql
IMMUTABLE
RETURN CASE _round
           WHEN 0 THEN _base
           WHEN 1 THEN left(_base, 400) || '@' || _provider_code
           ELSE left(_base, 400) || '@' || _provider_code || '-' || left(md5(_round::text || _provider_user_id), 8)
       END;

COMMENT ON FUNCTION unsecure.username_candidate(text, text, text, integer) IS
    'The username to try in a round, from 0.';

REVOKE ALL ON FUNCTION
    unsecure.joinable_user(uuid, text, text, text, boolean),
    unsecure.username_candidate(text, text, text, integer)
FROM PUBLIC;
