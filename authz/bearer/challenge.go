package bearer

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/dpop"
)

// refusal is one answer of RFC 6750 section 3, RFC 9449 section 7.1 or RFC 9470 section 3.
type refusal struct {
	status      int
	code        string
	description string
	scope       string
	acrValues   string        // RFC 9470: one of these is required
	maxAge      time.Duration // RFC 9470; zero: no limit
	retryAfter  time.Duration // 503 only
	bare        bool          // the challenge names no error
}

// noCredentials has an error in the body, for people, but none in the challenge: section 3.1 demands that if
// the request did not try to authenticate.
var noCredentials = &refusal{
	status: http.StatusUnauthorized, code: "unauthorized", bare: true,
	description: "an access token is needed: send it in the Authorization header",
}

var otherScheme = &refusal{
	status: http.StatusUnauthorized, code: "unauthorized", bare: true,
	description: "an access token is needed, and the Authorization header has a scheme that is not known here",
}

// notProtected is a mistake of the program, and must not look like one of the client.
var notProtected = &refusal{
	status: http.StatusInternalServerError, code: "server_error",
	description: "this route checks permissions outside of Protect",
}

func badToken(description string) *refusal {
	return &refusal{status: http.StatusUnauthorized, code: "invalid_token", description: description}
}

// badProof returns the answer for an error of package dpop.
func badProof(err error) *refusal {
	f := &refusal{status: http.StatusUnauthorized, code: "invalid_dpop_proof", description: "the proof is not accepted"}
	if invalid := (*dpop.Error)(nil); errors.As(err, &invalid) {
		f.description = invalid.Reason
	}
	return f
}

func badRequest(description string) *refusal {
	return &refusal{status: http.StatusBadRequest, code: "invalid_request", description: description}
}

// refusalOf returns the answer for an error of Verify.
func refusalOf(err error) *refusal {
	if invalid := (*TokenError)(nil); errors.As(err, &invalid) {
		return badToken(invalid.Reason)
	}
	f := &refusal{
		status: http.StatusServiceUnavailable, code: "temporarily_unavailable",
		description: "the token can't be verified now, try again later",
		retryAfter:  time.Second,
	}
	if later := (*unavailable)(nil); errors.As(err, &later) {
		f.retryAfter = later.after
	}
	return f
}

func (c *caller) refuse(w http.ResponseWriter, f *refusal) { f.answer(w, c.challenges(f)) }

func (f *refusal) answer(w http.ResponseWriter, challenges []string) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	if f.status < http.StatusInternalServerError {
		h["Www-Authenticate"] = challenges
	}
	if f.retryAfter > 0 {
		h.Set("Retry-After", seconds(f.retryAfter))
	}
	w.WriteHeader(f.status)
	_ = json.NewEncoder(w).Encode(map[string]string{ // the client may have gone
		"error": f.code, "error_description": f.description,
	})
}

// challenges names the error in the scheme that the caller has used. It offers the other scheme if another
// token may help (RFC 9449 section 7.2).
func (c *caller) challenges(f *refusal) []string {
	v, offer := c.verifier, &refusal{bare: true}
	switch {
	case c.scheme == schemeDPoP, v.proofs != nil && v.proofs.required:
		return []string{v.challenge(schemeDPoP, f)}
	case v.proofs != nil && (f.bare || f.code == "invalid_token"):
		return []string{v.challenge(schemeBearer, f), v.challenge(schemeDPoP, offer)}
	}
	return []string{v.challenge(schemeBearer, f)}
}

func (v *Verifier) challenge(scheme string, f *refusal) string {
	var b strings.Builder
	b.WriteString(scheme + " realm=" + quote(v.realm))
	param := func(name, value string) {
		if value != "" {
			b.WriteString(", " + name + "=" + quote(value))
		}
	}
	if !f.bare {
		param("error", f.code)
		param("error_description", f.description)
	}
	param("scope", f.scope)
	param("acr_values", f.acrValues)
	if f.maxAge > 0 {
		param("max_age", seconds(f.maxAge))
	}
	if scheme == schemeDPoP {
		param("algs", strings.Join(dpop.Algorithms(), " "))
	}
	if v.metadata != nil {
		param("resource_metadata", v.metadata.url) // RFC 9728 section 5.1
	}
	return b.String()
}

// seconds rounds up to whole seconds.
func seconds(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }

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
