package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/authzd/authzd/storage"
)

// fuzzPage is the size of pages in fuzzed files: small, so that a few bytes lead far.
const fuzzPage = 512

// smallDatabase returns a file of small pages with some users and a large value, and its root page.
func smallDatabase(t testing.TB, users int) (file []byte, root int64) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "small.db")
	db, err := bbolt.Open(path, fileMode, &bbolt.Options{PageSize: fuzzPage, FreelistType: freelist})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		if _, err := tx.CreateBucket([]byte(storage.Grants.Table)); err != nil {
			return err
		}
		b, err := tx.CreateBucket([]byte(storage.Users.Table))
		if err != nil {
			return err
		}
		for i := range users {
			if err := b.Put(binary.BigEndian.AppendUint32([]byte("user"), uint32(i)), make([]byte, 20)); err != nil {
				return err
			}
		}
		return b.Put([]byte("z"), make([]byte, 3*fuzzPage))
	})
	if err == nil {
		err = db.View(func(tx *bbolt.Tx) error { root = rootOf(tx); return nil })
	}
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if file, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimRight(file, "\x00"), root
}

// meteredFile counts what is read of a file.
type meteredFile struct {
	io.ReaderAt
	bytes int
}

func (f *meteredFile) ReadAt(b []byte, at int64) (int, error) {
	f.bytes += len(b)
	return f.ReaderAt.ReadAt(b, at)
}

// FuzzPageWalk: with any bytes in the pages, both walks end and read no more than there is, and the short
// one finds nothing where the whole one does not.
func FuzzPageWalk(f *testing.F) {
	for _, users := range []int{0, 5, 25} {
		file, root := smallDatabase(f, users)
		f.Add(file, root)
		for id := int64(2); id*fuzzPage+16 < int64(len(file)); id++ {
			b := bytes.Clone(file)
			b[id*fuzzPage+10], b[id*fuzzPage+11] = 0, 0 // no items
			f.Add(b, root)
			b = bytes.Clone(file)
			b[id*fuzzPage+8] ^= branchPage | leafPage // what was a leaf leads somewhere
			f.Add(b, root)
		}
	}
	f.Fuzz(func(t *testing.T, file []byte, root int64) {
		if len(file) > 16<<10 {
			return
		}
		size := (len(file) + fuzzPage - 1) / fuzzPage * fuzzPage
		file = append(file, make([]byte, size-len(file))...)
		walk := func(edges bool) error {
			metered := &meteredFile{ReaderAt: bytes.NewReader(file)}
			w := &pageWalk{file: metered, size: fuzzPage, end: int64(size / fuzzPage), edges: edges}
			start := time.Now()
			err := w.run(root)
			most := 2*size + size/fuzzPage*pageHeader // each page once, with its head and the tables in it once more
			if edges {
				most *= size / fuzzPage // pages may overlap
			}
			if took := time.Since(start); metered.bytes > most || took > time.Minute {
				t.Errorf("%d of %d bytes were read in %s", metered.bytes, most, took)
			}
			return err
		}
		if all, short := walk(false), walk(true); all == nil && short != nil {
			t.Errorf("the whole walk finds nothing, and the short one: %v", short)
		}
	})
}

// TestPageWalkFinds: both walks find nothing in what is sound, and each damage that keeps bbolt busy.
func TestPageWalkFinds(t *testing.T) {
	file, root := smallDatabase(t, 60)
	file = append(file, make([]byte, fuzzPage-len(file)%fuzzPage)...)
	walk := func(file []byte, edges bool) error {
		return (&pageWalk{file: bytes.NewReader(file), size: fuzzPage, end: int64(len(file) / fuzzPage), edges: edges}).run(root)
	}
	if err := errors.Join(walk(file, false), walk(file, true)); err != nil {
		t.Fatal(err)
	}
	branches := 0
	for id := int64(2); id < int64(len(file))/fuzzPage; id++ {
		at := id * fuzzPage
		if binary.NativeEndian.Uint16(file[at+8:]) != branchPage || binary.NativeEndian.Uint64(file[at:]) != uint64(id) {
			continue
		}
		branches++
		for name, to := range map[string]int64{"itself": id, "the root": root, "nowhere": 1 << 40, "before all": -1} {
			b := bytes.Clone(file)
			binary.NativeEndian.PutUint64(b[at+pageHeader+8:], uint64(to))
			if a, e := walk(b, false), walk(b, true); !errors.Is(a, errDamaged) || !errors.Is(e, errDamaged) {
				t.Errorf("page %d leads to %s: %v; %v", id, name, a, e)
			}
		}
	}
	if branches == 0 {
		t.Error("there is no branch")
	}
}
