// Package pgserver finds a PostgreSQL to talk to, and starts one where none is running.
//
// It looks in this order: a URL that somebody gave, PostgreSQL binaries on this machine, a container (where the
// caller knows how to start one), binaries that it downloads. A server that it starts is private to this process:
// it is gone, with its files, when the process is, however the process ends. See guard.go for how.
package pgserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
)

// Options says where to look. The zero value looks at the environment and then at local binaries.
type Options struct {
	// URL of a server, usually from --database-url. It beats everything else.
	URL string
	// Embedded skips URL and the environment: always a server of our own.
	Embedded bool
	// Getenv is os.Getenv when nil. (Which variables say "connect"; pgx itself reads the process's environment.)
	Getenv func(string) string
	// Log receives what takes long or costs something, before it starts. Discarded when nil.
	Log io.Writer
	// KeepIn makes the server of our own a persistent one, in this directory; it survives this process.
	KeepIn string
	// Binaries is the folder of initdb and postgres; it beats PG_BINDIR and searching.
	Binaries string
	// Settings are added to the configuration of a server of our own.
	Settings map[string]string
	// Container starts one, and is asked where there are no local binaries. ErrUnavailable: it cannot be done here.
	Container func(context.Context) (*Server, error)
	// AllowDownload permits fetching PostgreSQL when nothing else is left.
	AllowDownload bool
}

// ErrUnavailable is what a container hook returns (wrapped in the reason) where containers cannot be had.
var ErrUnavailable = errors.New("unavailable")

// Server is a PostgreSQL that answers.
type Server struct {
	// Source says in words where it came from.
	Source string
	// Version is what the server itself reports, such as 18.1.
	Version string
	// Ours is true for a server that was started here: nobody else's data is in it.
	Ours bool
	// StopCommand and RemoveCommand are shell commands for a server that outlives this process; else empty.
	StopCommand   string
	RemoveCommand string

	url  string
	stop func() error
}

// Open returns the first server that can be had. A server that was named but does not answer is an error, never a
// reason to look further: nobody wants to find out later that another one was changed.
func Open(ctx context.Context, o Options) (*Server, error) {
	o = o.withDefaults()
	if !o.Embedded {
		if url, source := fromEnvironment(o.URL, o.Getenv); source != "" {
			return Connect(ctx, url, source, nil)
		}
	}
	return openOwn(ctx, o)
}

func (o Options) withDefaults() Options {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	return o
}

// Connect makes a Server of a URL, once it has answered. stop (may be nil) is what Close calls; Connect calls it
// itself when the server does not answer.
func Connect(ctx context.Context, url, source string, stop func() error) (*Server, error) {
	s := &Server{Source: source, url: url, stop: stop}
	ask, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ask, url)
	if err == nil {
		err = conn.QueryRow(ask, "SHOW server_version").Scan(&s.Version)
		_ = conn.Close(ask)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("connect to the server of %s: %w", source, err), s.Close())
	}
	return s, nil
}

// URL names a database of the server; the empty name is the server's own default.
func (s *Server) URL(database string) string {
	return withDatabase(s.url, database)
}

// Close ends a throwaway server and removes its files; it leaves every other server alone.
func (s *Server) Close() error {
	if s.stop == nil {
		return nil
	}
	stop := s.stop
	s.stop = nil
	return stop()
}
