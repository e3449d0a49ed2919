package role_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

// What the functions of roles are called with; NULLs, since only who may call is asked.
func roleFunctions(t testing.TB, w *world) map[string]string {
	t.Helper()
	calls := map[string]string{}
	for _, f := range harness.Rows[struct{ Name, Call string }](t, w.DB, `
		SELECT p.proname::text AS name,
		       format('%s auth.%I(%s)', CASE p.prokind WHEN 'p' THEN 'CALL' ELSE 'SELECT' END, p.proname,
		              (SELECT string_agg('NULL::' || format_type(a, NULL), ', ' ORDER BY n) FROM unnest(p.proargtypes) WITH ORDINALITY AS t (a, n))) AS call
		FROM pg_proc p
		WHERE p.pronamespace = 'auth'::regnamespace
		  AND p.proname ~ '_role$|_roles$|_role_|deprovision|restore|relationship|^sync_identity$|identity_sessions|dependenc|proof|delete_identity|plan_delete'`) {
		calls[f.Name] = f.Call
	}
	if len(calls) < 15 {
		t.Fatalf("found %v", calls)
	}
	return calls
}

// refuses is mustFail that goes on.
func (w *world) refuses(t testing.TB, q harness.Querier, sqlstate, sql string) {
	t.Helper()
	if _, err := q.Exec(t.Context(), w.name(sql), w.ids); state(err) != sqlstate {
		t.Errorf("%v, want %s in %s", err, sqlstate, sql)
	}
}

func TestWhoMayCallWhat(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.dba(t, `CREATE ROLE #nobody LOGIN`)
	readers := []string{"plan_database_roles", "leaver_proof", "role_dependencies", "plan_role", "plan_roles", "declared_roles", "dump_roles"}
	for name, call := range roleFunctions(t, w) {
		for role, may := range map[string]bool{"rolewright_app": false, "#nobody": false, "rolewright_auditor": slices.Contains(readers, name), "rolewright_operator": true} {
			_, err := w.As(t, w.name(role)).Exec(t.Context(), "BEGIN; "+call+"; ROLLBACK")
			if allowed := state(err) != "42501"; allowed != may && !strings.HasPrefix(name, "delete_") && !strings.HasPrefix(name, "plan_delete") {
				t.Errorf("%s, %s: %v", role, call, err)
			}
		}
	}
	for _, role := range []string{"rolewright_app", "#nobody", "rolewright_auditor", "rolewright_operator"} {
		conn := w.As(t, w.name(role))
		for _, sql := range []string{
			`DELETE FROM auth.database_role`, `UPDATE auth.database_role SET state = 'active'`, `INSERT INTO auth.database_role (role_name) VALUES ('x')`, `DELETE FROM auth.group_role`,
			`INSERT INTO auth.role_membership SELECT`, `DELETE FROM auth.protected_role`, `TRUNCATE auth.database_role`, `SELECT unsecure.apply_roles(NULL, NULL, true)`,
			`SELECT unsecure.execute_changes(ARRAY[ROW(1, 'alter', 'x', 'x', 'ALTER ROLE postgres NOLOGIN', 'x')]::auth.change[])`, `SELECT unsecure.lock_roles()`, `SELECT FROM unsecure.membership`,
		} {
			_ = w.mustFail(t, conn, "42501", sql)
		}
		sql := `SELECT FROM auth.database_role, auth.group_role, auth.role_membership, auth.protected_role`
		if strings.HasSuffix(role, "r") { // operators and auditors
			w.execIn(t, conn, sql)
		} else {
			_ = w.mustFail(t, conn, "42501", sql)
		}
	}
}

func TestAnApplicationsLoginsChangeRolesAllTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	app := w.As(t, "rolewright_app")
	w.execIn(t, app, `SELECT auth.update_user_identity_on_login(@entra, 'ann_entra', '{}', '{Clerk}'); SELECT auth.process_identity_claims(@bob, @entra, '{"groups": ["Staff"]}')`)
	w.expect(t, w.DB, "#ann", "LOGIN #writers")
	w.expect(t, w.DB, "#bob", "LOGIN #readers")
	w.settled(t)
}

