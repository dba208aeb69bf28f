package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/authzd/authzd/authz/passhash"
	"github.com/authzd/authzd/storage"
)

// Seed is a user of the configuration file.
type Seed struct {
	Username string
	Password string // plain text or a hash that passhash.Check accepts; empty: no password login
	Profile  storage.Profile
	Roles    []string
	Groups   []string
	Disabled bool
}

// Validate returns everything that is wrong with a seed, joined. No message holds the password.
func (s Seed) Validate() error {
	_, err := NormalizeUsername(s.Username)
	errs := []error{err}
	if s.Profile.Email != "" {
		_, err := NormalizeEmail(s.Profile.Email)
		errs = append(errs, err)
	} else if s.Profile.EmailVerified {
		errs = append(errs, errors.New("email_verified without an email"))
	}
	return errors.Join(append(errs, CheckPassword(s.Password))...)
}

// CheckPassword returns why an operator can't set a password, in plain text or as a hash, or nil. An
// empty one can be set: nothing matches it. How long a password must be is a matter of the configuration.
// No message holds the password.
func CheckPassword(password string) error {
	switch {
	case password == "":
		return nil
	case passhash.Scheme(password) != "":
		return passhash.Check(password)
	}
	_, err := prepare(password)
	return err
}

// EnsureUsers creates the users of the configuration file that don't exist yet, and leaves those
// that do as they are. It may run in several processes at once. Every seed is tried; the errors are
// joined, and name the username. differ names the users whose record differs from the file, so that
// the operator can be told: the record counts. Each is a username and what differs: disabled,
// roles, groups, or a password whose hash was never theirs.
func (d *Directory) EnsureUsers(ctx context.Context, seeds []Seed) (differ []string, err error) {
	var named []string
	for _, seed := range seeds {
		named = append(named, seed.Username)
	}
	d.named.Store(&named)
	var errs []error
	for _, seed := range seeds {
		err := seed.Validate()
		var kept *storage.User
		if err == nil {
			kept, err = d.ensure(ctx, seed)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("user %q: %w", seed.Username, err))
		}
		if kept == nil {
			continue
		}
		if what := seed.differsFrom(kept); len(what) > 0 {
			differ = append(differ, kept.Username+": "+strings.Join(what, ", "))
		}
	}
	return differ, errors.Join(errs...)
}

// differsFrom returns what a seed states otherwise than the user's record does.
func (s Seed) differsFrom(user *storage.User) (what []string) {
	if user.Disabled != s.Disabled {
		what = append(what, "disabled")
	}
	if !slices.Equal(user.Roles, s.Roles) {
		what = append(what, "roles")
	}
	if !slices.Equal(user.Groups, s.Groups) {
		what = append(what, "groups")
	}
	if passhash.Scheme(s.Password) != "" && !had(user, s.Password) {
		what = append(what, "password")
	}
	return what
}

// ensure returns the user who was there before, nil if there was none.
func (d *Directory) ensure(ctx context.Context, seed Seed) (existing *storage.User, err error) {
	key, err := NormalizeUsername(seed.Username)
	if err != nil {
		return nil, err
	}
	user := &storage.User{
		ID: newUserID(), Username: strings.TrimSpace(seed.Username), Profile: seed.Profile,
		EmailFrom: storage.EmailByOperator, Roles: seed.Roles, Groups: seed.Groups, Disabled: seed.Disabled,
	}
	err = storage.Retry(func() error {
		if existing, err = d.byUsername(ctx, key); err != nil || existing != nil {
			return err
		}
		if user.PasswordHash == "" {
			hash, err := d.hashSeed(ctx, seed.Password)
			if err != nil {
				return err
			}
			SetHash(user, hash)
		}
		user.CreatedAt = time.Now().UTC()
		user.UpdatedAt = user.CreatedAt
		return d.create(ctx, user, true, d.changed(ctx, Created, user.ID, "")...)
	})
	if taken := (*TakenError)(nil); errors.As(err, &taken) {
		// By this very user, if another replica has just made them.
		if existing, _ := d.byUsername(ctx, key); existing != nil {
			return existing, nil
		}
	}
	return existing, err
}

func (d *Directory) hashSeed(ctx context.Context, password string) (string, error) {
	if password == "" || passhash.Scheme(password) != "" {
		return password, nil
	}
	return d.passwords.Hash(ctx, password)
}

// newUserID returns an id that tells nothing but its age, and that no other user ever has.
func newUserID() string { return uuid.Must(uuid.NewV7()).String() }
