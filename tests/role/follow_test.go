package role_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rolewright/rolewright/tests/harness"
)

// changes of the application's side, and what Ann's role is after them. Before, it is LOGIN #readers; Bob's is LOGIN.
var changes = []struct {
	name, prepare, change, ann, bob string
}{
	{"login gains a group", "", `SELECT auth.update_user_identity_on_login(@entra, 'bob_entra', '{Others,Staff}')`, "LOGIN #readers", "LOGIN #readers"},
	{"login gains a role", "", `SELECT auth.update_user_identity_on_login(@entra, 'ann_entra', NULL, '{Clerk}')`, "LOGIN #readers #writers", "LOGIN"},
	{"login loses a group", "", `SELECT auth.update_user_identity_on_login(@entra, 'ann_entra', '{Others}')`, "LOGIN", "LOGIN"},
	{"login loses all groups", "", `SELECT auth.update_user_identity_on_login(@entra, 'ann_entra', '{}', '{}')`, "LOGIN", "LOGIN"},
	{"login moves", "", `SELECT auth.update_user_identity_on_login(@entra, 'ann_entra', '{}', '{Clerk}')`, "LOGIN #writers", "LOGIN"},
	{"login that knows no groups", "", `SELECT auth.update_user_identity_on_login(@entra, 'ann_entra', NULL, NULL)`, "LOGIN #readers", "LOGIN"},
	{"login with overage", "", `SELECT auth.update_user_identity_on_login(@entra, 'ann_entra', '{}', NULL, '{"hasgroups": true}')`, "LOGIN #readers", "LOGIN"},
	{"login in another case", "", `SELECT auth.update_user_identity_on_login(@entra, 'ann_entra', '{staff}')`, "LOGIN", "LOGIN"},
	{"login by ensure", "", `SELECT auth.ensure_user_from_provider(@entra, 'ann_entra', NULL, NULL, '{}', '{Clerk}')`, "LOGIN #writers", "LOGIN"},
	{"login by try", "", `SELECT auth.try_login(@entra, 'ann_entra', NULL, NULL, '{}', '{Clerk}')`, "LOGIN #writers", "LOGIN"},
	{"claims", "", `SELECT auth.process_identity_claims(@ann, @entra, '{"sub": "ann_entra", "groups": ["Others"], "roles": "Clerk"}')`, "LOGIN #writers", "LOGIN"},
	{"feed", "", `SELECT auth.sync_provider_identities(@entra, ARRAY['{"provider_user_id": "ann_entra", "groups": ["Others"], "roles": ["Clerk"]}',
		'{"provider_user_id": "bob_entra", "groups": ["Staff"]}']::jsonb[])`, "LOGIN #writers", "LOGIN #readers"},
	{"feed without somebody", "", `SELECT auth.sync_provider_identities(@entra, ARRAY['{"provider_user_id": "bob_entra"}']::jsonb[],
		_disable_missing => true, _max_disable => 1)`, "NOLOGIN", "LOGIN"},
	{"feed says inactive", "", `SELECT auth.sync_provider_identities(@entra, ARRAY['{"provider_user_id": "ann_entra", "active": false}']::jsonb[], _max_disable => 1)`, "NOLOGIN", "LOGIN"},
	{"feed with somebody again", `SELECT auth.sync_provider_identities(@entra, ARRAY['{"provider_user_id": "bob_entra"}']::jsonb[], _disable_missing => true, _max_disable => 1)`,
		`SELECT auth.sync_provider_identities(@entra, ARRAY['{"provider_user_id": "ann_entra", "groups": ["Staff"], "roles": ["Clerk"]}']::jsonb[])`, "LOGIN #readers #writers", "LOGIN"},
	{"dry feed", "", `SELECT auth.sync_provider_identities(@entra, ARRAY['{"provider_user_id": "ann_entra", "groups": []}']::jsonb[], _dry_run => true)`, "LOGIN #readers", "LOGIN"},
	{"user disabled", "", `SELECT auth.disable_user(@ann)`, "NOLOGIN", "LOGIN"},
	{"user enabled", `SELECT auth.disable_user(@ann)`, `SELECT auth.enable_user(@ann)`, "LOGIN #readers", "LOGIN"},
	{"user locked", "", `SELECT auth.lock_user(@ann)`, "NOLOGIN", "LOGIN"},
	{"user unlocked", `SELECT auth.lock_user(@ann)`, `SELECT auth.unlock_user(@ann)`, "LOGIN #readers", "LOGIN"},
	{"user unlocked, but disabled", `SELECT auth.lock_user(@ann); SELECT auth.disable_user(@ann)`, `SELECT auth.unlock_user(@ann)`, "NOLOGIN", "LOGIN"},
	{"user deleted", "", `SELECT auth.delete_user(@ann)`, "NOLOGIN", "LOGIN"},
	{"identity disabled", "", `SELECT auth.disable_user_identity(@ann_entra)`, "NOLOGIN", "LOGIN"},
	{"identity enabled", `SELECT auth.disable_user_identity(@ann_entra)`, `SELECT auth.enable_user_identity(@ann_entra)`, "LOGIN #readers", "LOGIN"},
	{"identity deleted", "", `SELECT auth.delete_user_identity(@ann_entra)`, "NOLOGIN", "LOGIN"},
	{"another identity made", "", `SELECT auth.create_user_identity(@ann, @github, 'ann_github', '{Devs}')`, "LOGIN #coding #readers", "LOGIN"},
	{"identity's claims", "", `SELECT auth.create_user_identity(@ann, @entra, 'ann_entra', '{}', '{Clerk}')`, "LOGIN #writers", "LOGIN"},
	{"one of two identities deleted", `SELECT auth.create_user_identity(@ann, @github, 'ann_github', '{Devs}')`, `SELECT auth.delete_user_identity(@ann_entra)`, "LOGIN #coding", "LOGIN"},
	{"member added", "", `SELECT auth.add_group_member(@helpers, @ann)`, "LOGIN #helping #readers", "LOGIN"},
	{"member removed", `SELECT auth.add_group_member(@helpers, @ann)`, `SELECT auth.remove_group_member(@helpers, @ann)`, "LOGIN #readers", "LOGIN"},
	{"member added twice over", "", `SELECT auth.add_group_member(@staff, @ann)`, "LOGIN #readers", "LOGIN"},
	{"member removed, mapped still", `SELECT auth.add_group_member(@staff, @ann)`, `SELECT auth.remove_group_member(@staff, @ann)`, "LOGIN #readers", "LOGIN"},
	{"member mapped no more, but by hand", `SELECT auth.add_group_member(@staff, @ann)`, `SELECT auth.update_user_identity_on_login(@entra, 'ann_entra', '{}')`, "LOGIN #readers", "LOGIN"},
	{"member for a time that is over", `SELECT auth.add_group_member(@helpers, @ann)`, `SELECT auth.add_group_member(@helpers, @ann, '2001-01-01Z')`, "LOGIN #readers", "LOGIN"},
	{"member for longer", `SELECT auth.add_group_member(@helpers, @ann, '2001-01-01Z')`, `SELECT auth.add_group_member(@helpers, @ann, '2901-01-01Z')`, "LOGIN #helping #readers", "LOGIN"},
	{"mapping made", "", `SELECT auth.create_group_mapping(@clerks, @entra, 'Others')`, "LOGIN #readers", "LOGIN #writers"},
	{"mapping deleted", "", `SELECT auth.delete_group_mapping(user_group_mapping_id) FROM auth.user_group_mapping WHERE user_group_id = @staff`, "LOGIN", "LOGIN"},
	{"group disabled", "", `SELECT auth.disable_user_group(@staff)`, "LOGIN", "LOGIN"},
	{"group enabled", `SELECT auth.disable_user_group(@staff)`, `SELECT auth.enable_user_group(@staff)`, "LOGIN #readers", "LOGIN"},
	{"group made internal", "", `SELECT auth.update_user_group(@staff, _group_type => 'internal', _drop => true)`, "LOGIN", "LOGIN"},
	{"group made external", `SELECT auth.add_group_member(@staff, @bob)`, `SELECT auth.update_user_group(@staff, _group_type => 'external', _drop => true)`, "LOGIN #readers", "LOGIN"},
	{"group deleted", "", `SELECT auth.delete_user_group(@staff)`, "LOGIN", "LOGIN"},
	{"tenant disabled", `SELECT auth.create_user_identity(@ann, @github, 'ann_github', '{Devs}')`, `SELECT auth.disable_tenant(@acme)`, "LOGIN #readers", "LOGIN"},
	{"tenant enabled", `SELECT auth.disable_tenant(@acme); SELECT auth.create_user_identity(@ann, @github, 'ann_github', '{Devs}')`, `SELECT auth.enable_tenant(@acme)`, "LOGIN #coding #readers", "LOGIN"},
	{"provider disabled", `SELECT auth.create_user_identity(@ann, @github, 'ann_github', '{Devs}')`, `SELECT auth.disable_provider(@entra)`, "LOGIN #coding", "NOLOGIN"},
	{"provider enabled", `SELECT auth.disable_provider(@entra)`, `SELECT auth.enable_provider(@entra)`, "LOGIN #readers", "LOGIN"},
	{"provider deleted", "", `SELECT auth.delete_provider(@entra, _delete_identities => true)`, "NOLOGIN", "NOLOGIN"},
	{"provider compares otherwise", `SELECT auth.update_user_identity_on_login(@entra, 'bob_entra', '{STAFF}')`, `SELECT auth.update_provider(@entra, _group_match => 'ignore_case')`, "LOGIN #readers", "LOGIN #readers"},
	{"provider compares exactly again", `SELECT auth.update_provider(@entra, _group_match => 'ignore_case'); SELECT auth.update_user_identity_on_login(@entra, 'bob_entra', '{STAFF}')`,
		`SELECT auth.update_provider(@entra, _group_match => 'exact')`, "LOGIN #readers", "LOGIN"},
	{"declared mapping", "", `SELECT auth.ensure_groups('[{"code": "clerks", "mappings": [{"provider": "entra", "group": "Others"}]}]')`, "LOGIN #readers", "LOGIN #writers"},
	{"declared without mapping", "", `SELECT auth.ensure_groups('[{"code": "staff", "mappings": []}]', _prune => true)`, "LOGIN", "LOGIN"},
}

