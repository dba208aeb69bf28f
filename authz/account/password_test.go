package account

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
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
	hash, err := p.Hash(t.Context(), strings.Repeat("a", maxPassword))
	if err != nil {
		t.Fatal(err)
	}
	if match, _, err := p.Verify(t.Context(), hash, strings.Repeat("a", maxPassword-1)); match || err != nil {
		t.Errorf("a shorter one matches: %v, %v", match, err)
	}
	if match, _, err := p.Verify(t.Context(), hash, strings.Repeat("a", maxPassword)); !match || err != nil {
		t.Errorf("match=%v, %v", match, err)
	}
}

// Passwords that can't be match nothing, not even their own hash, and cost the same.
func TestUnusablePasswords(t *testing.T) {
	const ofNothing = "$2b$04$abcdefghijklmnopqrstuubyCG3zY1GIXMyxfivm.ClDiInHzxjiq" // bcrypt of ""
	p, hashes := NewPasswords(), 0
	p.checked = func() { hashes++ }
	for _, password := range []string{"", "a\x00b", "\xff", strings.Repeat("a", maxPassword+1)} {
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

// No more hashes than CPUs run at once, so many more wait, and the rest is told to come back.
func TestBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPasswords()
		var leave []func()
		for range cap(p.running) {
			l, err := p.enter(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			leave = append(leave, l)
		}
		ctx, cancel := context.WithCancel(t.Context())
		waited := make(chan error, cap(p.queue))
		for range cap(p.queue) - cap(p.running) {
			go func() {
				_, _, err := p.Verify(ctx, "", "password")
				waited <- err
			}()
		}
		synctest.Wait()
		if len(waited) != 0 {
			t.Fatalf("%d did not wait", len(waited))
		}
		if _, _, err := p.Verify(t.Context(), "", "password"); !errors.Is(err, ErrBusy) {
			t.Errorf("beyond the queue: %v", err)
		}
		if _, err := p.Hash(t.Context(), "password"); !errors.Is(err, ErrBusy) {
			t.Errorf("beyond the queue: %v", err)
		}
		cancel()
		synctest.Wait()
		for range len(waited) {
			if err := <-waited; !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled while waiting: %v", err)
			}
		}
		for _, l := range leave {
			l()
		}
		if len(p.running) != 0 || len(p.queue) != 0 {
			t.Errorf("%d run and %d are queued when all is done", len(p.running), len(p.queue))
		}
		if _, _, err := p.Verify(t.Context(), "", "password"); err != nil {
			t.Errorf("when all is done: %v", err)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	p := NewPasswords()
	for b.Loop() {
		if _, _, err := p.Verify(b.Context(), "", "password"); err != nil {
			b.Fatal(err)
		}
	}
}
