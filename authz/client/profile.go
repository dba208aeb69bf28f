package client

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/member"
)

// Security profiles: one word for all that a standard demands of a client.
const (
	ProfileFAPI2                = "fapi2"                  // FAPI 2.0 Security Profile
	ProfileFAPI2SignedRequests  = "fapi2-signed-requests"  // and FAPI 2.0 Message Signing section 5.3
	ProfileFAPI2SignedResponses = "fapi2-signed-responses" // and FAPI 2.0 Message Signing section 5.4
	ProfileFAPI2MessageSigning  = "fapi2-message-signing"  // both
)

var profiles = []string{ProfileFAPI2, ProfileFAPI2SignedRequests, ProfileFAPI2SignedResponses, ProfileFAPI2MessageSigning}

// SignsRequests reports whether the profile demands signed requests.
func (m *Metadata) SignsRequests() bool {
	return m.Profile == ProfileFAPI2SignedRequests || m.Profile == ProfileFAPI2MessageSigning
}

// signsResponses reports whether the profile demands signed authorization responses.
func (m *Metadata) signsResponses() bool {
	return m.Profile == ProfileFAPI2SignedResponses || m.Profile == ProfileFAPI2MessageSigning
}

// demand is a member that a profile demands a value of.
type demand struct {
	member  string
	applies func(*Metadata) bool
	met     func(*Metadata) bool
	meet    func(*Metadata)
	because string // after the name of the profile
}

var demands = []demand{
	{ // FAPI 2.0 Security Profile section 5.3.2.2
		"require_pushed_authorization_requests",
		func(m *Metadata) bool { return m.May(GrantAuthorizationCode) },
		func(m *Metadata) bool { return m.RequirePAR },
		func(m *Metadata) { m.RequirePAR = true },
		"demands pushed requests",
	},
	{ // section 5.3.2.2
		"require_pkce",
		func(*Metadata) bool { return true },
		func(m *Metadata) bool { return m.RequirePKCE != nil && *m.RequirePKCE },
		func(m *Metadata) { m.RequirePKCE = new(true) },
		"demands PKCE",
	},
	{ // section 5.3.2.1
		"refresh_token_rotation",
		func(*Metadata) bool { return true },
		func(m *Metadata) bool { return m.RotateRefreshTokens != nil && !*m.RotateRefreshTokens },
		func(m *Metadata) { m.RotateRefreshTokens = new(false) },
		"forbids it: the tokens are bound to the client",
	},
	{ // section 5.3.2.1: sender-constrained access tokens
		"dpop_bound_access_tokens",
		func(*Metadata) bool { return true },
		func(m *Metadata) bool { return m.DPoPBound || m.TLSBound },
		func(m *Metadata) { m.DPoPBound = true },
		"demands tokens that are bound to a key: this, or tls_client_certificate_bound_access_tokens",
	},
	{ // FAPI 2.0 Message Signing section 5.3
		"require_signed_request_object",
		func(m *Metadata) bool { return m.SignsRequests() && m.May(GrantAuthorizationCode) },
		func(m *Metadata) bool { return m.RequireSigned },
		func(m *Metadata) { m.RequireSigned = true },
		"demands signed requests",
	},
}

// completeProfile meets the demands of the profile by the members that were not given. A public client cannot have
// one, and is refused.
func (d *Description) completeProfile() {
	if d.Profile == "" || d.Public() {
		return
	}
	for _, demand := range demands {
		if demand.applies(d.Metadata) && !demand.met(d.Metadata) && !d.Given(demand.member) {
			demand.meet(d.Metadata)
		}
	}
}

// fillProfile sets what the profile demands, where the client has a choice in nothing.
func (m *Metadata) fillProfile() {
	if m.Profile == "" {
		return
	}
	for _, demand := range demands {
		if !demand.met(m) && (demand.member != "require_signed_request_object" || m.SignsRequests()) {
			demand.meet(m)
		}
	}
	m.StrictAudience = true                                       // section 5.3.2.1
	m.AuthorizationAlg = cmp.Or(m.AuthorizationAlg, m.IDTokenAlg) // the server's default may be RS256
	m.IntrospectionAlg = cmp.Or(m.IntrospectionAlg, m.IDTokenAlg)
	m.RequireJARM = m.RequireJARM || m.signsResponses()
}

