package resource_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/resource"
	"github.com/authzd/authzd/storage"
)

const (
	payment = `{"type":"payment","amount":{"currency":"EUR","value":"123.50"},"to":"Merchant A","actions":["initiate","status"]}`
)

// startDetails runs a server with two APIs that understand authorization_details: both know the type
// "file", and payments are only for the first.
func startDetails(t testing.TB, adjust func(*client.Metadata)) *authztest.Server {
	t.Helper()
	file := resource.DetailType{Type: "file", Name: "A file", Fields: []string{"path"}}
	return authztest.Start(t, authz.Config{Resources: []resource.Resource{
		{URI: authztest.API, Name: "Orders API", Scopes: []string{"orders.read", "orders.write"}, DetailTypes: []resource.DetailType{
			{Type: "payment", Name: "A payment", Fields: []string{"amount", "to", "note"}, Required: []string{"amount"}}, file,
		}},
		{URI: blackbox.ArchiveAPI, Name: "Archive", Scopes: []string{"archive.read"}, DetailTypes: []resource.DetailType{file}},
	}}, func(m *client.Metadata) {
		m.DetailTypes = []string{"payment", "file"}
		m.Resources = []string{authztest.API, blackbox.ArchiveAPI}
		if adjust != nil {
			adjust(m)
		}
	})
}

// detailed asks for details, and nothing else that a resource would have to know.
func detailed(details string) url.Values {
	return url.Values{"scope": {"openid offline_access"}, "authorization_details": {"[" + details + "]"}}
}

// RFC 9396 sections 2 and 5: what is not acceptable, and that the client is told so.
func TestRFC9396Section5_Errors(t *testing.T) {
	t.Parallel()
	s := startDetails(t, nil)
	b := s.SignedIn(t, url.Values{"scope": {"openid"}})
	before := blackbox.Dump(t, s.Store)
	for name, details := range map[string]string{
		"not JSON":                 `[{`,
		"an object":                payment,
		"a string":                 `"payment"`,
		"null":                     `null`,
		"an empty array":           `[]`,
		"an array of strings":      `["payment"]`,
		"an array with null":       `[null]`,
		"more after the array":     `[` + payment + `]]`,
		"two arrays":               `[` + payment + `][]`,
		"no type":                  `[{"actions":["x"]}]`,
		"a type of numbers":        `[{"type":1}]`,
		"unknown type":             `[{"type":"account"}]`,
		"type in capitals":         `[{"type":"PAYMENT","amount":1}]`,
		"Type in capitals":         `[{"Type":"payment","amount":1}]`,
		"two types":                `[{"type":"file","type":"payment","amount":1}]`,
		"a member twice, deep":     `[{"type":"payment","amount":{"value":1,"value":100}}]`,
		"unknown member":           `[{"type":"payment","amount":1,"iban":"x"}]`,
		"lacking member":           `[{"type":"payment"}]`,
		"second is bad":            `[` + payment + `,{"type":"payment"}]`,
		"actions no list":          `[{"type":"payment","amount":1,"actions":"all"}]`,
		"actions empty":            `[{"type":"payment","amount":1,"actions":[]}]`,
		"actions of numbers":       `[{"type":"payment","amount":1,"actions":[1]}]`,
		"privileges an object":     `[{"type":"payment","amount":1,"privileges":{}}]`,
		"identifier a list":        `[{"type":"payment","amount":1,"identifier":["x"]}]`,
		"unknown location":         `[{"type":"payment","amount":1,"locations":["https://evil.example"]}]`,
		"one location unknown":     `[{"type":"payment","amount":1,"locations":["` + authztest.API + `","https://evil.example"]}]`,
		"location without type":    `[{"type":"payment","amount":1,"locations":["` + blackbox.ArchiveAPI + `"]}]`,
		"locations null":           `[{"type":"payment","amount":1,"locations":null}]`,
		"two resources could be":   `[{"type":"file"}]`,
		"control character":        `[{"type":"payment","amount":"1\u0000"}]`,
		"line break in a name":     `[{"type":"payment","amount":{"a\nb":1}}]`,
		"line break in a string":   "[{\"type\":\"payment\",\"amount\":\"1\n\"}]",
		"reversed text":            "[{\"type\":\"payment\",\"amount\":\"1\u202e00\"}]",
		"too long to be shown":     `[{"type":"payment","amount":1,"note":"` + strings.Repeat("x", 501) + `"}]`,
		"too deep":                 `[{"type":"payment","amount":` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + `}]`,
		"too many":                 `[` + strings.Repeat(`{"type":"payment","amount":1},`, 20) + `{"type":"payment","amount":1}]`,
		"invalid UTF-8 in escapes": `[{"type":"payment","amount":1,"x\ud800":1}]`,
	} {
		for _, id := range []string{authztest.SPA, authztest.ThirdParty} {
			got := b.Ask(t, id, url.Values{"scope": {"openid"}, "authorization_details": {details}}).Redirect(t)
			if got.Get("error") != "invalid_authorization_details" || got.Has("code") {
				t.Errorf("%s: %v", name, got)
			}
		}
		if got := blackbox.TokenAnswer(t, s, authztest.Worker, authztest.Secret, url.Values{"grant_type": {"client_credentials"}, "authorization_details": {details}, "resource": {authztest.API}}); got["error"] != "invalid_authorization_details" && name != "two resources could be" {
			t.Errorf("%s, as an app: %v", name, got)
		}
	}
	if after := blackbox.Dump(t, s.Store); after != before {
		t.Errorf("the store has changed:\nbefore %s\nafter  %s", before, after)
	}
}

