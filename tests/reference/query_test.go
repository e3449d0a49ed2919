package reference_test

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

// sameRows compares rows in their order.
func sameRows(t *testing.T, got, want []map[string]any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the reference says\n%v\nRolewright says\n%v", got, want)
	}
}

// inOrder sorts rows by what is in them.
func inOrder(rows []map[string]any) []map[string]any {
	slices.SortFunc(rows, func(a, b map[string]any) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return rows
}

// values of a column, as text, in order.
func values(rows []map[string]any, column string) []string {
	found := make([]string, len(rows))
	for i, row := range rows {
		found[i] = fmt.Sprint(row[column])
	}
	slices.Sort(found)
	return found
}

func findsCurrentIdentity(t *testing.T, w *world, block string) {
	auditor := w.db.As(t, "rolewright_auditor")
	got := table(t, auditor, block)
	sameRows(t, got, table(t, auditor, w.fill(`
		SELECT username, display_name, provider_name AS current_provider, provider_groups, provider_roles, last_login_at
		FROM auth.identity_overview WHERE user_id = 'user-uuid' AND is_last_used`)))
	if len(got) != 1 || got[0]["current_provider"] != "Azure Active Directory" || fmt.Sprint(got[0]["provider_groups"]) != "[Engineering TeamLeads]" {
		t.Errorf("got %v", got)
	}
}

func equalsIdentityOverview(t *testing.T, w *world, block string) {
	auditor := w.db.As(t, "rolewright_auditor")
	harness.Exec(t, w.db, w.fill(`
		SELECT auth.update_user_identity_on_login('windows-ad-provider-uuid', 'DOMAIN\john.doe');
		SELECT auth.disable_user_identity('identity-uuid')`))
	got := table(t, auditor, block)
	sameRows(t, got, table(t, auditor, `
		SELECT username, display_name, provider_name, provider_type, provider_user_id, provider_groups, provider_roles, is_active,
		       is_last_used, last_login_at, created_at
		FROM auth.identity_overview WHERE username = 'john.doe' ORDER BY last_login_at DESC NULLS LAST`))
	if len(got) != 3 || got[0]["provider_type"] != "windows" || got[1]["is_active"] != false || got[2]["last_login_at"] != nil {
		t.Errorf("got %v", got)
	}
}

func equalsProviderStatistics(t *testing.T, w *world, block string) {
	auditor := w.db.As(t, "rolewright_auditor")
	harness.Exec(t, w.db, w.fill(`
		SELECT auth.create_user_identity('existing-user-uuid', 'saml-okta-provider-uuid', 'jane');
		SELECT auth.disable_provider('saml-okta-provider-uuid');
		SELECT auth.create_user_identity('user-uuid', 'azure-ad-provider-uuid', 'a second account of John');
		SELECT auth.disable_user_identity(user_identity_id) FROM auth.user_identity WHERE provider_user_id = 'john.doe@gmail.com';
		UPDATE auth.user_identity SET last_login_at = now() - interval '31 days' WHERE provider_user_id = 'jane-object-id'`))
	got := table(t, auditor, block)
	if first := got[0]; len(got) != 3 || first["provider_name"] != "Azure Active Directory" || first["total_users"] != int64(2) ||
		first["active_users"] != int64(2) || first["recent_logins"] != int64(1) {
		t.Errorf("got %v", got)
	}
	sameRows(t, inOrder(got), inOrder(table(t, auditor, `
		SELECT provider_name, total_users, active_users, recent_logins, most_recent_login FROM auth.provider_statistics WHERE is_active`)))
}

func equalsStaleIdentities(t *testing.T, w *world, block string) {
	auditor := w.db.As(t, "rolewright_auditor")
	harness.Exec(t, w.db, `UPDATE auth.user_identity SET last_login_at = now() - interval '91 days' WHERE provider_user_id = 'jane-object-id'`)
	got := table(t, auditor, block)
	for _, row := range got {
		delete(row, "time_since_login") // it goes on while the two are asked
	}
	if providers := values(got, "provider"); !slices.Equal(providers, []string{"Azure Active Directory", "Google Workspace", "Windows Active Directory"}) {
		t.Errorf("got %v", got)
	}
	sameRows(t, inOrder(got), inOrder(table(t, auditor, `SELECT username, provider, last_login_at FROM auth.stale_identity`)))
}

// mapGroups maps what John has at Azure and at Windows.
func (w *world) mapGroups(t *testing.T) {
	t.Helper()
	for _, m := range []struct{ code, provider, group, role string }{
		{"engineers", "azure-ad-provider-uuid", "Engineering", ""},
		{"leads", "azure-ad-provider-uuid", "TeamLeads", "Director"},
		{"managers", "azure-ad-provider-uuid", "", "Manager"},
		{"retired", "azure-ad-provider-uuid", "Engineering", ""},
		{"namesakes", "google-provider-uuid", "Engineering", ""},
		{"developers", "windows-ad-provider-uuid", "Developers", ""},
		{"strangers", "azure-ad-provider-uuid", "Marketing", "Clerk"},
	} {
		harness.Exec(t, w.db, `SELECT auth.create_group_mapping(auth.create_user_group($1, initcap($1), 'hybrid'), $2, nullif($3, ''), nullif($4, ''))`,
			m.code, w.id[m.provider], m.group, m.role)
	}
	harness.Exec(t, w.db, w.fill(`
		UPDATE auth.user_group_mapping SET is_active = false
		WHERE user_group_id = (SELECT user_group_id FROM auth.user_group WHERE code = 'retired');
		SELECT auth.add_group_member(user_group_id, 'user-uuid') FROM auth.user_group WHERE code IN ('strangers', 'leads')`))
}

const mappedGroups = `SELECT DISTINCT user_group_id, code, name, membership_source FROM auth.effective_groups('user-uuid')
	WHERE membership_source = 'external_mapping'`

func findsEffectiveGroups(t *testing.T, w *world, block string) {
	w.mapGroups(t)
	auditor := w.db.As(t, "rolewright_auditor")
	for _, when := range []struct {
		change string
		want   []string
	}{
		{`SELECT 1`, []string{"engineers", "leads", "managers"}},
		{`SELECT auth.update_user_identity_on_login('azure-ad-provider-uuid', 'azure-object-id', '{}', '{Director,Manager}')`, []string{"leads", "managers"}},
		{`SELECT auth.switch_active_identity('user-uuid', 'windows-ad-provider-uuid')`, []string{"developers"}},
		{`SELECT auth.switch_active_identity('user-uuid', 'google-provider-uuid')`, []string{}},
		{`SELECT auth.switch_active_identity('user-uuid', 'azure-ad-provider-uuid'); SELECT auth.disable_user_identity('identity-uuid')`, []string{}},
	} {
		harness.Exec(t, w.db, w.fill(when.change))
		got := table(t, auditor, block)
		if codes := values(got, "code"); !slices.Equal(codes, when.want) {
			t.Errorf("after %s: %q, want %q", when.change, codes, when.want)
		}
		sameRows(t, inOrder(got), inOrder(table(t, auditor, w.fill(mappedGroups))))
	}
}
