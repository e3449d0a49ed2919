// Command migrations writes migrations/ from sql/. With -check it writes nothing and fails where they differ.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/rolewright/rolewright/internal/bundle"
)

func main() {
	check := flag.Bool("check", false, "write nothing; fail when a migration is not what sql/ says")
	source := flag.String("sql", "sql", "the folder of install.sql")
	target := flag.String("migrations", "migrations", "the folder of the migrations")
	flag.Parse()

	if err := run(*source, *target, *check); err != nil {
		fmt.Fprintln(os.Stderr, "migrations:", err)
		os.Exit(1)
	}
}

func run(source, target string, check bool) error {
	rooms, err := bundle.Rooms(os.DirFS(source))
	if err != nil {
		return err
	}
	wanted, err := bundle.Migrations(rooms)
	if err != nil {
		return err
	}
	stale, err := filepath.Glob(filepath.Join(target, "*.sql"))
	if err != nil {
		return err
	}
	extra := map[string]bool{}
	for _, path := range stale {
		extra[path] = true
	}

	for _, migration := range wanted {
		path := filepath.Join(target, migration.Name)
		delete(extra, path)
		if current, err := os.ReadFile(path); err == nil && string(current) == migration.Text {
			continue
		}
		if check {
			return fmt.Errorf("%s is not what %s/ says: run make migrations", path, source)
		}
		fmt.Println("write", path)
		if err := os.WriteFile(path, []byte(migration.Text), 0o644); err != nil {
			return err
		}
	}
	for path := range extra {
		if check {
			return fmt.Errorf("%s comes from nothing in %s/: run make migrations", path, source)
		}
		fmt.Println("remove", path)
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}
