package grant_test

import (
	"strings"
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

const selectT = `{"type": "table", "schema": "app", "name": "t", "privileges": ["SELECT"]}`

// Somebody else's grant ends as his, on each kind of object; nothing is done halfway.
func TestWhatSomebodyElseGrantedEndsAsHis(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, "CREATE ROLE #del")
	w.dba(t, `SELECT lo_create(99); ALTER LARGE OBJECT 99 OWNER TO #app; ALTER LANGUAGE plpgsql OWNER TO #app; CREATE FOREIGN DATA WRAPPER w; GRANT USAGE ON FOREIGN DATA WRAPPER w TO #app; CREATE SERVER srv FOREIGN DATA WRAPPER w; ALTER SERVER srv OWNER TO #app`)
	grants := `GRANT USAGE, CREATE ON SCHEMA app TO %s; GRANT SELECT, INSERT ON app.t TO %s; GRANT UPDATE (name) ON app.t TO %s; GRANT USAGE ON SEQUENCE app.s TO %s; GRANT EXECUTE ON FUNCTION app.g() TO %s; GRANT EXECUTE ON PROCEDURE app.p(integer) TO %s;
		GRANT USAGE ON TYPE app.e TO %s; GRANT SELECT ON LARGE OBJECT 99 TO %s; GRANT USAGE ON LANGUAGE plpgsql TO %s; GRANT USAGE ON FOREIGN SERVER srv TO %s`
	w.dba(t, "SET ROLE #app; "+strings.ReplaceAll(strings.ReplaceAll(grants, "%s;", "#del WITH GRANT OPTION;"), "%s", "#del WITH GRANT OPTION")+"; RESET ROLE; SET ROLE #del; "+strings.ReplaceAll(grants, "%s", "#x"))
	before := w.others(t, "#x")
	if got := w.state(t, "#x"); strings.Count(got, " by #del") != 10 {
		t.Fatal(got)
	}
	// One of it is declared, and stays as it is.
	w.sync(t, one("#x", selectT))
	w.has(t, "#x", "table app.t: SELECT by #del")
	equal(t, "of the others", w.others(t, "#x"), before)
	w.sync(t, one("#x"))
	w.has(t, "#x", "")
	equal(t, "of the others", w.others(t, "#x"), before)
	// Given by two.
	w.dba(t, `SET ROLE #del; GRANT SELECT ON app.t TO #x WITH GRANT OPTION; RESET ROLE; SET ROLE #app; GRANT SELECT ON app.t TO #x`)
	w.sync(t, one("#x", selectT))
	w.has(t, "#x", "table app.t: SELECT; table app.t: SELECT by #del")
	w.sync(t, one("#x"))
	w.has(t, "#x", "")
}

// A delegate that has lost what it would need to look at the object: the grants that it made end all the same.
func TestWhatADelegateWithoutUsageGrantedEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, "CREATE ROLE #del")
	w.dba(t, `SET ROLE #app; GRANT USAGE ON SCHEMA app TO #del; GRANT SELECT ON app.t TO #del WITH GRANT OPTION; RESET ROLE; SET ROLE #del; GRANT SELECT ON app.t TO #x; RESET ROLE; REVOKE ALL ON SCHEMA app FROM #del`)
	before := w.others(t, "#x")
	w.sync(t, one("#x"))
	w.has(t, "#x", "")
	equal(t, "of the others", w.others(t, "#x"), before)
}

