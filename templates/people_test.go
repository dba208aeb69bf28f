package templates

import (
	"strings"
	"testing"
)

func TestSignUpPage(t *testing.T) {
	r, pages := newRenderer(t, Branding{}), everyPage()
	d := draw(t, r, "en", pages["sign up"])
	element(t, d.id("name"), "", "autocomplete", "name")
	element(t, d.id("email"), "", "type", "email", "autocomplete", "email")
	element(t, d.id("new-password"), "", "type", "password", "autocomplete", "new-password", "value", "")
	element(t, d.id("signup-submit"), "Create account", "type", "submit")
	element(t, d.id("login"), "Sign in", "href", "/login")

	d = draw(t, r, "en", pages["sign up, failed"])
	element(t, d.id("name"), "", "value", "Alice Liddell")
	element(t, d.id("email"), "", "value", "alice@example.org", "aria-invalid", "true", "aria-describedby", "email-hint problem")
	if said := text(d.id("email-hint")); !strings.Contains(said, "example.com, bücher.example") {
		t.Errorf("the hint says %q", said)
	}
}

func TestCodePage(t *testing.T) {
	r, pages := newRenderer(t, Branding{}), everyPage()
	d := draw(t, r, "en", pages["check mail"])
	element(t, d.id("otp"), "", "autocomplete", "one-time-code", "inputmode", "numeric", "value", "")
	element(t, d.id("again"), "Send another mail", "name", "again", "value", "yes")
	if !strings.Contains(text(d.root), "alice@example.com") || has(d.id("otp"), "aria-invalid") {
		t.Error("the page does not name the address, or calls a fresh field invalid")
	}
	d = draw(t, r, "en", pages["check mail, failed"])
	element(t, d.id("otp"), "", "aria-invalid", "true", "aria-describedby", "otp-hint problem", "value", "")
}

// The page for another browser says who, when and from where, asks for a password, and can be declined.
func TestConfirmAddressPage(t *testing.T) {
	r, pages := newRenderer(t, Branding{}), everyPage()
	d := draw(t, r, "en", pages["confirm address"])
	if d.has("new-password") || d.has("verify-cancel") || d.has("begun-elsewhere") {
		t.Error("the browser that signed up is asked for more than a click")
	}
	d = draw(t, r, "en", pages["confirm address, elsewhere"])
	element(t, d.id("begun-username"), "alice@example.com")
	element(t, d.id("begun-from"), "203.0.113.7")
	element(t, d.id("new-password"), "", "autocomplete", "new-password", "value", "")
	element(t, d.id("verify-cancel"), "No, it wasn’t me", "value", "cancel")
	if !strings.Contains(text(d.id("begun-at")), "29 November 2026") {
		t.Errorf("time: %q", text(d.id("begun-at")))
	}
}

// Every notice and every reason against a password has a text.
func TestEveryNoticeHasTexts(t *testing.T) {
	all, err := loadCatalogues()
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, what := range []NoticeOf{PasswordSaved, AccountReady, SignUpDeclined, AccountGone, AddressSaved, ChangeStopped} {
		keys = append(keys, "notice."+string(what)+".heading", "notice."+string(what)+".text", "notice."+string(what)+".next")
	}
	for _, reason := range []Weakness{"too_short", "too_long", "unusable", "common", "personal", "server", "leaked"} {
		keys = append(keys, "new_password."+string(reason))
	}
	for lang, texts := range all {
		for _, key := range keys {
			if texts[key] == "" {
				t.Errorf("%s has no text %q", lang, key)
			}
		}
	}
	r := newRenderer(t, Branding{})
	d := draw(t, r, "en", SignUp{NewPassword: NewPassword{Least: 15, Refused: "common"}})
	element(t, d.id("new-password"), "", "aria-invalid", "true", "aria-describedby", "new-password-refused new-password-rules", "pattern", ".{15,}")
	if said := text(d.id("new-password-refused")); !strings.Contains(said, "attackers try first") {
		t.Errorf("the page says %q", said)
	}
}
