package provider

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// Attempt is one sign-in.
type Attempt struct {
	State       string
	Nonce       string
	Verifier    string // PKCE (RFC 7636)
	RedirectURI string
	Resource    string // of the first access token; empty: none is named
	BegunAt     time.Time
}

// Ask is what else a sign-in asks for.
type Ask struct {
	Scope     string
	Resources []string // all that access tokens may be asked for (RFC 8707)
	Prompt    string
	ACRValues string
	MaxAge    string // seconds; empty: not asked for
	LoginHint string
}

// NewAttempt returns an attempt with new random values.
func NewAttempt(state, redirectURI, resource string) Attempt {
	return Attempt{State: state, Nonce: oauth2.GenerateVerifier(), Verifier: oauth2.GenerateVerifier(), RedirectURI: redirectURI, Resource: resource, BegunAt: time.Now().UTC()}
}

// Begin returns the URL where the browser signs in.
func (p *Provider) Begin(ctx context.Context, a Attempt, ask Ask) (string, error) {
	m, err := p.metadata.Get(ctx)
	if err != nil {
		return "", err
	}
	config := oauth2.Config{
		ClientID: p.ClientID, RedirectURL: a.RedirectURI, Scopes: strings.Fields(ask.Scope),
		Endpoint: oauth2.Endpoint{AuthURL: m.AuthorizationEndpoint},
	}
	target := config.AuthCodeURL(a.State, oauth2.S256ChallengeOption(a.Verifier), oauth2.SetAuthURLParam("nonce", a.Nonce))
	u, err := url.Parse(target)
	if err != nil {
		return "", err
	}
	params := u.Query()
	for name, value := range map[string]string{"prompt": ask.Prompt, "acr_values": ask.ACRValues, "max_age": ask.MaxAge, "login_hint": ask.LoginHint} {
		if value != "" {
			params.Set(name, value)
		}
	}
	for _, resource := range ask.Resources {
		params.Add("resource", resource)
	}
	if m.MustPush {
		if params, err = p.push(ctx, m, params); err != nil {
			return "", err
		}
	}
	u.RawQuery = params.Encode()
	return u.String(), nil
}

// push sends the request to the provider beforehand (RFC 9126), and returns what is left for the browser.
func (p *Provider) push(ctx context.Context, m *metadata, params url.Values) (url.Values, error) {
	answer, err := p.post(ctx, p.at(m, "pushed_authorization_request_endpoint", m.PushedEndpoint), params)
	if err != nil {
		return nil, fmt.Errorf("push the request: %w", err)
	}
	var pushed struct {
		RequestURI string `json:"request_uri"`
	}
	if err := json.Unmarshal(answer.body, &pushed); err != nil || pushed.RequestURI == "" {
		return nil, fmt.Errorf("push the request: the answer has no request_uri")
	}
	return url.Values{"client_id": {p.ClientID}, "request_uri": {pushed.RequestURI}}, nil
}

const maxCode = 8 << 10 // bytes

// Finish takes the parameters of the callback of an attempt, and returns what the sign-in brought. The error is an
// *AuthorizationError, a *ResponseError, a *Refusal of the token endpoint, or says that the provider cannot be asked.
func (p *Provider) Finish(ctx context.Context, callback url.Values, a Attempt, ask Ask) (*Grant, error) {
	m, err := p.metadata.Get(ctx)
	if err != nil {
		return nil, err
	}
	code, err := p.code(callback, a, m)
	if err != nil {
		return nil, err
	}
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {a.RedirectURI}, "code_verifier": {a.Verifier}}
	g, err := p.token(ctx, m, form, a.Resource)
	if err != nil {
		return nil, err
	}
	if g.IDToken == "" {
		return nil, untrusted("the token endpoint gave no ID token")
	}
	claims, err := p.verifyIDToken(ctx, m, g)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare([]byte(claims.text("nonce")), []byte(a.Nonce)) != 1 {
		return nil, untrusted("id token: the nonce does not match")
	}
	if err := checkAge(claims, ask.MaxAge, a.BegunAt); err != nil {
		return nil, err
	}
	if err := p.fill(ctx, m, claims, g.AccessToken); err != nil {
		return nil, err
	}
	g.User, err = claims.user()
	g.IssuedAt = claims.time("iat")
	return g, err
}

// code checks what the callback says (RFC 6749 section 4.1.2, RFC 9207).
func (p *Provider) code(callback url.Values, a Attempt, m *metadata) (string, error) {
	for _, name := range []string{"state", "iss", "code", "error"} {
		if len(callback[name]) > 1 {
			return "", untrusted("callback: %s is there twice", name)
		}
	}
	switch {
	case a.State == "" || subtle.ConstantTimeCompare([]byte(callback.Get("state")), []byte(a.State)) != 1:
		return "", untrusted("callback: the state is that of no sign-in of this browser")
	case callback.Has("iss") && callback.Get("iss") != p.Issuer:
		return "", untrusted("callback: the answer comes from another issuer")
	case !callback.Has("iss") && m.IssParameter:
		return "", untrusted("callback: iss is missing")
	case callback.Has("error"):
		return "", &AuthorizationError{Code: clean(callback.Get("error")), Description: clean(callback.Get("error_description"))}
	}
	code := callback.Get("code")
	if code == "" || len(code) > maxCode {
		return "", untrusted("callback: there is no code")
	}
	return code, nil
}

// checkAge compares auth_time with iat, which are of the same clock (OpenID Connect Core section 3.1.2.1). The time that
// the user took to come back does not count.
func checkAge(c claims, maxAge string, begun time.Time) error {
	if maxAge == "" {
		return nil
	}
	seconds, err := strconv.Atoi(maxAge)
	at, issued := c.time("auth_time"), c.time("iat")
	most := time.Duration(seconds)*time.Second + time.Since(begun) + time.Second // whole seconds round
	if err != nil || at.IsZero() || issued.Sub(at) > most {
		return untrusted("id token: the sign-in is not as new as was asked for")
	}
	return nil
}

// clean shortens a text of the browser for the log.
func clean(s string) string {
	const most = 200
	s = strings.ToValidUTF8(s, "?")
	if len(s) > most {
		s = s[:most]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}
