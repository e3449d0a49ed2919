package cli

import (
	"strconv"

	"github.com/spf13/cobra"

	"github.com/rolewright/rolewright/internal/authdb"
)

func (a *app) mappingCommand() *cobra.Command {
	return family("mapping", "Which groups and roles of a provider make members of which group",
		a.mappingList(), a.mappingCreate(),
		a.actionCommand(action{"mapping", "ID", "delete", "deleted", "Delete mappings", (*authdb.DB).MappingID, (*authdb.DB).DeleteGroupMapping}),
	)
}

func (a *app) mappingList() *cobra.Command {
	var unmapped bool
	var limit uint
	cmd := &cobra.Command{
		Use: "list", Short: "List mappings, or what is not mapped", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var notMapped []authdb.Unmapped
			mappings, err := read(cmd.Context(), a, func(db *authdb.DB) ([]authdb.Mapping, error) {
				filter := authdb.MappingFilter{Limit: oneMore(limit)}
				var err error
				if filter.Provider, err = resolve(cmd, db, "provider", (*authdb.DB).ProviderID); err != nil {
					return nil, err
				}
				if filter.Group, err = resolve(cmd, db, "group", (*authdb.DB).GroupID); err != nil {
					return nil, err
				}
				if unmapped {
					notMapped, err = db.UnmappedGroups(cmd.Context(), filter)
					return nil, err
				}
				return db.Mappings(cmd.Context(), filter)
			})
			switch {
			case err != nil:
				return err
			case unmapped:
				return printUnmapped(a, limited(a, notMapped, limit))
			case a.output == outputJSON:
				return printRows(a, limited(a, mappings, limit))
			}
			return writeMappings(a, limited(a, mappings, limit))
		},
	}
	flags := cmd.Flags()
	flags.String("provider", "", "only those of the provider of this `CODE`")
	flags.String("group", "", "only those to the group of this `CODE`")
	flags.BoolVar(&unmapped, "unmapped", false, "the groups and roles that identities have and no mapping names")
	limitFlag(cmd, &limit)
	cmd.MarkFlagsMutuallyExclusive("group", "unmapped")
	return cmd
}

func writeMappings(a *app, mappings []authdb.Mapping) error {
	if len(mappings) == 0 {
		return nil
	}
	type col = column[authdb.Mapping]
	return writeTable(a.out, mappings,
		col{"PROVIDER", func(m authdb.Mapping) string { return m.ProviderCode }},
		col{"EXTERNAL GROUP", func(m authdb.Mapping) string { return textOf(m.ExternalGroupName) }},
		col{"EXTERNAL ROLE", func(m authdb.Mapping) string { return textOf(m.ExternalRoleName) }},
		col{"GROUP", func(m authdb.Mapping) string { return m.GroupCode }},
		col{"ACTIVE", func(m authdb.Mapping) string { return yesNo(m.IsActive) }},
		col{"ID", func(m authdb.Mapping) string { return m.UserGroupMappingID }},
	)
}

func printUnmapped(a *app, unmapped []authdb.Unmapped) error {
	type col = column[authdb.Unmapped]
	return printRows(a, unmapped,
		col{"PROVIDER", func(u authdb.Unmapped) string { return u.ProviderCode }},
		col{"KIND", func(u authdb.Unmapped) string { return u.ExternalKind }},
		col{"NAME", func(u authdb.Unmapped) string { return u.ExternalName }},
		col{"IDENTITIES", func(u authdb.Unmapped) string { return strconv.FormatInt(u.Identities, 10) }},
	)
}

func (a *app) mappingCreate() *cobra.Command {
	var externalGroup, externalRole string
	cmd := &cobra.Command{
		Use:   "create CODE --provider CODE (--external-group NAME | --external-role NAME)",
		Short: "Make the members of a provider's group or role members of a group",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			return a.change(cmd.Context(), func(db *authdb.DB) (outcome, error) {
				group, err := db.GroupID(cmd.Context(), names[0])
				if err != nil {
					return outcome{}, err
				}
				provider, err := resolve(cmd, db, "provider", (*authdb.DB).ProviderID)
				if err != nil {
					return outcome{}, err
				}
				id, err := db.CreateGroupMapping(cmd.Context(), group, *provider,
					given(cmd, "external-group", &externalGroup), given(cmd, "external-role", &externalRole))
				return outcome{"mapping to group", names[0], id, "created", true}, err
			})
		},
	}
	flags := cmd.Flags()
	flags.String("provider", "", "`CODE` of the provider")
	flags.StringVar(&externalGroup, "external-group", "", "`NAME` of the provider's group")
	flags.StringVar(&externalRole, "external-role", "", "`NAME` of the provider's role")
	required(cmd, "provider")
	cmd.MarkFlagsOneRequired("external-group", "external-role")
	return cmd
}
