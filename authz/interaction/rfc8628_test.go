package interaction_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

// heading is what a page is about.
func heading(page *authztest.Page) string {
	_, after, _ := strings.Cut(page.Body, "<h1>")
	text, _, _ := strings.Cut(after, "</h1>")
	return text
}

// change rewrites the only device in the store.
func change(t *testing.T, s *authztest.Server, edit func(*storage.DeviceCode)) {
	t.Helper()
	devices, err := storage.DeviceCodes.Scan(t.Context(), s.Store, "", "", 2)
	if err != nil || len(devices) != 1 {
		t.Fatalf("%d devices, %v", len(devices), err)
	}
	edit(devices[0].Value)
	if err := s.Store.Apply(t.Context(), storage.DeviceCodes.Put(devices[0].Key, devices[0].Value, storage.At(devices[0].Version), time.Now().Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
}

// expire makes a device's time run out.
func expire(t *testing.T, s *authztest.Server) {
	t.Helper()
	change(t, s, func(c *storage.DeviceCode) { c.ExpiresAt = time.Now().Add(-time.Second) })
}

func TestRFC8628Section3_1_ClientAuthentication(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		if m.ID == authztest.Web {
			m.GrantTypes = append(m.GrantTypes, client.GrantDeviceCode)
		}
	})
	if answer := s.PostForm(t, "/device_authorization", url.Values{"client_id": {authztest.Web}}, nil); answer.Status != 401 {
		t.Errorf("a confidential client without its secret: %d %s", answer.Status, answer.Body)
	}
	status, answer := blackbox.PostAs(t, s, "/device_authorization", authztest.Web, url.Values{"scope": {"openid orders.read"}})
	if status != 200 || answer["device_code"] == nil {
		t.Fatalf("%d %v", status, answer)
	}
	blackbox.ApproveDevice(t, s.NewBrowser(t), authztest.Device{VerificationURIComplete: answer["verification_uri_complete"].(string)})
	form := authztest.DeviceForm(answer["device_code"].(string))
	if got := s.Token(t, authztest.Web, "", form); got.Status != 401 {
		t.Errorf("polled without the secret: %+v", got)
	}
	if got := s.Token(t, authztest.Web, authztest.Secret, form); got.Status != 200 {
		t.Errorf("polled with the secret: %+v", got)
	}
}

func TestRFC8628Section3_2_Response(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	answer := s.PostForm(t, "/device_authorization", url.Values{"client_id": {authztest.TV}}, nil)
	if answer.Status != 200 || answer.Header.Get("Cache-Control") != "no-store" || answer.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%d %v", answer.Status, answer.Header)
	}
	var d authztest.Device
	answer.JSON(t, &d)
	if !regexp.MustCompile(`^azd_[A-Za-z0-9_-]{43}$`).MatchString(d.Code) || !regexp.MustCompile(`^[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}$`).MatchString(d.UserCode) {
		t.Errorf("codes %q and %q", d.Code, d.UserCode)
	}
	if d.VerificationURI != s.URL+"/device" || d.VerificationURIComplete != s.URL+"/device?user_code="+d.UserCode || d.ExpiresIn != 600 || d.Interval != 5 {
		t.Errorf("%+v", d)
	}
	for _, table := range storage.Tables {
		rows, err := s.Store.Scan(t.Context(), table, "", "", 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			if strings.Contains(row.Key+string(row.Value), d.Code) {
				t.Errorf("the device code is in the table %s", table)
			}
		}
	}
}

