package authdb

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// Group is a row of auth.user_group, with the code of its tenant.
type Group struct {
	UserGroupID string    `json:"user_group_id" db:"user_group_id"`
	Code        string    `json:"code" db:"code"`
	Name        string    `json:"name" db:"name"`
	Description *string   `json:"description" db:"description"`
	GroupType   string    `json:"group_type" db:"group_type"`
	TenantCode  *string   `json:"tenant_code" db:"tenant_code"` // nil: it counts in all
	IsActive    bool      `json:"is_active" db:"is_active"`
	CreatedAt   time.Time `json:"created_at" db:"created_at"`
	UpdatedAt   time.Time `json:"updated_at" db:"updated_at"`
}

// GroupMember is a manual member.
type GroupMember struct {
	UserID     string             `json:"user_id" db:"user_id"`
	Username   string             `json:"username" db:"username"`
	ValidUntil pgtype.Timestamptz `json:"valid_until" db:"valid_until"`
	CreatedAt  time.Time          `json:"created_at" db:"created_at"`
}

// Mapping is a row of auth.user_group_mapping, with the codes of its group and provider.
type Mapping struct {
	UserGroupMappingID string    `json:"user_group_mapping_id" db:"user_group_mapping_id"`
	GroupCode          string    `json:"group_code" db:"group_code"`
	ProviderCode       string    `json:"provider_code" db:"provider_code"`
	ExternalGroupName  *string   `json:"external_group_name" db:"external_group_name"`
	ExternalRoleName   *string   `json:"external_role_name" db:"external_role_name"`
	IsActive           bool      `json:"is_active" db:"is_active"`
	CreatedAt          time.Time `json:"created_at" db:"created_at"`
}

// Unmapped is a row of the view auth.unmapped_external_group.
type Unmapped struct {
	ProviderCode string `json:"provider_code" db:"provider_code"`
	ExternalKind string `json:"external_kind" db:"external_kind"`
	ExternalName string `json:"external_name" db:"external_name"`
	Identities   int64  `json:"identities" db:"identities"`
}

// GroupFilter narrows Groups; nil filters nothing.
type GroupFilter struct {
	Group  *string // id
	Type   *string
	Tenant *string // id: those that count in this tenant alone
	Active *bool
	Limit  int // 0: all
}

// MappingFilter narrows Mappings and UnmappedGroups; nil filters nothing.
type MappingFilter struct {
	Group    *string // id
	Provider *string // id
	Limit    int     // 0: all
}

// GroupSettings are parameters of create_user_group and update_user_group. Nil is the default, or keeps.
type GroupSettings struct{ Name, GroupType, Description *string }

// GroupID finds a group by its code.
func (db *DB) GroupID(ctx context.Context, code string) (string, error) {
	return first[string](ctx, db, &NotFoundError{"group", code, "rolewright group list shows them all."},
		`SELECT user_group_id::text FROM auth.user_group WHERE code = @code`, args{"code": code})
}

// Groups lists groups.
func (db *DB) Groups(ctx context.Context, f GroupFilter) ([]Group, error) {
	return all[Group](ctx, db, `
		SELECT g.user_group_id, g.code, g.name, g.description, g.group_type, t.code AS tenant_code, g.is_active,
		       g.created_at, g.updated_at
		FROM auth.user_group g
		LEFT JOIN auth.tenant t USING (tenant_id)
		WHERE (@group::uuid IS NULL OR g.user_group_id = @group)
		  AND (@type::text IS NULL OR g.group_type = @type)
		  AND (@tenant::uuid IS NULL OR g.tenant_id = @tenant)
		  AND (@active::boolean IS NULL OR g.is_active = @active)
		ORDER BY g.code LIMIT nullif(@limit::bigint, 0)`,
		args{"group": f.Group, "type": f.Type, "tenant": f.Tenant, "active": f.Active, "limit": f.Limit})
}

// Group reads one group.
func (db *DB) Group(ctx context.Context, id string) (Group, error) {
	return single(db.Groups(ctx, GroupFilter{Group: &id}))
}

// GroupMembers lists the manual members of a group.
func (db *DB) GroupMembers(ctx context.Context, id string) ([]GroupMember, error) {
	return all[GroupMember](ctx, db, `
		SELECT m.user_id, u.username, m.valid_until, m.created_at
		FROM auth.user_group_member m JOIN auth.user_info u USING (user_id)
		WHERE m.user_group_id = @id ORDER BY lower(u.username)`, args{"id": id})
}

