// Package schema installs, upgrades and removes Rolewright in a database: goose over the migrations that the binary
// carries, behind a lock and a check that refuses before anything is created.
package schema

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/rolewright/rolewright/migrations"
)

// DefaultVersionTable is where the applied versions are written down. It is not goose's own default: an application
// that migrates with goose too counts its own versions there.
const DefaultVersionTable = "public.rolewright_version"

// Options say how to migrate; the zero value is the usual way.
type Options struct {
	VersionTable string       // schema.table, DefaultVersionTable when empty
	Logger       *slog.Logger // progress and the server's notices; nil drops them
}

// A Migration is one step of the installation. Status knows when it was applied; a zero time means that it is pending.
type Migration struct {
	Version   int64
	Name      string
	AppliedAt time.Time
}

// lockKey is the advisory lock that Up and Down hold: one migration of a database at a time. Its bytes spell "rolewrgt".
const lockKey int64 = 0x726f6c6577726774

// Up applies the pending migrations, each in a transaction of its own, and returns those that it applied, also
// when a later one failed.
func Up(ctx context.Context, url string, opts Options) ([]Migration, error) {
	var applied []Migration
	err := migrate(ctx, url, opts, func(s *session, provider *goose.Provider) error {
		if err := s.preflight(ctx); err != nil {
			return err
		}
		results, err := provider.Up(ctx)
		if partial := new(goose.PartialError); errors.As(err, &partial) {
			results = partial.Applied
			err = fmt.Errorf("%s: %w", partial.Failed.Source.Path, partial.Err)
		}
		applied = migrationsOf(results...)
		return err
	})
	return applied, err
}

// Down takes back the migration applied last, or all of them, and returns which. With the first one the
// version table goes too, so that nothing is left of Up. The data of what it takes back is lost.
func Down(ctx context.Context, url string, opts Options, all bool) ([]Migration, error) {
	var reverted []Migration
	err := migrate(ctx, url, opts, func(s *session, provider *goose.Provider) error {
		// Asked before goose, which would create the version table to find it empty.
		versions, exists, err := s.versions(ctx)
		if err != nil || !exists {
			return err
		}
		for n := len(versions); n > 0; n-- {
			result, err := provider.Down(ctx)
			if partial := new(goose.PartialError); errors.As(err, &partial) {
				return fmt.Errorf("%s: %w", partial.Failed.Source.Path, partial.Err)
			}
			if err != nil {
				return err
			}
			reverted = append(reverted, migrationsOf(result)...)
			if !all {
				break
			}
		}
		if len(reverted) < len(versions) {
			return nil
		}
		_, err = s.conn.Exec(ctx, "DROP TABLE "+s.versionTable)
		return err
	})
	return reverted, err
}

// Status lists every migration and when it was applied. It writes nothing.
func Status(ctx context.Context, url string, opts Options) ([]Migration, error) {
	s, err := connect(ctx, url, opts)
	if err != nil {
		return nil, err
	}
	defer s.close(ctx)

	applied, _, err := s.versions(ctx)
	if err != nil {
		return nil, err
	}
	all, err := list()
	for i := range all {
		all[i].AppliedAt = applied[all[i].Version]
	}
	return all, err
}

// Print writes the pending migrations as a script for psql, which does what Up would do, in one transaction, and
// records the versions, so that Status tells the truth afterwards. It writes nothing to the database.
func Print(ctx context.Context, w io.Writer, url string, opts Options) error {
	status, err := Status(ctx, url, opts)
	if err != nil {
		return err
	}
	var pending []Migration
	for _, migration := range status {
		if migration.AppliedAt.IsZero() {
			pending = append(pending, migration)
		}
	}
	return writeScript(w, opts.versionTable(), pending)
}

// PrintAll writes the script that Print would write for an empty database, and needs none.
func PrintAll(w io.Writer, opts Options) error {
	if err := opts.validate(); err != nil {
		return err
	}
	all, err := list()
	if err != nil {
		return err
	}
	return writeScript(w, opts.versionTable(), all)
}

func (o Options) versionTable() string {
	return cmp.Or(o.VersionTable, DefaultVersionTable)
}

// goose puts the name into its statements as it is.
var qualifiedName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}\.[a-z_][a-z0-9_]{0,62}$`)

func (o Options) validate() error {
	if !qualifiedName.MatchString(o.versionTable()) {
		return fmt.Errorf("version table %q: want schema.table, in lower case letters, digits and underscores", o.VersionTable)
	}
	return nil
}

// migrate calls run while it holds the lock. goose's own session locker would be late: goose creates the version
// table before it asks for the lock, and the preflight has to come before both.
func migrate(ctx context.Context, url string, opts Options, run func(*session, *goose.Provider) error) error {
	s, err := connect(ctx, url, opts)
	if err != nil {
		return err
	}
	defer s.close(ctx)
	if _, err := s.conn.Exec(ctx, "SELECT pg_advisory_lock($1)", lockKey); err != nil {
		return fmt.Errorf("wait for another migration of this database: %w", withCause(ctx, err))
	}

	db := stdlib.OpenDB(*s.config)
	defer db.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, migrations.FS,
		goose.WithTableName(s.versionTable),
		goose.WithDisableGlobalRegistry(true),
		goose.WithSlog(slog.New(slog.DiscardHandler)),
	)
	if err != nil {
		return err
	}
	return withCause(ctx, run(s, provider))
}

// withCause says that it was ctx that ended a statement: the server only says that a user wished it.
func withCause(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil || errors.Is(err, ctx.Err()) {
		return err
	}
	return fmt.Errorf("%w: %w", ctx.Err(), err)
}

func migrationsOf(results ...*goose.MigrationResult) []Migration {
	done := make([]Migration, len(results))
	for i, result := range results {
		done[i] = Migration{Version: result.Source.Version, Name: result.Source.Path}
	}
	return done
}
