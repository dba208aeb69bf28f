package provider

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// answer is the success of an endpoint.
type answer struct {
	body []byte
	at   time.Time // when it was made at the latest, by the provider's clock
}

// post sends a form, with the client's proof. An answer that is not of the 200s is a *Refusal. No error quotes what was
// sent or received.
func (p *Provider) post(ctx context.Context, endpoint string, form url.Values) (*answer, error) {
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}}
	if err := p.Authenticate(form, header); err != nil {
		return nil, fmt.Errorf("authenticate the client: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header = header
	began := time.Now()
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, bodyLimit+1))
	if err == nil && len(body) > bodyLimit {
		err = errors.New("the answer is too long")
	}
	if resp.StatusCode/100 != 2 {
		return nil, &Refusal{Status: resp.StatusCode, Code: errorCode(body)}
	}
	if err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", req.URL.Host, err)
	}
	return &answer{body: body, at: madeAt(resp.Header, began)}, nil
}

func errorCode(body []byte) string {
	var refused struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(body, &refused) != nil {
		return ""
	}
	return clean(refused.Error)
}

// madeAt returns a time that is not later than that of tokens in the answer: revocations count by those.
func madeAt(header http.Header, began time.Time) time.Time {
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		date = time.Now()
	}
	return date.Add(-time.Since(began) - time.Second)
}

// token asks the token endpoint (RFC 6749 section 5.1).
func (p *Provider) token(ctx context.Context, m *metadata, form url.Values, resource string) (*Grant, error) {
	if resource != "" {
		form.Set("resource", resource)
	}
	answer, err := p.post(ctx, p.at(m, "token_endpoint", m.TokenEndpoint), form)
	if err != nil {
		return nil, err
	}
	var t struct {
		AccessToken  string      `json:"access_token"`
		TokenType    string      `json:"token_type"`
		ExpiresIn    json.Number `json:"expires_in"`
		RefreshToken string      `json:"refresh_token"`
		IDToken      string      `json:"id_token"`
	}
	if err := json.Unmarshal(answer.body, &t); err != nil || t.AccessToken == "" {
		return nil, errors.New("the token endpoint's answer is no token response")
	}
	if !strings.EqualFold(t.TokenType, "Bearer") {
		return nil, fmt.Errorf("the token endpoint gave a token of the type %.20q, and only Bearer can be used", t.TokenType)
	}
	g := &Grant{GrantID: grantID(t.AccessToken), RefreshToken: t.RefreshToken, IDToken: t.IDToken, Resource: resource, AccessToken: t.AccessToken, IssuedAt: answer.at}
	if seconds, err := t.ExpiresIn.Float64(); err == nil && seconds > 0 && seconds < 1e9 {
		g.ExpiresAt = time.Now().Add(time.Duration(seconds * float64(time.Second)))
	}
	return g, nil
}

// grantID reads the gid of an access token that is a JWT. The token came from the token endpoint itself, over TLS.
func grantID(accessToken string) string {
	parts := strings.Split(accessToken, ".")
	if len(parts) != 3 {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var c claims
	if json.Unmarshal(payload, &c) != nil {
		return ""
	}
	return c.text("gid")
}

// Refresh gets new tokens, with an access token for a resource (RFC 6749 section 6, RFC 8707 section 2.2). An error
// answer is a *Refusal; another error says that the provider cannot be asked.
//
// If the user cannot be asked about, the grant has no User and no IssuedAt: the tokens are new, and what is known about
// the user is as old as before.
func (p *Provider) Refresh(ctx context.Context, refreshToken, resource string) (*Grant, error) {
	m, err := p.metadata.Get(ctx)
	if err != nil {
		return nil, err
	}
	g, err := p.token(ctx, m, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refreshToken}}, resource)
	if err != nil {
		return nil, err
	}
	if g.User, err = p.refreshed(ctx, m, g); err != nil {
		g.IDToken, g.IssuedAt = "", time.Time{} // the new tokens count all the same: the old ones may be void by now
	}
	return g, nil
}

// refreshed returns what the answer to a refresh says about the user; nil: nothing.
func (p *Provider) refreshed(ctx context.Context, m *metadata, g *Grant) (*User, error) {
	if g.IDToken == "" {
		return nil, nil
	}
	claims, err := p.verifyIDToken(ctx, m, g)
	if err != nil {
		return nil, err
	}
	if err := p.fill(ctx, m, claims, g.AccessToken); err != nil {
		return nil, err
	}
	g.IssuedAt = claims.time("iat")
	return claims.user()
}

// ClientToken gets an access token of the client itself (RFC 6749 section 4.4).
func (p *Provider) ClientToken(ctx context.Context, resource string) (*Grant, error) {
	m, err := p.metadata.Get(ctx)
	if err != nil {
		return nil, err
	}
	return p.token(ctx, m, url.Values{"grant_type": {"client_credentials"}}, resource)
}

// Revoke ends a refresh token and all that came of its grant (RFC 7009).
func (p *Provider) Revoke(ctx context.Context, refreshToken string) error {
	m, err := p.metadata.Get(ctx)
	if err != nil || m.RevocationEndpoint == "" {
		return err
	}
	_, err = p.post(ctx, p.at(m, "revocation_endpoint", m.RevocationEndpoint), url.Values{"token": {refreshToken}, "token_type_hint": {"refresh_token"}})
	return err
}

// Activity tells authzd that the user of a session is active. Other providers have no such endpoint; that is no error.
func (p *Provider) Activity(ctx context.Context, accessToken string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(p.Issuer, "/")+"/session/activity", nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+accessToken)
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotFound, resp.StatusCode == http.StatusMethodNotAllowed, resp.StatusCode/100 == 2:
		return nil
	}
	return &Refusal{Status: resp.StatusCode}
}

// EndSessionURL returns where the browser ends the provider's session (OpenID Connect RP-Initiated Logout 1.0), and
// "" if the provider has no such place.
func (p *Provider) EndSessionURL(ctx context.Context, idToken, back string) (string, error) {
	m, err := p.metadata.Get(ctx)
	if err != nil || m.EndSessionEndpoint == "" {
		return "", err
	}
	u, err := url.Parse(m.EndSessionEndpoint)
	if err != nil {
		return "", err
	}
	params := u.Query()
	params.Set("client_id", p.ClientID)
	if idToken != "" {
		params.Set("id_token_hint", idToken)
	}
	if back != "" {
		params.Set("post_logout_redirect_uri", back)
	}
	u.RawQuery = params.Encode()
	return u.String(), nil
}
