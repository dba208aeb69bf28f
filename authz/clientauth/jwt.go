package clientauth

import (
	"strings"

	"github.com/go-jose/go-jose/v4"
	josejson "github.com/go-jose/go-jose/v4/json"
)

// What client assertions, request objects and their like have in common: JWTs that others have signed.

// MayBe tells whether a header may be that of a JWT of this type, so that nothing else that the client
// signs passes for one (RFC 8725 section 3.11, RFC 9101 section 10.8), nor a JWT around another, nor
// one that demands what is not understood here. Many clients type all of theirs JWT, or none.
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

// Audience is a string or an array of strings (RFC 7519 section 4.1.3).
type Audience struct {
	Values []string
	single bool // it is a plain string
}

func (a *Audience) UnmarshalJSON(b []byte) error {
	var one string
	if err := josejson.Unmarshal(b, &one); err == nil {
		*a = Audience{[]string{one}, true}
		return nil
	}
	a.single = false
	return josejson.Unmarshal(b, &a.Values)
}
