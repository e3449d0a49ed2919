package cli_test

import (
	"regexp"
	"strings"
	"testing"
)

var uuid = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// withPeople is a database in which ada is in developers through entra, bob was put into reviewers, and cleo is in nothing.
func withPeople(t *testing.T) string {
	t.Helper()
	url := newDatabase(t)
	done(t, url, "", "provider", "create", "entra", "--type", "entra")
	done(t, url, "", "group", "create", "developers", "--type", "external")
	done(t, url, "", "group", "create", "reviewers")
	done(t, url, "", "mapping", "create", "developers", "--provider", "entra", "--external-group", "Engineering")
	for _, name := range []string{"ada", "bob", "cleo"} {
		done(t, url, "", "user", "create", name)
	}
	done(t, url, "", "identity", "create", "ada@corp", "--user", "ada", "--provider", "entra", "--group", "Engineering")
	done(t, url, "", "group", "add-member", "reviewers", "bob", "--until", "2999-06-30T12:00Z")
	return url
}

func TestTenantCommands(t *testing.T) {
	t.Parallel()
	url := newDatabase(t)
	created := done(t, url, "", "tenant", "create", "acme", "--name", "Acme Corporation")
	contains(t, created, "tenant acme: created, id ")
	contains(t, done(t, url, "", "tenant", "create", "plain"), "created")
	contains(t, done(t, url, "", "tenant", "list"), "acme     Acme Corporation  yes", "default  Default tenant", "plain    plain")
	for _, name := range []string{"acme", uuid.FindString(created)} {
		contains(t, done(t, url, "", "tenant", "show", name), "Acme Corporation", "active   yes")
	}
	contains(t, done(t, url, "", "tenant", "disable", "acme", "plain"), "tenant acme: disabled", "tenant plain: disabled")
	contains(t, done(t, url, "", "tenant", "disable", "acme"), "unchanged (disabled already)")
	if list := done(t, url, "", "tenant", "list", "--active"); strings.Contains(list, "acme") {
		t.Errorf("a disabled tenant is listed as active:\n%s", list)
	}
	contains(t, done(t, url, "", "tenant", "enable", "acme"), "tenant acme: enabled")
	contains(t, done(t, url, "", "tenant", "show", "acme", "-o", "json"), `"tenant_id": "`, `"is_active": true`)

	failed(t, 1, url, "", []string{"tenant", "create", "acme"}, "23505")
	failed(t, 1, url, "", []string{"tenant", "create", "a b"}, "23514", "A code is letters")
	failed(t, 1, url, "", []string{"tenant", "show", "nowhere"}, `there is no tenant "nowhere"`, "tenant list")
}

func TestPermissionCommands(t *testing.T) {
	t.Parallel()
	url := withPeople(t)
	contains(t, done(t, url, "", "permission", "create", "orders.invoice.approve", "--description", "Approve invoices"),
		"permission orders.invoice.approve: created, id ")
	done(t, url, "", "permission", "create", "orders.read")
	done(t, url, "", "permission", "create", "orders-old")
	if list := done(t, url, "", "permission", "list", "-o", "json"); strings.Count(list, `"code"`) != 5 {
		t.Errorf("the ones above were not created:\n%s", list)
	}
	list := done(t, url, "", "permission", "list", "--below", "orders")
	contains(t, list, "\norders\n", "\norders.invoice\n", "orders.invoice.approve  Approve invoices", "orders.read")
	if strings.Contains(list, "orders-old") {
		t.Errorf("what only begins alike is listed as below:\n%s", list)
	}

	for _, line := range []string{
		"permission assign orders.invoice --group developers",
		"permission assign orders.read --user cleo --until 2998-01-31T00:00Z",
	} {
		contains(t, done(t, url, "", strings.Fields(line)...), " in tenant default: created, id ")
	}
	contains(t, done(t, url, "", "permission", "show", "orders.invoice.approve"),
		"Approve invoices", "users who have it  1 in tenant default", "in sets: none", "permission orders.invoice  group developers  default  for good")
	contains(t, done(t, url, "", "permission", "show", "orders"), "0 in tenant default", "assigned: none")
	contains(t, done(t, url, "", "permission", "users", "orders.read"), "cleo      2998-01-31 00:00:00Z")
	contains(t, done(t, url, "", "permission", "of", "ada"), "orders.invoice          for good", "orders.invoice.approve  for good")
	if out := done(t, url, "", "permission", "of", "bob", "-o", "json"); out != "[]\n" {
		t.Errorf("no permissions are %q", out)
	}

	failed(t, 1, url, "", []string{"permission", "delete", "orders.invoice"}, "RW312", "below it: orders.invoice.approve", "1 assignments")
	contains(t, done(t, url, "", "permission", "delete", "orders.invoice", "--cascade"), "permission orders.invoice: deleted")
	contains(t, done(t, url, "", "permission", "delete", "orders-old"), "deleted")
	failed(t, 1, url, "", []string{"permission", "create", "orders.read"}, "23505")
	failed(t, 1, url, "", []string{"permission", "create", "orders..read"}, "23514", "joined by dots")
}

