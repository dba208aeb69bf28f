package templates

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// wellFormed is a sheet of declarations and nothing else: the two blocks that stylesheet writes.
var wellFormed = regexp.MustCompile(`^:root\{color-scheme:light dark;(--[a-z-]+:[^;{}<>\\@/*()!]+;)+\}\n` +
	`@media \(prefers-color-scheme:dark\)\{:root\{(--[a-z-]+:#[0-9a-fA-F]+;)+\}\}\n$`)

func TestContrast(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want float64
	}{
		{"#000000", "#ffffff", 21},
		{"#fff", "#fff", 1},
		{"#777", "#ffffff", 4.48}, // the example that just fails AA
		{"#00f", "#FFFFFF", 8.59},
	} {
		if got := contrast(c.a, c.b); got < c.want-0.005 || got > c.want+0.005 || got != contrast(c.b, c.a) {
			t.Errorf("contrast(%s, %s) = %.3f, want %.2f", c.a, c.b, got, c.want)
		}
	}
}

// TestPaletteIsLegible: WCAG 2.2 AA in both themes, for every pair of colours that meets.
func TestPaletteIsLegible(t *testing.T) {
	if _, err := (Branding{}).stylesheet(); err != nil {
		t.Error(err)
	}
	for name, theme := range map[string]palette{"light": light, "dark": dark} {
		for colour := range theme {
			paired := slices.ContainsFunc(legible, func(p struct {
				colour, on string
				min        float64
			}) bool {
				return p.colour == colour || p.on == colour
			})
			if !paired && colour != "border" { // decoration
				t.Errorf("nothing proves that %s is legible in %s mode", colour, name)
			}
		}
	}
	bad := palette{"text": "#777777", "surface": "#ffffff"}
	if err := bad.check("light"); err == nil || !strings.Contains(err.Error(), "text #777777 on surface #ffffff has a contrast of 4.48, WCAG AA asks for 4.5") {
		t.Errorf("a bad palette passes: %v", err)
	}
}

// TestRulesUseThePalette: no colour is written into the rules, where nothing would check it.
func TestRulesUseThePalette(t *testing.T) {
	rules, err := assetFiles.ReadFile("assets/style.css")
	if err != nil {
		t.Fatal(err)
	}
	declared, err := (Branding{}).stylesheet()
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

func TestBranding(t *testing.T) {
	css, err := Branding{CSS: map[string]string{
		"accent": "#ffd400", "surface-dark": "#111", "radius": "0.25rem", "font": `"Inter Display", 'Segoe UI', sans-serif`,
	}}.stylesheet()
	if err != nil {
		t.Fatal(err)
	}
	day, night, _ := strings.Cut(css, "@media")
	for _, want := range []string{"--accent:#ffd400;", "--on-accent:#000000;", "--link:#161922;", "--radius:0.25rem;", `--font:"Inter Display", 'Segoe UI', sans-serif;`} {
		if !strings.Contains(day, want) {
			t.Errorf("light mode lacks %s in %s", want, day)
		}
	}
	for _, want := range []string{"--accent:#ffd400;", "--on-accent:#000000;", "--link:#ffd400;", "--surface:#111;"} {
		if !strings.Contains(night, want) {
			t.Errorf("dark mode lacks %s in %s", want, night)
		}
	}
}

// TestBrandingErrors: all of them at once, each with what to write instead.
func TestBrandingErrors(t *testing.T) {
	_, err := New("", Branding{LogoFile: "logo.exe", CSS: map[string]string{
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
	_, err = New("", Branding{CSS: map[string]string{"accent": "#ffff00", "on-accent": "#ffffff"}})
	if err == nil || !strings.Contains(err.Error(), "branding css, light mode: on-accent #ffffff on accent #ffff00") {
		t.Errorf("an illegible button passes: %v", err)
	}
}

func TestBrandName(t *testing.T) {
	d := draw(t, newRenderer(t, Branding{Name: "Northwind"}), "en", SignIn{})
	if got := text(d.all("header")[0]); got != "NNorthwind" {
		t.Errorf("header reads %q", got)
	}
	if got := text(d.all("title")[0]); got != "Sign in · Northwind" {
		t.Errorf("title %q", got)
	}
	if got := text(draw(t, newRenderer(t, Branding{}), "en", SignIn{}).all("header")[0]); got != "authzd" {
		t.Errorf("header without branding reads %q", got)
	}
}

func FuzzBrandingCSS(f *testing.F) {
	f.Add("accent", "#1f4fd1")
	f.Add("font", `"a", 'b', c-d`)
	f.Add("font", `"a;}body{background:url(//evil.example)}`)
	f.Add("radius", "8px;}</style>")
	f.Add("accent-dark", "#fff/**/")
	f.Add("x:y;--accent", "#fff")
	f.Fuzz(func(t *testing.T, name, value string) {
		css, err := Branding{CSS: map[string]string{name: value}}.stylesheet()
		if err == nil && !wellFormed.MatchString(css) {
			t.Errorf("%q: %q makes %q", name, value, css)
		}
		if err == nil && (strings.Count(css, `"`)%2 != 0 || strings.Count(css, `'`)%2 != 0) {
			t.Errorf("%q: %q leaves a quote open: %q", name, value, css)
		}
	})
}

// FuzzAccent: any accent alone makes legible pages.
func FuzzAccent(f *testing.F) {
	f.Add(byte(0x75), byte(0x75), byte(0x75))
	f.Add(byte(255), byte(255), byte(0))
	f.Add(byte(0), byte(0), byte(255))
	f.Fuzz(func(t *testing.T, red, green, blue byte) {
		accent := fmt.Sprintf("#%02x%02x%02x", red, green, blue)
		for _, name := range []string{"accent", "accent-dark"} {
			if _, err := (Branding{CSS: map[string]string{name: accent}}).stylesheet(); err != nil {
				t.Error(err)
			}
		}
	})
}
