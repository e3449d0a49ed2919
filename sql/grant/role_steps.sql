-- The steps that concern roles themselves: creating them, their logins, and what they are members of.

CREATE OR REPLACE FUNCTION unsecure.is_password_set(
    _role_oid oid,
    _login    jsonb
)
RETURNS boolean
LANGUAGE sql
STABLE
RETURN EXISTS (
    SELECT
    FROM unsecure.declared_password p
    WHERE p.role_oid = _role_oid
      AND p.digest = sha256(convert_to(
          CASE WHEN _login ? 'verifier' THEN _login ->> 'verifier'
               WHEN starts_with(_login ->> 'password', 'SCRAM-SHA-256$') THEN _login ->> 'password'
               ELSE unsecure.scram_secret(unsecure.saslprep(_login ->> 'password'), p.salt, p.iterations) END, 'UTF8')));

COMMENT ON FUNCTION unsecure.is_password_set(oid, jsonb) IS 'Whether the password of a login is the one that was set last.';

CREATE OR REPLACE FUNCTION unsecure.plan_logins(
    _roles   unsecure.planned_role[],
    _members jsonb,
    _caller  oid
)
RETURNS SETOF unsecure.grant_step
LANGUAGE sql
STABLE
AS $function$
    WITH role AS (
        SELECT r.*, r.login IS NOT NULL AS wants_login, nullif(unsecure.attribute_instant(r.login ->> 'valid_until'), 'infinity') AS until,
               coalesce((r.login ->> 'connection_limit')::integer, -1) AS wants_limit
        FROM unnest(_roles) AS r
        WHERE NOT r.is_public AND r.is_all_scope
    ), caller AS (
        SELECT c.rolname, c.rolsuper, c.rolsuper OR c.rolcreaterole AS may_create FROM pg_roles c WHERE c.oid = _caller
    ), step AS (
        SELECT 0 AS phase, 'conflict' AS action, r.role_name, NULL AS object, NULL AS statement, NULL AS reason, r.role_oid, r.name_problem AS problem
        FROM role r
        WHERE r.name_problem IS NOT NULL
        UNION ALL
        SELECT 10, 'alter', r.role_name, 'login', format('ALTER ROLE %I NOLOGIN', r.role_name), 'no login is declared', r.role_oid, NULL
        FROM role r
        WHERE r.can_login AND NOT r.wants_login AND NOT r.is_person
        UNION ALL
        SELECT 20, 'create', r.role_name, NULL,
               format('CREATE ROLE %I %s', r.role_name, CASE WHEN r.wants_login THEN 'LOGIN' ELSE 'NOLOGIN' END)
               || CASE WHEN r.wants_limit <> -1 THEN ' CONNECTION LIMIT ' || r.wants_limit ELSE '' END
               || CASE WHEN r.until IS NOT NULL THEN ' VALID UNTIL ' || unsecure.until_literal(r.until) ELSE '' END,
               'declared', NULL, NULL
        FROM role r
        WHERE r.role_oid IS NULL AND r.name_problem IS NULL
        UNION ALL
        SELECT DISTINCT 20, 'create', m.role, NULL, format('CREATE ROLE %I NOLOGIN', m.role), 'somebody is declared to be a member', NULL::oid,
               CASE WHEN unsecure.role_name_problem(m.role) IS NOT NULL THEN unsecure.role_name_problem(m.role) END
        FROM jsonb_to_recordset(_members) AS m (role_name text, role text)
        JOIN role r ON r.role_name = m.role_name
        WHERE r.missing = 'create'
          AND NOT EXISTS (SELECT FROM pg_roles a WHERE a.rolname = m.role)
          AND NOT EXISTS (SELECT FROM role o WHERE o.role_name = m.role)
        UNION ALL
        SELECT 70, 'alter', r.role_name, 'connection_limit', format('ALTER ROLE %I CONNECTION LIMIT %s', r.role_name, r.wants_limit), 'declared', r.role_oid, NULL
        FROM role r
        WHERE r.wants_login AND NOT r.is_person AND r.connection_limit <> r.wants_limit
        UNION ALL
        SELECT 70, 'alter', r.role_name, 'valid_until', format('ALTER ROLE %I VALID UNTIL ', r.role_name) || unsecure.until_literal(r.until), 'declared', r.role_oid, NULL
        FROM role r
        WHERE r.wants_login AND NOT r.is_person AND r.role_oid IS NOT NULL AND r.valid_until IS DISTINCT FROM r.until
        UNION ALL
        -- unsecure.grant_script puts the verifier in.
        SELECT 71, 'alter', r.role_name, 'password', format('ALTER ROLE %I PASSWORD ''********''', r.role_name), 'declared', r.role_oid, NULL
        FROM role r
        WHERE r.login ?| '{password,verifier}' AND NOT r.is_person
          -- Who may not set it shall not learn by it whether he has guessed it.
          AND NOT (unsecure.is_administrator() AND coalesce(unsecure.is_password_set(r.role_oid, r.login), false))
        UNION ALL
        SELECT 70, 'alter', r.role_name, 'attributes',
               format('ALTER ROLE %I', r.role_name) || CASE WHEN a.rolsuper THEN ' NOSUPERUSER' ELSE '' END || CASE WHEN a.rolcreaterole THEN ' NOCREATEROLE' ELSE '' END
               || CASE WHEN a.rolcreatedb THEN ' NOCREATEDB' ELSE '' END || CASE WHEN a.rolreplication THEN ' NOREPLICATION' ELSE '' END
               || CASE WHEN a.rolbypassrls THEN ' NOBYPASSRLS' ELSE '' END,
               'a role for many has no attributes', r.role_oid,
               CASE WHEN (a.rolsuper OR a.rolreplication OR a.rolbypassrls) AND NOT (SELECT c.rolsuper FROM caller c) THEN 'only a superuser can do that' END
        FROM role r
        JOIN pg_roles a ON a.oid = r.role_oid
        WHERE r.is_intermediate AND (a.rolsuper OR a.rolcreaterole OR a.rolcreatedb OR a.rolreplication OR a.rolbypassrls)
        UNION ALL
        SELECT 80, 'drop', r.role_name, NULL, format('DROP ROLE %I', r.role_name), 'nothing uses it', r.role_oid, NULL
        FROM role r
        WHERE r.is_unused
        UNION ALL
        SELECT 72, 'alter', r.role_name, 'login', format('ALTER ROLE %I LOGIN', r.role_name), 'declared', r.role_oid, NULL
        FROM role r
        WHERE r.wants_login AND NOT r.is_person AND NOT r.can_login
    )
    SELECT s.phase, s.action, s.role_name, s.object, s.statement, NULL, NULL, NULL, NULL, s.reason, NULL,
           CASE WHEN d.oid <> _caller THEN ARRAY[(SELECT r.rolname::text FROM pg_roles r WHERE r.oid = d.oid)] END,
           CASE WHEN s.problem IS NOT NULL THEN s.problem
                WHEN NOT c.may_create THEN format('%I needs CREATEROLE for that', c.rolname)
                WHEN s.role_oid IS NOT NULL AND d.oid IS NULL THEN format('%I does not administer the role: it needs it WITH ADMIN OPTION', c.rolname) END,
           NULL::text, NULL::oid, NULL::boolean
    FROM step s
    CROSS JOIN caller c
    -- OFFSET 0: once per row.
    CROSS JOIN LATERAL (SELECT CASE WHEN s.role_oid IS NOT NULL THEN unsecure.administrator_to_be(_caller, s.role_oid) END AS oid OFFSET 0) AS d;
