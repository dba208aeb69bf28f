package main

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/mail/mailtest"
	"github.com/authzd/authzd/storage"
)

// events are those that wait to be sealed: nobody seals in this test.
func (o *operated) events(t *testing.T) map[string]audit.Event {
	t.Helper()
	entries, err := storage.AuditEvents.Scan(t.Context(), o.store, "", "", 10_000)
	if err != nil {
		t.Fatal(err)
	}
	events := map[string]audit.Event{}
	for _, entry := range entries {
		var e audit.Event
		if err := json.Unmarshal([]byte(entry.Value.Line), &e); err != nil {
			t.Fatal(err)
		}
		events[entry.Key] = e
	}
	return events
}

// TestEveryChangeIsAudited: each operation of the API that changes something leaves one event with it, which
// says who did what to whom, from where, and in which request; and who is refused leaves none of a change.
func TestEveryChangeIsAudited(t *testing.T) {
	o := operateWith(t, nil, mailConfig(mailtest.Start(t, mailtest.Config{PlainOnly: true}))+"\naccounts: {registration: invite}", "")
	token, _ := o.token(t, "operator", "the-operators-very-own-secret")
	alice, sid, gid := o.signedIn(t)
	made := o.at(t, "POST", "/v1/users", "application/json", `{"username":"carol"}`)
	var carol struct{ Sub string }
	if err := json.Unmarshal(made.body, &carol); err != nil || made.status != http.StatusCreated {
		t.Fatalf("%d %s", made.status, made.body)
	}
	untried := changingOperations(t, o)
	user := "/v1/users/" + carol.Sub
	identity := strings.TrimPrefix(storage.UserIdentityKey(carol.Sub, "https://corp.example.com 4711"), carol.Sub)
	for _, test := range []struct {
		operation, method, target, body string
		want                            audit.Event
	}{
		{"client_create", "POST", "/v1/clients", `{"client_id":"c","preset":"service"}`, audit.Event{Type: audit.ClientCreated, ClientID: "c"}},
		{"client_replace", "PUT", "/v1/clients/c", `{"preset":"service"}`, audit.Event{Type: audit.ClientUpdated, ClientID: "c"}},
		{"client_update", "PATCH", "/v1/clients/c", `{"client_name":"C"}`, audit.Event{Type: audit.ClientUpdated, ClientID: "c"}},
		{"client_rotate_secret", "POST", "/v1/clients/c/rotate-secret", `{}`, audit.Event{Type: audit.ClientSecretRotated, ClientID: "c"}},
		{"client_delete", "DELETE", "/v1/clients/c", "", audit.Event{Type: audit.ClientDeleted, ClientID: "c"}},
		{"user_create", "POST", "/v1/users", `{"username":"dave"}`, audit.Event{Type: audit.UserCreated}},
		{"user_replace", "PUT", user, `{"username":"carol","name":"C"}`, audit.Event{Type: audit.UserUpdated, UserID: carol.Sub}},
		{"user_update", "PATCH", user, `{"disabled":true}`, audit.Event{Type: audit.UserDisabled, UserID: carol.Sub}},
		{"user_update", "PATCH", user, `{"disabled":false}`, audit.Event{Type: audit.UserEnabled, UserID: carol.Sub}},
		{"user_set_password", "POST", user + "/set-password", `{"password":"some words of a song"}`, audit.Event{Type: audit.UserPasswordSet, UserID: carol.Sub}},
		{"user_invite", "POST", "/v1/invitations", `{"email":"dodo@example.org"}`, audit.Event{Type: audit.UserCreated}},
		{"user_send_link", "POST", "/v1/users/" + alice + "/send-link", "", audit.Event{Type: audit.ProofRequested, UserID: alice}},
		{"user_unlock", "POST", user + "/unlock", "", audit.Event{Type: audit.UserUnlocked, UserID: carol.Sub}},
		{"identity_link", "POST", user + "/identities", `{"connector":"corp","subject":"4711"}`, audit.Event{Type: audit.IdentityLinked, UserID: carol.Sub}},
		{"identity_unlink", "DELETE", user + "/identities" + identity, "", audit.Event{Type: audit.IdentityUnlinked, UserID: carol.Sub}},
		{"network_forget", "DELETE", user + "/trusted-networks", "", audit.Event{Type: audit.NetworksForgotten, UserID: carol.Sub}},
		{"device_forget", "DELETE", user + "/devices", "", audit.Event{Type: audit.DevicesForgotten, UserID: carol.Sub}},
		{"user_end_sessions", "POST", user + "/end-sessions", "", audit.Event{Type: audit.SignedOut, UserID: carol.Sub}},
		{"factor_reset", "DELETE", user + "/factors", "", audit.Event{Type: audit.FactorsReset, UserID: carol.Sub}},
		{"user_delete", "DELETE", user, "", audit.Event{Type: audit.UserDeleted, UserID: carol.Sub}},
		{"grant_revoke", "DELETE", "/v1/grants/" + gid, "", audit.Event{Type: audit.GrantRevoked, UserID: alice, GrantID: gid, ClientID: "web"}},
		{"session_revoke", "DELETE", "/v1/sessions/" + sid, "", audit.Event{Type: audit.SessionEnded, UserID: alice, SessionID: sid}},
		{"key_rotate", "POST", "/v1/keys/rotate", `{"alg":"ES256"}`, audit.Event{Type: audit.KeyRotated}},
		{"mail_test", "POST", "/v1/mail/test", `{"to":"alice@example.com"}`, audit.Event{Type: audit.MailTested}},
		{"store_compact", "POST", "/v1/store/compact", "", audit.Event{Type: audit.StoreCompact}},
		{"backup", "GET", "/v1/backup", "", audit.Event{Type: audit.BackupTaken}},
	} {
		delete(untried, test.operation)
		contentType, before := "application/json", o.events(t)
		if test.method == "PATCH" {
			contentType = "application/merge-patch+json"
		}
		if a := o.over(t, test.method, test.target, contentType, test.body, "If-Match", "*"); a.status != http.StatusUnauthorized {
			t.Fatalf("%s without a token: %d %s", test.operation, a.status, a.body)
		}
		if after := o.events(t); len(after) != len(before) {
			t.Errorf("%s was refused and has left an event of a change", test.operation)
		}
		a := o.over(t, test.method, test.target, contentType, test.body, "Authorization", "Bearer "+token, "If-Match", "*")
		if a.status >= 300 {
			t.Fatalf("%s: %d %s", test.operation, a.status, a.body)
		}
		after := o.events(t)
		maps.DeleteFunc(after, func(id string, _ audit.Event) bool { _, old := before[id]; return old })
		if len(after) != 1 {
			t.Errorf("%s has left %d events", test.operation, len(after))
		}
		for _, e := range after {
			about := audit.Event{Type: e.Type, ClientID: e.ClientID, UserID: e.UserID, GrantID: e.GrantID, SessionID: e.SessionID}
			if test.operation == "user_create" || test.operation == "user_invite" {
				test.want.UserID = e.UserID
			}
			if about.Type != test.want.Type || about.ClientID != test.want.ClientID || about.UserID != test.want.UserID ||
				about.GrantID != test.want.GrantID || about.SessionID != test.want.SessionID {
				t.Errorf("%s: the event is of %+v, want %+v", test.operation, about, test.want)
			}
			if e.Actor != (audit.Actor{Kind: audit.ByOperator, ID: "operator"}) || e.Remote != "127.0.0.1" || e.Outcome != audit.Success ||
				e.RequestID == "" || e.RequestID != a.header.Get("X-Request-Id") {
				t.Errorf("%s: %+v, request %s", test.operation, e, a.header.Get("X-Request-Id"))
			}
		}
	}
	if len(untried) > 0 {
		t.Errorf("nobody knows whether these are audited: %v", slices.Sorted(maps.Keys(untried)))
	}

	// At the socket it is the process that has done it.
	before := o.events(t)
	o.at(t, "POST", "/v1/users", "application/json", `{"username":"erin"}`)
	for id, e := range o.events(t) {
		if _, old := before[id]; !old && (e.Actor.Kind != audit.ByOperator || !strings.HasPrefix(e.Actor.ID, "uid:")) {
			t.Errorf("at the socket: %+v", e)
		}
	}
}

// changingOperations are all but those that only read, by their ids.
func changingOperations(t *testing.T, o *operated) map[string]bool {
	t.Helper()
	var document struct {
		Paths map[string]map[string]struct {
			OperationID string `json:"operationId"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(o.at(t, "GET", "/openapi.json", "", "").body, &document); err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, operations := range document.Paths {
		for method, operation := range operations {
			if method != "get" {
				found[operation.OperationID] = true
			}
		}
	}
	if len(found) < 10 {
		t.Fatalf("%d operations", len(found))
	}
	return found
}
