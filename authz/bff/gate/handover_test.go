package gate_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authzd/authzd/authz/bff/gate"
	"github.com/authzd/authzd/authz/bff/websession"
)

// jar is a browser's cookies of each host, as far as the gate's need it.
type jar map[string]map[string]string

func (j jar) keep(host string, res *http.Response) {
	if j[host] == nil {
		j[host] = map[string]string{}
	}
	for _, c := range res.Cookies() {
		if c.MaxAge < 0 {
			delete(j[host], c.Name)
		} else {
			j[host][c.Name] = c.Value
		}
	}
}

// visit is a navigation to a URL of the gate, with the browser's cookies.
func (f *fixture) visit(j jar, rawURL string) *http.Response {
	u, err := url.Parse(rawURL)
	if err != nil {
		panic(err)
	}
	r := httptest.NewRequest("GET", u.RequestURI(), nil)
	r.Host, r.Header = u.Host, browser()
	for name, value := range j[u.Host] {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	res := w.Result()
	j.keep(u.Host, res)
	return res
}

// begin asks for a page that needs a session, and returns where the browser is sent.
func (f *fixture) begin(t testing.TB, j jar, rawURL string) string {
	t.Helper()
	_, host, _ := split(rawURL)
	var cookies []*http.Cookie
	for name, value := range j[host] {
		cookies = append(cookies, &http.Cookie{Name: name, Value: value})
	}
	res := f.ask(contracts["nginx"]("GET", rawURL, browser()), cookies...)
	j.keep(host, res)
	location := res.Header.Get("Location")
	if location == "" {
		t.Fatalf("%s: %d, no Location", rawURL, res.StatusCode)
	}
	return location
}

// A person comes to a site, signs in at the gate, and is back at the page; at a second site without signing in again.
func TestHandOver(t *testing.T) {
	f, j := newFixture(t), jar{}
	start := f.begin(t, j, appURL+"/users/7?tab=2")
	if len(j["app.example.com"]) != 1 {
		t.Fatalf("the site has no transaction: %v", j)
	}
	login := f.visit(j, start)
	location, err := url.Parse(login.Header.Get("Location"))
	if err != nil || login.StatusCode != http.StatusSeeOther || location.Path != "/bff/login" {
		t.Fatalf("to sign in: %d %v", login.StatusCode, location)
	}
	back := location.Query().Get("return_to")
	if !strings.HasPrefix(back, "/gate/start?") {
		t.Fatalf("comes back to %s", back)
	}
	own, _ := f.ownCookie(t, alice())
	j["gate.example.com"] = map[string]string{own.Name: own.Value}

	enter := f.visit(j, gateURL+back)
	if enter.StatusCode != http.StatusSeeOther || !strings.HasPrefix(enter.Header.Get("Location"), appURL+"/gate/enter?code=") {
		t.Fatalf("to the site: %d %s", enter.StatusCode, enter.Header.Get("Location"))
	}
	arrived := f.visit(j, enter.Header.Get("Location"))
	if arrived.StatusCode != http.StatusSeeOther || arrived.Header.Get("Location") != appURL+"/users/7?tab=2" {
		t.Fatalf("arrived: %d %s", arrived.StatusCode, arrived.Header.Get("Location"))
	}
	for _, c := range arrived.Cookies() {
		if !strings.HasPrefix(c.Name, "__Host-Http-gate") || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("cookie %+v", c)
		}
	}
	if len(j["app.example.com"]) != 1 {
		t.Errorf("the transaction is left: %v", j["app.example.com"])
	}
	for _, cookie := range []string{j["app.example.com"][own.Name], own.Value} {
		res := f.ask(contracts["nginx"]("GET", appURL+"/users", nil), &http.Cookie{Name: own.Name, Value: cookie})
		if want := map[bool]int{true: 401, false: 200}[cookie == own.Value]; res.StatusCode != want {
			t.Errorf("%d, want %d", res.StatusCode, want)
		}
	}

	second := f.visit(j, f.begin(t, j, otherURL+"/x"))
	if location := second.Header.Get("Location"); !strings.HasPrefix(location, otherURL+"/gate/enter?") {
		t.Fatalf("the second site: %d %s", second.StatusCode, location)
	}
	if res := f.visit(j, second.Header.Get("Location")); res.Header.Get("Location") != otherURL+"/x" {
		t.Errorf("the second site: %d %s", res.StatusCode, res.Header.Get("Location"))
	}
}

