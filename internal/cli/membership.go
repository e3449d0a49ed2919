package cli

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/rolewright/rolewright/internal/authdb"
)

func (a *app) membershipCommand() *cobra.Command {
	return family("membership", "Memberships of login roles in group roles that are given by hand, beside those that groups give",
		a.membershipAdd(), a.membershipRemove())
}

func (a *app) membershipAdd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "add ROLE GROUP_ROLE", Short: "Make a managed login role a member of a managed group role", Args: cobra.ExactArgs(2),
		Long: `Makes a managed login role a member of a managed group role, whatever the groups of its user are.
--inherit and --set are of PostgreSQL 16 and later.`,
	}
	options := membershipFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		return a.changeRoles(cmd.Context(), func(db *authdb.DB) ([]authdb.Change, error) {
			return db.AddMembership(cmd.Context(), names[0], names[1], options())
		})
	}
	return a.dryRunFlag(cmd)
}

func (a *app) membershipRemove() *cobra.Command {
	return a.dryRunFlag(&cobra.Command{
		Use: "remove ROLE GROUP_ROLE", Short: "End a membership that was given by hand", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, names []string) error {
			return a.changeRoles(cmd.Context(), func(db *authdb.DB) ([]authdb.Change, error) {
				return db.RemoveMembership(cmd.Context(), names[0], names[1])
			})
		},
	})
}

// changeRoles runs something that changes roles, and prints what it did.
func (a *app) changeRoles(ctx context.Context, run func(*authdb.DB) ([]authdb.Change, error)) error {
	done, err := inTx(ctx, a, func(_ pgx.Tx, db *authdb.DB) ([]authdb.Change, error) { return run(db) })
	if err != nil {
		return err
	}
	return a.printPlan(done)
}
