package directory_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

func TestSevenYearsOfFiveOrganisations(t *testing.T) {
	t.Parallel()
	feeds := history(t)
	db := newDatabase(t, organisations(feeds))
	m := newModel()
	for _, f := range feeds {
		active, renamed := m.active(f.org), m.renamed
		want := m.play(f)
		var allow []string
		if want.Disabled*5 > active { // more than 20 %
			allow = []string{"--max-disable", strconv.Itoa(want.Disabled)}
			mustTrip(t, db, f, want.Disabled, active)
		}
		got, r := synced(t, db, f, allow...)
		if got != want {
			t.Fatalf("%s: got %+v, want %+v", f.file, got, want)
		}
		if said := strings.Count(r.err, "is taken"); said != m.renamed-renamed {
			t.Errorf("%s: %d usernames are taken, want %d:\n%s", f.file, said, m.renamed-renamed, r.err)
		}
		if n := harness.One[int](t, db, `SELECT count(*) FROM auth.user_info`); n != len(m.users) {
			t.Errorf("%s: %d users, want %d", f.file, n, len(m.users))
		}
		m.check(t, db, f)

		before := rowVersions(t, db)
		again, _ := synced(t, db, f)
		if again != (counts{Received: len(f.members), Unchanged: len(f.members)}) {
			t.Fatalf("%s once more: %+v", f.file, again)
		}
		if rowVersions(t, db) != before {
			t.Fatalf("%s once more: rows changed", f.file)
		}
	}
	for _, f := range latest(feeds) {
		m.check(t, db, f) // nothing that was synced later changed what another organisation says
	}
	m.checkPersons(t, db)
	m.checkTeams(t, db, "kubernetes")
}

// latest are the last files of each organisation.
func latest(feeds []feed) map[string]feed {
	last := map[string]feed{}
	for _, f := range feeds {
		last[f.org] = f
	}
	return last
}

// mustTrip runs a sync that the brakes have to stop.
func mustTrip(t testing.TB, db *harness.DB, f feed, disabled, active int, flags ...string) {
	t.Helper()
	before := rowVersions(t, db)
	r := sync(t, db, f, flags...)
	if r.code != 1 || r.out != "" {
		t.Fatalf("%s %q: exit code %d\n%s%s", f.file, flags, r.code, r.out, r.err)
	}
	for _, words := range []string{
		"SQLSTATE: RW203",
		fmt.Sprintf("Provider %s: %d of %d active identities (%.1f %%)", f.org, disabled, active, 100*float64(disabled)/float64(active)),
		fmt.Sprintf("--max-disable %d)", disabled),
	} {
		if !strings.Contains(r.err, words) {
			t.Errorf("%s %q: %q is missing in:\n%s", f.file, flags, words, r.err)
		}
	}
	if rowVersions(t, db) != before {
		t.Errorf("%s %q: the brakes stopped after something was changed", f.file, flags)
	}
}

// checkPersons: one handle, however it is spelt, is one user with an identity in each organisation, except where an
// organisation itself had it in two spellings.
func (m *model) checkPersons(t testing.TB, db *harness.DB) {
	t.Helper()
	type person struct {
		Handle           string
		Identities, Orgs int
		Users            int
	}
	several := 0
	for _, p := range harness.Rows[person](t, db, `
		SELECT lower(provider_user_id) AS handle, count(*) AS identities, count(DISTINCT provider_id) AS orgs, count(DISTINCT user_id) AS users
		FROM auth.user_identity GROUP BY 1`) {
		if p.Orgs > 1 {
			several++
		}
		if !m.recased[p.Handle] && (p.Users != 1 || p.Identities != p.Orgs) {
			t.Errorf("%+v", p)
		}
	}
	if several == 0 {
		t.Error("nobody is in two organisations")
	}
}

// checkTeams maps every team to a group of the same name, and compares everybody's groups with the teams.
func (m *model) checkTeams(t testing.TB, db *harness.DB, org string) {
	t.Helper()
	const unmapped = `SELECT external_name FROM auth.unmapped_external_group WHERE external_kind = 'group' AND provider_code = $1 ORDER BY external_name COLLATE "C"`
	teamsOf := map[string][]string{} // of a user
	var teams []string
	for _, a := range m.accounts[org] {
		if a.active {
			var names []string
			if err := json.Unmarshal([]byte(a.groups), &names); err != nil {
				t.Fatal(err)
			}
			teamsOf[a.username] = append(teamsOf[a.username], names...)
			teams = append(teams, names...)
		}
	}
	slices.Sort(teams)
	teams = slices.Compact(teams)
	if got := harness.Column[string](t, db, unmapped, org); !slices.Equal(got, teams) {
		t.Errorf("%d teams are unmapped, want %d", len(got), len(teams))
	}
	harness.Exec(t, db, `
		SELECT auth.create_group_mapping(auth.create_user_group(t.name, t.name, 'external'), p.provider_id, t.name)
		FROM unnest($1::text[]) AS t (name), auth.provider p WHERE p.code = $2`, teams, org)
	if got := harness.Column[string](t, db, unmapped, org); len(got) != 0 {
		t.Errorf("still unmapped: %q", got)
	}

	type row struct {
		Username string
		Groups   []string
	}
	rows := harness.Rows[row](t, db, `
		SELECT u.username, array_agg(g.code) FILTER (WHERE g.code IS NOT NULL) AS groups
		FROM auth.user_info u LEFT JOIN LATERAL auth.effective_groups(u.user_id) AS g ON true
		GROUP BY u.user_id`)
	if len(rows) != len(m.users) {
		t.Errorf("%d users, want %d", len(rows), len(m.users))
	}
	for _, r := range rows {
		want := slices.Clone(teamsOf[r.Username])
		slices.Sort(want)
		slices.Sort(r.Groups)
		if !slices.Equal(r.Groups, want) {
			t.Errorf("%s is in %q, want %q", r.Username, r.Groups, want)
		}
	}
}

