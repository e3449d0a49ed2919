package consistency_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rolewright/rolewright/tests/harness"
)

// The oracle: who has what, from the tables that people write, and from nothing that is kept for speed. It shares no function, no
// view and no formulation with the product.
const oracle = `
WITH now AS MATERIALIZED (
    SELECT statement_timestamp() AS ts
), in_group AS MATERIALIZED (
    SELECT m.user_id, m.user_group_id
    FROM now, auth.user_group_member m
    JOIN auth.user_group g USING (user_group_id)
    WHERE g.group_type IN ('internal', 'hybrid')
      AND coalesce(m.valid_until, 'infinity') > ts
    UNION
    SELECT i.user_id, g.user_group_id
    FROM auth.user_group g
    JOIN auth.user_group_mapping m USING (user_group_id)
    JOIN auth.provider v USING (provider_id)
    JOIN auth.user_identity i USING (provider_id)
    WHERE g.group_type IN ('external', 'hybrid')
      AND m.is_active AND v.is_active AND i.is_active
      AND NOT EXISTS (
          SELECT FROM auth.user_identity o
          WHERE o.user_id = i.user_id AND o.user_identity_id <> i.user_identity_id AND o.is_last_used AND NOT i.is_last_used)
      AND (CASE v.group_match
               WHEN 'exact' THEN m.external_group_name = ANY (i.provider_groups)
               ELSE lower(m.external_group_name) = ANY (lower(i.provider_groups::text)::text[])
           END
           OR CASE v.group_match
               WHEN 'exact' THEN m.external_role_name = ANY (i.provider_roles)
               ELSE lower(m.external_role_name) = ANY (lower(i.provider_roles::text)::text[])
           END)
), held AS (
    SELECT coalesce(a.user_id, n.user_id) AS user_id, a.tenant_id,
           string_to_array(coalesce(a.permission_code, s.permission_code), '.') AS node
    FROM now, auth.permission_assignment a
    LEFT JOIN auth.perm_set_permission s ON s.perm_set_id = a.perm_set_id
    LEFT JOIN auth.user_group g ON g.user_group_id = a.user_group_id
    LEFT JOIN in_group n ON n.user_group_id = a.user_group_id
    WHERE coalesce(a.valid_until, 'infinity') > ts
      AND (a.user_group_id IS NULL OR g.is_active AND coalesce(g.tenant_id, a.tenant_id) = a.tenant_id)
), expected AS MATERIALIZED (
    SELECT DISTINCT u.user_id, t.tenant_id, p.code
    FROM held h
    JOIN auth.user_info u ON u.user_id = h.user_id AND u.is_active AND NOT u.is_locked
    JOIN auth.tenant t ON t.tenant_id = h.tenant_id AND t.is_active
    JOIN auth.permission p ON (string_to_array(p.code, '.'))[1 : cardinality(h.node)] = h.node
)`

// Every question is asked about everybody in the statement that computes what the answer should be: one snapshot, one moment.
// $1: also the lists and the explanations, of which the salt $2 chooses one in ten.
const differences = oracle + `, asked AS MATERIALIZED (
    SELECT u.user_id, u.username, t.tenant_id, t.code AS tenant, p.code, e.code IS NOT NULL AS expected
    FROM auth.user_info u
    CROSS JOIN auth.tenant t
    CROSS JOIN auth.permission p
    LEFT JOIN expected e ON e.user_id = u.user_id AND e.tenant_id = t.tenant_id AND e.code = p.code
), listed AS MATERIALIZED (
    SELECT u.user_id, t.tenant_id, l.permission_code AS code
    FROM auth.user_info u
    CROSS JOIN auth.tenant t
    CROSS JOIN LATERAL auth.effective_permissions(u.user_id, t.tenant_id) AS l
    WHERE $1
), holding AS MATERIALIZED (
    SELECT l.user_id, t.tenant_id, p.code
    FROM auth.permission p
    CROSS JOIN auth.tenant t
    CROSS JOIN LATERAL auth.users_with_permission(p.code, t.tenant_id) AS l
    WHERE $1
), answer AS (
    SELECT 'has_permission' AS question, a.username, a.code, a.tenant, a.expected,
           auth.has_permission(a.user_id, a.code, a.tenant_id) AS answer
    FROM asked a
    UNION ALL
    SELECT 'has_permissions, all', a.username, '*', a.tenant, bool_and(a.expected),
           auth.has_permissions(a.user_id, array_agg(a.code), a.tenant_id)
    FROM asked a
    WHERE $1
    GROUP BY a.user_id, a.username, a.tenant_id, a.tenant
    UNION ALL
    SELECT 'has_permissions, any', a.username, '*', a.tenant, bool_or(a.expected),
           auth.has_permissions(a.user_id, array_agg(a.code), a.tenant_id, false)
    FROM asked a
    WHERE $1
    GROUP BY a.user_id, a.username, a.tenant_id, a.tenant
    UNION ALL
    SELECT 'effective_permissions', a.username, a.code, a.tenant, a.expected, l.code IS NOT NULL
    FROM asked a
    LEFT JOIN listed l ON l.user_id = a.user_id AND l.tenant_id = a.tenant_id AND l.code = a.code
    WHERE $1
    UNION ALL
    SELECT 'users_with_permission', a.username, a.code, a.tenant, a.expected, h.code IS NOT NULL
    FROM asked a
    LEFT JOIN holding h ON h.user_id = a.user_id AND h.tenant_id = a.tenant_id AND h.code = a.code
    WHERE $1
    UNION ALL
    SELECT 'explain_permission', a.username, a.code, a.tenant, a.expected,
           (SELECT bool_or(x.is_granted) FROM auth.explain_permission(a.user_id, a.code, a.tenant_id) AS x)
    FROM asked a
    WHERE $1 AND hashtext($2::int::text || a.username || a.code || a.tenant) % 10 = 0
)
SELECT format('%s: user %s, %s, tenant %s: answers %s, and should %s', question, username, code, tenant, answer, expected)
FROM answer
WHERE answer IS DISTINCT FROM expected`

