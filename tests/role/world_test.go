package role_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rolewright/rolewright/tests/harness"
)

// Two people, two directories, and groups of every kind; nothing is bound. Ann is in staff through Entra ID.
const peopleSQL = `
DO $$
DECLARE
    entra   uuid := auth.create_provider('entra', 'Entra ID', 'oidc', _group_match => 'exact');
    github  uuid := auth.create_provider('github', 'GitHub', 'oauth', _group_match => 'exact');
    ann     uuid := auth.create_user('#ann', _email => 'Ann.Lee@example.org');
    bob     uuid := auth.create_user('#bob');
    acme    uuid := auth.create_tenant('acme', 'Acme');
    staff   uuid := auth.create_user_group('staff', 'Staff', 'hybrid');
    clerks  uuid := auth.create_user_group('clerks', 'Clerks', 'hybrid');
    helpers uuid := auth.create_user_group('helpers', 'Helpers');
    devs    uuid := auth.create_user_group('devs', 'Developers', 'external', _tenant_id => acme);
BEGIN
    PERFORM auth.create_group_mapping(staff, entra, 'Staff');
    PERFORM auth.create_group_mapping(clerks, entra, NULL, 'Clerk');
    PERFORM auth.create_group_mapping(devs, github, 'Devs');
    PERFORM auth.create_user_identity(ann, entra, 'ann_entra', '{Staff}', '{}');
    PERFORM auth.create_user_identity(bob, entra, 'bob_entra', '{Others}', '{}');
END $$`

// Ann and Bob have login roles, and staff, clerks, helpers and devs each a group role: #readers, #writers, #helping, #coding.
const boundSQL = `
SELECT auth.bind_user_role(@ann, '#ann'); SELECT auth.bind_user_role(@bob, '#bob');
SELECT auth.bind_group_role(@staff, '#readers'); SELECT auth.bind_group_role(@clerks, '#writers');
SELECT auth.bind_group_role(@helpers, '#helping'); SELECT auth.bind_group_role(@devs, '#coding');
SELECT auth.apply_database_roles()`

// world is a database with people in it. Roles belong to the whole server, which other tests use at the same time: in statements,
// #ann is a role's or user's name that no other test has, and @ann the id of what has that code or name.
type world struct {
	*harness.DB
	major  int
	prefix string
	ids    pgx.NamedArgs
	super  *pgxpool.Pool
}

func newWorld(t testing.TB, bound bool) *world {
	t.Helper()
	if os.Getenv("ROLEWRIGHT_TEST_URL") != "" {
		t.Skip("makes roles, and ROLEWRIGHT_TEST_URL names a server that is shared")
	}
	return newWorldOn(t, harness.Shared(t), bound)
}

// newWorldAlone has a server of its own: for what concerns all roles of one.
func newWorldAlone(t testing.TB, bound bool) *world {
	t.Helper()
	return newWorldOn(t, harness.Cluster(t), bound)
}

func newWorldOn(t testing.TB, server *harness.Server, bound bool) *world {
	t.Helper()
	w := &world{DB: server.Database(t), major: server.Major, prefix: "r" + strings.ToLower(rand.Text()[:5]) + "_", ids: pgx.NamedArgs{}}
	w.super = w.Super(t)
	harness.Exec(t, w.DB, w.name(peopleSQL))
	w.learn(t)
	if bound {
		w.exec(t, boundSQL)
		w.expect(t, w.DB, "#ann", "LOGIN #readers")
		w.expect(t, w.DB, "#bob", "LOGIN")
	}
	return w
}

// learn looks up what the statements can name by @.
func (w *world) learn(t testing.TB) {
	t.Helper()
	for _, r := range harness.Rows[struct{ Name, ID string }](t, w.DB, `
		SELECT code AS name, provider_id::text AS id FROM auth.provider
		UNION ALL SELECT replace(username, $1, ''), user_id::text FROM auth.user_info
		UNION ALL SELECT code, user_group_id::text FROM auth.user_group
		UNION ALL SELECT code, tenant_id::text FROM auth.tenant
		UNION ALL SELECT provider_user_id, user_identity_id::text FROM auth.user_identity`, w.prefix) {
		w.ids[r.Name] = r.ID
	}
}

var hash = regexp.MustCompile(`#([A-Za-z])`)

