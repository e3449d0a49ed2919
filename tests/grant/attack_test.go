package grant_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rolewright/rolewright/tests/harness"
)

// siege is a database with somebody in it who means ill: #evil may log in and make schemas, and owns schema #ev, which everybody may use.
// Roles belong to the whole server, so #name is one that no other test has.
type siege struct {
	*harness.DB
	super  *pgxpool.Pool
	prefix string
	major  int
}

func newSiege(t testing.TB) *siege {
	t.Helper()
	if os.Getenv("ROLEWRIGHT_TEST_URL") != "" {
		t.Skip("makes roles, and ROLEWRIGHT_TEST_URL names a server that is shared")
	}
	server := harness.Shared(t)
	s := &siege{DB: server.Database(t), prefix: "a" + strings.ToLower(rand.Text()[:5]) + "_", major: server.Major}
	s.super = s.Super(t)
	harness.Exec(t, s.DB, s.hide("CREATE ROLE #evil LOGIN; CREATE ROLE #good"))
	s.dba(t, `
		CREATE SCHEMA #ev AUTHORIZATION #evil; GRANT USAGE ON SCHEMA #ev TO PUBLIC; CREATE SCHEMA app; CREATE TABLE app.t (id integer, name text);
		CREATE TABLE app.secret (id integer)`)
	t.Cleanup(func() { // what is left here of roles that the next test's plan of all intermediate roles would find
		ctx := context.Background()
		_, _ = s.super.Exec(ctx, s.hide("DROP OWNED BY #evil, #good CASCADE"))
	})
	return s
}

var siegeName = regexp.MustCompile(`#([A-Za-z])`)

func (s *siege) hide(sql string) string { return siegeName.ReplaceAllString(sql, s.prefix+"$1") }
func (s *siege) show(sql string) string { return strings.ReplaceAll(sql, s.prefix, "#") }

// dba runs statements as a superuser.
func (s *siege) dba(t testing.TB, sql string) { t.Helper(); harness.Exec(t, s.super, s.hide(sql)) }

// evil runs statements as #evil.
func (s *siege) evil(t testing.TB, sql string) {
	t.Helper()
	harness.Exec(t, s.As(t, s.hide("#evil")), s.hide(sql))
}

// text is the rows of a query with one column, joined by "; ".
func (s *siege) text(t testing.TB, q harness.Querier, sql string) string {
	t.Helper()
	return s.show(strings.Join(harness.Column[string](t, q, `SELECT coalesce(x::text, 'NULL') FROM (`+s.hide(sql)+`) AS t (x)`), "; "))
}

// sync syncs one role and returns the statements, or the refusal, which has to be one of Rolewright's.
func (s *siege) sync(t testing.TB, q harness.Querier, role, grants string) (string, *pgconn.PgError) {
	t.Helper()
	rows, _ := q.Query(t.Context(), s.hide(`SELECT statement FROM auth.sync_role($1, $2)`), s.hide(role), s.hide(grants))
	statements, err := pgx.CollectRows(rows, pgx.RowTo[string])
	var refusal *pgconn.PgError
	if errors.As(err, &refusal) {
		if !strings.HasPrefix(refusal.Code, "RW") {
			t.Errorf("%s: %s (%s) is no refusal of Rolewright's, for %s %s", refusal.Code, s.show(refusal.Message), s.show(refusal.Detail), role, grants)
		}
		return "", refusal
	}
	if err != nil {
		t.Fatal(err)
	}
	return s.show(strings.Join(statements, "; ")), nil
}

func (s *siege) mustSync(t testing.TB, q harness.Querier, role, grants string) string {
	t.Helper()
	done, refusal := s.sync(t, q, role, grants)
	if refusal != nil {
		t.Fatalf("%s: %s (%s) for %s %s", refusal.Code, s.show(refusal.Message), s.show(refusal.Detail), role, grants)
	}
	return done
}

const onlyLogin = `[{"type": "login"}]`