// defaultAuthMethod is that of the preset, or else the one that the profile allows. A public client
// stays one, to be refused.
func (m *Metadata) defaultAuthMethod(p preset) string {
	switch {
	case m.Profile == "" || p.authMethod == AuthNone:
		return p.authMethod
	case m.tlsNames() > 0:
		return AuthTLS
	}
	return AuthPrivateKeyJWT
}

// defaultAlg signs what is for the client: what signs everything, unless the profile forbids it.
func (m *Metadata) defaultAlg(signing string) string {
	if m.Profile != "" && !slices.Contains(fapiAlgs, jose.SignatureAlgorithm(signing)) {
		return string(jose.ES256)
	}
	return signing
}

// profile reports what contradicts the profile. algs knows its algorithms.
func (c *check) profile() {
	m := c.Metadata
	if m.Profile == "" || c.Broken("security_profile") {
		return
	}
	if !slices.Contains(profiles, m.Profile) {
		c.unsafe("security_profile", m.Profile, member.Flawf("one of "+strings.Join(profiles, ", "), "is not known"))
		return
	}
	if c.knowsMethod() && !c.provesByKey() {
		return
	}
	if m.IDTokenAlg == "" { // the server's default may be RS256
		c.unsafe("id_token_signed_response_alg", nil, member.Flawf("set it to "+names(fapiAlgs), "is missing: %s needs it", m.Profile))
	}
	for i, uri := range m.RedirectURIs { // section 5.3.2.2
		if !strings.HasPrefix(uri, "https:") {
			c.unsafe(member.Element("redirect_uris", i), uri, member.Flawf("use https", "%s allows nothing else than https", m.Profile))
		}
	}
	for _, demand := range demands {
		if c.knowsGrants() && demand.applies(m) && !demand.met(m) {
			c.wrong(demand.member, nil, member.Flawf("remove it", "%s %s", m.Profile, demand.because))
		}
	}
	c.profileOfServer()
}

// provesByKey refuses methods of authentication that the profile does not allow (section 5.3.2.1). It reports whether
// the client can fulfil the profile at all.
func (c *check) provesByKey() bool {
	m := c.Metadata
	switch m.AuthMethod {
	case AuthPrivateKeyJWT, AuthTLS, AuthSelfSignedTLS:
	case AuthNone:
		c.unsafe("security_profile", m.Profile, member.Flawf("let a server of the app sign in for it: preset web, with its public keys in jwks",
			"demands a client that proves who it is, and one in a browser or on a phone can't"))
		return false
	default:
		c.unsafe("token_endpoint_auth_method", m.AuthMethod, member.Flawf("use private_key_jwt, tls_client_auth or self_signed_tls_client_auth",
			"%s allows no secrets", m.Profile))
	}
	return true
}

// profileOfServer reports what of the server's the profile does not allow.
func (c *check) profileOfServer() {
	if c.server == nil {
		return
	}
	m, t := c.Metadata, c.server.Lifetimes
	for i, uri := range m.Resources {
		if r := c.server.Resource(uri); r != nil && r.Alg != "" && !slices.Contains(fapiAlgs, jose.SignatureAlgorithm(r.Alg)) {
			c.wrong(member.Element("resources", i), uri, member.Flawf("set alg: ES256 in the resource, or another signing.alg",
				"signs its access tokens with %s, which %s doesn't allow", r.Alg, m.Profile))
		}
	}
	if t.Code > time.Minute { // section 5.3.2.1
		c.wrong("security_profile", m.Profile, member.Flawf("lower lifetimes.code to 60s",
			"demands codes that live for 60s at most, and lifetimes.code is %s", member.Duration(t.Code)))
	}
	if t.PAR >= 10*time.Minute { // section 5.3.2.2
		c.wrong("security_profile", m.Profile, member.Flawf("lower lifetimes.par",
			"demands pushed requests that live for less than 10m, and lifetimes.par is %s", member.Duration(t.PAR)))
	}
}
