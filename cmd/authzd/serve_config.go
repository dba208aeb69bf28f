package main

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/backup"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/clientauth"
	"github.com/authzd/authzd/authz/connect"
	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/authz/outbound"
	"github.com/authzd/authzd/authz/playground"
	"github.com/authzd/authzd/authz/register"
	"github.com/authzd/authzd/authz/tokenendpoint"
	"github.com/authzd/authzd/config"
)

// authzConfig turns a valid configuration into the server's.
func authzConfig(cfg *config.Config, dev bool) (authz.Config, error) {
	clients, err := newClients(cfg.Clients)
	if err != nil {
		return authz.Config{}, err
	}
	roots, err := outbound.Roots(cfg.Outbound.CAFile)
	if err != nil {
		return authz.Config{}, fmt.Errorf("outbound: %w", err)
	}
	mtls, err := newMTLS(cfg.MTLS)
	if err != nil {
		return authz.Config{}, err
	}
	backups, err := newBackups(&cfg.Backup)
	if err != nil {
		return authz.Config{}, err
	}
	passkeys, err := newPasskeys(&cfg.Accounts.Passkeys)
	if err != nil {
		return authz.Config{}, err
	}
	c := authz.Config{
		Issuer:     cfg.Issuer,
		Dev:        dev,
		Clients:    clients,
		Connectors: newConnectors(cfg.Connectors, roots),
		MTLS:       mtls,
		Outbound:   outbound.Config{AllowPrivateNetworks: cfg.Outbound.AllowPrivateNetworks, RootCAs: roots},
		Branding:   cfg.Branding.Look(),
		Passkeys:   passkeys,
		Lifetimes: authz.Lifetimes{
			AccessToken:  cfg.Lifetimes.AccessToken,
			IDToken:      cfg.Lifetimes.IDToken,
			Code:         cfg.Lifetimes.Code,
			PAR:          cfg.Lifetimes.PAR,
			DeviceCode:   cfg.Lifetimes.DeviceCode,
			RefreshToken: cfg.Lifetimes.RefreshToken,
			RefreshIdle:  cfg.Lifetimes.RefreshIdle,
			RefreshGrace: cfg.Lifetimes.RefreshGrace,
		},
		Sessions: authz.Sessions{
			Idle:       cfg.Sessions.Idle,
			Max:        cfg.Sessions.Max,
			RememberMe: cfg.Sessions.RememberMe,
			Beacon:     cfg.Sessions.Activity == "beacon",
			EndOffline: cfg.Sessions.EndOffline,
		},
		Signing: authz.Signing{
			Alg:         jose.SignatureAlgorithm(cfg.Signing.Alg),
			RotateEvery: cfg.Signing.RotateEvery,
			Announce:    cfg.Signing.Announce,
		},
		DPoP:           authz.DPoP{RequireNonce: cfg.DPoP.RequireNonce},
		Audit:          authz.Audit{Keep: cfg.Audit.Keep},
		Backup:         backups,
		Registration:   newRegistration(&cfg.Registration),
		Documents:      cfg.ClientIDMetadataDocuments,
		Revocations:    authz.Revocations{ClientsOnly: cfg.Revocations.Access == "clients"},
		CORSHeaders:    cfg.CORS.AllowedHeaders,
		TrustedProxies: cfg.TrustedProxies,
		Users:          cfg.Users,
		Accounts: authz.Accounts{
			Registration: authz.AccountRegistration(cfg.Accounts.Registration), AllowedDomains: cfg.Accounts.AllowedDomains,
			Password: *cfg.PasswordPolicy(), LeaksURL: cfg.Accounts.Password.LeaksURL, EndPasswordAfter: *cfg.Accounts.DisablePasswordAfter,
		},
		Factors: newFactorPolicy(cfg),
		Classes: newClasses(cfg.Accounts.ACRClasses),
		Metrics: prometheus.NewRegistry(),
	}
	for i := range cfg.Resources {
		c.Resources = append(c.Resources, newResource(&cfg.Resources[i]))
	}
	for _, t := range cfg.TrustedIssuers {
		c.TrustedIssuers = append(c.TrustedIssuers, newTrustedIssuer(t))
	}
	c.Operator = newOperator(cfg)
	c.Mail = newMail(cfg, dev, roots)
	if dev {
		c.Outbound.AllowPrivateNetworks = append(slices.Clone(c.Outbound.AllowPrivateNetworks), loopback...)
		if c.Playground, err = playground.New(playground.Config{
			Issuer: cfg.Issuer, ClientID: "playground", Resource: cfg.Issuer + "/playground/api",
		}); err != nil {
			return authz.Config{}, err
		}
	}
	return c, nil
}

// loopback may be reached in development, where the clients are on this machine too.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

func newPasskeys(p *config.Passkeys) (authz.Passkeys, error) {
	passkeys := authz.Passkeys{Off: !*p.Enabled, RPID: p.RPID, RelatedOrigins: p.RelatedOrigins}
	for _, id := range p.Authenticators {
		passkeys.Authenticators = append(passkeys.Authenticators, uuid.MustParse(id)) // the configuration is checked
	}
	if p.AttestationRootsFile == "" {
		return passkeys, nil
	}
	pem, err := os.ReadFile(p.AttestationRootsFile)
	if err != nil {
		return passkeys, err
	}
	passkeys.Roots = x509.NewCertPool()
	if !passkeys.Roots.AppendCertsFromPEM(pem) {
		return passkeys, fmt.Errorf("%s: no certificate", p.AttestationRootsFile)
	}
	return passkeys, nil
}

