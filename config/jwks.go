package config

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/authzd/authzd/authz/jwks"
	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/strictjson"
)

// JWKS is a JWK Set of public keys (RFC 7517 section 5), as JSON.
type JWKS []byte

// MarshalYAML writes it as the mapping that it is.
func (j JWKS) MarshalYAML() (any, error) {
	if len(j) == 0 {
		return nil, nil
	}
	var set any
	err := json.Unmarshal(j, &set)
	return set, err
}

// MarshalJSON writes it as the object that it is.
func (j JWKS) MarshalJSON() ([]byte, error) {
	if len(j) == 0 {
		return []byte("null"), nil
	}
	return j, nil
}

func jwksSchema() object {
	keys := object{"type": "array", "items": object{"type": "object"}}
	return object{"anyOf": []object{
		{"type": "object", "properties": object{"keys": keys}, "required": []string{"keys"}},
		{"type": "string"},
	}}
}

// decodeJWKS takes a mapping, or its JSON in a string.
func (l *loader) decodeJWKS(n ast.Node, v reflect.Value, f field, path string) {
	if s, ok := text(n); ok {
		l.set(v, s, f, path)
		return
	}
	set, err := json.Marshal(l.plain(n, path))
	if err != nil { // strings, lists and objects always encode
		panic(fmt.Sprintf("encode %s: %v", path, err))
	}
	v.SetBytes(set)
}

// plain is a node as JSON has it. All scalars are strings, as those of a JWK are.
func (l *loader) plain(n ast.Node, path string) any {
	if path != "" && n != nil {
		l.locate(n, path)
	}
	if members, ok := pairs(n); ok {
		m := object{}
		seen := map[string]int{} // key -> line
		for _, member := range members {
			key := keyOf(member)
			if at := child(path, key); l.unique(member, key, at, seen) {
				m[key] = l.plain(member.Value, at)
			}
		}
		return m
	}
	if seq, ok := n.(*ast.SequenceNode); ok {
		list := []any{}
		for i, item := range seq.Values {
			list = append(list, l.plain(item, element(path, i)))
		}
		return list
	}
	s, _ := text(n)
	return s
}

// parseJWKS reads the JSON of a set. Its scalars become strings, as if it had been YAML.
func parseJWKS(text string) (JWKS, *member.Flaw) {
	var set any
	if err := strictjson.Unmarshal([]byte(text), &set); err != nil {
		return nil, problemf("write it as YAML below the key, or as JSON", "%s", err)
	}
	keys, err := json.Marshal(stringsOnly(set))
	if err != nil { // what was JSON always encodes
		panic(fmt.Sprintf("encode JWK Set: %v", err))
	}
	return keys, nil
}

func stringsOnly(v any) any {
	switch v := v.(type) {
	case object:
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

// checkJWKS demands public keys that can verify something. What they amount to, such as whether a
// point is on its curve, is checked where they are used.
func (l *loader) checkJWKS(set JWKS, path string) {
	const hint = "write keys: and below it a list of public keys"
	var document struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(set, &document); err != nil {
		l.report(path, nil, problemf(hint, "not a JWK Set (RFC 7517 section 5)"))
		return
	}
	if len(document.Keys) == 0 {
		l.report(path, nil, problemf(hint, "has no keys"))
	}
	for i, raw := range document.Keys {
		at := element(path+".keys", i)
		var key map[string]any
		if err := json.Unmarshal(raw, &key); err != nil || key == nil {
			l.report(at, nil, problemf("write its members below it: kty and so on", "not a key"))
			continue
		}
		l.checkJWK(key, at)
	}
}

// publicMembers are the members that a public key needs, by type (RFC 7518 section 6).
var publicMembers = map[string][]string{"EC": {"crv", "x", "y"}, "RSA": {"n", "e"}, "OKP": {"crv", "x"}}

func (l *loader) checkJWK(key map[string]any, path string) {
	for _, name := range jwks.PrivateMembers {
		if _, found := key[name]; found {
			l.report(path+"."+name, nil, problemf(
				"make a new key pair, since this one may have been read; keep its private half at the client and write the public half here",
				"PRIVATE KEY: this member must never leave the client"))
			return
		}
	}
	kty, _ := key["kty"].(string)
	needed, known := publicMembers[kty]
	if !known {
		l.report(path+".kty", key["kty"], problemf("use EC, RSA or OKP (RFC 7518 section 6.1)", "not a type of public key"))
		return
	}
	for _, name := range needed {
		if s, _ := key[name].(string); s == "" {
			l.report(path+"."+name, nil, problemf("", "is required in a key of type %s", kty))
		}
	}
	const least = 2048 / 8 // bytes: RFC 7518 section 3.3
	if n, _ := key["n"].(string); kty == "RSA" && n != "" {
		modulus, err := base64.RawURLEncoding.DecodeString(n)
		switch {
		case err != nil:
			l.report(path+".n", nil, problemf("", "not base64url without padding"))
		case len(modulus) < least:
			l.report(path+".n", nil, problemf("make an EC key, or an RSA key of 2048 bits or more", "an RSA key of %d bits is too weak", 8*len(modulus)))
		}
	}
	if alg, found := key["alg"].(string); found && strings.HasPrefix(alg, "HS") {
		l.report(path+".alg", alg, problemf("use PS256, ES256 or EdDSA", "is symmetric: who verifies could sign too"))
	}
	if use, found := key["use"].(string); found && !slices.Contains([]string{"sig", "enc"}, use) {
		l.report(path+".use", use, problemf("use sig, or leave it out", "not a use of a key"))
	}
}
