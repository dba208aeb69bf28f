package templates

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/authzd/authzd/templates/brand"
)

// TestRulesUseThePalette: no colour is written into the rules, where nothing would check it.
func TestRulesUseThePalette(t *testing.T) {
	rules, err := assetFiles.ReadFile("assets/style.css")
	if err != nil {
		t.Fatal(err)
	}
	declared, err := brand.Stylesheet(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, use := range regexp.MustCompile(`var\(--([a-z-]+)\)`).FindAllStringSubmatch(string(rules), -1) {
		if !strings.Contains(declared, "--"+use[1]+":") {
			t.Errorf("--%s is not declared", use[1])
		}
	}
	if found := regexp.MustCompile(`#[0-9a-fA-F]{3,8}\b|\b(hsl|oklch|lab)\(|url\(|@import`).FindString(string(rules)); found != "" {
		t.Errorf("the rules contain %q", found)
	}
}

// TestBrandingErrors: all of them at once, each with what to write instead.
func TestBrandingErrors(t *testing.T) {
	_, err := New(someIssuer, Branding{LogoFile: "logo.exe", CSS: map[string]string{
		"accent": "red", "colour": "#fff", "radius": "8", "font": "x;}", "radius-dark": "1px",
	}})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`branding css accent: "red" is not a colour: write #rgb or #rrggbb`,
		`branding css "colour": no such variable; there are accent, background,`,
		`branding css radius: "8" is not a length`,
		`branding css font: "x;}" is not a list of fonts`,
		`branding css "radius-dark": no such variable`,
		`logo logo.exe: must be`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%v", want, err)
		}
	}
	_, err = New(someIssuer, Branding{CSS: map[string]string{"accent": "#ffff00", "on-accent": "#ffffff"}})
	if err == nil || !strings.Contains(err.Error(), "branding css, light mode: on-accent #ffffff on accent #ffff00") {
		t.Errorf("an illegible button passes: %v", err)
	}
}

// TestBrandTexts: an operator's text replaces ours, in all languages or in one. What would break a page is refused.
func TestBrandTexts(t *testing.T) {
	r := newRenderer(t, Branding{Texts: map[string]string{
		"sign_in.heading": "Welcome", "sign_in.heading#de": "Willkommen <b>", "ago.minutes#other": "{count} min", "ago.minutes#other#de": "{count} Min.",
	}})
	for lang, want := range map[string]string{"en": "Welcome", "fr": "Welcome", "de": "Willkommen <b>"} {
		if got := draw(t, r, lang, SignIn{}).heading(); got != want {
			t.Errorf("%s: %q, want %q", lang, got, want)
		}
	}
	_, err := New(someIssuer, Branding{Texts: map[string]string{
		"sign_in.nothing": "x", "sign_in.heading#xx": "x", "back_to": "Back", "not_you": "Not {client}?",
	}})
	for _, want := range []string{
		`branding texts "sign_in.nothing": no such text`, `branding texts "sign_in.heading#xx": no such text, or no such language`,
		`branding texts "back_to": must have the placeholders {client}`, `branding texts "not_you": must have no placeholders`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q: %v", want, err)
		}
	}
}

// TestBrandFiles: the links, the logo of dark mode and the backdrop.
func TestBrandFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"day.svg", "night.svg", "sea.svg"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("<svg>"+name+"</svg>"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := newRenderer(t, Branding{
		Name: "Harbour", LogoFile: filepath.Join(dir, "day.svg"), LogoDarkFile: filepath.Join(dir, "night.svg"), BackdropFile: filepath.Join(dir, "sea.svg"),
		HelpURL: "https://help.example.com/", ImprintURL: "https://example.com/imprint", PrivacyURL: "javascript:alert(1)",
	})
	d := draw(t, r, "en", SignIn{})
	element(t, d.id("help"), "Help", "href", "https://help.example.com/")
	element(t, d.id("imprint"), "Imprint", "href", "https://example.com/imprint")
	if d.has("privacy") {
		t.Error("a link runs a script")
	}
	element(t, d.all("source")[0], "", "srcset", r.assets.urls["logo-dark"], "media", "(prefers-color-scheme: dark)")
	w := httptest.NewRecorder()
	r.Assets().ServeHTTP(w, httptest.NewRequest("GET", r.assets.urls["style.css"], nil))
	if !strings.Contains(w.Body.String(), "--backdrop:url("+r.assets.urls["backdrop"]+")") {
		t.Errorf("the backdrop is not in the style sheet: %.300s", w.Body)
	}
	for _, b := range []Branding{{LogoDarkFile: "x.exe"}, {BackdropFile: filepath.Join(dir, "nothing.svg")}} {
		if _, err := New(someIssuer, b); err == nil {
			t.Errorf("%+v is taken", b)
		}
	}
}

func TestBrandName(t *testing.T) {
	d := draw(t, newRenderer(t, Branding{Name: "Northwind"}), "en", SignIn{})
	if got := text(d.class("brand")[0]); got != "N Northwind" {
		t.Errorf("header reads %q", got)
	}
	if got := text(d.all("title")[0]); got != "Sign in · Northwind" {
		t.Errorf("title %q", got)
	}
	if got := text(draw(t, newRenderer(t, Branding{}), "en", SignIn{}).class("brand")[0]); got != "authzd" {
		t.Errorf("header without branding reads %q", got)
	}
}
