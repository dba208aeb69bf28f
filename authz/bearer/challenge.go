package bearer

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// refusal is one answer of RFC 6750 section 3.
type refusal struct {
	status      int
	code        string
	description string
	scope       string
	retryAfter  time.Duration // 503 only
	bare        bool          // the challenge names no error
}

// noCredentials has an error in the body for people to read, but none in the challenge: section
// 3.1 asks for that where the request did not try to authenticate.
var noCredentials = &refusal{
	status: http.StatusUnauthorized, code: "unauthorized", bare: true,
	description: "an access token is needed: send it as Authorization: Bearer",
}

var otherScheme = &refusal{
	status: http.StatusUnauthorized, code: "unauthorized", bare: true,
	description: "an access token is needed, and the Authorization header has another scheme than Bearer",
}

// notProtected is a mistake of the program, and must not look like one of the client's.
var notProtected = &refusal{
	status: http.StatusInternalServerError, code: "server_error",
	description: "this route checks permissions outside of Protect",
}

func badRequest(description string) *refusal {
	return &refusal{status: http.StatusBadRequest, code: "invalid_request", description: description}
}

// refusal returns the answer for an error of Verify.
func (v *Verifier) refusal(err error) *refusal {
	var invalid *TokenError
	if errors.As(err, &invalid) {
		return &refusal{status: http.StatusUnauthorized, code: "invalid_token", description: invalid.Reason}
	}
	return &refusal{
		status: http.StatusServiceUnavailable, code: "temporarily_unavailable",
		description: "the token can't be verified now, try again later",
		retryAfter:  v.keys.retryAfter(),
	}
}

func (f *refusal) answer(w http.ResponseWriter, realm string) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	if f.status < http.StatusInternalServerError {
		h.Set("WWW-Authenticate", f.challenge(realm))
	}
	if f.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(f.retryAfter.Seconds()))))
	}
	w.WriteHeader(f.status)
	_ = json.NewEncoder(w).Encode(map[string]string{ // a client that is gone needs no answer
		"error": f.code, "error_description": f.description,
	})
}

func (f *refusal) challenge(realm string) string {
	var b strings.Builder
	b.WriteString("Bearer realm=" + quote(realm))
	if !f.bare {
		b.WriteString(", error=" + quote(f.code) + ", error_description=" + quote(f.description))
	}
	if f.scope != "" {
		b.WriteString(", scope=" + quote(f.scope))
	}
	return b.String()
}

// quote makes a quoted-string (RFC 9110 section 5.6.4). Characters outside printable ASCII, with
// which a header could be split, become "?".
func quote(s string) string {
	b := []byte{'"'}
	for _, r := range s {
		switch {
		case r < ' ' || r > '~':
			b = append(b, '?')
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		default:
			b = append(b, byte(r))
		}
	}
	return string(append(b, '"'))
}
