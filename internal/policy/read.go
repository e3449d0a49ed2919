package policy

import (
	"errors"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxGrants is how many grants, and how many things to look at, a file may come to: aliases can make much of little.
const maxGrants = 1_000_000

// Parse reads a file. What is wrong with it is a *Problems, which has all of it; file is its name there.
func Parse(file string, r io.Reader) (*Policy, error) {
	d, err := load(r)
	if err != nil {
		return nil, err
	}
	read := reader{document: d, bundles: builtins(), lists: map[list][]Grant{}}
	if d.root != nil {
		read.file(d.root)
	}
	databases := read.allDatabases()
	if read.made > 0 && len(databases) > maxGrants/read.made {
		d.wrong(Position{1, 1}, "the file comes to more than %d grants in %d databases", maxGrants, len(databases))
	}
	if err := d.problems(file); err != nil {
		return nil, err
	}
	var p Policy
	for i, database := range databases {
		p.Databases = append(p.Databases, Database{database, read.declaration(databases, i)})
	}
	return &p, nil
}

// reader is what is read of a file.
type reader struct {
	*document
	bundles map[string]bundle
	lists   map[list][]Grant // that were read already: aliases are cheap
	seen    int              // keys, and elements of lists
	made    int              // grants

	databases []string           // that the rest is for
	database  map[string]section // nil: the file does not name any
	public    []Grant
	preserve  []string
	options   Options
	roles     []role
}

// list is a list of sentences of one kind.
type list struct {
	node *yaml.Node
	kind sentenceKind
}

// section is what is said about one database only, of a role or of all.
type section struct {
	grants   []Grant
	public   []Grant
	preserve []string
}

type role struct {
	name string
	at   Position
	section
	options   Options
	databases map[string]section
}

// entry is a key of a mapping, with its value.
type entry struct {
	key, value *yaml.Node
}

func resolved(n *yaml.Node) *yaml.Node {
	// The library knows no alias of an alias, and none of what comes later.
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// what a node is, for messages.
func what(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case isNull(n):
		return "nothing"
	case n.ShortTag() == "!!str":
		return "the text " + shortened(n.Value)
	}
	return n.Value + " (" + strings.TrimPrefix(n.ShortTag(), "!!") + ")"
}

func shortened(text string) string {
	if runes := []rune(text); len(runes) > 60 {
		return quote(string(runes[:60]) + "…")
	}
	return quote(text)
}

// mapping returns the entries of a mapping whose keys are text, each there once. Nothing is an empty one.
func (r *reader) mapping(n *yaml.Node, of string) []entry {
	n = resolved(n)
	if isNull(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		r.wrongNode(n, "%s: expected keys and values, got %s", of, what(n))
		return nil
	}
	if r.isTooMuch(n, len(n.Content)/2) {
		return nil
	}
	var entries []entry
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := resolved(n.Content[i])
		switch {
		case key.Kind == yaml.ScalarNode && key.ShortTag() == "!!merge":
			r.wrongNode(key, "%s: merge keys (<<) are not for this file; bundles are", of)
			continue
		case key.Kind != yaml.ScalarNode || key.ShortTag() != "!!str":
			r.wrongNode(key, "%s: a key is text, not %s; quote it", of, what(key))
			continue
		case seen[key.Value] > 0:
			r.wrongNode(key, "%s: key %s stands here twice, first in line %d", of, quote(key.Value), seen[key.Value])
			continue
		}
		seen[key.Value] = key.Line
		entries = append(entries, entry{key, n.Content[i+1]})
	}
	return entries
}

// fields is mapping where only some keys are known.
func (r *reader) fields(n *yaml.Node, of string, known ...string) map[string]*yaml.Node {
	fields := map[string]*yaml.Node{}
	for _, e := range r.mapping(n, of) {
		if !slices.Contains(known, e.key.Value) {
			advice := ""
			if r.isOwnBundle(e.key.Value) && slices.Contains(known, "bundles") {
				advice = "; the bundle is used so: bundles: {" + e.key.Value + ": […]}"
			}
			r.wrongNode(e.key, "%s: unknown key %s; known are: %s%s", of, quote(e.key.Value), strings.Join(known, ", "), advice)
			continue
		}
		fields[e.key.Value] = e.value
	}
	return fields
}

