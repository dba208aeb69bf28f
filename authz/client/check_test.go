package client

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// keySet is a JWK Set of one key, which may be private.
func keySet(t testing.TB, key any, use string) JWKS {
	t.Helper()
	raw, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key, KeyID: "1", Use: use}}})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func ecKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Each change makes a good client one that must not be.
func TestNewRefusesMetadata(t *testing.T) {
	private := ecKey(t)
	public := keySet(t, private.Public(), "sig")
	for name, change := range map[string]func(*Metadata){
		"jwks and jwks_uri":               func(m *Metadata) { m.JWKSURI = "https://a.example/jwks" },
		"no keys":                         func(m *Metadata) { m.JWKS = nil },
		"keys for encryption only":        func(m *Metadata) { m.JWKS = keySet(t, private.Public(), "enc") },
		"a private key":                   func(m *Metadata) { m.JWKS = keySet(t, private, "sig") },
		"a symmetric key":                 func(m *Metadata) { m.JWKS = keySet(t, []byte(strings.Repeat("k", 32)), "sig") },
		"jwks that is a list":             func(m *Metadata) { m.JWKS = []byte("[]") },
		"jwks_uri over http":              func(m *Metadata) { m.JWKS, m.JWKSURI = nil, "http://a.example/jwks" },
		"a secret beside keys":            func(m *Metadata) { m.Secret = "x" },
		"secrets beside keys":             func(m *Metadata) { m.Secrets = []Secret{{Value: "x"}} },
		"an empty secret of several":      func(m *Metadata) { m.AuthMethod, m.Secret, m.Secrets = AuthBasic, "x", []Secret{{}} },
		"tls_client_auth without a name":  func(m *Metadata) { m.AuthMethod = AuthTLS },
		"tls_client_auth with two names":  func(m *Metadata) { m.AuthMethod, m.TLSSubjectDN, m.TLSSubjectDNS = AuthTLS, "CN=a", "a.example" },
		"tls_client_auth by a bad IP":     func(m *Metadata) { m.AuthMethod, m.TLSSubjectIP = AuthTLS, "1.2.3" },
		"self-signed without keys":        func(m *Metadata) { m.AuthMethod, m.JWKS = AuthSelfSignedTLS, nil },
		"public with token exchange":      func(m *Metadata) { m.AuthMethod, m.GrantTypes = AuthNone, []string{GrantTokenExchange} },
		"public with jwt-bearer":          func(m *Metadata) { m.AuthMethod, m.GrantTypes = AuthNone, []string{GrantJWTBearer} },
		"assertions by HS256":             func(m *Metadata) { m.AuthAlg = "HS256" },
		"requests by none":                func(m *Metadata) { m.RequestAlg = "none" },
		"ID tokens by none":               func(m *Metadata) { m.IDTokenAlg = "none" },
		"ID tokens by HS256":              func(m *Metadata) { m.IDTokenAlg = "HS256" },
		"responses by an unknown alg":     func(m *Metadata) { m.AuthorizationAlg = "ES999" },
		"userinfo by an alg that we lack": func(m *Metadata) { m.UserInfoAlg = "ES512" },
		"introspection by RS1":            func(m *Metadata) { m.IntrospectionAlg = "RS1" },
		"an unknown subject type":         func(m *Metadata) { m.SubjectType = "secret" },
		"pairwise over two hosts": func(m *Metadata) {
			m.SubjectType, m.RedirectURIs = SubjectPairwise, []string{"https://a.example/", "https://b.example/"}
		},
		"a sector over http":              func(m *Metadata) { m.SectorURI = "http://a.example/sector" },
		"request_uris over http":          func(m *Metadata) { m.RequestURIs = []string{"http://a.example/r"} },
		"request_uris of a scheme":        func(m *Metadata) { m.RequestURIs = []string{"com.example.app:/r"} },
		"login over http":                 func(m *Metadata) { m.InitiateLoginURI = "http://a.example/login" },
		"a registered login on loopback":  func(m *Metadata) { m.Source, m.InitiateLoginURI = Registered, "http://localhost/login" },
		"back channel with fragment":      func(m *Metadata) { m.BackChannelURI = "https://a.example/#x" },
		"back channel with credentials":   func(m *Metadata) { m.BackChannelURI = "https://u@a.example/" },
		"front channel on another origin": func(m *Metadata) { m.FrontChannelURI = "https://a.example:8443/logout" },
		"an unknown profile":              func(m *Metadata) { m.Profile = "fapi3" },
		"FAPI with a secret":              func(m *Metadata) { m.Profile, m.AuthMethod, m.JWKS, m.Secret = ProfileFAPI2, AuthBasic, nil, "x" },
		"FAPI without a method":           func(m *Metadata) { m.Profile, m.AuthMethod = ProfileFAPI2, AuthNone },
		"FAPI with RS256":                 func(m *Metadata) { m.Profile, m.IDTokenAlg = ProfileFAPI2, "RS256" },
		"FAPI with who knows what":        func(m *Metadata) { m.Profile, m.IDTokenAlg = ProfileFAPI2, "" },
		"FAPI with assertions by RS256":   func(m *Metadata) { m.Profile, m.AuthAlg = ProfileFAPI2, "RS256" },
		"FAPI on loopback": func(m *Metadata) {
			m.Profile, m.RedirectURIs = ProfileFAPI2MessageSigning, []string{"http://127.0.0.1/"}
		},
	} {
		m := Metadata{ID: "a", AuthMethod: AuthPrivateKeyJWT, JWKS: public, IDTokenAlg: "ES256", RedirectURIs: []string{"https://a.example/cb"}}
		if _, err := New(m); err != nil {
			t.Fatalf("a good client: %v", err)
		}
		change(&m)
		if _, err := New(m); err == nil {
			t.Errorf("%s is accepted", name)
		} else if !strings.HasPrefix(err.Error(), "client a: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A profile is one word for many demands.
func TestProfile(t *testing.T) {
	m := Metadata{
		ID: "a", AuthMethod: AuthPrivateKeyJWT, JWKS: keySet(t, ecKey(t).Public(), ""), IDTokenAlg: "PS256",
		Profile: ProfileFAPI2, RotateRefreshTokens: new(true),
	}
	c, err := New(m)
	if err != nil {
		t.Fatal(err)
	}
	if !c.RequirePAR || !c.MustUsePKCE() || !c.StrictAudience || !c.DPoPBound || c.RotatesRefreshTokens() || c.RequireSigned || c.RequireJARM {
		t.Errorf("%+v", c.Metadata)
	}
	for profile, signed := range map[string][2]bool{ // requests, responses
		ProfileFAPI2SignedRequests: {true, false}, ProfileFAPI2SignedResponses: {false, true}, ProfileFAPI2MessageSigning: {true, true},
	} {
		m.Profile = profile
		if c, err = New(m); err != nil || c.RequireSigned != signed[0] || c.SignsRequests() != signed[0] || c.RequireJARM != signed[1] || !c.RequirePAR || !c.StrictAudience {
			t.Errorf("%s: %v, %+v", profile, err, c)
		}
	}
	m.Profile, m.TLSBound = ProfileFAPI2MessageSigning, true
	if c, err = New(m); err != nil {
		t.Fatal(err)
	}
	if !c.RequireSigned || !c.RequireJARM || c.DPoPBound || c.AuthorizationAlg != "PS256" || c.IntrospectionAlg != "PS256" {
		t.Errorf("%+v", c.Metadata)
	}
}
