package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Tables and declarations. Which 20 tables a role may read is scattered, so that hardly two roles have the same list.
const prepareGrants = `
	CREATE SCHEMA bench;
	DO $$ BEGIN FOR i IN 1 .. 1000 LOOP EXECUTE format('CREATE TABLE bench.t%s (a integer)', i); END LOOP; END $$;
	CREATE TABLE public.scattered AS
		SELECT DISTINCT r AS role_no, 1 + abs(hashtext(r || '/' || i)) % 1000 AS table_no FROM generate_series(1, 1000) AS r, generate_series(1, 20) AS i;
	CREATE FUNCTION public.reads(_tables integer[]) RETURNS jsonb LANGUAGE sql AS $$
		SELECT jsonb_build_object('grants', coalesce(jsonb_agg(jsonb_build_object(
			'type', 'table', 'schema', 'bench', 'name', 't' || t, 'privileges', '["SELECT"]'::jsonb)), '[]')) FROM unnest(_tables) AS t $$;
	CREATE TABLE public.declared (name text PRIMARY KEY, declaration jsonb);
	INSERT INTO public.declared
	SELECT 'one on ' || n, jsonb_build_object('roles', jsonb_build_object('bench_one', public.reads(ARRAY(SELECT generate_series(1, n)))))
	FROM unnest('{0,1,100,1000}'::integer[]) AS n
	UNION ALL
	SELECT 'many', jsonb_build_object('roles', jsonb_object_agg('bench_many_' || s.role_no, public.reads(s.tables)))
	FROM (SELECT role_no, array_agg(table_no) AS tables FROM public.scattered GROUP BY role_no) AS s
	UNION ALL
	SELECT 'crowd', jsonb_build_object('roles', jsonb_object_agg('bench_crowd_' || r, public.reads('{1}'))) FROM generate_series(1, 3000) AS r`

const (
	// What somebody would write who knows that the role is new, or has just these privileges.
	oneFloor = `DO $$ BEGIN CREATE ROLE bench_floor; FOR i IN 1 .. %d LOOP EXECUTE format('GRANT SELECT ON bench.t%%s TO bench_floor', i); END LOOP; END $$`
	endFloor = `DO $$ BEGIN FOR i IN 1 .. %d LOOP EXECUTE format('REVOKE SELECT ON bench.t%%s FROM bench_one', i); END LOOP; END $$`
	// One GRANT for each role, which is the quickest way.
	manyFloor = `DO $$ DECLARE r record; BEGIN
		FOR r IN SELECT role_no, string_agg('bench.t' || table_no, ', ') AS tables FROM public.scattered GROUP BY role_no LOOP
			EXECUTE format('CREATE ROLE bench_floor_%s', r.role_no);
			EXECUTE format('GRANT SELECT ON %s TO bench_floor_%s', r.tables, r.role_no);
		END LOOP;
	END $$`
	// No ACL has room for them all: each is a member of a role that may.
	crowdFloor = `DO $$ BEGIN
		CREATE ROLE bench_floor;
		GRANT SELECT ON bench.t1 TO bench_floor;
		FOR r IN 1 .. 3000 LOOP
			EXECUTE format('CREATE ROLE bench_floor_%s', r);
			EXECUTE format('GRANT bench_floor TO bench_floor_%s', r);
		END LOOP;
	END $$`
	syncDeclared = `SELECT count(*) FROM auth.sync_roles((SELECT declaration FROM public.declared WHERE name = '%s'))`
)

// grants measures auth.sync_roles, by a caller who owns the tables and has CREATEROLE, and by a superuser.
func (b *bench) grants(ctx context.Context) error {
	fmt.Printf("declared grants: SELECT on some of 1,000 tables; medians of %d rounds\n", b.rounds)
	for _, owner := range []string{"bench_owner", "postgres"} {
		if err := b.grantsOwnedBy(ctx, owner); err != nil {
			return err
		}
	}
	fmt.Println()
	return nil
}

func (b *bench) grantsOwnedBy(ctx context.Context, owner string) error {
	super, conn, _, err := b.owned(ctx, "grants_"+owner, owner)
	if err != nil {
		return err
	}
	defer super.Close(ctx)
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "GRANT CREATE ON SCHEMA public TO CURRENT_USER"); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, prepareGrants); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "VACUUM ANALYZE"); err != nil {
		return err
	}
	sync := func(name string) string { return fmt.Sprintf(syncDeclared, name) }
	for _, n := range []int{1, 100, 1000} {
		name := fmt.Sprintf("one on %d", n)
		if err := b.compareSync(ctx, super, conn, fmt.Sprintf("one role on %d tables", n), fmt.Sprintf(oneFloor, n), sync(name)); err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, sync(name)); err != nil {
			return err
		}
		if err := b.compareSync(ctx, super, conn, "  nothing to do", "", sync(name)); err != nil {
			return err
		}
		if err := b.compareSync(ctx, super, conn, "  all revoked", fmt.Sprintf(endFloor, n), sync("one on 0")); err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, sync("one on 0")); err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, "DROP ROLE bench_one"); err != nil {
			return err
		}
	}
	for _, s := range []struct{ name, declared, floor string }{
		{"1,000 roles on 20 of 1,000 tables", "many", manyFloor},
		{"3,000 roles on one table", "crowd", crowdFloor},
	} {
		if err := b.compareSync(ctx, super, conn, s.name, s.floor, sync(s.declared)); err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, sync(s.declared)); err != nil {
			return err
		}
		if err := b.compareSync(ctx, super, conn, "  nothing to do", "", sync(s.declared)); err != nil {
			return err
		}
	}
	// The next owner makes roles of the same names.
	for _, sql := range []string{
		`DROP SCHEMA bench CASCADE`,
		`DO $$ DECLARE r record; BEGIN
			FOR r IN SELECT rolname FROM pg_roles WHERE rolname ~ '^(bench_(one|many|crowd)|rolewright_via_)' LOOP EXECUTE format('DROP ROLE %I', r.rolname); END LOOP;
		END $$`,
	} {
		if _, err := super.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// compareSync runs a sync and its floor, each in a session of its own that is rolled back; the session has planned before, as one in a pool has.
func (b *bench) compareSync(ctx context.Context, super, conn *pgx.Conn, name, floor, sql string) error {
	const warm = `SELECT count(*) FROM auth.plan_roles((SELECT declaration FROM public.declared WHERE name = 'one on 1'))`
	var floors, times []float64
	for range b.rounds {
		for _, table := range []string{"pg_class", "pg_authid", "pg_auth_members", "pg_shdepend"} {
			if _, err := super.Exec(ctx, "VACUUM ANALYZE "+table); err != nil {
				return err
			}
		}
		if floor != "" {
			took, err := timed(ctx, super, "", "", floor)
			if err != nil {
				return fmt.Errorf("%s, floor: %w", name, err)
			}
			floors = append(floors, took)
		}
		took, err := timed(ctx, conn, warm, "", sql)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		times = append(times, took)
	}
	if floor == "" {
		fmt.Printf("    %-36s %9.1f ms\n", name, middle(times))
		return nil
	}
	fmt.Printf("    %-36s %9.1f ms  %5.2f x the floor of %.1f ms (a DO block as superuser)\n", name, middle(times), middle(times)/middle(floors), middle(floors))
	return nil
}
