package templates

import (
	"strings"
	"testing"
)

func TestDevice(t *testing.T) {
	r, pages := newRenderer(t, Branding{}), everyPage()
	d := draw(t, r, "en", pages["device code"])
	if got := d.heading(); got != "Connect a device" {
		t.Errorf("heading %q", got)
	}
	element(t, d.id("user_code"), "", "name", "user_code", "type", "text", "autocomplete", "off", "autocapitalize", "characters",
		"value", "", "aria-describedby", "user_code-hint")
	element(t, d.id("device-submit"), "Continue", "type", "submit")
	if !has(d.id("user_code"), "autofocus") || d.has("problem") {
		t.Error("a fresh page has the caret in the code and no problem")
	}

	d = draw(t, r, "en", pages["device code, failed"])
	element(t, d.id("problem"), "That code isn’t right Check it on your device and try again.", "role", "alert")
	element(t, d.id("user_code"), "", "value", "wdjb mjht", "aria-describedby", "user_code-hint problem", "aria-invalid", "true")
	d = draw(t, r, "en", DeviceCode{Problem: TooManyAttempts})
	if has(d.id("user_code"), "aria-invalid") {
		t.Error("a lock-out calls the code invalid")
	}

	d = draw(t, r, "en", pages["device"])
	if got := d.heading(); got != "Connect “Orders”?" {
		t.Errorf("heading %q", got)
	}
	element(t, d.id("shown-code"), "WDJB-MJHT")
	allow, deny := d.id("consent-allow"), d.id("consent-deny")
	element(t, allow, "Allow", "name", "decision", "value", "allow", "type", "submit")
	element(t, deny, "Don’t allow", "name", "decision", "value", "deny", "type", "submit")
	element(t, d.id("other-account"), "Not you?", "href", "/login?other")
	page := text(d.root)
	for _, want := range []string{
		"Only if the device is in front of you", "Know who you are", "Orders API orders.read", "Payment For Bank API",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("page does not say %q", want)
		}
	}
	if attr(allow, "class") != attr(deny, "class") || strings.Contains(page, "app.example.com") {
		t.Error("Allow and Deny look different, or the page leads to a redirect URI")
	}

	for name, want := range map[string]string{
		"device, allowed": "Your device is connected id.example.com You’re here Orders Connected Go back to your device: Orders will continue there in a moment.",
		"device, denied":  "Your device isn’t connected id.example.com You’re here Orders Not connected Orders won’t get access to your account.",
	} {
		if got := text(draw(t, r, "en", pages[name]).all("main")[0]); !strings.HasPrefix(got, "authzd "+want) {
			t.Errorf("%s reads %q, want %q", name, got, want)
		}
	}
}
