package cli

import (
	"cmp"
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/rolewright/rolewright/internal/authdb"
)

func (a *app) providerCommand() *cobra.Command {
	find := (*authdb.DB).ProviderID
	return family("provider", "Identity providers, and what each is trusted to do",
		a.providerList(), a.providerShow(), a.providerCreate(), a.providerUpdate(),
		a.actionCommand(action{"provider", "CODE", "enable", "enabled", "Let people in through a provider again", find, (*authdb.DB).EnableProvider}),
		a.actionCommand(action{"provider", "CODE", "disable", "disabled", "Let nobody in through a provider, and drop what it contributes", find, (*authdb.DB).DisableProvider}),
		a.providerDelete(),
	)
}

func (a *app) providerList() *cobra.Command {
	var active bool
	var limit uint
	cmd := &cobra.Command{
		Use: "list", Short: "List providers", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			providers, err := read(cmd.Context(), a, func(db *authdb.DB) ([]authdb.Provider, error) {
				return db.Providers(cmd.Context(), given(cmd, "active", &active), oneMore(limit))
			})
			if err != nil {
				return err
			}
			type col = column[authdb.Provider]
			return printRows(a, limited(a, providers, limit),
				col{"CODE", func(p authdb.Provider) string { return p.Code }},
				col{"NAME", func(p authdb.Provider) string { return p.Name }},
				col{"TYPE", func(p authdb.Provider) string { return p.ProviderType }},
				col{"ACTIVE", func(p authdb.Provider) string { return yesNo(p.IsActive) }},
				col{"CREATES USERS", func(p authdb.Provider) string { return yesNo(p.CreatesUsers) }},
				col{"LINKS BY", func(p authdb.Provider) string { return p.LinkBy }},
			)
		},
	}
	cmd.Flags().BoolVar(&active, "active", true, "only those that are, with =false those that are not")
	limitFlag(cmd, &limit)
	return cmd
}

func (a *app) providerShow() *cobra.Command {
	type details struct {
		authdb.Provider
		Statistics authdb.ProviderStatistics `json:"statistics"`
	}
	return &cobra.Command{
		Use: "show CODE", Short: "Show a provider and how it is used", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			ctx := cmd.Context()
			p, err := read(ctx, a, func(db *authdb.DB) (details details, err error) {
				id, err := db.ProviderID(ctx, names[0])
				if err != nil {
					return details, err
				}
				if details.Provider, err = db.Provider(ctx, id); err != nil {
					return details, err
				}
				details.Statistics, err = db.ProviderStatistics(ctx, id)
				return details, err
			})
			if err != nil {
				return err
			}
			if a.output == outputJSON {
				return a.printJSON(p)
			}
			count := "no limit"
			if p.MaxDisableCount != nil {
				count = strconv.Itoa(*p.MaxDisableCount)
			}
			return writeFields(a.out,
				field{"code", p.Code},
				field{"name", p.Name},
				field{"id", p.ProviderID},
				field{"type", p.ProviderType},
				field{"active", yesNo(p.IsActive)},
				field{"creates users", yesNo(p.CreatesUsers)},
				field{"links by", p.LinkBy},
				field{"groups at", p.GroupsPath},
				field{"roles at", p.RolesPath},
				field{"group names match", p.GroupMatch},
				field{"a sync may disable", fmt.Sprintf("%g %%, count: %s", p.MaxDisableShare*100, count)},
				field{"creates login roles", yesNo(p.CreatesRoles)},
				field{"role names", p.RoleNameTemplate},
				field{"role attributes", string(p.RoleAttributes)},
				field{"users", fmt.Sprintf("%d, of them active: %d", p.Statistics.TotalUsers, p.Statistics.ActiveUsers)},
				field{"recent logins", strconv.FormatInt(p.Statistics.RecentLogins, 10)},
				field{"last login", timeOrNever(p.Statistics.MostRecentLogin)},
				field{"created", timeOf(p.CreatedAt)},
				field{"updated", timeOf(p.UpdatedAt)},
			)
		},
	}
}

