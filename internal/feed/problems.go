package feed

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// MaxProblems is how many bad elements are named; the rest is only counted, so that a feed of a million bad lines
// needs no more memory than one with a hundred.
const MaxProblems = 100

// Problem is one element that cannot be used. Line counts from 1, blank lines and a CSV header included.
type Problem struct {
	Line   int64
	Reason string
}

// Problems are the bad elements of a feed: the first MaxProblems of them and the number of all.
type Problems struct {
	List  []Problem
	Total int64
}

// Add notes a bad element.
func (p *Problems) Add(line int64, reason string) {
	p.Total++
	if len(p.List) < MaxProblems {
		p.List = append(p.List, Problem{line, reason})
	}
}

// Merge adds what somebody else found and orders all by line.
func (p *Problems) Merge(found Problems) {
	p.Total += found.Total
	p.List = append(p.List, found.List...)
	slices.SortStableFunc(p.List, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	p.List = p.List[:min(len(p.List), MaxProblems)]
}

func (p Problems) String() string {
	var text strings.Builder
	for _, problem := range p.List {
		fmt.Fprintf(&text, "line %d: %s\n", problem.Line, problem.Reason)
	}
	if more := p.Total - int64(len(p.List)); more > 0 {
		fmt.Fprintf(&text, "and %d more\n", more)
	}
	return strings.TrimSuffix(text.String(), "\n")
}
