package cli_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rolewright/rolewright/tests/harness"
)

// left is what deprovision reports.
type left struct {
	Username      string
	Changes       []change
	SessionsEnded int `json:"sessions_ended"`
	Left          []struct{ Way, Object, Grantor, Detail string }
	DryRun        bool `json:"dry_run"`
}

func TestWholeLife(t *testing.T) {
	t.Parallel()
	db := boundWorld(t)
	url := db.OwnerURL
	done(t, url, "", "identity", "sync", "anna", "--connection-limit", "4", "--valid-until", "2031-01-01T00:00:00Z", "--set", "work_mem=8MB")
	harness.Exec(t, db.Super(t), `CREATE TABLE public.hers (); ALTER TABLE public.hers OWNER TO anna; GRANT SELECT ON auth.provider TO anna`)
	session := harness.Connect(t, db.URL(t, "anna"))

	r := run(t, url, "", "proof", "ANNA")
	if r.code != 3 || r.err != "" {
		t.Errorf("before: exit code %d\n%s", r.code, r.err)
	}
	contains(t, r.out, "WAY", "membership  teams", "ownership   table public.hers", "session", "credential  role anna", "privilege   table auth.provider")

	failed(t, 2, url, "", []string{"deprovision", "anna"}, "reason")
	failed(t, 1, url, "", []string{"deprovision", "anna", "--reason", " "}, "RW519")
	failed(t, 1, url, "", []string{"deprovision", "nobody", "--reason", "x"}, "RW011")
	before := traces(t, db)
	r = run(t, url, "", "deprovision", "anna", "--reason", "left", "--dry-run")
	contains(t, r.out, "anna: deprovisioned, sessions ended: 1", "ALTER ROLE anna NOLOGIN", "REVOKE teams FROM anna", "\nleft\nWAY", "table public.hers")
	contains(t, r.err, "Dry run")
	var dry left
	decode(t, done(t, url, "", "deprovision", "anna", "--reason", "left", "--dry-run", "-o", "json"), &dry)
	if !dry.DryRun || dry.SessionsEnded != 1 || len(dry.Changes) != 2 || traces(t, db) != before {
		t.Errorf("the dry run did something, or says %+v", dry)
	}
	if err := session.Ping(t.Context()); err != nil {
		t.Errorf("the dry run ended a session: %v", err)
	}

	var out left
	decode(t, done(t, url, "", "deprovision", "anna", "--reason", "left the company", "--correlation-id", "ticket 7", "-o", "json"), &out)
	if says(out.Changes) != says(dry.Changes) || out.SessionsEnded != 1 || out.DryRun {
		t.Errorf("done was %+v, planned was %+v", out, dry)
	}
	for _, way := range out.Left {
		if way.Way != "ownership" && way.Way != "privilege" {
			t.Errorf("left is %+v", way)
		}
	}
	if session.Ping(t.Context()) == nil || canLogin(t, db, "anna") || members(t, db, "teams") != "bob" {
		t.Error("anna is not out")
	}
	// The steps are committed one by one, and every one has the id.
	trail := done(t, url, "", "audit", "list", "--correlation", "ticket 7", "-o", "json")
	contains(t, trail, `"role.altered"`, `"role.revoked"`, "user.")
	contains(t, done(t, url, "", "role", "list", "--state", "disabled"), "anna", "left the company")
	contains(t, done(t, url, "", "role", "show", "anna"), "recorded           login, inherit, connection limit 4, valid until 2031-01-01T00:00:00", "recorded           member of teams, granted by", "recorded           setting work_mem=8MB")
	contains(t, done(t, url, "", "user", "show", "anna"), "active      no")
	contains(t, done(t, url, "", "deprovision", "anna", "--reason", "left the company"), "anna: deprovisioned, sessions ended: 0", "changes: none")
	if r := run(t, url, "", "role", "plan"); r.code != 0 {
		t.Errorf("the plan is not empty\n%s", r.out)
	}
	harness.Exec(t, db.Super(t), `DROP TABLE public.hers; REVOKE SELECT ON auth.provider FROM anna`)
	if r := run(t, url, "", "proof", "anna"); r.code != 0 || r.out != "" || r.err != "anna has no way in.\n" {
		t.Errorf("proof: %+v", r)
	}
	if out := done(t, url, "", "proof", "anna", "-o", "json"); out != "[]\n" {
		t.Errorf("proof: %s", out)
	}

	before = traces(t, db)
	contains(t, done(t, url, "", "restore", "anna", "--reason", "back", "--dry-run"), "ALTER ROLE anna LOGIN", "GRANT teams TO anna")
	if traces(t, db) != before {
		t.Error("the dry run restored something")
	}
	var back struct{ Changes []change }
	decode(t, done(t, url, "", "restore", "anna", "--reason", "back", "-o", "json"), &back)
	if len(back.Changes) == 0 || !canLogin(t, db, "anna") || members(t, db, "teams") != "anna bob" {
		t.Errorf("restored is %+v", back)
	}
	contains(t, done(t, url, "", "restore", "anna", "--reason", "back"), "anna: restored", "changes: none")
	contains(t, done(t, url, "", "role", "show", "anna"), "connection limit   4", "2031-01-01 00:00:00Z", "work_mem=8MB")

	before = traces(t, db)
	contains(t, done(t, url, "", "delete", "anna", "--reason", "left for good", "--dry-run"), "anna: deleted", "DROP ROLE anna")
	var plan struct {
		Changes []change
		DryRun  bool `json:"dry_run"`
	}
	decode(t, done(t, url, "", "delete", "anna", "--reason", "left for good", "--dry-run", "-o", "json"), &plan)
	contains(t, says(plan.Changes), "alter: ALTER ROLE anna NOLOGIN", "revoke: REVOKE teams FROM anna", "drop: DROP ROLE anna")
	if traces(t, db) != before || !plan.DryRun {
		t.Error("the dry run deleted something")
	}
	contains(t, done(t, url, "", "delete", "anna", "--reason", "left for good"), "anna: deleted", "ALTER ROLE anna NOLOGIN")
	if harness.One[bool](t, db, `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname IN ('anna') OR rolname LIKE 'rolewright_deleted%')`) {
		t.Error("the role is still there")
	}
	for _, more := range []string{"--dry-run", "-o=table"} {
		contains(t, done(t, url, "", "delete", "anna", "--reason", "left for good", more), "anna: unchanged (deleted already)")
	}
	contains(t, done(t, url, "", "role", "list", "--state", "deleted"), "anna", "left for good", "(no such role)")
	contains(t, done(t, url, "", "role", "show", "anna"), "deleted", "in the database")
	if r := run(t, url, "", "proof", "anna"); r.code != 0 {
		t.Errorf("proof after deletion: %+v", r)
	}

	// The name is not handed on unnoticed.
	done(t, url, "", "user", "create", "zoe")
	failed(t, 1, url, "", []string{"role", "bind", "zoe", "anna"}, "RW516")
	contains(t, done(t, url, "", "role", "bind", "zoe", "anna", "--reuse-name"), "bound")
}

