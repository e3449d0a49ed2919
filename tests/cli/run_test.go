package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rolewright/rolewright/internal/cli"
	"github.com/rolewright/rolewright/tests/harness"
)

// result is what a command line did.
type result struct {
	code     int
	out, err string
}

// run runs a command line through the real command tree.
func run(t testing.TB, url, stdin string, arguments ...string) result {
	t.Helper()
	var out, errOut bytes.Buffer
	arguments = append([]string{"--database-url", url}, arguments...)
	code := cli.Execute(context.Background(), arguments, strings.NewReader(stdin), &out, &errOut)
	return result{code, out.String(), errOut.String()}
}

// done runs a command line that must succeed, and returns what it printed.
func done(t testing.TB, url, stdin string, arguments ...string) string {
	t.Helper()
	r := run(t, url, stdin, arguments...)
	if r.code != 0 {
		t.Fatalf("%q: exit code %d\n%s%s", arguments, r.code, r.out, r.err)
	}
	return r.out
}

// failed runs a command line that must fail with that exit code and all of those words on stderr.
func failed(t testing.TB, code int, url, stdin string, arguments []string, words ...string) string {
	t.Helper()
	r := run(t, url, stdin, arguments...)
	if r.code != code || r.out != "" {
		t.Errorf("%q: exit code %d, want %d\n%s%s", arguments, r.code, code, r.out, r.err)
	}
	contains(t, r.err, words...)
	return r.err
}

func contains(t testing.TB, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("%q is missing in:\n%s", word, text)
		}
	}
}

// counts is what sync reports.
type counts struct{ Received, Created, Updated, Enabled, Disabled, Unchanged, Skipped int }

func sync(t testing.TB, url, stdin string, arguments ...string) counts {
	t.Helper()
	var c counts
	decode(t, done(t, url, stdin, append([]string{"sync", "-o", "json"}, arguments...)...), &c)
	return c
}

func decode(t testing.TB, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
}

// rowVersions tells whether any row of users, identities or the trail was written.
func rowVersions(t testing.TB, conn harness.Querier) string {
	t.Helper()
	return harness.One[string](t, conn, `
		SELECT md5(string_agg(v, ',' ORDER BY v)) FROM (
		    SELECT 'u' || xmin || user_id || updated_at FROM auth.user_info
		    UNION ALL
		    SELECT 'i' || xmin || user_identity_id || updated_at FROM auth.user_identity) AS r (v)`)
}

func write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
