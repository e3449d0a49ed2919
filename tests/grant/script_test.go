package grant_test

import (
	"strings"
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

// The script of a plan, run by psql as the same user in one transaction, comes to the same.
func TestTheScriptComesToTheSame(t *testing.T) {
	t.Parallel()
	scripted, synced := newWorld(t), newWorld(t)
	declaration := with(one("#x", `{"type": "login", "password": "geheim", "valid_until": "2040-01-01T00:00:00Z"}`, `{"type": "membership", "role": "#parent"}`, `{"type": "schema", "name": "new", "owner": true}`, `{"type": "schema", "name": "app", "privileges": ["USAGE"]}`,
		`{"type": "table", "schema": "app", "all": true, "privileges": ["SELECT"]}`, `{"type": "table", "schema": "app", "name": "t", "columns": ["id", "name"], "privileges": ["UPDATE"], "grant_option": true}`, `{"type": "table", "schema": "app", "name": "t2", "owner": true}`,
		viaTable("group", `"INSERT"`), `{"type": "default", "creator": "#app", "objects": "TABLES", "privileges": ["SELECT"]}`, `{"type": "function", "schema": "app", "all": true, "privileges": ["EXECUTE"]}`), `"options": {"missing": "create"}`)
	for _, w := range []*world{scripted, synced} {
		w.exec(t, "CREATE ROLE #y; CREATE ROLE #del")
		w.dba(t, "SET ROLE #app; GRANT USAGE ON SCHEMA app TO PUBLIC; GRANT DELETE ON app.t TO #del WITH GRANT OPTION; RESET ROLE; SET ROLE #del; GRANT DELETE ON app.t TO #x; RESET ROLE; GRANT CREATE ON SCHEMA app TO #x; SET ROLE #x; CREATE TABLE app.mine (); RESET ROLE; REVOKE CREATE ON SCHEMA app FROM #x")
	}
	for _, d := range []string{declaration, one("#x", `{"type": "login"}`, selectT), with(one("#x"), `"options": {"new_owner": "#app"}`)} {
		w := scripted
		lines := harness.Column[string](t, w.DB, "SELECT auth.plan_script($1)", w.name(d))
		for _, line := range lines {
			if strings.Contains(line, "geheim") || strings.Contains(line, "SCRAM") || strings.HasPrefix(line, "BEGIN") || strings.HasPrefix(line, "COMMIT") {
				t.Errorf("in the script: %s", line)
			}
		}
		rights := w.rights(t, harness.Owner)
		conn := harness.Connect(t, w.OwnerURL)
		harness.Exec(t, conn, "BEGIN;\n"+strings.Join(lines, ";\n")+"\n;COMMIT")
		w.same(t, conn, "SELECT current_user || current_setting('role')", "rolewright_ownernone")
		equal(t, "rights", w.rights(t, harness.Owner), rights)
		plan := w.plan(t, w.DB, d)
		if d == declaration {
			equal(t, "the plan afterwards", strings.ReplaceAll(plan, "ALTER ROLE #x PASSWORD '********'", "password"), "password")
		} else {
			equal(t, "the plan afterwards", plan, "")
		}
		synced.sync(t, d)
		equal(t, "#x", w.state(t, "#x"), strings.ReplaceAll(synced.state(t, "#x"), synced.Name, w.Name))
		equal(t, "the others", w.others(t, "#x"), strings.ReplaceAll(synced.others(t, "#x"), synced.Name, w.Name))
	}
	// An intermediate role that a script made is known to nobody; the plan says so rather than using it.
	_ = scripted.mustFail(t, scripted.DB, "RW522", "SELECT auth.plan_script($1)", scripted.name(one("#x", `{"type": "language", "name": "c", "privileges": ["USAGE"]}`)))
}

// What was reviewed is what is done, or nothing.
func TestOnlyTheReviewedPlanIsDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hash := func(d string) string {
		return harness.One[string](t, w.DB, "SELECT auth.plan_hash(ARRAY(SELECT p FROM auth.plan_roles($1) AS p))", w.name(d))
	}
	reviewed := func(d, hash string) string { return with(d, `"options": {"plan_hash": "`+hash+`"}`) }
	d := one("#x", selectT, `{"type": "login"}`)
	first := hash(d)
	if len(first) != 64 || first != hash(d) || first == hash(one("#x", selectT)) || first == hash(`{}`) {
		t.Errorf("hash %s", first)
	}
	other := newWorldOn(t, harness.Shared(t), w.prefix)
	if harness.One[string](t, other.DB, "SELECT auth.plan_hash(ARRAY(SELECT p FROM auth.plan_roles($1) AS p))", w.name(d)) == first {
		t.Error("another database's plan is taken for this one's")
	}
	w.dba(t, "GRANT INSERT ON app.t TO #x")
	detail := w.mustFail(t, w.DB, "RW523", "SELECT auth.sync_roles($1)", w.name(reviewed(d, first))).Detail
	if !strings.Contains(detail, first) || !strings.Contains(detail, hash(d)) {
		t.Error(detail)
	}
	w.has(t, "#x", "table app.t: INSERT")
	w.dba(t, "REVOKE INSERT ON app.t FROM #x")
	w.text(t, w.DB, "SELECT statement FROM auth.sync_roles($1)", w.name(reviewed(d, first)))
	w.has(t, "#x", "table app.t: SELECT")
	_ = w.mustFail(t, w.DB, "RW523", "SELECT auth.sync_roles($1)", w.name(reviewed(d, first)))
	w.idle(t, w.DB, "SELECT auth.sync_roles($1)", w.name(reviewed(d, hash(d))))
}

