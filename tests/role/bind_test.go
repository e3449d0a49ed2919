package role_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rolewright/rolewright/tests/harness"
)

func TestSeveralGroupsUniteTheirOptions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.exec(t, `SELECT auth.bind_group_role(@helpers, '#readers', _admin => true); SELECT auth.add_group_member(@helpers, @ann); SELECT auth.add_group_member(@helpers, @bob);
		SELECT auth.apply_database_roles()`)
	w.expect(t, w.DB, "#ann", "LOGIN #helping #readers(admin)")
	w.expect(t, w.DB, "#bob", "LOGIN #helping #readers(admin)")
	w.exec(t, `SELECT auth.remove_group_member(@helpers, @ann)`)
	w.expect(t, w.DB, "#ann", "LOGIN #readers")
	if w.major < 16 {
		for _, sql := range []string{`SELECT auth.bind_group_role(@staff, '#readers', _inherit => false)`, `SELECT auth.bind_group_role(@staff, '#readers', _set => false)`,
			`SELECT auth.manage_relationship('#ann', '#writers', 'add', _set => false)`} {
			_ = w.mustFail(t, w.DB, "RW518", sql)
		}
		w.exec(t, `SELECT auth.bind_group_role(@staff, '#readers', _inherit => true, _set => true)`)
		w.settled(t)
		return
	}
	w.exec(t, `SELECT auth.bind_group_role(@staff, '#readers', _inherit => false); SELECT auth.bind_group_role(@helpers, '#readers', _inherit => false, _set => false); SELECT auth.apply_database_roles()`)
	w.expect(t, w.DB, "#ann", "LOGIN #readers(noinherit)")
	w.expect(t, w.DB, "#bob", "LOGIN #helping #readers(noinherit)(noset)")
	w.exec(t, `SELECT auth.add_group_member(@helpers, @ann)`)
	w.expect(t, w.DB, "#ann", "LOGIN #helping #readers(noinherit)")
	w.exec(t, `SELECT auth.manage_relationship('#ann', '#readers', 'add', _inherit => true, _set => false, _admin => true)`)
	w.expect(t, w.DB, "#ann", "LOGIN #helping #readers(admin)")
	w.exec(t, `SELECT auth.update_user_identity_on_login(@entra, 'ann_entra', '{}'); SELECT auth.remove_group_member(@helpers, @ann)`)
	w.expect(t, w.DB, "#ann", "LOGIN #readers(admin)(noset)")
	w.exec(t, `SELECT auth.manage_relationship('#ann', '#readers', 'add', _set => true)`)
	w.expect(t, w.DB, "#ann", "LOGIN #readers")
	w.settled(t)
	w.unchanged(t, "relationship", func() { w.exec(t, `SELECT auth.manage_relationship('#ann', '#readers', 'add')`) })
	// NULL: as the member's attribute says, whenever that changes.
	w.exec(t, `ALTER ROLE #ann NOINHERIT; SELECT auth.apply_database_roles()`)
	w.expect(t, w.DB, "#ann", "LOGIN #readers(noinherit)")
	w.settled(t)
}

func TestOneGroupGivesSeveralRoles(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.exec(t, `SELECT auth.bind_group_role(@staff, '#writers'); SELECT auth.bind_group_role(@staff, '#extra', _admin => true); SELECT auth.apply_database_roles()`)
	w.expect(t, w.DB, "#ann", "LOGIN #extra(admin) #readers #writers")
	w.same(t, w.DB, `SELECT auth.unbind_group_role(@staff, '#writers')`, "true")
	w.same(t, w.DB, `SELECT auth.unbind_group_role(@staff, '#writers')`, "false")
	w.same(t, w.DB, `SELECT auth.unbind_group_role(@staff, '#nothing')`, "false")
	w.same(t, w.DB, `SELECT concat_ws(' ', action, role_name, object) FROM auth.plan_database_roles()`, "revoke #ann #writers")
	w.exec(t, `SELECT auth.apply_database_roles()`)
	w.expect(t, w.DB, "#ann", "LOGIN #extra(admin) #readers")
	// What is bound no more is a role still.
	w.same(t, w.DB, `SELECT count(*) FROM pg_roles WHERE rolname = '#writers'`, "1")
	w.settled(t)
}

func TestUnbindingAPersonsRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.same(t, w.DB, `SELECT auth.unbind_user_role(@ann, 'no need')`, "true")
	w.same(t, w.DB, `SELECT auth.unbind_user_role(@ann)`, "false")
	w.exec(t, `SELECT auth.apply_database_roles()`)
	w.expect(t, w.DB, "#ann", "NOLOGIN")
	w.same(t, w.DB, `SELECT state || ' ' || reason || coalesce(user_id::text, '') FROM auth.database_role WHERE role_name = '#ann'`, "disabled no need")
	w.settled(t)
	// It is hers again only when somebody says so twice.
	w.exec(t, `SELECT auth.bind_user_role(@ann, '#ann'); SELECT auth.apply_database_roles()`)
	w.expect(t, w.DB, "#ann", "NOLOGIN")
	w.exec(t, `CALL auth.restore_identity('#ann', 'back')`)
	w.expect(t, w.DB, "#ann", "LOGIN #readers")
	w.settled(t)
	// Before it was ever made.
	w.exec(t, `SELECT auth.create_user('#cy')`)
	w.learn(t)
	w.exec(t, `SELECT auth.bind_user_role(@cy, '#cy'); SELECT auth.unbind_user_role(@cy); SELECT auth.bind_group_role(@staff, '#never'); SELECT auth.unbind_group_role(@staff, '#never')`)
	w.same(t, w.DB, `SELECT count(*) FROM auth.database_role WHERE role_name = '#cy'`, "0")
	w.settled(t)
	w.exec(t, `SELECT auth.apply_database_roles()`)
	w.expect(t, w.DB, "#cy", "missing")
	w.expect(t, w.DB, "#never", "missing") // bound to a group for a moment
}

func TestWhatCannotBeBound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.exec(t, `SELECT auth.create_user('#cy')`)
	w.learn(t)
	w.exec(t, `SELECT auth.protect_role('#kept')`)
	for _, c := range []struct{ sqlstate, name string }{
		{"RW504", ""}, {"RW504", "public"}, {"RW504", "none"}, {"RW503", "pg_monitor"}, {"RW503", "pg_nothing_yet"}, {"RW504", strings.Repeat("x", 64)}, {"RW504", strings.Repeat("é", 32)},
		{"RW503", "postgres"}, {"RW503", harness.Owner}, {"RW503", "rolewright_operator"}, {"RW503", "rolewright_app"}, {"RW503", "#kept"},
	} {
		w.unchanged(t, "a refused binding", func() {
			harness.MustFail(t, w.DB, c.sqlstate, `SELECT auth.bind_user_role($1, $2)`, w.ids["cy"], w.name(c.name))
			harness.MustFail(t, w.DB, c.sqlstate, `SELECT auth.bind_group_role($1, $2)`, w.ids["staff"], w.name(c.name))
		})
	}
	_ = w.mustFail(t, w.DB, "RW504", `SELECT auth.bind_user_role(@cy, NULL)`)
	_ = w.mustFail(t, w.DB, "RW504", `SELECT auth.bind_group_role(@staff, NULL)`)
	_ = w.mustFail(t, w.DB, "RW502", `SELECT auth.bind_user_role(@cy, '#ann')`)
	_ = w.mustFail(t, w.DB, "RW502", `SELECT auth.bind_user_role(@ann, '#ann2')`)
	_ = w.mustFail(t, w.DB, "RW502", `SELECT auth.bind_user_role(@cy, '#readers')`)
	_ = w.mustFail(t, w.DB, "RW505", `SELECT auth.bind_group_role(@staff, '#ann')`)
	_ = w.mustFail(t, w.DB, "RW011", `SELECT auth.bind_user_role(gen_random_uuid(), '#cy')`)
	_ = w.mustFail(t, w.DB, "RW011", `SELECT auth.bind_user_role(NULL, '#cy')`)
	_ = w.mustFail(t, w.DB, "RW013", `SELECT auth.bind_group_role(gen_random_uuid(), '#cy')`)
	_ = w.mustFail(t, w.DB, "RW013", `SELECT auth.unbind_group_role(NULL, '#cy')`)
	_ = w.mustFail(t, w.DB, "RW505", `SELECT auth.manage_relationship('#readers', '#writers', 'add')`)
	_ = w.mustFail(t, w.DB, "RW505", `SELECT auth.manage_relationship('#ann', '#bob', 'add')`)
	_ = w.mustFail(t, w.DB, "RW019", `SELECT auth.manage_relationship('#ann', '#nothing', 'add')`)
	_ = w.mustFail(t, w.DB, "RW019", `SELECT auth.manage_relationship('#ann', 'pg_monitor', 'add')`)
	_ = w.mustFail(t, w.DB, "RW510", `SELECT auth.manage_relationship('#ann', '#readers', 'remove')`)
	_ = w.mustFail(t, w.DB, "RW519", `SELECT auth.manage_relationship('#ann', '#readers', 'drop')`)
	_ = w.mustFail(t, w.DB, "RW519", `SELECT auth.manage_relationship('#ann', '#readers', NULL)`)
	w.settled(t)
}

