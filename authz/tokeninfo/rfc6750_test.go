package tokeninfo_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
)

// The ways to send a token that there are, and those that there are not any more.
func TestRFC6750Section2_HeaderOrBody(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	token := s.SignIn(t, authztest.SPA, "", nil).AccessToken
	body := url.Values{"access_token": {token}}.Encode()
	for _, row := range []struct {
		name, method, query, body string
		header                    http.Header
		status                    int
		code                      string
	}{
		{"header", "GET", "", "", http.Header{"Authorization": {"Bearer " + token}}, 200, ""},
		{"header of a POST", "POST", "", "", http.Header{"Authorization": {"Bearer " + token}}, 200, ""},
		{"scheme in other letters", "GET", "", "", http.Header{"Authorization": {"bEARER " + token}}, 200, ""},
		{"more than one space", "GET", "", "", http.Header{"Authorization": {"Bearer  " + token}}, 200, ""},
		{"nothing but spaces", "GET", "", "", http.Header{"Authorization": {"Bearer  "}}, 400, "invalid_request"},
		{"body", "POST", "", body, nil, 200, ""},
		{"query", "GET", "access_token=" + token, "", nil, 400, "invalid_request"},
		{"query of a POST", "POST", "access_token=" + token, "", nil, 400, "invalid_request"},
		{"header and body", "POST", "", body, http.Header{"Authorization": {"Bearer " + token}}, 400, "invalid_request"},
		{"two headers", "GET", "", "", http.Header{"Authorization": {"Bearer " + token, "Bearer " + token}}, 400, "invalid_request"},
		{"two in one header", "GET", "", "", http.Header{"Authorization": {"Bearer " + token + ", Bearer x"}}, 400, "invalid_request"},
		{"changed", "GET", "", "", http.Header{"Authorization": {"Bearer " + token + "A"}}, 401, "invalid_token"},
	} {
		response := callUserinfo(t, s, row.method, row.query, row.body, row.header)
		challenge := response.Header.Get("WWW-Authenticate")
		if response.StatusCode != row.status || strings.Contains(challenge, `error="`) != (row.code != "") || !strings.Contains(challenge, row.code) {
			t.Errorf("%s: %d, %q", row.name, response.StatusCode, challenge)
		}
		if response.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: may be cached", row.name)
		}
	}
}

// A request that carries nothing is asked for a token, and told of no error.
func TestRFC6750Section3_1_NoErrorWithoutCredentials(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	response := callUserinfo(t, s, "GET", "", "", nil)
	if got := response.Header.Get("WWW-Authenticate"); response.StatusCode != 401 || !strings.HasPrefix(got, "Bearer ") || strings.Contains(got, "error=") {
		t.Errorf("%d, %q", response.StatusCode, got)
	}
	app := s.Token(t, authztest.Worker, authztest.Secret, url.Values{"grant_type": {"client_credentials"}})
	response = callUserinfo(t, s, "GET", "", "", http.Header{"Authorization": {"Bearer " + app.AccessToken}})
	if got := response.Header.Get("WWW-Authenticate"); response.StatusCode != 403 || !strings.Contains(got, `error="insufficient_scope"`) || !strings.Contains(got, `scope="openid"`) {
		t.Errorf("a token without openid: %d, %q", response.StatusCode, got)
	}
}

func callUserinfo(t *testing.T, s *authztest.Server, method, query, body string, header http.Header) *http.Response {
	t.Helper()
	request, err := http.NewRequest(method, s.URL+"/userinfo?"+query, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		request.Header = header
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response
}
