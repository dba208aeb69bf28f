package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/bff/provider"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/config"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// operateBFF puts a BFF together as "authzd bff" does, with the door of its operator. It has no issuer.
func operateBFF(t *testing.T) (*operated, *bffProcess) {
	t.Helper()
	store, err := bolt.Open(filepath.Join(t.TempDir(), "bff.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	cfg, err := config.ParseBFF("bff.yaml", fmt.Appendf(nil, `issuer: http://127.0.0.1:1
client_id: orders-bff
key_file: %s/client.key
frontends:
  - {name: orders, url: "http://127.0.0.1:2"}
  - {name: stock, url: "http://127.0.0.1:3", client_id: stock-bff}
`, t.TempDir()), nil)
	if err != nil {
		t.Fatal(err)
	}
	o := &operated{store: store, log: new(lockedBuffer)}
	if o.secret, err = keys.NewSecret([]byte(strings.Repeat("s", 32))); err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewJSONHandler(o.log, nil))
	process, err := newBFFProcess(t.Context(), cfg, store, o.secret, prometheus.NewRegistry(), logger, false)
	if err != nil {
		t.Fatal(err)
	}
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
	local := newHTTPServer(process.operations(process.admin), newWatch(prometheus.NewRegistry(), logger))
	local.ConnContext = admin.WithPeer
	go func() { _ = local.Serve(socket) }()
	t.Cleanup(func() { _ = local.Close() })
	o.admin = &admin.Client{Socket: path}
	return o, process
}

// signInAt makes a session of a user, and returns its id.
func (p *bffProcess) signInAt(t *testing.T, frontend, sub, sid string) string {
	t.Helper()
	g := &provider.Grant{
		User: &provider.User{Subject: sub, SID: sid, Roles: []string{"clerk"}, AMR: []string{"pwd"}, AuthTime: time.Now()}, GrantID: "gid of " + sid,
		AccessToken: "eyJ.access." + sid, RefreshToken: "azr_" + sid, ExpiresAt: time.Now().Add(time.Hour), IssuedAt: time.Now(),
	}
	session, err := p.mode.SessionsOf(frontend).Start(t.Context(), httptest.NewRecorder(), g)
	if err != nil {
		t.Fatal(err)
	}
	return session.ID
}

// TestBFFSessionsAreOperated: an operator finds the sessions of a BFF by user, sid and frontend, and ends them; each end
// is in the audit log with its author. No answer has a token.
func TestBFFSessionsAreOperated(t *testing.T) {
	o, p := operateBFF(t)
	ids := map[string]string{}
	for _, s := range []struct{ name, frontend, sub, sid string }{
		{"alice at orders", "orders", "alice", "1"}, {"alice at stock", "stock", "alice", "1"},
		{"alice elsewhere", "orders", "alice", "2"}, {"bob", "orders", "bob", "3"}, {"carol", "stock", "carol", "4"},
	} {
		ids[s.name] = p.signInAt(t, s.frontend, s.sub, s.sid)
	}
	list := func(which admin.BFFSessionQuery) (found []string) {
		for s, err := range o.admin.BFFSessions(t.Context(), which) {
			if err != nil {
				t.Fatal(err)
			}
			for name, id := range ids {
				if id == s.ID {
					found = append(found, name)
				}
			}
		}
		return found
	}
	for _, test := range []struct {
		which admin.BFFSessionQuery
		want  int
	}{
		{admin.BFFSessionQuery{}, 5}, {admin.BFFSessionQuery{Sub: "alice"}, 3}, {admin.BFFSessionQuery{SID: "1"}, 2}, {admin.BFFSessionQuery{Frontend: "stock"}, 2},
		{admin.BFFSessionQuery{Sub: "alice", Frontend: "orders"}, 2}, {admin.BFFSessionQuery{Sub: "bob", SID: "1"}, 0}, {admin.BFFSessionQuery{Sub: "nobody"}, 0},
	} {
		if found := list(test.which); len(found) != test.want {
			t.Errorf("%+v: %v", test.which, found)
		}
	}
	pages := 0
	for token := ""; pages == 0 || token != ""; pages++ {
		page, err := o.admin.ListBFFSessions(t.Context(), admin.BFFSessionQuery{Sub: "alice"}, admin.PageQuery{Size: 1, Token: token})
		if err != nil || len(page.Items) > 1 || pages > 4 {
			t.Fatalf("page %d: %+v, %v", pages, page, err)
		}
		token = page.NextPageToken
	}
	one, err := o.admin.GetBFFSession(t.Context(), ids["bob"])
	if err != nil || one.Sub != "bob" || one.SID != "3" || one.GID != "gid of 3" || one.Frontend != "orders" || one.ClientID != "orders-bff" || one.AuthTime == nil ||
		!one.ExpiresAt.After(one.CreatedAt.Add(11*time.Hour)) {
		t.Errorf("%+v, %v", one, err)
	}
	if all := o.at(t, "GET", "/v1/bff-sessions", "", "").body; bytes.Contains(all, []byte("azr_")) || bytes.Contains(all, []byte("eyJ")) || bytes.Contains(all, []byte("sealed")) {
		t.Errorf("the list has tokens: %s", all)
	}

	if a := o.at(t, "POST", "/v1/bff-sessions/end", "application/json", `{}`); a.status != http.StatusUnprocessableEntity {
		t.Errorf("everybody at once: %d %s", a.status, a.body)
	}
	if err := o.admin.RevokeBFFSession(t.Context(), ids["bob"]); err != nil {
		t.Fatal(err)
	}
	if ended, err := o.admin.EndBFFSessions(t.Context(), admin.BFFSessionQuery{Sub: "alice", Frontend: "orders"}); err != nil || ended != 2 {
		t.Errorf("alice at orders: %d, %v", ended, err)
	}
	if left := list(admin.BFFSessionQuery{}); len(left) != 2 || len(list(admin.BFFSessionQuery{Sub: "alice"})) != 1 {
		t.Errorf("left: %v", left)
	}
	if err := o.admin.RevokeBFFSession(t.Context(), ids["bob"]); err == nil || !strings.Contains(err.Error(), admin.CodeNotFound) {
		t.Errorf("a second time: %v", err)
	}
	ends := 0
	for _, e := range o.events(t) {
		if e.Type != audit.SessionEnded {
			continue
		}
		if ends++; e.Actor.Kind != audit.ByOperator || !strings.HasPrefix(e.Actor.ID, "uid:") || e.Details["reason"] != "operator" || e.UserID == "" || e.GrantID == "" || e.RequestID == "" {
			t.Errorf("%+v", e)
		}
	}
	if ends != 3 {
		t.Errorf("%d ends are recorded", ends)
	}
}

// TestBFFOpenAPI validates the document of the BFF's admin API, and by it real requests and answers; the copy in the
// manual is that document.
func TestBFFOpenAPI(t *testing.T) {
	o, p := operateBFF(t)
	d := describe(t, o)
	id := p.signInAt(t, "orders", "alice", "1")
	one := "/v1/bff-sessions/{id}"
	d.call(t, 200, "GET", "/v1/bff-sessions", "/v1/bff-sessions?sub=alice&frontend=orders&sid=1", "")
	d.call(t, 400, "GET", "/v1/bff-sessions", "/v1/bff-sessions?user=x", "")
	d.call(t, 200, "GET", one, "/v1/bff-sessions/"+id, "")
	d.call(t, 404, "GET", one, "/v1/bff-sessions/none", "")
	d.call(t, 204, "DELETE", one, "/v1/bff-sessions/"+id, "")
	d.call(t, 404, "DELETE", one, "/v1/bff-sessions/"+id, "")
	d.call(t, 200, "POST", "/v1/bff-sessions/end", "/v1/bff-sessions/end", `{"sub":"alice"}`)
	d.call(t, 422, "POST", "/v1/bff-sessions/end", "/v1/bff-sessions/end", `{"user":"alice"}`)
	d.upkeep(t)
	d.complete(t)

	want := o.at(t, "GET", "/openapi.json", "", "").body
	sameInDocs(t, "../../docs/bff-admin-api.openapi.json", want)
}

// TestBFFAdminDoor: the admin API is at the socket alone, and says nothing of people that only an issuer knows.
func TestBFFAdminDoor(t *testing.T) {
	o, p := operateBFF(t)
	for path, want := range map[string]int{"/readyz": 200, "/metrics": 200, "/v1/store": 200, "/v1/users": 404, "/v1/sessions": 404} {
		if a := o.at(t, "GET", path, "", ""); a.status != want {
			t.Errorf("%s: %d, want %d", path, a.status, want)
		}
	}
	if a := o.at(t, "POST", "/v1/store/compact", "", "", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"); a.status != http.StatusForbidden {
		t.Errorf("from another site: %d", a.status)
	}
	listener := httptest.NewServer(p.operations(nil))
	defer listener.Close()
	for path, want := range map[string]int{"/readyz": 200, "/metrics": 200, "/v1/store": 404, "/v1/bff-sessions": 404, "/openapi.json": 404} {
		if status, _ := fetchText(t, listener.URL+path); status != want {
			t.Errorf("admin.listen%s: %d, want %d", path, status, want)
		}
	}
}

// TestOwners: neither program takes the database of the other, also a new one that has nothing but its secrets.
func TestOwners(t *testing.T) {
	servers := operate(t, nil)
	bffs, _ := operateBFF(t)
	engine := &config.Storage{Bolt: config.Bolt{Path: "some.db"}}
	for _, test := range []struct {
		store storage.Store
		isBFF bool
		want  string
	}{{servers.store, false, ""}, {servers.store, true, "is the database of an authzd"}, {bffs.store, true, ""}, {bffs.store, false, "is the database of a BFF"}} {
		err := checkOwner(t.Context(), test.store, engine, test.isBFF)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: %v", test, err)
		}
	}
}

// TestHintsOfBFF: the hints of commands below "authzd bff" name these, and leave other words alone.
func TestHintsOfBFF(t *testing.T) {
	for text, want := range map[string]string{
		`run the same "authzd restore" or "authzd migrate --to" again`: `run the same "authzd bff restore" or "authzd bff migrate --to" again`,
		`start it with "authzd serve"`:                                 `start it with "authzd bff"`,
		"authzd checks":                                                "authzd checks",
		"another authzd writes there":                                  "another authzd writes there",
	} {
		if got := theBFF.rename(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
		if got := theServer.rename(text); got != text {
			t.Errorf("%q of a server: %q", text, got)
		}
	}
	err := theBFF.own(usageError{fmt.Errorf("no"), "authzd backup"})
	if exitCode(err) != 2 || err.Error() != "no" {
		t.Errorf("%v, exit code %d", err, exitCode(err))
	}
}
