package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/fetch"
	"github.com/authzd/authzd/authz/outbound"
	"github.com/authzd/authzd/config"
)

// warnOfIssuer asks the issuer of a BFF what a user would find out at the worst moment: that it can't be reached, or
// that a session there never becomes idle, because the BFF's refreshes keep it alive.
func warnOfIssuer(ctx context.Context, cfg *config.BFF) config.Errors {
	warning := func(reason, hint string) config.Errors {
		return config.Errors{{Key: "issuer", Value: fmt.Sprintf("%q", cfg.Issuer), Reason: reason, Hint: hint}}
	}
	activity, err := sessionActivity(ctx, cfg)
	switch {
	case err != nil:
		return warning("can't be asked now: "+err.Error(), "check the URL, and that this machine reaches it; sign-ins need it, a start does not")
	case activity == "refresh":
		return warning("counts a refresh as activity: while an app polls, the session there never becomes idle",
			"set sessions.activity: beacon at the issuer; the BFF passes on what POST /bff/activity reports")
	}
	return nil
}

const issuerTimeout = 5 * time.Second

// sessionActivity is what keeps a session alive, as the issuer's metadata says; "" if it says nothing of that.
func sessionActivity(ctx context.Context, cfg *config.BFF) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, issuerTimeout)
	defer cancel()
	client, err := newIssuerClient(cfg.Outbound)
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(cfg.Issuer, "/")+"/.well-known/openid-configuration", nil)
	if err != nil {
		return "", err
	}
	const most = 1 << 20 // bytes
	body, _, err := fetch.Body(client, req, most)
	if err != nil {
		return "", err
	}
	var metadata struct {
		Issuer   string `json:"issuer"`
		Activity string `json:"authzd_session_activity"`
	}
	if err := json.Unmarshal(body, &metadata); err != nil {
		return "", errors.New("its metadata is not JSON")
	}
	if metadata.Issuer != cfg.Issuer {
		return "", fmt.Errorf("it calls itself %.200q", metadata.Issuer)
	}
	return metadata.Activity, nil
}

// newIssuerClient returns the client for the issuer, with the configured authorities. It follows no redirect.
func newIssuerClient(o config.BFFOutbound) (*http.Client, error) {
	roots, err := outbound.Roots(o.CAFile)
	if err != nil {
		return nil, fmt.Errorf("outbound: %w", err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	transport.MaxIdleConnsPerHost = 32
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}
