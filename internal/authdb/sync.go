package authdb

import (
	"context"
	"errors"
	"io"
	"regexp"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// SyncResult is the row that apply_identity_sync returns.
type SyncResult struct {
	Received  int64 `json:"received" db:"received"`
	Created   int64 `json:"created" db:"created"`
	Updated   int64 `json:"updated" db:"updated"`
	Enabled   int64 `json:"enabled" db:"enabled"`
	Disabled  int64 `json:"disabled" db:"disabled"`
	Unchanged int64 `json:"unchanged" db:"unchanged"`
	Skipped   int64 `json:"skipped" db:"skipped"`
}

// SyncOptions are the parameters of apply_identity_sync.
type SyncOptions struct {
	CreateMissing, DisableMissing, DryRun, AllowEmpty bool
	MaxDisable                                        *int
}

// IdentitySync is a streamed sync in a transaction. Its methods are called once each, in the order in which they stand here.
type IdentitySync struct {
	db   *DB
	conn *pgconn.PgConn
}

// BeginIdentitySync calls auth.begin_identity_sync: the transaction is the sync's from here on.
func BeginIdentitySync(ctx context.Context, tx pgx.Tx, providerID string) (*IdentitySync, error) {
	db := New(tx)
	return &IdentitySync{db, tx.Conn().PgConn()}, do(ctx, db, "begin_identity_sync", args{"provider_id": providerID})
}

// CopyLines sends every line of the feed. produce runs beside the COPY, in a goroutine of its own.
func (s *IdentitySync) CopyLines(ctx context.Context, produce func(send func(line int64, providerUserID, digest []byte) error) error) error {
	const sql = `COPY pg_temp.sync_line (line_no, provider_user_id, digest) FROM STDIN (FORMAT binary)`
	return copyRows(ctx, s.conn, sql, func(rows *rowWriter) error {
		return produce(func(line int64, providerUserID, digest []byte) error {
			rows.begin(3)
			rows.int8(line)
			rows.bytes(providerUserID)
			rows.bytes(digest)
			return rows.end()
		})
	})
}

// NeededLines calls each with the number of every line whose element is needed.
func (s *IdentitySync) NeededLines(ctx context.Context, each func(line int64)) error {
	rows, err := s.db.q.Query(ctx, `SELECT * FROM auth.compare_identity_sync()`)
	if err != nil {
		return err
	}
	var line int64
	_, err = pgx.ForEachRow(rows, []any{&line}, func() error {
		each(line)
		return nil
	})
	return err
}

// CopyElements sends the elements that are needed.
func (s *IdentitySync) CopyElements(ctx context.Context, produce func(send func(line int64, element []byte) error) error) error {
	const sql = `COPY pg_temp.sync_element (line_no, element) FROM STDIN (FORMAT binary)`
	return copyRows(ctx, s.conn, sql, func(rows *rowWriter) error {
		return produce(func(line int64, element []byte) error {
			rows.begin(2)
			rows.int8(line)
			rows.jsonb(element)
			return rows.end()
		})
	})
}

// Problems calls auth.identity_sync_problems, and each with every line and reason that it returns, in order.
func (s *IdentitySync) Problems(ctx context.Context, each func(line int64, reason string)) error {
	rows, err := s.db.q.Query(ctx, `SELECT line_no, reason FROM auth.identity_sync_problems(_limit => NULL)`)
	if err != nil {
		return err
	}
	var line int64
	var reason string
	_, err = pgx.ForEachRow(rows, []any{&line, &reason}, func() error {
		each(line, reason)
		return nil
	})
	return err
}

// Apply calls auth.apply_identity_sync.
func (s *IdentitySync) Apply(ctx context.Context, o SyncOptions) (SyncResult, error) {
	a := args{"create_missing": o.CreateMissing, "disable_missing": o.DisableMissing, "dry_run": o.DryRun,
		"max_disable": o.MaxDisable, "allow_empty": o.AllowEmpty}
	return single(all[SyncResult](ctx, s.db,
		`SELECT received, created, updated, enabled, disabled, unchanged, skipped FROM `+callSQL("apply_identity_sync", a), a))
}

// CopyRow says which row of a COPY the server refused, counted from 1. The number stands in the error's context, in
// every language right after the table: "COPY sync_element, line 3, column element".
func CopyRow(err error) (row int64, ok bool) {
	var refused *pgconn.PgError
	if !errors.As(err, &refused) {
		return 0, false
	}
	match := copyContext.FindStringSubmatch(refused.Where)
	if match == nil {
		return 0, false
	}
	row, err = strconv.ParseInt(match[1], 10, 64)
	return row, err == nil
}

var copyContext = regexp.MustCompile(`COPY sync_element\D+(\d+)`)

var errCopyEnded = errors.New("the server ended the COPY")

// copyRows overlaps the making of rows with their way to the server. The error of produce is the cause where both fail.
func copyRows(ctx context.Context, conn *pgconn.PgConn, sql string, produce func(*rowWriter) error) error {
	reader, writer := io.Pipe()
	defer context.AfterFunc(ctx, func() { reader.CloseWithError(context.Cause(ctx)) })()

	produced := make(chan error, 1)
	go func() {
		rows := newRowWriter(writer)
		err := produce(rows)
		if err == nil {
			err = rows.close()
		}
		writer.CloseWithError(err)
		produced <- err
	}()

	_, copyErr := conn.CopyFrom(ctx, reader, sql)
	reader.CloseWithError(errCopyEnded)
	select {
	case err := <-produced:
		if err != nil && !errors.Is(err, errCopyEnded) {
			return err
		}
		return copyErr
	case <-ctx.Done():
		// Produce may be waiting for somebody to type: it is left behind.
		return context.Cause(ctx)
	}
}
