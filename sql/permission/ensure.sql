-- Declarations: an application ships its permission model in its own migrations and says at every start what there must be.
-- Desired minus actual gives the plan; an empty plan takes no lock and writes nothing. What is not listed stays, unless _prune; and
-- _prune removes only what such a declaration listed once, never what an operator made by hand. A key that is left out is not said.

CREATE OR REPLACE FUNCTION unsecure.element_problems(
    _declaration jsonb,
    _keys        text[]
)
RETURNS SETOF text
LANGUAGE sql
STABLE
AS $function$
    SELECT 'not a JSON array' WHERE jsonb_typeof(_declaration) IS DISTINCT FROM 'array'
    UNION ALL
    SELECT format('element %s: %s', e.nth, p.problem)
    FROM jsonb_array_elements(CASE jsonb_typeof(_declaration) WHEN 'array' THEN _declaration ELSE '[]' END)
        WITH ORDINALITY AS e (element, nth)
    CROSS JOIN LATERAL (
        SELECT 'not an object' AS problem WHERE jsonb_typeof(e.element) <> 'object'
        UNION ALL
        SELECT 'code is missing'
        WHERE jsonb_typeof(e.element) = 'object' AND btrim(coalesce(e.element ->> 'code', '')) = ''
        UNION ALL
        SELECT 'unknown key ' || to_json(k)
        FROM jsonb_object_keys(CASE jsonb_typeof(e.element) WHEN 'object' THEN e.element ELSE '{}' END) AS k
        WHERE k <> ALL (_keys)
    ) AS p
    UNION ALL
    SELECT format('%s is listed %s times', to_json(e.element ->> 'code'), count(*))
    FROM jsonb_array_elements(CASE jsonb_typeof(_declaration) WHEN 'array' THEN _declaration ELSE '[]' END) AS e (element)
    WHERE e.element ->> 'code' IS NOT NULL
    GROUP BY e.element ->> 'code'
    HAVING count(*) > 1;
$function$;

CREATE OR REPLACE FUNCTION unsecure.require_declaration(_problems text[])
RETURNS void
LANGUAGE plpgsql
STABLE
AS $function$
BEGIN
    IF _problems <> '{}' THEN
        RAISE EXCEPTION 'declaration is not understood'
            USING ERRCODE = 'RW314',
                  DETAIL  = array_to_string(_problems[1:100], E'\n') || CASE WHEN cardinality(_problems) > 100 THEN E'\n…' ELSE '' END,
                  HINT    = 'Nothing was changed. Correct it and call again.';
    END IF;
END;
$function$;

-- The elements of a list within a declaration's elements; none where the key is left out.
CREATE OR REPLACE FUNCTION unsecure.listed(
    _declaration jsonb,
    _key         text
)
RETURNS TABLE (code text, item jsonb)
LANGUAGE sql
STABLE
AS $function$
    SELECT e.element ->> 'code', i.item
    FROM jsonb_array_elements(_declaration) AS e (element)
    CROSS JOIN LATERAL jsonb_array_elements(
        CASE jsonb_typeof(e.element -> _key) WHEN 'array' THEN e.element -> _key ELSE '[]' END) AS i (item);
$function$;

COMMENT ON FUNCTION unsecure.element_problems(jsonb, text[]) IS
    'What is wrong with a declaration: it must be an array of objects with these keys, each with a code of its own.';
COMMENT ON FUNCTION unsecure.require_declaration(text[]) IS 'RW314, with the problems as DETAIL, unless there are none.';
COMMENT ON FUNCTION unsecure.listed(jsonb, text) IS 'What the elements of a declaration list under a key, with the elements'' codes.';

-- Permissions.

