package ship

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// TestLostAnswers: each object is stored, and the first answer about it is lost.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	to := &faulty{Destination: directory(t.TempDir())}
	lost := map[string]bool{}
	to.onPut(func(name string) error {
		if lost[name] || strings.HasSuffix(name, "/claim") && len(lost) > 1 {
			return nil // once a claim is lost, the next generation is claimed
		}
		lost[name] = true
		return errStored
	})
	path := filepath.Join(t.TempDir(), "store.db")
	p := startPrimary(t, path, config(to, path))
	for i := range 5 {
		p.put(fmt.Sprint(i), "v")
		p.waitShipped()
	}
	p.stop()
	if len(lost) < 8 {
		t.Fatalf("only %d objects", len(lost))
	}
	wantShipped(t, to, path)
}

// TestUnreachable: no write waits for a destination that is gone, and all arrives when it is back.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	to := &faulty{Destination: directory(t.TempDir())}
	path := filepath.Join(t.TempDir(), "store.db")
	p := startPrimary(t, path, config(to, path))
	p.put("a", "before")
	p.waitShipped()
	to.down.Store(true)
	for i := range 300 {
		began := time.Now()
		p.put(fmt.Sprint(i), strings.Repeat("v", 10_000)) // several segments
		if d := time.Since(began); d > time.Minute {
			t.Errorf("a write took %v", d)
		}
	}
	waitFor(t, "the trouble to be told", func() bool { return p.shipper.Status().Failing != nil })
	if st := p.shipper.Status(); st.LagBytes < 3_000_000 || st.Lag <= 0 || p.store.Ready(t.Context()) != nil {
		t.Errorf("status %+v, ready %v", st, p.store.Ready(t.Context()))
	}
	p.stop() // in the middle of it
	p = startPrimary(t, path, config(to, path))
	p.put("b", "after a restart")
	to.down.Store(false)
	p.waitShipped()
	p.stop()
	wantShipped(t, to, path)
	if found, _ := in(to).generations(t.Context()); len(found) != 1 {
		t.Errorf("%d generations; the spool had room for all", len(found))
	}
}

// TestNeverReached: a process whose destination is down from its start to its end keeps what it and the
// one before it could not ship.
func TestNeverReached(t *testing.T) {
	t.Parallel()
	to := &faulty{Destination: directory(t.TempDir())}
	path := filepath.Join(t.TempDir(), "store.db")
	p := startPrimary(t, path, config(to, path))
	p.put("a", "before")
	p.waitShipped()
	to.down.Store(true)
	p.put("b", "left over")
	p.stop()
	p = startPrimary(t, path, config(to, path))
	p.put("c", "while it is down")
	p.stop()
	to.down.Store(false)
	p = startPrimary(t, path, config(to, path))
	p.waitShipped()
	p.stop()
	wantShipped(t, to, path)
	if n := p.shipper.Status().Generation; n != 1 {
		t.Errorf("generation %d; the spool could go on", n)
	}
}

// TestSpoolFull: a full spool gives up, reports it, and starts over when it can.
func TestSpoolFull(t *testing.T) {
	to := &faulty{Destination: directory(t.TempDir())}
	path := filepath.Join(t.TempDir(), "store.db")
	c := config(to, path)
	c.SpoolBytes = 100_000
	p := startPrimary(t, path, c)
	p.put("a", "before")
	p.waitShipped()
	to.down.Store(true)
	for i := range 30 {
		p.put(fmt.Sprint(i), strings.Repeat("v", 10_000))
	}
	waitFor(t, "the spool to be given up", func() bool { return p.shipper.Status().SpoolFull == 1 })
	if err := p.store.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	if n := size(t, c.Folder); n > 2*c.SpoolBytes {
		t.Errorf("the spool has %d bytes", n)
	}
	to.down.Store(false)
	waitFor(t, "a new generation", func() bool { return p.shipper.Status().Generation == 2 })
	p.put("a", "after")
	p.waitShipped()
	p.stop()
	wantShipped(t, to, path)
}

// lateBase is a destination that stores the base of generation 2 only when nobody waits for that any more.
type lateBase struct {
	*faulty
	waiting chan struct{}
}

