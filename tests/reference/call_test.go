package reference_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

// The block is a description: there is no such table to create any more.
func identityTableHasTheseColumns(t *testing.T, w *world, block string) {
	column := regexp.MustCompile(`(?m)^ +([a-z_]+) ([a-z]+(?:\[\])?)(.*)$`)
	found := column.FindAllStringSubmatch(block, -1)
	if len(found) != 12 {
		t.Fatalf("%d columns in the block", len(found))
	}
	type actual struct {
		SameType, NotNull bool
		Default           string
	}
	for _, c := range found {
		name, typ, rest := c[1], c[2], c[3]
		got := harness.Rows[actual](t, w.db, `
			SELECT a.atttypid = $2::text::regtype AS same_type, a.attnotnull AS not_null, coalesce(pg_get_expr(d.adbin, d.adrelid), '') AS default
			FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
			WHERE a.attrelid = 'auth.user_identity'::regclass AND a.attname = $1`, name, typ)
		if len(got) != 1 || !got[0].SameType {
			t.Errorf("%s %s: %+v", name, typ, got)
			continue
		}
		if strings.Contains(rest, "NOT NULL") && !got[0].NotNull {
			t.Errorf("%s may be NULL", name)
		}
		_, value, hasDefault := strings.Cut(rest, "DEFAULT ")
		value, _, _ = strings.Cut(value, ",")
		value = strings.Replace(value, "uuid_generate_v4", "gen_random_uuid", 1) // the same without an extension
		if hasDefault && got[0].Default != value {
			t.Errorf("%s: the default is %s, not %s", name, got[0].Default, value)
		}
	}
	constraints := harness.Column[string](t, w.db,
		`SELECT pg_get_constraintdef(oid) FROM pg_catalog.pg_constraint WHERE conrelid = 'auth.user_identity'::regclass`)
	for _, want := range []string{
		"PRIMARY KEY (user_identity_id)", "UNIQUE (provider_id, provider_user_id)",
		"FOREIGN KEY (user_id) REFERENCES auth.user_info(user_id)", "FOREIGN KEY (provider_id) REFERENCES auth.provider(provider_id)",
	} {
		if !slices.Contains(constraints, want) {
			t.Errorf("no %s in %q", want, constraints)
		}
	}
}

// saidIn returns what a call in the block gives a parameter: the pattern's group.
func saidIn(t *testing.T, block, parameter, pattern string) string {
	t.Helper()
	found := regexp.MustCompile(`(?s)` + parameter + ` := ` + pattern).FindStringSubmatch(block)
	if found == nil {
		t.Fatalf("no %s in the block", parameter)
	}
	return found[1]
}

// storedAsSaid tells whether the identity holds exactly what the block says.
func storedAsSaid(t *testing.T, q harness.Querier, block, identityID string) {
	t.Helper()
	got := table(t, q, `
		SELECT provider_id::text, provider_user_id, provider_data = '`+saidIn(t, block, "_provider_data", `'(.*?)'::jsonb`)+`' AS data,
		       provider_groups = ARRAY[`+saidIn(t, block, "_provider_groups", `ARRAY\[(.*?)\]`)+`]::text[] AS groups,
		       provider_roles = ARRAY[`+saidIn(t, block, "_provider_roles", `ARRAY\[(.*?)\]`)+`]::text[] AS roles
		FROM auth.user_identity WHERE user_identity_id = '`+identityID+`'`)
	if len(got) != 1 || got[0]["data"] != true || got[0]["groups"] != true || got[0]["roles"] != true ||
		got[0]["provider_id"] != saidIn(t, block, "_provider_id", `'(.*?)'`) ||
		got[0]["provider_user_id"] != saidIn(t, block, "_provider_user_id", `'(.*?)'`) {
		t.Errorf("stored %v", got)
	}
}