// enterURL is where a signed-in browser is sent with a code.
func (f *fixture) enterURL(t testing.TB, j jar, rawURL string) string {
	t.Helper()
	own, _ := f.ownCookie(t, alice())
	j["gate.example.com"] = map[string]string{own.Name: own.Value}
	location := f.visit(j, f.begin(t, j, rawURL)).Header.Get("Location")
	if !strings.Contains(location, "/gate/enter?") {
		t.Fatalf("sent to %s", location)
	}
	return location
}

// A code is for one browser, one host, one use and one minute. A link with an attacker's code signs nobody in.
func TestCodeIsBound(t *testing.T) {
	at := func(location, host string) string { return strings.Replace(location, appURL, host, 1) }
	param := func(location, name, value string) string {
		u, _ := url.Parse(location)
		q := u.Query()
		q.Set(name, value)
		u.RawQuery = q.Encode()
		return u.String()
	}
	for what, try := range map[string]func(f *fixture, j jar, location string) (jar, string){
		"another browser": func(f *fixture, j jar, location string) (jar, string) { return jar{}, location },
		"another browser, with a transaction of its own": func(f *fixture, j jar, location string) (jar, string) {
			other := jar{}
			start, _ := url.Parse(f.begin(t, other, appURL+"/users"))
			return other, param(location, "tx", start.Query().Get("tx"))
		},
		"another host": func(f *fixture, j jar, location string) (jar, string) {
			j["other.example.com:8443"] = j["app.example.com"]
			return j, at(location, otherURL)
		},
		"another host, with a transaction of its own": func(f *fixture, j jar, location string) (jar, string) {
			start, _ := url.Parse(f.begin(t, j, otherURL+"/users"))
			return j, param(at(location, otherURL), "tx", start.Query().Get("tx"))
		},
		"another code": func(f *fixture, j jar, location string) (jar, string) {
			return j, param(location, "code", strings.Repeat("A", 52))
		},
		"no code": func(f *fixture, j jar, location string) (jar, string) { return j, param(location, "code", "") },
		"a second use": func(f *fixture, j jar, location string) (jar, string) {
			again := jar{"app.example.com": {}}
			for name, value := range j["app.example.com"] {
				again["app.example.com"][name] = value
			}
			if res := f.visit(j, location); res.StatusCode != http.StatusSeeOther {
				t.Errorf("the first use: %d", res.StatusCode)
			}
			return again, location
		},
		"the session has ended": func(f *fixture, j jar, location string) (jar, string) {
			session := websession.Hash(j["gate.example.com"]["__Host-Http-gate"])
			if err := f.sessions.End(t.Context(), session, websession.SignedOut); err != nil {
				t.Error(err)
			}
			return j, location
		},
	} {
		f, j := newFixture(t), jar{}
		browser, location := try(f, j, f.enterURL(t, j, appURL+"/users"))
		res := f.visit(browser, location)
		if res.StatusCode != http.StatusBadRequest || res.Header.Get("Location") != "" {
			t.Errorf("%s: %d %s", what, res.StatusCode, res.Header.Get("Location"))
		}
		for _, cookies := range browser {
			if _, in := cookies["__Host-Http-gate"]; in && what != "another host" && what != "another host, with a transaction of its own" && cookies["__Host-Http-gate"] != browser["gate.example.com"]["__Host-Http-gate"] {
				t.Errorf("%s: signed in", what)
			}
		}
	}
}

// A code that the wrong browser has tried is used up.
func TestWrongTryUsesUpTheCode(t *testing.T) {
	f, j := newFixture(t), jar{}
	location := f.enterURL(t, j, appURL+"/users")
	other := jar{}
	start, _ := url.Parse(f.begin(t, other, appURL+"/users"))
	u, _ := url.Parse(location)
	q := u.Query()
	q.Set("tx", start.Query().Get("tx"))
	if res := f.visit(other, appURL+"/gate/enter?"+q.Encode()); res.StatusCode != http.StatusBadRequest {
		t.Fatalf("%d", res.StatusCode)
	}
	if res := f.visit(j, location); res.StatusCode != http.StatusBadRequest {
		t.Errorf("%d", res.StatusCode)
	}
}

