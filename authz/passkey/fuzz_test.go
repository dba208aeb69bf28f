package passkey_test

import (
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/authzd/authzd/authz/passkey"
)

// FuzzSignIn sends any ceremony and any answer: none is accepted but the true one, and none is a server error.
func FuzzSignIn(f *testing.F) {
	f.Add("", "")
	f.Add("AAAA", `{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"AA","signature":"AA","userHandle":"YWxpY2U"}}`)
	f.Add("AAAA", `{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"e30","attestationObject":"o2NmbXRkbm9uZQ"}}`)
	f.Fuzz(func(t *testing.T, sealed, answer string) {
		fix := start(t, nil)
		fix.add(t, "alice")
		offer := fix.offer(t, "")
		if sealed == "" {
			sealed = offer.Ceremony
		}
		if _, err := fix.SignIn(t.Context(), browser, sealed, answer); !errors.As(err, new(*passkey.Error)) {
			t.Errorf("sign in: %v", err)
		}
		by := passkey.By{Browser: browser, Session: session}
		toAdd, err := fix.BeginAdd(t.Context(), by, fix.user(t, "bob"), true)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fix.Add(t.Context(), by, "bob", toAdd.Ceremony, answer); !errors.As(err, new(*passkey.Error)) {
			t.Errorf("add: %v", err)
		}
	})
}

func FuzzCleanName(f *testing.F) {
	for _, name := range []string{"", "My phone", "a\u202eb", "\xff", "\u200f", "x\ny", "e\u0301"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		clean, ok := passkey.CleanName(name)
		if !ok {
			return
		}
		if again, ok := passkey.CleanName(clean); !ok || again != clean || clean == "" || !utf8.ValidString(clean) || utf8.RuneCountInString(clean) > 60 {
			t.Errorf("%q becomes %q, then %q", name, clean, again)
		}
	})
}
