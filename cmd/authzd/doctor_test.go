package main

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/client"
)

// proxied is a server behind a proxy that does this to its answers.
type proxied func(*http.Response)

func (p proxied) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		p(response)
	}
	return response, err
}

// rewrite replaces what is in a body.
func rewrite(r *http.Response, old, new string) {
	body, _ := io.ReadAll(r.Body) // of a test server
	r.Body.Close()
	r.Body = io.NopCloser(strings.NewReader(strings.ReplaceAll(string(body), old, new)))
}

// TestDoctorFindsProxies: what stands between clients and a server that is well is found out, at the check that
// it spoils and at no other.
func TestDoctorFindsProxies(t *testing.T) {
	o := operate(t, nil)
	clients := []client.Metadata{{
		ID: "web", ResponseTypes: []string{"code"}, RedirectURIs: []string{"https://app.example.com/callback"}, AllowedOrigins: []string{"https://app.example.com"},
	}}
	for name, test := range map[string]struct {
		proxy proxied
		want  string // check and result
	}{
		"none":           {func(*http.Response) {}, ""},
		"redirects":      {func(r *http.Response) { r.StatusCode, r.Header["Location"] = 301, []string{"https://www.example.com/"} }, "issuer failed"},
		"another page":   {func(r *http.Response) { r.Header.Set("Content-Type", "text/html") }, "issuer failed"},
		"another issuer": {func(r *http.Response) { rewrite(r, `"issuer":"http`, `"issuer":"https`) }, "issuer failed"},
		"a clock that is ahead": {func(r *http.Response) {
			r.Header.Set("Date", time.Now().Add(20*time.Second).UTC().Format(http.TimeFormat))
		}, "clock warning"},
		"a clock that is wrong": {func(r *http.Response) { r.Header.Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)) }, "clock failed"},
		"no keys":               {func(r *http.Response) { rewrite(r, `{"keys":[`, `{"kez":[`) }, "jwks failed"},
		"a private key":         {func(r *http.Response) { rewrite(r, `"kty":`, `"d":"AA","kty":`) }, "jwks failed"},
		"another algorithm":     {func(r *http.Response) { rewrite(r, `"alg":"ES256"`, `"alg":"RS256"`) }, "jwks failed"},
		"no caching":            {func(r *http.Response) { r.Header.Del("Cache-Control") }, "jwks warning"},
		"no preflights": {func(r *http.Response) {
			if r.Request.Method == http.MethodOptions {
				r.StatusCode, r.Status = 405, "405 Method Not Allowed"
			}
		}, "cors failed"},
		"CORS taken away": {func(r *http.Response) { r.Header.Del("Access-Control-Allow-Origin") }, "cors failed"},
		"CORS of its own": {func(r *http.Response) { r.Header.Add("Access-Control-Allow-Origin", "*") }, "cors failed"},
		"CORS for all": {func(r *http.Response) {
			r.Header.Set("Access-Control-Allow-Origin", "*")
			r.Header.Set("Access-Control-Allow-Headers", "content-type, dpop")
		}, "cors failed"},
		"no DPoP": {func(r *http.Response) { r.Header.Set("Access-Control-Allow-Headers", "content-type") }, "cors failed"},
		"query lost": {func(r *http.Response) {
			if r.Request.URL.Path == "/authorize" {
				r.StatusCode, r.Status = 400, "400 Bad Request"
			}
		}, "redirect URIs failed"},
		"another place": {func(r *http.Response) {
			if to := r.Header.Get("Location"); to != "" {
				r.Header.Set("Location", strings.Replace(to, "example.com", "example.com.evil.example", 1))
			}
		}, "redirect URIs failed"},
	} {
		var out bytes.Buffer
		e := &examination{issuer: o.issuer, clients: clients, p: &printer{w: &out}, http: &http.Client{
			Transport: test.proxy, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}}
		err := e.run(t.Context())
		if failed := strings.HasSuffix(test.want, "failed"); (err != nil) != failed {
			t.Errorf("%s: %v\n%s", name, err, &out)
		}
		found := map[string]bool{}
		for _, f := range e.findings {
			if f.Result == "failed" || f.Result == "warning" {
				found[f.Check+" "+f.Result] = true
				if f.Hint == "" {
					t.Errorf("%s: no hint: %+v", name, f)
				}
			}
		}
		if test.want != "" && !found[test.want] || len(found) > 1 || test.want == "" && len(found) > 0 {
			t.Errorf("%s: found %v, want %q\n%s", name, found, test.want, &out)
		}
	}
}

// TestDoctorNamesTheSetting: a login that failed for what the operator could allow is explained by the line that
// would allow it.
func TestDoctorNamesTheSetting(t *testing.T) {
	x := explain(&admin.AuditEvent{Type: "request.refused", Outcome: "denied", Details: map[string]string{
		"error": "invalid_request", "allowed_by": "require_pkce: false in the client portal",
	}})
	if x.Hint != "correct the app, or allow it by require_pkce: false in the client portal" || x.Meaning == "" {
		t.Errorf("%+v", x)
	}
}
