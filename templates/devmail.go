package templates

import "time"

// DevMails is the list of mails that a development server has kept instead of sending them.
type DevMails struct {
	UILocales string
	Mails     []DevMail // the newest first
}

// DevMail is one of these mails.
type DevMail struct {
	UILocales string
	URL       string // of its page
	To        string
	Subject   string
	Date      time.Time

	// Only on its page.
	ListURL, HTMLURL string
	Text             string
	Link, Code       string // of the mail; empty: it has none
}

func (p DevMails) meta() meta { return meta{template: "dev-mails", uiLocales: p.UILocales} }

func (p DevMail) meta() meta { return meta{template: "dev-mail", uiLocales: p.UILocales} }
