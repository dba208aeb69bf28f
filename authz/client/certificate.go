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

// checkTLSSubject refuses names that no certificate could match.
func (m *Metadata) checkTLSSubject() error {
	if m.TLSSubjectDN != "" {
		if _, err := parseDN(m.TLSSubjectDN); err != nil {
			return &MemberError{Member: "tls_client_auth_subject_dn", Value: m.TLSSubjectDN, Reason: "is not a distinguished name (RFC 4514)", cause: err}
		}
	}
	if m.TLSSubjectIP != "" {
		if addr, err := netip.ParseAddr(m.TLSSubjectIP); err != nil || addr.Zone() != "" {
			return wrong("tls_client_auth_san_ip", m.TLSSubjectIP, "is not an address")
		}
	}
	return nil
}
