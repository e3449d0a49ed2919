package permission_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

// A company in which every way to have a permission, and to have it not, occurs for somebody.
const companySQL = `
DO $$
DECLARE
    entra  uuid := (SELECT provider_id FROM auth.provider WHERE code = 'entra');
    github uuid := (SELECT provider_id FROM auth.provider WHERE code = 'github');
    acme   uuid := (SELECT tenant_id FROM auth.tenant WHERE code = 'acme');
    casual uuid := auth.create_provider('casual', 'Casual', 'ldap', _group_match => 'ignore_case');
    g      record;
    u      uuid;
BEGIN
    PERFORM auth.create_group_mapping(user_group_id, casual, 'STAFF', 'Clerk') FROM auth.user_group WHERE code = 'clerks';
    PERFORM auth.create_perm_set('all', 'All', '{orders.read,reports,ordersx}');
    PERFORM auth.assign_permission('orders.read', _user_group_id => user_group_id) FROM auth.user_group WHERE code <> 'clerks';
    PERFORM auth.assign_permission(_perm_set => 'all', _user_group_id => user_group_id, _valid_until => '2500-01-01') FROM auth.user_group WHERE code = 'clerks';
    PERFORM auth.assign_permission('orders', _user_group_id => user_group_id, _tenant_id => acme) FROM auth.user_group WHERE code IN ('staff', 'devs');
    PERFORM auth.assign_permission('reports', _user_group_id => user_group_id, _valid_until => '2000-01-01') FROM auth.user_group;
    UPDATE auth.user_group SET group_type = 'external' WHERE code = 'helpers';
    PERFORM auth.create_user_group('late', 'Late', 'internal');
    PERFORM auth.assign_permission(_perm_set => 'selling', _user_group_id => user_group_id) FROM auth.user_group WHERE code = 'late';
    FOR n IN 1 .. 40 LOOP
        u := auth.create_user('user' || n);
        PERFORM auth.create_user_identity(u, entra, 'e' || n, CASE n % 3 WHEN 0 THEN '{Staff}'::text[] WHEN 1 THEN '{staff}' END, CASE WHEN n % 5 = 0 THEN '{Clerk}'::text[] END);
        PERFORM auth.create_user_identity(u, casual, 'c' || n, CASE n % 4 WHEN 0 THEN '{sTaFf}'::text[] END, CASE WHEN n % 7 = 0 THEN '{CLERK}'::text[] END);
        IF n % 6 = 0 THEN PERFORM auth.create_user_identity(u, github, 'g' || n, '{Devs}'); END IF;
        IF n % 2 = 0 THEN PERFORM auth.switch_active_identity(u, (ARRAY[entra, casual])[1 + n % 4 / 2]); END IF;
        IF n % 9 = 0 THEN PERFORM auth.add_group_member(user_group_id, u, CASE n % 2 WHEN 1 THEN '2000-01-01'::timestamptz END) FROM auth.user_group WHERE code = 'late'; END IF;
        IF n % 8 = 1 THEN PERFORM auth.assign_permission('reports', _user_id => u, _tenant_id => CASE n % 16 WHEN 1 THEN acme END); END IF;
        IF n % 11 = 0 THEN PERFORM auth.assign_permission(_perm_set => 'all', _user_id => u); END IF;
        IF n % 13 = 0 THEN PERFORM auth.disable_user(u); END IF;
        IF n % 14 = 0 THEN PERFORM auth.lock_user(u); END IF;
    END LOOP;
    PERFORM auth.disable_user_identity(user_identity_id) FROM auth.user_identity WHERE provider_user_id IN ('e6', 'c8', 'e9', 'g12');
END $$`

func TestTheListsAreWhatTheChecksSay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	harness.Exec(t, w, `SET jit = off;`+companySQL)
	const differences = `
		WITH checked AS MATERIALIZED (
			SELECT u.user_id, p.code, t.tenant_id
			FROM auth.user_info u, auth.permission p, (SELECT tenant_id FROM auth.tenant UNION ALL SELECT NULL) AS t
			WHERE auth.has_permission(u.user_id, p.code, t.tenant_id)
		), listed AS (
			SELECT u.user_id, e.permission_code, t.tenant_id
			FROM auth.user_info u, (SELECT tenant_id FROM auth.tenant UNION ALL SELECT NULL) AS t, auth.effective_permissions(u.user_id, t.tenant_id) AS e
		), held AS (
			SELECT h.user_id, p.code, t.tenant_id
			FROM auth.permission p, (SELECT tenant_id FROM auth.tenant UNION ALL SELECT NULL) AS t, auth.users_with_permission(p.code, t.tenant_id) AS h
		), explained AS (
			SELECT DISTINCT u.user_id, p.code, t.tenant_id
			FROM auth.user_info u, auth.permission p, (SELECT tenant_id FROM auth.tenant UNION ALL SELECT NULL) AS t,
				auth.explain_permission(u.user_id, p.code, t.tenant_id) AS e
			WHERE e.is_granted
		)
		SELECT 'checks, not listed: ' || (c)::text FROM (TABLE checked EXCEPT TABLE listed) AS c
		UNION ALL SELECT 'listed, not by checks: ' || (c)::text FROM (TABLE listed EXCEPT TABLE checked) AS c
		UNION ALL SELECT 'checks, not held: ' || (c)::text FROM (TABLE checked EXCEPT TABLE held) AS c
		UNION ALL SELECT 'held, not by checks: ' || (c)::text FROM (TABLE held EXCEPT TABLE checked) AS c
		UNION ALL SELECT 'checks, not explained: ' || (c)::text FROM (TABLE checked EXCEPT TABLE explained) AS c
		UNION ALL SELECT 'explained, not by checks: ' || (c)::text FROM (TABLE explained EXCEPT TABLE checked) AS c
		UNION ALL SELECT 'twice: ' || u.user_id FROM auth.user_info u, auth.effective_permissions(u.user_id) AS e GROUP BY u.user_id, e.permission_code HAVING count(*) > 1
		UNION ALL SELECT count(*) || ' of them' FROM checked HAVING count(*) NOT BETWEEN 100 AND 800`
	for name, prepare := range map[string]func(testing.TB){"as it is": func(testing.TB) {}, "warm": w.fill, "cold": w.clear} {
		prepare(t)
		if got := w.column(t, differences); len(got) > 0 {
			t.Errorf("%s:\n%s", name, strings.Join(got, "\n"))
		}
	}
}

func TestTheListsAreSorted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "mapping")
	w.exec(t, `SELECT auth.assign_permission('orders-x', _user_id => @ann); SELECT auth.assign_permission('orders', _user_id => @bob)`)
	if got := w.column(t, `SELECT permission_code FROM auth.effective_permissions(@ann)`); !slices.Equal(got, []string{"orders", "orders-x", "orders.read", "orders.read.own"}) {
		t.Errorf("effective_permissions: %q", got)
	}
	if got := w.column(t, `SELECT username FROM auth.users_with_permission('orders')`); !slices.Equal(got, []string{"ann", "bob"}) {
		t.Errorf("users_with_permission: %q", got)
	}
	// An unknown user has nothing, as in a check.
	if got := w.column(t, `SELECT permission_code FROM auth.effective_permissions(gen_random_uuid())`); len(got) != 0 {
		t.Errorf("nobody has %q", got)
	}
}
