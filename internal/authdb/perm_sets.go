package authdb

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// PermSet is a row of auth.perm_set, with what is in it.
type PermSet struct {
	PermSetID   string    `json:"perm_set_id" db:"perm_set_id"`
	Code        string    `json:"code" db:"code"`
	Name        string    `json:"name" db:"name"`
	Permissions []string  `json:"permissions" db:"permissions"`
	IsDeclared  bool      `json:"is_declared" db:"is_declared"`
	CreatedAt   time.Time `json:"created_at" db:"created_at"`
	UpdatedAt   time.Time `json:"updated_at" db:"updated_at"`
}

// PermSetFilter narrows PermSets; nil filters nothing.
type PermSetFilter struct {
	PermSet *string // id
	Giving  *string // code of a permission: it is in the set, or a node above it is
	Limit   int     // 0: all
}

// PermSetID finds a set by its code.
func (db *DB) PermSetID(ctx context.Context, code string) (string, error) {
	return first[string](ctx, db, &NotFoundError{"set", code, "rolewright set list shows them all."},
		`SELECT perm_set_id::text FROM auth.perm_set WHERE code = @code`, args{"code": code})
}

// PermSets lists sets.
func (db *DB) PermSets(ctx context.Context, f PermSetFilter) ([]PermSet, error) {
	return all[PermSet](ctx, db, `
		SELECT s.perm_set_id, s.code, s.name, s.is_declared, s.created_at, s.updated_at,
		       ARRAY(SELECT p.permission_code FROM auth.perm_set_permission p WHERE p.perm_set_id = s.perm_set_id
		             ORDER BY string_to_array(p.permission_code, '.')) AS permissions
		FROM auth.perm_set s
		WHERE (@set::uuid IS NULL OR s.perm_set_id = @set)
		  AND (@giving::text IS NULL OR EXISTS (
		          SELECT FROM auth.perm_set_permission p
		          WHERE p.perm_set_id = s.perm_set_id AND starts_with(@giving || '.', p.permission_code || '.')))
		ORDER BY s.code LIMIT nullif(@limit::bigint, 0)`,
		args{"set": f.PermSet, "giving": f.Giving, "limit": f.Limit})
}

// PermSet reads one set.
func (db *DB) PermSet(ctx context.Context, id string) (PermSet, error) {
	return single(db.PermSets(ctx, PermSetFilter{PermSet: &id}))
}

// CreatePermSet calls auth.create_perm_set.
func (db *DB) CreatePermSet(ctx context.Context, code, name string, permissions *[]string) (string, error) {
	return call[string](ctx, db, "create_perm_set", args{"code": code, "name": name, "permissions": permissions})
}

// AddPermSetPermissions calls auth.add_perm_set_permissions, which returns those that were not in the set.
func (db *DB) AddPermSetPermissions(ctx context.Context, code string, permissions []string) ([]string, error) {
	return db.changePermSet(ctx, "add_perm_set_permissions", code, permissions)
}

// RemovePermSetPermissions calls auth.remove_perm_set_permissions, which returns those that were in the set.
func (db *DB) RemovePermSetPermissions(ctx context.Context, code string, permissions []string) ([]string, error) {
	return db.changePermSet(ctx, "remove_perm_set_permissions", code, permissions)
}

func (db *DB) changePermSet(ctx context.Context, function, code string, permissions []string) ([]string, error) {
	a := args{"code": code, "permissions": permissions}
	rows, err := db.q.Query(ctx, "SELECT "+callSQL(function, a), a)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// DeletePermSet calls auth.delete_perm_set.
func (db *DB) DeletePermSet(ctx context.Context, code string, cascade bool) (bool, error) {
	return call[bool](ctx, db, "delete_perm_set", args{"code": code, "cascade": cascade})
}
