package authorize

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	josejson "github.com/go-jose/go-jose/v4/json"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/token"
)

func FuzzParseClaims(f *testing.F) {
	for _, seed := range []string{
		`{"id_token":{"email":null,"auth_time":{"essential":true}},"userinfo":{"name":{"value":"x"}}}`, "{", "null", "[]", `{"id_token":[]}`,
		`{"id_token":{"sub":{"value":"a"},"acr":{"essential":true,"values":["x","y"]}},"userinfo":{"sub":{"values":[]}}}`,
		`{"id_token":{"acr":{"value":1}}}`, `{"id_token":{"acr":null,"acr":{}}}`, `{"id_token":{"email":"x"}}`, `{"ID_TOKEN":{"email":null}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		claims, err := parseClaims(raw)
		if err != nil {
			if oauth.AsError(err).Code != oauth.InvalidRequest {
				t.Errorf("%q: %v", raw, err)
			}
			return
		}
		for _, claim := range slices.Concat(claims.IDToken, claims.UserInfo) {
			if token.ScopeOf(claim) == "" {
				t.Errorf("%q asks for %q", raw, claim)
			}
		}
		for _, subjects := range claims.subjects {
			if len(subjects) == 0 {
				t.Errorf("%q demands nobody", raw)
			}
		}
	})
}

// With any parameters, the answer goes to the registered address, and the query of that address is unchanged.
func FuzzWithParams(f *testing.F) {
	for _, uri := range []string{"https://app.example.com/cb", "https://app.example.com/cb?x=%2f&y", "com.example.app:/cb", "https://app.example.com?"} {
		f.Add(uri, "response_mode=fragment&response_type=code", "state", "a&code=x#\r\nSet-Cookie: x")
	}
	f.Fuzz(func(t *testing.T, uri, request, name, value string) {
		params, err := oauth.ParseParams(request)
		if err != nil || client.CheckRedirectURI(uri) != nil || name == "" {
			return
		}
		registered, err := url.Parse(uri)
		if err != nil {
			t.Fatal(err)
		}
		mode := responseModeOf(params).way
		answer := oauth.WithParams(uri, mode, url.Values{name: {value}})
		if !strings.HasPrefix(answer, uri) || strings.ContainsAny(answer[len(uri):], "\r\n \"<>") {
			t.Fatalf("%q does not go to %q", answer, uri)
		}
		sent, err := url.Parse(answer)
		if err != nil {
			t.Fatal(err)
		}
		got, err := url.ParseQuery(sent.RawQuery)
		if mode == oauth.ModeFragment {
			got, err = url.ParseQuery(sent.EscapedFragment())
		}
		if sent.Scheme != registered.Scheme || sent.Host != registered.Host || sent.Path != registered.Path || sent.Opaque != registered.Opaque {
			t.Errorf("%q is elsewhere than %q", answer, uri)
		}
		if err == nil && !slices.Contains(got[name], value) {
			t.Errorf("%q lacks %q=%q", answer, name, value)
		}
	})
}

// The claims of a request object become parameters that could have come in a query, and none of those that may not be
// in one.
func FuzzRequestParams(f *testing.F) {
	for _, seed := range []string{
		`{"client_id":"spa","max_age":0,"resource":["x","y","x"],"claims":{ "a" : [1] },"login_hint":null,"iss":"spa","state":""}`, `{"scope":["openid"]}`,
		`{"request":"x"}`, `{"request_uri":null}`, `{"max_age": 1e3 }`, `{"state":"\u0000"}`, `{"":""}`, `{"a":"\ud800"}`, `{"resource":[null]}`, `{"x":true,"x":false}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		var members map[string]josejson.RawMessage
		if josejson.Unmarshal([]byte(payload), &members) != nil {
			return
		}
		params, err := requestParams(members)
		if err != nil {
			if oauth.AsError(err).Code != oauth.InvalidRequestObject {
				t.Errorf("%q: %v", payload, err)
			}
			return
		}
		again, err := oauth.ParseParams(params.Encode())
		if err != nil || again.Encode() != params.Encode() {
			t.Errorf("%q became %q, and that %q: %v", payload, params.Encode(), again.Encode(), err)
		}
		for name := range params {
			if _, said := members[name]; !said || name == "request" || name == "request_uri" || slices.Contains(ownClaims, name) {
				t.Errorf("%q has the parameter %q", payload, name)
			}
		}
	})
}
