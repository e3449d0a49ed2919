package cli_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rolewright/rolewright/tests/harness"
)

// change is a row of a plan, as JSON has it.
type change struct {
	Ordinal           int
	Action            string
	RoleName          string `json:"role_name"`
	Object, Statement string
	Reason            string
}

// says is a plan without its reasons.
func says(changes []change) string {
	var lines []string
	for _, c := range changes {
		lines = append(lines, c.Action+": "+c.Statement)
	}
	return strings.Join(lines, "\n")
}

func changes(t testing.TB, url, stdin string, arguments ...string) []change {
	t.Helper()
	var list []change
	decode(t, done(t, url, stdin, append(arguments, "-o", "json")...), &list)
	return list
}

// roleWorld is a server of its own, because roles are the server's, with a database: anna and bob are in group devs.
func roleWorld(t testing.TB) *harness.DB {
	t.Helper()
	db := harness.Cluster(t).Database(t)
	url := db.OwnerURL
	done(t, url, "", "group", "create", "devs")
	for _, name := range []string{"anna", "bob"} {
		done(t, url, "", "user", "create", name)
		done(t, url, "", "group", "add-member", "devs", name)
	}
	return db
}

// boundWorld is a roleWorld whose roles are there: anna's anna, bob's bob, and teams of group devs.
func boundWorld(t testing.TB) *harness.DB {
	t.Helper()
	db := roleWorld(t)
	done(t, db.OwnerURL, "", "role", "bind", "anna", "anna")
	done(t, db.OwnerURL, "", "role", "bind", "bob", "bob")
	done(t, db.OwnerURL, "", "role", "bind", "--group", "devs", "teams")
	done(t, db.OwnerURL, "", "role", "apply")
	return db
}

// traces is all that a dry run must not change: roles, memberships, settings, comments, what is managed, users, audit rows.
func traces(t testing.TB, db *harness.DB) string {
	t.Helper()
	return harness.One[string](t, db.Super(t), `
		SELECT string_agg(line, E'\n' ORDER BY line) FROM (
		    SELECT 'role ' || to_jsonb(a)::text || a.xmin FROM pg_authid a
		    UNION ALL SELECT 'member ' || to_jsonb(m)::text FROM pg_auth_members m
		    UNION ALL SELECT 'setting ' || to_jsonb(s)::text FROM pg_db_role_setting s
		    UNION ALL SELECT 'comment ' || to_jsonb(d)::text FROM pg_shdescription d
		    UNION ALL SELECT 'managed ' || to_jsonb(r)::text || r.xmin FROM auth.database_role r
		    UNION ALL SELECT 'bound ' || to_jsonb(g)::text FROM auth.group_role g
		    UNION ALL SELECT 'given ' || to_jsonb(m)::text FROM auth.role_membership m
		    UNION ALL SELECT 'protected ' || to_jsonb(p)::text FROM auth.protected_role p
		    UNION ALL SELECT 'user ' || to_jsonb(u)::text || u.xmin FROM auth.user_info u
		    UNION ALL SELECT 'owner ' || c.relname || c.relowner FROM pg_class c
		    UNION ALL SELECT 'audit ' || count(*) FROM auth.audit_event) AS t (line)`)
}

// members lists who is in a role according to the catalog, without the row of whoever created it.
func members(t testing.TB, db *harness.DB, role string) string {
	t.Helper()
	return strings.Join(harness.Column[string](t, db, `
		SELECT DISTINCT m.rolname::text FROM pg_auth_members a
		JOIN pg_roles m ON m.oid = a.member JOIN pg_roles g ON g.oid = a.roleid
		WHERE g.rolname = $1 AND m.rolname <> $2 ORDER BY 1`, role, harness.Owner), " ")
}

func canLogin(t testing.TB, db *harness.DB, role string) bool {
	t.Helper()
	return harness.One[bool](t, db, `SELECT rolcanlogin FROM pg_roles WHERE rolname = $1`, role)
}

