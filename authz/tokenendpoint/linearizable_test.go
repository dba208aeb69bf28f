package tokenendpoint_test

import (
	"context"
	"encoding/json"
	"flag"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
	"github.com/authzd/authzd/storage/postgres"
	"github.com/authzd/authzd/storage/postgres/pgtest"
)

var rounds = flag.Int("rounds", 8, "how many histories of codes and refresh tokens to check for linearizability; 1000 is the whole proof")

// asked is what a client asks for: to redeem the code of a family, or to refresh with a token of it.
type asked struct {
	token string // "": the code
}

// told is what it is told. Anything else than tokens or invalid_grant is no answer at all.
type told struct {
	refused bool
	next    string // the refresh token
}

// family is what the server may know of the tokens that came from one code, one request at a time. A code
// redeems once. A refresh token gives a successor, the same again until that is used; then, or if the
// code comes again, it is a thief's, and everything ends.
type family struct {
	redeemed, revoked bool
	current           string // which has no successor yet
	before            string // whose successor current is; "": the code
}

func (f family) answer(q asked, a told) (possible bool, after family) {
	switch {
	case q.token == "" && !f.redeemed:
		return !a.refused, family{redeemed: true, current: a.next}
	case q.token == "":
		f.revoked = true
		return a.refused, f
	case f.revoked:
		return a.refused, f
	case q.token == f.current && f.redeemed:
		fresh := a.next != f.current && a.next != f.before
		return !a.refused && fresh, family{redeemed: true, current: a.next, before: f.current}
	case q.token == f.before:
		return !a.refused && a.next == f.current, f
	}
	f.revoked = true
	return a.refused, f
}

var familyModel = porcupine.Model{
	Init: func() any { return family{} },
	Step: func(state, input, output any) (bool, any) {
		return state.(family).answer(input.(asked), output.(told))
	},
}

// check tells whether the answers are those of a server that did one thing after another.
func check(t *testing.T, history []porcupine.Operation) bool {
	t.Helper()
	result := porcupine.CheckOperationsTimeout(familyModel, history, time.Minute)
	if result == porcupine.Unknown {
		t.Error("no verdict after a minute")
	}
	return result == porcupine.Ok
}

// recorder writes down what clients ask and are told, of one family.
type recorder struct {
	s              *authztest.Server
	code, verifier string
	began          time.Time

	mu      sync.Mutex
	history []porcupine.Operation // guarded by mu
	tokens  []string              // guarded by mu; as they became known
}

