package account

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/users"
)

var (
	// ErrUnusableName says that a username has characters that no username has, or is too long.
	ErrUnusableName = errors.New("this can't be a username")
	// ErrReservedName says that people would think that a user with this name speaks for the service, or is a user
	// of the configuration.
	ErrReservedName = errors.New("this username is reserved")
)

// CheckChosenName returns why a person may not choose a username, or nil: ErrUnusableName, ErrReservedName or, if
// another user has it, *TakenError. A name in the form of an address must be an address that they have proved:
// address, which is empty if there is none. userID is the person, "" for one who signs up. The user is made or
// changed by writes that check again that the name is free.
func (d *Directory) CheckChosenName(ctx context.Context, name, address, userID string) error {
	key, err := users.NormalizeUsername(name)
	if err != nil || name != strings.TrimSpace(name) {
		return ErrUnusableName
	}
	own := address != "" && sameAddress(key, address)
	switch {
	case own:
	case strings.Contains(key, "@"):
		return ErrUnusableName
	case d.isReserved(key):
		return ErrReservedName
	}
	holder, err := d.byUsername(ctx, key)
	if err == nil && holder == nil && own {
		holder, _, err = d.byEmail(ctx, key)
	}
	switch {
	case err != nil:
		return err
	case holder != nil && holder.ID != userID:
		return &TakenError{"username"}
	}
	return nil
}

// Pace waits until an answer may leave that must not tell, by its time, whether an account exists: at the next
// multiple of the pace of failed logins after began. The error is that of ctx.
func (d *Directory) Pace(ctx context.Context, began time.Time) error {
	return d.refuse(ctx, began, nil)
}
