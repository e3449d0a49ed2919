package policy

import (
	"maps"
	"slices"
)

// builtinBundles are the ones that need not be declared, in the words of those that are.
var builtinBundles = map[string][]string{
	"readonly": {
		"usage on schema {schema}",
		"select on all tables in schema {schema}",
		"select on all sequences in schema {schema}",
		"select on future tables in schema {schema} by {future_by}",
		"select on future sequences in schema {schema} by {future_by}",
	},
	"readwrite": {
		"usage on schema {schema}",
		"select, insert, update, delete on all tables in schema {schema}",
		"usage, select on all sequences in schema {schema}",
		"select, insert, update, delete on future tables in schema {schema} by {future_by}",
		"usage, select on future sequences in schema {schema} by {future_by}",
	},
}

// builtinNames is the order in which a file has them.
var builtinNames = []string{"readonly", "readwrite"}

// bundle is sentences that several roles use.
type bundle struct {
	grants             []Grant
	bySchema, byFuture bool // whether there are holes for them
}

func newBundle(grants []Grant) bundle {
	b := bundle{grants: grants}
	for _, g := range grants {
		b.bySchema = b.bySchema || g.has(holeSchema)
		b.byFuture = b.byFuture || g.has(holeFutureBy)
	}
	return b
}

func builtins() map[string]bundle {
	all := map[string]bundle{}
	for name, sentences := range builtinBundles {
		var grants []Grant
		for _, s := range sentences {
			more, err := parseSentence(s, sentenceOfBundle)
			if err != nil {
				panic(err)
			}
			grants = append(grants, more...)
		}
		all[name] = newBundle(grants)
	}
	return all
}

func (g *Grant) holes() []*string {
	return []*string{&g.Schema, &g.Name, &g.Creator}
}

func (g *Grant) has(hole string) bool {
	return slices.ContainsFunc(g.holes(), func(field *string) bool { return *field == hole }) || slices.Contains(g.Columns, hole)
}

// fill puts what a use of the bundle says into the holes. Without creators there is nothing about what they will make.
func (b bundle) fill(schema string, creators []string) []Grant {
	var filled []Grant
	for _, g := range b.grants {
		values := map[string]string{holeSchema: schema}
		if !g.has(holeFutureBy) {
			filled = append(filled, g.filled(values))
			continue
		}
		for _, creator := range creators {
			values[holeFutureBy] = creator
			filled = append(filled, g.filled(values))
		}
	}
	return filled
}

func (g *Grant) filled(values map[string]string) Grant {
	f := *g
	f.Columns, f.Privileges = slices.Clone(g.Columns), slices.Clone(g.Privileges)
	for _, field := range f.holes() {
		if value, ok := values[*field]; ok {
			*field = value
		}
	}
	for i, column := range f.Columns {
		if value, ok := values[column]; ok {
			f.Columns[i] = value
		}
	}
	return f
}

func bundleNames(bundles map[string]bundle) []string {
	return slices.Sorted(maps.Keys(bundles))
}
