package feed

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// entries indexes a feed given as text: "line:id" of the good elements, and the problems.
func entries(t testing.TB, text string, options Options) ([]string, Problems) {
	t.Helper()
	feed, err := Open(t.Context(), "-", strings.NewReader(text), options)
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	var good []string
	problems, err := feed.Index(func(e Entry) error {
		good = append(good, fmt.Sprintf("%d:%s", e.Line, e.ProviderUserID))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return good, problems
}

// elements reads a feed twice and returns every element by line.
func elements(t testing.TB, text string, options Options) map[int64]string {
	t.Helper()
	feed, err := Open(t.Context(), "-", strings.NewReader(text), options)
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	var wanted LineSet
	digests := map[int64]string{}
	if _, err := feed.Index(func(e Entry) error {
		wanted.Add(e.Line)
		digests[e.Line] = string(e.Digest)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	found := map[int64]string{}
	if err := feed.Elements(&wanted, func(line int64, element []byte) error {
		digest := sha256.Sum256(element)
		if string(digest[:DigestSize]) != digests[line] {
			t.Errorf("line %d: the digest of the first reading is of another element", line)
		}
		found[line] = string(element)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if int64(len(found)) != wanted.Len() {
		t.Errorf("%d elements for %d wanted lines", len(found), wanted.Len())
	}
	return found
}

func TestLineNumbersAreThoseOfTheFile(t *testing.T) {
	text := "\ufeff{\"provider_user_id\":\"a\"}\r\n\r\n  \n{\"provider_user_id\":\"b\"}  \n\t{\"provider_user_id\":\"c\"}"
	good, problems := entries(t, text, Options{})
	if got := strings.Join(good, " "); got != "1:a 4:b 5:c" || problems.Total != 0 {
		t.Errorf("got %s, %v", got, problems)
	}
	found := elements(t, text, Options{})
	if found[4] != `{"provider_user_id":"b"}` {
		t.Errorf("element of line 4 is %q", found[4])
	}
}

func TestBadElementsAreNamed(t *testing.T) {
	long := `{"provider_user_id":"x","data":"` + strings.Repeat("x", MaxElement) + `"}`
	for element, reason := range map[string]string{
		`hello`:                                         "not JSON",
		`{"provider_user_id":"a"`:                       "not JSON: it ends too early",
		`{"provider_user_id":"a",}`:                     "not JSON",
		`{"provider_user_id":"a"} {}`:                   "not JSON: something follows",
		`{"provider_user_id":"a"} x`:                    "not JSON: something follows",
		`["provider_user_id"]`:                          "not a JSON object",
		`null`:                                          "not a JSON object",
		`{}`:                                            "no provider_user_id",
		`{"data":{"provider_user_id":"a"}}`:             "no provider_user_id",
		`{"provider_user_id":null}`:                     "provider_user_id is not a string",
		`{"provider_user_id":7}`:                        "provider_user_id is not a string",
		`{"provider_user_id":["a"]}`:                    "provider_user_id is not a string",
		`{"provider_user_id":""}`:                       "provider_user_id is empty",
		`{"provider_user_id":"a","x":"\u0000"}`:         `\u0000`,
		`{"provider_user_id":"a","x":"\\\u0000"}`:       `\u0000`,
		`{"provider_user_id":"a\u0000"}`:                `\u0000`,
		`{"provider_user_id":"a","x":"\ud800"}`:         "not JSON: invalid surrogate",
		"{\"provider_user_id\":\"a\xff\"}":              "not JSON: invalid UTF-8",
		"{\"provider_user_id\":\"a\x00\"}":              "not JSON: invalid character",
		`{"provider_user_id":"a","provider_user_id":1}`: "provider_user_id is not a string",
		long: "longer than 1 MiB",
		`{"provider_user_id":"a","x":` + strings.Repeat("[", 20000): "not JSON: exceeded max depth",
	} {
		good, problems := entries(t, "\n"+element+"\n{\"provider_user_id\":\"next\"}\n", Options{})
		if len(problems.List) != 1 || problems.List[0].Line != 2 || !strings.HasPrefix(problems.List[0].Reason, reason) {
			t.Errorf("%.60s: got %v, want %s", element, problems, reason)
		}
		if len(good) != 1 || good[0] != "3:next" {
			t.Errorf("%.60s: the line after it is %v", element, good)
		}
	}
}

func TestIDIsReadAsJSONBReadsIt(t *testing.T) {
	for element, id := range map[string]string{
		`{"provider_user_id":"a","provider_user_id":"b"}`:                                       "b",
		`{"provider_user\u005fid":"b"}`:                                                         "b",
		`{"provider_user_id":"\u0061\ud83d\ude00\"\\u0000"}`:                                    "a😀\"\\u0000",
		`{"x":{"provider_user_id":"no"},"provider_user_id":"` + strings.Repeat("ü", 500) + `"}`: strings.Repeat("ü", 500),
	} {
		good, problems := entries(t, element, Options{})
		if len(good) != 1 || good[0] != "1:"+id {
			t.Errorf("%s: got %v, %v", element, good, problems)
		}
	}
}

func TestProblemsAreKeptUpToALimit(t *testing.T) {
	_, problems := entries(t, strings.Repeat("x\n", MaxProblems+7), Options{})
	var found Problems
	found.Add(3, "twice")
	problems.Merge(found)
	if problems.Total != MaxProblems+8 || len(problems.List) != MaxProblems || problems.List[3].Reason != "twice" {
		t.Errorf("total %d, kept %d, %v", problems.Total, len(problems.List), problems.List[:4])
	}
	if !strings.HasSuffix(problems.String(), "\nand 8 more") {
		t.Errorf("%s", problems)
	}
}

func TestCSVRowsBecomeElements(t *testing.T) {
	text := "\ufeffProvider_User_ID,groups,active,data.department,Title,username\r\n" +
		"a,\"one; two\",yes,R&D,\"says \"\"hi\"\"\r\nand goes\",Anna\r\n" +
		"\r\n" +
		"b,,,,,\r\n"
	found := elements(t, text, Options{Format: CSV})
	want := map[int64]string{
		2: `{"provider_user_id":"a","groups":["one","two"],"active":true,"username":"Anna","data":{"department":"R&D","Title":"says \"hi\"\nand goes"}}`,
		5: `{"provider_user_id":"b","groups":[],"data":{"department":"","Title":""}}`,
	}
	for line, element := range want {
		if found[line] != element {
			t.Errorf("line %d:\n got %s\nwant %s", line, found[line], element)
		}
	}
	if len(found) != len(want) {
		t.Errorf("got %v", found)
	}
}

func TestCSVWithoutGroupsColumnLeavesGroupsUnknown(t *testing.T) {
	found := elements(t, "provider_user_id\na\n", Options{Format: CSV})
	if found[2] != `{"provider_user_id":"a"}` {
		t.Errorf("got %s", found[2])
	}
	found = elements(t, "provider_user_id,roles\na,x|y;z\n", Options{Format: CSV, ListSeparator: "|"})
	if found[2] != `{"provider_user_id":"a","roles":["x","y;z"]}` {
		t.Errorf("got %s", found[2])
	}
}

func TestBadCSVRowsAreNamed(t *testing.T) {
	text := "provider_user_id,active,note\n" + // 1
		"a,maybe,\n" + // 2
		"b,true\n" + // 3
		",true,x\n" + // 4
		"c,true,\xff\n" + // 5
		"d,true,a\"b\n" + // 6
		"e,true,\x00\n" + // 7
		"good,true,\"two\nlines\"\n" + // 8, 9
		"f,true," + strings.Repeat("x", MaxElement) + "\n" + // 10
		"g,true,\"never closed\n" + // 11
		strings.Repeat(strings.Repeat("y", 1000)+"\n", 3000)
	good, problems := entries(t, text, Options{Format: CSV})
	if got := strings.Join(good, " "); got != "8:good" {
		t.Errorf("good: %s", got)
	}
	want := []Problem{
		{2, `active is neither true nor false but "maybe"`},
		{3, "not CSV: wrong number of fields"},
		{4, "no provider_user_id"},
		{5, "not UTF-8"},
		{6, `not CSV: bare " in non-quoted-field`},
		{7, `\u0000, which PostgreSQL cannot store`},
		{10, "longer than 1 MiB"},
		{11, "longer than 1 MiB"},
	}
	if fmt.Sprint(problems.List) != fmt.Sprint(want) {
		t.Errorf("got\n%s", problems)
	}
}

func TestCSVHeaderIsChecked(t *testing.T) {
	for header, reason := range map[string]string{
		"id,name":                           "no column provider_user_id",
		"provider_user_id,email,EMAIL":      "twice",
		"provider_user_id,data.title,title": "twice",
		"provider_user_id,":                 "no name",
		"provider_user_id," + strings.Repeat("x", MaxElement): "longer than",
	} {
		feed, err := Open(t.Context(), "-", strings.NewReader(header+"\n"), Options{Format: CSV})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = feed.Index(func(Entry) error { return nil }); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%.50s: got %v, want %s", header, err, reason)
		}
		feed.Close()
	}
}

func TestFormatFollowsTheExtension(t *testing.T) {
	for name, want := range map[string]Format{"a.csv": CSV, "A.CSV": CSV, "a.ndjson": NDJSON, "a": NDJSON} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		feed, err := Open(t.Context(), path, nil, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if feed.options.Format != want {
			t.Errorf("%s is read as %s", name, feed.options.Format)
		}
		feed.Close()
	}
	if _, err := Open(t.Context(), t.TempDir(), nil, Options{}); err == nil {
		t.Error("a directory was opened as a feed")
	}
	if _, err := Open(t.Context(), "-", nil, Options{Format: "xml"}); err == nil {
		t.Error("the format xml was accepted")
	}
}

func TestChangedFileIsNoticed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "feed.ndjson")
	text := "{\"provider_user_id\":\"a\"}\n{\"provider_user_id\":\"b\"}\n"
	for name, change := range map[string]string{
		"appended": text + "{\"provider_user_id\":\"c\"}\n",
		"replaced": strings.Replace(text, `"b"`, `"c"`, 1),
		"cut":      text[:25],
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		feed, err := Open(t.Context(), path, nil, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := feed.Index(func(Entry) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(change), 0o600); err != nil {
			t.Fatal(err)
		}
		err = feed.Elements(&LineSet{}, func(int64, []byte) error { return nil })
		if !errors.Is(err, ErrChanged) {
			t.Errorf("%s: %v", name, err)
		}
		feed.Close()
	}
}

func TestCallbackEndsTheReading(t *testing.T) {
	feed, err := Open(t.Context(), "-", strings.NewReader("{\"provider_user_id\":\"a\"}\n"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	if _, err := feed.Index(func(Entry) error { return io.ErrClosedPipe }); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v", err)
	}
}

// repeated yields the same text n times without holding it.
type repeated struct {
	text string
	n    int
	rest string
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.rest == "" {
		if r.n == 0 {
			return 0, io.EOF
		}
		r.n--
		r.rest = r.text
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func TestMemoryDoesNotGrowWithTheFeed(t *testing.T) {
	allocated := func(lines int) uint64 {
		feed, err := Open(t.Context(), "-", &repeated{text: sampleLine, n: lines}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer feed.Close()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := feed.Index(func(Entry) error { return nil }); err != nil {
			t.Fatal(err)
		}
		var wanted LineSet
		if err := feed.Elements(&wanted, func(int64, []byte) error { return nil }); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	small, large := allocated(1000), allocated(100_000)
	if large > small+1<<20 || large > 8<<20 {
		t.Errorf("1,000 lines allocate %d bytes, 100,000 lines %d", small, large)
	}
}

const sampleLine = `{"provider_user_id": "00000000-1111-2222-3333-44445555aaaa", "username": "user123456", ` +
	`"email": "user123456@example.com", "groups": ["group-000001", "group-000002", "group-000003", "group-000004", ` +
	`"group-000005"], "roles": ["member"], "data": {"department": "Engineering"}}` + "\n"

func BenchmarkIndex(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(sampleLine)))
	path := filepath.Join(b.TempDir(), "feed.ndjson")
	if err := os.WriteFile(path, bytes.Repeat([]byte(sampleLine), b.N), 0o600); err != nil {
		b.Fatal(err)
	}
	feed, err := Open(b.Context(), path, nil, Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer feed.Close()
	b.ResetTimer()
	if _, err := feed.Index(func(Entry) error { return nil }); err != nil {
		b.Fatal(err)
	}
}

// Whatever the bytes: what Index calls good is a JSON object with that id, and reading twice gives the same.
func FuzzNDJSON(f *testing.F) {
	for _, seed := range []string{
		sampleLine, "", "\n\n", "{}", `{"provider_user_id":"\ud83d\ude00"}`, `{"provider_user_id":"\ud800"}`,
		`{"provider_user_id":"a","provider_user_id":"b"}`, `{"provider_user_id":"\\u0000"}`, `{"provider_user_id":"\u0000"}`,
		"\ufeff{\"provider_user_id\":\"a\"}\r\n", `{"provider_user_id":"a","x":1e400000}`, "\xff\xfe", `{"provider_user\u005fid":"b"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		good, _ := entries(t, string(text), Options{})
		found := elements(t, string(text), Options{})
		if len(good) != len(found) {
			t.Fatalf("%d entries but %d elements", len(good), len(found))
		}
		for _, entry := range good {
			var line int64
			number, id, _ := strings.Cut(entry, ":")
			if _, err := fmt.Sscan(number, &line); err != nil {
				t.Fatal(err)
			}
			var object map[string]any
			decoder := json.NewDecoder(strings.NewReader(found[line]))
			decoder.UseNumber() // numbers that no float64 holds are JSON all the same
			if err := decoder.Decode(&object); err != nil {
				t.Fatalf("line %d passed but is not JSON: %v", line, err)
			}
			if object[idKey] != id {
				t.Fatalf("line %d: id %q, JSON says %q", line, id, object[idKey])
			}
		}
	})
}

// On a file that encoding/csv reads to its end, the record reader finds the same records.
func FuzzCSV(f *testing.F) {
	for _, seed := range []string{
		"a,b\nc,d\n", "a,\"b\nc\"\n\"\",x", "a\r\n\r\n\"b\r\nc\"\r\n", "\"a\"\"\nb\",c\n", "a\"b,c\n", ",\n,,\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		reference := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, utf8BOM)))
		reference.FieldsPerRecord = -1
		want, err := reference.ReadAll()
		if err != nil || bytes.Contains(text, []byte("\r\r\n")) {
			return // of two CRs before a LF encoding/csv drops one, and so does the line reader before it
		}
		records := newRecordReader(newLineReader(bytes.NewReader(text)))
		for _, record := range want {
			if len(record) == 1 && strings.TrimSpace(record[0]) == "" {
				continue // a line of blanks, or a quoted nothing
			}
			_, got, err := records.next()
			for err == nil && len(got) == 1 && strings.TrimSpace(got[0]) == "" {
				_, got, err = records.next()
			}
			if err != nil || fmt.Sprintf("%q", got) != fmt.Sprintf("%q", record) {
				t.Fatalf("got %q, %v; want %q", got, err, record)
			}
		}
	})
}

func TestNthLine(t *testing.T) {
	var lines LineSet
	want := []int64{1, 2, 63, 64, 200, 100_000}
	for _, line := range want {
		lines.Add(line)
		lines.Add(line)
	}
	for i, line := range want {
		if got, ok := lines.Nth(int64(i + 1)); got != line || !ok {
			t.Errorf("line %d is %d, want %d", i+1, got, line)
		}
	}
	if got, ok := lines.Nth(7); ok || lines.Len() != 6 {
		t.Errorf("a seventh line: %d; %d lines", got, lines.Len())
	}
}
