//go:build unix

package pgserver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The tests of what is left after a process run one: this test binary, which then is childMain.
const childVariable = "ROLEWRIGHT_PGSERVER_CHILD"

func TestMain(m *testing.M) {
	if how := os.Getenv(childVariable); how != "" {
		childMain(how)
	}
	code := m.Run()
	removeProgram()
	os.Exit(code)
}

// childMain opens a server in a folder that it is told, prints where it is, and ends in
// one of several ways.
func childMain(how string) {
	base := os.Getenv("ROLEWRIGHT_PGSERVER_BASE")
	ctx := context.Background()
	o := Options{Embedded: true, Log: os.Stderr}.withDefaults()
	if how == "keep" {
		o.KeepIn = filepath.Join(base, "kept")
	}
	s, err := openIn(ctx, o, places{folders: searchDirs(ctx, os.Getenv("PATH")), bases: []string{base}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(s.URL(""))
	switch how {
	case "close":
		if err := s.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case "panic":
		panic("as it was told")
	case "wait":
		_, _ = io.Copy(io.Discard, os.Stdin)
	}
	os.Exit(0)
}

// who runs a child.
type who struct {
	name     string
	uid, gid uint32
	switched bool
}

// everybody is ourselves, and an ordinary user when we are root.
func everybody() []who {
	if os.Geteuid() != 0 {
		return []who{{name: "ordinary user"}}
	}
	return []who{{name: "root"}, {name: "ordinary user", uid: 65534, gid: 65534, switched: true}}
}

// sharedFolder is one that all users reach, with a short name, unlike t.TempDir.
func sharedFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp(append(memoryFolder(), "/tmp")[0], "rw-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(folder, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	})
	return folder
}

type child struct {
	*exec.Cmd
	base   string
	stdin  io.Closer
	stdout *bufio.Reader
	stderr *strings.Builder
}

// startChild runs this binary; cache is where it may keep a template.
func startChild(t *testing.T, w who, how, cache string) *child {
	t.Helper()
	base := sharedFolder(t)
	program, err := program()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{Cmd: exec.Command(program), base: base, stderr: new(strings.Builder)}
	c.Env = append(os.Environ(), childVariable+"="+how, "ROLEWRIGHT_PGSERVER_BASE="+base, "XDG_CACHE_HOME="+cache, "HOME="+cache)
	c.Dir = "/"
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if w.switched {
		c.SysProcAttr.Credential = &syscall.Credential{Uid: w.uid, Gid: w.gid}
	}
	c.Stderr = c.stderr
	stdin, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	c.stdin, c.stdout = stdin, bufio.NewReader(stdout)
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	return c
}

// program is a copy of this test binary where every user can run it: go test's own folder is closed to others.
var program = sync.OnceValues(func() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	content, err := os.ReadFile(self)
	if err != nil {
		return "", err
	}
	folder, err := os.MkdirTemp("/tmp", "rw-program-")
	if err != nil {
		return "", err
	}
	copied := filepath.Join(folder, "program")
	return copied, errors.Join(os.WriteFile(copied, content, 0o755), os.Chmod(folder, 0o755))
})

// removeProgram removes what program made; calling it again only returns that.
func removeProgram() {
	if copied, err := program(); err == nil {
		_ = os.RemoveAll(filepath.Dir(copied))
	}
}

// ready waits for the child's server.
func (c *child) ready(t *testing.T) (url string) {
	t.Helper()
	line, err := c.stdout.ReadString('\n')
	if err != nil {
		_ = c.Wait()
		t.Fatalf("the child gave no URL: %v\n%s", err, c.stderr)
	}
	return strings.TrimSpace(line)
}

// clusters lists the throwaway clusters of the child.
func (c *child) clusters(t *testing.T) []string {
	t.Helper()
	folders, err := filepath.Glob(filepath.Join(c.base, folderPrefix+"*"))
	if err != nil {
		t.Fatal(err)
	}
	return folders
}

func postmaster(t *testing.T, cluster string) int {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(cluster, "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.Split(string(content), "\n")[0])
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

func listens(cluster string) bool {
	conn, err := net.Dial("unix", filepath.Join(cluster, ".s.PGSQL."+port))
	if err == nil {
		_ = conn.Close()
	}
	return err == nil
}

// soon waits for a condition that another process brings about.
func soon(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 15 s: %s", what)
		}
	}
}
