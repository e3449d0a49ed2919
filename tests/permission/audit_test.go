package permission_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

// trail returns what a change wrote: the codes, and of updates what was and is.
func (w world) trail(t testing.TB, sql string) []string {
	t.Helper()
	w.ids["last"] = harness.One[int64](t, w, `SELECT coalesce(max(audit_event_id), 0) FROM auth.audit_event`)
	w.exec(t, sql)
	return w.column(t, `SELECT concat_ws(' ', event_code, CASE WHEN before IS NOT NULL AND after IS NOT NULL THEN concat(before, ' ', after) END)
		FROM auth.audit_event WHERE audit_event_id > @last ORDER BY audit_event_id`)
}

func TestEveryChangeOfTheModelIsInTheTrail(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	for _, c := range []struct {
		sql  string
		want []string
	}{
		{`SELECT auth.create_tenant('x', 'X')`, []string{"tenant.created"}},
		{`SELECT auth.disable_tenant(@acme)`, []string{`tenant.disabled {"is_active": true} {"is_active": false}`}},
		{`SELECT auth.disable_tenant(@acme)`, nil},
		{`SELECT auth.enable_tenant(@acme)`, []string{`tenant.enabled {"is_active": false} {"is_active": true}`}},
		{`UPDATE auth.tenant SET name = 'Y' WHERE code = 'x'`, []string{`tenant.updated {"name": "X"} {"name": "Y"}`}},
		{`DELETE FROM auth.tenant WHERE code = 'x'`, []string{"tenant.deleted"}},
		{`SELECT auth.create_permission('a.b.c')`, []string{"permission.created", "permission.created", "permission.created"}},
		{`UPDATE auth.permission SET description = 'B' WHERE code = 'a.b'`, []string{`permission.updated {"description": null} {"description": "B"}`}},
		{`SELECT auth.create_perm_set('s', 'S', '{a,a.b}')`, []string{"perm_set.created", "set_permission.added", "set_permission.added"}},
		{`UPDATE auth.perm_set SET name = 'T' WHERE code = 's'`, []string{`perm_set.updated {"name": "S"} {"name": "T"}`}},
		{`SELECT auth.add_perm_set_permissions('s', '{a,a.b.c}')`, []string{"set_permission.added"}},
		{`SELECT auth.remove_perm_set_permissions('s', '{a.b,orders}')`, []string{"set_permission.removed"}},
		{`UPDATE auth.perm_set_permission SET permission_code = 'a.b' WHERE permission_code = 'a'`,
			[]string{`set_permission.updated {"permission_code": "a"} {"permission_code": "a.b"}`}},
		{grants["mapping"], []string{"assignment.created"}},
		{grants["mapping"], nil},
		{`SELECT auth.assign_permission('orders', _user_group_id => @staff, _valid_until => 'infinity')`,
			[]string{`assignment.updated {"valid_until": null} {"valid_until": "infinity"}`}},
		{`SELECT auth.unassign_permission(assignment_id) FROM auth.permission_assignment`, []string{"assignment.deleted"}},
		{`SELECT auth.assign_permission(_perm_set => 's', _user_id => @ann)`, []string{"assignment.created"}},
		{`SELECT auth.delete_perm_set('s', _cascade => true)`,
			[]string{"assignment.deleted", "set_permission.removed", "set_permission.removed", "perm_set.deleted"}},
		{`SELECT auth.delete_permission('a', _cascade => true)`, []string{"permission.deleted", "permission.deleted", "permission.deleted"}},
		{`TRUNCATE auth.permission_assignment`, []string{"assignment.truncated"}},
		{`TRUNCATE auth.perm_set_permission`, []string{"set_permission.truncated"}},
	} {
		if got := w.trail(t, c.sql); !slices.Equal(got, c.want) {
			t.Errorf("after %s: %q, want %q", c.sql, got, c.want)
		}
	}
}

func TestTheTrailNamesWhoGotWhatWhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.exec(t, `SELECT auth.assign_permission('orders', _user_id => @ann, _tenant_id => @acme); SELECT auth.unassign_permission(assignment_id) FROM auth.permission_assignment`)
	want := slices.Repeat([]string{strings.Join([]string{w.ids["ann"].(string), w.ids["acme"].(string), "orders"}, " ")}, 2)
	if got := w.column(t, `SELECT concat_ws(' ', user_id, coalesce(before, after) ->> 'tenant_id', coalesce(before, after) ->> 'permission_code')
		FROM auth.audit_event WHERE subject_type = 'assignment'`); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWarmingTheCacheIsNothingToTellOf(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "mapping")
	for _, sql := range []string{
		`UPDATE auth.user_identity SET mapped_ways = NULL`, `SELECT auth.fill_permission_cache()`, `SELECT unsecure.clear_permission_cache(@ann)`,
		`SELECT unsecure.clear_permission_cache_by_provider(@entra)`, `SELECT unsecure.clear_permission_cache_all()`,
		`SELECT auth.has_permission(@ann, 'orders')`, `SELECT auth.explain_permission(@ann, 'orders')`,
	} {
		if got := w.trail(t, sql); len(got) > 0 {
			t.Errorf("%s wrote %q", sql, got)
		}
	}
	const login = `SELECT auth.update_user_identity_on_login(@entra, 'ann_entra', '{Staff}', '{Clerk}')`
	for _, prepare := range []string{
		`UPDATE auth.user_identity SET mapped_ways = NULL`,             // cold
		`SELECT auth.create_group_mapping(@helpers, @entra, 'Others')`, // stale
		`SELECT auth.fill_permission_cache()`,                          // warm
	} {
		w.exec(t, prepare)
		if got := w.trail(t, login); !slices.Equal(got, []string{"login.succeeded"}) {
			t.Errorf("after %s the same login wrote %q", prepare, got)
		}
	}
}

func TestDisablingAUserIsOneEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "mapping")
	for sql, want := range map[string]string{
		`SELECT auth.disable_user(@ann)`: `user.disabled {"is_active": true} {"is_active": false}`,
		`SELECT auth.lock_user(@bob)`:    `user.locked {"is_locked": false} {"is_locked": true}`,
	} {
		if got := w.trail(t, sql); !slices.Equal(got, []string{want}) {
			t.Errorf("%s wrote %q", sql, got)
		}
	}
}

func TestAnotherWayToCompareIsOneEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "mapping")
	want := []string{`provider.updated {"group_match": "exact"} {"group_match": "ignore_case"}`}
	if got := w.trail(t, `SELECT auth.update_provider(@entra, _group_match => 'ignore_case')`); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTheCachesColumnsAreNotInTheTrail(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "mapping")
	harness.Exec(t, w, `SET jit = off;`+companySQL)
	w.exec(t, `UPDATE auth.user_group_mapping SET external_group_name = external_group_name || 's', is_active = NOT is_active;
		UPDATE auth.user_identity SET provider_groups = '{Staffs}', is_active = NOT is_active, mapped_ways = '{}';
		UPDATE auth.provider SET group_match = 'ignore_case'`)
	w.exec(t, `DELETE FROM auth.user_group_mapping; DELETE FROM auth.user_identity`)
	if got := w.column(t, `SELECT DISTINCT k FROM auth.audit_event, jsonb_object_keys(coalesce(before, '{}') || coalesce(after, '{}')) AS k
		WHERE k IN ('mapped_ways', 'mapped_until', 'mapping_no')`); len(got) > 0 {
		t.Errorf("%q", got)
	}
	if n := w.one(t, `SELECT count(DISTINCT event_code) > 10 FROM auth.audit_event`); n != "true" {
		t.Error("hardly anything is in the trail")
	}
}
