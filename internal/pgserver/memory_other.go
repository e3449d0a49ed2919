//go:build unix && !linux

package pgserver

// memoryFolder: no other system has one that is there for everybody.
func memoryFolder() []string { return nil }
