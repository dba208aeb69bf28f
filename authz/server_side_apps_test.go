package authz_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

// Libraries for apps on a server, and their defaults. Most know PKCE, or a nonce, and some neither; most
// send the secret in the header, and some in the body.

// asConfigured is a client of the file that says nothing of PKCE and of how it sends its secret.
func asConfigured(m *client.Metadata) {
	if m.ID == authztest.Web || m.ID == authztest.Worker {
		m.RequirePKCE, m.AnySecretMethod = nil, true
	}
}

// RFC 9700 section 2.1.1: a confidential OpenID client may send a nonce in place of a code_challenge.
func TestRFC9700Section2_1_1_NonceInPlaceOfPKCE(t *testing.T) {
	t.Parallel()
	always := func(m *client.Metadata) { asConfigured(m); m.RequirePKCE = new(true) }
	never := func(m *client.Metadata) { m.RequirePKCE = new(false) }
	fapi := func(m *client.Metadata) {
		asConfigured(m)
		if m.ID == authztest.FAPI {
			m.RequirePKCE, m.RequirePAR = nil, false
		}
	}
	bare := url.Values{"code_challenge": {""}, "code_challenge_method": {""}}
	with := func(change url.Values, pairs ...string) url.Values {
		all := url.Values{}
		for name, values := range change {
			all[name] = values
		}
		for i := 0; i < len(pairs); i += 2 {
			all.Set(pairs[i], pairs[i+1])
		}
		return all
	}
	for name, tc := range map[string]struct {
		adjust func(*client.Metadata)
		client string
		change url.Values
		want   string // error; "" for a code
	}{
		"PKCE and a nonce":               {asConfigured, authztest.Web, nil, ""},
		"PKCE alone":                     {asConfigured, authztest.Web, url.Values{"nonce": {""}}, ""},
		"a nonce alone":                  {asConfigured, authztest.Web, bare, ""},
		"neither":                        {asConfigured, authztest.Web, with(bare, "nonce", ""), "invalid_request"},
		"a nonce without openid":         {asConfigured, authztest.Web, with(bare, "scope", "orders.read"), "invalid_request"},
		"a nonce and half of PKCE":       {asConfigured, authztest.Web, url.Values{"code_challenge": {""}}, "invalid_request"},
		"a nonce and plain":              {asConfigured, authztest.Web, url.Values{"code_challenge_method": {"plain"}}, "invalid_request"},
		"public, a nonce":                {asConfigured, authztest.SPA, bare, "invalid_request"},
		"public, require_pkce: false":    {never, authztest.SPA, bare, "invalid_request"},
		"require_pkce: true, a nonce":    {always, authztest.Web, bare, "invalid_request"},
		"require_pkce: false, neither":   {never, authztest.Web, with(bare, "nonce", ""), ""},
		"a security profile and a nonce": {fapi, authztest.FAPI, bare, "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			s := authztest.Start(t, authz.Config{}, tc.adjust)
			got := s.SignedIn(t, nil).Ask(t, tc.client, tc.change).Redirect(t)
			if got.Get("error") != tc.want || (got.Get("code") == "") != (tc.want != "") {
				t.Errorf("%v", got)
			}
		})
	}
}

// A code that no challenge protects is of no use with a verifier, and one that a challenge protects of none
// without, whether a nonce came too or not.
func TestNonceInPlaceOfPKCE_Exchange(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, asConfigured)
	b := s.NewBrowser(t)
	form := func(change url.Values) url.Values {
		return authztest.CodeForm(b.Code(t, authztest.Web, change))
	}
	without := form(url.Values{"code_challenge": {""}, "code_challenge_method": {""}})
	if got := s.Token(t, authztest.Web, authztest.Secret, without); got.Error != "invalid_grant" {
		t.Errorf("a verifier without a challenge: %+v", got)
	}
	without.Del("code_verifier")
	got := s.Token(t, authztest.Web, authztest.Secret, without)
	if got.Status != http.StatusOK || blackbox.Claims(t, got.IDToken)["nonce"] != "nonce of the app" {
		t.Errorf("a nonce in place of PKCE: %+v", got)
	}
	stripped := form(nil)
	stripped.Del("code_verifier")
	if got := s.Token(t, authztest.Web, authztest.Secret, stripped); got.Error != "invalid_grant" {
		t.Errorf("a challenge without its verifier: %+v", got)
	}
}

