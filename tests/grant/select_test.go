package grant_test

import (
	"strings"
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

// What a grant names: by name, by pattern over the whole name, or all.
func TestPatternsAndAllNameWhatIsThereNow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range [][2]string{
		{`{"type": "table", "schema": "app", "pattern": "t\\d*", "privileges": ["SELECT"]}`, "table app.t: SELECT; table app.t2: SELECT"},
		{`{"type": "table", "schema": "app", "pattern": "v|log", "privileges": ["SELECT"]}`, "table app.v: SELECT"},
		{`{"type": "table", "schema": "app", "pattern": "log_.*", "privileges": ["SELECT"]}`, "table app.log_1: SELECT"},
		{`{"type": "table", "schema": "app", "all": true, "privileges": ["SELECT"]}`,
			"table app.log_1: SELECT; table app.m: SELECT; table app.part: SELECT; table app.t: SELECT; table app.t2: SELECT; table app.v: SELECT"},
		{`{"type": "sequence", "schema": "app", "all": true, "privileges": ["USAGE"]}`, "sequence app.s: USAGE; sequence app.s2: USAGE"},
		{`{"type": "function", "schema": "app", "pattern": "f", "privileges": ["EXECUTE"]}`, "function app.f(integer): EXECUTE; function app.f(text, integer): EXECUTE"},
		{`{"type": "function", "schema": "app", "all": true, "privileges": ["EXECUTE"]}`,
			"function app.agg(integer): EXECUTE; function app.f(integer): EXECUTE; function app.f(text, integer): EXECUTE; function app.g(): EXECUTE"},
		{`{"type": "procedure", "schema": "app", "all": true, "privileges": ["EXECUTE"]}`, "procedure app.p(integer): EXECUTE"},
		{`{"type": "type", "schema": "app", "all": true, "privileges": ["USAGE"]}`, "type app.c: USAGE; type app.d: USAGE; type app.e: USAGE; type app.rng: USAGE"},
		{`{"type": "type", "schema": "app", "pattern": "[a-e]", "privileges": ["USAGE"]}`, "type app.c: USAGE; type app.d: USAGE; type app.e: USAGE"},
		{`{"type": "table", "schema": "app", "pattern": "t2?", "columns": ["id"], "privileges": ["SELECT"]}`, "column app.t.id: SELECT; column app.t2.id: SELECT"},
		{`{"type": "table", "schema": "app", "all": true, "columns": ["name"], "privileges": ["SELECT"]}`, "column app.t.name: SELECT"},
	} {
		w.sync(t, one("#x", c[0]))
		w.has(t, "#x", c[1])
	}
}

// A pattern that matches nothing is reported, and is no error; neither is "all" of a schema that is empty.
func TestAPatternThatMatchesNothingIsReported(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	warnings := w.warnings(t, one("#x", `{"type": "table", "schema": "app", "pattern": "zzz.*", "privileges": ["SELECT"]}`,
		`{"type": "function", "schema": "app", "pattern": "zzz", "privileges": ["EXECUTE"]}`))
	equal(t, "warnings", warnings, `nothing matches function "zzz" in schema app; nothing matches table "zzz.*" in schema app`)
	w.dba(t, "CREATE SCHEMA empty")
	equal(t, "warnings for all", w.warnings(t, one("#x", `{"type": "table", "schema": "empty", "all": true, "privileges": ["SELECT"]}`)), "")
	w.has(t, "#x", "")
}

