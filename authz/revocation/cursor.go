package revocation

import (
	"errors"
	"strconv"
	"strings"
)

// maxNumber is the largest number that every reader of JSON keeps exactly (RFC 8259 section 6).
const maxNumber = 1<<53 - 1

// maxEpoch is the longest name of an epoch, in bytes.
const maxEpoch = 64

// Cursor is a place in the feed. The zero Cursor is before everything.
type Cursor struct {
	Epoch string // of base64url; new whenever the issuer may have forgotten entries
	Seq   uint64 // at most 2^53-1
}

// ErrCursor says that a text is no cursor.
var ErrCursor = errors.New("malformed cursor")

// String returns the form of the parameter after, and of an ETag without its quotes: epoch, dot, seq.
func (c Cursor) String() string { return c.Epoch + "." + strconv.FormatUint(c.Seq, 10) }

// ParseCursor reads the only spelling that String has. The error is ErrCursor.
func ParseCursor(text string) (Cursor, error) {
	if len(text) > maxEpoch+1+len("9007199254740991") {
		return Cursor{}, ErrCursor
	}
	epoch, number, _ := strings.Cut(text, ".")
	seq, err := strconv.ParseUint(number, 10, 64)
	c := Cursor{epoch, seq}
	if err != nil || seq > maxNumber || !validEpoch(epoch) || c.String() != text {
		return Cursor{}, ErrCursor
	}
	return c, nil
}

func validEpoch(epoch string) bool {
	if epoch == "" || len(epoch) > maxEpoch {
		return false
	}
	for _, b := range []byte(epoch) {
		switch {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', b == '-', b == '_':
		default:
			return false
		}
	}
	return true
}
