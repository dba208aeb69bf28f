package provider

import (
	"crypto/rand"
	"crypto/tls"
	"net/http"
	"net/url"
	"time"

	"github.com/authzd/authzd/authz/member"
)

// Methods of Authentication (RFC 7591 section 2).
const (
	AuthPrivateKeyJWT = "private_key_jwt"
	AuthTLS           = "tls_client_auth"
	AuthSelfSignedTLS = "self_signed_tls_client_auth"
	AuthBasic         = "client_secret_basic"
	AuthPost          = "client_secret_post"
	authNone          = "none" // of public clients, which cookie mode refuses
)

var authMethods = []string{AuthPrivateKeyJWT, AuthTLS, AuthSelfSignedTLS, AuthBasic, AuthPost}

// Authentication is how a client proves itself at the token endpoint. One of Key, Certificate and ClientSecret belongs
// to each method.
type Authentication struct {
	// Method is private_key_jwt (the default), tls_client_auth, self_signed_tls_client_auth, client_secret_basic
	// or client_secret_post.
	Method string `yaml:"method"`
	// ClientSecret is for the methods with a secret.
	ClientSecret member.Secret `yaml:"client_secret"`

	// Key signs the assertions of private_key_jwt; see OpenKey. Its public half is served at /bff/jwks.json.
	Key *Key `yaml:"-"`
	// Certificate is for the methods with TLS.
	Certificate *tls.Certificate `yaml:"-"`
}

// UsesSecret reports whether the method needs a secret.
func (a *Authentication) UsesSecret() bool { return a.Method == AuthBasic || a.Method == AuthPost }

// UsesKey reports whether the method needs a Key.
func (a *Authentication) UsesKey() bool { return a.Method == "" || a.Method == AuthPrivateKeyJWT }

// UsesCertificate reports whether the method needs a Certificate.
func (a *Authentication) UsesCertificate() bool {
	return a.Method == AuthTLS || a.Method == AuthSelfSignedTLS
}

// Problems returns what is wrong with what the operator wrote.
func (a *Authentication) Problems() member.Problems {
	var found member.Problems
	if a.Method == authNone {
		found.Add("method", a.Method, member.Flawf("remove the line, and register the client with private_key_jwt", "cookie mode needs a confidential client (RFC 10017 section 6.1.3.1)"))
	}
	found.Add("method", a.Method, member.EnumFlaw(a.Method, authMethods))
	switch {
	case len(found) > 0:
	case a.UsesSecret() && a.ClientSecret == "":
		found.Add("client_secret", nil, member.Flawf("write the client's secret, or use private_key_jwt, which has none", "is required"))
	case !a.UsesSecret() && a.ClientSecret != "":
		found.Add("client_secret", nil, member.Flawf("remove it, or write method: client_secret_basic", "is of no use without a method that sends it"))
	}
	return found
}

const assertionLife = time.Minute

// Authenticate adds to a form, or to the header of its request, what proves the client.
func (p *Provider) Authenticate(form url.Values, header http.Header) error {
	a := &p.Authentication
	form.Set("client_id", p.ClientID)
	switch a.Method {
	case AuthBasic: // RFC 6749 section 2.3.1: both are form-encoded first
		form.Del("client_id")
		r := http.Request{Header: header}
		r.SetBasicAuth(url.QueryEscape(p.ClientID), url.QueryEscape(string(a.ClientSecret)))
	case AuthPost:
		form.Set("client_secret", string(a.ClientSecret))
	case AuthTLS, AuthSelfSignedTLS: // the certificate proves it
	default:
		now := time.Now()
		assertion, err := a.Key.sign(map[string]any{ // OpenID Connect Core section 9, RFC 7523 section 3
			"iss": p.ClientID, "sub": p.ClientID, "aud": p.Issuer, "jti": rand.Text(),
			"iat": now.Unix(), "exp": now.Add(assertionLife).Unix(),
		})
		if err != nil {
			return err
		}
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion)
	}
	return nil
}
