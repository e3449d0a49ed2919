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
