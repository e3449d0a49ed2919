package role_test

import (
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

// A server has room for some thousands of locks in all: a feed that moves everybody must not want one for each of them.
func TestManyMoversDoNotFillTheTableOfLocks(t *testing.T) {
	t.Parallel()
	const people = 1500
	db := harness.Cluster(t).Database(t)
	harness.Exec(t, db, `
		SELECT auth.create_provider('hr', 'HR', 'hr', _creates_roles => true);
		SELECT auth.bind_group_role(auth.create_user_group(c, c, 'external'), 'team ' || c) FROM unnest('{a,b}'::text[]) AS c;
		SELECT auth.create_group_mapping(g.user_group_id, p.provider_id, g.code) FROM auth.user_group g, auth.provider p`)
	sync := func(q harness.Querier, group string) {
		harness.Exec(t, q, `
			SELECT auth.sync_provider_identities((SELECT provider_id FROM auth.provider), ARRAY(
				SELECT jsonb_build_object('provider_user_id', 'person ' || i, 'groups', jsonb_build_array($1::text))
				FROM generate_series(1, $2::integer) AS i), _create_missing => true)`, group, people)
	}
	sync(db, "a")
	tx, err := harness.Connect(t, db.OwnerURL).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sync(tx, "b")
	if n := harness.One[int](t, tx, `SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid()`); n > 1000 {
		t.Errorf("moving %d people holds %d locks", people, n)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := harness.One[int](t, db, `SELECT count(*) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid WHERE r.rolname = 'team b'
		AND m.member <> (SELECT nspowner FROM pg_namespace WHERE nspname = 'auth')`); n != people {
		t.Errorf("%d of %d people are in the new team", n, people)
	}
}
