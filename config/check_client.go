package config

import (
	"fmt"
	"regexp"
	"slices"
	"time"
)

// userScopes are those that no resource declares: OpenID Connect Core sections 5.4 and 11, and
// groups.
var userScopes = []string{"openid", "profile", "email", "address", "phone", "offline_access", "groups"}

func (l *loader) checkClient(c *Client, path string) {
	if l.faulty(path+".preset") || l.faulty(path+".grant_types") || l.faulty(path+".token_endpoint_auth_method") {
		return // what follows depends on them
	}
	if c.ClientID != "" {
		l.report(path+".client_id", c.ClientID, checkClientID(c.ClientID))
	}
	l.checkLabel(path+".client_name", c.ClientName)
	l.checkClientAuthentication(c, path)
	l.checkClientGrants(c, path)
	l.checkClientURIs(c, path)
	l.checkClientScopes(c, path)
	l.checkClientTimes(c, path)
}

var clientID = regexp.MustCompile(`^[\x21-\x7e]{1,200}$`)

// checkClientID admits what RFC 6749 appendix A.1 does, except the space.
func checkClientID(s string) *problem {
	if !clientID.MatchString(s) {
		return problemf("use up to 200 printable ASCII characters without spaces", "not a client identifier")
	}
	return nil
}

var clientSecret = regexp.MustCompile(`^[\x20-\x7e]+$`) // RFC 6749 appendix A.2

func (l *loader) checkClientAuthentication(c *Client, path string) {
	secret := path + ".client_secret"
	switch {
	case c.public() && c.ClientSecret != "":
		l.report(secret, nil, problemf("remove it; PKCE protects the client. A server of yours that can keep a secret is preset web or service",
			"a public client can't keep a secret: everybody has its code"))
	case !c.public() && !l.given(secret):
		l.report(secret, nil, problemf("set client_secret or client_secret_file; an app in a browser or on a phone is preset spa or native",
			"a confidential client needs one"))
	case c.ClientSecret != "" && !clientSecret.MatchString(string(c.ClientSecret)):
		l.report(secret, c.ClientSecret, problemf("use printable ASCII", "not a client secret (RFC 6749 appendix A.2)"))
	}
	if c.public() && !c.RequirePKCE {
		l.report(path+".require_pkce", false, problemf("remove it", "public clients always use PKCE"))
	}
	if c.public() && !c.RefreshTokenRotation && c.has("refresh_token") {
		l.report(path+".refresh_token_rotation", false, problemf("remove it", "the refresh tokens of public clients always rotate (RFC 9700 section 4.14.2)"))
	}
}

func (l *loader) checkClientGrants(c *Client, path string) {
	grants := path + ".grant_types"
	switch {
	case c.public() && c.has("client_credentials"):
		l.report(grants, nil, problemf("let a backend with preset service call on its own behalf; the app itself signs its user in",
			"a public client can't use client_credentials: it has no credentials"))
	case c.has("refresh_token") && !c.has("authorization_code"):
		l.report(grants, nil, problemf("add authorization_code, or remove refresh_token", "refresh_token without a grant that gives any"))
	}

	responses := path + ".response_types"
	if !c.has("authorization_code") && len(c.ResponseTypes) > 0 {
		l.report(responses, nil, problemf("remove it, or add authorization_code to grant_types", "is of no use without authorization_code"))
	}
}

func (l *loader) checkClientURIs(c *Client, path string) {
	redirects := path + ".redirect_uris"
	switch {
	case c.has("authorization_code") && len(c.RedirectURIs) == 0:
		l.report(redirects, nil, problemf("list the URLs where the client takes the code", "is required with authorization_code"))
	case !c.has("authorization_code") && len(c.RedirectURIs) > 0:
		l.report(redirects, nil, problemf("remove them, or add authorization_code to grant_types", "are of no use without authorization_code"))
	}
	isRedirect := func(s string) *problem { return checkRedirectURI(s, c.Preset == "native") }
	l.checkEach(redirects, c.RedirectURIs, isRedirect)
	l.checkEach(path+".post_logout_redirect_uris", c.PostLogoutRedirectURIs, isRedirect)
	if l.given(path + ".allowed_origins") {
		l.checkEach(path+".allowed_origins", c.AllowedOrigins, checkOrigin)
	}
	for key, uri := range map[string]string{
		"client_uri": c.ClientURI, "logo_uri": c.LogoURI, "policy_uri": c.PolicyURI, "tos_uri": c.TOSURI,
	} {
		if uri != "" {
			l.report(child(path, key), uri, checkWebURL(uri))
		}
	}
}

func (l *loader) checkClientScopes(c *Client, path string) {
	var ofResources []string
	known := true
	l.checkEach(path+".resources", c.Resources, func(id string) *problem {
		i := slices.IndexFunc(l.cfg.Resources, func(r Resource) bool { return r.Resource == id })
		if i < 0 {
			known = false
			return l.unknownResource(id)
		}
		ofResources = append(ofResources, l.cfg.Resources[i].Scopes...)
		return nil
	})
	for i, scope := range c.Scope {
		at := element(path+".scope", i)
		switch {
		case slices.Contains(c.Scope[:i], scope):
			l.report(at, scope, problemf("remove one of the two", "given twice"))
		case slices.Contains(userScopes, scope):
			if !c.has("authorization_code") {
				l.report(at, scope, problemf("remove it", "is about a user, and this client never has one"))
			}
		case known && !slices.Contains(ofResources, scope):
			l.report(at, scope, l.unknownScope(scope, ofResources))
		}
	}
	if slices.Contains(c.Scope, "offline_access") && !c.has("refresh_token") {
		l.report(path+".scope", "offline_access", problemf("add refresh_token to grant_types, or remove the scope", "asks for refresh tokens that the client can't use"))
	}
}

func (l *loader) unknownResource(id string) *problem {
	var known []string
	for _, r := range l.cfg.Resources {
		known = append(known, r.Resource)
	}
	hint := "declare it under resources"
	if near := nearest(id, known); near != "" {
		hint = fmt.Sprintf("did you mean %s? Else declare it under resources", near)
	}
	return problemf(hint, "no such resource")
}

func (l *loader) unknownScope(scope string, known []string) *problem {
	for _, r := range l.cfg.Resources {
		if slices.Contains(r.Scopes, scope) {
			return problemf(fmt.Sprintf("add %s to the client's resources", r.Resource), "belongs to a resource that the client doesn't have")
		}
	}
	hint := "add it to the scopes of a resource"
	if near := nearest(scope, append(slices.Clone(userScopes), known...)); near != "" {
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
	if l.given(path + ".refresh_idle_lifetime") {
		l.checkOrder(path+".refresh_idle_lifetime", c.RefreshIdleLifetime, "refresh_token_lifetime", c.RefreshTokenLifetime)
	}
	if c.DefaultMaxAge != nil && *c.DefaultMaxAge < 0 {
		l.report(path+".default_max_age", *c.DefaultMaxAge, problemf("give seconds; 0 asks for a fresh login every time", "is negative"))
	}
}
