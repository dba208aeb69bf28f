package bff

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/bff/provider"
	"github.com/authzd/authzd/authz/keys"
)

const (
	transactionLife = 10 * time.Minute
	maxTransactions = 16   // of one browser
	maxStateTarget  = 1000 // bytes of a deep link that travels in the state too
)

// transaction is a sign-in that has begun in a browser. It lies there, sealed, in a cookie for each: tabs that sign in
// at the same time do not disturb each other, and a stranger's requests fill no store.
type transaction struct {
	Attempt  provider.Attempt `json:"attempt"`
	Ask      provider.Ask     `json:"ask"`
	ReturnTo string           `json:"return_to"`

	// Of a sealed session that the browser has at the beginning: its cookie does not come with the callback.
	Older    string `json:"older,omitempty"`
	Leftover string `json:"leftover,omitempty"`
}

// state is what travels through the provider: it names the transaction, and has the deep link for the case that its
// cookie has gone.
type state struct {
	ID       string    `json:"id"`
	ReturnTo string    `json:"return_to,omitempty"` // empty: it was too long
	Expires  time.Time `json:"expires"`
}

// transactions are those of one frontend.
type transactions struct {
	cookies, states, markers *keys.Sealer
	prefix                   string // of the names of the cookies; the ID follows
	marker                   string // name of the cookie that says which session the browser has
	aad                      []byte
	secure                   bool
}

func newTransactions(secret *keys.Secret, f *frontend) *transactions {
	name := f.sessions.CookieName()
	return &transactions{
		cookies: secret.Sealer("bff transaction"), states: secret.Sealer("bff state"), markers: secret.Sealer("bff browser"),
		prefix: name + ".login-", marker: name + ".browser", aad: []byte(f.Name), secure: !f.insecure,
	}
}

// newID returns an ID that sorts by time.
func newID() string {
	return fmt.Sprintf("%012x-%s", time.Now().UnixMilli(), strings.ToLower(rand.Text()[:16]))
}

func seal(s *keys.Sealer, v any, aad []byte) string {
	plain, err := json.Marshal(v)
	if err != nil { // plain data
		panic(fmt.Sprintf("encode what a browser keeps: %v", err))
	}
	return base64.RawURLEncoding.EncodeToString(s.Seal(plain, aad))
}

// unseal reads what seal wrote into v, and reports whether it was that.
func unseal(s *keys.Sealer, text string, aad []byte, v any) bool {
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return false
	}
	plain, err := s.Open(sealed, aad)
	return err == nil && json.Unmarshal(plain, v) == nil
}

// newState returns the state of a new transaction, and its ID.
func (t *transactions) newState(returnTo string) (text, id string) {
	s := state{ID: newID(), ReturnTo: returnTo, Expires: time.Now().Add(transactionLife).UTC()}
	if len(returnTo) > maxStateTarget {
		s.ReturnTo = ""
	}
	return seal(t.states, s, t.aad), s.ID
}

// readState returns what newState sealed, also after its time.
func (t *transactions) readState(text string) (s state, ok bool) {
	ok = unseal(t.states, text, t.aad, &s)
	return s, ok
}

func (t *transactions) aadOf(id string) []byte { return slices.Concat(t.aad, []byte(" "+id)) }

// set puts a transaction into the browser. The oldest ones of more than sixteen go.
func (t *transactions) set(w http.ResponseWriter, r *http.Request, id string, tx transaction) {
	var ids []string
	for _, c := range r.Cookies() {
		if id, ok := strings.CutPrefix(c.Name, t.prefix); ok {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	for i := range len(ids) - (maxTransactions - 1) {
		t.setCookie(w, t.prefix+ids[i], "", -1)
	}
	t.setCookie(w, t.prefix+id, seal(t.cookies, tx, t.aadOf(id)), int(transactionLife.Seconds()))
}

// take returns the transaction of a state, and removes it from the browser.
func (t *transactions) take(w http.ResponseWriter, r *http.Request, s state) (tx transaction, ok bool) {
	name := t.prefix + s.ID
	cookies := r.CookiesNamed(name)
	if len(cookies) == 0 {
		return tx, false
	}
	t.setCookie(w, name, "", -1)
	ok = len(cookies) == 1 && unseal(t.cookies, cookies[0].Value, t.aadOf(s.ID), &tx)
	return tx, ok && time.Since(tx.Attempt.BegunAt) < transactionLife
}

// maxLeftover is how long a refresh token in the marker may be: a longer one does not fit beside the session's cookie.
const maxLeftover = 1500

// marker is what the browser keeps about its session beside the session's cookie.
type marker struct {
	ID       string `json:"id"`
	Leftover string `json:"leftover,omitempty"` // of a sealed session: see websession.Sessions.Leftover
}

// mark notes which session the browser has. The session's cookie is Strict, so it does not come with a navigation from
// another site, such as a callback or a link to a sign-in.
func (t *transactions) mark(w http.ResponseWriter, sessionID, leftover string) {
	m := marker{ID: sessionID}
	if len(leftover) <= maxLeftover {
		m.Leftover = leftover
	}
	t.setCookie(w, t.marker, seal(t.markers, m, t.aad), 0)
}

func (t *transactions) unmark(w http.ResponseWriter) { t.setCookie(w, t.marker, "", -1) }

// marked returns what mark noted about the browser's session; without an ID: unknown.
func (t *transactions) marked(r *http.Request) (m marker) {
	if cookies := r.CookiesNamed(t.marker); len(cookies) != 1 || !unseal(t.markers, cookies[0].Value, t.aad, &m) {
		return marker{}
	}
	return m
}

// setCookie is for cookies that must come with a navigation from the provider's site, and so are Lax.
func (t *transactions) setCookie(w http.ResponseWriter, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: maxAge, Secure: t.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// pageTokens prove that the form of a logout is that of the session's own page.
type pageTokens struct{ sealer *keys.Sealer }

func (p *pageTokens) of(sessionID string) string { return seal(p.sealer, "logout", []byte(sessionID)) }

func (p *pageTokens) fits(token, sessionID string) bool {
	var what string
	return unseal(p.sealer, token, []byte(sessionID), &what) && what == "logout"
}
