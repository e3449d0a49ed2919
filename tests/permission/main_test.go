// Package permission_test says who has which permission, and that the answer is never stale: whoever changes what it
// comes from, and however.
package permission_test

import (
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rolewright/rolewright/tests/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// Ann logged in with GitHub and then with Entra ID, and is in every group in another way: in staff through a group, in
// clerks through a role, in helpers by hand, and in devs through GitHub, which was not the last.
const worldSQL = `
DO $$
DECLARE
    entra   uuid := auth.create_provider('entra', 'Entra ID', 'oidc', _group_match => 'exact');
    github  uuid := auth.create_provider('github', 'GitHub', 'oauth', _group_match => 'exact');
    ann     uuid := auth.create_user('ann');
    bob     uuid := auth.create_user('bob');
    staff   uuid := auth.create_user_group('staff', 'Staff', 'hybrid');
    clerks  uuid := auth.create_user_group('clerks', 'Clerks', 'hybrid');
    helpers uuid := auth.create_user_group('helpers', 'Helpers', 'hybrid');
    devs    uuid := auth.create_user_group('devs', 'Developers', 'external');
BEGIN
    PERFORM set_config('jit', 'off', true);
    PERFORM auth.create_tenant('acme', 'Acme');
    INSERT INTO auth.permission (code)
    SELECT unnest('{orders,orders.read,orders.read.own,orders-x,ordersx,reports,reports.read}'::text[]);
    PERFORM auth.create_perm_set('selling', 'Selling', '{orders}');
    PERFORM auth.create_group_mapping(staff, entra, 'Staff');
    PERFORM auth.create_group_mapping(clerks, entra, NULL, 'Clerk');
    PERFORM auth.create_group_mapping(devs, github, 'Devs');
    PERFORM auth.add_group_member(helpers, ann);
    PERFORM auth.create_user_identity(ann, entra, 'ann_entra');
    PERFORM auth.create_user_identity(ann, github, 'ann_github');
    PERFORM auth.create_user_identity(bob, entra, 'bob_entra', '{Others}');
    PERFORM auth.update_user_identity_on_login(github, 'ann_github', '{Devs}', '{}');
    PERFORM auth.update_user_identity_on_login(entra, 'ann_entra', '{Staff}', '{Clerk}');
END $$`

// grants give Ann orders, each in another way.
var grants = map[string]string{
	"mapping":     `SELECT auth.assign_permission('orders', _user_group_id => @staff)`,
	"mapping set": `SELECT auth.assign_permission(_perm_set => 'selling', _user_group_id => @staff)`,
	"role":        `SELECT auth.assign_permission('orders', _user_group_id => @clerks)`,
	"role set":    `SELECT auth.assign_permission(_perm_set => 'selling', _user_group_id => @clerks)`,
	"member":      `SELECT auth.assign_permission('orders', _user_group_id => @helpers)`,
	"member set":  `SELECT auth.assign_permission(_perm_set => 'selling', _user_group_id => @helpers)`,
	"direct":      `SELECT auth.assign_permission('orders', _user_id => @ann)`,
	"direct set":  `SELECT auth.assign_permission(_perm_set => 'selling', _user_id => @ann)`,
}

// world is a database with Ann in it. Its statements may name everything by its code: @ann, @staff, @entra, @ann_entra.
type world struct {
	*harness.DB
	ids pgx.NamedArgs
}

func newWorld(t testing.TB, grant string) world {
	t.Helper()
	w := world{harness.Database(t), pgx.NamedArgs{}}
	harness.Exec(t, w.DB, worldSQL)
	w.learn(t)
	if grant != "" {
		w.exec(t, grants[grant])
	}
	return w
}

// learn looks up what the statements can name.
func (w world) learn(t testing.TB) {
	t.Helper()
	for _, r := range harness.Rows[struct{ Name, ID string }](t, w.DB, `
		SELECT code AS name, provider_id::text AS id FROM auth.provider
		UNION ALL SELECT username, user_id::text FROM auth.user_info
		UNION ALL SELECT code, user_group_id::text FROM auth.user_group
		UNION ALL SELECT code, tenant_id::text FROM auth.tenant
		UNION ALL SELECT provider_user_id, user_identity_id::text FROM auth.user_identity`) {
		w.ids[r.Name] = r.ID
	}
}

// exec runs statements, separated by semicolons, as the owner.
func (w world) exec(t testing.TB, sql string) {
	t.Helper()
	w.execIn(t, w.DB, sql)
}

func (w world) execIn(t testing.TB, q harness.Querier, sql string) {
	t.Helper()
	for s := range strings.SplitSeq(sql, ";") {
		harness.Exec(t, q, s, w.ids)
	}
}

func (w world) one(t testing.TB, sql string) string {
	t.Helper()
	return harness.One[string](t, w.DB, `SELECT coalesce((`+sql+`)::text, 'NULL')`, w.ids)
}

func (w world) column(t testing.TB, sql string) []string {
	t.Helper()
	return harness.Column[string](t, w.DB, sql, w.ids)
}

// clear makes checks ask the tables, fill makes them ask the cache.
func (w world) clear(t testing.TB) {
	t.Helper()
	harness.Exec(t, w.DB, `UPDATE auth.user_identity SET mapped_ways = NULL`)
}

func (w world) fill(t testing.TB) {
	t.Helper()
	harness.Exec(t, w.DB, `SELECT auth.fill_permission_cache()`)
}

// answers are what the four functions say about Ann; they have to agree.
type answers struct{ Has, Listed, Holder, Explained bool }

func (w world) ask(t testing.TB, q harness.Querier, code string) answers {
	t.Helper()
	return harness.Rows[answers](t, q, `
		SELECT auth.has_permission(a.user_id, a.code) AS has,
		       EXISTS (SELECT FROM auth.effective_permissions(a.user_id) AS e WHERE e.permission_code = a.code) AS listed,
		       EXISTS (SELECT FROM auth.users_with_permission(a.code) AS h WHERE h.user_id = a.user_id) AS holder,
		       (SELECT bool_or(e.is_granted) FROM auth.explain_permission(a.user_id, a.code) AS e) AS explained
		FROM (SELECT $1::uuid AS user_id, $2::text AS code) AS a`, w.ids["ann"], code)[0]
}

// expect compares the answers as the cache happens to be.
func (w world) expect(t testing.TB, q harness.Querier, when, code string, want bool) {
	t.Helper()
	if got := w.ask(t, q, code); got != (answers{want, want, want, want}) {
		t.Errorf("%s: %s is %+v, want %v", when, code, got, want)
	}
}

// check compares the answers as the cache happens to be, and without and with it.
func (w world) check(t testing.TB, when, code string, want bool) {
	t.Helper()
	w.expect(t, w.DB, when, code, want)
	w.clear(t)
	w.expect(t, w.DB, when+", cold", code, want)
	w.fill(t)
	w.expect(t, w.DB, when+", warm", code, want)
}
