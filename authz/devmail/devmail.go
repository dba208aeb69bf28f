// Package devmail shows the mails that a development server keeps instead of sending them.
//
//	outbox -> mail.Box -> /dev/mail, /dev/mail/{id}, /dev/mail/{id}/html: pages; JSON for programs that accept it
//
// Everybody who reaches the server can read them, and use the links in them: there is no such page in production.
package devmail

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/gorilla/mux"

	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/pages"
	"github.com/authzd/authzd/templates"
)

// Mails shows the mails of a box.
type Mails struct {
	Box    *mail.Box
	Issuer oauth.Issuer
	Pages  *pages.Pages
}

// policy is that of the HTML part of a mail: it may look as it likes, and do nothing.
const policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox allow-top-navigation-by-user-activation"

// shown is a mail in JSON.
type shown struct {
	ID       string `json:"id"`
	To       string `json:"to"`
	Message  string `json:"message"` // such as reset_password
	Language string `json:"language"`
	Date     string `json:"date"`
	Subject  string `json:"subject"`
	Text     string `json:"text"`
	Link     string `json:"link,omitempty"`
	Code     string `json:"code,omitempty"`
}

// List shows all mails, the newest first.
func (d *Mails) List(w http.ResponseWriter, r *http.Request) error {
	mails := d.Box.Mails()
	if wantsJSON(r) {
		list := []shown{}
		for _, m := range mails {
			list = append(list, show(m))
		}
		return writeJSON(w, list)
	}
	page := templates.DevMails{}
	for _, m := range mails {
		page.Mails = append(page.Mails, d.page(m))
	}
	return d.Pages.Renderer.Render(w, r, http.StatusOK, page)
}

// Show shows one mail.
func (d *Mails) Show(w http.ResponseWriter, r *http.Request) error {
	m := d.find(r)
	switch {
	case m == nil:
		return oauth.ErrNotFound
	case wantsJSON(r):
		return writeJSON(w, show(m))
	}
	return d.Pages.Renderer.Render(w, r, http.StatusOK, d.page(m))
}

// HTML shows the HTML part of a mail.
func (d *Mails) HTML(w http.ResponseWriter, r *http.Request) error {
	m := d.find(r)
	if m == nil {
		return oauth.ErrNotFound
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", policy)
	_, _ = w.Write([]byte(withPictures(m))) // the client may have gone
	return nil
}

// withPictures returns the HTML part with the pictures that the mail carries in place of the references to them.
func withPictures(m *mail.Mail) string {
	html := m.HTML
	for _, p := range m.Pictures {
		html = strings.ReplaceAll(html, "cid:"+p.ID, "data:"+p.ContentType+";base64,"+base64.StdEncoding.EncodeToString(p.Content))
	}
	return html
}

func (d *Mails) find(r *http.Request) *mail.Mail {
	for _, m := range d.Box.Mails() {
		if idOf(m) == mux.Vars(r)["mail"] {
			return m
		}
	}
	return nil
}

func (d *Mails) page(m *mail.Mail) templates.DevMail {
	url := d.Issuer.Path + "/dev/mail"
	return templates.DevMail{
		URL: url + "/" + idOf(m), ListURL: url, HTMLURL: url + "/" + idOf(m) + "/html",
		To: m.To.Address, Subject: m.Subject, Date: m.Date, Text: m.Text, Link: m.Link, Code: m.Code,
	}
}

// idOf returns the left part of the Message-ID, which is safe in a URL.
func idOf(m *mail.Mail) string {
	id, _, _ := strings.Cut(m.ID, "@")
	return id
}

func show(m *mail.Mail) shown {
	return shown{
		ID: idOf(m), To: m.To.Address, Message: m.Message, Language: m.Language, Date: m.Date.Format("2006-01-02T15:04:05Z07:00"),
		Subject: m.Subject, Text: m.Text, Link: m.Link, Code: m.Code,
	}
}

func wantsJSON(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Accept"), "application/json")
}

func writeJSON(w http.ResponseWriter, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // the client may have gone
	return nil
}
