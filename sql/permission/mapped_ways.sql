-- The users' half of the cache: which mappings an identity matches, in the identity's own row (auth.user_identity.mapped_ways). A row cannot
-- disagree with itself, so a login, a sync or a DBA's UPDATE that changes the groups changes the ways with it, by this trigger.
--
-- What can still make it wrong from outside, and what is done about it:
--   a mapping that is new, or matches something else  has a number above mapped_until: checks see that and ask the tables
--   a mapping, group or provider that is disabled     is not in auth.permission_cache
--   the user is disabled or locked                    takes the ways from its identities (user_info_usable_changed)

CREATE OR REPLACE FUNCTION unsecure.user_identity_map_ways()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
SET plan_cache_mode = force_generic_plan -- planning takes longer than running
SET enable_seqscan = off                 -- and so does reading a small table, name by name
AS $function$
DECLARE
    v_is_cleared boolean := NEW.mapped_ways IS NULL AND OLD.mapped_ways IS NOT NULL
        AND (NEW.user_id, NEW.provider_id, NEW.provider_groups, NEW.provider_roles, NEW.is_active, NEW.is_last_used)
            IS NOT DISTINCT FROM
            (OLD.user_id, OLD.provider_id, OLD.provider_groups, OLD.provider_roles, OLD.is_active, OLD.is_last_used);
    v_is_new boolean := OLD.mapped_until = -2 OR NEW.user_id <> OLD.user_id;
BEGIN
    NEW.mapped_ways  := NULL;
    NEW.mapped_until := CASE WHEN v_is_new THEN -2 ELSE 0 END;
    IF v_is_cleared OR NOT (NEW.is_active AND NEW.is_last_used) THEN
        RETURN NEW;
    END IF;

    -- The lock: whoever disables or locks the user waits until this is committed, and then finds it. Nobody is waited for here, since
    -- the identity is locked before its user; whose user somebody else is changing has no ways until its next login.
    PERFORM 1 FROM auth.user_info u WHERE u.user_id = NEW.user_id AND u.is_active AND NOT u.is_locked FOR SHARE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN NEW;
    END IF;
    -- Once for each identity of the user: a REPEATABLE READ transaction whose snapshot does not have the identity would not find it,
    -- so it must fail (40001), and it does when the user's row is another one.
    IF v_is_new THEN
        PERFORM 1 FROM auth.user_info u WHERE u.user_id = NEW.user_id FOR NO KEY UPDATE SKIP LOCKED;
        IF NOT FOUND THEN
            RETURN NEW;
        END IF;
        UPDATE auth.user_info SET updated_at = updated_at WHERE user_id = NEW.user_id;
    END IF;

    -- One statement, one snapshot: every mapping up to mapped_until was looked at.
    SELECT ARRAY(SELECT DISTINCT m.mapping_no::text
                 FROM unsecure.matching_mappings(NEW.provider_id, NEW.provider_groups, NEW.provider_roles) AS m),
           coalesce((SELECT max(m.mapping_no) FROM auth.user_group_mapping m), 0)
    INTO NEW.mapped_ways, NEW.mapped_until;
    RETURN NEW;
END;
$function$;

CREATE OR REPLACE FUNCTION unsecure.user_identity_insert_ways()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    NEW.mapped_ways  := NULL;
    NEW.mapped_until := -2;
    RETURN NEW;
END;
$function$;

-- All identities, whatever they look like in this snapshot: a REPEATABLE READ transaction must meet the one that a login just changed.
CREATE OR REPLACE FUNCTION unsecure.user_info_usable_changed()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    UPDATE auth.user_identity
    SET mapped_ways = CASE WHEN NEW.is_active AND NOT NEW.is_locked THEN '{}'::text[] END
    WHERE user_id = NEW.user_id;
    RETURN NULL;
END;
$function$;

COMMENT ON FUNCTION unsecure.user_identity_map_ways() IS
    'Row trigger: works mapped_ways out. An UPDATE that sets it to NULL clears it; set to anything else, it is worked out.';
COMMENT ON FUNCTION unsecure.user_identity_insert_ways() IS 'Row trigger: a new identity''s ways are worked out at its first login.';
COMMENT ON FUNCTION unsecure.user_info_usable_changed() IS
    'Row trigger: who is disabled or locked has no ways; who is no longer, has them again.';

REVOKE ALL ON FUNCTION
    unsecure.user_identity_map_ways(),
    unsecure.user_identity_insert_ways(),
    unsecure.user_info_usable_changed()
FROM PUBLIC;

CREATE TRIGGER user_identity_map_ways_insert
    BEFORE INSERT ON auth.user_identity
    FOR EACH ROW WHEN (NEW.mapped_ways IS NOT NULL OR NEW.mapped_until <> -2)
    EXECUTE FUNCTION unsecure.user_identity_insert_ways();

-- After the trigger that keeps one last used identity: triggers run in the order of their names.
CREATE TRIGGER user_identity_map_ways_update
    BEFORE UPDATE OF
        user_id, provider_id, provider_groups, provider_roles, is_active, is_last_used, mapped_ways, mapped_until
    ON auth.user_identity
    FOR EACH ROW WHEN (
        (NEW.is_last_used OR NEW.mapped_ways IS NOT NULL OR NEW.user_id <> OLD.user_id)
        AND (OLD.user_id, OLD.provider_id, OLD.provider_groups, OLD.provider_roles, OLD.is_active, OLD.is_last_used,
             OLD.mapped_ways, OLD.mapped_until)
            IS DISTINCT FROM
            (NEW.user_id, NEW.provider_id, NEW.provider_groups, NEW.provider_roles, NEW.is_active, NEW.is_last_used,
             NEW.mapped_ways, NEW.mapped_until))
    EXECUTE FUNCTION unsecure.user_identity_map_ways();

CREATE TRIGGER user_info_usable_changed
    AFTER UPDATE OF is_active, is_locked ON auth.user_info
    FOR EACH ROW WHEN ((NEW.is_active AND NOT NEW.is_locked) <> (OLD.is_active AND NOT OLD.is_locked))
    EXECUTE FUNCTION unsecure.user_info_usable_changed();
