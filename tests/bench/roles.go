package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rolewright/rolewright/internal/schema"
)

const roleUsers = 2000

// The floors end where the plan ends, and do nothing else: no plan, no registry, no audit trail.
const (
	createFloor = `DO $$ BEGIN
		CREATE ROLE bench_floor;
		FOR i IN 1 .. 2000 LOOP
			EXECUTE format('CREATE ROLE %I LOGIN', 'floor ' || i);
			EXECUTE format('GRANT bench_floor TO %I', 'floor ' || i);
		END LOOP;
	END $$`
	moveFloor = `DO $$ DECLARE granted_by text := CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN
		(SELECT format(' GRANTED BY %I', g.rolname) FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.grantor
		 JOIN pg_roles r ON r.oid = m.member JOIN pg_roles a ON a.oid = m.roleid WHERE r.rolname = 'user1' AND a.rolname = 'bench_a') ELSE '' END;
	BEGIN
		FOR i IN 1 .. 1000 LOOP
			EXECUTE format('GRANT bench_b TO %I', 'user' || i);
			EXECUTE format('REVOKE bench_a FROM %I', 'user' || i) || granted_by;
		END LOOP;
	END $$`
	leaveFloor = `DO $$ DECLARE granted_by text := CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN
		(SELECT format(' GRANTED BY %I', g.rolname) FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.grantor
		 JOIN pg_roles r ON r.oid = m.member JOIN pg_roles a ON a.oid = m.roleid WHERE r.rolname = 'user1' AND a.rolname = 'bench_a') ELSE '' END;
	BEGIN
		FOR i IN 1 .. 2000 LOOP
			EXECUTE format('ALTER ROLE %I NOLOGIN', 'user' || i);
			EXECUTE format('REVOKE bench_a FROM %I', 'user' || i) || granted_by;
		END LOOP;
	END $$`
	applyRoles = `SELECT count(*) FROM auth.apply_database_roles()`
)

// roles measures apply_database_roles, once with Rolewright owned by a role that has CREATEROLE and once by a superuser: from PostgreSQL 16 on,
// each change by the former costs PostgreSQL a look through all roles that it created.
func (b *bench) roles(ctx context.Context) error {
	fmt.Printf("database roles: %d users with three groups, a login role and one membership each; medians of %d rounds\n", roleUsers, b.rounds)
	for _, owner := range []string{"bench_owner", "postgres"} {
		if err := b.rolesOwnedBy(ctx, owner); err != nil {
			return err
		}
	}
	fmt.Println()
	return nil
}

func (b *bench) rolesOwnedBy(ctx context.Context, owner string) error {
	super, conn, url, err := b.owned(ctx, "roles_"+owner, owner)
	if err != nil {
		return err
	}
	defer super.Close(ctx)
	defer conn.Close(ctx)
	if err := prepareRoles(ctx, conn); err != nil {
		return err
	}
	if err := b.compareRoles(ctx, super, conn, []step{
		{"2,000 roles from nothing", "", createFloor},
	}); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, applyRoles); err != nil {
		return err
	}
	if err := b.compareRoles(ctx, super, conn, []step{
		{"nothing to do", "", ""},
		{"1,000 movers", `UPDATE auth.user_identity SET provider_groups = ARRAY['b', 'x']
			WHERE provider_user_id IN (SELECT 'user' || i FROM generate_series(1, 1000) i)`, moveFloor},
		{"2,000 leavers", `UPDATE auth.user_info SET is_active = false`, leaveFloor},
	}); err != nil {
		return err
	}
	if err := b.roleLogins(ctx, url, conn); err != nil {
		return err
	}
	// The next owner makes roles of the same names.
	_, err = super.Exec(ctx, `DO $$ DECLARE r record; BEGIN
		FOR r IN SELECT rolname FROM pg_roles WHERE rolname ~ '^(user[0-9]+|bench_[ab])$' LOOP EXECUTE format('DROP ROLE %I', r.rolname); END LOOP;
	END $$`)
	return err
}

