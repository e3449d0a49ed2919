package role_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	gosync "sync" // the package has a function sync
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rolewright/rolewright/tests/harness"
)

// remove deletes an identity as somebody who logged in; arguments are named ones, as SQL.
func (o office) remove(ctx context.Context, role, name string, arguments string) error {
	url, err := pgx.ParseConfig(o.SuperURL)
	if err != nil {
		return err
	}
	if role != "" {
		url.User = role
	}
	conn, err := pgx.ConnectConfig(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if arguments != "" {
		arguments = ", " + arguments
	}
	_, err = conn.Exec(ctx, `CALL auth.delete_identity($1, 'left the company'`+arguments+`)`, name)
	return err
}

func (o office) mustRemove(t testing.TB, role, name, arguments string) {
	t.Helper()
	if err := o.remove(t.Context(), role, name, arguments); err != nil {
		var e *pgconn.PgError
		if errors.As(err, &e) {
			t.Fatalf("%v\n%s\n%s\n%s", err, e.Detail, e.Hint, e.Where[:min(len(e.Where), 300)])
		}
		t.Fatal(err)
	}
	o.requireGone(t, name)
}

func (o office) mustRefuse(t testing.TB, role, name, arguments, sqlstate string) *pgconn.PgError {
	t.Helper()
	var refusal *pgconn.PgError
	if err := o.remove(t.Context(), role, name, arguments); !errors.As(err, &refusal) || refusal.Code != sqlstate {
		detail := ""
		if refusal != nil {
			detail = refusal.Detail
		}
		t.Fatalf("want %s, got %v %s", sqlstate, err, detail)
	}
	return refusal
}

func (o office) requireGone(t testing.TB, name string) {
	t.Helper()
	if left := o.proof(t, name); len(left) != 0 {
		t.Errorf("%q: left: %v", name, left)
	}
	if harness.One[bool](t, o.DB, `SELECT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = $1 OR rolname LIKE 'rolewright\_deleted%')`, name) {
		t.Errorf("role %q is still there", name)
	}
	if state := harness.One[string](t, o.DB, `SELECT state FROM auth.database_role WHERE role_name = $1 AND role_oid IS NULL`, name); state != "deleted" {
		t.Errorf("%q is %s", name, state)
	}
	o.requireNoOrphan(t)
}

func (o office) requireNoOrphan(t testing.TB) {
	t.Helper()
	for _, orphan := range harness.Column[string](t, o.super, `
		SELECT to_jsonb(m)::text FROM pg_catalog.pg_auth_members m
		WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE oid = m.roleid)
		   OR NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE oid = m.member)
		   OR NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE oid = m.grantor)
		UNION ALL
		SELECT to_jsonb(d)::text FROM pg_catalog.pg_shdepend d
		WHERE d.refclassid = 'pg_authid'::regclass AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE oid = d.refobjid)`) {
		t.Errorf("orphan: %s", orphan)
	}
}

func (o office) requireActive(t testing.TB, name string) {
	t.Helper()
	if !harness.One[bool](t, o.DB, `
		SELECT r.rolcanlogin AND d.state = 'active' AND u.is_active
		FROM pg_catalog.pg_roles r
		JOIN auth.database_role d ON d.role_oid = r.oid
		JOIN auth.user_info u ON u.user_id = d.user_id
		WHERE r.rolname = $1`, name) {
		t.Errorf("%q was changed", name)
	}
}

func (o office) ownerOf(t testing.TB, relation string) string {
	t.Helper()
	return harness.One[string](t, o.super, `
		SELECT coalesce((SELECT relowner::regrole::text FROM pg_class WHERE oid = to_regclass($1)),
		                (SELECT proowner::regrole::text FROM pg_proc WHERE oid = to_regproc($1)), 'gone')`, relation)
}

// Who deletes: an operator with the rights of Rolewright's owner, the owner, and a superuser with rights of his own.
var callers = map[string]string{"operator": "operator", "owner": harness.Owner, "superuser": ""}

func eachCaller(t *testing.T, run func(t *testing.T, caller string)) {
	for name, caller := range callers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, caller)
		})
	}
}

func TestDeleteRefusesWithTheFullListBeforeAnyChange(t *testing.T) {
	t.Parallel()
	eachCaller(t, func(t *testing.T, caller string) {
		o := newOffice(t, "ann")
		harness.Exec(t, o.super, `CREATE SCHEMA work AUTHORIZATION ann`)
		for i := range 150 {
			harness.Exec(t, o.super, fmt.Sprintf(`CREATE TABLE work.t%d (a int); ALTER TABLE work.t%[1]d OWNER TO ann`, i))
		}
		other := o.server.Empty(t)
		harness.Exec(t, other.Super(t), `CREATE TABLE public.there (a int); ALTER TABLE public.there OWNER TO ann`)
		before := o.ownMemberships(t)

		refusal := o.mustRefuse(t, caller, "ann", "", "RW514")
		for i := range 150 {
			if !strings.Contains(refusal.Detail, fmt.Sprintf("table work.t%d: owner", i)) {
				t.Fatalf("work.t%d is not in the list:\n%s", i, refusal.Detail)
			}
		}
		if !strings.Contains(refusal.Detail, other.Name) || strings.Count(refusal.Detail, "\n") != 151 {
			t.Errorf("%d lines, want all 152, and database %s", strings.Count(refusal.Detail, "\n")+1, other.Name)
		}
		for _, arguments := range []string{"_drop_owned => true", "_reassign_to => 'operator'", "_drop_owned => true, _force => true"} {
			refusal = o.mustRefuse(t, caller, "ann", arguments, "RW514")
			if !strings.Contains(refusal.Hint, other.Name) || !strings.Contains(refusal.Hint, "rolewright delete") || !strings.Contains(refusal.Detail, "pg_class") {
				t.Errorf("%s: %s %s", arguments, refusal.Detail, refusal.Hint)
			}
		}
		o.requireActive(t, "ann")
		if after := o.ownMemberships(t); after != before {
			t.Errorf("memberships of the owner: %s\nbefore: %s", after, before)
		}
		if got := len(o.dependencies(t, "ann")); got != 152 {
			t.Errorf("%d dependencies", got)
		}

		// What the CLI does in the other database.
		script := harness.One[string](t, o.DB, `SELECT auth.removal_script('ann', _drop_owned => true)`)
		harness.Exec(t, other.Super(t), script)
		o.mustRemove(t, caller, "ann", "_drop_owned => true")
	})
}

