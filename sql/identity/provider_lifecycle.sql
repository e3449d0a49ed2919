-- Making, changing and removing identity providers.

CREATE OR REPLACE FUNCTION auth.create_provider(
    _code               text,
    _name               text,
    _provider_type      text,
    _creates_users      boolean  DEFAULT true,
    _link_by            text     DEFAULT 'none',
    _groups_path        jsonpath DEFAULT '$.groups[*]',
    _roles_path         jsonpath DEFAULT '$.roles[*]',
    _group_match        text     DEFAULT NULL,
    _max_disable_share  numeric  DEFAULT 0.20,
    _max_disable_count  integer  DEFAULT NULL,
    _creates_roles      boolean  DEFAULT false,
    _role_name_template text     DEFAULT '{username}',
    _role_attributes    jsonb    DEFAULT '{}'
)
RETURNS uuid
LANGUAGE sql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
    INSERT INTO auth.provider
        (code, name, provider_type, creates_users, link_by, groups_path, roles_path, group_match,
         max_disable_share, max_disable_count, creates_roles, role_name_template, role_attributes)
    VALUES
        (_code, _name, _provider_type, _creates_users, _link_by, _groups_path, _roles_path,
         coalesce(_group_match,
                  CASE WHEN _provider_type ~ '^(windows|ldap|ad|active_directory)' THEN 'ignore_case' ELSE 'exact' END),
         _max_disable_share, _max_disable_count, _creates_roles, _role_name_template, _role_attributes)
    RETURNING provider_id;
$function$;

COMMENT ON FUNCTION auth.create_provider(text, text, text, boolean, text, jsonpath, jsonpath, text, numeric, integer, boolean, text, jsonb) IS
    'Creates an identity provider and returns its provider_id. _link_by: none, username, email. _group_match: exact, ignore_case; '
    'NULL: ignore_case for Windows and LDAP directories, else exact. _max_disable_share (0 to 1) and _max_disable_count (NULL: no '
    'such limit) are the brakes of a sync. _creates_roles, _role_name_template, _role_attributes: see the columns of auth.provider. '
    '23505: the code is taken; 23514: a value that auth.provider does not allow; RW508: role_attributes that no role can have.';

