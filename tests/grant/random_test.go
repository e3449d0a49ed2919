package grant_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rolewright/rolewright/tests/harness"
)

// thing is something that can be granted: oracle.object's name for it, and what a declaration needs to name it.
type thing struct{ kind, schema, name, column, key, sql string }

var thingPrivileges = map[string][]string{
	"table": {"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"}, "column": {"SELECT", "INSERT", "UPDATE", "REFERENCES"},
	"sequence": {"USAGE", "SELECT", "UPDATE"}, "function": {"EXECUTE"}, "procedure": {"EXECUTE"}, "type": {"USAGE"}, "schema": {"USAGE", "CREATE"},
	"TABLES": {"SELECT", "INSERT", "DELETE"}, "SEQUENCES": {"USAGE"}, "FUNCTIONS": {"EXECUTE"}, "TYPES": {"USAGE"},
}

// chaos is a database in which anybody may have anything.
type chaos struct {
	*world
	r      *rand.Rand
	things []thing
	roles  []string // that are declared at times
	others []string
	owners []string
	conn   *pgx.Conn
}

type entry struct {
	Object, Nsp, Owner, Grantee, Grantor, Privilege string
	IsGrantable                                     bool
}

// Whatever is granted by whomever to whomever: after a sync the roles of the declaration have what it says and nothing else, reckoned without
// Rolewright; everybody else has what he had; and a second sync does nothing. ROLEWRIGHT_SEED repeats a run.
func TestRolesHaveWhatIsDeclaredWhateverWasThere(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("ROLEWRIGHT_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	rounds := 12
	if text := os.Getenv("ROLEWRIGHT_ROUNDS"); text != "" {
		rounds, _ = strconv.Atoi(text)
	}
	for n := range uint64(2) {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			t.Logf("ROLEWRIGHT_SEED=%d", seed)
			c := newChaos(t, rand.New(rand.NewPCG(seed, n)))
			for range rounds {
				for range 15 {
					c.mutate(t)
				}
				c.round(t)
				if t.Failed() {
					break
				}
			}
		})
	}
}

func newChaos(t *testing.T, r *rand.Rand) *chaos {
	t.Helper()
	c := &chaos{world: newWorld(t), r: r, owners: []string{"#app", "#app2"}, others: []string{"#app", "#app2", "#o1", "#o \"2\".X"}, roles: []string{"#x", "#y", "#Z.'q\"", "#w"}}
	c.conn = harness.Connect(t, c.SuperURL)
	for _, role := range append(slices.Clone(c.roles), append(c.others, "#g1", "#G 2")...) {
		if role != "#app" && role != "#x" {
			harness.Exec(t, c.DB, "CREATE ROLE "+ident(c.name(role)))
		}
	}
	run := func(sql string) { t.Helper(); harness.Exec(t, c.conn, c.name(sql)) }
	for i, schema := range []string{"a", "B.1", "c"} {
		s := map[bool]string{true: schema, false: ident(schema)}[len(schema) == 1] // as format('%I') has it
		run(fmt.Sprintf(`CREATE SCHEMA %s AUTHORIZATION %s; GRANT USAGE ON SCHEMA %[1]s TO PUBLIC`, s, c.owners[i%2]))
		run(fmt.Sprintf(`SET ROLE %s`, c.owners[i%2]))
		run(fmt.Sprintf(`CREATE TABLE %[1]s.t1 (a integer, "B ""b" integer); CREATE TABLE %[1]s."T.2" (a integer); CREATE VIEW %[1]s.v AS SELECT 1 AS a; CREATE SEQUENCE %[1]s.s; CREATE FUNCTION %[1]s.f(integer, text[]) RETURNS integer LANGUAGE sql RETURN 1;
			CREATE FUNCTION %[1]s.f() RETURNS integer LANGUAGE sql SECURITY DEFINER RETURN 1; CREATE PROCEDURE %[1]s.p() LANGUAGE sql AS ''; CREATE TYPE %[1]s.e AS ENUM (); CREATE DOMAIN %[1]s.d AS integer; RESET ROLE`, s))
		add := func(kind, name, column, key, sql string) {
			c.things = append(c.things, thing{kind, schema, name, column, strings.ReplaceAll(key, "%s", s), strings.ReplaceAll(sql, "%s", s)})
		}
		add("schema", schema, "", "schema %s", "SCHEMA %s")
		add("table", "t1", "", "table %s.t1", "TABLE %s.t1")
		add("table", "T.2", "", `table %s."T.2"`, `TABLE %s."T.2"`)
		add("table", "v", "", "table %s.v", "TABLE %s.v")
		add("column", "t1", "a", "column %s.t1.a", "TABLE %s.t1")
		add("column", "t1", `B "b`, `column %s.t1."B ""b"`, "TABLE %s.t1")
		add("column", "T.2", "a", `column %s."T.2".a`, `TABLE %s."T.2"`)
		add("column", "v", "a", "column %s.v.a", "TABLE %s.v")
		add("sequence", "s", "", "sequence %s.s", "SEQUENCE %s.s")
		add("function", "f(integer, text[])", "", "function %s.f(integer, text[])", "FUNCTION %s.f(integer, text[])")
		add("function", "f()", "", "function %s.f()", "FUNCTION %s.f()")
		add("procedure", "p", "", "procedure %s.p()", "PROCEDURE %s.p()")
		add("type", "e", "", "type %s.e", "TYPE %s.e")
		add("type", "d", "", "type %s.d", "TYPE %s.d")
	}
	for _, creator := range append(slices.Clone(c.owners), "#y") {
		for _, objects := range []string{"TABLES", "SEQUENCES", "FUNCTIONS", "TYPES"} {
			c.things = append(c.things, thing{objects, "", creator, "", "default of " + creator + " on " + objects, ""},
				thing{objects, "B.1", creator, "", "default of " + creator + " on " + objects + ` in "B.1"`, ""})
		}
	}
	return c
}

