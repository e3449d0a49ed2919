// Package reference_test runs the SQL of the reference's chapter on user identities, as it is written there: the files in
// testdata are named after its headings, and differ from it in white space only. Whoever knows that chapter finds the same
// tables and functions here.
package reference_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rolewright/rolewright/tests/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// blocks says what each block of the reference has to do.
func blocks() map[string]func(*testing.T, *world, string) {
	return map[string]func(*testing.T, *world, string){
		"auth-user-identity-schema":              identityTableHasTheseColumns,
		"add-identity-to-existing-user":          createsIdentity("existing-user-uuid"),
		"windows-authentication":                 createsIdentity("user-uuid"),
		"azure-active-directory":                 createsIdentity("user-uuid"),
		"saml-identity-provider":                 createsIdentity("user-uuid"),
		"just-in-time-user-provisioning":         provisionsUser,
		"login-processing":                       logsIn,
		"switch-active-identity":                 switchesToWindows,
		"identity-maintenance":                   disablesAndEnables,
		"current-identity-lookup":                findsCurrentIdentity,
		"group-mapping-resolution":               findsEffectiveGroups,
		"all-identities-for-user":                equalsIdentityOverview,
		"identity-provider-statistics":           equalsProviderStatistics,
		"identity-without-recent-login":          equalsStaleIdentities,
		"user-has-multiple-last-used-identities": findsNothingToFix,
		"real-time-synchronization":              processesClaimsAlike,
		"batch-synchronization":                  synchronizesAlike,
		"access-control":                         validatesAlike,
	}
}

func TestEveryBlockOfTheReference(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	checks := blocks()
	if len(files) != len(checks) {
		t.Errorf("%d files and %d checks", len(files), len(checks))
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".sql")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check := checks[name]
			if check == nil {
				t.Fatal("nothing says what this block has to do")
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld(t)
			check(t, w, w.fill(string(text)))
		})
	}
}

// world is what the reference's examples take for granted: John has an account at Windows, one at Azure, through which he
// logged in last, and one at Google, where he has no groups.
type world struct {
	db *harness.DB
	id map[string]string // the reference's placeholders
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db := harness.Database(t)
	w := &world{db: db, id: map[string]string{}}
	for placeholder, sql := range map[string]string{
		"windows-ad-provider-uuid": `SELECT auth.create_provider('windows', 'Windows Active Directory', 'windows')::text`,
		"azure-ad-provider-uuid":   `SELECT auth.create_provider('azure', 'Azure Active Directory', 'entra')::text`,
		"google-provider-uuid":     `SELECT auth.create_provider('google', 'Google Workspace', 'google')::text`,
		"saml-okta-provider-uuid":  `SELECT auth.create_provider('okta', 'Okta', 'saml')::text`,
		"user-uuid":                `SELECT auth.create_user('john.doe', 'John Doe', 'john.doe@company.com')::text`,
		"existing-user-uuid":       `SELECT auth.create_user('jane.roe', 'Jane Roe')::text`,
	} {
		w.id[placeholder] = harness.One[string](t, db, sql)
	}
	harness.Exec(t, db, w.fill(`
		SELECT auth.create_user_identity('user-uuid', 'windows-ad-provider-uuid', 'DOMAIN\john.doe', '{Domain Users,Developers}', '{}', '{"a": 1}');
		SELECT auth.create_user_identity('user-uuid', 'google-provider-uuid', 'john.doe@gmail.com', '{}', '{}', '{}');
		SELECT auth.create_user_identity('user-uuid', 'azure-ad-provider-uuid', 'azure-object-id');
		SELECT auth.create_user_identity('existing-user-uuid', 'azure-ad-provider-uuid', 'jane-object-id');
		SELECT auth.update_user_identity_on_login('azure-ad-provider-uuid', 'jane-object-id', '{Engineering}');
		SELECT auth.update_user_identity_on_login('azure-ad-provider-uuid', 'azure-object-id', '{Engineering,TeamLeads}', '{Manager}', '{}')`))
	w.id["identity-uuid"] = w.one(t, `SELECT user_identity_id::text FROM auth.user_identity WHERE provider_user_id = 'azure-object-id'`)
	return w
}

// fill puts real ids where the text has the reference's placeholders.
func (w *world) fill(sql string) string {
	for placeholder, id := range w.id {
		sql = strings.ReplaceAll(sql, "'"+placeholder+"'", "'"+id+"'")
	}
	return sql
}

func (w *world) one(t *testing.T, sql string) string {
	t.Helper()
	return harness.One[string](t, w.db, w.fill(sql))
}

// table returns rows by the names of their columns.
func table(t *testing.T, q harness.Querier, sql string) []map[string]any {
	t.Helper()
	rows, _ := q.Query(t.Context(), sql) // the error comes out of the rows again
	found, err := pgx.CollectRows(rows, pgx.RowToMap)
	if err != nil {
		t.Fatalf("%v in:\n%s", err, sql)
	}
	return found
}

// tries runs something in a transaction that is rolled back.
func (w *world) tries(t *testing.T, run func(pgx.Tx)) {
	t.Helper()
	tx, err := w.db.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := tx.Rollback(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	run(tx)
}
