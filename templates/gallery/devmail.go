package gallery

import (
	"time"

	"github.com/authzd/authzd/templates"
)

func devMailPages() map[string]templates.Page {
	mail := templates.DevMail{
		URL: "/dev/mail/x", ListURL: "/dev/mail", HTMLURL: "/dev/mail/x/html", To: "alice@example.com", Subject: "Choose a new password for authzd",
		Date: time.Date(2026, 11, 29, 22, 5, 0, 0, time.UTC), Text: "Choose a new password\n\nhttps://id.example.com/reset\n", Link: "/reset", Code: "12345678",
	}
	return map[string]templates.Page{
		"mails of development":    templates.DevMails{Mails: []templates.DevMail{mail}},
		"no mails of development": templates.DevMails{},
		"mail of development":     mail,
	}
}
