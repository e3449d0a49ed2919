package grant_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

var oddNames = []string{`quo"te.dot`, `UPPER Case`, "new\nline", `it's`, `back\slash`, `$1%I{}`, `a,(b) `, `-- no`, strings.Repeat("é", 25), `PUBLIC`, `a"; DROP ROLE "b`, `group`, `"`}

// Everything has an odd name, of every kind that has one.
func TestOddNamesEverywhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i, odd := range oddNames {
		t.Run(odd, func(t *testing.T) {
			// The prefix makes roles unique on the server; the rest of a name fills it up to 63 bytes.
			role := w.prefix + odd
			if i%5 == 0 {
				role += strings.Repeat("x", 63-len(role))
			}
			owner, group, name := w.prefix+"own"+odd, w.prefix+"grp"+odd, odd
			if strings.HasPrefix(odd, "é") {
				name = strings.Repeat("é", 31) + "x" // 63 bytes
			}
			for _, r := range []string{role, owner, group} {
				harness.Exec(t, w.DB, "CREATE ROLE "+ident(r))
			}
			n, o := ident(name), ident(owner)
			conn := harness.Connect(t, w.SuperURL)
			harness.Exec(t, conn, `SET standard_conforming_strings = on; CREATE SCHEMA `+n+` AUTHORIZATION `+o+`; GRANT USAGE ON SCHEMA `+n+` TO PUBLIC; SET ROLE `+o+`; CREATE TABLE `+n+`.`+n+` (`+n+` integer, plain integer); CREATE SEQUENCE `+n+`.`+ident(name[:len(name)-1]+"2")+`; CREATE TYPE `+n+`.`+ident(name[:len(name)-1]+"3")+` AS ENUM ();
				CREATE FUNCTION `+n+`.`+n+`(`+n+`.`+ident(name[:len(name)-1]+"3")+`) RETURNS integer LANGUAGE sql RETURN 1; CREATE PROCEDURE `+n+`.`+ident(name[:len(name)-1]+"4")+`() LANGUAGE sql AS ''; RESET ROLE; CREATE FOREIGN DATA WRAPPER `+n+`; CREATE SERVER `+n+` FOREIGN DATA WRAPPER `+n+`;
				GRANT USAGE ON FOREIGN DATA WRAPPER `+n+` TO `+o+`; ALTER SERVER `+n+` OWNER TO `+o)
			q := quoted
			grants := []string{
				`{"type": "schema", "name": ` + q(name) + `, "privileges": ["USAGE"]}`,
				`{"type": "table", "schema": ` + q(name) + `, "name": ` + q(name) + `, "privileges": ["SELECT"]}`,
				`{"type": "table", "schema": ` + q(name) + `, "name": ` + q(name) + `, "columns": [` + q(name) + `], "privileges": ["UPDATE"]}`,
				`{"type": "sequence", "schema": ` + q(name) + `, "name": ` + q(name[:len(name)-1]+"2") + `, "privileges": ["USAGE"]}`,
				`{"type": "type", "schema": ` + q(name) + `, "name": ` + q(name[:len(name)-1]+"3") + `, "privileges": ["USAGE"], "grant_option": true}`,
				`{"type": "function", "schema": ` + q(name) + `, "name": ` + q(name) + `, "privileges": ["EXECUTE"]}`,
				`{"type": "procedure", "schema": ` + q(name) + `, "name": ` + q(name[:len(name)-1]+"4") + `, "privileges": ["EXECUTE"]}`,
				`{"type": "foreign_server", "name": ` + q(name) + `, "privileges": ["USAGE"]}`,
				`{"type": "default", "creator": ` + q(owner) + `, "schema": ` + q(name) + `, "objects": "TABLES", "privileges": ["SELECT"]}`,
				`{"type": "default", "creator": ` + q(owner) + `, "objects": "TABLES", "privileges": ["INSERT"]}`,
				`{"type": "membership", "role": ` + q(group) + `}`,
				`{"type": "login", "password": "x", "connection_limit": 3, "valid_until": "2040-01-01T00:00:00Z"}`,
			}
			sync := func(d string) {
				t.Helper()
				rights := w.rights(t, harness.Owner)
				plan := w.text(t, w.DB, "SELECT concat_ws('|', action, role_name, object, statement) FROM auth.plan_roles($1) ORDER BY ordinal", d)
				equal(t, "the plan", plan, w.text(t, w.DB, "SELECT concat_ws('|', action, role_name, object, statement) FROM auth.sync_roles($1) ORDER BY ordinal", d))
				w.idle(t, w.DB, "SELECT auth.sync_roles($1)", d)
				equal(t, "rights", w.rights(t, harness.Owner), rights)
			}
			has := func(want int) {
				t.Helper()
				got := harness.Column[string](t, w.super, "SELECT line FROM oracle.holding WHERE role = $1 UNION ALL SELECT held FROM oracle.member WHERE member = $1", role)
				if len(got) != want {
					t.Errorf("has %d things, not %d: %q", len(got), want, got)
				}
			}
			before := w.others(t, role)
			sync(one(role, grants...))
			has(11)
			equal(t, "of the others", w.others(t, role), before)
			// Through a group, as owner, and as a declaration that is kept.
			sync(one(role, append(grants[2:], strings.Replace(grants[1], `"privileges"`, `"via": "group", "privileges"`, 1), strings.Replace(grants[0], `"privileges": ["USAGE"]`, `"owner": true`, 1))...))
			has(11)
			if _, err := w.Pool.Exec(t.Context(), "SELECT auth.declare_roles($1)", one(role)); err != nil {
				t.Error(err)
			}
			harness.Exec(t, w.DB, "SELECT auth.undeclare_role($1)", role)
			options, _ := json.Marshal(map[string]string{"new_owner": owner})
			sync(with(one(role), `"options": `+string(options)))
			has(0)
			// As a script, and dropped by hand.
			script := strings.Join(harness.Column[string](t, w.DB, "SELECT auth.plan_script($1)", one(role, grants...)), ";\n")
			harness.Exec(t, harness.Connect(t, w.OwnerURL), "BEGIN;"+script+"\n;COMMIT")
			has(11)
			w.idle(t, w.DB, "SELECT auth.plan_roles($1)", strings.Replace(one(role, grants...), `"password": "x", `, "", 1))
			// As patterns.
			sync(one(role, `{"type": "table", "schema": `+q(name)+`, "all": true, "privileges": ["SELECT"]}`, `{"type": "function", "schema": `+q(name)+`, "pattern": ".*", "privileges": ["EXECUTE"]}`))
			has(2)
			sync(one(role))
			has(0)
			harness.Exec(t, conn, fmt.Sprintf("DROP SCHEMA %s CASCADE", n))
		})
	}
}

