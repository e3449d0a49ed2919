package grant_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

// kind is something that can be granted: what it takes to make it, the grant but for its privileges, and how the catalog names it.
type kind struct {
	name, make, grant, object, sql string
	privileges                     []string
	bySuper, brief                 bool // brief: like another one
}

// All that PostgreSQL has privileges on.
var kinds = []kind{
	{name: "database", grant: `"type": "database", "name": "%db"`, object: "database %db", sql: "DATABASE %db", privileges: []string{"CONNECT", "CREATE", "TEMPORARY"}},
	{name: "schema", grant: `"type": "schema", "name": "app"`, object: "schema app", sql: "SCHEMA app", privileges: []string{"CREATE", "USAGE"}},
	{name: "language", make: "ALTER LANGUAGE plpgsql OWNER TO #app", grant: `"type": "language", "name": "plpgsql"`, object: "language plpgsql", sql: "LANGUAGE plpgsql", privileges: []string{"USAGE"}},
	{name: "foreign_data_wrapper", make: "CREATE FOREIGN DATA WRAPPER w; ALTER ROLE #app SUPERUSER; ALTER FOREIGN DATA WRAPPER w OWNER TO #app; ALTER ROLE #app NOSUPERUSER",
		grant: `"type": "foreign_data_wrapper", "name": "w"`, object: "foreign data wrapper w", sql: "FOREIGN DATA WRAPPER w", privileges: []string{"USAGE"}},
	{name: "foreign_server", make: "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER srv FOREIGN DATA WRAPPER w; GRANT USAGE ON FOREIGN DATA WRAPPER w TO #app; ALTER SERVER srv OWNER TO #app",
		grant: `"type": "foreign_server", "name": "srv"`, object: "foreign server srv", sql: "FOREIGN SERVER srv", privileges: []string{"USAGE"}},
	{name: "tablespace", make: "tablespace", grant: `"type": "tablespace", "name": "#space"`, object: "tablespace #space", sql: "TABLESPACE #space", privileges: []string{"CREATE"}},
	{name: "parameter", grant: `"type": "parameter", "name": "#x.Setting"`, object: "parameter #x.setting", sql: "PARAMETER #x.setting", privileges: []string{"ALTER SYSTEM", "SET"}, bySuper: true},
	{name: "large object", make: "SELECT lo_create(4711); ALTER LARGE OBJECT 4711 OWNER TO #app", grant: `"type": "large_object", "name": 4711`, object: "large object 4711", sql: "LARGE OBJECT 4711",
		privileges: []string{"SELECT", "UPDATE"}},
	{name: "table", grant: `"type": "table", "schema": "app", "name": "t"`, object: "table app.t", sql: "TABLE app.t",
		privileges: []string{"DELETE", "INSERT", "MAINTAIN", "REFERENCES", "SELECT", "TRIGGER", "TRUNCATE", "UPDATE"}},
	{name: "view", brief: true, grant: `"type": "table", "schema": "app", "name": "v"`, object: "table app.v", sql: "TABLE app.v",
		privileges: []string{"DELETE", "INSERT", "MAINTAIN", "REFERENCES", "SELECT", "TRIGGER", "TRUNCATE", "UPDATE"}},
	{name: "materialized view", brief: true, grant: `"type": "table", "schema": "app", "name": "m"`, object: "table app.m", sql: "TABLE app.m",
		privileges: []string{"DELETE", "INSERT", "MAINTAIN", "REFERENCES", "SELECT", "TRIGGER", "TRUNCATE", "UPDATE"}},
	{name: "partitioned table", brief: true, grant: `"type": "table", "schema": "app", "name": "part"`, object: "table app.part", sql: "TABLE app.part",
		privileges: []string{"DELETE", "INSERT", "MAINTAIN", "REFERENCES", "SELECT", "TRIGGER", "TRUNCATE", "UPDATE"}},
	{name: "column", grant: `"type": "table", "schema": "app", "name": "t", "columns": ["name"]`, object: "column app.t.name", sql: "TABLE app.t", privileges: []string{"INSERT", "REFERENCES", "SELECT", "UPDATE"}},
	{name: "sequence", grant: `"type": "sequence", "schema": "app", "name": "s"`, object: "sequence app.s", sql: "SEQUENCE app.s", privileges: []string{"SELECT", "UPDATE", "USAGE"}},
	{name: "function", grant: `"type": "function", "schema": "app", "name": "g"`, object: "function app.g()", sql: "FUNCTION app.g()", privileges: []string{"EXECUTE"}},
	{name: "function by signature", brief: true, grant: `"type": "function", "schema": "app", "name": "f(text, int)"`, object: "function app.f(text, integer)", sql: "FUNCTION app.f(text, integer)", privileges: []string{"EXECUTE"}},
	{name: "aggregate", brief: true, grant: `"type": "function", "schema": "app", "name": "agg"`, object: "function app.agg(integer)", sql: "FUNCTION app.agg(integer)", privileges: []string{"EXECUTE"}},
	{name: "procedure", grant: `"type": "procedure", "schema": "app", "name": "p"`, object: "procedure app.p(integer)", sql: "PROCEDURE app.p(integer)", privileges: []string{"EXECUTE"}},
	{name: "enum", brief: true, grant: `"type": "type", "schema": "app", "name": "e"`, object: "type app.e", sql: "TYPE app.e", privileges: []string{"USAGE"}},
	{name: "domain", grant: `"type": "type", "schema": "app", "name": "d"`, object: "type app.d", sql: "TYPE app.d", privileges: []string{"USAGE"}},
	{name: "composite type", brief: true, grant: `"type": "type", "schema": "app", "name": "c"`, object: "type app.c", sql: "TYPE app.c", privileges: []string{"USAGE"}},
	{name: "range type", brief: true, grant: `"type": "type", "schema": "app", "name": "rng"`, object: "type app.rng", sql: "TYPE app.rng", privileges: []string{"USAGE"}},
	{name: "default tables", grant: `"type": "default", "creator": "#app", "objects": "tables"`, object: "default of #app on TABLES", sql: "TABLES",
		privileges: []string{"DELETE", "INSERT", "MAINTAIN", "REFERENCES", "SELECT", "TRIGGER", "TRUNCATE", "UPDATE"}},
	{name: "default tables in a schema", grant: `"type": "default", "creator": "#app", "schema": "app", "objects": "TABLES"`, object: "default of #app on TABLES in app", sql: "TABLES",
		privileges: []string{"DELETE", "INSERT", "MAINTAIN", "REFERENCES", "SELECT", "TRIGGER", "TRUNCATE", "UPDATE"}},
	{name: "default sequences", grant: `"type": "default", "creator": "#app", "objects": "SEQUENCES"`, object: "default of #app on SEQUENCES", sql: "SEQUENCES", privileges: []string{"SELECT", "UPDATE", "USAGE"}},
	{name: "default sequences in a schema", brief: true, grant: `"type": "default", "creator": "#app", "schema": "app", "objects": "SEQUENCES"`, object: "default of #app on SEQUENCES in app", sql: "SEQUENCES",
		privileges: []string{"SELECT", "UPDATE", "USAGE"}},
	{name: "default functions", grant: `"type": "default", "creator": "#app", "objects": "FUNCTIONS"`, object: "default of #app on FUNCTIONS", sql: "FUNCTIONS", privileges: []string{"EXECUTE"}},
	{name: "default functions in a schema", brief: true, grant: `"type": "default", "creator": "#app", "schema": "app", "objects": "FUNCTIONS"`, object: "default of #app on FUNCTIONS in app", sql: "FUNCTIONS",
		privileges: []string{"EXECUTE"}},
	{name: "default types", grant: `"type": "default", "creator": "#app", "objects": "TYPES"`, object: "default of #app on TYPES", sql: "TYPES", privileges: []string{"USAGE"}},
	{name: "default types in a schema", brief: true, grant: `"type": "default", "creator": "#app", "schema": "app", "objects": "TYPES"`, object: "default of #app on TYPES in app", sql: "TYPES", privileges: []string{"USAGE"}},
	{name: "default schemas", grant: `"type": "default", "creator": "#app", "objects": "SCHEMAS"`, object: "default of #app on SCHEMAS", sql: "SCHEMAS", privileges: []string{"CREATE", "USAGE"}},
}

