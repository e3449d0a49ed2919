package authdb

import (
	"context"
	"encoding/json"
	"strings"
	"time"
)

// Identity is a row of auth.user_identity, with the names of its user and provider.
type Identity struct {
	UserIdentityID   string          `json:"user_identity_id" db:"user_identity_id"`
	UserID           string          `json:"user_id" db:"user_id"`
	Username         string          `json:"username" db:"username"`
	ProviderCode     string          `json:"provider_code" db:"provider_code"`
	ProviderUserID   string          `json:"provider_user_id" db:"provider_user_id"`
	ProviderGroups   []string        `json:"provider_groups" db:"provider_groups"` // nil: unknown
	ProviderRoles    []string        `json:"provider_roles" db:"provider_roles"`   // nil: unknown
	ProviderData     json.RawMessage `json:"provider_data" db:"provider_data"`
	IsActive         bool            `json:"is_active" db:"is_active"`
	IsDisabledByFeed bool            `json:"is_disabled_by_feed" db:"is_disabled_by_feed"`
	IsComplete       bool            `json:"is_complete" db:"is_complete"`
	IsLastUsed       bool            `json:"is_last_used" db:"is_last_used"`
	LastLoginAt      *time.Time      `json:"last_login_at" db:"last_login_at"`
	CreatedAt        time.Time       `json:"created_at" db:"created_at"`
	UpdatedAt        time.Time       `json:"updated_at" db:"updated_at"`
}

// IdentityFilter narrows Identities; nil filters nothing.
type IdentityFilter struct {
	Identity *string // id
	Provider *string // id
	User     *string // id
	Group    *string // one of the groups that the provider says
	Active   *bool
	Limit    int // 0: all
}

// IdentityID finds an identity by its id, or by PROVIDER/ACCOUNT.
func (db *DB) IdentityID(ctx context.Context, name string) (string, error) {
	provider, account, _ := strings.Cut(name, "/") // a provider's code has no slash
	return first[string](ctx, db, &NotFoundError{"identity", name, "Name it by its id or as PROVIDER/ACCOUNT; accounts are compared exactly."},
		`SELECT i.user_identity_id::text FROM auth.user_identity i
		 WHERE i.user_identity_id = @id::uuid
		    OR i.provider_user_id = @account
		       AND i.provider_id = (SELECT p.provider_id FROM auth.provider p WHERE p.code = @provider)`,
		args{"id": asUUID(name), "provider": provider, "account": account})
}

// Identities lists identities.
func (db *DB) Identities(ctx context.Context, f IdentityFilter) ([]Identity, error) {
	return all[Identity](ctx, db, `
		SELECT i.user_identity_id, i.user_id, u.username, p.code AS provider_code, i.provider_user_id, i.provider_groups,
		       i.provider_roles, i.provider_data, i.is_active, i.is_disabled_by_feed, i.is_complete, i.is_last_used,
		       i.last_login_at, i.created_at, i.updated_at
		FROM auth.user_identity i
		JOIN auth.user_info u USING (user_id)
		JOIN auth.provider p USING (provider_id)
		WHERE (@identity::uuid IS NULL OR i.user_identity_id = @identity)
		  AND (@provider::uuid IS NULL OR i.provider_id = @provider)
		  AND (@user::uuid IS NULL OR i.user_id = @user)
		  AND (@group::text IS NULL OR @group = ANY (i.provider_groups))
		  AND (@active::boolean IS NULL OR i.is_active = @active)
		ORDER BY lower(u.username), p.code, i.provider_user_id LIMIT nullif(@limit::bigint, 0)`,
		args{"identity": f.Identity, "provider": f.Provider, "user": f.User, "group": f.Group, "active": f.Active, "limit": f.Limit})
}

// Identity reads one identity.
func (db *DB) Identity(ctx context.Context, id string) (Identity, error) {
	return single(db.Identities(ctx, IdentityFilter{Identity: &id}))
}

// NewIdentity is what create_user_identity takes. Nil groups, roles and data are unknown.
type NewIdentity struct {
	UserID, ProviderID, ProviderUserID string
	Groups, Roles                      *[]string
	Data                               *string
}

// CreateUserIdentity calls auth.create_user_identity.
func (db *DB) CreateUserIdentity(ctx context.Context, n NewIdentity) (string, error) {
	return call[string](ctx, db, "create_user_identity", args{
		"user_id": n.UserID, "provider_id": n.ProviderID, "provider_user_id": n.ProviderUserID,
		"provider_groups": n.Groups, "provider_roles": n.Roles, "provider_data": n.Data})
}

// SwitchActiveIdentity makes an identity the user's last used one.
func (db *DB) SwitchActiveIdentity(ctx context.Context, userID, providerID string, identityID *string) error {
	return do(ctx, db, "switch_active_identity", args{
		"user_id": userID, "provider_id": providerID, "user_identity_id": identityID})
}

// EnableUserIdentity calls auth.enable_user_identity.
func (db *DB) EnableUserIdentity(ctx context.Context, id string) (bool, error) {
	return call[bool](ctx, db, "enable_user_identity", args{"user_identity_id": id})
}

// DisableUserIdentity calls auth.disable_user_identity.
func (db *DB) DisableUserIdentity(ctx context.Context, id string) (bool, error) {
	return call[bool](ctx, db, "disable_user_identity", args{"user_identity_id": id})
}

// DeleteUserIdentity calls auth.delete_user_identity.
func (db *DB) DeleteUserIdentity(ctx context.Context, id string) (bool, error) {
	return call[bool](ctx, db, "delete_user_identity", args{"user_identity_id": id})
}
