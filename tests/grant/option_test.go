package grant_test

import (
	"strings"
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

const usesMissing = `{"type": "schema", "name": "New s", "privileges": ["USAGE"]}, {"type": "schema", "name": "new2", "owner": true}, {"type": "membership", "role": "#parent"}, {"type": "table", "schema": "New s", "all": true, "privileges": ["SELECT"]},
	{"type": "default", "creator": "#app", "schema": "New s", "objects": "TABLES", "privileges": ["SELECT"]}, {"type": "schema", "name": "app", "privileges": ["USAGE"]}`

// What is missing: an error that lists all of it, or left out, or made.
func TestWhatIsMissingIsAnErrorSkippedOrMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	declare := one("#x", usesMissing)
	equal(t, "missing", w.refuses(t, w.DB, "RW521", declare), "role #parent (for #x).\nschema \"New s\" (for #x).\nschema new2 (for #x).")
	w.sync(t, with(declare, `"options": {"missing": "skip"}`))
	w.has(t, "#x", "schema app: USAGE")
	w.exec(t, "CREATE ROLE #z")
	equal(t, "many", w.refuses(t, w.DB, "RW521", `{"roles": {"#x": {"grants": [`+usesMissing+`]}, "#z": {"grants": [{"type": "schema", "name": "New s", "privileges": ["USAGE"]}]}}}`),
		"role #parent (for #x).\nschema \"New s\" (for #x and 1 more).\nschema new2 (for #x).")
	w.sync(t, with(declare, `"options": {"missing": "create"}`))
	w.has(t, "#x", `default of #app on TABLES in "New s": SELECT; in #parent; owns schema new2; schema "New s": USAGE; schema app: USAGE`)
	w.same(t, w.DB, "SELECT rolcanlogin FROM pg_roles WHERE rolname = '#parent'", "false")
	equal(t, "once it is there", w.sync(t, declare), "")
}

// Each kind of thing that is not there, in one error; nothing of these is made.
func TestAllThatIsMissingIsListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	grants := []string{}
	for _, g := range []string{`"type": "database", "name": "no db"`, `"type": "language", "name": "no"`, `"type": "foreign_server", "name": "no"`, `"type": "foreign_data_wrapper", "name": "no"`, `"type": "tablespace", "name": "no"`,
		`"type": "large_object", "name": 99`, `"type": "table", "schema": "app", "name": "s"`, `"type": "table", "schema": "no", "name": "t"`, `"type": "sequence", "schema": "app", "name": "t"`, `"type": "function", "schema": "app", "name": "p"`,
		`"type": "procedure", "schema": "app", "name": "g"`, `"type": "type", "schema": "app", "name": "t"`, `"type": "type", "schema": "app", "name": "_e"`, `"type": "default", "creator": "#nobody", "objects": "TABLES"`,
		`"type": "table", "schema": "app", "name": "t", "columns": ["id", "no"]`, `"type": "function", "schema": "no", "all": true`} {
		grants = append(grants, "{"+g+`, "privileges": ["ALL"]}`)
	}
	want := "column no of table app.t (for #x).\ndatabase \"no db\" (for #x).\nforeign data wrapper no (for #x).\nforeign server no (for #x).\nfunction app.p (for #x).\nlanguage no (for #x).\n" +
		"large object \"99\" (for #x).\nprocedure app.g (for #x).\nrole #nobody (for #x).\nschema no (for #x).\nsequence app.t (for #x).\ntable app.s (for #x).\ntablespace no (for #x).\ntype app._e (for #x).\ntype app.t (for #x)."
	equal(t, "missing", w.refuses(t, w.DB, "RW521", one("#x", grants...)), strings.ReplaceAll(want, `"99"`, "99"))
	if w.major >= 15 {
		equal(t, "parameters", w.refuses(t, w.super, "RW521", one("#x", `{"type": "parameter", "name": "no_such", "privileges": ["SET"]}`)), "parameter no_such (for #x).")
	}
	_ = w.mustFail(t, w.DB, "RW521", "SELECT auth.sync_roles($1)", w.name(with(one("#x", grants...), `"options": {"missing": "create"}`)))
	w.syncAs(t, w.Pool, with(one("#x", grants...), `"options": {"missing": "skip"}`))
	w.has(t, "#x", "column app.t.id: INSERT REFERENCES SELECT UPDATE")
}

