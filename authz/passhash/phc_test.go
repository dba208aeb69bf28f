package passhash

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// imported are hashes made by other implementations: libargon2's own test, libxcrypt's crypt(3), and
// Python's hashlib in the spelling of the PHC format or of passlib.
var imported = []struct{ hash, password string }{
	{"$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "password"},
	{"$2a$04$abcdefghijklmnopqrstuum174eFeoTj0DHmtuueFaS3Wde4P7wHG", "pässword"},
	{"$2b$04$abcdefghijklmnopqrstuum174eFeoTj0DHmtuueFaS3Wde4P7wHG", "pässword"},
	{"$2y$04$abcdefghijklmnopqrstuum174eFeoTj0DHmtuueFaS3Wde4P7wHG", "pässword"},
	{"$scrypt$ln=14,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$GEDJYvr1TTZZVHi5iklTNhA/nLp9g5KhNbwch1iOI78", "pässword"},
	{"$pbkdf2-sha256$i=29000$MDEyMzQ1Njc4OWFiY2RlZg$sB9mswhkOTQdUegtwlkp71Xn+56CSaL7Kkm4SCisUYw", "pässword"},
	{"$pbkdf2-sha256$29000$........................$9OE7RPU0sE.mPlVRmfgoYqhDBxUe/V8nmF20Au6N2xg", "pässword"},
	{"$pbkdf2-sha512$i=1000,l=64$MDEyMzQ1Njc4OWFiY2RlZg$20MTVzg/n3H4pkjP7rPbs9uXGvJYlRG4j32EBHiNeegrbijWGjc63LMIJzA0jtIUGL4tJ0FCjR9uzA3gQvH7WA", "pässword"},
}

func TestImportedHashes(t *testing.T) {
	for _, tt := range imported {
		h, err := Parse(tt.hash)
		if err != nil || Scheme(tt.hash) == "" || Check(tt.hash) != nil {
			t.Errorf("%s: not recognised: %v, %v", tt.hash, err, Check(tt.hash))
			continue
		}
		if !h.Verify([]byte(tt.password)) || !h.Outdated([]byte(tt.password)) {
			t.Errorf("%s: its password does not match, or is not outdated", tt.hash)
		}
		if h.Verify([]byte(tt.password + "x")) {
			t.Errorf("%s: a wrong password matches", tt.hash)
		}
	}
}

// A hash from elsewhere must not be able to cost much, nor to match by being malformed.
func TestRefusedHashes(t *testing.T) {
	const salt, tag = "$MDEyMzQ1Njc4OWFiY2RlZg", "$sB9mswhkOTQdUegtwlkp71Xn+56CSaL7Kkm4SCisUYw"
	for _, hash := range []string{
		"", "$", "$$$", "password", "$argon2id", "argon2id$v=19$m=19456,t=2,p=1" + salt + tag,
		"$argon2i$v=19$m=19456,t=2,p=1" + salt + tag,
		"$argon2d$v=19$m=19456,t=2,p=1" + salt + tag,
		"$argon2id$v=16$m=19456,t=2,p=1" + salt + tag,
		"$argon2id$m=19456,t=2,p=1" + salt + tag,
		"$argon2id$v=19$m=4294967295,t=2,p=1" + salt + tag, // 4 TiB
		"$argon2id$v=19$m=262145,t=1,p=1" + salt + tag,
		"$argon2id$v=19$m=262144,t=5,p=1" + salt + tag, // seconds of work
		"$argon2id$v=19$m=19456,t=4294967295,p=1" + salt + tag,
		"$argon2id$v=19$m=19456,t=0,p=1" + salt + tag,
		"$argon2id$v=19$m=19456,t=2,p=0" + salt + tag,
		"$argon2id$v=19$m=19456,t=2,p=256" + salt + tag, // 0 in a byte
		"$argon2id$v=19$m=7,t=2,p=1" + salt + tag,
		"$argon2id$v=19$m=-1,t=2,p=1" + salt + tag,
		"$argon2id$v=19$t=2,m=19456,p=1" + salt + tag,
		"$argon2id$v=19$m=19456,t=2,p=1,keyid=AAAA" + salt + tag,
		"$argon2id$v=19$m=19456,t=2,p=1$" + tag,
		"$argon2id$v=19$m=19456,t=2,p=1" + salt + "$",
		"$argon2id$v=19$m=19456,t=2,p=1" + salt + "$AAAA",
		"$argon2id$v=19$m=19456,t=2,p=1" + salt + "$" + strings.Repeat("A", 4000),
		"$argon2id$v=19$m=19456,t=2,p=1" + salt + tag + "$x",
		"$2b$31$abcdefghijklmnopqrstuum174eFeoTj0DHmtuueFaS3Wde4P7wHG", // a day of work
		"$2b$16$abcdefghijklmnopqrstuum174eFeoTj0DHmtuueFaS3Wde4P7wHG",
		"$2b$00$abcdefghijklmnopqrstuum174eFeoTj0DHmtuueFaS3Wde4P7wHG",
		"$2b$04$abcdefghijklmnopqrstuum174eFeoTj0DHmtuueFaS3Wde4P7wH",
		"$2b$04$abcdefghijklmnopqrstuum174eFeoTj0DHmtuueFaS3Wde4P7wHGG",
		"$2x$04$abcdefghijklmnopqrstuum174eFeoTj0DHmtuueFaS3Wde4P7wHG", // the signed-char bug
		"$scrypt$ln=30,r=8,p=1" + salt + tag,                           // 1 TiB
		"$scrypt$ln=64,r=8,p=1" + salt + tag,
		"$scrypt$ln=20,r=8,p=1" + salt + tag,
		"$scrypt$ln=14,r=8,p=1000000" + salt + tag,
		"$scrypt$ln=0,r=8,p=1" + salt + tag,
		"$scrypt$ln=14,r=0,p=1" + salt + tag,
		"$pbkdf2-sha256$i=2000000000" + salt + tag,
		"$pbkdf2-sha256$i=0" + salt + tag,
		"$pbkdf2-sha256$" + salt + tag,
		"$pbkdf2-sha1$i=1000" + salt + tag,
		"$pbkdf2$1000" + salt + tag,
		"$6$rounds=5000$MDEyMzQ1" + tag,
	} {
		if err := Check(hash); !errors.Is(err, ErrUnusable) {
			t.Errorf("%q: got %v", hash, err)
		}
	}
}

func FuzzHash(f *testing.F) {
	for _, tt := range imported {
		f.Add(tt.hash)
	}
	f.Add("$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA==")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := Parse(s)
		if err != nil {
			if !errors.Is(err, ErrUnusable) || len(s) > 20 && strings.Contains(err.Error(), s) {
				t.Errorf("%q: %v", s, err)
			}
			return
		}
		if h, ok := h.(*digest); ok {
			wantBounded(t, s, h)
		} else if len(s) != 60 { // bcrypt
			t.Errorf("%q: accepted", s)
		}
	})
}

