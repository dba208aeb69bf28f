package ship

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
)

// ageIntro begins everything that age has encrypted.
const ageIntro = "age-encryption.org/"

var errEncrypted = errors.New("is encrypted, and no identity was given")

// encrypt encrypts an object to the recipients, if there are any.
func encrypt(object []byte, recipients []age.Recipient) ([]byte, error) {
	if len(recipients) == 0 {
		return object, nil
	}
	var b bytes.Buffer
	w, err := age.Encrypt(&b, recipients...)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(object); err != nil {
		return nil, err
	}
	err = w.Close() // writes the last bytes
	return b.Bytes(), err
}

// decrypt returns what encrypt was given. An object that was not encrypted is as it is.
func decrypt(object []byte, identities []age.Identity) ([]byte, error) {
	if !bytes.HasPrefix(object, []byte(ageIntro)) {
		return object, nil
	}
	if len(identities) == 0 {
		return nil, errEncrypted
	}
	r, err := age.Decrypt(bytes.NewReader(object), identities...)
	if none := new(age.NoIdentityMatchError); errors.As(err, &none) {
		return nil, errors.New("is encrypted to somebody else: none of the identities opens it")
	}
	var content []byte
	if err == nil {
		content, err = io.ReadAll(r)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return content, nil
}
