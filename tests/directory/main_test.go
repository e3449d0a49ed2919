// Package directory_test plays a real directory through seven years: who was a member of the Kubernetes project's
// organisations at GitHub, and in which teams. The data is not part of the repository; without it the tests are skipped.
package directory_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rolewright/rolewright/internal/cli"
	"github.com/rolewright/rolewright/tests/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// feed is one file: the members of an organisation at one time.
type feed struct {
	org, file string
	lines     []string
	members   map[string]content // by handle
}

// content is what a member's element says, in one spelling each, so that equal strings mean equal content.
type content struct{ groups, roles, data string }

// inOrder spells strings whose order means nothing.
func inOrder(names []string) string {
	text, _ := json.Marshal(slices.Sorted(slices.Values(names))) // strings always marshal
	return string(text)
}

// canonical spells a JSON value.
func canonical(t testing.TB, text []byte) string {
	t.Helper()
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	spelt, _ := json.Marshal(value)
	return string(spelt)
}

// folder is where the data is.
func folder(t testing.TB) string {
	t.Helper()
	path := cmp.Or(os.Getenv("ROLEWRIGHT_TEST_DATA"), filepath.Join("..", "..", "..", "shared", "data", "kubernetes-org"))
	if _, err := os.Stat(path); err != nil {
		absolute, _ := filepath.Abs(path)
		t.Skipf("no test data in %s; ROLEWRIGHT_TEST_DATA may name its folder", absolute)
	}
	return path
}

// history is every file: all organisations of a year, then those of the next one.
func history(t testing.TB) []feed {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder(t), "*", "*.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(files, func(a, b string) int {
		return cmp.Or(cmp.Compare(filepath.Base(a), filepath.Base(b)), cmp.Compare(a, b))
	})
	feeds := make([]feed, len(files))
	for i, file := range files {
		feeds[i] = load(t, file)
	}
	if len(feeds) == 0 {
		t.Fatalf("no ORG/*.ndjson in %s", folder(t))
	}
	return feeds
}

func load(t testing.TB, file string) feed {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	f := feed{org: filepath.Base(filepath.Dir(file)), file: file, members: map[string]content{}}
	for line := range strings.Lines(string(text)) {
		var e struct {
			ID            string `json:"provider_user_id"`
			Groups, Roles []string
			Data          json.RawMessage
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		f.lines = append(f.lines, line)
		f.members[e.ID] = content{inOrder(e.Groups), inOrder(e.Roles), canonical(t, e.Data)}
	}
	if len(f.members) != len(f.lines) {
		t.Fatalf("%s: %d members on %d lines", file, len(f.members), len(f.lines))
	}
	return f
}

// organisations are those of the feeds, in order.
func organisations(feeds []feed) []string {
	var orgs []string
	for _, f := range feeds {
		orgs = append(orgs, f.org)
	}
	slices.Sort(orgs)
	return slices.Compact(orgs)
}

// newDatabase has a provider for each organisation.
func newDatabase(t testing.TB, orgs []string) *harness.DB {
	t.Helper()
	db := harness.Database(t)
	for _, org := range orgs {
		if r := run(t, db, "provider", "create", org, "--type", "github", "--link-by", "username"); r.code != 0 {
			t.Fatal(r.err)
		}
	}
	return db
}

// result is what a command line did.
type result struct {
	code     int
	out, err string
}

// run runs a command line through the real command tree.
func run(t testing.TB, db *harness.DB, arguments ...string) result {
	t.Helper()
	var out, errOut bytes.Buffer
	code := cli.Execute(t.Context(), append([]string{"--database-url", db.OwnerURL}, arguments...), strings.NewReader(""), &out, &errOut)
	return result{code, out.String(), errOut.String()}
}

// counts are what a sync reports.
type counts struct{ Received, Created, Updated, Enabled, Disabled, Unchanged, Skipped int }

// sync runs the command with a feed that is the whole truth.
func sync(t testing.TB, db *harness.DB, f feed, flags ...string) result {
	t.Helper()
	arguments := []string{"sync", f.file, "--provider", f.org, "--create-missing", "--disable-missing", "-o", "json"}
	return run(t, db, append(arguments, flags...)...)
}

// synced is a sync that must succeed, and its counts.
func synced(t testing.TB, db *harness.DB, f feed, flags ...string) (counts, result) {
	t.Helper()
	r := sync(t, db, f, flags...)
	var c counts
	if r.code != 0 {
		t.Fatalf("%s: exit code %d\n%s", f.file, r.code, r.err)
	}
	if err := json.Unmarshal([]byte(r.out), &c); err != nil {
		t.Fatalf("%v in:\n%s", err, r.out)
	}
	return c, r
}

// rowVersions changes whenever a row is written: of providers, users, identities or the trail.
func rowVersions(t testing.TB, db *harness.DB) string {
	t.Helper()
	return harness.One[string](t, db, `
		SELECT md5(string_agg(v, ',' ORDER BY v)) FROM (
			SELECT 'p' || xmin || ctid FROM auth.provider
			UNION ALL
			SELECT 'u' || xmin || ctid FROM auth.user_info
			UNION ALL
			SELECT 'i' || xmin || ctid FROM auth.user_identity
			UNION ALL
			SELECT 'a' || count(*) || ' ' || max(audit_event_id) FROM auth.audit_event) AS r (v)`)
}