func TestRolesArePlannedAndApplied(t *testing.T) {
	t.Parallel()
	db := roleWorld(t)
	url := db.OwnerURL
	if r := run(t, url, "", "role", "plan"); r.code != 0 || r.out != "nothing to do\n" {
		t.Errorf("with nothing bound: %+v", r)
	}
	contains(t, done(t, url, "", "role", "bind", "--group", "devs", "teams"), "role teams of group devs: bound")
	contains(t, done(t, url, "", "role", "bind", "--group", "devs", "teams"), "unchanged (bound already)")

	// A dry run of binding tells where it would lead to, and that alone.
	r := run(t, url, "", "role", "bind", "ANNA", "anna", "--dry-run")
	contains(t, r.out, "role anna of user ANNA: bound", "CREATE ROLE anna LOGIN", "GRANT teams TO anna")
	contains(t, r.err, "Dry run")
	if strings.Contains(r.out, "CREATE ROLE teams") {
		t.Errorf("what was planned before is in\n%s", r.out)
	}
	r = run(t, url, "", "role", "bind", "anna", "anna")
	contains(t, r.err, "role apply does it")
	done(t, url, "", "role", "bind", "bob", "bob")

	r = run(t, url, "", "role", "plan")
	contains(t, r.out, "#  ACTION  ROLE   OBJECT  STATEMENT", "1  create  teams", "CREATE ROLE teams NOLOGIN", "GRANT teams TO bob", "in group devs")
	if r.code != 3 || r.err != "" || strings.Contains(r.out, "\x1b") {
		t.Errorf("exit code %d\n%s%q", r.code, r.err, r.out)
	}
	if r := run(t, url, "", "role", "plan", "anna"); r.code != 3 || strings.Contains(r.out, "bob") {
		t.Errorf("the plan for anna is\n%s", r.out)
	}
	var plan []change
	decode(t, run(t, url, "", "role", "plan", "-o", "json").out, &plan)
	before := traces(t, db)
	if dry := changes(t, url, "", "role", "apply", "--dry-run"); !slices.Equal(dry, plan) || traces(t, db) != before {
		t.Errorf("the dry run did\n%v, planned was\n%v", dry, plan)
	}
	if applied := changes(t, url, "", "role", "apply"); says(applied) != says(plan) {
		t.Errorf("applied was\n%s\nplanned was\n%s", says(applied), says(plan))
	}
	if got := members(t, db, "teams"); got != "anna bob" {
		t.Errorf("members are %s", got)
	}
	if r := run(t, url, "", "role", "plan", "-o", "json"); r.code != 0 || r.out != "[]\n" {
		t.Errorf("after apply: %+v", r)
	}
	before = traces(t, db)
	if out := done(t, url, "", "role", "apply", "anna", "bob"); out != "nothing to do\n" || traces(t, db) != before {
		t.Errorf("again: %s", out)
	}

	contains(t, done(t, url, "", "role", "unbind", "--group", "devs", "teams"), "role teams of group devs: unbound")
	contains(t, done(t, url, "", "role", "unbind", "bob", "--reason", "moved on"), "login role of user bob: unbound")
	contains(t, done(t, url, "", "role", "unbind", "bob"), "unchanged")
	done(t, url, "", "role", "apply")
	if members(t, db, "teams") != "" || canLogin(t, db, "bob") || !canLogin(t, db, "anna") {
		t.Error("what was unbound is still there")
	}
	contains(t, done(t, url, "", "role", "show", "bob"), "moved on", "(nobody)", "disabled", "recorded           member of teams, granted by")
}

