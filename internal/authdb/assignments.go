package authdb

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// Assignment is a row of auth.permission_assignment, by codes: a group or a user has a permission or a set.
type Assignment struct {
	AssignmentID   string             `json:"assignment_id" db:"assignment_id"`
	TenantCode     string             `json:"tenant_code" db:"tenant_code"`
	GroupCode      *string            `json:"group_code" db:"group_code"`
	Username       *string            `json:"username" db:"username"`
	PermissionCode *string            `json:"permission_code" db:"permission_code"`
	PermSetCode    *string            `json:"perm_set_code" db:"perm_set_code"`
	ValidUntil     pgtype.Timestamptz `json:"valid_until" db:"valid_until"`
	CreatedAt      time.Time          `json:"created_at" db:"created_at"`
}

// AssignmentFilter narrows Assignments; nil filters nothing.
type AssignmentFilter struct {
	Tenant     *string // id
	Group      *string // id
	User       *string // id
	Permission *string // code
	PermSet    *string // code
	Giving     *string // code of a permission: it is assigned, or a node above it, or a set with one of them
	Limit      int     // 0: all
}

// NewAssignment is what assign_permission takes: a permission or a set, for a group or a user.
type NewAssignment struct {
	Permission, PermSet *string // codes
	Group, User         *string // ids
	Tenant              string  // id
	ValidUntil          *string // as PostgreSQL reads a timestamp; nil: no end
}

// AssignmentID finds an assignment by its id.
func (db *DB) AssignmentID(ctx context.Context, name string) (string, error) {
	return first[string](ctx, db, &NotFoundError{"assignment", name, "rolewright permission assignments shows the ids."},
		`SELECT assignment_id::text FROM auth.permission_assignment WHERE assignment_id = @id::uuid`, args{"id": asUUID(name)})
}

// Assignments lists assignments.
func (db *DB) Assignments(ctx context.Context, f AssignmentFilter) ([]Assignment, error) {
	return all[Assignment](ctx, db, `
		SELECT a.assignment_id, t.code AS tenant_code, g.code AS group_code, u.username, a.permission_code,
		       s.code AS perm_set_code, a.valid_until, a.created_at
		FROM auth.permission_assignment a
		JOIN auth.tenant t USING (tenant_id)
		LEFT JOIN auth.user_group g USING (user_group_id)
		LEFT JOIN auth.user_info u USING (user_id)
		LEFT JOIN auth.perm_set s USING (perm_set_id)
		WHERE (@tenant::uuid IS NULL OR a.tenant_id = @tenant)
		  AND (@group::uuid IS NULL OR a.user_group_id = @group)
		  AND (@user::uuid IS NULL OR a.user_id = @user)
		  AND (@permission::text IS NULL OR a.permission_code = @permission)
		  AND (@set::text IS NULL OR s.code = @set)
		  AND (@giving::text IS NULL
		       OR starts_with(@giving || '.', a.permission_code || '.')
		       OR EXISTS (
		              SELECT FROM auth.perm_set_permission p
		              WHERE p.perm_set_id = a.perm_set_id AND starts_with(@giving || '.', p.permission_code || '.')))
		ORDER BY t.code, g.code, lower(u.username), a.permission_code, s.code LIMIT nullif(@limit::bigint, 0)`,
		args{"tenant": f.Tenant, "group": f.Group, "user": f.User, "permission": f.Permission, "set": f.PermSet,
			"giving": f.Giving, "limit": f.Limit})
}

// AssignPermission calls auth.assign_permission.
func (db *DB) AssignPermission(ctx context.Context, n NewAssignment) (string, error) {
	return call[string](ctx, db, "assign_permission", args{
		"permission": n.Permission, "perm_set": n.PermSet, "user_group_id": n.Group, "user_id": n.User,
		"tenant_id": n.Tenant, "valid_until": n.ValidUntil})
}

// UnassignPermission calls auth.unassign_permission.
func (db *DB) UnassignPermission(ctx context.Context, id string) (bool, error) {
	return call[bool](ctx, db, "unassign_permission", args{"assignment_id": id})
}