func TestLeaveOfAbsence(t *testing.T) {
	t.Parallel()
	db := boundWorld(t)
	url := db.OwnerURL
	harness.Exec(t, db.Super(t), `ALTER ROLE rolewright_owner CREATEDB; ALTER ROLE anna CREATEDB`)
	session := harness.Connect(t, db.URL(t, "anna"))

	contains(t, done(t, url, "", "deprovision", "bob", "--reason", "parental leave", "--suspend"), "bob: suspended")
	contains(t, done(t, url, "", "role", "list", "--state", "suspended"), "bob", "parental leave")

	// Sessions that are left are in the list, and the elevated attribute is still there.
	r := run(t, url, "", "deprovision", "anna", "--reason", "x", "--keep-sessions", "--keep-elevated")
	contains(t, r.out, "sessions ended: 0", "\nleft\n", "session")
	if err := session.Ping(t.Context()); r.code != 0 || err != nil {
		t.Errorf("%+v, %v", r, err)
	}
	createdb := func() bool {
		return harness.One[bool](t, db, `SELECT rolcreatedb FROM pg_roles WHERE rolname = 'anna'`)
	}
	if !createdb() {
		t.Error("CREATEDB was taken")
	}
	contains(t, done(t, url, "", "deprovision", "anna", "--reason", "x"), "sessions ended: 1", "NOCREATEDB")
	if createdb() {
		t.Error("CREATEDB was not taken")
	}
	failed(t, 1, url, "", []string{"restore", "anna", "--reason", "x", "--elevated", "godmode"}, "RW519")
	done(t, url, "", "restore", "anna", "--reason", "x")
	if createdb() {
		t.Error("CREATEDB came back unasked")
	}
	done(t, url, "", "deprovision", "anna", "--reason", "y")

	// Who may not log in for another reason stays out, and that is said.
	done(t, url, "", "user", "lock", "bob")
	contains(t, done(t, url, "", "restore", "bob", "--reason", "back"), "bob: restored, but cannot log in: ")
	if canLogin(t, db, "bob") {
		t.Error("bob can log in")
	}

	// A user without a role.
	done(t, url, "", "user", "create", "carl")
	contains(t, done(t, url, "", "deprovision", "carl", "--reason", "x"), "carl: deprovisioned", "changes: none", "left: none")
	contains(t, done(t, url, "", "user", "show", "carl"), "active    no")
	contains(t, done(t, url, "", "restore", "carl", "--reason", "x"), "carl: restored")
	contains(t, done(t, url, "", "user", "show", "carl"), "active    yes")
	contains(t, done(t, url, "", "delete", "carl", "--reason", "x"), "carl: disabled; there is no login role to delete")
}

