package authz_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/register"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// Strangers can make us keep at most 50 MB of one kind, and not for long, with any number of names and addresses.

const mostGrowth = 50 << 20 // bytes

// unswept is how long an expired record may stay: the sweeper leaves a table alone for so many minutes
// that it has found idle.
const unswept = 16 * time.Minute

// flooded runs a server behind a proxy that is believed, with a store that is measured.
func flooded(t *testing.T, c authz.Config, sweepEvery time.Duration) (*authztest.Server, *bolt.Store) {
	t.Helper()
	engine, err := bolt.Open(filepath.Join(t.TempDir(), "authzd.db"), bolt.Options{SweepEvery: sweepEvery})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close() })
	c.Store, c.TrustedProxies = engine, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} // httptest's address
	c.Logger = slog.New(slog.DiscardHandler)
	return authztest.Start(t, c, nil), engine
}

// Networks that a flood comes from; i tells its requests apart.
func oneAddress(int) string      { return "198.51.100.7" }
func manyAddresses(i int) string { return fmt.Sprintf("2600:%x:%x::1", i>>16, i&0xffff) }
func oneSite(i int) string       { return fmt.Sprintf("2600:1:1:%x::1", i) }

// flood sends requests, many at a time, and counts the answers by their status. An answer of sign-up may take ten seconds.
func flood(t *testing.T, s http.Handler, n int, path string, from func(int) string, body func(int) (contentType, body string)) map[int]int {
	t.Helper()
	var mu sync.Mutex
	statuses := map[int]int{}
	var all sync.WaitGroup
	senders := blackbox.Many(16, 120) // fewer than may wait for the hash of a password
	for worker := range senders {
		all.Go(func() {
			for i := worker; i < n; i += senders {
				contentType, body := body(i)
				request := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
				request.Header = http.Header{"Content-Type": {contentType}, "X-Forwarded-For": {from(i)}}
				answer := httptest.NewRecorder()
				s.ServeHTTP(answer, request)
				if answer.Code == http.StatusTooManyRequests && answer.Header().Get("Retry-After") == "" {
					t.Error("nobody is told when to come back")
				}
				mu.Lock()
				statuses[answer.Code]++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return statuses
}

// allowed returns how many requests a limit has let through since began, at most.
func allowed(burst, perSecond int, began time.Time) int {
	return burst + int(float64(perSecond)*time.Since(began).Seconds()) + 1
}

func form(values url.Values) func(int) (string, string) {
	encoded := values.Encode()
	return func(int) (string, string) { return "application/x-www-form-urlencoded", encoded }
}

// count counts the live records of a table.
func count(t *testing.T, store storage.Store, table storage.Table) (n int) {
	t.Helper()
	for _, err := range storage.All(t.Context(), store, table, "") {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// RFC 9126 section 7 leaves it open what becomes of pushes in the name of a client that can't prove
// who it is: anybody can make them.
func TestFlood_PushedRequests(t *testing.T) {
	for name, row := range map[string]struct {
		padding, pushes int
	}{
		"short":   {0, 5000},
		"longest": {7000, 1000},
	} {
		t.Run(name, func(t *testing.T) {
			lifetimes := authz.DefaultLifetimes
			lifetimes.PAR = time.Second
			s, engine := flooded(t, authz.Config{Lifetimes: lifetimes}, 10*time.Millisecond)
			body := func(clientID string) func(int) (string, string) {
				return form(authztest.Request(clientID, url.Values{"login_hint": {strings.Repeat("a", row.padding)}}))
			}
			_, first := body(authztest.SPA)(0)
			weight := 1 + len(first)/512
			burst, perSecond := 4000/weight, 40/float64(weight)
			size, began := engine.Stats().FileBytes, time.Now()
			statuses := flood(t, s, row.pushes, "/par", manyAddresses, body(authztest.SPA))
			kept := statuses[http.StatusCreated]
			if most := burst + int(perSecond*time.Since(began).Seconds()) + 1; kept > most || statuses[http.StatusTooManyRequests] != row.pushes-kept {
				t.Fatalf("%v, where %d may be kept", statuses, most)
			}
			grown := engine.Stats().FileBytes - size
			// As it would be with 100,000 pushes and more, for ever.
			each := float64(grown) / float64(kept)
			worst := each * (float64(kept) + perSecond*(authz.DefaultLifetimes.PAR+unswept).Seconds())
			t.Logf("%d of %d kept, %.0f bytes each: never more than %.1f MB", kept, row.pushes, each, worst/1e6)
			if worst > mostGrowth {
				t.Errorf("the file grows by %.1f MB", worst/1e6)
			}
			blackbox.Until(t, "the pushed requests are swept", func() bool {
				return engine.Stats().Swept >= uint64(kept) && count(t, engine, storage.PushedRequests.Table) == 0
			})
			if again := flood(t, s, burst, "/par", manyAddresses, body(authztest.ThirdParty)); again[http.StatusCreated] < burst*9/10 { // another client's
				t.Errorf("%v", again)
			}
			if twice := engine.Stats().FileBytes - size; twice > grown+grown/4+2<<20 { // two of the steps in which the file grows
				t.Errorf("the file grew by %d bytes, and then to %d: what was swept is not used again", grown, twice)
			}
		})
	}
}

// One address, and one site, leave room for others.
func TestFlood_PushedRequests_Networks(t *testing.T) {
	s, _ := flooded(t, authz.Config{}, time.Minute)
	body := form(authztest.Request(authztest.SPA, nil))
	for name, row := range map[string]struct {
		from             func(int) string
		burst, perSecond int
	}{
		"one address": {oneAddress, 600, 2},
		"one site":    {oneSite, 2400, 8},
	} {
		began := time.Now()
		got := flood(t, s, 3000, "/par", row.from, body)[http.StatusCreated]
		if most := allowed(row.burst, row.perSecond, began); got < row.burst || got > most {
			t.Errorf("%s: %d are kept, where %d may be", name, got, most)
		}
	}
	other := func(int) string { return "203.0.113.9" }
	if got := flood(t, s, 100, "/par", other, body); got[http.StatusCreated] != 100 {
		t.Errorf("others are shut out: %v", got)
	}
	proven := authztest.Request(authztest.Web, url.Values{"client_secret": {authztest.Secret}})
	if got := flood(t, s, 1, "/par", oneAddress, form(proven)); got[http.StatusUnauthorized] != 1 { // by client_secret_basic alone
		t.Errorf("%v", got)
	}
	for range 700 {
		if got := blackbox.PostTo(s, "/par", authztest.Web, authztest.Secret, authztest.Request(authztest.Web, nil)); got.Code != http.StatusCreated {
			t.Fatalf("a client that proves who it is: %d %s", got.Code, got.Body)
		}
	}
}

// There is no end of clients that register themselves, so all together have what one has; and their
// requests must be short.
func TestFlood_PushedRequests_RegisteredClients(t *testing.T) {
	s, _ := flooded(t, blackbox.OpenRegistration(), time.Minute)
	kept, began := 0, time.Now()
	for i := range 8 {
		created := blackbox.Register(t, s, blackbox.WebClient(map[string]any{"token_endpoint_auth_method": "client_secret_post"}))
		params := authztest.Request(created.Text("client_id"), url.Values{"client_secret": {created.Text("client_secret")}})
		from := func(n int) string { return manyAddresses(1000*i + n) }
		kept += flood(t, s, 600, "/par", from, form(params))[http.StatusCreated]
		params.Set("login_hint", strings.Repeat("a", 10_000))
		if got := flood(t, s, 1, "/par", from, form(params)); got[http.StatusRequestEntityTooLarge] != 1 {
			t.Errorf("a long request: %v", got)
		}
	}
	if most := allowed(4000, 40, began); kept < 4000 || kept > most {
		t.Errorf("%d are kept, where %d may be", kept, most)
	}
}

// A client that registered with an initial access token, and authenticates, is not a stranger: one backend pushes for
// all its users.
func TestFlood_PushedRequests_InvitedClient(t *testing.T) {
	c := blackbox.OpenRegistration()
	c.Registration.Mode, c.Registration.InitialAccessTokens = register.Token, []string{"0123456789abcdef0123456789abcdef"}
	s, _ := flooded(t, c, time.Minute)
	created := blackbox.CallJSON(t, http.MethodPost, s.URL+"/register", c.Registration.InitialAccessTokens[0], blackbox.WebClient(map[string]any{"token_endpoint_auth_method": "client_secret_post"}))
	params := authztest.Request(created.Text("client_id"), url.Values{"client_secret": {created.Text("client_secret")}, "login_hint": {strings.Repeat("a", 10_000)}})
	if got := flood(t, s, 700, "/par", oneAddress, form(params)); got[http.StatusCreated] != 700 {
		t.Errorf("%v", got)
	}
}

func TestFlood_Devices(t *testing.T) {
	for name, row := range map[string]struct {
		padding, requests int
	}{
		"short":   {0, 2000},
		"longest": {7000, 500},
	} {
		t.Run(name, func(t *testing.T) {
			s, engine := flooded(t, authz.Config{}, time.Minute)
			size, began := engine.Stats().FileBytes, time.Now()
			params := url.Values{"scope": {"openid"}, "login_hint": {strings.Repeat("a", row.padding)}}
			weight := 1 + len(params.Encode())/512
			params.Set("client_id", authztest.TV)
			statuses := flood(t, s, row.requests, "/device_authorization", manyAddresses, form(params))
			kept := statuses[http.StatusOK]
			perSecond := 10 / float64(weight)
			if most := 1000/weight + int(perSecond*time.Since(began).Seconds()) + 1; kept > most || statuses[http.StatusTooManyRequests] != row.requests-kept {
				t.Fatalf("%v, where %d may be kept", statuses, most)
			}
			each := float64(engine.Stats().FileBytes-size) / float64(kept)
			worst := each * (float64(kept) + perSecond*(authz.DefaultLifetimes.DeviceCode+10*time.Minute+unswept).Seconds())
			t.Logf("%d of %d kept, %.0f bytes each: never more than %.1f MB", kept, row.requests, each, worst/1e6)
			if worst > mostGrowth {
				t.Errorf("the file grows by %.1f MB", worst/1e6)
			}
		})
	}
}

// Fetches for strangers are bounded, from any number of addresses. The operator's clients have a separate share.
func TestFlood_RequestObjects(t *testing.T) {
	var fetches atomic.Int64
	base, guard := blackbox.ServeTLS(t, func(w http.ResponseWriter, _ *http.Request) { fetches.Add(1) })
	c := blackbox.OpenRegistration()
	c.Outbound = guard
	s, _ := flooded(t, c, time.Minute)
	id := blackbox.Register(t, s, blackbox.WebClient(map[string]any{"request_uris": []string{base + "/object"}})).Text("client_id")
	statuses, began := map[int]int{}, time.Now()
	for i := range 200 {
		request := httptest.NewRequest(http.MethodGet, "/authorize?"+url.Values{"client_id": {id}, "request_uri": {base + "/object"}}.Encode(), nil)
		request.Header.Set("X-Forwarded-For", manyAddresses(i))
		answer := httptest.NewRecorder()
		s.ServeHTTP(answer, request)
		statuses[answer.Code]++
	}
	if n := fetches.Load(); n < 50 || n > int64(allowed(50, 10, began)) || statuses[http.StatusTooManyRequests] != 200-int(n) {
		t.Errorf("%d fetches, %v", n, statuses)
	}
}

// A client that changes its jwks_uri all the time has as much fetched as one that does not.
func TestFlood_Keys(t *testing.T) {
	var fetches atomic.Int64
	base, guard := blackbox.ServeTLS(t, func(w http.ResponseWriter, _ *http.Request) { fetches.Add(1) })
	c := blackbox.OpenRegistration()
	c.Outbound = guard
	s, _ := flooded(t, c, time.Minute)
	key := authztest.NewKey(t, jose.ES256)
	statuses := map[int]int{}
	for i := range 60 {
		id := blackbox.Register(t, s, blackbox.WebClient(map[string]any{"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": fmt.Sprintf("%s/%d", base, i)})).Text("client_id")
		got := flood(t, s, 1, "/token", oneAddress, form(blackbox.WithAssertion(t, authztest.RefreshForm("azr_x"), key, id, s.URL)))
		for status := range got {
			statuses[status]++
		}
	}
	if n := fetches.Load(); n > 35 || statuses[http.StatusTooManyRequests] < 20 {
		t.Errorf("%d fetches, %v", n, statuses)
	}
}

// A mark is kept of each assertion for up to an hour.
func TestFlood_Assertions(t *testing.T) {
	s, engine := flooded(t, blackbox.OpenRegistration(), time.Minute)
	key := authztest.NewKey(t, jose.ES256)
	id := blackbox.Register(t, s, blackbox.WebClient(map[string]any{"token_endpoint_auth_method": "private_key_jwt", "jwks": authztest.JWKS(t, key)})).Text("client_id")
	began := time.Now()
	statuses := flood(t, s, 800, "/token", oneAddress, func(int) (string, string) {
		return form(blackbox.WithAssertion(t, authztest.RefreshForm("azr_x"), key, id, s.URL))(0)
	})
	if n := count(t, engine, storage.Marks.Table); n < 600 || n > allowed(600, 5, began) || statuses[http.StatusTooManyRequests] != 800-n {
		t.Errorf("%d marks, %v", n, statuses)
	}
}

// registration is the body of a registration whose metadata is about so long.
func registration(i, length int) (contentType, body string) {
	metadata := blackbox.WebClient(map[string]any{"client_name": fmt.Sprint("Client ", i)})
	if length > 0 {
		var contacts []string
		for ; length > 0; length -= 2000 {
			contacts = append(contacts, strings.Repeat("a", min(length, 2000)))
		}
		metadata["contacts"] = contacts
	}
	raw, _ := json.Marshal(metadata)
	return "application/json", string(raw)
}

// As many clients are kept as the operator allows, and fewer if they have much to say.
func TestFlood_Registrations(t *testing.T) {
	for _, row := range []struct{ length, most, registrations, kept int }{
		{0, 500, 600, 500}, {1800, 500, 300, 250}, {30_000, 1600, 120, 106},
	} {
		c := blackbox.OpenRegistration()
		c.Registration.MaxClients = row.most
		s, engine := flooded(t, c, time.Minute)
		size := engine.Stats().FileBytes
		statuses := flood(t, s, row.registrations, "/register", manyAddresses, func(i int) (string, string) { return registration(i, row.length) })
		if statuses[http.StatusCreated] != row.kept || statuses[http.StatusServiceUnavailable] != row.registrations-row.kept {
			t.Errorf("%v", statuses)
		}
		grown := float64(engine.Stats().FileBytes - size)
		worst := grown * float64(register.DefaultPolicy.MaxClients) / float64(row.most)
		t.Logf("metadata of %d bytes: %.0f bytes each: never more than %.1f MB", row.length, grown/float64(row.kept), worst/1e6)
		if worst > mostGrowth {
			t.Errorf("the file grows by %.1f MB", worst/1e6)
		}
	}
}

// An update is a registration as far as its size and its number go.
func TestFlood_Updates(t *testing.T) {
	c := blackbox.OpenRegistration()
	c.Registration.MaxClients, c.Registration.PerAddressPerHour = 20, 60
	s := authztest.Start(t, c, nil)
	var all []blackbox.Reply
	for range 10 {
		all = append(all, blackbox.Register(t, s, blackbox.WebClient(nil)))
	}
	update := func(client blackbox.Reply, length int) blackbox.Reply {
		_, body := registration(0, length)
		body = strings.Replace(body, "{", fmt.Sprintf(`{"client_id": %q,`, client.Text("client_id")), 1)
		return blackbox.CallJSON(t, http.MethodPut, client.Text("registration_client_uri"), client.Text("registration_access_token"), body)
	}
	if got := update(all[0], 18_000); got.Status != http.StatusOK {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	if got := update(all[1], 18_000); got.Status != http.StatusServiceUnavailable || got.Text("error") != "temporarily_unavailable" {
		t.Errorf("there is no room for it: %d %s", got.Status, got.Body)
	}
	for i, length := range []int{0, 18_000} { // which the first one makes
		if got := update(all[i], length); got.Status != http.StatusOK {
			t.Errorf("there is room for it: %d %s", got.Status, got.Body)
		}
	}
	statuses := map[int]int{}
	for range 60 {
		statuses[update(all[2], 0).Status]++
	}
	if statuses[http.StatusTooManyRequests] < 20 || statuses[http.StatusOK]+statuses[http.StatusTooManyRequests] != 60 {
		t.Errorf("%v", statuses)
	}
}

// Clients that nobody uses do not keep others out for a month: they make room, the youngest first,
// once they have had an hour.
func TestFlood_Registrations_MakeRoom(t *testing.T) {
	c := blackbox.OpenRegistration()
	c.Registration.MaxClients = 10
	s := authztest.Start(t, c, nil)
	used := blackbox.Register(t, s, blackbox.WebClient(nil)).Text("client_id")
	s.SignIn(t, used, "", nil)
	old := blackbox.Register(t, s, blackbox.WebClient(nil)).Text("client_id")
	var flood []string
	for range 7 {
		flood = append(flood, blackbox.Register(t, s, blackbox.WebClient(nil)).Text("client_id"))
	}
	young := blackbox.Register(t, s, blackbox.WebClient(nil)).Text("client_id")
	blackbox.AgeClient(t, s, used, 3*time.Hour)
	blackbox.AgeClient(t, s, old, 3*time.Hour)
	for _, id := range flood {
		blackbox.AgeClient(t, s, id, 2*time.Hour)
	}
	for range 2 { // a census is due, and the first of another server on the same store counts at once
		s = authztest.Start(t, authz.Config{Registration: c.Registration, Outbound: c.Outbound, Store: s.Store, Secret: s.Secret}, nil)
		blackbox.Register(t, s, blackbox.WebClient(nil))
	}
	for id, want := range map[string]bool{used: true, young: true, flood[0]: false, flood[6]: false} {
		_, _, err := storage.Clients.Get(t.Context(), s.Store, id)
		if kept := err == nil; kept != want {
			t.Errorf("client %s: kept %v, want %v", id, kept, want)
		}
	}
}

// Two deletions of one client leave one place, not two.
func TestFlood_DeletedAtOnce(t *testing.T) {
	c := blackbox.OpenRegistration()
	c.Registration.MaxClients = 3
	s := authztest.Start(t, c, nil)
	blackbox.Register(t, s, blackbox.WebClient(nil))
	blackbox.Register(t, s, blackbox.WebClient(nil))
	gone := blackbox.Register(t, s, blackbox.WebClient(nil))
	statuses := map[int]int{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			got := blackbox.CallJSON(t, http.MethodDelete, gone.Text("registration_client_uri"), gone.Text("registration_access_token"), nil)
			mu.Lock()
			defer mu.Unlock()
			statuses[got.Status]++
		})
	}
	all.Wait()
	if statuses[http.StatusNoContent] < 1 || statuses[http.StatusNoContent]+statuses[http.StatusUnauthorized] != 64 {
		t.Errorf("%v", statuses)
	}
	blackbox.Register(t, s, blackbox.WebClient(nil))
	if got := blackbox.CallJSON(t, http.MethodPost, s.URL+"/register", "", blackbox.WebClient(nil)); got.Status != http.StatusServiceUnavailable {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}