// What is declared is kept, and what is not so any more is drift, found and ended without the file.
func TestDriftIsFoundAndEndedFromWhatIsKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, "CREATE ROLE #y")
	declare := func(sql string) string { return w.text(t, w.DB, sql) }
	equal(t, "new", declare(`SELECT auth.declare_role('#x', '[`+selectT+`, {"type": "login", "password": "geheim"}]', '{scratch}', '{"missing": "skip", "lock_key": 3}')`), "true")
	equal(t, "again", declare(`SELECT auth.declare_role('#x', '[`+selectT+`, {"type": "login", "password": "andere"}]', '{scratch}', '{"missing": "skip"}')`), "false")
	equal(t, "many", declare(`SELECT auth.declare_roles('{"roles": {"#x": {"grants": [`+selectT+`, {"type": "login"}], "preserve_schemas": ["scratch"], "options": {"missing": "skip"}}, "#y": {"grants": [{"type": "schema", "name": "app", "privileges": ["USAGE"]}]}},
		"public": [{"action": "revoke", "type": "schema", "name": "public", "privileges": ["USAGE"]}]}')`), "2")
	w.same(t, w.DB, "SELECT concat_ws(' ', role_name, grants, preserve_schemas, options) FROM auth.role_declaration ORDER BY role_name <> 'public', role_name",
		`public [{"name": "public", "type": "schema", "action": "revoke", "privileges": ["USAGE"]}] {} {}; #x [{"name": "t", "type": "table", "schema": "app", "privileges": ["SELECT"]}, {"type": "login"}] {scratch} {"missing": "skip"}; #y [{"name": "app", "type": "schema", "privileges": ["USAGE"]}] {} {}`)
	w.has(t, "#x", "")
	drift := func(names string) string {
		return w.text(t, w.DB, "SELECT statement FROM auth.drift("+names+") ORDER BY replace(statement, $1, '') COLLATE \"C\"", w.prefix)
	}
	equal(t, "of #y", drift("'{#y}'"), "GRANT USAGE ON SCHEMA app TO #y")
	equal(t, "of PUBLIC", drift("'{public}'"), "REVOKE USAGE ON SCHEMA public FROM PUBLIC")
	equal(t, "of nobody", drift("'{nobody}'"), "")
	equal(t, "of all", drift(""), "ALTER ROLE #x LOGIN; GRANT SELECT ON TABLE app.t TO #x; GRANT USAGE ON SCHEMA app TO #y; REVOKE USAGE ON SCHEMA public FROM PUBLIC")
	equal(t, "of #y, ended", w.text(t, w.DB, "SELECT statement FROM auth.apply_drift('{#y}')"), "GRANT USAGE ON SCHEMA app TO #y")
	w.text(t, w.DB, "SELECT statement FROM auth.apply_drift()")
	w.idle(t, w.DB, "SELECT auth.drift()")
	w.idle(t, w.DB, "SELECT auth.apply_drift()")
	w.dba(t, "GRANT INSERT ON app.t TO #x; REVOKE USAGE ON SCHEMA app FROM #y; GRANT SELECT ON app.t TO PUBLIC; CREATE SCHEMA scratch; GRANT USAGE ON SCHEMA scratch TO #x; CREATE TABLE scratch.t (); GRANT SELECT ON scratch.t TO #x")
	equal(t, "after some work by hand", w.plain(drift("")), "GRANT USAGE ON SCHEMA app TO #y; REVOKE INSERT ON TABLE app.t FROM #x; REVOKE USAGE ON SCHEMA scratch FROM #x")
	equal(t, "in a superuser's eyes", w.text(t, w.super, "SELECT statement FROM auth.drift() ORDER BY ordinal"), "REVOKE INSERT ON TABLE app.t FROM #x; GRANT USAGE ON SCHEMA app TO #y; REVOKE USAGE ON SCHEMA scratch FROM #x")
	w.text(t, w.super, "SELECT statement FROM auth.apply_drift()")
	w.has(t, "#x", "table app.t: SELECT; table scratch.t: SELECT")
	equal(t, "undeclared", declare("SELECT auth.undeclare_role('#y')"), "true")
	equal(t, "undeclared again", declare("SELECT auth.undeclare_role('#y')"), "false")
	w.dba(t, "GRANT SELECT ON app.t2 TO #y")
	equal(t, "of all", drift(""), "")
	_ = w.mustFail(t, w.DB, "RW520", `SELECT auth.declare_role('#y', '[{"type": "nonsense"}]')`)
	_ = w.mustFail(t, w.DB, "RW503", `SELECT auth.declare_role('rolewright_owner', '[]')`)
	w.same(t, w.DB, "SELECT count(*) > 0 FROM auth.audit_event WHERE subject_type = 'role_declaration' OR event_code LIKE '%declar%'", "true")
}

// The hazards that a plan names.
func TestHazardsAreNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dba(t, "SET ROLE #app; GRANT SELECT ON app.t2 TO #x WITH GRANT OPTION; RESET ROLE; SET ROLE #x; RESET ROLE")
	w.same(t, w.DB, `SELECT concat(split_part(c.statement, ' ', 1), ' ', c.object, ': ', array_to_string(auth.change_hazards(c), ', ')) FROM auth.plan_roles($1) AS c ORDER BY c.object COLLATE "C", 1 DESC`,
		"ALTER login: ; ALTER password: sets a password; GRANT schema app: gives to everybody; GRANT schema app: ; ALTER table app.t: loses access, touches ownership, takes a lock; REVOKE table app.t2: loses access",
		w.name(with(one("#x", `{"type": "login", "password": "x"}`, `{"type": "table", "schema": "app", "name": "t", "owner": true}`, `{"type": "schema", "name": "app", "privileges": ["USAGE"]}`), `"public": [{"action": "grant", "type": "schema", "name": "app", "privileges": ["USAGE"]}]`)))
}