// pair is two sessions that meet.
type pair struct {
	*world
	a, b *pgx.Conn
}

func newPair(t testing.TB) pair {
	t.Helper()
	w := newWorld(t, true)
	return pair{w, w.begin(t), w.begin(t)}
}

// meet lets both change something before either commits; the second may have to wait for the first. Neither may fail.
func (p pair) meet(t testing.TB, a, b string) {
	t.Helper()
	p.execIn(t, p.a, a)
	wait := p.start(t, p.b, b)
	harness.Exec(t, p.a, "COMMIT")
	if err := wait(); err != nil {
		t.Errorf("the second one: %v", err)
	}
	if _, err := p.b.Exec(t.Context(), "COMMIT"); err != nil {
		t.Errorf("the second one: %v", err)
	}
}

const (
	annLeavesStaff = `SELECT auth.update_user_identity_on_login(@entra, 'ann_entra', '{}')`
	bobJoinsStaff  = `SELECT auth.update_user_identity_on_login(@entra, 'bob_entra', '{Staff}')`
)

func TestTwoChangesThatMeet(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, prepare, a, b, ann, bob string }{
		{"mapped no more, by hand no more", `SELECT auth.add_group_member(@staff, @ann)`, annLeavesStaff, `SELECT auth.remove_group_member(@staff, @ann)`, "LOGIN", "LOGIN"},
		{"mapped no more, by hand", ``, annLeavesStaff, `SELECT auth.add_group_member(@staff, @ann)`, "LOGIN #readers", "LOGIN"},
		{"mapped no more, mapping by another's role", ``, annLeavesStaff, `SELECT auth.manage_relationship('#ann', '#readers', 'add')`, "LOGIN #readers", "LOGIN"},
		{"by hand no more, relationship no more", `SELECT auth.add_group_member(@helpers, @ann); SELECT auth.manage_relationship('#ann', '#helping', 'add')`,
			`SELECT auth.remove_group_member(@helpers, @ann)`, `SELECT auth.apply_database_roles(); SELECT auth.manage_relationship('#ann', '#helping', 'remove')`, "LOGIN #readers", "LOGIN"},
		{"login, apply", ``, bobJoinsStaff, `SELECT auth.apply_database_roles()`, "LOGIN #readers", "LOGIN #readers"},
		{"two logins", ``, annLeavesStaff, bobJoinsStaff, "LOGIN", "LOGIN #readers"},
		{"login, bind", ``, bobJoinsStaff, `SELECT auth.bind_group_role(@staff, '#writers'); SELECT auth.apply_database_roles()`, "LOGIN #readers #writers", "LOGIN #readers #writers"},
		{"login, unbind", ``, bobJoinsStaff, `SELECT auth.unbind_group_role(@staff, '#readers'); SELECT auth.apply_database_roles()`, "LOGIN", "LOGIN"},
		{"unbind, login", ``, `SELECT auth.unbind_group_role(@staff, '#readers'); SELECT auth.apply_database_roles()`, bobJoinsStaff, "LOGIN", "LOGIN"},
		{"bind, login", ``, `SELECT auth.bind_group_role(@staff, '#writers'); SELECT auth.apply_database_roles()`, bobJoinsStaff, "LOGIN #readers #writers", "LOGIN #readers #writers"},
		{"unbind user, login", ``, `SELECT auth.unbind_user_role(@bob); SELECT auth.apply_database_roles()`, bobJoinsStaff, "LOGIN #readers", "NOLOGIN"},
		{"login, unbind user", ``, bobJoinsStaff, `SELECT auth.unbind_user_role(@bob); SELECT auth.apply_database_roles()`, "LOGIN #readers", "NOLOGIN"},
		{"disable user, login", ``, `SELECT auth.disable_user(@bob)`, `SELECT auth.try_login(@entra, 'bob_entra', NULL, NULL, '{Staff}')`, "LOGIN #readers", "NOLOGIN"},
		{"login, disable user", ``, bobJoinsStaff, `SELECT auth.disable_user(@bob)`, "LOGIN #readers", "NOLOGIN"},
		{"login, disable provider", ``, bobJoinsStaff, `SELECT auth.disable_provider(@entra)`, "NOLOGIN", "NOLOGIN"},
		{"disable provider, login", ``, `SELECT auth.disable_provider(@entra)`, `SELECT auth.try_login(@entra, 'bob_entra', NULL, NULL, '{Staff}')`, "NOLOGIN", "NOLOGIN"},
		{"disable group, login", ``, `SELECT auth.disable_user_group(@staff)`, bobJoinsStaff, "LOGIN", "LOGIN"},
		{"login, disable group", ``, bobJoinsStaff, `SELECT auth.disable_user_group(@staff)`, "LOGIN", "LOGIN"},
		{"mapping, login", ``, `SELECT auth.create_group_mapping(@clerks, @entra, 'New')`, `SELECT auth.update_user_identity_on_login(@entra, 'bob_entra', '{New}')`, "LOGIN #readers", "LOGIN #writers"},
		{"login, mapping", ``, `SELECT auth.update_user_identity_on_login(@entra, 'bob_entra', '{New}')`, `SELECT auth.create_group_mapping(@clerks, @entra, 'New')`, "LOGIN #readers", "LOGIN #writers"},
		{"feed, disable user", ``, `SELECT auth.sync_provider_identities(@entra, ARRAY['{"provider_user_id": "bob_entra", "groups": ["Staff"]}']::jsonb[])`, `SELECT auth.disable_user(@bob)`, "LOGIN #readers", "NOLOGIN"},
		{"disable user, feed", ``, `SELECT auth.disable_user(@bob)`, `SELECT auth.sync_provider_identities(@entra, ARRAY['{"provider_user_id": "bob_entra", "groups": ["Staff"]}']::jsonb[])`, "LOGIN #readers", "NOLOGIN"},
		{"feed, member", ``, `SELECT auth.sync_provider_identities(@entra, ARRAY['{"provider_user_id": "ann_entra", "groups": []}']::jsonb[])`, `SELECT auth.add_group_member(@staff, @ann)`, "LOGIN #readers", "LOGIN"},
		{"leave, login", ``, `SELECT auth.begin_deprovision('#bob', 'gone')`, `SELECT auth.try_login(@entra, 'bob_entra', NULL, NULL, '{Staff}')`, "LOGIN #readers", "NOLOGIN"},
		{"login, leave", ``, bobJoinsStaff, `SELECT auth.begin_deprovision('#bob', 'gone'); SELECT auth.finish_deprovision('#bob')`, "LOGIN #readers", "NOLOGIN"},
		{"leave, restore", ``, `SELECT auth.begin_deprovision('#ann', 'gone')`, `SELECT auth.restore_role('#ann', 'back')`, "LOGIN #readers", "LOGIN"},
		{"two applies", `SELECT auth.bind_group_role(@staff, '#writers'); SELECT auth.bind_group_role(@helpers, '#new')`, `SELECT auth.apply_database_roles()`, `SELECT auth.apply_database_roles()`, "LOGIN #readers #writers", "LOGIN"},
		{"two bind one role", ``, `SELECT auth.bind_group_role(@staff, '#new'); SELECT auth.apply_database_roles()`, `SELECT auth.bind_group_role(@staff, '#new'); SELECT auth.apply_database_roles()`, "LOGIN #new #readers", "LOGIN"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			if c.prepare != "" {
				p.exec(t, c.prepare)
			}
			p.meet(t, c.a, c.b)
			p.expect(t, p.DB, "#ann", c.ann)
			p.expect(t, p.DB, "#bob", c.bob)
			p.settled(t)
		})
	}
}

