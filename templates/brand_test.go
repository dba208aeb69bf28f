package templates

import (
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
