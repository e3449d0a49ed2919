-- Why a role may do something: each way to a privilege, and the statement that ends it. As PostgreSQL decides it (aclmask and its callers in
-- aclchk.c, roles_is_member_of in acl.c), which tests hold against has_table_privilege and its like.

-- One row per link, whoever granted it. The owner of the connected database is in pg_database_owner without a grant; up to PostgreSQL 15 only
-- with INHERIT.
CREATE VIEW unsecure.membership_link AS
SELECT m.roleid, m.member, bool_or(m.inherit_option) AS inherit_option, bool_or(m.set_option) AS set_option, bool_or(m.admin_option) AS admin_option,
       array_agg(m.grantor ORDER BY m.grantor) AS grantors, false AS is_implicit
FROM unsecure.membership m
GROUP BY m.roleid, m.member
UNION ALL
SELECT o.oid, d.datdba, r.rolinherit OR current_setting('server_version_num')::integer >= 160000, true, false, '{}', true
FROM pg_catalog.pg_database d
JOIN pg_catalog.pg_roles r ON r.oid = d.datdba
JOIN pg_catalog.pg_roles o ON o.rolname = 'pg_database_owner'
WHERE d.datname = current_database();

COMMENT ON VIEW unsecure.membership_link IS
    'Memberships, one row for all grantors. is_implicit: what nobody granted, of the database''s owner in pg_database_owner.';

-- Where memberships come from; those that are not here, nobody told Rolewright about.
CREATE VIEW unsecure.membership_source AS
SELECT s.roleid, s.member, min(s.source) AS source -- binding before declaration
FROM (
    SELECT m.roleid, m.member, 'binding' AS source
    FROM auth.database_role l
    JOIN pg_catalog.pg_auth_members m ON m.member = l.role_oid
    JOIN auth.database_role g ON g.role_oid = m.roleid
    WHERE l.role_kind = 'login' AND l.state <> 'deleted' AND g.role_kind = 'group' AND g.state <> 'deleted'
    UNION ALL
    SELECT g.oid, m.oid, 'declaration'
    FROM auth.role_declaration d
    JOIN pg_catalog.pg_roles m ON m.rolname = d.role_name
    CROSS JOIN LATERAL jsonb_array_elements(d.grants) AS e
    JOIN pg_catalog.pg_roles g ON g.rolname = e ->> 'role'
    WHERE e ->> 'type' = 'membership'
    UNION ALL
    SELECT m.roleid, m.member, 'declaration'
    FROM unsecure.known_intermediate i
    JOIN pg_catalog.pg_auth_members m ON m.roleid = i.role_oid
) AS s
GROUP BY s.roleid, s.member;

COMMENT ON VIEW unsecure.membership_source IS 'Memberships that a binding or a declaration gives.';

REVOKE ALL ON unsecure.membership_link, unsecure.membership_source FROM PUBLIC;

CREATE OR REPLACE FUNCTION unsecure.is_declared(
    _grants       jsonb,
    _object       unsecure.named_object,
    _privilege    text,
    _is_grantable boolean DEFAULT false,
    _columns      text[] DEFAULT NULL -- of a table only these
)
RETURNS boolean
LANGUAGE sql
STABLE
AS $function$
    SELECT EXISTS (
        SELECT
        FROM jsonb_array_elements(_grants) AS e
        WHERE e ->> 'type' = CASE _object.kind WHEN 'column' THEN 'table' ELSE _object.kind END
          AND coalesce(e ->> 'action', 'grant') = 'grant'
          AND (e ->> 'schema') IS NOT DISTINCT FROM CASE WHEN _object.kind <> 'schema' THEN _object.schema_name END
          AND (e @> '{"all": true}'
               OR e ->> 'name' = _object.name
               OR _object.name ~ ('^(?:' || (e ->> 'pattern') || ')$')
               OR e ->> 'name' LIKE '%)' AND _object.kind IN ('function', 'procedure')
                  AND regexp_replace(e ->> 'name', '\s*\([^()]*(\([^()]*\)[^()]*)*\)$', '') IN (_object.name, quote_ident(_object.name))
                  AND _object.objid = unsecure.find_routine(_object.schema_name, _object.name, substring(e ->> 'name' FROM '\(([^()]*(?:\([^()]*\)[^()]*)*)\)$')))
          AND (e @> '{"owner": true}'
               OR (e -> 'columns' IS NULL OR e -> 'columns' ? _object.column_name OR e -> 'columns' ?& _columns)
                  AND (NOT _is_grantable OR e @> '{"grant_option": true}')
                  AND EXISTS (SELECT FROM jsonb_array_elements_text(e -> 'privileges') AS p
                              WHERE upper(p) IN (_privilege, 'ALL') OR upper(p) = 'TEMP' AND _privilege = 'TEMPORARY')));
