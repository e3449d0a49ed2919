package install_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rolewright/rolewright/internal/schema"
)

// Each refusal comes with its SQLSTATE and the way out, by every route, before anything is created.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		prepare string // as superuser in the database; its owner is "owner"
		code    string
		hint    string
	}{
		{"schema auth of somebody else", "CREATE ROLE app; CREATE SCHEMA auth AUTHORIZATION app", "RW001", "another database"},
		{"schema unsecure of somebody else", "CREATE ROLE app; CREATE SCHEMA unsecure AUTHORIZATION app", "RW001", "another database"},
		{"own schema auth with a table", "CREATE SCHEMA auth AUTHORIZATION owner; CREATE TABLE auth.session ()", "RW001", "another database"},
		{"own schema auth with a type", "CREATE SCHEMA auth AUTHORIZATION owner; CREATE TYPE auth.level AS ENUM ('aal1')", "RW001", "another database"},
		{"role without CREATEROLE", "ALTER ROLE owner NOCREATEROLE", "RW002", "ALTER ROLE owner CREATEROLE"},
		{"database of somebody else", "ALTER DATABASE :db OWNER TO postgres", "RW002", "GRANT CREATE ON DATABASE"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			cluster := newCluster(t)
			url := emptyDatabase(t, cluster, "owner")
			superuser := cluster.database(t, databaseOf(t, url))
			execute(t, superuser, strings.ReplaceAll(test.prepare, ":db", databaseOf(t, url)))
			before := takeSnapshot(t, url)

			_, err := schema.Up(t.Context(), url, schema.Options{})
			requireRefusal(t, err, test.code, test.hint)
			requireSame(t, "before", before, "migrate up", takeSnapshot(t, url))

			if output, err := runPsql(t, url, filepath.Join(root, "sql", "install.sql")); err == nil || !strings.Contains(output, test.hint) {
				t.Errorf("psql: %v, %s", err, output)
			}
			requireSame(t, "before", before, "psql", takeSnapshot(t, url))

			// Goose makes its version table before it looks at the first migration. Without CREATE it cannot even do that.
			if output, err := runGoose(t, url, "up"); err == nil || !strings.Contains(output, test.code) && !strings.Contains(output, "42501") {
				t.Errorf("goose: %v, %s", err, output)
			}
			requireSame(t, "before", before, "goose", takeSnapshot(t, url).withoutVersionTable())
		})
	}
}

func TestVersionTableNeedsCreateOnItsSchema(t *testing.T) {
	t.Parallel()
	cluster := newCluster(t)
	url := emptyDatabase(t, cluster, "owner")
	database := databaseOf(t, url)
	execute(t, cluster.database(t, database), `
		ALTER SCHEMA public OWNER TO postgres;
		REVOKE CREATE ON SCHEMA public FROM PUBLIC`)
	before := takeSnapshot(t, url)

	_, err := schema.Up(t.Context(), url, schema.Options{})
	requireRefusal(t, err, "RW002", `GRANT CREATE ON SCHEMA public TO "owner"`)
	_, err = schema.Up(t.Context(), url, schema.Options{VersionTable: "nowhere.version"})
	requireRefusal(t, err, "RW002", "Create it")
	requireSame(t, "before", before, "migrate up", takeSnapshot(t, url))
}

func TestInstallOverPsqlIsRefused(t *testing.T) {
	t.Parallel()
	url := emptyDatabase(t, newCluster(t), "owner")
	install := filepath.Join(root, "sql", "install.sql")
	psql(t, url, install)
	before := takeSnapshot(t, url)

	_, err := schema.Up(t.Context(), url, schema.Options{})
	requireRefusal(t, err, "RW003", "")
	if output, err := runPsql(t, url, install); err == nil || !strings.Contains(output, "installed in this database already") {
		t.Errorf("psql: %v, %s", err, output)
	}
	if output, err := runGoose(t, url, "up"); err == nil || !strings.Contains(output, "RW003") {
		t.Errorf("goose: %v, %s", err, output)
	}
	requireSame(t, "before", before, "second installation", takeSnapshot(t, url).withoutVersionTable())
}

func TestPsqlOverMigrateIsRefused(t *testing.T) {
	t.Parallel()
	url := emptyDatabase(t, newCluster(t), "owner")
	up(t, url)
	before := takeSnapshot(t, url)
	if output, err := runPsql(t, url, filepath.Join(root, "sql", "install.sql")); err == nil {
		t.Errorf("psql installed over migrate: %s", output)
	}
	requireSame(t, "before", before, "psql", takeSnapshot(t, url))
}

