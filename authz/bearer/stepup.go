package bearer

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// RequireACR passes on only requests whose user has signed in in one of these ways: the token's acr is one of
// the values, in order of preference. Put it inside Protect:
//
//	v.Protect(bearer.RequireACR("urn:authzd:acr:mfa")(handler))
//
// The refusal is that of RFC 9470 section 3: 401 insufficient_user_authentication with acr_values, which the
// client passes on to the authorization endpoint. Directly around a RequireAuthAge, or directly inside one,
// both demands are in one challenge. There must be a value.
func RequireACR(values ...string) func(http.Handler) http.Handler {
	if len(values) == 0 {
		panic("bearer: RequireACR needs a value")
	}
	return func(next http.Handler) http.Handler { return (&stepUp{acr: values, next: next}).merge() }
}

// RequireAuthAge passes on only requests whose user has signed in within that time: the token's auth_time is
// not older, with a tolerance of Config.Leeway. Put it inside Protect. The refusal is that of RequireACR,
// with max_age. maxAge must be at least a second.
func RequireAuthAge(maxAge time.Duration) func(http.Handler) http.Handler {
	if maxAge < time.Second {
		panic("bearer: RequireAuthAge needs a second or more: no login is fresher than that")
	}
	return func(next http.Handler) http.Handler { return (&stepUp{maxAge: maxAge, next: next}).merge() }
}

// stepUp is what a route demands of the login.
type stepUp struct {
	acr    []string      // nil: any
	maxAge time.Duration // zero: any
	next   http.Handler
}

// merge joins two demands for different things, so that the client can meet both with one login.
func (s *stepUp) merge() http.Handler {
	inner, ok := s.next.(*stepUp)
	switch {
	case ok && s.acr != nil && inner.acr == nil:
		return &stepUp{acr: s.acr, maxAge: inner.maxAge, next: inner.next}
	case ok && s.maxAge != 0 && inner.maxAge == 0:
		return &stepUp{acr: inner.acr, maxAge: s.maxAge, next: inner.next}
	}
	return s
}

func (s *stepUp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, ok := r.Context().Value(callerKey{}).(*caller)
	switch {
	case !ok:
		notProtected.answer(w, nil)
	case !s.met(c.principal, c.verifier.leeway, time.Now()):
		c.refuse(w, &refusal{
			status: http.StatusUnauthorized, code: "insufficient_user_authentication",
			description: s.description(), acrValues: strings.Join(s.acr, " "), maxAge: s.maxAge,
		})
	default:
		s.next.ServeHTTP(w, r)
	}
}

func (s *stepUp) met(p *Principal, leeway time.Duration, now time.Time) bool {
	if s.acr != nil && !slices.Contains(s.acr, p.ACR) {
		return false
	}
	return s.maxAge == 0 || !p.AuthTime.IsZero() && !now.After(p.AuthTime.Add(s.maxAge+leeway))
}

func (s *stepUp) description() string {
	switch {
	case s.maxAge == 0:
		return "a stronger login is needed"
	case s.acr == nil:
		return "a more recent login is needed"
	}
	return "a stronger or more recent login is needed"
}
