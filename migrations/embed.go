// Package migrations carries the goose migrations inside the binary.
package migrations

import "embed"

// FS holds the files 0000N_*.sql.
//
//go:embed *.sql
var FS embed.FS
