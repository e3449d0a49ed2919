package pgserver

import (
	"errors"
	"os"
	"path/filepath"
)

// KeepFolder is where a persistent cluster goes when nobody says where: among the user's data, or the system's when
// the user is root, whose own folder is closed to the account that runs PostgreSQL.
func KeepFolder(getenv func(string) string) (string, error) {
	if os.Geteuid() == 0 {
		return "/var/lib/rolewright/demo", nil
	}
	if data := getenv("XDG_DATA_HOME"); filepath.IsAbs(data) {
		return filepath.Join(data, "rolewright", "demo"), nil
	}
	if home := getenv("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "share", "rolewright", "demo"), nil
	}
	return "", errors.New("neither HOME nor XDG_DATA_HOME says where to keep a cluster")
}
