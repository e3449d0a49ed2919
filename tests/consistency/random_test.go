package consistency_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rolewright/rolewright/tests/harness"
)

const (
	workers               = 4
	rounds                = 10
	transactionsPerWorker = 50 // in a round
)

// journal is what the workers did, for the report of a difference.
type journal struct {
	sync.Mutex
	lines           []string // of the round
	tried, done     map[string]int
	refusals        map[string]int // by SQLSTATE
	differences     []string
	comparedMidways int
	asked, yes      int // when all was quiet
}

func (j *journal) note(worker int, op operation, sql string, err error) {
	j.Lock()
	defer j.Unlock()
	outcome := "done"
	j.tried[op.name]++
	if err == nil {
		j.done[op.name]++
	} else {
		outcome = sqlstate(err)
		j.refusals[outcome]++
	}
	j.lines = append(j.lines, fmt.Sprintf("%d %s: %s", worker, outcome, strings.Join(strings.Fields(sql), " ")))
}

func (j *journal) mark(worker int, what string) {
	j.Lock()
	defer j.Unlock()
	j.lines = append(j.lines, fmt.Sprintf("%d %s", worker, what))
}

// Four sessions change whatever there is, through the functions and around them, all at once. Whatever they come to, every question
// is answered as the tables say: in the middle of their transactions, and when all is quiet.
func TestRandomOperationsNeverMakeACheckWrong(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	if given := os.Getenv("ROLEWRIGHT_SEED"); given != "" {
		var err error
		if seed, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("ROLEWRIGHT_SEED=%d (the scheduler has a say too)", seed)

	db := harness.Database(t)
	harness.Exec(t, db, model())
	for _, sql := range beginnings(rand.New(rand.NewPCG(seed, 0))) {
		if _, err := db.Exec(t.Context(), sql); err != nil && !expected(sqlstate(err)) {
			t.Fatal(err)
		}
	}
	var operations []operation
	for _, op := range slices.Concat(calls, statements) {
		operations = append(operations, slices.Repeat([]operation{op}, max(op.weight, 1))...)
	}
	log := &journal{tried: map[string]int{}, done: map[string]int{}, refusals: map[string]int{}}
	conns := make([]*pgx.Conn, workers)
	for i := range conns {
		conns[i] = harness.Connect(t, db.OwnerURL)
	}
	quiet := harness.Connect(t, db.OwnerURL)

	for round := range rounds {
		var all sync.WaitGroup
		for i, conn := range conns {
			all.Go(func() {
				w := worker{number: i, conn: conn, operations: operations, log: log, r: rand.New(rand.NewPCG(seed, uint64(1+round*workers+i)))}
				for range transactionsPerWorker {
					w.transaction(t)
				}
			})
		}
		all.Wait()
		differences := slices.Concat(log.differences, compareAll(t, quiet, round))
		if len(differences) > 0 {
			t.Fatalf("round %d, %d differences:\n%s\nin this round (worker, outcome):\n%s", round, len(differences),
				strings.Join(differences[:min(20, len(differences))], "\n"), strings.Join(log.lines, "\n"))
		}
		log.lines = nil
		log.yes += harness.One[int](t, quiet, oracle+` SELECT count(*) FROM expected`)
		log.asked += harness.One[int](t, quiet, `SELECT count(*) FROM auth.user_info, auth.tenant, auth.permission`)
	}
	log.judge(t)
}

// judge fails when the operations did not do enough to prove anything.
func (j *journal) judge(t *testing.T) {
	t.Helper()
	tried, done := 0, 0
	for name, n := range j.tried {
		if n >= 20 && j.done[name] == 0 {
			t.Errorf("%q never succeeded in %d attempts", name, n)
		}
		tried += n
		done += j.done[name]
	}
	var refusals []string
	for _, state := range slices.Sorted(maps.Keys(j.refusals)) {
		refusals = append(refusals, fmt.Sprintf("%s %d", state, j.refusals[state]))
	}
	t.Logf("%d operations of %d kinds, %d succeeded, %d of %d answers yes, %d comparisons amid transactions; refused: %s",
		tried, len(j.tried), done, j.yes, j.asked, j.comparedMidways, strings.Join(refusals, ", "))
	if done*10 < tried*4 {
		t.Errorf("only %d of %d operations succeeded", done, tried)
	}
	if j.comparedMidways == 0 || j.yes*50 < j.asked || j.yes*2 > j.asked {
		t.Errorf("that proves little: %d comparisons amid transactions, %d of %d answers yes", j.comparedMidways, j.yes, j.asked)
	}
}

// worker is one of the sessions.
type worker struct {
	number     int
	conn       *pgx.Conn
	operations []operation
	log        *journal
	r          *rand.Rand
}

// transaction is one of one operation, or of several, some after savepoints, some taken back.
func (w worker) transaction(t *testing.T) {
	ctx := context.Background()
	options := pgx.TxOptions{IsoLevel: pgx.ReadCommitted}
	if w.r.IntN(4) == 0 {
		options.IsoLevel = pgx.RepeatableRead
	}
	tx, err := w.conn.BeginTx(ctx, options)
	if err != nil {
		t.Error(err)
		return
	}
	w.log.mark(w.number, "BEGIN "+string(options.IsoLevel))
	savepoints, undo := w.r.IntN(2) == 0, w.r.IntN(8) == 0
	for range []int{1, 1, 2, 4}[w.r.IntN(4)] {
		op := w.operations[w.r.IntN(len(w.operations))]
		for op.undo && w.r.IntN(4) > 0 { // seldom: a TRUNCATE makes all wait
			op = w.operations[w.r.IntN(len(w.operations))]
		}
		sql := fill(w.r, op.sql)
		undo = undo || op.undo
		if savepoints {
			err = w.nested(tx, op, sql)
		} else {
			err = w.run(tx, op, sql)
		}
		if err != nil && !savepoints {
			break
		}
	}
	if err == nil && w.r.IntN(12) == 0 {
		err = w.compare(t, tx)
	}
	if undo || err != nil {
		w.log.mark(w.number, "ROLLBACK")
		err = tx.Rollback(ctx)
	} else {
		w.log.mark(w.number, "COMMIT")
		err = tx.Commit(ctx)
	}
	if err != nil {
		t.Error(err)
	}
}

// nested runs an operation after a savepoint, and goes back to that if it is refused, and sometimes if not.
func (w worker) nested(tx pgx.Tx, op operation, sql string) error {
	ctx := context.Background()
	sub, err := tx.Begin(ctx)
	if err != nil {
		return err
	}
	if w.run(sub, op, sql) != nil || w.r.IntN(4) == 0 {
		w.log.mark(w.number, "ROLLBACK TO SAVEPOINT")
		return sub.Rollback(ctx)
	}
	return sub.Commit(ctx)
}

func (w worker) run(tx pgx.Tx, op operation, sql string) error {
	_, err := tx.Exec(context.Background(), sql)
	w.log.note(w.number, op, sql, err)
	if err != nil && !expected(sqlstate(err)) {
		w.log.Lock()
		defer w.log.Unlock()
		w.log.differences = append(w.log.differences, fmt.Sprintf("%v in %s", err, sql))
	}
	return err
}

// compare asks amid a transaction, in its snapshot.
func (w worker) compare(t *testing.T, tx pgx.Tx) error {
	differences, err := compare(context.Background(), tx, false, w.number)
	if err != nil && !expected(sqlstate(err)) {
		t.Error(err)
	}
	w.log.Lock()
	defer w.log.Unlock()
	w.log.comparedMidways++
	for _, d := range differences {
		w.log.differences = append(w.log.differences, fmt.Sprintf("amid worker %d's transaction, after %d lines: %s", w.number, len(w.log.lines), d))
	}
	return err
}

// expected tells whether a refusal is one that such operations meet: refused by a function; a constraint; others were in the way
// (40001, 40P01); a trigger of the statement had changed the row already (21000, 27000).
func expected(state string) bool {
	switch state {
	case "21000", "27000", "40001", "40P01", "23502", "23503", "23505", "23514":
		return true
	}
	return strings.HasPrefix(state, "RW")
}
