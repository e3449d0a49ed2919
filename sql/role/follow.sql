-- What the functions of the other rooms call when they have changed somebody: the database roles follow in the same transaction.

-- A conflict stops nobody from logging in, or from being disabled; it is said, and stays in the plan.
CREATE OR REPLACE FUNCTION unsecure.apply_and_warn(_user_ids uuid[])
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $function$
DECLARE
    v_change auth.change;
BEGIN
    IF NOT EXISTS (SELECT FROM unsecure.plan_roles(_user_ids) AS p WHERE p.action <> 'conflict') THEN
        RETURN;
    END IF;
    FOR v_change IN
        SELECT * FROM unsecure.apply_roles(_user_ids, NULL, true) AS a WHERE a.action = 'conflict' LIMIT 100
    LOOP
        RAISE WARNING 'database role %: %', quote_ident(v_change.role_name), v_change.reason
            USING HINT = 'auth.plan_database_roles() shows what is left to do.';
    END LOOP;
END;
$function$;

COMMENT ON FUNCTION unsecure.apply_and_warn(uuid[]) IS 'Lets the roles of these users (NULL: all) follow; conflicts are warnings.';

-- After a change of these users, whose rows the caller has locked.
CREATE OR REPLACE FUNCTION unsecure.follow_users(_user_ids uuid[])
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $function$
DECLARE
    v_concerned uuid[] := ARRAY(
        SELECT r.user_id FROM auth.database_role r WHERE r.user_id = ANY (_user_ids) AND r.state <> 'deleted');
BEGIN
    IF EXISTS (SELECT FROM auth.provider p WHERE p.creates_roles) THEN
        v_concerned := _user_ids;
    END IF;
    IF v_concerned = '{}' THEN
        RETURN;
    END IF;
    PERFORM unsecure.require_read_committed();
    PERFORM unsecure.lock_bindings(false);
    PERFORM unsecure.apply_and_warn(v_concerned);
END;
$function$;

COMMENT ON FUNCTION unsecure.follow_users(uuid[]) IS
    'Lets the database roles of these users follow, after something about them changed. RW501: they have roles, and the transaction is not READ COMMITTED.';

-- After a login that changed groups or roles: most of them are bound to nothing, and then this is all that it costs.
CREATE OR REPLACE FUNCTION unsecure.follow_login(
    _user_id     uuid,
    _provider_id uuid,
    _old_groups  text[],
    _new_groups  text[],
    _old_roles   text[],
    _new_roles   text[]
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $function$
BEGIN
    IF NOT EXISTS (SELECT FROM auth.database_role r WHERE r.user_id = _user_id AND r.state <> 'deleted') THEN
        RETURN;
    END IF;
    PERFORM unsecure.require_read_committed();
    PERFORM unsecure.lock_bindings(false);
    IF EXISTS (
        SELECT
        FROM unsecure.matching_mappings(
            _provider_id,
            ARRAY((SELECT unnest(_old_groups) EXCEPT SELECT unnest(_new_groups))
                  UNION ALL
                  (SELECT unnest(_new_groups) EXCEPT SELECT unnest(_old_groups))),
            ARRAY((SELECT unnest(_old_roles) EXCEPT SELECT unnest(_new_roles))
                  UNION ALL
                  (SELECT unnest(_new_roles) EXCEPT SELECT unnest(_old_roles)))) AS m
        JOIN auth.group_role b ON b.user_group_id = m.user_group_id)
    THEN
        PERFORM unsecure.apply_and_warn(ARRAY[_user_id]);
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.follow_login(uuid, uuid, text[], text[], text[], text[]) IS
    'Lets the user''s database role follow when the groups or roles that are new, or gone, match a mapping of a bound group.';

-- After a change of groups, mappings, tenants or providers (the caller holds the permission model's lock).
CREATE OR REPLACE FUNCTION unsecure.follow_groups(_user_group_ids uuid[] DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $function$
BEGIN
    IF NOT EXISTS (SELECT FROM auth.database_role r WHERE r.role_kind = 'login')
       AND NOT EXISTS (SELECT FROM auth.provider p WHERE p.creates_roles)
       OR _user_group_ids IS NOT NULL
          AND NOT EXISTS (SELECT FROM auth.group_role b WHERE b.user_group_id = ANY (_user_group_ids))
    THEN
        RETURN;
    END IF;
    PERFORM unsecure.require_read_committed();
    PERFORM unsecure.lock_bindings(true);
    PERFORM unsecure.apply_and_warn(NULL);
END;
$function$;

COMMENT ON FUNCTION unsecure.follow_groups(uuid[]) IS
    'Lets all database roles follow, after these groups (NULL: more than groups) changed, if one of them is bound.';

REVOKE ALL ON FUNCTION
    unsecure.apply_and_warn(uuid[]),
    unsecure.follow_users(uuid[]),
    unsecure.follow_login(uuid, uuid, text[], text[], text[], text[]),
    unsecure.follow_groups(uuid[])
FROM PUBLIC;