$function$;

COMMENT ON FUNCTION unsecure.is_declared(jsonb, unsecure.named_object, text, boolean, text[]) IS
    'Whether grants of a declaration give a privilege (OWNER: only to the owner) on an object.';

-- Who holds a privilege, before memberships count.
CREATE OR REPLACE FUNCTION unsecure.privilege_holders(
    _object       unsecure.named_object,
    _privilege    text,
    _is_grantable boolean
)
RETURNS TABLE (
    holder       oid,
    kind         text,
    part         text, -- whole; columns: of a table only some; own: an owner who took it from itself and may give it back; super: memberships do not inherit it
    grantor      oid,
    is_grantable boolean,
    columns      text[]  -- granted on columns, not on the table
)
LANGUAGE sql
STABLE
ROWS 10000 -- and not inlined: who walks down from here shall hash the memberships, once, and not these
SET search_path = pg_catalog, pg_temp
AS $function$
    WITH item AS MATERIALIZED (
        SELECT x.grantee, x.grantor, x.is_grantable, x.grantee = _object.owner AND a.nth = 1 AS is_owner,
               CASE a.nth WHEN 2 THEN ARRAY[_object.column_name] END AS columns
        FROM (VALUES (1, CASE _object.kind WHEN 'column' THEN _object.table_acl ELSE _object.acl END),
                     (2, CASE _object.kind WHEN 'column' THEN _object.acl END)) AS a (nth, acl)
        CROSS JOIN LATERAL aclexplode(a.acl) AS x
        WHERE x.privilege_type = _privilege
    ), writable AS (
        -- PostgreSQL's own tables are nobody's to write but a superuser's, granted or not.
        SELECT _is_grantable OR NOT (_object.kind IN ('table', 'column') AND _object.objid < 12000 AND _privilege IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')
                    AND (SELECT c.relkind <> 'v' FROM pg_catalog.pg_class c WHERE c.oid = _object.objid)) AS yes
    ), found AS (
        SELECT i.grantee, CASE WHEN i.grantee = 0 THEN 'public' WHEN i.is_owner THEN 'owner' ELSE 'direct' END AS kind, 'whole' AS part, i.grantor,
               i.is_grantable OR i.is_owner AS is_grantable, i.columns
        FROM item i
        UNION ALL
        SELECT _object.owner, 'owner', CASE WHEN _is_grantable THEN 'whole' ELSE 'own' END, NULL, true, NULL
        WHERE _object.kind <> 'parameter' AND NOT EXISTS (SELECT FROM item i WHERE i.is_owner)
        UNION ALL
        SELECT r.oid, 'predefined', 'whole', NULL, false, NULL
        FROM (VALUES ('pg_read_all_data', '{table,sequence,column}'::text[], '{SELECT}'::text[]),
                     ('pg_read_all_data', '{schema}', '{USAGE}'),
                     ('pg_write_all_data', '{table,sequence,column}', '{INSERT,UPDATE,DELETE}'),
                     ('pg_write_all_data', '{schema}', '{USAGE}'),
                     ('pg_maintain', '{table}', '{MAINTAIN}')) AS p (name, kinds, privileges)
        JOIN pg_catalog.pg_roles r ON r.rolname = p.name
        WHERE _object.kind = ANY (p.kinds) AND _privilege = ANY (p.privileges)
        UNION ALL
        SELECT x.grantee, CASE x.grantee WHEN 0 THEN 'public' ELSE 'direct' END, 'columns', x.grantor, x.is_grantable,
               array_agg(a.attname::text ORDER BY a.attnum)
        FROM pg_catalog.pg_attribute a
        CROSS JOIN LATERAL aclexplode(a.attacl) AS x
        WHERE _object.kind = 'table' AND a.attrelid = _object.objid AND NOT a.attisdropped AND x.privilege_type = _privilege
        GROUP BY x.grantee, x.grantor, x.is_grantable
        UNION ALL
        -- has_parameter_privilege does not say it, but nobody needs the privilege for these.
        SELECT 0, 'public', 'whole', NULL, false, NULL
        FROM pg_catalog.pg_settings s
        WHERE _object.kind = 'parameter' AND _privilege = 'SET' AND lower(s.name) = _object.name AND s.context = 'user'
    )
    SELECT f.grantee, CASE WHEN f.kind <> 'public' AND starts_with(r.rolname, 'pg_') THEN 'predefined' ELSE f.kind END, f.part, f.grantor, f.is_grantable, f.columns
    FROM found f
    CROSS JOIN writable w
    LEFT JOIN pg_catalog.pg_roles r ON r.oid = f.grantee
    WHERE w.yes AND (f.is_grantable OR NOT _is_grantable)
    UNION ALL
    SELECT r.oid, 'superuser', 'super', NULL, true, NULL
    FROM pg_catalog.pg_roles r
    WHERE r.rolsuper;
