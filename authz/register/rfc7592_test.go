package register_test

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/storage"
)

func TestRFC7592Section2_1_Read(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, blackbox.OpenRegistration(), nil)
	for _, method := range []string{"none", "client_secret_basic"} {
		created := blackbox.Register(t, s, blackbox.WebClient(map[string]any{"token_endpoint_auth_method": method}))
		got := blackbox.CallJSON(t, http.MethodGet, created.Text("registration_client_uri"), created.Text("registration_access_token"), nil)
		if got.Status != http.StatusOK || got.Body != created.Body || got.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%d %s\nwant %s", got.Status, got.Body, created.Body)
		}
	}
}

// Without the token nobody learns anything, not even whether there is such a client, or changes anything.
func TestRFC7592Section2_WrongToken(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, blackbox.OpenRegistration(), nil)
	mine, other := blackbox.Register(t, s, blackbox.WebClient(nil)), blackbox.Register(t, s, blackbox.WebClient(nil))
	token := mine.Text("registration_access_token")
	user := s.SignIn(t, mine.Text("client_id"), "", nil)
	before := blackbox.Dump(t, s.Store)
	var answers []string
	for name, row := range map[string]struct{ uri, token string }{
		"another client's token": {mine.Text("registration_client_uri"), other.Text("registration_access_token")},
		"another last character": {mine.Text("registration_client_uri"), blackbox.ChangeLast(token)},
		"one more character":     {mine.Text("registration_client_uri"), token + "A"},
		"the user's token":       {mine.Text("registration_client_uri"), user.AccessToken},
		"unknown client":         {s.URL + "/register/0123456789012345678901", token},
		"a client of the file":   {s.URL + "/register/" + authztest.SPA, token},
		"an id that is too long": {s.URL + "/register/" + strings.Repeat("a", 3000), token},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
			body := blackbox.WebClient(map[string]any{"client_id": mine.Text("client_id"), "redirect_uris": []string{"https://evil.example/"}})
			got := blackbox.CallJSON(t, method, row.uri, row.token, body)
			if got.Status != http.StatusUnauthorized || !strings.Contains(got.Header.Get("WWW-Authenticate"), `error="invalid_token"`) {
				t.Errorf("%s, %s: %d %v %s", name, method, got.Status, got.Header, got.Body)
			}
			answers = append(answers, got.Body)
		}
	}
	for _, answer := range answers {
		if answer != answers[0] {
			t.Errorf("%s and %s", answer, answers[0])
		}
	}
	if got := blackbox.CallJSON(t, http.MethodGet, mine.Text("registration_client_uri"), "", nil); got.Status != http.StatusUnauthorized {
		t.Errorf("no token: %d", got.Status)
	}
	if got := blackbox.CallJSON(t, http.MethodGet, mine.Text("registration_client_uri")+"?access_token="+token, "", nil); got.Status != http.StatusBadRequest {
		t.Errorf("token in the URL: %d", got.Status)
	}
	if got := blackbox.CallJSON(t, http.MethodPost, mine.Text("registration_client_uri"), token, blackbox.WebClient(nil)); got.Status != http.StatusMethodNotAllowed || got.Header.Get("Allow") != "GET, HEAD, PUT, DELETE" {
		t.Errorf("POST: %d %v", got.Status, got.Header)
	}
	if after := blackbox.Dump(t, s.Store); after != before {
		t.Errorf("the store has changed:\nbefore %s\nafter  %s", before, after)
	}
}