// providerSettings adds the flags that create and update share, and returns what reads them.
func providerSettings(cmd *cobra.Command) func() authdb.ProviderSettings {
	flags := cmd.Flags()
	name := flags.String("name", "", "name for people")
	kind := flags.String("type", "", "windows, ldap, entra, okta, google, saml, oidc, github, hr, custom, …")
	createsUsers := flags.Bool("creates-users", true, "whether an unknown account may become a new user")
	linkBy := flags.String("link-by", "", "how an unknown account may join a user: none, username or email")
	groupsPath := flags.String("groups-path", "", "jsonpath of the groups in a claim set")
	rolesPath := flags.String("roles-path", "", "jsonpath of the roles in a claim set")
	groupMatch := flags.String("group-match", "", "how names of groups match: exact or ignore_case")
	share := flags.Float64("max-disable-share", 0, "share of the active identities that a sync may disable, 0 to 1")
	count := flags.Int("max-disable-count", 0, "number of identities that a sync may disable; -1: no limit")
	createsRoles := flags.Bool("creates-roles", false, "whether its users get login roles in the database")
	template := flags.String("role-name-template", "", "names of those roles: `TEXT` with {username}, {provider_username}, {email}, {email_local}, "+
		"{provider_user_id} or {provider}, in lower case; as it is spelt with :keep, as in {username:keep}")
	attributes := flags.String("role-attributes", "", "what those roles have: a `JSON` object of connection_limit, inherit, settings")
	return func() authdb.ProviderSettings {
		return authdb.ProviderSettings{
			Name: given(cmd, "name", name), ProviderType: given(cmd, "type", kind),
			LinkBy: given(cmd, "link-by", linkBy), CreatesUsers: given(cmd, "creates-users", createsUsers),
			GroupsPath: given(cmd, "groups-path", groupsPath), RolesPath: given(cmd, "roles-path", rolesPath),
			GroupMatch:      given(cmd, "group-match", groupMatch),
			MaxDisableShare: given(cmd, "max-disable-share", share), MaxDisableCount: given(cmd, "max-disable-count", count),
			CreatesRoles: given(cmd, "creates-roles", createsRoles), RoleNameTemplate: given(cmd, "role-name-template", template),
			RoleAttributes: given(cmd, "role-attributes", attributes),
		}
	}
}

func (a *app) providerCreate() *cobra.Command {
	cmd := &cobra.Command{Use: "create CODE --type TYPE", Short: "Create a provider", Args: cobra.ExactArgs(1)}
	settings := providerSettings(cmd)
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		s := settings()
		if err := checkJSON("role-attributes", s.RoleAttributes); err != nil {
			return err
		}
		return a.change(cmd.Context(), func(db *authdb.DB) (outcome, error) {
			s.Name = cmp.Or(s.Name, &names[0])
			id, err := db.CreateProvider(cmd.Context(), names[0], s)
			return outcome{"provider", names[0], id, "created", true}, err
		})
	}
	required(cmd, "type")
	return cmd
}

func (a *app) providerUpdate() *cobra.Command {
	cmd := &cobra.Command{Use: "update CODE", Short: "Change what the flags say of a provider", Args: cobra.ExactArgs(1)}
	settings := providerSettings(cmd)
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		s := settings()
		if err := checkJSON("role-attributes", s.RoleAttributes); err != nil {
			return err
		}
		return a.change(cmd.Context(), func(db *authdb.DB) (outcome, error) {
			id, err := db.ProviderID(cmd.Context(), names[0])
			if err != nil {
				return outcome{}, err
			}
			changed, err := db.UpdateProvider(cmd.Context(), id, s)
			return outcome{"provider", names[0], id, "updated", changed}, err
		})
	}
	return cmd
}

func (a *app) providerDelete() *cobra.Command {
	var identities bool
	cmd := a.actionCommand(action{"provider", "CODE", "delete", "deleted", "Delete a provider", (*authdb.DB).ProviderID,
		func(db *authdb.DB, ctx context.Context, id string) (bool, error) {
			return db.DeleteProvider(ctx, id, identities)
		}})
	cmd.Flags().BoolVar(&identities, "identities", false, "delete its identities with it")
	return cmd
}