// What is in a preserved schema stays as it is; the schema itself does not, and neither does what is declared in it.
func TestPreservedSchemasKeepTheirContents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dba(t, `CREATE SCHEMA "Scratch.1" AUTHORIZATION #app; GRANT CREATE, USAGE ON SCHEMA "Scratch.1" TO #x; SET ROLE #x; CREATE TABLE "Scratch.1".mine (id serial); CREATE VIEW "Scratch.1".look AS SELECT 1 AS a; RESET ROLE; SET ROLE #app;
		CREATE TABLE "Scratch.1".t (id integer); GRANT SELECT, INSERT ON "Scratch.1".t TO #x; GRANT SELECT (id) ON "Scratch.1".t TO #x; GRANT SELECT ON app.t TO #x; CREATE TABLE "Scratch.1".u (); CREATE FUNCTION "Scratch.1".f() RETURNS integer LANGUAGE sql RETURN 1;
		GRANT EXECUTE ON FUNCTION "Scratch.1".f() TO #x; ALTER DEFAULT PRIVILEGES IN SCHEMA "Scratch.1" GRANT SELECT ON TABLES TO #x`)
	kept := `column "Scratch.1".t.id: SELECT; default of #app on TABLES in "Scratch.1": SELECT; function "Scratch.1".f(): EXECUTE; owns sequence "Scratch.1".mine_id_seq; owns table "Scratch.1".look; owns table "Scratch.1".mine; table "Scratch.1".t: INSERT SELECT`
	declare := with(one("#x"), `"preserve_schemas": ["Scratch.1"]`)
	// Mistyped, it would be taken away.
	w.refuses(t, w.DB, "RW521", with(one("#x"), `"preserve_schemas": ["Scratch.1", "no such schema"]`))
	w.sync(t, declare)
	w.has(t, "#x", kept)
	w.sync(t, with(one("#x", `{"type": "table", "schema": "Scratch.1", "name": "u", "privileges": ["SELECT"]}`), `"preserve_schemas": ["Scratch.1"]`))
	w.has(t, "#x", kept+`; table "Scratch.1".u: SELECT`)
	// By role, which goes before what the declaration has for all; and as an argument.
	harness.Exec(t, w.DB, `SELECT auth.sync_role($1, '[]', '{"Scratch.1"}')`, w.name("#x"))
	w.idle(t, w.DB, `SELECT auth.sync_role($1, '[]', '{"Scratch.1"}')`, w.name("#x"))
	w.idle(t, w.DB, `SELECT auth.plan_role($1, '[]', '{"Scratch.1"}')`, w.name("#x"))
	w.exec(t, "CREATE ROLE #y")
	w.sync(t, `{"preserve_schemas": [], "roles": {"#x": {"grants": [], "preserve_schemas": ["Scratch.1"]}, "#y": {"grants": []}}}`)
	w.sync(t, with(`{"preserve_schemas": ["Scratch.1"], "roles": {"#x": {"grants": [], "preserve_schemas": []}}}`, `"options": {"new_owner": "#app"}`))
	w.has(t, "#x", "")
}

// The lock key is somebody else's lock, taken after ours and before the plan counts; nothing to do takes none.
func TestALockKeyIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	declare := with(one("#x", `{"type": "schema", "name": "app", "privileges": ["USAGE"]}`), `"options": {"lock_key": 1}`)
	other, mine := w.begin(t), harness.Connect(t, w.OwnerURL)
	harness.Exec(t, other, "SELECT pg_advisory_xact_lock(1)")
	wait := w.start(t, mine, "SELECT auth.sync_roles($1)", w.name(declare))
	w.same(t, w.super, "SELECT locktype || objid FROM pg_locks WHERE NOT granted AND pid = $1", "advisory1", mine.PgConn().PID())
	w.has(t, "#x", "")
	// What happens meanwhile is taken into account.
	w.dba(t, "GRANT USAGE ON SCHEMA app TO #x; GRANT SELECT ON app.t TO #x")
	harness.Exec(t, other, "COMMIT")
	if err := wait(); err != nil {
		t.Fatal(err)
	}
	w.has(t, "#x", "schema app: USAGE")
	harness.Exec(t, other, "BEGIN; SELECT pg_advisory_xact_lock(1)")
	w.idle(t, w.DB, "SELECT auth.sync_roles($1)", w.name(declare))
	harness.Exec(t, other, "ROLLBACK")
	for _, key := range []string{"9223372036854775807", "-9223372036854775808"} {
		w.sync(t, with(one("#x"), `"options": {"lock_key": `+key+`}`))
		w.sync(t, one("#x", `{"type": "schema", "name": "app", "privileges": ["USAGE"]}`))
	}
	equal(t, "no key", w.refuses(t, w.DB, "RW520", with(one("#x"), `"options": {"lock_key": 9223372036854775808}`)), "option \"lock_key\": a 64-bit integer is needed.")
}

