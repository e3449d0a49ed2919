package cli_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rolewright/rolewright/internal/policy"
	"github.com/rolewright/rolewright/tests/harness"
)

// accessWorld has databases of one server, in which # stands for a prefix that no other test's roles have.
type accessWorld struct {
	*harness.DB
	prefix string
	super  *pgxpool.Pool
}

func newAccessWorld(t testing.TB) *accessWorld {
	t.Helper()
	if os.Getenv("ROLEWRIGHT_TEST_URL") != "" {
		t.Skip("makes roles, and ROLEWRIGHT_TEST_URL names a server that is shared")
	}
	w := &accessWorld{DB: harness.Database(t), prefix: "a" + strings.ToLower(rand.Text()[:6]) + "_"}
	w.super = w.Super(t)
	w.exec(t, w.DB, `
		CREATE SCHEMA app;
		CREATE TABLE app.orders (id int, note text);
		CREATE TABLE app."Odd ""t""" ();
		CREATE FUNCTION app.f(integer) RETURNS integer LANGUAGE sql RETURN 1`)
	return w
}

// another is another database of the same server, of the same owner, with the same tables.
func (w *accessWorld) another(t testing.TB) *harness.DB {
	t.Helper()
	db := harness.Database(t)
	w.exec(t, db, `CREATE SCHEMA app; CREATE TABLE app.orders (id int, note text); CREATE TABLE app.other ()`)
	return db
}

func (w *accessWorld) name(text string) string { return strings.ReplaceAll(text, "#", w.prefix) }

func (w *accessWorld) exec(t testing.TB, q harness.Querier, statements string) {
	t.Helper()
	for _, s := range strings.Split(w.name(statements), ";\n") {
		harness.Exec(t, q, s)
	}
}

// file writes a file and returns its path.
func (w *accessWorld) file(t testing.TB, text string) string {
	t.Helper()
	return write(t, "access.yaml", w.name(text))
}

func (w *accessWorld) may(t testing.TB, q harness.Querier, role, privilege, table string) bool {
	t.Helper()
	return harness.One[bool](t, q, `SELECT has_table_privilege($1, $2, $3)`, w.name(role), table, privilege)
}

func (w *accessWorld) roleExists(t testing.TB, role string) bool {
	t.Helper()
	return harness.One[bool](t, w.DB, `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)`, w.name(role))
}

// plan runs rolewright plan, which must end so.
func (w *accessWorld) plan(t testing.TB, code int, arguments ...string) string {
	t.Helper()
	return w.run(t, code, append([]string{"plan"}, arguments...)...)
}

func (w *accessWorld) run(t testing.TB, code int, arguments ...string) string {
	t.Helper()
	r := run(t, w.OwnerURL, "", arguments...)
	if r.code != code {
		t.Fatalf("%q: exit code %d, want %d\n%s%s", arguments, r.code, code, r.out, r.err)
	}
	return strings.ReplaceAll(r.out, w.prefix, "#")
}

type accessPlan struct {
	Database string
	Hash     string `json:"plan_hash"`
	Changes  []struct {
		Action, Statement, Reason string
		RoleName                  string `json:"role_name"`
		Hazards                   []string
	}
}

func (w *accessWorld) plans(t testing.TB, code int, file string) (plans []accessPlan) {
	t.Helper()
	decode(t, w.plan(t, code, "-f", file, "-o", "json"), &plans)
	return plans
}

const reportingFile = `
roles:
  "#reporting":
    login: {connection_limit: 5}
    member_of: ["#staff"]
    readonly: [app]
    grants:
      - select (id), update (note) on table app.orders
      - execute on function app.f(integer)
  "#staff":
`

