package gate

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/authzd/authzd/authz/bff/websession"
)

// maxIdentity bounds the values of all identity headers together. Proxies have buffers of 4 KiB for an answer.
const maxIdentity = 3 << 10

var errIdentity = errors.New("the identity headers would be too long for proxies: leave out roles or groups")

// header is one identity header.
type header struct{ name, source string }

// headersOf returns the configured headers in the order of their names.
func headersOf(configured map[string]string) []header {
	var all []header
	for _, name := range slices.Sorted(maps.Keys(configured)) {
		all = append(all, header{http.CanonicalHeaderKey(name), configured[name]})
	}
	return all
}

// identify sets every identity header, to nothing if there is no session. It writes them as nobody else could: proxies
// copy them by name, and a header that is missing would leave the client's in place.
func (g *Gate) identify(h http.Header, s *site, session *websession.Session) error {
	values := make([]string, len(g.headers))
	size := 0
	for i, header := range g.headers {
		if session == nil {
			continue
		}
		var err error
		if values[i], err = g.identity(header.source, s, session); err != nil {
			return err
		}
		size += len(values[i])
	}
	if size > maxIdentity {
		return errIdentity
	}
	for i, header := range g.headers {
		h[header.name] = values[i : i+1 : i+1]
	}
	return nil
}

func (g *Gate) identity(source string, s *site, session *websession.Session) (string, error) {
	switch source {
	case "sub":
		return escape(session.Subject, ""), nil
	case "sid":
		return escape(session.SID, ""), nil
	case "roles":
		return join(session.Roles), nil
	case "groups":
		return join(session.Groups), nil
	case "assertion":
		return g.assert(s, session)
	}
	return claim(session.Claims, source), nil
}

// claim returns a claim that is text, or a list of texts. Others are empty.
func claim(claims json.RawMessage, name string) string {
	var all map[string]json.RawMessage
	if json.Unmarshal(claims, &all) != nil {
		return ""
	}
	var text string
	if json.Unmarshal(all[name], &text) == nil {
		return escape(text, "")
	}
	var list []string
	if json.Unmarshal(all[name], &list) == nil {
		return join(list)
	}
	return ""
}

// join separates values by commas, so that a comma within a value is escaped.
func join(values []string) string {
	escaped := make([]string, len(values))
	for i, v := range values {
		escaped[i] = escape(v, ",")
	}
	return strings.Join(escaped, ",")
}

// escape percent-encodes what a header cannot carry to every program unchanged: control characters, what is not ASCII,
// blanks at the ends, and the percent sign itself.
func escape(text, also string) string {
	const digits = "0123456789ABCDEF"
	var out strings.Builder
	for i, c := range []byte(text) {
		edge := c == ' ' && (i == 0 || i == len(text)-1)
		if c < ' ' || c >= 0x7f || c == '%' || edge || strings.IndexByte(also, c) >= 0 {
			out.Write([]byte{'%', digits[c>>4], digits[c&15]})
			continue
		}
		out.WriteByte(c)
	}
	return out.String()
}

// alias returns the name of a client's header that could be taken for an identity header, "" if there is none. Identity
// headers themselves are overwritten by the proxy.
func (g *Gate) alias(h http.Header) string {
	for name := range h {
		if strings.ContainsFunc(name, isJoint) && g.impersonates(name) {
			return name
		}
	}
	return ""
}

// impersonates reports whether a header is an identity header, or could be taken for one. Programs behind CGI and its
// relatives know no difference between a hyphen and other characters.
func (g *Gate) impersonates(name string) bool {
	if strings.ContainsFunc(name, isJoint) {
		name = strings.Map(func(r rune) rune {
			if isJoint(r) {
				return '-'
			}
			return r
		}, name)
	}
	return slices.ContainsFunc(g.headers, func(h header) bool { return strings.EqualFold(h.name, name) })
}

// isJoint reports whether a character may become a hyphen, or the underscore that stands for one.
func isJoint(r rune) bool {
	return r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}
