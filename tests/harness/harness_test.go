package harness_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

func TestDatabaseHasRolewrightInstalledByANonSuperuser(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	if n := harness.One[int](t, db, "SELECT count(*) FROM auth.provider"); n != 0 {
		t.Errorf("%d providers in a fresh database", n)
	}
	owner := harness.Rows[struct {
		Name  string
		Super bool
	}](t, db, `
		SELECT r.rolname AS name, r.rolsuper AS super
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_roles r ON r.oid = c.relowner
		WHERE c.oid = 'auth.provider'::regclass`)
	if len(owner) != 1 || owner[0].Name != harness.Owner || owner[0].Super {
		t.Errorf("auth.provider belongs to %+v", owner)
	}
}

func TestDatabasesOfParallelTestsAreSeparate(t *testing.T) {
	t.Parallel()
	for i := range 8 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			db := harness.Database(t)
			harness.Exec(t, db, "CREATE TABLE public.mine (n int); INSERT INTO public.mine VALUES (1)")
			if n := harness.One[int](t, db, "SELECT count(*) FROM public.mine"); n != 1 {
				t.Errorf("%d rows", n)
			}
		})
	}
}

func TestConnectionsHaveAnEmptySearchPath(t *testing.T) {
	t.Parallel()
	db := harness.Empty(t)
	harness.Exec(t, db, "CREATE TABLE public.mine (n int)")
	for name, q := range map[string]harness.Querier{
		"owner": db, "super": db.Super(t), "As": db.As(t, harness.Owner), "URL": harness.Connect(t, db.OwnerURL),
	} {
		if path := harness.One[string](t, q, "SHOW search_path"); path != "" {
			t.Errorf("%s: search_path is %q", name, path)
		}
	}
	refusal := harness.MustFail(t, db, "42P01", "SELECT * FROM mine")
	if !strings.Contains(refusal.Message, "mine") {
		t.Errorf("refused with %q", refusal.Message)
	}
}

func TestAsIsAnotherRolesSession(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	names := harness.Column[string](t, db.As(t, "rolewright_app"), "SELECT unnest(ARRAY[session_user, current_user])::text")
	if strings.Join(names, " ") != "rolewright_app rolewright_app" {
		t.Errorf("session_user and current_user are %v", names)
	}
}

func TestEmptyHasNothing(t *testing.T) {
	t.Parallel()
	if harness.One[bool](t, harness.Empty(t), "SELECT to_regnamespace('auth') IS NOT NULL") {
		t.Error("there is a schema auth")
	}
}

func TestClusterHasRolesOfItsOwn(t *testing.T) {
	t.Parallel()
	server := harness.Cluster(t)
	harness.Exec(t, server.Empty(t), "CREATE ROLE only_there")
	if harness.One[bool](t, harness.Empty(t), "SELECT to_regrole('only_there') IS NOT NULL") {
		t.Error("the role is on the shared server too")
	}
}
