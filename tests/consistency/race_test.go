package consistency_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rolewright/rolewright/tests/harness"
)

// chain is one user's only way to one permission. Every link of it can be taken away.
type chain struct {
	Tenant, Provider, User, Identity, Group, Mapping, Assignment, Set, Code, Account string
}

// forge makes a chain. The identity says "other" until the user logs in with the mapped name, in another case.
func forge(t testing.TB, q harness.Querier, name string) chain {
	t.Helper()
	c := harness.Rows[chain](t, q, `
		SELECT auth.create_tenant($1, $1)::text AS tenant, auth.create_user($1)::text AS user,
		       auth.create_provider($1, $1, 'oidc', _group_match => 'ignore_case', _link_by => 'username')::text AS provider,
		       auth.create_user_group($1, $1, 'hybrid')::text AS "group", auth.create_permission($1 || '.x')::text AS code,
		       '' AS identity, '' AS mapping, '' AS assignment, $1 AS set, $1 AS account`, name)[0]
	c.Code = name + ".x"
	harness.Exec(t, q, `SELECT auth.create_perm_set($1, $1, ARRAY[$1])`, name)
	c.Mapping = harness.One[string](t, q, `SELECT auth.create_group_mapping($1, $2, 'Admins')::text`, c.Group, c.Provider)
	c.Assignment = harness.One[string](t, q, `SELECT auth.assign_permission(_perm_set => $1, _user_group_id => $2, _tenant_id => $3)::text`, c.Set, c.Group, c.Tenant)
	c.Identity = harness.One[string](t, q, `SELECT auth.create_user_identity($1, $2, $3, '{other}')::text`, c.User, c.Provider, c.Account)
	return c
}

// fit puts a chain's ids where a statement has $user, $group and so on.
func (c chain) fit(sql string) string {
	return strings.NewReplacer("$tenant", quoted(c.Tenant), "$provider", quoted(c.Provider), "$user", quoted(c.User), "$identity", quoted(c.Identity),
		"$group", quoted(c.Group), "$mapping", quoted(c.Mapping), "$assignment", quoted(c.Assignment), "$set", quoted(c.Set),
		"$node", quoted(c.Set), "$account", quoted(c.Account)).Replace(sql)
}

func quoted(literal string) string { return "'" + literal + "'" }

// logins make a user who could not do it able to. Each has something to be done before.
var logins = map[string]struct{ before, login string }{
	"first": {``, `SELECT auth.update_user_identity_on_login($provider, $account, '{ADMINS}')`},
	"groups changed": {`SELECT auth.update_user_identity_on_login($provider, $account, '{other}')`,
		`SELECT auth.update_user_identity_on_login($provider, $account, '{ADMINS}')`},
	"cold, nothing new": {`SELECT auth.update_user_identity_on_login($provider, $account, '{ADMINS}');
		SELECT unsecure.clear_permission_cache_by_provider($provider)`,
		`SELECT auth.update_user_identity_on_login($provider, $account, '{ADMINS}')`},
	"new account": {`SELECT auth.delete_user_identity($identity)`,
		`SELECT auth.ensure_user_from_provider($provider, $account, _provider_groups => '{ADMINS}')`},
	"account of another user": {`SELECT auth.update_user_identity_on_login($provider, $account, '{ADMINS}');
		UPDATE auth.user_identity SET user_id = auth.create_user($account || '-other') WHERE user_identity_id = $identity`,
		`UPDATE auth.user_identity SET user_id = $user WHERE provider_user_id = $account`},
}

