package role_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rolewright/rolewright/tests/harness"
)

// office is a server of a test's own, with people who have login roles.
type office struct {
	*harness.DB
	server *harness.Server
	super  *pgxpool.Pool
}

func newOffice(t testing.TB, people ...string) office {
	t.Helper()
	server := harness.Cluster(t)
	db := server.Database(t)
	o := office{db, server, db.Super(t)}
	harness.Exec(t, o.super, `CREATE ROLE operator LOGIN; GRANT rolewright_operator TO operator`)
	o.hire(t, people...)
	return o
}

func (o office) hire(t testing.TB, people ...string) {
	t.Helper()
	for _, name := range people {
		harness.Exec(t, o.DB, `SELECT auth.bind_user_role(auth.create_user($1), $1)`, name)
	}
	harness.Exec(t, o.DB, `SELECT auth.apply_database_roles()`)
}

// as runs a script as somebody.
func (o office) as(t testing.TB, role, sql string) {
	t.Helper()
	harness.Exec(t, harness.Connect(t, o.URL(t, role)), sql)
}

func (o office) dependencies(t testing.TB, role string) []string {
	t.Helper()
	return harness.Column[string](t, o.DB, `
		SELECT concat_ws(' | ', coalesce(nullif(database, current_database()), CASE WHEN database IS NULL THEN 'shared' ELSE 'here' END),
		                 kind, object, dependency, grantor)
		FROM auth.role_dependencies($1)`, role)
}

func (o office) ownMemberships(t testing.TB) string {
	t.Helper()
	return harness.One[string](t, o.super, `
		SELECT coalesce(string_agg((to_jsonb(m) - 'oid')::text, E'\n' ORDER BY m.roleid, m.grantor), '')
		FROM pg_catalog.pg_auth_members m
		WHERE m.member = $1::regrole AND m.roleid IN (SELECT oid FROM pg_catalog.pg_roles WHERE rolname <> 'rolewright_code_owner')`, harness.Owner)
}

func requireSame(t testing.TB, what string, got, want []string) {
	t.Helper()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n%s\nwant:\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestDependenciesAreListedWithGrantorsInAllDatabases(t *testing.T) {
	t.Parallel()
	o := newOffice(t, "ann", "bob")
	other := o.server.Empty(t)
	harness.Exec(t, other.Super(t), `CREATE TABLE public.there (a int); ALTER TABLE public.there OWNER TO ann`)
	thereOID := harness.One[string](t, other, `SELECT 'public.there'::regclass::oid::text`)
	harness.Exec(t, o.super, `
		CREATE SCHEMA work AUTHORIZATION ann;
		CREATE TABLE public.shared (a int, b int);
		CREATE ROLE team;
		GRANT team TO ann WITH ADMIN OPTION;
		GRANT SELECT ON public.shared TO bob WITH GRANT OPTION;
		GRANT INSERT ON public.shared TO ann WITH GRANT OPTION;
		CREATE POLICY mine ON public.shared TO ann;
		GRANT SELECT ON public.shared TO ann;
		SET ROLE bob;
		GRANT SELECT ON public.shared TO ann;
		GRANT SELECT (b) ON public.shared TO ann;
		SET ROLE ann;
		GRANT INSERT ON public.shared TO bob;
		GRANT team TO bob;
		CREATE VIEW work."odd ""view" AS SELECT 1 AS one;
		ALTER DEFAULT PRIVILEGES IN SCHEMA work GRANT SELECT ON TABLES TO bob;
		RESET ROLE;
		ALTER DEFAULT PRIVILEGES FOR ROLE bob GRANT USAGE ON SEQUENCES TO ann;
		GRANT CREATE ON TABLESPACE pg_default TO ann;
		SELECT lo_create(4711);
		GRANT SELECT ON LARGE OBJECT 4711 TO ann`)
	superuser := harness.One[string](t, o.super, `SELECT current_user`)
	want := []string{
		other.Name + " | pg_class | " + thereOID + " | owner",
		"here | schema | schema work | owner",
		`here | view | view work."odd ""view" | owner`,
		"here | default acl | default privileges on new relations belonging to role ann in schema work | owner",
		"here | default acl | default privileges on new sequences belonging to role bob | default privilege USAGE | bob",
		"here | policy | policy mine on table public.shared | policy",
		"here | table | table public.shared | privilege INSERT with grant option | " + superuser,
		"here | table | table public.shared | privilege SELECT | " + superuser,
		"here | table | table public.shared | privilege SELECT | bob",
		"here | table | table public.shared | granted privilege INSERT to bob | ann",
		"here | table column | column b of table public.shared | privilege SELECT | bob",
		"here | large object | large object 4711 | privilege SELECT | " + superuser,
		"shared | tablespace | tablespace pg_default | privilege CREATE | " + superuser,
		"shared | membership | role team | granted membership to bob | ann",
	}
	if o.server.Major >= 15 {
		harness.Exec(t, o.super, `GRANT SET ON PARAMETER work_mem TO ann`)
		want = append(want, "shared | parameter ACL | parameter work_mem | privilege SET | "+superuser)
	}
	requireSame(t, "dependencies of ann", o.dependencies(t, "ann"), want)

	// What PostgreSQL itself counts is all in it.
	n := harness.One[int](t, o.super, `SELECT count(*) FROM pg_catalog.pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid = 'ann'::regrole`)
	if n == 0 {
		t.Error("pg_shdepend has nothing")
	}
	if got := o.dependencies(t, "bob"); len(got) == 0 {
		t.Error("nothing depends on bob, although he has privileges")
	}
	if got := o.dependencies(t, "team"); len(got) != 0 {
		t.Errorf("team: %v", got)
	}
	harness.MustFail(t, o.DB, "RW019", `SELECT * FROM auth.role_dependencies('nobody')`)
	for _, reader := range []string{"rolewright_operator", "rolewright_auditor"} {
		harness.Exec(t, o.As(t, reader), `SELECT * FROM auth.role_dependencies('ann'); SELECT * FROM auth.leaver_proof('ann')`)
	}
	harness.MustFail(t, o.As(t, "rolewright_app"), "42501", `SELECT * FROM auth.role_dependencies('ann')`)
}

func TestDependenciesHaveNoLimit(t *testing.T) {
	t.Parallel()
	o := newOffice(t, "ann")
	harness.Exec(t, o.super, `CREATE SCHEMA work AUTHORIZATION ann`)
	var script strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&script, "CREATE TABLE work.t%d (a int);", i)
	}
	o.as(t, "ann", script.String())
	if got := o.dependencies(t, "ann"); len(got) != 1001 {
		t.Errorf("%d dependencies", len(got))
	}
}

