package grant_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rolewright/rolewright/tests/harness"
)

func TestRemainingAccessIsWhatNoDeclarationGives(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	e.dba(t, `CREATE DATABASE other`)
	e.dba(t, `
		CREATE ROLE "Odd.Ann" LOGIN CREATEDB; CREATE ROLE readers; CREATE ROLE base; CREATE ROLE root SUPERUSER; CREATE ROLE known; CREATE ROLE holder;
		GRANT readers, known, holder TO "Odd.Ann"; GRANT base TO readers; GRANT pg_read_all_data TO base; GRANT root TO readers; GRANT pg_signal_backend TO "Odd.Ann";
		CREATE SCHEMA mine AUTHORIZATION "Odd.Ann"; CREATE TABLE mine.declared (id serial); ALTER TABLE mine.declared OWNER TO "Odd.Ann";
		CREATE TABLE mine."T.t" (); ALTER TABLE mine."T.t" OWNER TO "Odd.Ann";
		CREATE OPERATOR mine.@@@ (leftarg = int, rightarg = int, function = int4pl); ALTER OPERATOR mine.@@@ (int, int) OWNER TO "Odd.Ann";
		ALTER DEFAULT PRIVILEGES FOR ROLE "Odd.Ann" GRANT SELECT ON TABLES TO base;
		ALTER DATABASE other OWNER TO "Odd.Ann";
		REVOKE TEMPORARY ON DATABASE other FROM PUBLIC;
		REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC; REVOKE CREATE ON SCHEMA public FROM PUBLIC`)
	e.dba(t, `
		GRANT USAGE ON SCHEMA app TO PUBLIC; GRANT SELECT (id), UPDATE (id) ON app.orders TO PUBLIC; GRANT SELECT ON pg_authid TO PUBLIC;
		REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA app FROM PUBLIC; REVOKE EXECUTE ON ALL PROCEDURES IN SCHEMA app FROM PUBLIC;
		GRANT SELECT, INSERT ON app.totals TO base WITH GRANT OPTION; SET ROLE base; GRANT SELECT, INSERT ON app.totals TO PUBLIC; RESET ROLE;
		CREATE SCHEMA closed; CREATE TABLE closed.t (); GRANT SELECT ON closed.t TO PUBLIC;
		INSERT INTO auth.role_declaration (role_name, grants) VALUES ('Odd.Ann', '[
			{"type": "membership", "role": "known"}, {"type": "membership", "role": "pg_signal_backend"}, {"type": "schema", "name": "mine", "owner": true},
			{"type": "table", "schema": "mine", "pattern": "decl.*", "owner": true}, {"type": "table", "schema": "app", "name": "totals", "privileges": ["insert"]}]');
		INSERT INTO auth.intermediate_role (role_name, role_oid, object_kind, object_oid, privileges)
		VALUES ('holder', 'holder'::regrole, 'table', 'app.orders'::regclass, '{DELETE}')`)
	// As a superuser, which it can become, it could use any schema.
	e.dba(t, `ALTER ROLE root NOSUPERUSER BYPASSRLS`)
	same(t, e.remaining(t, "Odd.Ann"), `
		attribute: role "Odd.Ann": CREATEDB: "Odd.Ann": ALTER ROLE "Odd.Ann" NOCREATEDB
		attribute: role root: BYPASSRLS: "Odd.Ann" → readers → SET ROLE root: REVOKE readers FROM "Odd.Ann"`+e.by("postgres")+`
		predefined: role pg_read_all_data: INHERIT: "Odd.Ann" → readers → base → pg_read_all_data: REVOKE readers FROM "Odd.Ann"`+e.by("postgres")+`
		membership: role readers: INHERIT, SET: "Odd.Ann" → readers: REVOKE readers FROM "Odd.Ann"`+e.by("postgres")+`
		owner: database other: OWNER: "Odd.Ann": ALTER DATABASE other OWNER TO CURRENT_USER
		owner: operator mine.@@@(integer,integer): OWNER: "Odd.Ann": ALTER OPERATOR mine.@@@(integer,integer) OWNER TO CURRENT_USER
		owner: table mine."T.t": OWNER: "Odd.Ann": ALTER TABLE mine."T.t" OWNER TO CURRENT_USER
		public: column app.orders.id: SELECT, UPDATE: PUBLIC: REVOKE SELECT, UPDATE (id) ON TABLE app.orders FROM PUBLIC
		public: database other: CONNECT: PUBLIC: REVOKE CONNECT ON DATABASE other FROM PUBLIC
		public: database `+e.Name+`: CONNECT, TEMPORARY: PUBLIC: REVOKE CONNECT, TEMPORARY ON DATABASE `+e.Name+` FROM PUBLIC
		public: schema app: USAGE: PUBLIC: REVOKE USAGE ON SCHEMA app FROM PUBLIC
		public: schema public: USAGE: PUBLIC: REVOKE USAGE ON SCHEMA public FROM PUBLIC
		public: table app.totals: SELECT: PUBLIC: SET ROLE base; REVOKE SELECT ON TABLE app.totals FROM PUBLIC; RESET ROLE
		public: table closed.t: SELECT: PUBLIC: REVOKE SELECT ON TABLE closed.t FROM PUBLIC
		public: table pg_catalog.pg_authid: SELECT: PUBLIC: REVOKE SELECT ON TABLE pg_catalog.pg_authid FROM PUBLIC`)
	// pg_read_all_data may use every schema; without it, a table that PUBLIC may read is out of reach.
	e.dba(t, `REVOKE pg_read_all_data FROM base`)
	if got := e.remaining(t, "Odd.Ann"); strings.Contains(got, "closed.t") || strings.Contains(got, "pg_read_all_data") {
		t.Error(got)
	}
	harness.MustFail(t, e, "RW019", `SELECT auth.remaining_access('nobody')`)
	harness.MustFail(t, e, "RW019", `SELECT auth.remaining_access(NULL)`)
}

