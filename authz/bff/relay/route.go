package relay

import (
	_ "embed" // RouteSource
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/member"
)

// RouteSource is the source of this file, whose comments are the manual of the keys.
//
//go:embed route.go
var RouteSource []byte

// Token says which token a request gets on its way to an API.
type Token string

const (
	TokenNone         Token = "none"
	TokenUser         Token = "user"           // the user's; without a session the answer is 401
	TokenClient       Token = "client"         // the frontend's own (RFC 6749 section 4.4), with or without a session
	TokenUserOrClient Token = "user-or-client" // the user's; without a session the frontend's own
)

// Route leads the paths of a frontend to an API. Nothing of a request chooses the scheme, the host, the port or the
// base path.
type Route struct {
	// Path is what paths begin with, such as /api/. If it does not end in a slash, it is one path. Of several routes
	// that match, the longest counts. It stands below the frontend's URL.
	Path string `yaml:"path" json:"path"`
	// URL is what replaces Path. Both end in a slash, or neither does.
	URL string `yaml:"url" json:"url"`
	// Methods are those that may pass. Empty: GET, and HEAD with it.
	Methods []string `yaml:"methods" json:"methods,omitempty"`

	// Token is the kind of token. Empty: user.
	Token Token `yaml:"token" json:"token,omitempty" enum:"none,user,client,user-or-client"`
	// Resource is the API's identifier, for which the token is asked (RFC 8707). Empty: the provider's default.
	Resource string `yaml:"resource" json:"resource,omitempty"`

	// EventStream lets a GET come without the header X-Authzd-BFF, because EventSource cannot send it. Then the
	// browser must say that the page is of the same origin.
	EventStream bool `yaml:"event_stream" json:"event_stream,omitempty"`
	// WebSocket lets a GET with a ticket open a WebSocket.
	WebSocket bool `yaml:"websocket" json:"websocket,omitempty"`
	// TicketInQuery accepts the ticket as the parameter "ticket" too, for programs that cannot offer a sub-protocol.
	// Proxies in front of this one may log it.
	TicketInQuery bool `yaml:"ticket_in_query" json:"ticket_in_query,omitempty"`

	// EncodedSlash lets %2F pass, for APIs whose identifiers have slashes. Otherwise such paths are refused.
	EncodedSlash bool `yaml:"encoded_slash" json:"encoded_slash,omitempty"`
	// Cookies are the names of cookies that the API may set, and gets. Empty: none. Ours can't be among them.
	Cookies []string `yaml:"cookies" json:"cookies,omitempty"`

	// ConnectTimeout is for the connection to the API; 0: 5s.
	ConnectTimeout member.Duration `yaml:"connect_timeout" json:"connect_timeout,omitempty"`
	// AnswerTimeout is from the end of the request to the first line of the answer; 0: 60s. The body of an answer may
	// take any time.
	AnswerTimeout member.Duration `yaml:"answer_timeout" json:"answer_timeout,omitempty"`
}

const (
	usualConnectTimeout = 5 * time.Second
	usualAnswerTimeout  = 60 * time.Second
)

// knownMethods are those that may pass. CONNECT and TRACE are for proxies.
var knownMethods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"}

// Problems returns everything that is wrong with a route.
func (rt *Route) Problems() member.Problems {
	found := member.Forms(rt)
	found.Add("path", rt.Path, pathFlaw(rt.Path))
	found.Add("url", rt.URL, baseFlaw(rt.URL, rt.Path))
	for i, method := range rt.Methods {
		if !slices.Contains(knownMethods, method) {
			found.Add(member.Element("methods", i), method, member.Flawf("use "+strings.Join(knownMethods, ", "), "not a method that may pass"))
		}
	}
	if rt.Resource != "" {
		found.Add("resource", rt.Resource, resourceFlaw(rt.Resource))
	}
	switch {
	case rt.WebSocket && len(rt.Methods) > 0 && !slices.Contains(rt.Methods, "GET"):
		found.Add("websocket", rt.WebSocket, member.Flawf("add GET to methods", "a WebSocket begins with a GET, which methods does not have"))
	case rt.TicketInQuery && !rt.WebSocket:
		found.Add("ticket_in_query", rt.TicketInQuery, member.Flawf("set websocket too, or remove it", "there is no ticket without websocket"))
	}
	if rt.Resource != "" && rt.Token == TokenNone {
		found.Add("resource", rt.Resource, member.Flawf("remove it, or name another token", "no token is asked for"))
	}
	for i, name := range rt.Cookies {
		found.Add(member.Element("cookies", i), name, cookieFlaw(name))
	}
	for _, t := range []struct {
		member string
		d      member.Duration
	}{{"connect_timeout", rt.ConnectTimeout}, {"answer_timeout", rt.AnswerTimeout}} {
		if t.d != 0 {
			found.Add(t.member, t.d, member.TimeFlaw(time.Duration(t.d), time.Second, time.Hour))
		}
	}
	return found
}

