package policy

import (
	"slices"
	"strings"
)

// sentenceKind is where a sentence stands, and so what it may say.
type sentenceKind int

const (
	sentenceOfRole sentenceKind = iota
	sentenceOfBundle
	sentenceOfPublic
)

// parser reads one sentence, such as: select, insert on table app.orders with grant option.
type parser struct {
	text   string
	kind   sentenceKind
	tokens []token // the last one is the end, which is never passed
}

// parseSentence makes grants of a sentence: one for every object and every set of columns.
func parseSentence(text string, kind sentenceKind) ([]Grant, error) {
	tokens, err := lex(text)
	if err != nil {
		return nil, err
	}
	p := &parser{text, kind, tokens}
	action := ""
	if action, err = p.action(); err != nil {
		return nil, err
	}
	grants, err := p.grants()
	if err != nil {
		return nil, err
	}
	for i := range grants {
		grants[i].Action = action
		grants[i].normalize()
	}
	return grants, nil
}

func (p *parser) peek() token { return p.tokens[0] }

func (p *parser) take() token {
	t := p.tokens[0]
	if t.kind != tokenEnd {
		p.tokens = p.tokens[1:]
	}
	return t
}

// takeIf takes these words if they all come next.
func (p *parser) takeIf(words ...string) bool {
	for i, word := range words {
		if i >= len(p.tokens) || !p.tokens[i].is(word) {
			return false
		}
	}
	p.tokens = p.tokens[len(words):]
	return true
}

// got is a token as it is written, for messages.
func (p *parser) got(t token) string {
	if t.kind == tokenEnd {
		return "the end"
	}
	return quote(p.text[t.start:t.end])
}

// expected says what should come next.
func (p *parser) expected(what string) error {
	t := p.peek()
	return wrongAt(t, "expected %s, got %s", what, p.got(t))
}

// action is the first word of rules for PUBLIC; the other sentences have none.
func (p *parser) action() (string, error) {
	t := p.peek()
	switch {
	case p.kind == sentenceOfPublic:
		if !t.is("grant", "revoke") {
			return "", wrongAt(t, "a rule for PUBLIC begins with grant or revoke, not with %s", p.got(t))
		}
		return p.take().text, nil
	case t.is("grant"):
		return "", wrongAt(t, `leave "grant" out: a sentence begins with the privileges`)
	case t.is("revoke"):
		return "", wrongAt(t, `what no sentence gives is revoked; "revoke" stands only below public`)
	}
	return "", nil
}

// given is a privilege with its columns, or "all", or "owner".
type given struct {
	at      token
	name    string
	columns []string
}

func (p *parser) grants() ([]Grant, error) {
	if t := p.peek(); p.takeIf("owner", "of") {
		if p.kind == sentenceOfPublic {
			return nil, wrongAt(t, "PUBLIC owns nothing")
		}
		return p.owned()
	}
	privileges, err := p.privileges()
	if err != nil {
		return nil, err
	}
	if !p.takeIf("on") {
		return nil, p.expected(`"on" after the privileges`)
	}
	objects, kind, err := p.objects()
	if err != nil {
		return nil, err
	}
	sets, err := checkPrivileges(privileges, kind)
	if err != nil {
		return nil, err
	}
	var tail Grant
	if err := p.tail(&tail); err != nil {
		return nil, err
	}
	var grants []Grant
	for _, object := range objects {
		for _, set := range sets {
			g := object
			g.Columns, g.Privileges = slices.Clone(set.Columns), slices.Clone(set.Privileges)
			g.GrantOption, g.Via = tail.GrantOption, tail.Via
			grants = append(grants, g)
		}
	}
	return grants, nil
}

