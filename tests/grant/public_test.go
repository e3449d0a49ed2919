package grant_test

import (
	"strings"
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

// public is what PUBLIC has, beside what PostgreSQL and Rolewright have for everybody.
func (w *world) public(t testing.TB) string {
	t.Helper()
	return w.text(t, w.super, `SELECT line FROM oracle.holding h JOIN oracle.object o USING (object) WHERE role = '-' AND (nsp IN ('app', 'public', 'other') OR object LIKE 'default of%' OR object = 'database ' || quote_ident(current_database())) ORDER BY 1`)
}

// The schema public of PostgreSQL 15 and later, whose owner has no members, and the rules for PUBLIC that a declaration has.
func TestRulesForPublicDoWhatTheySayAndNoMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dba(t, "GRANT CREATE ON SCHEMA public TO PUBLIC; SET ROLE #app; GRANT SELECT, INSERT ON app.t TO PUBLIC; GRANT SELECT (id) ON app.t2 TO PUBLIC; GRANT USAGE ON SCHEMA app TO PUBLIC")
	db := "database " + w.Name
	before := w.public(t)
	// Not unasked.
	w.sync(t, one("#x", selectT))
	w.sync(t, one("#x"))
	equal(t, "untouched", w.public(t), before)
	rule := func(rules ...string) string { return `{"public": [` + strings.Join(rules, ", ") + `]}` }
	for _, c := range [][2]string{
		{`{"action": "revoke", "type": "schema", "name": "public", "privileges": ["CREATE"]}`, "REVOKE CREATE ON SCHEMA public FROM PUBLIC"},
		{`{"action": "revoke", "type": "database", "name": "` + w.Name + `", "privileges": ["CONNECT", "temp"]}`, "REVOKE CONNECT, TEMPORARY ON DATABASE " + w.Name + " FROM PUBLIC"},
		{`{"action": "grant", "type": "database", "name": "` + w.Name + `", "privileges": ["CONNECT"]}`, "GRANT CONNECT ON DATABASE " + w.Name + " TO PUBLIC"},
		{`{"action": "revoke", "type": "table", "schema": "app", "all": true, "privileges": ["ALL"]}`, "REVOKE INSERT, SELECT ON TABLE app.t FROM PUBLIC"},
		{`{"action": "revoke", "type": "table", "schema": "app", "name": "t2", "columns": ["id"], "privileges": ["ALL"]}`, "REVOKE SELECT (id) ON TABLE app.t2 FROM PUBLIC"},
		{`{"action": "grant", "type": "function", "schema": "app", "name": "g", "privileges": ["EXECUTE"]}`, "GRANT EXECUTE ON FUNCTION app.g() TO PUBLIC"},
		{`{"action": "grant", "type": "table", "schema": "app", "name": "v", "privileges": ["SELECT"]}`, "GRANT SELECT ON TABLE app.v TO PUBLIC"},
	} {
		equal(t, c[0], w.sync(t, rule(c[0])), c[1])
	}
	for _, line := range []string{"schema public: USAGE", db + ": CONNECT", "function app.g(): EXECUTE", "table app.v: SELECT", "schema app: USAGE"} {
		if !strings.Contains(w.public(t)+";", line+";") {
			t.Errorf("%s is not in %s", line, w.public(t))
		}
	}
	for _, line := range []string{"app.t:", "column", "TEMPORARY"} {
		if strings.Contains(w.public(t), line) {
			t.Errorf("%s is in %s", line, w.public(t))
		}
	}
	// The other way round.
	w.sync(t, rule(`{"action": "grant", "type": "schema", "name": "public", "privileges": ["CREATE"]}`, `{"action": "revoke", "type": "schema", "name": "app", "privileges": ["ALL"]}`))
	// A rule in two minds.
	both := rule(`{"action": "grant", "type": "schema", "name": "app", "privileges": ["USAGE"]}`, `{"action": "revoke", "type": "schema", "name": "app", "privileges": ["USAGE"]}`)
	_, err := w.Pool.Exec(t.Context(), "SELECT auth.sync_roles($1)", both)
	if code := state(err); !strings.HasPrefix(code, "RW52") {
		t.Errorf("both granted and revoked: %v", err)
	}
	// What is missing is not there for PUBLIC either way.
	w.idle(t, w.DB, "SELECT auth.sync_roles($1)", rule(`{"action": "revoke", "type": "schema", "name": "nowhere", "privileges": ["ALL"]}`, `{"action": "revoke", "type": "table", "schema": "app", "name": "nothing", "privileges": ["ALL"]}`))
	equal(t, "missing", w.refuses(t, w.DB, "RW521", rule(`{"action": "grant", "type": "schema", "name": "nowhere", "privileges": ["USAGE"]}`)), "schema nowhere (for PUBLIC).")
	w.idle(t, w.DB, "SELECT auth.sync_roles($1)", with(rule(`{"action": "grant", "type": "schema", "name": "nowhere", "privileges": ["USAGE"]}`), `"options": {"missing": "skip"}`))
}

