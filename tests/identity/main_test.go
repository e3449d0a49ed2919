// Package identity_test says how providers, users, identities and groups behave, through the public functions.
package identity_test

import (
	"errors"
	"os"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rolewright/rolewright/tests/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// provider makes a provider; settings are further arguments of auth.create_provider, such as "_link_by => 'email'".
func provider(t testing.TB, q harness.Querier, code string, settings ...string) (id string) {
	t.Helper()
	sql := `SELECT auth.create_provider($1, $1, 'oidc'`
	for _, s := range settings {
		sql += ", " + s
	}
	return harness.One[string](t, q, sql+")::text", code)
}

func user(t testing.TB, q harness.Querier, username string) (id string) {
	t.Helper()
	return harness.One[string](t, q, `SELECT auth.create_user($1)::text`, username)
}

func group(t testing.TB, q harness.Querier, code, groupType string) (id string) {
	t.Helper()
	return harness.One[string](t, q, `SELECT auth.create_user_group($1, $1, $2)::text`, code, groupType)
}

// identity links an account to a user.
func identity(t testing.TB, q harness.Querier, userID, providerID, account string, groups ...string) (id string) {
	t.Helper()
	return harness.One[string](t, q, `SELECT auth.create_user_identity($1, $2, $3, $4)::text`, userID, providerID, account, groups)
}

// ensure logs an account in, with claims, and returns the user.
func ensure(t testing.TB, q harness.Querier, providerID, account string, groups []string, data string) (userID string) {
	t.Helper()
	return harness.One[string](t, q, `SELECT auth.ensure_user_from_provider($1, $2, _provider_groups => $3, _provider_data => $4)::text`,
		providerID, account, groups, data)
}

// groupsOf are the codes of a user's effective groups.
func groupsOf(t testing.TB, q harness.Querier, userID string) []string {
	t.Helper()
	return harness.Column[string](t, q, `SELECT DISTINCT code FROM auth.effective_groups($1) ORDER BY code`, userID)
}

// sqlstate of an error that the server raised; else empty.
func sqlstate(err error) string {
	var refusal *pgconn.PgError
	if errors.As(err, &refusal) {
		return refusal.Code
	}
	return ""
}
