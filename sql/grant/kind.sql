-- What privileges are granted on, and what PostgreSQL says of each kind. Which privileges there are is asked of the server: newer ones have more.

CREATE OR REPLACE FUNCTION unsecure.grant_kinds()
RETURNS TABLE (
    kind       text,    -- as in a declaration
    words      text,    -- as in GRANT … ON
    owner_word text,    -- as in ALTER … OWNER TO; NULL: ownership is not declared
    acl_code   "char",  -- as acldefault takes it
    is_local   boolean, -- belongs to one database
    in_schema  boolean
)
LANGUAGE sql
IMMUTABLE
ROWS 19
AS $function$
    VALUES
        ('database',             'DATABASE',             'DATABASE', 'd'::"char", false, false),
        ('schema',               'SCHEMA',               'SCHEMA',   'n',         true,  false),
        ('language',             'LANGUAGE',             NULL,       'l',         true,  false),
        ('foreign_server',       'FOREIGN SERVER',       NULL,       'S',         true,  false),
        ('foreign_data_wrapper', 'FOREIGN DATA WRAPPER', NULL,       'F',         true,  false),
        ('tablespace',           'TABLESPACE',           NULL,       't',         false, false),
        ('parameter',            'PARAMETER',            NULL,       'p',         false, false),
        ('large_object',         'LARGE OBJECT',         NULL,       'L',         true,  false),
        ('table',                'TABLE',                'TABLE',    'r',         true,  true),
        ('sequence',             'SEQUENCE',             'SEQUENCE', 's',         true,  true),
        ('function',             'FUNCTION',             'ROUTINE',  'f',         true,  true),
        ('procedure',            'PROCEDURE',            'ROUTINE',  'f',         true,  true),
        ('type',                 'TYPE',                 'TYPE',     'T',         true,  true),
        ('default TABLES',        'TABLES',              NULL,       'r',         true,  false),
        ('default SEQUENCES',     'SEQUENCES',           NULL,       's',         true,  false),
        ('default FUNCTIONS',     'FUNCTIONS',           NULL,       'f',         true,  false),
        ('default TYPES',         'TYPES',               NULL,       'T',         true,  false),
        ('default SCHEMAS',       'SCHEMAS',             NULL,       'n',         true,  false),
        ('default LARGE OBJECTS', 'LARGE OBJECTS',       NULL,       'L',         true,  false)
$function$;

COMMENT ON FUNCTION unsecure.grant_kinds() IS 'The kinds of objects that privileges are granted on; default …: default privileges for such objects.';

CREATE OR REPLACE FUNCTION unsecure.kind_privileges(_kind text)
RETURNS text[]
LANGUAGE plpgsql
STABLE
AS $function$
BEGIN
    IF _kind = 'column' THEN
        RETURN ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES'];
    ELSIF _kind = 'parameter' AND current_setting('server_version_num')::integer < 150000
          OR _kind = 'default LARGE OBJECTS' AND current_setting('server_version_num')::integer < 180000
    THEN
        RETURN ARRAY[]::text[];
    END IF;
    RETURN ARRAY(SELECT x.privilege_type
                 FROM unsecure.grant_kinds() AS k
                 CROSS JOIN LATERAL aclexplode(acldefault(k.acl_code, 10)) AS x
                 WHERE k.kind = _kind AND x.grantee = 10);
END;
$function$;

COMMENT ON FUNCTION unsecure.kind_privileges(text) IS
    'The privileges that an object of this kind (column: of a table''s) can have on this server. Source: PostgreSQL manual, "Privileges".';

-- What the rows of pg_parameter_acl say, on servers that have them (15 and later).
CREATE OR REPLACE FUNCTION unsecure.parameter_acl()
RETURNS TABLE (object_oid oid, name text, acl aclitem[])
LANGUAGE plpgsql
STABLE
ROWS 10
AS $function$
BEGIN
    IF current_setting('server_version_num')::integer >= 150000 THEN
        RETURN QUERY SELECT p.oid, p.parname, p.paracl FROM pg_catalog.pg_parameter_acl p;
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.parameter_acl() IS 'pg_parameter_acl; no rows before PostgreSQL 15.';

-- What does not exist yet (a schema to be made, a parameter that nobody has a privilege on) needs a key too; real oids are given out from below.
CREATE OR REPLACE FUNCTION unsecure.virtual_oid(_name text)
RETURNS oid
LANGUAGE sql
IMMUTABLE
RETURN (4026531840 + (pg_catalog.hashtext(_name)::bigint & 268435455))::oid;

