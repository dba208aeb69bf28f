package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
)

// newTarget is a server with a client that may do everything.
func newTarget(t *testing.T) *target {
	t.Helper()
	server := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		if m.ID == authztest.Web {
			m.GrantTypes = append(slices.Clone(m.GrantTypes), client.GrantClientCredentials)
			m.RotateRefreshTokens = new(true)
		}
	})
	return &target{url: server.URL, addr: strings.TrimPrefix(server.URL, "http://"), account: account{
		username: authztest.Username, password: authztest.Password,
		client: authztest.Web, secret: authztest.Secret, redirectURI: authztest.RedirectURI,
		scope: "openid profile", refreshScope: "offline_access orders.read",
	}}
}

func TestScenarios(t *testing.T) {
	target := newTarget(t)
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			l, err := scenarioLoad(s, nil, newUsers(target, 2))
			if err != nil {
				t.Fatal(err)
			}
			defer l.close()
			for _, op := range l.operations {
				for range 3 {
					if err := op(); err != nil {
						t.Fatal(err)
					}
				}
			}
			if l.run(time.Millisecond); l.err != nil || len(l.latencies) < 2 || l.errors > 0 {
				t.Errorf("%d operations, %d errors, %v", len(l.latencies), l.errors, l.err)
			}
		})
	}
}

// A failing scenario is reported, not measured.
func TestScenariosThatFail(t *testing.T) {
	target := newTarget(t)
	for name, spoil := range map[string]func(*account){
		"wrong password":       func(a *account) { a.password = "wrong" },
		"unknown client":       func(a *account) { a.client = "unknown" },
		"foreign redirect URI": func(a *account) { a.redirectURI = "https://evil.example/" },
		"consent needed":       func(a *account) { a.client = authztest.ThirdParty },
		"unknown scope":        func(a *account) { a.scope, a.refreshScope = "unknown", "unknown" },
		"wrong secret":         func(a *account) { a.secret = "wrong" },
	} {
		spoilt := *target
		spoil(&spoilt.account)
		for _, s := range scenarios {
			if s.name != "refresh" && s.name != "code" {
				continue
			}
			if _, err := scenarioLoad(s, nil, newUsers(&spoilt, 1)); err == nil {
				t.Errorf("%s: %s can be prepared", name, s.name)
			}
		}
	}
	u := newUsers(target, 1)[0]
	l := &load{conns: []*conn{&u.conn}, operations: []operation{u.static(u.get("/nothing", ""))}}
	defer l.close()
	if l.run(time.Second); l.errors != maxErrors || l.err == nil || len(l.latencies) > 0 {
		t.Errorf("%d errors and %d successes, %v", l.errors, len(l.latencies), l.err)
	}
}
