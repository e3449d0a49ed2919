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
    WHEN starts_with(_role_name, 'rolewright_deleted_') OR starts_with(_role_name, 'rolewright_via_') THEN 'the name is reserved by Rolewright'
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

-- Tables that are there to be locked: advisory locks anybody could take, and hold. Nobody has a right on these.
CREATE TABLE unsecure.roles_lock (
    nothing boolean NOT NULL,
    CONSTRAINT roles_lock_pkey PRIMARY KEY (nothing)
);

CREATE TABLE unsecure.bindings_lock (
    nothing boolean NOT NULL,
    CONSTRAINT bindings_lock_pkey PRIMARY KEY (nothing)
);

COMMENT ON TABLE unsecure.roles_lock IS 'Always empty; see unsecure.lock_roles.';
COMMENT ON TABLE unsecure.bindings_lock IS 'Always empty; see unsecure.lock_bindings.';

REVOKE ALL ON unsecure.roles_lock, unsecure.bindings_lock FROM PUBLIC;

-- One transaction at a time changes roles; who waited looks again. The lock is the database's: two databases of one cluster that manage the same role
-- can still meet, as can a DBA's psql, so the executor's callers also repeat what failed for a concurrent change.
CREATE OR REPLACE FUNCTION unsecure.lock_roles()
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $function$
BEGIN
    PERFORM unsecure.require_read_committed();
    LOCK TABLE unsecure.roles_lock IN EXCLUSIVE MODE;
END;
$function$;

COMMENT ON FUNCTION unsecure.lock_roles() IS
    'Until the end of the transaction, nobody else''s plan is carried out in this database. RW501: not in READ COMMITTED.';

-- Memberships in one role for many members are one statement: PostgreSQL 16 and later look through all that the owner administers for each.
CREATE OR REPLACE FUNCTION unsecure.statements_of(_changes auth.change[])
RETURNS TABLE (nth bigint, is_password boolean, role_name text, statement text)
LANGUAGE sql
IMMUTABLE
AS $function$
    WITH parsed AS (
        SELECT c.nth AS ordinal, c.action, c.role_name, c.object, c.statement, k.head,
               CASE WHEN starts_with(c.statement, k.head || quote_ident(c.role_name))
                    THEN substr(c.statement, length(k.head || quote_ident(c.role_name)) + 1) END AS tail
        FROM unnest(_changes) WITH ORDINALITY AS c (ordinal, action, role_name, object, statement, reason, nth)
        CROSS JOIN LATERAL (
            SELECT CASE c.action WHEN 'grant' THEN format('GRANT %I TO ', c.object) WHEN 'revoke' THEN format('REVOKE %I FROM ', c.object) END AS head
        ) AS k
    ), numbered AS (
        SELECT p.*,
               sum(CASE WHEN p.tail IS NOT NULL AND p.head = p.previous_head AND p.tail = p.previous_tail THEN 0 ELSE 1 END)
                   OVER (ORDER BY p.ordinal) AS batch
        FROM (
            SELECT a.*, lag(a.head) OVER (ORDER BY a.ordinal) AS previous_head, lag(a.tail) OVER (ORDER BY a.ordinal) AS previous_tail
            FROM parsed a
        ) AS p
    )
    SELECT min(n.ordinal), bool_or(n.action = 'alter' AND n.object = 'password'), min(n.role_name),
           CASE count(*) WHEN 1 THEN min(n.statement)
                         ELSE min(n.head) || string_agg(quote_ident(n.role_name), ', ' ORDER BY n.ordinal) || min(n.tail) END
    FROM numbered n
    GROUP BY n.batch
    ORDER BY 1;
$function$;

COMMENT ON FUNCTION unsecure.statements_of(auth.change[]) IS
    'The statements that carry out a plan, in order: neighbours that differ in the member alone are one GRANT or REVOKE.';

-- GRANT does not wait for somebody's open DROP ROLE of the member (or, on 15, of the group), and would leave the membership of nobody. A
-- privilege does wait, fails when the role is gone, and else keeps it there until we are done: so all of them get one on a function that is
-- dropped at once. Each is a place in the server's table of locks, which many thousands would fill; of so many it is looked whether
-- somebody is just dropping one.
CREATE OR REPLACE FUNCTION unsecure.hold_roles(_role_names text[])
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $function$
BEGIN
    IF cardinality(_role_names) BETWEEN 1 AND 1000 THEN
        CREATE FUNCTION unsecure.held() RETURNS void LANGUAGE sql AS '';
        EXECUTE 'GRANT EXECUTE ON FUNCTION unsecure.held() TO ' || (SELECT string_agg(quote_ident(m), ', ') FROM unnest(_role_names) AS m);
        DROP FUNCTION unsecure.held();
    END IF;
END;
$function$;

