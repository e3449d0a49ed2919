-- Roles that hold a privilege for many; see auth.intermediate_role.

CREATE OR REPLACE FUNCTION unsecure.intermediate_name(
    _kind       text,
    _object_oid oid,
    _subid      bigint,
    _privileges text[]
)
RETURNS text
LANGUAGE sql
STABLE
RETURN (SELECT format('rolewright_via_%s_%s', d.oid,
                      left(md5(concat_ws('/', _kind, _object_oid, _subid, array_to_string(_privileges, ','))), 16))
        FROM pg_catalog.pg_database d
        WHERE d.datname = current_database());

COMMENT ON FUNCTION unsecure.intermediate_name(text, oid, bigint, text[]) IS
    'What the intermediate role for these privileges on an object is called; with the oid of the database, since roles belong to all of them.';

CREATE OR REPLACE FUNCTION unsecure.database_of_intermediate(_role_name text)
RETURNS oid
LANGUAGE sql
IMMUTABLE
RETURN CASE WHEN _role_name ~ '^rolewright_via_[0-9]{1,10}_[0-9a-f]{16}$' THEN
    CASE WHEN split_part(_role_name, '_', 3)::bigint <= 4294967295 THEN split_part(_role_name, '_', 3)::bigint::oid END END;

COMMENT ON FUNCTION unsecure.database_of_intermediate(text) IS 'The oid of the database whose intermediate role is called so; NULL: no such role is.';

-- A copy of a database (CREATE DATABASE … TEMPLATE) has the registry of the original, whose roles are not its own: the name says whose a role is.
CREATE VIEW unsecure.known_intermediate AS
SELECT i.role_name, i.role_oid, i.object_kind, i.object_oid, i.object_subid, i.privileges
FROM auth.intermediate_role i
JOIN pg_catalog.pg_roles r ON r.oid = i.role_oid AND r.rolname = i.role_name
WHERE i.role_name = unsecure.intermediate_name(i.object_kind, i.object_oid, i.object_subid, i.privileges);

COMMENT ON VIEW unsecure.known_intermediate IS 'The intermediate roles of this database that are what they were made as.';

REVOKE ALL ON unsecure.known_intermediate FROM PUBLIC;

-- Another database's, as far as one can see: it can do nothing but give its members what it has been granted there.
CREATE OR REPLACE FUNCTION unsecure.is_foreign_intermediate(_role_oid oid)
RETURNS boolean
LANGUAGE sql
STABLE
AS $function$
    SELECT EXISTS (
        SELECT
        FROM pg_roles r
        WHERE r.oid = _role_oid
          AND unsecure.database_of_intermediate(r.rolname) <> (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
          AND NOT (r.rolcanlogin OR r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls)
          AND NOT EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid));
$function$;

COMMENT ON FUNCTION unsecure.is_foreign_intermediate(oid) IS 'Whether a role is an intermediate one of another database.';

-- ACLs get slow, and then too big for a row: some 2,400 grantees at best, a quarter of it when their oids have little in common.
CREATE OR REPLACE FUNCTION unsecure.crowded_acl(OUT for_new integer, OUT for_all integer)
LANGUAGE sql
IMMUTABLE
AS $function$
    SELECT 500, 1000;
$function$;

COMMENT ON FUNCTION unsecure.crowded_acl() IS
    'How many entries an ACL may have before who is new gets his privileges through an intermediate role, and before all do.';

REVOKE ALL ON FUNCTION
    unsecure.crowded_acl(),
    unsecure.intermediate_name(text, oid, bigint, text[]),
    unsecure.database_of_intermediate(text),
    unsecure.is_foreign_intermediate(oid)
FROM PUBLIC;
