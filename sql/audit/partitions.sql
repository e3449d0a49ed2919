-- Makes the partitions of the coming months and, when told how long to keep, drops whole months that are older.
-- Months are UTC months, whatever the session's TimeZone.

CREATE OR REPLACE FUNCTION auth.maintain_audit_partitions(
    _months_ahead integer  DEFAULT 3,
    _keep         interval DEFAULT NULL
)
RETURNS TABLE (action text, partition text)
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET TimeZone = 'UTC'
AS $function$
DECLARE
    v_this_month timestamptz := date_trunc('month', now());
    v_month      timestamptz;
BEGIN
    IF _months_ahead IS NULL OR _months_ahead NOT BETWEEN 0 AND 120 OR _keep < interval '0' THEN
        RAISE EXCEPTION 'cannot maintain partitions % months ahead, keeping %', _months_ahead, _keep
            USING ERRCODE = 'RW401',
                  HINT    = '_months_ahead is 0 to 120; _keep is a positive interval, or NULL to keep everything.';
    END IF;

    -- Two runs at once would both want to create the same month.
    PERFORM pg_advisory_xact_lock(hashtextextended('auth.maintain_audit_partitions', 0));

    FOR v_month IN
        SELECT m
        FROM generate_series(v_this_month, v_this_month + make_interval(months => _months_ahead), interval '1 month') AS m
    LOOP
        partition := to_char(v_month, '"audit_event_"YYYY_MM');
        CONTINUE WHEN to_regclass('auth.' || partition) IS NOT NULL;

        -- Rows that came before their partition wait in the default one, and move.
        EXECUTE format('CREATE TABLE auth.%I (LIKE auth.audit_event INCLUDING DEFAULTS)', partition);
        EXECUTE format(
            'WITH moved AS (DELETE FROM auth.audit_event_default WHERE occurred_at >= %L AND occurred_at < %L RETURNING *) '
            'INSERT INTO auth.%I SELECT * FROM moved', v_month, v_month + interval '1 month', partition);
        EXECUTE format('ALTER TABLE auth.audit_event ATTACH PARTITION auth.%I FOR VALUES FROM (%L) TO (%L)',
                       partition, v_month, v_month + interval '1 month');
        action := 'created';
        RETURN NEXT;
    END LOOP;

    FOR partition IN
        SELECT c.relname
        FROM pg_inherits i
        JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'auth.audit_event'::regclass
          AND c.relname ~ '^audit_event_[0-9]{4}_[0-9]{2}$'
          AND to_timestamp(right(c.relname, 7), 'YYYY_MM') + interval '1 month' <= now() - _keep
        ORDER BY c.relname
    LOOP
        EXECUTE format('DROP TABLE auth.%I', partition);
        action := 'dropped';
        RETURN NEXT;
    END LOOP;
END;
$function$;

COMMENT ON FUNCTION auth.maintain_audit_partitions(integer, interval) IS
    'Creates the monthly partitions of auth.audit_event up to _months_ahead and, unless _keep is NULL, drops months '
    'that ended longer ago than _keep. One row per partition created or dropped; none when there is nothing to do. '
    'Run it monthly. RW401: bad argument.';

REVOKE ALL ON FUNCTION auth.maintain_audit_partitions(integer, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.maintain_audit_partitions(integer, interval) TO rolewright_operator;

DO $first$
BEGIN
    PERFORM auth.maintain_audit_partitions();
END;
$first$;
