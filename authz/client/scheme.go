package client

import (
	"errors"
	"regexp"
	"slices"
	"strings"
)

// forbiddenSchemes lead to what a browser runs, opens or sends itself, or to another application on every
// device. The operator cannot allow them.
var forbiddenSchemes = []string{
	"about", "blob", "chrome", "chrome-extension", "content", "cid", "data", "facetime", "file", "filesystem", "ftp", "ftps", "geo",
	"intent", "jar", "javascript", "mailto", "market", "mid", "moz-extension", "ms-settings", "resource", "search-ms", "sftp", "sip", "sips",
	"sms", "smsto", "ssh", "tel", "urn", "vbscript", "view-source", "ws", "wss",
}

// schemeSyntax is that of RFC 3986 section 3.1.
var schemeSyntax = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]{0,63}$`)

// CheckScheme refuses what cannot be the scheme of an application's own: other syntax, http and https, and
// those that mean something to every browser.
func CheckScheme(scheme string) error {
	switch lower := strings.ToLower(scheme); {
	case !schemeSyntax.MatchString(scheme):
		return errors.New("is no URI scheme: write it without the colon and what follows")
	case lower == "http" || lower == "https":
		return errors.New("is no scheme of an application's own")
	case slices.Contains(forbiddenSchemes, lower):
		return errors.New("means something to every browser, and is never allowed")
	}
	return nil
}
