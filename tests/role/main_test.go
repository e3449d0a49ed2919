// Package role_test says that database roles follow the people: who joins, moves and leaves, and that PostgreSQL's catalogs say so.
package role_test

import (
	"os"
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