// What the caller cannot end is refused with object, grantor and statement; all of it, and nothing else is done meanwhile.
func TestWhatCannotBeEndedIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dba(t, `CREATE ROLE #boss SUPERUSER; CREATE ROLE #stranger; SET ROLE #app; GRANT USAGE ON SCHEMA app TO #stranger; GRANT SELECT ON app.t TO #stranger WITH GRANT OPTION; GRANT SELECT ON app.t2 TO #boss WITH GRANT OPTION; GRANT UPDATE ON app.t TO #x; RESET ROLE;
		SET ROLE #stranger; GRANT SELECT ON app.t TO #x; RESET ROLE; SET SESSION AUTHORIZATION #boss; RESET SESSION AUTHORIZATION`)
	if w.major >= 16 {
		detail := w.refuses(t, w.DB, "RW522", one("#x"))
		equal(t, "DETAIL", detail, "#x: table app.t: #stranger gave it, and rolewright_owner cannot act as that role; it would take: REVOKE SELECT ON TABLE app.t FROM #x.")
		w.has(t, "#x", "table app.t: SELECT by #stranger; table app.t: UPDATE")
		// The statement is one for that role.
		w.dba(t, "SET ROLE #stranger; REVOKE SELECT ON TABLE app.t FROM #x")
	}
	w.sync(t, one("#x"))
	w.has(t, "#x", "")
	// A superuser's things are a superuser's.
	w.dba(t, `CREATE TABLE app.his (); GRANT SELECT ON app.his TO #x; GRANT USAGE ON LANGUAGE plpgsql TO #x`)
	detail := w.refuses(t, w.DB, "RW522", one("#x"))
	if strings.Count(detail, "postgres owns it, and rolewright_owner cannot act as that role; it would take: REVOKE ") < 1 || !strings.Contains(detail, "table app.his") {
		t.Error(detail)
	}
	w.syncAs(t, w.super, one("#x"))
	w.has(t, "#x", "")
}

// Who may not give on any more takes nothing from those to whom he gave: it becomes the owner's gift, with their options.
func TestWhatADelegateGaveStaysWithOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, "CREATE ROLE #a; CREATE ROLE #b; CREATE ROLE #c")
	w.dba(t, `SET ROLE #app; GRANT USAGE ON SCHEMA app TO #x, #a, #b; GRANT SELECT, UPDATE (name), INSERT ON app.t TO #x WITH GRANT OPTION; RESET ROLE; SET ROLE #x; GRANT SELECT ON app.t TO #a WITH GRANT OPTION; GRANT INSERT ON app.t TO #b; GRANT UPDATE (name) ON app.t TO #c;
		RESET ROLE; SET ROLE #a; GRANT SELECT ON app.t TO #b; GRANT SELECT ON app.t TO PUBLIC; RESET ROLE`)
	before := w.others(t, "#x")
	// The option only, and then all.
	w.sync(t, one("#x", selectT))
	w.has(t, "#x", "table app.t: SELECT")
	equal(t, "of the others", w.others(t, "#x"), before)
	w.has(t, "#a", "schema app: USAGE; table app.t: SELECT*")
	w.has(t, "#b", "schema app: USAGE; table app.t: INSERT; table app.t: SELECT by #a")
	w.sync(t, one("#x"))
	equal(t, "of the others, then", w.others(t, "#x"), before)
	// A chain, of which the middle goes, and the first together with the last.
	w.sync(t, one("#a", selectT))
	w.has(t, "#a", "table app.t: SELECT")
	w.has(t, "#b", "schema app: USAGE; table app.t: INSERT SELECT")
	w.dba(t, `GRANT USAGE ON SCHEMA app TO #x, #a; SET ROLE #app; GRANT SELECT ON app.t TO #x WITH GRANT OPTION; RESET ROLE; SET ROLE #x; GRANT SELECT ON app.t TO #a WITH GRANT OPTION; RESET ROLE; SET ROLE #a; GRANT SELECT ON app.t TO #c; RESET ROLE`)
	w.sync(t, `{"roles": {"#x": {"grants": []}, "#c": {"grants": []}}}`)
	w.has(t, "#x", "")
	w.has(t, "#c", "")
	if got := w.state(t, "#a"); !strings.Contains(got, "table app.t: SELECT*") {
		t.Error(got)
	}
}

