package connect

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"

	"github.com/authzd/authzd/authz/fetch"
)

// openID is any OpenID Connect provider.
type openID struct {
	cfg      Config
	aliases  []string // other spellings of the issuer in tokens and answers of the upstream
	client   *http.Client
	metadata *fetch.Document[*metadata]
	keys     *fetch.Document[[]jose.JSONWebKey]
}

var _ Connector = (*openID)(nil)

// newOpenID takes a checked and completed Config.
func newOpenID(cfg Config) *openID {
	o := &openID{cfg: cfg, client: guarded(cfg.HTTPClient)}
	o.metadata = fetch.New(metadataRules, o.fetchMetadata)
	o.keys = fetch.New(keyRules, o.fetchKeys)
	return o
}

func (o *openID) ID() string   { return o.cfg.ID }
func (o *openID) Type() string { return o.cfg.Type }
func (o *openID) Name() string { return o.cfg.Name }

func (o *openID) Issuer() string { return o.cfg.Issuer }

func (o *openID) isIssuer(s string) bool {
	return s == o.cfg.Issuer || slices.Contains(o.aliases, s)
}

func (o *openID) Begin(ctx context.Context, p BeginParams) (string, Attempt, error) {
	params := url.Values{}
	var prompt []string
	if p.MaxAge != nil {
		params.Set("max_age", strconv.Itoa(*p.MaxAge))
		if *p.MaxAge == 0 {
			prompt = append(prompt, "login") // understood where max_age is not
		}
	}
	if p.SelectAccount {
		prompt = append(prompt, "select_account")
	}
	params.Set("prompt", strings.Join(prompt, " "))
	params.Set("ui_locales", p.UILocales)
	params.Set("login_hint", p.LoginHint)

	return o.begin(ctx, params, p)
}

// begin makes an Attempt and its authorization URL. If maxAge is not nil, the login must not be older. It
// leaves out members of params that are empty, too long or not clean, because they are hints from outside.
func (o *openID) begin(ctx context.Context, params url.Values, p BeginParams) (string, Attempt, error) {
	ctx, cancel := context.WithTimeout(ctx, timeLimit)
	defer cancel()
	m, err := o.metadata.Get(ctx)
	if err != nil {
		return "", Attempt{}, failed(err)
	}
	client, err := o.oauth2Client(m)
	if err != nil {
		return "", Attempt{}, failed(err)
	}
	a := Attempt{Connector: o.cfg.ID, State: secret(), Nonce: secret(), Verifier: oauth2.GenerateVerifier()}
	if p.MaxAge != nil {
		a.MaxAge, a.BegunAt, a.Accept = p.MaxAge, time.Now(), p.AcceptUnproven
	}
	options := []oauth2.AuthCodeOption{oidc.Nonce(a.Nonce), oauth2.S256ChallengeOption(a.Verifier)}
	for name := range params {
		if s := params.Get(name); s != "" && len(s) <= maxText && isClean(s) {
			options = append(options, oauth2.SetAuthURLParam(name, s))
		}
	}
	return client.AuthCodeURL(a.State, options...), a, nil
}

func (o *openID) Finish(ctx context.Context, callback url.Values, a Attempt) (Identity, error) {
	c, err := o.authenticate(ctx, callback, a)
	if err != nil {
		return Identity{}, err
	}
	id := o.identity(c, a)
	id.EmailAuthoritative = id.EmailVerified && o.cfg.EmailAuthoritative
	return id, nil
}

// authenticate runs the phases of Finish that all upstreams share.
func (o *openID) authenticate(ctx context.Context, v url.Values, a Attempt) (claims, error) {
	ctx, cancel := context.WithTimeout(ctx, timeLimit)
	defer cancel()
	if a.Connector != o.cfg.ID {
		return nil, notOurs(errors.New("the attempt is another connector's"))
	}
	answer, err := readCallback(v, a, o.isIssuer)
	if err != nil {
		return nil, err
	}
	m, err := o.metadata.Get(ctx)
	if err != nil {
		return nil, failed(err)
	}
	if m.IssParameter && !answer.hasIss {
		return nil, mixedUp(errors.New("callback: iss is missing, though it was advertised"))
	}
	token, err := o.exchange(ctx, m, answer.code, a.Verifier)
	if err != nil {
		return nil, failed(err)
	}
	idToken, _ := token.Extra("id_token").(string)
	if idToken == "" {
		return nil, untrusted(errors.New("token endpoint: no ID token"))
	}
	c, err := o.verifyIDToken(ctx, m, idToken, token.AccessToken, a)
	if err != nil {
		return nil, err
	}
	if !o.lacks(c) || m.UserinfoEndpoint == "" {
		return c, nil
	}
	return c, o.addUserinfo(ctx, m, token.AccessToken, c)
}

func (o *openID) oauth2Client(m *metadata) (*oauth2.Config, error) {
	style, err := m.authStyle(o.cfg.ClientSecret)
	if err != nil {
		return nil, err
	}
	return &oauth2.Config{
		ClientID:     o.cfg.ClientID,
		ClientSecret: o.cfg.ClientSecret,
		RedirectURL:  o.cfg.RedirectURI,
		Scopes:       o.cfg.Scopes,
		Endpoint:     oauth2.Endpoint{AuthURL: m.AuthorizationEndpoint, TokenURL: m.TokenEndpoint, AuthStyle: style},
	}, nil
}

var errorCode = regexp.MustCompile(`^[a-z_]{1,64}$`)

// exchange redeems the code (RFC 6749 section 4.1.3). Its error has no text of the upstream but a plain error
// code: descriptions and bodies sometimes repeat codes and tokens.
func (o *openID) exchange(ctx context.Context, m *metadata, code, verifier string) (*oauth2.Token, error) {
	client, err := o.oauth2Client(m)
	if err != nil {
		return nil, err
	}
	token, err := client.Exchange(oidc.ClientContext(ctx, o.client), code, oauth2.VerifierOption(verifier))
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		reason := "no error code"
		if errorCode.MatchString(refused.ErrorCode) {
			reason = refused.ErrorCode
		}
		return nil, fmt.Errorf("token endpoint: status %d, %s", refused.Response.StatusCode, reason)
	}
	if err != nil {
		return nil, fmt.Errorf("token endpoint: %w", err)
	}
	return token, nil
}

// lacks reports whether the ID token lacks an e-mail address or name that was asked for.
func (o *openID) lacks(c claims) bool {
	return slices.Contains(o.cfg.Scopes, oidc.ScopeEmail) && c.email() == "" ||
		slices.Contains(o.cfg.Scopes, oidc.ScopeProfile) && c.text("name", maxText) == ""
}

// addUserinfo fills gaps in the ID token (OpenID Connect Core section 5.3). A failure fails the login: an
// outage must not create an account with half of its claims.
func (o *openID) addUserinfo(ctx context.Context, m *metadata, accessToken string, c claims) error {
	body, _, err := get(ctx, o.client, m.UserinfoEndpoint, accessToken)
	if err != nil {
		return failed(fmt.Errorf("userinfo: %w", err))
	}
	var info claims
	if err := json.Unmarshal(body, &info); err != nil {
		return failed(fmt.Errorf("userinfo: %w", err))
	}
	if info.text("sub", maxText) != c.text("sub", maxText) { // section 5.3.2
		return untrusted(errors.New("userinfo: sub is not that of the ID token"))
	}
	c.fill(info)
	return nil
}

// secret returns 256 random bits.
func secret() string {
	b := make([]byte, 32)
	rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}
