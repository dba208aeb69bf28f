// Package deflate compresses texts (RFC 1951): what a browser keeps for us, and blocks of the audit log. A new writer
// needs more than a megabyte of cleared memory, so writers are used again.
package deflate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"sync"
)

// Level says how small a text is to become, and what that may cost.
type Level int

// The levels, the quickest first.
const (
	Quick Level = iota
	Usual
	Small
)

var writers = [...]sync.Pool{Quick: pool(flate.BestSpeed), Usual: pool(flate.DefaultCompression), Small: pool(flate.BestCompression)}

func pool(level int) sync.Pool {
	return sync.Pool{New: func() any {
		w, err := flate.NewWriter(nil, level)
		if err != nil { // there is no such level
			panic(err)
		}
		return w
	}}
}

// Compress returns a text in compressed form.
func Compress(level Level, text []byte) []byte {
	var packed bytes.Buffer
	w := writers[level].Get().(*flate.Writer)
	defer writers[level].Put(w)
	w.Reset(&packed)
	_, _ = w.Write(text) // a buffer takes everything
	_ = w.Close()
	return packed.Bytes()
}

// Expand returns the text of what Compress returned. It fails if that is not whole, or if the text has more than most
// bytes.
func Expand(packed []byte, most int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("more than %d bytes", most)
	}
	if err != nil {
		return nil, fmt.Errorf("expand: %w", err)
	}
	return text, nil
}