func (r *reader) isOwnBundle(name string) bool {
	_, isBundle := r.bundles[name]
	_, isBuiltin := builtinBundles[name]
	return isBundle && !isBuiltin
}

// items returns the elements of a list. Nothing is an empty one.
func (r *reader) items(n *yaml.Node, of string) []*yaml.Node {
	n = resolved(n)
	switch {
	case isNull(n):
		return nil
	case n.Kind != yaml.SequenceNode:
		r.wrongNode(n, "%s: expected a list, got %s", of, what(n))
		return nil
	}
	if r.isTooMuch(n, len(n.Content)) {
		return nil
	}
	items := make([]*yaml.Node, len(n.Content))
	for i, item := range n.Content {
		items[i] = resolved(item)
	}
	return items
}

// scalar returns text that may be more than text to YAML, such as a timestamp.
func (r *reader) scalar(n *yaml.Node, of string, tags ...string) (string, bool) {
	n = resolved(n)
	if n.Kind != yaml.ScalarNode || !slices.Contains(tags, n.ShortTag()) {
		advice := ""
		if n.Kind == yaml.ScalarNode && !isNull(n) {
			advice = "; quote it"
		}
		r.wrongNode(n, "%s: expected text, got %s%s", of, what(n), advice)
		return "", false
	}
	return n.Value, true
}

// name returns a name exactly as it stands; "" when it is none.
func (r *reader) name(n *yaml.Node, of string) string {
	text, ok := r.scalar(n, of, "!!str")
	if !ok {
		return ""
	}
	return r.checkName(resolved(n), text, of)
}

func (r *reader) checkName(n *yaml.Node, text, of string) string {
	if problem := nameProblem(text); problem != "" {
		r.wrongNode(n, "%s: %s", of, problem)
		return ""
	}
	return text
}

// names is never nil: an empty list is not what was not said.
func (r *reader) names(n *yaml.Node, of string) []string {
	names := []string{}
	for _, item := range r.items(n, of) {
		if name := r.name(item, of); name != "" {
			names = append(names, name)
		}
	}
	return names
}

func (r *reader) boolean(n *yaml.Node, of string) *bool {
	n = resolved(n)
	var value bool
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" || n.Load(&value) != nil {
		r.wrongNode(n, "%s: expected true or false, got %s", of, what(n))
		return nil
	}
	return &value
}

func (r *reader) integer(n *yaml.Node, of string, least, most int64) *int64 {
	n = resolved(n)
	value, err := strconv.ParseInt(n.Value, 10, 64)
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" || err != nil || value < least || value > most {
		r.wrongNode(n, "%s: expected a number from %d to %d, got %s", of, least, most, what(n))
		return nil
	}
	return &value
}

func (r *reader) oneOf(n *yaml.Node, of string, known ...string) string {
	text, ok := r.scalar(n, of, "!!str")
	if !ok {
		return ""
	}
	if !slices.Contains(known, text) {
		r.wrongNode(resolved(n), "%s: expected %s, got %s", of, listed(known), what(resolved(n)))
		return ""
	}
	return text
}

func (r *reader) file(n *yaml.Node) {
	if isNull(n) {
		r.wrongNode(n, "the file is empty")
		return
	}
	fields := r.fields(n, "file", "databases", "bundles", "public", "preserve_schemas", "options", "roles")
	given := func(key string, read func(*yaml.Node)) {
		if value, ok := fields[key]; ok {
			read(value)
		}
	}
	given("databases", r.readDatabases)
	given("bundles", r.readBundles)
	given("public", func(n *yaml.Node) { r.public = r.sentences(n, "public", sentenceOfPublic) })
	given("preserve_schemas", func(n *yaml.Node) { r.preserve = r.names(n, "preserve_schemas") })
	given("options", func(n *yaml.Node) { r.options = r.readOptions(n, "missing", "new_owner", "reuse_name", "lock_key") })
	given("roles", r.readRoles)
}

