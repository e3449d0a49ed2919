-- From what a declaration names to what the catalog has.

-- An argument's type in PostgreSQL's own spelling: int is integer. Types that we may not look up stay as they are.
CREATE OR REPLACE FUNCTION unsecure.type_spelling(_type text)
RETURNS text
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- Without a typmod, which no argument has.
    RETURN coalesce(format_type(to_regtype(regexp_replace(_type, '\([^)]*\)', '')), NULL), _type);
EXCEPTION
    WHEN syntax_error_or_access_rule_violation OR data_exception OR invalid_schema_name OR feature_not_supported OR program_limit_exceeded THEN
        RETURN _type;
END;
$function$;

COMMENT ON FUNCTION unsecure.type_spelling(text) IS 'The name of a type as format_type has it; what is no type, as it is.';

-- A routine's name alone, or with its argument types: f(integer, text), or "odd name"(integer).
CREATE OR REPLACE FUNCTION unsecure.find_routines(
    _schema_oid oid,
    _name       text,
    _is_proc    boolean
)
RETURNS oid[]
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_named oid[] := ARRAY(SELECT p.oid FROM pg_proc p
                           WHERE p.pronamespace = _schema_oid AND p.proname = _name AND (p.prokind = 'p') = _is_proc);
    v_part  text[];
    v_types text;
BEGIN
    IF v_named <> '{}' OR _name NOT LIKE '%)' OR _schema_oid IS NULL THEN
        RETURN v_named;
    ELSIF _name LIKE '"%' THEN
        v_part := regexp_match(_name, '^"((?:[^"]|"")+)"\s*\((.*)\)$', 's');
        v_part[1] := replace(v_part[1], '""', '"');
    ELSE
        v_part := ARRAY[rtrim(split_part(_name, '(', 1)), substr(_name, strpos(_name, '(') + 1, length(_name) - strpos(_name, '(') - 1)];
    END IF;
    v_types := (SELECT string_agg(unsecure.type_spelling(btrim(m.part[1])), ', ' ORDER BY m.nth)
                FROM regexp_matches(v_part[2], '((?:"[^"]*"|\([^)]*\)|[^,"(])+)', 'g') WITH ORDINALITY AS m (part, nth));
    RETURN ARRAY(SELECT p.oid FROM pg_proc p
                 WHERE p.pronamespace = _schema_oid AND p.proname = v_part[1] AND (p.prokind = 'p') = _is_proc
                   AND (oidvectortypes(p.proargtypes) IN (v_part[2], coalesce(v_types, '')) OR _is_proc AND pg_get_function_identity_arguments(p.oid) = v_part[2]));
END;
$function$;

COMMENT ON FUNCTION unsecure.find_routines(oid, text, boolean) IS
    'Functions (_is_proc: procedures) of a schema by name, all that have it, or by name and argument types; {}: there is none.';

-- The sequence of a column has no owner of its own: it is the table's.
CREATE OR REPLACE FUNCTION unsecure.table_of_sequence(_sequence_oid oid)
RETURNS oid
LANGUAGE sql
STABLE
RETURN (SELECT d.refobjid
        FROM pg_catalog.pg_depend d
        WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = _sequence_oid AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.deptype IN ('a', 'i'));

COMMENT ON FUNCTION unsecure.table_of_sequence(oid) IS 'The table whose column owns a sequence; NULL: none does.';

-- No table's row type, no array and no multirange: their privileges are those of something else.
CREATE OR REPLACE FUNCTION unsecure.is_type_of_its_own(_type pg_catalog.pg_type)
RETURNS boolean
LANGUAGE sql
STABLE
RETURN _type.typtype <> 'm'
   AND (_type.typrelid = 0 OR EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = _type.typrelid AND c.relkind = 'c'))
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_type e WHERE e.typarray = _type.oid);

COMMENT ON FUNCTION unsecure.is_type_of_its_own(pg_catalog.pg_type) IS 'Whether privileges on a type can be granted, and its owner changed.';

CREATE TYPE unsecure.grant_target AS (
    element_no integer,
    kind       text,
    classid    oid,
    object_oid oid,
    subid      bigint,
    label      text,
    problem    text,
    hint       text
);

COMMENT ON TYPE unsecure.grant_target IS
    'Something that a grant names. label: only of what does not exist yet and can be created. problem: what is not there. hint: missing, or '
    'empty for a pattern that matches nothing.';

