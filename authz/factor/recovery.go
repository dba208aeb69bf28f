package factor

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/typed"
	"github.com/authzd/authzd/storage"
)

const (
	codesInSet = 10
	codeLength = 13 // characters of 5 bits: 65 bits
)

// crockford is the alphabet of recovery codes: no letter looks like a digit or another one.
const crockford = "0123456789abcdefghjkmnpqrstvwxyz"

// NewCodes returns a set of recovery codes, as a person keeps them.
func NewCodes() []string {
	codes := make([]string, codesInSet)
	for i := range codes {
		raw := make([]byte, codeLength)
		rand.Read(raw) // never fails
		for j := range raw {
			raw[j] = crockford[raw[j]&31]
		}
		codes[i] = string(raw[:4]) + "-" + string(raw[4:9]) + "-" + string(raw[9:])
	}
	return codes
}

// normalRecovery returns a code as typed in its normal form: lower case, without signs between, and with o, i and l read
// as the digits that they look like. ok is false if it can be no code.
func normalRecovery(text string) (code string, ok bool) {
	if len(text) > 8*codeLength {
		return "", false
	}
	code = strings.NewReplacer("o", "0", "i", "1", "l", "1").Replace(strings.ToLower(typed.Plain(text)))
	return code, len(code) == codeLength && strings.Trim(code, crockford) == ""
}

// hashOf is a keyed hash of a code in its normal form. The codes are random, so a fast hash is enough.
func (f *Factors) hashOf(userID, code string) string {
	mac := f.codes.Derive([]byte(userID + "/" + code))[0]
	return base64.RawURLEncoding.EncodeToString(mac[:])
}

// CodesWrites give a user, read with this version, these recovery codes in place of all earlier ones. They conflict if
// the user has changed since.
func (f *Factors) CodesWrites(user *storage.User, version uint64, codes []string) []storage.Write {
	return []storage.Write{f.codesWrite(user.ID, codes), change(user, version)}
}

func (f *Factors) codesWrite(userID string, codes []string) storage.Write {
	set := &storage.RecoveryCodes{CreatedAt: storage.Now()}
	for _, code := range codes {
		normal, _ := normalRecovery(code)
		set.Hashes = append(set.Hashes, f.hashOf(userID, normal))
	}
	return storage.RecoveryCodeSets.Put(userID, set, storage.Any, time.Time{})
}

// EnrolWithCodesWrites are EnrolWrites and, with them, the user's recovery codes.
func (f *Factors) EnrolWithCodesWrites(user *storage.User, version uint64, secret []byte, code string, recovery []string) ([]storage.Write, error) {
	writes, err := f.EnrolWrites(user, version, secret, code)
	if err != nil {
		return nil, err
	}
	return append(writes, f.codesWrite(user.ID, recovery)), nil
}

// CheckRecovery checks a recovery code that a user has typed. nil says that it is right, and used up. The errors are
// those of CheckTOTP.
func (f *Factors) CheckRecovery(ctx context.Context, user *storage.User, text string) error {
	code, ok := normalRecovery(text)
	if !ok {
		return ErrWrong
	}
	hash := f.hashOf(user.ID, code)
	return storage.Retry(func() error {
		set, version, err := storage.RecoveryCodeSets.Get(ctx, f.store, user.ID)
		if errors.Is(err, storage.ErrNotFound) {
			return ErrNone
		} else if err != nil {
			return err
		}
		now := storage.Now()
		if err := admit(set.Tries, now); err != nil {
			return err
		}
		at := slices.Index(set.Hashes, hash) // the hashes are keyed: their comparison tells nothing
		if at >= 0 {
			set.Hashes, set.Tries = slices.Delete(set.Hashes, at, at+1), storage.Tries{}
		} else {
			set.Tries = wrong(set.Tries, now)
		}
		put := storage.RecoveryCodeSets.Put(user.ID, set, storage.At(version), time.Time{})
		return f.record(ctx, put, at >= 0, Happening{User: user, Factor: NameRecovery, Locked: locked(set.Tries), Left: len(set.Hashes)})
	})
}
