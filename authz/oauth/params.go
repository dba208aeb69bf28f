package oauth

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of a request.
const (
	MaxForm    = 64 << 10 // bytes of a form body
	MaxQuery   = 16 << 10 // bytes of a query: enough for a sealed flow with a request of MaxRequest
	MaxRequest = 8 << 10  // bytes of an authorization request
)

// MayRepeat names the parameters that may be sent more than once (RFC 8707 section 2,
// RFC 8693 section 2.1).
var MayRepeat = setOf("resource", "audience")

// holdJSON names the parameters that are JSON, which may be written on several lines (RFC 9396 section 2,
// OpenID Connect Core section 5.5; RFC 8259 section 2).
var holdJSON = setOf("authorization_details", "claims")

// betweenJSON are the control characters that JSON allows between its tokens.
var betweenJSON = strings.NewReplacer("\t", "", "\n", "", "\r", "")

// secretParameters must never travel in a URL, where logs and histories keep them.
var secretParameters = []string{
	"client_secret", "client_assertion", "code", "code_verifier", "device_code", "refresh_token", "access_token", "token", "password",
	"subject_token", "actor_token", "assertion",
}

// PageQuery parses the query of one of our pages. Beside an error it returns the values that it could read, so
// that an authorization error can be sent back to the client.
func PageQuery(r *http.Request) (url.Values, error) { return queryBy(r, ParseParams) }

// RequestQuery parses the query of a protocol request, as PageQuery does, and leaves out unknown parameters.
func RequestQuery(r *http.Request) (url.Values, error) { return queryBy(r, parseRequest) }

func queryBy(r *http.Request, parse func(string) (url.Values, error)) (url.Values, error) {
	if len(r.URL.RawQuery) > MaxQuery {
		return nil, Refuse(InvalidRequest, "The query is too long.")
	}
	return parse(r.URL.RawQuery)
}

// ErrBodyTooLarge is the answer to a form of more than MaxForm bytes.
var ErrBodyTooLarge = Refuse(InvalidRequest, "The body is too large.")

// PageForm parses the form that one of our pages sent, of at most MaxForm bytes. It sets r.Form and r.PostForm
// too, so that nothing else parses them in another way.
func PageForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	return formBy(w, r, ParseParams)
}

// RequestForm parses the form of a protocol request, as PageForm does, and leaves out unknown parameters.
func RequestForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	return formBy(w, r, parseRequest)
}

func formBy(w http.ResponseWriter, r *http.Request, parse func(string) (url.Values, error)) (url.Values, error) {
	r.Form, r.PostForm = url.Values{}, url.Values{}
	if !IsForm(r) {
		return nil, Refuse(InvalidRequest, "The body must be application/x-www-form-urlencoded.")
	}
	if len(r.URL.RawQuery) > MaxQuery || tooManyPairs(r.URL.RawQuery) {
		return nil, errTooManyParameters
	}
	if query, _ := url.ParseQuery(r.URL.RawQuery); len(query) > 0 {
		for _, name := range secretParameters {
			if query.Has(name) {
				return nil, Refuse(InvalidRequest, "The parameter "+name+" must not be sent in the URL.")
			}
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxForm))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return nil, ErrBodyTooLarge
	} else if err != nil {
		return nil, Refuse(InvalidRequest, "The body could not be read.").Because(err)
	}
	form, err := parse(string(body))
	r.Form, r.PostForm = form, form
	return form, err
}

// IsForm reports whether the body of a request is application/x-www-form-urlencoded.
func IsForm(r *http.Request) bool {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && mediaType == "application/x-www-form-urlencoded"
}

// ParseParams parses application/x-www-form-urlencoded text. It refuses bad escapes, repeated parameters
// (RFC 6749 section 3.1) and control characters. It leaves out empty parameters, and repeated values of
// those that MayRepeat. The error quotes nothing: a piece of the text may be the second half of a password.
func ParseParams(raw string) (url.Values, error) {
	values, err := parseEncoded(raw)
	if err != nil {
		return values, err
	}
	return checkParams(values)
}

