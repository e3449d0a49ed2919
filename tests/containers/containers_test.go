package containers_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/testcontainers/testcontainers-go"

	"github.com/rolewright/rolewright/internal/cli"
	"github.com/rolewright/rolewright/tests/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Config{PreferContainer: true}.Main(m)) }

const feed = `{"provider_user_id": "1", "username": "ada", "groups": ["core", "release"]}
{"provider_user_id": "2", "username": "grace", "groups": ["core"]}
`

func TestInstallAndSyncInAContainer(t *testing.T) {
	testcontainers.SkipIfProviderIsNotHealthy(t)
	db := harness.Database(t)
	rolewright(t, db, "", "provider", "create", "github", "--type", "github")
	rolewright(t, db, feed, "sync", "-", "--provider", "github", "--create-missing")

	users := harness.Column[string](t, db, "SELECT username FROM auth.user_info ORDER BY username")
	if strings.Join(users, " ") != "ada grace" {
		t.Errorf("users are %v", users)
	}
}

func TestTheHarnessWorksInAContainer(t *testing.T) {
	testcontainers.SkipIfProviderIsNotHealthy(t)
	db := harness.Empty(t)
	harness.Exec(t, db, "CREATE TABLE public.mine (n int)")
	harness.MustFail(t, db, "42P01", "SELECT * FROM mine")
	if super := harness.One[bool](t, db, "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user"); super {
		t.Error("the owner is a superuser")
	}
	if name := harness.One[string](t, db.As(t, "pg_monitor"), "SELECT session_user::text"); name != "pg_monitor" {
		t.Errorf("session_user is %s", name)
	}
}

// rolewright runs a command line that must succeed.
func rolewright(t *testing.T, db *harness.DB, stdin string, arguments ...string) {
	t.Helper()
	var out bytes.Buffer
	arguments = append([]string{"--database-url", db.OwnerURL}, arguments...)
	if code := cli.Execute(t.Context(), arguments, strings.NewReader(stdin), &out, &out); code != 0 {
		t.Fatalf("%v: exit code %d\n%s", arguments, code, out.String())
	}
}
