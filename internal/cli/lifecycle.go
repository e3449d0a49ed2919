package cli

import (
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/rolewright/rolewright/internal/authdb"
)

// What the life cycle's commands take as USER.
const whoIsUser = "USER is a username, a user's id, or the name of a managed login role."

func (a *app) deprovisionCommand() *cobra.Command {
	var reason string
	var suspend, keepElevated, keepSessions bool
	cmd := &cobra.Command{
		Use:   "deprovision USER --reason TEXT",
		Short: "Put somebody out of the database: no login, no memberships, no sessions",
		Long: whoIsUser + `

Puts somebody out, in steps that are committed one by one: no login any more, and the application user disabled; then
every membership gone, whoever granted it, and the elevated attributes; then the sessions that are still open ended. What
was there is recorded for rolewright restore. The role, what it owns and what it was granted directly stay, and are listed.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			d := authdb.Deprovision{
				Username: names[0], Reason: reason, Kind: "disable", StripElevated: !keepElevated, Terminate: !keepSessions,
			}
			if suspend {
				d.Kind = "suspend"
			}
			report, err := a.deprovision(cmd, d)
			if err != nil {
				return err
			}
			return a.printDeprovision(d, report)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&reason, "reason", "", "why, as it is kept with the role and in the audit trail")
	flags.BoolVar(&suspend, "suspend", false, "it is a leave of absence")
	flags.BoolVar(&keepElevated, "keep-elevated", false, "leave SUPERUSER, CREATEDB, CREATEROLE, REPLICATION and BYPASSRLS as they are")
	flags.BoolVar(&keepSessions, "keep-sessions", false, "do not end open sessions")
	required(cmd, "reason")
	return a.dryRunFlag(cmd)
}

func (a *app) deprovision(cmd *cobra.Command, d authdb.Deprovision) (authdb.DeprovisionReport, error) {
	ctx := cmd.Context()
	if !a.dryRun {
		return outsideTx(ctx, a, func(db *authdb.DB) (authdb.DeprovisionReport, error) { return db.DeprovisionIdentity(ctx, d) })
	}
	return inTx(ctx, a, func(_ pgx.Tx, db *authdb.DB) (report authdb.DeprovisionReport, err error) {
		begun, err := db.BeginDeprovision(ctx, d)
		if err != nil {
			return report, err
		}
		finished, err := db.FinishDeprovision(ctx, d.Username)
		if err != nil {
			return report, err
		}
		report.Changes = renumbered(begun, finished)
		ways, err := db.LeaverProof(ctx, d.Username)
		report.Left = []authdb.WayIn{}
		for _, way := range ways {
			if way.Way == "session" && d.Terminate {
				report.SessionsEnded++
			} else {
				report.Left = append(report.Left, way)
			}
		}
		return report, err
	})
}

func (a *app) printDeprovision(d authdb.Deprovision, report authdb.DeprovisionReport) error {
	if a.output == outputJSON {
		return a.printJSON(struct {
			Username string `json:"username"`
			authdb.DeprovisionReport
			DryRun bool `json:"dry_run"`
		}{d.Username, report, a.dryRun})
	}
	done := "deprovisioned"
	if d.Kind == "suspend" {
		done = "suspended"
	}
	if _, err := fmt.Fprintf(a.out, "%s: %s, sessions ended: %d\n", escape(d.Username), done, report.SessionsEnded); err != nil {
		return err
	}
	if err := a.section("changes", len(report.Changes)); err != nil {
		return err
	}
	if err := a.writePlan(renumbered(report.Changes)); err != nil {
		return err
	}
	if err := a.section("left", len(report.Left)); err != nil {
		return err
	}
	return writeWaysIn(a, report.Left)
}

func writeWaysIn(a *app, ways []authdb.WayIn) error {
	if len(ways) == 0 {
		return nil
	}
	type col = column[authdb.WayIn]
	return writeTable(a.out, ways,
		col{"WAY", func(w authdb.WayIn) string { return w.Way }},
		col{"OBJECT", func(w authdb.WayIn) string { return w.Object }},
		col{"GRANTOR", func(w authdb.WayIn) string { return textOf(w.Grantor) }},
		col{"DETAIL", func(w authdb.WayIn) string { return textOf(w.Detail) }},
	)
}

func (a *app) proofCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "proof USER",
		Short: "Prove that somebody is out, or list every way in that is left",
		Long: whoIsUser + ` Those whose role was deleted have a proof too.

Lists memberships, direct privileges, ownership, sessions and usable credentials. The exit code is 0 when there are none
of them, and 3 when there are.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			ctx := cmd.Context()
			ways, err := read(ctx, a, func(db *authdb.DB) ([]authdb.WayIn, error) { return db.LeaverProof(ctx, names[0]) })
			if err != nil {
				return err
			}
			if a.output == outputJSON {
				err = printRows(a, ways)
			} else {
				err = writeWaysIn(a, ways)
			}
			switch {
			case err != nil:
				return err
			case len(ways) > 0:
				return errDiffers
			}
			fmt.Fprintf(a.errOut, "%s has no way in.\n", escape(names[0]))
			return nil
		},
	}
}

func (a *app) restoreCommand() *cobra.Command {
	var reason string
	var elevated []string
	cmd := &cobra.Command{
		Use:   "restore USER --reason TEXT",
		Short: "Bring somebody back as recorded, as far as the rules of today allow",
		Long: whoIsUser + `

Brings back what was recorded when somebody was deprovisioned: login, expiry, limits, settings and memberships, cut to
what groups and rules allow today. What does not come back is listed as a conflict, with the reason and, where there is
one, the statement for a superuser. Elevated attributes come back when --elevated names them.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			changes, err := a.restore(cmd, names[0], reason, elevated)
			if err != nil {
				return err
			}
			changes = renumbered(changes)
			if a.output == outputJSON {
				return a.printJSON(struct {
					Username string          `json:"username"`
					Changes  []authdb.Change `json:"changes"`
					DryRun   bool            `json:"dry_run"`
				}{names[0], changes, a.dryRun})
			}
			done := "restored"
			for _, c := range changes {
				if c.IsConflict() && textOf(c.Object) == "login" {
					done = "restored, but cannot log in: " + textOf(c.Reason)
				}
			}
			if _, err := fmt.Fprintf(a.out, "%s: %s\n", escape(names[0]), escape(done)); err != nil {
				return err
			}
			if err := a.section("changes", len(changes)); err != nil {
				return err
			}
			return a.writePlan(changes)
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, as it is kept with the role and in the audit trail")
	cmd.Flags().StringSliceVar(&elevated, "elevated", nil, "`ATTRIBUTES` to bring back, if they were recorded: superuser, createdb, createrole, replication, bypassrls")
	required(cmd, "reason")
	return a.dryRunFlag(cmd)
}

func (a *app) restore(cmd *cobra.Command, username, reason string, elevated []string) ([]authdb.Change, error) {
	ctx := cmd.Context()
	if a.dryRun {
		return inTx(ctx, a, func(_ pgx.Tx, db *authdb.DB) ([]authdb.Change, error) {
			return db.RestoreRole(ctx, username, reason, elevated)
		})
	}
	return outsideTx(ctx, a, func(db *authdb.DB) ([]authdb.Change, error) {
		return db.RestoreIdentity(ctx, username, reason, elevated)
	})
}