CREATE OR REPLACE FUNCTION unsecure.plan_permissions(
    _permissions jsonb,
    _prune       boolean
)
RETURNS TABLE (action text, code text, description text)
LANGUAGE sql
STABLE
AS $function$
    WITH listed AS (
        SELECT e.element ->> 'code' AS code, e.element ->> 'description' AS description
        FROM jsonb_array_elements(_permissions) AS e (element)
    ), needed AS (
        -- A node is listed with what is below it.
        SELECT n.code FROM unsecure.nodes_above(ARRAY(SELECT l.code FROM listed l)) AS n
    )
    SELECT CASE WHEN p.code IS NULL THEN 'create'
                WHEN l.description <> coalesce(p.description, '') THEN 'update'
                ELSE 'declare' END,
           n.code, l.description
    FROM needed n
    LEFT JOIN listed l ON l.code = n.code
    LEFT JOIN auth.permission p ON p.code = n.code COLLATE "C"
    WHERE p.code IS NULL
       OR NOT p.is_declared
       OR l.description <> coalesce(p.description, '')
    UNION ALL
    SELECT 'delete', p.code, NULL
    FROM auth.permission p
    WHERE _prune
      AND p.is_declared
      AND NOT EXISTS (SELECT FROM needed n WHERE n.code COLLATE "C" = p.code);
$function$;

COMMENT ON FUNCTION unsecure.plan_permissions(jsonb, boolean) IS 'What auth.ensure_permissions would do.';

CREATE OR REPLACE FUNCTION auth.ensure_permissions(
    _permissions jsonb,
    _prune       boolean DEFAULT false
)
RETURNS TABLE (action text, object text)
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $function$
#variable_conflict use_column
DECLARE
    -- A bare string is short for an object with a code.
    v_permissions jsonb := CASE jsonb_typeof(_permissions) WHEN 'array' THEN (
        SELECT coalesce(jsonb_agg(CASE jsonb_typeof(e) WHEN 'string' THEN jsonb_build_object('code', e) ELSE e END), '[]')
        FROM jsonb_array_elements(_permissions) AS e) END;
BEGIN
    PERFORM unsecure.require_declaration(ARRAY(
        SELECT unsecure.element_problems(v_permissions, '{code,description}')
        UNION ALL
        SELECT format('element %s: code %s is not letters, digits, _ and - in parts joined by dots', e.nth, e.element -> 'code')
        FROM jsonb_array_elements(v_permissions) WITH ORDINALITY AS e (element, nth)
        WHERE NOT unsecure.is_permission_code(e.element ->> 'code')));
    IF NOT EXISTS (SELECT FROM unsecure.plan_permissions(v_permissions, _prune)) THEN
        RETURN;
    END IF;

    PERFORM unsecure.lock_permission_model();
    RETURN QUERY
        WITH plan AS MATERIALIZED (
            SELECT * FROM unsecure.plan_permissions(v_permissions, _prune)
        ), written AS (
            INSERT INTO auth.permission AS p (code, description, is_declared)
            SELECT n.code, n.description, true FROM plan n WHERE n.action <> 'delete'
            ON CONFLICT (code) DO UPDATE
                SET description = coalesce(excluded.description, p.description), is_declared = true, updated_at = now()
        ), unassigned AS (
            DELETE FROM auth.permission_assignment a
            USING plan n
            WHERE n.action = 'delete' AND a.permission_code = n.code COLLATE "C"
            RETURNING a.permission_code, a.assignment_id
        ), removed AS (
            DELETE FROM auth.perm_set_permission s
            USING plan n
            WHERE n.action = 'delete' AND s.permission_code = n.code COLLATE "C"
            RETURNING s.permission_code, s.perm_set_id
        ), deleted AS (
            DELETE FROM auth.permission p
            USING plan n
            WHERE n.action = 'delete' AND p.code = n.code COLLATE "C"
        )
        SELECT n.action, 'permission ' || n.code FROM plan n
        UNION ALL
        SELECT 'unassign', format('permission %s (assignment %s)', u.permission_code, u.assignment_id) FROM unassigned u
        UNION ALL
        SELECT 'remove', format('permission %s from set %s', r.permission_code, s.code)
        FROM removed r
        JOIN auth.perm_set s ON s.perm_set_id = r.perm_set_id
        ORDER BY 2;
