package bff_test

import (
	"net/http"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/bff"
	"github.com/authzd/authzd/authz/operator"
	"github.com/authzd/authzd/storage"
)

// TestRestoredStore: a copy of a store may have sessions that have ended since it was made. The provider is asked about
// each before it is used, also if nobody follows its feed.
func TestRestoredStore(t *testing.T) {
	t.Parallel()
	s := start(t, options{server: authz.Config{Operator: &operator.Config{}}, bff: func(c *bff.Config) { c.Revocations.Lost = "off" }})
	over, alive := s.browser(t), s.browser(t)
	over.signIn("/")
	gid := s.awaitRecord(t, audit.SignedIn, "").GrantID
	alive.signIn("/")
	s.operate(t, http.MethodDelete, "/v1/grants/"+gid, "")
	if !over.active() {
		t.Fatal("without a feed, the end is known before it was asked for")
	}
	restart := func() {
		var err error
		if s.BFF, err = bff.New(s.cfg); err != nil {
			t.Fatal(err)
		}
	}
	refreshes := func() (n int) {
		for _, grant := range mustScan(t, s.issuer.Store, storage.RefreshTokens) {
			if grant.Value.UsedAt != nil {
				n++
			}
		}
		return n
	}
	if restart(); !over.active() { // a restart is no restore
		t.Error("a restart has ended a session")
	}
	if err := s.store.Apply(t.Context(), storage.FeedStates.Delete(storage.FeedEpochKey, storage.Any)); err != nil { // a copy lacks it
		t.Fatal(err)
	}
	if restart(); over.active() || over.call(http.MethodGet, "/api/orders").StatusCode != http.StatusUnauthorized {
		t.Error("a session that has ended lives in the copy")
	}
	if !alive.active() || alive.call(http.MethodGet, "/api/orders").StatusCode != http.StatusOK {
		t.Error("a session that lives has ended in the copy")
	}
	before := refreshes()
	if restart(); !alive.active() || refreshes() != before {
		t.Error("the copy is doubted a second time")
	}
	if e := s.awaitRecord(t, audit.SessionEnded, "invalid_grant"); e.GrantID != gid {
		t.Errorf("%+v", e)
	}
}
