package acceptance

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// cookieMode is an app in cookie mode: an issuer, at another site for a browser, a BFF in front of the app and of an
// API, and the API.
type cookieMode struct {
	issuer *server
	url    string // of the app
	api    *ordersAPI
	log    string // the BFF's
}

// startCookieMode serves the playground in cookie mode with sessions of these limits, at the issuer and at the BFF.
func startCookieMode(t *testing.T, sessions string) *cookieMode {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := shortDir(t)
	m := &cookieMode{api: startOrdersAPI(t), log: filepath.Join(dir, "bff.log")}
	addr := freeAddr()
	m.url = "http://" + addr // for a browser, another site than localhost
	m.issuer = startDev(t, fmt.Sprintf(`sessions: {%[1]s, activity: beacon, remember_me: 0s}
resources: [{resource: "%[3]s", name: Orders API, scopes: [orders.read, orders.write]}]
clients:
  - client_id: orders-bff
    client_name: Orders
    preset: web
    token_endpoint_auth_method: private_key_jwt
    jwks_uri: %[2]s/bff/jwks.json
    redirect_uris: [%[2]s/bff/callback]
    post_logout_redirect_uris: [%[2]s/]
    backchannel_logout_uri: %[2]s/bff/backchannel
    scope: openid profile orders.read orders.write
    resources: ["%[3]s"]
    first_party: true
`, sessions, m.url, apiResource))
	app, err := filepath.Abs("../../authz/playground/cookiemode")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "bff.yaml")
	text := fmt.Sprintf(`issuer: %[1]s
client_id: orders-bff
listen: %[2]s
key_file: client.key
secret_file: secret
storage: {bolt: {path: bff.db}}
log: {format: text}
sessions: {%[3]s}
frontends:
  - name: orders
    url: http://%[2]s
    scope: openid profile orders.read orders.write
    app: {folder: %[4]s}
    routes:
      - {path: /api/, url: "%[5]s/", methods: [GET, POST, DELETE], resource: "%[6]s", websocket: true}
`, m.issuer.issuer, addr, sessions, app, m.api.URL, apiResource)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	bff, err := startProcess(exec.Command(path, "bff", "--config", file), m.log, m.url+"/readyz")
	if err != nil {
		log, _ := os.ReadFile(m.log)
		t.Fatalf("start: %v\n%s", err, log)
	}
	t.Cleanup(func() { m.finish(t, bff) })
	return m
}

// finish stops the BFF and judges its log.
func (m *cookieMode) finish(t *testing.T, bff *process) {
	if err := bff.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	select {
	case <-bff.exited:
		if bff.err != nil {
			t.Errorf("stop: %v", bff.err)
		}
	case <-time.After(stopTimeout):
		t.Error(errors.Join(errors.New("still running after SIGTERM"), bff.kill()))
	}
	log, err := os.ReadFile(m.log)
	if err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"DATA RACE", "panic:", "azr_", "azc_", "eyJ", "authzd.ticket."} {
		if bytes.Contains(log, []byte(bad)) {
			t.Errorf("the log holds %q", bad)
		}
	}
	if t.Failed() {
		t.Logf("end of the log:\n%s", log[max(0, len(log)-4000):])
	}
}

// ordersAPI is an API as any language could have it. It believes every token: the test is about the BFF.
type ordersAPI struct {
	*httptest.Server

	mu     sync.Mutex
	orders []map[string]string
	weak   map[string]bool // grants whose sign-in no longer counts as recent
	live   []chan map[string]string
	foul   []string // requests with what no API should get
}

func startOrdersAPI(t *testing.T) *ordersAPI {
	t.Helper()
	a := &ordersAPI{weak: map[string]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders", a.list)
	mux.HandleFunc("POST /orders", a.place)
	mux.HandleFunc("DELETE /orders", a.clear)
	mux.HandleFunc("GET /events", a.follow)
	a.Server = httptest.NewServer(mux)
	t.Cleanup(a.Close)
	return a
}

// grant is the gid of the request's token, "" if there is none. It keeps requests that have what a browser sent.
func (a *ordersAPI) grant(r *http.Request) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, name := range []string{"Cookie", "X-Authzd-Bff", "Sec-Websocket-Protocol"} {
		if value := r.Header.Get(name); value != "" && value != "orders" {
			a.foul = append(a.foul, r.Method+" "+r.URL.Path+" with "+name+": "+value)
		}
	}
	parts := strings.Split(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), ".")
	if len(parts) != 3 {
		return ""
	}
	payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Grant string `json:"gid"`
	}
	_ = json.Unmarshal(payload, &claims)
	return claims.Grant
}

func (a *ordersAPI) list(w http.ResponseWriter, r *http.Request) {
	if a.grant(r) == "" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	_ = json.NewEncoder(w).Encode(append([]map[string]string{}, a.orders...))
}

func (a *ordersAPI) place(w http.ResponseWriter, r *http.Request) {
	if a.grant(r) == "" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	placed := map[string]string{"id": fmt.Sprint(1001 + len(a.orders)), "item": "Treacle"}
	a.orders = append(a.orders, placed)
	for _, live := range a.live {
		live <- placed
	}
	w.WriteHeader(http.StatusCreated)
}

// clear wants a sign-in that is newer than the last demand.
func (a *ordersAPI) clear(w http.ResponseWriter, r *http.Request) {
	grant := a.grant(r)
	a.mu.Lock()
	defer a.mu.Unlock()
	if grant == "" || a.weak[grant] {
		w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_user_authentication", error_description="sign in again", max_age="0"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	a.orders = nil
	w.WriteHeader(http.StatusNoContent)
}

// demand makes the sign-in of this grant too old for what cannot be undone.
func (a *ordersAPI) demand(grant string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.weak[grant] = true
}

func (a *ordersAPI) follow(w http.ResponseWriter, r *http.Request) {
	if a.grant(r) == "" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	live := make(chan map[string]string, 100)
	a.mu.Lock()
	a.live = append(a.live, live)
	a.mu.Unlock()
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"orders"}, InsecureSkipVerify: true})
	if err != nil {
		return
	}
	defer conn.CloseNow()
	ctx := conn.CloseRead(r.Context())
	for {
		select {
		case <-ctx.Done():
			return
		case placed := <-live:
			text, _ := json.Marshal(placed)
			if conn.Write(ctx, websocket.MessageText, text) != nil {
				return
			}
		}
	}
}

// wantClean fails the test if the API got what belongs to the browser.
func (a *ordersAPI) wantClean(t *testing.T) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, foul := range a.foul {
		t.Errorf("the API got %s", foul)
	}
}
