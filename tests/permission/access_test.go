package permission_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

// What an application may call; the operator's and the auditor's functions contain these.
var checks = []string{
	`SELECT auth.has_permission(@ann, 'orders.read')`, `SELECT auth.has_permissions(@ann, '{orders,orders.read}')`,
	`SELECT auth.require_permission(@ann, 'orders.read')`, `SELECT * FROM auth.effective_permissions(@ann)`,
	`SELECT * FROM auth.users_with_permission('orders.read')`, `SELECT * FROM auth.explain_permission(@ann, 'orders.read')`,
}

func TestAnApplicationChecksAndReadsAndWritesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "mapping")
	app := w.As(t, "rolewright_app")
	for _, sql := range checks {
		w.execIn(t, app, sql)
	}
	var forbidden []string
	for _, table := range []string{
		"auth.permission_cache", "auth.permission", "auth.perm_set", "auth.perm_set_permission", "auth.permission_assignment", "auth.tenant",
		"auth.user_identity", "auth.user_group_mapping", "unsecure.permission_model",
	} {
		forbidden = append(forbidden, `SELECT FROM `+table, `DELETE FROM `+table)
	}
	forbidden = append(forbidden,
		`SELECT FROM auth.permission_cache_statistics`, `SELECT FROM unsecure.group_permission`, `SELECT FROM unsecure.group_way`,
		`INSERT INTO auth.permission_cache SELECT`, `UPDATE auth.permission_cache SET ways = '{}'`, `TRUNCATE auth.permission_cache`,
		`UPDATE auth.user_identity SET mapped_ways = '{1}'`, `INSERT INTO auth.permission_assignment (user_id, permission_code) VALUES (@ann, 'reports')`,
		`SELECT auth.create_permission('x')`, `SELECT auth.delete_permission('orders')`, `SELECT auth.create_perm_set('x', 'X')`,
		`SELECT auth.add_perm_set_permissions('selling', '{reports}')`, `SELECT auth.remove_perm_set_permissions('selling', '{orders}')`,
		`SELECT auth.delete_perm_set('selling')`, `SELECT auth.assign_permission('reports', _user_id => @ann)`,
		`SELECT auth.unassign_permission(gen_random_uuid())`, `SELECT auth.create_tenant('x', 'X')`, `SELECT auth.enable_tenant(NULL)`,
		`SELECT auth.disable_tenant(NULL)`, `SELECT auth.fill_permission_cache()`, `SELECT unsecure.clear_permission_cache(@ann)`,
		`SELECT unsecure.clear_permission_cache_by_provider(@entra)`, `SELECT unsecure.clear_permission_cache_all()`,
		`SELECT unsecure.decide_permission(@ann, 'orders', NULL)`, `SELECT unsecure.refresh_permission_cache('{}')`,
		`SELECT unsecure.user_ways(@ann)`, `SELECT unsecure.lock_permission_model()`)
	for _, sql := range forbidden {
		harness.MustFail(t, app, "42501", sql, w.ids)
	}
}

func TestTheCheckingFunctionsAreAllThatAnApplicationHas(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	got := harness.Column[string](t, db, `
		SELECT proname::text FROM pg_proc
		WHERE pronamespace IN ('auth'::regnamespace, 'unsecure'::regnamespace)
		  AND proname ~ 'perm|tenant|mapped|way' AND has_function_privilege('rolewright_app', oid, 'EXECUTE')
		ORDER BY 1`)
	want := []string{"effective_permissions", "explain_permission", "has_permission", "has_permissions", "require_permission", "users_with_permission"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestOperatorsAndAuditorsReadTheCacheAndDoNotWriteIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "mapping")
	for _, role := range []string{"rolewright_operator", "rolewright_auditor"} {
		conn := w.As(t, role)
		for _, sql := range append(checks, `SELECT FROM auth.permission_cache`, `SELECT FROM auth.permission_cache_statistics`, `SELECT FROM auth.permission_assignment`) {
			w.execIn(t, conn, sql)
		}
		for _, sql := range []string{
			`DELETE FROM auth.permission_cache`, `UPDATE auth.permission_cache SET ways = '{}'`, `UPDATE auth.user_identity SET mapped_ways = '{1}'`,
			`INSERT INTO auth.permission_assignment (user_id, permission_code) VALUES (@ann, 'reports')`, `SELECT unsecure.clear_permission_cache_all()`,
		} {
			harness.MustFail(t, conn, "42501", sql, w.ids)
		}
	}
	harness.MustFail(t, w.As(t, "rolewright_auditor"), "42501", `SELECT auth.assign_permission('orders', _user_id => @ann)`, w.ids)
	w.execIn(t, w.As(t, "rolewright_operator"), `SELECT auth.assign_permission('reports', _user_id => @ann); SELECT auth.fill_permission_cache()`)
}