// RFC 9396 section 10: a client may use the types that it is registered for.
// JSON may be written on several lines, in a request as well.
func TestRFC9396Section2_LineBreaks(t *testing.T) {
	t.Parallel()
	s := startDetails(t, nil)
	b := s.SignedIn(t, url.Values{"scope": {"openid"}})
	details := "[\r\n\t" + strings.ReplaceAll(payment, ",", ",\n  ") + "\n]"
	answer := b.Ask(t, authztest.SPA, url.Values{"scope": {"openid"}, "authorization_details": {details}, "claims": {"{\n\t\"id_token\": {\"email\": null}\n}"}}).Redirect(t)
	if !answer.Has("code") {
		t.Errorf("with line breaks: %v", answer)
	}
	got := blackbox.TokenAnswer(t, s, authztest.Worker, authztest.Secret, url.Values{"grant_type": {"client_credentials"}, "authorization_details": {details}})
	blackbox.WantDetails(t, "on several lines", got["authorization_details"], "["+payment+"]")
	for _, name := range []string{"scope", "state", "login_hint"} {
		if got := b.Ask(t, authztest.SPA, url.Values{name: {"openid\n"}}).Redirect(t); got.Get("error") != "invalid_request" {
			t.Errorf("a line break in %s: %v", name, got)
		}
	}
}

func TestRFC9396Section10_TypesOfTheClient(t *testing.T) {
	t.Parallel()
	s := startDetails(t, func(m *client.Metadata) {
		if m.ID == authztest.SPA {
			m.DetailTypes = []string{"file"}
		}
	})
	if got := s.SignedIn(t, url.Values{"scope": {"openid"}}).Ask(t, authztest.SPA, detailed(payment)).Redirect(t); got.Get("error") != "invalid_authorization_details" {
		t.Errorf("%v", got)
	}
	for start, want := range map[*authztest.Server]string{s: "[payment file]", authztest.Start(t, authz.Config{}, nil): "<nil>"} {
		var document map[string]any
		response, err := http.Get(start.URL + "/.well-known/openid-configuration")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if err := json.NewDecoder(response.Body).Decode(&document); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(document["authorization_details_types_supported"]); got != want {
			t.Errorf("authorization_details_types_supported %s, want %s", got, want)
		}
	}
}

