package bff_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/operator"
	"github.com/authzd/authzd/storage"
)

// recorded returns the events of the BFF's audit log, oldest first. Nobody seals them here.
func (s *site) recorded(t testing.TB) (events []audit.Event) {
	t.Helper()
	for _, entry := range mustScan(t, s.store, storage.AuditEvents) {
		var e audit.Event
		if err := json.Unmarshal([]byte(entry.Value.Line), &e); err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	return events
}

// awaitRecord waits for an event of a type, and returns the newest. reason, if it is not empty, is its reason or error.
func (s *site) awaitRecord(t *testing.T, what audit.Type, reason string) (found audit.Event) {
	t.Helper()
	blackbox.Until(t, string(what)+" "+reason, func() bool {
		for _, e := range s.recorded(t) {
			if e.Type == what && (reason == "" || e.Details["reason"] == reason || e.Details["error"] == reason) {
				found = e
			}
		}
		return found.Type != ""
	})
	return found
}

// TestAuditLog: each beginning and each end of a session is in the BFF's own audit log, with the ids by which the issuer's
// has it, and so are refusals that may be an attack. Nothing in it is a credential.
func TestAuditLog(t *testing.T) {
	t.Parallel()
	opened := make(chan *http.Request, 10)
	s := start(t, options{server: authz.Config{Operator: &operator.Config{}}, bff: echoing(t, opened)})
	s.awaitFeed(t)
	alice := blackbox.AliceID(t, s.issuer)
	b := s.browser(t)
	b.signIn("/")
	first := s.awaitRecord(t, audit.SignedIn, "")
	id := websession.Hash(b.sessionCookie().Value)
	if first.UserID != alice || first.Actor != (audit.Actor{Kind: audit.ByUser, ID: alice}) || first.ClientID != clientID || first.GrantID == "" || first.SessionID == "" ||
		first.Remote != "127.0.0.1" || first.RequestID == "" || first.Outcome != audit.Success ||
		first.Details["frontend"] != "orders" || first.Details["method"] != "bff" || first.Details["session"] != id {
		t.Errorf("%+v", first)
	}

	b.signIn("/")
	if e := s.awaitRecord(t, audit.SessionEnded, "another_sign_in"); e.Details["session"] != id || e.Actor.ID != alice || e.GrantID != first.GrantID {
		t.Errorf("%+v", e)
	}

	if _, _, err := b.socketWith("/ws/room", strings.Repeat("A", 43)); err == nil {
		t.Fatal("a made-up ticket has opened a socket")
	}
	if e := s.awaitRecord(t, audit.TicketRefused, ""); e.Outcome != audit.Denied || e.UserID != alice || e.Details["frontend"] != "orders" {
		t.Errorf("%+v", e)
	}

	foreign := b.request(http.MethodPost, "/bff/logout", "")
	foreign.Header.Set("Sec-Fetch-Site", "cross-site")
	b.send(foreign, false)
	if e := s.awaitRecord(t, audit.Refused, "foreign_request"); e.Outcome != audit.Denied || e.Details["endpoint"] != "bff_logout" || e.Actor.Kind != audit.Anonymous {
		t.Errorf("%+v", e)
	}

	b.call(http.MethodPost, "/bff/logout")
	if e := s.awaitRecord(t, audit.SignedOut, ""); e.UserID != alice || e.Actor.ID != alice || e.SessionID == "" {
		t.Errorf("%+v", e)
	}

	b.signInAttempt(t, "another code", func(callback url.Values) { callback.Set("code", "azc_another") })
	if e := s.awaitRecord(t, audit.SignInFailed, "sign_in_failed"); e.Outcome != audit.Failure || e.Details["method"] != "bff" || e.UserID != "" || e.ClientID != clientID {
		t.Errorf("%+v", e)
	}
	stolen := b.consent(b.begin("/", ""))
	if got := s.browser(t).follow(stolen); got.StatusCode != http.StatusBadRequest {
		t.Errorf("a callback in another browser: %d", got.StatusCode)
	}
	s.awaitRecord(t, audit.SignInFailed, "sign_in_lost")

	r := b.request(http.MethodPost, "/bff/backchannel", url.Values{"logout_token": {"a.b.c"}}.Encode())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if got := b.send(r, true); got.StatusCode != http.StatusBadRequest {
		t.Errorf("a made-up logout token: %d", got.StatusCode)
	}
	if e := s.awaitRecord(t, audit.Refused, "invalid_request"); e.Details["endpoint"] != "bff_backchannel" {
		t.Errorf("%+v", e)
	}

	b.signIn("/")
	s.operate(t, http.MethodDelete, "/v1/grants/"+s.awaitRecord(t, audit.SignedIn, "").GrantID, "")
	blackbox.Until(t, "the feed has ended the session", func() bool { return !b.active() })
	if e := s.awaitRecord(t, audit.SessionEnded, "revocation_feed"); e.Actor.Kind != audit.ByServer || e.UserID != alice {
		t.Errorf("%+v", e)
	}

	begun, ended := 0, 0
	for _, e := range s.recorded(t) {
		switch e.Type {
		case audit.SignedIn:
			begun++
		case audit.SignedOut, audit.SessionEnded:
			ended++
		}
		line := fmt.Sprint(e)
		for _, secret := range []string{"azc_", "azr_", "eyJ", "AAAAAAAAAA", "alice@"} {
			if strings.Contains(line, secret) {
				t.Errorf("%s has a credential or a name: %s", e.Type, line)
			}
		}
	}
	if begun != 3 || ended != 3 {
		t.Errorf("%d sign-ins and %d ends", begun, ended)
	}
}

// TestAuditLogOfGate: a key of the gate is recorded with the Apply that announces it, and so is a hand-over code in the
// wrong browser.
func TestAuditLogOfGate(t *testing.T) {
	t.Parallel()
	s, _ := startGate(t)
	if e := s.awaitRecord(t, audit.KeyRotated, ""); e.Details["kid"] == "" || e.Details["alg"] == "" || e.Actor.Kind != audit.ByServer {
		t.Errorf("%+v", e)
	}
	b := s.browser(t)
	r := b.request(http.MethodGet, "/gate/enter?code=made-up&tx=made-up", "")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	if got := b.at(strings.TrimPrefix(wiki, "https://"), r, map[string]*http.Cookie{}); got.StatusCode != http.StatusBadRequest {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	if e := s.awaitRecord(t, audit.Refused, "no_transaction"); e.Outcome != audit.Denied || e.Details["endpoint"] != "gate_enter" {
		t.Errorf("%+v", e)
	}
}

// TestRecordOfSignIn: the issuer's audit log has each sign-in with the client of the BFF, and its end. The log of the BFF
// says whether a sign-in arrived, and why not.
func TestRecordOfSignIn(t *testing.T) {
	t.Parallel()
	s := start(t, options{server: authz.Config{Operator: &operator.Config{}}})
	b := s.browser(t)
	b.signIn("/")
	location, _ := b.call(http.MethodPost, "/bff/logout").json(t)["location"].(string)
	b.idp.Get(t, location)
	b.signInAttempt(t, "another code", func(callback url.Values) { callback.Set("code", "azc_another") })

	alice := blackbox.AliceID(t, s.issuer)
	events := func(query string) string {
		w := httptest.NewRecorder()
		s.issuer.AdminSocket().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost/v1/audit/events"+query, nil))
		if w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		return w.Body.String()
	}
	for _, want := range []string{"user.signed_in", "grant.issued", "grant.revoked", "user.signed_out"} {
		blackbox.Until(t, want+" is recorded", func() bool { return strings.Contains(events("?type="+want), `"`+want+`"`) })
	}
	if all := events("?page_size=500"); !strings.Contains(all, `"client_id":"`+clientID+`"`) || !strings.Contains(all, alice) {
		t.Errorf("%s", all)
	}
	log := s.log.String()
	for _, want := range []string{"route=bff_callback", "frontend=orders", "client_id=" + clientID, "sub=" + alice, "login_outcome=success", "login_outcome=failure", "error=sign_in_failed", "route=bff_logout"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s", want)
		}
	}
	if strings.Contains(log, "azc_") {
		t.Error("the log has a code")
	}
}
