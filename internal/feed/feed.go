// Package feed reads identity feeds, as streams: whatever the size of a feed, reading it takes a few megabytes.
//
// A feed is read twice. Index names every element by line, account and digest; the database answers which of them it
// needs; Elements then yields those. See auth.begin_identity_sync for the other half.
package feed

import (
	"bytes"
	"context"
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
	file    *os.File // or the copy of what can be read only once
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
// a name first: it cannot be read twice, and a slow one must not keep a transaction open.
func Open(ctx context.Context, name string, stdin io.Reader, options Options) (*Feed, error) {
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
	file, err := openFile(ctx, name, stdin)
	if err != nil {
		return nil, err
	}
	return &Feed{file: file, options: options, seed: maphash.MakeSeed()}, nil
}

func openFile(ctx context.Context, name string, stdin io.Reader) (*os.File, error) {
	if name == "-" {
		return unnamedCopy(ctx, stdin)
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	switch {
	case err == nil && info.Mode().IsRegular():
		return file, nil
	case err == nil && info.IsDir():
		err = fmt.Errorf("%s is a directory", name)
	case err == nil:
		defer file.Close()
		return unnamedCopy(ctx, file)
	}
	return nil, errors.Join(err, file.Close())
}

// unnamedCopy copies an input to a file that nobody else can open and that is gone with the process.
func unnamedCopy(ctx context.Context, input io.Reader) (*os.File, error) {
	file, err := os.CreateTemp("", "rolewright-feed-*") // mode 0600
	if err != nil {
		return nil, err
	}
	// Beside us, because a read from a terminal or a pipe cannot be interrupted.
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(file, input)
		copied <- err
	}()
	err = os.Remove(file.Name())
	if err == nil {
		select {
		case err = <-copied:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// Close closes the file. The reader given as stdin stays open.
func (f *Feed) Close() error { return f.file.Close() }

// Index reads the feed for the first time and yields every good element. The bad ones come back as problems.
func (f *Feed) Index(yield func(Entry) error) (Problems, error) {
	var problems Problems
	parser := newParser()
	var digest [sha256.Size]byte // here and not in the loop: it escapes, and must not be allocated for every line
	sum, err := f.read(func(line int64, element []byte, bad error) error {
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
	sum, err := f.read(func(line int64, element []byte, bad error) error {
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
func (f *Feed) read(each func(line int64, element []byte, bad error) error) (uint64, error) {
	if _, err := f.file.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	var sum maphash.Hash
	sum.SetSeed(f.seed)
	lines := newLineReader(io.TeeReader(f.file, &sum))
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
