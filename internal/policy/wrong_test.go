package policy_test

import (
	"os"
	"strings"
	"testing"

	"github.com/rolewright/rolewright/internal/policy"
)

// The files that are refused stand in testdata/wrong.txt, each after a line of ===, and before a line of --- and all that is said about it.
func TestWrongFilesAreRefusedWithAllPositions(t *testing.T) {
	t.Parallel()
	const path = "testdata/wrong.txt"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	files := strings.Split(string(text), "===\n")[1:]
	if len(files) < 40 {
		t.Errorf("only %d files", len(files))
	}
	var now strings.Builder
	for _, file := range files {
		input, want, _ := strings.Cut(file, "---\n")
		_, err := policy.Parse("access.yaml", strings.NewReader(input))
		got := "nothing is wrong"
		if err != nil {
			got = err.Error()
		}
		now.WriteString("===\n" + input + "---\n" + got + "\n")
		if got != strings.TrimSuffix(want, "\n") && os.Getenv("UPDATE") == "" {
			t.Errorf("got\n%s\nwant\n%sfor\n%s", got, want, input)
		}
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, []byte(now.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
