package grant_test

import (
	"strings"
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

// A person's login and memberships follow the person; what else the role may do can be declared.
func TestPeoplesRolesKeepTheirLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	harness.Exec(t, w.DB, w.name(`DO $$
		DECLARE v_provider uuid := auth.create_provider('ldap', 'LDAP', 'ldap', _group_match => 'exact'); v_user uuid := auth.create_user('#ann'); v_group uuid := auth.create_user_group('staff', 'Staff', 'hybrid');
		BEGIN
			PERFORM auth.create_group_mapping(v_group, v_provider, 'Staff'); PERFORM auth.create_user_identity(v_user, v_provider, 'ann', '{Staff}', '{}');
			PERFORM auth.bind_user_role(v_user, '#ann'); PERFORM auth.bind_group_role(v_group, '#staff'); PERFORM auth.apply_database_roles();
		END $$`))
	w.has(t, "#ann", "in #staff")
	for grant, want := range map[string]string{
		`{"type": "login"}`:                        "its login follows a person",
		`{"type": "membership", "role": "#staff"}`: "#staff is bound to groups: those say who is a member",
	} {
		if detail := w.refuses(t, w.DB, "RW522", one("#ann", grant)); !strings.Contains(detail, want) {
			t.Errorf("%s: %s", grant, detail)
		}
	}
	// No login and no membership declared takes neither.
	w.exec(t, "CREATE ROLE #extra; CREATE ROLE #stray; GRANT #stray TO #ann")
	grants := []string{selectT, viaTable("group", `"UPDATE"`), `{"type": "membership", "role": "#extra"}`}
	declaration := one("#ann", grants[1], grants[2])
	w.sync(t, declaration)
	w.has(t, "#ann", "in #extra; in #staff; in VIA"+" noset"[:w.noset()])
	w.same(t, w.DB, "SELECT rolcanlogin FROM pg_roles WHERE rolname = '#ann'", "true")
	w.same(t, w.DB, "SELECT count(*) FROM auth.plan_database_roles()", "0")
	harness.Exec(t, w.DB, "SELECT auth.declare_roles($1)", w.name(declaration))
	// Out: what the declaration gives by memberships is gone, and no drift gives it back.
	harness.Exec(t, w.DB, w.name("SELECT auth.disable_user(user_id) FROM auth.user_info WHERE username = '#ann'"))
	w.same(t, w.DB, "SELECT rolcanlogin FROM pg_roles WHERE rolname = '#ann'", "false")
	for range 2 {
		w.text(t, w.DB, "SELECT statement FROM auth.apply_drift()")
		equal(t, "drift", w.text(t, w.DB, "SELECT statement FROM auth.drift()"), "")
		w.text(t, w.DB, "SELECT statement FROM auth.sync_roles($1)", w.name(declaration))
		w.has(t, "#ann", "")
		w.same(t, w.super, "SELECT rolcanlogin || ' ' || has_table_privilege('#ann', 'app.t', 'UPDATE') FROM pg_roles WHERE rolname = '#ann'", "false false")
		w.same(t, w.DB, "SELECT count(*) FROM auth.plan_database_roles()", "0")
	}
	// Back.
	harness.Exec(t, w.DB, w.name("SELECT auth.enable_user(user_id) FROM auth.user_info WHERE username = '#ann'"))
	w.text(t, w.DB, "SELECT statement FROM auth.apply_drift()")
	w.has(t, "#ann", "in #extra; in #staff; in VIA"+" noset"[:w.noset()])
	// Direct privileges are the role's, who cannot log in with them.
	w.sync(t, one("#ann", selectT))
	harness.Exec(t, w.DB, w.name("SELECT auth.disable_user(user_id) FROM auth.user_info WHERE username = '#ann'"))
	w.idle(t, w.DB, "SELECT auth.sync_roles($1)", w.name(one("#ann", selectT)))
	w.same(t, w.DB, "SELECT rolcanlogin FROM pg_roles WHERE rolname = '#ann'", "false")
}

// A group's role may have privileges declared, and people in it have those.
func TestGroupRolesHaveDeclaredPrivileges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	harness.Exec(t, w.DB, w.name(`DO $$
		DECLARE v_user uuid := auth.create_user('#ann'); v_group uuid := auth.create_user_group('staff', 'Staff', 'internal');
		BEGIN
			PERFORM auth.add_group_member(v_group, v_user); PERFORM auth.bind_user_role(v_user, '#ann'); PERFORM auth.bind_group_role(v_group, '#staff'); PERFORM auth.apply_database_roles();
		END $$`))
	w.sync(t, one("#staff", selectT))
	w.has(t, "#staff", "table app.t: SELECT")
	w.same(t, w.super, "SELECT has_table_privilege('#ann', 'app.t', 'SELECT')", "true")
	w.sync(t, one("#staff"))
	w.same(t, w.super, "SELECT has_table_privilege('#ann', 'app.t', 'SELECT')", "false")
	w.same(t, w.DB, "SELECT count(*) FROM auth.plan_database_roles()", "0")
}
