package grant_test

import (
	"strings"
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

// What a database looks like where people have worked: three extensions with some thousand objects, and roles with privileges on things of
// every kind. Statements are separated by lines.
const realSetup = `
CREATE ROLE dd_owner
CREATE ROLE dd_reader LOGIN CONNECTION LIMIT 7 VALID UNTIL '2031-02-03 04:05:06+00'
CREATE ROLE "dd Writer" LOGIN
CREATE ROLE dd_group
CREATE ROLE dd_lead
GRANT dd_group TO dd_reader
CREATE SCHEMA h AUTHORIZATION dd_owner
CREATE SCHEMA i
CREATE SCHEMA "L.x"
CREATE EXTENSION hstore SCHEMA h
CREATE EXTENSION isn SCHEMA i
CREATE EXTENSION ltree SCHEMA "L.x"
CREATE EXTENSION postgres_fdw SCHEMA i
CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw
CREATE TABLE h.a (id integer, name text, "Pay" numeric)
CREATE TABLE h.b (id integer, name text)
CREATE TABLE h.c (id serial)
CREATE TABLE "L.x"."T.""1" (p "L.x".ltree, q integer)
ALTER TABLE h.b OWNER TO dd_owner
CREATE VIEW h.v AS SELECT id FROM h.a
CREATE MATERIALIZED VIEW h.m AS SELECT 1 AS one
CREATE TABLE h.parted (k integer) PARTITION BY LIST (k)
CREATE FOREIGN TABLE h.far (x integer) SERVER far
CREATE SEQUENCE i.s
CREATE DOMAIN i.positive AS integer CHECK (VALUE > 0)
CREATE TYPE i.pair AS (a integer, b integer)
CREATE FUNCTION i.twice(integer) RETURNS integer LANGUAGE sql AS 'SELECT $1 * 2'
CREATE PROCEDURE i.work(integer) LANGUAGE sql AS ''
ALTER FUNCTION i.twice(integer) OWNER TO dd_owner
SELECT lo_create(424242)
SET allow_in_place_tablespaces = on
CREATE TABLESPACE dd_space LOCATION ''
GRANT USAGE ON SCHEMA h, i, "L.x" TO dd_reader, "dd Writer"
GRANT SELECT ON ALL TABLES IN SCHEMA h TO dd_reader
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA h TO "dd Writer"
GRANT SELECT ON "L.x"."T.""1" TO dd_lead WITH GRANT OPTION
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA h TO "dd Writer"
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA h TO dd_reader
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA "L.x" TO "dd Writer" WITH GRANT OPTION
GRANT USAGE ON TYPE h.hstore, i.isbn, "L.x".ltree TO dd_reader
GRANT SELECT (p) ON "L.x"."T.""1" TO dd_reader
GRANT UPDATE (id, name) ON h.a TO dd_reader
GRANT CONNECT ON DATABASE {db} TO dd_reader
GRANT ALL ON DATABASE {db} TO "dd Writer"
GRANT USAGE ON LANGUAGE plpgsql TO dd_reader
GRANT USAGE ON FOREIGN SERVER far TO dd_reader
GRANT SET ON PARAMETER work_mem TO dd_reader
GRANT CREATE ON TABLESPACE dd_space TO "dd Writer"
ALTER DEFAULT PRIVILEGES FOR ROLE dd_owner IN SCHEMA h GRANT SELECT ON TABLES TO dd_reader
ALTER DEFAULT PRIVILEGES FOR ROLE dd_owner GRANT USAGE ON SEQUENCES TO "dd Writer"`

// What somebody does by hand, one change each.
const realChanges = `
GRANT INSERT ON h.a TO dd_reader
REVOKE SELECT ON h.c FROM dd_reader
GRANT TRUNCATE ON h.v TO dd_reader
REVOKE SELECT ON h.m FROM "dd Writer"
REVOKE ALL ON h.parted FROM "dd Writer"
GRANT TRIGGER ON h.far TO dd_group
GRANT REFERENCES ON h.parted TO dd_lead
GRANT SELECT ON pg_catalog.pg_authid TO dd_reader
GRANT SELECT ON "L.x"."T.""1" TO dd_group
REVOKE GRANT OPTION FOR SELECT ON "L.x"."T.""1" FROM dd_lead
GRANT SELECT ON h.b TO dd_reader WITH GRANT OPTION
GRANT SELECT (name) ON h.a TO dd_group
REVOKE UPDATE (name) ON h.a FROM dd_reader
GRANT INSERT (q), REFERENCES (p) ON "L.x"."T.""1" TO dd_lead
GRANT SELECT (rolname) ON pg_catalog.pg_authid TO dd_group
GRANT UPDATE ON SEQUENCE h.c_id_seq TO dd_reader
REVOKE USAGE ON SEQUENCE h.c_id_seq FROM "dd Writer"
GRANT SELECT ON SEQUENCE i.s TO dd_lead
GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_file(text) TO dd_reader
REVOKE EXECUTE ON FUNCTION h.akeys(h.hstore) FROM dd_reader
REVOKE EXECUTE ON FUNCTION "L.x".subpath("L.x".ltree, integer) FROM "dd Writer"
REVOKE GRANT OPTION FOR EXECUTE ON FUNCTION "L.x".nlevel("L.x".ltree) FROM "dd Writer"
GRANT EXECUTE ON PROCEDURE i.work(integer) TO dd_reader
GRANT USAGE ON TYPE i.pair TO dd_group
GRANT USAGE ON DOMAIN i.positive TO dd_group
REVOKE USAGE ON TYPE i.isbn FROM dd_reader
GRANT CREATE ON SCHEMA i TO dd_reader
REVOKE USAGE ON SCHEMA "L.x" FROM "dd Writer"
GRANT USAGE ON SCHEMA pg_toast TO dd_lead
GRANT TEMPORARY ON DATABASE {db} TO dd_reader
REVOKE CREATE ON DATABASE {db} FROM "dd Writer"
GRANT USAGE ON LANGUAGE sql TO dd_group
REVOKE USAGE ON LANGUAGE plpgsql FROM dd_reader
GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO dd_reader
REVOKE USAGE ON FOREIGN SERVER far FROM dd_reader
GRANT CREATE ON TABLESPACE dd_space TO dd_reader
GRANT ALTER SYSTEM ON PARAMETER work_mem TO dd_group
REVOKE SET ON PARAMETER work_mem FROM dd_reader
GRANT SELECT, UPDATE ON LARGE OBJECT 424242 TO dd_group
ALTER DEFAULT PRIVILEGES FOR ROLE dd_owner IN SCHEMA h REVOKE SELECT ON TABLES FROM dd_reader
ALTER DEFAULT PRIVILEGES FOR ROLE dd_owner GRANT EXECUTE ON FUNCTIONS TO dd_reader
ALTER DEFAULT PRIVILEGES FOR ROLE dd_owner GRANT CREATE ON SCHEMAS TO dd_lead
GRANT dd_lead TO "dd Writer"
REVOKE dd_group FROM dd_reader
GRANT pg_read_all_data TO dd_group
ALTER ROLE dd_reader CONNECTION LIMIT -1
ALTER ROLE "dd Writer" NOLOGIN
ALTER TABLE h.b OWNER TO dd_group
ALTER FUNCTION i.twice(integer) OWNER TO dd_reader
ALTER SCHEMA i OWNER TO dd_lead`

func lines(sql, database string) []string {
	return strings.Split(strings.TrimSpace(strings.ReplaceAll(sql, "{db}", database)), "\n")
}

// A database is adopted by dumping it; what is done by hand afterwards is what the plan lists, no more and no less.
func TestAdoptedDatabaseDriftsByWhatIsDoneByHandAlone(t *testing.T) {
	t.Parallel()
	server := harness.Cluster(t)
	if server.Major < 15 {
		t.Skip("privileges on parameters came with PostgreSQL 15")
	}
	db := server.Database(t)
	super := harness.Connect(t, db.SuperURL)
	for _, s := range lines(realSetup, db.Name) {
		harness.Exec(t, super, s)
	}
	const dump = `SELECT jsonb_pretty(auth.dump_roles())`
	const plan = `SELECT concat_ws(' | ', action, role_name, object, statement, reason) FROM auth.plan_roles($1) ORDER BY ordinal`
	first := harness.One[string](t, super, dump)
	if n := strings.Count(first, `"type"`); n < 150 {
		t.Fatalf("only %d grants in the dump: %s", n, first)
	}
	if got := harness.Column[string](t, super, plan, first); len(got) != 0 {
		t.Fatalf("the plan of the dump is not empty:\n%s", strings.Join(got, "\n"))
	}

	changes := lines(realChanges, db.Name)
	if len(changes) != 50 {
		t.Fatalf("%d changes", len(changes))
	}
	for n, s := range changes {
		harness.Exec(t, super, s)
		if got := harness.Column[string](t, super, plan, first); len(got) != n+1 {
			t.Fatalf("%d changes are planned after %d by hand, the last of which was %s:\n%s", len(got), n+1, s, strings.Join(got, "\n"))
		}
	}
	done := harness.Column[string](t, super, strings.Replace(plan, "plan_roles", "sync_roles", 1), first)
	if len(done) != 50 {
		t.Errorf("%d changes were made:\n%s", len(done), strings.Join(done, "\n"))
	}
	if got := harness.Column[string](t, super, plan, first); len(got) != 0 {
		t.Errorf("left to do:\n%s", strings.Join(got, "\n"))
	}
	if again := harness.One[string](t, super, dump); again != first {
		t.Errorf("the second dump differs:\n%s\nwas\n%s", again, first)
	}
}
