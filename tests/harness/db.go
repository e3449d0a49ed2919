package harness

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// DB is the database of one test. It answers as the owner; see Querier.
type DB struct {
	Name     string
	OwnerURL string
	SuperURL string
	// Pool has connections of the owner, up to 16.
	Pool *pgxpool.Pool

	server *Server
}

// database makes a database and sees to its end. A database on a server that outlives the tests is kept when its
// test failed.
func (s *Server) database(t testing.TB, template string) *DB {
	t.Helper()
	db := &DB{Name: newName("test"), server: s}
	if err := s.create(t.Context(), db.Name, template); err != nil {
		t.Fatalf("create a database for the test: %v", err)
	}
	t.Cleanup(func() {
		if t.Failed() && !s.Ours {
			t.Logf("kept database %s of %s", db.Name, s.Source)
			return
		}
		if err := s.drop(db.Name); err != nil {
			t.Errorf("drop the test's database: %v", err)
		}
	})
	var err error
	if db.OwnerURL, err = s.ownerURL(db.Name); err != nil {
		t.Fatal(err)
	}
	if db.SuperURL, err = s.address(db.Name, nil); err != nil {
		t.Fatal(err)
	}
	db.Pool = pool(t, db.OwnerURL)
	return db
}

// Super is a pool of superuser's connections; every call makes another one.
func (db *DB) Super(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return pool(t, db.SuperURL)
}

// URL is the database's address for a role that can log in without a password, which on a server of ours all can.
func (db *DB) URL(t testing.TB, role string) string {
	t.Helper()
	address, err := db.server.address(db.Name, url.User(role))
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// As is a connection whose session belongs to a role, as if that had logged in; the role needs no LOGIN.
func (db *DB) As(t testing.TB, role string) *pgx.Conn {
	t.Helper()
	conn := Connect(t, db.SuperURL)
	Exec(t, conn, "SET SESSION AUTHORIZATION "+pgx.Identifier{role}.Sanitize())
	return conn
}

// Query and Exec make a DB a Querier, as the owner.
func (db *DB) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return db.Pool.Query(ctx, sql, args...)
}

// Exec runs a statement as the owner.
func (db *DB) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return db.Pool.Exec(ctx, sql, args...)
}

// Connect is a connection that ends with the test.
func Connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	})
	return conn
}

func pool(t testing.TB, url string) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = 16
	p, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		closed := make(chan struct{})
		go func() { p.Close(); close(closed) }()
		select {
		case <-closed:
		case <-time.After(5 * time.Second): // a test that failed may not have given its connections back
		}
	})
	return p
}