func TestRFC8628Section3_3_UserInteraction(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b, d := s.NewBrowser(t), s.NewDevice(t, nil)
	page := b.Get(t, d.VerificationURI)
	if heading(page) != "Connect a device" || !page.Has("user_code") {
		t.Fatalf("%.500s", page.Body)
	}
	page = b.Follow(t, page.Submit(t, "device-submit", url.Values{"user_code": {d.UserCode}}))
	if !page.Has("login-submit") || strings.Contains(page.Body, "TV App") {
		t.Fatalf("before the sign-in: %.500s", page.Body)
	}
	page = b.Follow(t, page.Submit(t, "login-submit", url.Values{"username": {b.Username}, "password": {b.Password}}))
	for _, want := range []string{"TV App", d.UserCode, "Alice Liddell", "Orders API", "device is in front of you"} {
		if !strings.Contains(page.Body, want) {
			t.Errorf("the confirmation does not name %q", want)
		}
	}
	if got := blackbox.PollDevice(t, s, d); got.Error != "authorization_pending" {
		t.Errorf("before the decision: %+v", got)
	}
	allow := page.Submit(t, "consent-allow", nil)
	if page = b.Follow(t, allow); heading(page) != "Your device is connected" {
		t.Fatalf("%.500s", page.Body)
	}
	tokens := blackbox.PollDevice(t, s, d)
	claims := blackbox.Claims(t, tokens.IDToken)
	if tokens.Status != 200 || tokens.RefreshToken == "" || tokens.Scope != "openid offline_access orders.read" || claims["aud"] != authztest.TV || claims["acr"] == "" || claims["nonce"] != nil {
		t.Errorf("%+v, ID token %v", tokens, claims)
	}
	if access := blackbox.Claims(t, tokens.AccessToken); access["sub"] != claims["sub"] || access["client_id"] != authztest.TV || access["aud"] == nil {
		t.Errorf("access token %v", access)
	}
	if got := s.Token(t, authztest.TV, "", authztest.RefreshForm(tokens.RefreshToken)); got.Status != 200 {
		t.Errorf("refresh: %+v", got)
	}
	if page := b.Get(t, s.URL+"/account"); !page.Has("revoke-" + authztest.TV) {
		t.Error("the app is not on the account page")
	}
	if page := b.Get(t, d.VerificationURIComplete); heading(page) != "Your device is connected" {
		t.Errorf("the code again: %q", heading(page))
	}
}

// The ways in which people type a code that they copy from a screen.
func TestRFC8628Section3_3_ForgivingInput(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b, d := s.SignedIn(t, nil), s.NewDevice(t, nil)
	letters := strings.ReplaceAll(d.UserCode, "-", "")
	for _, typed := range []string{d.UserCode, letters, strings.ToLower(d.UserCode), " " + d.UserCode + "\t", letters[:2] + " " + letters[2:], letters[:4] + "–" + letters[4:], strings.Join(strings.Split(letters, ""), "-") + "."} {
		page := b.Get(t, d.VerificationURI)
		if page = b.Follow(t, page.Submit(t, "device-submit", url.Values{"user_code": {typed}})); !page.Has("consent-allow") {
			if typed != " "+d.UserCode+"\t" || page.Status != 400 { // a tab is a control character, which no form may hold
				t.Errorf("%q is not understood: %d %q", typed, page.Status, heading(page))
			}
		}
	}
	for typed, want := range map[string]string{
		"": "Enter the code that your device shows", "BBBB-BBBB": "That code isn’t right", letters[1:]: "That code isn’t right",
		letters + letters[:1]: "That code isn’t right", "AEIO-UYAE": "That code isn’t right", strings.Repeat("B", 15_000): "That code isn’t right", `"><b>`: "That code isn’t right",
	} {
		page := b.Get(t, d.VerificationURI)
		if page = b.Follow(t, page.Submit(t, "device-submit", url.Values{"user_code": {typed}})); !page.Has("problem") || !strings.Contains(page.Body, want) {
			t.Errorf("%q: %d %.300s", typed, page.Status, page.Body)
		}
	}
}

// The code may come in the link, but the person decides, whoever the client is.
func TestRFC8628Section3_3_1_CompleteURI(t *testing.T) {
	t.Parallel()
	for _, firstParty := range []bool{false, true} {
		s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) { m.FirstParty = firstParty })
		b, d := s.SignedIn(t, nil), s.NewDevice(t, nil)
		for range 2 { // looking changes nothing
			page := b.Get(t, d.VerificationURIComplete)
			if !page.Has("consent-allow") || !page.Has("consent-deny") || !strings.Contains(page.Body, "TV App") || !strings.Contains(page.Body, d.UserCode) {
				t.Fatalf("first party %v: %.500s", firstParty, page.Body)
			}
			if got := blackbox.PollDevice(t, s, d); got.Error != "authorization_pending" && got.Error != "slow_down" {
				t.Fatalf("first party %v: %+v", firstParty, got)
			}
		}
		blackbox.ApproveDevice(t, b, d)
		again := s.NewDevice(t, nil) // what was allowed once is confirmed again
		if page := b.Get(t, again.VerificationURIComplete); !page.Has("consent-allow") {
			t.Errorf("first party %v: a second device: %.500s", firstParty, page.Body)
		}
	}
}

