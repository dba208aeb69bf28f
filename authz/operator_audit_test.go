package authz_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/operator"
	"github.com/authzd/authzd/storage"
)

// atSocket asks the admin API as whoever may open its socket.
func atSocket(s *authztest.Server, method, target string) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	s.AdminSocket().ServeHTTP(recorder, httptest.NewRequest(method, "http://localhost"+target, nil))
	return recorder
}

func TestAuditAPIRefusals(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{Operator: &operator.Config{}}, nil)
	for target, want := range map[string]string{
		"/v1/audit/events?since=yesterday":                  "400 invalid_request",
		"/v1/audit/events?until=2026-13-01T00:00:00Z":       "400 invalid_request",
		"/v1/audit/events?since=2026-01-01&since=2026-01-1": "400 invalid_request",
		"/v1/audit/events?no_such_parameter=1":              "400 invalid_request",
		"/v1/audit/events?page_token=MTIuMw":                "400 invalid_page_token",
		"/v1/audit/events?page_size=1000000":                "400 invalid_request",
		"/v1/audit/verify?after=-1":                         "400 invalid_request",
		"/v1/audit/verify?after=x":                          "400 invalid_request",
		"/v1/audit/verify?pin=12":                           "400 invalid_request",
		"/v1/audit/verify?pin=x:y":                          "400 invalid_request",
		"/v1/audit/verify?pin=0:y":                          "400 invalid_request",
		"/v1/audit/export?since=x":                          "400 invalid_request",
	} {
		recorder := atSocket(s, http.MethodGet, target)
		var problem admin.Problem
		if err := json.Unmarshal(recorder.Body.Bytes(), &problem); err != nil || fmt.Sprint(recorder.Code, " ", problem.Code) != want {
			t.Errorf("%s: %d %s, %v, want %s", target, recorder.Code, recorder.Body, err, want)
		}
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
		for _, path := range []string{"events", "verify", "export"} {
			if recorder := atSocket(s, method, "/v1/audit/"+path); recorder.Code != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: %d", method, path, recorder.Code)
			}
		}
	}
	listener := httptest.NewRecorder()
	s.AdminListener().ServeHTTP(listener, httptest.NewRequest(http.MethodGet, "http://localhost/v1/audit/export", nil))
	if strings.Contains(listener.Body.String(), string(audit.KeyRotated)) || listener.Code < 400 {
		t.Errorf("without a token: %d %s", listener.Code, listener.Body)
	}
}

// TestAuditAPI pages through the log, and gets it as a file that verifies.
func TestAuditAPI(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{Operator: &operator.Config{}}, nil)
	for range 5 {
		s.SignIn(t, authztest.SPA, "", nil)
	}
	awaitSealed(t, s.Store)
	seen := map[string]bool{}
	for token := ""; ; {
		recorder := atSocket(s, http.MethodGet, "/v1/audit/events?type=grant.&page_size=2&page_token="+url.QueryEscape(token))
		var page admin.Page[admin.AuditEvent]
		if err := json.Unmarshal(recorder.Body.Bytes(), &page); err != nil || recorder.Code != http.StatusOK || len(page.Items) > 2 {
			t.Fatalf("%d %s, %v", recorder.Code, recorder.Body, err)
		}
		for _, e := range page.Items {
			if seen[e.ID] || e.Type != string(audit.GrantIssued) {
				t.Errorf("%+v", e)
			}
			seen[e.ID] = true
		}
		if token = page.NextPageToken; token == "" {
			break
		}
	}
	if len(seen) != 5 {
		t.Errorf("%d grants are listed", len(seen))
	}
	file := atSocket(s, http.MethodGet, "/v1/audit/export")
	report, err := audit.VerifyExport(file.Body, nil)
	if err != nil || len(report.Problems) > 0 || report.Events < 10 || file.Header().Get("Content-Type") != "application/jsonl" {
		t.Errorf("%+v, %v", report, err)
	}
	var verified admin.AuditReport
	recorder := atSocket(s, http.MethodGet, fmt.Sprintf("/v1/audit/verify?pin=%d:%s", report.Last.Number, report.Last.Hash))
	if err := json.Unmarshal(recorder.Body.Bytes(), &verified); err != nil || len(verified.Problems) > 0 || verified.Blocks < report.Blocks {
		t.Errorf("%s, %v", recorder.Body, err)
	}
	if how := awaitEvents(t, s.Store, audit.Disclosed, 2); how[0].Actor.Kind != audit.ByOperator {
		t.Errorf("%+v", how)
	}
}

// awaitSealed waits until nothing waits to be sealed.
func awaitSealed(t *testing.T, store storage.Store) {
	t.Helper()
	awaitTrue(t, "all events are sealed", func() bool {
		waiting, err := storage.AuditEvents.Scan(t.Context(), store, "", "", 1)
		if err != nil {
			t.Fatal(err)
		}
		return len(waiting) == 0
	})
}