func TestRoleListAndShow(t *testing.T) {
	t.Parallel()
	db := boundWorld(t)
	url := db.OwnerURL
	contains(t, done(t, url, "", "role", "list"), "ROLE   KIND   STATE   LOGIN  USER", "anna   login  active  yes    anna", "teams  group  active  no")
	if list := done(t, url, "", "role", "list", "--kind", "login", "--match", "AN"); !strings.Contains(list, "anna") || strings.Contains(list, "bob") || strings.Contains(list, "teams") {
		t.Errorf("filtered\n%s", list)
	}
	if list := done(t, url, "", "role", "list", "--state", "suspended", "-o", "json"); list != "[]\n" {
		t.Errorf("suspended are\n%s", list)
	}
	if r := run(t, url, "", "role", "list", "--limit", "1"); strings.Count(r.out, "\n") != 2 || !strings.Contains(r.err, "--limit 0") {
		t.Errorf("with a limit: %+v", r)
	}

	done(t, url, "", "identity", "sync", "anna", "--connection-limit", "4", "--valid-until", "2031-01-01T00:00:00+01:00", "--comment", "hers", "--set", `search_path=a, "b c"`)
	show := done(t, url, "", "role", "show", "anna")
	contains(t, show, "attributes         login, inherit", "connection limit   4", "2030-12-31 23:00:00Z", "hers", `search_path=a, "b c"`, "user               anna", "teams  no", harness.Owner)
	contains(t, done(t, url, "", "role", "show", "teams"), "groups whose users are members\nGROUP  ROLE", "devs   teams", "\nmembers\nMEMBER", "anna")
	contains(t, done(t, url, "", "user", "show", "anna"), "anna (active)")
	contains(t, done(t, url, "", "group", "show", "devs"), "database roles\nGROUP  ROLE", "teams")

	var details struct {
		RoleName, State, Username string
		Attributes                *struct {
			Login           bool
			ConnectionLimit int       `json:"connection_limit"`
			ValidUntil      time.Time `json:"valid_until"`
		}
		Memberships []struct {
			GroupRole string `json:"group_role"`
		}
	}
	decode(t, done(t, url, "", "role", "show", "anna", "-o", "json"), &details)
	if details.Attributes == nil || !details.Attributes.Login || details.Attributes.ConnectionLimit != 4 || len(details.Memberships) != 1 || details.Memberships[0].GroupRole != "teams" {
		t.Errorf("JSON is %+v", details)
	}
	failed(t, 1, url, "", []string{"role", "show", "nobody"}, `there is no managed role "nobody"`, "role list")
	contains(t, done(t, url, "", "role", "show", "anna", "-o", "json"), `"recorded": null`)
}

func TestAdoptPrintsWhatASuperuserMustRun(t *testing.T) {
	t.Parallel()
	db := roleWorld(t)
	url := db.OwnerURL
	harness.Exec(t, db.Super(t), `CREATE ROLE anna LOGIN; CREATE ROLE "older group"`)
	done(t, url, "", "role", "bind", "anna", "anna")
	if r := run(t, url, "", "role", "plan"); r.code != 3 || !strings.Contains(r.out, "1  conflict  anna") || !strings.Contains(r.out, "auth.adopt_role") {
		t.Errorf("a role that exists is %+v", r)
	}
	failed(t, 1, url, "", []string{"role", "apply"}, "RW506", "exists and is not managed")
	if r := run(t, url, "", "role", "apply", "--skip-conflicts"); r.code != 0 || !strings.Contains(r.err, "Conflicts that were skipped: 1") || !strings.Contains(r.out, "conflict") {
		t.Errorf("with the conflict skipped: %+v", r)
	}

	before := traces(t, db)
	done(t, url, "", "role", "adopt", "older group", "--kind", "group", "--dry-run")
	if traces(t, db) != before {
		t.Error("a dry run adopts")
	}
	for role, more := range map[string][]string{"anna": {"--user", "ANNA"}, "older group": {"--kind", "group"}} {
		var adopted struct{ Changes []change }
		line := append([]string{"role", "adopt", role}, more...)
		contains(t, done(t, url, "", line...), "role "+role+": adopted")
		decode(t, done(t, url, "", append(line, "-o", "json")...), &adopted)
		if missing := len(adopted.Changes) > 0; missing != (harness.Shared(t).Major >= 16) {
			t.Errorf("%s: a superuser must run %+v", role, adopted.Changes)
		}
		for _, c := range adopted.Changes {
			contains(t, done(t, url, "", line...), "what a superuser must run", c.Statement)
			harness.Exec(t, db.Super(t), c.Statement)
		}
		if out := done(t, url, "", line...); out != "role "+role+": adopted\n" {
			t.Errorf("after that: %s", out)
		}
	}
	done(t, url, "", "role", "bind", "--group", "devs", "older group")
	done(t, url, "", "role", "apply")
	if got := members(t, db, "older group"); got != "anna" {
		t.Errorf("members are %s", got)
	}

	contains(t, done(t, url, "", "role", "protect", "later", "anna"), "role later: protected\nrole anna: protected")
	contains(t, done(t, url, "", "role", "protect", "later"), "unchanged (protected already)")
	failed(t, 1, url, "", []string{"role", "bind", "bob", "later"}, "RW503", "it is protected")
	contains(t, done(t, url, "", "role", "unprotect", "later", "anna"), "role later: unprotected")
	done(t, url, "", "role", "release", "anna", "--dry-run")
	contains(t, done(t, url, "", "role", "release", "anna"), "role anna: released")
	failed(t, 1, url, "", []string{"role", "release", "anna"}, "RW019")
	if !canLogin(t, db, "anna") {
		t.Error("a released role was changed")
	}
	failed(t, 1, url, "", []string{"role", "adopt", "postgres"}, "RW503")
	failed(t, 1, url, "", []string{"role", "adopt", "nosuch"}, "RW019")
}

