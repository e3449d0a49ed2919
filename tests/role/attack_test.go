package role_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rolewright/rolewright/tests/harness"
)

// within runs a statement in a session of the owner's that has to be done after some seconds; the SQLSTATE, or that it was not.
func (w *world) within(t testing.TB, limit time.Duration, sql string) string {
	t.Helper()
	conn := harness.Connect(t, w.OwnerURL)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	_, err := conn.Exec(ctx, w.name(sql), w.ids)
	if errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		return "still waiting"
	}
	return state(err)
}

// Whoever wants a name that somebody has gives him nothing, and gets nothing of him: all in one plan.
func TestPeopleWhoWantOneNameDoNotShareTheirGroups(t *testing.T) {
	t.Parallel()
	t.Run("two new ones", func(t *testing.T) {
		t.Parallel()
		w := creating(t, "{username}")
		w.exec(t, `SELECT auth.create_group_mapping(@clerks, @github, 'Clerks');
			SELECT auth.update_provider(@github, _creates_roles => false, _role_name_template => '#x_{email_local}');
			SELECT auth.ensure_user_from_provider(@github, 'a', 'kim@example.org', NULL, '{Clerks}', NULL, '{"preferred_username": "#a"}');
			SELECT auth.ensure_user_from_provider(@github, 'b', 'kim@example.com', NULL, '{Devs}', NULL, '{"preferred_username": "#b"}');
			SELECT auth.update_provider(@github, _creates_roles => true);
			SELECT auth.apply_database_roles(_skip_conflicts => true)`)
		if got := w.role(t, w.DB, "#x_kim"); got != "LOGIN #coding" && got != "LOGIN #writers" {
			t.Errorf("#x_kim is %s", got)
		}
	})
	t.Run("two in a feed", func(t *testing.T) {
		t.Parallel()
		w := creating(t, "{username}")
		w.exec(t, `SELECT auth.create_group_mapping(@clerks, @github, 'Clerks');
			SELECT auth.update_provider(@github, _creates_roles => false, _role_name_template => '#x_{email_local}');
			SELECT auth.ensure_user_from_provider(@github, 'a', 'kim@example.org', NULL, '{}', NULL, '{"preferred_username": "#a"}');
			SELECT auth.ensure_user_from_provider(@github, 'b', 'kim@example.com', NULL, '{}', NULL, '{"preferred_username": "#b"}');
			SELECT auth.update_provider(@github, _creates_roles => true);
			SELECT auth.sync_provider_identities(@github, ARRAY['{"provider_user_id": "a", "groups": ["Clerks"]}', '{"provider_user_id": "b", "groups": ["Devs"]}']::jsonb[])`)
		if got := w.role(t, w.DB, "#x_kim"); got != "LOGIN #coding" && got != "LOGIN #writers" {
			t.Errorf("#x_kim is %s", got)
		}
	})
	for name, make := range map[string]string{
		"nobody's":   `SELECT auth.sync_identity('#x_kim', '{}')`,
		"somebody's": `SELECT auth.create_user('#kim'); SELECT auth.bind_user_role((SELECT user_id FROM auth.user_info WHERE username = '#kim'), '#x_kim'); SELECT auth.apply_database_roles()`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := creating(t, "{username}")
			w.exec(t, `SELECT auth.update_provider(@github, _role_name_template => '#x_{email_local}')`)
			w.exec(t, make)
			w.exec(t, `SELECT auth.ensure_user_from_provider(@github, 'b', 'kim@example.com', NULL, '{Devs}', NULL, '{"preferred_username": "#b"}'); SELECT auth.apply_database_roles(_skip_conflicts => true)`)
			w.expect(t, w.DB, "#x_kim", "LOGIN")
		})
	}
}

func TestALeaverCannotHoldUpHisLeaving(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"roles lock":    `SELECT pg_advisory_lock(hashtextextended('rolewright: roles', 0))`,
		"bindings lock": `SELECT pg_advisory_lock(hashtextextended('rolewright: bindings', 0))`,
		"own password":  `BEGIN; ALTER ROLE CURRENT_USER PASSWORD 'new'`,
		"own setting":   `BEGIN; ALTER ROLE CURRENT_USER SET work_mem = '1MB'`,
		"a delegate":    `BEGIN; GRANT #readers TO #tool`,
		"ends it":       `BEGIN; REVOKE #readers FROM #ann`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, true)
			w.exec(t, `SELECT auth.bind_group_role(@staff, '#readers', _admin => true); SELECT auth.apply_database_roles(); CREATE ROLE #tool`)
			ann := harness.Connect(t, w.URL(t, w.name("#ann")))
			w.execIn(t, ann, sql)
			if got := w.within(t, 12*time.Second, `CALL auth.deprovision_identity('#ann', 'gone')`); got != "" {
				t.Errorf("deprovision: %s", got)
			}
			w.expect(t, w.DB, "#ann", "NOLOGIN")
			if _, err := ann.Exec(t.Context(), "SELECT 1"); err == nil {
				t.Error("the leaver's session goes on")
			}
		})
	}
}

