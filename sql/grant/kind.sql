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

-- PARAMETER takes names with dots, each part an identifier.
CREATE OR REPLACE FUNCTION unsecure.parameter_label(_name text)
RETURNS text
LANGUAGE sql
IMMUTABLE
RETURN (SELECT string_agg(quote_ident(p), '.' ORDER BY n) FROM unnest(string_to_array(_name, '.')) WITH ORDINALITY AS t (p, n));

COMMENT ON FUNCTION unsecure.parameter_label(text) IS 'A parameter as GRANT … ON PARAMETER names it.';

REVOKE ALL ON FUNCTION
    unsecure.grant_kinds(),
    unsecure.kind_privileges(text),
    unsecure.parameter_acl(),
    unsecure.virtual_oid(text),
    unsecure.parameter_label(text)
FROM PUBLIC;
