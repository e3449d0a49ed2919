-- What a declaration says, and everything that is wrong with one. Nothing here looks at the objects that it names.

-- The keys of each type of grant, and what their values are.
CREATE OR REPLACE FUNCTION unsecure.grant_keys()
RETURNS TABLE (type text, key text, shape text)
LANGUAGE sql
IMMUTABLE
ROWS 110
AS $function$
    SELECT *
    FROM (VALUES
        ('login', 'password', 'text'), ('login', 'verifier', 'text'), ('login', 'valid_until', 'text'), ('login', 'connection_limit', 'integer'),
        ('membership', 'role', 'name'), ('membership', 'inherit', 'boolean'), ('membership', 'set', 'boolean'), ('membership', 'admin', 'boolean'),
        ('default', 'creator', 'name'), ('default', 'schema', 'name'), ('default', 'objects', 'text')) AS v (type, key, shape)
    UNION ALL
    SELECT k.kind, s.key, s.shape
    FROM unsecure.grant_kinds() AS k
    CROSS JOIN (VALUES ('name', 'text'), ('schema', 'name'), ('pattern', 'text'), ('all', 'boolean'), ('owner', 'boolean')) AS s (key, shape)
    WHERE k.kind NOT LIKE 'default %'
      AND (k.in_schema OR s.key IN ('name', 'owner'))
      AND (k.owner_word IS NOT NULL OR s.key <> 'owner')
    UNION ALL
    SELECT k.kind, s.key, s.shape
    FROM (SELECT g.kind FROM unsecure.grant_kinds() AS g WHERE g.kind NOT LIKE 'default %' UNION ALL SELECT 'default') AS k
    CROSS JOIN (VALUES ('privileges', 'texts'), ('grant_option', 'boolean'), ('via', 'text'), ('columns', 'texts')) AS s (key, shape)
    WHERE k.kind = 'table' OR s.key <> 'columns'
$function$;

COMMENT ON FUNCTION unsecure.grant_keys() IS 'The keys that each type of grant can have, beside type.';

CREATE TYPE unsecure.grant_element AS (
    element_no   integer,
    kind         text,
    schema_name  text,
    name         text,
    pattern      text,
    is_all       boolean,
    columns      text[],
    privileges   text[],
    is_owner     boolean,
    is_grantable boolean,
    via          text,
    role_names   text[],
    place        text
);

COMMENT ON TYPE unsecure.grant_element IS
    'One grant, for all the roles that have it (public: PUBLIC; none: what PUBLIC shall not have; no role can have these names). kind: as unsecure.grant_kinds. place: where '
    'it first stands.';

-- One row per grant and role. What is not of the right shape is left out; unsecure.declaration_problems has said it.
CREATE OR REPLACE FUNCTION unsecure.declared_grants(_declaration jsonb)
RETURNS TABLE (role_name text, nth bigint, action text, element jsonb)
LANGUAGE sql
IMMUTABLE
AS $function$
    SELECT r.key, g.nth, 'grant', g.element
    FROM jsonb_each(CASE jsonb_typeof(_declaration -> 'roles') WHEN 'object' THEN _declaration -> 'roles' ELSE '{}' END) AS r
    CROSS JOIN LATERAL jsonb_array_elements(CASE jsonb_typeof(r.value -> 'grants') WHEN 'array' THEN r.value -> 'grants' ELSE '[]' END)
        WITH ORDINALITY AS g (element, nth)
    UNION ALL
    SELECT 'public', g.nth, g.element ->> 'action', g.element - 'action'
    FROM jsonb_array_elements(CASE jsonb_typeof(_declaration -> 'public') WHEN 'array' THEN _declaration -> 'public' ELSE '[]' END)
        WITH ORDINALITY AS g (element, nth)
    WHERE jsonb_typeof(g.element) = 'object'
$function$;

COMMENT ON FUNCTION unsecure.declared_grants(jsonb) IS 'The grants of a declaration with their roles; PUBLIC''s rules under public.';

