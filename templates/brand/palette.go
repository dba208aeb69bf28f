package brand

import (
	"fmt"
	"regexp"
)

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

// pair is two colours that meet, and the contrast that they need.
type pair struct {
	colour, on string
	min        float64
}

// legible lists which colours meet where, and the contrast they need there: WCAG 2.2 criteria
// 1.4.3 (text, 4.5) and 1.4.11 (borders of controls, focus rings, 3).
var legible = []pair{
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

// derive chooses the colours that go with the accent. If the operator has set an accent but no on-accent,
// that becomes black or white, one of which is always legible. Links get the accent if it can be read,
// otherwise the colour of text.
func (p palette) derive(css map[string]string, suffix string, accented bool) {
	if _, set := css["on-accent"+suffix]; accented && !set {
		p["on-accent"] = "#ffffff"
		if contrast(p["accent"], "#000000") > contrast(p["accent"], "#ffffff") {
			p["on-accent"] = "#000000"
		}
	}
	if _, set := css["link"+suffix]; accented && !set {
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

// illegible returns every pair of colours that can't be read.
func (p palette) illegible() (pairs []pair) {
	for _, pair := range legible {
		if contrast(p[pair.colour], p[pair.on]) < pair.min {
			pairs = append(pairs, pair)
		}
	}
	return pairs
}

// describe explains how much contrast a pair lacks.
func (p palette) describe(pair pair) string {
	return fmt.Sprintf("%s %s on %s %s has a contrast of %.2f, WCAG AA asks for %g",
		pair.colour, p[pair.colour], pair.on, p[pair.on], contrast(p[pair.colour], p[pair.on]), pair.min)
}
