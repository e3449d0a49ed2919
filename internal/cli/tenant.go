package cli

import (
	"cmp"
	"context"

	"github.com/spf13/cobra"

	"github.com/rolewright/rolewright/internal/authdb"
)

func (a *app) tenantCommand() *cobra.Command {
	act := func(verb, done, short string, do func(*authdb.DB, context.Context, string) (bool, error)) *cobra.Command {
		return a.actionCommand(action{"tenant", "CODE", verb, done, short, (*authdb.DB).TenantID, do})
	}
	return family("tenant", "Tenants: a permission is held in one; the tenant default is built in",
		a.tenantList(), a.tenantShow(), a.tenantCreate(),
		act("enable", "enabled", "Bring the permissions in tenants back", (*authdb.DB).EnableTenant),
		act("disable", "disabled", "Have nobody hold a permission in tenants", (*authdb.DB).DisableTenant),
	)
}

func (a *app) tenantList() *cobra.Command {
	var active bool
	var limit uint
	cmd := &cobra.Command{
		Use: "list", Short: "List tenants", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			tenants, err := read(cmd.Context(), a, func(db *authdb.DB) ([]authdb.Tenant, error) {
				return db.Tenants(cmd.Context(), authdb.TenantFilter{Active: given(cmd, "active", &active), Limit: oneMore(limit)})
			})
			if err != nil {
				return err
			}
			type col = column[authdb.Tenant]
			return printRows(a, limited(a, tenants, limit),
				col{"CODE", func(t authdb.Tenant) string { return t.Code }},
				col{"NAME", func(t authdb.Tenant) string { return t.Name }},
				col{"ACTIVE", func(t authdb.Tenant) string { return yesNo(t.IsActive) }},
			)
		},
	}
	cmd.Flags().BoolVar(&active, "active", true, "only those that are, with =false those that are not")
	limitFlag(cmd, &limit)
	return cmd
}

func (a *app) tenantShow() *cobra.Command {
	return &cobra.Command{
		Use: "show CODE", Short: "Show a tenant", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			t, err := read(cmd.Context(), a, func(db *authdb.DB) (authdb.Tenant, error) {
				id, err := db.TenantID(cmd.Context(), names[0])
				if err != nil {
					return authdb.Tenant{}, err
				}
				return db.Tenant(cmd.Context(), id)
			})
			if err != nil {
				return err
			}
			if a.output == outputJSON {
				return a.printJSON(t)
			}
			return writeFields(a.out,
				field{"code", t.Code},
				field{"name", t.Name},
				field{"id", t.TenantID},
				field{"active", yesNo(t.IsActive)},
				field{"created", timeOf(t.CreatedAt)},
				field{"updated", timeOf(t.UpdatedAt)},
			)
		},
	}
}

func (a *app) tenantCreate() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use: "create CODE", Short: "Create a tenant", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			return a.change(cmd.Context(), func(db *authdb.DB) (outcome, error) {
				id, err := db.CreateTenant(cmd.Context(), names[0], *cmp.Or(given(cmd, "name", &name), &names[0]))
				return outcome{"tenant", names[0], id, "created", true}, err
			})
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "name for people")
	return cmd
}

// tenantFlag is for commands that mean one tenant, and tenantOf reads it.
func tenantFlag(cmd *cobra.Command) {
	cmd.Flags().String("tenant", authdb.DefaultTenant, "`CODE` of the tenant")
}

func tenantOf(cmd *cobra.Command, db *authdb.DB) (authdb.Tenant, error) {
	name, err := cmd.Flags().GetString("tenant")
	if err != nil {
		return authdb.Tenant{}, err
	}
	id, err := db.TenantID(cmd.Context(), name)
	if err != nil {
		return authdb.Tenant{}, err
	}
	return db.Tenant(cmd.Context(), id)
}
