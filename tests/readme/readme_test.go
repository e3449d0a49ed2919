// Package readme_test runs the sessions that the README shows and compares what they print.
package readme_test

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rolewright/rolewright/internal/cli"
	"github.com/rolewright/rolewright/tests/harness"
)

var update = flag.Bool("update", false, "write what is printed into the README")

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(harness.Main(m))
}

// A session is a console block. "$ cat FILE" makes the file of the lines below it; every other command is the real one.
// All sessions run in order, in one database and one folder.
var session = regexp.MustCompile("(?s)```console\n(.*?)```")

func TestTheReadmeShowsWhatTheCommandsPrint(t *testing.T) {
	path, err := filepath.Abs("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	url := harness.Empty(t).OwnerURL
	t.Chdir(t.TempDir())
	got := session.ReplaceAllStringFunc(string(text), func(block string) string {
		return "```console\n" + run(t, url, session.FindStringSubmatch(block)[1]) + "```"
	})
	switch {
	case *update:
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	case masked(got) != masked(string(text)):
		t.Errorf("the README is stale: make readme. The commands print\n%s", got)
	}
}

// run plays a session and returns it with what the commands print today.
func run(t *testing.T, url, session string) string {
	var printed strings.Builder
	for _, part := range strings.Split("\n"+session, "\n$ ")[1:] {
		command, output, _ := strings.Cut(part, "\n")
		printed.WriteString("$ " + command + "\n")
		words := strings.Fields(command)
		switch words[0] {
		case "cat":
			output = strings.TrimSuffix(output, "\n") + "\n"
			if err := os.WriteFile(words[1], []byte(output), 0o644); err != nil {
				t.Fatal(err)
			}
			printed.WriteString(output)
		case "rolewright":
			var out bytes.Buffer
			cli.Execute(context.Background(), append(words[1:], "--database-url", url), strings.NewReader(""), &out, &out)
			printed.Write(out.Bytes())
		default:
			t.Errorf("the README shows %s, which this test cannot run", words[0])
		}
	}
	return printed.String()
}

// masked takes out what differs from run to run, and from PostgreSQL 15 to 16, where a REVOKE names the grantor.
func masked(text string) string {
	text = regexp.MustCompile(` GRANTED BY \w+`).ReplaceAllString(text, "")
	text = regexp.MustCompile(`[0-9a-f]{64}`).ReplaceAllString(text, "HASH")
	text = regexp.MustCompile(` {2,}`).ReplaceAllString(text, "  ")
	text = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ`).ReplaceAllString(text, "TIME")
	return regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`).ReplaceAllString(text, "UUID")
}
