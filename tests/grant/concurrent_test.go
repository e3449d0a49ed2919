package grant_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

// Two runs at once: the second waits, looks again, and does what is left.
func TestTwoRunsAtOnceEndWell(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, "CREATE ROLE #y")
	both := `{"roles": {"#x": {"grants": [` + selectT + `]}, "#y": {"grants": [` + selectT + `]}}}`
	first, second := w.begin(t), harness.Connect(t, w.OwnerURL)
	harness.Exec(t, first, "SELECT auth.sync_roles($1)", w.name(both))
	wait := w.start(t, second, "SELECT auth.sync_roles($1)", w.name(`{"roles": {"#x": {"grants": []}, "#y": {"grants": [`+selectT+`]}}}`))
	harness.Exec(t, first, "COMMIT")
	if err := wait(); err != nil {
		t.Error(err)
	}
	w.has(t, "#x", "")
	w.has(t, "#y", "table app.t: SELECT")
	// Many at once, of the same and of different roles.
	var wg sync.WaitGroup
	for i := range 6 {
		conn := harness.Connect(t, w.OwnerURL)
		wg.Go(func() {
			for n := range 5 {
				declaration := with(one("#x", `{"type": "login"}`, `{"type": "table", "schema": "app", "pattern": "t.?", "privileges": ["`+[]string{"SELECT", "INSERT"}[(i+n)%2]+`"], "via": "`+[]string{"group", "direct"}[n%2]+`"}`), `"drop_unused": true`)
				if _, err := conn.Exec(t.Context(), "SELECT auth.sync_roles($1)", w.name(declaration)); err != nil {
					t.Errorf("%d %d: %v", i, n, err)
				}
				if _, err := conn.Exec(t.Context(), "SELECT auth.sync_roles($1)", w.name(one(fmt.Sprintf("#new%d", n), selectT, `{"type": "membership", "role": "#x"}`))); err != nil {
					t.Errorf("new %d %d: %v", i, n, err)
				}
			}
		})
	}
	wg.Wait()
	// What is left without members by this is dropped after it.
	w.text(t, w.DB, "SELECT statement FROM auth.sync_roles($1)", w.name(with(one("#x", viaTable("direct", `"SELECT"`)), `"drop_unused": true`)))
	w.idle(t, w.DB, "SELECT auth.sync_roles($1)", w.name(with(one("#x", viaTable("direct", `"SELECT"`)), `"drop_unused": true`)))
	w.has(t, "#x", "table app.t: SELECT")
	w.same(t, w.DB, "SELECT role_name FROM auth.intermediate_role", "")
	w.has(t, "#new0", "in #x; table app.t: SELECT")
	equal(t, "rights", w.rights(t, "rolewright_owner"), "")
}

// Somebody's open statement about the same object, role or membership: the run waits for it or looks again, and ends well.
func TestARunAgainstSomebodysOpenTransactionEndsWell(t *testing.T) {
	t.Parallel()
	for _, open := range []string{
		"GRANT INSERT ON app.t TO #x", "GRANT SELECT ON app.t TO #x", "REVOKE ALL ON app.t FROM #x", "GRANT INSERT ON app.t TO #y", "GRANT INSERT (id) ON app.t TO #x", "GRANT USAGE ON SCHEMA app TO #y", "ALTER ROLE #x CONNECTION LIMIT 9", "ALTER ROLE #x LOGIN",
		"GRANT #group TO #x", "REVOKE #group FROM #x", "ALTER DEFAULT PRIVILEGES FOR ROLE #app IN SCHEMA app GRANT INSERT ON TABLES TO #x", "ALTER TABLE app.t OWNER TO #y", "LOCK TABLE app.t", "DROP TABLE app.log_1", "CREATE TABLE app.t9 ()",
		"ALTER DEFAULT PRIVILEGES FOR ROLE #app IN SCHEMA app GRANT SELECT ON TABLES TO #y", "CREATE ROLE #made",
	} {
		for _, end := range []string{"COMMIT", "ROLLBACK"} {
			if end == "ROLLBACK" && open != "GRANT INSERT ON app.t TO #x" && open != "ALTER ROLE #x LOGIN" {
				continue
			}
			t.Run(open+" "+end, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.exec(t, "CREATE ROLE #y; CREATE ROLE #group; CREATE ROLE #old; GRANT #old TO #x")
				w.dba(t, "SET ROLE #app; GRANT UPDATE ON app.t TO #x; GRANT UPDATE (id) ON app.t TO #x; GRANT DELETE ON app.t2 TO #x; GRANT CREATE ON SCHEMA app TO #x")
				declaration := w.name(`{"roles": {"#x": {"grants": [{"type": "login", "connection_limit": 5}, {"type": "membership", "role": "#group"}, {"type": "schema", "name": "app", "privileges": ["USAGE"]}, {"type": "table", "schema": "app", "name": "t", "privileges": ["SELECT"]},
					{"type": "table", "schema": "app", "name": "t", "columns": ["id"], "privileges": ["INSERT"]}, {"type": "default", "creator": "#app", "schema": "app", "objects": "TABLES", "privileges": ["SELECT"]}]}, "#made": {"grants": [` + viaTable("group", `"SELECT"`) + `]}}}`)
				other, mine := harness.Connect(t, w.SuperURL), harness.Connect(t, w.OwnerURL)
				harness.Exec(t, other, "BEGIN; SET LOCAL ROLE rolewright_owner")
				if !strings.Contains(open, "ROLE #") && !strings.HasPrefix(open, "GRANT #") && !strings.HasPrefix(open, "REVOKE #") || strings.Contains(open, "DEFAULT") {
					harness.Exec(t, other, "RESET ROLE")
				}
				harness.Exec(t, other, w.name(open))
				wait := w.start(t, mine, "SELECT auth.sync_roles($1)", declaration)
				harness.Exec(t, other, end)
				err := wait()
				if err != nil && strings.HasPrefix(state(err), "RW") {
					t.Logf("refused: %v", err)
				} else if err != nil {
					t.Errorf("ended in %v", err)
				}
				if err != nil {
					harness.Exec(t, w.DB, "SELECT auth.sync_roles($1)", declaration)
				}
				w.idle(t, w.DB, "SELECT auth.sync_roles($1)", declaration)
				equal(t, "rights", w.rights(t, "rolewright_owner"), "")
			})
		}
	}
}

