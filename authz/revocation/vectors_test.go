package revocation_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/jwks"
	"github.com/authzd/authzd/authz/revocation"
)

// vectors are those of testdata/vectors.json, which programs in other languages run too.
type vectors struct {
	Hashes []struct{ Kind, Issuer, ID, ID16 string }

	Cursors struct {
		Valid []struct {
			Text, Epoch string
			Seq         uint64
		}
		Invalid []string
	}
	Documents struct {
		Valid []struct {
			Name, Claims string
			Entries      int
		}
		Invalid []struct{ Name, Claims string }
	}
	Signed struct {
		Issuer string
		JWKS   json.RawMessage
		Good   []struct {
			Name, JWS string
			Claims    json.RawMessage
		}
		Bad []struct{ Name, JWS string }
	}
	Follow struct {
		Issuer string
		Cases  []struct {
			Name  string
			Steps []step
		}
	}
}

// step gives a follower a document, or asks it about a token, at a time.
type step struct {
	At       int // seconds after the first step
	Document json.RawMessage
	Result   string  // ok, gap or old
	Cursor   *string // after the document; nil: not looked at
	Token    *struct {
		GID, SID, Sub, JTI string
		ClientID           string `json:"client_id"`
		IAT                int64
	}
	Ended bool
}

func load(t testing.TB) (v vectors) {
	t.Helper()
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVectorsOfHashes(t *testing.T) {
	for _, v := range load(t).Hashes {
		if got := revocation.Hash(revocation.Kind(v.Kind[0]), v.Issuer, v.ID).String(); got != v.ID16 {
			t.Errorf("%s %s: %s, want %s", v.Kind, v.ID, got, v.ID16)
		}
	}
}

func TestVectorsOfCursors(t *testing.T) {
	cursors := load(t).Cursors
	for _, v := range cursors.Valid {
		got, err := revocation.ParseCursor(v.Text)
		if want := (revocation.Cursor{Epoch: v.Epoch, Seq: v.Seq}); err != nil || got != want || got.String() != v.Text {
			t.Errorf("%q: %+v, error %v", v.Text, got, err)
		}
	}
	for _, text := range cursors.Invalid {
		if got, err := revocation.ParseCursor(text); !errors.Is(err, revocation.ErrCursor) || got != (revocation.Cursor{}) {
			t.Errorf("%q is a cursor: %+v, error %v", text, got, err)
		}
	}
}

func TestVectorsOfDocuments(t *testing.T) {
	documents := load(t).Documents
	for _, v := range documents.Valid {
		d, err := revocation.Parse([]byte(v.Claims))
		if err != nil || len(d.Entries) != v.Entries {
			t.Errorf("%s: %+v, error %v", v.Name, d, err)
		}
	}
	for _, v := range documents.Invalid {
		d, err := revocation.Parse([]byte(v.Claims))
		if format := (*revocation.FormatError)(nil); d != nil || !errors.As(err, &format) {
			t.Errorf("%s: %+v, error %v", v.Name, d, err)
		}
	}
}

func TestVectorsOfSignatures(t *testing.T) {
	v := load(t).Signed
	keys, err := jwks.ParseIssuer(v.JWKS)
	if err != nil {
		t.Fatal(err)
	}
	errNoKey := errors.New("no such key")
	find := func(_ context.Context, kid, alg string) (any, error) {
		for i := range keys {
			if jwks.Suits(&keys[i], kid, alg) {
				return keys[i].Key, nil
			}
		}
		return nil, errNoKey
	}
	for _, good := range v.Good {
		d, err := revocation.Open(t.Context(), good.JWS, v.Issuer, find)
		if err != nil {
			t.Errorf("%s: %v", good.Name, err)
			continue
		}
		var want bytes.Buffer
		if err := json.Compact(&want, good.Claims); err != nil {
			t.Fatal(err)
		}
		if got := d.Claims(); !bytes.Equal(got, want.Bytes()) {
			t.Errorf("%s: %s, want %s", good.Name, got, want.Bytes())
		}
	}
	for _, bad := range v.Bad {
		d, err := revocation.Open(t.Context(), bad.JWS, v.Issuer, find)
		if format := (*revocation.FormatError)(nil); d != nil || !errors.As(err, &format) && !errors.Is(err, errNoKey) {
			t.Errorf("%s: %+v, error %v", bad.Name, d, err)
		}
	}
}

func TestVectorsOfFollowing(t *testing.T) {
	follow := load(t).Follow
	for _, c := range follow.Cases {
		t.Run(c.Name, func(t *testing.T) {
			list, start := revocation.NewList(follow.Issuer), time.Now()
			for i, s := range c.Steps {
				at := start.Add(time.Duration(s.At) * time.Second)
				if s.Document != nil {
					s.merge(t, i, list, at)
				} else {
					s.ask(t, i, list)
				}
			}
		})
	}
}

func (s *step) merge(t *testing.T, i int, list *revocation.List, at time.Time) {
	t.Helper()
	d, err := revocation.Parse(s.Document)
	if err != nil {
		t.Fatalf("step %d: %v", i, err)
	}
	results := map[string]error{"ok": nil, "gap": revocation.ErrGap, "old": revocation.ErrOld}
	if err := list.Merge(d, at); !errors.Is(err, results[s.Result]) {
		t.Errorf("step %d: %v, want %s", i, err, s.Result)
	}
	if s.Cursor == nil {
		return
	}
	want, _ := revocation.ParseCursor(*s.Cursor) // "" is the zero Cursor
	if list.Cursor() != want {
		t.Errorf("step %d: the cursor is %s, want %s", i, list.Cursor(), want)
	}
}

func (s *step) ask(t *testing.T, i int, list *revocation.List) {
	t.Helper()
	c := revocation.Claims{
		Grant: s.Token.GID, Session: s.Token.SID, Subject: s.Token.Sub, Token: s.Token.JTI, Client: s.Token.ClientID,
		IssuedAt: s.Token.IAT,
	}
	if _, ended := list.Ended(&c); ended != s.Ended {
		t.Errorf("step %d: ended is %t for %+v", i, ended, c)
	}
}