func TestAFileIsPlannedAndAppliedAndThenNothingIsToDo(t *testing.T) {
	t.Parallel()
	w := newAccessWorld(t)
	file := w.file(t, reportingFile)

	out := w.plan(t, 3, "-f", file)
	contains(t, out, "\n#staff\n", "create    CREATE ROLE #staff NOLOGIN", `GRANT SELECT ON TABLE app."Odd ""t""" TO #reporting;  -- declared`,
		"8 changes of 2 roles\n", "plan hash: ")
	if w.roleExists(t, "#staff") {
		t.Error("plan made a role")
	}
	contains(t, w.run(t, 0, "apply", "-f", file), "CREATE ROLE #reporting LOGIN CONNECTION LIMIT 5")
	if out := w.plan(t, 0, "-f", file); !strings.HasPrefix(out, "nothing to do\nplan hash: ") {
		t.Error(out)
	}
	if out := w.run(t, 0, "drift"); !strings.HasPrefix(out, "nothing to do\n") {
		t.Error(out)
	}
	if !w.may(t, w.DB, "#reporting", "SELECT", "app.orders") || w.may(t, w.DB, "#reporting", "INSERT", "app.orders") {
		t.Error("the privileges are others")
	}

	w.exec(t, w.DB, "GRANT INSERT ON app.orders TO #reporting;\nREVOKE USAGE ON SCHEMA app FROM #reporting;\nALTER ROLE #staff LOGIN")
	for _, command := range [][]string{{"plan", "-f", file}, {"drift"}} {
		contains(t, w.run(t, 3, command...), "GRANT USAGE ON SCHEMA app TO #reporting;",
			"REVOKE INSERT ON TABLE app.orders FROM #reporting;  -- not declared; loses access", "ALTER ROLE #staff NOLOGIN",
			"3 changes of 2 roles; loses access: 2\n")
	}
	if out := w.run(t, 3, "drift", w.name("#staff")); strings.Contains(out, "#reporting") {
		t.Error(out)
	}
	w.run(t, 0, "drift", "--apply")
	w.plan(t, 0, "-f", file)

	// What is not stored is not drift's.
	more := w.file(t, reportingFile+"    readonly: [app]\n")
	w.run(t, 0, "apply", "-f", more, "--no-store")
	contains(t, w.run(t, 3, "drift"), "REVOKE USAGE ON SCHEMA app FROM #staff")
}

func TestOnlyTheReviewedPlanIsApplied(t *testing.T) {
	t.Parallel()
	w := newAccessWorld(t)
	file := w.file(t, reportingFile)
	reviewed := w.plans(t, 3, file)[0].Hash
	w.exec(t, w.DB, "CREATE ROLE #staff NOLOGIN")
	failed(t, 1, w.OwnerURL, "", []string{"apply", "-f", file, "--plan-hash", reviewed}, "not the one that was reviewed", "7 changes")
	if w.roleExists(t, "#reporting") {
		t.Error("it was applied")
	}
	w.run(t, 0, "apply", "-f", file, "--plan-hash", "ffff,"+w.plans(t, 3, file)[0].Hash)
	w.plan(t, 0, "-f", file)
}

