package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	checkTime   = 250 * time.Millisecond // thousands of checks
	manualUsers = 10_000
	bigGroup    = 50_000
)

// Group n gives thing n % 100, a node of the tree or a set of the same size; a user's ten groups are of ten things. Both mappings and
// people make members of it. What is in area 19 is given until an end.
const permissionModel = `
INSERT INTO auth.permission (code)
SELECT 'area' || a FROM generate_series(0, 19) a
UNION ALL SELECT 'area' || r / 5 || '.thing' || r % 5 FROM generate_series(0, 99) r
UNION ALL SELECT 'area' || r / 5 || '.thing' || r % 5 || '.action' || x FROM generate_series(0, 99) r, generate_series(0, 4) x
UNION ALL SELECT unnest('{direct,big,big.extra}'::text[])
UNION ALL SELECT 'big.wide.p' || n FROM generate_series(1, 30) n
UNION ALL SELECT 'big.wide';

INSERT INTO auth.perm_set (code, name) SELECT 'set-' || r, 'Set ' || r FROM generate_series(0, 99) r;
INSERT INTO auth.perm_set_permission (perm_set_id, permission_code)
SELECT s.perm_set_id, 'area' || r / 5 || '.thing' || r % 5 || '.action' || x
FROM generate_series(0, 99) r JOIN auth.perm_set s ON s.code = 'set-' || r, generate_series(0, 4) x
UNION ALL
SELECT s.perm_set_id, 'area' || (r + 1) % 100 / 5 || '.thing' || (r + 1) % 5 || '.action0'
FROM generate_series(0, 99) r JOIN auth.perm_set s ON s.code = 'set-' || r;

INSERT INTO auth.user_group (code, name, group_type)
SELECT 'group-' || n, 'Group ' || n, 'hybrid' FROM generate_series(0, 499) n
UNION ALL SELECT 'big', 'Big', 'hybrid';
INSERT INTO auth.user_group_mapping (user_group_id, provider_id, external_group_name)
SELECT g.user_group_id, p.provider_id, g.code FROM auth.user_group g, auth.provider p WHERE g.code <> 'big';
INSERT INTO auth.user_group_mapping (user_group_id, provider_id, external_role_name)
SELECT g.user_group_id, p.provider_id, 'big' FROM auth.user_group g, auth.provider p WHERE g.code = 'big';

INSERT INTO auth.permission_assignment (user_group_id, permission_code, perm_set_id, valid_until)
SELECT g.user_group_id,
       CASE WHEN n < 250 THEN 'area' || n % 100 / 5 || '.thing' || n % 5 END,
       CASE WHEN n >= 250 THEN s.perm_set_id END,
       CASE WHEN n % 100 >= 95 THEN now() + '1 year'::interval END
FROM generate_series(0, 499) n
JOIN auth.user_group g ON g.code = 'group-' || n
JOIN auth.perm_set s ON s.code = 'set-' || n % 100;

CREATE FUNCTION floor.nothing(uuid, text) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER AS
    'BEGIN RETURN true; END';
CREATE FUNCTION floor.lookup(uuid, text) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER AS
    'BEGIN IF (SELECT u.is_active FROM auth.user_info u WHERE u.user_id = $1) THEN RETURN true; END IF; RETURN false; END';
CREATE TABLE floor.checked (user_id uuid, permission_code text, lacking_code text);`

// permission measures checks beside one SELECT by primary key.
func (b *bench) permission(ctx context.Context) error {
	url, err := b.database(ctx, "permission")
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	people, err := preparePermissions(ctx, conn, b.rounds)
	if err != nil {
		return err
	}
	if err := b.checks(ctx, url, conn, people); err != nil {
		return err
	}
	if err := b.expressions(ctx, conn, people); err != nil {
		return err
	}
	return b.changes(ctx, url, conn, people)
}

// people are disjoint. The warm ones are the members of the big group.
type people struct {
	warm, cold, direct, manual, same, moved, filled []account
}

