package bearer

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

const partnerIssuer = "https://id.partner.example"

// twoIssuers are testIssuer and a partner, whose key has the same kid. Both are reached by one client.
func twoIssuers() (own, partner *issuer, client *http.Client) {
	own, partner = newIssuer(), newIssuer()
	partner.name = partnerIssuer
	partner.keys = []any{jose.JSONWebKey{Key: otherKey().Public(), KeyID: "ec", Use: "sig"}}
	return own, partner, &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		if strings.HasPrefix(r.URL.String(), partnerIssuer+"/") {
			return partner.RoundTrip(r)
		}
		return own.RoundTrip(r)
	})}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A key of one issuer never vouches for another, with any claim, and whether the kid is known to one or both.
func TestIssuersKeepTheirKeysApart(t *testing.T) {
	own, partner, client := twoIssuers()
	v := own.verifier(t, func(c *Config) {
		c.Client = client
		c.Issuers = []Issuer{{Issuer: partnerIssuer}}
	})
	signed := func(key *ecdsa.PrivateKey, h, c object) string { return es256(key, asJSON(h), asJSON(c)) }
	h, mine, theirs := header(), goodClaims(), goodClaims().with("iss", partnerIssuer).with("sub", "bob")

	for name, token := range map[string]string{"alice": signed(ecKey(), h, mine), "bob": signed(otherKey(), h, theirs)} {
		if p, err := v.Verify(t.Context(), token); err != nil || p.Subject != name {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	doubled := `{"iss":"` + partnerIssuer + `",` + asJSON(mine)[1:]
	for name, token := range map[string]string{
		"partner's key, our iss":        signed(otherKey(), h, mine),
		"our key, partner's iss":        signed(ecKey(), h, theirs),
		"our RSA key, partner's iss":    rs256(rsaKey(), asJSON(h.with("alg", "RS256").with("kid", "rsa")), asJSON(theirs)),
		"another kid of ours":           signed(ecKey(), h.with("kid", "ed"), theirs),
		"iss in another case":           signed(otherKey(), h, theirs.with("iss", strings.ToUpper(partnerIssuer))),
		"iss with a slash":              signed(otherKey(), h, theirs.with("iss", partnerIssuer+"/")),
		"iss a list":                    signed(otherKey(), h, theirs.with("iss", []string{testIssuer, partnerIssuer})),
		"no iss":                        signed(otherKey(), h, theirs.without("iss")),
		"an unknown iss":                signed(otherKey(), h, theirs.with("iss", "https://evil.example")),
		"ISS beside iss":                signed(otherKey(), h, mine.with("ISS", partnerIssuer)),
		"iss twice, by partner":         es256(otherKey(), asJSON(h), doubled),
		"iss twice, by us":              es256(ecKey(), asJSON(h), doubled),
		"iss twice, ours first":         es256(otherKey(), asJSON(h), `{"iss":"`+testIssuer+`",`+asJSON(theirs)[1:]),
		"partner's iss and key, as jwk": signed(ecKey(), h.with("jwk", jose.JSONWebKey{Key: ecKey().Public()}), theirs),
	} {
		p, err := v.Verify(t.Context(), token)
		if invalid := (*TokenError)(nil); p != nil || !errors.As(err, &invalid) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	for _, asked := range append(own.requests, partner.requests...) {
		if !strings.HasPrefix(asked, testIssuer+"/") && !strings.HasPrefix(asked, partnerIssuer+"/") {
			t.Errorf("a token made the verifier fetch %s", asked)
		}
	}
}

// One issuer's outage is not the other's.
func TestIssuersFailApart(t *testing.T) {
	own, partner, client := twoIssuers()
	partner.down = true
	v := own.verifier(t, func(c *Config) {
		c.Client = client
		c.Issuers = []Issuer{{Issuer: partnerIssuer}}
	})
	if err := verifies(v, goodToken()); err != nil {
		t.Error(err)
	}
	theirs := es256(otherKey(), asJSON(header()), asJSON(goodClaims().with("iss", partnerIssuer)))
	if err := verifies(v, theirs); !errors.Is(err, ErrUnavailable) {
		t.Errorf("partner is down: %v", err)
	}
}

// Types, algorithms and audiences of one issuer do not count for the other.
func TestIssuersHaveTheirOwnRules(t *testing.T) {
	own, _, client := twoIssuers()
	const theirName = "urn:partner:orders"
	v := own.verifier(t, func(c *Config) {
		c.Client = client
		c.Audiences = []string{"https://old.example.com"}
		c.Issuers = []Issuer{{Issuer: partnerIssuer, Audiences: []string{theirName}, Types: []string{"JWT"}, Algorithms: []string{"ES256"}}}
	})
	h, mine := header(), goodClaims()
	theirs := mine.with("iss", partnerIssuer).with("aud", theirName)
	partner := func(h, c object) string { return es256(otherKey(), asJSON(h), asJSON(c)) }
	for name, token := range map[string]string{
		"ours":                  token(h, mine),
		"ours, old name":        token(h, mine.with("aud", "https://old.example.com")),
		"ours, both names":      token(h, mine.with("aud", []string{"x", "https://old.example.com", testAudience})),
		"theirs":                partner(h.with("typ", "JWT"), theirs),
		"theirs, among others ": partner(h.with("typ", "JWT"), theirs.with("aud", []string{"x", theirName})),
	} {
		if err := verifies(v, token); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, token := range map[string]string{
		"ours, their type":     token(h.with("typ", "JWT"), mine),
		"ours, their audience": token(h, mine.with("aud", theirName)),
		"theirs, our type":     partner(h, theirs),
		"theirs, our audience": partner(h.with("typ", "JWT"), theirs.with("aud", testAudience)),
		"theirs, our old name": partner(h.with("typ", "JWT"), theirs.with("aud", "https://old.example.com")),
	} {
		if err := verifies(v, token); !errors.As(err, new(*TokenError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestConfigOfIssuersIsChecked(t *testing.T) {
	secret := func(prefix string) *Introspection { return &Introspection{ClientSecret: "x", Prefix: prefix} }
	for name, test := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"no name":        {func(c *Config) { c.Issuers = []Issuer{{}} }, "an Issuer is required"},
		"http":           {func(c *Config) { c.Issuers = []Issuer{{Issuer: "http://id.partner.example"}} }, "must be an https URL"},
		"twice":          {func(c *Config) { c.Issuers = []Issuer{{Issuer: testIssuer}} }, "is there twice"},
		"HMAC":           {func(c *Config) { c.Issuers = []Issuer{{Issuer: partnerIssuer, Algorithms: []string{"HS256"}}} }, `algorithm "HS256"`},
		"empty type":     {func(c *Config) { c.Issuers = []Issuer{{Issuer: partnerIssuer, Types: []string{""}}} }, "an empty type"},
		"empty audience": {func(c *Config) { c.Audiences = []string{""} }, "an empty audience"},
		"audiences only": {func(c *Config) { c.Audience, c.Audiences = "", []string{"x"} }, "the Audiences need an Audience"},
		"no secret":      {func(c *Config) { c.Introspection = &Introspection{} }, "needs a ClientSecret"},
		"nobody to be":   {func(c *Config) { c.Audience, c.InsecureAnyAudience, c.Introspection = "", true, secret("") }, "needs a ClientID"},
		"opaque of anybody": {func(c *Config) {
			c.Introspection, c.Issuers = secret(""), []Issuer{{Issuer: partnerIssuer, Introspection: secret("p_")}}
		}, "Prefixes"},
		"one prefix in other": {func(c *Config) {
			c.Introspection, c.Issuers = secret("a"), []Issuer{{Issuer: partnerIssuer, Introspection: secret("ab")}}
		}, "Prefixes"},
		"the same prefix": {func(c *Config) {
			c.Introspection, c.Issuers = secret("a"), []Issuer{{Issuer: partnerIssuer, Introspection: secret("a")}}
		}, "Prefixes"},
	} {
		cfg := Config{Issuer: testIssuer, Audience: testAudience}
		test.change(&cfg)
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// A client that reads the API's metadata learns of all issuers.
func TestMetadataNamesAllIssuers(t *testing.T) {
	v := newIssuer().verifier(t, func(c *Config) {
		c.Metadata = &Metadata{}
		c.Issuers = []Issuer{{Issuer: partnerIssuer}}
	})
	if want := `"authorization_servers":["` + testIssuer + `","` + partnerIssuer + `"]`; !strings.Contains(string(v.metadata.document), want) {
		t.Errorf("%s", v.metadata.document)
	}
}

func FuzzVerifyOfTwoIssuers(f *testing.F) {
	own, _, client := twoIssuers()
	v := own.verifier(f, func(c *Config) {
		c.Client = client
		c.Issuers = []Issuer{{Issuer: partnerIssuer}}
	})
	f.Add(`{"alg":"ES256","typ":"at+jwt","kid":"ec"}`, asJSON(goodClaims()), true)
	f.Add(`{"alg":"ES256","typ":"at+jwt","kid":"ec"}`, asJSON(goodClaims().with("iss", partnerIssuer)), false)
	f.Add(`{"alg":"ES256","typ":"at+jwt","kid":"ec"}`, `{"iss":"`+partnerIssuer+`","iss":"`+testIssuer+`"}`, true)
	f.Fuzz(func(t *testing.T, header, claims string, byUs bool) {
		key, want := otherKey(), partnerIssuer
		if byUs {
			key, want = ecKey(), testIssuer
		}
		p, err := v.Verify(context.Background(), es256(key, header, claims))
		if err == nil && p.Issuer != want {
			t.Errorf("%s %s: a key of %s vouches for %s", header, claims, want, p.Issuer)
		}
	})
}