// Who gets a role while something else is being switched off under him.
func TestABindingMeetsWhatConcernsTheUser(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"provider disabled": `SELECT auth.disable_provider(@github)`, "provider deleted": `SELECT auth.delete_provider(@github, _delete_identities => true)`,
		"user disabled": `SELECT auth.disable_user(@cy)`, "identity disabled": `SELECT auth.disable_user_identity(@cy_github)`, "identity deleted": `SELECT auth.delete_user_identity(@cy_github)`,
		"login": `SELECT auth.update_user_identity_on_login(@github, 'cy_github', '{}')`, "member": `SELECT auth.add_group_member(@helpers, @cy)`,
		"feed":           `SELECT auth.sync_provider_identities(@github, ARRAY['{"provider_user_id": "cy_github", "groups": []}']::jsonb[])`,
		"feed without":   `SELECT auth.sync_provider_identities(@github, ARRAY['{"provider_user_id": "other"}']::jsonb[], _disable_missing => true, _max_disable => 1)`,
		"group disabled": `SELECT auth.disable_user_group(@devs)`, "mapping": `SELECT auth.create_group_mapping(@staff, @github, 'Devs')`, "tenant": `SELECT auth.disable_tenant(@acme)`,
		"match": `SELECT auth.update_provider(@github, _group_match => 'ignore_case')`,
	} {
		bind := `SELECT auth.bind_user_role(@cy, '#cy'); SELECT auth.apply_database_roles()`
		for order, sql := range map[string][2]string{"change, bind": {change, bind}, "bind, change": {bind, change}} {
			t.Run(name+" "+order, func(t *testing.T) {
				t.Parallel()
				p := newPair(t)
				p.exec(t, `SELECT auth.create_user('#cy')`)
				p.learn(t)
				p.exec(t, `SELECT auth.create_user_identity(@cy, @github, 'cy_github', '{Devs,DEVS}')`)
				p.learn(t)
				p.meet(t, sql[0], sql[1])
				p.settled(t)
			})
		}
	}
}

