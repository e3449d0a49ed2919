package permission_test

import (
	"testing"
	"time"

	"github.com/rolewright/rolewright/tests/harness"
)

// How something of Ann's may end: the statement sets the end, which is an argument called @end.
var endings = map[string]struct{ grant, end, with string }{
	"assignment of a mapped group": {"", `SELECT auth.assign_permission('orders', _user_group_id => @staff, _valid_until => @end)`, "assignment"},
	"assignment of a role's group": {"", `SELECT auth.assign_permission('orders', _user_group_id => @clerks, _valid_until => @end)`, "assignment"},
	"assignment of a set":          {"", `SELECT auth.assign_permission(_perm_set => 'selling', _user_group_id => @staff, _valid_until => @end)`, "assignment"},
	"assignment of a member's":     {"", `SELECT auth.assign_permission('orders', _user_group_id => @helpers, _valid_until => @end)`, "assignment"},
	"direct assignment":            {"", `SELECT auth.assign_permission('orders', _user_id => @ann, _valid_until => @end)`, "assignment"},
	"direct assignment of a set":   {"", `SELECT auth.assign_permission(_perm_set => 'selling', _user_id => @ann, _valid_until => @end)`, "assignment"},
	"membership":                   {"member", `SELECT auth.add_group_member(@helpers, @ann, _valid_until => @end)`, "membership"},
	"membership, set assigned":     {"member set", `SELECT auth.add_group_member(@helpers, @ann, _valid_until => @end)`, "membership"},
	"a DBA's UPDATE":               {"mapping", `UPDATE auth.permission_assignment SET valid_until = @end`, "assignment"},
	"a DBA's UPDATE of the member": {"member", `UPDATE auth.user_group_member SET valid_until = @end`, "membership"},
}

func (w world) end(t testing.TB, sql string, end any) {
	t.Helper()
	w.ids["end"] = end
	w.exec(t, sql)
}

func TestWhatEndsIsOverWithNoJobRunning(t *testing.T) {
	t.Parallel()
	for name, e := range endings {
		for cache, prepare := range map[string]func(world, testing.TB){"warm": world.fill, "cold": world.clear} {
			t.Run(name+", "+cache, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, e.grant)
				end := harness.One[time.Time](t, w, `SELECT clock_timestamp() + interval '300 ms'`)
				w.end(t, e.end, end)
				prepare(w, t)
				// Compared with the moment of each question, so that a slow machine makes no difference.
				seen := map[bool]bool{}
				for !seen[false] {
					r := harness.Rows[struct {
						Want, Has, Listed, Holder, Explained bool
					}](t, w, `
						SELECT statement_timestamp() < $2 AS want, auth.has_permission($1, 'orders.read') AS has,
						       EXISTS (SELECT FROM auth.effective_permissions($1) WHERE permission_code = 'orders.read') AS listed,
						       EXISTS (SELECT FROM auth.users_with_permission('orders.read') WHERE user_id = $1) AS holder,
						       (SELECT bool_or(is_granted) FROM auth.explain_permission($1, 'orders.read')) AS explained`, w.ids["ann"], end)[0]
					if got := (answers{r.Has, r.Listed, r.Holder, r.Explained}); got != (answers{r.Want, r.Want, r.Want, r.Want}) {
						t.Fatalf("got %+v, want %v", got, r.Want)
					}
					seen[r.Want] = true
					time.Sleep(10 * time.Millisecond)
				}
			})
		}
	}
}

func TestANewEndTakesThePlaceOfTheOldOne(t *testing.T) {
	t.Parallel()
	for name, e := range endings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, e.grant)
			for _, s := range []struct {
				end  any
				want bool
			}{
				{"2000-01-01Z", false}, {"2500-01-01Z", true}, {"2400-06-01 12:00:00.123456+02", true}, {"-infinity", false},
				{"infinity", true}, {"2000-01-01Z", false}, {"20000-01-01Z", true}, {"0044-03-15 BC", false}, {nil, true},
			} {
				w.end(t, e.end, s.end)
				w.check(t, "until "+w.one(t, `SELECT @end::timestamptz`), "orders.read", s.want)
			}
		})
	}
}

