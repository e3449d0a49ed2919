-- Declarations that are kept, and what has drifted away from them. Who declares decides what others will carry out later, with rights of their own:
-- that takes an administrator.

CREATE OR REPLACE FUNCTION auth.declare_roles(_declaration jsonb)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_changed integer;
BEGIN
    PERFORM unsecure.require_administrator('declare what roles may do');
    PERFORM unsecure.require_role_declaration(_declaration);
    INSERT INTO auth.role_declaration AS d (role_name, grants, preserve_schemas, options)
    SELECT r.role_name,
           -- Passwords are nobody's business here.
           coalesce((SELECT jsonb_agg(g.element - '{password,verifier}'::text[] ORDER BY g.nth)
                     FROM jsonb_array_elements(r.grants) WITH ORDINALITY AS g (element, nth)), '[]'),
           ARRAY(SELECT jsonb_array_elements_text(r.preserve_schemas)),
           r.options - '{lock_key,plan_hash,reuse_name}'::text[]
    FROM (
        SELECT e.key AS role_name, e.value -> 'grants' AS grants,
               coalesce(e.value -> 'preserve_schemas', _declaration -> 'preserve_schemas', '[]') AS preserve_schemas,
               coalesce(_declaration -> 'options', '{}') || coalesce(e.value -> 'options', '{}') AS options
        FROM jsonb_each(coalesce(_declaration -> 'roles', '{}')) AS e
        UNION ALL
        SELECT 'public', _declaration -> 'public', '[]', coalesce(_declaration -> 'options', '{}')
        WHERE _declaration ? 'public'
    ) AS r
    ON CONFLICT (role_name) DO UPDATE
        SET grants = excluded.grants, preserve_schemas = excluded.preserve_schemas, options = excluded.options, declared_by = session_user, updated_at = now()
        WHERE (d.grants, d.preserve_schemas, d.options) IS DISTINCT FROM (excluded.grants, excluded.preserve_schemas, excluded.options);
    GET DIAGNOSTICS v_changed = ROW_COUNT;
    RETURN v_changed;
END;
$function$;

COMMENT ON FUNCTION auth.declare_roles(jsonb) IS
    'Keeps the declarations of these roles, and PUBLIC''s rules (as auth.sync_roles takes them), for auth.drift and auth.apply_drift; returns how many '
    'changed. What roles may do is not changed. Passwords and verifiers are not kept. RW513: not an administrator; RW503, RW504, RW520: as auth.sync_roles.';

CREATE OR REPLACE FUNCTION auth.declare_role(
    _role_name        text,
    _grants           jsonb,
    _preserve_schemas text[] DEFAULT '{}',
    _options          jsonb DEFAULT '{}'
)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN auth.declare_roles(auth.single_declaration(_role_name, _grants, _preserve_schemas, _options)) > 0;
END;
$function$;

COMMENT ON FUNCTION auth.declare_role(text, jsonb, text[], jsonb) IS
    'Keeps what one role may do, for auth.drift and auth.apply_drift; returns whether that changed. Arguments: as auth.sync_role; errors: as auth.declare_roles.';

CREATE OR REPLACE FUNCTION auth.undeclare_role(_role_name text)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM unsecure.require_administrator('forget what was declared');
    DELETE FROM auth.role_declaration d WHERE d.role_name = _role_name;
    RETURN FOUND;
END;
$function$;

COMMENT ON FUNCTION auth.undeclare_role(text) IS
    'Forgets what a role may do (public: PUBLIC''s rules); the role stays as it is. Returns whether something was declared. RW513: not an administrator.';

CREATE OR REPLACE FUNCTION auth.declared_roles(_role_names text[] DEFAULT NULL)
RETURNS jsonb
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT jsonb_strip_nulls(jsonb_build_object(
        'roles', coalesce(jsonb_object_agg(d.role_name, jsonb_build_object(
                                  -- In full: what was said for PUBLIC is not for others.
                                  'grants', d.grants, 'preserve_schemas', d.preserve_schemas, 'options', '{"missing": "error", "scope": "all"}' || d.options))
                              FILTER (WHERE d.role_name <> 'public'), '{}'),
        'public', (jsonb_agg(d.grants) FILTER (WHERE d.role_name = 'public')) -> 0,
        'options', (jsonb_agg(d.options - 'new_owner') FILTER (WHERE d.role_name = 'public')) -> 0))
    FROM auth.role_declaration d
    WHERE _role_names IS NULL OR d.role_name = ANY (_role_names);
$function$;

COMMENT ON FUNCTION auth.declared_roles(text[]) IS 'What is declared for these roles (NULL: all; public: PUBLIC''s rules), as auth.sync_roles takes it.';

CREATE OR REPLACE FUNCTION auth.drift(_role_names text[] DEFAULT NULL)
RETURNS SETOF auth.change
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT * FROM auth.planned_changes(auth.declared_roles(_role_names), current_user::text);
$function$;

COMMENT ON FUNCTION auth.drift(text[]) IS
    'What has to be done so that these roles (NULL: all that something is declared for) can do what is declared, and nothing else. No rows: they can. '
    'Errors: as auth.plan_roles.';

CREATE OR REPLACE FUNCTION auth.apply_drift(_role_names text[] DEFAULT NULL)
RETURNS SETOF auth.change
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN QUERY SELECT * FROM auth.sync_roles(auth.declared_roles(_role_names));
END;
$function$;

COMMENT ON FUNCTION auth.apply_drift(text[]) IS 'Does what auth.drift says, and returns it. Errors: as auth.sync_roles.';

REVOKE ALL ON FUNCTION
    auth.declare_roles(jsonb),
    auth.declare_role(text, jsonb, text[], jsonb),
    auth.undeclare_role(text),
    auth.declared_roles(text[]),
    auth.drift(text[]),
    auth.apply_drift(text[])
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    auth.declare_roles(jsonb),
    auth.declare_role(text, jsonb, text[], jsonb),
    auth.undeclare_role(text),
    auth.apply_drift(text[])
TO rolewright_operator;
GRANT EXECUTE ON FUNCTION auth.declared_roles(text[]), auth.drift(text[]) TO rolewright_operator, rolewright_auditor;
