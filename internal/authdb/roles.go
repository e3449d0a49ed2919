package authdb

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// Change is a row of a plan, auth.change.
type Change struct {
	Ordinal   int     `json:"ordinal" db:"ordinal"`
	Action    string  `json:"action" db:"action"` // create, alter, grant, revoke, drop or conflict
	RoleName  string  `json:"role_name" db:"role_name"`
	Object    *string `json:"object" db:"object"`
	Statement *string `json:"statement" db:"statement"`
	Reason    *string `json:"reason" db:"reason"`
}

// IsConflict tells what cannot be done from what can.
func (c Change) IsConflict() bool { return c.Action == "conflict" }

// Role is a row of auth.database_role, with the names of its user and provider, and what the catalog says.
type Role struct {
	DatabaseRoleID   string          `json:"database_role_id" db:"database_role_id"`
	RoleName         string          `json:"role_name" db:"role_name"`
	RoleKind         string          `json:"role_kind" db:"role_kind"`
	State            string          `json:"state" db:"state"`
	Username         *string         `json:"username" db:"username"`
	ProviderCode     *string         `json:"provider_code" db:"provider_code"`
	ActualName       *string         `json:"actual_name" db:"actual_name"` // nil: there is no such role
	CanLogin         *bool           `json:"can_login" db:"can_login"`
	RequiresIdentity bool            `json:"requires_identity" db:"requires_identity"`
	StripsElevated   bool            `json:"strips_elevated" db:"strips_elevated"`
	Recorded         json.RawMessage `json:"recorded" db:"recorded"`
	Reason           *string         `json:"reason" db:"reason"`
	StateChangedAt   time.Time       `json:"state_changed_at" db:"state_changed_at"`
	CreatedAt        time.Time       `json:"created_at" db:"created_at"`
	UpdatedAt        time.Time       `json:"updated_at" db:"updated_at"`
}

// RoleSwitches are the attributes that a role has or has not.
type RoleSwitches struct {
	Login       bool `json:"login" db:"login"`
	Superuser   bool `json:"superuser" db:"superuser"`
	CreateDB    bool `json:"createdb" db:"createdb"`
	CreateRole  bool `json:"createrole" db:"createrole"`
	Inherit     bool `json:"inherit" db:"inherit"`
	Replication bool `json:"replication" db:"replication"`
	BypassRLS   bool `json:"bypassrls" db:"bypassrls"`
}

// RoleAttributes is what the catalog says of a role.
type RoleAttributes struct {
	RoleSwitches
	ConnectionLimit int                `json:"connection_limit" db:"connection_limit"`
	ValidUntil      pgtype.Timestamptz `json:"valid_until" db:"valid_until"`
	Comment         *string            `json:"comment" db:"comment"`
	Settings        []string           `json:"settings" db:"settings"` // name=value, or name=value in database …
}

// RoleMembership is a membership in the catalog. Inherit and Set are nil before PostgreSQL 16.
type RoleMembership struct {
	RoleName  string  `json:"role_name" db:"role_name"`
	GroupRole string  `json:"group_role" db:"group_role"`
	Grantor   *string `json:"grantor" db:"grantor"`
	Admin     bool    `json:"admin" db:"admin"`
	Inherit   *bool   `json:"inherit" db:"inherit"`
	Set       *bool   `json:"set" db:"set"`
	IsManual  bool    `json:"is_manual" db:"is_manual"` // given by auth.manage_relationship
	IsMakers  bool    `json:"is_makers" db:"is_makers"` // what PostgreSQL 16 and later give Rolewright's owner, who made the role
}

// GroupBinding is a row of auth.group_role: who is in the group is a member of the role.
type GroupBinding struct {
	GroupCode string `json:"group_code" db:"group_code"`
	RoleName  string `json:"role_name" db:"role_name"`
	Inherit   *bool  `json:"inherit" db:"inherit"` // nil: as the member's attribute says
	Set       bool   `json:"set" db:"set"`
	Admin     bool   `json:"admin" db:"admin"`
}

// RoleFilter narrows Roles; nil filters nothing, but what was deleted is there only when State says so.
type RoleFilter struct {
	Role  *string // id
	User  *string // id
	State *string
	Kind  *string
	Match *string // part of the name of the role or its user, without regard to case
	Limit int     // 0: all
}

// MembershipOptions are what a membership is given with; nil is the default.
type MembershipOptions struct{ Inherit, Set, Admin *bool }

// RoleID finds a role in the registry by its name: the managed one, else the one that was deleted last.
func (db *DB) RoleID(ctx context.Context, name string) (string, error) {
	return first[string](ctx, db, &NotFoundError{"managed role", name, "rolewright role list shows them all; role adopt takes an existing one under management."},
		`SELECT database_role_id::text FROM auth.database_role WHERE role_name = @name
		 ORDER BY state = 'deleted', state_changed_at DESC LIMIT 1`, args{"name": name})
}

