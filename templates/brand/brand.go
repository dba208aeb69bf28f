// Package brand has the rules for what an operator may change in the look of the pages: the variables of the
// style sheet, which must be legible together, and the logo.
//
//	the configuration -> CSSProblems, ReadLogo -> everything that is wrong, for the operator
//	templates         -> Stylesheet, ReadLogo  -> what the pages are served with
package brand

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a variable of the style sheet.
type Problem struct {
	Variable string // as the operator wrote it: the one to change
	Value    string // as it was given; empty: the variable does not exist, or cannot be read on another
	Mode     string // light or dark, if two colours can't be read on each other; otherwise empty
	Reason   string // lower case, no full stop
	Hint     string // what to do about it
}

func (p *Problem) Error() string {
	switch {
	case p.Mode != "":
		return fmt.Sprintf("branding css, %s mode: %s", p.Mode, p.Reason)
	case p.Value == "":
		return fmt.Sprintf("branding css %q: %s; %s", p.Variable, p.Reason, p.Hint)
	}
	return fmt.Sprintf("branding css %s: %q %s: %s", p.Variable, p.Value, p.Reason, p.Hint)
}

// Stylesheet declares the variables of the pages' style rules: authzd's values, with the operator's in their
// place. The error joins all problems.
func Stylesheet(css map[string]string) (string, error) {
	t, problems := newTheme(css)
	errs := make([]error, len(problems))
	for i, p := range problems {
		errs[i] = p
	}
	return t.String(), errors.Join(errs...)
}

// CSSProblems returns everything that is wrong with the operator's variables, sorted by name. If two colours
// can't be read on each other, the problem names a variable that the operator has set.
func CSSProblems(css map[string]string) []*Problem {
	_, problems := newTheme(css)
	return problems
}

// theme is the style sheet's variables, for the two modes.
type theme struct {
	sizes      map[string]string
	day, night palette
}

func newTheme(css map[string]string) (*theme, []*Problem) {
	t := &theme{maps.Clone(metrics), maps.Clone(light), maps.Clone(dark)}
	problems := t.override(css)
	wrong := map[string]bool{}
	for _, p := range problems {
		wrong[p.Variable] = true
	}
	_, accented := css["accent"]
	_, accentedDark := css["accent-dark"]
	if accented && !accentedDark {
		t.night["accent"] = t.day["accent"]
	}
	t.day.derive(css, "", accented)
	t.night.derive(css, "-dark", accented || accentedDark)
	for _, mode := range []struct {
		name, suffix string
		colours      palette
	}{{"light", "", t.day}, {"dark", "-dark", t.night}} {
		for _, pair := range mode.colours.illegible() {
			if wrong[variable(css, pair.colour, mode.suffix)] || wrong[variable(css, pair.on, mode.suffix)] {
				continue // another colour will be there
			}
			problems = append(problems, &Problem{
				Variable: blame(css, mode.suffix, pair), Mode: mode.name, Reason: mode.colours.describe(pair),
				Hint: "choose colours that differ more in brightness, or remove this one",
			})
		}
	}
	return t, problems
}

// override replaces authzd's values by the operator's, and refuses unknown variables.
func (t *theme) override(css map[string]string) (problems []*Problem) {
	refuse := func(name, value, reason, hint string) {
		problems = append(problems, &Problem{Variable: name, Value: value, Reason: reason, Hint: hint})
	}
	for _, name := range slices.Sorted(maps.Keys(css)) {
		value := css[name]
		colour, isDark := strings.CutSuffix(name, "-dark")
		_, isColour := light[colour]
		switch {
		case isColour && !colourPattern.MatchString(value):
			refuse(name, value, "is not a colour", "write #rgb or #rrggbb")
		case isColour && isDark:
			t.night[colour] = value
		case isColour:
			t.day[name] = value
		case name == "radius" && !radiusPattern.MatchString(value):
			refuse(name, value, "is not a length", "write for example 8px or 0.5rem")
		case name == "font" && !(len(value) <= 500 && fontPattern.MatchString(value)):
			refuse(name, value, "is not a list of fonts", `write for example "Inter", sans-serif`)
		case name == "radius", name == "font":
			t.sizes[name] = value
		default:
			refuse(name, "", "no such variable", "there are "+
				strings.Join(append(slices.Sorted(maps.Keys(light)), "font", "radius"), ", ")+", each colour also with -dark")
		}
	}
	return problems
}

// blame returns the operator's variable that makes a pair illegible: the colour itself, or its background.
func blame(css map[string]string, suffix string, pair pair) string {
	for _, colour := range []string{pair.colour, pair.on, "accent"} {
		if name := variable(css, colour, suffix); css[name] != "" {
			return name
		}
	}
	return pair.colour + suffix
}

// variable returns the name by which an operator sets a colour of one mode. The hovered accent follows from
// the accent, and the accent of dark mode from that of light mode.
func variable(css map[string]string, colour, suffix string) string {
	if colour == "accent-hover" {
		colour = "accent"
	}
	if _, set := css[colour+suffix]; colour == "accent" && !set {
		return colour
	}
	return colour + suffix
}

func (t *theme) String() string {
	var css strings.Builder
	css.WriteString(":root{color-scheme:light dark;")
	declare(&css, t.sizes)
	declare(&css, t.day)
	css.WriteString("}\n@media (prefers-color-scheme:dark){:root{")
	declare(&css, t.night)
	css.WriteString("}}\n")
	return css.String()
}

func declare(css *strings.Builder, values map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		fmt.Fprintf(css, "--%s:%s;", name, values[name])
	}
}
