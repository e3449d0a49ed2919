package cli_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rolewright/rolewright/internal/cli"
	"github.com/rolewright/rolewright/tests/harness"
)

// terminal is a pseudo terminal: what a command writes to it, and what somebody types.
func terminal(t *testing.T) (keyboard, screen *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = keyboard.Close() })
	number, err := unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Skip(err)
	}
	screen, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = screen.Close() })
	return keyboard, screen
}

// shown runs a command line on a terminal and returns what is on it. For every prompt that appears, an answer is typed.
func shown(t *testing.T, url string, answers []string, arguments ...string) (code int, text string) {
	t.Helper()
	keyboard, screen := terminal(t)
	parts := make(chan string, 1000)
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, err := keyboard.Read(buffer)
			if n > 0 {
				parts <- string(buffer[:n])
			}
			if err != nil {
				close(parts)
				return
			}
		}
	}()
	codes := make(chan int)
	go func() {
		code := cli.Execute(context.Background(), append([]string{"--database-url", url}, arguments...), screen, screen, screen)
		_, _ = io.WriteString(screen, "the end\n")
		codes <- code
	}()
	timeout := time.After(30 * time.Second)
	for !strings.Contains(text, "the end") {
		select {
		case part := <-parts:
			text += part
			if strings.HasSuffix(part, ": ") && len(answers) > 0 {
				// The echo is switched off after the prompt is written.
				time.Sleep(100 * time.Millisecond)
				_, _ = io.WriteString(keyboard, answers[0]+"\n")
				answers = answers[1:]
			}
		case <-timeout:
			t.Fatalf("no end after\n%s", text)
		}
	}
	return <-codes, text
}

func TestPlansAreColouredOnATerminal(t *testing.T) {
	db := roleWorld(t)
	url := db.OwnerURL
	harness.Exec(t, db.Super(t), `CREATE ROLE bob`)
	done(t, url, "", "role", "bind", "anna", "anna")
	done(t, url, "", "role", "bind", "bob", "bob")
	done(t, url, "", "role", "bind", "--group", "devs", "teams")
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	code, text := shown(t, url, nil, "role", "plan")
	if code != 3 {
		t.Errorf("exit code %d\n%s", code, text)
	}
	contains(t, text, "\x1b[33m1  conflict", "\x1b[32m2  create", "\x1b[32m4  grant", "\x1b[0m\r\n")
	done(t, url, "", "role", "apply", "--skip-conflicts")
	_, text = shown(t, url, nil, "deprovision", "anna", "--reason", "left", "--dry-run")
	contains(t, text, "\n1  alter", "\x1b[31m2  revoke")
	if _, text = shown(t, url, nil, "role", "plan", "-o", "json"); strings.Contains(text, "\x1b") {
		t.Errorf("JSON has colours: %q", text)
	}
	t.Setenv("NO_COLOR", "1")
	if _, text = shown(t, url, nil, "role", "plan"); !strings.Contains(text, "conflict") || strings.Contains(text, "\x1b") {
		t.Errorf("with NO_COLOR: %q", text)
	}
}

func TestPasswordIsAskedForOnATerminal(t *testing.T) {
	t.Parallel()
	db, login := passwordWorld(t)
	code, text := shown(t, db.OwnerURL, []string{"not to be seen", "not to be seen"}, "identity", "sync", "robot", "--password-stdin")
	if code != 0 || strings.Contains(text, "not to be seen") {
		t.Errorf("exit code %d\n%s", code, text)
	}
	contains(t, text, "Password: ", "Again: ")
	if err := login("robot", "not to be seen"); err != nil {
		t.Error(err)
	}
	code, text = shown(t, db.OwnerURL, []string{"one", "another"}, "identity", "sync", "robot", "--password-stdin")
	if code != 1 || !strings.Contains(text, "not the same") {
		t.Errorf("exit code %d\n%s", code, text)
	}
}
