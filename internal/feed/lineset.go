package feed

import "math/bits"

// LineSet is a set of line numbers, one bit each: a million lines are 125 kB.
type LineSet struct {
	bits []uint64
	size int64
}

// Add puts a line into the set.
func (s *LineSet) Add(line int64) {
	word := int(line / 64)
	if word >= len(s.bits) {
		s.bits = append(s.bits, make([]uint64, word+1-len(s.bits))...)
	}
	if !s.Has(line) {
		s.bits[word] |= 1 << (line % 64)
		s.size++
	}
}

// Has says whether a line is in the set.
func (s *LineSet) Has(line int64) bool {
	word := int(line / 64)
	return word < len(s.bits) && s.bits[word]&(1<<(line%64)) != 0
}

// Len is the number of lines in the set.
func (s *LineSet) Len() int64 { return s.size }

// Nth is the nth of the lines in ascending order, counted from 1: the order in which Elements yields them.
func (s *LineSet) Nth(n int64) (line int64, ok bool) {
	for word, rest := range s.bits {
		if count := int64(bits.OnesCount64(rest)); n > count {
			n -= count
			continue
		}
		for ; n > 1; n-- {
			rest &= rest - 1
		}
		return int64(word)*64 + int64(bits.TrailingZeros64(rest)), n == 1
	}
	return 0, false
}
