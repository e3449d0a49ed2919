package feed

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// csvSource yields a CSV file's rows (RFC 4180, with a header) as the elements that an NDJSON feed would hold.
//
// The columns provider_user_id, username, email, email_verified, display_name, groups, roles and active are those of an
// element, found in any case and order; every other column, with or without the prefix "data.", becomes a text in data.
// Unknown is not empty: without a column groups the groups are unknown and stay as they are, while an empty cell in it
// means no groups. An empty cell of any other of these columns is unknown.
func csvSource(lines *lineReader, separator string) (source, error) {
	records := newRecordReader(lines)
	_, header, err := records.next()
	switch {
	case errors.Is(err, io.EOF):
		// Nothing at all: an empty feed, which is for the database to judge.
		return func() (int64, []byte, error) { return 0, nil, io.EOF }, nil
	case err != nil:
		return nil, fmt.Errorf("header of the CSV feed: %w", err)
	}
	columns, err := csvColumns(header)
	if err != nil {
		return nil, err
	}
	records.parser.FieldsPerRecord = len(columns)

	var element []byte
	return func() (int64, []byte, error) {
		line, record, err := records.next()
		if err != nil {
			return line, nil, err
		}
		element, err = appendElement(element[:0], columns, record, separator)
		if err == nil && len(element) > MaxElement {
			err = errTooLong
		}
		return line, element, err
	}, nil
}

type cellKind int

const (
	textCell cellKind = iota
	boolCell
	listCell
	dataCell
)

type csvColumn struct {
	name string
	kind cellKind
}

var elementColumns = map[string]cellKind{
	idKey: textCell, "username": textCell, "email": textCell, "display_name": textCell,
	"email_verified": boolCell, "active": boolCell,
	"groups": listCell, "roles": listCell,
}

func csvColumns(header []string) ([]csvColumn, error) {
	columns := make([]csvColumn, len(header))
	seen := map[string]bool{}
	for i, title := range header {
		title = strings.TrimSpace(title)
		name := strings.ToLower(title)
		kind, known := elementColumns[name]
		if !known {
			name, kind = strings.TrimPrefix(title, "data."), dataCell
		}
		key := fmt.Sprint(kind == dataCell, name)
		switch {
		case name == "":
			return nil, fmt.Errorf("column %d of the CSV feed has no name", i+1)
		case seen[key]:
			return nil, fmt.Errorf("the CSV feed has the column %q twice", title)
		}
		seen[key] = true
		columns[i] = csvColumn{name, kind}
	}
	if !seen[fmt.Sprint(false, idKey)] {
		return nil, fmt.Errorf("the header of the CSV feed has no column %s", idKey)
	}
	return columns, nil
}

// appendElement writes a record as JSON: the element's own keys first, then data.
func appendElement(dst []byte, columns []csvColumn, record []string, separator string) ([]byte, error) {
	var err error
	appendText := func(text string) {
		var textErr error
		if dst, textErr = jsontext.AppendQuote(dst, text); textErr != nil {
			err = badElement("not UTF-8")
		}
	}
	appendMember := func(first *bool, name string) {
		if !*first {
			dst = append(dst, ',')
		}
		*first = false
		appendText(name)
		dst = append(dst, ':')
	}

	dst = append(dst, '{')
	first, hasData := true, false
	for i, column := range columns {
		cell := record[i]
		switch column.kind {
		case dataCell:
			hasData = true
		case textCell:
			if cell != "" {
				appendMember(&first, column.name)
				appendText(cell)
			}
		case boolCell:
			if cell = strings.TrimSpace(cell); cell == "" {
				continue
			}
			value, ok := parseBool(cell)
			if !ok {
				err = badElement(fmt.Sprintf("%s is neither true nor false but %q", column.name, cell))
			}
			appendMember(&first, column.name)
			dst = fmt.Append(dst, value)
		case listCell:
			appendMember(&first, column.name)
			dst = append(dst, '[')
			empty := true
			for item := range strings.SplitSeq(cell, separator) {
				if item = strings.TrimSpace(item); item != "" {
					if !empty {
						dst = append(dst, ',')
					}
					empty = false
					appendText(item)
				}
			}
			dst = append(dst, ']')
		}
	}
	if hasData {
		appendMember(&first, "data")
		dst = append(dst, '{')
		first = true
		for i, column := range columns {
			if column.kind == dataCell {
				appendMember(&first, column.name)
				appendText(record[i])
			}
		}
		dst = append(dst, '}')
	}
	return append(dst, '}'), err
}

func parseBool(text string) (value, ok bool) {
	switch strings.ToLower(text) {
	case "true", "t", "yes", "y", "1":
		return true, true
	case "false", "f", "no", "n", "0":
		return false, true
	}
	return false, false
}

// recordReader puts the lines of a record together and has them parsed. encoding/csv alone would hold the rest of the
// file when a quote is never closed.
type recordReader struct {
	lines  *lineReader
	record []byte
	input  bytes.Reader
	parser *csv.Reader
}

func newRecordReader(lines *lineReader) *recordReader {
	r := &recordReader{lines: lines}
	r.parser = csv.NewReader(bufio.NewReader(&r.input))
	r.parser.ReuseRecord = true
	r.parser.FieldsPerRecord = -1
	return r
}

// next returns the number of the line on which the record starts, and its fields.
func (r *recordReader) next() (int64, []string, error) {
	for {
		line, err := r.lines.next()
		start := r.lines.number
		if err == nil && len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if err != nil {
			return start, nil, err
		}
		r.record = append(append(r.record[:0], line...), '\n')
		tooLong := false
		for quoted := endsQuoted(false, line); quoted; quoted = endsQuoted(quoted, line) {
			line, err = r.lines.next()
			if errors.Is(err, errTooLong) {
				return start, nil, err
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return start, nil, err
			}
			if tooLong = tooLong || len(r.record)+len(line) > MaxElement; !tooLong {
				r.record = append(append(r.record, line...), '\n')
			}
		}
		if tooLong {
			return start, nil, errTooLong
		}
		fields, err := r.parse()
		return start, fields, err
	}
}

func (r *recordReader) parse() ([]string, error) {
	r.input.Reset(r.record)
	fields, err := r.parser.Read()
	var malformed *csv.ParseError
	if errors.As(err, &malformed) {
		// What is left of a malformed record must not become part of the next one.
		for rest := err; !errors.Is(rest, io.EOF); {
			_, rest = r.parser.Read()
		}
		return nil, badElement("not CSV: " + malformed.Err.Error())
	}
	return fields, err
}

// endsQuoted says whether a line that begins inside or outside quotes ends inside them.
func endsQuoted(quoted bool, line []byte) bool {
	fieldStart := !quoted
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case quoted && c == '"':
			if i+1 < len(line) && line[i+1] == '"' {
				i++
			} else {
				quoted = false
			}
		case quoted:
		case c == '"' && fieldStart:
			quoted = true
		}
		fieldStart = !quoted && line[i] == ','
	}
	return quoted
}
