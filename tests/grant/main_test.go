// Package grant_test says that a role can do what its declaration says, and that Rolewright sees everything that it can do.
package grant_test

import (
	"os"
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
