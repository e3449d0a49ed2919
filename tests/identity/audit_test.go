package identity_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rolewright/rolewright/tests/harness"
)

func TestEveryChangeIsInTheTrailWhoeverMadeIt(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	p := provider(t, db, "a")
	u := ensure(t, db, p, "acc", []string{"A"}, `{}`)
	g := group(t, db, "g", "hybrid")
	last := harness.One[int64](t, db, `SELECT max(audit_event_id) FROM auth.audit_event`)
	for _, c := range []struct{ sql, want string }{
		{`UPDATE auth.user_info SET display_name = 'Z'`, `user.updated {"display_name": "acc"} {"display_name": "Z"}`},
		{`UPDATE auth.user_info SET is_active = false`, `user.disabled {"is_active": true} {"is_active": false}`},
		{`UPDATE auth.user_info SET is_active = true`, `user.enabled {"is_active": false} {"is_active": true}`},
		{`UPDATE auth.user_info SET is_locked = true`, `user.locked {"is_locked": false} {"is_locked": true}`},
		{`UPDATE auth.user_info SET is_locked = false`, `user.unlocked {"is_locked": true} {"is_locked": false}`},
		{`UPDATE auth.user_info SET updated_at = now()`, ``},
		{`UPDATE auth.user_identity SET provider_groups = '{B}'`, `identity.updated {"provider_groups": ["A"]} {"provider_groups": ["B"]}`},
		{`UPDATE auth.user_identity SET is_active = false`, `identity.disabled {"is_active": true} {"is_active": false}`},
		{`UPDATE auth.provider SET is_active = false`, `provider.disabled {"is_active": true} {"is_active": false}`},
		{`UPDATE auth.provider SET roles_path = '$.r'`, `provider.updated {"roles_path": "$.\"roles\"[*]"} {"roles_path": "$.\"r\""}`},
		{`UPDATE auth.user_group SET name = 'G'`, `group.updated {"name": "g"} {"name": "G"}`},
		{`INSERT INTO auth.user_group_member (user_group_id, user_id) VALUES ('` + g + `', '` + u + `')`, `member.added`},
		{`UPDATE auth.user_group_member SET valid_until = 'infinity'`, `member.updated {"valid_until": null} {"valid_until": "infinity"}`},
		{`DELETE FROM auth.user_group_member`, `member.removed`},
		{`INSERT INTO auth.user_group_mapping (user_group_id, provider_id, external_role_name) VALUES ('` + g + `', '` + p + `', 'x')`, `mapping.created`},
		{`UPDATE auth.user_group_mapping SET is_active = false`, `mapping.disabled {"is_active": true} {"is_active": false}`},
		{`DELETE FROM auth.user_group_mapping`, `mapping.deleted`},
		{`DELETE FROM auth.user_identity`, `identity.deleted`},
		{`TRUNCATE auth.user_group_member`, `member.truncated`},
	} {
		harness.Exec(t, db, c.sql)
		got := harness.Column[string](t, db, `SELECT concat_ws(' ', event_code, before, after) FROM auth.audit_event WHERE audit_event_id > $1`, last)
		last += int64(len(got))
		if c.want == "" && len(got) == 0 {
			continue
		}
		if len(got) != 1 || !strings.HasPrefix(got[0], c.want) {
			t.Errorf("after %s: %q, want %s", c.sql, got, c.want)
		}
	}
}

func TestARolledBackChangeIsNotInTheTrail(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	tx, err := db.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	user(t, tx, "ann")
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := harness.One[int](t, db, `SELECT count(*) FROM auth.audit_event`); n != 0 {
		t.Errorf("%d rows", n)
	}
}

func TestTheTrailHoldsNoValueOfProviderData(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	p := provider(t, db, "a")
	u := ensure(t, db, p, "acc", nil, `{"access_token": "s3cret", "nested": {"client_secret": "s3cret"}, "title": "s3cret"}`)
	ensure(t, db, p, "acc", nil, `{"access_token": "s3cret2", "other": "s3cret", "title": "s3cret"}`)
	harness.Exec(t, db, `SELECT auth.process_identity_claims($1, $2, '{"id_token": "s3cret"}')`, u, p)
	harness.Exec(t, db, `SELECT auth.sync_provider_identities($1, ARRAY['{"provider_user_id": "acc", "data": {"password": "s3cret"}}']::jsonb[])`, p)
	harness.Exec(t, db, `SELECT auth.delete_user($1)`, u)
	if got := harness.Column[string](t, db, `SELECT e::text FROM auth.audit_event e WHERE e::text LIKE '%s3cret%'`); len(got) > 0 {
		t.Errorf("%q", got)
	}
	got := harness.Column[string](t, db, `SELECT concat_ws(' ', before -> 'provider_data', after -> 'provider_data') FROM auth.audit_event
		WHERE event_code = 'identity.updated' ORDER BY audit_event_id LIMIT 1`)
	if !slices.Equal(got, []string{`["access_token", "nested"] ["access_token", "other"]`}) {
		t.Errorf("keys that changed: %q", got)
	}
}

