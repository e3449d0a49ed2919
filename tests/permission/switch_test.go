package permission_test

import (
	"testing"

	"github.com/rolewright/rolewright/tests/harness"
)

func TestEverySwitchTakesEffectAtOnceBothWays(t *testing.T) {
	t.Parallel()
	for _, g := range toggles {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, g.grant)
			w.check(t, "at first", "orders.read", true)
			for way, turn := range map[string][2]string{"function": {g.off, g.on}, "DBA": {g.offDBA, g.onDBA}} {
				if turn[0] == "" {
					continue
				}
				// What the cache holds when the change comes: what the last change left, everything, nothing.
				for before, prepare := range map[string]func(testing.TB){"as it is": func(testing.TB) {}, "warm": w.fill, "cold": w.clear} {
					for i, sql := range turn {
						prepare(t)
						w.exec(t, sql)
						check := w.check
						if before == "as it is" {
							check = func(t testing.TB, when, code string, want bool) { w.expect(t, w, when, code, want) }
						}
						check(t, way+", "+before+", "+[]string{"off", "on"}[i], "orders.read", i == 1)
					}
				}
			}
		})
	}
}

func TestSwitchesTakeEffectInsideTheirTransactionAndEndWithItsRollback(t *testing.T) {
	t.Parallel()
	for _, g := range toggles {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, g.grant)
			for _, turn := range [][2]string{{g.off, g.on}, {g.offDBA, g.onDBA}} {
				if turn[0] == "" {
					continue
				}
				tx, err := w.Pool.Begin(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				w.execIn(t, tx, turn[0])
				w.expect(t, tx, "off", "orders.read", false)
				w.expect(t, w, "off, not committed", "orders.read", true)
				harness.Exec(t, tx, `SAVEPOINT s`)
				w.execIn(t, tx, turn[1])
				w.expect(t, tx, "on", "orders.read", true)
				harness.Exec(t, tx, `ROLLBACK TO s`)
				w.expect(t, tx, "on, rolled back", "orders.read", false)
				w.execIn(t, tx, turn[1])
				w.execIn(t, tx, turn[0])
				w.expect(t, tx, "on and off", "orders.read", false)
				if err := tx.Rollback(t.Context()); err != nil {
					t.Fatal(err)
				}
				w.check(t, "off, rolled back", "orders.read", true)
			}
		})
	}
}
