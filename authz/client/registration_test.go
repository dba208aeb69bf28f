package client

import (
	"encoding/json"
	"errors"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz/weburl"
)

// anOffer is what a server might offer.
func anOffer(source Source) *Offer {
	return &Offer{
		Source: source, GrantTypes: []string{GrantAuthorizationCode, GrantRefreshToken}, AuthMethods: []string{AuthNone, AuthPrivateKeyJWT, AuthBasic},
		Scopes: []string{"openid", "orders.read"}, Resources: []string{"https://api.example.com"}, Algs: []string{"RS256"},
		CheckURL: func(raw string) error {
			if u, err := url.Parse(raw); err != nil || u.Scheme != "https" || u.Host == "" {
				return errors.New("not https")
			}
			return nil
		},
	}
}

var registrations = []string{
	`{"redirect_uris":["https://app.example.com/cb"]}`,
	`{"redirect_uris":["http://127.0.0.1/cb","com.example.app:/cb"],"token_endpoint_auth_method":"none","scope":"openid admin","grant_types":["authorization_code","refresh_token"]}`,
	`{"redirect_uris":["https://a.example/"],"token_endpoint_auth_method":"private_key_jwt","jwks_uri":"https://a.example/jwks","client_name":"A","client_name#de":"B","default_max_age":0}`,
	`{"redirect_uris":["javascript:alert(1)"]}`, `{"redirect_uris":["https://a.example/"],"redirect_uris":[]}`, `{"x":[[[[[[[[[]]]]]]]]]}`, `[]`, `{} {}`, `{"default_max_age":1e999}`, `{"jwks":{"keys":[{"kty":"oct","k":"AA"}]}}`,
	`{"client_id":"x","client_secret":null,"request_uris":["https://a.example/#h"],"contacts":["\u0000"]}`,
}

// A client that is made from any input keeps the rules, and is the same when it is read back.
func FuzzParseRegistration(f *testing.F) {
	for _, r := range registrations {
		f.Add([]byte(r))
	}
	offer := anOffer(Registered)
	f.Fuzz(func(t *testing.T, body []byte) {
		info, err := ParseRegistration(body)
		if err == nil {
			err = info.Complete(offer)
		}
		if err != nil {
			checkRefusal(t, err)
			return
		}
		var hash []byte
		if info.AuthMethod == AuthBasic {
			hash = make([]byte, 32)
		}
		c, err := info.Client("id", hash, offer)
		if err != nil {
			checkRefusal(t, err)
			return
		}
		checkStranger(t, c, offer)
		stored, err := json.Marshal(info.Registration)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseRegistration(stored)
		if err != nil {
			t.Fatalf("%v: %s", err, stored)
		}
		if err := again.Complete(offer); err != nil {
			t.Fatalf("%v: %s", err, stored)
		}
		if twice, err := json.Marshal(again.Registration); err != nil || string(twice) != string(stored) {
			t.Errorf("%s\nread back: %s, %v", stored, twice, err)
		}
	})
}

func FuzzParseDocument(f *testing.F) {
	const id = "https://app.example.com/client.json"
	for _, r := range registrations {
		f.Add([]byte(strings.Replace(r, "{", `{"client_id":"`+id+`",`, 1)))
	}
	f.Add([]byte(`{"client_id":"` + id + `","redirect_uris":["https://app.example.com/cb","http://localhost/cb"],"grant_types":["authorization_code","implicit"]}`))
	offer := anOffer(Document)
	offer.AuthMethods = []string{AuthNone, AuthPrivateKeyJWT}
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := ParseDocument(id, body, offer)
		if err != nil {
			checkRefusal(t, err)
			return
		}
		checkStranger(t, c, offer)
		for _, uri := range c.RedirectURIs {
			if u, err := url.Parse(uri); err != nil || (u.Scheme == "https" && u.Host != "app.example.com" && !weburl.IsLoopback(u.Hostname()) && strings.TrimSuffix(strings.ToLower(u.Host), ":443") != "app.example.com") {
				t.Errorf("%q leads to another site", uri)
			}
		}
		if c.ID != id || c.AuthMethod == AuthBasic {
			t.Errorf("%+v", c.Metadata)
		}
	})
}

// checkRefusal demands an error that may be shown.
func checkRefusal(t *testing.T, err error) {
	t.Helper()
	refusal := new(RegistrationError)
	if !errors.As(err, &refusal) || refusal.Description == "" || strings.ContainsAny(refusal.Description, "\"\\\n") {
		t.Fatalf("%T %v", err, err)
	}
}

