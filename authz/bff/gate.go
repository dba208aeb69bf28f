package bff

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/bff/gate"
	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/weburl"
)

const (
	gateName = "gate" // of its frontend, and so of its cookie at every host

	// openTimeout bounds how long a start waits for the store.
	openTimeout = 30 * time.Second
)

func (c *Config) gateProblems(found *member.Problems) {
	if !c.Gate.Given() {
		return
	}
	for _, p := range c.Gate.Problems() {
		found.Add(member.Child("gate", p.Path), p.Value, p.Flaw)
	}
	found.Add("gate.scope", c.Gate.Scope, scopeFlaw(c.Gate.Scope))
	for i, f := range c.Frontends {
		at := member.Element("frontends", i)
		if f.Name == gateName {
			found.Add(member.Child(at, "name"), f.Name, member.Flawf("choose another", "the gate's own cookie has this name"))
		}
		if origin := weburl.Origin(f.URL); origin != "" && origin == weburl.Origin(c.Gate.URL) {
			found.Add(member.Child(at, "url"), f.URL, member.Flawf("give one of them another host", "the gate signs people in at this origin"))
		}
		for j, route := range f.Routes {
			if route.Path == "/gate" || strings.HasPrefix(route.Path, "/gate/") {
				found.Add(member.Child(member.Element(member.Child(at, "routes"), j), "path"), route.Path,
					member.Flawf("choose another path", "the paths below /gate/ are the gate's"))
			}
		}
	}
}

// openGate makes the gate, and the frontend of its own host.
func (b *BFF) openGate() error {
	if !b.Gate.Given() {
		return nil
	}
	f, err := b.newFrontend(Frontend{Name: gateName, URL: b.Gate.URL, ClientID: b.Gate.ClientID, Scope: b.Gate.Scope, Lax: true})
	if err != nil {
		return err
	}
	b.frontends = append(b.frontends, f)
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	b.gate, err = gate.New(ctx, gate.Config{
		Settings: b.Gate, Sessions: f.sessions, Store: b.Store, Secret: b.Secret, Logger: b.Logger,
		Announced: b.keyAnnounced, Refused: b.handoverRefused,
		Login: func(returnTo string) string { return "/bff/login?" + url.Values{"return_to": {returnTo}}.Encode() },
	})
	return err
}

// Guard returns the gate, nil if there is none. A Go program puts its Middleware around a site of its own.
func (b *BFF) Guard() *gate.Gate { return b.gate }
