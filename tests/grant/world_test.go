package grant_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
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

// What the catalogs say, written down without Rolewright. PUBLIC is '-', since a role may have that name.
const oracleSQL = `
CREATE SCHEMA oracle;
CREATE VIEW oracle.object (object, owner, acl, preset, nsp) AS
	SELECT format('%s %I.%I', CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END, n.nspname, c.relname), c.relowner, c.relacl,
	       acldefault(CASE c.relkind WHEN 'S' THEN 's'::"char" ELSE 'r' END, c.relowner), n.nspname
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p', 'S') AND NOT (c.relacl IS NULL AND c.oid < 16384)
	UNION ALL
	SELECT format('column %I.%I.%I', n.nspname, c.relname, a.attname), c.relowner, a.attacl, '{}', n.nspname
	FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
	UNION ALL
	SELECT format('%s %I.%I(%s)', CASE p.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END, n.nspname, p.proname, oidvectortypes(p.proargtypes)),
	       p.proowner, p.proacl, acldefault('f', p.proowner), n.nspname
	FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE NOT (p.proacl IS NULL AND p.oid < 16384)
	UNION ALL
	SELECT format('type %I.%I', n.nspname, t.typname), t.typowner, t.typacl, acldefault('T', t.typowner), n.nspname
	FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
	WHERE NOT (t.typacl IS NULL AND t.oid < 16384) AND t.typcategory <> 'A' AND t.typtype <> 'm' AND (t.typrelid = 0 OR EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
	UNION ALL SELECT format('schema %I', nspname), nspowner, nspacl, acldefault('n', nspowner), nspname FROM pg_namespace
	UNION ALL SELECT format('database %I', datname), datdba, datacl, acldefault('d', datdba), '' FROM pg_database
	UNION ALL SELECT format('language %I', lanname), lanowner, lanacl, acldefault('l', lanowner), '' FROM pg_language
	UNION ALL SELECT format('foreign server %I', srvname), srvowner, srvacl, acldefault('S', srvowner), '' FROM pg_foreign_server
	UNION ALL SELECT format('foreign data wrapper %I', fdwname), fdwowner, fdwacl, acldefault('F', fdwowner), '' FROM pg_foreign_data_wrapper
	UNION ALL SELECT format('tablespace %I', spcname), spcowner, spcacl, acldefault('t', spcowner), '' FROM pg_tablespace
	UNION ALL SELECT format('large object %s', oid), lomowner, lomacl, acldefault('L', lomowner), '' FROM pg_largeobject_metadata
	UNION ALL /*parameter*/
	SELECT format('default of %I on %s%s', r.rolname, CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS'
	              WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END, ' in ' || quote_ident(n.nspname)), d.defaclrole, d.defaclacl,
	       CASE d.defaclnamespace WHEN 0 THEN acldefault(CASE d.defaclobjtype WHEN 'S' THEN 's'::"char" ELSE d.defaclobjtype END, d.defaclrole) ELSE '{}' END, ''
	FROM pg_default_acl d JOIN pg_roles r ON r.oid = d.defaclrole LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace;
CREATE VIEW oracle.entry AS
	SELECT o.object, o.nsp, w.rolname AS owner, CASE x.grantee WHEN 0 THEN '-' ELSE coalesce(e.rolname, x.grantee::text) END AS grantee,
	       coalesce(g.rolname, x.grantor::text) AS grantor, x.privilege_type AS privilege, x.is_grantable
	FROM oracle.object o
	CROSS JOIN LATERAL aclexplode(coalesce(o.acl, o.preset)) AS x
	LEFT JOIN pg_roles w ON w.oid = o.owner
	LEFT JOIN pg_roles e ON e.oid = x.grantee
	LEFT JOIN pg_roles g ON g.oid = x.grantor;
CREATE VIEW oracle.written AS -- without what PostgreSQL has by itself
	SELECT o.object, o.nsp, w.rolname AS owner, CASE x.grantee WHEN 0 THEN '-' ELSE coalesce(e.rolname, x.grantee::text) END AS grantee,
	       coalesce(g.rolname, x.grantor::text) AS grantor, x.privilege_type AS privilege, x.is_grantable
	FROM oracle.object o
	CROSS JOIN LATERAL aclexplode(o.acl) AS x
	LEFT JOIN pg_roles w ON w.oid = o.owner
	LEFT JOIN pg_roles e ON e.oid = x.grantee
	LEFT JOIN pg_roles g ON g.oid = x.grantor
	WHERE o.acl IS NOT NULL;
CREATE VIEW oracle.holding AS -- of owners: that they are, and what they have only where it is not all
	SELECT o.object, w.rolname AS role, 'owns ' || o.object || coalesce((
		SELECT ': ' || coalesce(string_agg(h.p, ' ' ORDER BY h.p), 'nothing')
		FROM (SELECT x.privilege_type AS p FROM aclexplode(o.acl) AS x WHERE x.grantee = o.owner) AS h
		HAVING coalesce(array_agg(h.p::text ORDER BY h.p), '{}') <> ARRAY(SELECT x.privilege_type::text FROM aclexplode(o.preset) AS x WHERE x.grantee = o.owner ORDER BY 1) AND o.acl IS NOT NULL), '') AS line
	FROM oracle.object o JOIN pg_roles w ON w.oid = o.owner
	WHERE o.object NOT LIKE 'default of %' AND o.object NOT LIKE 'column %'
	UNION ALL
	SELECT e.object, e.grantee, e.object || ': ' || string_agg(e.privilege || CASE WHEN e.is_grantable THEN '*' ELSE '' END, ' ' ORDER BY e.privilege)
	       || CASE WHEN e.grantor <> e.owner THEN ' by ' || e.grantor ELSE '' END
	FROM oracle.written e WHERE e.grantee <> e.owner
	GROUP BY e.object, e.grantee, e.owner, e.grantor;
CREATE VIEW oracle.member AS
	SELECT h.rolname AS held, r.rolname AS member, g.rolname AS grantor, m.admin_option AS admin, coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, true) AS inherit,
	       coalesce((to_jsonb(m) ->> 'set_option')::boolean, true) AS set
	FROM pg_auth_members m JOIN pg_roles h ON h.oid = m.roleid JOIN pg_roles r ON r.oid = m.member LEFT JOIN pg_roles g ON g.oid = m.grantor;
GRANT USAGE ON SCHEMA oracle TO rolewright_owner; GRANT SELECT ON ALL TABLES IN SCHEMA oracle TO rolewright_owner`

