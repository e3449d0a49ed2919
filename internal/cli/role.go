package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/rolewright/rolewright/internal/authdb"
)

func (a *app) roleCommand() *cobra.Command {
	// Roles have no other key than their names, and those that are protected need not exist.
	named := func(_ *authdb.DB, _ context.Context, name string) (string, error) { return name, nil }
	act := func(verb, done, short string, do func(*authdb.DB, context.Context, string) (bool, error)) *cobra.Command {
		return a.dryRunFlag(a.actionCommand(action{"role", "ROLE", verb, done, short, named, do}))
	}
	return family("role", "Login roles of users and group roles of groups, in the database",
		a.roleList(), a.roleShow(), a.roleBind(), a.roleUnbind(), a.roleAdopt(),
		act("release", "released", "Stop managing roles; they stay as they are", (*authdb.DB).ReleaseRole),
		act("protect", "protected", "Keep roles, also those to come, from being changed by Rolewright", (*authdb.DB).ProtectRole),
		act("unprotect", "unprotected", "Take the protection off roles", (*authdb.DB).UnprotectRole),
		a.rolePlan(), a.roleApply(), a.roleRemaining(),
	)
}

func (a *app) roleList() *cobra.Command {
	var state, kind, match string
	var limit uint
	cmd := &cobra.Command{
		Use: "list", Short: "List the managed roles", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			roles, err := read(cmd.Context(), a, func(db *authdb.DB) ([]authdb.Role, error) {
				return db.Roles(cmd.Context(), authdb.RoleFilter{
					State: given(cmd, "state", &state), Kind: given(cmd, "kind", &kind), Match: given(cmd, "match", &match),
					Limit: oneMore(limit),
				})
			})
			if err != nil {
				return err
			}
			type col = column[authdb.Role]
			return printRows(a, limited(a, roles, limit),
				col{"ROLE", func(r authdb.Role) string { return r.RoleName }},
				col{"KIND", func(r authdb.Role) string { return r.RoleKind }},
				col{"STATE", func(r authdb.Role) string { return r.State }},
				col{"LOGIN", loginOf},
				col{"USER", func(r authdb.Role) string { return textOf(r.Username) }},
				col{"SINCE", func(r authdb.Role) string { return timeOf(r.StateChangedAt) }},
				col{"REASON", func(r authdb.Role) string { return textOf(r.Reason) }},
			)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&state, "state", "", "only those in this `STATE`: active, suspended, disabled, or deleted, which are not listed otherwise")
	flags.StringVar(&kind, "kind", "", "only those of this `KIND`: login or group")
	flags.StringVar(&match, "match", "", "only those with this `TEXT` in the name of the role or its user")
	limitFlag(cmd, &limit)
	return cmd
}

// loginOf tells what the catalog says, which need not be what it should.
func loginOf(r authdb.Role) string {
	if r.CanLogin == nil {
		return "(no such role)"
	}
	return yesNo(*r.CanLogin)
}

// roleDetails is all there is to know about a role.
type roleDetails struct {
	authdb.Role
	Attributes  *authdb.RoleAttributes  `json:"attributes"` // nil: there is no such role
	Memberships []authdb.RoleMembership `json:"memberships"`
	Members     []authdb.RoleMembership `json:"members"`
	Groups      []authdb.GroupBinding   `json:"groups"`
}

func (a *app) roleShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ROLE", Short: "Show a managed role: what is to be, what is, and what was recorded when it left", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			ctx := cmd.Context()
			r, err := read(ctx, a, func(db *authdb.DB) (roleDetails, error) { return readRole(ctx, db, names[0]) })
			if err != nil {
				return err
			}
			if a.output == outputJSON {
				return a.printJSON(r)
			}
			return a.printRole(r)
		},
	}
}

func readRole(ctx context.Context, db *authdb.DB, name string) (r roleDetails, err error) {
	r.Memberships, r.Members = []authdb.RoleMembership{}, []authdb.RoleMembership{}
	id, err := db.RoleID(ctx, name)
	if err != nil {
		return r, err
	}
	if r.Role, err = db.Role(ctx, id); err != nil {
		return r, err
	}
	if r.Groups, err = db.GroupBindings(ctx, &id, nil); err != nil || r.ActualName == nil {
		return r, err
	}
	attributes, err := db.RoleAttributes(ctx, *r.ActualName)
	if err != nil {
		return r, err
	}
	r.Attributes = &attributes
	memberships, err := db.RoleMemberships(ctx, *r.ActualName)
	for _, m := range memberships {
		if m.RoleName == *r.ActualName {
			r.Memberships = append(r.Memberships, m)
		} else {
			r.Members = append(r.Members, m)
		}
	}
	return r, err
}