// A DBA's psql knows nothing of our locks.
func TestAnApplyMeetsADBA(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, prepare, dba, run string }{
		{"granting what is to be granted", `SELECT auth.bind_group_role(@staff, '#writers')`, `GRANT #writers TO #ann`, `SELECT auth.apply_database_roles()`},
		{"granting with admin what is to be granted", `SELECT auth.bind_group_role(@staff, '#writers', _admin => true)`, `GRANT #writers TO #ann WITH ADMIN OPTION`, `SELECT auth.apply_database_roles()`},
		{"revoking what is to be revoked", `SELECT auth.unbind_group_role(@staff, '#readers')`, `REVOKE #readers FROM #ann GRANTED BY rolewright_owner`, `SELECT auth.apply_database_roles()`},
		{"altering what is altered", `ALTER ROLE #ann NOLOGIN`, `ALTER ROLE #ann CREATEDB`, `SELECT auth.apply_database_roles()`},
		{"altering who is disabled", ``, `ALTER ROLE #ann CONNECTION LIMIT 5`, `SELECT auth.disable_user(@ann)`},
		{"setting what is disabled", ``, `ALTER ROLE #ann SET work_mem = '1MB'`, `SELECT auth.disable_user(@ann)`},
		{"granting something to who logs in", ``, `GRANT #writers TO #ann`, `SELECT auth.update_user_identity_on_login(@entra, 'ann_entra', '{Staff}', '{Clerk}')`},
		{"granting something else", ``, `GRANT #helping TO #bob`, `SELECT auth.update_user_identity_on_login(@entra, 'bob_entra', '{Staff}')`},
		{"granting to who is disabled", ``, `GRANT #helping TO #ann`, `SELECT auth.disable_user(@ann)`},
		{"dropping who is granted", `SELECT auth.bind_group_role(@staff, '#writers')`, `DROP ROLE #ann`, `SELECT auth.apply_database_roles()`},
		{"dropping the group", `SELECT auth.bind_group_role(@helpers, '#coding'); SELECT auth.add_group_member(@helpers, @ann)`, `DROP ROLE #coding`, `SELECT auth.apply_database_roles()`},
		{"dropping who is altered", `ALTER ROLE #ann NOLOGIN`, `DROP ROLE #ann`, `SELECT auth.apply_database_roles()`},
		{"renaming who is altered", `ALTER ROLE #ann NOLOGIN`, `ALTER ROLE #ann RENAME TO #anna`, `SELECT auth.apply_database_roles()`},
		{"creating what is to be created", `SELECT auth.bind_group_role(@staff, '#new')`, `CREATE ROLE #new`, `SELECT auth.apply_database_roles()`},
		{"commenting", `ALTER ROLE #ann NOLOGIN`, `COMMENT ON ROLE #ann IS 'x'`, `SELECT auth.apply_database_roles()`},
	} {
		for _, end := range []string{"COMMIT", "ROLLBACK"} {
			t.Run(c.name+" "+end, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, true)
				if c.prepare != "" {
					w.exec(t, c.prepare)
				}
				if w.major < 16 {
					c.dba = strings.ReplaceAll(c.dba, " GRANTED BY rolewright_owner", "")
				}
				dba, ours := w.begin(t, w.SuperURL), w.begin(t)
				w.execIn(t, dba, c.dba)
				wait := w.start(t, ours, c.run)
				time.Sleep(20 * time.Millisecond)
				harness.Exec(t, dba, end)
				// Both end well, or ours fails cleanly with something that says what is the matter.
				err := wait()
				if s := state(err); s != "" && s != "RW506" && s != "RW507" {
					t.Errorf("ours: %v", err)
				}
				if err == nil {
					harness.Exec(t, ours, "COMMIT")
				} else {
					harness.Exec(t, ours, "ROLLBACK")
				}
				w.exec(t, `SELECT auth.apply_database_roles(_skip_conflicts => true)`)
				if got := w.text(t, w.DB, `SELECT DISTINCT action FROM auth.plan_database_roles()`); got != "" && (got != "conflict" || end == "ROLLBACK") {
					t.Errorf("after another apply, the plan is %s", w.plan(t, w.DB))
				}
				w.noOrphans(t)
			})
		}
	}
}