// What there is to grant: #app, which Rolewright's owner made, owns a schema with one of each; #x is the role that most is declared for.
const thingsSQL = `
CREATE SCHEMA app AUTHORIZATION #app;
SET ROLE #app;
CREATE TABLE app.t (id integer, name text, "Odd ""c.1" text); CREATE TABLE app.t2 (id integer); CREATE TABLE app.log_1 (id integer);
CREATE TABLE app.part (id integer) PARTITION BY RANGE (id);
CREATE VIEW app.v AS SELECT 1 AS a; CREATE MATERIALIZED VIEW app.m AS SELECT 1 AS a;
CREATE SEQUENCE app.s; CREATE SEQUENCE app.s2;
CREATE FUNCTION app.f(integer) RETURNS integer LANGUAGE sql RETURN 1; CREATE FUNCTION app.f(text, integer) RETURNS integer LANGUAGE sql RETURN 1;
CREATE FUNCTION app.g() RETURNS integer LANGUAGE sql RETURN 1;
CREATE AGGREGATE app.agg(integer) (SFUNC = int4larger, STYPE = integer);
CREATE PROCEDURE app.p(integer) LANGUAGE sql AS '';
CREATE TYPE app.e AS ENUM ('a'); CREATE DOMAIN app.d AS integer; CREATE TYPE app.c AS (a integer); CREATE TYPE app.rng AS RANGE (SUBTYPE = integer);
REVOKE ALL ON FUNCTION app.g(), app.f(integer), app.f(text, integer), app.agg(integer) FROM PUBLIC; REVOKE ALL ON PROCEDURE app.p(integer) FROM PUBLIC;
REVOKE ALL ON TYPE app.e, app.d, app.c, app.rng FROM PUBLIC;
RESET ROLE`

