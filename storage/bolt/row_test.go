package bolt

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/authzd/authzd/storage"
)

func TestRow(t *testing.T) {
	at := time.Date(2031, 2, 3, 4, 5, 6, 789_999_999, time.FixedZone("", 3600))
	b := encodeRow([]byte("value"), at)
	setVersion(b, 42)
	r, err := decodeRow(b)
	if err != nil {
		t.Fatal(err)
	}
	rec := r.record([]byte("key"))
	if rec.Key != "key" || string(rec.Value) != "value" || rec.Version != 42 || !rec.Expires.Equal(at.Truncate(time.Millisecond)) {
		t.Errorf("got %+v", rec)
	}
	if end := at.UnixMilli(); !r.live(end-1) || r.live(end) {
		t.Error("a record is live until the millisecond of its expiry, and not in it")
	}
	for expires, want := range map[time.Time]int64{{}: 0, time.Unix(0, 0): 1, time.Unix(-5, 0): 1, time.Unix(5, 0): 5000} {
		if got := expiry(expires); got != want {
			t.Errorf("expiry of %v is %d, want %d", expires, got, want)
		}
	}
}

func TestRowDamaged(t *testing.T) {
	row := func(version, expiry byte, n int) []byte {
		b := make([]byte, n)
		if n >= rowHeader {
			b[0], b[8] = version, expiry
		}
		return b
	}
	for name, b := range map[string][]byte{
		"empty":           nil,
		"short":           row(0, 0, rowHeader-1),
		"version zero":    row(0, 0, rowHeader+1),
		"negative expiry": row(1, 0x80, rowHeader+1),
		"too long":        row(1, 0, rowHeader+storage.MaxValue+1),
	} {
		if _, err := decodeRow(b); !errors.Is(err, errDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := decodeRow(row(1, 0, rowHeader+storage.MaxValue)); err != nil {
		t.Error(err)
	}
}

// FuzzRow: whatever bytes are found under a key, decoding them ends well, and what is accepted is
// what encoding would have made.
func FuzzRow(f *testing.F) {
	for _, expires := range []time.Time{{}, time.Unix(1, 0), time.Unix(1<<33, 0)} {
		b := encodeRow([]byte("value"), expires)
		setVersion(b, 1)
		f.Add(b)
	}
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xff}, 20))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRow(b)
		if err != nil {
			if !errors.Is(err, errDamaged) {
				t.Errorf("error is %v", err)
			}
			return
		}
		rec := r.record(nil)
		again := encodeRow(rec.Value, rec.Expires)
		setVersion(again, rec.Version)
		if !bytes.Equal(again, b) {
			t.Errorf("%x became %x", b, again)
		}
		if len(b) > rowHeader {
			was := b[rowHeader]
			rec.Value[0]++
			if b[rowHeader] != was {
				t.Error("the record shares memory with the row")
			}
		}
	})
}
