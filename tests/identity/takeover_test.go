package identity_test

import (
	"slices"
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

func usernames(t testing.TB, q harness.Querier) []string {
	t.Helper()
	return harness.Column[string](t, q, `SELECT username FROM auth.user_info ORDER BY created_at, username`)
}

func jit(t testing.TB, q harness.Querier, providerID, account, email, data string) (userID string) {
	t.Helper()
	return harness.One[string](t, q, `SELECT auth.ensure_user_from_provider($1, $2, _email => nullif($3, ''), _provider_data => $4)::text`,
		providerID, account, email, data)
}

func TestAMatchingUsernameDoesNotJoinAccounts(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	victim := user(t, db, "ceo")
	attacker := jit(t, db, provider(t, db, "public"), "666", "", `{"preferred_username": "CEO"}`)
	if attacker == victim {
		t.Fatal("a matching username took the account over")
	}
	if got := usernames(t, db); !slices.Equal(got, []string{"ceo", "CEO@public"}) {
		t.Errorf("usernames: %q", got)
	}
}

func TestOnlyATrustedProviderWithAVerifiedAddressJoinsByEmail(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		linkBy, data           string
		verifiedHere, shouldBe bool
	}{
		"trusted and verified":            {"email", `{"email_verified": true}`, true, true},
		"verified as a string":            {"email", `{"email_verified": "true"}`, true, true},
		"not verified by the claim":       {"email", `{"email_verified": false}`, true, false},
		"claim silent":                    {"email", `{}`, true, false},
		"provider not trusted":            {"none", `{"email_verified": true}`, true, false},
		"provider trusted for names only": {"username", `{"email_verified": true}`, true, false},
		"our own address is not verified": {"email", `{"email_verified": true}`, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := harness.Database(t)
			victim := harness.One[string](t, db, `SELECT auth.create_user('ceo', _email => 'Ceo@Example.org', _email_verified => $1)::text`, c.verifiedHere)
			p := provider(t, db, "p", "_link_by => '"+c.linkBy+"'")
			if joined := jit(t, db, p, "666", "ceo@example.ORG", c.data) == victim; joined != c.shouldBe {
				t.Errorf("joined: %v", joined)
			}
			// The same by a feed.
			db2 := harness.Database(t)
			victim = harness.One[string](t, db2, `SELECT auth.create_user('ceo', _email => 'Ceo@Example.org', _email_verified => $1)::text`, c.verifiedHere)
			p = provider(t, db2, "p", "_link_by => '"+c.linkBy+"'")
			harness.Exec(t, db2, `SELECT auth.sync_provider_identities($1, ARRAY[jsonb_build_object('provider_user_id', '666', 'email', 'ceo@example.ORG',
				'email_verified', ($2::jsonb ->> 'email_verified')::boolean)], _create_missing => true)`, p, c.data)
			if joined := harness.One[bool](t, db2, `SELECT user_id = $1 FROM auth.user_identity`, victim); joined != c.shouldBe {
				t.Errorf("joined by a feed: %v", joined)
			}
		})
	}
}

func TestAnAddressThatTwoUsersShareJoinsNeither(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	for _, name := range []string{"a", "b"} {
		harness.Exec(t, db, `SELECT auth.create_user($1, _email => 'team@example.org', _email_verified => true)`, name)
	}
	jit(t, db, provider(t, db, "p", "_link_by => 'email'"), "1", "team@example.org", `{"email_verified": true}`)
	if n := len(usernames(t, db)); n != 3 {
		t.Errorf("%d users, want a third one", n)
	}
}

// Somebody registers the victim's name or address where anybody can, before the victim's first login.
func TestAnAccountPreparedForAVictimIsNotJoined(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	public := provider(t, db, "public")
	corporate := provider(t, db, "corporate", "_link_by => 'username'")
	mail := provider(t, db, "mail", "_link_by => 'email'")
	attacker := jit(t, db, public, "666", "ceo@example.org", `{"preferred_username": "ceo", "email_verified": true}`)
	if jit(t, db, corporate, "1", "", `{"preferred_username": "ceo"}`) == attacker {
		t.Error("joined by username")
	}
	if jit(t, db, mail, "2", "ceo@example.org", `{"email_verified": true}`) == attacker {
		t.Error("joined by e-mail")
	}
	harness.Exec(t, db, `SELECT auth.sync_provider_identities($1, ARRAY['{"provider_user_id": "3", "username": "ceo"}']::jsonb[], true)`, corporate)
	if n := harness.One[int](t, db, `SELECT count(*) FROM auth.user_identity WHERE user_id = $1`, attacker); n != 1 {
		t.Errorf("the attacker's user has %d identities", n)
	}
}

func TestAnUntrustedAddressDoesNotReplaceAVerifiedOne(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	mail, public := provider(t, db, "mail", "_link_by => 'email'"), provider(t, db, "public")
	u := jit(t, db, mail, "1", "ann@example.org", `{"email_verified": true}`)
	identity(t, db, u, public, "ann")
	jit(t, db, public, "ann", "ceo@example.org", `{"email_verified": true}`)
	harness.Exec(t, db, `SELECT auth.sync_provider_identities($1, ARRAY['{"provider_user_id": "ann", "email": "cfo@example.org", "email_verified": true}']::jsonb[])`, public)
	if got := harness.One[string](t, db, `SELECT email || email_verified FROM auth.user_info WHERE user_id = $1`, u); got != "ann@example.orgtrue" {
		t.Errorf("got %s", got)
	}
}