$function$;

COMMENT ON FUNCTION unsecure.privilege_holders(unsecure.named_object, text, boolean) IS
    'The roles (0: PUBLIC) that hold a privilege on an object themselves: granted, as its owner, as a predefined role or a superuser. '
    '_is_grantable: only with grant option.';

-- A REVOKE acts as the owner when a superuser or the owner says it, so what somebody else granted is revoked as that role.
CREATE OR REPLACE FUNCTION unsecure.revoke_statement(
    _object       unsecure.named_object,
    _privileges   text[],
    _grantee      oid,
    _grantor      oid,
    _columns      text[] DEFAULT NULL,
    _grant_option boolean DEFAULT false,
    _cascade      boolean DEFAULT false
)
RETURNS text
LANGUAGE sql
STABLE
RETURN CASE
    -- PostgreSQL would take who acts for the owner.
    WHEN _grantor <> _object.owner AND EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = _grantor AND pg_has_role(r.oid, _object.owner, 'USAGE'))
    THEN format('/* %s gave it and has the rights of the owner now, so that PostgreSQL finds no way to revoke it: end that first */',
                replace((SELECT quote_ident(r.rolname) FROM pg_catalog.pg_roles r WHERE r.oid = _grantor), '*/', '* /'))
    ELSE format(CASE WHEN _grantor = _object.owner THEN '%s' ELSE format('SET ROLE %s; %%s; RESET ROLE',
                                                                           replace(quote_ident((SELECT r.rolname FROM pg_catalog.pg_roles r WHERE r.oid = _grantor)), '%', '%%')) END,
                  format('REVOKE %s%s%s ON %s %s FROM %s%s',
                         CASE WHEN _grant_option THEN 'GRANT OPTION FOR ' ELSE '' END,
                         array_to_string(_privileges, ', '),
                         coalesce(' (' || (SELECT string_agg(quote_ident(c), ', ' ORDER BY n) FROM unnest(_columns) WITH ORDINALITY AS t (c, n)) || ')', ''),
                         CASE _object.kind WHEN 'column' THEN 'TABLE' ELSE upper(replace(_object.kind, '_', ' ')) END,
                         _object.label,
                         CASE _grantee WHEN 0 THEN 'PUBLIC' ELSE coalesce(quote_ident((SELECT r.rolname FROM pg_catalog.pg_roles r WHERE r.oid = _grantee)), _grantee::text) END,
                         CASE WHEN _cascade THEN ' CASCADE' ELSE '' END))
END;

COMMENT ON FUNCTION unsecure.revoke_statement(unsecure.named_object, text[], oid, oid, text[], boolean, boolean) IS
    'The REVOKE of privileges (of one column: on the table), for the object''s owner or a superuser; as its grantor where that is somebody else.';

