package dpop

import (
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// hostile are proofs that must be refused, by the reason that they must be refused for.
func hostile() map[string]map[string]string {
	h, c, now := goodHeader(), goodClaims(), time.Now().Unix()
	good := proof(h, c)
	part := strings.Split(good, ".")
	head, claims, signature := part[0], part[1], part[2]
	key, rsaJWK := jwk(ecKey().Public()), jwk(rsaKey().Public())
	rsaHeader := h.with("alg", "RS256").with("jwk", rsaJWK)

	return map[string]map[string]string{
		"the request has no DPoP header": {"nothing": ""},
		"the proof is too long": {
			"too long": good + strings.Repeat("A", maxProof),
		},
		"the proof is not a signed JWT": {
			"a word":                "proof",
			"two parts":             head + "." + claims,
			"four parts":            good + "." + head,
			"signature missing":     head + "." + claims + ".",
			"payload missing":       head + ".." + signature,
			"two in one header":     good + ", " + good,
			"padded":                good + "==",
			"spare bits":            good[:len(good)-1] + string(spare(good[len(good)-1])),
			"line end":              good[:9] + "\n" + good[9:],
			"space":                 " " + good,
			"standard base64":       strings.Replace(good, head, head[:len(head)-1]+"+", 1),
			"JSON serialization":    `{"protected":"` + head + `","payload":"` + claims + `","signature":"` + signature + `"}`,
			"alg none, as it comes": b64(asJSON(h.with("alg", "none"))) + "." + claims + ".",
		},
		"the proof's header is malformed": {
			"header an array":  es256(ecKey(), `["ES256"]`, asJSON(c)),
			"header no JSON":   es256(ecKey(), `typ`, asJSON(c)),
			"header and more":  es256(ecKey(), asJSON(h)+"{}", asJSON(c)),
			"alg twice":        es256(ecKey(), `{"alg":"none",`+asJSON(h)[1:], asJSON(c)),
			"jwk twice":        es256(ecKey(), `{"jwk":`+asJSON(jwk(otherKey().Public()))+`,`+asJSON(h)[1:], asJSON(c)),
			"typ an array":     proof(h.with("typ", []string{"dpop+jwt"}), c),
			"alg a number":     proof(h.with("alg", 256), c),
			"header not UTF-8": es256(ecKey(), "\xff\xfe", asJSON(c)),
		},
		"the proof's typ is not dpop+jwt": {
			"typ absent":               proof(h.without("typ"), c),
			"typ null":                 proof(h.with("typ", nil), c),
			"typ JWT":                  proof(h.with("typ", "JWT"), c),
			"typ at+jwt":               proof(h.with("typ", "at+jwt"), c),
			"typ in another case":      proof(h.with("typ", "DPOP+JWT"), c),
			"typ application/dpop+jwt": proof(h.with("typ", "application/dpop+jwt"), c),
			"TYP":                      proof(h.without("typ").with("TYP", "dpop+jwt"), c),
			"header null":              es256(ecKey(), `null`, asJSON(c)),
		},
		"the proof's signature algorithm is not accepted": {
			"alg absent":               proof(h.without("alg"), c),
			"alg none, with signature": b64(asJSON(h.with("alg", "none"))) + "." + claims + "." + signature,
			"alg in another case":      proof(h.with("alg", "es256"), c),
			"HS256 with an oct key":    hs256([]byte("secret"), asJSON(h.with("alg", "HS256").with("jwk", object{"kty": "oct", "k": b64("secret")})), asJSON(c)),
			"HS256 with a public key":  hs256([]byte(asJSON(key)), asJSON(h.with("alg", "HS256")), asJSON(c)),
			"ES384":                    joseProof(jose.ES384, p384Key(), c),
			"RS512":                    joseProof(jose.RS512, rsaKey(), c),
		},
		"the proof has critical headers": {
			"crit":       proof(h.with("crit", []string{"exp"}).with("exp", 1), c),
			"crit empty": proof(h.with("crit", []string{}), c),
			"crit null":  proof(h.with("crit", nil), c),
			"crit b64":   proof(h.with("crit", []string{"b64"}).with("b64", true), c),
		},
		"the proof has an unencoded payload": {
			"b64 without crit": proof(h.with("b64", false), c),
		},
		"the proof's header has no jwk": {
			"jwk absent":         proof(h.without("jwk"), c),
			"a kid instead":      proof(h.without("jwk").with("kid", "1"), c),
			"jku instead":        proof(h.without("jwk").with("jku", "https://evil.example/jwks.json"), c),
			"a certificate only": proof(h.without("jwk").with("x5c", []string{"MIIB"}), c),
		},
		"the proof's jwk is malformed": {
			"jwk null":              proof(h.with("jwk", nil), c),
			"jwk a string":          proof(h.with("jwk", asJSON(key)), c),
			"jwk an array":          proof(h.with("jwk", []any{key}), c),
			"jwk empty":             proof(h.with("jwk", object{}), c),
			"kty unknown":           proof(h.with("jwk", key.with("kty", "LATTICE")), c),
			"x twice":               es256(ecKey(), `{"typ":"dpop+jwt","alg":"ES256","jwk":{"x":"AA",`+asJSON(key)[1:]+`}`, asJSON(c)),
			"a point off the curve": proof(h.with("jwk", key.with("x", b64(strings.Repeat("\x01", 32)))), c),
			"x too short":           proof(h.with("jwk", key.with("x", "AA")), c),
			"curve unknown":         proof(h.with("jwk", key.with("crv", "P-257")), c),
			"Ed25519 too short":     proof(h.with("alg", "EdDSA").with("jwk", object{"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}), c),
			"RSA key of 8192 bits":  proof(rsaHeader.with("jwk", hugeJWK(8192)), c),
			"RSA of nothing":        proof(h.with("alg", "RS256").with("jwk", object{"kty": "RSA", "n": "", "e": ""}), c),
		},
		"the proof's jwk is not a public key alone": {
			"the whole key":      proof(h.with("jwk", jwk(ecKey())), c),
			"d null":             proof(h.with("jwk", key.with("d", nil)), c),
			"d empty":            proof(h.with("jwk", key.with("d", "")), c),
			"the whole RSA key":  rs256(rsaKey(), asJSON(rsaHeader.with("jwk", jwk(rsaKey()))), asJSON(c)),
			"RSA with a prime":   rs256(rsaKey(), asJSON(rsaHeader.with("jwk", rsaJWK.with("p", "AQ"))), asJSON(c)),
			"RSA with qi":        rs256(rsaKey(), asJSON(rsaHeader.with("jwk", rsaJWK.with("qi", "AQ"))), asJSON(c)),
			"the whole Ed key":   joseProofWith(h.with("alg", "EdDSA").with("jwk", jwk(edKey())), c),
			"a symmetric key":    proof(h.with("jwk", object{"kty": "oct", "k": b64("secret")}), c),
			"a secret beside it": proof(h.with("jwk", key.with("k", b64("secret"))), c),
		},
		"the proof's jwk does not fit its signature algorithm": {
			"ES256 with RSA":        proof(h.with("jwk", rsaJWK), c),
			"ES256 with P-384":      proof(h.with("jwk", jwk(p384Key().Public())), c),
			"RS256 with EC":         proof(h.with("alg", "RS256"), c),
			"EdDSA with EC":         proof(h.with("alg", "EdDSA"), c),
			"RSA key of 1024 bits":  rs256(smallKey(), asJSON(rsaHeader.with("jwk", jwk(smallKey().Public()))), asJSON(c)),
			"PS256 with an EC key":  proof(h.with("alg", "PS256"), c),
			"EdDSA with an RSA key": proof(h.with("alg", "EdDSA").with("jwk", rsaJWK), c),
		},
		"the proof's signature is wrong": {
			"signed by another":         es256(otherKey(), asJSON(h), asJSON(c)),
			"claims of another":         head + "." + b64(asJSON(c.with("htm", "GET"))) + "." + signature,
			"jwk of another":            b64(asJSON(h.with("jwk", jwk(otherKey().Public())))) + "." + claims + "." + signature,
			"signature of zeros":        head + "." + claims + "." + b64(string(make([]byte, 64))),
			"signature a byte more":     head + "." + claims + "." + signature + "AA",
			"PS256 named, RS256 signed": rs256(rsaKey(), asJSON(rsaHeader.with("alg", "PS256")), asJSON(c)),
			"RS256 named, EC signed":    proof(rsaHeader, c),
		},
		"the proof's claims are malformed": {
			"claims no JSON":      es256(ecKey(), asJSON(h), "jti=1"),
			"claims an array":     es256(ecKey(), asJSON(h), "["+asJSON(c)+"]"),
			"claims twice":        es256(ecKey(), asJSON(h), asJSON(c)+asJSON(c)),
			"jti a number":        proof(h, c.with("jti", 1)),
			"jti twice":           es256(ecKey(), asJSON(h), `{"jti":"x",`+asJSON(c)[1:]),
			"htm an array":        proof(h, c.with("htm", []string{"GET", "POST"})),
			"htu an array":        proof(h, c.with("htu", []string{testURL})),
			"iat a string":        proof(h, c.with("iat", "now")),
			"iat beyond time":     proof(h, c.with("iat", 1e300)),
			"iat negative":        proof(h, c.with("iat", -1)),
			"nonce a number":      proof(h, c.with("nonce", 1)),
			"ath a list of words": proof(h, c.with("ath", []string{tokenHash(testToken)})),
		},
		"the proof has no jti": {
			"jti absent":   proof(h, c.without("jti")),
			"jti empty":    proof(h, c.with("jti", "")),
			"claims empty": es256(ecKey(), asJSON(h), "{}"),
			"claims null":  es256(ecKey(), asJSON(h), "null"),
			"JTI":          proof(h, c.without("jti").with("JTI", "x")),
		},
		"the proof's jti is too long": {
			"jti too long": proof(h, c.with("jti", strings.Repeat("x", maxJTI+1))),
		},
		"the proof has no htm": {"htm absent": proof(h, c.without("htm"))},
		"the proof has no htu": {"htu absent": proof(h, c.without("htu"))},
		"the proof has no iat": {
			"iat absent": proof(h, c.without("iat")),
			"iat null":   proof(h, c.with("iat", nil)),
		},
		"the proof's htm is not this request's method": {
			"htm of another":      proof(h, c.with("htm", "GET")),
			"htm in another case": proof(h, c.with("htm", "post")),
			"htm with a space":    proof(h, c.with("htm", "POST ")),
			"htm a wildcard":      proof(h, c.with("htm", "*")),
		},
		"the proof's htu is not an http or https URL": {
			"htu relative":      proof(h, c.with("htu", "/token")),
			"htu of a file":     proof(h, c.with("htu", "file:///token")),
			"htu with a login":  proof(h, c.with("htu", "https://id.example.com@evil.example/token")),
			"htu malformed":     proof(h, c.with("htu", "https://id.example.com/%zz")),
			"htu with NUL":      proof(h, c.with("htu", testURL+"\x00")),
			"htu without host":  proof(h, c.with("htu", "https:///token")),
			"htu is too long":   proof(h, c.with("htu", testURL+"?"+strings.Repeat("x", maxURI))),
			"htu with no slash": proof(h, c.with("htu", "https:id.example.com/token")),
		},
		"the proof's htu is not this request's URL": {
			"htu of another":         proof(h, c.with("htu", "https://evil.example/token")),
			"htu of another path":    proof(h, c.with("htu", "https://id.example.com/par")),
			"htu with a slash more":  proof(h, c.with("htu", testURL+"/")),
			"htu in plain http":      proof(h, c.with("htu", "http://id.example.com/token")),
			"htu of another port":    proof(h, c.with("htu", "https://id.example.com:8443/token")),
			"htu as a prefix":        proof(h, c.with("htu", testURL+".evil.example")),
			"htu path in upper case": proof(h, c.with("htu", "https://id.example.com/TOKEN")),
			"htu host with a dot":    proof(h, c.with("htu", "https://id.example.com./token")),
			"htu an escaped slash":   proof(h, c.with("htu", "https://id.example.com/x%2F..%2Ftoken")),
		},
		"the proof is too old: is the client's clock slow?": {
			"an hour ago":       proof(h, c.with("iat", now-3600)),
			"five minutes ago":  proof(h, c.with("iat", now-300)),
			"in milliseconds/3": proof(h, c.with("iat", now/1000)),
		},
		"the proof is from the future: is the client's clock fast?": {
			"in an hour":      proof(h, c.with("iat", now+3600)),
			"in two minutes":  proof(h, c.with("iat", now+120)),
			"in milliseconds": proof(h, c.with("iat", now*100)),
		},
		"the proof has expired":      {"exp past": proof(h, c.with("exp", now-90))},
		"the proof is not valid yet": {"nbf in the future": proof(h, c.with("nbf", now+120))},
		"the proof has no ath":       {"ath absent": proof(h, c.without("ath"))},
		"the proof's ath is not the hash of this access token": {
			"ath of another": proof(h, c.with("ath", tokenHash("another"))),
			"ath the token":  proof(h, c.with("ath", testToken)),
			"ath padded":     proof(h, c.with("ath", tokenHash(testToken)+"=")),
			"ath in hex":     proof(h, c.with("ath", strings.Repeat("ab", 32))),
		},
	}
}

// joseProofWith has a signature that is never looked at.
func joseProofWith(header, claims object) string {
	return b64(asJSON(header)) + "." + b64(asJSON(claims)) + "." + b64(string(make([]byte, 64)))
}

// spare returns the character that a lax decoder takes for c at the end: 64 bytes leave 4 spare bits.
func spare(c byte) byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return alphabet[strings.IndexByte(alphabet, c)+1]
}
