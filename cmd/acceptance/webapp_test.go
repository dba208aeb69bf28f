package acceptance

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// webApp is a web application of golang.org/x/oauth2 and coreos/go-oidc with its own sessions,
// by cookie. It ends them when it is told that the user has logged out.
type webApp struct {
	*httptest.Server
	t    *testing.T
	id   string
	stay chan struct{} // not nil: the answer to a frame waits for it
	raw  chan string   // the first logout token that was accepted

	mu       sync.Mutex
	config   oauth2.Config
	verifier *oidc.IDTokenVerifier
	end      string               // end_session_endpoint
	sessions map[string]appLogin  // by cookie
	tokens   map[string][]string  // jtis of logout tokens, by sid
	frames   map[string]int       // front-channel requests, by sid
	down     bool                 // the back channel answers 503
	refused  int                  // how often it has
	pending  map[string]pendingIn // by state
}

type appLogin struct{ sid, idToken string }

type pendingIn struct{ verifier, nonce string }

func newWebApp(t *testing.T, id string) *webApp {
	t.Helper()
	a := &webApp{t: t, id: id, raw: make(chan string, 1), sessions: map[string]appLogin{}, tokens: map[string][]string{}, frames: map[string]int{}, pending: map[string]pendingIn{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.home)
	mux.HandleFunc("GET /login", a.login)
	mux.HandleFunc("GET /callback", a.callback)
	mux.HandleFunc("GET /logout", a.logout)
	mux.HandleFunc("GET /bye", func(w http.ResponseWriter, r *http.Request) { a.page(w, "bye "+r.FormValue("state")) })
	mux.HandleFunc("GET /frame", a.frame)
	mux.HandleFunc("POST /back", a.back)
	a.Server = httptest.NewServer(mux)
	t.Cleanup(a.Close)
	return a
}

// registration is the app's entry in the list of clients.
func (a *webApp) registration(channels string) string {
	return fmt.Sprintf(`
  - client_id: %[1]s
    client_name: App %[1]s
    preset: web
    first_party: true
    client_secret: %[2]s
    redirect_uris: [%[3]s/callback]
    post_logout_redirect_uris: [%[3]s/bye]
    scope: openid offline_access
%[4]s
`, a.id, secret, a.URL, channels)
}

// frontChannel and backChannel are for registration.
func (a *webApp) frontChannel() string {
	return "    frontchannel_logout_uri: " + a.URL + "/frame\n    frontchannel_logout_session_required: true"
}

func (a *webApp) backChannel() string { return "    backchannel_logout_uri: " + a.URL + "/back" }

// use tells the app which server it signs in with.
func (a *webApp) use(s *server) {
	a.t.Helper()
	provider, err := oidc.NewProvider(a.t.Context(), s.issuer)
	if err != nil {
		a.t.Fatal(err)
	}
	var metadata struct {
		End string `json:"end_session_endpoint"`
	}
	if err := provider.Claims(&metadata); err != nil {
		a.t.Fatal(err)
	}
	a.config = oauth2.Config{ClientID: a.id, ClientSecret: secret, Endpoint: provider.Endpoint(), RedirectURL: a.URL + "/callback", Scopes: []string{oidc.ScopeOpenID}}
	a.verifier, a.end = provider.Verifier(&oidc.Config{ClientID: a.id}), metadata.End
}

func (a *webApp) page(w http.ResponseWriter, text string) {
	fmt.Fprintf(w, "<!doctype html><title>app</title><link rel=icon href=data:,><h1 id=app>%s</h1>", text)
}

func (a *webApp) home(w http.ResponseWriter, r *http.Request) {
	a.page(w, map[bool]string{true: "signed in", false: "signed out"}[a.session(r).sid != ""])
}

func (a *webApp) session(r *http.Request) appLogin {
	cookie, err := r.Cookie("app-" + a.id)
	if err != nil {
		return appLogin{}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sessions[cookie.Value]
}

func (a *webApp) login(w http.ResponseWriter, r *http.Request) {
	state, p := oauth2.GenerateVerifier(), pendingIn{oauth2.GenerateVerifier(), oauth2.GenerateVerifier()}
	a.mu.Lock()
	a.pending[state] = p
	a.mu.Unlock()
	http.Redirect(w, r, a.config.AuthCodeURL(state, oidc.Nonce(p.nonce), oauth2.S256ChallengeOption(p.verifier)), http.StatusFound)
}

func (a *webApp) callback(w http.ResponseWriter, r *http.Request) {
	if err := a.signIn(w, r); err != nil {
		a.t.Errorf("%s: %v: %s", a.id, err, r.URL)
	}
	http.Redirect(w, r, "/", http.StatusFound)
}

func (a *webApp) signIn(w http.ResponseWriter, r *http.Request) error {
	a.mu.Lock()
	p := a.pending[r.FormValue("state")]
	a.mu.Unlock()
	token, err := a.config.Exchange(r.Context(), r.FormValue("code"), oauth2.VerifierOption(p.verifier))
	if err != nil {
		return err
	}
	raw, _ := token.Extra("id_token").(string)
	idToken, err := a.verifier.Verify(r.Context(), raw)
	if err != nil {
		return err
	}
	var claims struct {
		SID string `json:"sid"`
	}
	if err := idToken.Claims(&claims); err != nil || claims.SID == "" || idToken.Nonce != p.nonce {
		return errors.New("no sid, or the nonce of another request")
	}
	cookie := oauth2.GenerateVerifier()
	a.mu.Lock()
	a.sessions[cookie] = appLogin{claims.SID, raw}
	a.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: "app-" + a.id, Value: cookie, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	return nil
}

// logout is RP-Initiated Logout 1.0 section 2.
func (a *webApp) logout(w http.ResponseWriter, r *http.Request) {
	here := a.session(r)
	query := "?id_token_hint=" + here.idToken + "&state=a-state&post_logout_redirect_uri=" + a.URL + "/bye"
	http.Redirect(w, r, a.end+query, http.StatusFound)
}

// frame is Front-Channel Logout 1.0 section 2: only the cookie of this browser is there to go by.
func (a *webApp) frame(w http.ResponseWriter, r *http.Request) {
	here := a.session(r)
	if here.sid != r.FormValue("sid") || r.FormValue("iss") == "" || len(r.URL.Query()) != 2 {
		a.t.Errorf("%s: %s in a session with sid %q", a.id, r.URL, here.sid)
	}
	a.mu.Lock()
	a.frames[r.FormValue("sid")]++
	a.mu.Unlock()
	if a.stay != nil {
		<-a.stay
	}
	http.SetCookie(w, &http.Cookie{Name: "app-" + a.id, Path: "/", MaxAge: -1})
	w.Header().Set("Cache-Control", "no-store")
	fmt.Fprint(w, "<!doctype html><title>out</title>")
}

// back is Back-Channel Logout 1.0 section 2.5.
func (a *webApp) back(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.down {
		a.refused++
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	token, err := a.verifier.VerifyLogout(r.Context(), r.PostFormValue("logout_token"))
	if err != nil {
		a.t.Errorf("%s: %v", a.id, err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	select {
	case a.raw <- r.PostFormValue("logout_token"):
	default:
	}
	a.tokens[token.SessionID] = append(a.tokens[token.SessionID], token.TokenID)
	maps.DeleteFunc(a.sessions, func(_ string, here appLogin) bool {
		return here.sid == token.SessionID || token.SessionID == "" // of the user, who is Alice
	})
}

// setDown makes the back channel fail, or work.
func (a *webApp) setDown(down bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.down = down
}

// visit opens a page of the app in a browser without scripts, and goes wherever that leads.
func (a *webApp) visit(b *browser, path string) {
	a.t.Helper()
	target := a.URL + path
	for range 10 {
		last, err := b.follow(target)
		if err != nil {
			a.t.Fatal(err)
		}
		if last.location == nil {
			return
		}
		target = last.location.String()
	}
	a.t.Fatal("the pages go round in circles")
}

// heard returns the sids of the logout tokens, each once, and how often the app has failed.
func (a *webApp) heard() (sids []string, refused int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Sorted(maps.Keys(a.tokens)), a.refused
}

// framed returns how often the app was told of a session in a frame.
func (a *webApp) framed(sid string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.frames[sid]
}

// idTokens are those of the app's sessions.
func (a *webApp) idTokens() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var tokens []string
	for _, here := range a.sessions {
		tokens = append(tokens, here.idToken)
	}
	return tokens
}

// sids are those of the app's sessions.
func (a *webApp) sids() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var sids []string
	for _, here := range a.sessions {
		sids = append(sids, here.sid)
	}
	slices.Sort(sids)
	return sids
}
