package install_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

// What pg_dump took along of the permission cache is right where it is restored, and stays right there.
func TestARestoredDumpAnswersChecksAndGoesOn(t *testing.T) {
	t.Parallel()
	db, restored := harness.Database(t), harness.Empty(t)
	binaries := harness.One[string](t, db.Super(t), `SELECT setting FROM pg_config WHERE name = 'BINDIR'`)
	for _, tool := range []string{"pg_dump", "psql"} {
		if _, err := exec.LookPath(filepath.Join(binaries, tool)); err != nil {
			t.Skipf("the server's binaries lack %s", tool)
		}
	}
	harness.Exec(t, db, `
		SELECT auth.create_provider('entra', 'Entra ID', 'oidc');
		SELECT auth.ensure_permissions('["orders.read"]');
		SELECT auth.ensure_groups('[{"code": "sales", "mappings": [{"provider": "entra", "group": "Sales"}],
		                             "assignments": [{"permission": "orders"}]}]');
		SELECT auth.ensure_user_from_provider(provider_id, 'ann', _provider_groups => '{Sales}') FROM auth.provider`)

	dump := exec.CommandContext(t.Context(), filepath.Join(binaries, "pg_dump"), db.SuperURL)
	restore := exec.CommandContext(t.Context(), filepath.Join(binaries, "psql"), "-qX", "-v", "ON_ERROR_STOP=1", "-1", "-d", restored.SuperURL)
	pipe, err := dump.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	restore.Stdin = pipe
	if err := dump.Start(); err != nil {
		t.Fatal(err)
	}
	if out, err := restore.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := dump.Wait(); err != nil {
		t.Fatal(err)
	}

	check := `SELECT auth.has_permission(user_id, 'orders.read') FROM auth.user_info`
	if warm := harness.One[int](t, restored, `SELECT warm_users::int FROM auth.permission_cache_statistics`); warm != 1 {
		t.Errorf("%d users are warm, want 1", warm)
	}
	if !harness.One[bool](t, restored, check) {
		t.Error("the permission is lost")
	}
	harness.Exec(t, restored, `DELETE FROM auth.user_group_mapping`)
	if harness.One[bool](t, restored, check) {
		t.Error("the permission outlives its mapping")
	}
	harness.Exec(t, restored, `SELECT auth.create_group_mapping(user_group_id, provider_id, 'Managers') FROM auth.user_group, auth.provider`)
	if harness.One[bool](t, restored, check) {
		t.Error("another mapping got the number of the old one")
	}
}
