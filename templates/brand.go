package templates

// Branding gives the pages an operator's look.
type Branding struct {
	// Name of the service or the company; empty: authzd.
	Name string

	// LogoFile is an svg, png, jpeg, webp or gif file of at most 1 MiB, shown 32 px high in place
	// of the name; empty: the first letter of the name beside it.
	LogoFile string

	// CSS sets variables of the style sheet. The colours are background, surface, stub, text, muted,
	// border, edge, control, accent, on-accent, link, danger, danger-surface, warning, warning-surface, ok, mark, each
	// "#rgb" or "#rrggbb"; the same names with "-dark" are for dark mode. radius is a length in px or rem, font a list
	// of font families. If only accent is set, a suitable on-accent, link, stub and background follow from it. Colours that fail WCAG 2.2 AA against
	// each other are refused.
	CSS map[string]string
}

// defaultName is the name of a server without branding. It shows authzd's mark.
const defaultName = "authzd"

// Letter replaces the logo of an operator who has a name but no logo.
func (b Branding) Letter() string {
	if b.Name == defaultName {
		return ""
	}
	return initial(b.Name)
}
