// Package provider is the provider as a confidential client sees it: what cookie mode asks of it, and what it believes
// of the answers.
//
//	browser ──> Begin ──> authorization URL          provider ──> callback ──> Finish ──> Grant: tokens and User
//	                                                                            │ state (the caller), iss, code, nonce,
//	                                                                            │ PKCE, signature, aud, times
//	Refresh, ClientToken ──> token endpoint ──> Grant, or a *Refusal            Revoke, Activity, EndSessionURL
//	back channel ──> Logout ──> the sid or sub that has ended
//
// Requests are built with golang.org/x/oauth2, signatures are checked with coreos/go-oidc. Answers are read here:
// oauth2 has no audience for a refresh, and go-oidc takes names in any letter case and knows no clock skew.
package provider

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/fetch"
	"github.com/authzd/authzd/authz/jwks"
	"github.com/authzd/authzd/authz/weburl"
)

const (
	timeLimit = 15 * time.Second // of one request
	bodyLimit = 1 << 20          // bytes of one answer
	skew      = 60 * time.Second // tolerated between the provider's clock and ours
)

// Config is the input of New.
type Config struct {
	Issuer         string
	ClientID       string
	Authentication Authentication
	// HTTPClient makes the requests. Redirects are not followed. nil: a client with the certificate authorities
	// of the system.
	HTTPClient *http.Client
}

// Provider is one client at one provider. It is safe for concurrent use.
type Provider struct {
	Config
	client   *http.Client
	metadata *fetch.Document[*metadata]
	keys     *fetch.Document[[]jose.JSONWebKey]
}

// New returns the provider of cfg. It makes no request, so a provider that is down keeps nothing from starting.
func New(cfg Config) *Provider {
	p := &Provider{Config: cfg, client: newClient(cfg)}
	p.metadata = fetch.New(fetch.Rules{Stale: 24 * time.Hour, Pace: pace, Rest: time.Minute, Timeout: timeLimit}, p.fetchMetadata)
	p.keys = fetch.New(fetch.Rules{Pace: pace, Timeout: timeLimit}, p.fetchKeys) // a withdrawn key must not live on
	return p
}

// newClient follows no redirect: a redirected token request would hand over the code, and a redirected key request the
// trust in the keys.
func newClient(cfg Config) *http.Client {
	client := &http.Client{}
	if cfg.HTTPClient != nil {
		*client = *cfg.HTTPClient
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if client.Timeout <= 0 || client.Timeout > timeLimit {
		client.Timeout = timeLimit
	}
	if cfg.Authentication.Certificate == nil {
		return client
	}
	transport, ok := client.Transport.(*http.Transport)
	if !ok {
		transport = http.DefaultTransport.(*http.Transport)
	}
	transport = transport.Clone()
	if transport.TLSClientConfig == nil {
		transport.TLSClientConfig = &tls.Config{}
	}
	transport.TLSClientConfig.Certificates = []tls.Certificate{*cfg.Authentication.Certificate}
	client.Transport = transport
	return client
}

var (
	pace      = fetch.Pace{Every: 5 * time.Second}
	freshness = fetch.Freshness{Usual: 10 * time.Minute, Least: time.Minute, Most: 24 * time.Hour, Unreadable: 10 * time.Minute}
)

// metadata is the part of a discovery document that is used (OpenID Connect Discovery section 3, RFC 8414).
type metadata struct {
	Issuer                string            `json:"issuer"`
	AuthorizationEndpoint string            `json:"authorization_endpoint"`
	TokenEndpoint         string            `json:"token_endpoint"`
	UserinfoEndpoint      string            `json:"userinfo_endpoint"`
	RevocationEndpoint    string            `json:"revocation_endpoint"`
	EndSessionEndpoint    string            `json:"end_session_endpoint"`
	PushedEndpoint        string            `json:"pushed_authorization_request_endpoint"`
	JWKSURI               string            `json:"jwks_uri"`
	SigningAlgs           []string          `json:"id_token_signing_alg_values_supported"`
	IssParameter          bool              `json:"authorization_response_iss_parameter_supported"` // RFC 9207
	MustPush              bool              `json:"require_pushed_authorization_requests"`          // RFC 9126
	Aliases               map[string]string `json:"mtls_endpoint_aliases"`                          // RFC 8705 section 5
}

func (p *Provider) fetchMetadata(ctx context.Context) (*metadata, time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(p.Issuer, "/")+"/.well-known/openid-configuration", nil)
	if err != nil {
		return nil, 0, err
	}
	body, header, err := fetch.Body(p.client, req, bodyLimit)
	if err != nil {
		return nil, 0, fmt.Errorf("discovery: %w", err)
	}
	m := new(metadata)
	if err := json.Unmarshal(body, m); err != nil {
		return nil, 0, errors.New("discovery: not the JSON that it should be")
	}
	if err := m.check(p.Issuer); err != nil {
		return nil, 0, fmt.Errorf("discovery: %w", err)
	}
	return m, freshness.Of(header), nil
}