CREATE OR REPLACE FUNCTION unsecure.pattern_problem(_pattern text)
RETURNS text
LANGUAGE plpgsql
IMMUTABLE
AS $function$
BEGIN
    -- Alone, and as it is used: a parenthesis too many would end what anchors it.
    PERFORM '' ~ _pattern, '' ~ ('^(?:' || _pattern || ')$');
    RETURN NULL;
EXCEPTION
    WHEN invalid_regular_expression THEN
        RETURN SQLERRM;
END;
$function$;

COMMENT ON FUNCTION unsecure.pattern_problem(text) IS 'Why a pattern is no regular expression; NULL: it is one.';

CREATE OR REPLACE FUNCTION unsecure.shape_problem(
    _shape text,
    _value jsonb
)
RETURNS text
LANGUAGE sql
IMMUTABLE
AS $function$
    SELECT CASE _shape
        WHEN 'text' THEN CASE WHEN jsonb_typeof(_value) NOT IN ('string', 'number') OR _value = '""' THEN 'a string is needed that is not empty' END
        WHEN 'name' THEN CASE WHEN jsonb_typeof(_value) <> 'string' OR _value = '""' THEN 'a name is needed'
                              WHEN octet_length(_value #>> '{}') > 63 THEN 'PostgreSQL''s names have at most 63 bytes' END
        WHEN 'boolean' THEN CASE WHEN jsonb_typeof(_value) <> 'boolean' THEN 'true or false is needed' END
        WHEN 'integer' THEN CASE WHEN jsonb_typeof(_value) <> 'number' THEN 'an integer is needed'
                                 WHEN (_value #>> '{}')::numeric NOT BETWEEN -1 AND 2147483647 OR (_value #>> '{}')::numeric % 1 <> 0
                                     THEN 'an integer is needed; -1: no limit' END
        WHEN 'texts' THEN CASE WHEN jsonb_typeof(_value) <> 'array' OR _value = '[]' THEN 'a list is needed that is not empty'
                               WHEN EXISTS (SELECT FROM jsonb_array_elements(_value) AS v WHERE jsonb_typeof(v) <> 'string') THEN 'a list of strings is needed' END
    END;
$function$;

COMMENT ON FUNCTION unsecure.shape_problem(text, jsonb) IS 'What is wrong with a value that shall be a text, name, boolean, integer or texts; NULL: nothing.';

-- Of one grant whose keys have the right shapes.
CREATE OR REPLACE FUNCTION unsecure.grant_problems(
    _grant     jsonb,
    _is_public boolean
)
RETURNS SETOF text
LANGUAGE plpgsql
STABLE
AS $function$
DECLARE
    v_type  text := _grant ->> 'type';
    v_16    boolean := current_setting('server_version_num')::integer >= 160000;
    v_kind  text := CASE v_type WHEN 'default' THEN 'default ' || upper(_grant ->> 'objects') ELSE v_type END;
    v_known text[];
BEGIN
    IF _is_public AND v_type IN ('login', 'membership') THEN
        RETURN NEXT format('PUBLIC has no %s', v_type);
    ELSIF _is_public AND _grant ?| '{owner,via,grant_option}' THEN
        RETURN NEXT 'owner, via and grant_option are not for PUBLIC';
    END IF;
    IF v_type = 'login' THEN
        IF _grant ?& '{password,verifier}' THEN
            RETURN NEXT 'password or verifier, not both';
        ELSIF NOT starts_with(_grant ->> 'verifier', 'SCRAM-SHA-256$') THEN
            RETURN NEXT 'verifier: a SCRAM-SHA-256 verifier is needed';
        END IF;
        IF _grant ? 'valid_until' AND unsecure.attribute_instant(_grant ->> 'valid_until') IS NULL THEN
            RETURN NEXT 'valid_until: a timestamp with an offset is needed, as in 2030-12-31T23:59:59+01:00';
        END IF;
        RETURN;
    ELSIF v_type = 'membership' THEN
        IF NOT _grant ? 'role' THEN
            RETURN NEXT 'role is missing';
        END IF;
        IF NOT v_16 AND _grant @> '{"inherit": false}' THEN
            RETURN NEXT 'inherit: PostgreSQL 15 and older take it from the role''s own attribute';
        END IF;
        IF NOT v_16 AND _grant @> '{"set": false}' THEN
            RETURN NEXT 'set: PostgreSQL 15 and older have no such option';
        END IF;
        RETURN;
    END IF;

    IF v_type = 'default' THEN
        IF NOT _grant ?& '{creator,objects}' THEN
            RETURN NEXT 'creator and objects are needed';
            RETURN;
        ELSIF NOT EXISTS (SELECT FROM unsecure.grant_kinds() AS k WHERE k.kind = v_kind) THEN
            RETURN NEXT format('objects: %s is none of TABLES, SEQUENCES, FUNCTIONS, TYPES, SCHEMAS', _grant -> 'objects');
            RETURN;
        ELSIF _grant ? 'schema' AND v_kind IN ('default SCHEMAS', 'default LARGE OBJECTS') THEN
            RETURN NEXT format('schema: there are no default privileges on %s within one', upper(_grant ->> 'objects'));
        END IF;
    ELSIF (SELECT k.in_schema FROM unsecure.grant_kinds() AS k WHERE k.kind = v_type) THEN
        IF NOT _grant ? 'schema' THEN
            RETURN NEXT 'schema is missing';
        END IF;
        IF (_grant ? 'name')::integer + (_grant ? 'pattern')::integer + (_grant ? 'all')::integer <> 1 OR _grant @> '{"all": false}' THEN
            RETURN NEXT 'one of name, pattern and "all": true is needed';
        END IF;
    ELSIF NOT _grant ? 'name' THEN
        RETURN NEXT 'name is missing';
    ELSIF v_type = 'large_object' AND (_grant ->> 'name' !~ '^[0-9]{1,10}$' OR (_grant ->> 'name')::numeric > 4294967295) THEN
        RETURN NEXT 'name: the number of a large object is needed';
    END IF;
    IF v_type NOT IN ('function', 'procedure', 'large_object', 'parameter') AND octet_length(_grant ->> 'name') > 63 THEN
        RETURN NEXT 'name: PostgreSQL''s names have at most 63 bytes';
    ELSIF octet_length(_grant ->> 'name') > 8000 THEN
        RETURN NEXT 'name: it has more than 8000 bytes';
    ELSIF v_type = 'parameter' AND _grant ->> 'name' !~ '^[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)*$' THEN
        RETURN NEXT 'name: it cannot be the name of a parameter';
    END IF;
    IF _grant ? 'pattern' AND unsecure.pattern_problem(_grant ->> 'pattern') IS NOT NULL THEN
        RETURN NEXT 'pattern: ' || unsecure.pattern_problem(_grant ->> 'pattern');
    END IF;

    IF _grant @> '{"owner": false}' OR (_grant ? 'privileges') = (_grant ? 'owner') THEN
        RETURN NEXT CASE WHEN EXISTS (SELECT FROM unsecure.grant_kinds() AS k WHERE k.kind = v_type AND k.owner_word IS NOT NULL)
                         THEN 'either privileges or "owner": true is needed' ELSE 'privileges are missing' END;
    ELSIF _grant ? 'owner' AND _grant ?| '{columns,via,grant_option}' THEN
        RETURN NEXT 'columns, via and grant_option are not for owners';
    END IF;
    IF _grant ? 'via' AND _grant ->> 'via' NOT IN ('auto', 'direct', 'group') THEN
        RETURN NEXT format('via: %s is none of auto, direct, group', _grant -> 'via');
    ELSIF _grant @> '{"via": "group", "grant_option": true}' THEN
        RETURN NEXT 'via: grant options are not given through a group';
    END IF;
    v_known := unsecure.kind_privileges(CASE WHEN _grant ? 'columns' THEN 'column' ELSE v_kind END);
    RETURN QUERY
    SELECT format('privileges: %s is none of %s', to_json(p), CASE v_known WHEN '{}' THEN 'those that this server has' ELSE array_to_string(v_known, ', ') END)
    FROM jsonb_array_elements_text(_grant -> 'privileges') AS p
    WHERE upper(p) NOT IN ('ALL', 'TEMP') AND upper(p) <> ALL (v_known) OR upper(p) = 'TEMP' AND v_type <> 'database' OR v_known = '{}';
    IF (SELECT count(*) FROM jsonb_array_elements_text(_grant -> 'privileges') AS p WHERE upper(p) = 'ALL') > 0 AND jsonb_array_length(_grant -> 'privileges') > 1 THEN
        RETURN NEXT 'privileges: ALL stands alone';
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.grant_problems(jsonb, boolean) IS 'What is wrong with a grant whose keys have the right shapes, or one of PUBLIC''s rules.';

CREATE OR REPLACE FUNCTION unsecure.option_problems(
    _options  jsonb,
    _of_roles boolean
)
RETURNS SETOF text
LANGUAGE sql
STABLE
AS $function$
    SELECT CASE jsonb_typeof(_options) WHEN 'object' THEN NULL ELSE 'options: an object is needed' END
    UNION ALL
    SELECT format('option %s: ', to_json(o.key)) || CASE
        WHEN o.key NOT IN ('missing', 'new_owner', 'scope', 'reuse_name', 'lock_key', 'plan_hash') THEN 'there is no such option'
        WHEN o.key IN ('lock_key', 'plan_hash') AND _of_roles THEN 'it is not for single roles'
        WHEN o.key = 'missing' THEN CASE WHEN o.value NOT IN ('"error"', '"skip"', '"create"') THEN 'error, skip or create is needed' END
        WHEN o.key = 'scope' THEN CASE WHEN o.value NOT IN ('"all"', '"database"') THEN 'all or database is needed' END
        WHEN o.key = 'reuse_name' THEN unsecure.shape_problem('boolean', o.value)
        WHEN o.key = 'new_owner' THEN coalesce(unsecure.shape_problem('name', o.value), CASE WHEN NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = o.value #>> '{}') THEN 'there is no such role' END)
        WHEN o.key = 'lock_key' THEN
            CASE WHEN jsonb_typeof(o.value) <> 'number' THEN 'a 64-bit integer is needed'
                 WHEN (o.value #>> '{}')::numeric NOT BETWEEN -9223372036854775808 AND 9223372036854775807 OR (o.value #>> '{}')::numeric % 1 <> 0
                     THEN 'a 64-bit integer is needed' END
        ELSE unsecure.shape_problem('text', o.value)
    END
    FROM jsonb_each(CASE jsonb_typeof(_options) WHEN 'object' THEN _options ELSE '{}' END) AS o;
$function$;

COMMENT ON FUNCTION unsecure.option_problems(jsonb, boolean) IS 'What is wrong with the options of a declaration, or of one of its roles.';

-- Inlined: it is called for every name.
CREATE OR REPLACE FUNCTION unsecure.usual_name(
    _grant   jsonb,
    _key     text,
    _instead jsonb
)
RETURNS jsonb
LANGUAGE sql
IMMUTABLE
RETURN CASE WHEN octet_length(_grant ->> _key) BETWEEN 1 AND 63 AND jsonb_typeof(_grant -> _key) = 'string' AND _grant ->> 'type' NOT IN ('large_object', 'parameter')
            THEN _instead ELSE '{}' END;

COMMENT ON FUNCTION unsecure.usual_name(jsonb, text, jsonb) IS 'What is to stand for a name that can be one; {}: it cannot, or there is none.';

CREATE OR REPLACE FUNCTION unsecure.role_declaration_problems(_declaration jsonb)
RETURNS text[]
LANGUAGE sql
STABLE
AS $function$
    WITH part AS (
        SELECT p.key, p.value FROM jsonb_each(CASE jsonb_typeof(_declaration) WHEN 'object' THEN _declaration ELSE '{}' END) AS p
    ), role AS (
        SELECT r.key AS name, r.value
        FROM part p
        CROSS JOIN LATERAL jsonb_each(CASE jsonb_typeof(p.value) WHEN 'object' THEN p.value ELSE '{}' END) AS r
        WHERE p.key = 'roles'
    ), declared AS MATERIALIZED (
        -- Most grants differ in names alone, which are looked at by their length: each form is checked once.
        SELECT d.role_name, d.nth, d.element, d.role_name = 'public' AS is_public,
               CASE jsonb_typeof(d.element) WHEN 'object' THEN d.element || unsecure.usual_name(d.element, 'name', '{"name": "x"}') || unsecure.usual_name(d.element, 'schema', '{"schema": "x"}')
                                                               || unsecure.usual_name(d.element, 'role', '{"role": "x"}') || unsecure.usual_name(d.element, 'creator', '{"creator": "x"}')
                                            ELSE d.element END AS form
        FROM unsecure.declared_grants(_declaration) AS d
    ), known AS MATERIALIZED (
        SELECT * FROM unsecure.grant_keys()
    ), element AS MATERIALIZED (
        SELECT f.form AS element, f.is_public, jsonb_typeof(f.form) AS type_of, f.form ->> 'type' AS type
        FROM (SELECT DISTINCT d.form, d.is_public FROM declared d) AS f
    ), key_problem AS MATERIALIZED (
        SELECT e.element, e.is_public,
               CASE WHEN k.key IS NULL THEN format('there is no key %s', to_json(x.key))
                    ELSE x.key || ': ' || unsecure.shape_problem(k.shape, x.value) END AS what
        FROM element e
        CROSS JOIN LATERAL jsonb_each(CASE e.type_of WHEN 'object' THEN e.element - 'type' ELSE '{}' END) AS x
        LEFT JOIN known k ON k.type = e.type AND k.key = x.key
        WHERE e.type IN (SELECT g.type FROM known g)
    ), problem (place, what) AS (
        SELECT NULL, 'a declaration is an object' WHERE jsonb_typeof(_declaration) IS DISTINCT FROM 'object'
        UNION ALL
        SELECT NULL, CASE WHEN p.key IN ('roles', 'public', 'preserve_schemas', 'options', 'drop_unused') THEN CASE
                              WHEN p.key = 'roles' AND jsonb_typeof(p.value) <> 'object' THEN 'roles: an object is needed, with the roles'' names as its keys'
                              WHEN p.key = 'drop_unused' THEN 'drop_unused: ' || unsecure.shape_problem('boolean', p.value)
                              WHEN p.key = 'public' AND jsonb_typeof(p.value) <> 'array' THEN 'public: an array of rules is needed'
                          END ELSE format('there is no key %s', to_json(p.key)) END
        FROM part p
        UNION ALL
        SELECT NULL, unsecure.option_problems(p.value, false) FROM part p WHERE p.key = 'options'
        UNION ALL
        SELECT o.place, 'preserve_schemas: a list of names is needed'
        FROM (
            SELECT NULL AS place, p.value FROM part p WHERE p.key = 'preserve_schemas'
            UNION ALL
            SELECT 'role ' || quote_ident(r.name), r.value -> 'preserve_schemas' FROM role r WHERE r.value ? 'preserve_schemas'
        ) AS o
        WHERE o.value <> '[]' AND unsecure.shape_problem('texts', o.value) IS NOT NULL
        UNION ALL
        SELECT 'role ' || quote_ident(r.name), 'an object with a list of grants is needed'
        FROM role r
        WHERE jsonb_typeof(r.value) <> 'object' OR jsonb_typeof(r.value -> 'grants') IS DISTINCT FROM 'array'
        UNION ALL
        SELECT 'role ' || quote_ident(r.name), format('there is no key %s', to_json(k))
        FROM role r
        CROSS JOIN LATERAL jsonb_object_keys(CASE jsonb_typeof(r.value) WHEN 'object' THEN r.value ELSE '{}' END) AS k
        WHERE k NOT IN ('grants', 'preserve_schemas', 'options')
        UNION ALL
        SELECT 'role ' || quote_ident(r.name), unsecure.option_problems(r.value -> 'options', true)
        FROM role r
        WHERE jsonb_typeof(r.value) = 'object' AND r.value ? 'options'
        UNION ALL
        SELECT 'public, grant ' || g.nth, CASE WHEN jsonb_typeof(g.element) <> 'object' THEN 'a grant is an object' ELSE 'action: grant or revoke is needed' END
        FROM part p
        CROSS JOIN LATERAL jsonb_array_elements(CASE jsonb_typeof(p.value) WHEN 'array' THEN p.value ELSE '[]' END) WITH ORDINALITY AS g (element, nth)
        WHERE p.key = 'public' AND (jsonb_typeof(g.element) <> 'object' OR coalesce(g.element ->> 'action', '') NOT IN ('grant', 'revoke'))
        UNION ALL
        SELECT 'role ' || quote_ident(d.role_name), CASE WHEN d.element ->> 'type' = 'login' THEN 'there are two logins'
                                                        ELSE format('two memberships in %s differ', to_json(d.element ->> 'role')) END
        FROM declared d
        WHERE d.element ->> 'type' IN ('login', 'membership')
        GROUP BY d.role_name, d.element ->> 'type', d.element ->> 'role'
        HAVING count(*) > 1 AND (d.element ->> 'type' = 'login' OR count(DISTINCT d.element) > 1)
    ), element_problem AS MATERIALIZED (
        SELECT e.element, e.is_public, CASE WHEN e.type_of <> 'object' THEN 'a grant is an object'
                                            WHEN e.type IS NULL THEN 'type is missing'
                                            ELSE format('there is no type %s', e.element -> 'type') END AS what
        FROM element e
        WHERE e.type_of <> 'object' OR e.type IS NULL OR e.type NOT IN (SELECT g.type FROM known g)
        UNION ALL
        SELECT * FROM key_problem k WHERE k.what IS NOT NULL
        UNION ALL
        SELECT e.element, e.is_public, unsecure.grant_problems(e.element, e.is_public)
        FROM element e
        WHERE e.type_of = 'object'
          AND e.type IN (SELECT g.type FROM known g)
          AND NOT EXISTS (SELECT FROM key_problem k WHERE k.element = e.element AND k.is_public = e.is_public AND k.what IS NOT NULL)
    ), said (place, what) AS (
        SELECT p.place, p.what FROM problem p WHERE p.what IS NOT NULL
        UNION ALL
        SELECT f.place, e.what
        FROM element_problem e
        JOIN (
            SELECT d.form, d.is_public,
                   (array_agg(CASE d.role_name WHEN 'public' THEN 'public' ELSE 'role ' || quote_ident(d.role_name) END || ', grant ' || d.nth
                              ORDER BY d.role_name COLLATE "C", d.nth))[1]
                   || CASE count(*) WHEN 1 THEN '' ELSE format(' (and %s like it)', count(*) - 1) END AS place
            FROM declared d
            WHERE d.form IN (SELECT x.element FROM element_problem x)
            GROUP BY d.form, d.is_public
        ) AS f ON f.form = e.element AND f.is_public = e.is_public
    )
    SELECT coalesce(array_agg(concat_ws(': ', p.place, p.what) ORDER BY p.place COLLATE "C" NULLS FIRST, p.what COLLATE "C"), '{}')
    FROM said p;
$function$;

COMMENT ON FUNCTION unsecure.role_declaration_problems(jsonb) IS 'Everything that is wrong with a declaration by itself, in words; {}: nothing. No secret is among them.';

CREATE OR REPLACE FUNCTION unsecure.require_role_declaration(_declaration jsonb)
RETURNS void
LANGUAGE plpgsql
STABLE
AS $function$
DECLARE
    v_problems text[] := unsecure.role_declaration_problems(_declaration);
    v_role     text;
BEGIN
    IF v_problems <> '{}' THEN
        RAISE EXCEPTION 'the declaration is not understood'
            USING ERRCODE = 'RW520',
                  DETAIL  = array_to_string(v_problems[:100], E'.\n') || '.'
                            || CASE WHEN cardinality(v_problems) > 100 THEN format(E'\nAnd %s more.', cardinality(v_problems) - 100) ELSE '' END,
                  HINT    = 'The COMMENT of auth.sync_role says what can be declared. Nothing was changed.';
    END IF;
    FOR v_role IN
        SELECT k
        FROM jsonb_object_keys(coalesce(_declaration -> 'roles', '{}')) AS k
        WHERE unsecure.role_name_problem(k) IS NOT NULL OR k IN (SELECT u.role_name FROM unsecure.untouchable_role u)
    LOOP
        PERFORM unsecure.require_touchable(v_role);
    END LOOP;
END;
$function$;

COMMENT ON FUNCTION unsecure.require_role_declaration(jsonb) IS
    'RW520 with all that is wrong with a declaration; RW503, RW504: a role in it is not for Rolewright to change, or can have no such name.';

-- Thousands of roles often have the same grants: each is looked at once.
CREATE OR REPLACE FUNCTION unsecure.grant_elements(_declaration jsonb)
RETURNS SETOF unsecure.grant_element
LANGUAGE sql
STABLE
AS $function$
    SELECT row_number() OVER (ORDER BY e.first_role, e.first_nth)::integer,
           CASE e.element ->> 'type' WHEN 'default' THEN 'default ' || upper(e.element ->> 'objects') ELSE e.element ->> 'type' END,
           e.element ->> 'schema',
           CASE e.element ->> 'type' WHEN 'default' THEN e.element ->> 'creator' WHEN 'membership' THEN e.element ->> 'role' ELSE e.element ->> 'name' END,
           e.element ->> 'pattern',
           coalesce((e.element ->> 'all')::boolean, false),
           CASE WHEN e.element ? 'columns' THEN ARRAY(SELECT jsonb_array_elements_text(e.element -> 'columns')) END,
           CASE WHEN e.element ? 'privileges' AND upper(e.element -> 'privileges' ->> 0) = 'ALL' THEN
                    unsecure.kind_privileges(CASE WHEN e.element ? 'columns' THEN 'column'
                                                  WHEN e.element ->> 'type' = 'default' THEN 'default ' || upper(e.element ->> 'objects')
                                                  ELSE e.element ->> 'type' END)
                WHEN e.element ? 'privileges' THEN ARRAY(SELECT DISTINCT CASE upper(p) WHEN 'TEMP' THEN 'TEMPORARY' ELSE upper(p) END
                                                         FROM jsonb_array_elements_text(e.element -> 'privileges') AS p) END,
           coalesce((e.element ->> 'owner')::boolean, false),
           coalesce((e.element ->> 'grant_option')::boolean, false),
           coalesce(e.element ->> 'via', 'auto'),
           e.role_names,
           CASE e.first_role WHEN 'public' THEN 'public' ELSE 'role ' || quote_ident(e.first_role) END || ', grant ' || e.first_nth
    FROM (
        SELECT d.element, array_agg(CASE d.action WHEN 'revoke' THEN 'none' ELSE d.role_name END) AS role_names,
               min(d.role_name COLLATE "C") AS first_role, min(d.nth) AS first_nth
        FROM unsecure.declared_grants(_declaration) AS d
        WHERE d.element ->> 'type' NOT IN ('login', 'membership')
        GROUP BY d.element, d.action
    ) AS e;
$function$;

COMMENT ON FUNCTION unsecure.grant_elements(jsonb) IS 'The grants of a declaration that is understood, except logins and memberships.';

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

-- The memberships of a declaration, one object each.
CREATE OR REPLACE FUNCTION unsecure.declared_members(_declaration jsonb)
RETURNS jsonb
LANGUAGE sql
IMMUTABLE
RETURN (SELECT coalesce(jsonb_agg(g.element || jsonb_build_object('role_name', g.role_name)), '[]')
        FROM unsecure.declared_grants(_declaration) AS g
        WHERE g.element ->> 'type' = 'membership');

COMMENT ON FUNCTION unsecure.declared_members(jsonb) IS 'The memberships of a declaration: role_name, and the keys of the grant.';

REVOKE ALL ON FUNCTION
    unsecure.declared_preserved(jsonb),
    unsecure.declared_members(jsonb),
    unsecure.grant_keys(),
    unsecure.declared_grants(jsonb),
    unsecure.pattern_problem(text),
    unsecure.shape_problem(text, jsonb),
    unsecure.grant_problems(jsonb, boolean),
    unsecure.option_problems(jsonb, boolean),
    unsecure.usual_name(jsonb, text, jsonb),
    unsecure.role_declaration_problems(jsonb),
    unsecure.require_role_declaration(jsonb),
    unsecure.grant_elements(jsonb)
FROM PUBLIC;
