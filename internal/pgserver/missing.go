package pgserver

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// NotFoundError says that there is no PostgreSQL to talk to, and everything that was tried.
type NotFoundError struct {
	tried []attempt
}

type attempt struct{ what, outcome string }

func (e *NotFoundError) add(what, outcome string) {
	e.tried = append(e.tried, attempt{what, outcome})
}

func (e NotFoundError) Error() string {
	var b strings.Builder
	b.WriteString("no PostgreSQL to talk to. Looked for:\n")
	b.WriteString("  a URL: neither --database-url nor DATABASE_URL nor libpq's PG* variables were used\n")
	if len(e.tried) == 0 || e.tried[0].what != "local binaries" {
		b.WriteString("  local binaries: none by PG_BINDIR, pg_config or PATH, in /usr/lib/postgresql, /usr/pgsql-*, Homebrew or Postgres.app\n")
	}
	for _, a := range e.tried {
		fmt.Fprintf(&b, "  %s: %s\n", a.what, strings.ReplaceAll(a.outcome, "\n", "\n    "))
	}
	b.WriteString("Any one of these helps:\n" +
		"  apt-get install postgresql     (Debian, Ubuntu)\n" +
		"  brew install postgresql@18     (macOS)\n" +
		"  PG_BINDIR=/path/to/bin         (a PostgreSQL that is somewhere else)\n" +
		"  docker run --rm -d -p 5432:5432 -e POSTGRES_PASSWORD=secret postgres:18\n" +
		"    with --database-url postgres://postgres:secret@localhost/postgres")
	return b.String()
}

// describeDocker says whether Docker could help. Rolewright itself starts no containers: only its tests do.
func describeDocker(ctx context.Context) string {
	ask, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ask, "docker", "version", "--format", "{{.Server.Version}}").Output()
	if err != nil {
		return "not tried; Docker does not answer"
	}
	return fmt.Sprintf("not tried, but Docker %s answers: see below", strings.TrimSpace(string(out)))
}
