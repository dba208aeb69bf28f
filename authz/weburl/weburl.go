// Package weburl has the rules for URLs that the configuration, client metadata, the server, its pages and
// the middleware share, each with one meaning:
//
//	IsLoopback, IsLocalhost, IsSecure   is it this machine, and may plain http lead there
//	Origin, OriginOf, Origins           the origin as browsers write it
//	MatchesRedirect                     is it the redirect URI that was registered
//	SameResource                        is it the same API
//	ReadPath                            what the path of a request is, if all programs read it alike
//	IsForeign, IsScheme, IsOdd          what a URI may consist of
//
// It imports nothing of this module.
package weburl

import (
	"regexp"
	"slices"
	"strings"
)

// ForeignSchemes lead to what a browser runs, opens or sends itself, or to another application on every
// device. No application can have one of them for its own (RFC 8252 section 7.1). They are in lower case;
// http and https are not among them.
var ForeignSchemes = []string{
	"about", "blob", "chrome", "chrome-extension", "content", "cid", "data", "facetime", "file", "filesystem", "ftp", "ftps", "geo",
	"intent", "jar", "javascript", "mailto", "market", "mid", "moz-extension", "ms-settings", "resource", "search-ms", "sftp", "sip", "sips",
	"sms", "smsto", "ssh", "tel", "urn", "vbscript", "view-source", "ws", "wss",
}

// IsForeign reports whether a scheme is one of ForeignSchemes, in upper or lower case.
func IsForeign(scheme string) bool { return slices.Contains(ForeignSchemes, strings.ToLower(scheme)) }

var schemeSyntax = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]{0,63}$`)

// IsScheme reports whether s has the syntax of a scheme (RFC 3986 section 3.1), without the colon, and 64
// characters at most.
func IsScheme(s string) bool { return schemeSyntax.MatchString(s) }

// IsOdd reports whether no URI can have a character (RFC 3986 section 2).
func IsOdd(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"<>\\^`{|}", r) }

// SameResource reports whether two URIs name the same resource (RFC 8707 section 2): they are equal, but for
// the slash of an empty path (RFC 3986 section 6.2.3).
func SameResource(a, b string) bool { return a == b || withoutEmptyPath(a) == withoutEmptyPath(b) }

func withoutEmptyPath(uri string) string {
	scheme, rest, found := strings.Cut(uri, "://")
	host := strings.IndexAny(rest, "/?#")
	if !found || host <= 0 || rest[host] != '/' || len(rest) > host+1 && rest[host+1] != '?' {
		return uri
	}
	return scheme + "://" + rest[:host] + rest[host+1:]
}