// With the group roles there CREATEROLE is not needed, as in the second database of a cluster.
func TestInstallWithoutCreaterole(t *testing.T) {
	t.Parallel()
	cluster := newCluster(t)
	up(t, emptyDatabase(t, cluster, "owner"))
	url := emptyDatabase(t, cluster, "plain")
	execute(t, cluster.superuser, "ALTER ROLE plain NOCREATEROLE")
	up(t, url)
	downAll(t, url)
}

// Some clouds and frameworks make the schema for the role that installs.
func TestOwnEmptySchemaIsUsed(t *testing.T) {
	t.Parallel()
	url := emptyDatabase(t, newCluster(t), "owner")
	execute(t, url, "CREATE SCHEMA auth")
	up(t, url)
	downAll(t, url)
}

func TestConcurrentUp(t *testing.T) {
	t.Parallel()
	url := emptyDatabase(t, newCluster(t), "owner")
	type result struct {
		applied []schema.Migration
		err     error
	}
	results := make(chan result)
	const processes = 8
	for range processes {
		go func() {
			applied, err := schema.Up(t.Context(), url, schema.Options{})
			results <- result{applied, err}
		}()
	}
	var did int
	for range processes {
		r := <-results
		if r.err != nil {
			t.Error(r.err)
		}
		if len(r.applied) > 0 {
			did++
		}
	}
	if did != 1 {
		t.Errorf("%d of %d applied something, want 1", did, processes)
	}
}

// The group roles belong to the cluster, but the lock to a database: another installation may be making them right now.
func TestGroupRoleIsMadeMeanwhile(t *testing.T) {
	t.Parallel()
	cluster := newCluster(t)
	url := emptyDatabase(t, cluster, "owner")
	other := connect(t, cluster.superuser)
	if _, err := other.Exec(t.Context(), "BEGIN; CREATE ROLE rolewright_app"); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		_, err := schema.Up(t.Context(), url, schema.Options{})
		done <- err
	}()
	waitFor(t, cluster.superuser, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock')")
	if _, err := other.Exec(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestCancelledWhileAnotherMigrates(t *testing.T) {
	t.Parallel()
	url := emptyDatabase(t, newCluster(t), "owner")
	before := takeSnapshot(t, url)
	release := holdMigrationLock(t, url)
	requireCancelled(t, url)
	requireSame(t, "before", before, "cancelled up", takeSnapshot(t, url))
	release()
	up(t, url)
}

func TestCancelledInTheMiddle(t *testing.T) {
	t.Parallel()
	cluster := newCluster(t)
	url := emptyDatabase(t, cluster, "owner")
	goose(t, url, "version")
	before := takeSnapshot(t, url)
	other := connect(t, cluster.superuser)
	if _, err := other.Exec(t.Context(), "BEGIN; CREATE ROLE rolewright_operator"); err != nil {
		t.Fatal(err)
	}
	requireCancelled(t, url)
	if got := queryText(t, cluster.superuser, "SELECT count(*) FROM pg_stat_activity WHERE usename = 'owner' AND state = 'active'"); got != "0" {
		t.Errorf("%s statements are still running", got)
	}
	if _, err := other.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	requireSame(t, "before", before, "cancelled up", takeSnapshot(t, url))
	up(t, url)
}

// requireCancelled starts an installation that cannot go on, and cancels it.
func requireCancelled(t *testing.T, url string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := schema.Up(ctx, url, schema.Options{})
		done <- err
	}()
	waitFor(t, url, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE usename = 'owner' AND wait_event_type = 'Lock')")
	cancel()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context canceled", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("a cancelled installation goes on")
	}
}

func requireRefusal(t *testing.T, err error, code, hint string) {
	t.Helper()
	var refusal *pgconn.PgError
	switch {
	case !errors.As(err, &refusal):
		t.Errorf("got %v, want SQLSTATE %s", err, code)
	case refusal.Code != code:
		t.Errorf("got %v, want SQLSTATE %s", refusal, code)
	case refusal.Detail == "" || refusal.Hint == "" || !strings.Contains(refusal.Hint, hint):
		t.Errorf("%v: detail %q, hint %q; want a hint with %q", refusal, refusal.Detail, refusal.Hint, hint)
	}
}
