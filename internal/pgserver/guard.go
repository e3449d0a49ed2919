//go:build unix

package pgserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A throwaway server must end, and its files must go, when this process ends: by Close, a signal, a panic or
// kill -9. No code of ours runs after the last of these, so that a second process sees to all of them: a shell in
// a session of its own, which is PostgreSQL's parent and reads a pipe that only we hold open. The pipe's end is
// the end of us.
//
// It is the parent so that it knows the process and nobody else's by the same number; PostgreSQL is never left to
// itself. It works wherever there is sh, whoever the user is, unlike Linux's parent death signal.
//
// SIGQUIT is PostgreSQL's immediate shutdown, but a shell makes what it runs in the background ignore it, so that one
// that comes before PostgreSQL has installed its handlers would be lost. SIGTERM ends it then. (Which is also why
// the traps come late: the shell's own must not be active in a child that has not become PostgreSQL yet.)
//
// The guard itself makes the folder, as the account that can remove it, and waits for a line on the pipe before it does
// anything else: there is no moment at which killing us would leave something.
//
// File descriptors: 0 is that pipe; 3 is a second one that closes when PostgreSQL and all of its children have
// ended (the guard's own copy is closed early).
const guardScript = `
umask 077
mkdir %[1]s || exit
pid=
if ! read -r _
then
    rm -rf %[1]s
    exit
fi
if ( %[2]s ) </dev/null >%[1]s/log 2>&1
then
    %[3]s </dev/null >>%[1]s/log 2>&1 &
    pid=$!
fi
trap : HUP INT TERM
exec 3>&-
while read -r _; do :; done
if [ "$pid" ]
then
    kill -TERM "$pid" 2>/dev/null
    kill -QUIT "$pid" 2>/dev/null
    while kill -0 "$pid" 2>/dev/null; do wait "$pid"; done
fi
rm -rf %[1]s
`

// guard is the running shell and what ties it to us.
type guard struct {
	folder string
	cmd    *exec.Cmd
	ours   *os.File      // the pipe's end that keeps it waiting
	lock   *os.File      // of the folder, against sweep
	ended  chan struct{} // closed when PostgreSQL is gone
}

// startGuard starts a guard of a folder, which it makes, 0700, and will remove. Once told to begin, it runs prepare and
// then server (shell commands).
func startGuard(a account, folder, prepare, server string) (*guard, error) {
	theirs, ours, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	alive, aliveWriter, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, theirs.Close(), ours.Close())
	}
	script := fmt.Sprintf(guardScript, quote(folder), prepare, server)
	// Not the caller's context: only the pipe may end the guard, because only the guard cleans up.
	cmd := a.command(context.Background(), "/bin/sh", "-c", script)
	cmd.Stdin = theirs // and nothing else of ours: a pipe for its errors would kill it when we are gone
	cmd.ExtraFiles = []*os.File{aliveWriter}
	err = cmd.Start()
	_ = theirs.Close()
	_ = aliveWriter.Close()
	if err != nil {
		return nil, errors.Join(err, ours.Close(), alive.Close())
	}
	g := &guard{folder: folder, cmd: cmd, ours: ours, ended: make(chan struct{})}
	go func() {
		defer close(g.ended)
		_, _ = io.Copy(io.Discard, alive)
		_ = alive.Close()
	}()
	for !exists(folder) {
		select {
		case <-g.ended:
			return nil, errors.Join(fmt.Errorf("the guard cannot make %s", folder), g.end())
		case <-time.After(time.Millisecond):
		}
	}
	return g, nil
}

// begin lets the guard run its commands.
func (g *guard) begin() error {
	_, err := io.WriteString(g.ours, "\n")
	return err
}

// awaitReady returns once PostgreSQL accepts connections.
func (g *guard) awaitReady(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if isReady(filepath.Join(g.folder, "data")) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-g.ended:
			log, _ := os.ReadFile(filepath.Join(g.folder, "log"))
			return fmt.Errorf("PostgreSQL did not start:\n%s", strings.TrimSpace(string(log)))
		case <-tick.C:
		}
	}
}

// isReady reads what the postmaster writes about itself: its state is in line 8.
func isReady(data string) bool {
	content, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return false
	}
	lines := strings.Split(string(content), "\n")
	return len(lines) > 7 && strings.HasPrefix(lines[7], "ready")
}

// end stops PostgreSQL, removes the folder, and returns when both are done.
func (g *guard) end() error {
	_ = g.ours.Close()
	err := g.cmd.Wait()
	if g.lock != nil {
		err = errors.Join(err, g.lock.Close())
	}
	return err
}
