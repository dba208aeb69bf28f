package selfservice_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/storage"
)

const alices = "alice@example.com"

// TestResetByLink: the link changes the password, ends every session and grant, and signs nobody in.
func TestResetByLink(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	signedIn, tokens := blackbox.SignInOnline(t, h.Server)
	offline := h.SignIn(t, authztest.SPA, "", nil)
	b := h.NewBrowser(t)
	h.askReset(t, b, "Alice@Example.com")
	m := h.mailTo(t, "reset_password", alices)
	for range 10 {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			request, err := http.NewRequest(method, m.Link, nil)
			if err != nil {
				t.Fatal(err)
			}
			if page := h.NewBrowser(t).Do(t, request); page.Status != http.StatusOK {
				t.Fatalf("%s: %d", method, page.Status)
			}
		}
	}
	elsewhere := h.NewBrowser(t)
	page := elsewhere.Get(t, m.Link)
	for _, weak := range []string{"", "too short", alices, "QWERTYuiop123456789"} {
		if refused := post(t, elsewhere, page, "reset-submit", url.Values{"new-password": {weak}}); refused.Status != http.StatusUnprocessableEntity {
			t.Errorf("%q: %d", weak, refused.Status)
		}
	}
	if !h.signedIn(t, signedIn) {
		t.Error("a refused password ends sessions")
	}
	done := post(t, elsewhere, page, "reset-submit", url.Values{"new-password": {better}})
	if done.Status != http.StatusOK || !done.Has("notice") || h.signedIn(t, elsewhere) {
		t.Errorf("after the reset: %d", done.Status)
	}
	if h.signedIn(t, signedIn) {
		t.Error("the session of before lives")
	}
	for what, refresh := range map[string]string{"online": tokens.RefreshToken, "offline": offline.RefreshToken} {
		if got := h.Token(t, authztest.SPA, "", authztest.RefreshForm(refresh)); got.Error != "invalid_grant" {
			t.Errorf("%s grant: %+v", what, got)
		}
	}
	h.mailTo(t, "password_changed", alices)
	if h.signsIn(t, alices, authztest.Password) || !h.signsIn(t, alices, better) {
		t.Error("the old password signs in, or the new one does not")
	}
	if again := post(t, elsewhere, page, "reset-submit", url.Values{"new-password": {good}}); again.Status != http.StatusGone || h.signsIn(t, alices, good) {
		t.Errorf("the link a second time: %d", again.Status)
	}
}

// TestResetByCode goes on in the browser that asked, and back to the app.
func TestResetByCode(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	b := h.NewBrowser(t)
	login := b.Get(t, b.Ask(t, authztest.SPA, nil).Header.Get("Location"))
	page := post(t, b, b.Get(t, login.Link("forgot-password")), "reset-submit", url.Values{"email": {alices}})
	m := h.mailTo(t, "reset_password", alices)
	if wrong := post(t, b, page, "verify-submit", url.Values{"otp": {wrongCode(m.Code)}}); wrong.Status != http.StatusUnprocessableEntity {
		t.Errorf("a wrong code: %d", wrong.Status)
	}
	if early := b.Get(t, page.URL.String()); early.Has("new-password") {
		t.Error("a password can be set before the code")
	}
	page = post(t, b, page, "verify-submit", url.Values{"otp": {m.Code}})
	if other := h.NewBrowser(t).Get(t, page.URL.String()); other.Has("new-password") {
		t.Error("another browser can set a password after the code")
	}
	page = post(t, b, page, "reset-submit", url.Values{"new-password": {better}})
	page = b.Get(t, page.Link("next"))
	answer := b.Walk(t, follow(t, b, page.Submit(t, "login-submit", url.Values{"username": {alices}, "password": {better}})))
	if answer.Params.Get("code") == "" {
		t.Errorf("the app gets no code: %s", answer)
	}
}