-- Who gets it: as in a declaration without new_owner, the caller.
CREATE OR REPLACE FUNCTION unsecure.new_owner_statement(_object unsecure.named_object)
RETURNS text
LANGUAGE sql
STABLE
AS $function$
    SELECT format('ALTER %s %s OWNER TO CURRENT_USER',
                  CASE WHEN t.label IS NOT NULL THEN 'TABLE'
                       ELSE CASE _object.kind WHEN 'column' THEN 'TABLE' WHEN 'foreign_server' THEN 'SERVER' WHEN 'function' THEN 'ROUTINE' WHEN 'procedure' THEN 'ROUTINE'
                                              ELSE upper(replace(_object.kind, '_', ' ')) END END,
                  coalesce(t.label, _object.label))
    FROM (SELECT 1) AS one
    -- A sequence that a column owns goes with the table.
    LEFT JOIN LATERAL (
        SELECT format('%I.%I', n.nspname, c.relname) AS label
        FROM pg_catalog.pg_depend d
        JOIN pg_catalog.pg_class c ON c.oid = d.refobjid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE _object.kind = 'sequence' AND d.classid = _object.classid AND d.objid = _object.objid AND d.refclassid = _object.classid AND d.deptype IN ('a', 'i')
        LIMIT 1
    ) AS t ON true;
$function$;

COMMENT ON FUNCTION unsecure.new_owner_statement(unsecure.named_object) IS 'The statement that gives an object to whoever runs it.';

CREATE OR REPLACE FUNCTION unsecure.end_of_membership(
    _roleid oid,
    _member oid
)
RETURNS text
LANGUAGE plpgsql
STABLE
AS $function$
DECLARE
    v_is_16  boolean := current_setting('server_version_num')::integer >= 160000;
    v_role   text := (SELECT r.rolname FROM pg_catalog.pg_roles r WHERE r.oid = _roleid);
    v_member text := (SELECT r.rolname FROM pg_catalog.pg_roles r WHERE r.oid = _member);
    v_user   uuid;
    v_bound  text[];
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_auth_members m WHERE m.roleid = _roleid AND m.member = _member) THEN
        RETURN format('ALTER DATABASE %I OWNER TO CURRENT_USER', current_database());
    END IF;

    -- What a binding gives, the next plan would give again.
    IF EXISTS (SELECT FROM unsecure.membership_source s WHERE s.roleid = _roleid AND s.member = _member AND s.source = 'binding') THEN
        v_user  := (SELECT l.user_id FROM auth.database_role l WHERE l.role_oid = _member AND l.state <> 'deleted');
        v_bound := ARRAY(
            SELECT e.statement
            FROM unsecure.bound_groups(ARRAY[v_user]) AS u
            JOIN auth.group_role b ON b.user_group_id = u.user_group_id
            JOIN auth.database_role g ON g.database_role_id = b.database_role_id AND g.role_oid = _roleid AND g.state <> 'deleted'
            CROSS JOIN LATERAL (
                SELECT 1 AS nth, format('SELECT auth.remove_group_member(%L, %L)', m.user_group_id, m.user_id) AS statement
                FROM auth.user_group_member m
                WHERE m.user_group_id = u.user_group_id AND m.user_id = v_user
                UNION ALL
                SELECT 2, replace(format('take account %s out of %s %s at provider %s', to_json(i.provider_user_id), x.external_kind, to_json(x.external_name), p.code),
                                  '*/', '* /')
                FROM auth.user_identity i
                JOIN auth.provider p ON p.provider_id = i.provider_id AND p.is_active
                CROSS JOIN LATERAL unsecure.matching_mappings(i.provider_id, i.provider_groups, i.provider_roles) AS x
                WHERE i.user_id = v_user AND i.is_active AND x.is_active AND x.user_group_id = u.user_group_id
            ) AS w
            CROSS JOIN LATERAL (SELECT CASE w.nth WHEN 1 THEN w.statement ELSE '/* ' || w.statement || ' */' END AS statement) AS e
            ORDER BY w.nth, e.statement COLLATE "C")
            || ARRAY(
            SELECT format('SELECT auth.manage_relationship(%L, %L, ''remove'')', v_member, v_role)
            FROM auth.role_membership m
            JOIN auth.database_role l ON l.database_role_id = m.database_role_id AND l.role_oid = _member AND l.state <> 'deleted'
            JOIN auth.database_role g ON g.database_role_id = m.group_role_id AND g.role_oid = _roleid AND g.state <> 'deleted');
        IF v_bound <> '{}' THEN
            RETURN array_to_string(v_bound, '; ');
        END IF;
    END IF;

    RETURN (SELECT string_agg(format('REVOKE %I FROM %I', v_role, v_member)
                              || CASE WHEN v_is_16 THEN format(' GRANTED BY %I', g.rolname) ELSE '' END
                              -- Who was made a member by this one.
                              || CASE WHEN v_is_16 AND m.admin_option
                                           AND EXISTS (SELECT FROM pg_catalog.pg_auth_members d WHERE d.roleid = _roleid AND d.grantor = _member)
                                      THEN ' CASCADE' ELSE '' END,
                              '; ' ORDER BY g.rolname)
            FROM pg_catalog.pg_auth_members m
            LEFT JOIN pg_catalog.pg_roles g ON g.oid = m.grantor
            WHERE m.roleid = _roleid AND m.member = _member);
