-- A feed on its way in. Its lines arrive as (number, account, digest); the element itself is asked for only where the digest
-- differs from what the identity agrees with, because parsing JSON is what costs. Everything lives in temporary tables that
-- only this session sees and that end with the transaction:
--
--     sync_run      which provider
--     sync_line     every line of the feed
--     sync_change   lines that differ from an identity, and identities that no line names
--     sync_element  the elements of those lines
--     sync_plan     what is to be done about each (sync_plan.sql)

-- The definer functions below read these tables, so they must be the ones that auth.begin_identity_sync made: a view of
-- the same name in the caller's own temporary schema would run the caller's code with the owner's rights.
CREATE OR REPLACE FUNCTION unsecure.require_sync()
RETURNS void
LANGUAGE plpgsql
STABLE
AS $function$
BEGIN
    IF (SELECT count(*)
        FROM pg_class c
        WHERE c.relnamespace = pg_my_temp_schema()
          AND c.relname IN ('sync_run', 'sync_line', 'sync_change', 'sync_element', 'sync_plan')
          AND c.relkind = 'r'
          AND pg_get_userbyid(c.relowner) = current_user) <> 5
    THEN
        RAISE EXCEPTION 'no sync has begun in this transaction'
            USING ERRCODE = 'RW204',
                  HINT    = 'Call auth.begin_identity_sync first, in the same transaction.';
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.require_sync() IS 'RW204 unless auth.begin_identity_sync ran in this transaction.';

-- NULL where there is nothing wrong. Absent and null are allowed everywhere: unknown.
CREATE OR REPLACE FUNCTION unsecure.element_problem(_element jsonb)
RETURNS text
LANGUAGE sql
STABLE
RETURN CASE
    WHEN jsonb_typeof(_element) <> 'object' THEN 'not an object'
    WHEN pg_column_size(_element) > 2000 AND octet_length(_element::text) > 1048576 THEN 'element is over 1 MiB'
    WHEN jsonb_typeof(_element -> 'groups') NOT IN ('array', 'null')
         OR _element @? 'strict $.groups[*] ? (@.type() != "string")'
        THEN 'groups is not an array of strings'
    WHEN jsonb_typeof(_element -> 'roles') NOT IN ('array', 'null')
         OR _element @? 'strict $.roles[*] ? (@.type() != "string")'
        THEN 'roles is not an array of strings'
    WHEN jsonb_typeof(_element -> 'data') NOT IN ('object', 'null') THEN 'data is not an object'
    WHEN jsonb_typeof(_element -> 'active') NOT IN ('boolean', 'null') THEN 'active is not a boolean'
    WHEN jsonb_typeof(_element -> 'email_verified') NOT IN ('boolean', 'null') THEN 'email_verified is not a boolean'
    WHEN jsonb_typeof(_element -> 'username') NOT IN ('string', 'null')
         OR octet_length(_element ->> 'username') > 2048 THEN 'username is not a string of at most 2,048 bytes'
    WHEN jsonb_typeof(_element -> 'email') NOT IN ('string', 'null')
         OR octet_length(_element ->> 'email') > 2048 THEN 'email is not a string of at most 2,048 bytes'
    WHEN jsonb_typeof(_element -> 'display_name') NOT IN ('string', 'null')
         OR octet_length(_element ->> 'display_name') > 2048 THEN 'display_name is not a string of at most 2,048 bytes'
END;

COMMENT ON FUNCTION unsecure.element_problem(jsonb) IS 'What is wrong with one element of a feed; NULL: nothing.';

REVOKE ALL ON FUNCTION unsecure.require_sync(), unsecure.element_problem(jsonb) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.begin_identity_sync(_provider_id uuid)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
AS $function$
DECLARE
    v_provider auth.provider;
BEGIN
    -- One sync of a provider at a time, and no new accounts beside it (unsecure.lock_account); known people log in.
    SELECT * INTO v_provider FROM auth.provider WHERE provider_id = _provider_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM unsecure.require_provider(_provider_id);
    END IF;
    PERFORM unsecure.require_login_allowed(v_provider.is_active, true, true, false, NULL);

    -- A second sync in one transaction starts anew. A caller's own tables of these names are not ours to drop or to trust.
    DROP TABLE IF EXISTS pg_temp.sync_run, pg_temp.sync_line, pg_temp.sync_change, pg_temp.sync_element, pg_temp.sync_plan;

    CREATE TEMPORARY TABLE sync_run ON COMMIT DROP AS SELECT v_provider.*, NULL::bigint AS compared_lines;
    CREATE TEMPORARY TABLE sync_line (
        line_no          bigint NOT NULL,
        provider_user_id text,
        digest           bytea  NOT NULL
    ) ON COMMIT DROP;
    CREATE TEMPORARY TABLE sync_change (
        line_no          bigint,
        provider_user_id text,
        digest           bytea,
        user_identity_id uuid
    ) ON COMMIT DROP;
    CREATE TEMPORARY TABLE sync_element (
        line_no bigint NOT NULL,
        element jsonb  NOT NULL
    ) ON COMMIT DROP;
    CREATE TEMPORARY TABLE sync_plan (
        action                  text NOT NULL,
        line_no                 bigint,
        user_identity_id        uuid,
        user_id                 uuid,
        joins_user              boolean,
        provider_user_id        text,
        digest                  bytea,
        provider_groups         text[],
        provider_roles          text[],
        provider_data           jsonb,
        is_active               boolean,
        is_complete             boolean,
        provider_username       text,
        provider_email          text,
        provider_email_verified boolean,
        provider_display_name   text,
        new_email               boolean,
        new_display_name        boolean
    ) ON COMMIT DROP;

    -- The caller fills two of them; PUBLIC in a temporary table is this session.
    GRANT INSERT ON pg_temp.sync_line, pg_temp.sync_element TO PUBLIC;
