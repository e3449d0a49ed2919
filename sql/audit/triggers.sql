-- What the tables' triggers write to the audit trail. Triggers, not the functions: a DBA's plain UPDATE is in the trail too.
--
-- Arguments of the triggers: the subject ('identity') and its key column ('user_identity_id').
-- Inserts and deletes are audited a statement at a time. Updates go row by row, because only a row trigger can
-- say in its WHEN clause that nothing worth telling changed: a login that brings nothing new pays nothing here.
--
-- Without noise and without secrets: housekeeping columns are left out, and provider_data may hold whatever a provider sends,
-- tokens among it, so the trail names its keys and never a value.

CREATE OR REPLACE FUNCTION unsecure.audit_insert()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    INSERT INTO auth.audit_event (event_code, user_id, subject_type, subject_id, after)
    SELECT TG_ARGV[0] || CASE WHEN TG_ARGV[0] IN ('member', 'set_permission') THEN '.added' ELSE '.created' END,
           (r.image ->> 'user_id')::uuid, TG_ARGV[0], (r.image ->> TG_ARGV[1])::uuid,
           r.image - '{created_at,updated_at,last_login_at,feed_digest,mapped_ways,mapped_until,mapping_no,provider_data}'::text[]
    FROM (SELECT to_jsonb(c) AS image FROM changed_row c OFFSET 0) AS r;
    RETURN NULL;
END;
$function$;

-- The same for the two tables that a first load of a directory fills with a million rows: naming the columns halves the price.
CREATE OR REPLACE FUNCTION unsecure.audit_insert_user()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    INSERT INTO auth.audit_event (event_code, user_id, subject_type, subject_id, after)
    SELECT 'user.created', r.user_id, 'user', r.user_id,
           jsonb_build_object('username', r.username, 'display_name', r.display_name, 'email', r.email,
                              'email_verified', r.email_verified, 'is_active', r.is_active)
    FROM changed_row r;
    RETURN NULL;
END;
$function$;

CREATE OR REPLACE FUNCTION unsecure.audit_insert_identity()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    INSERT INTO auth.audit_event (event_code, user_id, subject_type, subject_id, after)
    SELECT 'identity.created', r.user_id, 'identity', r.user_identity_id,
           jsonb_build_object('provider_id', r.provider_id, 'provider_user_id', r.provider_user_id, 'provider_username', r.provider_username,
                              'provider_groups', r.provider_groups, 'provider_roles', r.provider_roles, 'is_active', r.is_active)
    FROM changed_row r;
    RETURN NULL;
END;
$function$;

CREATE OR REPLACE FUNCTION unsecure.audit_delete()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    INSERT INTO auth.audit_event (event_code, user_id, subject_type, subject_id, before)
    SELECT TG_ARGV[0] || CASE WHEN TG_ARGV[0] IN ('member', 'set_permission') THEN '.removed' ELSE '.deleted' END,
           (r.image ->> 'user_id')::uuid, TG_ARGV[0], (r.image ->> TG_ARGV[1])::uuid,
           r.image - '{created_at,updated_at,last_login_at,feed_digest,mapped_ways,mapped_until,mapping_no,provider_data}'::text[]
    FROM (SELECT to_jsonb(c) AS image FROM changed_row c OFFSET 0) AS r;
    RETURN NULL;
END;
$function$;

CREATE OR REPLACE FUNCTION unsecure.changed_keys(_from jsonb, _to jsonb)
RETURNS jsonb
LANGUAGE sql
STABLE
AS $function$
    SELECT coalesce(jsonb_agg(t.key ORDER BY t.key), '[]')
    FROM jsonb_each(CASE WHEN jsonb_typeof(_to) = 'object' THEN _to ELSE '{}' END) AS t
    WHERE t.value IS DISTINCT FROM _from -> t.key;
$function$;

COMMENT ON FUNCTION unsecure.changed_keys(jsonb, jsonb) IS
    'The keys of the second object whose values the first one does not have.';

CREATE OR REPLACE FUNCTION unsecure.audit_update()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_old    jsonb := to_jsonb(OLD);
    v_new    jsonb := to_jsonb(NEW);
    v_before jsonb;
    v_after  jsonb;
    v_verb   text;
BEGIN
    SELECT jsonb_object_agg(n.key, v_old -> n.key), jsonb_object_agg(n.key, n.value)
    INTO v_before, v_after
    FROM jsonb_each(v_new) AS n
    WHERE n.value IS DISTINCT FROM v_old -> n.key
      AND n.key NOT IN ('created_at', 'updated_at', 'last_login_at', 'feed_digest', 'mapped_ways', 'mapped_until', 'mapping_no');

    IF v_after ? 'provider_data' THEN
        v_before := jsonb_set(v_before, '{provider_data}', unsecure.changed_keys(v_new -> 'provider_data', v_old -> 'provider_data'));
        v_after  := jsonb_set(v_after, '{provider_data}', unsecure.changed_keys(v_old -> 'provider_data', v_new -> 'provider_data'));
    END IF;

    v_verb := CASE
        WHEN v_after ? 'is_active' THEN CASE WHEN (v_after -> 'is_active')::boolean THEN 'enabled' ELSE 'disabled' END
        WHEN v_after ? 'is_locked' THEN CASE WHEN (v_after -> 'is_locked')::boolean THEN 'locked' ELSE 'unlocked' END
        WHEN v_after - 'is_last_used' = '{}' THEN 'last_used'
        ELSE 'updated'
    END;

    INSERT INTO auth.audit_event (event_code, user_id, subject_type, subject_id, before, after)
    VALUES (TG_ARGV[0] || '.' || v_verb, (v_new ->> 'user_id')::uuid, TG_ARGV[0], (v_new ->> TG_ARGV[1])::uuid,
            v_before, v_after);
    RETURN NULL;
END;
$function$;

-- Only an owner can TRUNCATE, and then no row is left to tell of: the trail says at least that it happened.
CREATE OR REPLACE FUNCTION unsecure.audit_truncate()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    INSERT INTO auth.audit_event (event_code, subject_type) VALUES (TG_ARGV[0] || '.truncated', TG_ARGV[0]);
    RETURN NULL;
END;
$function$;

COMMENT ON FUNCTION unsecure.audit_truncate() IS 'Statement trigger: one audit row for a table that was emptied.';
COMMENT ON FUNCTION unsecure.audit_insert() IS 'Statement trigger: one audit row per inserted row.';
COMMENT ON FUNCTION unsecure.audit_insert_user() IS 'Statement trigger: one audit row per new user.';
COMMENT ON FUNCTION unsecure.audit_insert_identity() IS 'Statement trigger: one audit row per new identity.';
COMMENT ON FUNCTION unsecure.audit_delete() IS 'Statement trigger: one audit row per deleted row.';
COMMENT ON FUNCTION unsecure.audit_update() IS 'Row trigger: one audit row with the columns that changed.';

REVOKE ALL ON FUNCTION
    unsecure.changed_keys(jsonb, jsonb),
    unsecure.audit_insert(),
    unsecure.audit_insert_user(),
    unsecure.audit_insert_identity(),
    unsecure.audit_delete(),
    unsecure.audit_truncate(),
    unsecure.audit_update()
FROM PUBLIC;
