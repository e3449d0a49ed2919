package policy

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Marshal writes the file that Parse makes these declarations of. What no file can say is an error.
func Marshal(p *Policy) ([]byte, error) {
	p = p.completed()
	text, err := yaml.Dump(newWriter(p).file(), yaml.WithIndent(2), yaml.WithLineWidth(-1), yaml.WithCompactSeqIndent(false))
	if err != nil {
		return nil, err
	}
	back, err := Parse("access.yaml", bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("what is there cannot be said in a file: %w", err)
	}
	if !p.Equal(back) {
		return nil, fmt.Errorf("what is there cannot be said in a file: %s", p.difference(back))
	}
	return text, nil
}

// completed has everything in its order, every role in every database, and what belongs to the whole server once.
func (p *Policy) completed() *Policy {
	var names []string
	options := map[string]Options{}
	for _, database := range p.Databases {
		names = append(names, database.Name)
		for name, role := range database.Declaration.Roles {
			options[name] = role.Options
		}
	}
	var c Policy
	for i, database := range p.Databases {
		elsewhere := func(g Grant) bool { return !g.isFor(names, i) }
		d := database.Declaration
		d.Public = slices.DeleteFunc(slices.Clone(d.Public), elsewhere)
		d.Roles = map[string]Role{}
		for name, o := range options {
			role := database.Declaration.Roles[name]
			role.Grants = slices.DeleteFunc(slices.Clone(role.Grants), elsewhere)
			role.Options = o
			d.Roles[name] = role
		}
		if d.Options.Scope = ""; i > 0 {
			d.Options.Scope = ScopeDatabase
		}
		d.normalize()
		c.Databases = append(c.Databases, Database{database.Name, d})
	}
	return &c
}

// Equal tells whether two say the same. Where in a file they say it makes no difference.
func (p *Policy) Equal(q *Policy) bool { return p.difference(q) == "" }

// difference names the first thing that two do not have in common.
func (p *Policy) difference(q *Policy) string {
	if len(p.Databases) != len(q.Databases) {
		return "the databases"
	}
	for i := range p.Databases {
		a, b := &p.Databases[i], &q.Databases[i]
		where := "database " + quote(a.Name)
		x, y := a.Declaration, b.Declaration
		switch {
		case a.Name != b.Name:
			return where
		case !sameGrants(x.Public, y.Public):
			return "the rules for PUBLIC in " + where
		case !slices.Equal(x.PreserveSchemas, y.PreserveSchemas), !reflect.DeepEqual(x.Options, y.Options), len(x.Roles) != len(y.Roles):
			return "the options of " + where
		}
		for _, name := range slices.Sorted(maps.Keys(x.Roles)) {
			r, s := x.Roles[name], y.Roles[name]
			if !sameGrants(r.Grants, s.Grants) || !reflect.DeepEqual(r.PreserveSchemas, s.PreserveSchemas) || !reflect.DeepEqual(r.Options, s.Options) {
				return fmt.Sprintf("role %s in %s", quote(name), where)
			}
		}
	}
	return ""
}

func sameGrants(a, b []Grant) bool {
	return slices.EqualFunc(a, b, func(a, b Grant) bool { return a.key() == b.key() })
}

// writer makes the tree of a file.
type writer struct {
	policy  *Policy
	bundles map[string]bundle
}

func newWriter(p *Policy) *writer { return &writer{p, builtins()} }

// node is a mapping under construction.
type node struct{ *yaml.Node }

func mapping(style yaml.Style) node { return node{&yaml.Node{Kind: yaml.MappingNode, Style: style}} }

func (n node) add(key string, value *yaml.Node) {
	n.Content = append(n.Content, textNode(key), value)
}

// addSome leaves out what is empty.
func (n node) addSome(key string, value *yaml.Node) {
	if len(value.Content) > 0 {
		n.add(key, value)
	}
}

// addNames leaves out what is not said.
func (n node) addNames(key string, names []string) {
	if names != nil {
		n.add(key, namesNode(names))
	}
}

func textNode(text string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	if strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) }) {
		n.Style = yaml.DoubleQuotedStyle // blocks of several lines would be hard to read, and harder to get right
	}
	return n
}

func literalNode(tag, text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: text}
}

func boolNode(value bool) *yaml.Node { return literalNode("!!bool", strconv.FormatBool(value)) }

func listNode(style yaml.Style, items []*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.SequenceNode, Style: style, Content: items}
}

func namesNode(names []string) *yaml.Node {
	var items []*yaml.Node
	for _, name := range names {
		items = append(items, textNode(name))
	}
	return listNode(yaml.FlowStyle, items)
}

func sentencesNode(grants []Grant) *yaml.Node {
	var items []*yaml.Node
	for _, g := range grants {
		items = append(items, textNode(g.Sentence()))
	}
	return listNode(0, items)
}

func optionsNode(o Options) *yaml.Node {
	n := mapping(yaml.FlowStyle)
	if o.Missing != "" {
		n.add("missing", textNode(o.Missing))
	}
	if o.NewOwner != "" {
		n.add("new_owner", textNode(o.NewOwner))
	}
	if o.ReuseName != nil {
		n.add("reuse_name", boolNode(*o.ReuseName))
	}
	if o.LockKey != nil {
		n.add("lock_key", literalNode("!!int", strconv.FormatInt(*o.LockKey, 10)))
	}
	return n.Node
}

