package selfservice_test

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/storage"
)

// asksFrom leaves the sign-in page of an app, signs up or asks for a new password, and returns the link of the mail.
func (h house) asksFrom(t *testing.T, b *authztest.Browser, what string, change url.Values) (link string) {
	t.Helper()
	login := b.Get(t, b.Ask(t, authztest.SPA, change).Header.Get("Location"))
	if what == "reset" {
		post(t, b, b.Get(t, login.Link("forgot-password")), "reset-submit", url.Values{"email": {alices}})
		return h.mailTo(t, "reset_password", alices).Link
	}
	if !login.Has("signup-submit") { // otherwise the app wants an account to be made
		login = b.Get(t, login.Link("signup"))
	}
	post(t, b, login, "signup-submit", url.Values{"name": {"Do Dodo"}, "email": {address}, "new-password": {good}})
	return h.mailTo(t, "prove_address", address).Link
}

// TestLinkInAnotherTab: the link of a mail, opened in the browser that asked for it, leads on to the app that waits, as the
// code does; and to nothing in another browser, which it does not sign in.
func TestLinkInAnotherTab(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	b := h.NewBrowser(t)
	link := h.asksFrom(t, b, "signup", url.Values{"state": {"of the sign-up"}, "prompt": {"create"}})
	if elsewhere := h.NewBrowser(t).Get(t, link); strings.Contains(elsewhere.Body, `name="flow"`) {
		t.Error("another browser gets the sign-in")
	}
	tab := b.Get(t, link)
	if answer := b.Walk(t, follow(t, b, tab.Submit(t, "verify-submit", nil))); answer.Params.Get("code") == "" || answer.Params.Get("state") != "of the sign-up" {
		t.Errorf("after a sign-up: %s", answer)
	}

	b = h.NewBrowser(t)
	link = h.asksFrom(t, b, "reset", url.Values{"state": {"of the reset"}})
	elsewhere := h.NewBrowser(t)
	if page := elsewhere.Get(t, link); !page.Has("new-password") || strings.Contains(page.Body, `name="flow"`) {
		t.Error("another browser gets the sign-in")
	}
	page := post(t, b, b.Get(t, link), "reset-submit", url.Values{"new-password": {better}})
	if h.signedIn(t, b) {
		t.Error("the link has signed somebody in")
	}
	login := b.Get(t, page.Link("next"))
	answer := b.Walk(t, follow(t, b, login.Submit(t, "login-submit", url.Values{"username": {alices}, "password": {better}})))
	if answer.Params.Get("code") == "" || answer.Params.Get("state") != "of the reset" {
		t.Errorf("after a reset: %s", answer)
	}
}

// aged returns a sign-in as if it had begun two hours ago; it has an hour.
func (h house) aged(t *testing.T, sealed string) string {
	t.Helper()
	sealer := h.Secret.Sealer("pending authorization")
	raw, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := sealer.Open(raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	var flow map[string]any
	if err := json.NewDecoder(flate.NewReader(bytes.NewReader(packed))).Decode(&flow); err != nil {
		t.Fatal(err)
	}
	flow["t"] = time.Now().Add(-2 * time.Hour)
	var old bytes.Buffer
	z, err := flate.NewWriter(&old, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(json.NewEncoder(z).Encode(flow), z.Close()); err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(sealer.Seal(old.Bytes(), nil))
}

// TestLinkAfterTheSignIn: the sign-in of the app has expired by the time at which the link is opened, or the form is sent.
// It begins again, and what the person has done counts.
func TestLinkAfterTheSignIn(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	b := h.NewBrowser(t)
	link := h.asksFrom(t, b, "signup", url.Values{"state": {"of the app"}})
	for entry, err := range storage.Proofs.All(t.Context(), h.Store, "") {
		if err != nil {
			t.Fatal(err)
		}
		entry.Value.Flow = h.aged(t, entry.Value.Flow)
		if err := h.Store.Apply(t.Context(), storage.Proofs.Put(entry.Key, entry.Value, storage.At(entry.Version), entry.Value.ExpiresAt)); err != nil {
			t.Fatal(err)
		}
	}
	answer := b.Walk(t, follow(t, b, b.Get(t, link).Submit(t, "verify-submit", nil)))
	if answer.Params.Get("code") == "" || answer.Params.Get("state") != "of the app" {
		t.Errorf("two hours later: %s", answer)
	}

	// The page of a browser takes what is typed there; that of another one begins again, as before.
	b = h.NewBrowser(t)
	login := b.Get(t, b.Ask(t, authztest.SPA, nil).Header.Get("Location"))
	old := url.Values{"email": {alices}, "flow": {h.aged(t, login.URL.Query().Get("flow"))}}
	forgot := b.Get(t, login.Link("forgot-password"))
	if page := post(t, b, forgot, "reset-submit", old); !page.Has("otp") || page.URL.Path != "/reset" {
		t.Errorf("a form of two hours ago: %d %s\n%.300s", page.Status, page.URL, page.Body)
	}
	other := h.NewBrowser(t)
	other.Get(t, h.URL+"/login")
	if page := other.Do(t, forgot.Submit(t, "reset-submit", old)); page.LedTo(t) != "/authorize" {
		t.Errorf("in another browser: %d %s", page.Status, page.Header.Get("Location"))
	}
}

// TestLongSignInIsNotKept: a request that is too long to be kept with a proof leads to the account page.
func TestLongSignInIsNotKept(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	b := h.NewBrowser(t)
	link := h.asksFrom(t, b, "signup", url.Values{"state": {blackbox.Noise(2000)}})
	for entry, err := range storage.Proofs.All(t.Context(), h.Store, "") {
		if err != nil || entry.Value.Flow != "" {
			t.Errorf("%d bytes are kept, %v", len(entry.Value.Flow), err)
		}
	}
	if page := post(t, b, b.Get(t, link), "verify-submit", nil); page.URL.Path != "/account" || page.Status != http.StatusOK {
		t.Errorf("led to %s: %d", page.URL, page.Status)
	}
}
