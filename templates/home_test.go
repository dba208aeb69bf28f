package templates

import "testing"

func TestHome(t *testing.T) {
	r, pages := newRenderer(t, Branding{}), everyPage()
	d := draw(t, r, "en", pages["home"])
	if got := d.heading(); got != "Your account at id.example.com" {
		t.Errorf("heading %q", got)
	}
	element(t, d.id("issuer"), "https://id.example.com")
	element(t, d.id("home-sign-in"), "Sign in", "href", "/login")
	element(t, d.id("home-playground"), "Try a sign-in", "href", "/playground")
	element(t, d.id("home-discovery"), "Open the document", "href", "/.well-known/openid-configuration")

	d = draw(t, r, "en", pages["home, signed in"])
	element(t, d.id("home-account"), "Go to your account", "href", "/account")
	if d.has("home-sign-in") || d.has("home-playground") || d.has("home-discovery") {
		t.Error("links that were not asked for")
	}
}
