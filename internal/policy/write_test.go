package policy_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/rolewright/rolewright/internal/policy"
)

// What is written of declarations is read as the same declarations, and written the same again.
func TestRandomDeclarationsSurviveTheFile(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := random{rand.New(rand.NewPCG(seed, 0))}
	for range 1000 {
		p := r.policy()
		text, err := policy.Marshal(p)
		if err != nil {
			t.Fatalf("%v\nof\n%s", err, indented(t, p))
		}
		back := parse(t, string(text))
		if again, err := policy.Marshal(back); err != nil || string(again) != string(text) {
			t.Fatalf("%v: written again:\n%s\nfirst:\n%s", err, again, text)
		}
		for i := range p.Databases {
			document, err := json.Marshal(back.Databases[i].Declaration)
			if err != nil {
				t.Fatal(err)
			}
			read, err := policy.ReadDeclaration(document)
			if err != nil {
				t.Fatalf("%v: %s", err, document)
			}
			if again, err := json.Marshal(read); err != nil || string(again) != string(document) {
				t.Fatalf("%v: as JSON and back: %s\nfirst: %s", err, again, document)
			}
		}
	}
}

func TestTheExampleIsWrittenAsItsMeaning(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/access.yaml")
	if err != nil {
		t.Fatal(err)
	}
	written, err := policy.Marshal(parse(t, string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile("testdata/written.yaml", written, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/written.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if string(written) != string(want) {
		t.Errorf("got\n%s", written)
	}
}

func TestWhatNoFileCanSayIsNotWritten(t *testing.T) {
	t.Parallel()
	for _, document := range []string{
		`{"roles": {"a": {"grants": [{"type": "table", "schema": "s", "name": "", "privileges": ["SELECT"]}]}}}`,
		`{"roles": {"a": {"grants": [{"type": "table", "schema": "s", "name": "t"}]}}}`,
		`{"roles": {"a": {"grants": [{"type": "wall", "name": "t", "privileges": ["SELECT"]}]}}}`,
		`{"roles": {"a": {"grants": [{"type": "table", "schema": "s", "name": "t", "privileges": ["PAINT"]}]}}}`,
		`{"roles": {"a": {"grants": [{"type": "login"}, {"type": "login", "connection_limit": 3}]}}}`,
		`{"roles": {"pg_monitor": {"grants": []}}}`,
	} {
		d, err := policy.ReadDeclaration([]byte(document))
		if err != nil {
			t.Errorf("%s: %v", document, err)
			continue
		}
		if text, err := policy.Marshal(&policy.Policy{Databases: []policy.Database{{Declaration: d}}}); err == nil {
			t.Errorf("%s was written as\n%s", document, text)
		}
	}
	if _, err := policy.ReadDeclaration([]byte(`{"roles": {"a": {"grants": [{"type": "login", "colour": "red"}]}}}`)); err == nil {
		t.Error("an unknown key was not seen")
	}
}

func indented(t testing.TB, value any) string {
	t.Helper()
	text, err := json.MarshalIndent(value, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// random makes declarations as auth.dump_roles would, of any names.
type random struct{ *rand.Rand }

func pick[T any](r random, from ...T) T { return from[r.IntN(len(from))] }

func (r random) maybe() bool { return r.IntN(2) == 0 }

func (r random) name() string {
	if r.IntN(3) > 0 {
		return pick(r, "app", "sales", "reporting", "app_owner", "public_", "x1")
	}
	const runes = "abcXYZ019_$ \"'.,:;#-?*&!|>%@`{}[]()\\/\n\t\r\u00e4\u20ac\u200b\u0085\u2028\ufeff\x1b~=<"
	all := []rune(runes)
	var b strings.Builder
	for range 1 + r.IntN(8) {
		b.WriteRune(pick(r, all...))
	}
	return b.String()
}

func (r random) names() []string {
	var names []string
	for range 1 + r.IntN(3) {
		names = append(names, r.name())
	}
	return names
}

var owned = []string{"database", "schema", "table", "sequence", "function", "procedure", "type"}

func (r random) grant() policy.Grant {
	g := policy.Grant{Type: pick(r, "database", "schema", "language", "foreign_server", "foreign_data_wrapper", "tablespace", "parameter",
		"large_object", "table", "table", "table", "sequence", "function", "procedure", "type", "default", "default")}
	g.Name = r.name()
	privileges := map[string][]string{
		"database": {"CONNECT", "create", "temp"}, "schema": {"USAGE", "CREATE"}, "tablespace": {"CREATE"}, "parameter": {"SET", "ALTER SYSTEM"},
		"large_object": {"SELECT", "UPDATE"}, "table": {"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN"},
		"sequence": {"USAGE", "SELECT", "UPDATE"}, "function": {"EXECUTE"}, "procedure": {"EXECUTE"},
	}
	known := privileges[g.Type]
	switch g.Type {
	case "table", "sequence", "function", "procedure", "type":
		g.Schema = r.name()
		switch r.IntN(4) {
		case 0:
			g.Name, g.All = "", true
		case 1:
			g.Pattern, g.Name = r.name(), ""
		default:
			if g.Type == "function" || g.Type == "procedure" {
				// A name that looks like a signature cannot be told from one.
				g.Name = strings.NewReplacer("(", "", ")", "").Replace(g.Name) + "_"
				if r.maybe() {
					g.Name = `"` + strings.ReplaceAll(g.Name, `"`, `""`) + `"` + pick(r, "()", "(integer, text)", "(numeric(10,2),\"Odd (\"[])")
				}
			}
		}
		if g.Type == "table" && r.IntN(3) == 0 {
			g.Columns, known = r.names(), []string{"SELECT", "INSERT", "UPDATE", "REFERENCES"}
		}
	case "parameter":
		g.Name = pick(r, "work_mem", "my.setting", `my."Odd`)
	case "large_object":
		g.Name = fmt.Sprint(r.Uint32())
	case "default":
		g.Name, g.Creator = "", r.name()
		g.Objects = pick(r, "TABLES", "SEQUENCES", "FUNCTIONS", "TYPES", "SCHEMAS", "LARGE OBJECTS")
		if g.Objects != "SCHEMAS" && g.Objects != "LARGE OBJECTS" && r.maybe() {
			g.Schema = r.name()
		}
		known = map[string][]string{"TABLES": privileges["table"], "SEQUENCES": privileges["sequence"], "FUNCTIONS": {"EXECUTE"},
			"SCHEMAS": privileges["schema"], "LARGE OBJECTS": privileges["large_object"]}[g.Objects]
	}
	if known == nil {
		known = []string{"USAGE"}
	}
	if g.Type != "default" && g.Columns == nil && r.IntN(8) == 0 && slices.Contains(owned, g.Type) {
		g.Owner = true
		return g
	}
	if g.Privileges = []string{"ALL"}; r.IntN(4) > 0 {
		g.Privileges = nil
		for range 1 + r.IntN(4) {
			g.Privileges = append(g.Privileges, pick(r, known...))
		}
	}
	return g
}

func (r random) roleGrant() policy.Grant {
	if r.IntN(6) == 0 {
		return policy.Grant{Type: "membership", Role: r.name(), Inherit: pick(r, nil, new(bool)), Set: pick(r, nil, new(bool)), Admin: pick(r, nil, &yes)}
	}
	g := r.grant()
	if !g.Owner {
		g.GrantOption = r.IntN(4) == 0
		if !g.GrantOption {
			g.Via = pick(r, "", "auto", "direct", "group")
		}
	}
	return g
}

var yes = true

// bundled is what readonly and readwrite give, and sometimes not all of it.
func (r random) bundled() []policy.Grant {
	schema, creator := r.name(), r.name()
	tables, sequences := []string{"SELECT"}, []string{"SELECT"}
	if r.maybe() {
		tables, sequences = []string{"SELECT", "INSERT", "UPDATE", "DELETE"}, []string{"USAGE", "SELECT"}
	}
	grants := []policy.Grant{
		{Type: "schema", Name: schema, Privileges: []string{"USAGE"}},
		{Type: "table", Schema: schema, All: true, Privileges: tables},
		{Type: "sequence", Schema: schema, All: true, Privileges: sequences},
		{Type: "default", Schema: schema, Creator: creator, Objects: "TABLES", Privileges: tables},
		{Type: "default", Schema: schema, Creator: creator, Objects: "SEQUENCES", Privileges: sequences},
	}
	return grants[:pick(r, 2, 3, 4, 5)]
}

func (r random) options() (o policy.Options) {
	if r.maybe() {
		o.Missing = pick(r, "error", "skip", "create")
	}
	if r.maybe() {
		o.NewOwner = r.name()
	}
	if r.maybe() {
		o.ReuseName = new(bool)
	}
	return o
}

func (r random) policy() *policy.Policy {
	databases := [][]string{{""}, {"shop"}, {"shop", r.name() + "!"}, {"c", "b", "a"}}[r.IntN(4)]
	p := &policy.Policy{}
	options := r.options()
	if lock := r.Int64(); r.maybe() {
		options.LockKey = &lock
	}
	roles := map[string]policy.Role{}
	for range r.IntN(3) {
		role := policy.Role{Grants: r.many(r.roleGrant), Options: r.options(), PreserveSchemas: pick(r, nil, []string{}, r.names())}
		if r.maybe() {
			role.Grants = append(role.Grants, r.bundled()...)
		}
		if r.maybe() {
			limit := r.IntN(5) - 1
			login := policy.Grant{Type: "login", ConnectionLimit: &limit}
			login.ValidUntil = pick(r, "", "infinity", "2027-01-01 01:02:03.4567891+05:30", "2030-12-31T23:59Z")
			login.PasswordEnv = pick(r, "", r.name())
			role.Grants = append(role.Grants, login)
		}
		role.Grants = uniqueMembers(role.Grants)
		roles["r"+r.name()] = role
	}
	public := r.many(r.rule)
	for i, name := range databases {
		d := policy.Declaration{Roles: map[string]policy.Role{}, Options: options, Public: public, PreserveSchemas: pick(r, nil, r.names())}
		if i > 0 {
			d.Options.Scope = policy.ScopeDatabase
			d.Public = append(r.local(r.many(r.rule)), r.local(public)...)
		}
		for role, general := range roles {
			if i > 0 {
				general.Grants = append(r.local(r.many(r.grant)), r.local(general.Grants)...)
				if r.maybe() {
					general.Grants = r.local(r.many(r.grant))
				}
				general.PreserveSchemas = pick(r, general.PreserveSchemas, nil, []string{}, r.names())
			}
			d.Roles[role] = general
		}
		p.Databases = append(p.Databases, policy.Database{Name: name, Declaration: d})
	}
	return p
}

func (r random) rule() policy.Grant {
	g := r.grant()
	for g.Owner {
		g = r.grant()
	}
	g.Action = pick(r, "grant", "revoke")
	return g
}

func (r random) many(one func() policy.Grant) []policy.Grant {
	var all []policy.Grant
	for range r.IntN(8) {
		all = append(all, one())
	}
	return all
}

// local leaves out what only the first database's declaration can have.
func (r random) local(grants []policy.Grant) []policy.Grant {
	var all []policy.Grant
	for _, g := range grants {
		switch g.Type {
		case "login", "membership", "tablespace", "parameter", "database":
		default:
			all = append(all, g)
		}
	}
	return all
}

// uniqueMembers has one membership in each role.
func uniqueMembers(grants []policy.Grant) []policy.Grant {
	seen := map[string]bool{}
	var all []policy.Grant
	for _, g := range grants {
		if g.Type == "membership" && seen[g.Role] {
			continue
		}
		seen[g.Role] = seen[g.Role] || g.Type == "membership"
		all = append(all, g)
	}
	return all
}
