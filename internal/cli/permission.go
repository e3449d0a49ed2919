package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rolewright/rolewright/internal/authdb"
)

func (a *app) permissionCommand() *cobra.Command {
	return family("permission", "Permissions: a tree of dotted codes; who has one has everything below it",
		a.permissionList(), a.permissionShow(), a.permissionCreate(), a.permissionDelete(),
		a.assignCommand("permission"), a.unassignCommand(), a.permissionAssignments(),
		a.permissionCheck(), a.permissionUsers(), a.permissionOf(),
	)
}

func (a *app) permissionList() *cobra.Command {
	var below string
	var limit uint
	cmd := &cobra.Command{
		Use: "list", Short: "List permissions", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			permissions, err := read(cmd.Context(), a, func(db *authdb.DB) ([]authdb.Permission, error) {
				if _, err := resolve(cmd, db, "below", (*authdb.DB).PermissionID); err != nil {
					return nil, err
				}
				return db.Permissions(cmd.Context(), authdb.PermissionFilter{Below: given(cmd, "below", &below), Limit: oneMore(limit)})
			})
			if err != nil {
				return err
			}
			type col = column[authdb.Permission]
			return printRows(a, limited(a, permissions, limit),
				col{"CODE", func(p authdb.Permission) string { return p.Code }},
				col{"DESCRIPTION", func(p authdb.Permission) string { return textOf(p.Description) }},
			)
		},
	}
	cmd.Flags().StringVar(&below, "below", "", "only the permission of this `CODE` and those below it")
	limitFlag(cmd, &limit)
	return cmd
}

func (a *app) permissionShow() *cobra.Command {
	type details struct {
		authdb.Permission
		Tenant      string              `json:"tenant_code"` // the users are counted in it
		Users       int64               `json:"users"`
		Sets        []authdb.PermSet    `json:"sets"`
		Assignments []authdb.Assignment `json:"assignments"`
	}
	cmd := &cobra.Command{
		Use:   "show CODE",
		Short: "Show a permission, how many users have it, and what gives it",
		Long: `Shows a permission, how many users have it in a tenant, and what gives it: the sets that it is in, and to whom it or one
of them is assigned, in every tenant. What a permission above it gives is among them.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			ctx := cmd.Context()
			p, err := read(ctx, a, func(db *authdb.DB) (p details, err error) {
				id, err := db.PermissionID(ctx, names[0])
				if err != nil {
					return p, err
				}
				if p.Permission, err = db.Permission(ctx, id); err != nil {
					return p, err
				}
				tenant, err := tenantOf(cmd, db)
				if err != nil {
					return p, err
				}
				p.Tenant = tenant.Code
				if p.Users, err = db.CountUsersWithPermission(ctx, p.Code, tenant.TenantID); err != nil {
					return p, err
				}
				if p.Sets, err = db.PermSets(ctx, authdb.PermSetFilter{Giving: &p.Code}); err != nil {
					return p, err
				}
				p.Assignments, err = db.Assignments(ctx, authdb.AssignmentFilter{Giving: &p.Code})
				return p, err
			})
			if err != nil {
				return err
			}
			if a.output == outputJSON {
				return a.printJSON(p)
			}
			if err := writeFields(a.out,
				field{"code", p.Code},
				field{"description", textOf(p.Description)},
				field{"id", p.PermissionID},
				field{"declared", yesNo(p.IsDeclared)},
				field{"users who have it", fmt.Sprintf("%d in tenant %s", p.Users, p.Tenant)},
				field{"created", timeOf(p.CreatedAt)},
				field{"updated", timeOf(p.UpdatedAt)},
			); err != nil {
				return err
			}
			if err := a.section("in sets", len(p.Sets)); err != nil {
				return err
			}
			if err := writeSets(a, p.Sets); err != nil {
				return err
			}
			if err := a.section("assigned", len(p.Assignments)); err != nil {
				return err
			}
			return writeAssignments(a, p.Assignments)
		},
	}
	tenantFlag(cmd)
	return cmd
}

func (a *app) permissionCreate() *cobra.Command {
	var description string
	cmd := &cobra.Command{
		Use: "create CODE", Short: "Create a permission, and those above it that are missing", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			return a.change(cmd.Context(), func(db *authdb.DB) (outcome, error) {
				id, err := db.CreatePermission(cmd.Context(), names[0], given(cmd, "description", &description))
				return outcome{"permission", names[0], id, "created", true}, err
			})
		},
	}
	cmd.Flags().StringVar(&description, "description", "", "what it allows")
	return cmd
}

func (a *app) permissionDelete() *cobra.Command {
	var cascade bool
	cmd := a.actionCommand(action{"permission", "CODE", "delete", "deleted", "Delete permissions", (*authdb.DB).PermissionID,
		func(db *authdb.DB, ctx context.Context, id string) (bool, error) {
			p, err := db.Permission(ctx, id)
			if err != nil {
				return false, err
			}
			return db.DeletePermission(ctx, p.Code, cascade)
		}})
	cmd.Flags().BoolVar(&cascade, "cascade", false, "also what is below it, and its places in sets and its assignments")
	return cmd
}

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

func (a *app) permissionCheck() *cobra.Command {
	type answer struct {
		Username       string `json:"username"`
		PermissionCode string `json:"permission_code"`
		TenantCode     string `json:"tenant_code"`
		IsGranted      bool   `json:"is_granted"`
	}
	cmd := &cobra.Command{
		Use:   "check USER CODE",
		Short: "Say whether a user has a permission: yes or no",
		Long: `Says whether a user has a permission in a tenant: yes with exit code 0, no with exit code 1.
An error prints neither. rolewright explain tells why.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, names []string) error {
			ctx := cmd.Context()
			answer, err := read(ctx, a, func(db *authdb.DB) (answer answer, err error) {
				q, err := questionOf(cmd, db, names)
				if err != nil {
					return answer, err
				}
				answer.Username, answer.PermissionCode, answer.TenantCode = q.user.Username, q.permission, q.tenant.Code
				answer.IsGranted, err = db.HasPermission(ctx, q.user.UserID, q.permission, q.tenant.TenantID)
				return answer, err
			})
			if err != nil {
				return err
			}
			if a.output == outputJSON {
				err = a.printJSON(answer)
			} else {
				_, err = fmt.Fprintln(a.out, yesNo(answer.IsGranted))
			}
			if err == nil && !answer.IsGranted {
				return errNo
			}
			return err
		},
	}
	tenantFlag(cmd)
	return cmd
}

