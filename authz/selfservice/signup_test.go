package selfservice_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/storage"
)

// TestSignUpByCode: a person leaves the sign-in page of an app to sign up, types the code, and comes to the app.
func TestSignUpByCode(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	b := h.NewBrowser(t)
	login := b.Get(t, b.Ask(t, authztest.SPA, nil).Header.Get("Location"))
	page := b.Get(t, login.Link("signup"))
	if !strings.Contains(page.Body, ">spa<") {
		t.Error("the page does not name the app that waits")
	}
	page = post(t, b, page, "signup-submit", url.Values{"name": {"  Do   Dodo "}, "email": {" Dodo@Example.org "}, "new-password": {good}})
	m := h.mailTo(t, "prove_address", "Dodo@Example.org")
	if h.userOf(t, address) != nil {
		t.Fatal("there is an account before the address is proved")
	}
	if _, _, err := storage.Usernames.Get(t.Context(), h.Store, address); err == nil {
		t.Error("the sign-up reserves a username")
	}
	if strings.Contains(m.Text, "Dodo ") || len(m.Code) != 8 || !strings.HasPrefix(m.Link, h.URL+"/verify?link=") {
		t.Errorf("mail: code %q, link %q\n%s", m.Code, m.Link, m.Text)
	}
	done := b.Walk(t, follow(t, b, page.Submit(t, "verify-submit", url.Values{"otp": {m.Code}})))
	if done.Params.Get("code") == "" {
		t.Fatalf("the app gets no code: %s", done)
	}
	user := h.userOf(t, address)
	if user == nil || user.Username != "Dodo@Example.org" || user.Profile.Name != "Do Dodo" || !user.Profile.EmailVerified || user.EmailFrom != storage.EmailByUser {
		t.Errorf("user %+v", user)
	}
	if !h.signsIn(t, "dodo@example.org", good) || h.signsIn(t, "dodo@example.org", better) {
		t.Error("the password of the sign-up does not sign in, or another does")
	}
	if again := b.Get(t, m.Link); again.Status != http.StatusGone || again.Text("error-code") != "link_expired" {
		t.Errorf("the link after the code: %d", again.Status)
	}
}

// follow sends a request, and returns where it leads.
func follow(t *testing.T, b *authztest.Browser, request *http.Request) string {
	t.Helper()
	page := b.Do(t, request)
	if page.Header.Get("Location") == "" {
		t.Fatalf("%s leads nowhere: %d\n%.1500s", request.URL, page.Status, page.Body)
	}
	return page.Header.Get("Location")
}

// TestSignUpByLink: in the browser that signed up, the link keeps the password and signs in, once a person sends the
// form. Programs that open links change nothing.
func TestSignUpByLink(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	b := h.NewBrowser(t)
	h.signUp(t, b, address, good)
	link := h.mailTo(t, "prove_address", address).Link
	for range 10 {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			request, err := http.NewRequest(method, link, nil)
			if err != nil {
				t.Fatal(err)
			}
			if page := h.NewBrowser(t).Do(t, request); page.Status != http.StatusOK {
				t.Fatalf("%s: %d", method, page.Status)
			}
		}
	}
	page := b.Get(t, link)
	if page.Has("new-password") || h.userOf(t, address) != nil {
		t.Error("the browser that signed up is asked for a password, or opening the link made the account")
	}
	if strings.Contains(page.Body, "<script") {
		t.Error("a script could send the form")
	}
	if page = post(t, b, page, "verify-submit", nil); !h.signedIn(t, b) || !h.signsIn(t, address, good) {
		t.Errorf("after the link: %d\n%.500s", page.Status, page.Body)
	}
}

// TestSignUpElsewhere: somebody signs up with the address of a victim. The victim opens the link, sees who, when and
// from where, and takes the account with another password: nothing of the attacker's is left.
func TestSignUpElsewhere(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	attacker, victim := h.NewBrowser(t), h.NewBrowser(t)
	code := h.signUp(t, attacker, address, good)
	m := h.mailTo(t, "prove_address", address)
	page := victim.Get(t, m.Link)
	if page.Text("begun-username") != address || page.Text("begun-from") != "127.0.0.1" || page.Text("begun-at") == "" {
		t.Errorf("the page does not say who began it: %.3000s", page.Body)
	}
	for what, fields := range map[string]url.Values{
		"no password":     {"name": {"Victim"}, "new-password": {""}},
		"no name":         {"name": {""}, "new-password": {better}},
		"a weak password": {"name": {"Victim"}, "new-password": {"QWERTYuiop123456789"}},
		"the address":     {"name": {"Victim"}, "new-password": {address}},
	} {
		if refused := post(t, victim, page, "verify-submit", fields); refused.Status != http.StatusUnprocessableEntity || h.userOf(t, address) != nil {
			t.Errorf("%s: %d", what, refused.Status)
		}
	}
	done := post(t, victim, page, "verify-submit", url.Values{"name": {"Victim"}, "new-password": {better}})
	if done.Status != http.StatusOK || !done.Has("notice") || h.signedIn(t, victim) {
		t.Errorf("a link signs in another browser: %d", done.Status)
	}
	if h.signsIn(t, address, good) || !h.signsIn(t, address, better) {
		t.Error("the attacker's password signs in, or the victim's does not")
	}
	if late := post(t, attacker, code, "verify-submit", url.Values{"otp": {m.Code}}); h.signedIn(t, attacker) || late.Status == http.StatusOK {
		t.Errorf("the attacker's browser: %d", late.Status)
	}
	if user := h.userOf(t, address); user.Profile.Name != "Victim" {
		t.Errorf("name %q", user.Profile.Name)
	}
}

