-- What a sync would do: the difference between the feed and the identities of its provider, one row per line or identity that
-- differs. Lines that do not differ are not in it.
--
--     create   an unknown account                      update   says something new
--     enable   a feed had disabled it, now it is back  restate  says the same in other words: only the digest is new
--     disable  left out, or active: false              skip     unknown, and not to be created

-- The typed values of an element; NULL: not said.
CREATE OR REPLACE FUNCTION unsecure.element_values(_element jsonb)
RETURNS TABLE (
    groups         text[],
    roles          text[],
    data           jsonb,
    active         boolean,
    username       text,
    email          text,
    email_verified boolean,
    display_name   text
)
LANGUAGE sql
STABLE
AS $function$
    SELECT unsecure.known_groups(r.groups, r.data), r.roles, nullif(r.data, 'null'), r.active, nullif(btrim(r.username), ''),
           nullif(btrim(r.email), ''), r.email_verified, nullif(btrim(r.display_name), '')
    FROM jsonb_to_record(_element) AS r (
        groups text[], roles text[], data jsonb, active boolean, username text, email text, email_verified boolean,
        display_name text);
$function$;

COMMENT ON FUNCTION unsecure.element_values(jsonb) IS 'The values of a feed''s element; NULL where it does not say.';

REVOKE ALL ON FUNCTION unsecure.element_values(jsonb) FROM PUBLIC;

-- Which of the new accounts join a user. Of two that could join one user, the first one does.
CREATE OR REPLACE FUNCTION unsecure.plan_joins()
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
AS $function$
DECLARE
    v_provider record;
    v_joined   bigint;
BEGIN
    SELECT * INTO v_provider FROM pg_temp.sync_run;
    IF v_provider.link_by = 'none' THEN
        RETURN 0;
    END IF;

    UPDATE pg_temp.sync_plan p
    SET user_id = j.user_id, joins_user = true
    FROM (
        SELECT DISTINCT ON (u.user_id) u.user_id, c.line_no
        FROM pg_temp.sync_plan c
        CROSS JOIN LATERAL unsecure.joinable_user(
            v_provider.provider_id, v_provider.link_by,
            unsecure.claimed_username(c.provider_username, c.provider_data, c.provider_user_id),
            c.provider_email, c.provider_email_verified) AS u
        WHERE c.action = 'create'
          AND NOT c.joins_user
          AND NOT EXISTS (SELECT FROM auth.user_info n WHERE n.user_id = c.user_id)
        ORDER BY u.user_id, c.line_no
    ) AS j
    WHERE p.line_no = j.line_no
      AND NOT EXISTS (SELECT FROM pg_temp.sync_plan o WHERE o.user_id = j.user_id);
    GET DIAGNOSTICS v_joined = ROW_COUNT;
    RETURN v_joined;
END;
$function$;

COMMENT ON FUNCTION unsecure.plan_joins() IS
    'Marks new accounts in pg_temp.sync_plan that join an existing user, and returns how many. Accounts whose user was created stay.';

REVOKE ALL ON FUNCTION unsecure.plan_joins() FROM PUBLIC;

CREATE OR REPLACE FUNCTION unsecure.ascending_uuids(_count bigint)
RETURNS TABLE (id uuid, nth bigint)
LANGUAGE sql
VOLATILE
AS $function$
    SELECT r.id, row_number() OVER (ORDER BY r.id)
    FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, _count)) AS r;
$function$;

COMMENT ON FUNCTION unsecure.ascending_uuids(bigint) IS 'So many random keys, numbered from 1 in ascending order.';

REVOKE ALL ON FUNCTION unsecure.ascending_uuids(bigint) FROM PUBLIC;

