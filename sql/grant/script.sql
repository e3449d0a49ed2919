-- From steps to what is shown (auth.change) and to what is run: as few statements as can be, each with the role to run it as.

CREATE OR REPLACE FUNCTION unsecure.shown_steps(_steps unsecure.grant_step[])
RETURNS SETOF auth.change
LANGUAGE sql
IMMUTABLE
AS $function$
    SELECT row_number() OVER (ORDER BY s.problem IS NULL, s.nth)::integer, CASE WHEN s.problem IS NULL THEN s.action ELSE 'conflict' END,
           CASE s.role_name WHEN 'public' THEN 'PUBLIC' ELSE s.role_name END, s.object, unsecure.step_statement(s.step),
           coalesce(s.problem, s.reason)
    FROM (
        SELECT n.*, ROW(n.phase, n.action, n.role_name, n.object, n.head, n.target, n.preposition, n.grantee, n.tail, n.reason, n.actor, n.borrowed,
                        n.problem)::unsecure.grant_step AS step
        FROM unnest(_steps) WITH ORDINALITY AS n (phase, action, role_name, object, head, target, preposition, grantee, tail, reason, actor, borrowed, problem, nth)
        WHERE n.action IS NOT NULL
    ) AS s
    ORDER BY 1;
$function$;

COMMENT ON FUNCTION unsecure.shown_steps(unsecure.grant_step[]) IS 'A plan as it is shown: conflicts first; without the steps that are for the work alone.';

-- With whose name a membership that the caller gives himself is recorded (PostgreSQL 16 and later).
CREATE OR REPLACE FUNCTION unsecure.own_grantor(
    _caller oid,
    _role   oid
)
RETURNS oid
LANGUAGE sql
STABLE
AS $function$
    SELECT coalesce(
        (SELECT m.member FROM pg_auth_members m WHERE m.roleid = _role AND m.admin_option AND pg_has_role(_caller, m.member, 'USAGE')
         ORDER BY m.member <> _caller, m.member LIMIT 1),
        _caller);
$function$;

COMMENT ON FUNCTION unsecure.own_grantor(oid, oid) IS 'The role that administers this one, and that the caller is or inherits from.';

-- Memberships that the caller needs for the work, and how they end: what he had before stays as it was.
CREATE OR REPLACE FUNCTION unsecure.borrowing(
    _role_names text[],
    _caller     oid
)
RETURNS TABLE (takes text, returns text)
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_is_16  boolean := current_setting('server_version_num')::integer >= 160000;
    v_caller text := (SELECT r.rolname FROM pg_roles r WHERE r.oid = _caller);
BEGIN
    RETURN QUERY
    SELECT format('GRANT %I TO %I', n.name, v_caller)
           || CASE WHEN v_is_16 THEN format(' WITH INHERIT TRUE, SET TRUE GRANTED BY %I', g.rolname) ELSE '' END,
           CASE WHEN m.member IS NOT NULL
                THEN format('GRANT %I TO %I WITH ADMIN %s, INHERIT %s, SET %s GRANTED BY %I', n.name, v_caller,
                            upper(m.admin_option::text), upper(m.inherit_option::text), upper(m.set_option::text), g.rolname)
                ELSE format('REVOKE %I FROM %I', n.name, v_caller) || CASE WHEN v_is_16 THEN format(' GRANTED BY %I', g.rolname) ELSE '' END END
    FROM (SELECT DISTINCT u.name FROM unnest(_role_names) AS u (name)) AS n
    LEFT JOIN pg_roles r ON r.rolname = n.name
    JOIN pg_roles g ON g.oid = unsecure.own_grantor(_caller, r.oid)
    LEFT JOIN unsecure.membership m ON m.roleid = r.oid AND m.member = _caller AND (m.grantor = g.oid OR NOT v_is_16)
    -- Up to PostgreSQL 15 a member is a member.
    WHERE m.member IS NULL OR v_is_16
    ORDER BY n.name COLLATE "C";
END;
$function$;

COMMENT ON FUNCTION unsecure.borrowing(text[], oid) IS 'The statements by which the caller becomes a member of these roles, and those that undo them.';