// A browser without a transaction may have been led to the site with somebody's code. That uses up the code, so that
// a reader of the address cannot use it.
func TestStrayCodeIsUsedUp(t *testing.T) {
	f, other, victim := newFixture(t), jar{}, jar{}
	start := f.begin(t, other, appURL+"/users")
	own, _ := f.ownCookie(t, alice())
	victim["gate.example.com"] = map[string]string{own.Name: own.Value}
	location := f.visit(victim, start).Header.Get("Location")
	if res := f.visit(victim, location); res.StatusCode != http.StatusBadRequest {
		t.Fatalf("%d", res.StatusCode)
	}
	if res := f.visit(other, location); res.StatusCode != http.StatusBadRequest || len(res.Cookies()) != 1 {
		t.Errorf("%d %v", res.StatusCode, res.Cookies())
	}
}

// 64 requests with one code: one pass.
func TestCodeIsUsedOnceByMany(t *testing.T) {
	f, j := newFixture(t), jar{}
	location := f.enterURL(t, j, appURL+"/users")
	var entered atomic.Int32
	var wg sync.WaitGroup
	for range 64 {
		mine := jar{"app.example.com": {}}
		for name, value := range j["app.example.com"] {
			mine["app.example.com"][name] = value
		}
		wg.Go(func() {
			if f.visit(mine, location).StatusCode == http.StatusSeeOther {
				entered.Add(1)
			}
		})
	}
	wg.Wait()
	if entered.Load() != 1 {
		t.Errorf("%d entered", entered.Load())
	}
}

// A link to the start with somebody else's transaction leads nowhere that its maker could use.
func TestStartRefuses(t *testing.T) {
	f, j := newFixture(t), jar{}
	start := f.begin(t, j, appURL+"/users")
	tx := start[strings.LastIndex(start, "tx="):]
	for what, c := range map[string]struct {
		url  string
		want int
	}{
		"another host":      {gateURL + "/gate/start?host=evil.example&" + tx, 400},
		"a URL as host":     {gateURL + "/gate/start?host=https://evil.example&" + tx, 400},
		"the gate itself":   {gateURL + "/gate/start?host=gate.example.com&" + tx, 400},
		"two hosts":         {gateURL + "/gate/start?host=app.example.com&host=evil.example&" + tx, 400},
		"no host":           {gateURL + "/gate/start?" + tx, 400},
		"no transaction":    {gateURL + "/gate/start?host=app.example.com", 400},
		"a short one":       {gateURL + "/gate/start?host=app.example.com&tx=x", 400},
		"at the site":       {appURL + "/gate/start?host=app.example.com&" + tx, 404},
		"no cookies again":  {start + "&again=1", 400},
		"enter at the gate": {gateURL + "/gate/enter?code=x&" + tx, 404},
		"enter elsewhere":   {"https://evil.example/gate/enter?code=x&" + tx, 404},
	} {
		if res := f.visit(j, c.url); res.StatusCode != c.want || res.Header.Get("Location") != "" {
			t.Errorf("%s: %d %s", what, res.StatusCode, res.Header.Get("Location"))
		}
	}
	for _, dest := range []string{"iframe", "image", "empty", "script"} {
		r := httptest.NewRequest("GET", strings.TrimPrefix(start, gateURL), nil)
		r.Host = "gate.example.com"
		r.Header.Set("Sec-Fetch-Dest", dest)
		if res := f.ask(r); res.StatusCode != http.StatusForbidden {
			t.Errorf("as %s: %d", dest, res.StatusCode)
		}
	}
	r := httptest.NewRequest("POST", strings.TrimPrefix(start, gateURL), nil)
	r.Host = "gate.example.com"
	if res := f.ask(r); res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", res.StatusCode)
	}
}

// Many tabs find their way back, each to its own page. More than there is room for take the place of the oldest, and
// all cookies together stay below what proxies take.
func TestManyTabs(t *testing.T) {
	f, j := newFixture(t), jar{}
	var starts []string
	for i := range 10 {
		starts = append(starts, f.begin(t, j, appURL+"/users/"+strings.Repeat("x", i)))
	}
	own, _ := f.ownCookie(t, alice())
	j["gate.example.com"] = map[string]string{own.Name: own.Value}
	for i, start := range starts {
		enter := f.visit(j, start).Header.Get("Location")
		if res := f.visit(j, enter); res.Header.Get("Location") != appURL+"/users/"+strings.Repeat("x", i) {
			t.Errorf("tab %d: %d %s", i, res.StatusCode, res.Header.Get("Location"))
		}
	}

	j = jar{}
	for i := range 200 {
		f.begin(t, j, appURL+"/users?"+strings.Repeat("x", i*40))
		size := 0
		for name, value := range j["app.example.com"] {
			size += len(name) + len(value) + 3
		}
		if len(j["app.example.com"]) > 16 || size > 7<<10 {
			t.Fatalf("%d cookies of %d bytes", len(j["app.example.com"]), size)
		}
	}
}

