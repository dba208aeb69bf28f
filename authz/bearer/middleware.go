package bearer

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

type callerKey struct{}

// caller is what Protect leaves in the request's context.
type caller struct {
	verifier  *Verifier
	principal *Principal
	scheme    string // that the caller used; empty: another credential than a token
}

// FromContext returns who the request speaks for. It is false if the request did not come through
// Protect or Either.
func FromContext(ctx context.Context) (*Principal, bool) {
	c, ok := ctx.Value(callerKey{}).(*caller)
	if !ok {
		return nil, false
	}
	return c.principal, true
}

// Protect lets only requests with a valid access token through to next, and if the token is bound
// to a key, only with a proof of that key: sent as Authorization: DPoP, with a header DPoP.
//
// The token is taken from the Authorization header and from nowhere else: one in the query string
// is an error, and the body is never read.
func (v *Verifier) Protect(next http.Handler) http.Handler {
	return v.Either(func(*http.Request) (*Principal, bool) { return nil, false }, next)
}

// Either is Protect for the time of a migration: a request without a token is let through too if
// legacy, which looks for the application's old session cookie, knows its user. The Principal that
// legacy returns decides about RequireScope and RequireRole. Wrap route by route, and replace
// Either by Protect as each route's callers have moved.
//
// A request that has an Authorization header never falls back to the cookie, whatever the header
// holds. A browser sends a cookie along with requests that other sites forge, as it never does a
// token: legacy must refuse those, for instance with http.CrossOriginProtection.Check.
func (v *Verifier) Either(legacy func(*http.Request) (*Principal, bool), next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		presented, refused := v.credentials(r)
		c := &caller{verifier: v, scheme: presented.scheme}
		if refused != nil {
			c.refuse(w, refused)
			return
		}
		if presented.token != "" {
			var nonce string
			c.principal, nonce, refused = v.authenticate(r, presented)
			if nonce != "" {
				w.Header().Set("DPoP-Nonce", nonce)
			}
		} else if p, ok := legacy(r); ok && p != nil {
			c.principal = p
		} else {
			refused = noCredentials
		}
		if refused != nil {
			c.refuse(w, refused)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, c)))
	})
}

// RequireScope lets only requests through whose token has all of the scopes. It goes inside
// Protect:
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

// RequireRole lets only requests through whose user has one of the roles. It goes inside Protect.
// The refusal is insufficient_scope as well, RFC 6750 section 3.1 having no nearer code, but names
// no scope: asking for more of them would not help.
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

// credentials are what a request has to say who sent it. Without a token it is empty.
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

// parseAuthorization reads credentials = ("Bearer" / "DPoP") 1*SP token (RFC 6750 section 2.1, RFC
// 9449 section 7.1). Another scheme is no attempt to use a token, but it is refused here all the
// same, as Protect is what stands before the API.
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

// hasQueryToken looks for access_token (RFC 6750 section 2.3), however it is escaped. What can't
// be parsed has no token that anybody downstream could find either.
func hasQueryToken(query string) bool {
	if !strings.Contains(query, "access_token") && !strings.Contains(query, "%") {
		return false
	}
	values, _ := url.ParseQuery(query)
	return values.Has("access_token")
}