func TestRFC8628Section3_4_BoundToTheClient(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		if m.ID == authztest.ThirdParty {
			m.GrantTypes = append(m.GrantTypes, client.GrantDeviceCode)
		}
	})
	b, d := s.NewBrowser(t), s.NewDevice(t, nil)
	before := blackbox.Dump(t, s.Store)
	if got := s.Token(t, authztest.ThirdParty, "", authztest.DeviceForm(d.Code)); got.Status != 400 || got.Error != "invalid_grant" {
		t.Errorf("pending, by another client: %+v", got)
	}
	if blackbox.Dump(t, s.Store) != before {
		t.Error("another client has touched the device")
	}
	blackbox.ApproveDevice(t, b, d)
	if got := s.Token(t, authztest.ThirdParty, "", authztest.DeviceForm(d.Code)); got.Error != "invalid_grant" {
		t.Errorf("approved, by another client: %+v", got)
	}
	tokens := blackbox.PollDevice(t, s, d)
	if tokens.Status != 200 {
		t.Fatalf("another client has burnt the code: %+v", tokens)
	}
	if got := blackbox.PollDevice(t, s, d); got.Error != "invalid_grant" {
		t.Errorf("a second time: %+v", got)
	}
	if got := s.Token(t, authztest.TV, "", authztest.RefreshForm(tokens.RefreshToken)); got.Status != 200 {
		t.Errorf("a poll too many has ended the grant: %+v", got)
	}
}

func TestRFC8628Section3_4_OneUse(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b, d := s.NewBrowser(t), s.NewDevice(t, nil)
	blackbox.ApproveDevice(t, b, d)
	var winner authztest.Tokens
	wins := 0
	for _, a := range blackbox.RaceOf(t, s, authztest.TV, 64, authztest.DeviceForm(d.Code)) {
		switch {
		case a.Status == 200:
			wins, winner = wins+1, a
		case a.Status != 400 || a.Error != "invalid_grant":
			t.Errorf("a loser got %d %s", a.Status, a.Error)
		}
	}
	if wins != 1 {
		t.Fatalf("%d winners", wins)
	}
	if got := s.Token(t, authztest.TV, "", authztest.RefreshForm(winner.RefreshToken)); got.Status != 200 {
		t.Errorf("the winner's grant: %+v", got)
	}
}

// inBubble gives each poll of a test a time of its own. The store is outside of the bubble.
func inBubble(t *testing.T, s *authztest.Server, test func(poll func(device string) string)) {
	t.Helper()
	now := time.Now()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(now)) // the bubble begins in another century
		test(func(device string) string {
			form := authztest.DeviceForm(device)
			form.Set("client_id", authztest.TV)
			r := httptest.NewRequestWithContext(context.WithValue(t.Context(), blackbox.Nearby{}, true), http.MethodPost, s.URL+"/token", strings.NewReader(form.Encode()))
			r.Header = blackbox.FormHeader()
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			var answer struct{ Error string }
			if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			return answer.Error
		})
	})
}

// RFC 8628 section 3.5: a client that keeps to its interval is never told to slow down, however long the
// network takes, and each slow_down makes the interval five seconds longer.
func TestRFC8628Section3_5_SlowDown(t *testing.T) {
	t.Parallel()
	const pending, slow = "authorization_pending", "slow_down"
	type step struct {
		after time.Duration
		want  string
	}
	keeps := []step{{0, pending}}
	for i := range 100 { // one is late, the next is not
		keeps = append(keeps, step{5*time.Second + []time.Duration{900, -900}[i%2]*time.Millisecond, pending})
	}
	for name, steps := range map[string][]step{
		"exactly":         slices.Concat([]step{{0, pending}}, slices.Repeat([]step{{5 * time.Second, pending}}, 100)),
		"a network":       keeps,
		"just in time":    {{0, pending}, {4 * time.Second, pending}, {3900 * time.Millisecond, slow}},
		"longer and back": {{0, pending}, {3 * time.Second, slow}, {10 * time.Second, pending}, {9 * time.Second, pending}, {8 * time.Second, slow}, {15 * time.Second, pending}, {10 * time.Second, slow}, {20 * time.Second, pending}},
		"at once":         {{0, pending}, {0, slow}, {5 * time.Second, slow}, {14 * time.Second, pending}, {0, slow}, {0, slow}, {24 * time.Second, pending}},
		"obeys for ever":  slices.Concat([]step{{0, pending}, {time.Second, slow}}, slices.Repeat([]step{{10 * time.Second, pending}}, 50)),
	} {
		t.Run(name, func(t *testing.T) {
			s := authztest.Start(t, authz.Config{Store: blackbox.NewDistant(t)}, nil)
			d := s.NewDevice(t, nil)
			inBubble(t, s, func(poll func(string) string) {
				for i, step := range steps {
					time.Sleep(step.after)
					if got := poll(d.Code); got != step.want {
						t.Fatalf("poll %d: %s, want %s", i, got, step.want)
					}
				}
			})
			blackbox.ApproveDevice(t, s.NewBrowser(t), d)
			if got := blackbox.PollDevice(t, s, d); got.Status != 200 { // there is nothing to wait for any more
				t.Errorf("approved: %+v", got)
			}
		})
	}
}

