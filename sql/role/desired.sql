-- What should be there: which login roles, whether they can log in, and what they are members of. And what is there, in the same shape.

-- All active identities of active providers count, unlike in auth.effective_groups: logging in to an application through another
-- identity must not flip somebody's GRANTs. Set-based, since a plan asks for thousands of users at once; only groups that are bound.
CREATE OR REPLACE FUNCTION unsecure.bound_groups(_user_ids uuid[])
RETURNS TABLE (user_id uuid, user_group_id uuid)
LANGUAGE sql
STABLE
AS $function$
    WITH bound AS MATERIALIZED (
        SELECT g.user_group_id, g.group_type
        FROM auth.user_group g
        LEFT JOIN auth.tenant t ON t.tenant_id = g.tenant_id
        WHERE g.is_active
          AND (g.tenant_id IS NULL OR t.is_active)
          AND EXISTS (SELECT FROM auth.group_role b WHERE b.user_group_id = g.user_group_id)
    )
    SELECT m.user_id, m.user_group_id
    FROM auth.user_group_member m
    JOIN bound b ON b.user_group_id = m.user_group_id
    WHERE b.group_type <> 'external'
      AND m.user_id = ANY (_user_ids)
      AND (m.valid_until IS NULL OR m.valid_until > statement_timestamp())

    UNION

    SELECT i.user_id, m.user_group_id
    FROM auth.user_identity i
    JOIN auth.provider p ON p.provider_id = i.provider_id
    CROSS JOIN LATERAL (
        SELECT unnest(i.provider_groups) AS name, 'group' AS kind
        UNION ALL
        SELECT unnest(i.provider_roles), 'role'
    ) AS e
    JOIN auth.user_group_mapping m
        ON m.provider_id = i.provider_id
       AND lower(e.name) = lower(CASE e.kind WHEN 'role' THEN m.external_role_name ELSE m.external_group_name END)
    JOIN bound b ON b.user_group_id = m.user_group_id
    WHERE b.group_type <> 'internal'
      AND i.user_id = ANY (_user_ids)
      AND i.is_active
      AND p.is_active
      AND m.is_active
      -- As in unsecure.matching_mappings.
      AND (p.group_match = 'ignore_case' OR e.name = CASE e.kind WHEN 'role' THEN m.external_role_name ELSE m.external_group_name END);
$function$;

COMMENT ON FUNCTION unsecure.bound_groups(uuid[]) IS
    'The groups with a bound role that users are in, by hand or through any active identity of an active provider.';

-- {username}, {provider_username}, {email}, {email_local}, {provider_user_id}, {provider}: in lower case; {username:keep} as it is.
CREATE OR REPLACE FUNCTION unsecure.fill_role_name_template(
    _template text,
    _values   jsonb
)
RETURNS text
LANGUAGE sql
IMMUTABLE
AS $function$
    SELECT CASE WHEN bool_or(p.part LIKE '{%' AND p.value IS NULL) THEN NULL
                ELSE string_agg(coalesce(p.value, p.part), '' ORDER BY p.nth) END
    FROM (
        SELECT m.part[1] AS part, m.nth,
               CASE WHEN m.part[1] LIKE '%:keep}' THEN v.value ELSE lower(v.value) END AS value
        FROM regexp_matches(_template, '(\{[^{}]*\}|[^{}]+)', 'g') WITH ORDINALITY AS m (part, nth)
        CROSS JOIN LATERAL (
            SELECT CASE WHEN m.part[1] LIKE '{%' THEN nullif(_values ->> substring(m.part[1] FROM '^\{([a-z_]+)(?::keep)?\}$'), '') END AS value
        ) AS v
    ) AS p;
$function$;

COMMENT ON FUNCTION unsecure.fill_role_name_template(text, jsonb) IS
    'A role''s name from a provider''s template; NULL when a value in it is missing.';