// TestOnlyTheSecondLink: of two resets, and after a sign-in or another change of the password, earlier links are void.
func TestOnlyTheSecondLink(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	b := h.NewBrowser(t)
	h.askReset(t, b, alices)
	first := h.mailTo(t, "reset_password", alices)
	h.askReset(t, b, alices)
	if h.mailsTo(t, alices) != 2 {
		t.Fatal("no second mail")
	}
	second := h.mailTo(t, "reset_password", alices)
	form := b.Get(t, second.Link)
	if page := b.Get(t, first.Link); page.Status != http.StatusGone || page.Link("again") == "" {
		t.Errorf("the first link: %d", page.Status)
	}
	if !h.signsIn(t, alices, authztest.Password) {
		t.Fatal("no sign-in")
	}
	if page := b.Get(t, second.Link); page.Status != http.StatusGone {
		t.Errorf("the second link after a sign-in: %d", page.Status)
	}
	if page := post(t, b, form, "reset-submit", url.Values{"new-password": {better}}); page.Status != http.StatusGone || h.signsIn(t, alices, better) {
		t.Errorf("its form, drawn before: %d", page.Status)
	}
	h.askReset(t, b, alices)
	third := h.mailTo(t, "reset_password", alices)
	user := h.userOf(t, alices)
	_, version, err := storage.Users.Get(t.Context(), h.Store, user.ID)
	if err != nil {
		t.Fatal(err)
	}
	user.PastHashes = append(user.PastHashes, "of another password")
	if err := h.Store.Apply(t.Context(), storage.Users.Put(user.ID, user, storage.At(version), never)); err != nil {
		t.Fatal(err)
	}
	if page := b.Get(t, third.Link); page.Status != http.StatusGone {
		t.Errorf("after a change of the password: %d", page.Status)
	}
}

// TestOneLinkManyForms: of many forms of one link at once, one changes the password.
func TestOneLinkManyForms(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	b := h.NewBrowser(t)
	h.askReset(t, b, alices)
	link := h.mailTo(t, "reset_password", alices).Link
	passwords := []string{"the first of four passwords", "the second of four passwords", "the third of four passwords", "the last of four passwords"}
	var done atomic.Int32
	var all sync.WaitGroup
	browsers, forms := make([]*authztest.Browser, len(passwords)), make([]*http.Request, len(passwords))
	for i, password := range passwords { // all of them before the first is sent
		browsers[i] = h.NewBrowser(t)
		forms[i] = browsers[i].Get(t, link).Submit(t, "reset-submit", url.Values{"new-password": {password}})
	}
	for i, form := range forms {
		all.Go(func() {
			response, err := browsers[i].HTTP.Do(form)
			if err != nil {
				t.Error(err)
				return
			}
			defer response.Body.Close()
			switch response.StatusCode {
			case http.StatusOK:
				done.Add(1)
			case http.StatusGone:
			default:
				t.Errorf("status %d", response.StatusCode)
			}
		})
	}
	all.Wait()
	if done.Load() != 1 {
		t.Errorf("%d forms changed the password", done.Load())
	}
}

// TestManyResets: for one address, from one network and by many: few mails go out, all answers are the same, and the
// owner still gets in.
func TestManyResets(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	b := h.NewBrowser(t)
	page := b.Get(t, h.URL+"/reset")
	statuses := map[int]int{}
	var mu sync.Mutex
	var all sync.WaitGroup
	const asked = 60
	for range asked {
		form := page.Submit(t, "reset-submit", url.Values{"email": {alices}})
		all.Go(func() {
			response, err := h.NewBrowser(t).HTTP.Do(form)
			if err != nil {
				t.Error(err)
				return
			}
			response.Body.Close()
			mu.Lock()
			defer mu.Unlock()
			statuses[response.StatusCode]++
		})
	}
	all.Wait()
	if statuses[http.StatusSeeOther] > 21 || statuses[http.StatusSeeOther]+statuses[http.StatusTooManyRequests] != asked {
		t.Errorf("answers %v", statuses)
	}
	if n := h.mailsTo(t, alices); n != 3 {
		t.Errorf("%d mails", n)
	}
	if !h.signsIn(t, alices, authztest.Password) {
		t.Error("the owner does not get in")
	}
}