func (a *app) printRole(r roleDetails) error {
	fields := []field{
		{"role", r.RoleName},
		{"id", r.DatabaseRoleID},
		{"kind", r.RoleKind},
		{"state", fmt.Sprintf("%s since %s", r.State, timeOf(r.StateChangedAt))},
	}
	fields = appendSaid(fields, "reason", r.Reason)
	if r.RoleKind == "login" {
		fields = append(fields, field{"user", cmp.Or(textOf(r.Username), "(nobody)")})
		fields = appendSaid(fields, "made for provider", r.ProviderCode)
		fields = append(fields, field{"needs an identity", yesNo(r.RequiresIdentity)})
	}
	fields = append(fields, attributeFields(r)...)
	fields = append(fields, recordedFields(r.Recorded)...)
	if err := writeFields(a.out, fields...); err != nil {
		return err
	}
	if r.RoleKind == "group" {
		if err := a.section("groups whose users are members", len(r.Groups)); err != nil {
			return err
		}
		if err := writeGroupBindings(a, r.Groups); err != nil {
			return err
		}
	}
	if err := a.section("is a member of", len(r.Memberships)); err != nil {
		return err
	}
	if err := writeMemberships(a, "ROLE", r.Memberships, func(m authdb.RoleMembership) string { return m.GroupRole }); err != nil {
		return err
	}
	members := slices.DeleteFunc(slices.Clone(r.Members), func(m authdb.RoleMembership) bool { return m.IsMakers })
	if r.RoleKind == "login" && len(members) == 0 {
		return nil
	}
	if err := a.section("members", len(members)); err != nil {
		return err
	}
	return writeMemberships(a, "MEMBER", members, func(m authdb.RoleMembership) string { return m.RoleName })
}

// appendSaid adds a line for what is said, and none for what is not.
func appendSaid(fields []field, title string, value *string) []field {
	if value == nil || *value == "" {
		return fields
	}
	return append(fields, field{title, *value})
}

func attributeFields(r roleDetails) []field {
	if r.Attributes == nil {
		return []field{{"in the database", "(no such role)"}}
	}
	has := r.Attributes
	fields := []field{
		{"attributes", switchesOf(has.RoleSwitches)},
		{"connection limit", connectionLimitOf(has.ConnectionLimit)},
		{"valid until", untilOf(has.ValidUntil)},
	}
	fields = appendSaid(fields, "comment", has.Comment)
	if *r.ActualName != r.RoleName {
		fields = append([]field{{"in the database", *r.ActualName}}, fields...)
	}
	for _, setting := range has.Settings {
		fields = append(fields, field{"setting", setting})
	}
	return fields
}

func switchesOf(has authdb.RoleSwitches) string {
	var names []string
	for _, attribute := range []struct {
		name string
		has  bool
	}{
		{"login", has.Login}, {"superuser", has.Superuser}, {"createdb", has.CreateDB}, {"createrole", has.CreateRole},
		{"inherit", has.Inherit}, {"replication", has.Replication}, {"bypassrls", has.BypassRLS},
	} {
		if attribute.has {
			names = append(names, attribute.name)
		}
	}
	return cmp.Or(strings.Join(names, ", "), "(none)")
}

func connectionLimitOf(limit int) string {
	if limit < 0 {
		return "no limit"
	}
	return fmt.Sprint(limit)
}

// recordedFields tells what a role was when it lost its login.
func recordedFields(document json.RawMessage) []field {
	var was struct {
		Attributes *struct {
			authdb.RoleSwitches
			ConnectionLimit int     `json:"connection_limit"`
			ValidUntil      *string `json:"valid_until"`
		} `json:"attributes"`
		Memberships []struct{ Role, Grantor string } `json:"memberships"`
		Settings    []struct {
			Database *string
			Setting  string
		} `json:"settings"`
	}
	// A document of another shape has nothing to tell here; JSON output has all of it.
	if err := json.Unmarshal(document, &was); err != nil || was.Attributes == nil {
		return nil
	}
	had := []string{switchesOf(was.Attributes.RoleSwitches)}
	if was.Attributes.ConnectionLimit >= 0 {
		had = append(had, fmt.Sprintf("connection limit %d", was.Attributes.ConnectionLimit))
	}
	if was.Attributes.ValidUntil != nil {
		had = append(had, "valid until "+*was.Attributes.ValidUntil)
	}
	fields := []field{{"recorded", strings.Join(had, ", ")}}
	for _, m := range was.Memberships {
		fields = append(fields, field{"recorded", fmt.Sprintf("member of %s, granted by %s", escape(m.Role), escape(m.Grantor))})
	}
	for _, s := range was.Settings {
		text := s.Setting
		if s.Database != nil {
			text += " in database " + *s.Database
		}
		fields = append(fields, field{"recorded", "setting " + text})
	}
	return fields
}

