package account

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/tally"
	"github.com/authzd/authzd/authz/throttle"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

// Authenticate returns the user who signs in with a password. The login is a username or a verified e-mail
// address. from is the address of the request; its zero value counts like any other address.
//
// An unknown user, one without a password, a disabled one and a wrong password all give ErrInvalidCredentials
// at the same cost. So does any password of a user whose names were tried too often together: another answer
// would reveal that two names are one account. A *ThrottledError comes before the password is checked, and
// ErrBusy if too many logins are under way. If the hash of a right password is not of the present kind, it is
// renewed.
func (d *Directory) Authenticate(ctx context.Context, login, password string, from netip.Addr) (*storage.User, error) {
	return d.AuthenticateOn(ctx, login, password, from, "")
}

// AuthenticateOn is Authenticate for a request from a device, as package session knows it; "" is none that is known.
func (d *Directory) AuthenticateOn(ctx context.Context, login, password string, from netip.Addr, device string) (*storage.User, error) {
	began, key := time.Now(), loginKey(login)
	attempt, err := d.begin(ctx, key, from)
	if err != nil {
		return nil, err
	}
	defer attempt.over()
	user, version, err := d.byLogin(ctx, login)
	if err != nil {
		return nil, err
	}
	counts, hidden, err := d.admit(ctx, attempt, key, user, from, device)
	if throttled := (*ThrottledError)(nil); errors.As(err, &throttled) {
		if user != nil {
			throttled.UserID = user.ID
		}
		return nil, d.refuse(ctx, began, throttled) // at the pace, because the user was looked up
	} else if err != nil {
		return nil, err
	}
	hash := ""
	if user != nil {
		hash = user.PasswordHash
	}
	match, outdated, err := d.passwords.verify(ctx, throttle.SiteOf(from), hash, password)
	if err != nil {
		return nil, err
	}
	if reason := refusal(user, match, hidden); reason != "" {
		d.kinds.see(ctx, hash)
		d.failures.fail(attempt, user)
		if err := tally.Add(ctx, d.store, counts...); err != nil {
			return nil, err
		}
		wrong := &CredentialsError{Reason: reason}
		if user != nil {
			wrong.UserID = user.ID
		}
		if reason == WrongPassword {
			if err := d.countInRow(ctx, user); err != nil {
				return nil, err
			}
		}
		return nil, d.refuse(ctx, began, wrong)
	}
	d.failures.succeed(attempt)
	if err := d.endRow(ctx, user); err != nil {
		return nil, err
	}
	if outdated {
		d.rehash(ctx, user, version, password)
	}
	return user, nil
}

// refusal returns the reason why the login fails, or "".
func refusal(user *storage.User, match, hidden bool) Reason {
	switch {
	case user == nil:
		return NoSuchUser
	case user.Disabled:
		return Disabled
	case hidden:
		return Throttled
	case user.PasswordHash == "":
		return NoPassword
	case !match:
		return WrongPassword
	}
	return ""
}

// begin reserves a place for an attempt from an address. It also forgets failures that an operator has
// forgiven at another replica.
func (d *Directory) begin(ctx context.Context, login string, from netip.Addr) (*attempt, error) {
	a, err := d.failures.begin(ctx, login, from)
	if throttled := (*ThrottledError)(nil); !errors.As(err, &throttled) {
		return a, err
	}
	count, failed := tally.Read(ctx, d.store, d.ofLogin(login))
	if failed != nil {
		return nil, failed
	}
	if count.UnlockedAt.IsZero() || !d.failures.unlock(login, count.UnlockedAt) {
		return nil, err
	}
	return d.failures.begin(ctx, login, from)
}

