-- Everything that an installation leaves in a database and its cluster, as (kind, name, definition).
-- Object identifiers and the order of ACL items are left out: they differ between equal databases.

WITH schema AS (
    SELECT n.* FROM pg_namespace n WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
), relation AS (
    SELECT c.*, format('%I.%I', n.nspname, c.relname) AS name
    FROM pg_class c JOIN schema n ON n.oid = c.relnamespace
), object AS (
    SELECT 'schema' AS kind, format('%I', nspname) AS name, NULL::text AS definition,
           nspowner AS owner, nspacl AS acl, 'pg_namespace' AS catalog, oid, 0 AS subid
    FROM schema
UNION ALL
    SELECT CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view'
                          WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' WHEN 'c' THEN 'composite type'
                          ELSE c.relkind::text END,
           c.name,
           concat_ws(' ', nullif(c.relpersistence, 'p'), c.reloptions::text,
                     'PARTITION BY ' || pg_get_partkeydef(c.oid), pg_get_expr(c.relpartbound, c.oid),
                     'INHERITS ' || (SELECT string_agg(i.inhparent::regclass::text, ', ') FROM pg_inherits i WHERE i.inhrelid = c.oid),
                     'ROW SECURITY ' || nullif(c.relrowsecurity::text || c.relforcerowsecurity::text, 'falsefalse'),
                     'REPLICA IDENTITY ' || nullif(c.relreplident::text, 'd'),
                     CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END,
                     (SELECT format('%s from %s by %s min %s max %s cycle %s cache %s', s.seqtypid::regtype, s.seqstart,
                                    s.seqincrement, s.seqmin, s.seqmax, s.seqcycle, s.seqcache)
                      FROM pg_sequence s WHERE s.seqrelid = c.oid)),
           c.relowner, c.relacl, 'pg_class', c.oid, 0
    FROM relation c WHERE c.relkind NOT IN ('i', 'I', 't')
UNION ALL
    SELECT 'column', format('%s.%I', c.name, a.attname),
           concat_ws(' ', '#' || row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum),
                     format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 'NOT NULL' END,
                     'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), 'IDENTITY ' || nullif(a.attidentity::text, ''),
                     'GENERATED ' || nullif(a.attgenerated::text, ''),
                     'COLLATE ' || (SELECT l.collname FROM pg_collation l WHERE l.oid = a.attcollation AND l.collname <> 'default'),
                     'STORAGE ' || a.attstorage::text, a.attoptions::text, 'STATISTICS ' || nullif(a.attstattarget::int, -1)),
           NULL, a.attacl, 'pg_class', c.oid, a.attnum
    FROM relation c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE c.relkind NOT IN ('i', 'I', 't', 'S')
UNION ALL
    SELECT 'index', c.name,
           concat_ws(' ', pg_get_indexdef(c.oid), CASE WHEN NOT i.indisvalid THEN 'INVALID' END,
                     CASE WHEN i.indisclustered THEN 'CLUSTERED' END, CASE WHEN i.indisreplident THEN 'REPLICA IDENTITY' END),
           c.relowner, NULL, 'pg_class', c.oid, 0
    FROM relation c JOIN pg_index i ON i.indexrelid = c.oid
UNION ALL
    SELECT 'constraint', format('%s %I', coalesce(c.name, k.contypid::regtype::text), k.conname),
           concat_ws(' ', k.contype, pg_get_constraintdef(k.oid), CASE WHEN k.conislocal THEN 'LOCAL' END),
           NULL, NULL, 'pg_constraint', k.oid, 0
    FROM pg_constraint k
    JOIN schema n ON n.oid = k.connamespace
    LEFT JOIN relation c ON c.oid = k.conrelid
UNION ALL
    SELECT 'function', format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
           CASE WHEN p.prokind = 'a' THEN p.prokind::text ELSE pg_get_functiondef(p.oid) END,
           p.proowner, p.proacl, 'pg_proc', p.oid, 0
    FROM pg_proc p JOIN schema n ON n.oid = p.pronamespace
UNION ALL
    SELECT 'trigger', format('%s %I', c.name, t.tgname), concat_ws(' ', t.tgenabled, pg_get_triggerdef(t.oid)),
           NULL, NULL, 'pg_trigger', t.oid, 0
    FROM pg_trigger t JOIN relation c ON c.oid = t.tgrelid
    WHERE NOT t.tgisinternal
UNION ALL
    SELECT 'rule', format('%s %I', c.name, r.rulename), concat_ws(' ', r.ev_enabled, pg_get_ruledef(r.oid)),
           NULL, NULL, 'pg_rewrite', r.oid, 0
    FROM pg_rewrite r JOIN relation c ON c.oid = r.ev_class