// wantBounded holds what go-crypt has read, and will compute, against the limits.
func wantBounded(t *testing.T, s string, h *digest) {
	t.Helper()
	text := h.String()
	var a, b, c uint64
	bounded := false
	if n, _ := fmt.Sscanf(text, "$argon2id$v=19$m=%d,t=%d,p=%d$", &a, &b, &c); n == 3 {
		bounded = a <= maxMemory && a*b <= maxArgonWork && b >= 1 && b <= maxArgonTime && c >= 1 && c <= maxParallel && a >= 8*c
	} else if n, _ := fmt.Sscanf(text, "$scrypt$ln=%d,r=%d,p=%d$", &a, &b, &c); n == 3 {
		bounded = a >= 1 && a <= 20 && b*c >= 1 && 128*b<<a <= maxMemory<<10 && b*c<<a <= maxScryptWork
	} else if n, _ := fmt.Sscanf(text, "$pbkdf2-sha%d$%d$", &a, &b); n == 2 {
		bounded = (a == 256 || a == 512) && b >= 1 && b <= maxPBKDF2
	}
	if !bounded || len(h.Salt()) < 8 || len(h.Salt()) > 64 || len(h.Key()) < 16 || len(h.Key()) > 64 {
		t.Errorf("%q: accepted as %s", s, text)
	}
	if again, err := Parse(text); err != nil || again.(*digest).String() != text {
		t.Errorf("%q is written as %q: %v", s, text, err)
	}
}
