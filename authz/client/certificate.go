package client

import (
	"crypto/x509"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// IsNamedBy reports whether a certificate has the one name that is registered (RFC 8705 section 2.1.2). Values are
// compared as they are, except that the case of a DNS name does not matter; there are no wildcards.
func (m *Metadata) IsNamedBy(certificate *x509.Certificate) bool {
	switch {
	case m.TLSSubjectDN != "":
		registered, err1 := parseDN(m.TLSSubjectDN)
		subject, err2 := decodeDN(certificate.RawSubject)
		return err1 == nil && err2 == nil && registered.equal(subject)
	case m.TLSSubjectDNS != "":
		return slices.ContainsFunc(certificate.DNSNames, func(name string) bool { return strings.EqualFold(name, m.TLSSubjectDNS) })
	case m.TLSSubjectURI != "":
		return slices.ContainsFunc(certificate.URIs, func(u *url.URL) bool { return u.String() == m.TLSSubjectURI })
	case m.TLSSubjectIP != "":
		registered, err := netip.ParseAddr(m.TLSSubjectIP)
		return err == nil && slices.ContainsFunc(certificate.IPAddresses, func(ip net.IP) bool {
			addr, ok := netip.AddrFromSlice(ip)
			return ok && addr.Unmap() == registered.Unmap()
		})
	case m.TLSSubjectEmail != "":
		return slices.Contains(certificate.EmailAddresses, m.TLSSubjectEmail)
	}
	return false
}
