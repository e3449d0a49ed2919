package policy_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/rolewright/rolewright/internal/policy"
)

func parse(t testing.TB, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("access.yaml", strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v\nin\n%s", err, text)
	}
	return p
}

func TestAFileBecomesOneDeclarationForEachDatabase(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/access.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p := parse(t, string(text))
	got, err := json.MarshalIndent(p.Databases, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile("testdata/access.json", append(got, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/access.json")
	if err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(string(want)) != string(got) {
		t.Errorf("got\n%s", got)
	}
}
