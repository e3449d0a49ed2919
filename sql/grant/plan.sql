-- Desired minus actual. The plan is what the statements are made from; auth.plan_roles shows it, auth.sync_roles carries it out.

CREATE OR REPLACE FUNCTION unsecure.plan_grants(
    _declaration   jsonb,
    _caller        oid,
    _is_understood boolean DEFAULT false
)
RETURNS SETOF unsecure.grant_step
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off
SET quote_all_identifiers = off
SET plan_cache_mode = auto -- these are set below, and with this no longer than the function runs
SET enable_nestloop = on
SET enable_hashjoin = on
SET enable_mergejoin = on
AS $function$
DECLARE
    v_elements unsecure.grant_element[];
    v_targets  unsecure.grant_target[];
    v_roles    unsecure.planned_role[];
    v_objects  unsecure.grant_object[];
    v_members  jsonb;
    v_steps    unsecure.grant_step[];
BEGIN
    IF NOT _is_understood THEN
        PERFORM unsecure.require_role_declaration(_declaration);
    END IF;
    v_elements := ARRAY(SELECT e FROM unsecure.grant_elements(_declaration) AS e);
    v_members  := unsecure.declared_members(_declaration);
    -- As in unsecure.plan_roles: PostgreSQL cannot know how many rows the steps give to each other.
    IF cardinality(v_elements) > 50 THEN
        PERFORM set_config('enable_nestloop', 'off', true), set_config('enable_mergejoin', 'off', true);
    END IF;
    v_roles    := ARRAY(SELECT r FROM unsecure.planned_roles(_declaration, _caller) AS r);
    v_targets  := ARRAY(SELECT t FROM unsecure.grant_targets(v_elements) AS t);
    PERFORM unsecure.require_targets(v_elements, v_targets, v_roles, v_members, _declaration);
    v_roles    := v_roles || ARRAY(SELECT i FROM unsecure.planned_intermediates(v_roles, v_targets, _caller) AS i);
    v_objects  := ARRAY(SELECT o FROM unsecure.planned_objects(v_targets, ARRAY(SELECT r.role_oid FROM unnest(v_roles) AS r),
                                                          ARRAY(SELECT r.role_name FROM unnest(v_roles) AS r), _caller) AS o);
    IF cardinality(v_elements) + cardinality(v_objects) + cardinality(v_roles) <= 250 THEN
        PERFORM set_config('plan_cache_mode', 'force_generic_plan', true);
    ELSE
        PERFORM set_config('plan_cache_mode', 'force_custom_plan', true), set_config('enable_nestloop', 'off', true),
                set_config('enable_mergejoin', 'off', true);
    END IF;
    v_steps    := ARRAY(SELECT s FROM unsecure.plan_difference(v_elements, v_targets, v_roles, v_objects, v_members, _caller) AS s);
    IF _declaration @> '{"drop_unused": true}' THEN
        v_roles := ARRAY(SELECT r FROM unsecure.planned_drops(v_steps, _caller) AS r);
        v_steps := v_steps || ARRAY(
            SELECT s
            FROM unsecure.plan_difference('{}', '{}', v_roles, ARRAY(SELECT o FROM unsecure.objects_of(ARRAY(SELECT r.role_oid FROM unnest(v_roles) AS r)) AS o),
                                          '[]', _caller) AS s);
    END IF;
    -- The drops come last of all.
    RETURN QUERY SELECT * FROM unnest(v_steps);
END;
$function$;

COMMENT ON FUNCTION unsecure.plan_grants(jsonb, oid, boolean) IS
    'What has to be done so that the roles can do what the declaration says, and nothing else; _caller: with whose rights; '
    '_is_understood: the declaration was looked at before. RW520, RW521, RW503, RW504.';

REVOKE ALL ON FUNCTION unsecure.plan_grants(jsonb, oid, boolean) FROM PUBLIC;