// An operator looks after people. He becomes nothing more by it, nor does anybody whom he chooses.
func TestAnOperatorCannotEscalate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.dba(t, `CREATE ROLE #root SUPERUSER LOGIN; CREATE ROLE #maker CREATEROLE; CREATE ROLE #bridge; GRANT pg_execute_server_program TO #bridge; CREATE ROLE #plain; CREATE ROLE #owners;
		CREATE ROLE #desk LOGIN CREATEDB`)
	if w.major < 16 { // from 16 on that would be a circle
		w.dba(t, `GRANT rolewright_owner TO #owners`)
	}
	w.dba(t, `GRANT #maker, #bridge, #desk TO rolewright_owner WITH ADMIN OPTION`)
	w.exec(t, `SELECT auth.adopt_role('#maker', 'group'); SELECT auth.adopt_role('#bridge', 'group'); SELECT auth.adopt_role('#owners', 'group'); SELECT auth.adopt_role('#desk');
		SELECT auth.create_user('#cy'); SELECT auth.protect_role('#guarded')`)
	w.learn(t)
	olga := w.operator(t)
	for _, sql := range []string{
		`SELECT auth.adopt_role('#plain')`, `SELECT auth.adopt_role('rolewright_operator', 'group')`, `SELECT auth.adopt_role('#root')`, `SELECT auth.release_role('#readers')`,
		`SELECT auth.protect_role('#ann')`, `SELECT auth.unprotect_role('#guarded')`,
	} {
		w.refuses(t, olga, "RW513", sql)
	}
	for _, name := range []string{"rolewright_operator", "rolewright_auditor", harness.Owner, "postgres", "pg_execute_server_program", "pg_monitor", "#guarded", "#olga"} {
		w.refuses(t, olga, "RW503", `SELECT auth.bind_group_role(@staff, '`+name+`')`)
		w.refuses(t, olga, "RW503", `SELECT auth.bind_user_role(@cy, '`+name+`')`)
	}
	// Managed, elevated: for an administrator to give.
	for _, name := range []string{"#maker", "#bridge", "#owners"} {
		if name == "#owners" && w.major >= 16 {
			continue
		}
		w.refuses(t, olga, "RW513", `SELECT auth.bind_group_role(@staff, '`+name+`')`)
		w.refuses(t, olga, "RW513", `SELECT auth.manage_relationship('#ann', '`+name+`', 'add')`)
	}
	w.refuses(t, olga, "RW513", `SELECT auth.bind_user_role(@cy, '#desk')`)
	w.exec(t, `SELECT auth.bind_group_role(@staff, '#maker')`) // the owner may

	// Not managed: a conflict, never a grant.
	w.refuses(t, olga, "RW513", `SELECT auth.bind_group_role(@staff, '#root')`)
	w.execIn(t, olga, `SELECT auth.bind_group_role(@staff, '#plain'); SELECT auth.bind_user_role(@cy, '#unborn');
		SELECT auth.apply_database_roles(_skip_conflicts => true)`)
	w.same(t, w.DB, `SELECT h.rolname FROM pg_auth_members m JOIN pg_roles h ON h.oid = m.roleid WHERE m.member IN ('#ann'::regrole, '#bob'::regrole) AND h.rolname <> '#maker'`, "#readers")

	// Nor through an identity provider.
	w.execIn(t, olga, `SELECT auth.update_provider(@github, _creates_roles => true, _role_name_template => '{username:keep}')`)
	for _, attributes := range []string{`{"superuser": true}`, `{"createrole": true}`, `{"login": true}`, `{"password": "x"}`, `{"valid_until": null}`, `[]`, `"x"`} {
		harness.MustFail(t, olga, map[bool]string{true: "23514", false: "RW508"}[strings.HasPrefix(attributes, "{")], `SELECT auth.update_provider($1, _role_attributes => $2)`, w.ids["github"], attributes)
	}
	for i, name := range []string{"postgres", harness.Owner, "rolewright_operator", "pg_monitor", "#root", "#maker", "#guarded"} {
		harness.Exec(t, olga, `SELECT auth.ensure_user_from_provider($1, $2, NULL, NULL, '{}', NULL, jsonb_build_object('preferred_username', $3::text))`, w.ids["github"], string(rune('a'+i)), w.name(name))
	}
	w.same(t, w.DB, `SELECT role_name FROM auth.database_role r JOIN auth.user_identity i USING (user_id) WHERE i.provider_id = @github`, "")

	// Nor can he put out who is above him, or bring back what was taken from somebody.
	w.refuses(t, olga, "RW513", `SELECT auth.restore_role('#ann', 'x', '{superuser}')`)
	w.refuses(t, olga, "RW503", `SELECT auth.begin_deprovision('postgres', 'x')`)
	w.refuses(t, olga, "RW503", `SELECT auth.begin_deprovision('rolewright_owner', 'x')`)
}

