package outbound

import (
	"fmt"
	"net/netip"
	"slices"
	"syscall"
)

// Some addresses of the IPv4 space, and of the used IPv6 space, are not public (IANA special-purpose address
// registries, RFC 6890).
var (
	special4 = prefixes(
		"0.0.0.0/8",       // this network
		"10.0.0.0/8",      // private (RFC 1918)
		"100.64.0.0/10",   // carrier-grade NAT (RFC 6598)
		"127.0.0.0/8",     // loopback
		"169.254.0.0/16",  // link-local, cloud metadata
		"172.16.0.0/12",   // private
		"192.0.0.0/24",    // protocol assignments
		"192.0.2.0/24",    // documentation
		"192.88.99.0/24",  // 6to4 relays
		"192.168.0.0/16",  // private
		"198.18.0.0/15",   // benchmarks
		"198.51.100.0/24", // documentation
		"203.0.113.0/24",  // documentation
		"224.0.0.0/4",     // multicast
		"240.0.0.0/4",     // reserved, broadcast
	)
	global6  = netip.MustParsePrefix("2000::/3") // all that has been given out (RFC 4291 section 2.4)
	special6 = prefixes(
		"2001::/23",     // protocol assignments, among them Teredo, which embeds IPv4 addresses
		"2001:db8::/32", // documentation
		"2002::/16",     // 6to4, which embeds IPv4 addresses
		"3fff::/20",     // documentation
	)
	// nat64 reaches the IPv4 address in its last four bytes (RFC 6052 section 2.1). On a machine with only
	// IPv6, every IPv4 host is there.
	nat64 = netip.MustParsePrefix("64:ff9b::/96")
)

func prefixes(texts ...string) []netip.Prefix {
	var list []netip.Prefix
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

// isPublic reports whether an address is on the Internet, as far as the address shows.
func isPublic(addr netip.Addr) bool {
	addr = addr.WithZone("").Unmap()
	switch {
	case addr.Is4():
		return !within(addr, special4)
	case nat64.Contains(addr):
		b := addr.As16()
		return isPublic(netip.AddrFrom4([4]byte(b[12:])))
	}
	return global6.Contains(addr) && !within(addr, special6)
}

func within(addr netip.Addr, networks []netip.Prefix) bool {
	return slices.ContainsFunc(networks, func(network netip.Prefix) bool { return network.Contains(addr) })
}

// mayDial is for https.
func (c *Client) mayDial(addr netip.Addr) error {
	if isPublic(addr) {
		return nil
	}
	return c.mayDialPlain(addr)
}

// mayDialPlain is for http: unprotected calls stay in the networks that the operator named.
func (c *Client) mayDialPlain(addr netip.Addr) error {
	if within(addr.WithZone("").Unmap(), c.allowed) {
		return nil
	}
	return fmt.Errorf("%w %s", ErrBlocked, addr)
}

// control is a net.Dialer.Control: it gets the address that the socket is about to connect to.
func control(mayDial func(netip.Addr) error) func(network, address string, _ syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		addrPort, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%w: not an address", ErrBlocked)
		}
		return mayDial(addrPort.Addr())
	}
}