func TestElevatedAttributesComeBackWhenNamed(t *testing.T) {
	t.Parallel()
	db := boundWorld(t)
	harness.Exec(t, db.Super(t), `ALTER ROLE rolewright_owner CREATEDB; ALTER ROLE anna CREATEDB`)
	done(t, db.OwnerURL, "", "deprovision", "anna", "--reason", "x")
	contains(t, done(t, db.OwnerURL, "", "restore", "anna", "--reason", "y", "--elevated", "createdb,bypassrls"), "ALTER ROLE anna CREATEDB")
	if !harness.One[bool](t, db, `SELECT rolcreatedb AND NOT rolbypassrls FROM pg_roles WHERE rolname = 'anna'`) {
		t.Error("CREATEDB did not come back, or more did")
	}
}

// estate is two more databases, without Rolewright, in which anna owns things and has been granted things.
func estate(t *testing.T) (db, second, third *harness.DB, server *harness.Server) {
	t.Helper()
	server = harness.Cluster(t)
	db, second, third = server.Database(t), server.Empty(t), server.Empty(t)
	url := db.OwnerURL
	done(t, url, "", "user", "create", "anna")
	done(t, url, "", "role", "bind", "anna", "anna")
	done(t, url, "", "role", "apply")
	done(t, url, "", "identity", "sync", "heir")
	for _, d := range []*harness.DB{db, second, third} {
		harness.Exec(t, d.Super(t), `
			CREATE TABLE public.hers (n integer);
			ALTER TABLE public.hers OWNER TO anna;
			CREATE TABLE public.ours (n integer);
			ALTER TABLE public.ours OWNER TO rolewright_owner;
			GRANT SELECT ON public.ours TO anna`)
	}
	return db, second, third, server
}

func ownerOf(t testing.TB, db *harness.DB, table string) string {
	t.Helper()
	return harness.One[string](t, db, `SELECT r.rolname::text FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner WHERE c.oid = to_regclass($1)`, table)
}

func exists(t testing.TB, db *harness.DB, role string) bool {
	t.Helper()
	return harness.One[bool](t, db, `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)`, role)
}

func TestDeleteGoesThroughAllDatabases(t *testing.T) {
	t.Parallel()
	db, second, third, _ := estate(t)
	url := db.OwnerURL
	harness.Exec(t, second.Super(t), `
		CREATE FUNCTION public.her_code() RETURNS integer LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'; ALTER FUNCTION public.her_code() OWNER TO anna`)

	text := failed(t, 1, url, "", []string{"delete", "anna", "--reason", "gone"}, "RW514", second.Name, third.Name, "table public.hers")
	if !exists(t, db, "anna") || !canLogin(t, db, "anna") {
		t.Errorf("a refusal changed something\n%s", text)
	}
	failed(t, 1, url, "", []string{"delete", "anna", "--reason", "gone", "--reassign-to", "nosuch"}, "RW019", "nosuch")
	failed(t, 1, url, "", []string{"delete", "nobody", "--reason", "gone", "--reassign-to", "heir"}, "RW011")

	before := traces(t, db) + traces2(t, second) + traces2(t, third)
	line := []string{"delete", "anna", "--reason", "gone", "--reassign-to", "heir"}
	contains(t, done(t, url, "", append(line, "--dry-run")...), "DROP ROLE anna", "REASSIGN OWNED BY anna TO heir", "rolewright_code_owner", "DATABASE", db.Name, second.Name, third.Name)
	if traces(t, db)+traces2(t, second)+traces2(t, third) != before {
		t.Error("the dry run changed something")
	}

	r := run(t, url, "", line...)
	contains(t, r.out, "anna: deleted", "DATABASE", second.Name, third.Name, "REASSIGN OWNED BY anna TO heir")
	if r.code != 0 || exists(t, db, "anna") {
		t.Errorf("the role is still there: %s", r.err)
	}
	for _, d := range []*harness.DB{db, second, third} {
		if owner := ownerOf(t, d, "public.hers"); owner != "heir" {
			t.Errorf("in %s it belongs to %s", d.Name, owner)
		}
	}
	if owner := harness.One[string](t, second, `SELECT r.rolname::text FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner WHERE p.proname = 'her_code'`); owner != "rolewright_code_owner" {
		t.Errorf("the code belongs to %s", owner)
	}
	var again struct {
		State          string
		AlreadyDeleted bool `json:"already_deleted"`
		Removed        []struct{ Database, Statement string }
	}
	decode(t, done(t, url, "", append(line, "-o", "json")...), &again)
	if again.State != "deleted" || !again.AlreadyDeleted || len(again.Removed) != 0 {
		t.Errorf("again: %+v", again)
	}
}