// split tells what is said for all databases from what is said for one only. of returns a database's part.
func split[T any](w *writer, of func(*Declaration) []T, key func(T) string, isClusterWide func(T) bool) (general []T, own [][]T) {
	databases := w.policy.Databases
	count := map[string]int{}
	for i := range databases {
		for _, x := range of(&databases[i].Declaration) {
			count[key(x)]++
		}
	}
	own = make([][]T, len(databases))
	for i := range databases {
		for _, x := range of(&databases[i].Declaration) {
			switch {
			case isClusterWide(x), i == 0 && count[key(x)] == len(databases):
				general = append(general, x)
			case count[key(x)] < len(databases):
				own[i] = append(own[i], x)
			}
		}
	}
	return general, own
}

func (w *writer) splitGrants(of func(*Declaration) []Grant) (general []Grant, own [][]Grant) {
	general, own = split(w, of, func(g Grant) string { return g.key() }, func(g Grant) bool { return g.isClusterWide() })
	return normalGrants(general), own
}

// splitNames has an empty list where nothing is said on purpose, and nil where nothing is said.
func (w *writer) splitNames(of func(*Declaration) []string) (general []string, own [][]string) {
	general, own = split(w, of, func(name string) string { return name }, func(string) bool { return false })
	isEmpty := func(d Database) bool { names := of(&d.Declaration); return names != nil && len(names) == 0 }
	if !slices.ContainsFunc(w.policy.Databases, func(d Database) bool { return !isEmpty(d) }) {
		return []string{}, own
	}
	for i, d := range w.policy.Databases {
		if isEmpty(d) {
			own[i] = []string{}
		}
	}
	return general, own
}

func (w *writer) file() *yaml.Node {
	n := mapping(0)
	if len(w.policy.Databases) == 0 {
		return n.Node
	}
	first := &w.policy.Databases[0].Declaration
	public, ownPublic := w.splitGrants(func(d *Declaration) []Grant { return d.Public })
	preserve, ownPreserve := w.splitNames(func(d *Declaration) []string { return d.PreserveSchemas })

	n.addSome("databases", w.databases(ownPublic, ownPreserve))
	n.addSome("options", optionsNode(first.Options))
	n.addSome("public", sentencesNode(public))
	n.addSome("preserve_schemas", namesNode(preserve))
	roles := mapping(0)
	for _, name := range slices.Sorted(maps.Keys(first.Roles)) {
		roles.add(name, w.role(name))
	}
	n.add("roles", roles.Node)
	return n.Node
}

// databases is a list of names or, when there is more to say about one of them, a mapping.
func (w *writer) databases(public [][]Grant, preserve [][]string) *yaml.Node {
	var names []string
	n, isMore := mapping(0), false
	for i, database := range w.policy.Databases {
		if database.Name == "" {
			continue
		}
		names = append(names, database.Name)
		own := mapping(0)
		own.addSome("public", sentencesNode(public[i]))
		own.addSome("preserve_schemas", namesNode(preserve[i]))
		isMore = isMore || len(own.Content) > 0
		n.add(database.Name, own.Node)
	}
	if isMore {
		return n.Node
	}
	return namesNode(names)
}

func (w *writer) role(name string) *yaml.Node {
	grants, own := w.splitGrants(func(d *Declaration) []Grant { return d.Roles[name].Grants })
	preserve, ownPreserve := w.splitNames(func(d *Declaration) []string { return d.Roles[name].PreserveSchemas })
	n := mapping(0)
	var memberships []*yaml.Node
	grants = slices.DeleteFunc(slices.Clone(grants), func(g Grant) bool {
		switch g.Type {
		case typeLogin:
			n.add("login", loginNode(g))
		case typeMembership:
			memberships = append(memberships, membershipNode(g))
		default:
			return false
		}
		return true
	})
	n.addSome("member_of", listNode(yaml.FlowStyle, memberships))
	w.section(n, grants, preserve)
	n.addSome("options", optionsNode(w.policy.Databases[0].Declaration.Roles[name].Options))
	databases := mapping(0)
	for i, database := range w.policy.Databases {
		only := mapping(0)
		w.section(only, own[i], ownPreserve[i])
		databases.addOnly(database.Name, only)
	}
	n.addSome("databases", databases.Node)
	return n.Node
}

func (n node) addOnly(key string, value node) {
	if len(value.Content) > 0 {
		n.add(key, value.Node)
	}
}

func (w *writer) section(n node, grants []Grant, preserve []string) {
	for _, name := range []string{"readwrite", "readonly"} {
		var uses []*yaml.Node
		uses, grants = foldBundle(w.bundles[name], grants)
		n.addSome(name, listNode(yaml.FlowStyle, uses))
	}
	n.addSome("grants", sentencesNode(grants))
	n.addNames("preserve_schemas", preserve)
}

