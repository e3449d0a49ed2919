-- The other way round: all roles that have a privilege, from those that hold it down through their members.

CREATE OR REPLACE FUNCTION auth.who_can(
    _privilege text,
    _object    text
)
RETURNS TABLE (
    role_name    text,
    can_login    boolean,
    is_effective boolean,
    kind         text,
    path         text,
    is_grantable boolean,
    source       text,
    missing      text[]
)
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off
SET jit = off
SET enable_nestloop = off -- PostgreSQL cannot know how many members there are
SET enable_mergejoin = off
SET work_mem = '64MB'
AS $function$
DECLARE
    v_object    unsecure.named_object := unsecure.find_object(_object);
    v_asked     record := unsecure.read_privilege(v_object, _privilege);
    v_schema    unsecure.named_object := CASE WHEN v_object.kind <> 'schema' AND v_object.schema_oid IS NOT NULL
                                           THEN unsecure.find_object('schema ' || quote_ident(v_object.schema_name)) END;
    v_base      unsecure.named_object := CASE WHEN v_object.kind = 'database' THEN v_object
                                           WHEN v_object.kind NOT IN ('tablespace', 'parameter') THEN unsecure.find_object('database ' || quote_ident(current_database())) END;
    v_what      text := format('%s%s on %s', v_asked.privilege, CASE WHEN v_asked.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END, unsecure.object_text(v_object));
    v_is_usable boolean := coalesce(has_schema_privilege('public', v_schema.objid, 'USAGE'), false);
    v_is_open   boolean := coalesce(has_database_privilege('public', v_base.objid, 'CONNECT'), false);
