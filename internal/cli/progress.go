package cli

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/term"
)

// progress is a line on a terminal that counts; anywhere else it is silent.
type progress struct {
	count atomic.Int64
	done  chan struct{}
	ended chan struct{}
}

// startProgress shows "what: count" until stop is called.
func startProgress(w io.Writer, what string) *progress {
	p := &progress{done: make(chan struct{}), ended: make(chan struct{})}
	if !isTerminal(w) {
		close(p.ended)
		return p
	}
	go func() {
		defer close(p.ended)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				fmt.Fprintf(w, "\r%s: %d\x1b[K", what, p.count.Load())
			case <-p.done:
				fmt.Fprint(w, "\r\x1b[K")
				return
			}
		}
	}()
	return p
}

func (p *progress) step() { p.count.Add(1) }

// stop removes the line.
func (p *progress) stop() {
	close(p.done)
	<-p.ended
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
