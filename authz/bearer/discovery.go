package bearer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/fetch"
	"github.com/authzd/authzd/authz/jwks"
	"github.com/authzd/authzd/authz/weburl"
)

const maxDocument = 1 << 20 // bytes of metadata or a JWK set

// source is where an issuer's metadata and keys come from. It fetches one at a time.
type source struct {
	issuer  string
	client  *http.Client
	jwksURI string // empty: to be discovered
}

func newSource(issuer string, client *http.Client) *source {
	return &source{issuer: issuer, client: withoutRedirects(client)}
}

// withoutRedirects returns a client that follows no redirect: one could lead anywhere, even to plain http. What is
// fetched here does not need one.
func withoutRedirects(client *http.Client) *http.Client {
	c := *client
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

// fetch returns the issuer's keys, and the header of their answer. If the keys are no longer at their URL,
// the next fetch looks for it again.
func (s *source) fetch(ctx context.Context) (keys, http.Header, error) {
	if s.jwksURI == "" {
		var err error
		if s.jwksURI, err = s.discover(ctx, "jwks_uri"); err != nil {
			return nil, nil, err
		}
	}
	body, header, err := s.get(ctx, s.jwksURI)
	if err == nil {
		var found keys
		if found, err = parseKeys(body); err == nil {
			return found, header, nil
		}
		err = fmt.Errorf("%s: %w", s.jwksURI, err)
	}
	s.jwksURI = ""
	return nil, nil, err
}

// newEndpoint returns a document that holds the URL that is this member of the issuer's metadata. The source serves
// nothing else.
func newEndpoint(s *source, member string, interval time.Duration) *fetch.Document[string] {
	rules := fetch.Rules{Stale: maxStale, Pace: fetch.Pace{Every: interval, Retry: firstRetry}, Ahead: true, Timeout: refreshTimeout}
	return fetch.New(rules, func(ctx context.Context) (string, time.Duration, error) {
		address, err := s.discover(ctx, member)
		return address, usualLifetime, err
	})
}

// discover finds a URL in the issuer's metadata (RFC 8414 section 3, OpenID Connect Discovery section 4). The
// metadata must name exactly this issuer.
func (s *source) discover(ctx context.Context, member string) (string, error) {
	var errs []error
	for _, address := range metadataURLs(s.issuer) {
		found, err := s.metadata(ctx, address, member)
		if err == nil {
			return found, nil
		}
		errs = append(errs, err)
	}
	return "", errors.Join(errs...)
}

// metadata returns a URL in the metadata at an address.
func (s *source) metadata(ctx context.Context, address, member string) (string, error) {
	body, _, err := s.get(ctx, address)
	if err != nil {
		return "", err
	}
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(body, &doc); err != nil {
		return "", fmt.Errorf("%s: %w", address, err)
	}
	text := func(member string) (value string) {
		_ = json.Unmarshal(doc[member], &value) // absent, or not a string: ""
		return value
	}
	if issuer := text("issuer"); issuer != s.issuer {
		return "", fmt.Errorf("%s: metadata of issuer %q, not of %q", address, issuer, s.issuer)
	}
	found := text(member)
	u, err := url.Parse(found)
	if err != nil {
		return "", fmt.Errorf("%s: %s: %w", address, member, err)
	}
	if !weburl.IsSecure(u) || u.Scheme == "http" && strings.HasPrefix(s.issuer, "https:") {
		return "", fmt.Errorf("%s: %s %q is not an https URL", address, member, found)
	}
	return found, nil
}

// metadataURLs lists where an issuer's metadata may be. RFC 8414 puts the well-known part before the issuer's
// path, OpenID Connect after it.
func metadataURLs(issuer string) []string {
	u, err := url.Parse(issuer)
	if err != nil { // New has parsed it
		return nil
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	root := u.Scheme + "://" + u.Host
	urls := []string{
		root + "/.well-known/oauth-authorization-server" + path,
		root + path + "/.well-known/openid-configuration",
	}
	if path != "" {
		urls = append(urls, root+"/.well-known/openid-configuration"+path)
	}
	return urls
}

func (s *source) get(ctx context.Context, address string) ([]byte, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Accept", "application/json")
	return fetch.Body(s.client, req, maxDocument)
}

// parseKeys reads the keys of an issuer. It leaves out keys without a kid, because no token can name them.
func parseKeys(body []byte) (keys, error) {
	found, err := jwks.ParseIssuer(body)
	if err != nil {
		return nil, err
	}
	byID := make(keys)
	for _, key := range found {
		if key.KeyID != "" {
			byID[key.KeyID] = append(byID[key.KeyID], key)
		}
	}
	if len(byID) == 0 {
		return nil, errors.New("no key of the set has a kid")
	}
	return byID, nil
}