// world is a database with things that can be granted. Roles belong to the whole server, which other tests use at the same time: in
// statements and declarations, #x is the name of a role that no other test has.
type world struct {
	*harness.DB
	major  int
	prefix string
	super  *pgxpool.Pool
}

func newWorld(t testing.TB) *world {
	t.Helper()
	if os.Getenv("ROLEWRIGHT_TEST_URL") != "" {
		t.Skip("makes roles, and ROLEWRIGHT_TEST_URL names a server that is shared")
	}
	return newWorldOn(t, harness.Shared(t), "r"+strings.ToLower(rand.Text()[:5])+"_")
}

func newWorldOn(t testing.TB, server *harness.Server, prefix string) *world {
	t.Helper()
	w := &world{DB: server.Database(t), major: server.Major, prefix: prefix}
	w.super = w.Super(t)
	parameter := ""
	if w.major >= 15 {
		parameter = "SELECT format('parameter %s', parname), 10, paracl, acldefault('p', 10), '' FROM pg_parameter_acl UNION ALL"
	}
	conn := harness.Connect(t, w.SuperURL)
	harness.Exec(t, conn, strings.Replace(oracleSQL, "/*parameter*/", parameter, 1))
	if harness.One[bool](t, conn, w.name("SELECT to_regrole('#app') IS NULL")) {
		harness.Exec(t, w.DB, w.name("CREATE ROLE #app; CREATE ROLE #x"))
	}
	harness.Exec(t, conn, w.name(thingsSQL))
	_ = conn.Close(context.Background())
	return w
}

var (
	hash = regexp.MustCompile(`#([A-Za-z])`)
	via  = regexp.MustCompile(`rolewright_via_[0-9]+_[0-9a-f]{16}`)
)

func (w *world) name(sql string) string { return hash.ReplaceAllString(sql, w.prefix+"$1") }
func (w *world) plain(text string) string {
	return via.ReplaceAllString(strings.ReplaceAll(text, w.prefix, "#"), "VIA")
}

// exec runs a script as Rolewright's owner, dba as a superuser.
func (w *world) exec(t testing.TB, sql string) { t.Helper(); harness.Exec(t, w.DB, w.name(sql)) }
func (w *world) dba(t testing.TB, sql string) {
	t.Helper()
	conn, err := w.super.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	harness.Exec(t, conn, w.name(sql))
	harness.Exec(t, conn, "RESET ROLE")
}

func (w *world) mustFail(t testing.TB, q harness.Querier, sqlstate, sql string, args ...any) *pgconn.PgError {
	t.Helper()
	return harness.MustFail(t, q, sqlstate, w.name(sql), args...)
}

// text is the rows of a query with one column, joined by "; ".
func (w *world) text(t testing.TB, q harness.Querier, sql string, args ...any) string {
	t.Helper()
	rows, _ := q.Query(t.Context(), `SELECT coalesce(x::text, 'NULL') FROM (`+w.name(sql)+`) AS t (x)`, args...)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		var refusal *pgconn.PgError
		if errors.As(err, &refusal) {
			err = fmt.Errorf("%w: %s", err, w.plain(refusal.Detail))
		}
		t.Fatalf("%v in:\n%s %s", err, sql, args)
	}
	return w.plain(strings.Join(lines, "; "))
}

func (w *world) same(t testing.TB, q harness.Querier, sql, want string, args ...any) {
	t.Helper()
	if got := w.text(t, q, sql, args...); got != want {
		t.Errorf("got  %s\nwant %s\nin %s", got, want, sql)
	}
}

func equal(t testing.TB, what, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	if len(want) > 900 || len(got) > 600 { // what differs
		only := func(a, b string) string {
			var lines []string
			for _, line := range strings.Split(a, "; ") {
				if !slices.Contains(strings.Split(b, "; "), line) {
					lines = append(lines, line)
				}
			}
			return strings.Join(lines, "; ")
		}
		got, want = only(got, want), only(want, got)
	}
	t.Errorf("%s:\ngot  %s\nwant %s", what, got, want)
}