func TestAssignmentIsFoundChangedAndTakenAway(t *testing.T) {
	t.Parallel()
	url := withPeople(t)
	done(t, url, "", "permission", "create", "orders.read")
	done(t, url, "", "set", "create", "clerk", "--permission", "orders.read")
	toGroup := []string{"permission", "assign", "orders.read", "--group", "reviewers"}
	contains(t, done(t, url, "", toGroup...), "assignment of permission orders.read to group reviewers in tenant default: created, id ")
	contains(t, done(t, url, "", toGroup...), "unchanged (created already), id ")
	contains(t, done(t, url, "", append(toGroup, "--until", "2999-01-01T00:00Z")...), "in tenant default: updated")
	contains(t, done(t, url, "", "permission", "assignments"), "2999-01-01 00:00:00Z")
	contains(t, done(t, url, "", toGroup...), "updated")
	contains(t, done(t, url, "", "set", "assign", "clerk", "--user", "CLEO"), "set clerk to user cleo")

	contains(t, done(t, url, "", "permission", "assignments", "--group", "reviewers"),
		"WHAT                    TO               TENANT   UNTIL     ID", "permission orders.read  group reviewers  default  for good  ")
	list := done(t, url, "", "permission", "assignments", "--user", "cleo", "--tenant", "default")
	contains(t, list, "set clerk  user cleo  default  for good")
	if strings.Contains(list, "reviewers") {
		t.Errorf("the assignments to cleo are\n%s", list)
	}

	contains(t, done(t, url, "", "permission", "check", "cleo", "orders.read"), "yes")
	id := uuid.FindString(list)
	contains(t, done(t, url, "", "set", "unassign", id), "assignment "+id+": removed")
	failed(t, 1, url, "", []string{"permission", "unassign", id}, `there is no assignment "`+id, "permission assignments")
	failed(t, 1, url, "", []string{"permission", "unassign", "orders.read"}, `there is no assignment "orders.read"`)
	failedWith(t, url, "no\n", "permission", "check", "cleo", "orders.read")
	id = uuid.FindString(done(t, url, "", "permission", "assignments"))
	contains(t, done(t, url, "", "permission", "unassign", id), "removed")
	if out := done(t, url, "", "permission", "assignments", "-o", "json"); out != "[]\n" {
		t.Errorf("no assignments are %q", out)
	}
}

// failedWith runs a command line that must say something on stdout alone, and exit with 1.
func failedWith(t *testing.T, url, out string, arguments ...string) {
	t.Helper()
	if r := run(t, url, "", arguments...); r.code != 1 || r.out != out || r.err != "" {
		t.Errorf("%q: exit code %d\n%s%s", arguments, r.code, r.out, r.err)
	}
}

