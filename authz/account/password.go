package account

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/authzd/authzd/authz/passhash"
)

const (
	maxPassword = 1024 // bytes, as typed

	// queuePerWorker is how many checks may wait for one that runs: about a second's worth.
	queuePerWorker = 32
)

// Passwords hashes and verifies passwords, as many at once as there are CPUs. It is safe for
// concurrent use, and one should serve a whole process.
//
// A password is compared in Unicode normalisation form C, so that it does not depend on the
// keyboard (RFC 8265 section 4.2), and is otherwise taken as it is: nothing is cut off or trimmed.
type Passwords struct {
	running chan struct{} // a token for each hash that is being computed
	queue   chan struct{} // a token for each that runs or waits

	checked func() // told of every hash computed; tests count them
}

// NewPasswords returns a Passwords for this machine.
func NewPasswords() *Passwords {
	workers := runtime.GOMAXPROCS(0)
	return &Passwords{
		running: make(chan struct{}, workers),
		queue:   make(chan struct{}, workers*(1+queuePerWorker)),
		checked: func() {},
	}
}

// Hash returns the PHC string of a new password. It fails for a password that can't be used, with
// ErrBusy, or with the context's error while it waits.
func (p *Passwords) Hash(ctx context.Context, password string) (string, error) {
	normal, err := prepare(password)
	if err != nil {
		return "", err
	}
	leave, err := p.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	return passhash.New(normal), nil
}

// Verify tells whether a password matches a hash, and whether it should then be hashed anew. An
// empty hash matches nothing and costs as much as one of Hash. Errors are ErrBusy, the context's
// error while it waits, or that the hash can't be read.
//
// A bcrypt hash covers the first 72 bytes of a password: what follows is not compared.
func (p *Passwords) Verify(ctx context.Context, hash, password string) (match, outdated bool, err error) {
	normal, unusable := prepare(password)
	if unusable != nil {
		hash = ""
	}
	h := passhash.Unmatchable
	if hash != "" {
		if h, err = passhash.Parse(hash); err != nil {
			return false, false, err
		}
	}
	leave, err := p.enter(ctx)
	if err != nil {
		return false, false, err
	}
	defer leave()
	match = h.Verify(normal) && hash != ""
	return match, match && h.Outdated(normal), nil
}

// enter waits for a turn to compute a hash. The caller must call leave.
func (p *Passwords) enter(ctx context.Context) (leave func(), err error) {
	select {
	case p.queue <- struct{}{}:
	default:
		return nil, ErrBusy
	}
	select {
	case p.running <- struct{}{}:
		p.checked()
		return func() { <-p.running; <-p.queue }, nil
	case <-ctx.Done():
		<-p.queue
		return nil, ctx.Err()
	}
}

// prepare normalises a password, or says why it can't be one.
func prepare(password string) ([]byte, error) {
	switch {
	case password == "":
		return nil, errors.New("password is empty")
	case len(password) > maxPassword:
		return nil, errors.New("password is longer than 1024 bytes")
	case !utf8.ValidString(password) || strings.ContainsRune(password, 0):
		return nil, errors.New("password has a character that is not allowed")
	}
	return norm.NFC.Bytes([]byte(password)), nil
}
