-- What is not there is an error that lists all of it, unless it is to be skipped or created.
CREATE OR REPLACE FUNCTION unsecure.require_targets(
    _elements    unsecure.grant_element[],
    _targets     unsecure.grant_target[],
    _roles       unsecure.planned_role[],
    _members     jsonb,
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

REVOKE ALL ON FUNCTION unsecure.require_targets(unsecure.grant_element[], unsecure.grant_target[], unsecure.planned_role[], jsonb, jsonb) FROM PUBLIC;
