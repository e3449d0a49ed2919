package role_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

func TestApplyMakesItSoOnceAndThenWritesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	w.exec(t, strings.TrimSuffix(strings.TrimSpace(boundSQL), "SELECT auth.apply_database_roles()")+`SELECT 1`)
	planned := w.text(t, w.DB, `SELECT concat_ws('|', ordinal, action, role_name, object, statement, reason) FROM auth.plan_database_roles() ORDER BY ordinal`)
	applied := w.text(t, w.DB, `SELECT concat_ws('|', ordinal, action, role_name, object, statement, reason) FROM auth.apply_database_roles() ORDER BY ordinal`)
	want := []string{
		"1|create|#coding|CREATE ROLE #coding NOLOGIN|bound to a group", "2|create|#helping|CREATE ROLE #helping NOLOGIN|bound to a group",
		"3|create|#readers|CREATE ROLE #readers NOLOGIN|bound to a group", "4|create|#writers|CREATE ROLE #writers NOLOGIN|bound to a group",
		`5|create|#ann|CREATE ROLE #ann LOGIN|user "#ann"`, `6|create|#bob|CREATE ROLE #bob LOGIN|user "#bob"`,
		"7|grant|#ann|#readers|GRANT #readers TO #ann|in group staff",
	}
	if got := strings.Split(applied, "; "); strings.Join(got, "; ") != strings.Join(want, "; ") {
		t.Errorf("applied\n%s", strings.Join(got, "\n"))
	}
	if planned != applied {
		t.Errorf("planned\n%s", strings.ReplaceAll(planned, "; ", "\n"))
	}
	w.settled(t)
	w.same(t, w.DB, `SELECT count(*) FROM auth.audit_event WHERE event_code LIKE 'role.%' AND after ->> 'statement' <> ''`, "7")
	w.unchanged(t, "apply", func() {
		w.exec(t, `SELECT auth.apply_database_roles(); SELECT auth.apply_database_roles(ARRAY[@ann]::uuid[]); SELECT auth.apply_database_roles(_skip_conflicts => true)`)
	})
	w.unchanged(t, "bind", func() {
		w.exec(t, strings.TrimSuffix(strings.TrimSpace(boundSQL), "SELECT auth.apply_database_roles()")+`SELECT 1`)
	})
}

func TestApplyIsUndoneByRollback(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	before := w.traces(t)
	tx := w.begin(t)
	w.execIn(t, tx, boundSQL)
	w.expect(t, tx, "#ann", "LOGIN #readers")
	harness.Exec(t, tx, "ROLLBACK")
	if after := w.traces(t); after != before {
		t.Errorf("ROLLBACK leaves %s", after)
	}
	w.exec(t, boundSQL)
	w.settled(t)
}

func TestApplyIsForTheNamedUsers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.dba(t, `ALTER ROLE #ann NOLOGIN; ALTER ROLE #bob NOLOGIN`)
	w.same(t, w.DB, `SELECT role_name FROM auth.plan_database_roles(ARRAY[@ann, gen_random_uuid(), NULL]::uuid[])`, "#ann")
	w.same(t, w.DB, `SELECT count(*) FROM auth.plan_database_roles('{}')`, "0")
	w.same(t, w.DB, `SELECT count(*) FROM auth.apply_database_roles('{}')`, "0")
	w.same(t, w.DB, `SELECT role_name FROM auth.apply_database_roles(ARRAY[@ann, @ann]::uuid[])`, "#ann")
	w.expect(t, w.DB, "#ann", "LOGIN #readers")
	w.expect(t, w.DB, "#bob", "NOLOGIN")
	w.exec(t, `SELECT auth.apply_database_roles()`)
	w.settled(t)
}

