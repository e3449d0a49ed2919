// Package cli_test runs the real command tree against a real server.
package cli_test

import (
	"os"
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// newDatabase is the URL of a database with Rolewright, as its owner, who is no superuser.
func newDatabase(t testing.TB) string {
	t.Helper()
	return harness.Database(t).OwnerURL
}
