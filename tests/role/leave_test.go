package role_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rolewright/rolewright/tests/harness"
)

// everything is what there is to know about a role, except how it got there.
func (w *world) everything(t testing.TB, role string) string {
	t.Helper()
	return w.text(t, w.super, `
		SELECT to_jsonb(r) - 'oid' - 'rolpassword' || jsonb_build_object(
			'memberships', (SELECT jsonb_agg(format('%s %s %s %s', h.rolname, a.admin_option, to_jsonb(a) ->> 'inherit_option', to_jsonb(a) ->> 'set_option') ORDER BY h.rolname, a.grantor)
			                FROM pg_auth_members a JOIN pg_roles h ON h.oid = a.roleid WHERE a.member = r.oid),
			'settings', (SELECT jsonb_agg(format('%s %s', d.datname, s.setconfig) ORDER BY d.datname) FROM pg_db_role_setting s LEFT JOIN pg_database d ON d.oid = s.setdatabase WHERE s.setrole = r.oid),
			'comment', shobj_description(r.oid, 'pg_authid'), 'password', a.rolpassword)
		FROM pg_roles r JOIN pg_authid a ON a.oid = r.oid WHERE r.rolname = '`+role+`'`)
}

// proof is what leaver_proof says, without what happens to differ.
func (w *world) proof(t testing.TB, name string) string {
	t.Helper()
	return w.text(t, w.DB, `SELECT way || ' ' || object FROM auth.leaver_proof('`+name+`')`)
}

func TestALeaverIsOutAndASuspendedPersonComesBackAsBefore(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string]string{
		"plain":                             `ALTER ROLE #ann SET work_mem = '64MB'; ALTER ROLE #ann SET application_name = 'a=b c'`,
		"paths":                             `ALTER ROLE #ann SET search_path = "$user", "My Schema", public; ALTER ROLE #ann SET "DateStyle" = 'ISO, DMY'; ALTER ROLE #ann SET myapp.tenant = 'acme'`,
		"one name that is meant as several": `ALTER ROLE #ann SET search_path = 'app, public'`,
		"a comma in a name":                 `ALTER ROLE #ann SET search_path = "a,b", public, "c""d"`,
		"an empty path":                     `ALTER ROLE #ann SET search_path = ''`,
		"an empty value":                    `ALTER ROLE #ann SET application_name = ''`,
		"for superusers":                    `ALTER ROLE #ann SET log_statement = 'all'; ALTER ROLE #ann SET session_preload_libraries = 'auto_explain'`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, true)
			w.dba(t, settings)
			w.dba(t, `ALTER ROLE #ann CONNECTION LIMIT 7 VALID UNTIL '2031-02-03 04:05:06.789+02' NOINHERIT; COMMENT ON ROLE #ann IS 'Ann''s';
				ALTER ROLE #ann PASSWORD 'SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$JVJlGXZ0FdDSHrXuZoPWfHYpmjH+CKeqYVIzZ4YrZIE=:Tt4iyHh6oXb8Jyvnh8N6Hj8kcp+pDJz4d2hWFiqGhC4='`)
			w.dba(t, `ALTER ROLE #ann IN DATABASE `+w.Name+` SET statement_timeout = '5s'; ALTER ROLE #ann IN DATABASE postgres SET statement_timeout = '6s'`)
			w.exec(t, `CREATE ROLE #loose; GRANT #loose TO #ann WITH ADMIN OPTION; SELECT auth.manage_relationship('#ann', '#writers', 'add', _admin => true)`)
			w.exec(t, `SELECT auth.apply_database_roles()`) // NOINHERIT
			if w.major >= 16 {
				w.exec(t, `GRANT #loose TO #ann WITH INHERIT FALSE, SET FALSE`)
			}
			before := w.everything(t, "#ann")
			for _, kind := range []string{"suspend", "disable"} {
				w.exec(t, `CALL auth.deprovision_identity('#ann', 'a leave', _kind => '`+kind+`')`)
				w.expect(t, w.DB, "#ann", "NOLOGIN")
				if got := w.proof(t, "#ann"); got != "" {
					t.Errorf("ways in left: %s", got)
				}
				w.same(t, w.DB, `SELECT state || ' ' || reason FROM auth.database_role WHERE role_name = '#ann'`, map[string]string{"suspend": "suspended", "disable": "disabled"}[kind]+" a leave")
				w.same(t, w.DB, `SELECT is_active FROM auth.user_info WHERE user_id = @ann`, "false")
				w.settled(t)
				w.unchanged(t, kind, func() { w.exec(t, `CALL auth.deprovision_identity('#ann', 'a leave', _kind => '`+kind+`')`) })
				// Nothing but coming back lets anybody in.
				w.exec(t, `SELECT auth.enable_user(@ann); SELECT auth.sync_provider_identities(@entra, ARRAY['{"provider_user_id": "ann_entra", "groups": ["Staff", "X"]}']::jsonb[]);
					SELECT auth.add_group_member(@helpers, @ann); SELECT auth.remove_group_member(@helpers, @ann); SELECT auth.apply_database_roles();
					SELECT auth.update_user_identity_on_login(@entra, 'ann_entra', '{Staff}')`)
				w.expect(t, w.DB, "#ann", "NOLOGIN")

				w.exec(t, `CALL auth.restore_identity('#ann', 'back')`)
				if got := w.everything(t, "#ann"); got != before {
					t.Errorf("came back as\n%s\nwas\n%s", got, before)
				}
				w.same(t, w.DB, `SELECT is_active FROM auth.user_info WHERE user_id = @ann`, "true")
				w.settled(t)
				w.unchanged(t, "restore", func() { w.exec(t, `CALL auth.restore_identity('#ann', 'back')`) })
			}
		})
	}
}

