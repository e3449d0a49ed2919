package permission_test

import (
	"strings"
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

const nobody = `'99999999-0000-0000-0000-000000000000'`

func TestEveryRefusalSaysWhatAndWhatNext(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "mapping")
	w.exec(t, grants["direct set"]+`; SELECT auth.create_user_group('acme_staff', 'Acme', _tenant_id => @acme)`)
	w.learn(t)
	for _, c := range []struct{ sqlstate, detail, sql string }{
		{"RW011", "99999999", `SELECT auth.assign_permission('orders', _user_id => ` + nobody + `)`},
		{"RW011", "99999999", `SELECT auth.explain_permission(` + nobody + `, 'orders')`},
		{"RW011", "NULL", `SELECT auth.explain_permission(NULL, 'orders')`},
		{"RW013", "99999999", `SELECT auth.assign_permission('orders', _user_group_id => ` + nobody + `)`},
		{"RW015", "99999999", `SELECT auth.assign_permission('orders', _user_id => @ann, _tenant_id => ` + nobody + `)`},
		{"RW015", "99999999", `SELECT auth.explain_permission(@ann, 'orders', ` + nobody + `)`},
		{"RW015", "99999999", `SELECT auth.enable_tenant(` + nobody + `)`},
		{"RW015", "99999999", `SELECT auth.disable_tenant(` + nobody + `)`},
		{"RW016", `"none"`, `SELECT auth.has_permission(@ann, 'none')`},
		{"RW016", `"Orders"`, `SELECT auth.has_permission(@ann, 'Orders')`},
		{"RW016", `"orders."`, `SELECT auth.has_permission(@ann, 'orders.')`},
		{"RW016", `""`, `SELECT auth.has_permission(@ann, '')`},
		{"RW016", `"a\nb"`, `SELECT auth.has_permission(@ann, E'a\nb')`},
		{"RW016", "NULL", `SELECT auth.has_permission(@ann, NULL)`},
		{"RW016", "NULL", `SELECT auth.has_permission(NULL, NULL)`},
		{"RW016", `"none"`, `SELECT auth.has_permission(` + nobody + `, 'none', ` + nobody + `)`},
		{"RW016", `"none"`, `SELECT auth.has_permissions(@ann, '{orders,none}')`},
		{"RW016", `"none"`, `SELECT auth.has_permissions(@ann, '{reports,none,orders}')`},
		{"RW016", `"none"`, `SELECT auth.has_permissions(@ann, '{reports,none}', _require_all => false)`},
		{"RW016", "NULL", `SELECT auth.has_permissions(@ann, '{orders,NULL}')`},
		{"RW016", `"none"`, `SELECT auth.require_permission(@ann, 'none')`},
		{"RW016", "NULL", `SELECT auth.require_permission(@ann, NULL)`},
		{"RW016", `"none"`, `SELECT auth.users_with_permission('none')`},
		{"RW016", "NULL", `SELECT auth.users_with_permission(NULL)`},
		{"RW016", `"none"`, `SELECT auth.explain_permission(@ann, 'none')`},
		{"RW016", `"none"`, `SELECT auth.assign_permission('none', _user_id => @ann)`},
		{"RW016", `"none"`, `SELECT auth.delete_permission('none')`},
		{"RW016", "NULL", `SELECT auth.delete_permission(NULL)`},
		{"RW016", `"none"`, `SELECT auth.create_perm_set('new', 'New', '{orders,none}')`},
		{"RW016", `"none"`, `SELECT auth.add_perm_set_permissions('selling', '{orders,none}')`},
		{"RW016", "NULL", `SELECT auth.add_perm_set_permissions('selling', '{orders,NULL}')`},
		{"RW016", `"none"`, `SELECT auth.remove_perm_set_permissions('selling', '{orders,none}')`},
		{"RW017", `"none"`, `SELECT auth.assign_permission(_perm_set => 'none', _user_id => @ann)`},
		{"RW017", `"none"`, `SELECT auth.add_perm_set_permissions('none', '{orders}')`},
		{"RW017", `"none"`, `SELECT auth.remove_perm_set_permissions('none', '{orders}')`},
		{"RW017", "NULL", `SELECT auth.remove_perm_set_permissions(NULL, '{orders}')`},
		{"RW017", `"none"`, `SELECT auth.delete_perm_set('none')`},
		{"RW018", "99999999", `SELECT auth.unassign_permission(` + nobody + `)`},
		{"RW018", "NULL", `SELECT auth.unassign_permission(NULL)`},
		{"RW310", "{}", `SELECT auth.has_permissions(@ann, '{}')`},
		{"RW310", "{}", `SELECT auth.has_permissions(@ann, '{}', _require_all => false)`},
		{"RW310", "NULL", `SELECT auth.has_permissions(@ann, NULL)`},
		{"RW310", "NULL", `SELECT auth.has_permissions(@ann, '{orders}', _require_all => NULL)`},
		{"RW311", "NULL", `SELECT auth.assign_permission()`},
		{"RW311", `"orders"`, `SELECT auth.assign_permission('orders')`},
		{"RW311", "NULL", `SELECT auth.assign_permission(_user_id => @ann)`},
		{"RW311", `"selling"`, `SELECT auth.assign_permission('orders', 'selling', _user_id => @ann)`},
		{"RW311", "_user_id", `SELECT auth.assign_permission('orders', _user_group_id => @staff, _user_id => @ann)`},
		{"RW312", "1 assignments", `SELECT auth.delete_perm_set('selling')`},
		{"RW312", "below it: orders.read, orders.read.own", `SELECT auth.delete_permission('orders')`},
		{"RW312", `in sets: "selling"`, `SELECT auth.delete_permission('orders', _cascade => NULL)`},
		{"RW312", "1 assignments", `SELECT auth.delete_permission('orders', false)`},
		{"RW312", "below it: reports.read", `SELECT auth.delete_permission('reports')`},
		{"RW313", w.ids["acme"].(string), `SELECT auth.assign_permission('orders', _user_group_id => @acme_staff)`},
		{"42501", "reports", `SELECT auth.require_permission(@ann, 'reports')`},
		{"42501", "orders", `SELECT auth.require_permission(NULL, 'orders')`},
	} {
		refusal := harness.MustFail(t, w, c.sqlstate, c.sql, w.ids)
		if !strings.Contains(refusal.Detail, c.detail) || refusal.Hint == "" {
			t.Errorf("%s: DETAIL %q, HINT %q", c.sql, refusal.Detail, refusal.Hint)
		}
		if c.sqlstate == "42501" && refusal.Detail != c.detail {
			t.Errorf("%s: DETAIL %q is not the code alone", c.sql, refusal.Detail)
		}
	}
	w.check(t, "after all that", "orders.read", true)
}

