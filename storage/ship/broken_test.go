package ship

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/storage/bolt"
)

// threeGenerations is a destination with three of them; moments[i] is in the time of generation i+1, when
// the key a had i for a value.
func threeGenerations(t *testing.T) (to directory, path string, moments []time.Time) {
	t.Helper()
	to = directory(t.TempDir())
	path = filepath.Join(t.TempDir(), "store.db")
	for i := range 3 {
		p := startPrimary(t, path, config(to, path))
		p.put("a", "too soon") // before the base, maybe
		waitFor(t, "a generation", func() bool { return p.shipper.Status().Generation == uint64(i+1) })
		p.put("a", fmt.Sprint(i))
		moments = append(moments, tick())
		p.put("a", "too late")
		p.waitShipped()
		p.stop()
		if err := Forget(path + ".ship"); err != nil { // the next one starts over
			t.Fatal(err)
		}
	}
	return to, path, moments
}

func copyOf(t *testing.T, d directory) directory {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(string(d))); err != nil {
		t.Fatal(err)
	}
	return directory(to)
}

func file(to directory, name string) string {
	return filepath.Join(string(to), filepath.FromSlash(name))
}

func flip(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	b[len(b)/2] ^= 1
	return os.WriteFile(path, b, 0o600)
}

// TestBrokenGeneration: a damaged generation is in the way of those moments alone that nothing else has.
func TestBrokenGeneration(t *testing.T) {
	t.Parallel()
	breaks := map[string]func(to directory, n uint64) error{
		"manifest damaged": func(to directory, n uint64) error { return flip(file(to, manifestName(n))) },
		"manifest lost":    func(to directory, n uint64) error { return os.Remove(file(to, manifestName(n))) },
		"claim damaged":    func(to directory, n uint64) error { return flip(file(to, claimName(n))) },
		"claim lost":       func(to directory, n uint64) error { return os.Remove(file(to, claimName(n))) },
	}
	whole, path, moments := threeGenerations(t)
	for name, spoil := range breaks {
		for n := uint64(1); n <= 3; n++ {
			t.Run(fmt.Sprint(name, " ", n), func(t *testing.T) {
				to := copyOf(t, whole)
				if err := spoil(to, n); err != nil {
					t.Fatal(err)
				}
				for i, at := range moments {
					copied, _, err := restore(t, to, at)
					if uint64(i+1) != n {
						if err != nil {
							t.Errorf("moment of generation %d: %v", i+1, err)
						} else if a := valueOf(t, copied, "a"); a != fmt.Sprint(i) {
							t.Errorf("moment of generation %d: %q", i+1, a)
						}
						continue
					}
					gap := new(GapError)
					if !errors.As(err, &gap) || !isBroken(gap.Reason) || !strings.Contains(err.Error(), generationFolder(n)) {
						t.Errorf("moment of the broken generation %d: %v", n, err)
						continue
					}
					if !gap.Until.IsZero() {
						if _, _, err := restore(t, to, gap.Until); err != nil {
							t.Errorf("possible up to %v: %v", gap.Until, err)
						}
					}
					if !gap.From.IsZero() {
						if _, _, err := restore(t, to, gap.From); err != nil {
							t.Errorf("possible from %v on: %v", gap.From, err)
						}
					}
				}
				copied, _, err := restore(t, to, time.Time{})
				if n < 3 {
					if err != nil {
						t.Fatal(err)
					}
					wantSame(t, path, copied)
				} else if gap := new(GapError); !errors.As(err, &gap) || !isBroken(gap.Reason) || gap.Until.Before(moments[1]) {
					t.Errorf("the newest state: %v", err)
				}
			})
		}
	}
}

// TestPruneBroken: a broken generation does not stop what is old from going, and is not taken for what
// comes after another.
func TestPruneBroken(t *testing.T) {
	left := func(t *testing.T, to directory) []uint64 {
		t.Helper()
		numbers, err := listNumbers(t.Context(), to, generationsFolder)
		if err != nil {
			t.Fatal(err)
		}
		return numbers
	}
	whole, _, moments := threeGenerations(t)
	for _, c := range []struct {
		broken uint64
		keep   int // the moment of this generation has to be kept
		want   string
	}{
		{1, 2, "[2 3]"},
		{1, 1, "[1 2 3]"},
		{2, 2, "[1 2 3]"}, // since nobody knows when 2 began
		{2, 3, "[3]"},
		{3, 3, "[2 3]"},
	} {
		to := copyOf(t, whole)
		if err := flip(file(to, manifestName(c.broken))); err != nil {
			t.Fatal(err)
		}
		if err := in(to).prune(t.Context(), 3, moments[c.keep-1]); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(left(t, to)); got != c.want {
			t.Errorf("broken %d, kept from %d on: left %s, want %s", c.broken, c.keep, got, c.want)
		}
	}
}

