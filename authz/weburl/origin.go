package weburl

import (
	"net/url"
	"slices"
	"strings"
)

// OriginOf returns the origin of a URL as browsers write it (RFC 6454 section 6.2): in lower case, and
// without the port that is the default of http or https.
func OriginOf(u *url.URL) string {
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	if HasDefaultPort(u) {
		host = strings.TrimSuffix(host, ":"+u.Port())
	}
	return scheme + "://" + host
}

// HasDefaultPort reports whether a URL names the port that is the default of its scheme.
func HasDefaultPort(u *url.URL) bool {
	return u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80"
}

// Origin returns the origin of an http or https URL, "" if it is none.
func Origin(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	return OriginOf(u)
}

// Origins returns the origins of those URIs that are http or https URLs, in their order and each once.
func Origins(uris []string) []string {
	var origins []string
	for _, uri := range uris {
		if origin := Origin(uri); origin != "" && !slices.Contains(origins, origin) {
			origins = append(origins, origin)
		}
	}
	return origins
}