// admit reads the counts of a login and of its user, to which a failure will be added. They don't keep out a
// network or a device from which the user has signed in. For others the error is *ThrottledError if there were too many
// failures of the login. hidden is true if there were too many of the user, which must look like a wrong
// password.
func (d *Directory) admit(ctx context.Context, a *attempt, login string, user *storage.User, from netip.Addr, device string) (counts []tally.Count, hidden bool, err error) {
	if user != nil && d.trust.remembers(user.ID, from, trustKnown) {
		return []tally.Count{tally.Unread(d.ofLogin(login))}, false, nil
	}
	ofLogin, err := tally.Read(ctx, d.store, d.ofLogin(login))
	if err != nil {
		return nil, false, err
	}
	counts = append(counts, ofLogin)
	if !ofLogin.UnlockedAt.IsZero() {
		d.failures.unlock(login, ofLogin.UnlockedAt)
	}
	if wait := ofLogin.Wait(); wait > 0 {
		err = throttled(wait)
	} else {
		err = d.failures.everywhere(ctx, a, login)
	}
	if user == nil {
		return counts, false, err
	}
	full := (*ThrottledError)(nil)
	if err != nil && !errors.As(err, &full) {
		return nil, false, err
	}
	ofUser, failed := tally.Read(ctx, d.store, tally.Charge{Key: tally.UserKey(user.ID), Limit: d.shared})
	if failed != nil {
		return nil, false, failed
	}
	hidden = ofUser.Wait() > 0
	if full == nil && !hidden {
		return append(counts, ofUser), false, nil
	}
	if known, failed := d.trust.knows(ctx, user.ID, from); failed != nil || known {
		return counts, false, failed
	}
	if ofDevice, room, failed := d.roomOnDevice(ctx, user.ID, device); failed != nil || room {
		return append(counts, ofDevice), false, failed
	}
	return counts, hidden, err
}

// TrustWrites record that the user has signed in from the network of an address; none if that was written
// lately.
func (d *Directory) TrustWrites(user *storage.User, from netip.Addr) []storage.Write {
	return d.trust.writes(user.ID, from)
}

// UnlockWrites forgive the wrong passwords of a user, under all their names, on all replicas. They don't
// reset the limit of an address.
func (d *Directory) UnlockWrites(user *storage.User) []storage.Write {
	now := time.Now().UTC()
	writes := []storage.Write{tally.Unlock(tally.UserKey(user.ID), now), tally.Forget(tally.InRowKey(user.ID))}
	username, address := loginKey(user.Username), loginKey(user.Profile.Email)
	for _, name := range slices.Compact([]string{username, address}) { // the address may be the username
		if name != "" {
			writes = append(writes, tally.Unlock(tally.LoginKey(name), now))
		}
	}
	return writes
}

// byLogin returns the user with this username or verified e-mail address, or nil.
func (d *Directory) byLogin(ctx context.Context, login string) (*storage.User, uint64, error) {
	id := ""
	if key, err := users.NormalizeUsername(login); err == nil {
		user, err := d.byUsername(ctx, key)
		if err != nil {
			return nil, 0, err
		} else if user != nil {
			id = user.ID
		}
	}
	if key, err := users.NormalizeEmail(login); err == nil && id == "" {
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
	if errors.Is(err, storage.ErrNotFound) { // deleted at this moment
		return nil, 0, nil
	}
	return user, version, err
}

// refuse returns an error when the attempt has taken as long as failed logins take at present.
func (d *Directory) refuse(ctx context.Context, began time.Time, why error) error {
	unit := d.kinds.now(ctx)
	took := time.Since(began)
	wait := time.NewTimer(d.pace.after(took, unit) - took)
	defer wait.Stop()
	select {
	case <-wait.C:
		return why
	case <-ctx.Done():
		return ctx.Err()
	}
}

// rehash stores a password that was just verified under the present kind of hash. If that fails, or another
// request has changed the user, the old hash stays until the next login.
func (d *Directory) rehash(ctx context.Context, user *storage.User, version uint64, password string) {
	hash, err := d.passwords.Hash(ctx, password)
	if err != nil {
		return
	}
	changed := *user
	if len(changed.PastHashes) == 0 {
		changed.PastHashes = []string{digest(user.PasswordHash)}
	}
	changed.PasswordHash, changed.UpdatedAt = hash, time.Now().UTC()
	_ = d.store.Apply(ctx, storage.Users.Put(user.ID, &changed, storage.At(version), never))
}

// ofLogin is the charge of a login over all addresses and replicas.
func (d *Directory) ofLogin(login string) tally.Charge {
	return tally.Charge{Key: tally.LoginKey(login), Limit: d.shared}
}

// loginKey is the key of a login in the throttle: the same for all spellings of a name.
func loginKey(login string) string {
	if key, err := users.NormalizeUsername(login); err == nil {
		return key
	}
	if key, err := users.NormalizeEmail(login); err == nil {
		return key
	}
	return strings.TrimSpace(login)
}
