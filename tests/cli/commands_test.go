package cli_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

func TestProviderCommands(t *testing.T) {
	t.Parallel()
	url := newDatabase(t)
	contains(t, done(t, url, "", "provider", "create", "corp", "--type", "ldap", "--name", "Corporate directory", "--max-disable-count", "7"),
		"provider corp: created, id ")
	done(t, url, "", "provider", "create", "other", "--type", "github", "--creates-users=false", "--link-by", "email")

	contains(t, done(t, url, "", "provider", "list"), "CODE", "corp   Corporate directory  ldap    yes", "other")
	contains(t, done(t, url, "", "provider", "show", "corp"), "ignore_case", "20 %, count: 7", "never")
	contains(t, done(t, url, "", "provider", "show", "other", "-o", "json"), `"creates_users": false`, `"statistics"`, `"link_by": "email"`)

	contains(t, done(t, url, "", "provider", "update", "corp", "--max-disable-share", "0.5", "--max-disable-count", "-1"), "provider corp: updated")
	contains(t, done(t, url, "", "provider", "update", "corp", "--max-disable-share", "0.5"), "unchanged")
	contains(t, done(t, url, "", "provider", "show", "corp"), "50 %, count: no limit", "Corporate directory")

	contains(t, done(t, url, "", "provider", "disable", "corp"), "provider corp: disabled")
	contains(t, done(t, url, "", "provider", "disable", "corp"), "provider corp: unchanged (disabled already)")
	if list := done(t, url, "", "provider", "list", "--active"); strings.Contains(list, "corp") {
		t.Errorf("a disabled provider is listed as active:\n%s", list)
	}
	contains(t, done(t, url, "", "provider", "list", "--active=false"), "corp")
	contains(t, done(t, url, "", "provider", "enable", "corp"), "provider corp: enabled")

	done(t, url, `{"provider_user_id":"a"}`, "sync", "-", "--provider", "corp", "--create-missing")
	failed(t, 1, url, "", []string{"provider", "delete", "corp"}, "SQLSTATE")
	contains(t, done(t, url, "", "provider", "delete", "corp", "--identities"), "provider corp: deleted")
	failed(t, 1, url, "", []string{"provider", "show", "corp"}, `there is no provider "corp"`, "provider list")
}

func TestUserCommands(t *testing.T) {
	t.Parallel()
	url := newDatabase(t)
	contains(t, done(t, url, "", "user", "create", "Anna", "--display-name", "Anna L.", "--email", "anna@example.com", "--email-verified"), "user Anna: created")
	done(t, url, "", "user", "create", "bob")
	failed(t, 1, url, "", []string{"user", "create", "ANNA"}, "SQLSTATE: 23505")

	contains(t, done(t, url, "", "user", "show", "aNNA"), "anna@example.com (verified)", "identities: none", "effective groups: none")
	for _, step := range [][2]string{{"lock", "locked"}, {"unlock", "unlocked"}, {"disable", "disabled"}, {"enable", "enabled"}} {
		contains(t, done(t, url, "", "user", step[0], "anna", "bob"), "user anna: "+step[1], "user bob: "+step[1])
		contains(t, done(t, url, "", "user", step[0], "anna"), "unchanged ("+step[1]+" already)")
	}
	done(t, url, "", "user", "lock", "bob")
	contains(t, done(t, url, "", "user", "list", "--locked"), "bob")
	if list := done(t, url, "", "user", "list", "--match", "EXAMPLE.com"); !strings.Contains(list, "Anna L.") || strings.Contains(list, "bob") {
		t.Errorf("--match shows\n%s", list)
	}

	contains(t, done(t, url, "", "user", "update", "anna", "--username", "anna.l", "--email", "new@example.com"), "user anna: updated")
	contains(t, done(t, url, "", "user", "update", "anna.l", "--email", "new@example.com"), "unchanged")
	if show := done(t, url, "", "user", "show", "anna.l"); strings.Contains(show, "(verified)") || !strings.Contains(show, "Anna L.") {
		t.Errorf("after another address:\n%s", show)
	}

	// Several names are one change: bob stays when the other is not there.
	failed(t, 1, url, "", []string{"user", "delete", "bob", "nobody"}, `there is no user "nobody"`, "without regard to case")
	contains(t, done(t, url, "", "user", "delete", "bob"), "user bob: deleted")
	failed(t, 1, url, "", []string{"user", "show", "bob"}, `there is no user "bob"`)
}

func TestUserIsFoundByUsernameBeforeID(t *testing.T) {
	t.Parallel()
	url := newDatabase(t)
	id := regexp.MustCompile(`[0-9a-f-]{36}`).FindString(done(t, url, "", "user", "create", "anna"))
	contains(t, done(t, url, "", "user", "show", id), "username  anna")
	done(t, url, "", "user", "create", id) // somebody is really called that
	contains(t, done(t, url, "", "user", "show", id), "username  "+id)
}