func TestDeleteRefuses(t *testing.T) {
	t.Parallel()
	o := newOffice(t, "ann", "bob")
	harness.Exec(t, o.super, `CREATE ROLE stranger LOGIN; GRANT rolewright_operator TO ann; REVOKE rolewright_operator FROM operator; SELECT auth.protect_role('bob')`)
	for _, r := range []struct{ caller, name, arguments, sqlstate string }{
		{harness.Owner, "ann", "", "RW515"},
		{"ann", "ann", "", "RW503"},
		{harness.Owner, "bob", "", "RW503"},
		{harness.Owner, "stranger", "", "RW011"},
		{harness.Owner, "nobody", "", "RW011"},
		{harness.Owner, harness.Owner, "", "RW503"},
		{harness.Owner, "pg_monitor", "", "RW503"},
		{"stranger", "bob", "", "42501"},
	} {
		if refusal := o.mustRefuse(t, r.caller, r.name, r.arguments, r.sqlstate); r.sqlstate != "42501" && refusal.Hint == "" {
			t.Errorf("%v: no hint", r)
		}
	}
	harness.Exec(t, o.super, `SELECT auth.unprotect_role('bob')`)
	for _, r := range []struct{ arguments, sqlstate string }{
		{"_reassign_to => 'nobody'", "RW019"},
		{"_reassign_to => 'bob'", "RW503"},
		{"_reassign_to => 'pg_monitor'", "RW503"},
	} {
		_ = o.mustRefuse(t, harness.Owner, "bob", r.arguments, r.sqlstate)
	}
	harness.MustFail(t, o.DB, "RW519", `CALL auth.delete_identity('bob', NULL)`)
	tx, err := o.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	harness.MustFail(t, tx, "2D000", `CALL auth.delete_identity('bob', 'left')`)
	_ = tx.Rollback(t.Context())
	o.requireActive(t, "ann")
	o.requireActive(t, "bob")
	for _, step := range []string{
		`SELECT auth.remove_role_objects('bob', _drop_owned => true)`, `SELECT auth.remove_role_objects('bob', _drop_owned => true, _rehearse => NULL)`, `SELECT * FROM auth.begin_role_drop('bob', 'left')`,
		`SELECT * FROM auth.finish_role_drop('bob', 'left')`,
	} {
		harness.MustFail(t, o.DB, "RW511", step)
	}
	harness.Exec(t, o.DB, `CALL auth.deprovision_identity('bob', 'left')`)
	harness.MustFail(t, o.DB, "RW511", `SELECT auth.begin_role_drop('bob', 'left'), pg_sleep(0), auth.finish_role_drop('bob', 'left')`)
	o.mustRemove(t, harness.Owner, "bob", "")
}

// Schema public as it is from PostgreSQL 15 on.
const estate = `
	ALTER SCHEMA public OWNER TO pg_database_owner;
	REVOKE CREATE ON SCHEMA public FROM PUBLIC;
	CREATE SCHEMA work AUTHORIZATION ann;
	GRANT CREATE, USAGE ON SCHEMA public TO ann;
	CREATE TABLE public.secret (word text);
	INSERT INTO public.secret VALUES ('xyzzy');
	ALTER TABLE public.secret OWNER TO boss;
	CREATE TABLE public.loot (word text);
	ALTER TABLE public.loot OWNER TO boss;
	GRANT ALL ON public.loot TO PUBLIC;
	GRANT USAGE ON SCHEMA work TO PUBLIC;
	GRANT SELECT ON public.loot TO ann;
	SET ROLE ann;
	CREATE TABLE work.data (id serial PRIMARY KEY, name text);
	CREATE INDEX ON work.data (lower(name));
	INSERT INTO work.data (name) VALUES ('one');
	GRANT SELECT ON work.data TO bob;
	CREATE TABLE public.data2 (a int);
	CREATE VIEW work.view AS SELECT * FROM work.data;
	CREATE MATERIALIZED VIEW public.matview AS SELECT 1 AS one;
	CREATE FUNCTION work.definer() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT word FROM public.secret';
	CREATE PROCEDURE public.proc() LANGUAGE sql SECURITY DEFINER AS 'INSERT INTO public.loot SELECT word FROM public.secret';
	CREATE FUNCTION work.pure(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1';
	CREATE FUNCTION work.state(int, int) RETURNS int LANGUAGE sql AS 'SELECT 1';
	CREATE AGGREGATE work.agg(int) (SFUNC = work.state, STYPE = int);
	CREATE FUNCTION work.steal() RETURNS trigger LANGUAGE plpgsql AS
		$$BEGIN INSERT INTO public.loot SELECT word FROM public.secret; RETURN NEW; END$$;
	CREATE TABLE work.triggered (a int);
	CREATE TRIGGER steal BEFORE INSERT ON work.triggered FOR EACH ROW EXECUTE FUNCTION work.steal();
	CREATE TABLE work.guarded (a int);
	CREATE POLICY guard ON work.guarded USING (work.definer() <> '');
	CREATE TABLE work.ruled (a int);
	CREATE RULE thief AS ON INSERT TO work.ruled DO ALSO INSERT INTO public.loot SELECT word FROM public.secret;
	GRANT INSERT ON work.ruled TO bob;
	CREATE TABLE work.indexed (a text);
	CREATE INDEX ON work.indexed (work.pure(a));
	CREATE TABLE work.partial (a text);
	CREATE INDEX ON work.partial (a) WHERE work.pure(a) = 'x';
	CREATE TABLE work.defaulted (a text DEFAULT work.definer());
	CREATE TABLE work.checked (a text CHECK (work.pure(a) = 'x'));
	CREATE TABLE work.generated (a text, b text GENERATED ALWAYS AS (work.pure(a)) STORED);
	CREATE DOMAIN work.odd AS text CHECK (work.pure(VALUE) = 'x');
	CREATE TABLE work.domained (a work.odd);
	CREATE TABLE work.counted (a text);
	CREATE STATISTICS work.stat ON (work.pure(a)) FROM work.counted;
	CREATE TYPE work.mood AS ENUM ('fine');
	CREATE TABLE work.parted (a int) PARTITION BY RANGE (a);
	CREATE TABLE work.part PARTITION OF work.parted FOR VALUES FROM (1) TO (9);
	ALTER DEFAULT PRIVILEGES IN SCHEMA work GRANT SELECT ON TABLES TO bob;
	RESET ROLE;
	CREATE POLICY hers ON public.secret TO ann;
	CREATE VIEW public.others AS SELECT * FROM work.data`