func preparePermissions(ctx context.Context, conn *pgx.Conn, rounds int) (*people, error) {
	accounts, err := prepareAccounts(ctx, conn)
	if err != nil {
		return nil, err
	}
	p := &people{
		warm: accounts[:bigGroup], cold: accounts[50_000:55_000], direct: accounts[55_000:60_000],
		same: accounts[60_000:70_000], moved: accounts[70_000:75_000], filled: accounts[75_000:],
	}
	if _, err := conn.Exec(ctx, permissionModel); err != nil {
		return nil, err
	}
	for sql, accounts := range map[string][]account{
		`INSERT INTO auth.permission_assignment (user_id, permission_code) SELECT unnest($1::uuid[]), 'direct'`: p.direct,
		`UPDATE auth.user_identity SET provider_roles = '{member,big}' WHERE user_id = ANY ($1)`:                p.warm,
	} {
		if _, err := conn.Exec(ctx, sql, ids(accounts)); err != nil {
			return nil, err
		}
	}
	start := time.Now()
	for filled := int64(1); filled > 0; {
		if err := conn.QueryRow(ctx, `SELECT auth.fill_permission_cache()`).Scan(&filled); err != nil {
			return nil, err
		}
	}
	took := time.Since(start)

	rows, err := conn.Query(ctx, fmt.Sprintf(`
		WITH person AS (
			INSERT INTO auth.user_info (username, display_name)
			SELECT 'manual' || g, 'Manual' FROM generate_series(1, %d) g
			RETURNING user_id, substr(username, 7)::integer AS no
		), member AS (
			INSERT INTO auth.user_group_member (user_group_id, user_id)
			SELECT g.user_group_id, p.user_id
			FROM person p, generate_series(1, 10) k
			JOIN auth.user_group g ON true
			WHERE g.code = 'group-' || (p.no * 7 + k * 13) %% 500
			RETURNING user_id
		)
		SELECT '' , '', '', p.user_id::text, ARRAY(SELECT 'group-' || (p.no * 7 + k * 13) %% 500 FROM generate_series(1, 10) k)
		FROM person p`, manualUsers))
	if err != nil {
		return nil, err
	}
	if p.manual, err = pgx.CollectRows(rows, pgx.RowToStructByPos[account]); err != nil {
		return nil, err
	}
	if err := makeCold(ctx, conn, p.cold); err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, `VACUUM ANALYZE`); err != nil {
		return nil, err
	}

	var each float64
	if err := conn.QueryRow(ctx, `
		SELECT avg((SELECT count(*) FROM auth.effective_permissions(u)))::float8 FROM unnest($1::uuid[]) u`,
		ids(p.warm[:1000])).Scan(&each); err != nil {
		return nil, err
	}
	fmt.Printf("permission checks: %d users, 500 permissions, each has %.1f through 10 groups; medians of %d rounds\n",
		loginUsers, each, rounds)
	fmt.Printf("  filling the cache took %.1f s, %.0f µs a user\n", took.Seconds(), took.Seconds()*1e6/loginUsers)
	return p, nil
}

func makeCold(ctx context.Context, conn *pgx.Conn, accounts []account) error {
	_, err := conn.Exec(ctx, `UPDATE auth.user_identity SET mapped_ways = NULL WHERE user_id = ANY ($1) AND mapped_ways IS NOT NULL`,
		ids(accounts))
	return err
}

func ids(accounts []account) []string {
	list := make([]string, len(accounts))
	for i := range accounts {
		list[i] = accounts[i].UserID
	}
	return list
}

// things are what the account's groups give: numbers of nodes, less than 95 without an end.
func (a *account) things() []int {
	list := make([]int, len(a.Groups))
	for i, group := range a.Groups {
		n, _ := strconv.Atoi(strings.TrimPrefix(group, "group-"))
		list[i] = n % 100
	}
	return list
}

func codeOf(thing int) string {
	return fmt.Sprintf("area%d.thing%d.action%d", thing/5, thing%5, 1+rand.IntN(4))
}

// yes is a permission that the account has without an end, no is one that it lacks, timed is one with an end.
func (a *account) yes() string {
	things := a.things()
	for {
		if thing := things[rand.IntN(len(things))]; thing < 95 {
			return codeOf(thing)
		}
	}
}

func (a *account) no() string {
	things := a.things()
	for {
		if thing := rand.IntN(100); !slices.Contains(things, thing) {
			return codeOf(thing)
		}
	}
}

func (a *account) timed() string {
	for _, thing := range a.things() {
		if thing >= 95 {
			return codeOf(thing)
		}
	}
	return ""
}

