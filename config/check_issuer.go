package config

import (
	"fmt"
	"slices"
	"time"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/member"
)

func (l *loader) checkTrustedIssuer(t *TrustedIssuer, path string) {
	if len(t.JWKS) > 0 && !l.broken(path+".jwks") {
		l.reportAll(path+".jwks", client.JWKSProblems(t.JWKS))
	}
	if t.JWKSURI != "" {
		l.report(path+".jwks_uri", t.JWKSURI, member.WebURLFlaw(t.JWKSURI))
	}
	switch {
	case l.given(path+".jwks") && l.given(path+".jwks_uri"):
		l.report(path+".jwks_uri", t.JWKSURI, problemf("remove one of the two", "jwks is given too"))
	case !l.given(path+".jwks") && !l.given(path+".jwks_uri"):
		l.report(path, nil, problemf("set jwks_uri, or jwks", "its public keys are missing"))
	}
	ofIssuer := func(c Connector) bool { return c.Issuer == t.Issuer }
	if t.Subject == "identity" && t.Issuer != "" && !slices.ContainsFunc(l.cfg.Connectors, ofIssuer) {
		l.report(path+".subject", t.Subject, problemf("add such a connector, or write subject: username",
			"no connector has this issuer, so no user can be linked to it"))
	}
	if len(t.Clients) == 0 {
		l.report(path+".clients", nil, problemf("list the clients that may show its assertions", "is required"))
	}
	var scopes []string
	l.checkEach(path+".clients", t.Clients, func(id string) *member.Flaw {
		i := slices.IndexFunc(l.cfg.Clients, func(c client.Metadata) bool { return c.ID == id })
		switch {
		case i < 0:
			return problemf("declare it under clients", "no such client")
		case !l.cfg.Clients[i].May(client.GrantJWTBearer):
			return problemf("add "+client.GrantJWTBearer+" to its grant_types", "may not use this grant type")
		}
		scopes = append(scopes, l.cfg.Clients[i].Scopes...)
		return nil
	})
	for i, scope := range t.Scope {
		at := element(path+".scope", i)
		switch {
		case scope == "offline_access":
			l.report(at, scope, problemf("remove it", "an assertion leads to no refresh token"))
		case !slices.Contains(scopes, scope):
			hint := "add it to the scope of the client"
			if near := member.Nearest(scope, scopes); near != "" {
				hint = fmt.Sprintf("did you mean %s?", near)
			}
			l.report(at, scope, problemf(hint, "none of its clients has this scope"))
		}
	}
	l.checkTime(path+".max_lifetime", t.MaxLifetime, time.Second, time.Hour)
}
