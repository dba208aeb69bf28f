package client

import (
	"cmp"
	"strings"
)

// Security profiles: one word for all that a standard demands of a client.
const (
	ProfileFAPI2                = "fapi2"                  // FAPI 2.0 Security Profile
	ProfileFAPI2SignedRequests  = "fapi2-signed-requests"  // and FAPI 2.0 Message Signing section 5.3
	ProfileFAPI2SignedResponses = "fapi2-signed-responses" // and FAPI 2.0 Message Signing section 5.4
	ProfileFAPI2MessageSigning  = "fapi2-message-signing"  // both
)

// SignsRequests reports whether the profile demands signed requests.
func (m *Metadata) SignsRequests() bool {
	return m.Profile == ProfileFAPI2SignedRequests || m.Profile == ProfileFAPI2MessageSigning
}

// signsResponses reports whether the profile demands signed authorization responses.
func (m *Metadata) signsResponses() bool {
	return m.Profile == ProfileFAPI2SignedResponses || m.Profile == ProfileFAPI2MessageSigning
}

// fillProfile sets what the profile demands, where the client has a choice in nothing.
func (m *Metadata) fillProfile() {
	if m.Profile == "" {
		return
	}
	m.RequirePAR = true                                           // FAPI 2.0 Security Profile section 5.3.2.2
	m.RequirePKCE = new(true)                                     // as above
	m.StrictAudience = true                                       // section 5.3.2.1
	m.RotateRefreshTokens = new(false)                            // section 5.3.2.1: the refresh tokens are bound to the client
	m.DPoPBound = m.DPoPBound || !m.TLSBound                      // section 5.3.2.1: sender-constrained access tokens
	m.AuthorizationAlg = cmp.Or(m.AuthorizationAlg, m.IDTokenAlg) // the server's default may be RS256
	m.IntrospectionAlg = cmp.Or(m.IntrospectionAlg, m.IDTokenAlg)
	m.RequireSigned = m.RequireSigned || m.SignsRequests()
	m.RequireJARM = m.RequireJARM || m.signsResponses()
}

// checkProfile refuses what contradicts the profile. checkAlgs knows its algorithms.
func (m *Metadata) checkProfile() error {
	switch m.Profile {
	case "":
		return nil
	case ProfileFAPI2, ProfileFAPI2SignedRequests, ProfileFAPI2SignedResponses, ProfileFAPI2MessageSigning:
	default:
		return wrong("security_profile", m.Profile, "is not known")
	}
	switch m.AuthMethod {
	case AuthPrivateKeyJWT, AuthTLS, AuthSelfSignedTLS:
	default: // section 5.3.2.1
		return wrong("token_endpoint_auth_method", m.AuthMethod, m.Profile+" demands private_key_jwt or a TLS certificate")
	}
	if m.IDTokenAlg == "" { // the server's default may be RS256
		return wrong("id_token_signed_response_alg", "", "is missing: "+m.Profile+" needs it")
	}
	for _, u := range m.RedirectURIs { // section 5.3.2.2
		if !strings.HasPrefix(u, "https:") {
			return wrong("redirect_uris", u, m.Profile+" allows nothing but https")
		}
	}
	return nil
}
