//go:build !unix

package pgserver

import (
	"context"
	"errors"
)

// openOwn needs Unix sockets, process sessions and users; elsewhere Rolewright talks to servers that run already.
func openOwn(context.Context, Options) (*Server, error) {
	return nil, errors.New("a PostgreSQL of its own can be started on Unix only: use --database-url")
}