// Scope database leaves alone what databases share.
func TestScopeDatabaseLeavesSharedThingsAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, "CREATE ROLE #group; GRANT #group TO #x; ALTER ROLE #x LOGIN CONNECTION LIMIT 5")
	w.dba(t, `SET allow_in_place_tablespaces = on`)
	conn := harness.Connect(t, w.SuperURL)
	harness.Exec(t, conn, "SET allow_in_place_tablespaces = on")
	harness.Exec(t, conn, w.name("CREATE TABLESPACE #space OWNER #app LOCATION ''"))
	w.dba(t, "GRANT CREATE ON TABLESPACE #space TO #x; GRANT USAGE ON SCHEMA app TO #x; GRANT SET ON PARAMETER #x.p TO #x; GRANT CONNECT ON DATABASE "+w.Name+" TO #x; GRANT CONNECT ON DATABASE postgres TO #x")
	scope := `"options": {"scope": "database"}`
	w.sync(t, with(one("#x", `{"type": "login", "connection_limit": 1}`, `{"type": "table", "schema": "app", "name": "t", "privileges": ["SELECT"]}`, `{"type": "tablespace", "name": "pg_default", "privileges": ["CREATE"]}`,
		`{"type": "database", "name": "template1", "privileges": ["CONNECT"]}`), scope))
	w.has(t, "#x", "database postgres: CONNECT; in #group; parameter #x.p: SET; table app.t: SELECT; tablespace #space: CREATE")
	w.same(t, w.DB, "SELECT rolcanlogin || ' ' || rolconnlimit FROM pg_roles WHERE rolname = '#x'", "true 5")
	// All of it.
	w.syncAs(t, w.super, one("#x"))
	w.has(t, "#x", "database postgres: CONNECT")
	w.dba(t, "REVOKE CONNECT ON DATABASE postgres FROM #x")
}

// A role that does not exist yet, and will when the first database of a file is done, has a plan in the second.
func TestScopeDatabasePlansForRolesThatWillBe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	declare := with(one("#soon", `{"type": "login"}`, `{"type": "membership", "role": "#x"}`, `{"type": "table", "schema": "app", "name": "t", "privileges": ["SELECT"]}`), `"options": {"scope": "database"}`)
	equal(t, "the plan", w.plan(t, w.DB, declare), "GRANT SELECT ON TABLE app.t TO #soon")
	w.exec(t, "CREATE ROLE #soon")
	w.sync(t, declare)
	w.has(t, "#soon", "table app.t: SELECT")
}

// A role of a name that somebody had is not made without saying so.
func TestANameIsNotReusedUnasked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	harness.Exec(t, w.DB, w.name(`DO $$
		DECLARE v_user uuid := auth.create_user('#gone');
		BEGIN
			PERFORM auth.bind_user_role(v_user, '#gone'); PERFORM auth.apply_database_roles();
		END $$`))
	conn := harness.Connect(t, w.OwnerURL)
	harness.Exec(t, conn, w.name("CALL auth.deprovision_identity('#gone', 'left')"))
	harness.Exec(t, conn, w.name("CALL auth.delete_identity('#gone', 'left')"))
	w.same(t, w.DB, "SELECT count(*) FROM pg_roles WHERE rolname = '#gone'", "0")
	declare := one("#gone", `{"type": "login"}`)
	detail := w.refuses(t, w.DB, "RW522", declare)
	if !strings.Contains(detail, "the name was user ") {
		t.Error(detail)
	}
	w.sync(t, with(declare, `"options": {"reuse_name": true}`))
	w.same(t, w.DB, "SELECT rolcanlogin FROM pg_roles WHERE rolname = '#gone'", "true")
}