// revocations take a link away.
var revocations = map[string]string{
	"disable_user":                "SELECT auth.disable_user($user)",
	"UPDATE user active":          "UPDATE auth.user_info SET is_active = false WHERE user_id = $user",
	"lock_user":                   "SELECT auth.lock_user($user)",
	"UPDATE user locked":          "UPDATE auth.user_info SET is_locked = true WHERE user_id = $user",
	"delete_group_mapping":        "SELECT auth.delete_group_mapping($mapping)",
	"DELETE mapping":              "DELETE FROM auth.user_group_mapping WHERE user_group_mapping_id = $mapping",
	"UPDATE mapping active":       "UPDATE auth.user_group_mapping SET is_active = false WHERE user_group_mapping_id = $mapping",
	"UPDATE mapping name":         "UPDATE auth.user_group_mapping SET external_group_name = 'elsewhere' WHERE user_group_mapping_id = $mapping",
	"disable_user_group":          "SELECT auth.disable_user_group($group)",
	"UPDATE group":                "UPDATE auth.user_group SET is_active = false WHERE user_group_id = $group",
	"update_user_group":           "SELECT auth.update_user_group($group, _group_type => 'internal', _drop => true)",
	"disable_user_identity":       "SELECT auth.disable_user_identity(user_identity_id) FROM auth.user_identity WHERE provider_user_id = $account",
	"UPDATE identity":             "UPDATE auth.user_identity SET is_active = false WHERE provider_user_id = $account",
	"unassign_permission":         "SELECT auth.unassign_permission($assignment)",
	"DELETE assignment":           "DELETE FROM auth.permission_assignment WHERE assignment_id = $assignment",
	"UPDATE assignment":           "UPDATE auth.permission_assignment SET valid_until = now() - interval '1 day' WHERE assignment_id = $assignment",
	"remove_perm_set_permissions": "SELECT auth.remove_perm_set_permissions($set, ARRAY[$node])",
	"DELETE set permission":       "DELETE FROM auth.perm_set_permission WHERE permission_code = $node",
	"disable_tenant":              "SELECT auth.disable_tenant($tenant)",
	"UPDATE tenant":               "UPDATE auth.tenant SET is_active = false WHERE tenant_id = $tenant",
	"disable_provider":            "SELECT auth.disable_provider($provider)",
	"UPDATE provider active":      "UPDATE auth.provider SET is_active = false WHERE provider_id = $provider",
	"update_provider":             "SELECT auth.update_provider($provider, _group_match => 'exact')",
	"UPDATE provider match":       "UPDATE auth.provider SET group_match = 'exact' WHERE provider_id = $provider",
}

// ofAnIdentity are those that concern an identity and not its user.
var ofAnIdentity = []string{"disable_user_identity", "UPDATE identity"}

func TestNoLoginUndoesARevocation(t *testing.T) {
	t.Parallel()
	for revocation, sql := range revocations {
		t.Run(revocation, func(t *testing.T) {
			t.Parallel()
			db := harness.Database(t)
			login, revoker := newSession(t, db), newSession(t, db)
			n := 0
			for kind, l := range logins {
				var granted []string
				if slices.Contains(ofAnIdentity, revocation) && kind == "new account" {
					continue // which the revocation cannot find before the login is committed
				}
				for i := range 16 {
					race := race{
						loginFirst: i&1 == 0, loginCommitsFirst: i&2 == 0,
						loginLevel: level(i & 4), revokerLevel: level(i & 8),
					}
					c := forge(t, db, fmt.Sprintf("c%d", n))
					n++
					harness.Exec(t, db, c.fit(l.before))
					what := race.run(t, login, revoker, c.fit(l.login), c.fit(sql))
					if has(t, db, c.User, c.Code, c.Tenant) {
						granted = append(granted, fmt.Sprintf("%+v %s", race, what))
					}
				}
				if len(granted) > 0 {
					t.Errorf("login %q: the check says yes after the revocation in\n%s", kind, strings.Join(granted, "\n"))
				}
			}
		})
	}
}

// Without it, the test above would pass with a chain that holds nothing.
func TestLoginsGiveThePermission(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	n := 0
	for kind, l := range logins {
		c := forge(t, db, fmt.Sprintf("c%d", n))
		n++
		harness.Exec(t, db, c.fit(l.before))
		harness.Exec(t, db, c.fit(l.login))
		if !has(t, db, c.User, c.Code, c.Tenant) {
			t.Errorf("%s: no permission", kind)
		}
	}
}

func level(bit int) pgx.TxIsoLevel {
	if bit == 0 {
		return pgx.ReadCommitted
	}
	return pgx.RepeatableRead
}

