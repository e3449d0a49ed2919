package role_test

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rolewright/rolewright/tests/harness"
)

// Every function carries the roles along in its own transaction, so whatever several sessions do at once, nothing is left to do for
// a plan afterwards, and the catalog is what an oracle computes from the tables, one user and one group at a time.
// ROLEWRIGHT_SEED repeats a run.
func TestRolesFollowWhateverSeveralSessionsDoAtOnce(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("ROLEWRIGHT_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	t.Logf("ROLEWRIGHT_SEED=%d", seed)
	db := harness.Cluster(t).Database(t)
	w := newCrowd(t, db)
	counts := map[string]int{}
	var mutex sync.Mutex
	for round := range 4 {
		var wg sync.WaitGroup
		for session := range 4 {
			conn := harness.Connect(t, db.OwnerURL)
			r := rand.New(rand.NewPCG(seed, uint64(round*10+session)))
			wg.Go(func() {
				for range 60 {
					name, err := w.step(t, conn, r)
					var refusal *pgconn.PgError
					outcome := "done"
					if err != nil {
						if !errors.As(err, &refusal) || !slices.Contains(expected, refusal.Code) {
							t.Errorf("%s: %v", name, err)
							return
						}
						outcome = refusal.Code
					}
					mutex.Lock()
					counts[name+" "+outcome]++
					mutex.Unlock()
				}
			})
		}
		wg.Wait()
		w.check(t)
		if t.Failed() {
			break
		}
	}
	t.Logf("%v", counts)
}

// Refusals of the operations themselves; and of two that waited for each other, one, as PostgreSQL has it.
var expected = []string{
	"RW111", "RW112", "RW113", "RW114", "RW202", "RW203", "RW013", "RW014", "RW012", "RW301", "RW303", "23505", "40P01",
}

// crowd is who is there in this test.
type crowd struct {
	db                       *harness.DB
	users, groups, providers []string
}

const crowdUsers, crowdGroups = 10, 6

func newCrowd(t *testing.T, db *harness.DB) *crowd {
	t.Helper()
	w := &crowd{db: db}
	for _, code := range []string{"p", "q"} {
		w.providers = append(w.providers, harness.One[string](t, db, `SELECT auth.create_provider(
			_code => $1, _name => $1, _provider_type => 'ldap', _max_disable_share => 1)::text`, code))
	}
	for i := range crowdGroups {
		group := harness.One[string](t, db, `SELECT auth.create_user_group(_code => $1, _name => $1, _group_type => 'hybrid')::text`, fmt.Sprintf("g%d", i))
		w.groups = append(w.groups, group)
		harness.Exec(t, db, `SELECT auth.create_group_mapping($1, $2, _external_group_name => $3)`, group, w.providers[i%2], fmt.Sprintf("G%d", i))
		harness.Exec(t, db, `SELECT auth.bind_group_role($1, $2)`, group, fmt.Sprintf("team %d", i))
	}
	for i := range crowdUsers {
		user := harness.One[string](t, db, `SELECT auth.create_user(_username => $1)::text`, fmt.Sprintf("u%d", i))
		w.users = append(w.users, user)
		for _, provider := range w.providers {
			harness.Exec(t, db, `SELECT auth.create_user_identity($1, $2, $3, '{}')`, user, provider, fmt.Sprintf("u%d", i))
		}
		harness.Exec(t, db, `SELECT auth.bind_user_role($1, $2)`, user, fmt.Sprintf("person %d", i))
	}
	harness.Exec(t, db, `SELECT auth.apply_database_roles()`)
	return w
}

// step does one thing in one transaction; one in five is rolled back.
func (w *crowd) step(t *testing.T, conn *pgx.Conn, r *rand.Rand) (string, error) {
	one := func(of []string) string { return of[r.IntN(len(of))] }
	names := []string{}
	for i := range crowdGroups {
		if r.IntN(3) == 0 {
			names = append(names, fmt.Sprintf("G%d", i))
		}
	}
	account := fmt.Sprintf("u%d", r.IntN(crowdUsers))
	verb := one([]string{"enable", "enable", "enable", "disable"}) // so that somebody is there
	operations := []struct {
		name, sql string
		args      []any
	}{
		{"login", `SELECT auth.update_user_identity_on_login($1, $2, $3)`, []any{one(w.providers), account, names}},
		{"login", `SELECT auth.update_user_identity_on_login($1, $2, $3)`, []any{one(w.providers), account, names}},
		{"login", `SELECT auth.update_user_identity_on_login($1, $2, $3)`, []any{one(w.providers), account, names}},
		{"login", `SELECT auth.update_user_identity_on_login($1, $2, $3)`, []any{one(w.providers), account, names}},
		{"sync", `SELECT auth.sync_provider_identities($1, ARRAY(
			SELECT jsonb_build_object('provider_user_id', 'u' || i, 'groups', $2::text[])
			FROM generate_series(0, 9) AS i WHERE random() < 0.8), _disable_missing => true)`, []any{one(w.providers), names}},
		{"user", fmt.Sprintf(`SELECT auth.%s_user($1)`, verb), []any{one(w.users)}},
		{"lock", fmt.Sprintf(`SELECT auth.%s_user($1)`, one([]string{"lock", "unlock", "unlock", "unlock"})), []any{one(w.users)}},
		{"identity", fmt.Sprintf(`SELECT auth.%s_user_identity(user_identity_id)
			FROM auth.user_identity WHERE provider_id = $1 AND provider_user_id = $2`, verb), []any{one(w.providers), account}},
		{"member", `SELECT auth.add_group_member($1, $2)`, []any{one(w.groups), one(w.users)}},
		{"no member", `SELECT auth.remove_group_member($1, $2)`, []any{one(w.groups), one(w.users)}},
		{"map", `SELECT auth.create_group_mapping($1, $2, _external_group_name => $3)`,
			[]any{one(w.groups), one(w.providers), fmt.Sprintf("G%d", r.IntN(crowdGroups))}},
		{"unmap", `SELECT auth.delete_group_mapping((SELECT user_group_mapping_id FROM auth.user_group_mapping ORDER BY random() LIMIT 1))`, nil},
		{"group", fmt.Sprintf(`SELECT auth.%s_user_group($1)`, verb), []any{one(w.groups)}},
		{"provider", fmt.Sprintf(`SELECT auth.%s_provider($1)`, verb), []any{one(w.providers)}},
		{"bind", `SELECT auth.bind_group_role($1, $2); SELECT auth.apply_database_roles()`, []any{one(w.groups), fmt.Sprintf("team %d", r.IntN(crowdGroups))}},
		{"unbind", `SELECT auth.unbind_group_role($1, $2); SELECT auth.apply_database_roles()`, []any{one(w.groups), fmt.Sprintf("team %d", r.IntN(crowdGroups))}},
		{"apply", `SELECT auth.apply_database_roles()`, nil},
	}
	o := operations[r.IntN(len(operations))]
	ctx := t.Context()
	tx, err := conn.Begin(ctx)
	if err != nil {
		return o.name, err
	}
	for i, sql := range strings.Split(o.sql, "; ") {
		args := o.args
		if i > 0 {
			args = nil
		}
		if _, err := tx.Exec(ctx, sql, args...); err != nil {
			return o.name, cmp.Or(err, tx.Rollback(ctx))
		}
	}
	if r.IntN(5) == 0 {
		return o.name + " rolled back", tx.Rollback(ctx)
	}
	return o.name, tx.Commit(ctx)
}

// check compares the catalog with the tables, when nobody is at work.
func (w *crowd) check(t *testing.T) {
	t.Helper()
	if plan := harness.Column[string](t, w.db, `SELECT p::text FROM auth.plan_database_roles() AS p`); len(plan) > 0 {
		t.Errorf("planned still: %q", plan)
	}
	// Written down differently from the plan on purpose.
	wrong := harness.Column[string](t, w.db, `
		WITH person AS (
			SELECT u.user_id, 'person ' || substr(u.username, 2) AS role_name,
			       u.is_active AND NOT u.is_locked
			       AND EXISTS (SELECT FROM auth.user_identity i JOIN auth.provider p USING (provider_id)
			                   WHERE i.user_id = u.user_id AND i.is_active AND p.is_active) AS can_login
			FROM auth.user_info u
		), oracle AS (
			SELECT DISTINCT p.role_name, d.role_name AS group_role
			FROM person p
			CROSS JOIN auth.user_group g
			JOIN auth.group_role b USING (user_group_id)
			JOIN auth.database_role d USING (database_role_id)
			WHERE p.can_login
			  AND g.is_active
			  AND (EXISTS (SELECT FROM auth.user_group_member m WHERE m.user_id = p.user_id AND m.user_group_id = g.user_group_id)
			       OR EXISTS (SELECT
			                  FROM auth.user_group_mapping m
			                  JOIN auth.user_identity i ON i.provider_id = m.provider_id
			                  JOIN auth.provider v ON v.provider_id = i.provider_id
			                  WHERE m.user_group_id = g.user_group_id AND i.user_id = p.user_id AND i.is_active AND v.is_active
			                    AND lower(m.external_group_name) IN (SELECT lower(n) FROM unnest(i.provider_groups) AS n)))
		), held AS (
			SELECT r.rolname AS role_name, g.rolname AS group_role
			FROM pg_auth_members m
			JOIN pg_roles r ON r.oid = m.member
			JOIN pg_roles g ON g.oid = m.roleid
			WHERE r.rolname LIKE 'person %'
		)
		SELECT format('%s should be a member of %s', o.role_name, o.group_role)
		FROM oracle o WHERE NOT EXISTS (SELECT FROM held h WHERE h.role_name = o.role_name AND h.group_role = o.group_role)
		UNION ALL
		SELECT format('%s should be no member of %s', h.role_name, h.group_role)
		FROM held h WHERE NOT EXISTS (SELECT FROM oracle o WHERE h.role_name = o.role_name AND h.group_role = o.group_role)
		UNION ALL
		SELECT format('%s can log in: %s', r.rolname, r.rolcanlogin)
		FROM person p JOIN pg_roles r ON r.rolname = p.role_name WHERE r.rolcanlogin <> p.can_login`)
	if len(wrong) > 0 {
		t.Errorf("%q", wrong)
	}
}