// Roles lists the roles of the registry.
func (db *DB) Roles(ctx context.Context, f RoleFilter) ([]Role, error) {
	return all[Role](ctx, db, `
		SELECT r.database_role_id, r.role_name, r.role_kind, r.state, u.username, p.code AS provider_code,
		       a.rolname::text AS actual_name, a.rolcanlogin AS can_login, r.requires_identity, r.strips_elevated, r.recorded,
		       r.reason, r.state_changed_at, r.created_at, r.updated_at
		FROM auth.database_role r
		LEFT JOIN auth.user_info u USING (user_id)
		LEFT JOIN auth.provider p USING (provider_id)
		LEFT JOIN pg_catalog.pg_roles a ON a.oid = r.role_oid
		WHERE (@role::uuid IS NULL OR r.database_role_id = @role)
		  AND (@user::uuid IS NULL OR r.user_id = @user)
		  AND CASE WHEN @state::text IS NOT NULL THEN r.state = @state ELSE r.state <> 'deleted' OR @role::uuid IS NOT NULL END
		  AND (@kind::text IS NULL OR r.role_kind = @kind)
		  AND (@match::text IS NULL OR strpos(lower(concat_ws(E'\n', r.role_name, u.username)), lower(@match)) > 0)
		ORDER BY r.role_name, r.state_changed_at LIMIT nullif(@limit::bigint, 0)`,
		args{"role": f.Role, "user": f.User, "state": f.State, "kind": f.Kind, "match": f.Match, "limit": f.Limit})
}

// Role reads one role of the registry.
func (db *DB) Role(ctx context.Context, id string) (Role, error) {
	return single(db.Roles(ctx, RoleFilter{Role: &id}))
}

// RoleAttributes reads the attributes of a role in the catalog.
func (db *DB) RoleAttributes(ctx context.Context, name string) (RoleAttributes, error) {
	return single(all[RoleAttributes](ctx, db, `
		SELECT r.rolcanlogin AS login, r.rolsuper AS superuser, r.rolcreatedb AS createdb, r.rolcreaterole AS createrole,
		       r.rolinherit AS inherit, r.rolreplication AS replication, r.rolbypassrls AS bypassrls,
		       r.rolconnlimit AS connection_limit, r.rolvaliduntil AS valid_until,
		       pg_catalog.shobj_description(r.oid, 'pg_authid') AS comment,
		       ARRAY(SELECT c || coalesce(' in database ' || quote_ident(d.datname), '')
		             FROM pg_catalog.pg_db_role_setting s
		             LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
		             CROSS JOIN LATERAL unnest(s.setconfig) AS c
		             WHERE s.setrole = r.oid ORDER BY d.datname NULLS FIRST, c) AS settings
		FROM pg_catalog.pg_roles r WHERE r.rolname = @name`, args{"name": name}))
}

// RoleMemberships reads from the catalog what a role is a member of and who is a member of it.
func (db *DB) RoleMemberships(ctx context.Context, name string) ([]RoleMembership, error) {
	// The options came with PostgreSQL 16.
	return all[RoleMembership](ctx, db, `
		SELECT m.rolname::text AS role_name, g.rolname::text AS group_role, o.rolname::text AS grantor, a.admin_option AS admin,
		       (to_jsonb(a) ->> 'inherit_option')::boolean AS inherit, (to_jsonb(a) ->> 'set_option')::boolean AS set,
		       EXISTS (SELECT FROM auth.role_membership k
		               JOIN auth.database_role r ON r.database_role_id = k.database_role_id
		               JOIN auth.database_role h ON h.database_role_id = k.group_role_id
		               WHERE r.role_oid = m.oid AND h.role_oid = g.oid) AS is_manual,
		       coalesce(a.grantor = 10 AND a.admin_option AND NOT (to_jsonb(a) ->> 'inherit_option')::boolean
		                AND NOT (to_jsonb(a) ->> 'set_option')::boolean
		                AND m.oid = (SELECT n.nspowner FROM pg_catalog.pg_namespace n WHERE n.nspname = 'auth'), false) AS is_makers
		FROM pg_catalog.pg_auth_members a
		JOIN pg_catalog.pg_roles m ON m.oid = a.member
		JOIN pg_catalog.pg_roles g ON g.oid = a.roleid
		LEFT JOIN pg_catalog.pg_roles o ON o.oid = a.grantor
		WHERE @name IN (m.rolname, g.rolname)
		ORDER BY m.rolname <> @name, g.rolname, m.rolname, o.rolname`, args{"name": name})
}