type way struct{ Way, Object, Grantor, Detail string }

func (o office) proof(t testing.TB, name string) []string {
	t.Helper()
	var lines []string
	for _, w := range harness.Rows[way](t, o.DB, `
		SELECT way, object, coalesce(grantor, '') AS grantor, coalesce(detail, '') AS detail FROM auth.leaver_proof($1)`, name) {
		lines = append(lines, fmt.Sprintf("%s | %s | %s | %s", w.Way, w.Object, w.Grantor, w.Detail))
	}
	return lines
}

func TestProofNamesEveryWayIn(t *testing.T) {
	t.Parallel()
	o := newOffice(t, "ann", "bob", "eve")
	requireSame(t, "at first", o.proof(t, "ann"), []string{"credential | role ann |  | can log in", `credential | user "ann" |  | active`})
	harness.Exec(t, o.DB, `
		SELECT auth.create_user_identity((SELECT user_id FROM auth.user_info WHERE username = 'ann'),
		                                 auth.create_provider('entra', 'Entra', 'oidc'), 'ann@corp')`)
	other := o.server.Empty(t)
	harness.Exec(t, other.Super(t), `CREATE TABLE public.there (a int); ALTER TABLE public.there OWNER TO ann`)
	harness.Exec(t, o.super, `
		CREATE SCHEMA work AUTHORIZATION ann;
		CREATE TABLE public.shared (a int);
		CREATE ROLE team;
		GRANT team TO ann;
		GRANT SELECT ON public.shared TO PUBLIC;
		GRANT SELECT ON public.shared TO bob WITH GRANT OPTION;
		GRANT UPDATE ON public.shared TO ann WITH GRANT OPTION;
		SET ROLE bob; GRANT SELECT ON public.shared TO ann;
		SET ROLE ann; GRANT UPDATE ON public.shared TO eve; RESET ROLE`)
	superuser := harness.One[string](t, o.super, `SELECT current_user`)
	session := harness.Connect(t, o.URL(t, "ann"))
	harness.Exec(t, session, `SET application_name = 'her laptop'`)
	var kinds []string
	for _, line := range o.proof(t, "ann") {
		line = strings.ReplaceAll(line, o.Name, "here")
		fields := strings.Split(line, " | ")
		if fields[0] == "session" {
			if !strings.HasPrefix(fields[3], `database here, application "her laptop"`) {
				t.Errorf("session: %s", line)
			}
			line = "session"
		}
		if fields[0] == "membership" {
			line = "membership | " + fields[1] + " | " + fields[2]
		}
		if strings.Contains(line, other.Name) {
			line = "ownership elsewhere"
		}
		kinds = append(kinds, line)
	}
	requireSame(t, "proof", kinds, []string{
		"membership | team | " + superuser,
		"ownership | schema work |  | schema, database here",
		"ownership elsewhere",
		"privilege | table public.shared | " + superuser + " | privilege UPDATE with grant option, table, database here",
		"privilege | table public.shared | bob | privilege SELECT, table, database here",
		"session",
		"credential | role ann |  | can log in",
		`credential | user "ann" |  | active`,
		`credential | identity "ann@corp" |  | active at provider entra`,
	})

	harness.Exec(t, o.super, `ALTER ROLE ann VALID UNTIL '2001-01-01'; DROP SCHEMA work; DROP TABLE public.shared; REVOKE team FROM ann`)
	harness.Exec(t, other.Super(t), `DROP TABLE public.there`)
	harness.Exec(t, o.DB, `SELECT auth.lock_user(user_id) FROM auth.user_info WHERE username = 'ann'`)
	harness.Exec(t, session, `SELECT 1`)
	if got := o.proof(t, "ann"); len(got) != 1 || !strings.HasPrefix(got[0], "session") {
		t.Errorf("expired and locked, with a session: %v", got)
	}
	harness.MustFail(t, o.DB, "RW011", `SELECT * FROM auth.leaver_proof('nobody')`)
}
