package bearer

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

type callerKey struct{}

// caller is what Protect puts into the request's context.
type caller struct {
	verifier  *Verifier
	principal *Principal
	scheme    string // the scheme that the caller used; empty: another credential than a token
}

// FromContext returns the principal of the request. ok is false if the request did not come through Protect
// or Either.
func FromContext(ctx context.Context) (*Principal, bool) {
	c, ok := ctx.Value(callerKey{}).(*caller)
	if !ok {
		return nil, false
	}
	return c.principal, true
}

// NewContext returns a context in which FromContext finds the principal. It is for callers of VerifyFrom and for tests
// of handlers; Protect does it by itself.
func (v *Verifier) NewContext(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, callerKey{}, &caller{verifier: v, principal: p, scheme: schemeBearer})
}

// Protect passes only requests with a valid access token on to next. If the token is bound to a key, it also
// demands a proof of that key: Authorization: DPoP with a header DPoP.
//
// The token is taken only from the Authorization header. A token in the query string is an error, and the
// body is never read.
func (v *Verifier) Protect(next http.Handler) http.Handler {
	return v.Either(func(*http.Request) (*Principal, bool) { return nil, false }, next)
}

// Either is Protect for the time of a migration. It also accepts a request without a token if legacy, which
// looks for the application's old session cookie, knows its user. RequireScope and RequireRole check the
// Principal that legacy returns. Wrap route by route, and replace Either by Protect when a route's callers
// have moved.
//
// A request with an Authorization header never falls back to the cookie, even if the header is unusable. A
// browser sends a cookie, but never a token, with requests that other sites forge: legacy must refuse those,
// for instance with http.CrossOriginProtection.Check.
func (v *Verifier) Either(legacy func(*http.Request) (*Principal, bool), next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, way, refused := v.admit(w, r, legacy)
		inner := r.WithContext(context.WithValue(r.Context(), callerKey{}, c))
		defer v.ways.count(r, inner, way)()
		if refused != nil {
			c.refuse(w, refused)
			return
		}
		next.ServeHTTP(w, inner)
	})
}

// admit finds out who sends a request, and in which way it comes.
func (v *Verifier) admit(w http.ResponseWriter, r *http.Request, legacy func(*http.Request) (*Principal, bool)) (c *caller, way string, refused *refusal) {
	presented, refused := v.credentials(r)
	c = &caller{verifier: v, scheme: presented.scheme}
	if refused != nil {
		return c, WayRefused, refused
	}
	if presented.token == "" {
		if p, ok := legacy(r); ok && p != nil {
			c.principal = p
			return c, WaySession, nil
		}
		return c, WayNone, noCredentials
	}
	p, nonce, refused := v.authenticate(r, presented)
	if nonce != "" {
		w.Header().Set("DPoP-Nonce", nonce)
	}
	if refused != nil {
		return c, WayRefused, refused
	}
	c.principal = p
	return c, WayToken, nil
}

// RequireScope passes on only requests whose token has all of the scopes. Put it inside Protect:
//
//	v.Protect(bearer.RequireScope("orders.read")(handler))
func RequireScope(scopes ...string) func(http.Handler) http.Handler {
	lacking := &refusal{
		status: http.StatusForbidden, code: "insufficient_scope",
		description: "the token lacks a scope that this needs",
		scope:       strings.Join(scopes, " "),
	}
	return require(lacking, func(p *Principal) bool {
		return !slices.ContainsFunc(scopes, func(s string) bool { return !p.HasScope(s) })
	})
}

// RequireRole passes on only requests whose user has one of the roles. Put it inside Protect. The refusal is
// insufficient_scope too, because RFC 6750 section 3.1 has no better code, but it names no scope: asking for
// more scopes would not help.
func RequireRole(roles ...string) func(http.Handler) http.Handler {
	lacking := &refusal{
		status: http.StatusForbidden, code: "insufficient_scope",
		description: "the user lacks a role that this needs",
	}
	return require(lacking, func(p *Principal) bool { return slices.ContainsFunc(roles, p.HasRole) })
}

func require(lacking *refusal, allowed func(*Principal) bool) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, ok := r.Context().Value(callerKey{}).(*caller)
			switch {
			case !ok:
				notProtected.answer(w, nil)
			case !allowed(c.principal):
				c.refuse(w, lacking)
			default:
				next.ServeHTTP(w, r)
			}
		})
	}
}

const (
	schemeBearer = "Bearer"
	schemeDPoP   = "DPoP"
)

// credentials are the scheme and token of a request. Without a token they are empty.
type credentials struct{ scheme, token string }

// credentials reads the one Authorization header (RFC 6750 section 2).
func (v *Verifier) credentials(r *http.Request) (credentials, *refusal) {
	if hasQueryToken(r.URL.RawQuery) {
		return credentials{}, badRequest("a token in the query string is not accepted: use the Authorization header")
	}
	headers := r.Header["Authorization"]
	switch len(headers) {
	case 0:
		return credentials{}, nil
	case 1:
		presented, refused := parseAuthorization(headers[0])
		if presented.scheme == schemeDPoP && v.proofs == nil {
			return credentials{}, otherScheme
		}
		return presented, refused
	}
	return credentials{}, badRequest("more than one Authorization header")
}

// parseAuthorization reads credentials = ("Bearer" / "DPoP") 1*SP token (RFC 6750 section 2.1, RFC 9449
// section 7.1). Another scheme is not an attempt to use a token, but it is refused too, because the API
// accepts only tokens.
func parseAuthorization(header string) (credentials, *refusal) {
	scheme, rest, _ := strings.Cut(header, " ")
	switch {
	case scheme == "":
		return credentials{}, badRequest("the Authorization header is empty")
	case strings.EqualFold(scheme, schemeBearer):
		scheme = schemeBearer
	case strings.EqualFold(scheme, schemeDPoP):
		scheme = schemeDPoP
	default:
		return credentials{}, otherScheme
	}
	token := strings.TrimLeft(rest, " ")
	switch {
	case token == "":
		return credentials{scheme: scheme}, badRequest("the Authorization header holds no token")
	case !isB64Token(token):
		return credentials{scheme: scheme}, badRequest("the Authorization header must hold one token and nothing else")
	}
	return credentials{scheme, token}, nil
}

// isB64Token checks b64token = 1*( ALPHA / DIGIT / "-._~+/" ) *"=".
func isB64Token(s string) bool {
	s = strings.TrimRight(s, "=")
	for i := range len(s) {
		if base64Value[s[i]] == 0xff && !strings.Contains(".~+/", s[i:i+1]) {
			return false
		}
	}
	return s != ""
}

// hasQueryToken looks for access_token (RFC 6750 section 2.3), also if it is escaped. If a part can't be
// parsed, nobody downstream can find a token in it either.
func hasQueryToken(query string) bool {
	if !strings.Contains(query, "access_token") && !strings.Contains(query, "%") {
		return false
	}
	values, _ := url.ParseQuery(query)
	return values.Has("access_token")
}
