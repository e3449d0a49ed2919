package grant_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rolewright/rolewright/tests/harness"
)

func (w *world) login(t testing.TB, role string) string {
	t.Helper()
	return w.text(t, w.super, `SELECT concat_ws(' ', CASE WHEN rolcanlogin THEN 'LOGIN' ELSE 'NOLOGIN' END, rolconnlimit, coalesce((rolvaliduntil AT TIME ZONE 'UTC')::text, 'always'),
		coalesce(left(rolpassword, 14), 'no password')) FROM pg_authid WHERE rolname = $1`, w.name(role))
}

// A login is declared with what belongs to it; each of it changes as the only thing.
func TestALoginIsWhatIsDeclared(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range [][3]string{
		{`{"type": "login"}`, "ALTER ROLE #x LOGIN", "LOGIN -1 always no password"},
		{`{"type": "login", "connection_limit": 3}`, "ALTER ROLE #x CONNECTION LIMIT 3", "LOGIN 3 always no password"},
		{`{"type": "login", "connection_limit": 0}`, "ALTER ROLE #x CONNECTION LIMIT 0", "LOGIN 0 always no password"},
		{`{"type": "login", "valid_until": "2040-01-01T01:30:00+01:30"}`, "ALTER ROLE #x CONNECTION LIMIT -1; ALTER ROLE #x VALID UNTIL '2040-01-01 00:00:00+00'", "LOGIN -1 2040-01-01 00:00:00 no password"},
		{`{"type": "login", "valid_until": "2040-01-01T00:00:00.25Z"}`, "ALTER ROLE #x VALID UNTIL '2040-01-01 00:00:00.25+00'", "LOGIN -1 2040-01-01 00:00:00.25 no password"},
		{`{"type": "login"}`, "ALTER ROLE #x VALID UNTIL 'infinity'", "LOGIN -1 infinity no password"},
		{`{"type": "login", "password": "p1"}`, "ALTER ROLE #x PASSWORD '********'", "LOGIN -1 infinity SCRAM-SHA-256$"},
		{`{"type": "login"}`, "", "LOGIN -1 infinity SCRAM-SHA-256$"},
		{``, "ALTER ROLE #x NOLOGIN", "NOLOGIN -1 infinity SCRAM-SHA-256$"},
		{`{"type": "login", "password": "p1"}`, "ALTER ROLE #x LOGIN", "LOGIN -1 infinity SCRAM-SHA-256$"},
	} {
		equal(t, c[0], w.sync(t, one("#x", c[0])), c[1])
		equal(t, c[0], w.login(t, "#x"), c[2])
	}
	// Made with all of it.
	w.sync(t, one("#new", `{"type": "login", "password": "it's \"né\\w\"", "valid_until": "2041-02-03T04:05:06Z", "connection_limit": 7}`))
	equal(t, "#new", w.login(t, "#new"), "LOGIN 7 2041-02-03 04:05:06 SCRAM-SHA-256$")
	w.sync(t, one("#plain"))
	equal(t, "#plain", w.login(t, "#plain"), "NOLOGIN -1 always no password")
}

