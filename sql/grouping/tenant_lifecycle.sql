-- Making tenants, and switching them off and on.

CREATE OR REPLACE FUNCTION unsecure.require_tenant(_tenant_id uuid)
RETURNS void
LANGUAGE plpgsql
STABLE
AS $function$
BEGIN
    IF NOT EXISTS (SELECT FROM auth.tenant WHERE tenant_id = _tenant_id) THEN
        RAISE EXCEPTION 'tenant does not exist'
            USING ERRCODE = 'RW015',
                  DETAIL  = format('tenant_id %s', coalesce(_tenant_id::text, 'NULL')),
                  HINT    = 'auth.tenant lists them.';
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.require_tenant(uuid) IS 'RW015 unless the tenant exists.';

REVOKE ALL ON FUNCTION unsecure.require_tenant(uuid) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.create_tenant(
    _code text,
    _name text
)
RETURNS uuid
LANGUAGE sql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
    INSERT INTO auth.tenant (code, name) VALUES (_code, _name) RETURNING tenant_id;
$function$;

COMMENT ON FUNCTION auth.create_tenant(text, text) IS
    'Creates a tenant and returns its tenant_id. 23505: the code is taken; 23514: a value that auth.tenant does not allow.';

REVOKE ALL ON FUNCTION auth.create_tenant(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.create_tenant(text, text) TO rolewright_operator;

CREATE OR REPLACE FUNCTION auth.enable_tenant(_tenant_id uuid)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    UPDATE auth.tenant
    SET is_active = true, updated_at = now()
    WHERE tenant_id = coalesce(_tenant_id, unsecure.default_tenant_id()) AND NOT is_active;
    IF NOT FOUND THEN
        PERFORM unsecure.require_tenant(coalesce(_tenant_id, unsecure.default_tenant_id()));
        RETURN false;
    END IF;
    PERFORM unsecure.follow_groups(ARRAY(
        SELECT g.user_group_id FROM auth.user_group g WHERE g.tenant_id = coalesce(_tenant_id, unsecure.default_tenant_id())));
    RETURN true;
END;
$function$;

COMMENT ON FUNCTION auth.enable_tenant(uuid) IS
    'Brings the permissions in a tenant (NULL: the default one) back. Returns whether anything changed. RW015: no such tenant.';

REVOKE ALL ON FUNCTION auth.enable_tenant(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.enable_tenant(uuid) TO rolewright_operator;

CREATE OR REPLACE FUNCTION auth.disable_tenant(_tenant_id uuid)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    UPDATE auth.tenant
    SET is_active = false, updated_at = now()
    WHERE tenant_id = coalesce(_tenant_id, unsecure.default_tenant_id()) AND is_active;
    IF NOT FOUND THEN
        PERFORM unsecure.require_tenant(coalesce(_tenant_id, unsecure.default_tenant_id()));
        RETURN false;
    END IF;
    PERFORM unsecure.follow_groups(ARRAY(
        SELECT g.user_group_id FROM auth.user_group g WHERE g.tenant_id = coalesce(_tenant_id, unsecure.default_tenant_id())));
    RETURN true;
END;
$function$;

COMMENT ON FUNCTION auth.disable_tenant(uuid) IS
    'Nobody has a permission in the tenant (NULL: the default one) until it is enabled. Returns whether anything changed. '
    'RW015: no such tenant.';

REVOKE ALL ON FUNCTION auth.disable_tenant(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.disable_tenant(uuid) TO rolewright_operator;