// present posts a form with a secret in the header, in the body, or in both.
func present(s http.Handler, path, id, header, body string, form url.Values) *httptest.ResponseRecorder {
	if body != "" {
		form.Set("client_secret", body)
		form.Set("client_id", id)
	}
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header = blackbox.FormHeader()
	if header != "" {
		r.SetBasicAuth(id, header)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// A client that is registered for no method sends its secret as its library does, one way at a time, at each
// endpoint. One that is registered for a method uses that.
func TestSecretInEitherPlace(t *testing.T) {
	t.Parallel()
	secret, wrong := authztest.Secret, "wrong"
	said := func(method string) func(*client.Metadata) {
		return func(m *client.Metadata) {
			if m.ID == authztest.Worker {
				m.AuthMethod = method
			}
		}
	}
	for name, tc := range map[string]struct {
		adjust       func(*client.Metadata)
		header, body string
		status       int
	}{
		"in the header":               {asConfigured, secret, "", 200},
		"in the body":                 {asConfigured, "", secret, 200},
		"in both":                     {asConfigured, secret, secret, 400},
		"nowhere":                     {asConfigured, "", "", 401},
		"wrong, in the header":        {asConfigured, wrong, "", 401},
		"wrong, in the body":          {asConfigured, "", wrong, 401},
		"right and wrong":             {asConfigured, secret, wrong, 400},
		"registered for the header":   {said(client.AuthBasic), secret, "", 200},
		"registered for it, body":     {said(client.AuthBasic), "", secret, 401},
		"registered for the body":     {said(client.AuthPost), "", secret, 200},
		"registered for that, header": {said(client.AuthPost), secret, "", 401},
	} {
		s := authztest.Start(t, authz.Config{}, tc.adjust)
		for path, form := range map[string]url.Values{
			"/token": {"grant_type": {"client_credentials"}}, "/introspect": {"token": {"x"}}, "/revoke": {"token": {"x"}},
		} {
			if got := present(s, path, authztest.Worker, tc.header, tc.body, form); got.Code != tc.status {
				t.Errorf("%s, %s: %d %s", name, path, got.Code, got.Body)
			}
		}
	}
}

// A client that registers itself without a method may use either, and is shown the default of RFC 7591
// section 2. One that names it, then or later, is registered with it.
func TestRFC7591Section2_NoMethodSaid(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, blackbox.OpenRegistration(), nil)
	status := func(r blackbox.Reply, inBody bool) int {
		form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"unknown"}}
		if inBody {
			return present(s, "/token", r.Text("client_id"), "", r.Text("client_secret"), form).Code
		}
		return present(s, "/token", r.Text("client_id"), r.Text("client_secret"), "", form).Code
	}
	unsaid := blackbox.Register(t, s, blackbox.WebClient(map[string]any{"token_endpoint_auth_method": nil}))
	if status(unsaid, false) != 400 || status(unsaid, true) != 400 { // it is known, its refresh token is not
		t.Errorf("without a method: %d and %d", status(unsaid, false), status(unsaid, true))
	}
	read := blackbox.CallJSON(t, http.MethodGet, unsaid.Text("registration_client_uri"), unsaid.Text("registration_access_token"), nil)
	for _, r := range []blackbox.Reply{unsaid, read} {
		if r.Text("token_endpoint_auth_method") != client.AuthBasic {
			t.Errorf("shown as %s", r.Body)
		}
	}
	said := blackbox.Register(t, s, blackbox.WebClient(map[string]any{"token_endpoint_auth_method": client.AuthBasic}))
	if status(said, false) != 400 || status(said, true) != 401 {
		t.Errorf("with a method: %d and %d", status(said, false), status(said, true))
	}
	update := blackbox.WebClient(map[string]any{"token_endpoint_auth_method": client.AuthBasic, "client_id": unsaid.Text("client_id")})
	if got := blackbox.CallJSON(t, http.MethodPut, unsaid.Text("registration_client_uri"), unsaid.Text("registration_access_token"), update); got.Status != 200 {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	if status(unsaid, false) != 400 || status(unsaid, true) != 401 {
		t.Errorf("a method was said later: %d and %d", status(unsaid, false), status(unsaid, true))
	}
	update["token_endpoint_auth_method"] = nil
	if got := blackbox.CallJSON(t, http.MethodPut, unsaid.Text("registration_client_uri"), unsaid.Text("registration_access_token"), update); got.Text("token_endpoint_auth_method") != client.AuthBasic {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	if status(unsaid, false) != 400 || status(unsaid, true) != 400 {
		t.Errorf("the method was taken back: %d and %d", status(unsaid, false), status(unsaid, true))
	}
}

// When a request is refused for what the operator could allow, the log and the audit log name the line that
// would, and the client is not told.
func TestRefusalNamesTheSetting(t *testing.T) {
	t.Parallel()
	log := &blackbox.Logbook{}
	s := authztest.Start(t, authz.Config{Logger: slog.New(slog.NewTextHandler(log, nil))}, func(m *client.Metadata) {
		asConfigured(m)
		switch m.ID {
		case authztest.Worker:
			m.AnySecretMethod = false
		case authztest.ThirdParty:
			m.RequirePAR = true
		}
	})
	none := url.Values{"code_challenge": {""}, "code_challenge_method": {""}, "nonce": {""}}
	b := s.SignedIn(t, nil)
	told := b.Ask(t, authztest.Web, none).Redirect(t).Encode()
	told += present(s, "/token", authztest.Worker, "", authztest.Secret, url.Values{"grant_type": {"client_credentials"}}).Body.String()
	told += b.Ask(t, authztest.ThirdParty, nil).Redirect(t).Encode()
	b.Ask(t, authztest.SPA, none).Redirect(t) // nothing would allow it
	want := []string{
		"require_pkce: false in the client web",
		"token_endpoint_auth_method: client_secret_post in the client worker",
		"require_pushed_authorization_requests: false in the client partner",
	}
	allowed := map[string]bool{}
	for _, e := range awaitEvents(t, s.Store, audit.Refused, 4) {
		if line := e.Details["allowed_by"]; line != "" {
			allowed[line] = true
		}
	}
	for _, line := range want {
		if !strings.Contains(log.String(), `allowed_by="`+line+`"`) || !allowed[line] {
			t.Errorf("%q is not in the log, or not in the audit log:\n%v\n%s", line, allowed, log)
		}
		if strings.Contains(told, strings.Fields(line)[0]) {
			t.Errorf("the client is told %q", line)
		}
	}
	if len(allowed) != len(want) {
		t.Errorf("%v", allowed)
	}
}