// traces2 is traces of a database without Rolewright.
func traces2(t testing.TB, db *harness.DB) string {
	t.Helper()
	return harness.One[string](t, db.Super(t), `
		SELECT string_agg(line, E'\n' ORDER BY line) FROM (
		    SELECT c.relname || c.relowner || coalesce(c.relacl::text, '') || c.xmin FROM pg_class c WHERE relnamespace = 'public'::regnamespace
		    UNION ALL SELECT p.proname || p.proowner || p.xmin FROM pg_proc p WHERE pronamespace = 'public'::regnamespace) AS t (line)`)
}

func TestDeleteGoesOnAfterADatabaseFailed(t *testing.T) {
	t.Parallel()
	db, second, third, _ := estate(t)
	url := db.OwnerURL
	// Fails when it is done for the second time: the first time is the rehearsal. What a sequence counts is not rolled back.
	harness.Exec(t, second.Super(t), `
		CREATE SEQUENCE public.times;
		GRANT USAGE ON public.times TO PUBLIC;
		CREATE FUNCTION public.fail_once() RETURNS event_trigger LANGUAGE plpgsql AS $$
		BEGIN
		    IF nextval('public.times') = 2 THEN
		        RAISE EXCEPTION 'the disk is full';
		    END IF;
		END $$;
		CREATE EVENT TRIGGER fail_once ON ddl_command_start WHEN TAG IN ('DROP OWNED') EXECUTE FUNCTION public.fail_once()`)
	line := []string{"delete", "anna", "--reason", "gone", "--drop-owned"}
	text := failed(t, 1, url, "", line, "the disk is full", "The role is not dropped", "Done in: "+third.Name, "Failed in: "+second.Name, "goes on from there")
	if !exists(t, db, "anna") || canLogin(t, db, "anna") {
		t.Errorf("half deleted, anna should be out, but there\n%s", text)
	}
	hers := func(d *harness.DB) bool {
		return harness.One[bool](t, d, `SELECT to_regclass('public.hers') IS NOT NULL`)
	}
	if !hers(db) || !hers(second) || hers(third) {
		t.Errorf("her tables are there: %v %v %v", hers(db), hers(second), hers(third))
	}
	contains(t, done(t, url, "", line...), "anna: deleted", second.Name)
	if exists(t, db, "anna") || hers(db) || hers(second) {
		t.Error("something is left")
	}
}

func TestDeleteRefusesWhatADatabaseRefusesBeforeAnyChange(t *testing.T) {
	t.Parallel()
	db, second, third, _ := estate(t)
	url := db.OwnerURL
	harness.Exec(t, third.Super(t), `CREATE VIEW public.others AS SELECT * FROM public.hers`)
	before := traces(t, db) + traces2(t, second)
	line := []string{"delete", "anna", "--reason", "gone", "--drop-owned"}
	for _, more := range []string{"--dry-run", "-o=json"} {
		failed(t, 1, url, "", append(line, more), "nothing was changed", third.Name, "SQLSTATE")
	}
	if traces(t, db)+traces2(t, second) != before {
		t.Error("something was changed")
	}
	// A database that nobody can connect to is such a refusal too.
	harness.Exec(t, db.Super(t), fmt.Sprintf(`ALTER DATABASE %s ALLOW_CONNECTIONS false`, pgx.Identifier{second.Name}.Sanitize()))
	failed(t, 1, url, "", append(line, "--force"), second.Name)
	if traces(t, db) != before[:len(traces(t, db))] {
		t.Error("something was changed")
	}
	harness.Exec(t, db.Super(t), fmt.Sprintf(`ALTER DATABASE %s ALLOW_CONNECTIONS true`, pgx.Identifier{second.Name}.Sanitize()))
	contains(t, done(t, url, "", append(line, "--force")...), "anna: deleted")
}

