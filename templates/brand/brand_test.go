package brand

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
	if _, err := Stylesheet(nil); err != nil {
		t.Error(err)
	}
	for name, theme := range map[string]palette{"light": light, "dark": dark} {
		for colour := range theme {
			paired := slices.ContainsFunc(legible, func(p pair) bool {
				return p.colour == colour || p.on == colour
			})
			if !paired && !slices.Contains(decoration, colour) {
				t.Errorf("nothing proves that %s is legible in %s mode", colour, name)
			}
		}
	}
	bad := palette{"text": "#777777", "surface": "#ffffff"}
	if i := slices.IndexFunc(bad.illegible(), func(p pair) bool { return p.colour == "text" && p.on == "surface" }); i < 0 ||
		bad.describe(bad.illegible()[i]) != "text #777777 on surface #ffffff has a contrast of 4.48, WCAG AA asks for 4.5" {
		t.Errorf("a bad palette passes: %v", bad.illegible())
	}
}

func TestBranding(t *testing.T) {
	css, err := Stylesheet(map[string]string{
		"accent": "#ffd400", "surface-dark": "#111", "radius": "0.25rem", "font": `"Inter Display", 'Segoe UI', sans-serif`,
	})
	if err != nil {
		t.Fatal(err)
	}
	day, night, _ := strings.Cut(css, "@media")
	for _, want := range []string{"--accent:#ffd400;", "--on-accent:#000000;", "--link:#12201b;", "--stub:#fffae0;", "--radius:0.25rem;", `--font:"Inter Display", 'Segoe UI', sans-serif;`} {
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

// TestBlame: a problem names the variable to change.
func TestBlame(t *testing.T) {
	for _, c := range []struct {
		css  map[string]string
		want []string // variable, and the mode of a pair
	}{
		{map[string]string{"accent": "red", "on-accent": "#fff"}, []string{"accent "}},
		{map[string]string{"accent": "#ffff00", "on-accent": "#ffffff"}, []string{"on-accent light", "on-accent light"}},
		{map[string]string{"accent": "#ffff00", "on-accent-dark": "#ffffff"}, []string{"on-accent-dark dark", "on-accent-dark dark"}},
		{map[string]string{"on-accent": "#0f6a55"}, []string{"on-accent light", "on-accent light"}},
		{map[string]string{"muted-dark": "#000"}, []string{"muted-dark dark", "muted-dark dark", "muted-dark dark"}},
		{map[string]string{"mark": "#12201b"}, []string{"mark light"}},
		{map[string]string{"mark": "black", "text": "#000"}, []string{"mark "}},
		{map[string]string{"radius": "8", "x": "y"}, []string{"radius ", "x "}},
	} {
		var got []string
		for _, p := range CSSProblems(c.css) {
			if p.Hint == "" {
				t.Errorf("%v has no hint", p)
			}
			got = append(got, p.Variable+" "+p.Mode)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v: %q, want %q", c.css, got, c.want)
		}
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
		css, err := Stylesheet(map[string]string{name: value})
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
			if _, err := Stylesheet(map[string]string{name: accent}); err != nil {
				t.Error(err)
			}
		}
	})
}
