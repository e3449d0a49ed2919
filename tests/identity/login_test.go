package identity_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

const login = `SELECT auth.update_user_identity_on_login($1, $2, $3)`

func TestFirstLoginCreatesUserAndIdentityAndLaterOnesReturnTheSameUser(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	p := provider(t, db, "entra")
	const ensureUser = `SELECT auth.ensure_user_from_provider(_provider_id := $1, _provider_user_id := 'oid-1', _email := 'ann@example.org',
		_display_name := $2, _provider_groups := ARRAY['A', 'B'], _provider_roles := ARRAY['R'],
		_provider_data := '{"preferred_username": "ann", "department": "IT"}')::text`
	first := harness.One[string](t, db, ensureUser, p, "Ann")
	if second := harness.One[string](t, db, ensureUser, p, "Ann B."); second != first {
		t.Fatalf("the second login is user %s, the first was %s", second, first)
	}
	type row struct {
		Username, DisplayName, Email, Department string
		EmailVerified, IsLastUsed, IsComplete    bool
		Groups, Roles                            []string
	}
	got := harness.Rows[row](t, db, `
		SELECT username, display_name, email, email_verified, provider_data ->> 'department' AS department, is_last_used, is_complete,
		       provider_groups AS groups, provider_roles AS roles
		FROM auth.user_info JOIN auth.user_identity USING (user_id)`)
	if len(got) != 1 {
		t.Fatalf("%d identities, want 1", len(got))
	}
	g := got[0]
	if g.Username != "ann" || g.DisplayName != "Ann B." || g.Email != "ann@example.org" || g.EmailVerified || g.Department != "IT" ||
		!g.IsLastUsed || !g.IsComplete || !slices.Equal(g.Groups, []string{"A", "B"}) || !slices.Equal(g.Roles, []string{"R"}) {
		t.Errorf("got %+v", g)
	}
}

func TestUnknownIsNotEmpty(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		groups   []string
		data     string
		want     []string
		complete bool
	}{
		"null groups keep":                    {nil, `{}`, []string{"A"}, false},
		"empty groups are none":               {[]string{}, `{}`, []string{}, true},
		"new groups replace":                  {[]string{"B"}, `{}`, []string{"B"}, true},
		"overage by _claim_names keeps":       {[]string{}, `{"_claim_names": {"groups": "src1"}}`, []string{"A"}, false},
		"overage by hasgroups keeps":          {[]string{}, `{"hasgroups": true}`, []string{"A"}, false},
		"groups fetched in spite of overage":  {[]string{"B"}, `{"_claim_names": {"groups": "src1"}}`, []string{"B"}, true},
		"overage of another claim is nothing": {[]string{}, `{"_claim_names": {"roles": "src1"}}`, []string{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := harness.Database(t)
			p := provider(t, db, "entra")
			ensure(t, db, p, "acc", []string{"A"}, `{}`)
			ensure(t, db, p, "acc", c.groups, c.data)
			got := harness.One[[]string](t, db, `SELECT provider_groups FROM auth.user_identity`)
			complete := harness.One[bool](t, db, `SELECT is_complete FROM auth.user_identity`)
			if !slices.Equal(got, c.want) || complete != c.complete {
				t.Errorf("groups %v complete %v, want %v %v", got, complete, c.want, c.complete)
			}
		})
	}
}