CREATE OR REPLACE FUNCTION unsecure.require_kept(_role_names text[])
RETURNS void
LANGUAGE plpgsql
STABLE
AS $function$
BEGIN
    IF cardinality(_role_names) > 1000 AND EXISTS (
        SELECT
        FROM pg_locks l
        JOIN pg_roles r ON r.oid = l.objid
        WHERE l.locktype = 'object' AND l.classid = 'pg_authid'::regclass AND l.mode = 'AccessExclusiveLock'
          AND l.pid IS DISTINCT FROM pg_backend_pid() AND r.rolname = ANY (_role_names))
    THEN
        RAISE EXCEPTION 'somebody is dropping a role that is given a membership'
            USING ERRCODE = 'serialization_failure', HINT = 'Try again. Nothing was changed.';
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.hold_roles(text[]) IS 'Until the end of the transaction nobody drops these roles, up to 1,000.';
COMMENT ON FUNCTION unsecure.require_kept(text[]) IS '40001: of more roles than unsecure.hold_roles keeps, somebody is dropping one.';

-- Invoker: with the rights of the function that calls it, or of the superuser who calls a procedure.
CREATE OR REPLACE FUNCTION unsecure.run_statements(
    _changes  auth.change[],
    _verifier text
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET client_min_messages = error
SET quote_all_identifiers = off
SET jit = off
AS $function$
DECLARE
    v_step    record;
    v_left    record;
    v_members text[];
    v_grants  text := current_setting('createrole_self_grant', true);
BEGIN
    -- PostgreSQL 16 and later: the caller's setting would make the owner a member of what it creates.
    IF v_grants <> '' THEN
        PERFORM set_config('createrole_self_grant', '', true);
    END IF;

    v_members := ARRAY(
        SELECT g.name FROM unnest(_changes) AS c CROSS JOIN LATERAL (VALUES (c.role_name), (c.object)) AS g (name) WHERE c.action = 'grant'
        EXCEPT
        SELECT n.role_name FROM unnest(_changes) AS n WHERE n.action = 'create');
    PERFORM unsecure.hold_roles(v_members);

    FOR v_step IN SELECT * FROM unsecure.statements_of(_changes) LOOP
        -- The verifier is in no plan, so it is put in here.
        EXECUTE CASE WHEN v_step.is_password THEN format('ALTER ROLE %I PASSWORD %L', v_step.role_name, _verifier)
                     ELSE v_step.statement END;
    END LOOP;
    IF v_grants <> '' THEN
        PERFORM set_config('createrole_self_grant', v_grants, true);
    END IF;

    PERFORM unsecure.require_kept(v_members);

    -- What PostgreSQL may answer with a mere warning.
    SELECT c.role_name, c.object, m.grantor
    INTO v_left
    FROM unnest(_changes) AS c
    LEFT JOIN (
        SELECT r.rolname AS role_name, h.rolname AS object, string_agg(coalesce(g.rolname, a.grantor::text), ', ') AS grantor
        FROM pg_auth_members a
        JOIN pg_roles r ON r.oid = a.member
        JOIN pg_roles h ON h.oid = a.roleid
        LEFT JOIN pg_roles g ON g.oid = a.grantor
        WHERE r.rolname IN (SELECT n.role_name FROM unnest(_changes) AS n WHERE n.action IN ('grant', 'revoke'))
        GROUP BY r.rolname, h.rolname
    ) AS m ON m.role_name = c.role_name AND m.object = c.object
    WHERE c.action = 'grant' AND m.grantor IS NULL
       -- When it was revoked for one grantor, another one's grant may be meant to stay.
       OR c.action = 'revoke' AND m.grantor IS NOT NULL AND c.statement NOT LIKE '% GRANTED BY %'
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'PostgreSQL did not do what it was told about the membership of % in %',
                quote_ident(v_left.role_name), quote_ident(v_left.object)
            USING ERRCODE = 'RW507',
                  DETAIL  = CASE WHEN v_left.grantor IS NULL THEN 'It is not there after GRANT.'
                                 ELSE format('It is still there after REVOKE; granted by: %s.', v_left.grantor) END,
                  HINT    = 'Nothing was changed. As a superuser, REVOKE it GRANTED BY that role.';
    END IF;
END;
$function$;

CREATE OR REPLACE FUNCTION unsecure.audit_changes(_changes auth.change[])
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
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

CREATE OR REPLACE FUNCTION unsecure.execute_changes(
    _changes  auth.change[],
    _verifier text DEFAULT NULL
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $function$
BEGIN
    PERFORM unsecure.run_statements(_changes, _verifier);
    PERFORM unsecure.audit_changes(_changes);
END;
$function$;

COMMENT ON FUNCTION unsecure.run_statements(auth.change[], text) IS
    'Runs the statements of a plan, and checks that the memberships are as they say. RW507: PostgreSQL only warned.';
COMMENT ON FUNCTION unsecure.audit_changes(auth.change[]) IS 'One audit row per change.';
COMMENT ON FUNCTION unsecure.execute_changes(auth.change[], text) IS
    'Carries out a plan without conflicts, in its order, and writes one audit row per change. _verifier: of the change whose object is '
    'password. RW507: PostgreSQL only warned. The caller holds unsecure.lock_roles.';

REVOKE ALL ON FUNCTION
    unsecure.role_name_problem(text),
    unsecure.require_read_committed(),
    unsecure.lock_roles(),
    unsecure.statements_of(auth.change[]),
    unsecure.hold_roles(text[]),
    unsecure.require_kept(text[]),
    unsecure.run_statements(auth.change[], text),
    unsecure.audit_changes(auth.change[]),
    unsecure.execute_changes(auth.change[], text)
FROM PUBLIC;
