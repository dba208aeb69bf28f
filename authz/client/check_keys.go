package client

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/jwks"
	"github.com/authzd/authzd/authz/member"
)

// The public keys of a client, and the algorithms that they are for.

func (c *check) keys() {
	if len(c.JWKS) > 0 && !c.Broken("jwks") {
		c.set()
	}
	if uri := c.JWKSURI; uri != "" {
		c.wrong("jwks_uri", uri, member.WebURLFlaw(uri))
		c.unsafe("jwks_uri", uri, calledFlaw(uri))
	}
	switch {
	case len(c.JWKS) > 0 && c.JWKSURI != "": // RFC 7591 section 2
		c.unsafe("jwks_uri", c.JWKSURI, member.Flawf("remove one of the two", "jwks is given too").Telling("jwks_uri: excludes jwks, which is given too"))
	case c.hasKeys() || c.Given("jwks") || c.Given("jwks_uri"):
	case c.knowsMethod() && (c.AuthMethod == AuthPrivateKeyJWT || c.AuthMethod == AuthSelfSignedTLS):
		c.unsafe("jwks", nil, member.Flawf("set jwks or jwks_uri", "%s needs the client's public keys", c.AuthMethod).
			Telling("token_endpoint_auth_method: "+c.AuthMethod+" needs jwks or jwks_uri"))
	default:
		c.requestsWithoutKeys()
	}
}

// set demands keys that can be used.
func (c *check) set() {
	for _, p := range JWKSProblems(c.JWKS) {
		c.wrong(member.Child("jwks", p.Path), p.Value, p.Flaw)
	}
	if c.found.Touch("jwks") {
		return
	}
	keys, err := jwks.Parse(c.JWKS)
	switch {
	case err != nil:
		c.unsafe("jwks", nil, unusableSet(err))
	case c.AuthMethod == AuthPrivateKeyJWT && !slices.ContainsFunc(keys, func(k jose.JSONWebKey) bool { return k.Use != "enc" }):
		c.unsafe("jwks", nil, member.Flawf("add a key with use: sig, or without use", "has no key that could verify a signature: all are for encryption"))
	}
}

// unusableSet is for what only shows when the keys are used. The error may not be quoted in an answer.
func unusableSet(err error) *member.Flaw {
	reason := strings.ReplaceAll(err.Error(), `"`, "")
	return &member.Flaw{Reason: reason, Hint: "write each public key as the program that made it shows it, with all its members", Err: err}
}

func (c *check) requestsWithoutKeys() {
	const hint, reason = "set jwks or jwks_uri, or remove it", "without public keys of the client nothing can be verified"
	if c.RequireSigned {
		c.wrong("require_signed_request_object", true, member.Flawf(hint, reason))
	}
	if c.RequestAlg != "" {
		c.wrong("request_object_signing_alg", c.RequestAlg, member.Flawf(hint, reason))
	}
	if len(c.RequestURIs) > 0 {
		c.wrong("request_uris", nil, member.Flawf(hint, reason))
	}
}

// algs refuses "none", symmetric algorithms, unknown ones, and those that the profile does not allow. An empty one
// means that any will do, or the server's default.
func (c *check) algs() {
	ofClient, ofServer := jwks.Algorithms, responseAlgs
	if c.Profile != "" {
		ofClient, ofServer = fapiAlgs, fapiAlgs
	}
	for _, a := range []struct {
		member, alg string
		allowed     []jose.SignatureAlgorithm
	}{
		{"token_endpoint_auth_signing_alg", c.AuthAlg, ofClient},
		{"request_object_signing_alg", c.RequestAlg, ofClient},
		{"id_token_signed_response_alg", c.IDTokenAlg, ofServer},
		{"authorization_signed_response_alg", c.AuthorizationAlg, ofServer},
		{"userinfo_signed_response_alg", c.UserInfoAlg, ofServer},
		{"introspection_signed_response_alg", c.IntrospectionAlg, ofServer},
	} {
		switch {
		case a.alg == "" || slices.Contains(a.allowed, jose.SignatureAlgorithm(a.alg)):
		case c.Profile != "" && c.isKnown("security_profile"):
			c.unsafe(a.member, a.alg, member.Flawf("use "+names(a.allowed)+", or remove it", "%s doesn't allow it", c.Profile))
		default:
			c.unsafe(a.member, a.alg, member.Flawf("use one of them, or remove it", "must be one of %s", names(a.allowed)))
		}
	}
}

