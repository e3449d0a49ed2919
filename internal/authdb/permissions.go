package authdb

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// Permission is a row of auth.permission.
type Permission struct {
	PermissionID string    `json:"permission_id" db:"permission_id"`
	Code         string    `json:"code" db:"code"`
	Description  *string   `json:"description" db:"description"`
	IsDeclared   bool      `json:"is_declared" db:"is_declared"`
	CreatedAt    time.Time `json:"created_at" db:"created_at"`
	UpdatedAt    time.Time `json:"updated_at" db:"updated_at"`
}

// PermissionFilter narrows Permissions; nil filters nothing.
type PermissionFilter struct {
	Permission *string // id
	Below      *string // code: it, and what is below it
	Limit      int     // 0: all
}

// EffectivePermission is a row of auth.effective_permissions.
type EffectivePermission struct {
	PermissionCode string             `json:"permission_code" db:"permission_code"`
	ValidUntil     pgtype.Timestamptz `json:"valid_until" db:"valid_until"`
}

// PermissionHolder is a row of auth.users_with_permission.
type PermissionHolder struct {
	UserID     string             `json:"user_id" db:"user_id"`
	Username   string             `json:"username" db:"username"`
	ValidUntil pgtype.Timestamptz `json:"valid_until" db:"valid_until"`
}

// PermissionPath is a row of auth.explain_permission.
type PermissionPath struct {
	IsGranted      bool               `json:"is_granted" db:"is_granted"`
	Source         string             `json:"source" db:"source"` // mapping, member, direct, none
	ProviderCode   *string            `json:"provider_code" db:"provider_code"`
	ProviderUserID *string            `json:"provider_user_id" db:"provider_user_id"`
	ExternalKind   *string            `json:"external_kind" db:"external_kind"`
	ExternalName   *string            `json:"external_name" db:"external_name"`
	GroupCode      *string            `json:"group_code" db:"group_code"`
	PermSetCode    *string            `json:"perm_set_code" db:"perm_set_code"`
	GrantedCode    *string            `json:"granted_code" db:"granted_code"`
	ValidUntil     pgtype.Timestamptz `json:"valid_until" db:"valid_until"`
	EndsWith       *string            `json:"ends_with" db:"ends_with"` // assignment, membership
	Missing        []string           `json:"missing" db:"missing"`
}

// PermissionID finds a permission by its code.
func (db *DB) PermissionID(ctx context.Context, code string) (string, error) {
	return first[string](ctx, db, &NotFoundError{"permission", code, "rolewright permission list shows them all; case matters."},
		`SELECT permission_id::text FROM auth.permission WHERE code = @code`, args{"code": code})
}

// Permissions lists permissions, each before those below it.
func (db *DB) Permissions(ctx context.Context, f PermissionFilter) ([]Permission, error) {
	return all[Permission](ctx, db, `
		SELECT permission_id, code, description, is_declared, created_at, updated_at
		FROM auth.permission
		WHERE (@permission::uuid IS NULL OR permission_id = @permission)
		  AND (@below::text IS NULL OR code = @below OR starts_with(code, @below || '.'))
		ORDER BY string_to_array(code, '.') LIMIT nullif(@limit::bigint, 0)`,
		args{"permission": f.Permission, "below": f.Below, "limit": f.Limit})
}

// Permission reads one permission.
func (db *DB) Permission(ctx context.Context, id string) (Permission, error) {
	return single(db.Permissions(ctx, PermissionFilter{Permission: &id}))
}

// CreatePermission calls auth.create_permission.
func (db *DB) CreatePermission(ctx context.Context, code string, description *string) (string, error) {
	return call[string](ctx, db, "create_permission", args{"code": code, "description": description})
}

// DeletePermission calls auth.delete_permission.
func (db *DB) DeletePermission(ctx context.Context, code string, cascade bool) (bool, error) {
	return call[bool](ctx, db, "delete_permission", args{"code": code, "cascade": cascade})
}

// HasPermission calls auth.has_permission.
func (db *DB) HasPermission(ctx context.Context, userID, code, tenantID string) (bool, error) {
	return call[bool](ctx, db, "has_permission", args{"user_id": userID, "permission_code": code, "tenant_id": tenantID})
}

// EffectivePermissions calls auth.effective_permissions; limit 0 is all.
func (db *DB) EffectivePermissions(ctx context.Context, userID, tenantID string, limit int) ([]EffectivePermission, error) {
	return all[EffectivePermission](ctx, db, `
		SELECT permission_code, valid_until FROM auth.effective_permissions(_user_id => @user, _tenant_id => @tenant)
		ORDER BY string_to_array(permission_code, '.') LIMIT nullif(@limit::bigint, 0)`,
		args{"user": userID, "tenant": tenantID, "limit": limit})
}

// UsersWithPermission calls auth.users_with_permission; limit 0 is all.
func (db *DB) UsersWithPermission(ctx context.Context, code, tenantID string, limit int) ([]PermissionHolder, error) {
	return all[PermissionHolder](ctx, db, `
		SELECT user_id, username, valid_until FROM auth.users_with_permission(_permission_code => @code, _tenant_id => @tenant)
		ORDER BY lower(username) LIMIT nullif(@limit::bigint, 0)`,
		args{"code": code, "tenant": tenantID, "limit": limit})
}

// CountUsersWithPermission counts the rows of auth.users_with_permission.
func (db *DB) CountUsersWithPermission(ctx context.Context, code, tenantID string) (int64, error) {
	return one[int64](ctx, db,
		`SELECT count(*) FROM auth.users_with_permission(_permission_code => @code, _tenant_id => @tenant)`,
		args{"code": code, "tenant": tenantID})
}

// ExplainPermission calls auth.explain_permission, which sorts its rows.
func (db *DB) ExplainPermission(ctx context.Context, userID, code, tenantID string) ([]PermissionPath, error) {
	return all[PermissionPath](ctx, db, `
		SELECT is_granted, source, provider_code, provider_user_id, external_kind, external_name, group_code, perm_set_code, granted_code,
		       valid_until, ends_with, missing
		FROM auth.explain_permission(_user_id => @user, _permission_code => @code, _tenant_id => @tenant)`,
		args{"user": userID, "code": code, "tenant": tenantID})
}