func (r *reader) readDatabases(n *yaml.Node) {
	const of = "databases"
	n = resolved(n)
	r.database = map[string]section{}
	add := func(n *yaml.Node, name string) bool {
		if slices.Contains(r.databases, name) {
			r.wrongNode(n, "%s: %s stands here twice", of, quote(name))
			return false
		}
		r.databases = append(r.databases, name)
		return true
	}
	if n.Kind == yaml.MappingNode {
		for _, e := range r.mapping(n, of) {
			name := r.checkName(resolved(e.key), resolved(e.key).Value, of)
			fields := r.fields(e.value, "database", "public", "preserve_schemas")
			var s section
			if value, ok := fields["public"]; ok {
				s.public = r.sentences(value, "public", sentenceOfPublic)
				r.refuseClusterWide(s.public, name)
			}
			if value, ok := fields["preserve_schemas"]; ok {
				s.preserve = r.names(value, "preserve_schemas")
			}
			if name != "" && add(e.key, name) {
				r.database[name] = s
			}
		}
	} else {
		for _, item := range r.items(n, of) {
			if name := r.name(item, of); name != "" {
				add(item, name)
			}
		}
	}
	if len(r.databases) == 0 && len(r.list) == 0 {
		r.wrongNode(n, "%s: name at least one, or leave it out for the one that is connected to", of)
	}
}

// refuseClusterWide refuses what the whole server has where one database is spoken about; privileges on that database are its own.
func (r *reader) refuseClusterWide(grants []Grant, database string) {
	for _, g := range grants {
		if g.isClusterWide() && (g.Type != typeDatabase || g.Name != database) {
			r.wrong(g.at, "a %s belongs to the whole server, not to database %s: say it outside of databases", g.Type, quote(database))
		}
	}
}

func (r *reader) readBundles(n *yaml.Node) {
	for _, e := range r.mapping(n, "bundles") {
		key := resolved(e.key)
		if _, ok := builtinBundles[key.Value]; ok {
			r.wrongNode(key, "bundles: %s is there already, and is always the same; choose another name", quote(key.Value))
			continue
		}
		r.checkName(key, key.Value, "bundles")
		r.bundles[key.Value] = newBundle(r.sentences(e.value, "bundle "+quote(key.Value), sentenceOfBundle))
	}
}

func (r *reader) readOptions(n *yaml.Node, known ...string) (o Options) {
	fields := r.fields(n, "options", known...)
	if value, ok := fields["missing"]; ok {
		o.Missing = r.oneOf(value, "missing", "error", "skip", "create")
	}
	if value, ok := fields["new_owner"]; ok {
		o.NewOwner = r.name(value, "new_owner")
	}
	if value, ok := fields["reuse_name"]; ok {
		o.ReuseName = r.boolean(value, "reuse_name")
	}
	if value, ok := fields["lock_key"]; ok {
		o.LockKey = r.integer(value, "lock_key", math.MinInt64, math.MaxInt64)
	}
	return o
}

// sentences reads a list of sentences, with their places.
func (r *reader) sentences(n *yaml.Node, of string, kind sentenceKind) []Grant {
	if r.made > maxGrants {
		return nil
	}
	n = resolved(n)
	known := list{n, kind}
	if grants, ok := r.lists[known]; ok {
		return r.counted(n, grants)
	}
	var grants []Grant
	flow := n.Style&yaml.FlowStyle != 0
	for _, item := range r.items(n, of) {
		text, ok := r.scalar(item, of, "!!str")
		if !ok {
			continue
		}
		more, err := parseSentence(text, kind)
		if err != nil {
			r.wrongSentence(item, of, err, flow)
			continue
		}
		at := Position{item.Line, item.Column}
		for i := range more {
			more[i].at = at
		}
		grants = append(grants, more...)
	}
	r.lists[known] = grants
	return r.counted(n, grants)
}

