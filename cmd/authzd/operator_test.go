package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/config"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// operated is a server, put together as serve does it, with the doors of its operator.
type operated struct {
	issuer   string
	public   string // where the public endpoints of this replica are
	listener string // the URL of admin.listen
	admin    *admin.Client
	store    storage.Store
	secret   *keys.Secret
	log      *lockedBuffer
	server   *authz.Server // it does nothing by itself unless the test calls Run
}

const operatedConfig = `
admin: {listen: "127.0.0.1:9011"}
signing: {alg: ES256}
connectors: [{id: corp, type: oidc, issuer: "https://corp.example.com", client_id: x, client_secret: the-connectors-secret}]
resources:
  - {resource: "https://api.example.com", scopes: [read, write]}
clients:
  - {client_id: operator, preset: service, client_secret: the-operators-very-own-secret, scope: "authzd:admin", resources: ["ISSUER/admin"]}
  - {client_id: worker, preset: service, client_secret: the-workers-very-own-secret, scope: "authzd:admin read", resources: ["ISSUER/admin", "https://api.example.com"]}
  - {client_id: web, preset: web, client_secret: the-webs-very-own-secret, scope: "openid offline_access authzd:admin", resources: ["ISSUER/admin"], redirect_uris: ["https://app.example.com/callback"], first_party: true}
users:
  - {username: alice, password: correct horse battery, email: alice@example.com, email_verified: true, roles: ["authzd:admin"]}
  - {username: bob, password: battery staple and more}
`

// lockedBuffer is a log that may still be written to while it is read.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// operate starts a server, or another replica of the first.
func operate(t *testing.T, first *operated) *operated {
	t.Helper()
	return operateWith(t, first, "", "")
}

// operateWith is operate with more keys of the configuration, and more clients.
func operateWith(t *testing.T, first *operated, more, clients string) *operated {
	t.Helper()
	public := httptest.NewUnstartedServer(nil)
	o := &operated{public: "http://" + public.Listener.Addr().String(), log: new(lockedBuffer)}
	o.issuer = o.public
	if first == nil {
		bolted, err := bolt.Open(filepath.Join(t.TempDir(), "authzd.db"), bolt.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = bolted.Close() })
		o.store = bolted
	} else {
		o.issuer, o.store = first.issuer, first.store
	}
	text := "issuer: " + o.issuer + more + strings.Replace(operatedConfig, "users:", clients+"users:", 1)
	cfg, err := config.Parse("authzd.yaml", []byte(strings.ReplaceAll(text, "ISSUER", o.issuer)), nil)
	if err != nil {
		t.Fatal(err)
	}
	serverConfig, err := authzConfig(cfg, false)
	if err != nil {
		t.Fatal(err)
	}
	o.secret, err = keys.NewSecret([]byte(strings.Repeat("s", 32)))
	if err != nil {
		t.Fatal(err)
	}
	serverConfig.Store, serverConfig.Secret, serverConfig.Logger = o.store, o.secret, slog.New(slog.NewJSONHandler(o.log, nil))
	if bolted, ok := o.store.(*bolt.Store); ok {
		serverConfig.File = boltFile{bolted}
	}
	server, err := authz.New(t.Context(), serverConfig)
	if err != nil {
		t.Fatal(err)
	}
	o.server = server
	public.Config.Handler = server
	public.Start()
	t.Cleanup(public.Close)
	tcp := httptest.NewServer(server.AdminListener())
	t.Cleanup(tcp.Close)
	o.listener = tcp.URL

	folder, err := os.MkdirTemp("", "authzd") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	path := filepath.Join(folder, "s")
	socket, err := operatorSocket.listen(path)
	if err != nil {
		t.Fatal(err)
	}
	local := newHTTPServer(server.AdminSocket(), newWatch(prometheus.NewRegistry(), serverConfig.Logger))
	local.ConnContext = admin.WithPeer
	go func() { _ = local.Serve(socket) }()
	t.Cleanup(func() { _ = local.Close() })
	o.admin = &admin.Client{Socket: path}
	return o
}

// answer is what a server said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) problem(t *testing.T) admin.Problem {
	t.Helper()
	var p admin.Problem
	if err := json.Unmarshal(a.body, &p); err != nil || a.header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("%d %s %s is no problem", a.status, a.header, a.body)
	}
	return p
}