$function$;

COMMENT ON FUNCTION unsecure.plan_logins(unsecure.planned_role[], jsonb, oid) IS 'The steps that create roles and give them the login that is declared, or take it.';

CREATE OR REPLACE FUNCTION unsecure.plan_memberships(
    _roles         unsecure.planned_role[],
    _members       jsonb,
    _via           jsonb,
    _intermediates text[],
    _caller        oid
)
RETURNS SETOF unsecure.grant_step
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_is_16  boolean := current_setting('server_version_num')::integer >= 160000;
    v_caller pg_roles;
    v_giver  pg_roles; -- of memberships in intermediate roles, when it is not the caller: what a superuser gives, nobody else can take away
BEGIN
    SELECT * INTO v_caller FROM pg_roles r WHERE r.oid = _caller;
    IF v_is_16 AND v_caller.rolsuper THEN
        SELECT * INTO v_giver FROM pg_roles r WHERE r.oid = unsecure.rolewright_owner() AND NOT r.rolsuper;
    END IF;
    RETURN QUERY
    WITH RECURSIVE role AS MATERIALIZED (
        SELECT * FROM unnest(_roles) AS r WHERE NOT r.is_public
    ), wanted AS MATERIALIZED (
        SELECT DISTINCT m.role_name, m.role AS group_name, coalesce(m.inherit, r.inherits) AS inherit_option, coalesce(m.set, true) AS set_option,
               coalesce(m.admin, false) AS admin_option, r.inherits, 'declared' AS reason, false AS is_via,
               CASE WHEN r.is_managed AND EXISTS (SELECT FROM auth.database_role d WHERE d.role_name = m.role AND d.role_kind = 'group' AND d.state <> 'deleted')
                    THEN format('%I is bound to groups: those say who is a member', m.role)
                    WHEN EXISTS (SELECT FROM auth.protected_role p WHERE p.role_name = m.role) THEN format('role %I is protected', m.role)
                    WHEN m.role = 'pg_database_owner' THEN 'PostgreSQL lets nobody be a member of it but the owner of the database'
                    WHEN starts_with(m.role, 'rolewright_via_') THEN 'such roles are for Rolewright to give' END AS problem
        FROM jsonb_to_recordset(_members) AS m (role_name text, role text, inherit boolean, set boolean, admin boolean)
        JOIN role r ON r.role_name = m.role_name
        -- Who is out has no membership, and gets none.
        WHERE r.is_all_scope AND NOT r.is_out
          AND (r.missing <> 'skip' OR EXISTS (SELECT FROM pg_roles a WHERE a.rolname = m.role) OR EXISTS (SELECT FROM role o WHERE o.role_name = m.role))
        UNION ALL
        SELECT v.role_name, v.role, true, false, false, r.inherits, 'declared, through a role of its own for many', true, NULL
        FROM jsonb_to_recordset(_via) AS v (role_name text, role text)
        JOIN role r ON r.role_name = v.role_name
        WHERE NOT r.is_out
    ), held AS MATERIALIZED (
        SELECT r.role_name, h.rolname::text AS group_name, m.roleid, m.member, m.grantor, g.rolname::text AS grantor_name,
               m.admin_option, m.inherit_option, m.set_option, m.grantor = CASE WHEN i.role_oid IS NOT NULL AND v_giver.oid IS NOT NULL THEN v_giver.oid WHEN v_caller.rolsuper THEN 10 ELSE _caller END AS is_ours
        FROM role r
        JOIN unsecure.membership m ON m.member = r.role_oid
        JOIN pg_roles h ON h.oid = m.roleid
        LEFT JOIN pg_roles g ON g.oid = m.grantor
        LEFT JOIN unsecure.known_intermediate i ON i.role_oid = h.oid
        -- What PostgreSQL 16 and later give to who makes a role.
        WHERE NOT (v_is_16 AND m.grantor = 10 AND m.admin_option AND NOT m.inherit_option AND NOT m.set_option AND h.oid >= 16384)
          AND (r.is_all_scope OR i.role_name IS NOT NULL)
          -- Groups say who of the people is in these.
          AND NOT (r.is_managed AND EXISTS (SELECT FROM auth.database_role d WHERE d.role_oid = h.oid AND d.role_kind = 'group' AND d.state <> 'deleted'))
          -- Another database's intermediate roles are that one's, and get nothing here.
          AND NOT (starts_with(h.rolname, 'rolewright_via_') AND unsecure.is_foreign_intermediate(h.oid))
    ), surplus AS MATERIALIZED (
        SELECT h.*, w.role_name IS NOT NULL AS is_wanted
        FROM held h
        LEFT JOIN wanted w ON w.role_name = h.role_name AND w.group_name = h.group_name
        WHERE w.role_name IS NULL
           OR v_is_16 AND NOT h.is_ours
              AND (h.admin_option AND NOT w.admin_option OR h.inherit_option AND NOT w.inherit_option OR h.set_option AND NOT w.set_option)
    ), missing AS MATERIALIZED (
        SELECT w.*, k.is_held
        FROM wanted w
        LEFT JOIN (
            SELECT h.role_name, h.group_name, true AS is_held, bool_or(h.admin_option) AS admin_option, bool_or(h.inherit_option) AS inherit_option,
                   bool_or(h.set_option) AS set_option
            FROM held h
            WHERE NOT EXISTS (SELECT FROM surplus s WHERE s.member = h.member AND s.roleid = h.roleid AND s.grantor = h.grantor)
              AND NOT EXISTS (SELECT FROM surplus s WHERE v_is_16 AND s.admin_option AND s.roleid = h.roleid AND s.member = h.grantor)
            GROUP BY h.role_name, h.group_name
        ) AS k ON k.role_name = w.role_name AND k.group_name = w.group_name
        WHERE w.problem IS NOT NULL
           OR k.admin_option IS DISTINCT FROM w.admin_option
           OR v_is_16 AND (k.inherit_option, k.set_option) IS DISTINCT FROM (w.inherit_option, w.set_option)
    ), dependent AS MATERIALIZED (
        -- Who was made a member by somebody whose right to do so ends (PostgreSQL 16 and later) would lose what that one gave.
        SELECT min(s.role_name) AS giver, s.member AS giver_oid, m.roleid, m.member, bool_or(m.admin_option) AS admin_option, bool_or(m.inherit_option) AS inherit_option,
               bool_or(m.set_option) AS set_option
        FROM surplus s
        JOIN unsecure.membership m ON m.roleid = s.roleid AND m.grantor = s.member
        WHERE v_is_16 AND s.admin_option
        GROUP BY s.member, m.roleid, m.member
    ), kept AS MATERIALIZED (
        -- With what they have from others, and what our own grant has, which is changed.
        SELECT min(d.giver) AS giver, d.roleid, d.member,
               bool_or(d.admin_option) AND d.member <> _caller OR coalesce(bool_or(o.admin_option), false) AS admin_option,
               bool_or(d.inherit_option) OR coalesce(bool_or(o.inherit_option), false) AS inherit_option,
               bool_or(d.set_option) OR coalesce(bool_or(o.set_option), false) AS set_option, bool_or(o.member IS NOT NULL) AS is_ours
        FROM dependent d
        LEFT JOIN unsecure.membership o
            ON o.roleid = d.roleid AND o.member = d.member AND o.grantor = CASE WHEN v_caller.rolsuper THEN 10 ELSE _caller END
        WHERE NOT EXISTS (SELECT FROM role r WHERE r.role_oid = d.member)
        GROUP BY d.roleid, d.member
        HAVING NOT EXISTS (
            SELECT
            FROM unsecure.membership x
            WHERE x.roleid = d.roleid AND x.member = d.member AND x.grantor <> ALL (array_agg(d.giver_oid))
            HAVING bool_or(x.admin_option) >= bool_or(d.admin_option) AND bool_or(x.inherit_option) >= bool_or(d.inherit_option)
               AND bool_or(x.set_option) >= bool_or(d.set_option))
    ), edge AS MATERIALIZED (
        -- Who will be a member of what.
        SELECT w.role_name AS member, w.group_name FROM wanted w WHERE NOT w.is_via
        UNION
        SELECT h.role_name, h.group_name
        FROM held h
        WHERE NOT EXISTS (SELECT FROM surplus s WHERE s.role_name = h.role_name AND s.group_name = h.group_name)
        UNION
        SELECT m.rolname::text, g.rolname::text
        FROM pg_auth_members a
        JOIN pg_roles m ON m.oid = a.member
        JOIN pg_roles g ON g.oid = a.roleid
        WHERE NOT EXISTS (SELECT FROM role r WHERE r.role_oid = a.member)
    ), reached (start, name) AS (
        SELECT DISTINCT m.group_name, m.group_name COLLATE "C" FROM missing m WHERE NOT m.is_via
        UNION
        SELECT r.start, e.group_name COLLATE "C"
        FROM reached r
        JOIN edge e ON e.member = r.name
    ), step AS (
        SELECT 46 AS phase, CASE WHEN m.is_held THEN 'alter' ELSE 'grant' END AS action, m.role_name, m.group_name,
               CASE WHEN NOT v_is_16 AND m.is_held AND NOT m.admin_option THEN format('REVOKE ADMIN OPTION FOR %I', m.group_name)
                    ELSE format('GRANT %I', m.group_name) END AS head,
               CASE WHEN NOT v_is_16 AND m.is_held AND NOT m.admin_option THEN ' FROM ' ELSE ' TO ' END AS preposition,
               substr(unsecure.grant_statement(m.group_name, m.role_name, m.inherits, m.inherit_option, m.set_option, m.admin_option, m.is_held),
                      length(format('GRANT %I TO %I', m.group_name, m.role_name)) + 1)
               || CASE WHEN m.is_via AND v_giver.oid IS NOT NULL THEN ' GRANTED BY ' || quote_ident(v_giver.rolname) ELSE '' END AS tail,
               m.reason, NULL::text AS actor,
               coalesce(m.problem, CASE WHEN EXISTS (SELECT FROM reached r WHERE r.start = m.group_name AND r.name = m.role_name)
                                        THEN format('%s is, or would be, a member of %s', quote_ident(m.group_name), quote_ident(m.role_name)) END) AS problem,
               NULL::oid AS grantor
        FROM missing m
        UNION ALL
        SELECT 44, 'grant', d.rolname, h.rolname, format('GRANT %I', h.rolname), ' TO ',
               substr(unsecure.grant_statement(h.rolname, d.rolname, d.rolinherit, x.inherit_option, x.set_option, x.admin_option, x.is_ours),
                      length(format('GRANT %I TO %I', h.rolname, d.rolname)) + 1),
               format('%I had given it', x.giver), NULL, NULL, NULL
        FROM kept x
        JOIN pg_roles d ON d.oid = x.member
        JOIN pg_roles h ON h.oid = x.roleid
        UNION ALL
        SELECT 45, 'revoke', s.role_name, s.group_name, format('REVOKE %I', s.group_name), ' FROM ',
               CASE WHEN v_is_16 THEN coalesce(format(' GRANTED BY %I', s.grantor_name), '') ELSE '' END
               || CASE WHEN EXISTS (SELECT FROM dependent d WHERE d.giver = s.role_name AND d.roleid = s.roleid) THEN ' CASCADE' ELSE '' END,
               CASE WHEN s.is_wanted THEN 'it has more options than are declared' ELSE 'not declared' END, NULL, NULL, CASE WHEN v_is_16 THEN s.grantor END
        FROM surplus s
    ), administrator AS MATERIALIZED (
        SELECT h.rolname, unsecure.administrator_to_be(_caller, h.oid) AS oid
        FROM (SELECT DISTINCT s.group_name FROM step s) AS g
        JOIN pg_roles h ON h.rolname = g.group_name
    )
    SELECT s.phase, s.action, s.role_name, quote_ident(s.group_name), s.head, NULL::text, s.preposition, s.role_name,
           CASE WHEN s.preposition = ' FROM ' AND s.action = 'alter' THEN '' ELSE s.tail END, s.reason,
           CASE WHEN y.way IN ('set', 'borrow') THEN g.rolname::text END,
           CASE WHEN y.way = 'borrow' THEN ARRAY[g.rolname::text]
                WHEN s.grantor IS NULL AND d.oid <> _caller THEN ARRAY[(SELECT r.rolname::text FROM pg_roles r WHERE r.oid = d.oid)] END,
           CASE WHEN s.problem IS NOT NULL THEN s.problem
                WHEN s.grantor = 10 AND NOT v_caller.rolsuper THEN 'a superuser gave it'
                WHEN s.grantor IS NOT NULL AND y.way IS NULL THEN format('%s gave it, and %I cannot act as that role', quote_ident(g.rolname), v_caller.rolname)
                WHEN s.grantor IS NULL AND d.rolname IS NOT NULL AND d.oid IS NULL
                    THEN format('%I does not administer %s: it needs it WITH ADMIN OPTION', v_caller.rolname, quote_ident(s.group_name)) END,
           NULL::text, NULL::oid, NULL::boolean
    FROM step s
    LEFT JOIN administrator d ON d.rolname = s.group_name
    LEFT JOIN pg_roles g ON g.oid = s.grantor
    LEFT JOIN LATERAL (SELECT CASE WHEN v_caller.rolsuper THEN 'own' ELSE unsecure.way_to_act(_caller, s.grantor) END AS way WHERE s.grantor IS NOT NULL) AS y ON true
    UNION ALL
    -- An intermediate role that is to be made; one of its name that is not ours has members that nobody knows of.
    SELECT 20, CASE WHEN a.oid IS NULL THEN 'create' ELSE 'conflict' END, n.name, NULL,
           CASE WHEN a.oid IS NULL THEN format('CREATE ROLE %I NOLOGIN', n.name) END, NULL, NULL, NULL, NULL, 'for many on one object', NULL, NULL,
           CASE WHEN a.oid IS NOT NULL THEN 'a role of this name exists that Rolewright did not make: drop it first'
                WHEN NOT v_caller.rolsuper AND NOT v_caller.rolcreaterole THEN format('%I needs CREATEROLE for that', v_caller.rolname) END,
           NULL, NULL, NULL
    FROM (SELECT DISTINCT u.name FROM unnest(_intermediates) AS u (name)) AS n
    LEFT JOIN pg_roles a ON a.rolname = n.name
    LEFT JOIN unsecure.known_intermediate i ON i.role_oid = a.oid
    WHERE i.role_name IS NULL
    UNION ALL
    -- So that Rolewright's owner can give memberships in it too, whoever made it.
    SELECT 21, NULL, n.name, NULL, format('GRANT %I TO %I WITH ADMIN TRUE, INHERIT FALSE, SET FALSE', n.name, w.rolname),
           NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    FROM (SELECT DISTINCT u.name FROM unnest(_intermediates) AS u (name)) AS n
    JOIN pg_roles w ON w.oid = unsecure.rolewright_owner() AND w.oid <> _caller AND NOT w.rolsuper
    WHERE v_is_16 AND NOT EXISTS (SELECT FROM pg_roles a WHERE a.rolname = n.name);
END;
$function$;

COMMENT ON FUNCTION unsecure.plan_memberships(unsecure.planned_role[], jsonb, jsonb, text[], oid) IS
    'The steps for memberships: those declared, and those in intermediate roles (_via), which are made where they are missing.';

REVOKE ALL ON FUNCTION
    unsecure.is_password_set(oid, jsonb),
    unsecure.plan_logins(unsecure.planned_role[], jsonb, oid),
    unsecure.plan_memberships(unsecure.planned_role[], jsonb, jsonb, text[], oid)
FROM PUBLIC;
