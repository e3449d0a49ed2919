//go:build unix

package pgserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// fakeBinaries makes a folder with a "postgres" that only tells its version.
func fakeBinaries(t *testing.T, version string) string {
	t.Helper()
	folder := filepath.Join(sharedFolder(t), "bin")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"postgres", "initdb"} {
		script := fmt.Sprintf("#!/bin/sh\necho 'postgres (PostgreSQL) %s'\n", version)
		if err := os.WriteFile(filepath.Join(folder, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func noEnvironment(string) string { return "" }

func TestTheNewestMajorComesFirst(t *testing.T) {
	t.Parallel()
	folders := []string{"/usr/lib/postgresql/9.6/bin", "/usr/lib/postgresql/15/bin", "/usr/lib/postgresql/18/bin"}
	slices.SortFunc(folders, newestFirst)
	if folders[0] != "/usr/lib/postgresql/18/bin" || folders[2] != "/usr/lib/postgresql/9.6/bin" {
		t.Errorf("%v", folders)
	}
}

func TestVersionsAreUnderstood(t *testing.T) {
	t.Parallel()
	for version, major := range map[string]int{"18.4": 18, "15.18 (Debian 15.18-0+deb12u1)": 15, "19devel": 19, "19beta1": 19} {
		b, err := inspect(t.Context(), fakeBinaries(t, version))
		if err != nil || b.major != major {
			t.Errorf("%s: major %d, %v", version, b.major, err)
		}
	}
	for version, word := range map[string]string{"13.21": "or newer is needed", "unknown": "no version"} {
		if _, err := inspect(t.Context(), fakeBinaries(t, version)); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v", version, err)
		}
	}
}

func TestNamedBinariesThatCannotBeUsedAreAnErrorOfTheirOwn(t *testing.T) {
	t.Parallel()
	good := fakeBinaries(t, "18.4")
	getenv := func(string) string { return "/no/such/folder" }
	_, err := findBinaries(t.Context(), Options{Getenv: getenv}, []string{good})
	if err == nil || !strings.Contains(err.Error(), "PG_BINDIR") || !strings.Contains(err.Error(), "/no/such/folder") {
		t.Errorf("the error is %v", err)
	}
	if b, err := findBinaries(t.Context(), Options{Getenv: getenv, Binaries: good}, nil); err != nil || b.dir != good {
		t.Errorf("the option does not beat PG_BINDIR: %v, %v", b, err)
	}
}

func TestBinariesOfTheWrongMajorAreNotForAnExistingCluster(t *testing.T) {
	t.Parallel()
	kept := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(kept, "data"), 0o700), os.WriteFile(filepath.Join(kept, "data", "PG_VERSION"), []byte("16\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	old, right := fakeBinaries(t, "18.4"), fakeBinaries(t, "16.9")
	o := Options{Getenv: noEnvironment, KeepIn: kept}
	if b, err := findBinaries(t.Context(), o, []string{old, right}); err != nil || b.dir != right {
		t.Errorf("found %v, %v", b, err)
	}
	if _, err := findBinaries(t.Context(), o, []string{old}); err == nil || !strings.Contains(err.Error(), "needs 16") {
		t.Errorf("the error is %v", err)
	}
}

func TestRootIsToldThatBinariesAreClosedToTheServersUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("PostgreSQL runs as ourselves")
	}
	folder := fakeBinaries(t, "18.4")
	if err := os.Chmod(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := inspect(t.Context(), folder); err == nil || !strings.Contains(err.Error(), "may not enter "+folder) {
		t.Errorf("the error is %v", err)
	}
}

func TestContainersComeAfterBinariesAndBeforeDownloads(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	none := places{download: func(context.Context, io.Writer) (binaries, error) { return binaries{}, errors.New("no network") }}
	here := &Server{Source: "a container"}
	o := Options{Getenv: noEnvironment, Log: io.Discard, AllowDownload: true}

	o.Container = func(context.Context) (*Server, error) { return here, nil }
	if s, err := openIn(ctx, o, none); err != nil || s != here {
		t.Errorf("got %v, %v", s, err)
	}
	o.Container = func(context.Context) (*Server, error) { return nil, errors.New("the image is broken") }
	if _, err := openIn(ctx, o, none); err == nil || err.Error() != "the image is broken" {
		t.Errorf("a container that fails is no reason to go on, got %v", err)
	}
	o.Container = func(context.Context) (*Server, error) { return nil, fmt.Errorf("%w: no daemon", ErrUnavailable) }
	_, err := openIn(ctx, o, none)
	var missing NotFoundError
	if !errors.As(err, &missing) {
		t.Fatalf("the error is %v", err)
	}
	for _, words := range []string{"DATABASE_URL", "local binaries: none", "unavailable: no daemon", "a download: no network", "apt-get", "brew", "docker run"} {
		if !strings.Contains(err.Error(), words) {
			t.Errorf("%q is missing in:\n%v", words, err)
		}
	}
}

func TestTheErrorSaysWhatIsWrongWithEveryFolder(t *testing.T) {
	t.Parallel()
	old := fakeBinaries(t, "9.6.24")
	_, err := openIn(t.Context(), Options{Getenv: noEnvironment, Log: io.Discard}, places{folders: []string{old, "/no/such"}})
	for _, words := range []string{old + " is PostgreSQL", "14 or newer", "/no/such", "a container: not tried", "a download: not allowed"} {
		if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), old+"/postgres", old), words) {
			t.Errorf("%q is missing in:\n%v", words, err)
		}
	}
}

func TestANamedServerThatDoesNotAnswerIsAnError(t *testing.T) {
	t.Parallel()
	_, err := Open(t.Context(), Options{URL: "postgres://me:secret@127.0.0.1:1/app", Getenv: noEnvironment})
	if err == nil || !strings.Contains(err.Error(), "--database-url") || strings.Contains(err.Error(), "secret") {
		t.Errorf("the error is %v", err)
	}
}