func TestRolesFollowWithinTheTransaction(t *testing.T) {
	t.Parallel()
	for _, c := range changes {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, true)
			if c.prepare != "" {
				w.exec(t, c.prepare)
				w.learn(t)
			}
			ann, bob, before := w.role(t, w.DB, "#ann"), w.role(t, w.DB, "#bob"), w.traces(t)

			tx := w.begin(t)
			w.execIn(t, tx, c.change)
			w.expect(t, tx, "#ann", c.ann)
			w.expect(t, tx, "#bob", c.bob)
			if got := w.plan(t, tx); got != "" {
				t.Errorf("before the COMMIT, the plan is %s", got)
			}
			w.expect(t, w.DB, "#ann", ann)
			w.expect(t, w.DB, "#bob", bob)
			harness.Exec(t, tx, "ROLLBACK")
			if after := w.traces(t); after != before {
				t.Errorf("ROLLBACK leaves\n%s\nof\n%s", after, before)
			}

			w.exec(t, c.change)
			w.expect(t, w.DB, "#ann", c.ann)
			w.expect(t, w.DB, "#bob", c.bob)
			w.settled(t)
		})
	}
}

func TestRolesFollowAStreamedFeed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	tx := w.begin(t)
	w.execIn(t, tx, `SELECT auth.begin_identity_sync(@entra);
		INSERT INTO pg_temp.sync_line (line_no, provider_user_id, digest) VALUES (1, 'bob_entra', '\x01');
		SELECT auth.compare_identity_sync();
		INSERT INTO pg_temp.sync_element (line_no, element) VALUES (1, '{"provider_user_id": "bob_entra", "groups": ["Staff"]}');
		SELECT auth.apply_identity_sync(_disable_missing => true, _max_disable => 1)`)
	w.expect(t, tx, "#ann", "NOLOGIN")
	w.expect(t, tx, "#bob", "LOGIN #readers")
	harness.Exec(t, tx, "COMMIT")
	w.expect(t, w.DB, "#ann", "NOLOGIN")
	w.expect(t, w.DB, "#bob", "LOGIN #readers")
	w.settled(t)
}

