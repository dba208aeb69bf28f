//go:build cgo

package kms

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/miekg/pkcs11"
)

const (
	gcmNonce = 12  // bytes
	gcmTag   = 128 // bits
)

// loaded orders the uses of modules: a library can be initialised but once in a process.
var loaded sync.Mutex

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

// sealed is what a module has encrypted.
type sealed struct{ nonce, ciphertext []byte }

func (p *PKCS11) Encrypt(plaintext, aad []byte) (nonce, ciphertext []byte, err error) {
	done, err := inTime(p, func() (sealed, error) { return p.encrypt(plaintext, aad) })
	return done.nonce, done.ciphertext, err
}

func (p *PKCS11) encrypt(plaintext, aad []byte) (done sealed, err error) {
	nonce := make([]byte, gcmNonce)
	rand.Read(nonce) // never fails
	err = p.session(func(c *pkcs11.Ctx, s pkcs11.SessionHandle) error {
		key, err := p.find(c, s, p.Key)
		if err != nil {
			return err
		}
		params := pkcs11.NewGCMParams(nonce, aad, gcmTag)
		defer params.Free()
		if err := c.EncryptInit(s, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_GCM, params)}, key); err != nil {
			return err
		}
		if done.ciphertext, err = c.Encrypt(s, plaintext); err != nil {
			return err
		}
		if done.nonce = nonce; len(params.IV()) > 0 { // some modules choose their own
			done.nonce = params.IV()
		}
		return nil
	})
	return done, err
}

func (p *PKCS11) Decrypt(name string, nonce, ciphertext, aad []byte) ([]byte, error) {
	return inTime(p, func() ([]byte, error) { return p.decrypt(name, nonce, ciphertext, aad) })
}

func (p *PKCS11) decrypt(name string, nonce, ciphertext, aad []byte) (plaintext []byte, err error) {
	err = p.session(func(c *pkcs11.Ctx, s pkcs11.SessionHandle) error {
		key, err := p.find(c, s, name)
		if err != nil {
			return err
		}
		params := pkcs11.NewGCMParams(nonce, aad, gcmTag)
		defer params.Free()
		if err := c.DecryptInit(s, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_GCM, params)}, key); err != nil {
			return err
		}
		if plaintext, err = c.Decrypt(s, ciphertext); err != nil {
			return refused(err)
		}
		return nil
	})
	return plaintext, err
}

// refused tells a ciphertext that is not what it was from a module that fails. What they answer to the
// former differs: SoftHSM says that the mechanism failed.
func refused(err error) error {
	for _, code := range []pkcs11.Error{
		pkcs11.CKR_ENCRYPTED_DATA_INVALID, pkcs11.CKR_ENCRYPTED_DATA_LEN_RANGE, pkcs11.CKR_SIGNATURE_INVALID,
		pkcs11.CKR_GENERAL_ERROR, pkcs11.CKR_FUNCTION_FAILED, pkcs11.CKR_DATA_INVALID, pkcs11.CKR_DATA_LEN_RANGE,
	} {
		if errors.Is(err, code) {
			return fmt.Errorf("%w (%w)", ErrDamaged, err)
		}
	}
	return err
}

// MakeKey makes the key in the token: one that never leaves it, and that is used for nothing else.
func (p *PKCS11) MakeKey() error {
	_, err := inTime(p, func() (struct{}, error) { return struct{}{}, p.makeKey() })
	return err
}

func (p *PKCS11) makeKey() error {
	return p.session(func(c *pkcs11.Ctx, s pkcs11.SessionHandle) error {
		if keys, err := p.findAll(c, s, p.Key); err != nil {
			return err
		} else if len(keys) > 0 {
			return &Error{fmt.Errorf("the token has a key %q already", p.Key), "use it, or name another in kms.pkcs11.key"}
		}
		_, err := c.GenerateKey(s, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_KEY_GEN, nil)}, []*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY),
			pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_AES),
			pkcs11.NewAttribute(pkcs11.CKA_VALUE_LEN, 32),
			pkcs11.NewAttribute(pkcs11.CKA_LABEL, p.Key),
			pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
			pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true),
			pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true),
			pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, false),
			pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, true),
			pkcs11.NewAttribute(pkcs11.CKA_DECRYPT, true),
			pkcs11.NewAttribute(pkcs11.CKA_SIGN, false),
			pkcs11.NewAttribute(pkcs11.CKA_VERIFY, false),
			pkcs11.NewAttribute(pkcs11.CKA_WRAP, false),
			pkcs11.NewAttribute(pkcs11.CKA_UNWRAP, false),
		})
		return err
	})
}

