package devmail_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/mux"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/devmail"
	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/templates"
)

// get is an answer to a GET.
func get(t *testing.T, url, accept string) (status int, header http.Header, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", accept)
	request.Header.Set("Origin", "https://evil.example")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(raw)
}

func sendTo(t *testing.T, box *mail.Box, issuer string) {
	t.Helper()
	office, err := mail.New(mail.Config{Issuer: issuer, From: "id@example.com", Transport: box})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := office.Send(t.Context(), mail.Envelope{ID: "a-_1", At: time.Now(), To: mail.Recipient{Address: "alice@example.com"}},
		mail.ResetPassword{Proof: mail.Proof{Link: "/reset?token=abc", Until: time.Now(), Code: "12345678", CodeUntil: time.Now()}}); err != nil {
		t.Fatal(err)
	}
}

// In development the mails are on pages, for people, and in JSON, for tests.
func TestDevMail(t *testing.T) {
	t.Parallel()
	box := &mail.Box{}
	s := authztest.Start(t, authz.Config{Dev: true, Mail: authz.Mail{From: "id@example.com", Transport: box}}, nil)
	if status, _, body := get(t, s.URL+"/dev/mail", "text/html"); status != http.StatusOK || !strings.Contains(body, `id="no-mails"`) {
		t.Errorf("no mails: %d\n%s", status, body)
	}
	sendTo(t, box, s.URL)
	_, _, body := get(t, s.URL+"/dev/mail", "text/html")
	if !strings.Contains(body, `href="/dev/mail/a-_1"`) || !strings.Contains(body, "alice@example.com") {
		t.Errorf("list:\n%s", body)
	}
	_, _, body = get(t, s.URL+"/dev/mail/a-_1", "text/html")
	for _, want := range []string{`href="` + s.URL + `/reset?token=abc"`, ">12345678<", `href="/dev/mail/a-_1/html"`} {
		if !strings.Contains(body, want) {
			t.Errorf("the mail lacks %s:\n%s", want, body)
		}
	}
	_, header, body := get(t, s.URL+"/dev/mail/a-_1/html", "text/html")
	if policy := header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "sandbox") || !strings.Contains(body, ">12345678<") {
		t.Errorf("HTML with %s:\n%s", policy, body)
	}
	_, header, body = get(t, s.URL+"/dev/mail", "application/json")
	var mails []struct{ ID, To, Message, Link, Code string }
	if err := json.Unmarshal([]byte(body), &mails); err != nil || len(mails) != 1 || mails[0].Link != s.URL+"/reset?token=abc" || mails[0].Code != "12345678" || mails[0].Message != "reset_password" {
		t.Errorf("%s, %v", body, err)
	}
	if header.Get("Access-Control-Allow-Origin") != "" || header.Get("Cache-Control") != "no-store" { // no other site reads it
		t.Errorf("headers %v", header)
	}
	for _, path := range []string{"/dev/mail/unknown", "/dev/mail/unknown/html", "/dev/mail/a-_1/text", "/dev"} {
		if status, _, _ := get(t, s.URL+path, "text/html"); status != http.StatusNotFound {
			t.Errorf("%s: %d", path, status)
		}
	}
}

// The HTML of a mail shows the logo that the mail carries, and the page may load nothing.
func TestDevMailLogo(t *testing.T) {
	box := &mail.Box{}
	logo := filepath.Join(t.TempDir(), "logo.gif")
	if err := os.WriteFile(logo, []byte("GIF89a..."), 0o600); err != nil {
		t.Fatal(err)
	}
	office, err := mail.New(mail.Config{Issuer: "http://localhost:9010", From: "id@example.com", Transport: box, Branding: templates.Branding{Name: "Example", LogoFile: logo}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := office.Send(t.Context(), mail.Envelope{ID: "a", At: time.Now(), To: mail.Recipient{Address: "alice@example.com"}}, mail.Test{}); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	shown := &devmail.Mails{Box: box}
	if err := shown.HTML(w, mux.SetURLVars(httptest.NewRequest(http.MethodGet, "/dev/mail/a/html", nil), map[string]string{"mail": "a"})); err != nil {
		t.Fatal(err)
	}
	body, policy := w.Body.String(), w.Header().Get("Content-Security-Policy")
	if !strings.Contains(body, `<img src="data:image/gif;base64,R0lGODlhLi4u" alt="Example" height="32">`) || strings.Contains(body, "cid:") || !strings.Contains(policy, "img-src data:;") {
		t.Errorf("%s\n%s", policy, body)
	}
}

// In production there is no such page, by SMTP as by a Box.
func TestNoDevMailInProduction(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]authz.Config{
		"a box":           {Mail: authz.Mail{From: "id@example.com", Transport: &mail.Box{}}},
		"no mail":         {},
		"no mail, in dev": {Dev: true},
	} {
		s := authztest.Start(t, c, nil)
		if status, _, _ := get(t, s.URL+"/dev/mail", "application/json"); status != http.StatusNotFound {
			t.Errorf("%s: %d", name, status)
		}
	}
}
