package templates

import (
	"strings"
	"testing"
)

func TestDevMail(t *testing.T) {
	r, pages := newRenderer(t, Branding{}), everyPage()
	d := draw(t, r, "en", pages["mail of development"])
	if got := d.heading(); got != "Choose a new password for authzd" {
		t.Errorf("heading %q", got)
	}
	element(t, d.id("mail-link"), "Open the link", "href", "/reset")
	element(t, d.id("mail-code"), "12345678")
	element(t, d.id("mail-to"), "alice@example.com")
	if d = draw(t, r, "en", pages["no mails of development"]); !d.has("no-mails") || d.has("mails") {
		t.Error("an empty list does not say so")
	}
}

// TestLetterColours: a mail has the colours of the operator, in both modes.
func TestLetterColours(t *testing.T) {
	letters, err := NewLetters("id.example.com", Branding{Name: "Example", CSS: map[string]string{"accent": "#0a58ca", "accent-dark": "#7aa2f7"}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := letters.Write("", "", Letter{Message: "test"})
	if err != nil || !strings.Contains(got.HTML, "background: #0a58ca") || !strings.Contains(got.HTML, "background: #7aa2f7") || strings.Contains(got.HTML, "ZgotmplZ") {
		t.Errorf("%v\n%s", err, got.HTML)
	}
}
