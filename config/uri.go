package config

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"

	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/weburl"
)

// The rules for URIs: pure functions, each of which returns what is wrong, or nil.

// checkIssuer applies OpenID Connect Discovery section 3 and RFC 8414 section 2.
func checkIssuer(s string) *member.Flaw {
	u, p := member.ParseWebURL(s)
	switch {
	case p != nil:
		return p
	case strings.ContainsAny(s, "?#"):
		return problemf("remove the ? or # and what follows", "an issuer has neither query nor fragment")
	case strings.HasSuffix(s, "/"):
		return problemf("write "+strings.TrimRight(s, "/"), "ends with a slash")
	case s != strings.ToLower(u.Scheme+"://"+u.Host)+u.Path:
		return problemf("write scheme and host in lower case and nothing percent-encoded", "clients compare an issuer character by character, and this one has other spellings")
	case !issuerPath.MatchString(u.Path):
		return problemf("use letters, digits, and . _ ~ - between single slashes", "unusable path")
	case weburl.HasDefaultPort(u):
		return problemf("write "+weburl.OriginOf(u)+u.Path, "names the port that is the default")
	}
	return nil
}

var issuerPath = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)*$`)

// checkResource applies RFC 8707 section 2.
func checkResource(s string) *member.Flaw {
	_, p := member.ParseURI(s)
	if p == nil && strings.Contains(s, "#") {
		return problemf("remove the # and what follows", "has a fragment")
	}
	return p
}

func onLoopback(uri string) bool {
	u, err := url.Parse(uri)
	return err == nil && weburl.IsLocalhost(u.Hostname())
}

// listenFor is the address to listen on for an issuer that is tried out.
func listenFor(issuer string) string {
	u, err := url.Parse(issuer)
	if err != nil {
		return ":9010"
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	if !weburl.IsLocalhost(u.Hostname()) {
		return ":" + port
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// checkListen demands host:port; port 0 means any free one.
func checkListen(s string) *member.Flaw {
	host, port, err := net.SplitHostPort(s)
	switch {
	case member.IsPort(s, 0):
		return problemf(fmt.Sprintf("write \":%s\", with quotes, for all interfaces", s), "a colon is missing")
	case strings.Contains(s, "://"):
		return problemf("write host:port, such as 127.0.0.1:9010; the URL belongs in issuer", "an address has no scheme")
	case err != nil:
		return problemf("write host:port, such as \":9010\" or 127.0.0.1:9010", "not an address with a port")
	case !member.IsPort(port, 0):
		return problemf("write a number from 0 to 65535", "not a port")
	case host != "" && !member.IsHost(host):
		return problemf("write an IP address, localhost, or nothing for all interfaces", "not a host name or address")
	}
	return nil
}