// TestSignUpDeclined: the victim says no, and nothing is left.
func TestSignUpDeclined(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	attacker := h.NewBrowser(t)
	code := h.signUp(t, attacker, address, good)
	m := h.mailTo(t, "prove_address", address)
	victim := h.NewBrowser(t)
	if page := post(t, victim, victim.Get(t, m.Link), "verify-cancel", nil); page.Status != http.StatusOK {
		t.Errorf("declined: %d", page.Status)
	}
	post(t, attacker, code, "verify-submit", url.Values{"otp": {m.Code}})
	if h.userOf(t, address) != nil || h.signedIn(t, attacker) {
		t.Error("there is an account after all")
	}
}

// TestSignUpWithTakenAddress: the page and the time are the same as for a free address, and the owner gets a mail.
func TestSignUpWithTakenAddress(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	users, err := storage.Users.Scan(t.Context(), h.Store, "", "", 10)
	if err != nil || len(users) != 1 {
		t.Fatal(len(users), err)
	}
	b := h.NewBrowser(t)
	taken := h.signUp(t, b, "ALICE@example.com", good)
	free := h.signUp(t, h.NewBrowser(t), address, good)
	mask := strings.NewReplacer("ALICE@example.com", "X", address, "X", taken.URL.Query().Get("id"), "ID", free.URL.Query().Get("id"), "ID",
		taken.Text("request-id"), "R", free.Text("request-id"), "R")
	if a, b := mask.Replace(taken.Body), mask.Replace(free.Body); a != b {
		t.Errorf("the pages differ:\n%s\n%s", a, b)
	}
	h.mailTo(t, "already_registered", "ALICE@example.com")
	if m := h.mailTo(t, "already_registered", "ALICE@example.com"); m.Code != "" || strings.Contains(m.Text, "/verify") {
		t.Errorf("the owner's mail has a code or a link: %s", m.Text)
	}
	for _, code := range []string{"00000000", h.mailTo(t, "prove_address", address).Code} {
		if page := post(t, b, taken, "verify-submit", url.Values{"otp": {code}}); page.Status != http.StatusUnprocessableEntity || !page.Has("problem") {
			t.Errorf("code %s: %d", code, page.Status)
		}
	}
	if h.signedIn(t, b) || !h.signsIn(t, authztest.Username, authztest.Password) {
		t.Error("the account of the owner is touched")
	}
}

// TestSignUpRefuses has what is wrong with what was typed. Nothing is stored, and no mail goes out.
func TestSignUpRefuses(t *testing.T) {
	t.Parallel()
	h := open(t, func(c *authz.Config) { c.Accounts.AllowedDomains = []string{"example.org", "BÜCHER.example"} })
	b := h.NewBrowser(t)
	page := b.Get(t, h.URL+"/signup")
	for what, fields := range map[string]url.Values{
		"no name":              {"name": {" "}},
		"no address":           {"email": {""}},
		"no password":          {"new-password": {""}},
		"a bidi mark":          {"name": {"Do\u202eDodo"}},
		"a line separator":     {"name": {"Do\u2028Bcc: x"}},
		"a zero-width space":   {"name": {"Do\u200bDodo"}},
		"a long name":          {"name": {strings.Repeat("o", 101)}},
		"another domain":       {"email": {"dodo@example.com"}},
		"a domain below":       {"email": {"dodo@mail.example.org"}},
		"a domain that begins": {"email": {"dodo@example.org.evil.example"}},
		"two addresses":        {"email": {"dodo@example.org,eve@example.org"}},
		"a named address":      {"email": {"Dodo <dodo@example.org>"}},
		"14 code points":       {"new-password": {"dödö über alle"}},
		"a common password":    {"new-password": {"QWERTYuiop123456789"}},
		"the address":          {"new-password": {"Dodo@Example.org"}},
		"the name":             {"name": {"Do Dodo the Great of Wonderland"}, "new-password": {"do dodo the great of wonderland"}},
		"257 code points":      {"new-password": {strings.Repeat("x", 257)}},
	} {
		form := url.Values{"name": {"Do Dodo"}, "email": {address}, "new-password": {good}}
		for name, value := range fields {
			form[name] = value
		}
		refused := post(t, b, page, "signup-submit", form)
		if refused.Status != http.StatusUnprocessableEntity || !refused.Has("problem") && !refused.Has("new-password-refused") {
			t.Errorf("%s: %d\n%.300s", what, refused.Status, refused.Body)
		}
		if strings.Contains(refused.Body, good) {
			t.Errorf("%s: the page has the password", what)
		}
	}
	for _, name := range []string{"Do\r\nBcc: eve@example.org", "Do\x00"} {
		if refused := post(t, b, page, "signup-submit", url.Values{"name": {name}, "email": {address}, "new-password": {good}}); refused.Status < 400 {
			t.Errorf("%q: %d", name, refused.Status)
		}
	}
	proofs, err := storage.Proofs.Scan(t.Context(), h.Store, "", "", 10)
	if err != nil || len(proofs) != 0 || len(h.box.Mails()) != 0 {
		t.Errorf("%d sign-ups are kept, %d mails are sent, %v", len(proofs), len(h.box.Mails()), err)
	}
	for _, allowed := range []string{"dodo@EXAMPLE.org", "dodo@xn--bcher-kva.example"} {
		h.signUp(t, h.NewBrowser(t), allowed, good)
	}
}

