package selfservice_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/selfservice"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

// member signs somebody up, and returns the browser in which they are signed in.
func (h house) member(t *testing.T, email string) *authztest.Browser {
	t.Helper()
	b := h.NewBrowser(t)
	page := h.signUp(t, b, email, good)
	post(t, b, page, "verify-submit", url.Values{"otp": {h.mailTo(t, "prove_address", email).Code}})
	if !h.signedIn(t, b) {
		t.Fatal("not signed in")
	}
	b.Username, b.Password = email, good
	return b
}

// TestSensitivePagesWantAFreshSignIn, lead through the sign-in page, and back. Others want a sign-in.
func TestSensitivePagesWantAFreshSignIn(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	b := h.SignedIn(t, nil)
	blackbox.AgeLogins(t, h.Server, 6*time.Minute)
	if page := b.Get(t, h.URL+"/account/profile"); page.Status != http.StatusOK {
		t.Errorf("profile: %d", page.Status)
	}
	for _, path := range []string{"/account/email", "/account/delete", "/account/export"} {
		if page := h.NewBrowser(t).Get(t, h.URL+path); page.LedTo(t) != "/login" {
			t.Errorf("%s without a sign-in leads to %q", path, page.LedTo(t))
		}
		page := b.Get(t, h.URL+path)
		if page.LedTo(t) != "/login" {
			t.Fatalf("%s leads to %q", path, page.LedTo(t))
		}
		login := b.Get(t, page.Header.Get("Location"))
		if !login.Has("other-account") || !login.Has("login-submit") {
			t.Errorf("%s: the sign-in page does not know who it is", path)
		}
	}
	request := b.Get(t, h.URL+"/account/profile").Submit(t, "profile-submit", url.Values{"decision": {"delete"}, "user": {blackbox.AliceID(t, h.Server)}})
	request.URL.Path = "/account/delete"
	if page := b.Do(t, request); page.LedTo(t) != "/login" || h.userOf(t, alices) == nil {
		t.Errorf("a form with a stale session: %d", page.Status)
	}
	login := b.Get(t, b.Get(t, h.URL+"/account/delete").Header.Get("Location"))
	wrong := post(t, b, login, "login-submit", url.Values{"username": {"alice"}, "password": {"wrong"}})
	back := post(t, b, wrong, "login-submit", url.Values{"username": {"alice"}, "password": {authztest.Password}})
	if back.URL.Path != "/account/delete" || !back.Has("delete-account") {
		t.Errorf("after the sign-in: %s %d", back.URL, back.Status)
	}
}

// TestDeleteAccount: a user of the configuration leaves, everything ends, and the file does not make them again.
func TestDeleteAccount(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	b, tokens := blackbox.SignInOnline(t, h.Server)
	offline := h.SignIn(t, authztest.SPA, "", nil)
	id := blackbox.AliceID(t, h.Server)
	post(t, b, b.Get(t, h.URL+"/account/email"), "email-submit", url.Values{"email": {"raphus@example.net"}})
	h.mailTo(t, "address_changing", alices)
	page := b.Get(t, h.URL+"/account/delete")
	for what, fields := range map[string]url.Values{"no decision": {"decision": {""}}, "another user": {"user": {"somebody"}}} {
		if post(t, b, page, "delete-account", fields); h.userOf(t, alices) == nil {
			t.Fatalf("%s: deleted", what)
		}
	}
	cross := page.Submit(t, "delete-account", nil)
	cross.Header.Set("Origin", "https://evil.example")
	if b.Do(t, cross); h.userOf(t, alices) == nil {
		t.Fatal("a form of another site deleted the account")
	}
	done := post(t, b, page, "delete-account", nil)
	if done.Status != http.StatusOK || !done.Has("notice") || h.signedIn(t, b) || h.userOf(t, alices) != nil {
		t.Fatalf("deleted: %d", done.Status)
	}
	for _, refresh := range []string{tokens.RefreshToken, offline.RefreshToken} {
		if got := h.Token(t, authztest.SPA, "", authztest.RefreshForm(refresh)); got.Error != "invalid_grant" {
			t.Errorf("a grant lives: %+v", got)
		}
	}
	h.mailTo(t, "account_deleted", alices)
	onFeed := false
	for entry, err := range storage.Revocations.All(t.Context(), h.Store, "") {
		onFeed = onFeed || err == nil && entry.Value.Kind == storage.RevokedUser && entry.Value.ID == id && entry.Value.Cause == "user.deleted"
	}
	if !onFeed {
		t.Error("the feed does not say that the user's tokens have ended")
	}
	if dump := blackbox.Dump(t, h.Store); strings.Contains(dump, id) && strings.Count(dump, id) > 3 { // the mark, the feed, the mail
		t.Errorf("the store has more of the user than a mark:\n%s", dump)
	}
	if n := blackbox.Count(t, h.Store, storage.Proofs.Table); n != 0 {
		t.Errorf("%d links are left, with addresses", n)
	}
	again := authztest.Start(t, authz.Config{Store: h.Store, Secret: h.Secret, Issuer: h.URL}, nil)
	if (house{Server: again}).userOf(t, alices) != nil {
		t.Error("the file made the user again")
	}
}