// parseRequest is ParseParams for protocol requests. It leaves out unknown parameters first (RFC 6749 sections
// 3.1 and 3.2), so that their values and repetitions do not matter.
func parseRequest(raw string) (url.Values, error) {
	values, err := parseEncoded(raw)
	if err != nil {
		return values, err
	}
	return checkParams(onlyKnown(values))
}

func parseEncoded(raw string) (url.Values, error) {
	if tooManyPairs(raw) {
		return nil, errTooManyParameters
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return values, Refuse(InvalidRequest, "The parameters are not properly encoded.")
	}
	return values, nil
}

// KnownParameters are the parameters of protocol requests. If a handler of such requests reads a parameter,
// it must be among them.
var KnownParameters = setOf(
	"response_type", "client_id", "redirect_uri", "scope", "state", "response_mode", // RFC 6749
	"grant_type", "code", "refresh_token", "client_secret", "username", "password",
	"code_challenge", "code_challenge_method", "code_verifier", // RFC 7636
	"client_assertion", "client_assertion_type", "assertion", // RFC 7521
	"nonce", "display", "prompt", "max_age", "ui_locales", "claims_locales", "id_token_hint", "login_hint", // OpenID Connect Core
	"acr_values", "claims", "registration", "request", "request_uri",
	"access_token", "token", "token_type_hint", // RFC 6750, RFC 7009
	"device_code", "resource", "authorization_details", "dpop_jkt", // RFC 8628, RFC 8707, RFC 9396, RFC 9449
	"audience", "requested_token_type", "subject_token", "subject_token_type", "actor_token", "actor_token_type", // RFC 8693
	"post_logout_redirect_uri", "logout_hint", // RP-Initiated Logout
	"flow", "confirm", "account", "after", "wait", // ours
)

func setOf(names ...string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}

// onlyKnown leaves out unknown parameters. Names with control characters or broken UTF-8 stay:
// checkParams refuses them.
func onlyKnown(values url.Values) url.Values {
	for name := range values {
		if !KnownParameters[name] && CleanText(name) {
			delete(values, name)
		}
	}
	return values
}

func checkParams(values url.Values) (url.Values, error) {
	if err := checkBounds(values); err != nil {
		return values, err
	}
	for name, vs := range values {
		switch {
		case !CleanText(name):
			return values, Refuse(InvalidRequest, "A parameter name contains control characters.")
		case len(vs) > 1 && !MayRepeat[name]:
			return values, Refuse(InvalidRequest, "A parameter is repeated.")
		}
		for _, v := range vs {
			if holdJSON[name] {
				v = betweenJSON.Replace(v)
			}
			if !CleanText(v) {
				return values, Refuse(InvalidRequest, "A parameter contains control characters.")
			}
		}
		if MayRepeat[name] {
			vs = slices.DeleteFunc(Unique(vs), func(v string) bool { return v == "" })
			values[name] = vs
		}
		if len(vs) == 0 || (len(vs) == 1 && vs[0] == "") {
			delete(values, name) // RFC 6749 section 3.1: sent without a value is as if omitted
		}
	}
	return values, nil
}

// ScopesOf returns the scopes of a request (RFC 6749 section 3.3), each once, in their order.
func ScopesOf(params url.Values) []string { return Unique(strings.Fields(params.Get("scope"))) }

// Unique removes repeated values, and keeps the order. It changes the slice that it gets.
func Unique(values []string) []string {
	seen := make(map[string]bool, len(values))
	return slices.DeleteFunc(values, func(v string) bool {
		again := seen[v]
		seen[v] = true
		return again
	})
}

// CleanText reports whether s is UTF-8 without control characters.
func CleanText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// Both returns the members of a that are in b too, in the order of a.
func Both(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return !slices.Contains(b, s) })
}
