package grant_test

import (
	"strings"
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

// since16 skips what older versions do not have.
func (w *world) since16(t testing.TB) {
	t.Helper()
	if w.major < 16 {
		t.Skipf("PostgreSQL %d", w.major)
	}
}

// A membership is given, gets more and fewer options, and ends, each as the only change.
func TestMembershipsAreWhatIsDeclared(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, `CREATE ROLE #group; CREATE ROLE #other`)
	for _, c := range [][2]string{
		{`{"type": "membership", "role": "#group"}`, "in #group"},
		{`{"type": "membership", "role": "#group", "admin": true}`, "in #group admin"},
		{`{"type": "membership", "role": "#group"}, {"type": "membership", "role": "#other"}`, "in #group; in #other"},
		{`{"type": "membership", "role": "#other", "inherit": true, "set": true, "admin": false}`, "in #other"},
		{``, ""},
	} {
		if w.sync(t, one("#x", c[0])) == "" {
			t.Errorf("nothing done for %s", c[0])
		}
		w.has(t, "#x", c[1])
	}
	equal(t, "twice the same", w.sync(t, one("#x", `{"type": "membership", "role": "#group"}, {"type": "membership", "role": "#group"}`)), "GRANT #group TO #x")
	equal(t, "differing", w.refuses(t, w.DB, "RW520", one("#x", `{"type": "membership", "role": "#group"}, {"type": "membership", "role": "#group", "admin": true}`)),
		`role #x: two memberships in "#group" differ.`)
	if w.major < 16 {
		equal(t, "options of 16", w.refuses(t, w.DB, "RW520", one("#x", `{"type": "membership", "role": "#group", "inherit": false}`, `{"type": "membership", "role": "#other", "set": false}`)),
			"role #x, grant 1: inherit: PostgreSQL 15 and older take it from the role's own attribute.\nrole #x, grant 2: set: PostgreSQL 15 and older have no such option.")
		return
	}
	for _, c := range [][2]string{
		{`{"type": "membership", "role": "#group", "inherit": false}`, "in #group noinherit"},
		{`{"type": "membership", "role": "#group", "inherit": true, "set": false}`, "in #group noset"},
		{`{"type": "membership", "role": "#group", "inherit": false, "set": false, "admin": true}`, "in #group admin noinherit noset"},
		{`{"type": "membership", "role": "#group", "set": true}`, "in #group"},
	} {
		w.sync(t, one("#x", c[0]))
		w.has(t, "#x", c[1])
	}
	// Absent: as the member's attribute.
	w.dba(t, "ALTER ROLE #x NOINHERIT")
	w.sync(t, one("#x", `{"type": "membership", "role": "#group"}`))
	w.has(t, "#x", "in #group noinherit")
}

// From PostgreSQL 16 on a membership exists once per grantor: what others gave ends as theirs, or stays where it is enough.
func TestMembershipsOfSeveralGrantorsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.since16(t)
	w.exec(t, `CREATE ROLE #group; CREATE ROLE #boss; GRANT #group TO #boss WITH ADMIN OPTION`)
	group := one("#x", `{"type": "membership", "role": "#group"}`)
	w.dba(t, "SET ROLE #boss; GRANT #group TO #x")
	equal(t, "given by #boss", w.sync(t, group), "")
	w.dba(t, "SET ROLE #boss; GRANT #group TO #x WITH ADMIN OPTION")
	w.sync(t, group)
	w.same(t, w.DB, "SELECT grantor || ' ' || admin FROM oracle.member WHERE held = '#group' AND member = '#x'", "rolewright_owner false")
	w.dba(t, "SET ROLE #boss; GRANT #group TO #x WITH INHERIT FALSE")
	equal(t, "both are more than one", w.sync(t, group), "")
	w.sync(t, one("#x", `{"type": "membership", "role": "#group", "set": false}`))
	w.has(t, "#x", "in #group noset")
	w.dba(t, "SET ROLE #boss; GRANT #group TO #x")
	w.sync(t, one("#x"))
	w.has(t, "#x", "")
	// A superuser's is a superuser's.
	w.dba(t, "GRANT #group TO #x")
	detail := w.refuses(t, w.DB, "RW522", one("#x"))
	if !strings.Contains(detail, "#x: #group: a superuser gave it; it would take: REVOKE #group FROM #x GRANTED BY ") {
		t.Error(detail)
	}
	w.syncAs(t, w.super, one("#x"))
	w.has(t, "#x", "")
}

// The membership that PostgreSQL 16 and later give to who makes a role is no drift.
func TestTheAdminRowOfACreatorIsNoDrift(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.since16(t)
	w.exec(t, `CREATE ROLE #maker CREATEROLE`)
	w.dba(t, `SET ROLE #maker; CREATE ROLE #made`)
	equal(t, "the plan", w.sync(t, one("#maker")), "")
	w.has(t, "#maker", "in #made admin noinherit noset")
}

