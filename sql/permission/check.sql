-- May this user do this, in this tenant? Reads only: it works on a hot standby.

-- Every way in that a user has at this moment, from the tables: for who is not in the cache.
CREATE OR REPLACE FUNCTION unsecure.user_ways(_user_id uuid)
RETURNS TABLE (way text, valid_until timestamptz)
LANGUAGE sql
STABLE
PARALLEL SAFE
AS $function$
    SELECT m.user_group_id::text, m.valid_until
    FROM auth.user_group_member m
    WHERE m.user_id = _user_id
      AND (m.valid_until IS NULL OR m.valid_until > statement_timestamp())
    UNION ALL
    SELECT x.mapping_no::text, NULL
    FROM auth.user_identity i
    CROSS JOIN LATERAL unsecure.matching_mappings(i.provider_id, i.provider_groups, i.provider_roles) AS x
    WHERE i.user_id = _user_id
      AND i.is_active
      AND (i.is_last_used OR NOT EXISTS (SELECT FROM auth.user_identity l WHERE l.user_id = _user_id AND l.is_last_used));
$function$;

COMMENT ON FUNCTION unsecure.user_ways(uuid) IS
    'How a user is in groups, by the keys of auth.permission_cache.ways. Whether the user is usable is the caller''s to ask.';

CREATE OR REPLACE FUNCTION unsecure.require_permission_code(_permission_code text)
RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
AS $function$
BEGIN
    IF NOT EXISTS (SELECT FROM auth.permission p WHERE p.code = _permission_code COLLATE "C") THEN
        RAISE EXCEPTION 'permission does not exist'
            USING ERRCODE = 'RW016',
                  DETAIL  = format('Permission %s.', coalesce(to_json(_permission_code)::text, 'NULL')),
                  HINT    = 'auth.permission lists them; case matters. auth.create_permission makes one.';
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.require_permission_code(text) IS 'RW016 unless the permission exists.';

-- What the first look of auth.has_permission did not answer with yes.
CREATE OR REPLACE FUNCTION unsecure.decide_permission(
    _user_id         uuid,
    _permission_code text,
    _tenant_id       uuid
)
RETURNS boolean
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_tenant_id uuid := coalesce(_tenant_id, unsecure.default_tenant_id());
    v_user      record;
BEGIN
    SELECT u.is_active AND NOT u.is_locked AS is_usable,
           w.ways, w.timed_ways,
           EXISTS (
               SELECT FROM auth.user_group_member m
               WHERE m.user_id = u.user_id
                 AND (m.valid_until IS NULL OR m.valid_until > statement_timestamp())
                 AND (w.ways ? m.user_group_id::text
                      OR (w.timed_ways ->> m.user_group_id::text)::timestamptz > statement_timestamp()))
           OR EXISTS (
               SELECT FROM unnest(i.mapped_ways) AS way
               WHERE (w.timed_ways ->> way)::timestamptz > statement_timestamp()) AS is_granted,
           (i.mapped_ways IS NULL OR i.mapped_until < w.newest_mapping)
           AND EXISTS (SELECT FROM auth.user_identity a WHERE a.user_id = u.user_id) AS is_cold
    INTO v_user
    FROM auth.user_info u
    LEFT JOIN auth.user_identity i ON i.user_id = u.user_id AND i.is_last_used
    LEFT JOIN auth.permission_cache w ON w.tenant_id = v_tenant_id AND w.permission_code = _permission_code COLLATE "C"
    WHERE u.user_id = _user_id;

    IF v_user.is_usable THEN
        IF v_user.is_granted THEN
            RETURN true;
        END IF;
        IF v_user.is_cold AND v_user.ways IS NOT NULL AND EXISTS (
            SELECT FROM unsecure.user_ways(_user_id) AS y
            WHERE v_user.ways ? y.way
               OR (v_user.timed_ways ->> y.way)::timestamptz > statement_timestamp())
        THEN
            RETURN true;
        END IF;
        -- Assigned to the user, and to no group. Most users have nothing of the kind: the first EXISTS spares them the second.
        IF EXISTS (SELECT FROM auth.permission_assignment a WHERE a.user_id = _user_id AND a.tenant_id = v_tenant_id)
           AND EXISTS (
               SELECT FROM auth.permission_assignment a
               JOIN auth.tenant t ON t.tenant_id = a.tenant_id
               LEFT JOIN auth.perm_set_permission s ON s.perm_set_id = a.perm_set_id
               WHERE a.user_id = _user_id
                 AND a.tenant_id = v_tenant_id
                 AND t.is_active
                 AND (a.valid_until IS NULL OR a.valid_until > statement_timestamp())
                 AND unsecure.is_at_or_below(_permission_code COLLATE "C", coalesce(a.permission_code, s.permission_code))
                 AND EXISTS (SELECT FROM auth.permission p WHERE p.code = _permission_code COLLATE "C"))
        THEN
            RETURN true;
        END IF;
    END IF;

    IF NOT EXISTS (SELECT FROM auth.permission p WHERE p.code = _permission_code COLLATE "C") THEN
        PERFORM unsecure.require_permission_code(_permission_code);
    END IF;
    RETURN false;
END;
$function$;

COMMENT ON FUNCTION unsecure.decide_permission(uuid, text, uuid) IS
    'Whether a user has a permission, for sure: members put in by hand, assignments with an end, assignments to the user, and who is not '
    'in the cache. RW016: no such permission.';

