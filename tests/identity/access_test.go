package identity_test

import (
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

func TestAnApplicationLogsPeopleInAndNothingElse(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	p := provider(t, db, "a")
	app := db.As(t, "rolewright_app")
	u := ensure(t, app, p, "acc", []string{"A"}, `{}`)
	harness.Exec(t, app, login, p, "acc", []string{"B"})
	harness.Exec(t, app, `SELECT * FROM auth.try_login($1, 'acc')`, p)
	harness.Exec(t, app, `SELECT auth.process_identity_claims($1, $2, '{}')`, u, p)
	harness.Exec(t, app, `SELECT auth.switch_active_identity($1, $2)`, u, p)
	harness.Exec(t, app, `SELECT * FROM auth.effective_groups($1)`, u)
	for _, sql := range []string{
		`SELECT auth.create_provider('x', 'X', 'oidc')`, `SELECT auth.create_user('x')`, `SELECT auth.enable_user('` + u + `')`,
		`SELECT auth.unlock_user('` + u + `')`, `SELECT auth.create_user_group('x', 'X')`, `SELECT auth.sync_provider_identities('` + p + `', '{}')`,
		`SELECT auth.begin_identity_sync('` + p + `')`, `SELECT auth.maintain_audit_partitions()`, `SELECT * FROM auth.user_info`,
		`UPDATE auth.user_identity SET provider_groups = '{admins}'`, `SELECT unsecure.clear_permission_cache('` + u + `')`,
		`SELECT * FROM auth.identity_overview`,
	} {
		harness.MustFail(t, app, "42501", sql)
	}
}

func TestAuditorsReadAndPublicDoesNothing(t *testing.T) {
	t.Parallel()
	db := harness.Cluster(t).Database(t) // for a role of its own
	auditor := db.As(t, "rolewright_auditor")
	for _, view := range []string{"identity_overview", "provider_statistics", "stale_identity", "unmapped_external_group"} {
		harness.Exec(t, auditor, `SELECT * FROM auth.`+view)
	}
	for _, table := range []string{"provider", "user_info", "user_identity", "user_group", "user_group_member", "user_group_mapping", "audit_event"} {
		harness.Exec(t, auditor, `SELECT * FROM auth.`+table)
		harness.MustFail(t, auditor, "42501", `DELETE FROM auth.`+table)
	}
	harness.MustFail(t, auditor, "42501", `SELECT auth.create_user('x')`)

	harness.Exec(t, db, `CREATE ROLE nobody_in_particular`)
	harness.MustFail(t, db.As(t, "nobody_in_particular"), "42501", `SELECT auth.effective_groups(gen_random_uuid())`)
}

// Whoever can make objects in a schema of the search path, or temporary ones, must not make a definer function use them.
func TestDefinersDoNotUseTheCallersObjects(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	p := provider(t, db, "a")
	ensure(t, db, p, "acc", []string{"A"}, `{}`)
	harness.Exec(t, db.Super(t), `GRANT CREATE ON SCHEMA public TO rolewright_app`)
	app := db.As(t, "rolewright_app")
	harness.Exec(t, app, `
		CREATE FUNCTION public.evil(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'ran as %', current_user; END $$;
		CREATE OPERATOR public.= (LEFTARG = text, RIGHTARG = text, FUNCTION = public.evil);
		CREATE FUNCTION public.lower(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'ran as %', current_user; END $$;
		CREATE TEMP TABLE user_identity (x int);
		SET search_path = public, pg_temp, pg_catalog`)
	ensure(t, app, p, "acc", []string{"B"}, `{"username": "x"}`)
	ensure(t, app, p, "new", []string{"B"}, `{"username": "x"}`)
	harness.Exec(t, app, login, p, "acc", []string{"C"})
}
