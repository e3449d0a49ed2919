package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/spf13/cobra"

	"github.com/rolewright/rolewright/internal/authdb"
)

func (a *app) explainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain (USER PERMISSION | ROLE OBJECT PRIVILEGE)",
		Short: "Tell why a user has a permission, or a role a privilege, or what is missing",
		Long: `Tells why a user has a permission in a tenant: every path from an identity or a membership to what is assigned, and when it ends.
For a user who has it not, tells every path that would give it and what each misses. The exit code is 0 for both answers.

With three arguments, tells every way in which a role has a privilege on an object of the database, where it comes from, and
the statements that end it.
` + aboutObjects + `

  rolewright explain reporting 'table app.orders' select`,
		Args: cobra.RangeArgs(2, 3),
		RunE: func(cmd *cobra.Command, names []string) error {
			if len(names) == 3 {
				if cmd.Flags().Changed("tenant") {
					return usageErrorf("--tenant is for permissions: privileges belong to a database")
				}
				return a.explainAccess(cmd, names[0], names[1], names[2])
			}
			var q question
			paths, err := read(cmd.Context(), a, func(db *authdb.DB) (paths []authdb.PermissionPath, err error) {
				if q, err = questionOf(cmd, db, names); err != nil {
					return nil, err
				}
				return db.ExplainPermission(cmd.Context(), q.user.UserID, q.permission, q.tenant.TenantID)
			})
			if err != nil {
				return err
			}
			if a.output == outputJSON {
				return printRows(a, paths)
			}
			return writeExplanation(a.out, q, paths)
		},
	}
	tenantFlag(cmd)
	return cmd
}

// node is a line of a tree. Paths that begin alike share their first nodes.
type node struct {
	text     string
	children []*node
}

func (n *node) child(text string) *node {
	for _, c := range n.children {
		if c.text == text {
			return c
		}
	}
	c := &node{text: text}
	n.children = append(n.children, c)
	return c
}

func writeExplanation(w io.Writer, q question, paths []authdb.PermissionPath) error {
	may := "may not"
	if len(paths) > 0 && paths[0].IsGranted {
		may = "may"
	}
	root := &node{text: fmt.Sprintf("%s %s %s in tenant %s", escape(q.user.Username), may, q.permission, q.tenant.Code)}
	for _, path := range paths {
		end := root
		for _, text := range stepsOf(path) {
			end = end.child(text)
		}
		for _, reason := range path.Missing {
			end.child("missing: " + escape(reason))
		}
	}
	var text strings.Builder
	text.WriteString(root.text + "\n")
	root.write(&text, "")
	_, err := io.WriteString(w, text.String())
	return err
}

// stepsOf is a path from how the user is in a group to what is assigned.
func stepsOf(path authdb.PermissionPath) []string {
	var steps []string
	add := func(prefix string, name *string) {
		if name != nil {
			steps = append(steps, prefix+escape(*name))
		}
	}
	group := "group "
	switch path.Source {
	case "mapping":
		steps = append(steps, "identity "+escape(textOf(path.ProviderCode)+"/"+textOf(path.ProviderUserID)))
		add("has "+textOf(path.ExternalKind)+" ", path.ExternalName)
	case "member":
		group = "manual member of group "
	case "direct":
		steps = append(steps, "assigned to the user")
	}
	add(group, path.GroupCode)
	add("set ", path.PermSetCode)
	add("permission ", path.GrantedCode)
	// Where something is missing, the reason says what has ended.
	if path.IsGranted && path.EndsWith != nil && path.ValidUntil.InfinityModifier == pgtype.Finite {
		steps[len(steps)-1] += fmt.Sprintf(", until %s when the %s ends", untilOf(path.ValidUntil), *path.EndsWith)
	}
	return steps
}

func (n *node) write(text *strings.Builder, indent string) {
	for i, c := range n.children {
		branch, below := "├─ ", "│  "
		if i == len(n.children)-1 {
			branch, below = "└─ ", "   "
		}
		text.WriteString(indent + branch + c.text + "\n")
		c.write(text, indent+below)
	}
}
