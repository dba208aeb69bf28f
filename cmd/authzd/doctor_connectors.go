package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/authzd/authzd/authz/connect"
	"github.com/authzd/authzd/config"
)

// upstreamMetadata is as much of a provider's discovery document as the check needs.
type upstreamMetadata struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	JWKSURI               string   `json:"jwks_uri"`
	AuthMethods           []string `json:"token_endpoint_auth_methods_supported"`
}

// checkConnectors asks each provider that users may sign in with as the server does: for its discovery
// document, its keys, and whether it knows the client and its secret.
func (e *examination) checkConnectors(ctx context.Context) {
	const check = "connector"
	httpClient := connect.NewHTTPClient(e.roots)
	httpClient.Timeout = examinationTime
	for i := range e.connectors {
		c := &e.connectors[i]
		if err := examineConnector(ctx, httpClient, c, e.issuer); err != nil {
			var hint interface{ Hint() string }
			text := ""
			if errors.As(err, &hint) {
				text = hint.Hint()
			}
			e.add(check, "failed", c.ID+": "+err.Error(), text)
			continue
		}
		e.add(check, "ok", fmt.Sprintf("%s: %s answers, and knows the client", c.ID, c.Issuer), "")
	}
}

func examineConnector(ctx context.Context, client *http.Client, c *config.Connector, issuer string) error {
	var m upstreamMetadata
	at := strings.TrimSuffix(c.Issuer, "/") + "/.well-known/openid-configuration"
	if err := fetchJSON(ctx, client, at, &m); err != nil {
		return hinted{err, "is its issuer right, may this machine reach it, and does outbound.ca_file have its authority?"}
	}
	if m.Issuer != c.Issuer {
		return hinted{fmt.Errorf("it calls itself %q, and not %q", m.Issuer, c.Issuer), "write issuer as the provider spells it"}
	}
	for name, endpoint := range map[string]string{"authorization_endpoint": m.AuthorizationEndpoint, "token_endpoint": m.TokenEndpoint, "jwks_uri": m.JWKSURI} {
		if u, err := url.Parse(endpoint); err != nil || u.Host == "" {
			return fmt.Errorf("its discovery document has no %s", name)
		}
	}
	var set struct{ Keys []json.RawMessage }
	if err := fetchJSON(ctx, client, m.JWKSURI, &set); err != nil {
		return err
	}
	if len(set.Keys) == 0 {
		return fmt.Errorf("%s has no keys", m.JWKSURI)
	}
	return examineSecret(ctx, client, c, &m, issuer+"/callback/"+c.ID)
}

// examineSecret sends a code that the provider never gave. If the provider knows the client, it refuses the
// code (RFC 6749 section 5.2); if not, it refuses the client.
func examineSecret(ctx context.Context, client *http.Client, c *config.Connector, m *upstreamMetadata, redirectURI string) error {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {"doctor"}, "redirect_uri": {redirectURI}, "code_verifier": {strings.Repeat("doctor", 8)}}
	basic := c.ClientSecret != "" && (len(m.AuthMethods) == 0 || slices.Contains(m.AuthMethods, "client_secret_basic"))
	if !basic {
		form.Set("client_id", c.ClientID)
		if c.ClientSecret != "" {
			form.Set("client_secret", string(c.ClientSecret))
		}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, m.TokenEndpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	if basic {
		request.SetBasicAuth(url.QueryEscape(c.ClientID), url.QueryEscape(string(c.ClientSecret)))
	}
	response, err := client.Do(request)
	if err != nil {
		return withoutQuery(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxExamined))
	if err != nil {
		return err
	}
	var refusal struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal(body, &refusal) // anything else is no answer of a token endpoint
	switch refusal.Error {
	case "invalid_client", "unauthorized_client":
		return hinted{fmt.Errorf("it refuses the client: %s", refusal.Error),
			fmt.Sprintf("compare client_id and client_secret with what the provider shows, and that %s is among its redirect URIs", redirectURI)}
	case "":
		return fmt.Errorf("its token endpoint answers %s, and no error of OAuth", response.Status)
	}
	return nil
}

// fetchJSON reads a document of a provider.
func fetchJSON(ctx context.Context, client *http.Client, target string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return withoutQuery(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxExamined))
	switch {
	case err != nil:
		return err
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("%s answers %s", target, response.Status)
	case json.Unmarshal(body, into) != nil:
		return fmt.Errorf("%s is not what it should be", target)
	}
	return nil
}

// withoutQuery is an error of a request, without the URL that net/http puts before it.
func withoutQuery(err error) error {
	if of := new(url.Error); errors.As(err, &of) {
		return fmt.Errorf("%s: %w", of.URL, of.Err)
	}
	return err
}
