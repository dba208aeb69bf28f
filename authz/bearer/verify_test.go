package bearer

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
)

func TestVerifyRefuses(t *testing.T) {
	is := newIssuer()
	is.keys = append(is.keys, oddKeys()...)
	// JWT as a type is only asked for by the rows that are about other things than the type.
	strict := is.verifier(t)
	lax := is.verifier(t, func(c *Config) { c.Types = []string{"at+jwt", "JWT"} })

	if _, err := strict.Verify(t.Context(), goodToken()); err != nil {
		t.Fatalf("good token: %v", err)
	}
	for reason, tokens := range hostile() {
		for name, token := range tokens {
			for _, v := range []*Verifier{strict, lax} {
				if v == lax && name == "typ JWT" {
					continue
				}
				p, err := v.Verify(t.Context(), token)
				var invalid *TokenError
				if p != nil || !errors.As(err, &invalid) || invalid.Reason != reason {
					t.Errorf("%s: principal %v, error %v, want %q", name, p, err, reason)
				}
			}
		}
	}
	for _, u := range is.requests {
		if !strings.HasPrefix(u, testIssuer+"/") {
			t.Errorf("a token made the verifier fetch %s", u)
		}
	}
}

// An ID token of an issuer that types everything JWT has no client_id and no jti.
func TestVerifyRefusesIDToken(t *testing.T) {
	v := newIssuer().verifier(t, func(c *Config) { c.Types = []string{"JWT"} })
	idToken := token(header().with("typ", "JWT"), goodClaims().without("client_id").with("azp", "spa"))
	if _, err := v.Verify(t.Context(), idToken); err == nil {
		t.Error("ID token accepted")
	}
}