func TestMembershipsByHand(t *testing.T) {
	t.Parallel()
	db := boundWorld(t)
	url := db.OwnerURL
	done(t, url, "", "group", "create", "others")
	done(t, url, "", "role", "bind", "--group", "others", "readers")
	done(t, url, "", "role", "apply")
	before := traces(t, db)
	contains(t, done(t, url, "", "membership", "add", "anna", "readers", "--dry-run"), "GRANT readers TO anna")
	if traces(t, db) != before {
		t.Error("the dry run changed something")
	}
	contains(t, done(t, url, "", "membership", "add", "anna", "readers", "--admin"), "GRANT readers TO anna")
	if out := done(t, url, "", "membership", "add", "anna", "readers", "--admin"); out != "nothing to do\n" {
		t.Errorf("again: %s", out)
	}
	contains(t, done(t, url, "", "role", "show", "anna"), "readers  yes")
	contains(t, done(t, url, "", "membership", "remove", "anna", "readers"), "REVOKE readers FROM anna")
	if out := done(t, url, "", "membership", "remove", "anna", "readers", "-o", "json"); out != "[]\n" {
		t.Errorf("again: %s", out)
	}
	failed(t, 1, url, "", []string{"membership", "remove", "anna", "teams"}, "RW510", "devs")
	failed(t, 1, url, "", []string{"membership", "add", "anna", "bob"}, "RW505")
	failed(t, 1, url, "", []string{"membership", "add", "anna", "pg_read_all_data"}, "SQLSTATE")
	line := []string{"membership", "add", "anna", "readers", "--inherit=false", "--set=false"}
	if harness.Shared(t).Major < 16 {
		failed(t, 1, url, "", line, "RW518")
		failed(t, 1, url, "", []string{"role", "bind", "--group", "others", "teams", "--inherit=false"}, "RW518")
		return
	}
	contains(t, done(t, url, "", line...), "INHERIT FALSE", "SET FALSE")
	contains(t, done(t, url, "", "role", "bind", "--group", "devs", "readers", "--inherit=false"), "bound")
	contains(t, done(t, url, "", "role", "show", "readers"), "devs    readers  no     no       yes")
}