func TestBrakesOnAFeedThatLostAThird(t *testing.T) {
	t.Parallel()
	kubernetes := filepath.Join(folder(t), "kubernetes")
	before, after := load(t, filepath.Join(kubernetes, "2024-01.ndjson")), load(t, filepath.Join(kubernetes, "2025-01.ndjson"))
	db := newDatabase(t, []string{before.org})
	if got, _ := synced(t, db, before); got != (counts{Received: len(before.members), Created: len(before.members)}) {
		t.Fatalf("got %+v", got)
	}
	missing := 0
	for handle := range before.members {
		if _, stays := after.members[handle]; !stays {
			missing++
		}
	}
	active := len(before.members)
	mustTrip(t, db, after, missing, active)
	mustTrip(t, db, after, missing, active, "--dry-run")
	mustTrip(t, db, after, missing, active, "--max-disable", strconv.Itoa(missing-1))
	allow := []string{"--max-disable", strconv.Itoa(missing)}

	versions := rowVersions(t, db)
	dry, _ := synced(t, db, after, append(allow, "--dry-run")...)
	if rowVersions(t, db) != versions {
		t.Error("the dry run wrote rows")
	}
	got, _ := synced(t, db, after, allow...)
	if got != dry || got.Disabled != missing || got.Created != len(after.members)-(active-missing) {
		t.Errorf("got %+v, the dry run said %+v", got, dry)
	}
	if n := harness.One[int](t, db, `SELECT count(*) FROM auth.user_identity WHERE is_active`); n != len(after.members) {
		t.Errorf("%d active identities, want %d", n, len(after.members))
	}
}

// The function with an array is for those who have no file; what is stored must not depend on the way.
func TestTheFunctionStoresWhatTheCommandStores(t *testing.T) {
	t.Parallel()
	feeds := history(t)
	orgs := organisations(feeds)
	byCommand, byFunction := newDatabase(t, orgs), newDatabase(t, orgs)
	for _, f := range feeds {
		all := strconv.Itoa(len(f.members) + 10_000)
		want, _ := synced(t, byCommand, f, "--max-disable", all)
		got := harness.Rows[counts](t, byFunction, `
			SELECT s.* FROM auth.provider p,
				auth.sync_provider_identities(p.provider_id, $2::jsonb[], true, true, _max_disable => $3) AS s
			WHERE p.code = $1`, f.org, f.lines, all)
		if len(got) != 1 || got[0] != want {
			t.Fatalf("%s: the function says %+v, the command %+v", f.file, got, want)
		}
	}
	const stored = `
		SELECT concat_ws(' ', p.code, u.username, u.username_verified, u.display_name, u.is_active,
			to_jsonb(i) - '{user_identity_id,user_id,provider_id,feed_digest,created_at,updated_at}'::text[])
		FROM auth.user_identity i JOIN auth.user_info u USING (user_id) JOIN auth.provider p USING (provider_id)
		ORDER BY p.code, i.provider_user_id`
	command, function := harness.Column[string](t, byCommand, stored), harness.Column[string](t, byFunction, stored)
	if !slices.Equal(command, function) {
		t.Errorf("%d identities by the command, %d by the function; differing: %d", len(command), len(function), differing(command, function))
	}

	// To the command, a feed that came through the function says nothing new.
	for _, f := range latest(feeds) {
		if got, _ := synced(t, byFunction, f); got != (counts{Received: len(f.members), Unchanged: len(f.members)}) {
			t.Errorf("%s: %+v", f.file, got)
		}
	}
}

// differing counts the texts that are not in both.
func differing(a, b []string) (n int) {
	seen := map[string]int{}
	for _, text := range a {
		seen[text]++
	}
	for _, text := range b {
		seen[text]--
	}
	for count := range maps.Values(seen) {
		if count != 0 {
			n++
		}
	}
	return n
}