// The tab that comes back when its transaction is gone is no error if the browser is signed in.
func TestLateTab(t *testing.T) {
	f, j := newFixture(t), jar{}
	location := f.enterURL(t, j, appURL+"/users")
	if res := f.visit(j, location); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d", res.StatusCode)
	}
	if res := f.visit(j, location); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != appURL+"/" {
		t.Errorf("again: %d %s", res.StatusCode, res.Header.Get("Location"))
	}
}

// A form that is sent after the session's end is not sent again: the browser comes back by GET.
func TestFormIsNotReplayed(t *testing.T) {
	f, j := newFixture(t), jar{}
	for _, name := range []string{"nginx", "caddy", "envoy"} {
		r := contracts[name]("POST", appURL+"/users/new", browser())
		r.Body = &countingBody{}
		res := f.ask(r)
		j.keep("app.example.com", res)
		if res.StatusCode == http.StatusTemporaryRedirect || res.StatusCode == http.StatusPermanentRedirect {
			t.Errorf("%s: %d makes the browser send it again", name, res.StatusCode)
		}
		if read := r.Body.(*countingBody).read; read != 0 {
			t.Errorf("%s: the gate has read %d bytes", name, read)
		}
		own, _ := f.ownCookie(t, alice())
		j["gate.example.com"] = map[string]string{own.Name: own.Value}
		enter := f.visit(j, res.Header.Get("Location"))
		back := f.visit(j, enter.Header.Get("Location"))
		if back.StatusCode != http.StatusSeeOther || back.Header.Get("Location") != appURL+"/users/new" {
			t.Errorf("%s: back: %d %s", name, back.StatusCode, back.Header.Get("Location"))
		}
	}
}

// countingBody has no end.
type countingBody struct{ read int }

func (b *countingBody) Read(p []byte) (int, error) {
	b.read += len(p)
	return len(p), nil
}
func (b *countingBody) Close() error { return nil }

// A hand-over lasts a minute, a transaction ten, and a pass as long as the session.
func TestTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, j := newFixture(t), jar{}
		location := f.enterURL(t, j, appURL+"/users")
		time.Sleep(61 * time.Second)
		if res := f.visit(j, location); res.StatusCode != http.StatusBadRequest {
			t.Errorf("a code after 61 s: %d", res.StatusCode)
		}

		start := f.begin(t, j, appURL+"/users")
		time.Sleep(10*time.Minute + time.Second)
		enter := f.visit(j, start).Header.Get("Location")
		if res := f.visit(j, enter); res.StatusCode != http.StatusBadRequest {
			t.Errorf("a transaction after 10 min: %d", res.StatusCode)
		}

		cookie, _ := f.signIn(t, alice(), "app.example.com")
		ask := func() int { return f.ask(contracts["nginx"]("GET", appURL+"/users", nil), cookie).StatusCode }
		for range 59 { // requests are no activity
			time.Sleep(time.Minute)
			if got := ask(); got != 200 {
				t.Fatalf("%d", got)
			}
		}
		time.Sleep(time.Minute + time.Second)
		if got := ask(); got != 401 {
			t.Errorf("after the idle limit: %d", got)
		}
	})
}

// A store that does not answer costs a second at most, and lets nobody in.
func TestSlowStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hanging := &hangingSessions{release: make(chan struct{})}
		f := newFixture(t, func(c *gate.Config) { c.Sessions = hanging })
		hanging.Sessions = f.sessions
		cookie, _ := f.signIn(t, alice(), "app.example.com")
		for name, want := range map[string]int{"nginx": 403, "traefik": 503, "caddy": 503, "envoy": 503, "gateway-api": 503} {
			began := time.Now()
			res := f.ask(contracts[name]("GET", appURL+"/users", browser()), cookie)
			if took := time.Since(began); res.StatusCode != want || took > time.Second {
				t.Errorf("%s: %d after %s", name, res.StatusCode, took)
			}
		}
		close(hanging.release)
	})
}

// hangingSessions do not even look at the context.
type hangingSessions struct {
	*websession.Sessions
	release chan struct{}
}