func (d lateBase) Put(ctx context.Context, name string, object []byte) error {
	if name == partName(2, 1) {
		close(d.waiting)
		<-ctx.Done()
		return d.faulty.Destination.Put(context.WithoutCancel(ctx), name, object)
	}
	return d.faulty.Put(ctx, name, object)
}

// TestSpoolFullWhilePreparing: a generation that was being prepared when the one before it broke leaves
// nothing behind.
func TestSpoolFullWhilePreparing(t *testing.T) {
	t.Parallel()
	faults := &faulty{Destination: directory(t.TempDir())}
	to := lateBase{faults, make(chan struct{})}
	path := filepath.Join(t.TempDir(), "store.db")
	c := config(to, path)
	c.SpoolBytes, c.SnapshotEvery = 100_000, time.Second
	p := startPrimary(t, path, c)
	<-to.waiting
	faults.down.Store(true)
	for i := range 30 {
		p.put(fmt.Sprint(i), strings.Repeat("v", 10_000))
	}
	waitFor(t, "the spool to be given up", func() bool { return p.shipper.Status().SpoolFull == 1 })
	faults.down.Store(false)
	waitFor(t, "a new generation", func() bool { return p.shipper.Status().Generation > 2 })
	waitFor(t, "only one spool to be left", func() bool {
		spools, err := filepath.Glob(filepath.Join(c.Folder, spools+"*"))
		return err == nil && len(spools) == 1
	})
}

