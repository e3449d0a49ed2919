-- The one text that removes what depends on a role. It uses nothing but pg_catalog, so that it does the same in a database without
-- Rolewright. Who runs it: a superuser, or somebody who may grant himself the roles that it takes.
--
-- Its parts come first, in their order; they share the variables that unsecure.removal_body declares at the end.

CREATE OR REPLACE FUNCTION unsecure.removal_losses()
RETURNS text
LANGUAGE sql
IMMUTABLE
AS $function$
    SELECT $script$
    DECLARE
        v_objects text;
    BEGIN
        -- What others have because the leaver passed it on would go with it, without a word.
        EXECUTE format($query$
            WITH RECURSIVE object AS (
                SELECT DISTINCT ON (q.classid, q.objid, q.objsubid) q.classid, q.objid, q.objsubid, q.acl FROM (%s) AS q
            ), item AS (
                SELECT o.classid, o.objid, o.objsubid, x.* FROM object o CROSS JOIN LATERAL aclexplode(o.acl) AS x
            ), lost AS (
                SELECT i.* FROM item i WHERE i.grantor = $1 AND i.grantee <> $1
                UNION
                SELECT i.*
                FROM lost l
                JOIN item i ON (i.classid, i.objid, i.objsubid, i.privilege_type, i.grantor)
                             = (l.classid, l.objid, l.objsubid, l.privilege_type, l.grantee)
                WHERE i.grantee <> $1
                  AND NOT EXISTS (SELECT FROM item o WHERE (o.classid, o.objid, o.objsubid, o.privilege_type, o.grantee)
                                                         = (l.classid, l.objid, l.objsubid, l.privilege_type, l.grantee)
                                  AND o.is_grantable AND o.grantor <> l.grantor)
            )
            SELECT string_agg(format('%%s: %%s of %%s, granted by %%s', pg_describe_object(l.classid, l.objid, l.objsubid), l.privilege_type,
                                     coalesce(quote_ident(e.rolname), 'PUBLIC'), quote_ident(g.rolname)), E'\n' ORDER BY l.classid, l.objid)
            FROM lost l
            LEFT JOIN pg_roles e ON e.oid = l.grantee
            LEFT JOIN pg_roles g ON g.oid = l.grantor
            WHERE NOT EXISTS (SELECT FROM item o WHERE (o.classid, o.objid, o.objsubid, o.privilege_type, o.grantee)
                                                     = (l.classid, l.objid, l.objsubid, l.privilege_type, l.grantee)
                              AND NOT EXISTS (SELECT FROM lost k WHERE (k.classid, k.objid, k.objsubid, k.privilege_type, k.grantee, k.grantor)
                                                                     = (o.classid, o.objid, o.objsubid, o.privilege_type, o.grantee, o.grantor)))
            $query$, v_acl_query)
        INTO v_objects
        USING v_oid;
        IF v_objects IS NOT NULL THEN
            RAISE EXCEPTION 'others would lose what role % granted to them', quote_ident(v_leaver)
                USING ERRCODE = 'RW514',
                      DETAIL  = v_objects,
                      HINT    = 'Grant it to them by somebody who stays, or pass _force => true. Nothing was changed.';
        END IF;
    END;
$script$;
$function$;

COMMENT ON FUNCTION unsecure.removal_losses() IS 'The part of unsecure.removal_body that refuses what others would lose.';