func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	elsewhere := harness.Shared(t).Empty(t)
	w.dba(t, `CREATE ROLE #bystander LOGIN; GRANT #ann TO #bystander`)
	sessions := map[string]*pgx.Conn{
		"idle":        harness.Connect(t, w.URL(t, w.name("#ann"))),
		"SET ROLE":    harness.Connect(t, w.URL(t, w.name("#ann"))),
		"transaction": harness.Connect(t, w.URL(t, w.name("#ann"))),
		"elsewhere":   harness.Connect(t, elsewhere.URL(t, w.name("#ann"))),
		"busy":        harness.Connect(t, w.URL(t, w.name("#ann"))),
	}
	harness.Exec(t, sessions["SET ROLE"], w.name("SET ROLE #readers"))
	harness.Exec(t, sessions["transaction"], "BEGIN; SELECT 1")
	busy := make(chan error, 1)
	go func() { _, err := sessions["busy"].Exec(t.Context(), "SELECT pg_sleep(60)"); busy <- err }()
	bystander := harness.Connect(t, w.URL(t, w.name("#bystander")))
	harness.Exec(t, bystander, w.name("SET ROLE #ann"))
	bob := harness.Connect(t, w.URL(t, w.name("#bob")))

	report := harness.One[map[string]any](t, w.DB, w.name(`CALL auth.deprovision_identity('#ann', 'gone')`))
	if report["sessions_ended"] != 5.0 {
		t.Errorf("report is %v", report)
	}
	select {
	case err := <-busy:
		if state(err) != "57P01" {
			t.Errorf("the busy one ended with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the busy session goes on")
	}
	delete(sessions, "busy")
	for name, conn := range sessions {
		if _, err := conn.Exec(t.Context(), "SELECT 1"); err == nil {
			t.Errorf("session %q goes on", name)
		}
	}
	harness.Exec(t, bystander, "SELECT 1")
	harness.Exec(t, bob, "SELECT 1")
	if _, err := pgx.Connect(t.Context(), w.URL(t, w.name("#ann"))); state(err) == "" {
		t.Error("she logged in again")
	}
	w.settled(t)
	// The right to end sessions was for that moment.
	w.same(t, w.super, `SELECT count(*) FROM pg_auth_members a WHERE a.roleid = '#ann'::regrole AND a.grantor <> 10 AND a.member <> '#bystander'::regrole`, "0")
}