CREATE OR REPLACE FUNCTION unsecure.grant_targets(_elements unsecure.grant_element[])
RETURNS SETOF unsecure.grant_target
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN QUERY
    WITH element AS MATERIALIZED (
        SELECT e.*, n.oid AS schema_oid, '^(?:' || e.pattern || ')$' AS anchored
        FROM unnest(_elements) AS e
        LEFT JOIN pg_namespace n ON n.nspname = e.schema_name
    ), relation AS MATERIALIZED (
        SELECT e.element_no, e.kind, e.columns, e.name IS NOT NULL AS is_named, c.oid
        FROM element e
        JOIN pg_class c ON c.relnamespace = e.schema_oid AND c.relname = e.name
        WHERE e.kind IN ('table', 'sequence') AND c.relkind = ANY (CASE e.kind WHEN 'table' THEN '{r,v,m,f,p,t}' ELSE '{S}' END::"char"[])
        UNION ALL
        SELECT e.element_no, e.kind, e.columns, false, c.oid
        FROM element e
        JOIN pg_class c ON c.relnamespace = e.schema_oid
        WHERE e.kind IN ('table', 'sequence') AND e.name IS NULL AND c.relkind = ANY (CASE e.kind WHEN 'table' THEN '{r,v,m,f,p}' ELSE '{S}' END::"char"[])
          AND (e.is_all OR c.relname ~ e.anchored)
          AND NOT (e.is_owner AND c.relkind = 'S' AND unsecure.table_of_sequence(c.oid) IS NOT NULL)
    ), routine AS MATERIALIZED (
        SELECT e.element_no, e.kind, e.schema_name, unsecure.find_routines(e.schema_oid, e.name, e.kind = 'procedure') AS oids
        FROM element e
        WHERE e.kind IN ('function', 'procedure') AND e.name IS NOT NULL
    ), found (element_no, kind, classid, object_oid, subid) AS (
        SELECT r.element_no, r.kind, 'pg_class'::regclass::oid, r.oid, 0::bigint FROM relation r WHERE r.columns IS NULL
        UNION ALL
        SELECT r.element_no, r.kind, 'pg_class'::regclass, r.oid, a.attnum
        FROM relation r
        CROSS JOIN LATERAL unnest(r.columns) AS c (name)
        JOIN pg_attribute a ON a.attrelid = r.oid AND a.attname = c.name AND NOT a.attisdropped
        UNION ALL
        SELECT r.element_no, r.kind, 'pg_proc'::regclass, r.oids[1], 0 FROM routine r WHERE cardinality(r.oids) = 1
        UNION ALL
        SELECT e.element_no, e.kind, 'pg_proc'::regclass, p.oid, 0
        FROM element e
        JOIN pg_proc p ON p.pronamespace = e.schema_oid AND (p.prokind = 'p') = (e.kind = 'procedure')
        WHERE e.kind IN ('function', 'procedure') AND e.name IS NULL AND (e.is_all OR p.proname ~ e.anchored)
          -- The constructors of range types are PostgreSQL's.
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'i')
        UNION ALL
        SELECT e.element_no, e.kind, 'pg_type'::regclass, t.oid, 0
        FROM element e
        JOIN pg_type t ON t.typnamespace = e.schema_oid
        WHERE e.kind = 'type' AND (e.is_all OR t.typname = e.name OR t.typname ~ e.anchored) AND unsecure.is_type_of_its_own(t)
        UNION ALL
        SELECT e.element_no, e.kind, 'pg_namespace'::regclass, n.oid, 0
        FROM element e JOIN pg_namespace n ON n.nspname = e.name WHERE e.kind = 'schema'
        UNION ALL
        SELECT e.element_no, e.kind, 'pg_database'::regclass, d.oid, 0
        FROM element e JOIN pg_database d ON d.datname = e.name WHERE e.kind = 'database'
        UNION ALL
        SELECT e.element_no, e.kind, 'pg_language'::regclass, l.oid, 0
        FROM element e JOIN pg_language l ON l.lanname = e.name WHERE e.kind = 'language'
        UNION ALL
        SELECT e.element_no, e.kind, 'pg_foreign_server'::regclass, s.oid, 0
        FROM element e JOIN pg_foreign_server s ON s.srvname = e.name WHERE e.kind = 'foreign_server'
        UNION ALL
        SELECT e.element_no, e.kind, 'pg_foreign_data_wrapper'::regclass, f.oid, 0
        FROM element e JOIN pg_foreign_data_wrapper f ON f.fdwname = e.name WHERE e.kind = 'foreign_data_wrapper'
        UNION ALL
        SELECT e.element_no, e.kind, 'pg_tablespace'::regclass, t.oid, 0
        FROM element e JOIN pg_tablespace t ON t.spcname = e.name WHERE e.kind = 'tablespace'
        UNION ALL
        SELECT e.element_no, e.kind, 'pg_largeobject'::regclass, m.oid, 0
        FROM element e JOIN pg_largeobject_metadata m ON m.oid = e.name::bigint::oid WHERE e.kind = 'large_object'
        UNION ALL
        SELECT e.element_no, e.kind, 6243, p.object_oid, 0
        FROM element e JOIN unsecure.parameter_acl() AS p ON p.name = lower(e.name) WHERE e.kind = 'parameter'
        UNION ALL
        SELECT e.element_no, e.kind, 'pg_default_acl'::regclass, a.oid, coalesce(e.schema_oid, 0)::bigint
        FROM element e
        JOIN pg_roles a ON a.rolname = e.name
        WHERE e.kind LIKE 'default %' AND (e.schema_name IS NULL OR e.schema_oid IS NOT NULL)
    )
    SELECT f.*, NULL::text, NULL::text, NULL::text FROM found f
    UNION ALL
    -- Nobody has a privilege on this parameter yet.
    SELECT e.element_no, e.kind, 6243, unsecure.virtual_oid(lower(e.name)), 0, unsecure.parameter_label(lower(e.name)), NULL, NULL
    FROM element e
    WHERE e.kind = 'parameter'
      AND (e.name LIKE '%.%' OR EXISTS (SELECT FROM pg_settings s WHERE lower(s.name) = lower(e.name)))
      AND NOT EXISTS (SELECT FROM found f WHERE f.element_no = e.element_no)
    UNION ALL
    SELECT e.element_no, e.kind, 'pg_namespace'::regclass, unsecure.virtual_oid(e.name), 0, quote_ident(e.name),
           format('schema %I', e.name), 'missing'
    FROM element e
    WHERE e.kind = 'schema' AND NOT EXISTS (SELECT FROM found f WHERE f.element_no = e.element_no)
    UNION ALL
    -- Of a role or in a schema that may be made by the same plan.
    SELECT e.element_no, e.kind, 'pg_default_acl'::regclass, coalesce(a.oid, unsecure.virtual_oid(e.name)),
           CASE WHEN e.schema_name IS NULL THEN 0 ELSE coalesce(e.schema_oid, unsecure.virtual_oid(e.schema_name))::bigint END, coalesce(e.schema_name, ''),
           CASE WHEN a.oid IS NULL THEN format('role %I', e.name) ELSE format('schema %I', e.schema_name) END, 'missing'
    FROM element e
    LEFT JOIN pg_roles a ON a.rolname = e.name
    WHERE e.kind LIKE 'default %' AND (a.oid IS NULL OR e.schema_name IS NOT NULL AND e.schema_oid IS NULL)
    UNION ALL
    SELECT e.element_no, e.kind, NULL, NULL, NULL, NULL,
           CASE WHEN e.schema_name IS NOT NULL AND e.schema_oid IS NULL THEN format('schema %I', e.schema_name)
                WHEN e.name IS NULL THEN format('%s %s in schema %I', e.kind, to_json(e.pattern), e.schema_name)
                WHEN e.kind IN ('table', 'sequence', 'type') THEN format('%s %I.%I', e.kind, e.schema_name, e.name)
                WHEN e.kind IN ('function', 'procedure') THEN (
                    SELECT CASE WHEN cardinality(r.oids) > 1 THEN format('%s %I.%I: there are several: %s', e.kind, e.schema_name, e.name,
                                                                         (SELECT string_agg(o::regprocedure::text, ', ' ORDER BY o) FROM unnest(r.oids) AS o))
                                ELSE format('%s %I.%s', e.kind, e.schema_name, e.name) END
                    FROM routine r WHERE r.element_no = e.element_no)
                WHEN e.kind = 'large_object' THEN 'large object ' || e.name
                ELSE format('%s %I', replace(e.kind, '_', ' '), e.name) END,
           CASE WHEN e.name IS NULL AND e.schema_oid IS NOT NULL THEN 'empty' ELSE 'missing' END
    FROM element e
    WHERE e.kind <> 'schema'
      AND e.kind NOT LIKE 'default %'
      AND NOT (e.is_all AND e.schema_oid IS NOT NULL)
      AND NOT (e.kind = 'parameter' AND (e.name LIKE '%.%' OR EXISTS (SELECT FROM pg_settings s WHERE lower(s.name) = lower(e.name))))
      AND NOT EXISTS (SELECT FROM found f WHERE f.element_no = e.element_no)
      AND NOT EXISTS (SELECT FROM relation r WHERE r.element_no = e.element_no)
    UNION ALL
    SELECT r.element_no, r.kind, NULL, NULL, NULL, NULL, format('column %s of table %s', quote_ident(c.name), r.oid::regclass), 'missing'
    FROM relation r
    CROSS JOIN LATERAL unnest(r.columns) AS c (name)
    WHERE r.is_named AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = r.oid AND a.attname = c.name AND NOT a.attisdropped);
END;
$function$;

COMMENT ON FUNCTION unsecure.grant_targets(unsecure.grant_element[]) IS 'What grants name, and what of it is not there.';

REVOKE ALL ON FUNCTION
    unsecure.type_spelling(text),
    unsecure.find_routines(oid, text, boolean),
    unsecure.table_of_sequence(oid),
    unsecure.is_type_of_its_own(pg_catalog.pg_type),
    unsecure.grant_targets(unsecure.grant_element[])
FROM PUBLIC;