const check = `SELECT auth.has_permission($1, $2)`

func (b *bench) checks(ctx context.Context, url string, conn *pgx.Conn, p *people) error {
	one := func(code func(*account) string) func(*account) (string, []any) {
		return func(a *account) (string, []any) { return check, []any{a.UserID, code(a)} }
	}
	withEnd := slices.DeleteFunc(slices.Clone(p.warm), func(a account) bool { return a.timed() == "" })
	asked := []struct {
		subject
		want bool
	}{
		{subject{name: "warm, yes", accounts: p.warm, call: one((*account).yes)}, true},
		{subject{name: "warm, no", accounts: p.warm, call: one((*account).no)}, false},
		{subject{name: "yes, member put in by hand", accounts: p.manual, call: one((*account).yes)}, true},
		{subject{name: "no, member put in by hand", accounts: p.manual, call: one((*account).no)}, false},
		{subject{name: "yes, assigned to the user", accounts: p.direct, call: one(func(*account) string { return "direct" })}, true},
		{subject{name: "yes, assigned with an end", accounts: withEnd, call: one((*account).timed)}, true},
		{subject{name: "cold, yes", accounts: p.cold, call: one((*account).yes)}, true},
		{subject{name: "cold, no", accounts: p.cold, call: one((*account).no)}, false},
		{subject{name: "has_permissions, 5 codes, yes", accounts: p.warm, call: func(a *account) (string, []any) {
			return `SELECT auth.has_permissions($1, $2)`, []any{a.UserID, []string{a.yes(), a.yes(), a.yes(), a.yes(), a.yes()}}
		}}, true},
	}
	// What is measured is what it says.
	for _, s := range asked {
		for range 200 {
			var got bool
			sql, args := s.call(&s.accounts[rand.IntN(len(s.accounts))])
			if err := conn.QueryRow(ctx, sql, args...).Scan(&got); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			if got != s.want {
				return fmt.Errorf("%s: %v is %t", s.name, args, got)
			}
		}
	}

	var next atomic.Int64
	login := `SELECT auth.update_user_identity_on_login($1, $2, $3, $4)`
	for _, clients := range []int{1, 4} {
		subjects := []*subject{
			{name: "floor: SELECT by primary key", accounts: p.warm, call: func(a *account) (string, []any) {
				return `SELECT username FROM auth.user_info WHERE user_id = $1`, []any{a.UserID}
			}},
			{name: "SELECT 1", accounts: p.warm, call: func(*account) (string, []any) { return `SELECT 1`, nil }},
		}
		for _, s := range asked {
			subjects = append(subjects, &s.subject)
			s.rounds = nil
		}
		subjects = append(subjects, &subject{name: "effective_permissions", accounts: p.warm, call: func(a *account) (string, []any) {
			return `SELECT * FROM auth.effective_permissions($1)`, []any{a.UserID}
		}})
		fmt.Printf("  checks, %d connections\n", clients)
		if err := b.compare(ctx, url, clients, checkTime, subjects); err != nil {
			return err
		}
	}
	for _, clients := range []int{1, 4} {
		fmt.Printf("  logins, %d connections\n", clients)
		if err := b.compare(ctx, url, clients, checkTime, []*subject{
			{name: "floor: UPDATE by primary key", accounts: p.same, call: func(a *account) (string, []any) {
				return `UPDATE floor.user_identity SET last_login_at = now() WHERE user_identity_id = $1`, []any{a.UserIdentityID}
			}},
			{name: "login, nothing new", accounts: p.same, call: func(a *account) (string, []any) {
				return login, []any{a.ProviderID, a.ProviderUserID, a.Groups, []string{"member"}}
			}},
			{name: "login, groups changed", accounts: p.moved, call: func(a *account) (string, []any) {
				groups := slices.Clone(a.Groups)
				groups[0] = "group-" + strconv.Itoa(rand.IntN(500))
				groups[1] = "moved-" + strconv.FormatUint(rand.Uint64(), 36)
				return login, []any{a.ProviderID, a.ProviderUserID, groups, []string{"member"}}
			}},
			// One after the other, since a second login is not cold any more.
			{name: "login, nothing new, cold cache", accounts: p.filled, call: func(*account) (string, []any) {
				a := p.filled[next.Add(1)%int64(len(p.filled))]
				return login, []any{a.ProviderID, a.ProviderUserID, a.Groups, []string{"member"}}
			}, before: func() error { return makeCold(ctx, conn, p.filled) }},
		}); err != nil {
			return err
		}
	}
	return nil
}

