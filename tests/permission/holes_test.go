package permission_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rolewright/rolewright/tests/harness"
)

// What went wrong elsewhere, in a system that answers the same questions.

func TestAMappingOfAMixedCaseGroupTakesEffectAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.exec(t, `SELECT auth.update_provider(@entra, _group_match => 'ignore_case');
		SELECT auth.update_user_identity_on_login(@entra, 'ann_entra', '{Sales-EMEA}', '{"Team Lead"}')`)
	for _, mapping := range []string{
		`@entra, 'sales-emea'`, `@entra, 'SALES-EMEA'`, `@entra, 'Sales-EMEA'`, `@entra, NULL, 'team lead'`, `@entra, NULL, 'TEAM Lead'`, `@entra, 'none', 'TEAM LEAD'`,
	} {
		w.exec(t, `SELECT auth.create_user_group('sales', 'Sales', 'external')`)
		w.learn(t)
		w.exec(t, `SELECT auth.assign_permission('orders', _user_group_id => @sales)`)
		for _, prepare := range []func(testing.TB){w.clear, w.fill} {
			prepare(t)
			w.expect(t, w, "before "+mapping, "orders.read", false)
			w.exec(t, `SELECT auth.create_group_mapping(@sales, `+mapping+`)`)
			w.check(t, mapping, "orders.read", true)
			w.exec(t, `DELETE FROM auth.user_group_mapping WHERE user_group_id = @sales`)
			w.check(t, "without "+mapping, "orders.read", false)
		}
		w.exec(t, `SELECT auth.delete_user_group(@sales)`)
	}
}

func TestWhetherCaseMattersIsTheProvidersToSay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "mapping")
	w.exec(t, `SELECT auth.update_user_identity_on_login(@entra, 'ann_entra', '{STAFF}', '{}')`)
	for _, s := range []struct {
		sql  string
		want bool
	}{
		{`SELECT 1`, false},
		{`SELECT auth.update_provider(@entra, _group_match => 'ignore_case')`, true},
		{`SELECT auth.update_provider(@entra, _group_match => 'exact')`, false},
		{`UPDATE auth.provider SET group_match = 'ignore_case'`, true},
		{`UPDATE auth.provider SET group_match = 'exact'`, false},
		{`UPDATE auth.user_group_mapping SET external_group_name = upper(external_group_name)`, true},
		{`UPDATE auth.provider SET group_match = 'ignore_case', is_active = false`, false},
		{`UPDATE auth.provider SET is_active = true`, true},
	} {
		w.exec(t, s.sql)
		w.expect(t, w, "as it is, after "+s.sql, "orders.read", s.want)
		w.check(t, "after "+s.sql, "orders.read", s.want)
	}
}

// Checks write nothing, so that they cannot be in each other's way, whatever else goes on.
func TestChecksAtOnceNeverFail(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "mapping")
	w.clear(t)
	var group sync.WaitGroup
	for i := range 12 {
		group.Go(func() {
			for range 20 {
				var has bool
				var err error
				switch i {
				case 0:
					_, err = w.Exec(context.Background(), `UPDATE auth.user_identity SET mapped_ways = NULL`)
					has = true
				case 1:
					_, err = w.Exec(context.Background(), `SELECT auth.update_user_identity_on_login($1, 'ann_entra', '{Staff}', '{}')`, w.ids["entra"])
					has = true
				case 2:
					_, err = w.Exec(context.Background(), `SELECT auth.disable_user_group($1), auth.enable_user_group($1)`, w.ids["devs"])
					has = true
				case 3:
					_, err = w.Exec(context.Background(), `SELECT auth.fill_permission_cache()`)
					has = true
				default:
					err = w.Pool.QueryRow(context.Background(), `SELECT auth.has_permission($1, 'orders.read')`, w.ids["ann"]).Scan(&has)
				}
				if err != nil || !has {
					t.Error(has, err)
				}
			}
		})
	}
	group.Wait()
}

