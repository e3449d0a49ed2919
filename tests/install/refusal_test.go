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
	"github.com/rolewright/rolewright/tests/harness"
)

// Each refusal comes with its SQLSTATE and the way out, by every route, before anything is created.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		prepare string // as superuser in the database; rolewright_owner owns it
		code    string
		hint    string
	}{
		{"schema auth of somebody else", "CREATE ROLE app; CREATE SCHEMA auth AUTHORIZATION app", "RW001", "another database"},
		{"schema unsecure of somebody else", "CREATE ROLE app; CREATE SCHEMA unsecure AUTHORIZATION app", "RW001", "another database"},
		{"own schema auth with a table", "CREATE SCHEMA auth AUTHORIZATION rolewright_owner; CREATE TABLE auth.session ()", "RW001", "another database"},
		{"own schema auth with a type", "CREATE SCHEMA auth AUTHORIZATION rolewright_owner; CREATE TYPE auth.level AS ENUM ('aal1')", "RW001", "another database"},
		{"role without CREATEROLE", "ALTER ROLE rolewright_owner NOCREATEROLE", "RW002", "ALTER ROLE rolewright_owner CREATEROLE"},
		{"database of somebody else", "ALTER DATABASE :db OWNER TO CURRENT_USER", "RW002", "GRANT CREATE ON DATABASE"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			db := harness.Cluster(t).Empty(t)
			url := db.OwnerURL
			harness.Exec(t, db.Super(t), strings.ReplaceAll(test.prepare, ":db", db.Name))
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
	db := harness.Cluster(t).Empty(t)
	url := db.OwnerURL
	harness.Exec(t, db.Super(t), `
		ALTER SCHEMA public OWNER TO CURRENT_USER;
		REVOKE CREATE ON SCHEMA public FROM PUBLIC`)
	before := takeSnapshot(t, url)

	_, err := schema.Up(t.Context(), url, schema.Options{})
	requireRefusal(t, err, "RW002", `GRANT CREATE ON SCHEMA public TO "rolewright_owner"`)
	_, err = schema.Up(t.Context(), url, schema.Options{VersionTable: "nowhere.version"})
	requireRefusal(t, err, "RW002", "Create it")
	requireSame(t, "before", before, "migrate up", takeSnapshot(t, url))
}

func TestInstallOverPsqlIsRefused(t *testing.T) {
	t.Parallel()
	url := harness.Cluster(t).Empty(t).OwnerURL
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
	url := harness.Cluster(t).Empty(t).OwnerURL
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
	cluster := harness.Cluster(t)
	up(t, cluster.Empty(t).OwnerURL)
	db := cluster.Empty(t)
	url := ownedBy(t, db, "plain")
	harness.Exec(t, db.Super(t), "ALTER ROLE plain NOCREATEROLE")
	up(t, url)
	downAll(t, url)
}

// Some clouds and frameworks make the schema for the role that installs.
func TestOwnEmptySchemaIsUsed(t *testing.T) {
	t.Parallel()
	db := harness.Cluster(t).Empty(t)
	harness.Exec(t, db, "CREATE SCHEMA auth")
	up(t, db.OwnerURL)
	downAll(t, db.OwnerURL)
}

func TestConcurrentUp(t *testing.T) {
	t.Parallel()
	url := harness.Cluster(t).Empty(t).OwnerURL
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
	db := harness.Cluster(t).Empty(t)
	other := harness.Connect(t, db.SuperURL)
	harness.Exec(t, other, "BEGIN; CREATE ROLE rolewright_app")
	done := make(chan error, 1)
	go func() {
		_, err := schema.Up(t.Context(), db.OwnerURL, schema.Options{})
		done <- err
	}()
	waitForLock(t, db)
	harness.Exec(t, other, "COMMIT")
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestCancelledWhileAnotherMigrates(t *testing.T) {
	t.Parallel()
	db := harness.Cluster(t).Empty(t)
	before := takeSnapshot(t, db.OwnerURL)
	other := harness.Connect(t, db.SuperURL)
	// The key spells "rolewrgt", as internal/schema does.
	harness.Exec(t, other, "SELECT pg_advisory_lock(x'726f6c6577726774'::bigint)")
	requireCancelled(t, db)
	requireSame(t, "before", before, "cancelled up", takeSnapshot(t, db.OwnerURL))
	harness.Exec(t, other, "SELECT pg_advisory_unlock_all()")
	up(t, db.OwnerURL)
}

func TestCancelledInTheMiddle(t *testing.T) {
	t.Parallel()
	db := harness.Cluster(t).Empty(t)
	goose(t, db.OwnerURL, "version")
	before := takeSnapshot(t, db.OwnerURL)
	other := harness.Connect(t, db.SuperURL)
	harness.Exec(t, other, "BEGIN; CREATE ROLE rolewright_operator")
	requireCancelled(t, db)
	if n := harness.One[int](t, other, "SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND state = 'active'", harness.Owner); n != 0 {
		t.Errorf("%d statements are still running", n)
	}
	harness.Exec(t, other, "ROLLBACK")
	requireSame(t, "before", before, "cancelled up", takeSnapshot(t, db.OwnerURL))
	up(t, db.OwnerURL)
}

// requireCancelled starts an installation that cannot go on, and cancels it.
func requireCancelled(t *testing.T, db *harness.DB) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := schema.Up(ctx, db.OwnerURL, schema.Options{})
		done <- err
	}()
	waitForLock(t, db)
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

// waitForLock returns when somebody waits for a lock.
func waitForLock(t *testing.T, db *harness.DB) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !harness.One[bool](t, db, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock')") {
		if time.Now().After(deadline) {
			t.Fatal("nobody waits for a lock")
		}
		time.Sleep(10 * time.Millisecond)
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
