package install_test

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rolewright/rolewright/tests/harness"
)

//go:embed snapshot.sql
var snapshotSQL string

// A snapshot is the catalog of a database and the roles of its cluster: kind and name of an object → its definition.
type snapshot map[string]string

func takeSnapshot(t *testing.T, url string) snapshot {
	t.Helper()
	// The harness's URLs have an empty search_path: every name in a definition is a qualified one.
	rows, err := harness.Connect(t, url).Query(t.Context(), snapshotSQL)
	if err != nil {
		t.Fatal(err)
	}
	objects := snapshot{}
	var kind, name, definition string
	_, err = pgx.ForEachRow(rows, []any{&kind, &name, &definition}, func() error {
		key := kind + " " + name
		if _, twice := objects[key]; twice {
			return fmt.Errorf("two objects are called %s", key)
		}
		objects[key] = definition
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// withoutVersionTable leaves out what goose keeps for itself.
func (s snapshot) withoutVersionTable() snapshot {
	kept := maps.Clone(s)
	maps.DeleteFunc(kept, func(key, _ string) bool { return strings.Contains(key, "rolewright_version") })
	return kept
}

// requireSame reports every object that only one of the snapshots has and every definition that differs, by the first line
// in which it does.
func requireSame(t *testing.T, wantName string, want snapshot, gotName string, got snapshot) {
	t.Helper()
	names := maps.Clone(want)
	maps.Copy(names, got)
	var differences []string
	for _, key := range slices.Sorted(maps.Keys(names)) {
		a, inWant := want[key]
		b, inGot := got[key]
		switch {
		case !inGot:
			differences = append(differences, key+": only "+wantName)
		case !inWant:
			differences = append(differences, key+": only after "+gotName)
		case a != b:
			x, y := firstDifference(a, b)
			differences = append(differences, fmt.Sprintf("%s:\n  %s: %s\n  after %s: %s", key, wantName, x, gotName, y))
		}
	}
	for i, difference := range differences {
		if i == 20 {
			t.Errorf("… and %d more", len(differences)-i)
			break
		}
		t.Error(difference)
	}
}

func firstDifference(a, b string) (string, string) {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range max(len(x), len(y)) {
		switch {
		case i >= len(x):
			return "(ends)", y[i]
		case i >= len(y):
			return x[i], "(ends)"
		case x[i] != y[i]:
			return x[i], y[i]
		}
	}
	return "", ""
}