func TestAFileOfSeveralDatabasesIsAllOrNothing(t *testing.T) {
	t.Parallel()
	w := newAccessWorld(t)
	other := w.another(t)
	text := fmt.Sprintf(`
databases: [%q, %q]
roles:
  "#reporting":
    login: true
    member_of: ["#staff"]
    grants:
      - connect on database %[1]s, %[2]s
      - usage on schema app
      - select on table app.orders
    databases:
      %[2]s: {grants: ["select on table app.other"]}
  "#staff":
`, w.Name, other.Name)

	// The second one lacks something, or cannot do it: the first one is not touched either.
	failed(t, 1, w.OwnerURL, "", []string{"apply", "-f", w.file(t, strings.ReplaceAll(text, "app.other", "app.nothing"))},
		"nothing was changed", "database "+other.Name, "table app.nothing", "RW521")
	harness.Exec(t, other.Super(t), "CREATE TABLE app.locked ()")
	locked := w.file(t, strings.ReplaceAll(text, "app.other", "app.locked"))
	contains(t, w.plan(t, 3, "-f", locked), "conflict  GRANT SELECT ON TABLE app.locked TO #reporting;", "cannot be done: 1")
	failed(t, 1, w.OwnerURL, "", []string{"apply", "-f", locked}, "nothing was changed", "database "+other.Name, "app.locked")
	if w.roleExists(t, "#reporting") {
		t.Error("a part was applied")
	}

	file := w.file(t, text)
	plans := w.plans(t, 3, file)
	if len(plans) != 2 || plans[0].Database != w.Name || plans[1].Database != other.Name || plans[0].Hash == plans[1].Hash {
		t.Fatal(plans)
	}
	for _, c := range plans[1].Changes {
		if strings.Contains(c.Statement, "CREATE ROLE") || strings.Contains(c.Statement, "staff") {
			t.Errorf("the second database has: %s", c.Statement)
		}
	}
	contains(t, w.plan(t, 3, "-f", file), "database "+w.Name+"\n", "database "+other.Name+"\n", "plan hash: "+plans[1].Hash)
	contains(t, failed(t, 1, w.OwnerURL, "", []string{"apply", "-f", file, "--plan-hash", plans[0].Hash}), "In "+other.Name)
	out := w.run(t, 0, "apply", "-f", file, "--plan-hash", plans[0].Hash, "--plan-hash", plans[1].Hash)
	contains(t, out, "CREATE ROLE #reporting", "GRANT SELECT ON TABLE app.other TO #reporting")
	w.plan(t, 0, "-f", file)
	if !w.may(t, w.DB, "#reporting", "SELECT", "app.orders") || !w.may(t, other, "#reporting", "SELECT", "app.orders") ||
		!w.may(t, other, "#reporting", "SELECT", "app.other") {
		t.Error("something is not granted")
	}
	w.run(t, 0, "drift", "--database", w.Name, "--database", other.Name)
	harness.Exec(t, other, w.name("REVOKE SELECT ON app.other FROM #reporting"))
	contains(t, w.run(t, 3, "drift", "--database", w.Name, "--database", other.Name), "nothing to do", "GRANT SELECT ON TABLE app.other")

	// What the second database no longer says is taken away there, and only there.
	w.run(t, 0, "apply", "-f", w.file(t, strings.ReplaceAll(text, "select on table app.other", "usage on schema app")))
	if w.may(t, other, "#reporting", "SELECT", "app.other") || !w.may(t, w.DB, "#reporting", "SELECT", "app.orders") {
		t.Error("the wrong thing was taken away")
	}
}

// psql runs a script as a DBA would.
func psql(t testing.TB, url, script string) {
	t.Helper()
	binary, err := exec.LookPath("psql")
	for _, folder := range []string{os.Getenv("PG_BINDIR"), "/usr/lib/postgresql/*/bin"} {
		if found, _ := filepath.Glob(filepath.Join(folder, "psql")); err != nil && len(found) > 0 {
			binary, err = found[0], nil
		}
	}
	if err != nil {
		t.Skip("there is no psql")
	}
	cmd := exec.CommandContext(t.Context(), binary, "-qX", "-d", url)
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\nin\n%s", err, out, script)
	}
}

func TestThePlanIsAScriptForPsql(t *testing.T) {
	t.Parallel()
	w := newAccessWorld(t)
	other := w.another(t)
	if out := w.plan(t, 3, "-f", w.file(t, reportingFile), "-o", "sql"); strings.Contains(out, `\connect`) || !strings.Contains(out, "\nBEGIN;\n") {
		t.Error(out)
	}
	file := w.file(t, fmt.Sprintf("databases: [%s, %s]\n", w.Name, other.Name)+strings.ReplaceAll(reportingFile, "      - execute on function app.f(integer)\n", ""))
	script := w.name(w.plan(t, 3, "-f", file, "-o", "sql"))
	contains(t, script, `\set ON_ERROR_STOP on`, `\connect `+other.Name, "\nBEGIN;\n", "\nCOMMIT;\n")
	psql(t, w.OwnerURL, script)
	contains(t, w.plan(t, 0, "-f", file, "-o", "sql"), "-- nothing to do")
	failed(t, 2, w.OwnerURL, "", []string{"drift", "-o", "sql"}, "--output is table or json")
}

