package jwks

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// rsaKey is a public RSA key of a size whose private half nobody knows.
func rsaKey(bits int) *rsa.PublicKey {
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	return &rsa.PublicKey{N: n.SetBit(n, 0, 1), E: 65537}
}

// setOf is a JWK Set of keys.
func setOf(t testing.TB, keys ...any) []byte {
	t.Helper()
	set, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestParse(t *testing.T) {
	good := `{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}`
	for name, set := range map[string]string{
		"nothing":            ``,
		"no object":          `[]`,
		"no list":            `{"keys":{}}`,
		"no key":             `{"keys":[]}`,
		"unknown keys only":  `{"keys":[{"kty":"XX"}]}`,
		"a string for a key": `{"keys":["` + "x" + `"]}`,
		"null for a key":     `{"keys":[null]}`,
		"off the curve":      `{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"5Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}`,
		"a weak RSA key":     string(setOf(t, jose.JSONWebKey{Key: rsaKey(MinRSABits - 1)})),
		"too many":           `{"keys":[` + strings.Repeat(good+",", MaxKeys) + good + `]}`,
	} {
		if keys, err := Parse([]byte(set)); err == nil {
			t.Errorf("%s: %v", name, keys)
		}
	}
	for _, member := range PrivateMembers {
		_, err := Parse([]byte(`{"keys":[` + good + `,{"kty":"XX","` + member + `":null}]}`))
		if !errors.Is(err, ErrPrivate) {
			t.Errorf("private member %s: %v", member, err)
		}
	}
	keys, err := Parse([]byte(`{"keys":[{"kty":"XX","use":"sig"},` + good + `]}`))
	if err != nil || len(keys) != 1 {
		t.Errorf("%v, %v", keys, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},{"kty":"oct","k":"AA"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB","d":"AA","x5c":["AA"]}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","e":"Ag","n":"` + strings.Repeat("_", 341) + `w"},{"kty":"RSA","e":"f_______","n":"` + strings.Repeat("g", 341) + `w"}]}`)) // even, and huge exponents
	var signed []*jose.JSONWebSignature
	for alg, size := range map[jose.SignatureAlgorithm]int{jose.RS256: 256, jose.PS256: 256, jose.ES256: 64, jose.ES384: 96, jose.ES512: 132, jose.EdDSA: 64} {
		encode := base64.RawURLEncoding.EncodeToString
		jws, err := jose.ParseSignedCompact(encode([]byte(`{"alg":"`+alg+`"}`))+".e30."+encode(bytes.Repeat([]byte{0x7f}, size)), Algorithms)
		if err != nil {
			f.Fatal(alg, err)
		}
		signed = append(signed, jws)
	}
	f.Fuzz(func(t *testing.T, set []byte) {
		keys, err := Parse(set)
		if err != nil {
			return
		}
		for _, k := range keys {
			for _, jws := range signed {
				if _, err := jws.Verify(k.Key); err == nil {
					t.Errorf("%s: a key that verifies anything", set)
				}
			}
			if !k.IsPublic() {
				t.Errorf("%s: a key that is not public", set)
			}
			if _, symmetric := k.Key.([]byte); symmetric {
				t.Errorf("%s: a symmetric key", set)
			}
		}
	})
}

// The content of a set besides one good key, and whether the three ways of reading accept the set.
func TestWaysOfReading(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := jose.JSONWebKey{Key: private.Public(), KeyID: "good"}
	certified := map[string]any{}
	if err := json.Unmarshal(setOf(t, good), &struct{ Keys []*map[string]any }{[]*map[string]any{&certified}}); err != nil {
		t.Fatal(err)
	}
	certified["x5c"] = []string{"bm9uZQ=="}
	for name, test := range map[string]struct {
		beside                   any
		parse, published, issuer int // keys that are kept; 0: the set is refused
	}{
		"nothing":            {good, 2, 2, 2},
		"an unknown type":    {map[string]any{"kty": "LATTICE"}, 1, 1, 1},
		"not an object":      {"key", 0, 1, 1},
		"a weak key":         {jose.JSONWebKey{Key: rsaKey(MinRSABits - 1)}, 0, 1, 1},
		"the least RSA key":  {jose.JSONWebKey{Key: rsaKey(MinRSABits)}, 2, 2, 2},
		"the most RSA key":   {jose.JSONWebKey{Key: rsaKey(jose.MaxRSAModulusBits)}, 2, 2, 2},
		"a key too long":     {jose.JSONWebKey{Key: rsaKey(jose.MaxRSAModulusBits + 1)}, 1, 1, 1},
		"a key to encrypt":   {jose.JSONWebKey{Key: private.Public(), Use: "enc"}, 2, 2, 1},
		"a private key":      {jose.JSONWebKey{Key: private}, 0, 0, 1},
		"a symmetric key":    {jose.JSONWebKey{Key: []byte("secret")}, 0, 0, 1},
		"a bad certificate":  {certified, 0, 1, 2},
		"a key half written": {map[string]any{"kty": "EC", "crv": "P-256", "x": "AA"}, 0, 1, 1},
	} {
		set := setOf(t, good, test.beside)
		for way, read := range map[string]struct {
			parse func([]byte) ([]jose.JSONWebKey, error)
			want  int
		}{"Parse": {Parse, test.parse}, "ParsePublished": {ParsePublished, test.published}, "ParseIssuer": {ParseIssuer, test.issuer}} {
			keys, err := read.parse(set)
			if len(keys) != read.want || (err == nil) != (read.want > 0) {
				t.Errorf("%s: %s keeps %d keys, %v; want %d", name, way, len(keys), err, read.want)
			}
			if private := errors.Is(err, ErrPrivate); private != (err != nil && test.published == 0) {
				t.Errorf("%s: %s: %v", name, way, err)
			}
		}
	}
}

func TestSuits(t *testing.T) {
	keys := map[string]any{"ES256": ecKey(elliptic.P256()), "ES384": ecKey(elliptic.P384()), "ES512": ecKey(elliptic.P521()), "EdDSA": ed25519.PublicKey(make([]byte, 32))}
	for _, alg := range rsaAlgorithms {
		keys[string(alg)] = rsaKey(MinRSABits)
	}
	for _, alg := range append(Algorithms, "none", "HS256", "", "RS1", "ES256K") {
		for of, key := range keys {
			_, isRSA := key.(*rsa.PublicKey)
			want := of == string(alg) || isRSA && slices.Contains(rsaAlgorithms, alg)
			if Fits(key, alg) != want {
				t.Errorf("a key for %s fits %q: %t", of, alg, !want)
			}
		}
		for _, key := range []any{nil, []byte("secret"), "key", ecKey(elliptic.P224())} {
			if Fits(key, alg) {
				t.Errorf("%T fits %q", key, alg)
			}
		}
	}
	key := ecKey(elliptic.P256())
	for _, test := range []struct {
		key      jose.JSONWebKey
		kid, alg string
		want     bool
	}{
		{jose.JSONWebKey{Key: key}, "", "ES256", true},
		{jose.JSONWebKey{Key: key, KeyID: "1", Use: "sig", Algorithm: "ES256"}, "1", "ES256", true},
		{jose.JSONWebKey{Key: key, KeyID: "1"}, "", "ES256", true},
		{jose.JSONWebKey{Key: key, KeyID: "1"}, "2", "ES256", false},
		{jose.JSONWebKey{Key: key}, "1", "ES256", false},
		{jose.JSONWebKey{Key: key, Use: "enc"}, "", "ES256", false},
		{jose.JSONWebKey{Key: key, Algorithm: "ES384"}, "", "ES256", false},
		{jose.JSONWebKey{Key: key, Algorithm: "ES384"}, "", "ES384", false},
		{jose.JSONWebKey{Key: key}, "", "RS256", false},
	} {
		if got := Suits(&test.key, test.kid, test.alg); got != test.want {
			t.Errorf("key of kid %q, use %q, alg %q; signature of %q by %s: %t", test.key.KeyID, test.key.Use, test.key.Algorithm, test.kid, test.alg, got)
		}
	}
}

func ecKey(curve elliptic.Curve) *ecdsa.PublicKey { return &ecdsa.PublicKey{Curve: curve} }

// TestKeyWithBrokenCertificate: a key can be used although a certificate beside it is broken.
func TestKeyWithBrokenCertificate(t *testing.T) {
	const key = `"kty":"EC","crv":"P-256","kid":"1","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"`
	for _, beside := range []string{`"x5c":["bm9uZQ=="]`, `"x5c":["???"]`, `"x5c":"none"`, `"x5c":[]`, `"x5t":"?"`, `"x5t#S256":"AAAA"`, `"x5u":":"`} {
		keys, err := ParseIssuer([]byte(`{"keys":[{` + key + `,` + beside + `}]}`))
		if err != nil || len(keys) != 1 || keys[0].KeyID != "1" {
			t.Errorf("%s: %d keys, %v", beside, len(keys), err)
		}
	}
	if _, err := ParseIssuer([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA","x5c":["bm9uZQ=="]}]}`)); err == nil {
		t.Error("a key that is none was saved by its certificate")
	}
}

func FuzzParseIssuer(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","kid":"1"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"},{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},null,1]}`))
	f.Add([]byte(`{"keys":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		keys, err := ParseIssuer(body)
		if err == nil && len(keys) == 0 {
			t.Error("an empty set was taken")
		}
		for _, key := range keys {
			if !key.IsPublic() || !key.Valid() {
				t.Errorf("key of type %T", key.Key)
			}
		}
	})
}