func TestEndsAreSaidWhereverTheAnswerIsYes(t *testing.T) {
	t.Parallel()
	const said = `
		SELECT concat_ws(' | ',
			(SELECT coalesce(valid_until::text, 'never') FROM auth.effective_permissions(@ann) WHERE permission_code = 'orders.read'),
			(SELECT coalesce(valid_until::text, 'never') FROM auth.users_with_permission('orders.read') WHERE user_id = @ann),
			(SELECT concat_ws(' ', coalesce(valid_until::text, 'never'), ends_with) FROM auth.explain_permission(@ann, 'orders.read')))`
	for name, e := range endings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, e.grant)
			harness.Exec(t, w, `ALTER DATABASE `+w.Name+` SET timezone = 'UTC'`)
			w.Pool.Reset()
			for end, want := range map[any]string{
				"2500-01-01Z": `2500-01-01 00:00:00+00 | 2500-01-01 00:00:00+00 | 2500-01-01 00:00:00+00 ` + e.with,
				"infinity":    `infinity | infinity | infinity ` + e.with,
				nil:           `never | never | never`,
			} {
				w.end(t, e.end, end)
				if got := w.one(t, said); got != want {
					t.Errorf("until %v: got %q, want %q", end, got, want)
				}
			}
		})
	}
}

func TestOfAnAssignmentAndAMembershipTheEarlierEndCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.exec(t, `SELECT auth.assign_permission('orders', _user_group_id => @helpers, _valid_until => '2500-01-01Z')`)
	for end, want := range map[string]string{"2400-01-01Z": "2400 membership", "2600-01-01Z": "2500 assignment"} {
		w.end(t, `SELECT auth.add_group_member(@helpers, @ann, @end)`, end)
		if got := w.one(t, `SELECT concat(extract(year FROM valid_until AT TIME ZONE 'UTC'), ' ', ends_with) FROM auth.explain_permission(@ann, 'orders')`); got != want {
			t.Errorf("membership until %s: got %q, want %q", end, got, want)
		}
	}
}

func TestOfSeveralSourcesTheLastEndCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	until := func(want string) {
		t.Helper()
		if got := w.column(t, `
			SELECT coalesce(extract(year FROM valid_until AT TIME ZONE 'UTC')::text, 'never')
			FROM auth.effective_permissions(@ann) WHERE permission_code = 'orders.read'
			UNION ALL
			SELECT coalesce(extract(year FROM valid_until AT TIME ZONE 'UTC')::text, 'never') FROM auth.users_with_permission('orders.read')
			UNION ALL
			(SELECT coalesce(extract(year FROM valid_until AT TIME ZONE 'UTC')::text, 'never') FROM auth.explain_permission(@ann, 'orders.read') LIMIT 1)`); len(got) != 3 ||
			got[0] != want || got[1] != want || got[2] != want {
			t.Errorf("got %q, want three times %s", got, want)
		}
		w.check(t, "until "+want, "orders.read", true)
	}
	w.exec(t, `SELECT auth.assign_permission('orders', _user_group_id => @staff, _valid_until => '2300-06-01Z')`)
	until("2300")
	w.exec(t, `SELECT auth.assign_permission('orders.read', _user_group_id => @staff, _valid_until => '2400-06-01Z')`)
	until("2400")
	w.exec(t, `SELECT auth.assign_permission(_perm_set => 'selling', _user_group_id => @staff, _valid_until => '2000-06-01Z')`)
	until("2400")
	w.exec(t, `SELECT auth.assign_permission('orders', _user_id => @ann, _valid_until => '2500-06-01Z')`)
	until("2500")
	w.exec(t, `SELECT auth.assign_permission(_perm_set => 'selling', _user_group_id => @helpers)`)
	until("never")
}

// Ends are kept as text in the cache; who sets them may write dates in other ways than who asks.
func TestEndsMeanTheSameInEveryTimeZoneAndDateStyle(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	end := harness.One[time.Time](t, w, `SELECT clock_timestamp() + interval '1 hour'`)
	for _, setting := range []string{`SET timezone = 'Pacific/Kiritimati'; SET datestyle = 'SQL, DMY'`, `SET timezone = 'Pacific/Pago_Pago'; SET datestyle = 'German'`} {
		conn := harness.Connect(t, w.OwnerURL)
		harness.Exec(t, conn, setting)
		w.ids["end"] = end
		for _, moved := range []struct {
			by   time.Duration
			want bool
		}{{0, true}, {-61 * time.Minute, false}} {
			w.ids["end"] = end.Add(moved.by)
			w.execIn(t, conn, endings["assignment of a mapped group"].end)
			w.expect(t, w, setting, "orders.read", moved.want)
			w.expect(t, conn, setting, "orders.read", moved.want)
		}
	}
}