// A name that several functions have is not enough; a signature in PostgreSQL's words or others is.
func TestFunctionsAreNamedWithoutOrWithTheirArguments(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dba(t, `SET ROLE #app; CREATE TYPE app."odd.T" AS (a integer); CREATE FUNCTION app."F(odd)"(app."odd.T", integer[]) RETURNS integer LANGUAGE sql RETURN 1;
		CREATE FUNCTION app.v(integer, VARIADIC text[]) RETURNS integer LANGUAGE sql RETURN 1; CREATE FUNCTION app.o(integer, OUT a integer, b numeric(10,2) DEFAULT 1) LANGUAGE sql RETURN 1;
		CREATE PROCEDURE app.g(text) LANGUAGE sql AS ''; CREATE FUNCTION app.ts(timestamp with time zone) RETURNS integer LANGUAGE sql RETURN 1;
		REVOKE ALL ON ALL ROUTINES IN SCHEMA app FROM PUBLIC`)
	detail := w.refuses(t, w.DB, "RW521", one("#x", `{"type": "function", "schema": "app", "name": "f", "privileges": ["EXECUTE"]}`))
	equal(t, "ambiguous", detail, `function app.f: there are several: app.f(integer), app.f(text,integer) (for #x).`)
	for _, c := range [][2]string{
		{"f(integer)", "f(integer)"},
		{"f(int4)", "f(integer)"},
		{"f (integer)", "f(integer)"},
		{"f(text,int)", "f(text, integer)"},
		{`"f"(integer)`, "f(integer)"},
		{"g()", "g()"},
		{"g", "g()"},
		{"F(odd)", `"F(odd)"(app."odd.T", integer[])`},
		{`"F(odd)"(app."odd.T", integer[])`, `"F(odd)"(app."odd.T", integer[])`},
		{`"F(odd)"(app."odd.T", int[])`, `"F(odd)"(app."odd.T", integer[])`},
		{"v(integer, text[])", "v(integer, text[])"},
		{"o(integer, numeric)", "o(integer, numeric)"},
		{"ts(timestamptz)", "ts(timestamp with time zone)"},
	} {
		w.syncOnly(t, one("#x", `{"type": "function", "schema": "app", "name": `+quoted(c[0])+`, "privileges": ["EXECUTE"]}`))
		w.has(t, "#x", "function app."+c[1]+": EXECUTE")
	}
	w.sync(t, one("#x", `{"type": "procedure", "schema": "app", "name": "g", "privileges": ["EXECUTE"]}`))
	w.has(t, "#x", "procedure app.g(text): EXECUTE")
	for _, name := range []string{"f(bigint)", "p", "f(", "f)", "f(nonsense)", "f(integer); DROP ROLE x", "f('a')", "f(integer integer)", `"f(integer)`, "f(pg_class%ROWTYPE)"} {
		equal(t, name, w.refuses(t, w.DB, "RW521", one("#x", `{"type": "function", "schema": "app", "name": `+quoted(name)+`, "privileges": ["EXECUTE"]}`)),
			"function app."+name+" (for #x).")
	}
}

