-- A change of the catalog as data: what a plan is made of. The one executor carries plans out, checks that PostgreSQL did what it
-- was told (a GRANT or REVOKE without authority may only warn), and writes one audit row per change.

CREATE TYPE auth.change AS (
    ordinal   integer,
    action    text,
    role_name text,
    object    text,
    statement text,
    reason    text
);

COMMENT ON TYPE auth.change IS
    'One step of a plan. action: create, alter, grant, revoke, drop, or conflict (what cannot be done, and why; its statement, if any, '
    'is what a superuser must run). object: the attribute that changes, or the role of a membership. No secret is ever in it.';

-- PostgreSQL's names are at most 63 bytes; it would cut a longer one off and thereby mean another role.
CREATE OR REPLACE FUNCTION unsecure.role_name_problem(_role_name text)
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN CASE
    WHEN coalesce(_role_name, '') = '' THEN 'the name is empty'
    WHEN octet_length(_role_name) > 63 THEN format('the name has %s bytes; PostgreSQL takes 63', octet_length(_role_name))
    WHEN _role_name IN ('public', 'none') OR starts_with(_role_name, 'pg_') THEN 'the name is reserved by PostgreSQL'
END;

COMMENT ON FUNCTION unsecure.role_name_problem(text) IS 'Why no role can have this name; NULL: one can.';

CREATE OR REPLACE FUNCTION unsecure.require_read_committed()
RETURNS void
LANGUAGE plpgsql
STABLE
AS $function$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'database roles are not changed in a % transaction', upper(current_setting('transaction_isolation'))
            USING ERRCODE = 'RW501',
                  DETAIL  = 'Its snapshot may be older than the last change of the roles, so it could undo or miss one.',
                  HINT    = 'Run it in a READ COMMITTED transaction. Nothing was changed.';
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.require_read_committed() IS 'RW501 where a snapshot is older than the locks that are waited for.';

-- One transaction at a time changes roles; who waited looks again. Advisory locks are per database: two databases of one cluster that
-- manage the same role can still meet, as can a DBA's psql, so the executor's callers also repeat what failed for a concurrent change.
CREATE OR REPLACE FUNCTION unsecure.lock_roles()
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $function$
BEGIN
    PERFORM unsecure.require_read_committed();
    PERFORM pg_advisory_xact_lock(hashtextextended('rolewright: roles', 0));
END;
$function$;

COMMENT ON FUNCTION unsecure.lock_roles() IS
    'Until the end of the transaction, nobody else''s plan is carried out in this database. RW501: not in READ COMMITTED.';

-- Invoker: with the rights of the function that calls it, or of the superuser who calls a procedure.
CREATE OR REPLACE FUNCTION unsecure.execute_changes(
    _changes  auth.change[],
    _verifier text DEFAULT NULL
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET client_min_messages = error
AS $function$
DECLARE
    v_change auth.change;
    v_left   record;
BEGIN
    FOREACH v_change IN ARRAY _changes LOOP
        -- The verifier is in no plan, so it is put in here.
        EXECUTE CASE v_change.object
            WHEN 'password' THEN format('ALTER ROLE %I PASSWORD %L', v_change.role_name, _verifier)
            ELSE v_change.statement
        END;
    END LOOP;

    -- What PostgreSQL may answer with a mere warning.
    SELECT c.role_name, c.object, r.grantor
    INTO v_left
    FROM unnest(_changes) AS c
    LEFT JOIN LATERAL (
        SELECT string_agg(coalesce(g.rolname, m.grantor::text), ', ') AS grantor
        FROM pg_auth_members m
        LEFT JOIN pg_roles g ON g.oid = m.grantor
        WHERE m.member = (SELECT oid FROM pg_roles WHERE rolname = c.role_name)
          AND m.roleid = (SELECT oid FROM pg_roles WHERE rolname = c.object)
    ) AS r ON true
    WHERE c.action = 'grant' AND r.grantor IS NULL
       OR c.action = 'revoke' AND r.grantor IS NOT NULL
          AND NOT EXISTS (SELECT FROM unnest(_changes) AS g
                          WHERE g.action IN ('grant', 'revoke') AND g.role_name = c.role_name AND g.object = c.object AND g.ordinal <> c.ordinal)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'PostgreSQL did not do what it was told about the membership of % in %',
                quote_ident(v_left.role_name), quote_ident(v_left.object)
            USING ERRCODE = 'RW507',
                  DETAIL  = CASE WHEN v_left.grantor IS NULL THEN 'It is not there after GRANT.'
                                 ELSE format('It is still there after REVOKE; granted by: %s.', v_left.grantor) END,
                  HINT    = 'Nothing was changed. As a superuser, REVOKE it GRANTED BY that role.';
    END IF;

    INSERT INTO auth.audit_event (event_code, user_id, subject_type, subject_id, after)
    SELECT 'role.' || CASE c.action WHEN 'create' THEN 'created' WHEN 'alter' THEN 'altered' WHEN 'grant' THEN 'granted'
                                    WHEN 'revoke' THEN 'revoked' ELSE 'dropped' END,
           r.user_id, 'role', r.database_role_id,
           jsonb_build_object('role_name', c.role_name, 'object', c.object, 'statement', c.statement, 'reason', c.reason)
    FROM unnest(_changes) AS c
    LEFT JOIN auth.database_role r ON r.role_name = c.role_name AND r.state <> 'deleted'
    ORDER BY c.ordinal;
END;
$function$;

COMMENT ON FUNCTION unsecure.execute_changes(auth.change[], text) IS
    'Carries out a plan without conflicts, in its order, and writes one audit row per change. _verifier: of the change whose object is '
    'password. RW507: PostgreSQL only warned. The caller holds unsecure.lock_roles.';

REVOKE ALL ON FUNCTION
    unsecure.role_name_problem(text),
    unsecure.require_read_committed(),
    unsecure.lock_roles(),
    unsecure.execute_changes(auth.change[], text)
FROM PUBLIC;
