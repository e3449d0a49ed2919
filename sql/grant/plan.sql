-- Desired minus actual. The plan is what the statements are made from; auth.plan_roles shows it, auth.sync_roles carries it out.

-- ACLs get slow, and then too big for a row: some 2,400 grantees at best, a quarter of it when their oids have little in common.
CREATE OR REPLACE FUNCTION unsecure.crowded_acl(OUT for_new integer, OUT for_all integer)
LANGUAGE sql
IMMUTABLE
AS $function$
    SELECT 500, 1000;
$function$;

COMMENT ON FUNCTION unsecure.crowded_acl() IS
    'How many entries an ACL may have before who is new gets his privileges through an intermediate role, and before all do.';

CREATE OR REPLACE FUNCTION unsecure.declared_preserved(_declaration jsonb)
RETURNS TABLE (role_name text, name text)
LANGUAGE sql
IMMUTABLE
AS $function$
    SELECT r.key, s
    FROM jsonb_each(coalesce(_declaration -> 'roles', '{}')) AS r
    CROSS JOIN LATERAL jsonb_array_elements_text(coalesce(r.value -> 'preserve_schemas', _declaration -> 'preserve_schemas', '[]')) AS s;
$function$;

COMMENT ON FUNCTION unsecure.declared_preserved(jsonb) IS 'The schemas that are to be left alone, for each role.';

-- What is not there is an error that lists all of it, unless it is to be skipped or created.
CREATE OR REPLACE FUNCTION unsecure.require_targets(
    _elements unsecure.grant_element[],
    _targets  unsecure.grant_target[],
    _roles    unsecure.planned_role[],
    _members  jsonb,
    _declaration jsonb
)
RETURNS void
LANGUAGE plpgsql
STABLE
AS $function$
DECLARE
    v_missing text[];
    v_empty   text;
BEGIN
    WITH missing (what, role_name) AS (
        -- A name mistyped would take away what was to be left alone.
        SELECT 'schema ' || quote_ident(p.name), p.role_name
        FROM unsecure.declared_preserved(_declaration) AS p
        JOIN unnest(_roles) AS r ON r.role_name = p.role_name
        WHERE r.missing <> 'skip' AND NOT EXISTS (SELECT FROM pg_namespace n WHERE n.nspname = p.name)
        UNION ALL
        SELECT t.problem, n.role_name
        FROM unnest(_targets) AS t
        JOIN unnest(_elements) AS e ON e.element_no = t.element_no
        CROSS JOIN LATERAL unnest(e.role_names) AS n (role_name)
        LEFT JOIN unnest(_roles) AS r ON r.role_name = n.role_name
        -- What PUBLIC shall not have, it does not have on what is not there.
        WHERE t.hint = 'missing' AND n.role_name <> 'none'
          AND NOT (e.kind LIKE 'default %' AND EXISTS (SELECT FROM unnest(_roles) AS c WHERE c.role_name = e.name)
                   AND (e.schema_name IS NULL OR EXISTS (SELECT FROM pg_namespace n WHERE n.nspname = e.schema_name)))
          AND (r.missing = 'error'
               OR r.missing = 'create' AND e.kind <> 'schema'
                  AND NOT ((e.is_all OR e.kind LIKE 'default %' AND t.problem LIKE 'schema %')
                           AND EXISTS (SELECT FROM unnest(_targets) AS s WHERE s.kind = 'schema' AND s.label = quote_ident(e.schema_name))))
        UNION ALL
        SELECT 'role ' || quote_ident(m.role), m.role_name
        FROM jsonb_to_recordset(_members) AS m (role_name text, role text)
        JOIN unnest(_roles) AS r ON r.role_name = m.role_name
        WHERE r.missing = 'error'
          AND NOT EXISTS (SELECT FROM pg_roles a WHERE a.rolname = m.role)
          AND NOT EXISTS (SELECT FROM unnest(_roles) AS o WHERE o.role_name = m.role)
    )
    SELECT array_agg(s.line ORDER BY s.line COLLATE "C")
    INTO v_missing
    FROM (
        SELECT format('%s (for %s%s)', m.what, min(CASE m.role_name WHEN 'public' THEN 'PUBLIC' ELSE quote_ident(m.role_name) END),
                      CASE count(DISTINCT m.role_name) WHEN 1 THEN '' ELSE format(' and %s more', count(DISTINCT m.role_name) - 1) END) AS line
        FROM missing m
        GROUP BY m.what
    ) AS s;

    IF v_missing IS NOT NULL THEN
        RAISE EXCEPTION 'some things that are granted do not exist'
            USING ERRCODE = 'RW521',
                  DETAIL  = array_to_string(v_missing[:100], E'.\n') || '.'
                            || CASE WHEN cardinality(v_missing) > 100 THEN format(E'\nAnd %s more.', cardinality(v_missing) - 100) ELSE '' END,
                  HINT    = 'Create them, or use the option missing: skip leaves such grants out, create makes schemas and parent roles. Nothing was changed.';
    END IF;

    FOR v_empty IN SELECT DISTINCT t.problem FROM unnest(_targets) AS t WHERE t.hint = 'empty' ORDER BY 1 LIMIT 100 LOOP
        RAISE WARNING 'nothing matches %', v_empty;
    END LOOP;
