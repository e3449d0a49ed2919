package policy

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

const publicName = "public"

// What via may say.
const (
	viaAuto  = "auto"
	viaGroup = "group"
)

var vias = []string{viaAuto, "direct", viaGroup}

// objectType is a kind of object in the words of GRANT.
type objectType struct {
	name       string   // as in declarations
	words      string   // as in sentences, of one object
	many       string   // of all objects of a schema; "": there is no such sentence
	future     string   // as in declarations of default privileges; "": there are none
	inSchema   bool     // its name has a schema
	hasOwner   bool     // owner of … may be said
	privileges []string // all that PostgreSQL 14 to 18 know
}

// In the order in which a role's sentences stand in a file.
var objectTypes = []objectType{
	{name: typeDatabase, words: "database", hasOwner: true, privileges: []string{"CONNECT", "CREATE", "TEMPORARY"}},
	{name: typeTablespace, words: "tablespace", privileges: []string{"CREATE"}},
	{name: typeParameter, words: "parameter", privileges: []string{"SET", "ALTER SYSTEM"}},
	{name: "language", words: "language", privileges: []string{"USAGE"}},
	{name: "foreign_data_wrapper", words: "foreign data wrapper", privileges: []string{"USAGE"}},
	{name: "foreign_server", words: "foreign server", privileges: []string{"USAGE"}},
	{name: typeLarge, words: "large object", future: "LARGE OBJECTS", privileges: []string{"SELECT", "UPDATE"}},
	{name: typeSchema, words: "schema", future: "SCHEMAS", hasOwner: true, privileges: []string{"USAGE", "CREATE"}},
	{name: typeTable, words: "table", many: "tables", future: "TABLES", inSchema: true, hasOwner: true,
		privileges: []string{"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN"}},
	{name: "sequence", words: "sequence", many: "sequences", future: "SEQUENCES", inSchema: true, hasOwner: true,
		privileges: []string{"USAGE", "SELECT", "UPDATE"}},
	{name: typeFunction, words: "function", many: "functions", future: "FUNCTIONS", inSchema: true, hasOwner: true, privileges: []string{"EXECUTE"}},
	{name: typeProcedure, words: "procedure", many: "procedures", inSchema: true, hasOwner: true, privileges: []string{"EXECUTE"}},
	{name: "type", words: "type", many: "types", future: "TYPES", inSchema: true, hasOwner: true, privileges: []string{"USAGE"}},
}

var columnPrivileges = []string{"SELECT", "INSERT", "UPDATE", "REFERENCES"}

func typeOf(matches func(objectType) bool) (objectType, bool) {
	i := slices.IndexFunc(objectTypes, matches)
	if i < 0 {
		return objectType{}, false
	}
	return objectTypes[i], true
}

func typeNamed(name string) (objectType, bool) {
	return typeOf(func(t objectType) bool { return t.name == name })
}

// typeRank is the place of a type's sentences in a file.
func typeRank(name string) int {
	switch name {
	case typeLogin:
		return -2
	case typeMembership:
		return -1
	}
	if i := slices.IndexFunc(objectTypes, func(t objectType) bool { return t.name == name }); i >= 0 {
		return i
	}
	return len(objectTypes)
}

// privilegeOrder is the order in which people name privileges.
var privilegeOrder = []string{"ALL", "CONNECT", "USAGE", "SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN",
	"EXECUTE", "CREATE", "TEMPORARY", "SET", "ALTER SYSTEM"}

func sortPrivileges(names []string) {
	rank := func(name string) int {
		if i := slices.Index(privilegeOrder, name); i >= 0 {
			return i
		}
		return len(privilegeOrder)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a, b)) })
}

// privilegeName is the one name of a privilege that has two.
func privilegeName(name string) string {
	switch name {
	case "TEMP":
		return "TEMPORARY"
	case "ALL PRIVILEGES":
		return "ALL"
	}
	return name
}

func quote(text string) string { return strconv.Quote(text) }

// listed is names for people: a, b or c.
func listed(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}
