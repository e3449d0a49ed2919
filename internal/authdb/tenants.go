package authdb

import (
	"context"
	"time"
)

// DefaultTenant is the code of the tenant that is built in.
const DefaultTenant = "default"

// Tenant is a row of auth.tenant.
type Tenant struct {
	TenantID  string    `json:"tenant_id" db:"tenant_id"`
	Code      string    `json:"code" db:"code"`
	Name      string    `json:"name" db:"name"`
	IsActive  bool      `json:"is_active" db:"is_active"`
	CreatedAt time.Time `json:"created_at" db:"created_at"`
	UpdatedAt time.Time `json:"updated_at" db:"updated_at"`
}

// TenantFilter narrows Tenants; nil filters nothing.
type TenantFilter struct {
	Tenant *string // id
	Active *bool
	Limit  int // 0: all
}

// TenantID finds a tenant by its code, else by id: refusals name tenants by their ids.
func (db *DB) TenantID(ctx context.Context, name string) (string, error) {
	return first[string](ctx, db, &NotFoundError{"tenant", name, "rolewright tenant list shows them all."},
		`SELECT tenant_id::text FROM auth.tenant
		 WHERE code = @name OR tenant_id = @id::uuid
		 ORDER BY code = @name DESC LIMIT 1`, args{"name": name, "id": asUUID(name)})
}

// Tenants lists tenants.
func (db *DB) Tenants(ctx context.Context, f TenantFilter) ([]Tenant, error) {
	return all[Tenant](ctx, db, `
		SELECT tenant_id, code, name, is_active, created_at, updated_at
		FROM auth.tenant
		WHERE (@tenant::uuid IS NULL OR tenant_id = @tenant)
		  AND (@active::boolean IS NULL OR is_active = @active)
		ORDER BY code LIMIT nullif(@limit::bigint, 0)`,
		args{"tenant": f.Tenant, "active": f.Active, "limit": f.Limit})
}

// Tenant reads one tenant.
func (db *DB) Tenant(ctx context.Context, id string) (Tenant, error) {
	return single(db.Tenants(ctx, TenantFilter{Tenant: &id}))
}

// CreateTenant calls auth.create_tenant.
func (db *DB) CreateTenant(ctx context.Context, code, name string) (string, error) {
	return call[string](ctx, db, "create_tenant", args{"code": code, "name": name})
}

// EnableTenant calls auth.enable_tenant.
func (db *DB) EnableTenant(ctx context.Context, id string) (bool, error) {
	return call[bool](ctx, db, "enable_tenant", args{"tenant_id": id})
}

// DisableTenant calls auth.disable_tenant.
func (db *DB) DisableTenant(ctx context.Context, id string) (bool, error) {
	return call[bool](ctx, db, "disable_tenant", args{"tenant_id": id})
}