// Who administers a role only as a member of somebody whose rights he does not inherit, has to act as that one.
func TestRolesThatAreAdministeredAtSecondHand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, `CREATE ROLE #maker CREATEROLE`)
	w.dba(t, `SET ROLE #maker; CREATE ROLE #made`)
	grant := one("#x", `{"type": "membership", "role": "#made"}`)
	if plan := w.plan(t, w.DB, grant); strings.HasPrefix(plan, "conflict ") {
		w.refuses(t, w.DB, "RW522", grant)
	} else {
		w.sync(t, grant)
		w.has(t, "#x", "in #made")
	}
	login := one("#made", `{"type": "login"}`)
	if plan := w.plan(t, w.DB, login); strings.HasPrefix(plan, "conflict ") {
		w.refuses(t, w.DB, "RW522", login)
	} else {
		w.sync(t, login)
	}
}

// Whoever may not administer a group any more takes nobody with him: what he had given is given again.
func TestMembershipsGivenOnStayWithOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, `CREATE ROLE #group; CREATE ROLE #one; CREATE ROLE #two; GRANT #group TO #x WITH ADMIN OPTION; GRANT #group TO #two`)
	w.dba(t, "SET ROLE #x; GRANT #group TO #one WITH ADMIN OPTION; GRANT #group TO #two; RESET ROLE; SET ROLE #one; GRANT #group TO #two")
	given := w.state(t, "#one")
	w.sync(t, one("#x"))
	w.has(t, "#x", "")
	w.has(t, "#one", given)
	if w.major >= 16 {
		w.same(t, w.DB, "SELECT member || ' by ' || grantor FROM oracle.member WHERE held = '#group' AND member IN ('#one', '#two') ORDER BY member, grantor <> '#one'", "#one by rolewright_owner; #two by #one; #two by rolewright_owner")
	} else {
		w.has(t, "#two", "in #group")
	}
	w.sync(t, `{"roles": {"#one": {"grants": []}, "#two": {"grants": [{"type": "membership", "role": "#group"}]}}}`)
	w.has(t, "#one", "")
	w.has(t, "#two", "in #group")
}

// Who is made a member of a role that is made too, and in circles.
func TestMembershipsInWhatIsMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sync(t, `{"roles": {"#child": {"grants": [{"type": "login"}, {"type": "membership", "role": "#parent"}]}, "#parent": {"grants": [{"type": "membership", "role": "#x"}, {"type": "schema", "name": "app", "privileges": ["USAGE"]}]}, "#x": {"grants": []}}}`)
	w.has(t, "#child", "in #parent")
	w.has(t, "#parent", "in #x; schema app: USAGE")
	before := w.others(t)
	if _, err := w.Pool.Exec(t.Context(), "SELECT auth.sync_roles($1)", w.name(`{"roles": {"#child": {"grants": [{"type": "membership", "role": "#parent"}]}, "#x": {"grants": [{"type": "membership", "role": "#child"}]}, "#parent": {"grants": [{"type": "membership", "role": "#x"}]}}}`)); err == nil {
		t.Error("a circle is possible")
	}
	equal(t, "afterwards", w.others(t), before)
	// The direction turns round in one plan.
	w.sync(t, `{"roles": {"#child": {"grants": []}, "#parent": {"grants": [{"type": "membership", "role": "#child"}]}}}`)
	w.has(t, "#parent", "in #child")
}

// Memberships in predefined roles are memberships too, where the caller may give them.
func TestMembershipsInPredefinedRoles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	grant := one("#x", `{"type": "membership", "role": "pg_read_all_data"}`)
	if w.major >= 16 {
		detail := w.refuses(t, w.DB, "RW522", grant)
		if !strings.Contains(detail, "#x: pg_read_all_data: rolewright_owner does not administer pg_read_all_data") {
			t.Error(detail)
		}
	}
	w.syncAs(t, w.super, grant)
	w.has(t, "#x", "in pg_read_all_data")
	w.syncAs(t, w.super, one("#x"))
	w.has(t, "#x", "")
	// Nobody becomes Rolewright's owner or a protected role by a declaration of somebody who is not that.
	w.mustFailAny(t, w.DB, one("#x", `{"type": "membership", "role": "postgres"}`))
	w.dba(t, "CREATE ROLE #safe; SELECT auth.protect_role('#safe')")
	w.refuses(t, w.DB, "RW522", one("#x", `{"type": "membership", "role": "#safe"}`))
}

// mustFailAny says that a declaration is refused, with a SQLSTATE of ours.
func (w *world) mustFailAny(t testing.TB, q harness.Querier, declaration string) {
	t.Helper()
	_, err := q.Exec(t.Context(), "SELECT auth.sync_roles($1)", w.name(declaration))
	if !strings.HasPrefix(state(err), "RW5") {
		t.Errorf("got %v for %s", err, declaration)
	}
}
