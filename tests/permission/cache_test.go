package permission_test

import (
	"testing"
)

func TestTheStatisticsCountWhoIsWarmStaleAndCold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "mapping")
	// Ann and Bob; Bob has not logged in yet.
	for _, s := range []struct{ sql, want string }{
		{`SELECT 1`, "3 permissions, 1 warm, 0 stale, 0 cold"},
		{`SELECT auth.update_user_identity_on_login(@entra, 'bob_entra', '{Others}')`, "3 permissions, 2 warm, 0 stale, 0 cold"},
		{`SELECT auth.create_group_mapping(@helpers, @entra, 'Helpers')`, "3 permissions, 0 warm, 2 stale, 0 cold"},
		{`SELECT auth.update_user_identity_on_login(@entra, 'ann_entra', '{Staff}', '{Clerk}')`, "3 permissions, 1 warm, 1 stale, 0 cold"},
		{`SELECT unsecure.clear_permission_cache_by_provider(@entra)`, "3 permissions, 0 warm, 0 stale, 2 cold"},
		{`SELECT auth.fill_permission_cache(1)`, "3 permissions, 1 warm, 0 stale, 1 cold"},
		{`SELECT auth.fill_permission_cache()`, "3 permissions, 2 warm, 0 stale, 0 cold"},
		{`SELECT auth.lock_user(@bob)`, "3 permissions, 1 warm, 0 stale, 0 cold"},
		{`SELECT auth.create_permission('orders.ship')`, "4 permissions, 1 warm, 0 stale, 0 cold"},
		{`SELECT unsecure.clear_permission_cache_all()`, "4 permissions, 0 warm, 0 stale, 1 cold"},
		{`SELECT auth.disable_user_group(@staff)`, "0 permissions, 0 warm, 0 stale, 1 cold"},
	} {
		w.exec(t, s.sql)
		if got := w.one(t, `SELECT format('%s permissions, %s warm, %s stale, %s cold', permissions, warm_users, stale_users, cold_users) FROM auth.permission_cache_statistics`); got != s.want {
			t.Errorf("after %s: %s, want %s", s.sql, got, s.want)
		}
	}
}

func TestFillingSaysHowManyAndThenThatAllIsDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.exec(t, `SELECT auth.update_user_identity_on_login(@entra, 'bob_entra', '{Others}')`)
	w.clear(t)
	for _, want := range []string{"1", "1", "0"} {
		if got := w.one(t, `SELECT auth.fill_permission_cache(1)`); got != want {
			t.Errorf("filled %s, want %s", got, want)
		}
	}
}
