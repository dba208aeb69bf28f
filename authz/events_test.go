package authz_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/operator"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// awaitEvents waits until there are n events of a type, which those that change nothing take a second for.
func awaitEvents(t *testing.T, store storage.Store, what audit.Type, n int) (events []audit.Event) {
	t.Helper()
	awaitTrue(t, fmt.Sprintf("there are %d events of type %s", n, what), func() bool {
		events = nil
		for _, line := range blackbox.AuditLines(t, store) {
			var e audit.Event
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			if e.Type == what && !slices.ContainsFunc(events, func(seen audit.Event) bool { return seen.ID == e.ID }) {
				events = append(events, e)
			}
		}
		return len(events) >= n
	})
	return events
}

// awaitTrue waits until something is true.
func awaitTrue(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline, tick := time.After(2*time.Minute), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited for: %s", what)
		}
	}
}

// TestAuditEvents follows a user, and what is told of them.
func TestAuditEvents(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	created := awaitEvents(t, s.Store, audit.UserCreated, 1)[0]
	if key := awaitEvents(t, s.Store, audit.KeyRotated, 1)[0]; key.Details["kid"] == "" || key.Actor.Kind != audit.ByServer {
		t.Errorf("key: %+v", key)
	}
	b := s.NewBrowser(t)
	tokens := s.Token(t, authztest.ThirdParty, "", authztest.CodeForm(b.Code(t, authztest.ThirdParty, nil)))

	signedIn := awaitEvents(t, s.Store, audit.SignedIn, 1)[0]
	if signedIn.UserID != created.UserID || signedIn.SessionID == "" || signedIn.Actor != (audit.Actor{Kind: audit.ByUser, ID: created.UserID}) ||
		signedIn.Details["method"] != "password" || signedIn.Remote != "127.0.0.1" || signedIn.RequestID == "" {
		t.Errorf("sign-in: %+v", signedIn)
	}
	consent := awaitEvents(t, s.Store, audit.ConsentGiven, 1)[0]
	if consent.ClientID != authztest.ThirdParty || consent.UserID != created.UserID || !strings.Contains(consent.Details["scope"], "openid") {
		t.Errorf("consent: %+v", consent)
	}
	issued := awaitEvents(t, s.Store, audit.GrantIssued, 1)[0]
	if issued.ClientID != authztest.ThirdParty || issued.UserID != created.UserID || issued.GrantID == "" || issued.SessionID != signedIn.SessionID ||
		issued.Details["grant_type"] != "authorization_code" {
		t.Errorf("grant: %+v", issued)
	}

	// Refreshes are not told of; a second use of a refresh token is, once it is no retry.
	second := s.Token(t, authztest.ThirdParty, "", authztest.RefreshForm(tokens.RefreshToken))
	s.Token(t, authztest.ThirdParty, "", authztest.RefreshForm(second.RefreshToken))
	stolen := authztest.RefreshForm(tokens.RefreshToken)
	stolen.Set("client_id", authztest.ThirdParty)
	s.PostForm(t, "/token", stolen, nil)
	reused := awaitEvents(t, s.Store, audit.RefreshReused, 1)[0]
	if reused.Outcome != audit.Alarm || reused.GrantID != issued.GrantID || reused.UserID != created.UserID {
		t.Errorf("reuse: %+v", reused)
	}
	if grant, _, err := storage.Grants.Get(t.Context(), s.Store, issued.GrantID); err != nil || grant.RevokedAt == nil {
		t.Errorf("the grant lives: %v", err)
	}
	refused := awaitEvents(t, s.Store, audit.Refused, 1)[0]
	if refused.Details["error"] != "invalid_grant" || refused.Details["endpoint"] != "token" || refused.ClientID != authztest.ThirdParty || refused.Outcome != audit.Denied {
		t.Errorf("refusal: %+v", refused)
	}

	// A token without a grant, and a client that revokes.
	s.Token(t, authztest.Worker, authztest.Secret, url.Values{"grant_type": {"client_credentials"}})
	if token := awaitEvents(t, s.Store, audit.TokenIssued, 1)[0]; token.ClientID != authztest.Worker || token.Details["grant_type"] != "client_credentials" {
		t.Errorf("token: %+v", token)
	}
	third := s.Token(t, authztest.SPA, "", authztest.CodeForm(b.Code(t, authztest.SPA, nil)))
	s.PostForm(t, "/revoke", url.Values{"client_id": {authztest.SPA}, "token": {third.RefreshToken}}, nil)
	if revoked := awaitEvents(t, s.Store, audit.GrantRevoked, 1)[0]; revoked.ClientID != authztest.SPA || revoked.Actor.ID != authztest.SPA || revoked.UserID != created.UserID {
		t.Errorf("revocation: %+v", revoked)
	}

	// Signing out.
	page := b.Do(t, mustRequest(t, http.MethodGet, s.URL+"/logout"))
	b.Do(t, page.Submit(t, "logout-confirm", nil))
	if out := awaitEvents(t, s.Store, audit.SignedOut, 1)[0]; out.UserID != created.UserID || out.SessionID != signedIn.SessionID {
		t.Errorf("sign-out: %+v", out)
	}

	all := strings.Join(blackbox.AuditLines(t, s.Store), "\n")
	for _, private := range []string{tokens.RefreshToken, tokens.AccessToken, tokens.IDToken, second.RefreshToken, authztest.Secret, authztest.Password, "alice", "Liddell"} {
		if strings.Contains(strings.ToLower(all), strings.ToLower(private)) {
			t.Errorf("the audit log has %q", private)
		}
	}
}