// session runs fn with the token's user logged in.
func (p *PKCS11) session(fn func(*pkcs11.Ctx, pkcs11.SessionHandle) error) (err error) {
	loaded.Lock()
	defer loaded.Unlock()
	if _, err := os.Stat(p.Module); err != nil {
		return &Error{fmt.Errorf("kms.pkcs11.module: %w", err), "install the module, or name its library"}
	}
	c := pkcs11.New(p.Module)
	if c == nil {
		return &Error{fmt.Errorf("kms.pkcs11.module %s is no PKCS #11 module that can be loaded", p.Module), "name its library, built for this machine"}
	}
	defer c.Destroy()
	if err := c.Initialize(); err != nil {
		return fmt.Errorf("initialise %s: %w", p.Module, err)
	}
	defer func() { err = errors.Join(err, c.Finalize()) }()
	slot, err := p.slot(c)
	if err != nil {
		return err
	}
	s, err := c.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION) // MakeKey writes
	if err != nil {
		return fmt.Errorf("open a session with token %q: %w", p.Token, err)
	}
	defer func() { err = errors.Join(err, c.CloseSession(s)) }()
	if err := c.Login(s, pkcs11.CKU_USER, p.PIN); err != nil {
		return p.explainLogin(err)
	}
	defer func() { err = errors.Join(err, c.Logout(s)) }()
	return fn(c, s)
}

func (p *PKCS11) explainLogin(err error) error {
	switch {
	case errors.Is(err, pkcs11.Error(pkcs11.CKR_PIN_LOCKED)):
		return &Error{fmt.Errorf("the PIN of token %q is locked", p.Token), "unlock it with the security officer's PIN"}
	case p.PIN == "", errors.Is(err, pkcs11.Error(pkcs11.CKR_PIN_INCORRECT)), errors.Is(err, pkcs11.Error(pkcs11.CKR_PIN_LEN_RANGE)), errors.Is(err, pkcs11.Error(pkcs11.CKR_PIN_INVALID)):
		return &Error{fmt.Errorf("token %q refuses the PIN", p.Token), "correct kms.pkcs11.pin before the next start: most tokens lock after a few tries"}
	}
	return fmt.Errorf("log in to token %q: %w", p.Token, err)
}

// slot is where the token is.
func (p *PKCS11) slot(c *pkcs11.Ctx) (uint, error) {
	slots, err := c.GetSlotList(true)
	if err != nil {
		return 0, fmt.Errorf("list the tokens: %w", err)
	}
	var labels []string
	var found []uint
	for _, slot := range slots {
		info, err := c.GetTokenInfo(slot)
		if err != nil || info.Flags&pkcs11.CKF_TOKEN_INITIALIZED == 0 {
			continue
		}
		label := strings.TrimRight(info.Label, " \x00")
		if labels = append(labels, fmt.Sprintf("%q", label)); label == p.Token {
			found = append(found, slot)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return 0, &Error{fmt.Errorf("%d tokens have the label %q", len(found), p.Token), "give each a label of its own"}
	case len(labels) == 0:
		return 0, &Error{errors.New("the module has no token"), "plug it in, or initialise one"}
	}
	return 0, &Error{fmt.Errorf("no token has the label %q; there are %s", p.Token, strings.Join(labels, ", ")), "set kms.pkcs11.token to one of them"}
}

// find returns the key of a label.
func (p *PKCS11) find(c *pkcs11.Ctx, s pkcs11.SessionHandle, label string) (pkcs11.ObjectHandle, error) {
	keys, err := p.findAll(c, s, label)
	switch {
	case err != nil:
		return 0, err
	case len(keys) == 0:
		return 0, &Error{fmt.Errorf("token %q has no key %q", p.Token, label), "make it with: authzd secret key; if it was deleted, what it wrapped is lost, unless there is a copy of the token or of the secret"}
	case len(keys) > 1:
		return 0, &Error{fmt.Errorf("token %q has more than one key %q", p.Token, label), "give each a label of its own"}
	}
	return keys[0], nil
}

func (p *PKCS11) findAll(c *pkcs11.Ctx, s pkcs11.SessionHandle, label string) ([]pkcs11.ObjectHandle, error) {
	if err := c.FindObjectsInit(s, []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY),
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, label),
	}); err != nil {
		return nil, fmt.Errorf("look for key %q: %w", label, err)
	}
	keys, _, err := c.FindObjects(s, 2)
	if err = errors.Join(err, c.FindObjectsFinal(s)); err != nil {
		return nil, fmt.Errorf("look for key %q: %w", label, err)
	}
	return keys, nil
}