// A password is changed when it is another one, and then only; nobody sees it.
func TestAPasswordIsSetOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	secret := func() string { return w.text(t, w.super, "SELECT rolpassword FROM pg_authid WHERE rolname = '#x'") }
	matches := func(password string) {
		t.Helper()
		// The verifier made again from its own salt.
		w.same(t, w.super, `SELECT r.rolpassword = unsecure.scram_secret(unsecure.saslprep($1), decode(split_part(split_part(r.rolpassword, '$', 2), ':', 2), 'base64'), split_part(split_part(r.rolpassword, '$', 2), ':', 1)::integer)
			FROM pg_authid r WHERE r.rolname = '#x'`, "true", password)
	}
	w.sync(t, one("#x", `{"type": "login", "password": "first secret"}`))
	matches("first secret")
	first := secret()
	w.sync(t, one("#x", `{"type": "login", "password": "second secret"}`))
	matches("second secret")
	// A verifier, as pg_authid has it, as verifier or as password.
	equal(t, "a verifier", w.sync(t, one("#x", `{"type": "login", "verifier": "`+first+`"}`)), "ALTER ROLE #x PASSWORD '********'")
	equal(t, "stored", secret(), first)
	equal(t, "the same password", w.sync(t, one("#x", `{"type": "login", "password": "first secret"}`)), "")
	equal(t, "the same verifier as password", w.sync(t, one("#x", `{"type": "login", "password": "`+first+`"}`)), "")
	equal(t, "stored still", secret(), first)
	// Not in an error, not in what is kept.
	for _, grant := range []string{
		`{"type": "login", "password": "first secret", "verifier": "` + first + `"}`, `{"type": "login", "password": "first secret", "nope": 1}`, `{"type": "login", "pasword": "first secret"}`,
		`{"type": "login", "verifier": "first secret"}`, `{"type": "login", "password": ["first secret"]}`, `{"type": "login", "password": ""}`,
	} {
		_, err := w.Pool.Exec(t.Context(), "SELECT auth.sync_roles($1)", w.name(one("#x", grant)))
		if code := state(err); code != "RW520" && code != "RW509" {
			t.Errorf("%s: %s", grant, code)
		} else if strings.Contains(err.Error()+w.text(t, w.DB, "SELECT 1"), "first secret") {
			t.Errorf("the error has the password: %v", err)
		}
	}
	harness.Exec(t, w.DB, "SELECT auth.declare_roles($1)", w.name(one("#x", `{"type": "login", "password": "first secret"}`)))
	for _, table := range []string{"auth.role_declaration", "auth.audit_event", "unsecure.declared_password"} {
		w.same(t, w.super, "SELECT * FROM "+table+" AS x WHERE x::text ~ 'secret|SCRAM-SHA-256.4096'", "")
	}
	w.same(t, w.DB, "SELECT auth.drift()", "")
}

// The role can log in with it, on a server that asks.
func TestADeclaredPasswordOpensTheDoor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sync(t, one("#x", `{"type": "login", "password": "näh ﬁ"}`))
	config, err := pgx.ParseConfig(w.URL(t, w.name("#x")))
	if err != nil {
		t.Fatal(err)
	}
	config.Password = "näh ﬁ"
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	w.same(t, conn, "SELECT current_user::text", "#x")
	_ = conn.Close(t.Context())
	w.sync(t, one("#x"))
	if _, err := pgx.ConnectConfig(t.Context(), config); state(err) != "28000" && !strings.Contains(err.Error(), "28000") {
		t.Errorf("without a login: %v", err)
	}
}

func TestLoginsThatAreNotUnderstood(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for grants, want := range map[string]string{
		`{"type": "login"}, {"type": "login", "password": "x"}`: "role #x: there are two logins.",
		`{"type": "login"}, {"type": "login"}`:                  "role #x: there are two logins.",
		`{"type": "login", "valid_until": "2040-01-01"}`:        "role #x, grant 1: valid_until: a timestamp with an offset is needed, as in 2030-12-31T23:59:59+01:00.",
		`{"type": "login", "valid_until": "soon"}`:              "role #x, grant 1: valid_until: a timestamp with an offset is needed, as in 2030-12-31T23:59:59+01:00.",
		`{"type": "login", "connection_limit": 1.5}`:            "role #x, grant 1: connection_limit: an integer is needed; -1: no limit.",
		`{"type": "login", "connection_limit": "1"}`:            "role #x, grant 1: connection_limit: an integer is needed.",
		`{"type": "login", "connection_limit": -2}`:             "role #x, grant 1: connection_limit: an integer is needed; -1: no limit.",
		`{"type": "login", "superuser": true}`:                  `role #x, grant 1: there is no key "superuser".`,
	} {
		equal(t, grants, w.refuses(t, w.DB, "RW520", one("#x", grants)), want)
	}
}