COMMENT ON FUNCTION unsecure.virtual_oid(text) IS 'Stands for something that has no oid.';

CREATE TYPE unsecure.grant_object AS (
    kind       text,
    object_oid oid,
    subid      bigint,
    schema_oid oid,
    label      text,
    column_name text,
    owner      oid,
    acl        aclitem[],
    is_here    boolean
);

COMMENT ON TYPE unsecure.grant_object IS
    'Something that privileges are granted on. subid: number of the column, of default privileges (object_oid: their creator) the oid of the '
    'schema, else 0. label: as GRANT names it. acl: what holds, also where PostgreSQL has NULL. is_here: in, or of, the connected database.';

-- What is in another session's temporary schema nobody can change, and it ends with the session.
CREATE OR REPLACE FUNCTION unsecure.is_lasting(_schema_name text)
RETURNS boolean
LANGUAGE sql
IMMUTABLE
RETURN _schema_name !~ '^pg_(toast_)?temp_';

COMMENT ON FUNCTION unsecure.is_lasting(text) IS 'Whether a schema is no temporary one.';

-- By the catalogs that pg_shdepend names.
CREATE OR REPLACE FUNCTION unsecure.grant_objects(
    _classids oid[],
    _oids     oid[],
    _subids   bigint[]
)
RETURNS SETOF unsecure.grant_object
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN QUERY
    WITH ref AS MATERIALIZED (
        SELECT DISTINCT r.classid, r.oid, r.subid FROM unnest(_classids, _oids, _subids) AS r (classid, oid, subid)
    )
    SELECT CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END, c.oid, 0::bigint, n.oid, format('%I.%I', n.nspname, c.relname), NULL::text,
           c.relowner, coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's'::"char" ELSE 'r' END, c.relowner)), true
    FROM ref r
    JOIN pg_class c ON c.oid = r.oid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE r.classid = 'pg_class'::regclass AND r.subid = 0 AND c.relkind IN ('r', 'v', 'm', 'f', 'p', 't', 'S') AND unsecure.is_lasting(n.nspname)
    UNION ALL
    SELECT 'table', c.oid, a.attnum, n.oid, format('%I.%I', n.nspname, c.relname), a.attname::text, c.relowner, a.attacl, true
    FROM ref r
    JOIN pg_class c ON c.oid = r.oid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = r.subid
    WHERE r.classid = 'pg_class'::regclass AND r.subid <> 0 AND NOT a.attisdropped AND unsecure.is_lasting(n.nspname)
    UNION ALL
    SELECT CASE p.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END, p.oid, 0, n.oid,
           format('%I.%I(%s)', n.nspname, p.proname,
                  -- Procedures can differ in the modes of their arguments alone.
                  CASE p.prokind WHEN 'p' THEN pg_get_function_identity_arguments(p.oid) ELSE oidvectortypes(p.proargtypes) END),
           NULL, p.proowner,
           coalesce(p.proacl, acldefault('f', p.proowner)), true
    FROM ref r
    JOIN pg_proc p ON p.oid = r.oid
    JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE r.classid = 'pg_proc'::regclass AND unsecure.is_lasting(n.nspname)
    UNION ALL
    SELECT 'type', t.oid, 0, n.oid, format('%I.%I', n.nspname, t.typname), NULL, t.typowner, coalesce(t.typacl, acldefault('T', t.typowner)), true
    FROM ref r
    JOIN pg_type t ON t.oid = r.oid
    JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE r.classid = 'pg_type'::regclass AND unsecure.is_lasting(n.nspname)
    UNION ALL
    SELECT 'schema', n.oid, 0, n.oid, quote_ident(n.nspname), NULL, n.nspowner, coalesce(n.nspacl, acldefault('n', n.nspowner)), true
    FROM ref r
    JOIN pg_namespace n ON n.oid = r.oid
    WHERE r.classid = 'pg_namespace'::regclass
    UNION ALL
    SELECT 'database', d.oid, 0, NULL, quote_ident(d.datname), NULL, d.datdba, coalesce(d.datacl, acldefault('d', d.datdba)),
           d.datname = current_database()
    FROM ref r
    JOIN pg_database d ON d.oid = r.oid
    WHERE r.classid = 'pg_database'::regclass
    UNION ALL
    SELECT 'language', l.oid, 0, NULL, quote_ident(l.lanname), NULL, l.lanowner, coalesce(l.lanacl, acldefault('l', l.lanowner)), true
    FROM ref r
    JOIN pg_language l ON l.oid = r.oid
    WHERE r.classid = 'pg_language'::regclass
    UNION ALL
    SELECT 'foreign_server', s.oid, 0, NULL, quote_ident(s.srvname), NULL, s.srvowner, coalesce(s.srvacl, acldefault('S', s.srvowner)), true
    FROM ref r
    JOIN pg_foreign_server s ON s.oid = r.oid
    WHERE r.classid = 'pg_foreign_server'::regclass
    UNION ALL
    SELECT 'foreign_data_wrapper', f.oid, 0, NULL, quote_ident(f.fdwname), NULL, f.fdwowner, coalesce(f.fdwacl, acldefault('F', f.fdwowner)), true
    FROM ref r
    JOIN pg_foreign_data_wrapper f ON f.oid = r.oid
    WHERE r.classid = 'pg_foreign_data_wrapper'::regclass
    UNION ALL
    SELECT 'tablespace', t.oid, 0, NULL, quote_ident(t.spcname), NULL, t.spcowner, coalesce(t.spcacl, acldefault('t', t.spcowner)), true
    FROM ref r
    JOIN pg_tablespace t ON t.oid = r.oid
    WHERE r.classid = 'pg_tablespace'::regclass
    UNION ALL
    -- Who depends on large objects names the table of their pages.
    SELECT 'large_object', m.oid, 0, NULL, m.oid::text, NULL, m.lomowner, coalesce(m.lomacl, acldefault('L', m.lomowner)), true
    FROM ref r
    JOIN pg_largeobject_metadata m ON m.oid = r.oid
    WHERE r.classid = 'pg_largeobject'::regclass;

    IF 6243 = ANY (_classids) THEN -- pg_parameter_acl, which older servers do not have
        RETURN QUERY
        SELECT 'parameter', p.object_oid, 0::bigint, NULL::oid, unsecure.parameter_label(p.name), NULL::text, 10::oid, p.acl, true
        FROM unsecure.parameter_acl() AS p
        WHERE p.object_oid = ANY (_oids);
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.grant_objects(oid[], oid[], bigint[]) IS
    'What these are (catalog, oid, number of the column or 0), except default privileges; what is gone is left out.';