// A failure in the middle leaves nothing, not even the caller's rights of the moment.
func TestAFailureInTheMiddleLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dba(t, `CREATE FUNCTION oracle.fail() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $f$ BEGIN IF has_table_privilege('#x', 'app.t2', 'SELECT') THEN RAISE 'not that' USING ERRCODE = 'ZZ001'; END IF; END $f$;
		CREATE EVENT TRIGGER fail ON ddl_command_end WHEN TAG IN ('GRANT') EXECUTE FUNCTION oracle.fail()`)
	w.dba(t, "SET ROLE #app; GRANT INSERT ON app.log_1 TO #x")
	declaration := with(one("#x", `{"type": "login", "password": "secret"}`, `{"type": "membership", "role": "#parent"}`, `{"type": "schema", "name": "new", "owner": true}`, selectT, viaTable("group", `"UPDATE"`),
		`{"type": "table", "schema": "app", "name": "t2", "privileges": ["SELECT"]}`), `"options": {"missing": "create"}`)
	traces := func() string {
		return w.text(t, w.super, `SELECT 'role ' || rolname || xmin FROM pg_authid WHERE starts_with(rolname, '`+w.prefix+`') UNION ALL SELECT 'member ' || count(*) FROM pg_auth_members WHERE member IN (SELECT oid FROM pg_roles WHERE starts_with(rolname, '`+w.prefix+`') OR rolname = 'rolewright_owner') AND roleid IN (SELECT oid FROM pg_roles WHERE starts_with(rolname, '`+w.prefix+`'))
			UNION ALL SELECT 'acl ' || relname || relacl::text FROM pg_class WHERE relnamespace = 'app'::regnamespace UNION ALL SELECT 'audit ' || count(*) FROM auth.audit_event UNION ALL SELECT 'via ' || role_name FROM auth.intermediate_role UNION ALL SELECT 'schema ' || nspname FROM pg_namespace
			UNION ALL SELECT 'password ' || role_oid FROM unsecure.declared_password ORDER BY 1`)
	}
	before := traces()
	_ = w.mustFail(t, w.DB, "ZZ001", "SELECT auth.sync_roles($1)", w.name(declaration))
	equal(t, "afterwards", traces(), before)
	conn := harness.Connect(t, w.OwnerURL)
	harness.Exec(t, conn, "BEGIN; SAVEPOINT s")
	_ = w.mustFail(t, conn, "ZZ001", "SELECT auth.sync_roles($1)", w.name(declaration))
	harness.Exec(t, conn, "ROLLBACK TO s")
	w.same(t, conn, "SELECT current_user || current_setting('role') || current_setting('client_min_messages')", "rolewright_ownernonenotice")
	harness.Exec(t, conn, "COMMIT")
	equal(t, "after a savepoint", traces(), before)
	w.dba(t, "DROP EVENT TRIGGER fail")
	w.syncAs(t, w.Pool, declaration)
}

// In a transaction with other work, rolled back or not.
func TestASyncIsPartOfItsTransaction(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	conn := w.begin(t)
	harness.Exec(t, conn, w.name("SET LOCAL ROLE rolewright_owner; CREATE ROLE #inner"))
	harness.Exec(t, conn, "SELECT auth.sync_roles($1)", w.name(one("#inner", selectT)))
	harness.Exec(t, conn, "SELECT auth.sync_roles($1)", w.name(one("#inner", selectT, `{"type": "schema", "name": "app", "privileges": ["USAGE"]}`)))
	w.same(t, conn, "SELECT current_setting('role')", "rolewright_owner")
	harness.Exec(t, conn, "ROLLBACK")
	w.same(t, w.DB, "SELECT count(*) FROM pg_roles WHERE rolname = '#inner'", "0")
}