END;
$function$;

COMMENT ON FUNCTION unsecure.end_of_membership(oid, oid) IS
    'The statements that end a membership, whoever granted it, and that it does not come back from: where a binding gives it, at its source.';

-- What else a role lacks, that has the privilege: the layers above the object, and the login.
CREATE OR REPLACE FUNCTION unsecure.missing_layers(
    _object   unsecure.named_object,
    _role_oid oid,
    _acts_as  oid
)
RETURNS text[]
LANGUAGE sql
STABLE
RETURN array_remove(ARRAY[
    CASE WHEN _object.kind <> 'schema' AND NOT has_schema_privilege(_acts_as, _object.schema_oid, 'USAGE')
         THEN format('USAGE on schema %I', _object.schema_name) END,
    CASE WHEN _object.kind NOT IN ('database', 'tablespace', 'parameter')
              AND NOT has_database_privilege(_role_oid, (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database()), 'CONNECT')
         THEN format('CONNECT on database %I', current_database())
         WHEN _object.kind = 'database' AND NOT has_database_privilege(_role_oid, _object.objid, 'CONNECT')
         THEN format('CONNECT on database %s', _object.label) END], NULL);

COMMENT ON FUNCTION unsecure.missing_layers(unsecure.named_object, oid, oid) IS
    'Without which a privilege on an object is of no use: USAGE on its schema, for the role that it acts as; CONNECT on the database, for the '
    'role that logs in.';

CREATE OR REPLACE FUNCTION unsecure.login_problem(_role_oid oid)
RETURNS text
LANGUAGE sql
STABLE
RETURN (
    SELECT CASE WHEN NOT r.rolcanlogin THEN format('%I cannot log in', r.rolname)
                WHEN r.rolvaliduntil <= statement_timestamp() THEN format('the password of %I ended at %s', r.rolname, r.rolvaliduntil) END
           || coalesce((SELECT ': ' || l.reason
                        FROM auth.database_role m
                        CROSS JOIN LATERAL unsecure.desired_logins(ARRAY[m.database_role_id], '{}') AS l
                        WHERE m.role_oid = _role_oid AND m.role_kind = 'login' AND m.state <> 'deleted' AND NOT l.can_login), '')
    FROM pg_catalog.pg_roles r
    WHERE r.oid = _role_oid);

COMMENT ON FUNCTION unsecure.login_problem(oid) IS 'Why a role cannot log in; NULL: it can.';

CREATE OR REPLACE FUNCTION auth.explain_access(
    _role_name text,
    _object    text,
    _privilege text
)
RETURNS TABLE (
    path         text,
    kind         text,
    is_effective boolean,
    is_grantable boolean,
    roles        text[],
    inherits     boolean[],
    sets         boolean[],
    grantors     text[],
    source       text,
    ends_with    text
)
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off
SET jit = off
AS $function$
DECLARE
    v_oid       oid := (SELECT r.oid FROM pg_roles r WHERE r.rolname = _role_name);
    v_object    unsecure.named_object;
    v_asked     record;
    v_what      text;
    v_rules     jsonb := coalesce((SELECT d.grants FROM auth.role_declaration d WHERE d.role_name = 'public'), '[]');