var dataTables = []string{"work.data", "work.data_id_seq", "public.data2", "work.parted", "work.part"}
var code = []string{
	"work.view", "public.matview", "work.definer", "public.proc", "work.pure", "work.state", "work.agg", "work.steal", "work.triggered", "work.guarded",
	"work.ruled", "work.indexed", "work.partial", "work.defaulted", "work.checked", "work.generated", "work.domained", "work.counted",
}

func TestDeleteReassignsDataAndNotCode(t *testing.T) {
	t.Parallel()
	eachCaller(t, func(t *testing.T, caller string) {
		o := newOffice(t, "ann", "bob", "boss")
		harness.Exec(t, o.super, estate)
		before := o.ownMemberships(t)
		plan := harness.Column[string](t, harness.Connect(t, o.URL(t, "operator")), `SELECT concat_ws(' ', action, statement) FROM auth.plan_delete('ann', 'boss')`)
		joined := strings.Join(plan, "\n")
		for _, part := range []string{
			"ALTER ROLE ann NOLOGIN", "ALTER ROUTINE work.definer() OWNER TO rolewright_code_owner", "REASSIGN OWNED BY ann TO boss", "DROP OWNED BY ann", "drop DROP ROLE ann",
		} {
			if !strings.Contains(joined, part) {
				t.Errorf("no %q in the plan:\n%s", part, joined)
			}
		}
		o.requireActive(t, "ann")
		if harness.One[bool](t, o.DB, `SELECT to_regrole('rolewright_code_owner') IS NOT NULL`) {
			t.Error("the plan created a role")
		}

		o.mustRemove(t, caller, "ann", "_reassign_to => 'boss'")
		for _, name := range dataTables {
			if owner := o.ownerOf(t, name); owner != "boss" {
				t.Errorf("%s belongs to %s", name, owner)
			}
		}
		for _, name := range code {
			if owner := o.ownerOf(t, name); owner != "rolewright_code_owner" {
				t.Errorf("%s belongs to %s", name, owner)
			}
		}
		if after := o.ownMemberships(t); strings.ReplaceAll(after, "\n", "") == "" && before != "" {
			t.Errorf("memberships of the owner: %s\nbefore: %s", after, before)
		}
		held := harness.Column[string](t, o.super, `SELECT grantor::regrole::text || ' ' || to_jsonb(m)::text FROM pg_auth_members m
			WHERE member = $1::regrole AND roleid IN ('boss'::regrole, 'rolewright_code_owner'::regrole)
			  AND (to_jsonb(m) ->> 'inherit_option' = 'true' OR to_jsonb(m) ->> 'set_option' = 'true' OR NOT to_jsonb(m) ? 'set_option')`, harness.Owner)
		if len(held) != 0 {
			t.Errorf("the owner kept %v", held)
		}
		powers := harness.Column[string](t, o.super, `
			SELECT rolname FROM pg_roles WHERE rolname = 'rolewright_code_owner' AND (rolcanlogin OR rolsuper OR rolcreaterole OR rolcreatedb)
			UNION ALL SELECT 'member of ' || roleid::regrole FROM pg_auth_members WHERE member = 'rolewright_code_owner'::regrole
			UNION ALL SELECT 'CREATE on ' || nspname FROM pg_namespace WHERE nspname IN ('work', 'public')
			          AND has_schema_privilege('rolewright_code_owner', oid, 'CREATE')`)
		if len(powers) != 0 {
			t.Errorf("the code owner has %v", powers)
		}
		if !harness.One[bool](t, o.DB, `SELECT EXISTS (SELECT FROM auth.protected_role WHERE role_name = 'rolewright_code_owner')
			AND shobj_description('rolewright_code_owner'::regrole, 'pg_authid') LIKE 'Rolewright%'`) {
			t.Error("the code owner is not protected, or has no comment")
		}

		// Bob keeps what he was granted, and gets no further with what Ann left behind.
		bob := harness.Connect(t, o.URL(t, "bob"))
		if n := harness.One[int](t, bob, `SELECT count(*) FROM work.data`); n != 1 {
			t.Errorf("%d rows", n)
		}
		for _, attack := range []string{`SELECT work.definer()`, `CALL public.proc()`, `INSERT INTO work.ruled VALUES (1)`, `SELECT * FROM public.secret`} {
			harness.MustFail(t, bob, "42501", attack)
		}
		harness.Exec(t, o.super, `REINDEX TABLE work.indexed; ANALYZE`)
		if n := harness.One[int](t, o.super, `SELECT count(*) FROM public.loot`); n != 0 {
			t.Error("the secret is out")
		}
	})
}

func TestDeleteReassignsCodeWhenToldTo(t *testing.T) {
	t.Parallel()
	eachCaller(t, func(t *testing.T, caller string) {
		o := newOffice(t, "ann", "bob", "boss")
		harness.Exec(t, o.super, estate)
		o.mustRemove(t, caller, "ann", "_reassign_to => 'boss', _reassign_code => true")
		for _, name := range append(dataTables, code...) {
			if owner := o.ownerOf(t, name); owner != "boss" {
				t.Errorf("%s belongs to %s", name, owner)
			}
		}
		if harness.One[bool](t, o.super, `SELECT to_regrole('rolewright_code_owner') IS NOT NULL`) {
			t.Error("there is a code owner, and it owns nothing")
		}
		if harness.One[bool](t, o.super, `SELECT has_schema_privilege('boss', 'public', 'CREATE')`) {
			t.Error("the successor kept CREATE on schema public")
		}
	})
}