// TestExport: the file has all that is kept, and no secret.
func TestExport(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	b := h.NewBrowser(t)
	b.SignIn(t, authztest.ThirdParty, nil)
	id := blackbox.AliceID(t, h.Server)
	codes := storage.RecoveryCodeSets.Put(id, &storage.RecoveryCodes{Hashes: []string{"hash of a code"}}, storage.Absent, never)
	if err := h.Store.Apply(t.Context(), codes); err != nil {
		t.Fatal(err)
	}
	page := b.Get(t, h.URL+"/account/export")
	var e selfservice.Export
	if err := json.Unmarshal([]byte(page.Body), &e); err != nil || page.Status != http.StatusOK {
		t.Fatalf("%d %v\n%s", page.Status, err, page.Body)
	}
	if len(e.Factors) != 1 || e.Factors[0].Type != "recovery_codes" || strings.Contains(page.Body, "hash of a code") {
		t.Errorf("factors %+v", e.Factors)
	}
	if e.Sub != id || e.Profile.Email != alices || len(e.Sessions) != 1 || e.Sessions[0].Address != "127.0.0.1" ||
		len(e.Consents) != 1 || e.Consents[0].ClientID != authztest.ThirdParty || !e.Password {
		t.Errorf("export %+v", e)
	}
	if h := page.Header; h.Get("Content-Disposition") != `attachment; filename="account.json"` || h.Get("Content-Type") != "application/json" || h.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", h)
	}
	user := h.userOf(t, alices)
	sessions, err := storage.Sessions.Scan(t.Context(), h.Store, "", "", 10)
	if err != nil || len(sessions) != 1 {
		t.Fatal(len(sessions), err)
	}
	for _, secret := range []string{user.PasswordHash, "$argon2id", sessions[0].Value.SecretHash} {
		if strings.Contains(page.Body, secret) {
			t.Errorf("the export has %q", secret)
		}
	}
}

