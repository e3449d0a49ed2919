// Package bundle turns the files of sql/ into the forms in which they are installed. Text in, text out: it reads
// a file system, returns strings, and knows no database.
package bundle

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

const (
	manifestName = "install.sql"
	roomMark     = "-- room: "
	includeMark  = `\ir `
	downName     = "down.sql"
)

// A Room is one group of files of the manifest: what one migration installs.
type Room struct {
	Name  string
	Files []File
	Down  string // text of the room's down.sql, empty when it has none
}

// A File is one file of sql/; its path is relative to that folder.
type File struct {
	Path string
	Text string
}

// Rooms reads the manifest install.sql of the given sql/ folder and the files that it lists, in its order.
// A file that the manifest forgets is an error: psql and goose would leave it out in silence.
func Rooms(fsys fs.FS) ([]Room, error) {
	manifest, err := fs.ReadFile(fsys, manifestName)
	if err != nil {
		return nil, err
	}
	rooms, err := parseManifest(string(manifest))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", manifestName, err)
	}

	var problems []error
	known := map[string]bool{manifestName: true}
	for i := range rooms {
		room := &rooms[i]
		for j := range room.Files {
			file := &room.Files[j]
			if known[file.Path] {
				problems = append(problems, fmt.Errorf("%s lists %s twice", manifestName, file.Path))
			}
			known[file.Path] = true
			text, err := fs.ReadFile(fsys, file.Path)
			if err != nil {
				problems = append(problems, err)
				continue
			}
			file.Text = string(text)
			problems = append(problems, checkText(*file)...)
		}
		down, err := fs.ReadFile(fsys, path.Join(room.Name, downName))
		switch {
		case err == nil:
			known[path.Join(room.Name, downName)] = true
			room.Down = string(down)
			problems = append(problems, checkText(File{path.Join(room.Name, downName), room.Down})...)
		case !errors.Is(err, fs.ErrNotExist):
			problems = append(problems, err)
		}
	}
	problems = append(problems, unlisted(fsys, known))
	return rooms, errors.Join(problems...)
}

func parseManifest(text string) ([]Room, error) {
	var rooms []Room
	lines := bufio.NewScanner(strings.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimRight(lines.Text(), " \t\r")
		if name, ok := strings.CutPrefix(line, roomMark); ok {
			if slices.ContainsFunc(rooms, func(r Room) bool { return r.Name == name }) {
				return nil, fmt.Errorf("line %d: room %q stands there twice", n, name)
			}
			rooms = append(rooms, Room{Name: name})
			continue
		}
		if file, ok := strings.CutPrefix(line, includeMark); ok {
			if len(rooms) == 0 {
				return nil, fmt.Errorf("line %d: %s stands before the first %q line", n, file, roomMark)
			}
			room := &rooms[len(rooms)-1]
			room.Files = append(room.Files, File{Path: strings.TrimSpace(file)})
		}
	}
	if len(rooms) == 0 {
		return nil, fmt.Errorf("no %q line", roomMark)
	}
	for _, room := range rooms {
		if len(room.Files) == 0 {
			return nil, fmt.Errorf("room %q lists no file", room.Name)
		}
	}
	return rooms, lines.Err()
}

// checkText finds what works on one of the roads only: psql knows backslash commands, goose knows its marks, and
// both bring their own transaction.
func checkText(file File) (problems []error) {
	for n, line := range strings.Split(file.Text, "\n") {
		switch upper := strings.ToUpper(strings.TrimSpace(line)); {
		case strings.HasPrefix(line, `\`):
			problems = append(problems, fmt.Errorf("%s:%d: a psql command, which goose does not know", file.Path, n+1))
		case strings.HasPrefix(strings.TrimSpace(line), "--") && strings.Contains(line, gooseMark):
			problems = append(problems, fmt.Errorf("%s:%d: a goose mark in a file of sql/", file.Path, n+1))
		case line == strings.TrimSpace(line) && (upper == "BEGIN;" || upper == "COMMIT;" || upper == "ROLLBACK;"):
			problems = append(problems, fmt.Errorf("%s:%d: %s ends the installer's transaction", file.Path, n+1, upper))
		}
	}
	return problems
}

func unlisted(fsys fs.FS, known map[string]bool) error {
	var problems []error
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && path.Ext(name) == ".sql" && !known[name] {
			problems = append(problems, fmt.Errorf("%s does not list %s", manifestName, name))
		}
		return err
	})
	return errors.Join(append(problems, err)...)
}
