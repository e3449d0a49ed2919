-- Desired minus actual, as rows. Nothing is written here; whoever applies the rows holds unsecure.lock_roles.

CREATE OR REPLACE FUNCTION unsecure.plan_roles(
    _user_ids   uuid[] DEFAULT NULL,
    _role_names text[] DEFAULT NULL
)
RETURNS SETOF auth.change
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
SET quote_all_identifiers = off
SET plan_cache_mode = auto -- these are set below, and with this no longer than the function runs
SET enable_nestloop = on
SET enable_hashjoin = on
SET enable_mergejoin = on
AS $function$
DECLARE
    v_all       boolean := _user_ids IS NULL AND _role_names IS NULL;
    v_is_16     boolean := current_setting('server_version_num')::integer >= 160000;
    v_owner     pg_roles;
    v_grantor   oid; -- with whose name the owner grants
    v_concerned record := unsecure.concerned_roles(_user_ids, _role_names);
    v_users     uuid[];
BEGIN
    -- PostgreSQL cannot know how many rows the steps give to each other. A few roles: by index, and not planned each time, which would
    -- take longer than running. Many: by hash.
    IF cardinality(v_concerned.role_ids) + cardinality(v_concerned.new_users) <= 20 AND NOT v_all THEN
        PERFORM set_config('plan_cache_mode', 'force_generic_plan', true),
                set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true);
    ELSE
        PERFORM set_config('plan_cache_mode', 'force_custom_plan', true), set_config('enable_nestloop', 'off', true);
    END IF;
    SELECT * INTO v_owner FROM pg_roles r WHERE r.oid = unsecure.rolewright_owner();
    v_grantor := CASE WHEN v_owner.rolsuper THEN 10 ELSE v_owner.oid END;
    v_users := ARRAY(SELECT r.user_id FROM auth.database_role r WHERE r.database_role_id = ANY (v_concerned.role_ids) AND r.state = 'active')
               || v_concerned.new_users;

    RETURN QUERY
    WITH RECURSIVE login AS MATERIALIZED (
        SELECT l.database_role_id, l.role_name, l.state, l.strips_elevated, l.can_login, l.attributes, l.reason, l.user_id,
               coalesce(NOT l.can_login, false) AS is_out,
               a.oid, a.rolcanlogin, a.rolsuper, a.rolcreatedb, a.rolcreaterole, a.rolreplication, a.rolbypassrls, a.rolconnlimit,
               coalesce(a.rolinherit, (l.attributes ->> 'inherit')::boolean, true) AS rolinherit,
               coalesce(l.problem, unsecure.role_mismatch(l.role_name, l.role_oid, a.rolname, n.oid), CASE
                   WHEN a.oid IS NULL AND l.role_oid IS NOT NULL AND l.can_login IS NULL
                       THEN 'somebody dropped the role; auth.sync_identity makes it anew, auth.release_role forgets it'
               END) AS problem
        FROM unsecure.desired_logins(v_concerned.role_ids, v_concerned.new_users) AS l
        LEFT JOIN pg_roles a ON a.oid = l.role_oid
        LEFT JOIN pg_roles n ON n.rolname = l.role_name
    ), grouprole AS MATERIALIZED (
        SELECT g.database_role_id, g.role_name, a.oid, a.rolsuper,
               unsecure.role_mismatch(g.role_name, g.role_oid, a.rolname, n.oid) AS problem
        FROM auth.database_role g
        LEFT JOIN pg_roles a ON a.oid = g.role_oid
        LEFT JOIN pg_roles n ON n.rolname = g.role_name
        WHERE g.role_kind = 'group' AND g.state <> 'deleted'
    ), wanted AS MATERIALIZED (
        SELECT l.role_name, g.role_name AS group_name, l.oid, g.oid AS group_oid, g.rolsuper, g.problem, l.rolinherit,
               bool_or(coalesce(w.inherit_option, l.rolinherit)) AS inherit_option,
               bool_or(w.set_option) AS set_option, bool_or(w.admin_option) AS admin_option,
               bool_or(w.by_administrator) AS by_administrator, array_agg(w.group_code) AS group_codes
        FROM (
            SELECT l.role_name, r.database_role_id, r.inherit_option, r.set_option, r.admin_option, r.by_administrator, ug.code AS group_code
            FROM unsecure.bound_groups(v_users) AS b
            JOIN login l ON l.user_id = b.user_id
            JOIN auth.group_role r ON r.user_group_id = b.user_group_id
            JOIN auth.user_group ug ON ug.user_group_id = b.user_group_id
            WHERE NOT l.is_out AND l.problem IS NULL -- also since another user may want the name
            UNION ALL
            SELECT l.role_name, m.group_role_id, m.inherit_option, m.set_option, m.admin_option, m.by_administrator, NULL
            FROM auth.role_membership m
            JOIN login l ON l.database_role_id = m.database_role_id
            WHERE NOT l.is_out AND l.problem IS NULL
        ) AS w
        JOIN login l ON l.role_name = w.role_name AND l.problem IS NULL
        JOIN grouprole g ON g.database_role_id = w.database_role_id
        GROUP BY l.role_name, g.role_name, l.oid, g.oid, g.rolsuper, g.problem, l.rolinherit
    ), held AS MATERIALIZED (
        SELECT l.role_name, l.is_out, l.reason, l.state, h.rolname AS group_name, h.rolsuper, m.roleid, m.member, m.grantor,
               m.admin_option, m.inherit_option, m.set_option, g.oid IS NOT NULL AS is_managed,
               m.grantor = v_grantor AS is_ours
        FROM login l
        JOIN unsecure.membership m ON m.member = l.oid
        JOIN pg_roles h ON h.oid = m.roleid
        LEFT JOIN grouprole g ON g.oid = m.roleid AND g.problem IS NULL
        WHERE l.problem IS NULL
    ), surplus AS MATERIALIZED (
        -- Memberships to end: of who is out, all; else those in managed roles that nothing wants, or with options that nothing wants
        -- (our own grant gets its options changed instead).
        SELECT h.*, CASE WHEN h.is_out THEN h.reason
                         WHEN w.role_name IS NULL THEN concat_ws('; ', h.reason, 'nothing gives this membership any more')
                         ELSE 'it has more options than were given' END AS why
        FROM held h
        LEFT JOIN wanted w ON w.role_name = h.role_name AND w.group_oid = h.roleid
        WHERE h.is_out
           OR h.is_managed AND w.role_name IS NULL
           OR h.is_managed AND v_is_16 AND NOT h.is_ours
              AND (h.admin_option AND NOT w.admin_option OR h.inherit_option AND NOT w.inherit_option OR h.set_option AND NOT w.set_option)
    ), missing AS MATERIALIZED (
        SELECT w.*, k.is_held
        FROM wanted w
        LEFT JOIN (
            SELECT h.role_name, h.roleid, true AS is_held,
                   bool_or(h.admin_option) FILTER (WHERE s.role_name IS NULL)   AS admin_option,
                   bool_or(h.inherit_option) FILTER (WHERE s.role_name IS NULL) AS inherit_option,
                   bool_or(h.set_option) FILTER (WHERE s.role_name IS NULL)     AS set_option
            FROM held h
            LEFT JOIN surplus s ON s.role_name = h.role_name AND s.roleid = h.roleid AND s.grantor = h.grantor
            GROUP BY h.role_name, h.roleid
        ) AS k ON k.role_name = w.role_name AND k.roleid = w.group_oid
        WHERE w.problem IS NULL
          AND (k.admin_option IS DISTINCT FROM w.admin_option
               OR v_is_16 AND (k.inherit_option, k.set_option) IS DISTINCT FROM (w.inherit_option, w.set_option))
    ), dependent (roleid, member, admin_option, inherit_option, set_option, leaver) AS (
        -- Who was made a member by somebody whose right to do so ends (PostgreSQL 16 and later) would go with it.
        SELECT m.roleid, m.member, m.admin_option, m.inherit_option, m.set_option, s.member
        FROM surplus s
        JOIN unsecure.membership m ON m.roleid = s.roleid AND m.grantor = s.member
        WHERE v_is_16 AND s.admin_option
        UNION
        SELECT m.roleid, m.member, m.admin_option, m.inherit_option, m.set_option, d.leaver
        FROM dependent d
        JOIN unsecure.membership m ON m.roleid = d.roleid AND m.grantor = d.member
    ), reached (oid) AS (
        -- Whose rights the owner has, and what it may administer.
        SELECT v_owner.oid
        UNION
        SELECT m.roleid
        FROM reached r
        JOIN unsecure.membership m ON m.member = r.oid AND m.inherit_option
    ), administered AS (
        SELECT m.roleid AS oid
        FROM reached r
        JOIN pg_auth_members m ON m.member = r.oid AND m.admin_option
    ), setting AS (
        SELECT l.role_name, l.oid, l.reason, s.key AS name, unsecure.setting_statement(l.role_name, NULL, s.key, s.value) AS statement
        FROM login l
        CROSS JOIN LATERAL jsonb_each(l.attributes -> 'settings') AS s
        WHERE NOT l.is_out AND l.problem IS NULL AND l.attributes ? 'settings'
          AND unsecure.setting_value(s.key, s.value)
              IS DISTINCT FROM (SELECT substr(c, length(s.key) + 2)
                                FROM pg_db_role_setting d, unnest(d.setconfig) AS c
                                WHERE d.setrole = l.oid AND d.setdatabase = 0 AND starts_with(lower(c), lower(s.key) || '='))
    ), change AS (
        -- 10: logins end first.
        SELECT 10 AS phase, 'alter' AS action, l.role_name, 'login' AS object, format('ALTER ROLE %I NOLOGIN', l.role_name) AS statement,
               l.reason, l.oid AS alters, NULL::oid AS administers, NULL::oid AS grantor, NULL::boolean AS may_set, false AS is_given, true AS by_administrator
        FROM login l
        WHERE l.problem IS NULL AND l.is_out AND l.rolcanlogin
        UNION ALL
        SELECT 20, 'alter', l.role_name, e.attribute, format('ALTER ROLE %I NO%s', l.role_name, upper(e.attribute)), l.reason, l.oid, NULL, NULL,
               e.may_set, false, true
        FROM login l
        CROSS JOIN LATERAL (VALUES
            ('superuser', l.rolsuper, false),
            ('createdb', l.rolcreatedb, NOT v_is_16 OR v_owner.rolcreatedb),
            ('createrole', l.rolcreaterole, true),
            ('replication', l.rolreplication, v_is_16 AND v_owner.rolreplication),
            ('bypassrls', l.rolbypassrls, v_is_16 AND v_owner.rolbypassrls)) AS e (attribute, has_it, may_set)
        WHERE l.problem IS NULL AND l.state <> 'active' AND l.strips_elevated AND e.has_it
        UNION ALL
        SELECT 30, 'create', g.role_name, NULL, format('CREATE ROLE %I NOLOGIN', g.role_name), 'bound to a group', NULL, NULL, NULL, NULL, false, true
        FROM grouprole g
        WHERE g.problem IS NULL AND g.oid IS NULL
          AND (v_all AND EXISTS (SELECT FROM auth.group_role b WHERE b.database_role_id = g.database_role_id)
               OR g.role_name IN (SELECT w.group_name FROM wanted w))
        UNION ALL
        SELECT 40, 'create', l.role_name, NULL,
               format('CREATE ROLE %I LOGIN', l.role_name) || CASE WHEN l.rolinherit THEN '' ELSE ' NOINHERIT' END
               || coalesce(' CONNECTION LIMIT ' || (l.attributes ->> 'connection_limit')::numeric::integer, ''),
               l.reason, NULL, NULL, NULL, NULL, false, true
        FROM login l
        WHERE l.problem IS NULL AND NOT l.is_out AND l.oid IS NULL
        UNION ALL
        SELECT 50, 'grant', d.rolname, h.rolname,
               unsecure.grant_statement(h.rolname, d.rolname, d.rolinherit, x.inherit_option, x.set_option, x.admin_option),
               format('%I had given it', l.role_name), NULL, x.roleid, NULL, NULL, false, true
        FROM dependent x
        JOIN login l ON l.oid = x.leaver
        JOIN pg_roles d ON d.oid = x.member
        JOIN pg_roles h ON h.oid = x.roleid
        -- Nobody gives a right to whom he has it from.
        WHERE x.member <> v_owner.oid
        -- Managed memberships of managed members come back by themselves, or are not wanted.
          AND NOT EXISTS (SELECT FROM login o
                          WHERE o.oid = x.member AND (o.is_out OR EXISTS (SELECT FROM grouprole k WHERE k.oid = x.roleid)))
          AND NOT EXISTS (SELECT FROM pg_auth_members m
                          WHERE m.roleid = x.roleid AND m.member = x.member AND m.grantor = v_grantor)
        UNION ALL
        SELECT 60, 'revoke', s.role_name, s.group_name,
               format('REVOKE %I FROM %I', s.group_name, s.role_name)
               || CASE WHEN v_is_16 THEN coalesce(format(' GRANTED BY %I', (SELECT r.rolname FROM pg_roles r WHERE r.oid = s.grantor)), '') ELSE '' END
               || CASE WHEN EXISTS (SELECT FROM dependent d WHERE d.roleid = s.roleid AND d.leaver = s.member) THEN ' CASCADE' ELSE '' END,
               s.why, NULL, s.roleid, CASE WHEN v_is_16 THEN s.grantor END, NULL, false, true
        FROM surplus s
        UNION ALL
        SELECT 70, 'alter', l.role_name, 'login', format('ALTER ROLE %I LOGIN', l.role_name), l.reason, l.oid, NULL, NULL, NULL, false, true
        FROM login l
        WHERE l.problem IS NULL AND l.can_login AND NOT l.rolcanlogin
        UNION ALL
        SELECT 70, 'alter', l.role_name, 'inherit',
               format('ALTER ROLE %I %s', l.role_name, CASE WHEN (l.attributes ->> 'inherit')::boolean THEN 'INHERIT' ELSE 'NOINHERIT' END),
               l.reason, l.oid, NULL, NULL, NULL, true, true
        FROM login l
        WHERE l.problem IS NULL AND NOT l.is_out AND l.oid IS NOT NULL AND (l.attributes ->> 'inherit')::boolean <> l.rolinherit
        UNION ALL
        SELECT 70, 'alter', l.role_name, 'connection_limit',
               format('ALTER ROLE %I CONNECTION LIMIT %s', l.role_name, (l.attributes ->> 'connection_limit')::numeric::integer),
               l.reason, l.oid, NULL, NULL, NULL, true, true
        FROM login l
        WHERE l.problem IS NULL AND NOT l.is_out AND (l.attributes ->> 'connection_limit')::numeric::integer <> l.rolconnlimit
        UNION ALL
        SELECT 71, 'alter', s.role_name, 'setting ' || s.name, s.statement, s.reason, s.oid, NULL, NULL, NULL, true, true
        FROM setting s
        UNION ALL
        SELECT 80, CASE WHEN m.is_held THEN 'alter' ELSE 'grant' END, m.role_name, m.group_name,
               CASE WHEN v_is_16 OR m.is_held IS NULL OR m.admin_option
                    THEN unsecure.grant_statement(m.group_name, m.role_name, m.rolinherit, m.inherit_option, m.set_option, m.admin_option,
                                                  m.is_held)
                    ELSE format('REVOKE ADMIN OPTION FOR %I FROM %I', m.group_name, m.role_name) END,
               (SELECT string_agg(coalesce('in group ' || c, 'given by auth.manage_relationship'), ', ' ORDER BY c) FROM unnest(m.group_codes) AS c),
               NULL, m.group_oid, NULL, NULL, false, m.by_administrator
        FROM missing m
        UNION ALL
        SELECT 0, 'conflict', p.role_name, NULL, NULL, p.problem, NULL, NULL, NULL, NULL, false, true
        FROM (
            SELECT l.role_name, l.problem FROM login l
            UNION
            SELECT g.role_name, g.problem FROM grouprole g WHERE v_all OR g.role_name IN (SELECT w.group_name FROM wanted w)
        ) AS p
        WHERE p.problem IS NOT NULL
    ), refused AS (
        -- What Rolewright's own rules forbid, whoever asks.
        SELECT c.*, CASE
                   WHEN c.action = 'conflict' THEN NULL
                   WHEN c.phase <> 50 AND u.why IS NOT NULL THEN u.why
                   WHEN c.action = 'grant' AND p.role_name IS NOT NULL THEN format('role %I is protected', c.object)
                   WHEN c.action = 'grant' AND NOT c.by_administrator AND c.administers IN (SELECT g.oid FROM grouprole g WHERE unsecure.is_elevated(g.oid))
                       THEN format('role %I is elevated since an operator bound it: an administrator has to bind it again', c.object)
                   -- A provider is an operator's to change, and a setting such as search_path reaches far.
                   WHEN c.is_given AND unsecure.is_elevated(c.alters)
                       THEN 'the role is elevated: what a provider gives it is set by an administrator (auth.sync_identity)'
               END AS refusal
        FROM change c
        LEFT JOIN unsecure.untouchable_role u ON u.role_name = c.role_name
        LEFT JOIN auth.protected_role p ON p.role_name = c.object
    ), judged AS (
        SELECT c.*, CASE
                   WHEN c.action = 'conflict' THEN NULL
                   WHEN c.refusal IS NOT NULL THEN c.refusal
                   WHEN c.action = 'grant' AND NOT g.rolsuper
                        AND pg_has_role(c.administers, (SELECT m.oid FROM pg_roles m WHERE m.rolname = c.role_name), 'MEMBER')
                       THEN format('role %I is itself a member of role %I', c.object, c.role_name)
                   WHEN v_is_16 AND c.phase = 60
                        AND EXISTS (SELECT FROM dependent d JOIN login l ON l.oid = d.leaver
                                    WHERE d.roleid = c.administers AND l.role_name = c.role_name AND d.member = v_owner.oid)
                       THEN format('%I administers role %I through this role: a superuser has to grant it first', v_owner.rolname, c.object)
                   WHEN v_owner.rolsuper THEN NULL
                   WHEN NOT v_owner.rolcreaterole THEN format('%I lacks CREATEROLE', v_owner.rolname)
                   WHEN c.alters IS NOT NULL AND (a.rolsuper OR NOT v_is_16 AND a.rolreplication OR NOT coalesce(c.may_set, true))
                       THEN format('%I may not change this of role %I; a superuser may', v_owner.rolname, c.role_name)
                   WHEN v_is_16 AND c.alters IS NOT NULL AND c.alters NOT IN (SELECT d.oid FROM administered d)
                       THEN format('%I lacks ADMIN OPTION on role %I: GRANT %2$I TO %1$I WITH ADMIN OPTION', v_owner.rolname, c.role_name)
                   WHEN c.administers IS NOT NULL AND g.rolsuper
                       THEN format('role %I is a superuser, so only superusers change its members', c.object)
                   WHEN v_is_16 AND c.administers IS NOT NULL AND c.administers NOT IN (SELECT d.oid FROM administered d)
                       THEN format('%I lacks ADMIN OPTION on role %I: GRANT %2$I TO %1$I WITH ADMIN OPTION', v_owner.rolname, c.object)
                   WHEN c.grantor IS NOT NULL AND c.grantor NOT IN (SELECT r.oid FROM reached r)
                       THEN format('role %I granted it, whose rights %I does not have',
                                   (SELECT r.rolname FROM pg_roles r WHERE r.oid = c.grantor), v_owner.rolname)
               END AS obstacle
        FROM refused c
        LEFT JOIN pg_roles a ON a.oid = c.alters
        LEFT JOIN pg_roles g ON g.oid = c.administers
    )
    SELECT row_number() OVER (ORDER BY j.obstacle IS NULL, j.phase, CASE WHEN j.phase IN (60, 80) THEN j.object END COLLATE "C",
                                           j.grantor, j.role_name COLLATE "C", j.object COLLATE "C", j.statement COLLATE "C")::integer,
           CASE WHEN j.obstacle IS NULL THEN j.action ELSE 'conflict' END,
           j.role_name, j.object::text, CASE WHEN j.refusal IS NULL THEN j.statement END, concat_ws('; ', j.obstacle, j.reason)
    FROM judged j
    ORDER BY 1;
END;
$function$;

COMMENT ON FUNCTION unsecure.plan_roles(uuid[], text[]) IS
    'What would change the roles of these users and of these names (both NULL: all) into what they should be. Conflicts come first: a '
    'name that cannot be had, or a right that the owner lacks, with the statement for a superuser.';

REVOKE ALL ON FUNCTION unsecure.plan_roles(uuid[], text[]) FROM PUBLIC;