func TestTheTrailSaysWho(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	actor := user(t, db, "admin")
	operator := db.As(t, "rolewright_operator")
	harness.Exec(t, operator, `SET application_name = 'helpdesk'`)
	if err := pgx.BeginFunc(t.Context(), operator, func(tx pgx.Tx) error {
		harness.Exec(t, tx, `SELECT auth.set_audit_context(_user_id => $1, _correlation_id => 'req-1')`, actor)
		user(t, tx, "ann")
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	user(t, operator, "bob")
	got := harness.Column[string](t, db, `SELECT concat_ws(' ', session_user_name, application_name, actor_user_id = $1, correlation_id)
		FROM auth.audit_event WHERE after ->> 'username' IN ('ann', 'bob') ORDER BY audit_event_id`, actor)
	if !slices.Equal(got, []string{"rolewright_operator helpdesk t req-1", "rolewright_operator helpdesk"}) {
		t.Errorf("got %q: the context ends with its transaction", got)
	}
}

func TestNobodyButTheOwnerChangesTheTrail(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	user(t, db, "ann")
	for _, role := range []string{"rolewright_app", "rolewright_operator", "rolewright_auditor"} {
		conn := db.As(t, role)
		for _, sql := range []string{
			`UPDATE auth.audit_event SET event_code = 'x'`, `DELETE FROM auth.audit_event`, `TRUNCATE auth.audit_event`,
			`INSERT INTO auth.audit_event (event_code, subject_type) VALUES ('login.succeeded', 'user')`,
			`DELETE FROM auth.audit_event_default`, `DROP TABLE auth.audit_event_default`, `SELECT unsecure.changed_keys('{}', '{}')`,
			`ALTER TABLE auth.user_info DISABLE TRIGGER ALL`,
		} {
			harness.MustFail(t, conn, "42501", sql)
		}
		_, err := conn.Exec(t.Context(), `SELECT count(*) FROM auth.audit_event`)
		if (sqlstate(err) == "42501") != (role == "rolewright_app") {
			t.Errorf("%s reads the trail: %v", role, err)
		}
	}
}

func TestPartitionsAreMadeAndDropped(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	const maintain = `SELECT concat_ws(' ', action, partition) FROM auth.maintain_audit_partitions($1, $2::text::interval)`
	if got := harness.Column[string](t, db, maintain, 3, nil); len(got) != 0 {
		t.Errorf("the second run: %q", got)
	}
	if got := harness.Column[string](t, db, maintain, 5, nil); len(got) != 2 {
		t.Errorf("two more months: %q", got)
	}
	// A row of a month without a partition waits in the default one, and moves.
	harness.Exec(t, db, `INSERT INTO auth.audit_event (occurred_at, event_code, subject_type) VALUES (now() + interval '7 months', 'test', 'test')`)
	if n := harness.One[int](t, db, `SELECT count(*) FROM auth.audit_event_default`); n != 1 {
		t.Errorf("%d rows in the default partition", n)
	}
	harness.Column[string](t, db, maintain, 8, nil)
	if n := harness.One[int](t, db, `SELECT (SELECT count(*) FROM auth.audit_event_default) * 10 + (SELECT count(*) FROM auth.audit_event)`); n != 1 {
		t.Errorf("the row did not move: %d", n)
	}
	// A month that is over.
	harness.Exec(t, db, `CREATE TABLE auth.audit_event_2020_01 PARTITION OF auth.audit_event FOR VALUES FROM ('2020-01-01Z') TO ('2020-02-01Z')`)
	if got := harness.Column[string](t, db, maintain, 3, "100 years"); len(got) != 0 {
		t.Errorf("kept for 100 years: %q", got)
	}
	if got := harness.Column[string](t, db, maintain, 3, "2 years"); !slices.Equal(got, []string{"dropped audit_event_2020_01"}) {
		t.Errorf("kept for two years: %q", got)
	}
	for _, bad := range [][]any{{-1, nil}, {nil, nil}, {1000, nil}, {3, "-1 day"}} {
		harness.MustFail(t, db, "RW401", `SELECT auth.maintain_audit_partitions($1, $2::text::interval)`, bad...)
	}
	for _, err := range atOnce(4, func(int) error {
		_, err := db.Exec(t.Context(), `SELECT auth.maintain_audit_partitions(20)`)
		return err
	}) {
		t.Error(err)
	}
}
