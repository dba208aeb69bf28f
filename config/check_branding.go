package config

import (
	"errors"
	"io/fs"
	"net/url"
	"regexp"
	"strings"

	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/templates"
	"github.com/authzd/authzd/templates/brand"
	"github.com/authzd/authzd/templates/inspect"
)

func (l *loader) checkBranding() {
	b := l.cfg.Branding
	l.checkLabel("branding.name", b.Name)
	if b.LogoFile != "" {
		l.report("branding.logo_file", b.LogoFile, checkLogo(b.LogoFile))
	}
	for key, name := range map[string]string{"logo_dark_file": b.LogoDarkFile, "backdrop_file": b.BackdropFile} {
		if name != "" {
			l.report("branding."+key, name, checkLogo(name))
		}
	}
	for key, link := range map[string]string{"help_url": b.HelpURL, "imprint_url": b.ImprintURL, "privacy_url": b.PrivacyURL} {
		if u, err := url.Parse(link); link != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
			l.report("branding."+key, link, problemf("write an address such as https://example.com/help", "not an http or https URL"))
		}
	}
	for key, text := range b.Texts {
		path := child("branding.texts", key)
		if !textKey.MatchString(key) {
			l.report(path, nil, problemf("write a key such as sign_in.heading or sign_in.heading#de", "not the key of a text"))
		}
		l.report(path, text, checkNotEmpty(text))
	}
	for name, value := range b.CSS {
		path := child("branding.css", name)
		if !cssName.MatchString(name) {
			l.report(path, nil, problemf("write lower-case letters, digits and hyphens, such as accent", "not the name of a variable"))
		}
		l.report(path, value, checkCSS(value))
	}
	l.checkTheme(b.CSS)
	l.checkOwnTexts()
	l.checkTemplates()
}

// checkOwnTexts applies the rules of single texts: they exist, and keep their placeholders.
func (l *loader) checkOwnTexts() {
	for _, err := range eachError(l.cfg.Branding.Look().CheckTexts()) {
		if wrong := (*templates.TextError)(nil); errors.As(err, &wrong) {
			l.report(child("branding.texts", wrong.Key), l.cfg.Branding.Texts[wrong.Key], problemf(wrong.Hint, "%s", wrong.Reason))
		}
	}
}

// checkTemplates draws every page and mail with the operator's templates. What is wrong with one is told with its line there.
func (l *loader) checkTemplates() {
	folder := l.cfg.Branding.Templates
	if folder == "" {
		return
	}
	if flaw := checkFolder(folder); flaw != nil || l.broken("branding") || l.broken("issuer") {
		l.report("branding.templates", folder, flaw)
		return
	}
	flaws, err := inspect.Templates(l.cfg.Issuer, l.cfg.Branding.Look())
	if err != nil {
		l.report("branding.templates", folder, unreadable(err))
	}
	for _, f := range flaws {
		l.add(&Error{File: f.File, Line: f.Line, Column: f.Column, Reason: f.Reason, Hint: f.Hint})
	}
}

// eachError returns the errors that errors.Join has joined.
func eachError(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return nil
}

var textKey = regexp.MustCompile(`^[a-z0-9_.]+(#[a-z]+)?(#[A-Za-z-]+)?$`)

func checkLogo(name string) *member.Flaw {
	_, err := brand.ReadLogo(name)
	var missing *fs.PathError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &missing):
		return unreadable(err)
	}
	return problemf("name a picture of one of these kinds: svg, png, jpeg, webp, gif", "%v", err)
}

// checkTheme reports variables that do not exist, values that they can't have, and colours that can't be read on
// each other. All that is wrong with one variable is one error.
func (l *loader) checkTheme(css map[string]string) {
	reasons := map[string][]string{}
	hints := map[string]string{}
	for _, p := range brand.CSSProblems(css) {
		reason := p.Reason
		if p.Mode != "" {
			reason = "in " + p.Mode + " mode, " + reason
		}
		reasons[p.Variable], hints[p.Variable] = append(reasons[p.Variable], reason), p.Hint
	}
	for name, said := range reasons {
		l.report(child("branding.css", name), css[name], problemf(hints[name], "%s", strings.Join(said, "; ")))
	}
}

var (
	cssName  = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)
	cssValue = regexp.MustCompile(`^[A-Za-z0-9#%.,"' _-]{1,500}$`)
)

// checkCSS admits what colours, lengths and font names are written with: nothing that could end the
// declaration, open a comment or fetch something.
func checkCSS(value string) *member.Flaw {
	hint := "use a colour, a length or font names"
	switch {
	case !cssValue.MatchString(value):
		return problemf(hint, "has a character that is not allowed here, or is too long")
	case strings.Count(value, `"`)%2 != 0 || strings.Count(value, "'")%2 != 0:
		return problemf("close what was opened", "quotes don't match")
	}
	return nil
}
