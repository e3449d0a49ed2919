//go:build unix

package pgserver

import (
	"archive/zip"
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	embedded "github.com/fergusstrange/embedded-postgres"
)

// These tests do not run in parallel: fetch is for one at a time.

// repository serves one archive, the way the real one does: a .txz in a .jar.
func repository(t *testing.T, archive []byte) embedded.Config {
	t.Helper()
	var jar bytes.Buffer
	writer := zip.NewWriter(&jar)
	entry, err := writer.Create("postgres.txz")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := entry.Write(archive); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, ".jar") {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(jar.Bytes())
	}))
	t.Cleanup(server.Close)
	return embedded.DefaultConfig().BinaryRepositoryURL(server.URL)
}

// archive packs a PostgreSQL that tells its version, and whose pg_ctl fails as the real one does.
func archive(t *testing.T) []byte {
	t.Helper()
	folder := filepath.Dir(fakeBinaries(t, "18.3"))
	pgctl := "#!/bin/sh\necho 'pg_ctl: cannot be run as root' >&2\nexit 1\n"
	if err := os.WriteFile(filepath.Join(folder, "bin", "pg_ctl"), []byte(pgctl), 0o755); err != nil {
		t.Fatal(err)
	}
	packed, err := exec.Command("tar", "-cJf", "-", "-C", folder, "bin").Output()
	if err != nil {
		t.Skipf("tar with xz: %v", err)
	}
	return packed
}

func entries(t *testing.T, folder string) (names []string) {
	t.Helper()
	found, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range found {
		names = append(names, entry.Name())
	}
	return names
}

func TestDownloadedBinariesAreRunLikeLocalOnes(t *testing.T) {
	cache := sharedFolder(t)
	folder := filepath.Join(cache, "postgresql")
	if err := fetch(t.Context(), cache, folder, repository(t, archive(t))); err != nil {
		t.Fatal(err)
	}
	b, err := inspect(t.Context(), filepath.Join(folder, "bin"))
	if err != nil || b.version != "18.3" {
		t.Errorf("found %+v, %v", b, err)
	}
	if names := entries(t, cache); len(names) != 1 {
		t.Errorf("left in the cache: %v", names)
	}
}

func TestADownloadThatFailsLeavesNothing(t *testing.T) {
	whole := archive(t)
	for name, config := range map[string]embedded.Config{
		"no network":    embedded.DefaultConfig().BinaryRepositoryURL("http://127.0.0.1:1"),
		"not there":     embedded.DefaultConfig().BinaryRepositoryURL(httptest.NewServer(http.NotFoundHandler()).URL),
		"cut in half":   repository(t, whole[:len(whole)/2]),
		"not a tarball": repository(t, []byte("hello")),
	} {
		t.Run(name, func(t *testing.T) {
			cache := sharedFolder(t)
			if err := fetch(t.Context(), cache, filepath.Join(cache, "postgresql"), config); err == nil {
				t.Error("no error")
			}
			if names := entries(t, cache); len(names) != 0 {
				t.Errorf("left in the cache: %v", names)
			}
		})
	}
}

func TestADownloadCanBeCancelled(t *testing.T) {
	block := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-block }))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(block) })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	cache := sharedFolder(t)
	if err := fetch(ctx, cache, filepath.Join(cache, "postgresql"), embedded.DefaultConfig().BinaryRepositoryURL(server.URL)); err == nil {
		t.Error("no error")
	}
}