func TestCheckAnswersByExitCodeToo(t *testing.T) {
	t.Parallel()
	url := withPeople(t)
	done(t, url, "", "tenant", "create", "acme")
	done(t, url, "", "permission", "create", "orders.read")
	done(t, url, "", "permission", "assign", "orders", "--group", "developers")

	if out := done(t, url, "", "permission", "check", "ADA", "orders.read"); out != "yes\n" {
		t.Errorf("ada: %s", out)
	}
	failedWith(t, url, "no\n", "permission", "check", "bob", "orders.read")
	failedWith(t, url, "no\n", "permission", "check", "ada", "orders.read", "--tenant", "acme")
	var answer struct {
		Username       string `json:"username"`
		PermissionCode string `json:"permission_code"`
		TenantCode     string `json:"tenant_code"`
		IsGranted      *bool  `json:"is_granted"`
	}
	r := run(t, url, "", "permission", "check", "bob", "orders.read", "-o", "json")
	decode(t, r.out, &answer)
	if r.code != 1 || answer.Username != "bob" || answer.PermissionCode != "orders.read" || answer.TenantCode != "default" ||
		answer.IsGranted == nil || *answer.IsGranted {
		t.Errorf("exit code %d, %s", r.code, r.out)
	}
}

func TestSetCommands(t *testing.T) {
	t.Parallel()
	url := withPeople(t)
	for _, code := range []string{"orders.read", "orders.refund", "stock"} {
		done(t, url, "", "permission", "create", code)
	}
	contains(t, done(t, url, "", "set", "create", "clerk", "--name", "Order clerks", "--permission", "orders.read", "--permission", "stock"),
		"set clerk: created, id ")
	done(t, url, "", "set", "create", "empty")
	contains(t, done(t, url, "", "set", "list"), "clerk  Order clerks  orders.read, stock", "empty  empty         (none)")
	contains(t, done(t, url, "", "set", "add", "clerk", "orders.refund", "stock"),
		"permission orders.refund of set clerk: added", "permission stock of set clerk: unchanged (added already)")
	contains(t, done(t, url, "", "set", "remove", "clerk", "stock", "orders"),
		"permission stock of set clerk: removed", "permission orders of set clerk: unchanged (removed already)")
	contains(t, done(t, url, "", "set", "assign", "clerk", "--group", "reviewers", "--until", "2998-12-31T00:00Z"),
		"set clerk to group reviewers in tenant default: created")
	contains(t, done(t, url, "", "set", "show", "clerk"),
		"permissions  orders.read, orders.refund", "set clerk  group reviewers  default  2998-12-31 00:00:00Z")
	contains(t, done(t, url, "", "permission", "show", "orders.read"), "in sets\nCODE", "clerk  Order clerks", "set clerk  group reviewers", "1 in tenant")

	var set struct {
		PermSetID   string   `json:"perm_set_id"`
		Permissions []string `json:"permissions"`
		Assignments []struct {
			GroupCode, Username *string
			TenantCode          string `json:"tenant_code"`
			PermSetCode         string `json:"perm_set_code"`
			ValidUntil          string `json:"valid_until"`
		} `json:"assignments"`
	}
	decode(t, done(t, url, "", "set", "show", "clerk", "-o", "json"), &set)
	if !uuid.MatchString(set.PermSetID) || len(set.Permissions) != 2 || len(set.Assignments) != 1 ||
		set.Assignments[0].PermSetCode != "clerk" || !strings.HasPrefix(set.Assignments[0].ValidUntil, "2998-12-31T") {
		t.Errorf("the set is %+v", set)
	}

	failed(t, 1, url, "", []string{"set", "delete", "clerk", "empty"}, "RW312", "1 assignments")
	contains(t, done(t, url, "", "set", "list"), "empty") // all of them, or none
	contains(t, done(t, url, "", "set", "delete", "clerk", "empty", "--cascade"), "set clerk: deleted", "set empty: deleted")
	if out := done(t, url, "", "set", "list"); out != "" {
		t.Errorf("no sets are %q", out)
	}
}

