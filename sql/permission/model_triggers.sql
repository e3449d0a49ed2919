-- Whatever changes groups, mappings, assignments, sets or the tree refreshes the cache, whoever does it and by whatever statement.
-- Before the statement: the lock. After it: the rows as they were and the rows as they are name the groups concerned; the refresh
-- compares, so that naming too many does no harm.

CREATE OR REPLACE FUNCTION unsecure.permission_model_changing()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM unsecure.lock_permission_model();
    RETURN coalesce(NEW, OLD);
END;
$function$;

CREATE OR REPLACE FUNCTION unsecure.permission_assignment_changed()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM unsecure.refresh_permission_cache(ARRAY(
        SELECT DISTINCT c.user_group_id FROM changed_row c WHERE c.user_group_id IS NOT NULL));
    RETURN NULL;
END;
$function$;

CREATE OR REPLACE FUNCTION unsecure.perm_set_permission_changed()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM unsecure.refresh_permission_cache(ARRAY(
        SELECT DISTINCT a.user_group_id
        FROM changed_row c
        JOIN auth.permission_assignment a ON a.perm_set_id = c.perm_set_id
        WHERE a.user_group_id IS NOT NULL));
    RETURN NULL;
END;
$function$;

CREATE OR REPLACE FUNCTION unsecure.permission_changed()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $function$
DECLARE
    v_codes text[] := ARRAY(SELECT c.code FROM changed_row c);
    v_nodes text[] := ARRAY(SELECT n.code FROM unsecure.nodes_above(v_codes) AS n);
BEGIN
    PERFORM unsecure.refresh_permission_cache(ARRAY(
        -- Who is assigned one of them or a node above it, by itself or in a set; and who had it.
        SELECT a.user_group_id
        FROM auth.permission_assignment a
        WHERE a.permission_code = ANY (v_nodes) AND a.user_group_id IS NOT NULL
        UNION
        SELECT a.user_group_id
        FROM auth.perm_set_permission s
        JOIN auth.permission_assignment a ON a.perm_set_id = s.perm_set_id
        WHERE s.permission_code = ANY (v_nodes) AND a.user_group_id IS NOT NULL
        UNION
        SELECT unnest(k.user_group_ids)
        FROM auth.permission_cache k
        WHERE k.permission_code = ANY (v_codes)));
    RETURN NULL;
END;
$function$;

CREATE OR REPLACE FUNCTION unsecure.user_group_changed()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM unsecure.refresh_permission_cache(ARRAY(SELECT DISTINCT c.user_group_id FROM changed_row c));
    RETURN NULL;
END;
$function$;

CREATE OR REPLACE FUNCTION unsecure.provider_changed()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM unsecure.refresh_permission_cache(ARRAY(
        SELECT DISTINCT m.user_group_id FROM auth.user_group_mapping m WHERE m.provider_id IN (OLD.provider_id, NEW.provider_id)));
    RETURN NULL;
END;
$function$;

CREATE OR REPLACE FUNCTION unsecure.tenant_changed()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM unsecure.refresh_permission_cache(ARRAY(
        SELECT DISTINCT a.user_group_id
        FROM auth.permission_assignment a
        WHERE a.tenant_id = NEW.tenant_id AND a.user_group_id IS NOT NULL));
    RETURN NULL;
END;
$function$;

CREATE OR REPLACE FUNCTION unsecure.permission_model_truncated()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM unsecure.lock_permission_model();
    -- RESTART IDENTITY gives numbers out again that identities know.
    IF TG_TABLE_NAME = 'user_group_mapping' THEN
        UPDATE auth.user_identity SET mapped_ways = NULL WHERE mapped_ways IS NOT NULL;
    END IF;
    PERFORM unsecure.refresh_permission_cache(ARRAY(
        SELECT g.user_group_id FROM auth.user_group g
        UNION
        SELECT unnest(k.user_group_ids) FROM auth.permission_cache k));
    RETURN NULL;
END;
$function$;

-- What a mapping matches has a number. Identities know their ways by it, so what matches something else gets another number, and no
-- identity has that one until its ways are worked out again.
CREATE OR REPLACE FUNCTION unsecure.user_group_mapping_renumber()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    NEW.mapping_no := nextval(pg_get_serial_sequence('auth.user_group_mapping', 'mapping_no'));
    RETURN NEW;
END;
$function$;

