package permission_test

import (
	"strings"
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

// in asks about Ann in one tenant, cold and warm.
func (w world) in(t testing.TB, tenant, code string, want bool) {
	t.Helper()
	w.ids["tenant"], w.ids["code"] = w.ids[tenant], code
	for _, prepare := range []func(testing.TB){w.clear, w.fill} {
		prepare(t)
		got := harness.Rows[answers](t, w, `
			SELECT auth.has_permission(@ann, @code, @tenant) AS has,
			       EXISTS (SELECT FROM auth.effective_permissions(@ann, @tenant) WHERE permission_code = @code) AS listed,
			       EXISTS (SELECT FROM auth.users_with_permission(@code, @tenant) WHERE user_id = @ann) AS holder,
			       (SELECT bool_or(is_granted) FROM auth.explain_permission(@ann, @code, @tenant)) AS explained`, w.ids)[0]
		if got != (answers{want, want, want, want}) {
			t.Errorf("%s in tenant %q: %+v, want %v", code, tenant, got, want)
		}
	}
}

func TestAnAssignmentCountsInItsTenantAlone(t *testing.T) {
	t.Parallel()
	for name, grant := range grants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, name)
			w.in(t, "", "orders.read", true) // NULL
			w.in(t, "default", "orders.read", true)
			w.in(t, "acme", "orders.read", false)
			w.exec(t, strings.Replace(grant, ")", ", _tenant_id => @acme)", 1))
			w.in(t, "acme", "orders.read", true)
			w.exec(t, `SELECT auth.unassign_permission(assignment_id) FROM auth.permission_assignment WHERE tenant_id = @default`)
			w.in(t, "", "orders.read", false)
			w.in(t, "acme", "orders.read", true)
		})
	}
}

func TestADisabledTenantIsOneWithoutPermissions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "mapping")
	w.exec(t, grants["direct"]+`;
		SELECT auth.assign_permission('orders', _user_group_id => @staff, _tenant_id => @acme);
		SELECT auth.assign_permission('orders', _user_id => @ann, _tenant_id => @acme)`)
	w.exec(t, `SELECT auth.disable_tenant(@acme)`)
	w.in(t, "acme", "orders.read", false)
	w.in(t, "", "orders.read", true)
	w.exec(t, `SELECT auth.enable_tenant(@acme); SELECT auth.disable_tenant(NULL)`)
	w.in(t, "acme", "orders.read", true)
	w.in(t, "default", "orders.read", false)
	for _, c := range [][2]string{
		{`SELECT auth.disable_tenant(@default)`, "false"}, {`SELECT auth.enable_tenant(@default)`, "true"}, {`SELECT auth.enable_tenant(@acme)`, "false"},
	} {
		if got := w.one(t, c[0]); got != c[1] {
			t.Errorf("%s: %s, want %s", c[0], got, c[1])
		}
	}
}

func TestWhatIsAssignedInADisabledTenantCountsOnceItIsEnabled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.exec(t, `SELECT auth.disable_tenant(@acme); SELECT auth.assign_permission('orders', _user_group_id => @staff, _tenant_id => @acme)`)
	w.in(t, "acme", "orders.read", false)
	w.exec(t, `SELECT auth.enable_tenant(@acme)`)
	w.in(t, "acme", "orders.read", true)
}

func TestAGroupOfATenantGivesNothingInAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.exec(t, `SELECT auth.create_user_group('acme_staff', 'Staff of Acme', 'hybrid', _tenant_id => @acme)`)
	w.learn(t)
	w.exec(t, `SELECT auth.create_group_mapping(@acme_staff, @entra, 'Staff'); SELECT auth.add_group_member(@acme_staff, @ann);
		SELECT auth.assign_permission('orders', _user_group_id => @acme_staff, _tenant_id => @acme)`)
	w.in(t, "acme", "orders.read", true)
	w.in(t, "", "orders.read", false)
	const inAnother = `SELECT auth.assign_permission('orders', _user_group_id => @acme_staff`
	harness.MustFail(t, w, "RW313", inAnother+`)`, w.ids)
	harness.MustFail(t, w, "RW313", inAnother+`, _tenant_id => @default)`, w.ids)

	// A DBA is not stopped, and nothing comes of it.
	w.exec(t, `INSERT INTO auth.permission_assignment (user_group_id, permission_code) VALUES (@acme_staff, 'reports')`)
	w.in(t, "", "reports", false)
	w.exec(t, `UPDATE auth.user_group SET tenant_id = NULL WHERE code = 'acme_staff'`)
	w.in(t, "", "reports", true)
	w.in(t, "acme", "orders.read", true)
	w.exec(t, `UPDATE auth.user_group SET tenant_id = @default WHERE code = 'acme_staff'`)
	w.in(t, "", "reports", true)
	w.in(t, "acme", "orders.read", false)
}

func TestAnUnknownTenantIsANo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "mapping")
	w.exec(t, grants["direct"])
	w.ids["nowhere"] = "11111111-2222-3333-4444-555555555555"
	for sql, want := range map[string]string{
		`SELECT auth.has_permission(@ann, 'orders', @nowhere)`:                           "false",
		`SELECT auth.has_permissions(@ann, '{orders}', @nowhere)`:                        "false",
		`SELECT count(*) FROM auth.effective_permissions(@ann, @nowhere)`:                "0",
		`SELECT count(*) FROM auth.users_with_permission('orders', @nowhere)`:            "0",
		`SELECT auth.has_permissions(@ann, '{orders}', @nowhere, _require_all => false)`: "false",
	} {
		if got := w.one(t, sql); got != want {
			t.Errorf("%s: %s, want %s", sql, got, want)
		}
	}
	harness.MustFail(t, w, "42501", `SELECT auth.require_permission(@ann, 'orders', @nowhere)`, w.ids)
	harness.MustFail(t, w, "RW015", `SELECT auth.explain_permission(@ann, 'orders', @nowhere)`, w.ids)
}
