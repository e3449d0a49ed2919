-- What claims say, and what they leave open. Unknown is not empty: these return NULL for "not said".

-- Small expressions used in several statements; inlined by the planner.
CREATE OR REPLACE FUNCTION unsecure.same_set(_a text[], _b text[])
RETURNS boolean
LANGUAGE sql
IMMUTABLE
RETURN _a IS NOT DISTINCT FROM _b OR coalesce(_a <@ _b AND _b <@ _a, false);

-- Entra ID leaves the groups out of a token when there are too many and says so: `_claim_names` (OIDC Core 1.0, 5.6.2) or
-- `hasgroups`. An empty array beside such a marker is an application's idea of "absent", not the provider's "none".
CREATE OR REPLACE FUNCTION unsecure.known_groups(_groups text[], _data jsonb)
RETURNS text[]
LANGUAGE sql
IMMUTABLE
RETURN CASE
           WHEN cardinality(_groups) = 0
                AND (_data -> '_claim_names' ? 'groups' OR _data ->> 'hasgroups' = 'true') THEN NULL
           ELSE _groups
       END;

-- OIDC Core 1.0, 5.1: a boolean; some providers send it as a string.
CREATE OR REPLACE FUNCTION unsecure.claims_email_verified(_data jsonb)
RETURNS boolean
LANGUAGE sql
IMMUTABLE
RETURN lower(_data ->> 'email_verified') = 'true';

-- The name that an account goes by at its provider. Never the e-mail address: it may be anybody's.
CREATE OR REPLACE FUNCTION unsecure.claimed_username(_username text, _data jsonb, _provider_user_id text)
RETURNS text
LANGUAGE sql
IMMUTABLE
RETURN coalesce(nullif(btrim(_username), ''),
                nullif(btrim(_data ->> 'username'), ''),
                nullif(btrim(_data ->> 'preferred_username'), ''),
                _provider_user_id);

-- What to call a new user: the stated username, else the address, else the provider's id.
CREATE OR REPLACE FUNCTION unsecure.base_username(_username text, _email text, _data jsonb, _provider_user_id text)
RETURNS text
LANGUAGE sql
IMMUTABLE
RETURN coalesce(nullif(unsecure.claimed_username(_username, _data, _provider_user_id), _provider_user_id),
                _email,
                _provider_user_id);

-- The strings that a path finds in a claim set; NULL when the claim is not there or null.
CREATE OR REPLACE FUNCTION unsecure.claim_strings(_claims jsonb, _path jsonpath)
RETURNS text[]
LANGUAGE plpgsql
IMMUTABLE
AS $function$
DECLARE
    -- `$.groups[*]` finds nothing both in {} and in {"groups": []}: the array itself tells which it is.
    v_holder jsonpath := regexp_replace(_path::text, '\[\*\]$', '')::jsonpath;
    v_found  jsonb    := jsonb_path_query_array(_claims, _path);
BEGIN
    IF NOT jsonb_path_exists(_claims, v_holder) OR v_found = '[null]' THEN
        RETURN NULL;
    END IF;
    IF EXISTS (SELECT FROM jsonb_array_elements(v_found) AS e WHERE jsonb_typeof(e) <> 'string') THEN
        RAISE EXCEPTION 'claim is not an array of strings'
            USING ERRCODE = 'RW105',
                  DETAIL  = format('At %s: %s', _path, left(v_found::text, 200)),
                  HINT    = 'auth.update_provider(_groups_path, _roles_path) says where the provider puts them.';
    END IF;
    RETURN ARRAY(SELECT jsonb_array_elements_text(v_found));
END;
$function$;

COMMENT ON FUNCTION unsecure.same_set(text[], text[]) IS 'Whether two arrays hold the same strings, in any order.';
COMMENT ON FUNCTION unsecure.known_groups(text[], jsonb) IS 'The groups, or NULL where an overage marker says that they are not all there.';
COMMENT ON FUNCTION unsecure.claims_email_verified(jsonb) IS 'What the claim email_verified says; NULL when absent.';
COMMENT ON FUNCTION unsecure.claimed_username(text, jsonb, text) IS 'The username that the provider states, else its id of the account.';
COMMENT ON FUNCTION unsecure.base_username(text, text, jsonb, text) IS 'The username to try first for a new user.';
COMMENT ON FUNCTION unsecure.claim_strings(jsonb, jsonpath) IS 'The strings at a path of a claim set; NULL when not said. RW105: not strings.';

REVOKE ALL ON FUNCTION
    unsecure.same_set(text[], text[]),
    unsecure.known_groups(text[], jsonb),
    unsecure.claims_email_verified(jsonb),
    unsecure.claimed_username(text, jsonb, text),
    unsecure.base_username(text, text, jsonb, text),
    unsecure.claim_strings(jsonb, jsonpath)
FROM PUBLIC;