CREATE OR REPLACE FUNCTION unsecure.removal_code()
RETURNS text
LANGUAGE sql
IMMUTABLE
AS $function$
    SELECT $script$
    BEGIN
        -- Code would run with the successor's rights, or make the successor run it: it goes to who has none.
        IF v_successor IS NOT NULL AND NOT v_reassign_code THEN
            WITH RECURSIVE code (classid, objid) AS (
                SELECT 'pg_proc'::regclass::oid, p.oid FROM pg_proc p WHERE p.proowner = v_oid
                UNION
                SELECT n.classid, n.objid
                FROM code c
                CROSS JOIN LATERAL (
                    SELECT d.classid, d.objid FROM pg_depend d WHERE d.refclassid = c.classid AND d.refobjid = c.objid
                    UNION ALL
                    SELECT 'pg_type'::regclass, k.contypid
                    FROM pg_constraint k
                    WHERE c.classid = 'pg_constraint'::regclass AND k.oid = c.objid AND k.contypid <> 0
                ) AS n
                -- Not beyond tables: who refers to one is not its code.
                WHERE c.classid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_opclass'::regclass, 'pg_opfamily'::regclass,
                                    'pg_type'::regclass, 'pg_constraint'::regclass)
            ), carrier (relid) AS (
                SELECT r.ev_class FROM pg_rewrite r
                UNION SELECT t.tgrelid FROM pg_trigger t WHERE NOT t.tgisinternal OR t.tgconstraint = 0 -- a partition's copies are internal
                UNION SELECT p.polrelid FROM pg_policy p
                UNION SELECT x.stxrelid FROM pg_statistic_ext x WHERE x.stxexprs IS NOT NULL -- ANALYZE reckons them as the owner
                UNION SELECT x.partrelid FROM pg_partitioned_table x WHERE x.partexprs IS NOT NULL
                -- Whoever may refer to a table, or make triggers on it, can make it run something.
                UNION SELECT c.oid FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) AS x
                      WHERE x.privilege_type IN ('REFERENCES', 'TRIGGER') AND x.grantee NOT IN (c.relowner, v_oid)
                UNION SELECT a.attrelid FROM pg_attribute a CROSS JOIN LATERAL aclexplode(a.attacl) AS x WHERE x.privilege_type = 'REFERENCES' AND x.grantee <> v_oid
                -- Who works on a parent or a partition, works on the other with the rights of its owner.
                UNION SELECT e.relid
                      FROM pg_inherits h
                      JOIN pg_class a ON a.oid = h.inhrelid
                      JOIN pg_class b ON b.oid = h.inhparent AND b.relowner <> a.relowner
                      CROSS JOIN LATERAL (VALUES (a.oid), (b.oid)) AS e (relid)
                UNION SELECT a.attrelid FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid WHERE y.typtype IN ('r', 'm') AND y.oid >= 16384 -- the same
                -- Foreign keys cast, and change rows, as the owner at either end, and with them what hangs on the columns.
                UNION SELECT e.relid
                      FROM pg_constraint f
                      JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = ANY (f.conkey) OR a.attrelid = f.confrelid AND a.attnum = ANY (f.confkey)
                      CROSS JOIN LATERAL (VALUES (f.conrelid), (f.confrelid)) AS e (relid)
                      WHERE f.contype = 'f' AND a.atttypid >= 16384
                UNION SELECT f.conrelid
                      FROM pg_constraint f
                      WHERE f.contype = 'f' AND (f.confdeltype IN ('c', 'n', 'd') OR f.confupdtype IN ('c', 'n', 'd'))
                        AND (EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = f.conrelid AND k.contype = 'c')
                             OR EXISTS (SELECT FROM pg_attrdef d WHERE d.adrelid = f.conrelid AND pg_get_expr(d.adbin, d.adrelid) !~ '^nextval\(''[^'']*''::regclass\)$')
                             OR EXISTS (SELECT FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
                                        WHERE a.attrelid = f.conrelid AND NOT a.attisdropped AND y.typnamespace <> 'pg_catalog'::regnamespace AND y.typtype <> 'e'))
                UNION SELECT i.indrelid FROM pg_index i
                      WHERE (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)
                        -- What PostgreSQL itself brings is no dependency.
                        AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
                                    AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass))
                UNION SELECT coalesce(i.indrelid, s.stxrelid, d.adrelid, k.conrelid, c.objid)
                      FROM code c
                      LEFT JOIN pg_index i ON c.classid = 'pg_class'::regclass AND i.indexrelid = c.objid
                      LEFT JOIN pg_statistic_ext s ON c.classid = 'pg_statistic_ext'::regclass AND s.oid = c.objid
                      LEFT JOIN pg_attrdef d ON c.classid = 'pg_attrdef'::regclass AND d.oid = c.objid
                      LEFT JOIN pg_constraint k ON c.classid = 'pg_constraint'::regclass AND k.oid = c.objid
                      WHERE c.classid IN ('pg_class'::regclass, 'pg_statistic_ext'::regclass, 'pg_attrdef'::regclass, 'pg_constraint'::regclass)
            ), moved AS (
                SELECT format('ALTER ROUTINE %I.%I(%s) OWNER TO %I', s.nspname, p.proname,
                              -- Procedures can differ in the modes of their arguments alone.
                              CASE p.prokind WHEN 'p' THEN pg_get_function_identity_arguments(p.oid) ELSE oidvectortypes(p.proargtypes) END,
                              v_code_owner) AS statement, p.pronamespace AS schema_oid
                FROM pg_proc p
                JOIN pg_namespace s ON s.oid = p.pronamespace
                WHERE p.proowner = v_oid
                UNION ALL
                SELECT format('ALTER %s %s OWNER TO %I',
                              CASE t.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END,
                              t.oid::regclass, v_code_owner), t.relnamespace
                FROM pg_class t
                WHERE t.relowner = v_oid AND t.relkind IN ('r', 'p', 'f', 'v', 'm')
                  AND (t.relkind IN ('v', 'm') OR t.oid IN (SELECT c.relid FROM carrier c))
            )
            SELECT coalesce(array_agg(m.statement ORDER BY m.statement), '{}'), coalesce(array_agg(DISTINCT n.nspname::text), '{}')
            INTO v_code, v_schemas
            FROM moved m
            JOIN pg_namespace n ON n.oid = m.schema_oid;
        END IF;

        IF v_code <> '{}' AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = v_code_owner) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', v_code_owner);
            EXECUTE format('COMMENT ON ROLE %I IS %L', v_code_owner,
                           'Rolewright: owns the functions, views and other code of deleted roles. It has no rights, and must not get any.');
            IF v_is_super AND v_is_16 AND NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = v_arguments ->> 'rolewright_owner') THEN
                EXECUTE format('GRANT %I TO %I WITH ADMIN TRUE, INHERIT FALSE, SET FALSE', v_code_owner, v_arguments ->> 'rolewright_owner');
            END IF;
            v_done := v_done || format('CREATE ROLE %I NOLOGIN', v_code_owner);
        END IF;
        IF v_code <> '{}' AND EXISTS (
            SELECT
            FROM pg_roles r
            WHERE r.rolname = v_code_owner
              AND (r.rolcanlogin OR r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls
                   OR EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid)))
        THEN
            RAISE EXCEPTION 'role % is not powerless', quote_ident(v_code_owner)
                USING ERRCODE = 'RW514',
                      DETAIL  = format('It would own: %s.', array_to_string(v_code, '; ')),
                      HINT    = 'Take its attributes and memberships away. Nothing was changed.';
        END IF;
    END;