func TestALoginThroughAnotherIdentityFlipsNoMembership(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.exec(t, `SELECT auth.create_user_identity(@ann, @github, 'ann_github', '{Devs}')`)
	w.learn(t)
	w.expect(t, w.DB, "#ann", "LOGIN #coding #readers")
	roles := `SELECT string_agg(format('%s %s %s', a.roleid, a.grantor, a.xmin), ',' ORDER BY 1) FROM pg_auth_members a WHERE a.member = '#ann'::regrole`
	before := w.text(t, w.super, roles)
	for range 2 {
		w.exec(t, `SELECT auth.update_user_identity_on_login(@github, 'ann_github', '{Devs}', '{}');
			SELECT auth.update_user_identity_on_login(@entra, 'ann_entra', '{Staff}', '{}');
			SELECT auth.switch_active_identity(@ann, @github)`)
		w.same(t, w.super, roles, before)
		w.planned(t)
	}
	w.exec(t, `SELECT auth.update_user_identity_on_login(@github, 'ann_github', '{}', '{}')`)
	w.expect(t, w.DB, "#ann", "LOGIN #readers")
	w.settled(t)
}

func TestALoginThatConcernsNoBoundGroupWritesNoRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.exec(t, `SELECT auth.update_user_identity_on_login(@entra, 'ann_entra', '{Staff}', '{}')`) // the first one fills caches
	w.dba(t, `GRANT #helping TO #ann`)                                                           // drift, which it would repair
	roles := `SELECT 'role ' || rolname || xmin FROM pg_authid WHERE rolname = '#ann' UNION ALL SELECT 'registry ' || xmin FROM auth.database_role
		UNION ALL SELECT format('%s %s', roleid, xmin) FROM pg_auth_members WHERE member = '#ann'::regrole ORDER BY 1`
	before := w.text(t, w.super, roles)
	w.exec(t, `SELECT auth.update_user_identity_on_login(@entra, 'ann_entra', '{Staff,Others,More}', '{Nothing}');
		SELECT auth.update_user_identity_on_login(@entra, 'ann_entra', '{More,Staff,Staff}', '{}')`)
	w.same(t, w.super, roles, before)
}

