-- Making, changing and removing permission sets.

CREATE OR REPLACE FUNCTION unsecure.require_perm_set(_code text)
RETURNS uuid
LANGUAGE plpgsql
STABLE
AS $function$
DECLARE
    v_perm_set_id uuid := (SELECT s.perm_set_id FROM auth.perm_set s WHERE s.code = _code);
BEGIN
    IF v_perm_set_id IS NULL THEN
        RAISE EXCEPTION 'permission set does not exist'
            USING ERRCODE = 'RW017',
                  DETAIL  = format('Set %s.', coalesce(to_json(_code)::text, 'NULL')),
                  HINT    = 'auth.perm_set lists them.';
    END IF;
    RETURN v_perm_set_id;
END;
$function$;

COMMENT ON FUNCTION unsecure.require_perm_set(text) IS 'The perm_set_id of a set. RW017: no such set.';

REVOKE ALL ON FUNCTION unsecure.require_perm_set(text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.create_perm_set(
    _code        text,
    _name        text,
    _permissions text[] DEFAULT '{}'
)
RETURNS uuid
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_perm_set_id uuid;
BEGIN
    PERFORM unsecure.lock_permission_model();
    PERFORM unsecure.require_permission_codes(_permissions);
    INSERT INTO auth.perm_set (code, name) VALUES (_code, _name) RETURNING perm_set_id INTO v_perm_set_id;
    INSERT INTO auth.perm_set_permission (perm_set_id, permission_code)
    SELECT DISTINCT v_perm_set_id, p FROM unnest(_permissions) AS p;
    RETURN v_perm_set_id;
END;
$function$;

COMMENT ON FUNCTION auth.create_perm_set(text, text, text[]) IS
    'Creates a set of permissions and returns its perm_set_id. RW016: a permission does not exist; 23505: the code is taken; 23514: '
    'blank, or over 500 bytes.';

REVOKE ALL ON FUNCTION auth.create_perm_set(text, text, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.create_perm_set(text, text, text[]) TO rolewright_operator;

CREATE OR REPLACE FUNCTION auth.add_perm_set_permissions(
    _code        text,
    _permissions text[]
)
RETURNS SETOF text
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_perm_set_id uuid;
BEGIN
    PERFORM unsecure.lock_permission_model();
    v_perm_set_id := unsecure.require_perm_set(_code);
    PERFORM unsecure.require_permission_codes(_permissions);
    RETURN QUERY
        INSERT INTO auth.perm_set_permission (perm_set_id, permission_code)
        SELECT DISTINCT v_perm_set_id, p FROM unnest(_permissions) AS p
        ON CONFLICT DO NOTHING
        RETURNING permission_code::text;
END;
$function$;

COMMENT ON FUNCTION auth.add_perm_set_permissions(text, text[]) IS
    'Puts permissions into a set; returns those that were not in it. RW016: one does not exist; RW017: no such set.';

REVOKE ALL ON FUNCTION auth.add_perm_set_permissions(text, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.add_perm_set_permissions(text, text[]) TO rolewright_operator;

CREATE OR REPLACE FUNCTION auth.remove_perm_set_permissions(
    _code        text,
    _permissions text[]
)
RETURNS SETOF text
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_perm_set_id uuid;
BEGIN
    PERFORM unsecure.lock_permission_model();
    v_perm_set_id := unsecure.require_perm_set(_code);
    PERFORM unsecure.require_permission_codes(_permissions);
    RETURN QUERY
        DELETE FROM auth.perm_set_permission
        WHERE perm_set_id = v_perm_set_id AND permission_code = ANY (_permissions)
        RETURNING permission_code::text;
END;
$function$;

COMMENT ON FUNCTION auth.remove_perm_set_permissions(text, text[]) IS
    'Takes permissions out of a set; returns those that were in it. RW016: one does not exist; RW017: no such set.';

REVOKE ALL ON FUNCTION auth.remove_perm_set_permissions(text, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.remove_perm_set_permissions(text, text[]) TO rolewright_operator;

CREATE OR REPLACE FUNCTION auth.delete_perm_set(
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
    v_perm_set_id uuid;
    v_assignments bigint;
BEGIN
    PERFORM unsecure.lock_permission_model();
    v_perm_set_id := unsecure.require_perm_set(_code);
    SELECT count(*) INTO v_assignments FROM auth.permission_assignment a WHERE a.perm_set_id = v_perm_set_id;
    IF v_assignments > 0 AND NOT coalesce(_cascade, false) THEN
        RAISE EXCEPTION 'permission set % is assigned', to_json(_code)
            USING ERRCODE = 'RW312',
                  DETAIL  = format('%s assignments.', v_assignments),
                  HINT    = 'Nothing was changed. Pass _cascade => true (--cascade) to remove them too.';
    END IF;
    DELETE FROM auth.permission_assignment WHERE perm_set_id = v_perm_set_id;
    DELETE FROM auth.perm_set_permission WHERE perm_set_id = v_perm_set_id;
    DELETE FROM auth.perm_set WHERE perm_set_id = v_perm_set_id;
    RETURN true;
END;
$function$;

COMMENT ON FUNCTION auth.delete_perm_set(text, boolean) IS
    'Deletes a set of permissions, with _cascade also its assignments. Always true. RW017: no such set; RW312: it is assigned.';

REVOKE ALL ON FUNCTION auth.delete_perm_set(text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.delete_perm_set(text, boolean) TO rolewright_operator;
