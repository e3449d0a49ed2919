package cli_test

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/rolewright/rolewright/internal/cli"
	"github.com/rolewright/rolewright/tests/harness"
)

func TestAuditListFilters(t *testing.T) {
	t.Parallel()
	url := withProvider(t)
	sync(t, url, smallFeed, "-", "--provider", "corp", "--create-missing")
	done(t, url, "", "user", "lock", "anna")
	done(t, url, "", "user", "delete", "bob")

	contains(t, done(t, url, "", "audit", "list", "--user", "anna"), "user.created", "identity.created", "user.locked", "is_locked: false→true")
	for _, filter := range [][]string{
		{"--event", "user.locked"}, {"--event", "user.lock*", "--since", "yesterday", "--until", "tomorrow"}, {"--limit", "1", "--event", "user.l*"},
	} {
		out := done(t, url, "", append([]string{"audit", "list"}, filter...)...)
		if strings.Count(out, "\n") != 2 || !strings.Contains(out, "user.locked") {
			t.Errorf("%q:\n%s", filter, out)
		}
	}
	contains(t, done(t, url, "", "audit", "list", "--user", "BOB"), "user.created", "user.deleted")
	failed(t, 1, url, "", []string{"audit", "list", "--user", "nobody"}, `there is no user "nobody"`)
	if out := done(t, url, "", "audit", "list", "--until", "yesterday", "-o", "json"); out != "[]\n" {
		t.Errorf("before yesterday: %s", out)
	}
	out := done(t, url, "", "audit", "list", "--provider", "corp")
	contains(t, out, "provider.created", "sync.applied", "identity.created")
	if strings.Contains(out, "user.locked") {
		t.Errorf("--provider shows\n%s", out)
	}
	// The newest rows, the oldest of them first.
	var events []struct {
		Code string `json:"event_code"`
	}
	decode(t, done(t, url, "", "audit", "list", "--event", "user.*", "--limit", "2", "-o", "json"), &events)
	if len(events) != 2 || events[0].Code != "user.locked" || events[1].Code != "user.deleted" {
		t.Errorf("got %v", events)
	}
	failed(t, 1, url, "", []string{"audit", "list", "--since", "whenever"}, "SQLSTATE: 22007")
}

func TestAuditMaintainMakesPartitionsOnce(t *testing.T) {
	t.Parallel()
	url := newDatabase(t)
	contains(t, done(t, url, "", "audit", "maintain", "--months-ahead", "30"), "audit_event_")
	if out := done(t, url, "", "audit", "maintain", "--months-ahead", "30", "--keep", "2 years", "-o", "json"); out != "[]\n" {
		t.Errorf("the second time: %s", out)
	}
}

// Rows of a transaction that was open before others, and commits after them, come too; and none comes twice.
func TestAuditFollowShowsEveryRowOnce(t *testing.T) {
	t.Parallel()
	url := newDatabase(t)
	done(t, url, "", "user", "create", "before")
	slow := harness.Connect(t, url)
	harness.Exec(t, slow, "BEGIN")
	harness.Exec(t, slow, "SELECT auth.create_user('slow')")

	ctx, interrupt := context.WithCancel(context.Background())
	reader, writer := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- cli.Execute(ctx, []string{"--database-url", url, "audit", "list", "--follow", "--interval", "20ms", "--event", "user.created", "-o", "json"},
			strings.NewReader(""), writer, io.Discard)
		writer.Close()
	}()
	names := make(chan string)
	go func() {
		defer close(names)
		for decoder := json.NewDecoder(reader); ; {
			var event struct {
				Username string `json:"username"`
			}
			if decoder.Decode(&event) != nil {
				return
			}
			names <- event.Username
		}
	}()
	next := func() string {
		select {
		case name := <-names:
			return name
		case <-time.After(10 * time.Second):
			t.Fatal("no row came")
			return ""
		}
	}

	seen := map[string]int{next(): 1}
	if seen["before"] != 1 {
		t.Fatalf("first came %v", seen)
	}
	done(t, url, "", "user", "create", "quick")
	time.Sleep(100 * time.Millisecond) // a few looks while the transaction is open
	harness.Exec(t, slow, "COMMIT")
	seen[next()]++
	seen[next()]++
	done(t, url, "", "user", "create", "after")
	seen[next()]++
	time.Sleep(100 * time.Millisecond)
	interrupt()
	for name := range names {
		seen[name]++
	}
	if got := <-code; got != 0 {
		t.Errorf("interrupted following exits with %d", got)
	}
	for _, name := range []string{"before", "quick", "slow", "after"} {
		if seen[name] != 1 {
			t.Errorf("%s was shown %d times", name, seen[name])
		}
	}
}
