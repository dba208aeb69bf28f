package acceptance

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// inspect looks at the page in light and dark mode, and takes pictures.
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
		background := b.picture(name + "-" + scheme)
		if bright := background > 0x7f; bright != (scheme == "light") {
			b.t.Errorf("%s, %s: the background has brightness %d", name, scheme, background)
		}
		for _, violation := range b.violations(axe, scheme) {
			b.t.Errorf("%s, %s: %s", name, scheme, violation)
		}
	}
}

// picture keeps a screenshot, in the folder SCREENSHOTS if there is one. It returns the
// brightness of the bottom left corner, 0 to 255.
func (b *tab) picture(name string) uint8 {
	b.t.Helper()
	folder := os.Getenv("SCREENSHOTS")
	if folder == "" {
		folder = buildDir
	}
	var shot []byte
	b.do(chromedp.FullScreenshot(&shot, 100))
	if err := os.WriteFile(filepath.Join(folder, name+".png"), shot, 0o644); err != nil {
		b.t.Fatal(err)
	}
	pixels, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		b.t.Fatal(err)
	}
	red, green, blue, _ := pixels.At(pixels.Bounds().Min.X, pixels.Bounds().Max.Y-1).RGBA()
	return uint8((red + green + blue) / 3 >> 8)
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
	return eval[[]string](b, axeRun(axeRules[scheme]))
}

// axeRun is an expression for what these rules find, with the elements in question.
func axeRun(rules string) string {
	return "axe.run({preload: false, iframes: false, resultTypes: ['violations'], runOnly: " + rules + `}).then(({violations}) =>
		violations.map(({id, help, nodes}) => id + ': ' + help + ': ' + nodes.map((n) => n.html + ' ' + n.failureSummary).join('; ')))`
}
