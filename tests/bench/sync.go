package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// The floor's tables have the columns, indexes, constraints and foreign keys of the real ones, and no triggers.
const floorTables = `
CREATE SCHEMA floor;
CREATE TABLE floor.user_info (LIKE auth.user_info INCLUDING ALL);
CREATE TABLE floor.user_identity (LIKE auth.user_identity INCLUDING ALL) WITH (fillfactor = 85);
CREATE TABLE floor.audit_event (LIKE auth.audit_event INCLUDING ALL);
ALTER TABLE floor.user_identity
    ADD FOREIGN KEY (user_id) REFERENCES floor.user_info,
    ADD FOREIGN KEY (provider_id) REFERENCES auth.provider;`

// The reference's batch synchronisation, with the first load that it leaves to a loop of inserts.
const referenceLoop = `
CREATE FUNCTION floor.load(_provider_id uuid, _identity_data jsonb[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v_data jsonb; v_user_id uuid;
BEGIN
    FOREACH v_data IN ARRAY _identity_data LOOP
        INSERT INTO floor.user_info (username, display_name, email)
        VALUES (v_data->>'username', v_data->>'display_name', v_data->>'email') RETURNING user_id INTO v_user_id;
        INSERT INTO floor.user_identity (user_id, provider_id, provider_user_id, provider_groups, provider_roles, provider_data)
        VALUES (v_user_id, _provider_id, v_data->>'provider_user_id', ARRAY(SELECT jsonb_array_elements_text(v_data->'groups')),
                ARRAY(SELECT jsonb_array_elements_text(v_data->'roles')), v_data->'data');
    END LOOP;
END $$;
CREATE FUNCTION floor.update(_provider_id uuid, _identity_data jsonb[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v_data jsonb;
BEGIN
    FOREACH v_data IN ARRAY _identity_data LOOP
        UPDATE floor.user_identity
        SET provider_groups = ARRAY(SELECT jsonb_array_elements_text(v_data->'groups')),
            provider_roles = ARRAY(SELECT jsonb_array_elements_text(v_data->'roles')),
            provider_data = v_data->'data', updated_at = now()
        WHERE provider_id = _provider_id AND provider_user_id = v_data->>'provider_user_id';
    END LOOP;
END $$;`

// sync measures `rolewright sync`, the whole process, from an NDJSON file.
func (b *bench) sync(ctx context.Context, size int) error {
	url, err := b.database(ctx, fmt.Sprintf("sync_%d", size))
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, `SELECT auth.create_provider('bench', 'Bench', 'oidc')`); err != nil {
		return err
	}
	full, changed := filepath.Join(b.scratch, "full.ndjson"), filepath.Join(b.scratch, "changed.ndjson")
	if err := writeFeed(full, size, 0); err != nil {
		return err
	}
	if err := writeFeed(changed, size, 100); err != nil {
		return err
	}

	fmt.Printf("sync of %d identities, 10 groups each\n", size)
	first, err := b.runSync(ctx, url, full)
	if err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, `VACUUM ANALYZE`); err != nil {
		return err
	}
	nothing, err := b.runSync(ctx, url, full)
	if err != nil {
		return err
	}
	onePercent, err := b.runSync(ctx, url, changed)
	if err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, floorTables+referenceLoop); err != nil {
		return err
	}
	floor, err := b.copyFloor(ctx, conn, "TABLE auth.user_info", "TABLE auth.user_identity")
	if err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, `TRUNCATE floor.user_info, floor.user_identity`); err != nil {
		return err
	}
	audited, err := b.copyFloor(ctx, conn, "TABLE auth.user_info", "TABLE auth.user_identity",
		"SELECT * FROM auth.audit_event WHERE event_code IN ('user.created', 'identity.created')")
	if err != nil {
		return err
	}

	report := func(name string, took time.Duration, note string) {
		fmt.Printf("  %-34s %8.2f s  %6.2f x floor  %s\n", name, took.Seconds(), took.Seconds()/floor.Seconds(), note)
	}
	report("floor: COPY of the same rows", floor, "")
	report("the same with the audit rows", audited, "")
	report("first load", first.took, first.memory())
	report("1 % changed", onePercent.took, onePercent.memory())
	report("nothing changed", nothing.took, nothing.memory())
	if size <= 100_000 {
		load, update, err := b.referenceLoop(ctx, conn, full)
		if err != nil {
			return err
		}
		report("per-row loop: first load", load, "no audit, parsing of the feed not counted")
		report("per-row loop: any later run", update, "the same")
	}
	fmt.Println()
	return nil
}