func (p *parser) owned() ([]Grant, error) {
	at := p.peek()
	objects, kind, err := p.objects()
	if err != nil {
		return nil, err
	}
	if kind.future {
		return nil, wrongAt(at, "future objects belong to who makes them")
	}
	if !kind.hasOwner {
		return nil, wrongAt(at, "the owner of a %s cannot be declared", kind.words)
	}
	if t := p.peek(); t.is("with", "via") {
		return nil, wrongAt(t, "an owner has it all: %q is for privileges", t.text)
	}
	if err := p.tail(&Grant{}); err != nil {
		return nil, err
	}
	for i := range objects {
		objects[i].Owner = true
	}
	return objects, nil
}

// privileges reads: select, insert (id, name), alter system.
func (p *parser) privileges() ([]given, error) {
	var all []given
	for {
		g := given{at: p.peek()}
		var words []string
		for t := p.peek(); t.kind == tokenWord && !t.is("on"); t = p.peek() {
			words = append(words, strings.ToUpper(p.take().text))
		}
		if len(words) == 0 {
			return nil, p.expected("a privilege")
		}
		g.name = privilegeName(strings.Join(words, " "))
		if p.takeIf("(") {
			for {
				column, err := p.name("a column")
				if err != nil {
					return nil, err
				}
				g.columns = append(g.columns, column)
				if p.takeIf(")") {
					break
				}
				if !p.takeIf(",") {
					return nil, p.expected(`"," or ")"`)
				}
			}
		}
		all = append(all, g)
		if !p.takeIf(",") {
			return all, nil
		}
	}
}

// privilegeSet is privileges on the same columns, or on no columns.
type privilegeSet struct {
	Columns    []string
	Privileges []string
}

// checkPrivileges sorts privileges by their columns, and refuses what such an object does not have.
func checkPrivileges(privileges []given, kind target) ([]privilegeSet, error) {
	var sets []privilegeSet
	for _, g := range privileges {
		known := kind.privileges
		if g.columns != nil {
			if kind.name != typeTable || kind.future {
				return nil, wrongAt(g.at, "columns are for tables that exist; %s has none", a(kind.words))
			}
			known = columnPrivileges
		}
		switch {
		case g.name == "ALL":
			if len(privileges) > 1 {
				return nil, wrongAt(g.at, `"all" stands alone: it has the others in it`)
			}
		case !slices.Contains(known, g.name):
			what := a(kind.words)
			if g.columns != nil {
				what = "a column"
			}
			return nil, wrongAt(g.at, "%s has no privilege %s; it has %s",
				what, quote(strings.ToLower(g.name)), strings.ToLower(strings.Join(known, ", ")))
		}
		columns := slices.Clone(g.columns)
		slices.Sort(columns)
		columns = slices.Compact(columns)
		i := slices.IndexFunc(sets, func(s privilegeSet) bool { return slices.Equal(s.Columns, columns) })
		if i < 0 {
			sets = append(sets, privilegeSet{Columns: columns})
			i = len(sets) - 1
		}
		sets[i].Privileges = append(sets[i].Privileges, g.name)
	}
	return sets, nil
}

// a gives a noun its article.
func a(noun string) string { return "a " + noun }

// target is the type of what a sentence is about.
type target struct {
	objectType
	future bool
}

const whatSentencesAreAbout = "what it is about, such as: table app.orders, all tables in schema app, " +
	"tables matching 'fact_.*' in schema app, future tables in schema app by app_owner, schema app, function app.f(integer)"

// objects reads what comes after on, and after owner of.
func (p *parser) objects() ([]Grant, target, error) {
	start := p.peek()
	switch {
	case p.takeIf("all"):
		return p.manyObjects(func(g *Grant) error { g.All = true; return nil })
	case p.takeIf("future"):
		return p.futureObjects()
	}
	if p.isMany() {
		return p.manyObjects(p.matching)
	}
	// GRANT has the word TABLE or leaves it out.
	if len(p.tokens) > 1 && p.tokens[1].is(".") {
		kind, _ := typeNamed(typeTable)
		return p.namedObjects(kind)
	}
	// Longer ones first: none begins with another one and a word more, but domain is not among them.
	for _, kind := range objectTypes {
		if p.takeIf(strings.Fields(kind.words)...) {
			return p.namedObjects(kind)
		}
	}
	if p.takeIf("domain") {
		kind, _ := typeNamed("type")
		return p.namedObjects(kind)
	}
	switch {
	case start.is("view", "materialized"):
		return nil, target{}, wrongAt(start, "to GRANT, views are tables: write table")
	case start.is("routine", "routines"):
		return nil, target{}, wrongAt(start, "write function or procedure, whichever it is")
	}
	return nil, target{}, p.expected(whatSentencesAreAbout)
}

