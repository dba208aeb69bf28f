package acceptance

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// inspect looks at the page in light and dark mode. It takes pictures if there is a folder SCREENSHOTS for them.
func (b *tab) inspect(name, axe string) {
	b.t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		b.do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme},
			{Name: "prefers-reduced-motion", Value: "reduce"}, // no colours half way between two
		}))
		if wide := eval[int](b, "document.scrollingElement.scrollWidth - innerWidth"); wide > 0 {
			b.t.Errorf("%s, %s: %d pixels stick out at the side", name, scheme, wide)
		}
		background := eval[float64](b, brightness)
		if bright := background > 0x7f; bright != (scheme == "light") {
			b.t.Errorf("%s, %s: the background has brightness %f", name, scheme, background)
		}
		if folder := os.Getenv("SCREENSHOTS"); folder != "" {
			b.picture(filepath.Join(folder, name+"-"+scheme+".png"))
		}
		for _, violation := range b.violations(axe, scheme) {
			b.t.Errorf("%s, %s: %s", name, scheme, violation)
		}
	}
}

// brightness is that of the background of the window, 0 to 255: the first of the body and the root that has one.
const brightness = `[document.body, document.documentElement].map((e) => getComputedStyle(e).backgroundColor.match(/[\d.]+/g).map(Number))
	.filter(([, , , alpha]) => alpha !== 0).map(([r, g, b]) => (r + g + b) / 3)[0] ?? 255`

func (b *tab) picture(file string) {
	b.t.Helper()
	var shot []byte
	b.do(chromedp.FullScreenshot(&shot, 100))
	if err := os.WriteFile(file, shot, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

func readAxe(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile("npm/node_modules/axe-core/axe.min.js")
	if os.IsNotExist(err) {
		missing(t, "the npm packages of cmd/acceptance/npm are not installed")
	} else if err != nil {
		t.Fatal(err)
	}
	return string(source)
}

// axeRules are those of WCAG 2.2 AA and good practice, of which the dark mode can change but one.
var axeRules = map[string]string{
	"light": "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']",
	"dark":  "['color-contrast']",
}

// violations are what axe finds, with the elements in question.
func (b *tab) violations(axe, scheme string) []string {
	b.t.Helper()
	if !eval[bool](b, "'axe' in window") {
		eval[any](b, axe+";undefined")
	}
	return eval[[]string](b, "axe.run({preload: false, runOnly: "+axeRules[scheme]+`}).then(({violations}) =>
		violations.map(({id, help, nodes}) => id + ': ' + help + ': ' + nodes.map((n) => n.html + ' ' + n.failureSummary).join('; ')))`)
}
