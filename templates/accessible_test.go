package templates

import (
	"strings"
	"testing"
)

// TestAccessible checks what every page owes to those who can't see or can't point, in every
// language.
func TestAccessible(t *testing.T) {
	r := newRenderer(t, Branding{})
	for name, page := range everyPage() {
		for _, lang := range languages {
			t.Run(name+" "+lang, func(t *testing.T) {
				accessible(t, draw(t, r, lang, page), lang)
			})
		}
	}
}

func accessible(t *testing.T, d document, lang string) {
	if got := attr(d.all("html")[0], "lang"); got != lang {
		t.Errorf("lang=%q", got)
	}
	if title := text(d.all("title")[0]); !strings.HasPrefix(title, d.heading()) {
		t.Errorf("title %q does not begin with the heading %q", title, d.heading())
	}
	ids, labels := map[string]bool{}, map[string]string{}
	for _, n := range d.all() {
		if id := attr(n, "id"); id != "" && ids[id] {
			t.Errorf("id %q twice", id)
		} else if id != "" {
			ids[id] = true
		}
		if n.Data == "label" {
			labels[attr(n, "for")] = text(n)
		}
	}
	for _, n := range d.all() {
		for _, ref := range strings.Fields(attr(n, "aria-describedby") + " " + attr(n, "aria-labelledby") + " " + attr(n, "for")) {
			if !ids[ref] {
				t.Errorf("%s refers to %q, which is not there", n.Data, ref)
			}
		}
		switch n.Data {
		case "input":
			if attr(n, "type") != "hidden" && labels[attr(n, "id")] == "" {
				t.Errorf("input %q has no label", attr(n, "name"))
			}
		case "select":
			if attr(n, "aria-label") == "" {
				t.Errorf("list %q has no label", attr(n, "name"))
			}
		case "button", "a":
			if text(n) == "" || n.Data == "button" && attr(n, "type") != "submit" || n.Data == "a" && attr(n, "href") == "" {
				t.Errorf("%s %q has no text, type or target", n.Data, attr(n, "id"))
			}
		case "img":
			if !has(n, "alt") {
				t.Errorf("image %q has no alt", attr(n, "src"))
			}
		case "iframe":
			if attr(n, "title") == "" {
				t.Errorf("frame %q has no title", attr(n, "src"))
			}
		case "form":
			choosesLanguage := attr(n, "method") == "get" && !has(n, "action") // of this page
			if !choosesLanguage && (attr(n, "method") != "post" || attr(n, "action") == "") {
				t.Errorf("form posts nowhere: %v", n.Attr)
			}
		}
	}
}

// TestFormsCarryHidden: no form loses the flow that it belongs to.
func TestFormsCarryHidden(t *testing.T) {
	r := newRenderer(t, Branding{})
	for name, page := range everyPage() {
		d := draw(t, r, "en", page)
		if strings.HasPrefix(name, "form post") || name == "error, to be posted" { // for a client
			continue
		}
		forms, flows := 0, 0
		for _, form := range d.all("form") {
			if has(form, "action") { // the other one shows this page again, with its query
				forms++
			}
		}
		for _, n := range d.all("input") {
			if attr(n, "name") == "flow" && attr(n, "value") == "f1" {
				flows++
			}
		}
		if forms != flows {
			t.Errorf("%s: %d forms, %d of them with the hidden field", name, forms, flows)
		}
	}
}
