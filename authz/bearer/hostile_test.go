package bearer

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// hostile is every way that we know to get a token accepted that should not be, by the reason for
// which it must be refused.
func hostile() map[string]map[string]string {
	good := goodToken()
	parts := strings.Split(good, ".")
	head, claims, signature := parts[0], parts[1], parts[2]
	h, c := header(), goodClaims()
	now := time.Now().Unix()

	ecPublic := must(x509.MarshalPKIXPublicKey(ecKey().Public()))
	rsaPublic := must(x509.MarshalPKIXPublicKey(rsaKey().Public()))
	rsaPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: rsaPublic})
	rsaJWK := []byte(asJSON(jose.JSONWebKey{Key: rsaKey().Public(), KeyID: "rsa", Use: "sig"}))
	attackersJWK := jose.JSONWebKey{Key: otherKey().Public(), KeyID: "ec"}
	digest := sha256.Sum256([]byte(head + "." + claims))
	der := must(ecdsa.SignASN1(rand.Reader, ecKey(), digest[:]))

	return map[string]map[string]string{
		"the token is not a signed JWT": {
			"empty":                       "",
			"dots":                        "..",
			"one part":                    head,
			"two parts":                   head + "." + claims,
			"four parts":                  good + ".x",
			"five parts, as a JWE":        good + "." + head + "." + claims,
			"trailing dot":                good + ".",
			"space before":                " " + good,
			"line feed after":             good + "\n",
			"line feed inside":            head + ".\n" + claims + "." + signature,
			"padding":                     good + "==",
			"standard alphabet":           strings.NewReplacer("-", "+", "_", "/").Replace(head+"-_") + "." + claims + "." + signature,
			"NUL":                         good + "\x00",
			"not ASCII":                   good + "é",
			"JSON serialization":          `{"protected":"` + head + `","payload":"` + claims + `","signature":"` + signature + `"}`,
			"spare bits of signature":     head + "." + claims + "." + spareBits(signature),
			"spare bits of claims":        respelled(h, c),
			"length of no base64":         head + "." + claims + "." + signature[:85],
			"an opaque token":             "azr_1234567890",
			"signature stripped":          head + "." + claims + ".",
			"claims stripped":             head + ".." + signature,
			"header stripped":             "." + claims + "." + signature,
			"alg none":                    b64(`{"alg":"none","typ":"at+jwt","kid":"ec"}`) + "." + claims + ".",
			"alg nOnE":                    b64(`{"alg":"nOnE","typ":"at+jwt","kid":"ec"}`) + "." + claims + ".",
			"alg twice":                   es256(ecKey(), `{"alg":"none","alg":"ES256","typ":"at+jwt","kid":"ec"}`, asJSON(c)),
			"kid an array":                token(h.with("kid", []string{"ec"}), c),
			"kid twice":                   es256(ecKey(), `{"alg":"ES256","typ":"at+jwt","kid":"x","kid":"ec"}`, asJSON(c)),
			"its own key as x5c":          es256(otherKey(), asJSON(h.with("x5c", []string{"MIIB"})), asJSON(c)),
			"header an array":             es256(ecKey(), `["ES256"]`, asJSON(c)),
			"header null":                 es256(ecKey(), `null`, asJSON(c)),
			"header with something after": es256(ecKey(), asJSON(h)+"{}", asJSON(c)),
		},
		"the token is too long": {
			"too long": good + strings.Repeat("A", maxToken),
		},
		"the token's signature is wrong": {
			"signature of another":      head + "." + b64(asJSON(c.with("sub", "mallory"))) + "." + signature,
			"header of another":         b64(asJSON(h.with("x", 1))) + "." + claims + "." + signature,
			"signature of zeros":        head + "." + claims + "." + b64(string(make([]byte, 64))),
			"signature in DER":          head + "." + claims + "." + b64(string(der)),
			"signature with bytes more": head + "." + claims + "." + signature + "AA",
			"another key, same kid":     es256(otherKey(), asJSON(h), asJSON(c)),
			"PS256 named, RS256 signed": rs256(rsaKey(), asJSON(h.with("alg", "PS256").with("kid", "rsa")), asJSON(c)),
			"its own key as jwk":        es256(otherKey(), asJSON(h.with("jwk", attackersJWK)), asJSON(c)),
			"its own key as x5u":        es256(otherKey(), asJSON(h.with("x5u", "https://evil.example/cert.pem")), asJSON(c)),
		},
		"the token's signature algorithm is not accepted": {
			"alg none, with signature":   b64(`{"alg":"none","typ":"at+jwt","kid":"ec"}`) + "." + claims + "." + signature,
			"alg empty":                  token(h.with("alg", ""), c),
			"alg absent":                 token(h.without("alg"), c),
			"alg a number":               token(h.with("alg", 256), c),
			"alg an array":               token(h.with("alg", []string{"ES256"}), c),
			"alg in another case":        token(h.with("alg", "es256"), c),
			"HS256 with the public PEM":  hs256(rsaPEM, asJSON(h.with("alg", "HS256").with("kid", "rsa")), asJSON(c)),
			"HS256 with the public DER":  hs256(rsaPublic, asJSON(h.with("alg", "HS256").with("kid", "rsa")), asJSON(c)),
			"HS256 with the public JWK":  hs256(rsaJWK, asJSON(h.with("alg", "HS256").with("kid", "rsa")), asJSON(c)),
			"HS256 with the EC key":      hs256(ecPublic, asJSON(h.with("alg", "HS256")), asJSON(c)),
			"HS256 with nothing":         hs256(nil, asJSON(h.with("alg", "HS256")), asJSON(c)),
			"HS256 with a published oct": hs256([]byte(strings.Repeat("k", 32)), asJSON(h.with("alg", "HS256").with("kid", "oct")), asJSON(c)),
			"RS512, not in the list":     rs256(rsaKey(), asJSON(h.with("alg", "RS512").with("kid", "rsa")), asJSON(c)),
		},
		"the token is signed with a key that the issuer does not have": {
			"RS256 for an EC key":       rs256(rsaKey(), asJSON(h.with("alg", "RS256")), asJSON(c)),
			"ES256 for an RSA key":      token(h.with("kid", "rsa"), c),
			"key for encryption":        token(h.with("kid", "enc"), c),
			"key for another algorithm": token(h.with("kid", "es384"), c),
			"private key published":     token(h.with("kid", "private"), c),
			"RSA key of 1024 bits":      rs256(smallKey(), asJSON(h.with("alg", "RS256").with("kid", "small")), asJSON(c)),
			"kid unknown":               token(h.with("kid", "nobody"), c),
			"kid a path":                token(h.with("kid", "../../dev/null"), c),
			"kid in another case":       token(h.with("kid", "EC"), c),
			"its own key as jku":        es256(otherKey(), asJSON(h.with("jku", "https://evil.example/jwks.json").with("kid", "evil")), asJSON(c)),
		},
		"the token names no key": {
			"key without an id": es256(otherKey(), asJSON(h.with("kid", "")), asJSON(c)),
			"kid absent":        token(h.without("kid"), c),
			"kid null":          token(h.with("kid", nil), c),
		},
		"the token has critical headers": {
			"crit":            token(h.with("crit", []string{"exp"}).with("exp", 1), c),
			"crit empty":      token(h.with("crit", []string{}), c),
			"crit not a list": token(h.with("crit", "exp"), c),
			"crit b64":        token(h.with("crit", []string{"b64"}).with("b64", true), c),
		},
		"the token has an unencoded payload": {
			"b64 without crit": token(h.with("b64", false), c),
		},
		"the token is not an access token of an accepted type": {
			"typ absent":        token(h.without("typ"), c),
			"typ JWT":           token(h.with("typ", "JWT"), c),
			"typ null":          token(h.with("typ", nil), c),
			"typ an array":      token(h.with("typ", []string{"at+jwt"}), c),
			"typ logout+jwt":    token(h.with("typ", "logout+jwt"), c),
			"typ dpop+jwt":      token(h.with("typ", "dpop+jwt"), c),
			"typ text/at+jwt":   token(h.with("typ", "text/at+jwt"), c),
			"typ with a suffix": token(h.with("typ", "at+jwt2"), c),
			"typ TYP":           es256(ecKey(), `{"alg":"ES256","TYP":"at+jwt","kid":"ec"}`, asJSON(c)),
		},
		"the token's claims are malformed": {
			"claims no JSON":      es256(ecKey(), asJSON(h), "sub=alice"),
			"claims an array":     es256(ecKey(), asJSON(h), "["+asJSON(c)+"]"),
			"claims twice":        es256(ecKey(), asJSON(h), asJSON(c)+asJSON(c)),
			"iss an array":        token(h, c.with("iss", []string{testIssuer})),
			"iss twice":           es256(ecKey(), asJSON(h), `{"iss":"x",`+asJSON(c)[1:]),
			"aud an object":       token(h, c.with("aud", object{"a": testAudience})),
			"aud nested":          token(h, c.with("aud", [][]string{{testAudience}})),
			"aud twice":           es256(ecKey(), asJSON(h), `{"aud":"x",`+asJSON(c)[1:]),
			"exp a string":        token(h, c.with("exp", "9999999999")),
			"exp negative":        token(h, c.with("exp", -1)),
			"exp beyond time":     token(h, c.with("exp", 1e300)),
			"exp beyond int64":    es256(ecKey(), asJSON(h), `{"exp":1e19,`+asJSON(c.without("exp"))[1:]),
			"iat a string":        token(h, c.with("iat", "now")),
			"nbf a string":        token(h, c.with("nbf", "now")),
			"sub a number":        token(h, c.with("sub", 1)),
			"scope a list":        token(h, c.with("scope", []string{"admin"})),
			"roles a string":      token(h, c.with("roles", "admin")),
			"roles with a number": token(h, c.with("roles", []any{1})),
		},
		"the token is from another issuer": {
			"claims empty":        es256(ecKey(), asJSON(h), "{}"),
			"claims null":         es256(ecKey(), asJSON(h), "null"),
			"iss absent":          token(h, c.without("iss")),
			"iss of another":      token(h, c.with("iss", "https://evil.example")),
			"iss with a slash":    token(h, c.with("iss", testIssuer+"/")),
			"iss in another case": token(h, c.with("iss", "https://ID.example.com")),
			"iss as a prefix":     token(h, c.with("iss", testIssuer+".evil.example")),
			"ISS":                 es256(ecKey(), asJSON(h), `{"ISS":"`+testIssuer+`",`+asJSON(c.without("iss"))[1:]),
		},
		"the token has no audience": {
			"aud absent": token(h, c.without("aud")),
			"aud null":   token(h, c.with("aud", nil)),
			"aud empty":  token(h, c.with("aud", []string{})),
		},
		"the token is for another audience": {
			"aud of another":   token(h, c.with("aud", "https://other.example.com")),
			"aud the client":   token(h, c.with("aud", "spa")),
			"aud with a slash": token(h, c.with("aud", testAudience+"/")),
			"aud as a prefix":  token(h, c.with("aud", testAudience+".evil.example")),
			"aud with spaces":  token(h, c.with("aud", "x "+testAudience)),
		},
		"the token has no expiry time": {
			"exp absent": token(h, c.without("exp")),
			"exp null":   token(h, c.with("exp", nil)),
		},
		"the token has expired": {
			"exp past":     token(h, c.with("exp", now-31)),
			"exp just now": token(h, c.with("exp", now-30)),
			"exp zero":     token(h, c.with("exp", 0)),
		},
		"the token has no time of issue": {
			"iat absent": token(h, c.without("iat")),
		},
		"the token is from the future": {
			"iat in the future": token(h, c.with("iat", now+90)),
		},
		"the token is not valid yet": {
			"nbf in the future": token(h, c.with("nbf", now+90)),
		},
		"the token has no subject": {
			"sub absent": token(h, c.without("sub")),
			"sub empty":  token(h, c.with("sub", "")),
		},
		"the token has no client_id": {
			"client_id absent": token(h, c.without("client_id")),
		},
		"the token has no jti": {
			"jti absent": token(h, c.without("jti")),
		},
		"the token is not an access token": {
			"an ID token's nonce":  token(h, c.with("nonce", "n")),
			"an ID token's hash":   token(h, c.with("at_hash", "x")),
			"an ID token's c_hash": token(h, c.with("c_hash", "x")),
			"a logout token":       token(h, c.with("events", object{"http://schemas.openid.net/event/backchannel-logout": object{}})),
		},
	}
}

