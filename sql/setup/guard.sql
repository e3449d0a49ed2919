-- Refuses to install before anything is created: into schemas of somebody else, over an installation, or
-- without the rights that the rest needs. `rolewright migrate` runs this very text first.

DO $guard$
DECLARE
    v_schema  record;
    v_missing text[] := ARRAY(
        SELECT r
        FROM unnest('{rolewright_app,rolewright_operator,rolewright_auditor}'::text[]) AS r
        WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = r));
BEGIN
    FOR v_schema IN
        SELECT n.nspname AS name, r.rolname AS owner,
               (SELECT count(*) FROM pg_catalog.pg_depend d
                WHERE d.refclassid = 'pg_catalog.pg_namespace'::regclass AND d.refobjid = n.oid) AS objects,
               coalesce(pg_catalog.obj_description(n.oid, 'pg_namespace') LIKE 'Rolewright%', false) AS is_ours
        FROM pg_catalog.pg_namespace n
        JOIN pg_catalog.pg_roles r ON r.oid = n.nspowner
        WHERE n.nspname IN ('auth', 'unsecure')
        ORDER BY n.nspname
    LOOP
        IF v_schema.is_ours THEN
            RAISE EXCEPTION 'Rolewright is installed in this database already'
                USING ERRCODE = 'RW003',
                      DETAIL  = format('Schema %I belongs to role %I and holds %s objects.',
                                       v_schema.name, v_schema.owner, v_schema.objects),
                      HINT    = 'See what is there with "rolewright migrate status"; remove it by the way it was installed.';
        ELSIF v_schema.owner <> current_user OR v_schema.objects > 0 THEN
            RAISE EXCEPTION 'schema % belongs to somebody else', v_schema.name
                USING ERRCODE = 'RW001',
                      DETAIL  = format('Schema %I belongs to role %I and holds %s objects; the installing role is %I.',
                                       v_schema.name, v_schema.owner, v_schema.objects, current_user),
                      HINT    = 'Install into another database, or rename that schema first. Nothing was changed.';
        END IF;
    END LOOP;

    IF NOT has_database_privilege(current_database(), 'CREATE') THEN
        RAISE EXCEPTION 'role % may not create schemas in this database', current_user
            USING ERRCODE = 'RW002',
                  DETAIL  = format('CREATE on database %I is missing.', current_database()),
                  HINT    = format('As its owner: GRANT CREATE ON DATABASE %I TO %I;', current_database(), current_user);
    END IF;

    IF v_missing <> '{}' AND NOT (SELECT rolcreaterole OR rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
        RAISE EXCEPTION 'role % may not create the group roles', current_user
            USING ERRCODE = 'RW002',
                  DETAIL  = format('These roles do not exist, and the installing role lacks CREATEROLE: %s.',
                                   array_to_string(v_missing, ', ')),
                  HINT    = format('As a superuser: ALTER ROLE %I CREATEROLE; or create them: %s', current_user,
                                   (SELECT string_agg(format('CREATE ROLE %I NOLOGIN;', r), ' ') FROM unnest(v_missing) AS r));
    END IF;
END;
$guard$;