func TestPublicCanCallNothing(t *testing.T) {
	t.Parallel()
	db := harness.Cluster(t).Database(t) // for a role of its own
	harness.Exec(t, db, `CREATE ROLE nobody_in_particular`)
	if got := harness.Column[string](t, db, `
		SELECT oid::regprocedure::text FROM pg_proc
		WHERE pronamespace IN ('auth'::regnamespace, 'unsecure'::regnamespace) AND has_function_privilege('nobody_in_particular', oid, 'EXECUTE')
		UNION ALL
		SELECT oid::regclass::text FROM pg_class
		WHERE relnamespace IN ('auth'::regnamespace, 'unsecure'::regnamespace) AND relkind IN ('r', 'p', 'v')
		  AND has_table_privilege('nobody_in_particular', oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')`); len(got) > 0 {
		t.Errorf("%q", got)
	}
	harness.MustFail(t, db.As(t, "nobody_in_particular"), "42501", `SELECT auth.has_permission(gen_random_uuid(), 'orders')`)
}

func TestNotEvenTheOwnerForgesWays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "mapping")
	w.exec(t, `SELECT auth.update_user_identity_on_login(@entra, 'ann_entra', '{Crew}', '{}'); SELECT auth.update_user_identity_on_login(@entra, 'bob_entra', '{Others}')`)
	every := `(SELECT array_agg(way) FROM (SELECT mapping_no::text AS way FROM auth.user_group_mapping UNION SELECT user_group_id::text FROM auth.user_group) AS w)`
	for _, sql := range []string{
		`UPDATE auth.user_identity SET mapped_ways = ` + every,
		`UPDATE auth.user_identity SET mapped_ways = ` + every + `, mapped_until = 1000000`,
		`UPDATE auth.user_identity SET mapped_until = 1000000`,
		`UPDATE auth.user_identity SET mapped_ways = NULL, mapped_until = 1000000`,
		`UPDATE auth.user_identity SET mapped_ways = ` + every + `, updated_at = now(), provider_groups = '{Crew,Team}' WHERE user_id = @ann`,
		`DELETE FROM auth.user_identity WHERE user_id = @ann`,
		`INSERT INTO auth.user_identity (user_id, provider_id, provider_user_id, is_last_used, mapped_ways, mapped_until)
			VALUES (@ann, @entra, 'ann_entra', true, ` + every + `, 1000000)`,
		`INSERT INTO auth.user_identity (user_id, provider_id, provider_user_id) VALUES (@ann, @entra, 'ann_entra')
			ON CONFLICT (provider_id, provider_user_id) DO UPDATE SET mapped_ways = ` + every,
	} {
		w.exec(t, sql)
		w.check(t, "after "+sql, "orders.read", false)
	}
	w.exec(t, `UPDATE auth.user_identity SET provider_groups = '{Staff}', mapped_ways = '{}', mapped_until = 1000000 WHERE user_id = @ann`)
	w.check(t, "in the group for real", "orders.read", true)
}