func TestSessionsThatMayStay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	session := harness.Connect(t, w.URL(t, w.name("#ann")))
	report := harness.One[map[string]any](t, w.DB, w.name(`CALL auth.deprovision_identity('#ann', 'gone', _terminate => false)`))
	if report["sessions_ended"] != 0.0 {
		t.Errorf("report is %v", report)
	}
	harness.Exec(t, session, "SELECT 1")
	if got := w.proof(t, "#ann"); !strings.HasPrefix(got, "session pid ") {
		t.Errorf("the proof is %s", got)
	}
	_ = w.mustFail(t, session, "42501", "SET ROLE #readers")
	// The steps, one by one.
	w.same(t, w.DB, `SELECT auth.end_identity_sessions('#ann')`, "1")
	if _, err := session.Exec(t.Context(), "SELECT 1"); err == nil {
		t.Error("it goes on")
	}
	// The client knows before the server has cleaned up.
	for deadline := time.Now().Add(10 * time.Second); w.text(t, w.DB, `SELECT auth.end_identity_sessions('#ann')`) != "0"; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the session does not end")
		}
	}
	_ = w.mustFail(t, w.DB, "RW511", `SELECT auth.end_identity_sessions('#bob')`)
	_ = w.mustFail(t, w.DB, "RW511", `SELECT auth.finish_deprovision('#bob')`)
}

// Disabling cannot end sessions, since it does not commit; whoever is out can be logged out all the same.
func TestTheSessionsOfWhoWasDisabledCanBeEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	session := harness.Connect(t, w.URL(t, w.name("#ann")))
	_ = w.mustFail(t, w.DB, "RW511", `SELECT auth.end_identity_sessions('#ann')`)
	w.exec(t, `SELECT auth.disable_user(@ann)`)
	harness.Exec(t, session, "SELECT 1")
	w.same(t, w.DB, `SELECT auth.end_identity_sessions('#ann')`, "1")
	if _, err := session.Exec(t.Context(), "SELECT 1"); err == nil {
		t.Error("it goes on")
	}
	w.settled(t)
}

func TestDeprovisionFailsWithinATransactionBlockAndChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.unchanged(t, "a refused deprovision", func() {
		tx := w.begin(t)
		_ = w.mustFail(t, tx, "2D000", `CALL auth.deprovision_identity('#ann', 'gone')`)
		harness.Exec(t, tx, "ROLLBACK")
		harness.MustFail(t, w.DB, "2D000", w.name(`DO $$ DECLARE r jsonb; BEGIN BEGIN CALL auth.deprovision_identity('#ann', 'gone', _report => r); EXCEPTION WHEN division_by_zero THEN NULL; END; END $$`))
	})
	w.expect(t, w.DB, "#ann", "LOGIN #readers")
}

func TestElevatedAttributesGoAndComeBackOnlyWhenNamedByAnAdministrator(t *testing.T) {
	t.Parallel()
	w := newWorldAlone(t, true)
	w.dba(t, `ALTER ROLE #ann CREATEDB CREATEROLE`)
	if w.major >= 16 {
		w.dba(t, `ALTER ROLE rolewright_owner CREATEDB`)
	}
	attributes := `SELECT concat_ws(' ', CASE WHEN rolcreatedb THEN 'createdb' END, CASE WHEN rolcreaterole THEN 'createrole' END) FROM pg_roles WHERE rolname = '#ann'`
	w.dba(t, `CREATE ROLE #other LOGIN IN ROLE rolewright_operator`)
	olga := w.operator(t)
	w.execIn(t, olga, `CALL auth.deprovision_identity('#ann', 'gone', _strip_elevated => false)`)
	w.same(t, w.DB, attributes, "createdb createrole")
	w.expect(t, w.DB, "#ann", "NOLOGIN")
	w.settled(t)
	w.execIn(t, olga, `CALL auth.deprovision_identity('#ann', 'gone')`)
	w.same(t, w.DB, attributes, "")
	w.settled(t)
	_ = w.mustFail(t, olga, "RW513", `CALL auth.restore_identity('#ann', 'back', '{createdb}')`)
	_ = w.mustFail(t, w.DB, "RW519", `CALL auth.restore_identity('#ann', 'back', '{login}')`)
	_ = w.mustFail(t, w.DB, "RW519", `CALL auth.restore_identity('#ann', 'back', '{createdb,NULL}')`)
	w.expect(t, w.DB, "#ann", "NOLOGIN")
	w.execIn(t, olga, `CALL auth.restore_identity('#ann', 'back')`)
	w.same(t, w.DB, attributes, "")
	w.expect(t, w.DB, "#ann", "LOGIN #readers")
	w.dba(t, `ALTER ROLE #ann CREATEDB`)
	w.exec(t, `CALL auth.deprovision_identity('#ann', 'gone'); CALL auth.restore_identity('#ann', 'back', '{createdb,createrole}')`)
	w.same(t, w.DB, attributes, "createdb") // createrole was not recorded this time
	w.settled(t)
}