// A successor who has more to lose is refused the code by anybody but an administrator.
func TestCodeForAnElevatedSuccessorNeedsAnAdministrator(t *testing.T) {
	t.Parallel()
	o := newOffice(t, "ann")
	harness.Exec(t, o.super, `CREATE ROLE mighty CREATEDB; CREATE SCHEMA work AUTHORIZATION ann`)
	_ = o.mustRefuse(t, "operator", "ann", "_reassign_to => 'mighty', _reassign_code => true", "RW513")
	o.requireActive(t, "ann")
	o.mustRemove(t, "", "ann", "_reassign_to => 'mighty', _reassign_code => true")
}

func TestASuccessorThatTheOwnerCannotTakeIsRefusedBeforeAnyChange(t *testing.T) {
	t.Parallel()
	o := newOffice(t, "ann")
	harness.Exec(t, o.super, `CREATE SCHEMA work AUTHORIZATION ann; CREATE ROLE big SUPERUSER`)
	refusal := o.mustRefuse(t, "operator", "ann", "_reassign_to => 'big'", "RW514")
	if !strings.Contains(refusal.Hint, "superuser") {
		t.Error(refusal.Hint)
	}
	o.requireActive(t, "ann")
	if o.server.Major >= 16 {
		harness.Exec(t, o.super, `CREATE ROLE foreigner`)
		refusal = o.mustRefuse(t, "operator", "ann", "_reassign_to => 'foreigner'", "RW514")
		if !strings.Contains(refusal.Hint, "GRANT foreigner TO "+harness.Owner+" WITH ADMIN OPTION") {
			t.Error(refusal.Hint)
		}
		o.requireActive(t, "ann")
		plan := harness.Column[string](t, o.DB, `SELECT action || ' ' || reason FROM auth.plan_delete('ann', 'foreigner')`)
		if !strings.HasPrefix(plan[0], "conflict role "+harness.Owner+" cannot take") {
			t.Error(plan)
		}
		harness.Exec(t, o.super, `GRANT foreigner TO `+harness.Owner+` WITH ADMIN OPTION`)
		before := o.ownMemberships(t)
		o.mustRemove(t, "operator", "ann", "_reassign_to => 'foreigner'")
		if after := o.ownMemberships(t); !strings.Contains(before, after) && len(after) >= len(before) {
			t.Errorf("memberships of the owner: %s\nbefore: %s", after, before)
		}
	}
}

func TestDeleteDropsWhatIsOwned(t *testing.T) {
	t.Parallel()
	eachCaller(t, func(t *testing.T, caller string) {
		o := newOffice(t, "ann", "bob", "boss")
		harness.Exec(t, o.super, estate)
		refusal := o.mustRefuse(t, caller, "ann", "_drop_owned => true", "RW514")
		if !strings.Contains(refusal.Detail, "public.others") && !strings.Contains(refusal.Detail, "view others") {
			t.Errorf("bob's view is not named: %s", refusal.Detail)
		}
		o.requireActive(t, "ann")
		o.mustRemove(t, caller, "ann", "_drop_owned => true, _force => true")
		for _, name := range append([]string{"public.others"}, append(dataTables, code...)...) {
			if owner := o.ownerOf(t, name); owner != "gone" {
				t.Errorf("%s is there, and belongs to %s", name, owner)
			}
		}
		if owner := o.ownerOf(t, "public.secret"); owner != "boss" {
			t.Errorf("somebody else's table belongs to %s", owner)
		}
	})
}

// REVOKE acts as the object's owner, so that what a delegate granted stays, unless it is revoked as that delegate.
func TestDeleteRevokesWhatDelegatesGranted(t *testing.T) {
	t.Parallel()
	eachCaller(t, func(t *testing.T, caller string) {
		o := newOffice(t, "ann", "bob", "carol")
		harness.Exec(t, o.super, `
			CREATE SCHEMA "odd ""schema"; GRANT USAGE ON SCHEMA "odd ""schema" TO bob WITH GRANT OPTION;
			CREATE TABLE "odd ""schema"."the 'table" (a int, "b c" int); ALTER TABLE "odd ""schema"."the 'table" OWNER TO carol;
			CREATE SEQUENCE public.seq; CREATE FUNCTION public.f("x y" int, text) RETURNS int LANGUAGE sql AS 'SELECT 1';
			CREATE TYPE public."ty pe" AS ENUM (); SELECT lo_create(99);
			CREATE FOREIGN DATA WRAPPER fdw; CREATE SERVER "serv er" FOREIGN DATA WRAPPER fdw;
			GRANT SELECT, UPDATE ("b c") ON "odd ""schema"."the 'table" TO bob WITH GRANT OPTION;
			GRANT USAGE ON SEQUENCE public.seq TO bob WITH GRANT OPTION;
			GRANT EXECUTE ON FUNCTION public.f TO bob WITH GRANT OPTION;
			GRANT USAGE ON TYPE public."ty pe" TO bob WITH GRANT OPTION;
			GRANT SELECT ON LARGE OBJECT 99 TO bob WITH GRANT OPTION;
			GRANT USAGE ON FOREIGN SERVER "serv er" TO bob WITH GRANT OPTION;
			GRANT USAGE ON FOREIGN DATA WRAPPER fdw TO bob WITH GRANT OPTION;
			GRANT USAGE ON LANGUAGE plpgsql TO bob WITH GRANT OPTION;
			GRANT CREATE ON TABLESPACE pg_default TO bob WITH GRANT OPTION;
			GRANT CONNECT ON DATABASE `+o.Name+` TO bob WITH GRANT OPTION;
			SET ROLE bob;
			GRANT USAGE ON SCHEMA "odd ""schema" TO ann;
			GRANT SELECT, UPDATE ("b c") ON "odd ""schema"."the 'table" TO ann;
			GRANT USAGE ON SEQUENCE public.seq TO ann;
			GRANT EXECUTE ON FUNCTION public.f TO ann;
			GRANT USAGE ON TYPE public."ty pe" TO ann;
			GRANT SELECT ON LARGE OBJECT 99 TO ann;
			GRANT USAGE ON FOREIGN SERVER "serv er" TO ann;
			GRANT USAGE ON FOREIGN DATA WRAPPER fdw TO ann;
			GRANT USAGE ON LANGUAGE plpgsql TO ann;
			GRANT CREATE ON TABLESPACE pg_default TO ann;
			RESET ROLE;
			GRANT SELECT ON "odd ""schema"."the 'table" TO ann`)
		// On what belongs to Rolewright's owner itself, only a session of it can revoke as somebody else.
		want := 12
		if o.server.Major >= 15 {
			harness.Exec(t, o.super, `GRANT SET ON PARAMETER work_mem TO bob WITH GRANT OPTION; SET ROLE bob;
				GRANT SET ON PARAMETER work_mem TO ann; RESET ROLE`)
			want++
		}
		if caller != "operator" {
			harness.Exec(t, o.super, `SET ROLE bob; GRANT CONNECT ON DATABASE `+o.Name+` TO ann; RESET ROLE`)
			want++
		}
		before := o.ownMemberships(t)
		if n := len(o.dependencies(t, "ann")); n != want {
			t.Errorf("%d dependencies", n)
		}
		o.mustRemove(t, caller, "ann", "_drop_owned => true")
		for _, line := range o.dependencies(t, "bob") {
			if strings.Contains(line, "ann") {
				t.Errorf("left: %s", line)
			}
		}
		if caller != "" {
			if after := o.ownMemberships(t); !strings.Contains(before, after) && after != before && len(after) >= len(before) {
				t.Errorf("memberships of the owner: %s\nbefore: %s", after, before)
			}
		}
	})
}