func TestTheLastIdentitysEndIsTheLoginsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	w.exec(t, `SELECT auth.delete_user_identity(@ann_entra); SELECT auth.bind_user_role(@ann, '#ann'); SELECT auth.apply_database_roles()`)
	w.expect(t, w.DB, "#ann", "LOGIN") // she has had no identity since she had a role
	w.exec(t, `SELECT auth.create_user_identity(@ann, @github, 'ann_github')`)
	w.learn(t)
	w.exec(t, `SELECT auth.delete_user_identity(@ann_github)`)
	w.expect(t, w.DB, "#ann", "NOLOGIN")
	for _, sql := range []string{
		`SELECT auth.apply_database_roles()`, `SELECT auth.lock_user(@ann)`, `SELECT auth.unlock_user(@ann)`, `SELECT auth.disable_user(@ann)`, `SELECT auth.enable_user(@ann)`,
		`SELECT auth.add_group_member(@helpers, @ann)`, `SELECT auth.disable_provider(@github)`, `SELECT auth.enable_provider(@github)`,
	} {
		w.exec(t, sql)
		w.expect(t, w.DB, "#ann", "NOLOGIN")
	}
	w.exec(t, `SELECT auth.create_user_identity(@ann, @github, 'ann_again')`)
	w.expect(t, w.DB, "#ann", "LOGIN")
	w.settled(t)
}

