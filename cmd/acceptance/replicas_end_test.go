package acceptance

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"golang.org/x/oauth2"
)

// partner is a client that users have to agree to.
const partner = `
  - client_id: partner
    client_name: Partner
    preset: spa
    redirect_uris: [https://partner.example.com/callback]
    scope: openid offline_access orders.read
    resources: [` + apiResource + `]
`

// silently asks a replica for a code without a page. It returns the error, "" if there is none.
func (r *replicas) silently(t *testing.T, node *server, b *browser, client, redirectURI string) (refusal string) {
	t.Helper()
	p := r.at(node, b).get(t, r.issuer+"/authorize?"+url.Values{
		"response_type": {"code"}, "client_id": {client}, "redirect_uri": {redirectURI}, "scope": {"openid"}, "prompt": {"none"},
		"code_challenge": {oauth2.S256ChallengeFromVerifier(oauth2.GenerateVerifier())}, "code_challenge_method": {"S256"},
	}.Encode())
	if p.location == nil {
		return fmt.Sprintf("status %d, a page: %s", p.status, p.text())
	}
	return p.location.Query().Get("error")
}

// press opens the account page at a replica and presses a button on it.
func (r *replicas) press(t *testing.T, node *server, b *browser, button string) {
	t.Helper()
	here := r.at(node, b)
	req, err := here.get(t, r.issuer+"/account").submit(button, nil)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := here.open(req); err != nil || p.status >= http.StatusBadRequest {
		t.Fatalf("%s: %v, %v", button, p, err)
	}
}

// A user who is signed out at one replica, in any way, is signed out at the others at once, and an app with a
// logout URI is told once.
func TestReplicasSignOut(t *testing.T) {
	t.Parallel()
	app := newWebApp(t, "app")
	r := startReplicas(t, 3, app.registration(app.backChannel())+partner, "outbound: {allow_private_networks: [127.0.0.0/8]}")
	app.use(&r.server)
	ways := []struct {
		name       string
		everywhere bool // offline access ends, too
		end        func(t *testing.T, door *server, b *browser)
	}{
		{"the app's logout", false, func(t *testing.T, door *server, b *browser) { app.visit(r.at(door, b), "/logout") }},
		{"sign out everywhere", true, func(t *testing.T, door *server, b *browser) { r.press(t, door, b, "sign-out-everywhere") }},
		{"the operator ends the session", false, func(t *testing.T, door *server, b *browser) {
			door.operate(t, "DELETE", "/v1/sessions/"+liveSession(t, b), nil, nil)
		}},
		{"the operator ends all sessions", true, func(t *testing.T, door *server, b *browser) {
			door.operate(t, "POST", "/v1/users/"+door.subOf(t, "alice")+"/end-sessions", nil, nil)
		}},
	}
	for i, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			b, door := newBrowser(t, &r.server), r.nodes[i%len(r.nodes)]
			app.visit(b, "/login")
			offline, online := must(t)(mustCode(t, &r.server, b).redeem()), r.online(t, b)
			pending := mustCode(t, &r.server, b)
			way.end(t, door, b)
			for _, node := range r.nodes {
				if sid := liveSession(t, r.at(node, b)); sid != "" {
					t.Error("the session lives")
				}
				if refusal := r.silently(t, node, b, "spa", spaCallback); refusal != "login_required" {
					t.Errorf("a silent sign-in: %q", refusal)
				}
				mustRefuse(t, "an online refresh token")(node.refresh(online.RefreshToken))
				if status := userinfo(t, node, online.AccessToken); status != http.StatusUnauthorized {
					t.Errorf("userinfo: status %d", status)
				}
				pending.s = node
				mustRefuse(t, "a code from before")(pending.redeem())
				if way.everywhere {
					mustRefuse(t, "an offline refresh token")(node.refresh(offline.RefreshToken))
				} else {
					offline = must(t)(node.refresh(offline.RefreshToken))
				}
			}
		})
	}
	t.Run("consent", func(t *testing.T) { r.consentEverywhere(t) })
	app.wantToldOnce(t, len(ways), func() {
		for _, node := range r.nodes { // who stops finishes what it has begun
			if err := node.stop(); err != nil {
				t.Error(err)
			}
			node.proc = nil
		}
	})
}

// online are tokens that live and die with the session of the browser.
func (r *replicas) online(t *testing.T, b *browser) answer {
	t.Helper()
	f, err := newScopedCode(&r.server, b, "openid orders.read")
	if err != nil {
		t.Fatal(err)
	}
	return must(t)(f.redeem())
}

// wantToldOnce waits for n logout tokens, ends the replicas, and fails unless there were just those, each
// of them once.
func (a *webApp) wantToldOnce(t *testing.T, n int, end func()) {
	t.Helper()
	told := func() (tokens int, different map[string]bool) {
		a.mu.Lock()
		defer a.mu.Unlock()
		different = map[string]bool{}
		for _, jtis := range a.tokens {
			tokens += len(jtis)
			for _, jti := range jtis {
				different[jti] = true
			}
		}
		return tokens, different
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(5 * time.Minute)
	for tokens := 0; tokens < n; tokens, _ = told() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%d logout tokens of %d", tokens, n)
		}
	}
	end()
	if tokens, different := told(); tokens != n || len(different) != n {
		t.Errorf("%d logout tokens, %d different ones, want %d", tokens, len(different), n)
	}
}

// consentEverywhere has a user agree at one replica, which counts at the others, and withdraw at another:
// from then on each of them asks again.
func (r *replicas) consentEverywhere(t *testing.T) {
	const callback = "https://partner.example.com/callback"
	for i, door := range r.nodes {
		b := newBrowser(t, &r.server)
		app := &oauth2.Config{ClientID: "partner", RedirectURL: callback, Scopes: []string{"openid", "offline_access"},
			Endpoint: oauth2.Endpoint{AuthURL: r.issuer + "/authorize", TokenURL: r.issuer + "/token", AuthStyle: oauth2.AuthStyleInParams}}
		verifier := oauth2.GenerateVerifier()
		back, err := r.at(door, b).authorize(app.AuthCodeURL("a-state", oauth2.S256ChallengeOption(verifier)))
		if err != nil {
			t.Fatal(err)
		}
		tokens, err := app.Exchange(t.Context(), back.Query().Get("code"), oauth2.VerifierOption(verifier))
		if err != nil {
			t.Fatal(err)
		}
		for _, node := range r.nodes {
			if refusal := r.silently(t, node, b, "partner", callback); refusal != "" {
				t.Errorf("what was agreed to elsewhere: %q", refusal)
			}
		}
		r.press(t, r.nodes[(i+1)%len(r.nodes)], b, "revoke-partner")
		for _, node := range r.nodes {
			if refusal := r.silently(t, node, b, "partner", callback); refusal != "consent_required" {
				t.Errorf("what was withdrawn elsewhere: %q", refusal)
			}
			mustRefuse(t, "what came of the consent")(node.token(url.Values{
				"grant_type": {"refresh_token"}, "client_id": {"partner"}, "refresh_token": {tokens.RefreshToken},
			}))
		}
	}
}
