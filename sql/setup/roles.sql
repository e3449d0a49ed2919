-- The three group roles that carry the grants. They are cluster-wide, so another database of this cluster may
-- have created them already; the comment tells `down` which ones are Rolewright's to drop.

DO $roles$
DECLARE
    v_role record;
BEGIN
    FOR v_role IN
        SELECT *
        FROM (VALUES
            ('rolewright_app',      'Rolewright: applications (login path, permission checks)'),
            ('rolewright_operator', 'Rolewright: operators (lifecycle of providers, users, identities, groups)'),
            ('rolewright_auditor',  'Rolewright: auditors (read only)')) AS r (name, comment)
        WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = r.name)
    LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', v_role.name);
            EXECUTE format('COMMENT ON ROLE %I IS %L', v_role.name, v_role.comment);
        EXCEPTION
            -- An installation in another database of the cluster was faster.
            WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END LOOP;
END;
$roles$;
