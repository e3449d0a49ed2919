// Package cli is the command line: a command parses, calls the database, and prints what it returned.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"

	"github.com/rolewright/rolewright/internal/authdb"
)

// app is what the commands of one run share.
type app struct {
	in     io.Reader
	out    io.Writer // results
	errOut io.Writer // notices, progress, errors

	databaseURL   string
	output        string
	correlationID string
	dryRun        bool // of the commands that have the flag: the transaction is rolled back

	running bool // the arguments were understood: errors from here on are not about usage
}

// Execute runs one command line and returns the exit code. It prints the error, if there is one.
func Execute(ctx context.Context, arguments []string, in io.Reader, out, errOut io.Writer) int {
	a := &app{in: in, out: out, errOut: errOut}
	root := a.rootCommand()
	root.SetArgs(arguments)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	if err != nil && !a.running {
		err = usageError{err}
	}
	return report(errOut, err)
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "rolewright",
		Short: "Keeps PostgreSQL users, identities, groups and login roles in step with the directories that they come from, and says who may do what",
		Long: `Rolewright keeps PostgreSQL users, identities and groups in step with the directories that they come from, and says who
may do what: permissions are assigned to groups or users, and explain tells why somebody has one. Login roles and their
memberships follow the people: role plan tells what would change, role apply changes it, and deprovision, proof, restore
and delete are for those who leave. What roles may do in the database stands in a file: plan, apply, drift and dump.

The database is that of --database-url, else of DATABASE_URL, else of libpq's PG* variables.
Results go to stdout, notices and progress to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage,
3 differs: plan, role plan or drift found something to do, or proof found a way in.`,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          showHelp,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			known := append([]string{outputTable, outputJSON}, strings.Fields(cmd.Annotations[alsoOutput])...)
			if !slices.Contains(known, a.output) {
				return fmt.Errorf("--output is %s, not %q", strings.Join(known, " or "), a.output)
			}
			return nil
		},
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.databaseURL, "database-url", "", "`URL` of the database, or libpq's keyword=value form")
	flags.StringVarP(&a.output, "output", "o", outputTable, "table or json")
	flags.StringVar(&a.correlationID, "correlation-id", "", "`ID` that the audit trail shows with every change of this run")
	root.AddCommand(
		a.demoCommand(),
		a.migrateCommand(),
		a.syncCommand(),
		a.providerCommand(),
		a.userCommand(),
		a.identityCommand(),
		a.groupCommand(),
		a.mappingCommand(),
		a.tenantCommand(),
		a.permissionCommand(),
		a.setCommand(),
		a.explainCommand(),
		a.roleCommand(),
		a.planCommand(),
		a.applyCommand(),
		a.dumpCommand(),
		a.driftCommand(),
		a.whoCanCommand(),
		a.membershipCommand(),
		a.deprovisionCommand(),
		a.restoreCommand(),
		a.proofCommand(),
		a.deleteCommand(),
		a.auditCommand(),
	)
	a.markRunning(root)
	return root
}

// markRunning makes every command note that it has begun: cobra does not tell its own errors from a command's.
func (a *app) markRunning(command *cobra.Command) {
	if run := command.RunE; run != nil {
		command.RunE = func(cmd *cobra.Command, arguments []string) error {
			a.running = true
			return run(cmd, arguments)
		}
	}
	for _, child := range command.Commands() {
		a.markRunning(child)
	}
}

// family is a command that only has others below it.
func family(use, short string, children ...*cobra.Command) *cobra.Command {
	command := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: showHelp}
	command.AddCommand(children...)
	return command
}

func showHelp(cmd *cobra.Command, _ []string) error { return cmd.Help() }

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return cmp.Or(info.Main.Version, "(devel)")
	}
	return "(devel)"
}

// url names the database. The empty URL leaves it to libpq's variables, which pgx reads.
func (a *app) url() string {
	return cmp.Or(a.databaseURL, os.Getenv("DATABASE_URL"))
}

func (a *app) connect(ctx context.Context) (*pgx.Conn, error) { return a.connectTo(ctx, "") }

// connectTo connects to another database of the same server; "" is the one that the URL names.
func (a *app) connectTo(ctx context.Context, database string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(a.url())
	if err != nil {
		return nil, err
	}
	config.Database = cmp.Or(database, config.Database)
	config.RuntimeParams["application_name"] = cmp.Or(config.RuntimeParams["application_name"], "rolewright")
	config.RuntimeParams["client_encoding"] = "UTF8"
	config.OnNotice = func(_ *pgconn.PgConn, notice *pgconn.Notice) {
		fmt.Fprintf(a.errOut, "%s: %s\n", notice.Severity, escapeLines(notice.Message))
	}
	return pgx.ConnectConfig(ctx, config)
}

func disconnect(ctx context.Context, conn *pgx.Conn) {
	// Also when ctx was cancelled, so that the server learns of it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	conn.Close(ctx)
}

// dryRunFlag gives a command --dry-run: what inTx runs for it is rolled back.
func (a *app) dryRunFlag(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&a.dryRun, "dry-run", false, "say what would be done, and change nothing")
	return cmd
}

func (a *app) sayDryRun() {
	fmt.Fprintln(a.errOut, "Dry run: this is what would be done; nothing was changed.")
}

// inTx calls run in a transaction of a connection of its own. Print what it returns, not within it: before the COMMIT
// nothing is true yet.
func inTx[T any](ctx context.Context, a *app, run func(pgx.Tx, *authdb.DB) (T, error)) (T, error) {
	return inTxOf(ctx, a, "", run)
}

// inTxOf is inTx in another database of the same server; "" is the one that the URL names.
func inTxOf[T any](ctx context.Context, a *app, database string, run func(pgx.Tx, *authdb.DB) (T, error)) (T, error) {
	var result T
	conn, err := a.connectTo(ctx, database)
	if err != nil {
		return result, err
	}
	defer disconnect(ctx, conn)
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		db := authdb.New(tx)
		if a.correlationID != "" {
			if err := db.SetAuditContext(ctx, a.correlationID); err != nil {
				return err
			}
		}
		if result, err = run(tx, db); err == nil && a.dryRun {
			err = errRollback
		}
		return err
	})
	if a.dryRun && errors.Is(err, errRollback) {
		a.sayDryRun()
		err = nil
	}
	return result, err
}

// outsideTx calls run with a connection of its own that is in no transaction: for procedures, which COMMIT.
func outsideTx[T any](ctx context.Context, a *app, run func(*authdb.DB) (T, error)) (T, error) {
	conn, err := a.connect(ctx)
	if err != nil {
		var none T
		return none, err
	}
	defer disconnect(ctx, conn)
	db := authdb.New(conn)
	if a.correlationID != "" {
		if err := db.SetSessionCorrelationID(ctx, a.correlationID); err != nil {
			var none T
			return none, err
		}
	}
	return run(db)
}
