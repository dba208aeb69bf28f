package config

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/member"
)

// userScopes are those that no resource declares: OpenID Connect Core sections 5.4 and 11, and
// groups.
var userScopes = []string{"openid", "profile", "email", "address", "phone", "offline_access", "groups"}

func (l *loader) checkClient(c *Client, path string) {
	for _, key := range []string{"preset", "security_profile", "grant_types", "token_endpoint_auth_method"} {
		if l.faulty(child(path, key)) {
			return // what follows depends on them
		}
	}
	if c.ClientID != "" {
		l.report(path+".client_id", c.ClientID, checkClientID(c.ClientID))
	}
	l.checkLabel(path+".client_name", c.ClientName)
	l.checkClientAuthentication(c, path)
	l.checkClientGrants(c, path)
	l.checkClientURIs(c, path)
	l.checkClientScopes(c, path)
	l.checkTokenExchange(c, path)
	l.checkClientDetails(c, path)
	l.checkClientTimes(c, path)
	l.checkProfile(c, path)
}

var clientID = regexp.MustCompile(`^[\x21-\x7e]{1,200}$`)

// checkClientID admits what RFC 6749 appendix A.1 does, except the space.
func checkClientID(s string) *member.Flaw {
	if !clientID.MatchString(s) {
		return problemf("use up to 200 printable ASCII characters without spaces", "not a client identifier")
	}
	return nil
}

func (l *loader) checkClientGrants(c *Client, path string) {
	grants := path + ".grant_types"
	hints := map[string]string{
		"client_credentials": "let a backend with preset service call on its own behalf; the app itself signs its user in",
		grantTokenExchange:   "let a backend with a secret or key of its own exchange the token",
		grantJWTBearer:       "let a backend with a secret or key of its own show the assertion",
	}
	for i, grant := range c.GrantTypes {
		at := element(grants, i)
		switch hint, proves := hints[grant]; {
		case c.public() && proves:
			l.report(at, grant, problemf(hint, "a public client can't use it: it has no credentials"))
		case grant == "refresh_token" && !c.signsIn():
			l.report(at, grant, problemf("add authorization_code, or remove refresh_token", "refresh_token without a grant that gives any"))
		}
	}
	if c.has("authorization_code") {
		return
	}
	for key, given := range map[string]bool{
		"response_types":                        len(c.ResponseTypes) > 0,
		"require_pushed_authorization_requests": c.RequirePushedAuthorizationRequests,
		"require_signed_request_object":         c.RequireSignedRequestObject,
		"request_object_signing_alg":            c.RequestObjectSigningAlg != "",
		"request_uris":                          len(c.RequestURIs) > 0,
		"initiate_login_uri":                    c.InitiateLoginURI != "",
		"frontchannel_logout_uri":               c.FrontchannelLogoutURI != "",
	} {
		if given {
			l.report(child(path, key), nil, problemf("remove it, or add authorization_code to grant_types", "is of no use without authorization_code"))
		}
	}
}

func (l *loader) checkClientScopes(c *Client, path string) {
	var ofResources []string
	known := true
	l.checkEach(path+".resources", c.Resources, func(id string) *member.Flaw {
		i := slices.IndexFunc(l.cfg.Resources, func(r Resource) bool { return r.Resource == id })
		if i < 0 {
			known = false
			return l.unknownResource(id)
		}
		ofResources = append(ofResources, l.cfg.Resources[i].Scopes...)
		return nil
	})
	for _, r := range l.cfg.Resources {
		if slices.Contains(c.TokenExchangeResources, r.Resource) {
			ofResources = append(ofResources, r.Scopes...)
		}
	}
	for i, scope := range c.Scope {
		at := element(path+".scope", i)
		switch {
		case slices.Contains(c.Scope[:i], scope):
			l.report(at, scope, problemf("remove one of the two", "given twice"))
		case slices.Contains(userScopes, scope):
			if !c.hasUsers() {
				l.report(at, scope, problemf("remove it", "is about a user, and this client never has one"))
			}
		case known && !slices.Contains(ofResources, scope):
			l.report(at, scope, l.unknownScope(scope, ofResources, "the client's resources"))
		}
	}
	if slices.Contains(c.Scope, "offline_access") && !c.has("refresh_token") {
		l.report(path+".scope", "offline_access", problemf("add refresh_token to grant_types, or remove the scope", "asks for refresh tokens that the client can't use"))
	}
}

