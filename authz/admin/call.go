package admin

import (
	"encoding/base64"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// Call is one request, authorised.
type Call struct {
	Actor Actor
	Query url.Values // only parameters that the route has, each once

	path    map[string]string
	ifMatch string
	slice   Slice
	seal    func(plaintext []byte) []byte
}

// Actor is who asks.
type Actor struct {
	ID       string // of a token the sub; of a process at the socket "uid:" and its user id
	ClientID string // of a token
	Remote   netip.Addr
}

// Slice is which part of a list is wanted.
type Slice struct {
	Size  int    // 1 to MaxPageSize
	After string // the key after which to begin; empty: at the beginning
}

// Path returns what stands in the path in place of a name.
func (c *Call) Path(name string) string { return c.path[name] }

// Matches refuses a call that means another version of a record than the present one: its error is a
// *Problem with CodePreconditionFailed.
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
		Detail: "The record is not what If-Match says: somebody has changed it.", Hint: "read it again, and decide anew"}
}

// pageToken seals the place where the next page begins.
func (c *Call) pageToken(next string) string {
	if next == "" {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(c.seal([]byte(next)))
}
