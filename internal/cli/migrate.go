package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/rolewright/rolewright/internal/schema"
)

func (a *app) migrateCommand() *cobra.Command {
	var options schema.Options
	cmd := family("migrate", "Install, upgrade and remove Rolewright in a database",
		a.migrateUp(&options), a.migrateDown(&options), a.migrateStatus(&options), a.migratePrint(&options))
	cmd.PersistentFlags().StringVar(&options.VersionTable, "version-table", schema.DefaultVersionTable, "`SCHEMA.TABLE` that says which migrations were applied")
	options.Logger = slog.New(slog.NewTextHandler(a.errOut, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, attr slog.Attr) slog.Attr {
			if attr.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return attr
		},
	}))
	return cmd
}

func (a *app) migrateUp(options *schema.Options) *cobra.Command {
	return &cobra.Command{
		Use: "up", Short: "Apply what is pending; the role needs CREATEROLE, and CREATE on the database", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			applied, err := schema.Up(cmd.Context(), a.url(), *options)
			return a.printMigrations("applied", applied, err)
		},
	}
}

func (a *app) migrateDown(options *schema.Options) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "down", Short: "Take back the migration applied last, and all data in what it made", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			reverted, err := schema.Down(cmd.Context(), a.url(), *options, all)
			return a.printMigrations("reverted", reverted, err)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "take back all of them: nothing of Rolewright is left in the database")
	return cmd
}

// printMigrations prints what was done, also when it ended in an error: each step was committed.
func (a *app) printMigrations(action string, migrations []schema.Migration, failed error) error {
	if len(migrations) == 0 && failed != nil {
		return failed
	}
	var done []outcome
	for _, migration := range migrations {
		done = append(done, outcome{Kind: "migration", Name: migration.Name, Action: action, Changed: true})
	}
	if len(done) == 0 && a.output == outputTable {
		_, err := fmt.Fprintln(a.out, "nothing to do")
		return err
	}
	return errors.Join(failed, a.printOutcomes(done))
}

func (a *app) migrateStatus(options *schema.Options) *cobra.Command {
	type status struct {
		Version   int64   `json:"version"`
		Name      string  `json:"name"`
		AppliedAt *string `json:"applied_at"`
	}
	return &cobra.Command{
		Use: "status", Short: "Show every migration and when it was applied", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			migrations, err := schema.Status(cmd.Context(), a.url(), *options)
			if err != nil {
				return err
			}
			var rows []status
			for _, m := range migrations {
				row := status{Version: m.Version, Name: m.Name}
				if !m.AppliedAt.IsZero() {
					at := timeOf(m.AppliedAt)
					row.AppliedAt = &at
				}
				rows = append(rows, row)
			}
			type col = column[status]
			return printRows(a, rows,
				col{"VERSION", func(s status) string { return strconv.FormatInt(s.Version, 10) }},
				col{"MIGRATION", func(s status) string { return s.Name }},
				col{"APPLIED", func(s status) string {
					if s.AppliedAt == nil {
						return "pending"
					}
					return *s.AppliedAt
				}},
			)
		},
	}
}

func (a *app) migratePrint(options *schema.Options) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "print", Short: "Print what up would do, as a script for psql", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if all {
				return schema.PrintAll(a.out, *options)
			}
			return schema.Print(cmd.Context(), a.out, a.url(), *options)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "for an empty database, which need not be there")
	return cmd
}