// What #evil owned and nobody is declared to own goes to the caller. Code that would run with a superuser's rights must not, unasked.
func TestCodeDoesNotGoToTheSuperuserUnasked(t *testing.T) {
	t.Parallel()
	const boom = `CREATE FUNCTION #ev.boom() RETURNS void LANGUAGE plpgsql AS $$BEGIN END$$;
		CREATE FUNCTION #ev.yes(integer) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$BEGIN PERFORM #ev.boom(); RETURN true; END$$;
		CREATE FUNCTION #ev.one(integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$BEGIN PERFORM #ev.boom(); RETURN 1; END$$;
		CREATE FUNCTION #ev.less(a float8, b float8) RETURNS float8 LANGUAGE plpgsql IMMUTABLE AS $$BEGIN PERFORM #ev.boom(); RETURN a - b; END$$;
		CREATE FUNCTION #ev.row() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$;
		CREATE TABLE #ev.p (id integer PRIMARY KEY);`
	for _, c := range []struct{ name, sql, object string }{
		{"a SECURITY DEFINER function", `CREATE FUNCTION #ev.x() RETURNS integer LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'`, "function #ev.x()"},
		{"a SECURITY DEFINER procedure", `CREATE PROCEDURE #ev.x() LANGUAGE sql SECURITY DEFINER AS ''`, "procedure #ev.x()"},
		{"an aggregate", `CREATE AGGREGATE #ev.x(integer) (SFUNC = int4larger, STYPE = integer)`, "function #ev.x(integer)"},
		{"a view", `CREATE VIEW #ev.x AS SELECT 1 AS a`, "table #ev.x"},
		{"a materialized view", `CREATE MATERIALIZED VIEW #ev.x AS SELECT 1 AS a`, "table #ev.x"},
		{"a trigger", `CREATE TABLE #ev.x (a integer); CREATE TRIGGER x AFTER INSERT ON #ev.x EXECUTE FUNCTION #ev.row()`, "table #ev.x"},
		{"a rule", `CREATE TABLE #ev.x (a integer); CREATE RULE x AS ON INSERT TO #ev.x DO ALSO SELECT #ev.boom()`, "table #ev.x"},
		{"a policy", `CREATE TABLE #ev.x (a integer); CREATE POLICY x ON #ev.x USING (#ev.yes(a))`, "table #ev.x"},
		{"an index over an expression", `CREATE TABLE #ev.x (a integer); CREATE INDEX ON #ev.x (#ev.one(a))`, "table #ev.x"},
		{"an index with a condition", `CREATE TABLE #ev.x (a integer); CREATE INDEX ON #ev.x (a) WHERE #ev.yes(a)`, "table #ev.x"},
		{"statistics over an expression", `CREATE TABLE #ev.x (a integer, b integer); CREATE STATISTICS #ev.s ON (#ev.one(a)), b FROM #ev.x`, "table #ev.x"},
		{"a check that a foreign key's action runs", `CREATE TABLE #ev.x (a integer REFERENCES #ev.p ON DELETE SET NULL, CHECK (#ev.yes(a)))`, "table #ev.x"},
		{"a default that a foreign key's action runs", `CREATE TABLE #ev.x (a integer DEFAULT #ev.one(1) REFERENCES #ev.p ON DELETE SET DEFAULT)`, "table #ev.x"},
		{"a column that a foreign key's action generates", `CREATE TABLE #ev.x (a integer REFERENCES #ev.p ON UPDATE CASCADE, b integer GENERATED ALWAYS AS (#ev.one(a)) STORED)`, "table #ev.x"},
		{"a domain that a foreign key's action checks", `CREATE DOMAIN #ev.d AS integer CHECK (#ev.yes(VALUE)); CREATE TABLE #ev.x (a #ev.d REFERENCES #ev.p ON UPDATE CASCADE)`, "table #ev.x"},
		{"a partition key that a foreign key's action reckons", `CREATE TABLE #ev.x (a integer REFERENCES #ev.p ON DELETE SET NULL) PARTITION BY LIST (#ev.one(a))`, "table #ev.x"},
		{"a cast that a foreign key makes", `
			CREATE TYPE #ev.color AS ENUM ('a'); CREATE FUNCTION #ev.cast(#ev.color) RETURNS integer LANGUAGE plpgsql AS $$BEGIN PERFORM #ev.boom(); RETURN 1; END$$;
			CREATE CAST (#ev.color AS integer) WITH FUNCTION #ev.cast(#ev.color) AS IMPLICIT; CREATE TABLE #ev.x (a #ev.color REFERENCES #ev.p)`, "table #ev.p"},
		{"a range whose difference ANALYZE reckons", `CREATE TYPE #ev.r AS RANGE (SUBTYPE = float8, SUBTYPE_DIFF = #ev.less); CREATE TABLE #ev.x (a #ev.r)`, "table #ev.x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSiege(t)
			s.evil(t, boom+c.sql)
			conflicts := strings.Split(s.text(t, s.super, `SELECT object FROM auth.plan_role('#evil', '`+onlyLogin+`') WHERE action = 'conflict'`), "; ")
			if !slices.Contains(conflicts, c.object) {
				t.Errorf("%s is no conflict, only %v", c.object, conflicts)
			}
			if _, refusal := s.sync(t, s.super, "#evil", onlyLogin); refusal == nil || refusal.Code != "RW522" {
				t.Errorf("want RW522, got %v", refusal)
			}
		})
	}
	t.Run("a partition of somebody else's table", func(t *testing.T) {
		t.Parallel()
		s := newSiege(t)
		s.dba(t, `CREATE ROLE #mate; GRANT #mate TO #evil; GRANT CREATE, USAGE ON SCHEMA #ev TO #mate`)
		s.evil(t, boom+`
			SET ROLE #mate; CREATE TABLE #ev.parent (a integer) PARTITION BY LIST (a); RESET ROLE; CREATE TABLE #ev.x (a integer);
			ALTER TABLE #ev.parent ATTACH PARTITION #ev.x FOR VALUES IN (1)`) // #mate's CREATE INDEX would reckon its expression as the owner of the partition
		if _, refusal := s.sync(t, s.super, "#evil", onlyLogin); refusal == nil || refusal.Code != "RW522" {
			t.Errorf("want RW522, got %v", refusal)
		}
	})
	t.Run("a table with somebody else's partition", func(t *testing.T) {
		t.Parallel()
		s := newSiege(t)
		s.dba(t, `CREATE ROLE #mate; GRANT #mate TO #evil; GRANT CREATE, USAGE ON SCHEMA #ev TO #mate`)
		s.evil(t, boom+`
			CREATE TABLE #ev.x (a integer REFERENCES #ev.p ON DELETE SET NULL) PARTITION BY LIST (a); CREATE TABLE #ev.one (a integer);
			ALTER TABLE #ev.x ATTACH PARTITION #ev.one DEFAULT; ALTER TABLE #ev.one OWNER TO #mate`) // whose triggers the foreign key's action would fire
		if _, refusal := s.sync(t, s.super, "#evil", onlyLogin); refusal == nil || refusal.Code != "RW522" {
			t.Errorf("want RW522, got %v", refusal)
		}
	})
	t.Run("a table that others may refer to", func(t *testing.T) {
		t.Parallel()
		s := newSiege(t)
		s.evil(t, `CREATE TABLE #ev.x (a integer PRIMARY KEY); GRANT REFERENCES ON #ev.x TO PUBLIC`)
		if _, refusal := s.sync(t, s.super, "#evil", onlyLogin); refusal == nil || refusal.Code != "RW522" {
			t.Errorf("want RW522, got %v", refusal)
		}
	})
	t.Run("and is given away by the same plan", func(t *testing.T) {
		t.Parallel()
		s := newSiege(t)
		s.evil(t, `CREATE TABLE #ev.x (a integer)`)
		_, err := s.super.Exec(t.Context(), s.hide(`SELECT auth.sync_roles('{"roles": {"#evil": {"grants": [{"type": "login"}]},
			"#good": {"grants": [{"type": "table", "schema": "#ev", "name": "x", "privileges": ["ALL"]}]}}}')`))
		var refusal *pgconn.PgError
		if errors.As(err, &refusal) && refusal.Code != "RW522" {
			t.Error(err)
		}
	})
	t.Run("what is harmless goes", func(t *testing.T) {
		t.Parallel()
		s := newSiege(t)
		s.evil(t, `CREATE TABLE #ev.x (id serial PRIMARY KEY, a integer DEFAULT 5, b text); CREATE FUNCTION #ev.f() RETURNS integer LANGUAGE sql AS 'SELECT 1'`)
		s.mustSync(t, s.super, "#evil", onlyLogin)
		if left := s.text(t, s.super, `SELECT relname FROM pg_class WHERE relowner = to_regrole('#evil') AND relkind <> 't'`); left != "" {
			t.Errorf("still owns %s", left)
		}
	})
}

