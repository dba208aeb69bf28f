package ship

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// shipped is a destination with a generation of some segments, each with one value of the key a.
func shipped(t *testing.T) (to directory, segments []string) {
	t.Helper()
	to = directory(t.TempDir())
	path := filepath.Join(t.TempDir(), "store.db")
	p := startPrimary(t, path, config(to, path))
	p.put("a", "0")
	p.waitShipped()
	for i := range 6 {
		p.put("a", fmt.Sprint(i+1))
		p.waitShipped()
	}
	p.stop()
	names, err := to.List(t.Context(), segmentsFolder(1))
	if err != nil || len(names) < 6 {
		t.Fatalf("%d segments, %v", len(names), err)
	}
	for _, name := range names {
		segments = append(segments, filepath.Join(string(to), segmentsFolder(1), name))
	}
	return to, segments
}

// TestDamage: a restore reports every kind of damage to what was shipped, and makes nothing. If the error
// names the last possible moment, that moment can be restored.
func TestDamage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(to directory, segments []string) error
		gap   bool // the segments before are whole
	}{
		"a segment is gone":       {func(_ directory, s []string) error { return os.Remove(s[3]) }, true},
		"a flipped bit":           {func(_ directory, s []string) error { return flip(s[3]) }, true},
		"half written":            {func(_ directory, s []string) error { return os.Truncate(s[3], 60) }, true},
		"empty":                   {func(_ directory, s []string) error { return os.Truncate(s[3], 0) }, true},
		"an old one in its place": {func(_ directory, s []string) error { return copyFile(s[2], s[3]) }, true},
		"two have changed places": {func(_ directory, s []string) error {
			return errors.Join(os.Rename(s[3], s[0]+".x"), os.Rename(s[4], s[3]), os.Rename(s[0]+".x", s[4]))
		}, true},
		"the base":          {func(to directory, _ []string) error { return flip(file(to, partName(1, 1))) }, false},
		"no base":           {func(to directory, _ []string) error { return os.Remove(file(to, partName(1, 1))) }, false},
		"half a base":       {func(to directory, _ []string) error { return os.Truncate(file(to, partName(1, 1)), 4096) }, false},
		"the manifest":      {func(to directory, _ []string) error { return flip(file(to, manifestName(1))) }, false},
		"no manifest":       {func(to directory, _ []string) error { return os.Remove(file(to, manifestName(1))) }, false},
		"the claim":         {func(to directory, _ []string) error { return flip(file(to, claimName(1))) }, false},
		"another's segment": {func(to directory, s []string) error { return foreign(t, s[3]) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			to, segments := shipped(t)
			if err := c.spoil(to, segments); err != nil {
				t.Fatal(err)
			}
			_, _, err := restore(t, to, time.Time{})
			if err == nil {
				t.Fatal("restored")
			}
			var gap *GapError
			if errors.As(err, &gap) != c.gap {
				t.Fatalf("error %v", err)
			}
			if !c.gap {
				return
			}
			if !strings.Contains(err.Error(), "up to 2") {
				t.Errorf("error %v", err)
			}
			if _, _, err := restore(t, to, gap.Until.Add(time.Millisecond)); !errors.As(err, new(*GapError)) {
				t.Errorf("a moment later: %v", err)
			}
			copied, r, err := restore(t, to, gap.Until)
			if err != nil || !r.Until.Equal(gap.Until) {
				t.Fatalf("up to %v: %v, %v", gap.Until, r.Until, err)
			}
			if a := valueOf(t, copied, "a"); a == "" || a == "6" {
				t.Errorf("restored a=%q", a)
			}
		})
	}
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o600)
}

// foreign replaces a segment by that of another store, of the same generation and number.
func foreign(t *testing.T, path string) error {
	_, segments := shipped(t)
	return copyFile(filepath.Join(filepath.Dir(segments[0]), filepath.Base(path)), path)
}