$script$;
$function$;

COMMENT ON FUNCTION unsecure.removal_code() IS 'The part of unsecure.removal_body that finds the code of the leaver, and who is to own it.';

CREATE OR REPLACE FUNCTION unsecure.removal_rights()
RETURNS text
LANGUAGE sql
IMMUTABLE
AS $function$
    SELECT $script$
    DECLARE
        v_row record;
    BEGIN
        v_before := (SELECT coalesce(jsonb_agg(to_jsonb(m) - 'oid'), '[]') FROM pg_auth_members m WHERE m.member = v_me);
        IF NOT v_is_super THEN
            FOR v_row IN
                SELECT r.oid, r.rolname
                FROM pg_roles r
                WHERE (r.rolname IN (v_leaver, v_successor) OR v_code <> '{}' AND r.rolname = v_code_owner)
                  AND NOT (pg_has_role(r.oid, 'USAGE') AND pg_has_role(r.oid, v_set))
            LOOP
                BEGIN
                    EXECUTE format(v_take, v_row.rolname);
                    v_taken := v_taken || v_row.oid;
                EXCEPTION
                    WHEN insufficient_privilege THEN
                        RAISE EXCEPTION 'role % cannot take the rights of role %', quote_ident(current_user), quote_ident(v_row.rolname)
                            USING ERRCODE = 'RW514',
                                  DETAIL  = format('PostgreSQL: %s.', SQLERRM),
                                  HINT    = CASE WHEN (SELECT r.rolsuper FROM pg_roles r WHERE r.oid = v_row.oid)
                                                 THEN 'As a superuser, CALL auth.delete_identity with the same arguments. Nothing was changed.'
                                                 ELSE format('As a superuser: GRANT %I TO %I WITH ADMIN OPTION; or CALL auth.delete_identity with '
                                                             'the same arguments. Nothing was changed.', v_row.rolname, current_user) END;
                END;
            END LOOP;
        END IF;
    END;
$script$;
$function$;

COMMENT ON FUNCTION unsecure.removal_rights() IS 'The part of unsecure.removal_body that takes the rights of the roles that it is about.';

CREATE OR REPLACE FUNCTION unsecure.removal_memberships()
RETURNS text
LANGUAGE sql
IMMUTABLE
AS $function$
    SELECT $script$
    DECLARE
        v_row record;
    BEGIN
        -- Memberships that the leaver gave stay, given by who runs this.
        FOR v_row IN
            SELECT h.rolname AS group_name, m.rolname AS member_name, h.rolsuper,
                   a.admin_option OR coalesce(o.admin_option, false) AS admin_option,
                   coalesce((to_jsonb(a) ->> 'inherit_option')::boolean OR coalesce((to_jsonb(o) ->> 'inherit_option')::boolean, false), true) AS inherit_option,
                   coalesce((to_jsonb(a) ->> 'set_option')::boolean OR coalesce((to_jsonb(o) ->> 'set_option')::boolean, false), true) AS set_option
            FROM pg_auth_members a
            JOIN pg_roles h ON h.oid = a.roleid
            JOIN pg_roles m ON m.oid = a.member
            LEFT JOIN pg_auth_members o ON v_is_16 AND o.roleid = a.roleid AND o.member = a.member
                AND o.grantor = CASE WHEN v_is_super THEN 10 ELSE v_me END
            WHERE a.grantor = v_oid AND a.member <> v_oid
            ORDER BY a.admin_option DESC, 1, 2
        LOOP
            BEGIN
                IF v_is_16 THEN
                    EXECUTE format('GRANT %I TO %I WITH ADMIN %s, INHERIT %s, SET %s', v_row.group_name, v_row.member_name,
                                   v_row.admin_option::text, v_row.inherit_option::text, v_row.set_option::text)
                            || CASE WHEN v_is_super THEN '' ELSE ' GRANTED BY CURRENT_USER' END;
                ELSE
                    EXECUTE format('REVOKE %I FROM %I', v_row.group_name, v_row.member_name);
                    EXECUTE format('GRANT %I TO %I', v_row.group_name, v_row.member_name)
                            || CASE WHEN v_row.admin_option THEN ' WITH ADMIN OPTION' ELSE '' END;
                END IF;
            EXCEPTION
                WHEN insufficient_privilege THEN
                    RAISE EXCEPTION 'role % cannot take over what role % granted', quote_ident(current_user), quote_ident(v_leaver)
                        USING ERRCODE = 'RW514',
                              DETAIL  = format('Membership of %I in %I: %s.', v_row.member_name, v_row.group_name, SQLERRM),
                              HINT    = format('As a superuser: GRANT %I TO %I WITH ADMIN OPTION; or CALL auth.delete_identity with '
                                               'the same arguments. Nothing was changed.', v_row.group_name, current_user);
            END;
            v_done := v_done || format('GRANT %I TO %I', v_row.group_name, v_row.member_name);
        END LOOP;
        IF v_is_16 THEN
            FOR v_row IN
                SELECT h.rolname AS group_name, m.rolname AS member_name
                FROM pg_auth_members a
                JOIN pg_roles h ON h.oid = a.roleid
                JOIN pg_roles m ON m.oid = a.member
                WHERE a.grantor = v_oid
            LOOP
                v_done := v_done || format('REVOKE %I FROM %I GRANTED BY %I', v_row.group_name, v_row.member_name, v_leaver);
                EXECUTE v_done[cardinality(v_done)];
            END LOOP;
        END IF;
    END;