// TestChangeEmail: the new address is proved, the old one is told, and sign-ins and names follow.
func TestChangeEmail(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	b := h.member(t, address)
	const next = "raphus@example.net"
	page := post(t, b, b.Get(t, h.URL+"/account/email"), "email-submit", url.Values{"email": {next}})
	if !page.Has("otp") {
		t.Fatalf("%d\n%.500s", page.Status, page.Body)
	}
	proof := h.mailTo(t, "new_address", next)
	h.mailTo(t, "address_changing", address)
	if h.userOf(t, address) == nil || h.userOf(t, next) != nil {
		t.Error("the address changed before it was proved")
	}
	// Who reads the mails of the new address can't give it to this account: that needs the account's own sign-in.
	if stranger := h.NewBrowser(t).Get(t, proof.Link); stranger.LedTo(t) != "/login" {
		t.Errorf("the link without a sign-in leads to %q", stranger.LedTo(t))
	}
	alice := h.SignedIn(t, nil)
	if other := alice.Get(t, proof.Link); other.Status != http.StatusGone {
		t.Errorf("the link in another account: %d", other.Status)
	}
	confirm := b.Get(t, proof.Link)
	if confirm.Text("email-new") != next || h.userOf(t, next) != nil {
		t.Errorf("the link: %d %q", confirm.Status, confirm.Text("email-new"))
	}
	post(t, b, confirm, "verify-submit", nil)
	if user := h.userOf(t, next); user == nil || user.Username != next || !user.Profile.EmailVerified || h.userOf(t, address) != nil {
		t.Errorf("user %+v", user)
	}
	h.mailTo(t, "address_changed", address)
	if !h.signsIn(t, next, good) || h.signsIn(t, address, good) {
		t.Error("the new address does not sign in, or the old one does")
	}
	if used := b.Get(t, proof.Link); used.Status != http.StatusGone {
		t.Errorf("the link a second time: %d", used.Status)
	}
}

// TestChangeEmailCanBeStopped by the one who reads the mails of the old address.
func TestChangeEmailCanBeStopped(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	b := h.member(t, address)
	const next = "raphus@example.net"
	code := post(t, b, b.Get(t, h.URL+"/account/email"), "email-submit", url.Values{"email": {next}})
	stop := h.mailTo(t, "address_changing", address).Link
	owner := h.NewBrowser(t)
	page := owner.Get(t, stop)
	if !page.Has("verify-submit") {
		t.Fatalf("%s: %d", stop, page.Status)
	}
	post(t, owner, page, "verify-submit", nil)
	post(t, b, code, "verify-submit", url.Values{"otp": {h.mailTo(t, "new_address", next).Code}})
	if h.userOf(t, next) != nil || h.userOf(t, address) == nil {
		t.Error("the address changed all the same")
	}
}

// TestStopAfterTheChange: once the address has changed, the link that stops the change does not say that it did.
func TestStopAfterTheChange(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	b := h.member(t, address)
	const next = "raphus@example.net"
	code := post(t, b, b.Get(t, h.URL+"/account/email"), "email-submit", url.Values{"email": {next}})
	stop := h.mailTo(t, "address_changing", address).Link
	owner := h.NewBrowser(t)
	before := owner.Get(t, stop)
	post(t, b, code, "verify-submit", url.Values{"otp": {h.mailTo(t, "new_address", next).Code}})
	if h.userOf(t, next) == nil {
		t.Fatal("not changed")
	}
	if late := owner.Get(t, stop); late.Status != http.StatusGone {
		t.Errorf("the link: %d", late.Status)
	}
	if late := post(t, owner, before, "verify-submit", nil); late.Status != http.StatusGone {
		t.Errorf("the form of before: %d", late.Status)
	}
}

// TestChangeEmailToATakenAddress looks the same, also to the one who reads the mails of the old address, and tells its
// owner.
func TestChangeEmailToATakenAddress(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	b := h.member(t, address)
	page := post(t, b, b.Get(t, h.URL+"/account/email"), "email-submit", url.Values{"email": {alices}})
	if !page.Has("otp") {
		t.Errorf("%d\n%.500s", page.Status, page.Body)
	}
	h.mailTo(t, "already_registered", alices)
	h.mailTo(t, "address_changing", address) // as for an address that is free: it may be the asker's own
	for _, bad := range []string{"", "alice", "a@b@c"} {
		if refused := post(t, b, b.Get(t, h.URL+"/account/email"), "email-submit", url.Values{"email": {bad}}); refused.Status != http.StatusUnprocessableEntity {
			t.Errorf("%q: %d", bad, refused.Status)
		}
	}
}

