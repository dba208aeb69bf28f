package config

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/member"
)

const (
	minInitialAccessToken = 32        // characters
	maxRegistered         = 1_000_000 // clients, and registrations in an hour
)

func (l *loader) checkRegistration() {
	const at = "registration"
	r := &l.cfg.Registration
	l.checkRequired(reflect.ValueOf(r.InitialAccessTokens), at+".initial_access_tokens")
	l.checkRequired(reflect.ValueOf(r.SoftwareStatementIssuers), at+".software_statement_issuers")
	switch {
	case r.Mode == "token" && len(r.InitialAccessTokens) == 0:
		l.report(at+".mode", r.Mode, problemf("add some, or let everybody register with mode: open", "needs initial_access_tokens"))
	case r.Mode == "open" && len(r.InitialAccessTokens) > 0:
		l.report(at+".initial_access_tokens", nil, problemf("remove them, or demand them with mode: token", "are of no use where everybody may register"))
	}
	for i, token := range r.InitialAccessTokens {
		if path := child(element(at+".initial_access_tokens", i), "token"); token.Token != "" && len(token.Token) < minInitialAccessToken {
			l.report(path, token.Token, problemf("make one with: openssl rand -base64 32", "shorter than %d characters", minInitialAccessToken))
		}
	}
	for i, issuer := range r.SoftwareStatementIssuers {
		if issuer.JWKSURI != "" {
			l.report(child(element(at+".software_statement_issuers", i), "jwks_uri"), issuer.JWKSURI, member.WebURLFlaw(issuer.JWKSURI))
		}
	}
	l.checkEach(at+".native_schemes", r.NativeSchemes, client.CheckScheme)
	l.checkRegistrationScope(r, at)
	l.checkTime(at+".unused_after", r.UnusedAfter, time.Hour, 10*365*24*time.Hour)
	l.checkNumber(at+".per_address_per_hour", r.PerAddressPerHour)
	l.checkNumber(at+".max_clients", r.MaxClients)
	if refresh := l.cfg.Lifetimes.RefreshIdle; r.Mode != "off" && r.UnusedAfter < refresh {
		l.report(at+".unused_after", short(r.UnusedAfter), problemf("raise it, or lower the other",
			"a client would be forgotten before its refresh tokens end (lifetimes.refresh_idle, %s)", short(refresh)))
	}
}

func (l *loader) checkRegistrationScope(r *Registration, at string) {
	server := l.clientServer()
	var ofResources []string
	l.checkEach(at+".resources", r.Resources, func(uri string) *member.Flaw {
		if uri == l.cfg.AdminResource() {
			return problemf("remove it; give a client of your own the scope "+AdminScope, "is the admin API, which no client that registers itself may call")
		}
		if resource := server.Resource(uri); resource != nil {
			ofResources = append(ofResources, resource.Scopes...)
		}
		return server.ResourceFlaw(uri)
	})
	for i, scope := range r.Scope {
		switch path := element(at+".scope", i); {
		case slices.Contains(r.Scope[:i], scope):
			l.report(path, scope, problemf("remove one of the two", "given twice"))
		case isOurs(scope):
			l.report(path, scope, problemf("remove it; give a client of your own the scope", "administers the server: no client that registers itself may have it"))
		default:
			l.report(path, scope, server.ScopeFlaw(scope, ofResources, at+".resources"))
		}
	}
}

// isOurs reports whether a scope is of authzd's own API.
func isOurs(scope string) bool { return strings.HasPrefix(scope, "authzd:") }

// checkNumber is for numbers of clients.
func (l *loader) checkNumber(path string, n *int) {
	if n != nil && (*n < 1 || *n > maxRegistered) {
		l.report(path, *n, problemf("remove it for the default", "must be from 1 to %d", maxRegistered))
	}
}
