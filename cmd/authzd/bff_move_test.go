package main

import (
	"errors"
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

	"github.com/authzd/authzd/authz/bff/provider"
	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/config"
	"github.com/authzd/authzd/storage/postgres/pgtest"
)

// movingBFF is the configuration of a BFF with a store that moves.
const movingBFF = `issuer: http://127.0.0.1:1
client_id: orders-bff
key_file: %[1]s/client.key
secret_file: %[1]s/secret
storage: {%[2]s}
frontends:
  - {name: orders, url: "http://127.0.0.1:2"}
`

// TestBFFMoves: who is signed in at a BFF stays so when its store moves from bolt to PostgreSQL, and back. A target that is
// not empty is refused, and left as it is.
func TestBFFMoves(t *testing.T) {
	t.Parallel()
	folder, url := t.TempDir(), pgtest.Database(t)
	var cookies []*http.Cookie
	at := func(name, stored string, use func(t *testing.T, p *bffProcess)) (file string) {
		t.Helper()
		file = filepath.Join(folder, name+".yaml")
		text := fmt.Sprintf(movingBFF, folder, stored)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			cfg, err := config.ParseBFF(file, []byte(text), nil)
			if err != nil {
				t.Fatal(err)
			}
			logger := slog.New(slog.NewTextHandler(t.Output(), nil))
			store, secret, err := openSessions(t.Context(), cfg, logger)
			if store != nil {
				t.Cleanup(func() { _ = store.Close() })
			}
			if err != nil {
				t.Fatal(err)
			}
			process, err := newBFFProcess(t.Context(), cfg, store, secret, prometheus.NewRegistry(), logger, false)
			if err != nil {
				t.Fatal(err)
			}
			use(t, process)
		})
		return file
	}
	find := func(p *bffProcess) (*websession.Session, error) {
		r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1:2/", nil)
		for _, c := range cookies {
			r.AddCookie(c)
		}
		return p.mode.SessionsOf("orders").Find(r)
	}
	// known: the session is there, with its tokens. The issuer, which is away, must say whether it has ended since.
	known := func(t *testing.T, p *bffProcess) {
		if session, err := find(p); !errors.As(err, new(*websession.UnavailableError)) {
			t.Errorf("alice's session: %+v, %v", session, err)
		}
	}
	bolted := at("bolt", "bolt: {path: "+folder+"/bff.db}", func(t *testing.T, p *bffProcess) {
		w := httptest.NewRecorder()
		g := &provider.Grant{
			User: &provider.User{Subject: "alice", SID: "1", AuthTime: time.Now()}, GrantID: "gid", AccessToken: "eyJ.access", RefreshToken: "azr_x",
			ExpiresAt: time.Now().Add(time.Hour), IssuedAt: time.Now(),
		}
		if _, err := p.mode.SessionsOf("orders").Start(t.Context(), w, g); err != nil {
			t.Fatal(err)
		}
		cookies = w.Result().Cookies()
		if session, err := find(p); err != nil || session.Subject != "alice" {
			t.Errorf("%+v, %v", session, err)
		}
	})
	succeed(t, "bff", "migrate", "--config", bolted, "--to", url)
	moved := at("postgres", "postgres: {url: \""+url+"\"}", known)
	if err := try(t, "bff", "migrate", "--config", bolted, "--to", url); err == nil || !strings.Contains(err.Error(), "the target is not empty") {
		t.Errorf("into a store that is in use: %v", err)
	}
	succeed(t, "bff", "check", "--config", moved)
	succeed(t, "bff", "migrate", "--config", moved, "--to", "bolt:"+folder+"/back.db")
	at("back", "bolt: {path: "+folder+"/back.db}", known)
}
