package authdb

import (
	"context"
	"encoding/json"
	"time"
)

// Provider is a row of auth.provider.
type Provider struct {
	ProviderID       string          `json:"provider_id" db:"provider_id"`
	Code             string          `json:"code" db:"code"`
	Name             string          `json:"name" db:"name"`
	ProviderType     string          `json:"provider_type" db:"provider_type"`
	IsActive         bool            `json:"is_active" db:"is_active"`
	CreatesUsers     bool            `json:"creates_users" db:"creates_users"`
	LinkBy           string          `json:"link_by" db:"link_by"`
	GroupsPath       string          `json:"groups_path" db:"groups_path"`
	RolesPath        string          `json:"roles_path" db:"roles_path"`
	GroupMatch       string          `json:"group_match" db:"group_match"`
	MaxDisableShare  float64         `json:"max_disable_share" db:"max_disable_share"`
	MaxDisableCount  *int            `json:"max_disable_count" db:"max_disable_count"`
	CreatesRoles     bool            `json:"creates_roles" db:"creates_roles"`
	RoleNameTemplate string          `json:"role_name_template" db:"role_name_template"`
	RoleAttributes   json.RawMessage `json:"role_attributes" db:"role_attributes"`
	CreatedAt        time.Time       `json:"created_at" db:"created_at"`
	UpdatedAt        time.Time       `json:"updated_at" db:"updated_at"`
}

// ProviderStatistics is a row of the view auth.provider_statistics.
type ProviderStatistics struct {
	TotalUsers      int64      `json:"total_users" db:"total_users"`
	ActiveUsers     int64      `json:"active_users" db:"active_users"`
	RecentLogins    int64      `json:"recent_logins" db:"recent_logins"`
	MostRecentLogin *time.Time `json:"most_recent_login" db:"most_recent_login"`
}

// ProviderSettings are parameters of create_provider and update_provider. Nil is the default, or keeps.
type ProviderSettings struct {
	Name, ProviderType, LinkBy, GroupsPath, RolesPath, GroupMatch *string
	CreatesUsers                                                  *bool
	MaxDisableShare                                               *float64
	MaxDisableCount                                               *int
	CreatesRoles                                                  *bool
	RoleNameTemplate, RoleAttributes                              *string
}

func (s ProviderSettings) args(key, value string) args {
	return args{
		key: value, "name": s.Name, "provider_type": s.ProviderType, "creates_users": s.CreatesUsers, "link_by": s.LinkBy,
		"groups_path": s.GroupsPath, "roles_path": s.RolesPath, "group_match": s.GroupMatch,
		"max_disable_share": s.MaxDisableShare, "max_disable_count": s.MaxDisableCount,
		"creates_roles": s.CreatesRoles, "role_name_template": s.RoleNameTemplate, "role_attributes": s.RoleAttributes,
	}
}

const providerColumns = `provider_id, code, name, provider_type, is_active, creates_users, link_by, groups_path::text,
	roles_path::text, group_match, max_disable_share::float8, max_disable_count, creates_roles, role_name_template, role_attributes,
	created_at, updated_at`

// ProviderID finds a provider by its code.
func (db *DB) ProviderID(ctx context.Context, code string) (string, error) {
	return first[string](ctx, db, &NotFoundError{"provider", code, "rolewright provider list shows them all."},
		`SELECT provider_id::text FROM auth.provider WHERE code = @code`, args{"code": code})
}

// Providers lists providers, with active given those that are or are not; limit 0 is all.
func (db *DB) Providers(ctx context.Context, active *bool, limit int) ([]Provider, error) {
	return all[Provider](ctx, db, `
		SELECT `+providerColumns+` FROM auth.provider
		WHERE @active::boolean IS NULL OR is_active = @active
		ORDER BY code LIMIT nullif(@limit::bigint, 0)`, args{"active": active, "limit": limit})
}

// Provider reads one provider.
func (db *DB) Provider(ctx context.Context, id string) (Provider, error) {
	return single(all[Provider](ctx, db, `SELECT `+providerColumns+` FROM auth.provider WHERE provider_id = @id`, args{"id": id}))
}

// ProviderStatistics reads auth.provider_statistics for one provider.
func (db *DB) ProviderStatistics(ctx context.Context, id string) (ProviderStatistics, error) {
	return single(all[ProviderStatistics](ctx, db, `
		SELECT total_users, active_users, recent_logins, most_recent_login
		FROM auth.provider_statistics WHERE provider_id = @id`, args{"id": id}))
}

// CreateProvider calls auth.create_provider.
func (db *DB) CreateProvider(ctx context.Context, code string, settings ProviderSettings) (string, error) {
	return call[string](ctx, db, "create_provider", settings.args("code", code))
}

// UpdateProvider calls auth.update_provider.
func (db *DB) UpdateProvider(ctx context.Context, id string, settings ProviderSettings) (bool, error) {
	return call[bool](ctx, db, "update_provider", settings.args("provider_id", id))
}

// EnableProvider calls auth.enable_provider.
func (db *DB) EnableProvider(ctx context.Context, id string) (bool, error) {
	return call[bool](ctx, db, "enable_provider", args{"provider_id": id})
}

// DisableProvider calls auth.disable_provider.
func (db *DB) DisableProvider(ctx context.Context, id string) (bool, error) {
	return call[bool](ctx, db, "disable_provider", args{"provider_id": id})
}

// DeleteProvider calls auth.delete_provider.
func (db *DB) DeleteProvider(ctx context.Context, id string, deleteIdentities bool) (bool, error) {
	return call[bool](ctx, db, "delete_provider", args{"provider_id": id, "delete_identities": deleteIdentities})
}
