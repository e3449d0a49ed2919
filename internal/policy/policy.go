// Package policy reads and writes access.yaml: what roles may do, in words, and the declarations that auth.sync_roles takes.
//
// Parse makes one declaration for every database that the file names, Marshal makes the file of declarations.
package policy

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Policy is what a file says, database by database. What belongs to the whole server stands in the first one's declaration.
type Policy struct {
	Databases []Database
}

// Database is what a file says about one database.
type Database struct {
	Name        string // "": the one that is connected to
	Declaration Declaration
}

// Declaration is the argument of auth.sync_roles.
type Declaration struct {
	Roles           map[string]Role `json:"roles"`
	Public          []Grant         `json:"public"` // none is not what was stored before
	PreserveSchemas []string        `json:"preserve_schemas,omitempty"`
	Options         Options         `json:"options,omitzero"`
}

// Role is what one role may do.
type Role struct {
	Grants          []Grant  `json:"grants"`
	PreserveSchemas []string `json:"preserve_schemas,omitzero"` // nil: those of the declaration
	Options         Options  `json:"options,omitzero"`

	at Position
}

// Options are those of auth.sync_roles. Roles have the first three of them.
type Options struct {
	Missing   string `json:"missing,omitempty"`
	NewOwner  string `json:"new_owner,omitempty"`
	ReuseName *bool  `json:"reuse_name,omitempty"`
	LockKey   *int64 `json:"lock_key,omitempty"`
	Scope     string `json:"scope,omitempty"`
	PlanHash  string `json:"plan_hash,omitempty"`
}

// ScopeDatabase leaves alone what belongs to the whole server.
const ScopeDatabase = "database"

// The types of grants that have fields of their own.
const (
	typeLogin      = "login"
	typeMembership = "membership"
	typeDatabase   = "database"
	typeSchema     = "schema"
	typeTablespace = "tablespace"
	typeParameter  = "parameter"
	typeLarge      = "large_object"
	typeTable      = "table"
	typeFunction   = "function"
	typeProcedure  = "procedure"
	typeDefault    = "default"
)

// Grant is one thing that a role may do or, in a rule for PUBLIC, that everybody may or may not do.
type Grant struct {
	Action string `json:"action,omitempty"` // grant or revoke: of rules for PUBLIC only
	Type   string `json:"type"`

	// Of a login.
	Verifier        string `json:"verifier,omitempty"`
	ValidUntil      string `json:"valid_until,omitempty"`
	ConnectionLimit *int   `json:"connection_limit,omitempty"`
	PasswordEnv     string `json:"-"` // where the password is, of which the verifier is still to be made
	PasswordFile    string `json:"-"`

	// Of a membership.
	Role    string `json:"role,omitempty"`
	Inherit *bool  `json:"inherit,omitempty"`
	Set     *bool  `json:"set,omitempty"`
	Admin   *bool  `json:"admin,omitempty"`

	// Of default privileges, which may have a schema too.
	Creator string `json:"creator,omitempty"`
	Objects string `json:"objects,omitempty"`

	// Of objects.
	Schema  string   `json:"schema,omitempty"`
	Name    string   `json:"name,omitempty"`
	Pattern string   `json:"pattern,omitempty"`
	All     bool     `json:"all,omitempty"`
	Columns []string `json:"columns,omitempty"`

	Privileges  []string `json:"privileges,omitempty"`
	Owner       bool     `json:"owner,omitempty"`
	GrantOption bool     `json:"grant_option,omitempty"`
	Via         string   `json:"via,omitempty"`

	at Position
}

// Position is a place in the file; the zero Position is none.
type Position struct{ Line, Column int }

// GrantPosition is where the n-th grant of a role stands, or the n-th rule for PUBLIC where role is "public"; n counts from 1.
func (d *Declaration) GrantPosition(role string, n int) (at Position, ok bool) {
	grants := d.Roles[role].Grants
	if role == publicName {
		grants = d.Public
	}
	if n < 1 || n > len(grants) {
		return at, false
	}
	return grants[n-1].at, grants[n-1].at != Position{}
}

// RolePosition is where a role begins.
func (d *Declaration) RolePosition(role string) (at Position, ok bool) {
	at = d.Roles[role].at
	return at, at != Position{}
}

// Position is where it stands in the file.
func (g *Grant) Position() Position { return g.at }