func (w *world) name(sql string) string   { return hash.ReplaceAllString(sql, w.prefix+"$1") }
func (w *world) plain(text string) string { return strings.ReplaceAll(text, w.prefix, "#") }

// exec runs statements, separated by semicolons, as the owner.
func (w *world) exec(t testing.TB, sql string) { t.Helper(); w.execIn(t, w.DB, sql) }

// dba runs statements as a superuser.
func (w *world) dba(t testing.TB, sql string) { t.Helper(); w.execIn(t, w.super, sql) }

func (w *world) execIn(t testing.TB, q harness.Querier, sql string) {
	t.Helper()
	for _, s := range splitSQL(sql) {
		harness.Exec(t, q, w.name(s), w.ids)
	}
}

func (w *world) mustFail(t testing.TB, q harness.Querier, sqlstate, sql string) *pgconn.PgError {
	t.Helper()
	return harness.MustFail(t, q, sqlstate, w.name(sql), w.ids)
}

// text is the rows of a query with one column, joined by "; ".
func (w *world) text(t testing.TB, q harness.Querier, sql string) string {
	t.Helper()
	return w.plain(strings.Join(harness.Column[string](t, q, `SELECT coalesce(x::text, 'NULL') FROM (`+w.name(sql)+`) AS t (x)`, w.ids), "; "))
}

func (w *world) same(t testing.TB, q harness.Querier, sql, want string) {
	t.Helper()
	if got := w.text(t, q, sql); got != want {
		t.Errorf("got  %s\nwant %s\nin %s", got, want, sql)
	}
}

// role says whether a role can log in and what it is a member of, with the options that are not the defaults.
func (w *world) role(t testing.TB, q harness.Querier, role string) string {
	t.Helper()
	return w.plain(harness.One[string](t, q, `
		SELECT coalesce((
			SELECT concat_ws(' ', CASE WHEN r.rolcanlogin THEN 'LOGIN' ELSE 'NOLOGIN' END, (
				SELECT string_agg(m.rolname || CASE WHEN m.admin THEN '(admin)' ELSE '' END || CASE WHEN m.inherit THEN '' ELSE '(noinherit)' END
				                  || CASE WHEN m.set THEN '' ELSE '(noset)' END, ' ' ORDER BY NOT starts_with(m.rolname, $2), m.rolname)
				FROM (
					SELECT h.rolname, bool_or(a.admin_option) AS admin,
					       bool_or(coalesce((to_jsonb(a) ->> 'inherit_option')::boolean, true)) AS inherit,
					       bool_or(coalesce((to_jsonb(a) ->> 'set_option')::boolean, true)) AS set
					FROM pg_auth_members a JOIN pg_roles h ON h.oid = a.roleid
					WHERE a.member = r.oid
					GROUP BY 1) AS m))
			FROM pg_roles r WHERE r.rolname = $1), 'missing')`, w.name(role), w.prefix))
}

func (w *world) expect(t testing.TB, q harness.Querier, role, want string) {
	t.Helper()
	if got := w.role(t, q, role); got != want {
		t.Errorf("%s: %s, want %s", role, got, want)
	}
}

// plan is the plan for everybody: "action role object: reason" each.
func (w *world) plan(t testing.TB, q harness.Querier) string {
	t.Helper()
	return w.text(t, q, `SELECT concat_ws(' ', action, role_name, object) || ': ' || reason || coalesce(' [' || statement || ']', '')
		FROM auth.plan_database_roles() ORDER BY ordinal`)
}

func (w *world) planned(t testing.TB) {
	t.Helper()
	if got := w.plan(t, w.DB); got != "" {
		t.Errorf("the plan is not empty: %s", got)
	}
}

// settled is the end of most tests: the plan is empty, nothing is orphaned, and Rolewright's owner has granted itself nothing.
func (w *world) settled(t testing.TB) {
	t.Helper()
	w.planned(t)
	w.noOrphans(t)
	w.same(t, w.super, `
		SELECT format('%s by %s', h.rolname, a.grantor) FROM pg_auth_members a JOIN pg_authid h ON h.oid = a.roleid
		WHERE a.member = '`+harness.Owner+`'::regrole AND a.grantor = a.member AND starts_with(h.rolname, '`+w.prefix+`')`, "")
}

