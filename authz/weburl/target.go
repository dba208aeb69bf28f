package weburl

import (
	"net/url"
	"strings"
)

// IsLocalTarget reports whether a text is a path, with or without a query and fragment, that leads to the own origin in
// every browser and in every program that reads a Location header. It is for places that a request names to return to.
// Everything that begins like a URL of another origin is none, and so is a path of which ReadPath says that it has two
// readings; encoded slashes are fine.
func IsLocalTarget(target string) bool {
	if !strings.HasPrefix(target, "/") || strings.ContainsFunc(target, IsOdd) {
		return false
	}
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" {
		return false
	}
	path, _, _ := strings.Cut(target, "?")
	path, _, _ = strings.Cut(path, "#")
	_, err = ReadPath(path, PathOptions{EncodedSlash: true})
	return err == nil
}