func TestAReadOnlyTransactionChecksCold(t *testing.T) {
	t.Parallel()
	for grant := range grants {
		t.Run(grant, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, grant)
			for _, prepare := range []func(testing.TB){w.clear, w.fill} {
				prepare(t)
				for _, level := range []pgx.TxIsoLevel{pgx.ReadCommitted, pgx.RepeatableRead, pgx.Serializable} {
					tx, err := w.Pool.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: level, AccessMode: pgx.ReadOnly})
					if err != nil {
						t.Fatal(err)
					}
					w.expect(t, tx, string(level), "orders.read", true)
					w.expect(t, tx, string(level), "reports", false)
					for _, sql := range checks {
						w.execIn(t, tx, sql)
					}
					if err := tx.Commit(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}

func TestADisabledUserDoesNotGetInThroughANewIdentity(t *testing.T) {
	t.Parallel()
	for state, c := range map[string]struct{ off, on, sqlstate string }{
		"disabled": {`SELECT auth.disable_user(@ann)`, `SELECT auth.enable_user(@ann)`, "RW113"},
		"locked":   {`SELECT auth.lock_user(@ann)`, `SELECT auth.unlock_user(@ann)`, "RW114"},
	} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "mapping")
			w.exec(t, c.off)
			w.exec(t, `SELECT auth.create_user_identity(@ann, @entra, 'ann_again', '{Staff}', '{Clerk}')`)
			w.check(t, "linked", "orders.read", false)
			_, err := w.Exec(t.Context(), `SELECT auth.update_user_identity_on_login(@entra, 'ann_again', '{Staff}')`, w.ids)
			var refusal *pgconn.PgError
			if !errors.As(err, &refusal) || refusal.Code != c.sqlstate {
				t.Errorf("a login: %v, want %s", err, c.sqlstate)
			}
			harness.MustFail(t, w, c.sqlstate, `SELECT auth.switch_active_identity(@ann, @github)`, w.ids)
			w.exec(t, `SELECT * FROM auth.try_login(@entra, 'ann_again', _provider_groups => '{Staff}')`)
			w.check(t, "refused", "orders.read", false)
			w.exec(t, `UPDATE auth.user_identity SET is_last_used = true WHERE provider_user_id = 'ann_again'`)
			w.check(t, "made the last used one", "orders.read", false)
			w.exec(t, `INSERT INTO auth.user_identity (user_id, provider_id, provider_user_id, provider_groups, is_last_used) VALUES (@ann, @entra, 'ann_3', '{Staff}', true)`)
			w.check(t, "inserted as the last used one", "orders.read", false)
			w.exec(t, `SELECT auth.sync_provider_identities(@entra, ARRAY['{"provider_user_id": "ann_3", "groups": ["Staff", "Crew"]}']::jsonb[])`)
			w.check(t, "in a feed", "orders.read", false)
			w.exec(t, `UPDATE auth.user_identity SET user_id = @ann WHERE provider_user_id = 'bob_entra'; UPDATE auth.user_identity SET provider_groups = '{Staff}', is_last_used = true WHERE provider_user_id = 'bob_entra'`)
			w.check(t, "somebody else's account", "orders.read", false)
			w.exec(t, c.on)
			w.check(t, "let in again", "orders.read", true)
		})
	}
}

// A deleted user's id, group and permission are nobody's any more.
func TestWhatIsDeletedLeavesNothingInTheCache(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	for _, grant := range grants {
		w.exec(t, grant)
	}
	w.exec(t, `SELECT auth.delete_user(@ann); SELECT auth.delete_user_group(@staff); SELECT auth.delete_perm_set('selling', true)`)
	if has := w.one(t, `SELECT auth.has_permission(@ann, 'orders')`); has != "false" {
		t.Error("a deleted user has a permission")
	}
	w.exec(t, `SELECT auth.delete_permission('orders.read', true); SELECT auth.delete_user_group(@clerks)`)
	if got := w.column(t, `SELECT permission_code || ' ' || array_to_string(user_group_ids, ' ') FROM auth.permission_cache`); !slices.Equal(got, []string{"orders " + w.ids["helpers"].(string)}) {
		t.Errorf("the cache holds %q", got)
	}
	w.exec(t, `SELECT auth.delete_permission('orders', true)`)
	if n := w.one(t, `SELECT count(*) FROM auth.permission_cache`); n != "0" {
		t.Errorf("%s rows are left", n)
	}
}
