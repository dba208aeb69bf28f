package authz_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

// FAPI 2.0 Message Signing (Final). It builds on fapi2_security_profile_test.go.

// Section 5.3.1, item 1: a signed request at the PAR endpoint, and no other.
func TestFAPI2MessageSigningSection5_3_1_SignedRequests(t *testing.T) {
	t.Parallel()
	app, other := blackbox.StartFAPI(t, client.ProfileFAPI2MessageSigning, authz.Config{}, nil)
	parRefused(t, "unsigned", pushed(t, app, url.Values{"response_mode": {"jwt"}}, nil), "invalid_request")
	for name, object := range map[string]string{
		"by another client's key": other.Key.Sign(t, blackbox.RequestObjectType, blackbox.SignedRequest(app, nil)),
		"by nobody":               forged(app.Key.Sign(t, blackbox.RequestObjectType, blackbox.SignedRequest(app, nil))),
		"by none":                 "eyJhbGciOiJub25lIn0." + strings.Split(app.Key.Sign(t, blackbox.RequestObjectType, blackbox.SignedRequest(app, nil)), ".")[1] + ".",
		"of another client":       app.Key.Sign(t, blackbox.RequestObjectType, blackbox.SignedRequest(app, map[string]any{"client_id": other.ClientID})),
		"without client_id":       app.Key.Sign(t, blackbox.RequestObjectType, blackbox.SignedRequest(app, map[string]any{"client_id": nil})),
		"with a request_uri":      app.Key.Sign(t, blackbox.RequestObjectType, blackbox.SignedRequest(app, map[string]any{"request_uri": "https://app.example.com/request.jwt"})),
		"an assertion":            app.Key.Assertion(t, app.ClientID, app.Server.URL),
		"no JWT":                  "x",
	} {
		parRefused(t, name, blackbox.PushSigned(t, app, object), "invalid_request_object", "invalid_request")
	}
	for typ, header := range map[string]map[string]any{"the typ of RFC 9101": blackbox.RequestObjectType, "no typ": nil} {
		if response := blackbox.PushSigned(t, app, app.Key.Sign(t, header, blackbox.SignedRequest(app, nil))); response.Status != http.StatusCreated {
			t.Errorf("%s: %d %s", typ, response.Status, response.Body)
		}
	}
	weak := &authztest.Key{ID: other.Key.ID, Alg: jose.RS256, Private: other.Key.Private}
	parRefused(t, "by RS256", blackbox.PushSigned(t, other, weak.Sign(t, blackbox.RequestObjectType, blackbox.SignedRequest(other, nil))), "invalid_request_object")
	if response := blackbox.PushSigned(t, other, other.Key.Sign(t, blackbox.RequestObjectType, blackbox.SignedRequest(other, nil))); response.Status != http.StatusCreated {
		t.Errorf("by PS256: %d %s", response.Status, response.Body)
	}
}

// Section 5.3.1, items 2 to 4: aud, nbf and exp.
func TestFAPI2MessageSigningSection5_3_1_Claims(t *testing.T) {
	t.Parallel()
	app, _ := blackbox.StartFAPI(t, client.ProfileFAPI2MessageSigning, authz.Config{}, nil)
	at := func(offset time.Duration) int64 { return time.Now().Add(offset).Unix() }
	for name, change := range map[string]map[string]any{
		"another aud":               {"aud": "https://other.example.com"},
		"no aud":                    {"aud": nil},
		"no nbf":                    {"nbf": nil},
		"nbf an hour ago, and more": {"nbf": at(-65 * time.Minute), "exp": at(-5*time.Minute + time.Hour/2)},
		"nbf in a minute, and more": {"nbf": at(70 * time.Second), "exp": at(5 * time.Minute)},
		"no exp":                    {"exp": nil},
		"expired":                   {"nbf": at(-10 * time.Minute), "exp": at(-5 * time.Minute)},
		"good for too long":         {"exp": at(70 * time.Minute)},
		"a number for aud":          {"aud": 1},
		"a string for exp":          {"exp": "tomorrow"},
	} {
		parRefused(t, name, blackbox.PushSigned(t, app, app.Key.Sign(t, blackbox.RequestObjectType, blackbox.SignedRequest(app, change))), "invalid_request_object")
	}
	for name, change := range map[string]map[string]any{
		"one aud of several": {"aud": []string{"https://other.example.com", app.Server.URL}},
		"nbf in 8 seconds":   {"nbf": at(8 * time.Second)},
		"nbf long ago":       {"nbf": at(-50 * time.Minute)},
		"good for an hour":   {"exp": at(59 * time.Minute)},
	} {
		if response := blackbox.PushSigned(t, app, app.Key.Sign(t, blackbox.RequestObjectType, blackbox.SignedRequest(app, change))); response.Status != http.StatusCreated {
			t.Errorf("%s: %d %s", name, response.Status, response.Body)
		}
	}
}

