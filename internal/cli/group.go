package cli

import (
	"cmp"
	"context"

	"github.com/spf13/cobra"

	"github.com/rolewright/rolewright/internal/authdb"
)

func (a *app) groupCommand() *cobra.Command {
	act := func(verb, done, short string, do func(*authdb.DB, context.Context, string) (bool, error)) *cobra.Command {
		return a.actionCommand(action{"group", "CODE", verb, done, short, (*authdb.DB).GroupID, do})
	}
	return family("group", "Groups of users: internal (manual members), external (mapped from providers) or hybrid",
		a.groupList(), a.groupShow(), a.groupCreate(), a.groupUpdate(), a.groupAddMember(), a.groupRemoveMember(),
		act("enable", "enabled", "Have groups count again", (*authdb.DB).EnableUserGroup),
		act("disable", "disabled", "Have groups not count, for anybody", (*authdb.DB).DisableUserGroup),
		act("delete", "deleted", "Delete groups with their members and mappings", (*authdb.DB).DeleteUserGroup),
	)
}

func (a *app) groupList() *cobra.Command {
	var kind string
	var active bool
	var limit uint
	cmd := &cobra.Command{
		Use: "list", Short: "List groups", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			groups, err := read(cmd.Context(), a, func(db *authdb.DB) ([]authdb.Group, error) {
				tenant, err := resolve(cmd, db, "tenant", (*authdb.DB).TenantID)
				if err != nil {
					return nil, err
				}
				return db.Groups(cmd.Context(), authdb.GroupFilter{
					Type: given(cmd, "type", &kind), Tenant: tenant, Active: given(cmd, "active", &active), Limit: oneMore(limit),
				})
			})
			if err != nil {
				return err
			}
			type col = column[authdb.Group]
			return printRows(a, limited(a, groups, limit),
				col{"CODE", func(g authdb.Group) string { return g.Code }},
				col{"NAME", func(g authdb.Group) string { return g.Name }},
				col{"TYPE", func(g authdb.Group) string { return g.GroupType }},
				col{"TENANT", tenantOfGroup},
				col{"ACTIVE", func(g authdb.Group) string { return yesNo(g.IsActive) }},
				col{"DESCRIPTION", func(g authdb.Group) string { return textOf(g.Description) }},
			)
		},
	}
	cmd.Flags().StringVar(&kind, "type", "", "only those of this `TYPE`: internal, external or hybrid")
	cmd.Flags().String("tenant", "", "only those that count in the tenant of this `CODE` alone")
	cmd.Flags().BoolVar(&active, "active", true, "only those that are, with =false those that are not")
	limitFlag(cmd, &limit)
	return cmd
}

func tenantOfGroup(g authdb.Group) string {
	if g.TenantCode == nil {
		return "(all)"
	}
	return *g.TenantCode
}

func (a *app) groupShow() *cobra.Command {
	type details struct {
		authdb.Group
		Members  []authdb.GroupMember  `json:"members"`
		Mappings []authdb.Mapping      `json:"mappings"`
		Roles    []authdb.GroupBinding `json:"database_roles"`
	}
	return &cobra.Command{
		Use: "show CODE", Short: "Show a group with its manual members and mappings", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			ctx := cmd.Context()
			g, err := read(ctx, a, func(db *authdb.DB) (g details, err error) {
				id, err := db.GroupID(ctx, names[0])
				if err != nil {
					return g, err
				}
				if g.Group, err = db.Group(ctx, id); err != nil {
					return g, err
				}
				if g.Members, err = db.GroupMembers(ctx, id); err != nil {
					return g, err
				}
				if g.Mappings, err = db.Mappings(ctx, authdb.MappingFilter{Group: &id}); err != nil {
					return g, err
				}
				g.Roles, err = db.GroupBindings(ctx, nil, &id)
				return g, err
			})
			if err != nil {
				return err
			}
			if a.output == outputJSON {
				return a.printJSON(g)
			}
			if err := writeFields(a.out,
				field{"code", g.Code},
				field{"name", g.Name},
				field{"id", g.UserGroupID},
				field{"type", g.GroupType},
				field{"tenant", tenantOfGroup(g.Group)},
				field{"description", textOf(g.Description)},
				field{"active", yesNo(g.IsActive)},
				field{"created", timeOf(g.CreatedAt)},
				field{"updated", timeOf(g.UpdatedAt)},
			); err != nil {
				return err
			}
			if err := a.section("manual members", len(g.Members)); err != nil {
				return err
			}
			if err := writeMembers(a, g.Members); err != nil {
				return err
			}
			if err := a.section("mappings", len(g.Mappings)); err != nil {
				return err
			}
			if err := writeMappings(a, g.Mappings); err != nil || len(g.Roles) == 0 {
				return err
			}
			if err := a.section("database roles", len(g.Roles)); err != nil {
				return err
			}
			return writeGroupBindings(a, g.Roles)
		},
	}
}

