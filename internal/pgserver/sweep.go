//go:build unix

package pgserver

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// lockName is the file in a cluster's folder that is locked as long as the process that started it lives.
const lockName = "lock"

// sweepAge keeps sweep away from folders that somebody is just making and has not locked yet.
const sweepAge = time.Minute

// sweep removes what guards left behind because they, too, were killed: a container that was stopped, a machine
// that lost power. It is best effort: whatever goes wrong is left for the next time.
func sweep(a account, bases []string) {
	for _, base := range bases {
		folders, _ := filepath.Glob(filepath.Join(base, folderPrefix+"*"))
		for _, folder := range folders {
			if isLeftover(a, folder) {
				removeLeftover(a, folder)
			}
		}
	}
}

// isLeftover looks only at the account's own folders: in a folder that everybody can write to, others could put
// one there to have a process killed.
func isLeftover(a account, folder string) bool {
	info, err := os.Lstat(folder)
	if err != nil || time.Since(info.ModTime()) < sweepAge || !a.owns(folder) {
		return false
	}
	lock, err := os.OpenFile(filepath.Join(folder, lockName), os.O_RDWR|syscall.O_NOFOLLOW, 0)
	if err != nil {
		_ = os.Remove(folder) // killed before it could lock anything: empty, or else none of ours, and this fails
		return false
	}
	defer lock.Close()
	return syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}

// removeLeftover acts as the account, never as root. Something that answers on the folder's socket proves that the
// process number in postmaster.pid is still PostgreSQL's.
func removeLeftover(a account, folder string) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	if conn, err := net.Dial("unix", filepath.Join(folder, ".s.PGSQL."+port)); err == nil {
		_ = conn.Close()
		content, _ := os.ReadFile(filepath.Join(folder, "data", "postmaster.pid"))
		pid, _, _ := strings.Cut(string(content), "\n")
		const quit = `kill -QUIT "$1" && while kill -0 "$1" 2>/dev/null; do sleep 0.1; done`
		_ = a.command(ctx, "/bin/sh", "-c", quit, "sh", pid).Run()
	}
	_ = a.command(ctx, "/bin/rm", "-rf", folder).Run()
}