// question is what check and explain answer: has this user this permission in this tenant?
type question struct {
	user       authdb.User
	permission string
	tenant     authdb.Tenant
}

func questionOf(cmd *cobra.Command, db *authdb.DB, names []string) (q question, err error) {
	id, err := db.UserID(cmd.Context(), names[0])
	if err != nil {
		return q, err
	}
	if q.user, err = db.User(cmd.Context(), id); err != nil {
		return q, err
	}
	if _, err = db.PermissionID(cmd.Context(), names[1]); err != nil {
		return q, err
	}
	q.permission = names[1]
	q.tenant, err = tenantOf(cmd, db)
	return q, err
}

func (a *app) permissionUsers() *cobra.Command {
	var limit uint
	cmd := &cobra.Command{
		Use: "users CODE", Short: "List the users who have a permission", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			ctx := cmd.Context()
			users, err := read(ctx, a, func(db *authdb.DB) ([]authdb.PermissionHolder, error) {
				if _, err := db.PermissionID(ctx, names[0]); err != nil {
					return nil, err
				}
				tenant, err := tenantOf(cmd, db)
				if err != nil {
					return nil, err
				}
				return db.UsersWithPermission(ctx, names[0], tenant.TenantID, oneMore(limit))
			})
			if err != nil {
				return err
			}
			type col = column[authdb.PermissionHolder]
			return printRows(a, limited(a, users, limit),
				col{"USERNAME", func(u authdb.PermissionHolder) string { return u.Username }},
				col{"UNTIL", func(u authdb.PermissionHolder) string { return untilOf(u.ValidUntil) }},
			)
		},
	}
	tenantFlag(cmd)
	limitFlag(cmd, &limit)
	return cmd
}

func (a *app) permissionOf() *cobra.Command {
	var limit uint
	cmd := &cobra.Command{
		Use: "of USER", Short: "List the permissions that a user has", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			ctx := cmd.Context()
			permissions, err := read(ctx, a, func(db *authdb.DB) ([]authdb.EffectivePermission, error) {
				user, err := db.UserID(ctx, names[0])
				if err != nil {
					return nil, err
				}
				tenant, err := tenantOf(cmd, db)
				if err != nil {
					return nil, err
				}
				return db.EffectivePermissions(ctx, user, tenant.TenantID, oneMore(limit))
			})
			if err != nil {
				return err
			}
			type col = column[authdb.EffectivePermission]
			return printRows(a, limited(a, permissions, limit),
				col{"PERMISSION", func(p authdb.EffectivePermission) string { return p.PermissionCode }},
				col{"UNTIL", func(p authdb.EffectivePermission) string { return untilOf(p.ValidUntil) }},
			)
		},
	}
	tenantFlag(cmd)
	limitFlag(cmd, &limit)
	return cmd
}