// state is all that a role has by itself: objects, privileges, memberships.
func (w *world) state(t testing.TB, role string) string {
	t.Helper()
	lines := strings.Split(w.text(t, w.super, `
		SELECT h.line FROM oracle.holding h WHERE h.role = $1
		UNION ALL
		SELECT format('in %s%s%s%s', m.held, CASE WHEN m.admin THEN ' admin' ELSE '' END, CASE WHEN m.inherit THEN '' ELSE ' noinherit' END, CASE WHEN m.set THEN '' ELSE ' noset' END)
		FROM oracle.member m WHERE m.member = $1`, w.name(role)), "; ")
	slices.SortFunc(lines, func(a, b string) int {
		return strings.Compare(strings.ReplaceAll(a, ": ", " "), strings.ReplaceAll(b, ": ", " "))
	})
	return strings.Join(lines, "; ")
}

func (w *world) has(t testing.TB, role, want string) {
	t.Helper()
	equal(t, role+" has", w.state(t, role), want)
}

// others is what everybody else has, PUBLIC too.
func (w *world) others(t testing.TB, roles ...string) string {
	t.Helper()
	for i := range roles {
		roles[i] = w.name(roles[i])
	}
	return w.text(t, w.super, `
		SELECT format('%s %s %s %s', e.grantee, e.object, e.privilege, e.is_grantable) FROM oracle.entry e
		WHERE NOT e.grantee = ANY ($1) AND NOT (e.object LIKE 'default of %' AND e.grantee = e.owner) AND NOT starts_with(e.grantee, 'rolewright_via_')
		  AND (starts_with(e.grantee, $2) OR e.grantee = '-' AND (e.nsp NOT IN ('auth', 'unsecure', 'oracle', 'pg_catalog', 'information_schema', '') OR e.object = 'database ' || quote_ident(current_database())))
		UNION
		SELECT format('%s in %s by %s %s %s %s', m.member, m.held, m.grantor, m.admin, m.inherit, m.set) FROM oracle.member m
		WHERE starts_with(m.member, $2) AND NOT m.member = ANY ($1)
		ORDER BY 1`, roles, w.prefix)
}

// rights are the memberships that the caller of a sync has, but for those that PostgreSQL gives to who makes a role.
func (w *world) rights(t testing.TB, caller string) string {
	t.Helper()
	return w.text(t, w.super, `
		SELECT format('%s by %s %s %s %s', m.held, m.grantor, m.admin, m.inherit, m.set) FROM oracle.member m
		WHERE m.member = $1 AND NOT (m.grantor = (SELECT rolname FROM pg_roles WHERE oid = 10) AND m.admin AND NOT m.inherit AND NOT m.set)
		  AND (starts_with(m.held, $2) OR m.held IN (SELECT role_name FROM auth.intermediate_role))
		ORDER BY 1`, caller, w.prefix)
}

// one is the declaration of one role.
func one(role string, grants ...string) string {
	name, _ := json.Marshal(role)
	return fmt.Sprintf(`{"roles": {%s: {"grants": [%s]}}}`, name, strings.Join(grants, ", "))
}

// with adds options to a declaration.
func with(declaration, more string) string {
	return strings.TrimSuffix(declaration, "}") + ", " + more + "}"
}

func (w *world) plan(t testing.TB, q harness.Querier, declaration string) string {
	t.Helper()
	return w.text(t, q, `SELECT CASE action WHEN 'conflict' THEN format('conflict %s: %s: %s', object, reason, statement) ELSE statement END
		FROM auth.plan_roles($1) ORDER BY ordinal`, w.name(declaration))
}

// sync carries out a declaration, and is the end of most tests: it does what the plan says, the second run does nothing, and the caller
// has the rights that it had.
func (w *world) sync(t testing.TB, declaration string) string {
	t.Helper()
	return w.syncAs(t, w.DB, declaration)
}

func (w *world) syncAs(t testing.TB, q harness.Querier, declaration string) string {
	t.Helper()
	caller := harness.One[string](t, q, "SELECT current_user::text")
	before := w.rights(t, caller)
	plan := w.plan(t, q, declaration)
	did := w.text(t, q, `SELECT statement FROM auth.sync_roles($1) ORDER BY ordinal`, w.name(declaration))
	equal(t, "the plan", plan, did)
	equal(t, "rights of "+caller+" afterwards", w.rights(t, caller), before)
	w.idle(t, q, `SELECT auth.sync_roles($1)`, w.name(declaration))
	return did
}