// A flood of polls is not written down for ever, and the polls that are written count on every replica.
func TestRFC8628Section3_5_Flood(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	d := s.NewDevice(t, nil)
	for i := range 130 {
		if got := blackbox.PollDevice(t, s, d); got.Status != 400 || (got.Error == "slow_down") != (i > 0) {
			t.Fatalf("poll %d: %+v", i, got)
		}
	}
	before := blackbox.Dump(t, s.Store)
	if got := blackbox.PollDevice(t, s, d); got.Error != "slow_down" || blackbox.Dump(t, s.Store) != before {
		t.Errorf("the flood goes on in the store: %+v", got)
	}
	blackbox.ApproveDevice(t, s.NewBrowser(t), d)
	if got := blackbox.PollDevice(t, s, d); got.Status != 200 {
		t.Errorf("approved: %+v", got)
	}
}

func TestRFC8628Section3_5_AccessDenied(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b, d := s.NewBrowser(t), s.NewDevice(t, nil)
	b.Deny = true
	if page := b.Walk(t, d.VerificationURIComplete).Page; heading(page) != "Your device isn’t connected" {
		t.Errorf("%.500s", page.Body)
	}
	for range 2 {
		if got := blackbox.PollDevice(t, s, d); got.Status != 400 || got.Error != "access_denied" {
			t.Errorf("%+v", got)
		}
	}
	if page := b.Get(t, s.URL+"/account"); page.Has("revoke-" + authztest.TV) {
		t.Error("what was denied is on the account page")
	}
}

func TestRFC8628Section3_5_ExpiredToken(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b, d := s.SignedIn(t, nil), s.NewDevice(t, nil)
	confirm := b.Get(t, d.VerificationURIComplete)
	expire(t, s)
	if got := blackbox.PollDevice(t, s, d); got.Status != 400 || got.Error != "expired_token" {
		t.Errorf("%+v", got)
	}
	for _, page := range []*authztest.Page{b.Get(t, d.VerificationURIComplete), b.Follow(t, confirm.Submit(t, "consent-allow", nil))} {
		if !strings.Contains(page.Body, "That code has expired") || page.Has("consent-allow") {
			t.Errorf("%d %.500s", page.Status, page.Body)
		}
	}
	if got := blackbox.PollDevice(t, s, d); got.Error != "expired_token" {
		t.Errorf("approved too late: %+v", got)
	}
}

// A code that was approved in time, and is not asked for in time, is gone too.
func TestRFC8628Section3_5_ApprovedAndExpired(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b, d := s.NewBrowser(t), s.NewDevice(t, nil)
	blackbox.ApproveDevice(t, b, d)
	expire(t, s)
	if got := blackbox.PollDevice(t, s, d); got.Error != "expired_token" {
		t.Errorf("%+v", got)
	}
	if n := blackbox.Count(t, s.Store, storage.Grants.Table); n != 0 {
		t.Errorf("%d grants", n)
	}
}

