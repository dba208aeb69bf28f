package acceptance

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/authzd/authzd/templates"
	"github.com/authzd/authzd/templates/gallery"
)

//go:embed testdata/look.js
var lookScript string

// exhibition shows every page, with its own headers and style sheet.
type exhibition struct {
	pages    map[string]templates.Page
	names    []string // in order
	renderer *templates.Renderer
	address  string
}

func exhibit(t *testing.T) *exhibition {
	t.Helper()
	renderer, err := templates.New("https://id.example.com", templates.Branding{})
	if err != nil {
		t.Fatal(err)
	}
	e := &exhibition{pages: gallery.Pages(), renderer: renderer}
	e.names = slices.Sorted(maps.Keys(e.pages))
	mux := http.NewServeMux()
	mux.Handle("/assets/", renderer.Assets())
	mux.Handle("/page", e)
	front := httptest.NewServer(mux)
	t.Cleanup(front.Close)
	e.address = strings.Replace(front.URL, "127.0.0.1", "localhost", 1)
	return e
}

// ServeHTTP answers with the page whose name is in the query.
func (e *exhibition) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("X-Request-Id", "0123456789abcdef")
	if err := e.renderer.Render(w, req, http.StatusOK, e.pages[req.URL.Query().Get("name")]); err != nil {
		panic(err)
	}
}

func (e *exhibition) url(name string) string {
	return e.address + "/page?" + url.Values{"name": {name}}.Encode()
}

// html is a page in a language.
func (e *exhibition) html(name, lang string) string {
	req := httptest.NewRequest("GET", e.url(name), nil)
	req.Header.Set("Accept-Language", lang)
	w := httptest.NewRecorder()
	e.ServeHTTP(w, req)
	return w.Body.String()
}

// looks are how different people see a page. By night nothing but the colours is another, and on a narrow screen and in
// Arabic nothing but the places and the words; with TEST_FULL, axe judges all of them by all rules.
var looks = map[string]struct {
	lang, scheme   string
	width, letters int64  // in pixels; the letters are the person's choice, and browsers begin with 16
	rules          string // of axe; empty: it judges with TEST_FULL only
}{
	"wide":           {"en", "light", 1280, 16, allRules},
	"dark":           {"en", "dark", 1280, 16, "{runOnly: ['color-contrast']}"},
	"narrow":         {"en", "light", 320, 16, ""},
	"Arabic":         {"ar", "light", 1280, 16, ""},
	"narrow, Arabic": {"ar", "light", 320, 16, "{runOnly: ['target-size', 'scrollable-region-focusable', 'html-lang-valid', 'valid-lang', 'button-name', 'link-name', 'label', 'select-name', 'empty-heading', 'svg-img-alt']}"},
	"large letters":  {"de", "light", 1280, 32, ""},
}

// allRules are those of WCAG 2.2 AA and good practice.
const allRules = "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}"

// walked are pages that have, together, all that a keyboard can reach. With TEST_FULL it goes through all pages.
var walked = []string{
	"account", "consent", "device code", "edit profile", "enrol totp", "error, explained", "factors", "home", "link", "logout", "passkeys", "sign in",
	"sign in again", "sign up",
}

// TestEveryPage looks at every page: nothing sticks out or is cut off, the keyboard alone is enough, nothing needs a
// script that does not say so, and axe finds nothing against it.
func TestEveryPage(t *testing.T) {
	t.Parallel()
	// All tabs are worked on at once, so none may be slowed down for being in the background.
	b := openChromiumWith(t, chromedp.Flag("disable-background-timer-throttling", true), chromedp.Flag("disable-renderer-backgrounding", true))
	b.console.tolerate("net::ERR_NAME_NOT_RESOLVED /logo.png")
	b.do(emulation.SetFocusEmulationEnabled(true))
	axe, e := readAxe(t), exhibit(t)
	t.Run("looks", func(t *testing.T) {
		for _, some := range [][]string{{"wide", "dark"}, {"narrow, Arabic", "narrow", "Arabic", "large letters"}} {
			tab := b.newTab()
			t.Run(some[0], func(t *testing.T) {
				t.Parallel()
				tab.t = t
				tab.do(emulation.SetFocusEmulationEnabled(true))
				tab.open(e.url("consent")) // whose policy allows the logos of apps
				eval[any](tab, axe+";"+lookScript+";undefined")
				for _, look := range some {
					tab.sees(e, look)
				}
			})
		}
		t.Run("keyboard", func(t *testing.T) {
			t.Parallel()
			tab := *b
			tab.t = t
			tab.walks(e)
			tab.showsPassword(e)
		})
	})
}

