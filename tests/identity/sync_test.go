package identity_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rolewright/rolewright/tests/harness"
)

// counts are what a sync returns.
type counts struct{ Received, Created, Updated, Enabled, Disabled, Unchanged, Skipped int64 }

// syncIt brings a provider in step with elements; settings are further arguments.
func syncIt(t testing.TB, q harness.Querier, providerID string, elements []string, settings ...string) counts {
	t.Helper()
	return harness.Rows[counts](t, q, syncSQL(settings...), providerID, elements)[0]
}

func syncSQL(settings ...string) string {
	sql := `SELECT * FROM auth.sync_provider_identities($1, $2::jsonb[]`
	for _, s := range settings {
		sql += ", " + s
	}
	return sql + ")"
}

const whole = `_create_missing => true, _disable_missing => true`

// feed makes elements of accounts.
func feed(accounts ...string) []string {
	elements := make([]string, len(accounts))
	for i, a := range accounts {
		id, _ := json.Marshal(a)
		elements[i] = fmt.Sprintf(`{"provider_user_id": %s, "groups": ["g"]}`, id)
	}
	return elements
}

func TestJoinersMoversAndLeavers(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	p := provider(t, db, "hr", "_max_disable_share => 1")
	check := func(want counts, elements []string, settings ...string) {
		t.Helper()
		if got := syncIt(t, db, p, elements, settings...); got != want {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	}
	check(counts{Received: 3, Skipped: 3}, feed("a", "b", "c"))
	check(counts{Received: 3, Created: 3}, feed("a", "b", "c"), whole)
	check(counts{Received: 3, Unchanged: 3}, feed("a", "b", "c"), whole)
	check(counts{Received: 2, Unchanged: 2}, feed("a", "b"))
	check(counts{Received: 2, Unchanged: 2, Disabled: 1}, feed("a", "b"), whole)
	check(counts{Received: 2, Unchanged: 2}, feed("a", "b"), whole)
	check(counts{Received: 3, Unchanged: 1, Updated: 1, Enabled: 1}, []string{
		`{"provider_user_id": "a", "groups": ["g", "new"]}`, feed("b")[0], feed("c")[0]}, whole)
	check(counts{Received: 2, Unchanged: 1, Disabled: 1}, []string{`{"provider_user_id": "a", "active": false}`, feed("b")[0]})
	check(counts{Received: 2, Unchanged: 2}, []string{`{"provider_user_id": "a", "active": false}`, feed("b")[0]})
	check(counts{Received: 1, Created: 1}, []string{`{"provider_user_id": "d", "active": false}`}, "_create_missing => true")
	got := harness.Column[string](t, db, `SELECT concat(provider_user_id, is_active::text, array_to_string(provider_groups, '+')) FROM auth.user_identity ORDER BY 1`)
	if want := []string{"afalseg+new", "btrueg", "ctrueg"}; !slices.Equal(got[:3], want) || len(got) != 4 {
		t.Errorf("got %q, want %q and d", got, want)
	}
}

func TestAFeedThatSaysTheSameInOtherWordsChangesNothing(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	p := provider(t, db, "hr")
	elements := []string{
		`{"provider_user_id": "a", "groups": ["x", "y"], "roles": ["r"], "data": {"k": [1, 2.50]}, "username": "ann", "email": "a@example.org", "email_verified": true, "display_name": "Ann"}`,
		`{"provider_user_id": "b"}`,
		`{"provider_user_id": "c", "groups": [], "active": false}`,
	}
	syncIt(t, db, p, elements, whole)
	const content = `SELECT string_agg((to_jsonb(i) - 'feed_digest')::text, E'\n' ORDER BY provider_user_id) FROM auth.user_identity i`
	before := harness.One[string](t, db, content)
	events := harness.One[int](t, db, `SELECT count(*) FROM auth.audit_event`)
	for range 2 {
		if got := syncIt(t, db, p, elements, whole); got.Unchanged != 3 {
			t.Errorf("got %+v", got)
		}
	}
	// The same said in other words: another order, explicit nulls.
	if got := syncIt(t, db, p, []string{
		`{"groups": ["y", "x"], "provider_user_id": "a", "roles": null, "data": {"k": [1, 2.50]}, "username": "ann"}`,
		`{"provider_user_id": "b", "groups": null}`, elements[2],
	}, whole); got.Unchanged != 3 {
		t.Errorf("got %+v", got)
	}
	if harness.One[int](t, db, `SELECT count(*) FROM auth.audit_event`) != events {
		t.Error("a run without changes is in the trail as a change")
	}
	syncIt(t, db, p, elements, whole)
	if after := harness.One[string](t, db, content); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
}

func TestTheSecondRunOfAFeedChangesNoRow(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	p := provider(t, db, "hr")
	syncIt(t, db, p, feed("a", "b"), whole)
	before := snapshot(t, db)
	syncIt(t, db, p, feed("a", "b"), whole)
	if after := snapshot(t, db); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
}

func TestWhatAFeedDoesNotSayStays(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	p := provider(t, db, "hr")
	syncIt(t, db, p, []string{`{"provider_user_id": "a", "groups": ["x"], "roles": ["r"], "data": {"k": 1}, "email": "a@example.org", "display_name": "Ann"}`}, whole)
	const state = `SELECT concat_ws('|', array_to_string(provider_groups, ','), array_to_string(provider_roles, ','), provider_data, provider_email,
		provider_display_name, email, display_name, is_complete) FROM auth.user_identity JOIN auth.user_info USING (user_id)`
	for _, c := range []struct{ element, want string }{
		{`{"provider_user_id": "a"}`, `x|r|{"k": 1}|a@example.org|Ann|a@example.org|Ann|f`},
		{`{"provider_user_id": "a", "groups": null, "roles": null, "data": null, "email": null, "display_name": null, "active": null}`, `x|r|{"k": 1}|a@example.org|Ann|a@example.org|Ann|f`},
		{`{"provider_user_id": "a", "groups": [], "data": {"_claim_names": {"groups": "s"}}}`, `x|r|{"_claim_names": {"groups": "s"}}|a@example.org|Ann|a@example.org|Ann|f`},
		{`{"provider_user_id": "a", "groups": [], "roles": [], "data": {}, "email": "b@example.org", "display_name": "B"}`, `||{}|b@example.org|B|b@example.org|B|t`},
	} {
		syncIt(t, db, p, []string{c.element}, whole)
		if got := harness.One[string](t, db, state); got != c.want {
			t.Errorf("after %s\ngot  %s\nwant %s", c.element, got, c.want)
		}
	}
}

func TestTheUserFollowsWhatIsNewAndNoRepetition(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	a, b := provider(t, db, "a", "_link_by => 'username'"), provider(t, db, "b", "_link_by => 'username'")
	say := func(p, name string) {
		syncIt(t, db, p, []string{fmt.Sprintf(`{"provider_user_id": "ann", "display_name": %q}`, name)}, whole)
	}
	name := func() string { return harness.One[string](t, db, `SELECT display_name FROM auth.user_info`) }
	say(a, "Ann")
	say(b, "Müller, Ann")
	if name() != "Ann" {
		t.Errorf("joining renamed the user to %s", name())
	}
	say(b, "Maier, Ann")
	say(a, "Ann")
	if name() != "Maier, Ann" {
		t.Errorf("the name is %s", name())
	}
}

func TestWhatAnOperatorDisabledNoFeedEnables(t *testing.T) {
	t.Parallel()
	for name, disable := range map[string]string{
		"by the function":      `SELECT auth.disable_user_identity(user_identity_id) FROM auth.user_identity`,
		"by a plain UPDATE":    `UPDATE auth.user_identity SET is_active = false`,
		"after the feed did":   `SELECT auth.disable_user_identity(user_identity_id) FROM auth.user_identity`,
		"enabled, then UPDATE": `UPDATE auth.user_identity SET is_active = true; UPDATE auth.user_identity SET is_active = false`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := harness.Database(t)
			p := provider(t, db, "hr", "_max_disable_share => 1")
			syncIt(t, db, p, feed("a"), whole)
			if strings.HasPrefix(name, "after") || strings.HasPrefix(name, "enabled") {
				syncIt(t, db, p, nil, whole, "_allow_empty => true")
			}
			harness.Exec(t, db, disable)
			for _, elements := range [][]string{feed("a"), {`{"provider_user_id": "a", "groups": ["other"], "active": true}`}} {
				if got := syncIt(t, db, p, elements, whole); got.Enabled != 0 {
					t.Errorf("got %+v", got)
				}
			}
			if harness.One[bool](t, db, `SELECT is_active FROM auth.user_identity`) {
				t.Error("the feed brought it back")
			}
		})
	}
}

