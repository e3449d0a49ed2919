//go:build unix

package pgserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// startPersistent starts the cluster in o.KeepIn, making it first where there is none, and leaves it running.
// It is a normal, durable cluster. Only its owner (and root) can connect: it listens on a socket in a folder that
// is closed to everybody else, on no network address.
func startPersistent(ctx context.Context, o Options, b binaries, source string) (*Server, error) {
	a, err := serverAccount()
	if err != nil {
		return nil, err
	}
	folder, err := filepath.Abs(o.KeepIn)
	if err != nil {
		return nil, err
	}
	lock, err := keepFolder(ctx, a, folder)
	if err != nil {
		return nil, fmt.Errorf("keep a PostgreSQL in %s: %w", folder, err)
	}
	defer lock.Close()
	data := filepath.Join(folder, "data")
	if _, err := os.Stat(filepath.Join(data, "PG_VERSION")); errors.Is(err, fs.ErrNotExist) {
		if err := makePersistent(ctx, a, b, folder, o.Settings); err != nil {
			return nil, err
		}
	}
	pgctl := quote(b.path("pg_ctl")) + " -D " + quote(data)
	if !isReady(data) || a.command(ctx, "/bin/sh", "-c", pgctl+" status").Run() != nil {
		log := filepath.Join(folder, "log")
		if out, err := a.command(ctx, "/bin/sh", "-c", pgctl+" -w -s start -l "+quote(log)).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("start the PostgreSQL in %s (%w), see %s: %s", folder, err, log, strings.TrimSpace(string(out)))
		}
	}
	s, err := Connect(ctx, socketURL(folder), source, nil)
	if err != nil {
		return nil, err
	}
	s.Ours = true
	s.StopCommand = a.asAccount(pgctl + " stop")
	s.RemoveCommand = "rm -rf " + quote(folder)
	return s, nil
}

// keepFolder makes sure that a folder is the account's, closed to others, and holds a cluster of ours or nothing.
// The lock that it returns keeps others from making the same cluster at the same time.
func keepFolder(ctx context.Context, a account, folder string) (*os.File, error) {
	if socket := filepath.Join(folder, ".s.PGSQL."+port); len(socket) > longestSocket {
		return nil, fmt.Errorf("%s is too long for the name of a socket (%d bytes at most)", socket, longestSocket)
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return nil, err
	}
	if blocked := a.cannotEnter(filepath.Dir(folder)); blocked != "" {
		return nil, fmt.Errorf("PostgreSQL refuses to run as root, and user %s may not enter %s", a.name, blocked)
	}
	switch entries, err := os.ReadDir(folder); {
	case errors.Is(err, fs.ErrNotExist):
		if err := errors.Join(os.Mkdir(folder, 0o700), a.own(folder)); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	case len(entries) > 0 && !exists(filepath.Join(folder, keptName)):
		return nil, errors.New("the folder is not empty, and what is in it was not made by Rolewright")
	case len(entries) == 0:
		if err := errors.Join(os.Chmod(folder, 0o700), a.own(folder)); err != nil {
			return nil, err
		}
	}
	if info, err := os.Lstat(folder); err != nil || !a.owns(folder) || info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("it has to be a folder of user %s, with mode 0700", a.name)
	}
	return lockFile(ctx, filepath.Join(folder, keptName))
}

// keptName is the file that marks the folder of a persistent cluster, and is locked while one is being made.
const keptName = "rolewright.lock"

// makePersistent runs initdb. The cluster gets its name when it is complete, so that an interruption leaves no half.
func makePersistent(ctx context.Context, a account, b binaries, folder string, extra map[string]string) error {
	settings := map[string]string{"listen_addresses": "", "unix_socket_directories": folder, "port": port}
	for name, value := range extra {
		settings[name] = value
	}
	unfinished := quote(filepath.Join(folder, "unfinished"))
	cmd := a.command(ctx, "/bin/sh", "-c", fmt.Sprintf("umask 077; rm -rf %s && { %s; } </dev/null && cat >>%s/postgresql.conf && mv %s %s",
		unfinished, initdb(b, unfinished, durableCluster), unfinished, unfinished, quote(filepath.Join(folder, "data"))))
	cmd.Stdin = strings.NewReader("\n# Rolewright\n" + configuration(settings))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb in %s: %w:\n%s", folder, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// majorOf is the PostgreSQL that an existing cluster needs; 0: there is no cluster.
func majorOf(keepIn string) (int, error) {
	if keepIn == "" {
		return 0, nil
	}
	content, err := os.ReadFile(filepath.Join(keepIn, "data", "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(content)))
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