func createsIdentity(user string) func(*testing.T, *world, string) {
	return func(t *testing.T, w *world, block string) {
		// PostgreSQL knows no empty array without a type, whatever it is passed to.
		block = strings.ReplaceAll(block, "ARRAY[]", "ARRAY[]::text[]")
		id := harness.One[[16]byte](t, w.db.As(t, "rolewright_app"), block)
		identity := harness.One[string](t, w.db, `SELECT $1::uuid::text`, id)
		storedAsSaid(t, w.db, block, identity)
		if owner := w.one(t, `SELECT user_id::text FROM auth.user_identity WHERE user_identity_id = '`+identity+`'`); owner != w.id[user] {
			t.Errorf("the identity is %s's", owner)
		}
		// Linking an account is no login: who logged in last through Azure still did.
		if last := w.one(t, `SELECT string_agg(provider_user_id, ',' ORDER BY provider_user_id) FROM auth.user_identity WHERE is_last_used`); last != "azure-object-id,jane-object-id" {
			t.Errorf("last used: %s", last)
		}
		// Once more, it refreshes the same identity.
		if again := harness.One[[16]byte](t, w.db.As(t, "rolewright_app"), block); again != id {
			t.Error("a second identity for the same account")
		}
	}
}

func provisionsUser(t *testing.T, w *world, block string) {
	app := w.db.As(t, "rolewright_app")
	id := harness.One[[16]byte](t, app, block)
	got := table(t, w.db, `
		SELECT u.user_id, u.email, u.display_name, i.user_identity_id::text AS identity, i.is_last_used
		FROM auth.user_info u JOIN auth.user_identity i ON i.user_id = u.user_id WHERE i.provider_user_id = 'new-user-object-id'`)
	if len(got) != 1 || got[0]["user_id"] != id || got[0]["email"] != "newuser@company.com" || got[0]["display_name"] != "New User" ||
		got[0]["is_last_used"] != true {
		t.Fatalf("got %v", got)
	}
	storedAsSaid(t, w.db, block, got[0]["identity"].(string))
	if again := harness.One[[16]byte](t, app, block); again != id {
		t.Error("the second login is another user")
	}
}

func logsIn(t *testing.T, w *world, block string) {
	harness.Exec(t, w.db, w.fill(`SELECT auth.switch_active_identity('user-uuid', 'google-provider-uuid')`))
	id := harness.One[[16]byte](t, w.db.As(t, "rolewright_app"), block)
	if identity := harness.One[string](t, w.db, `SELECT $1::uuid::text`, id); identity != w.id["identity-uuid"] {
		t.Errorf("logged in %s", identity)
	}
	storedAsSaid(t, w.db, block, w.id["identity-uuid"])
	w.lastUsed(t, "azure-object-id")
}

// lastUsed tells whether John used this account last, and no other one.
func (w *world) lastUsed(t *testing.T, account string) {
	t.Helper()
	got := harness.Column[string](t, w.db, w.fill(`SELECT provider_user_id FROM auth.user_identity WHERE user_id = 'user-uuid' AND is_last_used`))
	if !slices.Equal(got, []string{account}) {
		t.Errorf("last used: %q, want %s", got, account)
	}
	if !harness.One[bool](t, w.db, `SELECT last_login_at > now() - interval '1 minute' FROM auth.user_identity WHERE provider_user_id = $1`, account) {
		t.Errorf("%s has not logged in lately", account)
	}
}

func disablesAndEnables(t *testing.T, w *world, block string) {
	harness.Exec(t, w.db.As(t, "rolewright_operator"), block)
	if w.one(t, `SELECT is_active::text FROM auth.user_identity WHERE user_identity_id = 'identity-uuid'`) != "true" {
		t.Error("the identity is disabled")
	}
	trail := w.one(t, `SELECT string_agg(event_code, ' ' ORDER BY audit_event_id) FROM auth.audit_event
		WHERE subject_id = 'identity-uuid' AND event_code IN ('identity.disabled', 'identity.enabled')`)
	if trail != "identity.disabled identity.enabled" {
		t.Errorf("the trail says %s", trail)
	}
	disable, _, _ := strings.Cut(block, "-- Re-enable")
	harness.Exec(t, w.db.As(t, "rolewright_operator"), disable)
	harness.MustFail(t, w.db.As(t, "rolewright_app"), "RW112", w.fill(`SELECT auth.update_user_identity_on_login('azure-ad-provider-uuid', 'azure-object-id')`))
}
