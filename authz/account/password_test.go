package account

import (
	"strings"
	"testing"
)

func TestHash(t *testing.T) {
	p := NewPasswords()
	first, err := p.Hash(t.Context(), "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(first, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hash %q", first)
	}
	if match, outdated, err := p.Verify(t.Context(), first, "correct horse"); !match || outdated || err != nil {
		t.Errorf("its password: match=%v outdated=%v, %v", match, outdated, err)
	}
	if second, err := p.Hash(t.Context(), "correct horse"); err != nil || second == first {
		t.Errorf("hashed twice to %q (%v)", second, err)
	}
}

func TestNormalForm(t *testing.T) {
	p := NewPasswords()
	hash, err := p.Hash(t.Context(), "Zoë") // one code point
	if err != nil {
		t.Fatal(err)
	}
	for password, want := range map[string]bool{
		"Zoe\u0308": true, // two code points, the same text
		"Zoe":       false,
		" Zoë":      false,
		"Zoë ":      false,
		"zoë":       false,
	} {
		if match, _, err := p.Verify(t.Context(), hash, password); match != want || err != nil {
			t.Errorf("%q: match=%v, %v", password, match, err)
		}
	}
}

func TestLongPasswordsAreNotCut(t *testing.T) {
	p := NewPasswords()
	hash, err := p.Hash(t.Context(), strings.Repeat("a", 1024))
	if err != nil {
		t.Fatal(err)
	}
	if match, _, err := p.Verify(t.Context(), hash, strings.Repeat("a", 1023)); match || err != nil {
		t.Errorf("a shorter one matches: %v, %v", match, err)
	}
	if match, _, err := p.Verify(t.Context(), hash, strings.Repeat("a", 1024)); !match || err != nil {
		t.Errorf("match=%v, %v", match, err)
	}
}

// Passwords that can't be match nothing, not even their own hash, and cost the same.
func TestUnusablePasswords(t *testing.T) {
	const ofNothing = "$2b$04$abcdefghijklmnopqrstuubyCG3zY1GIXMyxfivm.ClDiInHzxjiq" // bcrypt of ""
	p, hashes := NewPasswords(), 0
	p.checked = func() { hashes++ }
	for _, password := range []string{"", "a\x00b", "\xff", strings.Repeat("a", 1025)} {
		if _, err := p.Hash(t.Context(), password); err == nil || hashes != 0 {
			t.Errorf("%.10q was hashed (%v)", password, err)
		}
		match, outdated, err := p.Verify(t.Context(), ofNothing, password)
		if match || outdated || err != nil || hashes != 1 {
			t.Errorf("%.10q: match=%v outdated=%v hashes=%d, %v", password, match, outdated, hashes, err)
		}
		hashes = 0
	}
}

// bcrypt has always compared 72 bytes. A longer password is not taken over, since its end could be
// mistyped.
func TestBcryptTruncation(t *testing.T) {
	const hash = "$2b$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i" // of 80 x
	p := NewPasswords()
	for _, tt := range []struct {
		length          int
		match, outdated bool
	}{{71, false, false}, {72, true, true}, {73, true, false}, {80, true, false}, {1000, true, false}} {
		match, outdated, err := p.Verify(t.Context(), hash, strings.Repeat("x", tt.length))
		if match != tt.match || outdated != tt.outdated || err != nil {
			t.Errorf("%d bytes: match=%v outdated=%v, %v", tt.length, match, outdated, err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	p := NewPasswords()
	for b.Loop() {
		if _, _, err := p.Verify(b.Context(), "", "password"); err != nil {
			b.Fatal(err)
		}
	}
}
