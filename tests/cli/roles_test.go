package cli_test

import (
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

func TestGroupRolesAreEnoughForTheCommandLine(t *testing.T) {
	t.Parallel()
	db := harness.Cluster(t).Database(t) // its own server: roles are the server's
	harness.Exec(t, db.Super(t), `
		CREATE ROLE olga LOGIN IN ROLE rolewright_operator;
		CREATE ROLE arne LOGIN IN ROLE rolewright_auditor;`)
	operator, auditor := db.URL(t, "olga"), db.URL(t, "arne")

	done(t, operator, "", "provider", "create", "corp", "--type", "custom")
	done(t, operator, "", "group", "create", "devs", "--type", "hybrid")
	done(t, operator, "", "mapping", "create", "devs", "--provider", "corp", "--external-group", "b")
	sync(t, operator, smallFeed, "-", "--provider", "corp", "--create-missing", "--correlation-id", "nightly")
	done(t, operator, "", "user", "lock", "anna")
	done(t, operator, "", "group", "add-member", "devs", "chen")
	done(t, operator, "", "permission", "create", "orders.read")
	done(t, operator, "", "set", "create", "clerk", "--permission", "orders")
	done(t, operator, "", "set", "assign", "clerk", "--group", "devs")

	for _, url := range []string{operator, auditor} {
		contains(t, done(t, url, "", "user", "show", "bob"), "devs", "external_mapping")
		contains(t, done(t, url, "", "audit", "list", "--correlation", "nightly"), "identity.created", "olga")
		for _, list := range []string{"provider", "user", "identity", "group", "mapping", "tenant", "permission", "set"} {
			done(t, url, "", list, "list")
		}
		done(t, url, "", "provider", "show", "corp")
		done(t, url, "", "group", "show", "devs")
		done(t, url, "", "identity", "show", "corp/1")
		done(t, url, "", "mapping", "list", "--unmapped")
		contains(t, done(t, url, "", "permission", "assignments"), "set clerk", "group devs")
		contains(t, done(t, url, "", "permission", "show", "orders.read"), "clerk")
		contains(t, done(t, url, "", "set", "show", "clerk"), "group devs")
		contains(t, done(t, url, "", "permission", "users", "orders.read"), "bob", "chen")
		contains(t, done(t, url, "", "permission", "of", "bob"), "orders.read")
		contains(t, done(t, url, "", "explain", "bob", "orders.read"), "bob may orders.read")
		contains(t, done(t, url, "", "permission", "check", "bob", "orders.read"), "yes")
	}
	for _, line := range [][]string{{"user", "lock", "bob"}, {"sync", "-", "--provider", "corp"}, {"audit", "maintain"}, {"permission", "create", "x"}} {
		failed(t, 1, auditor, smallFeed, line, "SQLSTATE: 42501", "rolewright_operator")
	}
}
