package role_test

import (
	"strings"
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

// rows are the memberships of a role as PostgreSQL has them: "in by", with options.
func (w *world) rows(t testing.TB, role string) string {
	t.Helper()
	return w.text(t, w.super, `
		SELECT format('%s by %s', h.rolname, coalesce(g.rolname, a.grantor::text)) || CASE WHEN a.admin_option THEN ' admin' ELSE '' END
		FROM pg_auth_members a JOIN pg_roles h ON h.oid = a.roleid LEFT JOIN pg_roles g ON g.oid = a.grantor
		JOIN pg_roles r ON r.oid = a.member
		WHERE r.rolname = '`+role+`' ORDER BY 1`)
}

func TestAMembershipThatASuperuserGrantedToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.dba(t, `GRANT #readers TO #ann`)
	w.planned(t) // it is wanted, whoever gave it
	w.exec(t, `SELECT auth.unbind_group_role(@staff, '#readers')`)
	if w.major < 16 {
		w.exec(t, `SELECT auth.apply_database_roles()`)
		w.expect(t, w.DB, "#ann", "LOGIN")
		w.settled(t)
		return
	}
	if got := w.plan(t, w.DB); !strings.Contains(got, "conflict #ann #readers: ") || !strings.Contains(got, "[REVOKE #readers FROM #ann GRANTED BY postgres]") {
		t.Errorf("plan is %s", got)
	}
	refusal := w.mustFail(t, w.DB, "RW506", `SELECT auth.apply_database_roles()`)
	if !strings.Contains(w.plain(refusal.Detail), "postgres granted it") || !strings.Contains(w.plain(refusal.Detail), "REVOKE #readers FROM #ann GRANTED BY postgres") {
		t.Errorf("refused with %s", refusal.Detail)
	}
	if got := w.rows(t, "#ann"); got != "#readers by postgres; #readers by rolewright_owner" {
		t.Errorf("a refused apply left %s", got)
	}
	w.exec(t, `SELECT auth.apply_database_roles(_skip_conflicts => true)`)
	if got := w.rows(t, "#ann"); got != "#readers by postgres" {
		t.Errorf("after an apply that skipped conflicts: %s", got)
	}
	w.dba(t, `REVOKE #readers FROM #ann GRANTED BY postgres`)
	w.settled(t)
}

func TestAnExtraOptionThatASuperuserGrantedIsAConflict(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.dba(t, `GRANT #readers TO #ann WITH ADMIN OPTION`)
	if w.major < 16 {
		w.exec(t, `SELECT auth.apply_database_roles()`)
		w.expect(t, w.DB, "#ann", "LOGIN #readers")
		w.settled(t)
		return
	}
	_ = w.mustFail(t, w.DB, "RW506", `SELECT auth.apply_database_roles()`)
	if got := w.plan(t, w.DB); !strings.HasPrefix(got, "conflict #ann #readers: ") || strings.Contains(got, "; ") && strings.Count(got, "#readers:") != 1 {
		t.Errorf("plan is %s", got)
	}
	w.dba(t, `REVOKE #readers FROM #ann GRANTED BY postgres`)
	w.settled(t)
	w.expect(t, w.DB, "#ann", "LOGIN #readers")
}

// Ann may give the membership to others, and has; her leaving is not theirs.
func TestWhatADelegateGaveSurvivesHisLeaving(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]string{
		"deprovisioned": `CALL auth.deprovision_identity('#ann', 'gone')`,
		"disabled":      `SELECT auth.disable_user(@ann)`,
		"login":         `SELECT auth.update_user_identity_on_login(@entra, 'ann_entra', '{}')`,
		"unbound":       `SELECT auth.unbind_user_role(@ann); SELECT auth.apply_database_roles()`,
		"no admin":      `SELECT auth.bind_group_role(@staff, '#readers', _admin => false); SELECT auth.apply_database_roles()`,
		"group unbound": `SELECT auth.unbind_group_role(@staff, '#readers'); SELECT auth.apply_database_roles()`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, true)
			w.exec(t, `SELECT auth.bind_group_role(@staff, '#readers', _admin => true); SELECT auth.apply_database_roles()`)
			w.expect(t, w.DB, "#ann", "LOGIN #readers(admin)")
			w.dba(t, `CREATE ROLE #tool; CREATE ROLE #tool2`)
			harness.Exec(t, w.As(t, w.name("#ann")), w.name(`GRANT #readers TO #tool WITH ADMIN OPTION`))
			harness.Exec(t, w.As(t, w.name("#tool")), w.name(`GRANT #readers TO #tool2`))
			w.planned(t)
			w.exec(t, leave)
			if got := w.role(t, w.DB, "#ann"); strings.Contains(got, "(admin)") {
				t.Errorf("#ann is %s", got)
			}
			w.expect(t, w.DB, "#tool", "NOLOGIN #readers(admin)")
			w.expect(t, w.DB, "#tool2", "NOLOGIN #readers")
			w.settled(t)
		})
	}
}