// owned makes a database with Rolewright in it that belongs to a role, and says so: connections of a superuser and of the owner, and the owner's URL.
func (b *bench) owned(ctx context.Context, name, owner string) (super, conn *pgx.Conn, url string, err error) {
	admin, err := pgx.Connect(ctx, b.server.URL(""))
	if err != nil {
		return nil, nil, "", err
	}
	defer admin.Close(ctx)
	for _, sql := range []string{
		`DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'bench_owner') THEN CREATE ROLE bench_owner LOGIN CREATEROLE; END IF; END $$`,
		fmt.Sprintf(`CREATE DATABASE %s OWNER %s`, name, owner),
	} {
		if _, err := admin.Exec(ctx, sql); err != nil {
			return nil, nil, "", err
		}
	}
	if super, err = pgx.Connect(ctx, b.server.URL(name)); err != nil {
		return nil, nil, "", err
	}
	config := super.Config()
	url = fmt.Sprintf("host=%s port=%d user=%s dbname=%s", config.Host, config.Port, owner, name)
	if _, err = schema.Up(ctx, url, schema.Options{}); err == nil {
		conn, err = pgx.Connect(ctx, url)
	}
	if err != nil {
		super.Close(ctx)
		return nil, nil, "", err
	}
	if owner == "postgres" {
		fmt.Println("  Rolewright owned by a superuser")
	} else {
		fmt.Println("  Rolewright owned by a role with CREATEROLE")
	}
	return super, conn, url, nil
}

// step is one change: what is changed before (not measured), and the floor of what follows from it, which runs as a superuser.
type step struct{ name, before, floor string }

// compareRoles runs each step and its floor in transactions that are rolled back.
func (b *bench) compareRoles(ctx context.Context, super, conn *pgx.Conn, steps []step) error {
	for _, s := range steps {
		var floors, times []float64
		for range b.rounds {
			if err := clean(ctx, super, conn); err != nil {
				return err
			}
			if s.floor != "" {
				took, err := timed(ctx, super, "", "", s.floor)
				if err != nil {
					return fmt.Errorf("%s, floor: %w", s.name, err)
				}
				floors = append(floors, took)
			}
			if err := clean(ctx, super, conn); err != nil {
				return err
			}
			took, err := timed(ctx, conn, `SELECT count(*) FROM auth.plan_database_roles()`, s.before, applyRoles)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			times = append(times, took)
		}
		if s.floor == "" {
			fmt.Printf("    %-36s %9.1f ms\n", s.name, middle(times))
			continue
		}
		fmt.Printf("    %-36s %9.1f ms  %5.2f x the floor of %.1f ms (a DO block as superuser)\n",
			s.name, middle(times), middle(times)/middle(floors), middle(floors))
	}
	return nil
}

// clean takes away what the rounds before left: rolled back, but dead rows in the catalogs, which no round should pay for.
func clean(ctx context.Context, super, conn *pgx.Conn) error {
	for _, table := range []string{"pg_authid", "pg_auth_members", "pg_shdepend"} {
		if _, err := super.Exec(ctx, "VACUUM ANALYZE "+table); err != nil {
			return err
		}
	}
	for _, table := range []string{"database_role", "user_info", "user_identity", "audit_event"} {
		if _, err := conn.Exec(ctx, "VACUUM ANALYZE auth."+table); err != nil {
			return err
		}
	}
	return nil
}

// timed runs a statement in a transaction that is rolled back, and returns its milliseconds. In a session of its own, as whoever does this has one: what
// PostgreSQL remembers of the roles from one round to the next makes the next one slower.
func timed(ctx context.Context, like *pgx.Conn, warm, before, sql string) (float64, error) {
	conn, err := pgx.ConnectConfig(ctx, like.Config())
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, warm); err != nil {
		return 0, err
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback(ctx) //nolint:errcheck // a measurement leaves nothing behind
	if before != "" {
		if _, err := tx.Exec(ctx, before); err != nil {
			return 0, err
		}
	}
	start := time.Now()
	_, err = tx.Exec(ctx, sql)
	return float64(time.Since(start).Microseconds()) / 1000, err
}

