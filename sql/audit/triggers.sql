-- What the tables' triggers write to the audit trail. Triggers, not the functions: a DBA's plain UPDATE is in the trail too.
--
-- Arguments of the triggers: the subject ('identity') and its key column ('user_identity_id').
-- Inserts and deletes are audited a statement at a time. Updates go row by row, because only a row trigger can
-- say in its WHEN clause that nothing worth telling changed: a login that brings nothing new pays nothing here.

-- Without noise and without secrets: provider_data may hold whatever a provider sends, tokens among it, so the trail
-- names its keys and never a value.
CREATE OR REPLACE FUNCTION unsecure.audit_image(_row jsonb)
RETURNS jsonb
LANGUAGE sql
IMMUTABLE
RETURN jsonb_strip_nulls(
           CASE WHEN jsonb_typeof(_row -> 'provider_data') = 'object'
                THEN jsonb_set(_row, '{provider_data}',
                               to_jsonb(ARRAY(SELECT jsonb_object_keys(_row -> 'provider_data'))))
                ELSE _row
           END - '{created_at,updated_at,last_login_at,feed_digest}'::text[]);

CREATE OR REPLACE FUNCTION unsecure.jsonb_changes(_from jsonb, _to jsonb)
RETURNS jsonb
LANGUAGE sql
IMMUTABLE
RETURN CASE WHEN jsonb_typeof(_to) = 'object'
            THEN (SELECT coalesce(jsonb_object_agg(t.key, t.value), '{}')
                  FROM jsonb_each(_to) AS t
                  WHERE t.value IS DISTINCT FROM _from -> t.key)
            ELSE 'null'
       END;

COMMENT ON FUNCTION unsecure.jsonb_changes(jsonb, jsonb) IS
    'The keys of the second object whose values the first one does not have.';

COMMENT ON FUNCTION unsecure.audit_image(jsonb) IS
    'A row as the audit trail shows it: without NULLs and housekeeping columns, provider_data reduced to its keys.';

CREATE OR REPLACE FUNCTION unsecure.audit_insert()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    INSERT INTO auth.audit_event (event_code, user_id, subject_type, subject_id, after)
    SELECT TG_ARGV[0] || CASE TG_ARGV[0] WHEN 'member' THEN '.added' ELSE '.created' END,
           (j.image ->> 'user_id')::uuid, TG_ARGV[0], (j.image ->> TG_ARGV[1])::uuid, unsecure.audit_image(j.image)
    FROM (SELECT to_jsonb(r) AS image FROM changed_row r OFFSET 0) AS j;
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
    SELECT TG_ARGV[0] || CASE TG_ARGV[0] WHEN 'member' THEN '.removed' ELSE '.deleted' END,
           (j.image ->> 'user_id')::uuid, TG_ARGV[0], (j.image ->> TG_ARGV[1])::uuid, unsecure.audit_image(j.image)
    FROM (SELECT to_jsonb(r) AS image FROM changed_row r OFFSET 0) AS j;
    RETURN NULL;
END;
$function$;

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
    v_before := unsecure.jsonb_changes(v_new, v_old);
    v_after  := unsecure.jsonb_changes(v_old, v_new);
    IF v_after ? 'provider_data' THEN
        v_before := jsonb_set(v_before, '{provider_data}', unsecure.jsonb_changes(v_new -> 'provider_data', v_old -> 'provider_data'));
        v_after  := jsonb_set(v_after, '{provider_data}', unsecure.jsonb_changes(v_old -> 'provider_data', v_new -> 'provider_data'));
    END IF;

    v_verb := CASE
        WHEN v_after ? 'is_active' THEN CASE WHEN (v_after -> 'is_active')::boolean THEN 'enabled' ELSE 'disabled' END
        WHEN v_after ? 'is_locked' THEN CASE WHEN (v_after -> 'is_locked')::boolean THEN 'locked' ELSE 'unlocked' END
        WHEN v_after - '{is_last_used,last_login_at,updated_at}'::text[] = '{}' THEN 'last_used'
        ELSE 'updated'
    END;

    INSERT INTO auth.audit_event (event_code, user_id, subject_type, subject_id, before, after)
    VALUES (TG_ARGV[0] || '.' || v_verb, (v_new ->> 'user_id')::uuid, TG_ARGV[0], (v_new ->> TG_ARGV[1])::uuid,
            unsecure.audit_image(v_before), unsecure.audit_image(v_after));
    RETURN NULL;
END;
$function$;

COMMENT ON FUNCTION unsecure.audit_insert() IS 'Statement trigger: one audit row per inserted row.';
COMMENT ON FUNCTION unsecure.audit_delete() IS 'Statement trigger: one audit row per deleted row.';
COMMENT ON FUNCTION unsecure.audit_update() IS 'Row trigger: one audit row with the columns that changed.';

REVOKE ALL ON FUNCTION
    unsecure.audit_image(jsonb),
    unsecure.jsonb_changes(jsonb, jsonb),
    unsecure.audit_insert(),
    unsecure.audit_delete(),
    unsecure.audit_update()
FROM PUBLIC;
