package client

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net"
	"net/url"
	"testing"
)

// certificateOf has this subject; the last set of names is the most special one.
func certificateOf(t testing.TB, subject pkix.RDNSequence) *x509.Certificate {
	t.Helper()
	raw, err := asn1.Marshal(subject)
	if err != nil {
		t.Fatal(err)
	}
	return &x509.Certificate{RawSubject: raw}
}

func attribute(oid asn1.ObjectIdentifier, value any) pkix.AttributeTypeAndValue {
	return pkix.AttributeTypeAndValue{Type: oid, Value: value}
}

var (
	oidCN    = asn1.ObjectIdentifier{2, 5, 4, 3}
	oidC     = asn1.ObjectIdentifier{2, 5, 4, 6}
	oidO     = asn1.ObjectIdentifier{2, 5, 4, 10}
	oidUID   = asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}
	oidEmail = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}
)

// RFC 8705 section 2.1.2: the subject is written as RFC 4514 says, and compared as a name, not as a
// string.
func TestRFC8705Section2_1_2_SubjectDN(t *testing.T) {
	certificate := certificateOf(t, pkix.RDNSequence{
		{attribute(oidC, "GB")},
		{attribute(oidO, `Wonderland, "Ltd" + Sons`)},
		{attribute(oidCN, "alice "), attribute(oidUID, "42")},
	})
	for text, want := range map[string]bool{
		`CN=alice\20+UID=42,O=Wonderland\, \"Ltd\" \+ Sons,C=GB`:                                       true,
		`UID=42+CN=alice\ ,O=Wonderland\2c \22Ltd\22 \2B Sons,C=GB`:                                    true,
		`cn=alice\20 + uid=42, o=Wonderland\, \"Ltd\" \+ Sons, c=GB`:                                   true,
		`2.5.4.3=alice\20+0.9.2342.19200300.100.1.1=42,OID.2.5.4.10=Wonderland\, \"Ltd\" \+ Sons,C=GB`: true,
		`CN=#0c06616c69636520+UID=42,O=Wonderland\, \"Ltd\" \+ Sons,C=GB`:                              true,
		`C=GB,O=Wonderland\, \"Ltd\" \+ Sons,CN=alice\20+UID=42`:                                       false, // the other way round
		`CN=alice+UID=42,O=Wonderland\, \"Ltd\" \+ Sons,C=GB`:                                          false, // the space is a part of it
		`CN=Alice\20+UID=42,O=Wonderland\, \"Ltd\" \+ Sons,C=GB`:                                       false,
		`CN=alice\20,UID=42,O=Wonderland\, \"Ltd\" \+ Sons,C=GB`:                                       false, // two sets
		`CN=alice\20,O=Wonderland\, \"Ltd\" \+ Sons,C=GB`:                                              false,
		`CN=alice\20+UID=42,O=Wonderland\, \"Ltd\" \+ Sons`:                                            false,
		`CN=alice\20+UID=42,O=Wonderland\, \"Ltd\" \+ Sons,C=GB,C=GB`:                                  false,
		`CN=alice`: false,
	} {
		if got := (&Metadata{TLSSubjectDN: text}).IsNamedBy(certificate); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if (&Metadata{TLSSubjectDN: "CN=alice"}).IsNamedBy(certificateOf(t, nil)) || (&Metadata{}).IsNamedBy(certificate) {
		t.Error("nothing names something")
	}
	if !(&Metadata{TLSSubjectDN: "emailAddress=a@b.example"}).IsNamedBy(certificateOf(t, pkix.RDNSequence{{attribute(oidEmail, "a@b.example")}})) {
		t.Error("an e-mail address in the subject is not found")
	}
	if (&Metadata{TLSSubjectDN: "CN=1"}).IsNamedBy(certificateOf(t, pkix.RDNSequence{{attribute(oidCN, 1)}})) {
		t.Error("a number is a string")
	}
}

func TestRFC4514Section3_Malformed(t *testing.T) {
	for _, text := range []string{
		"", " ", "alice", "CN", "CN=", "=alice", "CN=alice,", "CN=alice,,O=x", "CN=alice+", ",CN=alice", "X=alice", "CN=a;O=b", `CN="alice"`,
		"CN=<a>", `CN=a\`, `CN=a\z`, `CN=a\0`, `CN=\ff`, "CN=#", "CN=#zz", "CN=#0c", "CN=#020101", "CN=#0c00", "CN=#0c0161ff", "1.2.=a", ".1.2=a", "5=a", "CN=a\x00",
	} {
		if dn, err := parseDN(text); err == nil {
			t.Errorf("%q is read as %v", text, dn)
		}
	}
}

// RFC 8705 section 2.1.2: the subject alternative names are compared as they are.
func TestRFC8705Section2_1_2_AlternativeNames(t *testing.T) {
	u, err := url.Parse("https://client.example.com/a")
	if err != nil {
		t.Fatal(err)
	}
	certificate := &x509.Certificate{
		DNSNames: []string{"other.example.com", "client.example.com"}, URIs: []*url.URL{u},
		IPAddresses: []net.IP{net.ParseIP("192.0.2.1"), net.ParseIP("2001:db8::1")}, EmailAddresses: []string{"client@example.com"},
	}
	type subject struct{ DN, DNS, URI, IP, Email string }
	for of, want := range map[subject]bool{
		{DNS: "client.example.com"}: true, {DNS: "CLIENT.example.com"}: true, {DNS: "example.com"}: false, {DNS: "*.example.com"}: false,
		{DNS: "client.example.com."}: false, {DNS: "client@example.com"}: false,
		{URI: "https://client.example.com/a"}: true, {URI: "https://client.example.com/"}: false, {URI: "client.example.com"}: false,
		{IP: "192.0.2.1"}: true, {IP: "::ffff:192.0.2.1"}: true, {IP: "2001:DB8:0::1"}: true, {IP: "192.0.2.2"}: false, {IP: "192.0.2.01"}: false,
		{Email: "client@example.com"}: true, {Email: "example.com"}: false, {Email: "client.example.com"}: false,
	} {
		m := &Metadata{TLSSubjectDN: of.DN, TLSSubjectDNS: of.DNS, TLSSubjectURI: of.URI, TLSSubjectIP: of.IP, TLSSubjectEmail: of.Email}
		if got := m.IsNamedBy(certificate); got != want {
			t.Errorf("%+v: %v", of, got)
		}
	}
}

func FuzzParseDN(f *testing.F) {
	for _, seed := range []string{
		`CN=alice\20+UID=42,O=Wonderland\, Ltd,C=GB`, "CN=#0c0161", "1.2.3=a", `CN=a\`, " CN = a , O = b ", "CN=a+O=b+C=c", "CN=,", "#", `CN=\c3\a9`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		dn, err := parseDN(text)
		if err != nil {
			return
		}
		for _, set := range dn {
			for _, a := range set {
				if a.oid == "" || a.value == "" {
					t.Errorf("%q has an empty attribute: %v", text, dn)
				}
			}
			if len(set) == 0 {
				t.Errorf("%q has an empty set: %v", text, dn)
			}
		}
		if len(dn) == 0 || !dn.equal(dn) || dn.equal(nil) {
			t.Errorf("%q is read as %v", text, dn)
		}
	})
}