$script$;
$function$;

COMMENT ON FUNCTION unsecure.removal_memberships() IS 'The part of unsecure.removal_body that takes over the memberships that the leaver gave.';

CREATE OR REPLACE FUNCTION unsecure.removal_gift()
RETURNS text
LANGUAGE sql
IMMUTABLE
AS $function$
    SELECT $script$
    DECLARE
        v_row       record;
        v_statement text;
        v_undo      jsonb := '[]';
    BEGIN
        -- PostgreSQL wants a new owner to have CREATE on the schema, unless a superuser says so.
        IF v_successor IS NOT NULL AND NOT v_is_super THEN
            FOR v_row IN
                SELECT n.nspname, n.nspowner, o.rolname AS owner_name, r.rolname, r.oid, n.oid AS schema_oid
                FROM (
                    SELECT s AS nspname, v_code_owner AS rolname FROM unnest(v_schemas) AS s
                    UNION
                    SELECT (pg_identify_object_as_address(d.classid, d.objid, 0)).object_names[1], v_successor
                    FROM pg_shdepend d
                    WHERE d.dbid = v_database AND d.refclassid = 'pg_authid'::regclass AND d.refobjid = v_oid AND d.deptype = 'o'
                      AND (d.classid = 'pg_proc'::regclass AND v_reassign_code
                           OR d.classid IN ('pg_collation'::regclass, 'pg_conversion'::regclass, 'pg_operator'::regclass, 'pg_statistic_ext'::regclass,
                                            'pg_ts_config'::regclass, 'pg_ts_dict'::regclass))
                    UNION
                    SELECT n.nspname, v_successor FROM pg_opclass o JOIN pg_namespace n ON n.oid = o.opcnamespace WHERE o.opcowner = v_oid
                    UNION
                    SELECT n.nspname, v_successor FROM pg_opfamily o JOIN pg_namespace n ON n.oid = o.opfnamespace WHERE o.opfowner = v_oid
                ) AS w
                JOIN pg_namespace n ON n.nspname = w.nspname
                JOIN pg_roles o ON o.oid = n.nspowner
                JOIN pg_roles r ON r.rolname = w.rolname
                WHERE NOT has_schema_privilege(r.oid, n.oid, 'CREATE')
                ORDER BY 1, 2
            LOOP
                BEGIN
                    EXECUTE format('GRANT CREATE ON SCHEMA %I TO %I', v_row.nspname, v_row.rolname);
                    IF NOT has_schema_privilege(v_row.oid, v_row.schema_oid, 'CREATE') AND NOT pg_has_role(v_row.nspowner, 'USAGE') THEN
                        RAISE insufficient_privilege; -- it was only warned of
                    END IF;
                EXCEPTION
                    WHEN insufficient_privilege THEN
                        BEGIN
                            IF v_row.owner_name = 'pg_database_owner' THEN
                                RAISE insufficient_privilege; -- has no members but the owner of the database
                            END IF;
                            EXECUTE format(v_take, v_row.owner_name);
                            EXECUTE format('GRANT CREATE ON SCHEMA %I TO %I', v_row.nspname, v_row.rolname);
                            v_taken := v_taken || v_row.nspowner;
                        EXCEPTION
                            WHEN insufficient_privilege OR invalid_grant_operation THEN NULL; -- refused below
                        END;
                END;
                IF NOT has_schema_privilege(v_row.oid, v_row.schema_oid, 'CREATE') THEN
                    RAISE EXCEPTION 'role % cannot own anything in schema %', quote_ident(v_row.rolname), quote_ident(v_row.nspname)
                        USING ERRCODE = 'RW514',
                              DETAIL  = format('It needs CREATE on the schema, and %I has no right to give it that for a moment.', current_user),
                              HINT    = format('As a superuser: CALL auth.delete_identity with the same arguments; or GRANT CREATE ON SCHEMA %I TO %I. '
                                               'Nothing was changed.', v_row.nspname, v_row.rolname);
                END IF;
                v_undo := v_undo || jsonb_build_array(jsonb_build_array(v_row.nspname, v_row.rolname));
            END LOOP;
        END IF;

        FOREACH v_statement IN ARRAY v_code LOOP
            EXECUTE v_statement;
            v_done := v_done || v_statement;
        END LOOP;
        IF v_successor IS NOT NULL THEN
            v_done := v_done || format('REASSIGN OWNED BY %I TO %I', v_leaver, v_successor);
            EXECUTE v_done[cardinality(v_done)];
        END IF;
        FOR v_row IN SELECT u ->> 0 AS schema_name, u ->> 1 AS role_name FROM jsonb_array_elements(v_undo) AS u LOOP
            EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM %I', v_row.schema_name, v_row.role_name);
            IF has_schema_privilege(v_row.role_name, quote_ident(v_row.schema_name)::regnamespace, 'CREATE') THEN
                RAISE EXCEPTION 'role % would keep CREATE on schema %', quote_ident(v_row.role_name), quote_ident(v_row.schema_name)
                    USING ERRCODE = 'RW507', HINT = 'As a superuser, CALL auth.delete_identity with the same arguments. Nothing was changed.';
            END IF;
        END LOOP;
    END;
