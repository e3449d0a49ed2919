package grant_test

import (
	"strings"
	"testing"
)

// Each kind that has an owner: it becomes the role's, and then somebody else's again.
func TestEachKindGetsTheDeclaredOwner(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{
		{`"type": "schema", "name": "app"`, "schema app"},
		{`"type": "table", "schema": "app", "name": "t"`, "table app.t"},
		{`"type": "table", "schema": "app", "name": "v"`, "table app.v"},
		{`"type": "table", "schema": "app", "name": "m"`, "table app.m"},
		{`"type": "table", "schema": "app", "name": "part"`, "table app.part"},
		{`"type": "sequence", "schema": "app", "name": "s"`, "sequence app.s"},
		{`"type": "function", "schema": "app", "name": "g"`, "function app.g()"},
		{`"type": "function", "schema": "app", "name": "f(text, integer)"`, "function app.f(text, integer)"},
		{`"type": "function", "schema": "app", "name": "agg"`, "function app.agg(integer)"},
		{`"type": "procedure", "schema": "app", "name": "p"`, "procedure app.p(integer)"},
		{`"type": "type", "schema": "app", "name": "e"`, "type app.e"},
		{`"type": "type", "schema": "app", "name": "d"`, "type app.d"},
		{`"type": "type", "schema": "app", "name": "c"`, "type app.c"},
		{`"type": "type", "schema": "app", "name": "rng"`, "type app.rng"},
		{`"type": "database", "name": "%db"`, "database %db"},
	} {
		t.Run(c[1], func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			grant, object := strings.ReplaceAll(c[0], "%db", w.Name), strings.ReplaceAll(c[1], "%db", w.Name)
			options := `"options": {"new_owner": "#app"}`
			q := w.Pool
			if strings.HasPrefix(object, "database") {
				w.refuses(t, w.DB, "RW522", one("#x", `{`+grant+`, "owner": true}`))
				q = w.super
				// The owner of a database owns its schema public through pg_database_owner.
			}
			before := w.others(t, "#x", "#app")
			w.syncAs(t, q, one("#x", `{`+grant+`, "owner": true}`))
			w.has(t, "#x", "owns "+object)
			equal(t, "of the others", w.others(t, "#x", "#app"), before)
			// Taken over by hand: drift; not declared any more: to new_owner.
			w.dba(t, "ALTER "+map[bool]string{true: "ROUTINE " + strings.SplitN(object+" ", " ", 2)[1], false: strings.Replace(strings.Replace(object, "table app.v", "view app.v", 1), "table app.m", "materialized view app.m", 1)}[strings.Contains(object, "(")]+" OWNER TO #app")
			w.has(t, "#x", "")
			w.syncAs(t, q, one("#x", `{`+grant+`, "owner": true}`))
			w.syncAs(t, q, with(one("#x"), options))
			w.has(t, "#x", "")
			w.same(t, w.super, "SELECT role FROM oracle.holding WHERE object = $1 AND line LIKE 'owns %'", "#app", object)
		})
	}
}

// What is not declared to be the role's goes to the caller, unless new_owner says otherwise; views, and what runs with its owner's
// rights, do not become the caller's unasked when those are many.
func TestOwnershipThatIsNotDeclaredGoesToSomebodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dba(t, `GRANT CREATE, USAGE ON SCHEMA app TO #x; SET ROLE #x; CREATE TABLE app.mine (id serial); CREATE TYPE app.kind AS ENUM (); RESET ROLE; GRANT CREATE ON SCHEMA app TO rolewright_owner`)
	w.sync(t, one("#x"))
	w.has(t, "#x", "")
	w.same(t, w.super, "SELECT object FROM oracle.holding WHERE role = 'rolewright_owner' AND line LIKE 'owns % app.%' ORDER BY 1", "sequence app.mine_id_seq; table app.mine; type app.kind")

	w.dba(t, `GRANT CREATE, USAGE ON SCHEMA app TO #x; SET ROLE #x; CREATE VIEW app.look AS SELECT 1 AS a; CREATE FUNCTION app.run() RETURNS integer LANGUAGE sql SECURITY DEFINER RETURN 1;
		CREATE TABLE app.plain (); CREATE TABLE app.triggered (id integer); CREATE FUNCTION app.noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
		CREATE TRIGGER noted AFTER INSERT ON app.triggered EXECUTE FUNCTION app.noted(); CREATE MATERIALIZED VIEW app.kept AS SELECT 1 AS a;
		CREATE TABLE app.guarded (id integer); CREATE POLICY p ON app.guarded USING (id > 0); CREATE TABLE app.indexed (id integer); CREATE INDEX ON app.indexed (abs(id));`)
	detail := w.refuses(t, w.DB, "RW522", one("#x"))
	for _, object := range []string{"table app.look", "function app.run()", "table app.triggered", "table app.kept", "table app.guarded", "table app.indexed"} {
		if !strings.Contains(detail, "#x: "+object+": it runs with the rights of its owner, and rolewright_owner has many") {
			t.Errorf("nothing is said of %s in\n%s", object, detail)
		}
	}
	if strings.Contains(detail, "app.plain") || strings.Contains(detail, "app.noted") {
		t.Errorf("nothing is wrong with app.plain and app.noted, in\n%s", detail)
	}
	w.sync(t, with(one("#x"), `"options": {"new_owner": "#app"}`))
	w.has(t, "#x", "")
	w.same(t, w.super, "SELECT count(*) FROM oracle.holding WHERE role = '#app' AND object ~ 'look|run|plain|triggered|kept|guarded|indexed|noted'", "8")
}