// IsLogin tells whether it says that the role may log in.
func (g *Grant) IsLogin() bool { return g.Type == typeLogin }

// isClusterWide tells what does not belong to one database.
func (g *Grant) isClusterWide() bool {
	switch g.Type {
	case typeLogin, typeMembership, typeDatabase, typeTablespace, typeParameter:
		return true
	}
	return false
}

// isFor tells whether the declaration of the n-th of these databases says it: the first one has what belongs to the whole server, but for
// the privileges on a database itself, which are that one's.
func (g *Grant) isFor(databases []string, n int) bool {
	if !g.isClusterWide() {
		return true
	}
	if g.Type == typeDatabase {
		if i := slices.Index(databases, g.Name); i >= 0 {
			return i == n
		}
	}
	return n == 0
}

// key is all of a grant, as text. Two with the same key are one.
func (g *Grant) key() string {
	text, err := json.Marshal(g)
	if err != nil {
		panic(err) // there are only strings, numbers and truth values
	}
	return string(text) + g.PasswordEnv + "\x00" + g.PasswordFile
}

// normalize leaves out what says the default, and brings lists in their order, so that one meaning has one form.
func (g *Grant) normalize() {
	// What was made of one sentence shares its lists.
	g.Privileges, g.Columns = slices.Clone(g.Privileges), slices.Clone(g.Columns)
	for i, p := range g.Privileges {
		g.Privileges[i] = privilegeName(strings.ToUpper(strings.TrimSpace(p)))
	}
	sortPrivileges(g.Privileges)
	g.Privileges = slices.Compact(g.Privileges)
	slices.Sort(g.Columns)
	g.Columns = slices.Compact(g.Columns)
	if g.ConnectionLimit != nil && *g.ConnectionLimit == -1 {
		g.ConnectionLimit = nil
	}
	if g.Set != nil && *g.Set {
		g.Set = nil
	}
	if g.Admin != nil && !*g.Admin {
		g.Admin = nil
	}
	if g.Via == viaAuto {
		g.Via = ""
	}
	if g.ValidUntil != "" {
		if until, ok := instant(g.ValidUntil); ok {
			g.ValidUntil = until
		}
	}
	if g.Type == typeFunction || g.Type == typeProcedure {
		if name, arguments, ok := splitSignature(g.Name); ok {
			g.Name = identifier(name) + "(" + normalArguments(arguments) + ")"
		}
	}
}

// normalGrants brings grants in their order, and has each of them once.
func normalGrants(grants []Grant) []Grant {
	type keyed struct {
		key   string
		grant Grant
	}
	all := make([]keyed, len(grants))
	for i, g := range grants {
		g.normalize()
		all[i] = keyed{g.key(), g}
	}
	slices.SortStableFunc(all, func(a, b keyed) int {
		return cmp.Or(
			cmp.Compare(typeRank(a.grant.Type), typeRank(b.grant.Type)),
			cmp.Compare(a.grant.Schema, b.grant.Schema),
			cmp.Compare(a.grant.Name, b.grant.Name),
			cmp.Compare(a.key, b.key))
	})
	result := make([]Grant, 0, len(all))
	for i, k := range all {
		if i == 0 || k.key != all[i-1].key {
			result = append(result, k.grant)
		}
	}
	return result
}

func normalNames(names []string) []string {
	names = slices.Clone(names) // nil stays nil
	slices.Sort(names)
	return slices.Compact(names)
}

// normalize brings everything in its order.
func (d *Declaration) normalize() {
	d.Public = normalGrants(d.Public)
	if d.PreserveSchemas = normalNames(d.PreserveSchemas); len(d.PreserveSchemas) == 0 {
		d.PreserveSchemas = nil
	}
	if d.Roles == nil {
		d.Roles = map[string]Role{}
	}
	for name, role := range d.Roles {
		role.Grants = normalGrants(role.Grants)
		role.PreserveSchemas = normalNames(role.PreserveSchemas)
		d.Roles[name] = role
	}
}

// ReadDeclaration reads a declaration as auth.dump_roles returns it.
func ReadDeclaration(document []byte) (d Declaration, err error) {
	decoder := json.NewDecoder(strings.NewReader(string(document)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil {
		return d, fmt.Errorf("a declaration of the database: %w", err)
	}
	d.normalize()
	return d, nil
}