// A role that a provider's user was given has become powerful since; the provider's settings would be a way into it.
func TestAnOperatorDoesNotReachThePowerfulThroughTheirProvider(t *testing.T) {
	t.Parallel()
	w := creating(t, "{username}")
	w.exec(t, `SELECT auth.ensure_user_from_provider(@github, 'dana', NULL, NULL, '{}', NULL, '{"preferred_username": "#dana"}')`)
	w.dba(t, `ALTER ROLE #dana CREATEROLE; GRANT pg_monitor TO #dana`)
	olga := w.operator(t)
	w.execIn(t, olga, `SELECT auth.update_provider(@github, _role_attributes => '{"settings": {"search_path": "evil"}}'); SELECT auth.apply_database_roles(_skip_conflicts => true)`)
	w.same(t, w.DB, `SELECT count(*) FROM pg_db_role_setting WHERE setrole = '#dana'::regrole`, "0")
}

func TestHostileNamesThroughTheWholeLifeCycle(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	before := w.text(t, w.super, `SELECT string_agg(rolname || rolcanlogin || rolsuper, ',' ORDER BY rolname) FROM pg_roles WHERE rolname !~ '^r[a-z0-9]{5}_'`)
	w.exec(t, `SELECT auth.unbind_group_role(@helpers, '#helping')`)
	for i, name := range hostileNames(w) {
		group := w.prefix + "g" + strings.TrimPrefix(name, w.prefix)
		if len(group) > 63 {
			group = w.prefix + strings.Repeat("z", 63-len(w.prefix))
		}
		user := harness.One[string](t, w.DB, `SELECT auth.create_user($1)::text`, "user "+string(rune('a'+i)))
		for _, step := range []struct {
			sql  string
			args []any
			want string
		}{
			{`SELECT auth.bind_user_role($1, $2)`, []any{user, name}, "missing"},
			{`SELECT auth.bind_group_role($1, $2)`, []any{w.ids["helpers"], group}, "missing"},
			{`SELECT auth.add_group_member($1, $2)`, []any{w.ids["helpers"], user}, "LOGIN " + group},
			{`SELECT auth.apply_database_roles()`, nil, "LOGIN " + group},
			{`SELECT auth.manage_relationship($1, $2, 'add', _admin => true)`, []any{name, group}, "LOGIN " + group + "(admin)"},
			{`SELECT auth.manage_relationship($1, $2, 'add')`, []any{name, group}, "LOGIN " + group},
			{`CALL auth.deprovision_identity($1, $2, _kind => 'suspend')`, []any{name, name}, "NOLOGIN"},
			{`CALL auth.deprovision_identity($1, $2)`, []any{name, name}, "NOLOGIN"},
			{`CALL auth.restore_identity($1, $2)`, []any{name, name}, "LOGIN " + group},
			{`SELECT auth.remove_group_member($1, $2)`, []any{w.ids["helpers"], user}, "LOGIN " + group},
			{`SELECT auth.manage_relationship($1, $2, 'remove')`, []any{name, group}, "LOGIN"},
			{`SELECT auth.unbind_group_role($1, $2)`, []any{w.ids["helpers"], group}, "LOGIN"},
			{`SELECT auth.unbind_user_role($1, $2)`, []any{user, name}, "LOGIN"},
			{`SELECT auth.apply_database_roles()`, nil, "NOLOGIN"},
			{`SELECT auth.release_role($1)`, []any{group}, "NOLOGIN"},
			{`SELECT auth.release_role($1)`, []any{name}, "NOLOGIN"},
			{`SELECT auth.adopt_role($1, 'login', $2)`, []any{name, user}, "NOLOGIN"},
			{`SELECT auth.protect_role($1)`, []any{name}, "NOLOGIN"},
			{`SELECT auth.unprotect_role($1)`, []any{name}, "NOLOGIN"},
			{`SELECT auth.apply_database_roles()`, nil, "LOGIN"},
			{`SELECT auth.leaver_proof($1)`, []any{name}, "LOGIN"},
			{`SELECT auth.delete_user($1)`, []any{user}, "NOLOGIN"},
		} {
			if _, err := w.Exec(t.Context(), step.sql, step.args...); err != nil {
				t.Errorf("%s %q: %v", step.sql, step.args, err)
				break
			}
			got := harness.One[string](t, w.DB, `
				SELECT coalesce((SELECT concat_ws(' ', CASE WHEN r.rolcanlogin THEN 'LOGIN' ELSE 'NOLOGIN' END,
					(SELECT string_agg(h.rolname || CASE WHEN m.admin_option THEN '(admin)' ELSE '' END, ' ') FROM pg_auth_members m JOIN pg_roles h ON h.oid = m.roleid WHERE m.member = r.oid))
				FROM pg_roles r WHERE r.rolname = $1), 'missing')`, name)
			if got != step.want {
				t.Errorf("after %s %q: %s, want %s", step.sql, step.args, got, step.want)
				break
			}
		}
		w.planned(t)
	}
	w.same(t, w.super, `SELECT string_agg(rolname || rolcanlogin || rolsuper, ',' ORDER BY rolname) FROM pg_roles WHERE rolname !~ '^r[a-z0-9]{5}_'`, before)
	w.expect(t, w.DB, "#ann", "LOGIN #readers")
	w.settled(t)
}