func TestIdentitySync(t *testing.T) {
	t.Parallel()
	db := boundWorld(t)
	url := db.OwnerURL
	catalog := func() string {
		t.Helper()
		return harness.One[string](t, db, `
			SELECT concat_ws(' ', rolcanlogin, rolinherit, rolconnlimit, to_char(rolvaliduntil AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'),
			       shobj_description(oid, 'pg_authid'),
			       (SELECT string_agg((setdatabase <> 0)::text::char(1) || ':' || array_to_string(setconfig, ';'), ' ' ORDER BY setdatabase) FROM pg_db_role_setting WHERE setrole = r.oid))
			FROM pg_roles r WHERE rolname = 'robot'`)
	}
	failed(t, 1, url, "", []string{"identity", "sync", "robot", "--create=false"}, "RW019")
	before := traces(t, db)
	line := []string{
		"identity", "sync", "robot", "--inherit=false", "--connection-limit", "7", "--valid-until", "2031-06-01 12:00:00+02", "--comment", "it's a %s robot",
		"--set", "work_mem=8MB", "--set-in", db.Name + ":application_name=a:b=c", "--attribute", `login=true`}
	contains(t, done(t, url, "", append(line, "--dry-run")...), "CREATE ROLE robot LOGIN")
	if traces(t, db) != before {
		t.Error("the dry run changed something")
	}
	done(t, url, "", line...)
	if got := catalog(); got != "t f 7 2031-06-01 10:00 it's a %s robot f:work_mem=8MB t:application_name=a:b=c" {
		t.Errorf("the role is %s", got)
	}
	if out := done(t, url, "", line...); out != "nothing to do\n" {
		t.Errorf("again: %s", out)
	}
	done(t, url, "", "identity", "sync", "robot", "--inherit", "--connection-limit=-1", "--valid-until", "never", "--comment", "",
		"--reset", "work_mem", "--reset-in", db.Name+":application_name")
	if got := catalog(); got != "t t -1" && got != "t t -1 infinity" {
		t.Errorf("the role is %s", got)
	}
	done(t, url, "", "identity", "sync", "robot", "--login=false")
	done(t, url, "", "identity", "sync", "robot", "--attribute", `settings={"work_mem": "1MB"}`)
	if got := catalog(); !strings.HasPrefix(got, "f t -1") || !strings.HasSuffix(got, "work_mem=1MB") {
		t.Errorf("the role is %s", got)
	}
	failed(t, 1, url, "", []string{"identity", "sync", "robot", "--valid-until", "2031-06-01 12:00:00"}, "RW508", "with an offset")
	failed(t, 1, url, "", []string{"identity", "sync", "robot", "--superuser"}, "RW506")
	failed(t, 1, url, "", []string{"identity", "sync", "anna", "--login=false"}, "RW510")
	failed(t, 1, url, "", []string{"identity", "sync", "teams"}, "RW505")
	failed(t, 1, url, "", []string{"identity", "sync", "postgres", "--comment", "x"}, "RW503")
	for _, wrong := range [][]string{
		{"--attribute", "x"}, {"--attribute", "login=yes"}, {"--attribute", "login=true", "--login"}, {"--set", "work_mem"}, {"--set", "=x"},
		{"--set", "a.b=1", "--reset", "a.b"}, {"--set-in", "a.b=1"}, {"--set-in", "db:a.b"}, {"--reset-in", "a"}, {"--reset-in", ":a"},
		{"--password-stdin", "--no-password"}, {"--connection-limit", "many"}, {"--attribute", `password="hunter2"`},
		{"--attribute", `Password="hunter2"`}, {"--attribute", `password=hunter2`}, {"--attribute", `password="SCRAM-SHA-256$hunter2"`},
		{"--set", "a.b=1", "--attribute", "settings={}"}, {"--no-password", "--attribute", "password=null"},
	} {
		if text := failed(t, 2, url, "", append([]string{"identity", "sync", "robot"}, wrong...)); strings.Contains(text, "hunter2") {
			t.Errorf("%q: the password is in\n%s", wrong, text)
		}
	}
	for _, stdin := range []string{"", "\n", "a\x00b\n", strings.Repeat("x", 5000)} {
		failed(t, 2, url, stdin, []string{"identity", "sync", "robot", "--password-stdin"}, "the password")
	}
}