func prepareRoles(ctx context.Context, conn *pgx.Conn) error {
	for _, sql := range []string{
		`SELECT auth.create_provider('bench', 'Bench', 'oidc'), auth.create_user_group('a', 'A', 'external'), auth.create_user_group('b', 'B', 'external')`,
		`SELECT auth.create_group_mapping(g.user_group_id, p.provider_id, g.code), auth.bind_group_role(g.user_group_id, 'bench_' || g.code)
			FROM auth.user_group g, auth.provider p`,
		// Twice as many people: half of them have no role, for the logins.
		fmt.Sprintf(`SELECT auth.sync_provider_identities((SELECT provider_id FROM auth.provider), (
			SELECT array_agg(jsonb_build_object('provider_user_id', 'user' || g, 'roles', '["member"]'::jsonb,
				'groups', '["a"]'::jsonb || (SELECT jsonb_agg('group-' || (g * 7 + k * 13) %% 500) FROM generate_series(1, 2) k)))
			FROM generate_series(1, %d) g), _create_missing => true)`, 2*roleUsers),
		fmt.Sprintf(`SELECT auth.bind_user_role(u.user_id, u.username) FROM auth.user_info u WHERE substr(u.username, 5)::integer <= %d`, roleUsers),
		`ALTER TABLE auth.user_identity DISABLE TRIGGER USER`,
		`UPDATE auth.user_identity SET is_last_used = true, last_login_at = now()`,
		`ALTER TABLE auth.user_identity ENABLE TRIGGER USER`,
		`SELECT auth.fill_permission_cache(NULL)`,
		`SET client_min_messages = error`,
		`VACUUM ANALYZE`,
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// roleLogins measures logins of people with a login role beside logins of people without one.
func (b *bench) roleLogins(ctx context.Context, url string, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, `
		SELECT i.provider_id::text, i.provider_user_id, i.user_identity_id::text, i.user_id::text, i.provider_groups
		FROM auth.user_identity i ORDER BY substr(i.provider_user_id, 5)::integer`)
	if err != nil {
		return err
	}
	accounts, err := pgx.CollectRows(rows, pgx.RowToStructByPos[account])
	if err != nil {
		return err
	}
	withRole, without := accounts[:roleUsers], accounts[roleUsers:]
	const login = `SELECT auth.update_user_identity_on_login($1, $2, $3, '{member}')`
	same := func(a *account) (string, []any) { return login, []any{a.ProviderID, a.ProviderUserID, a.Groups} }
	moved := func(bound string) func(a *account) (string, []any) {
		return func(a *account) (string, []any) {
			groups := slices.Clone(a.Groups)
			groups[1] = "moved-" + strconv.FormatUint(rand.Uint64(), 36)
			if bound != "" {
				groups[0] = []string{"a", bound}[rand.IntN(2)]
			}
			return login, []any{a.ProviderID, a.ProviderUserID, groups}
		}
	}
	third := roleUsers / 3 // people of their own for each, so that none puts the groups of another's back
	for _, subjects := range [][]*subject{
		{
			{name: "login, nothing new, no role", accounts: without[:third], call: same},
			{name: "login, nothing new, with a role", accounts: withRole[:third], call: same},
		},
		{
			{name: "login, groups changed, no role", accounts: without[third:], call: moved("")},
			{name: "login, unbound groups changed", accounts: withRole[third : 2*third], call: moved("")},
			{name: "login, bound group changed (1 of 2)", accounts: withRole[2*third:], call: moved("b")},
		},
	} {
		if err := b.compare(ctx, url, 1, roundTime, subjects); err != nil {
			return err
		}
	}
	return nil
}
