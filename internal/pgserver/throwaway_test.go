//go:build unix

package pgserver

import (
	"testing"
)

func TestQuick(t *testing.T) {
	s, err := Open(t.Context(), Options{Embedded: true, Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(s.URL("template1"), s.Version, s.Source)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
