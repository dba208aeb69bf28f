package oauth

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/authzd/authzd/authz/weburl"
)

// Issuer is the issuer identifier of this server (RFC 8414 section 2), and its parts. Make it by ParseIssuer.
type Issuer struct {
	ID     string // the identifier itself: the iss of tokens
	Origin string // as browsers write it (RFC 6454 section 6.2)
	Host   string // lower case, without a port
	Path   string // empty, or begins with a slash and ends in none
	Secure bool   // https
}

// ParseIssuer checks an issuer identifier and takes it apart. It must be an https URL, or http on loopback,
// without user, query, fragment and trailing slash.
func ParseIssuer(id string) (Issuer, error) {
	u, err := url.Parse(id)
	if err != nil {
		return Issuer{}, fmt.Errorf("issuer: %w", err)
	}
	if !weburl.IsSecure(u) || strings.ContainsAny(id, "?#") || u.User != nil || strings.HasSuffix(id, "/") {
		return Issuer{}, errors.New("issuer: must be an https URL (or http on loopback) without query, fragment and trailing slash")
	}
	return Issuer{
		ID:     id,
		Origin: weburl.OriginOf(u),
		Host:   strings.ToLower(u.Hostname()),
		Path:   u.Path,
		Secure: u.Scheme == "https",
	}, nil
}

// URL returns the URL of a path under the issuer. The path begins with a slash.
func (i Issuer) URL(path string) string { return i.ID + path }

// SameOrigin returns a check that refuses requests of another site's page, by Sec-Fetch-Site, or by Origin in
// browsers that lack the former. The issuer's origin passes even if a proxy sends another Host.
func (i Issuer) SameOrigin() *http.CrossOriginProtection {
	protection := http.NewCrossOriginProtection()
	_ = protection.AddTrustedOrigin(i.Origin) // ParseIssuer has made it: it is an origin
	return protection
}