UNION ALL
    SELECT 'policy', format('%s %I', c.name, p.polname),
           concat_ws(' ', p.polcmd, p.polpermissive, p.polroles::regrole[]::text, pg_get_expr(p.polqual, p.polrelid),
                     pg_get_expr(p.polwithcheck, p.polrelid)),
           NULL, NULL, 'pg_policy', p.oid, 0
    FROM pg_policy p JOIN relation c ON c.oid = p.polrelid
UNION ALL
    SELECT 'statistics', format('%I.%I', n.nspname, s.stxname), pg_get_statisticsobjdef(s.oid),
           s.stxowner, NULL, 'pg_statistic_ext', s.oid, 0
    FROM pg_statistic_ext s JOIN schema n ON n.oid = s.stxnamespace
UNION ALL
    -- Composite types of relations and the array types come with what they belong to.
    SELECT 'type', format('%I.%I', n.nspname, t.typname),
           concat_ws(' ', t.typtype, 'OF ' || nullif(format_type(t.typbasetype, t.typtypmod), '-'), t.typdefault,
                     CASE WHEN t.typnotnull THEN 'NOT NULL' END,
                     (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder)
                      FROM pg_enum e WHERE e.enumtypid = t.oid)),
           t.typowner, t.typacl, 'pg_type', t.oid, 0
    FROM pg_type t JOIN schema n ON n.oid = t.typnamespace
    WHERE t.typcategory <> 'A' AND (t.typrelid = 0 OR t.typtype <> 'c')
UNION ALL
    SELECT 'extension', format('%I', e.extname), concat_ws(' ', e.extversion, e.extnamespace::regnamespace),
           e.extowner, NULL, 'pg_extension', e.oid, 0
    FROM pg_extension e
UNION ALL
    SELECT 'event trigger', format('%I', e.evtname), concat_ws(' ', e.evtevent, e.evtfoid::regproc, e.evtenabled),
           e.evtowner, NULL, 'pg_event_trigger', e.oid, 0
    FROM pg_event_trigger e
UNION ALL
    SELECT 'default privileges', format('%s %s %s', a.defaclrole::regrole, a.defaclnamespace, a.defaclobjtype), NULL,
           NULL, a.defaclacl, 'pg_default_acl', a.oid, 0
    FROM pg_default_acl a
UNION ALL
    SELECT 'database', 'current', NULL, NULL, d.datacl, 'pg_database', d.oid, 0
    FROM pg_database d WHERE d.datname = current_database()
UNION ALL
    SELECT 'role', format('%I', r.rolname),
           (to_jsonb(r) - '{oid,rolname,rolpassword,rolconfig}'::text[])::text,
           NULL, NULL, 'pg_authid', r.oid, 0
    FROM pg_roles r WHERE r.rolname !~ '^pg_'
UNION ALL
    SELECT 'membership', format('%s in %s by %s', m.member::regrole, m.roleid::regrole, m.grantor::regrole),
           (to_jsonb(m) - '{oid,roleid,member,grantor}'::text[])::text,
           NULL, NULL, '-', 0, 0
    FROM pg_auth_members m WHERE m.roleid::regrole::text !~ '^pg_'
UNION ALL
    SELECT 'setting', format('%s in %s', coalesce(nullif(s.setrole, 0)::regrole::text, 'all'),
                             coalesce((SELECT 'this database' FROM pg_database d WHERE d.oid = s.setdatabase AND d.datname = current_database()),
                                      nullif(s.setdatabase, 0)::text, 'all')),
           s.setconfig::text, NULL, NULL, '-', 0, 0
    FROM pg_db_role_setting s
)
SELECT kind, name,
       concat_ws(E'\n',
           nullif(definition, ''),
           'owner ' || nullif(owner, 0)::regrole::text,
           'acl ' || CASE WHEN acl IS NOT NULL
                          THEN coalesce((SELECT string_agg(a::text, ' ' ORDER BY a::text COLLATE "C") FROM unnest(acl) AS a), 'nobody')
                     END,
           'comment ' || (SELECT d.description FROM pg_description d
                          WHERE d.objoid = object.oid AND d.objsubid = object.subid
                            AND d.classoid = to_regclass('pg_catalog.' || object.catalog)),
           'comment ' || (SELECT d.description FROM pg_shdescription d
                          WHERE d.objoid = object.oid AND d.classoid = to_regclass('pg_catalog.' || object.catalog))) AS definition
FROM object
ORDER BY kind, name COLLATE "C";