// GroupBindings lists which groups give memberships in which roles: of one role, or of one group.
func (db *DB) GroupBindings(ctx context.Context, roleID, groupID *string) ([]GroupBinding, error) {
	return all[GroupBinding](ctx, db, `
		SELECT g.code AS group_code, r.role_name, b.inherit_option AS inherit, b.set_option AS set, b.admin_option AS admin
		FROM auth.group_role b
		JOIN auth.user_group g USING (user_group_id)
		JOIN auth.database_role r USING (database_role_id)
		WHERE (@role::uuid IS NULL OR b.database_role_id = @role)
		  AND (@group::uuid IS NULL OR b.user_group_id = @group)
		ORDER BY g.code, r.role_name`, args{"role": roleID, "group": groupID})
}

// changes calls a function that returns rows of auth.change.
func (db *DB) changes(ctx context.Context, function string, a args) ([]Change, error) {
	return all[Change](ctx, db, "SELECT ordinal, action, role_name, object, statement, reason FROM "+callSQL(function, a), a)
}

// PlanDatabaseRoles calls auth.plan_database_roles; nil is for all.
func (db *DB) PlanDatabaseRoles(ctx context.Context, userIDs *[]string) ([]Change, error) {
	return db.changes(ctx, "plan_database_roles", args{"user_ids": userIDs})
}

// ApplyDatabaseRoles calls auth.apply_database_roles; nil is for all.
func (db *DB) ApplyDatabaseRoles(ctx context.Context, userIDs *[]string, skipConflicts bool) ([]Change, error) {
	return db.changes(ctx, "apply_database_roles", args{"user_ids": userIDs, "skip_conflicts": skipConflicts})
}

// BindUserRole calls auth.bind_user_role.
func (db *DB) BindUserRole(ctx context.Context, userID, role string, reuseName bool) (bool, error) {
	return call[bool](ctx, db, "bind_user_role", args{"user_id": userID, "role_name": role, "reuse_name": reuseName})
}

// UnbindUserRole calls auth.unbind_user_role.
func (db *DB) UnbindUserRole(ctx context.Context, userID string, reason *string) (bool, error) {
	return call[bool](ctx, db, "unbind_user_role", args{"user_id": userID, "reason": reason})
}

// BindGroupRole calls auth.bind_group_role.
func (db *DB) BindGroupRole(ctx context.Context, groupID, role string, o MembershipOptions) (bool, error) {
	return call[bool](ctx, db, "bind_group_role", args{
		"user_group_id": groupID, "role_name": role, "inherit": o.Inherit, "set": o.Set, "admin": o.Admin})
}

// UnbindGroupRole calls auth.unbind_group_role.
func (db *DB) UnbindGroupRole(ctx context.Context, groupID, role string) (bool, error) {
	return call[bool](ctx, db, "unbind_group_role", args{"user_group_id": groupID, "role_name": role})
}

// AdoptRole calls auth.adopt_role, which returns what the owner of Rolewright still lacks.
func (db *DB) AdoptRole(ctx context.Context, role string, kind, userID *string) ([]Change, error) {
	return db.changes(ctx, "adopt_role", args{"role_name": role, "role_kind": kind, "user_id": userID})
}

// ReleaseRole calls auth.release_role.
func (db *DB) ReleaseRole(ctx context.Context, role string) (bool, error) {
	return call[bool](ctx, db, "release_role", args{"role_name": role})
}

// ProtectRole calls auth.protect_role.
func (db *DB) ProtectRole(ctx context.Context, role string) (bool, error) {
	return call[bool](ctx, db, "protect_role", args{"role_name": role})
}

// UnprotectRole calls auth.unprotect_role.
func (db *DB) UnprotectRole(ctx context.Context, role string) (bool, error) {
	return call[bool](ctx, db, "unprotect_role", args{"role_name": role})
}

// SyncIdentity calls auth.sync_identity. A password in the attributes has to be a verifier.
func (db *DB) SyncIdentity(ctx context.Context, role string, attributes map[string]any, create bool) ([]Change, error) {
	return db.changes(ctx, "sync_identity", args{"role_name": role, "attributes": attributes, "create_allowed": create})
}

// AddMembership calls auth.manage_relationship.
func (db *DB) AddMembership(ctx context.Context, role, groupRole string, o MembershipOptions) ([]Change, error) {
	return db.changes(ctx, "manage_relationship", args{
		"role_name": role, "group_role": groupRole, "action": "add", "inherit": o.Inherit, "set": o.Set, "admin": o.Admin})
}

// RemoveMembership calls auth.manage_relationship.
func (db *DB) RemoveMembership(ctx context.Context, role, groupRole string) ([]Change, error) {
	return db.changes(ctx, "manage_relationship", args{"role_name": role, "group_role": groupRole, "action": "remove"})
}
