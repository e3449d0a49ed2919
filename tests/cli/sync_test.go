package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rolewright/rolewright/internal/cli"
	"github.com/rolewright/rolewright/tests/harness"
)

func withProvider(t testing.TB, flags ...string) string {
	t.Helper()
	url := newDatabase(t)
	done(t, url, "", append([]string{"provider", "create", "corp", "--type", "custom"}, flags...)...)
	return url
}

const smallFeed = `{"provider_user_id":"1","username":"anna","groups":["a","b"],"roles":[],"data":{"k":1}}
{"provider_user_id":"2","username":"bob","groups":["b"]}

{"provider_user_id":"3","username":"chen","groups":[]}
`

func TestSyncReadsFilesAndStdinAlike(t *testing.T) {
	t.Parallel()
	url := withProvider(t)
	got := sync(t, url, smallFeed, "-", "--provider", "corp", "--create-missing")
	if got != (counts{Received: 3, Created: 3}) {
		t.Errorf("from stdin: %+v", got)
	}
	got = sync(t, url, "", write(t, "feed.ndjson", smallFeed), "--provider", "corp")
	if got != (counts{Received: 3, Unchanged: 3}) {
		t.Errorf("from a file: %+v", got)
	}
	contains(t, done(t, url, smallFeed, "sync", "-", "--provider", "corp"), "RECEIVED  CREATED", "\n3         0 ")
}

func TestSecondSyncChangesNoRow(t *testing.T) {
	t.Parallel()
	url := withProvider(t)
	conn := harness.Connect(t, url)
	sync(t, url, smallFeed, "-", "--provider", "corp", "--create-missing")
	before := rowVersions(t, conn)
	sync(t, url, smallFeed, "-", "--provider", "corp", "--create-missing", "--disable-missing")
	if rowVersions(t, conn) != before {
		t.Error("the same feed wrote rows the second time")
	}
	// The same elements in other bytes: they are sent, and change nothing that anybody sees.
	other := strings.ReplaceAll(smallFeed, ",", ", ")
	if got := sync(t, url, other, "-", "--provider", "corp"); got.Unchanged != 3 {
		t.Errorf("other spacing: %+v", got)
	}
}

func TestDryRunChangesNothing(t *testing.T) {
	t.Parallel()
	url := withProvider(t)
	conn := harness.Connect(t, url)
	sync(t, url, smallFeed, "-", "--provider", "corp", "--create-missing")
	before, trail := rowVersions(t, conn), harness.One[int](t, conn, "SELECT count(*) FROM auth.audit_event")
	next := `{"provider_user_id":"1","groups":["c"]}` + "\n" + `{"provider_user_id":"4"}` + "\n"
	arguments := []string{"-", "--provider", "corp", "--create-missing", "--disable-missing", "--max-disable", "2"}
	dry := sync(t, url, next, append(arguments, "--dry-run")...)
	if rowVersions(t, conn) != before || harness.One[int](t, conn, "SELECT count(*) FROM auth.audit_event") != trail {
		t.Error("the dry run wrote rows")
	}
	if wet := sync(t, url, next, arguments...); wet != dry || wet.Created != 1 || wet.Updated != 1 || wet.Disabled != 2 {
		t.Errorf("the dry run said %+v, the run did %+v", dry, wet)
	}
	if r := run(t, url, next, "sync", "-", "--provider", "corp", "--dry-run"); !strings.Contains(r.err, "nothing was changed") {
		t.Errorf("stderr: %s", r.err)
	}
}