// Privileges on columns and on their table are two things: one is given and taken without the other.
func TestColumnsAndTablesAreToldApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	table := func(privileges string) string {
		return `{"type": "table", "schema": "app", "name": "t", "privileges": [` + privileges + `]}`
	}
	columns := func(names, privileges string) string {
		return `{"type": "table", "schema": "app", "name": "t", "columns": [` + names + `], "privileges": [` + privileges + `]}`
	}
	equal(t, "both", w.sync(t, one("#x", table(`"SELECT"`), columns(`"id"`, `"SELECT", "UPDATE"`))),
		"GRANT SELECT ON TABLE app.t TO #x; GRANT SELECT (id), UPDATE (id) ON TABLE app.t TO #x")
	w.has(t, "#x", "column app.t.id: SELECT UPDATE; table app.t: SELECT")
	// REVOKE on the table takes it from the columns too.
	w.sync(t, one("#x", columns(`"id"`, `"SELECT", "UPDATE"`)))
	w.has(t, "#x", "column app.t.id: SELECT UPDATE")
	w.sync(t, one("#x", table(`"UPDATE"`), columns(`"id"`, `"SELECT", "UPDATE"`)))
	w.has(t, "#x", "column app.t.id: SELECT UPDATE; table app.t: UPDATE")
	w.sync(t, one("#x", table(`"UPDATE"`)))
	w.has(t, "#x", "table app.t: UPDATE")
	w.sync(t, one("#x", columns(`"id", "name", "Odd \"c.1"`, `"INSERT"`), columns(`"id"`, `"UPDATE"`)))
	w.has(t, "#x", `column app.t."Odd ""c.1": INSERT; column app.t.id: INSERT UPDATE; column app.t.name: INSERT`)
	w.sync(t, one("#x", columns(`"Odd \"c.1"`, `"ALL"`)))
	w.has(t, "#x", `column app.t."Odd ""c.1": INSERT REFERENCES SELECT UPDATE`)
	// The same with grant options, and of a table of which all goes.
	w.sync(t, one("#x", strings.Replace(table(`"ALL"`), "}", `, "grant_option": true}`, 1), columns(`"id"`, `"SELECT"`)))
	w.sync(t, one("#x", table(`"SELECT"`), columns(`"id"`, `"SELECT"`)))
	w.has(t, "#x", "column app.t.id: SELECT; table app.t: SELECT")
	w.sync(t, one("#x"))
	w.has(t, "#x", "")
	equal(t, "no such columns", w.refuses(t, w.DB, "RW521", one("#x", columns(`"id", "nope", "tableoid "`, `"SELECT"`))),
		"column \"tableoid \" of table app.t (for #x).\ncolumn nope of table app.t (for #x).")
	equal(t, "a privilege of tables", w.refuses(t, w.DB, "RW520", one("#x", columns(`"id"`, `"DELETE"`))),
		`role #x, grant 1: privileges: "DELETE" is none of SELECT, INSERT, UPDATE, REFERENCES.`)
}

// Default privileges do for what will be made what grants do for what is there.
func TestDefaultPrivilegesReachWhatIsMadeLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sync(t, one("#x", `{"type": "default", "creator": "#app", "schema": "app", "objects": "TABLES", "privileges": ["SELECT"]}`,
		`{"type": "default", "creator": "#app", "objects": "TABLES", "privileges": ["INSERT"]}`,
		`{"type": "default", "creator": "#app", "objects": "functions", "privileges": ["EXECUTE"], "grant_option": true}`,
		`{"type": "default", "creator": "#app", "objects": "schemas", "privileges": ["USAGE"]}`))
	w.dba(t, `GRANT CREATE ON DATABASE `+w.Name+` TO #app; SET ROLE #app; CREATE TABLE app.later (); CREATE SCHEMA later; CREATE TABLE later.t (); CREATE FUNCTION later.f() RETURNS integer LANGUAGE sql RETURN 1`)
	w.has(t, "#x", "default of #app on FUNCTIONS: EXECUTE*; default of #app on SCHEMAS: USAGE; default of #app on TABLES: INSERT; default of #app on TABLES in app: SELECT; "+
		"function later.f(): EXECUTE*; schema later: USAGE; table app.later: INSERT SELECT; table later.t: INSERT")
	w.sync(t, one("#x"))
	w.has(t, "#x", "")
	w.same(t, w.super, "SELECT * FROM pg_default_acl", "")
}

