-- Whether somebody is out: what PostgreSQL and the identity room say, not what Rolewright meant to do.

-- Like unsecure.find_person, and those whose role was deleted: there is no such role any more, but there may be sessions of it.
CREATE OR REPLACE FUNCTION unsecure.find_leaver(
    _username text,
    OUT user_id          uuid,
    OUT database_role_id uuid,
    OUT role_name        text, -- in the registry
    OUT role_oid         oid,  -- also of a deleted one
    OUT actual_name      text, -- NULL: there is no such role
    OUT state            text
)
LANGUAGE plpgsql
STABLE
AS $function$
DECLARE
    v_person record;
    v_role   auth.database_role;
BEGIN
    IF NOT EXISTS (SELECT FROM auth.database_role r WHERE r.role_name = _username AND r.state = 'deleted')
       OR EXISTS (SELECT FROM auth.database_role r WHERE r.role_name = _username AND r.state <> 'deleted')
       OR EXISTS (SELECT FROM auth.user_info u WHERE lower(u.username) = lower(_username))
    THEN
        v_person := unsecure.find_person(_username);
        user_id  := v_person.user_id;
        SELECT * INTO v_role FROM auth.database_role r WHERE r.database_role_id = v_person.database_role_id;
    END IF;
    IF v_role.database_role_id IS NULL THEN
        SELECT * INTO v_role
        FROM auth.database_role r
        WHERE r.state = 'deleted'
          AND (r.user_id = find_leaver.user_id OR find_leaver.user_id IS NULL AND r.role_name = _username)
        ORDER BY r.state_changed_at DESC
        LIMIT 1;
    END IF;
    user_id          := coalesce(user_id, v_role.user_id);
    database_role_id := v_role.database_role_id;
    role_name        := v_role.role_name;
    state            := v_role.state;
    role_oid         := CASE v_role.state WHEN 'deleted' THEN (v_role.recorded ->> 'role_oid')::oid ELSE v_role.role_oid END;
    actual_name      := (SELECT r.rolname FROM pg_roles r WHERE r.oid = find_leaver.role_oid);
END;
$function$;

COMMENT ON FUNCTION unsecure.find_leaver(text) IS
    'unsecure.find_person that also finds whose role was deleted, and what the role is called now. RW011, RW512: as there.';

REVOKE ALL ON FUNCTION unsecure.find_leaver(text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.leaver_proof(_username text)
RETURNS TABLE (way text, object text, grantor text, detail text)
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $function$
DECLARE
    v_leaver record := unsecure.find_leaver(_username);
BEGIN
    -- Also rows of a role that is gone: a GRANT that met a DROP ROLE can leave one.
    RETURN QUERY
    SELECT 'membership', format('%s', coalesce(quote_ident(h.rolname), m.roleid::text)), coalesce(g.rolname::text, m.grantor::text),
           concat_ws(', ', CASE WHEN m.admin_option THEN 'admin' END,
                     -- PostgreSQL 16 and later.
                     CASE WHEN (to_jsonb(m) ->> 'inherit_option')::boolean THEN 'inherit' END,
                     CASE WHEN (to_jsonb(m) ->> 'set_option')::boolean THEN 'set' END)
    FROM pg_auth_members m
    LEFT JOIN pg_roles h ON h.oid = m.roleid
    LEFT JOIN pg_roles g ON g.oid = m.grantor
    WHERE m.member = v_leaver.role_oid
    ORDER BY 2, 3;

    RETURN QUERY
    SELECT CASE WHEN d.dependency = 'owner' THEN 'ownership' ELSE 'privilege' END, d.object, d.grantor,
           concat_ws(', ', nullif(d.dependency, 'owner'), d.kind, 'database ' || quote_ident(d.database))
    FROM unsecure.role_dependencies(v_leaver.role_oid) AS d
    WHERE d.dependency = 'owner'
       OR d.grantee_oid = v_leaver.role_oid
    ORDER BY 1, d.database NULLS FIRST, 2, 4, 3;

    RETURN QUERY
    SELECT 'session', format('pid %s', a.pid), NULL::text,
           concat_ws(', ', 'database ' || quote_ident(a.datname), 'application ' || to_json(nullif(a.application_name, ''))::text,
                     'since ' || a.backend_start)
    FROM pg_stat_activity a
    WHERE a.usesysid = v_leaver.role_oid
    ORDER BY a.pid;

    RETURN QUERY
    SELECT 'credential', format('role %I', r.rolname), NULL::text,
           CASE WHEN r.rolvaliduntil < 'infinity' THEN 'can log in until ' || r.rolvaliduntil ELSE 'can log in' END
    FROM pg_roles r
    WHERE r.oid = v_leaver.role_oid AND r.rolcanlogin AND coalesce(r.rolvaliduntil > statement_timestamp(), true);

    RETURN QUERY
    SELECT 'credential', c.object, NULL::text, c.detail
    FROM auth.user_info u
    CROSS JOIN LATERAL (
        SELECT 'user ' || to_json(u.username)::text AS object, 'active' AS detail
        UNION ALL
        SELECT 'identity ' || to_json(i.provider_user_id)::text, 'active at provider ' || p.code
        FROM auth.user_identity i
        JOIN auth.provider p ON p.provider_id = i.provider_id
        WHERE i.user_id = u.user_id AND i.is_active AND p.is_active
    ) AS c
    WHERE u.user_id = v_leaver.user_id AND u.is_active AND NOT u.is_locked
    ORDER BY c.object DESC;
END;
$function$;

COMMENT ON FUNCTION auth.leaver_proof(text) IS
    'Every way in that a person still has, one row each; no rows: out. way: membership (one row per grantor), privilege (held directly, one row per '
    'grantor; what PUBLIC has is not counted; default and initial privileges too), ownership, session (also of a role that was dropped), '
    'credential (the role can log in, the application user is active, and then his active identities at active providers). Privileges '
    'and ownership in other databases than the connected one are named by oid, without grantors. _username: a username, user_id, or the '
    'name of a managed role, also of a deleted one. RW011: nobody of that name; RW512: two of that name.';

REVOKE ALL ON FUNCTION auth.leaver_proof(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.leaver_proof(text) TO rolewright_operator, rolewright_auditor;
