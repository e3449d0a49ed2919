-- Batch synchronisation: a feed is the whole truth about the accounts of one provider.

CREATE OR REPLACE FUNCTION unsecure.require_feed(
    _received    bigint,
    _allow_empty boolean
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $function$
DECLARE
    v_provider record;
    v_problems text[] := ARRAY(SELECT format('line %s: %s', p.line_no, p.reason) FROM auth.identity_sync_problems(101) AS p);
BEGIN
    SELECT * INTO v_provider FROM pg_temp.sync_run;
    IF v_problems <> '{}' THEN
        RAISE EXCEPTION 'feed has bad elements'
            USING ERRCODE = 'RW201',
                  DETAIL  = array_to_string(v_problems[1:100], E'\n') || CASE WHEN cardinality(v_problems) > 100 THEN E'\n…' ELSE '' END,
                  HINT    = 'Nothing was changed. Correct the feed and send all of it again.';
    END IF;
    IF _received = 0 AND NOT _allow_empty THEN
        RAISE EXCEPTION 'feed is empty'
            USING ERRCODE = 'RW202',
                  DETAIL  = format('Provider %s.', v_provider.code),
                  HINT    = 'Nothing was changed. If nobody is left there, pass _allow_empty => true (rolewright sync --allow-empty).';
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.require_feed(bigint, boolean) IS 'RW201: bad elements; RW202: empty and not allowed to be.';

CREATE OR REPLACE FUNCTION unsecure.require_brakes(
    _disabled    bigint,
    _max_disable integer
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $function$
DECLARE
    v_provider record;
    v_active   bigint;
BEGIN
    IF _disabled = 0 OR _disabled <= _max_disable THEN
        RETURN;
    END IF;
    SELECT * INTO v_provider FROM pg_temp.sync_run;
    SELECT count(*) INTO v_active
    FROM auth.user_identity i
    WHERE i.provider_id = v_provider.provider_id AND i.is_active;

    IF _max_disable IS NOT NULL
       OR _disabled > v_provider.max_disable_share * v_active
       OR _disabled > v_provider.max_disable_count
    THEN
        RAISE EXCEPTION 'sync would disable too many identities'
            USING ERRCODE = 'RW203',
                  DETAIL  = format('Provider %s: %s of %s active identities (%s %%); the limit is %s.',
                                   v_provider.code, _disabled, v_active, round(100.0 * _disabled / v_active, 1),
                                   coalesce('_max_disable ' || _max_disable,
                                            format('%s %%', round(100 * v_provider.max_disable_share, 1))
                                            || coalesce(' and ' || v_provider.max_disable_count, ''))),
                  HINT    = format('Nothing was changed. See whether the feed is complete; to let it through once, pass '
                                   '_max_disable => %s (rolewright sync --max-disable %s).', _disabled, _disabled);
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.require_brakes(bigint, integer) IS
    'RW203 when a sync would disable more than the provider allows, or than _max_disable says for this run.';

REVOKE ALL ON FUNCTION unsecure.require_feed(bigint, boolean), unsecure.require_brakes(bigint, integer) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.apply_identity_sync(
    _create_missing  boolean DEFAULT false,
    _disable_missing boolean DEFAULT false,
    _dry_run         boolean DEFAULT false,
    _max_disable     integer DEFAULT NULL,
    _allow_empty     boolean DEFAULT false,
    OUT received  bigint,
    OUT created   bigint,
    OUT updated   bigint,
    OUT enabled   bigint,
    OUT disabled  bigint,
    OUT unchanged bigint,
    OUT skipped   bigint
)
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET work_mem = '128MB'
SET jit = off
AS $function$
DECLARE
    v_provider_id uuid;
    v_compared    bigint;
    v_other       bigint;
BEGIN
    PERFORM unsecure.require_sync();
    SELECT r.provider_id, r.compared_lines INTO v_provider_id, v_compared FROM pg_temp.sync_run r;
    SELECT count(*) INTO received FROM pg_temp.sync_line;
    IF v_compared IS DISTINCT FROM received THEN
        RAISE EXCEPTION 'feed was not compared'
            USING ERRCODE = 'RW204',
                  DETAIL  = format('%s lines; %s were there when they were compared.', received, coalesce(v_compared, 0)),
                  HINT    = 'Call auth.compare_identity_sync once, after the last line.';
    END IF;
    PERFORM unsecure.require_feed(received, _allow_empty);

    PERFORM unsecure.plan_identity_sync(_create_missing, _disable_missing);
    SELECT count(*) FILTER (WHERE p.action = 'create'),
           count(*) FILTER (WHERE p.action = 'update'),
           count(*) FILTER (WHERE p.action = 'enable'),
           count(*) FILTER (WHERE p.action = 'disable'),
           count(*) FILTER (WHERE p.action = 'skip'),
           count(*) FILTER (WHERE p.line_no IS NOT NULL AND p.action <> 'restate')
    INTO created, updated, enabled, disabled, skipped, v_other
    FROM pg_temp.sync_plan p;
    unchanged := received - v_other;

    PERFORM unsecure.require_brakes(disabled, _max_disable);
    IF NOT _dry_run AND EXISTS (SELECT FROM pg_temp.sync_plan) THEN
        PERFORM unsecure.apply_identity_plan();
        IF created + updated + enabled + disabled > 0 THEN
            INSERT INTO auth.audit_event (event_code, subject_type, subject_id, after)
            VALUES ('sync.applied', 'provider', v_provider_id,
                    jsonb_build_object('received', received, 'created', created, 'updated', updated, 'enabled', enabled,
                                       'disabled', disabled, 'unchanged', unchanged, 'skipped', skipped));
        END IF;
    END IF;
END;
$function$;

COMMENT ON FUNCTION auth.apply_identity_sync(boolean, boolean, boolean, integer, boolean) IS
    'Makes the identities of the provider equal to the feed in pg_temp.sync_line and sync_element, and returns counts of identities. '
    '_create_missing: unknown accounts become identities, else they are skipped; _disable_missing: accounts that the feed leaves out '
    'are disabled; _dry_run: only count; _max_disable: instead of the provider''s limits, this many may be disabled in this run; '
    '_allow_empty: a feed without lines is meant. RW201: bad elements; RW202: empty; RW203: would disable too many; RW204: no sync '
    'has begun, or its lines were not compared. On an error nothing is changed.';

REVOKE ALL ON FUNCTION auth.apply_identity_sync(boolean, boolean, boolean, integer, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.apply_identity_sync(boolean, boolean, boolean, integer, boolean) TO rolewright_operator;

CREATE OR REPLACE FUNCTION auth.sync_provider_identities(
    _provider_id     uuid,
    _identity_data   jsonb[],
    _create_missing  boolean DEFAULT false,
    _disable_missing boolean DEFAULT false,
    _dry_run         boolean DEFAULT false,
    _max_disable     integer DEFAULT NULL,
    _allow_empty     boolean DEFAULT false,
    OUT received  bigint,
    OUT created   bigint,
    OUT updated   bigint,
    OUT enabled   bigint,
    OUT disabled  bigint,
    OUT unchanged bigint,
    OUT skipped   bigint
)
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_wanted bigint[];
BEGIN
    PERFORM auth.begin_identity_sync(_provider_id);

    INSERT INTO pg_temp.sync_line (line_no, provider_user_id, digest)
    SELECT e.line_no,
           CASE WHEN jsonb_typeof(e.element -> 'provider_user_id') = 'string' THEN e.element ->> 'provider_user_id' END,
           substr(sha256(convert_to(coalesce(e.element, 'null')::text, 'UTF8')), 1, 16)
    FROM unnest(_identity_data) WITH ORDINALITY AS e (element, line_no);

    -- On its own: as part of the join it would not run for an empty array.
    v_wanted := ARRAY(SELECT auth.compare_identity_sync());
    INSERT INTO pg_temp.sync_element (line_no, element)
    SELECT e.line_no, coalesce(e.element, 'null')
    FROM unnest(_identity_data) WITH ORDINALITY AS e (element, line_no)
    JOIN unnest(v_wanted) AS w (line_no) ON w.line_no = e.line_no;

    SELECT a.*
    INTO received, created, updated, enabled, disabled, unchanged, skipped
    FROM auth.apply_identity_sync(_create_missing, _disable_missing, _dry_run, _max_disable, _allow_empty) AS a;
END;
$function$;

COMMENT ON FUNCTION auth.sync_provider_identities(uuid, jsonb[], boolean, boolean, boolean, integer, boolean) IS
    'Makes the identities of a provider equal to the elements and returns counts. An element: provider_user_id, groups, roles, data, '
    'and optionally username, email, email_verified, display_name, active; what it leaves out or says null stays as it is. '
    'The parameters and errors of auth.apply_identity_sync; RW010: no such provider; RW111: it is disabled.';

REVOKE ALL ON FUNCTION auth.sync_provider_identities(uuid, jsonb[], boolean, boolean, boolean, integer, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.sync_provider_identities(uuid, jsonb[], boolean, boolean, boolean, integer, boolean)
    TO rolewright_operator;
