// Package consistency_test tries to make a permission check answer wrongly: by chance, by races, on a standby, and with big groups.
package consistency_test

import (
	"errors"
	"os"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rolewright/rolewright/tests/harness"
)

// Plain DML may deadlock, which is fine here and should not cost a second each time. The oracle's query is not worth compiling.
func TestMain(m *testing.M) {
	os.Exit(harness.Config{Settings: map[string]string{"deadlock_timeout": "20ms", "jit": "off"}}.Main(m))
}

// sqlstate of an error that the server raised; else empty.
func sqlstate(err error) string {
	var refusal *pgconn.PgError
	if errors.As(err, &refusal) {
		return refusal.Code
	}
	return ""
}

// has asks the way that applications do.
func has(t testing.TB, q harness.Querier, userID, code, tenantID string) bool {
	t.Helper()
	return harness.One[bool](t, q, `SELECT auth.has_permission($1, $2, $3)`, userID, code, tenantID)
}