func writeMembers(a *app, members []authdb.GroupMember) error {
	if len(members) == 0 {
		return nil
	}
	type col = column[authdb.GroupMember]
	return writeTable(a.out, members,
		col{"USER", func(m authdb.GroupMember) string { return m.Username }},
		col{"SINCE", func(m authdb.GroupMember) string { return timeOf(m.CreatedAt) }},
		col{"UNTIL", func(m authdb.GroupMember) string { return untilOf(m.ValidUntil) }},
	)
}

// groupSettings adds the flags that create and update share, and returns what reads them.
func groupSettings(cmd *cobra.Command) func() authdb.GroupSettings {
	name := cmd.Flags().String("name", "", "name for people")
	kind := cmd.Flags().String("type", "", "internal, external or hybrid")
	description := cmd.Flags().String("description", "", "what the group is for")
	return func() authdb.GroupSettings {
		return authdb.GroupSettings{
			Name: given(cmd, "name", name), GroupType: given(cmd, "type", kind), Description: given(cmd, "description", description),
		}
	}
}

func (a *app) groupCreate() *cobra.Command {
	cmd := &cobra.Command{Use: "create CODE", Short: "Create a group", Args: cobra.ExactArgs(1)}
	settings := groupSettings(cmd)
	cmd.Flags().String("tenant", "", "`CODE` of the tenant that it gives permissions in; not given: all")
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		return a.change(cmd.Context(), func(db *authdb.DB) (outcome, error) {
			s := settings()
			s.Name = cmp.Or(s.Name, &names[0])
			tenant, err := resolve(cmd, db, "tenant", (*authdb.DB).TenantID)
			if err != nil {
				return outcome{}, err
			}
			id, err := db.CreateUserGroup(cmd.Context(), names[0], s, tenant)
			return outcome{"group", names[0], id, "created", true}, err
		})
	}
	return cmd
}

func (a *app) groupUpdate() *cobra.Command {
	var drop bool
	cmd := &cobra.Command{Use: "update CODE", Short: "Change what the flags say of a group", Args: cobra.ExactArgs(1)}
	settings := groupSettings(cmd)
	cmd.Flags().BoolVar(&drop, "drop", false, "drop the members or mappings that the new type does not have")
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		return a.change(cmd.Context(), func(db *authdb.DB) (outcome, error) {
			id, err := db.GroupID(cmd.Context(), names[0])
			if err != nil {
				return outcome{}, err
			}
			changed, err := db.UpdateUserGroup(cmd.Context(), id, settings(), drop)
			return outcome{"group", names[0], id, "updated", changed}, err
		})
	}
	return cmd
}

func (a *app) groupAddMember() *cobra.Command {
	var until string
	cmd := &cobra.Command{Use: "add-member CODE USERNAME", Short: "Make a user a manual member of a group", Args: cobra.ExactArgs(2)}
	cmd.Flags().StringVar(&until, "until", "", "`TIME` at which the membership ends, as PostgreSQL reads it: 2027-01-31, tomorrow")
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		return a.change(cmd.Context(), func(db *authdb.DB) (outcome, error) {
			group, user, err := groupAndUser(cmd, db, names)
			if err != nil {
				return outcome{}, err
			}
			changed, err := db.AddGroupMember(cmd.Context(), group, user, given(cmd, "until", &until))
			return outcome{"member " + names[1] + " of group", names[0], group, "added", changed}, err
		})
	}
	return cmd
}

func (a *app) groupRemoveMember() *cobra.Command {
	return &cobra.Command{
		Use: "remove-member CODE USERNAME", Short: "End a user's manual membership of a group", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, names []string) error {
			return a.change(cmd.Context(), func(db *authdb.DB) (outcome, error) {
				group, user, err := groupAndUser(cmd, db, names)
				if err != nil {
					return outcome{}, err
				}
				changed, err := db.RemoveGroupMember(cmd.Context(), group, user)
				return outcome{"member " + names[1] + " of group", names[0], group, "removed", changed}, err
			})
		},
	}
}

func groupAndUser(cmd *cobra.Command, db *authdb.DB, names []string) (group, user string, err error) {
	if group, err = db.GroupID(cmd.Context(), names[0]); err != nil {
		return "", "", err
	}
	user, err = db.UserID(cmd.Context(), names[1])
	return group, user, err
}
