package account

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authzd/authzd/authz/throttle"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

// signInOn signs a user in on a device, as the server does.
func signInOn(t *testing.T, d *Directory, login, device string, from netip.Addr) error {
	t.Helper()
	user, err := d.AuthenticateOn(t.Context(), login, secret, from, device)
	if err != nil {
		return err
	}
	writes, _, err := d.DeviceWrites(t.Context(), user.ID, device)
	if err != nil {
		t.Fatal(err)
	}
	if len(writes) > 0 {
		if err := d.store.Apply(t.Context(), writes...); err != nil {
			t.Fatal(err)
		}
	}
	return nil
}

// 10,000 wrong passwords from 100 addresses, under both names: few are looked at, and the owner gets in throughout, at
// home and, on the own device, away. On another device, or on somebody else's, nobody gets in.
func TestOwnerGetsInUnderAttack(t *testing.T) {
	guesses, limit := 100, throttle.Limit{Burst: 20, Interval: 36 * time.Second}
	if full, _ := strconv.ParseBool(os.Getenv("TEST_FULL")); full {
		guesses, limit = 10_000, perLogin
	}
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory(t, twoNames, users.User{Username: "bob", Password: cheap})
		d.shared = limit
		var checked atomic.Int32
		d.passwords.checked = func() { checked.Add(1) }
		away := netip.MustParseAddr("203.0.113.7")
		for login, device := range map[string]string{"alice": "device of alice", "bob": "device of bob"} {
			if err := signInOn(t, d, login, device, address(1<<20)); err != nil {
				t.Fatal(err)
			}
		}
		signInFrom(t, d, "alice", secret, home)
		began, looked := time.Now(), int32(0)
		for round := range guesses / 20 {
			checked.Store(0)
			var wg sync.WaitGroup
			for i := range 20 {
				wg.Go(func() {
					login := []string{"alice", "al@example.com"}[round%2]
					if _, err := d.Authenticate(t.Context(), login, "a wrong guess", address(20*(round%5)+i)); err == nil {
						t.Error("a wrong password")
					}
				})
			}
			wg.Wait()
			looked += checked.Load()
			if round%5 != 4 {
				continue
			}
			if _, err := d.Authenticate(t.Context(), "alice", secret, home); err != nil {
				t.Errorf("round %d: at home: %v", round, err)
			}
			if err := signInOn(t, d, "alice", "device of alice", away); err != nil {
				t.Errorf("round %d: on the own device, away: %v", round, err)
			}
		}
		for i, device := range []string{"", "another device", "device of bob"} {
			if err := signInOn(t, d, "alice", device, address(1<<18+i)); err == nil {
				t.Errorf("device %q lets in", device)
			}
		}
		most := 2*limit.Burst + 2*int(time.Since(began)/limit.Interval) + 2
		t.Logf("%d of %d guesses were looked at in %v", looked, guesses, time.Since(began))
		if int(looked) > most {
			t.Errorf("%d of %d guesses were looked at, want %d at most", looked, guesses, most)
		}
	})
}

// A stolen device has few guesses too.
func TestGuessesOnAKnownDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory(t, twoNames)
		d.shared = throttle.Limit{Burst: 5, Interval: time.Hour}
		if err := signInOn(t, d, "alice", "stolen", home); err != nil {
			t.Fatal(err)
		}
		looked := 0
		d.passwords.checked = func() { looked++ }
		for i := range 40 {
			if _, err := d.AuthenticateOn(t.Context(), "alice", "wrong", address(i), "stolen"); err == nil {
				t.Fatal("a wrong password")
			}
		}
		if looked > 5+perDevice.Burst+2 {
			t.Errorf("%d guesses were looked at", looked)
		}
	})
}

// A user has so many known devices at most, and none after the operator or a deletion made the server forget them.
func TestKnownDevicesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory(t, twoNames)
		id := named(t, d, "alice").ID
		know := func(device string) {
			writes, _, err := d.DeviceWrites(t.Context(), id, device)
			if err != nil {
				t.Fatal(err)
			}
			if err := d.store.Apply(t.Context(), writes...); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		for i := range maxDevices + 10 {
			know(fmt.Sprint("device ", i))
		}
		all, err := storage.KnownDevices.Scan(t.Context(), d.store, id+"/", "", 1000)
		if err != nil || len(all) != maxDevices {
			t.Fatalf("%d devices, %v", len(all), err)
		}
		for device, want := range map[string]bool{"device 9": false, "device 10": true, "device 59": true, "": false} {
			if known, err := d.KnowsDevice(t.Context(), id, device); err != nil || known != want {
				t.Errorf("%q: %v, %v", device, known, err)
			}
		}
		if writes, _, err := d.DeviceWrites(t.Context(), id, "device 59"); err != nil || len(writes) != 0 {
			t.Errorf("written again at once: %v, %v", writes, err)
		}
		time.Sleep(deviceFor)
		if known, err := d.KnowsDevice(t.Context(), id, "device 59"); err != nil || known {
			t.Errorf("after %v: %v, %v", deviceFor, known, err)
		}
		know("device 60")
		forget, err := d.DistrustWrites(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.store.Apply(t.Context(), forget...); err != nil {
			t.Fatal(err)
		}
		if _, _, err := storage.KnownDevices.Get(t.Context(), d.store, id+"/device 60"); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("forgotten: %v", err)
		}
	})
}
