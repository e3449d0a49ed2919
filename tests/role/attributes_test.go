package role_test

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rolewright/rolewright/tests/harness"
)

// attributeChange is a row of what was done; Object is empty for the creation.
type attributeChange struct{ Action, Object, Statement string }

const syncIdentity = `
	SELECT action, coalesce(object, '') AS object, statement FROM auth.sync_identity($1, $2, $3) ORDER BY ordinal`

// sync calls auth.sync_identity; attributes is JSON, or something that becomes it.
func makeAttributes(t testing.TB, q harness.Querier, role string, attributes any) []attributeChange {
	t.Helper()
	return harness.Rows[attributeChange](t, q, syncIdentity, role, document(t, attributes), true)
}

// refused expects sync to fail, and returns the refusal.
func refused(t testing.TB, q harness.Querier, sqlstate, role string, attributes any) *pgconn.PgError {
	t.Helper()
	return harness.MustFail(t, q, sqlstate, `SELECT auth.sync_identity($1, $2)`, role, document(t, attributes))
}

func document(t testing.TB, attributes any) string {
	t.Helper()
	if text, ok := attributes.(string); ok {
		return text
	}
	text, err := json.Marshal(attributes)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func objects(changes []attributeChange) string {
	var names []string
	for _, c := range changes {
		names = append(names, c.Object)
	}
	return strings.Join(names, "|")
}

// everything is all that auth.sync_identity can change, and the version of each row.
func everything(t testing.TB, super harness.Querier) string {
	t.Helper()
	return harness.One[string](t, super, `
		SELECT concat_ws(E'\n',
		    (SELECT string_agg(concat_ws(' ', a.xmin, a), E'\n' ORDER BY a.oid) FROM pg_authid a),
		    (SELECT string_agg(concat_ws(' ', s.xmin, s), E'\n' ORDER BY s.setdatabase, s.setrole) FROM pg_db_role_setting s),
		    (SELECT string_agg(concat_ws(' ', d.xmin, d), E'\n' ORDER BY d.objoid) FROM pg_shdescription d),
		    (SELECT string_agg(concat_ws(' ', r.xmin, r), E'\n' ORDER BY r.database_role_id) FROM auth.database_role r),
		    (SELECT string_agg(concat_ws(' ', u.xmin, u), E'\n' ORDER BY u.user_id) FROM auth.user_info u),
		    (SELECT count(*) FROM auth.audit_event)::text)`)
}

func TestAttributesGoThereAndBack(t *testing.T) {
	t.Parallel()
	server := harness.Cluster(t)
	db := server.Database(t)
	super := db.Super(t)
	harness.Exec(t, super, `ALTER ROLE rolewright_owner CREATEDB REPLICATION BYPASSRLS`)
	if created := makeAttributes(t, db, "mary", `{}`); len(created) != 1 || created[0].Statement != "CREATE ROLE mary LOGIN" {
		t.Fatalf("created by %+v", created)
	}
	for _, c := range []struct{ name, there, back, column, is, was string }{
		{"login", `false`, `true`, "rolcanlogin", "false", "true"},
		{"createdb", `true`, `false`, "rolcreatedb", "true", "false"},
		{"createrole", `true`, `false`, "rolcreaterole", "true", "false"},
		{"inherit", `false`, `true`, "rolinherit", "false", "true"},
		{"replication", `true`, `false`, "rolreplication", "true", "false"},
		{"bypassrls", `true`, `false`, "rolbypassrls", "true", "false"},
		{"connection_limit", `7`, `-1`, "rolconnlimit", "7", "-1"},
		{"valid_until", `"2030-01-01T00:00:00Z"`, `null`, "rolvaliduntil AT TIME ZONE 'UTC'", "2030-01-01 00:00:00", "infinity"},
		{"comment", `"it's \\ %s"`, `null`, "shobj_description(oid, 'pg_authid')", `it's \ %s`, "NULL"},
		{"settings", `{"work_mem": "64MB"}`, `{"work_mem": null}`, "(SELECT setconfig FROM pg_db_role_setting s WHERE s.setrole = a.oid)", "{work_mem=64MB}", "NULL"},
		{"database_settings", `{"` + db.Name + `": {"work_mem": "64MB"}}`, `{"` + db.Name + `": {"work_mem": null}}`,
			"(SELECT setconfig FROM pg_db_role_setting s WHERE s.setrole = a.oid AND s.setdatabase <> 0)", "{work_mem=64MB}", "NULL"},
	} {
		if server.Major < 16 && (c.name == "replication" || c.name == "bypassrls") {
			refusal := refused(t, db, "RW506", "mary", `{"`+c.name+`": true}`)
			if !strings.Contains(refusal.Detail, "ALTER ROLE mary "+strings.ToUpper(c.name)) {
				t.Errorf("%s: DETAIL %q", c.name, refusal.Detail)
			}
			continue
		}
		for _, step := range [][2]string{{c.there, c.is}, {c.back, c.was}} {
			document := `{"` + c.name + `": ` + step[0] + `}`
			if done := makeAttributes(t, db, "mary", document); len(done) != 1 || done[0].Action != "alter" {
				t.Errorf("%s: %+v", document, done)
			}
			got := harness.One[string](t, super, `SELECT coalesce((`+c.column+`)::text, 'NULL') FROM pg_authid a WHERE rolname = 'mary'`)
			if got != step[1] {
				t.Errorf("%s: %s is %s, want %s", document, c.column, got, step[1])
			}
			before := everything(t, super)
			if again := makeAttributes(t, db, "mary", document); len(again) != 0 {
				t.Errorf("%s: again %+v", document, again)
			}
			if after := everything(t, super); after != before {
				t.Errorf("%s again wrote something:\n%s\n%s", document, before, after)
			}
		}
	}
	refusal := refused(t, db, "RW506", "mary", `{"superuser": true}`)
	if !strings.Contains(refusal.Detail, "ALTER ROLE mary SUPERUSER") {
		t.Errorf("superuser: DETAIL %q", refusal.Detail)
	}
	events := harness.One[int](t, db, `SELECT count(*) FROM auth.audit_event WHERE event_code IN ('role.created', 'role.altered') AND subject_id IS NOT NULL`)
	if want := map[bool]int{true: 23, false: 19}[server.Major >= 16]; events != want {
		t.Errorf("%d audit rows, want %d", events, want)
	}
}

func TestEverythingAtOnceIsOneCall(t *testing.T) {
	t.Parallel()
	db := harness.Cluster(t).Database(t)
	whole := `{"login": false, "createrole": true, "inherit": false, "connection_limit": 3, "valid_until": "2031-05-06 07:08:09.123456+00",
		"password": "x", "comment": "c", "settings": {"jit": false}, "database_settings": {"` + db.Name + `": {"jit": true}}}`
	done := makeAttributes(t, db, "at_once", whole)
	if want := "|createrole|inherit|connection_limit|valid_until|setting jit|setting jit in database " + db.Name + "|comment|password"; objects(done) != want {
		t.Errorf("done: %s, want %s", objects(done), want)
	}
	if done[0].Statement != "CREATE ROLE at_once NOLOGIN" {
		t.Errorf("created by %s", done[0].Statement)
	}
	if last := done[len(done)-1].Statement; last != "ALTER ROLE at_once PASSWORD '********'" {
		t.Errorf("the password's statement is %s", last)
	}
	if again := makeAttributes(t, db, "at_once", whole); objects(again) != "password" {
		t.Errorf("again: %s", objects(again))
	}
	if harness.One[bool](t, db, `SELECT EXISTS (SELECT FROM auth.audit_event e WHERE e::text ~ 'SCRAM')`) {
		t.Error("the verifier is in the audit trail")
	}
}

func TestAFailureLeavesNothing(t *testing.T) {
	t.Parallel()
	db := harness.Cluster(t).Database(t)
	super := db.Super(t)
	makeAttributes(t, db, "fay", `{"password": "old"}`)
	before := everything(t, super)
	for _, document := range []string{
		`{"password": "new", "connection_limit": 4, "settings": {"work_mem": "nonsense"}}`,
		`{"password": "new", "connection_limit": 4, "settings": {"jit": ["on", "off"]}}`,
		`{"password": "new", "connection_limit": 4, "database_settings": {"` + db.Name + `": {"plpgsql.nosuch": 1}}}`,
	} {
		_, err := db.Exec(t.Context(), `SELECT auth.sync_identity('fay', $1), auth.sync_identity('gus', $1)`, document)
		var refusal *pgconn.PgError
		if !errors.As(err, &refusal) || refusal.Code != "RW508" && refusal.Code != "RW506" || refusal.Detail == "" {
			t.Errorf("%s: %v", document, err)
		}
	}
	harness.Exec(t, db, `BEGIN; SELECT auth.sync_identity('fay', '{"password": "new", "login": false}'), auth.sync_identity('gus', '{}'); ROLLBACK`)
	if after := everything(t, super); after != before {
		t.Errorf("something is left:\n%s\n%s", before, after)
	}
}

func TestExpiryIsOneInstantInEverySession(t *testing.T) {
	t.Parallel()
	db := harness.Cluster(t).Database(t)
	super := db.Super(t)
	for given, want := range map[string]string{
		"2030-07-01T12:00:00+02:00":       "2030-07-01 10:00:00",
		"2030-02-03 04:05:06Z":            "2030-02-03 04:05:06",
		"2030-02-03T04:05Z":               "2030-02-03 04:05:00",
		"2030-02-03 04:05:06 +0530":       "2030-02-02 22:35:06",
		"2030-02-03T04:05:06.123456-08":   "2030-02-03 12:05:06.123456",
		"2030-02-03T04:05:06.123456789Z":  "2030-02-03 04:05:06.123457",
		"1999-12-31t23:59:59z":            "1999-12-31 23:59:59",
		"12345-02-03T04:05:06Z":           "12345-02-03 04:05:06",
		"0044-03-15T00:00:00+00:53:28 BC": "0044-03-14 23:06:32 BC",
		"Infinity":                        "infinity",
		"-infinity":                       "-infinity",
	} {
		role := "expires " + given
		for i, session := range [][3]string{
			{"UTC", "ISO, MDY", "postgres"}, {"America/New_York", "SQL, DMY", "iso_8601"}, {"Asia/Kolkata", "German, YMD", "sql_standard"}, {"Pacific/Kiritimati", "Postgres, DMY", "postgres_verbose"},
		} {
			conn := harness.Connect(t, db.OwnerURL)
			harness.Exec(t, conn, `SELECT set_config('TimeZone', $1, false), set_config('DateStyle', $2, false), set_config('IntervalStyle', $3, false)`,
				session[0], session[1], session[2])
			document := map[string]string{"valid_until": given}
			done := makeAttributes(t, conn, role, document)
			if wanted := map[bool]int{true: 2, false: 0}[i == 0 && want != "infinity"]; i > 0 && len(done) != 0 || i == 0 && wanted != 0 && len(done) != wanted {
				t.Errorf("%s in %v: %+v", given, session, done)
			}
			for _, c := range done {
				if c.Object == "valid_until" && !strings.Contains(c.Statement, "+00") && !strings.Contains(c.Statement, "infinity") {
					t.Errorf("%s in %v: %s", given, session, c.Statement)
				}
			}
			// From another value, the same session writes the same instant.
			if i > 0 {
				makeAttributes(t, conn, role, `{"valid_until": "2000-01-01T00:00:00Z"}`)
				makeAttributes(t, conn, role, document)
			}
			got := harness.One[string](t, super, `SELECT coalesce(rolvaliduntil AT TIME ZONE 'UTC', 'infinity')::text FROM pg_authid WHERE rolname = $1`, role)
			if got != want {
				t.Errorf("%s in %v: until %s, want %s", given, session, got, want)
			}
		}
		for _, none := range []string{`null`, `"infinity"`, `null`} {
			makeAttributes(t, db, role, `{"valid_until": `+none+`}`)
			if again := makeAttributes(t, db, role, `{"valid_until": `+none+`}`); len(again) != 0 {
				t.Errorf("no end again: %+v", again)
			}
		}
		if harness.One[bool](t, super, `SELECT rolvaliduntil < 'infinity' FROM pg_authid WHERE rolname = $1`, role) {
			t.Errorf("%s was not removed", given)
		}
	}
	for _, bad := range []string{
		"2030-07-01", "2030-07-01 12:00:00", "2030-07-01T12:00:00 Europe/Berlin", "tomorrow", "now", "", "2030-13-01T00:00:00Z", "2030-02-30T00:00:00Z",
		"2030-07-01T25:00:00Z", "2030-07-01T12:00:00+99", "01/02/2030 00:00:00+00", "99-01-01T00:00:00Z", "epoch", "2030-07-01T12:00:00Z\n", "999999-01-01T00:00:00Z",
	} {
		if refusal := refused(t, db, "RW508", "expires never", map[string]string{"valid_until": bad}); !strings.Contains(refusal.Detail, "valid_until") {
			t.Errorf("%q: DETAIL %q", bad, refusal.Detail)
		}
	}
}

var hostileRoleNames = []string{
	`a"b`, `a'b`, `a b`, ` a`, `a\b`, `E'\\`, `%s%I%L$1`, `$d$`, `$$;DROP`, `-a`, `--a`, `a;DROP ROLE postgres`, `select`, `user`, `password`, `login`, `current_user`, `all`,
	`Ärger ünïcode`, `名前`, `🐘`, "tab\tnew\nline", `UPPER`, strings.Repeat("x", 63), strings.Repeat("é", 31), `a/*b*/`, `a.b`, `{a}`, `"`, `'`,
}

func TestHostileNamesAreNames(t *testing.T) {
	t.Parallel()
	db := harness.Cluster(t).Database(t)
	super := db.Super(t)
	others := harness.One[string](t, super, `SELECT string_agg(a::text, E'\n' ORDER BY oid) FROM pg_authid a`)
	for _, name := range hostileRoleNames {
		whole := map[string]any{
			"connection_limit": 2, "valid_until": "2030-01-01T00:00:00Z", "password": name, "comment": name,
			"settings":          map[string]any{"search_path": []string{name, "public"}, "application_name": name},
			"database_settings": map[string]any{db.Name: map[string]any{"search_path": []string{name}}},
		}
		done := makeAttributes(t, db, name, whole)
		if len(done) != 8 {
			t.Errorf("%q: %+v", name, done)
		}
		type stored struct {
			Limit             int
			Comment, Verifier string
			Config            []string
		}
		got := harness.Rows[stored](t, super, `
			SELECT a.rolconnlimit AS limit, shobj_description(a.oid, 'pg_authid') AS comment, a.rolpassword AS verifier, s.setconfig AS config
			FROM pg_authid a JOIN pg_db_role_setting s ON s.setrole = a.oid AND s.setdatabase = 0 WHERE rolname = $1`, name)
		if len(got) != 1 || got[0].Limit != 2 || got[0].Comment != name || !slices.Contains(got[0].Config, "application_name="+name) {
			t.Errorf("%q: %+v", name, got)
			continue
		}
		if !opens(t, got[0].Verifier, name) {
			t.Errorf("%q: its verifier is of another password", name)
		}
		delete(whole, "password")
		if again := makeAttributes(t, db, name, whole); len(again) != 0 {
			t.Errorf("%q again: %+v", name, again)
		}
	}
	if got := harness.One[string](t, super, `
		SELECT string_agg(a::text, E'\n' ORDER BY oid) FROM pg_authid a WHERE NOT EXISTS (SELECT FROM auth.database_role r WHERE r.role_name = a.rolname)`); got != others {
		t.Errorf("other roles changed:\n%s\n%s", others, got)
	}
	for _, name := range []string{"", strings.Repeat("x", 64), strings.Repeat("é", 32), "public", "none"} {
		_ = refused(t, db, "RW504", name, `{}`)
	}
	harness.MustFail(t, db, "RW504", `SELECT auth.sync_identity(NULL, '{}')`)
}

func TestSettingsOfAllKinds(t *testing.T) {
	t.Parallel()
	db := harness.Cluster(t).Database(t)
	super := db.Super(t)
	const role = "settings role"
	makeAttributes(t, db, role, `{}`)
	for _, c := range []struct{ document, stored string }{
		{`{"work_mem": "64MB"}`, `work_mem=64MB`},
		{`{"WORK_MEM": 4096}`, `work_mem=4096`},
		{`{"work_mem": null, "jit": false}`, `jit=false`},
		{`{"JIT": null, "search_path": ["a b", "$user", "A", "it's", "x\"y", "p,q", "public"]}`, `search_path="a b", "$user", "A", "it's", "x""y", "p,q", public`},
		{`{"search_path": "app, public"}`, `search_path=app, public`},
		{`{"search_path": ""}`, `search_path=""`},
		{`{"search_path": null, "datestyle": ["ISO", "DMY"]}`, `DateStyle=ISO, DMY`},
		{`{"DATESTYLE": "German"}`, `DateStyle=German`},
		{`{"datestyle": null, "timezone": "Europe/Berlin"}`, `TimeZone=Europe/Berlin`},
		{`{"TimeZone": null, "application_name": "it's \"quoted\" \\ %s $d$ = x"}`, `application_name=it's "quoted" \ %s $d$ = x`},
		{`{"application_name": null, "seq_page_cost": 1.50, "statement_timeout": -0}`, `seq_page_cost=1.50 statement_timeout=0`},
		{`{"seq_page_cost": null, "statement_timeout": null}`, ``},
	} {
		for _, key := range []string{"settings", "database_settings"} {
			document := `{"settings": ` + c.document + `}`
			if key == "database_settings" {
				document = `{"database_settings": {"` + db.Name + `": ` + c.document + `}}`
			}
			if done := makeAttributes(t, db, role, document); len(done) == 0 {
				t.Errorf("%s: nothing was done", document)
			}
			got := harness.One[string](t, super, `
				SELECT coalesce(string_agg(c, ' ' ORDER BY c), '')
				FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole, unnest(s.setconfig) c
				WHERE r.rolname = $1 AND (s.setdatabase = 0) = $2`, role, key == "settings")
			if got != c.stored {
				t.Errorf("%s: stored is %s, want %s", document, got, c.stored)
			}
			before := everything(t, super)
			if again := makeAttributes(t, db, role, document); len(again) != 0 {
				t.Errorf("%s again: %+v", document, again)
			}
			if everything(t, super) != before {
				t.Errorf("%s again wrote something", document)
			}
		}
	}

	makeAttributes(t, db, role, `{"settings": {"work_mem": "77MB"}, "database_settings": {"`+db.Name+`": {"lock_timeout": 1234}}}`)
	session := harness.Connect(t, db.URL(t, role))
	if got := harness.Column[string](t, session, `SELECT unnest(ARRAY[current_setting('work_mem'), current_setting('lock_timeout')])`); !slices.Equal(got, []string{"77MB", "1234ms"}) {
		t.Errorf("a session has %v", got)
	}

	for _, document := range []string{`{"log_statement": "none"}`, `{"session_preload_libraries": "x"}`, `{"rolewright_test.custom": "x"}`} {
		refusal := refused(t, db, "RW506", role, `{"settings": `+document+`}`)
		if !strings.Contains(refusal.Detail, "GRANT SET ON PARAMETER") {
			t.Errorf("%s: DETAIL %q", document, refusal.Detail)
		}
	}
}

func TestAParameterThatTheOwnerWasGranted(t *testing.T) {
	t.Parallel()
	server := harness.Cluster(t)
	if server.Major < 15 {
		t.Skip("GRANT SET ON PARAMETER came with PostgreSQL 15")
	}
	db := server.Database(t)
	harness.Exec(t, db.Super(t), `GRANT SET ON PARAMETER app.tenant, log_statement TO rolewright_owner`)
	const document = `{"settings": {"app.tenant": "acme", "log_statement": "none"}}`
	makeAttributes(t, db, "gwen", document)
	if again := makeAttributes(t, harness.Connect(t, db.OwnerURL), "gwen", strings.Replace(document, "app.tenant", "App.Tenant", 1)); len(again) != 0 {
		t.Errorf("again: %+v", again)
	}
	if done := makeAttributes(t, harness.Connect(t, db.OwnerURL), "gwen", `{"settings": {"APP.TENANT": null}}`); objects(done) != "setting app.tenant" {
		t.Errorf("reset: %+v", done)
	}
	if got := harness.One[[]string](t, db, `SELECT setconfig FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole WHERE rolname = 'gwen'`); !slices.Equal(got, []string{"log_statement=none"}) {
		t.Errorf("left: %v", got)
	}
}

func TestBadAttributesAreAllListed(t *testing.T) {
	t.Parallel()
	db := harness.Cluster(t).Database(t)
	const secret = "never to be said"
	refusal := refused(t, db, "RW508", "bad_attributes", `{
		"login": 1, "superuser": "yes", "createdb": null, "createrole": [], "inherit": {}, "replication": "", "bypassrls": 0, "Login": true,
		"connection_limit": -2, "valid_until": "2030-01-01", "password": {"plain": "`+secret+`"}, "comment": 1, "settings": [], "nosuch": 1,
		"database_settings": {"nosuchdb": {}, "`+db.Name+`": {
			"work_mem": {}, "jit": [], "JIT": true, "nosuch": 1, "port": 1, "log_connections": [["x"]], "a b": 1, "": 1, "search_path": [null], "shared_buffers": 1}}}`)
	for _, want := range []string{
		`"login": `, `"superuser": `, `"createdb": `, `"createrole": `, `"inherit": `, `"replication": `, `"bypassrls": `, `"Login": `, `"connection_limit": `,
		`"valid_until": `, `"password": `, `"comment": `, `"settings": `, `"nosuch": `, `database "nosuchdb": it does not exist`,
		`setting "work_mem" in database`, `setting "jit" in database`, `setting "JIT" in database`, `setting "nosuch" in database`, `setting "port" in database`,
		`setting "log_connections" in database`, `setting "a b" in database`, `setting "" in database`, `setting "search_path" in database`,
		`setting "shared_buffers" in database`,
	} {
		if !strings.Contains(refusal.Detail, want) {
			t.Errorf("DETAIL does not have %s:\n%s", want, refusal.Detail)
		}
	}
	if text := fmt.Sprintf("%+v", refusal); strings.Contains(text, secret) {
		t.Errorf("the password is in %s", text)
	}
	for _, document := range []string{
		`[]`, `null`, `"x"`, `1`, `{"connection_limit": 1.5}`, `{"connection_limit": 2147483648}`, `{"connection_limit": "5"}`, `{"connection_limit": 1e99}`,
		`{"password": ""}`, `{"password": 5}`, `{"password": true}`, `{"settings": null}`, `{"database_settings": {"` + db.Name + `": null}}`, `{"valid_until": 5}`,
		`{"settings": {"work_mem=1": 2}}`, `{"settings": {"` + strings.Repeat("x", 60) + `.yyy": 2}}`,
	} {
		_ = refused(t, db, "RW508", "bad_attributes", document)
	}
	harness.MustFail(t, db, "RW508", `SELECT auth.sync_identity('bad_attributes', NULL)`)
	if harness.One[bool](t, db, `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = 'bad_attributes')`) {
		t.Error("the role was created")
	}
}

// opens computes in Go whether a verifier is of a password.
func opens(t testing.TB, verifier, password string) bool {
	t.Helper()
	parts := strings.FieldsFunc(verifier, func(r rune) bool { return r == '$' || r == ':' })
	if len(parts) != 5 || parts[0] != "SCRAM-SHA-256" {
		t.Errorf("no verifier: %q", verifier)
		return false
	}
	iterations, err := strconv.Atoi(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	salt, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	salted, err := pbkdf2.Key(sha256.New, password, salt, iterations, 32)
	if err != nil {
		t.Fatal(err)
	}
	key := func(of string) []byte {
		h := hmac.New(sha256.New, salted)
		h.Write([]byte(of))
		return h.Sum(nil)
	}
	stored := sha256.Sum256(key("Client Key"))
	return parts[3] == base64.StdEncoding.EncodeToString(stored[:]) && parts[4] == base64.StdEncoding.EncodeToString(key("Server Key"))
}

func TestVerifiersAreThoseOfPostgreSQL(t *testing.T) {
	t.Parallel()
	db := harness.Cluster(t).Database(t)
	super := db.Super(t)
	// The example of RFC 7677.
	const example = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
	if got := harness.One[string](t, super, `SELECT unsecure.scram_secret('pencil', decode('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'), 4096)`); got != example {
		t.Errorf("RFC 7677: %s", got)
	}
	harness.Exec(t, super, `CREATE ROLE verifiers_of_postgres`)
	for _, password := range []string{
		"x", " ", "it's", `back\slash`, strings.Repeat("long", 40), strings.Repeat("x", 64), strings.Repeat("x", 65), "pässwörd", "passwo\u0308rd",
		"non\u00a0breaking", "soft\u00adhyphen", "\u00ad", "\u200b", "zero\u200bwidth", "Ⅳ", "ﬁsh", "ﬁsh😀", "ﬁsh\u0007", "ﬁ\u0340", "😀", "１２３", "ª", "ｶﾞ", "\u3000",
		"א²ב", "א²b", "²א", "א²", "ﷲ²ﷲ", "ℵ²א", "ǆ\u0221", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢", "e\u0301\u0327", "\ufb1d²\ufb1d",
	} {
		harness.Exec(t, super, fmt.Sprintf("ALTER ROLE verifiers_of_postgres PASSWORD %s", harness.One[string](t, super, `SELECT quote_literal($1::text)`, password)))
		if !harness.One[bool](t, super, `
			SELECT unsecure.scram_secret($1, decode(split_part(split_part(rolpassword, '$', 2), ':', 2), 'base64'), 4096) = rolpassword
			FROM pg_authid WHERE rolname = 'verifiers_of_postgres'`, password) {
			t.Errorf("PostgreSQL makes another verifier of %+q", password)
		}
	}
	made := harness.Column[string](t, db, `SELECT auth.scram_verifier('x') FROM generate_series(1, 20) UNION SELECT auth.scram_verifier('x', 5000)`)
	if len(made) != 21 {
		t.Errorf("%d different salts of 21", len(made))
	}
	for _, verifier := range made {
		if !opens(t, verifier, "x") {
			t.Errorf("%s is not of x", verifier)
		}
	}
	for _, bad := range []string{`''`, `NULL`, `'x', 4095`, `'x', 0`, `'x', NULL`, `'x', 1000001`} {
		harness.MustFail(t, db, "RW508", `SELECT auth.scram_verifier(`+bad+`)`)
	}
	start := time.Now()
	harness.One[int](t, db, `SELECT count(auth.scram_verifier('x')) FROM generate_series(1, 20)`)
	if each := time.Since(start) / 20; each > 100*time.Millisecond {
		t.Errorf("a verifier takes %s", each)
	}
}

func TestPasswordsLogIn(t *testing.T) {
	t.Parallel()
	db := harness.Cluster(t).Database(t)
	super := db.Super(t)
	harness.Exec(t, super, `CREATE TABLE public.hba (line text)`)
	harness.Exec(t, super, `INSERT INTO public.hba VALUES ('local all postgres trust'), ('local all rolewright_owner trust'), ('local all all scram-sha-256')`)
	harness.Exec(t, super, fmt.Sprintf(`COPY public.hba TO '%s'`, harness.One[string](t, super, `SHOW hba_file`)))
	harness.Exec(t, super, `SELECT pg_reload_conf()`)
	login := func(role, password string) error {
		config, err := pgx.ParseConfig(db.URL(t, role))
		if err != nil {
			t.Fatal(err)
		}
		config.Password = password
		conn, err := pgx.ConnectConfig(t.Context(), config)
		if err == nil {
			_ = conn.Close(context.WithoutCancel(t.Context()))
		}
		return err
	}
	makeAttributes(t, db, "lena", `{}`)
	for range 100 { // until the server has read the file
		if login("lena", "x") != nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	works := func(password string) {
		t.Helper()
		if err := login("lena", password); err != nil {
			t.Errorf("%q: %v", password, err)
		}
		if login("lena", password+"x") == nil || login("lena", "") == nil {
			t.Errorf("another password than %q works too", password)
		}
	}
	for _, password := range []string{"plain", "it's $d$ \\ \"", "pässwörd", "non\u00a0breaking", strings.Repeat("long", 50)} {
		makeAttributes(t, db, "lena", map[string]string{"password": password})
		works(password)
		makeAttributes(t, db, "lena", map[string]string{"password": harness.One[string](t, db, `SELECT auth.scram_verifier($1 || '2', 10000)`, password)})
		works(password + "2")
	}
	makeAttributes(t, db, "lena", `{"password": "kept"}`)
	stored := func() string {
		return harness.One[string](t, super, `SELECT coalesce(rolpassword, '') FROM pg_authid WHERE rolname = 'lena'`)
	}
	before := everything(t, super)
	const good = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
	for what, bad := range map[string]string{
		"nothing":            "SCRAM-SHA-256$",
		"cut":                good[:len(good)-1],
		"longer":             good + "=",
		"a line":             good + "\n",
		"a space":            strings.Replace(good, "$", "$ ", 1),
		"few iterations":     strings.Replace(good, "$4096:", "$1000:", 1),
		"no iterations":      strings.Replace(good, "$4096:", "$:", 1),
		"too many":           strings.Replace(good, "$4096:", "$1000001:", 1),
		"leading zero":       strings.Replace(good, "$4096:", "$04096:", 1),
		"negative":           strings.Replace(good, "$4096:", "$-4096:", 1),
		"no salt":            strings.Replace(good, "W22ZaJ0SNY7soEsUEjb6gQ==", "", 1),
		"bad salt":           strings.Replace(good, "W22ZaJ0SNY7soEsUEjb6gQ==", "W22ZaJ0SNY7soEsUEjb6gQ", 1),
		"bits after the end": strings.Replace(good, "qY=:", "qZ=:", 1),
		"short key":          strings.Replace(good, "$WG5d", "$", 1),
		"keys swapped":       strings.Replace(good, "qY=:", "qY=$", 1),
		"overlong":           strings.Replace(good, "W22Z", strings.Repeat("W22Z", 120), 1),
		"of nothing":         harness.One[string](t, super, `SELECT unsecure.scram_secret('', 'salt', 4096)`),
		"md5":                "md5" + strings.Repeat("0123456789abcdef", 2),
	} {
		refusal := refused(t, db, "RW509", "lena", map[string]string{"password": bad})
		if text := fmt.Sprintf("%+v", refusal); what != "nothing" && strings.Contains(text, bad) || strings.Contains(text, "W22Z") || strings.Contains(text, "WG5d") || strings.Contains(text, "abcdef") {
			t.Errorf("%s: the refusal contains it: %s", what, text)
		}
	}
	if after := everything(t, super); after != before {
		t.Errorf("a refused verifier changed something")
	}
	works("kept")
	// These look like hashes, and are none.
	for _, password := range []string{"md5", "MD5" + strings.Repeat("0123456789abcdef", 2), "scram-sha-256$", "md5" + strings.Repeat("0", 31)} {
		makeAttributes(t, db, "lena", map[string]string{"password": password})
		works(password)
	}
	makeAttributes(t, db, "lena", `{"password": null}`)
	if stored() != "" || login("lena", "kept") == nil {
		t.Error("there is still a password")
	}
}

func TestNoPlaintextIsLeftAnywhere(t *testing.T) {
	t.Parallel()
	db := harness.Cluster(t).Database(t)
	super := db.Super(t)
	for _, setting := range []string{"log_statement = 'all'", "log_min_duration_statement = 0", "log_min_error_statement = 'error'", "log_error_verbosity = 'verbose'",
		"log_min_messages = 'debug2'", "debug_print_parse = on", "log_parameter_max_length_on_error = -1"} {
		harness.Exec(t, super, `ALTER DATABASE `+db.Name+` SET `+setting)
	}
	conn := harness.Connect(t, db.OwnerURL)
	harness.Exec(t, conn, `SET debug_print_parse = off`)
	// The caller's own statement is logged, so that it must not have the secret in it: the pieces are put together by the server.
	const secret = `'horse' || ' battery' || ' staple'`
	const plain = "horse battery staple"
	call := func(role, more string) (string, error) {
		statement := `SELECT auth.sync_identity('` + role + `', '` + more + `'::jsonb || jsonb_build_object('password', ` + secret + `))`
		_, err := conn.Exec(t.Context(), statement)
		return statement, err
	}
	if _, err := call("nora", `{"comment": "first"}`); err != nil {
		t.Fatal(err)
	}
	if !opens(t, harness.One[string](t, super, `SELECT rolpassword FROM pg_authid WHERE rolname = 'nora'`), plain) {
		t.Error("the password is another one")
	}

	// ALTER ROLE … PASSWORD itself fails: somebody else is changing the row.
	blocker := harness.Connect(t, db.SuperURL)
	harness.Exec(t, blocker, `BEGIN`)
	harness.Exec(t, blocker, `ALTER ROLE nora CONNECTION LIMIT 5`)
	harness.Exec(t, conn, `SET lock_timeout = '100ms'`)
	said := map[string]error{}
	for _, more := range []string{`{}`, `{"settings": {"work_mem": "nonsense"}}`, `{"nosuch": 1}`, `{"superuser": true}`} {
		_, err := call("nora", more)
		if err == nil {
			t.Errorf("%s did not fail", more)
		}
		said[more] = err
	}
	var waited *pgconn.PgError
	if !errors.As(said[`{}`], &waited) || waited.Code != "55P03" || !strings.Contains(waited.Where, "ALTER ROLE") {
		t.Errorf("the inner ALTER ROLE did not fail: %v", said[`{}`])
	}
	harness.Exec(t, blocker, `ROLLBACK`)
	if _, err := call("postgres", `{}`); err == nil {
		t.Error("the bootstrap superuser's password was set")
	} else {
		said["postgres"] = err
	}
	for more, err := range said {
		var refusal *pgconn.PgError
		if !errors.As(err, &refusal) || strings.Contains(fmt.Sprintf("%+v", refusal), plain) {
			t.Errorf("%s: %+v", more, err)
		}
	}
	log := harness.One[string](t, super, `SELECT pg_read_file(current_setting('data_directory') || '/../log')`)
	if strings.Contains(log, plain) || strings.Contains(log, fmt.Sprintf("%x", plain)) || strings.Contains(log, base64.StdEncoding.EncodeToString([]byte(plain))) {
		t.Error("the password is in the server's log")
	}
	if !strings.Contains(log, "' battery'") {
		t.Error("the server's log does not have the statements")
	}
	if harness.One[bool](t, super, `SELECT EXISTS (SELECT FROM auth.audit_event e WHERE e::text LIKE $1) OR EXISTS (SELECT FROM auth.database_role r WHERE r::text LIKE $1)`, "%"+plain+"%") {
		t.Error("the password is in a table")
	}
}

func TestOperatorsCannotEscalate(t *testing.T) {
	t.Parallel()
	db := harness.Cluster(t).Database(t)
	super := db.Super(t)
	for _, statement := range []string{
		`CREATE ROLE olga LOGIN IN ROLE rolewright_operator`, `CREATE ROLE oscar LOGIN IN ROLE rolewright_operator`, `CREATE ROLE dora LOGIN SUPERUSER`,
		`CREATE ROLE unmanaged LOGIN`, `CREATE ROLE guarded LOGIN`, `CREATE ROLE teams`, `ALTER ROLE rolewright_owner CREATEDB`,
	} {
		harness.Exec(t, super, statement)
	}
	makeAttributes(t, db, "plain", `{}`)
	makeAttributes(t, db, "maker", `{"createrole": true}`)
	makeAttributes(t, db, "dbmaker", `{"createdb": true}`)
	makeAttributes(t, db, "follower", `{}`)
	harness.Exec(t, super, `GRANT maker TO follower`)
	harness.Exec(t, super, `SELECT auth.adopt_role('dora'), auth.adopt_role('teams'), auth.adopt_role('guarded'), auth.protect_role('guarded')`)
	olga := db.As(t, "olga")
	before := everything(t, super)
	for _, c := range []struct{ sqlstate, role, document string }{
		{"RW513", "plain", `{"superuser": true}`},
		{"RW513", "plain", `{"createdb": true}`},
		{"RW513", "plain", `{"createrole": true}`},
		{"RW513", "plain", `{"replication": true}`},
		{"RW513", "plain", `{"bypassrls": true, "connection_limit": 3}`},
		{"RW513", "newcomer", `{"createrole": true}`},
		{"RW513", "maker", `{"password": "x"}`},
		{"RW513", "maker", `{"password": null}`},
		{"RW513", "maker", `{"settings": {"search_path": "evil"}}`},
		{"RW513", "maker", `{"createrole": false}`},
		{"RW513", "dbmaker", `{"valid_until": null, "comment": "x"}`},
		{"RW513", "follower", `{"password": "x"}`},
		{"RW513", "dora", `{"password": "x"}`},
		{"RW503", "olga", `{"login": true}`},
		{"RW503", "postgres", `{"password": "x"}`},
		{"RW503", "rolewright_owner", `{"password": "x"}`},
		{"RW503", "rolewright_operator", `{"login": true}`},
		{"RW503", "pg_monitor", `{"login": true}`},
		{"RW503", "pg_nosuch", `{}`},
		{"RW503", "guarded", `{"password": "x"}`},
		{"RW019", "unmanaged", `{"password": "x"}`},
		{"RW019", "oscar", `{"password": "x"}`},
		{"RW505", "teams", `{"login": true}`},
	} {
		refusal := refused(t, olga, c.sqlstate, c.role, c.document)
		if refusal.Hint == "" {
			t.Errorf("%+v: no HINT", c)
		}
	}
	missing := harness.MustFail(t, olga, "RW019", `SELECT auth.sync_identity('missing', '{}', false)`)
	if !strings.Contains(missing.Hint, "_create_allowed") {
		t.Errorf("HINT %q", missing.Hint)
	}
	harness.MustFail(t, olga, "RW019", `SELECT auth.sync_identity('missing', '{}', NULL)`)
	if after := everything(t, super); after != before {
		t.Errorf("a refusal changed something:\n%s\n%s", before, after)
	}
	// What changes nothing is not refused, and what is an operator's is done.
	if done := makeAttributes(t, olga, "maker", `{"createrole": true, "login": true}`); len(done) != 0 {
		t.Errorf("%+v", done)
	}
	if done := makeAttributes(t, olga, "plain", `{"password": "x", "superuser": false}`); objects(done) != "password" {
		t.Errorf("%+v", done)
	}
	for _, app := range []string{"rolewright_app", "rolewright_auditor"} {
		harness.MustFail(t, db.As(t, app), "42501", `SELECT auth.sync_identity('plain', '{}')`)
		harness.MustFail(t, db.As(t, app), "42501", `SELECT auth.scram_verifier('x')`)
	}
	// An administrator may, as far as PostgreSQL lets the owner.
	makeAttributes(t, db, "maker", `{"password": "x", "createrole": false}`)
	_ = refused(t, db, "RW506", "dora", `{"password": "x"}`)
	harness.MustFail(t, super, "RW503", `SELECT auth.sync_identity('postgres', '{}')`)
}

func TestTheLastAdministratorKeepsHisLogin(t *testing.T) {
	t.Parallel()
	db := harness.Cluster(t).Database(t)
	super := db.Super(t)
	makeAttributes(t, db, "olga", `{}`)
	harness.Exec(t, super, `GRANT rolewright_operator TO olga`)
	before := everything(t, super)
	_ = refused(t, db, "RW515", "olga", `{"login": false}`)
	if after := everything(t, super); after != before {
		t.Error("a refusal changed something")
	}
	makeAttributes(t, db, "olga", `{"connection_limit": 3}`)
	makeAttributes(t, db, "oscar", `{}`)
	harness.Exec(t, super, `GRANT rolewright_operator TO oscar`)
	makeAttributes(t, db, "olga", `{"login": false}`)
	_ = refused(t, db, "RW515", "oscar", `{"login": false}`)
}

func TestARoleFollowsItsUserAndItsProvider(t *testing.T) {
	t.Parallel()
	db := harness.Cluster(t).Database(t)
	super := db.Super(t)
	harness.Exec(t, db, `
		DO $$
		DECLARE
			corp uuid := auth.create_provider('corp', 'Corp', 'ldap', _creates_roles => true,
				_role_attributes => '{"connection_limit": 5, "inherit": true, "settings": {"work_mem": "8MB"}}');
			ann  uuid := auth.create_user('ann');
			bob  uuid := auth.create_user('bob');
		BEGIN
			PERFORM auth.create_user_identity(ann, corp, 'ann');
			PERFORM auth.apply_database_roles();
			PERFORM auth.bind_user_role(bob, 'bob');
			PERFORM auth.disable_user(bob);
		END $$`)
	before := everything(t, super)
	for _, document := range []string{
		`{"login": false}`, `{"connection_limit": 6}`, `{"connection_limit": -1}`, `{"inherit": false}`, `{"settings": {"WORK_MEM": "9MB"}}`, `{"settings": {"work_mem": null}}`,
	} {
		_ = refused(t, db, "RW510", "ann", document)
	}
	_ = refused(t, db, "RW510", "bob", `{"login": true}`)
	if after := everything(t, super); after != before {
		t.Errorf("a refusal changed something:\n%s\n%s", before, after)
	}
	lock := func() string {
		return harness.One[string](t, super, `SELECT xmax::text FROM auth.user_info WHERE username = 'ann'`)
	}
	locked := lock()
	if done := makeAttributes(t, db, "ann", `{"login": true, "connection_limit": 5, "inherit": true, "settings": {"Work_Mem": "8MB"}}`); len(done) != 0 {
		t.Errorf("what is declared anyway: %+v", done)
	}
	if lock() != locked {
		t.Error("the user was locked for nothing")
	}
	makeAttributes(t, db, "ann", `{"comment": "Ann", "settings": {"jit": false}, "database_settings": {"`+db.Name+`": {"work_mem": "9MB"}}}`)
	if done := makeAttributes(t, db, "bob", `{"login": false}`); done[0].Statement != "CREATE ROLE bob NOLOGIN" {
		t.Errorf("the role of a disabled user: %+v", done)
	}
	if plan := harness.Column[string](t, db, `SELECT statement FROM auth.plan_database_roles()`); len(plan) != 0 {
		t.Errorf("left to do: %v", plan)
	}

	for _, state := range []string{"suspended", "disabled"} {
		harness.Exec(t, db, `UPDATE auth.database_role SET state = $1, reason = 'on leave' WHERE role_name = 'ann'`, state)
		harness.Exec(t, db, `SELECT auth.apply_database_roles()`)
		before := everything(t, super)
		for _, document := range []string{`{"login": true}`, `{"createrole": true}`, `{"superuser": true, "login": false}`} {
			if refusal := refused(t, db, "RW511", "ann", document); !strings.Contains(refusal.Hint, "auth.restore_identity") || !strings.Contains(refusal.Detail, "on leave") {
				t.Errorf("%s: %s %s", document, refusal.Detail, refusal.Hint)
			}
		}
		if after := everything(t, super); after != before {
			t.Error("a refusal changed something")
		}
		makeAttributes(t, db, "ann", map[string]any{"login": false, "comment": state})
	}
}

func TestNamesOfTheDeletedAreNotTaken(t *testing.T) {
	t.Parallel()
	db := harness.Cluster(t).Database(t)
	harness.Exec(t, db, `INSERT INTO auth.database_role (role_name, state, reason) VALUES ('tombstone', 'deleted', 'left')`)
	_ = refused(t, db, "RW516", "tombstone", `{}`)
	harness.MustFail(t, db, "RW019", `SELECT auth.sync_identity('tombstone', '{}', false)`)
}

func TestADroppedRoleIsMadeAgainAndAStrangerIsNot(t *testing.T) {
	t.Parallel()
	db := harness.Cluster(t).Database(t)
	makeAttributes(t, db, "dropped", `{"comment": "one"}`)
	harness.Exec(t, db, `DROP ROLE dropped`)
	harness.MustFail(t, db, "RW019", `SELECT auth.sync_identity('dropped', '{}', false)`)
	if done := makeAttributes(t, db, "dropped", `{"comment": "two"}`); objects(done) != "|comment" {
		t.Errorf("%+v", done)
	}
	makeAttributes(t, db, "dropped", `{"connection_limit": 1}`)
	harness.Exec(t, db, `DROP ROLE dropped; CREATE ROLE dropped LOGIN`)
	_ = refused(t, db, "RW019", "dropped", `{"password": "x"}`)
}

func TestRightsThatTheOwnerLacksAreNamed(t *testing.T) {
	t.Parallel()
	server := harness.Cluster(t)
	db := server.Database(t)
	super := db.Super(t)
	for _, statement := range []string{
		`CREATE ROLE legacy LOGIN`, `CREATE ROLE replica LOGIN REPLICATION`,
		`SELECT auth.adopt_role('legacy'), auth.adopt_role('replica')`,
	} {
		harness.Exec(t, super, statement)
	}
	expect := func(role, document, want string) {
		t.Helper()
		before := everything(t, super)
		refusal := refused(t, db, "RW506", role, document)
		if !strings.Contains(refusal.Detail, want) {
			t.Errorf("%s %s: DETAIL %q, want %q", role, document, refusal.Detail, want)
		}
		if strings.Contains(refusal.Detail, "SCRAM") || everything(t, super) != before {
			t.Errorf("%s %s: the verifier is in the DETAIL, or something changed", role, document)
		}
	}
	if server.Major >= 16 {
		for _, document := range []string{`{"login": false}`, `{"password": "x"}`, `{"comment": "x"}`, `{"settings": {"jit": false}}`, `{"valid_until": "2030-01-01T00:00:00Z"}`} {
			expect("legacy", document, "GRANT legacy TO rolewright_owner WITH ADMIN OPTION")
		}
		harness.Exec(t, super, `GRANT legacy, replica TO rolewright_owner WITH ADMIN OPTION`)
		expect("legacy", `{"createdb": true}`, "ALTER ROLE rolewright_owner CREATEDB")
		expect("legacy", `{"replication": true}`, "ALTER ROLE rolewright_owner REPLICATION")
		expect("legacy", `{"bypassrls": true}`, "ALTER ROLE rolewright_owner BYPASSRLS")
		makeAttributes(t, db, "replica", `{"connection_limit": 3, "comment": "x"}`)
	} else {
		expect("legacy", `{"replication": true}`, "ALTER ROLE legacy REPLICATION")
		expect("legacy", `{"bypassrls": true}`, "ALTER ROLE legacy BYPASSRLS")
		expect("replica", `{"connection_limit": 3}`, "ALTER ROLE replica CONNECTION LIMIT 3")
		expect("replica", `{"password": "x"}`, "ALTER ROLE replica PASSWORD '********'")
		makeAttributes(t, db, "replica", `{"comment": "x", "settings": {"jit": false}}`)
	}
	expect("legacy", `{"superuser": true}`, "ALTER ROLE legacy SUPERUSER")
	makeAttributes(t, db, "legacy", `{"login": false, "inherit": false, "connection_limit": 2, "valid_until": "2030-01-01T00:00:00Z", "password": "x", "comment": "x", "settings": {"jit": false}}`)
	harness.Exec(t, super, `ALTER ROLE legacy SUPERUSER`)
	expect("legacy", `{"comment": "y"}`, "COMMENT ON ROLE legacy IS 'y'")
	expect("legacy", `{"settings": {"jit": null}}`, "ALTER ROLE legacy RESET jit")
	harness.Exec(t, super, `ALTER ROLE legacy NOSUPERUSER`)
	harness.Exec(t, super, `ALTER ROLE rolewright_owner NOCREATEROLE`)
	expect("legacy", `{"comment": "y"}`, "lacks CREATEROLE")
	expect("newcomer", `{}`, "CREATE ROLE newcomer LOGIN")
}

func TestSomebodyElsesAlterRoleIsWaitedFor(t *testing.T) {
	t.Parallel()
	db := harness.Cluster(t).Database(t)
	makeAttributes(t, db, "raced", `{"connection_limit": 1}`)
	other := harness.Connect(t, db.SuperURL)
	harness.Exec(t, other, `BEGIN`)
	harness.Exec(t, other, `ALTER ROLE raced CONNECTION LIMIT 2`)
	result := make(chan error, 1)
	go func() {
		_, err := db.Exec(t.Context(), `SELECT auth.sync_identity('raced', '{"connection_limit": 3, "password": "x", "comment": "raced"}')`)
		result <- err
	}()
	for harness.One[bool](t, db, `SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE '%''raced'', %' AND wait_event_type = 'Lock')`) {
		time.Sleep(10 * time.Millisecond)
	}
	harness.Exec(t, other, `COMMIT`)
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	if got := harness.One[int](t, db, `SELECT rolconnlimit FROM pg_roles WHERE rolname = 'raced'`); got != 3 {
		t.Errorf("connection limit %d", got)
	}

	// Many at once create and change one role.
	errs := make(chan error, 8)
	for i := range cap(errs) {
		go func() {
			_, err := db.Exec(t.Context(), `SELECT auth.sync_identity('crowded', $1)`, fmt.Sprintf(`{"comment": "%d", "password": "x"}`, i))
			errs <- err
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n := harness.One[int](t, db, `SELECT count(*) FROM auth.database_role r JOIN pg_roles a ON a.oid = r.role_oid WHERE role_name = 'crowded'`); n != 1 {
		t.Errorf("%d roles in the registry", n)
	}
	for _, level := range []string{"REPEATABLE READ", "SERIALIZABLE"} {
		harness.MustFail(t, db, "RW501", `BEGIN ISOLATION LEVEL `+level+`; SELECT auth.sync_identity('raced', '{"connection_limit": 9}')`)
	}
}

func TestPlansOfAttributesAreSorted(t *testing.T) {
	t.Parallel()
	db := harness.Cluster(t).Database(t)
	settings := map[string]any{"jit": false, "work_mem": "1MB", "lock_timeout": 5}
	first := makeAttributes(t, db, "sorted", map[string]any{"settings": settings})
	names := slices.Sorted(maps.Keys(settings))
	for i, c := range first[1:] {
		if c.Object != "setting "+names[i] {
			t.Errorf("%d: %s", i, c.Object)
		}
	}
}
