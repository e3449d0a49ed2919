package directory_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rolewright/rolewright/tests/harness"
)

// Every team is bound to a group role, and every member gets a login role. Each file is one transaction: teams that are new, their
// bindings, the members, and with them roles and memberships.
func TestDatabaseRolesFollowSevenYears(t *testing.T) {
	t.Parallel()
	feeds := history(t)
	db := harness.Cluster(t).Database(t)
	for _, org := range organisations(feeds) {
		harness.Exec(t, db, `SELECT auth.create_provider(
			_code => $1, _name => $1, _provider_type => 'github', _link_by => 'username', _max_disable_share => 1,
			_creates_roles => true, _role_name_template => 'person {username}')`, org)
	}
	conn := harness.Connect(t, db.OwnerURL)
	members := map[string]map[string]bool{} // organisation → person's role and team's role, as the latest file says
	for _, f := range feeds {
		tx, err := conn.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		members[f.org] = bindTeams(t, tx, f)
		harness.Exec(t, tx, `
			SELECT auth.sync_provider_identities(p.provider_id, $2::jsonb[], _create_missing => true, _disable_missing => true)
			FROM auth.provider p
			WHERE p.code = $1`, f.org, f.lines)
		if err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		checkRoles(t, db, f, members)
		if t.Failed() {
			return
		}
	}
}

// bindTeams makes the groups, mappings and bindings of a file's teams, and returns which memberships the file means.
func bindTeams(t testing.TB, tx pgx.Tx, f feed) map[string]bool {
	t.Helper()
	teams := map[string]bool{}
	memberships := map[string]bool{}
	for handle, said := range f.members {
		var groups []string
		if err := json.Unmarshal([]byte(said.groups), &groups); err != nil {
			t.Fatal(err)
		}
		for _, team := range groups {
			teams[team] = true
			memberships[handle+" in "+f.org+"/"+team] = true
		}
	}
	for team := range teams {
		harness.Exec(t, tx, `
			WITH made AS (
				SELECT auth.create_user_group(_code => $1, _name => $2, _group_type => 'external') AS id
				WHERE NOT EXISTS (SELECT FROM auth.user_group WHERE code = $1)
			), bound AS (
				SELECT auth.bind_group_role(m.id, $3), m.id FROM made m
			)
			SELECT auth.create_group_mapping(b.id, (SELECT provider_id FROM auth.provider WHERE code = $4), $2) FROM bound b`,
			f.org+"."+strings.ReplaceAll(team, " ", "_"), team, teamRole(f.org, team), f.org)
	}
	return memberships
}

// teamRole is a name of at most the 63 bytes that PostgreSQL takes: two teams have longer ones.
func teamRole(org, team string) string {
	name := "team " + org + "/" + team
	if len(name) > 63 {
		name = fmt.Sprintf("%s %x", name[:50], sha256.Sum256([]byte(name)))[:63]
	}
	return name
}

// checkRoles compares the catalog with the files.
func checkRoles(t testing.TB, db *harness.DB, f feed, members map[string]map[string]bool) {
	t.Helper()
	if plan := harness.Column[string](t, db, `SELECT p::text FROM auth.plan_database_roles() p LIMIT 5`); len(plan) > 0 {
		t.Errorf("%s: planned still: %q", f.file, plan)
	}
	held := harness.Column[string](t, db, `
		SELECT i.provider_user_id || ' in ' || p.code || '/' || g.name
		FROM pg_auth_members m
		JOIN auth.database_role t ON t.role_oid = m.roleid
		JOIN auth.group_role b ON b.database_role_id = t.database_role_id
		JOIN auth.user_group g ON g.user_group_id = b.user_group_id
		JOIN auth.user_group_mapping k ON k.user_group_id = g.user_group_id
		JOIN auth.provider p ON p.provider_id = k.provider_id
		JOIN auth.database_role r ON r.role_oid = m.member
		JOIN auth.user_identity i ON i.user_id = r.user_id AND i.provider_id = p.provider_id AND i.is_active`)
	var want []string
	for _, memberships := range members {
		for m := range memberships {
			want = append(want, m)
		}
	}
	slices.Sort(want)
	slices.Sort(held)
	if !slices.Equal(held, want) {
		t.Errorf("%s: %d memberships, want %d; first difference: %s", f.file, len(held), len(want), difference(held, want))
	}

	type person struct {
		Role                 string
		CanLogin, IsThere    bool
		Memberships, Missing int
	}
	for _, p := range harness.Rows[person](t, db, `
		SELECT coalesce(a.rolname, '') AS role, coalesce(a.rolcanlogin, false) AS can_login, bool_or(i.is_active) AS is_there,
		       (SELECT count(*) FROM pg_auth_members m WHERE m.member = a.oid) AS memberships,
		       CASE WHEN a.oid IS NULL OR a.rolname <> 'person ' || lower(u.username) THEN 1 ELSE 0 END AS missing
		FROM auth.user_info u
		JOIN auth.user_identity i ON i.user_id = u.user_id
		LEFT JOIN auth.database_role r ON r.user_id = u.user_id
		LEFT JOIN pg_roles a ON a.oid = r.role_oid
		GROUP BY u.user_id, u.username, a.oid, a.rolname, a.rolcanlogin`) {
		if p.Missing > 0 || p.CanLogin != p.IsThere || !p.IsThere && p.Memberships > 0 {
			t.Errorf("%s: %+v", f.file, p)
			return
		}
	}
}

// difference names what stands in one of two sorted lists alone.
func difference(got, want []string) string {
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			return fmt.Sprintf("%q is missing", want[i])
		case i >= len(want):
			return fmt.Sprintf("%q is too many", got[i])
		case got[i] != want[i]:
			return fmt.Sprintf("got %q, want %q", got[i], want[i])
		}
	}
	return "none"
}