func TestWhatOnlyASuperuserCanRevokeIsNamedBeforeAnyChange(t *testing.T) {
	t.Parallel()
	o := newOffice(t, "ann")
	harness.Exec(t, o.super, `CREATE TABLE public.secret (a int); GRANT SELECT ON public.secret TO ann`)
	superuser := harness.One[string](t, o.super, `SELECT current_user`)
	for _, caller := range []string{"operator", harness.Owner} {
		refusal := o.mustRefuse(t, caller, "ann", "_drop_owned => true", "RW514")
		if !strings.Contains(refusal.Detail, "SELECT granted by "+superuser) || !strings.Contains(refusal.Hint, "superuser") {
			t.Errorf("%s %s", refusal.Detail, refusal.Hint)
		}
		o.requireActive(t, "ann")
	}
	o.mustRemove(t, "", "ann", "_drop_owned => true")
}

// pg_database_owner takes no members, so nobody but the owner of the database can act for it.
func TestAGrantByTheDatabaseOwnerRoleIsNamedWithItsStatement(t *testing.T) {
	t.Parallel()
	o := newOffice(t, "ann", "boss")
	other := o.server.Empty(t)
	super := other.Super(t)
	harness.Exec(t, super, `
		ALTER SCHEMA public OWNER TO pg_database_owner;
		REVOKE CREATE ON SCHEMA public FROM PUBLIC;
		GRANT CREATE ON SCHEMA public TO ann;
		SET ROLE ann;
		CREATE FUNCTION public.hers() RETURNS int LANGUAGE sql AS 'SELECT 1';
		RESET ROLE;
		ALTER DATABASE `+other.Name+` OWNER TO `+harness.One[string](t, super, `SELECT current_user`))
	for arguments, want := range map[string]string{
		"_drop_owned => true":                            "schema public: privilege CREATE granted by pg_database_owner",
		"_reassign_to => 'boss', _reassign_code => true": "It needs CREATE on the schema",
		"_drop_owned => true, _rehearse => true":         "schema public: privilege CREATE granted by pg_database_owner",
	} {
		script := harness.One[string](t, o.DB, `SELECT auth.removal_script('ann', `+arguments+`)`)
		refusal := harness.MustFail(t, other, "RW514", script)
		if !strings.Contains(refusal.Detail, want) || !strings.Contains(refusal.Hint, "superuser") {
			t.Errorf("%s: %s %s", arguments, refusal.Detail, refusal.Hint)
		}
		if strings.Contains(arguments, "_reassign_to") {
			continue
		}
		_, statement, _ := strings.Cut(refusal.Hint, "As a superuser: ")
		statement, _, _ = strings.Cut(statement, ". Or ")
		if want := "SET ROLE pg_database_owner; REVOKE CREATE ON SCHEMA public FROM ann CASCADE; RESET ROLE"; statement != want {
			t.Errorf("statement %q, want %q", statement, want)
		}
		harness.Exec(t, super, "BEGIN; "+statement+"; SELECT 1 / (NOT has_schema_privilege('ann', 'public', 'CREATE'))::int; ROLLBACK")
	}
	harness.Exec(t, super, `SET ROLE pg_database_owner; REVOKE CREATE ON SCHEMA public FROM ann CASCADE; RESET ROLE`)
	harness.Exec(t, other, harness.One[string](t, o.DB, `SELECT auth.removal_script('ann', _drop_owned => true)`))
	o.mustRemove(t, harness.Owner, "ann", "_drop_owned => true")
}

func TestAPlanTellsOfOtherDatabases(t *testing.T) {
	t.Parallel()
	o := newOffice(t, "ann", "boss")
	other := o.server.Empty(t)
	harness.Exec(t, other.Super(t), `CREATE TABLE public.there (a int); ALTER TABLE public.there OWNER TO ann`)
	harness.Exec(t, o.super, `CREATE SCHEMA work AUTHORIZATION ann; CREATE TABLE work.t (a int); ALTER TABLE work.t OWNER TO ann;
		CREATE VIEW public.others AS SELECT * FROM work.t`)
	operator := harness.Connect(t, o.URL(t, "operator"))
	for arguments, want := range map[string][]string{
		"":                       {other.Name + ": pg_class", "table work.t: owner", "schema work: owner", "drop DROP ROLE ann"},
		"_drop_owned => true":    {other.Name + ": pg_class", "others depends on table work.t", "drop DROP ROLE ann"},
		"_reassign_to => 'boss'": {other.Name + ": pg_class", "alter REASSIGN OWNED BY ann TO boss", "drop DROP ROLE ann"},
	} {
		if arguments != "" {
			arguments = ", " + arguments
		}
		plan := strings.Join(harness.Column[string](t, operator, `
			SELECT concat_ws(' ', action, coalesce(statement, object)) FROM auth.plan_delete('ann'`+arguments+`) ORDER BY ordinal`), "\n")
		for _, part := range want {
			if strings.Count(plan, part) != 1 {
				t.Errorf("%s: want %q once in\n%s", arguments, part, plan)
			}
		}
		if !strings.HasPrefix(plan, "conflict ") {
			t.Errorf("%s: conflicts are not first:\n%s", arguments, plan)
		}
	}
	o.requireActive(t, "ann")
}

