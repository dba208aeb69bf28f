package clientauth

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/storage"
)

// An accepted assertion is a JWS with an algorithm that we verify, and with a name that may be logged.
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
		if !oauth.CleanText(a.claims.Subject) || len(a.claims.Subject) > MaxClientID {
			t.Errorf("client id %q is taken", a.claims.Subject)
		}
		s := &Authenticator{Issuer: oauth.Issuer{ID: "https://id.example.com", Origin: "https://id.example.com"}}
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
		s := &Authenticator{MTLS: &MTLS{Header: "Client-Cert"}, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}
		r := &http.Request{RemoteAddr: remote, Header: http.Header{"Client-Cert": {leaf}, "Client-Cert-Chain": {chain}}}
		shown, err := s.shownCertificates(r)
		addr, parseErr := netip.ParseAddrPort(remote)
		if trusted := parseErr == nil && s.TrustedProxies[0].Contains(addr.Addr().Unmap().WithZone("")); !trusted && (len(shown) > 0 || err != nil) {
			t.Errorf("%q is believed from %q", leaf, remote)
		}
		if err != nil && len(shown) > 0 || leaf == "" && len(shown) > 0 {
			t.Errorf("%d certificates of %q, %v", len(shown), leaf, err)
		}
	})
}

func FuzzBasicCredentials(f *testing.F) {
	for _, seed := range []string{"Basic d2ViOnNlY3JldA==", "basic OnNlY3JldA==", "Basic !!!", "Bearer x", "Basic d2ViJTAwOng=", "Basic JXp6Ong="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		id, secret, ok := basicCredentials(&http.Request{Header: http.Header{"Authorization": {header}}})
		if !ok {
			return
		}
		if id == "" || !oauth.CleanText(id) || !oauth.CleanText(secret) {
			t.Errorf("%q, %q", id, secret)
		}
		r := &http.Request{Header: http.Header{}}
		r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
		if id2, secret2, ok := basicCredentials(r); !ok || id2 != id || secret2 != secret {
			t.Errorf("%q, %q became %q, %q", id, secret, id2, secret2)
		}
	})
}

func FuzzAccessToken(f *testing.F) {
	for _, seed := range [][3]string{{"Bearer x", "", ""}, {"", "", "access_token=x"}, {"Bearer x", "", "access_token=x"}, {"", "access_token=x", ""}, {"Bearer a,b", "", ""}, {"DPoP x", "", ""}} {
		f.Add(seed[0], seed[1], seed[2])
	}
	s := &Authenticator{Issuer: oauth.Issuer{ID: "https://id.example.com"}}
	f.Fuzz(func(t *testing.T, header, query, body string) {
		r := httptest.NewRequest(http.MethodPost, "/userinfo", strings.NewReader(body))
		r.URL.RawQuery = query
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if header != "" {
			r.Header.Set("Authorization", header)
		}
		w := httptest.NewRecorder()
		token, err := s.AccessToken(w, r)
		switch {
		case err != nil && (token != "" || w.Header().Get("WWW-Authenticate") == ""):
			t.Errorf("%v without a challenge, or with the token %q", err, token)
		case err == nil && (token == "" || (header != "" && !strings.HasSuffix(header, " "+token)) || (header == "" && body == "")):
			t.Errorf("token %q of %q and %q", token, header, body)
		}
	})
}