// TestProfile: people change what is theirs, and choose a username that is free, and no look-alike.
func TestProfile(t *testing.T) {
	t.Parallel()
	h := open(t, func(c *authz.Config) {
		c.Users = []users.User{{Username: "alice", Password: authztest.Password, Email: alices, EmailVerified: true}, {Username: "boss", Password: authztest.Password}}
	})
	b := h.member(t, address)
	page := b.Get(t, h.URL+"/account/profile")
	for name, status := range map[string]int{
		"alice": 422, "ALICE": 422, "boss": 422, "b0ss": 422, "bоss": 422, "admin": 422, "аdmin": 422, "two words": 422, "a\u202eb": 422,
		alices: 422, "dodo": 200,
	} {
		got := post(t, b, page, "profile-submit", url.Values{"username": {name}, "name": {"Do Dodo"}})
		if got.Status != status && !(status == 422 && got.Status == http.StatusBadRequest) {
			t.Errorf("%q: %d", name, got.Status)
		}
	}
	for name, value := range map[string]string{"name": "x\u202ey", "locale": "not a tag!", "zoneinfo": "../etc/passwd", "given_name": strings.Repeat("x", 101)} {
		if got := post(t, b, page, "profile-submit", url.Values{"username": {"dodo"}, name: {value}}); got.Status < 400 {
			t.Errorf("%s %q: %d", name, value, got.Status)
		}
	}
	post(t, b, page, "profile-submit", url.Values{"username": {"dodo"}, "name": {"D. Dodo"}, "locale": {"de-AT"}, "zoneinfo": {"Europe/Vienna"}, "roles": {"admin"}})
	user := h.userOf(t, address)
	if user.Username != "dodo" || user.Profile.Name != "D. Dodo" || user.Profile.Locale != "de-AT" || user.Profile.Zoneinfo != "Europe/Vienna" || user.Roles != nil {
		t.Errorf("user %+v", user)
	}
	alice := h.SignedIn(t, nil)
	if got := post(t, alice, alice.Get(t, h.URL+"/account/profile"), "profile-submit", url.Values{"username": {"alison"}}); got.Status != 422 {
		t.Errorf("a user of the configuration took another name: %d", got.Status)
	}
}

// TestUsernameIsSensitive: to choose another name to sign in with wants a fresh sign-in, and says only ten times whether
// somebody has it.
func TestUsernameIsSensitive(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	b := h.member(t, address)
	page := b.Get(t, h.URL+"/account/profile")
	blackbox.AgeLogins(t, h.Server, 6*time.Minute)
	if stale := b.Do(t, page.Submit(t, "profile-submit", url.Values{"username": {"dodo"}})); stale.LedTo(t) != "/login" || h.userOf(t, address).Username != address {
		t.Errorf("with a stale session: %d %q", stale.Status, h.userOf(t, address).Username)
	}
	if named := b.Do(t, page.Submit(t, "profile-submit", url.Values{"name": {"D. Dodo"}})); named.LedTo(t) != "/account" || h.userOf(t, address).Profile.Name != "D. Dodo" {
		t.Errorf("another name: %d", named.Status)
	}
	blackbox.AgeLogins(t, h.Server, -6*time.Minute)
	for i := range 11 {
		got := b.Do(t, page.Submit(t, "profile-submit", url.Values{"username": {"alice"}}))
		want := map[bool]int{true: http.StatusUnprocessableEntity, false: http.StatusTooManyRequests}[i < 10]
		if got.Status != want || (got.Header.Get("Retry-After") != "") != (i == 10) {
			t.Errorf("try %d: %d, Retry-After %q", i, got.Status, got.Header.Get("Retry-After"))
		}
	}
}

// TestChangePasswordIsKnown at the root of the host (A Well-Known URL for Changing Passwords).
func TestChangePasswordIsKnown(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	if page := h.NewBrowser(t).Get(t, h.URL+"/.well-known/change-password"); page.LedTo(t) != "/account/password" {
		t.Errorf("leads to %q", page.LedTo(t))
	}
}