func TestWhatTheTablesRefuse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	for _, c := range []struct{ sqlstate, sql string }{
		{"23505", `SELECT auth.create_permission('orders')`},
		{"23514", `SELECT auth.create_permission('orders..read')`},
		{"23514", `SELECT auth.create_permission('.orders')`},
		{"23514", `SELECT auth.create_permission('orders.')`},
		{"23514", `SELECT auth.create_permission('or ders')`},
		{"23514", `SELECT auth.create_permission('')`},
		{"23514", `SELECT auth.create_permission(E'orders\n')`},
		{"23514", `SELECT auth.create_permission(repeat('x', 501))`},
		{"23502", `SELECT auth.create_permission(NULL)`},
		{"23505", `SELECT auth.create_perm_set('selling', 'Selling')`},
		{"23514", `SELECT auth.create_perm_set(' ', 'Blank')`},
		{"23502", `SELECT auth.create_perm_set(NULL, 'NULL')`},
		{"23505", `SELECT auth.create_tenant('acme', 'Acme')`},
		{"23514", `SELECT auth.create_tenant('a b', 'A B')`},
		{"23502", `SELECT auth.create_tenant(NULL, 'NULL')`},
		{"23503", `SELECT auth.create_user_group('x', 'X', _tenant_id => ` + nobody + `)`},
		{"23514", `INSERT INTO auth.permission_assignment (permission_code) VALUES ('orders')`},
		{"23514", `INSERT INTO auth.permission_assignment (user_id) VALUES (@ann)`},
		{"23503", `INSERT INTO auth.permission_assignment (user_id, permission_code) VALUES (@ann, 'none')`},
	} {
		harness.MustFail(t, w, c.sqlstate, c.sql, w.ids)
	}
}