// Section 5.3.1: what stands beside the request object counts for nothing, at either endpoint.
func TestFAPI2MessageSigningSection5_3_1_ParametersOutside(t *testing.T) {
	t.Parallel()
	app, _ := blackbox.StartFAPI(t, client.ProfileFAPI2MessageSigning, authz.Config{}, nil)
	outside := url.Values{"state": {"of a thief"}, "nonce": {"of a thief"}, "scope": {"openid orders.write"}, "redirect_uri": {"https://evil.example"}}
	verifier, challenge := authztest.PKCE()
	object := app.Key.Sign(t, blackbox.RequestObjectType, blackbox.SignedRequest(app, map[string]any{"state": nil, "scope": "openid", "code_challenge": challenge}))
	form := maps.Clone(outside)
	form.Set("request", object)
	requestURI := blackbox.RequestURI(t, app.Server.PostForm(t, "/par", app.Authenticate(t, form), nil))
	answer := blackbox.OpenPushed(t, app, app.Server.NewBrowser(t), requestURI, outside)
	claims, _ := blackbox.OpenResponse(t, app.Server, blackbox.SignedResponse(t, answer.Params))
	code, _ := claims["code"].(string)
	if _, found := claims["state"]; found || code == "" {
		t.Fatalf("%v", claims)
	}
	tokens := app.Token(t, authztest.CodeForm(code, verifier))
	if tokens.Status != http.StatusOK || tokens.Scope != "openid" || blackbox.Claims(t, tokens.IDToken)["nonce"] != "nonce of the app" {
		t.Errorf("%d %s, scope %q", tokens.Status, tokens.Description, tokens.Scope)
	}
	b := app.Server.SignedIn(t, nil)
	page := b.Open(t, url.Values{"client_id": {app.ClientID}, "request": {object}})
	if page.Status == http.StatusSeeOther && strings.Contains(page.Header.Get("Location"), "code=") {
		t.Errorf("a request object that was not pushed: %s", page.Header.Get("Location"))
	}
}

// Section 5.4.1: every response is signed, that of an error too.
func TestFAPI2MessageSigningSection5_4_1_SignedResponses(t *testing.T) {
	t.Parallel()
	app, _ := blackbox.StartFAPI(t, client.ProfileFAPI2MessageSigning, authz.Config{}, nil)
	for name, row := range map[string]struct {
		change map[string]any
		want   string // a claim of the response
	}{
		"a code":         {nil, "code"},
		"an error":       {map[string]any{"prompt": "none"}, "error"},
		"in a fragment":  {map[string]any{"response_mode": "fragment.jwt"}, "code"},
		"no state asked": {map[string]any{"state": nil}, "code"},
	} {
		requestURI := blackbox.RequestURI(t, blackbox.PushSigned(t, app, app.Key.Sign(t, blackbox.RequestObjectType, blackbox.SignedRequest(app, row.change))))
		answer := blackbox.OpenPushed(t, app, app.Server.NewBrowser(t), requestURI, nil)
		claims, alg := blackbox.OpenResponse(t, app.Server, blackbox.SignedResponse(t, answer.Params))
		exp, _ := claims["exp"].(float64)
		if left := time.Until(time.Unix(int64(exp), 0)); left <= 0 || left > 10*time.Minute {
			t.Errorf("%s: good for %v", name, left)
		}
		if claims["iss"] != app.Server.URL || claims["aud"] != app.ClientID || claims[row.want] == nil || alg != "ES256" {
			t.Errorf("%s: %s %v", name, alg, claims)
		}
	}
	for _, mode := range []any{nil, "query", "fragment", "form_post"} {
		response := blackbox.PushSigned(t, app, app.Key.Sign(t, blackbox.RequestObjectType, blackbox.SignedRequest(app, map[string]any{"response_mode": mode})))
		parRefused(t, "response_mode without jwt", response, "invalid_request")
	}
}

