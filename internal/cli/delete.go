package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/rolewright/rolewright/internal/authdb"
)

func (a *app) deleteCommand() *cobra.Command {
	var d authdb.Deletion
	var successor string
	cmd := &cobra.Command{
		Use:   "delete USER --reason TEXT",
		Short: "Delete somebody's login role, with what depends on it in all databases of the server",
		Long: whoIsUser + `

Deletes a login role for good; a tombstone stays. The person is put out first, as by rolewright deprovision. Then what
depends on the role is given away or dropped: in every database of the server that has something of it, one connection
each. DROP ROLE comes last. What cannot be done is refused before anything is changed. When a step fails later, what was
done stays done, and the same command goes on from there.

Without --reassign-to and --drop-owned a role that anything depends on is refused, with the list of it.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			d.Username, d.ReassignTo = names[0], given(cmd, "reassign-to", &successor)
			run := a.delete
			if a.dryRun {
				run = a.planDelete
			}
			report, err := run(cmd.Context(), d)
			if err != nil {
				return err
			}
			return a.printDelete(d, report)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&d.Reason, "reason", "", "why, as it is kept with the tombstone and in the audit trail")
	flags.StringVar(&successor, "reassign-to", "", "`ROLE` that gets what it owns; code goes to rolewright_code_owner, which has no rights")
	flags.BoolVar(&d.ReassignCode, "reassign-code", false, "functions, views and other code go to --reassign-to too")
	flags.BoolVar(&d.DropOwned, "drop-owned", false, "drop what it owns")
	flags.BoolVar(&d.Force, "force", false, "also what others made of that, or were granted by it")
	required(cmd, "reason")
	cmd.MarkFlagsMutuallyExclusive("reassign-to", "drop-owned")
	return a.dryRunFlag(cmd)
}

// removed is a statement that took away what depended on the role.
type removed struct {
	Database  string `json:"database"`
	Statement string `json:"statement"`
}

// deleted is what delete did.
type deleted struct {
	authdb.DeletionReport
	Removed []removed `json:"removed"`
}

// elsewhere is what has to be done in the databases beside the one with Rolewright.
type elsewhere struct {
	role      *authdb.Leaver
	databases []string
}

// findElsewhere tells where something depends on the role. Without a successor and without leave to drop it, nothing is
// removed anywhere: auth.delete_identity refuses, and has the list.
func findElsewhere(ctx context.Context, db *authdb.DB, d authdb.Deletion) (e elsewhere, err error) {
	if e.role, err = db.Leaver(ctx, d.Username); err != nil {
		return e, err
	}
	if e.role == nil || e.role.ActualName == nil || d.ReassignTo == nil && !d.DropOwned {
		return e, nil
	}
	e.databases, err = db.OtherDatabases(ctx, *e.role.ActualName)
	return e, err
}

// delete does it in the other databases first, because DROP ROLE is the home database's and comes last.
func (a *app) delete(ctx context.Context, d authdb.Deletion) (deleted, error) {
	return outsideTx(ctx, a, func(db *authdb.DB) (result deleted, err error) {
		e, err := findElsewhere(ctx, db, d)
		if err != nil {
			return result, err
		}
		var changes []authdb.Change
		if len(e.databases) > 0 {
			if _, err := a.rehearse(ctx, db, d, e); err != nil {
				return result, err
			}
			out, err := db.DeprovisionIdentity(ctx, authdb.Deprovision{
				Username: d.Username, Reason: d.Reason, Kind: "disable", StripElevated: true, Terminate: true})
			if err != nil {
				return result, err
			}
			changes = out.Changes
			if result.Removed, err = a.removeElsewhere(ctx, db, d, e); err != nil {
				return result, err
			}
		}
		result.DeletionReport, err = db.DeleteIdentity(ctx, d)
		if err != nil {
			return result, notAllDone(err, e.databases, nil)
		}
		result.Changes = renumbered(changes, result.Changes)
		home, err := db.CurrentDatabase(ctx)
		for _, statement := range result.DeletionReport.Removed {
			result.Removed = append(result.Removed, removed{home, statement})
		}
		return result, err
	})
}

// rehearse does it all, in all databases, and takes it back: what would be refused is refused before anything is changed.
func (a *app) rehearse(ctx context.Context, db *authdb.DB, d authdb.Deletion, e elsewhere) ([]removed, error) {
	home, err := db.CurrentDatabase(ctx)
	if err != nil {
		return nil, err
	}
	statements, err := db.RehearseRemoval(ctx, d)
	if err != nil {
		return nil, err
	}
	done := a.rehearsed(home, statements)
	if len(e.databases) == 0 {
		return done, nil
	}
	script, err := db.RemovalScript(ctx, *e.role.ActualName, d, true)
	if err != nil {
		return nil, err
	}
	for _, database := range e.databases {
		statements, err := a.runRemoval(ctx, database, script, authdb.RehearseRemovalScript)
		if err != nil {
			return nil, fmt.Errorf("nothing was changed; %w", err)
		}
		done = append(done, a.rehearsed(database, statements)...)
	}
	return done, nil
}

func (a *app) rehearsed(database string, statements []string) []removed {
	if statements == nil {
		fmt.Fprintf(a.errOut, "What depends on the role in database %s could not be tried: somebody holds a lock.\n", escape(database))
	}
	return removedIn(database, statements)
}

// removeElsewhere goes through all databases, also after one that failed: the next run has less to do then.
func (a *app) removeElsewhere(ctx context.Context, db *authdb.DB, d authdb.Deletion, e elsewhere) ([]removed, error) {
	script, err := db.RemovalScript(ctx, *e.role.ActualName, d, false)
	if err != nil {
		return nil, err
	}
	var all []removed
	var done, failed []string
	var firstErr error
	for _, database := range e.databases {
		statements, err := a.runRemoval(ctx, database, script, authdb.RunRemoval)
		if err == nil {
			err = db.RecordRemoval(ctx, d.Username, database, statements)
		}
		if err != nil {
			failed = append(failed, database)
			firstErr = errors.Join(firstErr, err)
			continue
		}
		done = append(done, database)
		all = append(all, removedIn(database, statements)...)
	}
	if firstErr != nil {
		return nil, notAllDone(firstErr, done, failed)
	}
	return all, nil
}

// notAllDone says how far a deletion came.
func notAllDone(err error, done, failed []string) error {
	if len(done)+len(failed) == 0 {
		return err
	}
	how := "The role cannot log in any more."
	if len(done) > 0 {
		how += " Done in: " + strings.Join(done, ", ") + "."
	}
	if len(failed) > 0 {
		how += " Failed in: " + strings.Join(failed, ", ") + "."
	}
	return fmt.Errorf("%w\nThe role is not dropped. %s The same command goes on from there", err, how)
}

func (a *app) runRemoval(
	ctx context.Context, database, script string, run func(context.Context, *pgx.Conn, string) ([]string, error),
) ([]string, error) {
	conn, err := a.connectTo(ctx, database)
	if err != nil {
		return nil, err
	}
	defer disconnect(ctx, conn)
	return run(ctx, conn, script)
}

func removedIn(database string, statements []string) []removed {
	var all []removed
	for _, statement := range statements {
		all = append(all, removed{database, statement})
	}
	return all
}

// planDelete is what delete would do, done and rolled back.
func (a *app) planDelete(ctx context.Context, d authdb.Deletion) (deleted, error) {
	return inTx(ctx, a, func(_ pgx.Tx, db *authdb.DB) (result deleted, err error) {
		e, err := findElsewhere(ctx, db, d)
		if err != nil {
			return result, err
		}
		if e.role == nil {
			if result.AlreadyDeleted, err = db.IsDeleted(ctx, d); err != nil || result.AlreadyDeleted {
				return result, err
			}
		} else {
			result.RoleName = &e.role.RoleName
		}
		if result.Removed, err = a.rehearse(ctx, db, d, e); err != nil {
			return result, err
		}
		begun, err := db.BeginDeprovision(ctx, authdb.Deprovision{Username: d.Username, Reason: d.Reason, Kind: "disable", StripElevated: true})
		if err != nil {
			return result, err
		}
		finished, err := db.FinishDeprovision(ctx, d.Username)
		if err != nil {
			return result, err
		}
		var last []authdb.Change
		if e.role != nil && e.role.ActualName != nil {
			statement, err := db.DropStatement(ctx, *e.role.ActualName)
			if err != nil {
				return result, err
			}
			last = []authdb.Change{{Action: "drop", RoleName: e.role.RoleName, Statement: &statement, Reason: &d.Reason}}
		}
		result.Changes = renumbered(begun, finished, last)
		return result, nil
	})
}

func (a *app) printDelete(d authdb.Deletion, r deleted) error {
	if a.output == outputJSON {
		if r.Removed == nil {
			r.Removed = []removed{}
		}
		r.Changes = renumbered(r.Changes)
		return a.printJSON(struct {
			Username string `json:"username"`
			deleted
			DryRun bool `json:"dry_run"`
		}{d.Username, r, a.dryRun})
	}
	done := "deleted"
	switch {
	case r.AlreadyDeleted:
		done = "unchanged (deleted already)"
	case r.RoleName == nil:
		done = "disabled; there is no login role to delete"
	}
	if _, err := fmt.Fprintf(a.out, "%s: %s\n", escape(d.Username), done); err != nil {
		return err
	}
	if len(r.Changes) > 0 {
		if err := a.section("changes", len(r.Changes)); err != nil {
			return err
		}
		if err := a.writePlan(r.Changes); err != nil {
			return err
		}
	}
	if len(r.Removed) == 0 {
		return nil
	}
	if err := a.section("removed", len(r.Removed)); err != nil {
		return err
	}
	type col = column[removed]
	return writeTable(a.out, r.Removed,
		col{"DATABASE", func(r removed) string { return r.Database }},
		col{"STATEMENT", func(r removed) string { return r.Statement }},
	)
}
