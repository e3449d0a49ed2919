-- Carries out pg_temp.sync_plan: one statement per kind of change, and users before identities, as logins lock them.

CREATE OR REPLACE FUNCTION unsecure.create_planned_users()
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $function$
DECLARE
    v_provider record;
    v_left     bigint;
    v_created  bigint;
    v_renamed  boolean := false;
    v_taken    text;
BEGIN
    SELECT * INTO v_provider FROM pg_temp.sync_run;
    SELECT count(*) INTO v_left FROM pg_temp.sync_plan WHERE action = 'create' AND NOT joins_user;

    IF v_left > 0 THEN
        -- Two providers' syncs that bring the same names in different orders would deadlock.
        PERFORM pg_advisory_xact_lock(hashtextextended('unsecure.create_planned_users', 0));
    END IF;

    -- A round for those whose name was free; who is left tries another name.
    FOR v_round IN 0 .. 1000 LOOP
        EXIT WHEN v_left = 0;
        INSERT INTO auth.user_info (user_id, username, username_verified, display_name, email, email_verified)
        SELECT n.user_id, n.username, v_provider.link_by = 'username' AND n.username = n.claimed,
               coalesce(n.provider_display_name, n.base), n.provider_email,
               v_provider.link_by = 'email' AND coalesce(n.provider_email_verified, false)
        FROM (
            SELECT p.user_id, p.provider_display_name, p.provider_email, p.provider_email_verified, b.base,
                   unsecure.claimed_username(p.provider_username, p.provider_data, p.provider_user_id) AS claimed,
                   unsecure.username_candidate(b.base, v_provider.code, p.provider_user_id, v_round)   AS username
            FROM pg_temp.sync_plan p
            CROSS JOIN LATERAL unsecure.base_username(p.provider_username, p.provider_email, p.provider_data, p.provider_user_id)
                AS b (base)
            WHERE p.action = 'create'
              AND NOT p.joins_user
              AND (v_round = 0 OR NOT EXISTS (SELECT FROM auth.user_info u WHERE u.user_id = p.user_id))
            OFFSET 0
        ) AS n
        ORDER BY n.user_id
        ON CONFLICT (lower(username)) DO NOTHING;
        GET DIAGNOSTICS v_created = ROW_COUNT;
        v_left := v_left - v_created;
        IF v_left > 0 THEN
            -- Whose name is taken since the plan was made may join the user who has it now.
            v_left    := v_left - unsecure.plan_joins();
            v_renamed := true;
        END IF;
    END LOOP;

    FOR v_taken IN
        SELECT format('username %s is taken: account %s is user %s',
                      to_json(n.base), to_json(p.provider_user_id), to_json(u.username))
        FROM pg_temp.sync_plan p
        JOIN auth.user_info u ON u.user_id = p.user_id
        CROSS JOIN LATERAL unsecure.base_username(p.provider_username, p.provider_email, p.provider_data, p.provider_user_id)
            AS n (base)
        WHERE v_renamed AND p.action = 'create' AND NOT p.joins_user AND u.username <> n.base
        ORDER BY p.line_no
        LIMIT 100
    LOOP
        RAISE NOTICE '%', v_taken;
    END LOOP;
END;
$function$;

COMMENT ON FUNCTION unsecure.create_planned_users() IS
    'Creates the users of pg_temp.sync_plan''s new accounts; says in a NOTICE (up to 100) who got another username.';

CREATE OR REPLACE FUNCTION unsecure.apply_identity_plan()
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $function$
DECLARE
    v_provider record;
BEGIN
    SELECT * INTO v_provider FROM pg_temp.sync_run;

    -- Users follow what is new about them, and no second provider's repetition.
    PERFORM 1
    FROM auth.user_info u
    WHERE u.user_id IN (SELECT p.user_id FROM pg_temp.sync_plan p WHERE p.new_email OR p.new_display_name)
       -- Whose database role may follow.
       OR u.user_id IN (SELECT r.user_id
                        FROM pg_temp.sync_plan p
                        JOIN auth.user_identity i ON i.user_identity_id = p.user_identity_id
                        JOIN auth.database_role r ON r.user_id = i.user_id)
    ORDER BY u.user_id
    FOR NO KEY UPDATE;

    PERFORM unsecure.set_user_attributes(
        p.user_id,
        CASE WHEN p.new_display_name THEN p.provider_display_name END,
        CASE WHEN p.new_email THEN p.provider_email END,
        p.provider_email_verified,
        v_provider.link_by = 'email')
    FROM pg_temp.sync_plan p
    WHERE p.new_email OR p.new_display_name;

    PERFORM unsecure.create_planned_users();

    UPDATE auth.user_identity i
    SET provider_groups         = p.provider_groups,
        provider_roles          = p.provider_roles,
        provider_data           = p.provider_data,
        is_active               = p.is_active,
        is_disabled_by_feed     = p.action = 'disable' OR i.is_disabled_by_feed AND NOT p.is_active,
        is_complete             = p.is_complete,
        provider_username       = p.provider_username,
        provider_email          = p.provider_email,
        provider_email_verified = p.provider_email_verified,
        provider_display_name   = p.provider_display_name,
        feed_digest             = p.digest,
        updated_at              = CASE WHEN p.action = 'restate' THEN i.updated_at ELSE now() END
    FROM pg_temp.sync_plan p
    WHERE p.user_identity_id = i.user_identity_id AND p.line_no IS NOT NULL;

    -- Without a digest, the element is asked for again when the account comes back.
    UPDATE auth.user_identity i
    SET is_active           = false,
        is_disabled_by_feed = true,
        feed_digest         = NULL,
        updated_at          = now()
    FROM pg_temp.sync_plan p
    WHERE p.user_identity_id = i.user_identity_id AND p.line_no IS NULL;

    INSERT INTO auth.user_identity
        (user_identity_id, user_id, provider_id, provider_user_id, provider_groups, provider_roles, provider_data,
         is_active, is_disabled_by_feed, is_complete, provider_username, provider_email, provider_email_verified,
         provider_display_name, feed_digest)
    SELECT p.user_identity_id, p.user_id, v_provider.provider_id, p.provider_user_id, p.provider_groups, p.provider_roles,
           p.provider_data, p.is_active, NOT p.is_active, p.is_complete, p.provider_username, p.provider_email,
           p.provider_email_verified, p.provider_display_name, p.digest
    FROM pg_temp.sync_plan p
    WHERE p.action = 'create'
    ORDER BY p.user_identity_id;

    PERFORM unsecure.follow_sync();
END;
$function$;

COMMENT ON FUNCTION unsecure.apply_identity_plan() IS 'Carries out pg_temp.sync_plan.';

REVOKE ALL ON FUNCTION unsecure.create_planned_users(), unsecure.apply_identity_plan() FROM PUBLIC;