func writeMemberships(a *app, title string, memberships []authdb.RoleMembership, other func(authdb.RoleMembership) string) error {
	if len(memberships) == 0 {
		return nil
	}
	type col = column[authdb.RoleMembership]
	return writeTable(a.out, memberships,
		col{title, other},
		col{"ADMIN", func(m authdb.RoleMembership) string { return yesNo(m.Admin) }},
		col{"INHERIT", func(m authdb.RoleMembership) string { return optionOf(m.Inherit) }},
		col{"SET", func(m authdb.RoleMembership) string { return optionOf(m.Set) }},
		col{"BY HAND", func(m authdb.RoleMembership) string { return yesNo(m.IsManual) }},
		col{"GRANTOR", func(m authdb.RoleMembership) string { return textOf(m.Grantor) }},
	)
}

func writeGroupBindings(a *app, bindings []authdb.GroupBinding) error {
	if len(bindings) == 0 {
		return nil
	}
	type col = column[authdb.GroupBinding]
	return writeTable(a.out, bindings,
		col{"GROUP", func(b authdb.GroupBinding) string { return b.GroupCode }},
		col{"ROLE", func(b authdb.GroupBinding) string { return b.RoleName }},
		col{"ADMIN", func(b authdb.GroupBinding) string { return yesNo(b.Admin) }},
		col{"INHERIT", func(b authdb.GroupBinding) string { return optionOf(b.Inherit) }},
		col{"SET", func(b authdb.GroupBinding) string { return yesNo(b.Set) }},
	)
}

// optionOf is an option of a membership; one that is not said follows the member's attribute.
func optionOf(option *bool) string {
	if option == nil {
		return "-"
	}
	return yesNo(*option)
}

// bound is what binding did and, of a dry run, what role apply would then do.
type bound struct {
	outcome
	Plan []authdb.Change `json:"plan,omitempty"`
}

// changeBinding runs a change of what is bound. Its dry run tells what that would lead to.
func (a *app) changeBinding(ctx context.Context, run func(*authdb.DB) (outcome, error)) error {
	done, err := inTx(ctx, a, func(_ pgx.Tx, db *authdb.DB) (done bound, err error) {
		var before []authdb.Change
		if a.dryRun {
			if before, err = db.PlanDatabaseRoles(ctx, nil); err != nil {
				return done, err
			}
		}
		if done.outcome, err = run(db); err != nil || !a.dryRun {
			return done, err
		}
		after, err := db.PlanDatabaseRoles(ctx, nil)
		done.Plan = renumbered(slices.DeleteFunc(after, func(c authdb.Change) bool {
			return slices.ContainsFunc(before, func(b authdb.Change) bool { return sameChange(b, c) })
		}))
		return done, err
	})
	if err != nil {
		return err
	}
	if a.output == outputJSON {
		return a.printJSON([]bound{done})
	}
	if err := a.printOutcomes([]outcome{done.outcome}); err != nil {
		return err
	}
	if !a.dryRun {
		if done.Changed {
			fmt.Fprintln(a.errOut, "rolewright role plan shows what that changes, role apply does it.")
		}
		return nil
	}
	if err := a.section("what role apply would then do", len(done.Plan)); err != nil {
		return err
	}
	return a.writePlan(done.Plan)
}

func roleOf(role, kind string) string { return fmt.Sprintf("role %s of %s", escape(role), kind) }

func sameChange(a, b authdb.Change) bool {
	return a.Action == b.Action && a.RoleName == b.RoleName && textOf(a.Object) == textOf(b.Object) &&
		textOf(a.Statement) == textOf(b.Statement) && textOf(a.Reason) == textOf(b.Reason)
}

