package passhash

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// workOf is what a hash costs, in a unit of its scheme.
func workOf(t testing.TB, s string) string {
	t.Helper()
	h, err := Parse(s)
	switch h := h.(type) {
	case *digest:
		return fmt.Sprint(h.work)
	case *bcryptHash:
		return fmt.Sprint(h.cost)
	}
	t.Fatalf("%s: %v", s, err)
	return ""
}

// A kind has the cost of its hashes, and neither salt nor tag of one.
func TestKind(t *testing.T) {
	t.Parallel()
	for _, tt := range imported {
		kind, err := Kind(tt.hash)
		if err != nil || workOf(t, kind) != workOf(t, tt.hash) {
			t.Errorf("%s: %s, %v", tt.hash, kind, err)
			continue
		}
		fields := strings.Split(tt.hash, "$")
		for _, secret := range []string{fields[len(fields)-1], fields[len(fields)-1][:10]} {
			if strings.Contains(kind, secret) {
				t.Errorf("%s: the kind %s has %s", tt.hash, kind, secret)
			}
		}
		if again, err := Kind(kind); err != nil || again != kind {
			t.Errorf("%s: the kind of the kind is %s, %v", kind, again, err)
		}
		if h, err := Parse(kind); err != nil || h.Verify([]byte(tt.password)) {
			t.Errorf("%s: the password matches the kind, %v", tt.hash, err)
		}
	}
	if kind, err := Kind(New([]byte("some words"))); err != nil || kind != Usual {
		t.Errorf("the kind of a new hash is %s, %v", kind, err)
	}
	const salt, tag = "$MDEyMzQ1Njc4OWFiY2RlZg", "$sB9mswhkOTQdUegtwlkp71Xn+56CSaL7Kkm4SCisUYw"
	one, errOne := Kind("$pbkdf2-sha256$i=29137" + salt + tag)
	other, errOther := Kind("$pbkdf2-sha256$i=29911" + salt + tag)
	if one != other || !strings.Contains(one, "i=30000$") || errors.Join(errOne, errOther) != nil {
		t.Errorf("numbers of iterations that vary: %s, %s", one, other)
	}
	for _, bad := range []string{"", "$", "$2b$", "a password", "$argon2id$v=19$m=19456,t=2,p=1" + salt, "$pbkdf2-sha256$i=99999999" + salt + tag} {
		if kind, err := Kind(bad); kind != "" || !errors.Is(err, ErrUnusable) {
			t.Errorf("%q has the kind %q, %v", bad, kind, err)
		}
	}
}

func FuzzKind(f *testing.F) {
	for _, tt := range imported {
		f.Add(tt.hash)
	}
	f.Add("$pbkdf2-sha512$i=4999999,l=64$MDEyMzQ1Njc4OWFiY2RlZg==$20MTVzg/n3H4pkjP7rPbs9uXGvJYlRG4j32EBHiNeegrbijWGjc63LMIJzA0jtIUGL4tJ0FCjR9uzA3gQvH7WA==")
	f.Fuzz(func(t *testing.T, s string) {
		kind, err := Kind(s)
		_, parsed := Parse(s)
		if (err == nil) != (parsed == nil) {
			t.Fatalf("%q: %v, %v", s, err, parsed)
		}
		if err != nil {
			return
		}
		if again, err := Kind(kind); err != nil || again != kind {
			t.Fatalf("%q: the kind of %q is %q, %v", s, kind, again, err)
		}
	})
}
