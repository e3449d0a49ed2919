package install_test

import (
	"testing"

	"github.com/rolewright/rolewright/internal/schema"
	"github.com/rolewright/rolewright/tests/harness"
)

// Every migration is taken back by itself: the way down passes the same catalogs as the way up.
func TestEveryDownUndoesItsUp(t *testing.T) {
	t.Parallel()
	url := harness.Cluster(t).Empty(t).OwnerURL
	status, err := schema.Status(t.Context(), url, schema.Options{})
	if err != nil {
		t.Fatal(err)
	}
	before := []snapshot{takeSnapshot(t, url)}
	for range status {
		goose(t, url, "up-by-one")
		before = append(before, takeSnapshot(t, url))
	}
	for i := len(status) - 1; i >= 0; i-- {
		reverted, err := schema.Down(t.Context(), url, schema.Options{}, false)
		if err != nil {
			t.Fatal(err)
		}
		if len(reverted) != 1 || reverted[0].Name != status[i].Name {
			t.Fatalf("down took back %v, want %s", reverted, status[i].Name)
		}
		requireSame(t, "before "+status[i].Name, before[i], "down", takeSnapshot(t, url))
	}
	if reverted, err := schema.Down(t.Context(), url, schema.Options{}, false); err != nil || len(reverted) != 0 {
		t.Errorf("down of nothing: %v, %v", reverted, err)
	}
}

func TestDownAllLeavesNothing(t *testing.T) {
	t.Parallel()
	url := harness.Cluster(t).Empty(t).OwnerURL
	before := takeSnapshot(t, url)
	for range 2 { // and it can come again
		applied, err := schema.Up(t.Context(), url, schema.Options{})
		if err != nil {
			t.Fatal(err)
		}
		reverted, err := schema.Down(t.Context(), url, schema.Options{}, true)
		if err != nil {
			t.Fatal(err)
		}
		if len(reverted) != len(applied) {
			t.Errorf("up applied %v, down took back %v", applied, reverted)
		}
		requireSame(t, "before", before, "down", takeSnapshot(t, url))
	}
}

func TestStockGooseResetLeavesItsVersionTableOnly(t *testing.T) {
	t.Parallel()
	url := harness.Cluster(t).Empty(t).OwnerURL
	before := takeSnapshot(t, url)
	goose(t, url, "up")
	goose(t, url, "reset")
	requireSame(t, "before", before, "goose reset", takeSnapshot(t, url).withoutVersionTable())

	// What goose left is no reason for down to stop short, or for up to refuse.
	up(t, url)
	if _, err := schema.Down(t.Context(), url, schema.Options{}, true); err != nil {
		t.Fatal(err)
	}
	requireSame(t, "before", before, "down", takeSnapshot(t, url))
}

// The group roles belong to the cluster: the last database that uses them takes them away.
func TestGroupRolesStayWhileAnotherDatabaseUsesThem(t *testing.T) {
	t.Parallel()
	cluster := harness.Cluster(t)
	first, second := cluster.Empty(t).OwnerURL, ownedBy(t, cluster.Empty(t), "other_owner")
	before := takeSnapshot(t, first)
	up(t, first)
	up(t, second)
	installed := takeSnapshot(t, first)

	notices := downAll(t, second)
	if len(notices) != 3 {
		t.Errorf("notices of down: %q, want one for each group role", notices)
	}
	requireSame(t, "after up", installed, "down in the other database", takeSnapshot(t, first))

	if notices := downAll(t, first); len(notices) != 0 {
		t.Errorf("notices of the last down: %q", notices)
	}
	requireSame(t, "before", before, "down in both", takeSnapshot(t, first))
}

func TestGroupRolesOfSomebodyElseStay(t *testing.T) {
	t.Parallel()
	db := harness.Cluster(t).Empty(t)
	harness.Exec(t, db.Super(t), "CREATE ROLE rolewright_auditor NOLOGIN")
	url := db.OwnerURL
	before := takeSnapshot(t, url)
	up(t, url)
	if notices := downAll(t, url); len(notices) != 1 {
		t.Errorf("notices of down: %q, want one for rolewright_auditor", notices)
	}
	requireSame(t, "before", before, "down", takeSnapshot(t, url))
}

func TestGroupRolesWithMembersStay(t *testing.T) {
	t.Parallel()
	db := harness.Cluster(t).Empty(t)
	url := db.OwnerURL
	up(t, url)
	harness.Exec(t, db, "CREATE ROLE web LOGIN; GRANT rolewright_app TO web")
	if notices := downAll(t, url); len(notices) != 1 {
		t.Errorf("notices of down: %q, want one for rolewright_app", notices)
	}
	after := takeSnapshot(t, url)
	for role, want := range map[string]bool{"web": true, "rolewright_app": true, "rolewright_operator": false, "rolewright_auditor": false} {
		if _, got := after["role "+role]; got != want {
			t.Errorf("after down, role %s exists: %v, want %v", role, got, want)
		}
	}
	for key := range after {
		if key == "schema auth" || key == "schema unsecure" {
			t.Error(key, "is left")
		}
	}
}

func TestDataDoesNotStopDown(t *testing.T) {
	t.Parallel()
	db := harness.Cluster(t).Empty(t)
	url := db.OwnerURL
	before := takeSnapshot(t, url)
	up(t, url)
	harness.Exec(t, db, `
		SELECT auth.create_provider(_code => 'corp', _name => 'Corp', _provider_type => 'ldap');
		SELECT auth.ensure_user_from_provider(provider_id, 'jane', _provider_groups => '{a,b}') FROM auth.provider;
		SELECT auth.create_user_group(_code => 'staff', _name => 'Staff', _group_type => 'hybrid');
		SELECT auth.create_group_mapping(user_group_id, provider_id, 'a') FROM auth.user_group, auth.provider;
		SELECT auth.add_group_member(user_group_id, user_id) FROM auth.user_group, auth.user_info;
		SELECT auth.maintain_audit_partitions(_months_ahead => 5)`)
	if n := harness.One[int](t, db, "SELECT count(*) FROM auth.audit_event"); n < 5 {
		t.Errorf("the audit trail has %d rows", n)
	}
	downAll(t, url)
	requireSame(t, "before", before, "down", takeSnapshot(t, url))
}