// Whoever may create something in a schema does not get it run as the role that shall own all of it.
func TestOwnerOfAllDoesNotTakeStrangersCode(t *testing.T) {
	t.Parallel()
	s := newSiege(t)
	s.dba(t, `GRANT USAGE, CREATE ON SCHEMA app TO #evil`)
	s.evil(t, `CREATE FUNCTION app.pwn() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT current_user::text'; CREATE VIEW app.pwn AS SELECT 1 AS a`)
	for _, grant := range []string{
		`{"type": "function", "schema": "app", "all": true, "owner": true}`, `{"type": "function", "schema": "app", "pattern": "p.*", "owner": true}`,
		`{"type": "table", "schema": "app", "all": true, "owner": true}`,
	} {
		if _, refusal := s.sync(t, s.super, "#good", "["+grant+"]"); refusal == nil || refusal.Code != "RW522" {
			t.Errorf("%s: want RW522, got %v", grant, refusal)
		}
	}
	s.mustSync(t, s.super, "#good", `[{"type": "function", "schema": "app", "name": "pwn()", "owner": true}]`) // by name it is meant
}

// Between the plan and ALTER … OWNER, #evil puts something else in the place of what was looked at.
func TestWhatIsSwappedBeforeItsOwnerChangesIsNotTaken(t *testing.T) {
	t.Parallel()
	s := newSiege(t)
	s.evil(t, `CREATE TABLE #ev.a (x integer); CREATE TABLE #ev.b (x integer)`)
	first, second := s.As(t, s.hide("#evil")), s.As(t, s.hide("#evil"))
	harness.Exec(t, first, s.hide("BEGIN; LOCK TABLE #ev.a"))

	conn := harness.Connect(t, s.SuperURL)
	pid := harness.One[int](t, conn, "SELECT pg_backend_pid()")
	done := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), s.hide(`SELECT auth.sync_role('#evil', '`+onlyLogin+`')`))
		done <- err
	}()
	swap := `DROP TABLE #ev.b; CREATE VIEW #ev.b AS SELECT rolname, rolpassword FROM pg_authid; GRANT SELECT ON #ev.b TO PUBLIC`
	var err error
	finished := false
	for range 100 {
		if harness.One[bool](t, s.super, "SELECT coalesce((SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1), false)", pid) {
			break
		}
		select {
		case err = <-done: // it does not wait for such locks
			finished = true
		case <-time.After(20 * time.Millisecond):
		}
		if finished {
			break
		}
	}
	if !finished {
		harness.Exec(t, second, s.hide(swap))
		harness.Exec(t, first, "COMMIT")
		err = <-done
	}
	t.Log(err)
	if _, err := second.Exec(t.Context(), s.hide("SELECT count(*) FROM #ev.b")); err == nil {
		if kind := s.text(t, s.super, `SELECT relkind FROM pg_class WHERE oid = to_regclass('#ev.b')`); kind == "v" {
			t.Error("#evil reads the verifiers through his view")
		}
	}
	if owner := s.text(t, s.super, `SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = to_regclass('#ev.b') AND relkind = 'v'`); owner != "" && owner != "#evil" {
		t.Errorf("his view is %s's now", owner)
	}
}

