package register_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

func TestClientIDMetadataDocument_Off(t *testing.T) {
	t.Parallel()
	p := blackbox.NewPublisher(t)
	s := authztest.Start(t, authz.Config{Outbound: blackbox.Loopback()}, nil)
	params, _ := blackbox.DocumentRequest(p.Publish("/app", nil), p.URL+"/callback")
	if got := s.NewBrowser(t).Authorize(t, params); got.Page == nil || got.Page.Status != http.StatusBadRequest || p.Fetched("/app") > 0 {
		t.Errorf("%s", got)
	}
}

// The whole flow of section 5, and what the user is told.
func TestClientIDMetadataDocumentSection5_Flow(t *testing.T) {
	t.Parallel()
	p := blackbox.NewPublisher(t)
	s := blackbox.StartWithDocuments(t, p)
	if got := blackbox.CallJSON(t, http.MethodGet, s.URL+"/.well-known/oauth-authorization-server", "", nil); got.Member["client_id_metadata_document_supported"] != true || got.Member["registration_endpoint"] != nil {
		t.Errorf("%s", got.Body)
	}
	id := p.Publish("/app.json", nil)
	b := s.NewBrowser(t)
	params, verifier := blackbox.DocumentRequest(id, p.URL+"/callback")
	b.Code(t, authztest.SPA, nil) // signs in
	page := b.Get(t, b.Ask(t, id, url.Values{"redirect_uri": {p.URL + "/callback"}}).Header.Get("Location"))
	if host := strings.TrimPrefix(p.URL, "https://"); !page.Has("unknown-client") || !strings.Contains(page.Body, "published by") || !strings.Contains(page.Body, host) || !strings.Contains(page.Body, "Inspector") {
		t.Errorf("the consent page does not say who asks: %s", page.Body)
	}
	code := b.Authorize(t, params).Params.Get("code")
	form := authztest.CodeForm(code, verifier)
	form.Set("redirect_uri", p.URL+"/callback")
	tokens := s.Token(t, id, "", form)
	if tokens.Status != http.StatusOK || blackbox.Claims(t, tokens.AccessToken)["client_id"] != id {
		t.Fatalf("%+v", tokens)
	}
	next := s.Token(t, id, "", authztest.RefreshForm(tokens.RefreshToken))
	if next.Status != http.StatusOK || next.RefreshToken == tokens.RefreshToken {
		t.Errorf("refresh: %+v", next)
	}
	if status := blackbox.UserinfoStatus(t, s, next.AccessToken); status != http.StatusOK {
		t.Errorf("userinfo: %d", status)
	}
	if n := p.Fetched("/app.json"); n != 1 {
		t.Errorf("the document was fetched %d times, although it may be kept", n)
	}
	if page := b.Walk(t, s.URL+"/account").Page; page == nil || !strings.Contains(page.Body, "Inspector") {
		t.Error("the account page does not show the app")
	}
}

// Section 3: which URLs are a client_id.
func TestClientIDMetadataDocumentSection3_URL(t *testing.T) {
	t.Parallel()
	p := blackbox.NewPublisher(t)
	s := blackbox.StartWithDocuments(t, p)
	base := p.URL
	for name, id := range map[string]string{
		"fragment": base + "/app#x", "empty fragment": base + "/app#", "query": base + "/app?x=y", "empty query": base + "/app?",
		"no path": base, "user information": strings.Replace(base, "https://", "https://a:b@", 1) + "/app", "empty user": strings.Replace(base, "https://", "https://@", 1) + "/app",
		"dot segment": base + "/./app", "dot segments": base + "/x/../app", "escaped dots": base + "/x/%2e%2E/app", "dots at the end": base + "/app/..",
		"upper case": strings.Replace(base, "https", "HTTPS", 1) + "/app", "http elsewhere": "http://app.example.com/app", "no host": "https:///app", "bad port": "https://127.0.0.1:99999/app",
		"backslash": base + `\app`, "space": base + "/a pp", "not ASCII": base + "/äpp", "too long": base + "/" + strings.Repeat("a", 1000), "file": "file:///etc/passwd", "other scheme": "ftp://127.0.0.1/app",
	} {
		params, _ := blackbox.DocumentRequest(id, base+"/callback")
		got := s.NewBrowser(t).Authorize(t, params)
		if got.Page == nil || got.Page.Status != http.StatusBadRequest || !strings.Contains(got.Page.Body, "invalid_client") {
			t.Errorf("%s: %s", name, got)
		}
	}
	if fetches := p.Fetches(); len(fetches) > 0 {
		t.Errorf("fetched %v", fetches)
	}
}

