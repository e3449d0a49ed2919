package permission_test

import (
	"slices"
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

// paths are the rows of an explanation, in their order: the answer, what gives it, and what is missing.
func (w world) paths(t testing.TB, code string) []string {
	t.Helper()
	w.ids["code"] = code
	return w.column(t, `
		SELECT concat_ws(' ', is_granted, source, provider_code, provider_user_id, external_name, group_code, perm_set_code, granted_code)
			|| concat(': ' || nullif(array_to_string(missing, ', '), ''))
		FROM auth.explain_permission(@ann, @code)`)
}

func TestAnExplanationNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	const mapping = `f mapping entra ann_entra Staff staff orders: `
	for sql, c := range map[string]struct{ grant, want string }{
		`SELECT auth.disable_user(@ann)`:                                                 {"mapping", mapping + `the user is disabled`},
		`SELECT auth.lock_user(@ann)`:                                                    {"mapping", mapping + `the user is locked`},
		`SELECT auth.disable_tenant(NULL)`:                                               {"mapping", mapping + `tenant default is disabled`},
		`UPDATE auth.permission_assignment SET valid_until = '2000-01-01'`:               {"mapping", mapping + `the assignment ended at 2000-01-01 00:00:00+00`},
		`SELECT auth.disable_user_group(@staff)`:                                         {"mapping", mapping + `group staff is disabled`},
		`UPDATE auth.user_group SET tenant_id = @acme`:                                   {"mapping", mapping + `group staff belongs to another tenant`},
		`UPDATE auth.user_group SET group_type = 'internal'`:                             {"mapping", mapping + `group staff is internal, where mappings do not count`},
		`UPDATE auth.user_group_mapping SET is_active = false`:                           {"mapping", mapping + `the mapping is disabled`},
		`SELECT auth.disable_provider(@entra)`:                                           {"mapping", mapping + `provider entra is disabled`},
		`SELECT auth.disable_user_identity(@ann_entra)`:                                  {"mapping", mapping + `the identity is disabled`},
		`SELECT auth.switch_active_identity(@ann, @github)`:                              {"mapping", mapping + `the user logged in last with another identity`},
		`SELECT auth.update_user_identity_on_login(@entra, 'ann_entra', '{Crew}')`:       {"mapping", `f none staff orders: the user is not in group staff`},
		`UPDATE auth.user_group SET group_type = 'external'`:                             {"member", `f member helpers orders: group helpers is external, where members put in by hand do not count`},
		`SELECT auth.add_group_member(@helpers, @ann, '2000-01-01')`:                     {"member", `f member helpers orders: the membership ended at 2000-01-01 00:00:00+00`},
		`SELECT auth.remove_group_member(@helpers, @ann)`:                                {"member set", `f none helpers selling orders: the user is not in group helpers`},
		`UPDATE auth.permission_assignment SET valid_until = '2000-01-01 00:00+00'`:      {"direct set", `f direct selling orders: the assignment ended at 2000-01-01 00:00:00+00`},
		`SELECT auth.unassign_permission(assignment_id) FROM auth.permission_assignment`: {"direct", `f none: nothing assigns it in this tenant`},
		`UPDATE auth.permission_assignment SET user_id = @bob`:                           {"direct", `f none: nothing assigns it in this tenant`},
		`UPDATE auth.permission_assignment SET tenant_id = @acme`:                        {"mapping", `f none: nothing assigns it in this tenant`},
		`UPDATE auth.permission_assignment SET permission_code = 'orders.read.own'`:      {"mapping", `f none: nothing assigns it in this tenant`},
		`SELECT auth.disable_user(@ann); SELECT auth.disable_user_group(@staff); UPDATE auth.user_group_mapping SET is_active = false`: {"mapping",
			mapping + `the user is disabled, group staff is disabled, the mapping is disabled`},
	} {
		t.Run(c.want, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, c.grant)
			harness.Exec(t, w, `ALTER DATABASE `+w.Name+` SET timezone = 'UTC'`)
			w.Pool.Reset()
			w.exec(t, sql)
			if got := w.paths(t, "orders.read"); !slices.Equal(got, []string{c.want}) {
				t.Errorf("after %s:\n got %q\nwant %q", sql, got, c.want)
			}
		})
	}
}

func TestAnExplanationOfANoHasEveryPathThatWouldDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	for _, grant := range grants {
		w.exec(t, grant)
	}
	w.exec(t, `SELECT auth.disable_user(@ann)`)
	got := w.paths(t, "orders.read.own")
	slices.Sort(got)
	if want := []string{
		"f direct orders: the user is disabled",
		"f direct selling orders: the user is disabled",
		"f mapping entra ann_entra Clerk clerks orders: the user is disabled",
		"f mapping entra ann_entra Clerk clerks selling orders: the user is disabled",
		"f mapping entra ann_entra Staff staff orders: the user is disabled",
		"f mapping entra ann_entra Staff staff selling orders: the user is disabled",
		"f member helpers orders: the user is disabled",
		"f member helpers selling orders: the user is disabled",
	}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestAnExplanationOfAYesHasOnlyThePathsThatGiveIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "mapping")
	w.exec(t, `SELECT auth.assign_permission('orders.read', _user_group_id => @devs);
		SELECT auth.assign_permission('orders', _user_group_id => @helpers, _valid_until => '2000-01-01');
		SELECT auth.assign_permission('orders', _user_id => @ann, _valid_until => '2500-01-01');
		SELECT auth.assign_permission('reports', _user_id => @ann)`)
	if got := w.paths(t, "orders.read"); !slices.Equal(got, []string{"t mapping entra ann_entra Staff staff orders", "t direct orders"}) {
		t.Errorf("got %q: the one that lasts longest first", got)
	}
}

// In a group through two external names, one of which is disabled: that one is no path.
func TestEachExternalNameIsAPathOfItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "mapping")
	w.exec(t, `SELECT auth.create_group_mapping(@staff, @entra, NULL, 'Clerk')`)
	both := []string{"t mapping entra ann_entra Clerk staff orders", "t mapping entra ann_entra Staff staff orders"}
	if got := w.paths(t, "orders"); !slices.Equal(got, both) {
		t.Errorf("got %q", got)
	}
	w.exec(t, `UPDATE auth.user_group_mapping SET is_active = false WHERE external_role_name = 'Clerk'`)
	if got := w.paths(t, "orders"); !slices.Equal(got, both[1:]) {
		t.Errorf("one mapping disabled: %q", got)
	}
	w.exec(t, `UPDATE auth.user_group_mapping SET is_active = false`)
	if got := w.paths(t, "orders"); len(got) != 2 {
		t.Errorf("both disabled: %q", got)
	}
}