func TestVerifyAccepts(t *testing.T) {
	v := newIssuer().verifier(t)
	h, c, now := header(), goodClaims(), time.Now()
	for name, token := range map[string]string{
		"RS256":                   rs256(rsaKey(), asJSON(h.with("alg", "RS256").with("kid", "rsa")), asJSON(c)),
		"PS256":                   joseToken(t, jose.PS256, rsaKey(), "rsa", c),
		"EdDSA":                   joseToken(t, jose.EdDSA, edKey(), "ed", c),
		"typ with application/":   token(h.with("typ", "application/at+jwt"), c),
		"typ in another case":     token(h.with("typ", "AT+JWT"), c),
		"aud among others":        token(h, c.with("aud", []string{"x", testAudience})),
		"exp within the leeway":   token(h, c.with("exp", now.Unix()-20)),
		"exp with a fraction":     token(h, c.with("exp", float64(now.Unix())+100.5)),
		"iat within the leeway":   token(h, c.with("iat", now.Unix()+20)),
		"nbf past":                token(h, c.with("nbf", now.Unix()-1)),
		"no optional claims":      token(h, object{"iss": testIssuer, "aud": testAudience, "sub": "x", "client_id": "x", "jti": "x", "iat": now.Unix(), "exp": now.Unix() + 9}),
		"unknown claims":          token(h, c.with("https://x.example/y", object{"z": []int{1}})),
		"roles as SCIM has them":  token(h, c.with("roles", []any{object{"value": "admin", "primary": true}})),
		"a foreign jwk beside it": token(h.with("jwk", jose.JSONWebKey{Key: otherKey().Public()}), c),
	} {
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func joseToken(t testing.TB, alg jose.SignatureAlgorithm, key any, kid string, claims object) string {
	t.Helper()
	opts := (&jose.SignerOptions{}).WithType("at+jwt").WithHeader("kid", kid)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, opts)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign([]byte(asJSON(claims)))
	if err != nil {
		t.Fatal(err)
	}
	return must(jws.CompactSerialize())
}

// No single character of a token may be changed.
func TestVerifyRefusesAnyChange(t *testing.T) {
	v := newIssuer().verifier(t)
	good := goodToken()
	for i := range len(good) {
		for _, c := range []byte("Aab9-_.") {
			changed := good[:i] + string(c) + good[i+1:]
			if changed == good {
				continue
			}
			if _, err := v.Verify(t.Context(), changed); err == nil {
				t.Fatalf("accepted with %q at %d", c, i)
			}
		}
	}
}

func TestVerifyPrincipal(t *testing.T) {
	v := newIssuer().verifier(t)
	c := goodClaims().with("department", "tea")
	p, err := v.Verify(t.Context(), token(header(), c))
	if err != nil {
		t.Fatal(err)
	}
	if p.Issuer != testIssuer || p.Subject != "alice" || p.ClientID != "spa" || p.ID != "1" ||
		p.GrantID != "g1" || p.SessionID != "s1" || p.ACR != "urn:x:pwd" ||
		!slices.Equal(p.Audience, []string{testAudience}) || !slices.Equal(p.Groups, []string{"staff"}) ||
		!slices.Equal(p.Scopes, []string{"orders.read", "orders.write"}) || !p.HasRole("admin") ||
		p.Expires.Unix() != c["exp"] || p.IssuedAt.Unix() != c["iat"] || p.AuthTime.Unix() != c["auth_time"] {
		t.Errorf("principal %+v", p)
	}
	var more struct{ Department string }
	if err := p.Decode(&more); err != nil || more.Department != "tea" {
		t.Errorf("decoded %+v, %v", more, err)
	}
	if err := (&Principal{Subject: "cookie"}).Decode(&more); err == nil {
		t.Error("claims decoded without a token")
	}
}

func TestVerifyLeeway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := newIssuer()
		none := is.verifier(t, func(c *Config) { c.Leeway = -1 })
		minute := is.verifier(t, func(c *Config) { c.Leeway = time.Minute })
		token := goodToken()
		for _, step := range []struct {
			after        time.Duration
			none, minute bool
		}{
			{0, true, true},
			{900*time.Second - 1, true, true},
			{1, false, true},
			{time.Minute - 1, false, true},
			{1, false, false},
		} {
			time.Sleep(step.after) // the bubble's clock, not ours
			_, err := none.Verify(t.Context(), token)
			_, errMinute := minute.Verify(t.Context(), token)
			if (err == nil) != step.none || (errMinute == nil) != step.minute {
				t.Errorf("after %v more: %v and %v", step.after, err, errMinute)
			}
		}
	})
}

func TestVerifyAnyAudience(t *testing.T) {
	v := newIssuer().verifier(t, func(c *Config) { c.Audience, c.InsecureAnyAudience = "", true })
	if _, err := v.Verify(t.Context(), token(header(), goodClaims().with("aud", "x"))); err != nil {
		t.Error(err)
	}
	if _, err := v.Verify(t.Context(), token(header(), goodClaims().without("aud"))); err == nil {
		t.Error("token without audience accepted")
	}
}

func TestNewReportsEveryMistake(t *testing.T) {
	_, err := New(Config{Issuer: "http://id.example.com", Algorithms: []string{"HS256", "none"}, Types: []string{""}, RefreshInterval: -1})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"https", "Audience is required", `"HS256"`, `"none"`, "empty type", "RefreshInterval"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
	for _, issuer := range []string{"", "id.example.com", "https://", "https://x?y", "https://x#y", "https://u:p@x", "ftp://x", "http://127.0.0.1.example.com", "https://x\n"} {
		if _, err := New(Config{Issuer: issuer, Audience: "a"}); err == nil {
			t.Errorf("issuer %q accepted", issuer)
		}
	}
	for _, issuer := range []string{"https://x", "https://x/tenant", "http://localhost:9010", "http://127.0.0.1:1", "http://[::1]:1", "https://x/"} {
		if _, err := New(Config{Issuer: issuer, Audience: "a"}); err != nil {
			t.Errorf("issuer %q: %v", issuer, err)
		}
	}
	if _, err := New(Config{Issuer: testIssuer, Audience: "a", InsecureAnyAudience: true}); err == nil {
		t.Error("contradiction accepted")
	}
}