func TestRFC8628Section4_Metadata(t *testing.T) {
	t.Parallel()
	with, without := authztest.Start(t, authz.Config{}, nil), authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		if m.ID == authztest.TV {
			m.GrantTypes, m.RedirectURIs = []string{client.GrantAuthorizationCode}, []string{authztest.RedirectURI}
		}
	})
	document := blackbox.GetJSON(t, with, "/.well-known/oauth-authorization-server", "")
	if document["device_authorization_endpoint"] != with.URL+"/device_authorization" || !strings.Contains(strings.Join(strs(document["grant_types_supported"]), " "), client.GrantDeviceCode) {
		t.Errorf("%v", document)
	}
	document = blackbox.GetJSON(t, without, "/.well-known/oauth-authorization-server", "")
	if document["device_authorization_endpoint"] != nil || strings.Contains(strings.Join(strs(document["grant_types_supported"]), " "), client.GrantDeviceCode) {
		t.Errorf("no client may use it: %v", document)
	}
	if got := without.Token(t, authztest.SPA, "", authztest.DeviceForm("azd_x")); got.Error != "unsupported_grant_type" {
		t.Errorf("%+v", got)
	}
	for _, path := range []string{"/device", "/device_authorization"} {
		if got := without.PostForm(t, path, url.Values{}, nil); got.Status != 404 {
			t.Errorf("%s: %d", path, got.Status)
		}
	}
}

func strs(v any) []string {
	var out []string
	for _, s := range v.([]any) {
		out = append(out, s.(string))
	}
	return out
}

// Guesses are bounded, whatever is right among them, and those who have not signed in learn nothing.
func TestRFC8628Section5_1_Guesses(t *testing.T) {
	t.Parallel()
	log := &blackbox.Logbook{}
	s := authztest.Start(t, authz.Config{Logger: slog.New(slog.NewJSONHandler(log, nil))}, nil)
	d := s.NewDevice(t, nil)
	stranger := s.NewBrowser(t)
	known, unknown := stranger.Get(t, d.VerificationURIComplete), stranger.Get(t, d.VerificationURI+"?user_code=BBBB-BBBB")
	if known.LedTo(t) != "/login" || unknown.LedTo(t) != "/login" {
		t.Errorf("a stranger is told a code from a guess: %d, %d", known.Status, unknown.Status)
	}
	b := s.SignedIn(t, nil)
	guess := func(b *authztest.Browser, code string) *authztest.Page {
		return b.Get(t, d.VerificationURI+"?user_code="+code)
	}
	for i := range 10 {
		if page := guess(b, "BBBB-BBB"+string("BCDFGHJKLM"[i])); page.Status != 200 || !page.Has("problem") {
			t.Fatalf("guess %d: %d", i, page.Status)
		}
		if page := guess(b, d.UserCode); i < 9 && !page.Has("consent-allow") { // a right one costs nothing
			t.Fatalf("the code after guess %d: %d", i, page.Status)
		}
	}
	page := guess(b, d.UserCode)
	if page.Status != 429 || !strings.Contains(page.Body, "Too many attempts") || page.Header.Get("Retry-After") == "" || page.Has("consent-allow") {
		t.Errorf("the eleventh: %d %.500s", page.Status, page.Body)
	}
	if !strings.Contains(log.String(), `"alarm":"user_code_throttled"`) || strings.Contains(log.String(), d.UserCode) {
		t.Errorf("the log has no alarm, or a code: %.2000s", log)
	}
	if page := guess(s.SignedIn(t, nil), d.UserCode); page.Status != 429 { // fresh cookies, same user
		t.Errorf("with other cookies: %d", page.Status)
	}
}

// Nobody fills the store with devices that nobody holds.
func TestRFC8628Section5_2_DevicesAreBounded(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	ask := func() authztest.Response {
		return s.PostForm(t, "/device_authorization", url.Values{"client_id": {authztest.TV}}, nil)
	}
	for n := 0; ask().Status == http.StatusOK; n++ {
		if n > 200 {
			t.Fatal("there is no end of devices")
		}
	}
	before := blackbox.Dump(t, s.Store)
	answer := ask()
	if answer.Status != 429 || !strings.Contains(answer.Body, "temporarily_unavailable") || !blackbox.SaysWhen(answer.Header, 10) {
		t.Errorf("%d %v %s", answer.Status, answer.Header, answer.Body)
	}
	if blackbox.Dump(t, s.Store) != before {
		t.Error("it was stored")
	}
	rows, err := s.Store.Scan(t.Context(), storage.DeviceCodes.Table, "", "", 100)
	if err != nil || len(rows) != 60 {
		t.Fatalf("%d devices, %v", len(rows), err)
	}
	for _, row := range rows {
		if row.Expires.IsZero() || time.Until(row.Expires) > 21*time.Minute {
			t.Errorf("a device lives until %v", row.Expires)
		}
	}
}

