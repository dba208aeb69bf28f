//go:build !cgo

package kms

import "errors"

var errNoCgo = &Error{
	errors.New("this authzd was built without cgo, and so cannot load PKCS #11 modules"),
	"build it with a C compiler: CGO_ENABLED=1 go install github.com/authzd/authzd/cmd/authzd@latest",
}

func (*PKCS11) Encrypt(plaintext, aad []byte) (nonce, ciphertext []byte, err error) {
	return nil, nil, errNoCgo
}

func (*PKCS11) Decrypt(name string, nonce, ciphertext, aad []byte) ([]byte, error) {
	return nil, errNoCgo
}

// MakeKey makes the key in the token.
func (*PKCS11) MakeKey() error { return errNoCgo }
