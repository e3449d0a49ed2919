package grant_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rolewright/rolewright/tests/harness"
)

// 3,000 roles on one table, which is more than its ACL can hold: all can SELECT, and the ACL stays small.
func TestThreeThousandRolesOnOneTable(t *testing.T) {
	t.Parallel()
	w := newWorldAlone(t)
	grants := `{"grants": [{"type": "schema", "name": "app", "privileges": ["USAGE"]}, {"type": "table", "schema": "app", "name": "t", "privileges": ["SELECT"]}]}`
	roles := make([]string, 3000)
	for i := range roles {
		roles[i] = fmt.Sprintf(`"#many %d": %s`, i, grants)
	}
	declaration := w.name(`{"roles": {` + strings.Join(roles, ", ") + `}}`)
	harness.Exec(t, w.DB, "SELECT count(*) FROM auth.sync_roles($1)", declaration)
	can := `SELECT count(*) FILTER (WHERE has_table_privilege(oid, 'app.t', 'SELECT')) || ' ' || count(*) FILTER (WHERE has_schema_privilege(oid, 'app', 'USAGE')) || ' ' || count(*) FILTER (WHERE has_table_privilege(oid, 'app.t', 'INSERT')) FROM pg_roles WHERE rolname LIKE '#many %'`
	w.same(t, w.super, can, "3000 3000 0")
	w.same(t, w.super, "SELECT cardinality(relacl) < 10 AND (SELECT cardinality(nspacl) < 10 FROM pg_namespace WHERE nspname = 'app') FROM pg_class WHERE oid = 'app.t'::regclass", "true")
	w.idle(t, w.DB, "SELECT auth.sync_roles($1)", declaration)
	// One leaves, one comes.
	w.sync(t, one("#many 2999"))
	w.has(t, "#many 2999", "")
	w.sync(t, `{"roles": {"#late": `+grants+`}}`)
	w.same(t, w.super, "SELECT has_table_privilege('#late', 'app.t', 'SELECT')", "true")
	w.same(t, w.super, can, "2999 2999 0")
}

func newWorldAlone(t testing.TB) *world {
	t.Helper()
	return newWorldOn(t, harness.Cluster(t), "only_")
}

func viaTable(way, privileges string) string {
	return `{"type": "table", "schema": "app", "name": "t", "privileges": [` + privileges + `], "via": "` + way + `"}`
}