// An owner keeps what it has on its own things, also when it is not all; a declaration of privileges says otherwise.
func TestAnOwnerKeepsItsPrivilegesUnlessDeclaredOtherwise(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	owner := `{"type": "table", "schema": "app", "name": "t2", "owner": true}`
	w.sync(t, one("#x", owner))
	w.has(t, "#x", "owns table app.t2")
	w.dba(t, "REVOKE UPDATE ON app.t2 FROM #x; GRANT USAGE ON SCHEMA app TO PUBLIC")
	lack := "owns table app.t2: DELETE INSERT REFERENCES SELECT TRIGGER TRUNCATE"
	if w.major >= 17 {
		lack = "owns table app.t2: DELETE INSERT MAINTAIN REFERENCES SELECT TRIGGER TRUNCATE"
	}
	equal(t, "the plan", w.plan(t, w.DB, one("#x", owner)), "")
	w.has(t, "#x", lack)
	w.sync(t, one("#x", owner, `{"type": "table", "schema": "app", "name": "t2", "privileges": ["SELECT", "UPDATE"]}`))
	w.has(t, "#x", "owns table app.t2: SELECT UPDATE")
	w.sync(t, one("#x", owner, `{"type": "table", "schema": "app", "name": "t2", "privileges": ["ALL"]}`))
	w.has(t, "#x", "owns table app.t2")
	// Columns too.
	w.sync(t, one("#x", owner, `{"type": "table", "schema": "app", "name": "t2", "columns": ["id"], "privileges": ["SELECT"]}`))
	w.has(t, "#x", "owns table app.t2")
	w.same(t, w.super, "SELECT e.grantee || ' ' || e.privilege FROM oracle.entry e WHERE e.object = 'column app.t2.id'", "#x SELECT")
	w.sync(t, one("#x", owner))
	// Declared privileges and then no ownership.
	w.sync(t, with(one("#x", `{"type": "table", "schema": "app", "name": "t2", "privileges": ["SELECT"]}`), `"options": {"new_owner": "#app"}`))
	w.has(t, "#x", "table app.t2: SELECT")
}

// Whoever gets something takes over what the old owner had on it, and had given others.
func TestOthersKeepTheirPrivilegesWhenTheOwnerChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, "CREATE ROLE #reader; CREATE ROLE #giver; CREATE ROLE #taker")
	w.dba(t, `GRANT USAGE ON SCHEMA app TO #giver; SET ROLE #app; GRANT SELECT ON app.t TO #reader; GRANT SELECT ON app.t TO #giver WITH GRANT OPTION; GRANT SELECT, INSERT ON app.t TO #x WITH GRANT OPTION;
		SET ROLE #giver; GRANT SELECT ON app.t TO #taker; RESET ROLE`)
	before := w.others(t, "#x", "#app")
	w.sync(t, one("#x", `{"type": "table", "schema": "app", "name": "t", "owner": true}`))
	w.has(t, "#x", "owns table app.t")
	equal(t, "of the others", w.others(t, "#x", "#app"), before)
	w.sync(t, with(one("#x", `{"type": "table", "schema": "app", "name": "t", "privileges": ["SELECT"]}`), `"options": {"new_owner": "#app"}`))
	w.has(t, "#x", "table app.t: SELECT")
	equal(t, "of the others, and back", w.others(t, "#x", "#app"), before)
	// Two owners at once.
	detail := w.refuses(t, w.DB, "RW522", `{"roles": {"#x": {"grants": [{"type": "table", "schema": "app", "name": "t", "owner": true}]}, "#reader": {"grants": [{"type": "table", "schema": "app", "name": "t", "owner": true}]}}}`)
	if strings.Count(detail, "several roles are declared to own it") != 2 {
		t.Error(detail)
	}
}