// Whoever can create functions, operators and tables in a schema of the caller's search_path, or temporary ones, does not run in
// definers, nor in the procedures, which have no search_path of their own.
func TestTheSearchPathOfTheCallerIsNotUsed(t *testing.T) {
	t.Parallel()
	for _, caller := range []string{"operator", "superuser", "operator, pg_catalog last"} {
		t.Run(caller, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, true)
			harness.Exec(t, w.super, `
				CREATE SCHEMA evil; GRANT ALL ON SCHEMA evil TO PUBLIC;
				DO $do$
				DECLARE
					v record;
				BEGIN
					CREATE FUNCTION evil.boom() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'evil ran as %', current_user; END $$;
					-- All polymorphic operators for the types that are used here, and exact copies of those that are there.
					FOR v IN
						SELECT o.oprname, l.t AS l, r.t AS r, CASE WHEN o.oprname = '||' THEN CASE WHEN l.t::text LIKE '%[]' THEN l.t ELSE r.t END ELSE 'boolean'::regtype END AS result
						FROM (VALUES ('||'), ('='), ('<>'), ('<'), ('>'), ('@>'), ('<@'), ('&&')) AS o (oprname)
						CROSS JOIN unnest('{auth.change[],auth.change,text[],uuid[],name[],jsonb,text,name,uuid,oid,integer,boolean,timestamptz}'::regtype[]) AS l (t)
						CROSS JOIN unnest('{auth.change[],auth.change,text[],uuid[],name[],jsonb,text,name,uuid,oid,integer,boolean,timestamptz}'::regtype[]) AS r (t)
						WHERE l.t = r.t OR l.t::text LIKE '%[]' AND l.t::text = r.t || '[]' OR l.t IN ('name'::regtype, 'text'::regtype) AND r.t IN ('name'::regtype, 'text'::regtype)
					LOOP
						EXECUTE format($$CREATE FUNCTION evil.op_%s(%s, %s) RETURNS %s LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''evil ran as %%: operator'', current_user; END'$$,
							replace(md5(v.oprname || v.l || v.r), '-', ''), v.l, v.r, v.result);
						EXECUTE format('CREATE OPERATOR evil.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = evil.op_%s)', v.oprname, v.l, v.r, md5(v.oprname || v.l || v.r));
					END LOOP;
					FOR v IN
						SELECT DISTINCT ON (p.proname, args) p.proname, pg_get_function_identity_arguments(p.oid) AS args, pg_get_function_result(p.oid) AS result
						FROM pg_proc p
						WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f' AND NOT 'internal'::regtype = ANY (p.proargtypes)
						  AND p.proname IN ('format', 'quote_ident', 'to_jsonb', 'jsonb_build_object', 'unnest', 'now', 'clock_timestamp', 'pg_sleep', 'pg_terminate_backend', 'lower', 'starts_with', 'concat_ws',
						                    'split_part', 'row_number', 'cardinality', 'pg_has_role', 'current_setting', 'set_config', 'btrim', 'array_append', 'array_cat')
					LOOP
						BEGIN
							EXECUTE format('CREATE FUNCTION evil.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L', v.proname, v.args, v.result, 'BEGIN RAISE EXCEPTION ''evil ran as %'', current_user; END');
						EXCEPTION WHEN OTHERS THEN NULL;
						END;
					END LOOP;
				END $do$`)
			conn := w.operator(t)
			if caller == "superuser" {
				conn = harness.Connect(t, w.SuperURL)
			}
			w.dba(t, `CREATE ROLE #loose; GRANT #loose TO #ann`)
			session := harness.Connect(t, w.URL(t, w.name("#bob")))
			if caller == "superuser" {
				// What the caller's own statements would run is not what this is about; it is that of the functions.
				harness.Exec(t, conn, `SET search_path = evil, public`)
			} else {
				w.dba(t, `GRANT TEMPORARY ON DATABASE `+w.Name+` TO PUBLIC; REVOKE #loose FROM #ann`)
				for _, table := range []string{"pg_roles", "pg_auth_members", "database_role", "group_role", "user_info", "pg_stat_activity", "pg_db_role_setting"} {
					harness.Exec(t, conn, `CREATE TEMPORARY TABLE `+table+` (oid oid, rolname name, rolsuper boolean DEFAULT true)`)
				}
				harness.Exec(t, conn, `SET search_path = pg_temp, evil, public`)
				if caller != "operator" {
					harness.Exec(t, conn, `SET search_path = pg_temp, evil, public, pg_catalog`)
				}
			}
			for _, sql := range []string{
				`SELECT auth.bind_group_role(@helpers, '#more')`, `SELECT auth.apply_database_roles()`, `SELECT auth.add_group_member(@helpers, @ann)`,
				`SELECT auth.manage_relationship('#ann', '#writers', 'add')`, `SELECT auth.update_user_identity_on_login(@entra, 'bob_entra', '{Staff}')`,
				`SELECT auth.sync_provider_identities(@entra, ARRAY['{"provider_user_id": "ann_entra", "groups": []}']::jsonb[])`,
				`CALL auth.deprovision_identity('#ann', 'gone')`, `CALL auth.restore_identity('#ann', 'back')`, `CALL auth.deprovision_identity('#bob', 'gone', _kind => 'suspend')`,
				`SELECT auth.leaver_proof('#bob')`, `SELECT auth.disable_user(@ann)`, `SELECT auth.enable_user(@ann)`, `SELECT auth.unbind_group_role(@helpers, '#more')`,
				`SELECT auth.unbind_user_role(@ann)`, `SELECT auth.plan_database_roles()`, `SELECT auth.apply_database_roles(_skip_conflicts => true)`,
			} {
				if strings.HasSuffix(caller, "last") && strings.HasPrefix(sql, "CALL") {
					continue // an operator who looks there first is not helped
				}
				if _, err := conn.Exec(t.Context(), w.name(sql), w.ids); err != nil {
					t.Errorf("%s: %v", sql, err)
				}
			}
			if strings.HasSuffix(caller, "last") {
				return
			}
			if _, err := session.Exec(t.Context(), "SELECT 1"); err == nil {
				t.Error("the session goes on")
			}
			w.expect(t, w.DB, "#bob", "NOLOGIN")
		})
	}
}

func TestNothingOfRolesIsPublic(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.dba(t, `CREATE ROLE #nobody`)
	w.same(t, w.super, `
		SELECT oid::regprocedure::text FROM pg_proc
		WHERE pronamespace IN ('auth'::regnamespace, 'unsecure'::regnamespace) AND has_function_privilege('#nobody', oid, 'EXECUTE')
		UNION ALL
		SELECT oid::regclass::text FROM pg_class
		WHERE relnamespace IN ('auth'::regnamespace, 'unsecure'::regnamespace) AND relkind IN ('r', 'p', 'v')
		  AND has_table_privilege('#nobody', oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')`, "")
	w.same(t, w.super, `
		SELECT oid::regprocedure::text FROM pg_proc
		WHERE pronamespace IN ('auth'::regnamespace, 'unsecure'::regnamespace) AND prosecdef AND proname <> 'has_permission'
		  AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (proconfig), false)`, "")
}
