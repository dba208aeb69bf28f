package authz

import (
	"net/http"
	"net/netip"
	"net/url"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/storage"
)

// What is taken for an assertion is a JWS by an algorithm that we verify, of a name that may be logged.
func FuzzParseAssertion(f *testing.F) {
	for _, seed := range []string{
		"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJhIiwic3ViIjoiYSJ9.AAAA", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.",
		"eyJhbGciOiJQUzI1NiIsInR5cCI6ImNsaWVudC1hdXRoZW50aWNhdGlvbitqd3QifQ.eyJzdWIiOiJhIiwiYXVkIjpbImIiXSwiZXhwIjoxLjV9.AAAA",
		"eyJhbGciOiJSUzI1NiIsInR5cCI6ImRwb3Arand0In0.e30.AAAA", "eyJhbGciOiJIUzI1NiJ9.e30.AAAA", "..", "a.b.c", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := parseAssertion(url.Values{"client_assertion_type": {assertionType}, "client_assertion": {text}})
		if err != nil {
			if a != nil {
				t.Error("an assertion with an error")
			}
			return
		}
		header := a.jws.Signatures[0].Header
		if header.Algorithm == "none" || header.Algorithm == string(jose.HS256) || len(a.jws.Signatures) != 1 {
			t.Errorf("%q is taken", text)
		}
		if !oauth.CleanText(a.claims.Subject) || len(a.claims.Subject) > maxClientID {
			t.Errorf("client id %q is taken", a.claims.Subject)
		}
		s := &Server{issuer: oauth.Issuer{ID: "https://id.example.com", Origin: "https://id.example.com"}}
		r := &http.Request{URL: &url.URL{Path: "/token"}}
		if err := s.checkAssertionClaims(r, &client.Client{Metadata: client.Metadata{ID: a.claims.Subject}}, &a.claims, storage.Now()); err == nil && (a.claims.ID == "" || a.claims.Expires == nil) {
			t.Errorf("%q passes", text)
		}
	})
}

// A certificate is passed on by a trusted proxy in one header, or not at all.
func FuzzForwardedCertificates(f *testing.F) {
	for _, seed := range []string{":AAAA:", "::", "-----BEGIN%20CERTIFICATE-----%0AAAAA%0A-----END%20CERTIFICATE-----%0A", "%zz", ":AAAA:, :BBBB:", ""} {
		f.Add(seed, seed, "192.0.2.1:443")
	}
	f.Fuzz(func(t *testing.T, leaf, chain, remote string) {
		s := &Server{config: Config{MTLS: &MTLS{Header: "Client-Cert"}, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}}
		r := &http.Request{RemoteAddr: remote, Header: http.Header{"Client-Cert": {leaf}, "Client-Cert-Chain": {chain}}}
		shown, err := s.shownCertificates(r)
		addr, parseErr := netip.ParseAddrPort(remote)
		if trusted := parseErr == nil && s.config.TrustedProxies[0].Contains(addr.Addr().Unmap().WithZone("")); !trusted && (len(shown) > 0 || err != nil) {
			t.Errorf("%q is believed from %q", leaf, remote)
		}
		if err != nil && len(shown) > 0 || leaf == "" && len(shown) > 0 {
			t.Errorf("%d certificates of %q, %v", len(shown), leaf, err)
		}
	})
}
