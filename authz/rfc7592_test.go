package authz_test

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/storage"
)

func TestRFC7592Section2_1_Read(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, openRegistration(), nil)
	for _, method := range []string{"none", "client_secret_basic"} {
		created := postClient(t, s, webClient(map[string]any{"token_endpoint_auth_method": method}))
		got := callJSON(t, http.MethodGet, created.text("registration_client_uri"), created.text("registration_access_token"), nil)
		if got.status != http.StatusOK || got.body != created.body || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%d %s\nwant %s", got.status, got.body, created.body)
		}
	}
}

// Whoever lacks the token learns nothing, not even whether there is such a client, and changes nothing.
func TestRFC7592Section2_WrongToken(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, openRegistration(), nil)
	mine, other := postClient(t, s, webClient(nil)), postClient(t, s, webClient(nil))
	token := mine.text("registration_access_token")
	user := s.SignIn(t, mine.text("client_id"), "", nil)
	before := dump(t, s.Store)
	var answers []string
	for name, row := range map[string]struct{ uri, token string }{
		"another client's token": {mine.text("registration_client_uri"), other.text("registration_access_token")},
		"another last character": {mine.text("registration_client_uri"), changeLast(token)},
		"one more character":     {mine.text("registration_client_uri"), token + "A"},
		"the user's token":       {mine.text("registration_client_uri"), user.AccessToken},
		"unknown client":         {s.URL + "/register/0123456789012345678901", token},
		"a client of the file":   {s.URL + "/register/" + authztest.SPA, token},
		"an id that is too long": {s.URL + "/register/" + strings.Repeat("a", 3000), token},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
			body := webClient(map[string]any{"client_id": mine.text("client_id"), "redirect_uris": []string{"https://evil.example/"}})
			got := callJSON(t, method, row.uri, row.token, body)
			if got.status != http.StatusUnauthorized || !strings.Contains(got.header.Get("WWW-Authenticate"), `error="invalid_token"`) {
				t.Errorf("%s, %s: %d %v %s", name, method, got.status, got.header, got.body)
			}
			answers = append(answers, got.body)
		}
	}
	for _, answer := range answers {
		if answer != answers[0] {
			t.Errorf("%s and %s", answer, answers[0])
		}
	}
	if got := callJSON(t, http.MethodGet, mine.text("registration_client_uri"), "", nil); got.status != http.StatusUnauthorized {
		t.Errorf("no token: %d", got.status)
	}
	if got := callJSON(t, http.MethodGet, mine.text("registration_client_uri")+"?access_token="+token, "", nil); got.status != http.StatusBadRequest {
		t.Errorf("token in the URL: %d", got.status)
	}
	if got := callJSON(t, http.MethodPost, mine.text("registration_client_uri"), token, webClient(nil)); got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") != "GET, HEAD, PUT, DELETE" {
		t.Errorf("POST: %d %v", got.status, got.header)
	}
	if after := dump(t, s.Store); after != before {
		t.Errorf("the store has changed:\nbefore %s\nafter  %s", before, after)
	}
}

