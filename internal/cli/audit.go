package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/rolewright/rolewright/internal/authdb"
)

func (a *app) auditCommand() *cobra.Command {
	return family("audit", "The audit trail: one row per change and per login", a.auditList(), a.auditMaintain())
}

func (a *app) auditList() *cobra.Command {
	var event, correlation, since, until string
	var limit uint
	var follow bool
	var interval time.Duration
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show the newest rows, and with --follow those that come",
		Long: `Shows the newest rows of the audit trail, the oldest of them first.

With --follow it goes on with the rows that are committed from now on, each exactly once, until it is interrupted;
with --output json it then prints one object a line. A transaction that is open holds back the rows of later ones.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			conn, err := a.connect(ctx)
			if err != nil {
				return err
			}
			defer disconnect(ctx, conn)
			db := authdb.New(conn)
			filter := authdb.AuditFilter{
				Event: given(cmd, "event", &event), CorrelationID: given(cmd, "correlation", &correlation),
				Since: given(cmd, "since", &since), Until: given(cmd, "until", &until), Limit: oneMore(limit),
			}
			if filter.User, err = resolve(cmd, db, "user", (*authdb.DB).AuditedUserID); err != nil {
				return err
			}
			if filter.Provider, err = resolve(cmd, db, "provider", (*authdb.DB).ProviderID); err != nil {
				return err
			}
			if follow {
				filter.Limit = int(limit)
				err := a.followAudit(ctx, db, filter, interval)
				if ctx.Err() != nil {
					return nil // interrupted, which is how following ends
				}
				return err
			}
			events, err := db.AuditEvents(ctx, filter)
			if err != nil {
				return err
			}
			if events = limitedToNewest(a, events, limit); a.output == outputJSON {
				return printRows(a, events)
			}
			return writeEvents(a, events)
		},
	}
	flags := cmd.Flags()
	flags.String("user", "", "only those about the user of this `USERNAME`, who may be deleted")
	flags.String("provider", "", "only those about the provider of this `CODE`, its identities and mappings")
	flags.StringVar(&event, "event", "", "only those of this `CODE`, such as user.created, or of a prefix: identity.*")
	flags.StringVar(&correlation, "correlation", "", "only those with this correlation `ID`")
	flags.StringVar(&since, "since", "", "only those from this `TIME` on, as PostgreSQL reads it: 2026-01-31, yesterday")
	flags.StringVar(&until, "until", "", "only those before this `TIME`")
	flags.BoolVarP(&follow, "follow", "f", false, "go on with the rows that come")
	flags.DurationVar(&interval, "interval", time.Second, "how often --follow looks")
	limitFlag(cmd, &limit)
	return cmd
}

// followAudit prints what is there, and then what comes. It reads by transaction and not by time or number: those are
// taken before a COMMIT makes a row visible, and a row that commits late would be passed over.
func (a *app) followAudit(ctx context.Context, db *authdb.DB, filter authdb.AuditFilter, interval time.Duration) error {
	for {
		horizon, err := db.AuditHorizon(ctx)
		if err != nil {
			return err
		}
		filter.Before = &horizon
		events, err := db.AuditEvents(ctx, filter)
		if err != nil {
			return err
		}
		for _, event := range events {
			if err := a.printEvent(event); err != nil {
				return err
			}
		}
		filter.From, filter.Limit = &horizon, 0
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(interval):
		}
	}
}

// printEvent prints an event on one line.
func (a *app) printEvent(e authdb.AuditEvent) error {
	if a.output == outputJSON {
		return json.NewEncoder(a.out).Encode(e)
	}
	_, err := fmt.Fprintf(a.out, "%s  %-20s  %s  %s  %s\n", timeOf(e.OccurredAt), e.EventCode, eventUser(e), escape(e.SessionUserName), eventChange(e))
	return err
}

func writeEvents(a *app, events []authdb.AuditEvent) error {
	type col = column[authdb.AuditEvent]
	return writeTable(a.out, events,
		col{"TIME", func(e authdb.AuditEvent) string { return timeOf(e.OccurredAt) }},
		col{"EVENT", func(e authdb.AuditEvent) string { return e.EventCode }},
		col{"USER", eventUser},
		col{"BY", func(e authdb.AuditEvent) string { return e.SessionUserName }},
		col{"CHANGE", eventChange},
	)
}

// eventUser names whom it is about: by username while the user is there, then by id.
func eventUser(e authdb.AuditEvent) string {
	switch {
	case e.Username != nil:
		return *e.Username
	case e.UserID != nil:
		return *e.UserID
	}
	return "-"
}

// eventChange tells what an update changed, and what was created or deleted, in the words of the columns. The ids that
// only repeat what the row is about are left out.
func eventChange(e authdb.AuditEvent) string {
	var before, after map[string]json.RawMessage
	// The images are objects or NULL: what is neither has nothing to tell here.
	_ = json.Unmarshal(e.Before, &before)
	_ = json.Unmarshal(e.After, &after)
	var parts []string
	for _, key := range sortedKeys(before, after) {
		was, is := before[key], after[key]
		switch {
		case key == "user_id" || e.SubjectID != nil && cmp.Or(string(is), string(was)) == strconv.Quote(*e.SubjectID):
		case was == nil && string(is) == "null": // created without it
		case was == nil:
			parts = append(parts, fmt.Sprintf("%s=%s", key, is))
		case is == nil && after != nil:
			parts = append(parts, fmt.Sprintf("%s: %s→none", key, was))
		case is == nil:
			parts = append(parts, fmt.Sprintf("%s=%s", key, was))
		default:
			parts = append(parts, fmt.Sprintf("%s: %s→%s", key, was, is))
		}
	}
	return escapeLines(strings.Join(parts, " "))
}

func (a *app) auditMaintain() *cobra.Command {
	var monthsAhead int
	var keep string
	cmd := &cobra.Command{
		Use: "maintain", Short: "Make the partitions of the coming months, and with --keep drop old ones", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			actions, err := inTx(cmd.Context(), a, func(_ pgx.Tx, db *authdb.DB) ([]authdb.PartitionAction, error) {
				return db.MaintainAuditPartitions(cmd.Context(), monthsAhead, given(cmd, "keep", &keep))
			})
			if err != nil {
				return err
			}
			type col = column[authdb.PartitionAction]
			return printRows(a, actions,
				col{"ACTION", func(p authdb.PartitionAction) string { return p.Action }},
				col{"PARTITION", func(p authdb.PartitionAction) string { return p.Partition }},
			)
		},
	}
	cmd.Flags().IntVar(&monthsAhead, "months-ahead", 3, "make partitions for this many `MONTHS` to come")
	cmd.Flags().StringVar(&keep, "keep", "", "drop partitions older than this `INTERVAL`, such as '2 years'")
	return cmd
}

func limitedToNewest(a *app, events []authdb.AuditEvent, limit uint) []authdb.AuditEvent {
	kept := len(limited(a, events, limit))
	return events[len(events)-kept:]
}

func sortedKeys(maps ...map[string]json.RawMessage) []string {
	var keys []string
	for _, m := range maps {
		for key := range m {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}
