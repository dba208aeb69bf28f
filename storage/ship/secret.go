package ship

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
)

// Secret proves who shipped an object. Anybody who can write to a Destination could forge its objects, but
// only the holder of the server's secret can compute the codes. All fields are needed.
type Secret struct {
	ID    string                                  // of the current one; it reveals nothing else
	Knows func(id string) bool                    // reports whether it is the current one or one that only verifies
	MACs  func(digest []byte) [][sha256.Size]byte // of a digest: one for each secret, the current one's first
}

// ErrOtherSecret says that an object was made without this secret.
var ErrOtherSecret = errors.New("was shipped with another secret")

// mac returns the code of an object's content. It is valid only for that object's name.
func (s Secret) mac(name string, content []byte) [sha256.Size]byte {
	return s.MACs(macDigest(name, content))[0]
}

func macDigest(name string, content []byte) []byte {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n", name)
	h.Write(content)
	return h.Sum(nil)
}

// verify returns ErrOtherSecret unless the code is that of the object under one of the secrets.
func (s Secret) verify(name string, content, code []byte) error {
	for _, want := range s.MACs(macDigest(name, content)) {
		if subtle.ConstantTimeCompare(want[:], code) == 1 {
			return nil
		}
	}
	return fmt.Errorf("%w, or without one", ErrOtherSecret)
}

// signDocument returns a document with its code on a third line.
func (s Secret) signDocument(name string, v any) []byte {
	b := encodeDocument(v)
	return fmt.Appendf(b, "%x\n", s.mac(name, b))
}

// verifyDocument is decodeDocument for the result of signDocument.
func (s Secret) verifyDocument(name string, b []byte, v any) error {
	end := len(b) - 2*sha256.Size - 1
	if end < 0 {
		return fmt.Errorf("%w: not a document, or only a part of one", ErrDamaged)
	}
	if err := decodeDocument(b[:end], v); err != nil {
		return err
	}
	var code digest
	if err := code.UnmarshalText(bytes.TrimSuffix(b[end:], []byte("\n"))); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return s.verify(name, b[:end], code[:])
}

// getSigned reads a document that signDocument made. It returns the object too.
func (s source) getSigned(ctx context.Context, name string, v any) ([]byte, error) {
	object, err := s.from.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := s.secret.verifyDocument(name, object, v); err != nil {
		return nil, fmt.Errorf("%s: %s %w", s.from, name, err)
	}
	return object, nil
}
