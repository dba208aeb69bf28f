package grant

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/client/directory"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// Consents to clients that registered themselves go when these are forgotten, and no others: not those to
// clients of the file or of the operator, whatever their ids, nor what voids older grants.
func TestConsentsOfForgottenClients(t *testing.T) {
	store, err := bolt.Open(filepath.Join(t.TempDir(), "authzd.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	const inFile, ofOperator, registered, gone, withdrawn = "customer-portal-client", "operators-other-client",
		"registered-client-0001", "registered-client-0002", "registered-client-0003"
	const users = 80 // more than a page of consents
	configured, err := client.New(client.Metadata{ID: inFile, AuthMethod: client.AuthNone, RedirectURIs: []string{"https://app.example.com/cb"}})
	if err != nil {
		t.Fatal(err)
	}
	registry, err := client.NewRegistry(configured)
	if err != nil {
		t.Fatal(err)
	}
	s := &Grants{Store: store, Clients: &directory.Clients{File: registry}}
	apply := func(writes ...storage.Write) {
		t.Helper()
		if err := store.Apply(t.Context(), writes...); err != nil {
			t.Fatal(err)
		}
	}
	apply(storage.ManagedClients.Put(ofOperator, &storage.ManagedClient{}, storage.Absent, time.Time{}),
		storage.Clients.Put(registered, &storage.Client{}, storage.Absent, time.Now().Add(time.Hour)),
		storage.Clients.Put(gone, &storage.Client{}, storage.Absent, time.Now().Add(-time.Second)))
	hosts := &storage.Consent{Hosts: []string{"app.example.com"}, GrantedAt: time.Now()}
	for user := range users { // several pages
		var writes []storage.Write
		for id, consent := range map[string]*storage.Consent{
			inFile: hosts, ofOperator: hosts, registered: hosts, gone: hosts, withdrawn: {Withdrawals: 1}, "https://app.example.com/id": hosts, "spa": hosts,
		} {
			writes = append(writes, storage.Consents.Put(ConsentKey(fmt.Sprint("user", user), id), consent, storage.Absent, time.Time{}))
		}
		apply(writes...)
	}
	forgotten, err := s.sweepOnce(t.Context())
	if err != nil || forgotten != users {
		t.Errorf("forgot %d, %v; want %d", forgotten, err, users)
	}
	left, err := storage.Consents.Scan(t.Context(), store, "user0/", "", 100)
	if err != nil || len(left) != 6 {
		t.Errorf("%d consents of a user are left, want 6; %v", len(left), err)
	}
	for _, e := range left {
		if e.Key == ConsentKey("user0", gone) {
			t.Error("the consent to the client that is gone is left")
		}
	}
	if again, err := s.sweepOnce(t.Context()); err != nil || again != 0 {
		t.Errorf("again: %d, %v", again, err)
	}
}