func (r *reader) wrongSentence(n *yaml.Node, of string, err error, flow bool) {
	offset := 0
	if wrong := (*sentenceError)(nil); errors.As(err, &wrong) {
		offset = wrong.offset
	}
	advice := ""
	if flow && n.Style == 0 && offset == len(n.Value) {
		advice = " (between [ and ] a comma ends a sentence: quote it, or write one sentence a line)"
	}
	r.wrong(r.place(n, offset), "%s: %s%s", of, err, advice)
}

// isTooMuch tells whether so many more keys or elements are too much. One such problem is enough.
func (r *reader) isTooMuch(n *yaml.Node, more int) bool {
	return r.add(&r.seen, n, more, "things to look at")
}

// counted refuses what comes to too many grants.
func (r *reader) counted(n *yaml.Node, grants []Grant) []Grant {
	if r.add(&r.made, n, len(grants), "grants") {
		return nil
	}
	return grants
}

func (r *reader) add(count *int, n *yaml.Node, more int, of string) bool {
	before := *count
	*count += more
	if before <= maxGrants && *count > maxGrants {
		r.wrongNode(n, "the file comes to more than %d %s", maxGrants, of)
	}
	return *count > maxGrants
}

func (r *reader) readRoles(n *yaml.Node) {
	for _, e := range r.mapping(n, "roles") {
		key := resolved(e.key)
		name := r.checkName(key, key.Value, "role")
		switch {
		case name == publicName:
			r.wrongNode(key, `role: "public" is no role; rules for PUBLIC stand below public, beside roles`)
		case name == "none" || strings.HasPrefix(name, "pg_"):
			r.wrongNode(key, "role: the name %s is reserved by PostgreSQL", quote(name))
		}
		r.roles = append(r.roles, r.readRole(e, name))
	}
}

var roleKeys = []string{"login", "member_of", "readonly", "readwrite", "bundles", "grants", "preserve_schemas", "options", "databases"}

// sectionKeys are the keys of a role that it has for one database too.
var sectionKeys = []string{"readonly", "readwrite", "bundles", "grants", "preserve_schemas"}

func (r *reader) readRole(e entry, name string) role {
	of := "role " + quote(name)
	fields := r.fields(e.value, of, roleKeys...)
	result := role{name: name, at: Position{e.key.Line, e.key.Column}}
	if value, ok := fields["login"]; ok {
		result.grants = append(result.grants, r.readLogin(value)...)
	}
	if value, ok := fields["member_of"]; ok {
		result.grants = append(result.grants, r.readMemberships(value)...)
	}
	s := r.readSection(fields)
	result.grants = append(result.grants, s.grants...)
	result.preserve = s.preserve
	if value, ok := fields["options"]; ok {
		result.options = r.readOptions(value, "missing", "new_owner", "reuse_name")
	}
	if value, ok := fields["databases"]; ok {
		result.databases = map[string]section{}
		if r.database == nil {
			r.wrongNode(resolved(value), "%s: with databases here, say at the top too which databases the rest is for: databases: [NAME]", of)
		}
		for _, e := range r.mapping(value, "databases") {
			key := resolved(e.key)
			database := r.checkName(key, key.Value, "databases")
			s := r.readSection(r.fields(e.value, "database "+quote(database), sectionKeys...))
			r.refuseClusterWide(s.grants, database)
			result.databases[database] = s
		}
	}
	return result
}

func (r *reader) readSection(fields map[string]*yaml.Node) (s section) {
	for _, name := range builtinNames {
		if value, ok := fields[name]; ok {
			s.grants = append(s.grants, r.useBundle(value, name, r.bundles[name])...)
		}
	}
	if value, ok := fields["bundles"]; ok {
		for _, e := range r.mapping(value, "bundles") {
			key := resolved(e.key)
			used, ok := r.bundles[key.Value]
			if !ok {
				r.wrongNode(key, "there is no bundle %s; there are: %s", quote(key.Value), strings.Join(bundleNames(r.bundles), ", "))
				continue
			}
			s.grants = append(s.grants, r.useBundle(e.value, key.Value, used)...)
		}
	}
	if value, ok := fields["grants"]; ok {
		s.grants = append(s.grants, r.sentences(value, "grants", sentenceOfRole)...)
	}
	if value, ok := fields["preserve_schemas"]; ok {
		s.preserve = r.names(value, "preserve_schemas")
	}
	return s
}