END;
$function$;

COMMENT ON FUNCTION auth.begin_identity_sync(uuid) IS
    'Starts a streamed sync in this transaction: locks the provider and makes pg_temp.sync_line (line_no, provider_user_id, digest) '
    'and pg_temp.sync_element (line_no, element) for COPY. Then: COPY all lines; auth.compare_identity_sync says which elements are '
    'needed; COPY those; auth.apply_identity_sync. RW010: no such provider; RW111: it is disabled.';

REVOKE ALL ON FUNCTION auth.begin_identity_sync(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.begin_identity_sync(uuid) TO rolewright_operator;

CREATE OR REPLACE FUNCTION auth.compare_identity_sync()
RETURNS SETOF bigint
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET work_mem = '128MB'
SET jit = off
AS $function$
DECLARE
    v_provider_id uuid;
BEGIN
    PERFORM unsecure.require_sync();
    SELECT r.provider_id INTO v_provider_id FROM pg_temp.sync_run r;

    INSERT INTO pg_temp.sync_change (line_no, provider_user_id, digest, user_identity_id)
    SELECT l.line_no, l.provider_user_id, l.digest, i.user_identity_id
    FROM pg_temp.sync_line l
    FULL JOIN (
        SELECT k.user_identity_id, k.provider_user_id, k.feed_digest, k.is_active
        FROM auth.user_identity k
        WHERE k.provider_id = v_provider_id
    ) AS i ON i.provider_user_id = l.provider_user_id
    WHERE CASE WHEN l.line_no IS NULL THEN i.is_active
               ELSE i.feed_digest IS DISTINCT FROM l.digest
          END;

    UPDATE pg_temp.sync_run SET compared_lines = (SELECT count(*) FROM pg_temp.sync_line);

    RETURN QUERY
        SELECT c.line_no FROM pg_temp.sync_change c WHERE c.line_no IS NOT NULL;
END;
$function$;

COMMENT ON FUNCTION auth.compare_identity_sync() IS
    'The numbers of the lines in pg_temp.sync_line whose elements are needed in pg_temp.sync_element, in no order. RW204: no sync has begun.';

REVOKE ALL ON FUNCTION auth.compare_identity_sync() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.compare_identity_sync() TO rolewright_operator;

CREATE OR REPLACE FUNCTION auth.identity_sync_problems(_limit integer DEFAULT 100)
RETURNS TABLE (line_no bigint, reason text)
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET work_mem = '128MB'
SET jit = off
AS $function$
BEGIN
    PERFORM unsecure.require_sync();
    RETURN QUERY
        -- By hash first: a million names need not be compared to learn that each is there once.
        WITH twice AS (
            SELECT l.line_no, l.provider_user_id, min(l.line_no) OVER (PARTITION BY l.provider_user_id) AS first_line
            FROM pg_temp.sync_line l
            WHERE hashtextextended(l.provider_user_id, 0) IN (
                SELECT hashtextextended(k.provider_user_id, 0)
                FROM pg_temp.sync_line k
                WHERE k.provider_user_id IS NOT NULL
                GROUP BY 1
                HAVING count(*) > 1)
        )
        SELECT DISTINCT ON (p.line_no) p.line_no, p.reason
        FROM (
            SELECT t.line_no, format('provider_user_id %s is on line %s already', to_json(t.provider_user_id), t.first_line)
            FROM twice t
            WHERE t.line_no > t.first_line
            UNION ALL
            SELECT l.line_no, 'provider_user_id is missing or not a string'
            FROM pg_temp.sync_line l
            WHERE l.provider_user_id IS NULL
            UNION ALL
            SELECT l.line_no, format('provider_user_id has %s bytes; 1 to 2,048 are allowed, not all of them spaces',
                                     octet_length(l.provider_user_id))
            FROM pg_temp.sync_line l
            WHERE btrim(l.provider_user_id) = '' OR octet_length(l.provider_user_id) > 2048
            UNION ALL
            SELECT c.line_no, 'its element was asked for and not sent'
            FROM pg_temp.sync_change c
            WHERE c.line_no IS NOT NULL
              AND NOT EXISTS (SELECT FROM pg_temp.sync_element e WHERE e.line_no = c.line_no)
            UNION ALL
            SELECT e.line_no, unsecure.element_problem(e.element)
            FROM pg_temp.sync_element e
            WHERE unsecure.element_problem(e.element) IS NOT NULL
        ) AS p (line_no, reason)
        ORDER BY 1, 2
        LIMIT _limit;
END;
$function$;

COMMENT ON FUNCTION auth.identity_sync_problems(integer) IS
    'What is wrong with the feed in pg_temp.sync_line and pg_temp.sync_element: line number and reason, up to a limit. '
    'RW204: no sync has begun.';

REVOKE ALL ON FUNCTION auth.identity_sync_problems(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.identity_sync_problems(integer) TO rolewright_operator;
