package policy_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/rolewright/rolewright/internal/policy"
)

func schema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(policy.Schema))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("access.schema.json", document); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("access.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// value is what an editor's schema support sees: timestamps are text to it.
func value(t testing.TB, n *yaml.Node) any {
	t.Helper()
	switch n.Kind {
	case yaml.DocumentNode:
		return value(t, n.Content[0])
	case yaml.AliasNode:
		return value(t, n.Alias)
	case yaml.SequenceNode:
		items := []any{}
		for _, item := range n.Content {
			items = append(items, value(t, item))
		}
		return items
	case yaml.MappingNode:
		fields := map[string]any{}
		for i := 0; i < len(n.Content); i += 2 {
			fields[n.Content[i].Value] = value(t, n.Content[i+1])
		}
		return fields
	}
	if n.ShortTag() == "!!timestamp" {
		return n.Value
	}
	var scalar any
	if err := n.Load(&scalar); err != nil {
		t.Fatal(err)
	}
	return scalar
}

func valueOf(t testing.TB, text string) any {
	t.Helper()
	var n yaml.Node
	if err := yaml.Load([]byte(text), &n); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return value(t, &n)
}

func TestTheSchemaTakesWhatIsUnderstood(t *testing.T) {
	t.Parallel()
	s := schema(t)
	example, err := os.ReadFile("testdata/access.yaml")
	if err != nil {
		t.Fatal(err)
	}
	files := []string{
		string(example),
		"roles:\nbundles:\npublic:\npreserve_schemas:\noptions:\n",
		"databases: {shop: , billing: {public: [revoke usage on schema x], preserve_schemas: [a]}}\nroles: {}\n",
		"roles: {a: {login: false, readonly: [], options: {missing: create, reuse_name: true}}, b: }\n",
		"roles: {a: &x {login: {valid_until: 2027-01-01 00:00+01}, readwrite: [{schema: a, future_by: [b, c]}]}, b: *x}\n",
		"roles: {a: {login: {valid_until: infinity, connection_limit: -1, password_file: x}, member_of: [{role: x}]}}\n",
	}
	r := random{rand.New(rand.NewPCG(rand.Uint64(), 0))}
	for range 200 {
		text, err := policy.Marshal(r.policy())
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, string(text))
	}
	for _, file := range files {
		parse(t, file)
		if err := s.Validate(valueOf(t, file)); err != nil {
			t.Errorf("%v in\n%s", err, file)
		}
	}
}

// Whatever key is added wherever a mapping has known keys, both refuse it.
func TestUnknownKeysAreRefusedByBoth(t *testing.T) {
	t.Parallel()
	s := schema(t)
	const file = `
X: 1
databases: {shop: {public: [], X: 1}}
options: {missing: skip, X: 1}
roles:
  a:
    X: 1
    login: {connection_limit: 1, X: 1}
    member_of: [{role: b, X: 1}]
    readonly: [{schema: app, X: 1}]
    bundles: {}
    options: {missing: skip, X: 1}
    databases:
      billing: {grants: [], X: 1, readwrite: [{schema: app, X: 1}]}
`
	parse(t, without(file, -1))
	if err := s.Validate(valueOf(t, without(file, -1))); err != nil {
		t.Fatal(err)
	}
	for n := range strings.Count(file, "X: 1") {
		text := without(file, n)
		if _, err := policy.Parse("access.yaml", strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), `unknown key "X"`) {
			t.Errorf("the parser says %v of\n%s", err, text)
		}
		if err := s.Validate(valueOf(t, text)); err == nil {
			t.Errorf("the schema takes\n%s", text)
		}
	}
}

// without takes out all X but the n-th.
func without(file string, n int) string {
	parts := strings.Split(file, "X: 1")
	var b strings.Builder
	for i, part := range parts {
		b.WriteString(part)
		if i == n {
			b.WriteString("X: 1")
		}
	}
	return strings.NewReplacer(", ,", ",", ", }", "}", "\n    \n", "\n", "\n\n", "\n").Replace(b.String())
}

func TestTheSchemaRefusesWhatItCanTell(t *testing.T) {
	t.Parallel()
	s := schema(t)
	for _, file := range []string{
		"roles: [a]", "roles: {public: {}}", "roles: {pg_x: {}}", "roles: {a: {grants: x}}", "roles: {a: {grants: [5]}}", "databases: []",
		"public: [usage on schema x]", "roles: {a: {login: {valid_until: 2027-01-01}}}", "roles: {a: {login: {verifier: x}}}",
		"roles: {a: {login: {password_env: x, password_file: y}}}", "roles: {a: {readonly: app}}", "bundles: {readonly: []}", "options: {missing: x}",
	} {
		if err := s.Validate(valueOf(t, file)); err == nil {
			t.Errorf("the schema takes %s", file)
		}
		if _, err := policy.Parse("access.yaml", strings.NewReader(file)); err == nil {
			t.Errorf("the parser takes %s", file)
		}
	}
}

func TestAliasesCannotMakeTooMuchOfLittle(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("roles:\n  r0: &r\n    grants:\n")
	for range 2000 {
		b.WriteString("      - select on table a.b, a.c, a.d, a.e\n")
	}
	for n := range 2080 {
		b.WriteString("  r1" + strings.Repeat("x", n%40) + string(rune('a'+n/40%26)) + string(rune('a'+n/1040)) + ": *r\n")
	}
	_, err := policy.Parse("access.yaml", strings.NewReader(b.String()))
	if err == nil || !strings.Contains(err.Error(), "more than 1000000 grants") {
		t.Errorf("%.200v", err)
	}
	_, err = policy.Parse("access.yaml", strings.NewReader(strings.ReplaceAll(b.String(), "select", "selct")))
	if err == nil || !strings.HasSuffix(err.Error(), "… and 1900 more") {
		t.Errorf("%.200v", err)
	}
	many := "roles:\n  r0: {member_of: &r [" + strings.Repeat("x,", 2000) + "]}\n"
	for n := range 2000 {
		many += fmt.Sprintf("  r%d: {member_of: *r}\n", n+1)
	}
	_, err = policy.Parse("access.yaml", strings.NewReader(many))
	if err == nil || !strings.Contains(err.Error(), "more than 1000000 things to look at") {
		t.Errorf("%.200v", err)
	}
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'j'; c++ {
		bomb += string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+string(c-1)+",", 9) + "]\n"
	}
	_, err = policy.Parse("access.yaml", strings.NewReader(bomb+"roles: *i\n"))
	if err == nil || !strings.Contains(err.Error(), `roles: expected keys and values, got a list`) {
		t.Errorf("%.200v", err)
	}
	_, err = policy.Parse("access.yaml", strings.NewReader(strings.Repeat("[", 200_000)))
	if err == nil {
		t.Error("200,000 brackets were taken")
	}
	_, err = policy.Parse("access.yaml", strings.NewReader(strings.Repeat("#", 33<<20)))
	if err == nil || !strings.Contains(err.Error(), "more than 32 MB") {
		t.Errorf("%.200v", err)
	}
}
