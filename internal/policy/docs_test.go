package policy_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/rolewright/rolewright/internal/policy"
)

// What docs/ACCESS.md shows is understood, and the bundles that it shows are those that are built in.
func TestTheDocumentationIsUnderstood(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/ACCESS.md")
	if err != nil {
		t.Fatal(err)
	}
	s := schema(t)
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) < 6 {
		t.Errorf("only %d examples", len(blocks))
	}
	for _, block := range blocks {
		file := block[1]
		switch {
		case strings.HasPrefix(file, "grants:"):
			file = "roles:\n  a:\n    " + strings.ReplaceAll(file, "\n", "\n    ")
		case strings.HasPrefix(file, "readonly:"):
			file = strings.NewReplacer("readonly:", "  ro:", "readwrite:", "  rw:", "\n  -", "\n    -").Replace("bundles:\n" + file)
			const use = "[x, {schema: y, future_by: [z, o]}]"
			written := parse(t, file+"roles:\n  a: {bundles: {ro: "+use+"}}\n  b: {bundles: {rw: "+use+"}}\n")
			if !written.Equal(parse(t, "roles:\n  a: {readonly: "+use+"}\n  b: {readwrite: "+use+"}\n")) {
				t.Errorf("these are not the bundles that are built in:\n%s", file)
			}
		}
		parse(t, file)
		if err := s.Validate(valueOf(t, file)); err != nil {
			t.Errorf("%v in\n%s", err, file)
		}
	}
	for _, message := range regexp.MustCompile(`(?m)^    access.yaml:.*: (\w+.*)$`).FindAllStringSubmatch(string(text), -1) {
		_, err := policy.Parse("x", strings.NewReader("roles: {a: {grants: [selct on table a.b, select on table orders]}}"))
		if want := strings.TrimSuffix(message[1], ", …"); !strings.Contains(err.Error(), want) {
			t.Errorf("no such message: %s", want)
		}
	}
}
