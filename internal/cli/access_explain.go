package cli

import (
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rolewright/rolewright/internal/authdb"
)

// explainAccess tells the ways in which a role has a privilege on an object.
func (a *app) explainAccess(cmd *cobra.Command, role, object, privilege string) error {
	paths, err := read(cmd.Context(), a, func(db *authdb.DB) ([]authdb.AccessPath, error) {
		return db.ExplainAccess(cmd.Context(), role, object, privilege)
	})
	if err != nil {
		return err
	}
	if a.output == outputJSON {
		return printRows(a, paths)
	}
	root := &node{text: accessAnswer(paths, escape(role), escape(strings.ToUpper(privilege))+" on "+escape(object))}
	for _, path := range paths {
		text := escape(path.Path)
		if path.Kind == "missing" {
			root.child("missing: " + text)
			continue
		}
		if source := textOf(path.Source); source != "" {
			text += " (" + source + ")"
		}
		end := root.child(text)
		if statements := textOf(path.EndsWith); statements != "" {
			end.child("ends with: " + escape(statements))
		}
	}
	var text strings.Builder
	text.WriteString(root.text + "\n")
	root.write(&text, "")
	_, err = io.WriteString(a.out, text.String())
	return err
}

// accessAnswer is what the paths come to.
func accessAnswer(paths []authdb.AccessPath, role, privilege string) string {
	answer := role + " has no " + privilege
	for _, path := range paths {
		switch {
		case path.Kind == "missing":
		case path.IsEffective && path.Kind != "columns":
			return role + " has " + privilege
		case path.IsEffective:
			answer = role + " has " + privilege + ", of some columns"
		case !strings.HasSuffix(answer, "columns"):
			answer = role + " has " + privilege + ", but not at once"
		}
	}
	return answer
}

func (a *app) whoCanCommand() *cobra.Command {
	var limit uint
	cmd := &cobra.Command{
		Use:   "who-can PRIVILEGE OBJECT",
		Short: "List the roles that have a privilege on an object, directly or through others",
		Long: aboutObjects + `

  rolewright who-can select 'table app.orders'`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, names []string) error {
			holders, err := read(cmd.Context(), a, func(db *authdb.DB) ([]authdb.Holder, error) {
				return db.WhoCan(cmd.Context(), names[0], names[1])
			})
			if err != nil {
				return err
			}
			type col = column[authdb.Holder]
			return printRows(a, limited(a, holders, limit),
				col{"ROLE", func(h authdb.Holder) string { return h.RoleName }},
				col{"LOGIN", func(h authdb.Holder) string { return optionOf(h.CanLogin) }},
				col{"AT ONCE", func(h authdb.Holder) string { return yesNo(h.IsEffective) }},
				col{"KIND", func(h authdb.Holder) string { return h.Kind }},
				col{"SOURCE", func(h authdb.Holder) string { return textOf(h.Source) }},
				col{"MAY GRANT", func(h authdb.Holder) string { return optionOf(h.IsGrantable) }},
				col{"LACKS", func(h authdb.Holder) string { return strings.Join(h.Missing, ", ") }},
				col{"PATH", func(h authdb.Holder) string { return h.Path }},
			)
		},
	}
	limitFlag(cmd, &limit)
	return cmd
}

const aboutObjects = `OBJECT is named as in: table app.orders, column app.orders.price, sequence app.s, function app.f(integer), schema app,
database shop, language plpgsql, type app.t, tablespace t, parameter work_mem, large object 4711.
PRIVILEGE is SELECT, INSERT, USAGE, …; WITH GRANT OPTION may follow.`

func (a *app) roleRemaining() *cobra.Command {
	return &cobra.Command{
		Use:   "remaining ROLE",
		Short: "Tell what a role can do beside what is declared: through PUBLIC, as an owner, by attributes and memberships",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			rows, err := read(cmd.Context(), a, func(db *authdb.DB) ([]authdb.RemainingAccess, error) {
				return db.RemainingAccess(cmd.Context(), names[0])
			})
			if err != nil {
				return err
			}
			type col = column[authdb.RemainingAccess]
			return printRows(a, rows,
				col{"WAY", func(r authdb.RemainingAccess) string { return r.Way }},
				col{"OBJECT", func(r authdb.RemainingAccess) string { return textOf(r.Object) }},
				col{"PRIVILEGE", func(r authdb.RemainingAccess) string { return textOf(r.Privilege) }},
				col{"THROUGH", func(r authdb.RemainingAccess) string { return textOf(r.Path) }},
				col{"ENDS WITH", func(r authdb.RemainingAccess) string { return textOf(r.Statement) }},
			)
		},
	}
}