func TestWhatIsAskedForMissingArgumentsIsANo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "mapping")
	for sql, want := range map[string]string{
		`SELECT auth.has_permission(NULL, 'orders')`:                                            "false",
		`SELECT auth.has_permission(` + nobody + `, 'orders')`:                                  "false",
		`SELECT auth.has_permission(@ann, 'orders', NULL)`:                                      "true",
		`SELECT auth.has_permissions(NULL, '{orders}')`:                                         "false",
		`SELECT count(*) FROM auth.effective_permissions(NULL)`:                                 "0",
		`SELECT auth.has_permissions(@ann, '{orders,orders.read}')`:                             "true",
		`SELECT auth.has_permissions(@ann, '{orders,reports}')`:                                 "false",
		`SELECT auth.has_permissions(@ann, '{reports,orders}')`:                                 "false",
		`SELECT auth.has_permissions(@ann, '{reports,orders}', _require_all => false)`:          "true",
		`SELECT auth.has_permissions(@ann, '{reports,reports.read}', _require_all => false)`:    "false",
		`SELECT auth.has_permissions(@ann, '{orders,orders}')`:                                  "true",
		`SELECT auth.has_permissions(@ann, '{orders,none}', _require_all => false)`:             "true", // settled before it came to that
		`SELECT auth.has_permissions(@ann, '{{orders,orders.read},{orders.read.own,reports}}')`: "false",
		`SELECT count(*) FROM auth.require_permission(@ann, 'orders.read')`:                     "1",
	} {
		if got := w.one(t, sql); got != want {
			t.Errorf("%s: %s, want %s", sql, got, want)
		}
	}
}

func TestWhatIsDoneAlreadyIsNotDoneAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	events := func() string { return w.one(t, `SELECT count(*) FROM auth.audit_event`) }
	for name, grant := range grants {
		first, before := w.one(t, grant), events()
		if second := w.one(t, grant); second != first || events() != before {
			t.Errorf("%s: assignments %s and %s, or an audit row", name, first, second)
		}
		ending := strings.Replace(grant, ")", ", _valid_until => '2500-01-01')", 1)
		if third := w.one(t, ending); third != first || events() == before {
			t.Errorf("%s: a new end made assignment %s, not %s, or no audit row", name, third, first)
		}
		before = events()
		if fourth := w.one(t, ending); fourth != first || events() != before {
			t.Errorf("%s: the same end made assignment %s, or an audit row", name, fourth)
		}
		if end := w.one(t, `SELECT date_part('year', valid_until) FROM auth.permission_assignment WHERE assignment_id = '`+first+`'`); end != "2500" {
			t.Errorf("%s: ends %s", name, end)
		}
		w.one(t, grant)
		if end := w.one(t, `SELECT valid_until FROM auth.permission_assignment WHERE assignment_id = '`+first+`'`); end != "NULL" {
			t.Errorf("%s: ends %s, and was assigned without end", name, end)
		}
	}
	for _, c := range [][2]string{
		{`SELECT count(*) FROM auth.add_perm_set_permissions('selling', '{orders,orders}')`, "0"},
		{`SELECT string_agg(p, ' ') FROM auth.add_perm_set_permissions('selling', '{orders,reports}') AS p`, "reports"},
		{`SELECT string_agg(p, ' ') FROM auth.remove_perm_set_permissions('selling', '{reports,ordersx}') AS p`, "reports"},
		{`SELECT count(*) FROM auth.remove_perm_set_permissions('selling', '{reports}')`, "0"},
		{`SELECT auth.enable_tenant(NULL)`, "false"},
	} {
		before := events()
		if got := w.one(t, c[0]); got != c[1] || (events() == before) != (got == "0" || got == "false") {
			t.Errorf("%s: %s, want %s", c[0], got, c[1])
		}
	}
}
