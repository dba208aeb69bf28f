package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

// TestOperatorsToken: only a live token for this API, with the scope, and of a user with the role, opens the
// listener; a refused request has changed nothing.
func TestOperatorsToken(t *testing.T) {
	o := operate(t, nil)
	good, a := o.token(t, "operator", "the-operators-very-own-secret")
	if good == "" {
		t.Fatalf("no token: %s", a.body)
	}
	if a := o.over(t, "GET", "/v1/clients", "", "", "Authorization", "Bearer "+good); a.status != 200 {
		t.Fatalf("a good token: %d %s", a.status, a.body)
	}
	resource := o.issuer + "/admin"
	alice := o.userToken(t, "alice", "correct horse battery", "openid offline_access authzd:admin", "resource", resource)
	if a := o.over(t, "GET", "/v1/clients", "", "", "Authorization", "Bearer "+alice.AccessToken); a.status != 200 {
		t.Fatalf("a user with the role: %d %s", a.status, a.body)
	}
	bob := o.userToken(t, "bob", "battery staple and more", "openid offline_access authzd:admin", "resource", resource)
	elsewhere, _ := o.token(t, "worker", "the-workers-very-own-secret", "resource", "https://api.example.com", "scope", "read")
	both, _ := o.token(t, "worker", "the-workers-very-own-secret", "scope", "authzd:admin read", "resource", resource, "resource", "https://api.example.com")
	unscoped := o.userToken(t, "alice", "correct horse battery", "openid", "resource", resource)
	revoked, _ := o.token(t, "operator", "the-operators-very-own-secret")
	if a := o.post(t, "/revoke", "operator", "the-operators-very-own-secret", url.Values{"token": {revoked}}); a.status != 200 {
		t.Fatal(a.status)
	}
	before := o.everything(t)
	for name, test := range map[string]struct {
		header []string
		status int
	}{
		"none":                   {nil, 401},
		"garbage":                {[]string{"Authorization", "Bearer x.y.z"}, 401},
		"basic":                  {[]string{"Authorization", basic("operator", "the-operators-very-own-secret")}, 401},
		"a cookie":               {[]string{"Cookie", "authzd_session=" + good}, 401},
		"altered":                {[]string{"Authorization", "Bearer " + good[:len(good)-2] + "AA"}, 401},
		"ID token":               {[]string{"Authorization", "Bearer " + alice.IDToken}, 401},
		"refresh token":          {[]string{"Authorization", "Bearer " + alice.RefreshToken}, 401},
		"user without the role":  {[]string{"Authorization", "Bearer " + bob.AccessToken}, 403},
		"user without the scope": {[]string{"Authorization", "Bearer " + unscoped.AccessToken}, 403},
		"another audience":       {[]string{"Authorization", "Bearer " + elsewhere}, 401},
		"two audiences":          {[]string{"Authorization", "Bearer " + both}, 401},
		"revoked":                {[]string{"Authorization", "Bearer " + revoked}, 401},
		"as DPoP":                {[]string{"Authorization", "DPoP " + good}, 401},
		"hostile host":           {[]string{"Authorization", "Bearer " + good, "Host", "evil.example:9011"}, 421},
		"another site":           {[]string{"Authorization", "Bearer " + good, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, 403},
	} {
		a := o.over(t, "POST", "/v1/users", "application/json", `{"username":"mallory","roles":["authzd:admin"]}`, test.header...)
		if a.status != test.status {
			t.Errorf("%s: %d %s, want %d", name, a.status, a.body, test.status)
		}
		a.problem(t)
		if a.status == 401 && a.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: no challenge", name)
		}
		if after := o.everything(t); after != before {
			t.Fatalf("%s changed the store", name)
		}
	}

	// The grant behind a token counts, not only its signature.
	shown, err := o.admin.ListUsers(t.Context(), admin.UserQuery{Username: "alice"}, admin.PageQuery{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.admin.UpdateUser(t.Context(), shown.Items[0].Sub, "", map[string]any{"roles": nil}); err != nil {
		t.Fatal(err)
	}
	if a := o.over(t, "GET", "/v1/clients", "", "", "Authorization", "Bearer "+alice.AccessToken); a.status != 401 { // a change of roles ends the tokens from before
		t.Errorf("the role is gone: %d %s", a.status, a.body)
	}
}

// TestMalformedCalls: through the socket too, what is not as it should be is refused in the form of the
// API, and changes nothing.
func TestMalformedCalls(t *testing.T) {
	o := operate(t, nil)
	sub, _, _ := o.signedIn(t)
	before := o.everything(t)
	alice := "/v1/users/" + sub
	page := o.at(t, "GET", "/v1/users?page_size=1", "", "")
	var first admin.Page[admin.User]
	if err := json.Unmarshal(page.body, &first); err != nil || first.NextPageToken == "" {
		t.Fatalf("%s: %v", page.body, err)
	}
	token := first.NextPageToken
	for _, test := range []struct {
		method, target, contentType, body string
		status                            int
		header                            []string
	}{
		{"POST", "/v1/users", "application/x-www-form-urlencoded", "username=mallory", 415, nil},
		{"POST", "/v1/users", "text/plain", `{"username":"mallory"}`, 415, nil},
		{"POST", "/v1/users", "", `{"username":"mallory"}`, 415, nil},
		{"POST", "/v1/users", "application/json", `{"username":"mallory"}`, 415, []string{"Content-Encoding", "gzip"}},
		{"POST", "/v1/users", "application/json", manyMembers(), 422, nil},
		{"POST", "/v1/users", "application/json", `{"username":"mallory"}`, 403, []string{"Origin", "https://evil.example"}},
		{"POST", "/v1/users", "application/json", `{"username":"mallory"}`, 403, []string{"Sec-Fetch-Site", "cross-site"}},
		{"POST", "/v1/users", "application/json", `{"username":"mallory"} x`, 400, nil},
		{"POST", "/v1/users", "application/json", `{"username":"mallory","username":"m"}`, 400, nil},
		{"POST", "/v1/users", "application/json", `[]`, 400, nil},
		{"POST", "/v1/users", "application/json", ``, 400, nil},
		{"POST", "/v1/users", "application/json", "{\"username\":\"mal\xff\"}", 400, nil},
		{"POST", "/v1/users", "application/json", `{"username":"mal\u0000lory"}`, 422, nil},
		{"POST", "/v1/users", "application/json", `{"username":"mallory","sub":"x","epoch":9,"password_hash":"x","created_at":"x"}`, 422, nil},
		{"POST", "/v1/users", "application/json", `{"username":"mallory","password":"$argon2id$v=19$broken"}`, 422, nil},
		{"POST", "/v1/users", "application/json", `{"username":"ALICE"}`, 409, nil},
		{"POST", "/v1/users", "application/json", `{"username":"alice@example.com"}`, 409, nil},
		{"POST", "/v1/users", "application/json", `{"username":"mallory","email":"Alice@example.com","email_verified":true}`, 409, nil},
		{"POST", "/v1/users", "application/json", `{"username":"` + strings.Repeat("x", 1<<20) + `"}`, 413, nil},
		{"PATCH", alice, "application/json", `{"name":"x"}`, 415, nil},
		{"PATCH", alice, "application/merge-patch+json", `{"sub":"other"}`, 422, nil},
		{"PATCH", alice, "application/merge-patch+json", `{"username":null}`, 422, nil},
		{"PATCH", alice, "application/merge-patch+json", `{"username":"bob"}`, 409, nil},
		{"PATCH", alice, "application/merge-patch+json", `{"name":"x"}`, 412, []string{"If-Match", `"1"`}},
		{"PUT", alice, "application/json", `{"username":"alice"}`, 412, []string{"If-Match", `"1"`}},
		{"DELETE", alice, "", "", 412, []string{"If-Match", `"1"`}},
		{"DELETE", alice, "application/json", `{}`, 400, nil},
		{"TRACE", "/v1/users", "", "", 405, nil},
		{"POST", alice, "application/json", `{}`, 405, nil},
		{"GET", "/v1/users/..", "", "", 404, nil},
		{"GET", "/v1/users/%2e%2e%2fclients%2fweb", "", "", 404, nil},
		{"GET", "/v1/users/a%2fb", "", "", 404, nil},
		{"GET", "/v1/users/%00", "", "", 404, nil},
		{"GET", "/v1/users/" + strings.Repeat("a", 1025), "", "", 404, nil},
		{"GET", "/v1/users/" + strings.Repeat("a", 1024), "", "", 404, nil},
		{"GET", "/v1//users", "", "", 404, nil},
		{"GET", "//v1/users", "", "", 404, nil},
		{"GET", "/v1/users/", "", "", 404, nil},
		{"GET", "/v2/users", "", "", 404, nil},
		{"GET", "/v1/users?page_size=501", "", "", 400, nil},
		{"GET", "/v1/users?page_size=-1", "", "", 400, nil},
		{"GET", "/v1/users?page_size=1&page_size=2", "", "", 400, nil},
		{"GET", "/v1/users?limit=1", "", "", 400, nil},
		{"GET", "/v1/users?username=a&email=b", "", "", 400, nil},
		{"GET", "/v1/users?username=%zz", "", "", 400, nil},
		{"GET", "/v1/users?username=a&page_token=" + token, "", "", 400, nil},
		{"GET", "/v1/sessions?page_token=" + token, "", "", 400, nil},
		{"GET", "/v1/users?page_token=" + token[:len(token)-1], "", "", 400, nil},
		{"GET", "/v1/users?page_token=" + token + "A", "", "", 400, nil},
		{"GET", "/v1/users?page_token=YWxpY2U", "", "", 400, nil},
	} {
		a := o.at(t, test.method, test.target, test.contentType, test.body, test.header...)
		what := fmt.Sprintf("%s %.80s %.80s", test.method, test.target, test.body)
		if a.status != test.status {
			t.Errorf("%s: %d %.300s, want %d", what, a.status, a.body, test.status)
			continue
		}
		if p := a.problem(t); len(p.Errors) > 100 || p.Status != a.status || p.RequestID == "" || p.Type != "urn:authzd:problem:"+p.Code {
			t.Errorf("%s: %s", what, a.body)
		}
		if after := o.everything(t); after != before {
			t.Fatalf("%s changed the store", what)
		}
	}
	if a := o.at(t, "GET", "/v1/users?page_size=1&page_token="+token, "", ""); a.status != 200 {
		t.Errorf("the token as it is: %d %s", a.status, a.body)
	}
}

// manyMembers is an object of members that nobody knows, as many as a body has room for.
func manyMembers() string {
	var b strings.Builder
	for i := range 60_000 {
		fmt.Fprintf(&b, `,"m%d":1`, i)
	}
	return "{" + b.String()[1:] + "}"
}

// TestDisabledUserIsOut: with the change, refresh fails, tokens are inactive and the session is over.
func TestDisabledUserIsOut(t *testing.T) {
	for name, end := range map[string]func(c *admin.Client, sub string) error{
		"disabled": func(c *admin.Client, sub string) error {
			_, err := c.UpdateUser(t.Context(), sub, "", map[string]any{"disabled": true})
			return err
		},
		"deleted": func(c *admin.Client, sub string) error { return c.DeleteUser(t.Context(), sub, "") },
		"new password": func(c *admin.Client, sub string) error {
			return c.SetUserPassword(t.Context(), sub, admin.SetPassword{Password: "another one of some words"})
		},
		"signed out": func(c *admin.Client, sub string) error { return c.EndUserSessions(t.Context(), sub) },
	} {
		o := operate(t, nil)
		tokens := o.userToken(t, "alice", "correct horse battery", "openid offline_access")
		sub, sid := "", ""
		for session, err := range o.admin.Sessions(t.Context(), "") {
			if err != nil {
				t.Fatal(err)
			}
			sub, sid = session.Sub, session.SID
		}
		if err := end(o.admin, sub); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if a := o.post(t, "/token", "web", "the-webs-very-own-secret", authztest.RefreshForm(tokens.RefreshToken)); a.status != 400 || !strings.Contains(string(a.body), "invalid_grant") {
			t.Errorf("%s: refresh: %d %s", name, a.status, a.body)
		}
		if a := o.post(t, "/introspect", "web", "the-webs-very-own-secret", url.Values{"token": {tokens.AccessToken}}); !strings.Contains(string(a.body), `"active":false`) {
			t.Errorf("%s: introspection: %s", name, a.body)
		}
		if a := send(t, http.DefaultClient, "GET", o.issuer+"/userinfo", "", "", "Authorization", "Bearer "+tokens.AccessToken); a.status != 401 {
			t.Errorf("%s: userinfo: %d", name, a.status)
		}
		gone := new(admin.Problem)
		if _, err := o.admin.GetSession(t.Context(), sid); !errors.As(err, &gone) || gone.Code != admin.CodeNotFound {
			t.Errorf("%s: session: %v", name, err)
		}
	}
}

// TestOneOfManyWins: of 64 operators who have read the same record, one changes it.
func TestOneOfManyWins(t *testing.T) {
	o := operate(t, nil)
	made, err := o.admin.CreateClient(t.Context(), client.Metadata{ID: "contested", Preset: "service"})
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	results := make(chan error, 64)
	for i := range 64 {
		wait.Go(func() {
			_, err := o.admin.UpdateClient(t.Context(), "contested", made.ETag, map[string]any{"client_name": fmt.Sprint(i)})
			results <- err
		})
	}
	wait.Wait()
	close(results)
	won := 0
	for err := range results {
		lost := new(admin.Problem)
		if err == nil {
			won++
		} else if !errors.As(err, &lost) || lost.Code != admin.CodePreconditionFailed {
			t.Errorf("a loser got %v", err)
		}
	}
	if won != 1 {
		t.Errorf("%d won", won)
	}

	created := make(chan error, 64)
	for range 64 {
		wait.Go(func() {
			_, err := o.admin.CreateClient(t.Context(), client.Metadata{ID: "wanted", Preset: "service"})
			created <- err
		})
	}
	wait.Wait()
	close(created)
	won = 0
	for err := range created {
		lost := new(admin.Problem)
		if err == nil {
			won++
		} else if !errors.As(err, &lost) || lost.Code != admin.CodeConflict {
			t.Errorf("a loser got %v", err)
		}
	}
	if won != 1 {
		t.Errorf("%d created the same client", won)
	}
}

// TestClientDeletedUnderWay: while tokens are being issued, a client is deleted and made again. No token of
// the first is good for the second.
func TestClientDeletedUnderWay(t *testing.T) {
	o := operate(t, nil)
	made, err := o.admin.CreateClient(t.Context(), client.Metadata{
		ID: "short-lived", Preset: "web", RedirectURIs: []string{authztest.RedirectURI}, FirstParty: true, Scopes: []string{"openid", "offline_access"},
	})
	if err != nil {
		t.Fatal(err)
	}
	browser := (&authztest.Server{URL: o.issuer}).NewBrowser(t)
	browser.Username, browser.Password = "alice", "correct horse battery"
	var refresh []string
	var mu sync.Mutex
	var wait sync.WaitGroup
	for range 8 {
		code, verifier := browser.Code(t, "short-lived", url.Values{"scope": {"openid offline_access"}})
		wait.Go(func() {
			a := o.post(t, "/token", "short-lived", made.ClientSecret, authztest.CodeForm(code, verifier))
			var tokens userTokens
			_ = json.Unmarshal(a.body, &tokens)
			if a.status >= 500 {
				t.Errorf("%d %s", a.status, a.body)
			}
			mu.Lock()
			defer mu.Unlock()
			if tokens.RefreshToken != "" {
				refresh = append(refresh, tokens.RefreshToken)
			}
		})
	}
	if err := o.admin.DeleteClient(t.Context(), "short-lived", ""); err != nil {
		t.Fatal(err)
	}
	wait.Wait()
	again, err := o.admin.CreateClient(t.Context(), made.Metadata)
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range refresh {
		if a := o.post(t, "/token", "short-lived", again.ClientSecret, authztest.RefreshForm(token)); a.status != 400 {
			t.Errorf("a refresh token of the deleted client: %d %s", a.status, a.body)
		}
	}
}

// TestSecretsStayOut: no secret or password of the API gets into the log, the store or the audit log.
func TestSecretsStayOut(t *testing.T) {
	o := operate(t, nil)
	made, err := o.admin.CreateClient(t.Context(), client.Metadata{ID: "quiet", Preset: "service"})
	if err != nil {
		t.Fatal(err)
	}
	const password = "carols very own words"
	if _, err := o.admin.CreateUser(t.Context(), admin.NewUser{User: users.User{Username: "carol"}, Password: password}); err != nil {
		t.Fatal(err)
	}
	o.at(t, "POST", "/v1/users", "application/json", `{"username":"carol","password":"`+password+`","x":"`+password+`"}`)
	for _, secret := range []string{made.ClientSecret, password} {
		if strings.Contains(o.log.String(), secret) {
			t.Errorf("the log has %q", secret)
		}
		for _, table := range storage.Tables {
			records, err := o.store.Scan(t.Context(), table, "", "", 10_000)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range records {
				if strings.Contains(string(r.Value), secret) {
					t.Errorf("%s %s has %q", table, r.Key, secret)
				}
			}
		}
	}
}
