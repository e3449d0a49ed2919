package authdb

import "fmt"

// The SQLSTATEs of sql/ERRORS.md that this program tells apart.
const (
	ErrBadFeedElements = "RW201"
	ErrBadDeclaration  = "RW520"
	ErrRehearsed       = "RW599" // not an error: auth.removal_script has done it all, and taken it back
)

// PostgreSQL's own.
const (
	errLockNotAvailable = "55P03"
	errDeadlock         = "40P01"
)

// NotFoundError says what was looked for by name and is not there.
type NotFoundError struct {
	Kind string // provider, user, identity, group, mapping, tenant, permission, set, assignment, role
	Name string
	Hint string
}

func (e *NotFoundError) Error() string { return fmt.Sprintf("there is no %s %q", e.Kind, e.Name) }