$script$;
$function$;

COMMENT ON FUNCTION unsecure.removal_gift() IS 'The part of unsecure.removal_body that gives away what the leaver owns.';

CREATE OR REPLACE FUNCTION unsecure.removal_items()
RETURNS text
LANGUAGE sql
IMMUTABLE
AS $function$
    SELECT $script$
    -- DROP OWNED revokes as the owner of the object, or with somebody's right to grant: what others granted, it leaves. They themselves
    -- revoke it, or whoever has the rights of them alone. Who is no superuser may not even try DROP OWNED where he has no right at all, and does it last.
    DECLARE
        v_drop text := format('DROP OWNED BY %I', v_leaver) || CASE WHEN v_force THEN ' CASCADE' ELSE '' END;
    BEGIN
        IF v_successor IS NOT NULL OR v_drop_owned THEN
            IF v_is_super THEN
                EXECUTE v_drop;
                v_done := v_done || v_drop;
            END IF;
            EXECUTE format($query$
                SELECT coalesce(jsonb_agg(to_jsonb(q) - 'acl' || jsonb_build_object('n', 1, 'grantor', g.rolname, 'statement', concat(
                    'REVOKE ', q.privilege_type, ' (' || quote_ident(a.attname) || ')', ' ON ',
                    CASE q.classid
                        WHEN 'pg_class'::regclass THEN CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END || q.objid::regclass
                        WHEN 'pg_proc'::regclass THEN 'ROUTINE ' || (
                            SELECT format('%%I.%%I(%%s)', n.nspname, p.proname,
                                          CASE p.prokind WHEN 'p' THEN pg_get_function_identity_arguments(p.oid) ELSE oidvectortypes(p.proargtypes) END)
                            FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.oid = q.objid)
                        WHEN 'pg_type'::regclass THEN 'TYPE ' || q.objid::regtype
                        WHEN 'pg_largeobject'::regclass THEN 'LARGE OBJECT ' || q.objid
                        ELSE CASE q.classid
                                 WHEN 'pg_namespace'::regclass THEN 'SCHEMA '
                                 WHEN 'pg_database'::regclass THEN 'DATABASE '
                                 WHEN 'pg_language'::regclass THEN 'LANGUAGE '
                                 WHEN 'pg_foreign_server'::regclass THEN 'FOREIGN SERVER '
                                 WHEN 'pg_foreign_data_wrapper'::regclass THEN 'FOREIGN DATA WRAPPER '
                                 WHEN 'pg_tablespace'::regclass THEN 'TABLESPACE '
                                 ELSE 'PARAMETER ' END
                             || (pg_identify_object(q.classid, q.objid, 0)).identity
                    END,
                    ' FROM ', quote_ident($2), ' CASCADE'))), '[]')
                FROM (%s) AS q
                JOIN pg_roles g ON g.oid = q.grantor
                LEFT JOIN pg_class c ON q.classid = 'pg_class'::regclass AND c.oid = q.objid
                LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = q.objsubid AND q.objsubid <> 0
                WHERE q.grantee = $1 AND q.grantor <> $1 AND q.classid <> 'pg_default_acl'::regclass$query$, v_acl_query)
            INTO v_items
            USING v_oid, v_leaver;
            IF NOT v_is_super THEN
                v_items := v_items || jsonb_build_object('n', 2, 'statement', v_drop);
            END IF;
        END IF;
    END;