// expressions measures a check as an expression of a query over many rows, less the query.
func (b *bench) expressions(ctx context.Context, conn *pgx.Conn, p *people) error {
	const rows, slow = 100_000, 10_000
	_, err := conn.CopyFrom(ctx, pgx.Identifier{"floor", "checked"}, []string{"user_id", "permission_code", "lacking_code"},
		pgx.CopyFromSlice(rows, func(int) ([]any, error) {
			a := &p.warm[rand.IntN(len(p.warm))]
			return []any{a.UserID, a.yes(), a.no()}, nil
		}))
	if err != nil {
		return err
	}
	for _, sql := range []string{`VACUUM ANALYZE floor.checked`, `SET max_parallel_workers_per_gather = 0`} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	one := &p.warm[0]
	code := one.yes()
	queries := []struct {
		name, expression string
		args             []any
		rows             int
		took             []float64
	}{
		{name: "the query without it", expression: `c.user_id IS NOT NULL AND c.permission_code IS NOT NULL`, rows: rows},
		{name: "floor: function that does nothing", expression: `floor.nothing(c.user_id, c.permission_code)`, rows: rows},
		{name: "floor: with a primary key lookup", expression: `floor.lookup(c.user_id, c.permission_code)`, rows: rows},
		{name: "warm, yes, different users", expression: `auth.has_permission(c.user_id, c.permission_code)`, rows: rows},
		{name: "warm, yes, one user", expression: `auth.has_permission($2, $3)`, args: []any{one.UserID, code}, rows: rows},
		{name: "warm, no, different users", expression: `auth.has_permission(c.user_id, c.lacking_code) IS FALSE`, rows: slow},
	}
	for range b.rounds {
		for i := range queries {
			q := &queries[i]
			var yes int
			start := time.Now()
			if err := conn.QueryRow(ctx, `
				SELECT count(*) FILTER (WHERE `+q.expression+`)
				FROM (SELECT * FROM floor.checked LIMIT $1) c`, append([]any{q.rows}, q.args...)...).Scan(&yes); err != nil {
				return err
			}
			q.took = append(q.took, time.Since(start).Seconds()*1e6/float64(q.rows))
			if yes != q.rows {
				return fmt.Errorf("%s: %d of %d rows", q.name, yes, q.rows)
			}
		}
	}
	fmt.Printf("  an expression over %d rows (no: %d), less the query without it\n", rows, slow)
	without := middle(queries[0].took)
	for i, q := range queries {
		each := middle(q.took)
		if i > 0 {
			each -= without
		}
		fmt.Printf("    %-36s %7.2f µs a row\n", q.name, each)
	}
	return nil
}

