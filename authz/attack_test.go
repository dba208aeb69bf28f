package authz_test

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
)

// A body that comes with a GET is nobody's request: its fields must not be taken for parameters,
// and its files must not fill the disk.
func TestAuthorizeIgnoresTheBody(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	s := authztest.Start(t, authz.Config{}, nil)
	b := signedIn(t, s)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	form.WriteField("scope", "orders.write")
	file, err := form.CreateFormFile("file", "large")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(file, strings.Repeat("a", 16<<20))
	form.Close()
	_, challenge := authztest.PKCE()
	params := authztest.AuthorizationParams(authztest.SPA, challenge)
	params.Del("scope")
	request, err := http.NewRequest(http.MethodGet, s.URL+"/authorize?"+params.Encode(), &body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", form.FormDataContentType())
	response, err := b.HTTP.Do(request)
	if err == nil { // the server may hang up on such a body
		response.Body.Close()
	}
	files, err := os.ReadDir(temp)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if strings.HasPrefix(f.Name(), "multipart-") {
			t.Errorf("the body was written to the disk: %s", f.Name())
		}
	}
}

// A secret that a client posts by mistake must not become part of a URL, which histories and the
// logs of proxies keep.
func TestSecretsArePostedNowhere(t *testing.T) {
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.NewBrowser(t)
	_, challenge := authztest.PKCE()
	form := authztest.AuthorizationParams(authztest.SPA, challenge)
	form.Set("client_secret", "hunter2")
	request, err := http.NewRequest(http.MethodPost, s.URL+"/authorize", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = formHeader()
	page := b.Do(t, request)
	if location := page.Header.Get("Location"); strings.Contains(location, "hunter2") {
		t.Errorf("redirected to %s", location)
	}
	if got := redirect(t, page); got.Get("error") != "invalid_request" {
		t.Errorf("got %v", got)
	}
}

// HEAD must change nothing (RFC 9110 section 9.2.1): a link checker that is signed in is no user.
func TestHeadHasNoEffect(t *testing.T) {
	s := authztest.Start(t, authz.Config{}, nil)
	b, tokens := onlineTokens(t, s)
	_, challenge := authztest.PKCE()
	before := dump(t, s.Store)
	for _, target := range []string{
		"/authorize?" + authztest.AuthorizationParams(authztest.SPA, challenge).Encode(),
		"/logout?" + url.Values{"id_token_hint": {tokens.IDToken}}.Encode(),
		"/callback/corp?code=x&state=y",
	} {
		request, err := http.NewRequest(http.MethodHead, s.URL+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		if page := b.Do(t, request); page.Status != http.StatusMethodNotAllowed || strings.Contains(page.Header.Get("Allow"), "HEAD") {
			t.Errorf("HEAD %.20s: %d, Allow: %s", target, page.Status, page.Header.Get("Allow"))
		}
	}
	if after := dump(t, s.Store); after != before {
		t.Errorf("the store has changed from\n%s to\n%s", before, after)
	}
}
