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
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

// EnsureUsers creates the users of the configuration file that don't exist yet, and leaves the others
// unchanged. It may run in several processes at once. It tries all users; the errors are joined, and name the
// username. differ names the users whose record differs from the file, which the operator should know: the
// record counts. Each entry is a username and what differs: disabled, roles, groups, a password whose hash was never
// theirs, or that the user has deleted the account.
func (d *Directory) EnsureUsers(ctx context.Context, described []users.User) (differ []string, err error) {
	var named []string
	for _, u := range described {
		named = append(named, u.Username)
	}
	d.named.Store(&named)
	var errs []error
	for _, u := range described {
		name := u.Username
		u.Username = strings.TrimSpace(name)
		err := u.Problems(nil).Err()
		var kept *storage.User
		left := false
		if err == nil {
			left, err = d.HasLeft(ctx, u.Username)
		}
		if err == nil && !left {
			kept, err = d.ensure(ctx, u)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("user %q: %w", name, err))
		}
		if left {
			differ = append(differ, u.Username+": deleted by the user")
		}
		if kept == nil {
			continue
		}
		if what := differs(u, kept); len(what) > 0 {
			differ = append(differ, kept.Username+": "+strings.Join(what, ", "))
		}
	}
	return differ, errors.Join(errs...)
}

// differs returns the members in which the file differs from the user's record.
func differs(u users.User, user *storage.User) (what []string) {
	if user.Disabled != u.Disabled {
		what = append(what, "disabled")
	}
	if !slices.Equal(user.Roles, u.Roles) {
		what = append(what, "roles")
	}
	if !slices.Equal(user.Groups, u.Groups) {
		what = append(what, "groups")
	}
	if password := string(u.Password); passhash.Scheme(password) != "" && !had(user, password) {
		what = append(what, "password")
	}
	return what
}

// ensure returns the user who existed before, or nil.
func (d *Directory) ensure(ctx context.Context, u users.User) (existing *storage.User, err error) {
	key, err := users.NormalizeUsername(u.Username)
	if err != nil {
		return nil, err
	}
	user := &storage.User{ID: newUserID(), EmailFrom: storage.EmailByOperator}
	apply(u, user)
	err = storage.Retry(func() error {
		if existing, err = d.byUsername(ctx, key); err != nil || existing != nil {
			return err
		}
		if user.PasswordHash == "" {
			hash, err := d.Hash(ctx, string(u.Password))
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
		// It may belong to this very user, if another replica has just created them.
		if existing, _ := d.byUsername(ctx, key); existing != nil {
			return existing, nil
		}
	}
	return existing, err
}

// newUserID returns an id that reveals nothing but its age, and that no other user ever has.
func newUserID() string { return uuid.Must(uuid.NewV7()).String() }
