package backup

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"filippo.io/age"

	"github.com/authzd/authzd/storage/archive"
)

// whole is a Write that writes one word.
func whole(_ context.Context, w io.Writer) (archive.Summary, error) {
	_, err := io.WriteString(w, "whole")
	return archive.Summary{}, err
}

func newSchedule(t *testing.T, change func(*Config)) *Schedule {
	t.Helper()
	c := Config{Folder: filepath.Join(t.TempDir(), "backups"), Every: time.Hour, Keep: 3, Write: whole, Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&c)
	}
	return New(c)
}

func names(t *testing.T, s *Schedule) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(s.config.Folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// runFor runs a schedule for some (fake) time.
func runFor(t *testing.T, s *Schedule, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if err := s.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("run ended with %v", err)
	}
}

func TestRun(t *testing.T) {
	s := newSchedule(t, nil)
	synctest.Test(t, func(t *testing.T) { // from 2000-01-01 on
		runFor(t, s, 30*time.Minute)
		first := []string{"authzd-20000101T000000Z.backup"}
		if got := names(t, s); !reflect.DeepEqual(got, first) {
			t.Errorf("after half an hour there is %q", got)
		}
		runFor(t, s, 29*time.Minute) // another replica takes over, and has nothing to do yet
		if got := names(t, s); !reflect.DeepEqual(got, first) {
			t.Errorf("after 59 minutes there is %q", got)
		}
		runFor(t, s, 5*time.Hour)
		want := []string{"authzd-20000101T030000Z.backup", "authzd-20000101T040000Z.backup", "authzd-20000101T050000Z.backup"}
		if got := names(t, s); !reflect.DeepEqual(got, want) {
			t.Errorf("after 6 hours there is %q", got)
		}
		st := s.Status()
		if !st.Newest.Equal(time.Date(2000, 1, 1, 5, 0, 0, 0, time.UTC)) || st.Bytes != 5 || st.Failures != 0 {
			t.Errorf("status is %+v", st)
		}
	})
	if info, err := os.Stat(s.config.Folder); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder has %v, %v", info.Mode(), err)
	}
}

// TestFailures: a backup that fails leaves nothing, takes nothing away, is counted, logged and tried
// again, long before the next would be due.
func TestFailures(t *testing.T) {
	var log strings.Builder
	broken := true
	s := newSchedule(t, func(c *Config) {
		c.Keep, c.Every = 1, 24*time.Hour
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		c.Write = func(ctx context.Context, w io.Writer) (archive.Summary, error) {
			if broken {
				_, _ = io.WriteString(w, "half")
				return archive.Summary{}, errors.New("no space left on device")
			}
			return whole(ctx, w)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		if err := os.Mkdir(s.config.Folder, 0o700); err != nil {
			t.Fatal(err)
		}
		old := []string{"authzd-19991201T000000Z.backup"}
		if err := os.WriteFile(filepath.Join(s.config.Folder, old[0]), []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		runFor(t, s, 17*time.Minute)
		if got := names(t, s); !reflect.DeepEqual(got, old) {
			t.Errorf("there is %q", got)
		}
		if n := s.Status().Failures; n != 4 || strings.Count(log.String(), "could not make a backup") != 4 {
			t.Errorf("%d failures, the log is %q", n, log.String())
		}
		broken = false
		runFor(t, s, time.Minute)
		if got := names(t, s); !reflect.DeepEqual(got, []string{"authzd-20000101T001700Z.backup"}) {
			t.Errorf("there is %q", got)
		}
	})
}

// TestForget: a backup goes when neither rule keeps it; the newest never does, and what is no backup of
// ours is left alone.
func TestForget(t *testing.T) {
	now := time.Date(2031, 5, 10, 0, 0, 0, 0, time.UTC)
	others := []string{"authzd-20200101.backup", "authzd.db", "before-the-move.backup"}
	for _, c := range []struct {
		keep    int
		keepFor time.Duration
		want    []int // ages in days
	}{
		{1, 0, []int{2}},
		{0, time.Hour, []int{2}},
		{3, 0, []int{2, 3, 4}},
		{3, 6 * 24 * time.Hour, []int{2, 3, 4, 5}},
		{9, 0, []int{2, 3, 4, 5, 9}},
	} {
		s := newSchedule(t, func(cfg *Config) { cfg.Keep, cfg.KeepFor = c.keep, c.keepFor })
		if err := os.Mkdir(s.config.Folder, 0o700); err != nil {
			t.Fatal(err)
		}
		name := func(days int) string {
			return "authzd-" + now.AddDate(0, 0, -days).Format(nameLayout) + ".backup"
		}
		for _, n := range append([]string{name(9), name(5), name(4), name(3), name(2)}, others...) {
			if err := os.WriteFile(filepath.Join(s.config.Folder, n), []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s.forget(now)
		got := map[string]bool{}
		for _, n := range names(t, s) {
			got[n] = true
		}
		want := map[string]bool{}
		for _, n := range others {
			want[n] = true
		}
		for _, days := range c.want {
			want[name(days)] = true
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("keep %d and %v: left %v", c.keep, c.keepFor, got)
		}
	}
}

// TestClock: a backup of the future, from a clock that was wrong, neither stops the next ones nor takes
// their place.
func TestClock(t *testing.T) {
	s := newSchedule(t, func(c *Config) { c.Keep = 1 })
	now := time.Now().UTC()
	if wait := s.untilDue(now); wait > 0 {
		t.Errorf("the first waits %v", wait)
	}
	if err := os.Mkdir(s.config.Folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, at := range []time.Time{now.Add(-40 * time.Minute), now.Add(1000 * time.Hour)} {
		path := filepath.Join(s.config.Folder, "authzd-"+at.Format(nameLayout)+".backup")
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if wait := s.untilDue(now); wait < 19*time.Minute || wait > 20*time.Minute {
			t.Errorf("with a newest of %v the next waits %v", at, wait)
		}
	}
	s.run(t.Context())
	if files := list(s.config.Folder, time.Now()); len(files) != 1 || len(names(t, s)) != 2 || time.Since(files[0].time) > time.Minute {
		t.Errorf("there are %q", names(t, s))
	}
}

func TestEncrypted(t *testing.T) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	s := newSchedule(t, func(c *Config) { c.Recipients = []age.Recipient{id.Recipient()} })
	if wait := s.run(t.Context()); wait < 59*time.Minute {
		t.Fatalf("the next waits %v", wait)
	}
	f, err := os.Open(list(s.config.Folder, time.Now())[0].path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := archive.Decrypt(f, id)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != "whole" {
		t.Errorf("decrypted %q, %v", got, err)
	}
}
