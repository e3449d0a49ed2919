package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rolewright/rolewright/internal/authdb"
)

func (a *app) userCommand() *cobra.Command {
	act := func(verb, done, short string, do func(*authdb.DB, context.Context, string) (bool, error)) *cobra.Command {
		return a.actionCommand(action{"user", "USERNAME", verb, done, short, (*authdb.DB).UserID, do})
	}
	return family("user", "Users: named by username, without regard to case, or by id",
		a.userList(), a.userShow(), a.userCreate(), a.userUpdate(),
		act("enable", "enabled", "Let users log in again", (*authdb.DB).EnableUser),
		act("disable", "disabled", "Keep users out, through every provider", (*authdb.DB).DisableUser),
		act("lock", "locked", "Keep users out until they are unlocked", (*authdb.DB).LockUser),
		act("unlock", "unlocked", "Let locked users log in again", (*authdb.DB).UnlockUser),
		act("delete", "deleted", "Delete users with their identities and memberships", (*authdb.DB).DeleteUser),
	)
}

func (a *app) userList() *cobra.Command {
	var match string
	var active, locked bool
	var limit uint
	cmd := &cobra.Command{
		Use: "list", Short: "List users", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			users, err := read(cmd.Context(), a, func(db *authdb.DB) ([]authdb.User, error) {
				provider, err := resolve(cmd, db, "provider", (*authdb.DB).ProviderID)
				if err != nil {
					return nil, err
				}
				return db.Users(cmd.Context(), authdb.UserFilter{
					Match: given(cmd, "match", &match), Active: given(cmd, "active", &active), Locked: given(cmd, "locked", &locked),
					Provider: provider, Limit: oneMore(limit),
				})
			})
			if err != nil {
				return err
			}
			type col = column[authdb.User]
			return printRows(a, limited(a, users, limit),
				col{"USERNAME", func(u authdb.User) string { return u.Username }},
				col{"NAME", func(u authdb.User) string { return u.DisplayName }},
				col{"EMAIL", func(u authdb.User) string { return textOf(u.Email) }},
				col{"ACTIVE", func(u authdb.User) string { return yesNo(u.IsActive) }},
				col{"LOCKED", func(u authdb.User) string { return yesNo(u.IsLocked) }},
				col{"CREATED", func(u authdb.User) string { return timeOf(u.CreatedAt) }},
			)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&match, "match", "", "only those with this `TEXT` in username, name or address")
	flags.String("provider", "", "only those with an identity at the provider of this `CODE`")
	flags.BoolVar(&active, "active", true, "only those that are, with =false those that are not")
	flags.BoolVar(&locked, "locked", true, "only those that are, with =false those that are not")
	limitFlag(cmd, &limit)
	return cmd
}

// userDetails is all there is to know about a user.
type userDetails struct {
	authdb.User
	Identities []authdb.Identity       `json:"identities"`
	Groups     []authdb.EffectiveGroup `json:"effective_groups"`
	Roles      []authdb.Role           `json:"database_roles"`
}

func (a *app) userShow() *cobra.Command {
	return &cobra.Command{
		Use: "show USERNAME", Short: "Show a user with identities and effective groups", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			ctx := cmd.Context()
			u, err := read(ctx, a, func(db *authdb.DB) (u userDetails, err error) {
				id, err := db.UserID(ctx, names[0])
				if err != nil {
					return u, err
				}
				if u.User, err = db.User(ctx, id); err != nil {
					return u, err
				}
				if u.Identities, err = db.Identities(ctx, authdb.IdentityFilter{User: &id}); err != nil {
					return u, err
				}
				if u.Groups, err = db.EffectiveGroups(ctx, id); err != nil {
					return u, err
				}
				u.Roles, err = db.Roles(ctx, authdb.RoleFilter{User: &id})
				return u, err
			})
			if err != nil {
				return err
			}
			if a.output == outputJSON {
				return a.printJSON(u)
			}
			return a.printUser(u)
		},
	}
}

func (a *app) printUser(u userDetails) error {
	email := textOf(u.Email)
	if u.EmailVerified {
		email += " (verified)"
	}
	fields := []field{
		{"username", u.Username},
		{"name", u.DisplayName},
		{"id", u.UserID},
		{"email", email},
		{"active", yesNo(u.IsActive)},
		{"locked", yesNo(u.IsLocked)},
		{"created", timeOf(u.CreatedAt)},
		{"updated", timeOf(u.UpdatedAt)},
	}
	for _, role := range u.Roles {
		fields = append(fields, field{"login role", fmt.Sprintf("%s (%s)", escape(role.RoleName), role.State)})
	}
	if err := writeFields(a.out, fields...); err != nil {
		return err
	}
	if err := a.section("identities", len(u.Identities)); err != nil {
		return err
	}
	if err := writeIdentities(a, u.Identities); err != nil {
		return err
	}
	if err := a.section("effective groups", len(u.Groups)); err != nil {
		return err
	}
	return writeEffectiveGroups(a, u.Groups)
}

func writeEffectiveGroups(a *app, groups []authdb.EffectiveGroup) error {
	if len(groups) == 0 {
		return nil
	}
	type col = column[authdb.EffectiveGroup]
	return writeTable(a.out, groups,
		col{"GROUP", func(g authdb.EffectiveGroup) string { return g.Code }},
		col{"NAME", func(g authdb.EffectiveGroup) string { return g.Name }},
		col{"SOURCE", func(g authdb.EffectiveGroup) string { return g.MembershipSource }},
		col{"THROUGH", func(g authdb.EffectiveGroup) string { return textOf(g.ProviderCode) }},
	)
}

// userSettings adds the flags that create and update share, and returns what reads them.
func userSettings(cmd *cobra.Command) func() authdb.UserSettings {
	name := cmd.Flags().String("display-name", "", "name for people")
	email := cmd.Flags().String("email", "", "address")
	verified := cmd.Flags().Bool("email-verified", false, "you vouch for the address: accounts may be joined by it")
	return func() authdb.UserSettings {
		return authdb.UserSettings{
			DisplayName: given(cmd, "display-name", name), Email: given(cmd, "email", email),
			EmailVerified: given(cmd, "email-verified", verified),
		}
	}
}

func (a *app) userCreate() *cobra.Command {
	cmd := &cobra.Command{Use: "create USERNAME", Short: "Create a user", Args: cobra.ExactArgs(1)}
	settings := userSettings(cmd)
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		return a.change(cmd.Context(), func(db *authdb.DB) (outcome, error) {
			id, err := db.CreateUser(cmd.Context(), names[0], settings())
			return outcome{"user", names[0], id, "created", true}, err
		})
	}
	return cmd
}

func (a *app) userUpdate() *cobra.Command {
	var username string
	cmd := &cobra.Command{Use: "update USERNAME", Short: "Change what the flags say of a user", Args: cobra.ExactArgs(1)}
	settings := userSettings(cmd)
	cmd.Flags().StringVar(&username, "username", "", "the new username")
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		return a.change(cmd.Context(), func(db *authdb.DB) (outcome, error) {
			id, err := db.UserID(cmd.Context(), names[0])
			if err != nil {
				return outcome{}, err
			}
			changed, err := db.UpdateUser(cmd.Context(), id, given(cmd, "username", &username), settings())
			return outcome{"user", names[0], id, "updated", changed}, err
		})
	}
	return cmd
}
