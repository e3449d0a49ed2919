package authdb

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"
)

// GrantChange is a row of a plan of grants, with what to look at twice.
type GrantChange struct {
	Change
	Hazards []string `json:"hazards" db:"hazards"` // loses access, takes a lock, …
}

// GrantPlan is what is, or was, to be done in one database.
type GrantPlan struct {
	Database string        `json:"database"`
	Hash     string        `json:"plan_hash"`
	Changes  []GrantChange `json:"changes"`
}

// grantPlan calls a function that returns rows of auth.change.
func (db *DB) grantPlan(ctx context.Context, function string, a args) (GrantPlan, error) {
	plan := GrantPlan{Changes: []GrantChange{}}
	rows, err := db.q.Query(ctx, `
		WITH plan AS MATERIALIZED (
		    SELECT c FROM `+callSQL(function, a)+` AS c
		)
		SELECT current_database()::text, h.hash, (p.c).ordinal, (p.c).action, (p.c).role_name, (p.c).object, (p.c).statement, (p.c).reason,
		       auth.change_hazards(p.c)
		FROM (SELECT auth.plan_hash(coalesce(array_agg(q.c ORDER BY (q.c).ordinal), '{}')) AS hash FROM plan q) AS h
		LEFT JOIN plan p ON true
		ORDER BY (p.c).ordinal`, a)
	if err != nil {
		return plan, err
	}
	var ordinal *int
	var action, role *string
	var c GrantChange
	_, err = pgx.ForEachRow(rows, []any{&plan.Database, &plan.Hash, &ordinal, &action, &role, &c.Object, &c.Statement, &c.Reason, &c.Hazards}, func() error {
		if ordinal != nil { // else the plan is empty
			c.Ordinal, c.Action, c.RoleName = *ordinal, *action, *role
			plan.Changes = append(plan.Changes, c)
		}
		c = GrantChange{}
		return nil
	})
	return plan, err
}

// PlanRoles calls auth.plan_roles with a declaration, anything that is one as JSON.
func (db *DB) PlanRoles(ctx context.Context, declaration any) (GrantPlan, error) {
	return db.grantPlan(ctx, "plan_roles", args{"declaration": declaration})
}

// SyncRoles calls auth.sync_roles.
func (db *DB) SyncRoles(ctx context.Context, declaration any) (GrantPlan, error) {
	return db.grantPlan(ctx, "sync_roles", args{"declaration": declaration})
}

// DeclareRoles calls auth.declare_roles, which returns how many stored declarations it changed.
func (db *DB) DeclareRoles(ctx context.Context, declaration any) (int, error) {
	return call[int](ctx, db, "declare_roles", args{"declaration": declaration})
}

// PlanScript calls auth.plan_script.
func (db *DB) PlanScript(ctx context.Context, declaration any) ([]string, error) {
	a := args{"declaration": declaration}
	rows, err := db.q.Query(ctx, "SELECT * FROM "+callSQL("plan_script", a), a)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// Drift calls auth.drift; nil is for all roles.
func (db *DB) Drift(ctx context.Context, roles *[]string) (GrantPlan, error) {
	return db.grantPlan(ctx, "drift", args{"role_names": roles})
}

// ApplyDrift calls auth.apply_drift; nil is for all roles.
func (db *DB) ApplyDrift(ctx context.Context, roles *[]string) (GrantPlan, error) {
	return db.grantPlan(ctx, "apply_drift", args{"role_names": roles})
}

// DumpRoles calls auth.dump_roles, which returns a declaration; nil is for all roles.
func (db *DB) DumpRoles(ctx context.Context, roles *[]string) (json.RawMessage, error) {
	return call[json.RawMessage](ctx, db, "dump_roles", args{"role_names": roles})
}

// PasswordSalt is what it takes to make the verifier of a password again.
type PasswordSalt struct {
	RoleName   string `db:"role_name"`
	Salt       []byte `db:"salt"`
	Iterations int    `db:"iterations"`
}

// PasswordSalts calls auth.password_salts: of the passwords that declarations have set.
func (db *DB) PasswordSalts(ctx context.Context, roles []string) ([]PasswordSalt, error) {
	a := args{"role_names": roles}
	return all[PasswordSalt](ctx, db, "SELECT role_name, salt, iterations FROM "+callSQL("password_salts", a), a)
}

// AccessPath is a row of auth.explain_access.
type AccessPath struct {
	Path        string   `json:"path" db:"path"`
	Kind        string   `json:"kind" db:"kind"`
	IsEffective bool     `json:"is_effective" db:"is_effective"`
	IsGrantable *bool    `json:"is_grantable" db:"is_grantable"`
	Roles       []string `json:"roles" db:"roles"`
	Inherits    []*bool  `json:"inherits" db:"inherits"`
	Sets        []*bool  `json:"sets" db:"sets"`
	Grantors    []string `json:"grantors" db:"grantors"`
	Source      *string  `json:"source" db:"source"`
	EndsWith    *string  `json:"ends_with" db:"ends_with"`
}

// ExplainAccess calls auth.explain_access.
func (db *DB) ExplainAccess(ctx context.Context, role, object, privilege string) ([]AccessPath, error) {
	a := args{"role_name": role, "object": object, "privilege": privilege}
	return all[AccessPath](ctx, db, `
		SELECT path, kind, is_effective, is_grantable, roles, inherits, sets, grantors, source, ends_with
		FROM `+callSQL("explain_access", a), a)
}

// Holder is a row of auth.who_can.
type Holder struct {
	RoleName    string   `json:"role_name" db:"role_name"`
	CanLogin    *bool    `json:"can_login" db:"can_login"` // nil: PUBLIC
	IsEffective bool     `json:"is_effective" db:"is_effective"`
	Kind        string   `json:"kind" db:"kind"`
	Path        string   `json:"path" db:"path"`
	IsGrantable *bool    `json:"is_grantable" db:"is_grantable"`
	Source      *string  `json:"source" db:"source"`
	Missing     []string `json:"missing" db:"missing"`
}

// WhoCan calls auth.who_can.
func (db *DB) WhoCan(ctx context.Context, privilege, object string) ([]Holder, error) {
	a := args{"privilege": privilege, "object": object}
	return all[Holder](ctx, db, `
		SELECT role_name, can_login, is_effective, kind, path, is_grantable, source, missing
		FROM `+callSQL("who_can", a), a)
}

// RemainingAccess is a row of auth.remaining_access.
type RemainingAccess struct {
	Way       string  `json:"way" db:"way"`
	Object    *string `json:"object" db:"object"`
	Privilege *string `json:"privilege" db:"privilege"`
	Path      *string `json:"path" db:"path"`
	Statement *string `json:"statement" db:"statement"`
}

// RemainingAccess calls auth.remaining_access.
func (db *DB) RemainingAccess(ctx context.Context, role string) ([]RemainingAccess, error) {
	a := args{"role_name": role}
	return all[RemainingAccess](ctx, db, `
		SELECT way, object, privilege, path, statement FROM `+callSQL("remaining_access", a), a)
}
