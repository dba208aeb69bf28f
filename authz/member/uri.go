package member

import (
	"net/url"
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