// Roles that are called like words that GRANT knows.
func TestRolesNamedLikeKeywords(t *testing.T) {
	t.Parallel()
	w := newWorldAlone(t)
	for _, name := range []string{"PUBLIC", "NONE", "public ", "CURRENT_USER", "current_user", "all", "password", "login", "PUBLIC, postgres"} {
		if name != "current_user" {
			harness.Exec(t, w.DB, "CREATE ROLE "+ident(name))
		} else {
			harness.Exec(t, w.super, "CREATE ROLE "+ident(name))
			harness.Exec(t, w.super, "GRANT "+ident(name)+" TO rolewright_owner WITH ADMIN OPTION")
		}
		public := w.public(t)
		d := one(name, selectT, `{"type": "membership", "role": "#x"}`, `{"type": "login"}`, `{"type": "table", "schema": "app", "name": "t2", "owner": true}`)
		harness.Exec(t, w.DB, "SELECT auth.sync_roles($1)", w.name(d))
		w.idle(t, w.DB, "SELECT auth.sync_roles($1)", w.name(d))
		w.has(t, name, "in #x; owns table app.t2; table app.t: SELECT")
		d = with(one(name, viaTable("group", `"INSERT"`)), `"options": {"new_owner": "#app"}`)
		harness.Exec(t, w.DB, "SELECT auth.sync_roles($1)", w.name(d))
		w.idle(t, w.DB, "SELECT auth.sync_roles($1)", w.name(d))
		w.has(t, name, "in VIA noset"[:len("in VIA")+w.noset()])
		harness.Exec(t, w.DB, "SELECT auth.sync_roles($1)", w.name(one(name)))
		w.has(t, name, "")
		equal(t, "PUBLIC", w.public(t), public)
		// A membership in it.
		harness.Exec(t, w.DB, "SELECT auth.sync_roles($1)", w.name(one("#x", `{"type": "membership", "role": `+quoted(name)+`}`)))
		w.idle(t, w.DB, "SELECT auth.sync_roles($1)", w.name(one("#x", `{"type": "membership", "role": `+quoted(name)+`}`)))
		w.has(t, "#x", "in "+name)
		harness.Exec(t, w.DB, "SELECT auth.sync_roles($1)", w.name(one("#x")))
	}
}
