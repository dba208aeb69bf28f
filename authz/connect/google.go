package connect

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

const googleIssuer = "https://accounts.google.com"

// google is an OpenID Connect provider with hosted domains.
type google struct {
	*openID
	hostedDomains []string // lower case
}

var _ Connector = (*google)(nil)

func newGoogle(cfg Config) *google {
	g := &google{openID: newOpenID(cfg)}
	// Google's older tokens spell the issuer without the scheme. The identity's issuer is always
	// Config.Issuer.
	g.aliases = []string{strings.TrimPrefix(cfg.Issuer, "https://")}
	for _, domain := range cfg.HostedDomains {
		g.hostedDomains = append(g.hostedDomains, strings.ToLower(domain))
	}
	return g
}

// freshClaims asks when and how the user signed in (OpenID Connect Core section 5.5). Google answers for apps
// with "session age claims" switched on.
const freshClaims = `{"id_token":{"auth_time":{"essential":true},"amr":{"essential":true}}}`

// Begin uses Google's parameters: hd, and hl for ui_locales. Google knows neither max_age nor prompt=login,
// but reports by claims when the user signed in.
func (g *google) Begin(ctx context.Context, p BeginParams) (string, Attempt, error) {
	params := url.Values{}
	switch len(g.hostedDomains) {
	case 0:
	case 1:
		params.Set("hd", g.hostedDomains[0])
	default:
		params.Set("hd", "*")
	}
	if p.SelectAccount {
		params.Set("prompt", "select_account")
	}
	language, _, _ := strings.Cut(p.UILocales, " ")
	params.Set("hl", language)
	params.Set("login_hint", p.LoginHint)
	if p.MaxAge != nil {
		params.Set("claims", freshClaims)
	}
	return g.begin(ctx, params, p)
}

// Finish checks the hd claim. The hd parameter of Begin was only a hint to Google's page, and the user could
// change it.
func (g *google) Finish(ctx context.Context, callback url.Values, a Attempt) (Identity, error) {
	c, err := g.authenticate(ctx, callback, a)
	if err != nil {
		return Identity{}, err
	}
	id := g.identity(c, a)
	if hd := c.text("hd", maxText); checkHostedDomain(hd) == nil {
		id.HostedDomain = strings.ToLower(hd)
	}
	if len(g.hostedDomains) > 0 && !slices.Contains(g.hostedDomains, id.HostedDomain) {
		return Identity{}, &Error{AccessDenied, "this account may not sign in here",
			fmt.Errorf("hosted domain %q is not allowed", id.HostedDomain)}
	}
	id.EmailAuthoritative = id.EmailVerified && (id.HostedDomain != "" || isGmail(id.Email))
	return id, nil
}

// isGmail reports whether Google itself hosts the mailbox.
func isGmail(email string) bool {
	_, domain, _ := strings.Cut(strings.ToLower(email), "@")
	return domain == "gmail.com" || domain == "googlemail.com"
}

func checkHostedDomain(domain string) error {
	if domain == "" || strings.ContainsFunc(domain, func(r rune) bool {
		return r != '.' && r != '-' && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z')
	}) {
		return errors.New("not a domain name")
	}
	return nil
}