// membershipFlags adds the options of a membership, and returns what reads them.
func membershipFlags(cmd *cobra.Command) func() authdb.MembershipOptions {
	flags := cmd.Flags()
	inherit := flags.Bool("inherit", true, "whether the member has the role's privileges without SET ROLE; not given: as its INHERIT attribute says")
	set := flags.Bool("set", true, "whether the member may SET ROLE")
	admin := flags.Bool("admin", false, "whether the member may give the membership to others")
	return func() authdb.MembershipOptions {
		return authdb.MembershipOptions{
			Inherit: given(cmd, "inherit", inherit), Set: given(cmd, "set", set), Admin: given(cmd, "admin", admin),
		}
	}
}

func (a *app) roleBind() *cobra.Command {
	var group string
	var reuse bool
	cmd := &cobra.Command{
		Use:   "bind (USERNAME | --group CODE) ROLE",
		Short: "Say which login role is a user's, or which group role a group's users are members of",
		Long: `Says which login role is a user's, or with --group which group role the users of a group are members of. Roles that do not
exist will be created; one that does exist has to be adopted first (role adopt).

Nothing changes in the database yet: role apply makes it so, and so does the next login or sync of the user.
--inherit and --set are of PostgreSQL 16 and later.`,
	}
	cmd.Args = userOrGroup(&group)
	options := membershipFlags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&group, "group", "", "`CODE` of the group")
	flags.BoolVar(&reuse, "reuse-name", false, "the role may have the name of one that was somebody else's, and was deleted")
	for _, option := range []string{"inherit", "set", "admin"} {
		cmd.MarkFlagsMutuallyExclusive("reuse-name", option)
	}
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		ctx, role := cmd.Context(), names[len(names)-1]
		if !cmd.Flags().Changed("group") && options() != (authdb.MembershipOptions{}) {
			return usageErrorf("--inherit, --set and --admin are for --group: memberships are given by groups")
		}
		return a.changeBinding(ctx, func(db *authdb.DB) (outcome, error) {
			if cmd.Flags().Changed("group") {
				id, err := db.GroupID(ctx, group)
				if err != nil {
					return outcome{}, err
				}
				changed, err := db.BindGroupRole(ctx, id, role, options())
				return outcome{roleOf(role, "group"), group, id, "bound", changed}, err
			}
			id, err := db.UserID(ctx, names[0])
			if err != nil {
				return outcome{}, err
			}
			changed, err := db.BindUserRole(ctx, id, role, reuse)
			return outcome{roleOf(role, "user"), names[0], id, "bound", changed}, err
		})
	}
	return a.dryRunFlag(cmd)
}

// userOrGroup wants USERNAME ROLE, or ROLE alone beside --group.
func userOrGroup(group *string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, names []string) error {
		if cmd.Flags().Changed("group") {
			if len(names) != 1 {
				return fmt.Errorf("with --group %s there is one argument, ROLE; got %d", *group, len(names))
			}
			return nil
		}
		return cobra.ExactArgs(2)(cmd, names)
	}
}

func (a *app) roleUnbind() *cobra.Command {
	var group, reason string
	cmd := &cobra.Command{
		Use:   "unbind (USERNAME | --group CODE ROLE)",
		Short: "Take a user's login role away, or have a group give no memberships in a role any more",
		Long: `Takes a user's login role away: it stays managed, disabled, without login and memberships, until it is restored or deleted.
With --group the group gives no memberships in that role any more.

Nothing changes in the database yet: role apply makes it so, and so does the next login or sync of the user.`,
		Args: cobra.ExactArgs(1),
	}
	flags := cmd.Flags()
	flags.StringVar(&group, "group", "", "`CODE` of the group")
	flags.StringVar(&reason, "reason", "", "why, as it is kept with the user's role")
	cmd.MarkFlagsMutuallyExclusive("group", "reason")
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		ctx := cmd.Context()
		return a.changeBinding(ctx, func(db *authdb.DB) (outcome, error) {
			if cmd.Flags().Changed("group") {
				id, err := db.GroupID(ctx, group)
				if err != nil {
					return outcome{}, err
				}
				changed, err := db.UnbindGroupRole(ctx, id, names[0])
				return outcome{roleOf(names[0], "group"), group, id, "unbound", changed}, err
			}
			id, err := db.UserID(ctx, names[0])
			if err != nil {
				return outcome{}, err
			}
			changed, err := db.UnbindUserRole(ctx, id, given(cmd, "reason", &reason))
			return outcome{"login role of user", names[0], id, "unbound", changed}, err
		})
	}
	return a.dryRunFlag(cmd)
}

