package templates

import (
	"cmp"
	"errors"
	"html/template"
)

// Error explains why a request failed. The element error-code has the status and the code.
type Error struct {
	UILocales string
	Code      string
	Reason    string       // selects the sentence if the code is not specific enough; empty: the code
	Client    *Client      // nil: no link back
	BackURL   string       // of the client: http, https or a private-use scheme
	Answer    *Answer      // instead of BackURL: the answer that the link carries to Client
	AgainURL  string       // of this server, where the sign-in begins again; empty: no link
	Detail    *ErrorDetail // development only; nil: one plain sentence
}

func (p Error) meta() meta {
	m := meta{template: "error", uiLocales: p.UILocales, imageOrigin: p.Client.logoOrigin()}
	switch {
	case p.Answer == nil:
	case p.Client == nil:
		m.err = errors.New("an answer without a client")
	case bearsScript(p.Answer.URL):
		m.err = errors.New("the link bears a script")
	}
	return m
}

// Text names the sentence that the page shows.
func (p Error) Text() string { return cmp.Or(p.Reason, p.Code) }

// Answer is an authorization response that waits for a click, because nobody vouches for its client. The
// caller must have compared the URL with the client's registered redirect URIs.
type Answer struct {
	URL    string
	Fields map[string]string // to be posted there; nil: they are in the URL
}

// SafeURL is URL for the template, which would otherwise replace private-use schemes.
func (a Answer) SafeURL() template.URL { return template.URL(a.URL) }

// ErrorDetail is what a developer must know to correct a request. It is not translated.
type ErrorDetail struct {
	Explanation string
	Parameter   string   // the wrong parameter
	Received    string   // its value
	Registered  []string // the accepted values
	Nearest     string   // the nearest of them; the difference is marked
	Fix         string   // the configuration or command that corrects it
}
