package directory_test

import (
	"strings"
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

// model is what there should be, computed from the files alone.
type model struct {
	accounts map[string]map[string]account // by organisation and handle
	users    map[string]user               // by username in lower case
	recased  map[string]bool               // handles, in lower case, that one organisation spelt in two ways
	renamed  int                           // users whose handle was taken
}

type account struct {
	active   bool
	username string // of its user
	content         // as last said
}

type user struct {
	username string
	orgs     map[string]bool // where it has an account
}

func newModel() *model {
	return &model{accounts: map[string]map[string]account{}, users: map[string]user{}, recased: map[string]bool{}}
}

// active counts the accounts of an organisation that are.
func (m *model) active(org string) (n int) {
	for _, a := range m.accounts[org] {
		if a.active {
			n++
		}
	}
	return n
}

// play makes the model agree with a feed: joiners, movers and leavers, and those who come back.
func (m *model) play(f feed) (c counts) {
	if m.accounts[f.org] == nil {
		m.accounts[f.org] = map[string]account{}
	}
	known := m.accounts[f.org]
	for handle, said := range f.members {
		old, isKnown := known[handle]
		switch {
		case !isKnown:
			c.Created++
			old.username = m.join(f.org, handle)
		case !old.active:
			c.Enabled++
		case old.content != said:
			c.Updated++
		default:
			c.Unchanged++
		}
		known[handle] = account{true, old.username, said}
	}
	for handle, old := range known {
		if _, isThere := f.members[handle]; !isThere && old.active {
			c.Disabled++
			known[handle] = account{false, old.username, old.content}
		}
	}
	c.Received = len(f.members)
	return c
}

// join returns the username of the user whom a new account belongs to: whose handle it is, however it is spelt, unless
// that one has an account in this organisation. Then the handle was given up and taken by somebody, or spelt anew: as
// nobody can tell which, it is somebody else.
func (m *model) join(org, handle string) string {
	key := strings.ToLower(handle)
	if u, taken := m.users[key]; taken {
		if !u.orgs[org] {
			u.orgs[org] = true
			return u.username
		}
		m.recased[key] = true
		m.renamed++
		handle += "@" + org
		key += "@" + org
	}
	m.users[key] = user{handle, map[string]bool{org: true}}
	return handle
}

// check compares the identities of an organisation with the model.
func (m *model) check(t testing.TB, db *harness.DB, f feed) {
	t.Helper()
	type row struct {
		ID, Username             string
		Active, ByFeed, Complete bool
		Groups, Roles            []string
		Data                     string
	}
	found := harness.Rows[row](t, db, `
		SELECT i.provider_user_id AS id, u.username, i.is_active AS active, i.is_disabled_by_feed AS by_feed, i.is_complete AS complete,
		       i.provider_groups AS groups, i.provider_roles AS roles, i.provider_data::text AS data
		FROM auth.user_identity i
		JOIN auth.user_info u ON u.user_id = i.user_id AND u.is_active
		JOIN auth.provider p ON p.provider_id = i.provider_id
		WHERE p.code = $1`, f.org)
	want := m.accounts[f.org]
	if len(found) != len(want) {
		t.Errorf("%s: %d identities, want %d", f.file, len(found), len(want))
	}
	for _, r := range found {
		got := account{r.Active, r.Username, content{inOrder(r.Groups), inOrder(r.Roles), canonical(t, []byte(r.Data))}}
		if got != want[r.ID] || r.ByFeed == r.Active || !r.Complete {
			t.Errorf("%s: %s is %+v, want %+v (disabled by feed: %t, complete: %t)", f.file, r.ID, got, want[r.ID], r.ByFeed, r.Complete)
		}
		said, listed := f.members[r.ID]
		if r.Active != listed || listed && got.content != said {
			t.Errorf("%s: %s is not as the file says", f.file, r.ID)
		}
		if t.Failed() {
			return // one is enough
		}
	}
}
