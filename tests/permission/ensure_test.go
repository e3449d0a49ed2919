package permission_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

const (
	somePermissions = `["orders.read", {"code": "orders.invoice.approve", "description": "Approve invoices"}]`
	someSets        = `[{"code": "clerk", "name": "Clerk", "permissions": ["orders.read"]},
	                    {"code": "boss", "permissions": ["orders"]}]`
	someGroups = `[
		{"code": "sales", "name": "Sales", "type": "external",
		 "mappings": [{"provider": "entra", "group": "Sales"}, {"provider": "entra", "role": "Seller"}],
		 "assignments": [{"set": "clerk"}, {"permission": "orders.invoice", "tenant": "acme", "valid_until": "2030-01-01Z"}]},
		{"code": "acme-bosses", "tenant": "acme", "assignments": [{"set": "boss"}]}]`
)

// ensure declares something and returns what that changed, as "action object".
func ensure(t testing.TB, q harness.Querier, what, declaration string, prune bool) []string {
	t.Helper()
	return harness.Column[string](t, q,
		fmt.Sprintf(`SELECT action || ' ' || object FROM auth.ensure_%s($1, $2) ORDER BY 1`, what), declaration, prune)
}

func expectChanges(t testing.TB, got []string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("changed:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func declareAll(t testing.TB, q harness.Querier) {
	t.Helper()
	harness.Exec(t, q, `SELECT auth.create_provider('entra', 'Entra ID', 'oidc'), auth.create_tenant('acme', 'Acme')`)
	ensure(t, q, "permissions", somePermissions, false)
	ensure(t, q, "perm_sets", someSets, false)
	ensure(t, q, "groups", someGroups, false)
}

func TestADeclarationMakesWhatIsMissingAndNothingTheSecondTime(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	harness.Exec(t, db, `SELECT auth.create_provider('entra', 'Entra ID', 'oidc'), auth.create_tenant('acme', 'Acme')`)
	expectChanges(t, ensure(t, db, "permissions", somePermissions, true),
		"create permission orders", "create permission orders.invoice", "create permission orders.invoice.approve",
		"create permission orders.read")
	expectChanges(t, ensure(t, db, "perm_sets", someSets, true),
		"create set clerk", "create set boss", "add permission orders.read to set clerk", "add permission orders to set boss")
	expectChanges(t, ensure(t, db, "groups", someGroups, true),
		"create group sales", "create group acme-bosses",
		`map group "Sales" of entra to group sales`, `map role "Seller" of entra to group sales`,
		"assign set clerk to group sales in tenant default", "assign set boss to group acme-bosses in tenant acme",
		"assign permission orders.invoice to group sales in tenant acme until 2030-01-01 00:00:00+00")

	user := harness.One[string](t, db, `SELECT auth.ensure_user_from_provider(
		(SELECT provider_id FROM auth.provider), 'ann', _provider_groups => '{}', _provider_roles => '{Seller}')`)
	if !harness.One[bool](t, db, `SELECT auth.has_permission($1, 'orders.read')
		AND auth.has_permission($1, 'orders.invoice.approve', (SELECT tenant_id FROM auth.tenant WHERE code = 'acme'))`, user) {
		t.Error("the declared role does not give what is declared")
	}

	events := harness.One[int](t, db, `SELECT count(*) FROM auth.audit_event`)
	model := harness.One[string](t, db, `SELECT xmin::text FROM unsecure.permission_model`)
	for what, declaration := range map[string]string{"permissions": somePermissions, "perm_sets": someSets, "groups": someGroups} {
		expectChanges(t, ensure(t, db, what, declaration, true))
	}
	if got := harness.One[int](t, db, `SELECT count(*) FROM auth.audit_event`); got != events {
		t.Errorf("the second time wrote %d audit rows", got-events)
	}
	if got := harness.One[string](t, db, `SELECT xmin::text FROM unsecure.permission_model`); got != model {
		t.Error("the second time took the lock of the model")
	}
}

func TestPruneRemovesWhatIsNoLongerListedAndNothingMadeByHand(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	declareAll(t, db)
	harness.Exec(t, db, `
		SELECT auth.create_permission('byhand.read');
		SELECT auth.create_perm_set('byhand', 'By hand', '{byhand.read,orders.read}');
		SELECT auth.create_user_group('byhand', 'By hand');
		SELECT auth.assign_permission('orders', _user_group_id => user_group_id) FROM auth.user_group WHERE code = 'byhand'`)

	expectChanges(t, ensure(t, db, "groups", `[{"code": "sales", "mappings": [{"provider": "entra", "role": "Seller"}], "assignments": []}]`, true),
		"delete group acme-bosses", `unmap group "Sales" of entra from group sales`,
		"unassign set clerk from group sales in tenant default",
		"unassign permission orders.invoice from group sales in tenant acme")
	expectChanges(t, ensure(t, db, "perm_sets", `[{"code": "clerk", "name": "Clerks", "permissions": []}]`, true),
		"update set clerk", "remove permission orders.read from set clerk", "delete set boss")
	assignment := harness.One[string](t, db, `SELECT assignment_id::text FROM auth.permission_assignment`)
	expectChanges(t, ensure(t, db, "permissions", `["stock"]`, true),
		"create permission stock", "delete permission orders", "delete permission orders.invoice",
		"delete permission orders.invoice.approve", "delete permission orders.read",
		"remove permission orders.read from set byhand", "unassign permission orders (assignment "+assignment+")")
	left := harness.Column[string](t, db, `
		SELECT code FROM auth.permission UNION ALL SELECT 'set ' || code FROM auth.perm_set
		UNION ALL SELECT 'group ' || code FROM auth.user_group ORDER BY 1`)
	expectChanges(t, left, "byhand", "byhand.read", "group byhand", "group sales", "set byhand", "set clerk", "stock")
	if n := harness.One[int](t, db, `SELECT count(*) FROM auth.permission_cache`); n != 0 {
		t.Errorf("%d permissions are left in the cache", n)
	}
}

func TestWhatADeclarationDoesNotSayStays(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	declareAll(t, db)
	// No key: not said. Without _prune: also what a list leaves out.
	expectChanges(t, ensure(t, db, "perm_sets", `[{"code": "clerk"}, {"code": "boss"}]`, true))
	expectChanges(t, ensure(t, db, "groups", `[{"code": "sales"}, {"code": "acme-bosses"}]`, true))
	expectChanges(t, ensure(t, db, "permissions", `[]`, false))
	expectChanges(t, ensure(t, db, "perm_sets", `[{"code": "clerk", "permissions": []}]`, false))
	expectChanges(t, ensure(t, db, "groups", `[{"code": "sales", "mappings": [], "assignments": []}]`, false))
	// An end that an operator gave stays where the declaration says none.
	harness.Exec(t, db, `UPDATE auth.permission_assignment SET valid_until = '2031-01-01' WHERE permission_code IS NULL`)
	expectChanges(t, ensure(t, db, "groups", `[{"code": "sales", "assignments": [{"set": "clerk"}]}]`, false))
	expectChanges(t, ensure(t, db, "groups", `[{"code": "sales", "assignments": [{"set": "clerk", "valid_until": null}]}]`, false),
		"assign set clerk to group sales in tenant default")
}

func TestADeclarationTakesOverWhatWasMadeByHand(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	harness.Exec(t, db, `SELECT auth.create_permission('orders'), auth.create_user_group('sales', 'Sales')`)
	expectChanges(t, ensure(t, db, "permissions", `["orders"]`, false), "declare permission orders")
	expectChanges(t, ensure(t, db, "groups", `[{"code": "sales"}]`, false), "declare group sales")
	expectChanges(t, ensure(t, db, "permissions", `[]`, true), "delete permission orders")
}

func TestADeclaredChangeOfTypeDropsMembersOnlyWithPrune(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	ensure(t, db, "groups", `[{"code": "sales", "type": "internal"}]`, false)
	harness.Exec(t, db, `SELECT auth.add_group_member((SELECT user_group_id FROM auth.user_group), auth.create_user('ann'))`)
	external := `[{"code": "sales", "type": "external"}]`
	harness.MustFail(t, db, "RW302", `SELECT auth.ensure_groups($1)`, external)
	harness.MustFail(t, db, "RW302", `SELECT auth.ensure_groups($1, NULL)`, external)
	expectChanges(t, ensure(t, db, "groups", external, true), "update group sales")
}

func TestADeclarationSaysAllThatIsWrongWithIt(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	declareAll(t, db)
	for _, c := range []struct{ what, declaration, detail string }{
		{"permissions", `{}`, "not a JSON array"},
		{"permissions", `null`, "not a JSON array"},
		{"permissions", `["a b", 1, {"cod": "x"}, "orders", {"code": "orders"}]`,
			"element 2: not an object\nelement 3: code is missing\nelement 3: unknown key \"cod\"\n\"orders\" is listed 2 times\n" +
				"element 1: code \"a b\" is not letters, digits, _ and - in parts joined by dots"},
		{"perm_sets", `[{"code": "s", "permissions": ["nope", "orders"]}, {"code": "r", "permissions": [1]}]`,
			"set \"r\": permissions is not an array of codes\nset \"s\": permission \"nope\" does not exist"},
		{"groups", `[{"code": "g", "type": "odd", "tenant": "no", "mappings": [{"provider": "zz"}, 3], "assignments": "x"}]`,
			"group \"g\": assignments is not an array\ngroup \"g\": tenant \"no\" does not exist\n" +
				"group \"g\": type is not internal, external or hybrid\n" +
				"group \"g\": mapping {\"provider\": \"zz\"}: provider does not exist\n" +
				"group \"g\": mapping {\"provider\": \"zz\"}: says neither group nor role\ngroup \"g\": mapping 3: not an object"},
		{"groups", `[{"code": "g", "assignments": [{"set": "no", "permission": "orders"}, {"permission": "x", "until": 1}]}]`,
			"group \"g\": assignment {\"set\": \"no\", \"permission\": \"orders\"}: says not exactly one of permission and set\n" +
				"group \"g\": assignment {\"set\": \"no\", \"permission\": \"orders\"}: set does not exist\n" +
				"group \"g\": assignment {\"until\": 1, \"permission\": \"x\"}: permission does not exist\n" +
				"group \"g\": assignment {\"until\": 1, \"permission\": \"x\"}: unknown key \"until\""},
		{"groups", `[{"code": "acme-bosses", "assignments": [{"set": "boss", "tenant": "default"}]}]`,
			"group \"acme-bosses\": assignment {\"set\": \"boss\", \"tenant\": \"default\"}: the group belongs to tenant \"acme\""},
	} {
		got := harness.MustFail(t, db, "RW314", "SELECT auth.ensure_"+c.what+"($1)", c.declaration)
		if got.Detail != c.detail {
			t.Errorf("%s %s:\n%s\nwant\n%s", c.what, c.declaration, got.Detail, c.detail)
		}
	}
}

// Twenty instances of an application start at once.
func TestTheSameDeclarationAtOnceIsCarriedOutOnce(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	harness.Exec(t, db, `SELECT auth.create_provider('entra', 'Entra ID', 'oidc'), auth.create_tenant('acme', 'Acme')`)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for _, d := range [][2]string{{"permissions", somePermissions}, {"perm_sets", someSets}, {"groups", someGroups}} {
				if _, err := db.Exec(t.Context(), "SELECT auth.ensure_"+d[0]+"($1, true)", d[1]); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := harness.One[int](t, db, `SELECT count(*) FROM auth.audit_event WHERE event_code IN
		('permission.created', 'perm_set.created', 'group.created', 'set_permission.added', 'mapping.created', 'assignment.created')`); n != 15 {
		t.Errorf("%d things were made, want 4 permissions, 2 sets with 2 permissions, 2 groups, 2 mappings, 3 assignments", n)
	}
}
