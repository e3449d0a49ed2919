package cli

import (
	"cmp"
	"context"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/rolewright/rolewright/internal/authdb"
)

func (a *app) setCommand() *cobra.Command {
	return family("set", "Sets of permissions, to be assigned as one",
		a.setList(), a.setShow(), a.setCreate(),
		a.setChange("add", "added", "Put permissions into a set", (*authdb.DB).AddPermSetPermissions),
		a.setChange("remove", "removed", "Take permissions out of a set", (*authdb.DB).RemovePermSetPermissions),
		a.setDelete(), a.assignCommand("set"), a.unassignCommand(),
	)
}

func (a *app) setList() *cobra.Command {
	var limit uint
	cmd := &cobra.Command{
		Use: "list", Short: "List sets", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			sets, err := read(cmd.Context(), a, func(db *authdb.DB) ([]authdb.PermSet, error) {
				return db.PermSets(cmd.Context(), authdb.PermSetFilter{Limit: oneMore(limit)})
			})
			if err != nil {
				return err
			}
			if sets = limited(a, sets, limit); a.output == outputJSON {
				return printRows(a, sets)
			}
			return writeSets(a, sets)
		},
	}
	limitFlag(cmd, &limit)
	return cmd
}

func writeSets(a *app, sets []authdb.PermSet) error {
	if len(sets) == 0 {
		return nil
	}
	type col = column[authdb.PermSet]
	return writeTable(a.out, sets,
		col{"CODE", func(s authdb.PermSet) string { return s.Code }},
		col{"NAME", func(s authdb.PermSet) string { return s.Name }},
		col{"PERMISSIONS", func(s authdb.PermSet) string { return namesOf(s.Permissions) }},
	)
}

func (a *app) setShow() *cobra.Command {
	type details struct {
		authdb.PermSet
		Assignments []authdb.Assignment `json:"assignments"`
	}
	return &cobra.Command{
		Use: "show CODE", Short: "Show a set and to whom it is assigned", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			ctx := cmd.Context()
			s, err := read(ctx, a, func(db *authdb.DB) (s details, err error) {
				id, err := db.PermSetID(ctx, names[0])
				if err != nil {
					return s, err
				}
				if s.PermSet, err = db.PermSet(ctx, id); err != nil {
					return s, err
				}
				s.Assignments, err = db.Assignments(ctx, authdb.AssignmentFilter{PermSet: &s.Code})
				return s, err
			})
			if err != nil {
				return err
			}
			if a.output == outputJSON {
				return a.printJSON(s)
			}
			if err := writeFields(a.out,
				field{"code", s.Code},
				field{"name", s.Name},
				field{"id", s.PermSetID},
				field{"permissions", namesOf(s.Permissions)},
				field{"declared", yesNo(s.IsDeclared)},
				field{"created", timeOf(s.CreatedAt)},
				field{"updated", timeOf(s.UpdatedAt)},
			); err != nil {
				return err
			}
			if err := a.section("assigned", len(s.Assignments)); err != nil {
				return err
			}
			return writeAssignments(a, s.Assignments)
		},
	}
}

func (a *app) setCreate() *cobra.Command {
	var name string
	var permissions []string
	cmd := &cobra.Command{
		Use: "create CODE", Short: "Create a set", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			return a.change(cmd.Context(), func(db *authdb.DB) (outcome, error) {
				id, err := db.CreatePermSet(cmd.Context(), names[0], *cmp.Or(given(cmd, "name", &name), &names[0]),
					given(cmd, "permission", &permissions))
				return outcome{"set", names[0], id, "created", true}, err
			})
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "name for people")
	cmd.Flags().StringArrayVar(&permissions, "permission", nil, "`CODE` of a permission that is in it; may be repeated")
	return cmd
}

func (a *app) setChange(
	verb, done, short string, change func(*authdb.DB, context.Context, string, []string) ([]string, error),
) *cobra.Command {
	return &cobra.Command{
		Use: verb + " CODE PERMISSION...", Short: short, Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, names []string) error {
			ctx, set, permissions := cmd.Context(), names[0], names[1:]
			outcomes, err := inTx(ctx, a, func(_ pgx.Tx, db *authdb.DB) ([]outcome, error) {
				id, err := db.PermSetID(ctx, set)
				if err != nil {
					return nil, err
				}
				changed, err := change(db, ctx, set, permissions)
				if err != nil {
					return nil, err
				}
				var outcomes []outcome
				for _, permission := range permissions {
					outcomes = append(outcomes,
						outcome{"permission " + permission + " of set", set, id, done, slices.Contains(changed, permission)})
				}
				return outcomes, nil
			})
			if err != nil {
				return err
			}
			return a.printOutcomes(outcomes)
		},
	}
}

func (a *app) setDelete() *cobra.Command {
	var cascade bool
	cmd := a.actionCommand(action{"set", "CODE", "delete", "deleted", "Delete sets", (*authdb.DB).PermSetID,
		func(db *authdb.DB, ctx context.Context, id string) (bool, error) {
			s, err := db.PermSet(ctx, id)
			if err != nil {
				return false, err
			}
			return db.DeletePermSet(ctx, s.Code, cascade)
		}})
	cmd.Flags().BoolVar(&cascade, "cascade", false, "also its assignments")
	return cmd
}