func TestWhatWasRemovedElsewhereIsRecordedAtHome(t *testing.T) {
	t.Parallel()
	o := newOffice(t, "ann")
	operator := harness.Connect(t, o.URL(t, "operator"))
	harness.Exec(t, operator, `SELECT auth.record_removal('ann', 'elsewhere', '["DROP OWNED BY ann"]'), auth.record_removal('ann', 'empty', '[]')`)
	requireSame(t, "audit", harness.Column[string](t, o.DB, `
		SELECT concat_ws(' ', u.username, e.session_user_name, e.before, e.after) FROM auth.audit_event e JOIN auth.user_info u USING (user_id)
		WHERE e.event_code = 'role.emptied'`), []string{`ann operator {"database": "elsewhere"} {"reported": ["DROP OWNED BY ann"], "role_name": "ann"}`})
	harness.Exec(t, o.DB, `SELECT auth.create_user('zoe')`)
	for arguments, sqlstate := range map[string]string{
		`'nobody', 'd', '[]'`: "RW011", `'zoe', 'd', '[]'`: "RW019", `'ann', NULL, '[]'`: "RW519", `'ann', 'd', NULL`: "RW519", `'ann', 'd', '{}'`: "RW519",
	} {
		harness.MustFail(t, operator, sqlstate, `SELECT auth.record_removal(`+arguments+`)`)
	}
}

func TestOthersLoseNothingThatTheLeaverGranted(t *testing.T) {
	t.Parallel()
	eachCaller(t, func(t *testing.T, caller string) {
		o := newOffice(t, "ann", "bob", "carol", "dan")
		harness.Exec(t, o.DB, `SELECT auth.bind_group_role(auth.create_user_group('team', 'Team'), 'team'); SELECT auth.apply_database_roles()`)
		// As its owner, since Rolewright's owner ends nobody else's memberships on PostgreSQL 16 and later.
		harness.Exec(t, o.DB, `GRANT team TO ann WITH ADMIN OPTION`)
		harness.Exec(t, o.super, `
			CREATE TABLE public.shared (a int); ALTER TABLE public.shared OWNER TO dan;
			GRANT SELECT ON public.shared TO ann WITH GRANT OPTION`)
		harness.Exec(t, o.super, `
			SET ROLE ann;
			GRANT team TO bob WITH ADMIN OPTION;
			GRANT SELECT ON public.shared TO bob WITH GRANT OPTION;
			SET ROLE bob;
			GRANT team TO carol;
			GRANT SELECT ON public.shared TO carol;
			RESET ROLE`)
		refusal := o.mustRefuse(t, caller, "ann", "_drop_owned => true", "RW514")
		for _, part := range []string{"SELECT of bob, granted by ann", "SELECT of carol, granted by bob"} {
			if !strings.Contains(refusal.Detail, part) {
				t.Errorf("no %q in %s", part, refusal.Detail)
			}
		}
		o.requireActive(t, "ann")
		o.mustRemove(t, caller, "ann", "_drop_owned => true, _force => true")
		members := harness.Column[string](t, o.super, `
			SELECT member::regrole || CASE WHEN bool_or(admin_option) THEN ' admin' ELSE '' END FROM pg_auth_members
			WHERE roleid = 'team'::regrole AND member <> $1::regrole GROUP BY member`, harness.Owner)
		requireSame(t, "members of team", members, []string{"bob admin", "carol"})
	})
}

func TestATombstoneKeepsTheName(t *testing.T) {
	t.Parallel()
	o := newOffice(t, "ann")
	oid := harness.One[uint32](t, o.DB, `SELECT oid FROM pg_catalog.pg_roles WHERE rolname = 'ann'`)
	o.mustRemove(t, "operator", "ann", "")
	tombstone := harness.One[string](t, o.DB, `
		SELECT concat_ws(' ', state, reason, recorded ->> 'role_oid', recorded -> 'attributes' ->> 'login') FROM auth.database_role WHERE role_name = 'ann'`)
	if want := fmt.Sprintf("deleted left the company %d true", oid); tombstone != want {
		t.Errorf("tombstone %q, want %q", tombstone, want)
	}
	// Once more, by name and by user: nothing happens.
	version := harness.One[string](t, o.DB, `SELECT xmin::text FROM auth.database_role WHERE role_name = 'ann'`)
	o.mustRemove(t, "operator", "ann", "")
	if again := harness.One[string](t, o.DB, `SELECT xmin::text FROM auth.database_role WHERE role_name = 'ann'`); again != version {
		t.Error("the tombstone was written again")
	}
	var report struct {
		AlreadyDeleted bool `json:"already_deleted"`
	}
	if err := o.Pool.QueryRow(t.Context(), `CALL auth.delete_identity('ann', 'again')`).Scan(&report); err != nil || !report.AlreadyDeleted {
		t.Error(report, err)
	}
	if n := len(harness.Column[string](t, o.DB, `SELECT action FROM auth.plan_delete('ann')`)); n != 0 {
		t.Errorf("a plan of %d rows", n)
	}
	harness.MustFail(t, o.DB, "RW516", `SELECT auth.bind_user_role(auth.create_user('other ann'), 'ann')`)
	harness.Exec(t, o.DB, `SELECT auth.bind_user_role(auth.create_user('third ann'), 'ann', _reuse_name => true); SELECT auth.apply_database_roles()`)
	if n := harness.One[int](t, o.DB, `SELECT count(*) FROM auth.plan_database_roles()`); n != 0 {
		t.Errorf("%d rows planned", n)
	}
	audit := harness.Column[string](t, o.DB, `
		SELECT event_code FROM auth.audit_event WHERE event_code IN ('role.dropped', 'database_role.updated') AND session_user_name = 'operator'`)
	if !strings.Contains(strings.Join(audit, " "), "role.dropped") {
		t.Error("no audit row of the drop")
	}
}

