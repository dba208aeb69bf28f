package templates

import (
	"html/template"
	"net/url"
	"regexp"

	"github.com/authzd/authzd/authz/weburl"
)

// plainHost is a valid host in a Content-Security-Policy. net/url accepts more, such as semicolons.
var plainHost = regexp.MustCompile(`^[A-Za-z0-9.-]+(:[0-9]{1,5})?$`)

// webURL parses an absolute http or https URL, and returns nil for anything else.
func webURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || (u.Scheme != "https" && u.Scheme != "http") {
		return nil
	}
	return u
}

// webLink returns s if it is an http or https URL, otherwise "".
func webLink(s string) string {
	if u := webURL(s); u != nil {
		return u.String()
	}
	return ""
}

// appLink returns s if it leads to the web, or to an installed app by a private-use scheme (RFC 8252 section
// 7.1), which no browser knows; otherwise "". The scheme keeps its spelling, because apps are registered
// under it letter by letter.
func appLink(s string) template.URL {
	if link := webLink(s); link != "" {
		return template.URL(link)
	}
	u, err := url.Parse(s)
	if err != nil || bearsScript(s) || u.Scheme == "http" || u.Scheme == "https" || weburl.IsForeign(u.Scheme) {
		return ""
	}
	return template.URL(s[:len(u.Scheme)] + u.String()[len(u.Scheme):])
}

// bearsScript reports whether following s could run a script on our own origin. Browsers drop control
// characters and leading blanks before they read a scheme, so a URL that does not parse counts as one.
func bearsScript(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" {
		return true
	}
	switch u.Scheme {
	case "javascript", "vbscript", "data", "blob", "filesystem", "about", "view-source":
		return true
	}
	return false
}

// foreignLink returns s if a page may load it as an image or in a frame, otherwise "".
func foreignLink(s string) string {
	if foreignOrigin(s) == "" {
		return ""
	}
	return webLink(s)
}

// foreignOrigin returns the origin of something that a page loads from elsewhere, for the policy: https, or
// http from this machine during development; otherwise "".
func foreignOrigin(s string) string {
	u := webURL(s)
	if u == nil || !plainHost.MatchString(u.Host) || !weburl.IsSecure(u) {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// redirectHost names the destination of a redirect URI in the fewest words that tell one app from another:
// the host of a web page, or the scheme of an installed app.
func redirectHost(s string) string {
	if u := webURL(s); u != nil {
		return u.Host
	}
	if u, err := url.Parse(s); err == nil {
		return u.Scheme
	}
	return ""
}
