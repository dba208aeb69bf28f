package connect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/authzd/authzd/authz/fetch"
	"github.com/authzd/authzd/authz/jwks"
)

// pace limits requests to the upstream during an outage, or for tokens with unknown keys.
var pace = fetch.Pace{Every: 5 * time.Second}

// metadataRules keep the metadata for a day if only discovery fails.
var metadataRules = fetch.Rules{Stale: 24 * time.Hour, Pace: pace, Rest: time.Minute, Timeout: timeLimit}

var metadataFreshness = usually(time.Hour)

// usually is the freshness of answers without a usable max-age.
func usually(usual time.Duration) fetch.Freshness {
	return fetch.Freshness{Usual: usual, Least: time.Minute, Most: 24 * time.Hour, Unreadable: usual}
}

// metadata is the part of a discovery document that is used (OpenID Connect Discovery section 3).
type metadata struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	UserinfoEndpoint      string   `json:"userinfo_endpoint"`
	JWKSURI               string   `json:"jwks_uri"`
	TokenAuthMethods      []string `json:"token_endpoint_auth_methods_supported"`
	SigningAlgs           []string `json:"id_token_signing_alg_values_supported"`
	IssParameter          bool     `json:"authorization_response_iss_parameter_supported"` // RFC 9207
}

func (o *openID) fetchMetadata(ctx context.Context) (*metadata, time.Duration, error) {
	target := strings.TrimSuffix(o.cfg.Issuer, "/") + "/.well-known/openid-configuration"
	body, header, err := get(ctx, o.client, target, "")
	if err != nil {
		return nil, 0, fmt.Errorf("discovery: %w", err)
	}
	m, err := decodeMetadata(body, o.cfg.Issuer)
	if err != nil {
		return nil, 0, fmt.Errorf("discovery: %w", err)
	}
	return m, metadataFreshness.Of(header), nil
}

// decodeMetadata refuses a document that is not the issuer's, or with which no sign-in is possible.
func decodeMetadata(body []byte, issuer string) (*metadata, error) {
	m := new(metadata)
	if err := json.Unmarshal(body, m); err != nil {
		return nil, err
	}
	if m.Issuer != issuer {
		return nil, fmt.Errorf("issuer is %q, not %q", clip(m.Issuer), issuer)
	}
	plain := strings.HasPrefix(issuer, "http://")
	for _, endpoint := range []struct{ name, url string }{
		{"authorization_endpoint", m.AuthorizationEndpoint},
		{"token_endpoint", m.TokenEndpoint},
		{"jwks_uri", m.JWKSURI},
		{"userinfo_endpoint", m.UserinfoEndpoint},
	} {
		if endpoint.url == "" && endpoint.name == "userinfo_endpoint" {
			continue
		}
		if err := checkURL(endpoint.url, plain); err != nil {
			return nil, fmt.Errorf("%s: %w", endpoint.name, err)
		}
	}
	if len(m.signingAlgs()) == 0 {
		return nil, errors.New("no accepted signing algorithm for ID tokens")
	}
	return m, nil
}

// signingAlgs are the algorithms that the upstream offers and we accept.
func (m *metadata) signingAlgs() []string {
	var algs []string
	for _, alg := range jwks.Algorithms {
		if len(m.SigningAlgs) == 0 || slices.Contains(m.SigningAlgs, string(alg)) {
			algs = append(algs, string(alg))
		}
	}
	return algs
}

// authStyle is our authentication method at the token endpoint: the first one that the upstream lists and we
// know, otherwise client_secret_basic (OpenID Connect Discovery section 3).
func (m *metadata) authStyle(clientSecret string) (oauth2.AuthStyle, error) {
	if clientSecret == "" {
		return oauth2.AuthStyleInParams, nil // a public client: client_id alone
	}
	if len(m.TokenAuthMethods) == 0 {
		return oauth2.AuthStyleInHeader, nil
	}
	for _, method := range m.TokenAuthMethods {
		switch method {
		case "client_secret_basic":
			return oauth2.AuthStyleInHeader, nil
		case "client_secret_post":
			return oauth2.AuthStyleInParams, nil
		}
	}
	return 0, errors.New("discovery: token endpoint offers neither client_secret_basic nor client_secret_post")
}