// Ann's address is given to Bob later. Once Ann's provider no longer vouches for it, it is nobody's way into her account.
func TestAnAddressThatItsProviderNoLongerVouchesForJoinsNobody(t *testing.T) {
	t.Parallel()
	for name, take := range map[string]string{
		"another address, by login":    `SELECT auth.ensure_user_from_provider($1, '1', _email => 'ann2@example.org', _provider_data => '{"email_verified": false}')`,
		"no longer verified, by login": `SELECT auth.ensure_user_from_provider($1, '1', _email => 'ann@example.org', _provider_data => '{"email_verified": false}')`,
		"another address, by feed":     `SELECT auth.sync_provider_identities($1, ARRAY['{"provider_user_id": "1", "email": "ann2@example.org"}']::jsonb[])`,
		"no longer verified, by feed":  `SELECT auth.sync_provider_identities($1, ARRAY['{"provider_user_id": "1", "email": "ann@example.org", "email_verified": false}']::jsonb[])`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := harness.Database(t)
			first, second := provider(t, db, "first", "_link_by => 'email'"), provider(t, db, "second", "_link_by => 'email'")
			ann := jit(t, db, first, "1", "ann@example.org", `{"email_verified": true}`)
			harness.Exec(t, db, take, first)
			if jit(t, db, second, "2", "ann@example.org", `{"email_verified": true}`) == ann {
				t.Error("the new owner of the address joined the old one's account")
			}
		})
	}
}

func TestASecondAccountOfAProviderNeverJoinsByItself(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	p := provider(t, db, "p", "_link_by => 'username'")
	first := jit(t, db, p, "id-1", "", `{"username": "ann"}`)
	harness.Exec(t, db, `SELECT auth.disable_user_identity(user_identity_id) FROM auth.user_identity`)
	// The name was recycled for somebody else.
	if second := jit(t, db, p, "id-2", "", `{"username": "Ann"}`); second == first {
		t.Error("a recycled username took the account over")
	}
	harness.Exec(t, db, `SELECT auth.sync_provider_identities($1, ARRAY['{"provider_user_id": "id-3", "username": "bob"}',
		'{"provider_user_id": "id-4", "username": "BOB"}']::jsonb[], true)`, p)
	if n := harness.One[int](t, db, `SELECT count(DISTINCT user_id) FROM auth.user_identity`); n != 4 {
		t.Errorf("%d users, want 4", n)
	}
}

func TestADisabledUserDoesNotComeBackThroughANewProvider(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	harness.Exec(t, db, `SELECT auth.disable_user(auth.create_user('ann', _email => 'ann@example.org', _email_verified => true))`)
	harness.Exec(t, db, `SELECT auth.lock_user(auth.create_user('bob'))`)
	byName, byMail := provider(t, db, "name", "_link_by => 'username'"), provider(t, db, "mail", "_link_by => 'email'")
	harness.MustFail(t, db, "RW113", `SELECT auth.ensure_user_from_provider($1, 'ann')`, byName)
	harness.MustFail(t, db, "RW113", `SELECT auth.ensure_user_from_provider($1, '1', _email => 'ann@example.org', _provider_data => '{"email_verified": true}')`, byMail)
	harness.MustFail(t, db, "RW114", `SELECT auth.ensure_user_from_provider($1, 'bob')`, byName)
	harness.Exec(t, db, `SELECT auth.sync_provider_identities($1, ARRAY['{"provider_user_id": "ann"}']::jsonb[], true)`, byName)
	harness.MustFail(t, db, "RW113", login, byName, "ann", []string{})
	if got := usernames(t, db); len(got) != 2 {
		t.Errorf("users: %q", got)
	}
}

func TestAnAccountIsNotLinkedToASecondUser(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	p, ann, bob := provider(t, db, "p"), user(t, db, "ann"), user(t, db, "bob")
	first := identity(t, db, ann, p, "acc", "A")
	harness.MustFail(t, db, "RW101", `SELECT auth.create_user_identity($1, $2, 'acc')`, bob, p)
	if again := identity(t, db, ann, p, "acc"); again != first {
		t.Error("linking again made another identity")
	}
	if got := harness.One[[]string](t, db, `SELECT provider_groups FROM auth.user_identity`); !slices.Equal(got, []string{"A"}) {
		t.Errorf("groups that were not said: %v", got)
	}
	harness.MustFail(t, db, "RW011", `SELECT auth.create_user_identity(gen_random_uuid(), $1, 'acc')`, p)
	harness.MustFail(t, db, "RW010", `SELECT auth.create_user_identity($1, gen_random_uuid(), 'acc')`, ann)
	for id, want := range map[string]bool{ann: true, bob: false} {
		if got := harness.One[bool](t, db, `SELECT auth.validate_identity_access($1, $2)`, id, first); got != want {
			t.Errorf("validate_identity_access: %v, want %v", got, want)
		}
	}
}

func TestUsernamesAreUniqueWithoutRegardToCase(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	user(t, db, "Ärger")
	harness.MustFail(t, db, "23505", `SELECT auth.create_user('äRGER')`)
	harness.MustFail(t, db, "23514", `SELECT auth.create_user('  ')`)
	harness.MustFail(t, db, "23502", `SELECT auth.create_user(NULL)`)
	// However many want the name, each gets one of their own.
	a, b := provider(t, db, "a"), provider(t, db, "b")
	for _, id := range []string{"1", "2", "3"} {
		jit(t, db, a, id, "", `{"username": "ärger"}`)
		jit(t, db, b, id, "", `{"username": "ärger"}`)
	}
	if got := usernames(t, db); len(got) != 7 || !slices.Contains(got, "ärger@a") || !slices.Contains(got, "ärger@b") {
		t.Errorf("usernames: %q", got)
	}
}
