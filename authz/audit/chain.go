package audit

import (
	"bytes"
	"crypto/hmac"
	"fmt"
	"time"

	"github.com/authzd/authzd/storage"
)

// maxProblems is how many problems a report names. One is enough for an alarm.
const maxProblems = 20

// Report is the result of a verification.
type Report struct {
	First    Point     `json:"first"` // the oldest block that was checked
	Last     Point     `json:"last"`  // the newest; its hash vouches for all checked ones
	Blocks   int       `json:"blocks"`
	Events   int       `json:"events"`
	Problems []Problem `json:"problems"` // the first ones, in the order of blocks; none: nothing is wrong
}

// Point names a block.
type Point struct {
	Number int       `json:"number"` // 0: there is none
	Hash   string    `json:"hash,omitempty"`
	Sealed time.Time `json:"sealed,omitzero"`
}

// Problem is a problem at a block.
type Problem struct {
	Block  int    `json:"block"`
	Reason string `json:"reason"`
}

// chain checks blocks one after the other.
type chain struct {
	mac    func(hash string) []byte // nil: only the hashes are checked
	report Report

	// The next block must match these.
	next   int       // its number; 0: any
	known  bool      // the block before it is known, with
	hash   string    // its hash
	sealed time.Time // its time

	judged   bool // a problem with the head was reported
	headless bool // the head is not the server's, and proves nothing
}

func (c *chain) problem(block int, format string, args ...any) {
	if len(c.report.Problems) < maxProblems {
		c.report.Problems = append(c.report.Problems, Problem{block, fmt.Sprintf(format, args...)})
	}
}

// begin expects a block without a known predecessor.
func (c *chain) begin(number int) { c.next, c.known, c.hash = number, false, "" }

// follow expects the successor of a block.
func (c *chain) follow(number int, s storage.AuditSeal) {
	c.next, c.known, c.hash, c.sealed = number+1, true, s.Hash, s.Sealed
}

// add checks the block that was found under a number, and the text of its events.
func (c *chain) add(number int, s storage.AuditSeal, text []byte) {
	c.checkPlace(number, s)
	lines := bytes.Count(text, []byte("\n"))
	switch {
	case s.Number != number:
		c.problem(number, "it is block %d, moved", s.Number)
	case s.Count != lines:
		c.problem(number, "it has %d events, and was sealed with %d", lines, s.Count)
	case s.Hash != hashOf(s, text):
		c.problem(number, "an event or the seal was changed")
	case c.mac != nil && !hmac.Equal(s.MAC, c.mac(s.Hash)):
		c.problem(number, "it was sealed by somebody who lacks the server secret")
	}
	point := Point{number, s.Hash, s.Sealed}
	if c.report.Blocks == 0 {
		c.report.First = point
	}
	c.report.Last = point
	c.report.Blocks++
	c.report.Events += lines
	c.follow(number, s)
}

// checkPlace checks that a block is the next one.
func (c *chain) checkPlace(number int, s storage.AuditSeal) {
	switch {
	case c.next == 0 || c.next == number:
	case number == c.next+1:
		c.problem(c.next, "the block is missing")
		return
	case number > c.next:
		c.problem(c.next, "the blocks from here to %d are missing", number-1)
		return
	default:
		c.problem(number, "it is older than the log, which begins with block %d", c.next)
		return
	}
	switch {
	case (number == 1) != (s.Before == ""):
		c.problem(number, "it names the wrong block before it")
	case c.known && s.Before != c.hash:
		c.problem(number, "it does not follow the block before it")
	case c.known && s.Sealed.Before(c.sealed):
		c.problem(number, "its time is before that of the block before it")
	}
}
