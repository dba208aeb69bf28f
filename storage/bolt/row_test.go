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
	b := encodeRow([]byte("key"), []byte("value"), at)
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

// TestRowChecksum: a changed bit of a record is noticed, and so is a record under another key. Rows of
// earlier authzds have no checksum.
func TestRowChecksum(t *testing.T) {
	good := encodeRow([]byte("key"), []byte(`{"a":"b"}`), time.Unix(1<<33, 0))
	setVersion(good, 7)
	sound := func(key string, b []byte) bool {
		r, err := decodeRow(b)
		return err == nil && r.check(storage.Users.Table, []byte(key)) == nil
	}
	if !sound("key", good) || sound("kez", good) {
		t.Error("it must be good for its key, and for no other")
	}
	for i := expiryAt; i < len(good); i++ {
		for bit := range 8 {
			b := bytes.Clone(good)
			b[i] ^= 1 << bit
			if sound("key", b) {
				t.Errorf("byte %d, bit %d", i, bit)
			}
		}
	}
	r, err := decodeRow(good)
	if err != nil {
		t.Fatal(err)
	}
	plain := append(append([]byte{0, 0, 0, 0, 0, 0, 0, 7}, r.header[expiryAt:rowChecksumAt]...), r.value...)
	if !sound("key", plain) {
		t.Error("a row without a checksum is refused")
	}
	old, err := decodeRow(plain)
	if err != nil || old.version != 7 || old.expiry != r.expiry || !bytes.Equal(old.value, r.value) {
		t.Errorf("%+v, %v", old, err)
	}
}

// FuzzRow: decoding never fails badly on any bytes, and an accepted row is one that encoding would have
// made.
func FuzzRow(f *testing.F) {
	for _, expires := range []time.Time{{}, time.Unix(1, 0), time.Unix(1<<33, 0)} {
		b := encodeRow(nil, []byte("value"), expires)
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
		again := encodeRow(nil, rec.Value, rec.Expires)
		setVersion(again, rec.Version)
		if sound := r.check(storage.Users.Table, nil) == nil; len(r.header) == rowHeader && sound != bytes.Equal(again, b) {
			t.Errorf("%x became %x", b, again)
		}
		if len(rec.Value) > 0 {
			was := r.value[0]
			rec.Value[0]++
			if r.value[0] != was {
				t.Error("the record shares memory with the row")
			}
		}
	})
}