REVOKE ALL ON FUNCTION auth.create_provider(text, text, text, boolean, text, jsonpath, jsonpath, text, numeric, integer, boolean, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.create_provider(text, text, text, boolean, text, jsonpath, jsonpath, text, numeric, integer, boolean, text, jsonb)
    TO rolewright_operator;

CREATE OR REPLACE FUNCTION auth.update_provider(
    _provider_id        uuid,
    _name               text     DEFAULT NULL,
    _provider_type      text     DEFAULT NULL,
    _creates_users      boolean  DEFAULT NULL,
    _link_by            text     DEFAULT NULL,
    _groups_path        jsonpath DEFAULT NULL,
    _roles_path         jsonpath DEFAULT NULL,
    _group_match        text     DEFAULT NULL,
    _max_disable_share  numeric  DEFAULT NULL,
    _max_disable_count  integer  DEFAULT NULL,
    _creates_roles      boolean  DEFAULT NULL,
    _role_name_template text     DEFAULT NULL,
    _role_attributes    jsonb    DEFAULT NULL
)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_old auth.provider;
    v_new auth.provider;
BEGIN
    PERFORM unsecure.lock_permission_model();
    SELECT * INTO v_old FROM auth.provider WHERE provider_id = _provider_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM unsecure.require_provider(_provider_id);
    END IF;

    v_new := v_old;
    v_new.name               := coalesce(_name, v_old.name);
    v_new.provider_type      := coalesce(_provider_type, v_old.provider_type);
    v_new.creates_users      := coalesce(_creates_users, v_old.creates_users);
    v_new.link_by            := coalesce(_link_by, v_old.link_by);
    v_new.groups_path        := coalesce(_groups_path, v_old.groups_path);
    v_new.roles_path         := coalesce(_roles_path, v_old.roles_path);
    v_new.group_match        := coalesce(_group_match, v_old.group_match);
    v_new.max_disable_share  := coalesce(_max_disable_share, v_old.max_disable_share);
    v_new.max_disable_count  := nullif(coalesce(_max_disable_count, v_old.max_disable_count), -1);
    v_new.creates_roles      := coalesce(_creates_roles, v_old.creates_roles);
    v_new.role_name_template := coalesce(_role_name_template, v_old.role_name_template);
    v_new.role_attributes    := coalesce(_role_attributes, v_old.role_attributes);
    -- As text: jsonpath has no equality operator.
    IF v_new::text = v_old::text THEN
        RETURN false;
    END IF;

    UPDATE auth.provider
    SET name               = v_new.name,
        provider_type      = v_new.provider_type,
        creates_users      = v_new.creates_users,
        link_by            = v_new.link_by,
        groups_path        = v_new.groups_path,
        roles_path         = v_new.roles_path,
        group_match        = v_new.group_match,
        max_disable_share  = v_new.max_disable_share,
        max_disable_count  = v_new.max_disable_count,
        creates_roles      = v_new.creates_roles,
        role_name_template = v_new.role_name_template,
        role_attributes    = v_new.role_attributes,
        updated_at         = now()
    WHERE provider_id = _provider_id;
    IF v_new.group_match <> v_old.group_match THEN
        PERFORM unsecure.follow_provider(_provider_id);
    END IF;
    RETURN true;
END;
$function$;

COMMENT ON FUNCTION auth.update_provider(uuid, text, text, boolean, text, jsonpath, jsonpath, text, numeric, integer, boolean, text, jsonb) IS
    'Changes what a provider may do; NULL keeps, _max_disable_count -1 removes that limit. Returns whether anything changed. '
    'RW010: no such provider; 23514: a value that auth.provider does not allow; RW508: role_attributes that no role can have.';

REVOKE ALL ON FUNCTION auth.update_provider(uuid, text, text, boolean, text, jsonpath, jsonpath, text, numeric, integer, boolean, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.update_provider(uuid, text, text, boolean, text, jsonpath, jsonpath, text, numeric, integer, boolean, text, jsonb)
    TO rolewright_operator;

CREATE OR REPLACE FUNCTION auth.enable_provider(_provider_id uuid)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    UPDATE auth.provider
    SET is_active = true, updated_at = now()
    WHERE provider_id = _provider_id AND NOT is_active;
    IF NOT FOUND THEN
        PERFORM unsecure.require_provider(_provider_id);
        RETURN false;
    END IF;
    PERFORM unsecure.follow_provider(_provider_id);
    RETURN true;
END;
$function$;

COMMENT ON FUNCTION auth.enable_provider(uuid) IS
    'Lets a provider''s identities log in and contribute groups again. Returns whether anything changed. RW010: no such provider.';

REVOKE ALL ON FUNCTION auth.enable_provider(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.enable_provider(uuid) TO rolewright_operator;

CREATE OR REPLACE FUNCTION auth.disable_provider(_provider_id uuid)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    UPDATE auth.provider
    SET is_active = false, updated_at = now()
    WHERE provider_id = _provider_id AND is_active;
    IF NOT FOUND THEN
        PERFORM unsecure.require_provider(_provider_id);
        RETURN false;
    END IF;
    PERFORM unsecure.follow_provider(_provider_id);
    RETURN true;
END;
$function$;

COMMENT ON FUNCTION auth.disable_provider(uuid) IS
    'Nobody logs in through the provider and it contributes no groups, until it is enabled. Returns whether anything changed. '
    'RW010: no such provider.';

REVOKE ALL ON FUNCTION auth.disable_provider(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.disable_provider(uuid) TO rolewright_operator;

CREATE OR REPLACE FUNCTION auth.delete_provider(
    _provider_id        uuid,
    _delete_identities  boolean  DEFAULT false
)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM unsecure.lock_permission_model();
    PERFORM 1 FROM auth.provider WHERE provider_id = _provider_id FOR UPDATE;
    PERFORM unsecure.require_provider(_provider_id);
    -- Disabled first, so that the database roles lose what its identities gave.
    PERFORM auth.disable_provider(_provider_id);
    IF EXISTS (SELECT FROM auth.database_role WHERE provider_id = _provider_id) THEN
        PERFORM unsecure.lock_roles();
        UPDATE auth.database_role SET provider_id = NULL WHERE provider_id = _provider_id;
    END IF;
    IF _delete_identities THEN
        DELETE FROM auth.user_group_mapping WHERE provider_id = _provider_id;
        DELETE FROM auth.user_identity WHERE provider_id = _provider_id;
    END IF;
    DELETE FROM auth.provider WHERE provider_id = _provider_id;
    RETURN true;
END;
$function$;

COMMENT ON FUNCTION auth.delete_provider(uuid, boolean) IS
    'Deletes a provider; with _delete_identities its identities and group mappings too. Users stay. '
    'RW010: no such provider; 23503: it has identities or mappings.';

REVOKE ALL ON FUNCTION auth.delete_provider(uuid, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.delete_provider(uuid, boolean) TO rolewright_operator;
