package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"

	"github.com/rolewright/rolewright/internal/authdb"
	"github.com/rolewright/rolewright/internal/feed"
)

func (a *app) syncCommand() *cobra.Command {
	var run syncRun
	var format string
	var maxDisable int
	cmd := &cobra.Command{
		Use:   "sync FILE|- --provider CODE",
		Short: "Bring a provider's identities in step with a feed, in one transaction",
		Long: `Brings the identities of a provider in step with a feed: all of it, or nothing.

NDJSON: one object a line, with provider_user_id and optionally username, email, email_verified, display_name,
groups, roles, data and active. CSV: the same names as columns; groups and roles are lists within a cell; every other
column goes into data. What a feed does not say is unknown and stays as it is: a missing key or column groups keeps the
known groups, while an empty list, or an empty cell in that column, means no groups.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			run.file = names[0]
			run.read.Format = feed.Format(format)
			run.apply.MaxDisable = given(cmd, "max-disable", &maxDisable)
			result, err := a.sync(cmd.Context(), run)
			if err != nil {
				return err
			}
			return a.printSync(result, run.apply.DryRun)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&run.provider, "provider", "", "`CODE` of the provider whose feed it is")
	flags.BoolVar(&run.apply.CreateMissing, "create-missing", false, "create identities, and users where the provider may, for unknown accounts")
	flags.BoolVar(&run.apply.DisableMissing, "disable-missing", false, "disable identities that the feed does not name: it is complete")
	flags.BoolVar(&run.apply.DryRun, "dry-run", false, "say what would be done, and change nothing")
	flags.BoolVar(&run.apply.AllowEmpty, "allow-empty", false, "accept a feed without elements")
	flags.IntVar(&maxDisable, "max-disable", 0, "disable up to `N` identities in this run, whatever the provider's limits say")
	flags.StringVar(&format, "format", "", "ndjson or csv; else by the name of the file, and ndjson for -")
	flags.StringVar(&run.read.ListSeparator, "list-separator", ";", "between the groups and between the roles of a CSV cell")
	required(cmd, "provider")
	return cmd
}

// syncRun is one run of sync.
type syncRun struct {
	file     string
	provider string
	read     feed.Options
	apply    authdb.SyncOptions
}

// errRollback ends the transaction of a dry run.
var errRollback = errors.New("rolled back")

func (a *app) sync(ctx context.Context, run syncRun) (authdb.SyncResult, error) {
	source, err := feed.Open(ctx, run.file, a.in, run.read)
	if err != nil {
		return authdb.SyncResult{}, err
	}
	defer source.Close()

	result, err := inTx(ctx, a, func(tx pgx.Tx, db *authdb.DB) (authdb.SyncResult, error) {
		provider, err := db.ProviderID(ctx, run.provider)
		if err != nil {
			return authdb.SyncResult{}, err
		}
		result, err := a.syncIn(ctx, tx, provider, source, run)
		if err == nil && run.apply.DryRun {
			err = errRollback
		}
		return result, err
	})
	if errors.Is(err, errRollback) {
		err = nil
	}
	return result, err
}

// syncIn sends the names and digests of all elements, and then the elements that the database asks for.
func (a *app) syncIn(ctx context.Context, tx pgx.Tx, provider string, source *feed.Feed, run syncRun) (authdb.SyncResult, error) {
	var none authdb.SyncResult
	sync, err := authdb.BeginIdentitySync(ctx, tx, provider)
	if err != nil {
		return none, err
	}

	reading := startProgress(a.errOut, "elements read")
	var problems feed.Problems
	err = sync.CopyLines(ctx, func(send func(int64, []byte, []byte) error) (err error) {
		problems, err = source.Index(func(e feed.Entry) error {
			reading.step()
			return send(e.Line, e.ProviderUserID, e.Digest)
		})
		return err
	})
	reading.stop()
	if err != nil {
		return none, err
	}

	var needed feed.LineSet
	if err := sync.NeededLines(ctx, needed.Add); err != nil {
		return none, err
	}
	if needed.Len() > 0 {
		sending := startProgress(a.errOut, fmt.Sprintf("elements sent, of %d", needed.Len()))
		err = sync.CopyElements(ctx, func(send func(int64, []byte) error) error {
			return source.Elements(&needed, func(line int64, element []byte) error {
				sending.step()
				return send(line, element)
			})
		})
		sending.stop()
		if refused, ok := refusedElement(err, &needed); ok {
			problems.Merge(refused)
			return none, &badFeedError{problems}
		}
		if err != nil {
			return none, err
		}
	}

	var result authdb.SyncResult
	if problems.Total == 0 {
		// Apply looks at the feed itself. Behind a savepoint, so that it can still be asked for the whole list.
		err := pgx.BeginFunc(ctx, tx, func(pgx.Tx) (err error) {
			result, err = sync.Apply(ctx, run.apply)
			return err
		})
		if refused := (*pgconn.PgError)(nil); !errors.As(err, &refused) || refused.Code != authdb.ErrBadFeedElements {
			return result, err
		}
	}
	var found feed.Problems
	if err := sync.Problems(ctx, found.Add); err != nil {
		return none, err
	}
	problems.Merge(found)
	return none, &badFeedError{problems}
}

// refusedElement names the line of an element that is JSON but not jsonb: a number of a million digits, or brackets
// deeper than the server's stack.
func refusedElement(err error, sent *feed.LineSet) (problems feed.Problems, ok bool) {
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || !strings.HasPrefix(refused.Code, "22") && !strings.HasPrefix(refused.Code, "54") {
		return problems, false
	}
	row, ok := authdb.CopyRow(err)
	if !ok {
		return problems, false
	}
	line, ok := sent.Nth(row)
	problems.Add(line, refused.Message)
	return problems, ok
}

func (a *app) printSync(result authdb.SyncResult, dryRun bool) error {
	if a.output == outputJSON {
		return a.printJSON(struct {
			authdb.SyncResult
			DryRun bool `json:"dry_run"`
		}{result, dryRun})
	}
	if dryRun {
		fmt.Fprintln(a.errOut, "Dry run: this is what would be done; nothing was changed.")
	}
	return writeSync(a, result)
}

func writeSync(a *app, result authdb.SyncResult) error {
	count := func(title string, value int64) column[authdb.SyncResult] {
		return column[authdb.SyncResult]{title, func(authdb.SyncResult) string { return strconv.FormatInt(value, 10) }}
	}
	return writeTable(a.out, []authdb.SyncResult{result},
		count("RECEIVED", result.Received),
		count("CREATED", result.Created),
		count("UPDATED", result.Updated),
		count("ENABLED", result.Enabled),
		count("DISABLED", result.Disabled),
		count("UNCHANGED", result.Unchanged),
		count("SKIPPED", result.Skipped),
	)
}
