package blackbox

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/register"
)

// Publisher serves client ID metadata documents over https.
type Publisher struct {
	*httptest.Server
	mu        sync.Mutex
	documents map[string]any // by path: what is encoded, or a function that answers
	fetches   map[string]int
}

// NewPublisher starts a publisher, which stops with its test.
func NewPublisher(t testing.TB) *Publisher {
	t.Helper()
	p := &Publisher{documents: map[string]any{}, fetches: map[string]int{}}
	p.Server = httptest.NewTLSServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *Publisher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	document, ok := p.documents[r.URL.Path]
	p.fetches[r.URL.Path]++
	p.mu.Unlock()
	switch answer := document.(type) {
	case func(http.ResponseWriter):
		answer(w)
	default:
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "max-age=600")
		json.NewEncoder(w).Encode(document)
	}
}

// Publish puts a document at a path, and returns its client_id. change replaces members, nil removes them.
func (p *Publisher) Publish(path string, change map[string]any) string {
	document := map[string]any{
		"client_id": p.URL + path, "client_name": "Inspector", "redirect_uris": []string{p.URL + "/callback", "http://127.0.0.1/callback"},
		"grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"}, "token_endpoint_auth_method": "none",
	}
	maps.Copy(document, change)
	maps.DeleteFunc(document, func(_ string, v any) bool { return v == nil })
	p.Put(path, document)
	return p.URL + path
}

// Put puts what is encoded as JSON, or a function that answers, at a path.
func (p *Publisher) Put(path string, answer any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.documents[path] = answer
}

// Paths returns where something is put.
func (p *Publisher) Paths() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Keys(p.documents))
}

// Fetched returns how often a path was fetched.
func (p *Publisher) Fetched(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fetches[path]
}

// Fetches returns how often each path was fetched.
func (p *Publisher) Fetches() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.fetches)
}

// StartWithDocuments runs a server that takes the publisher's documents.
func StartWithDocuments(t testing.TB, p *Publisher) *authztest.Server {
	c := OpenRegistration()
	c.Registration.Mode, c.Documents = register.Off, true
	c.Outbound.RootCAs = x509.NewCertPool()
	c.Outbound.RootCAs.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw}))
	return authztest.Start(t, c, nil)
}

// DocumentRequest returns the parameters of an authorization request with PKCE, and the verifier.
func DocumentRequest(id, redirectURI string) (url.Values, string) {
	verifier, challenge := authztest.PKCE()
	params := authztest.AuthorizationParams(id, challenge)
	params.Set("redirect_uri", redirectURI)
	return params, verifier
}

// Site answers every path with what stands there, and counts the requests.
type Site struct {
	*httptest.Server
	Fetches atomic.Int64
}

// NewSite starts a site of JSON documents by path. It stops with its test.
func NewSite(t testing.TB, pages map[string]string) *Site {
	t.Helper()
	s := new(Site)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.Fetches.Add(1)
		page, ok := pages[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(page))
	}))
	t.Cleanup(s.Close)
	return s
}