func TestWhatChangedInBetweenIsPutRightByTheSameFeed(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	p := provider(t, db, "hr")
	element := []string{`{"provider_user_id": "a", "groups": ["x"], "roles": ["r"], "data": {"k": 1}}`}
	syncIt(t, db, p, element, whole)
	for _, change := range []string{
		`SELECT auth.update_user_identity_on_login(provider_id, 'a', ARRAY['x', 'admins']) FROM auth.provider`,
		`UPDATE auth.user_identity SET provider_groups = ARRAY['admins']`,
		`UPDATE auth.user_identity SET provider_roles = NULL, provider_data = NULL`,
	} {
		harness.Exec(t, db, change)
		if got := syncIt(t, db, p, element, whole); got.Updated != 1 {
			t.Errorf("after %s: %+v", change, got)
		}
		if got := harness.One[string](t, db, `SELECT concat(provider_groups, provider_roles, provider_data) FROM auth.user_identity`); got != `{x}{r}{"k": 1}` {
			t.Errorf("after %s: %s", change, got)
		}
	}
}

func TestTheBrakes(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	p := provider(t, db, "hr", "_max_disable_count => 3")
	ten := []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}
	syncIt(t, db, p, feed(ten...), whole)
	before := snapshot(t, db)

	refusal := harness.MustFail(t, db, "RW203", syncSQL(whole), p, feed(ten[:7]...))
	if want := "Provider hr: 3 of 10 active identities (30.0 %); the limit is 20.0 % and 3."; refusal.Detail != want {
		t.Errorf("DETAIL %s", refusal.Detail)
	}
	if !strings.Contains(refusal.Hint, "--max-disable 3") {
		t.Errorf("HINT %s", refusal.Hint)
	}
	harness.MustFail(t, db, "RW203", syncSQL(whole, "_max_disable => 2"), p, feed(ten[:7]...))
	harness.MustFail(t, db, "RW203", syncSQL(whole, "_max_disable => 0"), p, feed(ten[:9]...))
	harness.MustFail(t, db, "RW203", syncSQL(whole, "_dry_run => true"), p, feed(ten[:7]...))
	inactive := slices.Concat(feed(ten[:7]...), []string{`{"provider_user_id": "7", "active": false}`, `{"provider_user_id": "8", "active": false}`, `{"provider_user_id": "9", "active": false}`})
	harness.MustFail(t, db, "RW203", syncSQL(), p, inactive)
	harness.Exec(t, db, `SELECT auth.update_provider($1, _max_disable_share => 1)`, p)
	harness.MustFail(t, db, "RW203", syncSQL(whole), p, feed(ten[:6]...))
	if after := snapshot(t, db); after != before {
		t.Error("a run that the brakes stopped changed something")
	}

	if got := syncIt(t, db, p, feed(ten[:7]...), whole); got.Disabled != 3 {
		t.Errorf("within the limits: %+v", got)
	}
	if got := syncIt(t, db, p, feed("0"), whole, "_max_disable => 6"); got.Disabled != 6 {
		t.Errorf("allowed for one run: %+v", got)
	}
}