func TestNobodyWithoutRightsHoldsUpEverybody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.dba(t, `CREATE ROLE #stranger LOGIN`)
	stranger := harness.Connect(t, w.URL(t, w.name("#stranger")))
	w.execIn(t, stranger, `SELECT pg_advisory_lock(hashtextextended('rolewright: bindings', 0)); SELECT pg_advisory_lock(hashtextextended('rolewright: roles', 0))`)
	if got := w.within(t, 5*time.Second, `SELECT auth.update_user_identity_on_login(@entra, 'bob_entra', '{Staff}')`); got != "" {
		t.Errorf("a login: %s", got)
	}
	w.expect(t, w.DB, "#bob", "LOGIN #readers")
}

// Somebody lets the absent in for a moment; what was recorded when the absence began is still what comes back.
func TestDriftDuringALeaveDoesNotReplaceWhatWasRecorded(t *testing.T) {
	t.Parallel()
	for name, drift := range map[string]string{
		"suspended": `CALL auth.deprovision_identity('#ann', 'a leave', _kind => 'suspend')`,
		"disabled":  `SELECT auth.disable_user(@ann)`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, true)
			w.exec(t, `CREATE ROLE #loose; GRANT #loose TO #ann`)
			w.exec(t, drift)
			w.dba(t, `ALTER ROLE #ann LOGIN`)
			w.exec(t, `SELECT auth.apply_database_roles()`)
			w.expect(t, w.DB, "#ann", "NOLOGIN")
			w.exec(t, `SELECT auth.enable_user(@ann); CALL auth.restore_identity('#ann', 'back')`)
			w.expect(t, w.DB, "#ann", "LOGIN #loose #readers")
			w.settled(t)
		})
	}
}

// What a DBA had decided before somebody left is what comes back, not what was recorded at an earlier occasion.
func TestRestoreDoesNotUndoWhatADBADecidedBeforeTheLeave(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.exec(t, `CREATE ROLE #old; CREATE ROLE #new; SELECT auth.sync_identity('#svc', '{"login": true}'); GRANT #old TO #svc;
		SELECT auth.sync_identity('#svc', '{"login": false}')`)
	w.exec(t, `REVOKE #old FROM #svc; GRANT #new TO #svc`)
	w.expect(t, w.DB, "#svc", "NOLOGIN #new")
	w.exec(t, `CALL auth.deprovision_identity('#svc', 'gone')`)
	w.exec(t, `CALL auth.restore_identity('#svc', 'back')`)
	w.expect(t, w.DB, "#svc", "NOLOGIN #new")
	w.settled(t)
}

// What restore says that it did, it did: attributes and memberships together.
func TestRestoreDoesAllThatItReports(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.dba(t, `ALTER ROLE #ann CREATEROLE`)
	w.exec(t, `CREATE ROLE #loose; GRANT #loose TO #ann; CALL auth.deprovision_identity('#ann', 'a leave', _kind => 'suspend')`)
	report := harness.One[map[string]any](t, w.DB, w.name(`CALL auth.restore_identity('#ann', 'back', '{createrole}')`))
	if got := sprint(report); !strings.Contains(got, w.name("ALTER ROLE #ann CREATEROLE")) {
		t.Errorf("report is %s", got)
	}
	w.expect(t, w.DB, "#ann", "LOGIN #loose #readers")
	w.same(t, w.DB, `SELECT rolcreaterole FROM pg_roles WHERE rolname = '#ann'`, "true")

	w.exec(t, `SELECT auth.sync_identity('#svc', '{}'); GRANT #loose TO #svc; CALL auth.deprovision_identity('#svc', 'gone'); CALL auth.restore_identity('#svc', 'back')`)
	w.expect(t, w.DB, "#svc", "LOGIN #loose")
}

