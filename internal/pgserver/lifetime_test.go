//go:build unix

package pgserver

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func TestNothingIsLeftHoweverTheProcessEnds(t *testing.T) {
	t.Parallel()
	ends := map[string]struct {
		how string
		end func(*child) error
	}{
		"Close":   {"close", nil},
		"os.Exit": {"exit", nil},
		"panic":   {"panic", nil},
		"SIGINT":  {"wait", func(c *child) error { return c.Process.Signal(syscall.SIGINT) }},
		"SIGTERM": {"wait", func(c *child) error { return c.Process.Signal(syscall.SIGTERM) }},
		"SIGKILL": {"wait", func(c *child) error { return c.Process.Kill() }},
		// What a terminal does on Ctrl-C, and on closing it, to everything that runs in it.
		"SIGINT to its group":  {"wait", func(c *child) error { return syscall.Kill(-c.Process.Pid, syscall.SIGINT) }},
		"SIGKILL to its group": {"wait", func(c *child) error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }},
	}
	for _, w := range everybody() {
		for name, test := range ends {
			t.Run(w.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				c := startChild(t, w, test.how, "/nonexistent")
				var pids []int
				if test.end != nil {
					c.ready(t)
					for _, cluster := range c.clusters(t) {
						pids = append(pids, postmaster(t, cluster))
					}
					if len(pids) != 1 || !alive(pids[0]) {
						t.Fatalf("expected one running server, got %v", pids)
					}
					if err := test.end(c); err != nil {
						t.Fatal(err)
					}
				} else {
					c.ready(t)
				}
				_ = c.Wait()
				soon(t, "the cluster's folder is gone", func() bool { return len(c.clusters(t)) == 0 })
				for _, pid := range pids {
					if alive(pid) {
						t.Errorf("PostgreSQL (process %d) still runs", pid)
					}
				}
			})
		}
	}
}

func TestNothingIsLeftWhenKilledWhileStarting(t *testing.T) {
	t.Parallel()
	for _, w := range everybody() {
		for _, cached := range []bool{false, true} {
			for _, after := range []time.Duration{10, 50, 120, 500} {
				t.Run(fmt.Sprintf("%s/cached %t/after %d ms", w.name, cached, after), func(t *testing.T) {
					t.Parallel()
					cache := "/nonexistent"
					if cached {
						cache = sharedFolder(t)
					}
					c := startChild(t, w, "wait", cache)
					time.Sleep(after * time.Millisecond)
					if err := c.Process.Kill(); err != nil {
						t.Fatal(err)
					}
					_ = c.Wait()
					awaitTemplates(t, cache)
					soon(t, "the cluster's folder is gone", func() bool { return len(c.clusters(t)) == 0 })
					time.Sleep(200 * time.Millisecond) // initdb, had it survived, would make it again
					if left := c.clusters(t); len(left) != 0 {
						t.Errorf("left: %v", left)
					}
				})
			}
		}
	}
}

// awaitTemplates waits until nobody makes a template: one that was begun is completed, whoever was killed.
func awaitTemplates(t *testing.T, cache string) {
	t.Helper()
	locks, err := filepath.Glob(filepath.Join(cache, "rolewright", "*.lock"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range locks {
		lock, err := lockFile(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		_ = lock.Close()
	}
}

func TestTheGuardCleansUpWhenItIsTerminatedItself(t *testing.T) {
	t.Parallel()
	s := throwaway(t, sharedFolder(t))
	if err := syscall.Kill(parentOf(t, postmaster(t, s.folder)), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	soon(t, "the cluster's folder is gone", func() bool { return !exists(s.folder) })
}

func TestSweepRemovesWhatAKilledGuardLeft(t *testing.T) {
	t.Parallel()
	base := sharedFolder(t)
	a, err := serverAccount()
	if err != nil {
		t.Fatal(err)
	}
	dead, live := throwaway(t, base), throwaway(t, base)
	pid := postmaster(t, dead.folder)
	if err := syscall.Kill(parentOf(t, pid), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = dead.Close() // as if we had been killed too: the lock is free, PostgreSQL runs

	sweep(a, []string{base})
	if !exists(dead.folder) || !alive(pid) {
		t.Fatal("swept a folder that is so young that its owner may not have locked it yet")
	}
	makeOld(t, dead.folder, live.folder)
	// A process that is just being started beside us holds a copy of the lock for a moment.
	soon(t, "what the killed guard left is swept", func() bool {
		sweep(a, []string{base})
		return !exists(dead.folder) && !alive(pid)
	})
	if !listens(live.folder) {
		t.Error("swept a cluster that is in use")
	}
}

func TestSweepLeavesOtherPeoplesFoldersAlone(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can make other people's folders")
	}
	base := sharedFolder(t)
	a, err := serverAccount()
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(base, folderPrefix+"planted") // root's, not the account's
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, lockName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	makeOld(t, folder)
	sweep(a, []string{base})
	if !exists(folder) {
		t.Error("it is gone")
	}
}

func makeOld(t *testing.T, folders ...string) {
	t.Helper()
	old := time.Now().Add(-2 * sweepAge)
	for _, folder := range folders {
		if err := os.Chtimes(folder, old, old); err != nil {
			t.Fatal(err)
		}
	}
}
