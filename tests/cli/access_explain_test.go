package cli_test

import (
	"testing"
)

func TestExplainWhoCanAndRemainingTellOfPrivileges(t *testing.T) {
	t.Parallel()
	w := newAccessWorld(t)
	w.run(t, 0, "apply", "-f", w.file(t, reportingFile+"    readonly: [app]\n"))
	reporting := w.name("#reporting")

	out := w.run(t, 0, "explain", reporting, "table app.orders", "select")
	contains(t, out, "#reporting has SELECT on table app.orders\n", "#reporting → #staff → SELECT on table app.orders",
		"ends with: REVOKE SELECT ON TABLE app.orders FROM #reporting", "declaration")
	contains(t, w.run(t, 0, "explain", reporting, "table app.orders", "update"), "#reporting has UPDATE on table app.orders, of some columns")
	contains(t, w.run(t, 0, "explain", reporting, "table app.orders", "delete"), "#reporting has no DELETE on table app.orders\n└─ missing: ")
	var paths []struct{ Kind string }
	decode(t, w.run(t, 0, "explain", reporting, "schema app", "usage", "-o", "json"), &paths)
	if len(paths) != 2 {
		t.Error(paths)
	}
	contains(t, w.run(t, 0, "who-can", "select", "table app.orders"), "ROLE", "#reporting", "#staff", "declaration")
	contains(t, w.run(t, 0, "role", "remaining", reporting), "WAY", "public", "FROM PUBLIC")

	failed(t, 1, w.OwnerURL, "", []string{"explain", "nobody", "table app.orders", "select"}, "RW019")
	failed(t, 1, w.OwnerURL, "", []string{"who-can", "paint", "table app.orders"}, "RW526")
	failed(t, 1, w.OwnerURL, "", []string{"explain", reporting, "table app.nothing", "select"}, "RW525")
	failed(t, 2, w.OwnerURL, "", []string{"explain", reporting, "schema app", "usage", "--tenant", "x"}, "--tenant is for permissions")
	failed(t, 2, w.OwnerURL, "", []string{"explain", reporting})
}