// Direct to group and back loses no access in between, as somebody sees who reads all the time.
func TestTurningDirectIntoGroupLosesNoAccess(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	usage := `{"type": "login"}, {"type": "schema", "name": "app", "privileges": ["USAGE"]}`
	w.sync(t, one("#x", usage, viaTable("direct", `"SELECT"`)))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	reads := 0
	reader := w.As(t, w.name("#x"))
	go func() {
		for ctx.Err() == nil {
			if _, err := reader.Exec(context.Background(), "SELECT count(*) FROM app.t"); err != nil {
				done <- err
				return
			}
			reads++
			time.Sleep(time.Millisecond)
		}
		done <- nil
	}()
	for range 4 {
		w.sync(t, one("#x", usage, viaTable("group", `"SELECT"`)))
		if got := w.state(t, "#x"); !strings.HasPrefix(got, "in VIA") {
			t.Error(got)
		}
		w.sync(t, one("#x", usage, viaTable("direct", `"SELECT"`)))
		w.has(t, "#x", "schema app: USAGE; table app.t: SELECT")
		w.sync(t, one("#x", usage, viaTable("group", `"SELECT", "INSERT"`)))
		w.sync(t, one("#x", usage, viaTable("group", `"SELECT"`)))
		w.sync(t, one("#x", usage, viaTable("direct", `"SELECT"`)))
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	t.Logf("%d reads", reads)
}

// Intermediate roles are shared by who has the same, and dropped when nobody does.
func TestIntermediateRolesAreSharedAndDropped(t *testing.T) {
	t.Parallel()
	w := newWorldAlone(t) // those of other tests, whose databases are gone, are unused too
	w.exec(t, "CREATE ROLE #y")
	both := func(x, y string) string {
		return `{"roles": {"#x": {"grants": [` + x + `]}, "#y": {"grants": [` + y + `]}}}`
	}
	w.sync(t, both(viaTable("group", `"SELECT"`), viaTable("group", `"SELECT"`)))
	w.same(t, w.DB, "SELECT object_kind || privileges::text FROM auth.intermediate_role", "table{SELECT}")
	w.same(t, w.DB, "SELECT rolcanlogin::text || rolinherit FROM pg_roles WHERE rolname IN (SELECT role_name FROM auth.intermediate_role)", "falsetrue")
	equal(t, "in use", w.text(t, w.DB, "SELECT statement FROM auth.drop_unused_roles()"), "")
	w.sync(t, both(viaTable("group", `"SELECT"`), viaTable("group", `"SELECT", "UPDATE"`)))
	w.sync(t, both(viaTable("group", `"SELECT"`), ""))
	equal(t, "one is not", w.text(t, w.DB, "SELECT concat_ws(' ', action, reason) FROM auth.drop_unused_roles() ORDER BY ordinal"), "revoke not declared; drop nothing uses it")
	w.idle(t, w.DB, "SELECT auth.drop_unused_roles()")
	w.same(t, w.DB, "SELECT privileges::text FROM auth.intermediate_role", "{SELECT}")
	w.sync(t, both("", ""))
	// What it was for is gone, with the role in no catalog: it goes all the same.
	w.dba(t, "DROP TABLE app.t")
	w.text(t, w.DB, "SELECT statement FROM auth.drop_unused_roles()")
	w.same(t, w.DB, "SELECT privileges::text FROM auth.intermediate_role", "")
}

// An intermediate role that somebody has meddled with is set right with the roles that use it.
func TestWhatIsDoneToAnIntermediateRoleIsDrift(t *testing.T) {
	t.Parallel()
	w := newWorldAlone(t)
	w.exec(t, "CREATE ROLE #group")
	declaration := one("#x", viaTable("group", `"SELECT"`))
	w.sync(t, declaration)
	name := harness.One[string](t, w.DB, "SELECT role_name FROM auth.intermediate_role")
	for _, meddling := range []string{
		"GRANT INSERT ON app.t TO %s", "GRANT SELECT ON app.t2 TO %s", "GRANT USAGE ON SCHEMA app TO %s", "GRANT SELECT (name) ON app.t TO %s", "REVOKE SELECT ON app.t FROM %s", "GRANT SELECT ON app.t TO %s WITH GRANT OPTION",
		"ALTER DEFAULT PRIVILEGES FOR ROLE #app GRANT SELECT ON TABLES TO %s", "ALTER ROLE %s LOGIN", "SET ROLE rolewright_owner; GRANT #group TO %s", "ALTER TABLE app.t2 OWNER TO %s",
	} {
		w.dba(t, strings.ReplaceAll(meddling, "%s", name))
		if w.sync(t, declaration) == "" {
			t.Errorf("no drift: %s", meddling)
		}
		w.same(t, w.super, "SELECT line FROM oracle.holding WHERE role = $1", "table app.t: SELECT", name)
		w.same(t, w.super, "SELECT held FROM oracle.member WHERE member = $1", "", name)
		w.same(t, w.super, "SELECT rolcanlogin FROM pg_roles WHERE rolname = $1", "false", name)
		w.dba(t, "ALTER TABLE app.t2 OWNER TO #app")
	}
	// Rights that only superusers give, only they take.
	w.dba(t, "ALTER ROLE "+name+" BYPASSRLS")
	w.refuses(t, w.DB, "RW522", declaration)
	equal(t, "as a superuser", w.syncAs(t, w.super, declaration), "ALTER ROLE VIA NOBYPASSRLS")
	// A role of its name that is not ours is not given to anybody.
	w.sync(t, one("#x"))
	w.text(t, w.super, "SELECT statement FROM auth.drop_unused_roles()")
	w.dba(t, "CREATE ROLE "+name)
	w.refuses(t, w.DB, "RW522", declaration)
	w.dba(t, "DROP ROLE "+name)
	// Ours that somebody has dropped is made again.
	w.sync(t, declaration)
	w.dba(t, "DROP OWNED BY "+name+"; DROP ROLE "+name)
	w.sync(t, declaration)
	w.same(t, w.super, "SELECT has_table_privilege('#x', 'app.t', 'SELECT')", "true")
}

// What another database uses stays, and a sync in one takes nothing away in another.
func TestDatabasesDoNotTakeFromEachOther(t *testing.T) {
	t.Parallel()
	server := harness.Cluster(t)
	a, b := newWorldOn(t, server, "both_"), newWorldOn(t, server, "both_")
	grants := []string{viaTable("group", `"SELECT"`), `{"type": "schema", "name": "app", "privileges": ["USAGE"]}`, `{"type": "default", "creator": "#app", "objects": "TABLES", "privileges": ["SELECT"]}`}
	database := func(w *world) string {
		return `{"type": "database", "name": "` + w.Name + `", "privileges": ["CONNECT"]}`
	}
	all := func(w *world) string {
		w.same(t, w.super, "SELECT has_table_privilege('#x', 'app.t', 'SELECT')", "true")
		return w.state(t, "#x")
	}
	a.sync(t, one("#x", append(grants, database(a))...))
	all(a)
	b.sync(t, one("#x", append(grants, database(b))...))
	inB := all(b)
	if !strings.Contains(inB, "database "+a.Name+": CONNECT; ") || !strings.Contains(inB, "database "+b.Name+": CONNECT; ") {
		t.Error(inB)
	}
	all(a)
	a.idle(t, a.DB, "SELECT auth.sync_roles($1)", a.name(one("#x", append(grants, database(a))...)))
	b.sync(t, one("#x"))
	equal(t, "drop unused in b", b.text(t, b.DB, "SELECT statement FROM auth.drop_unused_roles() WHERE action = 'drop'"), "DROP ROLE VIA")
	a.idle(t, a.DB, "SELECT auth.sync_roles($1)", a.name(one("#x", append(grants, database(a))...)))
	all(a)
	equal(t, "drop unused in b again", b.text(t, b.DB, "SELECT statement FROM auth.drop_unused_roles()"), "")
	a.same(t, a.DB, "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'rolewright_via%'", "1")
	// Memberships and logins belong to all: the last database's declaration counts, unless it says that it is for its database only.
	b.sync(t, with(one("#x", `{"type": "login"}`), `"options": {"scope": "database"}`))
	a.idle(t, a.DB, "SELECT auth.sync_roles($1)", a.name(one("#x", append(grants, database(a))...)))
	b.sync(t, one("#x", database(b)))
	all(a)
}

// What a superuser has synced, Rolewright's owner can sync too.
func TestWhatASuperuserSyncedTheOwnerSyncsToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.syncAs(t, w.super, one("#x", viaTable("group", `"SELECT"`)))
	w.sync(t, one("#x", viaTable("direct", `"SELECT"`)))
	w.has(t, "#x", "table app.t: SELECT")
	w.syncAs(t, w.super, one("#x", viaTable("group", `"SELECT"`)))
	w.sync(t, one("#x"))
	w.text(t, w.DB, "SELECT statement FROM auth.drop_unused_roles()")
	w.same(t, w.DB, "SELECT role_name FROM auth.intermediate_role", "")
}

// Told to be direct, they do not fit: PostgreSQL's error comes as a refusal, and nothing is changed.
func TestMoreDirectGrantsThanATableHasRoomForAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	grants := make([]string, 3000)
	for i := range grants {
		grants[i] = fmt.Sprintf(`"#many%d": {"grants": [%s]}`, i, viaTable("direct", `"SELECT"`))
	}
	if _, err := w.Exec(t.Context(), "SELECT auth.sync_roles($1)", w.name(`{"roles": {`+strings.Join(grants, ",")+`}}`)); err == nil || !strings.Contains(err.Error(), "RW522") {
		t.Errorf("%v, want RW522", err)
	}
	w.same(t, w.DB, "SELECT rolname FROM pg_roles WHERE rolname LIKE '#many%'", "")
}