REVOKE ALL ON FUNCTION
    unsecure.user_ways(uuid),
    unsecure.require_permission_code(text),
    unsecure.decide_permission(uuid, text, uuid)
FROM PUBLIC;

-- The only definer without a pinned search_path: pinning costs a check a tenth of its time. So that nothing in it can be looked up
-- through the caller's path, every name is qualified: operators, types and the collation too.
CREATE OR REPLACE FUNCTION auth.has_permission(
    _user_id         uuid,
    _permission_code text,
    _tenant_id       uuid DEFAULT NULL
)
RETURNS boolean
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
AS $function$
DECLARE
    v_tenant_id pg_catalog.uuid := coalesce(_tenant_id, '00000000-0000-0000-0000-000000000001'::pg_catalog.uuid);
    v_granted   pg_catalog.bool;
    v_is_known  pg_catalog.bool;
BEGIN
    -- Two lookups answer yes.
    SELECT w.ways OPERATOR(pg_catalog.?|) i.mapped_ways,
           w.timed_ways IS NULL AND i.mapped_until OPERATOR(pg_catalog.>=) w.newest_mapping
    INTO v_granted, v_is_known
    FROM auth.user_identity i, auth.permission_cache w
    WHERE i.user_id OPERATOR(pg_catalog.=) _user_id
      AND i.is_last_used
      AND w.tenant_id OPERATOR(pg_catalog.=) v_tenant_id
      AND w.permission_code OPERATOR(pg_catalog.=) _permission_code COLLATE pg_catalog."C";
    IF v_granted THEN
        RETURN true;
    END IF;

    -- And two more answer no, for whoever has nothing but mapped groups.
    IF v_is_known
       AND v_granted IS NOT NULL
       AND NOT EXISTS (SELECT FROM auth.user_group_member m WHERE m.user_id OPERATOR(pg_catalog.=) _user_id)
       AND NOT EXISTS (SELECT FROM auth.permission_assignment a
                       WHERE a.user_id OPERATOR(pg_catalog.=) _user_id AND a.tenant_id OPERATOR(pg_catalog.=) v_tenant_id)
    THEN
        RETURN false;
    END IF;
    RETURN unsecure.decide_permission(_user_id, _permission_code, v_tenant_id);
END;
$function$;

COMMENT ON FUNCTION auth.has_permission(uuid, text, uuid) IS
    'Whether a user has a permission (itself, or a node above it) in a tenant (NULL: the default one) at this moment. A disabled, '
    'locked or unknown user, a disabled or unknown tenant: false. Reads only, also on a hot standby. RW016: no such permission.';

REVOKE ALL ON FUNCTION auth.has_permission(uuid, text, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.has_permission(uuid, text, uuid) TO rolewright_app, rolewright_operator, rolewright_auditor;

CREATE OR REPLACE FUNCTION auth.has_permissions(
    _user_id          uuid,
    _permission_codes text[],
    _tenant_id        uuid    DEFAULT NULL,
    _require_all      boolean DEFAULT true
)
RETURNS boolean
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_code text;
    v_all  boolean := true;
    v_any  boolean := false;
BEGIN
    IF coalesce(cardinality(_permission_codes), 0) = 0 OR _require_all IS NULL THEN
        RAISE EXCEPTION 'no permission to check'
            USING ERRCODE = 'RW310',
                  DETAIL  = format('_permission_codes %s, _require_all %s.', coalesce(_permission_codes::text, 'NULL'),
                                   coalesce(_require_all::text, 'NULL')),
                  HINT    = 'Name at least one permission: an empty list is neither yes nor no.';
    END IF;
    FOREACH v_code IN ARRAY _permission_codes LOOP
        IF auth.has_permission(_user_id, v_code, _tenant_id) THEN
            v_any := true;
            IF NOT _require_all THEN
                RETURN true;
            END IF;
        ELSE
            v_all := false; -- and go on: a code that does not exist is an error wherever it stands
        END IF;
    END LOOP;
    RETURN CASE WHEN _require_all THEN v_all ELSE v_any END;
END;
$function$;

COMMENT ON FUNCTION auth.has_permissions(uuid, text[], uuid, boolean) IS
    'Whether a user has all of these permissions in a tenant (NULL: the default one), or with _require_all => false at least one. '
    'RW016: one does not exist (not looked at after a yes that settles it); RW310: none given.';

REVOKE ALL ON FUNCTION auth.has_permissions(uuid, text[], uuid, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.has_permissions(uuid, text[], uuid, boolean) TO rolewright_app, rolewright_operator, rolewright_auditor;

CREATE OR REPLACE FUNCTION auth.require_permission(
    _user_id         uuid,
    _permission_code text,
    _tenant_id       uuid DEFAULT NULL
)
RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF NOT auth.has_permission(_user_id, _permission_code, _tenant_id) THEN
        RAISE EXCEPTION 'permission denied'
            USING ERRCODE = '42501',
                  DETAIL  = _permission_code,
                  HINT    = 'auth.explain_permission says what is missing.';
    END IF;
END;
$function$;

COMMENT ON FUNCTION auth.require_permission(uuid, text, uuid) IS
    'Nothing, when the user has the permission in the tenant (NULL: the default one). 42501: has not; the DETAIL is the permission''s '
    'code. RW016: no such permission.';

REVOKE ALL ON FUNCTION auth.require_permission(uuid, text, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.require_permission(uuid, text, uuid) TO rolewright_app, rolewright_operator, rolewright_auditor;