// race is an order of a login and a revocation. Both have their snapshots, if they keep one, before either does anything.
type race struct {
	loginFirst, loginCommitsFirst bool
	loginLevel, revokerLevel      pgx.TxIsoLevel
}

// run leaves the revocation committed. A login that is refused, or a serialization failure, is no failure: the login is given up,
// the revocation tried again.
func (r race) run(t testing.TB, login, revoker *session, loginSQL, revokeSQL string) (what string) {
	t.Helper()
	login.begin(t, r.loginLevel)
	revoker.begin(t, r.revokerLevel)
	first, second, firstSQL, secondSQL := login, revoker, loginSQL, revokeSQL
	if !r.loginFirst {
		first, second, firstSQL, secondSQL = revoker, login, revokeSQL, loginSQL
	}
	first.start(firstSQL)
	firstErr := first.wait()
	second.start(secondSQL)
	waits := second.isBlocked(t)
	var secondErr error
	if waits { // then there is but one order
		firstErr = first.end(t, firstErr)
		secondErr = second.end(t, second.wait())
	} else {
		secondErr = second.wait()
		if r.loginCommitsFirst == r.loginFirst {
			firstErr, secondErr = first.end(t, firstErr), second.end(t, secondErr)
		} else {
			secondErr = second.end(t, secondErr)
			firstErr = first.end(t, firstErr)
		}
	}
	loginErr, revokeErr := firstErr, secondErr
	if !r.loginFirst {
		loginErr, revokeErr = secondErr, firstErr
	}
	if revokeErr != nil {
		if sqlstate(revokeErr) != "40001" {
			t.Errorf("the revocation failed: %v", revokeErr)
		}
		harness.Exec(t, revoker.conn, revokeSQL)
	}
	if loginErr != nil && sqlstate(loginErr) != "40001" && !strings.HasPrefix(sqlstate(loginErr), "RW11") {
		t.Errorf("the login failed: %v in %s, %+v", loginErr, revokeSQL, r)
	}
	return fmt.Sprintf("waited: %t, login: %v, revocation: %v", waits, loginErr, revokeErr)
}

// session runs statements that may have to wait for others'.
type session struct {
	conn  *pgx.Conn
	db    *harness.DB
	pid   uint32
	tx    pgx.Tx
	done  chan error
	ended atomic.Bool
}

func newSession(t testing.TB, db *harness.DB) *session {
	conn := harness.Connect(t, db.OwnerURL)
	return &session{conn: conn, db: db, pid: conn.PgConn().PID()}
}

func (s *session) begin(t testing.TB, isolation pgx.TxIsoLevel) {
	t.Helper()
	var err error
	if s.tx, err = s.conn.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: isolation}); err != nil {
		t.Fatal(err)
	}
	harness.Exec(t, s.tx, `SELECT 1`) // takes the snapshot
}

func (s *session) start(sql string) {
	s.done = make(chan error, 1)
	s.ended.Store(false)
	go func() {
		_, err := s.tx.Exec(context.Background(), sql)
		s.ended.Store(true)
		s.done <- err
	}()
}

func (s *session) wait() error { return <-s.done }