// passwordWorld is a server on which who is not its owner needs a password.
func passwordWorld(t testing.TB) (db *harness.DB, login func(role, password string) error) {
	t.Helper()
	db = harness.Cluster(t).Database(t)
	super := db.Super(t)
	hba := harness.One[string](t, super, `SHOW hba_file`)
	text := "local all postgres trust\nlocal all rolewright_owner trust\nlocal all all scram-sha-256\n"
	if err := os.WriteFile(hba, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	harness.Exec(t, super, `SELECT pg_reload_conf()`)
	login = func(role, password string) error {
		config, err := pgx.ParseConfig(db.URL(t, role))
		if err != nil {
			t.Fatal(err)
		}
		config.Password = password
		conn, err := pgx.ConnectConfig(t.Context(), config)
		if err == nil {
			err = conn.Close(t.Context())
		}
		return err
	}
	done(t, db.OwnerURL, "", "identity", "sync", "robot")
	for range 100 { // until the server has read the file
		if login("robot", "x") != nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	return db, login
}

func TestPasswordNeverReachesTheServer(t *testing.T) {
	t.Parallel()
	db, login := passwordWorld(t)
	url, super := db.OwnerURL, db.Super(t)
	for _, setting := range []string{"log_statement = 'all'", "log_min_duration_statement = 0", "log_min_messages = 'debug2'", "log_error_verbosity = 'verbose'",
		"log_parameter_max_length_on_error = -1"} {
		harness.Exec(t, super, `ALTER DATABASE `+db.Name+` SET `+setting)
	}
	const first, second = "correct horse battery", "staple 'x' $$ %s"
	contains(t, done(t, url, first+"\n", "identity", "sync", "robot", "--password-stdin"), "PASSWORD '********'")
	if err := login("robot", first); err != nil {
		t.Error(err)
	}
	if stored := harness.One[string](t, super, `SELECT rolpassword FROM pg_authid WHERE rolname = 'robot'`); !regexp.MustCompile(`^SCRAM-SHA-256\$4096:[A-Za-z0-9+/]{22}==\$`).MatchString(stored) {
		t.Errorf("stored is %s", stored)
	}
	// Also where it fails, and where it is rolled back, and the old one still works.
	failed(t, 1, url, second+"\n", []string{"identity", "sync", "robot", "--password-stdin", "--set", "nonsense=1"}, "RW508")
	failed(t, 1, url, second+"\n", []string{"identity", "sync", "postgres", "--password-stdin"}, "RW503")
	done(t, url, second+"\n", "identity", "sync", "robot", "--password-stdin", "--dry-run")
	if login("robot", second) == nil || login("robot", first) != nil {
		t.Error("a password was set that should not have been")
	}
	done(t, url, second, "identity", "sync", "robot", "--password-stdin")
	if login("robot", second) != nil || login("robot", first) == nil {
		t.Error("the password is not the second one")
	}

	log := harness.One[string](t, super, `SELECT pg_read_file(current_setting('data_directory') || '/../log')`)
	contains(t, log, "auth.sync_identity", "SCRAM-SHA-256$4096")
	trail := done(t, url, "", "audit", "list", "-o", "json", "--limit", "0")
	for _, secret := range []string{first, second, "staple", "horse"} {
		if strings.Contains(log, secret) || strings.Contains(trail, secret) {
			t.Errorf("%q is in the server's log or in the trail", secret)
		}
	}
	if strings.Contains(trail, "SCRAM") {
		t.Error("a verifier is in the trail")
	}
	done(t, url, "", "identity", "sync", "robot", "--no-password")
	if login("robot", second) == nil {
		t.Error("there is still a password")
	}
	verifier := harness.One[string](t, super, `SELECT auth.scram_verifier('given as a verifier')`)
	done(t, url, "", "identity", "sync", "robot", "--attribute", `password="`+verifier+`"`)
	if err := login("robot", "given as a verifier"); err != nil {
		t.Error(err)
	}
}

// libpq normalizes what is typed; the verifier has to be of the same.
func TestPasswordsOfAllAlphabetsLogIn(t *testing.T) {
	t.Parallel()
	psql := filepath.Join(os.Getenv("PG_BINDIR"), "psql")
	if _, err := os.Stat(psql); err != nil {
		if psql, err = exec.LookPath("psql"); err != nil {
			t.Skip("there is no psql")
		}
	}
	db, _ := passwordWorld(t)
	for _, password := range []string{
		"plain", " spaces around ", "tab\tinside", "quote'\"\\", "ünïcode", "Ⅸ ﬁ roman and ligature", "a\u0301 combining", "soft\u00adhyphen", "no\u00a0break\u3000space",
		"😀 emoji", "\u00ad", "\u00aa", "שלום", "mixed שלום x", "\u0627\u0031", "\u2028", "日本語", "\xff\xfe not UTF-8", "SCRAM-SHA-256$4096:x", "md5" + strings.Repeat("0", 32),
	} {
		done(t, db.OwnerURL, password+"\n", "identity", "sync", "robot", "--password-stdin")
		command := exec.CommandContext(t.Context(), psql, "-XAtqc", "SELECT 1", strings.ReplaceAll(db.URL(t, "robot"), "?", "?client_encoding=UTF8&"))
		command.Env = append(os.Environ(), "PGPASSWORD="+password)
		if out, err := command.CombinedOutput(); err != nil {
			t.Errorf("%q: %v\n%s", password, err, out)
		}
	}
}

var hostileNames = []string{
	`it's "quoted"`, `with space`, `ünïcode 日本`, `100%s %I %%`, `$d$ $$ $1`, `-dash`, `select`, `A.b;c`, `'; DROP ROLE bystander; --`, `back\slash`,
	strings.Repeat("é", 31) + "x", "tab\tand\nline", "\x1b[31mred", `{"json": 1}`, `%`, `user`, `current_user`,
}

func TestHostileRoleNames(t *testing.T) {
	t.Parallel()
	db := harness.Cluster(t).Database(t)
	url := db.OwnerURL
	done(t, url, "", "identity", "sync", "bystander")
	done(t, url, "", "group", "create", "all")
	done(t, url, "", "role", "bind", "--group", "all", "--", `group "of" all`)
	bystander := func() string {
		return harness.One[string](t, db.Super(t), `SELECT to_jsonb(a)::text || xmin FROM pg_authid a WHERE rolname = 'bystander'`)
	}
	before := bystander()
	var shown strings.Builder
	ran := func(arguments ...string) {
		t.Helper()
		shown.WriteString(done(t, url, "", arguments...))
	}
	for n, name := range hostileNames {
		user := fmt.Sprintf("user%d", n)
		done(t, url, "", "user", "create", user)
		done(t, url, "", "group", "add-member", "all", user)
		ran("role", "bind", user, "--", name)
	}
	ran("role", "apply")
	if n := harness.One[int](t, db, `SELECT count(*) FROM pg_roles WHERE rolname = ANY ($1) AND rolcanlogin`, hostileNames); n != len(hostileNames) {
		t.Errorf("%d of %d roles are there", n, len(hostileNames))
	}
	for _, name := range hostileNames {
		ran("identity", "sync", "--connection-limit", "3", "--comment", name, "--set", "application_name="+name, "--", name)
		ran("membership", "add", "--", name, `group "of" all`)
		ran("membership", "add", "--admin", "--", name, `group "of" all`)
		ran("role", "show", "--", name)
		ran("deprovision", "--reason", name, "--", name)
		r := run(t, url, "", "proof", "--", name)
		if r.code != 0 || r.out != "" {
			t.Errorf("%q: %+v", name, r)
		}
		shown.WriteString(r.err)
		ran("restore", "--reason", name, "--", name)
		if got := members(t, db, `group "of" all`); !strings.Contains(got, name) || !canLogin(t, db, name) {
			t.Errorf("%q is not back; members are %s", name, got)
		}
		ran("role", "protect", "--", name)
		ran("role", "unprotect", "--", name)
		ran("delete", "--reason", name, "--dry-run", "--", name)
		ran("delete", "--reason", name, "--", name)
	}
	ran("role", "list", "--state", "deleted")
	if n := harness.One[int](t, db, `SELECT count(*) FROM pg_roles WHERE rolname = ANY ($1)`, hostileNames); n != 0 {
		t.Errorf("%d roles are left", n)
	}
	if bystander() != before {
		t.Error("somebody else was changed")
	}
	if strings.ContainsAny(shown.String(), "\x1b\t\u202e") {
		t.Error("control characters reach the terminal")
	}
	contains(t, shown.String(), `"\x1b[31mred": deprovisioned`, `"tab\tand\nline"`)
	for _, name := range []string{"", strings.Repeat("é", 32), "pg_me", "public", "none", "a\x00b"} {
		r := run(t, url, "", "role", "bind", "user0", "--", name)
		if r.code != 1 {
			t.Errorf("%q: exit code %d\n%s", name, r.code, r.err)
		}
	}
}

func TestProviderGivesRoles(t *testing.T) {
	t.Parallel()
	db := harness.Cluster(t).Database(t)
	url := db.OwnerURL
	done(t, url, "", "provider", "create", "corp", "--type", "custom", "--creates-roles", "--role-name-template", "corp_{username}", "--role-attributes", `{"connection_limit": 5}`)
	contains(t, done(t, url, "", "provider", "show", "corp"), "creates login roles  yes", "corp_{username}", `{"connection_limit": 5}`)
	contains(t, done(t, url, "", "provider", "show", "corp", "-o", "json"), `"creates_roles": true`, `"connection_limit": 5`)
	done(t, url, `{"provider_user_id":"1","username":"Anna"}`, "sync", "-", "--provider", "corp", "--create-missing")
	contains(t, done(t, url, "", "role", "show", "corp_anna"), "connection limit   5", "made for provider  corp", "needs an identity  yes")
	contains(t, done(t, url, "", "provider", "update", "corp", "--role-attributes", `{"connection_limit": 6}`), "updated")
	contains(t, done(t, url, "", "role", "apply"), "CONNECTION LIMIT 6")
	contains(t, done(t, url, "", "provider", "update", "corp", "--creates-roles=false"), "updated")
	failed(t, 2, url, "", []string{"provider", "update", "corp", "--role-attributes", "{"}, "--role-attributes is not JSON")
	failed(t, 1, url, "", []string{"provider", "update", "corp", "--role-attributes", `{"superuser": true}`}, "SQLSTATE: 23514")
	failed(t, 1, url, "", []string{"provider", "update", "corp", "--role-name-template", "same"}, "SQLSTATE: 23514")
}

func TestOperatorsAndAuditorsOfRoles(t *testing.T) {
	t.Parallel()
	db := boundWorld(t)
	harness.Exec(t, db.Super(t), `CREATE ROLE olga LOGIN IN ROLE rolewright_operator; CREATE ROLE arne LOGIN IN ROLE rolewright_auditor; CREATE ROLE old LOGIN`)
	operator, auditor := db.URL(t, "olga"), db.URL(t, "arne")
	for _, url := range []string{operator, auditor} {
		contains(t, done(t, url, "", "role", "list"), "anna", "teams")
		contains(t, done(t, url, "", "role", "show", "anna"), "teams")
		contains(t, done(t, url, "", "user", "show", "anna"), "anna (active)")
		done(t, url, "", "role", "plan")
		if r := run(t, url, "", "proof", "anna"); r.code != 3 || !strings.Contains(r.out, "credential  role anna") {
			t.Errorf("proof: %+v", r)
		}
		failed(t, 1, url, "", []string{"role", "adopt", "old"}, "SQLSTATE")
		failed(t, 1, url, "", []string{"role", "release", "anna"}, "SQLSTATE")
	}
	for _, line := range [][]string{
		{"role", "bind", "bob", "x"}, {"role", "apply"}, {"identity", "sync", "anna"}, {"membership", "add", "anna", "teams"},
		{"deprovision", "anna", "--reason", "x"}, {"restore", "anna", "--reason", "x"}, {"delete", "anna", "--reason", "x"},
	} {
		failed(t, 1, auditor, "", line, "SQLSTATE: 42501")
	}
	done(t, operator, "", "identity", "sync", "robot", "--connection-limit", "2")
	done(t, operator, "", "deprovision", "anna", "--reason", "left")
	done(t, operator, "", "restore", "anna", "--reason", "back")
	failed(t, 1, operator, "", []string{"restore", "anna", "--reason", "back", "--elevated", "createdb"}, "RW513")
	done(t, operator, "", "deprovision", "bob", "--reason", "left")
	done(t, operator, "", "delete", "bob", "--reason", "left")
	failed(t, 1, operator, "", []string{"deprovision", "olga", "--reason", "x"}, "RW503")
}

func TestWrongUsageOfRoleCommandsExitsWithTwo(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"role bogus", "role list x", "role list --bogus", "role show", "role bind", "role bind anna", "role bind --group devs anna x",
		"role bind anna x --inherit", "role bind anna x --reuse-name --admin", "role unbind", "role unbind a b", "role unbind --group devs x --reason y",
		"role adopt", "role adopt a b", "role release", "role protect", "role apply --bogus",
		"membership add anna", "membership remove anna x y", "membership add", "identity sync", "identity sync a b",
		"deprovision", "deprovision anna", "deprovision anna bob --reason x", "restore anna", "restore --reason x", "proof", "proof a b",
		"delete anna", "delete --reason x", "delete anna --reason x --reassign-to b --drop-owned",
	} {
		failed(t, 2, "host=localhost port=1", "", strings.Fields(line), "rolewright: ")
	}
}