// RFC 9396 sections 7 and 9: what was granted is in the answer, the token and the introspection, as
// exactly as it was asked for, after a refresh too.
func TestRFC9396Section7_TokenResponse(t *testing.T) {
	t.Parallel()
	for _, tokenType := range []string{"", resource.TokenTypeOpaque} {
		s := authztest.Start(t, authz.Config{Resources: []resource.Resource{{
			URI: authztest.API, TokenType: tokenType, DetailTypes: []resource.DetailType{{Type: "payment", Fields: []string{"amount", "to"}}},
		}}}, func(m *client.Metadata) {
			m.DetailTypes = []string{"payment"}
		})
		exact := `{"amount":{"currency":"EUR","limit":12345678901234567890,"rate":1.10},"to":"<A & B>","type":"payment"}`
		code, verifier := s.NewBrowser(t).Code(t, authztest.Web, detailed(exact))
		first := blackbox.TokenAnswer(t, s, authztest.Web, authztest.Secret, authztest.CodeForm(code, verifier))
		refreshed := blackbox.TokenAnswer(t, s, authztest.Web, authztest.Secret, authztest.RefreshForm(fmt.Sprint(first["refresh_token"])))
		for when, answer := range map[string]map[string]any{"code": first, "refresh": refreshed} {
			blackbox.WantDetails(t, when+": answer", answer["authorization_details"], "["+exact+"]")
			_, about := blackbox.PostAs(t, s, "/introspect", authztest.Web, url.Values{"token": {fmt.Sprint(answer["access_token"])}})
			blackbox.WantDetails(t, when+": introspection", about["authorization_details"], "["+exact+"]")
			if tokenType == "" {
				blackbox.WantDetails(t, when+": token", blackbox.Claims(t, fmt.Sprint(answer["access_token"]))["authorization_details"], "["+exact+"]")
			}
		}
		grants, err := storage.Grants.Scan(t.Context(), s.Store, "", "", 10)
		if err != nil || len(grants) != 1 {
			t.Fatalf("%d grants, %v", len(grants), err)
		}
		if raw := string(grants[0].Value.AuthorizationDetails); !strings.Contains(raw, "12345678901234567890") || !strings.Contains(raw, "1.10") {
			t.Errorf("numbers have changed: %s", raw)
		}
	}
}