func (p *parser) isMany() bool {
	t := p.peek()
	_, ok := typeOf(func(kind objectType) bool { return kind.many != "" && t.is(kind.many) })
	return ok
}

// manyObjects reads: tables … in schema app, billing. which reads what stands before in.
func (p *parser) manyObjects(which func(*Grant) error) ([]Grant, target, error) {
	t := p.peek()
	kind, ok := typeOf(func(kind objectType) bool { return kind.many != "" && t.is(kind.many) })
	if !ok {
		return nil, target{}, p.expected("tables, sequences, functions, procedures or types")
	}
	p.take()
	g := Grant{Type: kind.name}
	if err := which(&g); err != nil {
		return nil, target{}, err
	}
	if !p.takeIf("in", "schema") {
		return nil, target{}, p.expected(`"in schema" and its name`)
	}
	var grants []Grant
	err := p.names("a schema", func(name string) {
		g.Schema = name
		grants = append(grants, g)
	})
	return grants, target{objectType: kind}, err
}

// matching reads: matching 'fact_.*'.
func (p *parser) matching(g *Grant) error {
	t := p.peek()
	if t.is("like") {
		return wrongAt(t, "a pattern is a regular expression over whole names: write matching, as in: matching 'fact_.*'")
	}
	if !p.takeIf("matching") {
		return p.expected(`matching and a pattern, as in: tables matching 'fact_.*' in schema app; for all of them: all tables in schema app`)
	}
	t = p.peek()
	if t.kind != tokenString {
		return p.expected("a pattern in single quotes, as in: 'fact_.*'")
	}
	if t.text == "" {
		return wrongAt(t, "the pattern is empty")
	}
	g.Pattern = p.take().text
	return nil
}

// futureObjects reads: tables in schema app by app_owner.
func (p *parser) futureObjects() ([]Grant, target, error) {
	kind, ok := typeOf(func(kind objectType) bool {
		return kind.future != "" && p.takeIf(strings.Fields(strings.ToLower(kind.future))...)
	})
	if !ok {
		return nil, target{}, p.expected("tables, sequences, functions, types, schemas or large objects")
	}
	schemas := []string{""}
	if at := p.peek(); p.takeIf("in", "schema") {
		if kind.name == typeSchema || kind.name == typeLarge {
			return nil, target{}, wrongAt(at, "%s are in no schema", strings.ToLower(kind.future))
		}
		schemas = nil
		if err := p.names("a schema", func(name string) { schemas = append(schemas, name) }); err != nil {
			return nil, target{}, err
		}
	}
	if !p.takeIf("by") {
		return nil, target{}, p.expected(`"by" and the role that will make them`)
	}
	var grants []Grant
	err := p.names("a role", func(creator string) {
		for _, schema := range schemas {
			grants = append(grants, Grant{Type: typeDefault, Creator: creator, Schema: schema, Objects: kind.future})
		}
	})
	return grants, target{kind, true}, err
}

// namedObjects reads: app.orders, app.customers.
func (p *parser) namedObjects(kind objectType) ([]Grant, target, error) {
	var grants []Grant
	for {
		g := Grant{Type: kind.name}
		if err := p.object(kind, &g); err != nil {
			return nil, target{}, err
		}
		grants = append(grants, g)
		if !p.takeIf(",") {
			return grants, target{objectType: kind}, nil
		}
	}
}