// Nobody keeps what he has by being in the way.
func TestNobodyIsInTheWay(t *testing.T) {
	t.Parallel()
	t.Run("with a temporary table", func(t *testing.T) {
		t.Parallel()
		s := newSiege(t)
		s.dba(t, "GRANT SELECT ON app.t TO #evil")
		evil := s.As(t, s.hide("#evil"))
		harness.Exec(t, evil, s.hide("CREATE TEMP TABLE x (a integer); GRANT SELECT ON x TO #good"))
		for _, q := range []harness.Querier{s.DB, s.super} {
			s.mustSync(t, q, "#good", `[]`)
		}
		s.mustSync(t, s.super, "#evil", `[]`)
		harness.MustFail(t, evil, "42501", "SELECT FROM app.t")
	})
	t.Run("with a procedure that has two meanings", func(t *testing.T) {
		t.Parallel()
		s := newSiege(t)
		s.evil(t, `CREATE PROCEDURE #ev.p(integer, OUT x text) LANGUAGE plpgsql AS 'BEGIN END'; CREATE PROCEDURE #ev.p(integer, text) LANGUAGE plpgsql AS 'BEGIN END';
			GRANT EXECUTE ON PROCEDURE #ev.p(IN integer, IN text) TO #good`)
		s.mustSync(t, s.super, "#good", `[]`)
		s.mustSync(t, s.super, "#evil", onlyLogin)
		if left := s.text(t, s.super, `SELECT proname FROM pg_proc WHERE proowner = to_regrole('#evil')`); left != "" {
			t.Errorf("still owns %s", left)
		}
	})
	t.Run("with a schema that he himself may not use", func(t *testing.T) {
		t.Parallel()
		s := newSiege(t)
		s.evil(t, `CREATE TABLE #ev.x (a integer); GRANT SELECT ON #ev.x TO #good; REVOKE ALL ON SCHEMA #ev FROM PUBLIC, #evil`)
		if s.mustSync(t, s.DB, "#good", `[]`) == "" {
			t.Error("nothing was revoked")
		}
		if left := s.text(t, s.super, `SELECT nspacl FROM pg_namespace WHERE oid = to_regnamespace('#ev')`); left != "{}" {
			t.Errorf("the schema has %s now", left)
		}
	})
	t.Run("with a lock", func(t *testing.T) {
		t.Parallel()
		s := newSiege(t)
		s.evil(t, `CREATE TABLE #ev.x (a integer)`)
		evil := s.As(t, s.hide("#evil"))
		harness.Exec(t, evil, s.hide("BEGIN; LOCK TABLE #ev.x"))
		conn := harness.Connect(t, s.SuperURL)
		harness.Exec(t, conn, "SET statement_timeout = '30s'")
		_, err := conn.Exec(t.Context(), s.hide(`SELECT auth.sync_role('#evil', '`+onlyLogin+`')`))
		var refusal *pgconn.PgError
		if !errors.As(err, &refusal) || refusal.Code == "57014" {
			t.Errorf("it waits for ever, with the lock that all changes of roles need: %v", err)
		}
	})
	t.Run("in an intermediate role", func(t *testing.T) {
		t.Parallel()
		s := newSiege(t)
		const grants = `[{"type": "table", "schema": "app", "name": "t", "privileges": ["SELECT"], "via": "group"}]`
		s.mustSync(t, s.super, "#good", grants)
		via := s.text(t, s.super, `SELECT role_name FROM auth.intermediate_role`)
		s.dba(t, `GRANT SELECT ON app.secret TO `+via+`; ALTER ROLE `+via+` SUPERUSER; GRANT pg_read_all_data TO `+via)
		s.dba(t, `CREATE ROLE #new`)
		s.mustSync(t, s.super, "#new", grants) // who comes in, comes into what it was meant to be
		if got := s.text(t, s.super, `SELECT has_table_privilege('#new', 'app.secret', 'SELECT') OR rolsuper FROM pg_roles WHERE rolname = '`+via+`'`); got != "false" {
			t.Error("the intermediate role gives more than it is for")
		}
	})
}

// The name of an intermediate role is no cloak.
func TestRoleThatIsOnlyCalledIntermediateIsSeen(t *testing.T) {
	t.Parallel()
	s := newSiege(t)
	role := "rolewright_via_" + strings.ToLower(rand.Text()[:5])
	hex := fmt.Sprintf("rolewright_via_%020x", time.Now().UnixNano())
	t.Cleanup(func() { _, _ = s.super.Exec(context.Background(), "DROP ROLE "+role+"; DROP ROLE "+hex) })
	s.dba(t, `CREATE ROLE `+role+` SUPERUSER; GRANT `+role+` TO #evil; CREATE ROLE `+hex+` BYPASSRLS; GRANT `+hex+` TO #evil`)
	_, refusal := s.sync(t, s.super, "#evil", onlyLogin)
	if left := s.text(t, s.super, `SELECT r.rolname FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid WHERE m.member = to_regrole('#evil')`); refusal == nil && left != "" {
		t.Errorf("still a member of %s", left)
	}
}