// What a DBA does behind our back: in the plan, and repaired.
func TestDriftIsPlannedAndRepaired(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, drift, plan string }{
		{"grant", `GRANT #helping TO #ann GRANTED BY rolewright_owner`, "revoke #ann #helping"},
		{"revoke", `REVOKE #readers FROM #ann GRANTED BY rolewright_owner`, "grant #ann #readers"},
		{"admin", `GRANT #readers TO #ann WITH ADMIN OPTION GRANTED BY rolewright_owner`, "alter #ann #readers"},
		{"nologin", `ALTER ROLE #ann NOLOGIN`, "alter #ann login"},
		{"drop", `DROP ROLE #ann`, "create #ann; grant #ann #readers"},
		{"drop a group", `DROP ROLE #readers`, "create #readers; grant #ann #readers"},
		{"drop all", `DROP ROLE #ann, #readers, #bob`, "create #readers; create #ann; create #bob; grant #ann #readers"},
		{"another's group", `CREATE ROLE #other; GRANT #readers TO #other; GRANT #other TO #ann`, ""},
		{"what is not ours", `ALTER ROLE #ann CREATEDB CONNECTION LIMIT 3 VALID UNTIL '2031-01-01'; ALTER ROLE #ann SET work_mem = '1MB'; ALTER ROLE #readers LOGIN`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, true)
			if w.major < 16 {
				c.drift = strings.ReplaceAll(c.drift, " GRANTED BY rolewright_owner", "")
			}
			w.dba(t, c.drift)
			w.same(t, w.DB, `SELECT concat_ws(' ', action, role_name, object) FROM auth.plan_database_roles() ORDER BY ordinal`, c.plan)
			w.exec(t, `SELECT auth.apply_database_roles()`)
			w.expect(t, w.DB, "#ann", map[bool]string{true: "LOGIN #other #readers", false: "LOGIN #readers"}[c.name == "another's group"])
			w.settled(t)
			w.unchanged(t, "apply", func() { w.exec(t, `SELECT auth.apply_database_roles()`) })
			if c.name == "another's group" {
				return
			}
			// And it is still ours.
			w.exec(t, `SELECT auth.disable_user(@ann)`)
			w.expect(t, w.DB, "#ann", "NOLOGIN")
			w.settled(t)
		})
	}
}

func TestALoginForWhoIsOutIsDrift(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.exec(t, `SELECT auth.disable_user(@ann); CALL auth.deprovision_identity('#bob', 'gone')`)
	w.dba(t, `ALTER ROLE #ann LOGIN; ALTER ROLE #bob LOGIN CREATEDB; CREATE ROLE #club`)
	w.exec(t, `CREATE ROLE #own; GRANT #own TO #ann; GRANT #readers, #own TO #bob`)
	w.same(t, w.DB, `SELECT concat_ws(' ', action, role_name, object) FROM auth.plan_database_roles() ORDER BY role_name, object`,
		map[bool]string{
			true:  "alter #ann login; revoke #ann #own; conflict #bob createdb; alter #bob login; revoke #bob #own; revoke #bob #readers",
			false: "alter #ann login; revoke #ann #own; alter #bob createdb; alter #bob login; revoke #bob #own; revoke #bob #readers",
		}[w.major >= 16])
	w.dba(t, `ALTER ROLE #bob NOCREATEDB`)
	w.exec(t, `SELECT auth.apply_database_roles()`)
	w.expect(t, w.DB, "#ann", "NOLOGIN")
	w.expect(t, w.DB, "#bob", "NOLOGIN")
	w.settled(t)
}