// check refuses a document that is not the issuer's, or with which no sign-in is possible.
func (m *metadata) check(issuer string) error {
	if m.Issuer != issuer {
		return fmt.Errorf("its issuer is %.200q, not %q", m.Issuer, issuer)
	}
	plain := strings.HasPrefix(issuer, "http://")
	for name, endpoint := range map[string]struct {
		url      string
		required bool
	}{
		"authorization_endpoint": {m.AuthorizationEndpoint, true}, "token_endpoint": {m.TokenEndpoint, true}, "jwks_uri": {m.JWKSURI, true},
		"userinfo_endpoint": {m.UserinfoEndpoint, false}, "revocation_endpoint": {m.RevocationEndpoint, false},
		"end_session_endpoint": {m.EndSessionEndpoint, false}, "pushed_authorization_request_endpoint": {m.PushedEndpoint, m.MustPush},
		"mtls token_endpoint": {m.Aliases["token_endpoint"], false}, "mtls revocation_endpoint": {m.Aliases["revocation_endpoint"], false},
		"mtls pushed_authorization_request_endpoint": {m.Aliases["pushed_authorization_request_endpoint"], false},
	} {
		if endpoint.url == "" && !endpoint.required {
			continue
		}
		u, err := url.Parse(endpoint.url)
		if err != nil || u.User != nil || u.Fragment != "" || !weburl.IsSecure(u) || u.Scheme == "http" && !plain {
			return fmt.Errorf("%s is no https URL: %.200q", name, endpoint.url)
		}
	}
	if len(m.algs()) == 0 {
		return errors.New("it offers no accepted algorithm for ID tokens")
	}
	return nil
}

// algs are the algorithms that the provider offers and we accept.
func (m *metadata) algs() []string {
	var algs []string
	for _, alg := range jwks.Algorithms {
		if len(m.SigningAlgs) == 0 || slices.Contains(m.SigningAlgs, string(alg)) {
			algs = append(algs, string(alg))
		}
	}
	return algs
}

// at returns an endpoint for requests that authenticate the client: its alias for certificates, if there is one.
func (p *Provider) at(m *metadata, name, endpoint string) string {
	if alias := m.Aliases[name]; alias != "" && p.Authentication.UsesCertificate() {
		return alias
	}
	return endpoint
}

func (p *Provider) fetchKeys(ctx context.Context) ([]jose.JSONWebKey, time.Duration, error) {
	m, err := p.metadata.Get(ctx)
	if err != nil {
		return nil, 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.JWKSURI, nil)
	if err != nil {
		return nil, 0, err
	}
	body, header, err := fetch.Body(p.client, req, bodyLimit)
	if err != nil {
		return nil, 0, fmt.Errorf("keys: %w", err)
	}
	keys, err := jwks.ParseIssuer(body)
	if err != nil {
		return nil, 0, fmt.Errorf("keys: %w", err)
	}
	return keys, freshness.Of(header), nil
}