$script$;
$function$;

COMMENT ON FUNCTION unsecure.removal_items() IS 'The part of unsecure.removal_body that says what is to be revoked, and by whom.';

CREATE OR REPLACE FUNCTION unsecure.removal_revokes()
RETURNS text
LANGUAGE sql
IMMUTABLE
AS $function$
    SELECT $script$
    DECLARE
        v_item   record;
        v_row    record;
        v_needed oid[];
    BEGIN
        -- n: 1 is a REVOKE, 2 DROP OWNED; 0 and 3 only give back what was taken.
        FOR v_item IN
            SELECT i.*
            FROM jsonb_to_recordset('[{"n": 0}]' || v_items || '[{"n": 3}]') AS i (n integer, grantor text, statement text)
            ORDER BY i.n, i.statement
        LOOP
            -- First of all, and after each: nobody has more memberships than before.
            FOR v_row IN
                SELECT h.rolname AS group_name, g.rolname AS grantor_name, b.admin_option, b.inherit_option, b.set_option, b.roleid IS NOT NULL AS is_known
                FROM pg_auth_members m
                JOIN pg_roles h ON h.oid = m.roleid
                LEFT JOIN pg_roles g ON g.oid = m.grantor
                LEFT JOIN jsonb_to_recordset(v_before) AS b (roleid oid, grantor oid, admin_option boolean, inherit_option boolean, set_option boolean)
                    ON b.roleid = m.roleid AND b.grantor = m.grantor
                WHERE m.member = v_me
                  AND m.roleid = ANY (v_taken)
                  AND NOT v_before @> jsonb_build_array(to_jsonb(m) - 'oid')
            LOOP
                EXECUTE CASE
                    WHEN v_row.is_known THEN format('GRANT %I TO CURRENT_USER WITH ADMIN %s, INHERIT %s, SET %s GRANTED BY %I', v_row.group_name,
                                                    v_row.admin_option::text, v_row.inherit_option::text, v_row.set_option::text, v_row.grantor_name)
                    ELSE format('REVOKE %I FROM CURRENT_USER', v_row.group_name)
                         || CASE WHEN v_is_16 THEN format(' GRANTED BY %I', v_row.grantor_name) ELSE '' END
                END;
            END LOOP;
            CONTINUE WHEN v_item.n IN (0, 3);

            -- Of whatever is left after all, in schemas that the grantors cannot use, or in policies: DROP OWNED needs no names.
            IF v_item.n = 2 THEN
                EXECUTE format($query$
                    SELECT ARRAY(
                        SELECT q.grantor FROM (%s) AS q WHERE q.grantee = $1 AND q.grantor <> $1 AND q.classid <> 'pg_default_acl'::regclass
                        UNION
                        SELECT c.relowner
                        FROM pg_shdepend d
                        JOIN pg_policy p ON p.oid = d.objid
                        JOIN pg_class c ON c.oid = p.polrelid
                        WHERE d.classid = 'pg_policy'::regclass AND d.dbid = $2 AND d.refclassid = 'pg_authid'::regclass AND d.refobjid = $1)
                    $query$, v_acl_query)
                INTO v_needed
                USING v_oid, v_database;
            END IF;
            BEGIN
                IF NOT v_is_super THEN
                    FOR v_row IN
                        SELECT r.oid, r.rolname
                        FROM pg_roles r
                        WHERE (r.rolname = v_item.grantor OR v_item.n = 2 AND (r.oid = v_oid OR r.oid = ANY (v_needed) AND NOT r.rolsuper))
                          AND r.rolname <> 'pg_database_owner' -- has no members but the owner of the database
                          AND NOT (pg_has_role(r.oid, 'USAGE') AND pg_has_role(r.oid, v_set))
                    LOOP
                        EXECUTE format(v_take, v_row.rolname);
                        v_taken := v_taken || v_row.oid;
                    END LOOP;
                END IF;
                BEGIN
                    IF v_item.n = 1 THEN
                        PERFORM set_config('role', v_item.grantor, true);
                    END IF;
                    EXECUTE v_item.statement;
                    PERFORM set_config('role', v_role_before, true);
                EXCEPTION
                    -- Functions with somebody else's rights cannot SET ROLE.
                    WHEN insufficient_privilege THEN EXECUTE v_item.statement;
                END;
                v_done := v_done || v_item.statement;
            EXCEPTION
                WHEN insufficient_privilege OR invalid_grant_operation THEN
                    -- Found to be left, by name.
                    v_problem := CASE WHEN v_item.n = 2 THEN SQLERRM END;
            END;
        END LOOP;
    END;
$script$;
$function$;

