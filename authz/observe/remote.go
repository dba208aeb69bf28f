package observe

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/google/uuid"
)

const (
	requestIDHeader = "X-Request-Id"
	maxRequestID    = 128 // bytes
	maxHops         = 32  // proxies that are followed
)

// proxies are the networks whose headers about their clients are trusted.
type proxies []netip.Prefix

func (p proxies) trusts(addr netip.Addr) bool {
	for _, network := range p {
		if network.Contains(addr) {
			return true
		}
	}
	return false
}

// identify returns the client's address and the id of the request.
func (p proxies) identify(r *http.Request) (netip.Addr, string) {
	var peer netip.Addr // stays zero on a Unix socket
	if addrPort, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		peer = addrPort.Addr().Unmap().WithZone("")
	}
	if !p.trusts(peer) {
		return peer, newRequestID()
	}
	id := r.Header.Get(requestIDHeader)
	if !saneRequestID(id) {
		id = newRequestID()
	}
	return p.client(peer, r.Header), id
}

func newRequestID() string { return uuid.Must(uuid.NewV7()).String() }

func saneRequestID(id string) bool {
	if id == "" || len(id) > maxRequestID {
		return false
	}
	for _, c := range []byte(id) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}

// client follows the chain of proxies back from a trusted peer. Most proxies write one of X-Forwarded-For and
// Forwarded (RFC 7239) and pass the other on as the client sent it. So if both are there and disagree,
// neither is trusted.
func (p proxies) client(peer netip.Addr, h http.Header) netip.Addr {
	xff, forwarded := h["X-Forwarded-For"], h["Forwarded"]
	switch {
	case len(forwarded) == 0:
		return p.walk(peer, forwardedForHops(xff))
	case len(xff) == 0:
		return p.walk(peer, forwardedHops(forwarded))
	}
	a, b := p.walk(peer, forwardedForHops(xff)), p.walk(peer, forwardedHops(forwarded))
	if a != b {
		return peer
	}
	return a
}

// walk goes through the hops from the nearest to the farthest, up to the first that is not a trusted proxy.
// That is the client, because everything beyond is only its claim. If a hop is not an address, the walk ends
// at the proxy that reported it.
func (p proxies) walk(peer netip.Addr, hops []string) netip.Addr {
	client := peer
	for i := len(hops) - 1; i >= 0 && len(hops)-i <= maxHops; i-- {
		addr := hostAddr(hops[i])
		if !addr.IsValid() {
			break
		}
		client = addr
		if !p.trusts(addr) {
			break
		}
	}
	return client
}

func forwardedForHops(lines []string) []string {
	var hops []string
	for _, line := range lines {
		hops = append(hops, strings.Split(line, ",")...)
	}
	return hops
}

// hostAddr reads "1.2.3.4", "1.2.3.4:80", "::1" and "[::1]:80" (without the port), or returns the zero Addr.
func hostAddr(s string) netip.Addr {
	s = strings.TrimSpace(s)
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	if err != nil {
		addrPort, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}
		}
		addr = addrPort.Addr()
	}
	return addr.Unmap().WithZone("")
}

// forwardedHops returns the for parameter of each element of a Forwarded header (RFC 7239 section 4). It
// returns nothing if the header is malformed, because unclosed quotes could hide a hop.
func forwardedHops(lines []string) []string {
	var hops []string
	for _, line := range lines {
		for {
			var hop string
			var more, ok bool
			if hop, line, more, ok = forwardedElement(line); !ok {
				return nil
			}
			hops = append(hops, hop)
			if !more {
				break
			}
		}
	}
	return hops
}

// forwardedElement reads one element, up to its comma or the end of the line. more is true after a comma.
func forwardedElement(line string) (hop, rest string, more, ok bool) {
	for {
		name, after, found := strings.Cut(line, "=")
		if !found || strings.ContainsAny(name, `,;"`) {
			return "", "", false, false
		}
		value, after, ok := forwardedValue(after)
		if !ok {
			return "", "", false, false
		}
		if strings.EqualFold(strings.TrimSpace(name), "for") {
			hop = value
		}
		after = strings.TrimLeft(after, " \t")
		switch {
		case after == "":
			return hop, "", false, true
		case after[0] == ',':
			return hop, after[1:], true, true
		case after[0] == ';':
			line = after[1:]
		default:
			return "", "", false, false
		}
	}
}

// forwardedValue reads a token or a quoted string (RFC 9110 section 5.6.4) off the front of s.
func forwardedValue(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, ",; \t\"")
		if end < 0 {
			end = len(s)
		}
		return s[:end], s[end:], true
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}