func TestWhatIsOwnedInOtherDatabasesIsCounted(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	e.dba(t, `CREATE DATABASE other`)
	e.dba(t, `CREATE ROLE ann; REVOKE CONNECT ON DATABASE other FROM PUBLIC`)
	other := harness.Connect(t, strings.Replace(e.SuperURL, "/"+e.Name, "/other", 1))
	harness.Exec(t, other, `CREATE TABLE public.t (); ALTER TABLE public.t OWNER TO ann; CREATE VIEW public.v AS SELECT 1; ALTER VIEW public.v OWNER TO ann`)
	if got := e.remaining(t, "ann"); !strings.HasPrefix(got, "owner: database other: 2 in pg_class: OWNER: ann: REASSIGN OWNED BY ann TO CURRENT_USER\n") {
		t.Error(got)
	}
}

// Each statement runs, and what it says is gone then; with statements of other databases left out.
func TestRemainingAccessEndsWithItsStatements(t *testing.T) {
	t.Parallel()
	for _, seed := range []uint64{11} {
		e := newEstate(t)
		e.shuffle(t, seed)
		e.dba(t, `
			CREATE SCHEMA more; CREATE STATISTICS more.s ON id, price FROM app.orders; CREATE COLLATION more.c FROM "C"; CREATE PUBLICATION p;
			CREATE TEXT SEARCH CONFIGURATION more.tc (copy = pg_catalog.simple); CREATE TEXT SEARCH DICTIONARY more.td (template = pg_catalog.simple);
			CREATE CONVERSION more.cv FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8; CREATE OPERATOR FAMILY more.f USING btree;
			CREATE OPERATOR CLASS more.oc FOR TYPE int USING hash AS OPERATOR 1 pg_catalog.=; CREATE MATERIALIZED VIEW more.m AS SELECT 1;
			ALTER STATISTICS more.s OWNER TO a; ALTER COLLATION more.c OWNER TO a; ALTER PUBLICATION p OWNER TO a; ALTER TEXT SEARCH CONFIGURATION more.tc OWNER TO a;
			ALTER TEXT SEARCH DICTIONARY more.td OWNER TO a; ALTER CONVERSION more.cv OWNER TO a; ALTER OPERATOR FAMILY more.f USING btree OWNER TO a;
			ALTER OPERATOR CLASS more.oc USING hash OWNER TO a; ALTER MATERIALIZED VIEW more.m OWNER TO a; ALTER SCHEMA more OWNER TO a; ALTER TYPE app.span OWNER TO a;
			ALTER FUNCTION app."odd (n" OWNER TO a; ALTER PROCEDURE app.work OWNER TO a; ALTER TABLE app."Odd.ta(b)""le" OWNER TO a`)
		tried := 0
		for _, role := range append(randomRoles, "app_owner", harness.Owner) {
			for _, row := range harness.Rows[struct{ Way, Object, Privilege, Path, Statement string }](t, e, `
				SELECT way, object, privilege, path, statement FROM auth.remaining_access($1)
				WHERE statement IS NOT NULL AND object NOT LIKE 'database %: %' AND ($1 <> $2 OR way <> 'owner' OR object LIKE 'database %')`, role, harness.Owner) {
				tried++
				_ = pgx.BeginFunc(t.Context(), e.super, func(tx pgx.Tx) error {
					if _, err := tx.Exec(t.Context(), row.Statement); err != nil {
						t.Errorf("%q: %v in %s", role, err, row.Statement)
						return err
					}
					if n := harness.One[int](t, tx, `SELECT count(*) FROM auth.remaining_access($1) WHERE (way, object, path) = ($2, $3, $4)`,
						role, row.Way, row.Object, row.Path); n != 0 {
						t.Errorf("%q: still there after %s: %+v", role, row.Statement, row)
					}
					return pgx.ErrTxCommitRollback
				})
			}
		}
		if tried < 100 {
			t.Errorf("%d statements were tried", tried)
		}
	}
}