// RFC 9396 section 2.2 and 9.1: details say which resources they are for, and a token carries those of
// its own.
func TestRFC9396Section9_1_DetailsOfTheAudience(t *testing.T) {
	t.Parallel()
	s := startDetails(t, nil)
	fileAt := func(locations ...string) string {
		raw, err := json.Marshal(map[string]any{"type": "file", "path": "/x", "locations": locations})
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	code, verifier := s.NewBrowser(t).Code(t, authztest.SPA, detailed(payment+","+fileAt(authztest.API, blackbox.ArchiveAPI)))
	tokens := blackbox.TokenAnswer(t, s, authztest.SPA, "", authztest.CodeForm(code, verifier))
	access := blackbox.Claims(t, fmt.Sprint(tokens["access_token"]))
	if got := fmt.Sprint(access["aud"]); got != fmt.Sprint([]string{authztest.API, blackbox.ArchiveAPI}) {
		t.Errorf("aud %s: the details name both resources", got)
	}
	blackbox.WantDetails(t, "for both", access["authorization_details"], "["+payment+","+fileAt(authztest.API, blackbox.ArchiveAPI)+"]")
	for resource, want := range map[string]string{
		authztest.API:       "[" + payment + "," + fileAt(authztest.API) + "]",
		blackbox.ArchiveAPI: "[" + fileAt(blackbox.ArchiveAPI) + "]",
	} {
		form := authztest.RefreshForm(fmt.Sprint(tokens["refresh_token"]))
		form.Set("resource", resource)
		tokens = blackbox.TokenAnswer(t, s, authztest.SPA, "", form)
		blackbox.WantDetails(t, resource, blackbox.Claims(t, fmt.Sprint(tokens["access_token"]))["authorization_details"], want)
		blackbox.WantDetails(t, resource+": answer", tokens["authorization_details"], want)
	}
	// The resource parameter settles what could be meant, and excludes what is not.
	asked := detailed(`{"type":"file"}`)
	asked.Set("resource", blackbox.ArchiveAPI)
	if access := blackbox.Claims(t, s.SignIn(t, authztest.SPA, "", asked).AccessToken); fmt.Sprint(access["aud"]) != "["+blackbox.ArchiveAPI+"]" {
		t.Errorf("aud %v", access["aud"])
	}
	asked = detailed(payment)
	asked.Set("resource", blackbox.ArchiveAPI)
	if got := s.SignedIn(t, url.Values{"scope": {"openid"}}).Ask(t, authztest.SPA, asked).Redirect(t); got.Get("error") != "invalid_authorization_details" {
		t.Errorf("a payment at the archive: %v", got)
	}
}

// RFC 9396 section 6: the token request may ask for less, and never for more; the grant keeps what it
// has.
func TestRFC9396Section6_TokenRequest(t *testing.T) {
	t.Parallel()
	s := startDetails(t, nil)
	b := s.NewBrowser(t)
	code, verifier := b.Code(t, authztest.SPA, detailed(payment+`,{"type":"payment","amount":1,"identifier":"b"}`))
	form := authztest.CodeForm(code, verifier)
	for name, details := range map[string]string{
		"another amount":      `[{"type":"payment","amount":2,"identifier":"b"}]`,
		"another spelling":    `[{"type":"payment","amount":1.0,"identifier":"b"}]`,
		"another action":      strings.Replace("["+payment+"]", "initiate", "cancel", 1),
		"no actions is more":  `[{"type":"payment","amount":{"currency":"EUR","value":"123.50"},"to":"Merchant A"}]`,
		"more members":        `[{"type":"payment","amount":1,"identifier":"b","note":"x"}]`,
		"parts of two":        `[{"type":"payment","amount":1,"to":"Merchant A"}]`,
		"one of two is more":  `[{"type":"payment","amount":1,"identifier":"b"},{"type":"payment","amount":1}]`,
		"a type not granted":  `[{"type":"file","path":"x"}]`,
		"not JSON":            `{`,
		"an empty array":      `[]`,
		"the same twice":      `[{"type":"payment","amount":1,"identifier":"b"},{"type":"payment","amount":1,"identifier":"b"}]`,
		"one in two parts":    "[" + strings.Replace(payment, `,"status"`, "", 1) + "," + strings.Replace(payment, `"initiate",`, "", 1) + "]",
		"actions as a string": strings.Replace("["+payment+"]", `["initiate","status"]`, `"status"`, 1),
	} {
		form.Set("authorization_details", details)
		if got := blackbox.TokenAnswer(t, s, authztest.SPA, "", form); got["error"] != "invalid_authorization_details" {
			t.Errorf("%s: %v", name, got)
		}
	}
	status := strings.Replace(payment, `"initiate",`, "", 1)
	form.Set("authorization_details", "["+status+"]")
	less := blackbox.TokenAnswer(t, s, authztest.SPA, "", form)
	blackbox.WantDetails(t, "less", less["authorization_details"], "["+status+"]")
	all := blackbox.TokenAnswer(t, s, authztest.SPA, "", authztest.RefreshForm(fmt.Sprint(less["refresh_token"])))
	blackbox.WantDetails(t, "everything again", all["authorization_details"], `[`+payment+`,{"type":"payment","amount":1,"identifier":"b"}]`)

	// Of two that overlap, each gets the one that it needs, in whatever order they are asked for.
	pair := `{"type":"payment","amount":1,"actions":["a","b"]},{"type":"payment","amount":1,"actions":["a"]}`
	overlap := authztest.RefreshForm(s.SignIn(t, authztest.SPA, "", detailed(pair)).RefreshToken)
	overlap.Set("authorization_details", `[{"type":"payment","amount":1,"actions":["a"]},{"type":"payment","amount":1,"actions":["b","a"]}]`)
	if got := blackbox.TokenAnswer(t, s, authztest.SPA, "", overlap); got["error"] != nil {
		t.Errorf("two that overlap: %v", got)
	}

	plain := authztest.RefreshForm(s.SignIn(t, authztest.SPA, "", url.Values{"scope": {"openid"}}).RefreshToken)
	plain.Set("authorization_details", "["+payment+"]")
	if got := blackbox.TokenAnswer(t, s, authztest.SPA, "", plain); got["error"] != "invalid_authorization_details" {
		t.Errorf("a grant without details: %v", got)
	}
}

// RFC 9396 section 3: a backend asks for itself.
func TestRFC9396Section3_ClientCredentials(t *testing.T) {
	t.Parallel()
	s := startDetails(t, nil)
	app := url.Values{"grant_type": {"client_credentials"}, "scope": {"orders.read"}, "authorization_details": {"[" + payment + "]"}}
	answer := blackbox.TokenAnswer(t, s, authztest.Worker, authztest.Secret, app)
	blackbox.WantDetails(t, "answer", answer["authorization_details"], "["+payment+"]")
	if access := blackbox.Claims(t, fmt.Sprint(answer["access_token"])); fmt.Sprint(access["aud"]) != "["+authztest.API+"]" {
		t.Errorf("%v", access)
	}
}

// RFC 9396 sections 3 and 12: users see what they allow, and are asked each time.
func TestRFC9396Section12_Consent(t *testing.T) {
	t.Parallel()
	s := startDetails(t, nil)
	b := s.NewBrowser(t)
	asked := detailed(payment + `,{"type":"file","path":"<b>/etc</b>","locations":["` + blackbox.ArchiveAPI + `"],"privileges":["admin"]}`)
	b.Code(t, authztest.ThirdParty, asked)
	for range 2 { // it is not remembered
		page := b.Get(t, b.Ask(t, authztest.ThirdParty, asked).Header.Get("Location"))
		if !page.Has("consent-allow") {
			t.Fatalf("no question: %d %.300s", page.Status, page.Body)
		}
		for _, shown := range []string{"A payment", "Orders API", "currency: EUR\nvalue: 123.50", "Merchant A", "initiate, status", "A file", "Archive", "&lt;b&gt;/etc", "admin"} {
			if !strings.Contains(page.Body, shown) {
				t.Errorf("the page doesn't show %q", shown)
			}
		}
		on := b.Do(t, page.Submit(t, "consent-allow", nil))
		if got := b.Get(t, on.Header.Get("Location")).Redirect(t); got.Get("code") == "" {
			t.Errorf("allowed: %v", got)
		}
	}
	silent := detailed(payment)
	silent.Set("prompt", "none")
	if got := b.Ask(t, authztest.ThirdParty, silent).Redirect(t); got.Get("error") != "consent_required" {
		t.Errorf("prompt=none: %v", got)
	}
	if got := b.Ask(t, authztest.SPA, silent).Redirect(t); got.Get("code") == "" {
		t.Errorf("a first-party client: %v", got)
	}
	if got := b.Ask(t, authztest.ThirdParty, url.Values{"scope": {"openid offline_access"}, "prompt": {"none"}}).Redirect(t); got.Get("code") == "" {
		t.Errorf("the scopes are remembered: %v", got)
	}
	// A consent for one request does not count for another.
	page := b.Get(t, b.Ask(t, authztest.ThirdParty, asked).Header.Get("Location"))
	b.Do(t, page.Submit(t, "consent-allow", nil))
	if got := b.Ask(t, authztest.ThirdParty, detailed(payment)).LedTo(t); got != "/consent" {
		t.Errorf("another request led to %s", got)
	}
	b.Deny = true
	_, challenge := authztest.PKCE()
	params := authztest.AuthorizationParams(authztest.ThirdParty, challenge)
	for name, values := range asked {
		params[name] = values
	}
	if got := b.Authorize(t, params); got.Params.Get("error") != "access_denied" {
		t.Errorf("denied: %s", got)
	}
}

// A type that a client is no longer registered for is no longer in its tokens.
func TestRFC9396Section6_RegistrationHasChanged(t *testing.T) {
	t.Parallel()
	s := startDetails(t, nil)
	tokens := s.SignIn(t, authztest.SPA, "", detailed(payment+`,{"type":"file","locations":["`+blackbox.ArchiveAPI+`"]}`))
	less := authztest.Start(t, authz.Config{Issuer: s.URL, Store: s.Store, Secret: s.Secret, Resources: []resource.Resource{
		{URI: authztest.API, DetailTypes: []resource.DetailType{{Type: "payment", Fields: []string{"amount", "to"}}}}, {URI: blackbox.ArchiveAPI},
	}}, func(m *client.Metadata) {
		m.DetailTypes = []string{"payment", "file"}
		m.Resources = []string{authztest.API, blackbox.ArchiveAPI}
	})
	got := blackbox.Redeem(t, less, authztest.SPA, "", authztest.RefreshForm(tokens.RefreshToken))
	blackbox.WantDetails(t, "token", blackbox.Claims(t, got.AccessToken)["authorization_details"], "["+payment+"]")
}

// RFC 9396 section 3 with RFC 8628: a device asks for details too, and its user sees them.
func TestRFC9396Section3_Device(t *testing.T) {
	t.Parallel()
	s := startDetails(t, nil)
	device := s.NewDevice(t, detailed(payment))
	b := s.SignedIn(t, url.Values{"scope": {"openid"}})
	request, err := http.NewRequest(http.MethodGet, device.VerificationURIComplete, nil)
	if err != nil {
		t.Fatal(err)
	}
	if page := b.Follow(t, request); !strings.Contains(page.Body, "A payment") || !strings.Contains(page.Body, "123.50") {
		t.Errorf("the page doesn't show the payment: %d %s", page.Status, page.Body)
	}
	blackbox.ApproveDevice(t, b, device)
	answer := blackbox.TokenAnswer(t, s, authztest.TV, "", authztest.DeviceForm(device.Code))
	blackbox.WantDetails(t, "answer", answer["authorization_details"], "["+payment+"]")
	other := s.PostForm(t, "/device_authorization", url.Values{"client_id": {authztest.TV}, "authorization_details": {"[{}]"}}, nil)
	if other.Status != http.StatusBadRequest || !strings.Contains(other.Body, "invalid_authorization_details") {
		t.Errorf("%d %s", other.Status, other.Body)
	}
}