// All that is wrong with a declaration is said at once.
func TestADeclarationThatIsNotUnderstoodSaysEverything(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	detail := w.refuses(t, w.DB, "RW520", `{"roles": {
			"#x": {"grants": [{"type": "tabel"}, 5, {"name": "x"}, {"type": "table", "schema": "app", "name": "t", "privileges": ["SELECT", "EXECUTE", "ALL"]}, {"type": "table", "schema": "app", "name": "t", "pattern": "x", "privileges": ["SELECT"]},
				{"type": "schema", "name": "app", "privileges": ["USAGE"], "owner": true}, {"type": "schema", "name": "app"}, {"type": "language", "name": "plpgsql", "owner": true}, {"type": "schema", "name": "app", "privileges": ["USAGE"], "columns": ["a"]},
				{"type": "table", "schema": "app", "pattern": "(", "privileges": ["SELECT"]}, {"type": "default", "creator": "a", "objects": "VIEWS", "privileges": ["SELECT"]}, {"type": "schema", "name": "app", "privileges": []},
				{"type": "table", "schema": "app", "name": "t", "privileges": ["SELECT"], "via": "magic"}, {"type": "table", "schema": "app", "name": "t", "privileges": ["SELECT"], "via": "group", "grant_option": true},
				{"type": "large_object", "name": "x", "privileges": ["SELECT"]}, {"type": "schema", "name": "`+strings.Repeat("é", 32)+`", "privileges": ["USAGE"]}, {"type": "default", "creator": "a", "objects": "SCHEMAS", "schema": "app", "privileges": ["USAGE"]},
				{"type": "table", "schema": "app", "all": false, "privileges": ["SELECT"]}, {"type": "membership"}], "grant": []},
			"#y": {}, "#z": 7},
		"public": [{"type": "schema", "name": "app", "privileges": ["USAGE"]}, {"action": "grant", "type": "login"}, {"action": "revoke", "type": "schema", "name": "app", "owner": true}],
		"preserve_schemas": "app", "options": {"missing": "maybe", "lock": 1, "new_owner": "#nobody", "scope": 1}, "rules": []}`)
	for _, line := range strings.Split(`option "lock": there is no such option.
option "missing": error, skip or create is needed.
option "new_owner": there is no such role.
option "scope": all or database is needed.
preserve_schemas: a list of names is needed.
there is no key "rules".
public, grant 1: action: grant or revoke is needed.
public, grant 2: PUBLIC has no login.
public, grant 3: owner, via and grant_option are not for PUBLIC.
role #x: there is no key "grant".
role #x, grant 1: there is no type "tabel".
role #x, grant 2: a grant is an object.
role #x, grant 3: type is missing.
role #x, grant 4: privileges: "EXECUTE" is none of
role #x, grant 4: privileges: ALL stands alone.
role #x, grant 5: one of name, pattern and "all": true is needed.
role #x, grant 6: either privileges or "owner": true is needed.
role #x, grant 7: either privileges or "owner": true is needed.
role #x, grant 8: there is no key "owner".
role #x, grant 9: there is no key "columns".
role #x, grant 10: pattern: invalid regular expression
role #x, grant 11: objects: "VIEWS" is none of TABLES, SEQUENCES, FUNCTIONS, TYPES, SCHEMAS.
role #x, grant 12: privileges: a list is needed that is not empty.
role #x, grant 13: via: "magic" is none of auto, direct, group.
role #x, grant 14: via: grant options are not given through a group.
role #x, grant 15: name: the number of a large object is needed.
role #x, grant 16: name: PostgreSQL's names have at most 63 bytes.
role #x, grant 17: schema: there are no default privileges on SCHEMAS within one.
role #x, grant 18: one of name, pattern and "all": true is needed.
role #x, grant 19: role is missing.
role #y: an object with a list of grants is needed.
role #z: an object with a list of grants is needed.`, "\n") {
		if !strings.Contains(detail, line) {
			t.Errorf("not said: %s", line)
		}
	}
	if t.Failed() {
		t.Log(detail)
	}
	for _, declaration := range []string{`[]`, `null`, `7`, `{"roles": []}`, `{"roles": {"#x": {"grants": null}}}`, `{"public": {}}`, `{"options": []}`, `{"roles": {"#x": {"grants": [null]}}}`, `{"roles": {"#x": {"grants": [[]]}}}`,
		`{"public": [7]}`, `{"drop_unused": 1}`, `{"roles": {"#x": {"grants": [], "options": {"lock_key": 1}}}}`, `{"roles": {"#x": {"grants": [], "preserve_schemas": [1]}}}`} {
		_ = w.mustFail(t, w.DB, "RW520", "SELECT auth.sync_roles($1)", w.name(declaration))
	}
	_ = w.mustFail(t, w.DB, "RW520", "SELECT auth.sync_roles(NULL)")
	_ = w.mustFail(t, w.DB, "RW520", "SELECT auth.sync_role('#x', NULL)")
	equal(t, "nothing at all", w.text(t, w.DB, "SELECT auth.sync_roles('{}')"), "")
	harness.MustFail(t, w.DB, "RW504", "SELECT auth.sync_role(NULL, '[]')")
	for _, name := range []string{"", "none", "public", strings.Repeat("x", 64)} {
		_ = w.mustFail(t, w.DB, "RW504", "SELECT auth.sync_role($1, '[]')", name)
		_ = w.mustFail(t, w.DB, "RW504", "SELECT auth.declare_role($1, '[]')", name)
	}
	for _, name := range []string{"postgres", "pg_read_all_data", "pg_new", "rolewright_owner"} {
		_ = w.mustFail(t, w.DB, "RW503", "SELECT auth.sync_role($1, '[]')", name)
	}
}

