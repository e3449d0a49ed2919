-- What the functions of the other rooms call when they have changed somebody: the database roles follow in the same transaction. Each takes
-- the bindings' lock before it looks whether anybody has a role: whoever gives one holds it alone (apply.sql).

-- A conflict stops nobody from logging in, or from being disabled; it is said, and stays in the plan.
CREATE OR REPLACE FUNCTION unsecure.apply_and_warn(_user_ids uuid[])
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $function$
DECLARE
    v_change auth.change;
BEGIN
    -- One user has most likely changed, and is planned once, under the lock; of many, most have not.
    IF cardinality(_user_ids) > 1 AND NOT EXISTS (SELECT FROM unsecure.plan_roles(_user_ids) AS p WHERE p.action <> 'conflict') THEN
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

COMMENT ON FUNCTION unsecure.apply_and_warn(uuid[]) IS 'Lets the roles of these users follow; conflicts are warnings.';

-- After a change of these users, whose rows the caller has locked.
CREATE OR REPLACE FUNCTION unsecure.follow_users(_user_ids uuid[])
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $function$
DECLARE
    v_concerned uuid[];
BEGIN
    PERFORM unsecure.lock_bindings(false);
    v_concerned := CASE
        WHEN EXISTS (SELECT FROM auth.provider p WHERE p.creates_roles) THEN _user_ids
        ELSE ARRAY(SELECT r.user_id FROM auth.database_role r WHERE r.user_id = ANY (_user_ids) AND r.state <> 'deleted')
    END;
    IF v_concerned = '{}' THEN
        RETURN;
    END IF;
    PERFORM unsecure.require_read_committed();
    PERFORM unsecure.apply_and_warn(v_concerned);
END;
$function$;

COMMENT ON FUNCTION unsecure.follow_users(uuid[]) IS
    'Lets the database roles of these users follow, after something about them changed. RW501: they have roles, and the transaction is not READ COMMITTED.';

