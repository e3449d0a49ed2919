package cli_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestDemoTellsItsStory(t *testing.T) {
	t.Parallel()
	r := run(t, "postgres://localhost:1/never-asked", "", "demo")
	if r.code != 0 {
		t.Fatalf("exit code %d\n%s%s", r.code, r.out, r.err)
	}
	contains(t, r.out,
		"migration 00001_setup.sql: applied",
		"anna   Anna Lindqvist  entra, github  deployers, developers",
		"chen   陈思远          entra          sales                  ← developers",
		"entra (disabled), github (disabled)  (none)                 ← developers",
		"bilal may source.commit in tenant default",
		"chen may not source.commit in tenant default\n└─ group developers\n   └─ permission source\n      └─ missing: the user is not in group developers",
		"SQLSTATE: RW203",
		"line 2: not JSON",
		"is_active: true→false",
		"6 active and 2 disabled accounts",
	)
	if lines := strings.Count(r.out, "\n"); lines > 150 || strings.Contains(r.out, "\x1b") {
		t.Errorf("%d lines, or escape sequences in a pipe:\n%s", lines, r.out)
	}
}

func TestDemoKeepLeavesAServer(t *testing.T) {
	t.Parallel()
	parent, err := os.MkdirTemp("", "rolewright")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(parent) })
	if err := os.Chmod(parent, 0o755); err != nil { // the server may be another user's
		t.Fatal(err)
	}
	arguments := []string{"demo", "--keep", "--directory", filepath.Join(parent, "kept")}
	first := done(t, "", "", arguments...)
	stop := regexp.MustCompile(`(?m)^stop +(.+)$`).FindStringSubmatch(first)
	if stop == nil {
		t.Fatalf("it does not say how to stop it:\n%s", first)
	}
	t.Cleanup(func() {
		if out, err := exec.CommandContext(context.Background(), "/bin/sh", "-c", stop[1]).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", stop[1], err, out)
		}
	})
	url := regexp.MustCompile(`--database-url '(.+)'`).FindStringSubmatch(first)[1]
	contains(t, done(t, url, "", "user", "list"), "Anna Lindqvist")
	contains(t, done(t, "", "", arguments...), "played here before", url)
	contains(t, done(t, url, "", "user", "list"), "Anna Lindqvist")
}
