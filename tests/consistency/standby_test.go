//go:build unix

package consistency_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rolewright/rolewright/tests/harness"
)

// A hot standby answers checks: it writes nothing, and what is revoked on the primary is revoked there once it has been replayed.
func TestAHotStandbyAnswersChecks(t *testing.T) {
	t.Parallel()
	primary := harness.Cluster(t)
	db := primary.Database(t)
	warm, cold := forge(t, db, "warm"), forge(t, db, "cold")
	for _, c := range []chain{warm, cold} {
		harness.Exec(t, db, c.fit(`SELECT auth.update_user_identity_on_login($provider, $account, '{ADMINS}')`))
	}
	harness.Exec(t, db, cold.fit(`SELECT unsecure.clear_permission_cache_by_provider($provider)`))
	states := harness.Column[bool](t, db, `SELECT mapped_ways IS NULL FROM auth.user_identity ORDER BY provider_user_id`)
	if len(states) != 2 || !states[0] || states[1] {
		t.Fatalf("cold and warm are %v", states)
	}

	standby := replica(t, db.SuperURL)
	if !harness.One[bool](t, standby, `SELECT pg_is_in_recovery()`) {
		t.Fatal("that is no standby")
	}
	answers := func(want bool) {
		t.Helper()
		for _, c := range []chain{warm, cold} {
			if has(t, standby, c.User, c.Code, c.Tenant) != want {
				t.Errorf("%s: the standby does not say %t", c.Account, want)
			}
			if has(t, standby, c.User, c.Set, c.Tenant) != want || has(t, standby, c.User, c.Code, cold.Tenant) != (want && c == cold) {
				t.Errorf("%s: the standby is wrong about another permission or tenant", c.Account)
			}
			if n := harness.One[int](t, standby, `SELECT count(*) FROM auth.effective_permissions($1, $2)`, c.User, c.Tenant); (n > 0) != want {
				t.Errorf("%s: the standby lists %d permissions", c.Account, n)
			}
		}
	}
	answers(true)
	for _, revocation := range []struct{ revoke, grant string }{
		{`SELECT auth.disable_user_group($group)`, `SELECT auth.enable_user_group($group)`},
		{`SELECT auth.lock_user($user)`, `SELECT auth.unlock_user($user)`},
		{`SELECT auth.disable_provider($provider)`, `SELECT auth.enable_provider($provider)`},
		{`SELECT auth.unassign_permission($assignment)`, ``},
	} {
		harness.Exec(t, db, warm.fit(revocation.revoke)+";"+cold.fit(revocation.revoke))
		replay(t, db, standby)
		answers(false)
		if revocation.grant != "" {
			harness.Exec(t, db, warm.fit(revocation.grant)+";"+cold.fit(revocation.grant))
			replay(t, db, standby)
			answers(true)
		}
	}
}

