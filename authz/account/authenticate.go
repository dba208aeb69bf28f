package account

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"time"

	"github.com/authzd/authzd/storage"
)

// failurePace is what the duration of a failed login is rounded up to. Every failure costs one hash,
// but an imported hash costs as much as the system that it comes from wanted: without the rounding
// that would tell that the account exists.
const failurePace = 500 * time.Millisecond

// Authenticate returns the user who signs in with a password. The login is a username or a verified
// e-mail address; from is where the request came from, its zero value being one place like any
// other.
//
// An unknown user, one without a password, a disabled one and a wrong password all give
// ErrInvalidCredentials at the same cost. A *ThrottledError comes before anything is looked at,
// ErrBusy if too many logins are under way. A password whose hash is not of today's kind is hashed
// anew.
func (d *Directory) Authenticate(ctx context.Context, login, password string, from netip.Addr) (*storage.User, error) {
	began := time.Now()
	attempt, wait := d.failures.begin(began, loginKey(login), from)
	if wait > 0 {
		return nil, &ThrottledError{RetryAfter: max(wait, time.Second)}
	}
	if !attempt.trusted {
		wait, err := d.shared.wait(ctx, began, loginKey(login))
		if err != nil || wait > 0 {
			d.failures.undo(began, attempt)
		}
		if err != nil {
			return nil, err
		} else if wait > 0 {
			return nil, &ThrottledError{RetryAfter: max(wait, time.Second)}
		}
	}
	user, version, err := d.byLogin(ctx, login)
	if err != nil {
		d.failures.undo(began, attempt)
		return nil, err
	}
	hash := ""
	if user != nil {
		hash = user.PasswordHash
	}
	match, outdated, err := d.passwords.Verify(ctx, hash, password)
	switch {
	case err != nil:
		d.failures.undo(began, attempt)
		return nil, err
	case !match || user.Disabled:
		if err := d.shared.count(ctx, loginKey(login)); err != nil {
			return nil, err
		}
		return nil, d.refuse(ctx, began, user)
	}
	d.failures.succeed(time.Now(), attempt)
	if outdated {
		d.rehash(ctx, user, version, password)
	}
	return user, nil
}

// byLogin returns the user with this username or verified e-mail address, or nil.
func (d *Directory) byLogin(ctx context.Context, login string) (*storage.User, uint64, error) {
	id := ""
	if key, err := NormalizeUsername(login); err == nil {
		user, err := d.byUsername(ctx, key)
		if err != nil {
			return nil, 0, err
		} else if user != nil {
			id = user.ID
		}
	}
	if key, err := NormalizeEmail(login); err == nil && id == "" {
		user, _, err := d.byEmail(ctx, key)
		if err != nil {
			return nil, 0, err
		} else if user != nil && verified(user, key) {
			id = user.ID
		}
	}
	if id == "" {
		return nil, 0, nil
	}
	user, version, err := storage.Users.Get(ctx, d.store, id)
	if errors.Is(err, storage.ErrNotFound) { // deleted this moment
		return nil, 0, nil
	}
	return user, version, err
}

// refuse waits until the failure has taken a multiple of the pace.
func (d *Directory) refuse(ctx context.Context, began time.Time, user *storage.User) error {
	wrong := &CredentialsError{}
	if user != nil {
		wrong.UserID = user.ID
	}
	took := time.Since(began)
	wait := time.NewTimer(took.Truncate(d.pace) + d.pace - took)
	defer wait.Stop()
	select {
	case <-wait.C:
		return wrong
	case <-ctx.Done():
		return ctx.Err()
	}
}

// rehash stores a password that has just been verified under today's kind of hash. If that fails, or
// another request has changed the user, the old hash serves until the next login.
func (d *Directory) rehash(ctx context.Context, user *storage.User, version uint64, password string) {
	hash, err := d.passwords.Hash(ctx, password)
	if err != nil {
		return
	}
	changed := *user
	changed.PasswordHash, changed.UpdatedAt = hash, time.Now().UTC()
	_ = d.store.Apply(ctx, storage.Users.Put(user.ID, &changed, storage.At(version), never))
}

// loginKey is the login as the throttle knows it: all spellings of a name are one.
func loginKey(login string) string {
	if key, err := NormalizeUsername(login); err == nil {
		return key
	}
	if key, err := NormalizeEmail(login); err == nil {
		return key
	}
	return strings.TrimSpace(login)
}