func TestConflictsAreRowsAndAreResolved(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, drift, says, resolve string }{
		{"login role of that name", `CREATE ROLE #cy LOGIN`, "conflict #cy: a role of this name exists and is not managed", `SELECT auth.adopt_role('#cy')`},
		{"group role of that name", `CREATE ROLE #club`, "conflict #club: a role of this name exists and is not managed", `SELECT auth.adopt_role('#club')`},
		{"made anew", `DROP ROLE #ann; CREATE ROLE #ann LOGIN`, "conflict #ann: somebody dropped the role and made another one of this name", `SELECT auth.adopt_role('#ann')`},
		{"group made anew", `DROP ROLE #readers; CREATE ROLE #readers`, "conflict #readers: somebody dropped the role and made another one of this name", `SELECT auth.adopt_role('#readers')`},
		{"renamed", `ALTER ROLE #ann RENAME TO #anna`, "conflict #ann: somebody renamed the role to #anna", ""},
		{"renamed, and another one", `ALTER ROLE #ann RENAME TO #anna; CREATE ROLE #ann`, "conflict #ann: somebody renamed the role to #anna", ""},
		{"group renamed", `ALTER ROLE #readers RENAME TO #reading`, "conflict #readers: somebody renamed the role to #reading", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, true)
			w.exec(t, `SELECT auth.create_user('#cy'); SELECT auth.create_user_group('club', 'Club')`)
			w.learn(t)
			w.dba(t, c.drift)
			w.exec(t, `SELECT auth.add_group_member(@club, @bob); SELECT auth.bind_user_role(@cy, '#cy'); SELECT auth.bind_group_role(@club, '#club')`)
			if got := w.plan(t, w.DB); !strings.Contains("; "+got, "; "+c.says) {
				t.Errorf("plan is %s", got)
			}
			w.unchanged(t, "a refused apply", func() {
				refusal := w.mustFail(t, w.DB, "RW506", `SELECT auth.apply_database_roles()`)
				if !strings.Contains(w.plain(refusal.Detail), strings.SplitN(c.says, ": ", 2)[1]) {
					t.Errorf("refused with %s", refusal.Detail)
				}
			})
			left := w.text(t, w.DB, `SELECT concat_ws(' ', action, role_name) || ': ' || reason FROM auth.apply_database_roles(_skip_conflicts => true) WHERE action = 'conflict' ORDER BY ordinal`)
			if !strings.HasPrefix(left, c.says) {
				t.Errorf("skipped %q", left)
			}
			if got := w.text(t, w.DB, `SELECT action FROM auth.plan_database_roles()`); got != "conflict" {
				t.Errorf("after skipping conflicts the plan is %s", w.plan(t, w.DB))
			}
			if c.resolve == "" {
				for _, pair := range [][2]string{{"anna", "ann"}, {"reading", "readers"}} {
					w.dba(t, fmt.Sprintf(`DO $$ BEGIN IF to_regrole('#%s') IS NOT NULL THEN DROP ROLE IF EXISTS #%s; ALTER ROLE #%[1]s RENAME TO #%[2]s; END IF; END $$`, pair[0], pair[1]))
				}
			} else {
				w.exec(t, c.resolve)
				if w.major >= 16 {
					if got := w.text(t, w.DB, strings.Replace(c.resolve, "SELECT", "SELECT statement FROM", 1)); !strings.HasPrefix(got, "GRANT #") || !strings.HasSuffix(got, " TO rolewright_owner WITH ADMIN OPTION") {
						t.Errorf("adopting says %s", got)
					}
					w.dba(t, strings.TrimSuffix(w.text(t, w.DB, strings.Replace(c.resolve, "SELECT", "SELECT statement FROM", 1)), ";"))
				}
			}
			w.exec(t, `SELECT auth.apply_database_roles()`)
			w.expect(t, w.DB, "#ann", "LOGIN #readers")
			w.expect(t, w.DB, "#bob", "LOGIN #club")
			w.expect(t, w.DB, "#cy", "LOGIN")
			w.settled(t)
			w.exec(t, `SELECT auth.disable_user(@ann); SELECT auth.disable_user(@bob); SELECT auth.disable_user(@cy)`)
			for _, role := range []string{"#ann", "#bob", "#cy"} {
				w.expect(t, w.DB, role, "NOLOGIN")
			}
			w.settled(t)
		})
	}
}

// creating is a world whose provider GitHub gives roles to its users.
func creating(t testing.TB, template string) *world {
	t.Helper()
	w := newWorld(t, true)
	harness.Exec(t, w.DB, `SELECT auth.update_provider($1, _creates_roles => true, _role_name_template => $2)`, w.ids["github"], template)
	return w
}

