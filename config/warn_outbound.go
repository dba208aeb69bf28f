package config

import (
	"net/netip"
	"net/url"
	"slices"

	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/weburl"
)

// warnOfBlocked is for URLs of clients that authzd has to call, and will not: a sign-in or a logout would fail later.
func (l *loader) warnOfBlocked() {
	for i, c := range l.cfg.Clients {
		path := element("clients", i)
		l.note(&l.cfg.Warnings, child(path, "jwks_uri"), c.JWKSURI, l.blocked(c.JWKSURI))
		l.note(&l.cfg.Warnings, child(path, "backchannel_logout_uri"), c.BackChannelURI, l.blocked(c.BackChannelURI))
	}
}

// blocked returns a flaw if a URL names a private address that authzd may not call. It asks no DNS.
func (l *loader) blocked(raw string) *member.Flaw {
	u, err := url.Parse(raw)
	if err != nil || l.dev && weburl.IsLoopback(u.Hostname()) { // serve --dev allows loopback
		return nil
	}
	var addrs []netip.Addr
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil && (addr.IsLoopback() || addr.IsPrivate()) {
		addrs = []netip.Addr{addr.Unmap()}
	} else if weburl.IsLoopback(u.Hostname()) {
		addrs = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
	}
	allowed := func(addr netip.Addr) bool {
		return slices.ContainsFunc(l.cfg.Outbound.AllowPrivateNetworks, func(p netip.Prefix) bool { return p.Contains(addr) })
	}
	if len(addrs) == 0 || slices.ContainsFunc(addrs, allowed) {
		return nil
	}
	return problemf("add its network to outbound.allow_private_networks; serve --dev allows loopback by itself",
		"is a private address, which authzd does not call")
}
