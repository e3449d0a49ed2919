// Package grant_test says that roles can do what is declared, and nothing else.
package grant_test

import (
	"os"
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
