package cli

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/rolewright/rolewright/internal/authdb"
)

const defaultLimit = 100

// given is the value of a flag, or nil when the command line does not have it: unknown is not empty here either.
func given[T any](cmd *cobra.Command, flag string, value *T) *T {
	if cmd.Flags().Changed(flag) {
		return value
	}
	return nil
}

func limitFlag(cmd *cobra.Command, limit *uint) {
	cmd.Flags().UintVar(limit, "limit", defaultLimit, "show at most `N`; 0: all")
}

// resolver finds the id of what a name means.
type resolver func(*authdb.DB, context.Context, string) (string, error)

// resolve finds the id of a flag's value, nil when the flag was not given.
func resolve(cmd *cobra.Command, db *authdb.DB, flag string, find resolver) (*string, error) {
	if !cmd.Flags().Changed(flag) {
		return nil, nil
	}
	name, err := cmd.Flags().GetString(flag)
	if err != nil {
		return nil, err
	}
	id, err := find(db, cmd.Context(), name)
	return &id, err
}

// action is a verb for things that are there: rolewright user lock NAME...
type action struct {
	kind, argument    string
	verb, done, short string
	find              resolver
	do                func(*authdb.DB, context.Context, string) (bool, error)
}

// actionCommand runs the action for every name in one transaction: all of them, or none.
func (a *app) actionCommand(act action) *cobra.Command {
	return &cobra.Command{
		Use:   act.verb + " " + act.argument + "...",
		Short: act.short,
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			ctx := cmd.Context()
			outcomes, err := inTx(ctx, a, func(_ pgx.Tx, db *authdb.DB) ([]outcome, error) {
				var outcomes []outcome
				for _, name := range names {
					id, err := act.find(db, ctx, name)
					if err != nil {
						return nil, err
					}
					changed, err := act.do(db, ctx, id)
					if err != nil {
						return nil, err
					}
					outcomes = append(outcomes, outcome{act.kind, name, id, act.done, changed})
				}
				return outcomes, nil
			})
			if err != nil {
				return err
			}
			return a.printOutcomes(outcomes)
		},
	}
}

// change runs something that changes one thing, and prints what it did.
func (a *app) change(ctx context.Context, run func(*authdb.DB) (outcome, error)) error {
	done, err := inTx(ctx, a, func(_ pgx.Tx, db *authdb.DB) (outcome, error) { return run(db) })
	if err != nil {
		return err
	}
	return a.printOutcomes([]outcome{done})
}

// read runs something that only reads.
func read[T any](ctx context.Context, a *app, run func(*authdb.DB) (T, error)) (T, error) {
	return inTx(ctx, a, func(_ pgx.Tx, db *authdb.DB) (T, error) { return run(db) })
}

// required marks flags without which a command cannot run.
func required(cmd *cobra.Command, flags ...string) {
	for _, flag := range flags {
		if err := cmd.MarkFlagRequired(flag); err != nil {
			panic(err) // there is no such flag
		}
	}
}

// checkJSON refuses a flag's value that is not JSON, before the server does.
func checkJSON(flag string, value *string) error {
	if value != nil && !json.Valid([]byte(*value)) {
		return usageErrorf("--%s is not JSON", flag)
	}
	return nil
}
