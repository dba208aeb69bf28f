package client

import (
	"fmt"
	"slices"
	"strings"

	"github.com/authzd/authzd/authz/member"
)

// The rules of grant types, scopes and resources.

// provedGrants rest on knowing which client it is (RFC 6749 section 4.4, RFC 8693 section 5, RFC 7523 section 2.1). A
// device can keep no secret, and signs its user in (RFC 8628).
var provedGrants = map[string]string{
	GrantClientCredentials: "let a backend with preset service call on its own behalf; the app itself signs its user in",
	GrantTokenExchange:     "let a backend with a secret or key of its own exchange the token",
	GrantJWTBearer:         "let a backend with a secret or key of its own show the assertion",
}

func (c *check) grants() {
	for i, grant := range c.GrantTypes {
		at := member.Element("grant_types", i)
		hint, proved := provedGrants[grant]
		switch {
		case proved && c.knowsMethod() && c.Public():
			c.unsafe(at, grant, member.Flawf(hint, "a public client can't use it: it has no credentials").
				Telling("grant_types: a client with the token_endpoint_auth_method none cannot use it, since it cannot prove who it is"))
		case grant == GrantRefreshToken && c.knowsGrants() && !c.signsIn():
			c.wrong(at, grant, member.Flawf("add authorization_code, or remove refresh_token", "refresh_token without a grant that gives any"))
		}
	}
	if !c.knowsGrants() || c.May(GrantAuthorizationCode) {
		return
	}
	for _, of := range []struct {
		member string
		given  bool
	}{
		{"response_types", len(c.ResponseTypes) > 0},
		{"require_pushed_authorization_requests", c.RequirePAR},
		{"require_signed_request_object", c.RequireSigned},
		{"request_object_signing_alg", c.RequestAlg != ""},
		{"request_uris", len(c.RequestURIs) > 0},
		{"initiate_login_uri", c.InitiateLoginURI != ""},
		{"frontchannel_logout_uri", c.FrontChannelURI != ""},
	} {
		if of.given {
			c.wrong(of.member, nil, member.Flawf("remove it, or add authorization_code to grant_types", "is of no use without authorization_code"))
		}
	}
}

// access is for the APIs, scopes and details that the client may ask for.
func (c *check) access() {
	if c.server == nil {
		return
	}
	c.each(c.wrong, "resources", c.Resources, c.server.ResourceFlaw)
	c.scopes()
	if len(c.ExchangeResources) > 0 && c.knowsGrants() && !c.May(GrantTokenExchange) {
		c.wrong("token_exchange_resources", nil, member.Flawf("remove it, or add "+GrantTokenExchange+" to grant_types", "is of no use without token exchange"))
	}
	c.each(c.wrong, "token_exchange_resources", c.ExchangeResources, c.server.ResourceFlaw)
	c.each(c.wrong, "default_acr_values", c.DefaultACRValues, func(s string) *member.Flaw {
		if s != strings.Join(strings.Fields(s), "") {
			return member.Flawf("write one value in each entry", "has a space, which separates values")
		}
		return nil
	})
	c.details()
}

func (c *check) scopes() {
	var ofResources []string
	known := !c.Broken("resources")
	for _, uri := range c.Resources {
		if r := c.server.Resource(uri); r != nil {
			ofResources = append(ofResources, r.Scopes...)
		} else {
			known = false // which resource is meant, and so which scopes, is not known
		}
	}
	for _, r := range c.server.Resources {
		if slices.Contains(c.ExchangeResources, r.URI) {
			ofResources = append(ofResources, r.Scopes...)
		}
	}
	for i, scope := range c.Scopes {
		at := member.Element("scope", i)
		switch {
		case slices.Contains(UserScopes, scope):
			if c.knowsGrants() && !c.hasUsers() {
				c.wrong(at, scope, member.Flawf("remove it", "is about a user, and this client never has one"))
			}
		case known || !c.server.declares(scope):
			c.wrong(at, scope, c.server.ScopeFlaw(scope, ofResources, "the client's resources"))
		}
	}
	if slices.Contains(c.Scopes, "offline_access") && c.knowsGrants() && !c.May(GrantRefreshToken) {
		c.wrong("scope", "offline_access", member.Flawf("add refresh_token to grant_types, or remove the scope", "asks for refresh tokens that the client can't use"))
	}
}

// details demands that a resource of the client's knows each type of authorization_details that it may use.
func (c *check) details() {
	var declared, ofClient []string
	for _, r := range c.server.Resources {
		declared = append(declared, r.DetailTypes...)
		if slices.Contains(c.Resources, r.URI) {
			ofClient = append(ofClient, r.DetailTypes...)
		}
	}
	c.each(c.wrong, "authorization_details_types", c.DetailTypes, func(s string) *member.Flaw {
		switch {
		case slices.Contains(ofClient, s):
			return nil
		case slices.Contains(declared, s):
			return member.Flawf("add that resource to the client's resources", "belongs to a resource that the client doesn't have")
		}
		hint := "declare it under authorization_details_types of a resource"
		if near := member.Nearest(s, ofClient); near != "" {
			hint = fmt.Sprintf("did you mean %s?", near)
		}
		return member.Flawf(hint, "no such type")
	})
}
