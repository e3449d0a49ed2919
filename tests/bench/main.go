// Command bench measures Rolewright against floors: what PostgreSQL itself needs for the same rows, in the same run.
//
// It prints ratios, since seconds say more about the machine than about the product.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/rolewright/rolewright/internal/pgserver"
	"github.com/rolewright/rolewright/internal/schema"
)

func main() {
	rounds := flag.Int("rounds", 5, "rounds of each measurement; the median counts")
	sizes := flag.String("sizes", "100000,1000000", "how many identities to sync")
	only := flag.String("only", "sync,login,permission,roles,grants", "which sections to run")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, strings.Split(*only, ","), parseSizes(*sizes), *rounds)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, sections []string, sizes []int, rounds int) error {
	for _, section := range sections {
		if !slices.Contains([]string{"sync", "login", "permission", "roles", "grants"}, section) {
			return fmt.Errorf("there is no section %q: sync, login, permission, roles, grants", section)
		}
	}
	scratch, err := os.MkdirTemp("", "rolewright-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)

	binary := filepath.Join(scratch, "rolewright")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/rolewright").CombinedOutput(); err != nil {
		return fmt.Errorf("build the command: %w\n%s", err, out)
	}
	server, err := pgserver.Open(ctx, pgserver.Options{
		Embedded: true,
		Log:      os.Stderr,
		// Room for the million, as any server that holds one would have; and nothing that only the first measurement pays.
		Settings: map[string]string{"shared_buffers": "1GB", "max_wal_size": "8GB", "wal_init_zero": "off", "autovacuum": "off"},
	})
	if err != nil {
		return err
	}
	defer server.Close()
	fmt.Printf("PostgreSQL %s, %d cores, %s/%s\n\n", server.Version, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)

	b := &bench{server: server, binary: binary, scratch: scratch, rounds: rounds}
	if slices.Contains(sections, "sync") {
		for _, size := range sizes {
			if err := b.sync(ctx, size); err != nil {
				return fmt.Errorf("sync of %d: %w", size, err)
			}
		}
	}
	if slices.Contains(sections, "login") {
		if err := b.login(ctx); err != nil {
			return fmt.Errorf("login: %w", err)
		}
	}
	if slices.Contains(sections, "permission") {
		if err := b.permission(ctx); err != nil {
			return fmt.Errorf("permission: %w", err)
		}
	}
	if slices.Contains(sections, "roles") {
		if err := b.roles(ctx); err != nil {
			return fmt.Errorf("roles: %w", err)
		}
	}
	if slices.Contains(sections, "grants") {
		if err := b.grants(ctx); err != nil {
			return fmt.Errorf("grants: %w", err)
		}
	}
	return nil
}

// bench is one run.
type bench struct {
	server  *pgserver.Server
	binary  string
	scratch string
	rounds  int
}

// database makes an empty database with Rolewright in it and returns its URL.
func (b *bench) database(ctx context.Context, name string) (string, error) {
	admin, err := pgx.Connect(ctx, b.server.URL(""))
	if err != nil {
		return "", err
	}
	defer admin.Close(ctx)
	if _, err := admin.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()); err != nil {
		return "", err
	}
	url := b.server.URL(name)
	_, err = schema.Up(ctx, url, schema.Options{})
	return url, err
}

func parseSizes(list string) []int {
	var sizes []int
	for _, field := range strings.Split(list, ",") {
		var size int
		if _, err := fmt.Sscan(field, &size); err == nil {
			sizes = append(sizes, size)
		}
	}
	return sizes
}
