package feed_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/jwks"
	"github.com/authzd/authzd/authz/revocation"
)

// follower follows the feed of a server as an API does, by HTTP alone.
type follower struct {
	s    *authztest.Server
	list *revocation.List
}

func follow(t testing.TB, s *authztest.Server) *follower {
	t.Helper()
	f := &follower{s, revocation.NewList(s.URL)}
	f.load(t, url.Values{})
	return f
}

// get asks once, and returns the response with its body.
func get(t testing.TB, s *authztest.Server, query url.Values) authztest.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/revocations?"+query.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s.Send(t, request)
}

// open checks the signature of a document.
func open(t testing.TB, s *authztest.Server, compact string) *revocation.Document {
	t.Helper()
	d, err := revocation.Open(t.Context(), compact, s.URL, func(_ context.Context, kid, alg string) (any, error) {
		answer := httptest.NewRecorder()
		s.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, s.URL+"/jwks.json", nil))
		keys, err := jwks.ParseIssuer(answer.Body.Bytes())
		if err != nil {
			return nil, err
		}
		for i := range keys {
			if jwks.Suits(&keys[i], kid, alg) {
				return keys[i].Key, nil
			}
		}
		return nil, errors.New("no such key")
	})
	if err != nil {
		t.Fatalf("%v: %.200s", err, compact)
	}
	return d
}

// load asks once, from the cursor of the list on, and merges the answer.
func (f *follower) load(t testing.TB, query url.Values) *revocation.Document {
	t.Helper()
	if c := f.list.Cursor(); c != (revocation.Cursor{}) {
		query.Set("after", c.String())
	}
	response := get(t, f.s, query)
	if response.Status != http.StatusOK {
		t.Fatalf("%d %s", response.Status, response.Body)
	}
	d := open(t, f.s, response.Body)
	if err := f.list.Merge(d, time.Now()); err != nil {
		t.Fatalf("after %s: %v: %+v", query.Get("after"), err, d)
	}
	return d
}

// ended reports whether a JWT has ended, as far as the follower knows.
func (f *follower) ended(t *testing.T, token string) bool {
	t.Helper()
	_, ended := f.list.Ended(claimsOf(t, token))
	return ended
}

func claimsOf(t *testing.T, token string) *revocation.Claims {
	t.Helper()
	claims := blackbox.Claims(t, token)
	text := func(name string) string { s, _ := claims[name].(string); return s }
	iat, _ := claims["iat"].(float64)
	return &revocation.Claims{
		Grant: text("gid"), Session: text("sid"), Subject: text("sub"), Token: text("jti"), Client: text("client_id"), IssuedAt: int64(iat),
	}
}

// until follows by long polls until a token has ended. It fails if that takes longer than the feed promises.
func (f *follower) until(t *testing.T, token string) (took time.Duration) {
	t.Helper()
	for began := time.Now(); ; {
		if f.ended(t, token) {
			return time.Since(began)
		}
		if time.Since(began) > time.Duration(many(20, 2))*time.Second {
			t.Fatal("the token counts two seconds after its end")
		}
		f.load(t, url.Values{"wait": {"25"}}) // longer than any machine needs that answers when it hears
	}
}

// operate calls the admin API.
func operate(t testing.TB, s *authztest.Server, method, target, body string) string {
	t.Helper()
	request := httptest.NewRequest(method, "http://localhost"+target, strings.NewReader(body))
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if method == http.MethodPatch {
		request.Header.Set("Content-Type", "application/merge-patch+json")
	}
	answer := httptest.NewRecorder()
	s.AdminSocket().ServeHTTP(answer, request)
	if answer.Code >= http.StatusMultipleChoices {
		t.Fatalf("%s %s: %d %s", method, target, answer.Code, answer.Body)
	}
	return answer.Body.String()
}
