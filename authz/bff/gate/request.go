package gate

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/authzd/authzd/authz/weburl"
)

// Request is the request that a gate decides about, as its server will read it.
type Request struct {
	Method string // upper case
	Scheme string // http or https
	Host   string // in the normal form of normalHost
	Path   string // decoded once, by weburl.ReadPath
	Target string // path and query as they were sent; where to return after a sign-in

	Navigation bool // a person waits in front of a browser, who can be sent to sign in
}

// ReadError says why the request that a gate is asked about could not be read in exactly one way. It does not
// repeat what was sent.
type ReadError struct {
	Source string // the header, or what else was read
	Reason string
}

func (e *ReadError) Error() string { return e.Source + " " + e.Reason }

const (
	maxTarget = 8 << 10 // bytes of path and query
	maxMethod = 32
)

// newRequest checks the four values of a contract, and gives them their normal form. The sources are named in errors.
func newRequest(h http.Header, method, scheme, host, target value) (*Request, error) {
	r := &Request{Method: method.text, Target: target.text}
	if !isMethod(r.Method) {
		return nil, &ReadError{method.source, "has no method"}
	}
	switch r.Scheme = strings.ToLower(scheme.text); r.Scheme {
	case "http", "https":
	default:
		return nil, &ReadError{scheme.source, "has no scheme of the web"}
	}
	var ok bool
	if r.Host, ok = normalHost(host.text, r.Scheme); !ok {
		return nil, &ReadError{host.source, "has no host"}
	}
	var reason string
	if r.Path, reason = readTarget(target.text); reason != "" {
		return nil, &ReadError{target.source, reason}
	}
	r.Navigation = isNavigation(h)
	return r, nil
}

// readTarget returns the path of path and query, or why it has none. The query never matters for a decision.
func readTarget(target string) (path, reason string) {
	if len(target) > maxTarget {
		return "", "is too long"
	}
	for _, c := range []byte(target) {
		if c <= ' ' || c == 0x7f || c == '#' || c == '\\' {
			return "", "has a character that no URL has"
		}
	}
	if isJoined(target) {
		return "", "has two values"
	}
	raw, _, _ := strings.Cut(target, "?")
	path, err := weburl.ReadPath(raw, weburl.PathOptions{})
	if err != nil {
		return "", "is refused: " + err.Error()
	}
	return path, ""
}

// isJoined reports whether a URL, or path and query, may be two header values that a proxy has joined by a comma.
func isJoined(s string) bool {
	for {
		_, rest, found := strings.Cut(s, ",")
		if !found {
			return false
		}
		s = rest
		next := strings.TrimLeft(rest, " \t")
		if strings.HasPrefix(next, "/") || strings.HasPrefix(next, "http:") || strings.HasPrefix(next, "https:") {
			return true
		}
	}
}

// isMethod reports whether s is a method in upper case. Methods are case-sensitive (RFC 9110 section 9.1), but not
// every server treats them so.
func isMethod(s string) bool {
	if s == "" || len(s) > maxMethod {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// normalHost returns a host in lower case, without the dot at its end and the default port of the scheme.
func normalHost(host, scheme string) (string, bool) {
	host = strings.ToLower(host)
	name, port := host, ""
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		name, port = host[:i], host[i+1:]
		if !isPort(port) {
			return "", false
		}
	}
	if !isIPv6(name) {
		if name = strings.TrimSuffix(name, "."); !isName(name) {
			return "", false
		}
	}
	if port == "" || scheme == "https" && port == "443" || scheme == "http" && port == "80" {
		return name, true
	}
	return name + ":" + port, true
}

func isPort(s string) bool {
	return s != "" && len(s) <= 5 && s[0] != '0' && strings.Trim(s, "0123456789") == ""
}

// isIPv6 reports whether a host is an IPv6 address in brackets, in its usual spelling.
func isIPv6(host string) bool {
	inner, ok := strings.CutPrefix(host, "[")
	inner, ok2 := strings.CutSuffix(inner, "]")
	if !ok || !ok2 {
		return false
	}
	addr, err := netip.ParseAddr(inner)
	return err == nil && addr.Zone() == "" && addr.Is6() && addr.String() == inner
}

// isName reports whether a host is a name or an IPv4 address, in lower case.
func isName(host string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789-_."
	return host != "" && len(host) <= 253 && strings.Trim(host, letters) == "" &&
		host[0] != '.' && host[len(host)-1] != '.' && !strings.Contains(host, "..")
}

// isNavigation reports whether a browser asks for a page that a person will see: it says so by Sec-Fetch-Mode and
// Sec-Fetch-Dest, or, if it is too old for them, accepts HTML and is neither a script nor a socket. Only a person can be
// sent to sign in.
func isNavigation(h http.Header) bool {
	if h.Get("Sec-Fetch-Mode") != "" || h.Get("Sec-Fetch-Dest") != "" {
		return h.Get("Sec-Fetch-Mode") == "navigate" && h.Get("Sec-Fetch-Dest") == "document"
	}
	return acceptsHTML(h) && h.Get("X-Requested-With") == "" && h.Get("Upgrade") == ""
}

func acceptsHTML(h http.Header) bool {
	for _, line := range h["Accept"] {
		for element := range strings.SplitSeq(line, ",") {
			name, _, _ := strings.Cut(element, ";")
			if strings.EqualFold(strings.TrimSpace(name), "text/html") {
				return true
			}
		}
	}
	return false
}

// value is what a contract has read, and where.
type value struct{ text, source string }

// one returns the value of a header that must be there exactly once.
func one(h http.Header, name string) (value, error) {
	lines := h[http.CanonicalHeaderKey(name)]
	switch {
	case len(lines) == 0 || lines[0] == "":
		return value{}, &ReadError{name, "is missing"}
	case len(lines) > 1:
		return value{}, &ReadError{name, "is there twice"}
	}
	return value{lines[0], name}, nil
}