// spareBits changes the last character so that a lax decoder reads the same bytes.
func spareBits(part string) string {
	i := strings.IndexByte(base64URL, part[len(part)-1])
	return part[:len(part)-1] + base64URL[i+1:i+2]
}

// respelled has spare bits set in the claims, and a signature over that spelling.
func respelled(h, c object) string {
	for pad := ""; ; pad += "x" {
		if claims := b64(asJSON(c.with("pad", pad))); len(claims)%4 != 0 {
			input := b64(asJSON(h)) + "." + spareBits(claims)
			digest := sha256.Sum256([]byte(input))
			r, s, err := ecdsa.Sign(rand.Reader, ecKey(), digest[:])
			if err != nil {
				panic(err)
			}
			signature := make([]byte, 64)
			r.FillBytes(signature[:32])
			s.FillBytes(signature[32:])
			return input + "." + b64(string(signature))
		}
	}
}

// oddKeys are published beside the good ones, and none of them may be used.
func oddKeys() []any {
	return []any{
		map[string]any{"kty": "oct", "kid": "oct", "k": b64(strings.Repeat("k", 32))},
		jose.JSONWebKey{Key: ecKey().Public(), KeyID: "enc", Use: "enc"},
		jose.JSONWebKey{Key: ecKey().Public(), KeyID: "es384", Algorithm: "ES384"},
		jose.JSONWebKey{Key: ecKey(), KeyID: "private"},
		jose.JSONWebKey{Key: smallKey().Public(), KeyID: "small"},
		jose.JSONWebKey{Key: otherKey().Public()},
		map[string]any{"kty": "LATTICE", "kid": "future"},
		"no key at all",
	}
}