-- PARAMETER takes names with dots, each part an identifier.
CREATE OR REPLACE FUNCTION unsecure.parameter_label(_name text)
RETURNS text
LANGUAGE sql
IMMUTABLE
RETURN (SELECT string_agg(quote_ident(p), '.' ORDER BY n) FROM unnest(string_to_array(_name, '.')) WITH ORDINALITY AS t (p, n));

COMMENT ON FUNCTION unsecure.parameter_label(text) IS 'A parameter as GRANT … ON PARAMETER names it.';

-- pg_default_acl in the same shape. An entry for all schemas replaces what PostgreSQL has built in, one for a schema comes on top.
CREATE OR REPLACE FUNCTION unsecure.default_objects(
    _creators oid[],
    _schemas  oid[],
    _kinds    text[]
)
RETURNS SETOF unsecure.grant_object
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN QUERY
    SELECT k.kind, r.creator, r.schema_oid::bigint, r.schema_oid,
           coalesce((SELECT format('%I', a.rolname) FROM pg_roles a WHERE a.oid = r.creator), r.creator::text),
           (SELECT n.nspname::text FROM pg_namespace n WHERE n.oid = r.schema_oid), r.creator,
           CASE WHEN d.oid IS NOT NULL THEN d.defaclacl
                WHEN r.schema_oid <> 0 THEN NULL
                ELSE acldefault(k.acl_code, r.creator) END,
           true
    FROM (
        SELECT DISTINCT u.* FROM unnest(_creators, _schemas, _kinds) AS u (creator, schema_oid, kind)
    ) AS r
    JOIN unsecure.grant_kinds() AS k ON k.kind = r.kind
    LEFT JOIN pg_default_acl d
        ON d.defaclrole = r.creator
       AND d.defaclnamespace = r.schema_oid
       AND d.defaclobjtype = CASE k.acl_code WHEN 's' THEN 'S'::"char" ELSE k.acl_code END;
END;
$function$;

COMMENT ON FUNCTION unsecure.default_objects(oid[], oid[], text[]) IS
    'Default privileges as objects: creator, schema (0: all), kind (default TABLES, …); column_name: the schema''s name.';

REVOKE ALL ON FUNCTION
    unsecure.grant_kinds(),
    unsecure.kind_privileges(text),
    unsecure.parameter_acl(),
    unsecure.virtual_oid(text),
    unsecure.is_lasting(text),
    unsecure.grant_objects(oid[], oid[], bigint[]),
    unsecure.parameter_label(text),
    unsecure.default_objects(oid[], oid[], text[])
FROM PUBLIC;