// Section 4: what the document must and must not say. Nothing of it gets to anybody.
func TestClientIDMetadataDocumentSection4_Refused(t *testing.T) {
	t.Parallel()
	p := blackbox.NewPublisher(t)
	s := blackbox.StartWithDocuments(t, p)
	raw := func(contentType, body string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", contentType)
			w.Write([]byte(body))
		}
	}
	_, set := blackbox.NewClientKey(t)
	for name, change := range map[string]map[string]any{
		"client_id missing": {"client_id": nil}, "client_id of another": {"client_id": p.URL + "/other"}, "client_id with a port more": {"client_id": p.URL + "/client-id-with-a-port-more/"},
		"client_secret": {"client_secret": "x"}, "client_secret_expires_at": {"client_secret_expires_at": 0},
		"secret by Basic": {"token_endpoint_auth_method": "client_secret_basic"}, "secret by POST": {"token_endpoint_auth_method": "client_secret_post"}, "secret JWT": {"token_endpoint_auth_method": "client_secret_jwt"},
		"no redirect URIs": {"redirect_uris": nil}, "redirect URI of another site": {"redirect_uris": []string{"https://other.example.com/callback"}},
		"redirect URI a script": {"redirect_uris": []string{"javascript:alert(1)"}}, "redirect URI with a fragment": {"redirect_uris": []string{p.URL + "/callback#x"}},
		"key without keys": {"token_endpoint_auth_method": "private_key_jwt"}, "private key": {"jwks": json.RawMessage(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}]}`)},
		"jwks and jwks_uri": {"jwks": set, "jwks_uri": p.URL + "/jwks"}, "keys in another network": {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://10.0.0.1/jwks"},
		"logo a script": {"logo_uri": "javascript:alert(1)"}, "only grants that are not offered": {"grant_types": []string{"client_credentials"}},
	} {
		p.Publish("/"+strings.ReplaceAll(name, " ", "-"), change)
	}
	p.Put("/text", raw("text/html", "<h1>hello</h1>"))
	p.Put("/html-type", raw("text/html", fmt.Sprintf(`{"client_id":%q,"redirect_uris":[%q]}`, p.URL+"/html-type", p.URL+"/callback")))
	p.Put("/list", raw("application/json", "[]"))
	p.Put("/null", raw("application/json", "null"))
	p.Put("/broken", raw("application/json", `{"client_id":`))
	p.Put("/twice", raw("application/json", fmt.Sprintf(`{"client_id":%q,"redirect_uris":[%q],"client_id":%[1]q}`, p.URL+"/twice", p.URL+"/callback")))
	p.Put("/deep", raw("application/json", `{"x":`+strings.Repeat("[", 2000)+strings.Repeat("]", 2000)+`}`))
	p.Put("/large", raw("application/json", fmt.Sprintf(`{"client_id":%q,"redirect_uris":[%q],"x":%q}`, p.URL+"/large", p.URL+"/callback", strings.Repeat("a", 20_000))))
	p.Put("/redirect", func(w http.ResponseWriter) {
		w.Header().Set("Location", p.URL+"/client_id-missing")
		w.WriteHeader(302)
	})
	p.Put("/created", func(w http.ResponseWriter) { w.Header().Set("Content-Type", "application/json"); w.WriteHeader(201) })
	p.Put("/gone", func(w http.ResponseWriter) { w.WriteHeader(410) })
	before := blackbox.Dump(t, s.Store)
	for i, path := range append(p.Paths(), "/nothing") {
		if i%10 == 9 {
			s = blackbox.StartWithDocuments(t, p) // one address can't have us fetch more at a time
			before = blackbox.Dump(t, s.Store)
		}
		params, _ := blackbox.DocumentRequest(p.URL+path, p.URL+"/callback")
		got := s.NewBrowser(t).Authorize(t, params)
		if got.Page == nil || got.Page.Status != http.StatusBadRequest || !strings.Contains(got.Page.Body, "invalid_client") {
			t.Errorf("%s: %s", path, got)
		}
		if got := s.Token(t, p.URL+path, "", authztest.RefreshForm("azr_x")); got.Status != http.StatusUnauthorized || got.Error != "invalid_client" || strings.ContainsAny(got.Description, `"\<`) {
			t.Errorf("%s: %+v", path, got)
		}
		if after := blackbox.Dump(t, s.Store); after != before {
			t.Errorf("%s: the store has changed", path)
		}
	}
}