-- Whose roles a plan is about: managed login roles of users and of names (both NULL: all), and users who have none but should.
CREATE OR REPLACE FUNCTION unsecure.concerned_roles(
    _user_ids   uuid[],
    _role_names text[],
    OUT role_ids  uuid[],
    OUT new_users uuid[]
)
LANGUAGE plpgsql
STABLE
AS $function$
BEGIN
    new_users := '{}';
    IF _user_ids IS NULL AND _role_names IS NULL THEN
        role_ids := ARRAY(SELECT r.database_role_id FROM auth.database_role r WHERE r.role_kind = 'login' AND r.state <> 'deleted');
        IF EXISTS (SELECT FROM auth.provider p WHERE p.creates_roles) THEN
            new_users := ARRAY(
                SELECT i.user_id
                FROM auth.provider p
                JOIN auth.user_identity i ON i.provider_id = p.provider_id
                WHERE p.creates_roles AND p.is_active AND i.is_active
                EXCEPT
                SELECT r.user_id FROM auth.database_role r WHERE r.state <> 'deleted');
        END IF;
    ELSIF _role_names IS NOT NULL THEN
        role_ids := ARRAY(
            SELECT r.database_role_id
            FROM auth.database_role r
            WHERE r.role_name = ANY (_role_names) AND r.role_kind = 'login' AND r.state <> 'deleted');
    ELSE
        role_ids := ARRAY(SELECT r.database_role_id FROM auth.database_role r WHERE r.user_id = ANY (_user_ids) AND r.state <> 'deleted');
        IF EXISTS (SELECT FROM auth.provider p WHERE p.creates_roles) THEN
            new_users := ARRAY(
                SELECT unnest(_user_ids)
                EXCEPT
                SELECT r.user_id FROM auth.database_role r WHERE r.user_id = ANY (_user_ids) AND r.state <> 'deleted');
        END IF;
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.concerned_roles(uuid[], text[]) IS
    'The login roles (database_role_id) of these users, or of these names, or all; and users without one who may be given one by a provider.';

