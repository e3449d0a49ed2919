// Command postgres runs PostgreSQL in a container until its standard input ends, and prints a superuser's URL, or
// "unavailable" and why. Package harness runs it: see harness/container.go.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/rolewright/rolewright/internal/pgserver"
	"github.com/rolewright/rolewright/tests/containers"
)

func main() {
	// Ctrl-C goes to the tests too, which end our input when they end. The container has to go first.
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	address, remove, err := containers.Start(ctx, os.Stderr)
	if errors.Is(err, pgserver.ErrUnavailable) {
		reason := strings.TrimPrefix(err.Error(), pgserver.ErrUnavailable.Error()+": ")
		fmt.Println("unavailable", strings.ReplaceAll(reason, "\n", " "))
		return nil
	}
	if err != nil {
		return err
	}
	fmt.Println(address)
	_, _ = io.Copy(io.Discard, os.Stdin)
	return remove()
}
