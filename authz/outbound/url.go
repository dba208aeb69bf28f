package outbound

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/publicsuffix"
)

const maxURL = 2048 // bytes

// CheckURL returns ErrURL or ErrBlocked if Get and PostForm would refuse a URL for any address of its host.
// Use it when a client registers the URL.
func (c *Client) CheckURL(rawURL string) error {
	_, err := c.parse(rawURL)
	return err
}

// parse accepts absolute https URLs, and http ones that may lead to an allowed network. It refuses a URL that
// two parsers could read differently.
func (c *Client) parse(rawURL string) (*url.URL, error) {
	refused := func(why string) (*url.URL, error) { return nil, fmt.Errorf("%w: %s", ErrURL, why) }
	if len(rawURL) > maxURL {
		return refused("too long")
	}
	if strings.ContainsFunc(rawURL, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' }) {
		return refused("it has a character that belongs percent-encoded")
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return refused("malformed")
	}
	switch {
	case u.Scheme != "https" && (u.Scheme != "http" || len(c.allowed) == 0):
		return refused("not https")
	case u.Opaque != "" || u.Hostname() == "":
		return refused("it has no host")
	case u.User != nil:
		return refused("it has credentials")
	case strings.Contains(rawURL, "#"):
		return refused("it has a fragment")
	case !isPort(u.Port()) || strings.HasSuffix(u.Host, ":"):
		return refused("its port is invalid")
	}
	return u, c.checkHost(u)
}

// checkHost checks a host that is an address, and refuses spellings of an address that some resolvers know
// and netip doesn't: 127.1, 0x7f000001, 017700000001.
func (c *Client) checkHost(u *url.URL) error {
	host := u.Hostname()
	addr, err := netip.ParseAddr(host)
	if err != nil {
		if strings.Trim(strings.ToLower(host), hostCharacters) != "" || endsInNumber(host) {
			return fmt.Errorf("%w: its host is not a name or an address", ErrURL)
		}
		return nil
	}
	if addr.Zone() != "" {
		return fmt.Errorf("%w: its host has a zone", ErrURL)
	}
	if u.Scheme == "http" {
		return c.mayDialPlain(addr)
	}
	return c.mayDial(addr)
}

// hostCharacters are those of a name (RFC 952, RFC 1123), and the underscore that some have.
const hostCharacters = "abcdefghijklmnopqrstuvwxyz0123456789-_."

func isPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && n > 0
}

// endsInNumber is the test by which browsers recognise an IPv4 address (WHATWG URL section 3.5): no top-level
// domain is a number.
func endsInNumber(host string) bool {
	host = strings.TrimSuffix(host, ".")
	last := strings.ToLower(host[strings.LastIndexByte(host, '.')+1:])
	hex, isHex := strings.CutPrefix(last, "0x")
	if isHex {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(last, "0123456789") == ""
}

// siteOf returns what shares a limit: one registrable domain with all its subdomains, because they have one
// owner; or one address, or one IPv6 network of the size that a customer gets.
func siteOf(host string) string {
	if addr, err := netip.ParseAddr(host); err == nil {
		addr = addr.Unmap()
		if addr.Is4() {
			return addr.String()
		}
		network, _ := addr.Prefix(64) // can't fail on IPv6
		return network.String()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if site, err := publicsuffix.EffectiveTLDPlusOne(host); err == nil {
		return site
	}
	return host
}