// The rights that the caller gives himself are gone, and those that he had before are as they were, whatever they were.
func TestTheCallersRightsAreTheSameAfterwards(t *testing.T) {
	t.Parallel()
	major := harness.Shared(t).Major
	for _, had := range map[bool][]string{
		true: {"", "GRANT #app TO %s", "GRANT #app TO %s WITH INHERIT FALSE", "GRANT #app TO %s WITH INHERIT TRUE, SET FALSE", "GRANT #app TO %s WITH INHERIT FALSE, SET FALSE", "GRANT #app TO %s WITH INHERIT FALSE, SET FALSE, ADMIN TRUE",
			"GRANT #app TO #between; GRANT #between TO %s", "GRANT #app TO #between WITH INHERIT FALSE; GRANT #between TO %s"},
		false: {"", "GRANT #app TO %s", "GRANT #app TO %s WITH ADMIN OPTION", "GRANT #app TO #between; GRANT #between TO %s"},
	}[major >= 16] {
		for _, by := range []string{"rolewright_owner", "#noinherit"} {
			if by == "#noinherit" && (strings.Contains(had, "#between") || strings.Contains(had, "SET FALSE")) {
				continue
			}
			t.Run(had+by, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.exec(t, "CREATE ROLE #between; CREATE ROLE #y")
				conn := harness.Connect(t, w.OwnerURL)
				if by == "#noinherit" {
					w.dba(t, `CREATE ROLE #noinherit LOGIN NOINHERIT CREATEROLE; GRANT CREATE ON DATABASE `+w.Name+` TO #noinherit; GRANT USAGE ON SCHEMA auth, oracle TO #noinherit; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA auth TO #noinherit; GRANT SELECT ON ALL TABLES IN SCHEMA auth, oracle TO #noinherit;
						GRANT rolewright_owner TO #noinherit; GRANT #app, #x, #y TO #noinherit WITH ADMIN OPTION`)
					if w.major < 16 {
						w.dba(t, "REVOKE #app, #x, #y FROM #noinherit")
					} else {
						w.dba(t, "GRANT #app, #x, #y TO #noinherit WITH INHERIT FALSE, SET FALSE")
					}
					conn = w.As(t, w.name(by))
				}
				if had != "" {
					conn2 := harness.Connect(t, w.SuperURL)
					harness.Exec(t, conn2, w.name(strings.ReplaceAll(had, "%s", by)))
				}
				w.dba(t, "SET ROLE #app; GRANT USAGE ON SCHEMA app TO #y; GRANT INSERT ON app.t2 TO #y WITH GRANT OPTION; RESET ROLE; SET ROLE #y; GRANT INSERT ON app.t2 TO #x")
				w.syncAs(t, conn, one("#x", selectT, `{"type": "default", "creator": "#app", "objects": "TABLES", "privileges": ["SELECT"]}`))
				w.has(t, "#x", "default of #app on TABLES: SELECT; table app.t: SELECT")
				if by == "#noinherit" && w.major < 16 {
					// It takes the rights of both owners at once, which such a role never has.
					w.refuses(t, conn, "RW522", one("#x", selectT, `{"type": "table", "schema": "app", "name": "t2", "owner": true}`))
					return
				}
				owner := one("#x", selectT, `{"type": "table", "schema": "app", "name": "t2", "owner": true}`, `{"type": "schema", "name": "app", "owner": true}`)
				if by == "#noinherit" && w.major < 16 { // owners are changed with one's own rights, which a membership does not give here
					w.refuses(t, conn, "RW522", owner)
				} else {
					w.syncAs(t, conn, owner)
					w.has(t, "#x", "owns schema app; owns table app.t2; table app.t: SELECT")
				}
				w.syncAs(t, conn, with(one("#x", selectT), `"options": {"new_owner": "#app"}`))
				w.has(t, "#x", "table app.t: SELECT")
				w.same(t, conn, "SELECT current_user || ' ' || current_setting('role')", by+" none")
			})
		}
	}
}

