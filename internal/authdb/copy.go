package authdb

import (
	"bufio"
	"encoding/binary"
	"io"
)

// rowWriter writes PostgreSQL's binary COPY format. pgx's CopyFrom takes values in interfaces, three allocations a row;
// this takes none, so that a sync costs what reading and hashing cost.
type rowWriter struct {
	out *bufio.Writer
	row []byte
}

const copyHeader = "PGCOPY\n\xff\r\n\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00" // signature, flags, extension

func newRowWriter(w io.Writer) *rowWriter {
	// As much as pgconn asks for at once.
	return &rowWriter{out: bufio.NewWriterSize(w, 1<<16-5), row: []byte(copyHeader)}
}

func (w *rowWriter) begin(columns uint16) {
	w.row = binary.BigEndian.AppendUint16(w.row, columns)
}

func (w *rowWriter) int8(value int64) {
	w.row = binary.BigEndian.AppendUint32(w.row, 8)
	w.row = binary.BigEndian.AppendUint64(w.row, uint64(value))
}

func (w *rowWriter) bytes(value []byte) {
	w.row = binary.BigEndian.AppendUint32(w.row, uint32(len(value)))
	w.row = append(w.row, value...)
}

func (w *rowWriter) jsonb(text []byte) {
	const version = 1
	w.row = binary.BigEndian.AppendUint32(w.row, uint32(1+len(text)))
	w.row = append(w.row, version)
	w.row = append(w.row, text...)
}

func (w *rowWriter) end() error {
	_, err := w.out.Write(w.row)
	w.row = w.row[:0]
	return err
}

func (w *rowWriter) close() error {
	w.row = append(w.row, 0xff, 0xff)
	if err := w.end(); err != nil {
		return err
	}
	return w.out.Flush()
}
