package inspect

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/html"

	"github.com/authzd/authzd/templates"
)

// sampleLetter has all that a mail can have.
func sampleLetter(message string) templates.Letter {
	at := time.Date(2026, time.November, 29, 22, 5, 0, 0, time.UTC)
	return templates.Letter{
		Message: message, Link: "https://id.example.com/reset?token=sample&x=1", Until: at, Code: "12345678", CodeUntil: at,
		Facts: []templates.Fact{{Name: "browser", Value: "Firefox"}, {Name: "time", At: at}},
	}
}

// checkLetters writes every mail.
func (c *checker) checkLetters(issuer string, b templates.Branding) error {
	if !c.has("letter.html") && !c.has("letter.txt") {
		return nil
	}
	u, err := url.Parse(issuer)
	if err != nil {
		return err
	}
	letters, err := templates.NewLetters(u.Host, b)
	if err != nil {
		return err
	}
	messages, err := templates.Messages()
	if err != nil {
		return err
	}
	for _, message := range messages {
		for _, lang := range c.languages {
			in := "the mail " + message
			letter := sampleLetter(message)
			if text, err := templates.CatalogueTexts(lang); err != nil {
				return err
			} else if text["mail."+message+".button"] == "" {
				letter.Link = ""
			}
			known := len(c.found)
			drawn, err := letters.Write(lang, "", letter)
			if err != nil {
				instead := "letter.html"
				if !c.has(instead) {
					instead = "letter.txt"
				}
				c.failed(err, instead, "", in)
				break
			}
			if c.checkLetter(letter, drawn, in); len(c.found) > known {
				break // the other languages would say the same
			}
		}
	}
	return nil
}

// checkLetter looks for the link and the code in both parts of a mail, and for what would be loaded.
func (c *checker) checkLetter(letter templates.Letter, drawn *templates.LetterText, in string) {
	if c.has("letter.html") {
		c.checkHTML(letter, drawn.HTML, in)
	}
	if c.has("letter.txt") {
		if !strings.Contains(drawn.Text, letter.Link) {
			c.add("letter.txt", 1, "write {{.Link}}", "does not have .Link", in)
		}
		if !strings.Contains(drawn.Text, letter.Code) {
			c.add("letter.txt", 1, "write {{.Code}}", "does not have .Code", in)
		}
	}
}

// checkHTML is checkLetter for the HTML part.
func (c *checker) checkHTML(letter templates.Letter, text, in string) {
	const name = "letter.html"
	root, err := html.Parse(strings.NewReader(text))
	if err != nil {
		c.add(name, 1, "write HTML", err.Error(), in)
		return
	}
	d := read(root)
	leads := func(n *html.Node) bool { return n.Data == "a" && attr(n, "href") == letter.Link }
	if letter.Link != "" && !slices.ContainsFunc(d.elements, leads) {
		c.add(name, 1, `write <a href="{{.Link}}">{{.Button}}</a>`, "has no link to .Link", in)
	}
	if !strings.Contains(text, letter.Code) {
		c.add(name, 1, "write {{.Code}}", "does not show .Code", in)
	}
	c.loaded(d, text, in)
}

// fetches is how a style sheet loads something.
var fetches = []string{"url(", "@import", "image-set("}

// loaded refuses what a mail program would load, which tells a server that the mail is read, or block.
func (c *checker) loaded(d *document, text, in string) {
	refuse := func(before, found, after, reason string) {
		c.add("letter.html", max(1, c.line("letter.html", before, found, after)), "remove it: a mail has all that it shows", reason, in)
	}
	for _, n := range d.elements {
		switch n.Data {
		case "script", "link", "iframe", "object", "embed", "form", "base", "video", "audio", "source":
			refuse("<", n.Data, `\b`, fmt.Sprintf("has a %s element", n.Data))
		case "img":
			if !strings.HasPrefix(attr(n, "src"), "cid:") || has(n, "srcset") {
				refuse("<", n.Data, `\b`, fmt.Sprintf("loads the picture %q", attr(n, "src")))
			}
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "background" || a.Key == "href" && runsScript(a.Val) {
				refuse(`[\s"'/]`, a.Key, `\s*=`, fmt.Sprintf("has the attribute %s on %s", a.Key, n.Data))
			}
		}
	}
	text = strings.ToLower(text)
	for _, way := range fetches {
		if strings.Contains(text, way) {
			refuse("", way, "", "has a style that loads something")
		}
	}
}
