package dpop

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
)

func TestRFC9449Section4_3_RefusesEveryOtherProof(t *testing.T) {
	for reason, proofs := range hostile() {
		for name, proof := range proofs {
			p, err := Verify(proof, here())
			var invalid *Error
			if p != nil || !errors.As(err, &invalid) || invalid.Reason != reason {
				t.Errorf("%s: %v, error %v, want %q", name, p, err, reason)
			}
		}
	}
}

func TestRFC9449Section4_3_RefusesAnyChangedCharacter(t *testing.T) {
	good := proof(goodHeader(), goodClaims())
	for i := range len(good) {
		for _, c := range []byte("Aa9-_.") {
			changed := good[:i] + string(c) + good[i+1:]
			if changed == good {
				continue
			}
			if _, err := Verify(changed, here()); err == nil {
				t.Fatalf("accepted with %q at %d", c, i)
			}
		}
	}
}

func TestRFC9449Section4_2_AcceptsProofs(t *testing.T) {
	h, c, now := goodHeader(), goodClaims(), time.Now().Unix()
	webCrypto := jwk(ecKey().Public()).with("ext", true).with("key_ops", []string{"verify"})
	for name, proof := range map[string]string{
		"ES256":                proof(h, c),
		"EdDSA":                joseProof(jose.EdDSA, edKey(), c),
		"PS256":                joseProof(jose.PS256, rsaKey(), c),
		"RS256":                joseProof(jose.RS256, rsaKey(), c),
		"a kid beside the jwk": proof(h.with("kid", "1"), c),
		"a jwk of WebCrypto":   proof(h.with("jwk", webCrypto), c),
		"unknown header":       proof(h.with("x", 1), c),
		"unknown claim":        proof(h, c.with("x", 1)),
		"iat with a fraction":  proof(h, c.with("iat", float64(now)+0.5)),
		"10 s slow":            proof(h, c.with("iat", now-10)),
		"10 s fast":            proof(h, c.with("iat", now+10)),
		"jti of one character": proof(h, c.with("jti", "x")),
		"the longest jti":      proof(h, c.with("jti", strings.Repeat("x", maxJTI))),
		"htu with a query":     proof(h, c.with("htu", testURL+"?a=b#c")),
		"htu with the port":    proof(h, c.with("htu", "HTTPS://ID.example.com:443/token")),
		"htu with escapes":     proof(h, c.with("htu", "https://id.example.com/%74oken")),
		"exp in a moment":      proof(h, c.with("exp", now+10)),
		"a nonce":              proof(h, c.with("nonce", "n")),
		"a long claim":         proof(h, c.with("x", strings.Repeat("y", 4000))),
	} {
		p, err := Verify(proof, here())
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if len(p.Thumbprint) != 43 || p.ID == "" {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

// The proof and the thumbprint of the RFC's own examples (sections 4.2 and 6.1).
func TestRFC9449Section6_1_Thumbprint(t *testing.T) {
	example := object{
		"kty": "EC", "crv": "P-256", "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs", "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
	}
	h, err := parseHeader([]byte(asJSON(goodHeader().with("jwk", example))))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := h.thumbprint(); err != nil || got != "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" {
		t.Errorf("thumbprint %q, %v", got, err)
	}
	if got := tokenHash("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"); got != "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo" {
		t.Errorf("ath %q", got) // section 7.1
	}
}

// One key has one thumbprint, however its JWK is written.
func TestRFC9449Section6_1_OneThumbprintForAKey(t *testing.T) {
	h, c := goodHeader(), goodClaims()
	want, err := Verify(proof(h, c), here())
	if err != nil {
		t.Fatal(err)
	}
	for name, bent := range map[string]object{
		"kid": jwk(ecKey().Public()).with("kid", "x"),
		"alg": jwk(ecKey().Public()).with("alg", "ES256").with("use", "sig"),
		"x":   jwk(ecKey().Public()).with("X", "x"),
	} {
		if p, err := Verify(proof(h.with("jwk", bent), c), here()); err != nil || p.Thumbprint != want.Thumbprint {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

func TestRFC9449Section4_3_Check1_OneHeader(t *testing.T) {
	h := http.Header{}
	if proof, err := FromHeader(h); proof != "" || err != nil {
		t.Errorf("absent: %q, %v", proof, err)
	}
	h.Set("dpop", "x.y.z")
	if proof, err := FromHeader(h); proof != "x.y.z" || err != nil {
		t.Errorf("one: %q, %v", proof, err)
	}
	h.Add("DPoP", "x.y.z")
	if proof, err := FromHeader(h); proof != "" || err == nil {
		t.Errorf("two: %q, %v", proof, err)
	}
	h.Set("DPoP", "")
	if proof, err := FromHeader(h); proof != "" || err == nil {
		t.Errorf("empty: %q, %v", proof, err)
	}
}

func TestRFC9449Section4_3_Check9_Normalisation(t *testing.T) {
	for _, same := range [][]string{
		{"https://h.example/", "https://h.example", "HTTPS://H.Example:443/", "https://h.example:/", "https://h.example?x", "https://h.example/#x", "https://h.example/?", "https://h.example/.", "https://h.example/a/..", "https://h.example/../"},
		{"http://h.example/a", "http://h.example:80/a", "http://h.example/%61", "http://h.example/./a", "http://h.example/b/../a", "http://h.example/b/%2e%2E/a"},
		{"https://h.example/%2F%C3%A9", "https://h.example/%2f%c3%a9", "https://h.example/%2Fé", "https://h.example/%2F\xc3\xa9"},
		{"https://[::1]:8443/a", "https://[::1]:8443/a?b"},
		{"https://h.example/~a-b._c", "https://h.example/%7Ea%2Db%2E%5Fc"},
		{"https://h.example/a/", "https://h.example/a/b/..", "https://h.example/a/."},
		{"https://h.example//a"},
		{"https://h.example/a%2Fb%5Bc", "https://h.example/a%2fb[c"},
		{"https://h.example/a"},
		{"https://h.example/A"},
		{"https://h.example/%2525"},
		{"https://h.example/%25"},
		{"https://h.example:80/"},
		{"http://h.example:443/"},
		{"http://h.example/"},
		{"https://h.example./"},
		{"https://h.example/a;b"},
		{"https://h.example/a%3Bb", "https://h.example/a%3bb"},
		{"https://h.example/a+b"},
		{"https://h.example/a%20b", "https://h.example/a b"},
	} {
		want, err := normalURI(same[0])
		if err != nil || want != same[0] {
			t.Errorf("%s: %q, %v", same[0], want, err)
		}
		for _, uri := range same[1:] {
			if got, err := normalURI(uri); err != nil || got != want {
				t.Errorf("%s: %q, %v, want %q", uri, got, err, want)
			}
		}
	}
	for _, uri := range []string{"", "h.example", "//h.example/", "https://", "https://:443/", "https://h.example::443/", "ftp://h.example/", "https://u@h.example/", "https://h.example:x/", "https://h.example/%", "https://h.example/%4", "https:h.example", "https://[::1/", "https://h.exa mple/", "https://h.example\\@x/"} {
		if got, err := normalURI(uri); err == nil {
			t.Errorf("%q is taken for %q", uri, got)
		}
	}
}

// An endpoint may have an address for clients with certificates, too.
func TestRFC9449Section4_3_Check9_Alias(t *testing.T) {
	want := here()
	want.Alias = "https://mtls.example.com/token"
	for htu, good := range map[string]bool{testURL: true, want.Alias: true, "https://mtls.example.com/par": false, "https://evil.example/token": false, "/": false} {
		if _, err := Verify(proof(goodHeader(), goodClaims().with("htu", htu)), want); (err == nil) != good {
			t.Errorf("%s: %v", htu, err)
		}
	}
	if _, err := Verify(proof(goodHeader(), goodClaims().with("htu", want.Alias)), here()); err == nil {
		t.Error("an alias that there is not is accepted")
	}
}

func TestRFC9449Section11_1_ProofsAreShortLived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made := time.Now()
		ahead := proof(goodHeader(), goodClaims().with("iat", made.Add(MaxAhead).Unix()))
		for _, step := range []struct {
			after time.Duration
			good  bool
		}{
			{0, true}, {MaxAhead, true}, {MaxAge - 1, true}, {1, false}, {time.Hour, false},
		} {
			time.Sleep(step.after) // the bubble's clock, not ours
			p, err := Verify(ahead, here())
			if (err == nil) != step.good {
				t.Errorf("after %v: %v", time.Since(made), err)
			}
			if p != nil && !p.ReplayUntil().After(time.Now()) {
				t.Error("a good proof need not be remembered")
			}
		}
	})
}

// A proof is remembered for longer than it passes: a replica whose clock is slow takes it when this one
// no longer does, and between the two looks at the clock goes a little time.
func TestRFC9449Section11_1_RememberedLongerThanAccepted(t *testing.T) {
	nonces := must(NewNonces(bytes.Repeat([]byte{1}, 32)))
	for name, want := range map[string]*Nonces{"by its iat": nil, "by its nonce": nonces} {
		synctest.Test(t, func(t *testing.T) {
			slot := slotOf(time.Now()) + 1
			time.Sleep(time.Until(time.Unix(slot*120, 0).Add(-nonceSkew))) // the next nonce just counts
			at := here()
			at.Nonces = want
			iat := float64(time.Now().Unix()) + 0.0004 // stores keep whole milliseconds
			made := proof(goodHeader(), goodClaims().with("iat", iat).with("nonce", nonceOf(nonces.keys[0], slot)))
			p, err := Verify(made, at)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for err == nil {
				time.Sleep(time.Second)
				_, err = Verify(made, at)
			}
			if left := time.Until(p.ReplayUntil().Truncate(time.Millisecond)); left < 2*nonceSkew-time.Second {
				t.Errorf("%s: remembered for %v after it passed", name, left)
			}
		})
	}
}

// A proof is one use of one jti of one key at one target; what is not signed by the client's choice
// makes no other of it.
func TestRFC9449Section11_1_ReplayKey(t *testing.T) {
	h, c := goodHeader(), goodClaims()
	replayKey := func(proof string, want Request) string {
		t.Helper()
		p, err := Verify(proof, want)
		if err != nil {
			t.Fatal(err)
		}
		return p.ReplayKey()
	}
	key := replayKey(proof(h, c), here())
	if raw, err := base64.RawURLEncoding.DecodeString(key); err != nil || len(raw) != 32 {
		t.Errorf("replay key %q: %v", key, err)
	}
	elsewhere := here()
	elsewhere.URL = "https://id.example.com/par"
	for name, same := range map[string]string{
		"signed again":       replayKey(proof(h, c), here()),
		"another iat":        replayKey(proof(h, c.with("iat", time.Now().Unix()-9)), here()),
		"htu spelt anew":     replayKey(proof(h, c.with("htu", "https://ID.example.com:443/token?x")), here()),
		"another jwk member": replayKey(proof(h.with("jwk", jwk(ecKey().Public()).with("kid", "x")), c), here()),
	} {
		if same != key {
			t.Errorf("%s: the same proof counts again", name)
		}
	}
	for name, other := range map[string]string{
		"another jti": replayKey(proof(h, c.with("jti", "x")), here()),
		"another key": replayKey(es256(otherKey(), asJSON(h.with("jwk", jwk(otherKey().Public()))), asJSON(c)), here()),
		"another htu": replayKey(proof(h, c.with("htu", elsewhere.URL)), elsewhere),
	} {
		if other == key {
			t.Errorf("%s: another proof counts as used", name)
		}
	}
}

func TestRFC9449Section5_NoAccessTokenNoHash(t *testing.T) {
	want := here()
	want.AccessToken = ""
	if _, err := Verify(proof(goodHeader(), goodClaims().without("ath")), want); err != nil {
		t.Error(err)
	}
}

func TestRFC9449Section5_1_Algorithms(t *testing.T) {
	if got := Algorithms(); !slices.Equal(got, []string{"ES256", "EdDSA", "PS256", "RS256"}) {
		t.Errorf("algorithms %q", got)
	}
}

func TestRFC9449Section8_Nonces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, current := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
		before := must(NewNonces(old))
		after := must(NewNonces(current, old)) // the key has been rotated
		time.Sleep(time.Until(time.Unix(slotOf(time.Now())*120, 0).Add(2 * nonceSlot)))

		nonce, olds := after.Current(), before.Current()
		if len(nonce) != 32 || nonce != after.Current() {
			t.Errorf("nonces %q and %q", nonce, after.Current())
		}
		if !after.Valid(olds) || before.Valid(nonce) {
			t.Error("a rotated key's nonces must count, an unknown key's not")
		}
		for _, bad := range []string{"", "x", strings.Repeat("A", 32), strings.Repeat("_", 32), nonce + "A", nonce[:31], nonce[:31] + "=", strings.ToLower(nonce), "\n" + nonce[1:]} {
			if bad != nonce && after.Valid(bad) {
				t.Errorf("%q is valid", bad)
			}
		}
		for _, step := range []struct {
			after        time.Duration
			valid, fresh bool
		}{
			{nonceSlot - time.Second, true, false},
			{time.Second, true, true}, // the next one is announced before this one ends
			{nonceSlot + nonceSkew - time.Second, true, true},
			{time.Second, false, true},
		} {
			time.Sleep(step.after)
			if got := after.Valid(nonce); got != step.valid {
				t.Errorf("after %v more: valid is %v", step.after, got)
			}
			if got := after.Current() != nonce; got != step.fresh {
				t.Errorf("after %v more: announced another is %v", step.after, got)
			}
		}
	})
}