// A setting of the caller's that would make him a member of what he makes does not.
func TestCreateroleSelfGrantDoesNotReach(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.since16(t)
	conn := harness.Connect(t, w.OwnerURL)
	harness.Exec(t, conn, "SET createrole_self_grant = 'set, inherit'")
	w.syncAs(t, conn, one("#new", `{"type": "table", "schema": "app", "name": "t", "privileges": ["SELECT"], "via": "group"}`))
	equal(t, "rights", w.rights(t, "rolewright_owner"), "")
	w.same(t, conn, "SELECT current_setting('createrole_self_grant') || current_setting('client_min_messages') || current_setting('role')", "set, inheritnoticenone")
}

// A warning of PostgreSQL is not taken for success.
func TestAGrantThatDoesNotHoldIsAnError(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// What undoes each GRANT at once.
	w.dba(t, `CREATE FUNCTION oracle.undo() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $f$ BEGIN IF session_user = 'rolewright_owner' AND tg_tag = 'GRANT' AND has_table_privilege('#x', 'app.t', 'SELECT') THEN
		SET LOCAL ROLE #app; REVOKE SELECT ON app.t FROM #x; RESET ROLE; END IF; END $f$`)
	w.dba(t, `ALTER FUNCTION oracle.undo() SECURITY INVOKER; CREATE EVENT TRIGGER undo ON ddl_command_end WHEN TAG IN ('GRANT') EXECUTE FUNCTION oracle.undo()`)
	before := w.others(t)
	_, err := w.Pool.Exec(t.Context(), "SELECT auth.sync_roles($1)", w.name(one("#x", selectT)))
	if state(err) != "RW507" {
		t.Errorf("got %v", err)
	}
	w.has(t, "#x", "")
	equal(t, "the others", w.others(t), before)
}

// REVOKE on a table takes the privilege from its columns too, and what was given on of those stays with others.
func TestWhatADelegateGaveOnOfColumnsStaysWithOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, "CREATE ROLE #a; CREATE ROLE #b")
	w.dba(t, `GRANT USAGE ON SCHEMA app TO PUBLIC; SET ROLE #app; GRANT UPDATE ON app.t TO #x; GRANT UPDATE (name) ON app.t TO #x WITH GRANT OPTION; RESET ROLE; SET ROLE #x; GRANT UPDATE (name) ON app.t TO #a; RESET ROLE`)
	before := w.others(t, "#x")
	w.sync(t, one("#x"))
	w.has(t, "#x", "")
	equal(t, "of the others", w.others(t, "#x"), before)
	w.has(t, "#a", "column app.t.name: UPDATE")
	// Only the table's goes, or only the column's.
	w.dba(t, `SET ROLE #app; GRANT UPDATE ON app.t TO #x WITH GRANT OPTION; GRANT UPDATE (name, id) ON app.t TO #x WITH GRANT OPTION; RESET ROLE; SET ROLE #x; GRANT UPDATE (id) ON app.t TO #a; GRANT UPDATE ON app.t TO #b; RESET ROLE`)
	before = w.others(t, "#x")
	w.sync(t, one("#x", `{"type": "table", "schema": "app", "name": "t", "columns": ["id", "name"], "privileges": ["UPDATE"], "grant_option": true}`))
	w.has(t, "#x", "column app.t.id: UPDATE*; column app.t.name: UPDATE*")
	equal(t, "of the others, without the table's", w.others(t, "#x"), before)
	w.dba(t, `SET ROLE #app; GRANT UPDATE ON app.t TO #x WITH GRANT OPTION; RESET ROLE; SET ROLE #x; GRANT UPDATE (name) ON app.t TO #b; RESET ROLE`)
	before = w.others(t, "#x")
	w.sync(t, one("#x", `{"type": "table", "schema": "app", "name": "t", "privileges": ["UPDATE"]}`))
	w.has(t, "#x", "table app.t: UPDATE")
	equal(t, "of the others, without the columns'", w.others(t, "#x"), before)
}