// What the rows that are kept for speed say and the tables do not: the identities' half of the cache.
const wrongWays = `
SELECT format('identity %s of %s (last used %s, active %s; groups %s, roles %s) knows %s until %s, and matches %s',
              i.provider_user_id, u.username, i.is_last_used, i.is_active, i.provider_groups, i.provider_roles, i.mapped_ways,
              i.mapped_until, x.mapping_nos)
FROM auth.user_identity i
JOIN auth.user_info u USING (user_id)
JOIN auth.provider v USING (provider_id)
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(m.mapping_no) FILTER (WHERE m.mapping_no::text = ANY (i.mapped_ways)), '{}') AS known,
           coalesce(array_agg(m.mapping_no) FILTER (
               WHERE m.mapping_no <= i.mapped_until
                 AND m.provider_id = i.provider_id
                 AND CASE v.group_match
                         WHEN 'exact' THEN m.external_group_name = ANY (i.provider_groups)
                                           OR m.external_role_name = ANY (i.provider_roles)
                         ELSE lower(m.external_group_name) = ANY (lower(i.provider_groups::text)::text[])
                              OR lower(m.external_role_name) = ANY (lower(i.provider_roles::text)::text[])
                     END), '{}') AS mapping_nos
    FROM (SELECT * FROM auth.user_group_mapping ORDER BY mapping_no) AS m
) AS x
WHERE i.mapped_ways IS NOT NULL
  AND NOT (i.is_last_used AND i.is_active AND u.is_active AND NOT u.is_locked AND x.known = x.mapping_nos)`

const cacheRows = `
SELECT format('%s %s: %s timed %s newest %s groups %s', tenant_id, permission_code, ways, timed_ways, newest_mapping, user_group_ids)
FROM auth.permission_cache
ORDER BY tenant_id, permission_code`

// compare returns where answers differ from the oracle. With no t: workers must not end amid their transactions.
func compare(ctx context.Context, q harness.Querier, thorough bool, salt int) ([]string, error) {
	rows, _ := q.Query(ctx, differences, thorough, salt) // the error comes out of the rows again
	wrong, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	rows, _ = q.Query(ctx, wrongWays)
	ways, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return append(wrong, ways...), err
}

// compareAll asks with the cache as it is, cold, and filled anew; and compares the cache with what it would be if it were made
// anew. It changes nothing.
func compareAll(t testing.TB, conn *pgx.Conn, salt int) (wrong []string) {
	t.Helper()
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	ask := func(state string) {
		t.Helper()
		found, err := compare(t.Context(), tx, state == "as it is", salt)
		if err != nil {
			t.Fatal(err)
		}
		for _, difference := range found {
			wrong = append(wrong, "the cache "+state+": "+difference)
		}
	}

	ask("as it is")
	wrong = append(wrong, makeAnew(t, tx)...)
	ask("cold")
	harness.Exec(t, tx, `SELECT auth.fill_permission_cache()`)
	ask("filled")
	return wrong
}

// makeAnew clears the cache and makes it anew, and returns how it differs from before.
func makeAnew(t testing.TB, tx pgx.Tx) (wrong []string) {
	t.Helper()
	kept := harness.Column[string](t, tx, cacheRows)
	harness.Exec(t, tx, `SELECT unsecure.clear_permission_cache_all()`)
	made := harness.Column[string](t, tx, cacheRows)
	if !slices.Equal(kept, made) {
		wrong = append(wrong, fmt.Sprintf("auth.permission_cache is\n%s\nand made anew\n%s", strings.Join(kept, "\n"), strings.Join(made, "\n")))
	}
	return wrong
}
