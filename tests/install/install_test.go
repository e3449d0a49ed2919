package install_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rolewright/rolewright/internal/bundle"
	"github.com/rolewright/rolewright/internal/schema"
	"github.com/rolewright/rolewright/tests/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// Every route runs in a cluster of its own, because the group roles belong to the whole cluster.
func TestEveryRouteGivesTheSameCatalog(t *testing.T) {
	t.Parallel()
	routes := []struct {
		name    string
		install func(t *testing.T, url string)
	}{
		{"migrate up", up},
		{"stock goose", func(t *testing.T, url string) { goose(t, url, "up") }},
		{"psql -f install.sql", func(t *testing.T, url string) { psql(t, url, filepath.Join(root, "sql", "install.sql")) }},
		{"psql -f with migrate print", func(t *testing.T, url string) { psql(t, url, printed(t, url)) }},
	}
	var first snapshot
	for i, route := range routes {
		ok := t.Run(route.name, func(t *testing.T) {
			url := harness.Cluster(t).Empty(t).OwnerURL
			route.install(t, url)
			got := takeSnapshot(t, url)
			if i == 0 {
				first = got
				return
			}
			want := first
			if route.name == "psql -f install.sql" { // counts no versions
				want = want.withoutVersionTable()
			}
			requireSame(t, "after "+routes[0].name, want, route.name, got)
		})
		if !ok && i == 0 {
			return
		}
	}
	if len(first) < 100 {
		t.Errorf("the snapshot has %d objects only", len(first))
	}
}

func TestPrintedScriptIsRecorded(t *testing.T) {
	t.Parallel()
	url := harness.Cluster(t).Empty(t).OwnerURL
	goose(t, url, "up-by-one")

	psql(t, url, printed(t, url))
	status, err := schema.Status(t.Context(), url, schema.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, migration := range status {
		if migration.AppliedAt.IsZero() {
			t.Errorf("%s is pending after the printed script", migration.Name)
		}
	}
	if applied, err := schema.Up(t.Context(), url, schema.Options{}); err != nil || len(applied) != 0 {
		t.Errorf("up after the printed script: applied %v, %v", applied, err)
	}
	goose(t, url, "up")

	var script bytes.Buffer
	if err := schema.Print(t.Context(), &script, url, schema.Options{}); err != nil {
		t.Fatal(err)
	}
	if got, want := script.String(), "-- Rolewright: nothing is pending.\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPrintAllNeedsNoDatabase(t *testing.T) {
	t.Parallel()
	url := harness.Cluster(t).Empty(t).OwnerURL
	want, err := os.ReadFile(printed(t, url))
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := schema.PrintAll(&got, schema.Options{}); err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Error("PrintAll and Print of an empty database differ")
	}
}

func TestStatusAndPrintWriteNothing(t *testing.T) {
	t.Parallel()
	url := harness.Cluster(t).Empty(t).OwnerURL
	before := takeSnapshot(t, url)
	status, err := schema.Status(t.Context(), url, schema.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, migration := range status {
		if !migration.AppliedAt.IsZero() {
			t.Errorf("%s is applied in an empty database", migration.Name)
		}
	}
	printed(t, url)
	requireSame(t, "before", before, "status and print", takeSnapshot(t, url))
}

func TestVersionTableElsewhere(t *testing.T) {
	t.Parallel()
	db := harness.Cluster(t).Empty(t)
	url := db.OwnerURL
	harness.Exec(t, db, "CREATE SCHEMA bookkeeping")
	before := takeSnapshot(t, url)
	opts := schema.Options{VersionTable: "bookkeeping.rolewright"}
	if _, err := schema.Up(t.Context(), url, opts); err != nil {
		t.Fatal(err)
	}
	if _, there := takeSnapshot(t, url)["table bookkeeping.rolewright"]; !there {
		t.Error("there is no table bookkeeping.rolewright")
	}
	if _, err := schema.Down(t.Context(), url, opts, true); err != nil {
		t.Fatal(err)
	}
	requireSame(t, "before", before, "down", takeSnapshot(t, url))

	for _, name := range []string{"rolewright", "a.b.c", `public."x"`, "public.x; DROP TABLE y", "Public.x"} {
		if _, err := schema.Status(t.Context(), url, schema.Options{VersionTable: name}); err == nil {
			t.Errorf("version table %q is accepted", name)
		}
	}
}

// An application that migrates with goose too counts its versions in goose_db_version.
func TestApplicationsOwnGooseIsLeftAlone(t *testing.T) {
	t.Parallel()
	db := harness.Cluster(t).Empty(t)
	url := db.OwnerURL
	harness.Exec(t, db, `
		CREATE TABLE public.goose_db_version (version_id bigint);
		INSERT INTO public.goose_db_version VALUES (7)`)
	before := takeSnapshot(t, url)
	up(t, url)
	if _, err := schema.Down(t.Context(), url, schema.Options{}, true); err != nil {
		t.Fatal(err)
	}
	requireSame(t, "before", before, "up and down", takeSnapshot(t, url))
	if got := harness.Column[int64](t, db, "SELECT version_id FROM public.goose_db_version"); !slices.Equal(got, []int64{7}) {
		t.Errorf("goose_db_version holds %v, want 7", got)
	}
}

// As migrations/README.md says.
func TestPsqlInstallationIsAdoptedByGooseAndMigrate(t *testing.T) {
	t.Parallel()
	db := harness.Cluster(t).Empty(t)
	url := db.OwnerURL
	before := takeSnapshot(t, url)
	psql(t, url, filepath.Join(root, "sql", "install.sql"))
	goose(t, url, "version")
	harness.Exec(t, db, "INSERT INTO public.rolewright_version (version_id, is_applied) SELECT v, true FROM generate_series(1, 7) AS v")
	goose(t, url, "up")
	if applied, err := schema.Up(t.Context(), url, schema.Options{}); err != nil || len(applied) != 0 {
		t.Errorf("up after adoption: applied %v, %v", applied, err)
	}
	downAll(t, url)
	requireSame(t, "before", before, "down", takeSnapshot(t, url))
}

// As migrations/README.md says.
func TestPsqlRemovesWhatPsqlInstalled(t *testing.T) {
	t.Parallel()
	url := harness.Cluster(t).Empty(t).OwnerURL
	before := takeSnapshot(t, url)
	psql(t, url, filepath.Join(root, "sql", "install.sql"))
	binary, err := findPsql()
	if err != nil {
		t.Skip(err)
	}
	const pipeline = `for f in $(ls -r "$0"/0*.sql); do sed '1,/^-- +goose Down/d' "$f"; done | "$1" -X -q -1 -v ON_ERROR_STOP=1 -d "$2"`
	if output, err := run(t, "sh", "-c", pipeline, filepath.Join(root, "migrations"), binary, url); err != nil {
		t.Fatal(err, output)
	}
	requireSame(t, "before", before, "removal", takeSnapshot(t, url))
}

func TestMigrationsAreWhatSQLSays(t *testing.T) {
	t.Parallel()
	rooms, err := bundle.Rooms(os.DirFS(filepath.Join(root, "sql")))
	if err != nil {
		t.Fatal(err)
	}
	want, err := bundle.Migrations(rooms)
	if err != nil {
		t.Fatal(err)
	}
	for _, migration := range want {
		got, err := os.ReadFile(filepath.Join(root, "migrations", migration.Name))
		if err != nil || string(got) != migration.Text {
			t.Errorf("migrations/%s is stale (%v): run make migrations", migration.Name, err)
		}
	}
}