// A membership that PostgreSQL refuses as a circle is a conflict of one, and stops nobody else.
func TestACircleOfMembershipsIsAConflict(t *testing.T) {
	t.Parallel()
	for name, circle := range map[string]string{
		"direct": `GRANT #bob TO #readers`,
		"nested": `CREATE ROLE #team; GRANT #bob TO #team; GRANT #team TO #readers`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, true)
			w.dba(t, circle)
			for _, sql := range []string{
				`SELECT auth.update_user_identity_on_login(@entra, 'bob_entra', '{Staff}')`,
				`SELECT auth.sync_provider_identities(@entra, ARRAY['{"provider_user_id": "bob_entra", "groups": ["Staff"]}', '{"provider_user_id": "ann_entra", "groups": []}']::jsonb[])`,
				`SELECT auth.apply_database_roles(_skip_conflicts => true)`,
			} {
				if _, err := w.Exec(t.Context(), w.name(sql), w.ids); err != nil {
					t.Errorf("%v in %s", err, sql)
				}
			}
			w.expect(t, w.DB, "#ann", "LOGIN")
			if got := w.plan(t, w.DB); !strings.HasPrefix(got, "conflict #bob #readers: ") || strings.Contains(got, "; grant #bob") {
				t.Errorf("plan is %s", got)
			}
		})
	}
}

// Whoever is bound while the leaving waits for the user, leaves too.
func TestALeavingThatWaitedForABindingSeesIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	w.exec(t, `SELECT auth.bind_group_role(@staff, '#readers'); SELECT auth.apply_database_roles()`)
	other := w.begin(t)
	w.execIn(t, other, `SELECT auth.bind_user_role(@ann, '#ann'); SELECT auth.apply_database_roles()`)
	wait := w.start(t, harness.Connect(t, w.OwnerURL), `CALL auth.deprovision_identity('#ann', 'gone')`)
	w.execIn(t, other, `COMMIT`)
	if err := wait(); err != nil {
		t.Errorf("deprovision: %v", err)
	}
	if got := w.role(t, w.DB, "#ann"); got != "NOLOGIN" && got != "missing" {
		t.Errorf("#ann is %s", got)
	}
	w.settled(t)
}

// "Nothing to do" is only said by who has looked at what is there now.
func TestNothingToDoIsNotSaidFromAnOldSnapshot(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"apply":      `SELECT auth.apply_database_roles()`,
		"attributes": `SELECT auth.sync_identity('#svc', '{"connection_limit": 1}')`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, true)
			w.exec(t, `SELECT auth.sync_identity('#svc', '{"connection_limit": 1}')`)
			old := harness.Connect(t, w.OwnerURL)
			w.execIn(t, old, `BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM auth.database_role`)
			w.dba(t, `ALTER ROLE #svc CONNECTION LIMIT 5; GRANT #readers TO #bob; ALTER ROLE #bob NOLOGIN`)
			_ = w.mustFail(t, old, "RW501", sql)
		})
	}
}

func TestAGrantMeetsTheDropOfItsGroupRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.exec(t, `SELECT auth.update_user_identity_on_login(@entra, 'ann_entra', '{}')`)
	w.expect(t, w.DB, "#ann", "LOGIN")
	dba := w.begin(t, w.SuperURL)
	w.execIn(t, dba, `DROP ROLE #readers`)
	wait := w.start(t, harness.Connect(t, w.OwnerURL), `SELECT auth.add_group_member(@staff, @bob)`)
	w.execIn(t, dba, `COMMIT`)
	_ = wait()
	w.noOrphans(t)
	w.same(t, w.super, `SELECT count(*) FROM pg_auth_members WHERE member = '#bob'::regrole AND roleid NOT IN (SELECT oid FROM pg_authid)`, "0")
}

func TestTheCallersSettingsGiveTheOwnerNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	w.since16(t)
	olga := w.operator(t)
	w.execIn(t, olga, `SET createrole_self_grant = 'set, inherit'; SELECT auth.bind_user_role(@ann, '#ann'); SELECT auth.bind_group_role(@staff, '#readers');
		SELECT auth.apply_database_roles(); SELECT auth.sync_identity('#svc', '{}')`)
	w.settled(t)
}

func TestThePlanIsTheSameInEverySession(t *testing.T) {
	t.Parallel()
	w := creating(t, "{username}")
	w.exec(t, `SELECT auth.update_provider(@github, _role_attributes => '{"settings": {"search_path": "app, public"}}');
		SELECT auth.ensure_user_from_provider(@github, 'dana', NULL, NULL, '{Devs}', NULL, '{"preferred_username": "#dana"}')`)
	w.planned(t)
	for _, setting := range []string{`quote_all_identifiers = on`, `DateStyle = 'German'`, `TimeZone = 'Asia/Kathmandu'`, `standard_conforming_strings = off`, `transform_null_equals = on`, `bytea_output = 'escape'`, `array_nulls = off`} {
		conn := harness.Connect(t, w.OwnerURL)
		harness.Exec(t, conn, "SET "+setting)
		if got := w.plan(t, conn); got != "" {
			t.Errorf("%s: the plan is %s", setting, got)
		}
	}
}

