package sqlcheck_test

import (
	"os"
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

// Each query names what breaks a rule that holds for every object; none may return a row.
var rules = []struct{ rule, sql string }{
	{"every function has a comment", `
		SELECT f.name FROM ours f WHERE obj_description(f.oid, 'pg_proc') IS NULL`},

	{"every table and view has a comment", `
		SELECT c.oid::regclass::text FROM pg_class c
		WHERE c.relnamespace IN ('auth'::regnamespace, 'unsecure'::regnamespace)
		  AND c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition
		  AND obj_description(c.oid, 'pg_class') IS NULL`},

	{"no function can be executed by PUBLIC", `
		SELECT f.name FROM ours f
		WHERE f.proacl IS NULL OR EXISTS (SELECT FROM aclexplode(f.proacl) a WHERE a.grantee = 0)`},

	{"functions are granted to the three group roles only", `
		SELECT format('%s: %s', f.name, a.grantee::regrole)
		FROM ours f, aclexplode(f.proacl) a
		WHERE a.grantee NOT IN (0, f.proowner, 'rolewright_app'::regrole, 'rolewright_operator'::regrole, 'rolewright_auditor'::regrole)`},

	{"nobody is granted anything in unsecure", `
		SELECT f.name FROM ours f, aclexplode(f.proacl) a
		WHERE f.pronamespace = 'unsecure'::regnamespace AND a.grantee <> f.proowner
		UNION ALL
		SELECT format('schema unsecure: %s', a.grantee) FROM pg_namespace n, aclexplode(n.nspacl) a
		WHERE n.nspname = 'unsecure' AND a.grantee <> n.nspowner`},

	{"nobody but the owner may create in schema auth", `
		SELECT a.grantee::regrole::text FROM pg_namespace n, aclexplode(n.nspacl) a
		WHERE n.nspname = 'auth' AND a.grantee <> n.nspowner AND (a.privilege_type = 'CREATE' OR a.grantee = 0)`},

	{"definers pin their search path, with pg_temp at its end", `
		SELECT format('%s: %s', f.name, f.proconfig) FROM ours f
		WHERE f.prosecdef AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (f.proconfig), false)
		  -- Qualifies every name instead, for its speed; tests/permission attacks it.
		  AND f.oid <> 'auth.has_permission(uuid, text, uuid)'::regprocedure`},

	{"no other function has another search path", `
		SELECT format('%s: %s', f.name, s) FROM ours f, unnest(f.proconfig) s
		WHERE s LIKE 'search\_path=%' AND s <> 'search_path=pg_catalog, pg_temp'`},

	{"writers are not STRICT: a NULL argument would silently do nothing", `
		SELECT f.name FROM ours f WHERE f.provolatile = 'v' AND f.proisstrict`},

	{"no function is overloaded: a call by name means one function", `
		SELECT format('%s.%s', f.pronamespace::regnamespace, f.proname) FROM ours f
		GROUP BY f.pronamespace, f.proname HAVING count(*) > 1`},

	{"parameters of the API have names that begin with an underscore", `
		SELECT format('%s: %s', f.name, coalesce(f.proargnames[i], 'unnamed'))
		FROM ours f, generate_series(1, f.pronargs) i
		WHERE f.pronamespace = 'auth'::regnamespace
		  AND coalesce(f.proargmodes[i], 'i') IN ('i', 'b', 'v')
		  AND coalesce(f.proargnames[i], '') NOT LIKE '\_%'`},

	{"the group roles cannot write any table", `
		SELECT format('%s: %s', c.oid::regclass, r)
		FROM pg_class c, unnest('{rolewright_app,rolewright_operator,rolewright_auditor,public}'::text[]) r
		WHERE c.relnamespace IN ('auth'::regnamespace, 'unsecure'::regnamespace) AND c.relkind IN ('r', 'p', 'v', 'm')
		  AND (has_table_privilege(r, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
		       OR has_any_column_privilege(r, c.oid, 'INSERT, UPDATE, REFERENCES'))
		UNION ALL
		SELECT format('sequence %s: %s', c.oid::regclass, r)
		FROM pg_class c, unnest('{rolewright_app,rolewright_operator,rolewright_auditor,public}'::text[]) r
		WHERE c.relnamespace IN ('auth'::regnamespace, 'unsecure'::regnamespace) AND c.relkind = 'S'
		  AND has_sequence_privilege(r, c.oid, 'USAGE, UPDATE')`},

	{"the group roles can read tables of schema auth only", `
		SELECT format('%s: %s', c.oid::regclass, r)
		FROM pg_class c, unnest('{rolewright_app,rolewright_operator,rolewright_auditor,public}'::text[]) r
		WHERE c.relnamespace = 'unsecure'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
		  AND has_table_privilege(r, c.oid, 'SELECT')`},

	{"everything belongs to one owner", `
		SELECT f.name FROM ours f JOIN pg_namespace n ON n.nspname = 'auth' WHERE f.proowner <> n.nspowner
		UNION ALL
		SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.nspname = 'auth'
		WHERE c.relnamespace IN ('auth'::regnamespace, 'unsecure'::regnamespace) AND c.relowner <> n.nspowner`},

	{"every foreign key has an index, so that deleting a parent does not read the whole table", `
		SELECT format('%s.%s', k.conrelid::regclass, k.conname) FROM pg_constraint k
		WHERE k.contype = 'f' AND k.connamespace = 'auth'::regnamespace
		  AND NOT EXISTS (SELECT FROM pg_index i
		                  WHERE i.indrelid = k.conrelid AND i.indpred IS NULL
		                    AND (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey)`},

	{"every table has a primary key", `
		SELECT c.oid::regclass::text FROM pg_class c
		WHERE c.relnamespace IN ('auth'::regnamespace, 'unsecure'::regnamespace) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
		  AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)`},
}

const ours = `
	WITH ours AS (
		SELECT p.*, p.oid::regprocedure::text AS name FROM pg_proc p
		WHERE p.pronamespace IN ('auth'::regnamespace, 'unsecure'::regnamespace)
	)`

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

func TestHygiene(t *testing.T) {
	t.Parallel()
	db := harness.Database(t)
	for _, check := range rules {
		t.Run(check.rule, func(t *testing.T) {
			for _, offender := range harness.Column[string](t, db, ours+check.sql) {
				t.Error(offender)
			}
		})
	}
}
