package keys

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/storage"
)

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// forge signs by go-jose under a header of the test's making.
func forge(t testing.TB, alg jose.SignatureAlgorithm, key any, opts *jose.SignerOptions) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, opts)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign([]byte(`{"sub":"alice"}`))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil { // b64=false has no such form unless the payload is detached
		t.Fatal(err)
	}
	return token
}

// hs256 signs with a shared secret and the kid and typ of a token of ours.
func hs256(secret []byte, kid string) string {
	input := b64(fmt.Sprintf(`{"alg":"HS256","kid":%q,"typ":"at+jwt"}`, kid)) + "." + b64(`{"sub":"alice"}`)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func TestVerifyRefusesForgeries(t *testing.T) {
	store, c, p := newStore(t), newClock(), testPolicy()
	p.Algs = supported
	r := openRing(t, store, p, c.now)
	rs, es, ed := privateKey(t, store, jose.RS256), privateKey(t, store, jose.ES256), privateKey(t, store, jose.EdDSA)
	foreign, err := generate(jose.ES256)
	if err != nil {
		t.Fatal(err)
	}
	impostor := *foreign
	impostor.KeyID = es.KeyID

	typed := func() *jose.SignerOptions { return (&jose.SignerOptions{}).WithType(TypeAccessToken) }
	genuine := forge(t, jose.ES256, es, typed())
	if _, err := r.Verify(genuine); err != nil {
		t.Fatalf("the forge can't make a genuine token: %v", err)
	}
	header, rest, _ := strings.Cut(genuine, ".")
	payload, signature, _ := strings.Cut(rest, ".")

	der, _ := x509.MarshalPKIXPublicKey(&rs.Key.(*rsa.PrivateKey).PublicKey)
	pemKey := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	pkcs1 := x509.MarshalPKCS1PublicKey(&rs.Key.(*rsa.PrivateKey).PublicKey)
	jwk, _ := rs.Public().MarshalJSON()
	raw, _ := es.Key.(*ecdsa.PrivateKey).PublicKey.Bytes()
	none := func(alg string) string {
		return b64(fmt.Sprintf(`{"alg":%q,"kid":%q,"typ":"at+jwt"}`, alg, es.KeyID)) + "." + payload + "."
	}

	for name, token := range map[string]string{
		"empty":                   "",
		"dots":                    "..",
		"one part":                header,
		"two parts":               header + "." + payload,
		"four parts":              genuine + ".",
		"five parts":              genuine + "." + payload + "." + signature,
		"no payload":              header + ".." + signature,
		"no signature":            header + "." + payload + ".",
		"space before":            " " + genuine,
		"line end after":          genuine + "\n",
		"line end in signature":   genuine[:len(genuine)-4] + "\n" + genuine[len(genuine)-4:],
		"line end in payload":     header + "." + payload[:4] + "\r\n" + payload[4:] + "." + signature,
		"line end in header":      header[:4] + "\n" + header[4:] + "." + rest,
		"padding":                 genuine + "==",
		"json serialization":      fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, header, payload, signature),
		"none":                    none("none"),
		"None":                    none("None"),
		"none with signature":     none("none") + signature,
		"hs256 pem":               hs256(pemKey, rs.KeyID),
		"hs256 pem without end":   hs256([]byte(strings.TrimSpace(string(pemKey))), rs.KeyID),
		"hs256 der":               hs256(der, rs.KeyID),
		"hs256 pkcs1":             hs256(pkcs1, rs.KeyID),
		"hs256 jwk":               hs256(jwk, rs.KeyID),
		"hs256 modulus":           hs256(rs.Key.(*rsa.PrivateKey).N.Bytes(), rs.KeyID),
		"hs256 point":             hs256(raw, es.KeyID),
		"foreign key":             forge(t, jose.ES256, foreign, typed()),
		"foreign key, our kid":    forge(t, jose.ES256, &impostor, typed()),
		"foreign embedded jwk":    forge(t, jose.ES256, foreign, &jose.SignerOptions{EmbedJWK: true}),
		"foreign jku":             forge(t, jose.ES256, foreign, typed().WithHeader("jku", "https://evil.example/jwks.json")),
		"our key, embedded jwk":   forge(t, jose.ES256, es, &jose.SignerOptions{EmbedJWK: true}),
		"our key, no kid":         forge(t, jose.ES256, es.Key, typed()),
		"our key, no typ":         forge(t, jose.ES256, es, nil),
		"our key, unknown typ":    forge(t, jose.ES256, es, (&jose.SignerOptions{}).WithType("dpop+jwt")),
		"our key, crit":           forge(t, jose.ES256, es, typed().WithHeader("exp", 1).WithCritical("exp")),
		"our key, crit b64":       forge(t, jose.ES256, es, typed().WithHeader("b64", true).WithCritical("b64")),
		"our key, x5c":            forge(t, jose.ES256, es, typed().WithHeader("x5c", []string{})),
		"our key, other kid":      forge(t, jose.ES256, jose.JSONWebKey{Key: es.Key, KeyID: ed.KeyID}, typed()),
		"our key, other alg":      forge(t, jose.PS256, rs, typed()),
		"our key, alg and kid":    forge(t, jose.PS256, jose.JSONWebKey{Key: rs.Key, KeyID: privateKey(t, store, jose.PS256).KeyID}, typed()),
		"header of another":       headerOf(sign(t, r, jose.EdDSA)) + "." + rest,
		"signature of another":    header + "." + payload + "." + genuineSignature(sign(t, r, jose.EdDSA)),
		"payload of another":      header + "." + b64(`{"sub":"mallory"}`) + "." + signature,
		"header respelled":        b64(strings.Replace(decode(t, header), ",", ", ", 1)) + "." + rest,
		"header member doubled":   b64(strings.Replace(decode(t, header), "{", `{"alg":"ES256",`, 1)) + "." + rest,
		"header in capitals":      b64(strings.Replace(decode(t, header), `"alg"`, `"ALG"`, 1)) + "." + rest,
		"half of the signature":   header + "." + payload + "." + signature[:len(signature)/2],
		"signature of zeros":      header + "." + payload + "." + strings.Repeat("A", len(signature)),
		"more than the signature": genuine + "AAAA",
	} {
		c.add(minReload) // let each of them cause its reload
		v, err := r.Verify(token)
		if !errors.Is(err, ErrInvalidToken) {
			t.Errorf("%s: %+v, %v; want ErrInvalidToken", name, v, err)
		}
	}
}

