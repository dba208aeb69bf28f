package revocation_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/authzd/authzd/authz/revocation"
)

// A cursor has one spelling.
func FuzzParseCursor(f *testing.F) {
	v := load(f).Cursors
	for _, valid := range v.Valid {
		f.Add(valid.Text)
	}
	for _, text := range v.Invalid {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := revocation.ParseCursor(text)
		if err == nil && c.String() != text {
			t.Errorf("%q is %s", text, c)
		}
		if err != nil && c != (revocation.Cursor{}) {
			t.Errorf("%q is %s and an error", text, c)
		}
	})
}

// A document that is read can be written, and is then the same.
func FuzzParse(f *testing.F) {
	v := load(f)
	for _, valid := range v.Documents.Valid {
		f.Add([]byte(valid.Claims))
	}
	for _, invalid := range v.Documents.Invalid {
		f.Add([]byte(invalid.Claims))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := revocation.Parse(text)
		if err != nil {
			return
		}
		written := d.Claims()
		again, err := revocation.Parse(written)
		if err != nil {
			t.Fatalf("%s is written as %s: %v", text, written, err)
		}
		if !bytes.Equal(again.Claims(), written) {
			t.Errorf("%s is written as %s, then as %s", text, written, again.Claims())
		}
	})
}

// Nothing is read that no key has signed.
func FuzzOpen(f *testing.F) {
	v := load(f).Signed
	for _, good := range v.Good {
		f.Add(good.JWS)
	}
	for _, bad := range v.Bad {
		f.Add(bad.JWS)
	}
	errNoKey := errors.New("no key")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := revocation.Open(t.Context(), text, v.Issuer, func(context.Context, string, string) (any, error) { return nil, errNoKey })
		if d != nil || err == nil {
			t.Errorf("%q is read without a key", text)
		}
	})
}