CREATE OR REPLACE FUNCTION unsecure.provider_renumber_mappings()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    UPDATE auth.user_group_mapping SET mapping_no = DEFAULT WHERE provider_id = NEW.provider_id;
    RETURN NULL;
END;
$function$;

COMMENT ON FUNCTION unsecure.permission_model_changing() IS 'Trigger: takes the lock of the permission model.';
COMMENT ON FUNCTION unsecure.permission_assignment_changed() IS 'Statement trigger: refreshes what the assignments'' groups give.';
COMMENT ON FUNCTION unsecure.perm_set_permission_changed() IS 'Statement trigger: refreshes what the groups give that the sets are assigned to.';
COMMENT ON FUNCTION unsecure.permission_changed() IS 'Statement trigger: refreshes what the groups give that have a node above, or had this one.';
COMMENT ON FUNCTION unsecure.user_group_changed() IS 'Statement trigger: refreshes what groups give (of user_group and of user_group_mapping).';
COMMENT ON FUNCTION unsecure.provider_changed() IS 'Row trigger: refreshes what the groups give that have mappings at the provider.';
COMMENT ON FUNCTION unsecure.tenant_changed() IS 'Row trigger: refreshes what groups give in the tenant.';
COMMENT ON FUNCTION unsecure.permission_model_truncated() IS 'Statement trigger: refreshes everything.';
COMMENT ON FUNCTION unsecure.user_group_mapping_renumber() IS 'Row trigger: a mapping that is new, or matches something else, gets another number.';
COMMENT ON FUNCTION unsecure.provider_renumber_mappings() IS 'Row trigger: the mappings of a provider that compares otherwise get other numbers.';

REVOKE ALL ON FUNCTION
    unsecure.permission_model_changing(),
    unsecure.permission_assignment_changed(),
    unsecure.perm_set_permission_changed(),
    unsecure.permission_changed(),
    unsecure.user_group_changed(),
    unsecure.provider_changed(),
    unsecure.tenant_changed(),
    unsecure.permission_model_truncated(),
    unsecure.user_group_mapping_renumber(),
    unsecure.provider_renumber_mappings()
FROM PUBLIC;

CREATE TRIGGER user_group_mapping_model_lock
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON auth.user_group_mapping
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.permission_model_changing();

CREATE TRIGGER user_group_mapping_model_insert
    AFTER INSERT ON auth.user_group_mapping
    REFERENCING NEW TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.user_group_changed();

CREATE TRIGGER user_group_mapping_model_update_old
    AFTER UPDATE ON auth.user_group_mapping
    REFERENCING OLD TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.user_group_changed();

CREATE TRIGGER user_group_mapping_model_update_new
    AFTER UPDATE ON auth.user_group_mapping
    REFERENCING NEW TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.user_group_changed();

CREATE TRIGGER user_group_mapping_model_delete
    AFTER DELETE ON auth.user_group_mapping
    REFERENCING OLD TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.user_group_changed();

CREATE TRIGGER user_group_mapping_model_truncate
    AFTER TRUNCATE ON auth.user_group_mapping
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.permission_model_truncated();

CREATE TRIGGER permission_model_lock
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON auth.permission
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.permission_model_changing();

CREATE TRIGGER permission_model_insert
    AFTER INSERT ON auth.permission
    REFERENCING NEW TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.permission_changed();

CREATE TRIGGER permission_model_update_old
    AFTER UPDATE ON auth.permission
    REFERENCING OLD TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.permission_changed();

CREATE TRIGGER permission_model_update_new
    AFTER UPDATE ON auth.permission
    REFERENCING NEW TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.permission_changed();

CREATE TRIGGER permission_model_delete
    AFTER DELETE ON auth.permission
    REFERENCING OLD TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.permission_changed();

CREATE TRIGGER permission_model_truncate
    AFTER TRUNCATE ON auth.permission
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.permission_model_truncated();

CREATE TRIGGER perm_set_permission_model_lock
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON auth.perm_set_permission
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.permission_model_changing();

CREATE TRIGGER perm_set_permission_model_insert
    AFTER INSERT ON auth.perm_set_permission
    REFERENCING NEW TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.perm_set_permission_changed();

CREATE TRIGGER perm_set_permission_model_update_old
    AFTER UPDATE ON auth.perm_set_permission
    REFERENCING OLD TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.perm_set_permission_changed();

CREATE TRIGGER perm_set_permission_model_update_new
    AFTER UPDATE ON auth.perm_set_permission
    REFERENCING NEW TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.perm_set_permission_changed();

