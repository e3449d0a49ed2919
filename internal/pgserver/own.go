//go:build unix

package pgserver

import (
	"context"
	"errors"
	"io"
)

// places is where to look. Tests look elsewhere.
type places struct {
	folders  []string // that may hold binaries, unless they are named
	bases    []string // that throwaway clusters may live in
	download func(context.Context, io.Writer) (binaries, error)
}

// openOwn starts a server: local binaries, a container, downloaded binaries.
func openOwn(ctx context.Context, o Options) (*Server, error) {
	return openIn(ctx, o, places{searchDirs(ctx, o.Getenv("PATH")), bases(), download})
}

func openIn(ctx context.Context, o Options, where places) (*Server, error) {
	var missing NotFoundError
	found, err := findBinaries(ctx, o, where.folders)
	switch {
	case err == nil:
		return start(ctx, o, where, found, "local binaries in "+found.dir)
	case !errors.As(err, &missing):
		return nil, err
	}
	if o.Container != nil && o.KeepIn == "" {
		server, err := o.Container(ctx)
		if !errors.Is(err, ErrUnavailable) {
			return server, err
		}
		missing.add("a container", err.Error())
	} else {
		missing.add("a container", describeDocker(ctx))
	}
	if !o.AllowDownload {
		missing.add("a download", "not allowed here")
		return nil, missing
	}
	found, err = where.download(ctx, o.Log)
	if err != nil {
		missing.add("a download", err.Error())
		return nil, missing
	}
	return start(ctx, o, where, found, "downloaded binaries in "+found.dir)
}

// start runs binaries, as the kind of server that the options ask for.
func start(ctx context.Context, o Options, where places, b binaries, source string) (*Server, error) {
	if o.KeepIn != "" {
		return startPersistent(ctx, o, b, source)
	}
	return startThrowaway(ctx, o, where.bases, b, source)
}
