-- What people type for an object, and the object.

-- Everything that has privileges of its own, except columns; acl is NULL where PostgreSQL has NULL, so that it can be seen what nobody changed.
CREATE VIEW unsecure.acl_object AS
SELECT CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END AS kind, 'pg_catalog.pg_class'::regclass::oid AS classid, c.oid AS objid,
       n.oid AS schema_oid, n.nspname::text AS schema_name, c.relname::text AS name, format('%I.%I', n.nspname, c.relname) AS label,
       c.relowner AS owner, c.relacl AS acl, CASE c.relkind WHEN 'S' THEN 's'::"char" ELSE 'r' END AS acl_code
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p', 'S')
UNION ALL
SELECT CASE p.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END, 'pg_catalog.pg_proc'::regclass, p.oid, n.oid, n.nspname, p.proname,
       format('%I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)), p.proowner, p.proacl, 'f'
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
UNION ALL
-- A table's row type, an array and a multirange have the privileges of something else.
SELECT 'type', 'pg_catalog.pg_type'::regclass, t.oid, n.oid, n.nspname, t.typname, format('%I.%I', n.nspname, t.typname), t.typowner, t.typacl, 'T'
FROM pg_catalog.pg_type t
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
WHERE t.typtype <> 'm'
  AND (t.typrelid = 0 OR EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_type e WHERE e.typarray = t.oid)
UNION ALL
SELECT 'schema', 'pg_catalog.pg_namespace'::regclass, n.oid, NULL, NULL, n.nspname, quote_ident(n.nspname), n.nspowner, n.nspacl, 'n'
FROM pg_catalog.pg_namespace n
UNION ALL
SELECT 'database', 'pg_catalog.pg_database'::regclass, d.oid, NULL, NULL, d.datname, quote_ident(d.datname), d.datdba, d.datacl, 'd'
FROM pg_catalog.pg_database d
UNION ALL
SELECT 'language', 'pg_catalog.pg_language'::regclass, l.oid, NULL, NULL, l.lanname, quote_ident(l.lanname), l.lanowner, l.lanacl, 'l'
FROM pg_catalog.pg_language l
UNION ALL
SELECT 'foreign_server', 'pg_catalog.pg_foreign_server'::regclass, s.oid, NULL, NULL, s.srvname, quote_ident(s.srvname), s.srvowner, s.srvacl, 'S'
FROM pg_catalog.pg_foreign_server s
UNION ALL
SELECT 'foreign_data_wrapper', 'pg_catalog.pg_foreign_data_wrapper'::regclass, f.oid, NULL, NULL, f.fdwname, quote_ident(f.fdwname), f.fdwowner, f.fdwacl, 'F'
FROM pg_catalog.pg_foreign_data_wrapper f
UNION ALL
SELECT 'tablespace', 'pg_catalog.pg_tablespace'::regclass, t.oid, NULL, NULL, t.spcname, quote_ident(t.spcname), t.spcowner, t.spcacl, 't'
FROM pg_catalog.pg_tablespace t
UNION ALL
-- Who depends on large objects names the table of their pages.
SELECT 'large_object', 'pg_catalog.pg_largeobject'::regclass, m.oid, NULL, NULL, m.oid::text, m.oid::text, m.lomowner, m.lomacl, 'L'
FROM pg_catalog.pg_largeobject_metadata m
UNION ALL
-- 6243: pg_parameter_acl, which older servers do not have.
SELECT 'parameter', 6243, p.object_oid, NULL, NULL, p.name, unsecure.parameter_label(p.name), 10, p.acl, 'p'
FROM unsecure.parameter_acl() AS p;

COMMENT ON VIEW unsecure.acl_object IS
    'What privileges can be granted on, except columns: kind as in grants, classid as in pg_shdepend, label as GRANT names it.';

REVOKE ALL ON unsecure.acl_object FROM PUBLIC;

CREATE TYPE unsecure.named_object AS (
    kind        text,
    classid     oid,
    objid       oid,
    objsubid    integer,
    schema_oid  oid,
    schema_name text,
    name        text,
    column_name text,
    label       text,
    owner       oid,
    acl         aclitem[],
    table_acl   aclitem[]
);

COMMENT ON TYPE unsecure.named_object IS
    'An object that somebody named. kind: as in grants, or column. label: as GRANT names it, of a column its table. acl: what holds, also where '
    'PostgreSQL has NULL (NULL: nothing); of a column its own, and table_acl its table''s. objid 0: a parameter that nobody was granted anything '
    'on.';

CREATE OR REPLACE FUNCTION unsecure.as_named_object(_object unsecure.acl_object)
RETURNS unsecure.named_object
LANGUAGE sql
STABLE
RETURN ROW(_object.kind, _object.classid, _object.objid, 0, _object.schema_oid, _object.schema_name, _object.name, NULL, _object.label, _object.owner,
           coalesce(_object.acl, acldefault(_object.acl_code, _object.owner)), NULL)::unsecure.named_object;

COMMENT ON FUNCTION unsecure.as_named_object(unsecure.acl_object) IS 'An object in the shape of those that are named.';

CREATE OR REPLACE FUNCTION unsecure.object_text(_object unsecure.named_object)
RETURNS text
LANGUAGE sql
STABLE
RETURN CASE _object.kind WHEN 'column' THEN format('column %s.%I', _object.label, _object.column_name)
                         ELSE replace(_object.kind, '_', ' ') || ' ' || _object.label END;

COMMENT ON FUNCTION unsecure.object_text(unsecure.named_object) IS 'An object in words, which unsecure.find_object understands.';

-- The rules of parse_ident, without its errors.
CREATE OR REPLACE FUNCTION unsecure.name_parts(_name text)
RETURNS text[]
LANGUAGE plpgsql
STABLE
AS $function$
BEGIN
    RETURN pg_catalog.parse_ident(_name);
EXCEPTION
    WHEN invalid_parameter_value THEN
        RETURN NULL;
END;
$function$;

COMMENT ON FUNCTION unsecure.name_parts(text) IS 'The parts of a name with dots, as SQL reads it; NULL: it is no name.';

-- Not by to_regtype where a schema is named: it refuses what is in schemas that Rolewright's owner may not use.
CREATE OR REPLACE FUNCTION unsecure.type_oid(_name text)
RETURNS oid
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_is_array boolean := _name ~ '(\[[0-9]*\]\s*)+$';
    v_parts    text[] := unsecure.name_parts(regexp_replace(_name, '\s*(\[[0-9]*\]\s*)+$', ''));
BEGIN
    IF cardinality(v_parts) = 2 THEN
        RETURN (SELECT CASE WHEN v_is_array THEN t.typarray ELSE t.oid END
                FROM pg_type t
                JOIN pg_namespace n ON n.oid = t.typnamespace
                WHERE n.nspname = v_parts[1] AND t.typname = v_parts[2]);
    END IF;
    RETURN to_regtype(_name);
EXCEPTION
    WHEN syntax_error OR undefined_object OR undefined_parameter OR invalid_schema_name OR invalid_text_representation OR feature_not_supported
         OR undefined_table OR invalid_parameter_value OR name_too_long OR invalid_name OR insufficient_privilege THEN
        RETURN NULL;
END;
$function$;

COMMENT ON FUNCTION unsecure.type_oid(text) IS 'The type of a name as SQL writes it; NULL: there is none.';

CREATE OR REPLACE FUNCTION unsecure.find_routine(
    _schema_name text,
    _name        text,
    _arguments   text
)
RETURNS oid
LANGUAGE sql
STABLE
AS $function$
    SELECT p.oid
    FROM pg_catalog.pg_proc p
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = _schema_name
      AND p.proname = _name
      AND string_to_array(p.proargtypes::text, ' ') = ARRAY(
              SELECT coalesce(unsecure.type_oid(btrim(a.part[1], E' \t\n\r\f')), 0)::text
              FROM regexp_matches(_arguments, '((?:"(?:[^"]|"")*"|\([^()]*\)|[^,"()])+)', 'g') WITH ORDINALITY AS a (part, nth)
              WHERE btrim(_arguments, E' \t\n\r\f') <> ''
              ORDER BY a.nth)
$function$;

COMMENT ON FUNCTION unsecure.find_routine(text, text, text) IS 'The function or procedure of this name with these argument types; NULL: there is none.';

CREATE OR REPLACE FUNCTION unsecure.find_object(_object text)
RETURNS unsecure.named_object
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off
AS $function$
DECLARE
    c_kinds  CONSTANT text := '(column|table|view|materialized[\s_]+view|foreign[\s_]+table|sequence|schema|database|function|procedure|type|domain|language'
                              '|(?:foreign[\s_]+)?server|foreign[\s_]+data[\s_]+wrapper|tablespace|parameter|large[\s_]+object)';
    c_part   CONSTANT text := '(?:"(?:[^"]|"")+"|[^\s".(),;]+)';
    c_spaces CONSTANT text := E' \t\n\r\f';
    v_match  text[];
    v_kind   text;
    v_rest   text;
    v_parts  text[];
    v_tail   text;
    v_column text;
    v_found  unsecure.named_object;
    v_oids   oid[];
    v_detail text;
    v_hint   text;
BEGIN
    v_match := regexp_match(_object, '(?i)^\s*' || c_kinds || '(\s+\S.*|\s*".*)$');
    v_kind  := lower(regexp_replace(v_match[1], '[\s_]+', '_', 'g'));
    v_rest  := btrim(coalesce(v_match[2], _object), c_spaces);
    v_kind  := CASE v_kind WHEN 'domain' THEN 'type' WHEN 'server' THEN 'foreign_server' WHEN 'view' THEN 'table' WHEN 'materialized_view' THEN 'table'
                           WHEN 'foreign_table' THEN 'table' ELSE coalesce(v_kind, 'relation') END;
    -- Names with dots, and what follows in parentheses.
    v_tail  := substring(v_rest FROM '^(' || c_part || '(?:\s*\.\s*' || c_part || ')*)');
    v_parts := unsecure.name_parts(v_tail);
    v_tail  := btrim(substr(v_rest, length(v_tail) + 1), c_spaces);

    IF v_kind IN ('relation', 'table', 'column', 'sequence') THEN
        IF v_tail ~ '^\(.*\)$' AND v_kind <> 'sequence' AND cardinality(v_parts) < 3 THEN
            v_match  := unsecure.name_parts(btrim(substr(v_tail, 2, length(v_tail) - 2), c_spaces));
            v_column := CASE cardinality(v_match) WHEN 1 THEN v_match[1] END;
            v_detail := CASE WHEN v_column IS NULL THEN format('%s is not the name of one column.', v_tail) END;
        ELSIF v_tail = '' AND v_kind = 'column' AND cardinality(v_parts) > 1 THEN
            v_column := v_parts[cardinality(v_parts)];
            v_parts  := v_parts[:cardinality(v_parts) - 1];
        END IF;
        IF v_detail IS NULL AND (v_tail <> '' OR v_kind = 'column') AND v_column IS NULL OR v_parts IS NULL OR cardinality(v_parts) > 2 THEN
            v_detail := 'A relation is named like app.orders, a column like column app.orders.price.';
        ELSIF v_detail IS NULL AND cardinality(v_parts) = 1 THEN
            SELECT string_agg(o.label, ', ' ORDER BY o.label) INTO v_hint
            FROM (SELECT format('%I.%I', n.nspname, c.relname) AS label
                  FROM pg_class c
                  JOIN pg_namespace n ON n.oid = c.relnamespace
                  WHERE c.relname = v_parts[1] AND c.relkind IN ('r', 'v', 'm', 'f', 'p', 'S')
                  LIMIT 20) AS o;
            v_detail := 'The schema is missing: nobody''s search_path is meant here.';
            v_hint   := CASE WHEN v_hint IS NULL THEN 'No schema has a relation of this name.' ELSE 'There is: ' || v_hint || '.' END;
        ELSIF v_detail IS NULL THEN
            v_found := (SELECT unsecure.as_named_object(o)
                        FROM unsecure.acl_object o
                        WHERE o.classid = 'pg_class'::regclass AND o.schema_name = v_parts[1] AND o.name = v_parts[2]);
            IF v_found.kind <> v_kind AND v_kind IN ('table', 'sequence') OR v_found.kind = 'sequence' AND v_column IS NOT NULL THEN
                v_hint  := format('It is a %s.', unsecure.object_text(v_found));
                v_found := NULL;
            ELSIF v_found.objid IS NOT NULL AND v_column IS NOT NULL THEN
                v_found.kind        := 'column';
                v_found.column_name := v_column;
                v_found.table_acl   := v_found.acl;
                SELECT a.attnum, a.attacl
                INTO v_found.objsubid, v_found.acl
                FROM pg_attribute a
                WHERE a.attrelid = v_found.objid AND a.attname = v_column AND NOT a.attisdropped;
                IF NOT FOUND THEN
                    v_found := NULL;
                    v_hint  := format('The table exists; it has no such column. pg_attribute lists those it has.');
                END IF;
            END IF;
        END IF;

    ELSIF v_kind IN ('function', 'procedure') THEN
        IF cardinality(v_parts) IS DISTINCT FROM 2 OR v_tail <> '' AND v_tail !~ '^\(.*\)$' THEN
            v_detail := 'A function is named like app.f(integer), or app.f when no other has the name.';
        ELSE
            v_oids := CASE v_tail
                WHEN '' THEN ARRAY(SELECT o.objid FROM unsecure.acl_object o
                                   WHERE o.classid = 'pg_proc'::regclass AND o.kind = v_kind AND o.schema_name = v_parts[1] AND o.name = v_parts[2])
                ELSE ARRAY(SELECT o.objid FROM unsecure.acl_object o
                           WHERE o.classid = 'pg_proc'::regclass AND o.kind = v_kind
                             AND o.objid = unsecure.find_routine(v_parts[1], v_parts[2], substr(v_tail, 2, length(v_tail) - 2))) END;
            IF cardinality(v_oids) > 1 THEN
                v_detail := 'There are several of this name.';
                v_hint   := 'Name one of: ' || (SELECT string_agg(o.label, ', ' ORDER BY o.label) FROM unsecure.acl_object o
                                                WHERE o.classid = 'pg_proc'::regclass AND o.objid = ANY (v_oids)) || '.';
            ELSE
                v_found := (SELECT unsecure.as_named_object(o)
                            FROM unsecure.acl_object o
                            WHERE o.classid = 'pg_proc'::regclass AND o.objid = v_oids[1]);
                SELECT 'There is: ' || string_agg(o.kind || ' ' || o.label, ', ' ORDER BY o.label) || '.' INTO v_hint
                FROM unsecure.acl_object o
                WHERE v_found.objid IS NULL AND o.classid = 'pg_proc'::regclass AND o.schema_name = v_parts[1] AND o.name = v_parts[2];
            END IF;
        END IF;

    ELSIF v_kind = 'type' THEN
        v_found := (SELECT unsecure.as_named_object(o)
                    FROM unsecure.acl_object o
                    WHERE o.classid = 'pg_type'::regclass
                      -- The privileges on an array are those on its element, the ones on a multirange those on the range.
                      AND o.objid = (SELECT coalesce(r.rngtypid, e.oid, t.oid)
                                     FROM (SELECT unsecure.type_oid(v_rest) AS oid) AS t
                                     LEFT JOIN pg_type e ON t.oid <> 0 AND e.typarray = t.oid
                                     LEFT JOIN pg_range r ON r.rngmultitypid = coalesce(e.oid, t.oid)));
        v_hint := 'Types are named with their schema, those of PostgreSQL also without. A table''s row type is none.';

    ELSIF v_kind = 'large_object' THEN
        v_found := (SELECT unsecure.as_named_object(o)
                    FROM unsecure.acl_object o
                    WHERE o.classid = 'pg_largeobject'::regclass
                      AND o.objid = CASE WHEN v_rest ~ '^[0-9]{1,10}$' AND v_rest::numeric <= 4294967295 THEN v_rest::bigint::oid END);
        v_hint := 'pg_largeobject_metadata lists the large objects.';

    ELSIF v_kind = 'parameter' THEN
        v_match := ARRAY[lower(array_to_string(v_parts, '.'))];
        IF current_setting('server_version_num')::integer < 150000 THEN
            v_detail := 'Privileges on parameters came with PostgreSQL 15.';
        ELSIF v_match[1] IS NULL OR v_tail <> '' THEN
            v_detail := 'A parameter is named like work_mem.';
        ELSE
            v_found := (
                SELECT ROW('parameter', 6243, coalesce(p.object_oid, 0), 0, NULL, NULL, v_match[1], NULL, unsecure.parameter_label(v_match[1]),
                           10, p.acl, NULL)::unsecure.named_object
                FROM (SELECT) AS one
                LEFT JOIN unsecure.parameter_acl() AS p ON p.name = v_match[1]
                -- Anybody may make up a name with a dot.
                WHERE p.name IS NOT NULL OR cardinality(v_parts) > 1 OR EXISTS (SELECT FROM pg_settings s WHERE lower(s.name) = v_match[1]));
            v_hint := 'pg_settings lists the parameters.';
        END IF;

    ELSIF cardinality(v_parts) IS DISTINCT FROM 1 OR v_tail <> '' THEN
        v_detail := format('A %s has one name, without dots.', replace(v_kind, '_', ' '));
    ELSE
        v_found := (SELECT unsecure.as_named_object(o)
                    FROM unsecure.acl_object o
                    WHERE o.kind = v_kind AND o.name = v_parts[1]);
    END IF;

    IF v_found.objid IS NULL THEN
        RAISE EXCEPTION '%', CASE WHEN v_detail IS NULL
                                       THEN CASE v_kind WHEN 'relation' THEN 'relation ' || v_rest ELSE btrim(_object, c_spaces) END || ' does not exist'
                                  ELSE format('object %s is not understood', coalesce(to_json(_object)::text, 'NULL')) END
            USING ERRCODE = 'RW525',
                  DETAIL  = coalesce(v_detail, format('Looked for in database %I.', current_database())),
                  HINT    = coalesce(v_hint, 'Name it like: table app.orders; column app.orders.price; function app.f(integer); schema app; database shop; '
                                             'names as in SQL, in quotes where they need them.');
    END IF;
    RETURN v_found;
END;
$function$;

COMMENT ON FUNCTION unsecure.find_object(text) IS
    'The object of a text like table app.orders, app.orders, column app.orders.price, table app.orders (price), sequence, view, schema, '
    'database, function app.f(integer) (its name alone when no other has it), procedure, type, language, foreign server, foreign data wrapper, '
    'tablespace, parameter, large object 123. Names as in SQL. RW525: not understood, or not there.';

CREATE OR REPLACE FUNCTION unsecure.read_privilege(
    _object    unsecure.named_object,
    _privilege text,
    OUT privilege    text,
    OUT is_grantable boolean
)
LANGUAGE plpgsql
STABLE
AS $function$
DECLARE
    v_words text := upper(btrim(regexp_replace(_privilege, '\s+', ' ', 'g')));
    v_known text[] := ARRAY(SELECT unnest(unsecure.kind_privileges(_object.kind)) ORDER BY 1);
BEGIN
    is_grantable := coalesce(v_words LIKE '% WITH GRANT OPTION', false);
    privilege    := CASE WHEN is_grantable THEN left(v_words, -18) ELSE v_words END;
    privilege    := CASE privilege WHEN 'TEMP' THEN 'TEMPORARY' ELSE privilege END;
    IF privilege IS NULL OR privilege <> ALL (v_known) THEN
        RAISE EXCEPTION 'a % has no privilege %', replace(_object.kind, '_', ' '), coalesce(to_json(_privilege)::text, 'NULL')
            USING ERRCODE = 'RW526',
                  DETAIL  = format('It has: %s.', array_to_string(v_known, ', ')),
                  HINT    = 'Name one of them; WITH GRANT OPTION may follow.';
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.read_privilege(unsecure.named_object, text) IS
    'A privilege in any case, with or without WITH GRANT OPTION. RW526: the object has none of this name; the DETAIL lists those that it has.';

REVOKE ALL ON FUNCTION
    unsecure.as_named_object(unsecure.acl_object),
    unsecure.object_text(unsecure.named_object),
    unsecure.name_parts(text),
    unsecure.type_oid(text),
    unsecure.find_routine(text, text, text),
    unsecure.find_object(text),
    unsecure.read_privilege(unsecure.named_object, text)
FROM PUBLIC;