func middle(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// changes measures what a change of a big group costs, and what the first checks after it cost its members.
func (b *bench) changes(ctx context.Context, url string, conn *pgx.Conn, p *people) error {
	var big, byHand, provider string
	if err := conn.QueryRow(ctx, `
		SELECT (SELECT user_group_id FROM auth.user_group WHERE code = 'big')::text,
		       (SELECT auth.create_user_group('by-hand', 'By hand', 'hybrid'))::text,
		       (SELECT provider_id FROM auth.provider)::text`).Scan(&big, &byHand, &provider); err != nil {
		return err
	}
	// It has other permissions too.
	if _, err := conn.Exec(ctx, `SELECT auth.assign_permission('big.wide', _user_group_id => $1)`, big); err != nil {
		return err
	}
	application, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer application.Close(ctx)
	ask := func(a *account, code string, want bool) (time.Duration, error) {
		var got bool
		start := time.Now()
		err := application.QueryRow(ctx, check, a.UserID, code).Scan(&got)
		took := time.Since(start)
		if err == nil && got != want {
			err = fmt.Errorf("%s is %t for %s", code, got, a.UserID)
		}
		return took, err
	}
	for range 50 {
		a := &p.warm[rand.IntN(len(p.warm))]
		if _, err := ask(a, a.yes(), true); err != nil {
			return err
		}
		if _, err := ask(a, a.no(), false); err != nil {
			return err
		}
	}

	type change struct {
		name, sql          string
		args               []any
		want               bool
		took, first, later []float64
	}
	group := func(rounds int, title string, changes []*change) error {
		for range rounds {
			for _, c := range changes {
				start := time.Now()
				if _, err := conn.Exec(ctx, c.sql, c.args...); err != nil {
					return fmt.Errorf("%s: %w", c.name, err)
				}
				c.took = append(c.took, time.Since(start).Seconds()*1e3)
				var later time.Duration
				for i := range 1001 {
					took, err := ask(&p.warm[rand.IntN(bigGroup)], "big.extra", c.want)
					if err != nil {
						return fmt.Errorf("%s: %w", c.name, err)
					}
					if i == 0 {
						c.first = append(c.first, took.Seconds()*1e6)
					} else {
						later += took
					}
				}
				c.later = append(c.later, later.Seconds()*1e3) // a thousand: microseconds each
			}
		}
		fmt.Println(title)
		for _, c := range changes {
			if c.name != "" {
				fmt.Printf("    %-36s %9.1f ms   %7.0f µs   %7.0f µs   %t\n", c.name, middle(c.took), middle(c.first), middle(c.later), c.want)
			}
		}
		return nil
	}
	const (
		gain = `SELECT auth.assign_permission('big.extra', _user_group_id => $1)`
		lose = `SELECT auth.unassign_permission(assignment_id) FROM auth.permission_assignment
			WHERE user_group_id = $1 AND permission_code = 'big.extra'`
		add = `INSERT INTO auth.user_group_member (user_group_id, user_id) SELECT $1, unnest($2::uuid[])`
	)
	fmt.Printf("  %-38s %12s   %10s   %10s\n", "changes of a group of 50000", "statement", "next check", "1000 later")
	if err := group(min(b.rounds, 3), "    members put in by hand", []*change{
		{name: "gains a permission, has no members", sql: gain, args: []any{byHand}},
		{name: "50000 added in one statement", sql: add, args: []any{byHand, ids(p.warm)}, want: true},
		{name: "50000 deleted in one statement", sql: `DELETE FROM auth.user_group_member WHERE user_group_id = $1`, args: []any{byHand}},
		{sql: add, args: []any{byHand, ids(p.warm)}, want: true},
		{name: "disabled", sql: `SELECT auth.disable_user_group($1)`, args: []any{byHand}},
		{name: "enabled", sql: `SELECT auth.enable_user_group($1)`, args: []any{byHand}, want: true},
		{name: "deleted, delete_user_group", sql: `SELECT auth.delete_user_group($1)`, args: []any{byHand}},
		{sql: `INSERT INTO auth.user_group (user_group_id, code, name, group_type) VALUES ($1, 'by-hand', 'By hand', 'hybrid')`, args: []any{byHand}},
	}); err != nil {
		return err
	}
	// As autovacuum, which the bench switches off, would have it.
	if _, err := conn.Exec(ctx, `VACUUM ANALYZE auth.user_group_member`); err != nil {
		return err
	}
	if err := group(b.rounds, "    members through a mapping", []*change{
		{name: "gains a permission", sql: gain, args: []any{big}, want: true},
		{name: "loses it", sql: lose, args: []any{big}},
		{sql: gain, args: []any{big}, want: true},
		{name: "disabled", sql: `SELECT auth.disable_user_group($1)`, args: []any{big}},
		{name: "enabled", sql: `SELECT auth.enable_user_group($1)`, args: []any{big}, want: true},
		{sql: lose, args: []any{big}},
	}); err != nil {
		return err
	}
	return group(b.rounds, "    the mapping itself", []*change{
		{sql: gain, args: []any{big}, want: true},
		{name: "removed", sql: `SELECT auth.delete_group_mapping(user_group_mapping_id) FROM auth.user_group_mapping
			WHERE user_group_id = $1`, args: []any{big}},
		{name: "added: all are stale, yes is cold", sql: `SELECT auth.create_group_mapping($1, $2, _external_role_name => 'big')`,
			args: []any{big, provider}, want: true},
	})
}