// A binding that an operator made to a role that he could not have bound once it is managed does not come alive with its adoption.
func TestAnOperatorDoesNotPlantABindingToAnElevatedRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.dba(t, `CREATE ROLE #powerful CREATEROLE; CREATE ROLE #chief LOGIN CREATEDB; GRANT #powerful, #chief TO rolewright_owner WITH ADMIN OPTION`)
	w.exec(t, `SELECT auth.create_user('#cy')`)
	w.learn(t)
	olga := w.operator(t)
	_, _ = olga.Exec(t.Context(), w.name(`SELECT auth.bind_group_role(@staff, '#powerful')`), w.ids)
	_, _ = olga.Exec(t.Context(), w.name(`SELECT auth.bind_user_role(@cy, '#chief')`), w.ids)
	w.dba(t, `SELECT auth.adopt_role('#powerful', 'group'); SELECT auth.adopt_role('#chief')`)
	_, _ = olga.Exec(t.Context(), w.name(`SELECT auth.apply_database_roles(_skip_conflicts => true)`))
	w.expect(t, w.DB, "#ann", "LOGIN #readers")
	w.same(t, w.DB, `SELECT user_id FROM auth.database_role WHERE role_name = '#chief'`, "NULL")
}

// A role that an operator bound when it was plain is not his to give once it is elevated; whoever has it already, keeps it.
func TestAnOperatorGivesNoElevatedRoleThroughAnOldBinding(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	olga := w.operator(t)
	w.execIn(t, olga, `SELECT auth.bind_group_role(@helpers, '#plain'); SELECT auth.apply_database_roles(); SELECT auth.sync_identity('#bob', '{"password": "known to Olga"}')`)
	w.dba(t, `ALTER ROLE #plain CREATEROLE`)
	_ = w.mustFail(t, olga, "RW513", `SELECT auth.manage_relationship('#bob', '#plain', 'add')`)
	_, _ = olga.Exec(t.Context(), w.name(`SELECT auth.add_group_member(@helpers, @bob)`), w.ids)
	_, _ = olga.Exec(t.Context(), w.name(`SELECT auth.apply_database_roles(_skip_conflicts => true)`), w.ids)
	w.expect(t, w.DB, "#bob", "LOGIN #helping") // and not #plain
}

// A name that a role gets while it is deleted is nobody's to take.
func TestNobodyTakesTheNameOfTheDoomed(t *testing.T) {
	t.Parallel()
	w := creating(t, "{username}")
	doomed := harness.One[string](t, w.DB, w.name(`SELECT 'rolewright_deleted_' || oid FROM pg_roles WHERE rolname = '#ann'`))
	harness.MustFail(t, w.DB, "RW504", `SELECT auth.bind_group_role($1, $2)`, w.ids["helpers"], doomed)
	harness.Exec(t, w.DB, `SELECT auth.ensure_user_from_provider($1, 'x', NULL, NULL, '{}', NULL, jsonb_build_object('preferred_username', $2::text))`, w.ids["github"], doomed)
	w.exec(t, `CALL auth.delete_identity('#ann', 'gone')`)
	w.expect(t, w.DB, "#ann", "missing")
}

// Only the four actions change a role of nobody.
func TestANobodysRoleThatADBADroppedStaysDropped(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.dba(t, `CREATE ROLE #svc NOLOGIN; GRANT #svc TO rolewright_owner WITH ADMIN OPTION`)
	w.exec(t, `SELECT auth.adopt_role('#svc', 'login')`)
	w.planned(t)
	w.dba(t, `DROP ROLE #svc`)
	w.exec(t, `SELECT auth.apply_database_roles(_skip_conflicts => true)`)
	w.expect(t, w.DB, "#svc", "missing")
}

