package templates

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"sync"
	texttemplate "text/template"
	"time"

	"github.com/authzd/authzd/templates/brand"
)

//go:embed letter
var letterFiles embed.FS

// Letter is what a mail says. Its texts are those of the catalogue that begin with "mail." and Message.
type Letter struct {
	Message string   // such as reset_password
	Values  []string // pairs of a placeholder's name and its value
	Facts   []Fact
	Link    string    // absolute; empty: there is none
	Until   time.Time // how long the link works; zero: it does not end

	Code      string    // to type; empty: there is none
	CodeUntil time.Time // how long the code works

	Zone *time.Location // of the times; nil: UTC
}

// Messages lists the messages that there are texts for, sorted.
func Messages() ([]string, error) {
	all, err := catalogues()
	if err != nil {
		return nil, err
	}
	var messages []string
	for key := range all[languages[0]] {
		if message, ok := strings.CutSuffix(key, ".subject"); ok {
			messages = append(messages, strings.TrimPrefix(message, "mail."))
		}
	}
	slices.Sort(messages)
	return messages, nil
}

// Fact is one line of what is known of an event, such as the device.
type Fact struct {
	Name  string    // its label is the text "mail.fact." + Name
	Value string    // empty if it is At
	At    time.Time // a moment
}

// LetterText is a letter in one language.
type LetterText struct {
	Language            string
	Subject, Text, HTML string
	Pictures            []Picture // that the HTML shows
}

// Picture is an image that a mail carries. Nothing in a mail comes from a server, which would learn that it is read.
type Picture struct {
	ID          string // the Content-ID, by which the HTML refers to it: cid:ID (RFC 2392)
	ContentType string
	Content     []byte
}

// Letters writes letters. It is safe for concurrent use.
type Letters struct {
	brand      string
	host       string    // of the issuer
	logos      []Picture // of light mode, and of dark mode; empty: the name stands for it
	writers    map[string]func() (*writer, error)
	catalogues map[string]catalogue
	speaker    speaker
}

// writer writes the letters of one language.
type writer struct {
	text *texttemplate.Template
	html *template.Template
}

// NewLetters returns letters with the look of a branding. host is the issuer's, which each letter names. A language is
// prepared when it is first used.
func NewLetters(host string, branding Branding) (*Letters, error) {
	if branding.Name == "" {
		branding.Name = defaultName
	}
	all, err := catalogues()
	if err != nil {
		return nil, err
	}
	if all, err = branding.withTexts(all); err != nil {
		return nil, err
	}
	logos, err := letterLogos(branding)
	if err != nil {
		return nil, err
	}
	own, err := readOwn(branding.Templates)
	if err != nil {
		return nil, err
	}
	offered, err := newSpeaker(branding.Languages)
	if err != nil {
		return nil, err
	}
	l := &Letters{brand: branding.Name, host: host, logos: logos, writers: map[string]func() (*writer, error){}, catalogues: all, speaker: offered}
	for _, lang := range languages {
		l.writers[lang] = sync.OnceValues(func() (*writer, error) { return newWriter(lang, all[lang], branding, own) })
	}
	return l, nil
}

// letterLogos returns the logos that mails can show: none, that of light mode, or both.
func letterLogos(branding Branding) (logos []Picture, err error) {
	for _, file := range []string{branding.LogoFile, branding.LogoDarkFile} {
		if file == "" {
			break
		}
		logo, err := brand.ReadLogo(file)
		if err != nil {
			return nil, fmt.Errorf("logo %s: %w", file, err)
		}
		if logo.NotInMails() != "" {
			break
		}
		sum := sha256.Sum256(logo.Content)
		logos = append(logos, Picture{"logo-" + hex.EncodeToString(sum[:8]) + "@authzd", logo.ContentType, logo.Content})
	}
	return logos, nil
}

