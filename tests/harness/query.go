package harness

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Querier is whatever answers SQL: a DB (as its owner), a pool, a connection, a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// Exec runs a statement (without arguments: a script) and returns how many rows it changed.
func Exec(t testing.TB, q Querier, sql string, args ...any) int64 {
	t.Helper()
	tag, err := q.Exec(t.Context(), sql, args...)
	if err != nil {
		t.Fatalf("%v in:\n%s", err, sql)
	}
	return tag.RowsAffected()
}

// One returns the only column of the only row.
func One[T any](t testing.TB, q Querier, sql string, args ...any) T {
	t.Helper()
	rows, _ := q.Query(t.Context(), sql, args...) // the error comes out of the rows again
	value, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	if err != nil {
		t.Fatalf("%v in:\n%s", err, sql)
	}
	return value
}

// Column returns the only column of all rows.
func Column[T any](t testing.TB, q Querier, sql string, args ...any) []T {
	t.Helper()
	return collect(t, q, pgx.RowTo[T], sql, args)
}

// Rows returns rows as structs, whose fields are named like the columns (or tagged db:"…").
func Rows[T any](t testing.TB, q Querier, sql string, args ...any) []T {
	t.Helper()
	return collect(t, q, pgx.RowToStructByName[T], sql, args)
}

func collect[T any](t testing.TB, q Querier, scan pgx.RowToFunc[T], sql string, args []any) []T {
	t.Helper()
	rows, _ := q.Query(t.Context(), sql, args...)
	values, err := pgx.CollectRows(rows, scan)
	if err != nil {
		t.Fatalf("%v in:\n%s", err, sql)
	}
	return values
}

// MustFail runs a statement that the server must refuse with that SQLSTATE, and returns the refusal.
func MustFail(t testing.TB, q Querier, sqlstate, sql string, args ...any) *pgconn.PgError {
	t.Helper()
	_, err := q.Exec(t.Context(), sql, args...)
	var refusal *pgconn.PgError
	switch {
	case err == nil:
		t.Fatalf("succeeded, and should have failed with %s:\n%s", sqlstate, sql)
	case !errors.As(err, &refusal):
		t.Fatalf("want SQLSTATE %s, got %v in:\n%s", sqlstate, err, sql)
	case refusal.Code != sqlstate:
		t.Fatalf("want SQLSTATE %s, got %s: %s (%s) in:\n%s", sqlstate, refusal.Code, refusal.Message, refusal.Detail, sql)
	}
	return refusal
}
