package archive_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/archive"
	"github.com/authzd/authzd/storage/bolt"
)

// rows are what a test's store exports.
type rows map[storage.Table][]storage.Record

func (r rows) Export(_ context.Context, fn func(storage.Table, storage.Record) error) error {
	for _, table := range storage.Tables {
		for _, rec := range r[table] {
			if err := fn(table, rec); err != nil {
				return err
			}
		}
	}
	return nil
}

var header = archive.Header{Issuer: "https://id.example.com", Secret: "c2VjcmV0"}

func mac(key string) func([]byte) []byte {
	return func(digest []byte) []byte {
		m := hmac.New(sha256.New, []byte(key))
		m.Write(digest)
		return m.Sum(nil)
	}
}

func write(t testing.TB, store archive.Exporter) ([]byte, archive.Summary) {
	t.Helper()
	var b bytes.Buffer
	s, err := archive.Write(t.Context(), &b, store, header, mac("secret"))
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), s
}

// read returns all that is in a file, or the error that refuses it.
func read(r io.Reader) (rows, archive.Header, archive.Summary, error) {
	a, err := archive.Open(r)
	if err != nil {
		return nil, archive.Header{}, archive.Summary{}, err
	}
	got := rows{}
	s, err := a.Records(func(table storage.Table, rec storage.Record) error {
		got[table] = append(got[table], rec)
		return nil
	})
	return got, a.Header(), s, err
}

// sample has a bit of everything and makes a small file.
func sample() rows {
	end := time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond)
	return rows{
		storage.Users.Table:    {{Key: "\x00\xff", Value: []byte{}}, {Key: "alice", Value: []byte(`{"id":"alice"}`), Expires: end}},
		storage.Sessions.Table: {{Key: strings.Repeat("k", storage.MaxKey), Value: []byte("v")}},
		storage.Codes.Table:    {{Key: "far", Value: []byte("v"), Expires: time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC)}},
	}
}

func TestRoundTrip(t *testing.T) {
	want := sample()
	withDead := maps.Clone(want)
	withDead[storage.Grants.Table] = []storage.Record{{Key: "dead", Value: []byte("v"), Expires: time.Now().Add(-time.Second)}}
	file, wrote := write(t, withDead)
	got, h, s, err := read(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, wrote %+v", got, want)
	}
	if h.Issuer != header.Issuer || h.Secret != header.Secret || h.Version == "" || time.Since(h.Created) > time.Minute {
		t.Errorf("header is %+v", h)
	}
	if !reflect.DeepEqual(s, wrote) || s.Records() != 4 || s.Tables[storage.Users.Table].Records != 2 {
		t.Errorf("summary is %+v, was %+v", s, wrote)
	}
	ours, others := [32]byte(mac("secret")(s.Digest[:])), [32]byte(mac("other")(s.Digest[:]))
	if s.Authentic(nil) || s.Authentic([][32]byte{others}) || !s.Authentic([][32]byte{others, ours}) {
		t.Error("the backup is authentic for those who hold its secret, and nobody else")
	}
}

// TestLarge has many blocks, and records of every length up to the longest.
func TestLarge(t *testing.T) {
	want := rows{}
	for _, table := range storage.Tables {
		for i := range 3000 {
			want[table] = append(want[table], storage.Record{Key: fmt.Sprintf("%06d", i), Value: fmt.Appendf(nil, "%0*x", i%300+1, uint64(i)*0x9e3779b97f4a7c15)})
		}
		noise := make([]byte, storage.MaxValue)
		want[table] = append(want[table], storage.Record{Key: "z", Value: noise})
	}
	file, _ := write(t, want)
	got, _, _, err := read(bytes.NewReader(file))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("what was read is not what was written: %v", err)
	}
}

// TestBolt takes a real store there and back.
func TestBolt(t *testing.T) {
	s, err := bolt.Open(filepath.Join(t.TempDir(), "store.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for table, recs := range sample() {
		for _, rec := range recs {
			if err := s.Apply(t.Context(), storage.Write{Table: table, Key: rec.Key, Value: rec.Value, Expires: rec.Expires}); err != nil {
				t.Fatal(err)
			}
		}
	}
	file, sum := write(t, s)
	_, _, again, err := read(bytes.NewReader(file))
	if err != nil || !reflect.DeepEqual(sum.Tables, again.Tables) || sum.Records() != 5 { // the sample, and the store's format
		t.Errorf("%d records, %v", again.Records(), err)
	}
}

// TestDamage: a file with any changed byte, cut at any place, or with anything after its end is refused,
// encrypted or not.
func TestDamage(t *testing.T) {
	file, _ := write(t, sample())
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string][]byte{"plain": file, "encrypted": encrypt(t, file, id.Recipient())} {
		t.Run(name, func(t *testing.T) {
			refused := func(what string, b []byte) {
				t.Helper()
				r, err := archive.Decrypt(bytes.NewReader(b), id)
				if err == nil {
					_, _, _, err = read(r)
				}
				switch {
				case err == nil:
					t.Errorf("%s: accepted", what)
				case !errors.Is(err, archive.ErrDamaged) && !errors.Is(err, archive.ErrNoArchive) &&
					!errors.Is(err, archive.ErrNewer) && !errors.Is(err, archive.ErrWrongKey):
					t.Errorf("%s: %v", what, err)
				}
			}
			for i := range file {
				for _, flip := range []byte{0x01, 0x80} {
					b := bytes.Clone(file)
					b[i] ^= flip
					refused(fmt.Sprintf("byte %d of %d ^ %#x", i, len(file), flip), b)
				}
				refused(fmt.Sprintf("cut to %d of %d bytes", i, len(file)), file[:i])
			}
			for _, more := range []string{"\x00", "\n", string(file)} {
				refused(fmt.Sprintf("followed by %d bytes", len(more)), append(bytes.Clone(file), more...))
			}
		})
	}
}