func TestDeleteInADatabaseOfAnyName(t *testing.T) {
	t.Parallel()
	db, _, _, _ := estate(t)
	const name = `it's a "db" %s; --`
	harness.Exec(t, db.Super(t), `CREATE DATABASE `+pgx.Identifier{name}.Sanitize()+` TEMPLATE template0 OWNER rolewright_owner`)
	config, err := pgx.ParseConfig(db.SuperURL)
	if err != nil {
		t.Fatal(err)
	}
	config.Database = name
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	harness.Exec(t, conn, `CREATE TABLE public.hers (); ALTER TABLE public.hers OWNER TO anna`)
	// A session of hers that holds a lock is no obstacle: it ends before it matters.
	config.User = "anna"
	hers, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = hers.Close(t.Context()) }() // it is ended before that; but without it, the garbage collector could be faster
	harness.Exec(t, hers, `BEGIN; LOCK TABLE public.hers`)
	r := run(t, db.OwnerURL, "", "delete", "anna", "--reason", "gone", "--drop-owned", "-o", "json")
	if r.code != 0 || exists(t, db, "anna") || harness.One[bool](t, conn, `SELECT to_regclass('public.hers') IS NOT NULL`) {
		t.Errorf("%+v", r)
	}
	contains(t, r.err, "could not be tried: somebody holds a lock")
	if err := conn.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestWhatOnlyASuperuserCanDo(t *testing.T) {
	t.Parallel()
	db := boundWorld(t)
	url := db.OwnerURL
	harness.Exec(t, db.Super(t), `CREATE ROLE boss LOGIN SUPERUSER; CREATE ROLE other; CREATE ROLE olga LOGIN IN ROLE rolewright_operator; GRANT other TO anna`)
	done(t, db.SuperURL, "", "role", "adopt", "boss")
	failed(t, 1, url, "", []string{"deprovision", "boss", "--reason", "x"}, "RW506", "ALTER ROLE boss NOLOGIN")
	if !canLogin(t, db, "boss") {
		t.Error("a refusal changed something")
	}
	contains(t, done(t, db.SuperURL, "", "deprovision", "boss", "--reason", "x"), "boss: deprovisioned", "ALTER ROLE boss NOLOGIN")
	if canLogin(t, db, "boss") {
		t.Error("boss can log in")
	}

	// A membership that the owner may not end, from PostgreSQL 16 on: what could be done is done, and the exit code says that it is not all.
	if harness.Shared(t).Major >= 16 {
		failed(t, 1, url, "", []string{"deprovision", "anna", "--reason", "x"}, "RW517", "membership other")
		if canLogin(t, db, "anna") {
			t.Error("anna can log in")
		}
		if r := run(t, url, "", "proof", "anna"); r.code != 3 || !strings.Contains(r.out, "membership  other") {
			t.Errorf("proof: %+v", r)
		}
	}
	done(t, db.SuperURL, "", "deprovision", "anna", "--reason", "x")
	if r := run(t, url, "", "proof", "anna"); r.code != 0 {
		t.Errorf("proof: %+v", r)
	}
}

func TestOperatorsHaveNoRightsElsewhere(t *testing.T) {
	t.Parallel()
	db, second, _, _ := estate(t)
	harness.Exec(t, db.Super(t), `CREATE ROLE olga LOGIN IN ROLE rolewright_operator; CREATE ROLE oscar LOGIN IN ROLE rolewright_operator`)
	before := traces(t, db) + traces2(t, second)
	failed(t, 1, db.URL(t, "olga"), "", []string{"delete", "anna", "--reason", "x", "--reassign-to", "heir"}, "nothing was changed", "RW514", "superuser")
	if traces(t, db)+traces2(t, second) != before {
		t.Error("something was changed")
	}
}

func TestDeleteByUsernameIsTheUsersRole(t *testing.T) {
	t.Parallel()
	db := harness.Cluster(t).Database(t)
	url := db.OwnerURL
	for _, name := range []string{"Anna", "Bob"} {
		done(t, url, "", "user", "create", name)
		done(t, url, "", "role", "bind", name, "db_"+strings.ToLower(name))
	}
	done(t, url, "", "role", "apply")
	contains(t, done(t, url, "", "deprovision", "ANNA", "--reason", "x"), "ALTER ROLE db_anna NOLOGIN")
	contains(t, done(t, url, "", "delete", "anna", "--reason", "x"), "anna: deleted")
	if exists(t, db, "db_anna") || !canLogin(t, db, "db_bob") {
		t.Error("another role was deleted")
	}
	failed(t, 1, url, "", []string{"delete", harness.Owner, "--reason", "x"}, "RW503")
	failed(t, 1, url, "", []string{"deprovision", "postgres", "--reason", "x"}, "RW503")
	failed(t, 1, url, "", []string{"restore", "pg_monitor", "--reason", "x"}, "RW503")
}