func TestASuperusersLeave(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.dba(t, `ALTER ROLE #ann SUPERUSER REPLICATION BYPASSRLS; CREATE ROLE #club`)
	w.unchanged(t, "refused", func() { _ = w.mustFail(t, w.DB, "RW506", `CALL auth.deprovision_identity('#ann', 'gone')`) })
	session := harness.Connect(t, w.URL(t, w.name("#ann")))
	w.dba(t, `CALL auth.deprovision_identity('#ann', 'gone')`)
	if _, err := session.Exec(t.Context(), "SELECT 1"); err == nil {
		t.Error("the session goes on")
	}
	w.same(t, w.DB, `SELECT concat(rolcanlogin, rolsuper, rolreplication, rolbypassrls) FROM pg_roles WHERE rolname = '#ann'`, "ffff")
	w.expect(t, w.DB, "#ann", "NOLOGIN")
	w.settled(t)
	w.dba(t, `CALL auth.restore_identity('#ann', 'back', '{superuser}')`)
	w.same(t, w.DB, `SELECT concat(rolcanlogin, rolsuper, rolreplication, rolbypassrls) FROM pg_roles WHERE rolname = '#ann'`, "ttff")
	// What was recorded the first time is not what is recorded the second time.
	w.dba(t, `GRANT #club TO #ann; ALTER ROLE #ann CONNECTION LIMIT 3`)
	w.dba(t, `CALL auth.deprovision_identity('#ann', 'gone'); CALL auth.restore_identity('#ann', 'back')`)
	w.same(t, w.DB, `SELECT concat(rolcanlogin, rolsuper, rolreplication, rolbypassrls, rolconnlimit) FROM pg_roles WHERE rolname = '#ann'`, "tfff3")
	w.expect(t, w.DB, "#ann", "LOGIN #club #readers")
	w.settled(t)
}

func TestWhoWasDisabledBeforeStaysDisabled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.exec(t, `CREATE ROLE #club; GRANT #club TO #ann`)
	w.exec(t, `SELECT auth.disable_user(@ann); CALL auth.deprovision_identity('#ann', 'gone')`)
	report := harness.One[map[string]any](t, w.DB, w.name(`CALL auth.restore_identity('#ann', 'back')`))
	if !strings.Contains(w.plain(strings.Join(strings.Fields(sprint(report)), " ")), `user "#ann" is disabled`) {
		t.Errorf("the report does not say why not: %v", report)
	}
	w.expect(t, w.DB, "#ann", "NOLOGIN")
	w.same(t, w.DB, `SELECT is_active FROM auth.user_info WHERE user_id = @ann`, "false")
	w.settled(t)
	w.exec(t, `SELECT auth.enable_user(@ann); CALL auth.restore_identity('#ann', 'back')`)
	w.expect(t, w.DB, "#ann", "LOGIN #club #readers")
	w.settled(t)
}

func TestALeaverThroughTheFeedWhoReturns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.exec(t, `CREATE ROLE #club; GRANT #club TO #ann; SELECT auth.manage_relationship('#ann', '#writers', 'add')`)
	w.exec(t, `SELECT auth.sync_provider_identities(@entra, ARRAY['{"provider_user_id": "bob_entra"}']::jsonb[], _disable_missing => true, _max_disable => 1)`)
	w.expect(t, w.DB, "#ann", "NOLOGIN")
	w.exec(t, `SELECT auth.sync_provider_identities(@entra, ARRAY['{"provider_user_id": "ann_entra"}']::jsonb[])`)
	w.expect(t, w.DB, "#ann", "LOGIN #readers #writers")
	w.exec(t, `CALL auth.restore_identity('#ann', 'back')`)
	w.expect(t, w.DB, "#ann", "LOGIN #club #readers #writers")
	w.settled(t)
	// What was taken away later does not come back.
	w.exec(t, `REVOKE #club FROM #ann; CALL auth.restore_identity('#ann', 'again')`)
	w.expect(t, w.DB, "#ann", "LOGIN #readers #writers")
}

func TestRestoreIsCutToTodaysRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.exec(t, `CREATE ROLE #club; CREATE ROLE #gone; CREATE ROLE #guarded; CREATE ROLE #power; GRANT #club, #gone, #guarded, #power TO #ann;
		SELECT auth.add_group_member(@helpers, @ann); CALL auth.deprovision_identity('#ann', 'leave', _kind => 'suspend')`)
	w.dba(t, `GRANT pg_monitor TO #power; ALTER ROLE #club CREATEDB`)
	w.exec(t, `DROP ROLE #gone; SELECT auth.protect_role('#guarded'); SELECT auth.remove_group_member(@helpers, @ann);
		SELECT auth.update_user_identity_on_login(@entra, 'ann_entra', '{}', '{Clerk}') WHERE auth.enable_user(@ann)`)
	report := harness.One[map[string]any](t, w.DB, w.name(`CALL auth.restore_identity('#ann', 'back')`))
	w.expect(t, w.DB, "#ann", "LOGIN #writers")
	for _, reason := range []string{"that role is gone", "it is protected", "it would elevate the role", "nothing gives this membership any more"} {
		if !strings.Contains(sprint(report), reason) {
			t.Errorf("the report does not say %q: %v", reason, report)
		}
	}
	w.settled(t)
}

func TestRolesWithoutAUserAndUsersWithoutARole(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.exec(t, `CREATE ROLE #job LOGIN CONNECTION LIMIT 2; SELECT auth.adopt_role('#job'); SELECT auth.manage_relationship('#job', '#writers', 'add')`)
	w.expect(t, w.DB, "#job", "LOGIN #writers")
	w.exec(t, `CALL auth.deprovision_identity('#job', 'retired')`)
	w.expect(t, w.DB, "#job", "NOLOGIN")
	w.settled(t)
	w.unchanged(t, "deprovision", func() { w.exec(t, `CALL auth.deprovision_identity('#job', 'retired')`) })
	_ = w.mustFail(t, w.DB, "RW511", `SELECT auth.manage_relationship('#job', '#readers', 'add')`)
	w.exec(t, `CALL auth.restore_identity('#job', 'needed')`)
	w.expect(t, w.DB, "#job", "LOGIN #writers")
	w.settled(t)
	w.unchanged(t, "restore", func() { w.exec(t, `CALL auth.restore_identity('#job', 'needed')`) })
	// It could not log in before, and cannot after.
	w.exec(t, `ALTER ROLE #job NOLOGIN; CALL auth.deprovision_identity('#job', 'retired'); CALL auth.restore_identity('#job', 'needed')`)
	w.expect(t, w.DB, "#job", "NOLOGIN #writers")

	w.exec(t, `SELECT auth.create_user('#cy')`)
	w.learn(t)
	w.exec(t, `CALL auth.deprovision_identity(upper('#cy'), 'gone')`)
	w.same(t, w.DB, `SELECT is_active FROM auth.user_info WHERE user_id = @cy`, "false")
	w.unchanged(t, "deprovision of a user", func() { w.exec(t, `CALL auth.deprovision_identity('#cy', 'gone')`) })
	if got := w.proof(t, "#cy"); got != "" {
		t.Errorf("the proof is %s", got)
	}
	w.exec(t, `CALL auth.restore_identity('#cy', 'back')`)
	w.same(t, w.DB, `SELECT is_active FROM auth.user_info WHERE user_id = @cy`, "true")
	w.unchanged(t, "restore of a user", func() { w.exec(t, `CALL auth.restore_identity('#cy', 'back')`) })
	harness.Exec(t, w.DB, `CALL auth.deprovision_identity($1, 'by id')`, w.ids["bob"])
	w.expect(t, w.DB, "#bob", "NOLOGIN")
}