func TestAProvidersAttributesNeverStopALogin(t *testing.T) {
	t.Parallel()
	for _, attributes := range []string{
		`{"connection_limit": 5.0}`, `{"connection_limit": -0}`, `{"settings": {"application_name": ["a", "b"]}}`, `{"settings": {"work_mem": ["8MB"]}}`,
		`{"settings": {"DateStyle": ["ISO", "DMY"]}}`, `{"settings": {"sort_mem": "8MB"}}`, `{"settings": {"search_path": "\"a"}}`, `{"settings": {"search_path": ""}}`, `{"settings": {"search_path": " , "}}`,
		`{"settings": {"search_path": ["a", ""]}}`, `{"settings": {"statement_timeout": "5 s"}}`, `{"settings": {"transaction_isolation": "serializable"}}`, `{"settings": {"transaction_read_only": true}}`,
		`{"settings": {"seed": 0.5}}`, `{"settings": {"session_authorization": "postgres"}}`, `{"settings": {"search_path": "A B, c"}}`, `{"settings": {"client_encoding": "latin1"}}`,
		`{"settings": {"TimeZone": "Europe/Prague"}}`, `{"settings": {"default_tablespace": "nothing"}}`, `{"settings": {"temp_tablespaces": "nothing"}}`, `{"settings": {"application_name": "é\n"}}`,
		`{"settings": {"local_preload_libraries": "x"}}`, `{"settings": {"default_table_access_method": "nothing"}}`, `{"settings": {"role": "none"}}`, `{"settings": {"search_path": "$user, public"}}`,
	} {
		t.Run(attributes, func(t *testing.T) {
			t.Parallel()
			w := creating(t, "{username}")
			if _, err := w.Exec(t.Context(), `SELECT auth.update_provider($1, _role_attributes => $2)`, w.ids["github"], attributes); err != nil {
				if s := state(err); s != "23514" && s != "RW508" {
					t.Errorf("refused with %v", err)
				}
				return
			}
			for _, sql := range []string{
				`SELECT auth.ensure_user_from_provider(@github, 'dana', NULL, NULL, '{Devs}', NULL, '{"preferred_username": "#dana"}')`,
				`SELECT auth.ensure_user_from_provider(@github, 'dana', NULL, NULL, '{}', NULL, '{"preferred_username": "#dana"}')`,
				`SELECT auth.apply_database_roles()`,
			} {
				if _, err := w.Exec(t.Context(), w.name(sql), w.ids); err != nil {
					t.Errorf("%v in %s", err, sql)
				}
			}
			w.planned(t)
		})
	}
}

// A role that was one person's does not become another's without _reuse_name: the old password opens it, and what was recorded comes back.
func TestARoleThatWasSomebodysIsNotHandedOnUnnoticed(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]string{"unbound": `SELECT auth.unbind_user_role(@ann)`, "deleted": `SELECT auth.delete_user(@ann)`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, true)
			w.exec(t, `CREATE ROLE #loose; GRANT #loose TO #ann; SELECT auth.manage_relationship('#ann', '#writers', 'add'); SELECT auth.create_user('#cy')`)
			w.learn(t)
			w.exec(t, leave)
			w.exec(t, `SELECT auth.apply_database_roles()`)
			_ = w.mustFail(t, w.operator(t), "RW516", `SELECT auth.bind_user_role(@cy, '#ann')`)
		})
	}
}

func TestAProtectedGroupRoleGetsNoMembers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.exec(t, `SELECT auth.protect_role('#readers'); SELECT auth.protect_role('#writers')`)
	olga := w.operator(t)
	_, _ = olga.Exec(t.Context(), w.name(`SELECT auth.add_group_member(@staff, @bob)`), w.ids)
	_, _ = olga.Exec(t.Context(), w.name(`SELECT auth.manage_relationship('#bob', '#writers', 'add')`), w.ids)
	w.expect(t, w.DB, "#bob", "LOGIN")
	w.exec(t, `CALL auth.deprovision_identity('#ann', 'gone')`) // who leaves, leaves
	w.expect(t, w.DB, "#ann", "NOLOGIN")
}

// Several grants of one membership come back as what they were together.
func TestRestoreUnitesTheGrantsOfOneMembership(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.since16(t)
	w.exec(t, `CREATE ROLE #loose`)
	w.dba(t, `CREATE ROLE #deputy1; CREATE ROLE #deputy2; GRANT #loose TO #deputy1, #deputy2 WITH ADMIN OPTION`)
	harness.Exec(t, w.As(t, w.name("#deputy1")), w.name(`GRANT #loose TO #ann WITH INHERIT TRUE, SET FALSE`))
	harness.Exec(t, w.As(t, w.name("#deputy2")), w.name(`GRANT #loose TO #ann WITH INHERIT FALSE, SET TRUE`))
	w.expect(t, w.DB, "#ann", "LOGIN #loose #readers")
	w.dba(t, `CALL auth.deprovision_identity('#ann', 'gone')`)
	w.expect(t, w.DB, "#ann", "NOLOGIN")
	w.exec(t, `CALL auth.restore_identity('#ann', 'back')`)
	w.expect(t, w.DB, "#ann", "LOGIN #loose #readers")
}

// Another role of the same name is not what was recorded.
func TestRestoreGivesNoMembershipInAnotherRoleOfTheSameName(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.exec(t, `CREATE ROLE #loose; GRANT #loose TO #ann; CALL auth.deprovision_identity('#ann', 'a leave', _kind => 'suspend'); DROP ROLE #loose; CREATE ROLE #loose;
		CALL auth.restore_identity('#ann', 'back')`)
	w.expect(t, w.DB, "#ann", "LOGIN #readers")
}