END;
$function$;

COMMENT ON FUNCTION unsecure.require_targets(unsecure.grant_element[], unsecure.grant_target[], unsecure.planned_role[], jsonb, jsonb) IS
    'RW521 with all that is missing; a WARNING for each pattern that matches nothing.';

-- What the plan is about: what the declaration names, and what its roles own or have a privilege on.
CREATE OR REPLACE FUNCTION unsecure.planned_objects(
    _targets unsecure.grant_target[],
    _roles   unsecure.planned_role[],
    _caller  oid
)
RETURNS SETOF unsecure.grant_object
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_roles    oid[] := ARRAY(SELECT r.role_oid FROM unnest(_roles) AS r WHERE r.role_oid IS NOT NULL);
    v_classids oid[];
    v_oids     oid[];
    v_subids   bigint[];
BEGIN
    SELECT array_agg(f.classid), array_agg(f.oid), array_agg(f.subid)
    INTO v_classids, v_oids, v_subids
    FROM (
        SELECT t.classid, t.object_oid AS oid, t.subid FROM unnest(_targets) AS t WHERE t.label IS NULL AND t.classid <> 'pg_default_acl'::regclass
        UNION
        SELECT d.classid, d.objid, d.objsubid
        FROM pg_shdepend d
        WHERE d.refclassid = 'pg_authid'::regclass
          AND d.refobjid = ANY (v_roles)
          AND d.deptype IN ('a', 'o')
          AND d.dbid IN (0, (SELECT b.oid FROM pg_database b WHERE b.datname = current_database()))
        UNION
        -- What REVOKE on a table takes from PUBLIC on its columns.
        SELECT t.classid, a.attrelid, a.attnum
        FROM unnest(_targets) AS t
        JOIN pg_attribute a ON a.attrelid = t.object_oid AND a.attacl IS NOT NULL
        WHERE t.kind = 'table' AND t.subid = 0 AND EXISTS (SELECT FROM unnest(_roles) AS r WHERE r.is_public)
    ) AS f;
    RETURN QUERY SELECT * FROM unsecure.grant_objects(v_classids, v_oids, v_subids);

    RETURN QUERY
    SELECT o.*
    FROM (
        SELECT array_agg(f.creator) AS creators, array_agg(f.schema_oid) AS schemas, array_agg(f.kind) AS kinds
        FROM (
            SELECT t.object_oid AS creator, t.subid::oid AS schema_oid, t.kind
            FROM unnest(_targets) AS t
            WHERE t.classid = 'pg_default_acl'::regclass AND t.label IS NULL
            UNION
            SELECT d.defaclrole, d.defaclnamespace, k.kind
            FROM pg_default_acl d
            JOIN unsecure.grant_kinds() AS k
                ON k.kind LIKE 'default %' AND k.acl_code = CASE d.defaclobjtype WHEN 'S' THEN 's'::"char" ELSE d.defaclobjtype END
            WHERE EXISTS (SELECT FROM aclexplode(d.defaclacl) AS x WHERE x.grantee = ANY (v_roles))
        ) AS f
    ) AS a
    CROSS JOIN LATERAL unsecure.default_objects(a.creators, a.schemas, a.kinds) AS o;

    -- What is to be created.
    RETURN QUERY
    SELECT DISTINCT t.kind, t.object_oid, t.subid, CASE WHEN t.kind = 'schema' THEN t.object_oid WHEN t.kind LIKE 'default %' AND t.subid <> 0 THEN t.subid::oid END,
           CASE WHEN t.kind LIKE 'default %'
                THEN quote_ident(coalesce((SELECT a.rolname::text FROM pg_roles a WHERE a.oid = t.object_oid),
                                          (SELECT r.role_name FROM unnest(_roles) AS r WHERE unsecure.virtual_oid(r.role_name) = t.object_oid)))
                ELSE t.label END,
           CASE WHEN t.kind LIKE 'default %' THEN nullif(t.label, '') END,
           CASE WHEN t.kind = 'schema' THEN _caller WHEN t.kind = 'parameter' THEN 10 ELSE t.object_oid END,
           CASE WHEN t.kind = 'schema' THEN acldefault('n', _caller)
                WHEN t.kind LIKE 'default %' AND t.subid = 0 THEN acldefault((SELECT k.acl_code FROM unsecure.grant_kinds() AS k WHERE k.kind = t.kind), t.object_oid) END,
           true
    FROM unnest(_targets) AS t
    WHERE t.label IS NOT NULL
      AND NOT (t.kind LIKE 'default %' AND t.subid = 0 AND NOT EXISTS (SELECT FROM unnest(_roles) AS r WHERE unsecure.virtual_oid(r.role_name) = t.object_oid));