func (s *hangingSessions) FindAt(r *http.Request, host string) (*websession.Session, error) {
	<-s.release
	return s.Sessions.FindAt(r, host)
}

// A second user of a browser takes the place of the first (GHSA-f24x-5g9q-753f).
func TestSecondUser(t *testing.T) {
	f, j := newFixture(t), jar{}
	first := f.enterURL(t, j, appURL+"/users")
	f.visit(j, first)
	old := j["app.example.com"]["__Host-Http-gate"]
	user := func(value string) string {
		res := f.ask(contracts["nginx"]("GET", appURL+"/users", nil), &http.Cookie{Name: "__Host-Http-gate", Value: value})
		return res.Header.Get("X-Auth-User")
	}
	if got := user(old); got != "alice" {
		t.Fatalf("the first user is %q", got)
	}
	// The callback of a sign-in ends the browser's earlier session.
	if err := f.sessions.End(t.Context(), websession.Hash(j["gate.example.com"]["__Host-Http-gate"]), websession.SignedOut); err != nil {
		t.Fatal(err)
	}
	own, _ := f.ownCookie(t, bob())
	j["gate.example.com"][own.Name] = own.Value
	enter := f.visit(j, f.begin(t, j, appURL+"/users")).Header.Get("Location")
	f.visit(j, enter)
	if got := user(j["app.example.com"]["__Host-Http-gate"]); got != "bob" {
		t.Errorf("the second user is %q", got)
	}
	if got := user(old); got != "" {
		t.Errorf("the first cookie still is %q", got)
	}
}

// Wherever a request says that it wants to go, a person comes back to the host that was asked for, and a parameter of
// the gate leads nowhere (GHSA-4mf2-f3wh-gvf2, GHSA-5m6c-jp6f-2vcv, GHSA-j7px-6hwj-hpjg, GHSA-qqxw-m5fj-f7gv).
func TestReturnPlaces(t *testing.T) {
	text, err := os.ReadFile("../../weburl/testdata/return.txt")
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, func(c *gate.Config) {
		c.Hosts = []gate.Host{{URL: appURL, Rules: []gate.Rule{{Path: "/", Allow: gate.SignedIn}}}}
	})
	own, _ := f.ownCookie(t, alice())
	places, back := 0, 0
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		quoted := line[4:]
		place, err := strconv.Unquote(`"` + strings.ReplaceAll(quoted, `"`, `\"`) + `"`)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		places++
		j := jar{"gate.example.com": {own.Name: own.Value}}
		res := f.ask(contracts["nginx"]("GET", appURL+place, browser()))
		start := res.Header.Get("Location")
		if start == "" { // refused: it has two readings
			if res.StatusCode != http.StatusForbidden {
				t.Errorf("%q: %d", place, res.StatusCode)
			}
		} else {
			j.keep("app.example.com", res)
			enter := f.visit(j, start).Header.Get("Location")
			got := f.visit(j, enter).Header.Get("Location")
			u, err := url.Parse(got)
			if err != nil || u.Scheme+"://"+u.Host != appURL || u.User != nil || !strings.HasPrefix(got, appURL+"/") ||
				strings.HasPrefix(got, appURL+"//") || strings.ContainsAny(got, "\\\t\r\n ") {
				t.Errorf("%q: back at %q", place, got)
			}
			back++
		}
		for _, path := range []string{"/gate/start?host=" + url.QueryEscape(place) + "&tx=" + strings.Repeat("A", 43),
			"/gate/start?host=app.example.com&tx=" + strings.Repeat("A", 43) + "&return_to=" + url.QueryEscape(place) + "&rd=" + url.QueryEscape(place)} {
			got := f.visit(j, gateURL+path).Header.Get("Location")
			if got != "" && !strings.HasPrefix(got, appURL+"/gate/enter?code=") {
				t.Errorf("%q: leads to %q", path, got)
			}
		}
		j["app.example.com"] = map[string]string{}
		if got := f.visit(j, appURL+"/gate/enter?code="+url.QueryEscape(place)+"&tx="+url.QueryEscape(place)+"&return_to="+url.QueryEscape(place)).Header.Get("Location"); got != "" {
			t.Errorf("%q: enter leads to %q", place, got)
		}
	}
	if places < 300 || back < 50 {
		t.Errorf("%d places, %d of them came back", places, back)
	}
	t.Logf("%d places: %d came back to the host, the others were refused", places, back)
}