// Everything that a check uses, under the same name in the application's own schema, and it raises.
const evilSQL = `
DO $do$
DECLARE
    v record;
    n int := 0;
BEGIN
    CREATE FUNCTION evil.decide_permission(pg_catalog.uuid, pg_catalog.text, pg_catalog.uuid) RETURNS boolean
        LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'evil ran as %', current_user; END $$;
    FOR v IN
        SELECT oprname, oprleft::regtype AS l, oprright::regtype AS r, oprresult::regtype AS result, row_number() OVER () AS n
        FROM pg_operator
        WHERE oprnamespace = 'pg_catalog'::regnamespace
          AND oprleft  = ANY ('{uuid,text,text[],jsonb,timestamptz,int8,int4,bool,anyarray}'::regtype[])
          AND oprright = ANY ('{uuid,text,text[],jsonb,timestamptz,int8,int4,bool,anyarray}'::regtype[])
    LOOP
        EXECUTE format($$CREATE FUNCTION evil.operator%s(%s, %s) RETURNS %s LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''evil ran as %%'', current_user; END'$$,
                       v.n, v.l, v.r, v.result);
        EXECUTE format('CREATE OPERATOR evil.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = evil.operator%s)', v.oprname, v.l, v.r, v.n);
        n := n + 1;
    END LOOP;
    FOR v IN
        SELECT p.proname, pg_get_function_identity_arguments(p.oid) AS arguments, pg_get_function_result(p.oid) AS result
        FROM pg_proc p
        WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f'
          AND NOT ('"any"'::regtype = ANY (p.proargtypes) OR 'internal'::regtype = ANY (p.proargtypes))
          AND p.proname IN ('statement_timestamp', 'now', 'unnest', 'starts_with', 'cardinality', 'to_json', 'lower', 'jsonb_exists_any', 'jsonb_exists',
                            'uuid_eq', 'texteq', 'array_remove', 'array_to_string', 'string_to_array', 'jsonb_object_field_text')
    LOOP
        EXECUTE format($$CREATE FUNCTION evil.%I(%s) RETURNS %s LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''evil ran as %%'', current_user; END'$$,
                       v.proname, v.arguments, v.result);
        n := n + 1;
    END LOOP;
    IF n < 100 THEN
        RAISE 'only % evil functions', n;
    END IF;
END $do$;
CREATE DOMAIN evil.uuid AS pg_catalog.text CHECK (false);
CREATE DOMAIN evil.text AS pg_catalog.text CHECK (false);
CREATE DOMAIN evil.jsonb AS pg_catalog.jsonb CHECK (false);
CREATE DOMAIN evil.bool AS pg_catalog.bool CHECK (false);
CREATE DOMAIN evil."boolean" AS pg_catalog.bool CHECK (false);
CREATE DOMAIN evil.timestamptz AS pg_catalog.timestamptz CHECK (false);
DO $do$
BEGIN
    CREATE COLLATION evil."C" (provider = icu, locale = 'und-u-ks-level2', deterministic = false); -- a = A
EXCEPTION WHEN feature_not_supported THEN -- built without ICU
    CREATE COLLATION evil."C" FROM pg_catalog."POSIX";
END $do$;
CREATE TABLE evil.permission_cache (); CREATE TABLE evil.user_identity (); CREATE TABLE evil.user_info (); CREATE TABLE evil.permission ();
CREATE TEMP TABLE permission_cache (); CREATE TEMP TABLE user_identity (); CREATE TEMP TABLE user_info (); CREATE TEMP TABLE permission ();
CREATE TEMP TABLE user_group_member (); CREATE TEMP TABLE permission_assignment (); CREATE TEMP TABLE tenant (); CREATE TEMP TABLE uuid ()`

// auth.has_permission is the definer that does not pin its search_path: here is who would use that.
func TestAChecksNamesAreNotTheCallers(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"evil, pg_catalog", "evil, pg_temp, pg_catalog", "pg_temp, evil, pg_catalog, auth", "evil, auth, unsecure, pg_catalog"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "")
			harness.Exec(t, w.Super(t), `CREATE SCHEMA evil AUTHORIZATION rolewright_app`)
			app := w.As(t, "rolewright_app")
			harness.Exec(t, app, evilSQL)
			// Without it the schema is not in the path of a function that runs as the owner.
			harness.Exec(t, app, `GRANT ALL ON SCHEMA evil TO PUBLIC; SET search_path = `+path)
			if got := harness.MustFail(t, app, "P0001", `SELECT pg_catalog.jsonb_build_object('a', 1) ?| ARRAY['a'::pg_catalog.text]`).Message; !strings.HasPrefix(got, "evil ran") {
				t.Fatalf("the attack does not work: %s", got)
			}
			for _, grant := range []string{"", "mapping", "member", "direct"} {
				if grant != "" {
					w.exec(t, `DELETE FROM auth.permission_assignment; `+grants[grant])
				}
				for _, prepare := range []func(testing.TB){w.clear, w.fill} {
					prepare(t)
					for _, code := range []string{"orders.read", "reports"} {
						want := grant != "" && code != "reports"
						if got := harness.One[bool](t, app, `SELECT auth.has_permission($1, $2)`, w.ids["ann"], code); got != want {
							t.Errorf("%s by %q: %v", code, grant, got)
						}
					}
				}
				harness.MustFail(t, app, "RW016", `SELECT auth.has_permission($1, 'ORDERS')`, w.ids["ann"])
			}
			for _, sql := range checks {
				w.execIn(t, app, sql)
			}
		})
	}
}
