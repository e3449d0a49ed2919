package schema

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
)

// session is the connection that holds the lock and asks the questions; goose works on connections of its own.
type session struct {
	config       *pgx.ConnConfig
	conn         *pgx.Conn
	versionTable string
}

func connect(ctx context.Context, url string, opts Options) (*session, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.RuntimeParams["application_name"] = cmp.Or(config.RuntimeParams["application_name"], "rolewright migrate")
	// A cancelled statement has to end on the server too: by default pgx closes the connection, and the server
	// would go on waiting for a lock, with the locks of its transaction.
	config.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: 5 * time.Second}
	}
	if opts.Logger != nil {
		config.OnNotice = func(_ *pgconn.PgConn, notice *pgconn.Notice) {
			level := slog.LevelInfo
			if notice.SeverityUnlocalized == "WARNING" {
				level = slog.LevelWarn
			}
			opts.Logger.Log(ctx, level, notice.Message)
		}
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	return &session{config, conn, opts.versionTable()}, nil
}

// close ends the session and with it the lock, also when ctx was cancelled.
func (s *session) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	s.conn.Close(ctx)
}

// preflight refuses what the first migration would refuse, before goose creates its version table. It runs the
// very text that the migration carries, so there is one guard whichever tool installs.
func (s *session) preflight(ctx context.Context) error {
	versions, exists, err := s.versions(ctx)
	if err != nil || len(versions) > 0 {
		return err
	}
	guard, err := guardSQL()
	if err != nil {
		return err
	}
	if _, err := s.conn.Exec(ctx, guard); err != nil {
		return err
	}
	if exists {
		return nil
	}
	return s.checkVersionTable(ctx)
}

// checkVersionTable finds out whether goose may create the version table. Its message has the shape of the guard's,
// which cannot know where the table goes.
func (s *session) checkVersionTable(ctx context.Context) error {
	schema, _, _ := strings.Cut(s.versionTable, ".")
	var user string
	var allowed *bool // NULL: no such schema
	err := s.conn.QueryRow(ctx, `
		SELECT current_user,
		       (SELECT has_schema_privilege(n.oid, 'CREATE') FROM pg_catalog.pg_namespace n WHERE n.nspname = $1)`,
		schema).Scan(&user, &allowed)
	if err != nil || allowed != nil && *allowed {
		return err
	}
	refusal := &pgconn.PgError{
		Severity: "ERROR",
		Code:     "RW002",
		Message:  fmt.Sprintf("role %s may not create the version table %s", user, s.versionTable),
		Detail:   fmt.Sprintf("CREATE on schema %s is missing.", schema),
		Hint: fmt.Sprintf("As the schema's owner: GRANT CREATE ON SCHEMA %s TO %s; or name another table with --version-table.",
			schema, pgx.Identifier{user}.Sanitize()),
	}
	if allowed == nil {
		refusal.Detail = fmt.Sprintf("There is no schema %s.", schema)
		refusal.Hint = "Create it, or name another table with --version-table."
	}
	return refusal
}

// versions returns the applied versions with their times, and whether the version table exists at all.
func (s *session) versions(ctx context.Context) (applied map[int64]time.Time, exists bool, err error) {
	if err := s.conn.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", s.versionTable).Scan(&exists); err != nil || !exists {
		return nil, false, err
	}
	// Version 0 is goose's own mark that the table is there.
	rows, err := s.conn.Query(ctx, "SELECT version_id, max(tstamp)::timestamptz FROM "+s.versionTable+
		" WHERE version_id > 0 AND is_applied GROUP BY version_id")
	if err != nil {
		return nil, false, err
	}
	applied = map[int64]time.Time{}
	var version int64
	var at time.Time
	_, err = pgx.ForEachRow(rows, []any{&version, &at}, func() error {
		applied[version] = at
		return nil
	})
	return applied, true, err
}