func TestWhoCannotBePutOut(t *testing.T) {
	t.Parallel()
	w := newWorldAlone(t, true)
	w.dba(t, `CREATE ROLE #free LOGIN; CREATE ROLE #kept LOGIN; CREATE ROLE #root SUPERUSER LOGIN; CREATE ROLE #cy LOGIN`)
	w.exec(t, `SELECT auth.adopt_role('#kept'); SELECT auth.adopt_role('#root'); SELECT auth.adopt_role('#cy'); SELECT auth.protect_role('#kept'); SELECT auth.create_user('#cy');
		SELECT auth.create_user('#taken')`)
	w.learn(t)
	w.exec(t, `SELECT auth.bind_user_role(@taken, '#free')`)
	olga := w.operator(t)
	w.exec(t, `SELECT auth.adopt_role('#olga')`)
	super := w.As(t, w.name("#root"))
	for _, c := range []struct {
		who      *pgx.Conn
		sqlstate string
		name     string
	}{
		{olga, "RW503", "#olga"}, {olga, "RW503", "postgres"}, {olga, "RW503", harness.Owner}, {olga, "RW503", "pg_monitor"}, {olga, "RW503", "pg_nothing"},
		{olga, "RW503", "#kept"}, {olga, "RW019", "#free"}, {olga, "RW011", "#nobody"}, {olga, "RW504", ""}, {olga, "RW504", "public"},
		{olga, "RW504", strings.Repeat("x", 64)}, {olga, "RW512", "#cy"}, {olga, "RW503", "rolewright_operator"}, {super, "RW503", "#root"}, {super, "RW503", "postgres"},
		{olga, "RW011", "'; DROP ROLE x; --"}, {olga, "RW011", "#ann "},
	} {
		w.unchanged(t, "refused deprovision of "+c.name, func() {
			harness.MustFail(t, c.who, c.sqlstate, `CALL auth.deprovision_identity($1, 'gone')`, w.name(c.name))
			harness.MustFail(t, c.who, c.sqlstate, `SELECT auth.begin_deprovision($1, 'gone')`, w.name(c.name))
			if c.name != "#free" {
				harness.MustFail(t, c.who, c.sqlstate, `CALL auth.restore_identity($1, 'back')`, w.name(c.name))
			}
		})
	}
	w.unchanged(t, "refused", func() {
		harness.MustFail(t, w.DB, "RW519", w.name(`CALL auth.deprovision_identity('#ann', '  ')`))
		harness.MustFail(t, w.DB, "RW519", w.name(`CALL auth.deprovision_identity('#ann', NULL)`))
		harness.MustFail(t, w.DB, "RW519", w.name(`CALL auth.deprovision_identity('#ann', 'gone', _kind => 'holiday')`))
		harness.MustFail(t, w.DB, "RW519", w.name(`CALL auth.restore_identity('#ann', '')`))
	})

	// The last who can run Rolewright, directly or through a group.
	w.dba(t, `CREATE ROLE #desk; GRANT rolewright_operator TO #desk; GRANT #desk TO #ann`)
	w.exec(t, `SELECT auth.release_role('#olga')`)
	w.dba(t, `ALTER ROLE #olga NOLOGIN`)
	_ = w.mustFail(t, w.DB, "RW515", `CALL auth.deprovision_identity('#ann', 'gone')`)
	w.expect(t, w.DB, "#ann", "LOGIN #desk #readers")
	w.dba(t, `ALTER ROLE #olga LOGIN; CALL auth.deprovision_identity('#ann', 'gone')`)
	w.expect(t, w.DB, "#ann", "NOLOGIN")

	// The last superuser that can log in.
	harness.Exec(t, super, "ALTER ROLE postgres NOLOGIN")
	harness.MustFail(t, w.DB, "RW515", w.name(`SELECT auth.begin_deprovision('#root', 'gone')`))
	harness.Exec(t, super, "ALTER ROLE postgres LOGIN")
}

func TestALeaverOfTheOwnersRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	if w.major >= 16 {
		t.Skip("from 16 on, who administers a role cannot be its member")
	}
	w.dba(t, `GRANT rolewright_owner TO #ann`)
	session := harness.Connect(t, w.URL(t, w.name("#ann")))
	w.exec(t, `CALL auth.deprovision_identity('#ann', 'gone')`)
	if _, err := session.Exec(t.Context(), "SELECT 1"); err == nil {
		t.Error("the session goes on")
	}
	w.expect(t, w.DB, "#ann", "NOLOGIN")
	w.settled(t)
}

// There is no role yet, or not any more: leaving and coming back are the user's then.
func TestWhoseRoleIsNotThereLeavesAndComesBackToo(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]string{"not yet": `SELECT 1`, "no more": `SELECT auth.apply_database_roles(); DROP ROLE #ann`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, false)
			w.exec(t, `SELECT auth.bind_group_role(@staff, '#readers'); SELECT auth.apply_database_roles(); SELECT auth.bind_user_role(@ann, '#ann')`)
			w.exec(t, prepare)
			w.exec(t, `CALL auth.deprovision_identity('#ann', 'gone')`)
			w.same(t, w.DB, `SELECT is_active FROM auth.user_info WHERE user_id = @ann`, "false")
			w.expect(t, w.DB, "#ann", "missing")
			w.settled(t)
			w.unchanged(t, "deprovision", func() { w.exec(t, `CALL auth.deprovision_identity('#ann', 'gone')`) })
			w.exec(t, `CALL auth.restore_identity('#ann', 'back'); SELECT auth.apply_database_roles()`)
			w.same(t, w.DB, `SELECT is_active FROM auth.user_info WHERE user_id = @ann`, "true")
			w.expect(t, w.DB, "#ann", "LOGIN #readers")
			w.settled(t)
		})
	}
}

// What goes wrong on the way leaves somebody who cannot log in, and the next run finishes.
func TestAnInterruptedLeavingIsFinishedByTheNextRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.exec(t, `CREATE ROLE #club; GRANT #club TO #ann; SELECT auth.begin_deprovision('#ann', 'gone')`)
	w.expect(t, w.DB, "#ann", "NOLOGIN #club #readers")
	w.exec(t, `CALL auth.deprovision_identity('#ann', 'gone')`)
	w.expect(t, w.DB, "#ann", "NOLOGIN")
	w.exec(t, `CALL auth.restore_identity('#ann', 'back')`)
	w.expect(t, w.DB, "#ann", "LOGIN #club #readers")
	w.settled(t)
	tx := w.begin(t)
	before := w.traces(t)
	w.execIn(t, tx, `SELECT auth.begin_deprovision('#ann', 'gone'); SELECT auth.finish_deprovision('#ann'); SELECT auth.restore_role('#ann', 'no'); ROLLBACK`)
	if after := w.traces(t); after != before {
		t.Errorf("ROLLBACK leaves %s", after)
	}
}

func TestARoleThatWasRenamedBehindOurBackIsNotPutOutSilently(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.dba(t, `ALTER ROLE #ann RENAME TO #anna`)
	w.unchanged(t, "refused", func() { _ = w.mustFail(t, w.DB, "RW506", `CALL auth.deprovision_identity('#ann', 'gone')`) })
	_ = w.mustFail(t, w.super, "RW517", `CALL auth.deprovision_identity('#ann', 'gone')`)
	w.dba(t, `ALTER ROLE #anna RENAME TO #ann; CALL auth.deprovision_identity('#ann', 'gone')`)
	w.expect(t, w.DB, "#ann", "NOLOGIN")
	w.settled(t)
	w.exec(t, `CALL auth.restore_identity('#ann', 'back'); CALL auth.deprovision_identity('#bob', 'gone')`)
	w.dba(t, `DROP ROLE #ann; DROP ROLE #bob`)
	w.exec(t, `CALL auth.deprovision_identity('#ann', 'gone')`)
	w.settled(t)
	w.exec(t, `CALL auth.restore_identity('#ann', 'back'); CALL auth.restore_identity('#bob', 'back')`)
	w.expect(t, w.DB, "#ann", "LOGIN #readers")
	w.expect(t, w.DB, "#bob", "LOGIN")
	w.settled(t)
}
