package brand

import (
	"fmt"
	"regexp"
	"slices"
)

// palette is a theme's colours by name.
type palette map[string]string

var (
	light = palette{
		"background":      "#f2f5f3",
		"surface":         "#ffffff",
		"stub":            "#dcebe4",
		"text":            "#12201b",
		"muted":           "#475850",
		"border":          "#d7dfdb",
		"edge":            "#b3c0ba",
		"control":         "#71817a",
		"accent":          "#0e5a48",
		"on-accent":       "#ffffff",
		"link":            "#0e5a48",
		"danger":          "#a6231a",
		"danger-surface":  "#fcefed",
		"warning":         "#744700",
		"warning-surface": "#fcf2d9",
		"ok":              "#17663a",
		"mark":            "#fbe2a0",
	}
	dark = palette{
		"background":      "#0a0f0d",
		"surface":         "#131a17",
		"stub":            "#192822",
		"text":            "#e9efec",
		"muted":           "#a3b2ab",
		"border":          "#28332e",
		"edge":            "#435049",
		"control":         "#75867e",
		"accent":          "#5cc2a3",
		"on-accent":       "#04211a",
		"link":            "#82d6bc",
		"danger":          "#ff9f95",
		"danger-surface":  "#2d1a19",
		"warning":         "#f0c069",
		"warning-surface": "#2a2213",
		"ok":              "#7fd79c",
		"mark":            "#5a4513",
	}
	metrics = map[string]string{
		"backdrop": "none", // the pages' package declares the operator's
		"mono":     `ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "Liberation Mono", monospace`,
		"radius":   "0.625rem",
		"font":     `system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Helvetica Neue", Arial, sans-serif`,
	}
)

// decoration are the colours that nobody has to tell apart: lines between things that stand apart anyway, and the
// outline of buttons, whose text says what they are.
var decoration = []string{"border", "edge"}

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
	{"text", "stub", 4.5},
	{"text", "warning-surface", 4.5},
	{"muted", "background", 4.5},
	{"muted", "surface", 4.5},
	{"muted", "stub", 4.5},
	{"link", "background", 4.5},
	{"link", "surface", 4.5},
	{"link", "stub", 4.5},
	{"link", "danger-surface", 4.5},
	{"link", "warning-surface", 4.5},
	{"on-accent", "accent", 4.5},
	{"on-accent", "accent-hover", 4.5},
	{"danger", "danger-surface", 4.5},
	{"danger", "surface", 4.5},
	{"text", "danger-surface", 4.5},
	{"warning", "warning-surface", 4.5},
	{"ok", "surface", 4.5},
	{"ok", "background", 4.5},
	{"ok", "stub", 3},
	{"danger", "stub", 3},
	{"control", "surface", 3},
	{"control", "stub", 3},
	{"control", "background", 3},
}

var (
	colourPattern = regexp.MustCompile(`^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$`)
	radiusPattern = regexp.MustCompile(`^[0-9]{1,2}(\.[0-9]{1,3})?(px|rem)$`)
	fontPattern   = regexp.MustCompile(`^(` + fontFamily + `)(, ?(` + fontFamily + `))*$`)
)

const fontFamily = `"[A-Za-z0-9 _-]+"|'[A-Za-z0-9 _-]+'|-?[A-Za-z][A-Za-z0-9_-]*( [A-Za-z][A-Za-z0-9_-]*)*`

// How much of the accent is in the colours that follow from it, in light mode and in dark mode.
const (
	stubShare       = 0.12
	stubShareDark   = 0.08
	backgroundShare = 0.06
	hoverShare      = 0.14
)

// derive chooses the colours that go with the accent. If the operator has set an accent but no on-accent,
// that becomes black or white, one of which is always legible. The stub is a tint of the accent, and in light mode
// the background is a lighter one. If something can't be read on such a tint, the tint is made fainter. Links get the
// accent if it can be read, otherwise the colour of text.
func (p palette) derive(css map[string]string, suffix string, accented bool) {
	follows := func(name string) bool {
		_, set := css[name+suffix]
		return accented && !set
	}
	if follows("on-accent") {
		p["on-accent"] = "#ffffff"
		if contrast(p["accent"], "#000000") > contrast(p["accent"], "#ffffff") {
			p["on-accent"] = "#000000"
		}
	}
	if follows("background") && suffix == "" {
		p.tint("background", backgroundShare)
	}
	if follows("stub") {
		p.tint("stub", map[bool]float64{true: stubShare, false: stubShareDark}[suffix == ""])
	}
	if follows("link") {
		p["link"] = p["accent"]
		if slices.ContainsFunc(p.illegible(), func(pair pair) bool { return pair.colour == "link" }) {
			p["link"] = p["text"]
		}
	}
	away := "#000000" // from on-accent, so that hovering never costs contrast
	if contrast(p["on-accent"], "#000000") < contrast(p["on-accent"], "#ffffff") {
		away = "#ffffff"
	}
	p["accent-hover"] = mix(p["accent"], away, hoverShare)
	if _, set := css["border"+suffix]; set && css["edge"+suffix] == "" {
		p["edge"] = mix(p["border"], p["control"], 0.35)
	}
}

// tint makes a colour the surface with a share of the accent, as far as all that stands on it stays legible.
func (p palette) tint(name string, share float64) {
	for ; share > 0.001; share /= 2 {
		p[name] = mix(p["surface"], p["accent"], share)
		if !slices.ContainsFunc(p.illegible(), func(pair pair) bool { return pair.on == name && pair.colour != "link" }) {
			return
		}
	}
	p[name] = p["surface"]
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