// Ownership is handed from one declared role to another in one plan.
func TestRolesSwapWhatTheyOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, "CREATE ROLE #y")
	declare := func(x, y string) string {
		table := func(name string) string {
			return `{"type": "table", "schema": "app", "name": "` + name + `", "owner": true}, {"type": "schema", "name": "app", "privileges": ["USAGE"]}`
		}
		return `{"roles": {"#x": {"grants": [` + table(x) + `]}, "#y": {"grants": [` + table(y) + `]}}}`
	}
	for range 2 {
		w.sync(t, declare("t", "t2"))
		w.has(t, "#x", "owns table app.t; schema app: USAGE")
		w.has(t, "#y", "owns table app.t2; schema app: USAGE")
		w.sync(t, declare("t2", "t"))
		w.has(t, "#x", "owns table app.t2; schema app: USAGE")
	}
}

// A sequence that belongs to a column has its table's owner and no other.
func TestASequenceOfAColumnIsNotOwnedByItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dba(t, `SET ROLE #app; CREATE TABLE app.i (n serial)`)
	detail := w.refuses(t, w.DB, "RW522", one("#x", `{"type": "sequence", "schema": "app", "name": "i_n_seq", "owner": true}`))
	if !strings.Contains(detail, "#x: sequence app.i_n_seq: it belongs to a table, and follows the owner of that") {
		t.Error(detail)
	}
	w.sync(t, one("#x", `{"type": "sequence", "schema": "app", "all": true, "owner": true}`))
	w.has(t, "#x", "owns sequence app.s; owns sequence app.s2")
}

// Who owns something may have no right to look into its schema, and then PostgreSQL lets nobody grant it as the owner.
func TestGrantsAreMadeForOwnersWithoutUsageOnTheSchema(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, "CREATE ROLE #y")
	w.sync(t, one("#y", `{"type": "table", "schema": "app", "name": "t2", "owner": true}`))
	before := w.others(t, "#x")
	w.sync(t, one("#x", `{"type": "table", "schema": "app", "name": "t2", "privileges": ["SELECT"]}`, `{"type": "table", "schema": "app", "name": "t2", "columns": ["id"], "privileges": ["UPDATE"]}`))
	w.has(t, "#x", "column app.t2.id: UPDATE; table app.t2: SELECT")
	w.sync(t, one("#x"))
	w.has(t, "#x", "")
	equal(t, "of the others", w.others(t, "#x"), before)
}

// A schema gets an owner, and what is in it another one, at once.
func TestASchemaAndItsContentsGetDifferentOwners(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, "CREATE ROLE #y")
	table := `{"type": "table", "schema": "app", "pattern": "t.?", "owner": true}, {"type": "type", "schema": "app", "name": "e", "owner": true}, {"type": "function", "schema": "app", "name": "g", "owner": true}, {"type": "table", "schema": "app", "name": "t", "columns": ["id"], "privileges": ["SELECT"]}`
	schema := `{"type": "schema", "name": "app", "owner": true}, {"type": "schema", "name": "app", "privileges": ["USAGE", "CREATE"]}`
	w.sync(t, `{"roles": {"#x": {"grants": [`+table+`]}, "#y": {"grants": [`+schema+`]}}}`)
	w.has(t, "#x", "owns function app.g(); owns table app.t; owns table app.t2; owns type app.e")
	w.has(t, "#y", "owns schema app")
	w.sync(t, `{"roles": {"#y": {"grants": [`+table+`]}, "#x": {"grants": [`+schema+`]}}}`)
	w.has(t, "#y", "owns function app.g(); owns table app.t; owns table app.t2; owns type app.e")
	w.has(t, "#x", "owns schema app")
	w.sync(t, `{"options": {"new_owner": "#app"}, "roles": {"#x": {"grants": []}, "#y": {"grants": []}}}`)
	w.has(t, "#y", "")
	w.has(t, "#x", "")
}

// A schema gets an owner, and what is in it keeps its own, who had the right to look into it only as the schema's owner.
func TestASchemaGetsAnOwnerWithoutItsContents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	grants := []string{`{"type": "schema", "name": "app", "owner": true}`, selectT, `{"type": "table", "schema": "app", "name": "t2", "columns": ["id"], "privileges": ["UPDATE"]}`, `{"type": "function", "schema": "app", "name": "g", "privileges": ["EXECUTE"]}`}
	w.sync(t, one("#x", grants...))
	w.has(t, "#x", "column app.t2.id: UPDATE; function app.g(): EXECUTE; owns schema app; table app.t: SELECT")
	w.sync(t, one("#x", grants[0]))
	w.has(t, "#x", "owns schema app")
	w.sync(t, with(one("#x", grants[1:]...), `"options": {"new_owner": "#app"}`))
	w.has(t, "#x", "column app.t2.id: UPDATE; function app.g(): EXECUTE; table app.t: SELECT")
}
