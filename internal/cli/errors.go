package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rolewright/rolewright/internal/authdb"
	"github.com/rolewright/rolewright/internal/feed"
	"github.com/rolewright/rolewright/internal/policy"
)

// Exit codes.
const (
	exitDone    = 0
	exitFailed  = 1
	exitUsage   = 2
	exitDiffers = 3
)

// usageError is a command line that was not understood.
type usageError struct{ error }

// badFeedError is a feed that was refused, and changed nothing.
type badFeedError struct {
	problems feed.Problems
}

func (e *badFeedError) Error() string {
	return fmt.Sprintf("the feed was refused, nothing was changed; bad elements: %d\n%s", e.problems.Total, e.problems)
}

// errNo is no for an answer, which has been printed: the exit code says it too.
var errNo = errors.New("no")

// errDiffers is that something is not as it should be, which has been printed: the exit code says it too.
var errDiffers = errors.New("differs")

// report prints an error for people and returns the exit code.
func report(w io.Writer, err error) int {
	if err == nil {
		return exitDone
	}
	if errors.Is(err, errNo) {
		return exitFailed
	}
	if errors.Is(err, errDiffers) {
		return exitDiffers
	}
	message, detail, hint, sqlstate := err.Error(), "", "", ""
	var refused *pgconn.PgError
	var missing *authdb.NotFoundError
	var bad *badFeedError
	var unreachable *pgconn.ConnectError
	var plan *refusedPlanError
	var wrong *policy.Problems
	switch {
	case errors.Is(err, context.Canceled):
		message = "interrupted"
	case errors.As(err, &unreachable):
		hint = "The database is that of --database-url, else of DATABASE_URL, else of libpq's PG* variables."
	case errors.As(err, &refused):
		message = strings.Replace(message, refused.Error(), refused.Message, 1)
		detail, hint, sqlstate = refused.Detail, refused.Hint, refused.Code
		if hint == "" {
			hint = cmp.Or(hints[sqlstate], hints[refused.ConstraintName])
		}
	case errors.As(err, &missing):
		hint = missing.Hint
	case errors.As(err, &bad):
		sqlstate = authdb.ErrBadFeedElements
		hint = "Correct these lines and send all of it again."
	case errors.As(err, &plan):
		detail, hint = plan.detail, plan.hint
	case errors.As(err, &wrong):
		message = "the file is not understood; nothing was changed\n" + message
	}

	fmt.Fprintln(w, "rolewright:", escapeLines(message))
	for _, line := range []struct{ label, text string }{{"DETAIL", detail}, {"HINT", hint}, {"SQLSTATE", sqlstate}} {
		if line.text != "" {
			fmt.Fprintf(w, "%s: %s\n", line.label, escapeLines(line.text))
		}
	}
	var usage usageError
	if errors.As(err, &usage) {
		fmt.Fprintln(w, "HINT: rolewright help COMMAND shows how it is used.")
		return exitUsage
	}
	return exitFailed
}

// What PostgreSQL's own errors mean here, by SQLSTATE or by constraint.
var hints = map[string]string{
	"3F000": notInstalled, // schema
	"42P01": notInstalled, // table
	"42501": "Members of rolewright_operator may change users, identities, groups and permissions; rolewright_auditor may read them.",

	"permission_code_check": "A code is letters, digits, _ and -, in parts joined by dots: orders.invoice.approve. It has at most 500 bytes.",
	"tenant_code_check":     "A code is letters, digits, _, - and dots, begins with a letter or digit, and has at most 100 characters.",
}

const notInstalled = "Is Rolewright installed in this database, and up to date? rolewright migrate status tells, rolewright migrate up installs it."

func usageErrorf(format string, a ...any) error {
	return usageError{fmt.Errorf(format, a...)}
}