// Default privileges that PUBLIC has by PostgreSQL's own are taken and given back.
func TestDefaultPrivilegesOfPublic(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	revoke := `{"public": [{"action": "revoke", "type": "default", "creator": "#app", "objects": "functions", "privileges": ["EXECUTE"]}, {"action": "revoke", "type": "default", "creator": "#app", "objects": "TYPES", "privileges": ["ALL"]},
		{"action": "grant", "type": "default", "creator": "#app", "schema": "app", "objects": "tables", "privileges": ["SELECT"]}]}`
	equal(t, "statements", w.sync(t, revoke), "ALTER DEFAULT PRIVILEGES FOR ROLE #app IN SCHEMA app GRANT SELECT ON TABLES TO PUBLIC; ALTER DEFAULT PRIVILEGES FOR ROLE #app REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC; ALTER DEFAULT PRIVILEGES FOR ROLE #app REVOKE USAGE ON TYPES FROM PUBLIC")
	w.dba(t, "SET ROLE #app; CREATE FUNCTION app.later() RETURNS integer LANGUAGE sql RETURN 1; CREATE DOMAIN app.later AS integer; CREATE TABLE app.later2 ()")
	w.same(t, w.super, "SELECT line FROM oracle.holding WHERE role = '-' AND object LIKE '%later%'", "table app.later2: SELECT")
	w.sync(t, strings.NewReplacer("revoke", "grant", `"action": "grant", "type": "default", "creator": "#app", "schema"`, `"action": "revoke", "type": "default", "creator": "#app", "schema"`).Replace(revoke))
	w.same(t, w.super, "SELECT * FROM pg_default_acl", "")
}

// In schema public the database's owner acts, who is Rolewright's here.
func TestSchemaPublicIsTheDatabaseOwners(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.same(t, w.DB, "SELECT nspowner::regrole FROM pg_namespace WHERE nspname = 'public'", map[bool]string{true: "pg_database_owner", false: "postgres"}[w.major >= 15])
	grant := `{"type": "schema", "name": "public", "privileges": ["CREATE", "USAGE"]}`
	w.sync(t, one("#x", grant))
	w.has(t, "#x", "schema public: CREATE USAGE")
	w.dba(t, "SET ROLE #x; CREATE TABLE public.mine ()")
	w.sync(t, one("#x", `{"type": "table", "schema": "public", "name": "mine", "owner": true}`))
	w.has(t, "#x", "owns table public.mine")
	w.sync(t, one("#x", `{"type": "table", "schema": "public", "pattern": "m.*", "privileges": ["SELECT"]}`))
	w.has(t, "#x", "table public.mine: SELECT")
	w.sync(t, one("#x", `{"type": "schema", "name": "public", "owner": true}`))
	w.has(t, "#x", "owns schema public")
	w.sync(t, one("#x"))
	w.same(t, w.DB, "SELECT nspowner::regrole FROM pg_namespace WHERE nspname = 'public'", harness.Owner)
}
