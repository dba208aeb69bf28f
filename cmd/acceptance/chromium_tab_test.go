package acceptance

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

const (
	chromiumTimeout = 10 * time.Minute // for everything that one test does in its browser
	untilTimeout    = 2 * time.Minute  // for one thing to happen there
)

// tab is a tab of a Chromium. Its methods fail the test, with what the tab shows, if something does
// not happen in time.
type tab struct {
	t       *testing.T
	ctx     context.Context
	console *console
}

// openChromium starts a browser with an empty profile and returns its tab. It is closed when the
// test ends, and what its console reported fails the test.
func openChromium(t *testing.T) *tab {
	t.Helper()
	return openChromiumWith(t)
}

// openChromiumWith is openChromium with more options.
func openChromiumWith(t *testing.T, more ...chromedp.ExecAllocatorOption) *tab {
	t.Helper()
	path := needTool(t, "chromium")
	profile, err := os.MkdirTemp(buildDir, "chromium-")
	if err != nil {
		t.Fatal(err)
	}
	timeout, cancel := context.WithTimeout(context.Background(), chromiumTimeout)
	allocator, release := chromedp.NewExecAllocator(timeout, append([]chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path),
		chromedp.UserDataDir(profile),
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-dev-shm-usage", true), // 64 MiB in a container
		chromedp.Flag("disable-prompt-on-repost", true),
		chromedp.Flag("force-prefers-reduced-motion", true), // while a page fades into the next, nothing can be clicked
		// Nothing but this machine is talked to.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1, EXCLUDE 127.0.0.2, EXCLUDE 127.0.0.3"),
	}, more...)...)
	ctx, closeBrowser := chromedp.NewContext(allocator, chromedp.WithErrorf(func(string, ...any) {})) // events newer than chromedp
	b := &tab{t, ctx, &console{}}
	t.Cleanup(func() {
		if t.Failed() {
			b.describe()
		}
		b.console.judge(t)
		closeBrowser()
		release()
		cancel()
	})
	b.listen()
	return b
}

// newTab opens another tab of the same browser.
func (b *tab) newTab() *tab {
	b.t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx)
	b.t.Cleanup(cancel)
	other := &tab{b.t, ctx, b.console}
	other.listen()
	return other
}

func (b *tab) listen() {
	b.t.Helper()
	if err := chromedp.Run(b.ctx); err != nil { // opens the tab
		b.t.Fatal(err)
	}
	chromedp.ListenTarget(b.ctx, b.console.hear)
}

// do runs actions of chromedp. Those that look for nodes are not to be used: chromedp loses track
// of a page that comes out of the back-forward cache.
func (b *tab) do(actions ...chromedp.Action) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, untilTimeout)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// open goes to a URL and waits until the document has loaded, with any status.
func (b *tab) open(target string) {
	b.t.Helper()
	b.do(chromedp.Navigate(target))
}

// eval returns the value of an expression, which may be a promise.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	var value T
	if err := b.evaluate(expression, &value); err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

func (b *tab) evaluate(expression string, value any) error {
	ctx, cancel := context.WithTimeout(b.ctx, untilTimeout)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate(expression, value, func(p *runtime.EvaluateParams) *runtime.EvaluateParams {
		return p.WithAwaitPromise(true)
	}))
}

// soon runs a statement that leads to another document, which could come before the answer of eval.
func (b *tab) soon(statement string) {
	b.t.Helper()
	eval[any](b, "void setTimeout(() => { "+statement+" })")
}

// until waits for an expression to be true, through any number of navigations.
func (b *tab) until(expression string) {
	b.t.Helper()
	timeout := time.After(untilTimeout)
	for pause := 10 * time.Millisecond; ; pause = min(pause*5/4, 200*time.Millisecond) { // what takes long is asked seldom
		var holds bool
		err := b.evaluate("Boolean("+expression+")", &holds) // fails while the page changes
		if holds {
			return
		}
		select {
		case <-time.After(pause):
		case <-timeout:
			b.t.Fatalf("never true: %s (%v)", expression, err)
		}
	}
}

// shows waits for the element with that id to be visible in a document that has loaded.
func (b *tab) shows(id string) {
	b.t.Helper()
	b.until(fmt.Sprintf("document.readyState === 'complete' && document.getElementById(%q)?.checkVisibility()", id))
}

// click waits for a button or link and clicks into its middle, which nothing must cover.
func (b *tab) click(id string) {
	b.t.Helper()
	b.shows(id)
	at := eval[[]float64](b, fmt.Sprintf(`((e) => {
		e.scrollIntoView({block: 'center', behavior: 'instant'});
		const {x, y, width, height} = e.getBoundingClientRect();
		const middle = [x + width / 2, y + height / 2];
		return e.contains(document.elementFromPoint(...middle)) ? middle : [];
	})(document.getElementById(%q))`, id))
	if len(at) != 2 {
		b.t.Fatalf("the middle of %s cannot be clicked", id)
	}
	b.do(chromedp.MouseClickXY(at[0], at[1]))
}

// leave clicks what leads to another document, and waits until it is there.
func (b *tab) leave(id string) {
	b.t.Helper()
	b.shows(id)
	here := eval[float64](b, "performance.timeOrigin")
	b.click(id)
	b.until(fmt.Sprintf("performance.timeOrigin !== %f && document.readyState === 'complete'", here))
}

// fill puts a text into an input, at once, in place of what it holds.
func (b *tab) fill(id, text string) {
	b.t.Helper()
	b.shows(id)
	eval[any](b, fmt.Sprintf("((e) => { e.focus(); e.select(); })(document.getElementById(%q))", id))
	b.do(input.InsertText(text))
}

// text returns the text of an element, "" if it is not visible.
func (b *tab) text(id string) string {
	b.t.Helper()
	return eval[string](b, fmt.Sprintf("(e => e?.checkVisibility() ? e.innerText : '')(document.getElementById(%q))", id))
}

// describe logs what the tab shows.
func (b *tab) describe() {
	var shown string
	if err := b.evaluate("location.href + '\\n' + document.body?.innerText", &shown); err != nil {
		shown = err.Error()
	}
	b.t.Logf("the tab shows %.2000s", shown)
}
