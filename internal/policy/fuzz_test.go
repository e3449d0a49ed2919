package policy_test

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/rolewright/rolewright/internal/policy"
)

// Whatever is in a file, it is understood or refused with positions in it; what is understood can be written, and means the same again.
func FuzzParse(f *testing.F) {
	for _, path := range []string{"testdata/access.yaml", "testdata/written.yaml"} {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	wrong, err := os.ReadFile("testdata/wrong.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range strings.Split(string(wrong), "===\n") {
		input, _, _ := strings.Cut(file, "---\n")
		f.Add([]byte(input))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := policy.Parse("x", bytes.NewReader(text))
		if err != nil {
			problems := (*policy.Problems)(nil)
			if !errors.As(err, &problems) {
				t.Fatal(err)
			}
			for _, problem := range problems.List {
				if problem.Line < 1 || problem.Column < 1 || problem.Line > bytes.Count(text, []byte("\n"))+bytes.Count(text, []byte("\r"))+10 {
					t.Errorf("%v", problem)
				}
			}
			return
		}
		written, err := policy.Marshal(p)
		if err != nil {
			t.Fatalf("%v: %q", err, text)
		}
		if again, err := policy.Parse("x", bytes.NewReader(written)); err != nil || !p.Equal(again) {
			t.Errorf("%v: %q was written as\n%s", err, text, written)
		}
	})
}