BEGIN
    IF v_oid IS NULL THEN
        RAISE EXCEPTION 'role % does not exist', coalesce(quote_ident(_role_name), 'NULL')
            USING ERRCODE = 'RW019', HINT = 'pg_roles lists the roles. What PUBLIC has, auth.who_can says.';
    END IF;
    v_object := unsecure.find_object(_object);
    v_asked  := unsecure.read_privilege(v_object, _privilege);
    v_what   := format('%s%s on %s', v_asked.privilege, CASE WHEN v_asked.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END, unsecure.object_text(v_object));

    RETURN QUERY
    WITH RECURSIVE link AS MATERIALIZED (
        SELECT * FROM unsecure.membership_link
    ), above (oid) AS (
        SELECT v_oid
        UNION
        SELECT l.roleid FROM above a JOIN link l ON l.member = a.oid
    ), held AS MATERIALIZED (
        SELECT h.*
        FROM unsecure.privilege_holders(v_object, v_asked.privilege, v_asked.is_grantable) AS h
        WHERE h.holder = 0 OR h.holder IN (SELECT a.oid FROM above a)
    ), useful (oid) AS (
        -- Whatever leads nowhere is not followed.
        SELECT h.holder FROM held h
        UNION
        SELECT l.member FROM useful d JOIN link l ON l.roleid = d.oid AND l.member IN (SELECT a.oid FROM above a)
    ), chain (oid, members, inherits, sets, acts_at, can_set) AS (
        -- acts_at: at which role of the chain SET ROLE has to be said, 0: it is inherited all along. Up to there all links need SET, from there on INHERIT.
        SELECT v_oid, ARRAY[v_oid], '{}'::boolean[], '{}'::boolean[], 0, true
        UNION ALL
        SELECT n.roleid, n.members, n.inherits, n.sets, n.acts_at, n.can_set
        FROM (
            SELECT l.roleid, c.members || l.roleid AS members, c.inherits || l.inherit_option AS inherits, c.sets || l.set_option AS sets,
                   CASE WHEN l.inherit_option THEN c.acts_at WHEN c.can_set AND l.set_option THEN cardinality(c.members) END AS acts_at,
                   c.can_set AND l.set_option AS can_set,
                   -- Roles that are members of each other's members make very many chains.
                   row_number() OVER () AS nth
            FROM chain c
            JOIN link l ON l.member = c.oid AND l.roleid <> ALL (c.members) AND l.roleid IN (SELECT d.oid FROM useful d)
            WHERE l.inherit_option AND c.acts_at IS NOT NULL OR c.can_set AND l.set_option
        ) AS n
        WHERE n.nth <= 500
    ), way AS (
        SELECT c.members, c.inherits, c.sets, h.kind, h.part, h.grantor, h.is_grantable, h.columns, h.holder,
               -- SUPERUSER is not inherited: such a role has to be become.
               CASE WHEN h.part <> 'super' THEN c.acts_at WHEN c.can_set THEN cardinality(c.inherits) END AS acts_at
        FROM chain c
        JOIN held h ON h.holder = c.oid
        UNION ALL
        SELECT ARRAY[v_oid], '{}', '{}', h.kind, h.part, h.grantor, h.is_grantable, h.columns, 0, 0
        FROM held h
        WHERE h.holder = 0
    ), possible AS MATERIALIZED (
        SELECT w.*, row_number() OVER () AS way_no, cardinality(w.inherits) AS steps
        FROM way w
        WHERE w.acts_at IS NOT NULL
          -- What an owner took from itself does not matter to whom has it anyway.
          AND NOT (w.part = 'own' AND EXISTS (SELECT FROM way o WHERE o.part IN ('whole', 'super') AND o.acts_at = 0))
    ), step AS (
        SELECT p.way_no, m.nth, r.rolname::text AS name,
               CASE WHEN m.nth > 1 THEN CASE WHEN m.nth = p.acts_at + 1 THEN 'SET ROLE ' ELSE '' END END
               || quote_ident(r.rolname) || CASE WHEN i.role_oid IS NOT NULL THEN ' (intermediate role)' ELSE '' END AS label,
               CASE WHEN m.nth > 1 THEN coalesce((SELECT string_agg(coalesce(quote_ident(g.rolname), u.oid::text), ', ' ORDER BY g.rolname)
                                                  FROM unnest(l.grantors) AS u (oid) LEFT JOIN pg_roles g ON g.oid = u.oid), '') END AS grantor,
               CASE WHEN m.nth > 1 THEN coalesce(s.source, 'unmanaged') END AS source
        FROM possible p
        CROSS JOIN LATERAL unnest(p.members) WITH ORDINALITY AS m (oid, nth)
        JOIN pg_roles r ON r.oid = m.oid
        LEFT JOIN unsecure.known_intermediate i ON i.role_oid = m.oid
        LEFT JOIN link l ON m.nth > 1 AND l.roleid = m.oid AND l.member = p.members[m.nth - 1]
        LEFT JOIN unsecure.membership_source s ON m.nth > 1 AND s.roleid = m.oid AND s.member = p.members[m.nth - 1]
    ), told AS (
        SELECT s.way_no, array_agg(s.name ORDER BY s.nth) AS names, string_agg(coalesce(s.label, quote_ident(s.name)), ' → ' ORDER BY s.nth) AS path,
               array_agg(s.grantor ORDER BY s.nth) FILTER (WHERE s.nth > 1) AS grantors,
               string_agg(s.source, ' → ' ORDER BY s.nth) AS source
        FROM step s
        GROUP BY s.way_no
    ), item AS MATERIALIZED (
        SELECT x.grantee, x.grantor, x.is_grantable, false AS is_on_columns
        FROM aclexplode(CASE v_object.kind WHEN 'column' THEN v_object.table_acl ELSE v_object.acl END) AS x
        WHERE x.privilege_type = v_asked.privilege
        UNION
        SELECT x.grantee, x.grantor, x.is_grantable, true
        FROM pg_attribute a
        CROSS JOIN LATERAL aclexplode(a.attacl) AS x
        WHERE v_object.classid = 'pg_class'::regclass AND a.attrelid = v_object.objid AND x.privilege_type = v_asked.privilege
          AND v_object.objsubid IN (0, a.attnum) AND NOT a.attisdropped
    ), answer AS (
        SELECT CASE p.holder WHEN 0 THEN 'PUBLIC' ELSE t.path END || ' → '
               || CASE p.kind WHEN 'superuser' THEN 'superuser: ' WHEN 'owner' THEN 'owner: ' ELSE '' END
               || CASE p.part WHEN 'own' THEN 'may grant itself ' ELSE '' END
               || v_asked.privilege
               || coalesce(' (' || (SELECT string_agg(quote_ident(n), ', ' ORDER BY o) FROM unnest(CASE p.part WHEN 'columns' THEN p.columns END)
                                    WITH ORDINALITY AS t (n, o)) || ')', '')
               || CASE WHEN v_asked.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END || ' on '
               -- What is granted on the table is granted on its columns.
               || CASE WHEN v_object.kind = 'column' AND p.columns IS NULL AND p.grantor IS NOT NULL THEN 'table ' || v_object.label
                       ELSE unsecure.object_text(v_object) END AS path,
               CASE WHEN p.part = 'columns' THEN 'columns'
                    WHEN p.kind = 'direct' AND p.steps > 0 THEN 'membership' ELSE p.kind END AS kind,
               p.acts_at = 0 AND p.part <> 'own' AS is_effective,
               p.is_grantable, t.names, p.inherits, p.sets,
               CASE WHEN p.holder = 0 THEN '{}' ELSE coalesce(t.grantors, '{}') END
               || coalesce((SELECT quote_ident(g.rolname) FROM pg_roles g WHERE g.oid = p.grantor), p.grantor::text, '') AS grantors,
               concat_ws(' → ', CASE WHEN p.holder <> 0 THEN t.source END, CASE
                   WHEN EXISTS (SELECT FROM unsecure.known_intermediate i WHERE i.role_oid = p.holder) THEN 'declaration'
                   WHEN p.kind IN ('direct', 'owner', 'public') AND unsecure.is_declared(
                            CASE p.holder WHEN 0 THEN v_rules
                                          ELSE coalesce((SELECT d.grants FROM auth.role_declaration d JOIN pg_roles r ON r.rolname = d.role_name WHERE r.oid = p.holder), '[]') END,
                            v_object, v_asked.privilege, v_asked.is_grantable, CASE p.part WHEN 'columns' THEN p.columns END)
                       THEN 'declaration'
                   ELSE 'unmanaged' END) AS source,
               CASE
                   WHEN p.steps > 0 THEN unsecure.end_of_membership(p.members[2], p.members[1])
                   WHEN p.part = 'super' THEN CASE WHEN p.holder <> 10 THEN format('ALTER ROLE %I NOSUPERUSER', _role_name) END
                   WHEN p.kind = 'owner' THEN unsecure.new_owner_statement(v_object)
                   WHEN p.grantor IS NOT NULL THEN unsecure.revoke_statement(
                       v_object, ARRAY[v_asked.privilege], p.holder, p.grantor, p.columns, v_asked.is_grantable,
                       -- Who was given it by this one, when nobody else gave this one the right to.
                       p.is_grantable
                       AND EXISTS (SELECT FROM item i WHERE i.grantor = p.holder AND i.is_on_columns = (p.columns IS NOT NULL))
                       AND NOT EXISTS (SELECT FROM item i WHERE i.grantee = p.holder AND i.grantor <> p.grantor AND i.is_grantable
                                       AND i.is_on_columns = (p.columns IS NOT NULL)))
               END AS ends_with,
               p.steps, p.acts_at, p.part, p.members
        FROM possible p
        JOIN told t ON t.way_no = p.way_no
    ), lacking AS (
        SELECT DISTINCT m.what, w.acts_as
        FROM (SELECT a.members[a.acts_at + 1] AS acts_as FROM answer a UNION SELECT v_oid WHERE NOT EXISTS (SELECT FROM answer)) AS w
        CROSS JOIN LATERAL unnest(unsecure.missing_layers(v_object, v_oid, w.acts_as)) AS m (what)
    )
    SELECT f.path, f.kind, f.is_effective, f.is_grantable, f.roles, f.inherits, f.sets, f.grantors, f.source, f.ends_with
    FROM (
        SELECT 1 AS nth, a.path, a.kind, a.is_effective, a.is_grantable, a.names AS roles, a.inherits, a.sets, a.grantors, a.source, a.ends_with, a.steps
        FROM answer a
        UNION ALL
        SELECT 2, format('nothing gives %I %s', _role_name, v_what), 'missing', false, false, ARRAY[_role_name], '{}', '{}', '{}', NULL, NULL, 0
        WHERE NOT EXISTS (SELECT FROM answer a WHERE a.part <> 'columns')
        UNION ALL
        SELECT 3, format('%I lacks %s', r.rolname, l.what), 'missing', false, false, ARRAY[r.rolname::text], '{}', '{}', '{}', NULL, NULL, 0
        FROM lacking l
        JOIN pg_roles r ON r.oid = l.acts_as
        UNION ALL
        SELECT 4, p.problem, 'missing', false, false, ARRAY[_role_name], '{}', '{}', '{}', NULL, NULL, 0
        FROM (SELECT unsecure.login_problem(v_oid) AS problem) AS p
        WHERE p.problem IS NOT NULL
    ) AS f
    ORDER BY f.nth, f.is_effective DESC, f.steps, f.path COLLATE "C", f.grantors;
