package bearer

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"testing"
)

func certificateToken(cert *x509.Certificate, more object) string {
	sum := sha256.Sum256(cert.Raw)
	cnf := more.with("x5t#S256", base64.RawURLEncoding.EncodeToString(sum[:]))
	return token(header(), goodClaims().with("cnf", cnf))
}

func TestRFC8705Section3_CertificateBoundTokens(t *testing.T) {
	mine, other := &x509.Certificate{Raw: []byte("mine")}, &x509.Certificate{Raw: []byte("other")}
	v := newIssuer().verifier(t)
	proxied := newIssuer().verifier(t, func(c *Config) {
		c.Certificate = func(r *http.Request) *x509.Certificate {
			if r.Header.Get("X-Client-Cert") == "" {
				return nil
			}
			return mine
		}
	})
	over := func(state *tls.ConnectionState, bound string) *http.Request {
		r := get("/", "Bearer "+bound)
		r.TLS = state
		return r
	}
	with := func(certs ...*x509.Certificate) *tls.ConnectionState {
		return &tls.ConnectionState{PeerCertificates: certs}
	}
	bound := certificateToken(mine, object{})
	const none, another = "the token is bound to a certificate, and the client has shown none", "the token is bound to another certificate than the client's"

	for name, test := range map[string]struct {
		verifier    *Verifier
		request     *http.Request
		description string // empty: let through
	}{
		"its certificate":         {v, over(with(mine), bound), ""},
		"its certificate first":   {v, over(with(mine, other), bound), ""},
		"plain http":              {v, over(nil, bound), none},
		"TLS without certificate": {v, over(with(), bound), none},
		"another certificate":     {v, over(with(other), bound), another},
		"its certificate second":  {v, over(with(other, mine), bound), another},
		"by the proxy, none":      {proxied, over(with(mine), bound), none},
	} {
		w := serve(test.verifier.Protect(hello), test.request)
		if test.description != "" {
			want(t, name, w, 401, tokenError+test.description+`"`, "invalid_token")
		} else if w.Code != 200 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	r := over(nil, bound)
	r.Header.Set("X-Client-Cert", "…")
	if w := serve(proxied.Protect(hello), r); w.Code != 200 {
		t.Errorf("by the proxy: %d %s", w.Code, w.Body)
	}
}

// A token that is bound twice needs both.
func TestRFC8705Section3_WithDPoP(t *testing.T) {
	mine := &x509.Certificate{Raw: []byte("mine")}
	h := newIssuer().verifier(t).Protect(hello)
	bound := certificateToken(mine, object{"jkt": thumbprint(clientKey())})
	for _, test := range []struct {
		name  string
		cert  bool
		proof []string
		want  int
	}{
		{"both", true, []string{proof(clientKey(), proofClaims(bound))}, 200},
		{"the proof alone", false, []string{proof(clientKey(), proofClaims(bound))}, 401},
		{"the certificate alone", true, nil, 401},
	} {
		r := proved("/", "DPoP", bound, test.proof...)
		if test.cert {
			r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{mine}}
		}
		if w := serve(h, r); w.Code != test.want {
			t.Errorf("%s: %d %s", test.name, w.Code, w.Body)
		}
	}
}
