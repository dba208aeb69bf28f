package guard_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/authzd/authzd/authz/bff/guard"
)

func TestCheck(t *testing.T) {
	const own = "https://app.example.com"
	h := func(pairs ...string) http.Header {
		header := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			header.Add(pairs[i], pairs[i+1])
		}
		return header
	}
	type kinds map[guard.Kind]bool // that pass
	all := kinds{guard.API: true, guard.EventStream: true, guard.Handshake: true, guard.Form: true}
	for name, test := range map[string]struct {
		header http.Header
		pass   kinds
	}{
		"everything":             {h("X-Authzd-BFF", "1", "Sec-Fetch-Site", "same-origin", "Origin", own), all},
		"a program":              {h("X-Authzd-BFF", "1"), kinds{guard.API: true}},
		"nothing":                {h(), nil},
		"site":                   {h("Sec-Fetch-Site", "same-origin"), kinds{guard.EventStream: true, guard.Form: true}},
		"origin":                 {h("Origin", own), kinds{guard.Handshake: true, guard.Form: true}},
		"another value":          {h("X-Authzd-BFF", "true"), nil},
		"empty value":            {h("X-Authzd-BFF", ""), nil},
		"twice":                  {h("X-Authzd-BFF", "1", "X-Authzd-BFF", "1"), nil},
		"cross-site":             {h("X-Authzd-BFF", "1", "Sec-Fetch-Site", "cross-site"), nil},
		"same-site":              {h("X-Authzd-BFF", "1", "Sec-Fetch-Site", "same-site"), nil},
		"typed":                  {h("X-Authzd-BFF", "1", "Sec-Fetch-Site", "none"), nil},
		"empty site":             {h("X-Authzd-BFF", "1", "Sec-Fetch-Site", ""), nil},
		"two sites":              {h("X-Authzd-BFF", "1", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Site", "cross-site"), nil},
		"two origins":            {h("X-Authzd-BFF", "1", "Origin", own, "Origin", "https://evil.example"), nil},
		"foreign origin":         {h("X-Authzd-BFF", "1", "Origin", "https://evil.example"), nil},
		"null":                   {h("X-Authzd-BFF", "1", "Origin", "null"), nil},
		"empty origin":           {h("X-Authzd-BFF", "1", "Origin", ""), nil},
		"origin by http":         {h("X-Authzd-BFF", "1", "Origin", "http://app.example.com"), nil},
		"origin with a port":     {h("X-Authzd-BFF", "1", "Origin", own+":444"), nil},
		"origin of a subdomain":  {h("X-Authzd-BFF", "1", "Origin", "https://x.app.example.com"), nil},
		"origin begins like it":  {h("X-Authzd-BFF", "1", "Origin", own+".evil.example"), nil},
		"origin in upper case":   {h("X-Authzd-BFF", "1", "Origin", "https://APP.example.com"), nil},
		"own site, other origin": {h("X-Authzd-BFF", "1", "Sec-Fetch-Site", "same-origin", "Origin", "https://evil.example"), nil},
	} {
		for kind := range all {
			r := httptest.NewRequest(http.MethodGet, own+"/bff/session", nil)
			r.Header = test.header
			if err := guard.Check(r, own, kind); (err == nil) != test.pass[kind] {
				t.Errorf("%s, kind %d: %v", name, kind, err)
			}
		}
	}
}
