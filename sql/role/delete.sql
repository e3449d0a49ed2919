-- Deleting a role, in steps that are committed one by one and can be taken up again after any of them failed: the person is put out
-- (leave.sql); what depends on the role in this database is given away or dropped; the role gets a name that nobody knows; then it is dropped,
-- and a tombstone stays.

-- The one text that removes what depends on a role. It uses nothing but pg_catalog, so that it does the same in a database without
-- Rolewright. Who runs it: a superuser, or somebody who may grant himself the roles that it takes.
CREATE OR REPLACE FUNCTION unsecure.removal_body(
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
AS $function$
    -- The arguments are one literal and put in last, so that no name can be taken for anything else.
    SELECT replace(replace($script$
DECLARE
    v_acl_query   text := {acl_query};
    v_arguments   jsonb := {arguments};
    v_code_owner  text := 'rolewright_code_owner';
    v_role_before text;
    v_database    oid;
    v_is_16       boolean;
    v_is_super    boolean;
    v_leaver      text;
    v_oid         oid;
    v_successor   text;
    v_objects     text;
    v_row         record;
    v_item        record;
    v_items       jsonb;
    v_revokes     jsonb := '[]';
    v_statements  text;
    v_drop_owned  text;
    v_problem     text;
    v_needed      oid[];
    v_taken       oid[] := '{}';
    v_before      jsonb;
    v_undo        jsonb := '[]';
    v_code        text[] := '{}';
    v_schemas     text[] := '{}';
    v_done        text[] := '{}';
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    PERFORM set_config('client_min_messages', 'error', true); -- what was only warned of is found at the end
    v_role_before := current_setting('role');
    v_is_16       := current_setting('server_version_num')::integer >= 160000;
    v_is_super    := (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user);
    v_database    := (SELECT d.oid FROM pg_database d WHERE d.datname = current_database());
    v_leaver      := v_arguments ->> 'role_name';
    v_successor   := v_arguments ->> 'reassign_to';
    v_oid         := (SELECT r.oid FROM pg_roles r WHERE r.rolname = v_leaver);
    IF v_oid IS NULL OR v_successor IS NOT NULL AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = v_successor) THEN
        RAISE EXCEPTION 'role % does not exist', quote_ident(CASE WHEN v_oid IS NULL THEN v_leaver ELSE v_successor END)
            USING ERRCODE = 'RW019', HINT = 'Nothing was changed.';
    END IF;
    v_before := (SELECT coalesce(jsonb_agg(to_jsonb(m) - 'oid'), '[]') FROM pg_auth_members m
                 WHERE m.member = (SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user));

    -- What others have because the leaver passed it on would go with it, without a word.
    IF NOT (v_arguments ->> 'force')::boolean THEN
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
    END IF;

    -- The rights of the leaver and of the successor, until the end of this.
    IF NOT v_is_super THEN
        FOR v_row IN
            SELECT r.oid, r.rolname
            FROM pg_roles r
            WHERE r.rolname IN (v_leaver, v_successor)
              AND NOT (pg_has_role(r.oid, 'USAGE') AND pg_has_role(r.oid, CASE WHEN v_is_16 THEN 'SET' ELSE 'MEMBER' END))
        LOOP
            BEGIN
                EXECUTE format('GRANT %I TO CURRENT_USER', v_row.rolname) || CASE WHEN v_is_16 THEN ' WITH INHERIT TRUE, SET TRUE' ELSE '' END;
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
            AND o.grantor = CASE WHEN v_is_super THEN 10 ELSE (SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user) END
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

    -- Code would run with the successor's rights, or make the successor run it: it goes to who has none.
    IF v_successor IS NOT NULL AND NOT (v_arguments ->> 'reassign_code')::boolean THEN
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
            SELECT format('ALTER ROUTINE %s OWNER TO %I', p.oid::regprocedure, v_code_owner) AS statement, p.pronamespace AS schema_oid
            FROM pg_proc p
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
        v_done   := v_done || format('CREATE ROLE %I NOLOGIN', v_code_owner);
        v_before := v_before || (SELECT coalesce(jsonb_agg(to_jsonb(m) - 'oid'), '[]') FROM pg_auth_members m
                                 WHERE m.member = (SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user)
                                   AND m.roleid = (SELECT r.oid FROM pg_roles r WHERE r.rolname = v_code_owner));
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
    IF v_code <> '{}' AND NOT v_is_super THEN
        SELECT r.oid, r.rolname INTO v_row FROM pg_roles r WHERE r.rolname = v_code_owner;
        IF NOT (pg_has_role(v_row.oid, 'USAGE') AND pg_has_role(v_row.oid, CASE WHEN v_is_16 THEN 'SET' ELSE 'MEMBER' END)) THEN
            BEGIN
                EXECUTE format('GRANT %I TO CURRENT_USER', v_code_owner) || CASE WHEN v_is_16 THEN ' WITH INHERIT TRUE, SET TRUE' ELSE '' END;
                v_taken := v_taken || v_row.oid;
            EXCEPTION
                WHEN insufficient_privilege THEN
                    RAISE EXCEPTION 'role % cannot take the rights of role %', quote_ident(current_user), quote_ident(v_code_owner)
                        USING ERRCODE = 'RW514',
                              DETAIL  = format('PostgreSQL: %s.', SQLERRM),
                              HINT    = format('As a superuser: GRANT %I TO %I WITH ADMIN OPTION. Nothing was changed.', v_code_owner, current_user);
            END;
        END IF;
    END IF;

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
                  AND (d.classid = 'pg_proc'::regclass AND (v_arguments ->> 'reassign_code')::boolean
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
                        EXECUTE format('GRANT %I TO CURRENT_USER', v_row.owner_name)
                                || CASE WHEN v_is_16 THEN ' WITH INHERIT TRUE, SET TRUE' ELSE '' END;
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

    FOREACH v_objects IN ARRAY v_code LOOP
        EXECUTE v_objects;
        v_done := v_done || v_objects;
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

    -- DROP OWNED revokes as the owner of the object, or with somebody's right to grant: what others granted, it leaves. They themselves
    -- revoke it, or whoever has the rights of them alone. Who is no superuser may not even try it where he has no right at all, and does it last.
    v_drop_owned := format('DROP OWNED BY %I', v_leaver) || CASE WHEN (v_arguments ->> 'force')::boolean THEN ' CASCADE' ELSE '' END;
    IF v_successor IS NOT NULL OR (v_arguments ->> 'drop_owned')::boolean THEN
        IF v_is_super THEN
            EXECUTE v_drop_owned;
            v_done := v_done || v_drop_owned;
        END IF;
        EXECUTE format($query$
            SELECT jsonb_agg(to_jsonb(q) - 'acl' || jsonb_build_object('grantor', g.rolname, 'n', 1))
            FROM (%s) AS q
            JOIN pg_roles g ON g.oid = q.grantor
            WHERE q.grantee = $1 AND q.grantor <> $1 AND q.classid <> 'pg_default_acl'::regclass$query$, v_acl_query)
        INTO v_items
        USING v_oid;
        v_items := coalesce(v_items, '[]');
        IF NOT v_is_super THEN
            v_items := v_items || '[{"n": 2}]';
        END IF;
    END IF;

    FOR v_item IN
        SELECT i.*
        FROM jsonb_to_recordset('[{"n": 0}]' || coalesce(v_items, '[]') || '[{"n": 3}]')
            AS i (n integer, classid oid, objid oid, objsubid integer, privilege_type text, grantor text)
        ORDER BY i.n, i.classid, i.objid, i.objsubid, i.privilege_type
    LOOP
        -- First of all, and after each: nobody has more memberships than before.
        FOR v_row IN
            SELECT h.rolname AS group_name, g.rolname AS grantor_name, b.admin_option, b.inherit_option, b.set_option, b.roleid IS NOT NULL AS is_known
            FROM pg_auth_members m
            JOIN pg_roles h ON h.oid = m.roleid
            LEFT JOIN pg_roles g ON g.oid = m.grantor
            LEFT JOIN jsonb_to_recordset(v_before) AS b (roleid oid, grantor oid, admin_option boolean, inherit_option boolean, set_option boolean)
                ON b.roleid = m.roleid AND b.grantor = m.grantor
            WHERE m.member = (SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user)
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

        v_objects := CASE
            WHEN v_item.n = 2 THEN v_drop_owned
            ELSE format('REVOKE %s', v_item.privilege_type)
                 || CASE WHEN v_item.objsubid <> 0
                         THEN format(' (%I)', (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = v_item.objid AND a.attnum = v_item.objsubid))
                         ELSE '' END
                 || CASE v_item.classid
                         WHEN 'pg_class'::regclass THEN
                             CASE (SELECT c.relkind FROM pg_class c WHERE c.oid = v_item.objid) WHEN 'S' THEN ' ON SEQUENCE ' ELSE ' ON TABLE ' END
                             || v_item.objid::regclass
                         WHEN 'pg_proc'::regclass THEN ' ON ROUTINE ' || v_item.objid::regprocedure
                         WHEN 'pg_type'::regclass THEN ' ON TYPE ' || v_item.objid::regtype
                         WHEN 'pg_largeobject'::regclass THEN ' ON LARGE OBJECT ' || v_item.objid
                         ELSE CASE v_item.classid
                                  WHEN 'pg_namespace'::regclass THEN ' ON SCHEMA '
                                  WHEN 'pg_database'::regclass THEN ' ON DATABASE '
                                  WHEN 'pg_language'::regclass THEN ' ON LANGUAGE '
                                  WHEN 'pg_foreign_server'::regclass THEN ' ON FOREIGN SERVER '
                                  WHEN 'pg_foreign_data_wrapper'::regclass THEN ' ON FOREIGN DATA WRAPPER '
                                  WHEN 'pg_tablespace'::regclass THEN ' ON TABLESPACE '
                                  ELSE ' ON PARAMETER ' END
                              || (pg_identify_object(v_item.classid, v_item.objid, 0)).identity
                    END
                 || format(' FROM %I CASCADE', v_leaver)
        END;
        IF v_item.n = 1 THEN
            v_revokes := v_revokes || jsonb_build_array(to_jsonb(v_item) || jsonb_build_object('statement', v_objects));
        END IF;
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
                      AND NOT (pg_has_role(r.oid, 'USAGE') AND pg_has_role(r.oid, CASE WHEN v_is_16 THEN 'SET' ELSE 'MEMBER' END))
                LOOP
                    EXECUTE format('GRANT %I TO CURRENT_USER', v_row.rolname) || CASE WHEN v_is_16 THEN ' WITH INHERIT TRUE, SET TRUE' ELSE '' END;
                    v_taken := v_taken || v_row.oid;
                END LOOP;
            END IF;
            BEGIN
                IF v_item.n = 1 THEN
                    PERFORM set_config('role', v_item.grantor, true);
                END IF;
                EXECUTE v_objects;
                PERFORM set_config('role', v_role_before, true);
            EXCEPTION
                -- Functions with somebody else's rights cannot SET ROLE.
                WHEN insufficient_privilege THEN EXECUTE v_objects;
            END;
            v_done := v_done || v_objects;
        EXCEPTION
            WHEN insufficient_privilege OR invalid_grant_operation THEN
                -- Found to be left, by name.
                v_problem := CASE WHEN v_item.n = 2 THEN SQLERRM END;
        END;
    END LOOP;
    IF EXISTS (
        SELECT
        FROM pg_auth_members m
        WHERE m.member = (SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user)
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
        USING v_oid, v_revokes;
        RAISE EXCEPTION 'role % has what % cannot take from it', quote_ident(v_leaver), quote_ident(current_user)
            USING ERRCODE = 'RW514',
                  DETAIL  = v_objects,
                  HINT    = CASE WHEN v_is_super THEN 'As each grantor: REVOKE it FROM ' || quote_ident(v_leaver) || '. Nothing was changed.'
                                 WHEN v_statements IS NULL THEN 'As a superuser, CALL auth.delete_identity with the same arguments. Nothing was changed.'
                                 ELSE format('As a superuser: %s. Or CALL auth.delete_identity as a superuser, with the same arguments. '
                                             'Nothing was changed.', v_statements) END;
    END IF;

    IF (v_arguments ->> 'rehearse')::boolean THEN
        RAISE EXCEPTION 'rehearsed' USING ERRCODE = 'RW599', DETAIL = to_jsonb(v_done)::text;
    END IF;
    PERFORM set_config('rolewright.removal', to_jsonb(v_done)::text, true);
END;
$script$,
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

REVOKE ALL ON FUNCTION unsecure.removal_body(text, text, boolean, boolean, boolean, boolean) FROM PUBLIC;

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

CREATE OR REPLACE FUNCTION unsecure.dependency_list(_role_oid oid, _elsewhere boolean DEFAULT false)
RETURNS text
LANGUAGE sql
STABLE
AS $function$
    SELECT string_agg(concat(d.database || ': ', d.kind || ' ' || nullif(d.database, current_database()) || ' ', d.object, ': ', d.dependency,
                             ', granted by ' || quote_ident(d.grantor)), E'\n')
    FROM unsecure.role_dependencies(_role_oid) AS d
    WHERE d.kind <> 'membership'
      AND (NOT _elsewhere OR d.database <> current_database());
$function$;

COMMENT ON FUNCTION unsecure.dependency_list(oid, boolean) IS
    'What keeps a role from being dropped, a line each (_elsewhere: in other databases); NULL: nothing. Not the memberships that it gave: those are given anew.';

CREATE OR REPLACE FUNCTION unsecure.require_no_dependencies(
    _role_oid  oid,
    _elsewhere boolean
)
RETURNS void
LANGUAGE plpgsql
STABLE
AS $function$
DECLARE
    v_list text := unsecure.dependency_list(_role_oid, _elsewhere);
BEGIN
    IF v_list IS NOT NULL THEN
        RAISE EXCEPTION 'role % cannot be dropped: % objects depend on it%',
                (SELECT quote_ident(r.rolname) FROM pg_roles r WHERE r.oid = _role_oid),
                (SELECT count(*) FROM regexp_split_to_table(v_list, E'\n')),
                CASE WHEN _elsewhere THEN ' in other databases' ELSE '' END
            USING ERRCODE = 'RW514',
                  DETAIL  = v_list,
                  HINT    = CASE WHEN _elsewhere
                                 THEN format('Objects are removed in the database that they are in: "rolewright delete" goes through all of them (%s); or '
                                             'connect to each and run what auth.removal_script returns.',
                                             (SELECT string_agg(DISTINCT quote_ident(d.database), ', ')
                                              FROM unsecure.role_dependencies(_role_oid) AS d WHERE d.database <> current_database()))
                                 ELSE 'Pass _reassign_to => ''somebody'' to give them away, or _drop_owned => true to drop them.' END;
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.require_no_dependencies(oid, boolean) IS 'RW514 with the full list of what depends on a role.';

CREATE OR REPLACE FUNCTION unsecure.require_deletable(
    _username text,
    OUT role_name   text,
    OUT role_oid    oid,
    OUT actual_name text,
    OUT state       text,
    OUT user_id     uuid,
    OUT database_role_id uuid
)
LANGUAGE plpgsql
STABLE
AS $function$
DECLARE
    v_leaver record := unsecure.find_leaver(_username);
BEGIN
    role_name        := v_leaver.role_name;
    role_oid         := v_leaver.role_oid;
    actual_name      := v_leaver.actual_name;
    state            := v_leaver.state;
    user_id          := v_leaver.user_id;
    database_role_id := v_leaver.database_role_id;
    IF role_name IS NULL OR state = 'deleted' THEN
        RETURN;
    END IF;
    PERFORM unsecure.require_touchable(role_name);
    PERFORM unsecure.require_touchable(coalesce(actual_name, role_name));
    -- It has the other name after a deletion that did not come to its end.
    IF coalesce(actual_name <> unsecure.doomed_role_name(role_oid), true) THEN
        PERFORM unsecure.require_managed_role(role_name, 'login');
        IF actual_name <> role_name THEN
            RAISE EXCEPTION 'somebody renamed role % to %', quote_ident(role_name), quote_ident(actual_name)
                USING ERRCODE = 'RW019', HINT = 'Rename it back, or let it go with auth.release_role. Nothing was changed.';
        END IF;
    END IF;
    PERFORM unsecure.require_not_last_administrator(role_oid);
END;
$function$;

COMMENT ON FUNCTION unsecure.require_deletable(text) IS
    'Whose role is to be deleted; state deleted: it is, and nothing was checked. RW011, RW512: as unsecure.find_person; RW019: not managed, '
    'or renamed; RW503: not for Rolewright; RW515: the last administrator.';

CREATE OR REPLACE FUNCTION unsecure.require_successor(
    _role_name     text,
    _reassign_to   text,
    _reassign_code boolean
)
RETURNS void
LANGUAGE plpgsql
STABLE
AS $function$
DECLARE
    v_successor pg_roles;
BEGIN
    IF _reassign_to IS NULL THEN
        RETURN;
    END IF;
    SELECT * INTO v_successor FROM pg_roles r WHERE r.rolname = _reassign_to;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'role % does not exist', quote_ident(_reassign_to)
            USING ERRCODE = 'RW019', DETAIL = 'It was to own what the deleted role owns.', HINT = 'Nothing was changed.';
    ELSIF _reassign_to = _role_name OR starts_with(_reassign_to, 'pg_') THEN
        RAISE EXCEPTION 'role % cannot own what role % owns', quote_ident(_reassign_to), quote_ident(_role_name)
            USING ERRCODE = 'RW503',
                  DETAIL  = CASE WHEN _reassign_to = _role_name THEN 'It is the role that is deleted.'
                                 ELSE 'It is one of PostgreSQL''s predefined roles.' END,
                  HINT    = 'Name another role. Nothing was changed.';
    ELSIF coalesce(_reassign_code, false) AND unsecure.is_elevated(v_successor.oid) THEN
        -- The leaver's functions would run with rights that the leaver did not have.
        PERFORM unsecure.require_administrator(format('give code to the elevated role %I', _reassign_to));
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.require_successor(text, text, boolean) IS
    'RW019: there is no such role; RW503: it cannot be that one; RW513: only an administrator gives code to an elevated role.';

REVOKE ALL ON FUNCTION
    unsecure.dependency_list(oid, boolean),
    unsecure.require_no_dependencies(oid, boolean),
    unsecure.require_deletable(text),
    unsecure.require_successor(text, text, boolean)
FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.require_deletable(
    _username      text,
    _reason        text,
    _reassign_to   text    DEFAULT NULL,
    _reassign_code boolean DEFAULT false
)
RETURNS jsonb
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_leaver record := unsecure.require_deletable(_username);
BEGIN
    IF v_leaver.state IS DISTINCT FROM 'deleted' THEN
        PERFORM unsecure.require_reason(_reason);
        PERFORM unsecure.require_successor(v_leaver.role_name, _reassign_to, _reassign_code);
    END IF;
    RETURN jsonb_build_object(
        'role_name', v_leaver.role_name, 'role_oid', v_leaver.role_oid, 'state', v_leaver.state,
        'exists', v_leaver.actual_name IS NOT NULL,
        'is_doomed', coalesce(v_leaver.actual_name = unsecure.doomed_role_name(v_leaver.role_oid), false),
        'is_out', v_leaver.state = 'disabled' AND NOT EXISTS (
            SELECT FROM auth.leaver_proof(_username) AS p WHERE p.way IN ('membership', 'session', 'credential')));
END;
$function$;

COMMENT ON FUNCTION auth.require_deletable(text, text, text, boolean) IS
    'The refusals of auth.delete_identity before it changes anything, but for RW514, and what it starts from: role_name (null: the user has none), '
    'role_oid, state, exists, is_doomed, is_out.';

CREATE OR REPLACE FUNCTION auth.require_removable(_username text, _is_removed boolean)
RETURNS void
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_leaver record := unsecure.find_leaver(_username);
BEGIN
    IF v_leaver.actual_name IS NOT NULL THEN
        PERFORM unsecure.require_no_dependencies(v_leaver.role_oid, coalesce(_is_removed, false));
    END IF;
END;
$function$;

COMMENT ON FUNCTION auth.require_removable(text, boolean) IS
    'RW514 with the list of what depends on a person''s role; _is_removed: what is in this database goes, so that only other databases count.';

CREATE OR REPLACE FUNCTION auth.begin_object_removal(
    _username      text,
    _reassign_to   text    DEFAULT NULL,
    _drop_owned    boolean DEFAULT false,
    _force         boolean DEFAULT false,
    _reassign_code boolean DEFAULT false,
    _rehearse      boolean DEFAULT false
)
RETURNS text
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_leaver record := unsecure.require_deletable(_username);
BEGIN
    PERFORM unsecure.lock_person(v_leaver.user_id);
    v_leaver := unsecure.require_deletable(_username);
    IF v_leaver.actual_name IS NULL THEN
        RETURN 'BEGIN END';
    END IF;
    PERFORM unsecure.require_successor(v_leaver.role_name, _reassign_to, _reassign_code);
    IF _reassign_to IS NULL AND NOT coalesce(_drop_owned, false) THEN
        PERFORM unsecure.require_no_dependencies(v_leaver.role_oid, false);
    END IF;
    IF NOT _rehearse THEN
        IF v_leaver.state NOT IN ('disabled', 'suspended') THEN
            RAISE EXCEPTION 'role % is active', quote_ident(v_leaver.role_name)
                USING ERRCODE = 'RW511', HINT = 'auth.deprovision_identity comes first. Nothing was changed.';
        END IF;
        -- Whatever else somebody grants it, nobody manages the role that is to have no rights.
        INSERT INTO auth.protected_role (role_name)
        SELECT 'rolewright_code_owner' WHERE _reassign_to IS NOT NULL AND NOT coalesce(_reassign_code, false)
        ON CONFLICT DO NOTHING;
        INSERT INTO auth.audit_event (event_code, user_id, subject_type, subject_id, before, after)
        SELECT 'role.emptied', v_leaver.user_id, 'role', v_leaver.database_role_id,
               jsonb_build_object('database', current_database(), 'dependencies', l.list),
               jsonb_build_object('role_name', v_leaver.role_name, 'reassign_to', _reassign_to, 'drop_owned', _drop_owned, 'force', _force,
                                  'reassign_code', _reassign_code)
        FROM (SELECT unsecure.dependency_list(v_leaver.role_oid) AS list) AS l
        WHERE l.list IS NOT NULL;
    END IF;
    RETURN unsecure.removal_body(v_leaver.actual_name, _reassign_to, _drop_owned, _force, _reassign_code, _rehearse);
END;
$function$;

COMMENT ON FUNCTION auth.begin_object_removal(text, text, boolean, boolean, boolean, boolean) IS
    'For a caller with rights of his own: checks and locks, writes the audit row, and returns the body of the DO statement that he executes in '
    'the same transaction (auth.removal_script). RW511: the role is active (unless _rehearse); others as auth.delete_identity.';

CREATE OR REPLACE FUNCTION auth.remove_role_objects(
    _username      text,
    _reassign_to   text    DEFAULT NULL,
    _drop_owned    boolean DEFAULT false,
    _force         boolean DEFAULT false,
    _reassign_code boolean DEFAULT false,
    _rehearse      boolean DEFAULT false
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    EXECUTE format('DO %L', auth.begin_object_removal(_username, _reassign_to, _drop_owned, _force, _reassign_code, _rehearse));
END;
$function$;

COMMENT ON FUNCTION auth.remove_role_objects(text, text, boolean, boolean, boolean, boolean) IS
    'Removes what keeps a person''s role from being dropped, in this database, with the rights of Rolewright''s owner. Arguments and '
    'errors: auth.removal_script, auth.delete_identity; RW511: the role is active.';

REVOKE ALL ON FUNCTION
    auth.require_deletable(text, text, text, boolean),
    auth.require_removable(text, boolean),
    auth.begin_object_removal(text, text, boolean, boolean, boolean, boolean),
    auth.remove_role_objects(text, text, boolean, boolean, boolean, boolean)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    auth.require_deletable(text, text, text, boolean),
    auth.require_removable(text, boolean),
    auth.begin_object_removal(text, text, boolean, boolean, boolean, boolean),
    auth.remove_role_objects(text, text, boolean, boolean, boolean, boolean)
TO rolewright_operator;

CREATE OR REPLACE FUNCTION auth.record_removal(
    _username text,
    _database text,
    _removed  jsonb
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_leaver record := unsecure.find_leaver(_username);
BEGIN
    IF v_leaver.database_role_id IS NULL THEN
        RAISE EXCEPTION 'user % has no role', to_json(_username)
            USING ERRCODE = 'RW019', HINT = 'auth.database_role lists the managed roles. Nothing was changed.';
    ELSIF _database IS NULL OR jsonb_typeof(_removed) IS DISTINCT FROM 'array' THEN
        RAISE EXCEPTION 'no database, or no list of statements'
            USING ERRCODE = 'RW519', HINT = '_removed is the JSON array that the setting rolewright.removal has. Nothing was changed.';
    END IF;
    INSERT INTO auth.audit_event (event_code, user_id, subject_type, subject_id, before, after)
    SELECT 'role.emptied', v_leaver.user_id, 'role', v_leaver.database_role_id,
           jsonb_build_object('database', _database),
           jsonb_build_object('role_name', v_leaver.role_name, 'reported', _removed)
    WHERE _removed <> '[]';
END;
$function$;

COMMENT ON FUNCTION auth.record_removal(text, text, jsonb) IS
    'Writes the audit row (role.emptied) of what auth.removal_script removed in another database. It is the caller''s word: nothing here can '
    'see what happened there. _removed: the JSON array that the setting rolewright.removal has then; an empty one writes nothing. RW011, RW512: as '
    'auth.leaver_proof; RW019: the user has no role; RW519: no database, or no array.';

REVOKE ALL ON FUNCTION auth.record_removal(text, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.record_removal(text, text, jsonb) TO rolewright_operator;

-- Does it all and takes it back: what PostgreSQL would refuse is refused before anything is changed. Invoker: a superuser, and Rolewright's owner, do it
-- with their own rights, since only they can SET ROLE to who granted something.
CREATE OR REPLACE FUNCTION auth.rehearse_removal(
    _username      text,
    _reassign_to   text    DEFAULT NULL,
    _drop_owned    boolean DEFAULT false,
    _force         boolean DEFAULT false,
    _reassign_code boolean DEFAULT false
)
RETURNS text[]
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $function$
DECLARE
    v_done text;
BEGIN
    IF (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user)
       OR current_user = (SELECT r.rolname FROM pg_roles r JOIN pg_namespace n ON n.nspowner = r.oid WHERE n.nspname = 'auth')
    THEN
        EXECUTE format('DO %L', auth.begin_object_removal(_username, _reassign_to, _drop_owned, _force, _reassign_code, true));
    ELSE
        PERFORM auth.remove_role_objects(_username, _reassign_to, _drop_owned, _force, _reassign_code, true);
    END IF;
    RETURN ARRAY[]::text[];
EXCEPTION
    WHEN SQLSTATE 'RW599' THEN
        GET STACKED DIAGNOSTICS v_done = PG_EXCEPTION_DETAIL;
        RETURN ARRAY(SELECT jsonb_array_elements_text(v_done::jsonb));
    -- Sessions of the leaver, who is not out yet, or memberships, may be in the way of the rehearsal, and will not be in the way of the deed.
    WHEN lock_not_available OR invalid_grant_operation OR deadlock_detected OR internal_error THEN
        RETURN NULL;
    WHEN insufficient_privilege OR dependent_objects_still_exist THEN
        GET STACKED DIAGNOSTICS v_done = PG_EXCEPTION_DETAIL;
        RAISE EXCEPTION 'what depends on % cannot be removed: %', to_json(_username), SQLERRM
            USING ERRCODE = 'RW514',
                  DETAIL  = coalesce(v_done, ''),
                  HINT    = CASE SQLSTATE WHEN '42501' THEN 'As a superuser, CALL auth.delete_identity with the same arguments. Nothing was changed.'
                                          ELSE 'Pass _force => true to drop what others made of it too. Nothing was changed.' END;
END;
$function$;

COMMENT ON FUNCTION auth.rehearse_removal(text, text, boolean, boolean, boolean) IS
    'The statements that would remove what keeps a person''s role from being dropped, in this database; NULL: it could not be tried, because somebody '
    'holds a lock. RW514: what cannot be removed, and why.';

REVOKE ALL ON FUNCTION auth.rehearse_removal(text, text, boolean, boolean, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.rehearse_removal(text, text, boolean, boolean, boolean) TO rolewright_operator;

CREATE OR REPLACE FUNCTION auth.plan_delete(
    _username      text,
    _reassign_to   text    DEFAULT NULL,
    _drop_owned    boolean DEFAULT false,
    _force         boolean DEFAULT false,
    _reassign_code boolean DEFAULT false
)
RETURNS SETOF auth.change
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_role    jsonb;
    v_name    text;
    v_objects text[] := ARRAY[]::text[];
    v_plan    auth.change[] := ARRAY[]::auth.change[];
    v_reason  text;
    v_list    text;
    v_step    text;
    v_is_removed CONSTANT boolean := _reassign_to IS NOT NULL OR coalesce(_drop_owned, false);
BEGIN
    v_role := auth.require_deletable(_username, 'plan', _reassign_to, _reassign_code);
    IF v_role ->> 'state' IS NULL OR v_role ->> 'state' = 'deleted' THEN
        RETURN;
    END IF;
    v_name := v_role ->> 'role_name';
    IF (v_role ->> 'exists')::boolean THEN
        -- What is in other databases, and what cannot be removed here: both are told.
        FOREACH v_step IN ARRAY ARRAY['elsewhere', 'here'] LOOP
            BEGIN
                CASE v_step
                    WHEN 'elsewhere' THEN PERFORM auth.require_removable(_username, v_is_removed);
                    ELSE v_objects := auth.rehearse_removal(_username, _reassign_to, _drop_owned, _force, _reassign_code);
                END CASE;
            EXCEPTION
                WHEN SQLSTATE 'RW514' THEN
                    GET STACKED DIAGNOSTICS v_reason = MESSAGE_TEXT, v_list = PG_EXCEPTION_DETAIL;
                    v_plan := v_plan || ARRAY(SELECT row(0, 'conflict', v_name, l, NULL, v_reason)::auth.change
                                              FROM regexp_split_to_table(v_list, E'\n') AS l);
                    EXIT WHEN NOT v_is_removed; -- the list is of all databases
            END;
        END LOOP;
        v_plan := v_plan || row(0, 'alter', v_name, 'login', format('ALTER ROLE %I NOLOGIN', v_name), 'it is deleted')::auth.change
                  || ARRAY(SELECT row(0, 'revoke', v_name, p.object, format('REVOKE %s FROM %I', p.object, v_name), 'it is deleted')::auth.change
                           FROM auth.leaver_proof(_username) AS p WHERE p.way = 'membership')
                  || ARRAY(SELECT row(0, 'alter', v_name, 'objects', o, 'it is deleted')::auth.change FROM unnest(v_objects) AS o)
                  || row(0, 'drop', v_name, NULL, format('DROP ROLE %I', v_name), 'it is deleted')::auth.change;
    END IF;
    RETURN QUERY
    SELECT row_number() OVER (ORDER BY c.action = 'conflict' DESC, p.n)::integer, c.action, c.role_name, c.object, c.statement, c.reason
    FROM unnest(v_plan) WITH ORDINALITY AS p (ordinal, action, role_name, object, statement, reason, n)
    CROSS JOIN LATERAL (SELECT p.action, p.role_name, p.object, p.statement, p.reason) AS c
    ORDER BY 1;
END;
$function$;

COMMENT ON FUNCTION auth.plan_delete(text, text, boolean, boolean, boolean) IS
    'What auth.delete_identity would do, in this database, and first as conflicts what keeps it from that. Arguments and errors as there, but '
    'RW514 is rows. No rows: the role was deleted already, or the user has none. Whoever owns nothing is tried out and taken back, which locks for a moment what it changes.';

REVOKE ALL ON FUNCTION auth.plan_delete(text, text, boolean, boolean, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.plan_delete(text, text, boolean, boolean, boolean) TO rolewright_operator;

-- DROP ROLE and a GRANT at the same time do not wait for each other, and leave the membership of a role that is not there. So the role
-- gets another name first; when that is committed, no new GRANT can name it; and those that did before hold a lock until they end.
CREATE OR REPLACE FUNCTION auth.begin_role_drop(_username text, _reason text)
RETURNS SETOF auth.change
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_leaver record := unsecure.require_deletable(_username);
    v_done   auth.change[];
BEGIN
    PERFORM unsecure.require_reason(_reason);
    PERFORM unsecure.lock_person(v_leaver.user_id);
    v_leaver := unsecure.require_deletable(_username);
    IF v_leaver.actual_name IS NULL OR v_leaver.actual_name = unsecure.doomed_role_name(v_leaver.role_oid) THEN
        RETURN;
    ELSIF v_leaver.state NOT IN ('disabled', 'suspended') OR EXISTS (SELECT FROM pg_roles r WHERE r.oid = v_leaver.role_oid AND r.rolcanlogin) THEN
        RAISE EXCEPTION 'role % is active', quote_ident(v_leaver.role_name)
            USING ERRCODE = 'RW511', HINT = 'auth.deprovision_identity comes first. Nothing was changed.';
    END IF;
    PERFORM unsecure.require_no_dependencies(v_leaver.role_oid, false);
    v_done := ARRAY[row(1, 'alter', v_leaver.role_name, 'name',
                        format('ALTER ROLE %I RENAME TO %I', v_leaver.role_name, unsecure.doomed_role_name(v_leaver.role_oid)), _reason)::auth.change];
    PERFORM unsecure.execute_changes(v_done);
    UPDATE auth.database_role r
    SET recorded = coalesce(r.recorded, '{}') || jsonb_build_object('doomed_in', pg_current_xact_id()::text), updated_at = now()
    WHERE r.database_role_id = v_leaver.database_role_id;
    RETURN QUERY SELECT (c).* FROM unnest(v_done) AS c;
END;
$function$;

COMMENT ON FUNCTION auth.begin_role_drop(text, text) IS
    'Gives a role that nothing depends on the name of one that is to be dropped, so that from the end of the transaction on nobody grants it anything. '
    'RW511: the role is active; RW514: something depends on it; others as auth.delete_identity.';

CREATE OR REPLACE FUNCTION unsecure.await_role_grants()
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $function$
DECLARE
    v_until timestamptz := clock_timestamp() + interval '30 seconds';
    v_open  text[];
BEGIN
    -- Twice: who had looked the name up may have been just about to take the lock.
    FOR v_look IN 1 .. 2 LOOP
        v_open := ARRAY(SELECT DISTINCT l.virtualtransaction
                        FROM pg_locks l
                        WHERE l.locktype = 'relation' AND l.database = 0 AND l.relation = 'pg_auth_members'::regclass
                          AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')
                          AND l.pid IS DISTINCT FROM pg_backend_pid());
        WHILE EXISTS (SELECT FROM pg_locks l
                      WHERE l.locktype = 'relation' AND l.database = 0 AND l.relation = 'pg_auth_members'::regclass
                        AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')
                        AND l.virtualtransaction = ANY (v_open))
        LOOP
            IF clock_timestamp() > v_until THEN
                RAISE EXCEPTION 'an open transaction changed memberships, and may have granted the role one'
                    USING ERRCODE = 'RW517',
                          DETAIL  = coalesce((SELECT string_agg(DISTINCT coalesce('pid ' || l.pid, 'prepared transaction'), ', ')
                                              FROM pg_locks l
                                              WHERE l.locktype = 'relation' AND l.database = 0 AND l.relation = 'pg_auth_members'::regclass
                                                AND l.virtualtransaction = ANY (v_open)), 'It has ended just now.'),
                          HINT    = 'End that transaction, and call this again. The role can log in no more.';
            END IF;
            PERFORM pg_sleep(0.01);
        END LOOP;
        PERFORM pg_sleep(0.02);
    END LOOP;
END;
$function$;

COMMENT ON FUNCTION unsecure.await_role_grants() IS
    'Waits for the transactions that have changed memberships so far, in any database. RW517: after half a minute one is still open.';

REVOKE ALL ON FUNCTION unsecure.await_role_grants() FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.finish_role_drop(_username text, _reason text)
RETURNS SETOF auth.change
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_leaver record := unsecure.require_deletable(_username);
    v_done   auth.change[] := ARRAY[]::auth.change[];
BEGIN
    PERFORM unsecure.require_reason(_reason);
    PERFORM unsecure.require_read_committed();
    IF v_leaver.state = 'deleted' THEN
        RETURN;
    ELSIF v_leaver.actual_name <> unsecure.doomed_role_name(v_leaver.role_oid)
          OR EXISTS (SELECT FROM auth.database_role r
                     WHERE r.database_role_id = v_leaver.database_role_id
                       AND r.recorded ->> 'doomed_in' = pg_current_xact_id_if_assigned()::text)
    THEN
        RAISE EXCEPTION 'role % may still be granted something', quote_ident(v_leaver.role_name)
            USING ERRCODE = 'RW511', HINT = 'auth.begin_role_drop comes first, and must be committed. Nothing was changed.';
    ELSIF v_leaver.state NOT IN ('disabled', 'suspended') THEN
        RAISE EXCEPTION 'role % is active', quote_ident(v_leaver.role_name)
            USING ERRCODE = 'RW511', HINT = 'auth.deprovision_identity comes first. Nothing was changed.';
    END IF;

    -- Before the locks: one of those who are waited for may wait for them.
    IF v_leaver.actual_name IS NOT NULL THEN
        PERFORM unsecure.await_role_grants();
    END IF;
    PERFORM unsecure.lock_person(v_leaver.user_id);
    v_leaver := unsecure.require_deletable(_username);
    IF v_leaver.state = 'deleted' THEN
        RETURN; -- somebody else was faster
    END IF;
    IF v_leaver.actual_name IS NOT NULL THEN
        v_done := ARRAY[row(1, 'drop', v_leaver.role_name, NULL, format('DROP ROLE %I', v_leaver.actual_name), _reason)::auth.change];
        BEGIN
            PERFORM unsecure.execute_changes(v_done);
        EXCEPTION
            WHEN dependent_objects_still_exist THEN
                -- Granted meanwhile. What is said is what is there now.
                PERFORM unsecure.require_no_dependencies(v_leaver.role_oid, false);
                RAISE;
        END;
    END IF;
    DELETE FROM auth.role_membership m WHERE m.database_role_id = v_leaver.database_role_id;
    UPDATE auth.database_role r
    SET state            = 'deleted',
        role_oid         = NULL,
        reason           = _reason,
        recorded         = (coalesce(r.recorded, '{}') - 'doomed_in') || jsonb_build_object('role_oid', v_leaver.role_oid),
        state_changed_at = now(),
        updated_at       = now()
    WHERE r.database_role_id = v_leaver.database_role_id;
    RETURN QUERY SELECT (c).* FROM unnest(v_done) AS c;
END;
$function$;

COMMENT ON FUNCTION auth.finish_role_drop(text, text) IS
    'The last step of auth.delete_identity: waits for who may have granted the role something, drops it, and leaves the tombstone. '
    'RW511: auth.begin_role_drop was not committed before; RW514: something depends on it again; RW517: an open transaction may have granted it '
    'a membership.';

REVOKE ALL ON FUNCTION auth.begin_role_drop(text, text), auth.finish_role_drop(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.begin_role_drop(text, text), auth.finish_role_drop(text, text) TO rolewright_operator;

CREATE OR REPLACE PROCEDURE auth.delete_identity(
    _username      text,
    _reason        text,
    _reassign_to   text    DEFAULT NULL,
    _drop_owned    boolean DEFAULT false,
    _force         boolean DEFAULT false,
    _reassign_code boolean DEFAULT false,
    INOUT _report  jsonb   DEFAULT NULL
)
LANGUAGE plpgsql
AS $procedure$
DECLARE
    v_role     jsonb;
    v_left     jsonb;
    v_removed  jsonb := jsonb_build_array();
    v_attempt  integer := 0;
    v_is_again boolean;
    v_is_own   boolean; -- has the rights himself
    v_admin    text;
BEGIN
    COMMIT; -- where that is not possible, in a transaction block, it fails before anything is changed
    -- Both end with every COMMIT: a procedure with a SET clause could not COMMIT.
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    v_role   := auth.require_deletable(_username, _reason, _reassign_to, _reassign_code);
    v_is_own := (SELECT r.rolsuper OR r.oid = n.nspowner FROM pg_roles r, pg_namespace n WHERE r.rolname = current_user AND n.nspname = 'auth');
    IF v_role ->> 'state' = 'deleted' THEN
        RAISE NOTICE 'role % is deleted already', quote_ident(v_role ->> 'role_name');
        _report := jsonb_build_object('role_name', v_role ->> 'role_name', 'state', 'deleted', 'already_deleted', true);
        RETURN;
    END IF;
    IF (v_role ->> 'exists')::boolean THEN
        PERFORM auth.require_removable(_username, _reassign_to IS NOT NULL OR coalesce(_drop_owned, false));
        PERFORM auth.rehearse_removal(_username, _reassign_to, _drop_owned, _force, _reassign_code);
    END IF;
    COMMIT;
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);

    IF NOT coalesce((v_role ->> 'is_out')::boolean, false) AND NOT (v_role ->> 'is_doomed')::boolean THEN
        CALL auth.deprovision_identity(_username, _reason, true, true, 'disable', _report);
        COMMIT;
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    END IF;
    IF v_role ->> 'role_name' IS NULL THEN
        _report := coalesce(_report, '{}') || '{"role_name": null, "state": null}';
        RETURN; -- a user without a role is disabled now, and there is nothing to drop
    END IF;

    LOOP
        v_attempt  := v_attempt + 1;
        v_is_again := false;
        v_admin := NULL;
        IF v_is_own THEN
            -- What only a superuser may administer, he lets the owner drop. It goes with the role.
            SELECT format('GRANT %I TO %I WITH ADMIN TRUE, INHERIT FALSE, SET FALSE', r.rolname, o.rolname) INTO v_admin
            FROM pg_roles r, pg_roles o, pg_namespace n, pg_roles me
            WHERE r.oid = (v_role ->> 'role_oid')::oid AND n.nspname = 'auth' AND o.oid = n.nspowner AND me.rolname = current_user AND me.rolsuper
              AND NOT pg_has_role(o.oid, r.oid, 'MEMBER WITH ADMIN OPTION')
              AND current_setting('server_version_num')::integer >= 160000;
            EXECUTE format('DO %L', auth.begin_object_removal(_username, _reassign_to, _drop_owned, _force, _reassign_code));
        ELSE
            PERFORM auth.remove_role_objects(_username, _reassign_to, _drop_owned, _force, _reassign_code);
        END IF;
        IF v_admin IS NOT NULL THEN
            EXECUTE v_admin;
        END IF;
        v_removed := v_removed || coalesce(nullif(current_setting('rolewright.removal', true), ''), '[]')::jsonb;
        COMMIT;
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        BEGIN
            PERFORM auth.begin_role_drop(_username, _reason);
        EXCEPTION
            WHEN SQLSTATE 'RW514' THEN
                IF v_attempt >= 3 THEN
                    RAISE;
                END IF;
                v_is_again := true;
        END;
        COMMIT;
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);

        IF NOT v_is_again THEN
            BEGIN
                PERFORM auth.finish_role_drop(_username, _reason);
            EXCEPTION
                -- Somebody granted it something in the meantime.
                WHEN SQLSTATE 'RW514' THEN
                    IF v_attempt >= 3 THEN
                        RAISE;
                    END IF;
                    v_is_again := true;
            END;
            COMMIT;
            SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
            PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        END IF;
        EXIT WHEN NOT v_is_again;
    END LOOP;

    SELECT jsonb_agg(p) INTO v_left FROM auth.leaver_proof(_username) AS p;
    IF v_left IS NOT NULL THEN
        RAISE EXCEPTION 'role % was dropped, but ways in are left', quote_ident(v_role ->> 'role_name')
            USING ERRCODE = 'RW517', DETAIL = v_left::text, HINT = 'See auth.leaver_proof.';
    END IF;
    _report := coalesce(_report, '{}') || jsonb_build_object(
        'role_name', v_role ->> 'role_name', 'role_oid', v_role -> 'role_oid', 'state', 'deleted', 'already_deleted', false,
        'removed', v_removed, 'left', '[]'::jsonb);
END;
$procedure$;

COMMENT ON PROCEDURE auth.delete_identity(text, text, text, boolean, boolean, boolean, jsonb) IS
    'Deletes a person''s role for good: puts the person out as auth.deprovision_identity does, removes what depends on the role in this '
    'database, drops it, and leaves a tombstone in auth.database_role, so that the name is not somebody else''s unnoticed. _reassign_to: who owns then what '
    'it owned; code (functions, views, tables with triggers, policies, rules or expressions) goes to rolewright_code_owner, which has no rights, unless '
    '_reassign_code. _drop_owned: what it owned is dropped. _force: also what others made of that, or were granted by it. _report: what was '
    'done. Can be called again after any failure. Refused before anything is changed: RW514: something depends on the role and '
    'neither is given, or it is in another database, or cannot be removed (the DETAIL lists all of it); RW011: nobody of that name; RW019: not managed; RW503: '
    'not for Rolewright; RW512: two of that name; RW515: the last administrator; RW519: no reason; RW506: as auth.begin_deprovision. After the person was put '
    'out: RW517: a session, or a transaction that may have granted the role something, does not end. Not within a transaction block (2D000).';

REVOKE ALL ON PROCEDURE auth.delete_identity(text, text, text, boolean, boolean, boolean, jsonb) FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE auth.delete_identity(text, text, text, boolean, boolean, boolean, jsonb) TO rolewright_operator;