// sees has the tab look at all pages in one way. It draws them in the place of the one that is open.
func (b *tab) sees(e *exhibition, look string) {
	b.t.Helper()
	l := looks[look]
	b.do(chromedp.EmulateViewport(l.width, 800), cdppage.SetFontSizes(&cdppage.FontSizes{Standard: l.letters, Fixed: l.letters * 13 / 16}),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: l.scheme},
			{Name: "prefers-reduced-motion", Value: "reduce"}, // no colours half way between two
		}))
	b.until(fmt.Sprintf("getComputedStyle(document.documentElement).fontSize === '%dpx'", l.letters))
	rules := cmp.Or(l.rules, "null")
	if full() {
		rules = allRules
	}
	var pages [][2]string
	for _, name := range e.names {
		pages = append(pages, [2]string{name, e.html(name, l.lang)})
	}
	all, err := json.Marshal(pages)
	if err != nil {
		b.t.Fatal(err)
	}
	b.do(tabKey) // the focus is shown to those who use the keyboard
	for _, found := range eval[[]string](b, fmt.Sprintf("look.every(%s, %q, %s, %t)", all, l.scheme, rules, look == "wide")) {
		b.t.Errorf("%s: %s", look, found)
	}
}

func full() bool { return many(0, 1) == 1 }

var tabKey = input.DispatchKeyEvent(input.KeyRawDown).WithKey("Tab").WithCode("Tab").WithWindowsVirtualKeyCode(9)

// walks opens pages, and presses Tab until it has been everywhere. It opens each that has a script without scripts too.
func (b *tab) walks(e *exhibition) {
	b.t.Helper()
	for _, name := range e.names {
		find := func(expression string) {
			b.t.Helper()
			for _, found := range eval[[]string](b, expression) {
				b.t.Errorf("%s: %s", name, found)
			}
		}
		scripted := strings.Contains(e.html(name, "en"), "<script")
		if scripted {
			b.do(emulation.SetScriptExecutionDisabled(true))
			b.open(e.url(name))
			eval[any](b, lookScript+";undefined")
			find("look.withoutScripts()")
			b.do(emulation.SetScriptExecutionDisabled(false))
		}
		if gallery.LeavesByScript(e.pages[name]) || !scripted && !full() && !slices.Contains(walked, name) {
			continue
		}
		b.open(e.url(name))
		keys := []chromedp.Action{tabKey} // one more, before which the last control is noted
		for range eval[int](b, lookScript+";look.walk()") {
			keys = append(keys, tabKey)
		}
		b.do(keys...)
		find("look.walked()")
	}
}

// showsPassword shows what was typed, and hides it: in place where a page has a script, and without one by a page with
// an empty field.
func (b *tab) showsPassword(e *exhibition) {
	b.t.Helper()
	holds := func(kind, value, link string) {
		b.t.Helper()
		b.until("document.getElementById('password')?.type === '" + kind + "'")
		if got := eval[string](b, "document.getElementById('password').value"); got != value {
			b.t.Errorf("the field holds %q, want %q", got, value)
		}
		if got := eval[string](b, "(e => e.innerText + ', ' + e.ariaLabel)(document.getElementById('show-password'))"); got != link {
			b.t.Errorf("the link says %q, want %q", got, link)
		}
	}
	b.open(e.url("sign in, passkey"))
	holds("password", "", "Show, Show password")
	b.fill("password", "a few words")
	b.click("show-password")
	holds("text", "a few words", "Hide, Hide password")
	b.click("show-password")
	holds("password", "a few words", "Show, Show password")
	b.click("show-password")
	eval[any](b, `(form => {
		form.addEventListener('submit', (event) => event.preventDefault());
		document.getElementById('username').value = 'alice';
		form.requestSubmit();
	})(document.getElementById('password').form)`)
	holds("password", "a few words", "Hide, Hide password") // as it is sent

	b.do(emulation.SetScriptExecutionDisabled(true))
	for _, name := range []string{"sign in", "sign in, passkey"} {
		b.open(e.url(name))
		b.fill("password", "a few words")
		b.leave("show-password")
		holds("text", "", "Hide, Hide password")
		b.leave("show-password")
		holds("password", "", "Show, Show password")
	}
	b.do(emulation.SetScriptExecutionDisabled(false))
}
