package bearer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/authzd/authzd/authz/fetch"
	"github.com/authzd/authzd/authz/jwks"
	"github.com/authzd/authzd/authz/weburl"
)

const maxDocument = 1 << 20 // bytes of metadata or a JWK set

// source is where an issuer's keys come from. It fetches one at a time.
type source struct {
	issuer  string
	client  *http.Client
	jwksURI string // empty: to be discovered
}

func newSource(issuer string, client *http.Client) *source {
	c := *client
	// A redirect could lead anywhere, even to plain http. Metadata does not need one.
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &source{issuer: issuer, client: &c}
}

// fetch returns the issuer's keys, and the header of their answer. If the keys are no longer at their URL,
// the next fetch looks for it again.
func (s *source) fetch(ctx context.Context) (keys, http.Header, error) {
	if s.jwksURI == "" {
		if err := s.discover(ctx); err != nil {
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

// discover finds jwks_uri in the issuer's metadata (RFC 8414 section 3, OpenID Connect Discovery section 4).
// The metadata must name exactly this issuer.
func (s *source) discover(ctx context.Context) error {
	var errs []error
	for _, address := range metadataURLs(s.issuer) {
		jwksURI, err := s.metadata(ctx, address)
		if err == nil {
			s.jwksURI = jwksURI
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (s *source) metadata(ctx context.Context, address string) (jwksURI string, err error) {
	body, _, err := s.get(ctx, address)
	if err != nil {
		return "", err
	}
	var doc struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return "", fmt.Errorf("%s: %w", address, err)
	}
	if doc.Issuer != s.issuer {
		return "", fmt.Errorf("%s: metadata of issuer %q, not of %q", address, doc.Issuer, s.issuer)
	}
	u, err := url.Parse(doc.JWKSURI)
	if err != nil {
		return "", fmt.Errorf("%s: jwks_uri: %w", address, err)
	}
	if !weburl.IsSecure(u) || u.Scheme == "http" && strings.HasPrefix(s.issuer, "https:") {
		return "", fmt.Errorf("%s: jwks_uri %q is not an https URL", address, doc.JWKSURI)
	}
	return doc.JWKSURI, nil
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
