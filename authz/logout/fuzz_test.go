package logout_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

// With any query, a signed-in user is asked or shown an error, is sent nowhere, and stays signed in: the one ID token
// among the seeds is of another session.
func FuzzLogoutRequest(f *testing.F) {
	s := authztest.Start(f, authz.Config{}, withBack)
	token := s.SignIn(f, authztest.SPA, "", nil).IDToken
	b := s.NewBrowser(f)
	b.Code(f, authztest.SPA, nil)
	issuer, err := url.Parse(s.URL)
	if err != nil {
		f.Fatal(err)
	}
	cookies := b.HTTP.Jar.Cookies(issuer)
	whole := url.Values{"id_token_hint": {token}, "post_logout_redirect_uri": {back}, "state": {"x"}}.Encode()
	for _, seed := range []string{
		whole, whole + "&client_id=spa", whole + "&client_id=web", whole + "&confirm=yes", whole + "&state=y", whole + "x", "client_id=spa&post_logout_redirect_uri=" + url.QueryEscape(back),
		"ui_locales=de+fr&logout_hint=alice", "id_token_hint=a.b.c", "post_logout_redirect_uri=//evil.example", "%zz", "",
	} {
		f.Add(seed)
	}
	before := blackbox.Dump(f, s.Store)
	f.Fuzz(func(t *testing.T, query string) {
		request := httptest.NewRequest(http.MethodGet, "/logout", nil)
		request.URL.RawQuery = query
		for _, c := range cookies {
			request.AddCookie(c)
		}
		response := httptest.NewRecorder()
		s.ServeHTTP(response, request)
		asked := response.Code == http.StatusOK && strings.Contains(response.Body.String(), "logout-confirm")
		if (!asked && response.Code != http.StatusBadRequest) || response.Header().Get("Location") != "" || response.Header().Get("Set-Cookie") != "" {
			t.Errorf("%q got %d %v", query, response.Code, response.Header())
		}
		if after := blackbox.Dump(t, s.Store); after != before {
			t.Errorf("%q changed the store", query)
		}
	})
}
