package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rolewright/rolewright/internal/authdb"
)

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