// Somebody else's device: whoever decides first decides, and the other learns nothing.
func TestRFC8628Section5_4_TwoUsers(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{Users: []users.User{
		{Username: authztest.Username, Password: authztest.Password, Name: "Alice Liddell"},
		{Username: "mallory", Password: authztest.Password},
	}}, nil)
	alice, mallory, d := s.NewBrowser(t), s.NewBrowser(t), s.NewDevice(t, url.Values{"scope": {"openid profile"}})
	mallory.Username = "mallory"
	mallory.Code(t, authztest.SPA, nil)
	late := mallory.Get(t, d.VerificationURIComplete)
	blackbox.ApproveDevice(t, alice, d)
	for _, page := range []*authztest.Page{mallory.Follow(t, late.Submit(t, "consent-allow", nil)), mallory.Get(t, d.VerificationURIComplete)} {
		if !strings.Contains(page.Body, "That code isn’t right") || strings.Contains(page.Body, "TV App") {
			t.Errorf("%.500s", page.Body)
		}
	}
	if user := blackbox.GetJSON(t, s, "/userinfo", blackbox.PollDevice(t, s, d).AccessToken); user["name"] != "Alice Liddell" {
		t.Errorf("the device got the tokens of another user than of who decided first: %v", user)
	}
}

// Of many decisions at once, one counts, and the page says which.
func TestRFC8628Section5_4_DecisionRace(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b, d := s.SignedIn(t, nil), s.NewDevice(t, nil)
	confirm := b.Get(t, d.VerificationURIComplete)
	headings := make([]string, 64)
	var all sync.WaitGroup
	for i := range headings {
		all.Go(func() {
			button := []string{"consent-allow", "consent-deny"}[i%2]
			headings[i] = heading(b.Follow(t, confirm.Submit(t, button, nil)))
		})
	}
	all.Wait()
	want := map[bool]string{true: "Your device is connected", false: "Your device isn’t connected"}[blackbox.PollDevice(t, s, d).Status == 200]
	for i, got := range headings {
		if got != want {
			t.Errorf("decision %d: %q, want %q", i, got, want)
		}
	}
}

