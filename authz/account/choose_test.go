package account

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authzd/authzd/authz/users"
)

// A person may not choose the name of another, one that speaks for the service, or one that looks like either.
func TestCheckChosenName(t *testing.T) {
	d := newDirectory(t, users.User{Username: "alice", Password: cheap, Email: "al@example.com", EmailVerified: true})
	if _, err := d.EnsureUsers(t.Context(), []users.User{{Username: "chief", Password: cheap}}); err != nil {
		t.Fatal(err)
	}
	alice, err := d.ByUsername(t.Context(), "alice")
	if err != nil || alice == nil {
		t.Fatal(alice, err)
	}
	taken := errors.New("taken")
	for _, tt := range []struct {
		name, address, userID string
		want                  error
	}{
		{"bob", "", "", nil},
		{"Zoë", "", "", nil},
		{"bob@example.com", "bob@example.com", "", nil},
		{"Bob@Example.com", "bob@example.com", "", nil},
		{"alice", "", alice.ID, nil},
		{"Alice", "", alice.ID, nil},

		{"", "", "", ErrUnusableName},
		{" bob", "", "", ErrUnusableName},
		{"bob smith", "", "", ErrUnusableName},
		{"bob\r\nsmith", "", "", ErrUnusableName},
		{"bob\u202esmith", "", "", ErrUnusableName},
		{"bob\u2028smith", "", "", ErrUnusableName},
		{"bob@example.com", "", "", ErrUnusableName}, // an address that is not proved
		{"bob@example.com", "eve@example.com", "", ErrUnusableName},
		{"admin", "", "", ErrReservedName},
		{"Adm1n", "", "", ErrReservedName},
		{"\u0430dmin", "", "", ErrReservedName}, // a Cyrillic a
		{"support", "", "", ErrReservedName},
		{"ch\u0456ef", "", "", ErrReservedName}, // like a user of the configuration
		{"ALICE", "", "", taken},
		{"\uff41lice", "", "", taken}, // full width
		{"al@example.com", "al@example.com", "", taken},
	} {
		err := d.CheckChosenName(t.Context(), tt.name, tt.address, tt.userID)
		if other := (*TakenError)(nil); tt.want == taken && !errors.As(err, &other) || tt.want != taken && err != tt.want {
			t.Errorf("%q: %v, want %v", tt.name, err, tt.want)
		}
	}
}

// Answers that must not tell anything leave at multiples of one unit. What was done for them does not show.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory(t)
		for took, want := range map[time.Duration]time.Duration{
			0: failurePace, 700 * time.Millisecond: failurePace, 999 * time.Millisecond: failurePace,
		} {
			began := time.Now()
			time.Sleep(took)
			if err := d.Pace(t.Context(), began); err != nil || time.Since(began) != want {
				t.Errorf("after %v: %v, %v", took, time.Since(began), err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := d.Pace(ctx, time.Now()); !errors.Is(err, context.Canceled) {
			t.Errorf("nobody waits: %v", err)
		}
	})
}