func pick[T any](r *rand.Rand, of []T) T { return of[r.IntN(len(of))] }

func some[T any](r *rand.Rand, of []T) []T {
	for {
		var got []T
		for _, o := range of {
			if r.IntN(2) == 0 {
				got = append(got, o)
			}
		}
		if len(got) > 0 {
			return got
		}
	}
}

func (c *chaos) isDefault(o thing) bool { return strings.HasPrefix(o.key, "default") }

// entries are all the privileges that concern this test, and owners whose things are.
func (c *chaos) entries(t *testing.T) ([]entry, map[string]string) {
	t.Helper()
	list := harness.Rows[entry](t, c.conn, `SELECT e.object, e.nsp, e.owner, e.grantee, e.grantor, e.privilege, e.is_grantable FROM oracle.entry e
		WHERE e.nsp IN ('a', 'B.1', 'c') OR e.object LIKE 'default of %'`)
	owners := map[string]string{}
	for _, o := range harness.Rows[struct{ Object, Owner string }](t, c.conn, `SELECT o.object, r.rolname AS owner FROM oracle.object o JOIN pg_roles r ON r.oid = o.owner WHERE o.nsp IN ('a', 'B.1', 'c') AND o.object NOT LIKE 'column %'`) {
		owners[o.Object] = c.hash(o.Owner)
	}
	for _, o := range c.things {
		if c.isDefault(o) {
			owners[o.key] = o.name
		}
	}
	for i := range list {
		for _, s := range []*string{&list[i].Owner, &list[i].Grantee, &list[i].Grantor, &list[i].Object} {
			*s = c.hash(*s)
		}
	}
	return list, owners
}

func (c *chaos) hash(text string) string { return strings.ReplaceAll(text, c.prefix, "#") }

