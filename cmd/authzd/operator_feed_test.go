package main

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/admin"
)

// TestRevocationsAreListed: an operator sees what is on the feed, whose it is, why, and for how long; and nobody else does.
func TestRevocationsAreListed(t *testing.T) {
	o := operate(t, nil)
	sub, sid, gid := o.signedIn(t)
	if page, err := o.admin.ListRevocations(t.Context(), admin.RevocationQuery{}, admin.PageQuery{}); err != nil || len(page.Items) != 0 {
		t.Fatalf("before any end: %+v, %v", page, err)
	}
	begun := time.Now().Add(-time.Second)
	if err := errors.Join(o.admin.RevokeGrant(t.Context(), gid), o.admin.RevokeSession(t.Context(), sid)); err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for r, err := range o.admin.Revocations(t.Context(), admin.RevocationQuery{Sub: sub}) {
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, r.Kind)
		want := map[string][2]string{"grant": {gid, "grant.revoked"}, "session": {sid, "session.ended"}}[r.Kind]
		if r.ID != want[0] || r.Cause != want[1] || r.Sub != sub || (r.Before == nil) != (r.Kind == "grant") ||
			r.EndedAt.Before(begun) || r.EndedAt.After(time.Now()) || !r.ExpiresAt.After(r.EndedAt.Add(15*time.Minute)) {
			t.Errorf("%+v", r)
		}
	}
	if len(kinds) != 2 || kinds[0] != "grant" {
		t.Errorf("listed: %v", kinds)
	}
	for _, query := range []admin.RevocationQuery{{Kind: "grant"}, {ID: gid}, {Cause: "grant.revoked"}} {
		if page, err := o.admin.ListRevocations(t.Context(), query, admin.PageQuery{Size: 1}); err != nil || len(page.Items) != 1 || page.Items[0].ID != gid {
			t.Errorf("%+v: %+v, %v", query, page, err)
		}
	}
	if page, err := o.admin.ListRevocations(t.Context(), admin.RevocationQuery{Sub: "somebody else"}, admin.PageQuery{}); err != nil || len(page.Items) != 0 {
		t.Errorf("of somebody else: %+v, %v", page, err)
	}
	if f, err := o.admin.ReadFeed(t.Context()); err != nil || f.Epoch == "" || f.WindowSeconds < 900 {
		t.Errorf("the feed: %+v, %v", f, err)
	}
	for _, path := range []string{"/v1/revocations", "/v1/revocations/feed"} {
		if a := o.over(t, "GET", path, "", ""); a.status != http.StatusUnauthorized {
			t.Errorf("%s without a token: %d", path, a.status)
		}
	}
}