func TestPasswordsStandElsewhereAndAreNotSent(t *testing.T) {
	w := newAccessWorld(t)
	const variable = "ROLEWRIGHT_TEST_PASSWORD"
	file := w.file(t, `
roles:
  "#anna": {login: {password_file: secret}}
  "#bob": {login: {password_env: `+variable+`}}
`)
	secret := filepath.Join(filepath.Dir(file), "secret")
	failed(t, 1, w.OwnerURL, "", []string{"apply", "-f", file}, "access.yaml:3:27: the password of", "no such file", "access.yaml:4:26: the password of", variable)
	r := run(t, w.OwnerURL, "", "plan", "-f", file)
	contains(t, r.err, "the plan leaves the password of", variable)
	if r.code != 3 || strings.Contains(r.out, "PASSWORD") {
		t.Error(r)
	}

	if err := os.WriteFile(secret, []byte("pass-of-anna\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(variable, "pass-of-bob")
	out := w.run(t, 0, "apply", "-f", file)
	contains(t, out, "sets a password")
	if strings.Contains(out, "pass-of") || strings.Contains(out, "SCRAM") {
		t.Error(out)
	}
	verifiers := func() string {
		return harness.One[string](t, w.super, `SELECT string_agg(rolpassword, ' ' ORDER BY rolname) FROM pg_authid WHERE starts_with(rolname, $1)`, w.prefix)
	}
	before := verifiers()
	if strings.Count(before, "SCRAM-SHA-256$4096:") != 2 {
		t.Error(before)
	}
	w.plan(t, 0, "-f", file)
	t.Setenv(variable, "another")
	plan := w.plans(t, 3, file)[0]
	if len(plan.Changes) != 1 || plan.Changes[0].RoleName != "#bob" || plan.Changes[0].Hazards[0] != "sets a password" {
		t.Error(plan)
	}
	contains(t, w.plan(t, 3, "-f", file, "-o", "sql"), "is not shown")
	w.run(t, 0, "apply", "-f", file, "--plan-hash", plan.Hash)
	w.plan(t, 0, "-f", file)
	if before == verifiers() {
		t.Error("the password is the old one")
	}
	w.run(t, 0, "drift")
	t.Setenv(variable, "")
	failed(t, 1, w.OwnerURL, "", []string{"apply", "-f", file}, "is empty")
}

func TestWrongFilesChangeNothingAndSayWhere(t *testing.T) {
	t.Parallel()
	w := newAccessWorld(t)
	file := w.file(t, "roles:\n  \"#a\":\n    grants:\n      - selct on table app.orders\n      - select on table orders\n")
	for _, command := range []string{"plan", "apply"} {
		failed(t, 1, w.OwnerURL, "", []string{command, "-f", file}, "not understood; nothing was changed", file+":4:9: grants: a table has no", file+":5:25: ")
		failed(t, 1, w.OwnerURL, "roles: [", []string{command, "-f", "-"}, "<stdin>:", "not YAML")
		failed(t, 2, w.OwnerURL, "", []string{command}, `"file" not set`)
		failed(t, 1, w.OwnerURL, "", []string{command, "-f", file + ".nowhere"}, "no such file")
	}
	// What only the server knows.
	text := w.name("roles:\n  \"#b. \\\"x\\\"\":\n    readonly: [app]\n    grants:\n      - select on tables matching 'a(' in schema app\n")
	failed(t, 1, w.OwnerURL, text, []string{"plan", "-f", "-"}, `DETAIL: <stdin>:5:9: role "`, "pattern: invalid regular expression", "RW520")
	failed(t, 1, w.OwnerURL, "public: [grant select on tables matching '(' in schema app]\n", []string{"plan", "-f", "-"}, `<stdin>:1:10: public, grant 1`)
	text = w.name("roles:\n  \"#c\":\n    grants: [select on tables matching 'nothing.*' in schema app, usage on schema app]\n")
	r := run(t, w.OwnerURL, text, "plan", "-f", "-")
	contains(t, r.err, "WARNING: nothing matches")
	if r.code != 3 {
		t.Error(r)
	}
}

func TestNamesCannotWriteToTheTerminal(t *testing.T) {
	t.Parallel()
	w := newAccessWorld(t)
	file := w.file(t, "roles:\n  \"#\\e[31m\\nred\":\n    grants:\n      - usage on schema app\n")
	for _, command := range []string{"plan", "apply", "drift"} {
		arguments := []string{command}
		if command != "drift" {
			arguments = append(arguments, "-f", file)
		}
		r := run(t, w.OwnerURL, "", arguments...)
		if strings.Contains(r.out+r.err, "\x1b") || command != "drift" && !strings.Contains(r.out, `\x1b[31m\nred`) {
			t.Errorf("%q: %q", command, r.out+r.err)
		}
	}
}

func TestWhoMayPlanAndApply(t *testing.T) {
	t.Parallel()
	w := newAccessWorld(t)
	file := w.file(t, reportingFile)
	w.exec(t, w.super, "CREATE ROLE #olga LOGIN IN ROLE rolewright_operator;\nCREATE ROLE #arne LOGIN IN ROLE rolewright_auditor;\nCREATE ROLE #nobody LOGIN")
	for _, role := range []string{"#olga", "#arne"} {
		url := w.URL(t, w.name(role))
		if r := run(t, url, "", "plan", "-f", file); r.code != 3 {
			t.Error(r)
		}
		failed(t, 1, url, "", []string{"apply", "-f", file})
		if r := run(t, url, "", "drift"); r.code != 0 {
			t.Error(r)
		}
	}
	failed(t, 1, w.URL(t, w.name("#nobody")), "", []string{"plan", "-f", file}, "42501")
	if w.roleExists(t, "#reporting") {
		t.Error("somebody applied it")
	}
}

func TestADumpIsTheFileThatChangesNothing(t *testing.T) {
	t.Parallel()
	w := newAccessWorld(t)
	other := w.another(t)
	w.exec(t, w.DB, `
		CREATE SCHEMA "Odd: {s} #";
		CREATE SEQUENCE "Odd: {s} #"."q'";
		CREATE TYPE app."T y" AS ENUM ('a');
		CREATE FUNCTION app."F(x) ""y"""(integer, app."T y"[], double precision) RETURNS integer LANGUAGE sql RETURN 1;
		CREATE PROCEDURE app.p() LANGUAGE sql AS '';
		CREATE ROLE #owner;
		SELECT lo_create(0)`)
	const text = `
options: {missing: create}
roles:
  "#reporting: 'x'":
    login: {connection_limit: 5, valid_until: 2027-01-01T01:00:00+01:00}
    member_of: ["#staff", {role: "#owner", admin: true}]
    readonly: [app]
    grants:
      - connect, temporary on database @
      - select (id), update (note) on table app.orders with grant option
      - insert on table app."Odd ""t"""
      - execute on function app.f(integer), app."F(x) ""y"""(integer, app."T y"[], double precision)
      - execute on procedure app.p()
      - usage on type app."T y"
      - 'all on sequence "Odd: {s} #"."q''" with grant option'
      - 'usage, create on schema "Odd: {s} #"'
      - select on future tables in schema app by "#owner"
      - usage on future schemas by "#owner"
      - select on table app.orders via group
  "#owner":
    grants: [owner of schema made, all on future functions in schema app by "#owner"]
  "#staff":
`
	w.run(t, 0, "apply", "-f", w.file(t, strings.ReplaceAll(text, "@", w.Name)))
	roles := []string{w.name("#reporting: 'x'"), w.name("#owner"), w.name("#staff")}
	dumped := done(t, w.OwnerURL, "", append([]string{"dump"}, roles...)...)
	contains(t, dumped, "valid_until: '2027-01-01T00:00:00Z'", "role: "+w.name("#owner")+", admin: true", "via group", "owner of schema made")
	file := write(t, "dumped.yaml", dumped)
	if out := w.plan(t, 0, "-f", file); !strings.HasPrefix(out, "nothing to do\n") {
		t.Error(out)
	}
	w.run(t, 0, "apply", "-f", file)
	if again := done(t, w.OwnerURL, "", append([]string{"dump"}, roles...)...); again != dumped {
		t.Errorf("dumped again:\n%s\nbefore:\n%s", again, dumped)
	}
	var declarations []struct {
		Declaration struct{ Roles map[string]any }
	}
	decode(t, done(t, w.OwnerURL, "", append([]string{"dump", "-o", "json"}, roles...)...), &declarations)
	if len(declarations) != 1 || len(declarations[0].Declaration.Roles) != 3 {
		t.Error(declarations)
	}

	// And of two databases.
	w.exec(t, other, `GRANT SELECT ON app.other, app.orders TO "#owner";
		GRANT CONNECT ON DATABASE `+other.Name+` TO "#owner"`)
	dumped = done(t, w.OwnerURL, "", append([]string{"dump", "--database", w.Name, "--database", other.Name}, roles...)...)
	contains(t, dumped, "databases: ["+w.Name+", "+other.Name+"]", "connect on database "+other.Name, "- select on table app.other\n")
	w.plan(t, 0, "-f", write(t, "both.yaml", dumped))
	failed(t, 1, w.OwnerURL, "", []string{"dump", w.name("#nobody")}, "RW019")
}

// The list of privileges in package policy is a constant, so that files are understood without a server: it has what this server has.
func TestTheFileKnowsThePrivilegesOfTheServer(t *testing.T) {
	t.Parallel()
	names := map[string]string{
		"table": "table a.b", "sequence": "sequence a.b", "function": "function a.b", "procedure": "procedure a.b", "type": "type a.b",
		"large_object": "large object 1", "column": "table a.b",
	}
	var sentences strings.Builder
	for _, p := range harness.Rows[struct{ Kind, Privilege string }](t, harness.Database(t).Super(t), `
		SELECT k.kind, lower(p) AS privilege
		FROM (SELECT kind FROM unsecure.grant_kinds() UNION SELECT 'column') AS k
		CROSS JOIN LATERAL unnest(unsecure.kind_privileges(k.kind)) AS p`) {
		object := names[p.Kind]
		switch what, isDefault := strings.CutPrefix(p.Kind, "default "); {
		case isDefault:
			object = "future " + strings.ToLower(what) + " by a"
		case object == "":
			object = strings.ReplaceAll(p.Kind, "_", " ") + " a"
		}
		if p.Kind == "column" {
			p.Privilege += " (c)"
		}
		fmt.Fprintf(&sentences, "      - %s on %s\n", p.Privilege, object)
	}
	if _, err := policy.Parse("access.yaml", strings.NewReader("roles:\n  r:\n    grants:\n"+sentences.String())); err != nil {
		t.Errorf("%v\nin\n%s", err, sentences.String())
	}
}

func TestTheSchemaIsPrintedWithoutADatabase(t *testing.T) {
	t.Parallel()
	var document map[string]any
	decode(t, done(t, "postgres://nowhere.invalid/", "", "dump", "--schema"), &document)
	if document["title"] != "access.yaml" {
		t.Error(document)
	}
}