// mutate is what people do by hand; what PostgreSQL refuses is not done.
func (c *chaos) mutate(t *testing.T) {
	t.Helper()
	run := func(role, sql string) {
		for _, s := range []string{"SET ROLE " + ident(c.name(role)), c.name(sql)} {
			if _, err := c.conn.Exec(t.Context(), s); err != nil && !slices.Contains([]string{"0LP01", "42501", "2BP01"}, state(err)) {
				t.Fatalf("%v in %s", err, c.name(sql))
			}
		}
		harness.Exec(t, c.conn, "RESET ROLE")
	}
	list, owners := c.entries(t)
	o, everybody := pick(c.r, c.things), append(slices.Clone(c.roles), c.others...)
	to := pick(c.r, everybody)
	option := pick(c.r, []string{"", "", " WITH GRANT OPTION"})
	switch n := c.r.IntN(20); {
	case n == 0 && !c.isDefault(o) && o.kind != "column":
		sql := strings.Replace(o.sql, "TABLE", map[bool]string{true: "VIEW", false: "TABLE"}[o.name == "v"], 1)
		harness.Exec(t, c.conn, "ALTER "+sql+" OWNER TO "+ident(c.name(to)))
	case n == 1:
		harness.Exec(t, c.DB, fmt.Sprintf("GRANT %s TO %s", ident(c.name(pick(c.r, []string{"#g1", "#G 2"}))), ident(c.name(pick(c.r, c.roles)))))
	case n == 2:
		e := pick(c.r, list)
		if !strings.HasPrefix(e.Object, "default") && !strings.HasPrefix(e.Grantee, "rolewright_via_") && e.Grantee != "-" && e.Grantee != e.Owner && !strings.HasPrefix(e.Object, "column") {
			kind, object, _ := strings.Cut(e.Object, " ")
			run(e.Grantor, "REVOKE "+e.Privilege+" ON "+strings.ToUpper(kind)+" "+object+" FROM "+ident(c.name(e.Grantee))+" CASCADE")
		}
	case c.isDefault(o):
		in := ""
		if o.schema != "" {
			in = " IN SCHEMA " + ident(o.schema)
		}
		run(o.name, "ALTER DEFAULT PRIVILEGES"+in+" GRANT "+strings.Join(some(c.r, thingPrivileges[o.kind]), ", ")+" ON "+o.kind+" TO "+ident(to)+option)
	default:
		// By the owner, or by somebody who may give it on.
		by := cmp.Or(owners[o.key], owners[strings.TrimPrefix(o.sql, "")], owners["table "+strings.TrimPrefix(o.sql, "TABLE ")])
		privileges := some(c.r, thingPrivileges[o.kind])
		for _, i := range c.r.Perm(len(list))[:min(len(list), 200)] {
			if e := list[i]; n < 10 && e.Object == o.key && e.IsGrantable && e.Grantee != e.Owner {
				by, privileges = e.Grantee, []string{e.Privilege}
				break
			}
		}
		columns := ""
		if o.column != "" {
			columns = " (" + ident(o.column) + ")"
		}
		grantee := ident(to) + option
		if c.r.IntN(8) == 0 {
			grantee = "PUBLIC"
		}
		run(by, "GRANT "+strings.Join(privileges, columns+", ")+columns+" ON "+o.sql+" TO "+grantee)
	}
}

// expected is what a declaration means.
type expected struct {
	owner   map[string]string                     // object → role
	has     map[string]map[string]map[string]bool // role → object → privilege → with grant option
	members map[string]map[string]string          // role → group → options
	keep    map[string]string                     // role → schema that is preserved
	public  map[string]string                     // object|privilege → grant or revoke
}

