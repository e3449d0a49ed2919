package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/mattn/go-runewidth"
)

const (
	outputTable = "table"
	outputJSON  = "json"
)

// alsoOutput is the annotation of commands that know more kinds of output.
const alsoOutput = "output"

// column is a table's title and how a row's cell is made.
type column[T any] struct {
	title string
	cell  func(T) string
}

// printRows prints rows as a table, or exactly as they are as JSON.
func printRows[T any](a *app, rows []T, columns ...column[T]) error {
	if a.output == outputJSON {
		if rows == nil {
			rows = []T{}
		}
		return a.printJSON(rows)
	}
	return writeTable(a.out, rows, columns...)
}

func (a *app) printJSON(value any) error {
	encoder := json.NewEncoder(a.out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// maxCell is how much of a cell a table shows, but in its last column. Names may have 500 characters; JSON has them all.
const maxCell = 60

// writeTable prints rows below their titles.
func writeTable[T any](w io.Writer, rows []T, columns ...column[T]) error {
	cells := make([][]string, 1, 1+len(rows))
	for _, column := range columns {
		cells[0] = append(cells[0], column.title)
	}
	for _, row := range rows {
		line := make([]string, len(columns))
		for i, column := range columns {
			line[i] = escape(column.cell(row))
			if i < len(columns)-1 {
				line[i] = runewidth.Truncate(line[i], maxCell, "…")
			}
		}
		cells = append(cells, line)
	}
	return writeCells(w, cells, nil)
}

// writeCells aligns by what a terminal shows: wide characters count twice, combining ones not at all. paint, if there is
// one, gives a line its colour.
func writeCells(w io.Writer, cells [][]string, paint func(line int, text string) string) error {
	widths := make([]int, len(cells[0]))
	for _, line := range cells {
		for i, cell := range line {
			widths[i] = max(widths[i], runewidth.StringWidth(cell))
		}
	}
	var text strings.Builder
	for n, line := range cells {
		var padded strings.Builder
		for i, cell := range line {
			padded.WriteString(runewidth.FillRight(cell, widths[i]+2))
		}
		row := strings.TrimRight(padded.String(), " ")
		if paint != nil {
			row = paint(n, row)
		}
		text.WriteString(row + "\n")
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// field is a line of a thing's details.
type field struct{ title, value string }

func writeFields(w io.Writer, fields ...field) error {
	width := 0
	for _, f := range fields {
		width = max(width, len(f.title))
	}
	var text strings.Builder
	for _, f := range fields {
		fmt.Fprintf(&text, "%-*s  %s\n", width, f.title, escape(f.value))
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// escape makes text from a directory safe and unambiguous on a terminal: what holds anything unprintable (escape
// sequences, line ends, marks that turn the direction of writing) is shown quoted, as a string of Go.
func escape(text string) string {
	if strings.HasPrefix(text, `"`) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}

// escapeLines is escape for messages, which may have several lines: only the unprintable characters are replaced.
func escapeLines(text string) string {
	var safe strings.Builder
	for _, r := range text {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			safe.WriteRune(r)
		} else {
			quoted := strconv.QuoteRune(r)
			safe.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return safe.String()
}

func textOf(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

func yesNo(value bool) string {
	if value {
		return "yes"
	}
	return "no"
}

func timeOf(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

func timeOrNever(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return timeOf(*t)
}

// untilOf is when something ends, or ended.
func untilOf(end pgtype.Timestamptz) string {
	switch {
	case !end.Valid || end.InfinityModifier == pgtype.Infinity:
		return "for good"
	case end.InfinityModifier == pgtype.NegativeInfinity:
		return "-infinity"
	}
	return timeOf(end.Time)
}

// namesOf tells unknown names from none.
func namesOf(names []string) string {
	switch {
	case names == nil:
		return "(unknown)"
	case len(names) == 0:
		return "(none)"
	}
	return strings.Join(names, ", ")
}

// outcome is what an action did to one thing.
type outcome struct {
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	ID      string `json:"id,omitempty"`
	Action  string `json:"action"`
	Changed bool   `json:"changed"`
}

func (a *app) printOutcomes(outcomes []outcome) error {
	if a.output == outputJSON {
		if outcomes == nil {
			outcomes = []outcome{}
		}
		return a.printJSON(outcomes)
	}
	for _, o := range outcomes {
		done := o.Action
		if !o.Changed {
			done = "unchanged (" + o.Action + " already)"
		}
		if o.Action == "created" {
			done += ", id " + o.ID
		}
		if _, err := fmt.Fprintf(a.out, "%s %s: %s\n", o.Kind, escape(o.Name), done); err != nil {
			return err
		}
	}
	return nil
}

// limited cuts rows that were read one more than the limit, and says so.
func limited[T any](a *app, rows []T, limit uint) []T {
	if limit == 0 || uint(len(rows)) <= limit {
		return rows
	}
	fmt.Fprintf(a.errOut, "There are more than these %d: --limit 0 shows all.\n", limit)
	return rows[:limit]
}

// oneMore is the limit to read rows with for limited.
func oneMore(limit uint) int {
	if limit == 0 {
		return 0
	}
	return int(limit) + 1
}

// section begins a list below a thing's details.
func (a *app) section(title string, length int) error {
	none := ""
	if length == 0 {
		none = ": none"
	}
	_, err := fmt.Fprintf(a.out, "\n%s%s\n", title, none)
	return err
}