COMMENT ON FUNCTION unsecure.removal_revokes() IS
    'The part of unsecure.removal_body that gives back what was taken, and revokes or drops what the leaver still has.';

CREATE OR REPLACE FUNCTION unsecure.removal_rest()
RETURNS text
LANGUAGE sql
IMMUTABLE
AS $function$
    SELECT $script$
    DECLARE
        v_objects    text;
        v_statements text;
    BEGIN
        IF EXISTS (
            SELECT
            FROM pg_auth_members m
            WHERE m.member = v_me
              AND m.roleid = ANY (v_taken)
              AND NOT v_before @> jsonb_build_array(to_jsonb(m) - 'oid'))
        THEN
            RAISE EXCEPTION 'role % would keep a membership that it took for this', quote_ident(current_user)
                USING ERRCODE = 'RW507', HINT = 'Nothing was changed.';
        END IF;

        EXECUTE format($query$
            SELECT string_agg(format('%%s: %%s%%s', coalesce(pg_describe_object(d.classid, d.objid, d.objsubid), d.objid::text),
                                     CASE d.deptype WHEN 'o' THEN 'owner' WHEN 'a' THEN 'privilege' WHEN 'r' THEN 'policy'
                                                    WHEN 'i' THEN 'initial privilege' ELSE d.deptype::text END,
                                     (SELECT ' ' || string_agg(DISTINCT format('%%s granted by %%I', q.privilege_type, g.rolname), ', ')
                                      FROM (%s) AS q
                                      JOIN pg_roles g ON g.oid = q.grantor
                                      WHERE (q.classid, q.objid, q.objsubid) = (d.classid, d.objid, d.objsubid))), E'\n' ORDER BY d.classid, d.objid)
            FROM pg_shdepend d
            WHERE d.refclassid = 'pg_authid'::regclass
              AND d.refobjid = $1
              AND d.dbid IN (0, $2)
              AND (d.deptype = 'a' OR NOT $3)$query$, v_acl_query)
        INTO v_objects
        USING v_oid, v_database, v_problem IS NOT NULL;
        v_objects := coalesce(v_objects, v_problem);
        IF v_objects IS NOT NULL THEN
            EXECUTE format($query$
                SELECT string_agg(format('SET ROLE %%I; %%s; RESET ROLE', r.grantor, r.statement), '; ' ORDER BY r.grantor, r.statement)
                FROM (%s) AS q
                JOIN pg_roles g ON g.oid = q.grantor
                JOIN jsonb_to_recordset($2) AS r (classid oid, objid oid, objsubid integer, privilege_type text, grantor text, statement text)
                    ON (r.classid, r.objid, r.objsubid, r.privilege_type, r.grantor) = (q.classid, q.objid, q.objsubid, q.privilege_type, g.rolname)
                WHERE q.grantee = $1$query$, v_acl_query)
            INTO v_statements
            USING v_oid, v_items;
            RAISE EXCEPTION 'role % has what % cannot take from it', quote_ident(v_leaver), quote_ident(current_user)
                USING ERRCODE = 'RW514',
                      DETAIL  = v_objects,
                      HINT    = CASE WHEN v_is_super THEN 'As each grantor: REVOKE it FROM ' || quote_ident(v_leaver) || '. Nothing was changed.'
                                     WHEN v_statements IS NULL THEN 'As a superuser, CALL auth.delete_identity with the same arguments. Nothing was changed.'
                                     ELSE format('As a superuser: %s. Or CALL auth.delete_identity as a superuser, with the same arguments. '
                                                 'Nothing was changed.', v_statements) END;
        END IF;
    END;
$script$;
$function$;

COMMENT ON FUNCTION unsecure.removal_rest() IS 'The part of unsecure.removal_body that refuses when something is left.';

