-- Objects with their owners and ACLs, of all kinds in one shape.

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

-- What the plan is about: what the declaration names, and what its roles own or have a privilege on.
CREATE OR REPLACE FUNCTION unsecure.planned_objects(
    _targets    unsecure.grant_target[],
    _role_oids  oid[],
    _role_names text[], -- those to be made too; public: PUBLIC
    _caller     oid
)
RETURNS SETOF unsecure.grant_object
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_roles    oid[] := array_remove(_role_oids, NULL);
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
        WHERE t.kind = 'table' AND t.subid = 0 AND 'public' = ANY (_role_names)
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
                                          (SELECT r FROM unnest(_role_names) AS r WHERE unsecure.virtual_oid(r) = t.object_oid)))
                ELSE t.label END,
           CASE WHEN t.kind LIKE 'default %' THEN nullif(t.label, '') END,
           CASE WHEN t.kind = 'schema' THEN _caller WHEN t.kind = 'parameter' THEN 10 ELSE t.object_oid END,
           CASE WHEN t.kind = 'schema' THEN acldefault('n', _caller)
                WHEN t.kind LIKE 'default %' AND t.subid = 0 THEN acldefault((SELECT k.acl_code FROM unsecure.grant_kinds() AS k WHERE k.kind = t.kind), t.object_oid) END,
           true
    FROM unnest(_targets) AS t
    WHERE t.label IS NOT NULL
      AND NOT (t.kind LIKE 'default %' AND t.subid = 0 AND NOT EXISTS (SELECT FROM unnest(_role_names) AS r WHERE unsecure.virtual_oid(r) = t.object_oid));
END;
$function$;

COMMENT ON FUNCTION unsecure.planned_objects(unsecure.grant_target[], oid[], text[], oid) IS
    'What the grants name, and all that the roles own or have a privilege on in this database, or on what databases share.';

CREATE OR REPLACE FUNCTION unsecure.objects_of(_role_oids oid[])
RETURNS SETOF unsecure.grant_object
LANGUAGE sql
STABLE
AS $function$
    SELECT * FROM unsecure.planned_objects('{}', _role_oids, '{}', NULL);
$function$;

COMMENT ON FUNCTION unsecure.objects_of(oid[]) IS 'What these roles own or have a privilege on in this database, or on what databases share.';

REVOKE ALL ON FUNCTION
    unsecure.is_lasting(text),
    unsecure.grant_objects(oid[], oid[], bigint[]),
    unsecure.default_objects(oid[], oid[], text[]),
    unsecure.planned_objects(unsecure.grant_target[], oid[], text[], oid),
    unsecure.objects_of(oid[])
FROM PUBLIC;
