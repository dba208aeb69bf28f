package main

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/audit"
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
	o.forgetDevices(t, carol.Sub, func(user *storage.User) (bool, error) { return factors.Remembers(t.Context(), user, device) })
	if kinds := listed(); len(kinds) != 2 {
		t.Errorf("after the devices were forgotten: %v", kinds)
	}
	enrol()
	before, _, err := storage.Users.Get(t.Context(), o.store, carol.Sub)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.admin.ResetFactors(t.Context(), carol.Sub, admin.FactorReset{}); err != nil {
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

// The passkeys of a user go only if another way in is left, unless the operator insists; the user is told of both.
func TestOperatorResetsPasskeys(t *testing.T) {
	o := operateWith(t, nil, "\nmail: {from: id@example.com, smtp: {host: localhost, port: 1, tls: none}}", "") // it sends nothing unless it runs
	reset := func(sub string, r admin.FactorReset) (told string, event audit.Event, err error) {
		t.Helper()
		put := storage.Passkeys.Put(sub+"/key", &storage.Passkey{CredentialID: []byte("key"), Name: "phone"}, storage.Any, time.Time{})
		if err := o.store.Apply(t.Context(), put); err != nil {
			t.Fatal(err)
		}
		before := o.everything(t)
		events := o.events(t)
		err = o.admin.ResetFactors(t.Context(), sub, r)
		left, scanned := o.store.Scan(t.Context(), storage.Passkeys.Table, sub, "", 10)
		if scanned != nil || (len(left) == 0) != (err == nil) {
			t.Errorf("%+v: %d passkeys are left, %v", r, len(left), scanned)
		}
		if err != nil && o.everything(t) != before {
			t.Errorf("%+v was refused, and has changed something", r)
		}
		waiting, scanned := storage.Deliveries.Scan(t.Context(), o.store, "", "", 10)
		if scanned != nil || len(waiting) > 1 {
			t.Fatalf("%d mails, %v", len(waiting), scanned)
		}
		for _, w := range waiting {
			told = w.Value.Mail.Message
			if err := o.store.Apply(t.Context(), storage.Deliveries.Delete(w.Key, storage.Any)); err != nil {
				t.Fatal(err)
			}
		}
		for id, e := range o.events(t) {
			if _, old := events[id]; !old && e.Type == audit.FactorsReset {
				event = e
			}
		}
		return told, event, err
	}
	made, err := o.admin.CreateUser(t.Context(), admin.NewUser{User: users.User{Username: "carol", Email: "carol@example.com", EmailVerified: true}})
	if err != nil {
		t.Fatal(err)
	}
	told, event, err := reset(made.Sub, admin.FactorReset{Passkeys: true})
	problem := new(admin.Problem)
	if !errors.As(err, &problem) || problem.Status != http.StatusConflict || !strings.Contains(problem.Hint, "--force") || told != "" || event.Type != "" {
		t.Errorf("the last way in: %v, told %q, %+v", err, told, event)
	}
	told, event, err = reset(made.Sub, admin.FactorReset{Passkeys: true, Force: true})
	if err != nil || told != "passkeys_reset" || event.Details["passkeys"] != "true" || event.Details["last_way_in"] != "true" {
		t.Errorf("by force: %v, told %q, %+v", err, told, event)
	}
	alice, _, err := storage.Usernames.Get(t.Context(), o.store, "alice") // she has a password
	if err != nil {
		t.Fatal(err)
	}
	told, event, err = reset(alice.UserID, admin.FactorReset{Passkeys: true})
	if err != nil || told != "passkeys_reset" || event.Details["passkeys"] != "true" || event.Details["last_way_in"] != "" {
		t.Errorf("beside a password: %v, told %q, %+v", err, told, event)
	}
}

// forgetDevices lists the devices of a user, of whom one is remembered, and forgets them. Nobody else's are touched.
func (o *operated) forgetDevices(t *testing.T, sub string, remembers func(*storage.User) (bool, error)) {
	t.Helper()
	known := &storage.KnownDevice{CreatedAt: storage.Now(), SeenAt: storage.Now()}
	if err := o.store.Apply(t.Context(), storage.KnownDevices.Put(sub+"/of hers", known, storage.Absent, time.Time{}),
		storage.KnownDevices.Put("bob/of his", known, storage.Absent, time.Time{})); err != nil {
		t.Fatal(err)
	}
	if said, err := o.command(t, "user", "device", "list", "carol"); err != nil || strings.Count(said, "\n") != 3 || !strings.Contains(said, "of hers ") || !strings.Contains(said, "remembered") {
		t.Errorf("%v\n%s", err, said)
	}
	if _, err := o.command(t, "user", "device", "forget", "nobody"); err == nil {
		t.Error("the devices of nobody are forgotten")
	}
	if said, err := o.command(t, "user", "device", "forget", "carol"); err != nil || !strings.Contains(said, "forgot the browsers of user carol") {
		t.Errorf("%v\n%s", err, said)
	}
	user, _, err := storage.Users.Get(t.Context(), o.store, sub)
	if err != nil {
		t.Fatal(err)
	}
	if still, err := remembers(user); still || err != nil {
		t.Errorf("the device is remembered: %v, %v", still, err)
	}
	page, err := o.admin.ListDevices(t.Context(), sub)
	if err != nil || len(page.Items) != 0 {
		t.Errorf("left: %+v, %v", page, err)
	}
	if _, _, err := storage.KnownDevices.Get(t.Context(), o.store, "bob/of his"); err != nil {
		t.Errorf("another user's device: %v", err)
	}
	told := 0
	for _, e := range o.events(t) {
		if e.Type == audit.DevicesForgotten && e.UserID == sub && e.Actor.Kind == audit.ByOperator {
			told++
		}
	}
	if told != 1 {
		t.Errorf("%d events", told)
	}
}