// With a nonce, the server knows when the proof was made: the client's clock may be wrong.
func TestRFC9449Section11_1_ANonceStandsForTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want := here()
		want.Nonces = must(NewNonces(bytes.Repeat([]byte{1}, 32)))
		h, c, now := goodHeader(), goodClaims().with("nonce", want.Nonces.Current()), time.Now()
		for name, claims := range map[string]object{
			"right": c, "slow": c.with("iat", now.Unix()-86400).with("exp", now.Unix()-86000), "fast": c.with("iat", now.Unix()+86400).with("nbf", now.Unix()+86400),
		} {
			p, err := Verify(proof(h, claims), want)
			if err != nil || p.Nonce != want.Nonces.Current() {
				t.Errorf("%s: %+v, %v", name, p, err)
			} else if until := p.ReplayUntil(); until.Before(now.Add(2*nonceSlot)) || until.After(now.Add(MaxAge)) {
				t.Errorf("%s: to be remembered until %v", name, until)
			}
		}
		for name, claims := range map[string]object{
			"none": c.without("nonce"), "made up": c.with("nonce", strings.Repeat("A", 32)), "empty": c.with("nonce", ""),
		} {
			if p, err := Verify(proof(h, claims), want); p != nil || !errors.Is(err, ErrNonce) {
				t.Errorf("%s: %+v, %v", name, p, err)
			}
		}
		old := proof(h, c)
		time.Sleep(nonceLife)
		if p, err := Verify(old, want); p != nil || !errors.Is(err, ErrNonce) {
			t.Errorf("old: %+v, %v", p, err)
		}
		if next := want.Nonces.Next(c["nonce"].(string)); next != want.Nonces.Current() || want.Nonces.Next(next) != "" {
			t.Errorf("next %q", next)
		}
	})
}

// The replicas' clocks differ by up to five seconds.
func TestRFC9449Section8_NoncesOfAReplicaThatIsFast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := must(NewNonces(bytes.Repeat([]byte{1}, 32)))
		slot := slotOf(time.Now()) + 1
		early := nonceOf(n.keys[0], slot)
		time.Sleep(time.Until(time.Unix(slot*120, 0).Add(-nonceSkew - time.Second)))
		if n.Valid(early) {
			t.Error("a nonce of the future is valid")
		}
		time.Sleep(time.Second)
		if !n.Valid(early) {
			t.Error("a nonce of five seconds ahead is not valid")
		}
	})
}

func TestNewNoncesRefusesWeakKeys(t *testing.T) {
	for _, keys := range [][][]byte{nil, {nil}, {make([]byte, 31)}, {make([]byte, 32), make([]byte, 16)}} {
		if _, err := NewNonces(keys...); err == nil {
			t.Errorf("%d keys accepted", len(keys))
		}
	}
}