func TestAMembershipForATimeEndsWithTheNextApply(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.exec(t, `SELECT auth.bind_group_role(@helpers, '#helping'); SELECT auth.add_group_member(@helpers, @ann, now() + interval '300 ms')`)
	w.expect(t, w.DB, "#ann", "LOGIN #helping #readers")
	w.exec(t, `SELECT pg_sleep(0.4)`)
	if got := w.plan(t, w.DB); !strings.HasPrefix(got, "revoke #ann #helping: ") || strings.Contains(got, "; ") && !strings.Contains(got, "nothing gives") {
		t.Errorf("plan is %s", got)
	}
	w.exec(t, `SELECT auth.apply_database_roles()`)
	w.expect(t, w.DB, "#ann", "LOGIN #readers")
	w.settled(t)
}

// A name that is taken, a membership that somebody else granted: the people are not kept from logging in.
func TestAConflictIsAWarningOfTheLogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.dba(t, `CREATE ROLE #pa`)
	w.exec(t, `SELECT auth.update_provider(@github, _creates_roles => true)`)
	conn, warnings := w.listen(t)
	w.execIn(t, conn, `SELECT auth.ensure_user_from_provider(@github, 'pa1', NULL, NULL, '{}', '{}', '{"preferred_username": "#pa"}')`)
	w.same(t, w.DB, `SELECT count(*) FROM auth.user_info WHERE username = '#pa'`, "1")
	if !slices.ContainsFunc(*warnings, func(s string) bool { return strings.Contains(s, "#pa") && strings.Contains(s, "not managed") }) {
		t.Errorf("warnings: %q", *warnings)
	}
	w.expect(t, w.DB, "#pa", "NOLOGIN")
}

func TestWhatOnlyASuperuserCanRevokeIsAWarningOfTheLogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.since16(t)
	w.dba(t, `GRANT #readers TO #ann`) // a second row, by the superuser
	conn, warnings := w.listen(t)
	w.execIn(t, conn, `SELECT auth.update_user_identity_on_login(@entra, 'ann_entra', '{}')`)
	w.expect(t, w.DB, "#ann", "LOGIN #readers")
	if len(*warnings) != 1 || !strings.Contains((*warnings)[0], "granted it") {
		t.Errorf("warnings of a login after which a membership is left: %q", *warnings)
	}
	*warnings = nil
	w.execIn(t, conn, `SELECT auth.update_user_identity_on_login(@entra, 'ann_entra', '{}', '{Clerk}'); SELECT auth.update_user_identity_on_login(@entra, 'ann_entra', '{}', '{}')`)
	if len(*warnings) != 2 {
		t.Errorf("warnings of two more: %q", *warnings)
	}

	// Also when there is nothing else to do.
	w.execIn(t, conn, `SELECT auth.update_user_identity_on_login(@entra, 'ann_entra', '{Staff}')`)
	*warnings = nil
	w.execIn(t, conn, `SELECT auth.update_user_identity_on_login(@entra, 'ann_entra', '{}')`)
	if len(*warnings) != 1 {
		t.Errorf("warnings where only a superuser could do something: %q", *warnings)
	}
}

