package permission_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rolewright/rolewright/tests/harness"
)

// A statement may change several tables; the triggers of all of them run when it is done.
func TestOneStatementThatChangesSeveralTables(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ grant, off, on string }{
		"set and assignment": {"mapping set",
			`WITH d AS (DELETE FROM auth.perm_set_permission) DELETE FROM auth.permission_assignment`,
			`WITH s AS (INSERT INTO auth.perm_set_permission SELECT perm_set_id, 'orders' FROM auth.perm_set RETURNING perm_set_id)
			 INSERT INTO auth.permission_assignment (user_group_id, perm_set_id) SELECT @staff, perm_set_id FROM s`},
		"assignment and set": {"mapping set",
			`WITH d AS (DELETE FROM auth.permission_assignment RETURNING perm_set_id)
			 DELETE FROM auth.perm_set_permission WHERE perm_set_id IN (SELECT perm_set_id FROM d)`,
			`WITH a AS (INSERT INTO auth.permission_assignment (user_group_id, perm_set_id) SELECT @staff, perm_set_id FROM auth.perm_set)
			 INSERT INTO auth.perm_set_permission SELECT perm_set_id, 'orders' FROM auth.perm_set`},
		"set that moves on": {"mapping set",
			`WITH s AS (INSERT INTO auth.perm_set (code, name) VALUES ('other', 'Other') RETURNING perm_set_id)
			 UPDATE auth.perm_set_permission p SET perm_set_id = s.perm_set_id FROM s`,
			`WITH s AS (SELECT perm_set_id FROM auth.perm_set WHERE code = 'other')
			 UPDATE auth.permission_assignment a SET perm_set_id = s.perm_set_id FROM s`},
		"group and what it is for": {"",
			`SELECT 1`,
			`WITH g AS (INSERT INTO auth.user_group (code, name, group_type) VALUES ('new', 'New', 'external') RETURNING user_group_id),
			      m AS (INSERT INTO auth.user_group_mapping (user_group_id, provider_id, external_group_name) SELECT user_group_id, @entra, 'Staff' FROM g)
			 INSERT INTO auth.permission_assignment (user_group_id, permission_code) SELECT user_group_id, 'orders' FROM g`},
		"mapping and its group": {"mapping",
			`WITH d AS (DELETE FROM auth.user_group_mapping) UPDATE auth.user_group SET group_type = 'internal'`,
			`WITH g AS (UPDATE auth.user_group SET group_type = 'external' RETURNING user_group_id, code)
			 INSERT INTO auth.user_group_mapping (user_group_id, provider_id, external_group_name) SELECT user_group_id, @entra, 'Staff' FROM g`},
		"group, mapping and assignment go": {"mapping",
			`WITH a AS (DELETE FROM auth.permission_assignment WHERE user_group_id = @staff),
			      m AS (DELETE FROM auth.user_group_mapping WHERE user_group_id = @staff) DELETE FROM auth.user_group WHERE user_group_id = @staff`,
			`WITH m AS (INSERT INTO auth.user_group_mapping (user_group_id, provider_id, external_group_name) VALUES (@helpers, @entra, 'Staff'))
			 INSERT INTO auth.permission_assignment (user_group_id, permission_code) VALUES (@helpers, 'orders')`},
		"one switch off, another on": {"mapping",
			`WITH t AS (UPDATE auth.tenant SET is_active = false) UPDATE auth.user_group SET name = 'x'`,
			`WITH t AS (UPDATE auth.tenant SET is_active = true), p AS (UPDATE auth.provider SET is_active = true)
			 UPDATE auth.user_group SET is_active = true`},
		"user, then identity": {"mapping",
			`WITH u AS (UPDATE auth.user_info SET is_active = false RETURNING user_id)
			 UPDATE auth.user_identity i SET provider_groups = '{Staff,Crew}' FROM u WHERE i.user_id = u.user_id`,
			`WITH u AS (UPDATE auth.user_info SET is_active = true RETURNING user_id)
			 UPDATE auth.user_identity i SET provider_groups = '{Staff}' FROM u WHERE i.user_id = u.user_id`},
		"identity, then user": {"mapping",
			`WITH u AS (UPDATE auth.user_identity SET provider_groups = '{Staff,Crew}' RETURNING user_id) UPDATE auth.user_info SET is_locked = true`,
			`WITH u AS (UPDATE auth.user_identity SET provider_groups = '{Staff}') UPDATE auth.user_info SET is_locked = false`},
		"mapping and identity": {"mapping",
			`WITH m AS (UPDATE auth.user_group_mapping SET external_group_name = 'Crew' WHERE user_group_id = @staff)
			 UPDATE auth.user_identity SET provider_groups = '{Staff,Team}'`,
			`WITH m AS (UPDATE auth.user_group_mapping SET external_group_name = 'Squad' WHERE user_group_id = @staff)
			 UPDATE auth.user_identity SET provider_groups = '{Squad}' WHERE provider_user_id = 'ann_entra'`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, c.grant)
			if c.grant != "" {
				w.check(t, "at first", "orders.read", true)
			}
			w.exec(t, c.off)
			w.check(t, "off", "orders.read", false)
			w.exec(t, c.on)
			w.check(t, "on", "orders.read", true)
		})
	}
}