// Somebody's default privileges for himself and for PUBLIC stay as they are.
func TestDefaultPrivilegesOfOthersStay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dba(t, `ALTER DEFAULT PRIVILEGES FOR ROLE #app REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC; ALTER DEFAULT PRIVILEGES FOR ROLE #app REVOKE UPDATE ON TABLES FROM #app;
		ALTER DEFAULT PRIVILEGES FOR ROLE #app GRANT SELECT ON TABLES TO #x`)
	w.sync(t, one("#x", `{"type": "default", "creator": "#app", "objects": "FUNCTIONS", "privileges": ["EXECUTE"]}`))
	w.has(t, "#x", "default of #app on FUNCTIONS: EXECUTE")
	w.sync(t, one("#x"))
	w.same(t, w.super, "SELECT defaclobjtype::text || defaclacl::text FROM pg_default_acl ORDER BY 1", map[bool]string{true: "f{#app=X/#app}; r{#app=ardDxtm/#app}", false: "f{#app=X/#app}; r{#app=ardDxt/#app}"}[w.major >= 17])
	// An owner's own default privileges are its own, unless something is declared for it.
	w.sync(t, one("#app", w.owned()...))
	w.same(t, w.super, "SELECT defaclacl::text FROM pg_default_acl WHERE defaclobjtype = 'f'", "{#app=X/#app}")
	w.sync(t, one("#app", append(w.owned(), `{"type": "default", "creator": "#app", "objects": "TABLES", "privileges": ["SELECT"]}`)...))
	w.same(t, w.super, "SELECT defaclacl::text FROM pg_default_acl WHERE defaclobjtype = 'r'", "{#app=r/#app}")
	w.sync(t, one("#app", append(w.owned(), `{"type": "default", "creator": "#app", "objects": "TABLES", "privileges": ["ALL"]}`)...))
	w.same(t, w.super, "SELECT defaclacl::text FROM pg_default_acl WHERE defaclobjtype = 'r'", "")
}

// Sequences of identity and serial columns have privileges of their own.
func TestSequencesOfColumnsAreSequencesToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dba(t, `SET ROLE #app; CREATE TABLE app.i (id integer GENERATED ALWAYS AS IDENTITY, n serial)`)
	w.sync(t, one("#x", `{"type": "sequence", "schema": "app", "pattern": "i_.*", "privileges": ["USAGE"]}`))
	w.has(t, "#x", "sequence app.i_id_seq: USAGE; sequence app.i_n_seq: USAGE")
	w.sync(t, one("#x", `{"type": "table", "schema": "app", "name": "i", "owner": true}`, `{"type": "sequence", "schema": "app", "pattern": "i_n.*", "privileges": ["ALL"]}`))
	w.has(t, "#x", "owns sequence app.i_id_seq; owns sequence app.i_n_seq; owns table app.i")
}

// Whatever was granted where a declaration cannot name it is taken away too: arrays' and row types' privileges are those of others.
func TestWhatIsNotDeclaredIsRevokedEverywhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dba(t, `GRANT SELECT ON pg_catalog.pg_authid TO #x; GRANT UPDATE (rolname) ON pg_authid TO #x; GRANT EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(text) TO #x; GRANT USAGE ON SCHEMA information_schema, auth TO #x;
		GRANT SELECT ON auth.provider TO #x; GRANT USAGE ON LANGUAGE plpgsql TO #x; GRANT CREATE ON TABLESPACE pg_default TO #x; GRANT USAGE ON TYPE app.d TO #x; GRANT CONNECT ON DATABASE postgres TO #x`)
	w.refuses(t, w.DB, "RW522", one("#x"))
	w.syncAs(t, w.super, one("#x"))
	w.has(t, "#x", "database postgres: CONNECT") // what is another database's is not this one's business
}

// warnings are those of a plan.
func (w *world) warnings(t testing.TB, declaration string) string {
	t.Helper()
	conn, warnings := w.listen(t)
	harness.Exec(t, conn, "SELECT auth.sync_roles($1)", w.name(declaration))
	found := map[string]bool{}
	for _, m := range *warnings {
		found[m] = true
	}
	lines := []string{}
	for m := range found {
		lines = append(lines, m)
	}
	return strings.Join(sorted(lines), "; ")
}

// syncOnly is sync without looking twice.
func (w *world) syncOnly(t testing.TB, declaration string) {
	t.Helper()
	harness.Exec(t, w.DB, "SELECT auth.sync_roles($1)", w.name(declaration))
}

// owned is the declaration of what #app owns.
func (w *world) owned() []string {
	grants := []string{`{"type": "schema", "name": "app", "owner": true}`}
	for _, k := range strings.Fields("table sequence function procedure type") {
		grants = append(grants, `{"type": "`+k+`", "schema": "app", "all": true, "owner": true}`)
	}
	return grants
}
