package cli

import (
	"context"
	"io"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/rolewright/rolewright/internal/authdb"
	"github.com/rolewright/rolewright/internal/policy"
)

// rolesOf is the roles that a command line names, nil for all.
func rolesOf(names []string) *[]string {
	if len(names) == 0 {
		return nil
	}
	return &names
}

func databasesFlag(cmd *cobra.Command, databases *[]string) {
	cmd.Flags().StringArrayVar(databases, "database", nil, "`NAME` of a database; may be repeated; not given: the one that is connected to")
}

// connected is the databases of a flag.
func connected(databases []string) []string {
	if len(databases) == 0 {
		return []string{""}
	}
	return databases
}

func (a *app) dumpCommand() *cobra.Command {
	var databases []string
	var schema bool
	cmd := &cobra.Command{
		Use:   "dump [ROLE...]",
		Short: "Write the file that plan and apply read, of what roles may do now",
		Long: `Writes what these roles, or all that may be declared, may do now, as the file that rolewright plan and apply read: keep it,
take out what should not be, and plan tells what would change. No password is in it.

The first --database gets what belongs to the whole server: logins, memberships, privileges on tablespaces and parameters.`,
		RunE: func(cmd *cobra.Command, names []string) error {
			if schema {
				_, err := io.WriteString(a.out, policy.Schema)
				return err
			}
			p, err := a.dump(cmd.Context(), databases, rolesOf(names))
			if err != nil {
				return err
			}
			if a.output == outputJSON {
				return a.printJSON(declarationsOf(p))
			}
			text, err := policy.Marshal(p)
			if err != nil {
				return err
			}
			_, err = a.out.Write(text)
			return err
		},
	}
	databasesFlag(cmd, &databases)
	cmd.Flags().BoolVar(&schema, "schema", false, "print the JSON schema of the file instead")
	return cmd
}

func (a *app) dump(ctx context.Context, databases []string, roles *[]string) (*policy.Policy, error) {
	p := &policy.Policy{}
	for _, name := range connected(databases) {
		document, err := inTxOf(ctx, a, name, func(_ pgx.Tx, db *authdb.DB) ([]byte, error) {
			return db.DumpRoles(ctx, roles)
		})
		if err != nil {
			return nil, err
		}
		d, err := policy.ReadDeclaration(document)
		if err != nil {
			return nil, err
		}
		p.Databases = append(p.Databases, policy.Database{Name: name, Declaration: d})
	}
	return p, nil
}

// declared is a declaration as JSON output has it.
type declared struct {
	Database    string             `json:"database,omitempty"`
	Declaration policy.Declaration `json:"declaration"`
}

func declarationsOf(p *policy.Policy) []declared {
	var all []declared
	for _, d := range p.Databases {
		all = append(all, declared{d.Name, d.Declaration})
	}
	return all
}

func (a *app) driftCommand() *cobra.Command {
	var databases []string
	var apply bool
	cmd := &cobra.Command{
		Use:   "drift [ROLE...]",
		Short: "Tell what roles may do now that their stored declarations do not say, and the other way round",
		Long: `Compares what these roles, or all that were declared, may do now with what rolewright apply stored last. The exit code is 3
when something differs, and 0 when all is as declared. --apply makes it so again.`,
		RunE: func(cmd *cobra.Command, names []string) error {
			ctx := cmd.Context()
			compare := (*authdb.DB).Drift
			if apply {
				compare = (*authdb.DB).ApplyDrift
			}
			var plans []authdb.GrantPlan
			for _, name := range connected(databases) {
				plan, err := inTxOf(ctx, a, name, func(_ pgx.Tx, db *authdb.DB) (authdb.GrantPlan, error) {
					return compare(db, ctx, rolesOf(names))
				})
				if err != nil {
					return err
				}
				plans = append(plans, plan)
			}
			if apply {
				return a.printAccessDone(plans)
			}
			return a.printAccessPlan(plans)
		},
	}
	databasesFlag(cmd, &databases)
	cmd.Flags().BoolVar(&apply, "apply", false, "make it as it was declared")
	return cmd
}