// An update replaces everything, and says so; the credentials stay what they were.
func TestRFC7592Section2_2_Update(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, openRegistration(), nil)
	created := postClient(t, s, webClient(map[string]any{"token_endpoint_auth_method": "client_secret_basic", "client_uri": "https://app.example.com", "scope": "openid"}))
	id, secret := created.text("client_id"), created.text("client_secret")
	uri, token := created.text("registration_client_uri"), created.text("registration_access_token")
	update := map[string]any{"client_id": id, "client_secret": secret, "redirect_uris": []string{"https://new.example/cb"}, "client_name": nil}
	var got reply
	for range 2 { // an answer that got lost is asked for again
		got = callJSON(t, http.MethodPut, uri, token, update)
		if got.status != http.StatusOK {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	if got.text("client_secret") != secret || got.text("registration_access_token") != token || got.member["client_id_issued_at"] != created.member["client_id_issued_at"] {
		t.Errorf("%s\nbefore %s", got.body, created.body)
	}
	for _, name := range []string{"client_name", "client_uri"} {
		if got.member[name] != nil {
			t.Errorf("%s is still registered", name)
		}
	}
	if got.text("token_endpoint_auth_method") != "client_secret_basic" || !strings.HasPrefix(got.text("scope"), "orders.read openid") {
		t.Errorf("no default in place of what was left out: %s", got.body)
	}
	_, challenge := authztest.PKCE()
	if answer := s.NewBrowser(t).Authorize(t, authztest.AuthorizationParams(id, challenge)); answer.Page == nil || answer.Page.Status != http.StatusBadRequest {
		t.Errorf("the old redirect URI: %s", answer)
	}
	// A secret comes and goes with the need for it.
	public := maps.Clone(update)
	public["token_endpoint_auth_method"] = "none"
	if got := callJSON(t, http.MethodPut, uri, token, public); got.status != http.StatusOK || got.member["client_secret"] != nil {
		t.Errorf("%d %s", got.status, got.body)
	}
	delete(update, "client_secret")
	if got := callJSON(t, http.MethodPut, uri, token, update); got.status != http.StatusOK || got.text("client_secret") != secret {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestRFC7592Section2_2_UpdateRefused(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, openRegistration(), nil)
	created := postClient(t, s, webClient(map[string]any{"token_endpoint_auth_method": "client_secret_post"}))
	before := dump(t, s.Store)
	for name, change := range map[string]map[string]any{
		"client_id missing":            {"client_id": nil},
		"client_id of another":         {"client_id": authztest.SPA},
		"client_secret differs":        {"client_secret": "of my own"},
		"registration_access_token":    {"registration_access_token": created.text("registration_access_token")},
		"registration_client_uri":      {"registration_client_uri": created.text("registration_client_uri")},
		"client_secret_expires_at":     {"client_secret_expires_at": 0},
		"client_id_issued_at":          {"client_id_issued_at": 0},
		"redirect URI is a script":     {"redirect_uris": []string{"javascript:alert(1)"}},
		"grant type beyond what it is": {"grant_types": []string{"client_credentials"}},
	} {
		body := webClient(map[string]any{"client_id": created.text("client_id")})
		maps.Copy(body, change)
		maps.DeleteFunc(body, func(_ string, v any) bool { return v == nil })
		got := callJSON(t, http.MethodPut, created.text("registration_client_uri"), created.text("registration_access_token"), body)
		if got.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	if after := dump(t, s.Store); after != before {
		t.Error("the store has changed")
	}
}

// With the client goes all that it holds.
func TestRFC7592Section2_3_Delete(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, openRegistration(), nil)
	created := postClient(t, s, webClient(nil))
	id := created.text("client_id")
	b := s.NewBrowser(t)
	tokens := s.SignIn(t, id, "", nil)
	pending, verifier := b.Code(t, id, nil)
	if status := userinfo(t, s, tokens.AccessToken); status != http.StatusOK {
		t.Fatalf("userinfo before: %d", status)
	}
	got := callJSON(t, http.MethodDelete, created.text("registration_client_uri"), created.text("registration_access_token"), nil)
	if got.status != http.StatusNoContent || got.body != "" {
		t.Fatalf("%d %s", got.status, got.body)
	}
	for name, form := range map[string]url.Values{"refresh": authztest.RefreshForm(tokens.RefreshToken), "code": authztest.CodeForm(pending, verifier)} {
		if got := s.Token(t, id, "", form); got.Status != http.StatusUnauthorized || got.Error != "invalid_client" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if status := userinfo(t, s, tokens.AccessToken); status != http.StatusUnauthorized {
		t.Errorf("userinfo after: %d", status)
	}
	if got := callJSON(t, http.MethodDelete, created.text("registration_client_uri"), created.text("registration_access_token"), nil); got.status != http.StatusUnauthorized {
		t.Errorf("deleted twice: %d", got.status)
	}
	_, challenge := authztest.PKCE()
	if answer := b.Authorize(t, authztest.AuthorizationParams(id, challenge)); answer.Page == nil || !strings.Contains(answer.Page.Body, "invalid_client") {
		t.Errorf("%s", answer)
	}
	if page := b.Walk(t, s.URL+"/account").Page; page == nil || page.Status != http.StatusOK {
		t.Error("the account page fails")
	}
}

// What another client got in exchange for a token of the deleted one goes too.
func TestRFC7592Section2_3_DeleteAfterExchange(t *testing.T) {
	t.Parallel()
	s := startExchange(t, openRegistration(), nil)
	created := postClient(t, s, webClient(nil))
	tokens := s.SignIn(t, created.text("client_id"), "", url.Values{"scope": {"openid orders.read"}, "resource": {authztest.API}})
	exchanged := exchangeToken(t, s, authztest.API, tokens.AccessToken, nil)
	active := func() string {
		return sendTo(s, "/introspect", archiveAPI, authztest.Secret, url.Values{"token": {exchanged.AccessToken}}).Body.String()
	}
	if !strings.Contains(active(), `"active":true`) {
		t.Fatalf("%+v: %s", exchanged, active())
	}
	if got := callJSON(t, http.MethodDelete, created.text("registration_client_uri"), created.text("registration_access_token"), nil); got.status != http.StatusNoContent {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if got := active(); got != `{"active":false}` {
		t.Error(got)
	}
}

// Updates that race leave one of them, whole, and a deletion is never undone.
func TestRFC7592Section2_Races(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, openRegistration(), nil)
	created := postClient(t, s, webClient(nil))
	uri, token := created.text("registration_client_uri"), created.text("registration_access_token")
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			body := webClient(map[string]any{"client_id": created.text("client_id"), "client_name": strings.Repeat("x", i+1)})
			if i == 32 {
				if got := callJSON(t, http.MethodDelete, uri, token, nil); got.status != http.StatusNoContent {
					t.Errorf("delete: %d %s", got.status, got.body)
				}
				return
			}
			if got := callJSON(t, http.MethodPut, uri, token, body); got.status != http.StatusOK && got.status != http.StatusUnauthorized && got.status != http.StatusServiceUnavailable {
				t.Errorf("update: %d %s", got.status, got.body)
			}
		})
	}
	wg.Wait()
	if records, err := s.Store.Scan(t.Context(), storage.Clients.Table, "", "", 10); err != nil || len(records) > 0 {
		t.Errorf("%d clients are left, %v", len(records), err)
	}
}