// replay waits until the standby has what is committed on the primary.
func replay(t testing.TB, primary, standby harness.Querier) {
	t.Helper()
	// synchronous_commit is off: the latest commits may not be in the log yet, unless somebody commits otherwise.
	harness.Exec(t, primary, `BEGIN; SET LOCAL synchronous_commit = on; SELECT pg_current_xact_id(); COMMIT`)
	end := harness.One[string](t, primary, `SELECT pg_current_wal_insert_lsn()::text`)
	for range 2000 {
		if harness.One[bool](t, standby, `SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn`, end) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("the standby does not follow")
}

// The standby's parent, as package pgserver does it: a shell that ends the standby when our end of the pipe is closed, however we
// end. Its files are in the primary's folder, which goes with the primary.
const standbyScript = `
umask 077
"$1" -D "$2" --config_file="$2/standby.conf" </dev/null >"$2/log" 2>&1 &
pid=$!
while read -r _; do :; done
kill -INT "$pid"
wait "$pid"
`

// replica makes a standby of a server that the harness started, and connects to it.
func replica(t testing.TB, superURL string) *pgx.Conn {
	t.Helper()
	primary := harness.Connect(t, superURL)
	data := harness.One[string](t, primary, `SHOW data_directory`)
	info, err := os.Stat(data)
	if err != nil {
		t.Skipf("the primary's files are not on this machine: %v", err)
	}
	owner := info.Sys().(*syscall.Stat_t)
	folder := filepath.Join(filepath.Dir(data), "standby")

	port := harness.One[string](t, primary, `SHOW port`)
	binaries := harness.One[string](t, primary, `SELECT setting FROM pg_config WHERE name = 'BINDIR'`)
	files := map[string]string{"standby.signal": ""}
	if backup := filepath.Join(binaries, "pg_basebackup"); exists(backup) {
		run(t, primary, fmt.Sprintf(`%s -D %s -h %s -p %s -U postgres -c fast -X stream --no-sync`, backup, folder, filepath.Dir(data), port))
	} else {
		files["backup_label"] = copyFiles(t, primary, data, folder)
	}

	settings := fmt.Sprintf("primary_conninfo = 'host=%s port=%s user=postgres'\n", filepath.Dir(data), port) +
		fmt.Sprintf("unix_socket_directories = '%s'\nlisten_addresses = ''\nmax_connections = 300\nfsync = off\nhot_standby = on\n", folder) +
		"dynamic_shared_memory_type = mmap\nmax_standby_streaming_delay = 1s\n"
	files["standby.conf"] = settings
	for name, content := range files {
		path := filepath.Join(folder, name)
		if err := errors.Join(os.WriteFile(path, []byte(content), 0o600), os.Lchown(path, int(owner.Uid), int(owner.Gid))); err != nil {
			t.Fatal(err)
		}
	}

	cmd := exec.Command("/bin/sh", "-c", standbyScript, "sh", filepath.Join(binaries, "postgres"), folder)
	cmd.Dir = "/"
	cmd.Env = []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH"), "LD_LIBRARY_PATH=" + os.Getenv("LD_LIBRARY_PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if os.Geteuid() == 0 { // PostgreSQL refuses to run as root
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}
	}
	pipe, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = pipe.Close()
		_ = cmd.Wait()
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(folder, "log"))
			t.Logf("the standby's log:\n%s", log)
		}
	})

	address, err := url.Parse(superURL)
	if err != nil {
		t.Fatal(err)
	}
	query := address.Query()
	query.Set("host", folder)
	address.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
	return connectSoon(t, address.String())
}

// copyFiles does what pg_basebackup does, which minimal distributions lack: the low-level backup of PostgreSQL's manual. It returns
// the backup's label.
func copyFiles(t testing.TB, primary *pgx.Conn, data, folder string) string {
	t.Helper()
	start, stop := `pg_backup_start('standby', true)`, `SELECT labelfile FROM pg_backup_stop(false)`
	if harness.One[int](t, primary, `SELECT current_setting('server_version_num')::int`) < 150000 {
		start, stop = `pg_start_backup('standby', true, false)`, `SELECT labelfile FROM pg_stop_backup(false, false)`
	}
	harness.Exec(t, primary, `SELECT `+start)
	run(t, primary, fmt.Sprintf(`cp -R %s %s && rm -rf %[2]s/postmaster.* %[2]s/pg_wal/* %[2]s/pg_dynshmem/* && mkdir -p %[2]s/pg_wal/archive_status`, data, folder))
	return harness.One[string](t, primary, stop)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// run lets the server run a command, as the account that it runs as.
func run(t testing.TB, q harness.Querier, command string) {
	t.Helper()
	harness.Exec(t, q, `COPY (SELECT) TO PROGRAM `+quoted(strings.ReplaceAll(command, `'`, `''`)))
}

// connectSoon connects to a server that is starting.
func connectSoon(t testing.TB, address string) *pgx.Conn {
	t.Helper()
	for range 2000 {
		conn, err := pgx.Connect(t.Context(), address)
		if err == nil {
			t.Cleanup(func() { _ = conn.Close(context.Background()) })
			return conn
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the standby does not answer")
	return nil
}