func newWriter(lang string, texts catalogue, branding Branding, own own) (w *writer, err error) {
	light, dark := brand.Colours(branding.CSS)
	functions := map[string]any{
		"t":     texts.text,
		"rich":  texts.rich,
		"lang":  func() string { return lang },
		"dir":   func() string { return direction(lang) },
		"light": func(name string) template.CSS { return template.CSS(light[name]) },
		"dark":  func(name string) template.CSS { return template.CSS(dark[name]) },
	}
	text, err := own.text("letter.txt")
	if err != nil {
		return nil, err
	}
	html, err := own.text("letter.html")
	if err != nil {
		return nil, err
	}
	w = new(writer)
	if w.text, err = texttemplate.New("letter.txt").Funcs(functions).Parse(text); err != nil {
		return nil, err
	}
	w.html, err = template.New("letter.html").Funcs(functions).Parse(html)
	return w, err
}

// letterView is the data of the templates.
type letterView struct {
	Letter
	Brand, Host string
	Logos       []Picture
	Subject     string
	Heading     string
	Paragraph   template.HTML // of the HTML part
	Plain       string        // the same, of the text part
	Button      string        // empty: there is no link
	Advice      string        // empty: none is needed
	Lines       []letterLine
	Ends        string // until when the link works; empty: it does not end
	CodeEnds    string
}

// letterLine is a Fact as it is shown.
type letterLine struct{ Label, Value string }

// Write writes a letter in the best of our languages: of languages, BCP 47 tags separated by spaces, else of
// acceptLanguage, as for a page.
func (l *Letters) Write(languages, acceptLanguage string, letter Letter) (*LetterText, error) {
	lang := l.speaker.choose(languages, acceptLanguage)
	view, err := l.view(lang, letter)
	if err != nil {
		return nil, err
	}
	w, err := l.writers[lang]()
	if err != nil {
		return nil, err
	}
	var text, html bytes.Buffer
	if err := w.text.Execute(&text, view); err != nil {
		return nil, fmt.Errorf("write %s: %w", letter.Message, err)
	}
	if err := w.html.Execute(&html, view); err != nil {
		return nil, fmt.Errorf("write %s: %w", letter.Message, err)
	}
	return &LetterText{Language: lang, Subject: view.Subject, Text: tidy(text.String()), HTML: html.String(), Pictures: l.logos}, nil
}

// view fills the texts of a letter.
func (l *Letters) view(lang string, letter Letter) (v *letterView, err error) {
	texts, key := l.catalogues[lang], "mail."+letter.Message
	values := append([]string{"brand", l.brand, "host", l.host}, letter.Values...)
	v = &letterView{Letter: letter, Brand: l.brand, Host: l.host, Logos: l.logos}
	if v.Subject, err = texts.text(key+".subject", values...); err != nil {
		return nil, err
	}
	if v.Heading, err = texts.text(key+".heading", values...); err != nil {
		return nil, err
	}
	if v.Plain, err = texts.text(key+".text", values...); err != nil {
		return nil, err
	}
	if v.Paragraph, err = texts.rich(key+".text", values...); err != nil {
		return nil, err
	}
	if letter.Link != "" {
		if v.Button, err = texts.text(key+".button", values...); err != nil {
			return nil, err
		}
	}
	if _, ok := texts[key+".advice"]; ok {
		if v.Advice, err = texts.text(key+".advice", values...); err != nil {
			return nil, err
		}
	}
	for _, fact := range letter.Facts {
		label, err := texts.text("mail.fact." + fact.Name)
		if err != nil {
			return nil, err
		}
		if fact.Value == "" {
			fact.Value = texts.moment(fact.At, letter.Zone)
		}
		v.Lines = append(v.Lines, letterLine{label, fact.Value})
	}
	if !letter.Until.IsZero() {
		v.Ends = texts.moment(letter.Until, letter.Zone)
	}
	if !letter.CodeUntil.IsZero() {
		v.CodeEnds = texts.moment(letter.CodeUntil, letter.Zone)
	}
	return v, nil
}

// tidy ends each line as plain text does, and leaves out what templates leave between paragraphs.
func tidy(text string) string {
	for strings.Contains(text, "\n\n\n") {
		text = strings.ReplaceAll(text, "\n\n\n", "\n\n")
	}
	return strings.TrimSpace(text) + "\n"
}
