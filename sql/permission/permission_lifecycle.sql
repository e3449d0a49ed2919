-- Making and removing permissions.

CREATE OR REPLACE FUNCTION auth.create_permission(
    _code        text,
    _description text DEFAULT NULL
)
RETURNS uuid
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_permission_id uuid;
BEGIN
    PERFORM unsecure.lock_permission_model();
    INSERT INTO auth.permission (code, description) VALUES (_code, _description) RETURNING permission_id INTO v_permission_id;

    -- The nodes above it, so that they can be granted.
    INSERT INTO auth.permission (code)
    SELECT n.code FROM unsecure.nodes_above(ARRAY[_code]) AS n
    ON CONFLICT (code) DO NOTHING;
    RETURN v_permission_id;
END;
$function$;

COMMENT ON FUNCTION auth.create_permission(text, text) IS
    'Creates a permission, and the nodes above it that are missing; returns its permission_id. Who is granted a node above it has it '
    'from now on. 23505: the code is taken; 23514: not letters, digits, _ and - in parts joined by dots.';

REVOKE ALL ON FUNCTION auth.create_permission(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.create_permission(text, text) TO rolewright_operator;

CREATE OR REPLACE FUNCTION auth.delete_permission(
    _code    text,
    _cascade boolean DEFAULT false
)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_codes text[];
    v_uses  text;
BEGIN
    PERFORM unsecure.lock_permission_model();
    PERFORM unsecure.require_permission_codes(ARRAY[_code]);
    v_codes := ARRAY(SELECT p.code FROM auth.permission p WHERE unsecure.is_at_or_below(p.code, _code COLLATE "C"));

    IF NOT coalesce(_cascade, false) THEN
        SELECT string_agg(u.use, '; ') INTO v_uses
        FROM (
            SELECT 'below it: ' || string_agg(c.code, ', ' ORDER BY c.code) AS use
            FROM (SELECT unnest(v_codes) AS code EXCEPT SELECT _code ORDER BY code LIMIT 100) AS c
            UNION ALL
            SELECT 'in sets: ' || string_agg(DISTINCT to_json(s.code)::text, ', ')
            FROM auth.perm_set_permission sp
            JOIN auth.perm_set s ON s.perm_set_id = sp.perm_set_id
            WHERE sp.permission_code = ANY (v_codes)
            UNION ALL
            SELECT count(*) || ' assignments' FROM auth.permission_assignment a WHERE a.permission_code = ANY (v_codes) HAVING count(*) > 0
        ) AS u
        WHERE u.use IS NOT NULL;
        IF v_uses IS NOT NULL THEN
            RAISE EXCEPTION 'permission % is in use', _code
                USING ERRCODE = 'RW312',
                      DETAIL  = v_uses || '.',
                      HINT    = 'Nothing was changed. Pass _cascade => true (--cascade) to remove all of it.';
        END IF;
    END IF;

    DELETE FROM auth.permission_assignment WHERE permission_code = ANY (v_codes);
    DELETE FROM auth.perm_set_permission WHERE permission_code = ANY (v_codes);
    DELETE FROM auth.permission WHERE code = ANY (v_codes);
    RETURN true;
END;
$function$;

COMMENT ON FUNCTION auth.delete_permission(text, boolean) IS
    'Deletes a permission; with _cascade also what is below it, in sets and assigned. Always true. RW016: no such permission; RW312: '
    'something is below it, or it is in a set or assigned.';

REVOKE ALL ON FUNCTION auth.delete_permission(text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.delete_permission(text, boolean) TO rolewright_operator;