// What cannot be done about Ann's role is not done, and only that.
func TestAConflictOfOneDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.dba(t, `ALTER ROLE #ann RENAME TO #anna`)
	w.exec(t, `SELECT auth.sync_provider_identities(@entra, ARRAY['{"provider_user_id": "ann_entra", "groups": []}', '{"provider_user_id": "bob_entra", "groups": ["Staff"]}']::jsonb[])`)
	w.expect(t, w.DB, "#bob", "LOGIN #readers")
	w.expect(t, w.DB, "#anna", "LOGIN #readers")
	w.dba(t, `ALTER ROLE #anna RENAME TO #ann`)
	w.exec(t, `SELECT auth.apply_database_roles()`)
	w.expect(t, w.DB, "#ann", "LOGIN")
	w.settled(t)
}

func TestEveryMoveOfManyPeopleAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	harness.Exec(t, w.DB, w.name(`
		DO $$ DECLARE u uuid; BEGIN
			FOR i IN 1 .. 60 LOOP
				u := auth.create_user('#u' || i);
				PERFORM auth.create_user_identity(u, (SELECT provider_id FROM auth.provider WHERE code = 'entra'), 'u' || i, ARRAY[CASE WHEN i % 2 = 0 THEN 'Staff' ELSE 'Others' END]);
				PERFORM auth.bind_user_role(u, '#u' || i);
			END LOOP;
		END $$`))
	w.exec(t, `SELECT auth.apply_database_roles()`)
	count := `SELECT count(*) FROM pg_auth_members WHERE roleid = '#readers'::regrole AND member::regrole::text LIKE '%u%' AND starts_with(member::regrole::text, '#u')`
	w.same(t, w.DB, count, "30")
	var feed []string
	for i := 1; i <= 60; i++ {
		if i%10 != 0 {
			feed = append(feed, fmt.Sprintf(`{"provider_user_id": "u%d", "groups": [%q]}`, i, []string{"Others", "Staff"}[i%2]))
		}
	}
	harness.Exec(t, w.DB, `SELECT auth.sync_provider_identities($1, $2::text[]::jsonb[], _disable_missing => true, _max_disable => 100)`, w.ids["entra"], feed)
	w.same(t, w.DB, count, "30")
	w.expect(t, w.DB, "#u1", "LOGIN #readers")
	w.expect(t, w.DB, "#u2", "LOGIN")
	w.expect(t, w.DB, "#u10", "NOLOGIN")
	w.settled(t)
}