// Who may give a table's privilege on may give that on columns: PostgreSQL leaves such grants behind, in the name of somebody who may not make them.
func TestWhatIsLeftOfADelegateOfATableEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, "CREATE ROLE #del; CREATE ROLE #b")
	w.dba(t, `GRANT USAGE ON SCHEMA app TO PUBLIC; SET ROLE #app; GRANT INSERT ON app.t TO #del WITH GRANT OPTION; RESET ROLE; SET ROLE #del; GRANT INSERT (id) ON app.t TO #x; GRANT INSERT (name) ON app.t TO #b; RESET ROLE; SET ROLE #app; REVOKE INSERT ON app.t FROM #del CASCADE`)
	w.has(t, "#x", "column app.t.id: INSERT by #del")
	before := w.others(t, "#x")
	if plan := w.plan(t, w.DB, one("#x")); strings.HasPrefix(plan, "conflict ") {
		w.refuses(t, w.DB, "RW522", one("#x"))
	} else {
		w.sync(t, one("#x"))
		w.has(t, "#x", "")
	}
	equal(t, "of the others", w.others(t, "#x"), before)
	// While the delegate loses it by a declaration.
	w.dba(t, `SET ROLE #app; GRANT INSERT ON app.t TO #del WITH GRANT OPTION`)
	before = w.others(t, "#del")
	w.sync(t, one("#del"))
	w.has(t, "#del", "")
	equal(t, "of the others, then", w.others(t, "#del"), before)
	// PostgreSQL left it where it was, and gives nobody a way to revoke it.
	w.refuses(t, w.DB, "RW522", one("#b"))
}

// Roles of the declaration keep what a delegate gave them where their schemas are preserved, and PUBLIC what no rule takes.
func TestWhatADelegateGaveStaysWithThoseWhoKeepIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, "CREATE ROLE #del; CREATE ROLE #y")
	given := `GRANT USAGE ON SCHEMA app TO PUBLIC; SET ROLE #app; REVOKE ALL ON app.t FROM PUBLIC; REVOKE ALL ON FUNCTION app.g() FROM PUBLIC; GRANT SELECT, UPDATE (id) ON app.t TO #del WITH GRANT OPTION; GRANT EXECUTE ON FUNCTION app.g() TO #del WITH GRANT OPTION; RESET ROLE; SET ROLE #del; GRANT SELECT ON app.t TO #y WITH GRANT OPTION; GRANT UPDATE (id) ON app.t TO #y; GRANT SELECT ON app.t TO PUBLIC; GRANT EXECUTE ON FUNCTION app.g() TO PUBLIC; RESET ROLE`
	w.dba(t, given)
	w.sync(t, `{"roles": {"#del": {"grants": []}, "#y": {"grants": [], "preserve_schemas": ["app"]}}}`)
	w.has(t, "#del", "")
	w.has(t, "#y", "column app.t.id: UPDATE; table app.t: SELECT*")
	w.sync(t, one("#y"))
	w.dba(t, given)
	w.sync(t, `{"roles": {"#del": {"grants": []}}, "public": [{"action": "revoke", "type": "table", "schema": "app", "name": "t2", "privileges": ["ALL"]}]}`)
	equal(t, "of PUBLIC", w.public(t), "function app.g(): EXECUTE; schema app: USAGE; schema public: USAGE; table app.t: SELECT")
	w.dba(t, given)
	w.sync(t, `{"roles": {"#del": {"grants": []}}, "public": [{"action": "revoke", "type": "table", "schema": "app", "name": "t", "privileges": ["ALL"]}]}`)
	equal(t, "of PUBLIC, without the table", w.public(t), "function app.g(): EXECUTE; schema app: USAGE; schema public: USAGE")
}
