package authdb

import (
	"context"
	"time"
)

// User is a row of auth.user_info.
type User struct {
	UserID           string    `json:"user_id" db:"user_id"`
	Username         string    `json:"username" db:"username"`
	UsernameVerified bool      `json:"username_verified" db:"username_verified"`
	DisplayName      string    `json:"display_name" db:"display_name"`
	Email            *string   `json:"email" db:"email"`
	EmailVerified    bool      `json:"email_verified" db:"email_verified"`
	IsActive         bool      `json:"is_active" db:"is_active"`
	IsLocked         bool      `json:"is_locked" db:"is_locked"`
	CreatedAt        time.Time `json:"created_at" db:"created_at"`
	UpdatedAt        time.Time `json:"updated_at" db:"updated_at"`
}

// UserFilter narrows Users; nil filters nothing.
type UserFilter struct {
	Match    *string // part of the username, the name or the address, without regard to case
	Active   *bool
	Locked   *bool
	Provider *string // id of a provider at which the user has an identity
	Limit    int     // 0: all
}

// EffectiveGroup is a row of auth.effective_groups.
type EffectiveGroup struct {
	UserGroupID      string  `json:"user_group_id" db:"user_group_id"`
	Code             string  `json:"code" db:"code"`
	Name             string  `json:"name" db:"name"`
	MembershipSource string  `json:"membership_source" db:"membership_source"`
	UserIdentityID   *string `json:"user_identity_id" db:"user_identity_id"`
	ProviderCode     *string `json:"provider_code" db:"provider_code"`
}

// UserSettings are parameters of create_user and update_user. Nil is the default, or keeps.
type UserSettings struct {
	DisplayName, Email *string
	EmailVerified      *bool
}

const userColumns = `user_id, username, username_verified, display_name, email, email_verified, is_active, is_locked,
	created_at, updated_at`

// UserID finds a user by username, without regard to case, else by id.
func (db *DB) UserID(ctx context.Context, name string) (string, error) {
	return first[string](ctx, db, &NotFoundError{"user", name, "Usernames are compared without regard to case; an id is accepted too."},
		`SELECT user_id::text FROM auth.user_info
		 WHERE lower(username) = lower(@name) OR user_id = @id::uuid
		 ORDER BY lower(username) = lower(@name) DESC LIMIT 1`, args{"name": name, "id": asUUID(name)})
}

// Users lists users.
func (db *DB) Users(ctx context.Context, f UserFilter) ([]User, error) {
	return all[User](ctx, db, `
		SELECT `+userColumns+` FROM auth.user_info u
		WHERE (@active::boolean IS NULL OR is_active = @active)
		  AND (@locked::boolean IS NULL OR is_locked = @locked)
		  AND (@match::text IS NULL OR strpos(lower(concat_ws(E'\n', username, display_name, email)), lower(@match)) > 0)
		  AND (@provider::uuid IS NULL OR EXISTS (
		          SELECT FROM auth.user_identity i WHERE i.user_id = u.user_id AND i.provider_id = @provider))
		ORDER BY lower(username) LIMIT nullif(@limit::bigint, 0)`,
		args{"active": f.Active, "locked": f.Locked, "match": f.Match, "provider": f.Provider, "limit": f.Limit})
}

// User reads one user.
func (db *DB) User(ctx context.Context, id string) (User, error) {
	return single(all[User](ctx, db, `SELECT `+userColumns+` FROM auth.user_info WHERE user_id = @id`, args{"id": id}))
}

// EffectiveGroups calls auth.effective_groups.
func (db *DB) EffectiveGroups(ctx context.Context, userID string) ([]EffectiveGroup, error) {
	return all[EffectiveGroup](ctx, db, `
		SELECT user_group_id, code, name, membership_source, user_identity_id, provider_code
		FROM auth.effective_groups(_user_id => @id) ORDER BY code, membership_source, provider_code`, args{"id": userID})
}

// CreateUser calls auth.create_user.
func (db *DB) CreateUser(ctx context.Context, username string, s UserSettings) (string, error) {
	return call[string](ctx, db, "create_user", args{
		"username": username, "display_name": s.DisplayName, "email": s.Email, "email_verified": s.EmailVerified})
}

// UpdateUser calls auth.update_user.
func (db *DB) UpdateUser(ctx context.Context, id string, username *string, s UserSettings) (bool, error) {
	return call[bool](ctx, db, "update_user", args{
		"user_id": id, "username": username, "display_name": s.DisplayName, "email": s.Email, "email_verified": s.EmailVerified})
}

// EnableUser calls auth.enable_user.
func (db *DB) EnableUser(ctx context.Context, id string) (bool, error) {
	return call[bool](ctx, db, "enable_user", args{"user_id": id})
}

// DisableUser calls auth.disable_user.
func (db *DB) DisableUser(ctx context.Context, id string) (bool, error) {
	return call[bool](ctx, db, "disable_user", args{"user_id": id})
}

// LockUser calls auth.lock_user.
func (db *DB) LockUser(ctx context.Context, id string) (bool, error) {
	return call[bool](ctx, db, "lock_user", args{"user_id": id})
}

// UnlockUser calls auth.unlock_user.
func (db *DB) UnlockUser(ctx context.Context, id string) (bool, error) {
	return call[bool](ctx, db, "unlock_user", args{"user_id": id})
}

// DeleteUser calls auth.delete_user.
func (db *DB) DeleteUser(ctx context.Context, id string) (bool, error) {
	return call[bool](ctx, db, "delete_user", args{"user_id": id})
}
