package admin

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/quick"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/users"
)

// The answer to any body is a problem that names the wrong members, or the decoded value means what was sent: encoded
// and decoded again, it is equal.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"username":"alice"}`, `{"username":1,"x":2}`, `{"address":{"locality":"Paris","x":1}}`, `{"address":[]}`, `{"roles":["a",null]}`,
		`{"username":"a","username":"b"}`, `{"USERNAME":"a"}`, `{"default_max_age":1e999}`, `{"require_pkce":null}`, `[`, `null`, "{\"a\xff\":1}",
		`{"sub":"x"}`, `{"":1}`, `{"/~":1}`, `{"scope":"a  b","jwks":{"keys":[]},"refresh_grace":"0s","id_token_lifetime":"60s"}`,
		`{"access_token_lifetime":"0s"}`, `{"scope":["a"]}`, `{"id_token_lifetime":60}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, v := range []any{new(NewUser), new(client.Metadata), new(RotateSecret), new(SetPassword)} {
			err := decode(body, v)
			if problem := new(Problem); err != nil {
				if !errors.As(err, &problem) || problem.Status < 400 || problem.Status >= 500 {
					t.Fatalf("%q: %v", body, err)
				}
				for _, e := range problem.Errors {
					if !strings.HasPrefix(e.Pointer, "/") || e.Detail == "" {
						t.Errorf("%q: error %+v", body, e)
					}
				}
				continue
			}
			raw, err := json.Marshal(v)
			if err != nil {
				t.Fatalf("%q: %v", body, err)
			}
			again := reflect.New(reflect.TypeOf(v).Elem()).Interface()
			if err := decode(raw, again); err != nil {
				t.Fatalf("%q, encoded as %s: %v", body, raw, err)
			}
			if twice, err := json.Marshal(again); err != nil || !bytes.Equal(raw, twice) {
				t.Errorf("%q became %s, then %s", body, raw, twice)
			}
		}
	})
}

// A patch touches nothing that it does not name, and applied twice it does what it does once.
func FuzzMergePatch(f *testing.F) {
	for _, seed := range []string{`{}`, `{"name":"x"}`, `{"address":{"country":null}}`, `{"address":null,"roles":[]}`, `{"username":{"a":null}}`, `{"x":1}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		patch, err := parsePatch(body)
		if err != nil {
			return
		}
		before := users.User{Username: "alice", Name: "Alice", Roles: []string{"admin"}, Address: users.Address{Locality: "Paris", Country: "France"}}
		once := before
		if patch.Apply(&once) != nil {
			return
		}
		if _, named := patch["roles"]; !named && !reflect.DeepEqual(once.Roles, before.Roles) {
			t.Errorf("%q changed the roles to %q", body, once.Roles)
		}
		if _, named := patch["disabled"]; !named && once.Disabled {
			t.Errorf("%q disabled the user", body)
		}
		twice := once
		if err := patch.Apply(&twice); err != nil || !reflect.DeepEqual(once, twice) {
			t.Errorf("%q: once %+v, twice %+v, %v", body, once, twice, err)
		}
	})
}

// sealed seals by writing the binding before the text, in clear: a test then sees what is let through.
func sealed(plaintext, binding []byte) []byte {
	return append(append([]byte{}, binding...), plaintext...)
}

func opened(sealed, binding []byte) ([]byte, error) {
	after, found := bytes.CutPrefix(sealed, binding)
	if !found {
		return nil, errors.New("not of this list")
	}
	return after, nil
}

func nothing(context.Context, *Call, Slice) ([]Session, string, error) { return nil, "", nil }

func newTestHandler(t testing.TB) *Handler {
	t.Helper()
	list := func(name string) Route {
		return NewRoute(name, "GET", "/"+name+"/{id}", "", List(nothing), "q")
	}
	h, err := NewHandler(Config{
		Routes:    []Route{list("a"), list("b")},
		Authorize: func(http.ResponseWriter, *http.Request) (Actor, error) { return Actor{}, nil },
		Seal:      sealed, Open: opened,
		AsProblem: func(error) *Problem { return &Problem{Status: 500, Code: CodeServerError} },
		Started:   func(*http.Request, string) {}, Failed: func(*http.Request, *Problem) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// No target makes the handler panic, redirect or answer anything else than a page or a problem.
func FuzzTarget(f *testing.F) {
	for _, seed := range []string{"/a/x", "/a/x?q=1&page_size=5", "/a/%2e%2e", "/a/..", "/a/x?page_token=AAAA", "/a/x?page_token=" + base64.RawURLEncoding.EncodeToString([]byte("a?q=1x")) + "&q=1", "//", "/openapi.json", "/a/%zz?;", "*"} {
		f.Add(seed)
	}
	h := newTestHandler(f)
	f.Fuzz(func(t *testing.T, target string) {
		r, err := http.NewRequest("GET", "http://localhost"+target, http.NoBody)
		if err != nil {
			return
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		switch contentType := w.Header().Get("Content-Type"); {
		case w.Code == 200 && contentType == "application/json":
		case w.Code >= 400 && w.Code < 500 && contentType == problemType:
		default:
			t.Errorf("%q: %d %s", target, w.Code, contentType)
		}
	})
}

// A page token opens for the list and the query that it was made for, and for no other.
func TestPageTokensAreBound(t *testing.T) {
	h := newTestHandler(t)
	check := func(after, query string) bool {
		if after == "" {
			return true
		}
		r := httptest.NewRequest("GET", "/a/x", nil)
		r.URL.RawQuery = "q=" + base64.RawURLEncoding.EncodeToString([]byte(query))
		call, err := h.newCall(r, h.routes["/a/{id}"]["GET"], nil)
		if err != nil {
			t.Fatal(err)
		}
		token := call.pageToken(after)
		r.URL.RawQuery += "&page_token=" + token
		again, err := h.newCall(r, h.routes["/a/{id}"]["GET"], nil)
		if err != nil || again.slice.After != after {
			t.Errorf("%q: %v", after, err)
		}
		if _, err := h.newCall(r, h.routes["/b/{id}"]["GET"], nil); err == nil {
			t.Errorf("another list takes the token of %q", after)
		}
		r.URL.RawQuery = "q=other&page_token=" + token
		_, err = h.newCall(r, h.routes["/a/{id}"]["GET"], nil)
		return err != nil
	}
	if err := quick.Check(check, nil); err != nil {
		t.Error(err)
	}
}
