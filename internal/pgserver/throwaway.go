//go:build unix

package pgserver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// folderPrefix begins the names of the folders of throwaway clusters; sweep knows them by it.
const folderPrefix = "rolewright-pg-"

// longestSocket is what fits into sockaddr_un on every system, less the final zero.
const longestSocket = 103

// throwawaySettings trade durability, which a throwaway cluster does not need, for speed. It listens in its own
// folder only. That folder is closed to other users (0700), which is why "trust" may be the way to log in.
func throwawaySettings(folder string, extra map[string]string) string {
	settings := map[string]string{
		"listen_addresses":           "",
		"unix_socket_directories":    folder,
		"port":                       port,
		"max_connections":            "300",
		"fsync":                      "off",
		"synchronous_commit":         "off",
		"full_page_writes":           "off",
		"dynamic_shared_memory_type": "mmap", // in the cluster's folder, so that it goes with it
	}
	maps.Copy(settings, extra)
	return configuration(settings)
}

// configuration writes settings as lines of postgresql.conf.
func configuration(settings map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&b, "%s = '%s'\n", name, strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(settings[name]))
	}
	return b.String()
}

// startThrowaway starts a cluster that lives as long as this process, or until Close.
func startThrowaway(ctx context.Context, o Options, bases []string, b binaries, source string) (*Server, error) {
	a, err := serverAccount()
	if err != nil {
		return nil, err
	}
	sweep(a, bases)
	template, noTemplate := cachedTemplate(ctx, a, b)
	g, err := newFolder(ctx, a, bases, func(folder string) (prepare, server string) {
		data := quote(filepath.Join(folder, "data"))
		prepare = "cp -R " + quote(template) + " " + data
		if noTemplate != nil { // without a cache every start pays for initdb, and the log has its error
			prepare = initdb(b, data, quickCluster)
		}
		return prepare, fmt.Sprintf("%s -D %s --config_file=%s", quote(b.path("postgres")), data, quote(configFile(folder)))
	})
	if err != nil {
		return nil, fmt.Errorf("make a folder for a throwaway PostgreSQL: %w", err)
	}
	config := configFile(g.folder)
	err = os.WriteFile(config, []byte(throwawaySettings(g.folder, o.Settings)), 0o600)
	if err == nil {
		err = errors.Join(a.own(config), g.begin())
	}
	if err != nil {
		return nil, errors.Join(err, g.end())
	}
	starting, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := g.awaitReady(starting); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", b.path("postgres"), err), g.end())
	}
	s, err := Connect(ctx, socketURL(g.folder), source, g.end)
	if err == nil {
		s.Ours = true
	}
	return s, err
}

func configFile(folder string) string { return filepath.Join(folder, "postgresql.conf") }

// newFolder makes an empty folder of the account's, 0700, in the first base where that is possible, with a guard that is
// ready to run commands, and locks the file in it that says it is in use.
func newFolder(ctx context.Context, a account, bases []string, commands func(folder string) (prepare, server string)) (*guard, error) {
	var problems []error
	for _, base := range bases {
		g, err := newFolderIn(ctx, a, base, commands)
		if err == nil {
			return g, nil
		}
		problems = append(problems, err)
	}
	return nil, errors.Join(problems...)
}

func newFolderIn(ctx context.Context, a account, base string, commands func(folder string) (prepare, server string)) (*guard, error) {
	if !a.mayUse(base) {
		return nil, fmt.Errorf("user %s may not make folders in %s", a.name, base)
	}
	// As short as can be while nobody guesses it.
	folder := filepath.Join(base, folderPrefix+strings.ToLower(rand.Text()[:12]))
	if socket := filepath.Join(folder, ".s.PGSQL."+port); len(socket) > longestSocket {
		return nil, fmt.Errorf("%s is too long for the name of a socket", socket)
	}
	prepare, server := commands(folder)
	g, err := startGuard(a, folder, prepare, server)
	if err != nil {
		return nil, err
	}
	if g.lock, err = lockFile(ctx, filepath.Join(folder, lockName)); err == nil {
		err = a.own(g.lock.Name())
	}
	if err != nil {
		return nil, errors.Join(err, g.end())
	}
	return g, nil
}

// bases lists where throwaway clusters may live, the fastest first. /tmp is last because TMPDIR is often a long
// path, and root's may be closed to the account.
func bases() []string {
	return unique(append(memoryFolder(), os.TempDir(), "/tmp"))
}
