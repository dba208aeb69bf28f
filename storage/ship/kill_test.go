package ship

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// childEnv tells the test binary to be a primary that is going to be killed.
const childEnv = "AUTHZD_SHIP_TEST_CHILD"

var kills = flag.Int("kills", 6, "how many times TestKilled kills the primary")

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		os.Exit(m.Run())
	}
	if err := child(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// child rotates a token per worker, as refreshes do, and prints each rotation once it is acknowledged,
// with the time. It ends when it is killed.
func child(path, to, run string) error {
	store, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		return err
	}
	c := config(directory(to), path)
	c.Store, c.Every = store, 50*time.Millisecond
	if run == "before" || run == "after" {
		c.To, c.SnapshotEvery = deadly{c.To, run == "after"}, 200*time.Millisecond
	}
	shipper, err := New(context.Background(), c)
	if err != nil {
		return err
	}
	var out sync.Mutex
	for w := range 8 {
		go func() {
			for n := 0; ; n++ {
				key := fmt.Sprintf("%s/%d/", run, w)
				writes := []storage.Write{
					{Table: storage.RefreshTokens.Table, Key: key + strconv.Itoa(n), Value: []byte("used"), If: storage.Absent},
					{Table: storage.Grants.Table, Key: key + "newest", Value: []byte(strconv.Itoa(n)), If: storage.Any},
				}
				if err := store.Apply(context.Background(), writes...); err != nil {
					panic(err)
				}
				out.Lock()
				fmt.Println(w, n, time.Now().UnixNano())
				out.Unlock()
			}
		}()
	}
	return shipper.Run(context.Background())
}

// deadly is a destination that kills the process when it is to store the manifest of the second generation,
// before it does or after.
type deadly struct {
	Destination
	after bool
}

func (d deadly) Put(ctx context.Context, name string, object []byte) error {
	if name != manifestName(2) {
		return d.Destination.Put(ctx, name, object)
	}
	if d.after {
		if err := d.Destination.Put(ctx, name, object); err != nil {
			return err
		}
	}
	return errors.Join(syscall.Kill(os.Getpid(), syscall.SIGKILL), ctx.Err())
}

// TestKilledBetweenGenerations: a process that is killed when one generation gives way to the next leaves
// no doubt about which one goes on, and what is shipped then can be seen.
func TestKilledBetweenGenerations(t *testing.T) {
	for _, when := range []string{"before", "after"} {
		t.Run(when, func(t *testing.T) {
			path, to := filepath.Join(t.TempDir(), "store.db"), t.TempDir()
			exe, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(exe, path, to, when)
			cmd.Env = append(os.Environ(), childEnv+"=1")
			cmd.Stderr = os.Stderr
			if err := cmd.Run(); err == nil || cmd.ProcessState.Exited() {
				t.Fatalf("the primary was to be killed: %v", err)
			}
			p := startPrimary(t, path, config(directory(to), path))
			p.put("a", "after the kill")
			p.waitShipped()
			p.stop()
			if n := p.shipper.Status().Generation; n != 2 {
				t.Errorf("it goes on with generation %d", n)
			}
			wantShipped(t, directory(to), path)
		})
	}
}

// TestKilled kills the primary under load, again and again. The destination always has a prefix of the acknowledged
// writes, without a hole. It has everything that was acknowledged before the last object was sealed. The next start
// goes on from there.
func TestKilled(t *testing.T) {
	path, to := filepath.Join(t.TempDir(), "store.db"), t.TempDir()
	var worst time.Duration
	for run := range *kills {
		acknowledged, killed := runAndKill(t, path, to, strconv.Itoa(run), 100+17*(run%10))
		copied, r, err := restore(t, directory(to), time.Time{})
		if errors.Is(err, errNoSnapshot) && run == 0 {
			continue // killed before there was one
		}
		if err != nil {
			t.Fatal(err)
		}
		lost := checkPrefix(t, copied, strconv.Itoa(run), acknowledged, r.Until)
		if !lost.IsZero() {
			worst = max(worst, killed.Sub(lost))
		}
	}
	t.Logf("%d kills; the oldest acknowledged write that was lost was %v old", *kills, worst)

	p := startPrimary(t, path, config(directory(to), path))
	p.put("a", "the end")
	p.waitShipped()
	p.stop()
	wantShipped(t, directory(to), path)
	if found, _ := in(directory(to)).generations(t.Context()); len(found) > 2 {
		t.Errorf("%d generations; a kill is no reason to begin another", len(found))
	}
}

// runAndKill runs a primary until it has acknowledged enough, and returns when each rotation was.
func runAndKill(t *testing.T, path, to, run string, enough int) (acknowledged map[string]time.Time, killed time.Time) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, path, to, run)
	cmd.Env = append(os.Environ(), childEnv+"=1")
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	acknowledged = make(map[string]time.Time)
	lines := bufio.NewScanner(stdout)
	read := func() bool {
		if !lines.Scan() {
			return false
		}
		var w, n int
		var at int64
		if _, err := fmt.Sscan(lines.Text(), &w, &n, &at); err != nil {
			return false // cut by the kill
		}
		acknowledged[fmt.Sprintf("%s/%d/%d", run, w, n)] = time.Unix(0, at)
		return true
	}
	for len(acknowledged) < enough && read() {
	}
	killed = time.Now()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for read() {
	}
	_ = cmd.Wait()
	if len(acknowledged) < enough {
		t.Fatal("the primary died by itself")
	}
	return acknowledged, killed
}

// checkPrefix looks at what was restored of a run, and returns when the first of what is missing was
// acknowledged.
func checkPrefix(t *testing.T, path, run string, acknowledged map[string]time.Time, until time.Time) (lost time.Time) {
	t.Helper()
	s, err := bolt.Open(path, bolt.Options{Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	recs, err := s.Scan(t.Context(), storage.RefreshTokens.Table, run+"/", "", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	there, perWorker := make(map[string]bool), make(map[string]int)
	for _, r := range recs {
		there[r.Key] = true
		perWorker[filepath.Dir(r.Key)]++
	}
	for worker, n := range perWorker {
		newest, err := s.Get(t.Context(), storage.Grants.Table, worker+"/newest")
		if err != nil || string(newest.Value) != strconv.Itoa(n-1) {
			t.Errorf("%s has %d rotations, and the newest is said to be %s, %v", worker, n, newest.Value, err)
		}
	}
	for name, at := range acknowledged {
		if there[name] {
			continue
		}
		if at.Before(until) {
			t.Errorf("%s was acknowledged %v before the last object was sealed, and is not there", name, until.Sub(at))
		}
		if lost.IsZero() || at.Before(lost) {
			lost = at
		}
	}
	if strings.HasPrefix(run, "0") && len(recs) == 0 {
		t.Log("nothing of the first run had been shipped")
	}
	return lost
}