func TestAPermissionGoesWithAllItsUsesInOneStatement(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "mapping")
	w.exec(t, grants["mapping set"])
	w.exec(t, `WITH a AS (DELETE FROM auth.permission_assignment WHERE permission_code = 'orders'), s AS (DELETE FROM auth.perm_set_permission)
		DELETE FROM auth.permission WHERE code = 'orders'`)
	w.check(t, "the node above is gone", "orders.read", false)
	if n := w.one(t, `SELECT count(*) FROM auth.permission_cache`); n != "0" {
		t.Errorf("%s rows in the cache", n)
	}
}

func TestMergeAndCopyTakeEffectToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	copied, err := w.Pool.CopyFrom(t.Context(), pgx.Identifier{"auth", "permission_assignment"}, []string{"user_group_id", "permission_code"},
		pgx.CopyFromRows([][]any{{w.ids["staff"], "orders"}, {w.ids["devs"], "reports"}}))
	if err != nil || copied != 2 {
		t.Fatal(copied, err)
	}
	w.check(t, "copied", "orders.read", true)
	if harness.Shared(t).Major < 15 {
		t.Skip("no MERGE")
	}
	const merge = `
		MERGE INTO auth.permission_assignment a
		USING (VALUES (@staff::uuid, 'reports'), (@devs::uuid, 'orders')) AS v (user_group_id, code) ON a.user_group_id = v.user_group_id
		WHEN MATCHED AND a.permission_code = 'orders' THEN DELETE
		WHEN MATCHED THEN UPDATE SET permission_code = v.code
		WHEN NOT MATCHED THEN INSERT (user_group_id, permission_code) VALUES (v.user_group_id, v.code)`
	w.exec(t, merge)
	w.check(t, "deleted by MERGE", "orders.read", false)
	w.exec(t, merge)
	w.check(t, "inserted by MERGE", "reports.read", true)
}

func TestTruncateTakesEverythingAtOnce(t *testing.T) {
	t.Parallel()
	for _, table := range []string{
		"permission_assignment", "perm_set_permission", "perm_set", "user_group_mapping", "user_group", "provider", "tenant", "user_identity",
	} {
		for _, end := range []string{"", " RESTART IDENTITY"} {
			t.Run(table+end, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, "mapping set")
				w.exec(t, `TRUNCATE auth.`+table+end+` CASCADE`)
				if has := w.one(t, `SELECT auth.has_permission(@ann, 'orders.read')`); has != "false" {
					t.Errorf("still there: %s", has)
				}
				if n := w.one(t, `SELECT count(*) FROM auth.effective_permissions(@ann)`); n != "0" {
					t.Errorf("%s permissions are listed", n)
				}
			})
		}
	}
}

// A number means a name; a warm identity that has it must not match another name.
func TestANumberOfAMappingIsNeverUsedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "mapping")
	w.fill(t)
	w.exec(t, `TRUNCATE auth.user_group_mapping RESTART IDENTITY`)
	w.exec(t, `SELECT auth.create_group_mapping(@staff, @entra, 'Admins')`)
	w.check(t, "a mapping that Ann does not match", "orders.read", false)
	w.exec(t, `SELECT auth.create_group_mapping(@staff, @entra, 'Staff')`)
	w.check(t, "one that she does", "orders.read", true)
}

// As COPY of a backup does, which takes the numbers along.
func TestAMappingInsertedWithAnOldNumberIsANewOne(t *testing.T) {
	t.Parallel()
	const insert = `INSERT INTO auth.user_group_mapping (user_group_id, provider_id, external_group_name, mapping_no) OVERRIDING SYSTEM VALUE
		SELECT @staff, @entra, '%', 1`
	for name, want := range map[string]bool{"Admins": false, "Staff": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "mapping")
			w.fill(t)
			w.exec(t, `DELETE FROM auth.user_group_mapping WHERE user_group_id = @staff`)
			if want {
				w.clear(t) // so that her ways are worked out while there is no such mapping
				w.fill(t)
			}
			w.exec(t, strings.Replace(insert, "%", name, 1))
			w.check(t, "inserted", "orders.read", want)
		})
	}
}

func TestTheCacheMadeAnewIsTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	for _, grant := range grants {
		w.exec(t, grant)
	}
	w.exec(t, `UPDATE auth.user_group SET is_active = false; UPDATE auth.user_group SET is_active = true WHERE code <> 'devs'`)
	const all = `SELECT to_jsonb(k)::text FROM auth.permission_cache k ORDER BY 1`
	before := w.column(t, all)
	w.exec(t, `SELECT unsecure.clear_permission_cache_all()`)
	if after := w.column(t, all); len(before) == 0 || !slices.Equal(before, after) {
		t.Errorf("kept by the triggers:\n%q\nmade anew:\n%q", before, after)
	}
	w.check(t, "made anew", "orders.read", true)
	for _, sql := range []string{`unsecure.clear_permission_cache(@ann)`, `unsecure.clear_permission_cache_by_provider(@entra)`} {
		w.exec(t, `SELECT `+sql)
		w.check(t, sql, "orders.read", true)
	}
}
