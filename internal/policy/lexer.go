package policy

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// maxName is the longest name that PostgreSQL keeps; it would cut a longer one off and thereby mean something else.
const maxName = 63

type tokenKind int

const (
	tokenEnd tokenKind = iota
	tokenWord
	tokenQuoted // "an identifier"
	tokenString // 'a string'
	tokenNumber
	tokenHole // {schema}, in bundles
	tokenSign // any other character
)

// token is a part of a sentence. text is a word in lower case, an identifier or string without its quotes, a hole's mark.
type token struct {
	kind       tokenKind
	text       string
	start, end int // in the sentence, in bytes
}

func (t token) is(words ...string) bool {
	if t.kind != tokenWord && t.kind != tokenSign {
		return false
	}
	for _, word := range words {
		if t.text == word {
			return true
		}
	}
	return false
}

// sentenceError is what is wrong with a sentence, from a byte of it on.
type sentenceError struct {
	offset  int
	message string
}

func (e *sentenceError) Error() string { return e.message }

func wrongAt(t token, format string, a ...any) error {
	return &sentenceError{t.start, fmt.Sprintf(format, a...)}
}

// What stands in a grant of a bundle for what its use says. No name has a zero byte.
const (
	holeSchema   = "\x00schema"
	holeFutureBy = "\x00future_by"
)

var (
	wordPattern   = regexp.MustCompile(`^[A-Za-z_\x{80}-\x{10FFFF}][A-Za-z0-9_$\x{80}-\x{10FFFF}]*`)
	numberPattern = regexp.MustCompile(`^[0-9]+`)
	holePattern   = regexp.MustCompile(`^\{[^{}]*\}`)
)

func lex(sentence string) ([]token, error) {
	var tokens []token
	for at := 0; at < len(sentence); {
		rest := sentence[at:]
		t := token{start: at}
		switch c := rest[0]; {
		case strings.IndexByte(" \t\r\n\f\v", c) >= 0:
			at++
			continue
		case c == '"' || c == '\'':
			text, length, ok := quoted(rest)
			t.kind, t.text, t.end = tokenQuoted, text, at+length
			if c == '\'' {
				t.kind = tokenString
			}
			if !ok {
				return nil, wrongAt(t, "the quote %c is not closed", c)
			}
		case c == '{':
			hole := holePattern.FindString(rest)
			t.kind, t.text, t.end = tokenHole, hole, at+len(hole)
			if hole == "" {
				return nil, wrongAt(t, "the brace { is not closed")
			}
		case c >= '0' && c <= '9':
			t.kind, t.text = tokenNumber, numberPattern.FindString(rest)
			t.end = at + len(t.text)
		case wordPattern.MatchString(rest):
			word := wordPattern.FindString(rest)
			t.kind, t.text, t.end = tokenWord, fold(word), at+len(word)
		default:
			r, size := utf8.DecodeRuneInString(rest)
			t.kind, t.text, t.end = tokenSign, string(r), at+size
		}
		tokens = append(tokens, t)
		at = t.end
	}
	return append(tokens, token{kind: tokenEnd, start: len(sentence), end: len(sentence)}), nil
}

// quoted reads what stands between a quote and the next single one of its kind; a doubled quote is one within.
func quoted(text string) (inner string, length int, ok bool) {
	quote := text[0]
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		if text[i] == quote {
			if i+1 == len(text) || text[i+1] != quote {
				return b.String(), i + 1, true
			}
			i++
		}
		b.WriteByte(text[i])
	}
	return b.String(), len(text), false
}

// fold is the lower case of PostgreSQL's identifiers: other letters than ASCII's stay.
func fold(word string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, word)
}

var plainIdentifier = regexp.MustCompile(`^[a-z_][a-z0-9_$]*$`)

// identifier writes a name as sentences have it.
func identifier(name string) string {
	if plainIdentifier.MatchString(name) {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// nameProblem is why nothing in PostgreSQL can have that name; "": something can.
func nameProblem(name string) string {
	switch {
	case name == "":
		return "the name is empty"
	case len(name) > maxName:
		return fmt.Sprintf("the name has %d bytes; PostgreSQL takes %d", len(name), maxName)
	case strings.ContainsRune(name, 0):
		return "the name has a zero byte"
	}
	return ""
}

// splitSignature takes a function's name apart: f(integer, text), or "odd name"(integer).
func splitSignature(text string) (name, arguments string, ok bool) {
	if !strings.HasSuffix(text, ")") {
		return text, "", false
	}
	length := strings.IndexByte(text, '(')
	name = strings.TrimRight(text[:max(length, 0)], " ")
	if strings.HasPrefix(text, `"`) {
		if name, length, ok = quoted(text); !ok {
			return text, "", false
		}
		length += len(text[length:]) - len(strings.TrimLeft(text[length:], " "))
	}
	if name == "" || text[length] != '(' {
		return text, "", false
	}
	return name, text[length+1 : len(text)-1], true
}

// normalArguments has one form for one list of types.
func normalArguments(arguments string) string {
	tokens, err := lex(arguments)
	if err != nil {
		return arguments
	}
	var b strings.Builder
	for i, t := range tokens[:len(tokens)-1] {
		if i > 0 && (tokens[i-1].is(",") || !t.is(",") && t.start > tokens[i-1].end) {
			b.WriteByte(' ')
		}
		if t.kind == tokenWord {
			b.WriteString(t.text)
		} else {
			b.WriteString(arguments[t.start:t.end])
		}
	}
	return b.String()
}