// TestResetOfNobody: an address without an account is answered as one with an account, page for page and code for code.
func TestResetOfNobody(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	b, other := h.NewBrowser(t), h.NewBrowser(t)
	known, unknown := h.askReset(t, b, alices), h.askReset(t, other, "nobody@example.com")
	same := func(what string, a, b *authztest.Page) {
		t.Helper()
		mask := strings.NewReplacer(alices, "X", "nobody@example.com", "X", a.URL.Query().Get("id"), "ID", b.URL.Query().Get("id"), "ID",
			known.URL.Query().Get("id"), "ID", unknown.URL.Query().Get("id"), "ID", a.Text("request-id"), "R", b.Text("request-id"), "R")
		if a.Status != b.Status || mask.Replace(a.Body) != mask.Replace(b.Body) {
			t.Errorf("%s: %d and %d\n%s\n%s", what, a.Status, b.Status, mask.Replace(a.Body), mask.Replace(b.Body))
		}
	}
	same("asked", known, unknown)
	code := wrongCode(h.mailTo(t, "reset_password", alices).Code)
	for range 6 {
		same("code", post(t, b, known, "verify-submit", url.Values{"otp": {code}}), post(t, other, unknown, "verify-submit", url.Values{"otp": {code}}))
	}
	if h.mailsTo(t, "nobody@example.com") != 0 {
		t.Error("nobody got a mail")
	}
}

// TestLinksHaveTheIssuer: a request that claims to be for another host gets no link to it.
func TestLinksHaveTheIssuer(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	b := h.NewBrowser(t)
	request := b.Get(t, h.URL+"/reset").Submit(t, "reset-submit", url.Values{"email": {alices}})
	request.Host = "evil.example"
	request.Header.Set("X-Forwarded-Host", "evil.example")
	request.Header.Set("Forwarded", "host=evil.example;proto=https")
	request.Header.Set("Origin", h.URL)
	request.Header.Set("Sec-Fetch-Site", "same-origin")
	page := b.Do(t, request)
	if location := page.Header.Get("Location"); !strings.HasPrefix(location, h.URL+"/reset?") {
		t.Fatalf("%d, leads to %q", page.Status, location)
	}
	m := h.mailTo(t, "reset_password", alices)
	if !strings.HasPrefix(m.Link, h.URL+"/reset?link=") || strings.Contains(m.Text+m.HTML, "evil.example") {
		t.Errorf("link %s\n%s", m.Link, m.Text)
	}
}

// TestResetIsForSome: who is disabled gets no mail; who signs in in another way is told so.
func TestResetIsForSome(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	blackbox.DisableUser(t, h.Server, blackbox.AliceID(t, h.Server))
	h.askReset(t, h.NewBrowser(t), alices)
	if h.mailsTo(t, alices) != 0 {
		t.Error("a disabled user got a mail")
	}
	if page := post(t, h.NewBrowser(t), h.NewBrowser(t).Get(t, h.URL+"/reset"), "reset-submit", url.Values{"email": {"alice"}}); page.Status != http.StatusUnprocessableEntity {
		t.Errorf("no address: %d", page.Status)
	}
}

// TestResetAcrossReplicas: each request of a reset and of a sign-up comes to another server; they share the store.
func TestResetAcrossReplicas(t *testing.T) {
	t.Parallel()
	store := blackbox.OpenBolt(t)
	one := open(t, nil)
	h := house{authztest.StartReplicas(t, configWith(one, store), nil, store, store), one.box}
	b := h.NewBrowser(t)
	page := h.signUp(t, b, address, good)
	post(t, b, page, "verify-submit", url.Values{"otp": {h.mailTo(t, "prove_address", address).Code}})
	if !h.signedIn(t, b) {
		t.Error("signed up on one, not signed in on another")
	}
	page = h.askReset(t, b, address)
	page = post(t, b, page, "verify-submit", url.Values{"otp": {h.mailTo(t, "reset_password", address).Code}})
	post(t, b, page, "reset-submit", url.Values{"new-password": {better}})
	if !h.signsIn(t, address, better) {
		t.Error("the new password does not sign in")
	}
}

func configWith(h house, store storage.Store) authz.Config {
	return authz.Config{Store: store, Mail: authz.Mail{From: "id@example.com", Transport: h.box}, Accounts: authz.Accounts{Registration: authz.RegistrationOpen}}
}

var never time.Time
