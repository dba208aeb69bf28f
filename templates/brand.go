package templates

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Branding makes the pages an operator's own.
type Branding struct {
	// Name of the service or the company; empty: authzd.
	Name string

	// LogoFile is an svg, png, jpeg, webp or gif file of at most 1 MiB, shown 32 px high in place
	// of the name; empty: the first letter of the name beside it.
	LogoFile string

	// CSS sets variables of the style sheet. The colours are background, surface, text, muted,
	// border, control, accent, on-accent, link, danger, danger-surface, mark, each "#rgb" or
	// "#rrggbb"; the same with "-dark" is for dark mode. radius is a length in px or rem, font a
	// list of font families. Whoever sets accent alone gets a fitting on-accent and link. Colours
	// that would fail WCAG 2.2 AA against each other are refused.
	CSS map[string]string
}

// defaultName is the name of a server without branding, which then shows our own mark.
const defaultName = "authzd"

// Letter stands for an operator who has a name but no logo.
func (b Branding) Letter() string {
	if b.Name == defaultName {
		return ""
	}
	return initial(b.Name)
}

// palette is a theme's colours by name.
type palette map[string]string

var (
	light = palette{
		"background":     "#f5f6f8",
		"surface":        "#ffffff",
		"text":           "#161922",
		"muted":          "#565d6d",
		"border":         "#e2e5eb",
		"control":        "#858c9b",
		"accent":         "#1f4fd1",
		"on-accent":      "#ffffff",
		"link":           "#1f4fd1",
		"danger":         "#b3261e",
		"danger-surface": "#fdf1f0",
		"mark":           "#fde9b0",
	}
	dark = palette{
		"background":     "#0d0f13",
		"surface":        "#15181e",
		"text":           "#eceef2",
		"muted":          "#a1a8b5",
		"border":         "#2a2f39",
		"control":        "#6d7586",
		"accent":         "#3c66e4",
		"on-accent":      "#ffffff",
		"link":           "#9db4ff",
		"danger":         "#ff9a91",
		"danger-surface": "#2c1a1b",
		"mark":           "#5a4513",
	}
	metrics = map[string]string{
		"radius": "8px",
		"font":   `system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif`,
	}
)

// legible lists which colours meet where, and the contrast they need there: WCAG 2.2 criteria
// 1.4.3 (text, 4.5) and 1.4.11 (borders of controls, focus rings, 3).
var legible = []struct {
	colour, on string
	min        float64
}{
	{"text", "background", 4.5},
	{"text", "surface", 4.5},
	{"text", "mark", 4.5},
	{"muted", "background", 4.5},
	{"muted", "surface", 4.5},
	{"link", "background", 4.5},
	{"link", "surface", 4.5},
	{"on-accent", "accent", 4.5},
	{"on-accent", "accent-hover", 4.5},
	{"danger", "danger-surface", 4.5},
	{"danger", "surface", 4.5},
	{"text", "danger-surface", 4.5},
	{"control", "surface", 3},
	{"control", "background", 3},
}

var (
	colourPattern = regexp.MustCompile(`^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$`)
	radiusPattern = regexp.MustCompile(`^[0-9]{1,2}(\.[0-9]{1,3})?(px|rem)$`)
	fontPattern   = regexp.MustCompile(`^(` + fontFamily + `)(, ?(` + fontFamily + `))*$`)
)

const fontFamily = `"[A-Za-z0-9 _-]+"|'[A-Za-z0-9 _-]+'|-?[A-Za-z][A-Za-z0-9_-]*( [A-Za-z][A-Za-z0-9_-]*)*`

// stylesheet declares the variables that assets/style.css uses.
func (b Branding) stylesheet() (string, error) {
	day, night, sizes := maps.Clone(light), maps.Clone(dark), maps.Clone(metrics)
	if err := b.override(day, night, sizes); err != nil {
		return "", err
	}
	_, accented := b.CSS["accent"]
	_, accentedDark := b.CSS["accent-dark"]
	if accented && !accentedDark {
		night["accent"] = day["accent"]
	}
	b.derive(day, "", accented)
	b.derive(night, "-dark", accented || accentedDark)

	var css strings.Builder
	css.WriteString(":root{color-scheme:light dark;")
	declare(&css, sizes)
	declare(&css, day)
	css.WriteString("}\n@media (prefers-color-scheme:dark){:root{")
	declare(&css, night)
	css.WriteString("}}\n")
	return css.String(), errors.Join(day.check("light"), night.check("dark"))
}

// override puts the operator's values in place of ours and refuses what it does not know.
func (b Branding) override(day, night palette, sizes map[string]string) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(b.CSS)) {
		value := b.CSS[name]
		colour, isDark := strings.CutSuffix(name, "-dark")
		_, isColour := light[colour]
		switch {
		case isColour && !colourPattern.MatchString(value):
			errs = append(errs, fmt.Errorf("branding css %s: %q is not a colour: write #rgb or #rrggbb", name, value))
		case isColour && isDark:
			night[colour] = value
		case isColour:
			day[name] = value
		case name == "radius" && !radiusPattern.MatchString(value):
			errs = append(errs, fmt.Errorf("branding css radius: %q is not a length: write for example 8px or 0.5rem", value))
		case name == "font" && !(len(value) <= 500 && fontPattern.MatchString(value)):
			errs = append(errs, fmt.Errorf(`branding css font: %q is not a list of fonts: write for example "Inter", sans-serif`, value))
		case name == "radius", name == "font":
			sizes[name] = value
		default:
			errs = append(errs, fmt.Errorf("branding css %q: no such variable; there are %s, each colour also with -dark",
				name, strings.Join(append(slices.Sorted(maps.Keys(light)), "font", "radius"), ", ")))
		}
	}
	return errors.Join(errs...)
}

// derive chooses the colours that go with the accent. If the operator has set an accent but not
// what stands on it, that becomes black or white, of which one is always legible; links take the
// accent where it can be read, else the colour of text.
func (b Branding) derive(p palette, suffix string, accented bool) {
	if _, set := b.CSS["on-accent"+suffix]; accented && !set {
		p["on-accent"] = "#ffffff"
		if contrast(p["accent"], "#000000") > contrast(p["accent"], "#ffffff") {
			p["on-accent"] = "#000000"
		}
	}
	if _, set := b.CSS["link"+suffix]; accented && !set {
		p["link"] = p["text"]
		if min(contrast(p["accent"], p["surface"]), contrast(p["accent"], p["background"])) >= 4.5 {
			p["link"] = p["accent"]
		}
	}
	away := "#000000" // from on-accent, so that hovering never costs contrast
	if contrast(p["on-accent"], "#000000") < contrast(p["on-accent"], "#ffffff") {
		away = "#ffffff"
	}
	p["accent-hover"] = mix(p["accent"], away, 0.14)
	p["edge"] = mix(p["border"], p["control"], 0.35) // of buttons, whose text says what they are
}

// check reports every pair of colours that can't be read.
func (p palette) check(theme string) error {
	var errs []error
	for _, pair := range legible {
		if got := contrast(p[pair.colour], p[pair.on]); got < pair.min {
			errs = append(errs, fmt.Errorf("branding css, %s mode: %s %s on %s %s has a contrast of %.2f, WCAG AA asks for %g",
				theme, pair.colour, p[pair.colour], pair.on, p[pair.on], got, pair.min))
		}
	}
	return errors.Join(errs...)
}

func declare(css *strings.Builder, values map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		fmt.Fprintf(css, "--%s:%s;", name, values[name])
	}
}