// TestCodeIsTriedFiveTimes: then the right one is refused, here as at a decoy, and another mail goes on.
func TestCodeIsTriedFiveTimes(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	b := h.NewBrowser(t)
	page := h.signUp(t, b, address, good)
	first := h.mailTo(t, "prove_address", address)
	for range 5 {
		page = post(t, b, page, "verify-submit", url.Values{"otp": {wrongCode(first.Code)}})
	}
	if page = post(t, b, page, "verify-submit", url.Values{"otp": {first.Code}}); page.Status != http.StatusUnprocessableEntity || h.signedIn(t, b) {
		t.Errorf("a sixth code: %d", page.Status)
	}
	if other := h.NewBrowser(t); post(t, other, page, "verify-submit", url.Values{"otp": {first.Code}}).Status != http.StatusGone {
		t.Error("the code works in another browser")
	}
	page = post(t, b, page, "again", nil)
	if h.mailsTo(t, address) != 2 {
		t.Fatal("no second mail")
	}
	second := h.mailTo(t, "prove_address", address)
	if old := b.Get(t, first.Link); old.Status != http.StatusGone {
		t.Errorf("the first link: %d", old.Status)
	}
	post(t, b, page, "verify-submit", url.Values{"otp": {second.Code[:4] + " " + second.Code[4:]}})
	if !h.signedIn(t, b) {
		t.Error("the second code does not sign in")
	}
}

// TestPromptCreate: an app that wants a new account leads to the sign-up page (Initiating User Registration via OpenID
// Connect 1.0). A person who has an account can sign in instead.
func TestPromptCreate(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	create := url.Values{"prompt": {"create"}}
	b := h.NewBrowser(t)
	if led := b.Ask(t, authztest.SPA, create); led.LedTo(t) != "/signup" {
		t.Errorf("leads to %s", led.LedTo(t))
	}
	signedIn := h.SignedIn(t, nil)
	page := signedIn.Get(t, signedIn.Ask(t, authztest.SPA, create).Header.Get("Location"))
	if page.URL.Path != "/signup" {
		t.Fatalf("a signed-in person comes to %s", page.URL.Path)
	}
	page = signedIn.Get(t, page.Link("login"))
	answer := signedIn.Walk(t, follow(t, signedIn, page.Submit(t, "login-submit", url.Values{"username": {authztest.Username}, "password": {authztest.Password}})))
	if answer.Params.Get("code") == "" {
		t.Errorf("after a sign-in instead: %s", answer)
	}
	if got := h.NewBrowser(t).Ask(t, authztest.SPA, url.Values{"prompt": {"none create"}}).Redirect(t); got.Get("error") != "invalid_request" {
		t.Errorf("none create: %v", got)
	}
	off := open(t, func(c *authz.Config) { c.Accounts.Registration = authz.RegistrationOff })
	if led := off.NewBrowser(t).Ask(t, authztest.SPA, create); led.LedTo(t) != "/login" {
		t.Errorf("without registration: %s", led.LedTo(t))
	}
}

// TestWhatIsNotOffered: without mail, and as the configuration says, pages are not there and nothing leads to them.
func TestWhatIsNotOffered(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		change      func(*authz.Config)
		there, away []string
	}{
		"no mail": {func(c *authz.Config) { c.Mail = authz.Mail{} }, []string{"/account/profile"}, []string{"/signup", "/verify", "/reset", "/account/email"}},
		"off":     {func(c *authz.Config) { c.Accounts.Registration = "" }, []string{"/reset"}, []string{"/signup", "/verify"}},
		"invite":  {func(c *authz.Config) { c.Accounts.Registration = authz.RegistrationInvite }, []string{"/reset"}, []string{"/signup", "/verify"}},
	} {
		h := open(t, row.change)
		b := h.NewBrowser(t)
		for _, path := range row.away {
			if page := b.Get(t, h.URL+path); page.Status != http.StatusNotFound {
				t.Errorf("%s: %s: %d", name, path, page.Status)
			}
		}
		for _, path := range row.there {
			if page := b.Get(t, h.URL+path); page.Status == http.StatusNotFound {
				t.Errorf("%s: no %s", name, path)
			}
		}
		login := b.Get(t, h.URL+"/login")
		if login.Has("signup") || login.Has("forgot-password") == (name == "no mail") {
			t.Errorf("%s: links of the sign-in page", name)
		}
	}
}