func encrypt(t testing.TB, b []byte, to ...age.Recipient) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := archive.Encrypt(&out, to...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestEncryption(t *testing.T) {
	file, _ := write(t, sample())
	mine, _ := age.GenerateX25519Identity()
	yours, _ := age.GenerateX25519Identity()
	other, _ := age.GenerateX25519Identity()
	b := encrypt(t, file, mine.Recipient(), yours.Recipient())
	if bytes.Contains(b, []byte("authzd")) {
		t.Error("the encrypted file shows what it is")
	}
	for _, id := range []age.Identity{mine, yours} {
		r, err := archive.Decrypt(bytes.NewReader(b), other, id)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, file) {
			t.Errorf("decrypted %d bytes of %d, %v", len(got), len(file), err)
		}
	}
	if _, err := archive.Decrypt(bytes.NewReader(b), other); !errors.Is(err, archive.ErrWrongKey) {
		t.Errorf("with another key: %v", err)
	}
	if _, err := archive.Decrypt(bytes.NewReader(b)); !errors.Is(err, archive.ErrEncrypted) {
		t.Errorf("with no key: %v", err)
	}
	if got := encrypt(t, file); !bytes.Equal(got, file) {
		t.Error("without recipients the file is another")
	}
}

func TestForeignFiles(t *testing.T) {
	file, _ := write(t, sample())
	for name, c := range map[string]struct {
		content string
		want    error
	}{
		"empty":      {"", archive.ErrNoArchive},
		"text":       {"# authzd.yaml\nissuer: https://id.example.com\n", archive.ErrNoArchive},
		"first line": {"authzd backup\n", archive.ErrNoArchive},
		"newer":      {strings.Replace(string(file), "backup 1", "backup 2", 1), archive.ErrNewer},
		"no header":  {string(file[:16]) + "E\x00\x00\x00\x02{}", archive.ErrDamaged},
		"huge claim": {string(file[:16]) + "R\xff\xff\xff\xff{}", archive.ErrDamaged},
	} {
		if _, _, _, err := read(strings.NewReader(c.content)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// TestNewerTable: a backup of a newer authzd, which has kinds of records of which this one knows
// nothing, is not restored without them.
func TestNewerTable(t *testing.T) {
	file, _ := write(t, newer{})
	if _, _, _, err := read(bytes.NewReader(file)); !errors.Is(err, archive.ErrNewer) {
		t.Errorf("error is %v", err)
	}
}

type newer struct{}

func (newer) Export(_ context.Context, fn func(storage.Table, storage.Record) error) error {
	return fn("inventions", storage.Record{Key: "k", Value: []byte("v")})
}

// TestErrorsPass: an error of the store, of the file or of the reader's function is theirs.
func TestErrorsPass(t *testing.T) {
	mine := errors.New("mine")
	if _, err := archive.Write(t.Context(), failing{mine}, sample(), header, mac("")); !errors.Is(err, mine) {
		t.Errorf("write to a file that fails: %v", err)
	}
	if _, err := archive.Write(t.Context(), io.Discard, brokenStore{mine}, header, mac("")); !errors.Is(err, mine) {
		t.Errorf("write from a store that fails: %v", err)
	}
	file, _ := write(t, sample())
	if _, _, _, err := read(io.MultiReader(bytes.NewReader(file[:500]), failing{mine})); !errors.Is(err, mine) || errors.Is(err, archive.ErrDamaged) {
		t.Errorf("read from a disk that fails: %v", err)
	}
	a, err := archive.Open(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Records(func(storage.Table, storage.Record) error { return mine }); !errors.Is(err, mine) {
		t.Errorf("records: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
func (f failing) Read([]byte) (int, error)  { return 0, f.err }

type brokenStore struct{ err error }

func (b brokenStore) Export(context.Context, func(storage.Table, storage.Record) error) error {
	return b.err
}

// FuzzRead: reading any file ends with an error or with what Write would have written,
// and takes little more memory than the file has bytes.
func FuzzRead(f *testing.F) {
	file, _ := write(f, sample())
	empty, _ := write(f, rows{})
	f.Add(file)
	f.Add(empty)
	f.Add(file[:len(file)-33])
	f.Add([]byte("authzd backup 1\nH\x00\x00\x00\x02{}R\x00\x10\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, _, s, err := read(bytes.NewReader(b))
		if err != nil {
			if !errors.Is(err, archive.ErrDamaged) && !errors.Is(err, archive.ErrNoArchive) && !errors.Is(err, archive.ErrNewer) {
				t.Errorf("error is %v", err)
			}
			return
		}
		again, _ := write(t, got)
		same, _, s2, err := read(bytes.NewReader(again))
		if err != nil || !reflect.DeepEqual(same, got) || !reflect.DeepEqual(s.Tables, s2.Tables) {
			t.Errorf("what was read cannot be written and read again: %v", err)
		}
	})
}