func (a *app) roleAdopt() *cobra.Command {
	type adopted struct {
		RoleName string          `json:"role_name"`
		Changes  []authdb.Change `json:"changes"`
	}
	var kind string
	cmd := &cobra.Command{
		Use:   "adopt ROLE",
		Short: "Take an existing role under management, and print what a superuser must still grant",
		Long: `Takes an existing role under management; nothing changes about the role. Only administrators may: superusers, and members of
the role that owns Rolewright. Where that owner lacks a right over the role, what a superuser must run is printed.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			ctx := cmd.Context()
			changes, err := inTx(ctx, a, func(_ pgx.Tx, db *authdb.DB) ([]authdb.Change, error) {
				user, err := resolve(cmd, db, "user", (*authdb.DB).UserID)
				if err != nil {
					return nil, err
				}
				return db.AdoptRole(ctx, names[0], given(cmd, "kind", &kind), user)
			})
			if err != nil {
				return err
			}
			if a.output == outputJSON {
				return a.printJSON(adopted{names[0], renumbered(changes)})
			}
			if _, err := fmt.Fprintf(a.out, "role %s: adopted\n", escape(names[0])); err != nil || len(changes) == 0 {
				return err
			}
			if err := a.section("what a superuser must run before Rolewright can change it", len(changes)); err != nil {
				return err
			}
			return a.writePlan(changes)
		},
	}
	cmd.Flags().StringVar(&kind, "kind", "", "`KIND` of role, login or group; not given: as its LOGIN attribute says")
	cmd.Flags().String("user", "", "`USERNAME` of the user whose login role it is")
	return a.dryRunFlag(cmd)
}

// userIDs finds the users of that names; nil, for all, when there are no names.
func userIDs(ctx context.Context, db *authdb.DB, names []string) (*[]string, error) {
	if len(names) == 0 {
		return nil, nil
	}
	ids := make([]string, len(names))
	for i, name := range names {
		id, err := db.UserID(ctx, name)
		if err != nil {
			return nil, err
		}
		ids[i] = id
	}
	return &ids, nil
}

func (a *app) rolePlan() *cobra.Command {
	return &cobra.Command{
		Use:   "plan [USERNAME...]",
		Short: "Tell what role apply would change",
		Long: `Tells what role apply would change, for these users or for all managed roles. The exit code is 3 when something would change
or cannot be done (conflict: the statement, if there is one, is for a superuser to run), and 0 when all is as it should be.`,
		RunE: func(cmd *cobra.Command, names []string) error {
			ctx := cmd.Context()
			plan, err := read(ctx, a, func(db *authdb.DB) ([]authdb.Change, error) {
				users, err := userIDs(ctx, db, names)
				if err != nil {
					return nil, err
				}
				return db.PlanDatabaseRoles(ctx, users)
			})
			if err != nil {
				return err
			}
			if err := a.printPlan(plan); err != nil {
				return err
			}
			if len(plan) > 0 {
				return errDiffers
			}
			return nil
		},
	}
}

func (a *app) roleApply() *cobra.Command {
	var skip bool
	cmd := &cobra.Command{
		Use:   "apply [USERNAME...]",
		Short: "Make the roles what they should be, in one transaction",
		Long: `Makes the roles of these users, or all managed roles, what they should be, in one transaction, and tells what was done.
Conflicts are an error that changes nothing; with --skip-conflicts they are listed, and the rest is done.`,
		RunE: func(cmd *cobra.Command, names []string) error {
			ctx := cmd.Context()
			done, err := inTx(ctx, a, func(_ pgx.Tx, db *authdb.DB) ([]authdb.Change, error) {
				users, err := userIDs(ctx, db, names)
				if err != nil {
					return nil, err
				}
				return db.ApplyDatabaseRoles(ctx, users, skip)
			})
			if err != nil {
				return err
			}
			if n := countConflicts(done); n > 0 {
				fmt.Fprintf(a.errOut, "Conflicts that were skipped: %d\n", n)
			}
			return a.printPlan(done)
		},
	}
	cmd.Flags().BoolVar(&skip, "skip-conflicts", false, "do what can be done, and list the rest")
	return a.dryRunFlag(cmd)
}
