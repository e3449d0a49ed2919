package grant_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rolewright/rolewright/tests/harness"
)

// estate is a server of its own with objects of every kind in the database, since who_can tells of all roles.
type estate struct {
	*harness.DB
	major int
	super *pgxpool.Pool
}

func newEstate(t *testing.T) *estate {
	t.Helper()
	server := harness.Cluster(t)
	e := &estate{DB: server.Database(t), major: server.Major}
	e.super = e.Super(t)
	e.dba(t, `
		CREATE ROLE app_owner;
		CREATE SCHEMA app AUTHORIZATION app_owner;
		CREATE TABLE app.orders (id int, price numeric, "Odd ""col." text);
		CREATE TABLE app."Odd.ta(b)""le" (n serial);
		CREATE VIEW app.totals AS SELECT sum(price) FROM app.orders;
		CREATE SEQUENCE app.numbers;
		CREATE FUNCTION app.f(int, text) RETURNS int LANGUAGE sql AS 'SELECT 1';
		CREATE FUNCTION app.twice(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
		CREATE FUNCTION app.twice(text) RETURNS int LANGUAGE sql AS 'SELECT 1';
		CREATE FUNCTION app."odd (n"(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
		CREATE AGGREGATE app.total (int) (sfunc = int4pl, stype = int);
		CREATE PROCEDURE app.work(int) LANGUAGE sql AS 'SELECT 1';
		CREATE TYPE app.mood AS ENUM ('good');
		CREATE DOMAIN app.positive AS int;
		CREATE TYPE app.span AS RANGE (subtype = int, multirange_type_name = app.span_multirange);
		CREATE FUNCTION app.moody(app.mood, numeric(5, 2), "char"[]) RETURNS int LANGUAGE sql AS 'SELECT 1';
		CREATE FOREIGN DATA WRAPPER "Wrap per";
		CREATE SERVER remote FOREIGN DATA WRAPPER "Wrap per";
		SELECT lo_create(4242)`)
	e.dba(t, "CREATE TABLESPACE fast LOCATION ''", "SET allow_in_place_tablespaces = on")
	for _, object := range []string{
		"TABLE app.orders", `TABLE app."Odd.ta(b)""le"`, "VIEW app.totals", "SEQUENCE app.numbers", "FUNCTION app.f", "FUNCTION app.total(int)", "PROCEDURE app.work",
		"TYPE app.mood", "DOMAIN app.positive", "LARGE OBJECT 4242", "TABLESPACE fast",
	} {
		e.dba(t, "ALTER "+object+" OWNER TO app_owner")
	}
	return e
}

// dba runs a script as a superuser, after settings.
func (e *estate) dba(t testing.TB, sql string, settings ...string) {
	t.Helper()
	conn, err := e.super.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	for _, s := range settings {
		harness.Exec(t, conn, s)
	}
	harness.Exec(t, conn, sql)
}

// explain is the answer of auth.explain_access, a line per row: kind, whether it is effective, path.
func (e *estate) explain(t testing.TB, role, object, privilege string) string {
	t.Helper()
	return strings.Join(harness.Column[string](t, e, `
		SELECT CASE WHEN x.is_effective THEN '+' ELSE '-' END || x.kind || ': ' || x.path FROM auth.explain_access($1, $2, $3) AS x`, role, object, privilege), "\n")
}

// column is one column of auth.explain_access, a line per row.
func (e *estate) column(t testing.TB, column, role, object, privilege string) string {
	t.Helper()
	return strings.Join(harness.Column[string](t, e, `
		SELECT coalesce(x.`+column+`::text, 'NULL') FROM auth.explain_access($1, $2, $3) AS x`, role, object, privilege), "\n")
}

func (e *estate) remaining(t testing.TB, role string) string {
	t.Helper()
	return strings.Join(harness.Column[string](t, e, `
		SELECT format('%s: %s: %s: %s: %s', r.way, r.object, r.privilege, r.path, coalesce(r.statement, 'NULL'))
		FROM auth.remaining_access($1) AS r WHERE r.object NOT LIKE 'type %' AND r.object NOT LIKE 'database rolewright_template%'`, role), "\n")
}

