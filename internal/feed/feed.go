// Package feed reads identity feeds, as streams: whatever the size of a feed, reading it takes a few megabytes.
//
// A feed is read twice. Index names every element by line, account and digest; the database answers which of them it
// needs; Elements then yields those. See auth.begin_identity_sync for the other half.
package feed

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Format is how a feed is written.
type Format string

// The formats that there are.
const (
	NDJSON Format = "ndjson" // a JSON object a line
	CSV    Format = "csv"    // see csvSource
)

// DigestSize is the length of an element's digest: SHA-256 cut to 16 bytes. It is cryptographic because a directory's
// users choose much of an element, and two elements of one digest would hide a change.
const DigestSize = 16

// ErrChanged is the file having changed between the two readings.
var ErrChanged = errors.New("the feed changed while it was read")

// Options say how a feed is to be read.
type Options struct {
	Format        Format // empty: by the name's extension, NDJSON when that says nothing
	ListSeparator string // between the groups and between the roles of a CSV cell; empty: ";"
}

// Feed is an open feed.
type Feed struct {
	input   io.Reader // what Index reads
	file    *os.File  // what Elements reads: the file itself, or the copy of an input that can be read only once
	isCopy  bool
	options Options
	seed    maphash.Seed
	sum     uint64 // of all bytes, as Index read them
}

// Entry is a good element as Index sees it. Its slices are valid until the callback returns.
type Entry struct {
	Line           int64
	ProviderUserID []byte
	Digest         []byte
}

// Open opens the file of that name, or stdin for "-". What is not a regular file is copied to a temporary file without
// a name while it is read for the first time.
func Open(name string, stdin io.Reader, options Options) (*Feed, error) {
	if options.ListSeparator == "" {
		options.ListSeparator = ";"
	}
	switch options.Format {
	case NDJSON, CSV:
	case "":
		options.Format = NDJSON
		if strings.EqualFold(filepath.Ext(name), ".csv") {
			options.Format = CSV
		}
	default:
		return nil, fmt.Errorf("feed format %q is neither %s nor %s", options.Format, NDJSON, CSV)
	}
	feed := &Feed{options: options, seed: maphash.MakeSeed()}
	if name == "-" {
		feed.input = stdin
		return feed, feed.copyTo()
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	switch {
	case err != nil:
	case info.IsDir():
		err = fmt.Errorf("%s is a directory", name)
	case !info.Mode().IsRegular():
		feed.input = file
		err = feed.copyTo()
	default:
		feed.input, feed.file = file, file
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return feed, nil
}

// copyTo makes the unnamed file that takes what Index reads. Nobody else can open it, and it is gone with the process.
func (f *Feed) copyTo() error {
	file, err := os.CreateTemp("", "rolewright-feed-*") // mode 0600
	if err != nil {
		return err
	}
	if err := os.Remove(file.Name()); err != nil {
		file.Close()
		return err
	}
	f.file, f.isCopy = file, true
	return nil
}

// Close closes the file. The reader given as stdin stays open.
func (f *Feed) Close() error {
	if input, ok := f.input.(*os.File); ok && f.isCopy && input != os.Stdin {
		input.Close()
	}
	return f.file.Close()
}

// Index reads the feed for the first time and yields every good element. The bad ones come back as problems.
func (f *Feed) Index(yield func(Entry) error) (Problems, error) {
	input := f.input
	if f.isCopy {
		input = io.TeeReader(input, f.file)
	}
	var problems Problems
	parser := newParser()
	var digest [sha256.Size]byte // here and not in the loop: it escapes, and must not be allocated for every line
	sum, err := f.read(input, func(line int64, element []byte, bad error) error {
		var id []byte
		if bad == nil {
			id, bad = parser.providerUserID(element)
		}
		if bad != nil {
			problems.Add(line, bad.Error())
			return nil
		}
		digest = sha256.Sum256(element)
		return yield(Entry{line, id, digest[:DigestSize]})
	})
	f.sum = sum
	return problems, err
}

// Elements reads the feed once more and yields the elements of the wanted lines. ErrChanged comes at the end, so what
// was yielded counts only when Elements returns nil.
func (f *Feed) Elements(wanted *LineSet, yield func(line int64, element []byte) error) error {
	if _, err := f.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	sum, err := f.read(f.file, func(line int64, element []byte, bad error) error {
		if bad == nil && wanted.Has(line) {
			return yield(line, element)
		}
		return nil
	})
	if err == nil && sum != f.sum {
		err = ErrChanged
	}
	return err
}

// read calls each with every element, or with the badElement that stands in its place, and returns a checksum of the bytes.
func (f *Feed) read(r io.Reader, each func(line int64, element []byte, bad error) error) (uint64, error) {
	var sum maphash.Hash
	sum.SetSeed(f.seed)
	lines := newLineReader(io.TeeReader(r, &sum))
	next := ndjsonSource(lines)
	if f.options.Format == CSV {
		var err error
		if next, err = csvSource(lines, f.options.ListSeparator); err != nil {
			return 0, err
		}
	}
	for {
		line, element, err := next()
		if errors.Is(err, io.EOF) {
			return sum.Sum64(), nil
		}
		if err != nil && !isBadElement(err) {
			return 0, fmt.Errorf("line %d: %w", line, err)
		}
		if err := each(line, element, err); err != nil {
			return 0, err
		}
	}
}

// A source yields one element after the other, each valid until the next call, and io.EOF.
type source func() (line int64, element []byte, err error)

func ndjsonSource(lines *lineReader) source {
	return func() (int64, []byte, error) {
		for {
			line, err := lines.next()
			if line = bytes.Trim(line, " \t\r"); err != nil || len(line) > 0 {
				return lines.number, line, err
			}
		}
	}
}
