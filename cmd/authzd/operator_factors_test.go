package main

import (
	"testing"
	"time"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/factor"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

// Operators see which factors a user has, and no secret of one. A reset removes them all at once, and ends the remembered
// devices. With the user their records go.
func TestOperatorFactors(t *testing.T) {
	o := operate(t, nil)
	carol, err := o.admin.CreateUser(t.Context(), admin.NewUser{User: users.User{Username: "carol"}, Password: "a phrase to pass"})
	if err != nil {
		t.Fatal(err)
	}
	codes, err := keys.LastingDeriver(t.Context(), o.store, o.secret, "recovery codes")
	if err != nil {
		t.Fatal(err)
	}
	factors := factor.New(factor.Config{Store: o.store, Secret: o.secret, Codes: codes})
	device := ""
	enrol := func() {
		t.Helper()
		user, version, err := storage.Users.Get(t.Context(), o.store, carol.Sub)
		if err != nil {
			t.Fatal(err)
		}
		secret := factor.NewSecret()
		writes, err := factors.EnrolWithCodesWrites(user, version, secret, factor.Code(secret, time.Now()), factor.NewCodes())
		if err == nil {
			err = o.store.Apply(t.Context(), writes...)
		}
		if err != nil {
			t.Fatal(err)
		}
		if user, _, err = storage.Users.Get(t.Context(), o.store, carol.Sub); err != nil {
			t.Fatal(err)
		}
		value, write := factors.RememberWrite(user)
		if device = value; o.store.Apply(t.Context(), write) != nil {
			t.Fatal("remember")
		}
	}
	listed := func() (kinds []string) {
		t.Helper()
		for f, err := range o.admin.Factors(t.Context(), carol.Sub) {
			if err != nil || f.Locked || f.CreatedAt.IsZero() || f.Left != nil && *f.Left != 10 {
				t.Fatalf("%+v, %v", f, err)
			}
			kinds = append(kinds, f.Kind)
		}
		return kinds
	}
	gone := func(when string) {
		t.Helper()
		for _, table := range []storage.Table{storage.TOTPs.Table, storage.RecoveryCodeSets.Table, storage.RememberedDevices.Table} {
			if found, err := o.store.Scan(t.Context(), table, carol.Sub, "", 10); err != nil || len(found) != 0 {
				t.Errorf("%s: %d of %s, %v", when, len(found), table, err)
			}
		}
	}
	enrol()
	if kinds := listed(); len(kinds) != 2 {
		t.Errorf("listed: %v", kinds)
	}
	before, _, err := storage.Users.Get(t.Context(), o.store, carol.Sub)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.admin.ResetFactors(t.Context(), carol.Sub, false); err != nil {
		t.Fatal(err)
	}
	gone("after the reset")
	if known, err := factors.Remembers(t.Context(), before, device); known || err != nil || len(listed()) != 0 {
		t.Errorf("the device is known: %v, %v", known, err)
	}
	if after, _, err := storage.Users.Get(t.Context(), o.store, carol.Sub); err != nil || after.FactorEpoch == before.FactorEpoch {
		t.Errorf("sign-ins under way go on: %v", err)
	}
	enrol()
	if err := o.admin.DeleteUser(t.Context(), carol.Sub, ""); err != nil {
		t.Fatal(err)
	}
	gone("after the deletion")
}
