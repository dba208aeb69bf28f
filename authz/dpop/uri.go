package dpop

import (
	"errors"
	"net/url"
	"strings"
)

var errURI = errors.New("not an absolute http or https URL")

// normalURI returns the form in which an htu is compared: syntax-based and scheme-based normalisation (RFC
// 3986 sections 6.2.2 and 6.2.3), without query and fragment (RFC 9449 section 4.3, check 9). Nothing looser:
// with one more slash at the end it is another URI.
func normalURI(uri string) (string, error) {
	if len(uri) > maxURI {
		return "", errURI
	}
	u, err := url.Parse(uri)
	if err != nil || u.Host == "" || u.Opaque != "" || u.User != nil {
		return "", errURI
	}
	defaultPort := map[string]string{"https": "443", "http": "80"}[u.Scheme] // in lower case by url.Parse
	if defaultPort == "" {
		return "", errURI
	}
	host, port := strings.ToLower(u.Host), u.Port()
	if port == "" || port == defaultPort {
		host = strings.TrimSuffix(strings.TrimSuffix(host, port), ":")
	}
	if host == "" || strings.HasPrefix(host, ":") || strings.HasSuffix(host, ":") || strings.ContainsFunc(host, notInHost) {
		return "", errURI
	}
	path := u.RawPath // as it was written
	if path == "" {
		path = u.EscapedPath() // there is no RawPath because it would be the same
	}
	path = removeDotSegments(normalEscapes(path))
	if path == "" {
		path = "/"
	}
	return u.Scheme + "://" + host + path, nil
}

// notInHost reports whether a character is in neither a DNS name nor an address.
func notInHost(r rune) bool {
	return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789-._[]:", r)
}

// normalEscapes writes percent-encodings in upper case and decodes those of unreserved characters (RFC 3986
// sections 6.2.2.1 and 6.2.2.2). It encodes characters that a path may not contain, as browsers do. A "%" in
// the path must be followed by two hexadecimal digits.
func normalEscapes(path string) string {
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		c := path[i]
		escaped := c == '%'
		if escaped {
			c = unhex(path[i+1])<<4 | unhex(path[i+2])
			i += 2
		}
		if unreserved(c) || !escaped && strings.IndexByte("/!$&'()*+,;=:@", c) >= 0 {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', upperHex[c>>4], upperHex[c&15]})
		}
	}
	return b.String()
}

const upperHex = "0123456789ABCDEF"

func unhex(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	}
	return c - '0'
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}

// removeDotSegments is RFC 3986 section 5.2.4, for a path that is empty or begins with a slash. It keeps
// empty segments, because they distinguish paths.
func removeDotSegments(path string) string {
	if !strings.Contains(path, "/.") {
		return path
	}
	segments := strings.Split(path, "/")[1:]
	var kept []string
	for i, segment := range segments {
		switch segment {
		case "..":
			kept = kept[:max(len(kept)-1, 0)]
		case ".":
		default:
			kept = append(kept, segment)
			continue
		}
		if i == len(segments)-1 { // "/a/." and "/a/b/.." are "/a/"
			kept = append(kept, "")
		}
	}
	return "/" + strings.Join(kept, "/")
}
