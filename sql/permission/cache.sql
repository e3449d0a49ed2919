-- Called wherever something changes that effective groups or permissions are computed from.
-- Nothing is cached yet: auth.effective_groups reads the tables at every question, so there is nothing that could be stale.

CREATE OR REPLACE FUNCTION unsecure.clear_permission_cache(_user_id uuid)
RETURNS void
LANGUAGE sql
VOLATILE
AS $function$ $function$;

CREATE OR REPLACE FUNCTION unsecure.clear_permission_cache_by_provider(_provider_id uuid)
RETURNS void
LANGUAGE sql
VOLATILE
AS $function$ $function$;

COMMENT ON FUNCTION unsecure.clear_permission_cache(uuid) IS 'Forgets what is cached about a user.';
COMMENT ON FUNCTION unsecure.clear_permission_cache_by_provider(uuid) IS 'Forgets what is cached about the users of a provider.';

REVOKE ALL ON FUNCTION unsecure.clear_permission_cache(uuid), unsecure.clear_permission_cache_by_provider(uuid) FROM PUBLIC;
