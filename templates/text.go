package templates

import (
	"cmp"
	"strings"
)

// Text is an operator's text by language, as BCP 47 tags; "" is for languages that have none.
type Text map[string]string

// In returns the text in a language, "" if there is none.
func (t Text) In(lang string) string { return cmp.Or(t[lang], t[""], t["en"]) }

// Texts sorts texts by the name that they belong to. The keys are names, each with "#" and a language behind it
// except for the default (as in RFC 7591 section 2.2): "orders.read", "orders.read#de".
func Texts(keys map[string]string) map[string]Text {
	texts := map[string]Text{}
	for key, text := range keys {
		name, lang, _ := strings.Cut(key, "#")
		if texts[name] == nil {
			texts[name] = Text{}
		}
		texts[name][lang] = text
	}
	return texts
}
