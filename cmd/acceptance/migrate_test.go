package acceptance

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/alexedwards/scs/v2"

	"github.com/authzd/authzd/authz/bearer"
)

// recipe: what docs/migrate-from-sessions.md shows begins here.

// newShop returns an app with sessions whose routes take access tokens too, one by one.
func newShop(issuer, audience string) (http.Handler, error) {
	ways := new(bearer.Ways)
	v, err := bearer.New(bearer.Config{Issuer: issuer, Audience: audience, Ways: ways})
	if err != nil {
		return nil, err
	}
	sessions := scs.New() // your sessions as they are
	csrf := http.NewCrossOriginProtection()
	legacy := func(r *http.Request) (*bearer.Principal, bool) {
		user := sessions.GetString(r.Context(), "user")
		if user == "" || csrf.Check(r) != nil { // a cookie comes along with forged requests, a token never does
			return nil, false
		}
		return &bearer.Principal{Subject: user, Scopes: []string{"orders.read", "orders.write"}}, true
	}
	read, write := bearer.RequireScope("orders.read"), bearer.RequireScope("orders.write")

	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) { // your sign-in as it is
		sessions.Put(r.Context(), "user", "bob")
		w.WriteHeader(http.StatusNoContent)
	})
	mux.Handle("GET /orders", v.Either(legacy, read(show(http.StatusOK))))
	mux.Handle("POST /orders", v.Either(legacy, write(show(http.StatusCreated))))
	mux.Handle("GET /profile", v.Protect(read(show(http.StatusOK)))) // moved already
	mux.Handle("GET /ways", ways)                                    // for Prometheus, not for everybody
	return sessions.LoadAndSave(mux), nil
}

// recipe: ends here.

// show names the caller.
func show(status int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := bearer.FromContext(r.Context())
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"for": caller.Subject})
	})
}

// Both recipes of docs/migrate-from-sessions.md, with the same requests: Express with express-session, and Go with scs.
func TestMigrationFromSessions(t *testing.T) {
	t.Parallel()
	s := startServer(t, "")
	token := mustSignIn(t, s).AccessToken // scope orders.read
	t.Run("Express", func(t *testing.T) {
		node, address, dir := needNode(t), freeAddr(), t.TempDir()
		_, port, _ := strings.Cut(address, ":")
		cmd := exec.Command(node, "express.mjs")
		cmd.Dir = "npm"
		cmd.Env = append(os.Environ(), "ISSUER="+s.issuer, "AUDIENCE="+apiResource, "SESSION_SECRET="+secret, "PORT="+port)
		log := filepath.Join(dir, "express.log")
		app := localhost(address)
		proc, err := startProcess(cmd, log, app+"/ways")
		if err != nil {
			output, _ := os.ReadFile(log)
			t.Fatalf("%v\n%s", err, output)
		}
		t.Cleanup(func() {
			if err := proc.kill(); err != nil {
				t.Error(err)
			}
		})
		migrate(t, app, token, func(body string) map[string]int {
			var ways map[string]struct{ Requests int }
			if err := json.Unmarshal([]byte(body), &ways); err != nil {
				t.Fatal(err)
			}
			counts := map[string]int{}
			for route, count := range ways {
				counts[route] = count.Requests
			}
			return counts
		})
	})
	t.Run("Go", func(t *testing.T) {
		shop, err := newShop(s.issuer, apiResource)
		if err != nil {
			t.Fatal(err)
		}
		app := httptest.NewServer(shop)
		t.Cleanup(app.Close)
		migrate(t, app.URL, token, func(body string) map[string]int {
			counts := map[string]int{}
			for line := range strings.Lines(body) {
				line = strings.NewReplacer(`{route="`, " ", `",way="`, " ", `"}`, "").Replace(line)
				if fields := strings.Fields(line); fields[0] == "bearer_requests_total" {
					count, err := strconv.Atoi(fields[4])
					if err != nil {
						t.Fatal(err)
					}
					counts[strings.Join(fields[1:4], " ")] = count
				}
			}
			return counts
		})
	})
}

