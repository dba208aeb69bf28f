package member

import (
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/authzd/authzd/authz/weburl"
)

// ParseURI parses an absolute URI (RFC 3986 section 4.3) with nothing in it that programs read in different ways.
func ParseURI(s string) (*url.URL, *Flaw) {
	if i := strings.IndexFunc(s, weburl.IsOdd); i >= 0 {
		return nil, Flawf("percent-encode it, or write the host in punycode", "a URI can't have the character at %d", i+1)
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, Flawf("write it as https://host/path; a % needs two hexadecimal digits after it", "not a URI")
	case u.Scheme == "":
		return nil, Flawf("begin it with a scheme, such as https://", "not an absolute URI")
	case u.User != nil:
		return nil, Flawf("remove what stands before the @", "has a user name")
	case u.Opaque == "" && u.Host == "" && u.Path == "":
		return nil, Flawf("write a host and a path after it", "nothing follows the scheme")
	}
	return u, nil
}

// WebURLFlaw demands a URL of an operator's that is https, or http on this machine.
func WebURLFlaw(s string) *Flaw {
	_, flaw := ParseWebURL(s)
	return flaw
}

// ParseWebURL parses a URL of an operator's that must be https, or http on this machine.
func ParseWebURL(s string) (*url.URL, *Flaw) {
	u, flaw := ParseURI(s)
	if flaw != nil {
		return nil, flaw
	}
	return u, WebFlaw(u)
}

// WebFlaw is WebURLFlaw for a URL that is parsed.
func WebFlaw(u *url.URL) *Flaw {
	host, port := u.Hostname(), u.Port()
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return Flawf("use https, or http on loopback", "the scheme %s is not allowed", u.Scheme)
	case host == "":
		return Flawf("write "+u.Scheme+"://host/path", "has no host")
	case strings.Contains(host, "*"):
		return Flawf("list each host", "has a wildcard")
	case !IsHost(host):
		return Flawf("write a name such as app.example.com, or an IP address", "not a host name or address")
	case strings.HasSuffix(u.Host, ":") || port != "" && !IsPort(port, 1):
		return Flawf("write a number from 1 to 65535 or nothing", "not a port")
	case u.Scheme == "http" && !weburl.IsLocalhost(host):
		hint := "use https; http is for localhost, 127.0.0.1 and [::1] only"
		if strings.EqualFold(host, "localhost") {
			hint = "write localhost in lower case, as it is compared"
		}
		return Flawf(hint, "must be https")
	}
	return nil
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*$`)

// IsHost reports whether s is a host name or an IP address, without brackets.
func IsHost(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil || hostName.MatchString(s)
}

// IsPort reports whether s is the number of a port, as programs write it, from the lowest one on.
func IsPort(s string, lowest int) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= lowest && n <= 65535 && strconv.Itoa(n) == s
}
