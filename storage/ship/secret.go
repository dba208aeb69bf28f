package ship

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
)

// Secret shows who shipped an object: whoever can write to a Destination could forge what is there, but
// for the codes that only the holder of the server's secret can compute. All fields are needed.
type Secret struct {
	ID    string                                  // of the current one, and tells nothing else about it
	Knows func(id string) bool                    // whether it is the current one, or one that only verifies
	MACs  func(digest []byte) [][sha256.Size]byte // of a digest: one for each secret, the current one's first
}

// ErrOtherSecret is an object that was not made by who has the secret.
var ErrOtherSecret = errors.New("was shipped with another secret")

// mac is the code of what an object of some name holds: it is good for no other name.
func (s Secret) mac(name string, content []byte) [sha256.Size]byte {
	return s.MACs(macDigest(name, content))[0]
}

func macDigest(name string, content []byte) []byte {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n", name)
	h.Write(content)
	return h.Sum(nil)
}

// verify returns ErrOtherSecret unless a code is that of an object, under any of the secrets.
func (s Secret) verify(name string, content, code []byte) error {
	for _, want := range s.MACs(macDigest(name, content)) {
		if subtle.ConstantTimeCompare(want[:], code) == 1 {
			return nil
		}
	}
	return fmt.Errorf("%w, or by somebody who has none", ErrOtherSecret)
}

// signDocument is a document with its code on a third line.
func (s Secret) signDocument(name string, v any) []byte {
	b := encodeDocument(v)
	return fmt.Appendf(b, "%x\n", s.mac(name, b))
}

// verifyDocument is decodeDocument for what signDocument made.
func (s Secret) verifyDocument(name string, b []byte, v any) error {
	end := len(b) - 2*sha256.Size - 1
	if end < 0 {
		return fmt.Errorf("%w: not a document, or not all of one", ErrDamaged)
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

// getSigned reads a document that signDocument made, and returns the object too.
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