// isBlocked returns once the statement has ended (false), or waits for another session's lock (true).
func (s *session) isBlocked(t testing.TB) bool {
	t.Helper()
	for range 10_000 {
		if s.ended.Load() {
			return false
		}
		if harness.One[int](t, s.db, `SELECT cardinality(pg_blocking_pids($1))`, s.pid) > 0 {
			return true
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("the statement neither ends nor waits")
	return false
}

// end commits, or gives up after an error, and returns the first error of the two.
func (s *session) end(t testing.TB, err error) error {
	t.Helper()
	if err != nil {
		if rollback := s.tx.Rollback(t.Context()); rollback != nil {
			t.Fatal(rollback)
		}
		return err
	}
	return s.tx.Commit(t.Context())
}

// Checks and logins go on while permissions come and go. A check that begins after the commit of a revocation, and ends before
// what follows it begins, says no.
func TestAChecksAnswerIsNeverOlderThanTheLastCommit(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	c := forge(t, db, "c")
	cycles := []struct{ revoke, grant string }{
		{"SELECT auth.disable_user($user)", "SELECT auth.enable_user($user)"},
		{"UPDATE auth.user_info SET is_locked = true WHERE user_id = $user", "UPDATE auth.user_info SET is_locked = false WHERE user_id = $user"},
		{"UPDATE auth.user_group_mapping SET is_active = false WHERE user_group_mapping_id = $mapping",
			"UPDATE auth.user_group_mapping SET is_active = true WHERE user_group_mapping_id = $mapping"},
		{"UPDATE auth.user_group_mapping SET external_group_name = 'elsewhere' WHERE user_group_mapping_id = $mapping",
			"UPDATE auth.user_group_mapping SET external_group_name = 'Admins' WHERE user_group_mapping_id = $mapping"},
		{"SELECT auth.disable_user_group($group)", "SELECT auth.enable_user_group($group)"},
		{"SELECT auth.remove_perm_set_permissions($set, ARRAY[$node])", "SELECT auth.add_perm_set_permissions($set, ARRAY[$node])"},
		{"DELETE FROM auth.permission_assignment WHERE user_group_id = $group",
			"SELECT auth.assign_permission(_perm_set => $set, _user_group_id => $group, _tenant_id => $tenant)"},
		{"SELECT auth.disable_tenant($tenant)", "SELECT auth.enable_tenant($tenant)"},
		{"SELECT auth.disable_provider($provider)", "SELECT auth.enable_provider($provider)"},
		{"UPDATE auth.provider SET group_match = 'exact' WHERE provider_id = $provider",
			"UPDATE auth.provider SET group_match = 'ignore_case' WHERE provider_id = $provider"},
		{"SELECT auth.disable_user_identity($identity)", "SELECT auth.enable_user_identity($identity)"},
	}

	// Odd: nothing may be granted. Even: it may.
	var epoch atomic.Int64
	stop := make(chan struct{})
	var all sync.WaitGroup
	for i := range 2 {
		conn := harness.Connect(t, db.OwnerURL)
		all.Go(func() {
			for n := i; !isClosed(stop); n++ {
				groups := []string{"ADMINS", fmt.Sprint("g", n%3)}
				if _, err := conn.Exec(context.Background(), `SELECT auth.update_user_identity_on_login($1, $2, $3)`, c.Provider, c.Account, groups); err != nil && !strings.HasPrefix(sqlstate(err), "RW11") {
					t.Errorf("login: %v", err)
				}
			}
		})
	}
	var no, yes, during atomic.Int64
	for range 2 {
		conn := harness.Connect(t, db.OwnerURL)
		all.Go(func() {
			for !isClosed(stop) {
				before := epoch.Load()
				var granted bool
				if err := conn.QueryRow(context.Background(), `SELECT auth.has_permission($1, $2, $3)`, c.User, c.Code, c.Tenant).Scan(&granted); err != nil {
					t.Errorf("check: %v", err)
					return
				}
				switch {
				case epoch.Load() != before:
					during.Add(1)
				case before%2 == 1 && granted:
					t.Errorf("yes after the commit of %s", cycles[before/2%int64(len(cycles))].revoke)
				case granted:
					yes.Add(1)
				default:
					no.Add(1)
				}
			}
		})
	}

	revoker := harness.Connect(t, db.OwnerURL)
	for n := range 8 * len(cycles) {
		cycle := cycles[n%len(cycles)]
		harness.Exec(t, revoker, c.fit(cycle.revoke))
		epoch.Add(1)
		time.Sleep(8 * time.Millisecond)
		epoch.Add(1)
		harness.Exec(t, revoker, c.fit(cycle.grant))
		time.Sleep(8 * time.Millisecond)
	}
	close(stop)
	all.Wait()
	t.Logf("%d checks said yes, %d no; %d began before a commit and ended after it", yes.Load(), no.Load(), during.Load())
	if yes.Load() == 0 || no.Load() == 0 {
		t.Error("that proves nothing")
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// changes are what a DBA may leave open in a psql over lunch.
var changes = []string{
	"SELECT auth.assign_permission(_permission => $node, _user_group_id => $group)",
	"SELECT auth.unassign_permission($assignment)",
	"SELECT auth.create_group_mapping($group, $provider, 'second')",
	"SELECT auth.delete_group_mapping($mapping)",
	"UPDATE auth.user_group_mapping SET external_group_name = 'elsewhere' WHERE user_group_mapping_id = $mapping",
	"SELECT auth.disable_user_group($group)",
	"UPDATE auth.user_group SET is_active = false",
	"SELECT auth.update_user_group($group, _group_type => 'internal', _drop => true)",
	"SELECT auth.delete_user_group($group)",
	"SELECT auth.remove_perm_set_permissions($set, ARRAY[$node])",
	"SELECT auth.delete_perm_set($set, true)",
	"SELECT auth.create_permission('c.y')",
	"SELECT auth.delete_permission('c', true)",
	"SELECT auth.disable_tenant($tenant)",
	"SELECT auth.disable_provider($provider)",
	"SELECT auth.update_provider($provider, _group_match => 'exact')",
	"SELECT auth.add_group_member($group, $user)",
	"SELECT unsecure.lock_permission_model()",
}

func TestAnOpenChangeOfTheModelBlocksNeitherLoginsNorChecks(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	c := forge(t, db, "c")
	harness.Exec(t, db, c.fit(`SELECT auth.update_user_identity_on_login($provider, $account, '{ADMINS}')`))
	others := harness.Connect(t, db.OwnerURL)
	harness.Exec(t, others, `SET lock_timeout = '2s'; SET statement_timeout = '2s'`)
	dba := newSession(t, db)
	for _, change := range changes {
		dba.begin(t, pgx.ReadCommitted)
		harness.Exec(t, dba.tx, c.fit(change))
		for _, sql := range []string{
			`SELECT auth.has_permission($user, 'c.x', $tenant)`,
			`SELECT auth.update_user_identity_on_login($provider, $account, '{ADMINS}')`,       // nothing new
			`SELECT auth.update_user_identity_on_login($provider, $account, '{other}')`,        // groups changed
			`SELECT auth.has_permission($user, 'c.x', $tenant)`,                                // no, which is asked of the tables
			`SELECT auth.update_user_identity_on_login($provider, $account, '{ADMINS,other}')`, // and again
			`SELECT unsecure.clear_permission_cache($user)`,
			`SELECT auth.update_user_identity_on_login($provider, $account, '{ADMINS}')`,
			`SELECT auth.has_permission($user, 'c.x', $tenant)`,
		} {
			if _, err := others.Exec(t.Context(), c.fit(sql)); err != nil {
				t.Errorf("during %s: %v in %s", change, err, sql)
			}
		}
		if !has(t, others, c.User, c.Code, c.Tenant) {
			t.Errorf("during %s, which is not committed, the check says no", change)
		}
		if err := dba.tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// pairs of changes of one model; $group and the others are those of one chain, $2group those of another.
var simultaneous = []string{
	"SELECT auth.create_group_mapping($group, $provider, 'second')",
	"SELECT auth.delete_group_mapping($mapping)",
	"SELECT auth.disable_user_group($group)",
	"SELECT auth.update_user_group($group, _name => 'renamed')",
	"SELECT auth.delete_user_group($group)",
	"SELECT auth.add_group_member($group, $user)",
	"SELECT auth.assign_permission(_permission => $node, _user_group_id => $group, _tenant_id => $tenant)",
	"SELECT auth.assign_permission(_perm_set => $set, _user_id => $user, _tenant_id => $tenant)",
	"SELECT auth.unassign_permission($assignment)",
	"SELECT auth.add_perm_set_permissions($set, ARRAY[$node || '.x'])",
	"SELECT auth.remove_perm_set_permissions($set, ARRAY[$node])",
	"SELECT auth.delete_perm_set($set, true)",
	"SELECT auth.delete_permission($node, true)",
	"SELECT auth.disable_tenant($tenant)",
	"SELECT auth.disable_provider($provider)",
	"SELECT auth.update_provider($provider, _group_match => 'exact')",
	"SELECT auth.update_provider($provider, _name => 'renamed')",
	"SELECT auth.delete_provider($provider, _delete_identities => true)",
	"SELECT auth.disable_user($user)",
	"SELECT auth.delete_user($user)",
	"SELECT auth.delete_user_identity($identity)",
	"SELECT auth.update_user_identity_on_login($provider, $account, '{ADMINS}')",
}

// A third session makes both wait where they take the model's lock, so that what each has locked before that is locked. Whoever takes
// that lock after a row that another one wants deadlocks here.
func TestTwoChangesOfTheSameThingsDoNotDeadlock(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	gate, one, two := newSession(t, db), newSession(t, db), newSession(t, db)
	n := 0
	for _, x := range simultaneous {
		for _, y := range simultaneous {
			c := forge(t, db, fmt.Sprintf("c%d", n))
			n++
			for _, s := range []*session{gate, one, two} {
				s.begin(t, pgx.ReadCommitted)
			}
			harness.Exec(t, gate.tx, `SELECT unsecure.lock_permission_model()`)
			one.start(c.fit(x))
			one.isBlocked(t)
			two.start(c.fit(y))
			two.isBlocked(t)
			if err := gate.end(t, nil); err != nil {
				t.Fatal(err)
			}
			// The first to end lets the other one go on.
			var errs [2]error
			var both sync.WaitGroup
			for i, s := range []*session{one, two} {
				both.Go(func() { errs[i] = s.end(t, s.wait()) })
			}
			both.Wait()
			for _, err := range errs {
				// What the other one has taken away or made is a refusal.
				if err != nil && (!expected(sqlstate(err)) || strings.HasPrefix(sqlstate(err), "40")) {
					t.Errorf("%v\n  of %s\n  and %s", err, x, y)
				}
			}
		}
	}
	gate.begin(t, pgx.ReadCommitted)
	wrong := append(harness.Column[string](t, gate.tx, wrongWays), makeAnew(t, gate.tx)...)
	if len(wrong) > 0 {
		t.Errorf("the cache is not what the changes come to: %s", strings.Join(wrong, "\n"))
	}
}

// Two transactions of two changes each, on different things, in opposite orders.
func TestTwoTransactionsOfTwoChangesBothTakeEffect(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	left, right := newSession(t, db), newSession(t, db)
	steps := []struct{ change, effect string }{
		{"SELECT auth.create_group_mapping($group, $provider, 'second')", "SELECT count(*) = 1 FROM auth.user_group_mapping WHERE user_group_id = $group AND external_group_name = 'second'"},
		{"SELECT auth.delete_user_group($group)", "SELECT count(*) = 0 FROM auth.user_group WHERE user_group_id = $group"},
		{"SELECT auth.assign_permission(_permission => $node, _user_group_id => $group, _tenant_id => $tenant)",
			"SELECT count(*) = 2 FROM auth.permission_assignment WHERE user_group_id = $group"},
		{"SELECT auth.update_provider($provider, _group_match => 'exact')", "SELECT group_match = 'exact' FROM auth.provider WHERE provider_id = $provider"},
	}
	n := 0
	for _, x := range steps {
		for _, y := range steps {
			// Left changes a and then b, right changes c and then d; x and y are done to different chains.
			var cs [4]chain
			for i := range cs {
				cs[i] = forge(t, db, fmt.Sprintf("c%d", n))
				n++
			}
			left.begin(t, pgx.ReadCommitted)
			right.begin(t, pgx.ReadCommitted)
			harness.Exec(t, left.tx, cs[0].fit(x.change))
			right.start(cs[1].fit(y.change))
			right.isBlocked(t)
			harness.Exec(t, left.tx, cs[2].fit(y.change))
			if err := left.end(t, nil); err != nil {
				t.Fatal(err)
			}
			if err := right.wait(); err != nil {
				t.Fatal(err)
			}
			harness.Exec(t, right.tx, cs[3].fit(x.change))
			if err := right.end(t, nil); err != nil {
				t.Fatal(err)
			}
			for i, effect := range []string{x.effect, y.effect, y.effect, x.effect} {
				if !harness.One[bool](t, db, cs[i].fit(effect)) {
					t.Errorf("%s and %s: change %d has no effect", x.change, y.change, i)
				}
			}
		}
	}
}
