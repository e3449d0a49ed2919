-- Takes the schemas away, and those group roles that a Rolewright installation created, that nobody was made a
-- member of, and that nothing else depends on (another database of the cluster may use them).

DROP SCHEMA unsecure;
DROP SCHEMA auth;

DO $down$
DECLARE
    v_role record;
BEGIN
    FOR v_role IN
        SELECT r.oid, r.rolname AS name
        FROM pg_catalog.pg_roles r
        WHERE r.rolname IN ('rolewright_app', 'rolewright_operator', 'rolewright_auditor')
        ORDER BY r.rolname
    LOOP
        BEGIN
            -- The creator's own ADMIN row of PostgreSQL 16+ is no member in this sense.
            IF coalesce(shobj_description(v_role.oid, 'pg_authid'), '') NOT LIKE 'Rolewright%'
               OR EXISTS (SELECT FROM pg_catalog.pg_auth_members m
                          JOIN pg_catalog.pg_roles r ON r.oid = m.member
                          WHERE m.roleid = v_role.oid AND r.rolname <> current_user)
            THEN
                RAISE NOTICE 'role % stays: it was not created by Rolewright, or has members', v_role.name;
            ELSE
                EXECUTE format('DROP ROLE %I', v_role.name);
            END IF;
        EXCEPTION
            WHEN dependent_objects_still_exist OR insufficient_privilege THEN
                RAISE NOTICE 'role % stays: %', v_role.name, SQLERRM;
        END;
    END LOOP;
END;
$down$;