// The owner may administer a role because a leaver said so.
func TestALeaverWhoMadeTheOwnerAnAdministratorLeavesAllTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.since16(t)
	w.dba(t, `CREATE ROLE #other; GRANT #other TO #ann WITH ADMIN OPTION`)
	harness.Exec(t, w.As(t, w.name("#ann")), w.name(`GRANT #other TO rolewright_owner WITH ADMIN OPTION`))
	_, err := w.Exec(t.Context(), w.name(`CALL auth.deprovision_identity('#ann', 'gone')`))
	if s := state(err); s != "" && s != "RW517" {
		t.Errorf("deprovision: %v", err)
	}
	if got := w.role(t, w.DB, "#ann"); got != "NOLOGIN" && got != "NOLOGIN #other(admin)" {
		t.Errorf("#ann is %s", got)
	}
	w.dba(t, `CALL auth.deprovision_identity('#ann', 'gone')`)
	w.expect(t, w.DB, "#ann", "NOLOGIN")
}

// What an operator put into a provider is not given to the powerful because a superuser brings one of them back.
func TestASuperusersRestoreDoesNotDoWhatIsForAnAdministratorToSay(t *testing.T) {
	t.Parallel()
	w := creating(t, "{username}")
	w.exec(t, `SELECT auth.ensure_user_from_provider(@github, 'dana', NULL, NULL, '{Devs}', NULL, '{"preferred_username": "#dana"}')`)
	w.expect(t, w.DB, "#dana", "LOGIN #coding")
	w.exec(t, `CALL auth.deprovision_identity('#dana', 'a leave', _strip_elevated => false)`)
	w.dba(t, `ALTER ROLE #dana CREATEDB`)
	w.execIn(t, w.operator(t), `SELECT auth.update_provider(@github, _role_attributes => '{"settings": {"search_path": "evil"}}')`)
	w.dba(t, `CALL auth.restore_identity('#dana', 'back')`)
	w.same(t, w.super, `SELECT setconfig FROM pg_db_role_setting WHERE setrole = '#dana'::regrole`, "")
}

// Whoever calls himself by somebody else's id does not make that one leave.
func TestAUsernameThatIsSomebodyElsesIdIsAmbiguous(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	harness.Exec(t, w.DB, `SELECT auth.create_user($1)`, w.ids["ann"])
	harness.MustFail(t, w.DB, "RW512", `SELECT auth.begin_deprovision($1, 'gone')`, w.ids["ann"])
	w.expect(t, w.DB, "#ann", "LOGIN #readers")
}

// Who cannot log in any more could not let anybody in.
func TestAnExpiredOperatorIsNoOtherAdministrator(t *testing.T) {
	t.Parallel()
	w := newWorldAlone(t, true)
	w.dba(t, `CREATE ROLE #olga LOGIN VALID UNTIL '2001-01-01' IN ROLE rolewright_operator; GRANT rolewright_operator TO #ann`)
	_ = w.mustFail(t, w.super, "RW515", `SELECT auth.begin_deprovision('#ann', 'gone')`)
	w.expect(t, w.DB, "#ann", "LOGIN #readers rolewright_operator")
}

// A superuser who plays an operator is refused like one, before anything is changed.
func TestASuperuserInAnOperatorsRoleLeavesNobodyHalfIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.since16(t)
	w.dba(t, `CREATE ROLE #legacy LOGIN; CREATE ROLE #olga LOGIN IN ROLE rolewright_operator`)
	w.exec(t, `SELECT auth.create_user('#legacy')`)
	w.learn(t)
	w.exec(t, `SELECT auth.adopt_role('#legacy', NULL, @legacy)`) // which the owner may not alter
	conn := harness.Connect(t, w.SuperURL)
	w.execIn(t, conn, `SET ROLE #olga`)
	_ = w.mustFail(t, conn, "RW506", `CALL auth.deprovision_identity('#legacy', 'gone')`)
	w.same(t, w.DB, `SELECT is_active FROM auth.user_info WHERE user_id = @legacy`, "true")
}

// A database that manages the same role does not let somebody in again whom another one has put out.
func TestALeaverDoesNotComeBackThroughAnotherDatabase(t *testing.T) {
	t.Parallel()
	t.Skip("to be decided: nothing keeps two databases from managing one role")
	w := newWorld(t, true)
	other := newWorld(t, false)
	other.prefix = w.prefix
	other.exec(t, `SELECT auth.adopt_role('#ann'); SELECT auth.create_user('#ann')`)
	other.learn(t)
	other.exec(t, `SELECT auth.bind_user_role(@ann, '#ann'); SELECT auth.apply_database_roles()`)
	w.exec(t, `CALL auth.deprovision_identity('#ann', 'gone')`)
	w.expect(t, w.DB, "#ann", "NOLOGIN")
	other.exec(t, `SELECT auth.lock_user(@ann); SELECT auth.unlock_user(@ann)`)
	w.expect(t, w.DB, "#ann", "NOLOGIN")
}