END;
$function$;

COMMENT ON FUNCTION auth.ensure_permissions(jsonb, boolean) IS
    'Makes sure that permissions exist: an array of codes, or of objects with code and description. Returns one row per difference '
    '(create, update, declare: it was made by hand, delete, and remove, unassign what a deleted one was in); none when there is none. '
    '_prune: permissions that a call listed once and this one does not are deleted, and taken out of sets and assignments. '
    'RW314: malformed, with every problem.';

REVOKE ALL ON FUNCTION auth.ensure_permissions(jsonb, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.ensure_permissions(jsonb, boolean) TO rolewright_operator;

-- Sets.

CREATE OR REPLACE FUNCTION unsecure.plan_perm_sets(
    _perm_sets jsonb,
    _prune     boolean
)
RETURNS TABLE (action text, code text, name text, permission_code text)
LANGUAGE sql
STABLE
AS $function$
    WITH listed AS (
        SELECT e.element ->> 'code' AS code, e.element ->> 'name' AS name, e.element ? 'permissions' AS says_permissions
        FROM jsonb_array_elements(_perm_sets) AS e (element)
    ), contents AS (
        SELECT DISTINCT c.code, c.item #>> '{}' AS permission_code FROM unsecure.listed(_perm_sets, 'permissions') AS c
    )
    SELECT CASE WHEN s.code IS NULL THEN 'create'
                WHEN l.name <> s.name THEN 'update'
                ELSE 'declare' END,
           l.code, l.name, NULL::text
    FROM listed l
    LEFT JOIN auth.perm_set s ON s.code = l.code
    WHERE s.code IS NULL
       OR NOT s.is_declared
       OR l.name <> s.name
    UNION ALL
    SELECT 'add', c.code, NULL, c.permission_code
    FROM contents c
    WHERE NOT EXISTS (
        SELECT FROM auth.perm_set s
        JOIN auth.perm_set_permission p ON p.perm_set_id = s.perm_set_id
        WHERE s.code = c.code AND p.permission_code = c.permission_code COLLATE "C")
    UNION ALL
    SELECT 'remove', l.code, NULL, p.permission_code
    FROM listed l
    JOIN auth.perm_set s ON s.code = l.code
    JOIN auth.perm_set_permission p ON p.perm_set_id = s.perm_set_id
    WHERE _prune
      AND l.says_permissions
      AND NOT EXISTS (SELECT FROM contents c WHERE c.code = l.code AND c.permission_code COLLATE "C" = p.permission_code)
    UNION ALL
    SELECT 'delete', s.code, NULL, NULL
    FROM auth.perm_set s
    WHERE _prune
      AND s.is_declared
      AND NOT EXISTS (SELECT FROM listed l WHERE l.code = s.code);
$function$;

COMMENT ON FUNCTION unsecure.plan_perm_sets(jsonb, boolean) IS 'What auth.ensure_perm_sets would do.';

CREATE OR REPLACE FUNCTION auth.ensure_perm_sets(
    _perm_sets jsonb,
    _prune     boolean DEFAULT false
)
RETURNS TABLE (action text, object text)
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $function$
#variable_conflict use_column
BEGIN
    PERFORM unsecure.require_declaration(ARRAY(SELECT unsecure.element_problems(_perm_sets, '{code,name,permissions}')));
    PERFORM unsecure.require_declaration(ARRAY(
        SELECT format('set %s: permissions is not an array of codes', to_json(e ->> 'code'))
        FROM jsonb_array_elements(_perm_sets) AS e
        WHERE jsonb_typeof(e -> 'permissions') <> 'array'
           OR jsonb_path_exists(e -> 'permissions', '$[*] ? (@.type() != "string")')
        UNION ALL
        SELECT format('set %s: permission %s does not exist', to_json(c.code), c.item)
        FROM unsecure.listed(_perm_sets, 'permissions') AS c
        WHERE jsonb_typeof(c.item) = 'string'
          AND NOT EXISTS (SELECT FROM auth.permission p WHERE p.code = (c.item #>> '{}') COLLATE "C")));
    IF NOT EXISTS (SELECT FROM unsecure.plan_perm_sets(_perm_sets, _prune)) THEN
        RETURN;
    END IF;

    PERFORM unsecure.lock_permission_model();
    RETURN QUERY
        WITH plan AS MATERIALIZED (
            SELECT * FROM unsecure.plan_perm_sets(_perm_sets, _prune)
        ), doomed AS (
            SELECT s.perm_set_id FROM plan n JOIN auth.perm_set s ON s.code = n.code WHERE n.action = 'delete'
        ), unassigned AS (
            DELETE FROM auth.permission_assignment a
            USING doomed d
            WHERE a.perm_set_id = d.perm_set_id
            RETURNING a.perm_set_id, a.assignment_id
        ), removed AS (
            DELETE FROM auth.perm_set_permission p
            USING auth.perm_set s, plan n
            WHERE p.perm_set_id = s.perm_set_id
              AND n.code = s.code
              AND (n.action = 'delete' OR n.action = 'remove' AND n.permission_code COLLATE "C" = p.permission_code)
        ), deleted AS (
            DELETE FROM auth.perm_set s USING doomed d WHERE s.perm_set_id = d.perm_set_id
        ), written AS (
            INSERT INTO auth.perm_set AS s (code, name, is_declared)
            SELECT n.code, coalesce(n.name, n.code), true FROM plan n WHERE n.action IN ('create', 'update', 'declare')
            ON CONFLICT (code) DO UPDATE
                SET name        = coalesce((SELECT n.name FROM plan n WHERE n.code = s.code AND n.action IN ('update', 'declare')), s.name),
                    is_declared = true,
                    updated_at  = now()
            RETURNING s.perm_set_id, s.code
        ), added AS (
            INSERT INTO auth.perm_set_permission (perm_set_id, permission_code)
            SELECT coalesce(w.perm_set_id, s.perm_set_id), n.permission_code
            FROM plan n
            LEFT JOIN written w ON w.code = n.code
            LEFT JOIN auth.perm_set s ON s.code = n.code
            WHERE n.action = 'add'
        )
        SELECT n.action, CASE n.action
                   WHEN 'add'    THEN format('permission %s to set %s', n.permission_code, n.code)
                   WHEN 'remove' THEN format('permission %s from set %s', n.permission_code, n.code)
                   ELSE 'set ' || n.code
               END
        FROM plan n
        UNION ALL
        SELECT 'unassign', format('set %s (assignment %s)', s.code, u.assignment_id)
        FROM unassigned u
        JOIN auth.perm_set s ON s.perm_set_id = u.perm_set_id
        ORDER BY 2;
END;
$function$;

COMMENT ON FUNCTION auth.ensure_perm_sets(jsonb, boolean) IS
    'Makes sure that sets exist and hold what is listed: an array of objects with code, name and permissions (an array of codes). '
    'Returns one row per difference (create, update, declare: it was made by hand, add, and with _prune remove, delete, unassign); none '
    'when there is none. _prune: permissions that a listed set holds beyond its list are removed, and sets that a call listed once and '
    'this one does not are deleted with their assignments. RW314: malformed, with every problem.';

REVOKE ALL ON FUNCTION auth.ensure_perm_sets(jsonb, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.ensure_perm_sets(jsonb, boolean) TO rolewright_operator;

REVOKE ALL ON FUNCTION
    unsecure.element_problems(jsonb, text[]),
    unsecure.require_declaration(text[]),
    unsecure.listed(jsonb, text),
    unsecure.plan_permissions(jsonb, boolean),
    unsecure.plan_perm_sets(jsonb, boolean)
FROM PUBLIC;