func headerOf(token string) string         { h, _, _ := strings.Cut(token, "."); return h }
func genuineSignature(token string) string { return token[strings.LastIndexByte(token, '.')+1:] }

func decode(t *testing.T, part string) string {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Every character counts, also those whose change leaves the decoded bytes as they were.
func TestVerifyRefusesAnyChangedCharacter(t *testing.T) {
	p := testPolicy()
	p.Algs = supported
	r := openRing(t, newStore(t), p, newClock().now)
	for _, alg := range p.Algs {
		token := sign(t, r, alg)
		for i := range len(token) {
			others := alphabet[i%len(alphabet)%63 : i%len(alphabet)%63+2] // two of them
			if i+1 == len(token) || token[i] == '.' || token[i+1] == '.' {
				others = alphabet + ".=\n "
			}
			for _, c := range []byte(others) {
				changed := token[:i] + string(c) + token[i+1:]
				if _, err := r.Verify(changed); changed != token && !errors.Is(err, ErrInvalidToken) {
					t.Fatalf("%s: %q verifies in place of %q: %v", alg, changed, token, err)
				}
			}
		}
	}
}

func TestSignAndVerify(t *testing.T) {
	p := testPolicy()
	p.Algs = supported
	r := openRing(t, newStore(t), p, newClock().now)
	for _, alg := range p.Algs {
		for _, typ := range []string{TypeJWT, TypeAccessToken} {
			token, err := r.Sign(alg, typ, map[string]any{"sub": "alice", "n": 1})
			if err != nil {
				t.Fatal(err)
			}
			v, err := r.Verify(token)
			if err != nil {
				t.Fatal(err)
			}
			if v.Type != typ || v.Alg != string(alg) || string(v.Payload) != `{"n":1,"sub":"alice"}` {
				t.Errorf("verified %+v with payload %s", v, v.Payload)
			}
			// The header is part of the contract with verifiers.
			want := fmt.Sprintf(`{"alg":%q,"kid":%q,"typ":%q}`, alg, v.KeyID, typ)
			if got := decode(t, headerOf(token)); got != want {
				t.Errorf("header %s, want %s", got, want)
			}
		}
	}
	if _, err := r.Sign(jose.HS256, TypeJWT, nil); err == nil {
		t.Error("signed with HS256")
	}
	if _, err := r.Sign(jose.ES256, "secevent+jwt", nil); err == nil {
		t.Error("signed an unknown typ")
	}
	if _, err := r.Sign(jose.ES256, TypeJWT, func() {}); err == nil {
		t.Error("signed what is no JSON")
	}
}

// A replica learns of another's new key when it meets it, but made-up headers don't make it read
// the store each time.
func TestUnknownKeyReloads(t *testing.T) {
	store, c := newStore(t), newClock()
	less := testPolicy()
	less.Algs = []jose.SignatureAlgorithm{jose.ES256}
	b := openRing(t, store, less, c.now)
	a := openRing(t, store, testPolicy(), c.now)
	token := sign(t, a, jose.EdDSA) // a key that came to be after b loaded

	loaded := func() time.Time { return *b.loaded.Load() }
	at := loaded()
	c.add(minReload - time.Millisecond)
	if _, err := b.Verify(token); !errors.Is(err, ErrInvalidToken) || !loaded().Equal(at) {
		t.Errorf("reloaded too soon, or %v", err)
	}
	c.add(time.Millisecond)
	if _, err := b.Verify("e30.e30.e30"); !errors.Is(err, ErrInvalidToken) || loaded().Equal(at) {
		t.Errorf("a made-up header did not reload, or %v", err)
	}
	if _, err := b.Verify(token); err != nil {
		t.Errorf("the new key is not known after a reload: %v", err)
	}
}

func TestKeyThatDoesNotVerifyIsNoKey(t *testing.T) {
	private, err := generate(jose.ES256)
	if err != nil {
		t.Fatal(err)
	}
	other, err := generate(jose.ES256)
	if err != nil {
		t.Fatal(err)
	}
	public := other.Public()
	if _, err := newForm(jose.ES256, TypeJWT, private, &public); err == nil {
		t.Error("a pair of halves that don't belong together was taken")
	}
}

func FuzzVerify(f *testing.F) {
	// A constant key of the algorithm whose signatures don't vary, so that each process of a fuzz
	// run knows the tokens of the others.
	private := &jose.JSONWebKey{Key: ed25519.NewKeyFromSeed(counting(0)), KeyID: "kid", Algorithm: "EdDSA", Use: "sig"}
	store, p := newStore(f), testPolicy()
	p.Algs = []jose.SignatureAlgorithm{jose.EdDSA}
	name := keyName{jose.EdDSA, 1}
	now := time.Now()
	rec, err := seal(newSecret(f, counting(0)).Sealer("signing key"), name, private, now, now)
	if err != nil {
		f.Fatal(err)
	}
	if err := store.Apply(f.Context(), storage.SigningKeys.Put(name.String(), rec, storage.Absent, time.Time{})); err != nil {
		f.Fatal(err)
	}
	r := openRing(f, store, p, newClock().now)
	genuine := sign(f, r, jose.EdDSA)
	f.Add(genuine)
	f.Add(genuine[:len(genuine)-1])
	f.Add(genuine + "A")
	f.Add(headerOf(genuine) + ".e30.e30")
	f.Add(b64(`{"alg":"none"}`) + ".e30.")
	f.Fuzz(func(t *testing.T, token string) {
		v, err := r.Verify(token)
		if (err == nil) != (token == genuine) {
			t.Errorf("%q: %+v, %v", token, v, err)
		}
		if err != nil && !errors.Is(err, ErrInvalidToken) {
			t.Errorf("undocumented error: %v", err)
		}
	})
}
