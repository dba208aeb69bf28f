package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// childEnv tells the test binary to be another process that uses a database, and how.
const childEnv = "AUTHZD_BOLT_TEST_CHILD"

func TestMain(m *testing.M) {
	mode := os.Getenv(childEnv)
	if mode == "" {
		os.Exit(m.Run())
	}
	if err := child(mode, os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func child(mode, path string, args []string) error {
	var opts bolt.Options
	switch mode {
	case "upgrade":
		opts = bolt.Stepwise(twoSteps, args[0])
	case "compact":
		opts = bolt.Stepwise(nil, args[1])
	}
	s, err := bolt.Open(path, opts)
	if err != nil {
		return err
	}
	switch mode {
	case "create", "upgrade":
	case "hold": // keep the database open until stdin ends
		fmt.Println("open")
		_, _ = io.Copy(io.Discard, os.Stdin)
	case "compact": // again and again, under traffic
		go func() {
			for {
				if _, err := s.Compact(context.Background()); err != nil {
					panic(err)
				}
			}
		}()
		return traffic(s, args[0])
	case "traffic":
		return traffic(s, args[0])
	default:
		return errors.New("no such mode")
	}
	return s.Close()
}

// traffic applies units of three writes from many goroutines, and prints the name of each unit once
// Apply has returned. It ends when it is killed.
func traffic(s *bolt.Store, run string) error {
	var wg sync.WaitGroup
	var out sync.Mutex
	for w := range 8 {
		wg.Go(func() {
			var last uint64
			for n := 0; ; n++ {
				unit := fmt.Sprintf("%s/%d/%d", run, w, n)
				if err := s.Apply(context.Background(), unitWrites(unit, last)...); err != nil {
					panic(err)
				}
				out.Lock()
				fmt.Println(unit)
				out.Unlock()
				rec, err := s.Get(context.Background(), storage.Grants.Table, filepath.Dir(unit))
				if err != nil {
					panic(err)
				}
				last = rec.Version
			}
		})
	}
	wg.Wait()
	return nil
}

// unitWrites are two new records and a change to one of the worker's that names its newest unit.
func unitWrites(unit string, last uint64) []storage.Write {
	return []storage.Write{
		{Table: storage.Codes.Table, Key: unit, Value: []byte(unit), If: storage.Absent},
		{Table: storage.Grants.Table, Key: filepath.Dir(unit), Value: []byte(unit), If: storage.At(last)},
		{Table: storage.RefreshTokens.Table, Key: unit, Value: []byte(unit), If: storage.Absent},
	}
}

// startChild starts the test binary as another process.
func startChild(t *testing.T, mode, path string, args ...string) (cmd *exec.Cmd, stdin io.WriteCloser, stdout io.Reader) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command(exe, append([]string{path}, args...)...)
	cmd.Env = append(os.Environ(), childEnv+"="+mode)
	cmd.Stderr = os.Stderr
	if stdin, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if stdout, err = cmd.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, stdin, stdout
}

func openStore(t testing.TB, path string) *bolt.Store {
	t.Helper()
	return openStoreBy(t, bolt.Options{}, path)
}

func openStoreBy(t testing.TB, opts bolt.Options, path string) *bolt.Store {
	t.Helper()
	s, err := bolt.Open(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func apply(t testing.TB, s storage.Store, writes ...storage.Write) {
	t.Helper()
	if err := s.Apply(context.Background(), writes...); err != nil {
		t.Errorf("apply: %v", err)
	}
}

// put is a write to the users table that is not about conditions.
func put(key, value string) storage.Write {
	return storage.Write{Table: storage.Users.Table, Key: key, Value: []byte(value), If: storage.Any}
}

func wantValue(t testing.TB, s storage.Store, key, value string) {
	t.Helper()
	rec, err := s.Get(context.Background(), storage.Users.Table, key)
	if err != nil || string(rec.Value) != value {
		t.Errorf("get %q: %.40q, %v; want %.40q", key, rec.Value, err, value)
	}
}
