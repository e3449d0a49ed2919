//go:build unix

package pgserver

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

type throwawayServer struct {
	*Server
	folder string
}

// throwaway starts a cluster in base.
func throwaway(t *testing.T, base string) throwawayServer {
	t.Helper()
	o := Options{Embedded: true, Log: t.Output(), Settings: map[string]string{"work_mem": "9MB", "cluster_name": `it's \here`}}.withDefaults()
	s, err := openIn(t.Context(), o, places{folders: searchDirs(t.Context(), os.Getenv("PATH")), bases: []string{base}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Log(err) // some tests kill the guard
		}
	})
	config, err := pgx.ParseConfig(s.URL(""))
	if err != nil {
		t.Fatal(err)
	}
	return throwawayServer{s, config.Host}
}

func parentOf(t *testing.T, pid int) int {
	t.Helper()
	out, err := exec.Command("ps", "-o", "ppid=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		t.Skipf("ps: %v", err)
	}
	parent, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	return parent
}

func ask(t *testing.T, url, sql string) (answer string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if err := conn.QueryRow(t.Context(), sql).Scan(&answer); err != nil {
		t.Fatalf("%v in %s", err, sql)
	}
	return answer
}

func TestThrowawayClusterIsPrivateAndQuick(t *testing.T) {
	t.Parallel()
	s := throwaway(t, sharedFolder(t))
	for setting, want := range map[string]string{
		"listen_addresses": "", "fsync": "off", "max_connections": "300", "server_encoding": "UTF8", "wal_segment_size": "1MB",
		"work_mem": "9MB", "cluster_name": `it's \here`, "unix_socket_directories": s.folder,
	} {
		if got := ask(t, s.URL("template1"), "SHOW "+setting); got != want {
			t.Errorf("%s is %q, want %q", setting, got, want)
		}
	}
	if got := ask(t, s.URL(""), "SELECT lower('ÀÉ')"); got != "àé" {
		t.Errorf("lower knows ASCII only: %q", got)
	}
	if info, err := os.Stat(s.folder); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder's mode is %v (%v): with trust authentication nobody else may enter it", info.Mode(), err)
	}
	if !s.Ours || s.Version == "" || !strings.Contains(s.Source, "local binaries in /") {
		t.Errorf("described as %+v", s.Server)
	}
}

func TestCloseRemovesTheClusterAndMayBeCalledTwice(t *testing.T) {
	t.Parallel()
	s := throwaway(t, sharedFolder(t))
	pid := postmaster(t, s.folder)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if exists(s.folder) || alive(pid) {
		t.Errorf("folder there: %t, PostgreSQL runs: %t", exists(s.folder), alive(pid))
	}
}

func TestAClusterThatCannotStartSaysWhyAndLeavesNothing(t *testing.T) {
	t.Parallel()
	base := sharedFolder(t)
	o := Options{Settings: map[string]string{"no_such_setting": "1"}}.withDefaults()
	_, err := openIn(t.Context(), o, places{folders: searchDirs(t.Context(), os.Getenv("PATH")), bases: []string{base}})
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("the error is %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(base, "*")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestABaseWithALongPathIsNotUsed(t *testing.T) {
	t.Parallel()
	base := sharedFolder(t)
	long := filepath.Join(base, strings.Repeat("x", 100))
	if err := os.Mkdir(long, 0o777); err != nil {
		t.Fatal(err)
	}
	a, err := serverAccount()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(long, 0o777); err != nil {
		t.Fatal(err)
	}
	nothing := func(string) (prepare, server string) { return "true", "true" }
	if _, err := newFolder(t.Context(), a, []string{long}, nothing); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("the error is %v", err)
	}
	g, err := newFolder(t.Context(), a, []string{long, base}, nothing)
	if err != nil || filepath.Dir(g.folder) != base {
		t.Fatalf("made %+v, %v", g, err)
	}
	if err := g.end(); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(long); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}
