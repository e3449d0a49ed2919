-- With whose rights a change is made. The caller's own; else those of a role that the caller may SET ROLE to; else those of one that he may
-- make himself a member of, for as long as the work takes.

CREATE OR REPLACE FUNCTION unsecure.may_administer(
    _caller oid,
    _role   oid
)
RETURNS boolean
LANGUAGE sql
STABLE
AS $function$
    SELECT c.rolsuper
        -- Up to PostgreSQL 15, CREATEROLE is enough for every role that is no superuser.
        OR c.rolcreaterole AND NOT r.rolsuper AND current_setting('server_version_num')::integer < 160000
        -- Not pg_has_role: it counts ADMIN that the caller would have to SET ROLE for, which GRANT does not.
        OR EXISTS (SELECT FROM pg_auth_members m WHERE m.roleid = _role AND m.admin_option AND pg_has_role(_caller, m.member, 'USAGE'))
    FROM pg_roles c
    CROSS JOIN pg_roles r
    WHERE c.oid = _caller AND r.oid = _role;
$function$;

COMMENT ON FUNCTION unsecure.may_administer(oid, oid) IS 'Whether the caller may give memberships in a role, and alter it. Source: PostgreSQL manual, CREATE ROLE and GRANT.';

CREATE OR REPLACE FUNCTION unsecure.may_set_role(
    _caller oid,
    _role   oid
)
RETURNS boolean
LANGUAGE plpgsql
STABLE
AS $function$
BEGIN
    RETURN pg_has_role(_caller, _role, CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END);
END;
$function$;

COMMENT ON FUNCTION unsecure.may_set_role(oid, oid) IS 'Whether the caller may SET ROLE to a role.';

CREATE OR REPLACE FUNCTION unsecure.way_to_act(
    _caller oid,
    _role   oid
)
RETURNS text
LANGUAGE sql
STABLE
AS $function$
    SELECT CASE
        WHEN c.rolsuper OR pg_has_role(_caller, _role, 'USAGE') THEN 'own'
        WHEN unsecure.may_set_role(_caller, _role) THEN 'set'
        -- Not in circles, and nobody is made a superuser.
        WHEN unsecure.may_administer(_caller, _role) AND NOT r.rolsuper AND NOT pg_has_role(_role, _caller, 'MEMBER') THEN 'borrow'
    END
    FROM pg_roles c
    CROSS JOIN pg_roles r
    WHERE c.oid = _caller AND r.oid = _role;
$function$;

COMMENT ON FUNCTION unsecure.way_to_act(oid, oid) IS
    'How the caller gets a role''s rights: own (he has them), set (SET ROLE), borrow (a membership that he gives himself); NULL: not at all.';

-- Who does not administer a role himself may be able to act as somebody who does.
CREATE OR REPLACE FUNCTION unsecure.administrator_to_be(
    _caller oid,
    _role   oid
)
RETURNS oid
LANGUAGE sql
STABLE
AS $function$
    SELECT CASE WHEN unsecure.may_administer(_caller, _role) THEN _caller
                ELSE (SELECT m.member
                      FROM pg_auth_members m
                      WHERE m.roleid = _role AND m.admin_option AND unsecure.way_to_act(_caller, m.member) IS NOT NULL
                      ORDER BY m.member
                      LIMIT 1) END;
$function$;

COMMENT ON FUNCTION unsecure.administrator_to_be(oid, oid) IS
    'The caller, when he may administer a role; else the role that he has to be a member of to do it; NULL: he cannot.';

-- pg_database_owner has no members but the database's owner.
CREATE OR REPLACE FUNCTION unsecure.acting_owner(_owner oid)
RETURNS oid
LANGUAGE sql
STABLE
RETURN CASE WHEN _owner = (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = 'pg_database_owner')
            THEN (SELECT d.datdba FROM pg_catalog.pg_database d WHERE d.datname = current_database())
            ELSE _owner END;

COMMENT ON FUNCTION unsecure.acting_owner(oid) IS 'The role to act as, to act as this owner.';

-- Privileges of nobody: no role can be called like this, so none takes them for its own.
CREATE OR REPLACE FUNCTION unsecure.dropped_role(_oid oid)
RETURNS text
LANGUAGE sql
IMMUTABLE
RETURN format('a role that was dropped without its privileges being revoked: oid %s', _oid);

COMMENT ON FUNCTION unsecure.dropped_role(oid) IS 'In place of the name of a role that does not exist any more; it is too long for one.';

REVOKE ALL ON FUNCTION
    unsecure.dropped_role(oid),
    unsecure.may_administer(oid, oid),
    unsecure.may_set_role(oid, oid),
    unsecure.way_to_act(oid, oid),
    unsecure.administrator_to_be(oid, oid),
    unsecure.acting_owner(oid)
FROM PUBLIC;
