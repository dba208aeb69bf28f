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
	principal *Principal
	realm     string
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

// Protect lets only requests with a valid access token through to next.
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
		token, refused := credentials(r)
		if refused != nil {
			refused.answer(w, v.realm)
			return
		}
		var principal *Principal
		if token != "" {
			p, err := v.Verify(r.Context(), token)
			if err != nil {
				v.refusal(err).answer(w, v.realm)
				return
			}
			principal = p
		} else if p, ok := legacy(r); ok && p != nil {
			principal = p
		} else {
			noCredentials.answer(w, v.realm)
			return
		}
		ctx := context.WithValue(r.Context(), callerKey{}, &caller{principal, v.realm})
		next.ServeHTTP(w, r.WithContext(ctx))
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
				notProtected.answer(w, "")
			case !allowed(c.principal):
				lacking.answer(w, c.realm)
			default:
				next.ServeHTTP(w, r)
			}
		})
	}
}

// credentials returns the token, or "" if the request has none (RFC 6750 section 2).
func credentials(r *http.Request) (token string, refused *refusal) {
	if hasQueryToken(r.URL.RawQuery) {
		return "", badRequest("a token in the query string is not accepted: use the Authorization header")
	}
	headers := r.Header["Authorization"]
	switch len(headers) {
	case 0:
		return "", nil
	case 1:
		return parseAuthorization(headers[0])
	}
	return "", badRequest("more than one Authorization header")
}

// parseAuthorization reads credentials = "Bearer" 1*SP b64token (RFC 6750 section 2.1). Another
// scheme is no attempt to use a token, but it is refused here all the same, as Protect is what
// stands before the API.
func parseAuthorization(header string) (token string, refused *refusal) {
	scheme, rest, _ := strings.Cut(header, " ")
	if scheme == "" {
		return "", badRequest("the Authorization header is empty")
	}
	if !strings.EqualFold(scheme, "Bearer") {
		return "", otherScheme
	}
	token = strings.TrimLeft(rest, " ")
	if token == "" {
		return "", badRequest("the Authorization header holds no token")
	}
	if !isB64Token(token) {
		return "", badRequest("the Authorization header must hold one token and nothing else")
	}
	return token, nil
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