CREATE TRIGGER perm_set_permission_model_delete
    AFTER DELETE ON auth.perm_set_permission
    REFERENCING OLD TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.perm_set_permission_changed();

CREATE TRIGGER perm_set_permission_model_truncate
    AFTER TRUNCATE ON auth.perm_set_permission
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.permission_model_truncated();

-- Assignments to users are not in the cache: whoever writes only those need not wait for anybody.

CREATE TRIGGER permission_assignment_model_lock_insert
    BEFORE INSERT ON auth.permission_assignment
    FOR EACH ROW WHEN (NEW.user_group_id IS NOT NULL)
    EXECUTE FUNCTION unsecure.permission_model_changing();

CREATE TRIGGER permission_assignment_model_lock_update
    BEFORE UPDATE ON auth.permission_assignment
    FOR EACH ROW WHEN (num_nonnulls(OLD.user_group_id, NEW.user_group_id) > 0)
    EXECUTE FUNCTION unsecure.permission_model_changing();

CREATE TRIGGER permission_assignment_model_lock_delete
    BEFORE DELETE ON auth.permission_assignment
    FOR EACH ROW WHEN (OLD.user_group_id IS NOT NULL)
    EXECUTE FUNCTION unsecure.permission_model_changing();

CREATE TRIGGER permission_assignment_model_insert
    AFTER INSERT ON auth.permission_assignment
    REFERENCING NEW TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.permission_assignment_changed();

CREATE TRIGGER permission_assignment_model_update_old
    AFTER UPDATE ON auth.permission_assignment
    REFERENCING OLD TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.permission_assignment_changed();

CREATE TRIGGER permission_assignment_model_update_new
    AFTER UPDATE ON auth.permission_assignment
    REFERENCING NEW TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.permission_assignment_changed();

CREATE TRIGGER permission_assignment_model_delete
    AFTER DELETE ON auth.permission_assignment
    REFERENCING OLD TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.permission_assignment_changed();

CREATE TRIGGER permission_assignment_model_truncate
    AFTER TRUNCATE ON auth.permission_assignment
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.permission_model_truncated();

-- Deleted groups, providers and tenants have no assignments or mappings left, and what took those away refreshed the cache.

CREATE TRIGGER user_group_model_lock
    BEFORE UPDATE ON auth.user_group
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.permission_model_changing();

CREATE TRIGGER user_group_model_update_old
    AFTER UPDATE ON auth.user_group
    REFERENCING OLD TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.user_group_changed();

CREATE TRIGGER user_group_model_update_new
    AFTER UPDATE ON auth.user_group
    REFERENCING NEW TABLE AS changed_row
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.user_group_changed();

CREATE TRIGGER tenant_model_lock
    BEFORE UPDATE OF is_active ON auth.tenant
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.permission_model_changing();

CREATE TRIGGER tenant_model_update
    AFTER UPDATE OF is_active ON auth.tenant
    FOR EACH ROW WHEN (NEW.is_active <> OLD.is_active)
    EXECUTE FUNCTION unsecure.tenant_changed();

CREATE TRIGGER provider_model_lock
    BEFORE UPDATE OF is_active, group_match ON auth.provider
    FOR EACH STATEMENT EXECUTE FUNCTION unsecure.permission_model_changing();

CREATE TRIGGER provider_model_renumber
    AFTER UPDATE OF group_match ON auth.provider
    FOR EACH ROW WHEN (NEW.group_match <> OLD.group_match)
    EXECUTE FUNCTION unsecure.provider_renumber_mappings();

CREATE TRIGGER provider_model_update
    AFTER UPDATE OF is_active ON auth.provider
    FOR EACH ROW WHEN (NEW.is_active <> OLD.is_active)
    EXECUTE FUNCTION unsecure.provider_changed();

-- Whoever inserts does not choose the number either.
CREATE TRIGGER user_group_mapping_number
    BEFORE INSERT ON auth.user_group_mapping
    FOR EACH ROW EXECUTE FUNCTION unsecure.user_group_mapping_renumber();

CREATE TRIGGER user_group_mapping_renumber
    BEFORE UPDATE ON auth.user_group_mapping
    FOR EACH ROW WHEN (
        (OLD.provider_id, OLD.external_group_name, OLD.external_role_name) IS DISTINCT FROM
        (NEW.provider_id, NEW.external_group_name, NEW.external_role_name))
    EXECUTE FUNCTION unsecure.user_group_mapping_renumber();
