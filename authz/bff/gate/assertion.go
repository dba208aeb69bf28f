package gate

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/observe"
)

// Assertion is what a site is told about the user in a signed form, so that it need not trust its network. It is a JWT
// with the typ gate+jwt, signed by a key of /gate/jwks.json with ES256.
//
// A site must check typ, iss (the gate's URL), aud (its own host) and exp, and takes nothing else for it: an access token
// has another typ and issuer.
type Assertion struct {
	Issuer   string   `json:"iss"`
	Audience string   `json:"aud"` // host of the site, with its port unless that is the default
	IssuedAt int64    `json:"iat"`
	Expires  int64    `json:"exp"` // 60 seconds later
	Subject  string   `json:"sub"`
	SID      string   `json:"sid,omitempty"`
	Roles    []string `json:"roles,omitempty"`
}

const (
	assertionLife = time.Minute
	assertionAlg  = jose.ES256
)

// keyPolicy rotates the gate's keys as the server rotates its own.
func keyPolicy(log *slog.Logger) keys.Policy {
	return keys.Policy{
		Algs:        []jose.SignatureAlgorithm{assertionAlg},
		RotateEvery: 90 * 24 * time.Hour,
		Announce:    24 * time.Hour,
		Retain:      assertionLife + 5*time.Minute,
		Logger:      log,
	}
}

func (g *Gate) assert(s *site, session *websession.Session) (string, error) {
	if token := g.memo.get(session, s.host); token != "" {
		return token, nil
	}
	now := time.Now()
	token, err := g.ring.Sign(assertionAlg, keys.TypeGate, &Assertion{
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
