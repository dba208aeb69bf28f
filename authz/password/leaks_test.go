package password_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz/password"
)

// "correct horse battery staple" has the SHA-1 ABF7AAD6438836DBE526AA231ABDE2D0EEF74D42.
const (
	leaked       = "correct horse battery staple"
	leakedPrefix = "ABF7A"
	leakedSuffix = "AD6438836DBE526AA231ABDE2D0EEF74D42"
	otherSuffix  = "0018A45C4D1DEF81644B54AB7F969B88D65"
)

func TestLeaks(t *testing.T) {
	padding := strings.Repeat(otherSuffix+":0\r\n", 800)
	for name, tt := range map[string]struct {
		body    string
		err     error
		seen    int
		outcome password.Outcome
	}{
		"found":                      {otherSuffix + ":3\r\n" + leakedSuffix + ":216\r\n" + padding, nil, 216, password.LookupFound},
		"found, in lower case":       {strings.ToLower(leakedSuffix) + ":216", nil, 216, password.LookupFound},
		"not there":                  {otherSuffix + ":3\r\n" + padding, nil, 0, password.LookupClean},
		"padding alone":              {padding, nil, 0, password.LookupClean},
		"its own suffix, as padding": {leakedSuffix + ":0\r\n", nil, 0, password.LookupClean},
		"an empty answer":            {"", nil, 0, password.LookupFailed},
		"a page":                     {"<!doctype html><title>502</title>", nil, 0, password.LookupFailed},
		"a count that is none":       {leakedSuffix + ":many", nil, 0, password.LookupFailed},
		"a negative count":           {leakedSuffix + ":-1", nil, 0, password.LookupFailed},
		"a count too large":          {leakedSuffix + ":99999999999999999999", nil, 0, password.LookupFailed},
		"a suffix too short":         {leakedSuffix[1:] + ":1", nil, 0, password.LookupFailed},
		"no hex digits":              {strings.Repeat("g", 35) + ":1", nil, 0, password.LookupFailed},
		"garbage after a find":       {leakedSuffix + ":216\r\n\x00\x00", nil, 0, password.LookupFailed},
		"no answer":                  {"", errors.New("status 500"), 0, password.LookupFailed},
	} {
		var asked []string
		var outcome password.Outcome
		p := &password.Policy{Leaks: &password.Leaks{
			URL: "https://leaks.example/range/",
			Get: func(_ context.Context, url string, _ int64) ([]byte, error) {
				asked = append(asked, url)
				return []byte(tt.body), tt.err
			},
			Counted: func(_ context.Context, o password.Outcome, err error) {
				outcome = o
				if (err != nil) != (o == password.LookupFailed) || err != nil && strings.Contains(err.Error(), leakedSuffix) {
					t.Errorf("%s: counted %s, %v", name, o, err)
				}
			},
		}}
		got := p.Judge(t.Context(), leaked, alice)
		if (got != nil) != (tt.seen > 0) || got != nil && (got.Reason != password.Leaked || got.Seen != tt.seen) {
			t.Errorf("%s: %v", name, got)
		}
		if outcome != tt.outcome {
			t.Errorf("%s: counted as %q", name, outcome)
		}
		if want := "https://leaks.example/range/" + leakedPrefix; len(asked) != 1 || asked[0] != want {
			t.Errorf("%s: asked for %q, want %s alone", name, asked, want)
		}
		asked = nil
		if got := p.Judge(t.Context(), "mailcreated5240", alice); got == nil || got.Reason != password.Common || len(asked) > 0 {
			t.Errorf("a password that is refused anyway: %v, asked for %q", got, asked)
		}
	}
}

func FuzzLeaks(f *testing.F) {
	for _, seed := range []string{"", leakedSuffix + ":1\r\n", otherSuffix + ":0\r\n", ":", "\r\n\r\n", fmt.Sprint(leakedSuffix, ":", 1<<40)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		l := &password.Leaks{
			Get:     func(context.Context, string, int64) ([]byte, error) { return []byte(body), nil },
			Counted: func(context.Context, password.Outcome, error) {},
		}
		if seen := l.Seen(t.Context(), []byte(leaked)); seen != 0 && !strings.Contains(strings.ToUpper(body), leakedSuffix+":") || seen < 0 {
			t.Errorf("%d of %q", seen, body)
		}
	})
}