func (p *parser) object(kind objectType, g *Grant) (err error) {
	if kind.name == typeLarge {
		if p.peek().kind != tokenNumber {
			return p.expected("the number of a large object")
		}
		g.Name = p.take().text
		return nil
	}
	start := p.peek()
	if g.Name, err = p.name(a(kind.words)); err != nil {
		return err
	}
	switch {
	case kind.name == typeParameter:
		for p.takeIf(".") {
			part, err := p.name("the rest of the parameter's name")
			if err != nil {
				return err
			}
			g.Name += "." + part
		}
		return nil
	case !kind.inSchema:
		if t := p.peek(); t.is(".") {
			return wrongAt(t, "the name of a %s has no dot, unless it is quoted", kind.words)
		}
		return nil
	}
	if !p.takeIf(".") {
		return wrongAt(start, "the schema is missing: SCHEMA.%s", p.text[start.start:start.end])
	}
	g.Schema = g.Name
	if g.Name, err = p.name(a(kind.words)); err != nil {
		return err
	}
	if t := p.peek(); t.is(".") {
		return wrongAt(t, "there is one dot in SCHEMA.NAME, and no database before it")
	}
	if kind.name == typeFunction || kind.name == typeProcedure {
		return p.signature(g)
	}
	return nil
}

// signature reads the types of a function's arguments, if they are there.
func (p *parser) signature(g *Grant) error {
	open := p.peek()
	if !p.takeIf("(") {
		return nil
	}
	for depth := 1; depth > 0; {
		switch t := p.take(); {
		case t.kind == tokenEnd:
			return wrongAt(open, "the parenthesis ( is not closed")
		case t.is("("):
			depth++
		case t.is(")"):
			if depth--; depth == 0 {
				g.Name = identifier(g.Name) + "(" + normalArguments(p.text[open.end:t.start]) + ")"
			}
		}
	}
	return nil
}

// names reads names with commas between.
func (p *parser) names(what string, each func(string)) error {
	for {
		name, err := p.name(what)
		if err != nil {
			return err
		}
		each(name)
		if !p.takeIf(",") {
			return nil
		}
	}
}

// name reads an identifier; in a bundle it may be a hole.
func (p *parser) name(what string) (string, error) {
	t := p.peek()
	switch {
	case t.kind == tokenHole:
		if p.kind != sentenceOfBundle {
			return "", wrongAt(t, "%s is for the sentences of bundles", t.text)
		}
		p.take()
		switch t.text {
		case "{schema}":
			return holeSchema, nil
		case "{future_by}":
			return holeFutureBy, nil
		}
		return "", wrongAt(t, "a bundle knows {schema} and {future_by}, not %s", t.text)
	case t.kind == tokenString:
		return "", wrongAt(t, `a name is quoted with ", not with '`)
	case t.kind != tokenWord && t.kind != tokenQuoted:
		return "", p.expected("the name of " + what)
	}
	if problem := nameProblem(t.text); problem != "" {
		return "", wrongAt(t, "%s", problem)
	}
	return p.take().text, nil
}

// tail reads what may end a sentence.
func (p *parser) tail(g *Grant) error {
	for {
		t := p.peek()
		if t.is("with", "via") && p.kind == sentenceOfPublic {
			return wrongAt(t, "a rule for PUBLIC has no %q", t.text)
		}
		switch {
		case t.kind == tokenEnd:
			return nil
		case t.is("with") && !g.GrantOption:
			if !p.takeIf("with", "grant", "option") {
				return wrongAt(t, `expected "with grant option"`)
			}
			if g.GrantOption = true; g.Via == viaGroup {
				return wrongAt(t, "grant options are not given through a group")
			}
		case t.is("via") && g.Via == "":
			p.take()
			if how := p.peek(); !how.is(vias...) {
				return p.expected(listed(vias))
			}
			g.Via = p.take().text
			if g.Via == viaGroup && g.GrantOption {
				return wrongAt(t, "grant options are not given through a group")
			}
		case t.is("to", "from"):
			return wrongAt(t, "leave %q out: whom it is for is said by where the sentence stands", t.text)
		default:
			return wrongAt(t, "unexpected %s", p.got(t))
		}
	}
}