func mustRequest(t *testing.T, method, target string) *http.Request {
	t.Helper()
	request, err := http.NewRequest(method, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	return request
}

// TestAuditOfFailedSignIns: the log says whose password it was not, and nobody else is told.
func TestAuditOfFailedSignIns(t *testing.T) {
	t.Parallel()
	log := new(blackbox.Logbook)
	s := authztest.Start(t, authz.Config{Logger: slog.New(slog.NewJSONHandler(log, nil))}, nil)
	userID := awaitEvents(t, s.Store, audit.UserCreated, 1)[0].UserID
	b := s.NewBrowser(t)
	for _, username := range []string{authztest.Username, "nobody"} {
		page := b.Do(t, mustRequest(t, http.MethodGet, s.URL+"/login"))
		b.Do(t, page.Submit(t, "login-submit", url.Values{"username": {username}, "password": {"wrong horse"}}))
	}
	failed := awaitEvents(t, s.Store, audit.SignInFailed, 2)
	if failed[0].UserID != userID || failed[1].UserID != "" {
		t.Errorf("users %q and %q, want %q and none", failed[0].UserID, failed[1].UserID, userID)
	}
	reasons := []string{"wrong_password", "no_such_user"}
	for i, e := range failed {
		if e.Outcome != audit.Failure || e.Actor.Kind != audit.Anonymous || e.Details["reason"] != reasons[i] || e.Remote == "" {
			t.Errorf("%+v", e)
		}
	}
	if all := strings.Join(blackbox.AuditLines(t, s.Store), "\n"); strings.Contains(all, "wrong horse") || strings.Contains(all, "nobody") {
		t.Error("the audit log has what was typed in")
	}
	all := log.String()
	for _, want := range []string{`"sub":"` + userID + `","login_method":"password","login_outcome":"failure","login_reason":"wrong_password"`, `"login_reason":"no_such_user"`} {
		if !strings.Contains(all, want) {
			t.Errorf("the log lacks %s", want)
		}
	}
	if strings.Contains(all, "wrong horse") || strings.Contains(all, "nobody") {
		t.Error("the log has what was typed in")
	}
}

// TestAuditOfSecrets: a new server secret is told of once, and the log that was sealed under the earlier
// one is still whole under it.
func TestAuditOfSecrets(t *testing.T) {
	t.Parallel()
	first, second := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	secret := func(raw ...[]byte) *keys.Secret {
		s, err := keys.NewSecret(raw...)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	store, err := bolt.Open(filepath.Join(t.TempDir(), "authzd.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	for i, current := range []*keys.Secret{secret(first), secret(second, first), secret(second, first), secret(second)} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			s := authztest.Start(t, authz.Config{Store: store, Secret: current, Operator: &operator.Config{}}, nil)
			s.SignIn(t, authztest.SPA, "", nil)
			awaitSealed(t, store)
			var report admin.AuditReport
			recorder := atSocket(s, http.MethodGet, "/v1/audit/verify")
			if err := json.Unmarshal(recorder.Body.Bytes(), &report); err != nil || len(report.Problems) > 0 || report.Events == 0 {
				t.Errorf("%s, %v", recorder.Body, err)
			}
		})
	}
	if rotated := awaitEvents(t, store, audit.SecretRotated, 1); len(rotated) != 1 || rotated[0].Details["secret"] != secret(second).ID() {
		t.Errorf("%+v", rotated)
	}
}