func TestBadFeedListsEveryBadLineAndChangesNothing(t *testing.T) {
	t.Parallel()
	url := withProvider(t)
	conn := harness.Connect(t, url)
	sync(t, url, smallFeed, "-", "--provider", "corp", "--create-missing")
	before := rowVersions(t, conn)
	bad := strings.Join([]string{
		`{"provider_user_id":"1","groups":["changed"]}`, // 1: good
		`hello`,                                         // 2
		`{"provider_user_id":"5","groups":"a"}`,         // 3: the database finds it
		`{"username":"x"}`,                              // 4
		`{"provider_user_id":"6","x":"\u0000"}`,         // 5
		`{"provider_user_id":"1"}`,                      // 6: the database finds it
		`{"provider_user_id":"7","x":"` + "\xff" + `"}`, // 7
		`{"provider_user_id":"8","x":"` + strings.Repeat("x", 1<<20) + `"}`, // 8
		`{"provider_user_id":"9","groups":[1]}`,                             // 9: the database finds it
	}, "\n")
	text := failed(t, 1, url, bad, []string{"sync", "-", "--provider", "corp", "--create-missing"},
		"nothing was changed", "bad elements: 8", "line 2: not JSON", "line 3: ", "line 4: no provider_user_id", `line 5: \u0000`,
		"line 6: ", "line 7: not JSON", "line 8: longer than 1 MiB", "line 9: ", "SQLSTATE: RW201")
	var last int
	for _, line := range strings.Split(text, "\n") {
		var number int
		if _, err := fmt.Sscanf(line, "line %d:", &number); err == nil {
			if number < last {
				t.Errorf("not in order:\n%s", text)
			}
			last = number
		}
	}
	if rowVersions(t, conn) != before {
		t.Error("a bad feed changed rows")
	}
}

func TestBadFeedNamesAHundredLinesAndCountsTheRest(t *testing.T) {
	t.Parallel()
	url := withProvider(t)
	text := failed(t, 1, url, strings.Repeat("bad\n", 250), []string{"sync", "-", "--provider", "corp"}, "bad elements: 250", "line 100:", "and 150 more")
	if strings.Contains(text, "line 101:") {
		t.Errorf("got\n%s", text)
	}
	// The database counts its own too.
	twice := strings.Repeat(`{"provider_user_id":"1"}`+"\n", 251)
	failed(t, 1, url, twice, []string{"sync", "-", "--provider", "corp"}, "bad elements: 250", "line 101:", "and 150 more")
}

// JSON that jsonb does not hold: only the server knows, and it counts rows, not lines.
func TestElementThatTheServerRefusesIsNamedByItsLine(t *testing.T) {
	t.Parallel()
	url := withProvider(t)
	feed := smallFeed + "\n\n" + `{"provider_user_id":"x","data":{"v":1e200000}}` + "\n" + `{"provider_user_id":"y"}`
	failed(t, 1, url, feed, []string{"sync", "-", "--provider", "corp", "--create-missing"}, "bad elements: 1", "line 7: ", "SQLSTATE: RW201")
	if out := done(t, url, "", "user", "list", "-o", "json"); out != "[]\n" {
		t.Errorf("users were created: %s", out)
	}
}

func TestCSVFeed(t *testing.T) {
	t.Parallel()
	url := withProvider(t)
	feed := "\ufeffprovider_user_id,username,groups,active,department\r\n1,anna,\"a;b\",true,R&D\r\n2,bob,,,\"Sales,\nEurope\"\r\n"
	if got := sync(t, url, "", write(t, "feed.csv", feed), "--provider", "corp", "--create-missing"); got != (counts{Received: 2, Created: 2}) {
		t.Errorf("got %+v", got)
	}
	contains(t, done(t, url, "", "identity", "show", "corp/1"), "groups      a, b", `{"department": "R&D"}`)
	contains(t, done(t, url, "", "identity", "show", "corp/2"), "groups      (none)", `{"department": "Sales,\nEurope"}`)

	// No column groups: nothing is said about them, and they stay.
	sync(t, url, "provider_user_id,username\n1,anna\n2,bob\n", "-", "--format", "csv", "--provider", "corp")
	contains(t, done(t, url, "", "identity", "show", "corp/1"), "a, b (as last known")

	failed(t, 1, url, "provider_user_id,active\n1,maybe\n2,\"x\n", []string{"sync", "-", "--format", "csv", "--provider", "corp"},
		"line 2: active is neither true nor false", "line 3: not CSV")
	failed(t, 1, url, "id\n1\n", []string{"sync", "-", "--format", "csv", "--provider", "corp"}, "no column provider_user_id")
	failed(t, 1, url, "", []string{"sync", "-", "--format", "xml", "--provider", "corp"}, "neither ndjson nor csv")
}

func TestEmptyFeedIsAnErrorUnlessAllowed(t *testing.T) {
	t.Parallel()
	url := withProvider(t)
	failed(t, 1, url, "\n\n", []string{"sync", "-", "--provider", "corp"}, "RW202", "--allow-empty")
	if got := sync(t, url, "", "-", "--provider", "corp", "--allow-empty"); got != (counts{}) {
		t.Errorf("got %+v", got)
	}
}