// A document is written for every server, so what this one doesn't know is left out.
func TestClientIDMetadataDocumentSection4_LeftOut(t *testing.T) {
	t.Parallel()
	p := blackbox.NewPublisher(t)
	s := blackbox.StartWithDocuments(t, p)
	id := p.Publish("/app", map[string]any{
		"grant_types": []string{"authorization_code", "urn:ietf:params:oauth:grant-type:device_code", "client_credentials"}, "response_types": []string{"code", "token"},
		"scope": "openid orders.read everything", "token_endpoint_auth_method": nil, "sector_identifier_uri": "https://other.example.com/", "first_party": true, "authorization_details_types": []string{"payment"},
	})
	params, verifier := blackbox.DocumentRequest(id, p.URL+"/callback")
	params.Set("scope", "openid orders.read")
	b := s.NewBrowser(t)
	code := b.Authorize(t, params).Params.Get("code")
	form := authztest.CodeForm(code, verifier)
	form.Set("redirect_uri", p.URL+"/callback")
	if got := s.Token(t, id, "", form); got.Status != http.StatusOK || got.RefreshToken != "" || got.Scope != "openid orders.read" {
		t.Errorf("%+v", got)
	}
	if got := s.Token(t, id, "", url.Values{"grant_type": {"client_credentials"}}); got.Error != "unauthorized_client" {
		t.Errorf("%+v", got)
	}
	params.Set("scope", "everything")
	if got := b.Authorize(t, params); got.Params.Get("error") != "invalid_scope" {
		t.Errorf("%s", got)
	}
}

// Section 8.2: a document with keys makes a confidential client.
func TestClientIDMetadataDocumentSection8_2_PrivateKeyJWT(t *testing.T) {
	t.Parallel()
	p := blackbox.NewPublisher(t)
	s := blackbox.StartWithDocuments(t, p)
	key, set := blackbox.NewClientKey(t)
	id := p.Publish("/app", map[string]any{"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": p.URL + "/jwks"})
	p.Put("/jwks", json.RawMessage(set))
	params, verifier := blackbox.DocumentRequest(id, p.URL+"/callback")
	form := authztest.CodeForm(s.NewBrowser(t).Authorize(t, params).Params.Get("code"), verifier)
	form.Set("redirect_uri", p.URL+"/callback")
	if got := s.Token(t, id, "", form); got.Error != "invalid_client" {
		t.Errorf("without an assertion: %+v", got)
	}
	if got := s.Token(t, id, "", blackbox.WithAssertion(t, form, key, id, s.URL)); got.Status != http.StatusOK {
		t.Errorf("%+v", got)
	}
}

// Section 8.1 and RFC 8252 section 8.6: on the user's device anybody can claim to be the client, so
// the user is told, and asked every time.
func TestClientIDMetadataDocumentSection8_1_Loopback(t *testing.T) {
	t.Parallel()
	p := blackbox.NewPublisher(t)
	s := blackbox.StartWithDocuments(t, p)
	id := p.Publish("/app", map[string]any{"redirect_uris": []string{"http://localhost/callback", "com.example.app:/callback"}})
	b := s.NewBrowser(t)
	for _, uri := range []string{"http://localhost:41234/callback", "com.example.app:/callback"} {
		params, _ := blackbox.DocumentRequest(id, uri)
		if got := b.Authorize(t, params); !got.Params.Has("code") {
			t.Fatalf("%s", got)
		}
		params.Set("prompt", "none")
		if got := b.Authorize(t, params); got.Params.Get("error") != "consent_required" {
			t.Errorf("%s: %s", uri, got)
		}
		page := b.Get(t, b.Ask(t, id, url.Values{"redirect_uri": {uri}}).Header.Get("Location"))
		if !strings.Contains(page.Body, "It runs on this device") {
			t.Errorf("%s: nothing is said of the device", uri)
		}
	}
}

// Section 5.2: a document is used as long as its headers say, and what was wrong is not kept.
func TestClientIDMetadataDocumentSection5_2_Caching(t *testing.T) {
	t.Parallel()
	p := blackbox.NewPublisher(t)
	s := blackbox.StartWithDocuments(t, p)
	id := p.Publish("/app", map[string]any{"client_secret": "by mistake"})
	params, _ := blackbox.DocumentRequest(id, p.URL+"/callback")
	if got := s.NewBrowser(t).Authorize(t, params); got.Page == nil || got.Page.Status != http.StatusBadRequest {
		t.Fatalf("%s", got)
	}
	p.Publish("/app", nil)
	if got := s.NewBrowser(t).Authorize(t, params); !got.Params.Has("code") {
		t.Errorf("a document that was mended: %s", got)
	}
}