func TestAProvidersUsersGetRoles(t *testing.T) {
	t.Parallel()
	for template, want := range map[string]string{
		"{username}":                "#dana.scully",
		"{username:keep}":           "#Dana.Scully",
		"#x_{email_local}":          "#x_dana",
		"#x_{email}":                "#x_dana@fbi.gov",
		"#x_{email_local:keep}":     "#x_Dana",
		"#x_{provider_user_id}":     "#x_42-abc",
		"#x{provider_user_id:keep}": "#x42-ABC",
		"#x_{provider_username}":    "#x_scully",
		"#X_{provider}":             "#X_github",
		"#x %s \"{provider}' $d$":   `#x %s "github' $d$`,
	} {
		t.Run(template, func(t *testing.T) {
			t.Parallel()
			w := creating(t, "{username}")
			expand := func(s string) string { return strings.ReplaceAll(s, "#", w.prefix) }
			harness.Exec(t, w.DB, `SELECT auth.update_provider($1, _role_name_template => $2)`, w.ids["github"], expand(template))
			tx := w.begin(t)
			harness.Exec(t, tx, `SELECT auth.sync_provider_identities($1, ARRAY[jsonb_build_object('provider_user_id', '42-ABC', 'username', $2::text, 'email', 'Dana@FBI.gov', 'groups', '["Devs"]'::jsonb)], _create_missing => true)`,
				w.ids["github"], expand("#Dana.Scully"))
			harness.Exec(t, tx, `UPDATE auth.user_identity SET provider_username = 'Scully' WHERE provider_user_id = '42-ABC'`)
			if strings.Contains(template, "provider_username") {
				want = expand("#x_") + strings.ToLower(expand("#dana.scully")) // what the feed calls username
			}
			got := harness.Column[string](t, tx, `SELECT role_name FROM auth.database_role r JOIN auth.user_info USING (user_id) WHERE username = $1`, expand("#Dana.Scully"))
			if len(got) != 1 || got[0] != expand(want) && !strings.Contains(template, "provider_username") {
				t.Fatalf("the role is %q, want %q", got, expand(want))
			}
			if role := harness.One[string](t, tx, `SELECT concat(rolcanlogin, pg_has_role(oid, $2::name, 'MEMBER')) FROM pg_roles WHERE rolname = $1`, got[0], w.name("#coding")); role != "tt" {
				t.Errorf("it is %s", role)
			}
			harness.Exec(t, tx, "COMMIT")
			w.settled(t)
		})
	}
}

func TestAFirstLoginMakesTheRole(t *testing.T) {
	t.Parallel()
	w := creating(t, "{username}")
	tx := w.begin(t)
	w.execIn(t, tx, `SELECT auth.ensure_user_from_provider(@github, 'dana', NULL, NULL, '{Devs}', NULL, '{"preferred_username": "#Dana"}')`)
	w.expect(t, tx, "#dana", "LOGIN #coding")
	harness.Exec(t, tx, "ROLLBACK")
	w.expect(t, w.DB, "#dana", "missing")
	w.exec(t, `SELECT auth.ensure_user_from_provider(@github, 'dana', NULL, NULL, '{Devs}', NULL, '{"preferred_username": "#Dana"}')`)
	w.learn(t)
	w.expect(t, w.DB, "#dana", "LOGIN #coding")
	w.settled(t)
	// A link of an existing user to the provider, too.
	w.exec(t, `SELECT auth.create_user('#ed'); SELECT auth.create_user_identity((SELECT user_id FROM auth.user_info WHERE username = '#ed'), @github, 'ed', '{Devs}')`)
	w.expect(t, w.DB, "#ed", "LOGIN #coding")
	// Who has a role keeps it.
	w.exec(t, `SELECT auth.create_user_identity(@ann, @github, 'ann_github', '{Devs}'); SELECT auth.update_user(@ann, _username => '#annie')`)
	w.expect(t, w.DB, "#ann", "LOGIN #coding #readers")
	w.expect(t, w.DB, "#annie", "missing")
	w.settled(t)
}

