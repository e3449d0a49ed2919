package feed

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// MaxElement is the size of one element in bytes, without its line ending, above which it is refused.
const MaxElement = 1 << 20

var utf8BOM = []byte("\xef\xbb\xbf")

// badElement says why an element cannot be used; reading goes on after it. Every other error ends the reading.
type badElement string

func (e badElement) Error() string { return string(e) }

func isBadElement(err error) bool {
	var bad badElement
	return errors.As(err, &bad)
}

const errTooLong = badElement("longer than 1 MiB")

// lineReader yields lines without their ending. A line that is too long is passed over without being held.
type lineReader struct {
	in     *bufio.Reader
	number int64 // of the line that next returned last, from 1
}

func newLineReader(r io.Reader) *lineReader {
	// A line of MaxElement bytes and its CR LF just fit: a full buffer is a line that is too long.
	return &lineReader{in: bufio.NewReaderSize(r, MaxElement+len("\r\n"))}
}

// next returns the next line, valid until the following call.
func (r *lineReader) next() ([]byte, error) {
	line, err := r.in.ReadSlice('\n')
	if len(line) == 0 && err != nil {
		return nil, err
	}
	r.number++
	tooLong := errors.Is(err, bufio.ErrBufferFull)
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = r.in.ReadSlice('\n')
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if r.number == 1 {
		line = bytes.TrimPrefix(line, utf8BOM)
	}
	if text, ended := bytes.CutSuffix(line, []byte("\n")); ended {
		line = bytes.TrimSuffix(text, []byte("\r"))
	}
	if tooLong || len(line) > MaxElement {
		return nil, errTooLong
	}
	return line, nil
}
