// Package authdb has one method for every function and view of schema auth that the command line uses.
// It decides nothing: what may be done, and what it does, is the database's to say.
package authdb

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Querier is a connection or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// DB calls the functions of schema auth.
type DB struct{ q Querier }

// New calls through a connection or a transaction.
func New(q Querier) *DB { return &DB{q} }

type args = pgx.NamedArgs

// one returns the single value of a query's single row.
func one[T any](ctx context.Context, db *DB, sql string, a args) (T, error) {
	rows, err := db.q.Query(ctx, sql, a)
	if err != nil {
		var none T
		return none, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
}

// call calls a function of schema auth and returns its value. An argument that is nil is left to its default.
func call[T any](ctx context.Context, db *DB, function string, a args) (T, error) {
	return one[T](ctx, db, "SELECT "+callSQL(function, a), a)
}

// do is call for a function that returns nothing.
func do(ctx context.Context, db *DB, function string, a args) error {
	_, err := db.q.Exec(ctx, "SELECT "+callSQL(function, a), a)
	return err
}

func callSQL(function string, a args) string {
	var given []string
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if value := reflect.ValueOf(a[name]); value.Kind() != reflect.Pointer || !value.IsNil() {
			given = append(given, "_"+name+" => @"+name)
		}
	}
	return "auth." + function + "(" + strings.Join(given, ", ") + ")"
}

// all returns the rows of a query, by the names of their columns.
func all[T any](ctx context.Context, db *DB, sql string, a args) ([]T, error) {
	rows, err := db.q.Query(ctx, sql, a)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[T])
}

// single is the only row that there can be.
func single[T any](rows []T, err error) (T, error) {
	if err == nil && len(rows) != 1 {
		err = pgx.ErrNoRows
	}
	if err != nil {
		var none T
		return none, err
	}
	return rows[0], nil
}

// first returns the first row of a query that looks for one thing.
func first[T any](ctx context.Context, db *DB, notFound *NotFoundError, sql string, a args) (T, error) {
	rows, err := db.q.Query(ctx, sql, a)
	if err != nil {
		var none T
		return none, err
	}
	found, err := pgx.CollectOneRow(rows, pgx.RowTo[T])
	if errors.Is(err, pgx.ErrNoRows) {
		err = notFound
	}
	return found, err
}

var uuidPattern = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// asUUID is what a name is when it can be an id: itself, or NULL.
func asUUID(name string) *string {
	if uuidPattern.MatchString(name) {
		return &name
	}
	return nil
}

// SetAuditContext marks the audit rows of this transaction with a correlation id.
func (db *DB) SetAuditContext(ctx context.Context, correlationID string) error {
	return do(ctx, db, "set_audit_context", args{"correlation_id": correlationID})
}

// SetSessionCorrelationID marks the audit rows of all transactions of this connection: what is set for a transaction, a
// procedure loses with its first COMMIT.
func (db *DB) SetSessionCorrelationID(ctx context.Context, correlationID string) error {
	_, err := db.q.Exec(ctx, "SELECT set_config('rolewright.correlation_id', @id, false)", args{"id": correlationID})
	return err
}