CREATE OR REPLACE FUNCTION unsecure.grant_script(
    _steps     unsecure.grant_step[],
    _caller    oid,
    _verifiers jsonb
)
RETURNS TABLE (statement text, actor text)
LANGUAGE sql
STABLE
AS $function$
    WITH step AS MATERIALIZED (
        SELECT * FROM unnest(_steps) WITH ORDINALITY AS n (phase, action, role_name, object, head, target, preposition, grantee, tail, reason, actor, borrowed, problem, nth)
    ), listed AS (
        -- All the objects of one role, and then all the roles with the same objects.
        SELECT s.phase, s.head, s.preposition, s.tail, s.actor, s.grantee, string_agg(s.target, ', ' ORDER BY s.nth) AS targets, min(s.nth) AS nth
        FROM step s
        WHERE s.preposition IS NOT NULL
        GROUP BY s.phase, s.head, s.preposition, s.tail, s.actor, s.grantee
    ), script AS (
        SELECT l.phase, min(l.nth) AS nth,
               l.head || coalesce(' ' || l.targets, '') || l.preposition
               || string_agg(CASE l.grantee WHEN 'public' THEN 'PUBLIC' ELSE quote_ident(l.grantee) END, ', ' ORDER BY l.nth) || l.tail AS statement,
               l.actor
        FROM listed l
        GROUP BY l.phase, l.head, l.targets, l.preposition, l.tail, l.actor
        UNION ALL
        SELECT s.phase, s.nth,
               CASE WHEN s.object = 'password' AND s.action = 'alter'
                    THEN CASE WHEN _verifiers IS NULL THEN '-- a password is set here, which is not shown'
                              ELSE format('ALTER ROLE %I PASSWORD %L', s.role_name, _verifiers ->> s.role_name) END
                    ELSE s.head END,
               s.actor
        FROM step s
        WHERE s.preposition IS NULL
        UNION ALL
        SELECT w.phase, 0, w.statement, NULL
        FROM (SELECT array_agg(b) AS names FROM step s CROSS JOIN LATERAL unnest(s.borrowed) AS b) AS n
        CROSS JOIN LATERAL unsecure.borrowing(n.names, _caller) AS b
        CROSS JOIN LATERAL (VALUES (22, b.takes), (90, b.returns)) AS w (phase, statement)
    )
    SELECT c.statement, c.actor FROM script c ORDER BY c.phase, c.actor NULLS FIRST, c.nth;
$function$;

COMMENT ON FUNCTION unsecure.grant_script(unsecure.grant_step[], oid, jsonb) IS
    'The statements of a plan in order, and the role to SET ROLE to for each (NULL: none). _verifiers: of the roles whose password is set; NULL: '
    'a comment in their place.';

CREATE OR REPLACE FUNCTION auth.plan_hash(_changes auth.change[])
RETURNS text
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT encode(sha256(convert_to(format('%s', current_database()) || coalesce((
        SELECT string_agg(E'\n' || concat_ws(' ', c.action, c.statement), '' ORDER BY c.ordinal) FROM unnest(_changes) AS c), ''), 'UTF8')), 'hex');
$function$;

COMMENT ON FUNCTION auth.plan_hash(auth.change[]) IS
    'Tells one plan from another: SHA-256 in hexadecimal over the name of the connected database and the actions and statements in their order.';

CREATE OR REPLACE FUNCTION auth.change_hazards(_change auth.change)
RETURNS text[]
LANGUAGE sql
IMMUTABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT array_remove(ARRAY[
        CASE WHEN _change.action IN ('revoke', 'drop') OR _change.statement LIKE 'ALTER ROLE % NOLOGIN' OR _change.statement LIKE 'ALTER % OWNER TO %'
                  OR _change.object = 'valid_until' AND _change.action = 'alter'
             THEN 'loses access' END,
        CASE WHEN _change.statement LIKE 'ALTER % OWNER TO %' THEN 'touches ownership' END,
        CASE WHEN _change.statement ~ '^ALTER (TABLE|VIEW|MATERIALIZED VIEW|FOREIGN TABLE|SEQUENCE) ' THEN 'takes a lock' END,
        CASE WHEN _change.statement LIKE '% CASCADE' THEN 'takes away what was given on' END,
        CASE WHEN _change.statement LIKE '% TO PUBLIC%' THEN 'gives to everybody' END,
        CASE WHEN _change.object = 'password' AND _change.action = 'alter' THEN 'sets a password' END], NULL);
$function$;

COMMENT ON FUNCTION auth.change_hazards(auth.change) IS
    'What to look at twice in a change: loses access, touches ownership, takes a lock (ACCESS EXCLUSIVE, until the transaction ends), takes away '
    'what was given on, gives to everybody, sets a password; {}: nothing.';

REVOKE ALL ON FUNCTION
    unsecure.shown_steps(unsecure.grant_step[]),
    unsecure.own_grantor(oid, oid),
    unsecure.borrowing(text[], oid),
    unsecure.grant_script(unsecure.grant_step[], oid, jsonb),
    auth.plan_hash(auth.change[]),
    auth.change_hazards(auth.change)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.plan_hash(auth.change[]), auth.change_hazards(auth.change) TO rolewright_operator, rolewright_auditor;
