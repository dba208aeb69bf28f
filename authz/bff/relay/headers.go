package relay

import (
	"net/http"
	"net/netip"
	"net/textproto"
	"slices"
	"strings"

	"github.com/authzd/authzd/authz/observe"
)

// What a request may not tell an API, because a proxy or gate says it, and APIs believe it. Names are in lower case.
var (
	notFromClients = []string{
		"authorization", "cookie", "forwarded", "proxy", "via", "x-authzd-bff",
		"x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip", "client-ip", "cf-connecting-ip", "fastly-client-ip",
		"x-http-method", "x-http-method-override", "x-method-override", // would pass by the methods of a route
		"x-original-url", "x-original-uri", "x-original-method", "x-original-host", "x-rewrite-url", "x-host",
		"x-user", "x-user-id", "x-username", "x-email", "x-groups", "x-roles", "x-role", "x-id-token", "x-access-token",
		"x-client-cert", "x-request-id",
	}
	notFromClientsPrefixes = []string{
		"x-forwarded", "x-auth-request-", "x-authenticated-", "x-authzd-", "x-authentik-", "x-pomerium-", "x-remote-", "remote-", "x-webauth-",
		"x-envoy-", "x-goog-iap-", "x-amzn-oidc-", "x-ms-client-principal", "x-ssl-", "ssl-client-", "x-jwt-", "x-userinfo",
	}
)

// isForeignClaim reports whether a header of a request is dropped. A name with an underscore always is: some servers
// read it as a hyphen.
func isForeignClaim(name string) bool {
	name = strings.ToLower(name)
	return strings.Contains(name, "_") || slices.Contains(notFromClients, name) ||
		slices.ContainsFunc(notFromClientsPrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

// connectionOptions are all that Connection may name (RFC 9110 section 7.6.1). With any other, a client could remove a
// header that a proxy in front of this one has set, or that is judged here.
var connectionOptions = []string{"close", "keep-alive", "upgrade", "te"}

// checkHop refuses what is between a client and this server, and has no use here.
func checkHop(r *http.Request) error {
	for _, option := range tokens(r.Header["Connection"]) {
		if !slices.Contains(connectionOptions, strings.ToLower(option)) {
			return refuse(http.StatusBadRequest, "invalid_request", "Connection names a header that may not be removed")
		}
	}
	upgrades := tokens(r.Header["Upgrade"])
	switch {
	case len(upgrades) == 0 && r.Header.Get("Http2-Settings") == "":
		return nil
	case len(upgrades) != 1 || !strings.EqualFold(upgrades[0], "websocket"), r.Header.Get("Http2-Settings") != "":
		return refuse(http.StatusBadRequest, "invalid_request", "Upgrade names a protocol that is not spoken here")
	case r.Method != http.MethodGet || r.ProtoMajor != 1 || !slices.ContainsFunc(tokens(r.Header["Connection"]), isUpgrade):
		return refuse(http.StatusBadRequest, "invalid_request", "not the handshake of a WebSocket")
	case r.ContentLength != 0 || len(r.Header["Sec-Websocket-Key"]) != 1 || r.Header.Get("Sec-Websocket-Version") != "13":
		return refuse(http.StatusBadRequest, "invalid_request", "not the handshake of a WebSocket")
	}
	return nil
}

func isUpgrade(option string) bool { return strings.EqualFold(option, "upgrade") }

// isHandshake reports whether a request that checkHop has passed wants to open a WebSocket.
func isHandshake(r *http.Request) bool { return r.Header.Get("Upgrade") != "" }

// tokens returns the elements of a header that is a list.
func tokens(lines []string) []string {
	var all []string
	for _, line := range lines {
		for element := range strings.SplitSeq(line, ",") {
			if element = textproto.TrimString(element); element != "" {
				all = append(all, element)
			}
		}
	}
	return all
}

// cleanRequest takes from a request to an API what its client may not say, and sets what this proxy says.
func (p *Relay) cleanRequest(in *http.Request, out http.Header, cookies []string) {
	for name := range out {
		if isForeignClaim(name) {
			delete(out, name)
		}
	}
	for _, c := range in.Cookies() {
		if slices.Contains(cookies, c.Name) && !p.isOurs(c.Name) {
			addCookie(out, c)
		}
	}
	if client := clientOf(in); client.IsValid() {
		out.Set("X-Forwarded-For", client.String())
	}
	out.Set("X-Forwarded-Host", p.origin.Host)
	out.Set("X-Forwarded-Proto", p.origin.Scheme)
	if id := observe.Event(in.Context()).RequestID(); id != "" {
		out.Set("X-Request-Id", id)
	}
}

func addCookie(h http.Header, c *http.Cookie) {
	line := c.Name + "=" + c.Value
	if c.Quoted {
		line = c.Name + `="` + c.Value + `"`
	}
	if old := h.Get("Cookie"); old != "" {
		line = old + "; " + line
	}
	h.Set("Cookie", line)
}

// clientOf returns the address of the client, as far as trusted proxies report it.
func clientOf(r *http.Request) netip.Addr {
	if addr := observe.Event(r.Context()).Remote(); addr.IsValid() {
		return addr
	}
	peer, _ := netip.ParseAddrPort(r.RemoteAddr)
	return peer.Addr().Unmap().WithZone("")
}

// notFromAPIs are headers of an answer that concern the whole origin, its cookies and its users: they are ours to set.
var notFromAPIs = []string{
	"Set-Cookie", "Set-Cookie2", "Clear-Site-Data", "Www-Authenticate", "Authentication-Info", "Strict-Transport-Security", "Alt-Svc",
	"Service-Worker-Allowed", "X-Request-Id", "X-Accel-Redirect", "X-Sendfile",
}

// cleanAnswer takes from an API's answer what an API may not set. There is no CORS: no other origin may read it.
func (p *Relay) cleanAnswer(h http.Header, cookies []string) {
	set := h["Set-Cookie"]
	for _, name := range notFromAPIs {
		h.Del(name)
	}
	for name := range h {
		if strings.HasPrefix(name, "Access-Control-") {
			delete(h, name)
		}
	}
	for _, line := range set {
		c, err := http.ParseSetCookie(line)
		if err == nil && slices.Contains(cookies, c.Name) && !p.isOurs(c.Name) && c.Domain == "" && !slices.ContainsFunc(c.Unparsed, isDomain) {
			h.Add("Set-Cookie", line)
		}
	}
}

// isDomain reports whether an attribute that was not understood is a Domain: a browser may understand it, such as one
// that is not ASCII.
func isDomain(attribute string) bool {
	name, _, _ := strings.Cut(attribute, "=")
	return strings.EqualFold(strings.TrimSpace(name), "domain")
}

// reservedPrefix is that of our cookies. Browsers compare prefixes without regard to case.
const reservedPrefix = "__host-http-"

// isReserved reports whether a name can be one of our cookies under https.
func isReserved(name string) bool { return strings.HasPrefix(strings.ToLower(name), reservedPrefix) }

// isOurs reports whether a cookie is one of the frontend's own, which no API may see or set.
func (p *Relay) isOurs(name string) bool {
	return isReserved(name) || slices.ContainsFunc(p.config.OwnCookies, func(own string) bool { return strings.HasPrefix(name, own) })
}