// The registry's rows are the last in the order of locks.
func TestTheEndOfAnIdentityMeetsAnApply(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.exec(t, `SELECT auth.create_user('#cy')`)
	w.learn(t)
	w.exec(t, `SELECT auth.bind_user_role(@cy, '#cy'); SELECT auth.apply_database_roles(); SELECT auth.create_user_identity(@cy, @github, 'cy_github')`)
	w.learn(t)
	w.dba(t, `DROP ROLE #cy`)
	first, apply, end := w.begin(t), w.begin(t), w.begin(t)
	w.execIn(t, first, `SELECT auth.manage_relationship('#bob', '#writers', 'add')`) // has the lock of the roles
	applied := w.start(t, apply, `SELECT auth.apply_database_roles()`)
	ended := w.start(t, end, `SELECT auth.delete_user_identity(@cy_github)`)
	harness.Exec(t, first, "COMMIT")
	done := make(chan error, 1)
	go func() {
		err := applied()
		if err == nil {
			_, err = apply.Exec(context.WithoutCancel(t.Context()), "COMMIT")
		} else {
			_, _ = apply.Exec(context.WithoutCancel(t.Context()), "ROLLBACK")
		}
		done <- err
	}()
	if err := ended(); err != nil {
		t.Errorf("the identity's end: %v", err)
	} else {
		harness.Exec(t, end, "COMMIT")
	}
	if err := <-done; err != nil {
		t.Errorf("the apply: %v", err)
	}
	w.expect(t, w.DB, "#cy", "NOLOGIN")
	w.settled(t)
}

func TestManyChangesAtOnceEndInAnEmptyPlan(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	done := make(chan error, 6)
	for i := range 6 {
		conn := harness.Connect(t, w.OwnerURL)
		go func() {
			for n := range 15 {
				sql := []string{
					fmt.Sprintf(`SELECT auth.update_user_identity_on_login(@entra, 'ann_entra', '{%s}', '{%s}')`, []string{"Staff", "Others"}[n%2], []string{"Clerk", "None", "Clerk"}[n%3]),
					fmt.Sprintf(`SELECT auth.%s_group_member(@helpers, @ann)`, []string{"add", "remove"}[n%2]),
					`SELECT auth.apply_database_roles()`,
					fmt.Sprintf(`SELECT auth.%sbind_group_role(@staff, '#readers')`, []string{"", "un"}[n%2]),
					fmt.Sprintf(`SELECT auth.%s_user(@bob)`, []string{"disable", "enable"}[n%2]),
					fmt.Sprintf(`SELECT auth.manage_relationship('#ann', '#writers', '%s')`, []string{"add", "remove"}[n%2]),
				}[i]
				_, err := conn.Exec(context.Background(), w.name(sql), w.ids)
				if s := state(err); s != "" && s != "RW510" {
					done <- fmt.Errorf("%w in %s", err, sql)
					return
				}
			}
			done <- nil
		}()
	}
	for range 6 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	w.exec(t, `SELECT auth.apply_database_roles()`)
	w.settled(t)
}
