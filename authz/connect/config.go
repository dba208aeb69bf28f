package connect

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
)

// New returns the Connector of cfg, or everything that is wrong with cfg. It makes no request, so an upstream
// that is down does not keep the server from starting.
func New(cfg Config) (Connector, error) {
	if err := cfg.complete(); err != nil {
		return nil, fmt.Errorf("connector %q: %w", cfg.ID, err)
	}
	if cfg.Type == TypeGoogle {
		return newGoogle(cfg), nil
	}
	return newOpenID(cfg), nil
}

// complete fills in the defaults and reports every error.
func (cfg *Config) complete() error {
	var errs []error
	refuse := func(wrong bool, why string) {
		if wrong {
			errs = append(errs, errors.New(why))
		}
	}
	switch cfg.Type {
	case TypeGoogle:
		errs = append(errs, cfg.completeGoogle())
	case TypeOIDC:
		refuse(len(cfg.HostedDomains) > 0, "hosted domains are for type google only")
	default:
		refuse(true, fmt.Sprintf("type %q is not google or oidc", cfg.Type))
	}
	refuse(!slices.Contains([]string{"", EmailByClaim, EmailAlways, EmailNever}, cfg.EmailVerified), "email verified is not claim, always or never")
	refuse(cfg.ID == "", "id is missing")
	refuse(cfg.ClientID == "", "client id is missing")
	errs = append(errs, checkIssuer(cfg.Issuer), checkRedirectURI(cfg.RedirectURI))

	if cfg.Name == "" {
		cfg.Name = cfg.ID
	}
	switch {
	case len(cfg.Scopes) == 0:
		cfg.Scopes = []string{oidc.ScopeOpenID, oidc.ScopeEmail, oidc.ScopeProfile}
	case !slices.Contains(cfg.Scopes, oidc.ScopeOpenID):
		cfg.Scopes = append([]string{oidc.ScopeOpenID}, cfg.Scopes...)
	}
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = NewHTTPClient(nil)
	}
	return errors.Join(errs...)
}

func (cfg *Config) completeGoogle() error {
	var errs []error
	if cfg.Issuer == "" {
		cfg.Issuer = googleIssuer
	}
	if cfg.Name == "" {
		cfg.Name = "Google"
	}
	if cfg.ClientSecret == "" {
		errs = append(errs, errors.New("client secret is missing"))
	}
	if cfg.EmailAuthoritative {
		errs = append(errs, errors.New("email authoritative is for type oidc only"))
	}
	for _, domain := range cfg.HostedDomains {
		if err := checkHostedDomain(domain); err != nil {
			errs = append(errs, fmt.Errorf("hosted domain %q: %w", domain, err))
		}
	}
	return errors.Join(errs...)
}

func checkIssuer(issuer string) error {
	if issuer == "" {
		return errors.New("issuer is missing")
	}
	if err := checkURL(issuer, true); err != nil {
		return fmt.Errorf("issuer: %w", err)
	}
	if strings.ContainsAny(issuer, "?# ") || len(issuer) > maxURL || !isClean(issuer) {
		return errors.New("issuer has a query, fragment or space, or is too long")
	}
	return nil
}

func checkRedirectURI(uri string) error {
	u, err := url.Parse(uri)
	if err != nil {
		return fmt.Errorf("redirect uri: %w", err)
	}
	if !u.IsAbs() || u.Host == "" || strings.Contains(uri, "#") {
		return errors.New("redirect uri is not an absolute URL without fragment")
	}
	return nil
}
