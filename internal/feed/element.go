package feed

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

const idKey = "provider_user_id"

// parser checks elements the way jsonb will and takes the account's id out of them.
type parser struct {
	in      bytes.Buffer
	decoder *jsontext.Decoder
	id      []byte
}

// jsonb keeps the last of several equal keys, and so does this parser; a server refuses nothing on their account.
var decoderOptions = []jsontext.Options{jsontext.AllowDuplicateNames(true)}

func newParser() *parser {
	p := &parser{}
	p.decoder = jsontext.NewDecoder(&p.in, decoderOptions...)
	return p
}

// providerUserID validates the element once, in one pass, and returns its id, valid until the next call.
// Errors are badElements.
func (p *parser) providerUserID(element []byte) ([]byte, error) {
	p.in = *bytes.NewBuffer(element)
	p.decoder.Reset(&p.in, decoderOptions...)

	if p.decoder.PeekKind() != '{' {
		if _, err := p.decoder.ReadValue(); err != nil {
			return nil, notJSON(err)
		}
		return nil, badElement("not a JSON object")
	}
	if _, err := p.decoder.ReadToken(); err != nil {
		return nil, notJSON(err)
	}

	found, isString := false, false
	for p.decoder.PeekKind() != '}' {
		name, err := p.decoder.ReadValue()
		if err != nil {
			return nil, notJSON(err)
		}
		isID := isIDKey(name)
		value, err := p.decoder.ReadValue()
		if err != nil {
			return nil, notJSON(err)
		}
		if isID {
			found, isString = true, value.Kind() == '"'
			if isString {
				// The value is valid, so it unquotes.
				p.id, _ = jsontext.AppendUnquote(p.id[:0], value)
			}
		}
	}
	if _, err := p.decoder.ReadToken(); err != nil {
		return nil, notJSON(err)
	}
	rest := element[p.decoder.InputOffset():]
	switch {
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, badElement("not JSON: something follows the object")
	case hasNUL(element):
		return nil, badElement(`\u0000, which PostgreSQL cannot store`)
	case !found:
		return nil, badElement("no " + idKey)
	case !isString:
		return nil, badElement(idKey + " is not a string")
	case len(p.id) == 0:
		return nil, badElement(idKey + " is empty")
	}
	return p.id, nil
}

// isIDKey compares a quoted name, which may be spelt with escapes.
func isIDKey(name jsontext.Value) bool {
	if bytes.IndexByte(name, '\\') < 0 {
		return string(name) == `"`+idKey+`"`
	}
	unquoted, err := jsontext.AppendUnquote(nil, name)
	return err == nil && string(unquoted) == idKey
}

// hasNUL looks for the escape \u0000, which is JSON but not jsonb. An escaped backslash before u0000 is neither.
func hasNUL(element []byte) bool {
	for {
		at := bytes.Index(element, []byte(`\u0000`))
		if at < 0 {
			return false
		}
		backslashes := 1
		for at-backslashes >= 0 && element[at-backslashes] == '\\' {
			backslashes++
		}
		if backslashes%2 == 1 {
			return true
		}
		element = element[at+1:]
	}
}

func notJSON(err error) error {
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return badElement("not JSON: it ends too early")
	case errors.As(err, &syntax):
		reason := strings.TrimPrefix(syntax.Err.Error(), "jsontext: ")
		return badElement(fmt.Sprintf("not JSON: %s after byte %d", reason, syntax.ByteOffset))
	}
	return badElement("not JSON: " + err.Error())
}
