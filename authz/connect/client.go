package connect

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/authzd/authzd/authz/fetch"
	"github.com/authzd/authzd/authz/weburl"
)

const (
	timeLimit   = 10 * time.Second // of one Begin, one Finish, one request
	bodyLimit   = 1 << 20          // bytes of one answer, decompressed
	headerLimit = 64 << 10         // bytes
)

// NewHTTPClient returns a client for Config.HTTPClient that trusts these certificate authorities; nil: those
// of the system.
func NewHTTPClient(roots *x509.CertPool) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxResponseHeaderBytes = headerLimit
	transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	return &http.Client{Transport: transport}
}

// guarded returns a copy of client with our limits.
func guarded(client *http.Client) *http.Client {
	c := *client
	c.CheckRedirect = checkRedirect
	if c.Timeout <= 0 || c.Timeout > timeLimit {
		c.Timeout = timeLimit
	}
	return &c
}

// checkRedirect keeps each request on its host: a redirected token request would hand over the client secret
// and the code, and a redirected key request the trust in the keys.
func checkRedirect(next *http.Request, via []*http.Request) error {
	first := via[0]
	switch {
	case first.Method != http.MethodGet:
		return fmt.Errorf("redirect of a %s request refused", first.Method)
	case next.URL.Scheme != first.URL.Scheme || next.URL.Host != first.URL.Host:
		return fmt.Errorf("redirect to another host (%s) refused", next.URL.Host)
	case len(via) >= 5:
		return errors.New("too many redirects")
	}
	return nil
}

// get returns the body and header of a 200 answer. accessToken may be empty. No error quotes the answer.
func get(ctx context.Context, client *http.Client, target, accessToken string) ([]byte, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Accept", "application/json")
	if accessToken != "" {
		req.Header.Set("Authorization", "Bearer "+accessToken)
	}
	return fetch.Body(client, req, bodyLimit)
}

// checkURL accepts an absolute https URL. If the issuer is http, it also accepts an http URL on loopback.
func checkURL(raw string, plain bool) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return err
	case u.Hostname() == "" || u.User != nil || u.Fragment != "":
		return fmt.Errorf("%q is not an absolute URL without user and fragment", raw)
	case u.Scheme == "https", plain && weburl.IsSecure(u):
		return nil
	}
	return fmt.Errorf("%q is not https", raw)
}