// The decision is made by the user who was asked, in the browser that was, on our own page.
func TestRFC8628Section5_4_ForgedDecisions(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b, d := s.SignedIn(t, nil), s.NewDevice(t, nil)
	confirm := b.Get(t, d.VerificationURIComplete)
	send := func(name string, b *authztest.Browser, edit func(*http.Request, url.Values)) {
		t.Helper()
		request := confirm.Submit(t, "consent-allow", nil)
		if err := request.ParseForm(); err != nil {
			t.Fatal(err)
		}
		form := request.PostForm
		edit(request, form)
		forged, err := http.NewRequest(http.MethodPost, request.URL.String(), strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		forged.Header = request.Header
		b.Do(t, forged)
		if got := blackbox.PollDevice(t, s, d); got.Error != "authorization_pending" && got.Error != "slow_down" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	send("from another site", b, func(r *http.Request, _ url.Values) { r.Header.Set("Origin", "https://evil.example") })
	send("another user was asked", b, func(_ *http.Request, f url.Values) { f.Set("user", "somebody") })
	send("nobody was asked", b, func(_ *http.Request, f url.Values) { f.Del("user") })
	send("without the flow", b, func(_ *http.Request, f url.Values) { f.Del("flow") })
	send("forged flow", b, func(_ *http.Request, f url.Values) { f.Set("flow", blackbox.ChangeLast(f.Get("flow"))) })
	send("no such decision", b, func(_ *http.Request, f url.Values) { f.Set("decision", "yes") })
	send("another browser", s.SignedIn(t, nil), func(*http.Request, url.Values) {})
	send("nobody is signed in", s.NewBrowser(t), func(*http.Request, url.Values) {})
	blackbox.ApproveDevice(t, b, d)
}

// A device's tokens live as those of a code do.
func TestRFC8628_OnlineAndOffline(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.NewBrowser(t)
	sign := func(scope string) authztest.Tokens {
		d := s.NewDevice(t, url.Values{"scope": {scope}})
		blackbox.ApproveDevice(t, b, d)
		return blackbox.PollDevice(t, s, d)
	}
	online, offline := sign("openid orders.read"), sign("openid offline_access")
	pending := s.NewDevice(t, nil)
	blackbox.ApproveDevice(t, b, pending)
	b.Do(t, b.Get(t, s.URL+"/logout").Submit(t, "logout-confirm", nil))
	if got := s.Token(t, authztest.TV, "", authztest.RefreshForm(online.RefreshToken)); got.Error != "invalid_grant" {
		t.Errorf("online, after the logout: %+v", got)
	}
	refreshed := s.Token(t, authztest.TV, "", authztest.RefreshForm(offline.RefreshToken))
	if refreshed.Status != 200 {
		t.Errorf("offline, after the logout: %+v", refreshed)
	}
	b.Code(t, authztest.SPA, nil)
	b.Do(t, b.Get(t, s.URL+"/account").Submit(t, "revoke-"+authztest.TV, nil))
	if got := s.Token(t, authztest.TV, "", authztest.RefreshForm(refreshed.RefreshToken)); got.Error != "invalid_grant" {
		t.Errorf("after the app was removed: %+v", got)
	}
	if got := blackbox.PollDevice(t, s, pending); got.Error != "invalid_grant" {
		t.Errorf("approved before the app was removed: %+v", got)
	}
}

func TestRFC8628_DisabledUser(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b, d := s.NewBrowser(t), s.NewDevice(t, nil)
	blackbox.ApproveDevice(t, b, d)
	blackbox.DisableUser(t, s, blackbox.AliceID(t, s))
	if got := blackbox.PollDevice(t, s, d); got.Error != "invalid_grant" {
		t.Errorf("%+v", got)
	}
}

// The client's rules for a login hold for that of a device's user.
func TestRFC8628_FreshLogin(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b, d := s.SignedIn(t, nil), s.NewDevice(t, url.Values{"max_age": {"0"}})
	page := b.Get(t, d.VerificationURIComplete)
	if page.LedTo(t) != "/login" {
		t.Fatalf("%d %.300s", page.Status, page.Body)
	}
	page = b.Get(t, page.Header.Get("Location"))
	if !strings.Contains(page.Body, "TV App") || !page.Has("other-account") {
		t.Errorf("%.500s", page.Body)
	}
	page = b.Follow(t, page.Submit(t, "login-submit", url.Values{"username": {b.Username}, "password": {b.Password}}))
	if page = b.Follow(t, page.Submit(t, "consent-allow", nil)); heading(page) != "Your device is connected" {
		t.Fatalf("%.500s", page.Body)
	}
	if claims := blackbox.Claims(t, blackbox.PollDevice(t, s, d).IDToken); claims["auth_time"] == nil {
		t.Errorf("%v", claims)
	}
}

// A second user can take over before the decision: "not you?".
func TestRFC8628_AnotherAccount(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{Users: []users.User{
		{Username: authztest.Username, Password: authztest.Password},
		{Username: "bob", Password: authztest.Password, Name: "Bob"},
	}}, nil)
	b, d := s.SignedIn(t, nil), s.NewDevice(t, nil)
	confirm := b.Get(t, d.VerificationURIComplete)
	login := b.Get(t, confirm.Link("other-account"))
	page := b.Follow(t, login.Submit(t, "login-submit", url.Values{"username": {"bob"}, "password": {authztest.Password}}))
	if !strings.Contains(page.Body, "Bob") || !page.Has("consent-allow") {
		t.Fatalf("%.500s", page.Body)
	}
	if stale := b.Follow(t, confirm.Submit(t, "consent-allow", nil)); !stale.Has("account-other") { // two accounts: which one is meant?
		t.Errorf("alice's page decides for bob: %.300s", stale.Body)
	}
	if page = b.Follow(t, page.Submit(t, "consent-allow", nil)); heading(page) != "Your device is connected" {
		t.Errorf("%.300s", page.Body)
	}
}

// A page that was left open until its flow had ended begins again with the same code.
func TestRFC8628_AnotherBrowser(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	d := s.NewDevice(t, nil)
	login := s.NewBrowser(t).Get(t, d.VerificationURIComplete).Header.Get("Location")
	other := s.SignedIn(t, nil)
	if page := other.Get(t, strings.Replace(login, "/login", "/device", 1)); page.Header.Get("Location") != d.VerificationURIComplete {
		t.Errorf("%d %v", page.Status, page.Header)
	}
}

// The store loses the race for a user code that is taken, and the device gets another.
func TestRFC8628Section6_1_UserCodesAreUnique(t *testing.T) {
	t.Parallel()
	plain := authztest.Start(t, authz.Config{}, nil)
	store := &collidingStore{Store: plain.Store}
	s := authztest.Start(t, authz.Config{Store: store, Secret: plain.Secret}, nil)
	if d := s.NewDevice(t, nil); d.UserCode == "" || store.collisions != 2 {
		t.Errorf("%+v after %d collisions", d, store.collisions)
	}
}

// collidingStore finds the first two user codes taken.
type collidingStore struct {
	storage.Store
	collisions int
}

func (s *collidingStore) Apply(ctx context.Context, writes ...storage.Write) error {
	for _, w := range writes {
		if w.Table == storage.UserCodes.Table && s.collisions < 2 {
			s.collisions++
			return &storage.ConflictError{Table: w.Table, Key: w.Key}
		}
	}
	return s.Store.Apply(ctx, writes...)
}

// A full disk is no decision, and no answer of the device's either.
func TestRFC8628_StorageFailure(t *testing.T) {
	t.Parallel()
	plain := authztest.Start(t, authz.Config{}, nil)
	store := &blackbox.FailingStore{Store: plain.Store}
	s := authztest.Start(t, authz.Config{Store: store, Secret: plain.Secret}, nil)
	b, d := s.SignedIn(t, nil), s.NewDevice(t, nil)
	confirm := b.Get(t, d.VerificationURIComplete)
	store.Broken.Store(true)
	if page := b.Follow(t, confirm.Submit(t, "consent-allow", nil)); page.Status != 503 {
		t.Errorf("approve: %d", page.Status)
	}
	if got := blackbox.PollDevice(t, s, d); got.Status != 503 {
		t.Errorf("poll: %+v", got)
	}
	if got := s.PostForm(t, "/device_authorization", url.Values{"client_id": {authztest.TV}}, nil); got.Status != 503 {
		t.Errorf("begin: %d", got.Status)
	}
	store.Broken.Store(false)
	blackbox.ApproveDevice(t, b, d)
	if got := blackbox.PollDevice(t, s, d); got.Status != 200 {
		t.Errorf("%+v", got)
	}
}

// A device whose client registered itself is called unknown, and no host vouches for it: its tokens go
// to no redirect URI.
func TestRFC8628Section5_4_RegisteredClient(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, blackbox.OpenRegistration(), nil)
	registered := blackbox.Register(t, s, map[string]any{
		"client_name": "Orders", "token_endpoint_auth_method": "none", "grant_types": []string{client.GrantDeviceCode}, "redirect_uris": []string{},
	})
	d := s.NewDevice(t, url.Values{"client_id": {registered.Text("client_id")}, "scope": {"openid"}})
	b := s.SignedIn(t, nil)
	page := b.Get(t, d.VerificationURIComplete)
	if !page.Has("unknown-client") || !strings.Contains(page.Body, "Nobody has checked that") || !page.Has("consent-allow") {
		t.Errorf("%.1000s", page.Body)
	}
	blackbox.ApproveDevice(t, b, d)
	form := authztest.DeviceForm(d.Code)
	if got := s.Token(t, registered.Text("client_id"), "", form); got.Status != 200 || got.IDToken == "" {
		t.Errorf("%+v", got)
	}
}

// A client that wants to hear of a session's end hears of the one that its device was allowed in.
func TestRFC8628_JoinsTheSession(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		if m.ID == authztest.TV {
			m.BackChannelURI = "https://tv.example.com/logout"
		}
	})
	b := s.SignedIn(t, nil)
	joined := func() []string {
		sessions, err := storage.Sessions.Scan(t.Context(), s.Store, "", "", 2)
		if err != nil || len(sessions) != 1 {
			t.Fatalf("%d sessions, %v", len(sessions), err)
		}
		return sessions[0].Value.Clients
	}
	d := s.NewDevice(t, nil)
	b.Follow(t, b.Get(t, d.VerificationURIComplete).Submit(t, "consent-deny", nil))
	if got := joined(); len(got) != 0 {
		t.Errorf("denied, and joined: %v", got)
	}
	blackbox.ApproveDevice(t, b, s.NewDevice(t, nil))
	if got := joined(); !slices.Equal(got, []string{authztest.TV}) {
		t.Errorf("joined: %v", got)
	}
}
