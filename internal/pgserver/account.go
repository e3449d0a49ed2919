//go:build unix

package pgserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

// account is the operating system's user that runs PostgreSQL: ourselves, or, because PostgreSQL refuses to run
// as root, somebody else when we are root.
type account struct {
	name     string
	uid, gid uint32
	switched bool
}

func serverAccount() (account, error) {
	if os.Geteuid() != 0 {
		self := account{name: strconv.Itoa(os.Geteuid()), uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}
		if u, err := user.Current(); err == nil {
			self.name = u.Username
		}
		return self, nil
	}
	for _, name := range []string{"postgres", "_postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
		gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
		if errUID == nil && errGID == nil && uid != 0 {
			return account{name: name, uid: uint32(uid), gid: uint32(gid), switched: true}, nil
		}
	}
	return account{}, errors.New("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody to run it as")
}

// command runs a program as the account, in a session of its own, so that a terminal's Ctrl-C does not reach it,
// and without variables that would change what PostgreSQL's programs do.
func (a account) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if a.switched {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
	cmd.Env = []string{"LC_ALL=C"} // messages in English, and no threads on macOS
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "PG") && !strings.HasPrefix(variable, "LC_") && !strings.HasPrefix(variable, "LANG") {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	return cmd
}

// own hands a file or an empty folder over to the account.
func (a account) own(path string) error {
	if !a.switched {
		return nil
	}
	return os.Lchown(path, int(a.uid), int(a.gid))
}

// owns tells whether a path is a folder that the account owns and nobody else can write to.
func (a account) owns(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || !info.IsDir() || info.Mode().Perm()&0o022 != 0 {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Uid == a.uid
}

// cannotEnter returns the first folder on the way to path that is closed to the account, or nothing. Only a
// switched account is checked: for ourselves the operating system's own errors are clear enough.
func (a account) cannotEnter(path string) string {
	if !a.switched {
		return ""
	}
	for _, folder := range ancestors(path) {
		info, err := os.Stat(folder)
		if err != nil {
			continue // not made yet
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			continue
		}
		needed := os.FileMode(0o001)
		switch {
		case stat.Uid == a.uid:
			needed = 0o100
		case stat.Gid == a.gid:
			needed = 0o010
		}
		if info.Mode()&needed == 0 {
			return folder
		}
	}
	return ""
}

// mayUse tells whether the account can make and remove folders in a folder that everybody shares.
func (a account) mayUse(base string) bool {
	if !a.switched {
		return true
	}
	info, err := os.Stat(base)
	return err == nil && info.Mode().Perm()&0o002 != 0 && a.cannotEnter(base) == ""
}

// ancestors lists the folders down to path, itself included, from the root.
func ancestors(path string) []string {
	if parent := filepath.Dir(path); parent != path {
		return append(ancestors(parent), path)
	}
	return []string{path}
}

// asAccount is a shell command that an administrator can paste: it becomes the account first where that is needed.
func (a account) asAccount(command string) string {
	switch {
	case !a.switched:
		return command
	case onPath("runuser"):
		return fmt.Sprintf("runuser -u %s -- %s", a.name, command)
	default:
		return fmt.Sprintf("su %s -s /bin/sh -c %s", a.name, quote(command))
	}
}

func onPath(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:=@%+-]+$`)

// quote makes one word of shell input.
func quote(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