CREATE OR REPLACE FUNCTION unsecure.plan_identity_sync(
    _create_missing  boolean,
    _disable_missing boolean
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $function$
DECLARE
    v_provider record;
    v_unknown  bigint;
BEGIN
    SELECT * INTO v_provider FROM pg_temp.sync_run;

    -- Known accounts that the feed names. What an element leaves out, or says null, stays as it is.
    INSERT INTO pg_temp.sync_plan
        (action, line_no, user_identity_id, user_id, joins_user, provider_user_id, digest, provider_groups, provider_roles,
         provider_data, is_active, is_complete, provider_username, provider_email, provider_email_verified,
         provider_display_name, new_email, new_display_name)
    SELECT CASE
               WHEN n.is_active AND NOT i.is_active AND i.is_disabled_by_feed THEN 'enable'
               WHEN NOT n.is_active AND i.is_active THEN 'disable'
               WHEN (n.groups, n.roles, n.data, n.is_complete, n.username, n.email, v.email_verified, n.display_name)
                    IS NOT DISTINCT FROM
                    (i.provider_groups, i.provider_roles, i.provider_data, i.is_complete, i.provider_username,
                     i.provider_email, i.provider_email_verified, i.provider_display_name) THEN 'restate'
               ELSE 'update'
           END,
           c.line_no, i.user_identity_id, i.user_id, false, c.provider_user_id, c.digest, n.groups, n.roles, n.data,
           -- A feed enables only what a feed disabled.
           n.is_active AND (i.is_active OR i.is_disabled_by_feed),
           n.is_complete, n.username, n.email, v.email_verified, n.display_name,
           (n.email, v.email_verified) IS DISTINCT FROM (i.provider_email, i.provider_email_verified),
           n.display_name IS DISTINCT FROM i.provider_display_name
    FROM pg_temp.sync_change c
    JOIN auth.user_identity i ON i.user_identity_id = c.user_identity_id
    JOIN pg_temp.sync_element e ON e.line_no = c.line_no
    CROSS JOIN LATERAL unsecure.element_values(e.element) AS x
    CROSS JOIN LATERAL (
        SELECT CASE WHEN unsecure.same_set(coalesce(x.groups, i.provider_groups), i.provider_groups)
                    THEN i.provider_groups ELSE x.groups END AS groups,
               CASE WHEN unsecure.same_set(coalesce(x.roles, i.provider_roles), i.provider_roles)
                    THEN i.provider_roles ELSE x.roles END   AS roles,
               coalesce(x.data, i.provider_data)                 AS data,
               coalesce(x.active, true)                          AS is_active,
               x.groups IS NOT NULL                              AS is_complete,
               coalesce(x.username, i.provider_username)         AS username,
               coalesce(x.email, i.provider_email)               AS email,
               coalesce(x.display_name, i.provider_display_name) AS display_name
    ) AS n
    CROSS JOIN LATERAL (
        SELECT CASE WHEN n.email IS NULL THEN NULL
                    WHEN x.email_verified IS NULL AND n.email = i.provider_email THEN i.provider_email_verified
                    ELSE coalesce(x.email_verified, false)
               END AS email_verified
    ) AS v;

    -- Accounts that it leaves out.
    IF _disable_missing THEN
        INSERT INTO pg_temp.sync_plan (action, user_identity_id)
        SELECT 'disable', c.user_identity_id
        FROM pg_temp.sync_change c
        WHERE c.line_no IS NULL;
    END IF;

    SELECT count(*) INTO v_unknown FROM pg_temp.sync_change c WHERE c.user_identity_id IS NULL;
    -- Accounts that it brings. Their random keys are dealt out in ascending order: a million rows then fill the indexes from
    -- left to right instead of all over.
    INSERT INTO pg_temp.sync_plan
        (action, line_no, user_identity_id, user_id, joins_user, provider_user_id, digest, provider_groups, provider_roles,
         provider_data, is_active, is_complete, provider_username, provider_email, provider_email_verified,
         provider_display_name, new_email, new_display_name)
    SELECT CASE WHEN _create_missing THEN 'create' ELSE 'skip' END,
           c.line_no, i.id, u.id, false, c.provider_user_id, c.digest, x.groups, x.roles, x.data,
           coalesce(x.active, true), x.groups IS NOT NULL, x.username, x.email,
           CASE WHEN x.email IS NOT NULL THEN coalesce(x.email_verified, false) END, x.display_name, false, false
    FROM (
        SELECT n.*, row_number() OVER (ORDER BY n.line_no) AS nth
        FROM pg_temp.sync_change n
        WHERE n.user_identity_id IS NULL
    ) AS c
    JOIN pg_temp.sync_element e ON e.line_no = c.line_no
    JOIN unsecure.ascending_uuids(v_unknown) AS u ON u.nth = c.nth
    JOIN unsecure.ascending_uuids(v_unknown) AS i ON i.nth = c.nth
    CROSS JOIN LATERAL unsecure.element_values(e.element) AS x;

    IF _create_missing THEN
        PERFORM unsecure.plan_joins();
    END IF;
    IF NOT v_provider.creates_users THEN
        UPDATE pg_temp.sync_plan SET action = 'skip' WHERE action = 'create' AND NOT joins_user;
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.plan_identity_sync(boolean, boolean) IS
    'Fills pg_temp.sync_plan from sync_change and sync_element. Writes nothing else.';

REVOKE ALL ON FUNCTION unsecure.plan_identity_sync(boolean, boolean) FROM PUBLIC;
