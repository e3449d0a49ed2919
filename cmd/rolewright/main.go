// Command rolewright keeps PostgreSQL users, identities and groups in step with the directories that they come from.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/rolewright/rolewright/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(cli.Execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
