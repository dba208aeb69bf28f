package gate

import (
	"net"
	"net/http"
	"net/netip"
)

// trusts reports whether a question comes from a trusted proxy, by the address of the connection. No header matters.
func (g *Gate) trusts(r *http.Request) bool {
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && local.Network() == "unix" {
		return g.TrustUnixSocket
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	addr := peer.Addr().Unmap().WithZone("")
	for _, network := range g.TrustedProxies {
		if network.Contains(addr) {
			return true
		}
	}
	return false
}