// plainPath are the characters that a configured path can have: nobody encodes them, and nobody reads them in another
// way.
func plainPath(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("/-._~", c)
}

func pathFlaw(path string) *member.Flaw {
	switch {
	case path == "":
		return member.Flawf("write the beginning of a path, such as /api/", "is required")
	case !strings.HasPrefix(path, "/"):
		return member.Flawf("write /"+path, "must begin with a slash")
	case strings.ContainsFunc(path, func(c rune) bool { return !plainPath(c) }):
		return member.Flawf("use letters, digits and -._~", "has a character that programs read in different ways")
	case strings.Contains(path, "//") || strings.Contains(path+"/", "/./") || strings.Contains(path+"/", "/../"):
		return member.Flawf("write the path that remains without it", "has an empty or a dot segment")
	case path == "/":
		return member.Flawf("give the API a path, such as /api/; the rest is the app's", "would take all paths")
	case path == "/bff" || strings.HasPrefix(path, "/bff/"):
		return member.Flawf("use another path", "is where sign-in and sessions are")
	}
	return nil
}

func baseFlaw(raw, path string) *member.Flaw {
	if raw == "" {
		return member.Flawf("write the API's URL, such as http://127.0.0.1:8080/", "is required")
	}
	u, flaw := member.ParseURI(raw)
	switch {
	case flaw != nil:
		return flaw
	case u.Scheme != "http" && u.Scheme != "https":
		return member.Flawf("use http or https, for WebSockets too", "the scheme %s is not allowed", u.Scheme)
	case u.Hostname() == "" || !member.IsHost(u.Hostname()):
		return member.Flawf("write "+u.Scheme+"://host/path", "has no host name or address")
	case strings.HasSuffix(u.Host, ":") || u.Port() != "" && !member.IsPort(u.Port(), 1):
		return member.Flawf("write a number from 1 to 65535 or nothing", "not a port")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return member.Flawf("end it with the path", "has a query or a fragment")
	case path != "" && strings.HasSuffix(u.Path, "/") != strings.HasSuffix(path, "/"):
		return member.Flawf("end both in a slash, or neither", "path and url differ in the slash at their ends")
	}
	return nil
}

func resourceFlaw(raw string) *member.Flaw {
	u, flaw := member.ParseURI(raw)
	if flaw == nil && u.Fragment != "" {
		flaw = member.Flawf("remove what stands after #", "has a fragment")
	}
	return flaw
}

func cookieFlaw(name string) *member.Flaw {
	switch {
	case name == "" || strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune(`()<>@,;:\"/[]?={}`, c) }):
		return member.Flawf("write the name alone", "not the name of a cookie")
	case isReserved(name):
		return member.Flawf("give the API's cookie another name", "names that begin so are for sessions")
	}
	return nil
}

// route is a Route that was checked.
type route struct {
	Route
	prefix string // Path below the frontend's path
	base   *url.URL
}

func newRoute(r Route, below string) (*route, error) {
	base, err := url.Parse(r.URL)
	if err != nil {
		return nil, err
	}
	if r.Token == "" {
		r.Token = TokenUser
	}
	if len(r.Methods) == 0 {
		r.Methods = []string{"GET"}
	}
	if slices.Contains(r.Methods, "GET") && !slices.Contains(r.Methods, "HEAD") {
		r.Methods = append(slices.Clone(r.Methods), "HEAD")
	}
	return &route{Route: r, prefix: below + r.Path, base: base}, nil
}

// matches reports whether a decoded path is the route's.
func (rt *route) matches(path string) bool {
	if strings.HasSuffix(rt.prefix, "/") {
		return strings.HasPrefix(path, rt.prefix)
	}
	return path == rt.prefix
}

// wantsUser reports whether a session is of use.
func (rt *route) wantsUser() bool { return rt.Token == TokenUser || rt.Token == TokenUserOrClient }

// upstream returns the API's URL for a path of a request as it was sent. The prefix is replaced, the rest stays as it
// is, escapes included.
func (rt *route) upstream(raw, query string) (*url.URL, error) {
	escaped := rt.base.EscapedPath() + behind(raw, len(rt.prefix))
	if escaped == "" {
		escaped = "/"
	}
	path, err := url.PathUnescape(escaped)
	if err != nil {
		return nil, err
	}
	return &url.URL{Scheme: rt.base.Scheme, Host: rt.base.Host, Path: path, RawPath: escaped, RawQuery: query}, nil
}

// behind returns what follows the first n characters of a path, each of which may be escaped.
func behind(raw string, n int) string {
	for ; n > 0 && raw != ""; n-- {
		if raw[0] == '%' && len(raw) >= 3 {
			raw = raw[3:]
		} else {
			raw = raw[1:]
		}
	}
	return raw
}

// find returns the longest route that matches, or nil.
func find(routes []*route, path string) *route {
	var found *route
	for _, rt := range routes {
		if rt.matches(path) && (found == nil || len(rt.prefix) > len(found.prefix)) {
			found = rt
		}
	}
	return found
}