func TestClaimsAreReadWhereTheProviderPutsThem(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		claims        string
		groups, roles []string
		complete      bool
	}{
		"arrays":                {`{"realm": {"groups": ["A", "B"]}, "roles": ["R"]}`, []string{"A", "B"}, []string{"R"}, true},
		"one string is one":     {`{"realm": {"groups": "A"}, "roles": "R"}`, []string{"A"}, []string{"R"}, true},
		"empty is none":         {`{"realm": {"groups": []}, "roles": []}`, []string{}, []string{}, true},
		"absent is unknown":     {`{"sub": "x"}`, []string{"old"}, []string{"old"}, false},
		"null is unknown":       {`{"realm": {"groups": null}, "roles": null}`, []string{"old"}, []string{"old"}, false},
		"overage is unknown":    {`{"realm": {"groups": []}, "_claim_names": {"groups": "x"}}`, []string{"old"}, []string{"old"}, false},
		"duplicates stay a set": {`{"realm": {"groups": ["old", "old"]}, "roles": ["old"]}`, []string{"old"}, []string{"old"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := harness.Database(t)
			p := provider(t, db, "kc", `_groups_path => '$.realm.groups[*]'`)
			u := user(t, db, "ann")
			harness.Exec(t, db, `SELECT auth.create_user_identity($1, $2, 'acc', ARRAY['old'], ARRAY['old'])`, u, p)
			harness.Exec(t, db, `SELECT auth.process_identity_claims($1, $2, $3)`, u, p, c.claims)
			groups := harness.One[[]string](t, db, `SELECT provider_groups FROM auth.user_identity`)
			roles := harness.One[[]string](t, db, `SELECT provider_roles FROM auth.user_identity`)
			complete := harness.One[bool](t, db, `SELECT is_complete AND is_last_used AND last_login_at IS NOT NULL FROM auth.user_identity`)
			if !slices.Equal(groups, c.groups) || !slices.Equal(roles, c.roles) || complete != c.complete {
				t.Errorf("groups %v roles %v complete %v, want %+v", groups, roles, complete, c)
			}
		})
	}
}

func TestMalformedClaimsAreRefusedAndChangeNothing(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	p, u := provider(t, db, "kc"), user(t, db, "ann")
	identity(t, db, u, p, "acc", "A")
	before := snapshot(t, db)
	for _, claims := range []string{`[]`, `"x"`, `null`, `{"groups": [1]}`, `{"groups": {"a": 1}}`, `{"roles": [["a"]]}`, `{"groups": ["a", null]}`} {
		harness.MustFail(t, db, "RW105", `SELECT auth.process_identity_claims($1, $2, $3)`, u, p, claims)
	}
	harness.MustFail(t, db, "RW105", `SELECT auth.process_identity_claims($1, $2, NULL)`, u, p)
	harness.MustFail(t, db, "RW105", `SELECT auth.ensure_user_from_provider($1, '  ')`, p)
	harness.MustFail(t, db, "RW105", `SELECT auth.ensure_user_from_provider($1, NULL)`, p)
	harness.MustFail(t, db, "RW105", `SELECT auth.ensure_user_from_provider($1, $2)`, p, strings.Repeat("x", 2049))
	harness.MustFail(t, db, "23514", login, p, "acc", []*string{nil})
	if after := snapshot(t, db); after != before {
		t.Errorf("something changed:\n%s\n%s", before, after)
	}
}

// snapshot is everything about users and identities, rows' versions included.
func snapshot(t testing.TB, q harness.Querier) string {
	t.Helper()
	return harness.One[string](t, q, `SELECT coalesce(string_agg(line, E'\n' ORDER BY line), '') FROM (
		SELECT u.xmin || u::text AS line FROM auth.user_info u UNION ALL SELECT i.xmin || i::text FROM auth.user_identity i) AS x`)
}