func TestARoleThatWasNeverCreatedOrIsGoneBecomesATombstone(t *testing.T) {
	t.Parallel()
	o := newOffice(t, "ann")
	harness.Exec(t, o.super, `DROP ROLE ann`)
	o.mustRemove(t, "operator", "ann", "")
	harness.Exec(t, o.DB, `SELECT auth.bind_user_role(auth.create_user('bob'), 'bob')`)
	o.mustRemove(t, "operator", "bob", "")
	harness.Exec(t, o.DB, `SELECT auth.create_user('zoe')`)
	if err := o.remove(t.Context(), "operator", "zoe", ""); err != nil {
		t.Error(err)
	}
	if harness.One[bool](t, o.DB, `SELECT is_active FROM auth.user_info WHERE username = 'zoe'`) {
		t.Error("zoe is active")
	}
}

var hostileLeavers = []string{
	`it's`, `a "quoted" name`, `%s%I%L`, `$d$`, `$script$; DROP TABLE x`, `{arguments}`, `{acl_query}`, `back\slash`, `select`, `-`, `--`, `UPPER`, ` space `,
	`"; DROP ROLE operator; --`, strings.Repeat("ü", 31) + "x", "naïve 雪", "a\nb",
}

func TestHostileNames(t *testing.T) {
	t.Parallel()
	for _, caller := range []string{"operator", ""} {
		o := newOffice(t)
		for i, name := range hostileLeavers {
			successor := hostileLeavers[(i+1)%len(hostileLeavers)] + "'"
			if len(successor) > 63 {
				successor = `"`
			}
			harness.Exec(t, o.super, `CREATE ROLE `+pgx.Identifier{successor}.Sanitize())
			if o.server.Major >= 16 {
				harness.Exec(t, o.super, `GRANT `+pgx.Identifier{successor}.Sanitize()+` TO `+harness.Owner+` WITH ADMIN OPTION`)
			}
			harness.Exec(t, o.DB, `INSERT INTO auth.database_role (role_name) VALUES ($1)`, name)
			harness.Exec(t, o.DB, `CREATE ROLE `+pgx.Identifier{name}.Sanitize()+` LOGIN`)
			harness.Exec(t, o.DB, `UPDATE auth.database_role r SET role_oid = a.oid FROM pg_catalog.pg_roles a WHERE a.rolname = r.role_name AND r.state = 'active'`)
			schema := pgx.Identifier{name}.Sanitize()
			harness.Exec(t, o.super, `CREATE SCHEMA `+schema+` AUTHORIZATION `+schema+`; SET ROLE `+schema+`;
				CREATE TABLE `+schema+`.`+schema+` (`+schema+` int);
				CREATE FUNCTION `+schema+`.`+schema+`() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'; RESET ROLE`)
			if err := o.remove(t.Context(), caller, name, ""); err == nil {
				t.Fatalf("%q: deleted with its objects", name)
			}
			o.mustRemove(t, caller, name, "_reassign_to => '"+strings.ReplaceAll(successor, "'", "''")+"'")
			owners := harness.Column[string](t, o.super, `
				SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = $1 AND relkind = 'r' AND pg_get_userbyid(relowner) = $2
				UNION ALL SELECT pg_get_userbyid(proowner) FROM pg_proc WHERE proname = $1 AND prosecdef`, name, successor)
			requireSame(t, name, owners, []string{successor, "rolewright_code_owner"})
		}
		if !harness.One[bool](t, o.super, `SELECT to_regrole('operator') IS NOT NULL`) {
			t.Error("an injection worked")
		}
	}
}

// Neither GRANT nor DROP ROLE waits for the other in PostgreSQL, and a membership of nobody is left.
func TestDeleteAgainstAnOpenGrant(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	harness.Exec(t, o.super, `CREATE ROLE team; CREATE ROLE minion; CREATE TABLE public.t (a int)`)
	grants := []string{`GRANT team TO %s`, `GRANT %s TO minion`, `GRANT team TO %s; GRANT SELECT ON public.t TO %[1]s`}
	for round := range 30 {
		name := fmt.Sprintf("ann%d", round)
		o.hire(t, name)
		tx, err := o.super.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		harness.Exec(t, tx, fmt.Sprintf(grants[round%3], name))
		done := make(chan error, 1)
		go func() { done <- o.remove(t.Context(), []string{"operator", ""}[round%2], name, "_drop_owned => true") }()
		time.Sleep(time.Duration(20+round*10) * time.Millisecond)
		if err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			var refusal *pgconn.PgError
			if !errors.As(err, &refusal) || refusal.Code != "RW514" && refusal.Code != "RW517" && refusal.Code != "RW506" {
				t.Errorf("round %d: %v", round, err)
			}
			t.Logf("round %d: %v", round, err)
			o.mustRemove(t, "", name, "_drop_owned => true")
		}
		o.requireGone(t, name)
	}
}

// GRANTs by name, as fast as they can, while the role goes.
func TestDeleteAgainstManyGrants(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	harness.Exec(t, o.super, `CREATE ROLE team`)
	for round := range 10 {
		name := fmt.Sprintf("ann%d", round)
		o.hire(t, name)
		ctx, stop := context.WithCancel(t.Context())
		var group gosync.WaitGroup
		for range 4 {
			group.Go(func() {
				conn, err := o.super.Acquire(ctx)
				if err != nil {
					return
				}
				defer conn.Release()
				for ctx.Err() == nil {
					_, err := conn.Exec(t.Context(), `GRANT team TO `+name)
					var refusal *pgconn.PgError
					if errors.As(err, &refusal) && refusal.Code == "42704" {
						return
					}
					_, _ = conn.Exec(t.Context(), `REVOKE team FROM `+name)
				}
			})
		}
		err := o.remove(t.Context(), "", name, "")
		stop()
		group.Wait()
		if err != nil {
			t.Logf("round %d: %v", round, err)
			o.mustRemove(t, "", name, "")
		}
		o.requireGone(t, name)
	}
}

