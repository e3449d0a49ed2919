package harness

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rolewright/rolewright/internal/pgserver"
)

// Owner is the role that owns the databases and has installed Rolewright in them. It is no superuser.
const Owner = "rolewright_owner"

// Server hands out databases.
type Server struct {
	*pgserver.Server
	// Major is the version of PostgreSQL, such as 18.
	Major int

	config   Config
	admin    *pgxpool.Pool
	password string // of Owner
	clone    string // the end of CREATE DATABASE … from a template
	template func() (string, error)
	made     string // the template, once there is one
}

func start(ctx context.Context, c Config) (*Server, error) {
	opened, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	s := &Server{Server: opened, config: c}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare the server of %s for tests: %w", opened.Source, err), s.close())
	}
	return s, nil
}

func (s *Server) prepare(ctx context.Context) error {
	superURL, err := s.address("", nil)
	if err != nil {
		return err
	}
	if s.admin, err = pgxpool.New(ctx, superURL); err != nil {
		return err
	}
	var super bool
	err = s.admin.QueryRow(ctx, `
		SELECT rolsuper, current_setting('server_version_num')::int / 10000
		FROM pg_catalog.pg_roles WHERE rolname = current_user`).Scan(&super, &s.Major)
	if err != nil {
		return err
	}
	if !super {
		return errors.New("its user is not a superuser")
	}
	// STRATEGY file_copy takes half the time, but ends in two checkpoints, which are cheap only without fsync.
	if s.Ours && s.Major >= 15 {
		s.clone = " STRATEGY file_copy"
	}
	// Several packages may use one server: they have to come to the same password, which others cannot guess.
	s.password = fmt.Sprintf("%x", sha256.Sum256([]byte("rolewright"+s.URL(""))))
	s.template = sync.OnceValues(func() (string, error) { return s.makeTemplate(ctx) })
	return s.locked(ctx, func(tx pgx.Tx) error {
		var known bool
		if err := tx.QueryRow(ctx, "SELECT to_regrole($1) IS NOT NULL", Owner).Scan(&known); err != nil || known {
			return err
		}
		_, err := tx.Exec(ctx, "CREATE ROLE "+Owner+" LOGIN CREATEROLE PASSWORD '"+s.password+"'")
		return err
	})
}

// makeTemplate installs once what all databases are cloned from.
func (s *Server) makeTemplate(ctx context.Context) (string, error) {
	name := newName("template")
	if err := s.create(ctx, name, "template0"); err != nil {
		return "", err
	}
	s.made = name
	ownerURL, err := s.ownerURL(name)
	if err != nil {
		return "", err
	}
	// Locked, because the first installation on a server also creates roles.
	err = s.locked(ctx, func(pgx.Tx) error { return s.config.install(ctx, ownerURL) })
	if err != nil {
		return "", fmt.Errorf("install into the template: %w", err)
	}
	return name, nil
}

// Database is a database of the test's own in which Rolewright is installed.
func (s *Server) Database(t testing.TB) *DB {
	t.Helper()
	template, err := s.template()
	if err != nil {
		t.Fatal(err)
	}
	return s.database(t, template+s.clone)
}

// Empty is a database of the test's own with nothing in it.
func (s *Server) Empty(t testing.TB) *DB {
	t.Helper()
	return s.database(t, "template0")
}

// create makes a database of the owner's.
func (s *Server) create(ctx context.Context, name, template string) error {
	_, err := s.admin.Exec(ctx, "CREATE DATABASE "+name+" OWNER "+Owner+" TEMPLATE "+template)
	return err
}

// locked runs something while no other test binary does so on the same server.
func (s *Server) locked(ctx context.Context, run func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, s.admin, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtext('rolewright harness'))"); err != nil {
			return err
		}
		return run(tx)
	})
}

// address is the URL of a database, for the server's own user or another one. The empty search_path is in it, so
// that whoever connects with it gets that.
func (s *Server) address(database string, user *url.Userinfo) (string, error) {
	u, err := url.Parse(s.URL(database))
	if err != nil || !strings.HasPrefix(u.Scheme, "postgres") {
		return "", errors.Join(errors.New("the server's address has to be a postgres:// URL"), err)
	}
	if user != nil {
		u.User = user
	}
	u.RawQuery = strings.TrimPrefix(u.RawQuery+"&options=-c%20search_path%3D", "&")
	return u.String(), nil
}

func (s *Server) ownerURL(database string) (string, error) {
	return s.address(database, url.UserPassword(Owner, s.password))
}

// close ends the server, or takes the template away from one that is not ours.
func (s *Server) close() error {
	var err error
	if s.admin != nil {
		if s.made != "" && !s.Ours {
			err = s.drop(s.made)
		}
		s.admin.Close()
	}
	return errors.Join(err, s.Close())
}

func (s *Server) drop(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := s.admin.Exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
	return err
}

// newName is unique on the server, whoever else uses it.
func newName(kind string) string {
	return "rolewright_" + kind + "_" + strings.ToLower(rand.Text()[:12])
}