func TestAnEmptyFeedIsAnErrorUnlessItIsMeant(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	p := provider(t, db, "hr")
	syncIt(t, db, p, feed("a"), whole)
	harness.MustFail(t, db, "RW202", syncSQL(whole), p, []string{})
	harness.MustFail(t, db, "RW202", syncSQL(), p, []string(nil))
	harness.MustFail(t, db, "RW203", syncSQL(whole, "_allow_empty => true"), p, []string{})
	if got := syncIt(t, db, p, []string{}, whole, "_allow_empty => true", "_max_disable => 1"); got.Disabled != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestABadFeedChangesNothingAndNamesEveryBadElement(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	p := provider(t, db, "hr")
	syncIt(t, db, p, feed("a"), whole)
	before := snapshot(t, db)
	bad := []string{
		`{"provider_user_id": "ok", "groups": []}`, `{}`, `{"provider_user_id": 1}`, `{"provider_user_id": null}`, `{"provider_user_id": ""}`,
		`[]`, `"x"`, `null`, `{"provider_user_id": "a", "groups": "x"}`, `{"provider_user_id": "b", "groups": [1]}`, `{"provider_user_id": "c", "groups": [null]}`,
		`{"provider_user_id": "d", "groups": {"x": 1}}`, `{"provider_user_id": "e", "roles": [["x"]]}`, `{"provider_user_id": "f", "data": []}`,
		`{"provider_user_id": "g", "active": "no"}`, `{"provider_user_id": "h", "email_verified": 1}`, `{"provider_user_id": "i", "username": 1}`,
		`{"provider_user_id": "ok", "roles": []}`, `{"provider_user_id": "j", "data": {"x": "` + strings.Repeat("x", 1<<20) + `"}}`,
		`{"provider_user_id": "` + strings.Repeat("k", 2049) + `"}`,
	}
	refusal := harness.MustFail(t, db, "RW201", syncSQL(whole), p, bad)
	lines := strings.Split(refusal.Detail, "\n")
	if len(lines) != len(bad)-1 {
		t.Errorf("%d lines for %d bad elements:\n%s", len(lines), len(bad)-1, refusal.Detail)
	}
	for i, line := range lines {
		if !strings.HasPrefix(line, fmt.Sprintf("line %d: ", i+2)) {
			t.Errorf("%s", line)
		}
	}
	many := make([]string, 150)
	for i := range many {
		many[i] = `{}`
	}
	if lines := strings.Split(harness.MustFail(t, db, "RW201", syncSQL(whole), p, many).Detail, "\n"); len(lines) != 101 || lines[100] != "…" {
		t.Errorf("%d lines, the last one %q", len(lines), lines[len(lines)-1])
	}
	harness.MustFail(t, db, "RW201", `SELECT auth.sync_provider_identities($1, ARRAY[NULL]::jsonb[])`, p)
	if after := snapshot(t, db); after != before {
		t.Error("a bad feed changed something")
	}
}

func TestADryRunCountsAndChangesNothing(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	p := provider(t, db, "hr", "_max_disable_share => 1")
	syncIt(t, db, p, feed("a", "b"), whole)
	before := snapshot(t, db)
	got := syncIt(t, db, p, append(feed("c"), `{"provider_user_id": "a", "groups": []}`), whole, "_dry_run => true")
	if got != (counts{Received: 2, Created: 1, Updated: 1, Disabled: 1}) {
		t.Errorf("got %+v", got)
	}
	if after := snapshot(t, db); after != before {
		t.Error("a dry run changed something")
	}
}

func TestHandlesAreArbitraryText(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	p := provider(t, db, "odd", "_link_by => 'username'")
	handles := []string{
		"Ann", "ann", "249043822", `a"b'; --`, `\`, "%s", "$d$", "شخص", "a b", "é", "e\u0301", "𝔘𝔫𝔦", "\u202Eevil", "tab\there", "new\nline",
		strings.Repeat("x", 500), strings.Repeat("𝔘", 500), "-", "null", "{}", " padded ", "'; DROP TABLE auth.user_info; --",
	}
	if got := syncIt(t, db, p, feed(handles...), whole); got.Created != int64(len(handles)) {
		t.Errorf("got %+v", got)
	}
	got := harness.Column[string](t, db, `SELECT provider_user_id FROM auth.user_identity`)
	slices.Sort(got)
	slices.Sort(handles)
	if !slices.Equal(got, handles) {
		t.Errorf("got %q", got)
	}
	if n := harness.One[int](t, db, `SELECT count(DISTINCT lower(username)) FROM auth.user_info`); n != len(handles) {
		t.Errorf("%d usernames for %d handles", n, len(handles))
	}
	for _, h := range handles {
		harness.Exec(t, db, login, p, h, []string{h})
	}
	if got := syncIt(t, db, p, feed(handles...), whole); got.Updated != int64(len(handles)) {
		t.Errorf("after logins: %+v", got)
	}
}

func TestSyncWithoutTheRightToCreateUsersOnlyLinks(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	user(t, db, "ann")
	p := provider(t, db, "hr", "_creates_users => false", "_link_by => 'username'")
	if got := syncIt(t, db, p, feed("Ann", "bob"), whole); got != (counts{Received: 2, Created: 1, Skipped: 1}) {
		t.Errorf("got %+v", got)
	}
}

// The tables of a sync are found by name in the caller's temporary schema. An operator must not be able to put something of his
// own there and have it run with the owner's rights.
func TestTheTablesOfASyncCannotBeForged(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	provider(t, db, "hr")
	for _, function := range []string{"compare_identity_sync", "apply_identity_sync", "identity_sync_problems"} {
		operator := db.As(t, "rolewright_operator")
		harness.MustFail(t, operator, "RW204", `SELECT auth.`+function+`()`)
		harness.Exec(t, operator, `
			CREATE FUNCTION pg_temp.evil() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'ran as %', current_user; END $$;
			CREATE VIEW pg_temp.sync_run AS SELECT p.* FROM (SELECT NULL::uuid AS provider_id) p;
			CREATE VIEW pg_temp.sync_line AS SELECT pg_temp.evil() AS line_no, 'x' AS provider_user_id, ''::bytea AS digest;
			CREATE TEMP TABLE sync_change (line_no bigint, provider_user_id text, digest bytea, user_identity_id uuid);
			CREATE TEMP TABLE sync_element (line_no bigint, element jsonb);
			CREATE TEMP TABLE sync_plan (action text)`)
		harness.MustFail(t, operator, "RW204", `SELECT auth.`+function+`()`)
	}
	operator := db.As(t, "rolewright_operator")
	harness.Exec(t, operator, `CREATE TEMP TABLE sync_line (x int)`)
	harness.MustFail(t, operator, "42501", `SELECT auth.begin_identity_sync((SELECT provider_id FROM auth.provider))`)
}

func TestTwoSyncsInOneTransaction(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	a, b := provider(t, db, "a", "_max_disable_share => 1"), provider(t, db, "b")
	err := pgx.BeginFunc(t.Context(), db.Pool, func(tx pgx.Tx) error {
		syncIt(t, tx, a, feed("x", "y"), whole)
		syncIt(t, tx, b, feed("z"), whole)
		if got := syncIt(t, tx, a, feed("x"), whole); got != (counts{Received: 1, Unchanged: 1, Disabled: 1}) {
			t.Errorf("got %+v", got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAStreamedSyncThatLeavesAStepOutIsRefused(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	p := provider(t, db, "hr")
	syncIt(t, db, p, feed("a"), whole)
	const (
		begin   = `SELECT auth.begin_identity_sync('%s')`
		line    = `INSERT INTO pg_temp.sync_line VALUES (%d, 'b%[1]d', '\x00')`
		compare = `SELECT auth.compare_identity_sync()`
		element = `INSERT INTO pg_temp.sync_element VALUES (%d, '{"groups": []}')`
		apply   = `SELECT created FROM auth.apply_identity_sync(true, true, _max_disable => 1)`
	)
	for name, c := range map[string]struct {
		steps    []string
		sqlstate string
	}{
		"nothing begun":           {nil, "RW204"},
		"not compared":            {[]string{fmt.Sprintf(line, 1), fmt.Sprintf(element, 1)}, "RW204"},
		"a line after comparing":  {[]string{fmt.Sprintf(line, 1), compare, fmt.Sprintf(element, 1), fmt.Sprintf(line, 2)}, "RW204"},
		"an element is missing":   {[]string{fmt.Sprintf(line, 1), fmt.Sprintf(line, 2), compare, fmt.Sprintf(element, 1)}, "RW201"},
		"all of it, as it should": {[]string{fmt.Sprintf(line, 1), compare, fmt.Sprintf(element, 1)}, ""},
	} {
		tx, err := db.Pool.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if c.steps != nil {
			harness.Exec(t, tx, fmt.Sprintf(begin, p))
		}
		for _, step := range c.steps {
			harness.Exec(t, tx, step)
		}
		if _, err := tx.Exec(t.Context(), apply); sqlstate(err) != c.sqlstate {
			t.Errorf("%s: %v", name, err)
		}
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
