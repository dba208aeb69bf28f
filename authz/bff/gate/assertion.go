package gate

import (
	"fmt"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/bff/assertion"
	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/observe"
)

// assertionLife is how long a site may take an assertion.
const assertionLife = time.Minute

// keyPolicy rotates the gate's keys as the server rotates its own.
func keyPolicy(cfg *Config) keys.Policy {
	return keys.Policy{
		Algs:        []jose.SignatureAlgorithm{assertion.Alg},
		RotateEvery: 90 * 24 * time.Hour,
		Announce:    24 * time.Hour,
		Retain:      assertionLife + 5*time.Minute,
		Announced:   cfg.Announced,
		Logger:      cfg.Logger,
	}
}

// assert returns a signed assertion for a site. Package assertion says what is in it, and checks it.
func (g *Gate) assert(s *site, session *websession.Session) (string, error) {
	if token := g.memo.get(session, s.host); token != "" {
		return token, nil
	}
	now := time.Now()
	token, err := g.ring.Sign(assertion.Alg, keys.TypeGate, &assertion.Assertion{
		Issuer: g.URL, Audience: s.host, IssuedAt: now.Unix(), Expires: now.Add(assertionLife).Unix(),
		Subject: session.Subject, SID: session.SID, Roles: session.Roles,
	})
	if err == nil {
		g.memo.add(session, s.host, token, now)
	}
	return token, err
}

func (g *Gate) serveJWKS(w http.ResponseWriter, r *http.Request) {
	observe.Event(r.Context()).SetRoute("gate_jwks")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	g.ring.Refresh(r.Context())
	body, maxAge := g.ring.JWKS()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(maxAge.Seconds())))
	_, _ = w.Write(body)
}
