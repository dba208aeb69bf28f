package archive

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
)

// ageMagic begins every file that age has encrypted (age-encryption.org/v1).
const ageMagic = "age-encryption.org/"

var (
	// ErrEncrypted says that the file is encrypted, and no key was given.
	ErrEncrypted = errors.New("backup is encrypted")
	// ErrWrongKey says that the given key does not decrypt the file.
	ErrWrongKey = errors.New("backup is encrypted for another key")
)

// Encrypt returns a writer that encrypts for all of the recipients with age. Close ends the encryption and
// leaves w open. Without recipients the writer passes its input on.
func Encrypt(w io.Writer, recipients ...age.Recipient) (io.WriteCloser, error) {
	if len(recipients) == 0 {
		return plain{w}, nil
	}
	e, err := age.Encrypt(w, recipients...)
	if err != nil {
		return nil, fmt.Errorf("encrypt the backup: %w", err)
	}
	return e, nil
}

// Recognise reports whether a file with this beginning is a backup of any format, encrypted or not.
func Recognise(start []byte) bool {
	for _, known := range []string{magic[:len(magic)-len("1\n")], ageMagic, "-----BEGIN AGE"} { // the last is age's armor, which Open refuses
		if bytes.HasPrefix(start, []byte(known)) {
			return true
		}
	}
	return false
}

type plain struct{ io.Writer }

func (plain) Close() error { return nil }

// Decrypt returns the content of a file, encrypted or not. The error is ErrEncrypted, ErrWrongKey, ErrDamaged
// or that of r. The returned reader reports damage further in.
func Decrypt(r io.Reader, identities ...age.Identity) (io.Reader, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	if start, err := b.Peek(len(ageMagic)); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	} else if string(start) != ageMagic {
		return b, nil
	}
	if len(identities) == 0 {
		return nil, ErrEncrypted
	}
	d, err := age.Decrypt(b, identities...)
	if other := new(age.NoIdentityMatchError); errors.As(err, &other) {
		return nil, ErrWrongKey
	}
	if err != nil {
		return nil, damaged("%w", err)
	}
	return decrypted{d}, nil
}

// decrypted reports as damage what age does not accept.
type decrypted struct{ io.Reader }

func (d decrypted) Read(p []byte) (int, error) {
	n, err := d.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = damaged("%w", err)
	}
	return n, err
}
