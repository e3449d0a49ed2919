package authdb

import "fmt"

// The SQLSTATEs of sql/ERRORS.md that this program tells apart.
const (
	ErrBadFeedElements = "RW201"
)

// NotFoundError says what was looked for by name and is not there.
type NotFoundError struct {
	Kind string // provider, user, identity, group, mapping, tenant, permission, set, assignment
	Name string
	Hint string
}

func (e *NotFoundError) Error() string { return fmt.Sprintf("there is no %s %q", e.Kind, e.Name) }
