package weburl

import (
	"net/netip"
	"net/url"
)

// IsLoopback reports whether a host, without brackets and port, is this machine: localhost in lower case,
// or a loopback address in any spelling (127.0.0.0/8, ::1).
func IsLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Zone() == "" && ip.IsLoopback()
}

// IsLocalhost reports whether a host is one of the three that mean this machine on every system and in
// every browser: localhost, 127.0.0.1 and ::1. Other loopback addresses are not set up everywhere.
// Operators may write these alone; IsLoopback is for what comes from elsewhere.
func IsLocalhost(host string) bool {
	return host == "localhost" || host == "127.0.0.1" || host == "::1"
}

// IsSecure reports whether nobody on the way can read or change what u serves: it is https, or http to
// a host for which IsLoopback holds.
func IsSecure(u *url.URL) bool {
	return u.Scheme == "https" && u.Hostname() != "" || u.Scheme == "http" && IsLoopback(u.Hostname())
}
