package ship

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"

	"github.com/authzd/authzd/storage/archive"
)

// encrypt encrypts an object to the recipients, if there are any.
func encrypt(object []byte, recipients []age.Recipient) ([]byte, error) {
	var b bytes.Buffer
	w, err := archive.Encrypt(&b, recipients...)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(object)
	if err := errors.Join(err, w.Close()); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// decrypt returns what encrypt was given. It returns an object that is not encrypted unchanged.
func decrypt(object []byte, identities []age.Identity) ([]byte, error) {
	r, err := archive.Decrypt(bytes.NewReader(object), identities...)
	var content []byte
	if err == nil {
		content, err = io.ReadAll(r)
	}
	if errors.Is(err, archive.ErrDamaged) {
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return content, err
}