var recorderClient = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// ask sends a request and records it.
func (r *recorder) ask(t *testing.T, client int, q asked) {
	form := authztest.RefreshForm(q.token)
	if q.token == "" {
		form = authztest.CodeForm(r.code, r.verifier)
	}
	call := time.Since(r.began)
	got, err := askForTokens(r.s.URL, form)
	end := time.Since(r.began)
	if err != nil || got.Status != http.StatusOK && got.Error != "invalid_grant" {
		t.Errorf("no answer: %v, %d %s", err, got.Status, got.Error)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history = append(r.history, porcupine.Operation{
		ClientId: client, Input: q, Call: call.Nanoseconds(),
		Output: told{got.Status != http.StatusOK, got.RefreshToken}, Return: end.Nanoseconds(),
	})
	if next := got.RefreshToken; next != "" && !slices.Contains(r.tokens, next) {
		r.tokens = append(r.tokens, next)
	}
}

// known is a token of the family: the last that became known, or, for a thief, any.
func (r *recorder) known(thief bool) (token string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch n := len(r.tokens); {
	case n == 0:
		return "", false
	case thief:
		return r.tokens[rand.IntN(n)], true
	default:
		return r.tokens[n-1], true
	}
}

// round has clients redeem and refresh in one family at the same time, and returns what they were told.
// So many of them redeem the code; every third, if there are thieves, uses any token that was ever known.
func (r *recorder) round(t *testing.T, clients, redeemers, turns int, thieves bool) []porcupine.Operation {
	together(redeemers, func(i int) { r.ask(t, i, asked{}) })
	for range turns {
		together(clients, func(i int) {
			if token, ok := r.known(thieves && i%3 == 0); ok {
				r.ask(t, i, asked{token})
			}
		})
	}
	return r.history
}

func together(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

// histories runs rounds of 64 clients, in four families of each round, and returns how many are not those
// of a server that does one thing after another.
func histories(t *testing.T, s *authztest.Server, rounds int) (wrong int) {
	t.Helper()
	browser, operations := s.NewBrowser(t), 0
	for n := range rounds {
		found := make([][]porcupine.Operation, 4)
		var recorders []*recorder
		for range found {
			code, verifier := browser.Code(t, authztest.SPA, nil)
			recorders = append(recorders, &recorder{s: s, code: code, verifier: verifier, began: time.Now()})
		}
		together(len(found), func(i int) {
			redeemers := 1
			if i == 0 {
				redeemers = 16 // a code that many have
			}
			found[i] = recorders[i].round(t, 16, redeemers, 1+n%3, i == 1)
		})
		for _, history := range found {
			operations += len(history)
			if !check(t, history) {
				wrong++
			}
		}
	}
	t.Logf("%d rounds, %d requests, %d histories of which %d are wrong", rounds, operations, 4*rounds, wrong)
	return wrong
}

func TestLinearizable(t *testing.T) {
	t.Parallel()
	quiet := authz.Config{Logger: slog.New(slog.DiscardHandler)}
	t.Run("bolt", func(t *testing.T) {
		if wrong := histories(t, authztest.Start(t, quiet, nil), *rounds); wrong > 0 {
			t.Errorf("%d histories are not linearizable", wrong)
		}
	})
	t.Run("two replicas on PostgreSQL", func(t *testing.T) {
		database := pgtest.New(t, pgtest.Options{}).Database(t)
		s := authztest.StartReplicas(t, quiet, nil, openPostgres(t, database), openPostgres(t, database))
		if wrong := histories(t, s, *rounds); wrong > 0 {
			t.Errorf("%d histories are not linearizable", wrong)
		}
	})
}

func openPostgres(t *testing.T, url string) storage.Store {
	t.Helper()
	store, err := postgres.Open(t.Context(), url, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

// careless is a store that forgets the conditions of writes, as one that is not linearizable would.
type careless struct{ storage.Store }

func (c careless) Apply(ctx context.Context, writes ...storage.Write) error {
	writes = slices.Clone(writes)
	for i := range writes {
		writes[i].If = storage.Any
	}
	return c.Store.Apply(ctx, writes...)
}

// On a store without compare-and-set, the same check finds what is wrong.
func TestLinearizable_FindsACarelessStore(t *testing.T) {
	t.Parallel()
	file, err := bolt.Open(filepath.Join(t.TempDir(), "authzd.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	s := authztest.StartReplicas(t, authz.Config{Logger: slog.New(slog.DiscardHandler)}, nil, careless{file})
	for range 20 {
		if histories(t, s, 1) > 0 {
			return
		}
	}
	t.Error("it does not")
}

// Histories that no correct server can have, and one that it can.
func TestLinearizable_Model(t *testing.T) {
	t.Parallel()
	redeem, refused := asked{}, told{refused: true}
	for name, tt := range map[string]struct {
		history []any // requests and their responses, one after the other
		right   bool
	}{
		"good":                        {[]any{redeem, told{next: "1"}, asked{"1"}, told{next: "2"}, asked{"1"}, told{next: "2"}, asked{"2"}, told{next: "3"}, asked{"1"}, refused, asked{"3"}, refused}, true},
		"a code twice":                {[]any{redeem, told{next: "1"}, redeem, told{next: "2"}}, false},
		"a code for nobody":           {[]any{redeem, refused}, false},
		"two successors":              {[]any{redeem, told{next: "1"}, asked{"1"}, told{next: "2"}, asked{"1"}, told{next: "3"}}, false},
		"an old token":                {[]any{redeem, told{next: "1"}, asked{"1"}, told{next: "2"}, asked{"2"}, told{next: "3"}, asked{"1"}, told{next: "2"}}, false},
		"refused without a thief":     {[]any{redeem, told{next: "1"}, asked{"1"}, refused}, false},
		"good after a thief":          {[]any{redeem, told{next: "1"}, asked{"1"}, told{next: "2"}, asked{"2"}, told{next: "3"}, asked{"1"}, refused, asked{"3"}, told{next: "4"}}, false},
		"good after the code's reuse": {[]any{redeem, told{next: "1"}, redeem, refused, asked{"1"}, told{next: "2"}}, false},
		"a token that nobody gave":    {[]any{asked{"1"}, told{next: "2"}}, false},
	} {
		var history []porcupine.Operation
		for i := 0; i < len(tt.history); i += 2 {
			history = append(history, porcupine.Operation{Input: tt.history[i], Call: int64(2 * i), Output: tt.history[i+1], Return: int64(2*i + 1)})
		}
		if check(t, history) != tt.right {
			t.Errorf("%s: right is %v", name, !tt.right)
		}
	}
}

// askForTokens posts to the token endpoint as the SPA.
func askForTokens(issuer string, form url.Values) (got authztest.Tokens, err error) {
	form.Set("client_id", authztest.SPA)
	response, err := recorderClient.PostForm(issuer+"/token", form)
	if err != nil {
		return got, err
	}
	defer response.Body.Close()
	got.Status = response.StatusCode
	return got, json.NewDecoder(response.Body).Decode(&got)
}
