package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	loginUsers = 100_000
	roundTime  = 1500 * time.Millisecond
)

// account is one of the people who log in.
type account struct {
	ProviderID, ProviderUserID, UserIdentityID, UserID string
	Groups                                             []string
}

// login measures auth.update_user_identity_on_login beside one UPDATE by primary key on a table like user_identity.
func (b *bench) login(ctx context.Context) error {
	url, err := b.database(ctx, "login")
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	accounts, err := prepareAccounts(ctx, conn)
	if err != nil {
		return err
	}

	const (
		update  = `UPDATE floor.user_identity SET last_login_at = now() WHERE user_identity_id = $1`
		audited = `WITH login AS (
				UPDATE floor.user_identity SET last_login_at = now() WHERE user_identity_id = $1 RETURNING user_id, user_identity_id)
			INSERT INTO floor.audit_event (event_code, user_id, subject_type, subject_id)
			SELECT 'login.succeeded', user_id, 'identity', user_identity_id FROM login`
		login = `SELECT auth.update_user_identity_on_login($1, $2, $3, '{member}')`
	)
	floor := func(a *account) (string, []any) { return update, []any{a.UserIdentityID} }
	floorAudited := func(a *account) (string, []any) { return audited, []any{a.UserIdentityID} }
	same := func(a *account) (string, []any) { return login, []any{a.ProviderID, a.ProviderUserID, a.Groups} }
	// One group is another one each time.
	moved := func(a *account) (string, []any) {
		groups := slices.Clone(a.Groups)
		groups[0] = "moved-" + strconv.FormatUint(rand.Uint64(), 36)
		return login, []any{a.ProviderID, a.ProviderUserID, groups}
	}

	fmt.Printf("login of %d users, 10 groups each; medians of %d rounds\n", loginUsers, b.rounds)
	for _, people := range []struct {
		name     string
		accounts []account
	}{{"different users", accounts[:len(accounts)/2]}, {"one user", accounts[:1]}} {
		for _, clients := range []int{1, 4} {
			fmt.Printf("  %s, %d connections\n", people.name, clients)
			err := b.compare(ctx, url, clients, roundTime, []*subject{
				{name: "floor: UPDATE by primary key", accounts: people.accounts, call: floor},
				{name: "the same with an audit row", accounts: people.accounts, call: floorAudited},
				{name: "login, nothing new", accounts: people.accounts, call: same},
				// Other people, so that their groups are not put back by the line above.
				{name: "login, groups changed", accounts: accounts[len(accounts)-len(people.accounts):], call: moved},
			})
			if err != nil {
				return err
			}
		}
	}
	fmt.Println()
	return nil
}

// subject is what is measured: a call, for accounts drawn at random.
type subject struct {
	name     string
	accounts []account
	call     func(*account) (string, []any)
	before   func() error // before each round; may be nil
	rounds   []measure
}

// compare measures subjects in turn, round by round, and prints their medians as ratios to the first one's.
func (b *bench) compare(ctx context.Context, url string, clients int, length time.Duration, subjects []*subject) error {
	for range b.rounds {
		for _, s := range subjects {
			if s.before != nil {
				if err := s.before(); err != nil {
					return err
				}
			}
			m, err := load(ctx, url, clients, length, s.accounts, s.call)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			s.rounds = append(s.rounds, m)
		}
	}
	base := median(subjects[0].rounds)
	for _, s := range subjects {
		m := median(s.rounds)
		fmt.Printf("    %-36s %7.1f µs wall  %5.2f x   %7.1f µs server CPU  %5.2f x   %7.0f/s\n", s.name,
			m.wall, m.wall/base.wall, m.cpu, m.cpu/base.cpu, m.perSecond)
	}
	return nil
}