func TestEachRefusalHasItsOwnSQLSTATE(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ off, on, sqlstate string }{
		"provider disabled":               {`SELECT auth.disable_provider(provider_id) FROM auth.provider WHERE code = 'a'`, `SELECT auth.enable_provider(provider_id) FROM auth.provider`, "RW111"},
		"identity disabled":               {`SELECT auth.disable_user_identity(user_identity_id) FROM auth.user_identity`, `SELECT auth.enable_user_identity(user_identity_id) FROM auth.user_identity`, "RW112"},
		"user disabled":                   {`SELECT auth.disable_user(user_id) FROM auth.user_info`, `SELECT auth.enable_user(user_id) FROM auth.user_info`, "RW113"},
		"user locked":                     {`SELECT auth.lock_user(user_id) FROM auth.user_info`, `SELECT auth.unlock_user(user_id) FROM auth.user_info`, "RW114"},
		"user disabled by a plain UPDATE": {`UPDATE auth.user_info SET is_active = false`, `UPDATE auth.user_info SET is_active = true`, "RW113"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := harness.Database(t)
			p := provider(t, db, "a")
			u := ensure(t, db, p, "acc", []string{"A"}, `{}`)
			g := group(t, db, "g", "external")
			harness.Exec(t, db, `SELECT auth.create_group_mapping($1, $2, 'A')`, g, p)

			harness.Exec(t, db, c.off)
			before := snapshot(t, db)
			harness.MustFail(t, db, c.sqlstate, login, p, "acc", []string{"A"})
			harness.MustFail(t, db, c.sqlstate, login, p, "acc", []string{"other"})
			harness.MustFail(t, db, c.sqlstate, `SELECT auth.ensure_user_from_provider($1, 'acc')`, p)
			harness.MustFail(t, db, c.sqlstate, `SELECT auth.process_identity_claims($1, $2, '{}')`, u, p)
			harness.MustFail(t, db, c.sqlstate, `SELECT auth.switch_active_identity($1, $2)`, u, p)
			if got := harness.One[string](t, db, `SELECT concat_ws(' ', user_id, sqlstate) FROM auth.try_login($1, 'acc')`, p); got != c.sqlstate {
				t.Errorf("try_login says %q", got)
			}
			if after := snapshot(t, db); after != before {
				t.Errorf("a refused login changed something:\n%s\n%s", before, after)
			}
			if got := groupsOf(t, db, u); len(got) != 0 {
				t.Errorf("groups while %s: %v", name, got)
			}

			harness.Exec(t, db, c.on)
			harness.Exec(t, db, login, p, "acc", []string{"A"})
			if got := groupsOf(t, db, u); !slices.Equal(got, []string{"g"}) {
				t.Errorf("groups afterwards: %v", got)
			}
		})
	}
}

func TestNobodyNewComesInThroughADisabledProvider(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	p := provider(t, db, "a")
	harness.Exec(t, db, `SELECT auth.disable_provider($1)`, p)
	harness.MustFail(t, db, "RW111", `SELECT auth.ensure_user_from_provider($1, 'new')`, p)
	harness.MustFail(t, db, "RW111", `SELECT auth.sync_provider_identities($1, ARRAY['{"provider_user_id": "x"}']::jsonb[], true)`, p)
	harness.MustFail(t, db, "RW104", `SELECT auth.ensure_user_from_provider($1, 'new')`, provider(t, db, "b", `_creates_users => false`))
	harness.MustFail(t, db, "RW010", `SELECT auth.ensure_user_from_provider(gen_random_uuid(), 'new')`)
	harness.MustFail(t, db, "RW010", `SELECT auth.ensure_user_from_provider(NULL, 'new')`)
	if n := harness.One[int](t, db, `SELECT count(*) FROM auth.user_info`); n != 0 {
		t.Errorf("%d users", n)
	}
}

func TestARefusedLoginStaysInTheTrail(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	p := provider(t, db, "a")
	u := ensure(t, db, p, "acc", nil, `{}`)
	harness.Exec(t, db, `SELECT auth.lock_user($1)`, u)
	harness.Exec(t, db, `SELECT auth.try_login($1, 'acc')`, p)
	harness.Exec(t, db, `SELECT auth.try_login($1, ' ')`, p)
	got := harness.Column[string](t, db, `
		SELECT concat_ws(' ', user_id = $1, after ->> 'sqlstate', after ->> 'provider_user_id')
		FROM auth.audit_event WHERE event_code = 'login.refused' ORDER BY audit_event_id`, u)
	if !slices.Equal(got, []string{"t RW114 acc", "RW105  "}) {
		t.Errorf("got %q", got)
	}
	if got := harness.One[string](t, db, `SELECT user_id::text FROM auth.try_login($1, 'other')`, p); got == "" {
		t.Error("try_login does not let in who may come in")
	}
}