// A database that is copied has the registry of intermediate roles of the other one, whose roles they are.
func TestCopyOfADatabaseGivesNothingInTheOriginal(t *testing.T) {
	t.Parallel()
	s := newSiege(t)
	const grants = `[{"type": "table", "schema": "app", "name": "t", "privileges": ["SELECT"], "via": "group"}]`
	s.mustSync(t, s.super, "#good", grants)
	s.Pool.Close()
	s.super.Close()

	other := harness.Shared(t).Database(t).Super(t)
	copied := s.Name + "_copy"
	for i := 0; ; i++ { // sessions take a moment to end
		harness.Exec(t, other, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", s.Name)
		if _, err := other.Exec(t.Context(), "CREATE DATABASE "+copied+" TEMPLATE "+s.Name); err == nil {
			break
		} else if i == 50 {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Cleanup(func() { _, _ = other.Exec(context.Background(), "DROP DATABASE "+copied+" WITH (FORCE)") })
	address, err := url.Parse(s.SuperURL)
	if err != nil {
		t.Fatal(err)
	}
	address.Path = "/" + copied
	there := harness.Connect(t, strings.Replace(s.SuperURL, s.Name, copied, 1))
	if got := harness.One[string](t, there, "SELECT current_database()"); got != copied {
		t.Fatalf("connected to %s by %s", got, address)
	}
	s.mustSync(t, there, "#stranger", grants)
	here := harness.Connect(t, s.SuperURL)
	if harness.One[bool](t, here, s.hide(`SELECT has_table_privilege('#stranger', 'app.t', 'SELECT')`)) {
		t.Error("a grant in the copy gives access in the original")
	}
	harness.Exec(t, there, s.hide("DROP OWNED BY #stranger"))
}

// Privileges on what databases share may be given through a role of one of them.
func TestOtherDatabasesIntermediateRoleOfSomethingSharedStays(t *testing.T) {
	t.Parallel()
	s := newSiege(t)
	grants := fmt.Sprintf(`[{"type": "database", "name": %q, "privileges": ["CONNECT", "CREATE"], "via": "group"}]`, s.Name)
	s.mustSync(t, s.super, "#good", grants)
	other := harness.Shared(t).Database(t).Super(t)
	s.mustSync(t, other, "#good", `[]`)
	if again := s.mustSync(t, s.super, "#good", grants); again != "" {
		t.Errorf("the other database's sync took it away: %s", again)
	}
}

// What somebody said for PUBLIC is not said for all the others.
func TestOptionsForPublicAreNoDefaultsOfStoredRoles(t *testing.T) {
	t.Parallel()
	s := newSiege(t)
	s.dba(t, `GRANT pg_read_all_data TO #evil; SELECT auth.declare_role('#evil', '[]');
		SELECT auth.declare_roles('{"public": [{"action": "revoke", "type": "table", "schema": "app", "name": "t", "privileges": ["SELECT"]}], "options": {"scope": "database", "missing": "skip"}}')`)
	alone := s.text(t, s.super, `SELECT statement FROM auth.drift('{#evil}')`)
	if all := s.text(t, s.super, `SELECT statement FROM auth.drift()`); all != alone || !strings.Contains(all, "NOLOGIN") {
		t.Errorf("alone %s\nall   %s", alone, all)
	}
}

// An auditor may look at plans. A plan does not tell whether a password was guessed.
func TestPlanIsNoOracleForPasswords(t *testing.T) {
	t.Parallel()
	s := newSiege(t)
	harness.Exec(t, s.DB, s.hide("CREATE ROLE #auditor"))
	s.dba(t, "GRANT rolewright_auditor TO #auditor")
	s.mustSync(t, s.DB, "#good", `[{"type": "login", "password": "right"}]`)
	auditor := s.As(t, s.hide("#auditor"))
	plan := func(password string) string {
		return s.text(t, auditor, `SELECT action || object FROM auth.plan_role('#good', '[{"type": "login", "password": "`+password+`"}]')`)
	}
	if right, wrong := plan("right"), plan("wrong"); right != wrong {
		t.Errorf("right: %q, wrong: %q", right, wrong)
	}
	if again := s.mustSync(t, s.DB, "#good", `[{"type": "login", "password": "right"}]`); again != "" {
		t.Errorf("who may set it can tell: %s", again)
	}
	for _, call := range []string{
		`auth.sync_role('#good', '[]')`, `auth.begin_role_sync('{}', 'postgres')`, `auth.finish_role_sync('{}', 'postgres', '{}', '{}', '[]')`, `auth.apply_drift()`,
		`auth.declare_role('#good', '[]')`, `auth.undeclare_role('#good')`, `auth.drop_unused_roles()`,
	} {
		harness.MustFail(t, auditor, "42501", s.hide("SELECT "+call))
	}
	s.dba(t, "GRANT rolewright_operator TO #auditor")
	for _, call := range []string{
		`auth.sync_role('#good', '[]')`, `auth.begin_role_sync('{}', 'rolewright_owner')`, `auth.finish_role_sync('{}', 'rolewright_owner', '{}', '{}', '[]')`,
		`auth.declare_role('#good', '[]')`, `auth.undeclare_role('#good')`, `auth.drop_unused_roles()`,
	} {
		harness.MustFail(t, auditor, "RW513", s.hide("SELECT "+call))
	}
}

// While a leaver's role is being dropped it has another name; its own must not come back, nor stand for somebody else.
func TestLeaversNameDoesNotComeBack(t *testing.T) {
	t.Parallel()
	s := newSiege(t)
	const grants = `[{"type": "table", "schema": "mine", "name": "t", "privileges": ["SELECT"]}]`
	harness.Exec(t, s.DB, "CREATE SCHEMA mine; CREATE TABLE mine.t (a integer)")
	s.dba(t, `SELECT auth.bind_user_role(auth.create_user('#ann'), '#ann'); SELECT auth.apply_database_roles(); SELECT auth.sync_role('#ann', '`+grants+`');
		SELECT auth.declare_role('#ann', '`+grants+`')`)
	t.Run("another role has it", func(t *testing.T) {
		conn := harness.Connect(t, s.SuperURL)
		harness.Exec(t, conn, s.hide(`BEGIN; ALTER ROLE #ann RENAME TO #old; CREATE ROLE #ann LOGIN`))
		_, refusal := s.sync(t, conn, "#ann", `[]`)
		if refusal == nil && harness.One[bool](t, conn, s.hide("SELECT rolcanlogin FROM pg_roles WHERE rolname = '#ann'")) {
			t.Error("she who is nobody's keeps her login")
		}
		harness.Exec(t, conn, "ROLLBACK")
	})
	conn := harness.Connect(t, s.SuperURL)
	harness.Exec(t, conn, s.hide("CALL auth.deprovision_identity('#ann', 'leaves')"))
	if again := s.text(t, conn, `SELECT statement FROM auth.apply_drift()`); strings.Contains(again, " LOGIN") {
		t.Errorf("the leaver may log in again: %s", again)
	}
	harness.Exec(t, conn, s.hide("SELECT auth.remove_role_objects('#ann', NULL, true, true, false)"))
	harness.Exec(t, conn, s.hide("SELECT auth.begin_role_drop('#ann', 'gone')"))
	for _, call := range []string{`auth.apply_drift()`, `auth.sync_role('#ann', '` + grants + `')`} {
		_, err := conn.Exec(t.Context(), s.hide("SELECT "+call))
		var refusal *pgconn.PgError
		if errors.As(err, &refusal) && !strings.HasPrefix(refusal.Code, "RW") {
			t.Error(err)
		}
		if harness.One[bool](t, conn, s.hide("SELECT to_regrole('#ann') IS NOT NULL")) {
			t.Fatalf("%s made her role again", call)
		}
	}
	harness.Exec(t, conn, s.hide("SELECT auth.finish_role_drop('#ann', 'gone')"))
	if done := s.text(t, conn, `SELECT statement FROM auth.apply_drift()`); done != "" {
		t.Errorf("a declaration outlives the leaver: %s", done)
	}
	if _, refusal := s.sync(t, conn, "#ann", grants); refusal == nil || refusal.Code != "RW522" {
		t.Errorf("the tombstone does not hold: %v", refusal)
	}
}

// A script is run by psql, for which a carriage return ends a comment.
func TestScriptHasNoNamesInComments(t *testing.T) {
	t.Parallel()
	s := newSiege(t)
	script := harness.Column[string](t, s.super, `SELECT auth.plan_script(auth.single_declaration(E'x\rALTER ROLE evil SUPERUSER;--', '[{"type": "login", "password": "secret"}]'))`)
	for _, statement := range script {
		if strings.HasPrefix(statement, "--") && strings.ContainsAny(statement, "\r\n\v\f\u0085\u2028\u2029") {
			t.Errorf("%q", statement)
		}
		if strings.Contains(statement, "secret") {
			t.Errorf("the password is in the script: %q", statement)
		}
	}
}

// Whoever may create functions, operators and temporary tables does not get them run by the superuser who syncs.
func TestStrangersNamesAreNotUsed(t *testing.T) {
	t.Parallel()
	s := newSiege(t)
	s.dba(t, "GRANT CREATE, USAGE ON SCHEMA public TO #evil")
	s.evil(t, `
		CREATE FUNCTION public.trap(text, text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE 'trapped'; END$$;
		CREATE FUNCTION public.trap(oid, oid) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE 'trapped'; END$$;
		CREATE OPERATOR public.= (LEFTARG = text, RIGHTARG = text, FUNCTION = public.trap); CREATE OPERATOR public.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = public.trap);
		CREATE OPERATOR public.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = public.trap);
		CREATE FUNCTION public.quote_ident(text) RETURNS text LANGUAGE plpgsql AS $$BEGIN RAISE 'trapped'; END$$;
		CREATE FUNCTION public.set_config(text, text, boolean) RETURNS text LANGUAGE plpgsql AS $$BEGIN RAISE 'trapped'; END$$`)
	conn := harness.Connect(t, s.SuperURL)
	harness.Exec(t, conn, "SET search_path = public, pg_catalog; CREATE TEMP TABLE pg_roles (a integer); CREATE TEMP TABLE role_declaration (a integer)")
	for _, call := range []string{
		`auth.sync_role('#good', '[{"type": "login", "password": "x"}, {"type": "table", "schema": "app", "name": "t", "privileges": ["SELECT"], "via": "group"}]')`,
		`auth.declare_role('#good', '[{"type": "login"}]')`, `auth.drift()`, `auth.apply_drift()`, `auth.plan_script(auth.declared_roles())`, `auth.dump_roles()`,
		`auth.remaining_access('#good')`, `auth.explain_access('#good', 'table app.t', 'SELECT')`, `auth.who_can('SELECT', 'table app.t')`, `auth.undeclare_role('#good')`,
	} {
		harness.Exec(t, conn, s.hide("SELECT "+call))
	}
}

// Anything that may be said is understood or refused in Rolewright's own words, by whoever syncs.
func TestRefusalsAreRolewrights(t *testing.T) {
	t.Parallel()
	s := newSiege(t)
	harness.Exec(t, s.DB, s.hide("CREATE SCHEMA mine; CREATE TABLE mine.t (a integer, b integer); CREATE ROLE #held"))
	s.dba(t, "CREATE TABLE mine.held (a integer); ALTER TABLE mine.held OWNER TO #held") // who has no USAGE on the schema
	long := strings.Repeat("x", 100_000)
	for _, grants := range []string{
		`{"type": "function", "schema": "nosuch", "name": "f(int)", "privileges": ["EXECUTE"]}`,
		`{"type": "function", "schema": "#ev", "name": "f(bit(99999999999))", "privileges": ["EXECUTE"]}`,
		`{"type": "function", "schema": "#ev", "name": "f(app.t, a.b.c.d, setof int, none, interval(99), U&\"\\zzzz\")", "privileges": ["EXECUTE"]}`,
		`{"type": "function", "schema": "#ev", "name": "` + long + `(int)", "privileges": ["EXECUTE"]}`,
		`{"type": "function", "schema": "#ev", "name": "f(` + strings.Repeat("int,", 1000) + `int)", "privileges": ["EXECUTE"]}`,
		`{"type": "table", "schema": "app", "pattern": "nothing)|(?:", "privileges": ["SELECT"]}`,
		`{"type": "table", "schema": "app", "pattern": "` + strings.Repeat("(", 50_000) + `", "privileges": ["SELECT"]}`,
		`{"type": "membership", "role": "#good"}`, `{"type": "membership", "role": "pg_database_owner"}`, `{"type": "membership", "role": "rolewright_via_x"}`,
		`{"type": "parameter", "name": "1.2", "privileges": ["SET"]}`, `{"type": "parameter", "name": "a..b", "privileges": ["SET"]}`,
		`{"type": "parameter", "name": "a.b c", "privileges": ["SET"]}`, `{"type": "parameter", "name": "` + strings.Repeat("a", 100) + `.b", "privileges": ["SET"]}`,
		`{"type": "language", "name": "c", "privileges": ["USAGE"]}`, `{"type": "type", "schema": "pg_catalog", "name": "_int4", "privileges": ["USAGE"]}`,
		`{"type": "large_object", "name": 1e30, "privileges": ["SELECT"]}`, `{"type": "large_object", "name": "-1", "privileges": ["SELECT"]}`,
		`{"type": "login", "connection_limit": 1e100}`, `{"type": "login", "valid_until": "294277-01-01T00:00:00Z"}`, `{"type": "login", "valid_until": 5}`,
		`{"type": "login", "password": {"a": 1}}`, `{"type": "login", "verifier": "SCRAM-SHA-256$99999999999999999999:x$a:b"}`, `[[[]]]`, `null`, `1e500`,
		`{"type": ` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`,
	} {
		for _, q := range []harness.Querier{s.DB, s.super} {
			done, refusal := s.sync(t, q, "#good", "["+grants+"]")
			if refusal == nil {
				t.Errorf("%.100s was done: %s", grants, done)
			}
		}
	}
	for _, call := range []string{
		`auth.sync_role('#good', '[{"type": "schema", "name": "pg_mine", "privileges": ["USAGE"]}]', '{}', '{"missing": "create"}')`,
		`auth.sync_role('#nobody', '[{"type": "table", "schema": "mine", "name": "t", "privileges": ["SELECT"]}]', '{}', '{"scope": "database"}')`,
		`auth.sync_roles('{"roles": {"#good": {"grants": [{"type": "membership", "role": "#held"}]}, "#held": {"grants": [{"type": "membership", "role": "#good"}]}}}')`,
		`auth.sync_roles('{"public": [{"action": "grant", "type": "table", "schema": "mine", "name": "t", "privileges": ["SELECT"]}, {"action": "revoke", "type": "table", "schema": "mine", "name": "t", "privileges": ["ALL"]}]}')`,
		`auth.planned_changes('{"roles": {"#evil": {"grants": []}}}', 'nosuch')`, `auth.planned_changes('{"roles": {"#evil": {"grants": []}}}', NULL)`,
		`auth.planned_statements('{"roles": {"#evil": {"grants": []}}}', NULL)`, `auth.begin_role_sync('{"roles": {"#evil": {"grants": []}}}', 'nosuch')`,
		`auth.sync_role(NULL, NULL, NULL, NULL)`, `auth.sync_role('#good', '[]', '{NULL}')`, `auth.sync_roles(NULL)`, `auth.plan_script(NULL)`,
		`auth.sync_roles('{"roles": {}, "options": {"lock_key": 1e30, "missing": null, "scope": 1, "new_owner": "nosuch", "plan_hash": []}}')`,
	} {
		for _, q := range []harness.Querier{s.DB, s.super} {
			_, err := q.Exec(t.Context(), s.hide("SELECT "+call))
			var refusal *pgconn.PgError
			if !errors.As(err, &refusal) || !strings.HasPrefix(refusal.Code, "RW") || refusal.Code == "RW507" {
				t.Errorf("%s: %v", call, err)
			}
		}
	}
	// What takes some care, and is done.
	s.mustSync(t, s.DB, "#good", `[{"type": "table", "schema": "mine", "name": "held", "privileges": ["SELECT"]}]`)
	s.mustSync(t, s.DB, "#good", `[]`)
	if acl := s.text(t, s.super, `SELECT nspacl FROM pg_namespace WHERE nspname = 'mine'`); strings.Contains(acl, "#held") {
		t.Errorf("what was given for the work is still there: %s", acl)
	}
	harness.Exec(t, s.DB, s.hide("GRANT SELECT ON mine.t TO #good WITH GRANT OPTION"))
	s.mustSync(t, s.DB, "#good", `[{"type": "table", "schema": "mine", "name": "t", "privileges": ["SELECT"]}, {"type": "table", "schema": "mine", "name": "t", "columns": ["a"], "privileges": ["SELECT"], "grant_option": true}]`)
}

// From PostgreSQL 16 on memberships depend on who gave them.
func TestMembershipsOfOthersSurviveTheirGiver(t *testing.T) {
	t.Parallel()
	s := newSiege(t)
	if s.major < 16 {
		t.Skip("up to PostgreSQL 15 no membership depends on another")
	}
	s.dba(t, `
		CREATE ROLE #g; CREATE ROLE #other; GRANT #g TO #evil WITH ADMIN OPTION; GRANT #g TO #other WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;
		SET ROLE #evil; GRANT #g TO #good; GRANT #g TO #other; RESET ROLE`)
	rows, _ := s.super.Query(t.Context(), s.hide(`SELECT auth.sync_roles('{"roles": {"#evil": {"grants": []}, "#good": {"grants": [{"type": "membership", "role": "#g"}]}}}')`))
	if _, err := pgx.CollectRows(rows, func(pgx.CollectableRow) (int, error) { return 0, nil }); err != nil {
		t.Fatal(err)
	}
	if got := s.text(t, s.super, `SELECT concat_ws(' ', pg_get_userbyid(member), bool_or(inherit_option), bool_or(set_option)) FROM pg_auth_members WHERE roleid = to_regrole('#g') GROUP BY member ORDER BY 1`); got != "#good t t; #other t t" {
		t.Errorf("left: %s", got)
	}
	t.Run("and what looks like a creator's row of what nobody created does not", func(t *testing.T) {
		s.dba(t, `GRANT pg_read_all_data TO #evil WITH ADMIN TRUE, INHERIT FALSE, SET FALSE`)
		_, refusal := s.sync(t, s.super, "#evil", `[]`)
		if refusal == nil && harness.One[bool](t, s.super, s.hide(`SELECT pg_has_role('#evil', 'pg_read_all_data', 'MEMBER WITH ADMIN OPTION')`)) {
			t.Error("he may give himself the right to read everything")
		}
	})
}

// Wherever a secret could get to.
func TestNoPasswordAnywhere(t *testing.T) {
	t.Parallel()
	s := newSiege(t)
	const secret = "Tr0ub4dor&3"
	declaration := func(more string) string { return `[{"type": "login", "password": "` + secret + `"` + more + `}]` }
	s.mustSync(t, s.DB, "#good", declaration(""))
	harness.Exec(t, s.DB, "SELECT auth.declare_role($1, $2)", s.hide("#good"), declaration(""))
	found := s.text(t, s.super, `
		SELECT 'audit' FROM auth.audit_event WHERE after::text ~ 'Tr0ub|SCRAM-SHA' OR before::text ~ 'Tr0ub|SCRAM-SHA'
		UNION ALL SELECT 'declaration' FROM auth.role_declaration WHERE grants::text ~ 'Tr0ub|SCRAM-SHA'
		UNION ALL SELECT 'script' FROM auth.plan_script(auth.declared_roles()) AS s WHERE s ~ 'Tr0ub|SCRAM-SHA'
		UNION ALL SELECT 'digest' FROM unsecure.declared_password p WHERE p::text ~ 'Tr0ub'`)
	if found != "" {
		t.Errorf("in %s", found)
	}
	for _, more := range []string{`, "x": 1`, `, "valid_until": "never"`, `, "connection_limit": "x"`, `}, {"type": "login", "password": "` + secret + `"`, `, "verifier": "` + secret + `"`, `, "type": "table"`} {
		if _, refusal := s.sync(t, s.DB, "#good", declaration(more)); refusal == nil || strings.Contains(fmt.Sprintf("%+v", *refusal), secret) {
			t.Errorf("%s: %+v", more, refusal)
		}
	}
	// One that fails in the middle.
	conn := harness.Connect(t, s.SuperURL)
	harness.Exec(t, conn, "BEGIN READ ONLY")
	_, err := conn.Exec(t.Context(), "SELECT auth.sync_role($1, $2)", s.hide("#evil"), declaration(""))
	var refusal *pgconn.PgError
	if !errors.As(err, &refusal) || strings.Contains(fmt.Sprintf("%+v", *refusal), secret) {
		t.Errorf("%+v", refusal)
	}
}

// The trail has what was done, each change once, and nothing of what was done for the work alone or failed.
func TestTrailHasEveryChangeOnce(t *testing.T) {
	t.Parallel()
	s := newSiege(t)
	harness.Exec(t, s.DB, s.hide("CREATE ROLE #held; CREATE SCHEMA mine; CREATE TABLE mine.t (a integer)"))
	s.dba(t, "ALTER TABLE mine.t OWNER TO #held") // to be acted as, with USAGE for the moment
	const trail = `SELECT count(*) FROM auth.audit_event WHERE event_code LIKE 'role.%'`
	for _, grants := range []string{
		`[{"type": "login", "password": "x"}, {"type": "table", "schema": "mine", "name": "t", "privileges": ["SELECT"]}]`,
		`[{"type": "login", "password": "x"}, {"type": "table", "schema": "mine", "name": "t", "privileges": ["SELECT"]}]`,
		`[{"type": "table", "schema": "mine", "name": "t", "columns": ["a"], "privileges": ["ALL"], "grant_option": true}]`, `[{"type": "table", "schema": "nosuch", "name": "t", "privileges": ["SELECT"]}]`, `[]`,
	} {
		before := harness.One[int](t, s.super, trail)
		done, _ := s.sync(t, s.DB, "#good", grants)
		n := 0
		if done != "" {
			n = strings.Count(done, "; ") + 1
		}
		if got := harness.One[int](t, s.super, trail) - before; got != n {
			t.Errorf("%d rows in the trail for %d changes: %s", got, n, done)
		}
	}
}

// What a deleted person owned goes to a successor, who may be a superuser: without what others could make it run.
func TestDeletedPersonLeavesNoTraps(t *testing.T) {
	t.Parallel()
	s := newSiege(t)
	s.dba(t, `SELECT auth.bind_user_role(auth.create_user('#ann'), '#ann'); SELECT auth.apply_database_roles(); CREATE SCHEMA #hers AUTHORIZATION #ann;
		GRANT ALL ON SCHEMA #hers TO PUBLIC`)
	harness.Exec(t, s.As(t, s.hide("#ann")), s.hide(`
		CREATE PROCEDURE #hers.p(integer, OUT x text) LANGUAGE plpgsql AS 'BEGIN END'; CREATE PROCEDURE #hers.p(integer, text) LANGUAGE plpgsql AS 'BEGIN END';
		CREATE TABLE #hers.referred (id integer PRIMARY KEY); GRANT REFERENCES ON #hers.referred TO PUBLIC; CREATE TABLE #hers.triggered (id integer);
		GRANT TRIGGER ON #hers.triggered TO PUBLIC; CREATE TABLE #hers.column (id integer PRIMARY KEY); GRANT REFERENCES (id) ON #hers.column TO PUBLIC`))
	conn := harness.Connect(t, s.SuperURL)
	harness.Exec(t, conn, s.hide("CALL auth.delete_identity('#ann', 'gone', '"+harness.One[string](t, conn, "SELECT current_user::text")+"')"))
	if got := s.text(t, s.super, `
		SELECT c.relname FROM pg_class c JOIN pg_roles o ON o.oid = c.relowner LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attacl IS NOT NULL
		CROSS JOIN LATERAL aclexplode(c.relacl || a.attacl) AS x
		WHERE c.relnamespace = to_regnamespace('#hers') AND o.rolsuper AND x.grantee = 0 AND x.privilege_type IN ('REFERENCES', 'TRIGGER') ORDER BY 1`); got != "" {
		t.Errorf("a superuser's, and others may make them run something: %s", got)
	}
}

// Oids have up to ten digits.
func TestIntermediateRolesOfDatabasesWithHighNumbersAreKnown(t *testing.T) {
	t.Parallel()
	s := newSiege(t)
	if got := s.text(t, s.super, `SELECT unsecure.database_of_intermediate('rolewright_via_4200000000_0123456789abcdef')`); got != "4200000000" {
		t.Errorf("got %s", got)
	}
	if got := s.text(t, s.super, `SELECT unsecure.database_of_intermediate('rolewright_via_9999999999_0123456789abcdef')`); got != "NULL" {
		t.Errorf("got %s", got)
	}
}
