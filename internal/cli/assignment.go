package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rolewright/rolewright/internal/authdb"
)

// assignCommand gives a permission or a set.
func (a *app) assignCommand(kind string) *cobra.Command {
	find, what := (*authdb.DB).PermissionID, "permission, with everything below it,"
	if kind == "set" {
		find, what = (*authdb.DB).PermSetID, "set of permissions"
	}
	var until string
	cmd := &cobra.Command{
		Use:   "assign CODE (--group CODE | --user USERNAME)",
		Short: "Give a " + what + " to a group or a user",
		Long: "Gives a " + what + " to a group or a user in a tenant. What is assigned already gets the new end:\n" +
			"none, without --until.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			return a.change(cmd.Context(), func(db *authdb.DB) (outcome, error) {
				if _, err := find(db, cmd.Context(), names[0]); err != nil {
					return outcome{}, err
				}
				n := authdb.NewAssignment{ValidUntil: given(cmd, "until", &until)}
				if kind == "set" {
					n.PermSet = &names[0]
				} else {
					n.Permission = &names[0]
				}
				return assign(cmd, db, n)
			})
		},
	}
	flags := cmd.Flags()
	flags.String("group", "", "`CODE` of the group that gets it")
	flags.String("user", "", "`USERNAME` of the user who gets it")
	flags.StringVar(&until, "until", "", "`TIME` at which the assignment ends, as PostgreSQL reads it: 2027-01-31, tomorrow")
	tenantFlag(cmd)
	cmd.MarkFlagsOneRequired("group", "user")
	cmd.MarkFlagsMutuallyExclusive("group", "user")
	return cmd
}

// assign adds the grantee and the tenant of the flags, and tells a new assignment from one that got another end.
func assign(cmd *cobra.Command, db *authdb.DB, n authdb.NewAssignment) (outcome, error) {
	ctx := cmd.Context()
	tenant, err := tenantOf(cmd, db)
	if err != nil {
		return outcome{}, err
	}
	n.Tenant = tenant.TenantID
	if n.Group, err = resolve(cmd, db, "group", (*authdb.DB).GroupID); err != nil {
		return outcome{}, err
	}
	if n.User, err = resolve(cmd, db, "user", (*authdb.DB).UserID); err != nil {
		return outcome{}, err
	}
	same := authdb.AssignmentFilter{Tenant: &n.Tenant, Group: n.Group, User: n.User, Permission: n.Permission, PermSet: n.PermSet}
	before, err := db.Assignments(ctx, same)
	if err != nil {
		return outcome{}, err
	}
	id, err := db.AssignPermission(ctx, n)
	if err != nil {
		return outcome{}, err
	}
	after, err := db.Assignments(ctx, same)
	if err != nil {
		return outcome{}, err
	}
	done := outcome{"assignment of", nameOf(after[0]), id, "created", true}
	if len(before) > 0 {
		if done.Changed = before[0].ValidUntil != after[0].ValidUntil; done.Changed {
			done.Action = "updated"
		}
	}
	return done, nil
}

// nameOf says who is given what by an assignment.
func nameOf(n authdb.Assignment) string {
	return fmt.Sprintf("%s to %s in tenant %s", whatOf(n), whoOf(n), n.TenantCode)
}

func whatOf(n authdb.Assignment) string {
	if n.PermSetCode != nil {
		return "set " + *n.PermSetCode
	}
	return "permission " + textOf(n.PermissionCode)
}

func whoOf(n authdb.Assignment) string {
	if n.Username != nil {
		return "user " + *n.Username
	}
	return "group " + textOf(n.GroupCode)
}

func (a *app) unassignCommand() *cobra.Command {
	return a.actionCommand(action{"assignment", "ID", "unassign", "removed", "Take assignments away; permission assignments lists them",
		(*authdb.DB).AssignmentID, (*authdb.DB).UnassignPermission})
}

func (a *app) permissionAssignments() *cobra.Command {
	var limit uint
	cmd := &cobra.Command{
		Use: "assignments", Short: "List what is assigned to whom: permissions and sets", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			assignments, err := read(cmd.Context(), a, func(db *authdb.DB) ([]authdb.Assignment, error) {
				filter := authdb.AssignmentFilter{Limit: oneMore(limit)}
				var err error
				if filter.Group, err = resolve(cmd, db, "group", (*authdb.DB).GroupID); err != nil {
					return nil, err
				}
				if filter.User, err = resolve(cmd, db, "user", (*authdb.DB).UserID); err != nil {
					return nil, err
				}
				if filter.Tenant, err = resolve(cmd, db, "tenant", (*authdb.DB).TenantID); err != nil {
					return nil, err
				}
				return db.Assignments(cmd.Context(), filter)
			})
			if err != nil {
				return err
			}
			if assignments = limited(a, assignments, limit); a.output == outputJSON {
				return printRows(a, assignments)
			}
			return writeAssignments(a, assignments)
		},
	}
	flags := cmd.Flags()
	flags.String("group", "", "only those to the group of this `CODE`")
	flags.String("user", "", "only those to the user of this `USERNAME`, not to groups")
	flags.String("tenant", "", "only those in the tenant of this `CODE`")
	limitFlag(cmd, &limit)
	cmd.MarkFlagsMutuallyExclusive("group", "user")
	return cmd
}

func writeAssignments(a *app, assignments []authdb.Assignment) error {
	if len(assignments) == 0 {
		return nil
	}
	type col = column[authdb.Assignment]
	return writeTable(a.out, assignments,
		col{"WHAT", whatOf},
		col{"TO", whoOf},
		col{"TENANT", func(n authdb.Assignment) string { return n.TenantCode }},
		col{"UNTIL", func(n authdb.Assignment) string { return untilOf(n.ValidUntil) }},
		col{"ID", func(n authdb.Assignment) string { return n.AssignmentID }},
	)
}