// What follows are attacks that fail.

func TestALeaverWhoIsAnOperatorCannotComeBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.dba(t, `GRANT rolewright_operator TO #ann; CREATE ROLE #olga LOGIN IN ROLE rolewright_operator`)
	session := harness.Connect(t, w.URL(t, w.name("#ann")))
	w.dba(t, `CALL auth.deprovision_identity('#ann', 'gone', _terminate => false)`)
	w.expect(t, w.DB, "#ann", "NOLOGIN")
	_ = w.mustFail(t, session, "42501", `SELECT auth.restore_role('#ann', 'me')`)

	// Also while he still is one: between the first commit and the second.
	w.dba(t, `GRANT rolewright_operator TO #ann`)
	for _, c := range []struct{ sqlstate, sql string }{
		{"RW503", `SELECT auth.restore_role('#ann', 'me')`}, {"RW503", `CALL auth.restore_identity('#ann', 'me')`}, {"RW503", `SELECT auth.sync_identity('#ann', '{"login": true}')`},
		{"RW503", `SELECT auth.manage_relationship('#ann', '#readers', 'add')`}, {"RW503", `SELECT auth.begin_deprovision('#ann', 'x', _strip_elevated => false, _kind => 'suspend')`},
		{"RW513", `SELECT auth.release_role('#ann')`}, {"RW513", `SELECT auth.adopt_role('#ann')`}, {"RW503", `SELECT auth.bind_user_role(@bob, '#ann')`},
	} {
		_ = w.mustFail(t, session, c.sqlstate, c.sql)
	}
	w.execIn(t, session, `SELECT auth.enable_user(@ann); SELECT auth.unbind_user_role(@ann, 'mine'); SELECT auth.apply_database_roles(_skip_conflicts => true)`)
	w.exec(t, `SELECT auth.apply_database_roles(_skip_conflicts => true)`)
	if got := w.role(t, w.DB, "#ann"); got != "NOLOGIN" && got != "NOLOGIN rolewright_operator" {
		t.Errorf("#ann is %s", got)
	}
	w.same(t, w.DB, `SELECT state FROM auth.database_role WHERE role_name = '#ann'`, "disabled")
}

func TestOthersInALeaversRoleGetNothingOfHisMemberships(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.dba(t, `GRANT #ann TO #bob; CREATE TABLE public.secret (); GRANT SELECT ON public.secret TO #readers`)
	bob := harness.Connect(t, w.URL(t, w.name("#bob")))
	w.execIn(t, bob, `SET ROLE #ann; SELECT FROM public.secret`)
	w.dba(t, `CALL auth.deprovision_identity('#ann', 'gone')`)
	_ = w.mustFail(t, bob, "42501", `SELECT FROM public.secret`)
	w.execIn(t, bob, `RESET ROLE; SET ROLE #ann`)
	_ = w.mustFail(t, bob, "42501", `ALTER ROLE #ann LOGIN`)
	_ = w.mustFail(t, bob, "42501", `SELECT FROM public.secret`)
}

func TestElevationIsSeenHoweverItIsHeld(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.dba(t, `CREATE ROLE #maker CREATEROLE; CREATE ROLE #middle NOINHERIT; CREATE ROLE #outer NOINHERIT; GRANT #maker TO #middle; GRANT #middle TO #outer WITH ADMIN OPTION;
		GRANT #outer TO rolewright_owner WITH ADMIN OPTION`)
	if w.major >= 16 {
		w.dba(t, `GRANT #maker TO #middle WITH INHERIT FALSE, SET FALSE; GRANT #middle TO #outer WITH INHERIT FALSE, SET FALSE`)
	}
	w.exec(t, `SELECT auth.adopt_role('#outer', 'group')`)
	olga := w.operator(t)
	_ = w.mustFail(t, olga, "RW513", `SELECT auth.manage_relationship('#bob', '#outer', 'add')`)
	_ = w.mustFail(t, olga, "RW513", `SELECT auth.bind_group_role(@staff, '#outer')`)
	w.dba(t, `GRANT #outer TO #bob`)
	_ = w.mustFail(t, olga, "RW513", `SELECT auth.sync_identity('#bob', '{"password": "mine now"}')`)
	_ = w.mustFail(t, olga, "RW513", `SELECT auth.sync_identity('#bob', '{"settings": {"search_path": "evil"}}')`)
}