func prepareAccounts(ctx context.Context, conn *pgx.Conn) ([]account, error) {
	for _, sql := range []string{
		`SELECT auth.create_provider('bench', 'Bench', 'oidc')`,
		fmt.Sprintf(`SELECT auth.sync_provider_identities((SELECT provider_id FROM auth.provider), (
			SELECT array_agg(jsonb_build_object('provider_user_id', md5(g::text), 'username', 'user' || g, 'roles', '["member"]'::jsonb,
				'groups', (SELECT jsonb_agg('group-' || (g * 7 + k * 13) %% 500) FROM generate_series(1, 10) k)))
			FROM generate_series(1, %d) g), _create_missing => true)`, loginUsers),
		// As they are after a first login.
		`ALTER TABLE auth.user_identity DISABLE TRIGGER USER`,
		`UPDATE auth.user_identity SET is_last_used = true, last_login_at = now()`,
		`ALTER TABLE auth.user_identity ENABLE TRIGGER USER`,
		`SELECT auth.fill_permission_cache(NULL)`,
		floorTables,
		`INSERT INTO floor.user_info SELECT * FROM auth.user_info`,
		`INSERT INTO floor.user_identity SELECT * FROM auth.user_identity`,
		`VACUUM FULL auth.user_identity`,
		`VACUUM ANALYZE`,
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return nil, err
		}
	}
	rows, err := conn.Query(ctx, `
		SELECT provider_id::text, provider_user_id, user_identity_id::text, user_id::text, provider_groups FROM auth.user_identity`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[account])
}

// measure is what one call costs.
type measure struct {
	wall, cpu float64 // microseconds
	perSecond float64
}

// load lets clients call for a while, each on a connection of its own, and reads the CPU time of their backends.
func load(
	ctx context.Context, url string, clients int, length time.Duration, accounts []account, call func(*account) (string, []any),
) (measure, error) {
	conns := make([]*pgx.Conn, clients)
	pids := make([]uint32, clients)
	for i := range conns {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return measure{}, err
		}
		defer conn.Close(ctx)
		conns[i], pids[i] = conn, conn.PgConn().PID()
		// Plans and caches are warm before the clock runs.
		for range 50 {
			sql, args := call(&accounts[rand.IntN(len(accounts))])
			if _, err := conn.Exec(ctx, sql, args...); err != nil {
				return measure{}, err
			}
		}
	}

	before := cpuTime(pids)
	start := time.Now()
	calls := make([]int, clients)
	errs := make([]error, clients)
	var wg sync.WaitGroup
	for i, conn := range conns {
		wg.Go(func() {
			for time.Since(start) < length {
				sql, args := call(&accounts[rand.IntN(len(accounts))])
				if _, errs[i] = conn.Exec(ctx, sql, args...); errs[i] != nil {
					return
				}
				calls[i]++
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	for _, err := range errs {
		if err != nil {
			return measure{}, err
		}
	}
	total := 0
	for _, n := range calls {
		total += n
	}
	return measure{
		wall:      took.Seconds() * 1e6 * float64(clients) / float64(total),
		cpu:       (cpuTime(pids) - before).Seconds() * 1e6 / float64(total),
		perSecond: float64(total) / took.Seconds(),
	}, nil
}

// cpuTime is what the backends used so far, from /proc/PID/schedstat (nanoseconds; Linux only, else 0).
func cpuTime(pids []uint32) time.Duration {
	var sum int64
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid))
		if err != nil {
			return 0
		}
		ns, _ := strconv.ParseInt(strings.Fields(string(text))[0], 10, 64)
		sum += ns
	}
	return time.Duration(sum)
}

// median takes each of the three by itself.
func median(rounds []measure) measure {
	of := func(value func(measure) float64) float64 {
		values := make([]float64, len(rounds))
		for i, m := range rounds {
			values[i] = value(m)
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	return measure{
		wall:      of(func(m measure) float64 { return m.wall }),
		cpu:       of(func(m measure) float64 { return m.cpu }),
		perSecond: of(func(m measure) float64 { return m.perSecond }),
	}
}