func TestClaimsForAProviderWithoutAnIdentityChangeNothing(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	a, b := provider(t, db, "a"), provider(t, db, "b")
	u := ensure(t, db, a, "acc", []string{"A"}, `{}`)
	before := snapshot(t, db)
	harness.MustFail(t, db, "RW102", `SELECT auth.process_identity_claims($1, $2, '{"groups": ["X"]}')`, u, b)
	harness.MustFail(t, db, "RW102", `SELECT auth.switch_active_identity($1, $2)`, u, b)
	harness.MustFail(t, db, "RW011", `SELECT auth.switch_active_identity(gen_random_uuid(), $1)`, b)
	harness.MustFail(t, db, "RW010", `SELECT auth.switch_active_identity($1, gen_random_uuid())`, u)
	if after := snapshot(t, db); after != before {
		t.Errorf("something changed:\n%s\n%s", before, after)
	}
}

func TestOfTwoIdentitiesAtOneProviderOneMustBeNamed(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	p, u := provider(t, db, "a"), user(t, db, "ann")
	first, second := identity(t, db, u, p, "admin-ann"), identity(t, db, u, p, "ann")
	refusal := harness.MustFail(t, db, "RW103", `SELECT auth.switch_active_identity($1, $2)`, u, p)
	if !strings.Contains(refusal.Detail, first) || !strings.Contains(refusal.Detail, second) {
		t.Errorf("the refusal does not name them: %s", refusal.Detail)
	}
	harness.MustFail(t, db, "RW103", `SELECT auth.process_identity_claims($1, $2, '{"sub": "somebody else"}')`, u, p)
	for account, claims := range map[string]string{"ann": `{"sub": "ann"}`, "admin-ann": `{"oid": "admin-ann", "sub": "ann"}`} {
		harness.Exec(t, db, `SELECT auth.process_identity_claims($1, $2, $3)`, u, p, claims)
		if got := harness.Column[string](t, db, `SELECT provider_user_id FROM auth.user_identity WHERE is_last_used`); !slices.Equal(got, []string{account}) {
			t.Errorf("claims %s are those of %v", claims, got)
		}
	}
	for _, i := range []string{first, second, first} {
		harness.Exec(t, db, `SELECT auth.switch_active_identity($1, $2, _user_identity_id => $3)`, u, p, i)
		if got := harness.Column[string](t, db, `SELECT user_identity_id::text FROM auth.user_identity WHERE is_last_used`); !slices.Equal(got, []string{i}) {
			t.Errorf("last used: %v, want %s", got, i)
		}
	}
	harness.MustFail(t, db, "RW102", `SELECT auth.switch_active_identity($1, $2, $3)`, user(t, db, "bob"), p, first)
}

func TestDeletingTheLastUsedIdentityMakesTheOneBeforeItCount(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	a, b, c := provider(t, db, "a"), provider(t, db, "b"), provider(t, db, "c")
	u := ensure(t, db, a, "acc", []string{"A"}, `{}`)
	identity(t, db, u, c, "acc", "C")
	last := identity(t, db, u, b, "acc", "B")
	harness.Exec(t, db, login, b, "acc", []string{"B"})
	harness.Exec(t, db, `SELECT auth.delete_user_identity($1)`, last)
	if got := harness.Column[string](t, db, `SELECT provider_code FROM auth.identity_overview WHERE is_last_used`); !slices.Equal(got, []string{"a"}) {
		t.Errorf("last used: %v", got)
	}
	harness.MustFail(t, db, "RW012", `SELECT auth.delete_user_identity($1)`, last)
}

func TestALoginThatBringsNothingNewTouchesOnlyTheLoginTime(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	p := provider(t, db, "a")
	ensure(t, db, p, "acc", []string{"A", "B"}, `{"x": 1}`)
	const state = `SELECT (to_jsonb(i) - 'last_login_at')::text FROM auth.user_identity i`
	before := harness.One[string](t, db, state)
	ensure(t, db, p, "acc", []string{"B", "A"}, `{"x": 1}`) // the same set in another order
	ensure(t, db, p, "acc", []string{"A", "B"}, `{"x": 1}`)
	if after := harness.One[string](t, db, state); after != before {
		t.Errorf("before %s\nafter  %s", before, after)
	}
	if n := harness.One[int](t, db, `SELECT count(*) FROM auth.audit_event WHERE event_code = 'identity.updated'`); n != 0 {
		t.Errorf("%d updates in the trail", n)
	}
	if n := harness.One[int](t, db, `SELECT count(*) FROM auth.audit_event WHERE event_code = 'login.succeeded'`); n != 3 {
		t.Errorf("%d logins in the trail, want 3", n)
	}
}

