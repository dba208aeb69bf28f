package factor

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"github.com/authzd/authzd/authz/typed"
	"github.com/authzd/authzd/storage"
)

const (
	secretBytes = 20 // 160 bits (RFC 4226 section 4, R6)
	period      = 30 // seconds of a time step (RFC 6238 section 4.1)
	skew        = 1  // steps that a clock may be ahead or behind (RFC 6238 section 5.2)
	digits      = 6
)

var base32Text = base32.StdEncoding.WithPadding(base32.NoPadding)

// NewSecret returns a new secret for an authenticator app.
func NewSecret() []byte {
	secret := make([]byte, secretBytes)
	rand.Read(secret) // never fails
	return secret
}

// Typed returns a secret as a person types it into an app: base32 in groups of four.
func Typed(secret []byte) string {
	var groups []string
	for text := base32Text.EncodeToString(secret); text != ""; {
		n := min(4, len(text))
		groups, text = append(groups, text[:n]), text[n:]
	}
	return strings.Join(groups, " ")
}

// ReadSecret reads a secret as Typed shows it.
func ReadSecret(typed string) ([]byte, error) {
	return base32Text.DecodeString(strings.ReplaceAll(strings.ToUpper(typed), " ", ""))
}

// KeyURI returns the otpauth URI of a secret, which apps read from a QR code. issuer and account name the entry in the
// app.
func KeyURI(secret []byte, issuer, account string) (string, error) {
	key, err := totp.Generate(totp.GenerateOpts{
		Issuer: strings.ReplaceAll(issuer, ":", " "), AccountName: strings.ReplaceAll(account, ":", " "), // the label has a colon between them
		Secret: secret, Period: period, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1, // many apps know no other algorithm
	})
	if err != nil {
		return "", fmt.Errorf("describe the secret: %w", err)
	}
	return key.URL(), nil
}

// Code returns the code of a secret at a time.
func Code(secret []byte, at time.Time) string { return codeOf(secret, at.Unix()/period) }

func codeOf(secret []byte, step int64) string {
	code, err := hotp.GenerateCodeCustom(base32Text.EncodeToString(secret), uint64(step), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
	if err != nil { // only for text that is not base32
		panic("compute a code: " + err.Error())
	}
	return code
}

// NormalCode returns the digits of a code as a person types it, and false if it can be none.
func NormalCode(text string) (string, bool) {
	code := typed.Digits(text, digits)
	return code, len(code) == digits
}

// stepOf returns the newest time step, around now and after the last used one, that a code is of; 0: none.
func stepOf(secret []byte, code string, now time.Time, last int64) (step int64) {
	current := now.Unix() / period
	for s := current - skew; s <= current+skew; s++ {
		if subtle.ConstantTimeCompare([]byte(codeOf(secret, s)), []byte(code)) == 1 && s > last {
			step = s
		}
	}
	return step
}

// EnrolWrites give a user, read with this version, an authenticator app with the secret, if code is one of its codes of
// now. They replace an earlier app. The error is ErrWrong if the code is not. The writes conflict if the user has changed
// since.
func (f *Factors) EnrolWrites(user *storage.User, version uint64, secret []byte, code string) ([]storage.Write, error) {
	code, ok := NormalCode(code)
	now := storage.Now()
	step := int64(0)
	if ok {
		step = stepOf(secret, code, now, 0)
	}
	if step == 0 {
		return nil, ErrWrong
	}
	app := &storage.TOTP{Sealed: f.sealer.Seal(secret, []byte(user.ID)), LastStep: step, CreatedAt: now, UsedAt: now}
	return []storage.Write{storage.TOTPs.Put(user.ID, app, storage.Any, time.Time{}), change(user, version)}, nil
}

// CheckTOTP checks a code that a user has typed. nil says that it is right; it is used up then, and so are older ones,
// on all replicas. The errors are ErrWrong, ErrNone and *ThrottledError.
func (f *Factors) CheckTOTP(ctx context.Context, user *storage.User, text string) error {
	code, ok := NormalCode(text)
	if !ok {
		return ErrWrong // it is no guess, and not counted
	}
	return storage.Retry(func() error {
		app, version, err := storage.TOTPs.Get(ctx, f.store, user.ID)
		if errors.Is(err, storage.ErrNotFound) {
			return ErrNone
		} else if err != nil {
			return err
		}
		now := storage.Now()
		if err := admit(app.Tries, now); err != nil {
			return err
		}
		secret, err := f.sealer.Open(app.Sealed, []byte(user.ID))
		if err != nil {
			return fmt.Errorf("open the secret of an authenticator app: %w", err)
		}
		step := stepOf(secret, code, now, app.LastStep)
		if step > 0 {
			app.LastStep, app.UsedAt, app.Tries = step, now, storage.Tries{}
		} else {
			app.Tries = wrong(app.Tries, now)
		}
		put := storage.TOTPs.Put(user.ID, app, storage.At(version), time.Time{})
		return f.record(ctx, put, step > 0, Happening{User: user, Factor: NameTOTP, Locked: locked(app.Tries)})
	})
}

// record stores the result of a try, and returns ErrWrong for a wrong one. A guess that is not stored gets no answer, so
// many at once learn no more than one after the other.
func (f *Factors) record(ctx context.Context, put storage.Write, right bool, h Happening) error {
	writes := []storage.Write{put}
	if right || h.Locked {
		writes = append(writes, f.happened(ctx, h)...)
	}
	if err := f.store.Apply(ctx, writes...); err != nil {
		return err
	}
	if !right {
		return ErrWrong
	}
	return nil
}
