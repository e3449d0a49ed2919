//go:build unix

package pgserver

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// keep opens the persistent cluster in a folder.
func keep(t *testing.T, folder string) (*Server, error) {
	t.Helper()
	s, err := Open(t.Context(), Options{Embedded: true, KeepIn: folder, Settings: map[string]string{"work_mem": "9MB"}})
	if err == nil {
		t.Cleanup(func() { stopIfItRuns(t, s, folder) })
	}
	return s, err
}

func stopIfItRuns(t *testing.T, s *Server, folder string) {
	t.Helper()
	if listens(folder) {
		shell(t, s.StopCommand)
	}
}

func shell(t *testing.T, command string) {
	t.Helper()
	if out, err := exec.Command("/bin/sh", "-c", command).CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", command, err, out)
	}
}

func TestAPersistentClusterOutlivesItsProcessAndIsFoundAgain(t *testing.T) {
	t.Parallel()
	for _, w := range everybody() {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			c := startChild(t, w, "keep", "/nonexistent")
			url := c.ready(t)
			if err := c.Wait(); err != nil {
				t.Fatalf("%v\n%s", err, c.stderr)
			}
			folder := filepath.Join(c.base, "kept")
			pid := postmaster(t, folder)
			if got := ask(t, url, "SELECT concat_ws(' ', current_setting('fsync'), current_setting('listen_addresses'))"); got != "on " {
				t.Errorf("fsync and listen_addresses: %q", got)
			}
			if w.switched {
				shell(t, "kill "+strings.Fields(readFile(t, filepath.Join(folder, "data", "postmaster.pid")))[0])
				soon(t, "PostgreSQL is gone", func() bool { return !alive(pid) })
				return // root would run it as another user: what follows is tested as ourselves
			}
			ask(t, url, "SELECT set_config('a.b', 'c', false)")
			s, err := keep(t, folder)
			if err != nil {
				t.Fatal(err)
			}
			if postmaster(t, folder) != pid {
				t.Error("started a second time, although it ran")
			}
			shell(t, s.StopCommand)
			soon(t, "PostgreSQL is gone after "+s.StopCommand, func() bool { return !alive(pid) })
			if s, err = keep(t, folder); err != nil {
				t.Fatalf("start it again: %v", err)
			}
			if err := s.Close(); err != nil || !listens(folder) {
				t.Errorf("Close must leave it alone (%v)", err)
			}
			shell(t, s.StopCommand)
			shell(t, s.RemoveCommand)
			if exists(folder) {
				t.Errorf("still there after %q", s.RemoveCommand)
			}
		})
	}
}

func TestAPersistentClusterKeepsItsData(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(sharedFolder(t), "it's kept") // a name that needs quoting
	s, err := keep(t, folder)
	if err != nil {
		t.Fatal(err)
	}
	ask(t, s.URL(""), "WITH x AS (SELECT lo_from_bytea(4711, 'kept')) SELECT 'made' FROM x")
	shell(t, s.StopCommand)
	if s, err = keep(t, folder); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, s.URL(""), "SELECT convert_from(lo_get(4711), 'UTF8')"); got != "kept" {
		t.Errorf("found %q", got)
	}
	if got := ask(t, s.URL(""), "SHOW work_mem"); got != "9MB" {
		t.Errorf("work_mem is %q", got)
	}
}

func TestAFolderWithSomethingElseInItIsRefused(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(sharedFolder(t), "full")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	precious := filepath.Join(folder, "thesis.txt")
	if err := os.WriteFile(precious, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := keep(t, folder); err == nil || !strings.Contains(err.Error(), "not made by Rolewright") {
		t.Errorf("the error is %v", err)
	}
	if entries, _ := os.ReadDir(folder); len(entries) != 1 || readFile(t, precious) != "text" {
		t.Errorf("the folder now has %v", entries)
	}
}

func TestRootIsToldWhichFolderIsClosedToTheServersUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("PostgreSQL runs as ourselves")
	}
	closed := filepath.Join(sharedFolder(t), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := keep(t, filepath.Join(closed, "sub", "kept"))
	if err == nil || !strings.Contains(err.Error(), "may not enter "+closed) {
		t.Errorf("the error is %v", err)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