type syncTime struct {
	took   time.Duration
	maxRSS int64 // bytes
}

func (s syncTime) memory() string { return fmt.Sprintf("CLI peak %d MB", s.maxRSS>>20) }

func (b *bench) runSync(ctx context.Context, url, file string) (syncTime, error) {
	cmd := exec.CommandContext(ctx, b.binary, "sync", file, "--provider", "bench", "--create-missing", "--disable-missing",
		"--database-url", url, "--output", "json")
	start := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(start)
	if err != nil {
		return syncTime{}, fmt.Errorf("%w\n%s", err, out)
	}
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return syncTime{took, usage.Maxrss * 1024}, nil // Linux counts in KiB
}

// copyFloor copies rows that sync made out to files, and into the floor's tables in one transaction; it times the way in.
func (b *bench) copyFloor(ctx context.Context, conn *pgx.Conn, queries ...string) (time.Duration, error) {
	tables := []string{"user_info", "user_identity", "audit_event"}[:len(queries)]
	for i, query := range queries {
		file, err := os.Create(filepath.Join(b.scratch, tables[i]))
		if err != nil {
			return 0, err
		}
		_, err = conn.PgConn().CopyTo(ctx, file, "COPY ("+query+") TO STDOUT")
		if err := errors.Join(err, file.Close()); err != nil {
			return 0, err
		}
	}
	start := time.Now()
	err := pgx.BeginFunc(ctx, conn, func(pgx.Tx) error {
		for _, table := range tables {
			file, err := os.Open(filepath.Join(b.scratch, table))
			if err != nil {
				return err
			}
			_, err = conn.PgConn().CopyFrom(ctx, file, "COPY floor."+table+" FROM STDIN")
			if err := errors.Join(err, file.Close()); err != nil {
				return err
			}
		}
		return nil
	})
	return time.Since(start), err
}

// referenceLoop times the functions of the reference over an array that is in the database already.
func (b *bench) referenceLoop(ctx context.Context, conn *pgx.Conn, feed string) (load, update time.Duration, err error) {
	file, err := os.Open(feed)
	if err != nil {
		return 0, 0, err
	}
	defer file.Close()
	if _, err := conn.Exec(ctx, `CREATE TABLE floor.element (element jsonb)`); err != nil {
		return 0, 0, err
	}
	if _, err := conn.PgConn().CopyFrom(ctx, file, `COPY floor.element FROM STDIN (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02')`); err != nil {
		return 0, 0, err
	}
	if _, err := conn.Exec(ctx, `TRUNCATE floor.user_info, floor.user_identity`); err != nil {
		return 0, 0, err
	}
	timed := func(function string) (time.Duration, error) {
		start := time.Now()
		_, err := conn.Exec(ctx, `SELECT floor.`+function+`((SELECT provider_id FROM auth.provider), (SELECT array_agg(element) FROM floor.element))`)
		return time.Since(start), err
	}
	if load, err = timed("load"); err != nil {
		return 0, 0, err
	}
	update, err = timed("update")
	return load, update, err
}

// writeFeed writes size elements; of every changeEvery-th, one group is another one (0: of none).
func writeFeed(path string, size, changeEvery int) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(file, 1<<20)
	for i := range size {
		changed := ""
		if changeEvery > 0 && i%changeEvery == 0 {
			changed = "new-"
		}
		fmt.Fprintf(w, `{"provider_user_id": "acct-%016x", "username": "user%d", "email": "user%d@example.org", "display_name": "User %d", "groups": ["%sgroup-%d"`,
			uint64(i)*0x9E3779B97F4A7C15, i, i, i, changed, i*7%500)
		for k := 1; k < 10; k++ {
			fmt.Fprintf(w, `, "group-%d"`, (i*7+k*13)%500)
		}
		fmt.Fprintf(w, `], "roles": ["member"], "data": {"department": "d%d", "title": "Engineer"}}`+"\n", i%40)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return file.Close()
}
