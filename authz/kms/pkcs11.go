package kms

import (
	"fmt"
	"time"
)

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

// patience is the Timeout of a PKCS11 that names none: devices on the network are slow to wake.
const patience = 30 * time.Second

// inTime does what calls the module. A call into a library cannot be ended: one that hangs is left behind, and
// so are those that come after it, since they wait for it.
func inTime[T any](p *PKCS11, do func() (T, error)) (T, error) {
	type outcome struct {
		result T
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		result, err := do()
		done <- outcome{result, err}
	}()
	limit := p.Timeout
	if limit == 0 {
		limit = patience
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case o := <-done:
		return o.result, o.err
	case <-timer.C:
		var none T
		return none, &Error{fmt.Errorf("kms.pkcs11.module %s has not answered for %s", p.Module, limit), "see whether the device, and the daemon that the module speaks to, are well; then start authzd again"}
	}
}

func (*PKCS11) Kind() string   { return "pkcs11" }
func (p *PKCS11) Name() string { return p.Key }
