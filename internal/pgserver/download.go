//go:build unix

package pgserver

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	embedded "github.com/fergusstrange/embedded-postgres"
)

// downloadVersion is what is fetched where there is no PostgreSQL at all.
const downloadVersion = embedded.V18

// download fetches PostgreSQL once and returns its binaries. It says so before it begins.
func download(ctx context.Context, log io.Writer) (binaries, error) {
	cache, err := cacheFolder()
	if err != nil {
		return binaries{}, err
	}
	folder := filepath.Join(cache, "postgresql-"+string(downloadVersion)+"-"+runtime.GOARCH)
	lock, err := lockFile(ctx, filepath.Join(cache, "download.lock")) // it takes long: once is enough
	if err != nil {
		return binaries{}, err
	}
	defer lock.Close()
	if !exists(folder) {
		_, _ = fmt.Fprintf(log, "No PostgreSQL on this machine: downloading PostgreSQL %s into %s …\n", downloadVersion, folder)
		if err := fetch(ctx, cache, folder, embedded.DefaultConfig()); err != nil {
			return binaries{}, err
		}
	}
	return inspect(ctx, filepath.Join(folder, "bin"))
}

// fetch makes folder, with the PostgreSQL that config downloads.
//
// The library fetches only in the course of starting a server, which fails as root, and which would leave one
// running when we are killed. So it is given a data folder that looks complete to it, so that it skips initdb, and
// that PostgreSQL refuses to start in. What it does then is to fetch, to unpack, and to run pg_ctl in vain.
// Output of pg_ctl is thus the sign that everything before it went well.
func fetch(ctx context.Context, cache, folder string, config embedded.Config) error {
	work := filepath.Join(cache, "download-"+rand.Text())
	cleaner, err := startGuard(account{}, work, "true", "true") // never told to begin: it removes work, also when we are killed
	if err != nil {
		return err
	}
	unpacked, data := filepath.Join(work, "unpacked"), filepath.Join(work, "data")
	major, _, _ := strings.Cut(string(downloadVersion), ".")
	err = os.MkdirAll(data, 0o700)
	if err == nil {
		err = os.WriteFile(filepath.Join(data, "PG_VERSION"), []byte(major+"\n"), 0o600)
	}
	if err != nil {
		return errors.Join(err, cleaner.end())
	}
	var pgctl bytes.Buffer
	config = config.Version(downloadVersion).Port(0).Logger(&pgctl).
		CachePath(filepath.Join(work, "archive")).RuntimePath(filepath.Join(work, "run")).BinariesPath(unpacked).DataPath(data)

	logs := libraryLogs()
	done := make(chan error, 1)
	go func() {
		err := embedded.NewDatabase(config).Start()
		if pgctl.Len() > 0 {
			err = publish(unpacked, folder)
		}
		for _, log := range libraryLogs() {
			if !slices.Contains(logs, log) {
				_ = os.Remove(log)
			}
		}
		done <- errors.Join(err, cleaner.end())
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err() // the library knows no context: it goes on until the process ends
	}
}

// libraryLogs lists the log files of the library, which forgets to remove them. A new one is ours: nobody else
// downloads, because of the lock.
func libraryLogs() []string {
	logs, _ := filepath.Glob(filepath.Join(os.TempDir(), "embedded_postgres_log*"))
	return logs
}

// publish gives unpacked binaries their final name. Others than us may have to run them, whatever our umask is.
func publish(unpacked, folder string) error {
	err := filepath.WalkDir(unpacked, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		readable := info.Mode().Perm() | 0o444
		if entry.IsDir() || readable&0o100 != 0 {
			readable |= 0o111
		}
		return os.Chmod(path, readable)
	})
	if err != nil {
		return err
	}
	return os.Rename(unpacked, folder)
}
