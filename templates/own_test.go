package templates

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// ownFolder is a folder with templates of an operator's own.
func ownFolder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// An operator's templates stand in for ours, in every language; a part replaces one part; all else stays ours. What they
// show is escaped as in ours.
func TestOwnTemplates(t *testing.T) {
	dir := ownFolder(t, map[string]string{
		"home.html":  `{{define "heading"}}Harbour{{end}}{{define "content"}}<p id="own">{{lang}} {{.Page.Issuer}}</p><a id="leads" href="{{.Page.SignInURL}}">x</a>{{end}}`,
		"parts.html": `{{define "start"}}<li id="own-start">Here</li>{{end}}`,
		"letter.txt": "Own: {{.Heading}} {{.Link}}",
	})
	r := newRenderer(t, Branding{Templates: dir})
	for _, lang := range []string{"en", "ar"} {
		d := draw(t, r, lang, Home{Issuer: "https://id.example.com"})
		element(t, d.id("own"), lang+" https://id.example.com")
		element(t, d.id("own-start"), "Here")
		if d.heading() != "Harbour" || !d.has("request-id") {
			t.Errorf("%s: %s", lang, d.source)
		}
	}
	for _, attack := range attacks {
		d := draw(t, r, "en", Home{Issuer: attack, SignInURL: attack})
		for _, n := range d.all() {
			inert(t, "home "+attack, n)
		}
	}
	d := draw(t, r, "en", SignIn{Action: "/login", Password: true})
	if d.heading() != "Sign in" || !d.has("own-start") || !d.has("password") {
		t.Errorf("sign in: %s", d.source)
	}
	letters, err := NewLetters("id.example.com", Branding{Templates: dir})
	if err != nil {
		t.Fatal(err)
	}
	got, err := letters.Write("de", "", Letter{Message: "reset_password", Link: "https://id.example.com/reset"})
	if err != nil || !strings.HasPrefix(got.Text, "Own: ") || !strings.Contains(got.Text, "https://id.example.com/reset") || !strings.Contains(got.HTML, `lang="de"`) {
		t.Errorf("%v, %+v", err, got)
	}
}

// What is no template is refused by both, with its file.
func TestOwnTemplatesErrors(t *testing.T) {
	dir := ownFolder(t, map[string]string{"signin.html": "x", "home.html": strings.Repeat("x", MaxTemplate+1)})
	_, pages := New(someIssuer, Branding{Templates: dir})
	_, letters := NewLetters("id.example.com", Branding{Templates: dir})
	for _, err := range []error{pages, letters} {
		if err == nil || !strings.Contains(err.Error(), filepath.Join(dir, "signin.html")+":1: ") || !strings.Contains(err.Error(), "home.html:1: 262145 bytes") {
			t.Errorf("%v", err)
		}
	}
	for _, name := range []string{"../catalogue/en/mail.json", "html/home.html", "", "letter.", "home"} {
		if text, err := Template(name); err == nil {
			t.Errorf("Template(%q) = %.40q", name, text)
		}
	}
}

// Each page has its template among the names, and each name can be printed.
func TestTemplateNames(t *testing.T) {
	names := TemplateNames()
	for shows, page := range everyPage() {
		if !slices.Contains(names, NameOf(page)+".html") {
			t.Errorf("%s: %s is not listed", shows, NameOf(page))
		}
	}
	for _, name := range names {
		if text, err := Template(name); err != nil || text == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Every language lists the texts that an operator can replace, and its own texts are taken in place of themselves.
func TestCatalogueTexts(t *testing.T) {
	for _, lang := range languages {
		texts, err := CatalogueTexts(lang)
		if err != nil || len(texts) == 0 {
			t.Fatalf("%s: %v", lang, err)
		}
		own := map[string]string{}
		for key, text := range texts {
			own[key+"#"+lang] = text
		}
		if err := (Branding{Texts: own}).CheckTexts(); err != nil {
			t.Errorf("%s: %v", lang, err)
		}
	}
	texts, err := CatalogueTexts("en")
	if err != nil {
		t.Fatal(err)
	}
	texts["sign_in.heading"] = "changed"
	if again, _ := CatalogueTexts("en"); again["sign_in.heading"] != "Sign in" || reflect.DeepEqual(again, texts) {
		t.Error("the caller can change our texts")
	}
}

// FuzzTexts: whatever an operator writes as a text, it is refused or shown as text.
func FuzzTexts(f *testing.F) {
	f.Add("sign_in.heading", "Welcome")
	f.Add("sign_in.heading#de", "<script>alert(1)</script>")
	f.Add("back_to", "Back to {client}{{.}}")
	f.Add("ago.minutes#few#pl", "{count} min")
	f.Add("#", "#")
	f.Fuzz(func(t *testing.T, key, text string) {
		b := Branding{Texts: map[string]string{key: text}}
		if b.CheckTexts() != nil {
			return
		}
		d := draw(t, newRenderer(t, b), "en", SignIn{Action: "/login", Password: true})
		for _, n := range d.all() {
			inert(t, "sign in", n)
		}
		if len(d.all("script")) > 0 || !d.has("password") {
			t.Errorf("%q: %q changes the page", key, text)
		}
	})
}