func TestNamesThatAProviderCannotGive(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 64)
	for _, c := range []struct{ template, username, says string }{
		{"{username}", long, "the name has 64 bytes; PostgreSQL takes 63"},
		{"{username}", strings.Repeat("é", 32), "the name has 64 bytes"},
		{"{username}", "PG_Dana", "reserved by PostgreSQL"},
		{"{username}", "Public", "reserved by PostgreSQL"},
		{"{username}", "none", "reserved by PostgreSQL"},
		{"{username}", "Postgres", "not managed"},
		{"{username}", "Rolewright_Owner", "not managed"},
		{"{username}", "rolewright_operator", "not managed"},
		{"{email}", "#dana", "the template {email} of provider github needs what user"},
		{"{username}", "#ANN.", ""},
	} {
		t.Run(c.template+" "+c.username, func(t *testing.T) {
			t.Parallel()
			w := creating(t, c.template)
			username := w.name(strings.ToLower(c.username))
			if c.says != "" {
				username = w.name(c.username)
			}
			conn, warnings := w.listen(t)
			harness.Exec(t, conn, `SELECT auth.ensure_user_from_provider($1, 'd', NULL, NULL, '{Devs}', NULL, jsonb_build_object('preferred_username', $2::text))`, w.ids["github"], username)
			w.same(t, w.DB, `SELECT count(*) FROM auth.user_identity WHERE provider_user_id = 'd'`, "1")
			got := w.text(t, w.DB, `SELECT action || ' ' || reason FROM auth.plan_database_roles()`)
			if c.says == "" {
				if got != "" {
					t.Errorf("plan is %s", got)
				}
				return
			}
			if !strings.HasPrefix(got, "conflict ") || !strings.Contains(got, c.says) || strings.Contains(got, "; conflict") {
				t.Errorf("plan is %s", got)
			}
			if len(*warnings) != 1 {
				t.Errorf("warnings of the login: %q", *warnings)
			}
			_ = w.mustFail(t, w.DB, "RW506", `SELECT auth.apply_database_roles()`)
			w.exec(t, `SELECT auth.apply_database_roles(_skip_conflicts => true)`)
		})
	}
}

func TestTwoUsersWhoWantOneName(t *testing.T) {
	t.Parallel()
	w := creating(t, "{email_local}")
	feed := `SELECT auth.sync_provider_identities(@github, ARRAY['{"provider_user_id": "1", "username": "#d1", "email": "#dana@a.org", "groups": ["Devs"]}',
		'{"provider_user_id": "2", "username": "#d2", "email": "#Dana@b.org", "groups": ["Devs"]}']::jsonb[], _create_missing => true)`
	w.exec(t, feed)
	w.expect(t, w.DB, "#dana", "LOGIN #coding")
	if got := w.plan(t, w.DB); !strings.HasPrefix(got, "conflict #dana: the name is taken by a managed role of user ") {
		t.Errorf("plan is %s", got)
	}
	w.learn(t)
	w.exec(t, `SELECT auth.bind_user_role(CASE WHEN EXISTS (SELECT FROM auth.database_role WHERE user_id = @d1) THEN @d2 ELSE @d1 END::uuid, '#dana2'); SELECT auth.apply_database_roles()`)
	w.expect(t, w.DB, "#dana2", "LOGIN #coding")
	w.settled(t)
}

func TestHostileUsernamesBecomeRoles(t *testing.T) {
	t.Parallel()
	w := creating(t, "{username:keep}")
	names := hostileNames(w)
	for i, name := range names {
		harness.Exec(t, w.DB, `SELECT auth.ensure_user_from_provider($1, $2, NULL, NULL, '{Devs}', NULL, jsonb_build_object('preferred_username', $3::text))`, w.ids["github"], fmt.Sprint(i), name)
		if !harness.One[bool](t, w.DB, `SELECT EXISTS (SELECT FROM pg_roles r JOIN pg_auth_members m ON m.member = r.oid WHERE r.rolname = $1 AND r.rolcanlogin)`, name) {
			t.Errorf("%q: no role", name)
		}
	}
	w.settled(t)
	harness.Exec(t, w.DB, `SELECT auth.sync_provider_identities($1, '{}', _disable_missing => true, _max_disable => 100, _allow_empty => true)`, w.ids["github"])
	for _, name := range names {
		if !harness.One[bool](t, w.DB, `SELECT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = $1 AND NOT r.rolcanlogin AND NOT EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid))`, name) {
			t.Errorf("%q: not out", name)
		}
	}
	w.settled(t)
}

func hostileNames(w *world) []string {
	return []string{
		w.prefix + `"; DROP ROLE postgres; --`, w.prefix + `'; DROP SCHEMA auth CASCADE; --`, w.prefix + `%s%I%L%1$s`, w.prefix + `$d$ $$ $function$`, w.prefix + `a b`,
		w.prefix + `żółć ☃ 🙈`, w.prefix + `\`, w.prefix + `\'`, w.prefix + `""`, w.prefix + `-- x`, w.prefix + `/* x`, w.prefix + `{username}`, w.prefix + `SELECT`,
		w.prefix + `a.b@c`, w.prefix + `x PASSWORD y`, w.prefix + strings.Repeat("y", 63-len(w.prefix)), w.prefix + "a\u00a0b", w.prefix + "\u202egnp",
	}
}

