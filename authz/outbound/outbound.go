// Package outbound fetches URLs that strangers name: the jwks_uri, request_uri and sector_identifier_uri of a
// client, its metadata document, its back-channel logout URI. Without a guard, a named URL could make this
// server call its own network (server-side request forgery), or wait and read for ever.
//
//	Cache.Get -> fetch.Document: one fetch for all who wait -> Client.Get
//	    Client.Get / PostForm: CheckURL -> a free place (limiter) -> resolve -> each address checked
//	    as it is dialled -> TLS -> status, type, size -> Document
//
// The address is checked at the socket, after the name was resolved, so it does not help if the name changes
// in between. No redirect is followed, no proxy is used, and no cookie or credential is sent. Upstream
// identity providers are the operator's choice and have another client, in connect.
package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"time"

	"github.com/authzd/authzd/authz/fetch"
)

const (
	usualTimeout = 5 * time.Second
	usualBytes   = 64 << 10 // of a document
	headerBytes  = 32 << 10 // of an answer
	userAgent    = "authzd"
)

// freshness is how long a document may be used.
var freshness = fetch.Freshness{Usual: 10 * time.Minute, Least: time.Minute, Most: 24 * time.Hour}

// The reasons why a URL was not fetched, for errors.Is. The text of an error is for the log: it names the
// host and address, never the path or query of the URL, and nothing of the answer.
var (
	ErrURL      = errors.New("not a URL that may be called")
	ErrBlocked  = errors.New("blocked address")
	ErrHost     = errors.New("no such host")
	ErrBusy     = errors.New("too many calls under way")
	ErrStatus   = errors.New("unexpected status") // redirects included
	ErrTooLarge = errors.New("document too large")
	ErrType     = errors.New("unexpected content type")
)

// Config is the input of New. Its zero value reaches only public addresses, over https.
type Config struct {
	// AllowPrivateNetworks may be reached although they are not public, also over plain http.
	AllowPrivateNetworks []netip.Prefix
	// RootCAs are the trusted certificate authorities; nil: those of the system.
	RootCAs *x509.CertPool
	// Timeout is for one call, from the wait for a free place to the last byte; 0: 5 seconds.
	Timeout time.Duration
	// Resolver finds the addresses of hosts; nil: that of the system, without cgo, whose look-ups could not
	// be cancelled.
	Resolver *net.Resolver
}

// Client makes guarded calls. It has separate limits on concurrency: give each caller that must not starve
// another its own Client.
type Client struct {
	allowed []netip.Prefix
	timeout time.Duration
	limiter *limiter
	secure  *http.Client // https
	plain   *http.Client // http, to allowed networks only
}

// New checks the configuration. It resolves and dials nothing.
func New(cfg Config) (*Client, error) {
	for _, network := range cfg.AllowPrivateNetworks {
		if !network.IsValid() || network.Addr().Is4In6() {
			return nil, fmt.Errorf("network %q: not a prefix such as 10.0.0.0/8 or fd00::/8", network)
		}
	}
	c := &Client{allowed: cfg.AllowPrivateNetworks, timeout: cfg.Timeout, limiter: newLimiter()}
	if c.timeout <= 0 {
		c.timeout = usualTimeout
	}
	resolver := cfg.Resolver
	if resolver == nil {
		resolver = &net.Resolver{PreferGo: true}
	}
	c.secure = newHTTPClient(resolver, cfg.RootCAs, c.mayDial)
	c.plain = newHTTPClient(resolver, nil, c.mayDialPlain)
	return c, nil
}

// Roots returns the certificate authorities of the system and those in a PEM file, for Config.RootCAs.
// Without a file it returns nil: the system's.
func Roots(caFile string) (*x509.CertPool, error) {
	if caFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("ca file: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("system certificate authorities: %w", err)
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca file %s: no PEM certificate in it", caFile)
	}
	return roots, nil
}

// newHTTPClient keeps no connection after its call: strangers' servers can't hold any open, and every call is
// dialled, and so checked, again.
func newHTTPClient(resolver *net.Resolver, roots *x509.CertPool, mayDial func(netip.Addr) error) *http.Client {
	dialer := &net.Dialer{Resolver: resolver, Control: control(mayDial)}
	return &http.Client{
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			DisableKeepAlives:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: headerBytes,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Want describes the document that a caller expects.
type Want struct {
	Types    []string // media types; empty: any
	MaxBytes int64    // of the body; 0: 64 KiB

	Header map[string]string // sent with the request, beside what every request has
}

// Document is the answer of a URL.
type Document struct {
	URL         string
	Body        []byte
	ContentType string        // the media type, in lower case, without parameters
	Fresh       time.Duration // how long it may be used, 1 minute to 24 hours
}

// Get fetches a document: an answer with status 200 that matches want.
func (c *Client) Get(ctx context.Context, rawURL string, want Want) (*Document, error) {
	var doc *Document
	err := c.call(ctx, http.MethodGet, rawURL, nil, want, func(resp *http.Response) (err error) {
		doc, err = readDocument(resp, want)
		if err == nil {
			doc.URL = rawURL
		}
		return err
	})
	return doc, err
}

// PostForm sends a form and returns the status of the answer. It follows no redirect: that status is an
// error.
func (c *Client) PostForm(ctx context.Context, rawURL string, form url.Values) (status int, err error) {
	err = c.call(ctx, http.MethodPost, rawURL, form, Want{}, func(resp *http.Response) error {
		status = resp.StatusCode
		if status >= 300 && status < 400 {
			return fmt.Errorf("%w %d, a redirect", ErrStatus, status)
		}
		return nil
	})
	return status, err
}