func TestLifecycleFunctionsSayWhetherTheyChangedSomething(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	p, u, g := provider(t, db, "a"), user(t, db, "ann"), group(t, db, "g", "hybrid")
	i := identity(t, db, u, p, "acc")
	missing := "00000000-0000-0000-0000-000000000000"
	for _, c := range []struct{ function, id, notFound string }{
		{"disable_provider", p, "RW010"}, {"enable_provider", p, "RW010"},
		{"disable_user", u, "RW011"}, {"enable_user", u, "RW011"}, {"lock_user", u, "RW011"}, {"unlock_user", u, "RW011"},
		{"disable_user_identity", i, "RW012"}, {"enable_user_identity", i, "RW012"},
		{"disable_user_group", g, "RW013"}, {"enable_user_group", g, "RW013"},
	} {
		sql := "SELECT auth." + c.function + "($1)"
		if !harness.One[bool](t, db, sql, c.id) {
			t.Errorf("%s says that it changed nothing", c.function)
		}
		before := snapshot(t, db)
		if harness.One[bool](t, db, sql, c.id) {
			t.Errorf("%s says that it changed something the second time", c.function)
		}
		if snapshot(t, db) != before {
			t.Errorf("%s changed something the second time", c.function)
		}
		harness.MustFail(t, db, c.notFound, sql, missing)
		harness.MustFail(t, db, c.notFound, sql, nil)
	}
	for _, c := range []struct{ function, id, notFound string }{
		{"delete_user_group", g, "RW013"}, {"delete_user_identity", i, "RW012"}, {"delete_user", u, "RW011"}, {"delete_provider", p, "RW010"},
	} {
		sql := "SELECT auth." + c.function + "($1)"
		harness.Exec(t, db, sql, c.id)
		harness.MustFail(t, db, c.notFound, sql, c.id)
	}
}

func TestAProviderWithIdentitiesIsDeletedOnlyWithThem(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	p := provider(t, db, "a")
	ensure(t, db, p, "acc", nil, `{}`)
	harness.MustFail(t, db, "23503", `SELECT auth.delete_provider($1)`, p)
	harness.Exec(t, db, `SELECT auth.delete_provider($1, _delete_identities => true)`, p)
	if n := harness.One[int](t, db, `SELECT (SELECT count(*) FROM auth.user_identity) * 10 + (SELECT count(*) FROM auth.user_info)`); n != 1 {
		t.Errorf("identities and users: %d, want none and one", n)
	}
}

func TestUpdateProviderKeepsWhatIsNotSaid(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	p := provider(t, db, "a", "_max_disable_count => 7")
	update := func(settings string) bool {
		return harness.One[bool](t, db, `SELECT auth.update_provider($1`+settings+`)`, p)
	}
	if update("") || !update(", _link_by => 'email', _max_disable_share => 0.5") || update(", _link_by => 'email'") {
		t.Error("update_provider does not say what it changed")
	}
	if got := harness.One[string](t, db, `SELECT concat_ws(' ', link_by, max_disable_share, max_disable_count) FROM auth.provider`); got != "email 0.5 7" {
		t.Errorf("got %s", got)
	}
	if !update(", _max_disable_count => -1") || harness.One[bool](t, db, `SELECT max_disable_count IS NOT NULL FROM auth.provider`) {
		t.Error("the limit stays")
	}
	harness.MustFail(t, db, "23514", `SELECT auth.update_provider($1, _link_by => 'phone')`, p)
	harness.MustFail(t, db, "23514", `SELECT auth.create_provider('b c', 'B', 'oidc')`)
	harness.MustFail(t, db, "23505", `SELECT auth.create_provider('a', 'A', 'oidc')`)
}
