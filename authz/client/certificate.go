package client

import (
	"crypto/x509"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// TLSSubject is what the certificate of a client says; exactly one member is set (RFC 8705 section
// 2.1.2).
type TLSSubject struct{ DN, DNS, URI, IP, Email string }

// Names tells whether a certificate has the one name that is registered. Values are compared as
// they are, except that the case of a DNS name does not matter; there are no wildcards.
func (s TLSSubject) Names(certificate *x509.Certificate) bool {
	switch {
	case s.DN != "":
		registered, err1 := parseDN(s.DN)
		subject, err2 := decodeDN(certificate.RawSubject)
		return err1 == nil && err2 == nil && registered.equal(subject)
	case s.DNS != "":
		return slices.ContainsFunc(certificate.DNSNames, func(name string) bool { return strings.EqualFold(name, s.DNS) })
	case s.URI != "":
		return slices.ContainsFunc(certificate.URIs, func(u *url.URL) bool { return u.String() == s.URI })
	case s.IP != "":
		registered, err := netip.ParseAddr(s.IP)
		return err == nil && slices.ContainsFunc(certificate.IPAddresses, func(ip net.IP) bool {
			addr, ok := netip.AddrFromSlice(ip)
			return ok && addr.Unmap() == registered.Unmap()
		})
	case s.Email != "":
		return slices.Contains(certificate.EmailAddresses, s.Email)
	}
	return false
}

// members counts those that are set.
func (s TLSSubject) members() (n int) {
	for _, name := range []string{s.DN, s.DNS, s.URI, s.IP, s.Email} {
		if name != "" {
			n++
		}
	}
	return n
}

// check refuses what no certificate could match.
func (s TLSSubject) check() error {
	if s.DN != "" {
		if _, err := parseDN(s.DN); err != nil {
			return &MemberError{Member: "tls_client_auth_subject_dn", Value: s.DN, Reason: "is not a distinguished name (RFC 4514)", cause: err}
		}
	}
	if s.IP != "" {
		if addr, err := netip.ParseAddr(s.IP); err != nil || addr.Zone() != "" {
			return wrong("tls_client_auth_san_ip", s.IP, "is not an address")
		}
	}
	return nil
}

// UsesCertificate tells whether the client proves who it is by a TLS certificate.
func (m *Metadata) UsesCertificate() bool {
	return m.AuthMethod == AuthTLS || m.AuthMethod == AuthSelfSignedTLS
}