// Roles are decided by what is there now; a snapshot that is older than the locks would undo what others did.
func TestOlderSnapshotsAreRefusedOrRight(t *testing.T) {
	t.Parallel()
	for _, level := range []string{"REPEATABLE READ", "SERIALIZABLE"} {
		for name, sql := range map[string]string{
			"login": `SELECT auth.update_user_identity_on_login(@entra, 'bob_entra', '{Staff}')`, "claims": `SELECT auth.process_identity_claims(@bob, @entra, '{"groups": ["Staff"]}')`,
			"feed":           `SELECT auth.sync_provider_identities(@entra, ARRAY['{"provider_user_id": "bob_entra", "groups": ["Staff"]}']::jsonb[])`,
			"member":         `SELECT auth.add_group_member(@staff, @bob)`,
			"disable user":   `SELECT auth.disable_user(@ann)`,
			"lock user":      `SELECT auth.lock_user(@ann)`,
			"delete user":    `SELECT auth.delete_user(@ann)`,
			"identity":       `SELECT auth.disable_user_identity(@ann_entra)`,
			"no identity":    `SELECT auth.delete_user_identity(@ann_entra)`,
			"new identity":   `SELECT auth.create_user_identity(@ann, @github, 'ann_github', '{Devs}')`,
			"mapping":        `SELECT auth.create_group_mapping(@clerks, @entra, 'Staff')`,
			"no mapping":     `SELECT auth.delete_group_mapping(user_group_mapping_id) FROM auth.user_group_mapping WHERE user_group_id = @staff`,
			"group":          `SELECT auth.disable_user_group(@staff)`,
			"no group":       `SELECT auth.delete_user_group(@staff)`,
			"type":           `SELECT auth.update_user_group(@staff, _group_type => 'internal', _drop => true)`,
			"provider":       `SELECT auth.disable_provider(@entra)`,
			"provider match": `SELECT auth.update_provider(@entra, _group_match => 'ignore_case')`,
			"no provider":    `SELECT auth.delete_provider(@entra, _delete_identities => true)`,
			"tenant":         `SELECT auth.disable_tenant(@acme)`,
			"declaration":    `SELECT auth.ensure_groups('[{"code": "staff", "mappings": []}]', _prune => true)`,
			"bind user":      `SELECT auth.bind_user_role(@ann, '#other')`,
			"unbind user":    `SELECT auth.unbind_user_role(@ann)`,
			"bind group":     `SELECT auth.bind_group_role(@staff, '#other')`,
			"unbind group":   `SELECT auth.unbind_group_role(@staff, '#readers')`,
			"relationship":   `SELECT auth.manage_relationship('#ann', '#writers', 'add')`,
			"begin leaving":  `SELECT auth.begin_deprovision('#ann', 'gone')`,
			"restore":        `SELECT auth.restore_role('#ann', 'back')`,
		} {
			t.Run(level+" "+name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, false)
				w.exec(t, `SELECT auth.create_user_identity(@bob, @github, 'bob_github', '{Devs}')`)
				old := harness.Connect(t, w.OwnerURL)
				harness.Exec(t, old, "BEGIN ISOLATION LEVEL "+level)
				harness.Exec(t, old, "SELECT count(*) FROM auth.database_role")
				w.exec(t, boundSQL) // after the snapshot
				_, err := old.Exec(t.Context(), w.name(sql), w.ids)
				if err == nil {
					_, err = old.Exec(t.Context(), "COMMIT")
				}
				if s := state(err); s != "" && s != "RW501" && s != "40001" && s != "RW019" && s != "RW011" {
					t.Errorf("%v", err)
				}
				w.settled(t)

				fresh := harness.Connect(t, w.OwnerURL)
				harness.Exec(t, fresh, "BEGIN ISOLATION LEVEL "+level)
				_, err = fresh.Exec(t.Context(), w.name(sql), w.ids)
				if err == nil {
					_, err = fresh.Exec(t.Context(), "COMMIT")
				}
				if s := state(err); s != "" && s != "RW501" && s != "40001" {
					t.Errorf("with a fresh snapshot: %v", err)
				}
				w.settled(t)
			})
		}
	}
}

func TestSerializableCallersArePlainlyRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	for _, sql := range []string{
		`SELECT auth.update_user_identity_on_login(@entra, 'bob_entra', '{Staff}')`, `SELECT auth.add_group_member(@staff, @bob)`, `SELECT auth.disable_user(@ann)`,
		`SELECT auth.disable_user_group(@staff)`, `SELECT auth.disable_provider(@entra)`, `SELECT auth.bind_user_role(@ann, '#other')`,
		`SELECT auth.unbind_group_role(@staff, '#readers')`, `SELECT auth.manage_relationship('#ann', '#writers', 'add')`, `SELECT auth.begin_deprovision('#ann', 'gone')`,
	} {
		conn := harness.Connect(t, w.OwnerURL)
		harness.Exec(t, conn, "BEGIN ISOLATION LEVEL SERIALIZABLE")
		_ = w.mustFail(t, conn, "RW501", sql)
	}
	// Who has no role is nobody's concern.
	w.exec(t, `SELECT auth.create_user('#cy')`)
	w.learn(t)
	conn, err := pgx.Connect(t.Context(), w.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	harness.Exec(t, conn, "BEGIN ISOLATION LEVEL SERIALIZABLE")
	w.execIn(t, conn, `SELECT auth.create_user_identity(@cy, @entra, 'cy', '{Staff}'); SELECT auth.add_group_member(@helpers, @cy); SELECT auth.disable_user(@cy); COMMIT`)
	w.settled(t)
}
