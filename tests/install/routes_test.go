package install_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rolewright/rolewright/internal/schema"
	"github.com/rolewright/rolewright/tests/harness"
)

const root = "../.."

func up(t *testing.T, url string) {
	t.Helper()
	if _, err := schema.Up(t.Context(), url, schema.Options{}); err != nil {
		t.Fatal(err)
	}
}

// downAll returns the notices that it was told.
func downAll(t *testing.T, url string) []string {
	t.Helper()
	var log bytes.Buffer
	opts := schema.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}
	if _, err := schema.Down(t.Context(), url, opts, true); err != nil {
		t.Fatal(err)
	}
	return strings.FieldsFunc(log.String(), func(r rune) bool { return r == '\n' })
}

// printed returns the path of a file with what migrate print says.
func printed(t *testing.T, url string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pending.sql")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := schema.Print(t.Context(), file, url, schema.Options{}); err != nil {
		t.Fatal(err)
	}
	return path
}

func goose(t *testing.T, url, command string) {
	t.Helper()
	if output, err := runGoose(t, url, command); err != nil {
		t.Fatalf("goose %s: %v\n%s", command, err, output)
	}
}

// runGoose runs the stock binary on the files, as a DBA would who has no Rolewright.
func runGoose(t *testing.T, url, command string) (string, error) {
	t.Helper()
	binary := filepath.Join(root, ".tools", "goose")
	if _, err := os.Stat(binary); err != nil {
		t.Skipf("%s is not there: make tools builds it", binary)
	}
	return run(t, binary, "-dir", filepath.Join(root, "migrations"), "-table", schema.DefaultVersionTable, "postgres", url, command)
}

func psql(t *testing.T, url, file string) {
	t.Helper()
	if output, err := runPsql(t, url, file); err != nil {
		t.Fatalf("psql: %v\n%s", err, output)
	}
}

func runPsql(t *testing.T, url, file string) (string, error) {
	t.Helper()
	binary, err := findPsql()
	if err != nil {
		t.Skip(err)
	}
	return run(t, binary, "-X", "-q", "-d", url, "-f", file)
}

// findPsql looks beside the servers too: not every set of server binaries has a psql, and any version will do.
func findPsql() (string, error) {
	if path, err := exec.LookPath("psql"); err == nil {
		return path, nil
	}
	for _, pattern := range []string{os.Getenv("PG_BINDIR"), "/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin"} {
		found, err := filepath.Glob(filepath.Join(pattern, "psql"))
		if err == nil && len(found) > 0 {
			return found[len(found)-1], nil
		}
	}
	return "", fmt.Errorf("no psql: put the folder with it into PATH or PG_BINDIR")
}

func run(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	return string(output), err
}

// ownedBy gives the database to another role, which may create roles, and returns its URL for that role.
func ownedBy(t *testing.T, db *harness.DB, role string) string {
	t.Helper()
	harness.Exec(t, db.Super(t), "CREATE ROLE "+role+" LOGIN CREATEROLE; ALTER DATABASE "+db.Name+" OWNER TO "+role)
	return db.URL(t, role)
}
