package wire

import (
	"bytes"
	"strconv"
	"strings"
)

type state int

const (
	inHead     state = iota
	inBody           // of left bytes
	inSize           // the line with the size of a chunk
	inChunk          // of left bytes, and the end of its line
	inTrailers       // after the last chunk
	inOther          // no HTTP any more
)

// maxLine is how much of a line is kept (bytes). No length or coding that counts is longer.
const maxLine = 256

// scanner follows the requests of one connection.
type scanner struct {
	state state
	left  uint64

	line    []byte // the present one, as far as it has come
	lines   int    // of the present head that have ended
	heads   int    // that have ended
	lengths []string
	codings []string
	old     bool // HTTP/1.0 or another that is not 1.1
}

// scan looks at the bytes that come next. If ok is false, a request that begins at good is refused; good is 0 if it
// began before these bytes.
func (s *scanner) scan(b []byte) (good int, ok bool) {
	for at := 0; at < len(b); {
		switch s.state {
		case inOther:
			return 0, true
		case inBody, inChunk:
			n := min(s.left, uint64(len(b)-at))
			s.left -= n
			at += int(n)
			if s.left == 0 {
				s.state = map[state]state{inBody: inHead, inChunk: inSize}[s.state]
			}
		default:
			if s.state == inHead && s.lines == 0 && len(s.line) == 0 {
				good = at
			}
			end := bytes.IndexByte(b[at:], '\n')
			if end < 0 {
				s.keep(b[at:])
				return good, s.mayGoOn()
			}
			s.keep(b[at : at+end])
			at += end + 1
			if !s.endLine() {
				return good, false
			}
		}
	}
	return 0, true
}

// keep keeps the beginning of a line; of the first one its end, which has the version.
func (s *scanner) keep(b []byte) {
	if s.state == inHead && s.lines == 0 {
		s.line = append(s.line, b[max(len(b)-maxLine, 0):]...)
		s.line = append(s.line[:0], s.line[max(len(s.line)-maxLine, 0):]...)
		return
	}
	s.line = append(s.line, b[:min(len(b), maxLine-len(s.line))]...)
}

// mayGoOn judges the beginning of a line, so that no folded one is passed on.
func (s *scanner) mayGoOn() bool { return s.state != inHead || s.lines == 0 || !isFolded(s.line) }

func isFolded(line []byte) bool { return len(line) > 0 && (line[0] == ' ' || line[0] == '\t') }

// endLine judges a line that is complete.
func (s *scanner) endLine() bool {
	line := bytes.TrimSuffix(s.line, []byte("\r"))
	s.line = s.line[:0]
	if bytes.IndexByte(line, '\r') >= 0 {
		return false // some programs end a line here
	}
	switch s.state {
	case inSize:
		return s.endSize(string(line))
	case inTrailers:
		if len(line) == 0 {
			s.state = inHead
		}
		return !isFolded(line)
	}
	s.lines++
	switch {
	case s.lines == 1:
		s.old = !bytes.HasSuffix(line, []byte(" HTTP/1.1"))
		return len(line) > 0
	case isFolded(line):
		return false
	case len(line) == 0:
		return s.endHead()
	}
	name, value, _ := strings.Cut(string(line), ":")
	value = strings.Trim(value, " \t")
	switch strings.ToLower(strings.TrimRight(name, " \t")) {
	case "content-length":
		s.lengths = append(s.lengths, value)
	case "transfer-encoding":
		s.codings = append(s.codings, value)
	}
	return true
}

// endHead decides where the body ends.
func (s *scanner) endHead() bool {
	lengths, codings, old := s.lengths, s.codings, s.old
	s.lengths, s.codings, s.lines = nil, nil, 0
	s.heads++
	switch {
	case len(codings) > 0:
		s.state = inSize
		return len(codings) == 1 && len(lengths) == 0 && !old && strings.EqualFold(codings[0], "chunked")
	case len(lengths) > 1:
		return false
	case len(lengths) == 1:
		n, err := strconv.ParseUint(lengths[0], 10, 63)
		s.left = n
		if n > 0 {
			s.state = inBody
		}
		return err == nil
	}
	return true
}

// endSize reads the size of a chunk, before any extension (RFC 9112 section 7.1).
func (s *scanner) endSize(line string) bool {
	size, _, _ := strings.Cut(line, ";")
	n, err := strconv.ParseUint(strings.TrimRight(size, " \t"), 16, 62)
	if err != nil {
		return false
	}
	s.left, s.state = n, inChunk
	if n == 0 {
		s.state = inTrailers
	} else {
		s.left += 2 // the end of its line
	}
	return true
}