func TestExplainDrawsThePaths(t *testing.T) {
	t.Parallel()
	url := withPeople(t)
	done(t, url, "", "permission", "create", "orders.read")
	done(t, url, "", "set", "create", "clerk", "--permission", "orders")
	done(t, url, "", "set", "assign", "clerk", "--group", "developers")
	done(t, url, "", "permission", "assign", "orders.read", "--group", "developers", "--until", "2998-01-31T00:00Z")
	done(t, url, "", "permission", "assign", "orders.read", "--group", "reviewers")
	done(t, url, "", "permission", "assign", "orders", "--user", "bob", "--until", "2997-01-31T00:00Z")

	for _, expect := range []struct{ user, tree string }{
		{"ada", `ada may orders.read in tenant default
└─ identity entra/ada@corp
   └─ has group Engineering
      └─ group developers
         ├─ set clerk
         │  └─ permission orders
         └─ permission orders.read, until 2998-01-31 00:00:00Z when the assignment ends
`},
		{"bob", `bob may orders.read in tenant default
├─ manual member of group reviewers
│  └─ permission orders.read, until 2999-06-30 12:00:00Z when the membership ends
└─ assigned to the user
   └─ permission orders, until 2997-01-31 00:00:00Z when the assignment ends
`},
		{"CLEO", `cleo may not orders.read in tenant default
├─ group developers
│  ├─ set clerk
│  │  └─ permission orders
│  │     └─ missing: the user is not in group developers
│  └─ permission orders.read
│     └─ missing: the user is not in group developers
└─ group reviewers
   └─ permission orders.read
      └─ missing: the user is not in group reviewers
`},
	} {
		if tree := done(t, url, "", "explain", expect.user, "orders.read"); tree != expect.tree {
			t.Errorf("%s is explained as\n%swant\n%s", expect.user, tree, expect.tree)
		}
	}

	done(t, url, "", "tenant", "create", "acme")
	if tree := done(t, url, "", "explain", "ada", "orders.read", "--tenant", "acme"); tree !=
		"ada may not orders.read in tenant acme\n└─ missing: nothing assigns it in this tenant\n" {
		t.Errorf("where nothing is assigned:\n%s", tree)
	}
	done(t, url, "", "user", "lock", "ada")
	done(t, url, "", "group", "disable", "developers")
	contains(t, done(t, url, "", "explain", "ada", "orders.read"), "ada may not orders.read", "├─ missing: the user is locked",
		"└─ missing: group developers is disabled")
}

func TestExplainAsJSONHasTheColumnsOfTheFunction(t *testing.T) {
	t.Parallel()
	url := withPeople(t)
	done(t, url, "", "permission", "create", "orders.read")
	done(t, url, "", "permission", "assign", "orders", "--group", "developers", "--until", "2998-01-31T00:00Z")
	for user, expect := range map[string]map[string]any{
		"ada": {
			"is_granted": true, "source": "mapping", "provider_code": "entra", "provider_user_id": "ada@corp",
			"external_kind": "group", "external_name": "Engineering", "group_code": "developers", "perm_set_code": nil, "granted_code": "orders",
			"ends_with": "assignment",
		},
		"cleo": {
			"is_granted": false, "source": "none", "provider_code": nil, "provider_user_id": nil, "external_kind": nil, "external_name": nil,
			"group_code": "developers", "perm_set_code": nil, "granted_code": "orders", "ends_with": "assignment",
		},
	} {
		var paths []map[string]any
		decode(t, done(t, url, "", "explain", user, "orders.read", "-o", "json"), &paths)
		if len(paths) != 1 || len(paths[0]) != len(expect)+2 {
			t.Fatalf("%s: %v", user, paths)
		}
		for key, value := range expect {
			if got, ok := paths[0][key]; !ok || got != value {
				t.Errorf("%s: %s is %v, want %v", user, key, got, value)
			}
		}
		if end, ok := paths[0]["valid_until"].(string); !ok || !strings.HasPrefix(end, "2998-01-31T") {
			t.Errorf("%s: valid_until is %v", user, paths[0]["valid_until"])
		}
		if missing, ok := paths[0]["missing"].([]any); !ok || (len(missing) == 0) != (user == "ada") {
			t.Errorf("%s: missing is %v", user, paths[0]["missing"])
		}
	}
}

