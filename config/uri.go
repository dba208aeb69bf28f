package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/weburl"
)

// The rules for URIs: pure functions, each of which returns what is wrong, or nil.

// checkIssuer applies OpenID Connect Discovery section 3 and RFC 8414 section 2.
func checkIssuer(s string) *member.Flaw {
	u, p := parseWeb(s)
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

// checkWebURL demands https, or http on loopback.
func checkWebURL(s string) *member.Flaw {
	_, p := parseWeb(s)
	return p
}

// checkRedirectURI applies RFC 6749 section 3.1.2, RFC 9700 section 2.1 and, for native
// applications, RFC 8252 section 7. Schemes are those that the operator allows, letter by letter.
func checkRedirectURI(s string, native bool, schemes []string) *member.Flaw {
	u, p := member.ParseURI(s)
	switch {
	case p != nil:
		if scheme, found := strings.CutSuffix(strings.TrimSuffix(s, "//"), ":"); found && scheme != "http" && scheme != "https" && checkOwnScheme(scheme) == nil {
			p.Hint = "write " + scheme + ":/callback: some path must follow, with one slash (RFC 8252 section 7.1)"
		}
		return p
	case strings.Contains(s, "#"):
		return problemf("remove the # and what follows", "has a fragment")
	case strings.Contains(s, "*"):
		return problemf("list each redirect URI; they are compared character by character", "has a wildcard")
	case slices.ContainsFunc(strings.Split(u.Path, "/"), isDotSegment):
		return problemf("write the path that is meant", "has . or .. in its path, which browsers resolve")
	case u.Scheme == "http" || u.Scheme == "https":
		return checkWeb(u)
	case slices.Contains(schemes, s[:len(u.Scheme)]):
		return nil
	case checkOwnScheme(u.Scheme) != nil:
		return problemf("use https, http on loopback, or in a native app a scheme such as com.example.app",
			"the scheme %s is not allowed", u.Scheme)
	case !strings.Contains(u.Scheme, "."):
		return problemf(fmt.Sprintf("use https, http on loopback, or in a native app a scheme such as com.example.app; if the app has no other, redirect_schemes: [%s] allows it", s[:len(u.Scheme)]),
			"the scheme %s is not allowed", u.Scheme)
	case !native:
		return problemf("give the client preset: native, or use https", "only native apps may use a private-use scheme")
	}
	return nil
}

// checkOwnScheme refuses what cannot be the scheme of an application's own.
func checkOwnScheme(s string) *member.Flaw {
	switch lower := strings.ToLower(s); {
	case !weburl.IsScheme(s):
		return problemf("write it without the colon and what follows, such as myapp", "not a URI scheme")
	case lower == "http" || lower == "https":
		return problemf("remove it; such redirect URIs need no permission", "not a scheme of an app's own")
	case weburl.IsForeign(s):
		return problemf("choose one of the app's own", "means something to every browser, and is never allowed")
	}
	return nil
}

func isDotSegment(s string) bool { return s == "." || s == ".." }

// checkOrigin demands the form in which browsers send an Origin (RFC 6454 section 6.2).
func checkOrigin(s string) *member.Flaw {
	if s == "*" || s == "null" {
		return problemf("list each origin, such as https://app.example.com", "stands for any page")
	}
	u, p := member.ParseURI(s)
	switch {
	case p != nil:
		return p
	case slices.Contains([]string{"about", "blob", "data", "file", "javascript"}, u.Scheme):
		return problemf("use https, or http on loopback", "the scheme %s is not allowed", u.Scheme)
	case u.Host == "":
		return problemf("write scheme://host", "has no host")
	case strings.Contains(s, "*"):
		return problemf("list each origin", "has a wildcard")
	case s != weburl.OriginOf(u):
		return problemf("write "+weburl.OriginOf(u), "not the form in which browsers send an origin")
	case u.Scheme == "http" || u.Scheme == "https":
		return checkWeb(u)
	}
	return nil
}

// checkResource applies RFC 8707 section 2.
func checkResource(s string) *member.Flaw {
	_, p := member.ParseURI(s)
	if p == nil && strings.Contains(s, "#") {
		return problemf("remove the # and what follows", "has a fragment")
	}
	return p
}

// parseWeb parses a URL that must be https, or http on loopback.
func parseWeb(s string) (*url.URL, *member.Flaw) {
	u, p := member.ParseURI(s)
	if p != nil {
		return nil, p
	}
	return u, checkWeb(u)
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*$`)

func checkWeb(u *url.URL) *member.Flaw {
	host, port := u.Hostname(), u.Port()
	_, ipErr := netip.ParseAddr(host)
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return problemf("use https, or http on loopback", "the scheme %s is not allowed", u.Scheme)
	case host == "":
		return problemf("write "+u.Scheme+"://host/path", "has no host")
	case strings.Contains(host, "*"):
		return problemf("list each host", "has a wildcard")
	case ipErr != nil && !hostName.MatchString(host):
		return problemf("", "not a host name or address")
	case strings.HasSuffix(u.Host, ":") || port != "" && !isPort(port, 1):
		return problemf("write a number from 1 to 65535 or nothing", "not a port")
	case u.Scheme == "http" && !weburl.IsLocalhost(host):
		return problemf("use https; http is for localhost, 127.0.0.1 and [::1] only", "must be https")
	}
	return nil
}

func isPort(s string, lowest int) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= lowest && n <= 65535 && strconv.Itoa(n) == s
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
	_, ipErr := netip.ParseAddr(host)
	switch {
	case isPort(s, 0):
		return problemf(fmt.Sprintf("write \":%s\", with quotes, for all interfaces", s), "a colon is missing")
	case strings.Contains(s, "://"):
		return problemf("write host:port, such as 127.0.0.1:9010; the URL belongs in issuer", "an address has no scheme")
	case err != nil:
		return problemf("write host:port, such as \":9010\" or 127.0.0.1:9010", "not an address with a port")
	case !isPort(port, 0):
		return problemf("write a number from 0 to 65535", "not a port")
	case host != "" && ipErr != nil && !hostName.MatchString(host):
		return problemf("write an IP address, localhost, or nothing for all interfaces", "not a host name or address")
	}
	return nil
}