// Sections 5.3 and 5.4 stand alone: a client signs its requests and gets plain responses, or the reverse.
func TestFAPI2MessageSigningSection5_OneOfTwo(t *testing.T) {
	t.Parallel()
	app, _ := blackbox.StartFAPI(t, client.ProfileFAPI2SignedRequests, authz.Config{}, nil)
	parRefused(t, "unsigned", pushed(t, app, nil, nil), "invalid_request")
	sign := func(change map[string]any) string {
		return app.Key.Sign(t, blackbox.RequestObjectType, blackbox.SignedRequest(app, change))
	}
	parRefused(t, "without nbf", blackbox.PushSigned(t, app, sign(map[string]any{"response_mode": nil, "nbf": nil})), "invalid_request_object")
	plain := blackbox.RequestURI(t, blackbox.PushSigned(t, app, sign(map[string]any{"response_mode": nil})))
	if answer := blackbox.OpenPushed(t, app, app.Server.NewBrowser(t), plain, nil); answer.Params.Get("code") == "" || answer.Params.Has("response") {
		t.Errorf("a plain response: %v", answer.Params)
	}
	signed := blackbox.RequestURI(t, blackbox.PushSigned(t, app, sign(nil)))
	if answer := blackbox.OpenPushed(t, app, app.Server.NewBrowser(t), signed, nil); !answer.Params.Has("response") {
		t.Errorf("a signed response that was asked for: %v", answer.Params)
	}

	app, _ = blackbox.StartFAPI(t, client.ProfileFAPI2SignedResponses, authz.Config{}, nil)
	parRefused(t, "a plain response", pushed(t, app, nil, nil), "invalid_request")
	requestURI := blackbox.RequestURI(t, pushed(t, app, url.Values{"response_mode": {"jwt"}}, nil))
	if answer := blackbox.OpenPushed(t, app, app.Server.NewBrowser(t), requestURI, nil); !answer.Params.Has("response") || answer.Params.Has("code") {
		t.Errorf("a signed response to a plain request: %v", answer.Params)
	}
}

// Section 5.4.1: clients learn of it from the metadata.
func TestFAPI2MessageSigningSection5_4_1_Metadata(t *testing.T) {
	t.Parallel()
	app, _ := blackbox.StartFAPI(t, client.ProfileFAPI2MessageSigning, authz.Config{}, nil)
	metadata := blackbox.Discovery(t, app.Server)
	for member, wanted := range map[string][]any{
		"response_modes_supported":                      {"jwt", "query.jwt", "fragment.jwt", "form_post.jwt"},
		"authorization_signing_alg_values_supported":    {"ES256"},
		"introspection_signing_alg_values_supported":    {"ES256"},
		"request_object_signing_alg_values_supported":   {"PS256", "ES256", "EdDSA"},
		"token_endpoint_auth_methods_supported":         {"private_key_jwt"},
		"introspection_endpoint_auth_methods_supported": {"private_key_jwt"},
	} {
		values, _ := metadata[member].([]any)
		for _, value := range wanted {
			if !slices.Contains(values, value) {
				t.Errorf("%s: %v lacks %v", member, values, value)
			}
		}
	}
}

// Section 5.5.1: introspection is signed (RFC 9701) for a client that asks so.
func TestFAPI2MessageSigningSection5_5_1_SignedIntrospection(t *testing.T) {
	t.Parallel()
	app, _ := blackbox.StartFAPI(t, client.ProfileFAPI2MessageSigning, authz.Config{}, nil)
	verifier, challenge := authztest.PKCE()
	requestURI := blackbox.RequestURI(t, blackbox.PushSigned(t, app, app.Key.Sign(t, blackbox.RequestObjectType, blackbox.SignedRequest(app, map[string]any{"code_challenge": challenge}))))
	claims, _ := blackbox.OpenResponse(t, app.Server, blackbox.SignedResponse(t, blackbox.OpenPushed(t, app, app.Server.NewBrowser(t), requestURI, nil).Params))
	code, _ := claims["code"].(string)
	tokens := app.Token(t, authztest.CodeForm(code, verifier))
	if tokens.Status != http.StatusOK {
		t.Fatalf("%d %s", tokens.Status, tokens.Description)
	}
	response := app.Server.PostForm(t, "/introspect", app.Authenticate(t, url.Values{"token": {tokens.AccessToken}}), http.Header{"Accept": {blackbox.IntrospectionType}})
	if response.Status != http.StatusOK || response.Header.Get("Content-Type") != blackbox.IntrospectionType {
		t.Fatalf("%d %s", response.Status, response.Body)
	}
	signed, err := jose.ParseSignedCompact(response.Body, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Audience      string `json:"aud"`
		Introspection struct {
			Active       bool              `json:"active"`
			TokenType    string            `json:"token_type"`
			Confirmation map[string]string `json:"cnf"`
		} `json:"token_introspection"`
	}
	if err := json.Unmarshal(signed.UnsafePayloadWithoutVerification(), &answer); err != nil {
		t.Fatal(err)
	}
	if i := answer.Introspection; answer.Audience != app.ClientID || !i.Active || i.TokenType != "DPoP" || i.Confirmation["jkt"] != app.DPoP.Thumbprint(t) {
		t.Errorf("%+v", answer)
	}
}