// newBackups returns nil if no backups are scheduled.
func newBackups(b *config.Backup) (*backup.Config, error) {
	if b.Dir == "" {
		return nil, nil
	}
	recipients, err := parseRecipients(b.Recipients)
	return &backup.Config{Folder: b.Dir, Every: b.Every, Keep: *b.Keep, KeepFor: b.KeepFor, Recipients: recipients}, err
}

// newMail returns the zero Mail if there is none. In development mails are kept, for /dev/mail.
func newMail(cfg *config.Config, dev bool, roots *x509.CertPool) authz.Mail {
	switch s := cfg.Mail.SMTP; {
	case dev:
		return authz.Mail{From: cmp.Or(cfg.Mail.From, "authzd@localhost"), Transport: &mail.Box{}}
	case cfg.Mail.On():
		return authz.Mail{From: cfg.Mail.From, Transport: &mail.SMTP{
			Server: s.Host, Port: *s.Port, TLS: s.TLS, RootCAs: roots, Username: s.Username, Password: string(s.Password),
			Helo: hostOf(cfg.Issuer), Timeout: s.Timeout,
		}}
	}
	return authz.Mail{}
}

// hostOf returns the host name of a valid issuer.
func hostOf(issuer string) string {
	u, err := url.Parse(issuer)
	if err != nil {
		return "localhost"
	}
	return u.Hostname()
}

func newRegistration(r *config.Registration) register.Policy {
	registration := register.Policy{
		Mode:                     r.Mode,
		Scopes:                   r.Scope,
		Resources:                r.Resources,
		NativeSchemes:            r.NativeSchemes,
		UnusedAfter:              r.UnusedAfter,
		PerAddressPerHour:        *r.PerAddressPerHour,
		MaxClients:               *r.MaxClients,
		SoftwareStatementIssuers: map[string]string{},
	}
	for _, t := range r.InitialAccessTokens {
		registration.InitialAccessTokens = append(registration.InitialAccessTokens, string(t.Token))
	}
	for _, i := range r.SoftwareStatementIssuers {
		registration.SoftwareStatementIssuers[i.Issuer] = i.JWKSURI
	}
	return registration
}

func newTrustedIssuer(t config.TrustedIssuer) tokenendpoint.TrustedIssuer {
	issuer := tokenendpoint.TrustedIssuer{
		Issuer:      t.Issuer,
		JWKS:        t.JWKS,
		JWKSURI:     t.JWKSURI,
		Subject:     t.Subject,
		Clients:     t.Clients,
		Scopes:      t.Scope,
		MaxLifetime: t.MaxLifetime,
	}
	for _, alg := range t.Algorithms {
		issuer.Algs = append(issuer.Algs, jose.SignatureAlgorithm(alg))
	}
	return issuer
}

func newClients(entries []client.Metadata) (*client.Registry, error) {
	var clients []*client.Client
	var errs []error
	for _, e := range entries {
		c, err := client.New(e)
		clients, errs = append(clients, c), append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return client.NewRegistry(clients...)
}

// warnOfExpired tells of client secrets that don't work any more.
func warnOfExpired(logger *slog.Logger, clients []client.Metadata) {
	for _, c := range clients {
		for i, s := range c.Secrets {
			if s.ExpiresAt != nil && time.Now().After(*s.ExpiresAt) {
				logger.Warn("a client secret has expired: remove it from the configuration", "client", c.ID, "client_secrets", i, "expires_at", *s.ExpiresAt)
			}
		}
	}
}

// newMTLS is nil if certificates of clients are not looked at. Their authorities are those of the
// file alone: the system's vouch for servers.
func newMTLS(m config.MTLS) (*clientauth.MTLS, error) {
	if !m.On() {
		return nil, nil
	}
	mtls := &clientauth.MTLS{Header: m.Header, URL: m.URL}
	if m.CAFile == "" {
		return mtls, nil
	}
	pem, err := os.ReadFile(m.CAFile)
	if err != nil {
		return nil, fmt.Errorf("mtls: %w", err)
	}
	mtls.Roots = x509.NewCertPool()
	if !mtls.Roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("mtls: no PEM certificate in %s", m.CAFile)
	}
	return mtls, nil
}

func newConnectors(entries []config.Connector, roots *x509.CertPool) []connect.Config {
	httpClient := connect.NewHTTPClient(roots)
	var connectors []connect.Config
	for _, e := range entries {
		connectors = append(connectors, connect.Config{
			ID:                 e.ID,
			Type:               e.Type,
			Name:               e.Name,
			Issuer:             e.Issuer,
			ClientID:           e.ClientID,
			ClientSecret:       string(e.ClientSecret),
			Scopes:             e.Scopes,
			HostedDomains:      e.HostedDomains,
			EmailAuthoritative: e.EmailAuthoritative,
			EmailVerified:      e.EmailVerified,
			TrustFreshLogin:    e.FreshLogin == "trusted",
			HTTPClient:         httpClient,
		})
	}
	return connectors
}