END;
$function$;

COMMENT ON FUNCTION auth.explain_access(text, text, text) IS
    'Every way in which a role has a privilege (any case; WITH GRANT OPTION may follow) on an object (as in: table app.orders; column '
    'app.orders.price; function app.f(integer); schema app; database shop), and what is missing. path: readable; SET ROLE stands where it has to '
    'be said. kind: direct (one row per grantor), membership, owner, public, predefined (role), superuser; columns: of a table only those; '
    'missing: what it needs beside, to make use of it (USAGE on the schema, CONNECT, a login), or that nothing gives the privilege. '
    'is_effective: at once; false: only after SET ROLE, or (owner) after granting it to itself. roles: from the role to the one that holds the '
    'privilege; inherits, sets: the options of each membership between them; grantors: of each, then of the privilege (empty: nobody granted '
    'it). source: of each, then of the privilege: declaration, binding, unmanaged (elevation: reserved). ends_with: the statements that end this '
    'way for this role alone, by the owner or a superuser; what a declaration gives, comes back unless it is changed there. RW019: no such role; '
    'RW525: no such object; RW526: the object has no such privilege.';

REVOKE ALL ON FUNCTION
    unsecure.is_declared(jsonb, unsecure.named_object, text, boolean, text[]),
    unsecure.privilege_holders(unsecure.named_object, text, boolean),
    unsecure.revoke_statement(unsecure.named_object, text[], oid, oid, text[], boolean, boolean),
    unsecure.new_owner_statement(unsecure.named_object),
    unsecure.end_of_membership(oid, oid),
    unsecure.missing_layers(unsecure.named_object, oid, oid),
    unsecure.login_problem(oid),
    auth.explain_access(text, text, text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.explain_access(text, text, text) TO rolewright_operator, rolewright_auditor;
