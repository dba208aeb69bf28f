package brand

import "maps"

// Colours returns the colours of the pages by the names of their variables, for light and for dark mode. Variables
// that are wrong are left as they are without them: see CSSProblems.
func Colours(css map[string]string) (light, dark map[string]string) {
	t, _ := newTheme(css)
	return maps.Clone(t.day), maps.Clone(t.night)
}