// list is the elements as JSON, or joined by spaces with a suffix each.
func list(elements []string) string { return `["` + strings.Join(elements, `", "`) + `"]` }
func holds(elements []string, suffix string) string {
	return strings.Join(elements, suffix+" ") + suffix
}

// Each kind of grant: added, made more and less, given on, through a group and back, and removed, each as the only change; what others and
// PUBLIC have stays, and every second run does nothing.
func TestEachKindOfGrantIsAddedChangedAndRemoved(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if k.name == "parameter" && w.major < 15 {
				t.Skip("PostgreSQL 15 brought these")
			}
			switch k.make {
			case "":
			case "tablespace":
				conn := harness.Connect(t, w.SuperURL)
				harness.Exec(t, conn, "SET allow_in_place_tablespaces = on")
				harness.Exec(t, conn, w.name("CREATE TABLESPACE #space OWNER #app LOCATION ''"))
			default:
				w.dba(t, k.make)
			}
			k.grant = strings.ReplaceAll(k.grant, "%db", w.Name)
			k.object = strings.ReplaceAll(k.object, "%db", w.Name)
			all := k.privileges
			if w.major < 17 {
				all = strings.Fields(strings.ReplaceAll(" "+strings.ReplaceAll(strings.Join(all, " "), "ALTER SYSTEM", "ALTER_SYSTEM")+" ", " MAINTAIN ", " "))
				for i := range all {
					all[i] = strings.ReplaceAll(all[i], "_", " ")
				}
			}
			first, last := all[:1], all[len(all)-1:]
			var q harness.Querier = w.DB
			if k.bySuper {
				q = w.super
				w.refuses(t, w.DB, "RW522", one("#x", `{`+k.grant+`, "privileges": ["ALL"]}`))
			}
			w.exec(t, "CREATE ROLE #other")
			declare := func(more string) string { return one("#other", `{`+k.grant+`, `+more+`}`) }
			harness.Exec(t, q, "SELECT auth.sync_roles($1)", w.name(declare(`"privileges": `+list(last))))
			before := w.others(t, "#x")
			step := func(role, more, want string) string {
				t.Helper()
				grants := []string{}
				if more != "" {
					grants = append(grants, `{`+k.grant+`, `+more+`}`)
				}
				did := w.syncAs(t, q, one(role, grants...))
				w.has(t, role, want)
				if did == "" {
					t.Errorf("nothing done for %s", more)
				}
				return did
			}
			step("#x", `"privileges": `+list(first), k.object+": "+holds(first, ""))
			step("#x", `"privileges": ["All"], "grant_option": true`, k.object+": "+holds(all, "*"))
			if k.brief {
				step("#x", "", "")
				equal(t, "of the others", w.others(t, "#x"), before)
				return
			}
			step("#x", `"privileges": ["ALL"]`, k.object+": "+holds(all, ""))
			if len(all) > 1 {
				step("#x", `"privileges": `+strings.ToLower(list(last)), k.object+": "+holds(last, ""))
			} else {
				last = all
			}
			step("#x", `"privileges": ["ALL"], "via": "group"`, "in VIA noset"[:len("in VIA")+w.noset()])
			equal(t, "through the group", w.text(t, w.super, `SELECT line FROM oracle.holding WHERE role IN (SELECT role_name FROM auth.intermediate_role)`), k.object+": "+holds(all, ""))
			step("#x", `"privileges": `+list(first)+`, "via": "direct"`, k.object+": "+holds(first, ""))
			if len(all) > 1 {
				step("#x", `"privileges": `+list(last)+`, "via": "direct"`, k.object+": "+holds(last, ""))
			}
			step("#x", "", "")
			// By hand, as a superuser: exactly that is in the plan, and gone.
			if strings.HasPrefix(k.name, "default") {
				in := ""
				if strings.Contains(k.name, "in a schema") {
					in = "IN SCHEMA app"
				}
				w.dba(t, fmt.Sprintf("ALTER DEFAULT PRIVILEGES FOR ROLE #app %s GRANT %s ON %s TO #x", in, last[0], k.sql))
			} else {
				columns := ""
				if k.name == "column" {
					columns = "(name)"
				}
				w.dba(t, fmt.Sprintf("GRANT %s %s ON %s TO #x", last[0], columns, strings.ReplaceAll(k.sql, "%db", w.Name)))
			}
			step("#x", "", "")
			equal(t, "of the others", w.others(t, "#x"), before)
			harness.Exec(t, q, "SELECT auth.drop_unused_roles()")
			w.same(t, w.super, "SELECT * FROM auth.intermediate_role", "")
		})
	}
}

// noset is the length of " noset", which older versions do not have.
func (w *world) noset() int {
	if w.major < 16 {
		return 0
	}
	return len(" noset")
}