// at sends a request through the socket, byte for byte.
func (o *operated) at(t *testing.T, method, target, contentType, body string, header ...string) answer {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", o.admin.Socket)
	}}}
	return send(t, client, method, "http://localhost"+target, contentType, body, header...)
}

// over sends a request to admin.listen.
func (o *operated) over(t *testing.T, method, target, contentType, body string, header ...string) answer {
	t.Helper()
	return send(t, http.DefaultClient, method, o.listener+target, contentType, body, header...)
}

func send(t *testing.T, client *http.Client, method, target, contentType, body string, header ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Set(header[i], header[i+1])
	}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, got}
}

// token gets a token by client credentials, with these further parameters.
func (o *operated) token(t *testing.T, id, secret string, params ...string) (string, answer) {
	t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}}
	for i := 0; i < len(params); i += 2 {
		form.Add(params[i], params[i+1])
	}
	a := o.post(t, "/token", id, secret, form)
	var tokens userTokens
	_ = json.Unmarshal(a.body, &tokens)
	return tokens.AccessToken, a
}

// everything is all that the store has, but for the audit log, what proves to be used up, and sessions.
func (o *operated) everything(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, table := range []storage.Table{
		storage.Users.Table, storage.Usernames.Table, storage.Emails.Table, storage.ManagedClients.Table, storage.ClientChanges.Table,
		storage.Clients.Table, storage.Grants.Table, storage.Sessions.Table, storage.SigningKeys.Table,
	} {
		records, err := o.store.Scan(t.Context(), table, "", "", 10_000)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			fmt.Fprintf(&all, "%s %s %d\n", table, r.Key, r.Version)
		}
	}
	return all.String()
}

func basic(id, secret string) string {
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	return r.Header.Get("Authorization")
}

func get(t *testing.T, target string) string {
	t.Helper()
	return string(send(t, http.DefaultClient, "GET", target, "", "").body)
}

// TestOpenAPIInDocs: the copy in the manual is the document.
func TestOpenAPIInDocs(t *testing.T) {
	o := operate(t, nil)
	want := o.at(t, "GET", "/openapi.json", "", "").body
	sameInDocs(t, "../../docs/admin-api.openapi.json", want)
}

// sameInDocs compares a document with its copy in the manual.
func sameInDocs(t *testing.T, name string, want []byte) {
	t.Helper()
	if os.Getenv("UPDATE_OPENAPI") != "" {
		if err := os.WriteFile(name, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the server says: run this test with UPDATE_OPENAPI=1", name)
	}
}

// signedIn signs Alice in to the client web, and returns her id, her session and her grant.
func (o *operated) signedIn(t *testing.T) (sub, sid, gid string) {
	t.Helper()
	o.userToken(t, "alice", "correct horse battery", "openid offline_access")
	for grant, err := range o.admin.Grants(t.Context(), admin.GrantQuery{ClientID: "web"}) {
		if err != nil {
			t.Fatal(err)
		}
		sub, sid, gid = grant.Sub, grant.SID, grant.GID
	}
	return sub, sid, gid
}

// userTokens is what a code is exchanged for.
type userTokens struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	IDToken      string `json:"id_token"`
}

// userToken signs a user in to the client web, in a browser of their own.
func (o *operated) userToken(t *testing.T, username, password, scope string, extra ...string) userTokens {
	t.Helper()
	browser := (&authztest.Server{URL: o.issuer}).NewBrowser(t)
	browser.Username, browser.Password = username, password
	params := url.Values{"scope": {scope}}
	for i := 0; i < len(extra); i += 2 {
		params.Set(extra[i], extra[i+1])
	}
	code, verifier := browser.Code(t, "web", params)
	a := o.post(t, "/token", "web", "the-webs-very-own-secret", authztest.CodeForm(code, verifier))
	var tokens userTokens
	if err := json.Unmarshal(a.body, &tokens); err != nil || tokens.AccessToken == "" {
		t.Fatalf("tokens: %d %s", a.status, a.body)
	}
	return tokens
}

// post sends a form as a client.
func (o *operated) post(t *testing.T, path, id, secret string, form url.Values) answer {
	t.Helper()
	return send(t, http.DefaultClient, "POST", o.public+path, "application/x-www-form-urlencoded", form.Encode(), "Authorization", basic(id, secret))
}