func names(algs []jose.SignatureAlgorithm) string {
	list := make([]string, len(algs))
	for i, alg := range algs {
		list[i] = string(alg)
	}
	return strings.Join(list, ", ")
}

// ParseJWKS reads the JSON of a set. Its scalars become strings, as those of a JWK are.
func ParseJWKS(text string) (JWKS, *member.Flaw) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var set any
	if err := decoder.Decode(&set); err != nil || decoder.More() {
		return nil, member.Flawf("write it as YAML below the key, or as JSON", "not JSON")
	}
	keys, err := json.Marshal(stringsOnly(set))
	if err != nil { // what was JSON always encodes
		panic(fmt.Sprintf("encode JWK Set: %v", err))
	}
	return keys, nil
}

func stringsOnly(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			v[name] = stringsOnly(member)
		}
		return v
	case []any:
		for i, item := range v {
			v[i] = stringsOnly(item)
		}
		return v
	case nil:
		return ""
	}
	return fmt.Sprint(v)
}

// publicMembers are the members that a public key needs, by type (RFC 7518 section 6).
var publicMembers = map[string][]string{"EC": {"crv", "x", "y"}, "RSA": {"n", "e"}, "OKP": {"crv", "x"}}

// JWKSProblems returns what is wrong with a set of public keys, with paths below the set.
func JWKSProblems(set JWKS) member.Problems {
	const hint = "write keys: and below it a list of public keys"
	var found member.Problems
	var document struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(set, &document); err != nil {
		found.Add("", nil, member.Flawf(hint, "not a JWK Set (RFC 7517 section 5)"))
		return found
	}
	if len(document.Keys) == 0 {
		found.Add("", nil, member.Flawf(hint, "has no keys"))
	}
	for i, raw := range document.Keys {
		at := member.Element("keys", i)
		var key map[string]any
		if err := json.Unmarshal(raw, &key); err != nil || key == nil {
			found.Add(at, nil, member.Flawf("write its members below it: kty and so on", "not a key"))
			continue
		}
		keyProblems(&found, key, at)
	}
	if found == nil {
		if _, err := jwks.Parse(set); err != nil { // such as a point that is not on its curve
			found.Add("", nil, unusableSet(err))
		}
	}
	return found
}

func keyProblems(found *member.Problems, key map[string]any, path string) {
	for _, name := range jwks.PrivateMembers {
		if _, has := key[name]; has {
			found.Add(path+"."+name, nil, &member.Flaw{
				Reason: "PRIVATE KEY: this member must never leave the client",
				Hint:   "make a new key pair, since this one may have been read; keep its private half at the client and write the public half here",
				Err:    jwks.ErrPrivate,
			})
			return
		}
	}
	kty, _ := key["kty"].(string)
	needed, known := publicMembers[kty]
	if !known {
		found.Add(path+".kty", key["kty"], member.Flawf("use EC, RSA or OKP (RFC 7518 section 6.1)", "not a type of public key"))
		return
	}
	for _, name := range needed {
		if s, _ := key[name].(string); s == "" {
			found.Add(path+"."+name, nil, member.Flawf("copy the whole public key", "is required in a key of type %s", kty))
		}
	}
	if n, _ := key["n"].(string); kty == "RSA" && n != "" {
		found.Add(path+".n", nil, modulusFlaw(n))
	}
	if alg, has := key["alg"].(string); has && strings.HasPrefix(alg, "HS") {
		found.Add(path+".alg", alg, member.Flawf("use PS256, ES256 or EdDSA", "is symmetric: who verifies could sign too"))
	}
	if use, has := key["use"].(string); has && use != "sig" && use != "enc" {
		found.Add(path+".use", use, member.Flawf("use sig, or leave it out", "not a use of a key"))
	}
}

func modulusFlaw(n string) *member.Flaw {
	modulus, err := base64.RawURLEncoding.DecodeString(n)
	switch {
	case err != nil:
		return member.Flawf("copy it as the program that made the key shows it", "not base64url without padding")
	case len(modulus) < jwks.MinRSABits/8:
		return member.Flawf("make an EC key, or an RSA key of 2048 bits or more", "an RSA key of %d bits is too weak", 8*len(modulus))
	}
	return nil
}