func TestAProvidersAttributesAreKept(t *testing.T) {
	t.Parallel()
	w := creating(t, "{username}")
	dana := `SELECT concat_ws(' ', rolconnlimit, rolinherit, (SELECT array_agg(s ORDER BY s) FROM pg_db_role_setting, unnest(setconfig) AS s WHERE setrole = r.oid AND setdatabase = 0)) FROM pg_roles r WHERE rolname = '#dana'`
	w.exec(t, `SELECT auth.update_provider(@github, _role_attributes => '{"connection_limit": 5, "inherit": false, "settings": {"statement_timeout": 5000, "work_mem": "8MB", "search_path": "app, public"}}');
		SELECT auth.ensure_user_from_provider(@github, 'dana', NULL, NULL, '{Devs}', NULL, '{"preferred_username": "#dana"}')`)
	w.same(t, w.DB, dana, `5 f {"search_path=app, public",statement_timeout=5000,work_mem=8MB}`)
	w.settled(t)
	w.dba(t, `ALTER ROLE #dana CONNECTION LIMIT -1 INHERIT; ALTER ROLE #dana RESET work_mem; ALTER ROLE #dana SET search_path = 'app, public'; ALTER ROLE #dana SET lock_timeout = 1`)
	w.same(t, w.DB, `SELECT object FROM auth.plan_database_roles() WHERE action = 'alter' AND role_name = '#dana' AND object <> '#coding' ORDER BY object`, "connection_limit; inherit; setting search_path; setting work_mem")
	w.exec(t, `SELECT auth.apply_database_roles()`)
	w.same(t, w.DB, `SELECT concat_ws(' ', rolconnlimit, rolinherit, (SELECT array_agg(s ORDER BY s) FROM pg_db_role_setting, unnest(setconfig) AS s WHERE setrole = r.oid AND setdatabase = 0)) FROM pg_roles r WHERE rolname = '#dana'`,
		`5 f {lock_timeout=1,"search_path=app, public",statement_timeout=5000,work_mem=8MB}`)
	w.settled(t)
	w.exec(t, `SELECT auth.update_provider(@github, _role_attributes => '{"connection_limit": 6, "inherit": true, "settings": {"work_mem": null}}'); SELECT auth.apply_database_roles()`)
	w.same(t, w.DB, `SELECT concat(rolconnlimit, rolinherit, (SELECT setconfig::text LIKE '%work_mem%' FROM pg_db_role_setting WHERE setrole = r.oid)) FROM pg_roles r WHERE rolname = '#dana'`, "6tf")
	w.settled(t)
	w.exec(t, `SELECT auth.update_provider(@github, _creates_roles => false); ALTER ROLE #dana CONNECTION LIMIT 1`)
	w.settled(t)
}

