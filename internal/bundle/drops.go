package bundle

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// What a migration takes back: for every object that the room creates one DROP, the last first, so that nothing is
// dropped while something made after it still needs it, and never with CASCADE. A definition that this does not
// know is an error that asks for a hand-written down.sql; what a DO block does it cannot see, but the test that
// compares the catalog before up and after down can.

const qualified = `([a-z_]\w*\.[a-z_]\w*)`

var (
	createObject = regexp.MustCompile(`(?is)^CREATE\s+(?:OR\s+REPLACE\s+)?(FUNCTION|PROCEDURE|VIEW|MATERIALIZED\s+VIEW|TABLE|TYPE|DOMAIN|SEQUENCE)\s+` + qualified)
	partitionOf  = regexp.MustCompile(`(?is)^CREATE\s+TABLE\s+` + qualified + `\s+PARTITION\s+OF\s`)
	createIndex  = regexp.MustCompile(`(?is)^CREATE\s+(?:UNIQUE\s+)?INDEX\s+([a-z_]\w*)\s+ON\s+(?:ONLY\s+)?` + qualified)
	createOn     = regexp.MustCompile(`(?is)^CREATE\s+(?:OR\s+REPLACE\s+)?(?:CONSTRAINT\s+)?(TRIGGER|POLICY)\s+([a-z_]\w*)\s.*?\bON\s+` + qualified)
	alterTable   = regexp.MustCompile(`(?is)^ALTER\s+TABLE\s+(?:ONLY\s+)?` + qualified)
	definition   = regexp.MustCompile(`(?is)^(CREATE|ALTER|DROP)\b`)
)

// dropStatements returns the text of the Down half for every room, empty for one with a down.sql.
func dropStatements(rooms []Room) ([]string, error) {
	var problems []error
	texts := make([]string, len(rooms))
	roomOf := map[string]string{} // object → the room that creates it
	for i, room := range rooms {
		var drops []string
		for _, file := range room.Files {
			for _, statement := range statements(file.Text) {
				drop, object, err := dropFor(statement, room.Name, roomOf)
				if object != "" {
					if other, twice := roomOf[object]; twice {
						err = fmt.Errorf("%s is created in room %q already", object, other)
					}
					roomOf[object] = room.Name
				}
				if err != nil && room.Down == "" {
					problems = append(problems, fmt.Errorf("%s: %w; sql/%s/%s has to say how it is taken back",
						file.Path, err, room.Name, downName))
				}
				if drop != "" {
					drops = append(drops, drop+";\n")
				}
			}
		}
		if room.Down == "" {
			slices.Reverse(drops)
			texts[i] = strings.Join(drops, "")
		}
	}
	return texts, errors.Join(problems...)
}

// dropFor returns the statement that takes the given one back, if it needs one, and the object that it creates, if
// that can be named.
func dropFor(statement, room string, roomOf map[string]string) (drop, object string, err error) {
	if m := partitionOf.FindStringSubmatch(statement); m != nil {
		return "", m[1], nil // goes with its parent
	}
	if m := createObject.FindStringSubmatch(statement); m != nil {
		kind := strings.Join(strings.Fields(strings.ToUpper(m[1])), " ")
		return "DROP " + kind + " " + m[2], m[2], nil
	}
	if m := createIndex.FindStringSubmatch(statement); m != nil {
		if roomOf[m[2]] == room {
			return "", "", nil // goes with its table
		}
		schema, _, _ := strings.Cut(m[2], ".")
		return "DROP INDEX " + schema + "." + m[1], "", nil
	}
	if m := createOn.FindStringSubmatch(statement); m != nil {
		// Dropped by itself also where its table goes too: its function may go before the table does.
		return fmt.Sprintf("DROP %s %s ON %s", strings.ToUpper(m[1]), m[2], m[3]), "", nil
	}
	if m := alterTable.FindStringSubmatch(statement); m != nil && roomOf[m[1]] == room {
		return "", "", nil
	}
	if definition.MatchString(statement) {
		first, _, _ := strings.Cut(statement, "\n")
		return "", "", fmt.Errorf("no DROP is known for %q", first)
	}
	return "", "", nil
}

// opaque is text in which a semicolon or a CREATE means nothing. Of a dollar-quoted body it finds the opening tag only:
// Go's regular expressions know no back references.
var opaque = regexp.MustCompile(`(?s)--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\$(?:[A-Za-z_]\w*)?\$`)

// statements splits SQL at its semicolons. Comments, string constants and dollar-quoted bodies are left out.
func statements(text string) []string {
	var code strings.Builder
	for {
		at := opaque.FindStringIndex(text)
		if at == nil {
			break
		}
		match := text[at[0]:at[1]]
		code.WriteString(text[:at[0]] + " ")
		text = text[at[1]:]
		if match[0] == '$' {
			_, text, _ = strings.Cut(text, match)
		}
	}
	code.WriteString(text)

	var found []string
	for statement := range strings.SplitSeq(code.String(), ";") {
		if statement = strings.TrimSpace(statement); statement != "" {
			found = append(found, statement)
		}
	}
	return found
}