-- After a login that changed groups or roles. Which mappings they match was just worked out for the permission checks (mapped_ways): when
-- those are the same as before, and there is no newer mapping, nothing that is bound can have changed, and this is all that it costs.
CREATE OR REPLACE FUNCTION unsecure.follow_login(
    _user_id   uuid,
    _old_ways  text[],
    _old_until bigint,
    _new_ways  text[],
    _new_until bigint
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $function$
BEGIN
    PERFORM unsecure.lock_bindings(false);
    IF NOT EXISTS (SELECT FROM auth.database_role r WHERE r.user_id = _user_id AND r.state <> 'deleted') THEN
        RETURN;
    END IF;
    PERFORM unsecure.require_read_committed();
    IF _old_until = _new_until
       AND _old_ways @> _new_ways
       AND _new_ways @> _old_ways
       AND _new_until >= (SELECT coalesce(max(m.mapping_no), 0) FROM auth.user_group_mapping m)
    THEN
        RETURN;
    END IF;
    PERFORM unsecure.apply_and_warn(ARRAY[_user_id]);
END;
$function$;

COMMENT ON FUNCTION unsecure.follow_login(uuid, text[], bigint, text[], bigint) IS
    'Lets the user''s database role follow, unless mapped_ways and mapped_until before and after say that no mapping is concerned.';

-- Two who change one user, one of them only a row beside it, would each plan without the other's change. Whose user has no role is not waited for.
CREATE OR REPLACE FUNCTION unsecure.lock_role_user(_user_id uuid)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $function$
BEGIN
    -- An older snapshot does not see a new role; but binding it wrote the user's row, so that this fails.
    IF current_setting('transaction_isolation') <> 'read committed'
       OR EXISTS (SELECT FROM auth.database_role r WHERE r.user_id = _user_id AND r.state <> 'deleted')
    THEN
        PERFORM 1 FROM auth.user_info u WHERE u.user_id = _user_id FOR NO KEY UPDATE;
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.lock_role_user(uuid) IS 'Locks a user who has a database role, until the end of the transaction.';

CREATE OR REPLACE FUNCTION unsecure.follow_member(
    _user_group_id uuid,
    _user_id       uuid
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $function$
BEGIN
    PERFORM unsecure.lock_bindings(false);
    IF NOT EXISTS (SELECT FROM auth.database_role r WHERE r.user_id = _user_id AND r.state <> 'deleted') THEN
        RETURN;
    END IF;
    PERFORM unsecure.require_read_committed();
    PERFORM unsecure.lock_role_user(_user_id); -- if it was bound just now
    IF EXISTS (SELECT FROM auth.group_role b WHERE b.user_group_id = _user_group_id) THEN
        PERFORM unsecure.apply_and_warn(ARRAY[_user_id]);
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.follow_member(uuid, uuid) IS 'Lets the user''s database role follow, when the group is bound. The caller has the user''s row.';

-- After a sync, whose plan says whom it touched.
CREATE OR REPLACE FUNCTION unsecure.follow_sync()
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $function$
BEGIN
    PERFORM unsecure.lock_bindings(false);
    IF EXISTS (SELECT FROM auth.database_role r WHERE r.user_id IS NOT NULL)
       OR EXISTS (SELECT FROM auth.provider p WHERE p.creates_roles)
    THEN
        PERFORM unsecure.follow_users(ARRAY(
            SELECT i.user_id
            FROM pg_temp.sync_plan p
            JOIN auth.user_identity i ON i.user_identity_id = p.user_identity_id
            WHERE p.action IN ('create', 'update', 'enable', 'disable')));
    END IF;
END;
$function$;

COMMENT ON FUNCTION unsecure.follow_sync() IS 'Lets the database roles of the users follow whose identities a sync changed.';

-- After a change of groups, mappings or tenants: for who has, or should have, a membership because of these groups.
CREATE OR REPLACE FUNCTION unsecure.follow_groups(_user_group_ids uuid[])
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $function$
DECLARE
    v_users uuid[];
BEGIN
    PERFORM unsecure.lock_bindings(false);
    IF NOT EXISTS (SELECT FROM auth.group_role b WHERE b.user_group_id = ANY (_user_group_ids)) THEN
        RETURN;
    END IF;
    PERFORM unsecure.require_read_committed();
    PERFORM unsecure.lock_bindings(true);
    v_users := ARRAY(SELECT r.user_id FROM auth.database_role r WHERE r.user_id IS NOT NULL AND r.state = 'active');
    PERFORM unsecure.apply_and_warn(ARRAY(
        SELECT g.user_id
        FROM unsecure.bound_groups(v_users) AS g
        WHERE g.user_group_id = ANY (_user_group_ids)
        UNION
        SELECT r.user_id
        FROM auth.group_role b
        JOIN auth.database_role g ON g.database_role_id = b.database_role_id
        JOIN pg_catalog.pg_auth_members m ON m.roleid = g.role_oid
        JOIN auth.database_role r ON r.role_oid = m.member
        WHERE b.user_group_id = ANY (_user_group_ids) AND r.user_id IS NOT NULL));
END;
$function$;

COMMENT ON FUNCTION unsecure.follow_groups(uuid[]) IS
    'Lets the database roles follow of whoever is, or was, in these groups, if they are bound. RW501: they are, and the transaction is '
    'not READ COMMITTED. The caller holds the permission model''s lock, or the users''.';

CREATE OR REPLACE FUNCTION unsecure.follow_provider(_provider_id uuid)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $function$
DECLARE
    v_users uuid[];
BEGIN
    PERFORM unsecure.lock_bindings(false);
    v_users := ARRAY(
        SELECT DISTINCT r.user_id
        FROM auth.user_identity i
        JOIN auth.database_role r ON r.user_id = i.user_id
        WHERE i.provider_id = _provider_id AND r.state <> 'deleted');
    IF v_users = '{}' THEN
        RETURN;
    END IF;
    PERFORM unsecure.require_read_committed();
    PERFORM unsecure.lock_bindings(true);
    PERFORM unsecure.apply_and_warn(v_users);
END;
$function$;

COMMENT ON FUNCTION unsecure.follow_provider(uuid) IS
    'Lets the database roles follow of who has an identity at the provider. RW501: somebody has a role, and the transaction is not '
    'READ COMMITTED. The caller holds the permission model''s lock.';

-- Before a user is deleted: whose role it was, is nobody's.
CREATE OR REPLACE FUNCTION unsecure.orphan_role(_user_id uuid)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $function$
DECLARE
    v_roles text[];
BEGIN
    IF NOT EXISTS (SELECT FROM auth.database_role r WHERE r.user_id = _user_id) THEN
        RETURN;
    END IF;
    PERFORM unsecure.lock_person(_user_id);
    v_roles := ARRAY(SELECT r.role_name FROM auth.database_role r WHERE r.user_id = _user_id AND r.state <> 'deleted');
    PERFORM auth.unbind_user_role(_user_id, format('user %s was deleted', (SELECT to_json(u.username) FROM auth.user_info u WHERE u.user_id = _user_id)));
    PERFORM unsecure.apply_roles(NULL, v_roles, true);
    UPDATE auth.database_role SET user_id = NULL WHERE user_id = _user_id;
END;
$function$;

COMMENT ON FUNCTION unsecure.orphan_role(uuid) IS 'Disables the login role of a user who is about to be deleted; it, and the user''s tombstones, become nobody''s.';

REVOKE ALL ON FUNCTION
    unsecure.apply_and_warn(uuid[]),
    unsecure.follow_users(uuid[]),
    unsecure.follow_login(uuid, text[], bigint, text[], bigint),
    unsecure.lock_role_user(uuid),
    unsecure.follow_member(uuid, uuid),
    unsecure.follow_sync(),
    unsecure.follow_groups(uuid[]),
    unsecure.follow_provider(uuid),
    unsecure.orphan_role(uuid)
FROM PUBLIC;
