// Package harness gives every test a PostgreSQL database of its own, on a server that the package's tests share and
// that nothing is left of afterwards.
//
//	func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
//
//	func TestSomething(t *testing.T) {
//		t.Parallel()
//		db := harness.Database(t)
//		n := harness.One[int](t, db, "SELECT count(*) FROM auth.provider")
//	}
//
// The server is found as package pgserver does it: PG_BINDIR chooses the version, ROLEWRIGHT_TEST_URL names one that
// runs already (as a superuser; only databases and roles called rolewright_… are made there). DATABASE_URL and
// PGHOST are left alone on purpose: they tend to name servers that tests should not touch.
//
// All connections have an empty search_path, so that a name without its schema fails.
package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/rolewright/rolewright/internal/pgserver"
	"github.com/rolewright/rolewright/internal/schema"
)

// Config is for tests that need something else than the usual: Config{…}.Main(m).
type Config struct {
	// Install fills the template that databases are cloned from. It runs once, as the owner. Default: all migrations.
	Install func(ctx context.Context, ownerURL string) error
	// Container starts a server where there are no binaries. Default: through the module in tests/containers.
	Container func(ctx context.Context) (*pgserver.Server, error)
	// PreferContainer uses Container although there may be binaries.
	PreferContainer bool
	// Settings are added to the configuration of servers that the harness starts.
	Settings map[string]string
}

// shared is the server of the running test binary. Tests are functions of the package, so that what Main starts can
// reach them only through the package.
var shared struct {
	config Config
	start  func() (*Server, error)
	server *Server // nil until a test asks for it
}

// Main runs the tests of a package and then ends the server, if any of them needed it. The server is gone too when
// the tests panic, time out or are killed.
func Main(m *testing.M) int { return Config{}.Main(m) }

// Main is like the function Main.
func (c Config) Main(m *testing.M) int {
	shared.config = c
	shared.start = sync.OnceValues(func() (*Server, error) {
		server, err := start(context.Background(), c)
		shared.server = server
		return server, err
	})
	code := m.Run()
	if shared.server != nil {
		if err := shared.server.close(); err != nil {
			fmt.Fprintln(os.Stderr, "harness:", err)
			return max(code, 1)
		}
	}
	return code
}

// Shared is the server that all tests of the package share.
func Shared(t testing.TB) *Server {
	t.Helper()
	if shared.start == nil {
		t.Fatal("harness: the package needs func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }")
	}
	server, err := shared.start()
	if errors.Is(err, pgserver.ErrUnavailable) {
		t.Skip(err) // a container was asked for, and it is a container or nothing
	}
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// Database is a database of the test's own in which Rolewright is installed.
func Database(t testing.TB) *DB {
	t.Helper()
	return Shared(t).Database(t)
}

// Empty is a database of the test's own with nothing in it, which the owner may install into.
func Empty(t testing.TB) *DB {
	t.Helper()
	return Shared(t).Empty(t)
}

// Cluster is a server of the test's own: roles belong to the whole server, so that tests that make, change or drop
// them cannot share one. It takes about 0.1 s.
func Cluster(t testing.TB) *Server {
	t.Helper()
	if os.Getenv(testURL) != "" {
		t.Skipf("needs a server of its own, and %s names one that is shared", testURL)
	}
	server, err := start(context.Background(), shared.config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// testURL is the environment variable that names a server to test on.
const testURL = "ROLEWRIGHT_TEST_URL"

// install is what fills a template.
func (c Config) install(ctx context.Context, ownerURL string) error {
	if c.Install != nil {
		return c.Install(ctx, ownerURL)
	}
	_, err := schema.Up(ctx, ownerURL, schema.Options{})
	return err
}

// open finds the server.
func (c Config) open(ctx context.Context) (*pgserver.Server, error) {
	if url := os.Getenv(testURL); url != "" {
		return pgserver.Connect(ctx, url, testURL, nil)
	}
	if c.Container == nil {
		c.Container = container
	}
	if c.PreferContainer {
		return c.Container(ctx)
	}
	server, err := pgserver.Open(ctx, pgserver.Options{
		Embedded:      true,
		Log:           os.Stderr,
		Settings:      c.Settings,
		Container:     c.Container,
		AllowDownload: true,
	})
	if err != nil {
		return nil, fmt.Errorf("no server to test on (%s can name one, with a superuser's URL): %w", testURL, err)
	}
	return server, nil
}
