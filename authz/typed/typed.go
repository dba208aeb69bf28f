// Package typed reads codes and names as people type them. They copy from mails, write with the keyboard of their
// language, and leave marks behind that nobody sees.
//
//	"١٢٣ ٤٥٦", "123–456" -> Digits -> "123456"
//	"Ｋ4TM–9pwx"          -> Plain  -> "K4TM9pwx"
//	" Do  Dodo "         -> Name   -> "Do Dodo"
package typed

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Plain returns a code without spaces, dashes and marks that are not seen. The digits of all scripts and full-width
// letters are ASCII in it. Everything else stays.
func Plain(code string) string {
	var plain strings.Builder
	for _, r := range code {
		switch {
		case unicode.IsSpace(r), unicode.Is(unicode.Dash, r), unicode.Is(unicode.Cf, r):
		case unicode.IsDigit(r):
			plain.WriteByte('0' + valueOf(r))
		case 'Ａ' <= r && r <= 'Ｚ':
			plain.WriteRune(r - 'Ａ' + 'A')
		case 'ａ' <= r && r <= 'ｚ':
			plain.WriteRune(r - 'ａ' + 'a')
		default:
			plain.WriteRune(r)
		}
	}
	return plain.String()
}

// Digits returns the digits of a code in ASCII. It returns "" if the code has anything else but what Plain leaves out,
// or more digits than most.
func Digits(code string, most int) string {
	plain := Plain(code)
	if len(plain) > most || strings.Trim(plain, "0123456789") != "" {
		return ""
	}
	return plain
}

// valueOf returns the value of a decimal digit: in Unicode, the digits of a script follow one another.
func valueOf(r rune) byte {
	for _, t := range unicode.Nd.R16 {
		if rune(t.Lo) <= r && r <= rune(t.Hi) {
			return byte((r - rune(t.Lo)) % 10)
		}
	}
	for _, t := range unicode.Nd.R32 {
		if rune(t.Lo) <= r && r <= rune(t.Hi) {
			return byte((r - rune(t.Lo)) % 10)
		}
	}
	return 0
}

// Name returns a name as it is stored, and reports whether it can be one: up to most characters in one line, and none
// that has no look or changes the order of others. Scripts and emojis need the joiners U+200C and U+200D. A name that is
// not empty has something to see.
func Name(name string, most int) (string, bool) {
	name = strings.TrimSpace(name)
	if !utf8.ValidString(name) || utf8.RuneCountInString(name) > most || strings.ContainsFunc(name, unfit) {
		return name, false
	}
	return strings.Join(strings.Fields(name), " "), name == "" || strings.ContainsFunc(name, seen)
}

func unfit(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) ||
		unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Cs) && r != '\u200c' && r != '\u200d'
}

func seen(r rune) bool {
	const blank = '\u2800' // in Braille
	return unicode.IsGraphic(r) && !unicode.IsSpace(r) && !unicode.IsMark(r) && r != blank
}
