// Package sqlcheck_test is the static check of everything that sql/ installs.
package sqlcheck_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rolewright/rolewright/tests/harness"
)

// Every PL/pgSQL function, and a trigger function once for every trigger that calls it: NEW and OLD are that table's rows.
const checkAll = `
	WITH checked AS (
		SELECT p.oid, 0::oid AS relid, NULL::name AS oldtable, NULL::name AS newtable
		FROM pg_proc p
		WHERE p.prorettype <> 'trigger'::regtype
		UNION
		SELECT t.tgfoid, t.tgrelid, t.tgoldtable, t.tgnewtable
		FROM pg_trigger t
		WHERE NOT t.tgisinternal AND t.tgparentid = 0
	)
	SELECT p.oid::regprocedure::text AS function, coalesce(nullif(k.relid, 0)::regclass::text, '') AS table,
	       coalesce(c.lineno, 0) AS line, c.level, coalesce(c.sqlstate, '') AS sqlstate, c.message,
	       coalesce(c.detail, '') AS detail, coalesce(c.hint, '') AS hint
	FROM checked k
	JOIN pg_proc p ON p.oid = k.oid
	CROSS JOIN LATERAL public.plpgsql_check_function_tb(
	    p.oid, k.relid, oldtable => k.oldtable, newtable => k.newtable,
	    fatal_errors => false, extra_warnings => true, security_warnings => true) AS c
	WHERE p.pronamespace IN ('auth'::regnamespace, 'unsecure'::regnamespace)
	  AND p.prolang = (SELECT oid FROM pg_language WHERE lanname = 'plpgsql')
	ORDER BY 1, 2, 3`

type finding struct {
	Function, Table string
	Line            int
	Level, SQLState string
	Message         string
	Detail, Hint    string
}

// A finding that is meant to be there, and why.
var accepted = []struct{ function, message, why string }{
	{
		"unsecure.hold_roles(text[])",
		"the expression is not SQL injection safe", "a list of names, each by quote_ident",
	},
	{
		"auth.sync_roles(jsonb)",
		"text type variable is not sanitized", "whole statements, which unsecure.grant_script makes",
	},
}

func TestPlpgsqlCheck(t *testing.T) {
	t.Parallel()
	conn := harness.Connect(t, harness.Database(t).SuperURL)
	ctx := t.Context()
	if _, err := conn.Exec(ctx, "CREATE EXTENSION plpgsql_check SCHEMA public"); err != nil {
		var refusal *pgconn.PgError
		missing := errors.As(err, &refusal) && (refusal.Code == "58P01" || refusal.Code == "0A000")
		if missing && os.Getenv("ROLEWRIGHT_REQUIRE_PLPGSQL_CHECK") == "" {
			t.Skip("this server has no plpgsql_check (Debian: postgresql-15-plpgsql-check); functions are not checked")
		}
		t.Fatal(err)
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	// The functions of the streamed sync read temporary tables that its first step makes.
	harness.Exec(t, tx, `
		SELECT auth.begin_identity_sync(auth.create_provider(_code => 'check', _name => 'Check', _provider_type => 'ldap'))`)
	findings := harness.Rows[finding](t, tx, checkAll)
	used := make([]bool, len(accepted))
	for _, f := range findings {
		i := slices.IndexFunc(accepted, func(a struct{ function, message, why string }) bool {
			return a.function == f.Function && a.message == f.Message
		})
		if i >= 0 {
			used[i] = true
			continue
		}
		t.Errorf("%s %s line %d: %s %s: %s %s %s", f.Function, f.Table, f.Line, f.Level, f.SQLState, f.Message, f.Detail, f.Hint)
	}
	for i, a := range accepted {
		if !used[i] {
			t.Errorf("%s: %q is accepted, but is not found any more", a.function, a.message)
		}
	}
}
