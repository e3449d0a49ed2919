-- The cache that permission checks read. It has two halves, and a check asks whether they meet:
--
--     auth.permission_cache           (tenant, permission) → the ways that give it. Small: it does not grow with the users.
--     auth.user_identity.mapped_ways  user → the ways in that its identity has (see mapped_ways.sql)
--
-- A way is how somebody is in a group: through a mapping (its mapping_no), or put in by hand (the user_group_id). A change of a group with
-- 50,000 members therefore changes the rows of its permissions and of no user.
--
-- This half is never stale: triggers recompute it in the transaction that changes what it comes from, and such transactions take turns
-- (lock_permission_model). Nobody else writes it: no check, no login.

CREATE TABLE auth.permission_cache (
    tenant_id       uuid   NOT NULL,
    permission_code text   COLLATE "C" NOT NULL,
    ways            jsonb  NOT NULL,
    timed_ways      jsonb,
    newest_mapping  bigint NOT NULL,
    user_group_ids  uuid[] NOT NULL,
    CONSTRAINT permission_cache_pkey PRIMARY KEY (tenant_id, permission_code)
) WITH (fillfactor = 80, toast_tuple_target = 8160); -- in the row as long as it fits: checks read it

CREATE INDEX permission_cache_user_group_ids_idx ON auth.permission_cache USING gin (user_group_ids) WITH (fastupdate = off);

COMMENT ON TABLE auth.permission_cache IS
    'For permission checks: which ways into groups give a permission in a tenant. Kept by triggers; unsecure.clear_permission_cache_all '
    'makes it anew.';
COMMENT ON COLUMN auth.permission_cache.ways IS
    'Keys: mapping_no of mappings, user_group_id of groups with members put in by hand. The assignment has no end.';
COMMENT ON COLUMN auth.permission_cache.timed_ways IS 'The same for assignments with an end, which is the value.';
COMMENT ON COLUMN auth.permission_cache.newest_mapping IS
    'The highest mapping_no among the ways: an identity whose mapped_until is below may have a way that it does not know of.';
COMMENT ON COLUMN auth.permission_cache.user_group_ids IS 'The groups whose ways these are.';

REVOKE ALL ON auth.permission_cache FROM PUBLIC;
GRANT SELECT ON auth.permission_cache TO rolewright_operator, rolewright_auditor;

-- One row. A lock alone would not do: transactions with an older snapshot (REPEATABLE READ) must fail on it, so it is written.
CREATE TABLE unsecure.permission_model (
    is_only    boolean NOT NULL DEFAULT true,
    changed_by xid8    NOT NULL,
    CONSTRAINT permission_model_pkey PRIMARY KEY (is_only),
    CONSTRAINT permission_model_is_only_check CHECK (is_only)
) WITH (fillfactor = 10);

INSERT INTO unsecure.permission_model (changed_by) VALUES (pg_current_xact_id());

COMMENT ON TABLE unsecure.permission_model IS 'The row that changes of the permission model take turns on; see unsecure.lock_permission_model.';

REVOKE ALL ON unsecure.permission_model FROM PUBLIC;

-- What changes groups, mappings or assignments holds this until its transaction ends, and takes it before any row of theirs (all
-- in one order: no deadlock). Logins, syncs and checks do not take it.
CREATE OR REPLACE FUNCTION unsecure.lock_permission_model()
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $function$
BEGIN
    -- Written by this transaction already: it has the lock. By xmin too, since changed_by may come from another cluster (pg_dump).
    UPDATE unsecure.permission_model
    SET changed_by = pg_current_xact_id()
    WHERE changed_by <> pg_current_xact_id() OR xmin <> pg_current_xact_id()::xid;
END;
$function$;

COMMENT ON FUNCTION unsecure.lock_permission_model() IS
    'One transaction at a time changes the permission model. 40001: another one did, after this REPEATABLE READ transaction began.';

CREATE OR REPLACE FUNCTION unsecure.is_at_or_below(
    _code text,
    _node text
)
RETURNS boolean
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN _code = _node OR starts_with(_code, _node || '.');

COMMENT ON FUNCTION unsecure.is_at_or_below(text, text) IS 'Whether a permission is this node of the tree, or below it.';

CREATE OR REPLACE FUNCTION unsecure.nodes_above(_codes text[])
RETURNS TABLE (code text)
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $function$
    SELECT DISTINCT array_to_string(v.parts[1:n], '.')
    FROM unnest(_codes) AS c
    CROSS JOIN LATERAL (SELECT string_to_array(c, '.') AS parts) AS v
    CROSS JOIN LATERAL generate_series(1, cardinality(v.parts)) AS n;
$function$;

COMMENT ON FUNCTION unsecure.nodes_above(text[]) IS 'Permissions with the nodes above them: whoever is granted one of these has something of them.';

-- What is assigned in active tenants, unrolled over the sets and over the tree. Ends are for the reader to judge.
CREATE VIEW unsecure.assigned_permission AS
SELECT a.tenant_id, a.user_group_id, a.user_id, a.node_code, p.code AS permission_code, a.valid_until
FROM (
    SELECT n.tenant_id, n.user_group_id, n.user_id, n.permission_code AS node_code, n.valid_until
    FROM auth.permission_assignment n
    WHERE n.permission_code IS NOT NULL
    UNION ALL
    SELECT n.tenant_id, n.user_group_id, n.user_id, s.permission_code, n.valid_until
    FROM auth.permission_assignment n
    JOIN auth.perm_set_permission s ON s.perm_set_id = n.perm_set_id
) AS a
JOIN auth.tenant t ON t.tenant_id = a.tenant_id
-- The range is for the index: it holds the node, what is below it, and some that only begin alike.
JOIN auth.permission p
    ON p.code >= a.node_code AND p.code < a.node_code || '/'
   AND unsecure.is_at_or_below(p.code, a.node_code)
