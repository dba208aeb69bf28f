package templates

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/authzd/authzd/authz/member"
)

// Branding gives the pages an operator's look.
type Branding struct {
	// Name of the service or the company; empty: authzd.
	Name string

	// LogoFile is an svg, png, jpeg, webp or gif file of at most 1 MiB, shown 32 px high in place
	// of the name; empty: the first letter of the name beside it. Mails carry it if they can show it, see
	// brand.Logo.NotInMails.
	LogoFile string

	// LogoDarkFile is the logo for dark mode; empty: LogoFile.
	LogoDarkFile string

	// BackdropFile is a picture behind the frame, of the same kinds and size as a logo; empty: none. Narrow windows
	// do not load it, and it never lies behind text.
	BackdropFile string

	// HelpURL, ImprintURL and PrivacyURL are http or https links at the foot of each page; empty: none.
	HelpURL, ImprintURL, PrivacyURL string

	// Texts replaces texts of the catalogue, by their keys. For one language only, # and its tag follow the key:
	// "sign_in.heading#de". A text keeps its placeholders.
	Texts map[string]string

	// Languages are those that pages and mails are offered in, of Languages. The first is for people who read none of
	// them; empty: all.
	Languages []string

	// Templates is a folder with an operator's own templates, each called like the one of ours that it replaces. They are
	// read once. Draw them with package inspect first, or a person meets what is wrong with them; empty: none.
	Templates string

	// CSS sets variables of the style sheet. The colours are background, surface, stub, text, muted,
	// border, edge, control, accent, on-accent, link, danger, danger-surface, warning, warning-surface, ok, mark, each
	// "#rgb" or "#rrggbb"; the same names with "-dark" are for dark mode. radius is a length in px or rem, font a list
	// of font families. If only accent is set, a suitable on-accent, link, stub and background follow from it. Colours that fail WCAG 2.2 AA against
	// each other are refused.
	CSS map[string]string
}

// defaultName is the name of a server without branding. It shows authzd's mark.
const defaultName = "authzd"

// Letter replaces the logo of an operator who has a name but no logo.
func (b Branding) Letter() string {
	if b.Name == defaultName {
		return ""
	}
	return initial(b.Name)
}

// TextError is one thing that is wrong with an operator's text.
type TextError struct {
	Key    string // as the operator wrote it
	Reason string // lower case, no full stop
	Hint   string // what to do about it
}

func (e *TextError) Error() string {
	return fmt.Sprintf("branding texts %q: %s; %s", e.Key, e.Reason, e.Hint)
}

// CheckTexts returns what is wrong with the texts: nil, or an error that joins a *TextError for each.
func (b Branding) CheckTexts() error {
	ours, err := catalogues()
	if err == nil {
		_, err = b.withTexts(ours)
	}
	return err
}

// CatalogueTexts returns our texts of a language by their keys, nil if it is none of Languages.
func CatalogueTexts(lang string) (map[string]string, error) {
	all, err := catalogues()
	return maps.Clone(all[lang]), err
}

// withTexts returns the catalogues with the operator's texts in place of ours. The error names each text that is none, or whose
// placeholders differ.
func (b Branding) withTexts(ours map[string]catalogue) (map[string]catalogue, error) {
	if len(b.Texts) == 0 {
		return ours, nil
	}
	all := map[string]catalogue{}
	for lang, texts := range ours {
		all[lang] = maps.Clone(texts)
	}
	var errs []error
	refuse := func(key, hint, format string, args ...any) {
		errs = append(errs, &TextError{key, fmt.Sprintf(format, args...), hint})
	}
	for _, key := range slices.Sorted(maps.Keys(b.Texts)) { // "a#de" comes after "a", which is for all languages
		base, lang, one := cutLanguage(key)
		replaced := languages
		if one {
			replaced = []string{lang}
		}
		for _, lang := range replaced {
			text, ok := all[lang][base]
			switch {
			case !ok && one:
				refuse(key, nearestText(base, ours[lang]), "no such text, or no such language")
			case !ok && all[languages[0]][base] != "": // a form of a number that this language lacks
				continue
			case !ok:
				refuse(key, nearestText(base, ours[lang]), "no such text")
			case !slices.Equal(placeholders(text), placeholders(b.Texts[key])):
				refuse(key, fmt.Sprintf("ours is %q", text), "must have %s", inWords(placeholders(text)))
			default:
				all[lang][base] = b.Texts[key]
				continue
			}
			break
		}
	}
	return all, errors.Join(errs...)
}

// inWords lists the placeholders of a text.
func inWords(placeholders []string) string {
	if len(placeholders) == 0 {
		return "no placeholders"
	}
	return "the placeholders " + strings.Join(placeholders, ", ")
}

// nearestText says what to write in place of a key that does not exist. texts are nil if the language does not exist.
func nearestText(key string, texts catalogue) string {
	if texts == nil {
		return "the languages are " + strings.Join(languages, ", ")
	}
	if near := member.Nearest(key, slices.Sorted(maps.Keys(texts))); near != "" {
		return "did you mean " + near + "?"
	}
	return "\"authzd template texts\" lists them"
}

// cutLanguage takes the language off a key. The form of a number, such as #other, belongs to the key.
func cutLanguage(key string) (base, lang string, found bool) {
	i := strings.LastIndexByte(key, '#')
	if i < 0 {
		return key, "", false
	}
	for _, form := range pluralForms {
		if key[i:] == form {
			return key, "", false
		}
	}
	return key[:i], key[i+1:], true
}

// placeholders returns the placeholders of a text, sorted.
func placeholders(text string) []string {
	found := regexp.MustCompile(`\{[a-z]+\}`).FindAllString(text, -1)
	slices.Sort(found)
	return found
}