func TestIdentityCommands(t *testing.T) {
	t.Parallel()
	url := newDatabase(t)
	done(t, url, "", "provider", "create", "corp", "--type", "custom")
	done(t, url, "", "user", "create", "anna")
	created := done(t, url, "", "identity", "create", `DOM\anna/1`, "--user", "anna", "--provider", "corp", "--group", "a, b", "--group", "c", "--data", `{"k": 1}`)
	contains(t, created, `identity DOM\anna/1: created, id `)
	id := regexp.MustCompile(`[0-9a-f-]{36}`).FindString(created)

	for _, name := range []string{id, `corp/DOM\anna/1`} {
		contains(t, done(t, url, "", "identity", "show", name), `DOM\anna/1`, "a, b, c", `{"k": 1}`, "roles       (unknown)", "never")
	}
	contains(t, done(t, url, "", "identity", "list", "--user", "ANNA", "--provider", "corp", "--group", "a, b", "--active", "-o", "json"),
		`"provider_roles": null`, `"a, b"`)
	if list := done(t, url, "", "identity", "list", "--group", "b"); strings.Contains(list, "anna") {
		t.Errorf("a group that is not there finds\n%s", list)
	}
	contains(t, done(t, url, "", "identity", "switch", id), "last used")
	contains(t, done(t, url, "", "identity", "switch", id), "unchanged")
	contains(t, done(t, url, "", "user", "show", "anna"), `anna  corp      DOM\anna/1  yes     yes`)
	contains(t, done(t, url, "", "identity", "disable", id), "disabled")
	contains(t, done(t, url, "", "identity", "list", "--active=false"), "anna")
	contains(t, done(t, url, "", "identity", "enable", id), "enabled")
	contains(t, done(t, url, "", "identity", "delete", `corp/DOM\anna/1`), "deleted")
	failed(t, 1, url, "", []string{"identity", "show", id}, `there is no identity "`+id, "PROVIDER/ACCOUNT")
	failed(t, 2, url, "", []string{"identity", "create", "x", "--user", "anna", "--provider", "corp", "--data", "{"}, "--data is not JSON")
}

func TestGroupAndMappingCommands(t *testing.T) {
	t.Parallel()
	url := newDatabase(t)
	done(t, url, "", "provider", "create", "corp", "--type", "custom")
	done(t, url, `{"provider_user_id":"anna","groups":["Dev","Other"],"roles":["boss"]}`, "sync", "-", "--provider", "corp", "--create-missing")
	contains(t, done(t, url, "", "group", "create", "devs", "--name", "Developers", "--type", "hybrid"), "group devs: created")
	contains(t, done(t, url, "", "group", "list", "--type", "hybrid", "--active"), "Developers")

	mapping := done(t, url, "", "mapping", "create", "devs", "--provider", "corp", "--external-group", "Dev")
	id := regexp.MustCompile(`[0-9a-f-]{36}`).FindString(mapping)
	contains(t, done(t, url, "", "mapping", "list", "--provider", "corp", "--group", "devs"), "Dev", id)
	contains(t, done(t, url, "", "mapping", "list", "--unmapped"), "group  Other", "role   boss")

	contains(t, done(t, url, "", "group", "add-member", "devs", "anna", "--until", "tomorrow"), "added")
	contains(t, done(t, url, "", "group", "add-member", "devs", "anna", "--until", "tomorrow"), "unchanged")
	contains(t, done(t, url, "", "group", "show", "devs"), "manual members\nUSER", "anna", "mappings\nPROVIDER")
	contains(t, done(t, url, "", "user", "show", "anna"), "direct", "external_mapping  corp")
	contains(t, done(t, url, "", "group", "remove-member", "devs", "anna"), "removed")

	done(t, url, "", "group", "add-member", "devs", "anna")
	failed(t, 1, url, "", []string{"group", "update", "devs", "--type", "external"}, "RW302")
	contains(t, done(t, url, "", "group", "update", "devs", "--type", "external", "--drop"), "updated")
	failed(t, 1, url, "", []string{"group", "add-member", "devs", "anna"}, "RW301")
	contains(t, done(t, url, "", "group", "disable", "devs"), "disabled")
	contains(t, done(t, url, "", "user", "show", "anna"), "effective groups: none")
	contains(t, done(t, url, "", "group", "enable", "devs"), "enabled")
	contains(t, done(t, url, "", "mapping", "delete", id), "deleted")
	failed(t, 1, url, "", []string{"mapping", "delete", id}, "there is no mapping")
	contains(t, done(t, url, "", "group", "delete", "devs"), "deleted")
	failed(t, 1, url, "", []string{"group", "show", "devs"}, `there is no group "devs"`)
}

func TestListsSayThatThereIsMore(t *testing.T) {
	t.Parallel()
	url := newDatabase(t)
	for _, name := range []string{"a", "b", "c"} {
		done(t, url, "", "user", "create", name)
	}
	r := run(t, url, "", "user", "list", "--limit", "2")
	if strings.Count(r.out, "\n") != 3 || !strings.Contains(r.err, "--limit 0 shows all") {
		t.Errorf("got\n%s%s", r.out, r.err)
	}
	if r := run(t, url, "", "user", "list", "--limit", "0", "-o", "json"); strings.Count(r.out, "user_id") != 3 || r.err != "" {
		t.Errorf("got\n%s%s", r.out, r.err)
	}
	if out := done(t, url, "", "group", "list", "-o", "json"); out != "[]\n" {
		t.Errorf("no groups are %q", out)
	}
}

