package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/rolewright/rolewright/internal/authdb"
)

func (a *app) identityCommand() *cobra.Command {
	act := func(verb, done, short string, do func(*authdb.DB, context.Context, string) (bool, error)) *cobra.Command {
		return a.actionCommand(action{"identity", "IDENTITY", verb, done, short, (*authdb.DB).IdentityID, do})
	}
	return family("identity", "Accounts of users at providers: named PROVIDER/ACCOUNT, or by id; sync is about login roles",
		a.identityList(), a.identityShow(), a.identityCreate(), a.identitySwitch(), a.identitySync(),
		act("enable", "enabled", "Let accounts log in again", (*authdb.DB).EnableUserIdentity),
		act("disable", "disabled", "Keep accounts out; no feed enables them again", (*authdb.DB).DisableUserIdentity),
		act("delete", "deleted", "Unlink accounts from their users", (*authdb.DB).DeleteUserIdentity),
	)
}

func (a *app) identityList() *cobra.Command {
	var group string
	var active bool
	var limit uint
	cmd := &cobra.Command{
		Use: "list", Short: "List identities", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			identities, err := read(cmd.Context(), a, func(db *authdb.DB) ([]authdb.Identity, error) {
				filter := authdb.IdentityFilter{
					Group: given(cmd, "group", &group), Active: given(cmd, "active", &active), Limit: oneMore(limit),
				}
				var err error
				if filter.Provider, err = resolve(cmd, db, "provider", (*authdb.DB).ProviderID); err != nil {
					return nil, err
				}
				if filter.User, err = resolve(cmd, db, "user", (*authdb.DB).UserID); err != nil {
					return nil, err
				}
				return db.Identities(cmd.Context(), filter)
			})
			if err != nil {
				return err
			}
			return printIdentities(a, limited(a, identities, limit))
		},
	}
	flags := cmd.Flags()
	flags.String("provider", "", "only those at the provider of this `CODE`")
	flags.String("user", "", "only those of the user of this `USERNAME`")
	flags.StringVar(&group, "group", "", "only those that the provider has in this `GROUP`, spelt as it spells it")
	flags.BoolVar(&active, "active", true, "only those that are, with =false those that are not")
	limitFlag(cmd, &limit)
	return cmd
}

func printIdentities(a *app, identities []authdb.Identity) error {
	if a.output == outputJSON {
		return printRows(a, identities)
	}
	return writeIdentities(a, identities)
}

func writeIdentities(a *app, identities []authdb.Identity) error {
	if len(identities) == 0 {
		return nil
	}
	type col = column[authdb.Identity]
	return writeTable(a.out, identities,
		col{"USER", func(i authdb.Identity) string { return i.Username }},
		col{"PROVIDER", func(i authdb.Identity) string { return i.ProviderCode }},
		col{"ACCOUNT", func(i authdb.Identity) string { return i.ProviderUserID }},
		col{"ACTIVE", func(i authdb.Identity) string { return yesNo(i.IsActive) }},
		col{"LAST USED", func(i authdb.Identity) string { return yesNo(i.IsLastUsed) }},
		col{"GROUPS", func(i authdb.Identity) string { return namesOf(i.ProviderGroups) }},
		col{"ROLES", func(i authdb.Identity) string { return namesOf(i.ProviderRoles) }},
	)
}

func (a *app) identityShow() *cobra.Command {
	return &cobra.Command{
		Use: "show IDENTITY", Short: "Show an identity", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			i, err := read(cmd.Context(), a, func(db *authdb.DB) (authdb.Identity, error) {
				id, err := db.IdentityID(cmd.Context(), names[0])
				if err != nil {
					return authdb.Identity{}, err
				}
				return db.Identity(cmd.Context(), id)
			})
			if err != nil {
				return err
			}
			if a.output == outputJSON {
				return a.printJSON(i)
			}
			active := yesNo(i.IsActive)
			if i.IsDisabledByFeed {
				active += " (disabled by a feed, which may enable it again)"
			}
			groups := namesOf(i.ProviderGroups)
			if !i.IsComplete {
				groups += " (as last known: the provider did not say them)"
			}
			return writeFields(a.out,
				field{"account", i.ProviderUserID},
				field{"provider", i.ProviderCode},
				field{"user", i.Username},
				field{"id", i.UserIdentityID},
				field{"active", active},
				field{"last used", yesNo(i.IsLastUsed)},
				field{"last login", timeOrNever(i.LastLoginAt)},
				field{"groups", groups},
				field{"roles", namesOf(i.ProviderRoles)},
				field{"data", string(i.ProviderData)},
				field{"created", timeOf(i.CreatedAt)},
				field{"updated", timeOf(i.UpdatedAt)},
			)
		},
	}
}

func (a *app) identityCreate() *cobra.Command {
	var data string
	var groups, roles []string
	cmd := &cobra.Command{
		Use:   "create ACCOUNT --user USERNAME --provider CODE",
		Short: "Link an account at a provider to a user, or refresh what it is known for",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			if err := checkJSON("data", given(cmd, "data", &data)); err != nil {
				return err
			}
			return a.change(cmd.Context(), func(db *authdb.DB) (outcome, error) {
				user, err := resolve(cmd, db, "user", (*authdb.DB).UserID)
				if err != nil {
					return outcome{}, err
				}
				provider, err := resolve(cmd, db, "provider", (*authdb.DB).ProviderID)
				if err != nil {
					return outcome{}, err
				}
				id, err := db.CreateUserIdentity(cmd.Context(), authdb.NewIdentity{
					UserID: *user, ProviderID: *provider, ProviderUserID: names[0],
					Groups: given(cmd, "group", &groups), Roles: given(cmd, "role", &roles), Data: given(cmd, "data", &data),
				})
				return outcome{"identity", names[0], id, "created", true}, err
			})
		},
	}
	flags := cmd.Flags()
	flags.String("user", "", "`USERNAME` that the account belongs to")
	flags.String("provider", "", "`CODE` of the provider")
	flags.StringArrayVar(&groups, "group", nil, "a `GROUP` that the provider has it in; may be repeated; not given: unknown")
	flags.StringArrayVar(&roles, "role", nil, "a `ROLE` that the provider gives it; may be repeated; not given: unknown")
	flags.StringVar(&data, "data", "", "a `JSON` object of whatever else the provider says")
	required(cmd, "user", "provider")
	return cmd
}

func (a *app) identitySwitch() *cobra.Command {
	return &cobra.Command{
		Use: "switch IDENTITY", Short: "Make an identity the one that its user used last: permissions follow it", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			ctx := cmd.Context()
			return a.change(ctx, func(db *authdb.DB) (outcome, error) {
				id, err := db.IdentityID(ctx, names[0])
				if err != nil {
					return outcome{}, err
				}
				i, err := db.Identity(ctx, id)
				if err != nil {
					return outcome{}, err
				}
				provider, err := db.ProviderID(ctx, i.ProviderCode)
				if err != nil {
					return outcome{}, err
				}
				err = db.SwitchActiveIdentity(ctx, i.UserID, provider, &id)
				return outcome{"identity", names[0], id, "last used", !i.IsLastUsed}, err
			})
		},
	}
}
