package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"

	"github.com/authzd/authzd/authz/mail/mailtest"
)

// described sends requests that the OpenAPI document must allow, and looks whether it foresees the answers.
type described struct {
	*operated
	validator validator.Validator
	succeeded map[string]bool // method and pattern
	refused   map[string]bool
}

func describe(t *testing.T, o *operated) *described {
	t.Helper()
	body := o.at(t, "GET", "/openapi.json", "", "").body
	document, err := libopenapi.NewDocument(body)
	if err != nil {
		t.Fatal(err)
	}
	v, errs := validator.NewValidator(document)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if ok, errs := v.ValidateDocument(); !ok {
		t.Fatalf("the document is no OpenAPI: %v", errs)
	}
	return &described{o, v, map[string]bool{}, map[string]bool{}}
}

// call makes a request whose path is the pattern with these in place of its names, and decodes the answer.
func (d *described) call(t *testing.T, want int, method, pattern, target, body string, header ...string) map[string]any {
	t.Helper()
	contentType := ""
	if body != "" {
		contentType = "application/json"
	}
	if method == "PATCH" {
		contentType = "application/merge-patch+json"
	}
	a := d.at(t, method, target, contentType, body, header...)
	if a.status != want {
		t.Fatalf("%s %s: %d %s, want %d", method, target, a.status, a.body, want)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, "http://localhost"+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	if want < 300 {
		d.succeeded[method+" "+pattern] = true
		if ok, errs := d.validator.ValidateHttpRequest(request); !ok {
			t.Errorf("%s %s is not as described: %v", method, target, errs)
		}
	} else {
		d.refused[method+" "+pattern] = true
	}
	response := &http.Response{StatusCode: a.status, Header: a.header, Body: io.NopCloser(bytes.NewReader(a.body)), Request: request}
	if ok, errs := d.validator.ValidateHttpResponse(request, response); !ok {
		t.Errorf("%s %s: the answer is not as described: %v\n%s", method, target, errs, a.body)
	}
	decoded := map[string]any{}
	if strings.HasSuffix(a.header.Get("Content-Type"), "json") {
		if err := json.Unmarshal(a.body, &decoded); err != nil {
			t.Fatal(err)
		}
	}
	return decoded
}

// TestOpenAPI validates the document, and by it real requests and answers of every operation, refusals too.
func TestOpenAPI(t *testing.T) {
	o := operateWith(t, nil, mailConfig(mailtest.Start(t, mailtest.Config{PlainOnly: true}))+"\naccounts: {registration: invite}", "")
	d := describe(t, o)
	sub, sid, gid := o.signedIn(t)

	d.call(t, 200, "GET", "/v1/clients", "/v1/clients", "")
	d.call(t, 200, "GET", "/v1/clients", "/v1/clients?page_size=1", "")
	d.call(t, 400, "GET", "/v1/clients", "/v1/clients?page_token=AAAA", "")
	made := d.call(t, 201, "POST", "/v1/clients", "/v1/clients", `{"client_id":"c","preset":"web","redirect_uris":["https://c.example.com/cb"],"default_max_age":60}`)
	d.call(t, 409, "POST", "/v1/clients", "/v1/clients", `{"client_id":"c","preset":"service"}`)
	d.call(t, 422, "POST", "/v1/clients", "/v1/clients", `{"client_id":"e","preset":"spa"}`)
	one := "/v1/clients/{client_id}"
	d.call(t, 200, "GET", one, "/v1/clients/c", "")
	d.call(t, 200, "PUT", one, "/v1/clients/c", `{"preset":"service"}`, "If-Match", made["etag"].(string))
	d.call(t, 412, "PUT", one, "/v1/clients/c", `{"preset":"service"}`, "If-Match", made["etag"].(string))
	d.call(t, 200, "PATCH", one, "/v1/clients/c", `{"client_name":"C","policy_uri":null}`)
	d.call(t, 409, "PATCH", one, "/v1/clients/web", `{"client_name":"C"}`)
	d.call(t, 200, "POST", one+"/rotate-secret", "/v1/clients/c/rotate-secret", `{"overlap":"1h"}`)
	d.call(t, 409, "POST", one+"/rotate-secret", "/v1/clients/web/rotate-secret", `{}`)
	d.call(t, 204, "DELETE", one, "/v1/clients/c", "")
	d.call(t, 404, "DELETE", one, "/v1/clients/c", "")
	d.call(t, 404, "GET", one, "/v1/clients/c", "")

	d.call(t, 200, "GET", "/v1/users", "/v1/users?username=al", "")
	d.call(t, 400, "GET", "/v1/users", "/v1/users?page_token=AAAA", "")
	user := d.call(t, 201, "POST", "/v1/users", "/v1/users", `{"username":"carol","email":"carol@example.com","password":"a phrase to pass","address":{"locality":"Paris"},"roles":["r"]}`)
	d.call(t, 409, "POST", "/v1/users", "/v1/users", `{"username":"carol"}`)
	carol := "/v1/users/" + user["sub"].(string)
	one = "/v1/users/{sub}"
	d.call(t, 200, "GET", one, carol, "")
	d.call(t, 200, "PUT", one, carol, `{"username":"carol","name":"Carol"}`, "If-Match", user["etag"].(string))
	d.call(t, 428, "PUT", one, carol, `{"username":"carol"}`)
	d.call(t, 200, "PATCH", one, carol, `{"address":{"country":"France"},"name":null}`)
	d.call(t, 422, "PATCH", one, carol, `{"sub":"x","created_at":"x"}`)
	d.call(t, 204, "POST", one+"/set-password", carol+"/set-password", `{"password":"another one of some words","keep_sessions":true}`)
	d.call(t, 409, "POST", one+"/send-link", carol+"/send-link", "") // there is no address any more
	d.call(t, 201, "POST", "/v1/invitations", "/v1/invitations", `{"email":"dodo@example.org","name":"Dodo","roles":["bird"]}`)
	d.call(t, 409, "POST", "/v1/invitations", "/v1/invitations", `{"email":"Dodo@example.org"}`)
	d.call(t, 422, "POST", "/v1/invitations", "/v1/invitations", `{"email":"dodo"}`)
	d.call(t, 204, "POST", one+"/send-link", "/v1/users/"+sub+"/send-link", "")
	d.call(t, 200, "GET", "/v1/left-users", "/v1/left-users", "")
	d.call(t, 400, "GET", "/v1/left-users", "/v1/left-users?x=y", "")
	d.call(t, 204, "POST", one+"/unlock", carol+"/unlock", "")
	d.call(t, 422, "POST", one+"/set-password", carol+"/set-password", `{"password":""}`)
	d.call(t, 204, "POST", one+"/end-sessions", carol+"/end-sessions", "")
	d.call(t, 404, "POST", one+"/end-sessions", "/v1/users/nobody/end-sessions", "")
	d.call(t, 404, "POST", one+"/unlock", "/v1/users/nobody/unlock", "")
	identities, id := one+"/identities", `{"connector":"corp","subject":"4711"}`
	linked := d.call(t, 201, "POST", identities, carol+"/identities", id)
	d.call(t, 422, "POST", identities, carol+"/identities", `{"connector":"none","subject":""}`)
	d.call(t, 409, "POST", identities, "/v1/users/"+sub+"/identities", id)
	d.call(t, 200, "GET", identities, carol+"/identities", "")
	d.call(t, 404, "GET", identities, "/v1/users/nobody/identities", "")
	d.call(t, 204, "DELETE", identities+"/{identity}", carol+"/identities/"+linked["id"].(string), "")
	d.call(t, 404, "DELETE", identities+"/{identity}", carol+"/identities/"+linked["id"].(string), "")
	factors := one + "/factors"
	d.call(t, 200, "GET", factors, carol+"/factors", "")
	d.call(t, 404, "GET", factors, "/v1/users/nobody/factors", "")
	devices := one + "/devices"
	d.call(t, 200, "GET", devices, carol+"/devices", "")
	d.call(t, 404, "GET", devices, "/v1/users/nobody/devices", "")
	d.call(t, 204, "DELETE", devices, carol+"/devices", "")
	d.call(t, 404, "DELETE", devices, "/v1/users/nobody/devices", "")
	d.call(t, 204, "DELETE", factors, carol+"/factors?passkeys=true", "")
	d.call(t, 404, "DELETE", factors, "/v1/users/nobody/factors", "")
	networks := one + "/trusted-networks"
	d.call(t, 200, "GET", networks, carol+"/trusted-networks", "")
	d.call(t, 404, "GET", networks, "/v1/users/nobody/trusted-networks", "")
	d.call(t, 204, "DELETE", networks, carol+"/trusted-networks", "")
	d.call(t, 404, "DELETE", networks, "/v1/users/nobody/trusted-networks", "")
	d.call(t, 204, "DELETE", one, carol, "")
	d.call(t, 404, "DELETE", one, carol, "")
	d.call(t, 404, "GET", one, carol, "")

	d.call(t, 200, "GET", "/v1/grants", "/v1/grants?sub="+sub, "")
	d.call(t, 400, "GET", "/v1/grants", "/v1/grants?user=x", "")
	d.call(t, 200, "GET", "/v1/grants/{gid}", "/v1/grants/"+gid, "")
	d.call(t, 404, "GET", "/v1/grants/{gid}", "/v1/grants/none", "")
	d.call(t, 204, "DELETE", "/v1/grants/{gid}", "/v1/grants/"+gid, "")
	d.call(t, 404, "DELETE", "/v1/grants/{gid}", "/v1/grants/none", "")
	d.call(t, 200, "GET", "/v1/sessions", "/v1/sessions?sub="+sub, "")
	d.call(t, 400, "GET", "/v1/sessions", "/v1/sessions?page_size=0", "")
	d.call(t, 200, "GET", "/v1/sessions/{sid}", "/v1/sessions/"+sid, "")
	d.call(t, 404, "GET", "/v1/sessions/{sid}", "/v1/sessions/none", "")
	d.call(t, 204, "DELETE", "/v1/sessions/{sid}", "/v1/sessions/"+sid, "")
	d.call(t, 404, "DELETE", "/v1/sessions/{sid}", "/v1/sessions/"+sid, "")
	d.call(t, 200, "GET", "/v1/revocations", "/v1/revocations?sub="+sub+"&kind=grant&id="+gid+"&cause=grant.revoked", "")
	d.call(t, 400, "GET", "/v1/revocations", "/v1/revocations?kind=x", "")
	d.call(t, 200, "GET", "/v1/revocations/feed", "/v1/revocations/feed", "")
	d.call(t, 400, "GET", "/v1/revocations/feed", "/v1/revocations/feed?sub=x", "")
	d.call(t, 200, "GET", "/v1/keys", "/v1/keys", "")
	d.call(t, 400, "GET", "/v1/keys", "/v1/keys?x=y", "")
	d.call(t, 200, "POST", "/v1/keys/rotate", "/v1/keys/rotate", `{"alg":"ES256"}`)
	d.call(t, 422, "POST", "/v1/keys/rotate", "/v1/keys/rotate", `{"alg":"none"}`)

	d.call(t, 200, "GET", "/v1/deliveries", "/v1/deliveries?state=given_up", "")
	d.call(t, 400, "GET", "/v1/deliveries", "/v1/deliveries?state=lost", "")
	d.call(t, 200, "POST", "/v1/mail/test", "/v1/mail/test", `{"to":"alice@example.com"}`)
	d.call(t, 422, "POST", "/v1/mail/test", "/v1/mail/test", `{"to":"alice"}`)

	d.upkeep(t)
	d.complete(t)
}

// upkeep tries the operations of package upkeep.
func (d *described) upkeep(t *testing.T) {
	t.Helper()
	d.call(t, 200, "GET", "/v1/audit/events", "/v1/audit/events?page_size=5", "")
	d.call(t, 400, "GET", "/v1/audit/events", "/v1/audit/events?nonsense=1", "")
	d.call(t, 200, "GET", "/v1/audit/verify", "/v1/audit/verify", "")
	d.call(t, 400, "GET", "/v1/audit/verify", "/v1/audit/verify?nonsense=1", "")
	d.call(t, 200, "GET", "/v1/store", "/v1/store", "")
	d.call(t, 400, "GET", "/v1/store", "/v1/store?nonsense=1", "")
	d.call(t, 204, "POST", "/v1/store/compact", "/v1/store/compact", "")
	d.call(t, 409, "POST", "/v1/store/compact", "/v1/store/compact", "")
	d.call(t, 200, "GET", "/v1/backup", "/v1/backup", "")
	d.call(t, 400, "GET", "/v1/backup", "/v1/backup?nonsense=1", "")
	d.call(t, 200, "GET", "/v1/audit/export", "/v1/audit/export?since=2026-01-01T00:00:00Z", "")
	d.call(t, 400, "GET", "/v1/audit/export", "/v1/audit/export?since=yesterday", "")
}

// complete fails if an operation was not tried, with success and without.
func (d *described) complete(t *testing.T) {
	t.Helper()
	var document struct {
		Paths map[string]map[string]struct{} `json:"paths"`
	}
	if err := json.Unmarshal(d.at(t, "GET", "/openapi.json", "", "").body, &document); err != nil {
		t.Fatal(err)
	}
	for pattern, operations := range document.Paths {
		for method := range operations {
			at := strings.ToUpper(method) + " " + pattern
			if pattern == "/openapi.json" {
				continue
			}
			if !d.succeeded[at] || !d.refused[at] {
				t.Errorf("%s was not tried with success (%t) and without (%t)", at, d.succeeded[at], d.refused[at])
			}
		}
	}
}
