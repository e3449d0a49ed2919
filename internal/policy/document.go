package policy

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// maxFile is some 500,000 sentences.
const maxFile = 32 << 20

// Problem is one thing that is wrong with a file.
type Problem struct {
	Position
	Message string
}

// Problems is everything that is wrong with a file, in its order.
type Problems struct {
	File string
	List []Problem
}

// maxProblems is how many a message shows.
const maxProblems = 100

func (p *Problems) Error() string {
	var b strings.Builder
	for i, problem := range p.List {
		if i > 0 {
			b.WriteByte('\n')
		}
		if i == maxProblems {
			fmt.Fprintf(&b, "… and %d more", len(p.List)-i)
			break
		}
		fmt.Fprintf(&b, "%s:%d:%d: %s", p.File, problem.Line, problem.Column, problem.Message)
	}
	return b.String()
}

// document is the tree of a file, and what is found to be wrong with it.
type document struct {
	text  string
	lines []int // where they begin; nil: lines are counted by rules of their own
	root  *yaml.Node
	list  []Problem
	known map[Problem]bool
}

// load reads a file with exactly one YAML document.
func load(r io.Reader) (*document, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, err
	}
	d := &document{text: strings.TrimPrefix(string(data), "\ufeff"), known: map[Problem]bool{}}
	start := Position{1, 1}
	switch {
	case len(data) > maxFile:
		d.wrong(start, "the file has more than %d MB", maxFile>>20)
	case !utf8.ValidString(d.text):
		d.wrong(start, "the file is not UTF-8")
	}
	if d.list != nil {
		return d, nil
	}
	d.findLines()
	loader, err := yaml.NewLoader(strings.NewReader(d.text))
	if err != nil {
		return nil, err
	}
	var root, more yaml.Node
	switch err := loader.Load(&root); {
	case errors.Is(err, io.EOF):
		d.wrong(start, "the file is empty")
		return d, nil
	case err != nil:
		d.notYAML(err)
		return d, nil
	}
	switch err := loader.Load(&more); {
	case err == nil:
		d.wrong(Position{more.Line, more.Column}, "there is a second document; a file has one")
	case !errors.Is(err, io.EOF):
		d.notYAML(err)
	}
	d.root = &root
	if root.Kind == yaml.DocumentNode && len(root.Content) == 1 {
		d.root = root.Content[0]
	}
	return d, nil
}

// notYAML takes the position out of the library's error.
func (d *document) notYAML(err error) {
	at, message := Position{1, 1}, err.Error()
	var one *yaml.LoadError
	if errors.As(err, &one) {
		message = one.Message
		if one.ContextMsg != "" {
			message = one.ContextMsg + ": " + message
		}
		if one.Mark.Line > 0 {
			at = Position{one.Mark.Line, one.Mark.Column}
		}
	}
	d.wrong(at, "not YAML: %s", message)
}

func (d *document) wrong(at Position, format string, a ...any) {
	// What stands behind an alias is found to be wrong at each of its uses.
	if problem := (Problem{at, fmt.Sprintf(format, a...)}); !d.known[problem] {
		d.known[problem] = true
		d.list = append(d.list, problem)
	}
}

func (d *document) wrongNode(n *yaml.Node, format string, a ...any) {
	d.wrong(Position{n.Line, n.Column}, format, a...)
}

// problems is nil when there are none.
func (d *document) problems(file string) error {
	if len(d.list) == 0 {
		return nil
	}
	slices.SortFunc(d.list, func(a, b Problem) int {
		return cmp.Or(a.Line-b.Line, a.Column-b.Column, strings.Compare(a.Message, b.Message))
	})
	return &Problems{file, d.list}
}

func (d *document) findLines() {
	// YAML 1.1 had more ends of lines than editors know.
	if strings.ContainsAny(d.text, "\u0085\u2028\u2029") {
		return
	}
	d.lines = []int{0}
	for i := range len(d.text) {
		if d.text[i] == '\n' || d.text[i] == '\r' && !strings.HasPrefix(d.text[i+1:], "\n") {
			d.lines = append(d.lines, i+1)
		}
	}
}

// place finds where the byte at an offset of a scalar's value stands in the file. Where that cannot be told it is where the scalar begins.
func (d *document) place(n *yaml.Node, offset int) Position {
	start := Position{n.Line, n.Column}
	if n.Line < 1 || n.Line > len(d.lines) {
		return start
	}
	c := cursor{text: d.text, at: d.lines[n.Line-1]}
	for range n.Column - 1 {
		c.next()
	}
	c.skipProperties()
	switch {
	case n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		c.next()
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		c.skipLine()
	}
	for _, r := range n.Value[:offset] {
		if !c.follow(r, n.Style) {
			return start
		}
	}
	if offset < len(n.Value) && !unicode.IsSpace(rune(n.Value[offset])) {
		c.skipSpace()
	}
	line, _ := slices.BinarySearch(d.lines, c.at+1)
	return Position{line, utf8.RuneCountInString(d.text[d.lines[line-1]:c.at]) + 1}
}

// cursor goes through the text of a scalar, beside its value.
type cursor struct {
	text string
	at   int
}

func (c *cursor) peek() rune {
	r, size := utf8.DecodeRuneInString(c.text[c.at:])
	if size == 0 {
		return -1
	}
	return r
}

func (c *cursor) next() {
	_, size := utf8.DecodeRuneInString(c.text[c.at:])
	c.at += size
}

func (c *cursor) skipSpace() {
	for unicode.IsSpace(c.peek()) {
		c.next()
	}
}

func (c *cursor) skipLine() {
	for r := c.peek(); r >= 0 && r != '\n'; r = c.peek() {
		c.next()
	}
}

// skipProperties skips an anchor and a tag.
func (c *cursor) skipProperties() {
	for r := c.peek(); r == '&' || r == '!'; r = c.peek() {
		for r := c.peek(); r >= 0 && !unicode.IsSpace(r); r = c.peek() {
			c.next()
		}
		c.skipSpace()
	}
}

// follow goes past what stands for a rune of the value.
func (c *cursor) follow(r rune, style yaml.Style) bool {
	if style&yaml.DoubleQuotedStyle != 0 {
		c.skipContinuation()
	}
	if unicode.IsSpace(r) {
		switch seen := c.peek(); {
		case seen == r:
			c.next()
		case unicode.IsSpace(seen): // a folded end of a line
			c.skipSpace()
		case seen == '\\':
			c.skipEscape()
		}
		return true // what has no counterpart is a part of what was skipped before
	}
	c.skipSpace()
	switch {
	case style&yaml.DoubleQuotedStyle != 0 && c.peek() == '\\':
		c.skipEscape()
		return true
	case style&yaml.SingleQuotedStyle != 0 && r == '\'':
		c.next()
	}
	if c.peek() != r {
		return false
	}
	c.next()
	return true
}

// skipContinuation skips a backslash at the end of a line, with the space that begins the next one.
func (c *cursor) skipContinuation() {
	if rest := c.text[c.at:]; strings.HasPrefix(rest, "\\\n") || strings.HasPrefix(rest, "\\\r") {
		c.next()
		c.skipSpace()
	}
}

func (c *cursor) skipEscape() {
	c.next()
	digits := map[rune]int{'x': 2, 'u': 4, 'U': 8}[c.peek()]
	for range digits + 1 {
		c.next()
	}
}