// Section 8.6: strangers can't have us knock at every door, nor at one door again and again.
func TestClientIDMetadataDocumentSection8_6_Amplification(t *testing.T) {
	t.Parallel()
	p := blackbox.NewPublisher(t)
	s := blackbox.StartWithDocuments(t, p)
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			s.Token(t, fmt.Sprintf("%s/none/%d", p.URL, i), "", authztest.RefreshForm("azr_x"))
			s.Token(t, p.URL+"/same", "", authztest.RefreshForm("azr_x"))
		})
	}
	wg.Wait()
	total := 0
	for _, n := range p.Fetches() {
		total += n
	}
	if total > 40 || p.Fetched("/same") > 4 {
		t.Errorf("%d fetches, %d of one document", total, p.Fetched("/same"))
	}
	if got := s.Token(t, p.URL+"/none/new", "", authztest.RefreshForm("azr_x")); got.Status != http.StatusTooManyRequests || !blackbox.SaysWhen(got.Header, 10) || got.Error != "temporarily_unavailable" {
		t.Errorf("%+v", got)
	}
}

// Section 8.6: nobody finds out by our answers which names there are in the inner network.
func TestClientIDMetadataDocumentSection8_6_Names(t *testing.T) {
	t.Parallel()
	c := blackbox.OpenRegistration()
	c.Documents, c.Outbound.AllowPrivateNetworks = true, nil
	c.Outbound.Resolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		go answerNames(there)
		return here, nil
	}}
	s := authztest.Start(t, c, nil)
	inner := s.Token(t, "https://inner.example/app", "", authztest.RefreshForm("azr_x"))
	none := s.Token(t, "https://none.example/app", "", authztest.RefreshForm("azr_x"))
	if inner.Status != http.StatusUnauthorized || inner.Status != none.Status || inner.Error != none.Error || inner.Description != none.Description {
		t.Errorf("%+v and %+v", inner, none)
	}
}

// answerNames is a name server that knows inner.example, at a private address, and nothing else.
func answerNames(conn net.Conn) {
	defer conn.Close()
	for length := make([]byte, 2); ; {
		if _, err := io.ReadFull(conn, length); err != nil {
			return
		}
		query := make([]byte, int(length[0])<<8|int(length[1]))
		if _, err := io.ReadFull(conn, query); err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(query) != nil || len(m.Questions) != 1 {
			return
		}
		q := m.Questions[0]
		m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
		if known := q.Name.String() == "inner.example."; !known {
			m.RCode = dnsmessage.RCodeNameError
		} else if q.Type == dnsmessage.TypeA {
			m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, Type: q.Type}, Body: &dnsmessage.AResource{A: [4]byte{10, 0, 0, 1}}}}
		}
		packed, err := m.Pack()
		if err != nil {
			return
		}
		if _, err := conn.Write(append([]byte{byte(len(packed) >> 8), byte(len(packed))}, packed...)); err != nil {
			return
		}
	}
}

// Section 8.6: special-use addresses are not called, and a server that can't be reached is no verdict.
func TestClientIDMetadataDocumentSection8_6_Blocked(t *testing.T) {
	t.Parallel()
	p := blackbox.NewPublisher(t)
	c := blackbox.OpenRegistration()
	c.Documents, c.Outbound.AllowPrivateNetworks = true, nil
	s := authztest.Start(t, c, nil)
	for _, id := range []string{p.Publish("/app", nil), "https://169.254.169.254/latest/meta-data", "https://[::1]/app", "https://10.0.0.1/app", "https://[::ffff:127.0.0.1]/app", "https://localhost/app", "http://127.0.0.1/app"} {
		start := time.Now()
		if got := s.Token(t, id, "", authztest.RefreshForm("azr_x")); got.Status != http.StatusUnauthorized || got.Error != "invalid_client" || time.Since(start) > 4500*time.Millisecond {
			t.Errorf("%s: %+v", id, got)
		}
	}
	if p.Fetched("/app") > 0 {
		t.Error("a loopback address was called")
	}
	down := blackbox.NewPublisher(t)
	reaching := blackbox.StartWithDocuments(t, down)
	id := down.Publish("/app", nil)
	down.Close()
	if got := reaching.Token(t, id, "", authztest.RefreshForm("azr_x")); got.Status != http.StatusServiceUnavailable || got.Error != "temporarily_unavailable" {
		t.Errorf("%+v", got)
	}
	params, _ := blackbox.DocumentRequest(id, down.URL+"/callback")
	if got := reaching.NewBrowser(t).Authorize(t, params); got.Page == nil || got.Page.Text("error-code") != "503 temporarily_unavailable" {
		t.Errorf("%s", got)
	}
}