END;
$function$;

COMMENT ON FUNCTION unsecure.planned_objects(unsecure.grant_target[], unsecure.planned_role[], oid) IS
    'What the grants name, and all that the roles own or have a privilege on in this database, or on what databases share.';

-- The memberships of a declaration, one object each.
CREATE OR REPLACE FUNCTION unsecure.declared_members(_declaration jsonb)
RETURNS jsonb
LANGUAGE sql
IMMUTABLE
RETURN (SELECT coalesce(jsonb_agg(g.element || jsonb_build_object('role_name', g.role_name)), '[]')
        FROM unsecure.declared_grants(_declaration) AS g
        WHERE g.element ->> 'type' = 'membership');

COMMENT ON FUNCTION unsecure.declared_members(jsonb) IS 'The memberships of a declaration: role_name, and the keys of the grant.';

CREATE OR REPLACE FUNCTION unsecure.plan_grants(
    _declaration   jsonb,
    _caller        oid,
    _is_understood boolean DEFAULT false
)
RETURNS SETOF unsecure.grant_step
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off
SET quote_all_identifiers = off
SET plan_cache_mode = auto -- these are set below, and with this no longer than the function runs
SET enable_nestloop = on
SET enable_hashjoin = on
SET enable_mergejoin = on
AS $function$
DECLARE
    v_elements unsecure.grant_element[];
    v_targets  unsecure.grant_target[];
    v_roles    unsecure.planned_role[];
    v_objects  unsecure.grant_object[];
    v_members  jsonb;
    v_steps    unsecure.grant_step[];
BEGIN
    IF NOT _is_understood THEN
        PERFORM unsecure.require_role_declaration(_declaration);
    END IF;
    v_elements := ARRAY(SELECT e FROM unsecure.grant_elements(_declaration) AS e);
    v_members  := unsecure.declared_members(_declaration);
    -- As in unsecure.plan_roles: PostgreSQL cannot know how many rows the steps give to each other.
    IF cardinality(v_elements) > 50 THEN
        PERFORM set_config('enable_nestloop', 'off', true), set_config('enable_mergejoin', 'off', true);
    END IF;
    v_roles    := ARRAY(SELECT r FROM unsecure.planned_roles(_declaration, _caller) AS r);
    v_targets  := ARRAY(SELECT t FROM unsecure.grant_targets(v_elements) AS t);
    PERFORM unsecure.require_targets(v_elements, v_targets, v_roles, v_members, _declaration);
    v_roles    := v_roles || ARRAY(SELECT i FROM unsecure.planned_intermediates(v_roles, v_targets, _caller) AS i);
    v_objects  := ARRAY(SELECT o FROM unsecure.planned_objects(v_targets, v_roles, _caller) AS o);
    IF cardinality(v_elements) + cardinality(v_objects) + cardinality(v_roles) <= 250 THEN
        PERFORM set_config('plan_cache_mode', 'force_generic_plan', true);
    ELSE
        PERFORM set_config('plan_cache_mode', 'force_custom_plan', true), set_config('enable_nestloop', 'off', true),
                set_config('enable_mergejoin', 'off', true);
    END IF;
    v_steps    := ARRAY(SELECT s FROM unsecure.plan_difference(v_elements, v_targets, v_roles, v_objects, v_members, _caller) AS s);
    IF _declaration @> '{"drop_unused": true}' THEN
        v_roles := ARRAY(SELECT r FROM unsecure.planned_drops(v_steps, _caller) AS r);
        v_steps := v_steps || ARRAY(
            SELECT s
            FROM unsecure.plan_difference('{}', '{}', v_roles, ARRAY(SELECT o FROM unsecure.planned_objects('{}', v_roles, _caller) AS o), '[]', _caller) AS s);
    END IF;
    -- The drops come last of all.
    RETURN QUERY SELECT * FROM unnest(v_steps);
END;
$function$;

COMMENT ON FUNCTION unsecure.plan_grants(jsonb, oid, boolean) IS
    'What has to be done so that the roles can do what the declaration says, and nothing else; _caller: with whose rights; '
    '_is_understood: the declaration was looked at before. RW520, RW521, RW503, RW504.';

REVOKE ALL ON FUNCTION
    unsecure.crowded_acl(),
    unsecure.declared_preserved(jsonb),
    unsecure.require_targets(unsecure.grant_element[], unsecure.grant_target[], unsecure.planned_role[], jsonb, jsonb),
    unsecure.planned_objects(unsecure.grant_target[], unsecure.planned_role[], oid),
    unsecure.declared_members(jsonb),
    unsecure.plan_grants(jsonb, oid, boolean)
FROM PUBLIC;