// TestStandbyOfABrokenGeneration: a standby whose own generation has lost its manifest goes on with its
// segments, and never back to an older one; and it goes over to the next one that is whole.
func TestStandbyOfABrokenGeneration(t *testing.T) {
	to := directory(t.TempDir())
	path, own := filepath.Join(t.TempDir(), "store.db"), filepath.Join(t.TempDir(), "own.db")
	begin := func() *primary {
		p := startPrimary(t, path, config(to, path))
		p.put("a", "v")
		p.waitShipped()
		return p
	}
	anew := func(p *primary) *primary {
		p.stop()
		if err := Forget(path + ".ship"); err != nil {
			t.Fatal(err)
		}
		return begin()
	}
	p := anew(begin()) // generation 2
	s := startStandby(t, to, own)
	s.waitFor(t, p)
	if err := flip(file(to, manifestName(2))); err != nil {
		t.Fatal(err)
	}
	p.put("b", "v")
	s.waitFor(t, p)
	s.mu.Lock()
	changed, err := s.change(t.Context())
	s.mu.Unlock()
	if changed || err != nil || s.Status().Generation != 2 {
		t.Errorf("changed %v to %d, %v", changed, s.Status().Generation, err)
	}

	p = anew(p) // generation 3, which the standby can't read
	p.stop()
	s.stop()
	whole, err := os.ReadFile(file(to, manifestName(3)))
	if err != nil {
		t.Fatal(err)
	}
	if err := flip(file(to, manifestName(3))); err != nil {
		t.Fatal(err)
	}
	s = startStandby(t, to, own)
	if _, err := s.Promote(t.Context()); !errors.Is(err, ErrDamaged) {
		t.Errorf("promoted without the newest generation: %v", err)
	}
	if err := os.WriteFile(file(to, manifestName(3)), whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Promote(t.Context()); err != nil {
		t.Error(err)
	}
	s.stop()
	wantSame(t, path, own)
}

// TestForged: what somebody has written who has no secret is believed by nobody, wherever it is put.
func TestForged(t *testing.T) {
	for name, forge := range map[string]func(t *testing.T, to directory) error{
		"a manifest": func(t *testing.T, to directory) error {
			var m manifest
			object, err := in(to).getSigned(t.Context(), manifestName(1), &m)
			if err != nil {
				return err
			}
			m.Taken = m.Taken.Add(time.Second)
			return os.WriteFile(file(to, manifestName(1)), append(encodeDocument(m), object[len(object)-65:]...), 0o600)
		},
		"a claim of another secret": func(t *testing.T, to directory) error {
			var c claim
			if _, err := in(to).getSigned(t.Context(), claimName(1), &c); err != nil {
				return err
			}
			return os.WriteFile(file(to, claimName(1)), otherSecret.signDocument(claimName(1), c), 0o600)
		},
		"a segment": func(t *testing.T, to directory) error {
			name := segmentName(1, 2)
			b, err := to.Get(t.Context(), name)
			if err != nil {
				return err
			}
			seg, err := testSecret.decodeSegment(b)
			if err != nil {
				return err
			}
			var groups []byte
			for _, g := range seg.groups {
				groups = appendFrame(groups, g)
			}
			return os.WriteFile(file(to, name), otherSecret.encodeSegment(seg.segmentHeader, groups), 0o600)
		},
		"a generation": func(t *testing.T, to directory) error {
			path := filepath.Join(t.TempDir(), "forged.db")
			store, err := bolt.Open(path, bolt.Options{})
			if err != nil {
				return err
			}
			defer store.Close()
			c := config(to, path)
			c.Store, c.Secret = store, otherSecret
			e, err := newestEpoch(t.Context(), to)
			if err != nil {
				return err
			}
			s := &Shipper{Config: c, epoch: e}
			sh := s.newShipment(c.Folder)
			if err := sh.begin(t.Context(), s.epoch, c.SpoolBytes); err != nil {
				return err
			}
			defer sh.end(true)
			m, err := sh.shipBase(t.Context())
			if err != nil {
				return err
			}
			return to.Put(t.Context(), manifestName(2), otherSecret.signDocument(manifestName(2), m))
		},
	} {
		t.Run(name, func(t *testing.T) {
			to, _ := shipped(t)
			if err := forge(t, to); err != nil {
				t.Fatal(err)
			}
			if _, _, err := restore(t, to, time.Time{}); !errors.Is(err, ErrOtherSecret) {
				t.Errorf("restored: %v", err)
			}
			s := startStandby(t, to, filepath.Join(t.TempDir(), "own.db"))
			waitFor(t, "the standby to say it", func() bool { return errors.Is(s.Status().Failing, ErrOtherSecret) })
			if _, err := s.Promote(t.Context()); !errors.Is(err, ErrOtherSecret) {
				t.Errorf("promoted: %v", err)
			}
		})
	}
}

// TestNewSecret: another secret begins another generation. With both, all of it can be read; with the new
// one, what was shipped since.
func TestNewSecret(t *testing.T) {
	to := directory(t.TempDir())
	path := filepath.Join(t.TempDir(), "store.db")
	p := startPrimary(t, path, config(to, path))
	p.put("a", "old")
	waitFor(t, "the snapshot", func() bool { return p.shipper.Status().Generation == 1 })
	at := tick()
	p.put("a", "old, and later")
	p.waitShipped()
	p.stop()
	c := config(to, path)
	c.Secret = secretOf("new", testSecret.ID)
	p = startPrimary(t, path, c)
	p.put("a", "new")
	waitFor(t, "a new generation", func() bool { return p.shipper.Status().Generation == 2 })
	p.waitShipped()
	p.stop()
	target := func() string { return filepath.Join(t.TempDir(), "restored.db") }
	for name, r := range map[string]struct {
		secret Secret
		at     time.Time
		fails  bool
	}{
		"both": {secretOf("new", testSecret.ID), time.Time{}, false}, "both, the past": {secretOf("new", testSecret.ID), at, false},
		"the new one": {secretOf("new"), time.Time{}, false}, "the new one, the past": {secretOf("new"), at, true},
		"the old one": {testSecret, time.Time{}, true}, "another": {otherSecret, time.Time{}, true},
	} {
		_, err := Restore(t.Context(), RestoreConfig{From: to, Secret: r.secret, At: r.at, Path: target()})
		if r.fails && !errors.Is(err, ErrOtherSecret) || !r.fails && err != nil {
			t.Errorf("with %s: %v", name, err)
		}
	}
}