// checkTokenExchange applies to what a client may ask for in another's place (RFC 8693).
func (l *loader) checkTokenExchange(c *Client, path string) {
	at := path + ".token_exchange_resources"
	if len(c.TokenExchangeResources) > 0 && !c.has(grantTokenExchange) {
		l.report(at, nil, problemf("remove it, or add "+grantTokenExchange+" to grant_types", "is of no use without token exchange"))
	}
	l.checkEach(at, c.TokenExchangeResources, func(id string) *member.Flaw {
		if !slices.ContainsFunc(l.cfg.Resources, func(r Resource) bool { return r.Resource == id }) {
			return l.unknownResource(id)
		}
		return nil
	})
	l.checkEach(path+".default_acr_values", c.DefaultACRValues, func(s string) *member.Flaw {
		if s != strings.Join(strings.Fields(s), "") {
			return problemf("write one value in each entry", "has a space, which separates values")
		}
		return nil
	})
}

func (l *loader) unknownResource(id string) *member.Flaw {
	var known []string
	for _, r := range l.cfg.Resources {
		known = append(known, r.Resource)
	}
	hint := "declare it under resources"
	if near := member.Nearest(id, known); near != "" {
		hint = fmt.Sprintf("did you mean %s? Else declare it under resources", near)
	}
	return problemf(hint, "no such resource")
}

// unknownScope says what is wrong with a scope that no resource of a list has. It returns nil if a resource
// without an identifier has the scope: that is reported there.
func (l *loader) unknownScope(scope string, known []string, list string) *member.Flaw {
	for _, r := range l.cfg.Resources {
		switch {
		case !slices.Contains(r.Scopes, scope):
		case r.Resource == "":
			return nil
		default:
			return problemf(fmt.Sprintf("add %s to %s", r.Resource, list), "belongs to a resource that is not among %s", list)
		}
	}
	hint := "add it to the scopes of a resource"
	if near := member.Nearest(scope, append(slices.Clone(userScopes), known...)); near != "" {
		hint = fmt.Sprintf("did you mean %s?", near)
	}
	return problemf(hint, "no such scope")
}

func (l *loader) checkClientTimes(c *Client, path string) {
	const years = 10 * 365 * 24 * time.Hour
	for key, d := range map[string]time.Duration{
		"access_token_lifetime": c.AccessTokenLifetime, "id_token_lifetime": c.IDTokenLifetime,
		"refresh_token_lifetime": c.RefreshTokenLifetime, "refresh_idle_lifetime": c.RefreshIdleLifetime,
	} {
		if at := child(path, key); l.given(at) {
			l.checkTime(at, d, time.Second, years)
		}
	}
	if at := path + ".refresh_grace"; l.given(at) {
		l.checkTime(at, c.RefreshGrace, 0, 168*time.Hour)
		l.checkOrder(at, c.RefreshGrace, "refresh_idle_lifetime", c.RefreshIdleLifetime)
	}
	if l.given(path + ".refresh_idle_lifetime") {
		l.checkOrder(path+".refresh_idle_lifetime", c.RefreshIdleLifetime, "refresh_token_lifetime", c.RefreshTokenLifetime)
	}
	if age := c.DefaultMaxAge; age != nil && (*age < 0 || *age > math.MaxInt32) {
		l.report(path+".default_max_age", *age, problemf("give seconds; 0 asks for a fresh login every time", "must be from 0 to %d", math.MaxInt32))
	}
}