func same(t testing.TB, got, want string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(want), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	if want = strings.Join(lines, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// by is what differs between versions: the end of a REVOKE of a membership.
func (e *estate) by(grantor string) string {
	if e.major < 16 {
		return ""
	}
	return " GRANTED BY " + grantor
}

var randomRoles = []string{"a", "b", "c", "Odd.Role", `quo"te`, "new\nline", "ö", "out", "boss", "PUBLIC", "none at all", "w%s"}

// shuffle makes roles, memberships, owners and grants that nobody would make. What PostgreSQL refuses (circles) is left out.
func (e *estate) shuffle(t *testing.T, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	conn := harness.Connect(t, e.SuperURL)
	try := func(sql string) {
		_, _ = conn.Exec(t.Context(), sql)
	}
	name := func() string { return pgx.Identifier{randomRoles[r.IntN(len(randomRoles))]}.Sanitize() }
	some := func(of ...string) string { return of[r.IntN(len(of))] }
	for _, role := range randomRoles {
		harness.Exec(t, conn, "CREATE ROLE "+pgx.Identifier{role}.Sanitize()+some("", " LOGIN")+some("", "", " NOINHERIT"))
	}
	harness.Exec(t, conn, "ALTER ROLE boss SUPERUSER")
	for range 16 {
		options := ""
		if e.major >= 16 {
			options = fmt.Sprintf(" WITH INHERIT %t, SET %t, ADMIN %t", r.IntN(3) > 0, r.IntN(3) > 0, r.IntN(3) > 0)
		}
		try("GRANT " + name() + " TO " + name() + options)
		// Granted again, by somebody else.
		try("SET ROLE " + name() + "; GRANT " + name() + " TO " + name() + "; RESET ROLE")
		try("RESET ROLE")
	}
	for _, role := range []string{"pg_read_all_data", "pg_write_all_data", "pg_maintain", "app_owner", "pg_database_owner", harness.Owner} {
		try("GRANT " + role + " TO " + name())
	}
	for _, o := range randomObjects {
		if o.grant == "" || o.grant == "LARGE OBJECT 4242" && e.major < 18 || strings.HasPrefix(o.grant, "PARAMETER") && e.major < 15 {
			continue
		}
		if r.IntN(3) == 0 && o.owner != "" {
			try("ALTER " + o.owner + " OWNER TO " + name())
		}
		for range 5 {
			privilege := o.privileges[r.IntN(len(o.privileges))]
			if o.column != "" && r.IntN(2) == 0 {
				privilege += " (" + o.column + ")"
			}
			with := some("", " WITH GRANT OPTION")
			to := name()
			if r.IntN(5) == 0 {
				to, with = "PUBLIC", ""
			}
			try("GRANT " + privilege + " ON " + o.grant + " TO " + to + with)
			try("SET ROLE " + to + "; GRANT " + privilege + " ON " + o.grant + " TO " + name() + some("", " WITH GRANT OPTION"))
			try("RESET ROLE")
		}
		if r.IntN(4) == 0 {
			try("DO $$ BEGIN EXECUTE (SELECT format('REVOKE " + o.privileges[0] + " ON " + strings.ReplaceAll(o.grant, "'", "''") + " FROM %I', '" + harness.Owner + "')); END $$")
			try("REVOKE " + o.privileges[0] + " ON " + o.grant + " FROM app_owner")
		}
	}
	_ = conn.Close(context.Background())
}

// How each object is named, for us, in GRANT, in ALTER … OWNER TO, and what PostgreSQL is asked: the function, and its argument for the object.
var randomObjects = []struct {
	name, grant, owner, function, argument string
	column                                 string
	privileges                             []string
}{
	{"app.orders", "TABLE app.orders", "TABLE app.orders", "has_table_privilege", "'app.orders'::regclass", "price", []string{"SELECT", "INSERT", "UPDATE", "REFERENCES", "DELETE", "TRUNCATE"}},
	{`table app."Odd.ta(b)""le"`, `TABLE app."Odd.ta(b)""le"`, `TABLE app."Odd.ta(b)""le"`, "has_table_privilege", `'app."Odd.ta(b)""le"'::regclass`, "n", []string{"SELECT", "UPDATE"}},
	{"view app.totals", "app.totals", "VIEW app.totals", "has_table_privilege", "'app.totals'::regclass", "sum", []string{"SELECT", "INSERT"}},
	{"column app.orders.price", "", "", "has_column_privilege", "'app.orders'::regclass, 2::smallint", "", []string{"SELECT", "INSERT", "UPDATE", "REFERENCES"}},
	{`app.orders ("Odd ""col.")`, "", "", "has_column_privilege", "'app.orders'::regclass, 3::smallint", "", []string{"SELECT", "UPDATE"}},
	{"table pg_catalog.pg_class", "TABLE pg_catalog.pg_class", "", "has_table_privilege", "'pg_class'::regclass", "", []string{"SELECT", "INSERT", "UPDATE"}},
	{"column pg_catalog.pg_class.relname", "", "", "has_column_privilege", "'pg_class'::regclass, 2::smallint", "", []string{"SELECT", "UPDATE"}},
	{"sequence app.numbers", "SEQUENCE app.numbers", "SEQUENCE app.numbers", "has_sequence_privilege", "'app.numbers'::regclass", "", []string{"SELECT", "UPDATE", "USAGE"}},
	{"function app.f", "FUNCTION app.f", "FUNCTION app.f", "has_function_privilege", "'app.f'::regproc::oid", "", []string{"EXECUTE"}},
	{"function app.total(integer)", "FUNCTION app.total(int)", "FUNCTION app.total(int)", "has_function_privilege", "'app.total'::regproc::oid", "", []string{"EXECUTE"}},
	{"procedure app.work", "PROCEDURE app.work", "PROCEDURE app.work", "has_function_privilege", "'app.work'::regproc::oid", "", []string{"EXECUTE"}},
	{"type app.mood", "TYPE app.mood", "TYPE app.mood", "has_type_privilege", "'app.mood'::regtype", "", []string{"USAGE"}},
	{"type app.mood[]", "", "", "has_type_privilege", "'app.mood[]'::regtype", "", []string{"USAGE"}},
	{"domain app.positive", "DOMAIN app.positive", "DOMAIN app.positive", "has_type_privilege", "'app.positive'::regtype", "", []string{"USAGE"}},
	{"schema app", "SCHEMA app", "SCHEMA app", "has_schema_privilege", "'app'::regnamespace", "", []string{"USAGE", "CREATE"}},
	{"schema public", "SCHEMA public", "", "has_schema_privilege", "'public'::regnamespace", "", []string{"USAGE", "CREATE"}},
	{"database this", "DATABASE this", "DATABASE this", "has_database_privilege", "'this'", "", []string{"CONNECT", "TEMPORARY", "CREATE"}},
	{"language plpgsql", "LANGUAGE plpgsql", "LANGUAGE plpgsql", "has_language_privilege", "'plpgsql'", "", []string{"USAGE"}},
	{"foreign server remote", "FOREIGN SERVER remote", "", "has_server_privilege", "'remote'", "", []string{"USAGE"}},
	{`foreign data wrapper "Wrap per"`, `FOREIGN DATA WRAPPER "Wrap per"`, "", "has_foreign_data_wrapper_privilege", "'Wrap per'", "", []string{"USAGE"}},
	{"tablespace fast", "TABLESPACE fast", "TABLESPACE fast", "has_tablespace_privilege", "'fast'", "", []string{"CREATE"}},
	{"parameter log_statement", "PARAMETER log_statement", "", "has_parameter_privilege", "'log_statement'", "", []string{"SET", "ALTER SYSTEM"}},
	{"large object 4242", "LARGE OBJECT 4242", "LARGE OBJECT 4242", "has_largeobject_privilege", "4242::oid", "", []string{"SELECT", "UPDATE"}},
}