// foldBundle finds the schemas for which all of a bundle's grants are there, and returns the other grants.
func foldBundle(b bundle, grants []Grant) (uses []*yaml.Node, rest []Grant) {
	there := map[string]bool{}
	var schemas, creators []string
	for _, g := range grants {
		there[g.key()] = true
		switch g.Type {
		case typeSchema:
			schemas = append(schemas, g.Name)
		case typeDefault:
			creators = append(creators, g.Creator)
		}
	}
	allThere := func(grants []Grant) bool {
		return !slices.ContainsFunc(grants, func(g Grant) bool { return !there[g.key()] })
	}
	folded := map[string]bool{}
	for _, schema := range normalNames(schemas) {
		now := b.fill(schema, nil)
		if !allThere(now) {
			continue
		}
		var makers []string
		for _, creator := range normalNames(creators) {
			if with := b.fill(schema, []string{creator}); allThere(with) {
				makers, now = append(makers, creator), append(now, with...)
			}
		}
		for _, g := range now {
			folded[g.key()] = true
		}
		uses = append(uses, useNode(schema, makers))
	}
	return uses, slices.DeleteFunc(slices.Clone(grants), func(g Grant) bool { return folded[g.key()] })
}

func useNode(schema string, creators []string) *yaml.Node {
	if len(creators) == 0 {
		return textNode(schema)
	}
	n := mapping(yaml.FlowStyle)
	n.add("schema", textNode(schema))
	if len(creators) == 1 {
		n.add("future_by", textNode(creators[0]))
	} else {
		n.add("future_by", namesNode(creators))
	}
	return n.Node
}

func loginNode(g Grant) *yaml.Node {
	n := mapping(yaml.FlowStyle)
	if g.ConnectionLimit != nil {
		n.add("connection_limit", literalNode("!!int", strconv.Itoa(*g.ConnectionLimit)))
	}
	for _, field := range []struct{ key, value string }{
		{"valid_until", g.ValidUntil}, {"verifier", g.Verifier}, {"password_env", g.PasswordEnv}, {"password_file", g.PasswordFile},
	} {
		if field.value != "" {
			n.add(field.key, textNode(field.value))
		}
	}
	if len(n.Content) == 0 {
		return boolNode(true)
	}
	return n.Node
}

func membershipNode(g Grant) *yaml.Node {
	n := mapping(yaml.FlowStyle)
	n.add("role", textNode(g.Role))
	for _, option := range []struct {
		key   string
		value *bool
	}{{"inherit", g.Inherit}, {"set", g.Set}, {"admin", g.Admin}} {
		if option.value != nil {
			n.add(option.key, boolNode(*option.value))
		}
	}
	if len(n.Content) == 2 {
		return textNode(g.Role)
	}
	return n.Node
}

// Sentence is a grant in the words of a file. Logins and memberships have none.
func (g *Grant) Sentence() string {
	var b strings.Builder
	if g.Action != "" {
		b.WriteString(g.Action + " ")
	}
	if g.Owner {
		b.WriteString("owner of ")
	} else {
		b.WriteString(g.privilegeList() + " on ")
	}
	b.WriteString(g.object())
	if g.GrantOption {
		b.WriteString(" with grant option")
	}
	if g.Via != "" {
		b.WriteString(" via " + g.Via)
	}
	return b.String()
}

func (g *Grant) privilegeList() string {
	columns := ""
	if len(g.Columns) > 0 {
		columns = " (" + identifiers(g.Columns) + ")"
	}
	list := make([]string, len(g.Privileges))
	for i, privilege := range g.Privileges {
		list[i] = strings.ToLower(privilege) + columns
	}
	return strings.Join(list, ", ")
}

func identifiers(names []string) string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = identifier(name)
	}
	return strings.Join(list, ", ")
}

func (g *Grant) object() string {
	if g.Type == typeDefault {
		where := ""
		if g.Schema != "" {
			where = " in schema " + identifier(g.Schema)
		}
		return "future " + strings.ToLower(g.Objects) + where + " by " + identifier(g.Creator)
	}
	kind, ok := typeNamed(g.Type)
	if !ok {
		return quote(g.Type) // Marshal finds that it cannot be read
	}
	switch {
	case g.All:
		return "all " + kind.many + " in schema " + identifier(g.Schema)
	case g.Pattern != "":
		return kind.many + " matching '" + strings.ReplaceAll(g.Pattern, "'", "''") + "' in schema " + identifier(g.Schema)
	case kind.name == typeLarge:
		return kind.words + " " + g.Name
	case kind.name == typeParameter:
		parts := strings.Split(g.Name, ".")
		for i, part := range parts {
			parts[i] = identifier(part)
		}
		return kind.words + " " + strings.Join(parts, ".")
	case !kind.inSchema:
		return kind.words + " " + identifier(g.Name)
	}
	name := identifier(g.Name)
	if kind.name == typeFunction || kind.name == typeProcedure {
		if plain, arguments, ok := splitSignature(g.Name); ok {
			name = identifier(plain) + "(" + arguments + ")"
		}
	}
	return kind.words + " " + identifier(g.Schema) + "." + name
}
