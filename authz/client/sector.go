package client

import (
	"net/url"
	"slices"
	"strings"

	"github.com/authzd/authzd/authz/weburl"
)

// Sector is the sector identifier of a client whose subjects are pairwise (OpenID Connect Core
// section 8.1): clients of one sector call a user by the same name. It is the host of the
// sector_identifier_uri, or else the one host of the redirect URIs. Who owns a host is known only of
// what is sent there, so a client is a sector of its own
//
//   - if its redirect URIs are on no host that is somebody's: a private-use scheme, a loopback
//     address, or none at all;
//   - if it was not configured by the operator and gets tokens that go to no redirect URI, a device's
//     or a logout token for another host: it could name another's host as its own and learn what that
//     one calls a user.
func (c *Client) Sector() string {
	own := "client " + c.ID // a space is in no host
	switch {
	case c.Source != Configured && (c.May(GrantDeviceCode) || c.hearsElsewhere()):
		return own
	case c.SectorURI != "":
		return hostOf(c.SectorURI)
	case len(c.RedirectURIs) == 0:
		return own
	}
	host := hostOf(c.RedirectURIs[0])
	for _, uri := range c.RedirectURIs {
		if h := hostOf(uri); h != host || h == "" || weburl.IsLoopback(h) {
			return own
		}
	}
	return host
}

// hearsElsewhere tells whether logout tokens, which have a sub, go to a host that no redirect URI is on.
func (c *Client) hearsElsewhere() bool {
	u := c.BackChannelURI
	return u != "" && !slices.Contains(hostsOf(c.RedirectURIs), hostOf(u))
}

// hostOf is the host of a URI without its port, "" if it has none.
func hostOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}
