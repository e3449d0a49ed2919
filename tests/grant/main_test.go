// Package grant_test says that roles can do what is declared for them, and nothing else, and that PostgreSQL's catalogs say so.
package grant_test

import (
	"os"
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