// checkStranger demands what holds for every client that the operator hasn't named.
func checkStranger(t *testing.T, c *Client, offer *Offer) {
	t.Helper()
	for _, uri := range slices.Concat(c.RedirectURIs, c.PostLogoutRedirectURIs) {
		if err := CheckRedirectURI(uri); err != nil {
			t.Errorf("%q: %v", uri, err)
		}
	}
	for _, scope := range c.Scopes {
		if !slices.Contains(offer.Scopes, scope) {
			t.Errorf("scope %q", scope)
		}
	}
	for _, shown := range []string{c.ClientURI, c.LogoURI, c.PolicyURI, c.TOSURI, c.InitiateLoginURI} {
		if shown != "" && !strings.HasPrefix(strings.ToLower(shown), "https:") {
			t.Errorf("%q is shown", shown)
		}
	}
	if c.FirstParty || c.Source == Configured || (c.Public() && (!c.MustUsePKCE() || !c.RotatesRefreshTokens())) || !reflect.DeepEqual(c.Resources, offer.Resources) {
		t.Errorf("%+v", c.Metadata)
	}
	for _, grantType := range c.GrantTypes {
		if !slices.Contains(offer.GrantTypes, grantType) {
			t.Errorf("grant type %q", grantType)
		}
	}
}

func FuzzIsDocumentURL(f *testing.F) {
	for _, id := range []string{"https://app.example.com/client", "https://app.example.com/", "https://[::1]:8443/c", "http://localhost/c", "https://a@b/c", "https://a/../c", "https://a/%2e%2e/c", "https://a/c?d", "https://a/c#d", "HTTPS://a/c", "https:/a/c", "https://a:b/c"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		if !IsDocumentURL(id) {
			return
		}
		u, err := url.Parse(id)
		switch {
		case err != nil, u.User != nil, u.RawQuery != "", u.ForceQuery, u.Fragment != "", u.Path == "", u.Host == "", strings.ContainsAny(id, "#?\\ "):
			t.Errorf("%q is a document URL", id)
		case u.Scheme != "https" && !weburl.IsLoopback(u.Hostname()):
			t.Errorf("%q is plain http", id)
		case u.JoinPath().Path != u.Path && !strings.Contains(u.Path, "//"):
			t.Errorf("%q has dot segments", id)
		}
	})
}

func TestIsDocumentURL(t *testing.T) {
	for id, want := range map[string]bool{
		"https://app.example.com/client.json": true, "https://app.example.com/": true, "https://app.example.com:8443/a/b": true, "https://app.example.com/a%20b": true,
		"http://127.0.0.1:3000/client.json": true, "https://app.example.com": false, "http://app.example.com/c": false, "https://app.example.com/.": false,
		"https://app.example.com/%2e%2e/c": false, "spa": false, "": false, "https://app.example.com/c?": false, "https://user@app.example.com/c": false,
	} {
		if IsDocumentURL(id) != want {
			t.Errorf("%q: %v", id, !want)
		}
	}
}

// If the operator withdraws something, clients that registered before lose it.
func TestClientOfNarrowerOffer(t *testing.T) {
	info, err := ParseRegistration([]byte(`{"redirect_uris":["https://a.example/"],"token_endpoint_auth_method":"none","scope":"openid orders.read"}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := info.Complete(anOffer(Registered)); err != nil {
		t.Fatal(err)
	}
	narrow := anOffer(Registered)
	narrow.Scopes, narrow.Resources, narrow.Algs = []string{"openid"}, nil, []string{"ES256"}
	c, err := info.Client("id", nil, narrow)
	if err != nil || !slices.Equal(c.Scopes, []string{"openid"}) || c.Resources != nil || c.IDTokenAlg != "" {
		t.Errorf("%+v, %v", c, err)
	}
}

// Logs and answers never quote what a client sent, but for where a redirect URI leads.
func TestRegistrationErrorsQuoteNothing(t *testing.T) {
	for _, body := range []string{`{"redirect_uris":["https://a.example/?hunter2#x"]}`, `{"redirect_uris":["https://hunter2@a.example/"]}`, `{"redirect_uris":["https://a.example/#hunter2"]}`, `{"client_name":"hunter2\n"}`, `{"hunter2":1,"hunter2":2}`, `{"token_endpoint_auth_method":"hunter2"}`, `hunter2`} {
		info, err := ParseRegistration([]byte(body))
		if err == nil {
			err = info.Complete(anOffer(Registered))
		}
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// The values of scope are compared with each other, so their number is bounded.
func TestRegistrationBoundsScopes(t *testing.T) {
	for n, accepted := range map[int]bool{maxScopes: true, maxScopes + 1: false} {
		info, err := ParseRegistration([]byte(`{"redirect_uris":["https://a.example/"],"scope":"` + strings.Repeat("openid ", n) + `"}`))
		if err == nil {
			err = info.Complete(anOffer(Registered))
		}
		if (err == nil) != accepted {
			t.Errorf("%d scopes: %v", n, err)
		}
	}
}
