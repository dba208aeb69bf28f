package admin

import (
	"encoding/base64"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Call is one authorised request.
type Call struct {
	Actor Actor
	Query url.Values // only parameters of the route, each once

	path    map[string]string
	ifMatch string
	slice   Slice
	seal    func(plaintext []byte) []byte
}

// Actor is the caller.
type Actor struct {
	ID       string // of a token its sub; of a process at the socket "uid:" and its user id
	ClientID string // of a token
	Remote   netip.Addr
}

// Slice is the part of a list that is wanted.
type Slice struct {
	Size  int    // 1 to MaxPageSize
	After string // the key to begin after; empty: at the beginning
}

// Path returns the value of a name in the path.
func (c *Call) Path(name string) string { return c.path[name] }

// Matches refuses a call for another version of a record than the present one. Its error is a *Problem with
// CodePreconditionFailed.
func (c *Call) Matches(etag string) error {
	if c.ifMatch == "" || c.ifMatch == "*" {
		return nil
	}
	for candidate := range strings.SplitSeq(c.ifMatch, ",") {
		if strings.TrimSpace(candidate) == etag {
			return nil
		}
	}
	return &Problem{Status: http.StatusPreconditionFailed, Code: CodePreconditionFailed,
		Detail: "The record is not what If-Match says: somebody has changed it.", Hint: "read it again, and decide again"}
}

// pageToken seals the position where the next page begins.
func (c *Call) pageToken(next string) string {
	if next == "" {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(c.seal([]byte(next)))
}

// OrNil returns nil for the zero time, which is left out of an answer.
func OrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