func TestSyncNeedsItsProviderAndItsFile(t *testing.T) {
	t.Parallel()
	url := withProvider(t)
	failed(t, 1, url, smallFeed, []string{"sync", "-", "--provider", "Corp"}, `there is no provider "Corp"`)
	failed(t, 1, url, "", []string{"sync", filepath.Join(t.TempDir(), "none"), "--provider", "corp"}, "no such file")
	failed(t, 1, url, "", []string{"sync", t.TempDir(), "--provider", "corp"}, "is a directory")
}

func TestTakenUsernamesAreStated(t *testing.T) {
	t.Parallel()
	url := withProvider(t)
	done(t, url, "", "user", "create", "anna")
	r := run(t, url, smallFeed, "sync", "-", "--provider", "corp", "--create-missing")
	contains(t, r.err, "NOTICE: ", `"anna"`, "anna@corp")
	if r.code != 0 || strings.Contains(r.out, "NOTICE") {
		t.Errorf("exit code %d, stdout:\n%s", r.code, r.out)
	}
}

// Whoever must disable a provider now does not wait for somebody else's pipe.
func TestAFeedThatIsStillArrivingLocksNothing(t *testing.T) {
	t.Parallel()
	url := withProvider(t)
	stdin, arriving := io.Pipe()
	var out, errOut bytes.Buffer
	code := make(chan int)
	go func() {
		code <- cli.Execute(t.Context(), []string{"--database-url", url, "sync", "-", "--provider", "corp", "--create-missing"}, stdin, &out, &errOut)
	}()
	if _, err := io.WriteString(arriving, smallFeed); err != nil {
		t.Fatal(err)
	}
	conn := harness.Connect(t, url)
	harness.Exec(t, conn, `SET lock_timeout = '2s'`)
	harness.Exec(t, conn, `SELECT auth.disable_provider(provider_id) FROM auth.provider`)
	if err := arriving.Close(); err != nil {
		t.Fatal(err)
	}
	if got := <-code; got != 1 || !strings.Contains(errOut.String(), "RW111") {
		t.Errorf("exit code %d: %s", got, errOut.String())
	}
}

// An interrupt while somebody types the feed ends the command at once, and nothing was changed.
func TestInterruptedSyncChangesNothing(t *testing.T) {
	t.Parallel()
	url := withProvider(t)
	stdin, typing := io.Pipe()
	defer typing.Close()
	ctx, interrupt := context.WithCancel(context.Background())
	var out, errOut bytes.Buffer
	code := make(chan int)
	go func() {
		code <- cli.Execute(ctx, []string{"--database-url", url, "sync", "-", "--provider", "corp", "--create-missing"}, stdin, &out, &errOut)
	}()
	if _, err := io.WriteString(typing, smallFeed); err != nil {
		t.Fatal(err)
	}
	interrupt()
	select {
	case got := <-code:
		if got != 1 || errOut.String() != "rolewright: interrupted\n" {
			t.Errorf("exit code %d: %s", got, errOut.String())
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the command still waits for its input")
	}
	if out := done(t, url, "", "user", "list", "-o", "json"); out != "[]\n" {
		t.Errorf("users were created: %s", out)
	}
}

// people yields a feed of n elements without holding it.
func people(n int) io.Reader {
	reader, writer := io.Pipe()
	go func() {
		for i := range n {
			fmt.Fprintf(writer, `{"provider_user_id":"%08d","groups":["g%d","staff"],"data":{"title":"Engineer","floor":%d}}`+"\n", i, i%50, i%7)
		}
		writer.Close()
	}()
	return reader
}

func TestMemoryOfSyncDoesNotGrowWithTheFeed(t *testing.T) {
	url := withProvider(t)
	allocated := func(n int) uint64 {
		var before, after runtime.MemStats
		var out, errOut bytes.Buffer
		runtime.ReadMemStats(&before)
		if code := cli.Execute(context.Background(), []string{"--database-url", url, "sync", "-", "--provider", "corp", "--create-missing"},
			people(n), &out, &errOut); code != 0 {
			t.Fatal(errOut.String())
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	small := allocated(1000)
	const n = 30_000
	// What grows is what the test itself prints, and the numbers of the lines that the server asks for: some bytes a line.
	if large := allocated(n); large > small+200*n {
		t.Errorf("1,000 elements allocate %d bytes, %d elements %d", small, n, large)
	}
}
