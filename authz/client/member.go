package client

import (
	"fmt"
	"strings"

	"github.com/authzd/authzd/authz/weburl"
)

// MemberError says what is wrong with one member of a client's metadata.
type MemberError struct {
	Member string // its name (RFC 7591 section 2)
	Value  string // as it was given; empty: it is missing, or a secret, or too long to be shown
	Reason string // ASCII without quotes and backslashes; it does not quote the value
	cause  error
}

func (e *MemberError) Error() string {
	if e.Value == "" {
		return e.Member + ": " + e.Reason
	}
	return fmt.Sprintf("%s %q: %s", e.Member, e.Value, e.Reason)
}

func (e *MemberError) Unwrap() error { return e.cause }

// wrong makes a MemberError. The reason is the end of a sentence that begins with the member.
func wrong(member, value, reason string) error {
	return &MemberError{Member: member, Value: value, Reason: reason}
}

// maxShownURI is how much of a URI an answer repeats.
const maxShownURI = 200 // bytes

// shownURI is a URI as an answer and the log may repeat it: where it leads, and not what it carries. It is
// empty if the URI has characters that no URI has.
func shownURI(uri string) string {
	if strings.ContainsFunc(uri, weburl.IsOdd) || strings.Contains(uri, "@") {
		return ""
	}
	place, _, _ := strings.Cut(uri, "#")
	if i := strings.IndexByte(place, '?'); i >= 0 {
		place = place[:i+1]
	}
	return place[:min(len(place), maxShownURI)]
}
