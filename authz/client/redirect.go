package client

import (
	"net/url"
	"slices"
	"strings"

	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/weburl"
)

// CheckRedirectURI refuses what no client may register: relative URIs, fragments (RFC 6749 section
// 3.1.2), credentials, plain http to other machines, and schemes that a browser would run or open
// itself. A private-use scheme must contain a dot (RFC 8252 section 7.1), or be one of schemes, which the
// operator has allowed, letter by letter.
func CheckRedirectURI(raw string, schemes ...string) *member.Flaw {
	u, err := url.Parse(raw)
	switch {
	case err != nil || strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' }): // RFC 3986 section 2
		return member.Flawf("write it as https://host/path", "not a URI")
	case u.Scheme == "":
		return member.Flawf("begin it with a scheme, such as https://", "not absolute")
	case strings.Contains(raw, "#"):
		return member.Flawf("remove the # and what follows", "has a fragment")
	case u.User != nil:
		return member.Flawf("remove what stands before the @", "has credentials")
	case strings.Trim(u.Host, hostCharacters) != "":
		return member.Flawf("write a host of letters, digits, hyphens and dots; other letters in Punycode", "its host has a character that is in no name, or belongs in Punycode")
	case u.Scheme == "https":
		if u.Hostname() == "" {
			return member.Flawf("write https://host/path", "has no host")
		}
		return nil
	case u.Scheme == "http":
		if !weburl.IsLoopback(u.Hostname()) {
			return member.Flawf("use https", "plain http is for loopback addresses only")
		}
		return nil
	}
	scheme := raw[:len(u.Scheme)] // as it was written
	if weburl.IsForeign(u.Scheme) {
		return member.Flawf("choose a scheme of the app's own", "the scheme means something to every browser, and is never allowed")
	}
	if !strings.Contains(scheme, ".") && !slices.Contains(schemes, scheme) {
		return member.Flawf("choose one with a dot", "a private-use scheme needs a dot, such as com.example.app, or the word of the operator")
	}
	return nil
}

// calledFlaw demands https, or http on loopback, without credentials and fragment: the server calls what is there, or
// leads people there.
func calledFlaw(raw string) *member.Flaw {
	flaw := CheckRedirectURI(raw)
	if u, err := url.Parse(raw); flaw == nil && err == nil && u.Scheme != "https" && u.Scheme != "http" {
		flaw = member.Flawf("use https", "not https")
	}
	return flaw
}

// hostCharacters are those of names (RFC 1123 section 2.1, and the underscore that some have), of
// addresses, and of a port. People see the host and go by it: no letter may look like another, and none
// may come from an escape (RFC 3986 section 3.2.2), which a parser decodes.
const hostCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:[]"

// MatchRedirectURI compares by exact string (RFC 9700 section 2.1), except that the port of a
// loopback address is free (RFC 8252 section 7.3), and that of localhost where the client opted in.
func (c *Client) MatchRedirectURI(raw string) bool {
	return c.matches(c.RedirectURIs, raw)
}

func (c *Client) matches(registered []string, raw string) bool {
	return slices.ContainsFunc(registered, func(reg string) bool {
		return weburl.MatchesRedirect(reg, raw, c.AllowLocalhostPorts)
	})
}

// MatchPostLogoutRedirectURI compares by exact string (RP-Initiated Logout section 3), with the freedom of
// ports that MatchRedirectURI has: an application that listens for the one listens for the other.
func (c *Client) MatchPostLogoutRedirectURI(raw string) bool {
	return c.matches(c.PostLogoutRedirectURIs, raw)
}

// MatchRequestURI compares by exact string (OpenID Connect Registration section 2), but for the fragment
// of either: it is not sent, and may be a hash of content that changes (OpenID Connect Core section 6.2).
func (c *Client) MatchRequestURI(raw string) bool {
	base, _, _ := strings.Cut(raw, "#")
	return slices.ContainsFunc(c.RequestURIs, func(registered string) bool {
		registered, _, _ = strings.Cut(registered, "#")
		return registered == base
	})
}

// Nearest returns the registered URI that differs least from raw, to explain a mismatch.
func Nearest(registered []string, raw string) string {
	best, bestDistance := "", -1
	for _, reg := range registered {
		if d := distance(reg, raw); bestDistance < 0 || d < bestDistance {
			best, bestDistance = reg, d
		}
	}
	return best
}

// distance is the number of bytes outside the longest common prefix and suffix.
func distance(a, b string) int {
	short := min(len(a), len(b))
	prefix := 0
	for prefix < short && a[prefix] == b[prefix] {
		prefix++
	}
	suffix := 0
	for suffix < short-prefix && a[len(a)-1-suffix] == b[len(b)-1-suffix] {
		suffix++
	}
	return max(len(a), len(b)) - prefix - suffix
}

// maxShownURI is how much of a URI an answer repeats.
const maxShownURI = 200 // bytes

// shownURI is a URI as an answer and the log may repeat it: where it leads, and not what it carries. It is
// empty if the URI has characters that no URI has.
func shownURI(uri string) string {
	if strings.ContainsFunc(uri, weburl.IsOdd) || strings.Contains(uri, "@") {
		return ""
	}
	place, _, _ := strings.Cut(uri, "#")
	if i := strings.IndexByte(place, '?'); i >= 0 {
		place = place[:i+1]
	}
	return place[:min(len(place), maxShownURI)]
}