WHERE t.is_active;

CREATE VIEW unsecure.group_permission AS
SELECT a.tenant_id, a.user_group_id, a.node_code, a.permission_code, a.valid_until
FROM unsecure.assigned_permission a
JOIN auth.user_group g ON g.user_group_id = a.user_group_id
WHERE g.is_active
  AND (g.tenant_id IS NULL OR g.tenant_id = a.tenant_id);

-- How one can be in a group.
CREATE VIEW unsecure.group_way AS
SELECT g.user_group_id, g.user_group_id::text AS way, 0::bigint AS mapping_no
FROM auth.user_group g
WHERE g.group_type <> 'external'
UNION ALL
SELECT g.user_group_id, m.mapping_no::text, m.mapping_no
FROM auth.user_group g
JOIN auth.user_group_mapping m ON m.user_group_id = g.user_group_id
JOIN auth.provider p ON p.provider_id = m.provider_id
WHERE g.group_type <> 'internal'
  AND m.is_active
  AND p.is_active;

COMMENT ON VIEW unsecure.assigned_permission IS 'Which group or user is assigned which permission in which active tenant, by which node, until when.';
COMMENT ON VIEW unsecure.group_permission IS 'Which group gives which permission in which tenant, and until when.';
COMMENT ON VIEW unsecure.group_way IS 'Ways into groups: by hand (mapping_no 0), and active mappings of active providers.';

REVOKE ALL ON unsecure.assigned_permission, unsecure.group_permission, unsecure.group_way FROM PUBLIC;

-- Desired minus actual, for the permissions that these groups give or gave.
CREATE OR REPLACE FUNCTION unsecure.refresh_permission_cache(_user_group_ids uuid[])
RETURNS void
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $function$
DECLARE
    v_tenants uuid[];
    v_codes   text[];
    v_nodes   text[];
BEGIN
    IF _user_group_ids = '{}' THEN
        RETURN;
    END IF;
    PERFORM unsecure.lock_permission_model();

    SELECT array_agg(c.tenant_id), array_agg(c.permission_code)
    INTO v_tenants, v_codes
    FROM (
        SELECT k.tenant_id, k.permission_code FROM auth.permission_cache k WHERE k.user_group_ids && _user_group_ids
        UNION
        SELECT p.tenant_id, p.permission_code FROM unsecure.group_permission p WHERE p.user_group_id = ANY (_user_group_ids)
    ) AS c;
    v_nodes := ARRAY(SELECT n.code FROM unsecure.nodes_above(v_codes) AS n);

    WITH affected AS MATERIALIZED (
        SELECT a.tenant_id, a.permission_code COLLATE "C" AS permission_code
        FROM unnest(v_tenants, v_codes) AS a (tenant_id, permission_code)
    ), given AS (
        SELECT p.tenant_id, p.permission_code, w.way, w.mapping_no, p.user_group_id,
               CASE WHEN bool_and(p.valid_until IS NOT NULL) THEN max(p.valid_until) END AS valid_until
        FROM unsecure.group_permission p
        JOIN unsecure.group_way w ON w.user_group_id = p.user_group_id
        -- Of all that the tenants' groups have, the nodes at or above the affected permissions.
        WHERE p.tenant_id = ANY (v_tenants)
          AND p.node_code = ANY (v_nodes)
          AND p.permission_code = ANY (v_codes)
        GROUP BY p.tenant_id, p.permission_code, w.way, w.mapping_no, p.user_group_id
    ), desired AS MATERIALIZED (
        SELECT a.tenant_id, a.permission_code,
               coalesce(jsonb_object_agg(g.way, true) FILTER (WHERE g.valid_until IS NULL), '{}')   AS ways,
               jsonb_object_agg(g.way, g.valid_until) FILTER (WHERE g.valid_until IS NOT NULL)      AS timed_ways,
               max(g.mapping_no)                                                                    AS newest_mapping,
               array_agg(DISTINCT g.user_group_id)                                                  AS user_group_ids
        FROM affected a
        JOIN given g ON g.tenant_id = a.tenant_id AND g.permission_code = a.permission_code
        GROUP BY a.tenant_id, a.permission_code
    ), gone AS (
        DELETE FROM auth.permission_cache k
        USING affected a
        WHERE k.tenant_id = a.tenant_id
          AND k.permission_code = a.permission_code
          AND NOT EXISTS (SELECT FROM desired d WHERE d.tenant_id = a.tenant_id AND d.permission_code = a.permission_code)
    )
    INSERT INTO auth.permission_cache AS k (tenant_id, permission_code, ways, timed_ways, newest_mapping, user_group_ids)
    SELECT d.tenant_id, d.permission_code, d.ways, d.timed_ways, d.newest_mapping, d.user_group_ids
    FROM desired d
    ON CONFLICT (tenant_id, permission_code) DO UPDATE
        SET ways           = excluded.ways,
            timed_ways     = excluded.timed_ways,
            newest_mapping = excluded.newest_mapping,
            user_group_ids = excluded.user_group_ids
        WHERE (k.ways, k.timed_ways, k.newest_mapping, k.user_group_ids)
              IS DISTINCT FROM (excluded.ways, excluded.timed_ways, excluded.newest_mapping, excluded.user_group_ids);
END;
$function$;

COMMENT ON FUNCTION unsecure.refresh_permission_cache(uuid[]) IS
    'Recomputes the rows of auth.permission_cache that these groups give or gave; writes only those that differ.';

REVOKE ALL ON FUNCTION
    unsecure.lock_permission_model(),
    unsecure.is_at_or_below(text, text),
    unsecure.nodes_above(text[]),
    unsecure.refresh_permission_cache(uuid[])
FROM PUBLIC;