// useBundle reads for which schemas a role uses a bundle: [app, {schema: billing, future_by: billing_owner}].
func (r *reader) useBundle(n *yaml.Node, name string, used bundle) []Grant {
	if r.made > maxGrants {
		return nil
	}
	n = resolved(n)
	of := "bundle " + quote(name)
	placed := func(n *yaml.Node, grants []Grant) []Grant {
		for i := range grants {
			grants[i].at = Position{n.Line, n.Column}
		}
		return r.counted(n, grants)
	}
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!bool" {
		switch on := r.boolean(n, of); {
		case on == nil || !*on:
			r.wrongNode(n, "%s: expected true or a list of schemas; leave it out if it is not for this role", of)
		case used.bySchema:
			r.wrongNode(n, "%s: its sentences have {schema}: list the schemas", of)
		default:
			return placed(n, used.fill("", nil))
		}
		return nil
	}
	if !used.bySchema && len(used.grants) > 0 {
		r.wrongNode(n, "%s: its sentences have no {schema}: write %s: true", of, name)
		return nil
	}
	var grants []Grant
	for _, item := range r.items(n, of) {
		schema, creators := "", []string(nil)
		if item.Kind == yaml.MappingNode {
			schema, creators = r.bundleUse(item, of, used)
		} else {
			schema = r.name(item, of)
		}
		if schema != "" {
			grants = append(grants, placed(item, used.fill(schema, creators))...)
		}
	}
	return grants
}

func (r *reader) bundleUse(n *yaml.Node, of string, used bundle) (schema string, creators []string) {
	fields := r.fields(n, of, "schema", "future_by")
	if value, ok := fields["schema"]; ok {
		schema = r.name(value, of)
	} else {
		r.wrongNode(n, "%s: the schema is missing", of)
	}
	if value, ok := fields["future_by"]; ok {
		if resolved(value).Kind == yaml.SequenceNode {
			creators = r.names(value, "future_by")
		} else if creator := r.name(value, "future_by"); creator != "" {
			creators = []string{creator}
		}
		if !used.byFuture {
			r.wrongNode(resolved(value), "%s: its sentences have no {future_by}", of)
		}
	}
	return schema, creators
}

func (r *reader) readLogin(n *yaml.Node) []Grant {
	const of = "login"
	n = resolved(n)
	g := Grant{Type: typeLogin, at: Position{n.Line, n.Column}}
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!bool" {
		if on := r.boolean(n, of); on != nil && *on {
			return []Grant{g}
		}
		return nil
	}
	if n.Kind != yaml.MappingNode {
		r.wrongNode(n, "login: expected true, false or a mapping, got %s", what(n))
		return nil
	}
	// No password stands in a file that is to be read by many.
	fields := r.fields(n, of, "connection_limit", "valid_until", "verifier", "password_env", "password_file")
	if value, ok := fields["connection_limit"]; ok {
		if limit := r.integer(value, "connection_limit", -1, math.MaxInt32); limit != nil {
			n := int(*limit)
			g.ConnectionLimit = &n
		}
	}
	if value, ok := fields["valid_until"]; ok {
		if text, ok := r.scalar(value, "valid_until", "!!str", "!!timestamp"); ok {
			if g.ValidUntil, ok = instant(text); !ok {
				r.wrongNode(resolved(value), "valid_until: expected a timestamp with an offset, as in 2030-12-31T23:59:59+01:00, got %s", shortened(text))
			}
		}
	}
	r.readSecret(fields, &g)
	return []Grant{g}
}

var verifierPattern = regexp.MustCompile(`^SCRAM-SHA-256\$[0-9]+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}=$`)