func TestWrongUsageExitsWithTwo(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"bogus", "user bogus", "user list extra", "user show", "user lock", "user list --bogus", "user list --limit -1",
		"sync x", "sync --provider p", "provider create p", "mapping create g --provider p",
		"mapping list --unmapped --group g", "user list --output yaml", "migrate sideways",
	} {
		r := run(t, "postgres://localhost:1/nothing", "", strings.Fields(line)...)
		if r.code != 2 || r.out != "" || !strings.HasPrefix(r.err, "rolewright: ") {
			t.Errorf("%s: exit code %d\n%s%s", line, r.code, r.out, r.err)
		}
	}
}

func TestPasswordsAreNotPrinted(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"postgres://anna:hunter2@localhost:1/db", "postgres://anna:hunter2%zz@localhost:1/db", "postgres://anna:hunter2@localhost:none/db",
		"host=localhost port=1 user=anna password=hunter2", "host=localhost port=none password='hunter2'",
	} {
		for _, arguments := range [][]string{{"user", "list"}, {"migrate", "status"}} {
			r := run(t, url, "", arguments...)
			if r.code != 1 || strings.Contains(r.err+r.out, "hunter2") {
				t.Errorf("%s: exit code %d\n%s", url, r.code, r.err)
			}
		}
	}
}

func TestTerminalSeesNoControlCharacters(t *testing.T) {
	t.Parallel()
	url := newDatabase(t)
	const hostile = "\x1b[31mred\x1b]0;title\x07\nline \u202eright to left\u2066"
	done(t, url, "", "provider", "create", "corp", "--type", "custom")
	done(t, url, "", "user", "create", hostile, "--display-name", hostile)
	r := run(t, url, "", "user", "create", hostile)
	for _, arguments := range [][]string{{"user", "list"}, {"user", "show", hostile}, {"user", "lock", hostile}, {"audit", "list"}} {
		again := run(t, url, "", arguments...)
		r.out, r.err = r.out+again.out, r.err+again.err
	}
	if strings.ContainsAny(r.out+r.err, "\x1b\x07\u202e\u2066") {
		t.Errorf("control characters reach the terminal: %q", r.out+r.err)
	}
	contains(t, r.out, `"\x1b[31mred\x1b]0;title\a\nline \u202eright`)
	var users []struct {
		Username string `json:"username"`
	}
	decode(t, done(t, url, "", "user", "list", "-o", "json"), &users)
	if len(users) != 1 || users[0].Username != hostile {
		t.Errorf("JSON has %q", users)
	}
}

func TestMigrateCommands(t *testing.T) {
	t.Parallel()
	url := harness.Cluster(t).Empty(t).OwnerURL // its own server: down drops roles
	failed(t, 1, url, "", []string{"user", "list"}, "rolewright migrate up installs it")
	contains(t, done(t, url, "", "migrate", "status"), "00001_setup.sql", "pending")
	contains(t, done(t, url, "", "migrate", "print"), "BEGIN;", "CREATE TABLE auth.user_info", "COMMIT;")
	contains(t, done(t, url, "", "migrate", "up"), "migration 00001_setup.sql: applied")
	if out := done(t, url, "", "migrate", "up"); out != "nothing to do\n" {
		t.Errorf("the second up says %s", out)
	}
	if out := done(t, url, "", "migrate", "up", "-o", "json"); out != "[]\n" {
		t.Errorf("the second up says %s", out)
	}
	if status := done(t, url, "", "migrate", "status"); strings.Contains(status, "pending") {
		t.Errorf("after up:\n%s", status)
	}
	done(t, url, "", "user", "list")
	contains(t, done(t, url, "", "migrate", "down"), ": reverted")
	contains(t, done(t, url, "", "migrate", "status"), "pending")
	contains(t, done(t, url, "", "migrate", "down", "--all"), "migration 00001_setup.sql: reverted")
	contains(t, done(t, url, "", "migrate", "print", "--all"), "CREATE TABLE auth.user_info")
	failed(t, 1, url, "", []string{"migrate", "up", "--version-table", "x; DROP"}, "version table")
}

func TestCorrelationIDMarksTheTrail(t *testing.T) {
	t.Parallel()
	url := newDatabase(t)
	done(t, url, "", "user", "create", "anna", "--correlation-id", "ticket 17")
	done(t, url, "", "user", "create", "bob")
	out := done(t, url, "", "audit", "list", "--correlation", "ticket 17", "-o", "json")
	contains(t, out, `"application_name": "rolewright"`, `"user.created"`, "anna")
	if strings.Contains(out, "bob") {
		t.Errorf("got %s", out)
	}
}
