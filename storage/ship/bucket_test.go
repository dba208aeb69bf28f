package ship

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// startS3 starts an S3-compatible server that somebody else wrote. fail, unless nil, may answer a
// request in its place.
func startS3(t *testing.T, fail func(w http.ResponseWriter, r *http.Request) bool) Destination {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("backups"); err != nil {
		t.Fatal(err)
	}
	fake := gofakes3.New(backend).Server()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fail == nil || !fail(w, r) {
			fake.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	d, err := Open("s3://backups/of/authzd", S3{Endpoint: server.URL, AccessKeyID: "key", SecretAccessKey: "secret", PathStyle: true})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func s3Error(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", code, code)
}

// TestDestinations: the two kinds are the same.
func TestDestinations(t *testing.T) {
	dir := directory(t.TempDir())
	noConditions := func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("If-None-Match") == "" {
			return false
		}
		s3Error(w, http.StatusNotImplemented, "NotImplemented")
		return true
	}
	for name, d := range map[string]Destination{"directory": dir, "bucket": startS3(t, nil), "bucket without conditional put": startS3(t, noConditions)} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			if _, err := d.Get(ctx, "a/b"); !errors.Is(err, ErrMissing) {
				t.Errorf("get of nothing: %v", err)
			}
			if names, err := d.List(ctx, "a"); err != nil || len(names) != 0 {
				t.Errorf("list of nothing: %v, %v", names, err)
			}
			for _, object := range []string{"a/b", "a/c/d", "a/c/e", "a/a"} {
				if err := d.Put(ctx, object, []byte(object)); err != nil {
					t.Errorf("put %s: %v", object, err)
				}
				if err := d.Put(ctx, object, []byte("other")); !errors.Is(err, ErrExists) {
					t.Errorf("put %s again: %v", object, err)
				}
				if b, err := d.Get(ctx, object); err != nil || string(b) != object {
					t.Errorf("get %s: %q, %v", object, b, err)
				}
			}
			if names, err := d.List(ctx, "a"); err != nil || !slices.Equal(slices.Sorted(slices.Values(names)), []string{"a", "b", "c"}) {
				t.Errorf("list: %v, %v", names, err)
			}
			for range 2 {
				if err := d.Delete(ctx, "a/c/d"); err != nil {
					t.Error(err)
				}
			}
			if names, err := d.List(ctx, "a/c"); err != nil || !slices.Equal(names, []string{"e"}) {
				t.Errorf("list: %v, %v", names, err)
			}
		})
	}
}

// TestDirectoryGet: what is no file of a size that an object can have is refused, and neither waited for
// nor read into memory.
func TestDirectoryGet(t *testing.T) {
	folder := t.TempDir()
	in := func(name string) string { return filepath.Join(folder, name) }
	if err := errors.Join(
		syscall.Mkfifo(in("pipe"), 0o600),
		os.Symlink("/dev/zero", in("endless")),
		os.Mkdir(in("folder"), 0o700),
		os.WriteFile(in("huge"), nil, 0o600),
		os.Truncate(in("huge"), maxObject+1),
	); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"pipe", "endless", "folder", "huge"} {
		if b, err := directory(folder).Get(t.Context(), name); err == nil || errors.Is(err, ErrMissing) || len(b) > 0 {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
	}
	if err := errors.Join(os.WriteFile(in("object"), []byte("o"), 0o600), os.Symlink("object", in("link"))); err != nil {
		t.Fatal(err)
	}
	if b, err := directory(folder).Get(t.Context(), "link"); err != nil || string(b) != "o" {
		t.Errorf("a link to an object: %q, %v", b, err)
	}
}

// TestBucket: a server that fails every fifth request, in the ways that S3 has, loses nothing.
func TestBucket(t *testing.T) {
	t.Parallel()
	var requests, failed atomic.Int64
	var failing atomic.Bool
	failing.Store(true)
	failures := []struct {
		status int
		code   string
	}{{500, "InternalError"}, {503, "ServiceUnavailable"}, {503, "SlowDown"}}
	to := startS3(t, func(w http.ResponseWriter, r *http.Request) bool {
		n := requests.Add(1)
		if n%5 != 0 || !failing.Load() {
			return false
		}
		f := failures[failed.Add(1)%3]
		s3Error(w, f.status, f.code)
		return true
	})
	path := filepath.Join(t.TempDir(), "store.db")
	p := startPrimary(t, path, config(to, path))
	for i := range 6 {
		p.put(fmt.Sprint(i), "v")
		p.waitShipped()
	}
	p.stop()
	if failed.Load() < 3 || p.shipper.Status().Failures == 0 {
		t.Errorf("%d of %d requests failed, status %+v", failed.Load(), requests.Load(), p.shipper.Status())
	}
	target := filepath.Join(t.TempDir(), "restored.db")
	failing.Store(false)
	if _, err := Restore(t.Context(), RestoreConfig{From: to, Secret: testSecret, Path: target}); err != nil {
		t.Fatal(err)
	}
	wantSame(t, path, target)
}
