//go:build unix

package pgserver

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// minimumMajor is the oldest PostgreSQL that Rolewright supports.
const minimumMajor = 14

// binaries is a folder with a PostgreSQL that runs here.
type binaries struct {
	dir     string
	version string
	major   int
}

func (b binaries) path(name string) string { return filepath.Join(b.dir, name) }

// findBinaries returns the first usable folder. One that was named but cannot be used is an error of its own;
// where nothing was named and nothing found, the error is a NotFoundError.
func findBinaries(ctx context.Context, o Options, folders []string) (binaries, error) {
	for _, named := range []struct{ by, dir string }{{"the option for binaries", o.Binaries}, {"PG_BINDIR", o.Getenv("PG_BINDIR")}} {
		if named.dir != "" {
			b, err := inspect(ctx, named.dir)
			if err != nil {
				return binaries{}, fmt.Errorf("%s names no usable PostgreSQL: %w", named.by, err)
			}
			return b, nil
		}
	}
	wanted, err := majorOf(o.KeepIn)
	if err != nil {
		return binaries{}, err
	}
	var missing NotFoundError
	for _, dir := range folders {
		b, err := inspect(ctx, dir)
		switch {
		case err != nil:
			missing.add("local binaries", err.Error())
		case wanted != 0 && b.major != wanted:
			missing.add("local binaries", fmt.Sprintf("%s is PostgreSQL %d, the cluster in %s needs %d", dir, b.major, o.KeepIn, wanted))
		default:
			return b, nil
		}
	}
	return binaries{}, missing
}

// searchDirs lists the places where packages put a server, the likeliest first.
func searchDirs(ctx context.Context, path string) []string {
	var dirs []string
	ask, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if out, err := exec.CommandContext(ask, "pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	for _, dir := range filepath.SplitList(path) {
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err == nil && filepath.IsAbs(dir) {
			dirs = append(dirs, dir)
		}
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", // Debian, Ubuntu
		"/usr/pgsql-*/bin",          // Red Hat with PGDG
		"/usr/libexec/postgresql*",  // Alpine
		"/opt/homebrew/opt/postgresql@*/bin",
		"/usr/local/opt/postgresql@*/bin",
		"/Applications/Postgres.app/Contents/Versions/*/bin",
	} {
		found, _ := filepath.Glob(pattern) // fails on a bad pattern only
		slices.SortFunc(found, newestFirst)
		dirs = append(dirs, found...)
	}
	return unique(dirs)
}

var digits = regexp.MustCompile(`\d+`)

// newestFirst compares folders by the first number in their names: 9 comes after 18.
func newestFirst(a, b string) int {
	x, _ := strconv.Atoi(digits.FindString(a))
	y, _ := strconv.Atoi(digits.FindString(b))
	return cmp.Compare(y, x)
}

func unique(dirs []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(dirs, func(dir string) bool {
		again := seen[dir]
		seen[dir] = true
		return again
	})
}

var versionLine = regexp.MustCompile(`(\d+)(\.\d+|devel|beta\d+|rc\d+)`)

// inspect runs the server's --version, as the user that will run the server.
func inspect(ctx context.Context, dir string) (binaries, error) {
	b := binaries{dir: dir}
	for _, name := range []string{"postgres", "initdb"} {
		if _, err := os.Stat(b.path(name)); err != nil {
			return b, fmt.Errorf("no server in %s: %w", dir, err)
		}
	}
	account, err := serverAccount()
	if err != nil {
		return b, err
	}
	if blocked := account.cannotEnter(dir); blocked != "" {
		return b, fmt.Errorf("%s cannot be used: PostgreSQL refuses to run as root, and user %s may not enter %s", dir, account.name, blocked)
	}
	ask, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := account.command(ask, b.path("postgres"), "--version").CombinedOutput()
	if err != nil {
		return b, fmt.Errorf("%s cannot be run as user %s: %w: %s", b.path("postgres"), account.name, err, strings.TrimSpace(string(out)))
	}
	match := versionLine.FindStringSubmatch(string(out))
	if match == nil {
		return b, fmt.Errorf("%s says %q, which is no version of PostgreSQL", b.path("postgres"), strings.TrimSpace(string(out)))
	}
	b.version = match[0]
	b.major, _ = strconv.Atoi(match[1])
	if b.major < minimumMajor {
		return b, fmt.Errorf("%s is PostgreSQL %s; %d or newer is needed", dir, b.version, minimumMajor)
	}
	return b, nil
}