// An update replaces everything, and says so; the credentials stay what they were.
func TestRFC7592Section2_2_Update(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, blackbox.OpenRegistration(), nil)
	created := blackbox.Register(t, s, blackbox.WebClient(map[string]any{"token_endpoint_auth_method": "client_secret_basic", "client_uri": "https://app.example.com", "scope": "openid"}))
	id, secret := created.Text("client_id"), created.Text("client_secret")
	uri, token := created.Text("registration_client_uri"), created.Text("registration_access_token")
	update := map[string]any{"client_id": id, "client_secret": secret, "redirect_uris": []string{"https://new.example/cb"}, "client_name": nil}
	var got blackbox.Reply
	for range 2 { // an answer that got lost is asked for again
		got = blackbox.CallJSON(t, http.MethodPut, uri, token, update)
		if got.Status != http.StatusOK {
			t.Fatalf("%d %s", got.Status, got.Body)
		}
	}
	if got.Text("client_secret") != secret || got.Text("registration_access_token") != token || got.Member["client_id_issued_at"] != created.Member["client_id_issued_at"] {
		t.Errorf("%s\nbefore %s", got.Body, created.Body)
	}
	for _, name := range []string{"client_name", "client_uri"} {
		if got.Member[name] != nil {
			t.Errorf("%s is still registered", name)
		}
	}
	if got.Text("token_endpoint_auth_method") != "client_secret_basic" || !strings.HasPrefix(got.Text("scope"), "orders.read openid") {
		t.Errorf("no default in place of what was left out: %s", got.Body)
	}
	_, challenge := authztest.PKCE()
	if answer := s.NewBrowser(t).Authorize(t, authztest.AuthorizationParams(id, challenge)); answer.Page == nil || answer.Page.Status != http.StatusBadRequest {
		t.Errorf("the old redirect URI: %s", answer)
	}
	// A secret comes and goes with the need for it.
	public := maps.Clone(update)
	public["token_endpoint_auth_method"] = "none"
	if got := blackbox.CallJSON(t, http.MethodPut, uri, token, public); got.Status != http.StatusOK || got.Member["client_secret"] != nil {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	delete(update, "client_secret")
	if got := blackbox.CallJSON(t, http.MethodPut, uri, token, update); got.Status != http.StatusOK || got.Text("client_secret") != secret {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}

func TestRFC7592Section2_2_UpdateRefused(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, blackbox.OpenRegistration(), nil)
	created := blackbox.Register(t, s, blackbox.WebClient(map[string]any{"token_endpoint_auth_method": "client_secret_post"}))
	before := blackbox.Dump(t, s.Store)
	for name, change := range map[string]map[string]any{
		"client_id missing":            {"client_id": nil},
		"client_id of another":         {"client_id": authztest.SPA},
		"client_secret differs":        {"client_secret": "of my own"},
		"registration_access_token":    {"registration_access_token": created.Text("registration_access_token")},
		"registration_client_uri":      {"registration_client_uri": created.Text("registration_client_uri")},
		"client_secret_expires_at":     {"client_secret_expires_at": 0},
		"client_id_issued_at":          {"client_id_issued_at": 0},
		"redirect URI is a script":     {"redirect_uris": []string{"javascript:alert(1)"}},
		"grant type beyond what it is": {"grant_types": []string{"client_credentials"}},
	} {
		body := blackbox.WebClient(map[string]any{"client_id": created.Text("client_id")})
		maps.Copy(body, change)
		maps.DeleteFunc(body, func(_ string, v any) bool { return v == nil })
		got := blackbox.CallJSON(t, http.MethodPut, created.Text("registration_client_uri"), created.Text("registration_access_token"), body)
		if got.Status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
		}
	}
	if after := blackbox.Dump(t, s.Store); after != before {
		t.Error("the store has changed")
	}
}

// With the client goes all that it holds.
func TestRFC7592Section2_3_Delete(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, blackbox.OpenRegistration(), nil)
	created := blackbox.Register(t, s, blackbox.WebClient(nil))
	id := created.Text("client_id")
	b := s.NewBrowser(t)
	tokens := s.SignIn(t, id, "", nil)
	pending, verifier := b.Code(t, id, nil)
	if status := blackbox.UserinfoStatus(t, s, tokens.AccessToken); status != http.StatusOK {
		t.Fatalf("userinfo before: %d", status)
	}
	got := blackbox.CallJSON(t, http.MethodDelete, created.Text("registration_client_uri"), created.Text("registration_access_token"), nil)
	if got.Status != http.StatusNoContent || got.Body != "" {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	for name, form := range map[string]url.Values{"refresh": authztest.RefreshForm(tokens.RefreshToken), "code": authztest.CodeForm(pending, verifier)} {
		if got := s.Token(t, id, "", form); got.Status != http.StatusUnauthorized || got.Error != "invalid_client" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if status := blackbox.UserinfoStatus(t, s, tokens.AccessToken); status != http.StatusUnauthorized {
		t.Errorf("userinfo after: %d", status)
	}
	if got := blackbox.CallJSON(t, http.MethodDelete, created.Text("registration_client_uri"), created.Text("registration_access_token"), nil); got.Status != http.StatusUnauthorized {
		t.Errorf("deleted twice: %d", got.Status)
	}
	_, challenge := authztest.PKCE()
	if answer := b.Authorize(t, authztest.AuthorizationParams(id, challenge)); answer.Page == nil || !strings.Contains(answer.Page.Body, "invalid_client") {
		t.Errorf("%s", answer)
	}
	if page := b.Walk(t, s.URL+"/account").Page; page == nil || page.Status != http.StatusOK {
		t.Error("the account page fails")
	}
}

// Updates that race leave one of them, whole, and a deletion is never undone.
func TestRFC7592Section2_Races(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, blackbox.OpenRegistration(), nil)
	created := blackbox.Register(t, s, blackbox.WebClient(nil))
	uri, token := created.Text("registration_client_uri"), created.Text("registration_access_token")
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			body := blackbox.WebClient(map[string]any{"client_id": created.Text("client_id"), "client_name": strings.Repeat("x", i+1)})
			if i == 32 {
				if got := blackbox.CallJSON(t, http.MethodDelete, uri, token, nil); got.Status != http.StatusNoContent {
					t.Errorf("delete: %d %s", got.Status, got.Body)
				}
				return
			}
			if got := blackbox.CallJSON(t, http.MethodPut, uri, token, body); got.Status != http.StatusOK && got.Status != http.StatusUnauthorized && got.Status != http.StatusServiceUnavailable {
				t.Errorf("update: %d %s", got.Status, got.Body)
			}
		})
	}
	wg.Wait()
	if records, err := s.Store.Scan(t.Context(), storage.Clients.Table, "", "", 10); err != nil || len(records) > 0 {
		t.Errorf("%d clients are left, %v", len(records), err)
	}
}