// readSecret reads where the password is. A verifier that is none is not shown: it may be a password.
func (r *reader) readSecret(fields map[string]*yaml.Node, g *Grant) {
	given := 0
	for _, key := range []string{"verifier", "password_env", "password_file"} {
		value, ok := fields[key]
		if !ok {
			continue
		}
		if given++; given > 1 {
			r.wrongNode(resolved(value), "login: one of verifier, password_env and password_file is enough")
		}
		value = resolved(value)
		if value.Kind != yaml.ScalarNode || value.ShortTag() != "!!str" || value.Value == "" {
			r.wrongNode(value, "%s: expected text", key)
			continue
		}
		switch key {
		case "verifier":
			if g.Verifier = value.Value; !verifierPattern.MatchString(value.Value) {
				r.wrongNode(value, "verifier: expected a SCRAM-SHA-256 verifier, as pg_authid.rolpassword has it")
			}
		case "password_env":
			g.PasswordEnv = value.Value
		case "password_file":
			g.PasswordFile = value.Value
		}
	}
}

func (r *reader) readMemberships(n *yaml.Node) []Grant {
	const of = "member_of"
	var grants []Grant
	seen := map[string]bool{}
	for _, item := range r.items(n, of) {
		g := Grant{Type: typeMembership, at: Position{item.Line, item.Column}}
		if item.Kind == yaml.MappingNode {
			r.readMembership(item, &g)
		} else {
			g.Role = r.name(item, of)
		}
		if g.Role == "" {
			continue
		}
		if seen[g.Role] {
			r.wrongNode(item, "member_of: %s stands here twice", quote(g.Role))
		}
		seen[g.Role] = true
		grants = append(grants, g)
	}
	return r.counted(n, grants)
}

func (r *reader) readMembership(n *yaml.Node, g *Grant) {
	const of = "member_of"
	fields := r.fields(n, of, "role", "inherit", "set", "admin")
	if value, ok := fields["role"]; ok {
		g.Role = r.name(value, of)
	} else {
		r.wrongNode(n, "member_of: the role is missing")
	}
	for key, option := range map[string]**bool{"inherit": &g.Inherit, "set": &g.Set, "admin": &g.Admin} {
		if value, ok := fields[key]; ok {
			*option = r.boolean(value, key)
		}
	}
}

// allDatabases is the databases that are named anywhere. The first one gets what belongs to the whole server.
func (r *reader) allDatabases() []string {
	first := r.databases
	if r.database == nil {
		first = []string{""}
	}
	var others []string
	for _, role := range r.roles {
		for database := range role.databases {
			if !slices.Contains(first, database) {
				others = append(others, database)
			}
		}
	}
	return slices.Concat(first, normalNames(others))
}

// declaration is what the n-th of these databases is to have.
func (r *reader) declaration(databases []string, n int) Declaration {
	database := databases[n]
	d := Declaration{Roles: map[string]Role{}, Options: r.options}
	if n > 0 {
		d.Options.Scope = ScopeDatabase
	}
	isListed := r.database == nil || slices.Contains(r.databases, database)
	// general is what is said outside of databases: for those that are listed, unless it belongs to the whole server.
	general := func(grants []Grant) []Grant {
		return slices.DeleteFunc(slices.Clone(grants), func(g Grant) bool {
			return !g.isFor(databases, n) || !isListed && !g.isClusterWide()
		})
	}
	names := func(all, here []string) []string {
		if !isListed {
			return here
		}
		return slices.Concat(all, here)
	}
	d.Public = slices.Concat(general(r.public), r.database[database].public)
	d.PreserveSchemas = names(r.preserve, r.database[database].preserve)
	for _, role := range r.roles {
		here := role.databases[database]
		d.Roles[role.name] = Role{
			Grants:          slices.Concat(general(role.grants), here.grants),
			PreserveSchemas: notNil(names(role.preserve, here.preserve), role.preserve != nil && isListed || here.preserve != nil),
			Options:         role.options,
			at:              role.at,
		}
	}
	d.normalize()
	return d
}

// notNil makes nil the empty list where nothing was said on purpose.
func notNil(names []string, isGiven bool) []string {
	if names == nil && isGiven {
		return []string{}
	}
	return names
}