// declare makes up a declaration.
func (c *chaos) declare() (string, expected) {
	x := expected{map[string]string{}, map[string]map[string]map[string]bool{}, map[string]map[string]string{}, map[string]string{}, map[string]string{}}
	roles := map[string]any{}
	for _, role := range some(c.r, c.roles) {
		grants := []any{}
		has := map[string]map[string]bool{}
		x.has[role], x.members[role] = has, map[string]string{}
		for range c.r.IntN(12) {
			o := pick(c.r, c.things)
			g := map[string]any{"type": o.kind, "schema": o.schema}
			found := []thing{o}
			many := c.r.IntN(4)
			switch {
			case c.isDefault(o):
				g["type"], g["objects"], g["creator"] = "default", o.kind, o.name
				if o.schema == "" {
					delete(g, "schema")
				}
			case o.kind == "schema":
				delete(g, "schema")
				g["name"] = o.name
			case many == 0 || many == 1 && o.kind == "column":
				g["all"] = true
				found = c.matching(o, "")
			case many == 1:
				pattern := pick(c.r, []string{"t.*", "[a-t].*", ".", `T\.2|v`, "f|p"})
				g["pattern"] = pattern
				found = c.matching(o, pattern)
			default:
				g["name"] = o.name
			}
			if o.kind == "column" {
				g["type"], g["columns"] = "table", []string{o.column}
			}
			if !c.isDefault(o) && o.kind != "column" && c.r.IntN(5) == 0 {
				taken := false
				for _, f := range found {
					taken = taken || x.owner[f.key] != "" && x.owner[f.key] != role
				}
				if taken || len(found) == 0 || g["name"] == nil && (o.kind == "table" || o.kind == "function") {
					continue // code gets an owner by its name only
				}
				for _, f := range found {
					x.owner[f.key] = role
				}
				g["owner"] = true
				grants = append(grants, g)
				continue
			}
			privileges := some(c.r, thingPrivileges[o.kind])
			g["privileges"] = privileges
			if c.r.IntN(4) == 0 {
				g["grant_option"] = true
			} else if c.r.IntN(3) == 0 {
				g["via"] = pick(c.r, []string{"auto", "direct", "group"})
			}
			for _, f := range found {
				if has[f.key] == nil {
					has[f.key] = map[string]bool{}
				}
				for _, p := range privileges {
					has[f.key][p] = has[f.key][p] || g["grant_option"] == true
				}
			}
			grants = append(grants, g)
		}
		for _, group := range []string{"#g1", "#G 2"} {
			if c.r.IntN(3) == 0 {
				m := map[string]any{"type": "membership", "role": group}
				want := "false true true"
				if c.r.IntN(3) == 0 {
					m["admin"], want = true, "true true true"
				}
				grants = append(grants, m)
				x.members[role][group] = want
			}
		}
		d := map[string]any{"grants": grants}
		if c.r.IntN(5) == 0 {
			x.keep[role] = pick(c.r, []string{"a", "B.1"})
			d["preserve_schemas"] = []string{x.keep[role]}
		}
		roles[role] = d
	}
	declaration := map[string]any{"roles": roles, "options": map[string]any{"new_owner": "#app"}}
	if c.r.IntN(2) == 0 {
		rules := []any{}
		for range c.r.IntN(6) {
			o, action := pick(c.r, c.things), pick(c.r, []string{"grant", "revoke"})
			if c.isDefault(o) {
				continue
			}
			g := map[string]any{"action": action, "type": o.kind, "schema": o.schema, "name": o.name, "privileges": some(c.r, thingPrivileges[o.kind])}
			if o.kind == "schema" {
				delete(g, "schema")
			} else if o.kind == "column" {
				g["type"], g["columns"] = "table", []string{o.column}
				if o.name == "t1" && o.column != "a" {
					continue
				}
			}
			clash := false
			for _, p := range g["privileges"].([]string) {
				clash = clash || x.public[o.key+"|"+p] != "" && x.public[o.key+"|"+p] != action
			}
			if clash {
				continue
			}
			for _, p := range g["privileges"].([]string) {
				x.public[o.key+"|"+p] = action
			}
			rules = append(rules, g)
		}
		declaration["public"] = rules
	}
	text, _ := json.Marshal(declaration)
	return string(text), x
}

// matching are things of the same kind, schema (and column) whose names match.
func (c *chaos) matching(o thing, pattern string) []thing {
	var found []thing
	for _, f := range c.things {
		name, _, _ := strings.Cut(f.name, "(")
		if f.kind == o.kind && f.schema == o.schema && f.column == o.column && (pattern == "" || regexp.MustCompile("^(?:"+pattern+")$").MatchString(name)) {
			found = append(found, f)
		}
	}
	return found
}