func TestGroupOfATenantGivesNothingInAnother(t *testing.T) {
	t.Parallel()
	url := withPeople(t)
	done(t, url, "", "tenant", "create", "acme")
	done(t, url, "", "permission", "create", "orders")
	contains(t, done(t, url, "", "group", "create", "acme-clerks", "--tenant", "acme"), "created")
	contains(t, done(t, url, "", "group", "list"), "acme-clerks  internal  acme", "developers   external  (all)")
	if list := done(t, url, "", "group", "list", "--tenant", "acme"); strings.Contains(list, "developers") {
		t.Errorf("the groups of acme alone are\n%s", list)
	}
	contains(t, done(t, url, "", "group", "show", "acme-clerks"), "tenant       acme")
	contains(t, done(t, url, "", "group", "show", "developers", "-o", "json"), `"tenant_code": null`)
	done(t, url, "", "group", "add-member", "acme-clerks", "cleo")

	assign := []string{"permission", "assign", "orders", "--group", "acme-clerks"}
	failed(t, 1, url, "", assign, "RW313")
	contains(t, done(t, url, "", append(assign, "--tenant", "acme")...), "in tenant acme: created")
	contains(t, done(t, url, "", "permission", "assignments", "--tenant", "acme"), "group acme-clerks")
	for _, question := range [][]string{{"permission", "users", "orders"}, {"permission", "of", "cleo"}} {
		if out := done(t, url, "", append(question, "-o", "json")...); out != "[]\n" {
			t.Errorf("%q in the default tenant: %s", question, out)
		}
		contains(t, done(t, url, "", append(question, "--tenant", "acme")...), "for good")
	}
	contains(t, done(t, url, "", "permission", "show", "orders", "--tenant", "acme"), "1 in tenant acme")
	contains(t, done(t, url, "", "explain", "cleo", "orders", "--tenant", "acme"), "cleo may orders in tenant acme")
	done(t, url, "", "tenant", "disable", "acme")
	failedWith(t, url, "no\n", "permission", "check", "cleo", "orders", "--tenant", "acme")
	contains(t, done(t, url, "", "explain", "cleo", "orders", "--tenant", "acme"), "missing: tenant acme is disabled")
}

func TestUnknownNamesInPermissionCommandsAreTold(t *testing.T) {
	t.Parallel()
	url := withPeople(t)
	done(t, url, "", "permission", "create", "orders")
	done(t, url, "", "set", "create", "clerk")
	for line, words := range map[string]string{
		"permission show nope":                                      `there is no permission "nope"`,
		"permission show ORDERS":                                    `case matters`,
		"permission list --below nope":                              `there is no permission "nope"`,
		"permission delete nope":                                    `there is no permission "nope"`,
		"permission assign nope --user ada":                         `there is no permission "nope"`,
		"permission assign orders --user nope":                      `there is no user "nope"`,
		"permission assign orders --group nope":                     `there is no group "nope"`,
		"permission assign orders --user ada --tenant nope":         `there is no tenant "nope"`,
		"permission assign orders --user ada --until the-day-after": "SQLSTATE: 22007",
		"permission check nope orders":                              `there is no user "nope"`,
		"permission check ada nope":                                 `there is no permission "nope"`,
		"permission check ada orders --tenant nope":                 `there is no tenant "nope"`,
		"permission users nope":                                     `there is no permission "nope"`,
		"permission of nope":                                        `there is no user "nope"`,
		"permission assignments --tenant nope":                      `there is no tenant "nope"`,
		"set show nope":                                             `there is no set "nope"`,
		"set add nope orders":                                       `there is no set "nope"`,
		"set add clerk orders nope no.pe":                           `Permission "no.pe", "nope"`,
		"set create other --permission nope":                        "RW016",
		"set assign nope --user ada":                                `there is no set "nope"`,
		"set delete nope":                                           `there is no set "nope"`,
		"explain nope orders":                                       `there is no user "nope"`,
		"explain ada nope":                                          `there is no permission "nope"`,
		"group create g --tenant nope":                              `there is no tenant "nope"`,
	} {
		failed(t, 1, url, "", strings.Fields(line), words)
	}
	if out := done(t, url, "", "permission", "assignments"); out != "" {
		t.Errorf("what failed has assigned\n%s", out)
	}
}

