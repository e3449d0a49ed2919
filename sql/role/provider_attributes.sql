-- What a provider gives to the roles of its users must be possible: otherwise every login of theirs would fail on it.

CREATE OR REPLACE FUNCTION unsecure.provider_role_attributes_changed()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_problems text[] := unsecure.attribute_problems(NEW.role_attributes);
    v_setting  record;
BEGIN
    FOR v_setting IN SELECT s.setting_name AS name, s.setting_value AS value FROM unsecure.attribute_settings(NEW.role_attributes) AS s LOOP
        IF NOT unsecure.may_set_parameter(v_setting.name) THEN
            v_problems := v_problems || format('setting %s: the owner of Rolewright may not set it', to_json(v_setting.name));
        ELSIF cardinality(unsecure.setting_elements(v_setting.name, v_setting.value)) > 1
              AND NOT unsecure.is_list_setting(v_setting.name)
        THEN
            v_problems := v_problems || format('setting %s: it takes no list', to_json(v_setting.name));
        ELSIF v_problems = '{}' AND v_setting.value <> 'null' THEN
            -- Tried out, and taken back.
            BEGIN
                PERFORM set_config(v_setting.name, unsecure.setting_value(v_setting.name, v_setting.value), true);
                RAISE EXCEPTION USING ERRCODE = 'RW599';
            EXCEPTION
                WHEN SQLSTATE 'RW599' THEN NULL;
                -- Classes: whatever PostgreSQL refuses a value for.
                WHEN data_exception OR syntax_error_or_access_rule_violation OR object_not_in_prerequisite_state OR invalid_transaction_state THEN
                    v_problems := v_problems || format('setting %s: %s', to_json(v_setting.name), SQLERRM);
            END;
        END IF;
    END LOOP;
    IF v_problems <> '{}' THEN
        RAISE EXCEPTION 'no role can have these attributes'
            USING ERRCODE = 'RW508',
                  DETAIL  = array_to_string(v_problems, E'.\n') || '.',
                  HINT    = 'auth.provider.role_attributes takes connection_limit, inherit and settings. Nothing was changed.';
    END IF;
    RETURN NEW;
END;
$function$;

COMMENT ON FUNCTION unsecure.provider_role_attributes_changed() IS 'Row trigger: RW508 for role_attributes that no role can have.';

REVOKE ALL ON FUNCTION unsecure.provider_role_attributes_changed() FROM PUBLIC;

CREATE TRIGGER provider_role_attributes_insert
    BEFORE INSERT ON auth.provider
    FOR EACH ROW WHEN (NEW.role_attributes <> '{}')
    EXECUTE FUNCTION unsecure.provider_role_attributes_changed();

CREATE TRIGGER provider_role_attributes_update
    BEFORE UPDATE OF role_attributes ON auth.provider
    FOR EACH ROW WHEN (NEW.role_attributes <> '{}' AND NEW.role_attributes <> OLD.role_attributes)
    EXECUTE FUNCTION unsecure.provider_role_attributes_changed();