// CreateUserGroup calls auth.create_user_group; with a tenant's id the group counts in that tenant alone.
func (db *DB) CreateUserGroup(ctx context.Context, code string, s GroupSettings, tenantID *string) (string, error) {
	return call[string](ctx, db, "create_user_group", args{
		"code": code, "name": s.Name, "group_type": s.GroupType, "description": s.Description, "tenant_id": tenantID})
}

// UpdateUserGroup calls auth.update_user_group.
func (db *DB) UpdateUserGroup(ctx context.Context, id string, s GroupSettings, drop bool) (bool, error) {
	return call[bool](ctx, db, "update_user_group", args{
		"user_group_id": id, "name": s.Name, "group_type": s.GroupType, "description": s.Description, "drop": drop})
}

// EnableUserGroup calls auth.enable_user_group.
func (db *DB) EnableUserGroup(ctx context.Context, id string) (bool, error) {
	return call[bool](ctx, db, "enable_user_group", args{"user_group_id": id})
}

// DisableUserGroup calls auth.disable_user_group.
func (db *DB) DisableUserGroup(ctx context.Context, id string) (bool, error) {
	return call[bool](ctx, db, "disable_user_group", args{"user_group_id": id})
}

// DeleteUserGroup calls auth.delete_user_group.
func (db *DB) DeleteUserGroup(ctx context.Context, id string) (bool, error) {
	return call[bool](ctx, db, "delete_user_group", args{"user_group_id": id})
}

// AddGroupMember takes valid_until as PostgreSQL reads a timestamp; nil is for good.
func (db *DB) AddGroupMember(ctx context.Context, groupID, userID string, validUntil *string) (bool, error) {
	return call[bool](ctx, db, "add_group_member", args{"user_group_id": groupID, "user_id": userID, "valid_until": validUntil})
}

// RemoveGroupMember calls auth.remove_group_member.
func (db *DB) RemoveGroupMember(ctx context.Context, groupID, userID string) (bool, error) {
	return call[bool](ctx, db, "remove_group_member", args{"user_group_id": groupID, "user_id": userID})
}

// Mappings lists mappings.
func (db *DB) Mappings(ctx context.Context, f MappingFilter) ([]Mapping, error) {
	return all[Mapping](ctx, db, `
		SELECT m.user_group_mapping_id, g.code AS group_code, p.code AS provider_code, m.external_group_name,
		       m.external_role_name, m.is_active, m.created_at
		FROM auth.user_group_mapping m
		JOIN auth.user_group g USING (user_group_id)
		JOIN auth.provider p USING (provider_id)
		WHERE (@group::uuid IS NULL OR m.user_group_id = @group)
		  AND (@provider::uuid IS NULL OR m.provider_id = @provider)
		ORDER BY p.code, m.external_group_name, m.external_role_name, g.code LIMIT nullif(@limit::bigint, 0)`,
		args{"group": f.Group, "provider": f.Provider, "limit": f.Limit})
}

// UnmappedGroups reads auth.unmapped_external_group.
func (db *DB) UnmappedGroups(ctx context.Context, f MappingFilter) ([]Unmapped, error) {
	return all[Unmapped](ctx, db, `
		SELECT provider_code, external_kind, external_name, identities FROM auth.unmapped_external_group
		WHERE @provider::uuid IS NULL OR provider_id = @provider
		ORDER BY identities DESC, provider_code, external_kind, external_name LIMIT nullif(@limit::bigint, 0)`,
		args{"provider": f.Provider, "limit": f.Limit})
}

// MappingID finds a mapping by its id, or by what it maps.
func (db *DB) MappingID(ctx context.Context, name string) (string, error) {
	return first[string](ctx, db, &NotFoundError{"mapping", name, "rolewright mapping list shows the ids."},
		`SELECT user_group_mapping_id::text FROM auth.user_group_mapping WHERE user_group_mapping_id = @id::uuid`,
		args{"id": asUUID(name)})
}

// CreateGroupMapping calls auth.create_group_mapping.
func (db *DB) CreateGroupMapping(ctx context.Context, groupID, providerID string, externalGroup, externalRole *string) (string, error) {
	return call[string](ctx, db, "create_group_mapping", args{
		"user_group_id": groupID, "provider_id": providerID,
		"external_group_name": externalGroup, "external_role_name": externalRole})
}

// DeleteGroupMapping calls auth.delete_group_mapping.
func (db *DB) DeleteGroupMapping(ctx context.Context, id string) (bool, error) {
	return call[bool](ctx, db, "delete_group_mapping", args{"user_group_mapping_id": id})
}