// What a provider says about roles may be impossible; its people log in all the same, and everybody else's roles follow.
func TestAttributesThatCannotBeGivenStopNobody(t *testing.T) {
	t.Parallel()
	for _, attributes := range []string{
		`{"connection_limit": 5.5}`, `{"connection_limit": 1e1}`, `{"settings": {"no_such_parameter": "1"}}`, `{"settings": {"work_mem": "lots"}}`, `{"settings": {"log_statement": "all"}}`,
		`{"settings": {"Work_Mem": "8MB"}}`, `{"settings": {"datestyle": "ISO, DMY"}}`, `{"settings": {"TimeZone": "UTC"}}`, `{"settings": {"timezone": "UTC"}}`, `{"settings": {"myapp.tenant": "acme"}}`,
		`{"settings": {"work_mem": {"a": 1}}}`, `{"settings": {"work_mem": []}}`, `{"settings": {"": "x"}}`, `{"settings": {"shared_buffers": "1GB"}}`, `{"settings": {"port": 1}}`,
		`{"settings": {"search_path": ["a,b", "c d"]}}`, `{"settings": {"search_path": "\"a,b\", c"}}`, `{"settings": {"application_name": "a=b, 'c'"}}`,
		`{"settings": {"work_mem": true}}`, `{"settings": {"role": "postgres"}}`, `{"settings": {"a; DROP ROLE x": "1"}}`, `{"settings": {"default_transaction_read_only": true}}`, `{"settings": {"enable_seqscan": "OFF"}}`,
	} {
		t.Run(attributes, func(t *testing.T) {
			t.Parallel()
			w := creating(t, "{username}")
			_, err := w.Exec(t.Context(), `SELECT auth.update_provider($1, _role_attributes => $2)`, w.ids["github"], attributes)
			if err != nil {
				if s := state(err); s != "23514" && s != "RW508" {
					t.Errorf("refused with %v", err)
				}
				return
			}
			for _, sql := range []string{
				`SELECT auth.ensure_user_from_provider(@github, 'dana', NULL, NULL, '{Devs}', NULL, '{"preferred_username": "#dana"}')`,
				`SELECT auth.ensure_user_from_provider(@github, 'dana', NULL, NULL, '{}', NULL, '{"preferred_username": "#dana"}')`,
				`SELECT auth.sync_provider_identities(@github, ARRAY['{"provider_user_id": "dana", "groups": ["Devs"]}']::jsonb[])`,
				`SELECT auth.update_user_identity_on_login(@entra, 'ann_entra', '{}', '{Clerk}')`,
				`SELECT auth.apply_database_roles(_skip_conflicts => true)`,
				`SELECT auth.plan_database_roles()`,
			} {
				if _, err := w.Exec(t.Context(), w.name(sql), w.ids); err != nil {
					t.Errorf("%s: %v", sql, err)
				}
			}
			if got := w.text(t, w.DB, `SELECT DISTINCT action FROM auth.plan_database_roles()`); got != "" && got != "conflict" {
				t.Errorf("after all that, the plan is %s", w.plan(t, w.DB))
			}
		})
	}
}

func TestProtectedNamesAreNotCreated(t *testing.T) {
	t.Parallel()
	w := creating(t, "{username}")
	w.exec(t, `SELECT auth.protect_role('#dana'); SELECT auth.protect_role('#bob')`)
	w.exec(t, `SELECT auth.ensure_user_from_provider(@github, 'dana', NULL, NULL, '{Devs}', NULL, '{"preferred_username": "#dana"}')`)
	w.expect(t, w.DB, "#dana", "missing")
	if got := w.plan(t, w.DB); !strings.Contains(got, "conflict #dana") || !strings.Contains(got, "protected") {
		t.Errorf("plan is %s", got)
	}
	before := w.everything2(t, "#bob")
	w.exec(t, `SELECT auth.update_user_identity_on_login(@entra, 'bob_entra', '{Staff}'); SELECT auth.disable_user(@bob)`)
	if after := w.everything2(t, "#bob"); after != before {
		t.Errorf("a protected role became %s, was %s", after, before)
	}
}

func (w *world) everything2(t testing.TB, role string) string {
	t.Helper()
	return w.text(t, w.super, `SELECT concat(r, (SELECT array_agg(m) FROM pg_auth_members m WHERE m.member = r.oid)) FROM pg_authid r WHERE rolname = '`+role+`'`)
}

func TestTheOwnerWithoutCreateroleSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorldAlone(t, false)
	w.exec(t, strings.Replace(boundSQL, "SELECT auth.apply_database_roles()", "SELECT 1", 1))
	w.dba(t, `ALTER ROLE rolewright_owner NOCREATEROLE`)
	refusal := w.mustFail(t, w.DB, "RW506", `SELECT auth.apply_database_roles()`)
	if !strings.Contains(refusal.Detail, "lacks CREATEROLE") {
		t.Errorf("refused with %s", refusal.Detail)
	}
	w.exec(t, `SELECT auth.update_user_identity_on_login(@entra, 'ann_entra', '{}', '{Clerk}')`)
	w.dba(t, `ALTER ROLE rolewright_owner CREATEROLE`)
	w.exec(t, `SELECT auth.apply_database_roles()`)
	w.expect(t, w.DB, "#ann", "LOGIN #writers")
	w.settled(t)
}
