-- Clearing and filling the cache, and how full it is. Nobody needs to: triggers keep it right, and a check whose user is not in it
-- asks the tables. It is for who changed the tables with triggers disabled, and for the reference's scripts, which call it.

CREATE OR REPLACE FUNCTION unsecure.clear_permission_cache(_user_id uuid)
RETURNS void
LANGUAGE sql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
    -- Anything but NULL is worked out by the trigger.
    UPDATE auth.user_identity SET mapped_ways = NULL WHERE user_id = _user_id AND mapped_ways IS NOT NULL;
    UPDATE auth.user_identity SET mapped_ways = '{}' WHERE user_id = _user_id AND is_last_used;
$function$;

CREATE OR REPLACE FUNCTION unsecure.clear_permission_cache_by_provider(_provider_id uuid)
RETURNS void
LANGUAGE sql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
    UPDATE auth.user_identity SET mapped_ways = NULL WHERE provider_id = _provider_id AND mapped_ways IS NOT NULL;
$function$;

CREATE OR REPLACE FUNCTION unsecure.clear_permission_cache_all()
RETURNS void
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM unsecure.lock_permission_model();
    DELETE FROM auth.permission_cache;
    PERFORM unsecure.refresh_permission_cache(ARRAY(SELECT g.user_group_id FROM auth.user_group g));
    UPDATE auth.user_identity SET mapped_ways = NULL WHERE mapped_ways IS NOT NULL;
END;
$function$;

COMMENT ON FUNCTION unsecure.clear_permission_cache(uuid) IS 'Forgets the cached ways of a user, and works them out again.';
COMMENT ON FUNCTION unsecure.clear_permission_cache_by_provider(uuid) IS
    'Forgets the cached ways of all identities of a provider; the next login, or auth.fill_permission_cache, works them out.';
COMMENT ON FUNCTION unsecure.clear_permission_cache_all() IS
    'Makes auth.permission_cache anew and forgets the cached ways of all identities.';

REVOKE ALL ON FUNCTION
    unsecure.clear_permission_cache(uuid),
    unsecure.clear_permission_cache_by_provider(uuid),
    unsecure.clear_permission_cache_all()
FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth.fill_permission_cache(_limit integer DEFAULT 10000)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_filled bigint;
BEGIN
    -- SKIP LOCKED: who is logging in fills its own.
    UPDATE auth.user_identity
    SET mapped_ways = '{}', mapped_until = -1
    WHERE user_identity_id IN (
        SELECT i.user_identity_id
        FROM auth.user_identity i
        JOIN auth.user_info u ON u.user_id = i.user_id
        WHERE i.is_last_used
          AND i.is_active
          AND u.is_active
          AND NOT u.is_locked
          AND (i.mapped_ways IS NULL OR i.mapped_until < (SELECT max(m.mapping_no) FROM auth.user_group_mapping m))
        LIMIT _limit
        FOR NO KEY UPDATE OF i SKIP LOCKED);
    GET DIAGNOSTICS v_filled = ROW_COUNT;
    RETURN v_filled;
END;
$function$;

COMMENT ON FUNCTION auth.fill_permission_cache(integer) IS
    'Works the cached ways of up to _limit users out who have logged in and are cold or stale (auth.permission_cache_statistics), and '
    'returns how many; 0: all done. Logins do the same for their own user, so this only saves the checks until then some time.';

REVOKE ALL ON FUNCTION auth.fill_permission_cache(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.fill_permission_cache(integer) TO rolewright_operator;

CREATE VIEW auth.permission_cache_statistics AS
SELECT c.permissions, c.largest_row_bytes, u.warm_users, u.stale_users, u.cold_users
FROM (
    SELECT count(*) AS permissions, max(pg_column_size(k.ways) + coalesce(pg_column_size(k.timed_ways), 0)) AS largest_row_bytes
    FROM auth.permission_cache k
) AS c
CROSS JOIN (
    SELECT count(*) FILTER (WHERE i.mapped_until >= n.newest)             AS warm_users,
           count(*) FILTER (WHERE i.mapped_until < n.newest)              AS stale_users,
           count(*) FILTER (WHERE i.mapped_ways IS NULL)                  AS cold_users
    FROM (
        SELECT i.mapped_ways, CASE WHEN i.mapped_ways IS NOT NULL THEN i.mapped_until END AS mapped_until
        FROM auth.user_identity i
        JOIN auth.user_info u ON u.user_id = i.user_id
        WHERE i.is_last_used AND i.is_active AND u.is_active AND NOT u.is_locked
    ) AS i
    CROSS JOIN (SELECT coalesce(max(m.mapping_no), 0) AS newest FROM auth.user_group_mapping m) AS n
) AS u;

COMMENT ON VIEW auth.permission_cache_statistics IS
    'permissions: rows of auth.permission_cache (tenant and permission) and the largest one in bytes. Of users who have logged in: '
    'warm; stale: a mapping was made since, so that their checks ask the tables for what it gives; cold: theirs always do.';

REVOKE ALL ON auth.permission_cache_statistics FROM PUBLIC;
GRANT SELECT ON auth.permission_cache_statistics TO rolewright_operator, rolewright_auditor;
