package acceptance

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
)

// console is what the developer tools of all tabs would show in red or yellow.
type console struct {
	mu        sync.Mutex
	reports   []string
	expected  []string
	tolerated []string
}

// expect lets requests fail: "403 /path" is one that was refused, "net::ERR_FAILED /path" one that
// was not answered.
func (c *console) expect(failed ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expected = append(c.expected, failed...)
}

// tolerate is expect for what may happen or not.
func (c *console) tolerate(failed ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tolerated = append(c.tolerated, failed...)
}

func (c *console) hear(event any) {
	var report string
	switch e := event.(type) {
	case *log.EventEntryAdded: // requests that failed, and violations of a Content-Security-Policy
		if e.Entry.Level != log.LevelError && e.Entry.Level != log.LevelWarning {
			return
		}
		report = string(e.Entry.Source) + ": " + e.Entry.Text + " " + e.Entry.URL
		if why, ok := strings.CutPrefix(e.Entry.Text, "Failed to load resource: "); ok {
			why, _, _ = strings.Cut(strings.TrimPrefix(why, "the server responded with a status of "), " ")
			report = why + " " + pathOf(e.Entry.URL)
		}
	case *runtime.EventExceptionThrown:
		report = "exception: " + e.ExceptionDetails.Error()
	case *runtime.EventConsoleAPICalled:
		if e.Type != runtime.APITypeError && e.Type != runtime.APITypeWarning {
			return
		}
		args, _ := json.Marshal(e.Args)
		report = "console." + string(e.Type) + ": " + string(args)
	default:
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reports = append(c.reports, report)
}

// await waits for a report that contains want.
func (c *console) await(t *testing.T, want string) {
	t.Helper()
	tick, timeout := time.NewTicker(20*time.Millisecond), time.After(untilTimeout)
	defer tick.Stop()
	for {
		c.mu.Lock()
		heard := slices.ContainsFunc(c.reports, func(report string) bool { return strings.Contains(report, want) })
		c.mu.Unlock()
		if heard {
			return
		}
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("the console never reports %q", want)
		}
	}
}

func (c *console) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reports = nil
}

// judge fails the test for a report that was not expected, and for an expectation that was not met.
func (c *console) judge(t *testing.T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, report := range c.reports {
		if !slices.Contains(c.expected, report) && !slices.Contains(c.tolerated, report) {
			t.Errorf("the console reports %s", report)
		}
	}
	for _, expected := range c.expected {
		if !slices.Contains(c.reports, expected) && !t.Failed() {
			t.Errorf("the console does not report %s", expected)
		}
	}
}

func pathOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	return u.Path
}