CREATE OR REPLACE FUNCTION unsecure.removal_body(
    _role_name     text,
    _reassign_to   text,
    _drop_owned    boolean,
    _force         boolean,
    _reassign_code boolean,
    _rehearse      boolean
)
RETURNS text
LANGUAGE sql
STABLE
AS $function$
    -- The arguments are one literal and put in last, so that no name can be taken for anything else.
    SELECT replace(replace(concat($script$
DECLARE
    v_acl_query     CONSTANT text := {acl_query};
    v_arguments     CONSTANT jsonb := {arguments};
    v_code_owner    CONSTANT text := 'rolewright_code_owner';
    v_role_before   text;
    v_me            oid;
    v_database      oid;
    v_is_16         boolean;
    v_is_super      boolean;
    v_take          text; -- how a role's rights are taken
    v_set           text; -- and what is asked whether they are there
    v_leaver        text;
    v_oid           oid;
    v_successor     text;
    v_drop_owned    boolean;
    v_force         boolean;
    v_reassign_code boolean;
    v_code          text[] := '{}'; -- the statements that give it to its owner
    v_schemas       text[] := '{}'; -- where it is
    v_before        jsonb;          -- memberships of who runs this
    v_taken         oid[] := '{}';
    v_items         jsonb := '[]';  -- what is to be revoked, with the statements
    v_problem       text;
    v_done          text[] := '{}';
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    PERFORM set_config('client_min_messages', 'error', true); -- what was only warned of is found at the end
    v_role_before := current_setting('role');
    v_is_16       := current_setting('server_version_num')::integer >= 160000;
    v_take        := 'GRANT %I TO CURRENT_USER' || CASE WHEN v_is_16 THEN ' WITH INHERIT TRUE, SET TRUE' ELSE '' END;
    v_set         := CASE WHEN v_is_16 THEN 'SET' ELSE 'MEMBER' END;
    v_database    := (SELECT d.oid FROM pg_database d WHERE d.datname = current_database());
    SELECT r.oid, r.rolsuper INTO v_me, v_is_super FROM pg_roles r WHERE r.rolname = current_user;
    SELECT a.role_name, a.reassign_to, a.drop_owned, a.force, a.reassign_code
    INTO v_leaver, v_successor, v_drop_owned, v_force, v_reassign_code
    FROM jsonb_to_record(v_arguments) AS a (role_name text, reassign_to text, drop_owned boolean, force boolean, reassign_code boolean);
    v_oid         := (SELECT r.oid FROM pg_roles r WHERE r.rolname = v_leaver);
    IF v_oid IS NULL OR v_successor IS NOT NULL AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = v_successor) THEN
        RAISE EXCEPTION 'role % does not exist', quote_ident(CASE WHEN v_oid IS NULL THEN v_leaver ELSE v_successor END)
            USING ERRCODE = 'RW019', HINT = 'Nothing was changed.';
    END IF;
$script$,
        CASE WHEN NOT coalesce(_force, false) THEN unsecure.removal_losses() END,
        unsecure.removal_code(),
        unsecure.removal_rights(),
        unsecure.removal_memberships(),
        unsecure.removal_gift(),
        unsecure.removal_items(),
        unsecure.removal_revokes(),
        unsecure.removal_rest(), $script$
    IF (v_arguments ->> 'rehearse')::boolean THEN
        RAISE EXCEPTION 'rehearsed' USING ERRCODE = 'RW599', DETAIL = to_jsonb(v_done)::text;
    END IF;
    PERFORM set_config('rolewright.removal', to_jsonb(v_done)::text, true);
END;
$script$),
        '{acl_query}', quote_literal(unsecure.role_acl_query())),
        '{arguments}', quote_literal(jsonb_build_object(
            'role_name', _role_name,
            'reassign_to', _reassign_to,
            'drop_owned', coalesce(_drop_owned, false),
            'force', coalesce(_force, false),
            'reassign_code', coalesce(_reassign_code, false),
            'rehearse', coalesce(_rehearse, false),
            'rolewright_owner', (SELECT r.rolname FROM pg_roles r WHERE r.oid = unsecure.rolewright_owner()))::text));
$function$;

COMMENT ON FUNCTION unsecure.removal_body(text, text, boolean, boolean, boolean, boolean) IS 'What auth.removal_script puts behind DO.';

REVOKE ALL ON FUNCTION
    unsecure.removal_losses(),
    unsecure.removal_code(),
    unsecure.removal_rights(),
    unsecure.removal_memberships(),
    unsecure.removal_gift(),
    unsecure.removal_items(),
    unsecure.removal_revokes(),
    unsecure.removal_rest(),
    unsecure.removal_body(text, text, boolean, boolean, boolean, boolean)
FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.removal_script(
    _role_name     text,
    _reassign_to   text    DEFAULT NULL,
    _drop_owned    boolean DEFAULT false,
    _force         boolean DEFAULT false,
    _reassign_code boolean DEFAULT false,
    _rehearse      boolean DEFAULT false
)
RETURNS text
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT format('DO %L', unsecure.removal_body(_role_name, _reassign_to, _drop_owned, _force, _reassign_code, _rehearse));
$function$;

COMMENT ON FUNCTION auth.removal_script(text, text, boolean, boolean, boolean, boolean) IS
    'A DO statement, of this version of PostgreSQL, that removes in one step what keeps a role from being dropped, in the database that it runs in, also one without '
    'Rolewright, by a superuser or by a role that may grant itself the others: memberships that the role gave are given anew; with '
    '_reassign_to its objects go to that role, and code to rolewright_code_owner unless _reassign_code; else with _drop_owned they are '
    'dropped (with _force: and what depends on them); what was granted to it is revoked, whoever granted it. RW514: others would lose privileges '
    '(unless _force), or something is left; RW019: no such role. _rehearse: undoes it all, and ends in an error RW599 with the statements as '
    'DETAIL (a JSON array); else they are in the setting rolewright.removal until the end of the transaction.';

REVOKE ALL ON FUNCTION auth.removal_script(text, text, boolean, boolean, boolean, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.removal_script(text, text, boolean, boolean, boolean, boolean) TO rolewright_operator;