func (c *chaos) round(t *testing.T) {
	t.Helper()
	declaration, x := c.declare()
	before, ownersBefore := c.entries(t)
	membersBefore := c.members(t)
	declaration = strings.ReplaceAll(declaration, "#", c.prefix)
	var q harness.Querier = c.DB
	if c.r.IntN(4) == 0 {
		q = c.super
	}
	rights := c.rights(t, "rolewright_owner")
	if _, err := q.Exec(t.Context(), "SELECT auth.sync_roles($1)", declaration); err != nil {
		refusal := harness.MustFail(t, q, state(err), "SELECT auth.sync_roles($1)", declaration)
		t.Fatalf("%s %s\n%s\n%s\n%s", refusal.Code, refusal.Message, refusal.Detail, refusal.Where, declaration)
	}
	equal(t, "rights of the caller", c.rights(t, "rolewright_owner"), rights)
	c.idle(t, q, "SELECT auth.sync_roles($1)", declaration)
	after, ownersAfter := c.entries(t)
	problem := func(format string, args ...any) {
		t.Helper()
		message := fmt.Sprintf(format, args...)
		t.Error(message)
		for _, o := range c.things { // what was there, of the object in question
			if name, _, _ := strings.Cut(message+"|", "|"); strings.Contains(message, "|"+o.key+"|") && name != "" {
				for _, e := range before {
					if table := "column " + strings.TrimPrefix(o.sql, "TABLE ") + "."; e.Object == o.key || o.kind == "table" && strings.HasPrefix(e.Object, table) || o.kind == "column" && e.Object == "table "+strings.TrimPrefix(o.sql, "TABLE ") {
						t.Logf("  before: %s %s of %s: %s by %s, grant option %v", e.Grantee, e.Privilege, e.Owner, e.Object, e.Grantor, e.IsGrantable)
					}
				}
			}
		}
	}

	// Owners.
	for _, o := range c.things {
		if c.isDefault(o) || o.kind == "column" {
			continue
		}
		want := ownersBefore[o.key]
		if x.owner[o.key] != "" {
			want = x.owner[o.key]
		} else if x.has[want] != nil && (o.kind == "schema" || x.keep[want] != o.schema) {
			want = "#app"
		}
		if ownersAfter[o.key] != want {
			problem("%s belongs to %s, and should to %s", o.key, ownersAfter[o.key], want)
		}
	}
	owner := func(e entry, owners map[string]string) string {
		if strings.HasPrefix(e.Object, "column ") {
			return e.Owner
		}
		return cmp.Or(owners[e.Object], e.Owner)
	}
	// What roles have, by themselves or through intermediate roles.
	via := map[string][]string{}
	for _, m := range harness.Rows[struct{ Member, Held string }](t, c.conn, `SELECT member, held FROM oracle.member WHERE inherit AND held IN (SELECT role_name FROM auth.intermediate_role)`) {
		via[m.Held] = append(via[m.Held], c.hash(m.Member))
	}
	table := func(list []entry, owners map[string]string) map[string]bool {
		got := map[string]bool{}
		for _, e := range list {
			if strings.HasPrefix(e.Grantee, "rolewright_via_") {
				for _, m := range via[e.Grantee] {
					if k := m + "|" + e.Object + "|" + e.Privilege; !got[k] {
						got[k] = false
					}
				}
			} else if e.Grantee != owner(e, owners) {
				k := e.Grantee + "|" + e.Object + "|" + e.Privilege
				got[k] = got[k] || e.IsGrantable
			}
		}
		return got
	}
	had, got := table(before, ownersBefore), table(after, ownersAfter)
	want := map[string]bool{}
	for k, option := range had {
		part := strings.Split(k, "|")
		role, object := part[0], part[1]
		schema := c.schemaOf(object)
		if role == "-" && strings.HasPrefix(object, "default") {
			continue
		}
		if x.has[role] == nil || x.keep[role] != "" && x.keep[role] == schema && !strings.HasPrefix(object, "schema ") {
			want[k] = option
		}
	}
	ownerAfter := map[string]string{}
	for _, e := range after {
		ownerAfter[e.Object] = owner(e, ownersAfter)
	}
	for k, action := range x.public {
		// REVOKE on a table takes the privilege from its columns too, if there is anything to revoke.
		if object, privilege, _ := strings.Cut(k, "|"); action == "revoke" && strings.HasPrefix(object, "table ") {
			for kk := range want {
				if strings.HasPrefix(kk, "-|column "+strings.TrimPrefix(object, "table ")+".") && strings.HasSuffix(kk, "|"+privilege) {
					if _, there := got[kk]; !there && x.public[strings.TrimPrefix(kk, "-|")] != "grant" {
						delete(want, kk)
					}
				}
			}
		}
		delete(want, "-|"+k)
		if action == "grant" {
			want["-|"+k] = false
		}
	}
	for role, objects := range x.has {
		for object, privileges := range objects {
			for p, option := range privileges {
				k := role + "|" + object + "|" + p
				want[k] = want[k] || option
			}
		}
	}
	tableOf := func(object string) string { // of a column
		if !strings.HasPrefix(object, "column ") {
			return object
		}
		for _, o := range c.things {
			if o.key == object {
				return "table " + strings.TrimPrefix(o.sql, "TABLE ")
			}
		}
		return object
	}
	for k := range want {
		part := strings.Split(k, "|")
		if o := cmp.Or(ownersAfter[tableOf(part[1])], ownerAfter[part[1]]); o == part[0] {
			delete(want, k) // owners are looked at below
		}
	}
	for k := range got {
		part := strings.Split(k, "|")
		if part[0] == "-" && strings.HasPrefix(part[1], "default") {
			delete(got, k)
		}
		// Who had owned it keeps nothing, unless he is not in the declaration: then nobody takes it from him by taking the thing.
		if x.has[part[0]] == nil && cmp.Or(ownersBefore[tableOf(part[1])], "") == part[0] {
			delete(got, k)
			delete(want, k)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(want)) {
		if option, ok := got[k]; !ok {
			problem("%s is missing", k)
		} else if option != want[k] {
			problem("%s has grant option %v", k, option)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[k]; !ok {
			problem("%s is too much", k)
		}
	}
	// Owners of whom privileges are declared have those.
	for role, objects := range x.has {
		for object, privileges := range objects {
			if cmp.Or(ownersAfter[tableOf(object)], ownerAfter[object]) != role || x.keep[role] != "" && x.keep[role] == c.schemaOf(object) {
				continue
			}
			have := map[string]bool{}
			for _, e := range after {
				if e.Object == object && e.Grantee == role {
					have[e.Privilege] = true
				}
			}
			if len(have) == 0 && strings.HasPrefix(object, "default") && !strings.Contains(object, " in ") {
				continue // PostgreSQL keeps no row that says what it does anyway
			}
			if a, b := slices.Sorted(maps.Keys(have)), slices.Sorted(maps.Keys(privileges)); !slices.Equal(a, b) {
				problem("%s, the owner of %s, has %v, and should have %v", role, object, a, b)
			}
		}
	}
	// Memberships; of a superuser's, no one else could get rid.
	defer func() {
		if q == c.super && c.major >= 16 {
			for _, s := range harness.Column[string](t, c.conn, `SELECT format('REVOKE %I FROM %I', held, member) FROM oracle.member WHERE (starts_with(held, $1) OR held IN (SELECT role_name FROM auth.intermediate_role)) AND starts_with(member, $1) AND grantor = current_user`, c.prefix) {
				harness.Exec(t, c.conn, s)
			}
		}
	}()
	membersAfter := c.members(t)
	for _, role := range append(slices.Clone(c.roles), c.others...) {
		want := x.members[role]
		if want == nil {
			want = membersBefore[role]
		}
		if !maps.Equal(want, membersAfter[role]) {
			problem("%s is a member of %v, and should be of %v", role, membersAfter[role], want)
		}
	}
	if t.Failed() {
		t.Logf("declaration: %s", c.hash(declaration))
	}
}

func (c *chaos) schemaOf(object string) string {
	for _, o := range c.things {
		if o.key == object {
			return o.schema
		}
	}
	return ""
}

func (c *chaos) members(t *testing.T) map[string]map[string]string {
	t.Helper()
	got := map[string]map[string]string{}
	for _, m := range harness.Rows[struct{ Member, Held, Options string }](t, c.conn, `SELECT member, held, concat_ws(' ', bool_or(admin), bool_or(inherit), bool_or(set)) AS options FROM oracle.member
		WHERE held IN ($1 || 'g1', $1 || 'G 2') AND member <> 'rolewright_owner' GROUP BY 1, 2`, c.prefix) {
		if got[c.hash(m.Member)] == nil {
			got[c.hash(m.Member)] = map[string]string{}
		}
		got[c.hash(m.Member)][c.hash(m.Held)] = strings.NewReplacer("t", "true", "f", "false").Replace(m.Options)
	}
	return got
}