func size(t *testing.T, folder string) (n int64) {
	t.Helper()
	if err := filepath.Walk(folder, func(_ string, info os.FileInfo, err error) error {
		if err == nil {
			n += info.Size()
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestPowerCut: the spool is not synced, so a power cut may leave anything of it. If the spool doesn't fit the
// database, a new generation begins, and a restore gives the database.
func TestPowerCut(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, folder string){
		"empty files": func(t *testing.T, folder string) { each(t, folder, func(string, []byte) []byte { return nil }) },
		"zeros": func(t *testing.T, folder string) {
			each(t, folder, func(_ string, b []byte) []byte { return make([]byte, len(b)) })
		},
		"half": func(t *testing.T, folder string) {
			each(t, folder, func(_ string, b []byte) []byte { return b[:len(b)/2] })
		},
		"no progress": func(t *testing.T, folder string) { remove(t, folder, progressFile) },
		"no spool":    func(t *testing.T, folder string) { remove(t, folder, "*"+logSuffix) },
		"progress is cut": func(t *testing.T, folder string) {
			each(t, folder, func(name string, b []byte) []byte { return cutIf(name == progressFile, b) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each waits for a stop that can ship nothing
			to := &faulty{Destination: directory(t.TempDir())}
			path := filepath.Join(t.TempDir(), "store.db")
			p := startPrimary(t, path, config(to, path))
			p.put("a", "1")
			p.waitShipped()
			to.down.Store(true)
			p.put("a", "2")
			p.put("b", "2")
			p.stop()
			folders, _ := filepath.Glob(filepath.Join(path+".ship", spools+"*"))
			if len(folders) != 1 {
				t.Fatalf("spools: %v", folders)
			}
			spoil(t, folders[0])
			to.down.Store(false)
			p = startPrimary(t, path, config(to, path))
			waitFor(t, "a new generation", func() bool { return p.shipper.Status().Generation == 2 })
			p.put("c", "3")
			p.waitShipped()
			p.stop()
			wantShipped(t, to, path)
		})
	}
}

func each(t *testing.T, folder string, change func(name string, content []byte) []byte) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) == 0 {
		t.Fatalf("%v, %v", entries, err)
	}
	for _, e := range entries {
		path := filepath.Join(folder, e.Name())
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, change(e.Name(), b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func cutIf(cut bool, b []byte) []byte {
	if cut {
		return b[:len(b)-3]
	}
	return b
}

func remove(t *testing.T, folder, pattern string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, pattern))
	if err != nil || len(names) == 0 {
		t.Fatalf("%v, %v", names, err)
	}
	for _, name := range names {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSpoolAheadIsCut: a group that was in the spool, and then not committed, is never shipped.
func TestSpoolAheadIsCut(t *testing.T) {
	t.Parallel()
	to := &faulty{Destination: directory(t.TempDir())}
	path := filepath.Join(t.TempDir(), "store.db")
	p := startPrimary(t, path, config(to, path))
	p.put("a", "1")
	p.waitShipped()
	to.down.Store(true)
	p.put("a", "2")
	p.stop()
	at, _ := positionOf(t, path)
	ghost := appendFrame(nil, bolt.Group{Position: bolt.Position{Sequence: at.Sequence + 1, Mark: 99}, Time: time.Now(),
		Changes: []bolt.Change{{Table: storage.Users.Table, Key: []byte("ghost"), Row: make([]byte, 20)}}})
	folders, _ := filepath.Glob(filepath.Join(path+".ship", spools+"*"))
	logs, _ := filepath.Glob(filepath.Join(folders[0], "*"+logSuffix))
	last := logs[len(logs)-1]
	b, err := os.ReadFile(last)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(last, append(b, ghost[:len(ghost)-3]...), 0o600); err != nil { // the last bytes never came
		t.Fatal(err)
	}
	to.down.Store(false)
	p = startPrimary(t, path, config(to, path))
	p.put("a", "3")
	p.waitShipped()
	p.stop()
	wantShipped(t, to, path)
	if found, _ := in(to).generations(t.Context()); len(found) != 1 {
		t.Errorf("%d generations; the spool could go on", len(found))
	}
}

// TestGenerations: they follow one another without a gap, old ones go, and any moment that is kept can
// be restored.
func TestGenerations(t *testing.T) {
	t.Parallel()
	to := directory(t.TempDir())
	path := filepath.Join(t.TempDir(), "store.db")
	c := config(to, path)
	c.SnapshotEvery, c.Keep = 30*time.Millisecond, time.Hour
	p := startPrimary(t, path, c)
	type moment struct {
		at    time.Time
		value string
	}
	var moments []moment
	for i := 0; p.shipper.Status().Generation < 4; i++ {
		value := fmt.Sprint(i)
		p.put("a", value)
		if i == 0 {
			waitFor(t, "the first generation", func() bool { return p.shipper.Status().Generation > 0 })
		}
		if i%10 == 3 {
			moments = append(moments, moment{tick(), value})
		}
	}
	p.waitShipped()
	p.stop()
	for _, m := range moments {
		copied, _, err := restore(t, to, m.at)
		if err != nil {
			t.Fatalf("%v: %v", m.at, err)
		}
		if got := valueOf(t, copied, "a"); got != m.value {
			t.Errorf("at %v: %q, want %q", m.at, got, m.value)
		}
	}
	if len(moments) == 0 {
		t.Error("no moments")
	}

	c.Keep, c.SnapshotEvery = time.Nanosecond, time.Second
	p = startPrimary(t, path, c)
	before := p.shipper.Status().Generation
	waitFor(t, "old generations to go", func() bool {
		p.put("a", "more")
		found, _ := in(to).generations(t.Context())
		return p.shipper.Status().Generation > before+1 && len(found) <= 2 && found[0].Generation > before
	})
	p.stop()
	names, _ := to.List(t.Context(), generationsFolder)
	if len(names) > 3 {
		t.Errorf("left: %v", names)
	}
	wantShipped(t, to, path)
}

// tick returns a time that is after all groups so far and before all to come: their times are whole
// milliseconds.
func tick() time.Time {
	at := time.Now().Truncate(time.Millisecond)
	for !time.Now().Truncate(time.Millisecond).After(at) {
	}
	return at
}

func valueOf(t *testing.T, path, key string) string {
	t.Helper()
	s, err := bolt.Open(path, bolt.Options{Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rec, err := s.Get(t.Context(), storage.Users.Table, key)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		t.Fatal(err)
	}
	return string(rec.Value)
}

// TestTwoPrimaries: who has no right to a destination neither ships nor serves.
func TestTwoPrimaries(t *testing.T) {
	to := directory(t.TempDir())
	path, other := filepath.Join(t.TempDir(), "store.db"), filepath.Join(t.TempDir(), "other.db")
	p := startPrimary(t, path, config(to, path))
	p.put("a", "1")
	p.waitShipped()

	s, err := bolt.Open(other, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c := config(to, other)
	c.Store = s
	if _, err := New(t.Context(), c); !errors.As(err, new(*FencedError)) {
		t.Errorf("a second primary: %v", err)
	}
}

// TestCopiedNode: two processes with the same id, since somebody copied a machine. The first object
// that both want to write stops one of them.
func TestCopiedNode(t *testing.T) {
	to := &faulty{Destination: directory(t.TempDir())}
	path := filepath.Join(t.TempDir(), "store.db")
	p := startPrimary(t, path, config(to, path))
	p.put("a", "1")
	p.waitShipped()
	p.stop()
	twin := filepath.Join(t.TempDir(), "store.db")
	if err := os.CopyFS(filepath.Dir(twin), os.DirFS(filepath.Dir(path))); err != nil {
		t.Fatal(err)
	}
	p = startPrimary(t, path, config(to, path))
	p.put("a", "of the first")
	p.waitShipped()
	p2 := startPrimary(t, twin, config(to, twin))
	if err := p2.store.Apply(t.Context(), put("a", "of the twin")); err != nil && !errors.Is(err, storage.ErrUnavailable) {
		t.Error(err)
	}
	waitFor(t, "the twin to be fenced", func() bool { return p2.shipper.Status().Fenced != nil })
	if err := p2.store.Ready(t.Context()); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("the twin is ready: %v", err)
	}
	p.put("a", "of the first again")
	p.waitShipped()
	p.stop()
	wantShipped(t, to, path)
}

// TestEncrypted: nothing of the records is readable in the destination, and only the right identity
// brings it back.
func TestEncrypted(t *testing.T) {
	to := directory(t.TempDir())
	path := filepath.Join(t.TempDir(), "store.db")
	right, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	wrong, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	c := config(to, path)
	c.Recipients = []age.Recipient{right.Recipient()}
	p := startPrimary(t, path, c)
	p.put("alice", "a very private value")
	p.waitShipped()
	p.put("alice2", "a very private value")
	p.waitShipped()
	p.stop()
	if err := filepath.Walk(string(to), func(name string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			b, _ := os.ReadFile(name)
			if strings.Contains(string(b), "private") || info.Mode().Perm() != 0o600 {
				t.Errorf("%s with mode %v can be read", name, info.Mode())
			}
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for name, identities := range map[string][]age.Identity{"none": nil, "wrong": {wrong}} {
		target := filepath.Join(t.TempDir(), "r.db")
		if _, err := Restore(t.Context(), RestoreConfig{From: to, Secret: testSecret, Path: target, Identities: identities}); err == nil || !strings.Contains(err.Error(), "encrypted") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(target); err == nil {
			t.Errorf("%s: left a database", name)
		}
	}
	target := filepath.Join(t.TempDir(), "r.db")
	if _, err := Restore(t.Context(), RestoreConfig{From: to, Secret: testSecret, Path: target, Identities: []age.Identity{wrong, right}}); err != nil {
		t.Fatal(err)
	}
	wantSame(t, path, target)
}

// TestWritesDoNotWait: a destination that hangs costs no write anything.
func TestWritesDoNotWait(t *testing.T) {
	to := &faulty{Destination: directory(t.TempDir())}
	var hanging atomic.Bool
	release := make(chan struct{})
	to.onPut(func(string) error {
		if hanging.Load() {
			<-release
		}
		return nil
	})
	path := filepath.Join(t.TempDir(), "store.db")
	p := startPrimary(t, path, config(to, path))
	p.put("a", "1")
	p.waitShipped()
	hanging.Store(true)
	for i := range 100 {
		p.put("a", fmt.Sprint(i))
	}
	if st := p.shipper.Status(); st.LagBytes == 0 {
		t.Error("nothing was held up: the test shows nothing")
	}
	hanging.Store(false)
	close(release)
	p.waitShipped()
}