func TestTwoDeletesAtOnce(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for round := range 10 {
		name := fmt.Sprintf("ann%d", round)
		o.hire(t, name)
		harness.Exec(t, o.super, fmt.Sprintf(`CREATE SCHEMA %s AUTHORIZATION %[1]s`, name))
		var group gosync.WaitGroup
		errs := make([]error, 3)
		for i, caller := range []string{"operator", harness.Owner, ""} {
			group.Go(func() { errs[i] = o.remove(t.Context(), caller, name, "_drop_owned => true") })
		}
		group.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Errorf("round %d: %v", round, err)
		}
		o.requireGone(t, name)
	}
}

func TestDeleteEndsSessions(t *testing.T) {
	t.Parallel()
	eachCaller(t, func(t *testing.T, caller string) {
		o := newOffice(t, "ann")
		harness.Exec(t, o.super, `CREATE SCHEMA work AUTHORIZATION ann; CREATE TABLE work.t (a int); ALTER TABLE work.t OWNER TO ann`)
		conn := harness.Connect(t, o.URL(t, "ann"))
		harness.Exec(t, conn, `BEGIN; LOCK TABLE work.t`)
		o.mustRemove(t, caller, "ann", "_drop_owned => true")
		if err := conn.Ping(t.Context()); err == nil {
			t.Error("the session lives")
		}
	})
}

// Every step that was committed before a failure is not done again.
func TestDeleteGoesOnAfterAFailure(t *testing.T) {
	t.Parallel()
	steps := []string{
		`CALL auth.deprovision_identity('ann', 'left')`,
		`SELECT auth.remove_role_objects('ann', _reassign_to => 'bob')`,
		`SELECT auth.begin_role_drop('ann', 'left')`,
	}
	for n := range len(steps) + 1 {
		o := newOffice(t, "ann", "bob")
		harness.Exec(t, o.super, `CREATE SCHEMA work AUTHORIZATION ann; CREATE ROLE late`)
		conn := harness.Connect(t, o.URL(t, "operator"))
		for _, step := range steps[:n] {
			harness.Exec(t, conn, step)
		}
		if n == len(steps) {
			doomed := harness.One[string](t, o.super, `SELECT rolname FROM pg_roles WHERE rolname LIKE 'rolewright\_deleted%'`)
			harness.Exec(t, o.super, `GRANT late TO `+doomed)
			harness.Exec(t, o.DB, `SELECT * FROM auth.leaver_proof('ann')`)
		}
		o.mustRemove(t, "operator", "ann", "_reassign_to => 'bob'")
		if owner := harness.One[string](t, o.super, `SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'work'`); owner != "bob" {
			t.Errorf("after %d steps: work belongs to %s", n, owner)
		}
	}
}

func TestDeleteWorksWhateverTheSessionsDefaultsAre(t *testing.T) {
	t.Parallel()
	o := newOffice(t, "ann")
	harness.Exec(t, o.super, `CREATE SCHEMA work AUTHORIZATION ann; CREATE SCHEMA evil; CREATE FUNCTION evil.quote_ident(text) RETURNS text LANGUAGE sql AS 'SELECT 1/0';
		GRANT USAGE ON SCHEMA evil TO PUBLIC; ALTER ROLE operator SET default_transaction_isolation = 'serializable';
		ALTER ROLE operator SET search_path = evil, pg_catalog; ALTER ROLE operator SET DateStyle = 'German'`)
	o.mustRemove(t, "operator", "ann", "_drop_owned => true")
}

func TestDeleteKeepsTheOwnersMemberships(t *testing.T) {
	t.Parallel()
	for _, caller := range []string{"operator", harness.Owner} {
		o := newOffice(t, "ann", "boss")
		if o.server.Major >= 16 {
			// Its own, smaller than what is taken for the deletion.
			harness.Exec(t, o.DB, `GRANT boss TO CURRENT_USER WITH INHERIT FALSE, SET TRUE`)
		}
		harness.Exec(t, o.super, `CREATE SCHEMA work AUTHORIZATION ann; CREATE ROLE other; GRANT other TO `+harness.Owner)
		before := o.ownMemberships(t)
		annOID := harness.One[uint32](t, o.super, `SELECT 'ann'::regrole::oid`)
		o.mustRemove(t, caller, "ann", "_reassign_to => 'boss'")
		var kept []string
		for line := range strings.SplitSeq(before, "\n") {
			if !strings.Contains(line, fmt.Sprintf(`"roleid": "%d"`, annOID)) {
				kept = append(kept, line)
			}
		}
		if after := o.ownMemberships(t); after != strings.Join(kept, "\n") {
			t.Errorf("memberships of the owner:\n%s\nbefore:\n%s", after, before)
		}
	}
}

func TestASuperuserDeletesWhatTheOwnerMayNotAdminister(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	harness.Exec(t, o.super, `CREATE ROLE root2 SUPERUSER LOGIN; CREATE ROLE foreign_one LOGIN REPLICATION BYPASSRLS;
		CREATE SCHEMA work AUTHORIZATION foreign_one; SELECT auth.adopt_role('root2'), auth.adopt_role('foreign_one')`)
	if o.server.Major >= 16 {
		_ = o.mustRefuse(t, "operator", "foreign_one", "_drop_owned => true", "RW514")
	}
	_ = o.mustRefuse(t, "operator", "root2", "", "RW514")
	if !harness.One[bool](t, o.super, `SELECT bool_and(rolcanlogin) FROM pg_roles WHERE rolname IN ('root2', 'foreign_one')`) {
		t.Error("a refusal changed something")
	}
	o.mustRemove(t, "", "foreign_one", "_drop_owned => true")
	o.mustRemove(t, "", "root2", "")
}