// TestBetweenTwoWrites restores the moment between any two writes of a segment.
func TestBetweenTwoWrites(t *testing.T) {
	to := directory(t.TempDir())
	path := filepath.Join(t.TempDir(), "store.db")
	c := config(to, path)
	c.Every = time.Hour // one segment
	p := startPrimary(t, path, c)
	waitFor(t, "the snapshot", func() bool { return p.shipper.Status().Generation == 1 })
	moments := []time.Time{tick()}
	for i := range 5 {
		p.put("a", fmt.Sprint(i))
		moments = append(moments, tick())
	}
	p.stop()
	for i, at := range moments {
		copied, _, err := restore(t, to, at)
		if err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprint(i - 1)
		if i == 0 {
			want = ""
		}
		if got := valueOf(t, copied, "a"); got != want {
			t.Errorf("moment %d: %q, want %q", i, got, want)
		}
	}
}

// FuzzSegment: what is accepted is what would have been written, and that takes the secret.
func FuzzSegment(f *testing.F) {
	f.Add(testSecret.encodeSegment(segmentHeader{Generation: 1, Number: 2}, nil))
	f.Add([]byte(segmentMagic + "\x00\x00\x00\x02{}"))
	f.Add([]byte(segmentMagic))
	f.Add([]byte{})
	constant := Secret{MACs: func([]byte) [][sha256.Size]byte { return make([][sha256.Size]byte, 1) }}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := testSecret.decodeSegment(b); err != nil && !isBroken(err) {
			t.Errorf("error is %v", err)
		}
		sum := sha256.Sum256(b)
		s, err := constant.decodeSegment(slices.Concat(b, sum[:], make([]byte, sha256.Size)))
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("error is %v", err)
			}
			return
		}
		var frames []byte
		for _, g := range s.groups {
			frames = appendFrame(frames, g)
		}
		object := testSecret.encodeSegment(s.segmentHeader, frames)
		again, err := testSecret.decodeSegment(object)
		if err != nil || len(again.groups) != len(s.groups) || again.Last != s.Last {
			t.Errorf("decoded again: %v", err)
		}
		if _, err := otherSecret.decodeSegment(object); !errors.Is(err, ErrOtherSecret) {
			t.Errorf("decoded with another secret: %v", err)
		}
	})
}

// FuzzFrame: what is accepted is what would have been written.
func FuzzFrame(f *testing.F) {
	f.Add(appendFrame(nil, sampleGroup()))
	f.Add(appendFrame(appendFrame(nil, sampleGroup()), sampleGroup())[:100])
	f.Add(make([]byte, 40))
	f.Fuzz(func(t *testing.T, b []byte) {
		g, n, err := decodeFrame(b)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("error is %v", err)
			}
			return
		}
		if again := appendFrame(nil, g); string(again) != string(b[:n]) {
			t.Errorf("%x became %x", b[:n], again)
		}
	})
}

// FuzzDocument: what is accepted is what was signed.
func FuzzDocument(f *testing.F) {
	f.Add(encodeDocument(epoch{Number: 1, Node: "n", Host: "h"}))
	f.Add(testSecret.signDocument("a", epoch{Number: 1}))
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var e epoch
		if err := decodeDocument(b, &e); err != nil && !errors.Is(err, ErrDamaged) {
			t.Errorf("error is %v", err)
		}
		if err := testSecret.verifyDocument("a", b, &e); err != nil && !isBroken(err) {
			t.Errorf("error is %v", err)
		} else if err == nil && testSecret.verifyDocument("b", b, &e) == nil {
			t.Error("a document is good under two names")
		}
	})
}

func sampleGroup() bolt.Group {
	return bolt.Group{Position: bolt.Position{Sequence: 1, Mark: 2}, Time: time.UnixMilli(3).UTC(), Changes: []bolt.Change{
		{Table: storage.Users.Table, Key: []byte("alice"), Row: make([]byte, 20)}, {Table: storage.Codes.Table, Key: []byte("gone")},
	}}
}
