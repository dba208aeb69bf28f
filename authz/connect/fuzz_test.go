package connect

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

func FuzzCallback(f *testing.F) {
	for _, seed := range []string{
		"state=S&code=c", "state=S&code=c&iss=https%3A%2F%2Fidp.example", "state=S&error=access_denied",
		"state=S&state=S&code=c", "state=&code=c", "code=c", "state=S&code=%00", "state=S&iss=x&code=c", "%zz", "a;b", "",
	} {
		f.Add(seed)
	}
	const issuer = "https://idp.example"
	a := Attempt{Connector: "up", State: "S", Nonce: "N", Verifier: "V"}
	f.Fuzz(func(t *testing.T, query string) {
		v, _ := url.ParseQuery(query) // what could be read of it
		got, err := readCallback(v, a, func(s string) bool { return s == issuer })
		if err != nil {
			if failure, ok := err.(*Error); !ok || failure.Code == "" || failure.Reason == "" || failure.Err == nil {
				t.Fatalf("incomplete error %#v", err)
			}
			return
		}
		if v.Get("state") != a.State || len(v["state"]) != 1 || v.Has("error") {
			t.Errorf("accepted %q", query)
		}
		if got.code == "" || got.code != v.Get("code") || len(v["code"]) != 1 {
			t.Errorf("code is %q of %q", got.code, query)
		}
		if got.hasIss != v.Has("iss") || got.hasIss && v.Get("iss") != issuer {
			t.Errorf("accepted another's %q", query)
		}
	})
}

func FuzzClaims(f *testing.F) {
	for _, seed := range []string{
		`{"iss":"https://idp.example","sub":"alice","aud":"c","exp":1700000060,"iat":1700000000,"nonce":"N","email":"a@example.com","email_verified":"true"}`,
		`{"aud":["c","d"],"azp":"c","exp":1e9,"iat":-1,"nbf":null,"auth_time":1.5,"amr":["pwd"],"acr":"1"}`,
		`{"sub":"\ud800","name":"a\u0000","given_name":"\u202e","picture":"https://x/","locale":[]}`,
		`{"exp":1e400}`, `{"aud":[1]}`, `null`, `[]`, `{}`, `{"email":"\"a\"@b"}`,
	} {
		f.Add([]byte(seed))
	}
	o := newOpenID(Config{ID: "up", Issuer: "https://idp.example", ClientID: "c", HTTPClient: http.DefaultClient})
	now := time.Unix(1700000030, 0)
	a := Attempt{Connector: "up", State: "S", Nonce: "N", Verifier: "V"}
	f.Fuzz(func(t *testing.T, payload []byte) {
		var c claims
		if json.Unmarshal(payload, &c) != nil || c == nil {
			return
		}
		checked := o.checkClaims(c, a, now) == nil
		_ = checkAge(c, a, now)
		c.fill(claims{"email": json.RawMessage(`"u@example.com"`)})
		id := o.identity(c, Attempt{})
		if checked && (id.Subject == "" || string(c["nonce"]) == "") {
			t.Errorf("accepted %s", payload)
		}
		for _, s := range append([]string{
			id.Subject, id.Email, id.Name, id.GivenName, id.FamilyName, id.PreferredUsername, id.Picture, id.Locale, id.ACR,
		}, id.AMR...) {
			if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) || len(s) > maxURL {
				t.Errorf("kept %q", s)
			}
		}
		if id.EmailVerified && (id.Email == "" || !strings.Contains(string(c["email_verified"]), "true")) {
			t.Errorf("verified by %s", c["email_verified"])
		}
		if id.Picture != "" && !strings.HasPrefix(strings.ToLower(id.Picture), "https:") {
			t.Errorf("picture is %q", id.Picture)
		}
	})
}

func FuzzMetadata(f *testing.F) {
	f.Add([]byte(`{"issuer":"https://idp.example","authorization_endpoint":"https://idp.example/a","token_endpoint":"https://t.example/t","jwks_uri":"https://k.example/k","id_token_signing_alg_values_supported":["RS256"]}`))
	f.Add([]byte(`{"issuer":"https://idp.example","authorization_endpoint":"http://127.0.0.1/a"}`))
	f.Add([]byte(`{"Issuer":[]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := decodeMetadata(body, "https://idp.example")
		if err != nil {
			return
		}
		for _, endpoint := range []string{m.AuthorizationEndpoint, m.TokenEndpoint, m.JWKSURI} {
			if u, err := url.Parse(endpoint); err != nil || u.Scheme != "https" || u.Host == "" {
				t.Errorf("endpoint %q", endpoint)
			}
		}
		for _, alg := range m.signingAlgs() {
			if alg == "none" || strings.HasPrefix(alg, "HS") {
				t.Errorf("algorithm %s", alg)
			}
		}
	})
}