// migrate sends an app requests in the old and the new way, and compares what the app has counted.
func migrate(t *testing.T, app, token string, counted func(body string) map[string]int) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	withSession, withoutSession := &http.Client{Jar: jar}, &http.Client{}
	send := func(c *http.Client, method, path string, headers ...string) (int, string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, app+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(headers); i += 2 {
			request.Header.Set(headers[i], headers[i+1])
		}
		response, err := c.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(body)
	}
	if status, _ := send(withSession, "POST", "/login"); status != http.StatusNoContent {
		t.Fatalf("sign-in: %d", status)
	}
	bearer := "Bearer " + token
	want := map[string]int{}
	for _, test := range []struct {
		name, method, path string
		client             *http.Client
		headers            []string
		status             int
		way                string
	}{
		{"nobody", "GET", "/orders", withoutSession, nil, 401, "none"},
		{"session", "GET", "/orders", withSession, nil, 200, "session"},
		{"session, of the page", "POST", "/orders", withSession, []string{"Sec-Fetch-Site", "same-origin", "Origin", app}, 201, "session"},
		{"session, an old browser", "POST", "/orders", withSession, []string{"Origin", app}, 201, "session"},
		{"session, forged", "POST", "/orders", withSession, []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 401, "none"},
		{"session, forged by a neighbour", "POST", "/orders", withSession, []string{"Sec-Fetch-Site", "same-site"}, 401, "none"},
		{"session, forged, an old browser", "POST", "/orders", withSession, []string{"Origin", "https://evil.example"}, 401, "none"},
		{"session, forged without an origin", "POST", "/orders", withSession, []string{"Origin", "null"}, 401, "none"},
		{"token", "GET", "/orders", withoutSession, []string{"Authorization", bearer}, 200, "token"},
		{"token beside the session", "GET", "/orders", withSession, []string{"Authorization", bearer}, 200, "token"},
		{"bad token beside the session", "GET", "/orders", withSession, []string{"Authorization", bearer + "x"}, 401, "refused"},
		{"no token beside the session", "GET", "/orders", withSession, []string{"Authorization", "Bearer"}, 401, "refused"},
		{"session, moved already", "GET", "/profile", withSession, nil, 401, "none"},
		{"token, moved already", "GET", "/profile", withoutSession, []string{"Authorization", bearer}, 200, "token"},
	} {
		status, body := send(test.client, test.method, test.path, test.headers...)
		if status == http.StatusBadRequest {
			status = http.StatusUnauthorized // RFC 6750 has a finer answer for a header that is no attempt
		}
		if status != test.status || status < 300 && strings.Contains(body, "bob") != (test.way == "session") {
			t.Errorf("%s: %d %s", test.name, status, body)
		}
		want[test.method+" "+test.path+" "+test.way]++
	}
	if status, body := send(withoutSession, "POST", "/orders", "Authorization", bearer); status != http.StatusForbidden {
		t.Errorf("without the scope: %d %s", status, body)
	}
	_, body := send(withoutSession, "GET", "/ways")
	got := counted(body)
	delete(got, "POST /orders token") // a scope that lacks: the way of the two differs
	delete(got, "POST /orders refused")
	if !maps.Equal(got, want) {
		t.Errorf("counted %v\nwant %v", got, want)
	}
}

// The recipes are what the tests run, line by line.
func TestMigrationRecipes(t *testing.T) {
	read := func(file string) string {
		t.Helper()
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	_, recipe, _ := strings.Cut(read("migrate_test.go"), "begins here.\n")
	recipe, _, _ = strings.Cut(recipe, "// recipe: ends")
	doc := read("../../docs/migrate-from-sessions.md")
	for _, text := range []string{"```go\n" + strings.TrimSpace(recipe) + "\n```", "```js\n" + strings.TrimSpace(read("npm/express.mjs")) + "\n```"} {
		if !strings.Contains(doc, text) {
			t.Errorf("docs/migrate-from-sessions.md does not show what is tested:\n%s", text)
		}
	}
}
