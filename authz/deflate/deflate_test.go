package deflate_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"

	"github.com/authzd/authzd/authz/deflate"
)

// Writers that are used again keep nothing of the texts before.
func TestCompress(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := range 50 {
				text := []byte(strings.Repeat(string(rune('a'+worker)), i*i))
				level := []deflate.Level{deflate.Quick, deflate.Usual, deflate.Small}[i%3]
				packed := deflate.Compress(level, text)
				if got, err := deflate.Expand(packed, int64(len(text))); err != nil || !bytes.Equal(got, text) {
					t.Errorf("%d bytes became %d: %v", len(text), len(got), err)
				}
				if len(text) > 100 && len(packed) > len(text)/2 {
					t.Errorf("%d bytes became %d", len(text), len(packed))
				}
			}
		})
	}
	all.Wait()
}

func TestExpandRefuses(t *testing.T) {
	t.Parallel()
	packed := deflate.Compress(deflate.Usual, bytes.Repeat([]byte("x"), 1000))
	for name, test := range map[string]struct {
		packed []byte
		most   int64
	}{
		"too long": {packed, 999},
		"cut":      {packed[:len(packed)-1], 1000},
		"empty":    {nil, 1000},
		"rubbish":  {[]byte("\xff\xff\xff"), 1000},
	} {
		if text, err := deflate.Expand(test.packed, test.most); err == nil || text != nil {
			t.Errorf("%s: %q", name, text)
		}
	}
}

// FuzzExpand: no input expands to more than the bound. A text that was expanded can be compressed again.
func FuzzExpand(f *testing.F) {
	f.Add(deflate.Compress(deflate.Quick, []byte("text")))
	f.Add(deflate.Compress(deflate.Small, bytes.Repeat([]byte{0}, 5000)))
	f.Fuzz(func(t *testing.T, packed []byte) {
		text, err := deflate.Expand(packed, 1000)
		if err != nil {
			return
		}
		again, err := deflate.Expand(deflate.Compress(deflate.Usual, text), 1000)
		if len(text) > 1000 || err != nil || !bytes.Equal(again, text) {
			t.Errorf("%d bytes became %d: %v", len(text), len(again), err)
		}
	})
}