// idle runs something that has nothing to do: it writes nothing, which would take a transaction id, and takes no lock that others wait for.
func (w *world) idle(t testing.TB, q harness.Querier, sql string, args ...any) {
	t.Helper()
	begin, ok := q.(interface {
		Begin(context.Context) (pgx.Tx, error)
	})
	if db, isDB := q.(*harness.DB); isDB {
		begin, ok = db.Pool, true
	}
	if !ok {
		t.Fatalf("%T has no transactions", q)
	}
	tx, err := begin.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	if rows := w.text(t, tx, sql, args...); rows != "" {
		t.Errorf("a second run still does: %s", rows)
	}
	w.same(t, tx, `SELECT 'writes, as transaction ' || pg_current_xact_id_if_assigned()::text WHERE pg_current_xact_id_if_assigned() IS NOT NULL
		UNION ALL SELECT concat_ws(' ', 'holds', locktype, mode, relation::regclass) FROM pg_locks
		WHERE pid = pg_backend_pid() AND (locktype = 'advisory' OR mode NOT IN ('AccessShareLock', 'ExclusiveLock') OR mode = 'ExclusiveLock' AND locktype <> 'virtualxid')`, "")
}

// start runs a statement that may have to wait for somebody: it returns when it is done or waits for a lock, with a function that waits
// for its end.
func (w *world) start(t testing.TB, conn *pgx.Conn, sql string, args ...any) func() error {
	t.Helper()
	pid := conn.PgConn().PID()
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		_, err := conn.Exec(ctx, w.name(sql), args...)
		done <- err
	}()
	for range 500 {
		select {
		case err := <-done:
			return func() error { return err }
		case <-time.After(5 * time.Millisecond):
		}
		if harness.One[bool](t, w.super, "SELECT pg_blocking_pids($1) <> '{}'", pid) {
			break
		}
	}
	return func() error { return <-done }
}

// begin is a transaction of the owner's in a connection of its own.
func (w *world) begin(t testing.TB) *pgx.Conn {
	t.Helper()
	conn := harness.Connect(t, w.OwnerURL)
	harness.Exec(t, conn, "BEGIN")
	return conn
}

// state is the SQLSTATE of an error; empty for none.
func state(err error) string {
	var refusal *pgconn.PgError
	if errors.As(err, &refusal) {
		return refusal.Code
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// refuses says that a declaration is refused, in both ways, and nothing is changed; it returns the DETAIL.
func (w *world) refuses(t testing.TB, q harness.Querier, sqlstate, declaration string) string {
	t.Helper()
	before := w.others(t)
	refusal := w.mustFail(t, q, sqlstate, "SELECT auth.sync_roles($1)", w.name(declaration))
	if sqlstate != "RW522" {
		_ = w.mustFail(t, q, sqlstate, "SELECT auth.plan_roles($1)", w.name(declaration))
	} else if plan := w.plan(t, q, declaration); !strings.HasPrefix(plan, "conflict ") {
		t.Errorf("the plan has no conflict: %s", plan)
	}
	if refusal.Hint == "" {
		t.Error("no HINT")
	}
	equal(t, "after the refusal", w.others(t), before)
	return w.plain(refusal.Detail)
}

// quoted is a JSON string.
func quoted(text string) string {
	b, _ := json.Marshal(text)
	return string(b)
}

// ident is an SQL identifier.
func ident(name string) string { return pgx.Identifier{name}.Sanitize() }

func sorted(lines []string) []string { slices.Sort(lines); return lines }

// listen is a connection of the owner's, and the warnings that it has got.
func (w *world) listen(t testing.TB) (*pgx.Conn, *[]string) {
	t.Helper()
	config, err := pgx.ParseConfig(w.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	warnings := new([]string)
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		if n.Severity == "WARNING" {
			*warnings = append(*warnings, w.plain(n.Message))
		}
	}
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn, warnings
}
