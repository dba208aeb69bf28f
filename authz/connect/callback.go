package connect

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"
)

const maxCode = 8 << 10 // bytes; some upstreams put a whole encrypted token into it

// callback is an authorization response that belongs to its Attempt.
type callback struct {
	code   string
	hasIss bool // it came with the right iss parameter (RFC 9207)
}

// readCallback is the first phase of Finish. It checks by state that the response belongs to the Attempt,
// then by iss that it comes from this upstream, and only then the rest. isIssuer recognises the spellings of
// the upstream's issuer.
func readCallback(v url.Values, a Attempt, isIssuer func(string) bool) (callback, error) {
	if a.State == "" || a.Nonce == "" || a.Verifier == "" {
		return callback{}, notOurs(errors.New("the attempt is empty"))
	}
	if len(v["state"]) != 1 || subtle.ConstantTimeCompare([]byte(v.Get("state")), []byte(a.State)) != 1 {
		return callback{}, notOurs(errors.New("state does not match"))
	}
	for _, name := range []string{"code", "iss", "error", "error_description"} {
		if len(v[name]) > 1 {
			return callback{}, failed(fmt.Errorf("callback: %s is there twice", name))
		}
	}
	if v.Has("iss") && !isIssuer(v.Get("iss")) {
		return callback{}, mixedUp(fmt.Errorf("callback: iss is %q", clip(v.Get("iss"))))
	}
	if v.Has("error") {
		return callback{}, upstreamError(v.Get("error"), v.Get("error_description"))
	}
	code := v.Get("code")
	if code == "" || len(code) > maxCode || !isClean(code) {
		return callback{}, failed(errors.New("callback: no code, or a malformed one"))
	}
	return callback{code: code, hasIss: v.Has("iss")}, nil
}

// upstreamError maps an authentication error response (OpenID Connect Core section 3.1.2.6).
func upstreamError(code, description string) *Error {
	cause := fmt.Errorf("callback: error %q: %q", clip(code), clip(description))
	switch {
	case code == AccessDenied, isCancel(strings.ToLower(code)):
		return &Error{AccessDenied, "the sign-in was refused", cause}
	case code == LoginRequired, code == InteractionRequired, code == ConsentRequired, code == AccountSelectionRequired:
		return &Error{code, "the sign-in service needs the user to do something there first", cause}
	}
	return failed(cause)
}

// isCancel reports whether a non-standard error means that the user cancelled.
func isCancel(code string) bool {
	switch code {
	case "user_denied", "consent_declined", "authorization_declined", "cancelled", "canceled":
		return true
	}
	return strings.HasPrefix(code, "user_cancel") // user_cancelled_login, user_canceled, …
}

// CallbackParams reads state, code, iss, error and error_description from the query of an authorization
// response. The error says that one of the first four is malformed. The text for people is cleaned, and other
// parameters are left out.
func CallbackParams(query string) (url.Values, error) {
	params := url.Values{}
	for pair := range strings.SplitSeq(query, "&") {
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, nameErr := url.QueryUnescape(rawName)
		value, valueErr := url.QueryUnescape(rawValue)
		switch name {
		case "state", "code", "iss", "error":
			if nameErr != nil || valueErr != nil || !isClean(value) {
				return nil, fmt.Errorf("callback: %s is malformed", name)
			}
			params.Add(name, value)
		case "error_description":
			if !params.Has(name) {
				params.Set(name, cleaned(value))
			}
		}
	}
	return params, nil
}

// cleaned removes from a text what does not belong on one line.
func cleaned(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, " "), func(r rune) bool {
		return unicode.IsSpace(r) || !isClean(string(r))
	}), " ")
}

func notOurs(cause error) *Error {
	return &Error{InvalidRequest, "this answer does not belong to a sign-in begun in this browser", cause}
}

func mixedUp(cause error) *Error {
	return &Error{ServerError, "the answer came from another sign-in service", cause}
}

func failed(cause error) *Error {
	return &Error{TemporarilyUnavailable, "the sign-in service cannot be used at the moment", cause}
}

func untrusted(cause error) *Error {
	return &Error{ServerError, "the sign-in service gave an answer that cannot be trusted", cause}
}

// clip shortens upstream text for the log, which always quotes it.
func clip(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}