BEGIN
    RETURN QUERY
    WITH RECURSIVE link AS MATERIALIZED (
        SELECT l.roleid, l.member, l.inherit_option, l.set_option FROM unsecure.membership_link l
    ), held AS MATERIALIZED (
        SELECT * FROM unsecure.privilege_holders(v_object, v_asked.privilege, v_asked.is_grantable)
    ), seed AS (
        SELECT h.holder, h.part FROM held h
        UNION
        SELECT h.holder, 'grantable' FROM held h WHERE h.is_grantable AND h.part IN ('whole', 'own')
        UNION
        -- The layers above.
        SELECT h.holder, 'schema' FROM unsecure.privilege_holders(v_schema, 'USAGE', false) AS h WHERE h.part = 'whole' AND v_schema.objid IS NOT NULL
        UNION
        SELECT h.holder, 'database' FROM unsecure.privilege_holders(v_base, 'CONNECT', false) AS h WHERE h.part = 'whole' AND v_base.objid IS NOT NULL
    ), walk (oid, part, is_inherited, next_oid, next_is_inherited) AS (
        -- Each link once, however many ways lead over it; PostgreSQL walks breadth first, so the first row of a role is its shortest way.
        SELECT s.holder, s.part, true, NULL::oid, NULL::boolean FROM seed s WHERE s.holder <> 0
        UNION
        SELECT l.member, w.part, w.is_inherited AND l.inherit_option AND w.part <> 'super', w.oid, w.is_inherited
        FROM walk w
        JOIN link l ON l.roleid = w.oid
        WHERE l.set_option AND w.part NOT IN ('schema', 'database') OR w.is_inherited AND l.inherit_option AND w.part <> 'super'
    ), first AS MATERIALIZED (
        SELECT DISTINCT ON (n.oid, n.part, n.is_inherited) n.*
        FROM (SELECT w.*, row_number() OVER () AS nth FROM walk w) AS n
        ORDER BY n.oid, n.part, n.is_inherited, n.nth
    ), node AS MATERIALIZED (
        SELECT f.*, r.rolname, r.rolcanlogin AND coalesce(r.rolvaliduntil > statement_timestamp(), true) AS can_login, r.rolsuper,
               quote_ident(r.rolname) || CASE WHEN i.role_oid IS NOT NULL THEN ' (intermediate role)' ELSE '' END AS label, coalesce(s.source, 'unmanaged') AS source
        FROM first f
        JOIN pg_roles r ON r.oid = f.oid
        LEFT JOIN unsecure.known_intermediate i ON i.role_oid = f.oid
        LEFT JOIN unsecure.membership_source s ON s.member = f.oid AND s.roleid = f.next_oid
        WHERE f.part NOT IN ('grantable', 'schema', 'database')
    ), tree (oid, part, is_inherited, holder, holder_label, acts_as, depth, path, source, rolname, can_login, rolsuper) AS (
        SELECT n.oid, n.part, true, n.oid, n.label, n.oid, 0, n.label, NULL::text, n.rolname, n.can_login, n.rolsuper
        FROM node n
        WHERE n.next_oid IS NULL
        UNION ALL
        SELECT n.oid, n.part, n.is_inherited, t.holder, t.holder_label, CASE WHEN n.is_inherited THEN n.oid ELSE t.acts_as END, t.depth + 1,
               -- Who wants to read all of a long chain asks auth.explain_access.
               n.label || CASE WHEN t.depth >= 30 THEN ' → … → ' || t.holder_label
                               WHEN t.is_inherited AND NOT n.is_inherited THEN ' → SET ROLE ' || t.path
                               ELSE ' → ' || t.path END,
               concat_ws(' → ', n.source, CASE WHEN t.depth < 30 THEN t.source END), n.rolname, n.can_login, n.rolsuper
        FROM tree t
        JOIN node n ON n.next_oid = t.oid AND n.next_is_inherited = t.is_inherited AND n.part = t.part
    ), holder AS MATERIALIZED (
        -- One word for each that holds it: it does not matter who granted it.
        SELECT h.holder, h.part, min(h.kind) FILTER (WHERE h.nth = 1) AS kind, bool_or(h.is_grantable) AS is_grantable,
               (SELECT string_agg(DISTINCT quote_ident(c), ', ') FROM unnest(array_agg(h.columns_text)) AS x (t), unnest(x.t::text[]) AS c
                WHERE h.part = 'columns') AS columns,
               CASE WHEN bool_or(i.role_oid IS NOT NULL OR h.kind IN ('direct', 'owner', 'public')
                                 AND unsecure.is_declared(d.grants, v_object, v_asked.privilege, v_asked.is_grantable)) THEN 'declaration' ELSE 'unmanaged' END AS source
        FROM (
            SELECT a.*, a.columns::text AS columns_text, row_number() OVER (PARTITION BY a.holder, a.part ORDER BY a.kind = 'owner' DESC, a.kind) AS nth
            FROM held a
        ) AS h
        LEFT JOIN pg_roles r ON r.oid = h.holder
        LEFT JOIN auth.role_declaration d ON d.role_name = coalesce(r.rolname, 'public')
        LEFT JOIN unsecure.known_intermediate i ON i.role_oid = h.holder
        GROUP BY h.holder, h.part
    ), best AS (
        -- A role's best way: at once rather than by SET ROLE, the whole object rather than some columns.
        SELECT DISTINCT ON (t.oid, t.part IN ('whole', 'super')) t.*
        FROM tree t
        ORDER BY t.oid, t.part IN ('whole', 'super'), t.is_inherited DESC, t.part = 'super' DESC, t.part = 'own' DESC, t.depth
    )
    SELECT f.role_name, f.can_login, f.is_effective, f.kind, f.path, f.is_grantable, f.source, f.missing
    FROM (
        SELECT b.rolname::text AS role_name, b.can_login, b.is_inherited AND b.part <> 'own' AS is_effective,
               CASE WHEN b.part = 'columns' THEN 'columns' WHEN h.kind = 'direct' AND b.depth > 0 THEN 'membership' ELSE h.kind END AS kind,
               b.path || ' → ' || CASE WHEN h.kind IN ('superuser', 'owner') THEN h.kind || ': ' ELSE '' END || CASE b.part WHEN 'own' THEN 'may grant itself ' ELSE '' END
               || CASE b.part WHEN 'columns' THEN format('%s (%s)%s', v_asked.privilege, h.columns, substr(v_what, length(v_asked.privilege) + 1)) ELSE v_what END AS path,
               b.part = 'super' OR b.part = 'columns' AND h.is_grantable OR ge.oid IS NOT NULL OR gs.oid IS NOT NULL AND NOT b.is_inherited AS is_grantable,
               concat_ws(' → ', b.source, h.source) AS source,
               array_remove(ARRAY[
                   CASE WHEN v_schema.objid IS NOT NULL AND u.oid IS NULL AND NOT a.rolsuper AND NOT v_is_usable
                        THEN format('USAGE on schema %I', v_object.schema_name) END,
                   CASE WHEN v_base.objid IS NOT NULL AND c.oid IS NULL AND NOT b.rolsuper AND NOT v_is_open
                        THEN format('CONNECT on database %s', v_base.label) END], NULL) AS missing
        FROM best b
        JOIN pg_roles a ON a.oid = b.acts_as
        JOIN holder h ON h.holder = b.holder AND h.part = b.part
        LEFT JOIN first u ON u.oid = b.acts_as AND u.part = 'schema' AND u.is_inherited
        LEFT JOIN first c ON c.oid = b.oid AND c.part = 'database' AND c.is_inherited
        LEFT JOIN first ge ON ge.oid = b.oid AND ge.part = 'grantable' AND ge.is_inherited
        LEFT JOIN first gs ON gs.oid = b.oid AND gs.part = 'grantable' AND NOT gs.is_inherited
        LEFT JOIN best o ON o.oid = b.oid AND o.part IN ('whole', 'super') AND o.is_inherited AND b.part NOT IN ('whole', 'super')
        WHERE o.oid IS NULL
        UNION ALL
        SELECT 'PUBLIC', NULL, true, CASE h.part WHEN 'columns' THEN 'columns' ELSE 'public' END,
               'PUBLIC → ' || CASE h.part WHEN 'columns' THEN format('%s (%s)%s', v_asked.privilege, h.columns, substr(v_what, length(v_asked.privilege) + 1)) ELSE v_what END,
               h.is_grantable, h.source, NULL
        FROM holder h
        WHERE h.holder = 0
    ) AS f
    ORDER BY f.can_login IS NULL DESC, f.is_effective DESC, f.role_name COLLATE "C", f.kind;
END;
$function$;

COMMENT ON FUNCTION auth.who_can(text, text) IS
    'All roles that have a privilege (any case; WITH GRANT OPTION may follow) on an object (named as for auth.explain_access): one row each, and '
    'one for PUBLIC (can_login NULL) when everybody has it. is_effective: at once; false: only after SET ROLE, or (owner) after granting it to '
    'itself. kind, path, source: as auth.explain_access has them, of the shortest way. kind columns: only those. is_grantable: may give it to '
    'others. missing: what a role lacks beside: USAGE on the schema, CONNECT on the database. RW525: no such object; RW526: the object has no '
    'such privilege.';

REVOKE ALL ON FUNCTION auth.who_can(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.who_can(text, text) TO rolewright_operator, rolewright_auditor;
