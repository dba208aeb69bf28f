package kms

import "time"

// PKCS11 is a Key in a hardware security module, which never leaves it: AES-256-GCM by PKCS #11 2.40. Each
// use opens a session of its own, and closes it.
//
// It calls the module's C library, and so exists only in an authzd that was built with cgo. The released
// one is static and has no C library to load a module with: there, every use is an error that says so.
type PKCS11 struct {
	Module string // path of the module's library
	Token  string // label of the token
	PIN    string // of its user
	Key    string // label of the key

	// Timeout is how long the module may take for one use. 0: 30 seconds.
	Timeout time.Duration
}

func (*PKCS11) Kind() string   { return "pkcs11" }
func (p *PKCS11) Name() string { return p.Key }