CREATE OR REPLACE FUNCTION unsecure.desired_logins(
    _role_ids  uuid[],
    _new_users uuid[]
)
RETURNS TABLE (
    database_role_id uuid,
    role_name        text,
    role_oid         oid,
    user_id          uuid,
    provider_id      uuid,
    state            text,
    strips_elevated  boolean,
    can_login        boolean, -- NULL: nobody's role, so that is as it was set
    attributes       jsonb,
    reason           text,
    problem          text
)
LANGUAGE sql
STABLE
AS $function$
    SELECT r.database_role_id, r.role_name, r.role_oid, r.user_id, r.provider_id, r.state, r.strips_elevated,
           CASE WHEN r.state <> 'active' THEN false
                WHEN r.user_id IS NULL THEN NULL
                ELSE w.why IS NULL
           END,
           CASE WHEN p.creates_roles THEN p.role_attributes ELSE '{}' END,
           CASE WHEN r.state <> 'active' THEN concat_ws(': ', r.state, r.reason)
                WHEN r.user_id IS NOT NULL THEN coalesce(w.why, format('user %s', to_json(u.username)))
           END,
           NULL::text
    FROM auth.database_role r
    LEFT JOIN auth.user_info u ON u.user_id = r.user_id
    LEFT JOIN auth.provider p ON p.provider_id = r.provider_id
    LEFT JOIN LATERAL (
        SELECT bool_or(i.is_active AND ip.is_active) AS any_active
        FROM auth.user_identity i
        JOIN auth.provider ip ON ip.provider_id = i.provider_id
        WHERE i.user_id = r.user_id
    ) AS i ON true
    CROSS JOIN LATERAL (
        SELECT CASE WHEN NOT u.is_active THEN format('user %s is disabled', to_json(u.username))
                    WHEN u.is_locked THEN format('user %s is locked', to_json(u.username))
                    WHEN NOT coalesce(i.any_active, NOT r.requires_identity)
                        THEN format('user %s has no active identity', to_json(u.username))
               END AS why
    ) AS w
    WHERE r.database_role_id = ANY (_role_ids)

    UNION ALL

    SELECT NULL, n.role_name, NULL, n.user_id, n.provider_id, 'active', false, true, n.role_attributes,
           format('user %s, for provider %s', to_json(n.username), n.code),
           CASE
               WHEN n.role_name IS NULL THEN format('the template %s of provider %s needs what user %s does not have',
                                                    n.role_name_template, n.code, to_json(n.username))
               WHEN unsecure.role_name_problem(n.role_name) IS NOT NULL THEN unsecure.role_name_problem(n.role_name)
               WHEN t.state <> 'deleted' THEN format('the name is taken by a managed role of %s', coalesce('user ' || t.user_id, 'nobody'))
               WHEN t.user_id IS DISTINCT FROM n.user_id AND t.state = 'deleted'
                   THEN format('the name was %s''s until %s; auth.bind_user_role(_reuse_name => true) hands it on',
                               coalesce('user ' || t.user_id, 'somebody'), t.state_changed_at)
               WHEN row_number() OVER (PARTITION BY n.role_name ORDER BY n.user_id) > 1 THEN 'several users would get this name'
           END
    FROM (
        SELECT DISTINCT ON (i.user_id)
               i.user_id, u.username, p.provider_id, p.code, p.role_attributes, p.role_name_template,
               CASE p.role_name_template
                   WHEN '{username}' THEN lower(u.username)
                   ELSE unsecure.fill_role_name_template(p.role_name_template, jsonb_build_object(
                       'username', u.username, 'email', u.email, 'email_local', split_part(u.email, '@', 1),
                       'provider', p.code, 'provider_user_id', i.provider_user_id,
                       'provider_username', coalesce(i.provider_username, i.provider_user_id)))
               END AS role_name
        FROM auth.provider p
        JOIN auth.user_identity i ON i.provider_id = p.provider_id
        JOIN auth.user_info u ON u.user_id = i.user_id
        WHERE p.creates_roles
          AND p.is_active
          AND i.is_active
          AND u.is_active
          AND NOT u.is_locked
          AND i.user_id = ANY (_new_users)
        ORDER BY i.user_id, p.code, i.provider_user_id
    ) AS n
    LEFT JOIN LATERAL (
        SELECT r.state, r.user_id, r.state_changed_at
        FROM auth.database_role r
        WHERE r.role_name = n.role_name
        ORDER BY r.state = 'deleted', r.state_changed_at DESC
        LIMIT 1
    ) AS t ON true;
$function$;

COMMENT ON FUNCTION unsecure.desired_logins(uuid[], uuid[]) IS
    'Login roles as they should be: these managed ones, and those that a provider wants these users to have. problem: why there can be none.';

-- pg_auth_members in one shape: PostgreSQL 15 and older have no INHERIT and SET per membership. Through jsonb, so that the view
-- survives pg_upgrade and pg_dump into another version.
CREATE VIEW unsecure.membership AS
SELECT m.roleid, m.member, m.grantor, m.admin_option,
       coalesce((j.options ->> 'inherit_option')::boolean, r.rolinherit) AS inherit_option,
       coalesce((j.options ->> 'set_option')::boolean, true)             AS set_option
FROM pg_catalog.pg_auth_members m
JOIN pg_catalog.pg_roles r ON r.oid = m.member
-- OFFSET 0: once per row.
CROSS JOIN LATERAL (
    SELECT CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN to_jsonb(m) END AS options OFFSET 0
) AS j;

COMMENT ON VIEW unsecure.membership IS 'Memberships with their options; from PostgreSQL 16 on one row per grantor.';

REVOKE ALL ON unsecure.membership FROM PUBLIC;
REVOKE ALL ON FUNCTION
    unsecure.bound_groups(uuid[]),
    unsecure.fill_role_name_template(text, jsonb),
    unsecure.concerned_roles(uuid[], text[]),
    unsecure.desired_logins(uuid[], uuid[])
FROM PUBLIC;
