-- May this user do this, in this tenant? Reads only: it works on a hot standby.

-- The mappings that a user matches at this moment, from the tables: for who is not in the cache.
CREATE OR REPLACE FUNCTION unsecure.mapped_ways(_user_id uuid)
RETURNS SETOF text
LANGUAGE sql
STABLE
PARALLEL SAFE
AS $function$
    SELECT m.mapping_no::text
    FROM auth.user_identity i
    CROSS JOIN LATERAL unsecure.matching_mappings(i.provider_id, i.provider_groups, i.provider_roles) AS m
    WHERE i.user_id = _user_id
      AND i.is_active
      AND (i.is_last_used OR NOT EXISTS (SELECT FROM auth.user_identity l WHERE l.user_id = _user_id AND l.is_last_used));
$function$;

COMMENT ON FUNCTION unsecure.mapped_ways(uuid) IS
    'What auth.user_identity.mapped_ways would hold; before any login, of all active identities. Whether the user is usable is the '
    'caller''s to ask.';

CREATE OR REPLACE FUNCTION unsecure.require_permission_codes(_permission_codes text[])
RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
AS $function$
DECLARE
    v_missing text := (
        SELECT string_agg(coalesce(to_json(c.code)::text, 'NULL'), ', ')
        FROM (SELECT DISTINCT unnest(_permission_codes) AS code) AS c
        WHERE NOT EXISTS (SELECT FROM auth.permission p WHERE p.code = c.code COLLATE "C"));
BEGIN
    IF v_missing IS NOT NULL THEN
        RAISE EXCEPTION 'permission does not exist'
            USING ERRCODE = 'RW016',
                  DETAIL  = format('Permission %s.', v_missing),
                  HINT    = 'auth.permission lists them; case matters. auth.create_permission makes one.';
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.require_permission_codes(text[]) IS 'RW016, naming those that do not exist, unless all permissions do.';

REVOKE ALL ON FUNCTION unsecure.require_permission_codes(text[]) FROM PUBLIC;

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
SET plan_cache_mode = force_generic_plan -- planning takes longer than running
SET enable_seqscan = off                 -- and so does reading a small table, name by name
AS $function$
DECLARE
    v_tenant_id uuid := coalesce(_tenant_id, unsecure.default_tenant_id());
    v_user      record;
BEGIN
    SELECT u.is_active AND NOT u.is_locked AS is_usable,
           i.mapped_ways, coalesce(i.mapped_until < w.newest_mapping, true) AS is_stale,
           w.ways, w.timed_ways
    INTO v_user
    FROM auth.user_info u
    LEFT JOIN auth.user_identity i ON i.user_id = u.user_id AND i.is_last_used
    LEFT JOIN auth.permission_cache w ON w.tenant_id = v_tenant_id AND w.permission_code = _permission_code COLLATE "C"
    WHERE u.user_id = _user_id;

    -- An IF within an IF where AND would do: PL/pgSQL prepares all of a condition, also what it then does not evaluate.
    IF v_user.is_usable THEN
        IF v_user.ways IS NOT NULL THEN
            IF EXISTS (
                SELECT FROM auth.user_group_member m
                WHERE m.user_id = _user_id
                  AND (m.valid_until IS NULL OR m.valid_until > statement_timestamp())
                  AND (v_user.ways ? m.user_group_id::text
                       OR (v_user.timed_ways ->> m.user_group_id::text)::timestamptz > statement_timestamp()))
            THEN
                RETURN true;
            END IF;
            IF v_user.timed_ways IS NOT NULL AND v_user.mapped_ways IS NOT NULL THEN
                IF EXISTS (
                    SELECT FROM unnest(v_user.mapped_ways) AS way
                    WHERE (v_user.timed_ways ->> way)::timestamptz > statement_timestamp())
                THEN
                    RETURN true;
                END IF;
            END IF;
            IF v_user.mapped_ways IS NULL OR v_user.is_stale THEN
                IF EXISTS (SELECT FROM auth.user_identity i WHERE i.user_id = _user_id) THEN
                    IF EXISTS (
                        SELECT FROM unsecure.mapped_ways(_user_id) AS way
                        WHERE v_user.ways ? way
                           OR (v_user.timed_ways ->> way)::timestamptz > statement_timestamp())
                    THEN
                        RETURN true;
                    END IF;
                END IF;
            END IF;
        END IF;

        -- Assigned to the user, and to no group. Most users have nothing of the kind.
        IF EXISTS (SELECT FROM auth.permission_assignment a WHERE a.user_id = _user_id AND a.tenant_id = v_tenant_id) THEN
            IF EXISTS (
                SELECT FROM unsecure.assigned_permission a
                WHERE a.user_id = _user_id
                  AND a.tenant_id = v_tenant_id
                  AND a.permission_code = _permission_code COLLATE "C"
                  AND (a.valid_until IS NULL OR a.valid_until > statement_timestamp()))
            THEN
                RETURN true;
            END IF;
        END IF;
    END IF;

    -- What some group gives exists.
    IF v_user.ways IS NULL THEN
        PERFORM unsecure.require_permission_codes(ARRAY[_permission_code]);
    END IF;
    RETURN false;
END;
$function$;

COMMENT ON FUNCTION unsecure.decide_permission(uuid, text, uuid) IS
    'Whether a user has a permission, for sure: members put in by hand, assignments with an end, assignments to the user, and who is not '
    'in the cache. RW016: no such permission.';

REVOKE ALL ON FUNCTION
    unsecure.mapped_ways(uuid),
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
BEGIN
    -- Two lookups answer yes.
    IF (SELECT w.ways OPERATOR(pg_catalog.?|) i.mapped_ways
        FROM auth.user_identity i, auth.permission_cache w
        WHERE i.user_id OPERATOR(pg_catalog.=) _user_id
          AND i.is_last_used
          AND w.tenant_id OPERATOR(pg_catalog.=) coalesce(_tenant_id, '00000000-0000-0000-0000-000000000001'::pg_catalog.uuid)
          AND w.permission_code OPERATOR(pg_catalog.=) _permission_code COLLATE pg_catalog."C")
    THEN
        RETURN true;
    END IF;
    RETURN unsecure.decide_permission(_user_id, _permission_code, _tenant_id);
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
