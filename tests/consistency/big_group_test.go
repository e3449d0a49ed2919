package consistency_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/rolewright/rolewright/tests/harness"
)

const (
	bigGroup     = 50_000
	longestLogin = 2 * time.Second
)

// A change of a group with 50,000 members stops nobody from logging in, and holds for all of them from its commit on.
func TestABigGroupChangesWhileItsMembersLogIn(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("makes 50,000 users")
	}
	db := harness.Database(t)
	begun := time.Now()
	provider := harness.One[string](t, db, `SELECT auth.create_provider('p', 'P', 'ldap')::text`)
	harness.Exec(t, db, `
		SELECT auth.sync_provider_identities($1,
			ARRAY(SELECT jsonb_build_object('provider_user_id', 'p' || n, 'groups', jsonb_build_array('Big', 'g' || n % 100)) FROM generate_series(1, $2::int) n),
			_create_missing => true)`, provider, bigGroup)
	mapped := harness.One[string](t, db, `SELECT auth.create_user_group('mapped', 'Mapped', 'external')::text`)
	manual := harness.One[string](t, db, `SELECT auth.create_user_group('manual', 'Manual')::text`)
	harness.Exec(t, db, `INSERT INTO auth.user_group_member (user_group_id, user_id) SELECT $1, user_id FROM auth.user_info`, manual)
	harness.Exec(t, db, `SELECT auth.create_permission('by.mapping'), auth.create_permission('by.hand')`)
	// Half of the members have logged in: their ways are in the cache.
	harness.Exec(t, db, `UPDATE auth.user_identity SET is_last_used = true WHERE hashtext(provider_user_id) % 2 = 0`)
	harness.Exec(t, db, `ANALYZE`)
	t.Logf("%d users and twice as many memberships after %v", bigGroup, time.Since(begun).Round(time.Millisecond))

	end := logIn(t, db, provider)
	check := func(what, sql string, permission string, want bool, args ...any) {
		t.Helper()
		started := time.Now()
		harness.Exec(t, db, sql, args...)
		took := time.Since(started)
		// Those who are logging in, and some of the others.
		wrong := harness.Column[string](t, db, `
			SELECT u.username FROM auth.user_info u
			WHERE (hashtext(u.username) % 200 = 0 OR length(u.username) <= 3) AND auth.has_permission(u.user_id, $1) <> $2`, permission, want)
		if len(wrong) > 0 {
			t.Errorf("%s: %d members have the old answer, %v, …", what, len(wrong), wrong[0])
		}
		t.Logf("%-32s %v", what, took.Round(time.Millisecond/10))
	}
	const byMapping, byHand = "by.mapping", "by.hand"
	check("a permission, no mapping yet", `SELECT auth.assign_permission(_permission => 'by.mapping', _user_group_id => $1)`, byMapping, false, mapped)
	check("a mapping", `SELECT auth.create_group_mapping($1, $2, 'Big')`, byMapping, true, mapped, provider)
	check("group disabled", `SELECT auth.disable_user_group($1)`, byMapping, false, mapped)
	check("group enabled", `SELECT auth.enable_user_group($1)`, byMapping, true, mapped)
	check("permission taken", `SELECT auth.unassign_permission(assignment_id) FROM auth.permission_assignment WHERE user_group_id = $1`, byMapping, false, mapped)
	check("permission given", `SELECT auth.assign_permission(_permission => 'by', _user_group_id => $1)`, byMapping, true, mapped)
	check("provider disabled and enabled", `SELECT auth.disable_provider($1), auth.enable_provider($1)`, byMapping, true, provider)
	check("names compared otherwise", `SELECT auth.update_provider($1, _group_match => 'ignore_case')`, byMapping, true, provider)
	check("mapping removed", `SELECT auth.delete_group_mapping(user_group_mapping_id) FROM auth.user_group_mapping WHERE user_group_id = $1`, byMapping, false, mapped)
	check("mapping added", `SELECT auth.create_group_mapping($1, $2, 'BIG')`, byMapping, true, mapped, provider)
	check("cache filled", `SELECT auth.fill_permission_cache()`, byMapping, true)
	check("group with mapping deleted", `SELECT auth.delete_user_group($1)`, byMapping, false, mapped)

	check("manual: permission given", `SELECT auth.assign_permission(_permission => 'by.hand', _user_group_id => $1)`, byHand, true, manual)
	check("manual: group disabled", `SELECT auth.disable_user_group($1)`, byHand, false, manual)
	check("manual: group enabled", `SELECT auth.enable_user_group($1)`, byHand, true, manual)
	check("manual: deleted with its members", `SELECT auth.delete_user_group($1)`, byHand, false, manual)

	n, longest := end()
	t.Logf("%d logins meanwhile, the longest took %v", n, longest.Round(time.Millisecond/10))
	if longest > longestLogin {
		t.Errorf("a login took %v", longest)
	}
	if n < 20 {
		t.Errorf("only %d logins: that proves nothing", n)
	}
}

// logIn lets two sessions log in people of the group, with other groups each time, until end is called.
func logIn(t *testing.T, db *harness.DB, provider string) (end func() (n int, longest time.Duration)) {
	t.Helper()
	stop := make(chan struct{})
	var all sync.WaitGroup
	var counts [2]int
	var longest [2]time.Duration
	for i := range 2 {
		conn := harness.Connect(t, db.OwnerURL)
		all.Go(func() {
			for n := 0; !isClosed(stop); n++ {
				started := time.Now()
				_, err := conn.Exec(context.Background(), `SELECT auth.update_user_identity_on_login($1, $2, $3)`,
					provider, fmt.Sprint("p", 1+n%40*2+i), []string{"Big", fmt.Sprint("h", n)})
				if err != nil {
					t.Errorf("login: %v", err)
					return
				}
				counts[i]++
				longest[i] = max(longest[i], time.Since(started))
				time.Sleep(time.Millisecond)
			}
		})
	}
	return func() (int, time.Duration) {
		close(stop)
		all.Wait()
		return counts[0] + counts[1], max(longest[0], longest[1])
	}
}
