package reference_test

import (
	"reflect"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rolewright/rolewright/tests/harness"
)

func switchesToWindows(t *testing.T, w *world, block string) {
	w.mapGroups(t)
	w.lastUsed(t, "azure-object-id")
	harness.Exec(t, w.db, block)
	w.lastUsed(t, `DOMAIN\john.doe`)
	if codes := values(table(t, w.db, w.fill(mappedGroups)), "code"); !slices.Equal(codes, []string{"developers"}) {
		t.Errorf("groups: %q", codes)
	}
	// Jane is somebody else.
	if w.one(t, `SELECT is_last_used::text FROM auth.user_identity WHERE provider_user_id = 'jane-object-id'`) != "true" {
		t.Error("Jane's identity is not the last used any more")
	}
	trail := w.one(t, `SELECT count(*)::text FROM auth.audit_event e JOIN auth.user_identity i ON i.user_identity_id = e.subject_id
		WHERE e.event_code = 'identity.last_used' AND i.provider_user_id = 'DOMAIN\john.doe'`)
	if trail != "1" {
		t.Errorf("the trail has it %s times", trail)
	}

	// The block marks every account there, and one is marked.
	harness.Exec(t, w.db, w.fill(`SELECT auth.create_user_identity('user-uuid', 'windows-ad-provider-uuid', 'DOMAIN\admin')`))
	harness.Exec(t, w.db, block)
	if n := w.one(t, `SELECT count(*) FILTER (WHERE is_last_used) || ' ' || count(*) FILTER (WHERE is_last_used AND provider_id = 'windows-ad-provider-uuid')
		FROM auth.user_identity WHERE user_id = 'user-uuid'`); n != "1 1" {
		t.Errorf("last used, and at Windows: %s", n)
	}
}

func findsNothingToFix(t *testing.T, w *world, block string) {
	// What used to lead there.
	harness.Exec(t, w.db, w.fill(`UPDATE auth.user_identity SET is_last_used = true, last_login_at = now()
		WHERE user_id = 'user-uuid' AND provider_id = 'windows-ad-provider-uuid'`))
	if n := harness.Exec(t, w.db, block); n != 0 {
		t.Errorf("it fixed %d rows", n)
	}
	w.lastUsed(t, `DOMAIN\john.doe`)
}

// identities are what the reference's own functions write; now: whether it was in this transaction.
const identities = `
	SELECT provider_user_id, provider_groups, provider_roles, provider_data, is_active, is_last_used,
	       last_login_at = now() AS login_now, updated_at = now() AS updated_now
	FROM auth.user_identity ORDER BY provider_user_id`

// alike compares what Rolewright's function does with what the reference's own one does, once the block has created it.
// The calls have literals: a statement with parameters would be kept, with the function that it had the first time.
func (w *world) alike(t *testing.T, block string, calls ...string) {
	t.Helper()
	do := func(before, call string) (rows []map[string]any) {
		w.tries(t, func(tx pgx.Tx) {
			harness.Exec(t, tx, before+w.fill(call))
			rows = table(t, tx, identities)
		})
		return rows
	}
	for _, call := range calls {
		ours, theirs := do("", call), do(block, call)
		if !reflect.DeepEqual(ours, theirs) {
			t.Errorf("after %s\nthe reference's function\n%v\nRolewright's\n%v", call, theirs, ours)
		}
		if reflect.DeepEqual(ours, table(t, w.db, identities)) {
			t.Errorf("%s does nothing", call)
		}
	}
}

func processesClaimsAlike(t *testing.T, w *world, block string) {
	w.alike(t, block,
		`SELECT auth.process_identity_claims('user-uuid', 'google-provider-uuid', '{"groups": ["Sales"], "roles": ["Clerk"], "title": "Mr"}')`,
		`SELECT auth.process_identity_claims(_user_id := 'user-uuid', _provider_id := 'windows-ad-provider-uuid', _claims := '{"groups": [], "roles": ["A", "B"]}')`,
		`SELECT auth.process_identity_claims('user-uuid', 'azure-ad-provider-uuid', '{"groups": ["Engineering", "Architects"], "roles": []}')`)

	// It is the reference's function that answers: it takes the place of ours.
	w.tries(t, func(tx pgx.Tx) {
		const logins = `SELECT count(*) FROM auth.audit_event WHERE event_code = 'login.succeeded'`
		harness.Exec(t, tx, block)
		before := harness.One[int](t, tx, logins)
		harness.Exec(t, tx, w.fill(`SELECT auth.process_identity_claims('user-uuid', 'google-provider-uuid', '{"groups": ["Sales"]}')`))
		got := harness.One[string](t, tx, `SELECT concat(provider_groups, provider_roles, is_last_used) FROM auth.user_identity WHERE provider_user_id = 'john.doe@gmail.com'`)
		if after := harness.One[int](t, tx, logins); got != "{Sales}{}t" || after != before {
			t.Errorf("got %s and %d logins", got, after-before)
		}
	})
}

func synchronizesAlike(t *testing.T, w *world, block string) {
	const elements = `ARRAY[
		'{"provider_user_id": "azure-object-id", "groups": ["Sales"], "roles": [], "data": {"title": "Mr"}}',
		'{"provider_user_id": "jane-object-id", "groups": [], "roles": ["Clerk"], "data": {}}',
		'{"provider_user_id": "nobody knows", "groups": ["Sales"], "roles": [], "data": {}}']::jsonb[]`
	// PostgreSQL does not choose between two arguments and two with defaults behind them (manual, CREATE FUNCTION, Overloading):
	// whoever wants the reference's own function drops ours.
	instead := `DROP FUNCTION auth.sync_provider_identities; ` + block
	w.alike(t, instead,
		`SELECT auth.sync_provider_identities('azure-ad-provider-uuid', `+elements+`)`,
		`SELECT auth.sync_provider_identities(_provider_id := 'azure-ad-provider-uuid', _identity_data := `+elements+`)`)

	w.tries(t, func(tx pgx.Tx) {
		harness.Exec(t, tx, block)
	})
}

func validatesAlike(t *testing.T, w *world, block string) {
	verdicts := func(q harness.Querier) []string {
		return harness.Column[string](t, q, w.fill(`
			SELECT i.provider_user_id || ' ' || auth.validate_identity_access('user-uuid', i.user_identity_id) FROM auth.user_identity i
			UNION ALL SELECT 'none ' || auth.validate_identity_access('user-uuid', 'windows-ad-provider-uuid')
			UNION ALL SELECT 'null ' || auth.validate_identity_access('user-uuid', NULL)`))
	}
	want := []string{`DOMAIN\john.doe true`, `azure-object-id true`, `jane-object-id false`, `john.doe@gmail.com true`, `none false`, `null false`}
	check := func(q harness.Querier) {
		t.Helper()
		got := verdicts(q)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("got %q", got)
		}
	}
	check(w.db)
	w.tries(t, func(tx pgx.Tx) {
		harness.Exec(t, tx, block)
		if harness.One[string](t, tx, `SELECT l.lanname::text FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
			WHERE p.proname = 'validate_identity_access'`) != "plpgsql" {
			t.Error("the block did not replace the function")
		}
		check(tx)
	})
}