func TestProviderTemplatesTakeNobodysName(t *testing.T) {
	t.Parallel()
	w := creating(t, "{username:keep}")
	w.dba(t, `CREATE ROLE #dba CREATEROLE LOGIN; CREATE ROLE rolewright_deleted_0`)
	w.exec(t, `SELECT auth.sync_identity('#svc', '{}'); SELECT auth.create_user('#cy'); SELECT auth.sync_identity('#gone', '{}'); CALL auth.delete_identity('#gone', 'gone');
		SELECT auth.bind_group_role(@helpers, '#unborn')`)
	for _, name := range []string{"#dba", "#gone", "#unborn", "#readers", "#Ann"} {
		_, _ = w.Exec(t.Context(), w.name(`SELECT auth.ensure_user_from_provider(@github, 'x_`+name+`', NULL, NULL, '{Devs}', NULL, '{"preferred_username": "`+name+`"}')`), w.ids)
	}
	w.exec(t, `SELECT auth.apply_database_roles(_skip_conflicts => true)`)
	w.expect(t, w.DB, "#dba", "LOGIN")
	w.expect(t, w.DB, "#svc", "LOGIN")
	w.expect(t, w.DB, "#gone", "missing")
	w.expect(t, w.DB, "#readers", "NOLOGIN")
	w.expect(t, w.DB, "#ann", "LOGIN #readers")
	w.same(t, w.DB, `SELECT role_name FROM auth.database_role WHERE provider_id IS NOT NULL AND NOT starts_with(role_name, '#Ann@')`, "")
}

func TestSavepointsLeaveNothingHalfDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	before := w.traces(t)
	conn := w.begin(t)
	for _, sql := range []string{
		`SELECT auth.begin_deprovision('#ann', 'gone'); SELECT auth.finish_deprovision('#ann')`, `SELECT auth.disable_user(@ann)`, `SELECT auth.add_group_member(@staff, @bob)`,
		`SELECT auth.manage_relationship('#bob', '#writers', 'add'); SELECT auth.sync_identity('#made', '{"password": "x"}')`,
	} {
		w.execIn(t, conn, `SAVEPOINT s; `+sql+`; ROLLBACK TO s`)
	}
	// The locks are gone with it: somebody else goes on.
	if got := w.within(t, 5*time.Second, `SELECT auth.apply_database_roles()`); got != "" {
		t.Errorf("apply: %s", got)
	}
	w.execIn(t, conn, `COMMIT`)
	if after := w.traces(t); after != before {
		t.Errorf("left:\n%s\nwas\n%s", after, before)
	}
	w.settled(t)
}

func TestALongChainOfGrantorsEndsWithTheLeaver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.since16(t)
	w.exec(t, `SELECT auth.bind_group_role(@staff, '#readers', _admin => true); SELECT auth.apply_database_roles()`)
	previous := "#ann"
	for i := range 20 {
		name := "#tool" + string(rune('a'+i))
		w.dba(t, `CREATE ROLE `+name)
		harness.Exec(t, w.As(t, w.name(previous)), w.name(`GRANT #readers TO `+name+` WITH ADMIN OPTION`))
		previous = name
	}
	w.exec(t, `CALL auth.deprovision_identity('#ann', 'gone')`)
	w.expect(t, w.DB, "#ann", "NOLOGIN")
	for i := range 20 {
		w.expect(t, w.DB, "#tool"+string(rune('a'+i)), "NOLOGIN #readers(admin)")
	}
	w.settled(t)
}

func TestAMergedUserLosesWhatTheIdentityGave(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.dba(t, `UPDATE auth.user_identity SET user_id = @bob WHERE user_identity_id = @ann_entra`)
	w.exec(t, `SELECT auth.update_user(@ann, '#anna'); SELECT auth.apply_database_roles()`)
	w.expect(t, w.DB, "#ann", "NOLOGIN")
	w.expect(t, w.DB, "#bob", "LOGIN #readers")
	w.expect(t, w.DB, "#anna", "missing")
	w.settled(t)
}

func TestAnExpiredLeaverComesBackExpired(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.dba(t, `ALTER ROLE #ann VALID UNTIL '2001-02-03 04:05+00'`)
	w.exec(t, `CALL auth.deprovision_identity('#ann', 'a leave', _kind => 'suspend'); SET TimeZone = 'Asia/Kathmandu'; CALL auth.restore_identity('#ann', 'back')`)
	w.same(t, w.super, `SELECT rolvaliduntil = '2001-02-03 04:05+00' FROM pg_roles WHERE rolname = '#ann'`, "true")
	w.expect(t, w.DB, "#ann", "LOGIN #readers")
}
