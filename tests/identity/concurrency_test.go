package identity_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rolewright/rolewright/tests/harness"
)

// atOnce runs n functions that start together, and returns their errors.
func atOnce(n int, f func(i int) error) []error {
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	errs := make([]error, n)
	for i := range n {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-start
			errs[i] = f(i)
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
	return slices.DeleteFunc(errs, func(err error) bool { return err == nil })
}

func TestAHundredLoginsOfOnePersonThroughTwoProviders(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	p := []string{provider(t, db, "a"), provider(t, db, "b")}
	u := ensure(t, db, p[0], "acc", []string{"A"}, `{}`)
	identity(t, db, u, p[1], "acc", "B")
	for _, err := range atOnce(100, func(i int) error {
		_, err := db.Exec(context.Background(), login, p[i%2], "acc", []string{fmt.Sprint("g", i%5)})
		return err
	}) {
		t.Error(err)
	}
	if n := harness.One[int](t, db, `SELECT count(*) FROM auth.user_identity WHERE is_last_used`); n != 1 {
		t.Errorf("%d last used identities", n)
	}
	if n := harness.One[int](t, db, `SELECT count(*) FROM auth.audit_event WHERE event_code = 'login.succeeded'`); n != 101 {
		t.Errorf("%d logins in the trail, want 101", n)
	}
}

func TestAHundredFirstLoginsOfOnePerson(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	p := provider(t, db, "a")
	var mu sync.Mutex
	users := map[string]bool{}
	for _, err := range atOnce(100, func(int) error {
		rows, _ := db.Query(context.Background(), `SELECT auth.ensure_user_from_provider($1, 'new', _display_name => 'New')::text`, p)
		id, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[string])
		mu.Lock()
		defer mu.Unlock()
		users[id] = true
		return err
	}) {
		t.Error(err)
	}
	if n := harness.One[int](t, db, `SELECT (SELECT count(*) FROM auth.user_info) * 10 + (SELECT count(*) FROM auth.user_identity)`); n != 11 || len(users) != 1 {
		t.Errorf("users and identities: %d, and %d users were returned", n, len(users))
	}
}

func TestManyNewPeopleWithOneNameGetOneEach(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	p := []string{provider(t, db, "a"), provider(t, db, "b")}
	for _, err := range atOnce(40, func(i int) error {
		_, err := db.Exec(context.Background(), `SELECT auth.ensure_user_from_provider($1, $2, _provider_data => '{"username": "john"}')`, p[i%2], fmt.Sprint(i))
		return err
	}) {
		t.Error(err)
	}
	if n := len(usernames(t, db)); n != 40 {
		t.Errorf("%d users, want 40", n)
	}
}

func TestSyncsOfTwoProvidersAndLoginsOfTheSamePeople(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	people := make([]string, 200)
	for i := range people {
		people[i] = fmt.Sprintf("p%03d", i)
	}
	p := []string{provider(t, db, "a", "_link_by => 'username'"), provider(t, db, "b", "_link_by => 'username'")}
	reversed := slices.Clone(people)
	slices.Reverse(reversed)
	for _, err := range atOnce(24, func(i int) error {
		order := [][]string{people, reversed}[i%2]
		if i%3 == 0 {
			_, err := db.Exec(context.Background(), `SELECT auth.ensure_user_from_provider($1, $2, _display_name => $3)`, p[i%2], people[i], fmt.Sprint("Name ", i))
			return err
		}
		elements := feed(order...)
		for k := range elements {
			elements[k] = elements[k][:len(elements[k])-1] + fmt.Sprintf(`, "display_name": "%d"}`, i)
		}
		_, err := db.Exec(context.Background(), syncSQL(whole), p[i%2], elements)
		return err
	}) {
		t.Error(err)
	}
	if n := harness.One[int](t, db, `SELECT count(*) FROM auth.user_info`); n != len(people) {
		t.Errorf("%d users, want %d", n, len(people))
	}
}

// Somebody's psql holds the row; the login waits for it and then sees what was decided.
func TestALoginThatWaitsForTheDBAWhoDisablesItIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ update, sqlstate string }{
		"identity": {`UPDATE auth.user_identity SET is_active = false`, "RW112"},
		"user":     {`UPDATE auth.user_info SET is_active = false`, "RW113"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := harness.Database(t)
			p := provider(t, db, "a")
			ensure(t, db, p, "acc", []string{"A"}, `{}`)
			dba, err := db.Pool.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			harness.Exec(t, dba, c.update)
			refused := make(chan error, 1)
			go func() {
				_, err := db.Exec(context.Background(), login, p, "acc", []string{"B"})
				refused <- err
			}()
			waitForLock(t, db)
			if err := dba.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := <-refused; sqlstate(err) != c.sqlstate {
				t.Errorf("got %v, want %s", err, c.sqlstate)
			}
		})
	}
}

// waitForLock returns once a session of the database waits for a lock.
func waitForLock(t testing.TB, db *harness.DB) {
	t.Helper()
	for range 1000 {
		if harness.One[int](t, db, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) > 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("nobody waits")
}
