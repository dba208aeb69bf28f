package clientauth

import (
	"strings"

	"github.com/go-jose/go-jose/v4"
	josejson "github.com/go-jose/go-jose/v4/json"
)

// This file has what all JWTs of others have in common: client assertions, request objects and so on.

// MayBe reports whether a header may belong to a JWT of this type (RFC 8725 section 3.11, RFC 9101 section 10.8).
// It refuses another type, a JWT in a JWT, and headers that must be understood and are not. It accepts the type
// JWT and no type, since many clients send these.
func MayBe(header jose.Header, typ string) bool {
	for _, name := range []jose.HeaderKey{"crit", "b64", jose.HeaderContentType} {
		if _, ok := header.ExtraHeaders[name]; ok {
			return false
		}
	}
	value, ok := header.ExtraHeaders[jose.HeaderType]
	text, _ := value.(string)
	text = strings.TrimPrefix(strings.ToLower(text), "application/")
	return !ok || text == "jwt" || text == typ
}

// Audience is an aud: a string or an array of strings (RFC 7519 section 4.1.3).
type Audience struct {
	Values []string
	single bool // it is a plain string
}

// UnmarshalJSON reads both forms.
func (a *Audience) UnmarshalJSON(b []byte) error {
	var one string
	if err := josejson.Unmarshal(b, &one); err == nil {
		*a = Audience{[]string{one}, true}
		return nil
	}
	a.single = false
	return josejson.Unmarshal(b, &a.Values)
}
