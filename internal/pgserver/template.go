//go:build unix

package pgserver

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// durability says what kind of cluster initdb makes.
type durability bool

const (
	quickCluster   durability = false // small write-ahead log, nothing is synced
	durableCluster durability = true
)

// initdb is the shell command that makes a cluster in a folder (a shell word). Everybody who reaches the socket
// may log in as everybody: the socket's folder is closed to others.
func initdb(b binaries, folder string, d durability) string {
	common := fmt.Sprintf("%s -D %s --username=postgres --encoding=UTF8 --auth=trust --lc-messages=C", quote(b.path("initdb")), folder)
	if d == quickCluster {
		common += " --no-sync --wal-segsize=1"
	}
	if b.major >= 17 {
		return common + " --locale-provider=builtin --builtin-locale=C.UTF-8 --locale=C"
	}
	// lower() and upper() should know more than ASCII, and not every system has the same locales.
	return common + " --locale=C.UTF-8 || " + common + " --locale=en_US.UTF-8 || " + common + " --locale=C"
}

// cachedTemplate returns a folder with a fresh cluster to copy, made once for these binaries: copying takes a
// tenth of what initdb takes.
func cachedTemplate(ctx context.Context, a account, b binaries) (string, error) {
	cache, err := cacheFolder()
	if err != nil {
		return "", err
	}
	clusters := filepath.Join(cache, "clusters-"+a.name)
	if err := os.Mkdir(clusters, 0o700); err == nil {
		err = a.own(clusters)
		if err != nil {
			return "", err
		}
	}
	if !a.owns(clusters) {
		return "", fmt.Errorf("%s is not a folder of user %s alone", clusters, a.name)
	}
	binary, err := os.Stat(b.path("postgres"))
	if err != nil {
		return "", err
	}
	key := sha256.Sum256(fmt.Append(nil, b.version, binary.ModTime().UnixNano(), initdb(b, "", quickCluster)))
	template := filepath.Join(clusters, fmt.Sprintf("%s-%x", b.version, key[:6]))

	// The shell that makes it inherits the lock: should we be killed, it finishes its work and nobody gets in between.
	lock, err := lockFile(ctx, clusters+".lock")
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if _, err := os.Stat(filepath.Join(template, "PG_VERSION")); err == nil {
		return template, nil
	}
	unfinished := quote(filepath.Join(clusters, "unfinished"))
	script := fmt.Sprintf("umask 077; rm -rf %s && { %s; } && mv %s %s",
		unfinished, initdb(b, unfinished, quickCluster), unfinished, quote(template))
	cmd := a.command(ctx, "/bin/sh", "-c", script)
	cmd.ExtraFiles = []*os.File{lock}
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("initdb: %w:\n%s", err, strings.TrimSpace(string(out)))
	}
	return template, nil
}

// cacheFolder is where things that take long to make are kept: the user's cache. Root's own is closed to the
// account that runs PostgreSQL, so that root uses the system's.
func cacheFolder() (string, error) {
	parent := "/var/cache"
	if os.Geteuid() != 0 {
		var err error
		if parent, err = os.UserCacheDir(); err != nil {
			return "", err
		}
	}
	folder := filepath.Join(parent, "rolewright")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	if self := (account{uid: uint32(os.Geteuid())}); !self.owns(folder) {
		return "", errors.New(folder + " belongs to somebody else, or others can write to it")
	}
	if os.Geteuid() == 0 {
		return folder, os.Chmod(folder, 0o755) // whatever root's umask is: the account has to come in
	}
	return folder, nil
}