// noOrphans looks for memberships of, or in, a role that is gone.
func (w *world) noOrphans(t testing.TB) {
	t.Helper()
	w.same(t, w.super, `
		SELECT format('%s in %s by %s', coalesce(r.rolname, 'nobody'), coalesce(h.rolname, 'nothing'), a.grantor)
		FROM pg_auth_members a LEFT JOIN pg_authid r ON r.oid = a.member LEFT JOIN pg_authid h ON h.oid = a.roleid
		WHERE r.oid IS NULL AND starts_with(h.rolname, '`+w.prefix+`') OR h.oid IS NULL AND starts_with(r.rolname, '`+w.prefix+`')`, "")
}

// traces are the versions of all rows that a change of roles writes, and how long the trail is.
func (w *world) traces(t testing.TB) string {
	t.Helper()
	return w.text(t, w.super, `
		SELECT 'role ' || rolname || ' ' || xmin FROM pg_authid WHERE starts_with(rolname, '`+w.prefix+`')
		UNION ALL SELECT format('member %s %s %s %s', a.roleid, a.member, a.grantor, a.xmin) FROM pg_auth_members a
			WHERE a.member IN (SELECT oid FROM pg_authid WHERE starts_with(rolname, '`+w.prefix+`'))
		UNION ALL SELECT format('setting %s %s', setrole, xmin) FROM pg_db_role_setting WHERE setrole IN (SELECT oid FROM pg_authid WHERE starts_with(rolname, '`+w.prefix+`'))
		UNION ALL SELECT format('registry %s %s', role_name, xmin) FROM auth.database_role
		UNION ALL SELECT format('binding %s %s', user_group_id, xmin) FROM auth.group_role
		UNION ALL SELECT format('relationship %s %s', database_role_id, xmin) FROM auth.role_membership
		UNION ALL SELECT format('user %s %s', username, xmin) FROM auth.user_info
		UNION ALL SELECT format('identity %s %s', provider_user_id, xmin) FROM auth.user_identity
		UNION ALL SELECT 'audit ' || count(*) FROM auth.audit_event
		ORDER BY 1`)
}

// unchanged runs something that has nothing to do.
func (w *world) unchanged(t testing.TB, what string, run func()) {
	t.Helper()
	before := w.traces(t)
	run()
	if after := w.traces(t); after != before {
		t.Errorf("%s, again, writes:\n%s\nwas\n%s", what, after, before)
	}
}

// begin is a transaction of the owner's in a connection of its own, of which nothing is left when the test forgets it.
func (w *world) begin(t testing.TB, url ...string) *pgx.Conn {
	t.Helper()
	conn := harness.Connect(t, append(url, w.OwnerURL)[0])
	harness.Exec(t, conn, "BEGIN")
	return conn
}

// start runs a statement that may have to wait for somebody: it returns when it is done or waits for a lock, with a function that waits
// for its end.
func (w *world) start(t testing.TB, conn *pgx.Conn, sql string) func() error {
	t.Helper()
	pid := conn.PgConn().PID()
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		for _, s := range splitSQL(w.name(sql)) {
			if _, err := conn.Exec(ctx, s, w.ids); err != nil {
				done <- fmt.Errorf("%w in %s", err, s)
				return
			}
		}
		done <- nil
	}()
	for range 500 {
		select {
		case err := <-done:
			return func() error { return err }
		case <-time.After(10 * time.Millisecond):
		}
		if harness.One[bool](t, w.super, "SELECT pg_blocking_pids($1) <> '{}'", pid) {
			break
		}
	}
	return func() error { return <-done }
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

// operator is a session of a login role that is a member of rolewright_operator and of nothing else.
func (w *world) operator(t testing.TB) *pgx.Conn {
	t.Helper()
	w.dba(t, `DO $$ BEGIN IF to_regrole('#olga') IS NULL THEN CREATE ROLE #olga LOGIN IN ROLE rolewright_operator; END IF; END $$`)
	return w.As(t, w.name("#olga"))
}

// since16 skips what older versions do not have.
func (w *world) since16(t testing.TB) {
	t.Helper()
	if w.major < 16 {
		t.Skipf("PostgreSQL %d", w.major)
	}
}

// splitSQL takes statements apart, but no DO block.
func splitSQL(sql string) []string {
	if strings.Contains(sql, "$$") {
		return []string{sql}
	}
	return strings.Split(sql, ";")
}

func sprint(v any) string { return fmt.Sprintf("%v", v) }