// The role is no managed one, and who got it from Ann has a managed login role himself.
func TestWhatADelegateGaveToManagedRolesSurvivesHisLeaving(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]string{
		"deprovisioned": `CALL auth.deprovision_identity('#ann', 'gone')`,
		"disabled":      `SELECT auth.disable_user(@ann)`,
		"applied":       `SELECT auth.unbind_user_role(@ann); SELECT auth.apply_database_roles()`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, true)
			w.exec(t, `CREATE ROLE #club; GRANT #club TO #ann WITH ADMIN OPTION`)
			harness.Exec(t, w.As(t, w.name("#ann")), w.name(`GRANT #club TO #bob`))
			w.expect(t, w.DB, "#bob", "LOGIN #club")
			w.exec(t, leave)
			w.expect(t, w.DB, "#ann", "NOLOGIN")
			w.expect(t, w.DB, "#bob", "LOGIN #club")
			w.settled(t)
		})
	}
}

func TestADelegatesGrantToAManagedRoleIsEndedByHimOrAConflict(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.exec(t, `SELECT auth.bind_group_role(@staff, '#readers', _admin => true); SELECT auth.apply_database_roles()`)
	harness.Exec(t, w.As(t, w.name("#ann")), w.name(`GRANT #readers TO #bob`)) // whom no group gives it
	if w.major < 16 {
		w.exec(t, `SELECT auth.apply_database_roles()`)
	} else {
		if got := w.plan(t, w.DB); !strings.Contains(got, "[REVOKE #readers FROM #bob GRANTED BY #ann]") {
			t.Errorf("plan is %s", got)
		}
		refusal := w.mustFail(t, w.DB, "RW506", `SELECT auth.apply_database_roles()`)
		if !strings.Contains(w.plain(refusal.Detail), "#ann") {
			t.Errorf("refused without the grantor: %s", refusal.Detail)
		}
		w.dba(t, `REVOKE #readers FROM #bob GRANTED BY #ann`)
	}
	w.expect(t, w.DB, "#bob", "LOGIN")
	w.settled(t)
}

// Rolewright's owner is a member of what it was made a member of, and 16 and later make it one of what it creates: nothing else, ever.
func TestTheOwnersMembershipsStayTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	w.dba(t, `CREATE ROLE #given; CREATE ROLE #given2; GRANT #given TO rolewright_owner WITH ADMIN OPTION; GRANT #given2 TO rolewright_owner`)
	own := `SELECT format('%s by %s %s %s', h.rolname, a.grantor, to_jsonb(a) - 'oid' - 'roleid', a.xmin) FROM pg_auth_members a JOIN pg_roles h ON h.oid = a.roleid
		WHERE a.member = 'rolewright_owner'::regrole AND h.rolname IN ('#given', '#given2') ORDER BY 1`
	before := w.text(t, w.super, own)
	w.exec(t, boundSQL)
	w.exec(t, `SELECT auth.adopt_role('#given', 'group'); SELECT auth.manage_relationship('#ann', '#given', 'add'); SELECT auth.add_group_member(@helpers, @bob)`)
	session := harness.Connect(t, w.URL(t, w.name("#ann")))
	w.exec(t, `SELECT auth.disable_user(@bob); CALL auth.deprovision_identity('#ann', 'gone'); CALL auth.restore_identity('#ann', 'back'); SELECT auth.enable_user(@bob)`)
	if _, err := session.Exec(t.Context(), "SELECT 1"); err == nil {
		t.Error("the session is still there")
	}
	w.expect(t, w.DB, "#ann", "LOGIN #given #readers")
	w.expect(t, w.DB, "#bob", "LOGIN #helping")
	w.exec(t, `SELECT auth.manage_relationship('#ann', '#given', 'remove'); SELECT auth.release_role('#given'); CALL auth.deprovision_identity('#bob', 'gone')`)
	w.same(t, w.super, own, before)
	w.same(t, w.super, `SELECT format('%s by %s admin %s inherit %s set %s', h.rolname, a.grantor, a.admin_option, to_jsonb(a) ->> 'inherit_option', to_jsonb(a) ->> 'set_option')
		FROM pg_auth_members a JOIN pg_roles h ON h.oid = a.roleid
		WHERE a.member = 'rolewright_owner'::regrole AND starts_with(h.rolname, '`+w.prefix+`') AND h.rolname NOT IN ('#given', '#given2')
		  AND NOT (a.grantor = 10 AND a.admin_option AND to_jsonb(a) ->> 'inherit_option' = 'false' AND to_jsonb(a) ->> 'set_option' = 'false')`, "")
	w.planned(t)
}

func TestAGrantorThatIsGoneBreaksNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	if w.major >= 16 {
		t.Skip("from 16 on, a grantor cannot be dropped")
	}
	w.dba(t, `CREATE ROLE #boss SUPERUSER; CREATE ROLE #loose`)
	boss := w.As(t, w.name("#boss"))
	w.execIn(t, boss, `REVOKE #readers FROM #ann; GRANT #readers TO #ann; GRANT #loose TO #ann WITH ADMIN OPTION; RESET SESSION AUTHORIZATION`)
	w.dba(t, `DROP ROLE #boss`)
	if got := w.rows(t, "#ann"); strings.Contains(got, "boss") || !strings.Contains(got, "#loose by ") {
		t.Fatalf("no grantor is gone: %s", got)
	}
	w.planned(t)
	w.exec(t, `CALL auth.deprovision_identity('#ann', 'gone')`)
	w.expect(t, w.DB, "#ann", "NOLOGIN")
	w.settled(t)
	w.exec(t, `CALL auth.restore_identity('#ann', 'back')`)
	w.expect(t, w.DB, "#ann", "LOGIN #loose(admin) #readers")
	w.settled(t)
}

// The one who had granted it left too.
func TestARecordedGrantorMayBeGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.since16(t)
	w.dba(t, `CREATE ROLE #loose; CREATE ROLE #boss; GRANT #loose TO #boss WITH ADMIN OPTION`)
	harness.Exec(t, w.As(t, w.name("#boss")), w.name(`GRANT #loose TO #ann`))
	w.dba(t, `CALL auth.deprovision_identity('#ann', 'gone')`)
	w.expect(t, w.DB, "#ann", "NOLOGIN")
	w.dba(t, `REVOKE #loose FROM #boss; DROP ROLE #boss`)
	w.dba(t, `CALL auth.restore_identity('#ann', 'back')`)
	w.expect(t, w.DB, "#ann", "LOGIN #loose #readers")
	w.settled(t)
}

func TestASuperuserMayEndWhatTheOwnerMayNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.since16(t)
	w.dba(t, `CREATE ROLE #loose; GRANT #loose TO #ann; GRANT #readers TO #ann`)
	refusal := w.mustFail(t, w.DB, "RW517", `CALL auth.deprovision_identity('#ann', 'gone')`)
	if !strings.Contains(w.plain(refusal.Detail), "#loose") || !strings.Contains(refusal.Detail, "postgres") {
		t.Errorf("refused with %s", refusal.Detail)
	}
	w.expect(t, w.DB, "#ann", "NOLOGIN #loose #readers")
	if got := w.plan(t, w.DB); !strings.Contains(got, "GRANTED BY postgres") {
		t.Errorf("plan is %s", got)
	}
	w.dba(t, `CALL auth.deprovision_identity('#ann', 'gone')`)
	w.expect(t, w.DB, "#ann", "NOLOGIN")
	w.settled(t)
	w.dba(t, `CALL auth.restore_identity('#ann', 'back')`)
	w.expect(t, w.DB, "#ann", "LOGIN #loose #readers")
	w.settled(t)
}

// Several rows for one membership: with and without options, by the owner, a superuser and a delegate.
func TestSeveralGrantorsOfOneMembership(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.since16(t)
	w.dba(t, `CREATE ROLE #deputy; GRANT #readers TO #deputy WITH ADMIN OPTION; GRANT #readers TO #ann WITH SET FALSE`)
	harness.Exec(t, w.As(t, w.name("#deputy")), w.name(`GRANT #readers TO #ann WITH INHERIT FALSE`))
	w.planned(t)
	w.dba(t, `REVOKE #readers FROM #ann GRANTED BY rolewright_owner`)
	w.expect(t, w.DB, "#ann", "LOGIN #readers")
	w.planned(t) // together they are what is wanted
	w.exec(t, `SELECT auth.bind_group_role(@staff, '#readers', _set => false)`)
	if got := w.plan(t, w.DB); !strings.Contains(got, "[REVOKE #readers FROM #ann GRANTED BY #deputy]") {
		t.Errorf("plan is %s", got)
	}
	w.dba(t, `REVOKE #readers FROM #ann GRANTED BY #deputy`)
	w.settled(t)
	w.expect(t, w.DB, "#ann", "LOGIN #readers(noset)")
	w.dba(t, `CALL auth.deprovision_identity('#ann', 'gone')`)
	w.expect(t, w.DB, "#ann", "NOLOGIN")
	w.settled(t)
}
