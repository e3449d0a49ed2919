package cli

import (
	"fmt"
	"os"
	"strconv"

	"github.com/mattn/go-runewidth"

	"github.com/rolewright/rolewright/internal/authdb"
)

// printPlan prints what is, or was, to be done.
func (a *app) printPlan(changes []authdb.Change) error {
	if a.output == outputJSON {
		return printRows(a, changes)
	}
	if len(changes) == 0 {
		_, err := fmt.Fprintln(a.out, "nothing to do")
		return err
	}
	return a.writePlan(changes)
}

// writePlan shows statements whole: they are there to be run.
func (a *app) writePlan(changes []authdb.Change) error {
	if len(changes) == 0 {
		return nil
	}
	cells := [][]string{{"#", "ACTION", "ROLE", "OBJECT", "STATEMENT", "REASON"}}
	for _, c := range changes {
		cells = append(cells, []string{
			strconv.Itoa(c.Ordinal), c.Action,
			runewidth.Truncate(escape(c.RoleName), maxCell, "…"), runewidth.Truncate(escape(textOf(c.Object)), maxCell, "…"),
			escape(textOf(c.Statement)), escape(textOf(c.Reason)),
		})
	}
	if !a.colours() {
		return writeCells(a.out, cells, nil)
	}
	return writeCells(a.out, cells, func(line int, text string) string {
		if line == 0 {
			return text
		}
		return paint(changes[line-1].Action, text)
	})
}

// colours tells whether results may be coloured: on a terminal, unless NO_COLOR is set (https://no-color.org).
func (a *app) colours() bool {
	return isTerminal(a.out) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

func paint(action, text string) string {
	colour := ""
	switch action {
	case "create", "grant":
		colour = "\x1b[32m"
	case "revoke", "drop":
		colour = "\x1b[31m"
	case "conflict":
		colour = "\x1b[33m"
	default:
		return text
	}
	return colour + text + "\x1b[0m"
}

// renumbered is one plan made of several.
func renumbered(plans ...[]authdb.Change) []authdb.Change {
	all := []authdb.Change{}
	for _, plan := range plans {
		for _, c := range plan {
			c.Ordinal = len(all) + 1
			all = append(all, c)
		}
	}
	return all
}

func countConflicts(changes []authdb.Change) (n int) {
	for _, c := range changes {
		if c.IsConflict() {
			n++
		}
	}
	return n
}
