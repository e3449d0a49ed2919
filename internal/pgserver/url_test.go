package pgserver

import (
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestAURLIsChosenInOrder(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		explicit    string
		environment map[string]string
		url, source string
	}{
		"nothing":                {},
		"explicit beats all":     {"postgres://a/", map[string]string{"DATABASE_URL": "postgres://b/", "PGHOST": "c"}, "postgres://a/", "--database-url"},
		"DATABASE_URL beats PG*": {"", map[string]string{"DATABASE_URL": "postgres://b/", "PGHOST": "c"}, "postgres://b/", "DATABASE_URL"},
		"a service":              {"", map[string]string{"PGSERVICE": "prod"}, "postgres://", "PGSERVICE"},
		"a database only":        {"", map[string]string{"PGDATABASE": "app"}, "postgres://", "PGDATABASE"},
		"a password names none":  {"", map[string]string{"PGPASSWORD": "secret", "PGAPPNAME": "x"}, "", ""},
	} {
		url, source := fromEnvironment(test.explicit, func(name string) string { return test.environment[name] })
		if url != test.url || source != test.source {
			t.Errorf("%s: %q by %q, want %q by %q", name, url, source, test.url, test.source)
		}
	}
}

func TestAnotherDatabaseOfTheSameServer(t *testing.T) {
	t.Parallel()
	const odd = `it's a/"name"\ with % and é`
	for _, conninfo := range []string{
		"postgres://",
		"postgres:///app",
		"postgres://me:p%40ss@h:5433/app?sslmode=disable",
		"postgresql://me@h?dbname=app&sslmode=disable",
		socketURL("/tmp/it's a+b"),
		"host=h user=me dbname=app sslmode=disable",
	} {
		before, err := pgx.ParseConfig(conninfo)
		if err != nil {
			t.Fatal(err)
		}
		after, err := pgx.ParseConfig(withDatabase(conninfo, odd))
		if err != nil {
			t.Errorf("%s: %v", conninfo, err)
			continue
		}
		if after.Database != odd || after.Host != before.Host || after.Port != before.Port || after.User != before.User || after.Password != before.Password {
			t.Errorf("%s: %s@%s:%d/%s", conninfo, after.User, after.Host, after.Port, after.Database)
		}
		if same := withDatabase(conninfo, ""); same != conninfo {
			t.Errorf("%s became %s", conninfo, same)
		}
	}
}
