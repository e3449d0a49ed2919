package permission_test

import (
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

func TestEverySourceGrantsTheNodeAndEverythingBelowIt(t *testing.T) {
	t.Parallel()
	for name, grant := range grants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "")
			codes := []string{"orders", "orders.read", "orders.read.own"}
			for _, code := range codes {
				w.check(t, "before", code, false)
			}
			w.exec(t, grant)
			for _, code := range codes {
				w.check(t, "assigned", code, true)
			}
			for _, code := range []string{"orders-x", "ordersx", "reports", "reports.read"} {
				w.check(t, "beside it", code, false)
			}
			w.exec(t, `SELECT auth.unassign_permission(assignment_id) FROM auth.permission_assignment`)
			for _, code := range codes {
				w.check(t, "unassigned", code, false)
			}
		})
	}
}

func TestANodeDoesNotGrantWhatIsAboveOrBesideIt(t *testing.T) {
	t.Parallel()
	for name, grantee := range map[string]string{"group": `_user_group_id => @staff`, "user": `_user_id => @ann`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "")
			w.exec(t, `SELECT auth.create_permission('orders.reader'); SELECT auth.assign_permission('orders.read', `+grantee+`)`)
			w.check(t, "below", "orders.read.own", true)
			w.check(t, "above", "orders", false)
			w.check(t, "begins alike", "orders.reader", false)
		})
	}
}

func TestTheTreeMayGrowAndShrinkBelowAGrantedNode(t *testing.T) {
	t.Parallel()
	for _, grant := range []string{"mapping", "mapping set", "member", "direct", "direct set"} {
		t.Run(grant, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, grant)
			w.exec(t, `SELECT auth.create_permission('orders.ship.now')`)
			w.check(t, "created below", "orders.ship.now", true)
			w.check(t, "created on the way", "orders.ship", true)
			w.exec(t, `INSERT INTO auth.permission (code) VALUES ('orders.bill'), ('orders-bill')`)
			w.check(t, "inserted below", "orders.bill", true)
			w.check(t, "inserted beside", "orders-bill", false)
			w.exec(t, `UPDATE auth.permission SET code = 'orders.invoice' WHERE code = 'orders-bill'`)
			w.check(t, "moved below", "orders.invoice", true)
			w.exec(t, `UPDATE auth.permission SET code = 'billing' WHERE code = 'orders.bill'`)
			w.check(t, "moved away", "billing", false)
			harness.MustFail(t, w, "RW016", `SELECT auth.has_permission($1, 'orders.bill')`, w.ids["ann"])

			w.exec(t, `SELECT auth.delete_permission('orders.ship', _cascade => true)`)
			w.exec(t, `DELETE FROM auth.permission WHERE code = 'orders.invoice'`)
			for _, code := range []string{"orders.ship", "orders.ship.now", "orders.invoice"} {
				harness.MustFail(t, w, "RW016", `SELECT auth.has_permission($1, $2)`, w.ids["ann"], code)
			}
			w.check(t, "the node itself", "orders", true)

			w.exec(t, `SELECT auth.delete_permission('orders', _cascade => true)`)
			harness.MustFail(t, w, "RW016", `SELECT auth.has_permission($1, 'orders')`, w.ids["ann"])
			w.exec(t, `SELECT auth.create_permission('orders.read')`)
			w.check(t, "made anew, assigned to nobody", "orders.read", false)
		})
	}
}

func TestTwoSourcesAreEachEnough(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	for _, grant := range grants {
		w.exec(t, grant)
	}
	for _, s := range []struct {
		sql  string
		want bool
	}{
		{`DELETE FROM auth.permission_assignment WHERE perm_set_id IS NOT NULL`, true},
		{`DELETE FROM auth.permission_assignment WHERE user_id IS NOT NULL`, true},
		{`DELETE FROM auth.user_group_mapping WHERE external_group_name = 'Staff'`, true},
		{`DELETE FROM auth.user_group_member`, true},
		{`UPDATE auth.user_group SET is_active = false WHERE code = 'clerks'`, false},
	} {
		w.exec(t, s.sql)
		w.check(t, "after "+s.sql, "orders.read", s.want)
	}
}

func TestBeforeAnyLoginAllIdentitiesCount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.exec(t, `SELECT auth.assign_permission('orders', _user_group_id => @staff); SELECT auth.assign_permission('reports', _user_group_id => @devs)`)
	has := func(code string) bool {
		t.Helper()
		return harness.One[bool](t, w, `SELECT auth.has_permission($1, $2)`, w.ids["eve"], code)
	}
	w.exec(t, `SELECT auth.create_user('eve')`)
	w.learn(t)
	w.exec(t, `SELECT auth.create_user_identity(@eve, @entra, 'eve_entra', '{Staff}'); SELECT auth.create_user_identity(@eve, @github, 'eve_github', '{Devs}')`)
	if !has("orders") || !has("reports") {
		t.Error("no login yet, so that both identities count")
	}
	w.exec(t, `SELECT auth.update_user_identity_on_login(@github, 'eve_github', '{Devs}')`)
	if has("orders") || !has("reports") {
		t.Error("the login was through GitHub, so that Entra ID does not count")
	}
}