func TestWrongUsageOfPermissionCommandsExitsWithTwo(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"permission assign orders", "permission assign orders --group g --user u", "set assign clerk", "set assign clerk --group g --user u",
		"permission assign --user u", "permission check ada", "permission assignments --group g --user u", "permission unassign",
		"set add clerk", "set remove clerk", "set create", "tenant create", "tenant delete acme", "explain ada", "explain ada orders extra more",
	} {
		r := run(t, "postgres://localhost:1/nothing", "", strings.Fields(line)...)
		if r.code != 2 || r.out != "" || !strings.HasPrefix(r.err, "rolewright: ") {
			t.Errorf("%s: exit code %d\n%s%s", line, r.code, r.out, r.err)
		}
	}
}

func TestEndAtInfinityIsForGood(t *testing.T) {
	t.Parallel()
	url := withPeople(t)
	done(t, url, "", "permission", "create", "orders")
	done(t, url, "", "group", "add-member", "reviewers", "cleo", "--until", "infinity")
	done(t, url, "", "permission", "assign", "orders", "--group", "reviewers", "--until", "infinity")
	contains(t, done(t, url, "", "permission", "assignments"), "for good")
	contains(t, done(t, url, "", "permission", "assignments", "-o", "json"), `"valid_until": "infinity"`)
	contains(t, done(t, url, "", "group", "show", "reviewers"), "for good")
	contains(t, done(t, url, "", "permission", "of", "cleo"), "for good")
	contains(t, done(t, url, "", "permission", "users", "orders"), "cleo      for good")
	if tree := done(t, url, "", "explain", "cleo", "orders"); !strings.HasSuffix(tree, "permission orders\n") {
		t.Errorf("what does not end is explained as\n%s", tree)
	}
}

func TestHostileNamesAreNames(t *testing.T) {
	t.Parallel()
	url := newDatabase(t)
	const name = "a\"b'; --\x1b[31m\n$$"
	const shown = `a\"b'; --\x1b[31m\n$$`
	done(t, url, "", "user", "create", name)
	done(t, url, "", "group", "create", name, "--name", name)
	done(t, url, "", "permission", "create", "orders.read", "--description", name)
	done(t, url, "", "set", "create", name, "--name", name, "--permission", "orders")
	contains(t, done(t, url, "", "set", "assign", name, "--group", name), "created")
	contains(t, done(t, url, "", "explain", name, "orders.read"), "may not", "the user is not in group ", shown)
	done(t, url, "", "group", "add-member", name, name)
	for _, command := range [][]string{
		{"explain", name, "orders.read"}, {"permission", "users", "orders.read"}, {"permission", "show", "orders.read"},
		{"permission", "assignments"}, {"set", "show", name}, {"set", "list"}, {"permission", "list"},
	} {
		out := done(t, url, "", command...)
		contains(t, out, shown)
		if strings.Contains(out, "\x1b") {
			t.Errorf("%v: an escape sequence came through:\n%q", command, out)
		}
	}
	failed(t, 1, url, "", []string{"permission", "create", name}, "SQLSTATE: 23514")
	failed(t, 1, url, "", []string{"tenant", "create", name}, "SQLSTATE: 23514")
	contains(t, done(t, url, "", "set", "delete", name, "--cascade"), "deleted")
}
