package identity_test

import (
	"slices"
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

const mapGroup = `SELECT auth.create_group_mapping($1, $2, $3)::text`

func TestEffectiveGroupsSayWhereTheyComeFrom(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	p := provider(t, db, "entra")
	u := ensure(t, db, p, "acc", []string{"Devs"}, `{}`)
	internal, external, hybrid := group(t, db, "internal", "internal"), group(t, db, "external", "external"), group(t, db, "hybrid", "hybrid")
	for _, g := range []string{internal, hybrid} {
		harness.Exec(t, db, `SELECT auth.add_group_member($1, $2)`, g, u)
	}
	for _, g := range []string{external, hybrid} {
		harness.Exec(t, db, mapGroup, g, p, "Devs")
	}
	got := harness.Column[string](t, db, `SELECT concat_ws(' ', g.code, g.membership_source, g.provider_code, i.provider_user_id)
		FROM auth.effective_groups($1) g LEFT JOIN auth.user_identity i USING (user_identity_id) ORDER BY 1`, u)
	want := []string{"external external_mapping entra acc", "hybrid direct", "hybrid external_mapping entra acc", "internal direct"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	// Manual members stay when external groups change.
	harness.Exec(t, db, login, p, "acc", []string{})
	if got := groupsOf(t, db, u); !slices.Equal(got, []string{"hybrid", "internal"}) {
		t.Errorf("got %q", got)
	}
}

func TestGroupsFollowTheIdentityOfTheLogin(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	a, b := provider(t, db, "a"), provider(t, db, "b")
	ga, gb := group(t, db, "ga", "external"), group(t, db, "gb", "external")
	harness.Exec(t, db, mapGroup, ga, a, "G")
	harness.Exec(t, db, mapGroup, gb, b, "G")
	u := user(t, db, "ann")
	identity(t, db, u, a, "acc", "G")
	ib := identity(t, db, u, b, "acc", "G")
	check := func(when string, want ...string) {
		t.Helper()
		if got := groupsOf(t, db, u); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
	check("before any login", "ga", "gb")
	harness.Exec(t, db, login, a, "acc", []string{"G"})
	check("logged in through a", "ga")
	harness.Exec(t, db, login, b, "acc", []string{"G"})
	check("logged in through b", "gb")
	harness.Exec(t, db, `SELECT auth.disable_user_identity($1)`, ib)
	check("the last used identity disabled")
	harness.Exec(t, db, `SELECT auth.enable_user_identity($1)`, ib)
	check("and enabled", "gb")
	harness.Exec(t, db, `SELECT auth.disable_provider($1)`, b)
	check("its provider disabled")
	harness.Exec(t, db, `SELECT auth.enable_provider($1); `, b)
	check("and enabled", "gb")
	harness.Exec(t, db, `SELECT auth.disable_user_group($1)`, gb)
	check("the group disabled")
	harness.Exec(t, db, `SELECT auth.enable_user_group($1)`, gb)
	check("and enabled", "gb")
	harness.Exec(t, db, `SELECT auth.switch_active_identity($1, $2)`, u, a)
	check("switched to a", "ga")
}

func TestMappingsCountFromTheNextQuestionOn(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	p := provider(t, db, "a")
	u := ensure(t, db, p, "acc", []string{"G"}, `{}`)
	harness.Exec(t, db, `UPDATE auth.user_identity SET provider_roles = ARRAY['R']`)
	g := group(t, db, "g", "external")
	for _, names := range [][]any{{"G", nil}, {nil, "R"}, {"G", "nobody has it"}, {"nobody has it", "R"}} {
		m := harness.One[string](t, db, `SELECT auth.create_group_mapping($1, $2, $3, $4)::text`, g, p, names[0], names[1])
		if got := groupsOf(t, db, u); !slices.Equal(got, []string{"g"}) {
			t.Errorf("%v: %q", names, got)
		}
		harness.MustFail(t, db, "23505", `SELECT auth.create_group_mapping($1, $2, $3, $4)`, g, p, names[0], names[1])
		harness.Exec(t, db, `UPDATE auth.user_group_mapping SET is_active = false`)
		if got := groupsOf(t, db, u); len(got) != 0 {
			t.Errorf("%v disabled: %q", names, got)
		}
		harness.Exec(t, db, `SELECT auth.delete_group_mapping($1)`, m)
		harness.MustFail(t, db, "RW014", `SELECT auth.delete_group_mapping($1)`, m)
	}
	// A group's name is not a role's.
	harness.Exec(t, db, `SELECT auth.create_group_mapping($1, $2, 'R', 'G')`, g, p)
	if got := groupsOf(t, db, u); len(got) != 0 {
		t.Errorf("roles match groups: %q", got)
	}
	harness.MustFail(t, db, "23514", `SELECT auth.create_group_mapping($1, $2)`, g, p)
}

func TestNamesMatchAsTheProviderSays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		providerType, setting string
		want                  bool
	}{{"oidc", "NULL", false}, {"windows", "NULL", true}, {"ldap", "NULL", true}, {"windows", "'exact'", false}, {"oidc", "'ignore_case'", true}} {
		db := harness.Database(t)
		p := harness.One[string](t, db, `SELECT auth.create_provider('p', 'P', $1, _group_match => `+c.setting+`)::text`, c.providerType)
		u := ensure(t, db, p, "acc", []string{`CORP\Ärzte`}, `{}`)
		harness.Exec(t, db, mapGroup, group(t, db, "g", "external"), p, `corp\äRZTE`)
		if got := len(groupsOf(t, db, u)) == 1; got != c.want {
			t.Errorf("%s, group_match %s: %v", c.providerType, c.setting, got)
		}
		unmapped := harness.One[int](t, db, `SELECT count(*) FROM auth.unmapped_external_group`)
		if (unmapped == 0) != c.want {
			t.Errorf("%s, group_match %s: %d unmapped groups", c.providerType, c.setting, unmapped)
		}
	}
}

func TestAGroupsTypeDecidesWhoComesIn(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	p, u := provider(t, db, "a"), user(t, db, "ann")
	internal, external := group(t, db, "internal", "internal"), group(t, db, "external", "external")
	harness.MustFail(t, db, "RW301", `SELECT auth.add_group_member($1, $2)`, external, u)
	harness.MustFail(t, db, "RW303", `SELECT auth.create_group_mapping($1, $2, 'G')`, internal, p)
	harness.MustFail(t, db, "RW013", `SELECT auth.add_group_member(gen_random_uuid(), $1)`, u)
	harness.MustFail(t, db, "RW011", `SELECT auth.add_group_member($1, gen_random_uuid())`, internal)
	harness.MustFail(t, db, "RW010", `SELECT auth.create_group_mapping($1, gen_random_uuid(), 'G')`, external)
	// Past the functions, a row of the wrong kind counts for nothing.
	identity(t, db, u, p, "acc", "G")
	harness.Exec(t, db, `INSERT INTO auth.user_group_member (user_group_id, user_id) VALUES ($1, $2)`, external, u)
	harness.Exec(t, db, `INSERT INTO auth.user_group_mapping (user_group_id, provider_id, external_group_name) VALUES ($1, $2, 'G')`, internal, p)
	if got := groupsOf(t, db, u); len(got) != 0 {
		t.Errorf("got %q", got)
	}
}

func TestChangingAGroupsTypeSaysWhatItWouldDrop(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	p, g := provider(t, db, "entra"), group(t, db, "g", "hybrid")
	harness.Exec(t, db, `SELECT auth.add_group_member($1, $2)`, g, user(t, db, "ann"))
	harness.Exec(t, db, mapGroup, g, p, "Devs")

	refusal := harness.MustFail(t, db, "RW302", `SELECT auth.update_user_group($1, _group_type => 'external')`, g)
	if refusal.Detail != `1 manual members: "ann".` {
		t.Errorf("DETAIL %s", refusal.Detail)
	}
	refusal = harness.MustFail(t, db, "RW302", `SELECT auth.update_user_group($1, _group_type => 'internal')`, g)
	if refusal.Detail != `1 mappings: entra "Devs".` {
		t.Errorf("DETAIL %s", refusal.Detail)
	}
	const left = `SELECT (SELECT count(*) FROM auth.user_group_member) * 10 + (SELECT count(*) FROM auth.user_group_mapping)`
	if n := harness.One[int](t, db, left); n != 11 {
		t.Errorf("a refusal dropped something: %d", n)
	}
	harness.Exec(t, db, `SELECT auth.update_user_group($1, _group_type => 'internal', _drop => true)`, g)
	if n := harness.One[int](t, db, left); n != 10 {
		t.Errorf("left: %d", n)
	}
	harness.Exec(t, db, `SELECT auth.update_user_group($1, _group_type => 'external', _drop => true)`, g)
	if n := harness.One[int](t, db, left); n != 0 {
		t.Errorf("left: %d", n)
	}
	if harness.One[bool](t, db, `SELECT auth.update_user_group($1, 'g', 'external')`, g) {
		t.Error("nothing to do, and it says that it did something")
	}
}

func TestAMembershipEndsAtItsMoment(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	g, u := group(t, db, "g", "internal"), user(t, db, "ann")
	for until, want := range map[string]int{"infinity": 1, "tomorrow": 1, "now": 0, "yesterday": 0} {
		harness.Exec(t, db, `SELECT auth.add_group_member($1, $2, $3::text::timestamptz)`, g, u, until)
		if got := groupsOf(t, db, u); len(got) != want {
			t.Errorf("until %s: %q", until, got)
		}
	}
	add := func(until any) bool {
		return harness.One[bool](t, db, `SELECT auth.add_group_member($1, $2, $3)`, g, u, until)
	}
	if !add(nil) || add(nil) {
		t.Error("add_group_member does not say what it changed")
	}
	remove := func() bool { return harness.One[bool](t, db, `SELECT auth.remove_group_member($1, $2)`, g, u) }
	if !remove() || remove() {
		t.Error("remove_group_member does not say what it changed")
	}
	harness.MustFail(t, db, "RW013", `SELECT auth.remove_group_member(gen_random_uuid(), $1)`, u)
	harness.MustFail(t, db, "RW011", `SELECT auth.remove_group_member($1, gen_random_uuid())`, g)
}

func TestDeletingAUserTakesEverythingButTheTrail(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	p, g := provider(t, db, "a"), group(t, db, "g", "hybrid")
	u := ensure(t, db, p, "acc", []string{"G"}, `{}`)
	harness.Exec(t, db, `SELECT auth.add_group_member($1, $2)`, g, u)
	harness.Exec(t, db, `SELECT auth.delete_user($1)`, u)
	got := harness.Column[string](t, db, `SELECT event_code FROM auth.audit_event WHERE user_id = $1 AND before IS NOT NULL AND after IS NULL ORDER BY 1`, u)
	if !slices.Equal(got, []string{"identity.deleted", "member.removed", "user.deleted"}) {
		t.Errorf("in the trail: %q", got)
	}
	if again := ensure(t, db, p, "acc", nil, `{}`); again == u {
		t.Error("the deleted user is back")
	}
	harness.Exec(t, db, `SELECT auth.delete_user_group($1)`, g)
}

func TestViewsAnswerWhatTheReferenceAsksByHand(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	a, b := provider(t, db, "a"), provider(t, db, "b")
	u := ensure(t, db, a, "ann", []string{"x", "y"}, `{}`)
	identity(t, db, u, b, "ann", "z")
	harness.Exec(t, db, `UPDATE auth.user_identity SET last_login_at = now() - interval '91 days' WHERE provider_id = $1`, a)
	for sql, want := range map[string]string{
		`SELECT string_agg(concat_ws(' ', provider_code, total_users, active_users, recent_logins), ', ' ORDER BY provider_code) FROM auth.provider_statistics`:                    "a 1 1 0, b 1 0 0",
		`SELECT string_agg(concat_ws(' ', provider_code, username, provider_user_id, is_last_used), ', ' ORDER BY provider_code) FROM auth.identity_overview`:                      "a ann ann t, b ann ann f",
		`SELECT string_agg(concat_ws(' ', provider_code, extract(day FROM time_since_login)), ', ' ORDER BY provider_code) FROM auth.stale_identity`:                               "a 91, b",
		`SELECT string_agg(concat_ws(' ', provider_code, external_kind, external_name, identities), ', ' ORDER BY provider_code, external_name) FROM auth.unmapped_external_group`: "a group x 1, a group y 1, b group z 1",
	} {
		if got := harness.One[string](t, db, sql); got != want {
			t.Errorf("got %s, want %s from\n%s", got, want, sql)
		}
	}
}