// Only an administrator may, whoever's rights he would use; and only in READ COMMITTED.
func TestWhoMaySync(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dba(t, "CREATE ROLE #olga LOGIN IN ROLE rolewright_operator; CREATE ROLE #audit LOGIN IN ROLE rolewright_auditor; CREATE ROLE #none LOGIN; CREATE ROLE #admin LOGIN IN ROLE rolewright_owner")
	declare := w.name(one("#x", `{"type": "schema", "name": "app", "privileges": ["USAGE"]}`))
	olga, audit, none, admin := w.As(t, w.name("#olga")), w.As(t, w.name("#audit")), w.As(t, w.name("#none")), w.As(t, w.name("#admin"))
	_ = w.mustFail(t, olga, "RW513", "SELECT auth.sync_roles($1)", declare)
	_ = w.mustFail(t, olga, "RW513", "SELECT auth.declare_roles($1)", declare)
	_ = w.mustFail(t, olga, "RW513", "SELECT auth.undeclare_role('#x')")
	_ = w.mustFail(t, audit, "42501", "SELECT auth.sync_roles($1)", declare)
	_ = w.mustFail(t, none, "42501", "SELECT auth.plan_roles($1)", declare)
	for _, q := range []harness.Querier{olga, audit} {
		if plan := w.plan(t, q, declare); !strings.HasPrefix(plan, "conflict schema app: #app owns it") {
			t.Error(plan)
		}
	}
	harness.Exec(t, admin, "SET ROLE rolewright_owner")
	equal(t, "as the owner", w.text(t, admin, "SELECT statement FROM auth.sync_roles($1)", declare), "GRANT USAGE ON SCHEMA app TO #x")
	w.has(t, "#x", "schema app: USAGE")
	conn := harness.Connect(t, w.OwnerURL)
	for _, level := range []string{"REPEATABLE READ", "SERIALIZABLE"} {
		harness.Exec(t, conn, "BEGIN ISOLATION LEVEL "+level)
		_ = w.mustFail(t, conn, "RW501", "SELECT auth.sync_roles($1)", w.name(one("#x")))
		harness.Exec(t, conn, "ROLLBACK")
	}
}

// The arguments one by one do what the declaration of one role does.
func TestSyncRoleIsADeclarationOfOneRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.same(t, w.DB, `SELECT to_jsonb(p) FROM auth.plan_role('#x', '[{"type": "schema", "name": "app", "privileges": ["usage"]}, {"type": "login"}]') AS p`,
		`{"action": "grant", "object": "schema app", "reason": "declared", "ordinal": 1, "role_name": "#x", "statement": "GRANT USAGE ON SCHEMA app TO #x"}; {"action": "alter", "object": "login", "reason": "declared", "ordinal": 2, "role_name": "#x", "statement": "ALTER ROLE #x LOGIN"}`)
	w.same(t, w.DB, `SELECT p.statement FROM auth.sync_role('#x', '[{"type": "schema", "name": "new", "owner": true}]', _options => '{"missing": "create"}') AS p`, "CREATE SCHEMA new; ALTER SCHEMA new OWNER TO #x")
	w.same(t, w.DB, `SELECT p.statement FROM auth.sync_role('#x', '[]', _options => '{"new_owner": "#app"}') AS p`, "ALTER SCHEMA new OWNER TO #app")
	// One audit row per change, with what was done.
	w.same(t, w.DB, `SELECT concat_ws(' ', event_code, after ->> 'statement') FROM auth.audit_event WHERE after ? 'statement' ORDER BY audit_event_id`,
		"role.created CREATE SCHEMA new; role.altered ALTER SCHEMA new OWNER TO #x; role.altered ALTER SCHEMA new OWNER TO #app")
}
